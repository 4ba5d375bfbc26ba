package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"vitae/ledger"
	"vitae/projections"
)

// writer applies the commits that make or end claims. It remembers nothing.
type writer struct {
	model
	stmts map[string]*sql.Stmt
}

// The writer's statements.
const (
	// The same claim made again stays as old as it is.
	putClaim = `INSERT INTO claims (profile, kind, provider, digest, seq) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (profile, kind, provider) DO UPDATE SET digest = excluded.digest, seq = excluded.seq WHERE digest <> excluded.digest`
	endClaim  = `DELETE FROM claims WHERE profile = ? AND kind = ? AND provider = ?`
	endClaims = `DELETE FROM claims WHERE profile = ?`
)

func newWriter(ctx context.Context, conn *sql.Conn, m model) (*writer, error) {
	w := &writer{model: m, stmts: map[string]*sql.Stmt{}}
	for _, q := range []string{putClaim, endClaim, endClaims} {
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
	for i := range rec.Commit.Events {
		if err := w.event(ctx, rec, i); err != nil {
			return err
		}
	}
	return nil
}

// event applies the event at index i of a commit.
func (w *writer) event(ctx context.Context, rec *ledger.Record, i int) error {
	p, e := rec.Commit.Profile, &rec.Commit.Events[i]
	email := e.View == ledger.Shared && e.Field == emailField
	switch {
	case e.Op == ledger.OpErased:
		_, err := w.stmts[endClaims].ExecContext(ctx, p[:])
		return err
	case e.Op == ledger.OpBound:
		return w.claim(ctx, rec, i, kindAccount, e.Item, accountOf)
	case e.Op == ledger.OpDeleted && e.Field == ledger.Connections:
		return w.end(ctx, p, kindAccount, e.Item)
	case e.Op == ledger.OpSet && email:
		return w.claim(ctx, rec, i, kindEmail, "", emailOf)
	case e.Op == ledger.OpClear && email:
		return w.end(ctx, p, kindEmail, "")
	}
	return nil
}

// claim puts what an event's value claims in the place of what the profile claimed
// before. name reads it from the value; "" claims nothing.
func (w *writer) claim(ctx context.Context, rec *ledger.Record, i int, kind, provider string, name func(ledger.Value) (string, error)) error {
	p, e := rec.Commit.Profile, &rec.Commit.Events[i]
	value, err := w.open(rec, i)
	if errors.Is(err, ledger.ErrErased) {
		return w.end(ctx, p, kind, provider)
	}
	if err != nil {
		return failed(e.Op, err)
	}
	text, err := name(value)
	if err != nil {
		return &projections.Fault{Op: e.Op, Err: err}
	}
	if text == "" {
		return w.end(ctx, p, kind, provider)
	}
	digest := w.digest(kind, provider, text)
	_, err = w.stmts[putClaim].ExecContext(ctx, p[:], kind, provider, digest[:], int64(rec.Seq))
	return err
}

func (w *writer) end(ctx context.Context, p ledger.ProfileID, kind, provider string) error {
	_, err := w.stmts[endClaim].ExecContext(ctx, p[:], kind, provider)
	return err
}

// open gives the clear value of an event. It leaves the event as it is: others read it too.
func (w *writer) open(rec *ledger.Record, i int) (ledger.Value, error) {
	c := rec.Commit
	e := &c.Events[i]
	payload, err := w.opener.Open(c.Profile, c.ID, i, e.Sealed)
	if err != nil {
		return nil, err
	}
	opened := ledger.Event{Commitment: e.Commitment}
	if err := opened.SetPayload(payload); err != nil {
		return nil, err
	}
	return opened.Value, nil
}

// failed tells what may pass (the store of keys does not answer: it is tried again) from
// what will not. That a profile has no key must not look, to those who wait to read, as if
// nobody had the account: so the fault wraps no error of the vault's.
func failed(op ledger.Op, err error) error {
	if errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("open a value: %w", err)
	}
	return &projections.Fault{Op: op, Err: fmt.Errorf("open a value: %v", err)}
}

// accountOf reads a connection; "" when it names no account. Errors do not say what was
// read: they are logged.
func accountOf(v ledger.Value) (string, error) {
	var connection struct {
		Account string `json:"account"`
	}
	if err := json.Unmarshal(v, &connection); err != nil {
		return "", fmt.Errorf("a connection: %w", ledger.ErrFormat)
	}
	return connection.Account, nil
}

// emailOf reads an e-mail address in the form in which it is looked up.
func emailOf(v ledger.Value) (string, error) {
	var email string
	if err := json.Unmarshal(v, &email); err != nil {
		return "", fmt.Errorf("an e-mail address: %w", ledger.ErrFormat)
	}
	return strings.ToLower(email), nil
}

// Flush implements projections.Writer: nothing is held back.
func (w *writer) Flush(context.Context) error { return nil }

// Reset implements projections.Writer: nothing is remembered.
func (w *writer) Reset() {}

// Close implements projections.Writer.
func (w *writer) Close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
