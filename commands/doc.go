// Package commands holds every request for a change of a profile, as a pure decision:
// the profile's state and the command give the events it comes to, or a refusal that
// names every wrong field at once. Nothing here reads a clock, draws an id or does I/O;
// what a decision needs of the world is in ledger.Env.
//
// A command is made in two steps. Its constructor reads the request body as strictly as
// the catalogue asks and returns a *ledger.Refusal with every mistake that can be seen
// without the state, each with its pointer into the body. Decide, which the committer
// calls as often as it must, adds the mistakes that need the state. A command is
// immutable after its constructor (Binding.Rotate is set before it is submitted), so it
// may be decided many times and from several goroutines. It keeps the body it was made
// of; the caller does not change those bytes afterwards.
//
// # What every decision keeps to
//
// Absent, null and empty are three things. A member that is absent changes nothing.
// null clears a scalar, a locale variant or a provider field that may be cleared; as an
// optional member of an item it means "absent"; anywhere else it is a mistake. An empty
// text is a mistake; an empty list empties the collection.
//
// An edit that changes nothing is no event, so the same request twice writes once. (A
// decision about a delivery is no edit: each one is an event.) A
// collection that is replaced becomes one put for each item that is new or different,
// one remove for each that is gone, and one order only where the puts and removes alone
// would leave the items in another order.
//
// Scalars and provider fields belong to the shared view. A collection belongs to a
// resume: to base when the profile is patched. A new resume starts as a copy of base
// and is independent of it from then on.
//
// The first phone number is the scalar phone (and its type the hidden scalar
// phone.type); the collection phones stores those after it and reads as all of them.
// Either way of writing keeps this: a profile with further numbers has a first one.
//
// # Errors
//
// Decide returns a *ledger.Refusal, ledger.ErrNotFound (no such profile, resume or
// item), ledger.ErrErased, ledger.ErrExists or ledger.ErrNotAllowed. Trying again helps
// with none of them while the state stays as it is. Any other error is a fault: the
// state holds what no command of this package can have written.
//
// # Forwarding
//
// Encode and Decode carry a command to the instance that commits. The values travel as
// they were parsed, and are checked again on arrival: a decoded command decides the
// same as the one that was encoded.
package commands
