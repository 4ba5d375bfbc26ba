package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// stand is a second provider, with an envelope, a limit and answers of its own.
func stand() *provider {
	p := &provider{name: "stand", bodyLimit: 8}
	p.identify = func(h http.Header) (string, bool) { return h.Get("X-Digest"), digest.MatchString(h.Get("X-Digest")) }
	p.refusal = func(status int, text string) reply {
		return reply{status: status, header: http.Header{"X-Refused": {"yes"}}, body: map[string]any{"message": text}}
	}
	p.methods = func(path string) []string {
		if strings.HasPrefix(path, "/thing/") {
			return []string{"GET", "POST"}
		}
		return nil
	}
	p.admit = func(a *account, h http.Header, _ time.Time) (reply, bool) {
		if a == nil {
			return p.refusal(401, "who"), false
		}
		n, _ := a.limit.(int)
		a.limit = n + 1
		h.Set("X-Count", fmt.Sprint(n+1))
		return p.refusal(429, "enough"), n < 4
	}
	p.serve = func(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
		if r.Method == "GET" {
			return reply{status: 200, body: s.view(a)}
		}
		if refused, ok := p.refuseBody(readErr); !ok {
			return refused
		}
		v, _, err := parseStrict(body)
		if err != nil {
			return p.refusal(400, "json")
		}
		changed, err := s.patch(a, map[string]any{"thing": plain(v)})
		if err != nil {
			return s.unmade(a, err)
		}
		return reply{status: 201, header: http.Header{"X-Made": {"1"}}, changed: changed}
	}
	p.kept = func(name string, v any) bool { return name == "thing" }
	p.logPath = func(path string) string { return strings.TrimSuffix(path, "secret") }
	return p
}

func TestAnotherProvider(t *testing.T) {
	defer func(was []func(Options) *provider) { makers = was }(makers)
	makers = append(slices.Clone(makers), func(Options) *provider { return stand() })
	m := &memory{}
	g := start(t, Options{Store: m, PerMinute: 1})
	one := strings.Repeat("1", 64)
	call := func(g *rig, method, path, body, digest string) answer {
		t.Helper()
		return g.do(method, "/stand"+path, body, "X-Digest", digest)
	}
	for _, c := range []struct {
		method, path, body, digest string
		want                       int
	}{
		{"GET", "/thing/secret", "", "x", 401}, {"GET", "/other", "", one, 404}, {"PUT", "/thing/1", "", one, 405},
		{"POST", "/thing/1", "123456789", one, 413}, {"POST", "/thing/1", `{"a":1}`, one, 201}, {"GET", "/thing/1", "", one, 429},
	} {
		a := call(g, c.method, c.path, c.body, c.digest)
		if a.status != c.want || (a.header.Get("X-Refused") == "yes") != (c.want >= 400) || strings.Contains(a.body, `"message"`) != (c.want >= 400) {
			t.Errorf("%+v: %d %v %s", c, a.status, a.header, a.body)
		}
		if c.want == 201 && (a.body != "" || a.header.Get("X-Made") != "1" || a.header.Get("X-Count") != "4" || a.header.Get("Content-Type") != "") {
			t.Errorf("%v %q", a.header, a.body)
		}
	}
	if r := g.requests(); r[0].Path != "/stand/thing/" || r[1].Account != "11111111" || r[4].Provider != "stand" || !r[4].Changed {
		t.Errorf("%+v", r)
	}
	if a := g.get(1); a.status != 200 {
		t.Errorf("the accounts of another provider share a limit: %d", a.status)
	}

	again := start(t, Options{Store: m})
	before := call(again, "GET", "/thing/1", "", one).body
	if before != `{"thing":{"a":1}}`+"\n" {
		t.Errorf("replayed as %s", before)
	}
	again.control("POST", "/stand/lag", `{"delay":"1m"}`)
	again.control("POST", "/faults", `{"provider":"stand","kind":"status","status":503,"path":"/thing"}`)
	if a := call(again, "POST", "/thing/1", `2`, one); a.status != 503 || a.body != `{"message":"Service Unavailable"}`+"\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := call(again, "POST", "/thing/1", `{"a":1}`, one); a.status != 201 || again.requests()[2].Changed {
		t.Error("the same again is a change after a replay")
	}
	call(again, "POST", "/thing/1", `2`, one)
	var shown Account
	again.decode(again.do("GET", "/_sandbox/stand/account", "", "X-Digest", one), &shown)
	if shown.Provider != "stand" || shown.Patches != 3 || shown.Profile["thing"] != 2.0 {
		t.Errorf("%+v", shown)
	}
	again.updated(1, `{"firstName":"A"}`)
	if got := again.profile(1)["firstName"]; got != "A" {
		t.Errorf("the lag of one provider is another's: %v", got)
	}
	again.control("POST", "/stand/revoke", `{"account":"11111111"}`)
	if a := call(again, "GET", "/thing/1", "", one); a.status != 401 {
		t.Errorf("revoked: %d", a.status)
	}
	if a := again.do("GET", "/_sandbox/nobody/account", "", "X-Digest", one); a.status != 404 {
		t.Errorf("a provider that is not there: %d", a.status)
	}
}
