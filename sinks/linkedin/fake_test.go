package linkedin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"vitae/sinks"
)

// wire is a network that keeps what was sent and answers as told.
type wire struct {
	answer func(r *http.Request, body string) *http.Response
	sent   []*http.Request
	bodies []string
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	b := []byte{}
	if r.Body != nil {
		b, _ = io.ReadAll(r.Body) // of a test's own body
	}
	w.sent, w.bodies = append(w.sent, r), append(w.bodies, string(b))
	if w.answer == nil {
		return nil, errors.New("connection refused")
	}
	return w.answer(r, string(b)), nil
}

func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// always answers every request alike.
func always(status int, body string, headers ...string) *wire {
	return &wire{answer: func(*http.Request, string) *http.Response { return reply(status, body, headers...) }}
}

const testBase = "http://127.0.0.1:8090/linkedin"

func client(t testing.TB, w *wire) *Provider {
	t.Helper()
	p, err := New(testBase, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// call is a call of an entity with what every call has.
func call(entity string, verb sinks.Verb) sinks.Call {
	return sinks.Call{Entity: entity, Verb: verb, Account: person, Credential: []byte("AQX-token\n"), Attempt: sinks.ID{1},
		File: func(_ context.Context, reference string) (sinks.File, error) {
			return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader([]byte("PNG " + reference))), Size: int64(len("PNG ") + len(reference)), MediaType: "image/png"}, nil
		}}
}

// only is the one request that was made.
func (w *wire) only(t testing.TB) (*http.Request, string) {
	t.Helper()
	if len(w.sent) != 1 {
		t.Fatalf("%d requests, want one", len(w.sent))
	}
	return w.sent[0], w.bodies[0]
}
