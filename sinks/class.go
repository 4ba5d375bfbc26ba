package sinks

import "time"

// Class says what kind of operation a lane makes at its provider, and so what may be
// done when the outcome of a call is in doubt.
type Class string

// The classes.
const (
	ClassA Class = "A" // full-value set: the newest body replaces what is there
	ClassB Class = "B" // keyed upsert
	ClassC Class = "C" // create, in a list that can be read
	ClassD Class = "D" // append, without key or read-back
	ClassE Class = "E" // upload in steps that ends in a set
	ClassF Class = "F" // asynchronous task
	ClassX Class = "X" // never replayed
)

// Doubt is what settles an unknown outcome once the settle window is over.
type Doubt string

// The ways to settle a doubt.
const (
	DoubtResend Doubt = "resend" // calling again is harmless
	DoubtRead   Doubt = "read"   // only the provider's own list can tell
	DoubtPark   Doubt = "park"   // nobody but a person can tell
)

// Policy is one class's row: all that the machine and the workers ask about a class.
type Policy struct {
	// Supersedes: the newest edit stands for all before it, and un-parks them where what
	// was parked is not in doubt.
	Supersedes bool
	// Once: what was acknowledged is never sent again, whatever changes.
	Once bool
	// Attempts and Age are the budget of one body: after either it is parked. Attempts
	// that certainly never reached the provider, and throttled ones, cost nothing.
	Attempts int
	Age      time.Duration
	// Choices are what a person may decide about a parked edit.
	Choices []Action
}

// PolicyOf gives a class's row; ok is false for a class that no lane may have. What is
// rejected inside a success (class G) is a provider's way to answer, not a kind of lane;
// what must never be replayed (class X) never becomes an event.
func PolicyOf(c Class) (p Policy, ok bool) {
	switch c {
	case ClassA, ClassB, ClassE, ClassF:
		return Policy{Supersedes: true, Attempts: 12, Age: 24 * time.Hour, Choices: []Action{Retry, MarkDone, Skip}}, true
	case ClassC:
		return Policy{Supersedes: true, Attempts: 5, Age: 24 * time.Hour, Choices: []Action{Retry, MarkDone, Skip, Recreate}}, true
	case ClassD:
		return Policy{Once: true, Attempts: 1, Age: 24 * time.Hour, Choices: []Action{Retry, MarkDone, Skip}}, true
	}
	return Policy{}, false
}

// DoubtOf says what settles the unknown outcome of a call.
func DoubtOf(v Verb) Doubt {
	switch v {
	case VerbCreate:
		return DoubtRead
	case VerbAppend:
		return DoubtPark
	}
	return DoubtResend
}

// Action is what a person decides about a parked edit.
type Action string

// The actions.
const (
	Retry    Action = "retry"     // try again, with a new budget
	MarkDone Action = "mark_done" // the provider has it
	Skip     Action = "skip"      // the provider need not have it
	Recreate Action = "recreate"  // make it anew there; for classes that create
)
