package mokaru_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

const experience = `{"jobTitle":"Engineer","company":"Acme","location":"Bern","startDate":"2019-05-01","isCurrent":true,"responsibilities":["r"]}`

// listed is what the stand-in has of a section.
func (r *rig) listed(n int, section string) []map[string]any {
	r.Helper()
	var v struct{ Data []map[string]any }
	if status := r.ask(http.MethodGet, "/mokaru/v1/"+section+"?limit=100", n, "", &v); status != http.StatusOK {
		r.Fatalf("%s: %d", section, status)
	}
	return v.Data
}

// writes counts the sink's own writing requests by method, for instance "1 POST 0 PATCH 0 DELETE".
func (r *rig) writes() string {
	r.Helper()
	n := map[string]int{}
	for _, q := range r.requests() {
		if q.Attempt != "" {
			n[q.Method]++
		}
	}
	return fmt.Sprintf("%d POST %d PATCH %d DELETE", n[http.MethodPost], n[http.MethodPatch], n[http.MethodDelete])
}

func (r *rig) want(writes string) {
	r.Helper()
	if got := r.writes(); got != writes {
		r.Errorf("%s, want %s", got, writes)
	}
}

// TestItemComesChangesAndGoes: one request each, and what is cleared is empty there.
func TestItemComesChangesAndGoes(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		r.Config.Verify = true
		id := r.World.Create()
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		r.World.Put(id, "workExperiences", "a", experience)
		r.Rest()
		r.want("1 POST 0 PATCH 0 DELETE")
		got := r.listed(1, "experiences")
		if len(got) != 1 || got[0]["company"] != "Acme" || got[0]["location"] != "Bern" || got[0]["startDate"] != "2019-05-01T00:00:00.000Z" || got[0]["isCurrent"] != true {
			t.Fatalf("%v", got)
		}
		ref := got[0]["id"]
		r.World.Put(id, "workExperiences", "a", `{"jobTitle":"Lead","company":"Acme","startDate":"2019-05-01","endDate":"2021-02-03"}`)
		r.Rest()
		r.want("1 POST 1 PATCH 0 DELETE")
		got = r.listed(1, "experiences")
		if len(got) != 1 || got[0]["id"] != ref || got[0]["jobTitle"] != "Lead" || got[0]["location"] != nil || got[0]["isCurrent"] == true {
			t.Errorf("%v", got)
		}
		if list, _ := got[0]["responsibilities"].([]any); len(list) != 0 {
			t.Errorf("%v", got)
		}
		// The order is no business of Mokaru's.
		r.World.Order(id, "workExperiences", "a")
		r.Rest()
		r.want("1 POST 1 PATCH 0 DELETE")
		r.World.Remove(id, "workExperiences", "a")
		r.Rest()
		r.Stop()
		r.want("1 POST 1 PATCH 1 DELETE")
		if got := r.listed(1, "experiences"); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// TestLostAnswerMakesNoSecondItem: the list tells that the item is there.
func TestLostAnswerMakesNoSecondItem(t *testing.T) {
	for _, fate := range []sinktest.Fate{sinktest.LostAfter, sinktest.ErrorAfter, sinktest.ResetMid, sinktest.LateLanding} {
		inBubble(t, 0, func(r *rig) {
			id := r.World.Create()
			r.World.Bind(id, ledger.Mokaru, key(1), "")
			var lost sync.Map // by path: the first create of each section
			r.Meet(func(q *http.Request) sinktest.Fate {
				if q.Method != http.MethodPost {
					return sinktest.OK
				}
				if _, again := lost.LoadOrStore(q.URL.Path, true); again {
					return sinktest.OK
				}
				return fate
			})
			r.start()
			r.World.Put(id, "workExperiences", "a", experience)
			r.World.Put(id, "educations", "e", `{"school":"S"}`)
			r.World.Put(id, "skills", "s", `{"name":"Go","level":"expert"}`)
			r.Rest()
			r.World.Put(id, "workExperiences", "a", `{"jobTitle":"Lead","company":"Acme"}`) // the item that was found is the one that changes
			r.Rest()
			r.Stop()
			r.want("3 POST 1 PATCH 0 DELETE")
			for _, section := range []string{"experiences", "education", "skills"} {
				if got := r.listed(1, section); len(got) != 1 || section == "experiences" && got[0]["jobTitle"] != "Lead" {
					t.Errorf("%s: %s: %v", fate, section, got)
				}
			}
		})
	}
}

// TestRebindWritesNothing: what is there already is recognised, also what another
// profile's sink has left in the account.
func TestRebindWritesNothing(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		id := r.World.Create()
		r.World.Put(id, "workExperiences", "a", experience)
		r.World.Put(id, "skills", "s", `{"name":"Go"}`)
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		r.want("2 POST 0 PATCH 0 DELETE")
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.Rest()
		r.want("2 POST 0 PATCH 0 DELETE")
		r.World.Unbind(id, ledger.Mokaru)
		r.Rest()
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.Rest()
		r.Stop()
		r.want("2 POST 0 PATCH 0 DELETE")
		if got := r.listed(1, "experiences"); len(got) != 1 {
			t.Errorf("%v", got)
		}
	})
}

// TestPlanMendsAMeddledItem: a plan finds the item that somebody changed at Mokaru, and
// applying it changes that one back and nothing else.
func TestPlanMendsAMeddledItem(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`)
		r.World.Put(id, "workExperiences", "a", experience)
		r.World.Put(id, "skills", "s", `{"name":"Go"}`)
		r.World.Bind(id, ledger.Mokaru, key(1), "")
		r.start()
		r.Rest()
		r.want("2 POST 1 PATCH 0 DELETE")
		ctx := context.Background()
		plan := func() *sinks.Plan {
			p, err := r.Manager.Plan(ctx, sinks.Target{Sink: ledger.Mokaru, Profile: &id})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := plan(); p.Operations != 0 {
			t.Fatalf("nothing was changed: %+v", p)
		}
		path := fmt.Sprint("/mokaru/v1/experiences/", r.listed(1, "experiences")[0]["id"])
		if status := r.ask(http.MethodPatch, path, 1, `{"company":"meddled"}`, nil); status != http.StatusOK {
			t.Fatal(status)
		}
		p := plan()
		if p.Operations != 1 {
			t.Fatalf("%+v", p)
		}
		op := p.Profiles[0].Operations[0]
		if op.Entity != "experiences/a" || op.Verb != sinks.VerbUpdate || op.Why != "differs" || len(op.Changes) != 1 || op.Changes[0].Field != "company" {
			t.Errorf("%+v", op)
		}
		now, err := r.Manager.Apply(ctx, p.ID, p.Digest)
		for err == nil && !now.State.Over() {
			now, err = r.Manager.WaitPlan(ctx, p.ID, now)
		}
		if err != nil || now.State != sinks.PlanDone || now.Done != 1 {
			t.Fatalf("%+v, %v", now, err)
		}
		if got := r.listed(1, "experiences"); len(got) != 1 || got[0]["company"] != "Acme" {
			t.Errorf("%v", got)
		}
		if p := plan(); p.Operations != 0 {
			t.Errorf("a second plan: %+v", p)
		}
		r.Stop()
		r.want("2 POST 2 PATCH 0 DELETE")
	})
}
