package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"vitae/ledger"
)

var errCut = errors.New("cut")

// cutStore fails every write to Keys after the first n: the process was killed there.
// A write is cut before or after it was stored.
type cutStore struct {
	Store
	bucket *cutBucket
}

func (s cutStore) Keys() Bucket { return s.bucket }

type cutBucket struct {
	Bucket
	mu     sync.Mutex
	left   int
	stored bool // the write that is cut is stored all the same
}

func (b *cutBucket) step(write func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	if b.left < -1 || b.left == -1 && !b.stored {
		return errCut
	}
	if err := write(); err != nil {
		return err
	}
	if b.left < 0 {
		return errCut
	}
	return nil
}

func (b *cutBucket) Put(ctx context.Context, key string, value []byte, after uint64) (rev uint64, err error) {
	err = b.step(func() error { rev, err = b.Bucket.Put(ctx, key, value, after); return err })
	return rev, err
}

func (b *cutBucket) Scrub(ctx context.Context, key string, before uint64) error {
	return b.step(func() error { return b.Bucket.Scrub(ctx, key, before) })
}

func (b *cutBucket) Truncate(ctx context.Context, upTo uint64) error {
	return b.step(func() error { return b.Bucket.Truncate(ctx, upTo) })
}

func (b *cutBucket) RemoveAll(ctx context.Context, prefix string) error {
	return b.step(func() error { return b.Bucket.RemoveAll(ctx, prefix) })
}

// TestRotateMasterCutEverywhere stops a rotation at every write, opens the vault with
// either key, and goes on.
func TestRotateMasterCutEverywhere(t *testing.T) {
	for _, stored := range []bool{false, true} {
		cuts := 0
		for n := 0; ; n++ {
			ctx, s := t.Context(), NewMemory()
			first, second := NewMaster(), NewMaster()
			v := openVault(t, s, first)
			c := ledger.NewCommitID(time.Now())
			var profiles []ledger.ProfileID
			var sealed [][]byte
			for i := range 4 {
				p := newProfile(t, v)
				profiles = append(profiles, p)
				sealed = append(sealed, seal(t, v, p, c, i, fmt.Sprint(i)))
			}
			check(t, v.PutSecret(ctx, profiles[1], "n", []byte("secret")), nil)
			check(t, v.Destroy(ctx, profiles[3]), nil)
			digest := v.SystemDigest("x")

			cut := &cutBucket{Bucket: s.Keys(), left: n, stored: stored}
			v = openVault(t, cutStore{s, cut}, first)
			err := v.RotateMaster(ctx, first, second)
			if err == nil {
				if n < 8 {
					t.Fatalf("a rotation of this vault took %d writes only", n)
				}
				break
			}
			cuts++
			check(t, err, errCut)

			usable := func(v *Vault) {
				t.Helper()
				for i, p := range profiles[:3] {
					opens(t, v, p, c, i, sealed[i], fmt.Sprint(i))
				}
				_, err := v.Open(profiles[3], c, 3, sealed[3])
				check(t, err, ledger.ErrErased)
				got, err := v.Secret(ctx, profiles[1], "n")
				check(t, err, nil)
				if string(got) != "secret" || v.SystemDigest("x") != digest {
					t.Fatal("not the same vault")
				}
			}
			// At least one of the keys opens it, and whichever does can do everything.
			opened := 0
			for _, key := range [][]byte{first, second} {
				w, err := Open(ctx, s, key)
				if errors.Is(err, ErrMasterKey) {
					continue
				}
				check(t, err, nil)
				opened++
				usable(w)
				newProfile(t, w)
				if w.RotateMaster(ctx, NewMaster(), NewMaster()) == nil {
					t.Fatal("a rotation between foreign keys was accepted")
				}
			}
			if opened == 0 {
				t.Fatalf("cut %d (stored: %v): neither master key opens the vault", n, stored)
			}
			w, err := Open(ctx, s, first)
			if errors.Is(err, ErrMasterKey) {
				w, err = Open(ctx, s, second)
			}
			check(t, err, nil)
			check(t, w.RotateMaster(ctx, first, second), nil)
			check(t, w.RotateMaster(ctx, first, second), nil)
			usable(w)
			_, err = Open(ctx, s, first)
			check(t, err, ErrMasterKey)
			w = openVault(t, s, second)
			usable(w)
			for e, err := range s.Keys().Walk(ctx, "", true) {
				check(t, err, nil)
				if rec, err := parseRecord(e.Value); err == nil && !rec.wrappedBy(w.current.id) || rec.Rotation != nil {
					t.Fatalf("cut %d: %s is not wrapped by the new key alone", n, e.Key)
				}
			}
		}
		t.Logf("%d cuts", cuts)
	}
}

func TestRotateMasterRefuses(t *testing.T) {
	s, first := NewMemory(), NewMaster()
	v := openVault(t, s, first)
	check(t, v.RotateMaster(t.Context(), NewMaster(), NewMaster()), ErrMasterKey)
	if v.RotateMaster(t.Context(), first, first) == nil || v.RotateMaster(t.Context(), first, first[:3]) == nil {
		t.Fatal("a useless new master key was accepted")
	}
}

// TestRotateMasterMeanwhile: two instances, one rotates while both create, seal and open.
func TestRotateMasterMeanwhile(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx, c := t.Context(), ledger.NewCommitID(time.Now())
		first, second := NewMaster(), NewMaster()
		v, w := openVault(t, s, first), openVault(t, s, first)
		for range 50 {
			newProfile(t, v)
		}
		type made struct {
			p      ledger.ProfileID
			sealed []byte
		}
		var (
			all  []made
			mu   sync.Mutex
			wg   sync.WaitGroup
			done = make(chan struct{})
		)
		for _, v := range []*Vault{v, w} {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-done:
						if n >= 20 {
							return
						}
					default:
					}
					p := newUnseen()
					err := v.Create(ctx, p)
					if errors.Is(err, ErrMasterKey) && v == w {
						return // the rotation is through, and this instance never heard of it
					}
					if err != nil {
						t.Error(err)
						return
					}
					sealed, err := v.Seal(p, c, 0, []byte("x"))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					all = append(all, made{p, sealed})
					mu.Unlock()
				}
			})
		}
		err := v.RotateMaster(ctx, first, second)
		close(done)
		wg.Wait()
		check(t, err, nil)
		x := openVault(t, s, second)
		for _, m := range all {
			opens(t, x, m.p, c, 0, m.sealed, "x")
		}
	})
}
