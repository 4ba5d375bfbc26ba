// Package sinks brings edits to the providers: exactly once in effect, whatever crashes.
//
// # Model
//
// A sink is one provider's deliveries. A lane is one (sink, profile, entity): it is
// served strictly in order and independently of every other. A lane's checkpoint is its
// Record; every change of it is a transition of one machine (Arrows, Step) and a Row of
// its journal, stored together in one record of the lanes stream. Records share blocks
// with those that wait at the same time, and every block is fenced by the one before it:
// a process that has missed something cannot write, and stops.
//
// # A delivery
//
// The intake follows the ledger and notes which lanes a commit concerns. A worker takes a
// lane that is due and builds the newest body from the profile's state: the newest edit
// stands for all before it. If its hash is the acknowledged one, nobody is called. Else
// the claim is stored, then one request is made, then its result is stored. A claim found
// in flight by another process is never repeated: it is in doubt, like a call without an
// answer. A doubt waits for the settle window, because the request may still land; then
// the provider is read where it can be, and otherwise the class decides.
//
// Four things are kept apart. Auth failures pause the account, until its connection is
// set again or an operator resumes it. Refusals park the edit, until a newer one or a
// person decides. Throttling freezes the credential's bucket and costs no attempt. Doubt
// is settled as above.
//
// # What is promised
//
//   - No call without a stored claim, and no second one while the first may be under way.
//   - After any crash the provider ends with the newest state of a lane of class A. A
//     request may be made twice; the effect of a full-value set is the same.
//   - A provider that has everything is not called, also when the whole ledger is read
//     again: three salted hashes (wanted, acknowledged, echo) say so.
//   - The cursor never passes a commit whose wish is not acknowledged, superseded or
//     recorded in a lane. It carries the ledger's lineage and the commit's hash, so an
//     older copy of either side is noticed, and nothing is sent (ErrAhead).
//   - A provider's rate holds for every credential in any minute, over restarts too.
//   - No value, credential or text of a provider is in a record, row, log or metric.
//
// # What is not
//
// No remote write can be fenced by us: a process that was stopped right after its last
// check may wake up and send. That is bounded by the lease, which is asked for right
// before every call.
//
// Only class A has a policy row: no provider here uses another yet. What the other
// classes need besides their row is left out with them: an accepted state for tasks, step
// results for uploads, a baseline of ids for creates, and recreate as a decision. Bodies
// are not kept, only their salted hashes: an unsalted digest of a body could be guessed.
package sinks
