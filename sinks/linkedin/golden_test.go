package linkedin

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitae/sinks"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden runs the stories in testdata. Each begins with "# name"; its lines are:
//
//	set FIELD JSON           a scalar
//	add COLLECTION ID JSON   an item
//	account ID               of the connection
//	have NAME...             what LinkedIn has
//	ref ID                   the item's id there
//	refs ITEM=ID...          the ids of items there
//	build ENTITY             and below it what comes of it, indented
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("line %d:\ngot  %s\nwant %s", i+1, a[i], b[i])
				}
			}
			if len(a) != len(b) {
				t.Fatalf("%d lines, want %d", len(a), len(b))
			}
		})
	}
}

func tell(t *testing.T, story string) string {
	var out strings.Builder
	p, have := state(), sinks.Have{}
	for line := range strings.Lines(story) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "\t") {
			continue
		}
		out.WriteString(line + "\n")
		word, rest, _ := strings.Cut(line, " ")
		a, b, _ := strings.Cut(rest, " ")
		switch word {
		case "":
		case "#":
			p, have = state(), sinks.Have{}
		case "set":
			set(t, p, a, b)
		case "add":
			id, value, _ := strings.Cut(b, " ")
			add(t, p, a, id, value)
		case "account":
			bind(p, a, "base")
		case "have":
			have.Fields = strings.Fields(rest)
		case "ref":
			have.Ref = a
		case "refs":
			have.Refs = map[string]string{}
			for _, pair := range strings.Fields(rest) {
				item, id, _ := strings.Cut(pair, "=")
				have.Refs[item] = id
			}
		case "build":
			payload, err := build(a, p, have)
			again, _ := build(a, p, have)
			if !slices.Equal(payload.Body, again.Body) || !slices.Equal(payload.Echo, again.Echo) {
				t.Errorf("%s: two builds differ", line)
			}
			say(&out, payload, err)
		default:
			t.Fatalf("no such line: %s", line)
		}
	}
	return out.String()
}

func say(out *strings.Builder, p sinks.Payload, err error) {
	if why := (*sinks.Unsendable)(nil); errors.As(err, &why) {
		fmt.Fprintf(out, "\tunsendable %s\n", why.Why)
		return
	}
	if err != nil {
		fmt.Fprintf(out, "\terror %v\n", err)
		return
	}
	if p.Absent {
		out.WriteString("\tabsent\n")
		return
	}
	fmt.Fprintf(out, "\tbody %s\n", p.Body)
	if string(p.Body) != string(p.Echo) {
		fmt.Fprintf(out, "\techo %s\n", p.Echo)
	}
	if len(p.Clears) > 0 {
		fmt.Fprintf(out, "\tclears %s\n", strings.Join(p.Clears, " "))
	}
	if len(p.Steps) > 0 {
		fmt.Fprintf(out, "\tsteps %s\n", strings.Join(p.Steps, " "))
	}
}
