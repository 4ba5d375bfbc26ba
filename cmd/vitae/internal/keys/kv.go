package keys

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"vitae/ledger"
)

// Entry is one value of a bucket. A nil Value says that the key was deleted.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64 // grows with every change of the bucket; 0 in the mark of Watch
}

// KV is the little of a key-value bucket that is needed here. Keys are letters, digits,
// '-', '_' and '.'. What a method wrote is on stable storage when it returns nil; after
// another error than the ones named it may or may not be. Safe for concurrent use.
type KV interface {
	// Get gives the present value; ledger.ErrNotFound when there is none.
	Get(ctx context.Context, key string) (Entry, error)
	// Create writes a key that has no value; ledger.ErrExists when it has one.
	Create(ctx context.Context, key string, value []byte) (uint64, error)
	// Update replaces the value of the given revision; ledger.ErrConflict when the key
	// is at another one.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes the value; nil when there was none.
	Delete(ctx context.Context, key string) error
	// Watch yields every present value, then one Entry without a Key, then every
	// change as it happens. It ends with an error: ctx's, or why it cannot go on.
	Watch(ctx context.Context) iter.Seq2[Entry, error]
}

// Memory is a KV in memory, for tests.
type Memory struct {
	mu       sync.Mutex
	values   map[string]Entry
	changes  []Entry // in order of revision
	revision uint64
	grown    chan struct{} // closed and replaced at every change
}

// NewMemory makes an empty bucket.
func NewMemory() *Memory {
	return &Memory{values: map[string]Entry{}, grown: make(chan struct{})}
}

// Get implements KV.
func (m *Memory) Get(_ context.Context, key string) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.values[key]; ok {
		return e, nil
	}
	return Entry{}, fmt.Errorf("key %s: %w", key, ledger.ErrNotFound)
}

// Create implements KV.
func (m *Memory) Create(_ context.Context, key string, value []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[key]; ok {
		return 0, fmt.Errorf("key %s: %w", key, ledger.ErrExists)
	}
	return m.change(key, value), nil
}

// Update implements KV.
func (m *Memory) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values[key].Revision != revision {
		return 0, fmt.Errorf("key %s: %w", key, ledger.ErrConflict)
	}
	return m.change(key, value), nil
}

// Delete implements KV.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[key]; ok {
		m.change(key, nil)
	}
	return nil
}

// change is called with mu held.
func (m *Memory) change(key string, value []byte) uint64 {
	m.revision++
	e := Entry{Key: key, Value: slices.Clone(value), Revision: m.revision}
	if value == nil {
		delete(m.values, key)
	} else {
		m.values[key] = e
	}
	m.changes = append(m.changes, e)
	close(m.grown)
	m.grown = make(chan struct{})
	return m.revision
}

// Watch implements KV.
func (m *Memory) Watch(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.Lock()
		now := make([]Entry, 0, len(m.values)+1)
		for _, e := range m.values {
			now = append(now, e)
		}
		next := len(m.changes)
		m.mu.Unlock()
		slices.SortFunc(now, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
		for _, e := range append(now, Entry{}) {
			if !yield(e, nil) {
				return
			}
		}
		for {
			m.mu.Lock()
			more, grown := m.changes[next:], m.grown
			m.mu.Unlock()
			for _, e := range more {
				if !yield(e, nil) {
					return
				}
			}
			next += len(more)
			if len(more) > 0 {
				continue
			}
			select {
			case <-grown:
			case <-ctx.Done():
				yield(Entry{}, ctx.Err())
				return
			}
		}
	}
}
