package nexudus_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/nexudus"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in portal, and the sink between them, without sockets.
type rig struct {
	*sinktest.Rig
	box *sandbox.Server

	mu     sync.Mutex
	active string // when set, the portal has this token's profile as the active one
}

// Do takes requests to the portal.
func (r *rig) Do(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	active := r.active
	r.mu.Unlock()
	if active != "" && req.Header.Get("Authorization") != "" {
		req.Header.Set("Authorization", "Bearer "+active)
	}
	return r.Net.Do(req)
}

func (r *rig) switchTo(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = token
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Rig: sinktest.NewRig(t, box.Handler()), box: box}
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
	r.Start(p)
}

// ask calls the stand-in itself.
func (r *rig) ask(method, path, token, body string, into any) int {
	r.Helper()
	return r.Ask(method, path, body, into, "Authorization", "Bearer "+token)
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
		r.Config.Verify = true
		id := r.World.Create(everything...)
		r.World.Put(id, "skills", "a", `{"name":"Go"}`)
		r.World.Put(id, "skills", "b", `{"name":"C++"}`)
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.Rest()
		r.Agrees(id)
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
				r.World.Clear(id, everything[i])
			}
		}
		r.World.Remove(id, "skills", "a")
		r.World.Remove(id, "skills", "b")
		r.Rest()
		r.Agrees(id)
		r.Stop()
		for _, name := range []string{"Position", "CompanyName", "State", "ProfileTags", "NickName", "Gender"} {
			if got := r.holds("token-1", name); got != nil && got != "" && fmt.Sprint(got) != "[]" {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// TestTrap23AFailureIsNotDone: what the portal refuses with 200 is parked and not taken for
// done; the next edit delivers.
func TestTrap23AFailureIsNotDone(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`)
		r.World.Set(id, "nexudus.billingCountryId", `999999`)
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.Rest()
		if c := r.Connection(id); c.State != sinks.ConnectionParked || c.Lanes[0].LastError == nil || !strings.Contains(c.Lanes[0].LastError.Message, "BillingCountryId") {
			t.Errorf("%+v", c)
		}
		r.World.Clear(id, "nexudus.billingCountryId")
		r.Rest()
		r.Agrees(id)
		r.Stop()
	})
}

// TestDoubts: whatever becomes of a PATCH, the portal ends with what is wanted.
func TestDoubts(t *testing.T) {
	change := func(t *testing.T, name string, r *rig, trouble func()) {
		id := r.World.Create("firstName", `"Jane"`, "country", `"GB"`)
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.Rest()
		trouble()
		r.World.Set(id, "jobTitle", `"Designer"`, "country", `"France"`)
		r.Rest()
		r.Agrees(id)
		r.Stop()
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
				r.Meet(decide)
			})
		})
	}
}

// TestTrap26ASwitchElsewhereHarmsNobody: with another profile active, an edit goes nowhere
// and the account waits for a person.
func TestTrap26ASwitchElsewhereHarmsNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`)
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.Rest()
		r.ask(http.MethodPatch, "/nexudus/api/public/coworker/profile", "token-2", `{"FullName":"Somebody else"}`, nil)
		r.switchTo("token-2")
		r.World.Set(id, "lastName", `"Doe"`)
		time.Sleep(time.Minute)
		synctest.Wait()
		if c := r.Connection(id); c.State != sinks.ConnectionPaused {
			t.Errorf("%+v", c)
		}
		if got := r.holds("token-2", "FullName"); got != "Somebody else" {
			t.Errorf("another coworker is now %v", got)
		}
		r.switchTo("")
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.Rest()
		r.Stop()
		if got := r.holds("token-1", "FullName"); got != "Jane Doe" {
			t.Errorf("%v", got)
		}
	})
}

// TestNothingLeaks: no value, token or answer is in the lanes or the log.
func TestNothingLeaks(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"canary-value"`, "country", `"canary-land"`)
		r.World.Bind(id, ledger.Nexudus, "token-1", "")
		r.start()
		r.Rest()
		if c := r.Connection(id); c.State != sinks.ConnectionParked {
			t.Errorf("a country that the portal does not have: %+v", c)
		}
		r.fault(`"kind":"garbage"`)
		r.World.Clear(id, "country")
		r.Rest()
		r.Agrees(id)
		r.Stop()
		kept := r.Kept()
		for _, s := range []string{"canary", "token-1"} {
			if strings.Contains(kept, s) {
				t.Errorf("%q is in the lanes or the log", s)
			}
		}
	})
}
