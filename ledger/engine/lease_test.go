package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// fakeKV is a bucket in memory, so that leases run on the fake clock of synctest.
type fakeKV struct {
	jetstream.KeyValue // every other method: nil, panics

	mu    sync.Mutex
	value []byte
	rev   uint64
	// onWrite, when set, decides the fate of a write: stored or not, and what the
	// writer hears.
	onWrite func() (store bool, err error)
}

type fakeEntry struct {
	jetstream.KeyValueEntry
	value []byte
	rev   uint64
}

func (e fakeEntry) Value() []byte    { return e.value }
func (e fakeEntry) Revision() uint64 { return e.rev }

func (f *fakeKV) Get(context.Context, string) (jetstream.KeyValueEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rev == 0 {
		return nil, jetstream.ErrKeyNotFound
	}
	return fakeEntry{value: f.value, rev: f.rev}, nil
}

func (f *fakeKV) Create(ctx context.Context, key string, b []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	return f.Update(ctx, key, b, 0)
}

func (f *fakeKV) Update(_ context.Context, _ string, b []byte, after uint64) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	store, err := true, error(nil)
	if f.onWrite != nil {
		store, err = f.onWrite()
	}
	if f.rev != after && store {
		store, err = false, jetstream.ErrKeyRevisionMismatch
	}
	if store {
		f.rev++
		f.value = b
	}
	return f.rev, err
}

func (f *fakeKV) set(onWrite func() (bool, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onWrite = onWrite
}

// process is an engine without a server: what a lease needs of it.
func process() (*Engine, func()) {
	e := &Engine{}
	e.life, e.end = context.WithCancel(context.Background())
	return e, func() { e.end(); e.leases.Wait() }
}

const ttl = 3 * time.Second

func take(t *testing.T, e *Engine, kv jetstream.KeyValue, owner string) *Lease {
	t.Helper()
	l, err := e.Lease(t.Context(), kv, "job", owner, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLeaseIsRenewedAndReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &fakeKV{}
		a, stopA := process()
		b, stopB := process()
		defer stopA()
		defer stopB()
		l := take(t, a, kv, "a")
		if l.Owner() != "a" || l.Epoch() != 1 || !l.Valid() {
			t.Fatalf("%q %d %v", l.Owner(), l.Epoch(), l.Valid())
		}
		for range 50 {
			time.Sleep(ttl) // the bubble's clock
			if !l.Valid() {
				t.Fatal("a lease that is renewed ended")
			}
		}
		var held *HeldError
		if _, err := b.TryLease(t.Context(), kv, "job", "b", ttl); !errors.As(err, &held) || !errors.Is(err, ErrHeld) || held.Owner != "a" || held.Epoch != 1 {
			t.Fatalf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*ttl)
		defer cancel()
		if _, err := b.Lease(ctx, kv, "job", "b", ttl); !errors.Is(err, ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		release(t, l)
		release(t, l)
		select {
		case <-l.Lost():
		default:
			t.Fatal("a released lease is not over")
		}
		if l.Valid() {
			t.Fatal("a released lease is valid")
		}
		m, err := b.TryLease(t.Context(), kv, "job", "b", ttl) // at once
		if err != nil || m.Epoch() <= l.Epoch() {
			t.Fatalf("%v", err)
		}
	})
}

// TestLeaseTakeOver: the holder can no longer write. It knows that its lease is over
// before another can have it.
func TestLeaseTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &fakeKV{}
		a, stopA := process()
		b, stopB := process()
		defer stopA()
		defer stopB()
		l := take(t, a, kv, "a")
		dead := errors.New("no connection")
		cut := &cutKV{fakeKV: kv, err: dead}
		l.kv = cut // the goroutine reads it after the first pause
		started := time.Now()
		var m *Lease
		done := make(chan struct{})
		go func() {
			defer close(done)
			m = take(t, b, kv, "b")
			if l.Valid() {
				t.Error("two hold the lease")
			}
		}()
		<-l.Lost()
		if lasted := time.Since(started); lasted > ttl {
			t.Errorf("the holder noticed after %v", lasted)
		}
		<-done
		if waited := time.Since(started); waited < ttl || waited > 2*ttl {
			t.Errorf("taken over after %v", waited)
		}
		if m.Epoch() <= l.Epoch() || m.Owner() != "b" {
			t.Errorf("epoch %d after %d", m.Epoch(), l.Epoch())
		}
		release(t, l)
		if !m.Valid() {
			t.Error("the old holder's release ended the new lease")
		}
	})
}

type cutKV struct {
	*fakeKV
	err error
}

func (c *cutKV) Update(context.Context, string, []byte, uint64) (uint64, error) { return 0, c.err }
func (c *cutKV) Get(context.Context, string) (jetstream.KeyValueEntry, error)   { return nil, c.err }

// TestLeaseLostAnswers: writes are stored, their answers lost, now and then.
func TestLeaseLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &fakeKV{}
		n := 0
		kv.set(func() (bool, error) {
			n++
			if n%2 == 1 {
				return true, context.DeadlineExceeded
			}
			return true, nil
		})
		a, stop := process()
		defer stop()
		l := take(t, a, kv, "a")
		for range 30 {
			time.Sleep(ttl)
			if !l.Valid() {
				t.Fatal("the lease was lost although every renewal was stored")
			}
		}
	})
}

// TestLeaseTakenAway: somebody overwrote the record. The holder gives up at once.
func TestLeaseTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &fakeKV{}
		a, stop := process()
		defer stop()
		l := take(t, a, kv, "a")
		kv.mu.Lock()
		kv.rev, kv.value = kv.rev+1, []byte(`{"owner":"x","nonce":"x","ttl_ms":3000}`)
		kv.mu.Unlock()
		started := time.Now()
		<-l.Lost()
		if time.Since(started) > ttl/2 || l.Valid() {
			t.Error("noticed late")
		}
	})
}

func TestLeaseRefuses(t *testing.T) {
	a, stop := process()
	kv := &fakeKV{}
	if _, err := a.Lease(t.Context(), kv, "job", "a", time.Millisecond); err == nil {
		t.Error("a ttl of a millisecond was accepted")
	}
	kv.value, kv.rev = []byte("not json"), 4
	if _, err := a.Lease(t.Context(), kv, "job", "a", ttl); err == nil {
		t.Error("a foreign value was taken for a lease")
	}
	stop()
	if _, err := a.Lease(t.Context(), &fakeKV{value: []byte(`{"nonce":"n","ttl_ms":1000}`), rev: 1}, "job", "a", ttl); err == nil {
		t.Error("a lease after the end")
	}
}
