package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"vitae/ledger"
)

// Composer turns the records that were waiting into one message. Its methods are called
// by one goroutine at a time.
type Composer interface {
	// Compose makes the payload of the next block. Two blocks must never be equal (an
	// id drawn anew takes care of it): the writer tells its own block by its bytes.
	Compose(records [][]byte) []byte
	// Stored says that the composed payload is on stable storage at pos.
	Stored(pos uint64, payload []byte)
}

// Writer is group commit over a Blocks: any number of goroutines hand in records, one
// append is under way at a time, and the records that came meanwhile share the next
// block. Nobody waits for a block to fill.
//
// Records are stored in the order in which Enqueue was called, or not at all: when an
// append is refused, that record and all behind it fail, because they may have been
// decided on top of it. The writer then answers everything with ledger.ErrConflict until
// Reset.
type Writer struct {
	blocks   Blocks
	composer Composer
	log      *slog.Logger
	overhead int // bytes that Compose adds around records, at most

	mu     sync.Mutex
	queue  []*Ticket
	after  uint64 // position of the last stored block
	number uint64 // records taken since the last Reset
	broken error  // why nothing is taken; nil when all is well
	closed bool

	wake chan struct{} // capacity 1: there is something in the queue
	done chan struct{} // the loop has ended
	stop context.CancelFunc
}

// Ticket is one record on its way.
type Ticket struct {
	// Number counts the records since the last Reset, from 0, in their stored order.
	Number uint64

	record []byte
	pos    uint64
	err    error
	done   chan struct{}
}

// Done is closed when it is known what became of the record.
func (t *Ticket) Done() <-chan struct{} { return t.done }

// Wait returns the position of the block once the record is on stable storage. Errors:
// ledger.ErrConflict and ledger.ErrCapacity when it was not and never will be stored;
// ledger.ErrUnknown when ctx ended first: the writer goes on finding out.
func (t *Ticket) Wait(ctx context.Context) (uint64, error) {
	select {
	case <-t.done:
		return t.pos, t.err
	default:
	}
	select {
	case <-t.done:
		return t.pos, t.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ledger.ErrUnknown, ctx.Err())
	}
}

// ErrClosed is the ledger.ErrUnavailable of a writer that was closed.
var ErrClosed = fmt.Errorf("%w: the writer is closed", ledger.ErrUnavailable)

// recordOverhead is what a composer may add for each record (a comma, a wrapper).
const recordOverhead = 16

// NewWriter starts a writer behind the block at position after. overhead is the bytes
// that Compose adds to a block besides 16 for each record.
func NewWriter(b Blocks, c Composer, after uint64, overhead int, log *slog.Logger) *Writer {
	ctx, stop := context.WithCancel(context.Background())
	w := &Writer{blocks: b, composer: c, log: log, overhead: overhead, after: after,
		wake: make(chan struct{}, 1), done: make(chan struct{}), stop: stop}
	go w.loop(ctx)
	return w
}

// Enqueue takes a record; it must not be changed afterwards. The ticket tells what
// becomes of it. Errors: ledger.ErrCapacity for a record too large for any block;
// ErrClosed; ledger.ErrConflict while the writer is stopped (see Reset).
func (w *Writer) Enqueue(record []byte) (*Ticket, error) {
	if len(record)+w.overhead+recordOverhead > w.blocks.Limit() {
		return nil, fmt.Errorf("%w: a record of %d bytes, the limit is %d", ledger.ErrCapacity, len(record), w.blocks.Limit()-w.overhead)
	}
	t := &Ticket{record: record, done: make(chan struct{})}
	w.mu.Lock()
	if w.broken != nil {
		err := w.broken
		w.mu.Unlock()
		return nil, err
	}
	t.Number = w.number
	w.number++
	w.queue = append(w.queue, t)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return t, nil
}

// Reset makes a writer that refuses everything go on behind the block at position
// after. The caller has read what is stored up to there and set its composer to it.
// Ticket numbers start at 0 again.
func (w *Writer) Reset(after uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if w.broken == nil {
		return errors.New("the writer is not stopped: nothing to reset")
	}
	w.after, w.number, w.broken = after, 0, nil
	return nil
}

// Broken says why the writer takes nothing; nil when it does.
func (w *Writer) Broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Close stores what was taken, then ends. When ctx ends first it gives up: what was not
// stored fails with ledger.ErrUnknown.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	if w.broken == nil {
		w.broken = ErrClosed
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	defer w.stop()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		w.stop()
		<-w.done
		return ctx.Err()
	}
}

func (w *Writer) loop(ctx context.Context) {
	defer close(w.done)
	for {
		batch, after, closed := w.take()
		if len(batch) == 0 {
			if closed {
				return
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				w.fail(nil, fmt.Errorf("%w: %w", ledger.ErrUnknown, ctx.Err()))
				return
			}
			continue
		}
		records := make([][]byte, len(batch))
		for i, t := range batch {
			records[i] = t.record
		}
		payload := w.composer.Compose(records)
		pos, err := w.store(ctx, payload, after)
		if err != nil {
			w.fail(batch, err)
			continue
		}
		w.composer.Stored(pos, payload)
		w.mu.Lock()
		w.after = pos
		w.mu.Unlock()
		for _, t := range batch {
			t.pos, t.record = pos, nil
			close(t.done)
		}
	}
}

// take removes from the queue what fits into one block.
func (w *Writer) take() (batch []*Ticket, after uint64, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	size, n := w.overhead, 0
	for n < len(w.queue) {
		size += len(w.queue[n].record) + recordOverhead
		if n > 0 && size > w.blocks.Limit() {
			break
		}
		n++
	}
	batch = w.queue[:n:n]
	w.queue = w.queue[n:]
	if len(w.queue) == 0 {
		w.queue = nil
	}
	return batch, w.after, w.closed
}

// fail answers the batch with err, and everything behind it with a conflict (it was
// never tried, but may have been decided on top of the batch), and stops the writer.
func (w *Writer) fail(batch []*Ticket, err error) {
	behind := err
	if !errors.Is(err, ledger.ErrUnknown) {
		behind = fmt.Errorf("%w: a block before it was refused: %w", ledger.ErrConflict, err)
	}
	w.mu.Lock()
	if w.broken == nil {
		w.broken = behind
	}
	queue := w.queue
	w.queue = nil
	w.mu.Unlock()
	for _, t := range batch {
		t.err, t.record = err, nil
		close(t.done)
	}
	for _, t := range queue {
		t.err, t.record = behind, nil
		close(t.done)
	}
}

// Waits between tries at finding out what became of a block.
const (
	firstWait = 5 * time.Millisecond
	longWait  = time.Second
	// appendTimeout bounds one try. A later one is safe: the expectation guards it.
	appendTimeout = 5 * time.Second
)

// store appends the payload and does not return before it is known whether it is
// stored, unless ctx ends.
func (w *Writer) store(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	doubt := false
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		try, cancel := context.WithTimeout(ctx, appendTimeout)
		pos, err := w.blocks.Append(try, payload, after)
		cancel()
		switch {
		case err == nil:
			return pos, nil
		case errors.Is(err, ledger.ErrConflict) && !doubt,
			errors.Is(err, ledger.ErrCapacity) && !doubt:
			return 0, err
		}
		// From here on an earlier try may have been stored, or may be on its way.
		doubt = true
		if w.log != nil {
			w.log.Warn("append: outcome unknown, reading back", "after", after, "error", err)
		}
		try, cancel = context.WithTimeout(ctx, appendTimeout)
		e, got := w.blocks.Get(try, after+1)
		cancel()
		switch {
		case got == nil && bytes.Equal(e.Payload, payload):
			return e.Pos, nil
		case got == nil:
			return 0, fmt.Errorf("%w: another block stands at position %d", ledger.ErrConflict, after+1)
		}
		// Not there (yet), or not to be read: ask again under the same expectation.
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", ledger.ErrUnknown, ctx.Err())
		case <-time.After(wait):
		}
	}
}
