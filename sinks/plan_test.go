package sinks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

func (p *process) plan(t sinks.Target) *sinks.Plan {
	p.b.Helper()
	t.Sink = sinktest.BoxName
	plan, err := p.m.Plan(context.Background(), t)
	if err != nil {
		p.b.Fatal(err)
	}
	return plan
}

// apply carries a plan out, and waits until it is over.
func (p *process) apply(plan *sinks.Plan) sinks.Progress {
	p.b.Helper()
	now, err := p.m.Apply(context.Background(), plan.ID, plan.Digest)
	for err == nil && !now.State.Over() {
		now, err = p.m.WaitPlan(context.Background(), plan.ID, now)
	}
	if err != nil {
		p.b.Fatalf("%v\n%s", err, p.b.story())
	}
	return now
}

func TestPlanOfAConvergedSinkIsEmptyAndChangesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.connect(5)
		p := b.start()
		p.rest(time.Minute)
		synctest.Wait() // what was last done is stored
		rows, calls := len(b.journal()), len(b.box.Puts())
		one, two := p.plan(sinks.Target{}), p.plan(sinks.Target{})
		if one.Operations != 0 || one.Requests != 0 || len(one.Profiles) != 0 || one.Looked != 5 {
			t.Errorf("%+v", one)
		}
		if one.Digest != two.Digest {
			t.Error("two plans of an unchanged world differ")
		}
		if len(b.journal()) != rows || len(b.box.Puts()) != calls {
			t.Error("a plan has changed something")
		}
		p.halt()
	})
}

func TestPlanFindsDriftAndApplyMendsIt(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(3)
		p := b.start()
		p.rest(time.Minute)
		b.box.Meddle("key-1", `{"firstName":"somebody else","city":"Paris"}`)
		plan := p.plan(sinks.Target{})
		again := p.plan(sinks.Target{})
		if plan.Operations != 1 || plan.Requests != 2 || plan.Looked != 3 || plan.Profiles[0].Profile != ids[1] || plan.Digest != again.Digest {
			t.Fatalf("%+v", plan)
		}
		op := plan.Profiles[0].Operations[0]
		shown, err := json.Marshal(op.Changes)
		if err != nil || op.Why != "differs" || string(shown) !=
			`[{"field":"city","before":"Paris","after":null},{"field":"firstName","before":"somebody else","after":"p1"}]` {
			t.Errorf("%s %s %v", op.Why, shown, err)
		}
		if p.sink().Drifted != 1 {
			t.Error("the drift is not shown")
		}
		if _, err := p.m.Apply(context.Background(), plan.ID, strings.Repeat("0", 64)); !errors.Is(err, sinks.ErrStalePlan) {
			t.Errorf("another digest: %v", err)
		}
		if done := p.apply(plan); done.State != sinks.PlanDone || done.Done != 1 || done.Parked+done.Moved != 0 {
			t.Errorf("%+v", done)
		}
		b.same(ids[1], "key-1")
		if second := p.plan(sinks.Target{}); second.Operations != 0 {
			t.Errorf("a second plan: %+v", second)
		}
		puts := len(b.box.Puts())
		if _, err := p.m.Apply(context.Background(), plan.ID, plan.Digest); err != nil || len(b.box.Puts()) != puts {
			t.Errorf("applied twice: %v", err)
		}
		p.halt()
	})
}

func TestStalePlanIsRefused(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		b.box.Meddle("key-0", `{}`)
		plan := p.plan(sinks.Target{Profile: &id})
		b.w.Set(id, "city", `"Rennes"`)
		p.rest(time.Minute)
		if _, err := p.m.Apply(context.Background(), plan.ID, plan.Digest); !errors.Is(err, sinks.ErrStalePlan) {
			t.Errorf("after an edit: %v", err)
		}
		b.box.Meddle("key-0", `{}`)
		plan = p.plan(sinks.Target{Profile: &id})
		time.Sleep(2 * sinks.PlanAge)
		if _, err := p.m.Apply(context.Background(), plan.ID, plan.Digest); !errors.Is(err, sinks.ErrStalePlan) {
			t.Errorf("after two hours: %v", err)
		}
		if _, err := p.m.Plan(context.Background(), sinks.Target{Sink: sinktest.BoxName, To: 10_000}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("beyond the end: %v", err)
		}
		p.halt()
	})
}

// TestRecoveryToAnEarlierState: the provider goes back, the checkpoints do not; the next
// edit of the entity brings the newest state.
func TestRecoveryToAnEarlierState(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		old := b.w.Set(id, "city", `"Rennes"`)
		p.rest(time.Minute)
		was := b.box.Document("key-0")
		b.w.Set(id, "city", `"Paris"`, "country", `"France"`)
		p.rest(time.Minute)
		now := b.box.Document("key-0")

		plan := p.plan(sinks.Target{To: old})
		if plan.Operations != 1 {
			t.Fatalf("%+v", plan)
		}
		p.apply(plan)
		if got := b.box.Document("key-0"); got != was {
			t.Errorf("%s, want %s", got, was)
		}
		if c := p.connection(id); c.State != sinks.InSync || c.Lanes[0].PinnedTo != old {
			t.Errorf("%+v", c)
		}
		if again := p.plan(sinks.Target{To: old}); again.Operations != 0 {
			t.Errorf("a second plan: %+v", again)
		}
		p.halt()
		p = b.start() // it stays over a restart
		b.w.Set(id, "headline", `"not the box's"`)
		p.rest(time.Minute)
		if got := b.box.Document("key-0"); got != was {
			t.Errorf("%s, want %s", got, was)
		}
		if head := p.plan(sinks.Target{}); head.Operations != 1 {
			t.Errorf("to the newest: %+v", head)
		} else {
			p.apply(head)
		}
		if got := b.box.Document("key-0"); got != now {
			t.Errorf("%s, want %s", got, now)
		}
		p.apply(p.plan(sinks.Target{To: old}))
		b.w.Set(id, "sector", `"Design"`)
		p.rest(time.Minute)
		b.same(id, "key-0")
		if c := p.connection(id); c.Lanes[0].PinnedTo != 0 {
			t.Errorf("%+v", c)
		}
		p.halt()
		b.check()
		b.replay()
	})
}

// TestNormalisationIsNoDrift: a box that writes things its own way is learned from our own
// writes, and is no difference after.
func TestNormalisationIsNoDrift(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.box.Normalise = func(body []byte) []byte { return bytes.ToLower(body) }
		id := b.w.Create("firstName", `"JANE"`)
		b.w.Bind(id, sinktest.BoxName, "key", "")
		p := b.start()
		p.rest(time.Minute)
		if plan := p.plan(sinks.Target{}); plan.Operations != 1 { // nothing was ever read back
			t.Fatalf("%+v", plan)
		} else {
			p.apply(plan)
		}
		puts := len(b.box.Puts())
		if plan := p.plan(sinks.Target{}); plan.Operations != 0 {
			t.Errorf("the second run: %+v", plan)
		}
		if len(b.box.Puts()) != puts {
			t.Error("the second run has written")
		}
		b.box.Meddle("key", `{"firstname":"mary"}`)
		if plan := p.plan(sinks.Target{}); plan.Operations != 1 {
			t.Errorf("somebody else's edit: %+v", plan)
		}
		p.halt()
	})
}

// TestApplyGoesOnAfterAKill: nothing of a plan is lost, and nothing is done twice.
func TestApplyGoesOnAfterAKill(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.RequestsPerMinute = 60
		ids := b.connect(40)
		p := b.start()
		p.rest(time.Hour)
		for i := range ids {
			b.box.Meddle(key(i), `{}`)
		}
		before := len(b.box.Puts())
		plan := p.plan(sinks.Target{})
		if plan.Operations != 40 {
			t.Fatalf("%+v", plan)
		}
		now, err := p.m.Apply(context.Background(), plan.ID, plan.Digest)
		for err == nil && now.Done < 5 {
			now, err = p.m.WaitPlan(context.Background(), plan.ID, now)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.kill()
		p.gone()
		p = b.start()
		for now, err = p.m.Progress(context.Background(), plan.ID); err == nil && !now.State.Over(); {
			now, err = p.m.WaitPlan(context.Background(), plan.ID, now)
		}
		if err != nil || now.State != sinks.PlanDone || now.Done != 40 {
			t.Fatalf("%+v, %v\n%s", now, err, b.story())
		}
		p.rest(time.Hour)
		for i, id := range ids {
			b.same(id, key(i))
		}
		if n := len(b.box.Puts()) - before; n > 40+32 { // those in flight at the kill may be sent again
			t.Errorf("%d writes for 40 lanes", n)
		}
		if again := p.plan(sinks.Target{}); again.Operations != 0 {
			t.Errorf("a second plan: %+v", again)
		}
		p.halt()
	})
}

func TestCancelledPlanStops(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.RequestsPerMinute, b.cfg.Workers = 60, 1
		ids := b.connect(200)
		p := b.start()
		p.rest(24 * time.Hour)
		for i := range ids {
			b.box.Meddle(key(i), `{}`)
		}
		before := len(b.box.Puts())
		plan := p.plan(sinks.Target{})
		if _, err := p.m.Apply(context.Background(), plan.ID, plan.Digest); err != nil {
			t.Fatal(err)
		}
		if err := p.m.Cancel(context.Background(), plan.ID); err != nil {
			t.Fatal(err)
		}
		p.rest(time.Hour)
		if n := len(b.box.Puts()) - before; n >= 200 {
			t.Errorf("%d writes after a cancel", n)
		}
		now, err := p.m.Progress(context.Background(), plan.ID)
		if err != nil || now.State != sinks.PlanCancelled {
			t.Errorf("%+v, %v", now, err)
		}
		p.halt()
	})
}
