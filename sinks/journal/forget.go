package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Forget deletes an erased profile's rows and takes none in any more. On nil they are
// overwritten in the file and gone from its log. ledger.ErrUnavailable: they are deleted,
// but a query kept the log from being emptied. Asked again it does the same again.
func (j *Journal) Forget(ctx context.Context, profile ledger.ProfileID) error {
	return j.store(func(f *file) error { return f.forget(context.WithoutCancel(ctx), []ledger.ProfileID{profile}) })
}

func (f *file) forget(ctx context.Context, profiles []ledger.ProfileID) error {
	err := f.transact(ctx, func() error {
		for _, p := range profiles {
			for _, s := range []*sql.Stmt{f.refuse, f.remove} {
				if _, err := s.ExecContext(ctx, p[:]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("journal: forget: %w", err)
	}
	// The log still has the pages as they were.
	var busy, pages, moved int
	if err := f.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("journal: forget: %w", err)
	}
	if busy != 0 {
		return fmt.Errorf("journal: forget: %w: a query is in the way of the file's log", ledger.ErrUnavailable)
	}
	return nil
}

// Erasures is the ledger as it is followed for what was erased; *stream.Ledger is one.
type Erasures interface {
	Lineage() string
	Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
}

// everyCommits is how often it is stored how far erasures were looked for when there are
// none.
const everyCommits = 10_000

// FollowErasures forgets every profile that the ledger erases, until ctx ends (then it
// returns nil) or something fails; call it again then. It goes on where it was, so that
// an instance that was away forgets what was erased meanwhile.
func (j *Journal) FollowErasures(ctx context.Context, l Erasures) error {
	lineage := l.Lineage()
	seen, err := j.seen(ctx, lineage)
	if err != nil {
		return err
	}
	stored := seen
	store := func(erased []ledger.ProfileID) error {
		return j.store(func(f *file) error {
			ctx := context.WithoutCancel(ctx)
			if len(erased) > 0 {
				if err := f.forget(ctx, erased); err != nil {
					return err
				}
			}
			stored = seen
			_, err := f.conn.ExecContext(ctx, `UPDATE position SET ledger = ?, seen = ? WHERE id = 1`, lineage, int64(seen))
			return err
		})
	}
	for b, err := range l.Follow(ctx, seen+1) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return fmt.Errorf("journal: erasures: %w", err)
		}
		var erased []ledger.ProfileID
		for i := range b.Commits {
			c := b.Commits[i].Commit
			for k := range c.Events {
				if c.Events[k].Op == ledger.OpErased {
					erased = append(erased, c.Profile)
				}
			}
			seen = b.Commits[i].Seq
		}
		if len(erased) > 0 || seen >= stored+everyCommits {
			if err := store(erased); err != nil {
				return err
			}
		}
	}
	if ctx.Err() == nil {
		return errors.New("journal: erasures: the ledger ended following")
	}
	if seen == stored {
		return nil
	}
	return store(nil)
}

// Erasures is how far the ledger of that lineage was looked at for what was erased.
func (j *Journal) Erasures(ctx context.Context, lineage string) (ledger.Seq, error) {
	return j.seen(ctx, lineage)
}

// LookAgain makes FollowErasures begin with the ledger's first commit: the ledger is another
// than it was. Nothing that was forgotten comes back. On nil it is durable.
func (j *Journal) LookAgain(ctx context.Context) error {
	return j.store(func(f *file) error {
		_, err := f.conn.ExecContext(ctx, `UPDATE position SET seen = 0 WHERE id = 1`)
		return err
	})
}

// seen is how far a ledger was looked at; another ledger was not.
func (j *Journal) seen(ctx context.Context, lineage string) (ledger.Seq, error) {
	var of string
	var seq int64
	err := j.store(func(f *file) error {
		return f.conn.QueryRowContext(ctx, `SELECT ledger, seen FROM position`).Scan(&of, &seq)
	})
	if err != nil || of != lineage {
		return 0, err
	}
	return ledger.Seq(seq), nil
}
