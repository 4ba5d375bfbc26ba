package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

// older is the ledger as it was at a commit.
func (b *bench) older(seq ledger.Seq) *stream.Ledger {
	b.Helper()
	blocks := stream.NewMemory(limit)
	for l, err := range b.w.Ledger.Read(context.Background(), 1) {
		if err != nil {
			b.Fatal(err)
		}
		if l.Commits[len(l.Commits)-1].Seq > seq {
			break
		}
		e, err := b.w.Ledger.Blocks().Get(context.Background(), l.Pos)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := blocks.Append(context.Background(), e.Payload, l.Pos-1); err != nil {
			b.Fatal(err)
		}
	}
	return stream.OpenLedger(blocks, b.w.Ledger.Lineage())
}

// head is where the ledger ends.
func (b *bench) head(l *stream.Ledger) ledger.Seq {
	b.Helper()
	h, err := l.Head(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return h.Seq
}

// troubles counts what is wrong with the lanes beside a ledger.
func (b *bench) troubles(l *stream.Ledger) (n, lanes int, cursor ledger.Seq) {
	b.Helper()
	got, err := sinks.Check(context.Background(), b.lanes, l)
	if err != nil {
		b.Fatal(err)
	}
	return len(got.Troubles), got.Lanes, got.Cursor
}

// beforeAny is how many commits edited makes before anything is delivered.
const beforeAny = 5

// TestResetToAnyHead: whatever the ledger was put back to, the lanes know no more than it has
// after a reset, and of what they knew by then nothing is lost.
func TestResetToAnyHead(t *testing.T) {
	inShop(t, func(b *bench) {
		b.edited()
		for seq := b.head(b.w.Ledger); seq > 0; seq-- {
			l := b.older(seq)
			before, _, was := b.troubles(l)
			r, err := sinks.ResetBeyondHead(context.Background(), b.lanes, l)
			if err != nil {
				t.Fatalf("to commit %d: %v", seq, err)
			}
			n, lanes, cursor := b.troubles(l)
			if n > 0 || cursor > seq || cursor != r.Cursor || lanes != r.Lanes {
				t.Fatalf("to commit %d: %+v, but %d troubles, %d lanes, cursor %d", seq, r, n, lanes, cursor)
			}
			if (before > 0) != (r.Known > seq) || before == 0 && cursor != was {
				t.Errorf("to commit %d: %d troubles before, %+v", seq, before, r)
			}
			if seq > beforeAny && r.Lanes == 0 {
				t.Errorf("to commit %d: nothing is left of the lanes", seq)
			}
		}
	})
}

// TestResetBehindACompaction: lanes that the stream does not reach back to begin anew; those
// that a compaction has rewritten do not.
func TestResetBehindACompaction(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.edited()
		p := b.start()
		p.rest(time.Hour)
		if err := p.m.Purge(context.Background()); err != nil {
			t.Fatal(err)
		}
		at := b.head(b.w.Ledger)
		b.w.Put(id, "awards", "newer", note("newer"))
		p.rest(time.Hour)
		p.halt()
		if first := firstOf(t, b.lanes); first == 1 {
			t.Fatal("nothing was trimmed")
		}
		r, err := sinks.ResetBeyondHead(context.Background(), b.lanes, b.older(at))
		if err != nil || r.Cursor != at || r.Lanes == 0 || r.Known <= at {
			t.Errorf("to where the stream reaches: %+v, %v", r, err)
		}
		r, err = sinks.ResetBeyondHead(context.Background(), b.lanes, b.older(at-2))
		if err != nil || r.Cursor != 0 || r.Lanes != 0 {
			t.Errorf("to where it does not: %+v, %v", r, err)
		}
		if n, _, _ := b.troubles(b.older(at - 2)); n > 0 {
			t.Errorf("%d troubles are left", n)
		}
	})
}

func firstOf(t *testing.T, m *stream.Memory) uint64 {
	for e, err := range m.Read(context.Background(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		return e.Pos
	}
	return 0
}

// narrow is a stream that takes small blocks, and a number of them.
type narrow struct {
	*stream.Memory
	left int
}

func (n *narrow) Limit() int { return 2000 }

func (n *narrow) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	if n.left--; n.left < 0 {
		return 0, fmt.Errorf("full: %w", ledger.ErrCapacity)
	}
	return n.Memory.Append(ctx, payload, after)
}

// TestResetInterrupted: after any part of a reset the lanes are nobody's, not even those of
// the ledger that was put back again, and the next one brings them to the same place.
func TestResetInterrupted(t *testing.T) {
	inShop(t, func(b *bench) {
		b.edited()
		l := b.older(b.head(b.w.Ledger) - 4)
		for blocks := 1; ; blocks++ {
			_, err := sinks.ResetBeyondHead(context.Background(), &narrow{b.lanes, blocks}, l)
			if err == nil {
				if blocks < 4 {
					t.Errorf("it took %d blocks only", blocks)
				}
				break
			}
			if !errors.Is(err, ledger.ErrCapacity) {
				t.Fatal(err)
			}
			for _, one := range []*stream.Ledger{l, b.w.Ledger} {
				if n, _, _ := b.troubles(one); n == 0 {
					t.Fatalf("after %d blocks the lanes look whole", blocks)
				}
			}
		}
		if n, lanes, _ := b.troubles(l); n > 0 || lanes == 0 {
			t.Errorf("%d troubles, %d lanes", n, lanes)
		}
	})
}

// TestResetOfAnotherLedger: lanes of another ledger stay as they are.
func TestResetOfAnotherLedger(t *testing.T) {
	inShop(t, func(b *bench) {
		b.edited()
		was, err := b.lanes.Last(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		other := stream.OpenLedger(b.w.Ledger.Blocks(), "another")
		if _, err := sinks.ResetBeyondHead(context.Background(), b.lanes, other); !errors.Is(err, sinks.ErrAhead) {
			t.Errorf("%v", err)
		}
		if now, err := b.lanes.Last(context.Background()); err != nil || now.Pos != was.Pos {
			t.Errorf("something was written: %v, %v", now.Pos, err)
		}
	})
}
