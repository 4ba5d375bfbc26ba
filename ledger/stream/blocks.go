package stream

import (
	"context"
	"iter"
)

// Entry is one stored message of a block stream.
type Entry struct {
	Pos     uint64 // the stream's own sequence, 1, 2, 3; 0 for "none"
	Payload []byte // not to be changed
}

// Blocks is an append-only stream of messages with one writer at a time. JetStream and
// Memory implement it; the suite in streamtest says what all of them promise. All
// methods may be called at the same time from many goroutines.
type Blocks interface {
	// Last gives the newest entry, from the leader; the zero Entry when there is none. One
	// that was stored and cannot be read is a *BlockError.
	Last(ctx context.Context) (Entry, error)

	// Append stores payload right after the entry at position after, and returns its
	// position once it is on stable storage. Errors:
	//   - ledger.ErrConflict: the stream's last entry is not the one at after; nothing was
	//     stored. Read what came in between and decide again.
	//   - ledger.ErrCapacity: the store cannot take it; nothing was stored.
	//   - ledger.ErrUnknown: no usable answer came (also when ctx ended). The payload may
	//     be stored now, later or never: look for it at position after+1 before saying
	//     anything. As long as nothing else is appended after it, asking again with the
	//     same after is safe: it is stored once or answers ErrConflict.
	Append(ctx context.Context, payload []byte, after uint64) (uint64, error)

	// Get reads the entry at a position; ledger.ErrNotFound when it is not there.
	Get(ctx context.Context, pos uint64) (Entry, error)

	// Read yields the entries from position from on, in order, without gaps, up to the
	// last one there is when it is called. An error ends it.
	Read(ctx context.Context, from uint64) iter.Seq2[Entry, error]

	// Follow is Read that goes on with every new entry until ctx ends (then it yields
	// ctx.Err()) or the caller breaks off.
	Follow(ctx context.Context, from uint64) iter.Seq2[Entry, error]

	// Limit is the largest payload in bytes.
	Limit() int
}

// Trimmer is implemented by Blocks whose old entries may be given up behind a snapshot
// (lanes). The ledger's stream is never one.
type Trimmer interface {
	// Trim removes the entries before position pos. Positions do not change.
	Trim(ctx context.Context, pos uint64) error
}
