package proof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vitae/ledger"
)

func newTestBuilder(t testing.TB, dir string) *builder {
	t.Helper()
	b, _, err := newBuilder(dir, exampleLineage)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func addUpTo(t testing.TB, b *builder, size int) {
	t.Helper()
	for b.tree.size < uint64(size) {
		r := record(ledger.Seq(b.tree.size+1), 0)
		if err := b.add(&r); err != nil {
			t.Fatal(err)
		}
	}
}

// at1 writes the tiles of a tree at once, without any file: as the specification says.
func at1(t testing.TB, size int) map[string]string {
	t.Helper()
	hashes, _ := plainTree(t, size, 0)
	out := map[string]string{}
	for _, tile := range tlog.NewTiles(tileHeight, 0, int64(size)) {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			t.Fatal(err)
		}
		tile.W = tileWidth
		out[filepath.FromSlash(tilePath(tile))] = string(data)
	}
	for i := range size {
		path := filepath.FromSlash(tilePath(tlog.Tile{H: tileHeight, L: entriesLevel, N: int64(i / tileWidth), W: tileWidth}))
		r := record(ledger.Seq(i+1), 0)
		entry := StatementOf(&r).Encode()
		out[path] += string(binary.BigEndian.AppendUint16(nil, uint16(len(entry)))) + string(entry)
	}
	return out
}

// Tiles that are written in random batches, with crashes that tear everything behind the
// last position anywhere, are those that are written at once.
func TestTilesAfterCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "log")
		if err != nil {
			t.Fatal(err)
		}
		size := rapid.SampledFrom([]int{1, 254, 256, 300, 512}).Draw(rt, "size") + rapid.IntRange(0, 3).Draw(rt, "more")
		b := newTestBuilder(t, dir)
		for b.tree.size < uint64(size) {
			addUpTo(t, b, min(size, int(b.tree.size)+rapid.IntRange(1, 400).Draw(rt, "batch")))
			if rapid.Bool().Draw(rt, "flush") {
				if err := b.flush(); err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.IntRange(0, 5).Draw(rt, "save") == 0 {
				clear(b.tiles.dirty) // the crash is simulated: the disk need not be waited for
				if err := b.save(); err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
				tear(rt, dir, b.saved)
				again := newTestBuilder(t, dir)
				if again.tree.size != b.saved {
					rt.Fatalf("after a crash the log goes on at %d, %d were saved", again.tree.size, b.saved)
				}
				b = again
			}
		}
		if err := b.save(); err != nil {
			rt.Fatal(err)
		}
		if got, want := filesIn(t, dir), at1(t, size); !maps.Equal(got, want) {
			rt.Fatalf("files %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	})
}

// tear cuts or garbles what is in the files behind the durable size, as a crash may.
func tear(t *rapid.T, dir string, saved uint64) {
	err := filepath.WalkDir(filepath.Join(dir, "tile"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		tile, err := parseTilePath(filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		first := uint64(tile.N) << tileHeight
		keep := min(max(count(saved, max(tile.L, 0)), first)-first, tileWidth)
		durable := int(keep) * tlog.HashSize
		if tile.L == entriesLevel {
			durable = 0
			for rest := b; keep > 0; keep-- {
				if _, rest, err = nextEntry(rest); err != nil {
					return err
				}
				durable = len(b) - len(rest)
			}
		}
		tail := rapid.IntRange(0, len(b)-durable).Draw(t, "tail")
		b = b[:durable+tail]
		for i := durable; i < len(b) && tail > 0; i += 1 + tail/8 {
			b[i] = rapid.Byte().Draw(t, "garbage")
		}
		if len(b) == 0 && rapid.Bool().Draw(t, "gone") {
			return os.Remove(path)
		}
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What was durable and is damaged at the edge is noticed, and made anew; so is a position
// that cannot be read.
func TestTilesDamaged(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"leaf changed":   func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/0/002"), 5) },
		"node changed":   func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/1/000"), 5) },
		"entry changed":  func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/entries/002"), 40) },
		"length changed": func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "tile/entries/002"), 0) },
		"tile cut":       func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "tile/0/002"), 31)) },
		"bundle cut":     func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "tile/entries/002"), 31)) },
		"tile gone":      func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "tile/1/000"))) },
		"bundle gone":    func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "tile/entries/002"))) },
		"position cut":   func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, positionFile), 7)) },
		"position of zeros": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, positionFile), make([]byte, 200), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := newTestBuilder(t, dir)
			addUpTo(t, b, 600)
			must(t, b.save())
			if b = newTestBuilder(t, dir); b.tree.size != 600 {
				t.Fatalf("opened at %d", b.tree.size)
			}
			damage(t, dir)
			b, made, err := newBuilder(dir, exampleLineage)
			if err != nil || made == nil || b.tree.size != 0 {
				t.Fatalf("opened at %d, made anew because %v, %v", b.tree.size, made, err)
			}
			addUpTo(t, b, 600)
			must(t, b.save())
			if got, want := filesIn(t, dir), at1(t, 600); !maps.Equal(got, want) {
				t.Error("what was made anew is not what was there before")
			}
		})
	}
	dir := t.TempDir()
	b := newTestBuilder(t, dir)
	addUpTo(t, b, 3)
	must(t, b.save())
	var refused *RefusedError
	if _, _, err := newBuilder(dir, "another"); !errors.As(err, &refused) {
		t.Errorf("the tiles of another ledger: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	b[at] ^= 4
	must(t, os.WriteFile(path, b, 0o600))
}

func TestBundleGolden(t *testing.T) {
	dir := t.TempDir()
	b := newTestBuilder(t, dir)
	addUpTo(t, b, 3)
	must(t, b.save())
	bundle, err := os.ReadFile(filepath.Join(dir, "tile/entries/000"))
	must(t, err)
	golden(t, "entries.bin", bundle)
	tile, err := os.ReadFile(filepath.Join(dir, "tile/0/000"))
	must(t, err)
	golden(t, "tile.bin", tile)
	pos, err := os.ReadFile(filepath.Join(dir, positionFile))
	must(t, err)
	golden(t, "position.json", pos)
}

// The tree that keeps only its edge has the root that the whole one has.
func TestTreeRoot(t *testing.T) {
	const most = 70_000
	var tr tree
	leaf := func(i int) tlog.Hash { return tlog.RecordHash(binary.BigEndian.AppendUint32(nil, uint32(i))) }
	var all []tlog.Hash
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = all[x]
		}
		return out, nil
	})
	for i := range most {
		must(t, tr.add(leaf(i), func(tlog.Tile, []byte) error { return nil }))
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf(i), hashes)
		must(t, err)
		all = append(all, more...)
		if i < 1200 || i > 65_530 && i < 65_540 || rand.IntN(500) == 0 {
			want, err := tlog.TreeHash(int64(i+1), hashes)
			must(t, err)
			if got, err := tr.root(); err != nil || got != want {
				t.Fatalf("size %d: root %v, %v; want %v", i+1, got, err, want)
			}
		}
	}
}

func TestTilePath(t *testing.T) {
	for _, c := range []struct {
		path string
		want tlog.Tile
	}{
		{"tile/0/000", tlog.Tile{H: 8, L: 0, N: 0, W: 256}},
		{"tile/0/x001/x234/067.p/8", tlog.Tile{H: 8, L: 0, N: 1234067, W: 8}},
		{"tile/63/000.p/255", tlog.Tile{H: 8, L: 63, N: 0, W: 255}},
		{"tile/entries/x001/000", tlog.Tile{H: 8, L: -1, N: 1000, W: 256}},
	} {
		if got, err := parseTilePath(c.path); err != nil || got != c.want || tilePath(got) != c.path {
			t.Errorf("%s: %+v, %v", c.path, got, err)
		}
	}
	for _, bad := range []string{"", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/data/000", "tile/8/0/000",
		"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/x000/000", "tile/0/001/000", "tile/0/x001/x000",
		"tile/entries/../0/000", "tile/0/../../key", "/tile/0/000", "tile/0/000/", "tile/entries/entries/000", "tile/0/x999/x999/x999/x999/x999/x999/999"} {
		if got, err := parseTilePath(bad); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%q is read as %+v, %v", bad, got, err)
		}
	}
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/x234/067.p/8")
	f.Add("tile/entries/x001/000")
	f.Fuzz(func(t *testing.T, path string) {
		if tile, err := parseTilePath(path); err == nil && tilePath(tile) != path {
			t.Errorf("%q was read as %+v", path, tile)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	p := position{Version: positionVersion, Lineage: exampleLineage, Size: 7, Root: ledger.HashOf([]byte("r")), Block: ledger.HashOf([]byte("b"))}
	b, err := p.encode()
	must(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := parsePosition(in)
		if err != nil {
			return
		}
		if again, err := p.encode(); err != nil || !bytes.Equal(again, in) {
			t.Errorf("%q was read as %+v", in, p)
		}
	})
}
