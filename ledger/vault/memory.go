package vault

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"vitae/ledger"
)

// Memory is a Store without a disk, for tests and for trying things out.
type Memory struct{ keys, files memoryBucket }

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{keys: memoryBucket{m: map[string]Entry{}}, files: memoryBucket{m: map[string]Entry{}}}
}

// Keys holds keysets and secrets.
func (m *Memory) Keys() Bucket { return &m.keys }

// Files holds sealed files.
func (m *Memory) Files() Bucket { return &m.files }

// memoryBucket keeps one revision a key, so there is never anything to scrub.
type memoryBucket struct {
	mu   sync.Mutex
	last uint64
	m    map[string]Entry
}

func (b *memoryBucket) Get(ctx context.Context, key string) (Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	e, ok := b.m[key]
	if !ok {
		return Entry{}, ledger.ErrNotFound
	}
	return e, nil
}

func (b *memoryBucket) Put(ctx context.Context, key string, value []byte, after uint64) (uint64, error) {
	return b.write(ctx, key, value, &after)
}

func (b *memoryBucket) Set(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.write(ctx, key, value, nil)
}

func (b *memoryBucket) write(ctx context.Context, key string, value []byte, after *uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	if after != nil && b.m[key].Revision != *after {
		return 0, ledger.ErrConflict
	}
	b.last++
	b.m[key] = Entry{Key: key, Value: slices.Clone(value), Revision: b.last}
	return b.last, nil
}

func (b *memoryBucket) Break(context.Context) error { return nil }

func (b *memoryBucket) Scrub(context.Context, string, uint64) error { return nil }

func (b *memoryBucket) Remove(_ context.Context, key string) error {
	b.removeIf(func(e Entry) bool { return e.Key == key })
	return nil
}

func (b *memoryBucket) RemoveAll(_ context.Context, prefix string) error {
	b.removeIf(func(e Entry) bool { return strings.HasPrefix(e.Key, prefix+".") })
	return nil
}

func (b *memoryBucket) Truncate(_ context.Context, upTo uint64) error {
	b.removeIf(func(e Entry) bool { return e.Revision <= upTo })
	return nil
}

func (b *memoryBucket) removeIf(gone func(Entry) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, e := range b.m {
		if gone(e) {
			delete(b.m, k)
		}
	}
}

func (b *memoryBucket) Walk(ctx context.Context, prefix string, values bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		b.mu.Lock()
		var all []Entry
		for _, e := range b.m {
			if prefix == "" || strings.HasPrefix(e.Key, prefix+".") {
				all = append(all, e)
			}
		}
		b.mu.Unlock()
		slices.SortFunc(all, func(x, y Entry) int { return cmp.Compare(x.Revision, y.Revision) })
		for _, e := range all {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !values {
				e.Value = nil
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
