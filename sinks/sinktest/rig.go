package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

// Rig is a world, the network to the far side of one provider, and the sink between them.
// It wants a synctest bubble. Change its fields before Start. Stop and Start again are a
// restart: all but the manager stays.
type Rig struct {
	*testing.T
	World *World
	Net   *Network
	Lanes *stream.Memory
	// Config is the provider's.
	Config sinks.Config
	// Files opens the files of the profiles; nil when there are none.
	Files func(context.Context, ledger.ProfileID, string) (sinks.File, error)
	// Patience is how long Rest waits.
	Patience time.Duration
	// Manager runs between Start and Stop.
	Manager *sinks.Manager

	name string // the provider's
	fate atomic.Pointer[func(*http.Request) Fate]
	stop func()

	mu   sync.Mutex
	logs bytes.Buffer
}

// NewRig makes one whose network leads to a handler and loses nothing.
func NewRig(t *testing.T, far http.Handler) *Rig {
	r := &Rig{T: t, World: NewWorld(), Lanes: stream.NewMemory(1 << 20), Patience: 6 * time.Hour,
		Config: sinks.Config{RequestsPerMinute: -1, Settle: 30 * time.Second}}
	r.Net = &Network{Handler: far, Slow: time.Second, Late: time.Second, Fate: func(q *http.Request) Fate {
		if f := r.fate.Load(); f != nil {
			return (*f)(q)
		}
		return OK
	}}
	return r
}

// Every opens the same file under every reference, for Files.
func Every(content []byte, mediaType string) func(context.Context, ledger.ProfileID, string) (sinks.File, error) {
	return func(context.Context, ledger.ProfileID, string) (sinks.File, error) {
		return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader(content)), Size: int64(len(content)), MediaType: mediaType}, nil
	}
}

// Meet says what becomes of the requests from now on, also while some are under way.
func (r *Rig) Meet(fate func(*http.Request) Fate) { r.fate.Store(&fate) }

// Start runs a manager with this provider alone.
func (r *Rig) Start(p sinks.Provider) {
	r.Helper()
	r.name = p.Name()
	m, err := sinks.New(sinks.Options{Ledger: r.World.Ledger, States: r.World, Vault: r.World, Blocks: r.Lanes, Providers: []sinks.Provider{p}, Exclusive: true,
		Files: r.Files, Config: map[string]sinks.Config{r.name: r.Config}, Log: slog.New(slog.NewTextHandler(log{r}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- m.Run(ctx) }()
	r.Manager = m
	r.stop = func() {
		cancel()
		if err := <-end; err != nil {
			r.Error(err)
		}
	}
}

// Stop ends the manager. A bubble ends only when nothing runs in it.
func (r *Rig) Stop() { r.stop() }

// Rest waits until nothing is to be done.
func (r *Rig) Rest() sinks.Rest {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience)
	defer cancel()
	rest, err := r.Manager.Wait(ctx, nil)
	if err != nil {
		r.Fatalf("not at rest: %v\n%s", err, r.Logged())
	}
	return rest
}

// Connection is what the manager says of a profile's.
func (r *Rig) Connection(id ledger.ProfileID) sinks.Connection {
	r.Helper()
	list, err := r.Manager.Connections(context.Background(), id)
	if err != nil || len(list) != 1 {
		r.Fatalf("%v: %+v", err, list)
	}
	return list[0]
}

// Agrees says that the connection is up to date, and that a plan finds nothing to do.
func (r *Rig) Agrees(id ledger.ProfileID) {
	r.Helper()
	if c := r.Connection(id); c.State != sinks.InSync {
		r.Fatalf("%+v\n%s", c, r.Logged())
	}
	plan, err := r.Manager.Plan(context.Background(), sinks.Target{Sink: r.name, Profile: &id})
	if err != nil || plan.Operations != 0 {
		r.Errorf("%v: %+v", err, plan)
	}
}

// Ask calls the far side itself, past the network, with headers as names and values in
// turn, and gives the status. into takes the JSON of the answer; nil does not look at it.
func (r *Rig) Ask(method, path, body string, into any, headers ...string) int {
	r.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:1"
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	r.Net.Handler.ServeHTTP(w, req)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			r.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return w.Code
}

// Logged is all that was logged.
func (r *Rig) Logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logs.String()
}

// Kept is all that was logged or stored in the lanes, in which no value and no key may be.
func (r *Rig) Kept() string {
	r.Helper()
	var b strings.Builder
	for e, err := range r.Lanes.Read(context.Background(), 1) {
		if err != nil {
			r.Fatal(err)
		}
		b.Write(e.Payload)
	}
	return b.String() + r.Logged()
}

// log takes what a rig's manager logs.
type log struct{ *Rig }

func (l log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs.Write(p)
}
