package sinks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Progress is how far the application of a plan is.
type Progress struct {
	Plan  ID        `json:"plan"`
	Sink  string    `json:"sink"`
	State PlanState `json:"state"`
	Total int       `json:"total"`
	// Done are the lanes that are where the plan wants them, Parked those that wait for a
	// person, Moved those that somebody's newer edit or connection took out of it.
	Done   int `json:"done"`
	Parked int `json:"parked"`
	Moved  int `json:"moved"`
}

// PlanState is how a plan stands.
type PlanState string

// The states of a plan.
const (
	PlanOpen      PlanState = "open"
	PlanApplying  PlanState = "applying"
	PlanDone      PlanState = "done"
	PlanCancelled PlanState = "cancelled"
)

// Over says that nothing more will come of it.
func (s PlanState) Over() bool { return s == PlanDone || s == PlanCancelled }

// planRecord is a plan that is being applied, as it is stored: what goes on after a kill.
// Its lanes come in records of planChunk, after the first one.
type planRecord struct {
	ID    ID            `json:"id"`
	Sink  string        `json:"sink"`
	To    ledger.Seq    `json:"to,omitempty"`
	State PlanState     `json:"state"`
	Total int           `json:"total"`
	Lanes []plannedLane `json:"lanes,omitempty"` // to be added to those there are
}

// planChunk is how many lanes one record of a plan has.
const planChunk = 1000

// application is a plan that is being applied.
type application struct {
	rec  planRecord // with all of its lanes
	next int        // the first that was not set in motion
	set  []*lane    // those that were, and may be under way
	done Progress
}

// abreast is how many lanes an application keeps in motion: enough for the workers, and
// few enough that everybody's edits go between them.
const abreast = 64

// Apply sets an open plan in motion. It returns when that is durable; the application
// goes on by itself, over restarts, at the provider's rate: see Progress. Errors:
// ledger.ErrNotFound for a plan that this process did not make (or that is too old),
// ErrStalePlan when the digest is not the plan's or anything that it stands on has moved.
func (m *Manager) Apply(ctx context.Context, id ID, digest string) (Progress, error) {
	if err := m.await(ctx); err != nil {
		return Progress{}, err
	}
	m.mu.Lock()
	i := slices.IndexFunc(m.plans, func(p *Plan) bool { return p.ID == id })
	if i < 0 {
		m.mu.Unlock()
		return Progress{}, fmt.Errorf("plan %s: %w", id, ledger.ErrNotFound)
	}
	p := m.plans[i]
	if a := m.applying[id]; a != nil && p.Digest == digest {
		defer m.mu.Unlock()
		return a.done, nil // asked again
	}
	m.mu.Unlock()
	if err := m.fresh(ctx, p, digest); err != nil {
		return Progress{}, err
	}
	m.mu.Lock()
	if m.applying[id] != nil {
		defer m.mu.Unlock()
		return m.applying[id].done, nil
	}
	a := &application{rec: planRecord{ID: id, Sink: p.Sink, To: p.To, State: PlanApplying, Total: len(p.lanes)}}
	t, err := m.enqueue(change{Plan: &a.rec})
	for chunk := range slices.Chunk(p.lanes, planChunk) {
		if err == nil {
			part := a.rec
			part.Lanes = chunk
			t, err = m.enqueue(change{Plan: &part})
		}
	}
	if err == nil {
		p.State = string(PlanApplying)
		a.rec.Lanes = p.lanes
		m.begin(a)
	}
	m.mu.Unlock()
	if err != nil {
		return Progress{}, err
	}
	return a.done, m.stored(ctx, t)
}

// fresh says whether everything that a plan stands on is as it was.
func (m *Manager) fresh(ctx context.Context, p *Plan, digest string) error {
	switch {
	case p.Digest != digest:
		return fmt.Errorf("the digest is not this plan's: %w", ErrStalePlan)
	case time.Since(p.MadeAt.Time()) > PlanAge:
		return fmt.Errorf("it is too old: %w", ErrStalePlan)
	}
	for id, seq := range p.seqs {
		now, err := m.opt.States.Profile(ctx, id, 0)
		if err != nil {
			return err
		}
		if now.Seq != seq {
			return fmt.Errorf("profile %s was edited: %w", id, ErrStalePlan)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, planned := range p.lanes {
		a := m.table.account(planned.Account())
		if a == nil {
			return fmt.Errorf("profile %s is not connected any more: %w", planned.Profile, ErrStalePlan)
		}
		rev := uint64(0)
		if l := a.lane(planned.Entity); l != nil {
			rev = l.rec.Rev
		}
		if rev != planned.Rev {
			return fmt.Errorf("%s of profile %s has moved: %w", planned.Entity, planned.Profile, ErrStalePlan)
		}
	}
	return nil
}

// Cancel ends an application: what was set in motion is finished, the rest stays as it
// is. Durable on nil. ledger.ErrNotFound for a plan that is not being applied.
func (m *Manager) Cancel(ctx context.Context, id ID) error {
	if err := m.await(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	a := m.applying[id]
	if a == nil {
		m.mu.Unlock()
		return fmt.Errorf("plan %s: %w", id, ledger.ErrNotFound)
	}
	if a.rec.State.Over() {
		m.mu.Unlock()
		return nil
	}
	t, err := m.endPlan(a, PlanCancelled)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.stored(ctx, t)
}

// Progress says how far a plan is. ledger.ErrNotFound when it is not being applied.
func (m *Manager) Progress(ctx context.Context, id ID) (Progress, error) {
	if err := m.await(ctx); err != nil {
		return Progress{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.applying[id]; a != nil {
		return a.done, nil
	}
	return Progress{}, fmt.Errorf("plan %s: %w", id, ledger.ErrNotFound)
}

// WaitPlan waits until a plan has come further than it was, or is over.
func (m *Manager) WaitPlan(ctx context.Context, id ID, was Progress) (now Progress, err error) {
	if err := m.await(ctx); err != nil {
		return was, err
	}
	var gone bool
	err = m.until(ctx, func() bool {
		a := m.applying[id]
		if gone = a == nil; gone {
			return true
		}
		now = a.done
		return now != was || now.State.Over()
	})
	if err == nil && gone {
		err = fmt.Errorf("plan %s: %w", id, ledger.ErrNotFound)
	}
	return now, err
}

// begin puts an application to work. The mutex is held.
func (m *Manager) begin(a *application) {
	a.done = Progress{Plan: a.rec.ID, Sink: a.rec.Sink, State: a.rec.State, Total: a.rec.Total}
	m.applying[a.rec.ID] = a
	m.signal()
}

// endPlan stores how an application ended. The mutex is held.
func (m *Manager) endPlan(a *application, s PlanState) (*stream.Ticket, error) {
	end := a.rec
	end.State, end.Lanes = s, nil
	t, err := m.enqueue(change{Plan: &end})
	if err != nil {
		return nil, err
	}
	a.rec.State, a.done.State, a.rec.Lanes, a.set = s, s, nil, nil
	for _, p := range m.plans {
		if p.ID == a.rec.ID {
			p.State = string(s)
		}
	}
	m.signal()
	return t, nil
}

// pursue carries out the applications, as lanes come to rest.
func (m *Manager) pursue(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		m.mu.Lock()
		busy := false
		for _, a := range m.applying {
			if a.rec.State.Over() {
				continue
			}
			busy = true
			if err := m.push(a); err != nil {
				m.mu.Unlock()
				m.fail(err)
				return
			}
		}
		var changed chan struct{}
		if busy {
			m.waiters++
			changed = m.changed
		}
		m.mu.Unlock()
		if busy {
			// Lanes move all the time: looking once in a while is enough.
			pause(ctx, 20*time.Millisecond)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tick.C:
		}
		if busy {
			m.mu.Lock()
			m.waiters--
			m.mu.Unlock()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// push sets lanes in motion, and looks what has become of those that are. The mutex is held.
func (m *Manager) push(a *application) error {
	was := a.done
	a.set = slices.DeleteFunc(a.set, func(l *lane) bool {
		switch {
		case l.gone || l.rec.More().Plan != a.rec.ID:
			a.done.Moved++
		case l.rec.Phase == Parked && l.resting():
			a.done.Parked++
		case l.rec.Phase == Idle && !l.busy && l.clean():
			a.done.Done++
		default:
			return false
		}
		return true
	})
	for a.next < len(a.rec.Lanes) && len(a.set) < abreast {
		planned := a.rec.Lanes[a.next]
		l, ready, err := m.reproject(a, planned)
		if err != nil {
			return err
		}
		if !ready {
			break // it is busy: those after it can wait
		}
		a.next++
		if l == nil {
			a.done.Moved++
		} else {
			a.set = append(a.set, l)
		}
	}
	if a.next == len(a.rec.Lanes) && len(a.set) == 0 {
		_, err := m.endPlan(a, PlanDone)
		return err
	}
	if a.done != was {
		m.signal()
	}
	return nil
}

// reproject sets one lane in motion, if it was not (by a run before this one); l is nil
// when the lane is none any more. The mutex is held.
func (m *Manager) reproject(a *application, planned plannedLane) (l *lane, ready bool, err error) {
	acct, s := m.table.account(planned.Account()), m.sinks[planned.Sink]
	if acct == nil || s == nil {
		return nil, true, nil
	}
	if l = m.ensureLane(s, acct, planned.Entity); l == nil {
		return nil, true, nil
	}
	switch {
	case l.rec.More().Plan == a.rec.ID:
		return l, true, nil
	case l.busy || l.rec.Phase == InFlight || l.rec.Phase == Uncertain || l.rec.Phase == Taken:
		return nil, false, nil
	}
	in := Input{Event: Reproject, At: StampOf(time.Now()), Plan: a.rec.ID, Pin: a.rec.To}
	if _, err := m.step(l, l.rec.Rev, in); err != nil {
		return nil, false, err
	}
	l.fails, l.hold, acct.listed = 0, time.Time{}, nil // what was listed before is what the plan doubts
	m.reschedule(l)
	return l, true, nil
}

// applyPlan folds a record of a plan.
func (t *table) applyPlan(r *planRecord) {
	old := t.plans[r.ID]
	if old == nil {
		old = &planRecord{}
		t.plans[r.ID] = old
	}
	lanes := append(old.Lanes, r.Lanes...)
	*old = *r
	if old.Lanes = lanes; len(r.Lanes) == 0 {
		old.Lanes = nil // the first record of the plan, or its last
	}
}

// resumePlans takes up what earlier runs were applying. The mutex is held.
func (m *Manager) resumePlans() {
	for _, r := range m.table.plans {
		a := &application{rec: *r}
		m.begin(a)
		if r.State.Over() {
			a.done.Done = r.Total
		} else {
			a.done.Moved = r.Total - len(r.Lanes) // lanes of profiles that were erased
		}
	}
}

// rewritePlans keeps the plans over a compaction. The mutex is held.
func (m *Manager) rewritePlans() (t *stream.Ticket, err error) {
	for _, id := range slices.SortedFunc(maps.Keys(m.applying), func(a, b ID) int { return slices.Compare(a[:], b[:]) }) {
		a := m.applying[id]
		if a.rec.State.Over() {
			continue // it was told to whoever asked since
		}
		head := a.rec
		head.Lanes = nil
		if t, err = m.enqueue(change{Plan: &head}); err != nil {
			return t, err
		}
		for chunk := range slices.Chunk(a.rec.Lanes, planChunk) {
			part := head
			part.Lanes = chunk
			if t, err = m.enqueue(change{Plan: &part}); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}
