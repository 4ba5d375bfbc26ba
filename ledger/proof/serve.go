package proof

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// Size is how many leaves this instance has in its files.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Checkpoint is the newest signed checkpoint whose tiles this instance has. It waits for
// the first one until ctx ends; then the error is ledger.ErrUnavailable.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) { return l.await(ctx, 0) }

// Wait returns nil once the commit seq is under the checkpoint that is served. When ctx
// ends before, the error is ledger.ErrUnavailable: ask again.
func (l *Log) Wait(ctx context.Context, seq ledger.Seq) error {
	_, err := l.await(ctx, uint64(seq))
	return err
}

// await waits for a checkpoint of at least size leaves.
func (l *Log) await(ctx context.Context, size uint64) (Checkpoint, error) {
	for {
		l.mu.Lock()
		c, news, stop, fork := l.served, l.news, l.stop, l.fork
		l.mu.Unlock()
		switch {
		case c.Note != nil && c.Size >= size:
			return c, nil
		case stop != nil:
			return c, fmt.Errorf("%w: %w", ledger.ErrUnavailable, stop)
		case fork != nil:
			return c, fmt.Errorf("%w: %w", ledger.ErrUnavailable, fork)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return c, fmt.Errorf("%w: the log's checkpoint is of %d leaves, %d were asked for: %w", ledger.ErrUnavailable, c.Size, size, ctx.Err())
		}
	}
}

// Inclusion proves that the commit seq is in the log, under the checkpoint that is served.
// It waits for one that covers seq: see Wait. ledger.ErrNotFound when seq is 0.
func (l *Log) Inclusion(ctx context.Context, seq ledger.Seq) (Inclusion, error) {
	if seq == 0 {
		return Inclusion{}, fmt.Errorf("sequence 0: %w", ledger.ErrNotFound)
	}
	c, err := l.await(ctx, uint64(seq))
	if err != nil {
		return Inclusion{}, err
	}
	return l.InclusionIn(c, seq)
}

// InclusionIn proves that the commit seq is in the tree of a checkpoint that this log has
// served: so many proofs can share one checkpoint. ErrDamaged when the tiles do not bear
// it out.
func (l *Log) InclusionIn(c Checkpoint, seq ledger.Seq) (Inclusion, error) {
	if seq == 0 || uint64(seq) > c.Size {
		return Inclusion{}, fmt.Errorf("sequence %d in a tree of size %d: %w", seq, c.Size, ledger.ErrNotFound)
	}
	r, n := l.hashes(c), int64(seq)-1
	hashes, err := tlog.ProveRecord(int64(c.Size), n, r)
	if err != nil {
		return Inclusion{}, err
	}
	leaf, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
	if err != nil {
		return Inclusion{}, err
	}
	return Inclusion{Seq: seq, LeafIndex: uint64(n), LeafHash: ledger.Hash(leaf[0]), TreeSize: c.Size, Hashes: ledgerHashes(hashes), Checkpoint: string(c.Note)}, nil
}

// Consistency proves that the tree of size to begins with the leaves of that of size
// from. It waits for a checkpoint of at least to: see Wait. ledger.ErrNotFound when from
// is greater than to.
func (l *Log) Consistency(ctx context.Context, from, to uint64) (Consistency, error) {
	if from > to || to > maxSize {
		return Consistency{}, fmt.Errorf("sizes %d and %d: %w", from, to, ledger.ErrNotFound)
	}
	c, err := l.await(ctx, to)
	if err != nil {
		return Consistency{}, err
	}
	p := Consistency{From: from, To: to, Hashes: []ledger.Hash{}}
	if from == 0 || from == to {
		return p, nil
	}
	hashes, err := tlog.ProveTree(int64(to), int64(from), l.hashes(c))
	if err != nil {
		return Consistency{}, err
	}
	p.Hashes = ledgerHashes(hashes)
	return p, nil
}

// hashes reads the stored hashes of a checkpoint's tree. Every tile is checked against
// the root, so what it gives is in that tree.
func (l *Log) hashes(c Checkpoint) tlog.HashReader {
	tree := tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Root)}
	r := tlog.TileHashReader(tree, &tileReader{files: l.files(), read: map[tlog.Tile][]byte{}})
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out, err := r.ReadHashes(indexes)
		if err != nil && !errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return out, err
	})
}

// tileReader is a tlog.TileReader over files, each of which it reads once.
type tileReader struct {
	files *tiles
	read  map[tlog.Tile][]byte
}

func (r *tileReader) Height() int { return tileHeight }

func (r *tileReader) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(want))
	for i, t := range want {
		if r.read[t] == nil {
			data, err := r.files.read(t)
			if err != nil {
				return nil, err
			}
			r.read[t] = data
		}
		out[i] = r.read[t]
	}
	return out, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// Tile is one of the log's static files.
type Tile struct {
	Data []byte
	// Full says that it will never be longer.
	Full bool
}

// Tile gives the tile or the bundle of entries at a path of C2SP tlog-tiles, which begins
// with "tile/". ledger.ErrNotFound when it is not in the tree of the checkpoint that is
// served.
func (l *Log) Tile(path string) (Tile, error) {
	t, err := parseTilePath(path)
	if err != nil {
		return Tile{}, err
	}
	if c := l.Served(); c.Note == nil || !within(t, c.Size) {
		return Tile{}, fmt.Errorf("tile %.64q is not in a tree of size %d: %w", path, c.Size, ledger.ErrNotFound)
	}
	read := l.files().read
	if t.L == entriesLevel {
		read = l.files().readEntries
	}
	data, err := read(t)
	return Tile{Data: data, Full: t.W == tileWidth}, err
}

func ledgerHashes(in []tlog.Hash) []ledger.Hash {
	out := make([]ledger.Hash, len(in))
	for i, h := range in {
		out[i] = ledger.Hash(h)
	}
	return out
}

// Health is how far behind the log is, and what stands in its way.
type Health struct {
	Size   uint64     // leaves in the files
	Signed uint64     // leaves of the checkpoint that is served
	Head   ledger.Seq // the ledger's
	Lag    uint64     // commits that are not under the checkpoint
	// Running says that Run was called and has not returned.
	Running bool
	// Err is what stands in the way: a *ForkError, or what last went wrong. nil when nothing
	// does.
	Err error
}

// Health asks the ledger for its head and compares.
func (l *Log) Health(ctx context.Context) (Health, error) {
	h := Health{Running: l.running.Load()}
	l.mu.Lock()
	h.Size, h.Signed, h.Err = l.size, l.served.Size, l.err
	if l.fork != nil {
		h.Err = l.fork
	}
	l.mu.Unlock()
	head, _, err := l.cfg.Source.Head(ctx)
	if err != nil {
		return h, fmt.Errorf("ask for the ledger's head: %w", err)
	}
	h.Head = head
	if uint64(head) > h.Signed {
		h.Lag = uint64(head) - h.Signed
	}
	return h, nil
}

// known finds a witness by the name and id of its key.
func (l *Log) known(s signature) *witness {
	i := slices.IndexFunc(l.witnesses, func(w *witness) bool { return w.name == s.name && w.id == s.id })
	if i < 0 {
		return nil
	}
	return l.witnesses[i]
}
