package keys

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// JetStream is a KV over a JetStream bucket. The bucket's own settings (replicas, age
// limit, storage) are the caller's.
func JetStream(bucket jetstream.KeyValue) KV { return jsKV{bucket} }

type jsKV struct{ bucket jetstream.KeyValue }

func (k jsKV) Get(ctx context.Context, key string) (Entry, error) {
	e, err := k.bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry{}, fmt.Errorf("key %s: %w", key, ledger.ErrNotFound)
	}
	if err != nil {
		return Entry{}, k.failed("get", err)
	}
	return Entry{Key: key, Value: e.Value(), Revision: e.Revision()}, nil
}

func (k jsKV) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	rev, err := k.bucket.Create(ctx, key, value)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return 0, fmt.Errorf("key %s: %w", key, ledger.ErrExists)
	}
	if err != nil {
		return 0, k.failed("create", err)
	}
	return rev, nil
}

func (k jsKV) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	rev, err := k.bucket.Update(ctx, key, value, revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) {
		return 0, fmt.Errorf("key %s: %w", key, ledger.ErrConflict)
	}
	if err != nil {
		return 0, k.failed("update", err)
	}
	return rev, nil
}

func (k jsKV) Delete(ctx context.Context, key string) error {
	if err := k.bucket.Delete(ctx, key); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return k.failed("delete", err)
	}
	return nil
}

func (k jsKV) Watch(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w, err := k.bucket.WatchAll(ctx)
		if err != nil {
			yield(Entry{}, k.failed("watch", err))
			return
		}
		// The subscription ends with ctx too; there is nobody to tell.
		defer func() { _ = w.Stop() }()
		for {
			select {
			case e, ok := <-w.Updates():
				switch {
				case !ok && ctx.Err() != nil:
					yield(Entry{}, ctx.Err())
					return
				case !ok:
					yield(Entry{}, fmt.Errorf("bucket %s: %w: the watch ended", k.bucket.Bucket(), ledger.ErrUnavailable))
					return
				case e == nil: // the present values are through
					if !yield(Entry{}, nil) {
						return
					}
				default:
					out := Entry{Key: e.Key(), Revision: e.Revision()}
					if e.Operation() == jetstream.KeyValuePut {
						out.Value = e.Value()
					}
					if !yield(out, nil) {
						return
					}
				}
			case <-ctx.Done():
				yield(Entry{}, ctx.Err())
				return
			}
		}
	}
}

func (k jsKV) failed(what string, err error) error {
	return fmt.Errorf("bucket %s: %s: %w: %w", k.bucket.Bucket(), what, ledger.ErrUnavailable, err)
}
