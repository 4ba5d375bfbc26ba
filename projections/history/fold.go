package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"vitae/ledger"
	"vitae/projections"
)

// source runs the model's queries: on the live file, or in the writer's own transaction.
type source interface {
	query(ctx context.Context, i int, args ...any) (*sql.Rows, error)
}

type reader struct{ r *projections.Reader }

func (r reader) query(ctx context.Context, i int, args ...any) (*sql.Rows, error) {
	return r.r.Query(ctx, i, args...)
}

// fold makes the state of a profile after its last commit that is not after seq: from the
// nearest mark, if its state is kept, commit by commit with every link checked.
func fold(ctx context.Context, from source, h *head, seq ledger.Seq) (*ledger.Profile, error) {
	p := ledger.NewProfile(h.id)
	var state []byte
	found, err := one(ctx, from, queryMark, []any{&state}, int64(h.first), int64(seq))
	if err != nil {
		return nil, err
	}
	if found {
		if p, err = projections.ReadProfile(state, h.id); err != nil {
			return nil, err
		}
	}
	err = walk(ctx, from, h, p.Seq, seq, func(rec ledger.Record) (bool, error) {
		if err := p.Check(rec.Seq, rec.Commit); err != nil {
			return false, err
		}
		p.Apply(rec.Seq, rec.Hash, rec.Commit)
		return true, nil
	})
	return p, err
}

// walk hands the profile's commits after sequence after and not after to to do, oldest
// first, until do is false. It goes from mark to mark, and back through the commits of each stretch. It does
// not check their links: do does.
func walk(ctx context.Context, from source, h *head, after, to ledger.Seq, do func(ledger.Record) (bool, error)) error {
	for after < min(h.seq, to) {
		end := int64(h.seq)
		if _, err := one(ctx, from, queryNextMark, []any{&end}, int64(h.first), int64(after)); err != nil {
			return err
		}
		recs, err := stretch(ctx, from, ledger.Seq(end), after, to)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if more, err := do(rec); err != nil || !more {
				return err
			}
		}
		after = ledger.Seq(end)
	}
	return nil
}

// stretch gives the profile's commits after after up to the one at end, oldest first,
// without those after to.
func stretch(ctx context.Context, from source, end, after, to ledger.Seq) (recs []ledger.Record, err error) {
	rows, err := from.query(ctx, queryWalk, int64(end), int64(after), int64(to))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seq, before int64
		var hash, raw []byte
		if err := rows.Scan(&seq, &before, &hash, &raw); err != nil {
			return nil, err
		}
		rec, err := parse(ledger.Seq(seq), hash, raw)
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	slices.Reverse(recs)
	return recs, rows.Err()
}

// one reads the first row of a query, if there is one.
func one(ctx context.Context, from source, query int, to []any, args ...any) (found bool, err error) {
	rows, err := from.query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(to...)
}

// parse reads a stored commit and checks it against the hash that was stored with it.
func parse(seq ledger.Seq, hash, raw []byte) (ledger.Record, error) {
	var want ledger.Hash
	if err := copyHash(&want, hash); err != nil {
		return ledger.Record{}, err
	}
	c, err := ledger.ParseCommit(raw)
	if err != nil {
		return ledger.Record{}, fmt.Errorf("commit %d as stored: %w", seq, err)
	}
	got := ledger.HashOf(raw)
	if got != want {
		return ledger.Record{}, &ledger.ChainError{Profile: c.Profile, Seq: seq, Why: fmt.Sprintf("the stored commit has hash %s, not %s", got, want)}
	}
	return ledger.Record{Seq: seq, Hash: got, Raw: raw, Commit: c}, nil
}

func copyHash(to *ledger.Hash, b []byte) error {
	if len(b) != len(to) {
		return fmt.Errorf("%w: a hash of %d bytes", projections.ErrState, len(b))
	}
	copy(to[:], b)
	return nil
}
