package proof

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// Damage is one of the log's files that is not what the ledger makes of it.
type Damage struct {
	File string     // in the log's folder
	Seq  ledger.Seq // of the first commit that the wrong part is about; 0 when it is about all
	Why  string
}

// Audit compares the log's files with a ledger that is read from its first commit: Add
// takes its commits one by one. Each file is read once, when
// everything that it must hold is known. What is not on stable storage yet by the log's
// position is not looked at in a log that stands still; a log that runs is compared as far
// as it was when the audit began. An audit belongs to one goroutine.
type Audit struct {
	log    *Log
	loads  uint64 // of the log, when the audit began
	size   uint64 // leaves that are compared
	root   ledger.Hash
	files  *tiles
	tree   tree
	bundle []byte // the entries of the bundle at the edge
	wrong  []Damage
}

// Audit begins one.
func (l *Log) Audit() (*Audit, error) {
	a := &Audit{log: l, files: l.files()}
	if err := a.remembered(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	a.size, a.loads = l.size, l.loads
	l.mu.Unlock()
	if !l.cfg.Still {
		return a, nil
	}
	raw, err := os.ReadFile(filepath.Join(l.cfg.Dir, positionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil // it is all made anew at the next start
	}
	if err != nil {
		return nil, err
	}
	pos, err := parsePosition(raw)
	switch {
	case err != nil:
		a.damaged(positionFile, 0, "it cannot be read")
	case pos.Lineage != l.cfg.Source.Lineage():
		a.damaged(positionFile, 0, "it was made from another ledger")
	default:
		a.size, a.root = pos.Size, pos.Root
	}
	return a, nil
}

// remembered looks at the copy of the last checkpoint. An empty one was torn by a power
// cut: the file is not synced each time.
func (a *Audit) remembered() error {
	raw, err := os.ReadFile(filepath.Join(a.log.cfg.Dir, rememberedFile))
	if errors.Is(err, fs.ErrNotExist) || len(raw) == 0 && err == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := ParseCheckpoint(raw, a.log.Key()); err != nil {
		a.damaged(rememberedFile, 0, "it is not a checkpoint that the log has signed")
	}
	return nil
}

func (a *Audit) damaged(file string, seq ledger.Seq, why string) {
	a.wrong = append(a.wrong, Damage{File: file, Seq: seq, Why: why})
}

// Add takes the next commit.
func (a *Audit) Add(r *ledger.Record) error {
	start := len(a.bundle)
	a.bundle = appendEntry(a.bundle, StatementOf(r))
	if err := a.tree.add(tlog.RecordHash(a.bundle[start+2:]), a.tile); err != nil {
		return err
	}
	switch {
	case a.tree.size > a.size:
		a.bundle = a.bundle[:0]
		return nil
	case a.tree.size == a.size:
		return a.edge()
	case a.tree.size%tileWidth == 0:
		return a.entries(tileWidth)
	}
	return nil
}

// Root is the hash of the tree of all commits so far: what a checkpoint of that size must
// say.
func (a *Audit) Root() (ledger.Hash, error) {
	root, err := a.tree.root()
	return ledger.Hash(root), err
}

// edge compares what is not full at the size of the audit.
func (a *Audit) edge() error {
	for l, data := range a.tree.edge {
		if len(data) == 0 {
			continue
		}
		t := tlog.Tile{H: tileHeight, L: l, N: int64(count(a.size, l) >> tileHeight), W: len(data) / tlog.HashSize}
		if err := a.compare(t, data); err != nil {
			return err
		}
	}
	if root, err := a.Root(); err != nil {
		return err
	} else if !a.root.IsZero() && root != a.root {
		a.damaged(positionFile, 0, fmt.Sprintf("it says that the root at size %d is %s, but the ledger's is %s", a.size, a.root, root))
	}
	if w := int(a.size % tileWidth); w > 0 {
		return a.entries(w)
	}
	return a.entries(tileWidth)
}

// tile compares a tile that has become full.
func (a *Audit) tile(t tlog.Tile, data []byte) error {
	if a.tree.size > a.size {
		return nil
	}
	return a.compare(t, data)
}

// compare reads a tile's file and compares its beginning; a full one has no more.
func (a *Audit) compare(t tlog.Tile, want []byte) error {
	have, err := a.read(t)
	if err != nil {
		return err
	}
	at := differ(have, want, t.W == tileWidth)
	if at < 0 || a.anew() {
		return nil
	}
	first := uint64(t.N)<<tileHeight + uint64(min(at/tlog.HashSize, t.W-1))
	a.damaged(fileOf(t), ledger.Seq(first<<(tileHeight*uint(t.L))+1), why(have, want, at))
	return nil
}

// entries compares the bundle at the edge, which has w entries, and begins the next one.
func (a *Audit) entries(w int) error {
	t := tlog.Tile{H: tileHeight, L: entriesLevel, N: int64((a.tree.size - 1) >> tileHeight), W: w}
	have, err := a.read(t)
	if err != nil {
		return err
	}
	if at := differ(have, a.bundle, w == tileWidth); at >= 0 && !a.anew() {
		n, rest := uint64(0), a.bundle
		for entry := []byte(nil); n < uint64(w)-1; n++ {
			if entry, rest, err = nextEntry(rest); err != nil {
				return err
			}
			if at -= 2 + len(entry); at < 0 {
				break
			}
		}
		a.damaged(fileOf(t), ledger.Seq(uint64(t.N)<<tileHeight+n+1), why(have, a.bundle, differ(have, a.bundle, w == tileWidth)))
	}
	a.bundle = a.bundle[:0]
	return nil
}

// fileOf names the file that a tile is in, or is the beginning of.
func fileOf(t tlog.Tile) string {
	t.W = tileWidth
	return tilePath(t)
}

// read gives a file as it is; empty when it is not there.
func (a *Audit) read(t tlog.Tile) ([]byte, error) {
	b, err := os.ReadFile(a.files.file(t))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// differ is the first byte at which a file is not what it should be; -1 when it is. Behind
// what is wanted nothing may follow if it is whole.
func differ(have, want []byte, whole bool) int {
	if bytes.HasPrefix(have, want) && (!whole || len(have) == len(want)) {
		return -1
	}
	n := min(len(have), len(want))
	for i := range n {
		if have[i] != want[i] {
			return i
		}
	}
	return n
}

func why(have, want []byte, at int) string {
	switch {
	case len(have) == 0:
		return "it is missing or empty"
	case at == len(have):
		return fmt.Sprintf("it is cut short at byte %d", at)
	case at == len(want):
		return fmt.Sprintf("it goes on behind its end, byte %d", at)
	}
	return fmt.Sprintf("byte %d is not what the ledger says", at)
}

// anew says whether the log has opened its files again since the audit began: then they
// are being written, and say nothing.
func (a *Audit) anew() bool {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	return a.log.loads != a.loads
}

// Wrong takes what was found since it was asked last.
func (a *Audit) Wrong() []Damage {
	w := a.wrong
	a.wrong = nil
	return w
}

// Forget gives up the files: Run then makes them anew from the ledger's first commit. What
// was signed stays as it is. It must not be called while Run runs.
func (l *Log) Forget() error {
	if l.running.Load() {
		return errors.New("the log is running")
	}
	names := []string{positionFile}
	if _, err := l.remembered(); errors.Is(err, ledger.ErrNotFound) {
		names = append(names, rememberedFile) // it says nothing
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(l.cfg.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncPath(l.cfg.Dir); err != nil {
		return err
	}
	l.builder = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size, l.served = 0, Checkpoint{}
	l.changed()
	return nil
}
