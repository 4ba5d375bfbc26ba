package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"vitae/ledger"
	"vitae/sinks"
)

// fakeSinks is one sink named mokaru, with what a test has parked there and planned.
type fakeSinks struct {
	mu      sync.Mutex
	changed *sync.Cond
	paused  map[string]bool
	edits   []sinks.ParkedEdit
	caught  []ledger.Seq // what was waited for
	// catch, when set, is what becomes of that wait.
	catch    func(context.Context) error
	plan     *sinks.Plan
	targets  []sinks.Target
	applied  int
	progress sinks.Progress
}

func newFakeSinks() *fakeSinks {
	f := &fakeSinks{paused: map[string]bool{}}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *fakeSinks) Sink(_ context.Context, name string) (sinks.Sink, error) {
	if name != "mokaru" {
		return sinks.Sink{}, fmt.Errorf("sink: %w", ledger.ErrNotFound)
	}
	return sinks.Sink{Name: name, Health: sinks.HealthActive, Lanes: map[sinks.Phase]int{}}, nil
}

func (f *fakeSinks) Sinks(ctx context.Context) ([]sinks.Sink, error) {
	s, err := f.Sink(ctx, "mokaru")
	return []sinks.Sink{s}, err
}

func (f *fakeSinks) Connections(context.Context, ledger.ProfileID) ([]sinks.Connection, error) {
	return []sinks.Connection{{Provider: "mokaru", State: sinks.InSync, Lanes: []sinks.Lane{}}}, nil
}

func (f *fakeSinks) set(name string, to bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "mokaru" {
		return ledger.ErrNotFound
	}
	f.paused[name] = to
	return nil
}

func (f *fakeSinks) Pause(_ context.Context, name string) error  { return f.set(name, true) }
func (f *fakeSinks) Resume(_ context.Context, name string) error { return f.set(name, false) }

func (f *fakeSinks) Parked(ctx context.Context, name string) ([]sinks.ParkedEdit, error) {
	if _, err := f.Sink(ctx, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.edits), nil
}

func (f *fakeSinks) ParkedEdit(ctx context.Context, name string, id sinks.ID) (sinks.ParkedEdit, error) {
	all, err := f.Parked(ctx, name)
	if err != nil {
		return sinks.ParkedEdit{}, err
	}
	i := slices.IndexFunc(all, func(e sinks.ParkedEdit) bool { return e.ID == id })
	if i < 0 {
		return sinks.ParkedEdit{}, fmt.Errorf("parked edit: %w", ledger.ErrNotFound)
	}
	return all[i], nil
}

func (f *fakeSinks) CaughtUp(ctx context.Context, seq ledger.Seq) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caught = append(f.caught, seq)
	if f.catch != nil {
		return f.catch(ctx)
	}
	return nil
}

func (f *fakeSinks) Metrics(context.Context) ([]sinks.Metrics, error) {
	return []sinks.Metrics{{Sink: "mokaru", Lanes: map[sinks.Phase]int{sinks.Parked: 1}, OldestSeconds: map[sinks.Phase]float64{sinks.Parked: 7},
		Calls: map[string]uint64{"ok": 3}, Resolved: map[string]uint64{"read": 2}, Renewals: map[string]uint64{"APPLIED": 1}, Health: sinks.HealthFailing}}, nil
}

func (f *fakeSinks) Plan(ctx context.Context, t sinks.Target) (*sinks.Plan, error) {
	if _, err := f.Sink(ctx, t.Sink); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = append(f.targets, t)
	return f.plan, nil
}

func (f *fakeSinks) Apply(_ context.Context, id sinks.ID, digest string) (sinks.Progress, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.plan == nil || f.plan.ID != id:
		return sinks.Progress{}, fmt.Errorf("plan: %w", ledger.ErrNotFound)
	case f.plan.Digest != digest:
		return sinks.Progress{}, fmt.Errorf("the digest: %w", sinks.ErrStalePlan)
	}
	if f.applied++; f.applied == 1 {
		f.progress = sinks.Progress{Plan: id, Sink: "mokaru", State: sinks.PlanApplying, Total: 3}
	}
	return f.progress, nil
}

// advance brings the plan further.
func (f *fakeSinks) advance(change func(*sinks.Progress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.progress)
	f.changed.Broadcast()
}

func (f *fakeSinks) Cancel(_ context.Context, id sinks.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.progress.Plan != id || id.IsZero() {
		return ledger.ErrNotFound
	}
	f.progress.State = sinks.PlanCancelled
	f.changed.Broadcast()
	return nil
}

func (f *fakeSinks) WaitPlan(ctx context.Context, id sinks.ID, was sinks.Progress) (sinks.Progress, error) {
	defer context.AfterFunc(ctx, f.changed.Broadcast)()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.progress.Plan != id || id.IsZero() {
		return was, ledger.ErrNotFound
	}
	for f.progress == was && !f.progress.State.Over() {
		if err := ctx.Err(); err != nil {
			return was, err
		}
		f.changed.Wait()
	}
	return f.progress, nil
}

func (f *fakeSinks) Clearing(_ context.Context, emptied *ledger.Profile) ([]sinks.Clearing, error) {
	return []sinks.Clearing{{Provider: "mokaru", Clears: []sinks.Held{{Entity: "profile", Fields: []string{"phone"}}},
		Stays: []sinks.Held{{Entity: "profile", Fields: slices.Sorted(maps.Keys(emptied.Shared))}}}}, nil
}
