package changes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
)

// Filter is what a reader wants to see; a member that is empty takes everything.
type Filter struct {
	Profile ledger.ProfileID
	Types   []string // any of them
	// Fields: events that name any of them. A field without a locale stands for its variants
	// too. Events that name no fields are not taken.
	Fields []string
}

func (f *Filter) profile() string {
	if f.Profile.IsZero() {
		return ""
	}
	return f.Profile.String()
}

// takes says whether the filter wants an event. One that cannot be read is wanted by
// everybody: they must hear of it.
func (f *Filter) takes(e *Event) bool {
	if !f.Profile.IsZero() && f.Profile.String() != e.profile {
		return false
	}
	if len(f.Types) == 0 && len(f.Fields) == 0 {
		return true
	}
	if e.read(); e.err != nil {
		return true
	}
	if len(f.Types) > 0 && !slices.Contains(f.Types, e.event.Type) {
		return false
	}
	return len(f.Fields) == 0 || slices.ContainsFunc(e.fields, func(name string) bool {
		plain, _, _ := strings.Cut(name, "@")
		return slices.Contains(f.Fields, name) || slices.Contains(f.Fields, plain)
	})
}

// fieldsOf are the fields that an event names.
func fieldsOf(e ledger.CloudEvent) []string {
	if e.Type != ledger.TypeProfileChanged {
		return nil
	}
	var d struct {
		Fields []string `json:"fields"`
	}
	if json.Unmarshal(e.Data, &d) != nil {
		return nil
	}
	return d.Fields
}

// GoneError says that events that were asked for are not kept any more, or never were.
type GoneError struct {
	From  uint64 // what was asked for
	First uint64 // the first event that there is, or will be
	Head  uint64 // the last event that there was
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("event %d is not there: the feed has %d to %d", e.From, e.First, e.Head)
}

// Reader reads the events that a filter takes, in order. It belongs to one goroutine, holds
// nothing while it waits, and need not be closed.
type Reader struct {
	f      *Feed
	filter Filter
	next   uint64
	until  uint64 // the last event to be read; 0: it goes on for ever

	// Done and Stop, when they are not nil, end a wait as the context does, with ErrDone. (A
	// context of its own would cost each reader a goroutine.)
	Done, Stop <-chan struct{}
}

// ErrDone is the error of a Reader whose Done or Stop was closed.
var ErrDone = errors.New("the reader was told to end")

// Reader makes a reader that begins with event from; 0 is the one behind the head.
func (f *Feed) Reader(from uint64, filter Filter) *Reader {
	if from == 0 {
		from = f.Head() + 1
	}
	return &Reader{f: f, filter: filter, next: from}
}

// Head is the last event that this instance has seen.
func (f *Feed) Head() uint64 { return f.tail.headSeq() }

// Waiting is how many readers wait for an event.
func (f *Feed) Waiting() int {
	f.tail.mu.Lock()
	defer f.tail.mu.Unlock()
	n := len(f.tail.everybody)
	for _, set := range f.tail.profiles {
		n += len(set)
	}
	return n
}

// HeadNow is the last event of the stream.
func (f *Feed) HeadNow(ctx context.Context) (uint64, error) {
	at, err := f.last(ctx)
	return at.seq, err
}

// StopAt makes Next answer io.EOF behind an event.
func (r *Reader) StopAt(seq uint64) { r.until = max(seq, 1) }

// Position is the event that the reader looks at next: everything before it was given out or
// is not taken by the filter.
func (r *Reader) Position() uint64 { return r.next }

// SkipTo moves the reader.
func (r *Reader) SkipTo(seq uint64) { r.next = seq }

// Next waits for events and gives those that are there, limit at most. Errors: a *GoneError
// when the reader's place is not in the stream; io.EOF behind StopAt; ctx's. The reader stays
// where it is then.
func (r *Reader) Next(ctx context.Context, limit int) ([]*Event, error) {
	for {
		if r.until != 0 && r.next > r.until {
			return nil, io.EOF
		}
		if closed(r.Done) || closed(r.Stop) {
			return nil, ErrDone
		}
		events, after, inside := r.f.tail.read(r.next, &r.filter, limit)
		if !inside {
			var err error
			if events, after, err = r.f.page(ctx, r.next, &r.filter, limit); err != nil {
				return nil, err
			}
		}
		r.next = after
		if r.until != 0 {
			if i := slices.IndexFunc(events, func(e *Event) bool { return e.Seq > r.until }); i >= 0 {
				events = events[:i]
			}
		}
		if len(events) > 0 {
			return events, nil
		}
		if r.until != 0 && r.next > r.until {
			return nil, io.EOF
		}
		if inside {
			next, err := r.f.tail.wait(ctx, r)
			r.next = next
			if err != nil {
				return nil, err
			}
		}
	}
}

// closed says that a channel is there and closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Check says whether event from can be read: a *GoneError when it was given up, or lies
// further behind the head than the next event.
func (f *Feed) Check(ctx context.Context, from uint64) error {
	st, err := f.js.Stream(ctx, ledger.ChangesStream)
	if err != nil {
		return err
	}
	state := st.CachedInfo().State
	if first := max(state.FirstSeq, 1); from < first || from > state.LastSeq+1 {
		return &GoneError{From: from, First: first, Head: state.LastSeq}
	}
	return nil
}

// page reads from the stream what is older than the window: events from next on that the
// filter takes, and the place behind what was looked at. It goes no further than the window
// begins.
func (f *Feed) page(ctx context.Context, next uint64, filter *Filter, limit int) ([]*Event, uint64, error) {
	select {
	case f.pages <- struct{}{}:
		defer func() { <-f.pages }()
	case <-ctx.Done():
		return nil, next, ctx.Err()
	}
	f.tail.mu.Lock()
	end := f.tail.first
	f.tail.mu.Unlock()
	if !filter.Profile.IsZero() {
		return f.profilePage(ctx, next, end, filter, limit)
	}
	return f.plainPage(ctx, next, end, filter)
}

// plainPage reads events as they come.
func (f *Feed) plainPage(ctx context.Context, next, end uint64, filter *Filter) (out []*Event, after uint64, err error) {
	for e, err := range f.batch(ctx, next) {
		if err == nil && e.Seq >= end {
			break // the window has it
		}
		if errors.Is(err, errAbsent) || err == nil && e.Seq != next {
			if err := f.Check(ctx, next); err != nil {
				return nil, next, err
			}
			// Who answered has not got it yet.
			err = fmt.Errorf("%w: stream %s: event %d is not where it should be", ledger.ErrUnavailable, ledger.ChangesStream, next)
		}
		if err != nil {
			return nil, next, err
		}
		next++
		if filter.takes(e) {
			out = append(out, e)
		}
	}
	return out, next, nil
}

// profilePage finds the events of one profile. The leader is asked, one event at a time: an
// answer from elsewhere might not know the newest, and nobody would notice.
func (f *Feed) profilePage(ctx context.Context, next, end uint64, filter *Filter, limit int) (out []*Event, after uint64, err error) {
	if err := f.Check(ctx, next); err != nil {
		return nil, next, err
	}
	subjects := ledger.ProfileSubjects(filter.Profile)
	heads := make([]*Event, len(subjects))
	for len(out) < limit {
		best := -1
		for i, subject := range subjects {
			if heads[i] == nil || heads[i].Seq < next {
				if heads[i], err = f.nextOf(ctx, next, subject); err != nil {
					return nil, next, err
				}
			}
			if best < 0 || heads[i].Seq < heads[best].Seq {
				best = i
			}
		}
		e := heads[best]
		if e.Seq >= end {
			return out, end, nil
		}
		next = e.Seq + 1
		if filter.takes(e) {
			out = append(out, e)
		}
	}
	return out, next, nil
}

// noneSeq stands for the sequence of an event that is not there.
const noneSeq = 1<<64 - 1

// nextOf finds the first event from seq on whose subject matches.
func (f *Feed) nextOf(ctx context.Context, seq uint64, subject string) (*Event, error) {
	m, h, err := f.get(ctx, map[string]any{"seq": seq, "next_by_subj": subject})
	if errors.Is(err, errAbsent) {
		return &Event{Seq: noneSeq}, nil
	}
	if err != nil {
		return nil, err
	}
	return newEvent(m.Seq, m.Subject, h, m.Data), nil
}

// The bounds of one page, and of how many are read at the same time: those who catch up
// leave the writers their turn.
const (
	pageEvents  = 512
	pageBytes   = 1 << 20
	pagesAtOnce = 8
)

// batch reads some events from a sequence on.
func (f *Feed) batch(ctx context.Context, from uint64) func(yield func(*Event, error) bool) {
	return func(yield func(*Event, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		inbox := f.nc.NewInbox()
		sub, err := f.nc.SubscribeSync(inbox)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = sub.Unsubscribe() }()
		body := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d}`, max(from, 1), pageEvents, pageBytes)
		if err := f.nc.PublishRequest("$JS.API.DIRECT.GET."+ledger.ChangesStream, inbox, body); err != nil {
			yield(nil, err)
			return
		}
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				yield(nil, fmt.Errorf("%w: reading stream %s: %w", ledger.ErrUnavailable, ledger.ChangesStream, err))
				return
			}
			switch m.Header.Get("Status") {
			case "":
			case "204": // the end of the batch
				return
			case "404":
				yield(nil, errAbsent)
				return
			default:
				yield(nil, fmt.Errorf("%w: reading stream %s: %s", ledger.ErrUnavailable, ledger.ChangesStream, m.Header.Get("Description")))
				return
			}
			seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil {
				yield(nil, fmt.Errorf("reading stream %s: %w", ledger.ChangesStream, err))
				return
			}
			if !yield(newEvent(seq, m.Header.Get("Nats-Subject"), m.Header, m.Data), nil) {
				return
			}
		}
	}
}
