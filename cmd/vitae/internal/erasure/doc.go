// Package erasure carries out what an erased event asks for.
//
// The event in the ledger is the intent, and the only one: who appends it has erased the
// profile, whatever happens to the process next. Erasures follows the ledger. For every
// erased event it stores a record of the work (without a value of the profile) and then
// takes these steps, each of which can be done again:
//
//	key        the profile's key is destroyed, with its credentials and files
//	api-keys   the profile's API keys end, and their names go
//	lanes      how its deliveries stood is noted: what was under way is unknown
//	purge      the lanes' stream is rewritten without it
//	local      what this instance keeps beside the engine is overwritten
//	receipt    the receipt is signed and stored, and the record taken out
//
// The key comes first: from then on nothing that is sealed opens, wherever copies of it
// are. A process that ends in between goes on with the steps that are not done at its next
// start. A step that cannot be done now (the sinks run elsewhere, or do not run) is tried
// again, and holds up no other profile's erasure.
//
// Every instance follows: each forgets what it has in memory of the profile, and
// overwrites its own files. The steps that concern what instances share are done by
// whichever comes first. The projections and the journal follow the ledger by themselves
// too, so an instance that was away does not need this package for its files.
//
// # The receipt
//
// A receipt says what was destroyed and what nobody will know. Its text is one line of
// JSON behind the header of a signed note, signed with the log's key; it names the erased
// event's commit by sequence and hash, so the log's inclusion proof of that sequence shows
// that the event is in the ledger. Receipts are kept for good.
package erasure
