package sinks

import (
	"fmt"
	"slices"
	"time"

	"vitae/ledger"
)

// Event is what happens to a lane.
type Event uint8

// The events of the machine. Arrows says which phase takes which.
const (
	Bind           Event = iota + 1 // the connection was set (again): what was acknowledged says nothing any more
	Wish                            // a newer commit is to be delivered
	Claim                           // a call is about to be made
	Succeed                         // the provider has it
	Postpone                        // certainly not executed: later again
	Refuse                          // refused for good
	LoseSight                       // the outcome is unknown
	Find                            // found in flight by a run that did not make the claim
	Settle                          // the settle window is over and calling again is harmless
	Recognise                       // read back: what was sent is there
	Again                           // read back: it is not there yet; once more later
	Missing                         // read back often enough: it never came to be
	GiveUp                          // nobody but a person can tell
	Advance                         // one request of several is done
	Accept                          // the provider has taken it, and is not done
	Elapse                          // nobody will tell whether what was accepted is done
	Adopt                           // the provider had an item like it already
	Recheck                         // whether Ref is there was looked up
	Reproject                       // a plan: what was acknowledged is not relied on
	Stir                            // a section: which of its items are there has changed
	NoChange                        // the newest body is what was acknowledged
	Hold                            // the newest body cannot be sent
	Stay                            // parked, and the newest body is the one that was parked
	Supersede                       // parked, and a newer edit stands for the parked one
	Exhaust                         // the budget is spent
	DecideRetry                     // a person: try again
	DecideDone                      // a person: the provider has it
	DecideSkip                      // a person: the provider need not have it
	DecideRecreate                  // a person: make it anew
	events
)

func (e Event) String() string {
	names := [...]string{"", "bind", "wish", "claim", "succeed", "postpone", "refuse", "lose_sight", "find", "settle", "recognise", "again", "missing",
		"give_up", "advance", "accept", "elapse", "adopt", "recheck", "reproject", "stir", "no_change", "hold", "stay", "supersede", "exhaust",
		"decide_retry", "decide_mark_done", "decide_skip", "decide_recreate"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("Event(%d)", uint8(e))
}

// Events lists all events.
func Events() []Event {
	var out []Event
	for e := Bind; e < events; e++ {
		out = append(out, e)
	}
	return out
}

// MarshalText makes the event its word in JSON.
func (e Event) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the word.
func (e *Event) UnmarshalText(b []byte) error { return unword(e, b, events) }

// Arrow is one transition that the machine allows.
type Arrow struct {
	From Phase
	On   Event
	To   Phase
	End  End // how it closes the commits up to the attempt's, if it does
}

// Arrows is the whole machine. What is not here is refused with ErrArrow.
func Arrows() []Arrow {
	return []Arrow{
		{Idle, Bind, Idle, Open}, // a call under way or in doubt stays what it is
		{InFlight, Bind, InFlight, Open},
		{RetryWait, Bind, RetryWait, Open},
		{Uncertain, Bind, Uncertain, Open},
		{Taken, Bind, Taken, Open},
		{Parked, Bind, RetryWait, Superseded}, // what is done once and is in doubt stays parked

		{Idle, Wish, Idle, Open},
		{InFlight, Wish, InFlight, Open},
		{RetryWait, Wish, RetryWait, Open},
		{Uncertain, Wish, Uncertain, Open},
		{Taken, Wish, Taken, Open},
		{Parked, Wish, Parked, Open},

		{Idle, Claim, InFlight, Open},
		{RetryWait, Claim, InFlight, Open},

		{InFlight, Succeed, Idle, Delivered},
		{InFlight, Postpone, RetryWait, Open},
		{InFlight, Refuse, Parked, ParkedEnd},
		{InFlight, LoseSight, Uncertain, Open},
		{InFlight, Find, Uncertain, Open},
		{InFlight, Advance, RetryWait, Open},
		{InFlight, Accept, Taken, Open},

		{Uncertain, Settle, RetryWait, Open},
		{Uncertain, Recognise, Idle, Delivered},
		{Uncertain, Again, Uncertain, Open},
		{Uncertain, Missing, RetryWait, Open},
		{Uncertain, GiveUp, Parked, ParkedEnd},

		{Taken, Recognise, Idle, Delivered},
		{Taken, Again, Taken, Open},
		{Taken, Elapse, Idle, Delivered},

		{Idle, Adopt, Idle, Unchanging},
		{RetryWait, Adopt, Idle, Unchanging},
		{Idle, Recheck, Idle, Open},
		{RetryWait, Recheck, RetryWait, Open},

		{Idle, Stir, Idle, Open},
		{InFlight, Stir, InFlight, Open},
		{Uncertain, Stir, Uncertain, Open},
		{Taken, Stir, Taken, Open},
		{Parked, Stir, Parked, Open},

		{Idle, Reproject, RetryWait, Open},
		{RetryWait, Reproject, RetryWait, Open},
		{Parked, Reproject, RetryWait, Superseded},

		{Idle, NoChange, Idle, Unchanging},
		{RetryWait, NoChange, Idle, Unchanging},
		{Idle, Hold, Parked, ParkedEnd},
		{RetryWait, Hold, Parked, ParkedEnd},
		{RetryWait, Exhaust, Parked, ParkedEnd},

		{Parked, Stay, Parked, ParkedEnd},
		{Parked, Hold, Parked, ParkedEnd},
		{Parked, NoChange, Idle, Unchanging},
		{Parked, Supersede, RetryWait, Superseded},
		{Parked, DecideRetry, RetryWait, Open},
		{Parked, DecideDone, Idle, Delivered},
		{Parked, DecideSkip, Idle, Skipped},
		{Parked, DecideRecreate, RetryWait, Open},
	}
}

// End is how a journal row closes the commits that its attempt covers.
type End uint8

// The ends.
const (
	Open       End = iota // not closed
	Delivered             // the provider has them
	Unchanging            // the provider had them already
	Superseded            // a newer edit stands for them
	ParkedEnd             // they wait for a person
	Skipped               // a person gave them up
	ends
)

func (e End) String() string {
	names := [...]string{"open", "applied", "no_change", "superseded", "parked", "skipped"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("End(%d)", uint8(e))
}

// MarshalText makes the end its word in JSON.
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the word.
func (e *End) UnmarshalText(b []byte) error { return unword(e, b, ends) }

// Row is one line of a lane's journal: a transition, by whom and why.
type Row struct {
	At      Stamp      `json:"at"`
	Event   Event      `json:"event"`
	From    Phase      `json:"from"`
	To      Phase      `json:"to"`
	End     End        `json:"end,omitzero"`
	FromSeq ledger.Seq `json:"from_seq,omitempty"`
	ToSeq   ledger.Seq `json:"to_seq,omitempty"`
	Attempt ID         `json:"attempt_id,omitzero"`
	Fault   *Fault     `json:"fault,omitempty"`
	// Decision is who decided and why, when a person did.
	Decision *Decision `json:"decision,omitempty"`
}

// Decision is a person's part in a row. Why is in the ledger: Seq is the commit of the
// decided event.
type Decision struct {
	Actor string     `json:"actor"`
	Seq   ledger.Seq `json:"seq"`
}

// Input is an event with all that the machine may know. Which members count depends on
// the event.
type Input struct {
	Event Event
	At    Stamp

	Seq    ledger.Seq // Bind, Wish: the commit. Claim, NoChange, Hold, Stay: what the body covers
	WantAt Stamp      // of the oldest commit that is not delivered, after this event; 0: none

	Attempt    ID // Claim
	Owner      ID
	LeaseUntil Stamp
	Hash, Echo Digest
	Fields     []string
	Mapping    int
	Verb       Verb
	Step       string
	Baseline   *Names // Claim of a create: what was there; nil when that is not known

	Verify    Verify     // Succeed, Recognise
	Ref       string     // Succeed, Recognise, Accept, Adopt; Recheck: the one that is there, or none
	Task      string     // Accept
	Result    []byte     // Advance: sealed
	NotBefore Stamp      // Postpone, Settle, Missing
	Until     Stamp      // LoseSight, Find, Again, Accept: when to look next
	Free      bool       // Postpone: the attempt is not counted
	Restart   bool       // Postpone: the steps that are done are of no use
	Seen      int        // Recognise, Again, Missing, GiveUp: items that could be the one
	Plan      ID         // Reproject
	Pin       ledger.Seq // Reproject; Claim, NoChange, Hold, Adopt: the state was this commit's
	Fault     *Fault
	Park      *Park
	Decision  *Decision
}

// ErrArrow says that the machine has no such transition: a fault of the caller.
var ErrArrow = fmt.Errorf("no such transition")

// Step is the machine: a lane and an event give the lane after it, and the row for the
// journal. It is pure. The error is ErrArrow for a transition that is not in Arrows, or
// one whose input would make the lane go backwards; the record is then unchanged.
func Step(r Record, in Input) (Record, Row, error) {
	policy, ok := PolicyOf(r.Class)
	if !ok {
		return r, Row{}, fmt.Errorf("%w: class %q has no policy", ErrArrow, r.Class)
	}
	arrow, ok := arrowFor(r.Phase, in.Event)
	if !ok {
		return r, Row{}, fmt.Errorf("%w: %s in %s", ErrArrow, in.Event, r.Phase)
	}
	if why := refuses(&r, &in, policy); why != "" {
		return r, Row{}, fmt.Errorf("%w: %s in %s: %s", ErrArrow, in.Event, r.Phase, why)
	}
	if in.Event == Bind && r.Phase == Parked && r.Park.Doubtful() {
		// It may be there, and another credential is no reason to make it again: this arrow
		// is for the others.
		arrow.To, arrow.End = Parked, Open
	}
	next := r
	next.Rev++
	if arrow.To != r.Phase {
		next.Phase, next.Since = arrow.To, in.At
	}
	if arrow.To != Parked {
		next.Park = nil
	}
	apply(&next, &in)
	row := Row{At: in.At, Event: in.Event, From: r.Phase, To: arrow.To, End: arrow.End, Attempt: next.Attempt, Fault: in.Fault, Decision: in.Decision}
	switch in.Event {
	case Bind, Wish, Supersede, Recheck, Reproject, Stir:
		row.FromSeq, row.ToSeq, row.Attempt = r.FromSeq, r.ToSeq, r.Attempt
	default:
		row.FromSeq, row.ToSeq = next.FromSeq, next.ToSeq
	}
	return next, row, nil
}

func arrowFor(p Phase, e Event) (Arrow, bool) {
	for _, a := range Arrows() {
		if a.From == p && a.On == e {
			return a, true
		}
	}
	return Arrow{}, false
}

// refuses says why an input must not be taken although there is an arrow for it.
func refuses(r *Record, in *Input, policy Policy) string {
	switch in.Event {
	case Bind:
		if in.Seq <= r.BoundSeq {
			return "the connection is not newer"
		}
	case Wish:
		if in.Seq <= r.WantSeq {
			return "the commit is not newer"
		}
	case Claim, NoChange, Hold, Stay, Adopt:
		switch {
		case in.Seq < r.AckedSeq || in.Seq < r.ToSeq:
			return "the state is older than what was sent"
		case in.Event == Claim && in.Attempt.IsZero():
			return "an attempt needs an id"
		case in.Event == Claim && in.Hash == 0:
			return "an attempt needs a hash"
		case in.Event == Claim && policy.Once && r.done():
			return "it was done, and must not be done twice"
		case in.Event == Adopt && in.Ref == "":
			return "an item needs an id"
		case in.Event == Hold && in.Park == nil:
			return "a parked edit needs a reason"
		case in.Event == Stay && !policy.Supersedes:
			return "the class does not supersede"
		}
	case Refuse, Exhaust, GiveUp:
		if in.Park == nil {
			return "a parked edit needs a reason"
		}
	case Supersede:
		if !policy.Supersedes || r.Park.Doubtful() {
			return "the parked edit may be there: only a person can tell"
		}
	case Settle:
		if DoubtOf(r.Verb) != DoubtResend {
			return "what was called must not be called again"
		}
	case Missing:
		if DoubtOf(r.Verb) == DoubtPark {
			return "what was called cannot be looked up"
		}
	case Reproject:
		if policy.Once {
			return "it must not be done twice"
		}
	case DecideRetry, DecideDone, DecideSkip, DecideRecreate:
		if in.Decision == nil {
			return "a decision needs somebody who decides"
		}
	}
	return ""
}

// done says that a lane of something that is done once has it behind it.
func (r *Record) done() bool { return r.AckedHash != 0 || r.Verify == OperatorSaid }

// apply fills the members that the event changes; phase, since and revision are done.
func apply(n *Record, in *Input) {
	d := n.More()
	defer func() { n.keep(d) }()
	if in.Fault != nil {
		n.Last = in.Fault
	}
	switch in.Event {
	case Bind:
		n.bind(&d, in)
	case Wish:
		n.WantSeq, n.WantAt = in.Seq, firstOf(n.WantAt, in.WantAt)
	case Claim:
		n.claim(&d, in)
	case Succeed, Recognise, Elapse:
		n.acknowledge(&d, in)
	case Advance:
		d.Steps = append(slices.Clone(d.Steps), StepDone{Name: n.Step, Result: in.Result, Attempt: n.Attempt})
		n.NotBefore, n.Attempts, n.FirstAt, n.Last = in.At, 0, 0, nil
	case Accept:
		d.Task, n.SettleUntil, d.Reads = in.Task, in.Until, 0
		if in.Ref != "" {
			n.Ref = in.Ref
		}
	case Postpone:
		n.NotBefore = in.NotBefore
		if in.Free && n.Attempts > 0 {
			if n.Attempts--; n.Attempts == 0 {
				n.FirstAt = 0 // nor does its age count
			}
		}
		if in.Restart {
			d.Steps = nil
		}
	case Refuse, Exhaust:
		n.Park = in.Park
	case GiveUp:
		n.Park, n.SettleUntil, d.Seen = in.Park, 0, in.Seen
	case LoseSight, Find:
		n.SettleUntil, d.Reads, d.Seen = in.Until, 0, 0
	case Again:
		n.SettleUntil, d.Reads, d.ReadAt, d.Seen = in.Until, d.Reads+1, in.At, in.Seen
	case Settle:
		// What was sent may be there instead of what was acknowledged.
		n.NotBefore, n.SettleUntil, n.AckedHash = in.NotBefore, 0, 0
	case Missing:
		n.NotBefore, n.SettleUntil, d.ReadAt, d.Seen, d.Baseline = in.NotBefore, 0, in.At, in.Seen, nil
	case Recheck:
		n.Ref, d.Unsure = in.Ref, false
		if in.Ref == "" {
			n.AckedHash, n.EchoHash, n.EchoAt, n.Verify, n.Fields = 0, 0, 0, VerifyNone, Names{}
		}
	case Adopt:
		n.FromSeq, n.ToSeq, n.WantSeq = n.AckedSeq+1, in.Seq, max(n.WantSeq, in.Seq)
		n.SentHash, n.SentEcho, n.Mapping, n.Sending, n.Verb, d.Unsure = in.Hash, in.Echo, in.Mapping, NamesOf(in.Fields...), VerbCreate, false
		in.Verify = ReadBack
		n.acknowledge(&d, in)
	case Stir:
		d.Stirred = true
	case Reproject:
		d.Plan, d.Pin, d.Pinned, d.Learn = in.Plan, in.Pin, n.WantSeq, true
		n.AckedHash, n.EchoHash, n.EchoAt, d.Unsure = 0, 0, 0, n.Ref != ""
		n.NotBefore, n.Attempts, n.FirstAt, d.Steps = in.At, 0, 0, nil
	case NoChange:
		n.FromSeq, n.ToSeq = n.AckedSeq+1, in.Seq
		n.AckedSeq, n.AckedAt, n.WantSeq, n.WantAt = in.Seq, in.At, max(n.WantSeq, in.Seq), in.WantAt
		n.Attempts, n.FirstAt, n.NotBefore, n.Last, d.Steps, d.Learn = 0, 0, 0, nil, nil, false
	case Hold:
		n.FromSeq, n.ToSeq, n.WantSeq, n.WantAt = n.AckedSeq+1, in.Seq, max(n.WantSeq, in.Seq), in.WantAt
		// What is parked was never sent: another body is not "the parked one".
		n.Park, n.SentHash, n.NotBefore = in.Park, 0, 0
	case Stay:
		n.ToSeq, n.WantSeq, n.WantAt = in.Seq, max(n.WantSeq, in.Seq), in.WantAt
	case Supersede, DecideRetry:
		n.NotBefore, n.Attempts, n.FirstAt, d.Steps = in.At, 0, 0, nil
	case DecideRecreate:
		n.NotBefore, n.Attempts, n.FirstAt, n.Ref, d.Unsure, n.Fields = in.At, 0, 0, "", false, Names{}
		n.AckedHash, n.EchoHash, n.EchoAt = 0, 0, 0
		d.Anew++
	case DecideDone:
		in.Verify = OperatorSaid
		n.acknowledge(&d, in)
	case DecideSkip:
		n.AckedSeq, n.AckedAt, n.WantAt = n.ToSeq, in.At, 0
		// What the provider has is not known: the next edit is sent whatever it is.
		n.AckedHash, n.Verify, n.Attempts, n.FirstAt, d.Steps = 0, VerifyNone, 0, 0, nil
		if policy, _ := PolicyOf(n.Class); policy.Once {
			n.Verify = OperatorSaid
		}
	}
	switch in.Event {
	case Claim, NoChange, Hold, Adopt:
		d.Pin = in.Pin // a newer commit ends it
	}
	switch in.Event {
	case Claim, NoChange, Hold, Stay, Adopt:
		d.Stirred = false // the body was built after it
	}
}

// bind makes the lane one of the connection as it is now. What was acknowledged may have
// been another account's; only what is done once stays done.
func (n *Record) bind(d *Detail, in *Input) {
	n.BoundSeq, n.WantSeq, n.WantAt = in.Seq, max(n.WantSeq, in.Seq), firstOf(n.WantAt, in.WantAt)
	n.Attempts, n.FirstAt, d.Steps, d.Pin = 0, 0, nil, 0
	if n.Phase == RetryWait {
		n.NotBefore = in.At
	}
	if policy, _ := PolicyOf(n.Class); policy.Once {
		return
	}
	n.AckedHash, n.EchoHash, n.EchoAt, n.Verify = 0, 0, 0, VerifyNone
	// What is under way went to the account before: its success says nothing of this one.
	n.SentHash = 0
	if n.Verb != VerbCreate || n.Phase != InFlight && n.Phase != Uncertain {
		n.SentEcho = 0 // the account may be the same: an item that was made there is still looked for
	}
	_, item := SplitEntity(n.Entity)
	d.Unsure = item != "" && (n.Ref != "" || n.Phase == InFlight || n.Phase == Uncertain || n.Phase == Taken)
}

func (n *Record) claim(d *Detail, in *Input) {
	if in.Hash != n.SentHash || in.Verb != n.Verb {
		n.Attempts, n.FirstAt, d.Steps = 0, 0, nil
	}
	if n.FirstAt == 0 {
		n.Attempts, n.FirstAt = 0, in.At
	}
	n.Epoch++
	n.Attempts++
	n.Owner, n.LeaseUntil, n.Attempt, n.SentAt = in.Owner, in.LeaseUntil, in.Attempt, in.At
	n.FromSeq, n.ToSeq, n.WantSeq = n.AckedSeq+1, in.Seq, max(n.WantSeq, in.Seq)
	n.WantAt = in.WantAt
	n.SentHash, n.SentEcho, n.Mapping = in.Hash, in.Echo, in.Mapping
	n.Verb, n.Step, d.Baseline = in.Verb, in.Step, in.Baseline
	n.Fields, n.Sending = n.Fields.With(in.Fields...), NamesOf(in.Fields...)
	n.NotBefore, n.SettleUntil, d.Reads, d.ReadAt, d.Seen, d.Task = 0, 0, 0, 0, 0, ""
}

// acknowledge says that the provider has what was last sent.
func (r *Record) acknowledge(d *Detail, in *Input) {
	r.AckedHash, r.AckedSeq, r.AckedAt, r.Verify = r.SentHash, r.ToSeq, in.At, in.Verify
	r.Attempts, r.FirstAt, r.NotBefore, r.SettleUntil, r.Last = 0, 0, 0, 0, nil
	d.Steps, r.Step, d.Baseline, d.Task, d.Seen, d.Learn = nil, "", nil, "", in.Seen, false
	r.WantAt = 0
	if r.WantSeq > r.AckedSeq {
		r.WantAt = in.WantAt
	}
	if in.Ref != "" {
		r.Ref = in.Ref
	}
	r.Fields = r.Sending
	if r.Verb == VerbDelete && r.SentHash != 0 {
		r.Ref, r.Fields = "", Names{}
	}
	if in.Echo != 0 {
		r.EchoHash, r.EchoAt = in.Echo, in.At
	}
}

// firstOf is the earlier of two stamps that are set.
func firstOf(a, b Stamp) Stamp {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Spent says whether the budget of the present body is used up: then no call is made.
// limit overrides the class's number of attempts when it is positive; what is not harmless
// to repeat never gets more than its class allows.
func (r *Record) Spent(now time.Time, limit int) bool {
	p, ok := PolicyOf(r.Class)
	if limit <= 0 || limit > p.Attempts && (r.Class == ClassC || r.Class == ClassD) {
		limit = p.Attempts
	}
	return !ok || r.Attempts >= limit || (r.FirstAt != 0 && now.Sub(r.FirstAt.Time()) >= p.Age)
}
