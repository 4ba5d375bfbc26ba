package projections

import (
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Reason says why a projection refuses to follow a ledger.
type Reason string

const (
	// BeyondHead: the projection has applied commits that the ledger does not have. An
	// older copy of the ledger was restored.
	BeyondHead Reason = "position beyond the ledger's head"
	// OtherLineage: the projection was made from another ledger.
	OtherLineage Reason = "made from another ledger"
	// Diverged: the last block applied is not in the ledger at its place.
	Diverged Reason = "the ledger has another history"
)

// RefusedError says that a projection must not follow this ledger. Retrying does not help;
// Rebuild does, if the ledger is the right one.
type RefusedError struct {
	Projection string
	Reason     Reason
	Position   Position
	Lineage    string      // the ledger's
	Head       stream.Head // the ledger's; zero when Reason shows further back than there
}

func (e *RefusedError) Error() string {
	at := ""
	if e.Head.Seq > 0 {
		at = fmt.Sprintf(" at sequence %d", e.Head.Seq)
	}
	return fmt.Sprintf("projection %s refuses to run: %s (it is at sequence %d of lineage %s, the ledger%s of %s); rebuild it if this ledger is the right one",
		e.Projection, e.Reason, e.Position.Seq, e.Position.Lineage, at, e.Lineage)
}

// Fault is a commit that a projection cannot apply. The projection stands before the block
// that holds it and goes no further: the ledger is broken, or written by a newer version,
// or the projection's own rows are damaged (then a rebuild heals it).
type Fault struct {
	Projection string
	Seq        ledger.Seq       // of the commit
	Profile    ledger.ProfileID // zero when the commit could not even be read
	Op         ledger.Op        // of the event; "" when it is not about one event
	Err        error
}

func (e *Fault) Error() string {
	s := fmt.Sprintf("projection %s stopped at sequence %d", e.Projection, e.Seq)
	if !e.Profile.IsZero() {
		s += ", profile " + e.Profile.String()
	}
	if e.Op != "" {
		s += fmt.Sprintf(", op %q", e.Op)
	}
	return s + ": " + e.Err.Error()
}

func (e *Fault) Unwrap() error { return e.Err }

// BehindError says that a projection has not reached the sequence a read waited for. It
// is a ledger.ErrUnavailable: ask again later.
type BehindError struct {
	Projection string
	Want, At   ledger.Seq
	Err        error // why the wait ended: the context's error, or what stopped the projection
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("projection %s is at sequence %d, %d was asked for: %v", e.Projection, e.At, e.Want, e.Err)
}

// Unwrap makes it both unavailable and whatever ended the wait.
func (e *BehindError) Unwrap() []error { return []error{ledger.ErrUnavailable, e.Err} }

// BusyError says that the projection is being rebuilt already.
type BusyError struct {
	Projection string
	Since      time.Time // zero when another process does it
	Progress   Progress
}

func (e *BusyError) Error() string {
	if e.Since.IsZero() {
		return fmt.Sprintf("projection %s is being rebuilt by another process", e.Projection)
	}
	return fmt.Sprintf("projection %s is being rebuilt since %s (%d of %d commits)",
		e.Projection, e.Since.UTC().Format(time.RFC3339), e.Progress.Done, e.Progress.Total)
}

// ErrClosed is what every method of a closed projection answers.
var ErrClosed = errors.New("projection is closed")

// errFenced: someone else moved the position.
var errFenced = errors.New("the position in the file is not the one expected: another process writes it")

// permanent says whether trying the same commit again would end the same way.
func permanent(err error) bool {
	var chain *ledger.ChainError
	var fault *Fault
	var refused *RefusedError
	return errors.Is(err, ledger.ErrFormat) || errors.As(err, &chain) || errors.As(err, &fault) || errors.As(err, &refused)
}
