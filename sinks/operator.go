package sinks

import (
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

// Parked lists the edits of a sink that wait for a person, the oldest first.
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
		if l.rec.Phase == Parked {
			out = append(out, parkedEdit(&l.rec))
		}
	})
	m.mu.Unlock()
	slices.SortFunc(out, func(a, b ParkedEdit) int {
		if a.Since != b.Since {
			return int(a.Since - b.Since)
		}
		return strings.Compare(a.ID.String(), b.ID.String())
	})
	return out, nil
}

func parkedEdit(r *Record) ParkedEdit {
	policy, _ := PolicyOf(r.Class)
	return ParkedEdit{ID: r.Park.ID, Profile: r.Profile, Entity: r.Entity, Class: r.Class, Code: r.Park.Code, Reason: r.Park.Reason, Since: r.Park.Since,
		Seq: r.ToSeq, SentAt: r.SentAt, Attempts: r.Attempts, Evidence: r.Last, Choices: slices.Clone(policy.Choices)}
}

// Decide does what a person decided about a parked edit. The decision is durable on nil,
// with the actor ("admin", "key:<id>") and the reason, which is sealed. Errors:
// ledger.ErrNotFound when nothing is parked under that id (any more),
// ledger.ErrNotAllowed for an action that the class does not have.
func (m *Manager) Decide(ctx context.Context, name string, id ID, action Action, reason, actor string) error {
	if _, err := m.sinkOf(name); err != nil {
		return err
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	var found *lane
	m.eachLane(name, func(l *lane) {
		if l.rec.Phase == Parked && l.rec.Park.ID == id {
			found = l
		}
	})
	if found == nil {
		m.mu.Unlock()
		return fmt.Errorf("parked edit %s: %w", id, ledger.ErrNotFound)
	}
	rec := found.rec
	m.mu.Unlock()
	event, err := eventOf(rec.Class, action)
	if err != nil {
		return err
	}
	now := time.Now()
	decision := &Decision{Actor: actor, ID: NewID(now)}
	if reason != "" {
		if decision.Reason, err = m.opt.Vault.Seal(rec.Profile, ledger.CommitID(decision.ID), ledger.ReasonIndex, []byte(reason)); err != nil {
			return err
		}
	}
	m.mu.Lock()
	t, err := m.step(found, rec.Rev, Input{Event: event, At: StampOf(now), Decision: decision})
	if err == nil {
		found.fails, found.hold, found.early = 0, time.Time{}, false
		m.reschedule(found)
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.stored(ctx, t)
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
	m.mu.Lock()
	m.waiters++
	defer func() {
		m.mu.Lock()
		m.waiters--
		m.mu.Unlock()
	}()
	for {
		rest, ok := m.atRest(head.Seq, profile)
		changed, fatal := m.changed, m.fatal
		m.mu.Unlock()
		if ok {
			return rest, nil
		}
		if fatal != nil {
			return rest, fatal
		}
		select {
		case <-changed:
		case <-m.done:
			return rest, fmt.Errorf("sinks: stopped: %w", ledger.ErrUnavailable)
		case <-ctx.Done():
			return rest, ctx.Err()
		}
		m.mu.Lock()
	}
}

func (m *Manager) atRest(head ledger.Seq, profile *ledger.ProfileID) (rest Rest, ok bool) {
	ok = m.position >= head
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
