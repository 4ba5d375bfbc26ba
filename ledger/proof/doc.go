// Package proof makes the ledger a transparency log: anybody can keep a copy of what the
// log says, and prove that nothing in it was changed, taken out or put in between.
//
// # Leaves
//
// Leaf i (counted from 0) is the statement about the commit with sequence i+1: its
// sequence, id, profile and time, the hash of the profile's commit before it, and its own
// hash as stored. A statement holds no value and no name of a person, so the log is open
// to everybody. Through Hash it covers every byte of the commit; whoever is shown the
// commit can check it against the log.
//
// A statement is canonical JSON (RFC 8785) of less than a kilobyte; there is one form of
// it, so equal commits have equal leaves.
//
// # Checkpoints
//
// A checkpoint is a signed note (C2SP tlog-checkpoint, signed-note): the log's origin,
// the number of leaves, and the root of the Merkle tree (RFC 6962) over them. The origin
// is the name of the key. Two checkpoints of one log are consistent: the larger tree
// begins with the leaves of the smaller one.
//
// A text that is signed for another purpose begins with a line that can never be an
// origin, so it does not pass for a checkpoint: see Signer.SignText.
//
// # Evidence
//
// A bundle (Evidence) has commits of one profile as stored, the proof of each under one
// checkpoint, the values that are disclosed, and the log's signed word which commit is the
// profile's last. It is one canonical file in which every byte counts. VerifyEvidence checks
// it with nothing but the log's key and says what is wrong where; EvidencePage does the same
// in a browser. docs/evidence.md is exact enough to write another verifier, and test/evidence
// has one.
package proof
