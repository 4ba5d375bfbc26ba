package proof

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitae/ledger"
)

const (
	// defaultInterval is the least time from one checkpoint to the next.
	defaultInterval = 200 * time.Millisecond
	// again is when a checkpoint is tried again that could not be signed, or is waited for.
	again = time.Second
	// saveEvery is how much of the log, in time, is written again after a crash at most.
	saveEvery = 10 * time.Second
	// maxInHand is how many leaves wait in memory.
	maxInHand = 4096
	// readAhead is in blocks.
	readAhead = 16
)

// The pause before a failed log starts again from its position.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// Run follows the ledger, and signs, until ctx ends; then what it wrote is on stable
// storage, and it returns nil. What may pass makes it start again from its position,
// after a pause. What will not pass ends it: a *RefusedError, or a ledger that is broken.
// Then the last checkpoint is served as before. Only one Run at a time.
//
// That a checkpoint must not be signed does not end it: see Health and ForkError.
func (l *Log) Run(ctx context.Context) error {
	if !l.running.CompareAndSwap(false, true) {
		return errors.New("the log is running already")
	}
	defer l.running.Store(false)
	l.stopped(nil)
	for pause := minPause; ; {
		before := l.Size()
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return l.end()
		}
		l.failed(err)
		if permanent(err) {
			l.log.Error("the log has stopped; it serves what it has", "err", err.Error())
			l.stopped(err)
			return errors.Join(err, l.end())
		}
		if l.Size() != before {
			pause = minPause
		}
		l.log.Warn("the log starts again from its position", "err", err.Error(), "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// end saves what is there.
func (l *Log) end() error {
	if l.builder == nil {
		return nil
	}
	return l.builder.save()
}

// stopped says that the log will not go on, and why; nil lets it be waited for again.
func (l *Log) stopped(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = err
	l.changed()
}

// permanent says whether trying again would end the same way.
func permanent(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) || errors.Is(err, ErrBroken)
}

// follow takes blocks until something ends it; it never returns nil.
func (l *Log) follow(ctx context.Context) error {
	if l.builder == nil {
		if err := l.load(); err != nil {
			return err
		}
	}
	if err := l.checkHead(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	blocks := make(chan Block, readAhead)
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		ended <- l.readInto(ctx, ledger.Seq(l.builder.tree.size)+1, blocks)
		close(blocks)
	})
	defer reading.Wait()
	defer cancel()
	due := time.NewTimer(0) // what was signed before is looked at first
	defer due.Stop()
	soon := true // the timer ends an interval after the last checkpoint at the latest
	for {
		select {
		case b, ok := <-blocks:
			if !ok {
				return <-ended
			}
			if err := l.take(b); err != nil {
				l.builder = nil // what is in memory may not be what is in the files
				return err
			}
			if !soon {
				soon = true
				due.Reset(time.Until(l.published.Add(l.cfg.Interval)))
			}
		case <-due.C:
			wait, err := l.tick(ctx)
			if err != nil {
				l.builder = nil
				return err
			}
			if soon = false; wait > 0 {
				due.Reset(wait)
			}
		}
	}
}

// readInto passes the ledger's blocks on until ctx ends or the source does.
func (l *Log) readInto(ctx context.Context, from ledger.Seq, to chan<- Block) error {
	for b, err := range l.cfg.Source.Follow(ctx, from) {
		if err != nil {
			return fmt.Errorf("read the ledger from sequence %d: %w", from, err)
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

// checkHead refuses a ledger that is not the one the tiles were made from.
func (l *Log) checkHead(ctx context.Context) error {
	size := l.builder.tree.size
	seq, block, err := l.cfg.Source.Head(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("ask for the ledger's head: %w", err)
	case size > uint64(seq):
		return &RefusedError{Reason: "the ledger is shorter than it was", Size: size, Head: seq,
			Do: "stop, and put the newer copy of the ledger back"}
	case size > 0 && size == uint64(seq) && block != l.builder.block:
		return l.diverged(seq)
	}
	return nil // further back, the next block's link tells: see take
}

func (l *Log) diverged(head ledger.Seq) error {
	return &RefusedError{Reason: "the ledger has another history", Size: l.builder.tree.size, Head: head,
		Do: "stop, and put the ledger back that the log was made from"}
}

// take puts a block into the tree.
func (l *Log) take(b Block) error {
	if b.Prev != l.builder.block {
		return l.diverged(0)
	}
	for i := range b.Commits {
		if err := l.builder.add(&b.Commits[i]); err != nil {
			return err
		}
	}
	l.builder.block = b.Hash
	l.inHand(b.Commits[0].Commit.Time)
	if l.builder.tree.size-l.Size() >= maxInHand {
		return l.flush()
	}
	return nil
}

// inHand remembers the time of the oldest commit that is not in the files.
func (l *Log) inHand(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hand.IsZero() {
		l.hand = at
	}
}

// flush brings the files up to the tree.
func (l *Log) flush() error {
	if err := l.builder.flush(); err != nil {
		return err
	}
	l.visible()
	return nil
}

// tick writes, signs and saves what is due, and says after what time to do so again; 0 is
// when the next block has come.
func (l *Log) tick(ctx context.Context) (time.Duration, error) {
	if err := l.flush(); err != nil {
		return 0, err
	}
	l.published = time.Now()
	settled, err := l.publish(ctx)
	if err != nil {
		return 0, err
	}
	l.failed(nil)
	if time.Since(l.saved) >= saveEvery {
		if err := l.save(); err != nil {
			return 0, err
		}
	}
	switch {
	case !settled:
		return again, nil
	case l.builder.saved != l.builder.tree.size:
		return max(l.cfg.Interval, time.Until(l.saved.Add(saveEvery))), nil
	}
	return 0, nil
}

// save makes everything durable that is in the files, the remembered checkpoint too.
func (l *Log) save() error {
	if err := l.builder.save(); err != nil {
		return err
	}
	l.saved = time.Now()
	return nil
}
