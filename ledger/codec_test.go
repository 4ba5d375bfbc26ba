package ledger

import (
	"bytes"
	"flag"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files and docs/fields.md anew")

// golden compares got with a file that is part of the project's promise.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

// withValue fills an event's stored side. The stand-in for the seal leaves the payload
// in clear, so that the golden files show salt, value and what was typed.
func withValue(e Event, value, typed string) Event {
	for i := range e.Salt {
		e.Salt[i] = byte(i)
	}
	e.Value = Value(value)
	if typed != "" {
		e.Typed = Value(typed)
	}
	e.Commitment = HashOf(e.Payload())
	e.Sealed = e.Payload()
	return e
}

func fixedCommit(events ...Event) *Commit {
	id, err := ParseCommitID("01JCQ3E8Z0000000000000000A")
	if err != nil {
		panic(err)
	}
	profile, err := ParseProfileID("01JCQ3DZZZ000000000000000P")
	if err != nil {
		panic(err)
	}
	return &Commit{ID: id, Profile: profile, Time: time.Date(2024, 11, 15, 8, 30, 0, 7e6, time.UTC),
		Meta: Meta{Actor: "key:01JCQ3DW5ZQ4R1N0VNKE2K6M3T", Via: "native"}, Prev: HashOf([]byte("the commit before")), Events: events}
}

const resumeID = "01JCQ3E1AAAAAAAAAAAAAAAAAA"

// goldenCommits has one commit for every op and one for every optional part of a commit.
func goldenCommits() map[string]*Commit {
	full := fixedCommit(
		withValue(Event{View: Shared, Field: "firstName", Op: OpSet}, `"Zoë"`, ""),
		withValue(Event{View: Shared, Field: "firstName@ja_JP", Op: OpSet}, `"ゾーイ"`, ""),
		Event{View: Shared, Field: "phone", Op: OpClear},
		withValue(Event{View: Base, Field: "projects", Item: "p-1", Op: OpPut}, `{"name":"Vitae","description":"A ledger"}`, ""))
	full.Meta.RequestID = "req-7f3a"
	full.Idem = &Idem{Key: [16]byte{1, 2, 3}, Body: [16]byte{0xff}}
	full.SealedReason = []byte("she married")
	first := fixedCommit(Event{View: Shared, Op: OpCreated})
	first.Prev = Hash{}
	return map[string]*Commit{
		"op-set":   fixedCommit(withValue(Event{View: Shared, Field: "firstName", Op: OpSet}, `"Jane"`, "")),
		"op-clear": fixedCommit(Event{View: Shared, Field: "summary", Op: OpClear}),
		"op-put": fixedCommit(withValue(Event{View: resumeID, Field: "skills", Item: "01JCQ3E9000000000000000000", Op: OpPut},
			`{"name":"Go","level":"expert"}`, "")),
		"op-remove":        fixedCommit(Event{View: Base, Field: "skills", Item: "go", Op: OpRemove}),
		"op-order":         fixedCommit(Event{View: Base, Field: "skills", Op: OpOrder, Order: []string{"go", "sql", "nats"}}),
		"op-created":       first,
		"op-copied":        fixedCommit(Event{View: resumeID, Item: Base, Op: OpCopied}, withValue(Event{View: resumeID, Field: "name", Op: OpSet}, `"For Acme"`, "")),
		"op-deleted":       fixedCommit(Event{View: resumeID, Op: OpDeleted}),
		"op-bound":         fixedCommit(withValue(Event{View: Shared, Field: Connections, Item: LinkedIn, Op: OpBound}, `{"account":"yrZCpj2ZYQ","settings":{}}`, "")),
		"op-erased":        fixedCommit(Event{View: Shared, Op: OpErased}),
		"op-decided":       fixedCommit(withValue(Event{View: Shared, Field: Deliveries, Item: LinkedIn, Op: OpDecided}, `{"action":"retry","park":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4"}`, "")),
		"connection-gone":  fixedCommit(Event{View: Shared, Field: Connections, Item: LinkedIn, Op: OpDeleted}),
		"typed":            fixedCommit(withValue(Event{View: Shared, Field: "linkedIn", Op: OpSet}, `"https://linkedin.com/in/jane-smith"`, `"jane-smith"`)),
		"reason-idem-more": full,
		"order-of-nothing": fixedCommit(Event{View: Base, Field: "skills", Op: OpOrder, Order: []string{}}),
	}
}

func mustAppend(t testing.TB, c *Commit) []byte {
	t.Helper()
	b, err := AppendCommit(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenCommits(t *testing.T) {
	for name, c := range goldenCommits() {
		t.Run(name, func(t *testing.T) {
			raw := mustAppend(t, c)
			golden(t, filepath.Join("testdata", "commits", name+".json"), append(raw, '\n'))

			read, err := ParseCommit(raw)
			if err != nil {
				t.Fatal(err)
			}
			for i := range read.Events {
				e := &read.Events[i]
				if e.Sealed == nil {
					continue
				}
				if err := e.SetPayload(e.Sealed); err != nil {
					t.Fatal(err)
				}
			}
			want := *c
			want.Meta.Reason = ""
			if d := cmp.Diff(&want, read); d != "" {
				t.Errorf("read back (-want +got):\n%s", d)
			}
		})
	}
}

func TestGoldenBlock(t *testing.T) {
	commits := goldenCommits()
	id, err := ParseCommitID("01JCQ3E8Z0000000000000000B")
	if err != nil {
		t.Fatal(err)
	}
	raws := [][]byte{mustAppend(t, commits["op-set"]), mustAppend(t, commits["reason-idem-more"])}
	raw := AppendBlock(nil, id, 41, HashOf([]byte("the block before")), raws)
	golden(t, filepath.Join("testdata", "blocks", "two-commits.json"), append(raw, '\n'))

	blk, err := ParseBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	if blk.First != 41 || len(blk.Commits) != 2 || blk.Commits[1].Seq != 42 || blk.Commits[1].Hash != HashOf(raws[1]) {
		t.Errorf("read back: %+v", blk)
	}
	head, err := ParseBlockHead(raw)
	if err != nil || head.ID != id || head.First != 41 || head.Prev != blk.Prev {
		t.Errorf("head: %+v, %v", head, err)
	}
}

// TestEveryOpHasAGoldenFile reads the ops from the source: a new one must be pinned.
func TestEveryOpHasAGoldenFile(t *testing.T) {
	file, err := goparser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ops := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Op" {
			return true
		}
		op, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		ops++
		b, err := os.ReadFile(filepath.Join("testdata", "commits", "op-"+op+".json"))
		if err != nil {
			t.Errorf("op %q has no golden file: %v", op, err)
		} else if !bytes.Contains(b, []byte(`"op":"`+op+`"`)) {
			t.Errorf("the golden file of op %q does not have it", op)
		}
		return true
	})
	if ops < 10 {
		t.Errorf("found only %d ops in event.go", ops)
	}
}

func TestCommitRefusesWhatIsNotPlain(t *testing.T) {
	bad := []string{"a b", "é", "a\"b", `a\b`, "a\nb", "\x7f", strings.Repeat("x", 257)}
	places := map[string]func(*Commit, string){
		"actor":   func(c *Commit, s string) { c.Meta.Actor = s },
		"via":     func(c *Commit, s string) { c.Meta.Via = s },
		"request": func(c *Commit, s string) { c.Meta.RequestID = s },
		"view":    func(c *Commit, s string) { c.Events[0].View = s },
		"field":   func(c *Commit, s string) { c.Events[0].Field = s },
		"item":    func(c *Commit, s string) { c.Events[0].Item = s },
		"order":   func(c *Commit, s string) { c.Events[0].Order = []string{"a", s} },
	}
	for place, set := range places {
		for _, s := range bad {
			c := fixedCommit(Event{View: Base, Field: "skills", Op: OpOrder, Order: []string{"a"}})
			set(c, s)
			if b, err := AppendCommit(nil, c); err == nil {
				t.Errorf("%s %q was stored as %s", place, s, b)
			}
		}
	}
	if _, err := AppendCommit(nil, fixedCommit()); err == nil {
		t.Error("a commit without events was stored")
	}
	if _, err := AppendCommit(nil, fixedCommit(make([]Event, MaxEvents+1)...)); err == nil {
		t.Error("a commit with too many events was stored")
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	good := string(mustAppend(t, goldenCommits()["reason-idem-more"]))
	for name, bad := range map[string]string{
		"space":            strings.Replace(good, `,"via"`, `, "via"`, 1),
		"another version":  strings.Replace(good, `"v":1`, `"v":2`, 1),
		"more after it":    good + "\n",
		"cut":              good[:len(good)-1],
		"unknown op":       strings.Replace(good, `"op":"clear"`, `"op":"forget"`, 1),
		"upper-case hash":  strings.Replace(good, `"prev":"`+good[strings.Index(good, `"prev":"`)+8:][:2], `"prev":"AA`, 1),
		"padded base64":    strings.Replace(good, `"reason":"`, `"reason":"=`, 1),
		"comma in time":    strings.Replace(good, "00.007Z", "00,007Z", 1),
		"other zone":       strings.Replace(good, "00.007Z", "00.007+00:00", 1),
		"lower-case ULID":  strings.Replace(good, "01JCQ3E8Z", "01jcq3e8z", 1),
		"escape":           strings.Replace(good, `"via":"native"`, `"via":"nativ\u0065"`, 1),
		"empty request":    strings.Replace(good, `"request":"req-7f3a"`, `"request":""`, 1),
		"no events":        good[:strings.Index(good, `"events":[`)] + `"events":[]}`,
		"members swapped":  strings.Replace(good, `"v":1,"id":"01JCQ3E8Z0000000000000000A"`, `"id":"01JCQ3E8Z0000000000000000A","v":1`, 1),
		"value, no hash":   strings.Replace(good, `"hash"`, `"hush"`, 1),
		"new line in text": strings.Replace(good, "native", "nat\nive", 1),
	} {
		if bad == good {
			t.Fatalf("%s: the test does not change anything", name)
		}
		if _, err := ParseCommit([]byte(bad)); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
}

func TestEventIDs(t *testing.T) {
	c, err := ParseCommitID("01JCQ3E8Z0000000000000000A")
	if err != nil {
		t.Fatal(err)
	}
	if got := EventID(c, 0); got != "01JCQ3E8Z0000000000000000B" {
		t.Errorf("first event: %s", got)
	}
	// The random part ends in ones: the sum carries into its upper sixteen bits.
	var carry CommitID
	copy(carry[:6], c[:6])
	for i := 8; i < 16; i++ {
		carry[i] = 0xff
	}
	id, err := ParseCommitID(EventID(carry, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := carry
	want[7] = 1
	clear(want[8:])
	if id != want {
		t.Errorf("carry: %x, want %x", id, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		var c CommitID
		copy(c[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		c[0] &= 0x7f
		seen := map[string]int{c.String(): -1}
		for i := range 300 {
			id := EventID(c, i)
			if _, err := parseULID(id); err != nil {
				t.Fatal(err)
			}
			if j, ok := seen[id]; ok {
				t.Fatalf("events %d and %d share %s", i, j, id)
			}
			seen[id] = i
			if id[:10] != c.String()[:10] {
				t.Fatalf("event %d left the commit's time", i)
			}
		}
	})
}

func TestPayload(t *testing.T) {
	e := withValue(Event{Op: OpSet}, `"https://x.dev"`, `"x.dev"`)
	var read Event
	read.Commitment = e.Commitment
	if err := read.SetPayload(e.Payload()); err != nil {
		t.Fatal(err)
	}
	if !read.Value.Equal(e.Value) || !read.Typed.Equal(e.Typed) || read.Salt != e.Salt {
		t.Errorf("read back %+v", read)
	}
	other := e.Payload()
	other[len(other)-1] ^= 1
	if err := read.SetPayload(other); err == nil {
		t.Error("a changed payload was taken")
	}
	if err := read.SetPayload(nil); err == nil {
		t.Error("no payload was taken")
	}
}

func FuzzParseCommit(f *testing.F) {
	commits := goldenCommits()
	for _, name := range slices.Sorted(maps.Keys(commits)) {
		f.Add(mustAppend(f, commits[name]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommit(b)
		if err != nil {
			return
		}
		again, err := AppendCommit(nil, c)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read %q, wrote %q, %v", b, again, err)
		}
	})
}

func FuzzParseBlock(f *testing.F) {
	commits := goldenCommits()
	id := commits["op-set"].ID
	f.Add(AppendBlock(nil, id, 1, Hash{}, [][]byte{mustAppend(f, commits["op-created"])}))
	f.Add(AppendBlock(nil, id, 7, HashOf(nil), [][]byte{mustAppend(f, commits["op-set"]), mustAppend(f, commits["reason-idem-more"])}))
	f.Fuzz(func(t *testing.T, b []byte) {
		blk, err := ParseBlock(b)
		if err != nil {
			return
		}
		var raws [][]byte
		for _, r := range blk.Commits {
			raw, err := AppendCommit(nil, r.Commit)
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, raw)
		}
		if again := AppendBlock(nil, blk.ID, blk.First, blk.Prev, raws); !bytes.Equal(again, b) {
			t.Fatalf("read %q, wrote %q", b, again)
		}
		head, err := ParseBlockHead(b)
		if err != nil || head.ID != blk.ID || head.First != blk.First || head.Prev != blk.Prev {
			t.Fatalf("head %+v, %v", head, err)
		}
	})
}
