package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

// inPast runs a read of the named profile that gives rows.
func (a *app) inPast(c *cobra.Command, path string, query url.Values, heading row, line func(json.RawMessage) (row, error)) error {
	cl, err := a.connectAbout()
	if err != nil {
		return err
	}
	base, err := a.namedPath(c.Context(), cl)
	if err != nil {
		return err
	}
	rows, err := a.all(c.Context(), cl, base+path, query)
	if err != nil {
		return err
	}
	return a.list(rows, heading, line)
}

// texts makes a flag of each parameter, and gives the query of those that are set.
func texts(c *cobra.Command, help map[string]string) func() url.Values {
	values := map[string]*string{}
	for name, about := range help {
		values[name] = c.Flags().String(flagName(name), "", about)
	}
	return func() url.Values {
		q := url.Values{}
		for name, v := range values {
			if *v != "" {
				q.Set(name, *v)
			}
		}
		return q
	}
}

// flagName is a parameter's name as a flag: requestId is --request-id.
func flagName(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

const viewHelp = `only this view: "shared", "base" or a resume's id`

func (a *app) profileBlameCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "blame",
		Short: "Say of every value who put it there, when and why",
		Long: `Say of every value who put it there, when and why. BEFORE is the sequence at which the
value before it was set: with --at that sequence, blame shows that value, and so on back to
the first. What was cleared has no row here: see "vitae profile history --field F".`,
		Example: `  vitae profile blame
  vitae profile blame --field jobTitle
  vitae profile blame --field jobTitle --at 41
  vitae profile blame --view base -o json`,
		Args: cobra.NoArgs,
	}
	query := texts(c, map[string]string{
		"view": viewHelp, "field": "only this field", "item": "only this item of a collection",
		"at": "the values after this sequence, or at this time (RFC 3339)",
	})
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.inPast(c, "/blame", query(), row{"VIEW", "FIELD", "ITEM", "VALUE", "SEQ", "TIME", "ACTOR", "VIA", "BEFORE", "REASON"}, blameRow)
	}
	return a.about(c)
}

func blameRow(raw json.RawMessage) (row, error) {
	var b struct {
		View, Field, Item, Time, Actor, Via, Reason string
		Value                                       json.RawMessage
		Seq                                         uint64
		PreviousSeq                                 *uint64
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	before := ""
	if b.PreviousSeq != nil {
		before = strconv.FormatUint(*b.PreviousSeq, 10)
	}
	return row{b.View, b.Field, b.Item, inCell(b.Value), strconv.FormatUint(b.Seq, 10), b.Time, b.Actor, b.Via, before, b.Reason}, nil
}

// inCell shows a value in a cell of a table. A long one is cut there, visibly.
func inCell(value json.RawMessage) string {
	if len(value) == 0 || string(value) == "null" {
		return ""
	}
	text := scalar(value)
	if r := []rune(text); len(r) > 60 {
		text = string(r[:59]) + "…"
	}
	return text
}

func (a *app) profileDiffCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff --from X [--to Y]",
		Short: "Show what changed between two moments, or between two resumes",
		Long: `Show what changed between two moments, each a sequence or a time (RFC 3339); without --to
the newer one is the present. With --view A --against B, show how view B differs from view A:
at one moment (--at, or now), or A at --from and B at --to.

In the table a longer text that changed is shown word by word: [-gone-] {+new+}.`,
		Example: `  vitae profile diff --from 12 --to 41
  vitae profile diff --from 2026-05-03T10:14:00Z --view shared
  vitae profile diff --view base --against 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 -o json`,
		Args: cobra.NoArgs,
	}
	query := texts(c, map[string]string{
		"from": "the older state: after this sequence, or at this time", "to": "the newer state (default: the present)",
		"at": "the one moment at which two views are compared", "view": viewHelp, "against": "compare --view with this view",
	})
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := query()
		if q.Get("from") == "" && q.Get("against") == "" {
			return usage("--from is missing: a sequence, or a time such as 2026-01-31T12:00:00Z")
		}
		return a.inPast(c, "/diff", q, row{"VIEW", "FIELD", "ITEM", "OP", "FROM", "TO"}, diffRow)
	}
	return a.about(c)
}

func diffRow(raw json.RawMessage) (row, error) {
	var d struct {
		View, Field, Item, Op string
		From, To              json.RawMessage
		Words                 []struct {
			Pointer string
			Parts   []struct{ Op, Text string }
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	from, to := inCell(d.From), inCell(d.To)
	if len(d.Words) == 1 && d.Words[0].Pointer == "" {
		from, to = "", ""
		for _, p := range d.Words[0].Parts {
			switch p.Op {
			case "delete":
				to += "[-" + p.Text + "-]"
			case "insert":
				to += "{+" + p.Text + "+}"
			default:
				to += middle(p.Text)
			}
		}
	}
	return row{d.View, d.Field, d.Item, d.Op, from, to}, nil
}

// middle leaves out the middle of a long text that did not change, visibly.
func middle(text string) string {
	const ends = 20
	if r := []rune(text); len(r) > 2*ends+1 {
		return string(r[:ends]) + "…" + string(r[len(r)-ends:])
	}
	return text
}

func (a *app) profileRestoreCmd() *cobra.Command {
	var to, view, item, reason, ifMatch string
	c := &cobra.Command{
		Use:   "restore [FIELD] --to SEQ",
		Short: "Make a field, a view or the whole profile what it was, by new edits",
		Long: `Make something what it was after a sequence, or at a time. What differs now becomes new
edits, all of them or none; the history stays, and connections stay. A field is that field to
the letter; a collection is that of base unless --view names another resume; --item takes
one item of it. Without FIELD it is everything in --view (a deleted resume is made again), or
everything there is, and the command asks first.

--dry-run lists the edits that it would be.`,
		Example: `  vitae profile restore jobTitle --to 41
  vitae profile restore skills --item 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --to 41 --reason 'removed by mistake'
  vitae profile restore --view 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --to 41 --yes
  vitae profile restore --to 2026-05-03T10:14:00Z --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return usage("--to is missing: a sequence, or a time such as 2026-01-31T12:00:00Z")
			}
			body := map[string]any{"to": to}
			if n, err := strconv.ParseUint(to, 10, 63); err == nil {
				body["to"] = n
			}
			what := "the whole profile"
			for name, v := range map[string]string{"view": view, "item": item} {
				if v != "" {
					body[name] = v
				}
			}
			if view != "" {
				what = "everything in the view " + view
			}
			if len(args) > 0 {
				body["field"] = args[0]
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if err := a.confirm(fmt.Sprintf("Make %s what it was at %s?", what, to)); err != nil {
					return err
				}
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			call := client.Call{Method: http.MethodPost, Path: path + "/restore"}
			if call.Body, err = json.Marshal(body); err != nil {
				return err
			}
			if call.Header, err = editHeader(reason, ifMatch); err != nil {
				return err
			}
			r, err := a.call(c.Context(), cl, call, nil)
			if err != nil {
				return err
			}
			return a.printRestored(r.Body)
		},
	}
	c.Flags().StringVar(&to, "to", "", "what it was after this sequence, or at this time (RFC 3339)")
	c.Flags().StringVar(&view, "view", "", `this view: "shared", "base" or a resume's id`)
	c.Flags().StringVar(&item, "item", "", "this item of the collection FIELD")
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	c.Flags().StringVar(&ifMatch, "if-match", "", "restore only if the profile is still at this sequence (or has this ETag)")
	return a.asks(a.changes(a.about(c)))
}

func (a *app) profileAccessCmd() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "access",
		Short: "List who read what of a profile, oldest first",
		Long: `List the audit reads of a profile, oldest first: its history, blame, diff, deliveries and
files, this list, and its past states where the key is for all profiles. The profile's own
key needs profile:read, a key for all profiles audit:read.`,
		Example: `  vitae profile access
  vitae profile access --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --limit 20 -o jsonl`,
		Args: cobra.NoArgs,
	}
	query := texts(c, map[string]string{"after": "go on after this position"})
	c.Flags().IntVar(&limit, "limit", 0, "stop after this many records; 0 lists all")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := a.connectAbout()
		if err != nil {
			return err
		}
		if limit < 0 {
			return usage("--limit must be 0 (all) or more")
		}
		path, err := a.namedPath(c.Context(), cl)
		if err != nil {
			return err
		}
		var all []json.RawMessage
		err = a.pages(c.Context(), cl, path+"/access", query(), limit, func(page []json.RawMessage) error {
			all = append(all, page...)
			return nil
		})
		if err != nil {
			return err
		}
		return a.list(all, row{"POS", "TIME", "ACTOR", "NAME", "VIA", "ROUTE", "ABOUT", "STATUS"}, accessRow)
	}
	return a.about(c)
}

func accessRow(raw json.RawMessage) (row, error) {
	var r struct {
		Pos                           uint64
		Time, Actor, Name, Via, Route string
		Parts                         map[string]string
		Status                        int
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Parts)) {
		parts = append(parts, name+"="+r.Parts[name])
	}
	return row{strconv.FormatUint(r.Pos, 10), r.Time, r.Actor, r.Name, r.Via, r.Route, strings.Join(parts, " "), strconv.Itoa(r.Status)}, nil
}

// printRestored prints what a restoration did: in a dry run the edits that it would be. What
// it left as it is goes to stderr.
func (a *app) printRestored(raw json.RawMessage) error {
	var reply struct {
		Kept    []struct{ View, Field, Why string }
		Changes []struct{ View, Field, Item, Op string }
		DryRun  bool
	}
	if err := json.Unmarshal(raw, &reply); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	for _, k := range reply.Kept {
		a.say("kept: " + strings.TrimSpace(k.View+" "+k.Field) + ": " + k.Why)
	}
	if !reply.DryRun {
		return a.printEdit(raw)
	}
	return a.print(raw, func(w io.Writer) error {
		var rows []row
		for _, e := range reply.Changes {
			rows = append(rows, row{e.View, e.Field, e.Item, e.Op})
		}
		return writeTable(w, row{"VIEW", "FIELD", "ITEM", "OP"}, rows)
	})
}

// editHeader carries --reason and --if-match.
func editHeader(reason, ifMatch string) (http.Header, error) {
	h, err := reasonHeader(reason)
	if err != nil || ifMatch == "" {
		return h, err
	}
	if h == nil {
		h = http.Header{}
	}
	h.Set("If-Match", entityTag(ifMatch))
	return h, nil
}
