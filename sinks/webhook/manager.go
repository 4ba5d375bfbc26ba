package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
)

// Event is one event of the feed.
type Event struct {
	Seq   uint64 // its place in the feed
	Event ledger.CloudEvent
}

// Feed is where events come from.
type Feed interface {
	// Source names the feed's ledger, as its events do.
	Source() string
	// Head is the place of the last event.
	Head(ctx context.Context) (uint64, error)
	// Next waits for events from a place on and gives those that are there, limit at most,
	// and the place behind what was looked at. A profile that is not zero limits it to that
	// profile's. Errors: a *GoneError; ctx's.
	Next(ctx context.Context, from uint64, profile ledger.ProfileID, limit int) (events []Event, after uint64, err error)
	// Page gives some events of a profile from a place on and before another one, without
	// waiting. after is to when there are no more. Errors as Next's.
	Page(ctx context.Context, from, to uint64, profile ledger.ProfileID) (events []Event, after uint64, err error)
}

// GoneError says that the feed has given up the events before First.
type GoneError struct{ From, First uint64 }

func (e *GoneError) Error() string {
	return fmt.Sprintf("event %d is not kept any more: the feed begins with %d", e.From, e.First)
}

// Attempts keeps what became of every attempt.
type Attempts interface {
	// Append stores an attempt. It is on stable storage when it returns nil.
	Append(ctx context.Context, a Attempt) error
	// List gives attempts of an endpoint behind a place, the oldest first, and whether there
	// are more.
	List(ctx context.Context, endpoint string, after uint64, limit int) (attempts []Attempt, more bool, err error)
}

// Attempt is one request to an endpoint. It holds nothing of its URL, body or answer.
type Attempt struct {
	Place    uint64           `json:"-"` // of the attempt in its log
	Endpoint string           `json:"endpoint"`
	Event    string           `json:"event"` // webhook-id
	Type     string           `json:"type"`
	Profile  ledger.ProfileID `json:"profile,omitempty"`
	Seq      uint64           `json:"seq,omitempty"` // in the feed; absent for a test
	N        int              `json:"n"`
	At       time.Time        `json:"at"`
	Millis   int64            `json:"millis"`
	Outcome  Outcome          `json:"outcome"`
	Status   int              `json:"status,omitempty"`
	Why      string           `json:"why,omitempty"`
	Next     time.Time        `json:"next,omitzero"` // when it is tried again
	Last     bool             `json:"last,omitempty"`
}

// Config is what a Manager is made from.
type Config struct {
	Records  Records
	Sealer   Sealer
	Feed     Feed
	Attempts Attempts
	// Allowed says whether the key that made an endpoint may still hear of events, and
	// whether of values.
	Allowed func(key string) (events, values bool)
	// Values puts the values into an event that has any, opened now.
	Values func(ctx context.Context, e ledger.CloudEvent) (ledger.CloudEvent, error)
	// Private allows plain http, and loopback and private addresses.
	Private bool
	Agent   string // User-Agent
	// Schedule is how long after each attempt the next one is made; Schedule() when nil.
	Schedule []time.Duration
	Log      *slog.Logger
	Now      func() time.Time // time.Now when nil
}

// Schedule is that of the Standard Webhooks specification, behind the first attempt.
func Schedule() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// Manager keeps endpoints, and serves them while it runs. Endpoints can be managed on an
// instance that does not run.
type Manager struct {
	cfg    Config
	store  *store
	caller *caller
	log    *slog.Logger
	now    func() time.Time
}

// NewManager makes a manager. Close it.
func NewManager(cfg Config) *Manager {
	m := &Manager{cfg: cfg, store: &store{cfg.Records, cfg.Sealer}, log: cfg.Log, now: cfg.Now}
	if m.now == nil {
		m.now = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.cfg.Schedule == nil {
		m.cfg.Schedule = Schedule()
	}
	m.caller = newCaller(cfg.Private, cfg.Agent, m.now)
	return m
}

// Close lets go of connections. Run must have returned.
func (m *Manager) Close() { m.caller.close() }

// Run serves the endpoints until ctx ends. At most one instance runs at a time, or events
// come twice. What changes about endpoints, here or elsewhere, takes effect at once.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	changed, err := m.store.Changes(ctx, endpointPrefix)
	if err != nil {
		return err
	}
	type serving struct {
		stop  context.CancelFunc
		ended chan struct{}
	}
	all := map[string]*serving{}
	update := func(id string) error {
		e, err := m.store.endpoint(ctx, id)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		now := all[id]
		if now != nil {
			now.stop()
			<-now.ended
			delete(all, id)
		}
		if e == nil || e.State != Enabled {
			return nil
		}
		one, stop := context.WithCancel(ctx)
		s := &serving{stop: stop, ended: make(chan struct{})}
		all[id] = s
		running.Go(func() {
			defer close(s.ended)
			m.serve(one, e)
		})
		return nil
	}
	ids, err := m.store.Keys(ctx, endpointPrefix)
	if err != nil {
		return err
	}
	for _, name := range ids {
		if err := update(strings.TrimPrefix(name, endpointPrefix+".")); err != nil {
			return err
		}
	}
	for name := range changed {
		if err := update(strings.TrimPrefix(name, endpointPrefix+".")); err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		return errors.New("changes of webhooks are not followed any more")
	}
	return nil
}

// serve runs an endpoint until ctx ends; faults of our own are tried again.
func (m *Manager) serve(ctx context.Context, e *Endpoint) {
	for ctx.Err() == nil {
		err := (&runner{m: m, e: e}).run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		m.log.Error("a webhook waits", "webhook", e.ID, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// moment is a time as it is stored and shown: UTC, whole milliseconds.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// jitter spreads retries: up to a tenth more.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return d + rand.N(d/10+1)
}

// offer makes one attempt and writes it down. It belongs to the goroutine that calls it.
func (m *Manager) offer(ctx context.Context, e *Endpoint, event Event, n int, wait time.Duration, again bool) answer {
	events, values := m.cfg.Allowed(e.Key)
	if !events {
		if _, err := m.store.change(ctx, e.ID, func(e *Endpoint) { e.State, e.Why = Disabled, WhyRevoked }); err != nil && !errors.Is(err, ledger.ErrNotFound) && ctx.Err() == nil {
			m.log.Error("a webhook of a revoked key could not be disabled", "webhook", e.ID, "error", err)
		}
		return answer{cut: true}
	}
	what := event.Event
	if e.Values && values {
		var err error
		if what, err = m.cfg.Values(ctx, what); err != nil {
			return m.note(ctx, e, event, n, wait, again, answer{outcome: Unsent, why: "the values cannot be read now"})
		}
	}
	a := m.caller.call(ctx, e, what.ID, ledger.AppendCloudEvent(nil, &what))
	return m.note(ctx, e, event, n, wait, again, a)
}

// note writes an attempt down and says when the next one is due.
func (m *Manager) note(ctx context.Context, e *Endpoint, event Event, n int, wait time.Duration, again bool, a answer) answer {
	if ctx.Err() != nil && a.outcome != Delivered {
		a.cut = true
		return a
	}
	now := m.now()
	p, _ := ledger.ParseProfileID(event.Event.Subject) // zero where it is about no profile
	rec := Attempt{Endpoint: e.ID, Event: event.Event.ID, Type: event.Event.Type, Profile: p, Seq: event.Seq, N: n, At: moment(now.Add(-a.took)), Millis: a.took.Milliseconds(),
		Outcome: a.outcome, Status: a.status, Why: a.why, Last: !again && a.outcome != Delivered}
	if a.outcome != Delivered && a.outcome != Gone && again {
		a.wait = max(a.wait, jitter(wait))
		rec.Next = moment(now.Add(a.wait))
	}
	if err := m.cfg.Attempts.Append(ctx, rec); err != nil && ctx.Err() == nil {
		m.log.Warn("an attempt is missing in the log of a webhook", "webhook", e.ID, "error", err)
	}
	return a
}

// resetEvent is the event that says that the feed has given up events before the endpoint
// took them: read the state, and go on from here. Its id is the same however often it is
// tried.
func (m *Manager) resetEvent(s *reset) ledger.CloudEvent {
	return ledger.ResetEvent(m.cfg.Feed.Source(), s.gone.From, s.gone.First, s.profile, m.now())
}
