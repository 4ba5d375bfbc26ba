package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// builder writes the tiles of a ledger, commit after commit. Its methods are called by
// one goroutine at a time.
type builder struct {
	tiles   tiles
	lineage string
	tree    tree
	block   ledger.Hash // of the block that ends with the last commit

	wrote  []int  // wrote[l]: how many bytes of tree.edge[l] are in its file
	bundle []byte // the entries that are not in their bundle's file
	at     int64  // the length of that file
	saved  uint64 // size of the tree in the position's file
}

// positionFile is the name of the file that says how far the tiles go.
const positionFile = "position"

// newBuilder goes on where the files in dir end for certain. Files without a position, or
// damaged ones, are written anew from the first commit: made says why, nil when they were
// not. Files that were made from another ledger are a *RefusedError.
func newBuilder(dir, lineage string) (b *builder, made error, err error) {
	b = &builder{tiles: tiles{dir: dir, dirty: map[string]bool{}}, lineage: lineage}
	raw, err := os.ReadFile(filepath.Join(dir, positionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	pos, err := parsePosition(raw)
	if err == nil && pos.Lineage != lineage {
		return nil, nil, &RefusedError{Reason: "it was made from another ledger", Do: "if the ledger is the right one, remove the folder " + dir,
			Size: pos.Size, Head: 0}
	}
	if err == nil {
		err = b.load(pos)
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, ledger.ErrFormat) {
		return &builder{tiles: tiles{dir: dir, dirty: map[string]bool{}}, lineage: lineage}, err, nil
	}
	return b, nil, err
}

// load reads the edge of the tree at pos, checks it, and cuts off what comes behind it.
func (b *builder) load(pos position) error {
	b.tree = tree{size: pos.Size}
	b.block, b.saved = pos.Block, pos.Size
	for l := range levels(pos.Size) {
		n := count(pos.Size, l)
		t := tlog.Tile{H: tileHeight, L: l, N: int64(n >> tileHeight), W: int(n % tileWidth)}
		edge := make([]byte, 0, tileSize)
		if t.W > 0 {
			data, err := b.tiles.read(t)
			if err != nil {
				return err
			}
			edge = append(edge, data...)
		}
		if err := b.tiles.cut(t, int64(len(edge))); err != nil {
			return err
		}
		b.tree.edge = append(b.tree.edge, edge)
		b.wrote = append(b.wrote, len(edge))
	}
	root, err := b.tree.root()
	if err != nil {
		return err
	}
	if ledger.Hash(root) != pos.Root {
		return fmt.Errorf("%w: the root at size %d is %s, it was %s", ErrDamaged, pos.Size, ledger.Hash(root), pos.Root)
	}
	return b.loadBundle(pos.Size)
}

// loadBundle checks the bundle of entries at the edge, and cuts off what comes behind it.
func (b *builder) loadBundle(size uint64) error {
	t := tlog.Tile{H: tileHeight, L: entriesLevel, N: int64(size >> tileHeight), W: int(size % tileWidth)}
	if t.W == 0 {
		return b.tiles.cut(t, 0)
	}
	bundle, err := b.tiles.readEntries(t)
	if err != nil {
		return err
	}
	rest := bundle
	for i := range t.W {
		var entry []byte
		if entry, rest, err = nextEntry(rest); err != nil {
			return err
		}
		if h := tlog.RecordHash(entry); string(h[:]) != string(b.tree.edge[0][i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("%w: entry %d is not what its leaf says", ErrDamaged, uint64(t.N)<<tileHeight+uint64(i))
		}
	}
	b.at = int64(len(bundle))
	return b.tiles.cut(t, b.at)
}

// add puts the next commit into the tree, in memory but for the tiles that it completes.
func (b *builder) add(r *ledger.Record) error {
	if uint64(r.Seq) != b.tree.size+1 {
		return fmt.Errorf("the log has %d leaves, so commit %d must come next, not %d", b.tree.size, b.tree.size+1, r.Seq)
	}
	start := len(b.bundle)
	b.bundle = appendEntry(b.bundle, StatementOf(r))
	entry := b.bundle[start+2:]
	if err := b.tree.add(tlog.RecordHash(entry), b.full); err != nil {
		return err
	}
	if b.tree.size%tileWidth != 0 {
		return nil
	}
	if err := b.flushBundle(b.tree.size - 1); err != nil {
		return err
	}
	b.at = 0
	return nil
}

// appendEntry puts a statement behind the entries of a bundle, its length before it.
func appendEntry(bundle []byte, s Statement) []byte {
	start := len(bundle)
	bundle = s.append(append(bundle, 0, 0))
	binary.BigEndian.PutUint16(bundle[start:], uint16(len(bundle)-start-2))
	return bundle
}

// full writes the rest of a tile that has become full.
func (b *builder) full(t tlog.Tile, data []byte) error {
	b.grow()
	at := b.wrote[t.L]
	b.wrote[t.L] = 0
	return b.tiles.write(t, data[at:], int64(at))
}

// grow makes room for the tree's levels.
func (b *builder) grow() {
	for len(b.wrote) < len(b.tree.edge) {
		b.wrote = append(b.wrote, 0)
	}
}

// flush writes what add has left in memory. Then the files are those of the whole tree;
// they are not on stable storage yet.
func (b *builder) flush() error {
	b.grow()
	for l, edge := range b.tree.edge {
		if b.wrote[l] == len(edge) {
			continue
		}
		t := tlog.Tile{H: tileHeight, L: l, N: int64(count(b.tree.size, l) >> tileHeight), W: tileWidth}
		if err := b.tiles.write(t, edge[b.wrote[l]:], int64(b.wrote[l])); err != nil {
			return err
		}
		b.wrote[l] = len(edge)
	}
	return b.flushBundle(b.tree.size)
}

// flushBundle writes the entries that wait into the bundle of leaf.
func (b *builder) flushBundle(leaf uint64) error {
	if len(b.bundle) == 0 {
		return nil
	}
	t := tlog.Tile{H: tileHeight, L: entriesLevel, N: int64(leaf >> tileHeight), W: tileWidth}
	if err := b.tiles.write(t, b.bundle, b.at); err != nil {
		return err
	}
	b.at += int64(len(b.bundle))
	b.bundle = b.bundle[:0]
	return nil
}

// save makes the files durable, and then says in the position's file that they are.
func (b *builder) save() error {
	if err := b.flush(); err != nil {
		return err
	}
	if b.saved == b.tree.size && len(b.tiles.dirty) == 0 {
		return nil
	}
	root, err := b.tree.root()
	if err != nil {
		return err
	}
	pos := position{Version: positionVersion, Lineage: b.lineage, Size: b.tree.size, Root: ledger.Hash(root), Block: b.block}
	raw, err := pos.encode()
	if err != nil {
		return err
	}
	if err := b.tiles.sync(); err != nil {
		return err
	}
	if err := replace(filepath.Join(b.tiles.dir, positionFile), raw, true); err != nil {
		return err
	}
	b.saved = pos.Size
	return nil
}
