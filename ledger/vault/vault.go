package vault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"vitae/ledger"
)

// loadTimeout bounds the reading of a key that is not in memory, for callers that
// have no context to give.
const loadTimeout = 5 * time.Second

// systemKey is the record of the system keyset. It is no ULID, so no profile's.
const systemKey = "system"

// Vault seals, opens and forgets. All methods may be called from many goroutines.
type Vault struct {
	keys   Bucket
	files  Bucket
	cache  *cache
	system *keyring

	mu        sync.RWMutex
	current   *wrapper            // wraps new keysets
	wrappers  map[string]*wrapper // by id; two while the master key is rotated
	systemRev uint64              // the revision of the system keyset that we know

	rotating sync.Mutex
}

// Open opens the vault in a store with its master key (KeySize bytes). The first Open
// makes the system keyset. Errors: ErrMasterKey when the master key is not the
// vault's; ErrCorrupt when there are profiles' keys but no system keyset.
func Open(ctx context.Context, s Store, master []byte) (*Vault, error) {
	w, err := newWrapper(master)
	if err != nil {
		return nil, err
	}
	v := &Vault{keys: s.Keys(), files: s.Files(), cache: newCache(cacheSize),
		current: w, wrappers: map[string]*wrapper{w.id: w}}
	e, err := v.keys.Get(ctx, systemKey)
	if errors.Is(err, ledger.ErrNotFound) {
		e, err = v.makeSystem(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := v.learn(e); err != nil {
		return nil, err
	}
	return v, nil
}

// makeSystem stores a new system keyset in an empty vault. When two do it at a time,
// both get the one that was stored.
func (v *Vault) makeSystem(ctx context.Context) (Entry, error) {
	for _, err := range v.keys.Walk(ctx, "", false) {
		if err != nil {
			return Entry{}, err
		}
		if e, err := v.keys.Get(ctx, systemKey); !errors.Is(err, ledger.ErrNotFound) {
			return e, err
		}
		return Entry{}, fmt.Errorf("vault: there are keys, but no system keyset: %w", ErrCorrupt)
	}
	rec, _, err := newRecord(v.current, systemKey)
	if err != nil {
		return Entry{}, err
	}
	b, err := rec.encode()
	if err != nil {
		return Entry{}, err
	}
	if _, err := v.keys.Put(ctx, systemKey, b, 0); err != nil && !errors.Is(err, ledger.ErrConflict) {
		return Entry{}, err
	}
	return v.keys.Get(ctx, systemKey)
}

// learn takes over what the system keyset says: the master keys in use and, the first
// time, the system's own key. It fails with ErrMasterKey and changes nothing when
// no master key that we have opens it.
func (v *Vault) learn(e Entry) error {
	rec, err := parseRecord(e.Value)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	wrappers, current := v.wrappers, v.wrappers[rec.Keys[0].Master]
	if r := rec.Rotation; r != nil {
		both, err := r.open(wrappers)
		if err != nil {
			return err
		}
		wrappers, current = both, both[r.To]
	}
	if current == nil {
		return fmt.Errorf("vault: %w", ErrMasterKey)
	}
	ring, err := unwrap(wrappers, rec, systemKey)
	if err != nil {
		return err
	}
	if v.system == nil {
		v.system = ring
	}
	v.wrappers, v.current, v.systemRev = wrappers, current, e.Revision
	return nil
}

// refresh reads the system keyset again and says whether it had changed.
func (v *Vault) refresh(ctx context.Context) (bool, error) {
	e, err := v.keys.Get(ctx, systemKey)
	if err != nil {
		return false, err
	}
	v.mu.RLock()
	same := e.Revision == v.systemRev
	v.mu.RUnlock()
	if same {
		return false, nil
	}
	return true, v.learn(e)
}

func (v *Vault) wrapper() *wrapper {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.current
}

// unwrap opens a keyset with whichever of the master keys wraps it.
func unwrap(wrappers map[string]*wrapper, rec record, owner string) (*keyring, error) {
	if rec.Erased {
		return &keyring{erased: true}, nil
	}
	keys := make([]dataKey, len(rec.Keys))
	for i, k := range rec.Keys {
		w := wrappers[k.Master]
		if w == nil {
			return nil, fmt.Errorf("vault: %w", ErrMasterKey)
		}
		root, err := w.aead.Open(nil, nil, k.Wrapped, wrapData(owner, k.ID))
		if err != nil || len(root) != KeySize {
			return nil, fmt.Errorf("vault: keyset: %w", ErrCorrupt)
		}
		keys[i].id = k.ID
		copy(keys[i].root[:], root)
	}
	return newKeyring(rec.Active, keys)
}

// opened reads a stored keyset. A master key that we do not know yet may have come
// with a rotation that another instance runs.
func (v *Vault) opened(ctx context.Context, rec record, owner string) (*keyring, error) {
	try := func() (*keyring, error) {
		v.mu.RLock()
		defer v.mu.RUnlock()
		return unwrap(v.wrappers, rec, owner)
	}
	ring, err := try()
	if errors.Is(err, ErrMasterKey) {
		if changed, refreshErr := v.refresh(ctx); refreshErr != nil {
			return nil, refreshErr
		} else if changed {
			return try()
		}
	}
	return ring, err
}

// ring gives a profile's keys, from memory or from the store. Errors:
// ledger.ErrErased, ledger.ErrNotFound, ledger.ErrUnavailable.
func (v *Vault) ring(ctx context.Context, p ledger.ProfileID) (*keyring, error) {
	ring, gen := v.cache.get(p)
	if ring == nil {
		var err error
		if ring, err = v.load(ctx, p); err != nil {
			return nil, err
		}
		v.cache.put(p, ring, gen)
	}
	if ring.erased {
		return nil, fmt.Errorf("vault: profile %s: %w", p, ledger.ErrErased)
	}
	return ring, nil
}

func (v *Vault) load(ctx context.Context, p ledger.ProfileID) (*keyring, error) {
	e, err := v.keys.Get(ctx, p.String())
	if err != nil {
		return nil, fmt.Errorf("vault: profile %s: %w", p, err)
	}
	rec, err := parseRecord(e.Value)
	if err != nil {
		return nil, fmt.Errorf("vault: profile %s: %w", p, err)
	}
	return v.opened(ctx, rec, p.String())
}

// cached is ring for callers without a context.
func (v *Vault) cached(p ledger.ProfileID) (*keyring, error) {
	if ring, _ := v.cache.get(p); ring != nil && !ring.erased {
		return ring, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	return v.ring(ctx, p)
}

// Create makes the profile's keyset; one that is there is kept. On nil it is durable.
// After an error it may be there or not: calling again is safe. ledger.ErrErased when
// the profile's key was destroyed: it never gets another.
func (v *Vault) Create(ctx context.Context, p ledger.ProfileID) error {
	ring, gen := v.cache.get(p)
	if ring == nil {
		w := v.wrapper()
		rec, made, err := newRecord(w, p.String())
		if err != nil {
			return err
		}
		b, err := rec.encode()
		if err != nil {
			return err
		}
		rev, err := v.keys.Put(ctx, p.String(), b, 0)
		switch {
		case errors.Is(err, ledger.ErrConflict):
			if ring, err = v.load(ctx, p); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if err := v.wrappedRight(ctx, p, w, rec, rev); err != nil {
				return err
			}
			ring = made
		}
		v.cache.put(p, ring, gen)
	}
	if ring.erased {
		return fmt.Errorf("vault: profile %s: %w", p, ledger.ErrErased)
	}
	return nil
}

// wrappedRight makes sure that a keyset just stored does not escape a rotation of the
// master key: if one began (perhaps in another instance) before the keyset was stored,
// its walk may be past it, and the keyset is wrapped anew here; if it begins after
// this check, its walk will find the keyset.
func (v *Vault) wrappedRight(ctx context.Context, p ledger.ProfileID, by *wrapper, rec record, rev uint64) error {
	changed, err := v.refresh(ctx)
	if errors.Is(err, ErrMasterKey) {
		// The rotation is over and we have the old key only: nobody could open this.
		return errors.Join(err, v.keys.Remove(ctx, p.String()))
	}
	if err != nil {
		return err
	}
	if !changed && v.wrapper() == by {
		return nil
	}
	_, err = v.rewrap(ctx, Entry{Key: p.String(), Revision: rev}, rec)
	return err
}

// Seal encrypts the payload of the event at index of a commit. It does not keep or
// change payload; the result is the caller's. Errors: ledger.ErrNotFound before
// Create, ledger.ErrErased, ledger.ErrUnavailable.
func (v *Vault) Seal(p ledger.ProfileID, c ledger.CommitID, index int, payload []byte) ([]byte, error) {
	if index < 0 || index > ledger.ReasonIndex {
		return nil, errors.New("vault: index " + strconv.Itoa(index) + " is out of range")
	}
	ring, err := v.cached(p)
	if err != nil {
		return nil, err
	}
	d := ring.active
	// One allocation holds the result and, behind it, the associated data.
	size := 1 + len(payload) + d.values.Overhead()
	buf := make([]byte, size, size+valueDataSize)
	data := valueData(buf[size:size], p, c, index)
	return d.seal(buf[:0:size], d.values, payload, data), nil
}

const valueDataSize = 16 + 16 + 2

// Open decrypts what Seal made, at the same place. It does not keep or change sealed;
// the result is the caller's. Errors: ErrCorrupt, and Seal's.
func (v *Vault) Open(p ledger.ProfileID, c ledger.CommitID, index int, sealed []byte) ([]byte, error) {
	if index < 0 || index > ledger.ReasonIndex {
		return nil, errors.New("vault: index " + strconv.Itoa(index) + " is out of range")
	}
	ring, err := v.cached(p)
	if err != nil {
		return nil, err
	}
	d, err := ring.find(sealed)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 0, len(sealed)+valueDataSize)
	data := valueData(buf[len(sealed):len(sealed)], p, c, index)
	return open(d.values, buf[:0:len(sealed)], sealed, data)
}

// Destroy ends the profile's keys, secrets and files. On nil a tombstone is durable in
// the keyset's place, the keyset's bytes are overwritten, and nothing of the profile
// opens any more. After an error some of it may be done: call again; it goes on where
// it stopped. Destroying a profile that never was makes the tombstone too, so a Create
// that is still under way cannot win.
func (v *Vault) Destroy(ctx context.Context, p ledger.ProfileID) error {
	key := p.String()
	tombstone, err := record{Version: recordVersion, Erased: true}.encode()
	if err != nil {
		return err
	}
	defer v.Forget(p)
	rev, err := v.bury(ctx, key, tombstone)
	if err != nil {
		return fmt.Errorf("vault: destroying the key of %s: %w", p, err)
	}
	v.Forget(p)
	return errors.Join(
		v.keys.Scrub(ctx, key, rev),
		v.keys.RemoveAll(ctx, key),
		v.files.RemoveAll(ctx, key))
}

// bury puts the tombstone after whatever is there, and gives its revision.
func (v *Vault) bury(ctx context.Context, key string, tombstone []byte) (uint64, error) {
	for {
		e, err := v.keys.Get(ctx, key)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return 0, err
		}
		if err == nil {
			if rec, err := parseRecord(e.Value); err == nil && rec.Erased {
				return e.Revision, nil
			}
		}
		rev, err := v.keys.Put(ctx, key, tombstone, e.Revision)
		if !errors.Is(err, ledger.ErrConflict) {
			return rev, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// Forget drops the profile's keys from memory. Every instance calls it when it sees
// the profile's erased event.
func (v *Vault) Forget(p ledger.ProfileID) { v.cache.forget(p) }

// Has says whether the profile's keys can be opened: nil when they can. Errors:
// ledger.ErrErased, ledger.ErrNotFound, ErrMasterKey, ErrCorrupt, ledger.ErrUnavailable.
func (v *Vault) Has(ctx context.Context, p ledger.ProfileID) error {
	_, err := v.ring(ctx, p)
	return err
}

// Cached is how many profiles' keys are in memory.
func (v *Vault) Cached() int { return v.cache.len() }

// Digest is a keyed hash (HMAC-SHA256) under the profile's own key: equal for equal
// data, and not to be guessed or compared with another profile's by anyone without the
// key. purpose keeps uses apart. Errors: as Seal.
func (v *Vault) Digest(p ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error) {
	ring, err := v.cached(p)
	if err != nil {
		return [32]byte{}, err
	}
	return ring.digest(purpose, data)
}
