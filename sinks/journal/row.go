package journal

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Row is one transition of a lane, or a gap. The words are those of package sinks.
type Row struct {
	Pos     uint64           `json:"pos"` // of its block in the stream
	At      sinks.Stamp      `json:"at"`
	Sink    string           `json:"sink"`
	Profile ledger.ProfileID `json:"profile"`
	Entity  string           `json:"entity"`
	Class   sinks.Class      `json:"class"`
	Event   string           `json:"event"`
	From    string           `json:"from"` // phases
	To      string           `json:"to"`
	// End is how the row closes the commits that it covers; "" when it does not.
	End     string     `json:"end,omitempty"`
	FromSeq ledger.Seq `json:"fromSeq"` // the commits that the attempt covers; 0 before the first
	ToSeq   ledger.Seq `json:"toSeq"`
	// Attempt is the last attempt of the lane; "" before the first. The rows from its claim
	// to the one with an End tell what became of it.
	Attempt string `json:"attempt,omitempty"`
	Epoch   uint64 `json:"epoch"`
	Verb    string `json:"verb"` // of the attempt; "" before the first
	Step    string `json:"step,omitempty"`
	// Sent is what is known about the request that the row is about: "no", "yes", "unknown".
	// A claim is "unknown": it is stored before the call. "" when it is about none.
	Sent    string `json:"sent,omitempty"`
	HTTP    int    `json:"http,omitempty"` // status of a call that failed; 0 when there was no answer
	Type    string `json:"type,omitempty"` // what went wrong, or why it is parked
	Message string `json:"message,omitempty"`
	// ProviderRef is the provider's name for the item, after the row.
	ProviderRef string `json:"providerRef,omitempty"`
	// Verify is how it is known that the provider has what the row closes.
	Verify   string    `json:"verify,omitempty"`
	Decision *Decision `json:"decision,omitempty"` // of a person
	// Gap is set in a row that says what is missing; the row has Pos and At besides.
	Gap *Gap `json:"gap,omitempty"`

	at place
}

// Decision is who decided, and the commit of the event that says why.
type Decision struct {
	Actor string     `json:"actor"`
	Seq   ledger.Seq `json:"seq"`
}

// Gap says that the blocks From to To of the stream are not in the journal: what happened
// in them cannot be told.
type Gap struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Why  string `json:"why"`
}

// Why there is a Gap.
const (
	Trimmed  = "trimmed"  // the blocks were given up before this journal had them
	Restored = "restored" // the stream was put back to an older copy: these rows are here, and their blocks are not there any more
	Replaced = "replaced" // another stream begins here
	Diverged = "diverged" // the stream's blocks are not those that this journal took in
)

// gapEvent is the event of a gap.
const gapEvent = "gap"

// MarshalJSON leaves out of a gap what it does not have.
func (r Row) MarshalJSON() ([]byte, error) {
	type plain Row
	if r.Gap == nil {
		return json.Marshal(plain(r))
	}
	return json.Marshal(struct {
		Pos   uint64      `json:"pos"`
		At    sinks.Stamp `json:"at"`
		Event string      `json:"event"`
		Gap   *Gap        `json:"gap"`
	}{r.Pos, r.At, r.Event, r.Gap})
}

// Cursor is the row's place, for Filter.
func (r Row) Cursor() string { return r.at.String() }

// rowOf makes the row of a transition. A row is about the lane after it.
func rowOf(e *sinks.Entry) Row {
	rec, row := &e.Record, &e.Row
	r := Row{Pos: e.Pos, At: row.At, Sink: rec.Sink, Profile: rec.Profile, Entity: rec.Entity, Class: rec.Class, Event: row.Event.String(),
		From: row.From.String(), To: row.To.String(), FromSeq: row.FromSeq, ToSeq: row.ToSeq, Epoch: rec.Epoch, ProviderRef: rec.Ref}
	if !row.Attempt.IsZero() {
		r.Attempt, r.Verb, r.Step = row.Attempt.String(), rec.Verb.String(), rec.Step
	}
	if row.End != sinks.Open {
		r.End = row.End.String()
		if rec.Verify != sinks.VerifyNone {
			r.Verify = rec.Verify.String()
		}
	}
	switch f := row.Fault; {
	case f != nil:
		r.Sent, r.HTTP, r.Type, r.Message = f.Sent.String(), f.HTTP, f.Type, f.Message
	case row.End == sinks.ParkedEnd && rec.Park != nil:
		r.Type, r.Message = rec.Park.Code, rec.Park.Reason
	}
	if row.Fault == nil {
		switch row.Event {
		case sinks.Claim:
			r.Sent = sinks.SentUnknown.String()
		case sinks.Succeed, sinks.Advance, sinks.Accept:
			r.Sent = sinks.SentYes.String()
		}
	}
	if row.Decision != nil {
		r.Decision = &Decision{Actor: row.Decision.Actor, Seq: row.Decision.Seq}
	}
	return r
}

// place is where a row stands: rows are sorted by it.
type place struct {
	gen int64  // counts the times that the stream was not the one before
	pos uint64 // in the stream
	idx int64  // in the block, from 1; 0 for a gap
}

func (p place) String() string {
	return fmt.Sprintf("%d.%d.%d", p.gen, p.pos, p.idx)
}

// parsePlace reads a cursor.
func parsePlace(text string) (p place, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return p, ErrCursor
	}
	var n [3]uint64
	for i, s := range parts {
		if n[i], err = strconv.ParseUint(s, 10, 63); err != nil || s != strconv.FormatUint(n[i], 10) {
			return p, ErrCursor
		}
	}
	return place{int64(n[0]), n[1], int64(n[2])}, nil
}
