package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve starts a server for the test and gives a client of it that does not dawdle.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Options{Server: s.URL + "/", Key: "k", Profile: "P", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCall(t *testing.T) {
	var got *http.Request
	var sent string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, sent = r, string(b)
		io.WriteString(w, `{"seq":7}`)
	})
	var out struct{ Seq int }
	_, err := c.Do(t.Context(), Call{
		Method: "PATCH", Path: "/v1/profile", Body: []byte(`{"a":1}`), DryRun: true,
		Header: http.Header{"If-Match": {`"6"`}}, Query: map[string][]string{"x": {"y z"}},
	}, &out)
	if err != nil || out.Seq != 7 || sent != `{"a":1}` {
		t.Fatalf("%v, seq %d, sent %q", err, out.Seq, sent)
	}
	if got.URL.String() != "/v1/profile?dryRun=true&x=y+z" {
		t.Errorf("URL %s", got.URL)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer k", "X-Vitae-Profile": "P", "If-Match": `"6"`, "Content-Type": "application/json",
		"Accept": "application/problem+json, application/json",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if len(got.Header.Get("Idempotency-Key")) != 26 {
		t.Errorf("Idempotency-Key %q", got.Header.Get("Idempotency-Key"))
	}
}

// TestLostAnswer: the server did the work and its answer never came.
func TestLostAnswer(t *testing.T) {
	var keys []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		switch len(keys) {
		case 1:
			panic(http.ErrAbortHandler) // the connection breaks
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusConflict) // the first one is still running
		default:
			w.Header().Set("Idempotency-Replayed", "true")
			io.WriteString(w, `{}`)
		}
	})
	if _, err := c.Do(t.Context(), Call{Method: "POST", Path: "/"}, nil); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 4 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] || keys[2] != keys[3] {
		t.Errorf("keys %q; want the same four times", keys)
	}
}

func TestLostAnswerOfDelete(t *testing.T) {
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	if _, err := c.Do(t.Context(), Call{Method: "DELETE", Path: "/"}, nil); err != nil {
		t.Errorf("deleted by the first attempt, yet: %v", err)
	}
	var e *Error
	if _, err := c.Do(t.Context(), Call{Method: "DELETE", Path: "/"}, nil); !errors.As(err, &e) || e.Status != 404 {
		t.Errorf("nothing to delete: %v", err)
	}
}

func TestNotRepeated(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 410, 412, 422, 429, 500} {
		var n int
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n++
			w.WriteHeader(status)
		})
		var e *Error
		if _, err := c.Do(t.Context(), Call{Method: "PATCH", Path: "/"}, nil); !errors.As(err, &e) || e.Status != status || n != 1 {
			t.Errorf("status %d: %v after %d calls", status, err, n)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		header     map[string]string
		status     int
		want       Error
		text       string
	}{
		{
			"problem", `{"type":"x","title":"Refused","status":400,"detail":"2 fields are wrong","errors":[
				{"pointer":"/phone","code":"too_long","message":"at most 50 characters"},{"pointer":"/x","code":"unknown_field","message":"no such field"}]}`,
			map[string]string{"X-Request-Id": "R1", "Content-Type": "application/problem+json"}, 400,
			Error{Status: 400, Title: "Refused", Detail: "2 fields are wrong", RequestID: "R1", Fields: []FieldError{
				{"/phone", "too_long", "at most 50 characters"}, {"/x", "unknown_field", "no such field"},
			}},
			"Refused: 2 fields are wrong\n  /phone: at most 50 characters\n  /x: no such field\n  (HTTP 400, request R1)",
		},
		{
			"mokaru", `{"error":"Validation failed","details":[{"field":"phone","message":"too long"}],"code":"VALIDATION_ERROR"}`, nil, 400,
			Error{Status: 400, Title: "Validation failed", Code: "VALIDATION_ERROR", Fields: []FieldError{{Pointer: "phone", Message: "too long"}}},
			"Validation failed\n  phone: too long (HTTP 400)",
		},
		{
			"mokaru, a sentence", `{"error":"Unauthorized","details":"The key is unknown"}`, nil, 401,
			Error{Status: 401, Title: "Unauthorized", Detail: "The key is unknown"}, "Unauthorized: The key is unknown (HTTP 401)",
		},
		{
			"throttled", `{"title":"Too many requests"}`, map[string]string{"Retry-After": "7"}, 429,
			Error{Status: 429, Title: "Too many requests", RetryAfter: 7 * time.Second},
			"Too many requests\n  try again in 7s (HTTP 429)",
		},
		{"page", `<html>`, nil, 500, Error{Status: 500, Title: "Internal Server Error"}, "Internal Server Error (HTTP 500)"},
		{"redirect", ``, map[string]string{"Location": "http://elsewhere.example"}, 302, Error{Status: 302, Title: "Found"}, "Found (HTTP 302)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			_, err := c.Do(t.Context(), Call{Method: "GET", Path: "/"}, nil)
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Error(diff)
			}
			if got.Error() != tt.text {
				t.Errorf("text:\n%s\nwant:\n%s", got, tt.text)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Server: "http://" + address, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var lost *Unreachable
	if _, err := c.Do(t.Context(), Call{Method: "PATCH", Path: "/?secret=1"}, nil); !errors.As(err, &lost) || lost.Sent || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	c = serve(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Do(ctx, Call{Method: "GET", Path: "/"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestWaitReady(t *testing.T) {
	var n int
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if err := c.WaitReady(t.Context()); err != nil || n != 3 {
		t.Errorf("%v after %d calls", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.WaitReady(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []Options{
		{Server: ""}, {Server: "127.0.0.1:8080"}, {Server: "ftp://x"}, {Server: "http://"}, {Server: "http://u@x"}, {Server: "http://x?y"},
		{Server: "http://x", Key: "two words"}, {Server: "http://x", Key: "ligne\n"},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
