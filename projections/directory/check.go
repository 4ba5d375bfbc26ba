package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"vitae/ledger"
	"vitae/projections"
)

// ErrDiffers says that a profile's claims are not those of its state. Rebuilding the
// directory mends it.
var ErrDiffers = errors.New("the directory's rows are not what the profile's state claims")

// Check compares a profile's claims with its opened state. It does not wait: the state must
// be one that the directory has applied.
func (d *Directory) Check(ctx context.Context, p *ledger.Profile) error {
	want := map[string][32]byte{}
	if !p.Erased {
		for provider, cell := range p.Connections {
			account, err := accountOf(cell.Value)
			if err != nil {
				return err
			}
			if account != "" {
				want[kindAccount+" "+provider] = d.model.digest(kindAccount, provider, account)
			}
		}
		if cell, ok := p.Shared[emailField]; ok && cell.Value != nil {
			email, err := emailOf(cell.Value)
			if err != nil {
				return err
			}
			if email != "" {
				want[kindEmail+" "] = d.model.digest(kindEmail, "", strings.ToLower(email))
			}
		}
	}
	return d.Read(func(r *projections.Reader) error {
		rows, err := r.Query(ctx, queryClaims, p.ID[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind, provider string
			var digest []byte
			if err := rows.Scan(&kind, &provider, &digest); err != nil {
				return err
			}
			wanted, ok := want[kind+" "+provider]
			if !ok || !bytes.Equal(wanted[:], digest) {
				return fmt.Errorf("%w: %s %s", ErrDiffers, kind, provider)
			}
			delete(want, kind+" "+provider)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for name := range want {
			return fmt.Errorf("%w: %s is missing", ErrDiffers, strings.TrimSpace(name))
		}
		return nil
	})
}
