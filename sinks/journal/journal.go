package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

// ErrClosed is what every method of a closed journal answers.
var ErrClosed = errors.New("the journal is closed")

// Journal is one file and whoever follows the stream into it. All methods may be called
// from many goroutines.
type Journal struct {
	blocks  stream.Blocks
	log     *slog.Logger
	running atomic.Bool

	// writing guards the file: who stores something holds it.
	writing sync.Mutex
	file    *file // nil when closed

	reads *sql.DB

	mu    sync.Mutex
	at    uint64        // the position that queries see
	stop  error         // why it will not move; nil while it may
	moved chan struct{} // closed and replaced when one of them changes
}

// Open opens the file, or makes an empty one. It does not look at the stream: Run does.
// A file that cannot be read, or of another version, is an error and stays as it is; with
// the file moved away the journal starts again from what the stream has.
func Open(ctx context.Context, path string, blocks stream.Blocks, log *slog.Logger) (_ *Journal, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j := &Journal{blocks: blocks, log: log, moved: make(chan struct{})}
	if j.file, err = openFile(ctx, path); err != nil {
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	if j.reads, err = sql.Open("sqlite", dsn(path, readerPragmas)); err != nil {
		return nil, errors.Join(fmt.Errorf("open the journal %s: %w", path, err), j.file.close())
	}
	j.reads.SetMaxOpenConns(readers)
	j.reads.SetMaxIdleConns(readers)
	j.at = j.file.pos.pos
	return j, nil
}

// Close ends all use of the file; queries under way end first. End Run before, by its
// context.
func (j *Journal) Close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return nil
	}
	j.stopped(ErrClosed)
	err := errors.Join(j.reads.Close(), j.file.close())
	j.file = nil
	return err
}

// Position is the last block of the stream that queries see. Every block up to it is in
// the journal, or in a gap.
func (j *Journal) Position() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.at
}

// WaitFor returns nil once the journal has, on stable storage, everything up to position
// pos. It answers ledger.ErrUnavailable when ctx ends before, and at once when the journal
// has stopped short of pos for good.
func (j *Journal) WaitFor(ctx context.Context, pos uint64) error {
	for {
		j.mu.Lock()
		at, stop, moved := j.at, j.stop, j.moved
		j.mu.Unlock()
		switch {
		case at >= pos:
			return nil
		case stop != nil:
			return fmt.Errorf("%w: the journal is at block %d, %d was asked for: %w", ledger.ErrUnavailable, at, pos, stop)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: the journal is at block %d, %d was asked for: %w", ledger.ErrUnavailable, at, pos, ctx.Err())
		}
	}
}

// advance says that queries see everything up to at.
func (j *Journal) advance(at uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.at != at {
		j.at = at
		j.signal()
	}
}

// stopped ends every wait with err, and every later one that is not satisfied already;
// nil lets waiting begin again.
func (j *Journal) stopped(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stop = err
	j.signal()
}

// signal wakes those who wait; the mutex is held.
func (j *Journal) signal() {
	close(j.moved)
	j.moved = make(chan struct{})
}

// The bounds of one transaction, and of what is read ahead.
const (
	maxRows   = 2000
	readAhead = 16 // blocks
)

// The pause before a failed journal starts again from its position.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// Run follows the stream until ctx ends; then it returns nil. What may pass (the disk, the
// stream's store) makes it start again from its position, after a pause. What will not
// pass ends it: a block that cannot be read (ledger.ErrFormat), a closed journal. Then
// WaitFor answers that error and queries go on. Only one Run at a time.
func (j *Journal) Run(ctx context.Context) error {
	if !j.running.CompareAndSwap(false, true) {
		return errors.New("the journal is running already")
	}
	defer j.running.Store(false)
	j.stopped(nil)
	for pause := minPause; ; {
		before := j.Position()
		err := j.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ledger.ErrFormat) || errors.Is(err, ErrClosed) {
			j.stopped(err)
			return fmt.Errorf("journal: %w", err)
		}
		if j.Position() != before {
			pause = minPause
		}
		j.log.Warn("the journal of deliveries starts again from its position", "block", j.Position(), "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// follow takes blocks in from the position on until something ends it; it never returns
// nil.
func (j *Journal) follow(ctx context.Context) error {
	if err := j.resume(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	from := j.Position() + 1
	blocks := make(chan taken, readAhead)
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		ended <- j.readInto(ctx, from, blocks)
		close(blocks)
	})
	defer reading.Wait()
	defer cancel()
	var batch []taken
	for b := range blocks {
		batch = gather(append(batch[:0], b), blocks)
		if err := j.take(batch); err != nil {
			return err
		}
	}
	return <-ended
}

// readInto passes on what the stream has, then what comes. It reads before it follows:
// reading begins at the first block that is left when the one asked for was trimmed away.
func (j *Journal) readInto(ctx context.Context, from uint64, to chan<- taken) error {
	pass := func(entries iter.Seq2[stream.Entry, error]) error {
		for e, err := range entries {
			if err != nil {
				return err
			}
			t, err := parse(ctx, j.blocks, e)
			if err != nil {
				return err
			}
			select {
			case to <- t:
				from = e.Pos + 1
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	if err := pass(j.blocks.Read(ctx, from)); err != nil {
		return err
	}
	if err := pass(j.blocks.Follow(ctx, from)); err != nil {
		return err
	}
	return errors.New("the stream ended following")
}

// oneBlock is a stream of one entry, whose transitions are to be read.
type oneBlock struct {
	stream.Blocks
	entry stream.Entry
}

func (o oneBlock) Read(context.Context, uint64) iter.Seq2[stream.Entry, error] {
	return func(yield func(stream.Entry, error) bool) { yield(o.entry, nil) }
}

// parse reads the transitions of a block. A block may have none.
func parse(ctx context.Context, b stream.Blocks, e stream.Entry) (taken, error) {
	t := taken{pos: e.Pos, hash: ledger.HashOf(e.Payload)}
	for one, err := range sinks.ReadJournal(ctx, oneBlock{b, e}, e.Pos) {
		if err != nil {
			return t, err
		}
		t.rows = append(t.rows, rowOf(&one))
	}
	return t, nil
}

// gather adds the blocks that wait already: while one transaction is being synced, those
// for the next one come together.
func gather(batch []taken, more <-chan taken) []taken {
	rows := len(batch[0].rows)
	for rows < maxRows {
		select {
		case b, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, b)
			rows += len(b.rows)
		default:
			return batch
		}
	}
	return batch
}

// store runs do on the file and lets everybody know where it is then.
func (j *Journal) store(do func(*file) error) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return ErrClosed
	}
	err := do(j.file)
	j.advance(j.file.pos.pos) // also on error: of a failed COMMIT only the file knows
	return err
}

func (j *Journal) take(batch []taken) error {
	return j.store(func(f *file) error { return f.take(batch, time.Now()) })
}

// lineage names the stream, where it has a name.
func (j *Journal) lineage() string {
	if named, ok := j.blocks.(interface{ Lineage() string }); ok {
		return named.Lineage()
	}
	return ""
}

// WentBack says why the stream is not the one that the journal was made from (see Gap): the
// lanes were put back from a copy, or made anew, and may not know of calls that they have
// made. It is "" when the journal has no reason to think so. Ask before Run, which goes on
// behind the place with a gap.
func (j *Journal) WentBack(ctx context.Context) (string, error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return "", ErrClosed
	}
	g, _, err := j.compare(ctx, j.file.pos)
	return g.Why, err
}

// GoOn puts the journal behind the end of a stream that WentBack tells of, with a gap, as Run
// does when it begins. On nil it is durable, and WentBack says nothing any more. Not while Run
// runs.
func (j *Journal) GoOn(ctx context.Context) error { return j.resume(ctx) }

// compare gives the place to go on from and, if the stream is another one than it was, the
// gap before it.
func (j *Journal) compare(ctx context.Context, was position) (g Gap, next position, err error) {
	next = was
	next.lineage = j.lineage()
	last, err := j.blocks.Last(ctx)
	switch {
	case err != nil:
		return g, next, err
	case was.pos == 0:
		return g, next, nil
	case was.lineage != next.lineage:
		next.pos, next.hash = 0, ledger.Hash{}
		return Gap{Why: Replaced}, next, nil
	case last.Pos < was.pos:
		if next.pos, next.hash = last.Pos, ledger.HashOf(last.Payload); last.Pos == 0 {
			next.hash = ledger.Hash{} // it is empty, and begins at 1 again
		}
		return Gap{From: last.Pos + 1, To: was.pos, Why: Restored}, next, nil
	}
	e, err := j.blocks.Get(ctx, was.pos)
	if errors.Is(err, ledger.ErrNotFound) {
		return g, next, nil // trimmed
	}
	if err != nil {
		return g, next, err
	}
	hash := ledger.HashOf(e.Payload)
	if was.hash.IsZero() || hash == was.hash {
		return g, next, nil
	}
	next.hash = hash
	return Gap{From: 1, To: was.pos, Why: Diverged}, next, nil
}

// resume looks whether the stream is still the one that the journal was made from. When
// it is not, a gap says so and a new generation begins: nothing that is there is lost.
func (j *Journal) resume(ctx context.Context) error {
	return j.store(func(f *file) error {
		was := f.pos
		g, next, err := j.compare(ctx, was)
		if err != nil {
			return err
		}
		if was.pos == 0 {
			return f.moveTo(&next, func(context.Context) error { return nil })
		}
		if g.Why == "" {
			return nil
		}
		j.log.Warn("the lanes are not those that the journal of deliveries was made from; it says so in a gap", "why", g.Why, "block", was.pos)
		return f.begin(next, g, time.Now())
	})
}

func (j *Journal) closed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Is(j.stop, ErrClosed)
}
