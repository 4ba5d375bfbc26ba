package webhook

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"vitae/ledger"
)

// Status is an endpoint and how it is doing. Endpoint's secrets must not be shown.
type Status struct {
	*Endpoint
	Cursor uint64   // events before it are delivered, failed, or in a lane
	Behind int      // profiles that are behind
	Failed []Failed // events that were given up, the oldest first
}

// Create stores a new endpoint: see New for what is wrong with it.
func (m *Manager) Create(ctx context.Context, in Endpoint) (*Endpoint, error) {
	head, err := m.cfg.Feed.Head(ctx)
	if err != nil {
		return nil, err
	}
	e, err := New(ledger.NewID(m.now()), in, m.cfg.Private, head+1, m.now())
	if err != nil {
		return nil, err
	}
	return e, m.store.save(ctx, e)
}

// Check is Create without storing anything.
func (m *Manager) Check(in Endpoint) error {
	_, err := New("", in, m.cfg.Private, 0, m.now())
	return err
}

// List gives every endpoint, the oldest first.
func (m *Manager) List(ctx context.Context) ([]*Endpoint, error) { return m.store.endpoints(ctx) }

// Get gives an endpoint; ledger.ErrNotFound.
func (m *Manager) Get(ctx context.Context, id string) (*Status, error) {
	e, err := m.store.endpoint(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &Status{Endpoint: e}
	if s.Cursor, err = m.store.cursor(ctx, id, e.From); err != nil {
		return nil, err
	}
	lanes, err := m.store.Keys(ctx, key(lanePrefix, id))
	if err != nil {
		return nil, err
	}
	s.Behind = len(lanes)
	s.Failed, err = m.store.failed(ctx, id)
	return s, err
}

// Delete takes an endpoint away with everything about it but its attempts.
func (m *Manager) Delete(ctx context.Context, id string) error { return m.store.purge(ctx, id) }

// Rotate gives an endpoint a new secret; the old one signs beside it for a day.
func (m *Manager) Rotate(ctx context.Context, id string) (*Endpoint, error) {
	return m.store.change(ctx, id, func(e *Endpoint) { e.Rotate(m.now()) })
}

// Ask enables an endpoint and has events offered again.
func (m *Manager) Ask(ctx context.Context, id string, want Redrive) (*Endpoint, error) {
	return m.store.change(ctx, id, func(e *Endpoint) {
		want.N = e.Redrive.N + 1
		e.State, e.Why, e.Redrive = Enabled, "", want
	})
}

// Test sends an event that is about nothing to an endpoint, once, also to one that is
// disabled, and says what came of it.
func (m *Manager) Test(ctx context.Context, id string) (Attempt, error) {
	e, err := m.store.endpoint(ctx, id)
	if err != nil {
		return Attempt{}, err
	}
	now := m.now()
	event := ledger.CloudEvent{ID: ledger.NewID(now), Source: m.cfg.Feed.Source(), Type: TypeTest, Time: moment(now), Data: []byte(`{}`)}
	a := m.caller.call(ctx, e, event.ID, ledger.AppendCloudEvent(nil, &event))
	rec := Attempt{Endpoint: e.ID, Event: event.ID, Type: event.Type, N: 1, At: moment(now), Millis: a.took.Milliseconds(), Outcome: a.outcome, Status: a.status, Why: a.why, Last: true}
	return rec, m.cfg.Attempts.Append(ctx, rec)
}

// TypeTest is the event of a test.
const TypeTest = "vitae.webhook.test.v1"

// Attempts lists what was tried, the oldest first, behind a place.
func (m *Manager) Attempts(ctx context.Context, id string, after uint64, limit int) ([]Attempt, bool, error) {
	return m.cfg.Attempts.List(ctx, id, after, limit)
}

// redriveKey has the number of the last redrive that was carried out.
func redriveKey(id string) string { return key("redriven", id) }

// redriven carries out what was asked for last, if that is not done: it moves the places
// back, lets lanes go on at once, and gives the failed events that are to be offered once
// more. It is done when it returns; a crash before means that it is done again.
func (m *Manager) redriven(ctx context.Context, e *Endpoint) ([]Failed, error) {
	b, _, err := m.store.Get(ctx, redriveKey(e.ID))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	if string(b) == strconv.Itoa(e.Redrive.N) || e.Redrive.N == 0 {
		return nil, nil
	}
	want := e.Redrive
	failed, err := m.store.failed(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	lanes, err := m.store.lanes(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	if want.Since > 0 {
		at, err := m.store.cursor(ctx, e.ID, e.From)
		if err != nil {
			return nil, err
		}
		if want.Since < at {
			if err := m.store.setCursor(ctx, e.ID, want.Since); err != nil {
				return nil, err
			}
		}
		// From there on everything is offered anyway.
		for _, f := range failed {
			if f.Seq >= want.Since {
				if err := m.store.Delete(ctx, key(failedPrefix, e.ID, strconv.FormatUint(f.Seq, 10))); err != nil {
					return nil, err
				}
			}
		}
	}
	for p, l := range lanes {
		name := key(lanePrefix, e.ID, p)
		if want.Since > 0 && l.Next >= want.Since {
			err = m.store.Delete(ctx, name)
		} else {
			err = m.store.set(ctx, name, laneRecord{Next: l.Next})
		}
		if err != nil {
			return nil, err
		}
	}
	failed = slices.DeleteFunc(failed, func(f Failed) bool { return want.Since > 0 || want.Event != "" && f.Event != want.Event })
	return failed, m.store.Set(ctx, redriveKey(e.ID), []byte(strconv.Itoa(want.N)))
}
