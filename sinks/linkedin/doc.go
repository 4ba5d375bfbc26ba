// Package linkedin delivers profiles to LinkedIn, by the rules of its Profile Edit API.
//
// A connection has these lanes:
//
//   - "profile", class A: one patch of the main resource with every field that the state
//     has. What was sent once and is gone since is emptied with $delete, in a request of
//     its own: a patch has one operation.
//   - "profilePicture" and "backgroundPicture", class E: register and upload twice, as
//     original and as display image, then one patch with both assets.
//   - one for each of the thirteen sections, class A: the order of its items, by
//     LinkedIn's ids, as far as the items are there.
//   - one for each item of a section, class C: it is created, patched and deleted by
//     itself, and found again in the section by its echo.
//
// A patch replaces a field whole, so a text is always sent in all of its locales. The
// plain field is the text in the preferred locale: the first of linkedin.supportedLocales,
// or en_US when there is none. "headline@fr_FR" is the text in another one; a variant in
// the preferred locale stands behind the plain field. A text that has variants only has
// the first of them, by name, as its preferred locale.
//
// LinkedIn keeps less of a date than the ledger: month and year, the year of an
// education; the day of publications and patents. What is current has no end there. Patents,
// projects and publications must name the member: where an item does not, the member's
// own URN is put first, with the profile's name.
//
// A phone number without a type is sent as WORK: LinkedIn wants one. Apart from that,
// nothing is cut or altered to make it fit: what LinkedIn cannot hold is not sent, and the
// reason names the field and the limit. A website's label is carried with the category
// OTHER only: no other has one there. firstName, lastName and vanityName cannot be emptied
// there: clearing one is such a reason, until there is another one.
//
// What is sent is pure: fields.go for the main resource, items.go for the sections,
// echo.go for what a read gives. The requests are in client.go, pictures.go, read.go and
// refresh.go, and what their answers mean in rules.go.
package linkedin
