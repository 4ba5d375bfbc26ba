package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/ledger/proof"
)

// fakeLog is a log that answers as a test says; what it does not name is not asked here.
type fakeLog struct {
	TransparencyLog
	err    error
	tile   proof.Tile
	health proof.Health
}

func (f fakeLog) Key() string { return "vitae/x+00000000+AAAA" }
func (f fakeLog) Checkpoint(context.Context) (proof.Checkpoint, error) {
	return proof.Checkpoint{Note: []byte("vitae/x\n1\nAAAA\n\n— vitae/x AAAA\n")}, f.err
}
func (f fakeLog) Inclusion(_ context.Context, seq ledger.Seq) (proof.Inclusion, error) {
	return proof.Inclusion{Seq: seq, LeafIndex: uint64(seq) - 1, TreeSize: 9, Hashes: []ledger.Hash{}, Checkpoint: "note"}, f.err
}
func (f fakeLog) Consistency(_ context.Context, from, to uint64) (proof.Consistency, error) {
	return proof.Consistency{From: from, To: to, Hashes: []ledger.Hash{{1}}}, f.err
}
func (f fakeLog) Tile(string) (proof.Tile, error) { return f.tile, f.err }
func (f fakeLog) Cosign(context.Context, []byte) (proof.Checkpoint, error) {
	return proof.Checkpoint{Size: 12, Note: []byte("cosigned")}, f.err
}
func (f fakeLog) Health(context.Context) (proof.Health, error) { return f.health, nil }

// open asks without a key.
func (w *world) open(method, path, body string) *http.Response {
	r, rec := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
	w.srv.Handler().ServeHTTP(rec, r)
	return rec.Result()
}

func TestLogRoutes(t *testing.T) {
	w := newWorld(t, Config{})
	w.person(`{"firstName":"Jane"}`)
	fork := fmt.Errorf("%w: %w", ledger.ErrUnavailable, &proof.ForkError{SignedSize: 9, Size: 3})
	long := strings.Repeat("x", maxNote+1)
	for _, c := range []struct {
		name, method, path, body string
		log                      fakeLog
		status                   int
		contentType, cache, code string
	}{
		{"checkpoint", "GET", "/log/checkpoint", "", fakeLog{}, 200, "text/plain; charset=utf-8", "no-cache", ""},
		{"no checkpoint yet", "GET", "/log/checkpoint", "", fakeLog{err: ledger.ErrUnavailable}, 503, "application/problem+json", "no-store", "unavailable"},
		{"key", "GET", "/log/key", "", fakeLog{}, 200, "text/plain; charset=utf-8", "public, max-age=60", ""},
		{"full tile", "GET", "/log/tile/0/000", "", fakeLog{tile: proof.Tile{Full: true}}, 200, "application/octet-stream", "public, max-age=31536000, immutable", ""},
		{"partial tile", "HEAD", "/log/tile/0/000.p/3", "", fakeLog{tile: proof.Tile{Data: []byte("abc")}}, 200, "application/octet-stream", "public, max-age=60", ""},
		{"no tile", "GET", "/log/tile/0/001", "", fakeLog{err: ledger.ErrNotFound}, 404, "application/problem+json", "no-store", "not_found"},
		{"damaged tile", "GET", "/log/tile/0/001", "", fakeLog{err: proof.ErrDamaged}, 500, "application/problem+json", "no-store", "ledger_broken"},
		{"proof", "GET", "/v1/log/proof?seq=1", "", fakeLog{}, 200, "application/json", "no-cache", ""},
		{"proof of 0", "GET", "/v1/log/proof?seq=0", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof of nothing", "GET", "/v1/log/proof", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof of a word", "GET", "/v1/log/proof?seq=one", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof of +1", "GET", "/v1/log/proof?seq=%2B1", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof of two", "GET", "/v1/log/proof?seq=1&seq=1", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof beyond the head", "GET", "/v1/log/proof?seq=9", "", fakeLog{}, 400, "application/problem+json", "no-store", "beyond_head"},
		{"proof of too much", "GET", "/v1/log/proof?seq=18446744073709551616", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"proof too early", "GET", "/v1/log/proof?seq=1", "", fakeLog{err: ledger.ErrUnavailable}, 503, "application/problem+json", "no-store", "unavailable"},
		{"proof of a fork", "GET", "/v1/log/proof?seq=1", "", fakeLog{err: fork}, 503, "application/problem+json", "no-store", "log_stopped"},
		{"consistency", "GET", "/v1/log/consistency?from=0&to=1", "", fakeLog{}, 200, "application/json", "no-cache", ""},
		{"backwards", "GET", "/v1/log/consistency?from=1&to=0", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"half of it", "GET", "/v1/log/consistency?from=1", "", fakeLog{}, 400, "application/problem+json", "no-store", "invalid_query"},
		{"consistency beyond", "GET", "/v1/log/consistency?from=1&to=5", "", fakeLog{}, 400, "application/problem+json", "no-store", "beyond_head"},
		{"cosignature", "POST", "/log/cosignature", "note", fakeLog{}, 200, "text/plain; charset=utf-8", "no-cache", ""},
		{"old cosignature", "POST", "/log/cosignature", "note", fakeLog{err: proof.ErrNotCurrent}, 409, "text/x.tlog.size", "no-cache", ""},
		{"bad cosignature", "POST", "/log/cosignature", "note", fakeLog{err: proof.ErrCosignature}, 400, "application/problem+json", "no-store", "cosignature_invalid"},
		{"long cosignature", "POST", "/log/cosignature", long, fakeLog{}, 413, "application/problem+json", "no-store", "content_too_large"},
		{"changing a tile", "PUT", "/log/tile/0/000", "x", fakeLog{}, 405, "application/problem+json", "no-store", "method_not_allowed"},
	} {
		w.srv.Transparency = c.log
		r := w.open(c.method, c.path, c.body)
		var p problemBody
		if c.code != "" {
			if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.contentType || r.Header.Get("Cache-Control") != c.cache || p.Code != c.code {
			t.Errorf("%s: %d %q, cached %q, code %q", c.name, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), p.Code)
		}
		if r.StatusCode == 503 && c.code == "unavailable" && r.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After is %q", c.name, r.Header.Get("Retry-After"))
		}
	}
}

// A log that signs nothing makes the instance unready, and says why.
func TestLogHealth(t *testing.T) {
	w := newWorld(t, Config{})
	w.srv.Transparency = fakeLog{health: proof.Health{Running: true}}
	if r := w.open("GET", "/readyz", ""); r.StatusCode != 200 {
		t.Errorf("a sound log: %d", r.StatusCode)
	}
	w.srv.Transparency = fakeLog{health: proof.Health{Running: true, Err: &proof.ForkError{SignedSize: 9, Size: 3}}}
	for path, want := range map[string]int{"/readyz": 503, "/readyz?exclude=log": 200} {
		if r := w.open("GET", path, ""); r.StatusCode != want {
			t.Errorf("a forked log, %s: %d", path, r.StatusCode)
		}
	}
}
