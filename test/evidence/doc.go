// Package evidence is a second verifier of evidence bundles. It was written from
// docs/evidence.md with the standard library alone and shares no code with the rest of the
// repository: if it and package ledger/proof agree on every bundle, good or altered, the
// document is enough to write a third one. The tests also run the verifier of the page,
// in a JavaScript engine, and hold all three against each other.
package evidence
