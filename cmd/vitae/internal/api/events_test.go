package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/tmaxmax/go-sse"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/engine/enginetest"
	"vitae/projections/changes"
)

// patience bounds every wait; it is long because test machines are busy.
const patience = 60 * time.Second

// feedWorld is a world whose feed is followed, behind a server that can stream.
type feedWorld struct {
	*world
	http *httptest.Server
}

func newFeedWorld(t *testing.T) *feedWorld {
	w := &feedWorld{world: newWorld(t, Config{})}
	feed, err := changes.Open(t.Context(), changes.Config{JetStream: enginetest.Open(t).JetStream(), Ledger: w.led})
	if err != nil {
		t.Fatal(err)
	}
	w.srv.Feed = feed
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{feed.Run, feed.Follow} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	w.http = httptest.NewServer(w.srv.Handler())
	t.Cleanup(func() {
		w.srv.EndStreams()
		w.http.Close()
		stop()
		running.Wait()
	})
	return w
}

// follow opens a stream of events.
func (w *feedWorld) follow(query, key string, header ...string) *http.Response {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", w.http.URL+"/v1/events"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// seqEvent is one line of the feed.
type seqEvent struct {
	Seq   uint64            `json:"seq"`
	Event ledger.CloudEvent `json:"event"`
}

func (e seqEvent) data(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(e.Event.Data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// lines reads a feed that ends.
func (w *feedWorld) lines(query, key string, header ...string) (out []seqEvent) {
	w.t.Helper()
	sep := "?"
	if query != "" {
		sep = query + "&"
	}
	res := w.follow(sep+"format=jsonl&follow=false", key, header...)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/jsonl" {
		b, _ := io.ReadAll(res.Body)
		w.t.Fatalf("%s: %d %s", query, res.StatusCode, b)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		var e seqEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			w.t.Fatalf("%v in %s", err, lines.Text())
		}
		out = append(out, e)
	}
	if err := lines.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func seqsOf(events []seqEvent) string {
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprint(e.Seq))
	}
	return strings.Join(out, " ")
}

func (w *feedWorld) edit(p ledger.ProfileID, body string) {
	w.t.Helper()
	w.must(200, call{method: "PATCH", path: "/v1/profiles/" + p.String(), key: adminText, body: body})
}

const janeBody = `{"firstName":"Jane","lastName":"Doe","email":"jane@example.com"}`

// TestEventsWhere: every way to say where to begin.
func TestEventsWhere(t *testing.T) {
	w := newFeedWorld(t)
	p := w.person(janeBody)
	for i := range 4 {
		w.edit(p, fmt.Sprintf(`{"jobTitle":"t%d"}`, i))
	}
	for _, tt := range []struct{ query, last, want string }{
		{"", "", ""}, {"?from=1", "", "1 2 3 4 5"}, {"?from=0", "", "1 2 3 4 5"}, {"?from=4", "", "4 5"}, {"?from=6", "", ""},
		{"?from=1", "3", "4 5"}, {"", "0", "1 2 3 4 5"}, {"", "5", ""},
	} {
		var header []string
		if tt.last != "" {
			header = []string{"Last-Event-ID", tt.last}
		}
		if got := seqsOf(w.lines(tt.query, adminText, header...)); got != tt.want {
			t.Errorf("%q behind %q: %s; want %s", tt.query, tt.last, got, tt.want)
		}
	}
	for _, bad := range []string{"?from=7", "?from=x", "?from=-1", "?from=1&from=2", "?follow=maybe", "?format=xml", "?type=x", "?field=nope", "?profile=x", "?values=1", "?profile=" + p.String() + "&profile=" + p.String()} {
		if a := w.do(call{method: "GET", path: "/v1/events" + bad, key: adminText}); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	// A reader that knows more events than there are has read another feed.
	got := w.lines("", adminText, "Last-Event-ID", "99")
	if len(got) != 1 || got[0].Event.Type != "reset" || got[0].Seq != 5 || got[0].data(t)["state"] != "/v1/profiles" {
		t.Errorf("behind an event that never was: %+v", got)
	}
}

func TestEventsFilters(t *testing.T) {
	w := newFeedWorld(t)
	p, other := w.person(janeBody), w.person(janeBody) // 1, 2
	w.edit(p, `{"jobTitle":"x","firstName@fr_FR":"Jeanne"}`)
	w.edit(other, `{"interests":[{"name":"chess"}]}`)
	w.must(201, call{method: "POST", path: "/v1/resume", key: adminText, body: `{"name":"Other"}`, header: map[string]string{"X-Vitae-Profile": p.String()}}) // 5, 6
	for query, want := range map[string]string{
		"?from=1&profile=" + p.String():                                      "1 3 5 6",
		"?from=1&field=firstName":                                            "1 2 3",
		"?from=1&field=firstName@fr_FR":                                      "3",
		"?from=1&field=jobTitle&field=interests":                             "3 4",
		"?from=1&type=vitae.resume.created.v1":                               "5",
		"?from=1&type=vitae.resume.created.v1&type=vitae.profile.changed.v1": "1 2 3 4 5 6",
		"?from=1&type=vitae.resume.created.v1&field=name":                    "",
		"?from=2&field=interests&profile=" + other.String():                  "4",
		"?from=1&profile=" + ledger.NewProfileID(time.Now()).String():        "",
	} {
		if got := seqsOf(w.lines(query, adminText)); got != want {
			t.Errorf("%s: %s; want %s", query, got, want)
		}
	}
	own := w.key(p, keys.EventsRead)
	if got := seqsOf(w.lines("?from=1", own)); got != "1 3 5 6" {
		t.Errorf("a profile's own key sees %s", got)
	}
	for query, status := range map[string]int{"?profile=" + other.String(): 403, "?values=true": 403} {
		if a := w.do(call{method: "GET", path: "/v1/events" + query, key: own}); a.status != status {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := w.do(call{method: "GET", path: "/v1/events", key: w.key(p, keys.ProfileRead)}); a.status != 403 {
		t.Errorf("without events:read: %d", a.status)
	}
}

func TestEventsValues(t *testing.T) {
	w := newFeedWorld(t)
	p := w.person(janeBody)                                               // 1
	w.edit(p, `{"jobTitle":"x","interests":[{"name":"a"},{"name":"b"}]}`) // 2 shared, 3 base
	w.edit(p, `{"jobTitle":null,"interests":[{"name":"b"}]}`)             // 4, 5
	made := w.must(201, call{method: "POST", path: "/v1/resume", key: adminText, body: `{"name":"Other"}`, header: map[string]string{"X-Vitae-Profile": p.String()}})
	if made.json(t)["success"] != true {
		t.Fatal(made.body)
	}
	key := w.key(p, keys.EventsRead|keys.ValuesRead)
	events := w.lines("?from=1&values=true", key)
	values := func(i int) string {
		b, err := json.Marshal(events[i].data(t)["values"])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	names := func(i int, field string) string {
		var out []string
		items, _ := events[i].data(t)["values"].(map[string]any)[field].([]any)
		for _, item := range items {
			out = append(out, item.(map[string]any)["name"].(string))
		}
		return strings.Join(out, " ")
	}
	if got := values(0); got != `{"email":"jane@example.com","firstName":"Jane","lastName":"Doe"}` {
		t.Errorf("created with %s", got)
	}
	if got := values(1); got != `{"jobTitle":"x"}` {
		t.Errorf("set: %s; what came later must not show", got)
	}
	if got := names(2, "interests"); got != "a b" {
		t.Errorf("a list: %s", got)
	}
	if got := values(3); got != `{"jobTitle":null}` {
		t.Errorf("cleared: %s", got)
	}
	if got := names(4, "interests"); got != "b" {
		t.Errorf("a list from which one was taken: %s", got)
	}
	if events[5].Event.Type != ledger.TypeResumeCreated || names(5, "interests") != "b" || events[5].data(t)["values"].(map[string]any)["name"] != "Other" {
		t.Errorf("a copy: %s", events[5].Event.Data)
	}
	thin := w.lines("?from=1", key)
	for i := range thin {
		if thin[i].Event.ID != events[i].Event.ID || thin[i].data(t)["values"] != nil {
			t.Errorf("without values: %s", thin[i].Event.Data)
		}
	}
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + p.String(), key: adminText})
	// The profile's own key has gone with it.
	for _, e := range w.lines("?from=1&values=true", adminText) {
		if v, there := e.data(t)["values"]; v != nil || !there && e.Event.Type == ledger.TypeProfileChanged {
			t.Errorf("after the erasure: %s", e.Event.Data)
		}
	}
}

// TestEventsLive: others' clients read ours, in both ways to end a stream from here.
func TestEventsLive(t *testing.T) {
	w := newFeedWorld(t)
	p := w.person(janeBody)
	key, text, err := w.keys.Create(t.Context(), keys.New{Profile: p, Scopes: keys.EventsRead})
	if err != nil {
		t.Fatal(err)
	}
	res := w.follow("?from=1", text)
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %s", got)
	}
	var got []string
	for e, err := range sse.Read(res.Body, nil) {
		if err != nil {
			t.Fatal(err)
		}
		var one cloudevents.Event
		if err := json.Unmarshal([]byte(e.Data), &one); err != nil {
			t.Fatal(err)
		}
		if err := one.Validate(); err != nil {
			t.Error(err)
		}
		if one.Type() != e.Type || one.Subject() != p.String() {
			t.Errorf("event %s of type %s, about %s", e.Type, one.Type(), one.Subject())
		}
		got = append(got, e.LastEventID)
		switch len(got) {
		case 3:
			if err := w.keys.Revoke(t.Context(), key.ID); err != nil {
				t.Fatal(err)
			}
		default:
			w.edit(p, fmt.Sprintf(`{"jobTitle":"t%d"}`, len(got)))
		}
	}
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("ids %v", got)
	}
	res = w.follow("", adminText)
	if body := w.must(200, call{method: "GET", path: "/metrics"}).body; !strings.Contains(body, "vitae_changes_head_sequence 3\n") || !strings.Contains(body, "vitae_changes_stopped 0\n") {
		t.Error("the feed is not in the metrics")
	}
	w.srv.EndStreams()
	if b, err := io.ReadAll(res.Body); err != nil || strings.Trim(string(b), ":\n") != "" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestEventsHead: HEAD does not follow.
func TestEventsHead(t *testing.T) {
	w := newFeedWorld(t)
	r, err := http.NewRequest("HEAD", w.http.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminText)
	res, err := w.http.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %s", res.StatusCode, res.Header)
	}
}

// TestEventsUnread: a client that takes nothing is cut off, and nobody waits for it.
func TestEventsUnread(t *testing.T) {
	w := newFeedWorld(t)
	p := w.person(janeBody)
	st := &eventStream{s: w.srv, w: stuck{}, query: eventsQuery{follow: true}}
	st.control = http.NewResponseController(st.w)
	st.reader = w.srv.Feed.Reader(1, changes.Filter{})
	done := make(chan struct{})
	go func() {
		st.run(t.Context())
		close(done)
	}()
	w.edit(p, `{"jobTitle":"x"}`)
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the stream goes on")
	}
	if got := seqsOf(w.lines("?from=1", adminText)); got != "1 2" {
		t.Errorf("another reader sees %s", got)
	}
}

// stuck is a connection whose write deadline has passed.
type stuck struct{}

func (stuck) Header() http.Header              { return http.Header{} }
func (stuck) WriteHeader(int)                  {}
func (stuck) Write([]byte) (int, error)        { return 0, errors.New("i/o timeout") }
func (stuck) SetWriteDeadline(time.Time) error { return nil }
func (stuck) FlushError() error                { return nil }

func TestStartOf(t *testing.T) {
	for _, tt := range []struct {
		last, from string
		seq        uint64
		after, ok  bool
	}{
		{"", "", 0, false, true}, {"7", "", 7, true, true}, {"7", "3", 7, true, true}, {"", "3", 3, false, true}, {"", "0", 1, false, true},
		{"x", "3", 0, false, false}, {"", "+3", 0, false, false}, {"", "9223372036854775808", 0, false, false}, {"-1", "", 0, false, false},
	} {
		seq, after, err := startOf(tt.last, tt.from)
		if (err == nil) != tt.ok || tt.ok && (seq != tt.seq || after != tt.after) {
			t.Errorf("%q %q: %d %v %v", tt.last, tt.from, seq, after, err)
		}
	}
}

func FuzzStartOf(f *testing.F) {
	f.Add("7", "3")
	f.Fuzz(func(t *testing.T, last, from string) {
		seq, after, err := startOf(last, from)
		if err != nil {
			return
		}
		if seq > 1<<63-1 || after != (last != "") {
			t.Fatalf("%q %q: %d %v", last, from, seq, after)
		}
		if !after && seq == 0 && from != "" {
			t.Fatalf("from %q is nowhere", from)
		}
	})
}

// TestEventFrames pins the two forms of the feed.
func TestEventFrames(t *testing.T) {
	e := []byte(`{"specversion":"1.0"}`)
	var out bytes.Buffer
	for _, lines := range []bool{false, true} {
		st := &eventStream{query: eventsQuery{lines: lines}}
		st.put(7, "vitae.profile.changed.v1", e)
		st.comment()
		out.Write(st.out)
	}
	const want = "id: 7\nevent: vitae.profile.changed.v1\ndata: {\"specversion\":\"1.0\"}\n\n:\n\n" + "{\"seq\":7,\"event\":{\"specversion\":\"1.0\"}}\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
}
