// Package changes tells subscribers what has changed: it follows the ledger, and what
// becomes of deliveries, into the stream CHANGES.
//
// # Writing
//
// Each commit makes one CloudEvent for each view that it touches, and one for each step in
// a life cycle (ledger.Commit.Notices); each delivery receipt is one more. An event is
// one message, in CloudEvents binary mode, and holds no value of any profile.
//
// Every event gets into the stream exactly once. There is one position for both sources,
// and it is in the last message, in the header PositionHeader: how far the ledger and the
// lanes were taken in when it was written, to the event within a commit. A writer starts
// by reading that message, and every message it writes is fenced by the stream's last
// sequence: whoever has missed something is refused, reads again, and goes on from there. So
// two writers do no harm, and neither does a crash between any two messages. Nothing else
// is stored; a rebuild of another projection emits nothing.
//
// What comes while a write is under way goes into the next one: a few messages are
// published one after the other, more as one atomic batch.
//
// Events are kept for Config.Keep, by the time they were written. The last message is kept
// for ever, because the position is in it; therefore the stream itself has no maximum age,
// and the writer trims it.
//
// # Reading
//
// One tail in the process follows the stream, for all readers, into a bounded window of the
// newest events. A Reader has a place in the stream and nothing else: no queue. While its
// place is within the window it reads there, otherwise from the stream. Both know events by
// the stream's sequence, so nothing is skipped or doubled where one ends and the other
// begins, and a reader that is slow costs nobody anything.
//
// # Promised
//
// Events of a profile are in the order of its commits. A stream's sequence is an event's
// place for good. The same commit makes the same event, with the same id.
//
// # Not promised
//
// Receipts and changes stand in no fixed order to each other. Nothing is told about commits
// that are older than Config.Keep; a Reader that asks for them gets a GoneError.
package changes
