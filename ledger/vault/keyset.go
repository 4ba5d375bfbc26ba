package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"vitae/ledger"
)

// ErrCorrupt says that something sealed does not open: it was changed, or sealed for
// another place.
var ErrCorrupt = errors.New("sealed data was changed or belongs elsewhere")

// The derived keys: one purpose, one key.
const (
	forValues  = "values"
	forSecrets = "secrets"
	forFiles   = "files"
	forDigests = "digests"
	forOwn     = "own records"
	forSystem  = "system values"
)

const recordVersion = 1

// record is a keyset as stored, and the storage format.
type record struct {
	Version int `json:"v"`
	// Erased marks the tombstone of a destroyed keyset; it has no keys.
	Erased bool         `json:"erased,omitempty"`
	Active byte         `json:"active,omitempty"` // id of the key that seals
	Keys   []wrappedKey `json:"keys,omitempty"`   // oldest first; never empty unless erased
	// Rotation is in the system keyset while a rotation of the master key runs.
	Rotation *rotation `json:"rotation,omitempty"`
}

type wrappedKey struct {
	ID      byte   `json:"id"`
	Master  string `json:"master"` // id of the master key that wraps it
	Wrapped []byte `json:"wrapped"`
}

// rotation lets a vault that was opened with either master key have both, as long as
// some keysets are wrapped by one and some by the other.
type rotation struct {
	From     string `json:"from"` // ids of the two master keys
	To       string `json:"to"`
	OldByNew []byte `json:"old_by_new"`
	NewByOld []byte `json:"new_by_old"`
}

func parseRecord(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("vault: keyset: %w: %w", ErrCorrupt, err)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("vault: keyset has version %d; this program knows version %d", r.Version, recordVersion)
	}
	if len(r.Keys) == 0 && !r.Erased {
		return r, fmt.Errorf("vault: keyset: %w", ErrCorrupt)
	}
	return r, nil
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

// wrapData ties a wrapped key to its owner (a profile's id, or "system") and its id.
func wrapData(owner string, id byte) []byte {
	return append([]byte("vitae data key|"+owner+"|"), id)
}

// newRecord makes a keyset with one new key.
func newRecord(w *wrapper, owner string) (record, *keyring, error) {
	var root [KeySize]byte
	_, _ = rand.Read(root[:]) // crypto/rand stops the program rather than fail
	r := record{Version: recordVersion, Active: 1, Keys: []wrappedKey{{ID: 1, Master: w.id,
		Wrapped: w.aead.Seal(nil, nil, root[:], wrapData(owner, 1))}}}
	ring, err := newKeyring(1, []dataKey{{id: 1, root: root}})
	return r, ring, err
}

// keyring is an opened keyset. It does not change.
type keyring struct {
	erased bool
	active *dataKey
	keys   []dataKey // oldest first
}

type dataKey struct {
	id     byte
	root   [KeySize]byte
	values cipher.AEAD // derived from root
}

func newKeyring(active byte, keys []dataKey) (*keyring, error) {
	k := &keyring{keys: keys}
	for i := range keys {
		aead, err := keys[i].derive(forValues)
		if err != nil {
			return nil, err
		}
		keys[i].values = aead
		if keys[i].id == active {
			k.active = &keys[i]
		}
	}
	if k.active == nil {
		return nil, fmt.Errorf("vault: keyset without its active key: %w", ErrCorrupt)
	}
	return k, nil
}

// find gives the key that sealed something, by its first byte.
func (k *keyring) find(sealed []byte) (*dataKey, error) {
	if len(sealed) > 0 {
		for i := range k.keys {
			if k.keys[i].id == sealed[0] {
				return &k.keys[i], nil
			}
		}
	}
	return nil, fmt.Errorf("vault: %w", ErrCorrupt)
}

func (d *dataKey) secret(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, d.root[:], nil, "vitae/1/"+purpose, KeySize)
}

func (d *dataKey) derive(purpose string) (cipher.AEAD, error) {
	key, err := d.secret(purpose)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return newAEAD(key)
}

// seal appends the key's id and the sealed text to dst.
func (d *dataKey) seal(dst []byte, aead cipher.AEAD, plain, data []byte) []byte {
	return aead.Seal(append(dst, d.id), nil, plain, data)
}

// sealAs seals under a key derived for purpose.
func (k *keyring) sealAs(purpose string, plain, data []byte) ([]byte, error) {
	aead, err := k.active.derive(purpose)
	if err != nil {
		return nil, err
	}
	return k.active.seal(nil, aead, plain, data), nil
}

// openAs opens what sealAs sealed.
func (k *keyring) openAs(purpose string, sealed, data []byte) ([]byte, error) {
	d, err := k.find(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := d.derive(purpose)
	if err != nil {
		return nil, err
	}
	return open(aead, nil, sealed, data)
}

// open opens what dataKey.seal sealed, into dst.
func open(aead cipher.AEAD, dst, sealed, data []byte) ([]byte, error) {
	plain, err := aead.Open(dst, nil, sealed[1:], data)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", ErrCorrupt)
	}
	return plain, nil
}

// digest is HMAC-SHA256 under the oldest key, so that a new key in the set does not
// change digests. Every part is preceded by its length.
func (k *keyring) digest(purpose string, data [][]byte) (out [32]byte, err error) {
	key, err := k.keys[0].secret(forDigests)
	if err != nil {
		return out, fmt.Errorf("vault: %w", err)
	}
	h := hmac.New(sha256.New, key)
	var n [8]byte
	part := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte(purpose))
	for _, d := range data {
		part(d)
	}
	h.Sum(out[:0])
	return out, nil
}

// valueData is the associated data of a sealed value.
func valueData(dst []byte, p ledger.ProfileID, c ledger.CommitID, index int) []byte {
	dst = append(append(dst, p[:]...), c[:]...)
	return binary.BigEndian.AppendUint16(dst, uint16(index))
}
