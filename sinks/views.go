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
	// FreshnessSeconds is the age of the oldest edit that is not delivered.
	FreshnessSeconds float64       `json:"freshnessSeconds"`
	Lanes            map[Phase]int `json:"lanes"`
	Accounts         int           `json:"accounts"`
	PausedAccounts   int           `json:"pausedAccounts"`
	// Calls and SkippedUnchanged count since the start of the process.
	Calls            uint64   `json:"calls"`
	SkippedUnchanged uint64   `json:"skippedUnchanged"`
	Parked           int      `json:"parked"`
	Uncertain        int      `json:"uncertain"`
	Rate             RateView `json:"rate"`
	LastError        *Fault   `json:"lastError"`
}

// RateView is the fullest bucket of a sink: the credential that has the least left.
type RateView struct {
	Limit        int `json:"limit"` // per minute; 0 is no limit
	Remaining    int `json:"remaining"`
	ResetSeconds int `json:"resetSeconds"` // until Remaining is Limit again
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
	Since       time.Time  `json:"since"`
	// NextAt is when the lane will move by itself, if it waits.
	NextAt *time.Time `json:"nextAt,omitempty"`
}

// ParkedEdit is one edit that waits for a person, in the shape of the API.
type ParkedEdit struct {
	ID       ID               `json:"id"`
	Profile  ledger.ProfileID `json:"profile"`
	Entity   string           `json:"entity"`
	Class    Class            `json:"class"`
	Code     string           `json:"code"`
	Reason   string           `json:"reason"`
	Since    Stamp            `json:"since"`
	Seq      ledger.Seq       `json:"seq"` // the commits up to this one are not delivered
	SentAt   Stamp            `json:"sentAt,omitzero"`
	Attempts int              `json:"attempts"`
	Evidence *Fault           `json:"evidence,omitempty"`
	Choices  []Action         `json:"choices"`
}

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
	BucketTokens     float64
	// NoOpRatio is the part of all looks at a lane that ended without a call because
	// the provider had everything.
	NoOpRatio float64
}
