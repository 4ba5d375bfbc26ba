package projections

import (
	"context"
	"database/sql"

	"vitae/ledger"
)

// Model is what one projection is made of. It holds no state: the runner asks it to
// describe the file, and for one Writer per file it opens.
type Model interface {
	// Name is the file's name without ".db", and how people call the projection.
	Name() string
	// Version changes whenever the schema or the meaning of a row does. A file of
	// another version is thrown away at Open and made anew from the ledger.
	Version() int
	// Schema is the statements that make the tables of an empty file.
	Schema() []string
	// Writer prepares its statements on the file's one writing connection.
	Writer(ctx context.Context, conn *sql.Conn) (Writer, error)
	// Queries are the statements of its reads; Reader.Query takes their index.
	Queries() []string
	// Rows counts the rows, cheaply: one statement that gives one number.
	Rows() string
	// Tables says how two files of this model are compared.
	Tables() []Table
}

// Writer applies commits to one file. The runner calls it from one goroutine at a time.
type Writer interface {
	// Apply takes the next commit, inside a transaction. It may hold back what it
	// writes until Flush. rec and what it points to must not be changed; strings of
	// rec.Commit share the memory of a whole block, so clone what is kept for long.
	// An error ends the transaction: a *ledger.ChainError or *Fault stops the
	// projection, any other is tried again from the position in the file.
	Apply(ctx context.Context, rec *ledger.Record) error
	// Flush writes what Apply held back. The transaction commits after it.
	Flush(ctx context.Context) error
	// Reset forgets all that is remembered of the file: the transaction was rolled back.
	Reset()
	// Close frees the statements.
	Close() error
}

// Table is one table of a model for comparison.
type Table struct {
	Name string
	// Query gives all rows in the order of their first Keys columns, which are unique.
	Query string
	Keys  int
	// Key names a row to people from its columns. It must not hold personal values.
	Key func(columns []any) string
}

// Reader runs a model's queries on the live file, for the time of one Read.
type Reader struct {
	stmts []*sql.Stmt
}

// Query runs the model's query i. The caller closes the rows before Read's function ends.
func (r *Reader) Query(ctx context.Context, i int, args ...any) (*sql.Rows, error) {
	return r.stmts[i].QueryContext(ctx, args...)
}

// QueryRow runs the model's query i for at most one row.
func (r *Reader) QueryRow(ctx context.Context, i int, args ...any) *sql.Row {
	return r.stmts[i].QueryRowContext(ctx, args...)
}
