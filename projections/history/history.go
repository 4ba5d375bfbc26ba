package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/projections"
)

// Config is where the history lives and what it follows.
type Config = projections.Config

// History finds commits by profile, time and idempotency key. Run, Wait, Rebuild and the
// rest of its life cycle are projections.Projection's. No read waits: what must be seen is
// waited for first (Wait).
type History struct {
	*projections.Projection
}

// Open opens the history in <Dir>/history.db, or makes it. See projections.Open.
func Open(ctx context.Context, cfg Config) (*History, error) {
	p, err := projections.Open(ctx, cfg, model{})
	if err != nil {
		return nil, err
	}
	return &History{p}, nil
}

// Head is where a profile's history begins and ends.
type Head struct {
	First   ledger.Seq // of its first commit
	Seq     ledger.Seq // of its last
	Hash    ledger.Hash
	Commits int64
	Erased  bool
}

// Head says where the profile's history ends; ledger.ErrNotFound when it has none.
func (h *History) Head(ctx context.Context, id ledger.ProfileID) (Head, error) {
	var x *head
	err := h.Read(func(r *projections.Reader) (err error) {
		x, err = findHead(ctx, r, id)
		return err
	})
	if err != nil {
		return Head{}, fmt.Errorf("history of profile %s: %w", id, err)
	}
	return Head{First: x.first, Seq: x.seq, Hash: x.hash, Commits: x.commits, Erased: x.erased}, nil
}

// Commits gives up to limit commits of the profile after sequence after (0: from the
// first), oldest first, parsed and sealed as stored. Each is checked against its hash and
// against the commit before it, also the first of the page; a *ledger.ChainError says what
// does not fit. A page that is not full is the last. ledger.ErrNotFound when there is no
// such profile.
func (h *History) Commits(ctx context.Context, id ledger.ProfileID, after ledger.Seq, limit int) ([]ledger.Record, error) {
	recs := []ledger.Record{}
	err := h.Read(func(r *projections.Reader) error {
		x, err := findHead(ctx, r, id)
		if err != nil {
			return err
		}
		link := ledger.NewProfile(id)
		if limit <= 0 {
			return nil
		}
		// The page may begin anywhere: the commit before it is found with its first one.
		first := true
		return walk(ctx, reader{r}, x, after, x.seq, func(rec ledger.Record) (bool, error) {
			if first && rec.Seq != x.first {
				if err := findBefore(ctx, r, rec.Seq, link); err != nil {
					return false, err
				}
			}
			first = false
			if err := link.Check(rec.Seq, rec.Commit); err != nil {
				return false, err
			}
			link.Seq, link.Head = rec.Seq, rec.Hash
			recs = append(recs, rec)
			return len(recs) < limit, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("history of profile %s: %w", id, err)
	}
	return recs, nil
}

// StateAt gives the profile's state after its last commit that is not after seq, sealed as
// stored, folded with every link checked from the nearest mark. The caller owns it.
// ledger.ErrNotFound when the profile did not exist then.
func (h *History) StateAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	var p *ledger.Profile
	err := h.Read(func(r *projections.Reader) error {
		x, err := findHead(ctx, r, id)
		if err != nil {
			return err
		}
		if seq < x.first {
			return ledger.ErrNotFound
		}
		p, err = fold(ctx, reader{r}, x, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("profile %s at sequence %d: %w", id, seq, err)
	}
	return p, nil
}

// SeqAt is the largest sequence whose time is not after t; 0 when all are.
func (h *History) SeqAt(ctx context.Context, t time.Time) (ledger.Seq, error) {
	var seq int64
	err := h.Read(func(r *projections.Reader) error {
		return r.QueryRow(ctx, queryTimes, t.UnixMilli()).Scan(&seq)
	})
	if err != nil {
		return 0, fmt.Errorf("sequence at %s: %w", t.UTC().Format(time.RFC3339Nano), err)
	}
	return ledger.Seq(seq), nil
}

// Record gives one commit by its sequence, checked against its hash (not against its
// profile's chain); ledger.ErrNotFound when it is not there.
func (h *History) Record(ctx context.Context, seq ledger.Seq) (ledger.Record, error) {
	var rec ledger.Record
	err := h.Read(func(r *projections.Reader) error {
		var hash, raw []byte
		if err := r.QueryRow(ctx, queryRecord, int64(seq)).Scan(&hash, &raw); err != nil {
			return notFound(err)
		}
		var err error
		rec, err = parse(seq, hash, raw)
		return err
	})
	if err != nil {
		return ledger.Record{}, fmt.Errorf("commit %d: %w", seq, err)
	}
	return rec, nil
}

// Idem gives the newest commit under an idempotency key, with everything up to sequence
// atLeast looked at (it waits for that, bounded by ctx); false when there is none. Keys are
// kept for two days, by the times of commits.
func (h *History) Idem(ctx context.Context, key [16]byte, atLeast ledger.Seq) (rec ledger.Record, found bool, err error) {
	if err := h.Wait(ctx, atLeast); err != nil {
		return rec, false, err
	}
	err = h.Read(func(r *projections.Reader) error {
		var seq int64
		var hash, raw []byte
		if err := r.QueryRow(ctx, queryIdem, key[:]).Scan(&seq, &hash, &raw); err != nil {
			return notFound(err)
		}
		rec, err = parse(ledger.Seq(seq), hash, raw)
		return err
	})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return ledger.Record{}, false, nil
	case err != nil:
		return ledger.Record{}, false, fmt.Errorf("commit under an idempotency key: %w", err)
	}
	return rec, true, nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.ErrNotFound
	}
	return err
}

func findHead(ctx context.Context, r *projections.Reader, id ledger.ProfileID) (*head, error) {
	h, err := scanHead(id, r.QueryRow(ctx, queryHead, id[:]))
	return h, notFound(err)
}

func scanHead(id ledger.ProfileID, row *sql.Row) (*head, error) {
	var first, seq int64
	var hash []byte
	h := &head{id: id}
	if err := row.Scan(&first, &seq, &hash, &h.commits, &h.erased); err != nil {
		return nil, err
	}
	h.first, h.seq = ledger.Seq(first), ledger.Seq(seq)
	return h, copyHash(&h.hash, hash)
}

// findBefore fills link with the place and hash of the profile's commit before the one at
// seq.
func findBefore(ctx context.Context, r *projections.Reader, seq ledger.Seq, link *ledger.Profile) error {
	var at int64
	var hash []byte
	if err := r.QueryRow(ctx, queryBefore, int64(seq)).Scan(&at, &hash); err != nil {
		return notFound(err)
	}
	link.Seq = ledger.Seq(at)
	return copyHash(&link.Head, hash)
}
