package stream

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"vitae/ledger"
)

// Memory is a Blocks that keeps everything in memory: for tests, and as the plainest
// statement of what a block stream is. It cannot fail by itself; streamtest.Faulty
// makes any Blocks fail.
type Memory struct {
	limit int

	mu      sync.Mutex
	entries []Entry
	first   uint64        // position of entries[0]
	grown   chan struct{} // closed and replaced at every append
}

// NewMemory makes an empty stream for payloads of up to limit bytes.
func NewMemory(limit int) *Memory {
	return &Memory{limit: limit, first: 1, grown: make(chan struct{})}
}

// Limit implements Blocks.
func (m *Memory) Limit() int { return m.limit }

func (m *Memory) last() uint64 { return m.first + uint64(len(m.entries)) - 1 }

// Last implements Blocks.
func (m *Memory) Last(context.Context) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 {
		return Entry{}, nil
	}
	return m.entries[len(m.entries)-1], nil
}

// Append implements Blocks. It keeps a copy of payload.
func (m *Memory) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", ledger.ErrUnknown, err)
	}
	if len(payload) > m.limit {
		return 0, fmt.Errorf("%w: a block of %d bytes, the limit is %d", ledger.ErrCapacity, len(payload), m.limit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.last(); last != after {
		return 0, fmt.Errorf("%w: the last position is %d, not %d", ledger.ErrConflict, last, after)
	}
	m.entries = append(m.entries, Entry{Pos: after + 1, Payload: append([]byte(nil), payload...)})
	close(m.grown)
	m.grown = make(chan struct{})
	return after + 1, nil
}

// Get implements Blocks.
func (m *Memory) Get(_ context.Context, pos uint64) (Entry, error) {
	e, _, ok := m.at(pos)
	if !ok {
		return Entry{}, fmt.Errorf("position %d: %w", pos, ledger.ErrNotFound)
	}
	return e, nil
}

func (m *Memory) at(pos uint64) (Entry, <-chan struct{}, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if pos < m.first || pos > m.last() {
		return Entry{}, m.grown, false
	}
	return m.entries[pos-m.first], m.grown, true
}

// Read implements Blocks.
func (m *Memory) Read(ctx context.Context, from uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.Lock()
		last, first := m.last(), m.first
		m.mu.Unlock()
		for pos := max(from, first); pos <= last; pos++ {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			e, _, ok := m.at(pos)
			if !ok {
				yield(Entry{}, fmt.Errorf("position %d: %w", pos, ledger.ErrNotFound))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Follow implements Blocks.
func (m *Memory) Follow(ctx context.Context, from uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		pos := max(from, 1)
		for {
			e, grown, ok := m.at(pos)
			if !ok {
				select {
				case <-grown:
					continue
				case <-ctx.Done():
					yield(Entry{}, ctx.Err())
					return
				}
			}
			if ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return
			}
			if !yield(e, nil) {
				return
			}
			pos++
		}
	}
}

// Trim implements Trimmer.
func (m *Memory) Trim(_ context.Context, pos uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if pos > m.last()+1 {
		pos = m.last() + 1
	}
	if pos > m.first {
		m.entries = append([]Entry(nil), m.entries[pos-m.first:]...)
		m.first = pos
	}
	return nil
}
