// Package stream keeps the ledger in JetStream: it opens the stream, appends to it,
// reads it, and follows it. It is the only package that knows the LEDGER stream.
//
// There are three layers, each usable by itself:
//
//   - Blocks is an append-only stream of messages. Every append names the position it
//     must come after, so a second writer, or one that missed something, is refused
//     before it can do harm. JetStream and Memory implement it; package streamtest is
//     the suite that both pass.
//   - Writer is group commit over any Blocks: the records that wait while an append is
//     under way share the next message, and one fsync. An append without a usable answer
//     is read back before anything is said to anybody.
//   - Ledger reads the typed blocks with every link checked: block to block by Prev and
//     First, and commit to commit of a profile by prev. Committer decides commands
//     against the profiles' states and writes what they come to.
//
// # The committer
//
// One per partition. A command is decided by the goroutine that brings it, under its
// profile's lock, against a state that already holds the profile's commits that are
// still on their way; decisions on different profiles run side by side. The commit is
// sealed, linked to the profile's commit before it and put in the queue; its sequence is
// known at once, because the queue is stored in order or not at all. A reply is given
// only when everything that it was decided on is on stable storage, also when the answer
// is "nothing changed" or a refusal.
//
// Three outcomes of an append are kept apart. A conflict (somebody else wrote): nothing
// of the queue is stored; the committer reads the new head, forgets what it had in
// memory and decides everybody's command again, a bounded number of times. Capacity:
// nothing is stored, the callers are told. Unknown: the writer reads the block back, and
// tries again under the same expectation, until it knows; callers whose patience ends
// before that are told that it is unknown, and can ask again under the same idempotency
// key.
//
// Commit times never decrease along the ledger, so "as of a time" is a sequence. Nothing
// is ordered by them.
package stream
