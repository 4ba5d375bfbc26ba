package postpress

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, a small PostPress, and the sink between them, without sockets.
type rig struct {
	*sinktest.Rig
	paper *paper
	base  string
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		paper := newPaper()
		r := &rig{Rig: sinktest.NewRig(t, paper), paper: paper, base: "https://postpress.example/pp"}
		r.Config.RequestsPerMinute = 0 // the pace is its own
		r.Patience = 40 * time.Hour
		r.Files = sinktest.Every(picture, "image/png")
		f(r)
	})
}

func (r *rig) start() {
	r.Helper()
	p, err := New(r.base, r.Net)
	if err != nil {
		r.Fatal(err)
	}
	r.Start(p)
}

// rest waits until nothing is to be done, and gives why lanes are parked.
func (r *rig) rest() (parked []string) {
	r.Helper()
	r.Rest()
	list, err := r.Manager.Parked(context.Background(), ledger.PostPress)
	if err != nil {
		r.Fatal(err)
	}
	for _, p := range list {
		parked = append(parked, fmt.Sprintf("%+v", p))
	}
	return parked
}

func (r *rig) well() {
	r.Helper()
	if parked := r.rest(); len(parked) > 0 {
		r.Stop() // a bubble ends only when nothing runs in it
		r.Fatalf("parked: %s\n%s", parked, r.Logged())
	}
}

func (r *rig) bind(id ledger.ProfileID) {
	r.World.SetSecret(id, "credential."+ledger.PostPress, "pp_live_canary")
	r.World.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.PostPress, Op: ledger.OpBound,
		Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{}}`, account))})
}

func (r *rig) holds(section string, want ...string) {
	r.Helper()
	if got := r.paper.positions(section); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		r.Errorf("%s: %q, want %q", section, got, want)
	}
}

// TestEverythingArrives: fields, entries and pictures, and what is edited later; a value
// that comes back is written again; a restart and a new binding write no entry.
func TestEverythingArrives(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`, "summary", `"About"`, "postpress.location.id", `"105015875"`, "postalCode", `"75001"`,
			"picture", `"sha256:`+strings.Repeat("0a", 32)+`"`)
		r.World.Put(id, "skills", "a", `{"name":"Go"}`)
		r.World.Put(id, "skills", "b", `{"name":"SQL"}`)
		r.World.Put(id, "workExperiences", "one", founder)
		r.World.Put(id, "workExperiences", "two", strings.Replace(founder, "Founder", "Clerk", 1))
		r.World.Put(id, "educations", "one", studied)
		r.bind(id)
		r.start()
		r.well()
		r.holds("experience", "Founder", "Clerk")
		r.holds("education", "ETH")
		for name, want := range map[string]string{"headline": "A", "summary": "About", "location[id]": "105015875", "location[postal_code]": "75001",
			"skills": "Go|SQL", "picture": fmt.Sprint(len(picture))} {
			if got := r.paper.value(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, headline := range []string{"B", "A"} {
			r.World.Set(id, "headline", `"`+headline+`"`)
			r.well()
			if got := r.paper.value("headline"); got != headline {
				t.Errorf("headline: %q, want %q", got, headline)
			}
		}
		for _, role := range []string{"Owner", "Founder", "Owner"} {
			r.World.Put(id, "workExperiences", "one", strings.Replace(founder, "Founder", role, 1))
			r.well()
			r.holds("experience", role, "Clerk")
		}
		r.World.Remove(id, "skills", "a")
		r.well()
		if got := r.paper.value("skills"); got != "SQL" {
			t.Errorf("skills: %q", got)
		}
		r.Stop()
		before := r.paper.edits
		r.start()
		r.bind(id)
		r.well()
		plan, err := r.Manager.Plan(context.Background(), sinks.Target{Sink: ledger.PostPress})
		if err != nil || plan.Operations != 0 {
			t.Errorf("a plan: %+v, %v", plan, err)
		}
		r.Stop()
		if r.paper.adds != 3 || r.paper.edits != before || r.paper.told != 0 {
			t.Errorf("%d adds, %d edits, told %d times", r.paper.adds, r.paper.edits-before, r.paper.told)
		}
		if strings.Contains(r.Kept(), "canary") {
			t.Error("the key is in the lanes or the log")
		}
	})
}

// TestALostAnswerMakesNoTwin: the first answer of each write is lost in every way.
func TestALostAnswerMakesNoTwin(t *testing.T) {
	for _, fate := range []sinktest.Fate{sinktest.RefusedDial, sinktest.LostBefore, sinktest.LostAfter, sinktest.SlowThenOK, sinktest.Garbage, sinktest.ErrorAfter, sinktest.Throttle,
		sinktest.ResetMid, sinktest.LateLanding} {
		t.Run(string(fate), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				id := r.World.Create("headline", `"A"`)
				r.World.Put(id, "workExperiences", "one", strings.Replace(founder, `}`, `,"postpress":{"notifyNetwork":true}}`, 1))
				r.World.Put(id, "workExperiences", "two", strings.Replace(founder, "Founder", "Clerk", 1))
				r.World.Put(id, "educations", "one", studied)
				r.bind(id)
				var mu sync.Mutex
				met := 0
				r.Meet(func(q *http.Request) sinktest.Fate {
					mu.Lock()
					defer mu.Unlock()
					if q.Method != http.MethodPatch || met >= 4 {
						return sinktest.OK
					}
					met++
					return fate
				})
				r.start()
				r.well()
				r.holds("experience", "Founder", "Clerk")
				r.holds("education", "ETH")
				mu.Lock()
				met = 0
				mu.Unlock()
				r.World.Put(id, "workExperiences", "two", strings.Replace(founder, "Founder", "Owner", 1))
				r.well()
				r.Stop()
				r.holds("experience", "Founder", "Owner")
				if r.paper.value("headline") != "A" || r.paper.adds != 3 || r.paper.told > 1 {
					t.Errorf("headline %q, %d adds, told %d times", r.paper.value("headline"), r.paper.adds, r.paper.told)
				}
			})
		})
	}
}

// TestAnEditInDoubtIsMadeAgainWhereListsDoNotShowIt: an edit of what no list shows is not
// taken for done because the rest of the entry is alike.
func TestAnEditInDoubtIsMadeAgainWhereListsDoNotShowIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		with := func(presence string) string {
			return strings.Replace(founder, `}`, `,"postpress":{"presence":"`+presence+`"}}`, 1)
		}
		r.World.Put(id, "workExperiences", "one", with("REMOTE"))
		r.bind(id)
		r.start()
		r.well()
		lost := false
		r.Meet(func(q *http.Request) sinktest.Fate {
			if q.Method == http.MethodPatch && !lost {
				lost = true
				return sinktest.LostBefore
			}
			return sinktest.OK
		})
		r.World.Put(id, "workExperiences", "one", with("HYBRID"))
		r.well()
		r.Stop()
		if got := r.paper.entries["experience"][0]["presence"]; got != "HYBRID" || r.paper.adds != 1 {
			t.Errorf("presence %v, %d adds", got, r.paper.adds)
		}
	})
}

// TestTheNetworkIsToldOnce: by the add alone, and only if the item asks for it.
func TestTheNetworkIsToldOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		loud := strings.Replace(founder, `}`, `,"postpress":{"notifyNetwork":true}}`, 1)
		r.World.Put(id, "workExperiences", "one", loud)
		r.World.Put(id, "workExperiences", "two", strings.Replace(founder, "Founder", "Clerk", 1))
		r.bind(id)
		r.start()
		r.well()
		r.World.Put(id, "workExperiences", "one", strings.Replace(loud, "Founder", "Owner", 1))
		r.well()
		r.bind(id)
		r.well()
		r.Stop()
		if r.paper.told != 1 || r.paper.adds != 2 {
			t.Errorf("told %d times, %d adds", r.paper.told, r.paper.adds)
		}
	})
}

// TestAnEntryThatAPersonWantsAnewIsMade: it was taken out at LinkedIn, and its item becomes
// what was added before: its add is not answered by the first one's answer. The network hears of
// it once.
func TestAnEntryThatAPersonWantsAnewIsMade(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		loud := strings.Replace(founder, `}`, `,"postpress":{"notifyNetwork":true}}`, 1)
		r.World.Put(id, "workExperiences", "one", loud)
		r.bind(id)
		r.start()
		r.well()
		for n, role := range []string{"Owner", "Founder", "Owner"} {
			r.paper.mu.Lock()
			r.paper.entries["experience"] = nil
			r.paper.mu.Unlock()
			r.World.Put(id, "workExperiences", "one", strings.Replace(loud, "Founder", role, 1))
			if parked := r.rest(); len(parked) != 1 || !strings.Contains(parked[0], sinks.ParkTargetGone) {
				t.Fatalf("parked: %q", parked)
			}
			list, err := r.Manager.Parked(context.Background(), ledger.PostPress)
			if err != nil {
				t.Fatal(err)
			}
			r.World.Decide(id, ledger.PostPress, list[0].ID.String(), string(sinks.Recreate))
			r.well()
			r.holds("experience", role)
			if r.paper.adds != 2+n || r.paper.told != 1 {
				t.Errorf("%d adds, told %d times", r.paper.adds, r.paper.told)
			}
		}
		r.Stop()
	})
}

// TestAWithheldSectionMakesNothing: while LinkedIn withholds a section nothing is added,
// and what is there already is not added when it shows it again.
func TestAWithheldSectionMakesNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		r.paper.entries["experience"] = []map[string]any{{"id": "7", "position": "Founder", "company": "postpress", "start": "5/1/2019"}}
		r.paper.withhold = true
		r.World.Put(id, "workExperiences", "one", founder)
		r.bind(id)
		r.start()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := r.Manager.Wait(ctx, nil); err == nil {
			t.Error("at rest although nothing is known")
		}
		if r.paper.adds != 0 || r.paper.value("headline") != "A" {
			t.Errorf("%d adds, headline %q", r.paper.adds, r.paper.value("headline"))
		}
		r.paper.mu.Lock()
		r.paper.withhold = false
		r.paper.mu.Unlock()
		r.well()
		r.Stop()
		if r.paper.adds != 0 {
			t.Errorf("%d adds", r.paper.adds)
		}
	})
}

// TestWhatCannotBeDoneIsParked: a removal, and a date without a month; the rest goes on.
func TestWhatCannotBeDoneIsParked(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		r.World.Put(id, "workExperiences", "one", founder)
		r.World.Put(id, "workExperiences", "two", `{"jobTitle":"Clerk","company":"Acme","startDate":"2020"}`)
		r.bind(id)
		r.start()
		if parked := r.rest(); len(parked) != 1 || !strings.Contains(parked[0], "no month") {
			t.Errorf("parked: %q", parked)
		}
		r.World.Put(id, "workExperiences", "two", `{"jobTitle":"Clerk","company":"Acme","startDate":"2020-02"}`)
		r.World.Remove(id, "workExperiences", "one")
		r.World.Set(id, "headline", `"B"`)
		if parked := r.rest(); len(parked) != 1 || !strings.Contains(parked[0], "no way to delete") {
			t.Errorf("parked: %q", parked)
		}
		r.holds("experience", "Founder", "Clerk")
		if r.paper.value("headline") != "B" {
			t.Error("the headline did not arrive")
		}
		r.Stop()
	})
}

// TestALimitOfLinkedInWaitsForTheNextDay: nothing is sent until then, and no attempt is lost.
func TestALimitOfLinkedInWaitsForTheNextDay(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("headline", `"A"`)
		first := time.Now().UTC()
		tomorrow := first.Truncate(24 * time.Hour).Add(24 * time.Hour)
		calls := 0
		r.paper.refuse = func(*http.Request) (int, string) {
			if calls++; time.Now().Before(tomorrow) {
				return fail(422, limitExceeded)
			}
			return 0, ""
		}
		r.bind(id)
		r.start()
		r.well()
		r.Stop()
		if r.paper.value("headline") != "A" || calls != 2 || time.Since(tomorrow) > 15*time.Minute {
			t.Errorf("headline %q, %d calls, %s after midnight", r.paper.value("headline"), calls, time.Since(tomorrow))
		}
	})
}
