package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"vitae/ledger"
	"vitae/projections"
)

// Digester makes the keyed hashes that claims are found by; *vault.Vault is one. Equal
// data has an equal digest for as long as the file lives.
type Digester interface {
	SystemDigest(purpose string, data ...[]byte) [32]byte
}

// Config is where the directory lives, what it follows, and what opens the values.
type Config struct {
	projections.Config
	Opener   ledger.Opener
	Digester Digester
}

// Directory finds profiles by what others know them by, and is the projection that keeps
// the claims: Run, Wait, Rebuild and the rest of its life cycle are
// projections.Projection's. While it runs or is rebuilt it opens values.
type Directory struct {
	*projections.Projection
	model model
}

// Open opens the directory in <Dir>/directory.db, or makes it. See projections.Open.
func Open(ctx context.Context, cfg Config) (*Directory, error) {
	m := model{opener: cfg.Opener, digester: cfg.Digester}
	p, err := projections.Open(ctx, cfg.Config, m)
	if err != nil {
		return nil, err
	}
	return &Directory{p, m}, nil
}

// Account gives the profile that is connected to the account at the provider, of several
// the one that was first, with everything up to atLeast applied (it waits for that, bounded
// by ctx: *projections.BehindError). Accounts are compared byte by byte.
// ledger.ErrNotFound when there is none.
func (d *Directory) Account(ctx context.Context, provider, account string, atLeast ledger.Seq) (ledger.ProfileID, error) {
	id, err := d.first(ctx, d.model.digest(kindAccount, provider, account), atLeast)
	if err != nil {
		return id, fmt.Errorf("profile of an account at %s: %w", provider, err)
	}
	return id, nil
}

// Emails gives the profiles with the e-mail address, who had it first before the others;
// none is no error. Letter case does not count. It waits as Account does.
func (d *Directory) Emails(ctx context.Context, email string, atLeast ledger.Seq) (ids []ledger.ProfileID, err error) {
	if err := d.Wait(ctx, atLeast); err != nil {
		return nil, fmt.Errorf("profiles of an e-mail address: %w", err)
	}
	digest := d.model.digest(kindEmail, "", strings.ToLower(email))
	err = d.Read(func(r *projections.Reader) (err error) {
		ids, err = claimants(r.Query(ctx, queryAll, digest[:]))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("profiles of an e-mail address: %w", err)
	}
	return ids, nil
}

// claimants reads the profiles of rows, and closes them.
func claimants(rows *sql.Rows, err error) (ids []ledger.ProfileID, _ error) {
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		var id ledger.ProfileID
		if len(b) != len(id) {
			return nil, errors.Join(fmt.Errorf("%w: a profile id of %d bytes", projections.ErrState, len(b)), rows.Close())
		}
		copy(id[:], b)
		ids = append(ids, id)
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}

// first gives the profile of the oldest claim under a digest.
func (d *Directory) first(ctx context.Context, digest [32]byte, atLeast ledger.Seq) (id ledger.ProfileID, err error) {
	if err := d.Wait(ctx, atLeast); err != nil {
		return id, err
	}
	var b []byte
	err = d.Read(func(r *projections.Reader) error { return r.QueryRow(ctx, queryFirst, digest[:]).Scan(&b) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return id, ledger.ErrNotFound
	case err != nil:
		return id, err
	case len(b) != len(id):
		return id, fmt.Errorf("%w: a profile id of %d bytes", projections.ErrState, len(b))
	}
	copy(id[:], b)
	return id, nil
}
