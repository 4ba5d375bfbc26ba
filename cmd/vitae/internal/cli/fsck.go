package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
)

func (a *app) fsckCmd() *cobra.Command {
	var dir string
	var repair bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check every invariant of the ledger",
		Long: `Check the whole ledger: every block, every sequence, every profile's chain of commits, every
value against its commitment, every file against its hash, the projections and the files of
the transparency log against the ledger, and what the lanes know. Without --data the running server does it; with --data the
folder is opened directly, and no server may be using it: the engine starts on it and the
projections catch up; no commit is changed. --repair makes anew what differs of the
projections and of the log's files, checks again, and says which; everything else that is found needs a backup.
Exit code 8: something is not intact, and its place is said.`,
		Example: `  vitae fsck
  vitae fsck --data /mnt/copy/data -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			raw, err := a.fsck(c, dir, repair)
			if err != nil {
				return err
			}
			var f fsck.Report
			if err := json.Unmarshal(raw, &f); err != nil {
				return fmt.Errorf("the server's answer: %w", err)
			}
			for _, name := range f.Rebuilt {
				a.say("made anew: %s", name)
			}
			if err := a.print(raw, func(w io.Writer) error { return fsckTable(w, f) }); err != nil {
				return err
			}
			switch {
			case f.Cut:
				return failWith(exitVerify, "the ledger is not intact: %d findings, and more", len(f.Findings))
			case len(f.Findings) > 0:
				return failWith(exitVerify, "the ledger is not intact: %d findings", len(f.Findings))
			}
			a.say("every invariant holds")
			return nil
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "make projections and the log's files anew that differ from the ledger; a commit is never changed")
	a.remote(c).Flags().StringVar(&dir, "data", "", "check this data folder instead of asking the server")
	return c
}

func (a *app) fsck(c *cobra.Command, dir string, repair bool) (json.RawMessage, error) {
	if dir == "" {
		cl, err := a.connect("")
		if err != nil {
			return nil, err
		}
		var d data
		r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: "/v1/fsck", Query: url.Values{"repair": {strconv.FormatBool(repair)}}}, &d)
		if err != nil {
			return nil, err
		}
		if raw := unwrap(r, d); r.Status != http.StatusAccepted {
			return raw, nil
		}
		return a.await(c.Context(), cl, "fsck", unwrap(r, d))
	}
	cfg, err := config.Load(config.Sources{Env: a.Env, Flags: map[string]string{"data": dir, "nats": "", "nats_listen": ""}})
	if err != nil {
		return nil, usage("%w", err)
	}
	log, err := a.logger(logFlags{format: "text", level: "error"})
	if err != nil {
		return nil, err
	}
	m := a.meter("fsck")
	f, err := a.Parts.Fsck(c.Context(), cfg, repair, log, m.show)
	m.end()
	if err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

func fsckTable(w io.Writer, f fsck.Report) error {
	n := func(v uint64) string { return strconv.FormatUint(v, 10) }
	err := writeTable(w, row{"HEAD", "COMMITS", "EVENTS", "PROFILES", "FINDINGS"},
		[]row{{n(uint64(f.Head)), n(f.Commits), n(f.Events), n(f.Profiles), strconv.Itoa(len(f.Findings))}})
	if err != nil || len(f.Findings) == 0 {
		return err
	}
	rows := make([]row, len(f.Findings))
	for i, one := range f.Findings {
		rows[i] = row{one.Invariant, n(uint64(one.Seq)), one.Profile, one.Why, one.Do}
	}
	return writeTable(w, row{"INVARIANT", "SEQ", "PROFILE", "WHY", "DO"}, rows)
}
