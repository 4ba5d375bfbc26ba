package sinks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Names are the sinks that run, in the order of Options.Providers.
func (m *Manager) Names() []string { return slices.Clone(m.names) }

// sinkOf finds a sink that runs.
func (m *Manager) sinkOf(name string) (*sink, error) {
	if s := m.sinks[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("sink %s: %w", name, ledger.ErrNotFound)
}

// stored waits until a change is on stable storage. An error ends the run.
func (m *Manager) stored(ctx context.Context, t *stream.Ticket) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.Done():
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ledger.ErrUnknown, ctx.Err())
	}
	pos, err := t.Wait(ctx)
	if err != nil {
		m.fail(err)
		return fmt.Errorf("sinks: %w: %w", ledger.ErrUnavailable, err)
	}
	m.mu.Lock()
	m.storedPos = max(m.storedPos, pos)
	m.mu.Unlock()
	return nil
}

// Pause stops a sink: edits wait, a call under way is finished. Durable on nil. Errors:
// ledger.ErrNotFound for a sink that does not run, ledger.ErrUnavailable.
func (m *Manager) Pause(ctx context.Context, name string) error {
	return m.switchSink(ctx, name, Paused, "by an operator")
}

// Resume lets a sink go on, and every account of it that was paused. Durable on nil;
// errors as Pause.
func (m *Manager) Resume(ctx context.Context, name string) error {
	return m.switchSink(ctx, name, Running, "")
}

func (m *Manager) switchSink(ctx context.Context, name string, to SinkState, reason string) error {
	s, err := m.sinkOf(name)
	if err != nil {
		return err
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	t, err := m.setSink(name, to, reason)
	if err == nil && to == Running {
		s.breaker = &breaker{}
		for _, list := range m.table.accounts {
			for _, a := range list {
				if a.rec.Sink == name && a.rec.State == Paused && err == nil {
					t, err = m.setAccount(a, Running, "", "")
				}
			}
		}
	}
	m.rescheduleSink(name)
	m.signal()
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.stored(ctx, t)
}

// ResumeAccount lets one profile's connection go on. Durable on nil. Errors: as Pause,
// and ledger.ErrNotFound when there is no such connection.
func (m *Manager) ResumeAccount(ctx context.Context, name string, profile ledger.ProfileID) error {
	if _, err := m.sinkOf(name); err != nil {
		return err
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	a := m.table.account(AccountKey{name, profile})
	if a == nil {
		m.mu.Unlock()
		return fmt.Errorf("connection to %s: %w", name, ledger.ErrNotFound)
	}
	t, err := m.setAccount(a, Running, "", "")
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.stored(ctx, t)
}

// Parked lists the edits of a sink that wait for a person, and those whose outcome is not
// known yet, the oldest first.
func (m *Manager) Parked(ctx context.Context, name string) ([]ParkedEdit, error) {
	if _, err := m.sinkOf(name); err != nil {
		return nil, err
	}
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	out := []ParkedEdit{}
	m.mu.Lock()
	m.eachLane(name, func(l *lane) {
		if l.rec.Phase == Parked || l.rec.Phase == Uncertain {
			out = append(out, parkedEdit(&l.rec))
		}
	})
	m.mu.Unlock()
	slices.SortFunc(out, func(a, b ParkedEdit) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.ID.String(), b.ID.String()), slices.Compare(a.Profile[:], b.Profile[:]),
			strings.Compare(a.Entity, b.Entity))
	})
	return out, nil
}

func parkedEdit(r *Record) ParkedEdit {
	policy, _ := PolicyOf(r.Class)
	more := r.More()
	e := ParkedEdit{Phase: r.Phase, Profile: r.Profile, Entity: r.Entity, Class: r.Class, Verb: r.Verb, Since: r.Since, Seq: r.ToSeq, SentAt: r.SentAt,
		Fingerprint: r.SentHash, Attempts: r.Attempts, Evidence: r.Last, NextAt: r.SettleUntil, Choices: []Action{}, Code: ParkUncertain,
		Reason: "the outcome is not known yet: it is looked up when the request can no longer land"}
	if more.ReadAt != 0 {
		e.LastRead = &ReadRow{At: more.ReadAt, Times: more.Reads, Matches: more.Seen}
	}
	if r.Phase == Parked {
		e.ID, e.Code, e.Reason, e.Since, e.NextAt, e.Choices = r.Park.ID, r.Park.Code, r.Park.Reason, r.Park.Since, 0, slices.Clone(policy.Choices)
	}
	return e
}

// ParkedEdit finds a parked edit by its id. Errors: ledger.ErrNotFound when nothing is
// parked under that id (any more), and those of Parked.
func (m *Manager) ParkedEdit(ctx context.Context, name string, id ID) (ParkedEdit, error) {
	if _, err := m.sinkOf(name); err != nil {
		return ParkedEdit{}, err
	}
	if err := m.await(ctx); err != nil {
		return ParkedEdit{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.parkedLane(name, id); l != nil {
		return parkedEdit(&l.rec), nil
	}
	return ParkedEdit{}, fmt.Errorf("parked edit %s: %w", id, ledger.ErrNotFound)
}

// parkedLane finds a lane by its parked edit. The mutex is held.
func (m *Manager) parkedLane(name string, id ID) (found *lane) {
	m.eachLane(name, func(l *lane) {
		if l.rec.Phase == Parked && l.rec.Park.ID == id {
			found = l
		}
	})
	return found
}

// CaughtUp waits until the sinks have taken in the commit, and what that moved is stored.
// What a person decided about a parked edit (a decided event) is done then.
func (m *Manager) CaughtUp(ctx context.Context, seq ledger.Seq) error {
	if err := m.await(ctx); err != nil {
		return err
	}
	return m.until(ctx, func() bool { return m.position >= seq })
}

// until blocks until something is so. The condition is asked with the mutex held.
func (m *Manager) until(ctx context.Context, is func() bool) error {
	m.mu.Lock()
	m.waiters++
	defer func() {
		m.mu.Lock()
		m.waiters--
		m.mu.Unlock()
	}()
	for {
		ok, changed, fatal := is(), m.changed, m.fatal
		m.mu.Unlock()
		if ok {
			return nil
		}
		if fatal != nil {
			return fatal
		}
		select {
		case <-changed:
		case <-m.done:
			return fmt.Errorf("sinks: stopped: %w", ledger.ErrUnavailable)
		case <-ctx.Done():
			return ctx.Err()
		}
		m.mu.Lock()
	}
}

// decision is the value of a decided event.
type decision struct {
	Action Action `json:"action"`
	Park   ID     `json:"park"`
}

// decided does what a person decided about a parked edit. What is not parked any more, or
// may not be decided like that, is left as it is: the ledger shows who asked for what.
// The mutex is held.
func (m *Manager) decided(k AccountKey, d decision, actor string, seq ledger.Seq) (*stream.Ticket, error) {
	a := m.table.account(k)
	if a == nil {
		return nil, nil
	}
	for _, l := range a.lanes {
		if l.rec.Phase != Parked || l.rec.Park.ID != d.Park {
			continue
		}
		event, err := eventOf(l.rec.Class, d.Action)
		if err != nil {
			m.log.Warn("sinks: a decision that the lane does not have", "sink", k.Sink, "profile", k.Profile, "action", d.Action)
			return nil, nil
		}
		capability, _ := SplitEntity(l.rec.Entity)
		if l.rec.Park.Code == ParkCapability && event == DecideRetry && slices.Contains(a.rec.Off, capability) {
			rec := a.rec
			rec.Off = slices.DeleteFunc(slices.Clone(rec.Off), func(s string) bool { return s == capability })
			if _, err := m.putAccount(a, rec); err != nil {
				return nil, err
			}
		}
		t, err := m.step(l, l.rec.Rev, Input{Event: event, At: StampOf(time.Now()), Decision: &Decision{Actor: actor, Seq: seq}})
		if err != nil {
			return nil, err
		}
		l.fails, l.hold, l.early = 0, time.Time{}, false
		m.reschedule(l)
		m.awaken(l)
		return t, nil
	}
	return nil, nil
}

func eventOf(c Class, a Action) (Event, error) {
	policy, _ := PolicyOf(c)
	if !slices.Contains(policy.Choices, a) {
		return 0, fmt.Errorf("%s for a lane of class %s: %w", a, c, ledger.ErrNotAllowed)
	}
	switch a {
	case Retry:
		return DecideRetry, nil
	case MarkDone:
		return DecideDone, nil
	case Recreate:
		return DecideRecreate, nil
	default:
		return DecideSkip, nil
	}
}

// eachLane visits the lanes of a sink; the mutex is held.
func (m *Manager) eachLane(name string, visit func(*lane)) {
	for _, list := range m.table.accounts {
		for _, a := range list {
			if a.rec.Sink != name {
				continue
			}
			for _, l := range a.lanes {
				visit(l)
			}
		}
	}
}

// Rest is what Wait has found.
type Rest struct {
	Parked int // lanes that wait for a person
}

// Wait blocks until every commit that is in the ledger now is taken in, and every lane
// (of the profile, when one is given; of all otherwise) is idle or parked. A paused sink
// or account with something to deliver never gets there: ctx ends the wait, with its
// error.
func (m *Manager) Wait(ctx context.Context, profile *ledger.ProfileID) (Rest, error) {
	if err := m.await(ctx); err != nil {
		return Rest{}, err
	}
	head, err := m.opt.Ledger.Head(ctx)
	if err != nil {
		return Rest{}, err
	}
	var rest Rest
	err = m.until(ctx, func() (ok bool) {
		rest, ok = m.atRest(head.Seq, profile)
		return ok
	})
	return rest, err
}

// atRest says whether everything up to head is taken in and at rest. The mutex is held.
func (m *Manager) atRest(head ledger.Seq, profile *ledger.ProfileID) (rest Rest, ok bool) {
	if m.position < head || profile == nil && m.moving > 0 {
		return rest, false
	}
	ok = true
	look := func(list []*account) {
		for _, a := range list {
			if m.sinks[a.rec.Sink] == nil {
				continue
			}
			for _, l := range a.lanes {
				if l.rec.Phase == Parked {
					rest.Parked++
				}
				ok = ok && l.resting()
			}
		}
	}
	if profile != nil {
		look(m.table.accounts[*profile])
		return rest, ok
	}
	for _, list := range m.table.accounts {
		look(list)
	}
	return rest, ok
}
