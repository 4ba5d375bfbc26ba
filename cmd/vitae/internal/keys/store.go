package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitae/ledger"
)

// Prefix begins the text of every key that Create makes, so that scanners for leaked
// secrets find it.
const Prefix = "vt_live_"

// MaxName is how many code points a key's name may have.
const MaxName = 200

// maxText bounds what Lookup hashes. An admin key is chosen by the operator.
const maxText = 1024

// Key is who calls. It is shared and never changes, but for being revoked.
type Key struct {
	ID      string           // ULID, or "admin"
	Name    string           // "" once its profile is erased
	Profile ledger.ProfileID // whose key it is; zero when it is for all profiles
	Scopes  Scope
	Created time.Time

	hash     [sha256.Size]byte
	lastUsed atomic.Int64 // Unix milliseconds; 0 = not since the start of this instance
	revoked  atomic.Int64 // Unix milliseconds; 0 = not
	erased   atomic.Bool  // with its profile
	done     chan struct{}
}

// ForAll says that the key is not bound to one profile.
func (k *Key) ForAll() bool { return k.Profile.IsZero() }

// Has says whether the key has at least one of the scopes.
func (k *Key) Has(anyOf Scope) bool { return k.Scopes&(anyOf|Admin) != 0 }

// IsAdmin says whether the key equals the admin key.
func (k *Key) IsAdmin() bool { return k.Scopes&Admin != 0 }

// Actor is how the ledger names the key: "admin" or "key:<id>".
func (k *Key) Actor() string {
	if k.ID == adminID {
		return adminID
	}
	return "key:" + k.ID
}

// LastUsed is when this instance saw the key last; zero when it has not.
func (k *Key) LastUsed() time.Time { return moment(k.lastUsed.Load()) }

// Revoked is when the key was revoked; zero when it is good.
func (k *Key) Revoked() time.Time { return moment(k.revoked.Load()) }

// Done is closed when the key is revoked: what it opened and still runs must end then.
func (k *Key) Done() <-chan struct{} { return k.done }

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const adminID = "admin"

// Sealer seals what is personal in a record: the name of a profile's key under the
// profile's own key, so that it is gone with it. Package vault has the real one.
type Sealer interface {
	SealSystem(purpose, id string, plain []byte) ([]byte, error)
	OpenSystem(purpose, id string, sealed []byte) ([]byte, error)
	SealOwn(p ledger.ProfileID, purpose, id string, plain []byte) ([]byte, error)
	OpenOwn(p ledger.ProfileID, purpose, id string, sealed []byte) ([]byte, error)
}

// namePurpose is the purpose under which names are sealed.
const namePurpose = "key.name"

// Options are what a Store needs besides its bucket.
type Options struct {
	Admin string // the admin key's text; required
	Now   func() time.Time
	Log   *slog.Logger
}

// Store is every key there is. Safe for concurrent use.
type Store struct {
	kv    KV
	seal  Sealer
	now   func() time.Time
	log   *slog.Logger
	admin *Key

	mu        sync.RWMutex
	byHash    map[[sha256.Size]byte]*Key
	byID      map[string]*Key
	revisions map[string]uint64 // of the record that byID holds
}

// Open reads every key of the bucket. A record that cannot be read is logged, and its
// key is unknown. Call Run to follow what other instances change.
func Open(ctx context.Context, kv KV, seal Sealer, o Options) (*Store, error) {
	if len(o.Admin) < 16 || len(o.Admin) > maxText {
		return nil, fmt.Errorf("the admin key must have 16 to %d characters", maxText)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{kv: kv, seal: seal, now: o.Now, log: o.Log,
		admin:  &Key{ID: adminID, Name: adminID, Scopes: All, hash: sha256.Sum256([]byte(o.Admin)), done: make(chan struct{})},
		byHash: map[[sha256.Size]byte]*Key{}, byID: map[string]*Key{}, revisions: map[string]uint64{}}
	for e, err := range kv.Watch(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read the API keys: %w", err)
		}
		if e.Key == "" {
			break
		}
		s.take(e)
	}
	return s, nil
}

// retryWait is the pause before a broken watch is started anew.
const retryWait = time.Second

// Run follows the bucket until ctx ends, and returns ctx's error. A watch that breaks is
// started anew; keys that are known stay usable meanwhile.
func (s *Store) Run(ctx context.Context) error {
	for {
		for e, err := range s.kv.Watch(ctx) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.log.Warn("API keys: the watch broke, starting it anew", "error", err)
				break
			}
			if e.Key != "" {
				s.take(e)
			}
		}
		wait := time.NewTimer(retryWait)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// record is the stored form of a key.
type record struct {
	ID      string            `json:"id"`
	Hash    ledger.Hash       `json:"hash"`
	Profile *ledger.ProfileID `json:"profile"` // null: all
	Scopes  []string          `json:"scopes"`
	Name    []byte            `json:"name,omitempty"` // sealed
	Created time.Time         `json:"created"`
	Revoked *time.Time        `json:"revoked,omitempty"`
	Erased  bool              `json:"erased,omitempty"` // revoked because its profile was erased
}

// take brings the memory to what an entry of the bucket says.
func (s *Store) take(e Entry) {
	if e.Value == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if k := s.byID[e.Key]; k != nil && e.Revision > s.revisions[e.Key] {
			delete(s.byID, e.Key)
			delete(s.byHash, k.hash)
			s.revisions[e.Key] = e.Revision
			k.end(s.now())
		}
		return
	}
	k, err := s.read(e)
	if err != nil {
		s.log.Error("API keys: a record cannot be read; its key will not work", "record", e.Key, "error", err)
		return
	}
	s.put(k, e.Revision)
}

func (s *Store) put(k *Key, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision <= s.revisions[k.ID] {
		return
	}
	s.revisions[k.ID] = revision
	if old := s.byID[k.ID]; old != nil {
		// Whoever holds the old one must see it end.
		old.erased.Store(old.erased.Load() || k.erased.Load())
		if at := k.Revoked(); !at.IsZero() {
			old.end(at)
		}
		if k.erased.Load() {
			s.byID[k.ID], s.byHash[k.hash] = k, k // without its name
		}
		return
	}
	s.byID[k.ID], s.byHash[k.hash] = k, k
}

// end marks the key as revoked. Called with mu held.
func (k *Key) end(at time.Time) {
	if k.revoked.CompareAndSwap(0, at.UnixMilli()) {
		close(k.done)
	}
}

func (s *Store) read(e Entry) (*Key, error) {
	var r record
	if err := json.Unmarshal(e.Value, &r); err != nil {
		return nil, fmt.Errorf("not a key's record: %w", err)
	}
	if r.ID != e.Key {
		return nil, errors.New("the record carries another id than its own")
	}
	k := &Key{ID: r.ID, Created: r.Created, hash: r.Hash, done: make(chan struct{})}
	if r.Profile != nil {
		k.Profile = *r.Profile
	}
	for _, name := range r.Scopes {
		sc, ok := ParseScope(name)
		if !ok {
			return nil, errors.New("the record names an unknown scope")
		}
		k.Scopes |= sc
	}
	if r.Name != nil {
		name, err := s.openName(k, r.Name)
		if err != nil {
			return nil, fmt.Errorf("the name cannot be opened: %w", err)
		}
		k.Name = string(name)
	}
	k.erased.Store(r.Erased)
	if r.Revoked != nil {
		k.end(*r.Revoked)
	}
	return k, nil
}

func (s *Store) sealName(k *Key) ([]byte, error) {
	if k.ForAll() {
		return s.seal.SealSystem(namePurpose, k.ID, []byte(k.Name))
	}
	return s.seal.SealOwn(k.Profile, namePurpose, k.ID, []byte(k.Name))
}

// openName opens what sealName sealed; "" when the profile is erased.
func (s *Store) openName(k *Key, sealed []byte) ([]byte, error) {
	if k.ForAll() {
		return s.seal.OpenSystem(namePurpose, k.ID, sealed)
	}
	name, err := s.seal.OpenOwn(k.Profile, namePurpose, k.ID, sealed)
	if errors.Is(err, ledger.ErrErased) {
		return nil, nil
	}
	return name, err
}

// Lookup finds the key with this text; nil when there is none or it was revoked. It
// notes the use. The time it takes tells nothing about other keys: what is looked up and
// compared is a hash.
func (s *Store) Lookup(text string) *Key {
	if text == "" || len(text) > maxText {
		return nil
	}
	hash := sha256.Sum256([]byte(text))
	k := s.admin
	if subtle.ConstantTimeCompare(hash[:], k.hash[:]) != 1 {
		s.mu.RLock()
		k = s.byHash[hash]
		s.mu.RUnlock()
		if k == nil || subtle.ConstantTimeCompare(hash[:], k.hash[:]) != 1 || k.revoked.Load() != 0 {
			return nil
		}
	}
	k.lastUsed.Store(s.now().UnixMilli())
	return k
}

// New is what a key is to be.
type New struct {
	Name    string           // up to MaxName code points; may be empty
	Profile ledger.ProfileID // zero: all profiles
	Scopes  Scope            // at least one; Admin only for all profiles
}

// Create makes a key and returns it with its text, which is nowhere else from then on.
// The record is on stable storage when the error is nil. A New that Check refuses is the
// caller's fault; every other error is the store's.
func (s *Store) Create(ctx context.Context, n New) (*Key, string, error) {
	if err := n.Check(); err != nil {
		return nil, "", err
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand stops the program instead
	text := Prefix + base64.RawURLEncoding.EncodeToString(secret[:])
	now := s.now().UTC().Truncate(time.Millisecond)
	k := &Key{ID: ledger.NewID(now), Name: n.Name, Profile: n.Profile, Scopes: n.Scopes, Created: now,
		hash: sha256.Sum256([]byte(text)), done: make(chan struct{})}
	value, err := s.write(k)
	if err != nil {
		return nil, "", err
	}
	revision, err := s.kv.Create(ctx, k.ID, value)
	if err != nil {
		return nil, "", fmt.Errorf("store the API key: %w", err)
	}
	s.put(k, revision)
	return k, text, nil
}

// Check says what is wrong with it.
func (n New) Check() error {
	switch {
	case n.Scopes == 0:
		return ledger.Refuse("/scopes", ledger.CodeRequired, "A key needs at least one scope.")
	case n.Scopes&Admin != 0 && !n.Profile.IsZero():
		return ledger.Refuse("/scopes", ledger.CodeNotOneOf, "The scope admin is for keys of all profiles (\"profile\":\"*\").")
	case len([]rune(n.Name)) > MaxName:
		return ledger.Refuse("/name", ledger.CodeTooLong, fmt.Sprintf("At most %d characters.", MaxName))
	}
	return nil
}

func (s *Store) write(k *Key) ([]byte, error) {
	r := record{ID: k.ID, Hash: k.hash, Scopes: k.Scopes.Names(), Created: k.Created}
	if !k.ForAll() {
		r.Profile = &k.Profile
	}
	if at := k.Revoked(); !at.IsZero() {
		r.Revoked = &at
	}
	r.Erased = k.erased.Load()
	if k.Name != "" && !r.Erased {
		var err error
		if r.Name, err = s.sealName(k); err != nil {
			return nil, fmt.Errorf("seal the key's name: %w", err)
		}
	}
	value, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write the key's record: %w", err)
	}
	return value, nil
}

// WasErased says whether the text is that of a key which ended because its profile was
// erased.
func (s *Store) WasErased(text string) bool {
	if text == "" || len(text) > maxText {
		return false
	}
	hash := sha256.Sum256([]byte(text))
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.byHash[hash]
	return k != nil && k.erased.Load()
}

// Erase ends every key of an erased profile, and takes their names out; it says how many
// there are. It is on stable storage when the error is nil; asked again it does the same
// again. The profile's key may be destroyed already.
func (s *Store) Erase(ctx context.Context, p ledger.ProfileID) (int, error) {
	n := 0
	for _, k := range s.List() {
		if k.ForAll() || k.Profile != p {
			continue
		}
		n++
		if err := s.end(ctx, k.ID, true); err != nil {
			return n, err
		}
	}
	return n, nil
}

// ByID gives a key that counts by its id; nil when there is none, or it was revoked.
func (s *Store) ByID(id string) *Key {
	if id == adminID {
		return s.admin
	}
	for _, k := range s.List() {
		if k.ID == id && k.Revoked().IsZero() {
			return k
		}
	}
	return nil
}

// List gives every stored key, the revoked ones too, oldest first.
func (s *Store) List() []*Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Key, 0, len(s.byID))
	for _, k := range s.byID {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b *Key) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// revokeTries bounds the races that Revoke loses against other instances.
const revokeTries = 5

// Revoke ends a key for good. It is on stable storage and counts here when the error is
// nil; revoking a revoked key is no error. ledger.ErrNotFound when there is no such key.
func (s *Store) Revoke(ctx context.Context, id string) error { return s.end(ctx, id, false) }

func (s *Store) end(ctx context.Context, id string, erased bool) error {
	s.mu.RLock()
	known := s.byID[id]
	s.mu.RUnlock()
	if known == nil {
		return fmt.Errorf("API key: %w", ledger.ErrNotFound)
	}
	for range revokeTries {
		e, err := s.kv.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("revoke the API key: %w", err)
		}
		k, err := s.read(e)
		if err != nil {
			return fmt.Errorf("revoke the API key: %w", err)
		}
		if !k.Revoked().IsZero() && (k.erased.Load() || !erased) {
			s.put(k, e.Revision)
			return nil
		}
		k.end(s.now())
		if erased {
			k.erased.Store(true)
			k.Name = ""
		}
		value, err := s.write(k)
		if err != nil {
			return err
		}
		revision, err := s.kv.Update(ctx, id, value, e.Revision)
		if errors.Is(err, ledger.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("revoke the API key: %w", err)
		}
		s.put(k, revision)
		return nil
	}
	return fmt.Errorf("revoke the API key: %w", ledger.ErrConflict)
}
