package projections_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/history"
	"vitae/projections/internal/fake"
	"vitae/projections/views"
)

func newViews(dir string, src projections.Source) (*views.Views, error) {
	return views.Open(context.Background(), views.Config{Dir: dir, Source: src})
}

func open(tb testing.TB, dir string, src projections.Source) *views.Views {
	tb.Helper()
	v, err := newViews(dir, src)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Error(err)
		}
	})
	return v
}

// run starts following; the result stops it.
func run(tb testing.TB, p interface{ Run(context.Context) error }) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		tb.Helper()
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	}
}

func catchUp(tb testing.TB, p *projections.Projection, seq ledger.Seq) {
	tb.Helper()
	defer run(tb, p)()
	if err := p.Wait(context.Background(), seq); err != nil {
		tb.Error(err)
	}
}

func script(seed uint64, profiles, n, size int) (*fake.Ledger, *fake.Script) {
	l := fake.New()
	s := fake.NewScript(l, seed, profiles)
	s.Cycle, s.Edits, s.Idem = true, 3, true
	s.Write(n, size)
	return l, s
}

func change(tb testing.TB, file, statement string) {
	tb.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = db.Exec(statement)
	if err := errors.Join(err, db.Close()); err != nil {
		tb.Fatal(err)
	}
}

// TestRebuildBesideLive rebuilds twice (once cut off and resumed) while the ledger grows, the
// views follow, and readers look all the time: no read fails, none steps back.
func TestRebuildBesideLive(t *testing.T) {
	l, s := script(1, 50, 12_000, 20)
	dir := t.TempDir()
	v := open(t, dir, l)
	catchUp(t, v.Projection, 12_000)
	stop := run(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() { // the ledger grows
		for ctx.Err() == nil {
			s.Write(40, 5)
			head, err := l.Head(context.Background())
			if err != nil {
				t.Error(err)
			}
			if err := v.Wait(context.Background(), head.Seq); err != nil {
				t.Error(err)
			}
		}
	})
	probes := 0
	for r := range 2 {
		busy.Go(func() {
			seen := map[ledger.ProfileID]ledger.Seq{}
			tick := time.NewTicker(3 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				<-tick.C
				id := s.IDs[i%len(s.IDs)]
				at := v.Position()
				p, err := v.Profile(context.Background(), id)
				if err != nil {
					t.Errorf("a read failed: %v", err)
					return
				}
				if p.Seq < seen[id] || v.Position() < at {
					t.Errorf("a read stepped back: %d after %d, position %d after %d", p.Seq, seen[id], v.Position(), at)
				}
				seen[id] = p.Seq
				if r == 0 {
					probes++
				}
			}
		})
	}
	// Cut off in the middle.
	half, cut := context.WithCancel(t.Context())
	_, err := v.Rebuild(half, func(p projections.Progress) {
		if p.Done > 5000 {
			cut()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a rebuild that was cut off: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "views.db.rebuild")); err != nil {
		t.Errorf("the partial file: %v", err)
	}
	var last projections.Progress
	rep, err := v.Rebuild(t.Context(), func(p projections.Progress) { last = p })
	if err != nil || !rep.Equal() || rep.Resumed < 5000 || rep.Rows == 0 || rep.Seq < 12_000 {
		t.Errorf("Rebuild = %+v, %v", rep, err)
	}
	if last.Done != last.Total || last.PerSecond <= 0 {
		t.Errorf("last progress %+v", last)
	}
	again, err := v.Rebuild(t.Context(), nil)
	if err != nil || !again.Equal() || again.Resumed != 0 || again.Seq < rep.Seq {
		t.Errorf("second Rebuild = %+v, %v", again, err)
	}
	cancel()
	busy.Wait()
	stop()
	head, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.Position() != head.Seq {
		t.Errorf("position %d, head %d", v.Position(), head.Seq)
	}
	fake.CheckStates(t, l.All(), head.Seq, s.IDs, v.Profile)
	t.Logf("%d probes, %d commits, rebuilt in %s at %.0f commits/s", probes, head.Seq, again.Elapsed, float64(again.Seq)/again.Elapsed.Seconds())
}

// TestRebuildHeals: rows that are wrong, gone or too many in the live file are named by
// their keys, and right after the swap.
func TestRebuildHeals(t *testing.T) {
	l, s := script(2, 10, 300, 10)
	dir := t.TempDir()
	v := open(t, dir, l)
	catchUp(t, v.Projection, 300)
	file := filepath.Join(dir, "views.db")
	change(t, file, `UPDATE rows SET state = x'01020304' WHERE id = (SELECT min(id) FROM rows)`)
	change(t, file, `DELETE FROM rows WHERE id = (SELECT max(id) FROM rows)`)
	change(t, file, `INSERT INTO rows VALUES (5, zeroblob(16), 'nobody', x'00')`)
	rep, err := v.Rebuild(t.Context(), nil)
	if err != nil || rep.Equal() || rep.Differing != 3 {
		t.Fatalf("Rebuild = %+v, %v", rep, err)
	}
	kinds := map[string]int{}
	for _, d := range rep.Differences {
		kinds[d.Kind]++
		if d.Table != "rows" || len(d.Key) < 27 {
			t.Errorf("difference %+v", d)
		}
	}
	if kinds["differs"] != 1 || kinds["missing"] != 1 || kinds["unexpected"] != 1 {
		t.Errorf("differences %+v", rep.Differences)
	}
	fake.CheckStates(t, l.All(), 300, s.IDs, v.Profile)
	if rep, err := v.Rebuild(t.Context(), nil); err != nil || !rep.Equal() {
		t.Errorf("second Rebuild = %+v, %v", rep, err)
	}
	if _, err := os.Stat(file + ".rebuild"); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
}

// TestRebuildSmall: nothing and one commit are no special cases.
func TestRebuildSmall(t *testing.T) {
	for n := range 2 {
		l, _ := script(3, 1, n, 1)
		v := open(t, t.TempDir(), l)
		catchUp(t, v.Projection, ledger.Seq(n))
		h, err := history.Open(t.Context(), history.Config{Dir: t.TempDir(), Source: l})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*projections.Projection{v.Projection, h.Projection} {
			rep, err := p.Rebuild(t.Context(), nil)
			if err != nil || rep.Elapsed > time.Second || rep.Seq != ledger.Seq(n) {
				t.Errorf("%s with %d commits: %+v, %v", p.Name(), n, rep, err)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRebuildBusy: a second rebuild is refused, in this process and from another one, which
// has the file locked.
func TestRebuildBusy(t *testing.T) {
	l, _ := script(4, 10, 3000, 10)
	dir := t.TempDir()
	v, other := open(t, dir, l), open(t, dir, l)
	catchUp(t, v.Projection, 3000)
	var once sync.Once
	rep, err := v.Rebuild(t.Context(), func(projections.Progress) {
		once.Do(func() {
			var busy *projections.BusyError
			if _, err := v.Rebuild(t.Context(), nil); !errors.As(err, &busy) || busy.Since.IsZero() {
				t.Errorf("second rebuild: %v", err)
			}
			d, err := v.Describe(t.Context())
			if err != nil || d.Rebuilding == nil || d.Rebuilding.Done == 0 {
				t.Errorf("Describe = %+v, %v", d, err)
			}
			if _, err := other.Rebuild(t.Context(), nil); !errors.As(err, &busy) || !busy.Since.IsZero() {
				t.Errorf("rebuild by another process: %v", err)
			}
		})
	})
	// The other one has the live file open; SQLite leaves the log to it, and the swap is
	// not made.
	if err == nil {
		t.Errorf("Rebuild = %+v under another process's feet", rep)
	}
	if _, err := v.Count(t.Context()); err != nil {
		t.Errorf("reads after a swap that was not made: %v", err)
	}
}
