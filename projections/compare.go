package projections

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"vitae/ledger"
)

// Difference is one row that is not the same in the live file and in the one made anew.
type Difference struct {
	Table string
	Key   string // names the row; never a value
	Kind  string // "differs", "missing" or "unexpected", of the live row
}

// maxDifferences is how many a Report lists; it counts all of them.
const maxDifferences = 100

// snapshot is the live file as it was at one position.
type snapshot struct {
	conn *sql.Conn
	pos  Position
}

// snapshot begins a read transaction on the live file. It holds no lock.
func (p *Projection) snapshot(ctx context.Context) (*snapshot, error) {
	p.reads.RLock()
	defer p.reads.RUnlock()
	if p.reads.pool == nil {
		return nil, ErrClosed
	}
	conn, err := p.reads.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{conn: conn}
	if _, err = conn.ExecContext(ctx, "BEGIN"); err == nil {
		s.pos, err = readPosition(ctx, conn)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *snapshot) close() {
	// Nothing was written, so nothing can be lost by either failing; a connection that is
	// of no more use leaves the pool.
	_, _ = s.conn.ExecContext(context.Background(), "ROLLBACK")
	_ = s.conn.Close()
}

// compare reads both files' rows side by side. A live file that cannot be read to the end
// is reported, not an error: the new one is there to replace it.
func compare(ctx context.Context, m Model, live *snapshot, made *file, at ledger.Seq, rep *Report) error {
	rep.ComparedAt = at
	digest := sha256.New()
	for _, t := range m.Tables() {
		digest.Write([]byte(t.Name))
		if err := compareTable(ctx, t, live, made, digest, rep); err != nil {
			var unread *liveError
			if errors.As(err, &unread) && ctx.Err() == nil {
				rep.NotCompared = fmt.Sprintf("the live file cannot be read, table %s: %v", t.Name, unread.err)
				return nil
			}
			return err
		}
	}
	digest.Sum(rep.Digest[:0])
	return nil
}

// liveError is an error of reading the live file.
type liveError struct{ err error }

func (e *liveError) Error() string { return e.err.Error() }

func compareTable(ctx context.Context, t Table, live *snapshot, made *file, digest hash.Hash, rep *Report) error {
	old, err := openCursor(ctx, live.conn, t)
	if err != nil {
		return &liveError{err}
	}
	defer old.close()
	made1, err := openCursor(ctx, made.conn, t)
	if err != nil {
		return err
	}
	defer made1.close()
	a, err := old.next()
	if err != nil {
		return &liveError{err}
	}
	b, err := made1.next()
	for err == nil && (a != nil || b != nil) {
		order := compareKeys(a, b, t.Keys)
		switch {
		case order < 0:
			rep.differ(t, a, "unexpected")
		case order > 0:
			rep.differ(t, b, "missing")
		case rowDigest(a) != rowDigest(b):
			rep.differ(t, b, "differs")
		}
		if order >= 0 {
			sum := rowDigest(b)
			digest.Write(sum[:])
			rep.Rows++
			if b, err = made1.next(); err != nil {
				return err
			}
		}
		if order <= 0 {
			if a, err = old.next(); err != nil {
				return &liveError{err}
			}
		}
	}
	return err
}

func (r *Report) differ(t Table, row []any, kind string) {
	r.Differing++
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, Difference{Table: t.Name, Key: t.Key(row), Kind: kind})
	}
}

// cursor walks a table's rows.
type cursor struct {
	rows *sql.Rows
	n    int
}

func openCursor(ctx context.Context, conn *sql.Conn, t Table) (*cursor, error) {
	rows, err := conn.QueryContext(ctx, t.Query)
	if err != nil {
		return nil, err
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return &cursor{rows: rows, n: len(columns)}, nil
}

// next gives the next row; nil after the last.
func (c *cursor) next() ([]any, error) {
	if !c.rows.Next() {
		return nil, c.rows.Err()
	}
	row, to := make([]any, c.n), make([]any, c.n)
	for i := range row {
		to[i] = &row[i]
	}
	return row, c.rows.Scan(to...)
}

func (c *cursor) close() {
	_ = c.rows.Close() // its error, if any, came from next already
}

// compareKeys orders two rows as SQLite does: numbers, texts, blobs. A missing row is last.
func compareKeys(a, b []any, keys int) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	for i := range keys {
		if c := cmp.Or(cmp.Compare(rank(a[i]), rank(b[i])), compareValues(a[i], b[i])); c != 0 {
			return c
		}
	}
	return 0
}

func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, float64:
		return 1
	case string:
		return 2
	default:
		return 3
	}
}

func compareValues(a, b any) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	return 0
}

// rowDigest is over the types and values of all columns.
func rowDigest(row []any) ledger.Hash {
	var b []byte
	for _, v := range row {
		b = append(b, byte(rank(v)))
		switch v := v.(type) {
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
		default:
			b = fmt.Append(b, v)
		}
	}
	return ledger.HashOf(b)
}

// locked says that another connection keeps the file to itself.
func locked(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}
