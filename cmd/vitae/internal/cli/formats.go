package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) resumeExportCmd() *cobra.Command {
	var format, file, at string
	c := &cobra.Command{
		Use:   "export [ID]",
		Short: "Write a resume as JSON Resume, vCard 4 or a page to print",
		Long: `Write a resume (the base resume unless another is named) in a format that others read.
What the format has no place for is named on stderr.`,
		Example: `  vitae resume export --format jsonresume > resume.json
  vitae resume export --format html -f resume.html
  vitae resume export 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --format vcard --at 42`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id := "base"
			if len(args) == 1 {
				id = args[0]
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			q := url.Values{"format": {format}}
			if at != "" {
				q.Set("at", at)
			}
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodGet, Path: "/v1/resume/" + url.PathEscape(id) + "/export", Query: q}, nil)
			if err != nil {
				return err
			}
			if lost := r.Header.Get("X-Vitae-Not-Carried"); lost != "" {
				a.say("not in this format: %s", plain(lost, false))
			}
			return a.writeFile(file, r.Body)
		},
	}
	c.Flags().StringVar(&format, "format", "jsonresume", "jsonresume, vcard or html")
	c.Flags().StringVarP(&file, "file", "f", "-", `the file to write, "-" for stdout`)
	c.Flags().StringVar(&at, "at", "", "the state after this sequence, or at this time (RFC 3339)")
	return a.about(c)
}

func (a *app) profileArchiveCmd() *cobra.Command {
	var file, at string
	c := &cobra.Command{
		Use:   "archive -f FILE",
		Short: "Write everything that is kept about a profile into a zip archive",
		Long: `Write a zip archive with the profile's state, its resumes (also as JSON Resume and as
pages), every event of its history with its values, its files, and its connections without
their credentials. manifest.json in it has the hash of each file. It needs the profile's own
key, or an administrator's.`,
		Example: "  vitae profile archive -f jane.zip\n  vitae profile archive --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 -f then.zip --at 42",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usage("--file is missing")
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			return a.saveFile(file, func(w io.Writer) error {
				_, err := cl.Stream(c.Context(), client.Call{Method: http.MethodGet, Path: path + "/archive", Query: asOf(at)}, w)
				return err
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", `the file to write, "-" for stdout`)
	c.Flags().StringVar(&at, "at", "", "the state after this sequence, or at this time (RFC 3339)")
	return a.about(c)
}

// writeFile writes what was asked for where it was asked for: see saveFile.
func (a *app) writeFile(name string, content []byte) error {
	return a.saveFile(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// saveFile has a file written; "-" is stdout. A file is there whole or not at all, and only
// its owner can read it.
func (a *app) saveFile(name string, write func(w io.Writer) error) (err error) {
	if name == "-" {
		return write(a.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".vitae-*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}

// imported is the server's answer to a file that is to come in.
type imported struct {
	Updated bool `json:"updated"`
	Changes []struct {
		View  string          `json:"view"`
		Field *string         `json:"field"`
		Item  *string         `json:"item"`
		Op    string          `json:"op"`
		From  json.RawMessage `json:"from"`
		To    json.RawMessage `json:"to"`
	} `json:"changes"`
	NotKept []note `json:"notKept"`
	Refused []note `json:"refused"`
}

type note struct {
	At  string `json:"at"`
	Why string `json:"why"`
}

func (a *app) importCmd() *cobra.Command {
	var view, only, reason string
	var replace bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring a JSON Resume or LinkedIn's archive into a profile, after looking at the changes",
		Long: `Show what a file would change, and do it: after asking on a terminal, at once with --yes.
Without --yes and without a terminal nothing is changed. FILE is a JSON Resume, or the zip
archive that LinkedIn gives its members ("Get a copy of your data").

What the file says comes over what the profile has; items that the file does not have stay,
unless --replace is given. --only takes some fields and leaves the others. What has no field
here is listed, and so is what the catalogue refuses: the rest is taken, and the exit code
is 3. The change is an ordinary commit. It is made only if the profile is still as it was
shown (exit code 6 otherwise).`,
		Example: `  vitae import resume.json
  vitae import Basic_LinkedInDataExport.zip --only summary,workExperiences --yes
  vitae import resume.json --view 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --replace --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := a.readFile(args[0])
			if err != nil {
				return usage("%w", err)
			}
			q := url.Values{}
			if view != "" {
				q.Set("view", view)
			}
			if only != "" {
				q.Set("fields", only)
			}
			if replace {
				q.Set("mode", "replace")
			}
			header, err := reasonHeader(reason)
			if err != nil {
				return err
			}
			return a.importFile(c, client.Call{Method: http.MethodPost, Path: "/v1/import", Query: q, Body: file, Header: header})
		},
	}
	c.Flags().StringVar(&view, "view", "", "the resume whose collections are written (default: base)")
	c.Flags().StringVar(&only, "only", "", "take only these fields, parted by commas")
	c.Flags().BoolVar(&replace, "replace", false, "take away the items that the file does not have")
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	return a.asks(a.changes(a.about(c)))
}

func (a *app) importFile(c *cobra.Command, call client.Call) error {
	cl, err := a.connectAbout()
	if err != nil {
		return err
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	call.Header.Set("Content-Type", "application/zip")
	if bytes.HasPrefix(bytes.TrimLeft(call.Body, " \t\r\n\ufeff"), []byte("{")) {
		call.Header.Set("Content-Type", "application/json")
	}
	// What is shown is what the server would do, and it is done only to that state.
	shown := call
	shown.DryRun = true
	var would imported
	r, err := cl.Do(c.Context(), shown, &would)
	if err != nil {
		return err
	}
	asked := isTerminal(a.In) && isTerminal(a.Err)
	apply := len(would.Changes) > 0 && !a.client.dryRun && (a.client.yes || asked)
	switch {
	case !apply || a.output == "table":
		err = a.print(r.Body, would.table)
	case !a.client.yes: // who is asked must have seen it
		err = would.table(a.Err)
	}
	if err != nil {
		return err
	}
	switch {
	case len(would.Changes) == 0:
		a.say("nothing to change")
	case a.client.dryRun:
		a.say("dry run: nothing was changed")
	case !apply:
		a.say("nothing was changed: give --yes to do it")
	default:
		if err := a.confirm(fmt.Sprintf("Make %d changes?", len(would.Changes))); err != nil {
			return err
		}
		var seq struct {
			Seq uint64 `json:"seq"`
		}
		if err := json.Unmarshal(r.Body, &seq); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		call.Header.Set("If-Match", strconv.Quote(strconv.FormatUint(seq.Seq, 10)))
		if r, err = cl.Do(c.Context(), call, nil); err != nil {
			return err
		}
		if err := json.Unmarshal(r.Body, &seq); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		if a.output != "table" {
			if err := a.print(r.Body, printNothing); err != nil {
				return err
			}
		}
		a.say("done: the profile is at sequence %d", seq.Seq)
	}
	// A plan alone is never a failure.
	if len(would.Refused) > 0 && !a.client.dryRun && (apply || a.client.yes) {
		return failWith(exitPartial, "%d values of the file were refused", len(would.Refused))
	}
	return nil
}

func (i *imported) table(w io.Writer) error {
	or := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	rows := []row{}
	for _, c := range i.Changes {
		rows = append(rows, row{c.View, strings.TrimSuffix(or(c.Field)+" "+or(c.Item), " "), c.Op, short(c.From), short(c.To)})
	}
	if len(rows) > 0 {
		if err := writeTable(w, row{"VIEW", "FIELD", "OP", "FROM", "TO"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, n := range i.Refused {
		rows = append(rows, row{"refused", n.At, n.Why})
	}
	for _, n := range i.NotKept {
		rows = append(rows, row{"not kept", n.At, n.Why})
	}
	return writeTable(w, nil, rows)
}
