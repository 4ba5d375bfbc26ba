package views

import (
	"context"
	"database/sql"
	"fmt"

	"vitae/ledger"
	"vitae/projections"
)

// model describes the file to the runner.
type model struct{}

// slotBits is the room for a profile's rows in the numbering of rows: the profile's first
// sequence above, the row's slot below. So the rows of a profile lie together, profiles
// in the order of their creation, and a row is found without a second index.
const slotBits = 20

// The slots of the rows that every profile has. Other resumes take the lowest free one.
const (
	slotShared = 0
	slotBase   = 1
)

func rowID(first ledger.Seq, slot int64) int64 { return int64(first)<<slotBits | slot }

func (model) Name() string { return "views" }
func (model) Version() int { return 1 }
func (model) Schema() []string {
	return []string{
		`CREATE TABLE heads (profile BLOB PRIMARY KEY, first INTEGER NOT NULL, seq INTEGER NOT NULL, head BLOB NOT NULL,
			created INTEGER NOT NULL, updated INTEGER NOT NULL, erased INTEGER NOT NULL) WITHOUT ROWID`,
		`CREATE TABLE rows (id INTEGER PRIMARY KEY, profile BLOB NOT NULL, view TEXT NOT NULL, state BLOB NOT NULL)`,
		`CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), profiles INTEGER NOT NULL, rows INTEGER NOT NULL)`,
		`INSERT INTO totals VALUES (1, 0, 0)`,
	}
}

// The head and all rows of one profile, in one statement: one state. Without rows (it
// was erased) there is one line with NULLs.
const profileQuery = `SELECT h.first, h.seq, h.head, h.created, h.updated, h.erased, r.id, r.view, r.state
	FROM heads h LEFT JOIN rows r ON r.id BETWEEN h.first << 20 AND (h.first << 20) | 1048575 WHERE h.profile = ? ORDER BY r.id`

// Indexes of Queries.
const (
	queryProfile = iota
	queryProfiles
	queryCount
)

func (model) Queries() []string {
	return []string{
		profileQuery,
		`SELECT profile FROM heads WHERE profile > ? AND erased = 0 ORDER BY profile LIMIT ?`,
		`SELECT profiles FROM totals`,
	}
}

func (model) Rows() string { return `SELECT rows FROM totals` }

func (model) Tables() []projections.Table {
	return []projections.Table{
		{Name: "heads", Keys: 1, Query: `SELECT profile, first, seq, head, created, updated, erased FROM heads ORDER BY profile`,
			Key: func(c []any) string { return profileName(c[0]) }},
		{Name: "rows", Keys: 1, Query: `SELECT id, profile, view, state FROM rows ORDER BY id`,
			Key: func(c []any) string { return fmt.Sprintf("%s/%v", profileName(c[1]), c[2]) }},
		{Name: "totals", Keys: 1, Query: `SELECT id, profiles, rows FROM totals ORDER BY id`,
			Key: func([]any) string { return "totals" }},
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
