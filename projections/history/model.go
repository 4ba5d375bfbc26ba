package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/projections"
)

// model describes the file to the runner.
type model struct{}

// markEvery is how many commits of a profile lie between two marks.
const markEvery = 64

// Idempotency keys: 2^16 commits share a bucket, and one goes when it is older than
// idemFor, by the times of commits.
const (
	bucketBits = 16
	idemFor    = 48 * time.Hour
)

func (model) Name() string { return "history" }
func (model) Version() int { return 1 }

// Everything grows at its end, so that writing does not slow down with the ledger: an index
// by profile, or by idempotency key, over all commits would put every commit on a random
// page of a growing tree. Instead each commit names the profile's commit before it, and a
// profile's commits are found by walking back, from its head or from a mark: every 64th
// commit leaves one, with the state at that point. Idempotency keys lie in buckets of
// consecutive sequences, and only the buckets of the last two days are kept.
//
// A profile goes by the sequence of its first commit (first): that is short.
func (model) Schema() []string {
	return []string{
		`CREATE TABLE heads (profile BLOB PRIMARY KEY, first INTEGER NOT NULL, seq INTEGER NOT NULL, head BLOB NOT NULL,
			commits INTEGER NOT NULL, erased INTEGER NOT NULL) WITHOUT ROWID`,
		`CREATE TABLE commits (seq INTEGER PRIMARY KEY, before INTEGER NOT NULL, time INTEGER NOT NULL, hash BLOB NOT NULL, raw BLOB NOT NULL)`,
		`CREATE TABLE marks (first INTEGER NOT NULL, seq INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (first, seq)) WITHOUT ROWID`,
		`CREATE TABLE idem (bucket INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID`,
	}
}

// Indexes of Queries.
const (
	queryHead = iota
	queryWalk
	queryNextMark
	queryMark
	queryBefore
	queryRecord
	queryTimes
	queryIdem
)

const (
	headQuery = `SELECT first, seq, head, commits, erased FROM heads WHERE profile = ?`
	// From commit ?1 back to the first one after ?2, newest first, without those after ?3.
	walkQuery = `WITH RECURSIVE walk (seq, before) AS (
			SELECT seq, before FROM commits WHERE seq = ?1
			UNION ALL
			SELECT c.seq, c.before FROM walk CROSS JOIN commits c ON c.seq = walk.before WHERE walk.before > ?2)
		SELECT c.seq, c.before, c.hash, c.raw FROM walk CROSS JOIN commits c ON c.seq = walk.seq WHERE walk.seq <= ?3`
	nextMarkQuery = `SELECT seq FROM marks WHERE first = ? AND seq > ? ORDER BY seq LIMIT 1`
	// Erasure empties the states of the marks.
	markQuery   = `SELECT state FROM marks WHERE first = ? AND seq <= ? AND length(state) > 0 ORDER BY seq DESC LIMIT 1`
	beforeQuery = `SELECT b.seq, b.hash FROM commits c JOIN commits b ON b.seq = c.before WHERE c.seq = ?`
)

func (model) Queries() []string {
	return []string{
		headQuery,
		walkQuery,
		nextMarkQuery,
		markQuery,
		beforeQuery,
		`SELECT hash, raw FROM commits WHERE seq = ?`,
		// Bisection by the primary key, 20 steps for a million commits, in one statement.
		`WITH RECURSIVE steps (lo, hi) AS (
			SELECT 0, coalesce(max(seq), 0) FROM commits
			UNION ALL
			SELECT iif(c.time > ?1, lo, c.seq), iif(c.time > ?1, c.seq - 1, hi)
			FROM steps CROSS JOIN commits c ON c.seq = (lo + hi + 1) / 2 WHERE lo < hi)
		SELECT lo FROM steps WHERE lo = hi`,
		// The newest bucket that has the key.
		`WITH RECURSIVE buckets (bucket) AS (
			SELECT max(bucket) FROM idem
			UNION ALL
			SELECT (SELECT max(i.bucket) FROM idem i WHERE i.bucket < b.bucket) FROM buckets b WHERE b.bucket IS NOT NULL)
		SELECT c.seq, c.hash, c.raw FROM buckets b CROSS JOIN idem i ON i.bucket = b.bucket AND i.key = ?
			CROSS JOIN commits c ON c.seq = i.seq LIMIT 1`,
	}
}

func (model) Rows() string { return `SELECT seq FROM position` } // one row per commit

func (model) Tables() []projections.Table {
	return []projections.Table{
		{Name: "heads", Keys: 1, Query: `SELECT profile, first, seq, head, commits, erased FROM heads ORDER BY profile`,
			Key: func(c []any) string { return profileName(c[0]) }},
		{Name: "commits", Keys: 1, Query: `SELECT seq, before, time, hash, raw FROM commits ORDER BY seq`,
			Key: func(c []any) string { return fmt.Sprintf("sequence %v", c[0]) }},
		{Name: "marks", Keys: 2, Query: `SELECT first, seq, state FROM marks ORDER BY first, seq`,
			Key: func(c []any) string { return fmt.Sprintf("profile of sequence %v, at %v", c[0], c[1]) }},
		{Name: "idem", Keys: 2, Query: `SELECT bucket, key, seq FROM idem ORDER BY bucket, key`,
			Key: func(c []any) string { return fmt.Sprintf("sequence %v", c[2]) }},
	}
}

func profileName(v any) string {
	b, _ := v.([]byte) // anything else has the wrong length
	var id ledger.ProfileID
	if len(b) != len(id) {
		return "(not a profile id)"
	}
	copy(id[:], b)
	return id.String()
}

func (model) Writer(ctx context.Context, conn *sql.Conn) (projections.Writer, error) {
	return newWriter(ctx, conn)
}
