// Package tail runs the ledger and its projections in one process, with writers that stall
// between storing and being told, lost acknowledgements, and readers that stall and break
// off, and checks that everyone who follows sees every commit once.
package tail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/engine/enginetest"
	"vitae/ledger/stream"
	"vitae/ledger/stream/streamtest"
	"vitae/projections"
	"vitae/projections/history"
	"vitae/projections/views"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dice are random numbers for many goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// stall is the fault itself: it takes up to most, or less when ctx ends.
func (d *dice) stall(ctx context.Context, most time.Duration) {
	t := time.NewTimer(time.Duration(d.n(int(most))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// slow stalls one append in eight after it was stored and before anyone is told.
type slow struct {
	stream.Blocks
	dice *dice
}

func (s *slow) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	pos, err := s.Blocks.Append(ctx, payload, after)
	if s.dice.n(8) == 0 {
		s.dice.stall(ctx, 500*time.Millisecond)
	}
	return pos, err
}

var errCut = errors.New("the reader's connection was cut")

// source is the ledger as a projection sees it on a bad day: it stalls, and breaks off.
type source struct {
	*stream.Ledger
	dice *dice
	cuts atomic.Int64
}

func (s *source) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error] {
	return func(yield func(stream.Located, error) bool) {
		for b, err := range s.Ledger.Follow(ctx, from) {
			if err == nil {
				switch s.dice.n(40) {
				case 0, 1:
					s.dice.stall(ctx, 500*time.Millisecond)
				case 2:
					s.cuts.Add(1)
					yield(stream.Located{}, errCut)
					return
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// tally is the plainest projection: how often each commit was applied.
type tally struct{}

func (tally) Name() string { return "tally" }
func (tally) Version() int { return 1 }
func (tally) Schema() []string {
	return []string{`CREATE TABLE applied (seq INTEGER PRIMARY KEY, profile BLOB NOT NULL, times INTEGER NOT NULL)`}
}
func (tally) Queries() []string {
	return []string{`SELECT count(*), sum(times), max(times), min(seq), max(seq) FROM applied`}
}
func (tally) Rows() string { return `SELECT count(*) FROM applied` }
func (tally) Tables() []projections.Table {
	return []projections.Table{{Name: "applied", Keys: 1, Query: `SELECT seq, profile, times FROM applied ORDER BY seq`,
		Key: func(c []any) string { return fmt.Sprint(c[0]) }}}
}

func (tally) Writer(ctx context.Context, conn *sql.Conn) (projections.Writer, error) {
	put, err := conn.PrepareContext(ctx, `INSERT INTO applied VALUES (?, ?, 1) ON CONFLICT (seq) DO UPDATE SET times = times + 1`)
	return tallyWriter{put}, err
}

type tallyWriter struct{ put *sql.Stmt }

func (w tallyWriter) Apply(ctx context.Context, r *ledger.Record) error {
	_, err := w.put.ExecContext(ctx, int64(r.Seq), r.Commit.Profile[:])
	return err
}
func (tallyWriter) Flush(context.Context) error { return nil }
func (tallyWriter) Reset()                      {}
func (w tallyWriter) Close() error              { return w.put.Close() }

// edit is a command that sets a scalar, puts and removes items, and now and then copies
// or deletes a resume.
type edit struct {
	kind, n int
	text    string
}

func (e edit) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	value := ledger.Value(fmt.Sprintf("%q", e.text))
	thing := ledger.Value(fmt.Sprintf(`{"name":%q}`, e.text))
	var events []ledger.Event
	if p.Seq == 0 {
		events = append(events, ledger.Event{View: ledger.Shared, Op: ledger.OpCreated})
	}
	fields := []string{"firstName", "jobTitle", "headline", "summary"}
	events = append(events, ledger.Event{View: ledger.Shared, Field: fields[e.n%len(fields)], Op: ledger.OpSet, Value: value})
	switch {
	case p.Seq == 0:
	case e.kind < 6:
		events = append(events, ledger.Event{View: ledger.Base, Field: "skills", Item: fmt.Sprintf("s%d", e.n%7), Op: ledger.OpPut, Value: thing})
	case e.kind == 6:
		events = append(events, ledger.Event{View: ledger.Base, Field: "skills", Item: fmt.Sprintf("s%d", e.n%7), Op: ledger.OpRemove})
	case e.kind == 7 && len(p.Resumes) < 4:
		id := env.NewID()
		events = append(events, ledger.Event{View: id, Item: ledger.Base, Op: ledger.OpCopied}, ledger.Event{View: id, Field: "name", Op: ledger.OpSet, Value: value})
	case e.kind == 8 && len(p.Resumes) > 1:
		ids := p.ResumeIDs()
		events = append(events, ledger.Event{View: ids[len(ids)-1], Op: ledger.OpDeleted})
	case e.kind == 9:
		events = append(events, ledger.Event{View: ledger.Base, Field: "skills", Op: ledger.OpOrder, Order: []string{"s3", "s1"}})
	}
	return events, nil
}

// TestTail: 64 writers and, started before them, everything that follows the ledger.
func TestTail(t *testing.T) {
	length := 30 * time.Second
	if testing.Short() {
		length = 10 * time.Second
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := &dice{rng: rand.New(rand.NewPCG(seed, 2))}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	js, err := stream.OpenJetStream(ctx, enginetest.Open(t).JetStream(), stream.LedgerStream(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	clean := stream.OpenLedger(js, js.Lineage())
	src := &source{Ledger: clean, dice: d}
	cfg := projections.Config{Dir: t.TempDir(), Source: src}
	v, err := views.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	count, err := projections.Open(ctx, cfg, tally{})
	if err != nil {
		t.Fatal(err)
	}
	all := []*projections.Projection{v.Projection, h.Projection, count}
	var running sync.WaitGroup
	for _, p := range all {
		defer func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		running.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("%s: %v", p.Name(), err)
			}
		})
	}
	seen := follow(ctx, t, &running, src)
	defer running.Wait()
	defer cancel()

	acked := write(t, d, js, clean, v, h, length)
	head, err := clean.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if int(head.Seq) != len(acked) {
		t.Fatalf("%d commits acknowledged, the head is %d", len(acked), head.Seq)
	}
	deadline, stop := context.WithTimeout(ctx, 90*time.Second)
	defer stop()
	for _, p := range all {
		if err := p.Wait(deadline, head.Seq); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d commits, readers cut %d times", head.Seq, src.cuts.Load())
	if src.cuts.Load() == 0 {
		t.Error("no reader was ever cut: the test shows nothing")
	}
	compare(t, clean, acked, v, h)
	once(t, count, head.Seq)
	if err := seen.await(deadline, head.Seq); err != nil {
		t.Fatal(err)
	}
}

// write has 64 writers at work for a while and gives the acknowledged commits by sequence.
func write(t *testing.T, d *dice, js stream.Blocks, clean *stream.Ledger, states stream.States, idems stream.Idems, length time.Duration) map[ledger.Seq]ledger.CommitID {
	faulty := &streamtest.Faulty{Blocks: &slow{js, d}, OnAppend: func(int) streamtest.Fate {
		switch d.n(50) {
		case 0:
			return streamtest.Fate{Store: true, Err: ledger.ErrUnknown} // stored, and the acknowledgement is lost
		case 1:
			return streamtest.Fate{Err: ledger.ErrUnknown} // not stored, and nobody says so
		}
		return streamtest.Fate{Store: true}
	}}
	// The committer reads through the same faulty store; only the projections' source stalls.
	c, err := stream.NewCommitter(t.Context(), stream.OpenLedger(faulty, clean.Lineage()), stream.CommitterConfig{
		Sealer: streamtest.NewSealer(), States: states, Idems: idems,
		Hot: 40, // fewer than there are profiles, so that cold ones are loaded from the views all the time
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]ledger.ProfileID, 100)
	for i := range ids {
		ids[i] = ledger.NewProfileID(time.Now())
	}
	end := time.Now().Add(length)
	var mu sync.Mutex
	acked := map[ledger.Seq]ledger.CommitID{}
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				r, err := c.Submit(ctx, ledger.Request{Profile: ids[d.n(len(ids))], Meta: ledger.Meta{Actor: "admin", Via: "native"},
					Command: edit{d.n(10), n, fmt.Sprintf("%d.%d", w, n)}})
				cancel()
				if err != nil || !r.Changed {
					t.Errorf("writer %d: %+v, %v", w, r, err)
					return
				}
				mu.Lock()
				if other, twice := acked[r.Seq]; twice {
					t.Errorf("sequence %d was acknowledged for %s and for %s", r.Seq, other, r.Commit)
				}
				acked[r.Seq] = r.Commit
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	return acked
}

// watcher is a plain follower that keeps its position in memory and goes on from it after each cut.
type watcher struct {
	mu    sync.Mutex
	next  ledger.Seq
	err   error
	grown chan struct{}
}

func follow(ctx context.Context, t *testing.T, running *sync.WaitGroup, src *source) *watcher {
	w := &watcher{next: 1, grown: make(chan struct{})}
	running.Go(func() {
		for ctx.Err() == nil {
			for b, err := range src.Follow(ctx, w.next) {
				if err != nil {
					if ctx.Err() == nil && !errors.Is(err, errCut) {
						t.Errorf("follower: %v", err)
						return
					}
					break
				}
				w.take(b.Commits)
			}
		}
	})
	return w
}

func (w *watcher) take(records []ledger.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		if r.Seq != w.next && w.err == nil {
			w.err = fmt.Errorf("the follower was given %d when %d was next", r.Seq, w.next)
		}
		w.next = r.Seq + 1
	}
	close(w.grown)
	w.grown = make(chan struct{})
}

func (w *watcher) await(ctx context.Context, head ledger.Seq) error {
	for {
		w.mu.Lock()
		next, err, grown := w.next, w.err, w.grown
		w.mu.Unlock()
		if err != nil || next > head {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("the follower is at %d, the head at %d", next-1, head)
		}
	}
}
