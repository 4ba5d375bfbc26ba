package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks/journal"
)

// fakeJournal answers every query with its rows, and remembers what was asked.
type fakeJournal struct {
	asked journal.Filter
	rows  []journal.Row
	next  string
	err   error
}

func (f *fakeJournal) Query(_ context.Context, q journal.Filter) ([]journal.Row, string, error) {
	f.asked = q
	return f.rows, f.next, f.err
}

func TestDeliveries(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	own := w.key(id, keys.ProfileRead)
	path := "/v1/profiles/" + id.String() + "/deliveries"
	w.journal.rows = []journal.Row{{Pos: 3, Event: "gap", Gap: &journal.Gap{From: 3, To: 4, Why: journal.Trimmed}},
		{Pos: 5, Profile: id, Sink: "mokaru", Entity: "profile", Class: "A", Event: "refuse", From: "INFLIGHT", To: "PARKED", End: "parked", FromSeq: 1, ToSeq: 2,
			Attempt: "A", Epoch: 1, Verb: "set", Sent: "yes", HTTP: 422, Type: "invalid", Message: "it was refused"}}
	w.journal.next = "0.5.1"
	a := w.must(200, call{method: "GET", path: path + "?sink=mokaru&entity=profile&attempt=A&after=0.1.1&limit=2", key: own})
	if want := (journal.Filter{Profile: id, Sink: "mokaru", Entity: "profile", Attempt: "A", After: "0.1.1", Limit: 2}); w.journal.asked != want {
		t.Errorf("asked %+v, want %+v", w.journal.asked, want)
	}
	if link := a.header.Get("Link"); !strings.HasPrefix(link, "<"+path+"?after=0.5.1&") || !strings.HasSuffix(link, `>; rel="next"`) {
		t.Errorf("Link %q", link)
	}
	var got struct {
		Data []json.RawMessage
		Next *string
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Next == nil || *got.Next != "0.5.1" || len(got.Data) != 2 {
		t.Fatalf("%v in %s", err, a.body)
	}
	if s := string(got.Data[0]); !strings.HasSuffix(s, `"event":"gap","gap":{"from":3,"to":4,"why":"trimmed"}}`) || strings.Contains(s, "profile") {
		t.Errorf("a gap is %s", s)
	}
	for _, part := range []string{`"pos":5`, `"end":"parked"`, `"sent":"yes"`, `"http":422`, `"message":"it was refused"`} {
		if !strings.Contains(string(got.Data[1]), part) {
			t.Errorf("%s has no %s", got.Data[1], part)
		}
	}

	w.journal.rows, w.journal.next = []journal.Row{}, ""
	a = w.must(200, call{method: "GET", path: path, key: own})
	if strings.TrimSpace(a.body) != `{"data":[],"next":null}` || a.header.Get("Link") != "" || w.journal.asked != (journal.Filter{Profile: id, Limit: 100}) {
		t.Errorf("%s, asked %+v", a.body, w.journal.asked)
	}
	w.must(200, call{method: "GET", path: path + "?limit=5000", key: own})
	if w.journal.asked.Limit != journal.MaxLimit {
		t.Errorf("asked for %d", w.journal.asked.Limit)
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?sink=a&sink=b", "?after=a&after=b"} {
		w.must(400, call{method: "GET", path: path + query, key: own})
	}
	w.journal.err = fmt.Errorf("journal: %w", journal.ErrCursor)
	if a := w.must(400, call{method: "GET", path: path + "?after=x", key: own}); !strings.Contains(a.body, "invalid_query") {
		t.Error(a.body)
	}
	w.journal.err = errFault
	if a := w.must(500, call{method: "GET", path: path, key: own}); strings.Contains(a.body, "Smith") {
		t.Error(a.body)
	}
}

func TestDeliveriesAreForWhoMaySeeThem(t *testing.T) {
	w := newWorld(t, Config{})
	mine, foreign := w.person(jane), w.person(jane)
	everybody := ledger.ProfileID{}
	for name, c := range map[string]struct {
		key    string
		of     ledger.ProfileID
		status int
	}{
		"own key that reads":       {w.key(mine, keys.ProfileRead), mine, 200},
		"own key that audits":      {w.key(mine, keys.AuditRead), mine, 200},
		"own key that operates":    {w.key(mine, keys.Operate), mine, 200},
		"own key that writes":      {w.key(mine, keys.ProfileWrite), mine, 403},
		"foreign profile":          {w.key(mine, keys.All&^keys.Admin), foreign, 403},
		"auditor of all":           {w.key(everybody, keys.AuditRead), mine, 200},
		"operator of all":          {w.key(everybody, keys.Operate), mine, 200},
		"reader of all":            {w.key(everybody, keys.ProfileRead), mine, 403},
		"a profile that is not":    {adminText, ledger.ProfileID{9}, 404},
		"admin":                    {adminText, mine, 200},
		"a key of no scope at all": {w.key(mine, keys.EventsRead), mine, 403},
	} {
		if a := w.do(call{method: "GET", path: "/v1/profiles/" + c.of.String() + "/deliveries", key: c.key}); a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, a.status, c.status, a.body)
		}
	}
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + mine.String(), key: adminText})
	w.must(410, call{method: "GET", path: "/v1/profiles/" + mine.String() + "/deliveries", key: adminText})
}
