package server

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
)

// flipsEnv is how many bits are turned on disk; make flips sets more than the test does.
const flipsEnv = "VITAE_FLIPS"

// stopped is a data folder that was written to and closed, as its ledger reads.
type stopped struct {
	*testing.T
	dir    string
	blocks [][]byte
}

func newStopped(t *testing.T, edits int) *stopped {
	t.Helper()
	s := &stopped{T: t, dir: filepath.Join(t.TempDir(), "data")}
	n := startNode(t, s.dir)
	id := n.create(map[string]any{"firstName": "Jane"})
	other := n.create(map[string]any{"firstName": "John"})
	for i := range edits {
		p := id
		if i%3 == 0 {
			p = other
		}
		n.call(200, "PATCH", "/v1/profiles/"+p.String(), map[string]any{"city": fmt.Sprint("city ", i)}, "Idempotency-Key", fmt.Sprint("edit ", i))
	}
	head, err := n.s.core.Ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.s.core.Log.Wait(t.Context(), head.Seq); err != nil {
		t.Fatal(err)
	}
	n.stop()
	s.blocks = s.read(s.dir)
	if r := s.check(s.copied(), false); len(r.Findings) > 0 || len(s.blocks) < edits {
		t.Fatalf("%d blocks, %+v", len(s.blocks), r.Findings)
	}
	return s
}

func (s *stopped) config(dir string) config.Config {
	return config.Config{Data: dir, Replicas: 1}
}

// read gives every block of the ledger in a folder.
func (s *stopped) read(dir string) (blocks [][]byte) {
	s.Helper()
	c, err := openCore(s.Context(), s.config(dir), slog.New(slog.DiscardHandler), true)
	if err != nil {
		s.Fatal(err)
	}
	for e, err := range c.Ledger.Blocks().Read(s.Context(), 1) {
		if err != nil {
			s.Fatal(err)
		}
		blocks = append(blocks, e.Payload)
	}
	if err := c.Close(context.Background()); err != nil {
		s.Fatal(err)
	}
	return blocks
}

func (s *stopped) check(dir string, repair bool) fsck.Report {
	s.Helper()
	r, err := CheckData(s.Context(), s.config(dir), repair, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// copied is a copy of the folder.
func (s *stopped) copied() string {
	s.Helper()
	to := filepath.Join(s.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(s.dir)); err != nil {
		s.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "master.key"), 0o600); err != nil {
		s.Fatal(err)
	}
	return to
}

// files are the paths in the folder that end with one of the given endings.
func (s *stopped) files(in string, keep func(path string) bool) (paths []string) {
	s.Helper()
	err := fs.WalkDir(os.DirFS(s.dir), in, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && keep(path) {
			if info, err := d.Info(); err != nil || info.Size() == 0 {
				return err
			}
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		s.Fatalf("no files below %s: %v", in, err)
	}
	return paths
}

// turn turns a bit of a file.
func (s *stopped) turn(dir, path string, random *rand.Rand) (at int) {
	s.Helper()
	path = filepath.Join(dir, path)
	b, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	at = random.IntN(len(b))
	b[at] ^= 1 << random.IntN(8)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.Fatal(err)
	}
	return at
}

// TestBitsOnDisk: a bit of the engine's own files is turned in a folder that is stopped. A
// check of the folder either says that something is not intact, or every block of the
// ledger reads as it did.
func TestBitsOnDisk(t *testing.T) {
	flips := 80
	if text := os.Getenv(flipsEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", flipsEnv, err)
		}
		flips = n
	}
	s := newStopped(t, 30)
	ledgers := s.files("engine", func(p string) bool { return strings.HasSuffix(p, ".blk") && strings.Contains(p, "/LEDGER") })
	all := s.files("engine", func(p string) bool { return strings.HasSuffix(p, ".blk") })
	if len(all) <= len(ledgers) {
		t.Fatal("there are no other streams")
	}
	random := rand.New(rand.NewPCG(1, uint64(flips)))
	counts := map[string]int{}
	for i := range flips {
		path := ledgers[random.IntN(len(ledgers))]
		if i%8 == 7 {
			path = all[random.IntN(len(all))]
		}
		dir := s.copied()
		at := s.turn(dir, path, random)
		r, err := CheckData(t.Context(), s.config(dir), false, slog.New(slog.DiscardHandler), nil)
		switch {
		case err != nil: // nothing opens, and it says why
			if strings.Contains(path, "/LEDGER") {
				t.Errorf("byte %d of %s: %v", at, path, err)
			}
			counts["refused"]++
		case len(r.Findings) > 0:
			if text := r.Findings[0].Why; strings.Contains(path, "/LEDGER") && r.Findings[0].Seq == 0 {
				t.Errorf("byte %d of %s: found, but not where: %s", at, path, text)
			}
			counts["found"]++
		default:
			if now := s.read(dir); !slices.EqualFunc(now, s.blocks, bytes.Equal) {
				t.Fatalf("byte %d of %s: nothing was found, and the ledger reads otherwise: %d blocks, there were %d", at, path, len(now), len(s.blocks))
			}
			counts["harmless"]++
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bits: %v", flips, counts)
	if counts["found"] == 0 {
		t.Error("nothing was found")
	}
}

// TestLastBlockOnDisk: when the ledger's last block is damaged on disk, that is where the
// check finds it, and a server does not start behind what is left.
func TestLastBlockOnDisk(t *testing.T) {
	s := newStopped(t, 5)
	last := s.blocks[len(s.blocks)-1]
	for _, path := range s.files("engine", func(p string) bool { return strings.HasSuffix(p, ".blk") && strings.Contains(p, "/LEDGER") }) {
		full := filepath.Join(s.dir, path)
		b, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, last); at >= 0 {
			b[at+len(last)/2] ^= 4
			if err := os.WriteFile(full, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := s.check(s.dir, true)
	if len(r.Findings) == 0 || r.Findings[0].Invariant != "L4" || int(r.Findings[0].Seq) != len(s.blocks) {
		t.Errorf("%d blocks: %+v", len(s.blocks), r.Findings)
	}
	if core, err := OpenCore(t.Context(), s.config(s.dir), slog.New(slog.DiscardHandler)); err == nil {
		_ = core.Close(context.Background()) // it must not be open at all
		t.Error("it was opened")
	}
}

// TestBitsOfTheLog: damage in the log's own files is found and located by a check that
// changes nothing, and --repair makes them what they were; by a running server too.
func TestBitsOfTheLog(t *testing.T) {
	s := newStopped(t, 20)
	random := rand.New(rand.NewPCG(3, 4))
	names := s.files("log", func(p string) bool { return strings.HasPrefix(p, "log/tile/") })
	good := map[string][]byte{}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := func(how string) {
		t.Helper()
		for _, name := range names {
			if !bytes.HasPrefix(read(name), good[name]) {
				t.Errorf("%s: %s is not what it was", how, name)
			}
		}
	}
	wrong := func(r fsck.Report) (n int) {
		for _, f := range r.Findings {
			if f.Invariant != "P2" || f.Seq == 0 || f.View != "log" {
				t.Errorf("%+v", f)
			}
			n++
		}
		return n
	}
	for _, name := range names {
		good[name] = read(name)
		s.turn(s.dir, name, random)
	}
	for range 2 { // a check changes nothing
		if r := s.check(s.dir, false); wrong(r) != len(names) {
			t.Errorf("%d files: %+v", len(names), r.Findings)
		}
	}
	if r := s.check(s.dir, true); len(r.Findings) > 0 || !slices.Equal(r.Rebuilt, []string{"log"}) {
		t.Errorf("%+v", r)
	}
	whole("a repaired folder")

	n := startNode(t, s.dir)
	defer n.stop()
	head, err := n.s.core.Ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.s.core.Log.Wait(t.Context(), head.Seq); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.turn(s.dir, name, random)
	}
	r, err := n.s.core.check(t.Context(), n.s.lanes, false, nil)
	if err != nil || wrong(r) != len(names) {
		t.Errorf("%d files: %+v %v", len(names), r.Findings, err)
	}
	r, err = n.s.core.check(t.Context(), n.s.lanes, true, nil)
	if err != nil || len(r.Findings) > 0 || !slices.Equal(r.Rebuilt, []string{"log"}) {
		t.Errorf("%+v %v", r, err)
	}
	whole("a repaired server")
	n.create(map[string]any{"firstName": "Joe"}) // and it goes on
	if err := n.s.core.Log.Wait(t.Context(), head.Seq+1); err != nil {
		t.Error(err)
	}
}
