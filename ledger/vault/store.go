package vault

import (
	"context"
	"iter"
)

// Store is where the vault keeps its records: two buckets of small values.
type Store interface {
	// Keys holds keysets and secrets; what is replaced there must not survive on disk.
	Keys() Bucket
	// Files holds the chunks and records of sealed files.
	Files() Bucket
}

// Entry is the newest revision of a key.
type Entry struct {
	Key      string
	Value    []byte // not to be changed; nil where only keys were asked for
	Revision uint64 // grows with every write to the bucket; 0 for "none"
}

// Bucket is a durable map from keys to small values. Keys are made of letters, digits,
// dashes and underscores, in parts joined by dots. All methods may be called from many
// goroutines. Values are the callee's until it returns.
//
// Writes return nil when the value is on stable storage. Errors: ledger.ErrCapacity
// when nothing was written because the store is full or the value too large;
// ledger.ErrUnavailable when no usable answer came (a write may be stored then, now or
// later).
type Bucket interface {
	// Get gives the newest revision, from the leader; ledger.ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)

	// Put stores value if the newest revision of key is after (0: there is none), and
	// gives the new revision; ledger.ErrConflict. The revision before stays readable
	// on disk until Scrub.
	Put(ctx context.Context, key string, value []byte, after uint64) (uint64, error)

	// Set stores value whatever was there before.
	Set(ctx context.Context, key string, value []byte) (uint64, error)

	// Scrub overwrites every revision of key that is older than before.
	Scrub(ctx context.Context, key string, before uint64) error

	// Remove takes key and every revision of it out, overwriting them. No key is no error.
	Remove(ctx context.Context, key string) error

	// RemoveAll takes out every key that begins with prefix and a dot. The bytes are not
	// overwritten.
	RemoveAll(ctx context.Context, prefix string) error

	// Break prepares for Truncate: what is written after it shares no storage with what
	// was written before.
	Break(ctx context.Context) error

	// Truncate takes out every revision up to and including upTo, whatever its key. What
	// was written before a Break that came before upTo is gone from the disk.
	Truncate(ctx context.Context, upTo uint64) error

	// Walk yields every key that begins with prefix and a dot (all keys when prefix is
	// ""), in the order of revisions, with or without values. Older revisions of a key
	// that were not scrubbed may come too, before the newest. An error ends it. Keys
	// written meanwhile may be missed.
	Walk(ctx context.Context, prefix string, values bool) iter.Seq2[Entry, error]
}
