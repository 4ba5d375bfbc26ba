// Package backup writes everything that a ledger needs to live again to files, and makes a
// data folder of them.
//
// # Two files
//
// A backup is a data file and a keys file. The data file has the ledger's blocks, the
// lanes, the sealed files, the API keys and what else is kept in streams and buckets; it
// can be kept for ever. The keys file has the vault: the profiles' wrapped keys and sealed
// credentials. It is small and made anew each time, and only the newest one is to be kept:
// it opens every data file of its ledger that is not newer than itself, and a profile that
// was erased since is closed in all of them. An older keys file than the data is refused.
//
// The master key is in neither. What can be made from the ledger (projections) is not
// there either.
//
// # Consistent
//
// A backup is taken while the server runs. First comes what follows the ledger (the
// lanes), then the ledger's head is taken, then the buckets, and last, in a file of its
// own, the vault. So nothing in a backup knows a commit that its ledger does not have, and
// every profile of its ledger has its key there. Everything that was acknowledged before
// the backup began is in it.
//
// # Incremental
//
// A data file can build on another: then it has the blocks behind the other's head, what
// changed in the buckets, and the names of what is still there. Its first line names the
// file that it builds on. A chain is restored from its first file on; a link that is
// missing or does not fit is refused.
//
// # Form
//
//	vitae-backup/1                a line
//	{"kind":"data","id":...}      the manifest, a line of JSON without anything personal
//	...                           an age file (age-encryption.org/v1)
//
// Inside is a sequence of frames: a byte that says the kind, the length as a uvarint, and
// the body. The first frame repeats the manifest, the last one counts the frames and has
// the SHA-256 of all before it: a file that was cut, changed or put together from others
// is refused.
//
// The file is sealed for the recipients or the passphrase that were given. Without either,
// the keys file is sealed under a key derived from the master key, and the data file under
// one from the system's keyset, which is in the keys file: so a data file stays readable
// over rotations of the master key. There is no form that is not sealed.
package backup
