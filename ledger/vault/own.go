package vault

import (
	"context"
	"strings"

	"vitae/ledger"
)

// ownData ties what SealOwn seals to its profile, its use and its place.
func ownData(p ledger.ProfileID, purpose, id string) []byte {
	return append(append([]byte("own|"), p[:]...), named(purpose, id)...)
}

// SealOwn encrypts what is kept of a profile outside its events: the name of a key, a
// reply, an upload. It opens under the same profile, purpose and id only, and nowhere
// once the profile is erased. Errors: as Seal.
func (v *Vault) SealOwn(p ledger.ProfileID, purpose, id string, plain []byte) ([]byte, error) {
	ring, err := v.cached(p)
	if err != nil {
		return nil, err
	}
	return ring.sealAs(forOwn, plain, ownData(p, purpose, id))
}

// OpenOwn decrypts what SealOwn made. Errors: as Open.
func (v *Vault) OpenOwn(p ledger.ProfileID, purpose, id string, sealed []byte) ([]byte, error) {
	ring, err := v.cached(p)
	if err != nil {
		return nil, err
	}
	return ring.openAs(forOwn, sealed, ownData(p, purpose, id))
}

// Holdings counts what Destroy takes away with a profile's key.
type Holdings struct {
	Files   int // files that can be read
	Chunks  int // what they are stored in, and what is left of uploads that never ended
	Secrets int // credentials of connections
}

// Holdings counts what is stored of a profile. It needs no key, so it counts also what
// nobody can open any more.
func (v *Vault) Holdings(ctx context.Context, p ledger.ProfileID) (h Holdings, err error) {
	for e, err := range v.files.Walk(ctx, p.String(), false) {
		if err != nil {
			return h, err
		}
		switch part := strings.Split(e.Key, "."); {
		case len(part) > 1 && part[1] == "f":
			h.Files++
		case len(part) > 1 && part[1] == "c":
			h.Chunks++
		}
	}
	secrets := map[string]bool{} // a secret may come in several revisions
	for e, err := range v.keys.Walk(ctx, p.String(), false) {
		if err != nil {
			return h, err
		}
		secrets[e.Key] = true
	}
	h.Secrets = len(secrets)
	return h, nil
}
