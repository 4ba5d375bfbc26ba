package changes

import (
	"context"
	"time"

	"vitae/ledger"
)

// settlePause is the pause between two looks at the stream.
const settlePause = 10 * time.Millisecond

// TakenReceipts returns nil once no receipt up to a block of the lanes is missing from the
// stream, whichever instance writes it: then those blocks may be given up. Errors: ctx's, or
// that it could not be found out.
func (f *Feed) TakenReceipts(ctx context.Context, pos uint64) error {
	if f.cfg.Receipts == nil || pos == 0 {
		return nil
	}
	missing := uint64(0) // a block that has a receipt that may be missing
	for {
		at, err := f.last(ctx)
		if err != nil {
			return err
		}
		p := at.position
		if p.Lanes != f.lanes() {
			p.Pos = 0
		}
		// Of the block at p.Pos the last receipts may be missing.
		if missing == 0 || p.Pos >= missing {
			if missing, err = f.nextReceipt(ctx, max(p.Pos, 1), pos, p); err != nil || missing == 0 {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePause):
		}
	}
}

// nextReceipt finds the first block from from to to that has a receipt which position p does
// not cover; 0 when there is none.
func (f *Feed) nextReceipt(ctx context.Context, from, to uint64, p Position) (uint64, error) {
	if p.Pos > to {
		return 0, nil
	}
	for b, err := range f.cfg.Receipts.Follow(ctx, from) {
		if err != nil {
			return 0, err
		}
		done := 0
		if b.Pos == p.Pos {
			done = p.Done
		}
		if b.Pos <= to && len(b.Receipts) > done {
			return b.Pos, nil
		}
		if b.Pos >= to {
			break
		}
	}
	return 0, nil
}

// Settle returns once the events of a commit are in the stream, or would be if it made any.
func (f *Feed) Settle(ctx context.Context, seq ledger.Seq) error {
	for f.Applied() < seq {
		at, err := f.last(ctx)
		if err != nil {
			return err
		}
		if at.position.Seq > seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePause):
		}
	}
	return nil
}
