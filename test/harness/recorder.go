package harness

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Seen is one call that passed a Recorder.
type Seen struct {
	Method, Path  string
	Authorization string
	Body          []byte
	Status        int // of the provider's answer; 0 when the call did not reach it
}

// Trouble is what happens to one call on its way.
type Trouble struct {
	Before time.Duration // it takes so long to arrive
	After  time.Duration // and its answer so long to come back
	Cut    bool          // the answer never comes
}

// Recorder stands between a server and a provider and keeps every call, in the order in which they were answered.
type Recorder struct {
	// URL is what the server is given as base URL.
	URL string
	// Trouble, when set, is asked about every call. Set it before there are any.
	Trouble func() Trouble

	mu   sync.Mutex
	seen []Seen
}

// NewRecorder passes calls on to the provider at base.
func NewRecorder(t testing.TB, base string) *Recorder {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		// A caller that was killed is what these tests are about.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	rec := &Recorder{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller is gone: nothing reached the provider
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		seen := Seen{Method: r.Method, Path: r.URL.Path, Authorization: r.Header.Get("Authorization"), Body: body}
		defer func() { // also when no answer is given
			rec.mu.Lock()
			defer rec.mu.Unlock()
			rec.seen = append(rec.seen, seen)
		}()
		var trouble Trouble
		if rec.Trouble != nil {
			trouble = rec.Trouble()
		}
		if !stall(r.Context(), trouble.Before) {
			return // the caller went before the call had arrived
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		seen.Status = answer.Code
		if !stall(r.Context(), trouble.After) || trouble.Cut {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		// A caller that is gone is what these tests are about.
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(func() {
		srv.Close()
		transport.CloseIdleConnections()
	})
	rec.URL = srv.URL
	return rec
}

// stall waits; false when ctx ended first.
func stall(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Calls are the calls so far.
func (r *Recorder) Calls() []Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Seen(nil), r.seen...)
}

// Writes are the calls so far that were to change something.
func (r *Recorder) Writes() []Seen {
	var out []Seen
	for _, s := range r.Calls() {
		if s.Method != http.MethodGet {
			out = append(out, s)
		}
	}
	return out
}
