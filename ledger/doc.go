// Package ledger is the vocabulary and the law of Vitae: what a person's career profile
// is made of, what an edit is, how edits are stored, and how the present state follows
// from them. It is pure: no I/O, and no clock but the one that is handed in.
//
// # Words
//
// A profile is one person, named by a ULID. A view is the place an edit belongs to:
// Shared for the scalars that appear on every resume, Base for the default resume, or
// the ULID of another resume. A field is a name in the catalogue: a scalar, a
// collection, or something that only one provider knows. An edit is one scalar set or
// cleared, one collection item put or removed, or one collection put in another order.
// An event is the immutable record of one edit, or of a step in a life cycle. A command
// is a request for edits that is decided as a whole; a commit is the events of one
// command; a block is the commits that were waiting when the committer wrote. Every
// commit has the next sequence: 1, 2, 3, without gaps, over all profiles.
//
// # Fields
//
// The catalogue (Catalogue, Lookup) is one table. Each row says what a field takes and,
// for each of the five providers, by which path of that provider's request it is
// carried, what is lost on the way, how it is cleared there, or why it is not carried.
// Names are flat: firstName; firstName@fr_FR, a locale variant, which is a scalar of its
// own; postpress.location.id; jarvi.custom.<uuid>.
//
// Absent, null and empty are three things. Field.Check reads a value strictly and gives
// its canonical form, a Value: compact JSON, texts with the least escaping, numbers as
// they were written, the members of an object in the order of the catalogue, null
// members left out. Two values are equal when their bytes are. Nothing is trimmed or
// recomposed; limits count code points after NFC. Three kinds of text are normalised,
// before the limit is applied and so that normalising twice changes nothing: a website
// or portfolio without a scheme gets https://, a LinkedIn user name becomes
// https://linkedin.com/in/<name>, and a LinkedIn URL without a scheme gets https://.
// What was typed is kept beside the value (Event.Typed). Check names everything that is
// wrong at once, each with its place, and never repeats a value.
//
// Two fields are views of one thing: the scalar phone is the first of the collection
// phones, which stores the numbers after it (Profile.Items puts them together; the
// type of the first is the hidden scalar phone.type).
//
// # Items
//
// Every collection item has an id that it keeps for life: what lets a list that was
// replaced become the creation, change and deletion of single entries at a provider. The
// client gives it, or Match finds it, in passes over the items that still have none,
// in order, each pass taking only old items that are still free:
//
//  1. an item with an id keeps it, whether the old list had it or not;
//  2. an item with the same content as an old one is that one;
//  3. an item with the same natural key (the catalogue names its members) is that one;
//  4. an item that differs from an old one in nothing but its natural key is that one;
//  5. any other is new.
//
// Twins are taken in order. A list written back as it was changes nothing; moved items
// keep their ids; an edited item keeps its id as long as its natural key or all the rest
// of it stays. Put in place, the old list becomes the new one by a remove for each item
// that is gone, a put for each that is new or differs, and one order event if the
// resulting order would otherwise be another.
//
// # Stored form of a commit
//
// AppendCommit writes, and ParseCommit reads, exactly one form: compact JSON with the
// members in this order, absent ones left out.
//
//	v        1, the version of the format
//	id       the commit's ULID: its random bits are drawn anew for each commit
//	profile  the profile's ULID
//	time     when it was decided: UTC, RFC 3339 with milliseconds
//	actor    who: "admin" or "key:<id>"
//	via      through what: native, cli, mokaru, postpress, linkedin, nexudus, jarvi, import, console
//	request  the request id, if any
//	reason   why, if it was said: sealed, base64
//	idem     [key, body]: keyed digests of an idempotency key and its request, if there was one
//	prev     SHA-256 of the profile's previous commit as stored; zeros in the first
//	events   the events, at least one, at most MaxEvents
//
// and of each event
//
//	view     shared, base or a resume's ULID
//	field    the field, with its locale; absent in life-cycle steps of a view
//	item     the item's id; the source of a copy; the provider of a
//	         connection or of a decision
//	op       set, clear, put, remove, order, created, copied, deleted, bound, erased,
//	         decided
//	order    of op order: every item id, in order
//	hash     the commitment to the value, if there is one
//	value    the sealed payload, base64 without padding
//
// Equal commits have equal bytes, and whatever ParseCommit accepts is encoded again to
// the same bytes, so a hash names one commit and a commit has one hash. Texts stored in
// clear are printable ASCII without space, quote and backslash, and at most 256 bytes:
// personal text cannot get there by accident. An unknown op stops every reader. Readers
// of every version ever written stay.
//
// A block is {"v","id","first","prev","commits"}: its id, the sequence of its first
// commit, the SHA-256 of the previous block as stored, and the commits one after the
// other, byte for byte as AppendCommit made them.
//
// # Values, commitments, seals
//
// A value never stands in clear in the ledger. Its payload is sixteen bytes of salt, the
// value, and, where it differs, a zero byte and what was typed. The commitment is the
// SHA-256 of the payload: who is shown one payload can check it against the chain
// without seeing any other, and the salt keeps others from guessing. The payload is
// sealed on its own under the profile's key, with profile, commit and index as
// associated data, so a sealed value cannot be moved to another place. Erasing a profile
// destroys the key: values, salts and reasons are gone, while chain and proofs stay.
//
// An event's id is not stored: EventID adds index+1 to the commit's ULID.
//
// # State
//
// Profile is the fold of a profile's commits: Check verifies that a commit continues
// the chain (and that a decision has its form), Apply evolves the state, decides nothing and cannot fail. The fold moves
// cells and never looks into them, so it works on sealed values without any key;
// Profile.OpenAll fills in the clear values and checks each against its commitment.
//
//   - created makes the base resume; copied makes a resume with the source's
//     collections as they are then, and both are independent afterwards; deleted takes a
//     resume or a connection away; bound sets a connection; erased empties everything.
//   - decided says what a person decided about a parked delivery. It changes nothing but
//     the profile's head and sequence.
//   - set and clear change one scalar. put replaces an item in its place or adds it at
//     the end; remove takes it out; order puts the items it names first, in its order,
//     and ignores ids that are not there.
//   - What an event says about a view that is not there has no effect.
//
// # Promised
//
// The same commits give the same state, on every machine and in every version. Every
// byte of a commit is covered by its hash, and the hash by the next commit's prev. A field's name, once written, keeps its meaning.
//
// # Not promised
//
// The package does not say who may write, that a commit is durable, or that two writers
// do not collide: package stream does. It does not know whether a file named by a
// picture exists. Limits of providers that are stricter than the catalogue's (Home)
// are not checked here: such an edit is in the ledger, and parked where it cannot go.
package ledger
