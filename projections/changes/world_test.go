package changes

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/engine/enginetest"
	"vitae/projections/internal/fake"
)

// patience bounds every wait; it is long because test machines are busy.
const patience = 60 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// fakeReceipts is a stream of lanes in memory.
type fakeReceipts struct {
	mu     sync.Mutex
	name   string
	blocks []Block
	first  int // blocks before it were trimmed
	grown  chan struct{}
}

func newReceipts() *fakeReceipts {
	return &fakeReceipts{name: "01JLANES00000000000000000A", grown: make(chan struct{})}
}

// add appends a block with n receipts of a profile.
func (r *fakeReceipts) add(p ledger.ProfileID, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := Block{Pos: uint64(len(r.blocks) + 1)}
	for i := range n {
		b.Receipts = append(b.Receipts, ledger.Notice{Address: ledger.DeliverySubject(ledger.Mokaru, p), Event: ledger.CloudEvent{
			ID: fmt.Sprintf("receipt.%d.%d", b.Pos, i), Source: "urn:test", Type: ledger.TypeDeliveryDelivered, Subject: p.String(),
			Time: fake.Start, Data: []byte(`{"entity":"profile"}`)}})
	}
	r.blocks = append(r.blocks, b)
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *fakeReceipts) Lineage() string { return r.name }

func (r *fakeReceipts) Follow(ctx context.Context, from uint64) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		for i := int(from) - 1; ; {
			r.mu.Lock()
			i = max(i, r.first)
			grown := r.grown
			var b Block
			if i < len(r.blocks) {
				b = r.blocks[i]
			}
			r.mu.Unlock()
			if b.Pos == 0 {
				select {
				case <-grown:
					continue
				case <-ctx.Done():
					yield(Block{}, ctx.Err())
					return
				}
			}
			if !yield(b, nil) {
				return
			}
			i++
		}
	}
}

// ids are the ids of every receipt, in order.
func (r *fakeReceipts) ids() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blocks {
		for _, n := range b.Receipts {
			out = append(out, n.Event.ID)
		}
	}
	return out
}

// world is a stream and what is written into it.
type world struct {
	t        *testing.T
	js       jetstream.JetStream
	ledger   *fake.Ledger
	script   *fake.Script
	receipts *fakeReceipts
	keep     time.Duration
	now      func() time.Time
	replicas int
}

func newWorld(t *testing.T) *world {
	l := fake.New()
	w := &world{t: t, js: enginetest.Open(t).JetStream(), ledger: l, script: fake.NewScript(l, 1, 5), receipts: newReceipts()}
	w.script.Cycle = true
	return w
}

func (w *world) open() *Feed {
	w.t.Helper()
	f, err := Open(within(w.t), Config{JetStream: w.js, Replicas: w.replicas, Ledger: w.ledger, Receipts: w.receipts, Keep: w.keep, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// run runs a feed's writer and tail; stop ends both.
func (w *world) run(f *Feed) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	running.Go(func() {
		if err := f.Follow(ctx); err != nil {
			w.t.Error(err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// wantChanges are the ids that the ledger's commits make, in order.
func (w *world) wantChanges() (out []string) {
	for _, r := range w.ledger.All() {
		for _, n := range r.Commit.Notices(r.Seq, ledger.CloudEventSource(w.ledger.Name)) {
			out = append(out, n.Event.ID)
		}
	}
	return out
}

// read gives the ids of n events from a place on: of changes and of receipts.
func (w *world) read(f *Feed, from uint64, n int) (changed, receipts []string) {
	w.t.Helper()
	r := f.Reader(from, Filter{})
	ctx := within(w.t)
	for next := from; n > 0; {
		events, err := r.Next(ctx, 100)
		if err != nil {
			w.t.Fatalf("behind %d changes and %d receipts: %v", len(changed), len(receipts), err)
		}
		for _, e := range events {
			if e.Seq != next {
				w.t.Fatalf("event %d came where %d should be", e.Seq, next)
			}
			next++
			one, err := e.Event()
			if err != nil {
				w.t.Fatal(err)
			}
			if one.Type == ledger.TypeDeliveryDelivered {
				receipts = append(receipts, one.ID)
			} else {
				changed = append(changed, one.ID)
			}
		}
		n -= len(events)
	}
	return changed, receipts
}
