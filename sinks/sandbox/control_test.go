package sandbox

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestAccountsAndRequests(t *testing.T) {
	g := start(t, Options{})
	if a := g.account(1); a.State != "unopened" || len(a.Account) != 8 || a.Profile == nil {
		t.Errorf("before the first call: %+v", a)
	}
	name := g.account(1).Account
	g.updated(1, `{"firstName":"A","linkedIn":"a","birthDate":"1990-01-15"}`)
	g.updated(1, `{"firstName":"A"}`)
	g.patch(1, `{"firstName":""}`)
	g.do("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1), "X-Vitae-Attempt", strings.Repeat("7", 300))
	g.do("GET", "/mokaru/v1/profile", "")

	want := Account{Provider: "mokaru", Account: name, Requests: 4, Writes: 1, Patches: 2, State: "active"}
	var list []Account
	if g.decode(g.do("GET", "/_sandbox/accounts", ""), &list); !reflect.DeepEqual(list, []Account{want}) {
		t.Errorf("accounts: %+v", list)
	}
	want.Profile = map[string]any{"firstName": "A", "linkedIn": "https://linkedin.com/in/a", "birthDate": "1990-01-15"}
	var byName Account
	if g.decode(g.do("GET", "/_sandbox/mokaru/accounts/"+name, ""), &byName); !reflect.DeepEqual(byName, want) || !reflect.DeepEqual(g.account(1), want) {
		t.Errorf("one account: %+v, %+v", byName, g.account(1))
	}

	const path = "/mokaru/v1/profile"
	wantLog := []Request{
		{Seq: 1, Provider: "mokaru", Account: name, Method: "PATCH", Path: path, Status: 200, Changed: true},
		{Seq: 2, Provider: "mokaru", Account: name, Method: "PATCH", Path: path, Status: 200},
		{Seq: 3, Provider: "mokaru", Account: name, Method: "PATCH", Path: path, Status: 400},
		{Seq: 4, Provider: "mokaru", Account: name, Method: "GET", Path: path, Status: 200, Attempt: strings.Repeat("7", 200)},
		{Seq: 5, Provider: "mokaru", Method: "GET", Path: path, Status: 401},
	}
	if got := g.requests(); !reflect.DeepEqual(got, wantLog) {
		t.Errorf("requests: %+v", got)
	}
}

func TestControlRefuses(t *testing.T) {
	g := start(t, Options{})
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/mokaru/account", "", 401},
		{"GET", "/mokaru/accounts/00000000", "", 404},
		{"GET", "/nothing", "", 404},
		{"POST", "/accounts", "", 404},
		{"POST", "/mokaru/revoke", `{}`, 400},
		{"POST", "/mokaru/revoke", `{"account":"` + key(1) + `"}`, 400},
		{"POST", "/mokaru/revoke", `{"account":"00000000","x":1}`, 400},
		{"POST", "/mokaru/revoke", `{"account":"00000000"} {}`, 400},
		{"POST", "/faults", `{"provider":"other","kind":"garbage"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"other"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":""}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"status"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"status","status":200}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"status","status":503,"retryAfter":-1}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"status","status":503,"delay":"1s"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","status":503}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"delay"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"slow","delay":"-1s"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"delay","delay":"11m"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","times":-1}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","account":"x"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","method":"post"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","path":"v1/skills"}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"garbage","after":true}`, 400},
		{"POST", "/faults", `{"provider":"mokaru","kind":"reset_mid","status":500}`, 400},
		{"POST", "/faults", `nothing`, 400},
		{"POST", "/other/revoke", `{"account":"00000000"}`, 404},
		{"GET", "/other/accounts/00000000", "", 404},
	} {
		if a := g.do(c.method, "/_sandbox"+c.path, c.body); a.status != c.want || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, a.status, a.body)
		}
	}
	if a := g.do("POST", "/_sandbox/reset", "", "Origin", "http://example.org"); a.status != http.StatusForbidden {
		t.Errorf("a page of another origin: %d", a.status)
	}
}

func TestControlIsForLoopback(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]int{
		"127.0.0.1:1": 200, "127.9.9.9:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200,
		"192.0.2.1:1": 403, "[2001:db8::1]:1": 403, "10.0.0.1:1": 403, "": 403, "@": 403,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/_sandbox/accounts", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		w := httptest.NewRecorder()
		if s.Handler().ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %q: %d", remote, w.Code)
		}
	}
}

func TestRevoke(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	g.updated(1, `{"firstName":"A"}`)
	g.control("POST", "/mokaru/revoke", `{"account":"`+g.account(1).Account+`"}`)
	g.control("POST", "/mokaru/revoke", `{"account":"`+g.account(2).Account+`"}`) // before its first call
	for _, g := range []*rig{g, start(t, Options{Store: m})} {
		for n := 1; n <= 2; n++ {
			if a := g.get(n); a.status != 401 || a.body != `{"error":"Invalid or expired API key"}`+"\n" {
				t.Errorf("key %d: %d %s", n, a.status, a.body)
			}
			if a := g.account(n); a.State != "revoked" {
				t.Errorf("key %d: %+v", n, a)
			}
		}
		if a := g.get(3); a.status != 200 {
			t.Errorf("another key: %d", a.status)
		}
		if a := g.account(1); a.Requests != 2 || a.Writes != 1 || a.Profile["firstName"] != "A" {
			t.Errorf("%+v", a)
		}
		if r := g.requests(); r[len(r)-3].Account != g.account(1).Account {
			t.Errorf("the request of a revoked key is logged as %+v", r)
		}
	}
}

func TestReset(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	g.updated(1, `{"firstName":"A"}`)
	g.control("POST", "/mokaru/revoke", `{"account":"`+g.account(2).Account+`"}`)
	g.control("POST", "/faults", `{"provider":"mokaru","kind":"garbage"}`)
	g.control("POST", "/reset", "")
	for _, g := range []*rig{g, start(t, Options{Store: m})} {
		if got := g.requests(); len(got) != 0 {
			t.Errorf("requests: %+v", got)
		}
		if p := g.profile(1); p["firstName"] != nil {
			t.Errorf("the profile is still there: %v", p)
		}
		if a := g.get(2); a.status != 200 {
			t.Errorf("still revoked: %d", a.status)
		}
		if got := g.requests(); len(got) != 2 || got[0].Seq != 1 {
			t.Errorf("requests: %+v", got)
		}
	}
}

func TestReplay(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	g.updated(1, `{"firstName":"<Ada> & \u2028 😀","phone":"1","summary":"","linkedIn":"ada","projects":[{"name":"n","description":"d","isCurrent":true,"startDate":"2020-01-01"}],"interests":[{"name":"n"}]}`)
	g.updated(2, `{"firstName":"Two"}`)
	g.updated(1, `{"phone":null,"interests":[]}`)
	g.updated(1, `{"phone":null}`)
	g.patch(1, `{"firstName":""}`)
	g.get(1)
	again := start(t, Options{Store: m})
	for n := 1; n <= 2; n++ {
		before, after := g.account(n), again.account(n)
		before.Requests = before.Patches // what left no record is forgotten
		if !reflect.DeepEqual(before, after) {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if g, a := g.profile(n), again.profile(n); !reflect.DeepEqual(g, a) {
			t.Errorf("before %v, after %v", g, a)
		}
	}
	if a := again.account(1); a.Patches != 3 || a.Writes != 2 {
		t.Errorf("%+v", a)
	}
	if again.updated(1, `{"linkedIn":"ada","projects":[{"name":"n","description":"d","isCurrent":true,"startDate":"2020-01-01"}]}`) {
		t.Error("the same again, after the restart, says updated")
	}
	for _, b := range m.records {
		for n := 1; n <= 2; n++ {
			if bytes.Contains(b, []byte(key(n))) {
				t.Errorf("a record has the key: %s", b)
			}
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	patch := func(set string) string {
		return fmt.Sprintf(`{"op":"patch","provider":"mokaru","account":"%064d","set":%s}`, 1, set)
	}
	if _, err := New(Options{Store: &memory{records: [][]byte{[]byte(patch(`{"firstName":"A"}`))}}}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`x`, `{}`, `{"op":"other"}`, `{"op":"patch","provider":"other","account":"` + strings.Repeat("0", 64) + `"}`,
		`{"op":"patch","provider":"mokaru","account":"0"}`, `{"op":"revoke","provider":"mokaru","account":"x"}`,
		patch(`{"nope":"A"}`), patch(`{"firstName":1}`), patch(`{"firstName":[{}]}`), patch(`{"projects":"x"}`), patch(`{"projects":[]}`), patch(`{"projects":["x"]}`)} {
		if _, err := New(Options{Store: &memory{records: [][]byte{[]byte(bad)}}}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestWhatIsNotStoredIsNotApplied(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	g.updated(1, `{"firstName":"A"}`)
	m.mu.Lock()
	m.fail = true
	m.mu.Unlock()
	if a := g.patch(1, `{"firstName":"B"}`); a.status != 500 || strings.Contains(a.body, "disk") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/reset", "/mokaru/revoke"} {
		if a := g.do("POST", "/_sandbox"+path, `{"account":"`+g.account(1).Account+`"}`); a.status != 500 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := g.account(1); a.Profile["firstName"] != "A" || a.Patches != 1 || a.State != "active" {
		t.Errorf("%+v", a)
	}
}

func TestConcurrentPatches(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 20 {
				body := fmt.Sprintf(`{"firstName":"%d","interests":[{"name":"%d"}]}`, n*100+i, n*100+i)
				a, err := g.try("PATCH", "/mokaru/v1/profile", body, "Authorization", "Bearer "+key(n%2), "Content-Type", "application/json")
				if err != nil || a.status != 200 {
					t.Error(a.status, err)
				}
				if a, err := g.try("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(n%2)); err != nil || a.status != 200 {
					t.Error(a.status, err)
				}
				if a, err := g.try("GET", "/_sandbox/accounts", ""); err != nil || a.status != 200 {
					t.Error(a.status, err)
				}
			}
		})
	}
	all.Wait()
	again := start(t, Options{Store: m})
	for n := range 2 {
		a := g.account(n)
		if a.Patches != 80 || a.Writes != 80 || a.Requests != 160 {
			t.Errorf("%+v", a)
		}
		list := a.Profile["interests"].([]any)[0].(map[string]any)
		if list["name"] != a.Profile["firstName"] {
			t.Errorf("two patches are mixed: %v", a.Profile)
		}
		if !reflect.DeepEqual(a.Profile, again.account(n).Profile) {
			t.Errorf("account %d is replayed as %v", n, again.account(n).Profile)
		}
	}
	if got := len(g.requests()); got != 320 || m.len() != 160 {
		t.Errorf("%d requests, %d records", got, m.len())
	}
}

func TestNoKeyAndNoProfileInTheLog(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	g := start(t, Options{Log: slog.New(slog.NewTextHandler(locked{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	g.updated(1, `{"firstName":"Confidential"}`)
	g.patch(1, `{"firstName":"Confidential","Confidential":1}`)
	shown := g.do("GET", "/_sandbox/accounts", "").body + g.do("GET", "/_sandbox/requests", "").body
	g.do("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1))
	mu.Lock()
	defer mu.Unlock()
	if logged := out.String(); !strings.Contains(logged, "status=200") {
		t.Errorf("requests are not logged: %s", logged)
	}
	for _, s := range []string{out.String(), shown} {
		if strings.Contains(s, key(1)) || strings.Contains(s, "mk_") || strings.Contains(s, "Confidential") {
			t.Errorf("a key or a profile is shown: %s", s)
		}
	}
}

// locked is a writer for several goroutines, and a test that reads what was written.
type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestURLs(t *testing.T) {
	g := start(t, Options{})
	for _, origin := range []string{g.url, g.url + "/"} {
		got := g.s.URLs(origin)
		if len(got) != len(makers) {
			t.Errorf("%v", got)
		}
		for _, maker := range makers {
			if name := maker(Options{}).name; got[name] != g.url+"/"+name {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

func TestTheRequestLogIsBounded(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range maxRequests + 1 {
		s.arrived(Request{})
	}
	got := s.logged()
	if len(got) != maxRequests/2+1 || got[len(got)-1].Seq != maxRequests+1 || got[0].Seq != maxRequests/2+1 {
		t.Errorf("%d requests from %d to %d", len(got), got[0].Seq, got[len(got)-1].Seq)
	}
}
