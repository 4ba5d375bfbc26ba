package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
	"vitae/ledger"
	"vitae/ledger/proof"
)

func (a *app) evidenceCmd() *cobra.Command {
	return group("evidence", "Export a profile's history with its proofs, and verify such a bundle offline",
		"  vitae evidence verify jane.json --key log.key",
		a.evidenceExportCmd(), a.evidenceVerifyCmd(), a.evidencePageCmd())
}

// exportTimeout bounds one attempt at an export: a bundle can be large, and waits for the
// log's next checkpoint.
const exportTimeout = 2 * time.Minute

func (a *app) evidenceExportCmd() *cobra.Command {
	var file, from, to, values string
	var page bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Write a bundle: commits, the proof that the log has them, and disclosed values",
		Long: `Write a bundle of evidence about a profile: its commits as they are stored, the proof that
the transparency log has each, and the values that are disclosed. Whoever has the log's
verifier key can check it without asking anybody; see docs/evidence.md.

--values says which values are in it: all, none, or names of fields with commas. Without it
a bundle has every value that the key may see.`,
		Example: `  vitae evidence export --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 -f jane.json
  vitae evidence export -f range.json --from 120 --to 480 --values jobTitle,employer
  vitae evidence export -f jane.html --html`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a.client.timeout = exportTimeout
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			q := url.Values{}
			for name, v := range map[string]string{"from": from, "to": to, "values": values} {
				if c.Flags().Changed(name) {
					q.Set(name, v)
				}
			}
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodGet, Path: path + "/evidence", Query: q}, nil)
			if err != nil {
				return err
			}
			out := r.Body
			if page {
				out = proof.EvidencePage(out)
			}
			return a.writeFile(file, out)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "-", `the file to write, "-" for stdout`)
	f.StringVar(&from, "from", "", "only commits from this sequence on, or from this time (RFC 3339)")
	f.StringVar(&to, "to", "", "only commits up to this sequence, or up to this time (RFC 3339)")
	f.StringVar(&values, "values", "", "all, none, or names of fields with commas")
	f.BoolVar(&page, "html", false, "write a page with the bundle that verifies it in a browser")
	return a.about(c)
}

func (a *app) evidencePageCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "page [BUNDLE]",
		Short: "Write a page that verifies bundles in a browser, without a network",
		Long: `Write a page that verifies bundles of evidence in a browser. It connects to nothing and
opens from a file. With a bundle it shows that one; without it asks for one.`,
		Example: `  vitae evidence page -f verify.html
  vitae evidence page jane.json -f jane.html`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var bundle []byte
			if len(args) == 1 {
				var err error
				if bundle, err = a.readBundle(args[0]); err != nil {
					return err
				}
			}
			return a.writeFile(file, proof.EvidencePage(bundle))
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "-", `the file to write, "-" for stdout`)
	return c
}

// readBundle reads a file, "-" for stdin, up to a byte more than a bundle can have.
func (a *app) readBundle(name string) ([]byte, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, failWith(exitVerify, "the bundle cannot be read: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, proof.MaxEvidence+1))
	if err != nil {
		return nil, failWith(exitVerify, "the bundle cannot be read: %w", err)
	}
	return b, nil
}

func (a *app) evidenceVerifyCmd() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "verify BUNDLE --key VKEY",
		Short: "Check a bundle offline: every commit, proof and value in it",
		Long: `Check a bundle of evidence ("-" for stdin) against the log's verifier key: text such as
name+0123abcd+base64, or a file that holds it. Nothing is asked of any server. A bundle cannot
vouch for itself, so the key must come from the log's operator by another way: GET /log/key.
Exit code 8: something in it is not so; its sequence, event and reason are said.`,
		Example: `  vitae evidence verify jane.json --key log.key
  vitae evidence verify jane.json --key 'vitae/01J8Z3K5V6Q7R8S9T0V1W2X3Y4+6a5b4c3d+AV...' -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			vkey, err := a.verifierKey(key)
			if err != nil {
				return err
			}
			bundle, err := a.readBundle(args[0])
			if err != nil {
				return err
			}
			v := verdictOf(proof.VerifyEvidence(bundle, vkey))
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if err := a.print(raw, v.table); err != nil {
				return err
			}
			if n := len(v.Faults); n > 0 {
				return failWith(exitVerify, "the bundle is not good (faults: %d). The first: %s", n, plain(v.Faults[0].String(), false))
			}
			a.say("good: the log has every commit, and every value is the one that was committed to")
			return nil
		},
	}
	c.Flags().StringVar(&key, "key", "", "the log's verifier key, or a file that holds it")
	return c
}

// verifierKey reads --key.
func (a *app) verifierKey(given string) (string, error) {
	if given == "" {
		return "", usage("--key is missing: the log's verifier key, from its operator (GET /log/key). A bundle cannot vouch for itself")
	}
	if proof.CheckKey(given) == nil {
		return strings.TrimSpace(given), nil
	}
	b, err := a.readFile(given)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", usage("--key is neither a verifier key (name+hash+base64) nor a file")
	case err != nil:
		return "", usage("--key: %w", err)
	}
	if err := proof.CheckKey(string(b)); err != nil {
		return "", usage("--key: the file holds no key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// verdict is what a bundle came to.
type verdict struct {
	OK        bool                  `json:"ok"`
	Profile   string                `json:"profile,omitempty"`
	Origin    string                `json:"origin,omitempty"`
	TreeSize  uint64                `json:"treeSize,omitempty"`
	Root      *ledger.Hash          `json:"root,omitempty"`
	Commits   int                   `json:"commits"`
	Events    int                   `json:"events"`
	Values    int                   `json:"values"`
	First     ledger.Seq            `json:"first,omitempty"`
	Last      ledger.Seq            `json:"last,omitempty"`
	Head      ledger.Seq            `json:"head,omitempty"` // the profile's last commit in that tree
	FromFirst bool                  `json:"fromFirst"`      // nothing is missing before First
	ToHead    bool                  `json:"toHead"`         // nothing is missing after Last, as the operator signed
	Erased    bool                  `json:"erased"`
	Faults    []proof.EvidenceFault `json:"faults"`
}

func verdictOf(r *proof.EvidenceReport) verdict {
	v := verdict{OK: r.OK(), Faults: r.Faults}
	if v.Faults == nil {
		v.Faults = []proof.EvidenceFault{}
	}
	if r.Bundle == nil || r.Log.Size == 0 {
		return v // nothing in it is to be believed
	}
	m := &r.Bundle.Manifest
	v.Profile, v.Origin, v.TreeSize, v.Root = m.Profile.String(), r.Log.Origin, r.Log.Size, &r.Log.Root
	v.Commits, v.Events, v.Values, v.First, v.Last, v.Erased = m.Commits, m.Events, m.Values, m.FirstSeq, m.LastSeq, m.Erased
	if v.OK {
		v.Head, v.FromFirst, v.ToHead = r.Head.Seq, r.FromFirst(), r.ToHead()
	}
	return v
}

func (v *verdict) table(w io.Writer) error {
	if !v.OK {
		rows := []row{}
		for _, f := range v.Faults {
			seq, index := "", ""
			if f.Seq != 0 {
				seq = strconv.FormatUint(uint64(f.Seq), 10)
			}
			if f.Index != nil {
				index = strconv.Itoa(*f.Index)
			}
			rows = append(rows, row{seq, index, f.Code, f.Message})
		}
		return writeTable(w, row{"SEQ", "EVENT", "FAULT", "REASON"}, rows)
	}
	begins, ends := "with the profile's first commit", "with its last at that size, as the log's operator signed"
	if !v.FromFirst {
		begins = "later than the profile's first commit"
	}
	if !v.ToHead {
		ends = fmt.Sprintf("before its last, which is sequence %d", v.Head)
	}
	values := strconv.Itoa(v.Values) + " disclosed"
	if v.Erased {
		values = "none: the profile was erased"
	}
	return writeTable(w, row{"WHAT", "IS"}, []row{
		{"profile", v.Profile},
		{"log", fmt.Sprintf("%s, %d entries", v.Origin, v.TreeSize)},
		{"root", v.Root.String()},
		{"commits", fmt.Sprintf("%d, with %d events", v.Commits, v.Events)},
		{"values", values},
		{"begins", fmt.Sprintf("at sequence %d, %s", v.First, begins)},
		{"ends", fmt.Sprintf("at sequence %d, %s", v.Last, ends)},
	})
}
