package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/server"
)

func (a *app) fsckCmd() *cobra.Command {
	var dir string
	var repair, reset bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check every invariant of the ledger",
		Long: `Check the whole ledger: every block, every sequence, every profile's chain of commits, every
value against its commitment, every file against its hash, the projections and the files of
the transparency log against the ledger, and what the lanes know. Without --data the running server does it; with --data the
folder is opened directly, and no server may be using it: the engine starts on it and the
projections catch up; no commit is changed. --repair makes anew what differs of the
projections and of the log's files, checks again, and says which; everything else that is found needs a backup.

--reset-beyond-head, with --data, is for an older ledger that was put back on purpose: what
follows the ledger is beyond its end then, and refuses to run. Projections are made anew; lanes
become an older copy of themselves, with all sinks paused until they are resumed; the feed of
changes goes on behind its last event; the transparency log stays refused. Each is listed
before, and asked about.
Exit code 8: something is not intact, or still beyond the end, and its place is said.`,
		Example: `  vitae fsck
  vitae fsck --data /mnt/copy/data -o json
  vitae fsck --data ./data --reset-beyond-head --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			check := func() (json.RawMessage, error) { return a.fsck(c, dir, repair) }
			if reset {
				check = func() (json.RawMessage, error) { return a.resetBeyondHead(c, dir) }
			}
			switch {
			case reset && dir == "":
				return usage("--reset-beyond-head needs --data: no server may be using the folder")
			case reset && repair:
				return usage("--reset-beyond-head and --repair: one after the other")
			case a.client.dryRun && !reset:
				return usage("--dry-run is for --reset-beyond-head: a check changes nothing")
			}
			raw, err := check()
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
			for _, name := range f.Reset {
				a.say("reset: %s", name)
			}
			if slices.Contains(f.Reset, fsck.LanesCheckpoint) || slices.Contains(f.Reset, fsck.JournalCheckpoint) {
				a.say("all sinks are paused when the server starts: look at vitae sink plan, then vitae sink resume")
			}
			if err := a.print(raw, func(w io.Writer) error { return fsckTable(w, f) }); err != nil {
				return err
			}
			if left := f.Beyond(); len(left) == 1 && left[0] == fsck.LogCheckpoint && len(f.Findings) == 1 {
				return failWith(exitVerify, "the transparency log stays refused: it has signed more than this ledger has, and that cannot be taken back. Everything else is in order; the server takes edits without signing, and /readyz goes on saying so")
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
	c.Flags().BoolVar(&reset, "reset-beyond-head", false, "with --data: reset what lies beyond the end of an older ledger that was put back on purpose")
	c.Flags().BoolVarP(&a.client.dryRun, "dry-run", "n", false, "with --reset-beyond-head: list what would be reset, and change nothing")
	a.asks(a.remote(c)).Flags().StringVar(&dir, "data", "", "check this data folder instead of asking the server")
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
	cfg, log, err := a.folder(dir)
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

// folder is what it takes to open a data folder that no server uses.
func (a *app) folder(dir string) (cfg config.Config, log *slog.Logger, err error) {
	if cfg, err = config.Load(config.Sources{Env: a.Env, Flags: map[string]string{"data": dir, "nats": "", "nats_listen": ""}}); err != nil {
		return cfg, nil, usage("%w", err)
	}
	log, err = a.logger(logFlags{format: "text", level: "error"})
	return cfg, log, err
}

// errListed ends a reset of which only the list was asked for.
var errListed = errors.New("listed")

func (a *app) resetBeyondHead(c *cobra.Command, dir string) (json.RawMessage, error) {
	cfg, log, err := a.folder(dir)
	if err != nil {
		return nil, err
	}
	m := a.meter("fsck")
	f, err := a.Parts.ResetBeyondHead(c.Context(), cfg, func(found fsck.Report) error {
		m.end()
		if a.client.dryRun {
			return errListed
		}
		for _, one := range found.Beyond() {
			a.say("%s", whatHappens(one))
		}
		return a.confirm(fmt.Sprintf("Reset them to the end of the ledger, sequence %d?", found.Head))
	}, log, m.show)
	m.end()
	switch {
	case errors.Is(err, errListed):
		for _, one := range f.Beyond() {
			a.say("%s", whatHappens(one))
		}
		a.say("nothing was changed")
	case errors.Is(err, server.ErrNotIntact):
		return nil, failWith(exitVerify, "%w", err)
	case err != nil:
		return nil, err
	}
	return json.Marshal(f)
}

// whatHappens says what a reset does to a checkpoint.
func whatHappens(c fsck.Checkpoint) string {
	if name, ok := c.Projection(); ok {
		return "projection " + name + ": is made anew from the ledger"
	}
	switch c {
	case fsck.LanesCheckpoint:
		return "lanes: become an older copy of themselves; all sinks are paused until they are resumed, and rely on nothing that was acknowledged"
	case fsck.JournalCheckpoint:
		return "journal: keeps what it has, and looks for erasures anew; where the lanes are older than it, a gap says so and all sinks are paused"
	case fsck.FeedCheckpoint:
		return "feed: keeps what it has told, and goes on behind it with the next commit"
	}
	return "log: stays refused: what it has signed cannot be taken back"
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
