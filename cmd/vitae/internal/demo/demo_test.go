package demo

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/cmd/vitae/internal/client"
	"vitae/commands"
	"vitae/ledger"
)

// server is a stand-in for the API that knows one demo.
type server struct {
	calls []string
	key   string // the demo's key, "" until it is made
	fail  string // a path that answers 500
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+bearer)
	reply := "{}"
	switch {
	case r.URL.Path == s.fail:
		w.WriteHeader(http.StatusInternalServerError)
	case r.URL.Path == "/v1/profile" && bearer != s.key:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/v1/profiles":
		w.WriteHeader(http.StatusCreated)
		reply = `{"data":{"id":"P1"}}`
	case r.URL.Path == "/v1/keys":
		s.key = "vt_live_demo"
		w.WriteHeader(http.StatusCreated)
		reply = `{"data":{"id":"K1","key":"vt_live_demo"}}`
	}
	_, _ = io.WriteString(w, reply) // the client notices a short answer
}

func TestEnsure(t *testing.T) {
	s := &server{}
	h := httptest.NewServer(s)
	defer h.Close()
	admin, err := client.New(client.Options{Server: h.URL, Key: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Data: t.TempDir(), Sandbox: true, SandboxURL: "http://127.0.0.1:8090"}
	ensure := func(wantNews string, wantCalls ...string) {
		t.Helper()
		var out bytes.Buffer
		s.calls = nil
		if err := Ensure(t.Context(), admin, o, &out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantCalls, s.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		for _, want := range []string{
			wantNews, "Console: " + h.URL + "/\n", "API key: vt_live_demo ",
			"curl -X PATCH " + h.URL + "/v1/profile -H 'Authorization: Bearer vt_live_demo'",
			"curl 'http://127.0.0.1:8090/mokaru/v1/profile' -H 'Authorization: Bearer mk_", "curl 'http://127.0.0.1:8090/linkedin/v2/people/(id:",
			"curl -X PATCH " + h.URL + "/api/v1/users/me/edit ", "curl -X POST '" + h.URL + "/v2/people/(id:", "curl -X PATCH " + h.URL + "/api/public/coworker/profile ",
			"curl -X POST " + h.URL + "/v1/public-api/rest/v2/profiles ",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in:\n%s", want, out.String())
			}
		}
	}

	made := []string{"POST /v1/profiles admin", "PUT /v1/profiles/P1/connections/mokaru admin", "PUT /v1/profiles/P1/connections/postpress admin",
		"PUT /v1/profiles/P1/connections/linkedin admin", "PUT /v1/profiles/P1/connections/nexudus admin", "PUT /v1/profiles/P1/connections/jarvi admin", "POST /v1/keys admin"}
	ensure("A demo profile was made.", made...)
	file := filepath.Join(o.Data, "demo.key")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.key: %v, %v; want mode 0600", info, err)
	}
	ensure("The demo profile is as you left it.", "GET /v1/profile vt_live_demo")

	s.key = "another server's"
	ensure("A demo profile was made.", slices.Concat([]string{"GET /v1/profile vt_live_demo"}, made)...)
}

// TestEnsureFails: nothing is kept of a demo that was not made to its end.
func TestEnsureFails(t *testing.T) {
	for _, fail := range []string{"/v1/profiles", "/v1/profiles/P1/connections/mokaru", "/v1/profiles/P1/connections/linkedin", "/v1/keys"} {
		s := &server{fail: fail}
		h := httptest.NewServer(s)
		defer h.Close()
		admin, err := client.New(client.Options{Server: h.URL, Key: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Data: t.TempDir(), Sandbox: true}
		if err := Ensure(t.Context(), admin, o, io.Discard); err == nil {
			t.Errorf("%s fails, and Ensure does not", fail)
		}
		left, err := os.ReadDir(o.Data)
		if err != nil || len(left) != 0 {
			t.Errorf("%s fails, and this is left: %v, %v", fail, left, err)
		}
	}
}

// TestValues: what the demo writes is what the server takes.
func TestValues(t *testing.T) {
	if !json.Valid([]byte(values)) {
		t.Fatal("not JSON")
	}
	if _, err := commands.Create(ledger.ProfileID{1}, []byte(values)); err != nil {
		t.Error(err)
	}
}
