// Package mokaru delivers profiles to Mokaru, by the rules of its Update Profile page and
// of its item routes.
//
// The profile is one lane of class A: one PATCH carries every scalar and every replaced
// collection that the state has, as they are now. The newest body replaces what is there,
// so it may be sent again whenever there is doubt. Fields that the profile never had are
// left out: what an account held before its first connection is not wiped. A field that
// was sent and is cleared since is sent as null, or as an empty list; firstName, lastName
// and email cannot be cleared there and are left out then.
//
// Replaced collections are sent whole, always: Mokaru replaces the list that it is given.
// Work experiences, educations and skills are sections instead: every item is a lane of
// class C with an id of Mokaru's own, made, changed and deleted by itself. Mokaru has no
// order for them, so a section has no body.
//
// All of it is of the resume that the connection names. What is over a stated limit is
// not sent, and nothing is cut: the edit is parked with the reason.
//
// What is sent is pure: dialect.go has the profile, items.go the items and the lists that
// are read. What answers mean is data, in rules.go. Requests are made in client.go.
package mokaru
