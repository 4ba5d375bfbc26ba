// Package journal keeps every transition of every delivery, and finds them again.
//
// The lanes' stream is compacted: what happened before a compaction is trimmed away. A
// Journal follows the stream into a local SQLite file and keeps the rows. Rows and the
// position they were read at are stored in one transaction that is on stable storage when
// it ends: after a crash nothing is missing and nothing is there twice. The owner of the
// lanes lets the journal take in what a compaction is about to trim (see
// sinks.Options.BeforeTrim); where blocks are missing all the same, because an instance
// was away or its file was lost, the journal says so with a row of its own, a Gap.
//
// Rows are in the order of the stream, and a cursor is a place in the stream: it means the
// same on every instance, and after the file was lost and made anew.
//
// The rows hold no value of a profile and no credential, because the lanes hold none.
// What is there of an erased profile is overwritten; see Forget.
package journal
