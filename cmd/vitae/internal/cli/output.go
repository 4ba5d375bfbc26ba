package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

func (a *app) checkOutput() error {
	switch a.output {
	case "table", "json", "jsonl":
		return nil
	}
	return fmt.Errorf("-o must be table, json or jsonl, not %q", a.output)
}

// row is one line of a table.
type row []string

// print writes one object: as a table made by table, or as it is.
func (a *app) print(raw json.RawMessage, table func(w io.Writer) error) error {
	switch a.output {
	case "json":
		return writeJSON(a.Out, raw, true)
	case "jsonl":
		return writeJSON(a.Out, raw, false)
	default:
		return table(a.Out)
	}
}

// list prints a list that is complete: rows under a heading, one array, or an object a line.
func (a *app) list(items []json.RawMessage, heading row, line func(json.RawMessage) (row, error)) error {
	switch a.output {
	case "json":
		if items == nil {
			items = []json.RawMessage{}
		}
		b, err := json.Marshal(items)
		if err != nil {
			return err
		}
		return writeJSON(a.Out, b, true)
	case "jsonl":
		for _, one := range items {
			if err := writeJSON(a.Out, one, false); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([]row, 0, len(items))
	for _, one := range items {
		r, err := line(one)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	return writeTable(a.Out, heading, rows)
}

func writeJSON(w io.Writer, raw json.RawMessage, indent bool) error {
	var b bytes.Buffer
	var err error
	if indent {
		err = json.Indent(&b, raw, "", "  ")
	} else {
		err = json.Compact(&b, raw)
	}
	if err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}

// writeTable aligns rows in columns. Values come from people: nothing in them reaches the
// terminal as a control sequence or breaks a row.
func writeTable(w io.Writer, heading row, rows []row) error {
	var b bytes.Buffer // which takes every write
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(r row) {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = plain(c, false)
		}
		_, _ = io.WriteString(t, strings.Join(cells, "\t")+"\n")
	}
	if heading != nil {
		line(heading)
	}
	for _, r := range rows {
		line(r)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for l := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(l, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// plain makes text safe for a terminal: control and invisible formatting characters
// (escape sequences, line breaks, writing direction) are shown escaped. Multi-line text
// keeps its line breaks if lines says so.
func plain(s string, lines bool) string {
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !unsafeRune(r) || lines && r == '\n' {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// unsafeRune finds control characters and format characters, but not the joiners that
// scripts and emoji need.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' || r == '\u2028' || r == '\u2029'
}

// member is one member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members reads a JSON object in the order it was written.
func members(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("the server's answer is not an object")
	}
	var out []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		out = append(out, member{fmt.Sprint(name), v})
	}
	return out, nil
}

// leaves turns a JSON value into rows of path and value; null and empty lists are left out.
func leaves(path string, raw json.RawMessage, rows []row) ([]row, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return rows, nil
	}
	switch raw[0] {
	case '{':
		ms, err := members(raw)
		if err != nil {
			return nil, err
		}
		for _, m := range ms {
			name := m.name
			if path != "" {
				name = path + "." + m.name
			}
			if rows, err = leaves(name, m.value, rows); err != nil {
				return nil, err
			}
		}
		return rows, nil
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for i, item := range items {
			var err error
			if rows, err = leaves(fmt.Sprintf("%s[%d]", path, i), item, rows); err != nil {
				return nil, err
			}
		}
		return rows, nil
	default:
		return append(rows, row{path, scalar(raw)}), nil
	}
}

// scalar is a JSON scalar for a table: a text without its quotes; anything else as written.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// printLeaves prints an object of any shape.
func (a *app) printLeaves(raw json.RawMessage, heading row) error {
	return a.print(raw, func(w io.Writer) error {
		rows, err := leaves("", raw, nil)
		if err != nil {
			return err
		}
		return writeTable(w, heading, rows)
	})
}
