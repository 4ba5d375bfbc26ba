package vault

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"vitae/ledger"
)

// MaxSecret is the largest secret in bytes.
const MaxSecret = 64 << 10

// secretKey: names may hold what keys of a bucket may not.
func secretKey(p ledger.ProfileID, name string) string {
	return p.String() + ".secret." + hex.EncodeToString([]byte(name))
}

func secretData(p ledger.ProfileID, name string) []byte {
	return append(append([]byte("secret|"), p[:]...), name...)
}

// PutSecret seals a credential under the profile's key; the last one under a name
// counts. On nil it is durable and the one before is overwritten. Errors: as Seal;
// ledger.ErrCapacity for more than MaxSecret bytes.
func (v *Vault) PutSecret(ctx context.Context, p ledger.ProfileID, name string, secret []byte) error {
	switch {
	case name == "" || len(name) > 100:
		return errors.New("vault: a secret's name has 1 to 100 bytes")
	case len(secret) > MaxSecret:
		return fmt.Errorf("vault: a secret of %d bytes: %w", len(secret), ledger.ErrCapacity)
	}
	ring, err := v.ring(ctx, p)
	if err != nil {
		return err
	}
	sealed, err := ring.sealAs(forSecrets, secret, secretData(p, name))
	if err != nil {
		return err
	}
	key := secretKey(p, name)
	rev, err := v.keys.Set(ctx, key, sealed)
	if err != nil {
		return err
	}
	return errors.Join(v.keys.Scrub(ctx, key, rev), v.still(ctx, p, func(ctx context.Context) error { return v.keys.Remove(ctx, key) }))
}

// still says whether the profile still has its key after something was stored for it. If
// it was erased meanwhile, the erasure may have come by before: then what was stored is
// taken out here. ledger.ErrErased.
func (v *Vault) still(ctx context.Context, p ledger.ProfileID, takeOut func(context.Context) error) error {
	_, err := v.ring(ctx, p)
	if !errors.Is(err, ledger.ErrErased) {
		return nil // not knowing is no reason to fail: it is stored
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	return errors.Join(err, takeOut(ctx))
}

// Secret opens the secret of a name. Errors: ledger.ErrNotFound when there is none (or
// no such profile), ledger.ErrErased, ErrCorrupt, ledger.ErrUnavailable.
func (v *Vault) Secret(ctx context.Context, p ledger.ProfileID, name string) ([]byte, error) {
	ring, err := v.ring(ctx, p)
	if err != nil {
		return nil, err
	}
	e, err := v.keys.Get(ctx, secretKey(p, name))
	if err != nil {
		return nil, err
	}
	return ring.openAs(forSecrets, e.Value, secretData(p, name))
}

// ReplaceSecret puts fresh in the place of the secret that is old now, and overwrites that.
// Errors: ledger.ErrConflict when the secret is another one by now (also when somebody was
// faster), and those of Secret and PutSecret.
func (v *Vault) ReplaceSecret(ctx context.Context, p ledger.ProfileID, name string, old, fresh []byte) error {
	if len(fresh) > MaxSecret {
		return fmt.Errorf("vault: a secret of %d bytes: %w", len(fresh), ledger.ErrCapacity)
	}
	ring, err := v.ring(ctx, p)
	if err != nil {
		return err
	}
	key := secretKey(p, name)
	e, err := v.keys.Get(ctx, key)
	if err != nil {
		return err
	}
	now, err := ring.openAs(forSecrets, e.Value, secretData(p, name))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(now, old) != 1 {
		return fmt.Errorf("vault: the secret was changed meanwhile: %w", ledger.ErrConflict)
	}
	sealed, err := ring.sealAs(forSecrets, fresh, secretData(p, name))
	if err != nil {
		return err
	}
	rev, err := v.keys.Put(ctx, key, sealed, e.Revision)
	if err != nil {
		return err
	}
	return errors.Join(v.keys.Scrub(ctx, key, rev), v.still(ctx, p, func(ctx context.Context) error { return v.keys.Remove(ctx, key) }))
}

// DeleteSecret takes the secret out and overwrites it; none is no error.
func (v *Vault) DeleteSecret(ctx context.Context, p ledger.ProfileID, name string) error {
	return v.keys.Remove(ctx, secretKey(p, name))
}
