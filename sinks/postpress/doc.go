// Package postpress delivers profiles to PostPress, which edits the LinkedIn profile of a
// connected account: one PATCH in multipart/form-data for every edit.
//
// The profile is one lane of class A: headline, summary, location, skills and the rest
// are sent whole, as they are now. PostPress has no word for "empty": a field that was
// sent and is cleared since is left out, and stays there until somebody takes it out.
// What the profile never had is left out as well.
//
// Experience and education are sections: every item is a lane of class C. One request
// adds or edits one entry; an edit is told from an add by the id alone, and always sends
// the whole item, with month and year of its start. There is no way to delete an entry:
// an item that is removed is parked. The answer to an add does not say the entry's id: the
// engine looks for the entry in the section. A section that is withheld says nothing.
//
// The network is told about an entry only if its item asks for it, and only by the first
// request for it in the account: not by one that repeats an add in doubt, and not by one
// that a person asks for anew. An entry that is not in the account that is connected now
// is another one there.
//
// Pictures are lanes of class E of one step, with the file and its settings in one request.
//
// An add carries an Idempotency-Key made of the account, the lane and what is sent: the
// same add has the same key however often it is delivered, and another one each time that
// a person asks for the entry to be made anew. All other writes put a value in
// the place of another, so that repeating one is harmless; their key is the attempt's. If
// it were made of the value, a value that comes back (A, B, A) would have the key of the
// first request, and be answered without being written.
//
// The root cannot be read back: no answer has skills, links or what somebody is open to.
// A doubt about it is settled by sending the newest body again.
//
// What is sent is pure: dialect.go has the profile, items.go the entries, form.go the
// form. What answers mean is data, in rules.go; what reads mean is in read.go. Requests
// are made in client.go.
package postpress
