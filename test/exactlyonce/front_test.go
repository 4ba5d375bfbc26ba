// Package exactlyonce kills the built program at every point of its deliveries, with every
// fate that a request can have, and checks that each edit has its effect at the provider
// once. What it found is the page docs/exactly-once.md: see TestMatrix.
package exactlyonce

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"vitae/sinks/sandbox"
	"vitae/test/harness"
)

// fate is what becomes of a request on its way.
type fate string

// The fates.
const (
	fateOK         fate = "ok"
	fateRefused    fate = "refused"
	fateLostBefore fate = "lost before"
	fateLostAfter  fate = "lost after"
	fateSlow       fate = "slow"
	fateLate       fate = "late landing"
	fateGarbage    fate = "200 with garbage"
	fateError      fate = "500 after effect"
	fateThrottled  fate = "429"
	fateReset      fate = "reset in the answer"
)

// fates is all of them, in the order of the page.
func fates() []fate {
	return []fate{fateOK, fateRefused, fateLostBefore, fateLostAfter, fateSlow, fateLate, fateGarbage, fateError, fateThrottled, fateReset}
}

// doubtful says that the caller cannot know what became of the request.
func (f fate) doubtful() bool {
	switch f {
	case fateLostBefore, fateLostAfter, fateLate, fateGarbage, fateError, fateReset:
		return true
	}
	return false
}

const (
	slowness = 300 * time.Millisecond  // of a slow answer
	lateness = 1500 * time.Millisecond // from a cut connection to the request's arrival; less than the settle window
)

// call is one request that came to the front.
type call struct {
	provider, who       string // who is the key
	method, path        string
	attempt, step       string
	fate                fate
	came, landed, ended int // numbers of one sequence; landed is when the provider got it, 0 for never
	status              int // of the provider's answer
}

func (c *call) write() bool { return c.method != http.MethodGet }

// good says that the provider took it.
func (c *call) good() bool { return c.status == http.StatusOK || c.status == http.StatusCreated }

// aim is a fate for the write after so many.
type aim struct {
	fate fate
	skip int
	used bool
}

// front is the providers, behind a network that does to requests what it is told.
type front struct {
	box  *sandbox.Server
	addr string
	back string // the address of the stand-ins themselves
	// draw, when set, gives the fate of every write that nobody aims at.
	draw func() fate

	mu       sync.Mutex
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup
	late     sync.WaitGroup
	seq      int
	calls    []*call
	aims     map[string]*aim // by key
	gate     *gate
}

// gate holds writes that a fate is aimed at until all of them are there: what happens to
// one must not keep another from being sent.
type gate struct {
	missing int
	open    chan struct{}
	timer   *time.Timer
}

const gateIdle = 500 * time.Millisecond

func newFront(t testing.TB) *front {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	back := httptest.NewServer(box.Handler())
	f := &front{box: box, back: back.URL, aims: map[string]*aim{}, addr: "127.0.0.1:0"}
	f.listen(t)
	t.Cleanup(func() {
		f.silence()
		f.late.Wait()
		back.Close()
	})
	return f
}

// listen begins to take requests, at the address it had before.
func (f *front) listen(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	f.mu.Lock()
	f.addr, f.listener, f.server = l.Addr().String(), l, s
	f.mu.Unlock()
	f.served.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// silence cuts every connection; nobody listens any more.
func (f *front) silence() {
	f.mu.Lock()
	s := f.server
	f.mu.Unlock()
	_ = s.Close() // it was the listener's last breath
	f.served.Wait()
}

// client asks the stand-ins what they have.
func (f *front) client(t testing.TB) *harness.Client { return harness.NewClient(t, f.back, "") }

// url is a provider's base URL.
func (f *front) url(provider string) string { return "http://" + f.addr + "/" + provider }

// arm aims fates at accounts, and holds their writes until all of them are there.
func (f *front) arm(aims map[string]*aim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aims = aims
	g := &gate{missing: len(aims), open: make(chan struct{})}
	g.timer = time.AfterFunc(gateIdle, func() { f.release(g) })
	f.gate = g
}

// disarm lets everything pass from now on.
func (f *front) disarm() {
	f.mu.Lock()
	g := f.gate
	f.aims, f.gate, f.draw = map[string]*aim{}, nil, nil
	f.mu.Unlock()
	if g != nil {
		f.release(g)
	}
}

func (f *front) release(g *gate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.timer.Stop()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// fateOf decides about a request, and gives the gate that it has to wait at.
func (f *front) fateOf(c *call) (fate, *gate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.write() {
		return fateOK, nil
	}
	a := f.aims[c.who]
	switch {
	case a != nil && a.skip > 0:
		a.skip--
		return fateOK, nil
	case a != nil && !a.used:
		a.used = true
		g := f.gate
		if g != nil {
			g.missing--
			g.timer.Reset(gateIdle)
		}
		return a.fate, g
	case f.draw != nil:
		return f.draw(), nil
	}
	return fateOK, nil
}

// number gives the next number of the sequence, and notes it.
func (f *front) number(at *int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	*at = f.seq
}

// seen is a copy of the calls so far.
func (f *front) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]call, len(f.calls))
	for i, c := range f.calls {
		out[i] = *c
	}
	return out
}

// ServeHTTP takes a request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone: nothing came
	}
	provider, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c := &call{provider: provider, who: cmp.Or(r.Header.Get("X-Api-Key"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), method: r.Method, path: r.URL.Path,
		attempt: r.Header.Get("X-Vitae-Attempt"), step: r.Header.Get("X-Vitae-Step")}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	f.number(&c.came)
	defer f.number(&c.ended)
	what, g := f.fateOf(c)
	f.mu.Lock()
	c.fate = what
	f.mu.Unlock()
	if g != nil {
		f.mu.Lock()
		all := g.missing == 0
		f.mu.Unlock()
		if all {
			f.release(g)
		}
		<-g.open
	}
	happen := func() *http.Response {
		f.number(&c.landed)
		to := httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, r.URL.String(), bytes.NewReader(body))
		to.Header, to.Host, to.RemoteAddr = r.Header.Clone(), r.Host, "127.0.0.1:1"
		answer := httptest.NewRecorder()
		f.box.Handler().ServeHTTP(answer, to)
		f.mu.Lock()
		defer f.mu.Unlock()
		c.status = answer.Code
		return answer.Result()
	}
	switch what {
	case fateLostBefore:
		gone(r.Context())
		panic(http.ErrAbortHandler)
	case fateLostAfter:
		happen()
		gone(r.Context())
		panic(http.ErrAbortHandler)
	case fateLate:
		f.late.Go(func() {
			time.Sleep(lateness) // it is on its way, and nobody waits for it
			happen()
		})
		panic(http.ErrAbortHandler)
	case fateGarbage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Please sign in</title>")
		return
	case fateError:
		happen()
		c.fail(w, http.StatusInternalServerError)
		return
	case fateThrottled:
		w.Header().Set("Retry-After", "1")
		c.fail(w, http.StatusTooManyRequests)
		return
	case fateReset:
		cut(w, happen())
		return
	case fateSlow:
		time.Sleep(slowness)
	}
	answer := happen()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // a caller that is gone is what these tests are about
}

// fail answers that the provider failed. Nexudus says so inside a success.
func (c *call) fail(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	if c.provider == "nexudus" {
		_, _ = fmt.Fprintf(w, `{"WasSuccessful":false,"Value":null,"Status":%d,"Message":%q,"Errors":[]}`, status, http.StatusText(status)) // as below
		return
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q,"status":%d}`, http.StatusText(status), status)
}

// gone waits until the caller has given up.
func gone(ctx context.Context) {
	t := time.NewTimer(time.Minute)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// cut sends the first half of an answer's bytes and closes the connection.
func cut(w http.ResponseWriter, answer *http.Response) {
	whole, err := httputil.DumpResponse(answer, true)
	if err != nil {
		panic(err)
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(whole[:len(whole)/2]) // as above
	_ = conn.Close()
}
