package sinks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Ledger is the ledger as the sinks follow it; *stream.Ledger is one.
type Ledger interface {
	Lineage() string
	Head(ctx context.Context) (stream.Head, error)
	Read(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
	Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
}

// Options are what a Manager works with.
type Options struct {
	Ledger Ledger
	States States
	Vault  Vault
	Blocks stream.Blocks // the lanes' own stream; trimmed when it is a stream.Trimmer
	// Files opens a file of a profile by its reference; nil when there are none.
	Files     func(ctx context.Context, p ledger.ProfileID, reference string) (File, error)
	Providers []Provider        // the sinks that run
	Config    map[string]Config // by provider; none is the zero Config
	Log       *slog.Logger      // nil discards

	// Exclusive says that no earlier owner of Blocks can be alive: its process held a
	// lock that this one holds now. Without it a call found in flight is given the time
	// that its owner may still take, before the settle window begins.
	Exclusive bool
	// Valid says whether this process may still act as the owner; it is asked right
	// before every call. nil: always. (What is stored is fenced by the stream itself.)
	Valid func() bool
	// Grace is how long a stop waits for calls under way; default 10 s. What is not
	// answered by then is in doubt.
	Grace time.Duration
	// BeforeTrim is called before the lanes' stream is trimmed, with the position of the
	// last block that goes; an error keeps the blocks until the next compaction. nil: none.
	BeforeTrim func(ctx context.Context, pos uint64) error
	// Random gives numbers in [0, 1) for jitter; default math/rand/v2.
	Random func() float64
	// Probe is called at the named points of a delivery with its lane, for fault tests; nil
	// in production. BeforeCursor is about no lane.
	Probe func(Point, Key)
}

// Point is a place in a delivery at which a process may die.
type Point string

// The points, in the order of a delivery.
const (
	BeforeIntent Point = "before-intent"
	AfterIntent  Point = "after-intent"
	BeforeCall   Point = "before-call"
	AfterReply   Point = "after-reply"
	AfterResult  Point = "after-result"
	AfterList    Point = "after-list"
	InResolve    Point = "in-resolve"
	AfterRead    Point = "after-read"
	BeforeCursor Point = "before-cursor"
)

// ErrTakenOver says that somebody else writes the lanes now. This process does not act
// on them any more; what it had under way is in doubt and theirs to resolve.
var ErrTakenOver = fmt.Errorf("%w: the lanes have another owner now", ledger.ErrUnavailable)

// ErrAhead says that the lanes know a ledger that is not this one, or that is longer:
// one of the two was restored from an older copy. Nothing is sent until that is settled.
var ErrAhead = errors.New("the lanes are ahead of the ledger")

// Manager runs the sinks: it follows the ledger, keeps the lanes and makes the calls.
// One Manager is the owner of its Blocks; a second one takes them over and stops the
// first. Its methods may be called from many goroutines, before and while Run runs:
// those that need the lanes wait until they are read.
type Manager struct {
	opt   Options
	log   *slog.Logger
	run   ID // names this owner
	sinks map[string]*sink
	names []string

	ready  chan struct{} // closed when the lanes are read
	done   chan struct{} // closed when Run has returned
	runErr error         // after done

	compacting sync.Mutex // held by who rewrites the stream; taken before mu

	mu        sync.Mutex
	table     *table
	writer    *stream.Writer
	position  ledger.Seq  // commits taken in
	posHash   ledger.Hash // of the last one
	dirty     map[*lane]struct{}
	reading   map[*account]struct{} // those with listings
	counted   map[*account]*bucket  // those whose calls of the day are to be recorded
	plans     []*Plan               // the newest ones, the oldest first
	applying  map[ID]*application   // by plan; those that were not done when the run began, and since
	written   int                   // records since the last compaction
	storedPos uint64
	moving    int // lanes that are not at rest
	// leaving are the lanes of erased profiles that a worker still has.
	leaving  map[ledger.ProfileID][]*lane
	swept    time.Time
	waiters  int
	changed  chan struct{} // closed and replaced when something moved and somebody waits
	fatal    error
	cancel   context.CancelFunc // ends the run
	stopping bool
}

// sink is one provider's run-time state, guarded by the manager's mutex.
type sink struct {
	provider Provider
	entities []Entity
	cfg      Config
	rate     Rate
	settle   time.Duration
	queue    queue
	buckets  map[[32]byte]*bucket
	breaker  *breaker
	work     chan *lane
	busy     int
	counts   counters
	last     *Fault
	good     time.Time // of the last call that succeeded
	drifted  int       // entities that the last plan found different
}

type counters struct {
	calls     map[string]uint64
	looks     uint64
	skipped   uint64
	uncertain uint64
	parked    uint64
	unknown   uint64
	orphans   uint64            // results of steps that were of no use
	resolved  map[string]uint64 // doubts, by what settled them
	renewals  map[string]uint64 // of credentials, by verdict
}

// New checks the options and makes a Manager. It does no I/O: call Run.
func New(opt Options) (*Manager, error) {
	if opt.Ledger == nil || opt.States == nil || opt.Vault == nil || opt.Blocks == nil {
		return nil, errors.New("sinks: a ledger, states, a vault and a stream are needed")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Grace <= 0 {
		opt.Grace = 10 * time.Second
	}
	if opt.Random == nil {
		opt.Random = rand.Float64
	}
	if opt.Probe == nil {
		opt.Probe = func(Point, Key) {}
	}
	if opt.Files == nil {
		opt.Files = func(context.Context, ledger.ProfileID, string) (File, error) { return File{}, ledger.ErrNotFound }
	}
	if opt.Valid == nil {
		opt.Valid = func() bool { return true }
	}
	m := &Manager{opt: opt, log: opt.Log, run: NewID(time.Now()), sinks: map[string]*sink{}, ready: make(chan struct{}), done: make(chan struct{}),
		table: newTable(), dirty: map[*lane]struct{}{},
		reading: map[*account]struct{}{}, counted: map[*account]*bucket{}, applying: map[ID]*application{}, leaving: map[ledger.ProfileID][]*lane{}, changed: make(chan struct{})}
	for _, p := range opt.Providers {
		if m.sinks[p.Name()] != nil {
			return nil, fmt.Errorf("sinks: %s is there twice", p.Name())
		}
		s, err := newSink(p, opt.Config[p.Name()])
		if err != nil {
			return nil, err
		}
		m.sinks[p.Name()] = s
		m.names = append(m.names, p.Name())
	}
	for name := range opt.Config {
		if m.sinks[name] == nil {
			return nil, fmt.Errorf("sinks: settings for %s, which does not run", name)
		}
	}
	return m, nil
}

func newSink(p Provider, cfg Config) (*sink, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 32
	}
	s := &sink{provider: p, entities: p.Entities(), cfg: cfg, rate: p.Rate(), settle: cfg.Settle, buckets: map[[32]byte]*bucket{}, queue: queue{wake: make(chan struct{}, 1)},
		breaker: &breaker{}, work: make(chan *lane), counts: counters{calls: map[string]uint64{}, resolved: map[string]uint64{}, renewals: map[string]uint64{}}}
	if s.settle <= 0 {
		s.settle = max(2*cfg.Timeout, 30*time.Second)
	}
	switch {
	case cfg.RequestsPerMinute < 0:
		s.rate.PerMinute, s.rate.Burst = 0, 0
	case cfg.RequestsPerMinute > 0:
		s.rate.PerMinute, s.rate.Burst = cfg.RequestsPerMinute, max(min(s.rate.Burst, cfg.RequestsPerMinute), cfg.RequestsPerMinute/60)
	}
	switch {
	case cfg.RequestsPerDay < 0:
		s.rate.PerDay = 0
	case cfg.RequestsPerDay > 0:
		s.rate.PerDay = cfg.RequestsPerDay
	}
	if len(s.entities) == 0 || s.entities[0].Items != "" {
		return nil, fmt.Errorf("sinks: %s has no root lane", p.Name())
	}
	for _, e := range s.entities {
		_, ok := PolicyOf(e.Class)
		if ok && e.Items != "" {
			ok = e.Items == ClassC || e.Items == ClassD
		}
		if !ok || !ledger.IsPlain(e.Name) || len(e.Name) > 40 || strings.Contains(e.Name, "/") {
			return nil, fmt.Errorf("sinks: %s: the lane %q of class %q cannot be run", p.Name(), e.Name, e.Class)
		}
	}
	return s, nil
}

// Run reads the lanes, takes them over, and delivers until ctx ends; then it finishes
// what is under way (see Options.Grace), stores the results and returns nil. It may be
// called once. Errors: ErrTakenOver, ErrAhead, a broken ledger (*stream.BlockError,
// *ledger.ChainError), or why the lanes could not be stored. After an error nothing more
// is sent; a new Manager can take over from what is stored.
func (m *Manager) Run(ctx context.Context) (err error) {
	run, cancel := context.WithCancel(ctx)
	// Calls and their results outlive ctx, by Grace at most.
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		cancel()
		cut()
		m.mu.Lock()
		if m.fatal != nil {
			err = m.fatal
		}
		m.runErr, m.stopping = err, true
		m.mu.Unlock()
		close(m.done)
	}()
	m.mu.Lock()
	m.cancel = cancel
	m.mu.Unlock()
	if err := m.open(run); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("sinks: %w", err)
	}
	m.precharge(run)
	close(m.ready)

	var takers, workers sync.WaitGroup
	takers.Go(func() { m.follow(run) })
	takers.Go(func() { m.flushing(run) })
	takers.Go(func() { m.pursue(run) })
	for _, s := range m.sinks {
		takers.Go(func() { m.dispatch(run, s) })
		for range s.cfg.Workers {
			workers.Go(func() {
				for l := range s.work {
					m.attend(work, s, l)
				}
			})
		}
	}
	<-run.Done()
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	takers.Wait() // the dispatchers have closed their channels
	patience := time.AfterFunc(m.opt.Grace, cut)
	workers.Wait()
	patience.Stop()
	m.stopTimers()
	return m.close(work)
}

// fail ends the run: this process cannot go on as the owner.
func (m *Manager) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLocked(err)
}

func (m *Manager) failLocked(err error) {
	if m.fatal != nil {
		return
	}
	if errors.Is(err, ledger.ErrConflict) {
		err = fmt.Errorf("%w: %w", ErrTakenOver, err)
	}
	m.fatal = fmt.Errorf("sinks: %w", err)
	m.log.Error("sinks stopped", "error", err)
	m.cancel()
	m.signal()
}

// signal wakes those who wait for a change; the mutex is held.
func (m *Manager) signal() {
	if m.waiters > 0 {
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// await blocks until the lanes are read.
func (m *Manager) await(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	default:
	}
	select {
	case <-m.ready:
		return nil
	case <-m.done:
		return fmt.Errorf("sinks: %w", ledger.ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready is closed once the lanes are read and deliveries go on.
func (m *Manager) Ready() <-chan struct{} { return m.ready }

// Err says why Run has ended; nil while it runs and after a proper stop.
func (m *Manager) Err() error {
	select {
	case <-m.done:
		return m.runErr
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.fatal
	}
}
