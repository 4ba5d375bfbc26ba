package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ stream.Idems = (*History)(nil)

func script(seed uint64, profiles, n, size int) (*fake.Ledger, *fake.Script) {
	l := fake.New()
	s := fake.NewScript(l, seed, profiles)
	s.Cycle, s.Edits, s.Idem = true, 3, true
	s.Write(n, size)
	return l, s
}

// TestPages: whatever the size of the pages, and wherever the file was closed and opened
// again while it grew, together they are the ledger.
func TestPages(t *testing.T) {
	l, s := script(1, 4, 900, 5)
	all := l.All()
	dir := t.TempDir()
	for n := 40; ; n = min(n+40, l.Blocks()) {
		part := l.Copy(n)
		h, err := Open(t.Context(), Config{Dir: dir, Source: part})
		if err != nil {
			t.Fatal(err)
		}
		head, err := part.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		follow(t, h, head.Seq)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if n == l.Blocks() {
			break
		}
	}
	h := openHistory(t, dir, l)
	for _, size := range []int{1, 7, 100, 1000} {
		var union []ledger.Record
		for _, id := range s.IDs {
			for after := ledger.Seq(0); ; {
				page, err := h.Commits(t.Context(), id, after, size)
				if err != nil {
					t.Fatal(err)
				}
				union = append(union, page...)
				if len(page) < size {
					break
				}
				after = page[len(page)-1].Seq
			}
		}
		slices.SortFunc(union, func(a, b ledger.Record) int { return int(a.Seq) - int(b.Seq) })
		if len(union) != len(all) {
			t.Fatalf("pages of %d give %d commits, want %d", size, len(union), len(all))
		}
		for i, r := range union {
			if r.Seq != all[i].Seq || r.Hash != all[i].Hash || !bytes.Equal(r.Raw, all[i].Raw) {
				t.Fatalf("pages of %d: commit %d is not the ledger's", size, r.Seq)
			}
		}
	}
	// A page may begin at any sequence, also one of another profile.
	for after := ledger.Seq(0); after < 900; after += 13 {
		page, err := h.Commits(t.Context(), s.IDs[0], after, 1)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(r ledger.Record) bool { return r.Seq > after && r.Commit.Profile == s.IDs[0] })
		if (i < 0) != (len(page) == 0) || (i >= 0 && page[0].Seq != all[i].Seq) {
			t.Fatalf("after %d: %v", after, page)
		}
	}
}

// TestStateAt compares every profile at every sequence with a clean fold.
func TestStateAt(t *testing.T) {
	l, s := script(2, 3, 500, 20)
	all := l.All()
	h := openHistory(t, t.TempDir(), l)
	follow(t, h, 500)
	for seq := ledger.Seq(1); seq <= 500; seq += 3 {
		fake.CheckStates(t, all, seq, s.IDs, func(ctx context.Context, id ledger.ProfileID) (*ledger.Profile, error) {
			return h.StateAt(ctx, id, seq)
		})
	}
	unknown := ledger.NewProfileID(time.Now())
	if _, err := h.StateAt(t.Context(), unknown, 500); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("unknown profile: %v", err)
	}
	if _, err := h.Head(t.Context(), unknown); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("unknown profile: %v", err)
	}
	for id, want := range fake.Fold(all, 500) {
		got, err := h.Head(t.Context(), id)
		if err != nil || got.Seq != want.Seq || got.Hash != want.Head || got.Erased != want.Erased {
			t.Errorf("Head = %+v, %v", got, err)
		}
	}
}

func TestTimesRecordsAndKeys(t *testing.T) {
	l, _ := script(3, 5, 300, 9)
	all := l.All()
	h := openHistory(t, t.TempDir(), l)
	if seq, err := h.SeqAt(t.Context(), time.Now()); seq != 0 || err != nil {
		t.Errorf("SeqAt of nothing = %d, %v", seq, err)
	}
	follow(t, h, 300)
	for i := -3; i < 700; i++ {
		at := fake.Start.Add(time.Duration(i) * time.Millisecond)
		var want ledger.Seq
		for _, r := range all {
			if !r.Commit.Time.After(at) {
				want = r.Seq
			}
		}
		if got, err := h.SeqAt(t.Context(), at); got != want || err != nil {
			t.Fatalf("SeqAt(%s) = %d, %v; want %d", at, got, err, want)
		}
	}
	for _, r := range all {
		got, err := h.Record(t.Context(), r.Seq)
		if err != nil || got.Hash != r.Hash || got.Commit.Profile != r.Commit.Profile {
			t.Fatalf("Record(%d) = %+v, %v", r.Seq, got, err)
		}
		got, found, err := h.Idem(t.Context(), r.Commit.Idem.Key, 300)
		if err != nil || !found || got.Seq != r.Seq {
			t.Fatalf("Idem of %d = %d, %v, %v", r.Seq, got.Seq, found, err)
		}
	}
	if _, found, err := h.Idem(t.Context(), [16]byte{1}, 300); found || err != nil {
		t.Errorf("Idem of an unused key: %v, %v", found, err)
	}
	if _, err := h.Record(t.Context(), 301); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("Record beyond the head: %v", err)
	}
}

// TestDamage: a commit changed in the file is found by every read that meets it, and the
// rebuild names it and heals it.
func TestDamage(t *testing.T) {
	l, _ := script(4, 2, 200, 10)
	all := l.All()
	dir := t.TempDir()
	h := openHistory(t, dir, l)
	follow(t, h, 200)
	bad := all[len(all)-1]
	raw := bytes.Clone(bad.Raw)
	raw[bytes.Index(raw, []byte(`"request":"`))+12] ^= 1
	db, err := sql.Open("sqlite", filepath.Join(dir, "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`UPDATE commits SET raw = ? WHERE seq = ?`, raw, int64(bad.Seq))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	var broken *ledger.ChainError
	if _, err := h.StateAt(t.Context(), bad.Commit.Profile, 200); !errors.As(err, &broken) || broken.Seq != bad.Seq {
		t.Errorf("StateAt: %v", err)
	}
	if _, err := h.Commits(t.Context(), bad.Commit.Profile, bad.Seq-1, 1); !errors.As(err, &broken) || broken.Seq != bad.Seq {
		t.Errorf("Commits: %v", err)
	}
	rep, err := h.Rebuild(t.Context(), nil)
	if err != nil || rep.Differing != 1 || rep.Differences[0].Table != "commits" || rep.Differences[0].Key != "sequence 200" {
		t.Errorf("Rebuild = %+v, %v", rep, err)
	}
	if _, err := h.StateAt(t.Context(), bad.Commit.Profile, 200); err != nil {
		t.Errorf("after the rebuild: %v", err)
	}
}
