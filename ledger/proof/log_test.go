package proof

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"vitae/ledger"
)

// signedUpTo waits for a checkpoint of size leaves.
func signedUpTo(t testing.TB, l *Log, size uint64) Checkpoint {
	t.Helper()
	c, err := l.await(patient(t), size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A log follows its ledger; what it signs is the tree of the ledger's commits, and goes on
// after a restart with the same key.
func TestLogFollows(t *testing.T) {
	f, s, dir := newLedger(), newStore(), t.TempDir()
	_, root := plainTree(t, 1000, 0)
	l := open(t, dir, f, s)
	stop := run(t, l)
	if c := signedUpTo(t, l, 0); c.Size != 0 || c.Root != emptyRoot() {
		t.Errorf("the empty log's checkpoint is %+v", c)
	}
	for _, n := range []int{1, 1, 298, 212, 488} {
		f.grow(n, 0)
		c := signedUpTo(t, l, uint64(f.seq))
		if c.Size != uint64(f.seq) || c.Root != root(int(c.Size)) || c.Origin != "vitae/"+exampleLineage {
			t.Fatalf("checkpoint %d with root %s, want %s", c.Size, c.Root, root(int(c.Size)))
		}
		if parsed, err := ParseCheckpoint(c.Note, l.Key()); err != nil || parsed.text() != c.text() {
			t.Fatalf("%q does not verify: %v", c.Note, err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := filesIn(t, dir), at1(t, 1000); !maps.Equal(got, want) {
		t.Error("the files are not those of the tree")
	}
	again := open(t, dir, f, s)
	if again.Key() != l.Key() || !bytes.Equal(again.Served().Note, l.Served().Note) {
		t.Errorf("opened again: key %s, checkpoint %q", again.Key(), again.Served().Note)
	}
	run(t, again)
	f.grow(1, 0)
	signedUpTo(t, again, 1001)
	if h, err := again.Health(context.Background()); err != nil || h.Size != 1001 || h.Signed != 1001 || h.Lag != 0 || h.Err != nil || !h.Running {
		t.Errorf("health %+v, %v", h, err)
	}
}

// Every commit and every pair of sizes can be proved, in trees of all shapes, and no
// changed bit of a proof verifies.
func TestProofs(t *testing.T) {
	const most = 1400
	f, s := newLedger(), newStore()
	l := open(t, t.TempDir(), f, s)
	run(t, l)
	_, root := plainTree(t, most, 0)
	rapid.Check(t, func(rt *rapid.T) {
		if more := min(rapid.IntRange(1, 60).Draw(rt, "more"), int(most-f.seq)); more > 0 {
			f.grow(more, 0)
		}
		c := signedUpTo(t, l, uint64(f.seq))
		seq := ledger.Seq(rapid.Uint64Range(1, c.Size).Draw(rt, "seq"))
		r := record(seq, 0)
		entry := StatementOf(&r).Encode()
		p, err := l.InclusionIn(c, seq)
		if err != nil {
			rt.Fatal(err)
		}
		if err := VerifyInclusion(entry, p, l.Key()); err != nil {
			rt.Fatal(err)
		}
		other := record(seq, 1)
		if err := VerifyInclusion(StatementOf(&other).Encode(), p, l.Key()); !errors.Is(err, ErrProof) {
			rt.Fatalf("another commit is proved: %v", err)
		}
		changed := p
		changed.Hashes = flipOne(rt, p.Hashes)
		if err := VerifyInclusion(entry, changed, l.Key()); !errors.Is(err, ErrProof) {
			rt.Fatalf("a changed proof verifies: %v", err)
		}
		for name, wrong := range map[string]Inclusion{
			"sequence":  {seq + 1, p.LeafIndex, p.LeafHash, p.TreeSize, p.Hashes, p.Checkpoint},
			"index":     {seq, p.LeafIndex + 1, p.LeafHash, p.TreeSize, p.Hashes, p.Checkpoint},
			"leaf hash": {seq, p.LeafIndex, other.Hash, p.TreeSize, p.Hashes, p.Checkpoint},
			"size":      {seq, p.LeafIndex, p.LeafHash, p.TreeSize + 1, p.Hashes, p.Checkpoint},
			"too much":  {seq, p.LeafIndex, p.LeafHash, p.TreeSize, append(p.Hashes[:len(p.Hashes):len(p.Hashes)], p.LeafHash), p.Checkpoint},
		} {
			if err := VerifyInclusion(entry, wrong, l.Key()); !errors.Is(err, ErrProof) {
				rt.Fatalf("a wrong %s is not noticed: %v", name, err)
			}
		}
		from := rapid.Uint64Range(0, c.Size).Draw(rt, "from")
		to := rapid.Uint64Range(from, c.Size).Draw(rt, "to")
		older := Checkpoint{Origin: c.Origin, Size: from, Root: root(int(from))}
		newer := Checkpoint{Origin: c.Origin, Size: to, Root: root(int(to))}
		cons, err := l.Consistency(context.Background(), from, to)
		if err != nil {
			rt.Fatal(err)
		}
		if err := VerifyConsistency(cons, older, newer); err != nil {
			rt.Fatal(err)
		}
		wrong := cons
		wrong.Hashes = flipOne(rt, cons.Hashes)
		if err := VerifyConsistency(wrong, older, newer); !errors.Is(err, ErrProof) {
			rt.Fatalf("a changed proof of consistency verifies: %v", err)
		}
		forged := older
		forged.Root[rapid.IntRange(0, 31).Draw(rt, "byte")] ^= 1
		if err := VerifyConsistency(cons, forged, newer); !errors.Is(err, ErrProof) {
			rt.Fatalf("another older root is consistent: %v", err)
		}
		if from != 0 {
			forged = newer
			forged.Root[rapid.IntRange(0, 31).Draw(rt, "byte")] ^= 1
			if err := VerifyConsistency(cons, older, forged); !errors.Is(err, ErrProof) {
				rt.Fatalf("another newer root is consistent: %v", err)
			}
		}
	})
	for _, bad := range []Consistency{{From: 2, To: 1}, {From: 1, To: 1 << 62}, {From: 1 << 62, To: 1 << 63}} {
		older, newer := Checkpoint{Size: bad.From}, Checkpoint{Size: bad.To}
		if err := VerifyConsistency(bad, older, newer); !errors.Is(err, ErrProof) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := VerifyConsistency(Consistency{}, Checkpoint{Origin: "a", Root: emptyRoot()}, Checkpoint{Origin: "b", Root: emptyRoot()}); !errors.Is(err, ErrProof) {
		t.Errorf("two logs are consistent: %v", err)
	}
}

// flipOne changes one bit of one hash; without any hash it adds one.
func flipOne(t *rapid.T, in []ledger.Hash) []ledger.Hash {
	out := append([]ledger.Hash{}, in...)
	if len(out) == 0 {
		return append(out, ledger.HashOf(nil))
	}
	out[rapid.IntRange(0, len(out)-1).Draw(t, "hash")][rapid.IntRange(0, 31).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	return out
}

// refused opens a log that must sign nothing more, and gives what it says.
func refused(t *testing.T, l *Log, served uint64) *ForkError {
	t.Helper()
	run(t, l)
	ctx := patient(t)
	_, err := l.await(ctx, 1<<40)
	var fork *ForkError
	if !errors.As(err, &fork) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("want a refusal, got %v", err)
	}
	h, err := l.Health(ctx)
	if err != nil || !errors.As(h.Err, &fork) {
		t.Fatalf("health %+v, %v", h, err)
	}
	if c := l.Served(); c.Size != served {
		t.Errorf("served is the checkpoint of size %d, want %d", c.Size, served)
	}
	return fork
}

// made is a log of n commits that was stopped, and what was signed.
func made(t *testing.T, f *fakeLedger, s *memoryStore, dir string, n int) Checkpoint {
	t.Helper()
	l := open(t, dir, f, s)
	stop := run(t, l)
	for f.seq < ledger.Seq(n) {
		f.grow(min(100, n-int(f.seq)), 0)
	}
	c := signedUpTo(t, l, uint64(n))
	must(t, stop())
	return c
}

// A ledger whose history was rewritten, with new tiles made from it, is refused by any
// instance, and the last good checkpoint stays what it was.
func TestRewrittenLedgerIsRefused(t *testing.T) {
	f, s := newLedger(), newStore()
	c := made(t, f, s, t.TempDir(), 700)
	forged := newLedger()
	forged.grow(300, 0)
	forged.grow(1, 1)
	forged.grow(450, 0)
	fork := refused(t, open(t, t.TempDir(), forged, s), 0)
	if fork.SignedSize != 700 || fork.SignedRoot != c.Root || fork.Size != 751 || fork.Root == c.Root || fork.Root.IsZero() {
		t.Errorf("refused because %v", fork)
	}
	if raw, _, err := s.Get(context.Background(), checkpointKey); err != nil || !bytes.Equal(raw, c.Note) {
		t.Errorf("the checkpoint in the store is %q, %v", raw, err)
	}
}

// Tiles that were changed on disk are refused: what is signed would not be what is served.
func TestChangedTilesAreRefused(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"leaf":     func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/0/002"), 33) },
		"node":     func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/1/000"), 33) },
		"cut":      func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "tile/1/000"), 32)) },
		"tile off": func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "tile/0/002"))) },
	} {
		t.Run(name, func(t *testing.T) {
			f, s, dir := newLedger(), newStore(), t.TempDir()
			l := open(t, dir, f, s)
			run(t, l)
			f.grow(700, 0)
			c := signedUpTo(t, l, 700)
			change(t, dir)
			f.grow(10, 0)
			_, err := l.await(patient(t), 710)
			var fork *ForkError
			if !errors.As(err, &fork) || fork.SignedSize != 700 || fork.SignedRoot != c.Root {
				t.Fatalf("want a refusal, got %v", err)
			}
			if raw, _, err := s.Get(context.Background(), checkpointKey); err != nil || !bytes.Equal(raw, c.Note) {
				t.Errorf("the checkpoint in the store is %q, %v", raw, err)
			}
			if !bytes.Equal(l.Served().Note, c.Note) {
				t.Error("the last good checkpoint is not served any more")
			}
		})
	}
}

// A tile that was changed where no root passes is noticed when something is proved with it.
func TestChangedInnerTileProvesNothing(t *testing.T) {
	f, s, dir := newLedger(), newStore(), t.TempDir()
	l := open(t, dir, f, s)
	run(t, l)
	f.grow(700, 0)
	c := signedUpTo(t, l, 700)
	flip(t, filepath.Join(dir, "tile/0/001"), 33)
	if p, err := l.InclusionIn(c, 300); !errors.Is(err, ErrDamaged) {
		t.Errorf("proved %+v, %v", p, err)
	}
	if _, err := l.InclusionIn(c, 30); err != nil {
		t.Errorf("the rest of the tree: %v", err)
	}
}

// An older copy of everything that the engine keeps is noticed by the checkpoint that the
// instance's own folder remembers; so is an older copy of the ledger alone.
func TestOlderCopiesAreRefused(t *testing.T) {
	f, s, dir := newLedger(), newStore(), t.TempDir()
	made(t, f, s, dir, 300)
	oldStore := s.copied()
	old := newLedger()
	for old.seq < 300 {
		old.grow(100, 0)
	}
	c := made(t, f, s, dir, 700)

	t.Run("engine's folder, tiles lost", func(t *testing.T) {
		fresh := t.TempDir()
		for _, name := range []string{rememberedFile, keyFile} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(fresh, name), b, 0o600))
		}
		fork := refused(t, open(t, fresh, old, oldStore.copied()), 0)
		if fork.SignedSize != 700 || fork.Size != 300 || !strings.Contains(fork.Error(), filepath.Join(fresh, rememberedFile)) || !strings.Contains(fork.Error(), "older copy") {
			t.Errorf("refused because %v", fork)
		}
	})
	t.Run("ledger alone", func(t *testing.T) {
		fork := refused(t, open(t, t.TempDir(), old, s.copied()), 0)
		if fork.SignedSize != 700 || fork.SignedRoot != c.Root || fork.Size != 300 {
			t.Errorf("refused because %v", fork)
		}
	})
	t.Run("engine's folder", func(t *testing.T) {
		l := open(t, dir, old, oldStore.copied())
		var shorter *RefusedError
		if err := l.Run(patient(t)); !errors.As(err, &shorter) || shorter.Size != 700 || shorter.Head != 300 {
			t.Fatalf("Run: %v", err)
		}
		if !bytes.Equal(l.Served().Note, c.Note) {
			t.Error("the last checkpoint is not served any more")
		}
		if _, err := l.await(patient(t), 701); !errors.Is(err, ledger.ErrUnavailable) || !errors.As(err, &shorter) {
			t.Errorf("a wait for more: %v", err)
		}
		if h, err := l.Health(patient(t)); err != nil || h.Running || !errors.As(h.Err, &shorter) {
			t.Errorf("health %+v, %v", h, err)
		}
	})
	t.Run("written on", func(t *testing.T) {
		on := newLedger()
		for on.seq < 300 {
			on.grow(100, 0)
		}
		on.grow(500, 2)
		l := open(t, dir, on, oldStore.copied())
		var diverged *RefusedError
		if err := l.Run(patient(t)); !errors.As(err, &diverged) || !strings.Contains(diverged.Reason, "another history") {
			t.Fatalf("Run: %v", err)
		}
	})
}

// Without its store's key a log is another log, and says so instead of becoming it.
func TestLostKeyIsNoticed(t *testing.T) {
	f, s, dir := newLedger(), newStore(), t.TempDir()
	made(t, f, s, dir, 3)
	empty := newStore()
	synctest.Test(t, func(t *testing.T) { // it waits for a store that may be behind
		_, err := Open(t.Context(), Config{Dir: dir, Source: f, Store: empty, Sealer: plainSealer{}})
		if err == nil || !strings.Contains(err.Error(), "the log's key, which is") || len(empty.values) > 0 {
			t.Errorf("no key: %v, %d values stored", err, len(empty.values))
		}
	})
	another := newStore()
	open(t, t.TempDir(), f, another)
	_, err := Open(patient(t), Config{Dir: dir, Source: f, Store: another, Sealer: plainSealer{}})
	if err == nil || !strings.Contains(err.Error(), "the log's key is") {
		t.Errorf("another key: %v", err)
	}
	other := newLedger()
	other.lineage = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
	_, err = Open(patient(t), Config{Dir: t.TempDir(), Source: other, Store: s, Sealer: plainSealer{}})
	if err == nil || !strings.Contains(err.Error(), "another ledger") {
		t.Errorf("the key of another ledger: %v", err)
	}
}

// Two instances of one ledger have one key and one line of checkpoints.
func TestTwoInstancesOneLog(t *testing.T) {
	f, s := newLedger(), newStore()
	a, b := open(t, t.TempDir(), f, s), open(t, t.TempDir(), f, s)
	if a.Key() != b.Key() {
		t.Fatalf("two keys: %s and %s", a.Key(), b.Key())
	}
	run(t, a)
	run(t, b)
	_, root := plainTree(t, 400, 0)
	for range 8 {
		f.grow(50, 0)
		for _, l := range []*Log{a, b} {
			if c := signedUpTo(t, l, uint64(f.seq)); c.Root != root(int(c.Size)) {
				t.Fatalf("size %d: root %s", c.Size, c.Root)
			}
		}
	}
	if h := a.Served(); !bytes.Equal(h.Note, b.Served().Note) {
		t.Errorf("two checkpoints: %q and %q", h.Note, b.Served().Note)
	}
}

// Whoever signs at the same time is not overwritten: the one who comes second looks again.
func TestSigningRace(t *testing.T) {
	f, s := newLedger(), newStore()
	f.grow(10, 0)
	raced := false
	a := open(t, t.TempDir(), f, hooked{s, func(key string) {
		if key != checkpointKey || raced {
			return
		}
		raced = true // a is about to write what it signed: the tree of 10
		f.grow(5, 0)
		b := open(t, t.TempDir(), f, s)
		stop := run(t, b)
		signedUpTo(t, b, 15)
		must(t, stop())
	}})
	_, root := plainTree(t, 16, 0)
	run(t, a)
	if c := signedUpTo(t, a, 15); c.Root != root(15) {
		t.Errorf("checkpoint %d with root %s", c.Size, c.Root)
	}
	f.grow(1, 0)
	if c := signedUpTo(t, a, 16); c.Root != root(16) || !raced {
		t.Errorf("checkpoint %d with root %s, raced %v", c.Size, c.Root, raced)
	}
}

// A wait that ends too early says that it may be tried again.
func TestWaitIsBounded(t *testing.T) {
	f, s := newLedger(), newStore()
	l := open(t, t.TempDir(), f, s)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Checkpoint(ctx); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("no checkpoint yet: %v", err)
	}
	if _, err := l.Inclusion(ctx, 0); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("sequence 0: %v", err)
	}
	if _, err := l.Inclusion(ctx, 1); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("sequence 1: %v", err)
	}
	if _, err := l.Consistency(ctx, 2, 1); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("backwards: %v", err)
	}
	if _, err := l.Tile("tile/0/000.p/1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a tile without a tree: %v", err)
	}
}
