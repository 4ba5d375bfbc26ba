package history

import (
	"context"
	"database/sql"
	"errors"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/internal/lru"
)

// cachedHeads is how many profiles' heads the writer keeps; some 200 bytes each.
const cachedHeads = 200_000

// head is where a profile's history ends.
type head struct {
	id      ledger.ProfileID
	first   ledger.Seq // 0: it has no commit yet
	seq     ledger.Seq
	hash    ledger.Hash
	commits int64
	erased  bool
	changed bool // in this transaction
}

// writer files commits.
type writer struct {
	stmts map[string]*sql.Stmt
	// heads is a cache; changed are those of this transaction, which it must not lose.
	heads   *lru.Cache[ledger.ProfileID, *head]
	changed map[ledger.ProfileID]*head
	order   []*head
	buf     []byte
}

// The writer's statements.
const (
	putCommit = `INSERT INTO commits VALUES (?, ?, ?, ?, ?)`
	putHead   = `INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (profile) DO UPDATE SET seq = excluded.seq, head = excluded.head, commits = excluded.commits, erased = excluded.erased`
	putMark    = `INSERT INTO marks VALUES (?, ?, ?)`
	emptyMarks = `UPDATE marks SET state = x'' WHERE first = ?`
	putIdem    = `INSERT OR REPLACE INTO idem VALUES (?, ?, ?)`
	// Buckets before ?1 whose last commit was before ?2.
	dropIdem = `DELETE FROM idem WHERE bucket IN (SELECT DISTINCT bucket FROM idem WHERE bucket < ?1
		AND (SELECT time FROM commits WHERE seq = (bucket << 16) | 65535) < ?2)`
)

func newWriter(ctx context.Context, conn *sql.Conn) (*writer, error) {
	w := &writer{stmts: map[string]*sql.Stmt{}, heads: lru.New[ledger.ProfileID, *head](cachedHeads), changed: map[ledger.ProfileID]*head{}}
	for _, q := range []string{headQuery, walkQuery, nextMarkQuery, markQuery, putCommit, putHead, putMark, emptyMarks, putIdem, dropIdem} {
		s, err := conn.PrepareContext(ctx, q)
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.stmts[q] = s
	}
	return w, nil
}

// Apply implements projections.Writer.
func (w *writer) Apply(ctx context.Context, rec *ledger.Record) error {
	c := rec.Commit
	h, err := w.head(ctx, c.Profile)
	if err != nil {
		return err
	}
	if c.Prev != h.hash {
		return &ledger.ChainError{Profile: c.Profile, Seq: rec.Seq, Want: h.hash, Got: c.Prev}
	}
	if !h.changed {
		h.changed = true
		w.changed[c.Profile] = h
		w.order = append(w.order, h)
	}
	if h.first == 0 {
		h.first = rec.Seq
	}
	before := h.seq
	h.seq, h.hash = rec.Seq, rec.Hash
	h.commits++
	if _, err := w.stmts[putCommit].ExecContext(ctx, int64(rec.Seq), int64(before), c.Time.UnixMilli(), rec.Hash[:], rec.Raw); err != nil {
		return err
	}
	if err := w.idem(ctx, rec); err != nil {
		return err
	}
	for i := range c.Events {
		if c.Events[i].Op == ledger.OpErased {
			h.erased = true
			if _, err := w.stmts[emptyMarks].ExecContext(ctx, int64(h.first)); err != nil {
				return err
			}
		}
	}
	if h.commits%markEvery == 0 {
		return w.mark(ctx, h)
	}
	return nil
}

// idem files the commit's idempotency key, and drops old ones when a bucket begins. What is
// dropped depends on the commits alone, so two files made from one ledger are equal.
func (w *writer) idem(ctx context.Context, rec *ledger.Record) error {
	bucket := int64(rec.Seq >> bucketBits)
	if rec.Seq&(1<<bucketBits-1) == 0 {
		if _, err := w.stmts[dropIdem].ExecContext(ctx, bucket, rec.Commit.Time.Add(-idemFor).UnixMilli()); err != nil {
			return err
		}
	}
	if rec.Commit.Idem == nil {
		return nil
	}
	_, err := w.stmts[putIdem].ExecContext(ctx, bucket, rec.Commit.Idem.Key[:], int64(rec.Seq))
	return err
}

// mark keeps the profile's state at its newest commit, folded from its last mark: 64
// commits per 64 commits, and no state is held in memory.
func (w *writer) mark(ctx context.Context, h *head) error {
	p, err := fold(ctx, w, h, h.seq)
	if err != nil {
		return err
	}
	w.buf = projections.AppendProfile(w.buf[:0], p)
	_, err = w.stmts[putMark].ExecContext(ctx, int64(h.first), int64(h.seq), w.buf)
	return err
}

// query implements source: fold reads through the writing connection, which sees its own
// transaction.
func (w *writer) query(ctx context.Context, i int, args ...any) (*sql.Rows, error) {
	return w.stmts[model{}.Queries()[i]].QueryContext(ctx, args...)
}

func (w *writer) head(ctx context.Context, id ledger.ProfileID) (*head, error) {
	if h, ok := w.changed[id]; ok {
		return h, nil
	}
	if h, ok := w.heads.Get(id); ok {
		return h, nil
	}
	h, err := scanHead(id, w.stmts[headQuery].QueryRowContext(ctx, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return &head{id: id}, nil
	}
	return h, err
}

// Flush implements projections.Writer.
func (w *writer) Flush(ctx context.Context) error {
	for _, h := range w.order {
		erased := 0
		if h.erased {
			erased = 1
		}
		if _, err := w.stmts[putHead].ExecContext(ctx, h.id[:], int64(h.first), int64(h.seq), h.hash[:], h.commits, erased); err != nil {
			return err
		}
		h.changed = false
		w.heads.Put(h.id, h, 1)
	}
	w.begin()
	return nil
}

func (w *writer) begin() {
	clear(w.changed)
	clear(w.order)
	w.order = w.order[:0]
}

// Reset implements projections.Writer.
func (w *writer) Reset() {
	w.begin()
	w.heads.Clear()
}

// Close implements projections.Writer.
func (w *writer) Close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
