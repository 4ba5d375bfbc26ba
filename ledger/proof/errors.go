package proof

import (
	"errors"
	"fmt"

	"vitae/ledger"
)

// RefusedError says that the log must not follow this ledger: its tiles were made from
// another one, or from more of it than there is. Trying again does not help.
type RefusedError struct {
	Reason string
	Do     string
	Size   uint64     // leaves in the tiles
	Head   ledger.Seq // of the ledger; 0 when it was not asked
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the log refuses to follow the ledger: %s (the log has %d leaves, the ledger ends at %d); %s", e.Reason, e.Size, e.Head, e.Do)
}

// ForkError says that the log would contradict a checkpoint that it has signed: the ledger
// or the tiles were changed, or an older copy of the ledger was put back. Nothing more is
// signed; the last good checkpoint is still served.
type ForkError struct {
	// Signed is the checkpoint that was signed, and Where it is kept.
	SignedSize uint64
	SignedRoot ledger.Hash
	Where      string
	// Size is how many commits there are, and Root the root of the first SignedSize of them;
	// zero when there are fewer.
	Size uint64
	Root ledger.Hash
}

func (e *ForkError) Error() string {
	s := fmt.Sprintf("the log signs nothing more: the checkpoint of size %d that was signed (%s) has the root %s, but ", e.SignedSize, e.Where, e.SignedRoot)
	if e.Size < e.SignedSize {
		return s + fmt.Sprintf("the ledger has %d commits only: an older copy of it was put back. Stop, and put the newer copy back", e.Size)
	}
	if e.Root.IsZero() {
		return s + "the log's tiles at that size are cut short or missing: stop, remove the file \"position\" in the log's folder and start, which makes the tiles anew from the ledger"
	}
	return s + fmt.Sprintf("with the %d commits there are now the root at that size is %s: the ledger or the log's tiles were changed. Run vitae fsck: "+
		"if the ledger is whole, stop, remove the file \"position\" in the log's folder and start, which makes the tiles anew; if not, restore the ledger", e.Size, e.Root)
}

// ErrBroken is what a Source wraps when the ledger itself is broken: reading it again will
// not help.
var ErrBroken = errors.New("the ledger is broken")

// ErrDamaged says that the log's tiles do not bear out its checkpoint, so nothing can be
// proved with them. vitae fsck tells whether the ledger is whole.
var ErrDamaged = errors.New("the log's tiles are damaged")

// ErrNotCurrent says that a checkpoint cannot be cosigned, because a newer one was signed
// since. Fetch that one.
var ErrNotCurrent = errors.New("it is not the log's current checkpoint")
