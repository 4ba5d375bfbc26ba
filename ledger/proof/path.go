package proof

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// entriesLevel is the level of the bundles of entries in a tlog.Tile.
const entriesLevel = -1

// maxPath bounds the path of a tile, in bytes; the longest there can be has 38.
const maxPath = 64

// tilePath is the path of a tile or a bundle of entries in the layout of C2SP tlog-tiles,
// beginning with "tile/".
func tilePath(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), "tile/8/")
	if t.L == entriesLevel {
		p = "entries" + strings.TrimPrefix(p, "data")
	}
	return "tile/" + p
}

// parseTilePath is the inverse of tilePath. A path that tilePath does not give is
// ledger.ErrNotFound: there is no such tile in any tree.
func parseTilePath(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if bundles, yes := strings.CutPrefix(rest, "entries/"); yes {
		rest = "data/" + bundles
	} else if strings.HasPrefix(rest, "data/") {
		ok = false
	}
	t, err := tlog.ParseTilePath("tile/8/" + rest)
	if !ok || err != nil || len(path) > maxPath || t.H != tileHeight || t.L > 63 || t.N < 0 || uint64(t.N) > maxSize || tilePath(t) != path {
		return tlog.Tile{}, fmt.Errorf("tile %.64q: %w", path, ledger.ErrNotFound)
	}
	return t, nil
}

// within says whether a tile is in a tree of the given size. A tile that is full in the
// tree is there at every width.
func within(t tlog.Tile, size uint64) bool {
	return uint64(t.N)<<tileHeight+uint64(t.W) <= count(size, max(t.L, 0))
}
