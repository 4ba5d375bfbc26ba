package exactlyonce

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/test/harness"
)

var update = flag.Bool("update", os.Getenv("VITAE_UPDATE") == "1", "write the page instead of comparing it")

// place is a cell of the page.
type place struct {
	row, provider, op string
	fate              fate
}

// outcomeDoubt is the outcome of a class whose doubts are a person's.
const outcomeDoubt = "once, or parked for a person"

// outcomes are what became of the edits.
type outcomes map[place]string

const intro = `# Exactly once: what was tried

This page is written by a test (` + "`go test ./test/exactlyonce -update`" + `), and every run of the test compares it with what
it finds. The built server is killed (SIGKILL) at one moment of a delivery, while one thing happens to the request on its
way to the provider. Then it is started again and left alone until nothing is to do. Each cell below is one edit of one
profile with a connection of its own, made over the HTTP API. At the end the provider must have what the profile says:
nothing doubled, nothing lost, and nothing that waits for a person, but for what Jarvi adds and never shows.

Words of the cells:

| Word | Meaning |
| --- | --- |
| once | one request for each step reached the provider or was sent to it, and it has the edit |
| once, after a look | the answer was not known, or does not name what was made; what the provider has was read, and the edit was there |
| once, sent again | a request was made again because the first had no effect, or because making it again changes nothing |
| once, or parked for a person | whether the provider has it cannot be known: it is there once or not at all, is never sent again, and waits for a person |
| not on this path | such an edit does not come by the point; it is not counted |

The fates: "refused" is a provider where nobody listens; "lost before" is a request that is sent and never arrives, "lost
after" one whose answer never comes; "late landing" is a connection that is cut, and a request that arrives all the same
%v later, while the server waits %v before it looks; "200 with garbage" is somebody else's page and no effect. Nexudus says
429 and 500 in the body of a 200.
A kill before the request leaves, or between two steps, makes the fate meet the request that is made after the restart; where
none must be made again, there is none.

After every run these hold too: every write has an intent that was stored before it; an attempt is sent once at most;
a lane never has two writes under way; what arrives is never older than what was there; a restart, saving the same again,
and changing something and taking it back make no write at all.
`

// page writes the page, or compares it.
func (o outcomes) page(t *testing.T) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs", "exactly-once.md")
	got := o.render(t)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the page says something else (-page +found); go test ./test/exactlyonce -update writes it anew:\n%s", diff)
	}
}

func (o outcomes) render(t *testing.T) string {
	var tables strings.Builder
	counts := map[string]int{}
	for _, op := range ops() {
		fmt.Fprintf(&tables, "\n## %s: %s (class %s)\n\n| Killed |", title[op.provider], op.name, op.class)
		for _, f := range fates() {
			fmt.Fprintf(&tables, " %s |", f)
		}
		tables.WriteString("\n|" + strings.Repeat(" --- |", len(fates())+1) + "\n")
		for _, r := range rows() {
			if r.between() >= op.steps {
				continue
			}
			fmt.Fprintf(&tables, "| %s |", r.name)
			for _, f := range fates() {
				word := o[place{r.name, op.provider, op.name, f}]
				if !r.onPath(&op, f) {
					word = "not on this path"
				} else if counts[word]++; word == "" {
					t.Errorf("%s, %s, %s, %s: not tried", op.provider, op.name, r.name, f)
				}
				fmt.Fprintf(&tables, " %s |", word)
			}
			tables.WriteString("\n")
		}
	}
	total, good := 0, 0
	for word, n := range counts {
		total += n
		if strings.HasPrefix(word, "once") {
			good += n
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, intro, lateness, settleTime)
	fmt.Fprintf(&b, "\n%d cells: doubled %d, lost %d, parked %d. In %d of class D the doubt is a person's: that is the class's own outcome.\n\n",
		total, counts["doubled"], counts["lost"], counts["parked"], counts[outcomeDoubt])
	words := []string{"once", "once, after a look", "once, sent again", outcomeDoubt}
	for word := range counts {
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	slices.Sort(words[4:])
	b.WriteString("| Outcome | Cells |\n| --- | --- |\n")
	for _, word := range words {
		fmt.Fprintf(&b, "| %s | %d |\n", word, counts[word])
	}
	if total < 400 || good != total {
		t.Errorf("%d of %d cells are as they should be", good, total)
	}
	return b.String() + tables.String()
}
