package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// MinTTL is the shortest life of a lease.
const MinTTL = 100 * time.Millisecond

// ErrHeld says that somebody else holds the lease. The error is a *HeldError.
var ErrHeld = errors.New("lease is held")

// HeldError names who holds a lease.
type HeldError struct {
	Name  string
	Owner string
	Epoch uint64
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("engine: lease %s is held by %s (epoch %d)", e.Name, e.Owner, e.Epoch)
}

// Unwrap makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Unwrap() error { return ErrHeld }

// leaseRecord is the value of the lease's key.
type leaseRecord struct {
	Owner string `json:"owner"`
	// Nonce tells this tenure from every other, also of the same owner, and so a
	// renewal whose answer was lost from somebody else's write.
	Nonce string `json:"nonce"`
	// Epoch is the revision that began the tenure; 0 in the record that begins it.
	Epoch uint64 `json:"epoch,omitempty"`
	TTL   int64  `json:"ttl_ms"` // how long after its last change the record holds
	Free  bool   `json:"free,omitempty"`
}

// Lease is the right to do a job alone, for a while that is renewed in the background.
//
// Two clocks are never compared. The holder counts its time from before it asked for
// the renewal; everybody else counts from when they first saw the record, which is
// later; both by their own monotonic clock. So a lease is over for its holder before
// anyone can take it. Clocks that run at different speeds are covered by a margin of a
// tenth of the ttl.
//
// A lease alone does not stop a process that was suspended between asking Valid and
// writing: what must never happen twice is fenced by Epoch or by an expectation.
type Lease struct {
	kv    jetstream.KeyValue
	name  string
	rec   leaseRecord
	epoch uint64
	ttl   time.Duration

	stop     context.CancelFunc
	done     chan struct{} // the renewing goroutine is gone
	lost     chan struct{}
	loseOnce sync.Once

	mu    sync.Mutex
	rev   uint64    // of our last write that we know of
	until time.Time // monotonic; valid before it
	// doubt is when the first of the renewals was asked for whose outcome is unknown;
	// zero when there is none. Only the renewing goroutine uses it.
	doubt time.Time
}

// Lease waits until nobody else holds the lease called name, takes it for owner and
// renews it until Release or the engine's Close. ttl is how long after a crash it
// takes others to notice; at least MinTTL. The bucket must have history and no TTL of
// its own; the name must be a valid key. It returns ctx.Err() joined with a *HeldError
// when ctx ends first.
func (e *Engine) Lease(ctx context.Context, bucket jetstream.KeyValue, name, owner string, ttl time.Duration) (*Lease, error) {
	return e.lease(func() (*Lease, error) { return acquire(ctx, e.life, bucket, name, owner, ttl, true) })
}

// TryLease is Lease that does not wait: *HeldError when there is a holder's record,
// even of a holder that may be dead (only Lease can find that out).
func (e *Engine) TryLease(ctx context.Context, bucket jetstream.KeyValue, name, owner string, ttl time.Duration) (*Lease, error) {
	return e.lease(func() (*Lease, error) { return acquire(ctx, e.life, bucket, name, owner, ttl, false) })
}

func (e *Engine) lease(get func() (*Lease, error)) (*Lease, error) {
	e.leases.Add(1)
	l, err := get()
	if err != nil {
		e.leases.Done()
		return nil, err
	}
	go func() {
		defer e.leases.Done()
		<-l.done
	}()
	return l, nil
}

func acquire(ctx, life context.Context, kv jetstream.KeyValue, name, owner string, ttl time.Duration, wait bool) (*Lease, error) {
	if ttl < MinTTL {
		return nil, fmt.Errorf("engine: lease %s: a ttl of %v is too short", name, ttl)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(life, func() { cancel(errors.New("engine: closed")) })()

	var (
		seen   uint64 // the revision last seen ...
		seenAt time.Time
	)
	l := &Lease{kv: kv, name: name, ttl: ttl, done: make(chan struct{}), lost: make(chan struct{}),
		rec: leaseRecord{Owner: owner, Nonce: rand.Text(), TTL: ttl.Milliseconds()}}
	for {
		rec, rev, err := readLease(ctx, kv, name)
		if err != nil {
			return nil, err
		}
		switch {
		case rec.Nonce == l.rec.Nonce:
			// Our own write, whose answer we did not get. Its time is not known: begin
			// the tenure anew from it.
			fallthrough
		case rev == 0, rec.Free, rev == seen && time.Since(seenAt) >= time.Duration(rec.TTL)*time.Millisecond:
			asked := time.Now()
			got, err := writeLease(ctx, kv, name, l.rec, rev)
			if err == nil {
				l.begin(life, got, asked)
				return l, nil
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) && !unanswered(err) {
				return nil, fmt.Errorf("engine: lease %s: %w", name, err)
			}
			continue // lost the race, or the outcome is unknown: look again
		case !wait:
			return nil, heldBy(name, rec, rev)
		}
		if rev != seen {
			seen, seenAt = rev, time.Now()
		}
		if err := pause(ctx, max(min(ttl, time.Duration(rec.TTL)*time.Millisecond)/8, 5*time.Millisecond)); err != nil {
			return nil, errors.Join(err, heldBy(name, rec, rev))
		}
	}
}

func heldBy(name string, rec leaseRecord, rev uint64) error {
	if rec.Epoch == 0 {
		rec.Epoch = rev
	}
	return &HeldError{Name: name, Owner: rec.Owner, Epoch: rec.Epoch}
}

// begin starts the tenure that the write asked for at asked has won.
func (l *Lease) begin(life context.Context, rev uint64, asked time.Time) {
	l.epoch, l.rev, l.until = rev, rev, asked.Add(l.ttl-l.margin())
	l.rec.Epoch = rev
	ctx, stop := context.WithCancel(life)
	l.stop = stop
	go l.renew(ctx)
}

func (l *Lease) margin() time.Duration { return l.ttl / 10 }

// Epoch is the bucket's revision that began this tenure: greater than that of every
// earlier tenure. It does not change while the lease is renewed.
func (l *Lease) Epoch() uint64 { return l.epoch }

// Owner is who the lease was taken for.
func (l *Lease) Owner() string { return l.rec.Owner }

// Valid says that nobody else can hold the lease at this moment.
func (l *Lease) Valid() bool { return l.Remaining() > 0 }

// Remaining is how long the lease is valid if no renewal succeeds any more; 0 when
// it is over.
func (l *Lease) Remaining() time.Duration {
	select {
	case <-l.lost:
		return 0
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.until))
}

// Lost is closed when the lease is over: taken by somebody, not renewed in time,
// released, or ended by the engine's Close. It is never valid again.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release ends the lease and lets others take it at once. It is over when Release
// returns, also with an error; then others have to wait for the ttl. It may be called
// more than once.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew keeps the lease until ctx ends or it is lost; then it gives it free, if it is
// still ours.
func (l *Lease) renew(ctx context.Context) {
	defer close(l.done)
	defer l.stop()
	defer l.lose()
	next := l.ttl / 3
	for {
		if pause(ctx, next) != nil {
			l.giveFree()
			return
		}
		if !l.Valid() {
			return
		}
		switch ok, err := l.renewOnce(ctx); {
		case err != nil: // no usable answer: again soon, as long as there is time
			next = max(l.ttl/20, time.Millisecond)
		case !ok:
			return
		default:
			next = l.ttl / 3
		}
	}
}

// renewOnce writes the record again. An error means that there was no usable answer,
// and false that the lease is somebody else's.
func (l *Lease) renewOnce(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, min(l.Remaining(), apiTimeout))
	defer cancel()
	asked := time.Now()
	if l.doubt.IsZero() {
		l.doubt = asked
	}
	rev, err := writeLease(ctx, l.kv, l.name, l.rec, l.revision())
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		// Somebody took it, or an earlier renewal was stored and its answer lost. That was
		// stored after the first one in doubt was asked for, so it counts from then.
		rec, have, err := readLease(ctx, l.kv, l.name)
		if err != nil {
			return false, err
		}
		if rec.Nonce != l.rec.Nonce {
			return false, nil
		}
		rev, asked = have, l.doubt
	} else if err != nil {
		return false, err
	}
	l.doubt = time.Time{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rev, l.until = rev, asked.Add(l.ttl-l.margin())
	return true, nil
}

func (l *Lease) revision() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rev
}

func (l *Lease) lose() { l.loseOnce.Do(func() { close(l.lost) }) }

// giveFree says in the record that the lease is free. Whoever waits would find out
// after the ttl anyway, so a failure is only slow.
func (l *Lease) giveFree() {
	left := l.Remaining()
	l.lose()
	if left == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(left, time.Second))
	defer cancel()
	rec := l.rec
	rec.Free = true
	// The error is dropped on purpose: see above.
	_, _ = writeLease(ctx, l.kv, l.name, rec, l.revision())
}

// readLease gives the record and its revision; 0 when there is none.
func readLease(ctx context.Context, kv jetstream.KeyValue, name string) (leaseRecord, uint64, error) {
	var rec leaseRecord
	entry, err := kv.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return rec, 0, nil
	case err != nil:
		return rec, 0, fmt.Errorf("engine: reading lease %s: %w", name, err)
	}
	if err := json.Unmarshal(entry.Value(), &rec); err != nil {
		return rec, 0, fmt.Errorf("engine: lease %s is not a lease record: %w", name, err)
	}
	return rec, entry.Revision(), nil
}

// writeLease stores the record if the key is still at revision after (0: not there).
func writeLease(ctx context.Context, kv jetstream.KeyValue, name string, rec leaseRecord, after uint64) (uint64, error) {
	b, err := json.Marshal(rec)
	if err != nil {
		return 0, err
	}
	if after == 0 {
		// Create also passes over the marker of a deleted key.
		rev, err := kv.Create(ctx, name, b)
		if errors.Is(err, jetstream.ErrKeyExists) {
			err = jetstream.ErrKeyRevisionMismatch
		}
		return rev, err
	}
	return kv.Update(ctx, name, b, after)
}

func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
