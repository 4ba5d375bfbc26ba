package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/erasure"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkPatch is what this package costs for one PATCH: the committer answers at once.
func BenchmarkPatch(b *testing.B) {
	w := benchWorld(b)
	body := `{"jobTitle":"Designer","summary":"Builder.","city":"Rennes","country":"France","headline":"Hello"}`
	req, err := http.NewRequest("PATCH", "/v1/profile", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.text)
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		req.Body = io.NopCloser(strings.NewReader(body))
		w.srv.Handler().ServeHTTP(&discard{h: http.Header{}}, req)
	}
}

type benchmark struct {
	srv  *Server
	text string
}

func benchWorld(b *testing.B) benchmark {
	b.Helper()
	w := &world{idems: keys.NewMemory(), sinks: &fakeSinks{}, clock: &clock{}}
	w.submit = func(_ context.Context, r ledger.Request) (ledger.Reply, error) {
		w.submitted = nil
		return ledger.Reply{Seq: 7, Changed: true, Fields: []string{"jobTitle", "summary", "city", "country", "headline"}}, nil
	}
	seal := plainSealer{}
	var err error
	if w.keys, err = keys.Open(b.Context(), keys.NewMemory(), seal, keys.Options{Admin: adminText}); err != nil {
		b.Fatal(err)
	}
	_, text, err := w.keys.Create(b.Context(), keys.New{Profile: ledger.NewProfileID(w.clock.Now()), Scopes: keys.ProfileWrite})
	if err != nil {
		b.Fatal(err)
	}
	srv, err := New(b.Context(), Deps{Core: w, History: w, Vault: w.vault, Keys: w.keys, Sinks: w.sinks, Journal: &fakeJournal{}, Idems: w.idems, Erasures: erasure.New(erasure.Config{}),
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil))}, Config{WritePerMinute: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	return benchmark{srv, text}
}

type plainSealer struct{}

func (plainSealer) SealSystem(_, _ string, plain []byte) ([]byte, error)  { return plain, nil }
func (plainSealer) OpenSystem(_, _ string, sealed []byte) ([]byte, error) { return sealed, nil }
func (plainSealer) SealOwn(_ ledger.ProfileID, _, _ string, plain []byte) ([]byte, error) {
	return plain, nil
}
func (plainSealer) OpenOwn(_ ledger.ProfileID, _, _ string, sealed []byte) ([]byte, error) {
	return sealed, nil
}
