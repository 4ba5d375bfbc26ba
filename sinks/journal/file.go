package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"vitae/ledger"
	"vitae/sinks"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// version of the tables. A file of another version is refused, not thrown away: it holds
// what is nowhere else.
const version = 1

// pragmas of the writing connection. A commit is on stable storage when it returns: what
// it says was taken in may be trimmed away.
var writerPragmas = []string{"busy_timeout(10000)", "page_size(8192)", "journal_mode(WAL)", "synchronous(FULL)",
	"cache_size(-16384)", "temp_store(MEMORY)", "secure_delete(ON)"}

var readerPragmas = []string{"query_only(1)", "busy_timeout(10000)", "cache_size(-8192)", "temp_store(MEMORY)"}

// readers is how many connections serve queries at the same time.
const readers = 4

func dsn(path string, pragmas []string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// The tables. A gap is a row without a profile. The columns beside body are what rows are
// found by; body is the row as JSON, or the gap.
var schema = []string{
	`CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,
		lineage TEXT NOT NULL, gen INTEGER NOT NULL, pos INTEGER NOT NULL, hash BLOB NOT NULL,
		ledger TEXT NOT NULL, seen INTEGER NOT NULL)`,
	`CREATE TABLE rows (gen INTEGER NOT NULL, pos INTEGER NOT NULL, idx INTEGER NOT NULL,
		profile BLOB, sink TEXT NOT NULL, entity TEXT NOT NULL, attempt TEXT NOT NULL, outcome TEXT NOT NULL,
		from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, body TEXT NOT NULL,
		PRIMARY KEY (gen, pos, idx)) WITHOUT ROWID`,
	`CREATE INDEX rows_profile ON rows (profile, gen, pos, idx)`,
	`CREATE INDEX rows_attempt ON rows (attempt) WHERE attempt <> ''`,
	`CREATE TABLE forgotten (profile BLOB PRIMARY KEY) WITHOUT ROWID`,
	`INSERT INTO position VALUES (1, 1, '', 0, 0, zeroblob(32), '', 0)`,
}

// position is how far the file has got.
type position struct {
	lineage string      // of the stream; "" where it has none
	gen     int64       // see place
	pos     uint64      // every block up to it is in the file, or in a gap
	hash    ledger.Hash // of the block at pos; zero when that is not known
}

// file is the SQLite file with its only writing connection. Callers serialise its methods.
type file struct {
	db   *sql.DB
	conn *sql.Conn
	pos  position

	insert, mark, known, refuse, remove *sql.Stmt
}

// openFile opens or creates the file.
func openFile(ctx context.Context, path string) (_ *file, err error) {
	db, err := sql.Open("sqlite", dsn(path, writerPragmas))
	if err != nil {
		return nil, err
	}
	f := &file{db: db}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	db.SetMaxOpenConns(1)
	if f.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if err := f.create(ctx); err != nil {
		return nil, err
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&f.insert, `INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&f.mark, `UPDATE position SET lineage = ?, gen = ?, pos = ?, hash = ? WHERE id = 1 AND gen = ? AND pos = ?`},
		{&f.known, `SELECT EXISTS (SELECT 1 FROM forgotten WHERE profile = ?)`},
		{&f.refuse, `INSERT OR IGNORE INTO forgotten VALUES (?)`},
		{&f.remove, `DELETE FROM rows WHERE profile = ?`},
	} {
		if *s.to, err = f.conn.PrepareContext(ctx, s.query); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// create makes the tables of an empty file, all or none.
func (f *file) create(ctx context.Context) error {
	return f.transact(ctx, func() error {
		var tables int
		if err := f.conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'position'`).Scan(&tables); err != nil {
			return err
		}
		if tables == 0 {
			for _, s := range schema {
				if _, err := f.conn.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			return nil
		}
		var v int
		if err := f.conn.QueryRowContext(ctx, `SELECT version FROM position`).Scan(&v); err != nil {
			return err
		}
		if v != version {
			return fmt.Errorf("the file has version %d, this program knows %d: start the program that wrote it, or move the file away and go on without what it holds", v, version)
		}
		return nil
	})
}

// transact runs do in one transaction: all of it, or nothing.
func (f *file) transact(ctx context.Context, do func() error) error {
	if _, err := f.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = f.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// After some failures SQLite has rolled back by itself; then this one answers an
		// error that says nothing new.
		_, _ = f.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// load reads the position: the file alone says what was taken in.
func (f *file) load(ctx context.Context) error {
	var p position
	var pos int64
	var hash []byte
	row := f.conn.QueryRowContext(ctx, `SELECT lineage, gen, pos, hash FROM position`)
	if err := row.Scan(&p.lineage, &p.gen, &pos, &hash); err != nil {
		return fmt.Errorf("read position: %w", err)
	}
	if len(hash) != len(p.hash) {
		return errors.New("read position: a hash of another length")
	}
	p.pos = uint64(pos)
	copy(p.hash[:], hash)
	f.pos = p
	return nil
}

// taken is a block with its rows.
type taken struct {
	pos  uint64
	hash ledger.Hash
	rows []Row
}

// take stores blocks and the position behind them in one transaction. Blocks that are in
// the file already are passed over; those that are missing before one become a gap. On
// error the position is read back: nothing was stored, unless the error is of COMMIT.
func (f *file) take(blocks []taken, now time.Time) error {
	next := f.pos
	return f.moveTo(&next, func(ctx context.Context) error {
		for i := range blocks {
			b := &blocks[i]
			if b.pos <= next.pos {
				continue
			}
			if b.pos > next.pos+1 {
				if err := f.gap(ctx, place{next.gen, next.pos + 1, 0}, Gap{From: next.pos + 1, To: b.pos - 1, Why: Trimmed}, now); err != nil {
					return err
				}
			}
			for k := range b.rows {
				if err := f.row(ctx, place{next.gen, b.pos, int64(k) + 1}, &b.rows[k]); err != nil {
					return err
				}
			}
			next.pos, next.hash = b.pos, b.hash
		}
		return nil
	})
}

// errFenced: someone else moved the position.
var errFenced = errors.New("the position in the file is not the one expected: another process writes it")

// moveTo runs do and puts the position where next says by then, in one transaction.
func (f *file) moveTo(next *position, do func(context.Context) error) error {
	// The transaction is short and must not be cut by a caller who leaves.
	ctx := context.Background()
	err := f.transact(ctx, func() error {
		if err := do(ctx); err != nil {
			return err
		}
		res, err := f.mark.ExecContext(ctx, next.lineage, next.gen, int64(next.pos), next.hash[:], f.pos.gen, int64(f.pos.pos))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(errFenced, err)
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, f.load(ctx))
	}
	f.pos = *next
	return nil
}

func (f *file) row(ctx context.Context, at place, r *Row) error {
	var gone bool
	if err := f.known.QueryRowContext(ctx, r.Profile[:]).Scan(&gone); err != nil || gone {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	end := r.End
	if end == "" {
		end = sinks.Open.String()
	}
	_, err = f.insert.ExecContext(ctx, at.gen, int64(at.pos), at.idx, r.Profile[:], r.Sink, r.Entity, r.Attempt, end, int64(r.FromSeq), int64(r.ToSeq), string(body))
	return err
}

func (f *file) gap(ctx context.Context, at place, g Gap, now time.Time) error {
	body, err := json.Marshal(Row{Pos: at.pos, At: sinks.StampOf(now), Event: gapEvent, Gap: &g})
	if err != nil {
		return err
	}
	_, err = f.insert.ExecContext(ctx, at.gen, int64(at.pos), at.idx, nil, "", "", "", "", 0, 0, string(body))
	return err
}

// begin puts a gap at the start of a new generation that goes on behind position pos.
func (f *file) begin(next position, g Gap, now time.Time) error {
	next.gen = f.pos.gen + 1
	return f.moveTo(&next, func(ctx context.Context) error {
		return f.gap(ctx, place{next.gen, next.pos, 0}, g, now)
	})
}

// close ends the connection. The last one of a file moves its log into it and deletes it.
func (f *file) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{f.insert, f.mark, f.known, f.refuse, f.remove} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if f.conn != nil {
		errs = append(errs, f.conn.Close())
	}
	return errors.Join(append(errs, f.db.Close())...)
}
