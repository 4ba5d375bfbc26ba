// Package fake is a ledger for the tests of projections: in memory, written by a script of
// random edits, with the faults a real one can have.
package fake

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Ledger is a projections.Source over blocks in memory, stored and parsed as the real ones.
type Ledger struct {
	// Stall, when set, is called before each block is yielded; an error ends the reading.
	// Set it before anybody reads.
	Stall func(ctx context.Context, first ledger.Seq) error
	// Name is the lineage.
	Name string

	mu     sync.Mutex
	blocks [][]byte
	firsts []ledger.Seq
	head   stream.Head
	grown  chan struct{}
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{Name: "01JLEDGER0000000000000000A", grown: make(chan struct{})}
}

// Lineage implements projections.Source.
func (l *Ledger) Lineage() string { return l.Name }

// Head implements projections.Source.
func (l *Ledger) Head(ctx context.Context) (stream.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, ctx.Err()
}

// Append writes one block of commits.
func (l *Ledger) Append(commits ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.head.Seq + 1
	b := ledger.AppendBlock(nil, ledger.CommitID{1: byte(first), 2: byte(first >> 8)}, first, l.head.Hash, commits)
	l.put(b, first, len(commits))
}

// Garbage appends a block that nobody can read, in the place of one commit.
func (l *Ledger) Garbage() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put([]byte(`{"v":9}`), l.head.Seq+1, 1)
}

func (l *Ledger) put(b []byte, first ledger.Seq, commits int) {
	l.blocks = append(l.blocks, b)
	l.firsts = append(l.firsts, first)
	l.head.Seq += ledger.Seq(commits)
	l.head.Hash = ledger.HashOf(b)
	l.head.Pos++
	close(l.grown)
	l.grown = make(chan struct{})
}

// Copy is the ledger as it was after its first n blocks, with the same lineage.
func (l *Ledger) Copy(n int) *Ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := New()
	c.Name = l.Name
	for i, b := range l.blocks[:n] {
		end := l.head.Seq + 1
		if i+1 < len(l.firsts) {
			end = l.firsts[i+1]
		}
		c.put(b, l.firsts[i], int(end-l.firsts[i]))
	}
	return c
}

// Forget frees the blocks there are; they cannot be read any more.
func (l *Ledger) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.blocks)
}

// Blocks is how many blocks there are.
func (l *Ledger) Blocks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.blocks)
}

// Read implements projections.Source.
func (l *Ledger) Read(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error] {
	return l.walk(ctx, from, false)
}

// Follow implements projections.Source.
func (l *Ledger) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error] {
	return l.walk(ctx, from, true)
}

func (l *Ledger) walk(ctx context.Context, from ledger.Seq, follow bool) iter.Seq2[stream.Located, error] {
	return func(yield func(stream.Located, error) bool) {
		l.mu.Lock()
		end := len(l.blocks)
		i, found := slices.BinarySearch(l.firsts, from)
		if !found && i > 0 && from <= l.head.Seq {
			i--
		}
		l.mu.Unlock()
		for ; ; i++ {
			l.mu.Lock()
			grown := l.grown
			if follow {
				end = len(l.blocks)
			}
			var raw []byte
			var first ledger.Seq
			if i < end {
				raw, first = l.blocks[i], l.firsts[i]
			}
			l.mu.Unlock()
			if raw == nil {
				if !follow {
					return
				}
				select {
				case <-grown:
					i--
					continue
				case <-ctx.Done():
					yield(stream.Located{}, ctx.Err())
					return
				}
			}
			if l.Stall != nil {
				if err := l.Stall(ctx, first); err != nil {
					yield(stream.Located{}, err)
					return
				}
			}
			b, err := ledger.ParseBlock(raw)
			if err != nil {
				yield(stream.Located{}, &stream.BlockError{Pos: uint64(i + 1), First: first, Err: err})
				return
			}
			if skip := int(from) - int(b.First); skip > 0 {
				b.Commits = b.Commits[skip:]
			}
			if !yield(stream.Located{Block: b, Pos: uint64(i + 1), Hash: ledger.HashOf(raw)}, nil) {
				return
			}
		}
	}
}

// All gives every commit.
func (l *Ledger) All() []ledger.Record {
	var all []ledger.Record
	for b, err := range l.Read(context.Background(), 1) {
		if err != nil {
			panic(err)
		}
		all = append(all, b.Commits...)
	}
	return all
}

// Fold is the clean fold of the commits up to seq: what every projection is compared with.
func Fold(all []ledger.Record, seq ledger.Seq) map[ledger.ProfileID]*ledger.Profile {
	states := map[ledger.ProfileID]*ledger.Profile{}
	for _, r := range all {
		if r.Seq > seq {
			break
		}
		p := states[r.Commit.Profile]
		if p == nil {
			p = ledger.NewProfile(r.Commit.Profile)
			states[r.Commit.Profile] = p
		}
		if err := p.Check(r.Seq, r.Commit); err != nil {
			panic(err)
		}
		p.Apply(r.Seq, r.Hash, r.Commit)
	}
	return states
}

// Script writes random commits that follow each other properly.
type Script struct {
	Rand   *rand.Rand
	Ledger *Ledger
	// Edits is how many events a commit has.
	Edits int
	// Cycle makes life-cycle steps (resumes, connections, erasure) now and then.
	Cycle bool
	// Idem gives every commit an idempotency key.
	Idem bool

	IDs    []ledger.ProfileID
	heads  map[ledger.ProfileID]*link
	seq    uint64
	millis int64
	// waiting is the block being gathered.
	waiting [][]byte
}

type link struct {
	prev    ledger.Hash
	resumes []string
	items   int
	erased  bool
}

// Start is the time of the first commit.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// NewScript writes into l about the given number of profiles.
func NewScript(l *Ledger, seed uint64, profiles int) *Script {
	s := &Script{Rand: rand.New(rand.NewPCG(seed, 1)), Ledger: l, Edits: 5, heads: map[ledger.ProfileID]*link{}}
	for i := range profiles {
		var id ledger.ProfileID
		s.bytes(id[:])
		id[0], id[1], id[2], id[3] = 1, byte(i>>16), byte(i>>8), byte(i) // made one after the other, as ULIDs are
		s.IDs = append(s.IDs, id)
		s.heads[id] = &link{}
	}
	return s
}

func (s *Script) bytes(b []byte) {
	for i := range b {
		b[i] = byte(s.Rand.Uint32())
	}
}

// Write appends n commits of random profiles in blocks of up to size.
func (s *Script) Write(n, size int) {
	for range n {
		s.Commit(s.IDs[s.Rand.IntN(len(s.IDs))])
		if len(s.waiting) >= size || s.Rand.IntN(size) == 0 {
			s.Block()
		}
	}
	s.Block()
}

// Block writes what was gathered.
func (s *Script) Block() {
	if len(s.waiting) > 0 {
		s.Ledger.Append(s.waiting...)
		s.waiting = nil
	}
}

var scalars = []string{"firstName", "lastName", "email", "phone", "address", "country", "province", "birthDate", "jobTitle",
	"summary", "sector", "employer", "linkedIn", "website", "headline", "city", "firstName@fr_FR", "nexudus.onNewWallPost"}

var collections = []string{"workExperiences", "educations", "skills", "languages", "projects"}

// Commit adds one commit of the profile to the block being gathered.
func (s *Script) Commit(id ledger.ProfileID) {
	h := s.heads[id]
	s.seq++
	s.millis += s.Rand.Int64N(3)
	c := &ledger.Commit{Profile: id, Time: Start.Add(time.Duration(s.millis) * time.Millisecond), Prev: h.prev,
		Meta: ledger.Meta{Actor: "admin", Via: "native", RequestID: fmt.Sprintf("req-%d", s.seq)}}
	s.bytes(c.ID[6:])
	c.ID[0] = 1
	if s.Idem {
		c.Idem = &ledger.Idem{}
		s.bytes(c.Idem.Key[:])
		s.bytes(c.Idem.Body[:])
	}
	if h.prev.IsZero() {
		c.Events = append(c.Events, ledger.Event{View: ledger.Shared, Op: ledger.OpCreated})
		h.resumes = []string{ledger.Base}
	}
	switch {
	case h.erased: // an erased profile takes nothing but a second erasure
		c.Events = append(c.Events, ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
	case s.Cycle && s.Rand.IntN(40) == 0:
		s.cycle(h, c)
	default:
		for range s.Edits {
			s.edit(h, c)
		}
	}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		panic(err)
	}
	h.prev = ledger.HashOf(raw)
	s.waiting = append(s.waiting, raw)
}

// One gives one commit without writing it: the first of the first profile.
func (s *Script) One() []byte {
	s.Commit(s.IDs[0])
	one := s.waiting[len(s.waiting)-1]
	s.waiting = s.waiting[:len(s.waiting)-1]
	return one
}

// First is a commit that says it is the first of its profile.
func First(id ledger.ProfileID) []byte {
	raw, err := ledger.AppendCommit(nil, &ledger.Commit{ID: ledger.CommitID{9}, Profile: id, Time: Start.Add(time.Hour),
		Events: []ledger.Event{{View: ledger.Shared, Op: ledger.OpCreated}}})
	if err != nil {
		panic(err)
	}
	return raw
}

func (s *Script) sealed(e ledger.Event) ledger.Event {
	e.Sealed = make([]byte, 60+s.Rand.IntN(60))
	s.bytes(e.Sealed)
	s.bytes(e.Commitment[:])
	return e
}

func (s *Script) edit(h *link, c *ledger.Commit) {
	view := h.resumes[s.Rand.IntN(len(h.resumes))]
	list := collections[s.Rand.IntN(len(collections))]
	switch n := s.Rand.IntN(20); {
	case n < 12:
		c.Events = append(c.Events, s.sealed(ledger.Event{View: ledger.Shared, Field: scalars[s.Rand.IntN(len(scalars))], Op: ledger.OpSet}))
	case n == 12:
		c.Events = append(c.Events, ledger.Event{View: ledger.Shared, Field: scalars[s.Rand.IntN(len(scalars))], Op: ledger.OpClear})
	case n == 13:
		c.Events = append(c.Events, ledger.Event{View: view, Field: list, Item: item(s.Rand.IntN(8)), Op: ledger.OpRemove})
	case n == 14:
		c.Events = append(c.Events, ledger.Event{View: view, Field: list, Op: ledger.OpOrder, Order: []string{item(3), item(1)}})
	case n == 15:
		c.Events = append(c.Events, s.sealed(ledger.Event{View: ledger.Shared, Field: "phones", Item: item(s.Rand.IntN(3)), Op: ledger.OpPut}))
	default:
		c.Events = append(c.Events, s.sealed(ledger.Event{View: view, Field: list, Item: item(s.Rand.IntN(8)), Op: ledger.OpPut}))
	}
}

func item(n int) string { return fmt.Sprintf("01JITEM000000000000000%04d", n) }

func (s *Script) cycle(h *link, c *ledger.Commit) {
	switch n := s.Rand.IntN(13); {
	case n < 5:
		h.items++
		id := fmt.Sprintf("01JRESUME00000000000%06d", h.items)
		c.Events = append(c.Events, ledger.Event{View: id, Item: h.resumes[s.Rand.IntN(len(h.resumes))], Op: ledger.OpCopied},
			s.sealed(ledger.Event{View: id, Field: "name", Op: ledger.OpSet}))
		h.resumes = append(h.resumes, id)
	case n < 8 && len(h.resumes) > 1:
		i := 1 + s.Rand.IntN(len(h.resumes)-1)
		c.Events = append(c.Events, ledger.Event{View: h.resumes[i], Op: ledger.OpDeleted})
		h.resumes = slices.Delete(h.resumes, i, i+1)
	case n == 8:
		c.Events = append(c.Events, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: "mokaru", Op: ledger.OpDeleted})
	case n == 9:
		c.Events = append(c.Events, ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
		h.erased = true
	case n == 10:
		c.Events = append(c.Events, s.sealed(ledger.Event{View: ledger.Shared, Field: ledger.Deliveries, Item: "mokaru", Op: ledger.OpDecided}))
	default:
		c.Events = append(c.Events, s.sealed(ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: "mokaru", Op: ledger.OpBound}))
	}
}
