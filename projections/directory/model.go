package directory

import (
	"context"
	"database/sql"
	"fmt"

	"vitae/ledger"
	"vitae/projections"
)

// model describes the file to the runner.
type model struct {
	opener   ledger.Opener
	digester Digester
}

// The kinds of claims.
const (
	kindAccount = "account"
	kindEmail   = "email" // its provider is ""
)

// emailField is the scalar that an e-mail claim comes from.
const emailField = "email"

func (model) Name() string { return "directory" }
func (model) Version() int { return 2 } // 2: what is deleted is overwritten

// Overwrite implements projections.Overwriting: a keyed hash of what was let go of could
// be tried values against, by whoever has the vault.
func (model) Overwrite() {}

// A claim is found by its digest and replaced by its profile. Triggers keep the total, so
// that asking for it costs nothing.
func (model) Schema() []string {
	return []string{
		`CREATE TABLE claims (profile BLOB NOT NULL, kind TEXT NOT NULL, provider TEXT NOT NULL, digest BLOB NOT NULL, seq INTEGER NOT NULL,
			PRIMARY KEY (profile, kind, provider)) WITHOUT ROWID`,
		`CREATE INDEX claims_digest ON claims (digest, seq)`,
		`CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), claims INTEGER NOT NULL)`,
		`INSERT INTO totals VALUES (1, 0)`,
		`CREATE TRIGGER claimed AFTER INSERT ON claims BEGIN UPDATE totals SET claims = claims + 1; END`,
		`CREATE TRIGGER let_go AFTER DELETE ON claims BEGIN UPDATE totals SET claims = claims - 1; END`,
	}
}

// Indexes of Queries.
const (
	queryFirst = iota
	queryAll
	queryClaims
)

func (model) Queries() []string {
	return []string{
		`SELECT profile FROM claims WHERE digest = ? ORDER BY seq LIMIT 1`,
		`SELECT profile FROM claims WHERE digest = ? ORDER BY seq`,
		`SELECT kind, provider, digest FROM claims WHERE profile = ?`,
	}
}

func (model) Rows() string { return `SELECT claims FROM totals` }

func (model) Tables() []projections.Table {
	return []projections.Table{
		{Name: "claims", Keys: 3, Query: `SELECT profile, kind, provider, digest, seq FROM claims ORDER BY profile, kind, provider`,
			Key: func(c []any) string { return fmt.Sprintf("%s/%v/%v", profileName(c[0]), c[1], c[2]) }},
		{Name: "totals", Keys: 1, Query: `SELECT id, claims FROM totals ORDER BY id`,
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

// digest is the keyed hash that a claim is found by.
func (m model) digest(kind, provider, value string) [32]byte {
	return m.digester.SystemDigest("directory", []byte(kind), []byte(provider), []byte(value))
}

func (m model) Writer(ctx context.Context, conn *sql.Conn) (projections.Writer, error) {
	return newWriter(ctx, conn, m)
}
