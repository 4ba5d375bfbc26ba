package sinktest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"time"
)

// Fate is what the network and the provider do to one request.
type Fate string

// The fates.
const (
	OK          Fate = "ok"
	RefusedDial Fate = "refused"            // nothing leaves
	LostBefore  Fate = "lost-before"        // it leaves and never arrives
	LostAfter   Fate = "lost-after"         // it takes effect, the answer is lost
	SlowThenOK  Fate = "slow-then-ok"       // the answer takes a while
	LateLanding Fate = "late-landing"       // it takes effect when the caller has given up
	Garbage     Fate = "200-with-garbage"   // it does not take effect, and the answer is another's
	ErrorAfter  Fate = "500-after-effect"   //
	Throttle    Fate = "429"                // no effect
	ResetMid    Fate = "reset-mid-response" // it takes effect, the answer breaks off
)

// Fates lists them all.
func Fates() []Fate {
	return []Fate{OK, RefusedDial, LostBefore, LostAfter, SlowThenOK, LateLanding, Garbage, ErrorAfter, Throttle, ResetMid}
}

// Network carries requests to a handler, without sockets. It implements sinks.Doer.
type Network struct {
	Handler http.Handler
	// Fate decides about each request that leaves; nil is OK for all.
	Fate func(*http.Request) Fate
	// Slow is how long SlowThenOK takes, and Late how long after the caller's deadline
	// a LateLanding lands.
	Slow, Late time.Duration

	mu   sync.Mutex
	dead bool
}

var errDial, errReset = errors.New("connection refused"), errors.New("connection reset by peer")

// Kill cuts the process off: nothing leaves any more, and nothing comes back.
func (n *Network) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = true
}

func (n *Network) isDead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

// Do implements sinks.Doer.
func (n *Network) Do(req *http.Request) (*http.Response, error) {
	fate := OK
	if n.Fate != nil {
		fate = n.Fate(req)
	}
	ctx := req.Context()
	if n.isDead() || fate == RefusedDial || ctx.Err() != nil {
		return nil, errDial
	}
	body := []byte{}
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	if t := httptrace.ContextClientTrace(ctx); t != nil && t.WroteHeaders != nil {
		t.WroteHeaders()
	}
	happen := func() *http.Response {
		r := httptest.NewRequest(req.Method, req.URL.String(), bytes.NewReader(body))
		r.Header = req.Header.Clone()
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		n.Handler.ServeHTTP(w, r)
		return w.Result()
	}
	answer := func(status int, text string, header ...string) *http.Response {
		w := httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.WriteString(text) // a recorder takes everything
		return w.Result()
	}
	switch fate {
	case LostBefore:
		<-ctx.Done()
		return nil, ctx.Err()
	case LostAfter:
		happen()
		<-ctx.Done()
		return nil, ctx.Err()
	case SlowThenOK:
		select {
		case <-time.After(n.Slow):
		case <-ctx.Done():
			happen()
			return nil, ctx.Err()
		}
	case LateLanding:
		<-ctx.Done()
		time.AfterFunc(n.Late, func() { happen() })
		return nil, ctx.Err()
	case Garbage:
		return answer(200, "<html>Please sign in</html>"), nil
	case ErrorAfter:
		happen()
		return answer(500, `{"error":"Internal server error"}`), nil
	case Throttle:
		return answer(429, `{"error":"Rate limit exceeded"}`, "Retry-After", "7"), nil
	case ResetMid:
		res := happen()
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(`{"succ`)), broken{}))
		return res, nil
	}
	res := happen()
	if n.isDead() {
		return nil, errReset
	}
	return res, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errReset }
