package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// delivery runs the sinks on whichever instance owns the lanes: always this one on the
// embedded engine, the one with the lease on a cluster. It is the sinks' face for the
// API; an instance that does not own the lanes answers ledger.ErrUnavailable.
type delivery struct {
	log *slog.Logger
	// open makes a manager for one tenure.
	open func(valid func() bool) (*sinks.Manager, error)
	// lead waits until this instance may own the lanes; nil where it always does.
	lead func(ctx context.Context) (valid func() bool, lost <-chan struct{}, release func(), err error)

	mu  sync.Mutex
	now *sinks.Manager
	err error // why the sinks do not run although they should
}

// run delivers until ctx ends.
func (d *delivery) run(ctx context.Context) {
	for {
		err := d.tenure(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errLeaseLost) {
			d.set(nil, nil) // another instance runs them
			d.log.Info("the lease of the sinks was lost; another instance goes on")
		} else {
			d.set(nil, err)
			d.log.Error("the sinks have stopped; edits wait", "error", err)
		}
		if errors.Is(err, sinks.ErrAhead) {
			return // a person must look; until then nothing is sent
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (d *delivery) tenure(ctx context.Context) error {
	valid := func() bool { return true }
	var lost <-chan struct{}
	if d.lead != nil {
		may, ended, release, err := d.lead(ctx)
		if err != nil {
			return err
		}
		lost = ended
		defer release()
		leading, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-lost:
				cancel()
			case <-leading.Done():
			}
		}()
		ctx, valid = leading, may
	}
	m, err := d.open(valid)
	if err != nil {
		return err
	}
	d.set(m, nil)
	err = m.Run(ctx)
	if isLost(lost) && (err == nil || errors.Is(err, sinks.ErrTakenOver)) {
		return errLeaseLost
	}
	return err
}

// errLeaseLost ends a tenure that another instance goes on with.
var errLeaseLost = errors.New("the lease was lost")

// isLost says whether the lease is; where there is none it never is.
func isLost(lost <-chan struct{}) bool {
	select {
	case <-lost:
		return true
	default:
		return false
	}
}

func (d *delivery) set(m *sinks.Manager, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.err = m, err
}

func (d *delivery) manager() (*sinks.Manager, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.now != nil:
		return d.now, nil
	case d.err != nil:
		return nil, fmt.Errorf("%w: the sinks do not run: %w", ledger.ErrUnavailable, d.err)
	}
	return nil, fmt.Errorf("%w: another instance runs the sinks", ledger.ErrUnavailable)
}

// Sinks implements api.Sinks.
func (d *delivery) Sinks(ctx context.Context) ([]sinks.Sink, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Sinks(ctx)
}

// Sink implements api.Sinks.
func (d *delivery) Sink(ctx context.Context, name string) (sinks.Sink, error) {
	m, err := d.manager()
	if err != nil {
		return sinks.Sink{}, err
	}
	return m.Sink(ctx, name)
}

// Connections implements api.Sinks.
func (d *delivery) Connections(ctx context.Context, profile ledger.ProfileID) ([]sinks.Connection, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Connections(ctx, profile)
}

// Parked implements api.Sinks.
func (d *delivery) Parked(ctx context.Context, name string) ([]sinks.ParkedEdit, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Parked(ctx, name)
}

// Metrics implements api.Sinks.
func (d *delivery) Metrics(ctx context.Context) ([]sinks.Metrics, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Metrics(ctx)
}

// Pause implements api.Sinks.
func (d *delivery) Pause(ctx context.Context, name string) error {
	m, err := d.manager()
	if err != nil {
		return err
	}
	return m.Pause(ctx, name)
}

// Resume implements api.Sinks.
func (d *delivery) Resume(ctx context.Context, name string) error {
	m, err := d.manager()
	if err != nil {
		return err
	}
	return m.Resume(ctx, name)
}

// ParkedEdit implements api.Sinks.
func (d *delivery) ParkedEdit(ctx context.Context, name string, id sinks.ID) (sinks.ParkedEdit, error) {
	m, err := d.manager()
	if err != nil {
		return sinks.ParkedEdit{}, err
	}
	return m.ParkedEdit(ctx, name, id)
}

// CaughtUp implements api.Sinks.
func (d *delivery) CaughtUp(ctx context.Context, seq ledger.Seq) error {
	m, err := d.manager()
	if err != nil {
		return err
	}
	return m.CaughtUp(ctx, seq)
}

// Plan implements api.Sinks.
func (d *delivery) Plan(ctx context.Context, t sinks.Target) (*sinks.Plan, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Plan(ctx, t)
}

// Apply implements api.Sinks.
func (d *delivery) Apply(ctx context.Context, id sinks.ID, digest string) (sinks.Progress, error) {
	m, err := d.manager()
	if err != nil {
		return sinks.Progress{}, err
	}
	return m.Apply(ctx, id, digest)
}

// Cancel implements api.Sinks.
func (d *delivery) Cancel(ctx context.Context, id sinks.ID) error {
	m, err := d.manager()
	if err != nil {
		return err
	}
	return m.Cancel(ctx, id)
}

// WaitPlan implements api.Sinks.
func (d *delivery) WaitPlan(ctx context.Context, id sinks.ID, was sinks.Progress) (sinks.Progress, error) {
	m, err := d.manager()
	if err != nil {
		return was, err
	}
	return m.WaitPlan(ctx, id, was)
}
