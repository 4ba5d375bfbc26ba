// Package sinks brings edits to the providers: exactly once in effect, whatever crashes.
//
// # Model
//
// A sink is one provider's deliveries. A lane is one (sink, profile, entity): it is
// served strictly in order and independently of every other. An entity is the profile as
// a whole, a picture, a section (a list of items, of which the lane brings the order), or
// one item of a section. A lane's checkpoint is its Record; every change of it is a
// transition of one machine (Arrows, Step) and a Row of its journal, stored together in
// one record of the lanes stream. Records share blocks with those that wait at the same
// time, and every block is fenced by the one before it: a process that has missed
// something cannot write, and stops.
//
// # A delivery
//
// The intake follows the ledger and notes which lanes a commit concerns. A worker takes a
// lane that is due and builds the newest payload from the profile's state: the newest edit
// stands for all before it. If its hash is the acknowledged one, nobody is called. Else
// the claim is stored, then one request is made, then its result is stored. What takes
// several requests (an upload, a set and a delete) is made of steps, each with a claim and
// a stored result of its own. A claim found in flight by another process is never
// repeated: it is in doubt, like a call without an answer.
//
// # Doubt
//
// A doubt waits for the settle window, because the request may still land. Then the verb
// decides (DoubtOf). What is harmless to repeat is read back where it can be, and
// otherwise sent again. An item that was to be created is looked for in its section: one
// that was not there before the claim (Record.Baseline), that no lane stands for and that
// looks like what was sent, is the one; when none is found in several readings, it never
// came to be. What can neither be repeated nor looked up waits for a person.
//
// # Trouble
//
// Four things are kept apart. Auth failures pause the account, until its connection is
// set again or an operator resumes it. Refusals park the edit, until a newer one or a
// person decides. Throttling freezes and slows the credential's bucket and costs no
// attempt. Doubt is settled as above. And a kind of edit that an account may not do is
// switched off for it, while everything else goes on. What an answer means is a row of
// the provider's error table (Table).
//
// # Recovery
//
// Plan compares a provider with any state of the ledger and changes nothing; Apply sets
// those lanes in motion that the plan names, if nothing has moved since, and goes on over
// restarts. Checkpoints never go back: a lane that was brought to an earlier state is
// pinned there, until an edit concerns it.
//
// # What is promised
//
//   - No call without a stored claim, and no second one while the first may be under way.
//   - After any crash the effect is exactly once for a full-value set, a keyed upsert, an
//     upload that ends in a set, and a create whose list can be read. It is at most once,
//     with every doubt shown, where the provider offers neither a key nor a list.
//     Exactly once is said of effects: a request may be made more than once.
//   - A provider that has everything is not called, also when the whole ledger is read
//     again: three salted hashes (wanted, acknowledged, echo) say so.
//   - The cursor never passes a commit whose wish is not acknowledged, superseded or
//     recorded in a lane. It carries the ledger's lineage and the commit's hash, so an
//     older copy of either side is noticed, and nothing is sent (ErrAhead).
//   - A provider's rate holds for every credential in any minute and day, over restarts too.
//   - No value, credential, upload URL or text of a provider is in a record, row, log or
//     metric. Results of steps are sealed.
//
// # What is not
//
// No remote write can be fenced by us: a process that was stopped right after its last
// check may wake up and send. That is bounded by the lease, which is asked for right
// before every call. Bodies are not kept, only their salted hashes: an unsalted digest of
// a body could be guessed. What somebody else changes at the provider is found by a plan,
// not before every write.
package sinks
