package sinks_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitae/sinks"
)

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPatch, url, strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "one")
	return req
}

// TestExchangeNeverRepeats has a server that reads a whole request and then closes a
// connection that was good before: what the transport would like to repeat, it must not.
func TestExchangeNeverRepeats(t *testing.T) {
	var seen atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whatever it was
		if seen.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	client := sinks.NewClient()
	defer client.CloseIdleConnections()
	if a := sinks.Exchange(context.Background(), client, request(t, srv.URL)); a.Status != 200 || a.Sent != sinks.SentYes || a.Err != nil {
		t.Fatalf("%+v", a)
	}
	if a := sinks.Exchange(context.Background(), client, request(t, srv.URL)); a.Status != 0 || a.Sent != sinks.SentUnknown || a.Err == nil {
		t.Errorf("%+v", a)
	}
	if n := seen.Load(); n != 2 {
		t.Errorf("the server saw %d requests of two", n)
	}
}

func TestExchangeTellsWhatNeverLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	client := sinks.NewClient()
	a := sinks.Exchange(context.Background(), client, request(t, url))
	if a.Sent != sinks.SentNo || a.Err == nil || strings.Contains(a.Err.Error(), url) {
		t.Errorf("refused: %+v", a)
	}

	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whatever it was
		<-hang
	}))
	defer srv.Close()
	defer close(hang)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if a := sinks.Exchange(ctx, client, request(t, srv.URL)); a.Sent != sinks.SentUnknown || a.Status != 0 {
		t.Errorf("timed out: %+v", a)
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	client := sinks.NewClient()
	defer client.CloseIdleConnections()
	if a := sinks.Exchange(context.Background(), client, request(t, srv.URL)); a.Status != http.StatusTemporaryRedirect {
		t.Errorf("%+v", a)
	}
}

func TestBaseURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://api.mokaru.ai": true, "https://host/base": true, "http://127.0.0.1:8090/mokaru": true, "http://[::1]:1": true, "http://localhost:1": true,
		"http://api.mokaru.ai": false, "http://10.0.0.1": false, "http://localhost.example.com": false, "ftp://host": false, "https://": false, "": false,
		"https://user:secret@host": false, "https://host?x=1": false, "//host": false,
	} {
		if err := sinks.CheckBaseURL(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}
