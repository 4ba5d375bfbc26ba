package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// slowly is a body that says when so much of it was read as is read without room, and
// whether any was read after that.
type slowly struct {
	body  *strings.Reader
	read  int
	first chan struct{}
	rest  atomic.Bool
}

func (s *slowly) Read(b []byte) (int, error) {
	if s.read >= maxBody {
		s.rest.Store(true)
	}
	n, err := s.body.Read(b[:min(len(b), max(maxBody-s.read, 1))])
	if s.read += n; s.read == maxBody {
		close(s.first)
	}
	return n, err
}

// TestLargeFormsWait: a form with a file is read to the end only when there is room for
// it, and gives the room back however it ends; small forms need none.
func TestLargeFormsWait(t *testing.T) {
	w, _, key := ppWorld(t, Config{})
	large := ppForm(t, key, ppTo("picture=@"+strings.Repeat("x", 2<<20))...)
	ask := func(ctx context.Context, body io.Reader) (*httptest.ResponseRecorder, chan struct{}) {
		r := httptest.NewRequestWithContext(ctx, "PATCH", "/api/v1/users/me/edit", body)
		r.Header.Set("Content-Type", large.typ)
		r.Header.Set("X-API-KEY", key)
		rec, end := httptest.NewRecorder(), make(chan struct{})
		go func() { defer close(end); w.srv.Handler().ServeHTTP(rec, r) }()
		return rec, end
	}
	fresh := func() *slowly { return &slowly{body: strings.NewReader(large.body), first: make(chan struct{})} }
	for range mostLargeForms {
		w.srv.forms <- struct{}{}
	}
	w.must(200, ppForm(t, key, ppTo("headline=small")...)) // it goes past those that wait

	ctx, cancel := context.WithCancel(t.Context())
	waits := fresh()
	rec, end := ask(ctx, waits)
	<-waits.first
	cancel()
	<-end
	if rec.Code != http.StatusServiceUnavailable || waits.rest.Load() {
		t.Errorf("%d %s; more was read: %v", rec.Code, rec.Body, waits.rest.Load())
	}

	waits = fresh()
	rec, end = ask(t.Context(), waits)
	<-waits.first
	<-w.srv.forms // one is done
	<-end
	if rec.Code != http.StatusOK || !waits.rest.Load() {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	for _, bad := range []string{large.body[:len(large.body)-9], large.body + "x", strings.Repeat("x", 22<<20)} {
		rec, end = ask(t.Context(), strings.NewReader(bad))
		if <-end; rec.Code < 400 || rec.Code >= 500 {
			t.Errorf("%d bytes: %d %s", len(bad), rec.Code, rec.Body)
		}
	}
	if n := len(w.srv.forms); n != mostLargeForms-1 {
		t.Errorf("%d are held, want %d", n, mostLargeForms-1)
	}
}
