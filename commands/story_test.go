package commands

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/ledger"
)

var update = flag.Bool("update", false, "write what the stories in testdata come to")

// TestStories runs each file of testdata as one profile's life. A file is a sequence of
// steps: a command, a line of four dashes, and what came of it (events or the refusal,
// then the document as far as it is set).
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := retell(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("the story has another end (-file +now):\n%s", diff)
			}
		})
	}
}

// retell runs the commands of a story and puts what comes of them in place.
func retell(t *testing.T, text string) string {
	w := newWorld()
	var out []string
	for step := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(step, "#") && !strings.Contains(step, "\n----") {
			out = append(out, step)
			continue
		}
		command, _, _ := strings.Cut(step, "\n----")
		out = append(out, command+"\n----\n"+strings.TrimSuffix(w.tell(t, command), "\n"))
	}
	return strings.Join(out, "\n\n") + "\n"
}

// tell runs one step. R1 to R9 stand for resume ids.
func (w *world) tell(t *testing.T, step string) string {
	alias := []string{}
	for i := 1; i <= 9; i++ {
		short := fmt.Sprintf("R%d", i)
		alias = append(alias, short, resumeAlias(short))
	}
	var lines []string
	for line := range strings.SplitSeq(step, "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	c, err := parseStep(strings.NewReplacer(alias...).Replace(strings.Join(lines, "\n")))
	var events []ledger.Event
	if err == nil {
		events, err = w.run(t, c)
	}
	var b strings.Builder
	switch {
	case err != nil:
		b.WriteString(strings.ReplaceAll(err.Error(), "; /", "\n         /") + "\n")
	case len(events) == 0:
		b.WriteString("no events\n")
	default:
		b.WriteString(show(events) + w.document(t))
	}
	slices.Reverse(alias)
	return strings.NewReplacer(alias...).Replace(b.String())
}

// parseStep reads a command line; what follows its words is the body.
func parseStep(step string) (ledger.Command, error) {
	words := map[string]int{"create": 0, "patch": 0, "resume": 1, "copy": 1, "delete": 1, "add": 3, "edit": 3, "remove": 3, "bind": 1, "rotate": 1, "unbind": 1, "decide": 3, "erase": 0}
	verb, rest, _ := strings.Cut(step, " ")
	n, ok := words[verb]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", verb)
	}
	var args []string
	for range n {
		var arg string
		arg, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
		args = append(args, strings.TrimPrefix(arg, "-"))
	}
	body := []byte(strings.TrimSpace(rest))
	switch verb {
	case "create":
		return Create(testProfile, body)
	case "patch":
		return Patch(ledger.Base, body)
	case "resume":
		return PatchResume(args[0], body)
	case "copy":
		return CreateResume(args[0], body)
	case "delete":
		return DeleteResume(args[0])
	case "add":
		return AddItem(args[0], args[1], args[2], body)
	case "edit":
		return PatchItem(args[0], args[1], args[2], body)
	case "remove":
		return RemoveItem(args[0], args[1], args[2])
	case "bind":
		return binding(Bind(args[0], body))
	case "rotate":
		c, err := Bind(args[0], body)
		if err != nil {
			return nil, err
		}
		c.Rotate = true
		return c, nil
	case "unbind":
		return Unbind(args[0])
	case "decide":
		return Decide(args[0], args[1], args[2])
	default:
		return Erase(), nil
	}
}

// document shows what is set: the profile with base, then the own part of each other
// resume, then the connections.
func (w *world) document(t *testing.T) string {
	var b strings.Builder
	list := func(n ledger.Node) {
		for _, m := range n.Members {
			switch {
			case m.Node.Kind == ledger.NodeNull, m.Node.Kind == ledger.NodeArray && len(m.Node.Elems) == 0:
			case m.Node.Kind == ledger.NodeArray:
				fmt.Fprintf(&b, "  %s\n", m.Name)
				for _, e := range m.Node.Elems {
					fmt.Fprintf(&b, "    %s\n", e.Append(nil))
				}
			default:
				fmt.Fprintf(&b, "  %s %s\n", m.Name, m.Node.Append(nil))
			}
		}
	}
	if w.p.Erased {
		return "= nothing\n"
	}
	b.WriteString("= profile\n")
	list(parse(t, w.p.AppendDocument(nil, ledger.Base)))
	if name := w.p.Resumes[ledger.Base].Fields["name"].Value; name != nil {
		fmt.Fprintf(&b, "= resume base %s\n", name)
	}
	for _, id := range w.p.ResumeIDs() {
		if id == ledger.Base {
			continue
		}
		fmt.Fprintf(&b, "= resume %s %s\n", id, w.p.Resumes[id].Fields["name"].Value)
		var own ledger.Node
		for _, m := range parse(t, w.p.AppendDocument(nil, id)).Members {
			if f, _, ok := ledger.Lookup(m.Name); ok && f.View == ledger.ResumeView {
				own.Members = append(own.Members, m)
			}
		}
		list(own)
	}
	for _, provider := range slices.Sorted(maps.Keys(w.p.Connections)) {
		fmt.Fprintf(&b, "= connection %s %s\n", provider, w.p.Connections[provider].Value)
	}
	return b.String()
}

func parse(t tester, b []byte) ledger.Node {
	t.Helper()
	n, err := ledger.ParseJSON(b)
	if err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	return n
}
