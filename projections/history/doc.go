// Package history is the projection that finds a profile's commits at once: for its
// timeline, for blame and diff, and for its state at any sequence.
//
// Commits are kept as stored, in the order of the ledger, each with its hash and the place of
// the profile's commit before it. Every 64th commit of a profile leaves a mark: its place
// and the state there (sealed as it is). So any commit is at most 64 steps back from a mark
// or from the head, and any state in the past at most 63 commits on from one. Every read
// checks what it reads: each commit against its hash, and each against the one before it.
//
// Times never decrease along the ledger, so "as of a time" is a sequence (SeqAt). The
// commit made under an idempotency key is found by the key's digest (Idem).
package history
