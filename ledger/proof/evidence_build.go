package proof

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitae/ledger"
)

// ErrEvidenceTooLarge says that a bundle would be larger than MaxEvidence: ask for fewer
// commits.
var ErrEvidenceTooLarge = fmt.Errorf("the bundle would be over %d MiB", MaxEvidence>>20)

// EvidenceBuilder puts a bundle together. The same commits, checkpoint and values give the
// same bytes.
type EvidenceBuilder struct {
	e      Evidence
	places map[ledger.Hash]int
	size   int
}

// NewEvidence begins a bundle about a profile.
func NewEvidence(profile ledger.ProfileID) *EvidenceBuilder {
	b := &EvidenceBuilder{places: map[ledger.Hash]int{}, size: 4096}
	b.e.Manifest.Profile = profile
	return b
}

// Add appends a commit, oldest first, with the proof of its inclusion from the leaf up and
// the values that are disclosed, in the order of their events. It keeps the record's
// bytes. After ErrEvidenceTooLarge the builder is of no use.
func (b *EvidenceBuilder) Add(r *ledger.Record, path []ledger.Hash, values []EvidenceValue) error {
	m := &b.e.Manifest
	if m.Commits == 0 {
		m.FirstSeq, m.FirstPrev = r.Seq, r.Commit.Prev
	}
	m.LastSeq, m.LastHash = r.Seq, r.Hash
	m.Commits++
	m.Events += len(r.Commit.Events)
	m.Values += len(values)
	statement := string(StatementOf(r).Encode())
	known := len(b.places)
	b.e.Commits = append(b.e.Commits, EvidenceCommit{Seq: r.Seq, Commit: r.Raw, Statement: statement, Proof: b.path(path), Values: values})
	b.size += len(r.Raw)*4/3 + 2*len(statement) + 8*len(path) + 70*(len(b.places)-known)
	for i := range values {
		b.size += 80 + len(values[i].Value) + len(values[i].Typed)
	}
	// The size is an estimate from below, for values are escaped: Finish has the last word.
	if b.size > MaxEvidence {
		return ErrEvidenceTooLarge
	}
	return nil
}

// path gives the places of a proof's nodes.
func (b *EvidenceBuilder) path(hashes []ledger.Hash) []int {
	out := make([]int, len(hashes))
	for i, h := range hashes {
		at, ok := b.places[h]
		if !ok {
			at = len(b.e.Hashes)
			b.places[h] = at
			b.e.Hashes = append(b.e.Hashes, h)
		}
		out[i] = at
	}
	return out
}

// ErrNoEvidence says that there is no commit to be in the bundle.
var ErrNoEvidence = errors.New("the profile has no commit there")

// Finish gives the bundle: every proof leads to c, which key verifies. head is the
// profile's last commit in c's tree, path the proof of its inclusion, and receipt its
// HeadReceipt signed by the log.
func (b *EvidenceBuilder) Finish(c Checkpoint, key string, head *ledger.Record, path []ledger.Hash, receipt []byte) ([]byte, error) {
	if len(b.e.Commits) == 0 {
		return nil, ErrNoEvidence
	}
	var err error
	if b.e.Checkpoint, err = onlyOwn(string(c.Note), key); err != nil {
		return nil, err
	}
	b.e.Key = key
	m := &b.e.Manifest
	m.HeadStatement, m.HeadProof, m.HeadReceipt = string(StatementOf(head).Encode()), b.path(path), string(receipt)
	m.Erased = erases(head.Commit)
	out, err := b.e.Encode()
	if err == nil && len(out) > MaxEvidence {
		err = ErrEvidenceTooLarge
	}
	return out, err
}

// onlyOwn leaves out the signatures of others: who has only the log's key could not tell
// whether a byte of theirs was changed.
func onlyOwn(signed, vkey string) (string, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "", fmt.Errorf("verifier key: %w", err)
	}
	text, lines, _ := strings.Cut(signed, "\n\n")
	for line := range strings.Lines(lines) {
		if sigs, err := parseSignatures(line); err == nil && len(sigs) == 1 && sigs[0].name == v.Name() && sigs[0].id == v.KeyHash() {
			return text + "\n\n" + line, nil
		}
	}
	return "", fmt.Errorf("checkpoint: %w: it has no signature of %s", ledger.ErrFormat, v.Name())
}
