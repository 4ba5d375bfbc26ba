// Package directory is the projection that finds profiles by what others know them by:
// the account of a connection at a provider, and the e-mail address.
//
// A row is a claim: the profile says that it has the account, or the address, since a
// sequence. A profile has at most one claim for each provider, and one for the address.
// Who claimed first is found. When that one lets go (it is connected to another account,
// is disconnected, or is erased) the next one is found, by the sequences of the claims.
//
// The file holds no clear value: a claim is under a keyed hash of the vault's, which is of
// no use without the vault. So this projection, unlike the others, opens values, while it
// applies commits. A value of an erased profile cannot be opened any more; its claim is
// left out, as the erasure that follows would remove it.
package directory
