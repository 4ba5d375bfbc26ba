package harness

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Seen is one call that passed a Recorder.
type Seen struct {
	Method, Path  string
	Authorization string
	Body          []byte
	Status        int
}

// Recorder stands between a server and a provider and keeps every call, in the order in which they were answered.
type Recorder struct {
	// URL is what the server is given as base URL.
	URL string

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
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { // also when the proxy gives up in the middle of an answer
			rec.mu.Lock()
			defer rec.mu.Unlock()
			rec.seen = append(rec.seen, Seen{r.Method, r.URL.Path, r.Header.Get("Authorization"), body, status.status})
		}()
		proxy.ServeHTTP(status, r)
	}))
	t.Cleanup(func() {
		srv.Close()
		transport.CloseIdleConnections()
	})
	rec.URL = srv.URL
	return rec
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
