// Package test is the black box: what the built program shows to its users, and what the
// sources must look like. The tests of this folder start the real binary (see harness) and
// talk to it over HTTP and by the command line. Sub-packages: fault kills and stops it in
// the middle of work; feed follows its changes while it is killed; tail runs the ledger and
// the projections in process, under writers that stall. Their names are what `go test -run`
// takes.
package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// source is one Go file of the repository.
type source struct {
	path   string // slash-separated, from the top folder
	dir    string
	isTest bool
	file   *ast.File
}

// sources parses every Go file. Each is opened by this process, so the go command sees
// that the test depends on it.
func sources(t *testing.T) []source {
	t.Helper()
	root := top(t)
	var all []source
	fset := token.NewFileSet()
	err := harness.Files(root, func(rel string) error {
		if !strings.HasSuffix(rel, ".go") || strings.Contains("/"+rel, "/testdata/") {
			return nil
		}
		f, err := parser.ParseFile(fset, filepath.Join(root, rel), nil, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, source{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(all))
	}
	return all
}

func top(t *testing.T) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// under says that dir is root or lies below it.
func under(dir string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") })
}

// helpers are packages that exist for the tests of others; only tests may import them.
func helpers() []string {
	return []string{"ledger/engine/enginetest", "ledger/stream/streamtest", "sinks/sinktest", "test/harness"}
}

// allowed says whether a package may import another one of ours, and if not what it may.
func allowed(from, to string, isTest bool) (bool, string) {
	parts := strings.Split(from, "/")
	home := parts[0]
	if len(parts) > 1 && home != "commands" {
		home = path.Join(parts[:2]...)
	}
	if isTest && under(to, helpers()...) && !under(to, "test") {
		return true, ""
	}
	if under(to, helpers()...) && !under(from, helpers()...) && !under(from, "test") {
		return false, "helpers of tests are for tests"
	}
	switch parts[0] {
	case "ledger":
		if from == "ledger" {
			return to == "ledger", "ledger imports nothing of ours"
		}
		return to == "ledger" || under(to, home) || from == "ledger/stream/streamtest" && to == "ledger/stream" ||
			isTest && under(to, "ledger"), "a sub-package of ledger may import ledger and its own sub-packages"
	case "commands":
		return under(to, "ledger", "commands"), "commands may import ledger and its sub-packages"
	case "projections":
		return under(to, "ledger", "projections") && !(home != "projections" && under(to, "projections") && to != "projections" && !under(to, home, "projections/internal")),
			"a projection may import ledger, its sub-packages and projections, and no other projection"
	case "sinks":
		switch {
		case home == "sinks/sandbox" && !isTest:
			return under(to, "sinks/sandbox"), "sinks/sandbox imports nothing of ours"
		case home == "sinks":
			return under(to, "ledger") || under(to, "sinks/internal") || isTest && under(to, "sinks/sandbox"), "sinks may import ledger and its sub-packages"
		}
		return under(to, "ledger", home) || to == "sinks" || under(to, "sinks/internal") || isTest && under(to, "sinks/sandbox"),
			"a provider may import ledger, its sub-packages and sinks, and no other provider"
	case "cmd":
		return !under(to, "test"), "cmd wires everything but the tests"
	case "test":
		return !under(to, "cmd"), "nobody imports cmd"
	}
	return false, "it belongs to no layer"
}

func TestLayers(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.file.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			to, ours := strings.CutPrefix(name, "vitae/")
			if !ours || to == s.dir && s.isTest {
				continue
			}
			if ok, rule := allowed(s.dir, to, s.isTest); !ok {
				t.Errorf("%s imports %s: %s", s.path, name, rule)
			}
		}
	}
}

// TestLayersRule checks the rule itself: what it must refuse and what it must allow.
func TestLayersRule(t *testing.T) {
	for _, c := range []struct {
		from, to string
		isTest   bool
		want     bool
	}{
		{"ledger", "ledger/stream", false, false},
		{"ledger/stream", "ledger", false, true},
		{"ledger/stream", "ledger/vault", false, false},
		{"ledger/stream", "ledger/engine/enginetest", true, true},
		{"ledger/stream", "ledger/engine/enginetest", false, false},
		{"ledger/engine/enginetest", "ledger/engine", false, true},
		{"commands", "ledger/stream", false, true},
		{"commands", "projections", false, false},
		{"commands", "sinks", true, false},
		{"projections/views", "projections", false, true},
		{"projections/views", "projections/internal/fake", true, true},
		{"projections/views", "projections/history", false, false},
		{"projections/views", "commands", false, false},
		{"sinks", "ledger/stream", false, true},
		{"sinks", "projections/views", false, false},
		{"sinks", "sinks/mokaru", false, false},
		{"sinks/mokaru", "sinks", false, true},
		{"sinks/mokaru", "sinks/jarvi", false, false},
		{"sinks/mokaru", "sinks/sandbox", false, false},
		{"sinks/mokaru", "sinks/sandbox", true, true},
		{"sinks/sandbox", "sinks", false, false},
		{"sinks/sandbox", "ledger", false, false},
		{"sinks/sandbox", "sinks/mokaru", true, false},
		{"projections", "cmd/vitae/internal/api", false, false},
		{"cmd/vitae/internal/api", "sinks/mokaru", false, true},
		{"test/tail", "projections/views", true, true},
		{"test", "cmd/vitae/internal/client", true, false},
		{"extra", "ledger", false, false},
	} {
		if got, _ := allowed(c.from, c.to, c.isTest); got != c.want {
			t.Errorf("%s imports %s (test: %v): allowed is %v, want %v", c.from, c.to, c.isTest, got, c.want)
		}
	}
}

// TestForeignImports keeps technologies in their places.
func TestForeignImports(t *testing.T) {
	rules := []struct {
		what   string
		prefix []string
		homes  []string
	}{
		{"the metrics library", []string{"github.com/prometheus/"}, []string{"cmd"}},
		{"the command line library", []string{"github.com/spf13/"}, []string{"cmd"}},
		{"SQLite", []string{"modernc.org/sqlite"}, []string{"projections", "sinks/journal"}},
		{"the NATS server", []string{"github.com/nats-io/nats-server/"}, []string{"ledger/engine", "cmd/vitae/internal/bench"}},
	}
	pure := []string{"ledger", "commands"}
	impure := []string{"os", "os/exec", "io/fs", "net", "net/http", "database/sql", "log/slog", "log", "syscall", "github.com/nats-io/nats.go"}
	for _, s := range sources(t) {
		if s.isTest {
			continue
		}
		for _, imp := range s.file.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			for _, r := range rules {
				for _, p := range r.prefix {
					if strings.HasPrefix(name, p) && !under(s.dir, r.homes...) {
						t.Errorf("%s imports %s: %s is for %s only", s.path, name, r.what, strings.Join(r.homes, ", "))
					}
				}
			}
			if slices.Contains(pure, s.dir) && slices.Contains(impure, name) {
				t.Errorf("%s imports %s: package %s is pure", s.path, name, s.dir)
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	fixed := []string{"ledger", "commands", "projections", "sinks", "cmd", "test", "docs", "README.md", "LICENSE", "Makefile", "go.mod", "go.sum", ".ci",
		".git", ".gitignore", "bin", "data", "dist"}
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(fixed, e.Name()) {
			t.Errorf("%s is at the top level, which holds only %s", e.Name(), strings.Join(fixed, ", "))
		}
	}
}

func TestPackages(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "base"}
	type pkg struct{ dir, name string }
	documented := map[pkg]bool{}
	beside := map[string]bool{} // folders that hold more than tests
	for _, s := range sources(t) {
		p := pkg{s.dir, strings.TrimSuffix(s.file.Name.Name, "_test")}
		if slices.Contains(vague, p.name) || slices.Contains(vague, path.Base(s.dir)) {
			t.Errorf("%s: %q says nothing about what is in it", s.path, p.name)
		}
		documented[p] = documented[p] || s.file.Doc != nil && len(s.file.Doc.Text()) > 40
		beside[s.dir] = beside[s.dir] || !s.isTest
	}
	for p, ok := range documented {
		if !ok {
			t.Errorf("%s: package %s has no doc comment", p.dir, p.name)
		}
	}
	if !beside["ledger"] {
		t.Error("no package was looked at")
	}
}

// skipping lists the files that may skip a test, each with the reason.
func skipping() map[string]string {
	return map[string]string{}
}

func TestNoInitNoSkip(t *testing.T) {
	skips := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() runs where nobody asked for it", s.path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && s.isTest && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				skips[s.path] = true
			}
			return true
		})
	}
	for file := range skips {
		if skipping()[file] == "" {
			t.Errorf("%s skips a test and is not in the list of those that may", file)
		}
	}
	for file := range skipping() {
		if !skips[file] {
			t.Errorf("%s is listed and skips nothing", file)
		}
	}
}

// TestTexts reads every text of the repository for what must not be in it. The words
// are put together here so that this file is not among the findings.
func TestTexts(t *testing.T) {
	todo := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	var private []*regexp.Regexp
	for _, p := range []string{
		`/wo` + `rk/`, `/ro` + `ot/`, `/ho` + `me/[a-z]`, `/Us` + `ers/`, `[A-Z]:\\` + `\\Us` + `ers`,
		`\bCONT` + `RACT\.md\b`, `\bSIN` + `KS\.md\b`, `\bPROV` + `IDERS\.md\b`, `\bFIELD-NO` + `TES\.md\b`, `\bENG` + `INE\.md\b`,
		`\bSTY` + `LE\.md\b`, `\bECOSY` + `STEM\.md\b`, `\bDES` + `IGN\.md\b`, `\bseed 0` + `0\d\b`, `\bseeds/0` + `0\d`,
	} {
		private = append(private, regexp.MustCompile(p))
	}
	root := top(t)
	err := harness.Files(root, func(rel string) error {
		if strings.Contains("/"+rel, "/testdata/") || rel == "go.sum" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, rel))
		if err != nil {
			return err
		}
		if slices.Contains(b[:min(len(b), 1024)], 0) {
			return nil // not a text
		}
		for i, line := range strings.Split(string(b), "\n") {
			if w := todo.FindString(line); w != "" {
				t.Errorf("%s:%d: %s", rel, i+1, w)
			}
			for _, p := range private {
				if w := p.FindString(line); w != "" {
					t.Errorf("%s:%d names %s, which is not in the repository", rel, i+1, w)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
