package sinks

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"vitae/ledger"
)

// keepRows is how many of a lane's last journal rows stay in memory and behind a
// compaction. The stream has all since the last one.
const keepRows = 3

// AccountRecord is a connection as the sinks know it. The account's own name and the
// settings are in the profile's sealed state only.
type AccountRecord struct {
	AccountKey
	State    SinkState  `json:"state"`
	Code     string     `json:"code,omitempty"`   // why it is paused: the fault's type
	Reason   string     `json:"reason,omitempty"` // in our own words
	Since    Stamp      `json:"since,omitzero"`
	BoundSeq ledger.Seq `json:"bound_seq"` // commit of the connection's last bound event
	// Off are the kinds of edits (names of standing entities) that the account may not do.
	Off []string `json:"off,omitempty"`
	// Day and Calls count the calls of a day of UTC, for a rate by the day; a kill may
	// lose the last second of it.
	Day   Stamp `json:"day,omitzero"`
	Calls int   `json:"calls,omitempty"`
}

// sinkRecord is what an operator decided about a sink.
type sinkRecord struct {
	Name   string    `json:"name"`
	State  SinkState `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  Stamp     `json:"since,omitzero"`
}

// cursorRecord is how far the ledger was taken in: no commit up to Seq needs to be read
// again, because what it asks for is acknowledged, superseded or recorded in a lane.
type cursorRecord struct {
	Lineage string      `json:"lineage"`
	Seq     ledger.Seq  `json:"seq"`
	Hash    ledger.Hash `json:"hash,omitzero"` // of the commit Seq; zero when it was not at hand
	Sinks   []string    `json:"sinks"`         // those that followed up to here
}

// ownerRecord fences every earlier owner: its next append will be refused.
type ownerRecord struct {
	ID    ID     `json:"id"`
	Epoch uint64 `json:"epoch"`
}

// restoredRecord says that the lanes, or the ledger, were put back from a copy: the
// providers may have got more than the lanes know of. See MarkRestored.
type restoredRecord struct {
	Lineage string     `json:"lineage"`
	Seq     ledger.Seq `json:"seq"` // where the ledger ended then
	At      Stamp      `json:"at"`
	// Done: the lanes were dealt with; what stays is Seq.
	Done bool `json:"done,omitempty"`
}

// change is one record of a block: exactly one of its first ten members is set.
type change struct {
	Lane    *Record        `json:"lane,omitempty"`
	Account *AccountRecord `json:"account,omitempty"`
	Sink    *sinkRecord    `json:"sink,omitempty"`
	Cursor  *cursorRecord  `json:"cursor,omitempty"`
	Owner   *ownerRecord   `json:"owner,omitempty"`
	Drop    *AccountKey    `json:"drop,omitempty"`
	Plan    *planRecord    `json:"plan,omitempty"`
	Ended   *endedRecord   `json:"ended,omitempty"`
	Pad     string         `json:"pad,omitempty"` // changes nothing; see Purge and wholePad

	Restored *restoredRecord `json:"restored,omitempty"`

	Row  *Row  `json:"row,omitempty"`  // beside Lane: what happened
	Rows []Row `json:"rows,omitempty"` // beside Lane, in a compaction: what stays of its journal
}

// block is one message of the stream.
type block struct {
	V       int      `json:"v"`
	ID      ID       `json:"id"` // tells two blocks apart
	Records []change `json:"records"`
}

const (
	blockVersion  = 1
	blockOverhead = 64
)

// composer makes blocks for the writer.
type composer struct{}

func (composer) Compose(records [][]byte) []byte {
	b := fmt.Appendf(nil, `{"v":%d,"id":"%s","records":[`, blockVersion, NewID(time.Now()))
	for i, r := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r...)
	}
	return append(b, `]}`...)
}

func (composer) Stored(uint64, []byte) {}

func parseBlock(pos uint64, payload []byte) (block, error) {
	var b block
	if err := json.Unmarshal(payload, &b); err != nil {
		return b, fmt.Errorf("lanes: block %d: %w: %w", pos, ledger.ErrFormat, err)
	}
	if b.V != blockVersion {
		return b, fmt.Errorf("lanes: block %d: %w: version %d", pos, ledger.ErrFormat, b.V)
	}
	return b, nil
}

// lane is a lane in memory: its checkpoint, and what the run knows besides. All of it is
// guarded by the manager's mutex.
type lane struct {
	rec  Record
	rows []Row

	want   ledger.Seq // newest commit that is to be delivered; >= rec.WantSeq
	wantAt Stamp      // time of the oldest commit that no attempt covers; 0: none
	first  ledger.Seq // oldest such commit that is not recorded; 0: all are
	marked Stamp      // when first was set

	acct   *account
	busy   bool // a worker has it
	gone   bool // its connection is gone: nothing is stored for it any more
	early  bool // the wait in RetryWait is called off: the provider is back
	await  bool // a section that waits for its items
	moving bool // counted as one that is not at rest
	fails  int  // failures in a row, for the backoff

	hold time.Time // not before: bucket, breaker, a fault of ours
	due  time.Time // in the queue
	at   int       // place in the queue's heap; -1 outside
}

// clean says that the lane has nothing to deliver.
func (l *lane) clean() bool {
	return l.rec.Phase == Idle && l.want <= l.rec.AckedSeq && !l.stirred()
}

func (l *lane) stirred() bool { return l.rec.Detail != nil && l.rec.Detail.Stirred }

// resting says that the lane will not move by itself: clean, or parked without a newer edit.
func (l *lane) resting() bool {
	return l.clean() || l.rec.Phase == Parked && !l.busy && !l.newer()
}

// newer says that a parked lane has an edit that stands for the parked one.
func (l *lane) newer() bool {
	p, _ := PolicyOf(l.rec.Class)
	return p.Supersedes && (l.want > l.rec.ToSeq || l.stirred()) && !l.rec.Park.Doubtful()
}

// oldest is the time of the oldest commit that is not delivered.
func (l *lane) oldest() Stamp { return firstOf(l.rec.WantAt, l.wantAt) }

// account is a connection in memory.
type account struct {
	rec     AccountRecord
	lanes   []*lane
	breaker *breaker // nil until something fails
	gone    bool

	resume  string              // that is sent, as far as a worker has seen; "" before
	listed  map[string]*listing // by section; see items.go
	listing map[string]bool     // sections that a lane is reading
	renewed Stamp               // when the credential was
	renewal sync.Mutex          // held by who renews the credential
}

// table is the projection of the lanes stream: pure, without locks or I/O.
type table struct {
	accounts map[ledger.ProfileID][]*account
	sinks    map[string]*sinkRecord
	plans    map[ID]*planRecord
	ended    map[ledger.ProfileID][]Ended // of erased profiles, until Purge
	cursor   cursorRecord
	owner    ownerRecord
	restored *restoredRecord // nil: never
	lanes    int
}

func newTable() *table {
	return &table{accounts: map[ledger.ProfileID][]*account{}, sinks: map[string]*sinkRecord{}, plans: map[ID]*planRecord{}, ended: map[ledger.ProfileID][]Ended{}}
}

func (t *table) account(k AccountKey) *account {
	for _, a := range t.accounts[k.Profile] {
		if a.rec.Sink == k.Sink {
			return a
		}
	}
	return nil
}

func (t *table) addAccount(rec AccountRecord) *account {
	a := &account{rec: rec}
	t.accounts[rec.Profile] = append(t.accounts[rec.Profile], a)
	return a
}

func (t *table) drop(k AccountKey) {
	list := t.accounts[k.Profile]
	for i, a := range list {
		if a.rec.Sink != k.Sink {
			continue
		}
		a.gone = true
		for _, l := range a.lanes {
			l.gone = true
			t.lanes--
		}
		rest := append(list[:i:i], list[i+1:]...)
		if len(rest) == 0 {
			delete(t.accounts, k.Profile)
		} else {
			t.accounts[k.Profile] = rest
		}
		return
	}
}

func (a *account) lane(entity string) *lane {
	for _, l := range a.lanes {
		if l.rec.Entity == entity {
			return l
		}
	}
	return nil
}

func (t *table) addLane(a *account, rec Record) *lane {
	l := &lane{rec: rec, acct: a, at: -1, want: rec.WantSeq}
	a.lanes = append(a.lanes, l)
	t.lanes++
	return l
}

func (l *lane) journal(r Row) {
	if l.rows == nil {
		l.rows = make([]Row, 0, keepRows)
	}
	if len(l.rows) >= keepRows {
		copy(l.rows, l.rows[1:])
		l.rows = l.rows[:keepRows-1]
	}
	l.rows = append(l.rows, r)
}

// apply folds one record of a block.
func (t *table) apply(c change) error {
	switch {
	case c.Lane != nil:
		return t.applyLane(c)
	case c.Account != nil:
		r := *c.Account
		r.Sink, r.Code, r.Reason = intern(r.Sink), intern(r.Code), intern(r.Reason)
		if a := t.account(r.AccountKey); a != nil {
			a.rec = r
		} else {
			t.addAccount(r)
		}
	case c.Sink != nil:
		t.sinks[c.Sink.Name] = c.Sink
	case c.Cursor != nil:
		t.cursor = *c.Cursor
	case c.Owner != nil:
		t.owner = *c.Owner
	case c.Drop != nil:
		t.drop(*c.Drop)
	case c.Plan != nil:
		t.applyPlan(c.Plan)
	case c.Restored != nil:
		t.restored = c.Restored
	case c.Ended != nil:
		t.end(*c.Ended)
	case c.Pad != "":
	default:
		return fmt.Errorf("lanes: %w: a record of an unknown kind", ledger.ErrFormat)
	}
	return nil
}

func (t *table) applyLane(c change) error {
	rec := *c.Lane
	rec.intern()
	if _, ok := PolicyOf(rec.Class); !ok {
		return fmt.Errorf("lanes: %w: a lane of class %q", ledger.ErrFormat, rec.Class)
	}
	a := t.account(rec.Key.Account())
	if a == nil {
		// The account's own record comes later when the stream was trimmed between the two.
		a = t.addAccount(AccountRecord{AccountKey: rec.Key.Account(), State: Running, BoundSeq: rec.BoundSeq})
	}
	l := a.lane(rec.Entity)
	if l == nil {
		l = t.addLane(a, rec)
	}
	l.rec, l.want, l.wantAt = rec, rec.WantSeq, 0
	if c.Rows != nil {
		l.rows = nil
		for _, r := range c.Rows {
			r.Fault.intern()
			l.journal(r)
		}
	}
	if c.Row != nil {
		c.Row.Fault.intern()
		l.journal(*c.Row)
	}
	return nil
}
