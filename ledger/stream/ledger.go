package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sort"
	"sync"
	"time"

	"vitae/ledger"
)

// Ledger reads one partition's blocks with every link checked. Its methods may be called
// from many goroutines.
type Ledger struct {
	blocks  Blocks
	lineage string
}

// Head is where the ledger ends.
type Head struct {
	Seq  ledger.Seq  // of the last commit; 0 in an empty ledger
	Hash ledger.Hash // of the last block as stored; zero in an empty ledger
	Pos  uint64      // of the last block in its stream
	Time time.Time   // of the last commit
}

// OpenLedger reads the ledger in b. lineage names this ledger among all others (it stays
// when the ledger is copied): positions taken in one lineage mean nothing in another.
func OpenLedger(b Blocks, lineage string) *Ledger {
	return &Ledger{blocks: b, lineage: lineage}
}

// Lineage is the name of this ledger among all others.
func (l *Ledger) Lineage() string { return l.lineage }

// Blocks is the stream underneath.
func (l *Ledger) Blocks() Blocks { return l.blocks }

// Head asks the stream for its last block.
func (l *Ledger) Head(ctx context.Context) (Head, error) {
	e, err := l.blocks.Last(ctx)
	if err != nil || e.Pos == 0 {
		return Head{}, err
	}
	return headOf(e)
}

func headOf(e Entry) (Head, error) {
	b, err := ledger.ParseBlock(e.Payload)
	if err != nil {
		return Head{}, blockError(e.Pos, 0, err)
	}
	last := b.Commits[len(b.Commits)-1]
	return Head{Seq: last.Seq, Hash: ledger.HashOf(e.Payload), Pos: e.Pos, Time: last.Commit.Time}, nil
}

// BlockError says where the stream of blocks is broken, and how.
type BlockError struct {
	Pos   uint64     // position in the stream
	First ledger.Seq // the sequence that should stand there; 0 when unknown
	Err   error
}

func (e *BlockError) Error() string {
	return fmt.Sprintf("ledger broken at block %d (sequence %d): %v", e.Pos, e.First, e.Err)
}

func (e *BlockError) Unwrap() error { return e.Err }

func blockError(pos uint64, first ledger.Seq, err error) error {
	return &BlockError{Pos: pos, First: first, Err: err}
}

// Located is a block and its place in the stream.
type Located struct {
	*ledger.Block
	Pos  uint64
	Hash ledger.Hash // of the block as stored
}

// Read yields the blocks that hold the commits from sequence from on, up to the head at
// the time of the call. The first block may hold earlier commits too: Commits is cut to
// begin at from. Every block is checked against the one before it; an error, a
// *BlockError where the store is at fault, ends the sequence. from may be one beyond the
// head, and not more.
func (l *Ledger) Read(ctx context.Context, from ledger.Seq) iter.Seq2[Located, error] {
	return l.walk(ctx, from, func(ctx context.Context, pos uint64) iter.Seq[decoded] {
		return ahead(ctx, pos, l.blocks.Read)
	})
}

// Follow is Read that goes on with every new block until ctx ends (then it yields
// ctx.Err()) or the caller breaks off.
func (l *Ledger) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[Located, error] {
	return l.walk(ctx, from, func(ctx context.Context, pos uint64) iter.Seq[decoded] {
		return func(yield func(decoded) bool) {
			for e, err := range l.blocks.Follow(ctx, pos) {
				if !yield(decode(e, err)) {
					return
				}
			}
		}
	})
}

func (l *Ledger) walk(ctx context.Context, from ledger.Seq, source func(context.Context, uint64) iter.Seq[decoded]) iter.Seq2[Located, error] {
	return func(yield func(Located, error) bool) {
		from = max(from, 1)
		at, err := l.find(ctx, from)
		if err != nil {
			yield(Located{}, err)
			return
		}
		for d := range source(ctx, at.pos) {
			b, err := at.next(d)
			if err != nil {
				yield(Located{}, err)
				return
			}
			if skip := int(from) - int(b.First); skip > 0 {
				b.Commits = b.Commits[min(skip, len(b.Commits)):]
			}
			if len(b.Commits) > 0 && !yield(b, nil) {
				return
			}
		}
	}
}

// decoded is a block on its own, not yet compared with the one before it.
type decoded struct {
	pos   uint64
	block *ledger.Block
	hash  ledger.Hash
	read  error // the block could not be read
	form  error // it is not a block
}

func decode(e Entry, err error) decoded {
	if err != nil {
		return decoded{read: err}
	}
	d := decoded{pos: e.Pos, hash: ledger.HashOf(e.Payload)}
	d.block, d.form = ledger.ParseBlock(e.Payload)
	return d
}

// ahead reads and decodes some blocks ahead of its reader, on all cores, and yields them
// in order.
func ahead(ctx context.Context, pos uint64, read func(context.Context, uint64) iter.Seq2[Entry, error]) iter.Seq[decoded] {
	return func(yield func(decoded) bool) {
		ctx, cancel := context.WithCancel(ctx)
		queue := make(chan chan decoded, 2*runtime.GOMAXPROCS(0))
		var reading sync.WaitGroup
		reading.Go(func() {
			defer close(queue)
			for e, err := range read(ctx, pos) {
				one := make(chan decoded, 1)
				select {
				case queue <- one:
				case <-ctx.Done():
					return
				}
				reading.Go(func() { one <- decode(e, err) })
			}
		})
		defer reading.Wait()
		defer cancel()
		for one := range queue {
			if !yield(<-one) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(decoded{read: err}) // the reader may have left without a word
		}
	}
}

// place is what the next block must look like.
type place struct {
	pos  uint64
	seq  ledger.Seq
	prev ledger.Hash
}

// next checks that a block stands where it should.
func (p *place) next(d decoded) (Located, error) {
	b := d.block
	switch {
	case d.read != nil:
		return Located{}, d.read
	case d.form != nil:
		return Located{}, blockError(d.pos, p.seq, d.form)
	case d.pos != p.pos:
		return Located{}, blockError(d.pos, p.seq, fmt.Errorf("block %d is missing", p.pos))
	case b.First != p.seq:
		return Located{}, blockError(d.pos, p.seq, fmt.Errorf("it says that it begins with sequence %d", b.First))
	case b.Prev != p.prev:
		return Located{}, blockError(d.pos, p.seq, fmt.Errorf("it follows a block %s, but the block before it is %s", b.Prev, p.prev))
	}
	p.pos, p.seq, p.prev = d.pos+1, b.First+ledger.Seq(len(b.Commits)), d.hash
	return Located{Block: b, Pos: d.pos, Hash: d.hash}, nil
}

// ErrBeyondHead says that a sequence is not in the ledger yet.
var ErrBeyondHead = fmt.Errorf("%w: the sequence lies beyond the ledger's head", ledger.ErrNotFound)

// find locates the block that holds seq by bisection over the blocks' first sequences.
func (l *Ledger) find(ctx context.Context, seq ledger.Seq) (place, error) {
	if seq == 1 {
		return place{pos: 1, seq: 1}, nil
	}
	head, err := l.Head(ctx)
	switch {
	case err != nil:
		return place{}, err
	case seq == head.Seq+1:
		return place{pos: head.Pos + 1, seq: seq, prev: head.Hash}, nil
	case seq > head.Seq:
		return place{}, fmt.Errorf("sequence %d, head %d: %w", seq, head.Seq, ErrBeyondHead)
	}
	// The last block whose first sequence is not after seq.
	var fault error
	n := sort.Search(int(head.Pos), func(i int) bool {
		if fault != nil {
			return true
		}
		first, err := l.first(ctx, uint64(i)+1)
		if err != nil {
			fault = err
		}
		return first > seq
	})
	if fault != nil {
		return place{}, fault
	}
	pos := uint64(n)
	first, err := l.first(ctx, pos)
	if err != nil {
		return place{}, err
	}
	p := place{pos: pos, seq: first}
	if pos > 1 {
		before, err := l.blocks.Get(ctx, pos-1)
		if err != nil {
			return place{}, lost(pos-1, err)
		}
		p.prev = ledger.HashOf(before.Payload)
	}
	return p, nil
}

func (l *Ledger) first(ctx context.Context, pos uint64) (ledger.Seq, error) {
	e, err := l.blocks.Get(ctx, pos)
	if err != nil {
		return 0, lost(pos, err)
	}
	b, err := ledger.ParseBlockHead(e.Payload)
	if err != nil {
		return 0, blockError(pos, 0, err)
	}
	return b.First, nil
}

// lost makes a block that is not there a fault of the store.
func lost(pos uint64, err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return blockError(pos, 0, errors.New("the block is missing"))
	}
	return err
}

// Commits yields a profile's commits in order, found by reading the whole ledger, each
// checked against the one before it. It is the slow and sure way: the history projection
// finds them at once.
func (l *Ledger) Commits(ctx context.Context, id ledger.ProfileID) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		p := ledger.NewProfile(id)
		for b, err := range l.Read(ctx, 1) {
			if err != nil {
				yield(ledger.Record{}, err)
				return
			}
			for _, r := range b.Commits {
				if r.Commit.Profile != id {
					continue
				}
				if err := p.Check(r.Seq, r.Commit); err != nil {
					yield(ledger.Record{}, err)
					return
				}
				p.Seq, p.Head = r.Seq, r.Hash
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// StateAt folds a profile's commits up to and including sequence at, sealed as stored.
// ledger.ErrNotFound when the profile did not exist then. Slow: see Commits.
func (l *Ledger) StateAt(ctx context.Context, id ledger.ProfileID, at ledger.Seq) (*ledger.Profile, error) {
	return l.fold(ctx, id, func(r ledger.Record) bool { return r.Seq <= at })
}

// StateAtTime is StateAt for the last sequence whose time is not after t.
func (l *Ledger) StateAtTime(ctx context.Context, id ledger.ProfileID, t time.Time) (*ledger.Profile, error) {
	return l.fold(ctx, id, func(r ledger.Record) bool { return !r.Commit.Time.After(t) })
}

func (l *Ledger) fold(ctx context.Context, id ledger.ProfileID, within func(ledger.Record) bool) (*ledger.Profile, error) {
	p := ledger.NewProfile(id)
	for r, err := range l.Commits(ctx, id) {
		if err != nil {
			return nil, err
		}
		if !within(r) {
			break
		}
		p.Apply(r.Seq, r.Hash, r.Commit)
	}
	if p.Seq == 0 {
		return nil, fmt.Errorf("profile %s: %w", id, ledger.ErrNotFound)
	}
	return p, nil
}

// Load is States for a committer without projections: it reads the whole ledger.
func (l *Ledger) Load(ctx context.Context, id ledger.ProfileID, _ ledger.Seq) (*ledger.Profile, error) {
	p, err := l.fold(ctx, id, func(ledger.Record) bool { return true })
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.NewProfile(id), nil
	}
	return p, err
}
