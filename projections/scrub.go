package projections

import (
	"context"
	"errors"
	"fmt"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Overwriting is a Model whose rows must not outlive their deletion: SQLite overwrites
// what they took up, and no partial rebuild is kept. Rows of other models are sealed, and
// of no use once the key is destroyed.
type Overwriting interface{ Overwrite() }

func overwrites(m Model) bool {
	_, ok := m.(Overwriting)
	return ok
}

// erases says whether a profile is erased in these blocks.
func erases(blocks []stream.Located) bool {
	for _, b := range blocks {
		for i := range b.Commits {
			for k := range b.Commits[i].Commit.Events {
				if b.Commits[i].Commit.Events[k].Op == ledger.OpErased {
					return true
				}
			}
		}
	}
	return false
}

// Scrub empties SQLite's log into the file, so that what was deleted or replaced is not in
// it any more. The projection does it by itself after every erasure it applies, and when
// it is opened; Scrub is for who wants to know that it was done. ledger.ErrUnavailable when
// reads were in the way: ask again.
func (p *Projection) Scrub(ctx context.Context) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.closed {
		return ErrClosed
	}
	return p.live.scrub(ctx)
}

// scrubPatience is how long a scrub waits for reads to end, in milliseconds: nothing is
// applied meanwhile.
const scrubPatience = 100

func (f *file) scrub(ctx context.Context) (err error) {
	if _, err := f.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout(%d)", scrubPatience)); err != nil {
		return err
	}
	defer func() {
		_, back := f.conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout(%d)", busyTimeout))
		err = errors.Join(err, back)
	}()
	var busy, pages, moved int
	if err := f.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("emptying the log of %s: %w", f.model.Name(), err)
	}
	if busy != 0 {
		return fmt.Errorf("emptying the log of %s: %w: reads are in the way", f.model.Name(), ledger.ErrUnavailable)
	}
	return nil
}
