package sinks

import (
	"time"

	"vitae/ledger"
)

// SinkState is whether a sink delivers.
type SinkState string

// The states of a sink and of an account.
const (
	Running SinkState = "running"
	Paused  SinkState = "paused"
)

// Sink is how one sink stands, in the shape of the API.
type Sink struct {
	Name  string    `json:"name"`
	State SinkState `json:"state"`
	// LagEvents is the commits that the sinks have not looked at yet, plus the lanes
	// that have something to deliver. Parked lanes do not count: they wait for a person.
	LagEvents uint64 `json:"lagEvents"`
	Health    Health `json:"health"`
	// FreshnessSeconds is the age of the oldest edit that is not delivered.
	FreshnessSeconds float64       `json:"freshnessSeconds"`
	Lanes            map[Phase]int `json:"lanes"`
	// OldestSeconds is, by phase, how long the lane has been in it that is there longest.
	OldestSeconds  map[Phase]float64 `json:"oldestSeconds"`
	Accounts       int               `json:"accounts"`
	PausedAccounts int               `json:"pausedAccounts"`
	// Calls and SkippedUnchanged count since the start of the process.
	Calls            uint64 `json:"calls"`
	SkippedUnchanged uint64 `json:"skippedUnchanged"`
	Parked           int    `json:"parked"`
	Uncertain        int    `json:"uncertain"`
	// NoOpRatio is the part of all looks at a lane that needed no call, UnknownTypes how
	// many answers the provider's pages do not name, Drifted the entities that the last
	// plan found changed by somebody else.
	NoOpRatio    float64  `json:"noopRatio"`
	UnknownTypes uint64   `json:"unknownErrorTypes"`
	Drifted      int      `json:"drifted"`
	Rate         RateView `json:"rate"`
	LastError    *Fault   `json:"lastError"`
}

// RateView is the fullest bucket of a sink: the credential that has the least left.
type RateView struct {
	Limit        int `json:"limit"` // per minute; 0 is no limit
	Remaining    int `json:"remaining"`
	ResetSeconds int `json:"resetSeconds"` // until Remaining is Limit again
	// The same for a day of UTC, where the provider has such a limit.
	DayLimit     int `json:"dayLimit,omitempty"`
	DayRemaining int `json:"dayRemaining,omitempty"`
}

// ConnectionState is how a profile's connection stands.
type ConnectionState string

// The states of a connection, the most important last.
const (
	InSync             ConnectionState = "in_sync"
	Pending            ConnectionState = "pending"
	ConnectionPaused   ConnectionState = "paused"
	ConnectionDoubtful ConnectionState = "uncertain"
	ConnectionParked   ConnectionState = "parked"
)

// Connection is how a profile's connection to a provider stands, in the shape of the API.
type Connection struct {
	Provider string `json:"provider"`
	// Account is the profile's own value, for those who may see it.
	Account         string          `json:"account,omitempty"`
	State           ConnectionState `json:"state"`
	AcknowledgedSeq ledger.Seq      `json:"acknowledgedSeq"`
	HeadSeq         ledger.Seq      `json:"headSeq"` // of the profile
	// Reason says why the account is paused.
	Reason string `json:"reason,omitempty"`
	Lanes  []Lane `json:"lanes"`
}

// Lane is how one lane stands, in the shape of the API.
type Lane struct {
	Entity      string     `json:"entity"`
	Class       Class      `json:"class"`
	Phase       Phase      `json:"phase"`
	WantSeq     ledger.Seq `json:"wantSeq"`
	AckedSeq    ledger.Seq `json:"ackedSeq"`
	Attempts    int        `json:"attempts"`
	LastError   *Fault     `json:"lastError"`
	ProviderRef string     `json:"providerRef,omitempty"`
	Since       time.Time  `json:"since,omitzero"`
	// NextAt is when the lane will move by itself, if it waits.
	NextAt *time.Time `json:"nextAt,omitempty"`
	Verify Verify     `json:"verify"`
	// PinnedTo is the commit whose state was brought there by a recovery, if it was not the
	// newest one. The next edit of the entity ends it.
	PinnedTo ledger.Seq `json:"pinnedTo,omitempty"`
}

// ParkedEdit is one edit that waits for a person, or whose outcome is not known yet, in
// the shape of the API.
type ParkedEdit struct {
	ID      ID               `json:"id,omitzero"` // none in phase UNCERTAIN: there is nothing to decide yet
	Phase   Phase            `json:"phase"`
	Profile ledger.ProfileID `json:"profile"`
	Entity  string           `json:"entity"`
	Class   Class            `json:"class"`
	Verb    Verb             `json:"verb"`
	Code    string           `json:"code"`
	Reason  string           `json:"reason"`
	Since   Stamp            `json:"since"`
	Seq     ledger.Seq       `json:"seq"` // the commits up to this one are not delivered
	SentAt  Stamp            `json:"sentAt,omitzero"`
	// Fingerprint is a salted digest of what was sent: equal ones were equal bodies.
	Fingerprint Digest   `json:"fingerprint,omitzero"`
	Attempts    int      `json:"attempts"`
	Evidence    *Fault   `json:"evidence,omitempty"`
	LastRead    *ReadRow `json:"lastRead,omitempty"`
	// NextAt is when a doubt is looked at again without anybody.
	NextAt  Stamp    `json:"nextAt,omitzero"`
	Choices []Action `json:"choices"`
}

// ReadRow is what the last reading of the provider said about an edit in doubt.
type ReadRow struct {
	At      Stamp `json:"at"`
	Times   int   `json:"times"`   // that it was read
	Matches int   `json:"matches"` // items there that could be the one
}

// Health tells apart what a sink with something to deliver does.
type Health string

// The grades of health.
const (
	HealthIdle    Health = "idle"    // nothing is to be delivered
	HealthActive  Health = "active"  // deliveries are made
	HealthFailing Health = "failing" // calls are made, and fail
	HealthStalled Health = "stalled" // something waits for long, and no call succeeds
	HealthPaused  Health = "paused"
)

// Metrics is the numbers of one sink. Counters count since the start of the process.
type Metrics struct {
	Sink             string
	Paused           bool
	LagEvents        uint64
	FreshnessSeconds float64
	Lanes            map[Phase]int
	OldestSeconds    map[Phase]float64 // age of the lane that is longest in the phase
	PausedAccounts   int
	Calls            map[string]uint64 // by verdict
	SkippedUnchanged uint64
	Uncertain        uint64 // calls whose outcome was unknown
	ParkedTotal      uint64 // edits that were parked
	UnknownTypes     uint64 // answers that the provider's documents do not name
	Drifted          int
	Orphans          uint64            // results of steps that were of no use
	Resolved         map[string]uint64 // doubts, by what settled them
	Renewals         map[string]uint64 // of credentials, by verdict
	Health           Health
	BucketTokens     float64
	// NoOpRatio is the part of all looks at a lane that ended without a call because
	// the provider had everything.
	NoOpRatio float64
}
