package vault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"vitae/ledger"
)

func content(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), 7})
	_, _ = r.Read(b) // never fails
	return b
}

func putFile(t testing.TB, v *Vault, p ledger.ProfileID, b []byte) File {
	t.Helper()
	f, err := v.PutFile(t.Context(), p, "image/png", iotest.OneByteReader(bytes.NewReader(b)), int64(len(b)))
	check(t, err, nil)
	if f.Hash != ledger.HashOf(b) || f.Size != int64(len(b)) {
		t.Fatalf("got %+v", f)
	}
	return f
}

func readFile(t testing.TB, v *Vault, p ledger.ProfileID, h ledger.Hash) (File, []byte, error) {
	t.Helper()
	f, r, err := v.OpenFile(t.Context(), p, h)
	if err != nil {
		return f, nil, err
	}
	b, err := io.ReadAll(r)
	check(t, r.Close(), nil)
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Fatal("a closed file can be read")
	}
	return f, b, err
}

// keysOf lists the entries of the bucket FILES.
func keysOf(t testing.TB, s Store) (out []string) {
	t.Helper()
	for e, err := range s.Files().Walk(t.Context(), "", false) {
		check(t, err, nil)
		out = append(out, e.Key)
	}
	return out
}

func TestFiles(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		v := openVault(t, s, NewMaster())
		p, q := newProfile(t, v), newProfile(t, v)
		for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 17} {
			b := content(size)
			has, err := v.HasFile(ctx, p, ledger.HashOf(b))
			if err != nil || has {
				t.Fatal("a file is there before it was put")
			}
			putFile(t, v, p, b)
			f, got, err := readFile(t, v, p, ledger.HashOf(b))
			check(t, err, nil)
			if !bytes.Equal(got, b) || f.MediaType != "image/png" || f.Size != int64(size) {
				t.Fatalf("size %d: got %d bytes, %+v", size, len(got), f)
			}
			_, _, err = v.OpenFile(ctx, q, f.Hash)
			check(t, err, ledger.ErrNotFound)
		}

		b := content(chunkSize + 5)
		before := keysOf(t, s)
		putFile(t, v, q, b) // p has the same
		mine, err := fileKey(p, v.mustRing(t, p), ledger.HashOf(b))
		check(t, err, nil)
		theirs, err := fileKey(q, v.mustRing(t, q), ledger.HashOf(b))
		check(t, err, nil)
		if mine[27:] == theirs[27:] {
			t.Fatal("equal files of two profiles have equal names")
		}
		after := keysOf(t, s)
		if len(after) != len(before)+3 {
			t.Fatalf("%d entries after %d", len(after), len(before))
		}
		f, err := v.PutFile(ctx, q, "other/type", bytes.NewReader(b), 1<<20) // again
		check(t, err, nil)
		if f.MediaType != "image/png" || len(keysOf(t, s)) != len(after) {
			t.Fatalf("the same content again: %+v, %d entries", f, len(keysOf(t, s)))
		}
		_, err = v.PutFile(ctx, newUnseen(), "", bytes.NewReader(b), 1<<20)
		check(t, err, ledger.ErrNotFound)
	})
}

func TestFileThatFails(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		v := openVault(t, s, NewMaster())
		p := newProfile(t, v)
		broken := errors.New("broken pipe")
		cut, cancel := context.WithCancel(ctx)
		half := io.MultiReader(bytes.NewReader(content(2*chunkSize)), readerFunc(func([]byte) (int, error) { cancel(); return 0, broken }))
		for what, put := range map[string]func() error{
			"too large": func() error {
				_, err := v.PutFile(ctx, p, "", bytes.NewReader(content(3*chunkSize)), 3*chunkSize-1)
				check(t, err, ledger.ErrCapacity)
				return err
			},
			"broken": func() error {
				_, err := v.PutFile(ctx, p, "", io.MultiReader(bytes.NewReader(content(2*chunkSize)), iotest.ErrReader(broken)), 1<<30)
				check(t, err, broken)
				return err
			},
			"cancelled": func() error { _, err := v.PutFile(cut, p, "", half, 1<<30); return err },
		} {
			if put() == nil {
				t.Errorf("%s: no error", what)
			}
			if keys := keysOf(t, s); len(keys) != 0 {
				t.Errorf("%s: left behind: %v", what, keys)
			}
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestTornUpload kills an upload at every write: before or after the write was stored.
func TestTornUpload(t *testing.T) {
	b := content(2*chunkSize + 9)
	for _, stored := range []bool{false, true} {
		for n := 0; ; n++ {
			ctx, s, master := t.Context(), NewMemory(), NewMaster()
			p := newProfile(t, openVault(t, s, master))
			v := openVault(t, cutFiles{s, &cutBucket{Bucket: s.Files(), left: n, stored: stored}}, master)
			_, err := v.PutFile(ctx, p, "", bytes.NewReader(b), 1<<30)
			if err == nil {
				if n != 4 {
					t.Fatalf("an upload took %d writes, want three chunks and the record", n)
				}
				break
			}
			check(t, err, errCut)
			v = openVault(t, s, master)
			last := stored && n == 3 // the record is there, only the answer was lost
			has, err := v.HasFile(ctx, p, ledger.HashOf(b))
			if err != nil || has != last {
				t.Fatalf("cut %d, stored %v: has = %v, %v", n, stored, has, err)
			}
			if left, err := v.Sweep(ctx, time.Now().Add(-time.Hour)); err != nil || left != 0 {
				t.Fatalf("young uploads were swept: %d, %v", left, err)
			}
			left, err := v.Sweep(ctx, time.Now().Add(time.Hour))
			check(t, err, nil)
			if last {
				if left != 0 {
					t.Fatal("a stored file was swept")
				}
			} else if keys := keysOf(t, s); len(keys) != 0 {
				t.Fatalf("cut %d: left behind after sweeping %d: %v", n, left, keys)
			}
			// Whatever happened, asking again gives the file.
			putFile(t, v, p, b)
			_, got, err := readFile(t, v, p, ledger.HashOf(b))
			check(t, err, nil)
			if !bytes.Equal(got, b) {
				t.Fatal("the file came back changed")
			}
		}
	}
}

type cutFiles struct {
	Store
	bucket *cutBucket
}

func (s cutFiles) Files() Bucket { return s.bucket }

// TestTamperedFile changes what is stored, in every way that keeps the pieces whole.
func TestTamperedFile(t *testing.T) {
	ctx, master, b := t.Context(), NewMaster(), content(2*chunkSize+9)
	type file struct {
		s      *Memory
		p      ledger.ProfileID
		record string
		chunks []string
		other  []string // of another file of the profile
	}
	value := func(s Store, key string) []byte {
		e, err := s.Files().Get(ctx, key)
		check(t, err, nil)
		return e.Value
	}
	set := func(s Store, key string, b []byte) {
		_, err := s.Files().Set(ctx, key, b)
		check(t, err, nil)
	}
	for what, change := range map[string]func(f file){
		"swapped chunks": func(f file) {
			x, y := value(f.s, f.chunks[0]), value(f.s, f.chunks[1])
			set(f.s, f.chunks[0], y)
			set(f.s, f.chunks[1], x)
		},
		"repeated chunk":   func(f file) { set(f.s, f.chunks[1], value(f.s, f.chunks[0])) },
		"missing chunk":    func(f file) { check(t, f.s.Files().Remove(ctx, f.chunks[2]), nil) },
		"cut before a cut": func(f file) { set(f.s, f.chunks[2], value(f.s, f.chunks[1])) },
		"another's chunk":  func(f file) { set(f.s, f.chunks[0], value(f.s, f.other[1])) },
		"empty chunk":      func(f file) { set(f.s, f.chunks[1], nil) },
		"another record":   func(f file) { set(f.s, f.record, value(f.s, f.other[0])) },
		"flipped bit": func(f file) {
			x := bytes.Clone(value(f.s, f.chunks[1]))
			x[100] ^= 1
			set(f.s, f.chunks[1], x)
		},
	} {
		s := NewMemory()
		v := openVault(t, s, master)
		f := file{s: s, p: newProfile(t, v)}
		h := putFile(t, v, f.p, b).Hash
		for _, k := range keysOf(t, s) {
			if strings.Contains(k, ".f.") {
				f.record = k
			} else {
				f.chunks = append(f.chunks, k)
			}
		}
		putFile(t, v, f.p, content(2*chunkSize+10))
		for _, k := range keysOf(t, s) {
			if !slices.Contains(f.chunks, k) && k != f.record {
				f.other = append(f.other, k)
			}
		}
		slices.SortFunc(f.other, func(a, b string) int { return strings.Compare(b, a) }) // record first
		change(f)
		if _, _, err := readFile(t, v, f.p, h); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", what, err)
		}
	}
}

func TestSameFileAtOnce(t *testing.T) {
	onStores(t, func(t *testing.T, s Store) {
		v := openVault(t, s, NewMaster())
		p, b := newProfile(t, v), content(chunkSize+3)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, err := v.PutFile(t.Context(), p, "image/png", bytes.NewReader(b), 1<<30); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if keys := keysOf(t, s); len(keys) != 3 {
			t.Errorf("entries: %v", keys)
		}
		_, got, err := readFile(t, v, p, ledger.HashOf(b))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// TestFileMemory: sealing and opening a large file takes buffers, not the file.
func TestFileMemory(t *testing.T) {
	v := openVault(t, NewMemory(), NewMaster())
	v.files = blackHole{v.files}
	p := newProfile(t, v)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const size = 40 * chunkSize
	_, err := v.PutFile(t.Context(), p, "", io.LimitReader(zeros{}, size), size)
	check(t, err, nil)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 5*chunkSize {
		t.Errorf("a file of %d bytes took %d bytes of memory", size, used)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// blackHole keeps nothing.
type blackHole struct{ Bucket }

func (blackHole) Put(context.Context, string, []byte, uint64) (uint64, error) { return 1, nil }

// A reader that is cut off is no end of file.
func TestCutUploadIsNoFile(t *testing.T) {
	ctx := t.Context()
	v, err := Open(ctx, NewMemory(), NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	p := ledger.NewProfileID(time.Now())
	if err := v.Create(ctx, p); err != nil {
		t.Fatal(err)
	}
	cut := io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := v.PutFile(ctx, p, "text/plain", cut, 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a cut upload: %v", err)
	}
	if has, err := v.HasFile(ctx, p, ledger.HashOf([]byte("half of it"))); err != nil || has {
		t.Fatalf("half of a file is there: %v, %v", has, err)
	}
}
