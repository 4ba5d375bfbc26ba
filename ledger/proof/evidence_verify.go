package proof

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// The kinds of what can be wrong with a bundle. The words are part of its format: every
// verifier says the same ones.
const (
	FaultUnreadable = "unreadable" // not the one form of a bundle
	FaultKey        = "key"        // of another log than the key that was asked for
	FaultCheckpoint = "checkpoint" // the checkpoint has not its form
	FaultSignature  = "signature"  // the key did not sign the checkpoint, or the receipt
	FaultOrder      = "order"      // sequences do not rise, or are beyond the checkpoint
	FaultCommit     = "commit"     // not the commit that the log has at this sequence
	FaultStatement  = "statement"  // not what the log says at this sequence
	FaultProof      = "proof"      // the proof does not lead to the checkpoint
	FaultProfile    = "profile"    // a commit of another profile
	FaultChain      = "chain"      // a commit that does not follow the one before it
	FaultPlace      = "place"      // a value of an event that is not there or has none
	FaultValue      = "value"      // a value that is not the one that was committed to
	FaultHead       = "head"       // what is said about the profile's last commit is not so
	FaultManifest   = "manifest"   // the bundle is not what its manifest says
)

// EvidenceFault is one thing that is wrong with a bundle, and where.
type EvidenceFault struct {
	Seq     ledger.Seq `json:"seq,omitempty"`   // of the commit; 0 for the bundle as a whole
	Index   *int       `json:"index,omitempty"` // of the event in the commit; nil for the commit as a whole
	Code    string     `json:"code"`
	Message string     `json:"message"`
}

// String names place, kind and reason.
func (f EvidenceFault) String() string {
	where := "bundle"
	if f.Seq != 0 {
		where = fmt.Sprintf("sequence %d", f.Seq)
	}
	if f.Index != nil {
		where += fmt.Sprintf(", event %d", *f.Index)
	}
	return where + ": " + f.Code + ": " + f.Message
}

// EvidenceReport is what a bundle proves, if it has no faults, and its faults otherwise.
type EvidenceReport struct {
	Faults []EvidenceFault
	// Bundle is the bundle as read; nil when it could not be. Commits are the parsed ones,
	// nil where one is not a commit.
	Bundle  *Evidence
	Commits []*ledger.Commit
	Log     Checkpoint // that every proof leads to; zero when it was not signed by the key
	Head    Statement  // about the profile's last commit at the checkpoint
}

// OK says that everything in the bundle was checked and holds.
func (r *EvidenceReport) OK() bool { return len(r.Faults) == 0 }

// FromFirst says that the bundle begins with the profile's first commit.
func (r *EvidenceReport) FromFirst() bool { return r.Bundle.Manifest.FirstPrev.IsZero() }

// ToHead says that it ends with the one that the log's operator has signed to be the
// profile's last at the checkpoint.
func (r *EvidenceReport) ToHead() bool { return r.Bundle.Manifest.LastSeq == r.Head.Seq }

// CheckKey says what is wrong with a text that should be a note verifier key, if anything.
func CheckKey(vkey string) error {
	if _, err := note.NewVerifier(strings.TrimSpace(vkey)); err != nil {
		return fmt.Errorf("not a verifier key such as name+0123abcd+base64: %w", err)
	}
	return nil
}

// maxFaults is how many faults are listed: more of them say nothing more.
const maxFaults = 100

// VerifyEvidence checks a bundle against the log's verifier key, which must come from
// somewhere else than the bundle. It needs nothing but the two. Every byte of a bundle is
// looked at: one that differs from a good one in any of them has a fault.
func VerifyEvidence(b []byte, vkey string) *EvidenceReport {
	v := &evidenceVerifier{r: &EvidenceReport{}}
	e, err := ParseEvidence(b)
	if err != nil {
		v.fault(0, FaultUnreadable, err.Error())
		return v.r
	}
	v.r.Bundle, v.e = e, e
	if vkey = strings.TrimSpace(vkey); e.Key != vkey {
		v.fault(0, FaultKey, fmt.Sprintf("the bundle is of the log with the key %q, which is not the expected one", e.Key))
		return v.r
	}
	if !v.checkpoint(vkey) {
		return v.r
	}
	v.r.Commits = make([]*ledger.Commit, len(e.Commits))
	for i := range e.Commits {
		v.commit(i)
	}
	v.manifest()
	v.head(vkey)
	return v.r
}

type evidenceVerifier struct {
	r *EvidenceReport
	e *Evidence
	// before is what the next commit follows, if known says so.
	before ledger.Hash
	known  bool
	hash   ledger.Hash // of the commit in hand
}

func (v *evidenceVerifier) fault(seq ledger.Seq, code, message string) {
	if len(v.r.Faults) < maxFaults {
		v.r.Faults = append(v.r.Faults, EvidenceFault{Seq: seq, Code: code, Message: message})
	}
}

func (v *evidenceVerifier) eventFault(seq ledger.Seq, index int, code, message string) {
	if len(v.r.Faults) < maxFaults {
		v.r.Faults = append(v.r.Faults, EvidenceFault{Seq: seq, Index: &index, Code: code, Message: message})
	}
}

// checkpoint says whether there is a tree to prove anything about.
func (v *evidenceVerifier) checkpoint(vkey string) bool {
	text, lines, found := strings.Cut(v.e.Checkpoint, "\n\n")
	_, err := parseCheckpointText(text + "\n")
	sigs, sigErr := parseSignatures(lines)
	switch err = cmp.Or(err, sigErr); {
	case err != nil:
		v.fault(0, FaultCheckpoint, err.Error())
		return false
	case !found || len(sigs) != 1:
		v.fault(0, FaultCheckpoint, "the checkpoint must have one signature, that of the log")
		return false
	}
	c, err := ParseCheckpoint([]byte(v.e.Checkpoint), vkey)
	if err != nil {
		v.fault(0, FaultSignature, err.Error())
		return false
	}
	v.r.Log = c
	return true
}

// included says whether the tree has a leaf at a sequence.
func (v *evidenceVerifier) included(entry []byte, seq ledger.Seq, places []int) bool {
	path := make([]tlog.Hash, len(places))
	for i, n := range places {
		path[i] = tlog.Hash(v.e.Hashes[n])
	}
	return tlog.CheckRecord(path, int64(v.r.Log.Size), tlog.Hash(v.r.Log.Root), int64(seq)-1, tlog.RecordHash(entry)) == nil
}

func (v *evidenceVerifier) commit(i int) {
	in := &v.e.Commits[i]
	if i > 0 && in.Seq <= v.e.Commits[i-1].Seq {
		v.fault(in.Seq, FaultOrder, fmt.Sprintf("it stands behind sequence %d", v.e.Commits[i-1].Seq))
	}
	follows, known := v.before, v.known
	v.known = false
	c, err := ledger.ParseCommit(in.Commit)
	if err == nil {
		v.r.Commits[i] = c
	}
	if in.Seq == 0 || uint64(in.Seq) > v.r.Log.Size {
		v.fault(in.Seq, FaultOrder, fmt.Sprintf("the checkpoint covers sequences 1 to %d", v.r.Log.Size))
		return
	}
	if !v.logged(in, c, err) {
		return
	}
	if c.Profile != v.e.Manifest.Profile {
		v.fault(in.Seq, FaultProfile, fmt.Sprintf("the commit is of the profile %s", c.Profile))
	}
	if known && c.Prev != follows {
		v.fault(in.Seq, FaultChain, fmt.Sprintf("it follows the commit with the hash %s, which is not the one before it here: one was left out or put in", c.Prev))
	}
	v.before, v.known = v.hash, true
	v.values(in, c)
}

// logged says whether the log has the commit at its sequence, and if not which of the
// three, the commit, the statement about it and the proof, is not what it was. err says
// why the bytes are no commit.
func (v *evidenceVerifier) logged(in *EvidenceCommit, c *ledger.Commit, err error) bool {
	v.hash = ledger.HashOf(in.Commit)
	var own []byte
	if err == nil {
		own = StatementOf(&ledger.Record{Seq: in.Seq, Hash: v.hash, Commit: c}).Encode()
	}
	said := []byte(in.Statement)
	switch {
	case string(own) == in.Statement:
		if v.included(own, in.Seq, in.Proof) {
			return true
		}
		v.fault(in.Seq, FaultProof, "the proof does not lead from the commit to the checkpoint: the proof was altered, or the log has no such commit")
	case v.included(said, in.Seq, in.Proof):
		why := "it is not the commit that the log has at this sequence"
		if err != nil {
			why += ", but bytes that are " + err.Error()
		}
		v.fault(in.Seq, FaultCommit, why)
	case own != nil && v.included(own, in.Seq, in.Proof):
		v.fault(in.Seq, FaultStatement, "the statement is not the log's; the log has the commit")
	default:
		v.fault(in.Seq, FaultStatement, "statement and commit do not belong together, and the log has neither at this sequence")
	}
	return false
}

func (v *evidenceVerifier) values(in *EvidenceCommit, c *ledger.Commit) {
	for k := range in.Values {
		value := &in.Values[k]
		switch {
		case k > 0 && value.Index <= in.Values[k-1].Index:
			v.eventFault(in.Seq, value.Index, FaultPlace, "values must stand in the order of their events, one for each")
		case value.Index >= len(c.Events):
			v.eventFault(in.Seq, value.Index, FaultPlace, fmt.Sprintf("the commit has %d events", len(c.Events)))
		case c.Events[value.Index].Sealed == nil:
			v.eventFault(in.Seq, value.Index, FaultPlace, "the event has no value")
		case ledger.HashOf(value.payload()) != c.Events[value.Index].Commitment:
			v.eventFault(in.Seq, value.Index, FaultValue, "value, salt or what was typed is not what was committed to")
		}
	}
}

// manifest compares what is there with what should be.
func (v *evidenceVerifier) manifest() {
	m := &v.e.Manifest
	first, last := 0, len(v.e.Commits)-1
	events, values, whole := 0, 0, true
	for i, c := range v.r.Commits {
		values += len(v.e.Commits[i].Values)
		if c == nil {
			whole = false
			continue
		}
		events += len(c.Events)
	}
	wrong := func(member string, is, says any) {
		v.fault(0, FaultManifest, fmt.Sprintf("%s is %v in the manifest, and %v in the bundle", member, says, is))
	}
	if n := len(v.e.Commits); n != m.Commits {
		wrong("commits", n, m.Commits)
	}
	if whole && events != m.Events {
		wrong("events", events, m.Events)
	}
	if values != m.Values {
		wrong("values", values, m.Values)
	}
	if seq := v.e.Commits[first].Seq; seq != m.FirstSeq {
		wrong("first.seq", seq, m.FirstSeq)
	}
	if c := v.r.Commits[first]; c != nil && c.Prev != m.FirstPrev {
		wrong("first.prev", c.Prev, m.FirstPrev)
	}
	if seq := v.e.Commits[last].Seq; seq != m.LastSeq {
		wrong("last.seq", seq, m.LastSeq)
	}
	if h := ledger.HashOf(v.e.Commits[last].Commit); h != m.LastHash {
		wrong("last.hash", h, m.LastHash)
	}
	if m.Erased && values > 0 {
		v.fault(0, FaultManifest, "the profile is said to be erased, and there are values")
	}
}

// head checks what is said about the profile's last commit, and whether that is in the
// bundle.
func (v *evidenceVerifier) head(vkey string) {
	m := &v.e.Manifest
	s, err := ParseStatement([]byte(m.HeadStatement))
	if err != nil || uint64(s.Seq) > v.r.Log.Size || !v.included([]byte(m.HeadStatement), s.Seq, m.HeadProof) {
		v.fault(0, FaultHead, "the log does not say what the manifest gives as its statement about the profile's last commit")
		return
	}
	text, err := VerifyText([]byte(m.HeadReceipt), vkey)
	if err != nil {
		v.fault(0, FaultSignature, "the receipt about the profile's last commit: "+err.Error())
		return
	}
	v.r.Head = s
	last := &v.e.Commits[len(v.e.Commits)-1]
	switch c := v.r.Commits[len(v.r.Commits)-1]; {
	case s.Profile != m.Profile:
		v.fault(0, FaultHead, fmt.Sprintf("the statement is about the profile %s", s.Profile))
	case text != HeadReceipt(s, v.r.Log.Size):
		v.fault(0, FaultHead, "the receipt is about another commit, or another size of the log")
	case s.Seq < last.Seq:
		v.fault(0, FaultHead, fmt.Sprintf("the profile's last commit is said to have sequence %d, and there is one with %d", s.Seq, last.Seq))
	case s.Seq == last.Seq && m.HeadStatement != last.Statement:
		v.fault(0, FaultHead, fmt.Sprintf("there are two statements about sequence %d", s.Seq))
	case s.Seq == last.Seq && c != nil && erases(c) != m.Erased:
		v.fault(0, FaultManifest, fmt.Sprintf("erased is %v in the manifest, and the profile's last commit says otherwise", m.Erased))
	}
}

// erases says whether a commit is the end of a profile's values.
func erases(c *ledger.Commit) bool {
	for i := range c.Events {
		if c.Events[i].Op == ledger.OpErased {
			return true
		}
	}
	return false
}

// HeadReceipt is the text that the log's operator signs about a profile's last commit in
// the tree of a size. With it nobody can cut the end off a bundle unseen, and an operator
// who does can be shown to have lied: everybody can read the log.
func HeadReceipt(head Statement, size uint64) string {
	return fmt.Sprintf("%s\nhead\nprofile %s\nseq %d\nhash %s\ntree %d\n", ReceiptHeader, head.Profile, head.Seq, head.Hash, size)
}
