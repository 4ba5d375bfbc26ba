package keys

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/engine/enginetest"
)

// TestKV is what every bucket must do.
func TestKV(t *testing.T) {
	e := enginetest.Open(t)
	bucket, err := e.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "KEYS", History: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, kv := range map[string]KV{"memory": NewMemory(), "jetstream": JetStream(bucket)} {
		t.Run(name, func(t *testing.T) { testKV(t, kv) })
	}
}

func testKV(t *testing.T, kv KV) {
	ctx := t.Context()
	if _, err := kv.Get(ctx, "a"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("get nothing: %v", err)
	}
	if err := kv.Delete(ctx, "a"); err != nil {
		t.Errorf("delete nothing: %v", err)
	}
	r1, err := kv.Create(ctx, "a", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Create(ctx, "a", []byte("2")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("create again: %v", err)
	}
	if _, err := kv.Update(ctx, "a", []byte("2"), r1+7); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("update of another revision: %v", err)
	}
	r2, err := kv.Update(ctx, "a", []byte("2"), r1)
	if err != nil || r2 <= r1 {
		t.Fatalf("update: %d after %d, %v", r2, r1, err)
	}
	if e, err := kv.Get(ctx, "a"); err != nil || string(e.Value) != "2" || e.Revision != r2 || e.Key != "a" {
		t.Errorf("get: %+v, %v", e, err)
	}
	watched, stop := context.WithCancel(ctx)
	var seen []string
	for e, err := range kv.Watch(watched) {
		switch {
		case errors.Is(err, context.Canceled):
			seen = append(seen, "end")
		case err != nil:
			t.Fatal(err)
		case e.Key == "": // everything that is there has come
			seen = append(seen, "mark")
			if _, err := kv.Create(ctx, "b", []byte("3")); err != nil {
				t.Fatal(err)
			}
			if err := kv.Delete(ctx, "a"); err != nil {
				t.Fatal(err)
			}
		case e.Value == nil:
			seen = append(seen, "-"+e.Key)
			stop()
		default:
			seen = append(seen, e.Key+"="+string(e.Value))
		}
	}
	stop()
	want := []string{"a=2", "mark", "b=3", "-a", "end"}
	if len(seen) != len(want) {
		t.Fatalf("seen %q, want %q", seen, want)
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("seen %q, want %q", seen, want)
		}
	}
	if _, err := kv.Get(ctx, "a"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("get after delete: %v", err)
	}
	if _, err := kv.Create(ctx, "a", []byte("4")); err != nil {
		t.Errorf("create after delete: %v", err)
	}
}
