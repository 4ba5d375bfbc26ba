// Package fault kills, stops and crowds the built program in the middle of its work, and
// checks that nothing that was answered is lost, doubled or half done.
package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitae/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// op is one edit of a client, known by a text that is in every value it writes.
type op struct {
	token   string
	profile int
	call    harness.Call
	values  int      // how many of its events carry the token
	fields  []string // the fields of its commit
}

// done is an edit that was acknowledged.
type done struct {
	op
	seq      uint64
	attempts int
	replayed bool
	made     string // the id of what it made, as answered
}

// storm is 64 clients, the server they talk to and what they were told.
type storm struct {
	t         *testing.T
	server    *harness.Server
	client    *harness.Client
	profiles  []string
	connected int // the first so many have a connection
	edits     int // how many there will be, about

	acks  atomic.Int64
	moved chan struct{} // capacity 1: acks has grown
	mu    sync.Mutex
	log   []done
}

// next draws an edit. Some profiles are edited by many clients at a time; those that are
// connected seldom enough that the provider's limit of 20 calls a minute is not reached.
func (s *storm) next(rng *rand.Rand, client, n int) op {
	o := op{token: fmt.Sprintf("t%d-%d", client, n), profile: s.connected + rng.IntN(len(s.profiles)-s.connected)}
	switch {
	case rng.IntN(4) == 0:
		o.profile = s.connected + rng.IntN(8)
	case rng.IntN(s.edits) < 6*s.connected:
		o.profile = rng.IntN(s.connected)
	}
	hot := o.profile >= s.connected && o.profile < s.connected+8
	id := s.profiles[o.profile]
	var body map[string]any
	switch k := rng.IntN(20); {
	case k == 0 && !hot:
		o.call = harness.Call{Method: http.MethodPost, Path: "/v1/resume"}
		body, o.values, o.fields = map[string]any{"name": o.token}, 1, []string{"name"}
	case k <= 2 && !hot:
		o.call = harness.Call{Method: http.MethodPost, Path: "/v1/skills"}
		body, o.values, o.fields = map[string]any{"name": o.token}, 1, []string{"skills"}
	default:
		o.call = harness.Call{Method: http.MethodPatch, Path: harness.Profile(id)}
		body = map[string]any{"headline": o.token, "jobTitle": o.token, "projects": []any{map[string]any{"name": o.token, "description": "d"}}}
		o.values, o.fields = 3, []string{"headline", "jobTitle", "projects"}
	}
	// It cannot fail: these are texts, lists and maps of texts.
	o.call.Body, _ = json.Marshal(body)
	o.call.Header = map[string]string{"Idempotency-Key": o.token, "X-Vitae-Profile": id}
	return o
}

// send repeats an edit under the same key until it is known what became of it.
func (s *storm) send(ctx context.Context, o op) (done, error) {
	for attempt := 1; ; attempt++ {
		r, err := s.client.Do(ctx, o.call)
		switch {
		case ctx.Err() != nil:
			return done{}, fmt.Errorf("%s: no answer in %d attempts: %w", o.token, attempt, ctx.Err())
		case err == nil && (r.Status == 200 || r.Status == 201):
			d := done{op: o, attempts: attempt, replayed: r.Header.Get("Idempotency-Replayed") == "true"}
			var e harness.Edit
			if err := json.Unmarshal(r.Body, &e); err != nil || !e.Success || o.call.Method == http.MethodPatch && !e.Updated {
				return done{}, fmt.Errorf("%s: %d %s (%v)", o.token, r.Status, r.Body, err)
			}
			d.seq, d.made = e.Seq, e.ID
			return d, nil
		case err == nil && r.Status != 409 && r.Status != 503 && r.Status != 504 && r.Status != 502:
			return done{}, fmt.Errorf("%s: %d %s", o.token, r.Status, r.Body)
		}
		select { // the server is being killed or started
		case <-time.After(25 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// run has clients at work until stop closes; each finishes what it has begun.
func (s *storm) run(clients int, seed uint64, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(c)))
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
				d, err := s.send(ctx, s.next(rng, c, n))
				cancel()
				if err != nil {
					s.t.Error(err)
					return
				}
				s.mu.Lock()
				s.log = append(s.log, d)
				s.mu.Unlock()
				s.acks.Add(1)
				select {
				case s.moved <- struct{}{}:
				default:
				}
			}
		})
	}
	return &wg
}

// await waits until n more edits were acknowledged, on a slow machine until some were in
// five seconds.
func (s *storm) await(n int64) {
	s.t.Helper()
	began := s.acks.Load()
	enough, deadline := time.NewTimer(5*time.Second), time.NewTimer(harness.Patience)
	defer enough.Stop()
	defer deadline.Stop()
	for s.acks.Load() < began+n {
		select {
		case <-s.moved:
		case <-enough.C:
			n = min(n, 64)
		case <-deadline.C:
			s.t.Fatalf("only %d edits in %v\n%s", s.acks.Load()-began, harness.Patience, s.server.Tail())
		}
		if s.t.Failed() {
			s.t.Fatalf("a client gave up\n%s", s.server.Tail())
		}
	}
}

// trouble makes calls to the provider slow, so that kills and edits fall into them, and
// loses one answer in twenty.
func trouble(seed uint64) func() harness.Trouble {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1<<33))
	return func() harness.Trouble {
		mu.Lock()
		defer mu.Unlock()
		return harness.Trouble{Before: time.Duration(rng.IntN(int(200 * time.Millisecond))), After: time.Duration(rng.IntN(int(300 * time.Millisecond))), Cut: rng.IntN(20) == 0}
	}
}

// inParallel does n things, many at a time.
func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 32 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// TestKill: 64 clients edit 2,000 profiles, some of them connected to a provider, while the
// server is killed ten times.
func TestKill(t *testing.T) {
	profiles, connected, kills, between := 2000, 100, 10, int64(8000)
	if testing.Short() {
		profiles, connected, kills, between = 200, 20, 4, 500
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1<<32))

	sandbox := harness.StartSandbox(t)
	provider := harness.NewRecorder(t, sandbox.URLs["mokaru"])
	provider.Trouble = trouble(seed)
	server := harness.Start(t, harness.Options{Config: harness.Fast(provider.URL)})
	s := &storm{t: t, server: server, client: server.Admin(), profiles: make([]string, profiles), connected: connected,
		edits: kills * int(between), moved: make(chan struct{}, 1)}
	credentials := make([]string, connected)
	began := time.Now()
	inParallel(profiles, func(i int) {
		r := s.client.Try(http.MethodPost, "/v1/profiles", map[string]any{"firstName": fmt.Sprintf("person %d", i)})
		s.profiles[i], _ = r.Data(t)["id"].(string)
		if i < connected {
			credentials[i] = harness.Credential()
			r = s.client.Try(http.MethodPut, harness.Profile(s.profiles[i], "/connections/mokaru"), map[string]any{"credential": credentials[i]})
		}
		if r.Status/100 != 2 {
			t.Errorf("profile %d: %d %s", i, r.Status, r.Body)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("%d profiles after %v", profiles, time.Since(began))

	stop := make(chan struct{})
	clients := s.run(64, seed, stop)
	stopAll := sync.OnceFunc(func() { close(stop) })
	defer clients.Wait()
	defer stopAll()
	for k := range kills {
		s.await(between/4 + rng.Int64N(between))
		// The kill is to fall anywhere, and not right behind an answer.
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		server.Kill9()
		if k%4 == 3 { // and once more before it is ready
			server.Launch()
			time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
			server.Kill9()
		}
		server.Restart()
	}
	s.await(between / 2)
	stopAll()
	clients.Wait()
	if t.Failed() {
		t.FailNow()
	}
	retried, replayed := 0, 0
	for _, d := range s.log {
		if d.attempts > 1 {
			retried++
		}
		if d.replayed {
			replayed++
		}
	}
	t.Logf("%d edits acknowledged after %v; %d sent more than once, %d of them had been done", len(s.log), time.Since(began), retried, replayed)
	if retried == 0 {
		t.Error("no edit was ever in doubt: the test shows nothing")
	}
	events := s.check()
	t.Logf("checked after %v", time.Since(began))
	s.delivered(events, credentials, provider, sandbox.URLs["mokaru"])
	t.Logf("delivered after %v, in %d calls", time.Since(began), len(provider.Calls()))

	server.Stop()
	if r := harness.Command(t, nil, "", "fsck", "--data", server.Data, "-o", "json"); r.Code != 0 {
		t.Fatalf("fsck: %v", r)
	}
	// What was stopped in order comes up with the same state, and has nothing to send.
	sent := len(provider.Writes())
	server.Restart()
	if r := server.CLI("sink", "wait", "--timeout", "60s"); r.Code != 0 || len(provider.Writes()) != sent {
		t.Errorf("after a restart %d calls were made: %v", len(provider.Writes())-sent, r)
	}
	for _, i := range []int{0, s.connected, profiles - 1} {
		if diff := harness.Fold(events[s.profiles[i]], 1<<62).Differs(s.client.Read(s.profiles[i], ""), "base"); diff != "" {
			t.Errorf("after a restart profile %d differs:\n%s", i, diff)
		}
	}
	server.Stop()
	t.Logf("over after %v", time.Since(began))
}
