// Package mokaru delivers profiles to Mokaru, by the rules of its Update Profile page.
//
// A profile is one lane of class A: one PATCH carries every scalar and every collection
// that was ever sent to the account, as they are now. The newest body replaces what is
// there, so it may be sent again whenever there is doubt. Fields that the profile never
// had are left out: what an account held before its first connection is not wiped. A
// field that was sent once and is cleared since is sent as null, or as an empty list;
// firstName, lastName and email cannot be cleared there and are left out then.
//
// Collections are sent whole, always: Mokaru replaces the list that it is given. They are
// those of the resume that the connection names. What is over a stated limit is not
// sent, and nothing is cut: the edit is parked with the reason.
//
// Dialect (what is sent) is pure and in dialect.go; what answers mean is in client.go.
package mokaru
