package webhook

import (
	"context"
	"errors"
	"slices"
	"testing"

	"vitae/ledger"
	"vitae/ledger/engine/enginetest"
)

// TestRecords is what every implementation of Records promises.
func TestRecords(t *testing.T) {
	e := enginetest.Open(t)
	bucket, err := OpenBucket(t.Context(), e.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Records{"memory": newMemory(), "jetstream": bucket} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if _, _, err := r.Get(ctx, "a.b"); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("nothing there: %v", err)
			}
			if names, err := r.Keys(ctx, "a"); err != nil || len(names) != 0 {
				t.Errorf("no keys: %v, %v", names, err)
			}
			changes, err := r.Changes(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			first, err := r.Put(ctx, "a.b", []byte("1"), 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Put(ctx, "a.b", []byte("2"), 0); !errors.Is(err, ledger.ErrConflict) {
				t.Errorf("made twice: %v", err)
			}
			second, err := r.Put(ctx, "a.b", []byte("2"), first)
			if err != nil || second <= first {
				t.Fatalf("%d, %v", second, err)
			}
			if _, err := r.Put(ctx, "a.b", []byte("3"), first); !errors.Is(err, ledger.ErrConflict) {
				t.Errorf("an old revision: %v", err)
			}
			if err := errors.Join(r.Set(ctx, "a.c", []byte("x")), r.Set(ctx, "b.c", nil), r.Set(ctx, "a", nil)); err != nil {
				t.Fatal(err)
			}
			if v, revision, err := r.Get(ctx, "a.b"); err != nil || string(v) != "2" || revision != second {
				t.Errorf("%q at %d, %v", v, revision, err)
			}
			names, err := r.Keys(ctx, "a")
			if slices.Sort(names); err != nil || !slices.Equal(names, []string{"a.b", "a.c"}) {
				t.Errorf("keys %q, %v", names, err)
			}
			if err := errors.Join(r.Delete(ctx, "a.b"), r.Delete(ctx, "a.none")); err != nil {
				t.Errorf("deleting: %v", err)
			}
			if _, _, err := r.Get(ctx, "a.b"); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("deleted: %v", err)
			}
			if _, err := r.Put(ctx, "a.b", []byte("4"), 0); err != nil {
				t.Errorf("made anew: %v", err)
			}
			for _, want := range []string{"a.b", "a.b", "a.c", "a.b"} {
				if got := <-changes; got != want {
					t.Errorf("change of %s, want %s", got, want)
				}
			}
			cancel()
			for range changes { // it ends
			}
		})
	}
}

// TestAttempts is what every implementation of Attempts promises.
func TestAttempts(t *testing.T) {
	e := enginetest.Open(t)
	log, err := OpenLog(t.Context(), e.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for n := range 5 {
		for _, endpoint := range []string{"a", "b"} {
			if err := log.Append(ctx, Attempt{Endpoint: endpoint, N: n, Outcome: Delivered, Profile: person(1)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []int
	after := uint64(0)
	for more := true; more; {
		var page []Attempt
		if page, more, err = log.List(ctx, "b", after, 2); err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			all, after = append(all, a.N), a.Place
			if a.Endpoint != "b" || a.Profile != person(1) {
				t.Errorf("%+v", a)
			}
		}
	}
	if !slices.Equal(all, []int{0, 1, 2, 3, 4}) {
		t.Errorf("%v", all)
	}
	if page, more, err := log.List(ctx, "none", 0, 2); err != nil || more || len(page) != 0 {
		t.Errorf("%v, %v, %v", page, more, err)
	}
}
