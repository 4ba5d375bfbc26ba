package changes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// The bounds of one write, and of what is read ahead.
const (
	maxBatch  = 1000 // messages: what the server takes in one atomic batch
	fewEnough = 8    // to be written one by one: an atomic batch costs about as much as so many
	readAhead = 8    // blocks
)

// The pause before a writer that failed starts again from its position.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// ErrDiverged says that the stream was not made from this ledger, or from more of it than
// there is. Nothing is written until a person has looked.
var ErrDiverged = errors.New("the stream of changes was not made from this ledger")

// Run follows the ledger and the receipts into the stream, for as long as this instance may,
// until ctx ends; then it returns nil. What may pass makes it start again from the position
// in the stream. What will not (ErrDiverged, a ledger that cannot be read) ends it with an
// error, and Err says so.
func (f *Feed) Run(ctx context.Context) error {
	f.stopped.Store(nil)
	for pause := minPause; ; {
		before := f.applied.Load()
		err := f.tenure(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var broken *stream.BlockError
		if errors.Is(err, ErrDiverged) || errors.Is(err, ledger.ErrFormat) || errors.As(err, &broken) {
			f.stopped.Store(&err)
			f.log.Error("the feed of changes has stopped", "error", err)
			return err
		}
		if f.applied.Load() != before {
			pause = minPause
		}
		f.log.Warn("the feed of changes starts again from its position", "seq", f.applied.Load(), "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// tenure writes until something ends it; it never returns nil.
func (f *Feed) tenure(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.cfg.Lead != nil {
		lost, release, err := f.cfg.Lead(ctx)
		if err != nil {
			return err
		}
		defer release()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-lost:
				cancel(errors.New("another instance writes the feed of changes now"))
			case <-stop:
			}
		}()
	}
	at, err := f.last(ctx)
	if err != nil {
		return err
	}
	if err := f.belongs(ctx, at.position); err != nil {
		return err
	}
	w := &writer{f: f, last: at.seq, at: at.position}
	if now := f.lanes(); w.at.Lanes != now {
		if w.at.Pos != 0 {
			f.log.Warn("the lanes are not those that the feed of changes has followed; it begins with the first receipt of these", "lineage", now)
		}
		w.at.Lanes, w.at.Pos, w.at.Done = now, 0, 0
	}
	f.applied.Store(uint64(w.at.whole()))
	err = w.follow(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// belongs compares a position with the ledger.
func (f *Feed) belongs(ctx context.Context, p Position) error {
	if p.Lineage != f.cfg.Ledger.Lineage() {
		return fmt.Errorf("%w: it follows ledger %s, this one is %s", ErrDiverged, p.Lineage, f.cfg.Ledger.Lineage())
	}
	if p.Seq == 0 {
		return nil
	}
	head, err := f.cfg.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if head.Seq < p.Seq {
		return fmt.Errorf("%w: it has commit %d, the ledger ends at %d", ErrDiverged, p.Seq, head.Seq)
	}
	for b, err := range f.cfg.Ledger.Read(ctx, p.Seq) {
		if err != nil {
			return err
		}
		if c := b.Commits[0].Commit; c.ID != p.Commit {
			return fmt.Errorf("%w: commit %d is another one than it was", ErrDiverged, p.Seq)
		}
		break
	}
	return nil
}

// writer is one tenure. It belongs to one goroutine.
type writer struct {
	f    *Feed
	last uint64   // sequence of the stream's last message
	at   Position // of what is written or has nothing to write

	batch []outgoing
}

// outgoing is a message, and the position with which it is written.
type outgoing struct {
	ledger.Notice
	at Position
}

// follow writes what both sources have, until something ends it; it never returns nil.
func (w *writer) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	commits, blocks := make(chan stream.Located, readAhead), make(chan Block, readAhead)
	ended := make(chan error, 3)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() { ended <- w.readCommits(ctx, max(w.at.Seq, 1), commits) })
	if w.f.cfg.Receipts != nil {
		reading.Go(func() { ended <- w.readBlocks(ctx, max(w.at.Pos, 1), blocks) })
	}
	reading.Go(func() { ended <- w.f.trimAlways(ctx) })
	for {
		select {
		case l := <-commits:
			w.take(l)
		case b := <-blocks:
			w.receive(b)
		case err := <-ended:
			return err
		}
		for more := true; more && len(w.batch) < maxBatch; {
			select {
			case l := <-commits:
				w.take(l)
			case b := <-blocks:
				w.receive(b)
			default:
				more = false
			}
		}
		for len(w.batch) > 0 {
			n := min(len(w.batch), maxBatch)
			if err := w.publish(ctx, w.batch[:n]); err != nil {
				return err
			}
			w.f.applied.Store(uint64(w.batch[n-1].at.whole()))
			w.batch = w.batch[n:]
		}
		w.batch = nil
		w.f.applied.Store(uint64(w.at.Seq))
	}
}

func (w *writer) readCommits(ctx context.Context, from ledger.Seq, to chan<- stream.Located) error {
	for l, err := range w.f.cfg.Ledger.Follow(ctx, from) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		select {
		case to <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the ledger ended following")
}

func (w *writer) readBlocks(ctx context.Context, from uint64, to chan<- Block) error {
	for b, err := range w.f.cfg.Receipts.Follow(ctx, from) {
		if err != nil {
			return fmt.Errorf("read the receipts: %w", err)
		}
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the receipts ended following")
}

// take puts what the commits of a block make behind what is to be written.
func (w *writer) take(l stream.Located) {
	for i := range l.Commits {
		r := &l.Commits[i]
		done := 0
		if r.Seq == w.at.Seq {
			done = w.at.Events // the one that was begun
		}
		w.at.Seq, w.at.Commit, w.at.Events = r.Seq, r.Commit.ID, done
		notices := r.Commit.Notices(r.Seq, w.f.source)
		for k := done; k < len(notices); k++ {
			w.at.Events = k + 1
			w.batch = append(w.batch, outgoing{notices[k], w.at})
		}
	}
}

// receive is take for a block of the lanes.
func (w *writer) receive(b Block) {
	done := 0
	if b.Pos == w.at.Pos {
		done = w.at.Done
	}
	w.at.Pos, w.at.Done = b.Pos, done
	for k := done; k < len(b.Receipts); k++ {
		w.at.Done = k + 1
		w.batch = append(w.batch, outgoing{b.Receipts[k], w.at})
	}
}

// publish writes messages behind the stream's last one, in order. After an error some of
// the first of them may be there: the stream itself says which.
func (w *writer) publish(ctx context.Context, batch []outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var err error
	if len(batch) <= fewEnough {
		err = w.oneByOne(ctx, batch)
	} else {
		err = w.atOnce(ctx, batch)
	}
	if err != nil {
		return fmt.Errorf("write to stream %s behind %d: %w", ledger.ChangesStream, w.last, err)
	}
	w.last += uint64(len(batch))
	return nil
}

func (o *outgoing) message() *nats.Msg {
	h := nats.Header(o.Event.Headers())
	h[PositionHeader] = []string{o.at.String()}
	return &nats.Msg{Subject: o.Address, Header: h, Data: o.Event.Data}
}

// oneByOne publishes each message when the one before it is there. (Published without
// waiting, each with its number as the expectation, those of a writer that is late would be
// refused up to where the numbers fit again.)
func (w *writer) oneByOne(ctx context.Context, batch []outgoing) error {
	for i := range batch {
		want := w.last + uint64(i) + 1
		ack, err := w.f.js.PublishMsg(ctx, batch[i].message(), jetstream.WithExpectLastSequence(want-1), jetstream.WithExpectStream(ledger.ChangesStream))
		if err != nil {
			return err
		}
		if ack.Sequence != want {
			return fmt.Errorf("%w: written at %d, not at %d", ledger.ErrConflict, ack.Sequence, want)
		}
	}
	return nil
}

// atOnce publishes the messages as one atomic batch: all of them are stored, or none.
func (w *writer) atOnce(ctx context.Context, batch []outgoing) error {
	id := ledger.NewID(time.Now())
	for i := range batch {
		m := batch[i].message()
		m.Header["Nats-Batch-Id"] = []string{id}
		m.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		if i == 0 {
			m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(w.last, 10)}
		}
		if i < len(batch)-1 {
			if err := w.f.nc.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header["Nats-Batch-Commit"] = []string{"1"}
		answer, err := w.f.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		return acknowledged(answer.Data, w.last+uint64(len(batch)))
	}
	return nil
}

// acknowledged reads the answer to the last message of a batch.
func acknowledged(answer []byte, want uint64) error {
	var ack struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(answer, &ack); {
	case err != nil:
		return fmt.Errorf("an answer that is none: %w", err)
	case ack.Error != nil:
		return ack.Error
	case ack.Seq != want:
		return fmt.Errorf("%w: written up to %d, not to %d", ledger.ErrConflict, ack.Seq, want)
	}
	return nil
}
