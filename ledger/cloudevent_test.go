package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testSource = "urn:vitae:ledger:01JZZZZZZZZZZZZZZZZZZZZZZZ"

// TestCloudEventsOfCommits pins what each kind of commit tells subscribers.
func TestCloudEventsOfCommits(t *testing.T) {
	const resume = "01JZ0000000000000000000000"
	var out bytes.Buffer
	for _, tt := range []struct {
		name   string
		events []Event
	}{
		{"a profile is created with values", []Event{
			{View: Shared, Op: OpCreated},
			withValue(Event{View: Shared, Field: "firstName", Op: OpSet}, `"Jane"`, ""),
			withValue(Event{View: Base, Field: "projects", Item: "p1", Op: OpPut}, `{"title":"x"}`, "")}},
		{"one field of several items", []Event{
			withValue(Event{View: Base, Field: "projects", Item: "p1", Op: OpPut}, `{"title":"x"}`, ""),
			{View: Base, Field: "projects", Item: "p2", Op: OpRemove},
			{View: Base, Field: "projects", Op: OpOrder, Order: []string{"p1"}}}},
		{"a variant is a field of its own", []Event{
			withValue(Event{View: Shared, Field: "firstName@fr_FR", Op: OpSet}, `"Jeanne"`, ""),
			{View: Shared, Field: "phone", Op: OpClear}}},
		{"a resume is copied", []Event{
			{View: resume, Item: Base, Op: OpCopied},
			withValue(Event{View: resume, Field: "name", Op: OpSet}, `"Other"`, "")}},
		{"a resume is deleted", []Event{{View: resume, Op: OpDeleted}}},
		{"a connection is set", []Event{withValue(Event{View: Shared, Field: Connections, Item: "mokaru", Op: OpBound}, `{}`, "")}},
		{"a connection is removed", []Event{{View: Shared, Field: Connections, Item: "mokaru", Op: OpDeleted}}},
		{"a delivery is decided about", []Event{withValue(Event{View: Shared, Field: Deliveries, Item: "mokaru", Op: OpDecided}, `{}`, "")}},
		{"the profile is erased", []Event{{View: Shared, Op: OpErased}}},
	} {
		out.WriteString("# " + tt.name + "\n")
		c := fixedCommit(tt.events...)
		for _, n := range c.Notices(7, testSource) {
			out.WriteString(n.Address + " ")
			out.Write(AppendCloudEvent(nil, &n.Event))
			out.WriteByte('\n')
		}
	}
	golden(t, "testdata/notices.txt", out.Bytes())
}

func TestCloudEventBothWays(t *testing.T) {
	c := fixedCommit(withValue(Event{View: Shared, Field: "firstName", Op: OpSet}, `"Jane"`, ""))
	for _, n := range c.Notices(7, testSource) {
		e := n.Event
		text := AppendCloudEvent(nil, &e)
		got, err := ParseCloudEvent(text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Error(d)
		}
		got, err = CloudEventOf(e.Headers(), e.Data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Error(d)
		}
		var via struct{ Event CloudEvent }
		if err := json.Unmarshal([]byte(`{"Event":`+string(text)+`}`), &via); err != nil || !cmp.Equal(via.Event, e) {
			t.Errorf("through encoding/json: %v", err)
		}
	}
}

func TestCloudEventStrict(t *testing.T) {
	const good = `{"specversion":"1.0","id":"i","source":"s","type":"t","subject":"u","time":"2026-01-31T12:00:00.000Z","datacontenttype":"application/json","data":{"a":1}}`
	if _, err := ParseCloudEvent([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"1.0"`, `"0.3"`}, {`"specversion":"1.0",`, ``}, {`"id":"i",`, ``}, {`"id":"i"`, `"id":""`}, {`"id":"i"`, `"id":"i","id":"i"`},
		{`"source":"s",`, ``}, {`"type":"t",`, ``}, {`.000Z`, `Z`}, {`.000Z`, `.000+01:00`}, {`application/json`, `text/plain`},
		{`{"a":1}`, `[1]`}, {`{"a":1}`, `null`}, {`,"data":{"a":1}`, ``}, {`"id":"i"`, `"id":"i","extra":"x"`}, {`"id":"i"`, `"id":7`}, {`}}`, `}} x`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if _, err := ParseCloudEvent([]byte(bad)); bad == good || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	e, err := ParseCloudEvent([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	h := e.Headers()
	h["Nats-Stream"] = []string{"CHANGES"}
	if _, err := CloudEventOf(h, e.Data); err != nil {
		t.Errorf("a header that is no attribute: %v", err)
	}
	h["ce-id"] = []string{"a", "b"}
	if _, err := CloudEventOf(h, e.Data); !errors.Is(err, ErrFormat) {
		t.Errorf("an attribute twice: %v", err)
	}
}

func TestCloudEventIDsDiffer(t *testing.T) {
	c := fixedCommit()
	var ids []string
	for _, view := range []string{Shared, Base, "01JZ0000000000000000000000"} {
		for _, step := range []string{"", "created", "deleted", "erased"} {
			ids = append(ids, ChangedID(c.ID, view, step))
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d ids, %d of them different", len(ids), n)
	}
}

func FuzzParseCloudEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"i","source":"s","type":"t","subject":"u","time":"2026-01-31T12:00:00.000Z","datacontenttype":"application/json","data":{"a":1}}`))
	f.Add([]byte(`{"data":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseCloudEvent(b)
		if err != nil {
			return
		}
		text := AppendCloudEvent(nil, &e)
		again, err := ParseCloudEvent(text)
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, text)
		}
		if e.Time.Year() >= 0 && e.Time.Year() <= 9999 && !cmp.Equal(e, again, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })) {
			t.Fatalf("%s\nis read again as\n%s", b, text)
		}
	})
}
