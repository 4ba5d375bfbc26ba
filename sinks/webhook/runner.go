package webhook

import (
	"context"
	"errors"
	"strconv"
	"time"

	"vitae/ledger"
)

// The bounds of one endpoint's work.
const (
	senders    = 16                     // requests and pages under way at the same time, each of another profile
	window     = 1024                   // events in memory that are not done
	coolAfter  = 10                     // failures in a row after which an endpoint is not offered new events
	storeEvery = 100 * time.Millisecond // how long the cursor on stable storage may be behind
)

// runner serves one endpoint. The goroutine of run owns everything in it; requests and reads
// run beside it and come back as a message.
type runner struct {
	m *Manager
	e *Endpoint

	next    uint64 // the next event that the main reader gives: all before it were seen
	stored  uint64 // the cursor on stable storage
	storeAt time.Time
	reading bool // a batch of the main reader is under way

	line    map[ledger.ProfileID]*line
	pending int // events in line
	lanes   map[ledger.ProfileID]*lane
	due     time.Time // when a lane is due, at the earliest
	again   []Failed  // given up before, to be offered once more
	resets  []*reset  // to be told before anything else

	busy int       // messages that will come
	row  int       // failures in a row
	cool time.Time // no new events before
	msgs chan func(ctx context.Context) error
}

// line is a profile whose events are delivered as they come. The first may be under way.
type line struct {
	events []Event
	busy   bool
}

// lane is a profile that is behind.
type lane struct {
	laneRecord
	busy bool
	last uint64 // the last event of the profile that the main reader has seen
}

// reset is events that the feed had given up before the endpoint took them: those of a
// profile that was behind, or all.
type reset struct {
	profile ledger.ProfileID
	gone    *GoneError
	n       int
	due     time.Time
	busy    bool
}

var errDisabled = errors.New("the endpoint is disabled")

// run serves the endpoint until ctx ends or it is disabled, which is nil. An error is about
// our own records or feed; the caller runs it again.
func (r *runner) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	r.msgs = make(chan func(context.Context) error, senders+window+2)
	r.line, r.lanes = map[ledger.ProfileID]*line{}, map[ledger.ProfileID]*lane{}
	defer func() {
		cancel()
		// What is under way ends soon. An answer that came counts.
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		for r.busy > 0 {
			if merr := (<-r.msgs)(end); merr != nil && err == nil && !errors.Is(merr, errDisabled) && !errors.Is(merr, context.Canceled) {
				err = merr
			}
		}
		if serr := r.store(end); serr != nil && err == nil {
			err = serr
		}
	}()
	if err := r.load(ctx); err != nil {
		return err
	}
	for {
		r.start(ctx)
		timer := time.NewTimer(r.wake())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case msg := <-r.msgs:
			err = msg(ctx)
		case <-timer.C:
		}
		timer.Stop()
		if err == nil && !r.storeAt.IsZero() && !r.m.now().Before(r.storeAt) {
			err = r.store(ctx)
		}
		if errors.Is(err, errDisabled) {
			return nil
		}
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// async runs work beside the runner and hands what it gives back to it.
func (r *runner) async(work func() func(ctx context.Context) error) {
	r.busy++
	go func() {
		msg := work()
		r.msgs <- func(ctx context.Context) error {
			r.busy--
			return msg(ctx)
		}
	}()
}

// load reads where the endpoint stands.
func (r *runner) load(ctx context.Context) error {
	var err error
	if r.again, err = r.m.redriven(ctx, r.e); err != nil {
		return err
	}
	at, err := r.m.store.cursor(ctx, r.e.ID, r.e.From)
	if err != nil {
		return err
	}
	r.next, r.stored = at, at
	lanes, err := r.m.store.lanes(ctx, r.e.ID)
	if err != nil {
		return err
	}
	for name, l := range lanes {
		p, err := ledger.ParseProfileID(name)
		if err != nil {
			return err
		}
		// Nobody knows how far the profile was seen: up to the cursor at most.
		r.lanes[p] = &lane{laneRecord: l, last: max(at, 1) - 1}
	}
	return nil
}

// room says whether one more request or page may be under way. An endpoint that does not
// answer is asked one thing at a time.
func (r *runner) room() bool {
	under := r.busy
	if r.reading {
		under--
	}
	if r.row >= coolAfter {
		return under == 0
	}
	return under < senders
}

// start begins everything that can begin now.
func (r *runner) start(ctx context.Context) {
	now := r.m.now()
	cool := now.Before(r.cool)
	for _, s := range r.resets {
		if !s.busy && !now.Before(s.due) && r.room() {
			r.tell(ctx, s)
		}
	}
	for len(r.again) > 0 && r.room() {
		f := r.again[0]
		r.again = r.again[1:]
		r.retry(ctx, f)
	}
	if !now.Before(r.due) {
		r.due = now.Add(time.Hour)
		for p, l := range r.lanes {
			if l.busy {
				continue
			}
			if now.Before(l.Due) {
				r.due = earlier(r.due, l.Due)
				continue
			}
			if !r.room() {
				r.due = now // as soon as there is room
				break
			}
			r.read(ctx, p, l)
		}
	}
	if cool {
		return
	}
	for p, l := range r.line {
		if !r.room() {
			break
		}
		if !l.busy {
			r.send(ctx, p, l)
		}
	}
	if !r.reading && len(r.resets) == 0 && r.pending < window/2 {
		r.reading = true
		from := r.next
		r.async(func() func(context.Context) error {
			events, after, err := r.m.cfg.Feed.Next(ctx, from, r.e.Profile, window/2)
			return func(context.Context) error { return r.seen(ctx, events, after, err) }
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wake is how long until something begins by itself. What has no room begins when there is.
func (r *runner) wake() time.Duration {
	now := r.m.now()
	at := now.Add(time.Hour)
	if len(r.lanes) > 0 && r.due.After(now) {
		at = earlier(at, r.due)
	}
	for _, s := range r.resets {
		if !s.busy {
			at = earlier(at, s.due)
		}
	}
	if now.Before(r.cool) {
		at = earlier(at, r.cool)
	}
	if !r.storeAt.IsZero() {
		at = earlier(at, r.storeAt)
	}
	return max(at.Sub(now), 0)
}

// seen takes in what the main reader gave.
func (r *runner) seen(ctx context.Context, events []Event, after uint64, err error) error {
	r.reading = false
	var gone *GoneError
	if errors.As(err, &gone) {
		r.resets = append(r.resets, &reset{gone: gone})
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for _, e := range events {
		if !r.e.wants(&e.Event) {
			continue
		}
		p, err := ledger.ParseProfileID(e.Event.Subject)
		if err != nil {
			return err
		}
		if l := r.lanes[p]; l != nil {
			l.last = max(l.last, e.Seq)
			continue
		}
		l := r.line[p]
		if l == nil {
			l = &line{}
			r.line[p] = l
		}
		l.events = append(l.events, e)
		r.pending++
	}
	r.next = after
	r.dirty()
	return nil
}

// send offers the first event of a profile that is in line.
func (r *runner) send(ctx context.Context, p ledger.ProfileID, l *line) {
	l.busy = true
	e := l.events[0]
	r.offer(ctx, e, 1, func(ctx context.Context, a answer, again bool) error {
		l.busy = false
		switch {
		case a.cut:
			return nil
		case a.outcome != Delivered && again:
			// The lane is stored before the cursor can go past the event.
			behind := &lane{laneRecord: laneRecord{Next: e.Seq, Attempts: 1, Due: moment(r.m.now().Add(a.wait)), Why: a.why}, last: l.events[len(l.events)-1].Seq}
			if err := r.m.store.set(ctx, r.laneKey(p), behind.laneRecord); err != nil {
				return err
			}
			r.lanes[p], r.due = behind, earlier(r.due, behind.Due)
			r.pending -= len(l.events)
			delete(r.line, p)
			r.dirty()
			return nil
		case a.outcome != Delivered:
			if err := r.giveUp(ctx, e, 1, a); err != nil {
				return err
			}
		}
		r.pending--
		if l.events = l.events[1:]; len(l.events) == 0 {
			delete(r.line, p)
		}
		r.dirty()
		return nil
	})
}

// read looks for the next event of a profile that is behind, and offers it.
func (r *runner) read(ctx context.Context, p ledger.ProfileID, l *lane) {
	l.busy = true
	from, to := l.Next, r.next
	r.async(func() func(context.Context) error {
		events, after, err := r.m.cfg.Feed.Page(ctx, from, to, p)
		return func(context.Context) error {
			var gone *GoneError
			switch {
			case errors.As(err, &gone):
				r.resets = append(r.resets, &reset{profile: p, gone: gone}) // the lane stays busy until it is told
				return nil
			case err != nil:
				l.busy = false
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			for _, e := range events {
				if r.e.wants(&e.Event) {
					if e.Seq != l.Next {
						l.Next, l.Attempts = e.Seq, 0
					}
					r.catchUp(ctx, p, l, e)
					return nil
				}
			}
			l.busy = false
			l.Next = max(l.Next, after)
			return r.ended(ctx, p, l)
		}
	})
}

// catchUp offers an event of a profile that is behind.
func (r *runner) catchUp(ctx context.Context, p ledger.ProfileID, l *lane, e Event) {
	n := l.Attempts + 1
	r.offer(ctx, e, n, func(ctx context.Context, a answer, again bool) error {
		l.busy = false
		switch {
		case a.cut:
			return nil
		case a.outcome != Delivered && again:
			l.Attempts, l.Due, l.Why = n, moment(r.m.now().Add(a.wait)), a.why
			r.due = earlier(r.due, l.Due)
			return r.m.store.set(ctx, r.laneKey(p), l.laneRecord)
		case a.outcome != Delivered:
			if err := r.giveUp(ctx, e, n, a); err != nil {
				return err
			}
		}
		l.laneRecord = laneRecord{Next: e.Seq + 1}
		return r.ended(ctx, p, l)
	})
}

// ended takes away a lane that has nothing left; otherwise it goes on at once.
func (r *runner) ended(ctx context.Context, p ledger.ProfileID, l *lane) error {
	if l.Next > l.last {
		delete(r.lanes, p)
		return r.m.store.Delete(ctx, r.laneKey(p))
	}
	l.Due, r.due = time.Time{}, time.Time{}
	return r.m.store.set(ctx, r.laneKey(p), l.laneRecord)
}

func (r *runner) laneKey(p ledger.ProfileID) string { return key(lanePrefix, r.e.ID, p.String()) }

func (r *runner) failedKey(seq uint64) string {
	return key(failedPrefix, r.e.ID, strconv.FormatUint(seq, 10))
}

// giveUp keeps an event that was tried for the last time.
func (r *runner) giveUp(ctx context.Context, e Event, n int, a answer) error {
	p, err := ledger.ParseProfileID(e.Event.Subject)
	if err != nil {
		return err
	}
	return r.m.store.set(ctx, r.failedKey(e.Seq), Failed{Seq: e.Seq, Event: e.Event.ID, Type: e.Event.Type, Profile: p,
		Attempts: n, At: moment(r.m.now()), Why: a.why})
}

// retry offers an event again that was given up.
func (r *runner) retry(ctx context.Context, f Failed) {
	r.async(func() func(context.Context) error {
		events, _, err := r.m.cfg.Feed.Page(ctx, f.Seq, f.Seq+1, f.Profile)
		return func(context.Context) error {
			var gone *GoneError
			switch {
			case errors.As(err, &gone) || err == nil && len(events) == 0:
				f.Why = "the feed does not keep the event any more"
				return r.m.store.set(ctx, r.failedKey(f.Seq), f)
			case err != nil:
				return err
			}
			r.offer(ctx, events[0], f.Attempts+1, func(ctx context.Context, a answer, _ bool) error {
				switch {
				case a.cut:
					return nil
				case a.outcome != Delivered:
					return r.giveUp(ctx, events[0], f.Attempts+1, a)
				}
				return r.m.store.Delete(ctx, r.failedKey(f.Seq))
			})
			return nil
		}
	})
}

// tell tells the endpoint that events were given up, and where the feed begins now. Nothing
// that comes later is offered before it is told.
func (r *runner) tell(ctx context.Context, s *reset) {
	s.busy = true
	s.n++
	e := Event{Event: r.m.resetEvent(s)}
	r.offer(ctx, e, s.n, func(ctx context.Context, a answer, again bool) error {
		s.busy = false
		switch {
		case a.cut:
			return nil
		case a.outcome != Delivered:
			if s.due = r.m.now().Add(a.wait); !again {
				s.due = r.m.now().Add(maxWait)
			}
			return nil
		}
		for i := range r.resets {
			if r.resets[i] == s {
				r.resets = append(r.resets[:i:i], r.resets[i+1:]...)
				break
			}
		}
		if s.profile.IsZero() {
			r.next = max(r.next, s.gone.First)
			return r.store(ctx)
		}
		l := r.lanes[s.profile]
		l.busy = false
		l.laneRecord = laneRecord{Next: s.gone.First}
		return r.ended(ctx, s.profile, l)
	})
}

// offer makes an attempt and hands its answer to done, with whether there is another one.
func (r *runner) offer(ctx context.Context, e Event, n int, done func(ctx context.Context, a answer, again bool) error) {
	var wait time.Duration
	again := n <= len(r.m.cfg.Schedule)
	if again {
		wait = r.m.cfg.Schedule[n-1]
	}
	endpoint := *r.e
	r.async(func() func(context.Context) error {
		a := r.m.offer(ctx, &endpoint, e, n, wait, again)
		return func(ctx context.Context) error {
			switch {
			case a.cut:
			case a.outcome == Gone:
				// The event stays the next one: a redrive begins with it.
				_, err := r.m.store.change(ctx, r.e.ID, func(e *Endpoint) { e.State, e.Why = Disabled, WhyGone })
				a.cut = true
				return errors.Join(err, done(ctx, a, again), errDisabled)
			case a.outcome == Delivered:
				r.row, r.cool = 0, time.Time{}
			default:
				if r.row++; r.row >= coolAfter {
					r.cool = r.m.now().Add(min(time.Duration(r.row-coolAfter+1)*5*time.Second, 5*time.Minute))
				}
			}
			return done(ctx, a, again)
		}
	})
}

// dirty notes that the cursor has moved.
func (r *runner) dirty() {
	if r.storeAt.IsZero() {
		r.storeAt = r.m.now().Add(storeEvery)
	}
}

// store puts the cursor on stable storage: before it everything is done, or in a lane.
func (r *runner) store(ctx context.Context) error {
	r.storeAt = time.Time{}
	at := r.next
	for _, l := range r.line {
		at = min(at, l.events[0].Seq)
	}
	if at <= r.stored {
		return nil
	}
	if err := r.m.store.setCursor(ctx, r.e.ID, at); err != nil {
		return err
	}
	r.stored = at
	return nil
}
