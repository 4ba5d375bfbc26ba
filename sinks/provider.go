package sinks

import (
	"context"
	"net/http"
	"time"

	"vitae/ledger"
)

// Provider is what a sink needs to know about one provider. It keeps no state about
// profiles; its methods are called from many goroutines.
type Provider interface {
	// Name is the provider's name in connections and configuration.
	Name() string

	// Entities are the lanes of every connection. Each is delivered strictly in order
	// and independent of the others.
	Entities() []Entity

	// Concerns says whether the event could change what Build makes; when in doubt,
	// true. The event's values are sealed.
	Concerns(e *ledger.Event) bool

	// Build makes the canonical body that the entity should have at the provider, from
	// the opened state. It is pure: equal arguments give equal bytes. sent names the
	// fields that were ever sent to this account. The error is an *Unsendable when the
	// provider cannot hold the state; anything else is a fault and is tried again.
	Build(entity string, p *ledger.Profile, sent []string) (Payload, error)

	// Call makes one request that writes the body, and never a second one. It returns
	// before ctx's deadline is much past.
	Call(ctx context.Context, c Call) Outcome

	// Rate is how often the provider may be called with one credential.
	Rate() Rate
}

// Reader is a Provider whose entities can be read back.
type Reader interface {
	// Read makes one request that reads the entity, and gives it in the form of
	// Payload.Echo, cut to the named fields. The outcome is Applied when it was read.
	Read(ctx context.Context, c Call) ([]byte, Outcome)
}

// Entity is one lane of a connection.
type Entity struct {
	Name  string // printable ASCII, at most 64 bytes
	Class Class
}

// Payload is a built body.
type Payload struct {
	// Body is canonical: equal states have equal bytes. nil when there is nothing that
	// could be sent.
	Body []byte
	// Echo is the body as a read would give it, after the provider's known
	// normalisations. Its form is the provider's own business: it is only compared.
	Echo []byte
	// Fields are the names in Body.
	Fields []string
	// Mapping is the version of the rules that made Body.
	Mapping int
}

// Call is one request to be made.
type Call struct {
	Entity     string
	Account    string // the connection's account at the provider; "" when it has none
	Credential []byte // not to be kept
	Body       []byte
	Fields     []string // for a read
	Attempt    ID
}

// Unsendable says that a provider cannot hold the state, so it was not sent. Why is a
// sentence for an operator that names fields and limits and never a value.
type Unsendable struct{ Why string }

func (e *Unsendable) Error() string { return e.Why }

// Verdict is what an answer means.
type Verdict uint8

// The verdicts.
const (
	Unknown      Verdict = iota // the effect is unknown: resolve
	Applied                     // the provider has it
	Unchanged                   // the provider had it already
	NotSent                     // it never left: try again
	Throttled                   // too many calls: the bucket is frozen for RetryAfter
	Busy                        // not executed now: try again after RetryAfter
	Refused                     // wrong for good: park the edit
	AccountError                // credential or account: pause the account
	SinkError                   // our configuration: pause the sink
)

// Outcome is what came of a call.
type Outcome struct {
	Verdict    Verdict
	Fault      Fault         // when the verdict is not Applied or Unchanged
	RetryAfter time.Duration // Throttled and Busy; 0 when the provider did not say
	Limit      *Limit        // what the answer said about the rate limit, if it did
	Ref        string        // the provider's name for the entity, if it gave one
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
}

// Config is how one sink is run. The zero value is the provider's and this package's
// defaults.
type Config struct {
	RequestsPerMinute int           // 0: the provider's default; negative: no limit
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
	// Seal encrypts under the profile's key.
	Seal(p ledger.ProfileID, commit ledger.CommitID, index int, payload []byte) ([]byte, error)
}

// States gives a profile's opened state.
type States interface {
	// Profile gives the opened state with everything that the ledger holds up to the
	// commit atLeast (whoever's it is), or later; it waits for that, bounded.
	// ledger.ErrNotFound and ledger.ErrErased when there is none. The caller does not
	// change it.
	Profile(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error)
}

// Doer makes HTTP requests; *http.Client is one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}
