package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vitae/ledger"
)

// memory is Records in memory.
type memory struct {
	mu       sync.Mutex
	values   map[string][]byte
	revision map[string]uint64
	last     uint64
	watchers map[chan string]string
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, revision: map[string]uint64{}, watchers: map[chan string]string{}}
}

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	if !ok {
		return nil, 0, ledger.ErrNotFound
	}
	return v, m.revision[key], nil
}

func (m *memory) Put(ctx context.Context, key string, value []byte, after uint64) (uint64, error) {
	m.mu.Lock()
	if m.revision[key] != after {
		m.mu.Unlock()
		return 0, ledger.ErrConflict
	}
	m.mu.Unlock()
	if err := m.Set(ctx, key, value); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision[key], nil
}

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	m.last++
	m.values[key], m.revision[key] = slices.Clone(value), m.last
	m.mu.Unlock()
	m.tell(key)
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	delete(m.values, key)
	delete(m.revision, key)
	m.mu.Unlock()
	m.tell(key)
	return nil
}

func (m *memory) tell(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w, prefix := range m.watchers {
		if strings.HasPrefix(key, prefix+".") {
			w <- key
		}
	}
}

func (m *memory) Keys(_ context.Context, prefix string) (out []string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range maps.Keys(m.values) {
		if strings.HasPrefix(k, prefix+".") {
			out = append(out, k)
		}
	}
	return out, nil
}

func (m *memory) Changes(ctx context.Context, prefix string) (<-chan string, error) {
	w := make(chan string, 1000)
	m.mu.Lock()
	m.watchers[w] = prefix
	m.mu.Unlock()
	go func() {
		<-ctx.Done()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
		close(w)
	}()
	return w, nil
}

// noSeal is Sealer for tests: what it does with a record is the vault's to be tested.
type noSeal struct {
	mu     sync.Mutex
	erased map[ledger.ProfileID]bool
}

func (*noSeal) SealSystem(_, _ string, b []byte) ([]byte, error) { return b, nil }
func (*noSeal) OpenSystem(_, _ string, b []byte) ([]byte, error) { return b, nil }
func (*noSeal) SealOwn(_ ledger.ProfileID, _, _ string, b []byte) ([]byte, error) {
	return b, nil
}

func (s *noSeal) OpenOwn(p ledger.ProfileID, _, _ string, b []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erased[p] {
		return nil, ledger.ErrErased
	}
	return b, nil
}

// feed is Feed in memory. Its first events can be given up.
type feed struct {
	mu     sync.Mutex
	events []Event
	first  uint64
	grown  chan struct{}
}

func newFeed() *feed { return &feed{first: 1, grown: make(chan struct{})} }

func (f *feed) add(p ledger.ProfileID, kind string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	seq := uint64(len(f.events) + 1)
	f.events = append(f.events, Event{Seq: seq, Event: ledger.CloudEvent{ID: fmt.Sprintf("e%d", seq), Source: "urn:vitae:ledger:test", Type: kind, Subject: p.String(),
		Time: time.Date(2026, 5, 3, 10, 14, 0, 0, time.UTC), Data: fmt.Appendf(nil, `{"seq":%d}`, seq)}})
	close(f.grown)
	f.grown = make(chan struct{})
	return seq
}

func (f *feed) giveUp(first uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first = first
}

func (f *feed) Source() string { return "urn:vitae:ledger:test" }

func (f *feed) Head(context.Context) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.events)), nil
}

func (f *feed) read(from, to uint64, p ledger.ProfileID, limit int) (out []Event, after uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if from < f.first {
		return nil, 0, &GoneError{From: from, First: f.first}
	}
	for after = from; after < min(to, uint64(len(f.events))+1); after++ {
		if len(out) == limit {
			return out, after, nil
		}
		if e := f.events[after-1]; p.IsZero() || e.Event.Subject == p.String() {
			out = append(out, e)
		}
	}
	return out, after, nil
}

func (f *feed) Next(ctx context.Context, from uint64, p ledger.ProfileID, limit int) ([]Event, uint64, error) {
	for {
		f.mu.Lock()
		grown := f.grown
		f.mu.Unlock()
		events, after, err := f.read(from, 1<<62, p, limit)
		if err != nil || len(events) > 0 {
			return events, after, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

func (f *feed) Page(_ context.Context, from, to uint64, p ledger.ProfileID) ([]Event, uint64, error) {
	events, after, err := f.read(from, to, p, 2)
	if err == nil && len(events) == 0 {
		after = to
	}
	return events, after, err
}

// attempts is Attempts in memory.
type attempts struct {
	mu   sync.Mutex
	list []Attempt
}

func (a *attempts) Append(_ context.Context, one Attempt) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.Place = uint64(len(a.list) + 1)
	a.list = append(a.list, one)
	return nil
}

func (a *attempts) List(_ context.Context, _ string, after uint64, limit int) ([]Attempt, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rest := a.list[min(after, uint64(len(a.list))):]
	return slices.Clone(rest[:min(limit, len(rest))]), len(rest) > limit, nil
}

// got is one request that the subscriber received.
type got struct {
	id, subject, kind string
	header            http.Header
	body              []byte
}

// world is a manager, its feed and a subscriber that answers as a test says.
type world struct {
	t        *testing.T
	feed     *feed
	records  *memory
	attempts *attempts
	seal     *noSeal
	m        *Manager
	url      string

	mu      sync.Mutex
	answer  func(g got) int // the status; 0 cuts the connection
	header  http.Header     // of answers
	all     []got
	news    chan struct{}
	revoked bool
	values  bool

	stop    context.CancelFunc
	stopped chan struct{}
}

func newWorld(t *testing.T, schedule ...time.Duration) *world {
	w := &world{t: t, feed: newFeed(), records: newMemory(), attempts: &attempts{}, seal: &noSeal{erased: map[ledger.ProfileID]bool{}}, news: make(chan struct{}, 100_000), answer: func(got) int { return 200 }}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var e struct{ ID, Subject, Type string }
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%v in %s", err, body)
		}
		g := got{id: e.ID, subject: e.Subject, kind: e.Type, header: r.Header.Clone(), body: body}
		w.mu.Lock()
		status := w.answer(g)
		w.all = append(w.all, g)
		for k, v := range w.header {
			rw.Header()[k] = v
		}
		w.mu.Unlock()
		w.news <- struct{}{}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		rw.WriteHeader(status)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(s.Close)
	w.url = s.URL + "/hook?token=very-secret"
	if schedule == nil {
		schedule = []time.Duration{0, 0, 0}
	}
	w.m = NewManager(Config{Records: w.records, Sealer: w.seal, Feed: w.feed, Attempts: w.attempts, Private: true, Agent: "vitae/test", Schedule: schedule,
		Allowed: func(string) (bool, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return !w.revoked, w.values
		},
		Values: func(_ context.Context, e ledger.CloudEvent) (ledger.CloudEvent, error) {
			e.Data = append(slices.Clone(e.Data[:len(e.Data)-1]), `,"values":{"a":1}}`...)
			return e, nil
		}})
	t.Cleanup(func() {
		w.halt()
		w.m.Close()
	})
	w.start()
	return w
}

func (w *world) start() {
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	w.stop, w.stopped = stop, stopped
	go func() {
		defer close(stopped)
		if err := w.m.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
}

func (w *world) halt() {
	if w.stop != nil {
		w.stop()
		<-w.stopped
		w.stop = nil
	}
}

func (w *world) create(in Endpoint) *Endpoint {
	w.t.Helper()
	if in.URL == "" {
		in.URL = w.url
	}
	in.Key = "k"
	e, err := w.m.Create(context.Background(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) answers(f func(g got) int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) answerWith(h http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.header = h
}

func (w *world) requests() []got {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// until waits for requests until there is what a test looks for.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-w.news:
		case <-time.After(5 * time.Millisecond):
			// What follows a request is not told of.
		case <-deadline:
			w.t.Fatalf("not in time: %s; %d requests", what, len(w.requests()))
		}
	}
}

func (w *world) status(id string) *Status {
	w.t.Helper()
	s, err := w.m.Get(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func person(n int) ledger.ProfileID {
	var p ledger.ProfileID
	p[0], p[15] = 1, byte(n)
	return p
}
