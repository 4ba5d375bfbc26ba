// Package projections keeps read models beside the ledger: local SQLite files that follow
// it, one file each. The sub-packages are the models (views, history, directory); this
// package is what they share: the file, its position, following, waiting, rebuilding.
//
// # The promise
//
// A projection's rows and its position commit in one transaction. So every commit of the
// ledger is applied exactly once, in order, whatever stops where; the position is a
// sequence and nothing else, and everything up to it has been applied. Each write of the
// position asserts both: it must go on from the sequence it knows, and the count of
// commits applied must equal it. A gap or an overlap is a fault and stops the projection.
//
// Beside the sequence the position holds the lineage of the ledger it was made from and
// the hash of the last block applied. A projection whose position lies beyond the
// ledger's head, or belongs to another ledger or another history of it, refuses to run
// (RefusedError); Rebuild makes it anew.
//
// # Following
//
// Run follows the ledger. It applies whole blocks, several in one transaction when it can,
// up to 2000 commits (some 50 ms of work): those that wait already, and, as long as nobody
// waits to read them, those that come within 20 ms. A transaction that fails is rolled back and
// the projection starts again from its own position. A commit that cannot be understood,
// or that breaks its profile's chain, stops it with a Fault that names the sequence, the
// profile and the op; nothing is skipped. (The directory keeps no profile's last hash: it
// leaves the chain to views and history.)
//
// # Reading
//
// Reads see whole transactions only. A caller who has written commit n waits for n (Wait),
// then reads: read-your-writes. Values stay sealed in every row, or are there as keyed
// hashes (directory, the only model that needs keys, and only while it applies commits).
//
// # Rebuilding
//
// Rebuild writes another file beside the live one, from the first commit on, compares the
// two at the same position row by row, and takes the live one's place by renaming. Reads
// go on all the while and never step back. A rebuild only reads the ledger and writes its
// own file: it has no other effect. One that was cut off goes on where it stopped.
package projections
