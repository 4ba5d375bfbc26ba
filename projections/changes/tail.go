package changes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// The bounds of the window of newest events that all readers share.
const (
	windowEvents = 16384
	windowBytes  = 16 << 20
)

// tail is the ring of the newest events, in order and without gaps, and those who wait
// for more.
type tail struct {
	mu    sync.Mutex
	ring  []*Event // event seq is at seq % windowEvents
	first uint64   // of the oldest event in the ring; head+1 when it is empty
	head  uint64   // of the newest event that is known
	bytes int
	limit int // events that the window holds: windowEvents but in tests

	everybody map[*waiter]struct{}
	profiles  map[string]map[*waiter]struct{} // by the profile's id
}

// waiter is a reader that has seen everything up to the head.
type waiter struct {
	profile string        // "" for any
	wake    chan struct{} // capacity 1
	at      uint64        // the first event since that may concern it; 0: none yet
}

func (t *tail) open(head uint64) {
	t.ring, t.limit = make([]*Event, windowEvents), windowEvents
	t.first, t.head = head+1, head
	t.everybody, t.profiles = map[*waiter]struct{}{}, map[string]map[*waiter]struct{}{}
}

// add puts events behind the head and wakes who waits for them. The first must be the one
// behind the head, or anything when the window is to begin anew.
func (t *tail) add(events []*Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		if e.Seq <= t.head {
			continue
		}
		if e.Seq != t.head+1 {
			// Older ones are read from the stream.
			clear(t.ring)
			t.first, t.bytes = e.Seq, 0
		}
		t.head = e.Seq
		t.bytes += e.size()
		for int(t.head-t.first) >= t.limit || t.bytes > windowBytes && t.first < t.head {
			old := &t.ring[t.first%windowEvents]
			t.bytes -= (*old).size()
			*old = nil
			t.first++
		}
		t.ring[e.Seq%windowEvents] = e
		t.wake(t.everybody, e.Seq)
		t.wake(t.profiles[e.profile], e.Seq)
	}
}

func (t *tail) wake(set map[*waiter]struct{}, seq uint64) {
	for w := range set {
		if w.at == 0 {
			w.at = seq
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
}

// forget takes a waiter out. The mutex is held.
func (t *tail) forget(w *waiter) {
	delete(t.everybody, w)
	if set := t.profiles[w.profile]; set != nil {
		if delete(set, w); len(set) == 0 {
			delete(t.profiles, w.profile)
		}
	}
}

// wait returns when there may be an event from the reader's place on that concerns it, and
// gives the place to go on at.
func (t *tail) wait(ctx context.Context, r *Reader) (uint64, error) {
	t.mu.Lock()
	if r.next <= t.head {
		t.mu.Unlock()
		return r.next, nil
	}
	w := &waiter{profile: r.filter.profile(), wake: make(chan struct{}, 1)}
	if w.profile == "" {
		t.everybody[w] = struct{}{}
	} else {
		set := t.profiles[w.profile]
		if set == nil {
			set = map[*waiter]struct{}{}
			t.profiles[w.profile] = set
		}
		set[w] = struct{}{}
	}
	t.mu.Unlock()
	var err error
	select {
	case <-w.wake:
	case <-ctx.Done():
		err = ctx.Err()
	case <-r.Done:
		err = ErrDone
	case <-r.Stop:
		err = ErrDone
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(w)
	if w.at != 0 {
		return max(r.next, w.at), err
	}
	// Nothing up to the head concerned it.
	return max(r.next, t.head+1), err
}

// read gives up to limit events from next on that f takes, and the place behind what was
// looked at. inside is false when the window begins later.
func (t *tail) read(next uint64, filter *Filter, limit int) (events []*Event, after uint64, inside bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if next < t.first {
		return nil, next, false
	}
	for ; next <= t.head && len(events) < limit; next++ {
		if e := t.ring[next%windowEvents]; filter.takes(e) {
			events = append(events, e)
		}
	}
	return events, next, true
}

func (t *tail) headSeq() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head
}

// The pauses of the tail: how long events are gathered when many come, and before it
// starts again after a failure.
const (
	gatherTime = 2 * time.Millisecond
	tailPause  = 100 * time.Millisecond
)

// Follow keeps the window up to date until ctx ends; then it returns nil. Readers see new
// events only while it runs.
func (f *Feed) Follow(ctx context.Context) error {
	for {
		err := f.followTail(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.log.Warn("readers of the feed of changes wait: following the stream starts again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tailPause):
		}
	}
}

// followTail follows the stream from the head on; it never returns nil.
func (f *Feed) followTail(ctx context.Context) error {
	cons, err := f.js.OrderedConsumer(ctx, ledger.ChangesStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.tail.headSeq() + 1, InactiveThreshold: 30 * time.Second})
	if err != nil {
		return err
	}
	msgs, err := cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(4096, 4<<20))
	if err != nil {
		return err
	}
	defer msgs.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan *Event, 1024)
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() { ended <- readTail(ctx, msgs, events) })
	var batch []*Event
	for last := time.Now(); ; {
		select {
		case e := <-events:
			batch = append(batch[:0], e)
		case err := <-ended:
			return err
		}
		// One event is passed on at once; of many, some wait for the others, so that a reader
		// is woken for many.
		var over <-chan time.Time
		if since := time.Since(last); since < gatherTime {
			over = time.After(gatherTime - since)
		}
		for more := true; more && len(batch) < cap(events); {
			select {
			case e := <-events:
				batch = append(batch, e)
				continue
			default:
			}
			if over == nil {
				break
			}
			select {
			case e := <-events:
				batch = append(batch, e)
			case <-over:
				more = false
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		f.tail.add(batch)
		last = time.Now()
	}
}

func readTail(ctx context.Context, msgs jetstream.MessagesContext, to chan<- *Event) error {
	for {
		msg, err := msgs.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the consumer starts itself anew
		case err != nil:
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		select {
		case to <- newEvent(meta.Sequence.Stream, msg.Subject(), msg.Headers(), msg.Data()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Event is an event at its place in the stream. It is shared between readers and never
// changes.
type Event struct {
	Seq     uint64
	Address string // the subject it was published on

	profile string
	headers nats.Header
	data    []byte
	parse   sync.Once
	event   ledger.CloudEvent
	json    []byte
	fields  []string
	err     error
}

func newEvent(seq uint64, address string, headers nats.Header, data []byte) *Event {
	e := &Event{Seq: seq, Address: address, headers: headers, data: data}
	// changed.<profile>.<view>, delivery.<provider>.<profile>
	_, rest, _ := strings.Cut(address, ".")
	one, two, _ := strings.Cut(rest, ".")
	e.profile = one
	if strings.HasPrefix(address, "delivery.") {
		e.profile = two
	}
	return e
}

// size is about what the event holds in memory.
func (e *Event) size() int { return 3*len(e.data) + 1024 }

// Event is the event itself. Its Data is not to be changed.
func (e *Event) Event() (ledger.CloudEvent, error) {
	e.read()
	return e.event, e.err
}

// JSON is the event in the JSON format; not to be changed.
func (e *Event) JSON() ([]byte, error) {
	e.read()
	return e.json, e.err
}

// read makes sense of the message, once for all readers.
func (e *Event) read() {
	e.parse.Do(func() {
		if e.event, e.err = ledger.CloudEventOf(e.headers, e.data); e.err != nil {
			e.err = fmt.Errorf("message %d of stream %s: %w", e.Seq, ledger.ChangesStream, e.err)
			return
		}
		e.json = ledger.AppendCloudEvent(make([]byte, 0, len(e.data)+320), &e.event)
		e.fields = fieldsOf(e.event)
		e.headers = nil
	})
}
