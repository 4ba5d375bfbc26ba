package ledger

import "time"

// Command is a request for one or more edits, decided as a whole. Package commands has
// them all; the committer runs them.
type Command interface {
	// Decide looks at the profile's state (values open; not to be changed or kept) and
	// says which events the command comes to, in clear and without salt, commitment or
	// seal. No events and no error means that nothing changes. It is pure: whatever it
	// needs of the world is in env. Errors: *Refusal, ErrNotFound, ErrExists,
	// ErrErased, ErrNotAllowed.
	Decide(p *Profile, env Env) ([]Event, error)
}

// Env is what a decision may know of the world besides the state.
type Env struct {
	Now   time.Time
	NewID func() string // a fresh ULID for a resume or an item
}

// Request is a command on its way to the committer.
type Request struct {
	Profile ProfileID
	Meta    Meta
	// IfSeq, when not nil, is the profile sequence the caller decided on (If-Match);
	// at any other the request is ErrPrecondition.
	IfSeq   *Seq
	Idem    *Idem
	Command Command
	// DryRun decides and answers, and writes nothing.
	DryRun bool
}

// Reply is what became of a request.
type Reply struct {
	// Profile is whose reply it is. In a replayed reply it may be another than the
	// request's: the one that was created then.
	Profile ProfileID
	// Seq is the profile's last sequence: of the new commit, or the present one when
	// nothing changed.
	Seq     Seq
	Changed bool
	// Replayed: the idempotency key had been used, and this is what came of it then.
	Replayed bool
	Commit   CommitID
	Time     time.Time
	Fields   []string // see Commit.Fields; empty when nothing changed
	// Created is the id of the resume or item that the command made, if any.
	Created string
	// Events are the decided events in clear (nil in a replayed reply).
	Events []Event
}
