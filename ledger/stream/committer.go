package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vitae/ledger"
)

// Blind is a command that is decided without any value of the profile. It can be carried
// out when the profile's key is gone: erasing a profile whose key was destroyed after the
// copy was made that the ledger was restored from.
type Blind interface {
	ledger.Command
	Blind()
}

// Sealer is the part of the vault that a committer needs.
type Sealer interface {
	ledger.Opener
	// Seal encrypts a payload for the event at index of a commit.
	Seal(profile ledger.ProfileID, commit ledger.CommitID, index int, payload []byte) ([]byte, error)
	// Create makes the profile's key, durably, if it has none.
	Create(ctx context.Context, profile ledger.ProfileID) error
	// Digest is a keyed hash under the profile's key; ledger.ErrErased when that is gone.
	Digest(profile ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error)
}

// States is where the committer finds a profile that it does not hold in memory: a
// projection, or the ledger itself.
type States interface {
	// Load gives the profile's state, sealed, with everything up to sequence atLeast
	// applied; NewProfile(id) when it does not exist. The caller owns the result.
	Load(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error)
}

// Idems finds the commit that was made under an idempotency key.
type Idems interface {
	// Idem gives the newest commit under key, with everything up to sequence atLeast
	// looked at.
	Idem(ctx context.Context, key [16]byte, atLeast ledger.Seq) (ledger.Record, bool, error)
}

// CommitterConfig is what a committer works with.
type CommitterConfig struct {
	Sealer Sealer
	States States
	// Idems may be nil: then idempotency keys are only told apart while they are in flight.
	Idems Idems
	// Clock gives the time of commits; time.Now when nil.
	Clock func() time.Time
	// Hot is how many profiles are held in memory; 20,000 when 0.
	Hot int
	// IdemFor is how long a commit answers for its idempotency key; 24 hours when 0.
	IdemFor time.Duration
	Log     *slog.Logger
}

// Committer decides commands and appends what they come to. See the package comment.
// All methods may be called from many goroutines.
type Committer struct {
	ledger *Ledger
	cfg    CommitterConfig
	writer *Writer
	blocks *blockComposer

	// order makes "take the next place in the ledger" and "be not earlier than the one
	// before" one step.
	order    sync.Mutex
	base     ledger.Seq // sequence of ticket number 0
	lastTime time.Time

	recovering sync.Mutex
	hot        hotProfiles

	flying sync.Mutex
	flight map[[16]byte]struct{}

	commits, events, conflicts atomic.Uint64
}

// NewCommitter starts a committer behind the ledger's head. Close it.
func NewCommitter(ctx context.Context, l *Ledger, cfg CommitterConfig) (*Committer, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Hot == 0 {
		cfg.Hot = 20_000
	}
	if cfg.IdemFor == 0 {
		cfg.IdemFor = 24 * time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	head, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	c := &Committer{ledger: l, cfg: cfg, blocks: &blockComposer{clock: cfg.Clock}, base: head.Seq + 1, lastTime: head.Time,
		flight: map[[16]byte]struct{}{}}
	c.hot.init(cfg.Hot)
	c.blocks.set(head)
	c.writer = NewWriter(l.Blocks(), c.blocks, head.Pos, blockOverhead, cfg.Log)
	return c, nil
}

// Head is the sequence of the last commit that is known to be on stable storage.
func (c *Committer) Head() ledger.Seq { return ledger.Seq(c.blocks.head.Load()) }

// CommitterStats counts what a committer has done since it started.
type CommitterStats struct {
	Commits, Events uint64
	Blocks          uint64
	Conflicts       uint64 // appends that somebody else's were in the way of
	HotProfiles     int
}

// Stats gives the present counts.
func (c *Committer) Stats() CommitterStats {
	return CommitterStats{Commits: c.commits.Load(), Events: c.events.Load(), Blocks: c.blocks.stored.Load(),
		Conflicts: c.conflicts.Load(), HotProfiles: c.hot.len()}
}

// Close stores what was taken and ends; see Writer.Close.
func (c *Committer) Close(ctx context.Context) error { return c.writer.Close(ctx) }

// maxAttempts bounds how often one command is decided anew after lost races.
const maxAttempts = 16

// Submit decides the request's command against the profile's present state and appends
// the commit it comes to. On nil, everything that the reply says is on stable storage.
// Errors a caller can act on: *ledger.Refusal, ledger.ErrNotFound, ErrExists, ErrErased,
// ErrNotAllowed, ErrPrecondition (IfSeq), ErrIdemMismatch, ErrIdemBusy, ErrCapacity:
// nothing was written. ledger.ErrUnknown: ctx ended before the outcome was known; ask
// again under the same Idem. ledger.ErrConflict: the race was lost too often.
func (c *Committer) Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
	if req.Idem == nil || req.DryRun {
		reply, _, err := c.submit(ctx, req)
		return reply, err
	}
	if err := c.enter(req.Idem.Key); err != nil {
		return ledger.Reply{}, err
	}
	if reply, ok, err := c.replay(ctx, req); ok || err != nil {
		c.leave(req.Idem.Key)
		return reply, err
	}
	reply, ticket, err := c.submit(ctx, req)
	if ticket == nil || !errors.Is(err, ledger.ErrUnknown) {
		c.leave(req.Idem.Key)
		return reply, err
	}
	// The caller goes, the commit is still on its way: the key stays taken until it is
	// known what became of it, or a second request could have a second effect.
	go func() {
		<-ticket.done
		c.leave(req.Idem.Key)
	}()
	return reply, err
}

func (c *Committer) submit(ctx context.Context, req ledger.Request) (reply ledger.Reply, ticket *Ticket, err error) {
	for range maxAttempts {
		reply, ticket, err = c.try(ctx, req)
		if !errors.Is(err, ledger.ErrConflict) {
			break
		}
		c.conflicts.Add(1)
		if err := c.recover(ctx); err != nil {
			return ledger.Reply{}, nil, err
		}
	}
	return reply, ticket, err
}

// enter marks an idempotency key as in flight.
func (c *Committer) enter(key [16]byte) error {
	c.flying.Lock()
	defer c.flying.Unlock()
	if _, ok := c.flight[key]; ok {
		return ledger.ErrIdemBusy
	}
	c.flight[key] = struct{}{}
	return nil
}

func (c *Committer) leave(key [16]byte) {
	c.flying.Lock()
	defer c.flying.Unlock()
	delete(c.flight, key)
}

// replay answers a request whose idempotency key has a commit already.
func (c *Committer) replay(ctx context.Context, req ledger.Request) (ledger.Reply, bool, error) {
	if c.cfg.Idems == nil {
		return ledger.Reply{}, false, nil
	}
	r, ok, err := c.cfg.Idems.Idem(ctx, req.Idem.Key, c.Head())
	switch {
	case err != nil || !ok || c.cfg.Clock().Sub(r.Commit.Time) > c.cfg.IdemFor:
		return ledger.Reply{}, false, err
	}
	bound, err := c.bind(r.Commit.Profile, req.Idem)
	switch {
	case err != nil:
		return ledger.Reply{}, false, err
	case r.Commit.Idem.Body != bound.Body:
		return ledger.Reply{}, false, ledger.ErrIdemMismatch
	}
	return replyTo(r.Seq, r.Commit, true), true, nil
}

// bind puts what an idempotency record says of a request's body under the profile's own
// key: whoever has every other key can still not try bodies against it once the profile is
// erased.
func (c *Committer) bind(p ledger.ProfileID, i *ledger.Idem) (*ledger.Idem, error) {
	if i == nil {
		return nil, nil
	}
	sum, err := c.cfg.Sealer.Digest(p, "idempotency-body", i.Body[:])
	if err != nil {
		return nil, fmt.Errorf("the idempotency record: %w", err)
	}
	out := &ledger.Idem{Key: i.Key}
	copy(out.Body[:], sum[:])
	return out, nil
}

func replyTo(seq ledger.Seq, commit *ledger.Commit, replayed bool) ledger.Reply {
	reply := ledger.Reply{Profile: commit.Profile, Seq: seq, Changed: true, Replayed: replayed, Commit: commit.ID, Time: commit.Time, Fields: commit.Fields()}
	for i := range commit.Events {
		switch e := &commit.Events[i]; e.Op {
		case ledger.OpCopied:
			reply.Created = e.View
		case ledger.OpPut:
			if reply.Created == "" {
				reply.Created = e.Item
			}
		}
	}
	return reply
}

// try decides once. ErrConflict means: recover and decide again. The ticket is that of
// the commit, when there is one.
func (c *Committer) try(ctx context.Context, req ledger.Request) (ledger.Reply, *Ticket, error) {
	e, err := c.hot.lock(ctx, req.Profile, func(ctx context.Context, id ledger.ProfileID) (*ledger.Profile, error) {
		_, blind := req.Command.(Blind)
		return c.load(ctx, id, blind)
	})
	if err != nil {
		return ledger.Reply{}, nil, err
	}
	events, err := c.decide(e.state, req)
	if err != nil || len(events) == 0 || req.DryRun {
		seq, last := e.state.Seq, e.last
		c.hot.unlock(e)
		reply, err := c.undecided(ctx, seq, last, events, err)
		reply.Profile = req.Profile
		return reply, nil, err
	}
	commit, raw, err := c.seal(ctx, e.state, req, events)
	if err != nil {
		c.hot.unlock(e)
		return ledger.Reply{}, nil, err
	}
	ticket, seq, raw, err := c.enqueue(commit, raw, e.generation)
	if err != nil {
		c.hot.unlock(e)
		return ledger.Reply{}, nil, err
	}
	for i := range commit.Events {
		commit.Events[i].Sealed = nil // the state in memory is the clear one
	}
	e.state.Apply(seq, ledger.HashOf(raw), commit)
	e.last = ticket
	c.hot.unlock(e)
	if _, err := ticket.Wait(ctx); err != nil {
		return ledger.Reply{}, ticket, err
	}
	c.commits.Add(1)
	c.events.Add(uint64(len(events)))
	reply := replyTo(seq, commit, false)
	reply.Events = commit.Events
	return reply, ticket, nil
}

// undecided answers a command that writes nothing. The answer rests on commits that may
// still be on their way (last is the newest): it holds only when they are stored.
func (c *Committer) undecided(ctx context.Context, seq ledger.Seq, last *Ticket, events []ledger.Event, err error) (ledger.Reply, error) {
	if last != nil {
		if _, lost := last.Wait(ctx); errors.Is(lost, ledger.ErrUnknown) {
			return ledger.Reply{}, lost
		} else if lost != nil {
			return ledger.Reply{}, fmt.Errorf("%w: the commit before it was not stored: %w", ledger.ErrConflict, lost)
		}
	}
	if err != nil {
		return ledger.Reply{}, err
	}
	reply := ledger.Reply{Seq: seq, Fields: []string{}}
	if len(events) > 0 { // a dry run
		reply = replyTo(seq, &ledger.Commit{Events: events}, false)
		reply.Events = events
	}
	return reply, nil
}

func (c *Committer) decide(p *ledger.Profile, req ledger.Request) ([]ledger.Event, error) {
	if req.IfSeq != nil && *req.IfSeq != p.Seq {
		return nil, ledger.ErrPrecondition
	}
	now := c.cfg.Clock()
	return req.Command.Decide(p, ledger.Env{Now: now, NewID: func() string { return ledger.NewID(now) }})
}

// seal makes the commit and its stored form.
func (c *Committer) seal(ctx context.Context, p *ledger.Profile, req ledger.Request, events []ledger.Event) (*ledger.Commit, []byte, error) {
	if p.Seq == 0 {
		if err := c.cfg.Sealer.Create(ctx, p.ID); err != nil {
			return nil, nil, fmt.Errorf("making the profile's key: %w", err)
		}
	}
	idem, err := c.bind(p.ID, req.Idem)
	if err != nil {
		return nil, nil, err
	}
	now := c.cfg.Clock().UTC().Truncate(time.Millisecond)
	commit := &ledger.Commit{ID: ledger.NewCommitID(now), Profile: p.ID, Time: now, Meta: req.Meta, Idem: idem, Prev: p.Head, Events: events}
	size := 400
	for i := range events {
		e := &events[i]
		if e.Value != nil {
			e.Salt = ledger.NewSalt()
			payload := e.Payload()
			e.Commitment = ledger.HashOf(payload)
			var err error
			if e.Sealed, err = c.cfg.Sealer.Seal(p.ID, commit.ID, i, payload); err != nil {
				return nil, nil, fmt.Errorf("sealing: %w", err)
			}
		}
		size += 220 + len(e.Sealed)*4/3
	}
	if req.Meta.Reason != "" {
		var err error
		commit.SealedReason, err = c.cfg.Sealer.Seal(p.ID, commit.ID, ledger.ReasonIndex, []byte(req.Meta.Reason))
		if _, blind := req.Command.(Blind); blind && errors.Is(err, ledger.ErrErased) {
			err = nil // the key is gone, and nothing can keep a reason any more
		}
		if err != nil {
			return nil, nil, fmt.Errorf("sealing: %w", err)
		}
	}
	raw, err := ledger.AppendCommit(make([]byte, 0, size), commit)
	return commit, raw, err
}

// enqueue takes the commit's place in the ledger. It was decided on a state of the given
// generation: if everything was thrown away since, so is the commit.
func (c *Committer) enqueue(commit *ledger.Commit, raw []byte, generation uint64) (*Ticket, ledger.Seq, []byte, error) {
	c.order.Lock()
	defer c.order.Unlock()
	if generation != c.hot.now() {
		return nil, 0, nil, fmt.Errorf("%w: it was decided on commits that were not stored", ledger.ErrConflict)
	}
	if commit.Time.Before(c.lastTime) {
		var err error
		commit.Time = c.lastTime
		if raw, err = ledger.AppendCommit(raw[:0], commit); err != nil {
			return nil, 0, nil, err
		}
	}
	t, err := c.writer.Enqueue(raw)
	if err != nil {
		return nil, 0, nil, err
	}
	c.lastTime = commit.Time
	return t, c.base + ledger.Seq(t.Number), raw, nil
}

// recover starts over behind whatever is in the ledger now, after an append was refused.
func (c *Committer) recover(ctx context.Context) error {
	c.recovering.Lock()
	defer c.recovering.Unlock()
	if c.writer.Broken() == nil {
		return nil // somebody else did it
	}
	head, err := c.ledger.Head(ctx)
	if err != nil {
		return err
	}
	c.order.Lock()
	defer c.order.Unlock()
	// Everything in memory may rest on commits that were never stored.
	c.hot.forget()
	c.blocks.set(head)
	if err := c.writer.Reset(head.Pos); err != nil {
		return err
	}
	c.base, c.lastTime = head.Seq+1, head.Time
	c.cfg.Log.Info("committer: another writer was ahead, going on behind it", "seq", head.Seq)
	return nil
}

// load reads a cold profile and opens its values.
func (c *Committer) load(ctx context.Context, id ledger.ProfileID, blind bool) (*ledger.Profile, error) {
	p, err := c.cfg.States.Load(ctx, id, c.Head())
	if err != nil {
		return nil, fmt.Errorf("loading the profile: %w", err)
	}
	if p.Erased {
		return p, nil
	}
	if err := p.OpenAll(c.cfg.Sealer); err != nil && !(blind && errors.Is(err, ledger.ErrErased)) {
		return nil, fmt.Errorf("opening the profile: %w", err)
	}
	p.Cells(func(cell ledger.Cell, set func(ledger.Cell)) bool {
		cell.Sealed = nil
		set(cell)
		return true
	})
	return p, nil
}

// blockOverhead bounds what a block adds around its commits.
const blockOverhead = 256

// blockComposer makes ledger blocks. The head that others read is apart from what the
// writer's goroutine works with.
type blockComposer struct {
	clock  func() time.Time
	head   atomic.Uint64
	stored atomic.Uint64

	mu   sync.Mutex // Compose and Stored against set
	next ledger.Seq
	prev ledger.Hash
	n    int // commits in the block under way
}

func (b *blockComposer) set(h Head) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next, b.prev = h.Seq+1, h.Hash
	b.head.Store(uint64(h.Seq))
}

func (b *blockComposer) Compose(records [][]byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := blockOverhead
	for _, r := range records {
		size += len(r) + 1
	}
	b.n = len(records)
	return ledger.AppendBlock(make([]byte, 0, size), ledger.NewCommitID(b.clock()), b.next, b.prev, records)
}

func (b *blockComposer) Stored(_ uint64, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next += ledger.Seq(b.n)
	b.prev = ledger.HashOf(payload)
	b.head.Store(uint64(b.next - 1))
	b.stored.Add(1)
}
