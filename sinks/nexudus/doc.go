// Package nexudus delivers profiles to a Nexudus members portal, by the rules of its
// Update Profile page.
//
// The profile is one lane of class A: one PATCH carries every field that the state has, as
// they are now. The newest body replaces what is there, so it may be sent again whenever
// there is doubt. Fields that the profile never had are left out. A field that was sent and
// is cleared since is sent as null where the page allows null, and as an empty text
// elsewhere; a country and a switch cannot be cleared there and are left out then. A switch
// that is off is sent as false: left out, it would stay on.
//
// The portal answers 200 for what it refused as well. Only WasSuccessful tells, and an
// answer without it says nothing: the edit is in doubt.
//
// A country is sent as the portal's own number. The body has it as it was typed; the number
// is looked up when the call is made, by ISO code or by name, in the portal's list, which
// is kept for a day and read again when the portal refuses a number out of it. The country
// of the bills is a number in the state: one of those that Countries lists means that
// country everywhere, and another is taken for the portal's own and sent as it is.
//
// The portal changes whatever coworker is active for the token's user, and nothing in the
// request names one. So the active profile is read before each PATCH: when it is another
// one than the first that was seen with the token, nothing is sent and the account is
// paused. Which one was seen is kept in memory only, and survives the renewal of a token
// but not a restart; a switch between the read and the PATCH is not seen. A profile that
// cannot be read does not hold the PATCH up.
//
// Passwords have no place here: no field of the state carries one.
//
// What is sent is pure: dialect.go. What answers mean is in rules.go. Requests are made in
// client.go.
package nexudus
