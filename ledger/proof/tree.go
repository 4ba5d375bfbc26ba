package proof

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// The shape of tiles (C2SP tlog-tiles): 256 hashes of 32 bytes, a level of tiles every
// eight levels of the tree.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	tileSize   = tileWidth * tlog.HashSize
)

// tree is a Merkle tree that grows at its right edge, of which only that edge is in
// memory: of each level of tiles the last one, as far as it goes.
type tree struct {
	size uint64
	edge [][]byte // edge[l]: the hashes of the tile at level l that is not full; less than tileSize
}

// count is how many hashes level l of tiles has in a tree of the given size.
func count(size uint64, l int) uint64 { return size >> (tileHeight * uint(l)) }

// levels is how many levels of tiles a tree of the given size has.
func levels(size uint64) (n int) {
	for count(size, n) > 0 {
		n++
	}
	return n
}

// add puts a leaf behind the last one. full is called with every tile that becomes full,
// from the leaves up; data is the tree's until it returns. After an error of full the
// tree is of no more use.
func (t *tree) add(leaf tlog.Hash, full func(tile tlog.Tile, data []byte) error) error {
	t.size++
	for l, h := 0, leaf; ; l++ {
		if l == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, tileSize))
		}
		t.edge[l] = append(t.edge[l], h[:]...)
		if len(t.edge[l]) < tileSize {
			return nil
		}
		n := count(t.size, l)>>tileHeight - 1
		if err := full(tlog.Tile{H: tileHeight, L: l, N: int64(n), W: tileWidth}, t.edge[l]); err != nil {
			return err
		}
		h = subtree(t.edge[l])
		t.edge[l] = t.edge[l][:0]
	}
}

// subtree is the hash over a full tile.
func subtree(hashes []byte) tlog.Hash {
	var level [tileWidth]tlog.Hash
	for i := range level {
		level[i] = tlog.Hash(hashes[i*tlog.HashSize : (i+1)*tlog.HashSize])
	}
	for n := tileWidth / 2; n > 0; n /= 2 {
		for i := range n {
			level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
	}
	return level[0]
}

// root is the hash of the whole tree.
func (t *tree) root() (tlog.Hash, error) {
	return tlog.TreeHash(int64(t.size), tileHashes(func(tile tlog.Tile) ([]byte, error) {
		if tile.L >= len(t.edge) || uint64(tile.N) != count(t.size, tile.L)>>tileHeight || len(t.edge[tile.L]) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is not at the edge of a tree of size %d", tile.Path(), t.size)
		}
		return t.edge[tile.L], nil
	}))
}

// tileHashes reads stored hashes out of tiles: read gives at least the tile's W hashes.
// It trusts what it reads; tlog.TileHashReader does not.
func tileHashes(read func(tlog.Tile) ([]byte, error)) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(tileHeight, index)
			data, err := read(tile)
			if err != nil {
				return nil, err
			}
			if out[i], err = tlog.HashFromTile(tile, data, index); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}
