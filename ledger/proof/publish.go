package proof

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// storeTimeout bounds one request to the Store. An answer that has not come by then was
// lost; what is stored is read before anything else is signed.
const storeTimeout = 5 * time.Second

// attempts is how often a checkpoint is tried when another instance signs at the same
// time.
const attempts = 3

// publish compares the tiles with what was signed before, signs the tree as it is now if
// that is more, and serves the newest checkpoint whose tiles are there. settled is false
// when there is something that must be looked at again without a new commit.
//
// The order makes a fork impossible: the signed checkpoint in the Store is read, this
// instance's tiles are shown to begin with it, and the new one takes exactly its place.
func (l *Log) publish(ctx context.Context) (settled bool, err error) {
	for range attempts {
		stored, revision, err := l.stored(ctx)
		if err != nil {
			return false, err
		}
		remembered, err := l.remembered()
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return false, err
		}
		ahead := false
		for _, c := range []struct {
			Checkpoint
			where string
		}{{stored, "kept by the engine"}, {remembered, "kept in " + filepath.Join(l.cfg.Dir, rememberedFile)}} {
			if c.Note == nil {
				continue
			}
			more, fork, err := l.contradicts(ctx, c.Checkpoint, c.where)
			if err != nil {
				return false, err
			}
			if fork != nil {
				l.refuse(fork)
				return false, nil
			}
			ahead = ahead || more
		}
		l.refuse(nil)
		if ahead {
			return false, nil // the tiles are on their way there
		}
		if stored.Note != nil && stored.Size >= l.builder.tree.size {
			l.adopt(stored)
			return true, nil
		}
		signed, err := l.sign()
		if err != nil {
			return false, err
		}
		err = l.put(ctx, signed, revision)
		switch {
		case errors.Is(err, ledger.ErrConflict), errors.Is(err, ledger.ErrExists):
			continue // another instance has signed since
		case err != nil:
			return false, err
		}
		l.adopt(signed)
		return true, nil
	}
	return false, nil
}

// stored reads the checkpoint that all instances share; its Note is nil when there is
// none yet.
func (l *Log) stored(ctx context.Context) (Checkpoint, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	raw, revision, err := l.cfg.Store.Get(ctx, checkpointKey)
	if errors.Is(err, ledger.ErrNotFound) {
		return Checkpoint{}, 0, nil
	}
	if err != nil {
		return Checkpoint{}, 0, fmt.Errorf("read the signed checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(raw, l.Key())
	if err != nil {
		return Checkpoint{}, 0, fmt.Errorf("read the signed checkpoint: %w", err)
	}
	return c, revision, nil
}

// put stores a checkpoint in the place of the one of the given revision; 0 is for none.
func (l *Log) put(ctx context.Context, c Checkpoint, revision uint64) (err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if revision == 0 {
		err = l.cfg.Store.Create(ctx, checkpointKey, c.Note)
	} else {
		err = l.cfg.Store.Update(ctx, checkpointKey, c.Note, revision)
	}
	if err != nil {
		return fmt.Errorf("store the signed checkpoint: %w", err)
	}
	return nil
}

// contradicts compares a checkpoint that was signed with the tiles. ahead says that it is
// of more commits than the tiles have yet.
func (l *Log) contradicts(ctx context.Context, c Checkpoint, where string) (ahead bool, fork *ForkError, err error) {
	size := l.builder.tree.size
	if c.Size > size {
		head, _, err := l.cfg.Source.Head(ctx)
		if err != nil {
			return false, nil, fmt.Errorf("ask for the ledger's head: %w", err)
		}
		if uint64(head) < c.Size {
			return false, &ForkError{SignedSize: c.Size, SignedRoot: c.Root, Where: where, Size: uint64(head)}, nil
		}
		return true, nil, nil
	}
	root, err := l.rootAt(c.Size)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return false, nil, err
	}
	if err != nil || root != c.Root {
		return false, &ForkError{SignedSize: c.Size, SignedRoot: c.Root, Where: where, Size: size, Root: root}, nil
	}
	return false, nil, nil
}

// rootAt is the root of the tree's first size leaves, as the files have it.
func (l *Log) rootAt(size uint64) (ledger.Hash, error) {
	root, err := tlog.TreeHash(int64(size), tileHashes(l.files().read))
	return ledger.Hash(root), err
}

// files reads the tiles on disk.
func (l *Log) files() *tiles { return &tiles{dir: l.cfg.Dir} }

// sign signs the tree. What was built from the ledger's checked chain and what is in the
// files must be the same.
func (l *Log) sign() (Checkpoint, error) {
	size := l.builder.tree.size
	built, err := l.builder.tree.root()
	if err != nil {
		return Checkpoint{}, err
	}
	read, err := l.rootAt(size)
	if err != nil {
		return Checkpoint{}, err
	}
	if read != ledger.Hash(built) {
		return Checkpoint{}, fmt.Errorf("%w: the root at size %d is %s in the files, but %s by the ledger", ErrDamaged, size, read, ledger.Hash(built))
	}
	return l.signer.checkpoint(size, read)
}

// refuse says that nothing must be signed, and why; nil that something may.
func (l *Log) refuse(fork *ForkError) {
	l.mu.Lock()
	was := l.fork
	l.fork = fork
	l.mu.Unlock()
	switch {
	case fork != nil && (was == nil || *was != *fork):
		l.log.Error(fork.Error())
	case fork == nil && was != nil:
		l.log.Warn("the log signs again: its tiles and the checkpoints that were signed agree")
	}
}

// adopt serves a checkpoint whose tiles are there, and remembers it.
func (l *Log) adopt(c Checkpoint) {
	if have := l.Served(); have.Note != nil && (have.Size > c.Size || string(have.Note) == string(c.Note)) {
		return
	}
	// Who is told of a checkpoint could hold it against this log: it is remembered first.
	if err := replace(filepath.Join(l.cfg.Dir, rememberedFile), c.Note, false); err != nil {
		l.log.Warn("the checkpoint could not be written into the log's folder", "err", err.Error())
	}
	l.builder.tiles.dirty[filepath.Join(l.cfg.Dir, rememberedFile)] = true
	l.serve(c)
}

func (l *Log) serve(c Checkpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served = c
	l.changed()
}

// Served is the newest checkpoint that this instance can prove things with; its Note is
// nil when there is none yet.
func (l *Log) Served() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served
}

// Signed gives the checkpoints that were signed last and must be borne out by the ledger:
// the one that all instances share, and the one this instance remembers. None when
// nothing was signed yet.
func (l *Log) Signed(ctx context.Context) ([]Checkpoint, error) {
	var all []Checkpoint
	c, _, err := l.stored(ctx)
	if err != nil {
		return nil, err
	}
	if c.Note != nil {
		all = append(all, c)
	}
	c, err = l.remembered()
	if errors.Is(err, ledger.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return append(all, c), nil
}
