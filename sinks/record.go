package sinks

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/oklog/ulid/v2"

	"vitae/ledger"
)

// Phase is where a lane stands.
type Phase uint8

// The phases.
const (
	Idle      Phase = iota // nothing is under way
	InFlight               // a call may be under way: its outcome is not known
	RetryWait              // waits for NotBefore, then tries again
	Uncertain              // waits for SettleUntil, then the doubt is resolved
	Taken                  // the provider has taken it and is not done: waits for SettleUntil
	Parked                 // waits for a person, or a newer edit
	phases
)

// Phases lists all phases in the order of the machine.
func Phases() []Phase { return []Phase{Idle, InFlight, RetryWait, Uncertain, Taken, Parked} }

func (p Phase) String() string {
	switch p {
	case Idle:
		return "IDLE"
	case InFlight:
		return "INFLIGHT"
	case RetryWait:
		return "RETRY_WAIT"
	case Uncertain:
		return "UNCERTAIN"
	case Taken:
		return "ACCEPTED"
	case Parked:
		return "PARKED"
	}
	return fmt.Sprintf("Phase(%d)", uint8(p))
}

// MarshalText makes the phase its word in JSON.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the word.
func (p *Phase) UnmarshalText(b []byte) error { return unword(p, b, phases) }

// word is a small set of words kept as a number.
type word interface {
	~uint8
	fmt.Stringer
}

func unword[T word](w *T, b []byte, n T) error {
	for v := T(0); v < n; v++ {
		if v.String() == string(b) {
			*w = v
			return nil
		}
	}
	return fmt.Errorf("%w: unknown word in a lane record", ledger.ErrFormat)
}

// ID is a ULID that names an attempt, a parked edit or an owner.
type ID [16]byte

// NewID draws an id.
func NewID(now time.Time) ID { return ID(ledger.NewCommitID(now)) }

func (id ID) String() string { return ulid.ULID(id).String() }

// IsZero says that nothing is named.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText makes the id its canonical text in JSON.
func (id ID) MarshalText() ([]byte, error) { return ulid.ULID(id).MarshalText() }

// UnmarshalText reads the canonical text.
func (id *ID) UnmarshalText(b []byte) error {
	c, err := ledger.ParseCommitID(string(b))
	*id = ID(c)
	return err
}

// Stamp is a time in whole milliseconds since 1970, UTC; 0 is no time. In JSON it is
// RFC 3339.
type Stamp int64

const stampLayout = "2006-01-02T15:04:05.000Z"

// StampOf cuts a time to milliseconds.
func StampOf(t time.Time) Stamp {
	if t.IsZero() {
		return 0
	}
	return Stamp(t.UnixMilli())
}

// Time is the stamp as a time; the zero time for 0.
func (s Stamp) Time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(s)).UTC()
}

// Add moves the stamp.
func (s Stamp) Add(d time.Duration) Stamp { return s + Stamp(d.Milliseconds()) }

// MarshalText makes the stamp RFC 3339 in JSON.
func (s Stamp) MarshalText() ([]byte, error) { return s.Time().AppendFormat(nil, stampLayout), nil }

// UnmarshalText reads RFC 3339.
func (s *Stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(stampLayout, string(b))
	*s = StampOf(t)
	return err
}

// Digest is a salted xxHash64 of a canonical payload; 0 is none. It says that two
// payloads of one lane are equal, and nothing to anyone without the profile's key.
type Digest uint64

const digestPrefix = "xxh64:"

// MarshalText makes the digest "xxh64:" and 16 hexadecimal digits in JSON.
func (d Digest) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s%016x", digestPrefix, uint64(d)), nil
}

// UnmarshalText reads that form.
func (d *Digest) UnmarshalText(b []byte) error {
	var raw [8]byte
	s, ok := strings.CutPrefix(string(b), digestPrefix)
	if !ok || len(s) != 2*len(raw) {
		return fmt.Errorf("%w: a digest in a lane record", ledger.ErrFormat)
	}
	if _, err := hex.Decode(raw[:], []byte(s)); err != nil {
		return fmt.Errorf("%w: a digest in a lane record", ledger.ErrFormat)
	}
	*d = 0
	for _, c := range raw {
		*d = *d<<8 | Digest(c)
	}
	return nil
}

// Sent says whether a request left this machine.
type Sent uint8

// What is known about a request.
const (
	SentNo      Sent = iota // it never left
	SentYes                 // it was answered
	SentUnknown             // it left, and nothing usable came back
	sents
)

func (s Sent) String() string {
	switch s {
	case SentNo:
		return "no"
	case SentYes:
		return "yes"
	case SentUnknown:
		return "unknown"
	}
	return fmt.Sprintf("Sent(%d)", uint8(s))
}

// MarshalText makes it its word in JSON.
func (s Sent) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Sent) UnmarshalText(b []byte) error { return unword(s, b, sents) }

// Fault is what went wrong with a call: status, type and our own words. It never holds
// a value, a credential or any of the provider's text.
type Fault struct {
	HTTP    int    `json:"http,omitempty"`    // status; 0 when there was no answer
	Type    string `json:"type"`              // of a closed set per provider
	Message string `json:"message,omitempty"` // ours
	Sent    Sent   `json:"sent"`
	At      Stamp  `json:"at,omitzero"`
}

// Verify is how we know that the provider has what was acknowledged.
type Verify uint8

// The grades of knowing.
const (
	VerifyNone   Verify = iota // nothing was acknowledged yet
	ProviderSaid               // its answer said so
	ReadBack                   // it was read
	OperatorSaid               // a person said so
	AcceptedOnly               // it was taken; whether it was done nobody can tell
	verifies
)

func (v Verify) String() string {
	switch v {
	case VerifyNone:
		return "none"
	case ProviderSaid:
		return "provider_said"
	case ReadBack:
		return "read_back"
	case OperatorSaid:
		return "operator_said"
	case AcceptedOnly:
		return "accepted_unverified"
	}
	return fmt.Sprintf("Verify(%d)", uint8(v))
}

// MarshalText makes it its word in JSON.
func (v Verify) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the word.
func (v *Verify) UnmarshalText(b []byte) error { return unword(v, b, verifies) }

// Key names a lane.
type Key struct {
	Sink    string           `json:"sink"`
	Profile ledger.ProfileID `json:"profile"`
	Entity  string           `json:"entity"`
}

// Account is the connection that the lane belongs to.
func (k Key) Account() AccountKey { return AccountKey{k.Sink, k.Profile} }

// AccountKey names a connection: a profile's account at a provider. The account's own
// name is in the profile's sealed state and nowhere here.
type AccountKey struct {
	Sink    string           `json:"sink"`
	Profile ledger.ProfileID `json:"profile"`
}

// Record is the checkpoint of a lane: all that must survive a crash. It holds no
// personal value, no credential and no text of a provider. It is a plain value; what its
// pointers show is never changed.
type Record struct {
	Key
	Class Class `json:"class"`
	Phase Phase `json:"phase"`
	Since Stamp `json:"since,omitzero"` // when the phase was entered
	// Rev counts the transitions; a transition names the one it was decided on.
	Rev uint64 `json:"rev"`
	// Epoch counts the claims. It never goes down.
	Epoch uint64 `json:"epoch,omitempty"`
	Owner ID     `json:"owner,omitzero"` // the run that made the last claim
	// LeaseUntil is when the last claim's call is over for its owner, whatever happens.
	LeaseUntil Stamp `json:"lease_until,omitzero"`

	BoundSeq ledger.Seq `json:"bound_seq"`           // the commit of the connection that this lane delivers to
	WantSeq  ledger.Seq `json:"want_seq"`            // the newest commit that is to be delivered, as far as recorded
	WantAt   Stamp      `json:"want_at,omitzero"`    // time of the oldest commit that is not delivered
	FromSeq  ledger.Seq `json:"from_seq,omitempty"`  // the last attempt covers the commits from here
	ToSeq    ledger.Seq `json:"to_seq,omitempty"`    // to here
	Mapping  int        `json:"mapping_v,omitempty"` // version of the dialect that built it

	Attempt  ID     `json:"attempt_id,omitzero"`
	Attempts int    `json:"attempt,omitempty"`  // spent on the present body
	FirstAt  Stamp  `json:"first_at,omitzero"`  // when the present body was first claimed
	SentAt   Stamp  `json:"sent_at,omitzero"`   // when the last attempt was claimed
	SentHash Digest `json:"sent_hash,omitzero"` // of the last attempt's body
	SentEcho Digest `json:"sent_echo,omitzero"` // of what a read should give if that body is there
	Fields   Names  `json:"fields,omitzero"`    // names that may be there because of us, so that a cleared one is cleared there too
	Sending  Names  `json:"sending,omitzero"`   // names in the last attempt's body
	Verb     Verb   `json:"verb,omitzero"`      // of the last attempt
	Step     string `json:"step,omitempty"`     // of the last attempt
	Ref      string `json:"provider_ref,omitempty"`

	AckedHash Digest     `json:"acked_hash,omitzero"`
	AckedSeq  ledger.Seq `json:"acked_seq"`
	AckedAt   Stamp      `json:"acked_at,omitzero"`
	EchoHash  Digest     `json:"echo_hash,omitzero"` // of what was read after our own write
	EchoAt    Stamp      `json:"echo_at,omitzero"`
	Verify    Verify     `json:"verify"`

	NotBefore   Stamp `json:"not_before,omitzero"`
	SettleUntil Stamp `json:"settle_until,omitzero"`

	Last *Fault `json:"last,omitempty"`
	Park *Park  `json:"park,omitempty"` // in phase Parked, and only there

	*Detail // nil when all of it is zero, as it is for a lane at rest: see More
}

// Detail is what only lanes have that something is going on with.
type Detail struct {
	Steps    []StepDone `json:"steps,omitempty"`    // what is done of the present body
	Baseline *Names     `json:"baseline,omitempty"` // before a create: the ids that were there; nil when they could not be read
	Task     string     `json:"task,omitempty"`     // phase Taken: the provider's name for it
	Unsure   bool       `json:"unsure,omitempty"`   // the connection was set since Ref was given: is it there?

	// What the last resolution of a doubt saw.
	Reads  int   `json:"resolve_reads,omitempty"`
	ReadAt Stamp `json:"resolve_read_at,omitzero"`
	Seen   int   `json:"resolve_seen,omitempty"` // items that could be the one

	// Plan is the recovery plan that the lane was last part of. Pin is the commit whose
	// state it wants, instead of the newest one, until a commit after Pinned concerns it.
	Plan   ID         `json:"plan,omitzero"`
	Pin    ledger.Seq `json:"pin,omitempty"`
	Pinned ledger.Seq `json:"pinned,omitempty"`
	Learn  bool       `json:"learn,omitempty"` // read back after the next write
	// Stirred: which items of the section are there has changed since its body was built.
	Stirred bool `json:"stirred,omitempty"`
	// Anew counts how often a person had the item made anew. It never goes down.
	Anew int `json:"anew,omitempty"`
}

// More is the record's detail, zero when it has none.
func (r *Record) More() Detail {
	if r.Detail == nil {
		return Detail{}
	}
	return *r.Detail
}

// keep makes d the record's detail.
func (r *Record) keep(d Detail) {
	r.Detail = nil
	if d.Steps != nil || d.Baseline != nil || d.Task != "" || d.Unsure || d.Reads != 0 || d.ReadAt != 0 || d.Seen != 0 || !d.Plan.IsZero() || d.Pin != 0 ||
		d.Pinned != 0 || d.Learn || d.Stirred || d.Anew != 0 {
		r.Detail = &d
	}
}

// StepDone is one request of several that was made.
type StepDone struct {
	Name string `json:"k"`
	// Result is what it came to, sealed under the profile's key: commit Attempt, index
	// ledger.ReasonIndex.
	Result  []byte `json:"out,omitempty"`
	Attempt ID     `json:"attempt_id"`
}

// Park is why a lane waits for a person.
type Park struct {
	ID     ID     `json:"id"`
	Reason string `json:"reason"` // a word of ParkReasons or a sentence of a dialect; never a value
	Code   string `json:"code"`
	Since  Stamp  `json:"since"`
}

// Codes of a Park.
const (
	ParkRefused    = "refused"        // the provider refused the edit for good
	ParkUnsendable = "unsendable"     // the provider cannot hold it: it was not sent
	ParkExhausted  = "exhausted"      // the budget of attempts is spent
	ParkUncertain  = "uncertain"      // the outcome is unknown, and nothing but a person can tell
	ParkAmbiguous  = "ambiguous"      // several items could be the one that was made
	ParkTargetGone = "target_gone"    // the item that was to be changed is not there
	ParkUnreadable = "unreadable"     // what is there cannot be looked up first
	ParkCapability = "capability_off" // this account may not do this kind of edit
)

// Doubtful says that the provider may have the parked edit or not: a newer edit must not
// set it in motion again.
func (p *Park) Doubtful() bool { return p.Code == ParkUncertain || p.Code == ParkAmbiguous }

// Names is a set of field names, sorted and joined by commas. Equal sets share memory.
type Names struct{ h unique.Handle[string] }

// NamesOf makes the set.
func NamesOf(names ...string) Names {
	if len(names) == 0 {
		return Names{}
	}
	s := slices.Clone(names)
	slices.Sort(s)
	return Names{unique.Make(strings.Join(slices.Compact(s), ","))}
}

// List gives the names in order; the slice is the caller's.
func (n Names) List() []string {
	if n == (Names{}) {
		return nil
	}
	return strings.Split(n.h.Value(), ",")
}

// With adds names.
func (n Names) With(names ...string) Names { return NamesOf(append(n.List(), names...)...) }

// IsZero says that the set is empty.
func (n Names) IsZero() bool { return n == Names{} }

// MarshalText joins the names.
func (n Names) MarshalText() ([]byte, error) { return []byte(strings.Join(n.List(), ",")), nil }

// UnmarshalText reads joined names.
func (n *Names) UnmarshalText(b []byte) error {
	*n = Names{}
	if len(b) > 0 {
		*n = NamesOf(strings.Split(string(b), ",")...)
	}
	return nil
}

// intern makes equal texts share memory: a lane's texts are few and repeated in millions
// of lanes.
func intern(s string) string { return unique.Make(s).Value() }

func (f *Fault) intern() {
	if f != nil {
		f.Type, f.Message = intern(f.Type), intern(f.Message)
	}
}

func (r *Record) intern() {
	r.Sink, r.Class, r.Step = intern(r.Sink), Class(intern(string(r.Class))), intern(r.Step)
	if section, item := SplitEntity(r.Entity); item == "" {
		r.Entity = intern(section)
	}
	r.Last.intern()
	if r.Park != nil {
		r.Park.Reason, r.Park.Code = intern(r.Park.Reason), intern(r.Park.Code)
	}
}

// ErrStale says that a lane has moved on since the caller looked at it. Look again.
var ErrStale = errors.New("the lane has moved on")
