package views

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"database/sql"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script writes n commits with every kind of step, in blocks of up to size.
func script(seed uint64, profiles, n, size int) (*fake.Ledger, *fake.Script) {
	l := fake.New()
	s := fake.NewScript(l, seed, profiles)
	s.Cycle, s.Edits = true, 3
	s.Write(n, size)
	return l, s
}

// TestEveryPosition stops the views at every position there is, by a source that gives no
// more, opens the file again and compares with a clean fold. The source stalls between
// blocks.
func TestEveryPosition(t *testing.T) {
	for _, size := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			l, s := script(uint64(size), 6, 150, size)
			all := l.All()
			random := rand.New(rand.NewPCG(uint64(size), 2))
			dir := t.TempDir()
			for n := 1; n <= l.Blocks(); n++ {
				part := l.Copy(n)
				part.Stall = func(ctx context.Context, _ ledger.Seq) error {
					select {
					case <-time.After(time.Duration(random.IntN(500)) * time.Millisecond):
					case <-ctx.Done():
					}
					return nil
				}
				head, err := part.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				v, err := Open(t.Context(), Config{Dir: dir, Source: part})
				if err != nil {
					t.Fatal(err)
				}
				follow(t, v, head.Seq)
				if at := v.Position(); at != head.Seq {
					t.Fatalf("position %d, the ledger has %d", at, head.Seq)
				}
				fake.CheckStates(t, all, head.Seq, s.IDs, v.Profile)
				if err := v.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// flaky is the views with a disk that fails now and then, in the middle of a transaction.
type flaky struct {
	model
	random *rand.Rand
	fails  *int
}

var errDisk = errors.New("the disk failed")

func (m flaky) Writer(ctx context.Context, conn *sql.Conn) (projections.Writer, error) {
	w, err := m.model.Writer(ctx, conn)
	return &flakyWriter{w, m}, err
}

type flakyWriter struct {
	projections.Writer
	m flaky
}

func (w *flakyWriter) fail() error {
	if w.m.random.IntN(15) == 0 {
		*w.m.fails++
		return errDisk
	}
	return nil
}

func (w *flakyWriter) Apply(ctx context.Context, rec *ledger.Record) error {
	return errors.Join(w.Writer.Apply(ctx, rec), w.fail())
}

func (w *flakyWriter) Flush(ctx context.Context) error {
	return errors.Join(w.Writer.Flush(ctx), w.fail())
}

// TestFailedTransactions: each failure rolls back, and the views go on from the position in
// the file; every commit is applied once in the end.
func TestFailedTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := script(3, 6, 200, 2)
		fails := 0
		p, err := projections.Open(t.Context(), Config{Dir: t.TempDir(), Source: l}, flaky{random: rand.New(rand.NewPCG(1, 1)), fails: &fails})
		if err != nil {
			t.Fatal(err)
		}
		v := &Views{p}
		// One block at a time is let through, so that there is a transaction for each.
		l.Stall = func(ctx context.Context, first ledger.Seq) error {
			return v.Wait(ctx, first-1)
		}
		follow(t, v, 200)
		fake.CheckStates(t, l.All(), 200, s.IDs, v.Profile)
		if fails < 5 {
			t.Errorf("only %d failures", fails)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestKilled copies the files of running views at many moments, as a killed process leaves
// them: each copy is a clean fold up to its own position.
func TestKilled(t *testing.T) {
	l, s := script(4, 20, 600, 3)
	all := l.All()
	dir := t.TempDir()
	v := openViews(t, dir, l)
	copies := make(chan string, 1000)
	l.Stall = func(_ context.Context, first ledger.Seq) error {
		if first%17 != 0 {
			return nil
		}
		to, err := os.MkdirTemp(dir, "killed")
		if err != nil {
			return err
		}
		for _, name := range []string{"views.db", "views.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
				return err
			}
		}
		copies <- to
		return nil
	}
	follow(t, v, 600)
	close(copies)
	seen := map[ledger.Seq]bool{}
	for to := range copies {
		c := openViews(t, to, l)
		fake.CheckStates(t, all, c.Position(), s.IDs, c.Profile)
		seen[c.Position()] = true
	}
	t.Logf("positions seen: %d", len(seen))
}

func TestReads(t *testing.T) {
	l, s := script(5, 40, 400, 10)
	v := openViews(t, t.TempDir(), l)
	ctx := t.Context()
	if _, err := v.Profile(ctx, s.IDs[0]); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("before the first commit: %v", err)
	}
	late, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	var behind *projections.BehindError
	if _, err := v.Load(late, s.IDs[0], 400); !errors.As(err, &behind) || !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load that cannot be served in time: %v", err)
	}
	follow(t, v, 400)
	states := fake.Fold(l.All(), 400)
	var want []ledger.ProfileID
	for id, p := range states {
		if p.Exists() {
			want = append(want, id)
		}
	}
	slices.SortFunc(want, func(a, b ledger.ProfileID) int { return slices.Compare(a[:], b[:]) })
	if n, err := v.Count(ctx); err != nil || n != int64(len(want)) {
		t.Errorf("Count = %d, %v; want %d", n, err, len(want))
	}
	for _, size := range []int{1, 7, 100, 1000} {
		var got []ledger.ProfileID
		for after := (ledger.ProfileID{}); ; {
			page, err := v.Profiles(ctx, after, size)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if len(page) < size {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d give %d profiles, want %d", size, len(got), len(want))
		}
	}
	unknown := ledger.NewProfileID(time.Now())
	p, err := v.Load(ctx, unknown, 400)
	if err != nil || p.ID != unknown || p.Seq != 0 {
		t.Errorf("Load of an unknown profile: %v, %v", p, err)
	}
	d, err := v.Describe(ctx)
	if err != nil || d.Name != "views" || d.Position != 400 || d.Head != 400 || d.Lag != 0 || d.SizeBytes == 0 || d.Lineage != l.Name {
		t.Errorf("Describe = %+v, %v", d, err)
	}
	rows := int64(0)
	for _, p := range states {
		if p.Exists() {
			rows += 1 + int64(len(p.Resumes))
		}
	}
	if d.Rows != rows {
		t.Errorf("%d rows, want %d", d.Rows, rows)
	}
}

// TestOneRow: an edit of a shared scalar writes the shared row and no resume's.
func TestOneRow(t *testing.T) {
	l := fake.New()
	s := fake.NewScript(l, 1, 1)
	write := func(events ...ledger.Event) {
		c := &ledger.Commit{ID: ledger.CommitID{15: byte(len(events))}, Profile: s.IDs[0], Time: fake.Start, Events: events}
		if all := l.All(); len(all) > 0 {
			c.Prev = all[len(all)-1].Hash
		}
		raw, err := ledger.AppendCommit(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		l.Append(raw)
	}
	resume := "01JRESUME00000000000000001"
	write(ledger.Event{View: ledger.Shared, Op: ledger.OpCreated}, ledger.Event{View: resume, Item: ledger.Base, Op: ledger.OpCopied})
	dir := t.TempDir()
	v := openViews(t, dir, l)
	follow(t, v, 1)
	before := rowsOf(t, dir)
	write(ledger.Event{View: ledger.Shared, Field: "firstName", Op: ledger.OpSet, Sealed: []byte("sealed"), Commitment: ledger.Hash{1}})
	follow(t, v, 2)
	after := rowsOf(t, dir)
	if len(after) != 3 {
		t.Fatalf("rows %v", after)
	}
	for view, state := range after {
		if changed := state != before[view]; changed != (view == ledger.Shared) {
			t.Errorf("row %s changed: %v", view, changed)
		}
	}
	write(ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
	follow(t, v, 3)
	if left := rowsOf(t, dir); len(left) != 0 {
		t.Errorf("after erasure there are rows: %v", left)
	}
	p, err := v.Profile(t.Context(), s.IDs[0])
	if err != nil || !p.Erased || p.Seq != 3 {
		t.Errorf("tombstone: %+v, %v", p, err)
	}
}

func rowsOf(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "views.db"))
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := db.Query(`SELECT view, state FROM rows`)
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]string{}
	for rows.Next() {
		var view, state string
		if err := rows.Scan(&view, &state); err != nil {
			tb.Fatal(err)
		}
		all[view] = state
	}
	if err := errors.Join(rows.Err(), rows.Close(), db.Close()); err != nil {
		tb.Fatal(err)
	}
	return all
}
