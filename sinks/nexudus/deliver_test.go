package nexudus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/nexudus"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in portal, and the sink between them, without sockets.
type rig struct {
	*testing.T
	w      *sinktest.World
	box    *sandbox.Server
	net    *sinktest.Network
	lanes  *stream.Memory
	cfg    sinks.Config
	m      *sinks.Manager
	stop   func()
	fate   atomic.Pointer[func(*http.Request) sinktest.Fate]
	active string // when set, the portal has this token's profile as the active one

	mu   sync.Mutex
	logs bytes.Buffer
}

// Write takes the log.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logs.Write(p)
}

// Do takes requests to the portal.
func (r *rig) Do(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	active := r.active
	r.mu.Unlock()
	if active != "" && req.Header.Get("Authorization") != "" {
		req.Header.Set("Authorization", "Bearer "+active)
	}
	return r.net.Do(req)
}

func (r *rig) switchTo(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = token
}

// decide is the network's: a test may give it other fates while requests are under way.
func (r *rig) decide(q *http.Request) sinktest.Fate {
	if f := r.fate.Load(); f != nil {
		return (*f)(q)
	}
	return sinktest.OK
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{T: t, w: sinktest.NewWorld(), box: box, lanes: stream.NewMemory(1 << 20), cfg: sinks.Config{RequestsPerMinute: -1, Settle: 30 * time.Second}}
		r.net = &sinktest.Network{Handler: box.Handler(), Slow: time.Second, Late: time.Second, Fate: r.decide}
		f(r)
	})
}

const origin = "https://portal.example"

func (r *rig) start() {
	r.Helper()
	p, err := nexudus.New(r.box.URLs(origin)[ledger.Nexudus], r)
	if err != nil {
		r.Fatal(err)
	}
	r.m, err = sinks.New(sinks.Options{Ledger: r.w.Ledger, States: r.w, Vault: r.w, Blocks: r.lanes, Providers: []sinks.Provider{p}, Exclusive: true,
		Config: map[string]sinks.Config{ledger.Nexudus: r.cfg}, Log: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- r.m.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-end; err != nil {
			r.Error(err)
		}
	}
}

func (r *rig) rest() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Hour)
	defer cancel()
	if _, err := r.m.Wait(ctx, nil); err != nil {
		r.Fatalf("not at rest: %v\n%s", err, r.logs.String())
	}
}

// ask calls the stand-in itself.
func (r *rig) ask(method, path, token, body string, into any) int {
	r.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:1"
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	r.box.Handler().ServeHTTP(w, req)
	b, err := io.ReadAll(w.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		r.Fatalf("%s %s: %v: %s", method, path, err, b)
	}
	return w.Code
}

// holds is what the portal shows of a field.
func (r *rig) holds(token, name string) any {
	r.Helper()
	var v map[string]any
	r.ask(http.MethodGet, "/nexudus/en/profile?_resource=Coworker", token, "", &v)
	return v[name]
}

func (r *rig) account(token string) (a sandbox.Account) {
	r.Helper()
	r.ask(http.MethodGet, "/_sandbox/nexudus/account", token, "", &a)
	return a
}

func (r *rig) fault(fault string) {
	r.Helper()
	if status := r.ask(http.MethodPost, "/_sandbox/faults", "", `{"provider":"nexudus","method":"PATCH",`+fault+`}`, nil); status != 200 {
		r.Fatalf("%s: %d", fault, status)
	}
}

// connection is how the one connection stands.
func (r *rig) connection(id ledger.ProfileID) sinks.Connection {
	r.Helper()
	c, err := r.m.Connections(context.Background(), id)
	if err != nil || len(c) != 1 {
		r.Fatalf("%+v, %v", c, err)
	}
	return c[0]
}

var everything = []string{"firstName", `"Jane"`, "lastName", `"Doe"`, "nickName", `"Jay"`, "gender", `"female"`, "birthDate", `"1990-06-15"`, "phone", `"+44 1"`,
	"landline", `"+44 2"`, "address", `"1 Road"`, "postalCode", `"N1"`, "city", `"London"`, "province", `"Greater London"`, "country", `"United Kingdom"`,
	"jobTitle", `"Designer"`, "employer", `"Acme"`, "sector", `"Design"`, "summary", `"**Bio**"`, "website", `"https://jane.example"`,
	"linkedIn", `"https://linkedin.com/in/jane"`, "twitter", `"@jane"`, "github", `"jane"`, "instagram", `"jane.i"`, "facebook", `"jane.f"`, "skype", `"jane.s"`,
	"telegram", `"jane.t"`, "nexudus.billingName", `"Acme Ltd"`, "nexudus.billingEmail", `"pay@acme.example"`, "nexudus.billingAddress", `"2 Road"`,
	"nexudus.billingPostCode", `"N2"`, "nexudus.billingCityName", `"Leeds"`, "nexudus.billingState", `"Yorkshire"`,
	"nexudus.taxIDNumber", `"GB 1"`, "nexudus.profileIsPublic", `true`, "nexudus.onHelpDeskMsg", `false`, "nexudus.onNewWallPost", `true`,
	"nexudus.onNewBlogComment", `false`, "nexudus.onNewEventComment", `true`, "nexudus.receiveCommunityDigest", `false`, "nexudus.signUpToNewsletter", `false`}

// TestEveryFieldArrives: everything arrives and is recognised when it is read back; what is
// cleared goes.
func TestEveryFieldArrives(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.cfg.Verify = true
		id := r.w.Create(everything...)
		r.w.Put(id, "skills", "a", `{"name":"Go"}`)
		r.w.Put(id, "skills", "b", `{"name":"C++"}`)
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.rest()
		r.agrees(id)
		for name, want := range map[string]any{"FullName": "Jane Doe", "ProfileIsPublic": true, "OnHelpDeskMsg": false, "CompanyName": "Acme", "Twitter": "@jane"} {
			if got := r.holds("token-1", name); got != want {
				t.Errorf("%s: %v", name, got)
			}
		}
		if n := r.account("token-1").Patches; n != 1 {
			t.Errorf("%d PATCHes", n)
		}
		for i := 0; i < len(everything); i += 2 {
			if !slices.Contains([]string{"firstName", "lastName"}, everything[i]) {
				r.w.Clear(id, everything[i])
			}
		}
		r.w.Remove(id, "skills", "a")
		r.w.Remove(id, "skills", "b")
		r.rest()
		r.agrees(id)
		r.stop()
		for _, name := range []string{"Position", "CompanyName", "State", "ProfileTags", "NickName", "Gender"} {
			if got := r.holds("token-1", name); got != nil && got != "" && fmt.Sprint(got) != "[]" {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// agrees says that the connection is up to date, and that a plan finds nothing to do.
func (r *rig) agrees(id ledger.ProfileID) {
	r.Helper()
	if c := r.connection(id); c.State != sinks.InSync {
		r.Fatalf("%+v\n%s", c, r.logs.String())
	}
	plan, err := r.m.Plan(context.Background(), sinks.Target{Sink: ledger.Nexudus, Profile: &id})
	if err != nil || plan.Operations != 0 {
		b, _ := json.MarshalIndent(plan, "", " ")
		r.Errorf("%v: %s", err, b)
	}
}

// TestTrap23AFailureIsNotDone: what the portal refuses with 200 is parked and not taken for
// done; the next edit delivers.
func TestTrap23AFailureIsNotDone(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"Jane"`)
		r.w.Set(id, "nexudus.billingCountryId", `999999`)
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.rest()
		if c := r.connection(id); c.State != sinks.ConnectionParked || c.Lanes[0].LastError == nil || !strings.Contains(c.Lanes[0].LastError.Message, "BillingCountryId") {
			t.Errorf("%+v", c)
		}
		r.w.Clear(id, "nexudus.billingCountryId")
		r.rest()
		r.agrees(id)
		r.stop()
	})
}

// TestDoubts: whatever becomes of a PATCH, the portal ends with what is wanted.
func TestDoubts(t *testing.T) {
	change := func(t *testing.T, name string, r *rig, trouble func()) {
		id := r.w.Create("firstName", `"Jane"`, "country", `"GB"`)
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.rest()
		trouble()
		r.w.Set(id, "jobTitle", `"Designer"`, "country", `"France"`)
		r.rest()
		r.agrees(id)
		r.stop()
		if got := r.holds("token-1", "Position"); got != "Designer" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, fault := range []string{`"kind":"garbage"`, `"kind":"status","status":500`, `"kind":"status","status":500,"after":true`, `"kind":"slow","delay":"40s"`,
		`"kind":"status","status":429,"retryAfter":9`} {
		inBubble(t, func(r *rig) { change(r.T, fault, r, func() { r.fault(fault) }) })
	}
	for _, fate := range sinktest.Fates() {
		inBubble(t, func(r *rig) {
			var met atomic.Bool
			change(r.T, fmt.Sprint(fate), r, func() {
				decide := func(q *http.Request) sinktest.Fate {
					if q.Method == http.MethodPatch && met.CompareAndSwap(false, true) {
						return fate
					}
					return sinktest.OK
				}
				r.fate.Store(&decide)
			})
		})
	}
}

// TestTrap26ASwitchElsewhereHarmsNobody: with another profile active, an edit goes nowhere
// and the account waits for a person.
func TestTrap26ASwitchElsewhereHarmsNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"Jane"`)
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.rest()
		r.ask(http.MethodPatch, "/nexudus/api/public/coworker/profile", "token-2", `{"FullName":"Somebody else"}`, nil)
		r.switchTo("token-2")
		r.w.Set(id, "lastName", `"Doe"`)
		time.Sleep(time.Minute)
		synctest.Wait()
		if c := r.connection(id); c.State != sinks.ConnectionPaused {
			t.Errorf("%+v", c)
		}
		if got := r.holds("token-2", "FullName"); got != "Somebody else" {
			t.Errorf("another coworker is now %v", got)
		}
		r.switchTo("")
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.rest()
		r.stop()
		if got := r.holds("token-1", "FullName"); got != "Jane Doe" {
			t.Errorf("%v", got)
		}
	})
}

// TestNothingLeaks: no value, token or answer is in the lanes or the log.
func TestNothingLeaks(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"canary-value"`, "country", `"canary-land"`)
		r.w.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.rest()
		if c := r.connection(id); c.State != sinks.ConnectionParked {
			t.Errorf("a country that the portal does not have: %+v", c)
		}
		r.fault(`"kind":"garbage"`)
		r.w.Clear(id, "country")
		r.rest()
		r.agrees(id)
		r.stop()
		for e, err := range r.lanes.Read(context.Background(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			r.logs.Write(e.Payload)
		}
		for _, s := range []string{"canary", "token-1"} {
			if strings.Contains(r.logs.String(), s) {
				t.Errorf("%q is in the lanes or the log", s)
			}
		}
	})
}
