package mokaru_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/mokaru"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in Mokaru, and the sink between them, without sockets.
type rig struct {
	*sinktest.Rig
}

func inBubble(t *testing.T, perMinute int, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := sandbox.New(sandbox.Options{PerMinute: perMinute})
		if err != nil {
			t.Fatal(err)
		}
		f(&rig{sinktest.NewRig(t, box.Handler())})
	})
}

func (r *rig) start() {
	r.Helper()
	p, err := mokaru.New("https://api.mokaru.ai/mokaru", r.Net)
	if err != nil {
		r.Fatal(err)
	}
	r.Start(p)
}

func key(n int) string { return fmt.Sprintf("mk_%064x", n) }

// ask calls the stand-in itself, with the n-th key, or none if n is negative.
func (r *rig) ask(method, path string, n int, body string, into any) int {
	r.Helper()
	if n < 0 {
		return r.Ask(method, path, body, into)
	}
	return r.Ask(method, path, body, into, "Authorization", "Bearer "+key(n))
}

func (r *rig) holds(n int) map[string]any {
	r.Helper()
	var v struct{ Data map[string]any }
	r.ask(http.MethodGet, "/mokaru/v1/profile", n, "", &v)
	maps.DeleteFunc(v.Data, func(_ string, v any) bool {
		list, ok := v.([]any)
		return v == nil || ok && len(list) == 0
	})
	return v.Data
}

func (r *rig) account(n int) sandbox.Account {
	r.Helper()
	var a sandbox.Account
	r.ask(http.MethodGet, "/_sandbox/mokaru/account", n, "", &a)
	return a
}

func (r *rig) requests() []sandbox.Request {
	r.Helper()
	var list []sandbox.Request
	r.ask(http.MethodGet, "/_sandbox/requests", -1, "", &list)
	return list
}

// put is an event that puts an item into a collection of base.
func put(field, id, value string) ledger.Event {
	return ledger.Event{View: ledger.Base, Field: field, Item: id, Op: ledger.OpPut, Value: ledger.Value(value)}
}

// TestTrap02OneEditSendsTheFullList: editing one project leaves the other where it is.
func TestTrap02OneEditSendsTheFullList(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`)
		r.World.Commit(id, put("projects", "a", `{"name":"A","description":"first"}`), put("projects", "b", `{"name":"B","description":"second"}`))
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		r.World.Commit(id, put("projects", "b", `{"name":"B","description":"edited"}`))
		r.Rest()
		r.Stop()
		if got := fmt.Sprint(r.holds(1)["projects"]); got != "[map[description:first name:A] map[description:edited name:B]]" {
			t.Errorf("projects: %s", got)
		}
	})
}

// TestForeignDataSurvivesTheFirstConnection: what the profile never had is not wiped;
// what was sent and is cleared goes.
func TestForeignDataSurvivesTheFirstConnection(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		r.ask(http.MethodPatch, "/mokaru/v1/profile", 1, `{"gender":"foreign","phone":"1","interests":[{"name":"foreign"}],"awards":[{"name":"foreign"}]}`, nil)
		id := r.World.Create("firstName", `"Jane"`, "phone", `"2"`)
		r.World.Commit(id, put("awards", "a", `{"name":"ours"}`))
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		want := "map[awards:[map[name:ours]] firstName:Jane gender:foreign interests:[map[name:foreign]] phone:2]"
		if got := fmt.Sprint(r.holds(1)); got != want {
			t.Errorf("after the first: %s", got)
		}
		r.World.Clear(id, "phone")
		r.World.Commit(id, ledger.Event{View: ledger.Base, Field: "awards", Item: "a", Op: ledger.OpRemove})
		r.Rest()
		r.Stop()
		if got := fmt.Sprint(r.holds(1)); got != "map[firstName:Jane gender:foreign interests:[map[name:foreign]]]" {
			t.Errorf("after clearing: %s", got)
		}
	})
}

// TestTrap04ReadBackInAnotherForm: what Mokaru completes and reads back otherwise makes no second write, also
// when every write is read back, and when a doubt is.
func TestTrap04ReadBackInAnotherForm(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		r.Config.Verify = true
		id := r.World.Create("linkedIn", `"https://linkedin.com/in/jane-smith"`, "website", `"https://janedoe.dev"`, "birthDate", `"1990-01-15"`)
		r.World.Commit(id, put("certificates", "c", `{"name":"C","issuer":"I","issueDate":"2020-02-03"}`))
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		if c, err := r.Manager.Connections(context.Background(), id); err != nil || c[0].State != sinks.InSync {
			t.Errorf("%+v, %v", c, err)
		}
		r.Stop()
		if a := r.account(1); a.Patches != 1 || r.holds(1)["birthDate"] != "1990-01-15T00:00:00.000Z" {
			t.Errorf("%+v", a)
		}
		var last sinks.Entry
		for e, err := range sinks.ReadJournal(context.Background(), r.Lanes, 1) {
			if err != nil {
				t.Fatal(err)
			}
			last = e
		}
		if last.Record.Verify != sinks.ReadBack || last.Record.EchoHash != last.Record.SentEcho {
			t.Errorf("%+v", last.Record)
		}
		// The answer to the next write is lost.
		lost := true
		r.Meet(func(q *http.Request) sinktest.Fate {
			if q.Method == http.MethodPatch && lost {
				lost = false
				return sinktest.LostAfter
			}
			return sinktest.OK
		})
		r.start()
		r.World.Set(id, "portfolio", `"https://folio.example"`)
		r.Rest()
		r.Stop()
		if a := r.account(1); a.Patches != 2 || a.Writes != 2 {
			t.Errorf("a write that was there was repeated: %+v", a)
		}
	})
}

// TestTrap06OneBudgetForTheAccount: eight workers and thirty profiles on one account share its twenty calls a
// minute: the stand-in refuses none.
func TestTrap06OneBudgetForTheAccount(t *testing.T) {
	inBubble(t, sandbox.DefaultPerMinute, func(r *rig) {
		r.Config = sinks.Config{Workers: 8, Verify: true}
		for i := range 30 {
			id := r.World.Create("firstName", fmt.Sprintf(`"P%d"`, i))
			r.World.Bind(id, ledger.Mokaru, key(1), "")
		}
		r.start()
		r.Rest()
		r.Stop()
		writes := 0
		for _, q := range r.requests() {
			if q.Status != 200 {
				t.Errorf("%s answered %d", q.Method, q.Status)
			}
			if q.Method == http.MethodPatch {
				writes++
			}
		}
		if writes != 30 {
			t.Errorf("%d writes", writes)
		}
	})
}

// TestRefusedByTheLimitAllTheSame: somebody else uses the account up; nothing is parked,
// and nothing is tried before the time that Mokaru gives.
func TestRefusedByTheLimitAllTheSame(t *testing.T) {
	inBubble(t, sandbox.DefaultPerMinute, func(r *rig) {
		for range sandbox.DefaultPerMinute {
			r.ask(http.MethodGet, "/mokaru/v1/profile", 1, "", nil)
		}
		id := r.World.Create("firstName", `"Jane"`)
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		r.Stop()
		var statuses []int
		for _, q := range r.requests()[sandbox.DefaultPerMinute:] {
			statuses = append(statuses, q.Status)
		}
		if fmt.Sprint(statuses) != "[429 200]" {
			t.Errorf("%v", statuses)
		}
	})
}

// TestIntentBeforeEveryCall: each call that the stand-in saw carries an attempt that is
// in the journal; no key, value or answer is.
func TestIntentBeforeEveryCall(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		id := r.World.Create("firstName", `"canary-value"`)
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		last := ""
		for _, fault := range []string{`{"provider":"mokaru","kind":"status","status":500}`, `{"provider":"mokaru","kind":"garbage"}`,
			`{"provider":"mokaru","kind":"status","status":409}`, `{"provider":"mokaru","kind":"slow","delay":"40s"}`} {
			if status := r.ask(http.MethodPost, "/_sandbox/faults", -1, fault, nil); status != 200 {
				t.Fatalf("%s: %d", fault, status)
			}
			last = fmt.Sprintf("canary-value %d", len(fault))
			r.World.Set(id, "jobTitle", `"`+last+`"`)
			r.Rest()
		}
		r.Stop()
		claims := map[string]bool{}
		for e, err := range sinks.ReadJournal(context.Background(), r.Lanes, 1) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Row.Event == sinks.Claim {
				claims[e.Row.Attempt.String()] = true
			}
		}
		kept := r.Kept()
		writes := 0
		for _, q := range r.requests() {
			if q.Method == http.MethodPatch {
				writes++
				if !claims[q.Attempt] {
					t.Errorf("attempt %q is not in the journal", q.Attempt)
				}
			}
		}
		if writes < 5 {
			t.Errorf("%d writes", writes)
		}
		for _, s := range []string{"canary-value", key(1), "sign in"} {
			if strings.Contains(kept, s) {
				t.Errorf("%q is in the lanes or the log", s)
			}
		}
		if got := r.holds(1)["jobTitle"]; got != last {
			t.Errorf("jobTitle: %v", got)
		}
	})
}

// TestOverSockets delivers once over real connections, with the shared client.
func TestOverSockets(t *testing.T) {
	box, err := sandbox.New(sandbox.Options{PerMinute: sandbox.DefaultPerMinute})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler())
	defer srv.Close()
	client := sinks.NewClient()
	defer client.CloseIdleConnections()
	p, err := mokaru.New(box.URLs(srv.URL)["mokaru"], client)
	if err != nil {
		t.Fatal(err)
	}
	w := sinktest.NewWorld()
	id := w.Create("firstName", `"Jane"`)
	w.Bind(id, ledger.Mokaru, key(7), "")
	m, err := sinks.New(sinks.Options{Ledger: w.Ledger, States: w, Vault: w, Blocks: stream.NewMemory(1 << 20), Providers: []sinks.Provider{p}, Exclusive: true,
		Config: map[string]sinks.Config{ledger.Mokaru: {Verify: true}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	run, stop := context.WithCancel(ctx)
	end := make(chan error, 1)
	go func() { end <- m.Run(run) }()
	if _, err := m.Wait(ctx, &id); err != nil {
		t.Fatal(err)
	}
	w.Bind(id, ledger.Mokaru, "mk_revoked", "")
	for { // the account is paused: there is nothing to wait for but its state
		c, err := m.Connections(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if c[0].State == sinks.ConnectionPaused {
			break
		}
	}
	stop()
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	r := &rig{sinktest.NewRig(t, box.Handler())}
	if got := r.holds(7)["firstName"]; got != "Jane" {
		t.Errorf("%v", got)
	}
}

func TestNewRefusesPlainHTTP(t *testing.T) {
	if _, err := mokaru.New("http://api.mokaru.ai", sinks.NewClient()); err == nil {
		t.Error("credentials would be sent in the clear")
	}
}
