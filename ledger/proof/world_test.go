package proof

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

const exampleLineage = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

// fakeLedger is a ledger of made-up commits. Equal salts give equal commits.
type fakeLedger struct {
	lineage string
	mu      sync.Mutex
	blocks  []Block
	seq     ledger.Seq
	grown   chan struct{}
}

func newLedger() *fakeLedger {
	return &fakeLedger{lineage: exampleLineage, grown: make(chan struct{})}
}

// record is the commit seq of all ledgers with that salt.
func record(seq ledger.Seq, salt byte) ledger.Record {
	raw := binary.BigEndian.AppendUint64([]byte{salt}, uint64(seq))
	h := ledger.HashOf(raw)
	return ledger.Record{Seq: seq, Hash: h, Raw: raw, Commit: &ledger.Commit{ID: ledger.CommitID(h[:16]), Profile: ledger.ProfileID(h[16:]),
		Time: time.UnixMilli(1_700_000_000_000 + int64(seq)).UTC(), Prev: ledger.HashOf(raw[:4])}}
}

// grow appends a block of n commits.
func (f *fakeLedger) grow(n int, salt byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := Block{}
	if len(f.blocks) > 0 {
		b.Prev = f.blocks[len(f.blocks)-1].Hash
	}
	sum := b.Prev[:]
	for range n {
		f.seq++
		r := record(f.seq, salt)
		b.Commits = append(b.Commits, r)
		sum = append(sum, r.Hash[:]...)
	}
	b.Hash = ledger.HashOf(sum)
	f.blocks = append(f.blocks, b)
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fakeLedger) Lineage() string { return f.lineage }

func (f *fakeLedger) Head(context.Context) (ledger.Seq, ledger.Hash, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.blocks) == 0 {
		return 0, ledger.Hash{}, nil
	}
	return f.seq, f.blocks[len(f.blocks)-1].Hash, nil
}

func (f *fakeLedger) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		for i := 0; ; i++ {
			f.mu.Lock()
			for i >= len(f.blocks) {
				grown := f.grown
				f.mu.Unlock()
				select {
				case <-grown:
				case <-ctx.Done():
					yield(Block{}, ctx.Err())
					return
				}
				f.mu.Lock()
			}
			b := f.blocks[i]
			f.mu.Unlock()
			if last := b.Commits[len(b.Commits)-1].Seq; last < from {
				continue
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// memoryStore is a Store in memory.
type memoryStore struct {
	mu     sync.Mutex
	values map[string][]byte
	revs   map[string]uint64
}

func newStore() *memoryStore {
	return &memoryStore{values: map[string][]byte{}, revs: map[string]uint64{}}
}

func (s *memoryStore) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revs[key] == 0 {
		return nil, 0, ledger.ErrNotFound
	}
	return s.values[key], s.revs[key], nil
}

func (s *memoryStore) Create(_ context.Context, key string, value []byte) error {
	return s.write(key, value, 0, ledger.ErrExists)
}

func (s *memoryStore) Update(_ context.Context, key string, value []byte, revision uint64) error {
	return s.write(key, value, revision, ledger.ErrConflict)
}

func (s *memoryStore) write(key string, value []byte, revision uint64, otherwise error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revs[key] != revision {
		return otherwise
	}
	s.values[key], s.revs[key] = value, revision+1
	return nil
}

// hooked is a store that calls before each write.
type hooked struct {
	*memoryStore
	before func(key string)
}

func (s hooked) Create(ctx context.Context, key string, value []byte) error {
	s.before(key)
	return s.memoryStore.Create(ctx, key, value)
}

func (s hooked) Update(ctx context.Context, key string, value []byte, revision uint64) error {
	s.before(key)
	return s.memoryStore.Update(ctx, key, value, revision)
}

// copied is the store as it is now.
func (s *memoryStore) copied() *memoryStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := newStore()
	for k := range s.values {
		c.values[k], c.revs[k] = s.values[k], s.revs[k]
	}
	return c
}

// plainSealer seals nothing, and notices another id.
type plainSealer struct{}

func (plainSealer) SealSystem(purpose, id string, plain []byte) ([]byte, error) {
	return append([]byte(purpose+"/"+id+"\n"), plain...), nil
}

func (plainSealer) OpenSystem(purpose, id string, sealed []byte) ([]byte, error) {
	n := len(purpose + "/" + id + "\n")
	if len(sealed) < n || string(sealed[:n]) != purpose+"/"+id+"\n" {
		return nil, fmt.Errorf("sealed as something else")
	}
	return sealed[n:], nil
}

// patient bounds every wait of a test; it is long because test machines are busy.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, dir string, f *fakeLedger, s Store, witnesses ...string) *Log {
	t.Helper()
	l, err := Open(patient(t), Config{Dir: dir, Source: f, Store: s, Sealer: plainSealer{}, Witnesses: witnesses, Interval: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs a log until stop is called, which gives what Run said.
func run(t testing.TB, l *Log) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() { _ = stop() }) // what it says is for the test that called it
	return stop
}

// plainTree is the slow and sure tree of the first n commits: every hash of it.
func plainTree(t testing.TB, n int, salt byte) (hashes tlog.HashReaderFunc, root func(size int) ledger.Hash) {
	t.Helper()
	var all []tlog.Hash
	hashes = func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = all[x]
		}
		return out, nil
	}
	for i := range n {
		r := record(ledger.Seq(i+1), salt)
		more, err := tlog.StoredHashes(int64(i), StatementOf(&r).Encode(), hashes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	return hashes, func(size int) ledger.Hash {
		h, err := tlog.TreeHash(int64(size), hashes)
		if err != nil {
			t.Fatal(err)
		}
		return ledger.Hash(h)
	}
}

// files reads every tile and bundle in a log's folder.
func filesIn(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "tile"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		if len(b) > 0 {
			out[rel] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
