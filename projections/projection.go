package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Projection is one read model on disk: its live file, whoever follows the ledger into
// it, and those who read it. All methods may be called from many goroutines.
type Projection struct {
	model  Model
	source Source
	log    *slog.Logger
	path   string // of the live file

	waiters waiters
	running atomic.Bool

	// applying guards what follows: who applies a block, or swaps the file, holds it.
	applying sync.Mutex
	live     *file
	closed   bool
	// unscrubbed: the log may still have what an erasure deleted.
	unscrubbed bool
	// swappedAt is where the live file stood when a rebuild put it in place: blocks up to
	// there may still be on their way to the file before it.
	swappedAt ledger.Seq

	// reads is what Read uses; whoever replaces it holds its lock for writing.
	reads struct {
		sync.RWMutex
		pool  *sql.DB
		stmts []*sql.Stmt
	}

	state struct {
		sync.Mutex
		hand    *inHand // what is being applied; nil between transactions
		err     error   // what last went wrong; nil once something was applied
		rebuild *rebuild
	}
}

// inHand is the first commit of the transaction under way.
type inHand struct {
	seq     ledger.Seq
	profile ledger.ProfileID
	time    time.Time
}

// readers is how many connections serve reads at the same time.
const readers = 8

// Open opens the projection's live file, or makes an empty one. It does not look at the
// ledger and follows nothing: Run does. A file of another version of the model is thrown
// away: the ledger has everything that was in it. A file that SQLite cannot read is an
// error; removing it is always safe.
func Open(ctx context.Context, cfg Config, m Model) (*Projection, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", m.Name(), err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open projection %s: %w", m.Name(), err)
	}
	p := &Projection{model: m, source: cfg.Source, log: cfg.Log, path: filepath.Join(dir, m.Name()+".db"),
		waiters: waiters{wanted: make(chan struct{}, 1)}}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("projection", m.Name())
	if overwrites(m) {
		if err := remove(p.path + ".rebuild"); err != nil {
			return nil, fmt.Errorf("open projection %s: %w", m.Name(), err)
		}
	}
	p.live, err = openFile(ctx, m, p.path, false)
	if errors.Is(err, errVersion) {
		p.log.Warn("the file has another version; it is made anew", "reason", err.Error())
		if err := remove(p.path); err != nil {
			return nil, fmt.Errorf("open projection %s: %w", m.Name(), err)
		}
		p.live, err = openFile(ctx, m, p.path, false)
	}
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", m.Name(), err)
	}
	// A process that ended right after an erasure may have left its traces in the log. Who
	// else has the file open now is in the way of nothing: the next scrub does it.
	if err := p.live.scrub(ctx); err != nil && !errors.Is(err, ledger.ErrUnavailable) {
		return nil, errors.Join(fmt.Errorf("open projection %s: %w", m.Name(), err), p.live.close())
	}
	if err := p.openReads(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open projection %s: %w", m.Name(), err), p.live.close())
	}
	p.waiters.advance(p.live.pos.Seq)
	return p, nil
}

// openReads makes the pool for the live file. The caller holds the lock of reads, or is
// alone.
func (p *Projection) openReads(ctx context.Context) error {
	pool, err := sql.Open("sqlite", dsn(p.path, readerPragmas))
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(readers)
	pool.SetMaxIdleConns(readers)
	p.reads.pool, p.reads.stmts = pool, nil
	for _, q := range p.model.Queries() {
		s, err := pool.PrepareContext(ctx, q)
		if err != nil {
			return errors.Join(err, p.closeReads())
		}
		p.reads.stmts = append(p.reads.stmts, s)
	}
	return nil
}

// closeReads ends the pool. The caller holds the lock of reads, or is alone.
func (p *Projection) closeReads() error {
	var errs []error
	for _, s := range p.reads.stmts {
		errs = append(errs, s.Close())
	}
	if p.reads.pool != nil {
		errs = append(errs, p.reads.pool.Close())
	}
	p.reads.pool, p.reads.stmts = nil, nil
	return errors.Join(errs...)
}

// Close ends all use of the file; reads under way end first. End Run and Rebuild before,
// by their contexts.
func (p *Projection) Close() error {
	p.applying.Lock()
	defer p.applying.Unlock()
	p.reads.Lock()
	defer p.reads.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.waiters.stopped(ErrClosed)
	return errors.Join(p.closeReads(), p.live.close())
}

// Name is the model's name.
func (p *Projection) Name() string { return p.model.Name() }

// Position is the last commit that reads see. Everything up to it has been applied.
func (p *Projection) Position() ledger.Seq { return p.waiters.position() }

// At is where the live file stands: what it was last made from.
func (p *Projection) At() Position {
	pos, err := p.position()
	if err != nil {
		return Position{} // it is closed
	}
	return pos
}

// Wait returns nil once reads see commit seq. It answers a *BehindError when ctx ends
// before, and at once when the projection has stopped short of seq for good.
func (p *Projection) Wait(ctx context.Context, seq ledger.Seq) error {
	if err := p.waiters.wait(ctx, seq); err != nil {
		return &BehindError{Projection: p.model.Name(), Want: seq, At: p.Position(), Err: err}
	}
	return nil
}

// Read runs do on the live file. Each query sees whole transactions only; two queries
// may see different ones, so one answer is one query. do must close its rows, and must
// not call Read.
func (p *Projection) Read(do func(*Reader) error) error {
	p.reads.RLock()
	defer p.reads.RUnlock()
	if p.reads.pool == nil {
		return ErrClosed
	}
	return do(&Reader{stmts: p.reads.stmts})
}

// The bounds of one transaction when the projection is behind, and of what is read ahead.
const (
	maxCommits = 2000 // some 50 ms of work
	readAhead  = 16   // blocks
	linger     = 20 * time.Millisecond
)

// The pause before a failed projection starts again from its position.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// Run follows the ledger until ctx ends; then it returns nil. What may pass (the disk,
// the ledger's store) makes it start again from its own position, after a pause. What
// will not pass ends it: a *RefusedError when this ledger is not the one the projection
// was made from, a *Fault when a commit cannot be applied. Then Wait answers that error,
// reads go on, and Rebuild and a new Run are the way out. Only one Run at a time.
func (p *Projection) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return fmt.Errorf("projection %s is running already", p.model.Name())
	}
	defer p.running.Store(false)
	p.waiters.stopped(nil)
	for pause := minPause; ; {
		before := p.Position()
		err := p.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		p.failed(err)
		if permanent(err) {
			p.log.Error("projection stopped", "err", err.Error())
			p.waiters.stopped(err)
			return err
		}
		if p.Position() != before {
			pause = minPause
		}
		p.log.Warn("projection starts again from its position", "seq", p.Position(), "err", err.Error(), "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

func (p *Projection) failed(err error) {
	p.state.Lock()
	defer p.state.Unlock()
	p.state.err = err
}

// position is the live file's.
func (p *Projection) position() (Position, error) {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.closed {
		return Position{}, ErrClosed
	}
	return p.live.pos, nil
}

// check refuses a position that is not in this ledger.
func (p *Projection) check(ctx context.Context, pos Position) (stream.Head, error) {
	head, err := p.source.Head(ctx)
	if err != nil {
		return head, fmt.Errorf("ask for the ledger's head: %w", err)
	}
	refuse := func(why Reason) error {
		return &RefusedError{Projection: p.model.Name(), Reason: why, Position: pos, Lineage: p.source.Lineage(), Head: head}
	}
	switch {
	case pos.Seq == 0:
		return head, nil
	case pos.Lineage != p.source.Lineage():
		return head, refuse(OtherLineage)
	case pos.Seq > head.Seq:
		return head, refuse(BeyondHead)
	case pos.Seq == head.Seq && pos.Block != head.Hash:
		return head, refuse(Diverged)
	}
	return head, nil // further back, the next block's link tells: see file.following
}

// follow applies blocks from the position on until something ends it; it never returns
// nil.
func (p *Projection) follow(ctx context.Context) error {
	pos, err := p.position()
	if err != nil {
		return err
	}
	if _, err := p.check(ctx, pos); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	blocks := make(chan stream.Located, readAhead)
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		ended <- p.readInto(ctx, pos.Seq+1, blocks)
		close(blocks)
	})
	defer reading.Wait()
	defer cancel()
	var batch []stream.Located
	for b := range blocks {
		batch = p.gather(append(batch[:0], b), blocks)
		if err := p.apply(batch); err != nil {
			return err
		}
	}
	return <-ended
}

// readInto passes the ledger's blocks on until ctx ends or the source does.
func (p *Projection) readInto(ctx context.Context, from ledger.Seq, to chan<- stream.Located) error {
	for b, err := range p.source.Follow(ctx, from) {
		if err != nil {
			return unreadable(p.model, from, err)
		}
		select {
		case to <- b:
			from += ledger.Seq(len(b.Commits))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the ledger ended following")
}

// unreadable makes a fault of a block that the ledger could not make sense of.
func unreadable(m Model, at ledger.Seq, err error) error {
	var broken *stream.BlockError
	if errors.Is(err, ledger.ErrFormat) || errors.As(err, &broken) {
		return &Fault{Projection: m.Name(), Seq: at, Err: err}
	}
	return fmt.Errorf("read the ledger at sequence %d: %w", at, err)
}

// gather adds the blocks that wait already, within the bounds of one transaction, and
// those that come within the linger time as long as nobody waits to read them: what a
// transaction costs does not depend on how much is in it.
func (p *Projection) gather(batch []stream.Located, more <-chan stream.Located) []stream.Located {
	now := make(chan time.Time)
	close(now)
	patience := time.NewTimer(linger)
	defer patience.Stop()
	over := patience.C
	commits := len(batch[0].Commits)
	for commits < maxCommits {
		if p.waiters.waiting() {
			over = now // take what is there, and no more
		}
		select {
		case b, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, b)
			commits += len(b.Commits)
			continue
		default:
		}
		select {
		case b, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, b)
			commits += len(b.Commits)
		case <-p.waiters.wanted:
		case <-over:
			return batch
		}
	}
	return batch
}

// apply puts one batch into the live file and lets the readers know.
func (p *Projection) apply(batch []stream.Located) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.closed {
		return ErrClosed
	}
	for len(batch) > 0 && batch[0].Commits[len(batch[0].Commits)-1].Seq <= p.swappedAt {
		batch = batch[1:] // the file that was swapped in meanwhile has it
	}
	if len(batch) == 0 {
		return nil
	}
	first := &batch[0].Commits[0]
	p.setHand(&inHand{seq: first.Seq, profile: first.Commit.Profile, time: first.Commit.Time})
	defer p.setHand(nil)
	err := p.live.apply(p.source.Lineage(), batch)
	p.waiters.advance(p.live.pos.Seq) // also on error: a part may have been applied
	if err == nil {
		p.failed(nil)
		if p.unscrubbed = p.unscrubbed || erases(batch); p.unscrubbed {
			// Reads that are in the way are over when the next batch comes, or when Scrub is
			// asked for.
			p.unscrubbed = p.live.scrub(context.Background()) != nil
		}
	}
	return err
}

func (p *Projection) setHand(h *inHand) {
	p.state.Lock()
	defer p.state.Unlock()
	p.state.hand = h
}

// exists says whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
