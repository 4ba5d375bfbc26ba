package fsck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/history"
	"vitae/projections/views"
	"vitae/sinks/sinktest"
)

// changed is a stream of blocks of which some were changed.
type changed struct {
	stream.Blocks
	alter func(stream.Entry) stream.Entry
}

func (c changed) Last(ctx context.Context) (stream.Entry, error) {
	e, err := c.Blocks.Last(ctx)
	return c.alter(e), err
}

func (c changed) Get(ctx context.Context, pos uint64) (stream.Entry, error) {
	e, err := c.Blocks.Get(ctx, pos)
	return c.alter(e), err
}

func (c changed) Read(ctx context.Context, from uint64) iter.Seq2[stream.Entry, error] {
	return func(yield func(stream.Entry, error) bool) {
		for e, err := range c.Blocks.Read(ctx, from) {
			if !yield(c.alter(e), err) {
				return
			}
		}
	}
}

// flipped changes one bit of the block at pos.
func flipped(b stream.Blocks, pos uint64, bit int) stream.Blocks {
	return changed{b, func(e stream.Entry) stream.Entry {
		if e.Pos == pos {
			e.Payload = slices.Clone(e.Payload)
			e.Payload[bit/8] ^= 1 << (bit % 8)
		}
		return e
	}}
}

// checked is a ledger with its projections, which follow it as it was before it was changed.
type checked struct {
	*testing.T
	w     *sinktest.World
	parts Parts
}

func newChecked(t *testing.T, profiles, edits int) *checked {
	t.Helper()
	c := &checked{T: t, w: sinktest.NewWorld()}
	var ids []ledger.ProfileID
	for range profiles {
		ids = append(ids, c.w.Create("firstName", `"Jane"`))
	}
	for i := range edits {
		c.w.Set(ids[i%len(ids)], "city", fmt.Sprintf("%q", fmt.Sprint("city ", i)))
	}
	cfg := projections.Config{Dir: t.TempDir(), Source: c.w.Ledger}
	v, err := views.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- v.Run(ctx) }()
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, <-ended, v.Close(), h.Close()); err != nil {
			t.Error(err)
		}
	})
	c.parts = Parts{Ledger: c.w.Ledger, Opener: c.w, Views: v, History: h, Known: func() map[string]projections.Position {
		return map[string]projections.Position{"views": v.At(), "history": h.At()}
	}}
	head, err := c.w.Ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.Wait(t.Context(), head.Seq), h.Wait(t.Context(), head.Seq)); err != nil {
		t.Fatal(err)
	}
	if r := c.run(c.w.Blocks); len(r.Findings) > 0 {
		t.Fatalf("a whole ledger: %+v", r.Findings)
	}
	return c
}

// run checks the ledger in other blocks.
func (c *checked) run(b stream.Blocks) Report {
	c.Helper()
	p := c.parts
	p.Ledger = stream.OpenLedger(b, c.w.Ledger.Lineage())
	r, err := Run(c.Context(), p, nil)
	if err != nil {
		c.Fatal(err)
	}
	return r
}

// TestAnyFlippedBit: a bit that is another, anywhere in the ledger, is found, and the first
// finding names a sequence of the block that it is in, or of the one that follows it.
func TestAnyFlippedBit(t *testing.T) {
	c := newChecked(t, 3, 60)
	last, err := c.w.Blocks.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	trials := 2000
	for i := range trials {
		pos := 1 + random.Uint64N(last.Pos)
		if i%10 == 0 {
			pos = last.Pos // nothing follows it
		}
		e, err := c.w.Blocks.Get(t.Context(), pos)
		if err != nil {
			t.Fatal(err)
		}
		blk, err := ledger.ParseBlock(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		bit := random.IntN(len(e.Payload) * 8)
		r := c.run(flipped(c.w.Blocks, pos, bit))
		if len(r.Findings) == 0 {
			t.Fatalf("block %d, bit %d of %d: not found", pos, bit, len(e.Payload)*8)
		}
		at := slices.MinFunc(r.Findings, func(a, b Finding) int { return int(a.Seq) - int(b.Seq) }).Seq
		if end := blk.First + ledger.Seq(len(blk.Commits)); at != 0 && (at < blk.First || at > end) {
			t.Fatalf("block %d (sequences %d to %d), bit %d: found at sequence %d: %+v", pos, blk.First, end-1, bit, at, r.Findings)
		}
	}
	t.Logf("%d bits of %d blocks", trials, last.Pos)
}

// TestChangedBlocks: a block that was taken out, swapped, repeated or cut off at the end is
// found.
func TestChangedBlocks(t *testing.T) {
	c := newChecked(t, 2, 10)
	last, err := c.w.Blocks.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	get := func(pos uint64) []byte {
		e, err := c.w.Blocks.Get(t.Context(), pos)
		if err != nil {
			t.Fatal(err)
		}
		return e.Payload
	}
	put := func(order ...uint64) *stream.Memory {
		m := stream.NewMemory(8 << 20)
		for i, pos := range order {
			if _, err := m.Append(t.Context(), get(pos), uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	all := make([]uint64, last.Pos)
	for i := range all {
		all[i] = uint64(i + 1)
	}
	for name, order := range map[string][]uint64{
		"taken out": slices.Concat(all[:4], all[5:]),
		"swapped":   slices.Concat(all[:4], []uint64{6, 5}, all[6:]),
		"repeated":  slices.Concat(all[:4], []uint64{4}, all[4:]),
		"cut off":   all[:last.Pos-1],
		"empty":     nil,
	} {
		if r := c.run(put(order...)); len(r.Findings) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}
