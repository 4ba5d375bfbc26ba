package sinks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"vitae/ledger"
)

// Provider is what a sink needs to know about one provider. It keeps no state about
// profiles; its methods are called from many goroutines.
type Provider interface {
	// Name is the provider's name in connections and configuration.
	Name() string

	// Entities are the standing lanes that a connection can have, the root first. The
	// root's lane is there for every connection; the others come to be when the state
	// has something for them. Each is delivered strictly in order.
	Entities() []Entity

	// Concerns names the lanes whose payload the event could change; when in doubt, too
	// many. Items are named by ItemEntity; their section is named too when its own body
	// (the order) may change. all says that any lane may be concerned. The event's values
	// are sealed.
	Concerns(e *ledger.Event) (entities []string, all bool)

	// Items gives the ids of the items that a section should have at the provider, in
	// their order there. The section is one of Entities with Items set.
	Items(section string, p *ledger.Profile) ([]string, error)

	// Build makes what the entity should be at the provider, from the opened state. It
	// is pure: equal arguments give equal bytes. The error is an *Unsendable when the
	// provider cannot hold the state; anything else is a fault and is tried again.
	Build(entity string, p *ledger.Profile, have Have) (Payload, error)

	// Call makes one request that writes, and never a second one. It returns before
	// ctx's deadline is much past.
	Call(ctx context.Context, c Call) Outcome

	// Rate is how often the provider may be called with one credential.
	Rate() Rate
}

// Reader is a Provider whose standing entities can be read back.
type Reader interface {
	// Read makes one request that reads the entity, and gives it in the form of
	// Payload.Echo, cut to the named fields (Call.Fields). The outcome is Applied when it
	// was read.
	Read(ctx context.Context, c Call) (Reading, Outcome)
}

// Reading is an entity as a provider holds it. It is kept nowhere.
type Reading struct {
	Echo []byte // in the form of Payload.Echo
}

// Lister is a Provider whose sections can be listed. Without it, a create whose outcome
// is unknown waits for a person.
type Lister interface {
	// List makes as few requests as the provider needs to give all items of the section
	// (Call.Entity). The outcome is Applied when all of them were read; a provider that
	// says it holds something back gives Unknown.
	List(ctx context.Context, c Call) ([]Listed, Outcome)
}

// Listed is one item as the provider holds it.
type Listed struct {
	Ref  string // the provider's id; no two items of any accounts have the same
	Echo []byte // in the form of Payload.Echo
}

// Refresher is a Provider whose credentials can be renewed.
type Refresher interface {
	// Refresh makes one request that renews the credential; fresh is what to keep
	// instead, when the outcome is Applied. A credential that cannot be renewed is an
	// AccountError, without a request.
	Refresh(ctx context.Context, credential []byte) (fresh []byte, out Outcome)
}

// Entity is a standing lane of a connection.
type Entity struct {
	Name  string // printable ASCII without "/", at most 40 bytes
	Class Class
	// Items makes it a section: each of its items has a lane of its own, of this class
	// (ClassC or ClassD).
	Items Class
	// Ordered: the section has a body of its own, which says in what order its items are
	// there: it depends on Have.Refs.
	Ordered bool
}

// ItemEntity names the lane of a section's item.
func ItemEntity(section, item string) string { return section + "/" + item }

// SplitEntity takes such a name apart; item is "" for a standing entity.
func SplitEntity(entity string) (section, item string) {
	section, item, _ = strings.Cut(entity, "/")
	return section, item
}

// Have is what the provider is known to hold already.
type Have struct {
	// Fields are the names that may be there because of us.
	Fields []string
	// Ref is the provider's id of an item; "" when it has none there.
	Ref string
	// Refs are the provider's ids by item, for the body of a section.
	Refs map[string]string
	// Anew is how often a person has had the item made anew.
	Anew int
}

// Payload is what an entity should be at the provider.
type Payload struct {
	// Body says all of what should be there, in a canonical form of the provider's own:
	// equal states have equal bytes. It is what changes are found by. nil when there is
	// nothing that should be there.
	Body []byte
	// Absent says that an item should not be there at all: it is deleted if it is.
	Absent bool
	// Clears are the names in Have.Fields that Body has not: they are to be emptied.
	Clears []string
	// Echo is Body as a read would give it, after the provider's known normalisations.
	// Its form is the provider's own business: it is only compared.
	Echo []byte
	// Fields are the names in Body.
	Fields []string
	// Steps are the requests that bring it there, in order, each resumable by itself;
	// nil is one request without a name. They may depend on Have.
	Steps []string
	// Mapping is the version of the rules that made Body.
	Mapping int
}

// Verb is what a call does at the provider.
type Verb uint8

// The verbs.
const (
	VerbSet    Verb = iota // the entity becomes the body
	VerbCreate             // a new item
	VerbUpdate             // the item Ref becomes the body
	VerbDelete             // the item Ref goes away
	VerbAppend             // something is added that cannot be taken back
	verbs
)

func (v Verb) String() string {
	switch v {
	case VerbSet:
		return "set"
	case VerbCreate:
		return "create"
	case VerbUpdate:
		return "update"
	case VerbDelete:
		return "delete"
	case VerbAppend:
		return "append"
	}
	return fmt.Sprintf("Verb(%d)", uint8(v))
}

// MarshalText makes it its word in JSON.
func (v Verb) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the word.
func (v *Verb) UnmarshalText(b []byte) error { return unword(v, b, verbs) }

// Call is one request to be made.
type Call struct {
	Entity     string
	Verb       Verb
	Account    string           // the connection's account at the provider; "" when it has none
	Profile    ledger.ProfileID // whose state it is
	Credential []byte           // not to be kept
	Body       []byte           // Payload.Body
	Clears     []string
	Fields     []string // for a read
	Accepted   []string // for a read: the names in the body that the provider has accepted, and is looked after for; nil when there is none
	Ref        string
	Anew       int               // how often a person has had the item made anew: an add of the same body is another one each time
	Step       string            // one of Payload.Steps
	Results    map[string][]byte // what the steps before came to
	Attempt    ID
	// File opens a file of the profile by its reference ("sha256:..."), for uploads.
	File func(ctx context.Context, reference string) (File, error)
}

// File is an opened file; who asked for it closes it.
type File struct {
	io.ReadCloser
	Size      int64
	MediaType string
}

// Unsendable says that a provider cannot hold the state, so it was not sent. Why is a
// sentence for an operator that names fields and limits and never a value.
type Unsendable struct{ Why string }

func (e *Unsendable) Error() string { return e.Why }

// Verdict is what an answer means.
type Verdict uint8

// The verdicts.
const (
	Unknown       Verdict = iota // the effect is unknown: resolve
	Applied                      // the provider has it
	Unchanged                    // the provider had it already
	NotSent                      // it never left: try again
	Throttled                    // too many calls: the bucket is frozen for RetryAfter
	Busy                         // not executed now: try again after RetryAfter
	Refused                      // wrong for good: park the edit
	AccountError                 // credential or account: pause the account; a connection younger than a minute is tried once more after RetryAfter, if that is given
	SinkError                    // our configuration: pause the sink
	Accepted                     // taken, not done yet: Ref and Task name it
	CapabilityOff                // this account may not do this kind of edit: it is switched off
	TargetGone                   // the provider itself says that the item is not there: a delete is done, any other edit is parked
	StepGone                     // what an earlier step made is of no use any more: begin again
	verdicts
)

// Outcome is what came of a call.
type Outcome struct {
	Verdict    Verdict
	Fault      Fault         // when the verdict is not Applied or Unchanged
	RetryAfter time.Duration // Throttled, Busy and AccountError; 0 when the provider did not say
	Most       int           // Busy: so many attempts at most, then the edit is parked; 0 is the class's budget
	Limit      *Limit        // what the answer said about the rate limit, if it did
	Ref        string        // the provider's name for the entity, if it gave one; an item that was created without is looked for in its section
	Task       string        // Accepted: the provider's name for the task
	Result     []byte        // of a step; it is sealed before it is kept
}

// Limit is what a provider says about its own rate limit.
type Limit struct {
	Limit, Remaining int
	Reset            time.Time
}

// Rate bounds the calls made with one credential, reads and writes together.
type Rate struct {
	PerMinute int // at most so many in any sliding minute; 0 is no limit
	Burst     int // at most so many at once
	PerDay    int // at most so many in a day of UTC; 0 is no limit
	// Probes are the waits after throttled calls whose answer does not say how long; after
	// the last of them the bucket stays frozen until the next day of UTC begins. nil is a
	// minute each time.
	Probes []time.Duration
}

// Config is how one sink is run. The zero value is the provider's and this package's
// defaults.
type Config struct {
	RequestsPerMinute int           // 0: the provider's default; negative: no limit
	RequestsPerDay    int           // 0: the provider's default; negative: no limit
	Timeout           time.Duration // of one call; default 30 s
	Settle            time.Duration // from an unknown outcome to its resolution; default 2 x Timeout, at least 30 s
	MaxAttempts       int           // budget of one body; 0: the class's
	Paused            bool          // start paused
	Debounce          time.Duration // from an edit to its call; edits in between share the call
	Workers           int           // calls at the same time; default 32
	// Verify reads back after every write. Without it only doubts are read back.
	Verify bool
}

// Vault is what sinks need of the vault.
type Vault interface {
	// Digest is keyed by the profile's own key.
	Digest(p ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error)
	// Secret opens a credential; ledger.ErrNotFound when there is none.
	Secret(ctx context.Context, p ledger.ProfileID, name string) ([]byte, error)
	// ReplaceSecret puts fresh in the place of old; ledger.ErrConflict when the secret is
	// not old any more.
	ReplaceSecret(ctx context.Context, p ledger.ProfileID, name string, old, fresh []byte) error
	// Seal encrypts under the profile's key; Open undoes it.
	Seal(p ledger.ProfileID, commit ledger.CommitID, index int, payload []byte) ([]byte, error)
	Open(p ledger.ProfileID, commit ledger.CommitID, index int, sealed []byte) ([]byte, error)
}

// States gives a profile's opened state.
type States interface {
	// Profile gives the opened state with everything that the ledger holds up to the
	// commit atLeast (whoever's it is), or later; it waits for that, bounded.
	// ledger.ErrNotFound and ledger.ErrErased when there is none. The caller does not
	// change it.
	Profile(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error)
	// ProfileAt gives the opened state after the commit seq. It is the caller's.
	ProfileAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error)
}

// Doer makes HTTP requests; *http.Client is one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}
