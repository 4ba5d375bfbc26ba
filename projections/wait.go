package projections

import (
	"container/heap"
	"context"
	"sync"

	"vitae/ledger"
)

// waiters are the reads that wait for a position. Each is woken once, when its own
// sequence is there: a commit does not wake those who wait for later ones.
type waiters struct {
	mu   sync.Mutex
	at   ledger.Seq // never decreases, except by a rebuild against a shorter ledger
	stop error      // why the position will not move; nil while it may
	heap waitHeap   // by sequence

	// wanted has a token when somebody has begun to wait; capacity 1.
	wanted chan struct{}
}

// waiting says that somebody waits.
func (w *waiters) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.heap) > 0
}

type waiter struct {
	seq   ledger.Seq
	index int // in the heap; -1 when it has left
	done  chan struct{}
	err   error // set before done is closed
}

// advance says that everything up to at is visible to reads.
func (w *waiters) advance(at ledger.Seq) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = at
	for len(w.heap) > 0 && w.heap[0].seq <= at {
		close(heap.Pop(&w.heap).(*waiter).done)
	}
}

// stopped ends every wait with err, and every later one that is not satisfied already;
// nil lets waiting begin again.
func (w *waiters) stopped(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = err
	for err != nil && len(w.heap) > 0 {
		x := heap.Pop(&w.heap).(*waiter)
		x.err = err
		close(x.done)
	}
}

func (w *waiters) position() ledger.Seq {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// wait returns nil once the position is at least seq.
func (w *waiters) wait(ctx context.Context, seq ledger.Seq) error {
	w.mu.Lock()
	if w.at >= seq {
		w.mu.Unlock()
		return nil
	}
	if w.stop != nil {
		defer w.mu.Unlock()
		return w.stop
	}
	x := &waiter{seq: seq, done: make(chan struct{})}
	heap.Push(&w.heap, x)
	w.mu.Unlock()
	select {
	case w.wanted <- struct{}{}:
	default:
	}
	select {
	case <-x.done:
		return x.err
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.index < 0 {
		return x.err // it was woken at the same moment
	}
	heap.Remove(&w.heap, x.index)
	return ctx.Err()
}

type waitHeap []*waiter

func (h waitHeap) Len() int           { return len(h) }
func (h waitHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h waitHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *waitHeap) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}
func (h *waitHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.index = -1
	return w
}
