package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a Store that outlives the servers of a test.
type memory struct {
	mu      sync.Mutex
	records [][]byte
	fail    bool
}

func (m *memory) Append(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errors.New("the disk is full")
	}
	m.records = append(m.records, bytes.Clone(b))
	return nil
}

func (m *memory) Load() iter.Seq2[[]byte, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	records := slices.Clone(m.records)
	return func(yield func([]byte, error) bool) {
		for _, b := range records {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

// clock is a time that only moves when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a server on a port of this machine.
type rig struct {
	*testing.T
	s   *Server
	url string
}

func start(t *testing.T, o Options) *rig {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return &rig{t, s, srv.URL}
}

// key is the n-th key of the tests.
func key(n int) string { return fmt.Sprintf("mk_%064x", n) }

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// try makes a request; header is pairs of name and value.
func (g *rig) try(method, path, body string, header ...string) (answer, error) {
	g.Helper()
	req, err := http.NewRequestWithContext(g.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

func (g *rig) do(method, path, body string, header ...string) answer {
	g.Helper()
	a, err := g.try(method, path, body, header...)
	if err != nil {
		g.Fatal(err)
	}
	return a
}

func (g *rig) patch(n int, body string) answer {
	g.Helper()
	return g.do("PATCH", "/mokaru/v1/profile", body, "Authorization", "Bearer "+key(n), "Content-Type", "application/json")
}

func (g *rig) get(n int) answer {
	g.Helper()
	return g.do("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(n))
}

// profile is what the provider gives back.
func (g *rig) profile(n int) map[string]any {
	g.Helper()
	var v struct{ Data map[string]any }
	g.decode(g.get(n), &v)
	return v.Data
}

// decode reads an answer that has to be a 200.
func (g *rig) decode(a answer, into any) {
	g.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		g.Fatalf("%d %s: %s", a.status, a.header, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		g.Fatal(err)
	}
}

// updated requires a PATCH to be accepted, and gives what it says.
func (g *rig) updated(n int, body string) bool {
	g.Helper()
	var v struct{ Success, Updated bool }
	g.decode(g.patch(n, body), &v)
	if !v.Success {
		g.Fatal("accepted without success")
	}
	return v.Updated
}

// wrong gives the fields that a 400 names, in its order.
func (g *rig) wrong(a answer) []string {
	g.Helper()
	var v struct {
		Error   string
		Details []detail
	}
	if a.status != http.StatusBadRequest {
		g.Fatalf("%d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Error != "Validation failed" {
		g.Fatalf("%v %s", err, a.body)
	}
	fields := []string{}
	for _, d := range v.Details {
		if d.Message == "" {
			g.Errorf("%s without a message", d.Field)
		}
		fields = append(fields, d.Field)
	}
	return fields
}

// account is what the control surface says of a key.
func (g *rig) account(n int) Account {
	g.Helper()
	var v Account
	g.decode(g.do("GET", "/_sandbox/mokaru/account", "", "Authorization", "Bearer "+key(n)), &v)
	return v
}

func (g *rig) requests() []Request {
	g.Helper()
	var v []Request
	g.decode(g.do("GET", "/_sandbox/requests", ""), &v)
	return v
}

// control makes a request to the control surface that has to be accepted.
func (g *rig) control(method, path, body string) {
	g.Helper()
	if a := g.do(method, "/_sandbox"+path, body); a.status != http.StatusOK {
		g.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
