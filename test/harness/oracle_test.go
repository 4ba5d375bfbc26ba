package harness_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// history is a small one by hand: three commits of one profile.
func history() []harness.Event {
	h := func(c string) string { return strings.Repeat(c, 64) }
	return []harness.Event{
		{Seq: 1, Index: 0, ID: "a0", Commit: "a", Profile: "p", View: "shared", Op: "created", Prev: h("0"), Hash: h("1")},
		{Seq: 1, Index: 1, ID: "a1", Commit: "a", Profile: "p", View: "shared", Field: "phone", Op: "set", Value: "+1", Prev: h("0"), Hash: h("1")},
		{Seq: 1, Index: 2, ID: "a2", Commit: "a", Profile: "p", View: "base", Field: "skills", Item: "x", Op: "put", Value: map[string]any{"name": "Go"}, Prev: h("0"), Hash: h("1")},
		{Seq: 1, Index: 3, ID: "a3", Commit: "a", Profile: "p", View: "base", Field: "skills", Item: "y", Op: "put", Value: map[string]any{"name": "C"}, Prev: h("0"), Hash: h("1")},
		{Seq: 4, Index: 0, ID: "b0", Commit: "b", Profile: "p", View: "r", Item: "base", Op: "copied", Prev: h("1"), Hash: h("2")},
		{Seq: 4, Index: 1, ID: "b1", Commit: "b", Profile: "p", View: "shared", Field: "nexudus.onNewWallPost", Op: "set", Value: true, Prev: h("1"), Hash: h("2")},
		{Seq: 7, Index: 0, ID: "c0", Commit: "c", Profile: "p", View: "shared", Field: "phone", Op: "clear", Prev: h("2"), Hash: h("3")},
		{Seq: 7, Index: 1, ID: "c1", Commit: "c", Profile: "p", View: "base", Field: "skills", Op: "order", Value: []any{"y", "x"}, Prev: h("2"), Hash: h("3")},
		{Seq: 7, Index: 2, ID: "c2", Commit: "c", Profile: "p", View: "base", Field: "skills", Item: "x", Op: "remove", Prev: h("2"), Hash: h("3")},
		{Seq: 9, Index: 0, ID: "d0", Commit: "d", Profile: "p", View: "shared", Field: "deliveries", Item: "mokaru", Op: "decided", Value: map[string]any{"action": "retry", "park": "01J8Z3K5V6Q7R8S9T0V1W2X3Y4"}, Prev: h("3"), Hash: h("4")},
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		at     uint64
		resume string
		want   string
	}{
		{1, "base", `{"phone":"+1","phones":[{"id":"primary","number":"+1"}],"skills":[{"id":"x","name":"Go"},{"id":"y","name":"C"}]}`},
		{4, "r", `{"nexudus":{"onNewWallPost":true},"phone":"+1","phones":[{"id":"primary","number":"+1"}],"skills":[{"id":"x","name":"Go"},{"id":"y","name":"C"}]}`},
		{7, "base", `{"nexudus":{"onNewWallPost":true},"skills":[{"id":"y","name":"C"}]}`},
		{9, "base", `{"nexudus":{"onNewWallPost":true},"skills":[{"id":"y","name":"C"}]}`},
		{7, "r", `{"nexudus":{"onNewWallPost":true},"skills":[{"id":"x","name":"Go"},{"id":"y","name":"C"}]}`},
	} {
		s := harness.Fold(history(), c.at)
		got, err := json.Marshal(s.Document(c.resume))
		if err != nil || string(got) != c.want {
			t.Errorf("%s at %d: %s (%v), want %s", c.resume, c.at, got, err, c.want)
		}
		var doc map[string]any
		if err := json.Unmarshal(got, &doc); err != nil {
			t.Fatal(err)
		}
		doc["firstName"], doc["projects"], doc["id"] = nil, []any{}, "p"
		if diff := s.Differs(doc, c.resume); diff != "" {
			t.Errorf("%s at %d differs from itself: %s", c.resume, c.at, diff)
		}
		doc["firstName"] = "extra"
		if s.Differs(doc, c.resume) == "" {
			t.Error("a value that the history does not have is not seen")
		}
		delete(doc, "firstName")
		delete(doc, "skills")
		if s.Differs(doc, c.resume) == "" {
			t.Error("a collection that is missing is not seen")
		}
	}
}

// TestCheckChain: every change of a whole history is found.
func TestCheckChain(t *testing.T) {
	if err := harness.CheckChain("p", history()); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func([]harness.Event) []harness.Event{
		"the first event is missing":  func(e []harness.Event) []harness.Event { return e[1:] },
		"an event is missing":         func(e []harness.Event) []harness.Event { return slices.Delete(e, 2, 3) },
		"a commit is missing":         func(e []harness.Event) []harness.Event { return slices.Delete(e, 4, 6) },
		"a commit is there twice":     func(e []harness.Event) []harness.Event { return slices.Concat(e, e[6:]) },
		"two commits changed places":  func(e []harness.Event) []harness.Event { return slices.Concat(e[:4], e[6:], e[4:6]) },
		"a prev is another":           func(e []harness.Event) []harness.Event { e[4].Prev = e[4].Hash; return e },
		"a hash is another":           func(e []harness.Event) []harness.Event { e[4].Hash = strings.Repeat("9", 64); return e },
		"the hash of all events":      func(e []harness.Event) []harness.Event { e[4].Hash, e[5].Hash = e[0].Hash, e[0].Hash; return e },
		"an event of another profile": func(e []harness.Event) []harness.Event { e[5].Profile = "q"; return e },
		"an event id is there twice":  func(e []harness.Event) []harness.Event { e[5].ID = "a1"; return e },
		"a commit id is there twice": func(e []harness.Event) []harness.Event {
			e[6].Commit, e[7].Commit, e[8].Commit = "a", "a", "a"
			return e
		},
		"a commit begins with prev":        func(e []harness.Event) []harness.Event { e[0].Prev = strings.Repeat("1", 64); return e },
		"a commit that is half another's":  func(e []harness.Event) []harness.Event { e[5].Commit = "z"; return e },
		"the sequence of a commit is less": func(e []harness.Event) []harness.Event { e[6].Seq, e[7].Seq, e[8].Seq = 2, 2, 2; return e },
	} {
		if err := harness.CheckChain("p", change(history())); err == nil {
			t.Errorf("not found: %s", what)
		}
	}
}
