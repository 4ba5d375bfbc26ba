package sinks

import (
	"context"
	"errors"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// TestBeforeTrim: what a compaction gives up was shown to the hook before, and stays when
// the hook says no.
func TestBeforeTrim(t *testing.T) {
	ctx := context.Background()
	blocks := stream.NewMemory(1 << 20)
	m := &Manager{opt: Options{Blocks: blocks}, table: newTable(), sinks: map[string]*sink{}, dirty: map[*lane]struct{}{}, changed: make(chan struct{})}
	m.cancel = func() {}
	m.writer = stream.NewWriter(blocks, composer{}, 0, blockOverhead, nil)
	read := func(from uint64) (rows int, first uint64) {
		t.Helper()
		for e, err := range ReadJournal(ctx, blocks, from) {
			if err != nil {
				t.Fatal(err)
			}
			if rows++; first == 0 {
				first = e.Pos
			}
		}
		return rows, first
	}
	id := ledger.NewProfileID(time.Now())
	m.mu.Lock()
	a := m.table.addAccount(AccountRecord{AccountKey: AccountKey{"mokaru", id}})
	l := m.table.addLane(a, Record{Key: Key{"mokaru", id, "profile"}, Class: ClassA, BoundSeq: 1})
	tk, err := m.step(l, l.rec.Rev, Input{Event: Claim, Seq: 1, Attempt: NewID(time.Now()), Hash: 1, At: StampOf(time.Now())})
	m.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.stored(ctx, tk); err != nil {
		t.Fatal(err)
	}

	refused := errors.New("the journal has not got it yet")
	m.opt.BeforeTrim = func(context.Context, uint64) error { return refused }
	if err := m.compact(ctx); !errors.Is(err, refused) {
		t.Fatalf("%v", err)
	}
	if rows, first := read(1); rows != 1 || first != 1 {
		t.Errorf("%d rows from block %d", rows, first)
	}

	var shown uint64
	m.opt.BeforeTrim = func(_ context.Context, pos uint64) error {
		shown = pos
		if rows, _ := read(1); rows != 1 {
			t.Errorf("%d rows are there before the trim", rows)
		}
		return nil
	}
	if err := m.compact(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.writer.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if rows, _ := read(1); rows != 0 {
		t.Errorf("%d rows are left", rows)
	}
	for e, err := range blocks.Read(ctx, 1) {
		if err != nil || e.Pos != shown+1 {
			t.Errorf("the stream begins at %d, %v; the hook was shown %d", e.Pos, err, shown)
		}
		break
	}
}
