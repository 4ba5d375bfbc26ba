package sinks

import "time"

// Class says what kind of operation a lane makes at its provider, and so what may be
// done when the outcome of a call is in doubt.
type Class string

// The classes. Only those with a row in the policy table can be used; see PolicyOf.
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
	// Doubt is the rule for an unknown outcome.
	Doubt Doubt
	// ReadBack: after a doubt the provider is read first where it can be; what is found
	// as sent needs no second call.
	ReadBack bool
	// Supersedes: the newest edit stands for all before it, and un-parks them.
	Supersedes bool
	// Attempts and Age are the budget of one body: after either it is parked. Attempts
	// that certainly never reached the provider, and throttled ones, cost nothing.
	Attempts int
	Age      time.Duration
	// Choices are what a person may decide about a parked edit.
	Choices []Action
}

// PolicyOf gives a class's row; ok is false for a class that no lane may have yet.
func PolicyOf(c Class) (p Policy, ok bool) {
	switch c {
	case ClassA:
		return Policy{Doubt: DoubtResend, ReadBack: true, Supersedes: true, Attempts: 12, Age: 24 * time.Hour,
			Choices: []Action{Retry, MarkDone, Skip}}, true
	}
	return Policy{}, false
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
