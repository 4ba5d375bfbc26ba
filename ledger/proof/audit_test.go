package proof

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitae/ledger"
)

// auditLeaves fill a tile of the second level, and leave every edge partial.
const auditLeaves = 256*256 + 3*256 + 100

// written is a log that was written to its end and closed.
func written(t testing.TB, n int) (cfg Config) {
	t.Helper()
	f := newLedger()
	for left := n; left > 0; left -= 1000 {
		f.grow(min(left, 1000), 1)
	}
	s := newStore()
	dir := t.TempDir()
	l := open(t, dir, f, s)
	stop := run(t, l)
	if err := l.Wait(patient(t), ledger.Seq(n)); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	return Config{Dir: dir, Source: f, Store: s, Sealer: plainSealer{}, Log: slog.New(slog.DiscardHandler)}
}

// audited opens a log that stands still and gives what an audit of n commits finds.
func audited(t testing.TB, cfg Config, n int) []Damage {
	t.Helper()
	cfg.Still = true
	l, err := Open(patient(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Audit()
	if err != nil {
		t.Fatal(err)
	}
	for seq := range n {
		r := record(ledger.Seq(seq+1), 1)
		if err := a.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	return a.Wrong()
}

// about gives the first sequence that byte at of one of the log's files is about, read off
// its name and its whole content.
func about(t testing.TB, name string, content []byte, at int) ledger.Seq {
	t.Helper()
	parts := strings.Split(filepath.ToSlash(name), "/")
	n := 0
	for _, p := range parts[2:] {
		d, err := strconv.Atoi(strings.TrimPrefix(p, "x"))
		if err != nil {
			t.Fatal(err)
		}
		n = n*1000 + d
	}
	if parts[1] != "entries" {
		level, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		span := 1
		for range level {
			span *= 256
		}
		return ledger.Seq((n*256+at/32)*span + 1)
	}
	entry := 0
	for end := 0; ; entry++ {
		if end += 2 + int(content[end])<<8 + int(content[end+1]); at < end {
			return ledger.Seq(n*256 + entry + 1)
		}
	}
}

// TestAnyFlippedBitOfTheFiles: a bit of each of the log's tiles and bundles is turned, full
// ones and partial ones; all are found in one audit, each with the commit that it is about.
func TestAnyFlippedBitOfTheFiles(t *testing.T) {
	cfg := written(t, auditLeaves)
	if wrong := audited(t, cfg, auditLeaves); len(wrong) > 0 {
		t.Fatalf("a whole log: %+v", wrong)
	}
	good := filesIn(t, cfg.Dir)
	names := make([]string, 0, len(good))
	for name := range good {
		names = append(names, name)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(1, 2))
	flips := 0
	for range 10 {
		want := map[string]string{}
		for _, name := range names {
			b := []byte(good[name])
			at := random.IntN(len(b))
			b[at] ^= 1 << random.IntN(8)
			put(t, cfg.Dir, name, b)
			want[name] = fmt.Sprintf("at sequence %d: byte %d is not what the ledger says", about(t, name, []byte(good[name]), at), at)
			flips++
		}
		for _, d := range audited(t, cfg, auditLeaves) {
			name := filepath.FromSlash(d.File)
			if got := fmt.Sprintf("at sequence %d: %s", d.Seq, d.Why); got != want[name] {
				t.Fatalf("%s: found %s; want %s", d.File, got, want[name])
			}
			delete(want, name)
		}
		for name, what := range want {
			t.Fatalf("%s %s: not found", name, what)
		}
	}
	t.Logf("%d bits of %d files", flips, len(names))
}

func put(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAuditOfOtherDamage: a file that is gone, cut or longer, and the files that say how
// far the log is.
func TestAuditOfOtherDamage(t *testing.T) {
	const n = 600
	cfg := written(t, n)
	for name, c := range map[string]struct {
		file string
		harm func([]byte) []byte
		seq  ledger.Seq
		why  string
	}{
		"a tile is missing":      {"tile/0/001", nil, 257, "missing"},
		"a partial tile is gone": {"tile/1/000", nil, 1, "missing"},
		"a tile is cut":          {"tile/0/000", func(b []byte) []byte { return b[:100] }, 4, "cut short at byte 100"},
		"a tile is longer":       {"tile/0/000", func(b []byte) []byte { return append(b, 0) }, 256, "goes on behind its end"},
		"a bundle is missing":    {"tile/entries/002", nil, 513, "missing"},
		"a bundle is cut":        {"tile/entries/000", func(b []byte) []byte { return b[:len(b)-1] }, 256, "cut short"},
		"a bundle is longer":     {"tile/entries/001", func(b []byte) []byte { return append(b, 0) }, 512, "goes on behind its end"},
		"the position":           {"position", func(b []byte) []byte { return b[1:] }, 0, "cannot be read"},
		"the position's root": {"position", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"root":"`), []byte(`"root":"0`), 1)[:len(b)]
		}, 0, "cannot be read"},
		"the remembered checkpoint": {"checkpoint", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, 0, "not a checkpoint"},
	} {
		path := filepath.Join(cfg.Dir, c.file)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.harm == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, c.harm(slices.Clone(good)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		wrong := audited(t, cfg, n)
		if len(wrong) != 1 || wrong[0].Seq != c.seq || !strings.Contains(wrong[0].Why, c.why) || wrong[0].File != c.file {
			t.Errorf("%s: %+v", name, wrong)
		}
		put(t, cfg.Dir, c.file, good)
	}
	// A root that could be one.
	raw, err := os.ReadFile(filepath.Join(cfg.Dir, positionFile))
	if err != nil {
		t.Fatal(err)
	}
	pos, err := parsePosition(raw)
	if err != nil {
		t.Fatal(err)
	}
	pos.Root[0] ^= 1
	if raw, err = pos.encode(); err != nil {
		t.Fatal(err)
	}
	put(t, cfg.Dir, positionFile, raw)
	if wrong := audited(t, cfg, n); len(wrong) != 1 || wrong[0].File != positionFile {
		t.Errorf("%+v", wrong)
	}
}

// TestForget: files that were given up are made anew, and are what they were; what was
// signed is still served for.
func TestForget(t *testing.T) {
	const n = 600
	cfg := written(t, n)
	good := filesIn(t, cfg.Dir)
	put(t, cfg.Dir, "tile/0/000", []byte("nothing"))
	cfg.Still = true
	l, err := Open(patient(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Forget(); err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	if err := l.Wait(patient(t), n); err != nil {
		t.Fatal(err)
	}
	if err := l.Forget(); err == nil {
		t.Error("files were given up while the log was running")
	}
	a, err := l.Audit() // of a log that runs
	if err != nil {
		t.Fatal(err)
	}
	for seq := range n {
		r := record(ledger.Seq(seq+1), 1)
		if err := a.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	if wrong := a.Wrong(); len(wrong) > 0 {
		t.Errorf("%+v", wrong)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for name, b := range filesIn(t, cfg.Dir) {
		if b != good[name] {
			t.Errorf("%s is not what it was", name)
		}
	}
}
