package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
)

// onStores runs a test on every kind of store.
func onStores(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("memory", func(t *testing.T) { test(t, NewMemory()) })
	t.Run("jetstream", func(t *testing.T) { test(t, openStore(t, enginetest.Open(t))) })
}

func openStore(t testing.TB, e *engine.Engine) Store {
	t.Helper()
	s, err := OpenJetStream(t.Context(), e.JetStream(), e.Replicas())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBuckets(t *testing.T) { onStores(t, testStore) }

func TestBucketsOnThreeReplicas(t *testing.T) {
	e := enginetest.OpenWith(t, engine.Options{URL: enginetest.StartCluster(t, 3)[1]})
	testStore(t, openStore(t, e))
}

func testStore(t *testing.T, s Store) {
	for name, b := range map[string]Bucket{"keys": s.Keys(), "files": s.Files()} {
		t.Run(name, func(t *testing.T) { testBucket(t, b) })
	}
}

func testBucket(t *testing.T, b Bucket) {
	ctx := t.Context()
	must := func(rev uint64, err error) uint64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	walk := func(prefix string, values bool) (out []string) {
		t.Helper()
		for e, err := range b.Walk(ctx, prefix, values) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, e.Key+"="+string(e.Value))
		}
		return out
	}
	equal := func(got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}

	_, err := b.Get(ctx, "a")
	is(err, ledger.ErrNotFound)
	equal(walk("", true), nil)
	r1 := must(b.Put(ctx, "a", []byte("one"), 0))
	_, err = b.Put(ctx, "a", []byte("two"), 0)
	is(err, ledger.ErrConflict)
	_, err = b.Put(ctx, "a", []byte("two"), r1+1)
	is(err, ledger.ErrConflict)
	_, err = b.Put(ctx, "b", []byte("two"), r1)
	is(err, ledger.ErrConflict)
	r2 := must(b.Put(ctx, "a", []byte("two"), r1))
	if r2 <= r1 {
		t.Fatalf("revision %d after %d", r2, r1)
	}
	is(b.Scrub(ctx, "a", r2), nil)
	is(b.Scrub(ctx, "a", r2), nil)
	e, err := b.Get(ctx, "a")
	is(err, nil)
	if string(e.Value) != "two" || e.Revision != r2 || e.Key != "a" {
		t.Fatalf("got %+v", e)
	}

	must(b.Set(ctx, "a.x", []byte("x1")))
	r3 := must(b.Set(ctx, "a.x", []byte("x2")))
	is(b.Scrub(ctx, "a.x", r3), nil)
	must(b.Set(ctx, "a.y.z", []byte("z")))
	must(b.Set(ctx, "ab.y", []byte("other")))
	equal(walk("", true), []string{"a=two", "a.x=x2", "a.y.z=z", "ab.y=other"})
	equal(walk("a", false), []string{"a.x=", "a.y.z="})
	equal(walk("none", false), nil)
	for range b.Walk(ctx, "", true) {
		break // giving up early is no fault
	}

	is(b.Remove(ctx, "a.x"), nil)
	is(b.Remove(ctx, "a.x"), nil)
	_, err = b.Get(ctx, "a.x")
	is(err, ledger.ErrNotFound)
	must(b.Put(ctx, "a.x", []byte("x3"), 0))
	is(b.RemoveAll(ctx, "a"), nil)
	is(b.RemoveAll(ctx, "a"), nil)
	equal(walk("", true), []string{"a=two", "ab.y=other"})

	is(b.Break(ctx), nil)
	equal(walk("", true), []string{"a=two", "ab.y=other"})
	last := must(b.Put(ctx, "a", []byte("three"), r2))
	is(b.Truncate(ctx, last-1), nil)
	equal(walk("", true), []string{"a=three"})

	big := bytes.Repeat([]byte("b"), 1<<20)
	must(b.Set(ctx, "big", big))
	e, err = b.Get(ctx, "big")
	is(err, nil)
	if !bytes.Equal(e.Value, big) {
		t.Fatal("a large value came back changed")
	}

	cut, cancel := context.WithCancel(ctx)
	cancel()
	_, err = b.Get(cut, "a")
	is(err, ledger.ErrUnavailable)
	for _, err := range b.Walk(cut, "", false) {
		if err == nil {
			t.Fatal("a walk goes on after its context ended")
		}
	}

	// More keys than one request of a walk asks for, and one winner for each.
	const n = 600
	wins := make(chan error, 2*n)
	for i := range 2 * n {
		go func() {
			_, err := b.Put(ctx, fmt.Sprintf("many.%d", i/2), []byte{byte(i)}, 0)
			wins <- err
		}()
	}
	lost := 0
	for range 2 * n {
		if err := <-wins; errors.Is(err, ledger.ErrConflict) {
			lost++
		} else {
			is(err, nil)
		}
	}
	if got := len(walk("many", false)); got != n || lost != n {
		t.Fatalf("%d keys, %d conflicts, want %d of both", got, lost, n)
	}
}

func TestOpenJetStreamRefusesUnsafeBuckets(t *testing.T) {
	e := enginetest.Open(t)
	js := e.JetStream()
	openStore(t, e)
	openStore(t, e) // again is no fault
	stream, err := js.Stream(t.Context(), "KV_VAULT")
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgs = 10
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJetStream(t.Context(), js, 1); err == nil {
		t.Fatal("a bucket that drops keys was accepted")
	}
}

// onDisk says which files under dir hold needle.
func onDisk(t *testing.T, dir string, needle []byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, needle) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
