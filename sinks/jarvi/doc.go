// Package jarvi delivers profiles to a Jarvi workspace, by the rules of its Profiles page.
//
// The profile is one lane of class B: one POST carries every field that the state has, and
// the externalId that makes it the same person every time. That id is the connection's
// account, and is in every request: without it each one could make another person. A POST
// may therefore be repeated whenever there is doubt. Jarvi answers 201 with the ids of a
// task and of the profile for what it has taken; whether it was done is seen by reading.
// A 201 without the ids says nothing.
//
// Notes for the history, resumes and files are sections whose items are lanes of class D:
// every POST adds another, and nothing reads them back. Each is one POST of its own, made
// once at most, with the externalId and nothing of the profile; no replay and no change of
// the profile makes it again. It waits until Jarvi shows the person, so that a note does not
// make one. Where Jarvi answers the question for that person with others, it tells nothing
// of anybody, and there is nothing to wait for: the note is sent. It carries the externalId,
// so that a person that it made would be the one that the profile comes to.
//
// # What cannot be cleared
//
// Jarvi has no documented way to take a value away: no field of the profile can be cleared
// there. A cleared field is left out, and stays at Jarvi as it was. Of location, city and
// country in one text, what is left is sent, unless both are cleared.
//
// # What can be read
//
// A read shows externalId, the names and the headline; the addresses, phone numbers, place,
// job, company and custom fields are not there or in another form. They take part in the
// comparison by a mark: a digest of which commits set them, without the values. It stands
// in the body, which is not sent with it, and among the names of the fields that may be
// there. A read gives the mark only when it is sure which one was taken: there is but one,
// or the request is the one that was acknowledged. Otherwise the read equals nothing: a
// doubt is sent again.
//
// A row that is read counts only when its externalId is the one that was asked for and it
// is not deleted: Jarvi gives all profiles when it does not understand what is asked.
//
// What is sent is pure: dialect.go has the profile, sections.go the items. What answers
// mean is data, in rules.go. Requests are made in client.go and read.go.
package jarvi
