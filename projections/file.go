package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Position is how far a projection has got.
type Position struct {
	// Lineage is the ledger's; "" before the first commit.
	Lineage string
	// Seq is the last commit applied. Every commit up to it has been applied, none after.
	Seq ledger.Seq
	// Block is the hash of the block that ends with commit Seq.
	Block ledger.Hash
	// Time is commit Seq's.
	Time time.Time
}

// file is one SQLite file with its only writing connection. Callers serialise its methods.
type file struct {
	model Model
	path  string
	db    *sql.DB
	conn  *sql.Conn
	w     Writer
	mark  *sql.Stmt
	pos   Position
}

// busyTimeout is how long, in milliseconds, the writing connection waits for others.
const busyTimeout = 10_000

// pragmas of the writing connection. The log grows to 8000 pages of 8 KiB before a checkpoint copies it into the file:
// pages that are written often are copied once for all of that.
var writerPragmas = []string{"page_size(8192)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-65536)",
	"wal_autocheckpoint(8000)", "temp_store(MEMORY)", "secure_delete(FAST)"}

var readerPragmas = []string{"query_only(1)", "cache_size(-8192)", "temp_store(MEMORY)", "busy_timeout(10000)"}

func dsn(path string, pragmas []string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

const positionTable = `CREATE TABLE IF NOT EXISTS position (
	id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, version INTEGER NOT NULL,
	lineage TEXT NOT NULL, seq INTEGER NOT NULL, block BLOB NOT NULL, commits INTEGER NOT NULL, time INTEGER NOT NULL)`

// errVersion: the file was written by another version of the model.
var errVersion = errors.New("the file has another version")

// openFile opens or creates the file. exclusive keeps every other connection out.
func openFile(ctx context.Context, m Model, path string, exclusive bool) (_ *file, err error) {
	pragmas := append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout)}, writerPragmas...)
	if exclusive {
		pragmas = append([]string{"busy_timeout(0)", "locking_mode(EXCLUSIVE)"}, writerPragmas...)
	}
	if overwrites(m) {
		pragmas = append(pragmas, "secure_delete(ON)")
	}
	db, err := sql.Open("sqlite", dsn(path, pragmas))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := &file{model: m, path: path, db: db}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open %s: %w", path, err), f.close())
		}
	}()
	db.SetMaxOpenConns(1)
	if f.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if err = f.create(ctx); err != nil {
		return nil, err
	}
	if err = f.load(ctx); err != nil {
		return nil, err
	}
	const mark = `UPDATE position SET lineage = ?, seq = ?, block = ?, time = ?, commits = commits + ?
		WHERE id = 1 AND seq = ? AND commits = seq`
	if f.mark, err = f.conn.PrepareContext(ctx, mark); err != nil {
		return nil, err
	}
	f.w, err = m.Writer(ctx, f.conn)
	return f, err
}

// create makes the tables of an empty file, all or none.
func (f *file) create(ctx context.Context) error {
	return f.transact(ctx, func() error {
		if _, err := f.conn.ExecContext(ctx, positionTable); err != nil {
			return err
		}
		var version int
		switch err := f.conn.QueryRowContext(ctx, `SELECT version FROM position`).Scan(&version); {
		case err == nil && version == f.model.Version():
			return nil
		case err == nil:
			return fmt.Errorf("%w: %d, not %d", errVersion, version, f.model.Version())
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		for _, s := range f.model.Schema() {
			if _, err := f.conn.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		_, err := f.conn.ExecContext(ctx, `INSERT INTO position VALUES (1, ?, ?, '', 0, zeroblob(32), 0, 0)`, f.model.Name(), f.model.Version())
		return err
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

// querier is a connection or a pool.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readPosition(ctx context.Context, q querier) (pos Position, err error) {
	var seq, at, commits int64
	var block []byte
	row := q.QueryRowContext(ctx, `SELECT lineage, seq, block, time, commits FROM position`)
	if err := row.Scan(&pos.Lineage, &seq, &block, &at, &commits); err != nil {
		return pos, fmt.Errorf("read position: %w", err)
	}
	if seq != commits || len(block) != len(pos.Block) {
		return pos, fmt.Errorf("read position: it says sequence %d after %d commits", seq, commits)
	}
	pos.Seq, pos.Time = ledger.Seq(seq), time.UnixMilli(at).UTC()
	copy(pos.Block[:], block)
	return pos, nil
}

// load reads the position from the file: it alone says what was applied.
func (f *file) load(ctx context.Context) (err error) {
	f.pos, err = readPosition(ctx, f.conn)
	return err
}

// apply puts whole blocks into the file, and the position with them, in one transaction.
// When one of several can never be applied, those before it are, each in its own.
func (f *file) apply(lineage string, blocks []stream.Located) error {
	err := f.applyOnce(lineage, blocks)
	if len(blocks) == 1 || !permanent(err) {
		return err
	}
	for i := range blocks {
		if err := f.applyOnce(lineage, blocks[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// applyOnce is one transaction. On error nothing has changed, unless the error is of
// COMMIT itself; the position is read back either way.
func (f *file) applyOnce(lineage string, blocks []stream.Located) error {
	next, err := f.following(lineage, blocks)
	if err != nil {
		return err
	}
	// The transaction is short and must not be cut by a caller who leaves; a context that
	// cannot end also saves the driver a goroutine per statement.
	ctx := context.Background()
	err = f.transact(ctx, func() error {
		for _, b := range blocks {
			for i := range b.Commits {
				if err := f.w.Apply(ctx, &b.Commits[i]); err != nil {
					return f.fault(&b.Commits[i], err)
				}
			}
		}
		if err := f.w.Flush(ctx); err != nil {
			return err
		}
		res, err := f.mark.ExecContext(ctx, next.Lineage, int64(next.Seq), next.Block[:], next.Time.UnixMilli(), int64(next.Seq-f.pos.Seq), int64(f.pos.Seq))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(errFenced, err)
		}
		return nil
	})
	if err != nil {
		f.w.Reset()
		return errors.Join(err, f.load(ctx))
	}
	f.pos = next
	return nil
}

// fault names the commit that could not be applied, if trying again would not help.
func (f *file) fault(rec *ledger.Record, err error) error {
	var known *Fault
	if errors.As(err, &known) {
		known.Projection, known.Seq, known.Profile = f.model.Name(), rec.Seq, rec.Commit.Profile
		return err
	}
	if permanent(err) {
		return &Fault{Projection: f.model.Name(), Seq: rec.Seq, Profile: rec.Commit.Profile, Err: err}
	}
	return fmt.Errorf("apply sequence %d: %w", rec.Seq, err)
}

// following checks that the blocks go on exactly where the file stands, and says where it
// stands after them.
func (f *file) following(lineage string, blocks []stream.Located) (Position, error) {
	next := f.pos
	next.Lineage = lineage
	refuse := func(why Reason) error {
		return &RefusedError{Projection: f.model.Name(), Reason: why, Position: f.pos, Lineage: lineage}
	}
	if f.pos.Seq > 0 && f.pos.Lineage != lineage {
		return next, refuse(OtherLineage)
	}
	for i, b := range blocks {
		if i == 0 && b.Prev != next.Block {
			return next, refuse(Diverged)
		}
		for j := range b.Commits {
			if rec := &b.Commits[j]; rec.Seq != next.Seq+1 {
				return next, &Fault{Projection: f.model.Name(), Seq: rec.Seq, Profile: rec.Commit.Profile,
					Err: fmt.Errorf("the position is %d, so commit %d must come next", next.Seq, next.Seq+1)}
			}
			next.Seq++
			next.Time = b.Commits[j].Commit.Time
		}
	}
	next.Block = blocks[len(blocks)-1].Hash
	return next, nil
}

// close ends all connections. The last one of a file moves its log into it and deletes it.
func (f *file) close() error {
	var errs []error
	if f.w != nil {
		errs = append(errs, f.w.Close())
	}
	if f.mark != nil {
		errs = append(errs, f.mark.Close())
	}
	if f.conn != nil {
		errs = append(errs, f.conn.Close())
	}
	return errors.Join(append(errs, f.db.Close())...)
}

// remove deletes a file that nobody has open, and what SQLite keeps beside it.
func remove(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sizeOf is the bytes on disk of a file with its log.
func sizeOf(path string) (n int64) {
	for _, suffix := range []string{"", "-wal"} {
		if st, err := os.Stat(path + suffix); err == nil { // a file that is not there has no size
			n += st.Size()
		}
	}
	return n
}
