package views

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/projections"
)

// Config is where the views live and what they follow.
type Config = projections.Config

// Views are the present states of all profiles, and the projection that keeps them: Run,
// Wait, Rebuild and the rest of its life cycle are projections.Projection's.
type Views struct {
	*projections.Projection
}

// Open opens the views in <Dir>/views.db, or makes them. See projections.Open.
func Open(ctx context.Context, cfg Config) (*Views, error) {
	p, err := projections.Open(ctx, cfg, model{})
	if err != nil {
		return nil, err
	}
	return &Views{p}, nil
}

// Profile gives the profile's present state, complete and from one moment, with every
// cell sealed as it is in the ledger. The caller owns it. It does not wait: see Wait and
// Load. An erased profile is there, with Erased set and no values. ledger.ErrNotFound when
// it was never created.
func (v *Views) Profile(ctx context.Context, id ledger.ProfileID) (*ledger.Profile, error) {
	var p *ledger.Profile
	err := v.Read(func(r *projections.Reader) error {
		rows, err := r.Query(ctx, queryProfile, id[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		p, _, err = scanProfile(id, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", id, err)
	}
	if p == nil {
		return nil, fmt.Errorf("profile %s: %w", id, ledger.ErrNotFound)
	}
	return p, nil
}

// Load gives the state for a committer: with everything up to sequence atLeast applied
// (waiting for it, bounded by ctx: *projections.BehindError), and ledger.NewProfile(id) when there is
// no such profile. The caller owns it.
func (v *Views) Load(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error) {
	if err := v.Wait(ctx, atLeast); err != nil {
		return nil, err
	}
	p, err := v.Profile(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.NewProfile(id), nil
	}
	return p, err
}

// Profiles lists up to limit profiles that exist (not erased) after the id after, in the
// order of their ids; the zero id begins. A page that is not full is the last.
func (v *Views) Profiles(ctx context.Context, after ledger.ProfileID, limit int) ([]ledger.ProfileID, error) {
	ids := []ledger.ProfileID{}
	err := v.Read(func(r *projections.Reader) error {
		rows, err := r.Query(ctx, queryProfiles, after[:], limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b sql.RawBytes
			if err := rows.Scan(&b); err != nil {
				return err
			}
			id, err := asID(b)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	return ids, nil
}

// Count is how many profiles exist (not erased).
func (v *Views) Count(ctx context.Context) (n int64, err error) {
	err = v.Read(func(r *projections.Reader) error { return r.QueryRow(ctx, queryCount).Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("count profiles: %w", err)
	}
	return n, nil
}

func asID(b []byte) (id ledger.ProfileID, err error) {
	if len(b) != len(id) {
		return id, fmt.Errorf("%w: a profile id of %d bytes", projections.ErrState, len(b))
	}
	copy(id[:], b)
	return id, nil
}

// placed is where a profile's rows are: its first sequence, and each view's slot.
type placed struct {
	first ledger.Seq
	slots map[string]int64
	size  int // of all rows in bytes
}

// scanProfile reads the lines of profileQuery; nil when there is none.
func scanProfile(id ledger.ProfileID, rows *sql.Rows) (*ledger.Profile, placed, error) {
	var p *ledger.Profile
	at := placed{slots: map[string]int64{}}
	for rows.Next() {
		var first, seq, created, updated, erased int64
		var row sql.NullInt64
		var head sql.RawBytes
		var view sql.NullString
		var state []byte
		if err := rows.Scan(&first, &seq, &head, &created, &updated, &erased, &row, &view, &state); err != nil {
			return nil, at, err
		}
		if p == nil {
			p = ledger.NewProfile(id)
			p.Seq, p.Erased = ledger.Seq(seq), erased != 0
			p.CreatedAt, p.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
			if copy(p.Head[:], head) != len(p.Head) {
				return nil, at, fmt.Errorf("%w: a hash of %d bytes", projections.ErrState, len(head))
			}
			at.first = ledger.Seq(first)
		}
		if !row.Valid {
			continue
		}
		at.slots[view.String] = row.Int64 & (1<<slotBits - 1)
		at.size += len(state)
		if view.String == ledger.Shared {
			if err := projections.ReadShared(state, p); err != nil {
				return nil, at, fmt.Errorf("view %s: %w", view.String, err)
			}
			continue
		}
		r, err := projections.ReadResume(state, view.String)
		if err != nil {
			return nil, at, fmt.Errorf("view %s: %w", view.String, err)
		}
		p.Resumes[view.String] = r
	}
	return p, at, rows.Err()
}
