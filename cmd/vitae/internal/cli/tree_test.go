package cli

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// walk visits every command of the tree.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// mutating are the commands that change something on a server; keep the list complete.
var mutating = []string{
	"vitae fsck", "vitae backup", "vitae restore",
	"vitae resume create", "vitae resume delete", "vitae import",
	"vitae profile create", "vitae profile set", "vitae profile restore",
	"vitae profile erase",
	"vitae key create", "vitae key revoke",
	"vitae connection set", "vitae connection remove",
	"vitae sink pause", "vitae sink resume", "vitae sink redrive", "vitae sink recover",
	"vitae view rebuild",
	"vitae webhook add", "vitae webhook test", "vitae webhook redrive", "vitae webhook rotate", "vitae webhook remove",
}

// reading are those that do not; a new command must be in one of the lists.
var reading = []string{
	"vitae serve", "vitae sandbox", "vitae bench", "vitae fields", "vitae version", "vitae completion", "vitae man",
	"vitae context set", "vitae context use", "vitae context list", "vitae context remove", "vitae help", "vitae resume export",
	"vitae config check", "vitae config view",
	"vitae profile show", "vitae profile history", "vitae profile archive", "vitae profile blame", "vitae profile diff", "vitae resume list", "vitae resume show",
	"vitae profile receipt", "vitae profile access", "vitae evidence export", "vitae evidence verify", "vitae evidence page",
	"vitae key list", "vitae connection list",
	"vitae sink list", "vitae sink show", "vitae sink wait", "vitae sink parked", "vitae sink plan", "vitae sink journal", "vitae subscribe", "vitae view list", "vitae webhook list", "vitae webhook show", "vitae webhook attempts",
}

func TestTree(t *testing.T) {
	var seen []string
	walk((&app{}).root(), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s has no short help or no example", path)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			if !strings.HasPrefix(line, "  ") || strings.HasSuffix(line, " ") {
				t.Errorf("%s: example %q should be indented by two spaces", path, line)
			}
		}
		if c.RunE == nil {
			t.Errorf("%s cannot be run: a group must refuse what it does not have", path)
		}
		if c.HasSubCommands() {
			return
		}
		seen = append(seen, path)
		if slices.Contains(mutating, path) && c.Flags().Lookup("dry-run") == nil {
			t.Errorf("%s changes something and has no --dry-run", path)
		}
		if slices.Contains(reading, path) && c.Flags().Lookup("dry-run") != nil {
			t.Errorf("%s changes nothing and has --dry-run", path)
		}
	})
	want := slices.Concat(mutating, reading)
	slices.Sort(want)
	slices.Sort(seen)
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("commands (-listed +there):\n%s", diff)
	}
}

// run runs one command line without a server.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, World{In: strings.NewReader(""), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

func TestGroupsRefuse(t *testing.T) {
	walk((&app{}).root(), func(c *cobra.Command) {
		if !c.HasSubCommands() {
			return
		}
		path := strings.Fields(c.CommandPath())[1:]
		for _, args := range [][]string{path, append(slices.Clone(path), "no-such-thing"), append(slices.Clone(path), "no-such-thing", "x")} {
			if code, out, errs := run(t, args...); code != exitUsage || out != "" || errs == "" {
				t.Errorf("vitae %s: exit %d, stdout %q, stderr %q; want exit 2 and a message on stderr", strings.Join(args, " "), code, out, errs)
			}
		}
	})
}

func TestHelpGolden(t *testing.T) {
	var b strings.Builder
	walk((&app{}).root(), func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		code, out, errs := run(t, args...)
		if code != exitOK || errs != "" {
			t.Errorf("%s --help: exit %d, stderr %q", c.CommandPath(), code, errs)
		}
		b.WriteString("$ vitae " + strings.Join(args, " ") + "\n" + out + "\n")
	})
	const golden = "testdata/help.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the help has changed; look at it and run go test -update (-golden +now):\n%s", diff)
	}
}
