// Package vault keeps what must be forgettable: the key of every profile, the
// credentials of its connections, and its files.
//
// # Keys
//
// Each profile has a data key of its own: 32 random bytes, in a versioned keyset,
// wrapped by the master key (AES-256-GCM, the profile's id as associated data) and kept
// in the bucket VAULT. Nothing is sealed under the data key itself: HKDF-SHA256 derives
// one key for values, one for secrets, one for files and one for digests from it. The
// master key is given by the operator and stored nowhere. A system keyset of the same
// form seals what belongs to no profile; it also proves that the master key is the
// right one.
//
// # A sealed value
//
//	1 byte   id of the key in the profile's keyset
//	12 bytes random nonce
//	n bytes  ciphertext
//	16 bytes tag
//
// with profile | commit | index (2 bytes, big endian) as associated data: a value opens
// at the place it was sealed for and nowhere else.
//
// # Files
//
// A file is cut into chunks of 256 KiB. Each is sealed under the profile's file key with
// profile | upload | number of the chunk | "is the last" as associated data, so chunks
// cannot be dropped, repeated, swapped or cut off. The record that names size, hash and
// media type, sealed too, is written when all chunks are durable: before that there is
// no file. It is found by a digest of the content's hash that is keyed by the profile's
// key, so nobody can see that two profiles have the same file.
//
// # Erasure
//
// Destroy puts a tombstone in the place of the keyset, has the engine overwrite the
// revisions before it, and drops the profile's secrets and files. Then the profile's
// values cannot be opened by anybody, wherever copies of them are. Two things are out of
// its reach: what the file system or the disk keeps of blocks that were overwritten, and
// (in a cluster) the replication log, which keeps recent writes for a while. Both hold
// wrapped keys only; RotateMaster, and destroying the old master key, ends them.
//
// A vault of another process may have the key in memory. It drops it when Forget is
// called, which every instance does when it sees the profile's erased event.
//
// # Not promised
//
// Access patterns, sizes, and the number of a profile's files are not hidden.
package vault
