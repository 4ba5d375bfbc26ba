package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ ledger.Opener = (*Vault)(nil)

func openVault(t testing.TB, s Store, master []byte) *Vault {
	t.Helper()
	v, err := Open(t.Context(), s, master)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newProfile(t testing.TB, v *Vault) ledger.ProfileID {
	t.Helper()
	p := ledger.NewProfileID(time.Now())
	if err := v.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func check(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func seal(t testing.TB, v *Vault, p ledger.ProfileID, c ledger.CommitID, i int, text string) []byte {
	t.Helper()
	b, err := v.Seal(p, c, i, []byte(text))
	check(t, err, nil)
	return b
}

func opens(t testing.TB, v *Vault, p ledger.ProfileID, c ledger.CommitID, i int, sealed []byte, want string) {
	t.Helper()
	b, err := v.Open(p, c, i, sealed)
	check(t, err, nil)
	if string(b) != want {
		t.Fatalf("got %q, want %q", b, want)
	}
}

func TestSealedValues(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		master := NewMaster()
		v := openVault(t, s, master)
		p, q := newProfile(t, v), newProfile(t, v)
		c, d := ledger.NewCommitID(time.Now()), ledger.NewCommitID(time.Now())
		sealed := seal(t, v, p, c, 3, "Jane")
		if bytes.Contains(sealed, []byte("Jane")) || bytes.Equal(sealed, seal(t, v, p, c, 3, "Jane")) {
			t.Fatal("not sealed with a fresh nonce")
		}
		opens(t, v, p, c, 3, sealed, "Jane")
		opens(t, v, p, c, ledger.ReasonIndex, seal(t, v, p, c, ledger.ReasonIndex, ""), "")

		cut := func(b []byte) []byte { return b[:len(b)-1] }
		flip := func(i int) []byte { b := bytes.Clone(sealed); b[i] ^= 1; return b }
		for what, open := range map[string]func() ([]byte, error){
			"another profile": func() ([]byte, error) { return v.Open(q, c, 3, sealed) },
			"another commit":  func() ([]byte, error) { return v.Open(p, d, 3, sealed) },
			"another index":   func() ([]byte, error) { return v.Open(p, c, 4, sealed) },
			"cut":             func() ([]byte, error) { return v.Open(p, c, 3, cut(sealed)) },
			"nothing":         func() ([]byte, error) { return v.Open(p, c, 3, nil) },
			"key id only":     func() ([]byte, error) { return v.Open(p, c, 3, sealed[:1]) },
			"other key id":    func() ([]byte, error) { return v.Open(p, c, 3, flip(0)) },
			"flipped bit":     func() ([]byte, error) { return v.Open(p, c, 3, flip(15)) },
		} {
			if _, err := open(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: got %v, want ErrCorrupt", what, err)
			}
		}
		for _, i := range []int{-1, ledger.ReasonIndex + 1} {
			if _, err := v.Seal(p, c, i, nil); err == nil {
				t.Errorf("index %d was accepted", i)
			}
			if _, err := v.Open(p, c, i, sealed); err == nil {
				t.Errorf("index %d was accepted", i)
			}
		}
		_, err := v.Seal(ledger.NewProfileID(time.Now()), c, 0, nil)
		check(t, err, ledger.ErrNotFound)
		_, err = v.Digest(ledger.NewProfileID(time.Now()), "x")
		check(t, err, ledger.ErrNotFound)

		// Another instance, and creating again, give the same key.
		w := openVault(t, s, master)
		check(t, w.Create(t.Context(), p), nil)
		check(t, v.Create(t.Context(), p), nil)
		opens(t, w, p, c, 3, sealed, "Jane")
		v.Forget(p)
		opens(t, v, p, c, 3, sealed, "Jane")
	})
}

func TestDigests(t *testing.T) {
	s, master := NewMemory(), NewMaster()
	v := openVault(t, s, master)
	p, q := newProfile(t, v), newProfile(t, v)
	digest := func(v *Vault, p ledger.ProfileID, purpose string, data ...[]byte) [32]byte {
		t.Helper()
		d, err := v.Digest(p, purpose, data...)
		check(t, err, nil)
		return d
	}
	ab, empty := []byte("ab"), []byte{}
	all := map[[32]byte]bool{
		digest(v, p, "x", ab): true, digest(v, q, "x", ab): true, digest(v, p, "y", ab): true, digest(v, p, "xab"): true,
		digest(v, p, "x", ab, empty): true, digest(v, p, "x", ab[:1], ab[1:]): true,
		v.SystemDigest("x", ab): true, v.SystemDigest("xa", ab[1:]): true,
	}
	if len(all) != 8 {
		t.Fatal("two different things have the same digest")
	}
	w := openVault(t, s, master)
	if digest(v, p, "x", ab) != digest(w, p, "x", ab) || v.SystemDigest("x", ab) != w.SystemDigest("x", ab) {
		t.Fatal("a digest differs between instances")
	}
}

func TestSystemSeal(t *testing.T) {
	s, master := NewMemory(), NewMaster()
	v := openVault(t, s, master)
	sealed, err := v.SealSystem("webhook", "1", []byte("whsec"))
	check(t, err, nil)
	got, err := openVault(t, s, master).OpenSystem("webhook", "1", sealed)
	check(t, err, nil)
	if string(got) != "whsec" {
		t.Fatalf("got %q", got)
	}
	for _, name := range [][2]string{{"webhook", "2"}, {"webhoo", "k1"}, {"key", "1"}} {
		_, err := v.OpenSystem(name[0], name[1], sealed)
		check(t, err, ErrCorrupt)
	}
	_, err = v.OpenSystem("webhook", "1", nil)
	check(t, err, ErrCorrupt)
}

func TestWrongMasterKey(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		openVault(t, s, NewMaster())
		_, err := Open(t.Context(), s, NewMaster())
		check(t, err, ErrMasterKey)
		if _, err := Open(t.Context(), s, make([]byte, 16)); err == nil {
			t.Fatal("a short master key was accepted")
		}
	})
	t.Run("system keyset lost", func(t *testing.T) {
		s, master := NewMemory(), NewMaster()
		newProfile(t, openVault(t, s, master))
		check(t, s.Keys().Remove(t.Context(), systemKey), nil)
		_, err := Open(t.Context(), s, master)
		check(t, err, ErrCorrupt)
	})
	t.Run("two at a time", func(t *testing.T) {
		s, master := NewMemory(), NewMaster()
		digests := make(chan [32]byte, 8)
		for range cap(digests) {
			go func() {
				v, err := Open(context.Background(), s, master)
				if err != nil {
					t.Error(err)
					digests <- [32]byte{}
					return
				}
				digests <- v.SystemDigest("x")
			}()
		}
		first := <-digests
		for range cap(digests) - 1 {
			if <-digests != first {
				t.Fatal("instances that start together have different system keys")
			}
		}
	})
}

func TestKeysetForms(t *testing.T) {
	s, master := NewMemory(), NewMaster()
	v := openVault(t, s, master)
	p, c := newProfile(t, v), ledger.NewCommitID(time.Now())
	old := seal(t, v, p, c, 0, "old")
	before, err := v.Digest(p, "x")
	check(t, err, nil)

	// A keyset with a second, active key: both open, the new one seals, digests stay.
	put := func(rec record) {
		t.Helper()
		b, err := rec.encode()
		check(t, err, nil)
		_, err = s.Keys().Set(t.Context(), p.String(), b)
		check(t, err, nil)
		v.Forget(p)
	}
	e, err := s.Keys().Get(t.Context(), p.String())
	check(t, err, nil)
	rec, err := parseRecord(e.Value)
	check(t, err, nil)
	rec.Keys = append(rec.Keys, wrappedKey{ID: 2, Master: v.current.id,
		Wrapped: v.current.aead.Seal(nil, nil, NewMaster(), wrapData(p.String(), 2))})
	rec.Active = 2
	put(rec)
	opens(t, v, p, c, 0, old, "old")
	sealed := seal(t, v, p, c, 0, "new")
	if sealed[0] != 2 {
		t.Fatalf("sealed by key %d", sealed[0])
	}
	opens(t, v, p, c, 0, sealed, "new")
	if after, err := v.Digest(p, "x"); err != nil || after != before {
		t.Fatal("a new key changed the digests")
	}

	// A keyset of another profile does not open as this one's.
	q := newProfile(t, v)
	e, err = s.Keys().Get(t.Context(), q.String())
	check(t, err, nil)
	other, err := parseRecord(e.Value)
	check(t, err, nil)
	put(other)
	_, err = v.Seal(p, c, 0, nil)
	check(t, err, ErrCorrupt)

	rec.Active = 9
	put(rec)
	_, err = v.Seal(p, c, 0, nil)
	check(t, err, ErrCorrupt)
	for _, bad := range []string{"", "{", `{"v":1}`, `{"v":2,"active":1}`} {
		_, err := s.Keys().Set(t.Context(), p.String(), []byte(bad))
		check(t, err, nil)
		v.Forget(p)
		if _, err := v.Seal(p, c, 0, nil); err == nil {
			t.Errorf("keyset %q was accepted", bad)
		}
	}
}

// TestRecordForm pins the storage format of a keyset.
func TestRecordForm(t *testing.T) {
	b, err := record{Version: 1, Active: 2, Keys: []wrappedKey{{ID: 2, Master: "00ff", Wrapped: []byte{1, 2}}}}.encode()
	check(t, err, nil)
	if want := `{"v":1,"active":2,"keys":[{"id":2,"master":"00ff","wrapped":"AQI="}]}`; string(b) != want {
		t.Fatalf("got  %s\nwant %s", b, want)
	}
	b, err = record{Version: 1, Erased: true}.encode()
	check(t, err, nil)
	if want := `{"v":1,"erased":true}`; string(b) != want {
		t.Fatalf("got  %s\nwant %s", b, want)
	}
}

func TestSecrets(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		v := openVault(t, s, NewMaster())
		p, q := newProfile(t, v), newProfile(t, v)
		const name = "credential.linkedin urn:li:*>ü"
		_, err := v.Secret(ctx, p, name)
		check(t, err, ledger.ErrNotFound)
		check(t, v.PutSecret(ctx, p, name, []byte("one")), nil)
		check(t, v.PutSecret(ctx, p, name, []byte("two")), nil)
		check(t, v.PutSecret(ctx, q, name, []byte("three")), nil)
		got, err := v.Secret(ctx, p, name)
		check(t, err, nil)
		if string(got) != "two" {
			t.Fatalf("got %q", got)
		}

		// It is replaced only by who knows what it is.
		check(t, v.ReplaceSecret(ctx, p, name, []byte("one"), []byte("three")), ledger.ErrConflict)
		check(t, v.ReplaceSecret(ctx, p, name, []byte("two"), []byte("three")), nil)
		check(t, v.ReplaceSecret(ctx, p, name, []byte("three"), []byte("two")), nil)
		check(t, v.ReplaceSecret(ctx, p, "none", nil, []byte("x")), ledger.ErrNotFound)
		check(t, v.ReplaceSecret(ctx, p, name, []byte("two"), make([]byte, MaxSecret+1)), ledger.ErrCapacity)

		// Moved to another profile or name, it does not open.
		e, err := s.Keys().Get(ctx, secretKey(p, name))
		check(t, err, nil)
		for key, open := range map[string]func() ([]byte, error){
			secretKey(q, name):    func() ([]byte, error) { return v.Secret(ctx, q, name) },
			secretKey(p, "other"): func() ([]byte, error) { return v.Secret(ctx, p, "other") },
		} {
			_, err := s.Keys().Set(ctx, key, e.Value)
			check(t, err, nil)
			_, err = open()
			check(t, err, ErrCorrupt)
		}

		check(t, v.DeleteSecret(ctx, p, name), nil)
		check(t, v.DeleteSecret(ctx, p, name), nil)
		_, err = v.Secret(ctx, p, name)
		check(t, err, ledger.ErrNotFound)
		check(t, v.PutSecret(ctx, p, "big", make([]byte, MaxSecret+1)), ledger.ErrCapacity)
		if v.PutSecret(ctx, p, "", nil) == nil || v.PutSecret(ctx, p, strings.Repeat("n", 101), nil) == nil {
			t.Fatal("a bad name was accepted")
		}
		check(t, v.PutSecret(ctx, ledger.NewProfileID(time.Now()), "n", nil), ledger.ErrNotFound)
	})
}

func TestDestroy(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx, master := t.Context(), NewMaster()
		v := openVault(t, s, master)
		p, q := newProfile(t, v), newProfile(t, v)
		c := ledger.NewCommitID(time.Now())
		sealed, others := seal(t, v, p, c, 0, "Jane"), seal(t, v, q, c, 0, "Joe")
		check(t, v.PutSecret(ctx, p, "n", []byte("secret")), nil)
		f, err := v.PutFile(ctx, p, "text/plain", strings.NewReader("picture"), 100)
		check(t, err, nil)
		w := openVault(t, s, master)
		opens(t, w, p, c, 0, sealed, "Jane") // w has the key in memory

		check(t, v.Destroy(ctx, p), nil)
		check(t, v.Destroy(ctx, p), nil)
		w.Forget(p)
		for _, v := range []*Vault{v, w, openVault(t, s, master)} {
			_, err := v.Open(p, c, 0, sealed)
			check(t, err, ledger.ErrErased)
			_, err = v.Seal(p, c, 0, nil)
			check(t, err, ledger.ErrErased)
			check(t, v.Create(ctx, p), ledger.ErrErased)
			_, err = v.Secret(ctx, p, "n")
			check(t, err, ledger.ErrErased)
			check(t, v.PutSecret(ctx, p, "n", nil), ledger.ErrErased)
			_, _, err = v.OpenFile(ctx, p, f.Hash)
			check(t, err, ledger.ErrErased)
			_, err = v.HasFile(ctx, p, f.Hash)
			check(t, err, ledger.ErrErased)
			opens(t, v, q, c, 0, others, "Joe")
		}
		for _, b := range []Bucket{s.Keys(), s.Files()} {
			for e, err := range b.Walk(ctx, p.String(), false) {
				t.Errorf("left behind: %v %v", e, err)
			}
		}

		// A profile that never was: whoever is about to create it comes too late.
		never := ledger.NewProfileID(time.Now())
		check(t, v.Destroy(ctx, never), nil)
		check(t, v.Create(ctx, never), ledger.ErrErased)
	})
}

// TestNothingInClear looks into the engine's files: for values that were sealed, and
// after an erasure for the wrapped key too.
func TestNothingInClear(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	e := enginetest.OpenWith(t, engine.Options{Dir: dir})
	s, master := openStore(t, e), NewMaster()
	v := openVault(t, s, master)
	p, q := newProfile(t, v), newProfile(t, v)
	wrapped := func(p ledger.ProfileID) []byte {
		t.Helper()
		e, err := s.Keys().Get(ctx, p.String())
		check(t, err, nil)
		rec, err := parseRecord(e.Value)
		check(t, err, nil)
		return []byte(base64.StdEncoding.EncodeToString(rec.Keys[0].Wrapped))
	}
	secretValue := func(p ledger.ProfileID) []byte {
		t.Helper()
		e, err := s.Keys().Get(ctx, secretKey(p, "credential.mokaru"))
		check(t, err, nil)
		return e.Value
	}
	check(t, v.PutSecret(ctx, p, "credential.mokaru", []byte("planted-credential")), nil)
	first := secretValue(p)
	check(t, v.PutSecret(ctx, p, "credential.mokaru", []byte("planted-credential-2")), nil)
	check(t, v.PutSecret(ctx, q, "credential.mokaru", []byte("planted-credential-3")), nil)
	f, err := v.PutFile(ctx, p, "application/x-planted-type", strings.NewReader(strings.Repeat("planted-content ", 30_000)), 1<<20)
	check(t, err, nil)
	key, others := wrapped(p), wrapped(q)

	root := v.mustRing(t, p).keys[0].root
	for _, needle := range [][]byte{[]byte("planted"), []byte(f.Hash.String()), f.Hash[:], root[:], master,
		[]byte(FormatMaster(master)), v.system.keys[0].root[:], first} {
		if at := onDisk(t, dir, needle); at != nil {
			t.Errorf("%.16q is in %v", needle, at)
		}
	}
	if onDisk(t, dir, key) == nil || onDisk(t, dir, others) == nil || onDisk(t, dir, secretValue(q)) == nil {
		t.Fatal("the test looks in the wrong place: wrapped keys are nowhere")
	}

	check(t, v.Destroy(ctx, p), nil)
	if at := onDisk(t, dir, key); at != nil {
		t.Errorf("after erasure the wrapped key is in %v", at)
	}
	if onDisk(t, dir, others) == nil {
		t.Error("another profile's key is gone")
	}

	next := NewMaster()
	check(t, v.RotateMaster(ctx, master, next), nil)
	for _, needle := range [][]byte{others, master, next} {
		if at := onDisk(t, dir, needle); at != nil {
			t.Errorf("after the rotation %.16q is in %v", needle, at)
		}
	}
	got, err := openVault(t, s, next).Secret(ctx, q, "credential.mokaru")
	check(t, err, nil)
	if string(got) != "planted-credential-3" {
		t.Fatalf("got %q", got)
	}
}

func (v *Vault) mustRing(t *testing.T, p ledger.ProfileID) *keyring {
	t.Helper()
	r, err := v.ring(t.Context(), p)
	check(t, err, nil)
	return r
}

func TestKeysSurviveRestart(t *testing.T) {
	ctx, dir, master := t.Context(), t.TempDir(), NewMaster()
	p, c := ledger.NewProfileID(time.Now()), ledger.NewCommitID(time.Now())
	e, err := engine.Open(ctx, engine.Options{Dir: dir})
	check(t, err, nil)
	v := openVault(t, openStore(t, e), master)
	check(t, v.Create(ctx, p), nil)
	sealed := seal(t, v, p, c, 0, "Jane")
	check(t, e.Close(ctx), nil)
	_, err = v.Open(newUnseen(), c, 0, sealed)
	check(t, err, ledger.ErrUnavailable)
	check(t, v.Create(ctx, newUnseen()), ledger.ErrUnavailable)

	v = openVault(t, openStore(t, enginetest.OpenWith(t, engine.Options{Dir: dir})), master)
	opens(t, v, p, c, 0, sealed, "Jane")
}

func newUnseen() ledger.ProfileID { return ledger.NewProfileID(time.Now()) }

func TestManyAtOnce(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		v := openVault(t, s, NewMaster())
		v.cache = newCache(shards * 2) // so small that keys come and go
		var profiles [300]ledger.ProfileID
		for i := range profiles {
			profiles[i] = ledger.NewProfileID(time.Now())
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range profiles {
					p, c := profiles[(i*7+g*41)%len(profiles)], ledger.NewCommitID(time.Now())
					if err := v.Create(ctx, p); err != nil {
						t.Error(err)
						return
					}
					text := fmt.Sprint(g, i)
					sealed, err := v.Seal(p, c, i, []byte(text))
					if err != nil {
						t.Error(err)
						return
					}
					if i%3 == 0 {
						v.Forget(p)
					}
					if got, err := v.Open(p, c, i, sealed); err != nil || string(got) != text {
						t.Errorf("got %q, %v", got, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := v.Cached(); n > shards*2 {
			t.Errorf("%d keys in memory, the bound is %d", n, shards*2)
		}
	})
}

// TestForgetWins: a key that was read before Forget must not be kept after it.
func TestForgetWins(t *testing.T) {
	c := newCache(1)
	p, ring := newUnseen(), &keyring{}
	_, gen := c.get(p)
	c.forget(p)
	c.put(p, ring, gen)
	if got, _ := c.get(p); got != nil {
		t.Fatal("a forgotten key came back")
	}
}

func TestMasterFile(t *testing.T) {
	path := t.TempDir() + "/sub/master.key"
	_, err := LoadMaster(path, false)
	check(t, err, os.ErrNotExist)
	key, err := LoadMaster(path, true)
	check(t, err, nil)
	again, err := LoadMaster(path, true)
	check(t, err, nil)
	if !bytes.Equal(key, again) || len(key) != KeySize {
		t.Fatal("the key was not kept")
	}
	parsed, err := ParseMaster("\n " + FormatMaster(key) + " \n")
	check(t, err, nil)
	if !bytes.Equal(parsed, key) {
		t.Fatal("the text form does not round-trip")
	}
	info, err := os.Stat(path)
	check(t, err, nil)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
	entries, err := os.ReadDir(t.TempDir())
	check(t, err, nil)
	if len(entries) != 0 {
		t.Fatalf("left behind: %v", entries)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		check(t, os.Chmod(path, mode), nil)
		if _, err := LoadMaster(path, true); err == nil {
			t.Errorf("mode %v was accepted", mode)
		}
	}
	check(t, os.Chmod(path, 0o600), nil)
	for _, text := range []string{"", "short", strings.Repeat("A", 43), FormatMaster(make([]byte, 31)), FormatMaster(make([]byte, 33))} {
		check(t, os.WriteFile(path, []byte(text), 0o600), nil)
		if _, err := LoadMaster(path, true); err == nil || (len(text) > 8 && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	v := openVault(b, NewMemory(), NewMaster())
	p, c, text := newProfile(b, v), ledger.NewCommitID(time.Now()), make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Seal(p, c, 1, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	v := openVault(b, NewMemory(), NewMaster())
	p, c := newProfile(b, v), ledger.NewCommitID(time.Now())
	sealed := seal(b, v, p, c, 1, strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Open(p, c, 1, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	v := openVault(b, openStore(b, enginetest.Open(b)), NewMaster())
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := v.Create(context.Background(), newUnseen()); err != nil {
				b.Error(err)
			}
		}
	})
}
