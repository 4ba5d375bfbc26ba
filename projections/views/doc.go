// Package views is the projection that reads are answered from: the present state of every
// profile.
//
// A profile has one small head row (sequence, hash of its last commit, times), one row for
// what all its resumes share (scalars, shared collections, connections), and one row per
// resume (its name and collections). A resume is composed when it is read, so an edit of
// a shared scalar writes one row, however many resumes there are. Values stay sealed as
// they are in the ledger; nothing here needs a key.
//
// An erased profile keeps its head row, marked, and nothing else.
package views
