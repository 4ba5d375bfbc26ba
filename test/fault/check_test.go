package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vitae/test/harness"
)

// check reads all of the ledger as the API shows it and compares it with what was answered.
func (s *storm) check() map[string][]harness.Event {
	t := s.t
	t.Helper()
	all := make([][]harness.Event, len(s.profiles))
	inParallel(len(s.profiles), func(i int) {
		id := s.profiles[i]
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		defer cancel()
		events, err := s.client.History(ctx, id)
		if err == nil {
			err = harness.CheckChain(id, events)
		}
		if err != nil {
			t.Error(err)
			return
		}
		all[i] = events
		// The view is the fold of the history.
		state := harness.Fold(events, 1<<62)
		r, err := s.client.Do(ctx, harness.Call{Method: http.MethodGet, Path: harness.Profile(id)})
		if err != nil || r.Status != 200 {
			t.Errorf("profile %s: %d %v", id, r.Status, err)
			return
		}
		if diff := state.Differs(r.Data(t), "base"); diff != "" {
			t.Errorf("the view of %s is not what its history says (-history +view):\n%s", id, diff)
		}
	})
	if t.Failed() {
		t.FailNow()
	}

	// Sequences run without gap over all profiles, and no commit stands twice.
	commits := map[uint64][]harness.Event{}
	byProfile := map[string][]harness.Event{}
	var head uint64
	for i, events := range all {
		byProfile[s.profiles[i]] = events
		for _, e := range events {
			if list := commits[e.Seq]; len(list) > 0 && list[0].Commit != e.Commit {
				t.Fatalf("sequence %d is given twice", e.Seq)
			}
			commits[e.Seq] = append(commits[e.Seq], e)
			head = max(head, e.Seq)
		}
	}
	if int(head) != len(commits) {
		t.Errorf("%d commits, and the last is %d", len(commits), head)
	}
	// Every token stands in one commit; every acknowledged edit in the one that was named, whole.
	at := map[string]uint64{}
	for seq, events := range commits {
		for _, token := range tokens(events) {
			if other, twice := at[token]; twice {
				t.Errorf("the edit %s is in the ledger twice: %d and %d", token, other, seq)
			}
			at[token] = seq
		}
	}
	for _, d := range s.log {
		seq, ok := at[d.token]
		if !ok {
			t.Errorf("the acknowledged edit %s (sequence %d, attempt %d) is lost", d.token, d.seq, d.attempts)
			continue
		}
		events := commits[seq]
		if d.seq != 0 && d.seq != seq {
			t.Errorf("the edit %s was acknowledged at %d and stands at %d", d.token, d.seq, seq)
		}
		if events[0].Profile != s.profiles[d.profile] {
			t.Errorf("the edit %s went to another profile", d.token)
		}
		if n := carrying(events, d.token); n != d.values || fmt.Sprint(fields(events)) != fmt.Sprint(d.fields) {
			t.Errorf("the edit %s is not there whole: %d values in %v, want %d in %v", d.token, n, fields(events), d.values, d.fields)
		}
		if d.made != "" && !slices.ContainsFunc(events, func(e harness.Event) bool { return e.Item == d.made || e.View == d.made }) {
			t.Errorf("the edit %s was answered with the id %s, which it did not make", d.token, d.made)
		}
		delete(at, d.token)
	}
	for token, seq := range at {
		t.Errorf("the edit %s stands at %d and was never acknowledged, although its client ended", token, seq)
	}
	return byProfile
}

// token is the token that a value carries, "" for none.
func token(v any) string {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "t") && strings.Contains(v, "-") {
			return v
		}
	case map[string]any:
		return token(v["name"])
	}
	return ""
}

func tokens(events []harness.Event) []string {
	var out []string
	for _, e := range events {
		if x := token(e.Value); x != "" && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

func carrying(events []harness.Event, t string) (n int) {
	for _, e := range events {
		if token(e.Value) == t {
			n++
		}
	}
	return n
}

// fields are the fields of a commit, in order, each once.
func fields(events []harness.Event) []string {
	var out []string
	for _, e := range events {
		if e.Field != "" && !slices.Contains(out, e.Field) {
			out = append(out, e.Field)
		}
	}
	slices.Sort(out)
	return out
}

// delivered waits until nothing is left to send and compares the provider with the profiles.
func (s *storm) delivered(events map[string][]harness.Event, credentials []string, provider *harness.Recorder, mokaru string) {
	t := s.t
	t.Helper()
	if r := s.server.CLI("sink", "wait", "--timeout", "80s"); r.Code != 0 {
		show := s.server.CLI("sink", "show", "mokaru")
		parked := s.server.CLI("sink", "parked", "mokaru")
		t.Fatalf("sink wait: %v\n%v\n%v\n%s", r, show, parked, s.server.Tail())
	}
	for i, credential := range credentials {
		doc := harness.Fold(events[s.profiles[i]], 1<<62).Document("base")
		if diff := harness.MokaruDiffers(t, mokaru, credential, doc); diff != "" {
			t.Errorf("profile %d (%s): the provider differs (-profile +provider):\n%s", i, s.profiles[i], diff)
		}
	}
	// No profile's newer state was ever overtaken by an older one.
	places := map[string]uint64{}
	for id, list := range events {
		for _, e := range list {
			if e.Field == "jobTitle" {
				places[id+" "+token(e.Value)] = e.Seq
			}
		}
	}
	last := map[string]uint64{}
	whose := map[string]string{}
	for i, c := range credentials {
		whose["Bearer "+c] = s.profiles[i]
	}
	for _, call := range provider.Writes() {
		id, known := whose[call.Authorization]
		if !known {
			t.Errorf("a call went out with a credential of nobody: %s %s", call.Method, call.Path)
			continue
		}
		var body struct{ JobTitle string }
		if err := json.Unmarshal(call.Body, &body); err != nil || body.JobTitle == "" || call.Status != 200 {
			continue
		}
		seq := places[id+" "+body.JobTitle]
		if seq < last[id] {
			t.Errorf("the provider was sent the state of %d of %s after that of %d", seq, id, last[id])
		}
		last[id] = max(seq, last[id])
	}
}
