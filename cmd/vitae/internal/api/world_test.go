package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vitae/cmd/vitae/internal/access"
	"vitae/cmd/vitae/internal/erasure"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/proof"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/sinks"
)

// adminText is the admin key of every world.
const adminText = "vt_live_the-admin-key-of-the-tests"

// world is an API over a real committer and vault, with everything in memory. The
// projections are the ledger itself, read from its first block each time.
type world struct {
	t       *testing.T
	srv     *Server
	led     *stream.Ledger
	com     *stream.Committer
	store   *vault.Memory // the vault's
	vault   *vault.Vault
	keys    *keys.Store
	idems   *keys.Memory
	sinks   *fakeSinks
	journal *fakeJournal
	access  *access.Memory
	logged  *lockedBuffer
	clock   *clock

	erasures *erasure.Erasures

	mu        sync.Mutex
	submitted []ledger.Request
	// submit, when set, stands in the way of the committer.
	submit func(context.Context, ledger.Request) (ledger.Reply, error)
	// profile, when set, stands in the way of reads.
	profile func(context.Context, ledger.ProfileID) (*ledger.Profile, error)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T, cfg Config) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, idems: keys.NewMemory(), journal: &fakeJournal{}, access: &access.Memory{}, sinks: newFakeSinks(), logged: &lockedBuffer{},
		clock: &clock{now: time.Date(2026, 5, 3, 10, 14, 0, 0, time.UTC)}}
	log := slog.New(slog.NewJSONHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.store = vault.NewMemory()
	if w.vault, err = vault.Open(ctx, w.store, vault.NewMaster()); err != nil {
		t.Fatal(err)
	}
	w.led = stream.OpenLedger(stream.NewMemory(1<<20), "test")
	if w.com, err = stream.NewCommitter(ctx, w.led, stream.CommitterConfig{Sealer: w.vault, States: w.led, Idems: w, Clock: w.clock.Now, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.com.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if w.keys, err = keys.Open(ctx, keys.NewMemory(), w.vault, keys.Options{Admin: adminText, Now: w.clock.Now, Log: log}); err != nil {
		t.Fatal(err)
	}
	if cfg.Version == "" {
		cfg.Version = "test"
	}
	run, stop := context.WithCancel(context.Background())
	signer, err := proof.NewSigner("vitae.example")
	if err != nil {
		t.Fatal(err)
	}
	w.erasures = erasure.New(erasure.Config{Signer: signer, Ledger: w.led, Vault: w.vault, Keys: w.keys, Lanes: noLanes{}, Pending: keys.NewMemory(), Receipts: keys.NewMemory(), Log: log, Now: w.clock.Now})
	erasing := make(chan struct{})
	go func() {
		w.erasures.Run(run)
		close(erasing)
	}()
	w.srv, err = New(run, Deps{Core: w, Erasures: w.erasures, History: w, Vault: w.vault, Keys: w.keys, Sinks: w.sinks, Journal: w.journal, Access: access.New(w.access, w.vault), Idems: w.idems, Uploads: keys.NewMemory(), Log: log, Now: w.clock.Now,
		Profiles: func(context.Context, ledger.ProfileID, int, ledger.Seq) ([]ledger.ProfileID, error) { return nil, nil },
		Fsck: func(_ context.Context, _ bool, progress func(done, total uint64)) (fsck.Report, error) {
			progress(1, 2)
			return fsck.Report{Commits: 2, Findings: []fsck.Finding{}}, nil
		}}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); w.srv.Wait(); <-erasing })
	return w
}

// noLanes is an erasure.Lanes without a delivery.
type noLanes struct{}

func (noLanes) Erased(context.Context, ledger.ProfileID, ledger.Seq) ([]sinks.Ended, error) {
	return nil, nil
}
func (noLanes) Purge(context.Context, ...ledger.ProfileID) error { return nil }

// Submit implements Core.
func (w *world) Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
	w.mu.Lock()
	w.submitted = append(w.submitted, req)
	instead := w.submit
	w.mu.Unlock()
	if instead != nil {
		return instead(ctx, req)
	}
	return w.com.Submit(ctx, req)
}

func (w *world) submits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.submitted)
}

// Head implements Core.
func (w *world) Head(context.Context) (ledger.Seq, error) { return w.com.Head(), nil }

// Stats implements Core.
func (w *world) Stats() stream.CommitterStats { return w.com.Stats() }

// Profile implements Core.
func (w *world) Profile(ctx context.Context, id ledger.ProfileID, _ ledger.Seq) (*ledger.Profile, error) {
	if w.profile != nil {
		return w.profile(ctx, id)
	}
	p, err := w.led.StateAt(ctx, id, w.com.Head())
	if err != nil || p.Erased {
		return p, err
	}
	return p, p.OpenAll(w.vault)
}

// Wait implements History.
func (w *world) Wait(context.Context, ledger.Seq) error { return nil }

// StateAt implements History.
func (w *world) StateAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	return w.led.StateAt(ctx, id, seq)
}

// Commits implements History.
func (w *world) Commits(ctx context.Context, id ledger.ProfileID, after ledger.Seq, limit int) ([]ledger.Record, error) {
	var out []ledger.Record
	for r, err := range w.led.Commits(ctx, id) {
		if err != nil {
			return nil, err
		}
		if r.Seq > after && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

// SeqAt implements History.
func (w *world) SeqAt(ctx context.Context, t time.Time) (seq ledger.Seq, err error) {
	for b, err := range w.led.Read(ctx, 1) {
		if err != nil {
			return 0, err
		}
		for _, r := range b.Commits {
			if !r.Commit.Time.After(t) {
				seq = r.Seq
			}
		}
	}
	return seq, nil
}

// Idem implements stream.Idems.
func (w *world) Idem(ctx context.Context, key [16]byte, _ ledger.Seq) (found ledger.Record, ok bool, err error) {
	for b, err := range w.led.Read(ctx, 1) {
		if err != nil {
			return found, false, err
		}
		for _, r := range b.Commits {
			if r.Commit.Idem != nil && r.Commit.Idem.Key == key {
				found, ok = r, true
			}
		}
	}
	return found, ok, nil
}

// call is one request of a test.
type call struct {
	method, path string
	key          string // "" sends none
	body         string
	header       map[string]string
	typ          string // Content-Type; "" is JSON when there is a body, "-" none
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes the HTTP request of a call.
func (c call) request() *http.Request {
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := httptest.NewRequest(c.method, c.path, body)
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	switch {
	case c.typ == "-":
	case c.typ != "":
		r.Header.Set("Content-Type", c.typ)
	case c.body != "":
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	return r
}

func (w *world) do(c call) answer {
	w.t.Helper()
	r, rec := c.request(), httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
		}()
		w.srv.Handler().ServeHTTP(rec, r)
	}()
	return answer{rec.Code, rec.Result().Header, rec.Body.String()}
}

// must is do, and the status must be as said.
func (w *world) must(status int, c call) answer {
	w.t.Helper()
	a := w.do(c)
	if a.status != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", c.method, c.path, a.status, status, a.body)
	}
	return a
}

// json reads a reply.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// person makes a profile.
func (w *world) person(body string) ledger.ProfileID {
	w.t.Helper()
	a := w.must(201, call{method: "POST", path: "/v1/profiles", key: adminText, body: body})
	id, err := ledger.ParseProfileID(a.json(w.t)["data"].(map[string]any)["id"].(string))
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// key makes an API key; a zero profile is all of them.
func (w *world) key(p ledger.ProfileID, s keys.Scope) string {
	w.t.Helper()
	_, text, err := w.keys.Create(w.t.Context(), keys.New{Profile: p, Scopes: s})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// jane is a profile with first values.
const jane = `{"firstName":"Jane","lastName":"Smith","email":"jane@example.com","phone":"+33 1","projects":[{"id":"p1","name":"Vitae","description":"Ledger"}]}`

var errFault = errors.New("the disk of Jane Smith is full")
