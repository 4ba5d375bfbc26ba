package jarvi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"vitae/sinks/jarvi"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in Jarvi, and the sink between them, without sockets.
type rig struct {
	*testing.T
	w     *sinktest.World
	box   *sandbox.Server
	net   *sinktest.Network
	lanes *stream.Memory
	cfg   sinks.Config
	m     *sinks.Manager
	stop  func()
	fate  atomic.Pointer[func(*http.Request) sinktest.Fate]

	mu   sync.Mutex
	logs bytes.Buffer
}

// Write takes the log.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logs.Write(p)
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

const origin = "https://jarvi.example"

func (r *rig) start() {
	r.Helper()
	p, err := jarvi.New(r.box.URLs(origin)[ledger.Jarvi], r.net)
	if err != nil {
		r.Fatal(err)
	}
	r.m, err = sinks.New(sinks.Options{Ledger: r.w.Ledger, States: r.w, Vault: r.w, Blocks: r.lanes, Providers: []sinks.Provider{p}, Exclusive: true, Files: files,
		Config: map[string]sinks.Config{ledger.Jarvi: r.cfg}, Log: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))})
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

// key is a workspace's.
const key = "private-key-of-the-workspace"

// ask calls the stand-in itself.
func (r *rig) ask(method, path, body string, into any) int {
	r.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:1"
	req.Header.Set("X-API-KEY", key)
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

func (r *rig) account() (a sandbox.Account) {
	r.Helper()
	r.ask(http.MethodGet, "/_sandbox/jarvi/account", "", &a)
	return a
}

// counts says how much of something the workspace has.
func (r *rig) counts(what string, want int) {
	r.Helper()
	if got := r.account().Counts; got[what] != want {
		r.Errorf("%s: %v, want %d", what, got, want)
	}
}

// keeps says that a text is somewhere in what the workspace holds.
func (r *rig) keeps(text string) {
	r.Helper()
	b, err := json.Marshal(r.account().Profile)
	if err != nil || !strings.Contains(string(b), text) {
		r.Errorf("%q is not in %s", text, b)
	}
}

// fault makes the next POST fail in a way.
func (r *rig) fault(fault string) {
	r.Helper()
	if status := r.ask(http.MethodPost, "/_sandbox/faults", `{"provider":"jarvi","method":"POST",`+fault+`}`, nil); status != 200 {
		r.Fatalf("%s: %d", fault, status)
	}
}

// bind connects the profile with an externalId.
func (r *rig) bind(id ledger.ProfileID, external string) {
	r.w.SetSecret(id, "credential."+ledger.Jarvi, key)
	r.w.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.Jarvi, Op: ledger.OpBound,
		Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{}}`, external))})
}

func (r *rig) put(id ledger.ProfileID, field, item, value string) {
	r.w.Commit(id, ledger.Event{View: ledger.Shared, Field: field, Item: item, Op: ledger.OpPut, Value: ledger.Value(value)})
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

// agrees says that the connection is up to date, and that a plan finds nothing to do.
func (r *rig) agrees(id ledger.ProfileID) {
	r.Helper()
	if c := r.connection(id); c.State != sinks.InSync {
		r.Fatalf("%+v\n%s", c, r.logs.String())
	}
	plan, err := r.m.Plan(context.Background(), sinks.Target{Sink: ledger.Jarvi, Profile: &id})
	if err != nil || plan.Operations != 0 {
		b, _ := json.MarshalIndent(plan, "", " ")
		r.Errorf("%v: %s", err, b)
	}
}

// verified says how the root's last call was found to be true.
func (r *rig) verified() (v sinks.Verify) {
	r.Helper()
	for e, err := range sinks.ReadJournal(context.Background(), r.lanes, 1) {
		if err != nil {
			r.Fatal(err)
		}
		if e.Record.Entity == jarvi.Entity {
			v = e.Record.Verify
		}
	}
	return v
}

const sha = "sha256:0000000000000000000000000000000000000000000000000000000000000001"

func files(_ context.Context, _ ledger.ProfileID, reference string) (sinks.File, error) {
	if reference != sha {
		return sinks.File{}, ledger.ErrNotFound
	}
	return sinks.File{ReadCloser: io.NopCloser(strings.NewReader("%PDF-1")), Size: 6, MediaType: "application/pdf"}, nil
}

const uuid = "0b538428-7652-4243-baaf-3867803d7007"

var everything = []string{"firstName", `"Quentin"`, "lastName", `"Decré"`, "email", `"quentin@jarvi.tech"`, "phone", `"+33752626164"`,
	"linkedIn", `"https://linkedin.com/in/quentindecre"`, "city", `"Rennes"`, "country", `"France"`, "headline", `"Co-Founder"`, "employer", `"Jarvi"`,
	"jobTitle", `"The boss"`, "jarvi.projectId", `"713a8005-e54d-4ee3-b6a4-89b27167dde6"`, "jarvi.currentCompanyId", `"Jarvi Inc"`, "jarvi.custom." + uuid, `"Oui"`}

// TestEverythingArrives: the profile, and each note and file once; edits change the same
// person, and the replay of everything adds nothing.
func TestEverythingArrives(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create(everything...)
		r.put(id, "phones", "x", `{"number":"0240493773"}`)
		r.put(id, "jarvi.historyEntries", "h", `{"subject":"first note","message":"m","type":"`+uuid+`"}`)
		r.put(id, "jarvi.resumesFiles", "r", `{"fileName":"cv.pdf","file":"`+sha+`"}`)
		r.put(id, "jarvi.files", "f", `{"fileName":"motivation.docx","file":"`+sha+`"}`)
		r.bind(id, id.String())
		r.start()
		r.rest()
		r.agrees(id)
		for _, text := range []string{"Quentin", "quentin@jarvi.tech", "+33752626164, 0240493773", "Rennes, France", "The boss", "Jarvi Inc", "Oui", uuid, "first note", "cv.pdf", id.String()} {
			r.keeps(text)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.counts("profiles", 1)
		r.counts("history", 1)
		r.counts("files", 2)
		r.w.Set(id, "headline", `"Chairman"`, "email", `"q@jarvi.tech"`)
		r.put(id, "jarvi.historyEntries", "h2", `{"message":"second note"}`)
		r.rest()
		r.agrees(id)
		r.keeps("Chairman")
		r.keeps("q@jarvi.tech")
		r.w.Clear(id, "headline")
		r.bind(id, id.String())
		r.rest()
		r.agrees(id)
		r.stop()
		r.start() // in a new process
		r.rest()
		r.agrees(id)
		r.stop()
		r.keeps("Chairman") // it cannot be cleared there
		r.counts("profiles", 1)
		r.counts("history", 2)
		r.counts("files", 2)
	})
}

// TestAcceptedBeforeARestart: what Jarvi has taken is found there by the next process too, and holds nothing up, also
// when no read shows what was changed.
func TestAcceptedBeforeARestart(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"Quentin"`, "email", `"q@jarvi.tech"`)
		r.bind(id, "ext-1")
		r.start()
		r.rest()
		r.w.Set(id, "email", `"quentin@jarvi.tech"`)
		time.Sleep(time.Second) // of the bubble: it is taken, and not looked at yet
		synctest.Wait()
		if c := r.connection(id); c.Lanes[0].Phase != sinks.Taken {
			t.Fatalf("%+v", c)
		}
		r.stop()
		began := time.Now()
		r.start()
		r.w.Set(id, "email", `"decre@jarvi.tech"`)
		r.rest()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("an edit waited %v for the one before", took)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.agrees(id)
		r.stop()
		r.keeps("decre@jarvi.tech")
	})
}

// TestNoAccount: a connection that names no externalId is the profile's own, and what Jarvi has taken is found there.
func TestNoAccount(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"Quentin"`)
		r.w.SetSecret(id, "credential."+ledger.Jarvi, key)
		r.w.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.Jarvi, Op: ledger.OpBound, Value: ledger.Value(`{"settings":{}}`)})
		began := time.Now()
		r.start()
		r.rest()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.keeps(id.String())
		r.stop()
	})
}

// meet gives one fate to the first POST whose body has something in it.
func (r *rig) meet(fate sinktest.Fate, has string) {
	var met atomic.Bool
	decide := func(q *http.Request) sinktest.Fate {
		if q.Method != http.MethodPost {
			return sinktest.OK
		}
		b, err := io.ReadAll(q.Body)
		if err != nil {
			r.Error(err)
		}
		q.Body = io.NopCloser(bytes.NewReader(b))
		if strings.Contains(string(b), has) && met.CompareAndSwap(false, true) {
			return fate
		}
		return sinktest.OK
	}
	r.fate.Store(&decide)
}

// TestTrap27NoDoubtMakesASecondPerson: whatever becomes of a POST, there is one person in
// the end, with all that no read shows as well.
func TestTrap27NoDoubtMakesASecondPerson(t *testing.T) {
	check := func(r *rig, name string, trouble func()) {
		id := r.w.Create("firstName", `"Quentin"`)
		r.bind(id, "ext-1")
		r.start()
		trouble()
		r.rest()
		trouble()
		r.w.Set(id, "email", `"q@jarvi.tech"`)
		r.rest()
		r.agrees(id)
		r.stop()
		r.keeps("q@jarvi.tech")
		if n := r.account().Counts["profiles"]; n != 1 {
			r.Errorf("%s: %d persons", name, n)
		}
	}
	for _, fate := range sinktest.Fates() {
		inBubble(t, func(r *rig) { check(r, string(fate), func() { r.meet(fate, "") }) })
	}
	for _, fault := range []string{`"kind":"garbage"`, `"kind":"status","status":500`, `"kind":"status","status":503,"after":true`, `"kind":"slow","delay":"40s"`,
		`"kind":"status","status":429,"retryAfter":9`} {
		inBubble(t, func(r *rig) { check(r, fault, func() { r.fault(fault) }) })
	}
}

// TestTrap28NoDoubtAddsTwice: a note is there once or waits for a person; it is never twice.
func TestTrap28NoDoubtAddsTwice(t *testing.T) {
	for _, fate := range sinktest.Fates() {
		inBubble(t, func(r *rig) {
			id := r.w.Create("firstName", `"Quentin"`)
			r.bind(id, "ext-1")
			r.start()
			r.rest()
			r.meet(fate, "historyEntry")
			r.put(id, "jarvi.historyEntries", "h", `{"message":"note"}`)
			r.rest()
			r.w.Set(id, "headline", `"H"`)
			r.bind(id, "ext-1")
			r.rest()
			c := r.connection(id)
			r.stop()
			n := r.account().Counts["history"]
			if n > 1 || n == 0 && c.State == sinks.InSync {
				t.Errorf("%s: %d notes, and the connection is %s", fate, n, c.State)
			}
			if c.State != sinks.InSync && (fate == sinktest.OK || fate == sinktest.RefusedDial || fate == sinktest.Throttle || fate == sinktest.SlowThenOK) {
				t.Errorf("%s: %+v", fate, c)
			}
		})
	}
}

// TestTrap30NoStrangerIsTaken: with others in the workspace, and one that was deleted, only
// our own person is read and written.
func TestTrap30NoStrangerIsTaken(t *testing.T) {
	inBubble(t, func(r *rig) {
		const path = "/jarvi/v1/public-api/rest/v2/profiles"
		for i := range 3 {
			r.ask(http.MethodPost, path, fmt.Sprintf(`{"externalId":"other-%d","firstName":"Stranger","headline":"untouched"}`, i), nil)
		}
		id := r.w.Create("firstName", `"Quentin"`, "headline", `"H"`)
		r.bind(id, "ext-1")
		r.start()
		r.rest()
		r.agrees(id)
		r.stop()
		r.counts("profiles", 4)
		var v struct{ Data []map[string]any }
		r.ask(http.MethodGet, path, "", &v)
		strangers := 0
		for _, row := range v.Data {
			if row["headline"] == "untouched" && row["externalId"] != "ext-1" {
				strangers++
			}
		}
		if strangers != 3 {
			t.Errorf("%v", v.Data)
		}
	})
}

// TestNothingLeaks: no value, key or answer is in the lanes or the log.
func TestNothingLeaks(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.w.Create("firstName", `"canary-one"`, "email", `"canary@two.example"`, "jarvi.custom."+uuid, `"canary-three"`)
		r.put(id, "jarvi.historyEntries", "h", `{"message":"canary-four"}`)
		r.fault(`"kind":"garbage"`)
		r.bind(id, "ext-1")
		r.start()
		r.rest()
		r.stop()
		for e, err := range r.lanes.Read(context.Background(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			r.logs.Write(e.Payload)
		}
		for _, s := range []string{"canary", key} {
			if strings.Contains(r.logs.String(), s) {
				t.Errorf("%q is in the lanes or the log", s)
			}
		}
	})
}
