package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
)

// TestLeaseOnJetStream: many wait for one lease of a real bucket; one at a time has it,
// and the end of an engine hands it on.
func TestLeaseOnJetStream(t *testing.T) {
	for name, urls := range map[string][]string{"one server": {enginetest.StartServer(t)}, "cluster": enginetest.StartCluster(t, 3)} {
		t.Run(name, func(t *testing.T) {
			const n = 4
			var (
				held  atomic.Int32
				last  atomic.Uint64
				gone  = make(chan error, n)
				first = enginetest.OpenWith(t, engine.Options{URL: urls[0]})
			)
			kv, err := first.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "LEASES", Replicas: first.Replicas()})
			if err != nil {
				t.Fatal(err)
			}
			mine, err := first.TryLease(t.Context(), kv, "job", "first", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				e := enginetest.OpenWith(t, engine.Options{URL: urls[i%len(urls)]})
				bucket, err := e.JetStream().KeyValue(t.Context(), "LEASES")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.TryLease(t.Context(), bucket, "job", "x", time.Minute); !errors.Is(err, engine.ErrHeld) {
					t.Errorf("got %v", err)
				}
				go func() {
					l, err := e.Lease(t.Context(), bucket, "job", "next", time.Second)
					if err == nil {
						if held.Add(1) != 1 || !l.Valid() {
							err = errors.New("two hold the lease")
						} else if l.Epoch() <= last.Swap(l.Epoch()) {
							err = errors.New("epochs do not grow")
						}
						held.Add(-1)
						err = errors.Join(err, l.Release(t.Context()))
					}
					gone <- err
				}()
			}
			if err := mine.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range n {
				if err := <-gone; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
