package sinks

import (
	"context"
	"errors"
	"fmt"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Trouble is one thing that is wrong with the lanes.
type Trouble struct {
	Key // zero parts: it is about no lane in particular
	Seq ledger.Seq
	Why string
}

// Bound is a connection as the lanes know it.
type Bound struct {
	AccountKey
	Seq ledger.Seq // commit of its last bound event
}

// Lanekeeping is what Check has found.
type Lanekeeping struct {
	Lanes    int
	Troubles []Trouble
	// Bound are the connections that have lanes, Cursor how far the ledger was taken in: a
	// connection that the ledger had at Cursor has an account, and the other way round.
	Bound  []Bound
	Cursor ledger.Seq
}

// Check reads the lanes, changing nothing, and compares them with the ledger: whose they
// are, and that none knows a commit that is not there. It may run beside their owner. The
// error is about the check itself.
func Check(ctx context.Context, b stream.Blocks, l Ledger) (out Lanekeeping, err error) {
	t := newTable()
	bad := func(k Key, seq ledger.Seq, why string, v ...any) {
		out.Troubles = append(out.Troubles, Trouble{Key: k, Seq: seq, Why: fmt.Sprintf(why, v...)})
	}
	for e, err := range b.Read(ctx, 1) {
		var damaged *stream.BlockError
		if errors.As(err, &damaged) {
			bad(Key{}, 0, "the lanes' stream: %v", damaged.Err)
			return out, nil
		}
		if err != nil {
			return out, err
		}
		block, err := parseBlock(e.Pos, e.Payload)
		for _, c := range block.Records {
			if err == nil {
				err = t.apply(c)
			}
		}
		if err != nil {
			bad(Key{}, 0, "block %d: %v", e.Pos, err)
			return out, nil
		}
	}
	// The lanes were read first: nothing in them may be newer than this.
	head, err := l.Head(ctx)
	if err != nil {
		return out, err
	}
	var broken *stream.BlockError
	err = belongs(ctx, t.cursor, l)
	switch {
	case errors.Is(err, ErrAhead):
		bad(Key{}, t.cursor.Seq, "%v", err)
	case errors.As(err, &broken):
		// The ledger's own trouble.
	case err != nil:
		return out, err
	}
	out.Cursor = t.cursor.Seq
	for _, list := range t.accounts {
		for _, a := range list {
			out.Bound = append(out.Bound, Bound{a.rec.AccountKey, a.rec.BoundSeq})
			for _, one := range a.lanes {
				out.Lanes++
				r := &one.rec
				if known := max(r.knows(), a.rec.BoundSeq); known > head.Seq {
					bad(r.Key, known, "it knows commit %d, the ledger ends at %d", known, head.Seq)
				}
			}
		}
	}
	return out, nil
}
