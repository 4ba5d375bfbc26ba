package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vitae/ledger"
)

// rotationData is the associated data of one master key wrapped by the other.
const rotationData = "vitae master rotation"

// open gives the wrappers of both master keys to whoever has one of them.
func (r *rotation) open(have map[string]*wrapper) (map[string]*wrapper, error) {
	both := map[string]*wrapper{r.From: have[r.From], r.To: have[r.To]}
	for _, way := range []struct {
		have, want string
		sealed     []byte
	}{{r.From, r.To, r.NewByOld}, {r.To, r.From, r.OldByNew}} {
		if both[way.want] != nil || both[way.have] == nil {
			continue
		}
		key, err := both[way.have].aead.Open(nil, nil, way.sealed, []byte(rotationData))
		if err != nil {
			return nil, fmt.Errorf("vault: the record of the master key's rotation: %w", ErrCorrupt)
		}
		w, err := newWrapper(key)
		if err != nil {
			return nil, err
		}
		both[way.want] = w
	}
	if both[r.From] == nil || both[r.To] == nil {
		return nil, fmt.Errorf("vault: %w", ErrMasterKey)
	}
	return both, nil
}

// RotateMaster wraps every keyset with a new master key, and gets rid of every trace
// of the old wrapping. On nil the old master key opens nothing any more. It may be
// interrupted at any point: until it is through, Open takes either key, and calling it
// again with the same two keys goes on; when it is through, calling it again does
// nothing. Sealing and opening go on meanwhile. Other instances that were opened with
// the old key go along while it runs; restart them with the new one afterwards.
func (v *Vault) RotateMaster(ctx context.Context, oldMaster, newMaster []byte) error {
	v.rotating.Lock()
	defer v.rotating.Unlock()
	from, err := newWrapper(oldMaster)
	if err != nil {
		return err
	}
	to, err := newWrapper(newMaster)
	if err != nil {
		return err
	}
	if from.id == to.id {
		return errors.New("vault: the new master key is the old one")
	}
	e, err := v.keys.Get(ctx, systemKey)
	if err != nil {
		return err
	}
	rec, err := parseRecord(e.Value)
	if err != nil {
		return err
	}
	switch by := rec.Keys[0].Master; {
	case rec.Rotation != nil && (rec.Rotation.From != from.id || rec.Rotation.To != to.id):
		return errors.New("vault: a rotation between other master keys is not through: finish that one first")
	case rec.Rotation != nil:
	case by == to.id:
		return v.through(ctx, e, rec, to)
	case by != from.id:
		return fmt.Errorf("vault: the old one: %w", ErrMasterKey)
	default:
		if err := v.keys.Break(ctx); err != nil {
			return err
		}
		rec.Rotation = &rotation{From: from.id, To: to.id,
			OldByNew: to.aead.Seal(nil, nil, oldMaster, []byte(rotationData)),
			NewByOld: from.aead.Seal(nil, nil, newMaster, []byte(rotationData))}
		if e, err = v.putSystem(ctx, rec, e.Revision); err != nil {
			return err
		}
	}
	if err := v.learn(e); err != nil {
		return err
	}
	for {
		changed, err := v.rewrapAll(ctx, e.Revision)
		if err != nil {
			return err
		}
		if !changed {
			break
		}
	}
	// Whatever is older than the rotation was written again, or is gone: drop it at one
	// go. Overwriting each old revision alone would rewrite a whole block every time.
	if err := v.keys.Truncate(ctx, e.Revision-1); err != nil {
		return err
	}
	rec.Rotation = nil
	if rec, err = v.rewrapped(ctx, rec, systemKey); err != nil {
		return err
	}
	if e, err = v.putSystem(ctx, rec, e.Revision); err != nil {
		return err
	}
	return v.through(ctx, e, rec, to)
}

// through makes sure that nothing is left of the system keyset's older revisions, and
// that this vault uses the new master key only.
func (v *Vault) through(ctx context.Context, e Entry, rec record, to *wrapper) error {
	ring, err := unwrap(map[string]*wrapper{to.id: to}, rec, systemKey)
	if err != nil {
		return err
	}
	if err := v.keys.Scrub(ctx, systemKey, e.Revision); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if ring.keys[0].root != v.system.keys[0].root {
		return fmt.Errorf("vault: the system keyset is another one: %w", ErrCorrupt)
	}
	v.wrappers, v.current, v.systemRev = map[string]*wrapper{to.id: to}, to, e.Revision
	return nil
}

func (v *Vault) putSystem(ctx context.Context, rec record, after uint64) (Entry, error) {
	b, err := rec.encode()
	if err != nil {
		return Entry{}, err
	}
	rev, err := v.keys.Put(ctx, systemKey, b, after)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Key: systemKey, Value: b, Revision: rev}, v.keys.Scrub(ctx, systemKey, rev)
}

// rewrapAll goes through the bucket once: keysets are wrapped with the current master
// key, and whatever is older than revision start is written again. It says whether it
// wrote anything.
func (v *Vault) rewrapAll(ctx context.Context, start uint64) (changed bool, err error) {
	for e, err := range v.keys.Walk(ctx, "", true) {
		if err != nil {
			return changed, err
		}
		if e.Key == systemKey {
			continue
		}
		wrote := false
		if strings.Contains(e.Key, ".") { // a secret: sealed under the profile's key
			wrote, err = v.rewrite(ctx, e, e.Value, start)
		} else {
			wrote, err = v.rewrapEntry(ctx, e, start)
		}
		if err != nil {
			return changed, fmt.Errorf("vault: %s: %w", e.Key, err)
		}
		changed = changed || wrote
	}
	return changed, nil
}

func (v *Vault) rewrapEntry(ctx context.Context, e Entry, start uint64) (bool, error) {
	rec, err := parseRecord(e.Value)
	if err != nil {
		return false, err
	}
	if rec.Erased || rec.wrappedBy(v.wrapper().id) {
		return v.rewrite(ctx, e, e.Value, start)
	}
	return v.rewrap(ctx, e, rec)
}

func (r record) wrappedBy(master string) bool {
	for _, k := range r.Keys {
		if k.Master != master {
			return false
		}
	}
	return true
}

// rewrap stores a profile's keyset wrapped with the current master key. The revision
// before is overwritten if Truncate will not get it.
func (v *Vault) rewrap(ctx context.Context, e Entry, rec record) (bool, error) {
	rec, err := v.rewrapped(ctx, rec, e.Key)
	if err != nil {
		return false, err
	}
	b, err := rec.encode()
	if err != nil {
		return false, err
	}
	v.mu.RLock()
	start := v.systemRev
	v.mu.RUnlock()
	rev, err := v.keys.Put(ctx, e.Key, b, e.Revision)
	if errors.Is(err, ledger.ErrConflict) {
		return false, nil // an older revision, or somebody else wrote it just now
	}
	if err == nil && e.Revision > start {
		err = v.keys.Scrub(ctx, e.Key, rev)
	}
	return err == nil, err
}

// rewrite stores an entry again as it is if it is older than start.
func (v *Vault) rewrite(ctx context.Context, e Entry, value []byte, start uint64) (bool, error) {
	if e.Revision >= start {
		return false, nil
	}
	_, err := v.keys.Put(ctx, e.Key, value, e.Revision)
	if errors.Is(err, ledger.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// rewrapped is the same keyset under the current master key.
func (v *Vault) rewrapped(ctx context.Context, rec record, owner string) (record, error) {
	ring, err := v.opened(ctx, rec, owner)
	if err != nil {
		return rec, err
	}
	w := v.wrapper()
	keys := make([]wrappedKey, len(ring.keys))
	for i, k := range ring.keys {
		keys[i] = wrappedKey{ID: k.id, Master: w.id, Wrapped: w.aead.Seal(nil, nil, k.root[:], wrapData(owner, k.id))}
	}
	rec.Keys = keys
	return rec, nil
}
