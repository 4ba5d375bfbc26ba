package fsck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/proof"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/history"
	"vitae/projections/views"
	"vitae/sinks/sinktest"
)

// The large ledger of the tests.
const (
	largeCommits = 100_000
	largeBlock   = 20 // commits
	largeOwners  = 200
)

// written is a ledger that a test writes itself, many commits to a block.
type written struct {
	*testing.T
	w      *sinktest.World // opens values
	blocks *stream.Memory
	prev   ledger.Hash
	seq    ledger.Seq
	heads  map[ledger.ProfileID]ledger.Hash
}

func newWritten(t *testing.T) *written {
	return &written{T: t, w: sinktest.NewWorld(), blocks: stream.NewMemory(8 << 20), heads: map[ledger.ProfileID]ledger.Hash{}}
}

// sealed seals a value for a profile.
func (l *written) sealed(e ledger.Event, p ledger.ProfileID, c ledger.CommitID, index int) ledger.Event {
	l.Helper()
	var err error
	e.Salt = ledger.NewSalt()
	e.Commitment = ledger.HashOf(e.Payload())
	if e.Sealed, err = l.w.Seal(p, c, index, e.Payload()); err != nil {
		l.Fatal(err)
	}
	return e
}

// append links commits to what is there, and stores them as one block.
func (l *written) append(commits ...*ledger.Commit) {
	l.Helper()
	raws := make([][]byte, len(commits))
	for i, c := range commits {
		c.Prev = l.heads[c.Profile]
		raw, err := ledger.AppendCommit(nil, c)
		if err != nil {
			l.Fatal(err)
		}
		raws[i], l.heads[c.Profile] = raw, ledger.HashOf(raw)
	}
	b := ledger.AppendBlock(nil, ledger.NewCommitID(commits[0].Time), l.seq+1, l.prev, raws)
	last, err := l.blocks.Last(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	if _, err := l.blocks.Append(l.Context(), b, last.Pos); err != nil {
		l.Fatal(err)
	}
	l.seq, l.prev = l.seq+ledger.Seq(len(commits)), ledger.HashOf(b)
}

// fill writes n commits of some profiles: each is created, and then its city is set.
func (l *written) fill(n, owners int) {
	l.Helper()
	ids := make([]ledger.ProfileID, owners)
	at := time.UnixMilli(1_700_000_000_000).UTC()
	var block []*ledger.Commit
	for i := range n {
		at = at.Add(time.Millisecond)
		c := &ledger.Commit{ID: ledger.NewCommitID(at), Time: at, Meta: ledger.Meta{Actor: "admin", Via: "native"}}
		e := ledger.Event{View: ledger.Shared, Op: ledger.OpCreated}
		if owner := i % owners; i < owners {
			ids[owner] = ledger.NewProfileID(at)
			c.Profile = ids[owner]
		} else {
			c.Profile = ids[owner]
			e = l.sealed(ledger.Event{View: ledger.Shared, Field: "city", Op: ledger.OpSet, Value: ledger.Value(fmt.Sprintf(`"city %d"`, i))}, c.Profile, c.ID, 0)
		}
		c.Events = []ledger.Event{e}
		if block = append(block, c); len(block) == largeBlock || i == n-1 {
			l.append(block...)
			block = nil
		}
	}
}

// followed gives the parts of a check of blocks, with projections made of them.
func (l *written) followed(b stream.Blocks, lineage string) Parts {
	l.Helper()
	on := stream.OpenLedger(b, lineage)
	cfg := projections.Config{Dir: l.TempDir(), Source: on}
	v, err := views.Open(l.Context(), cfg)
	if err != nil {
		l.Fatal(err)
	}
	h, err := history.Open(l.Context(), cfg)
	if err != nil {
		l.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- v.Run(ctx) }()
	go func() { ended <- h.Run(ctx) }()
	l.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, <-ended, v.Close(), h.Close()); err != nil {
			l.Error(err)
		}
	})
	head, err := on.Head(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	if err := errors.Join(v.Wait(l.Context(), head.Seq), h.Wait(l.Context(), head.Seq)); err != nil {
		l.Fatal(err)
	}
	return Parts{Ledger: on, Opener: l.w, Views: v, History: h, Known: func() map[string]projections.Position {
		return map[string]projections.Position{"views": v.At(), "history": h.At()}
	}}
}

// inRead is blocks of which one is changed where they are read in order, and as it was
// where a place is looked for.
type inRead struct{ stream.Blocks }

func (b inRead) Last(ctx context.Context) (stream.Entry, error) {
	return b.Blocks.(changed).Blocks.Last(ctx)
}

func (b inRead) Get(ctx context.Context, pos uint64) (stream.Entry, error) {
	return b.Blocks.(changed).Blocks.Get(ctx, pos)
}

// TestAnyFlippedBitOfManyCommits: 10,000 bits of a ledger of 100,000 commits are turned, one
// at a time; each is found, in the block that it is in or at the one that follows it.
//
// A check reads every block from the first, and what comes before the changed one is the
// same bytes, in which it finds nothing: so for most bits the reader that it uses begins at
// the changed block, with the place that the blocks before lead to. It must say that this
// block is damaged, or that the next one does not follow it. That would end the check, too.
// Nothing follows the last block: a sample of its bits, and of all, is left to a whole check
// (TestAnyFlippedBit turns more of them).
func TestAnyFlippedBitOfManyCommits(t *testing.T) {
	l := newWritten(t)
	l.fill(largeCommits, largeOwners)
	parts := l.followed(l.blocks, "large")
	check := func(b stream.Blocks) Report {
		t.Helper()
		p := parts
		p.Ledger = stream.OpenLedger(b, "large")
		r, err := Run(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := check(l.blocks); len(r.Findings) > 0 || r.Commits != largeCommits {
		t.Fatalf("a whole ledger: %d commits, %+v", r.Commits, r.Findings)
	}
	last, err := l.blocks.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	whole := 0
	for i := range 10_000 {
		pos := 1 + random.Uint64N(last.Pos-1)
		sample := i%1250 == 0
		if i%2500 == 0 {
			pos = last.Pos
		}
		e, err := l.blocks.Get(t.Context(), pos)
		if err != nil {
			t.Fatal(err)
		}
		bit := random.IntN(len(e.Payload) * 8)
		first := ledger.Seq(pos-1)*largeBlock + 1
		b := flipped(l.blocks, pos, bit)
		found := ledger.Seq(0)
		if sample {
			whole++
			if r := check(b); len(r.Findings) > 0 {
				found = r.Findings[0].Seq
			}
		} else {
			var damaged *stream.BlockError
			for b, err := range stream.OpenLedger(inRead{b}, "large").Read(t.Context(), first) {
				if errors.As(err, &damaged) {
					found = damaged.First
				}
				if err != nil || b.Pos > pos {
					break
				}
			}
		}
		if found < first || found > first+largeBlock {
			t.Fatalf("block %d (from sequence %d), bit %d: found at %d", pos, first, bit, found)
		}
	}
	t.Logf("10,000 bits of %d blocks, %d by a whole check", last.Pos, whole)
}

// logOf is a ledger as the transparency log follows it.
type logOf struct{ *stream.Ledger }

func (s logOf) Head(ctx context.Context) (ledger.Seq, ledger.Hash, error) {
	h, err := s.Ledger.Head(ctx)
	return h.Seq, h.Hash, err
}

func (s logOf) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[proof.Block, error] {
	return func(yield func(proof.Block, error) bool) {
		for b, err := range s.Ledger.Follow(ctx, from) {
			if err != nil {
				yield(proof.Block{}, err)
				return
			}
			if !yield(proof.Block{Prev: b.Prev, Hash: b.Hash, Commits: b.Commits}, nil) {
				return
			}
		}
	}
}

// logState is a proof.Store and a proof.Sealer for one log.
type logState map[string][]byte

func (s logState) Get(_ context.Context, key string) ([]byte, uint64, error) {
	if v, ok := s[key]; ok {
		return v, 1, nil
	}
	return nil, 0, ledger.ErrNotFound
}

func (s logState) Create(_ context.Context, key string, value []byte) error {
	s[key] = value
	return nil
}

func (s logState) Update(_ context.Context, key string, value []byte, _ uint64) error {
	s[key] = value
	return nil
}

func (logState) SealSystem(_, _ string, plain []byte) ([]byte, error)  { return plain, nil }
func (logState) OpenSystem(_, _ string, sealed []byte) ([]byte, error) { return sealed, nil }

// TestForgedCommit: somebody who has every key writes one commit anew, and everything behind
// it so that it follows, and makes the projections anew: a ledger without a flaw in itself.
// What was signed tells it, and the log's files tell where it begins.
func TestForgedCommit(t *testing.T) {
	l := newWritten(t)
	l.fill(2000, 20)
	state, dir := logState{}, t.TempDir()
	open := func(b stream.Blocks, still bool) *proof.Log {
		t.Helper()
		log, err := proof.Open(t.Context(), proof.Config{Dir: dir, Source: logOf{stream.OpenLedger(b, "forged")}, Store: state, Sealer: state, Still: still})
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
	log := open(l.blocks, false)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	err := log.Wait(t.Context(), l.seq)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	run := func(b stream.Blocks) []Finding {
		t.Helper()
		p := l.followed(b, "forged")
		p.Log = open(b, true)
		r, err := Run(t.Context(), p, nil)
		if err != nil || r.Commits != 2000 {
			t.Fatalf("%d commits, %v", r.Commits, err)
		}
		return r.Findings
	}
	if wrong := run(l.blocks); len(wrong) > 0 {
		t.Fatalf("a whole ledger: %+v", wrong)
	}
	for _, victim := range []ledger.Seq{1500, 2000} {
		f := newWritten(t)
		f.w = l.w
		for b, err := range stream.OpenLedger(l.blocks, "forged").Read(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			var commits []*ledger.Commit
			for _, r := range b.Commits {
				if c := r.Commit; r.Seq == victim {
					c.Events[0].Value = ledger.Value(`"another city"`)
					c.Events[0] = f.sealed(c.Events[0], c.Profile, c.ID, 0)
				}
				commits = append(commits, r.Commit)
			}
			f.append(commits...)
		}
		wrong := run(f.blocks)
		signed := slices.IndexFunc(wrong, func(f Finding) bool { return f.Invariant == "P1" && f.Seq == 2000 })
		where := slices.IndexFunc(wrong, func(f Finding) bool {
			return f.Invariant == "P2" && f.Seq == victim && strings.Contains(f.Why, "tile/entries/")
		})
		if signed < 0 || where < 0 {
			t.Errorf("commit %d: %+v", victim, wrong)
		}
		if i := slices.IndexFunc(wrong, func(f Finding) bool { return f.Invariant != "P1" && f.Invariant != "P2" }); i >= 0 {
			t.Errorf("the forged ledger has a flaw in itself: %+v", wrong[i])
		}
	}
}

// forgetful is a history that finds no commit, or an older one, by its idempotency key.
type forgetful struct {
	*history.History
	older *ledger.Record
}

func (f forgetful) Idem(context.Context, [16]byte, ledger.Seq) (ledger.Record, bool, error) {
	if f.older != nil {
		return *f.older, true, nil
	}
	return ledger.Record{}, false, nil
}

// TestForgottenKey: a commit of the last day that the history does not find by its
// idempotency key is found; one that is older than a day need not be there.
func TestForgottenKey(t *testing.T) {
	l := newWritten(t)
	l.fill(4, 2)
	var id ledger.ProfileID
	for p := range l.heads {
		id = p
	}
	at := time.UnixMilli(1_700_000_100_000).UTC()
	keyed := func(key byte) {
		c := &ledger.Commit{ID: ledger.NewCommitID(at), Profile: id, Time: at, Meta: ledger.Meta{Actor: "admin", Via: "native"}, Idem: &ledger.Idem{Key: [16]byte{key}}}
		c.Events = []ledger.Event{l.sealed(ledger.Event{View: ledger.Shared, Field: "city", Op: ledger.OpSet, Value: ledger.Value(`"Lyon"`)}, id, c.ID, 0)}
		l.append(c)
	}
	keyed(1)
	at = at.Add(25 * time.Hour)
	keyed(2)
	p := l.followed(l.blocks, "keys")
	whole := p.History.(*history.History)
	first, _, err := whole.Idem(t.Context(), [16]byte{1}, 0)
	if err != nil || first.Seq != 5 {
		t.Fatalf("sequence %d, %v", first.Seq, err)
	}
	for name, c := range map[string]struct {
		h     History
		wrong int
	}{
		"whole": {whole, 0}, "forgotten": {forgetful{History: whole}, 1}, "an older one": {forgetful{whole, &first}, 1},
	} {
		p.History = c.h
		r, err := Run(t.Context(), p, nil)
		if err != nil || len(r.Findings) != c.wrong {
			t.Errorf("%s: %+v %v", name, r.Findings, err)
		}
		for _, f := range r.Findings {
			if f.Invariant != "V2" || f.View != "history" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
