// Package access keeps who read what: one record for each audit read of a profile, in a
// stream of its own. It is no projection: the ledger knows nothing of it, and it cannot be
// made again.
//
// # The record
//
// A record says which key read which profile by which route, for what part of it, through
// what, when, under which request id, and with which status. It holds no value of the
// profile: Parts are ids, names of fields and positions, and of a text that could be
// anything it is only kept that there was one.
//
// # Promised
//
// When Append returns nil the record is on stable storage, with the age limit of the stream
// ahead of it. The caller sends its reply after that, or refuses the read: a read without a
// record does not happen. The other way round it may: a record whose storing has an unknown
// outcome can be of a read that was refused.
//
// Records of one profile are read back in the order they were stored. A position never
// moves; what has grown too old is gone from the beginning.
//
// # Seals and erasure
//
// Records are sealed with the system's key. So they outlive the profile they are about: who
// saw a person's data can be asked after it was erased, for as long as records are kept.
// The subject of a record in the stream is the profile's id, in clear like in the ledger.
package access
