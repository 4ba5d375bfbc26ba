package jarvi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/jarvi"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in Jarvi, and the sink between them, without sockets.
type rig struct {
	*sinktest.Rig
	box *sandbox.Server
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Rig: sinktest.NewRig(t, box.Handler()), box: box}
		r.Files = files
		f(r)
	})
}

const origin = "https://jarvi.example"

func (r *rig) start() {
	r.Helper()
	p, err := jarvi.New(r.box.URLs(origin)[ledger.Jarvi], r.Net)
	if err != nil {
		r.Fatal(err)
	}
	r.Start(p)
}

// key is a workspace's.
const key = "private-key-of-the-workspace"

// ask calls the stand-in itself.
func (r *rig) ask(method, path, body string, into any) int {
	r.Helper()
	return r.Ask(method, path, body, into, "X-API-KEY", key)
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
	r.World.SetSecret(id, "credential."+ledger.Jarvi, key)
	r.World.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.Jarvi, Op: ledger.OpBound,
		Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{}}`, external))})
}

func (r *rig) put(id ledger.ProfileID, field, item, value string) {
	r.World.Commit(id, ledger.Event{View: ledger.Shared, Field: field, Item: item, Op: ledger.OpPut, Value: ledger.Value(value)})
}

// verified says how the root's last call was found to be true.
func (r *rig) verified() (v sinks.Verify) {
	r.Helper()
	for e, err := range sinks.ReadJournal(context.Background(), r.Lanes, 1) {
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
		id := r.World.Create(everything...)
		r.put(id, "phones", "x", `{"number":"0240493773"}`)
		r.put(id, "jarvi.historyEntries", "h", `{"subject":"first note","message":"m","type":"`+uuid+`"}`)
		r.put(id, "jarvi.resumesFiles", "r", `{"fileName":"cv.pdf","file":"`+sha+`"}`)
		r.put(id, "jarvi.files", "f", `{"fileName":"motivation.docx","file":"`+sha+`"}`)
		r.bind(id, id.String())
		r.start()
		r.Rest()
		r.Agrees(id)
		for _, text := range []string{"Quentin", "quentin@jarvi.tech", "+33752626164, 0240493773", "Rennes, France", "The boss", "Jarvi Inc", "Oui", uuid, "first note", "cv.pdf", id.String()} {
			r.keeps(text)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.counts("profiles", 1)
		r.counts("history", 1)
		r.counts("files", 2)
		r.World.Set(id, "headline", `"Chairman"`, "email", `"q@jarvi.tech"`)
		r.put(id, "jarvi.historyEntries", "h2", `{"message":"second note"}`)
		r.Rest()
		r.Agrees(id)
		r.keeps("Chairman")
		r.keeps("q@jarvi.tech")
		r.World.Clear(id, "headline")
		r.bind(id, id.String())
		r.Rest()
		r.Agrees(id)
		r.Stop()
		r.start() // in a new process
		r.Rest()
		r.Agrees(id)
		r.Stop()
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
		id := r.World.Create("firstName", `"Quentin"`, "email", `"q@jarvi.tech"`)
		r.bind(id, "ext-1")
		r.start()
		r.Rest()
		r.World.Set(id, "email", `"quentin@jarvi.tech"`)
		time.Sleep(time.Second) // of the bubble: it is taken, and not looked at yet
		synctest.Wait()
		if c := r.Connection(id); c.Lanes[0].Phase != sinks.Taken {
			t.Fatalf("%+v", c)
		}
		r.Stop()
		began := time.Now()
		r.start()
		r.World.Set(id, "email", `"decre@jarvi.tech"`)
		r.Rest()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("an edit waited %v for the one before", took)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.Agrees(id)
		r.Stop()
		r.keeps("decre@jarvi.tech")
	})
}

// TestNoAccount: a connection that names no externalId is the profile's own, and what Jarvi has taken is found there.
func TestNoAccount(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"Quentin"`)
		r.World.SetSecret(id, "credential."+ledger.Jarvi, key)
		r.World.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.Jarvi, Op: ledger.OpBound, Value: ledger.Value(`{"settings":{}}`)})
		began := time.Now()
		r.start()
		r.Rest()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if v := r.verified(); v != sinks.ReadBack {
			t.Errorf("the profile is %v", v)
		}
		r.keeps(id.String())
		r.Stop()
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
	r.Meet(decide)
}

// TestTrap27NoDoubtMakesASecondPerson: whatever becomes of a POST, there is one person in
// the end, with all that no read shows as well.
func TestTrap27NoDoubtMakesASecondPerson(t *testing.T) {
	check := func(r *rig, name string, trouble func()) {
		id := r.World.Create("firstName", `"Quentin"`)
		r.bind(id, "ext-1")
		r.start()
		trouble()
		r.Rest()
		trouble()
		r.World.Set(id, "email", `"q@jarvi.tech"`)
		r.Rest()
		r.Agrees(id)
		r.Stop()
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
			id := r.World.Create("firstName", `"Quentin"`)
			r.bind(id, "ext-1")
			r.start()
			r.Rest()
			r.meet(fate, "historyEntry")
			r.put(id, "jarvi.historyEntries", "h", `{"message":"note"}`)
			r.Rest()
			r.World.Set(id, "headline", `"H"`)
			r.bind(id, "ext-1")
			r.Rest()
			c := r.Connection(id)
			r.Stop()
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
		id := r.World.Create("firstName", `"Quentin"`, "headline", `"H"`)
		r.bind(id, "ext-1")
		r.start()
		r.Rest()
		r.Agrees(id)
		r.Stop()
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
		id := r.World.Create("firstName", `"canary-one"`, "email", `"canary@two.example"`, "jarvi.custom."+uuid, `"canary-three"`)
		r.put(id, "jarvi.historyEntries", "h", `{"message":"canary-four"}`)
		r.fault(`"kind":"garbage"`)
		r.bind(id, "ext-1")
		r.start()
		r.Rest()
		r.Stop()
		kept := r.Kept()
		for _, s := range []string{"canary", key} {
			if strings.Contains(kept, s) {
				t.Errorf("%q is in the lanes or the log", s)
			}
		}
	})
}
