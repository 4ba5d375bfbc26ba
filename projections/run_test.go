package projections_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/internal/fake"
)

// The ledger itself is a source.
var _ projections.Source = (*stream.Ledger)(nil)

// TestRefusals: a position that is not in the ledger is never followed from, and never
// looks like "up to date"; a rebuild makes the projection fit the ledger there is.
func TestRefusals(t *testing.T) {
	l, s := script(1, 5, 100, 4)
	older := l.Copy(l.Blocks() / 2)
	// Two that go on otherwise, with other profiles in the same lineage: one longer, one
	// exactly as long as the position.
	fork, equal := l.Copy(l.Blocks()/2), l.Copy(l.Blocks()/2)
	for seed, head := uint64(50), (stream.Head{}); head.Seq < 120; seed++ {
		one := fake.NewScript(fork, seed, 1).One()
		fork.Append(one)
		var err error
		if head, err = fork.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		if head.Seq <= 100 {
			equal.Append(one)
		}
	}
	other := l.Copy(l.Blocks())
	other.Name = "01JLEDGER0000000000000000B"
	for name, c := range map[string]struct {
		ledger *fake.Ledger
		reason projections.Reason
	}{
		"older":   {older, projections.BeyondHead},
		"other":   {other, projections.OtherLineage},
		"fork":    {fork, projections.Diverged},
		"as long": {equal, projections.Diverged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			v, err := newViews(dir, l)
			if err != nil {
				t.Fatal(err)
			}
			catchUp(t, v.Projection, 100)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			v = open(t, dir, c.ledger)
			var refused *projections.RefusedError
			if err := v.Run(t.Context()); !errors.As(err, &refused) || refused.Reason != c.reason || refused.Position.Seq != 100 {
				t.Fatalf("Run: %v", err)
			}
			if err := v.Wait(t.Context(), 101); !errors.As(err, &refused) || !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("Wait: %v", err)
			}
			if _, err := v.Profile(t.Context(), s.IDs[0]); err != nil {
				t.Errorf("reads go on: %v", err)
			}
			rep, err := v.Rebuild(t.Context(), nil)
			if err != nil || rep.NotCompared == "" {
				t.Fatalf("Rebuild = %+v, %v", rep, err)
			}
			head, err := c.ledger.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			catchUp(t, v.Projection, head.Seq)
			fake.CheckStates(t, c.ledger.All(), head.Seq, s.IDs, v.Profile)
			// Nothing written after the restore is skipped.
			c.ledger.Append(fake.NewScript(c.ledger, 5000, 1).One())
			catchUp(t, v.Projection, head.Seq+1)
		})
	}
}

// TestFaults: what cannot be applied stops the projection right before it, by name; reads
// go on, waits end at once, and a rebuild stops there too and swaps nothing.
func TestFaults(t *testing.T) {
	l, s := script(2, 3, 50, 5)
	garbage := l.Copy(l.Blocks())
	garbage.Garbage()
	chain := l.Copy(l.Blocks())
	chain.Append(fake.First(s.IDs[0])) // again
	for name, c := range map[string]*fake.Ledger{"garbage": garbage, "chain": chain} {
		t.Run(name, func(t *testing.T) {
			v := open(t, t.TempDir(), c)
			var fault *projections.Fault
			if err := v.Run(t.Context()); !errors.As(err, &fault) || fault.Seq != 51 || fault.Projection != "views" {
				t.Fatalf("Run: %v", err)
			}
			if name == "chain" && fault.Profile != s.IDs[0] {
				t.Errorf("fault of profile %s", fault.Profile)
			}
			if at := v.Position(); at != 50 {
				t.Errorf("position %d", at)
			}
			if err := v.Wait(t.Context(), 51); !errors.As(err, &fault) {
				t.Errorf("Wait: %v", err)
			}
			if _, err := v.Rebuild(t.Context(), nil); !errors.As(err, &fault) || fault.Seq != 51 {
				t.Errorf("Rebuild: %v", err)
			}
			h, err := v.Health(t.Context(), fake.Start.Add(time.Hour))
			if name == "chain" && err != nil {
				t.Fatal(err)
			}
			if h.Lag == 0 || h.Running || h.Head != 51 {
				t.Errorf("Health = %+v", h)
			}
		})
	}
}

// TestHealth: a projection that hangs in the middle of a block is seen by its lag and by
// the age of what it has not applied.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := script(3, 3, 20, 1)
		hang, entered := make(chan struct{}), make(chan struct{})
		l.Stall = func(ctx context.Context, first ledger.Seq) error {
			if first == 15 {
				select {
				case <-hang:
				case entered <- struct{}{}:
					<-hang
				}
			}
			return nil
		}
		v, err := newViews(t.TempDir(), l)
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, v)
		if err := v.Wait(t.Context(), 14); err != nil {
			t.Fatal(err)
		}
		<-entered
		close(hang)
		if err := v.Wait(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		stop()
		h, err := v.Health(t.Context(), time.Now())
		if err != nil || h.Lag != 0 || h.Oldest != 0 || h.Position != 20 {
			t.Errorf("Health = %+v, %v", h, err)
		}
		l.Append(fake.NewScript(l, 77, 1).One())
		h, err = v.Health(t.Context(), fake.Start.Add(90*time.Second))
		if err != nil || h.Lag != 1 || h.Oldest < 80*time.Second || h.Running {
			t.Errorf("Health = %+v, %v", h, err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := v.Wait(t.Context(), 21); !errors.Is(err, projections.ErrClosed) {
			t.Errorf("Wait on closed views: %v", err)
		}
		if _, err := v.Count(t.Context()); !errors.Is(err, projections.ErrClosed) {
			t.Errorf("Count on closed views: %v", err)
		}
	})
}

// TestWaits: each wait ends when its own sequence is there, or with its context.
func TestWaits(t *testing.T) {
	l, s := script(4, 5, 10, 1)
	v := open(t, t.TempDir(), l)
	defer run(t, v)()
	done := make(chan error, 100)
	for i := range 100 {
		go func() { done <- v.Wait(context.Background(), ledger.Seq(1+i)) }()
	}
	late, cancel := context.WithCancel(t.Context())
	go func() { done <- v.Wait(late, 1000) }()
	cancel()
	s.Write(90, 3)
	gone := 0
	for range 101 {
		if err := <-done; err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d waits failed, want 1", gone)
	}
}

// TestVersion: a file of another version is made anew from the ledger.
func TestVersion(t *testing.T) {
	l, s := script(5, 5, 60, 4)
	dir := t.TempDir()
	v, err := newViews(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, v.Projection, 60)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "views.db"), `UPDATE position SET version = 0`)
	v = open(t, dir, l)
	if v.Position() != 0 {
		t.Errorf("position %d", v.Position())
	}
	catchUp(t, v.Projection, 60)
	fake.CheckStates(t, l.All(), 60, s.IDs, v.Profile)
}
