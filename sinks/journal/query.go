package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
)

// ErrCursor says that a text is no cursor of a journal.
var ErrCursor = fmt.Errorf("%w: no cursor of the journal", ledger.ErrFormat)

// Filter is what a caller wants to see. What is zero filters nothing.
type Filter struct {
	Profile ledger.ProfileID
	Sink    string
	Entity  string // this one, or the items of this section
	Attempt string
	// Outcome is the End of a row, or "open" for rows that close nothing.
	Outcome string
	// From and To are commits: rows that cover at least one of those between them, both
	// included. 0 is no bound.
	From, To ledger.Seq

	// After and Before are cursors: rows behind the one, and before the other. With Before
	// alone the rows are the newest ones before it.
	After, Before string
	// Limit is the largest number of rows; 100 when 0, MaxLimit at most.
	Limit int
}

// The numbers of rows that Query gives.
const (
	defaultLimit = 100
	MaxLimit     = 1000
)

// Query finds rows, oldest first. Gaps between the cursors are among them, whatever the
// filter says: what is missing may be what was asked for. next is the cursor to go on with
// when there are more, as After, or as Before where only Before was given; else "". Rows
// that are taken in later are behind all that are there. Errors: ErrCursor, ErrClosed.
func (j *Journal) Query(ctx context.Context, f Filter) (rows []Row, next string, err error) {
	limit := min(f.Limit, MaxLimit)
	if limit <= 0 {
		limit = defaultLimit
	}
	back := f.Before != "" && f.After == ""
	query, args, err := f.statement(back, limit+1)
	if err != nil {
		return nil, "", err
	}
	if rows, err = j.read(ctx, query, args); err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].Cursor()
	}
	if back {
		slices.Reverse(rows)
	}
	return rows, next, nil
}

// statement puts the query together. The two halves are each in the order of an index, so
// SQLite merges them and stops at the limit.
func (f *Filter) statement(back bool, limit int) (string, []any, error) {
	var span, want []string
	var spanArgs, wantArgs []any
	for _, c := range []struct{ cursor, op string }{{f.After, ">"}, {f.Before, "<"}} {
		if c.cursor == "" {
			continue
		}
		p, err := parsePlace(c.cursor)
		if err != nil {
			return "", nil, err
		}
		span = append(span, "(gen, pos, idx) "+c.op+" (?, ?, ?)")
		spanArgs = append(spanArgs, p.gen, int64(p.pos), p.idx)
	}
	where := func(condition string, arg any) {
		want, wantArgs = append(want, condition), append(wantArgs, arg)
	}
	if f.Profile.IsZero() {
		want = append(want, "profile IS NOT NULL")
	} else {
		where("profile = ?", f.Profile[:])
	}
	for _, c := range []struct{ column, value string }{{"sink", f.Sink}, {"attempt", f.Attempt}, {"outcome", f.Outcome}} {
		if c.value != "" {
			where(c.column+" = ?", c.value)
		}
	}
	if f.Entity != "" {
		want = append(want, "(entity = ? OR entity > ? AND entity < ?)")
		wantArgs = append(wantArgs, f.Entity, f.Entity+"/", f.Entity+string(rune('/'+1)))
	}
	if f.Attempt != "" {
		want = append(want, "attempt <> ''") // what its index asks for
	}
	if f.From > 0 {
		where("to_seq >= ?", int64(f.From))
	}
	if f.To > 0 {
		where("to_seq > 0 AND from_seq <= ?", int64(f.To))
	}
	const columns = "SELECT gen, pos, idx, body FROM rows WHERE "
	order := " ORDER BY gen, pos, idx LIMIT ?"
	if back {
		order = " ORDER BY gen DESC, pos DESC, idx DESC LIMIT ?"
	}
	query := columns + strings.Join(append(want, span...), " AND ") +
		" UNION ALL " + columns + strings.Join(append([]string{"profile IS NULL"}, span...), " AND ") + order
	return query, slices.Concat(wantArgs, spanArgs, spanArgs, []any{limit}), nil
}

// read runs a query. Its rows are those of one moment.
func (j *Journal) read(ctx context.Context, query string, args []any) (out []Row, err error) {
	if j.closed() {
		return nil, ErrClosed
	}
	rows, err := j.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer func() {
		if cerr := rows.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("journal: %w", cerr)
		}
	}()
	out = []Row{}
	for rows.Next() {
		var r Row
		var gen, pos, idx int64
		var body []byte
		if err := rows.Scan(&gen, &pos, &idx, &body); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, fmt.Errorf("journal: the row %d.%d.%d: %w", gen, pos, idx, err)
		}
		r.at = place{gen, uint64(pos), idx}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return out, nil
}
