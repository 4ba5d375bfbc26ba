package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Shared is the view of the scalars that appear on every resume, and Base the id of
// the default resume. Every other view is the ULID of a resume.
const (
	Shared = "shared"
	Base   = "base"
)

// Op is what an event did. The words are the storage format.
type Op string

const (
	OpSet     Op = "set"     // a scalar (or a locale variant of it) got a value
	OpClear   Op = "clear"   // a scalar lost its value
	OpPut     Op = "put"     // a collection item was added or replaced whole
	OpRemove  Op = "remove"  // a collection item was taken out
	OpOrder   Op = "order"   // a collection's items were put in the order of Event.Order
	OpCreated Op = "created" // the profile (view shared) came to be
	OpCopied  Op = "copied"  // a resume came to be as a copy of the resume named by Item
	OpDeleted Op = "deleted" // a resume (by View) or a connection (by Item) went away
	OpBound   Op = "bound"   // a connection (Item = provider) was set; its value is account and settings
	OpErased  Op = "erased"  // the profile's values were destroyed
	OpDecided Op = "decided" // a person decided about a parked delivery (Item = provider); its value says what
)

// Connections is the Field of events about connections.
const Connections = "connections"

// Deliveries is the Field of events about parked deliveries.
const Deliveries = "deliveries"

// Value is one value as compact JSON: what was asked for, in the catalogue's canonical
// form. nil means "no value"; it is never the JSON null.
type Value []byte

// Equal compares two values byte for byte.
func (v Value) Equal(o Value) bool { return bytes.Equal(v, o) }

// MarshalJSON gives the value as it is, and null when there is none.
func (v Value) MarshalJSON() ([]byte, error) {
	if v == nil {
		return []byte("null"), nil
	}
	return v, nil
}

// UnmarshalJSON keeps a copy of the value as it is; null is no value.
func (v *Value) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*v = nil
		return nil
	}
	*v = bytes.Clone(b)
	return nil
}

// Event is the immutable record of one edit. In the ledger its value is sealed; the
// commitment lets an auditor who is shown one value and its salt check it alone.
type Event struct {
	View  string   // Shared, Base or a resume's id
	Field string   // catalogue name, with "@xx_XX" for a locale variant; "" for a life-cycle step of a view
	Item  string   // collection item, source of a copy, or provider of a connection
	Op    Op       //
	Order []string // OpOrder only: every item id of the collection, in order

	// Commitment is SHA-256 over Salt and the payload (see Payload); zero when the
	// event has no value.
	Commitment Hash
	// Sealed is the encryption of Salt and payload under the profile's key, with
	// profile, commit and index as associated data; nil when the event has no value.
	Sealed []byte

	// The clear side. It exists in memory only: before sealing, and after opening.

	Salt  Salt
	Value Value
	Typed Value // what was typed, when the seed's normalisation changed it; else nil
}

// Salt makes equal values have unequal commitments.
type Salt [16]byte

// NewSalt draws a salt.
func NewSalt() (s Salt) {
	_, _ = rand.Read(s[:]) // never fails: see newULID
	return s
}

// HasValue says whether the event carries a value (in clear or sealed).
func (e *Event) HasValue() bool { return e.Value != nil || e.Sealed != nil }

// typedMark parts the value from what was typed inside a payload. It cannot occur in
// JSON text.
const typedMark = 0x00

// Payload is the clear text that is committed to and sealed: the salt, the value, and
// (after a zero byte) what was typed where that differs.
func (e *Event) Payload() []byte {
	b := make([]byte, 0, len(e.Salt)+len(e.Value)+1+len(e.Typed))
	b = append(b, e.Salt[:]...)
	b = append(b, e.Value...)
	if e.Typed != nil {
		b = append(b, typedMark)
		b = append(b, e.Typed...)
	}
	return b
}

// ErrCommitment says that a value does not belong to the event that claims it.
var ErrCommitment = errors.New("value does not match the event's commitment")

// SetPayload fills the clear side from an opened payload and checks it against the
// commitment. It keeps parts of b.
func (e *Event) SetPayload(b []byte) error {
	if len(b) <= len(e.Salt) || Hash(sha256.Sum256(b)) != e.Commitment {
		return ErrCommitment
	}
	copy(e.Salt[:], b)
	b = b[len(e.Salt):]
	if i := bytes.IndexByte(b, typedMark); i >= 0 {
		e.Typed = Value(b[i+1:])
		b = b[:i:i]
	}
	e.Value = Value(b)
	return nil
}

// Meta is who asked for a commit, through what, and why.
type Meta struct {
	Actor     string // "admin" or "key:<id>"; never a person's name
	Via       string // native, cli, mokaru, postpress, linkedin, nexudus, jarvi, import, console
	RequestID string
	Reason    string // free text of the caller; sealed in the ledger
}

// Idem ties a commit to the idempotency key it was asked for under. Both are keyed
// digests: neither the key nor the body can be guessed from them.
type Idem struct {
	Key  [16]byte // of the API key and the Idempotency-Key
	Body [16]byte // of the request; a different one under the same Key is refused
}

// Commit is the events of one command: all of them are in the ledger, or none.
type Commit struct {
	ID      CommitID
	Profile ProfileID
	Time    time.Time // when it was decided: UTC, whole milliseconds, never before an earlier commit's
	Meta    Meta      // Reason is empty until opened
	// SealedReason is Meta.Reason under the profile's key; nil without a reason.
	SealedReason []byte
	Idem         *Idem
	// Prev is the hash of the profile's previous commit as stored; zero in its first.
	Prev   Hash
	Events []Event
}

// ReasonIndex stands for an event's index in the associated data of a sealed reason.
const ReasonIndex = 0xffff

// MaxEvents is how many events one commit may hold; the index must stay below ReasonIndex.
const MaxEvents = 8192

// Record is a commit at its place in the ledger.
type Record struct {
	Seq    Seq
	Hash   Hash   // SHA-256 of Raw
	Raw    []byte // the commit as stored; not to be changed
	Commit *Commit
}

// Fields lists the fields that the commit's events touch, each once, in order, as
// replies and notifications name them: without the item, with the locale.
func (c *Commit) Fields() []string {
	out := []string{}
	seen := make(map[string]bool, len(c.Events))
	for i := range c.Events {
		if f := c.Events[i].Field; f != "" && !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

// ChainError says where a profile's history is broken.
type ChainError struct {
	Profile ProfileID
	Seq     Seq
	Want    Hash // the hash of the profile's previous commit as read
	Got     Hash // what the commit at Seq says it follows
	Why     string
}

func (e *ChainError) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("ledger broken at sequence %d, profile %s: %s", e.Seq, e.Profile, e.Why)
	}
	return fmt.Sprintf("ledger broken at sequence %d, profile %s: the commit follows %s, but the profile's commit before it is %s",
		e.Seq, e.Profile, e.Got, e.Want)
}
