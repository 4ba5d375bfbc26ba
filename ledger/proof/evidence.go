package proof

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"unicode/utf8"

	"vitae/ledger"
)

// EvidenceFormat is the format member of every bundle. Another form gets another word.
const EvidenceFormat = "vitae-evidence-v1"

// MaxEvidence is how many bytes a bundle may have. What would be larger is exported as
// several bundles, each of a range of sequences.
const MaxEvidence = 64 << 20

// Evidence is a bundle: commits of one profile as they are stored, the proof that the log
// has each of them, and those values that are disclosed. docs/evidence.md says what the
// members mean and what follows from them.
type Evidence struct {
	// Checkpoint is the log's signed checkpoint that every proof leads to, with the log's
	// own signature alone.
	Checkpoint string
	Key        string // the log's verifier key; it vouches for nothing, since it comes with the bundle
	Commits    []EvidenceCommit
	// Hashes are the nodes of all proofs, each once, in the order of their first use.
	Hashes   []ledger.Hash
	Manifest EvidenceManifest
}

// EvidenceCommit is one commit with its proof.
type EvidenceCommit struct {
	Seq       ledger.Seq
	Commit    []byte // as stored
	Statement string // the log's entry
	Proof     []int  // places in Evidence.Hashes, from the leaf to the root
	Values    []EvidenceValue
}

// EvidenceValue is the disclosed value of one event. Salt, value, and (after a zero byte)
// what was typed are the payload that the event's commitment is the hash of.
type EvidenceValue struct {
	Index int // of the event in its commit
	Salt  ledger.Salt
	Value string // JSON text
	Typed string // JSON text; "" when nothing else was typed than the value
}

// EvidenceManifest says what is in the bundle, so that what is missing is missed.
type EvidenceManifest struct {
	Profile                 ledger.ProfileID
	Commits, Events, Values int
	FirstSeq                ledger.Seq
	// FirstPrev is what the first commit follows: zero if it is the profile's first.
	FirstPrev ledger.Hash
	LastSeq   ledger.Seq
	LastHash  ledger.Hash
	// The profile's last commit that the checkpoint covers, which need not be in the bundle:
	// what the log says about it, the proof of that, and HeadReceipt as a signed note.
	HeadStatement string
	HeadProof     []int
	HeadReceipt   string
	Erased        bool // the profile's values have been destroyed
}

// payload is what the commitment is the hash of.
func (v *EvidenceValue) payload() []byte {
	e := ledger.Event{Salt: v.Salt, Value: ledger.Value(v.Value)}
	if v.Typed != "" {
		e.Typed = ledger.Value(v.Typed)
	}
	return e.Payload()
}

// errText says that a text cannot stand in JSON.
var errText = errors.New("a text of the bundle is not valid UTF-8")

// Encode gives the bundle as the one file that stands for it: JSON as RFC 8785 has it.
func (e *Evidence) Encode() ([]byte, error) {
	size := 4096 + 70*len(e.Hashes)
	for i := range e.Commits {
		c := &e.Commits[i]
		size += len(c.Commit)*4/3 + 2*len(c.Statement) + 4*len(c.Proof) + 64
		for k := range c.Values {
			size += 128 + len(c.Values[k].Value)*5/4
		}
	}
	w := evidenceWriter{b: make([]byte, 0, size)}
	w.text(`{"checkpoint":`, e.Checkpoint)
	w.raw(`,"commits":[`)
	for i := range e.Commits {
		if i > 0 {
			w.raw(`,`)
		}
		w.commit(&e.Commits[i])
	}
	w.text(`],"format":`, EvidenceFormat)
	w.raw(`,"hashes":[`)
	for i, h := range e.Hashes {
		if i > 0 {
			w.raw(`,`)
		}
		w.hex(`"`, h[:])
	}
	w.text(`],"key":`, e.Key)
	m := &e.Manifest
	w.number(`,"manifest":{"commits":`, uint64(m.Commits))
	w.raw(`,"erased":` + strconv.FormatBool(m.Erased))
	w.number(`,"events":`, uint64(m.Events))
	w.hex(`,"first":{"prev":"`, m.FirstPrev[:])
	w.number(`,"seq":`, uint64(m.FirstSeq))
	w.places(`},"head":{"proof":[`, m.HeadProof)
	w.text(`,"receipt":`, m.HeadReceipt)
	w.text(`,"statement":`, m.HeadStatement)
	w.hex(`},"last":{"hash":"`, m.LastHash[:])
	w.number(`,"seq":`, uint64(m.LastSeq))
	w.text(`},"profile":`, m.Profile.String())
	w.number(`,"values":`, uint64(m.Values))
	w.raw(`}}`)
	return w.b, w.err
}

type evidenceWriter struct {
	b   []byte
	err error
}

func (w *evidenceWriter) raw(s string) { w.b = append(w.b, s...) }

func (w *evidenceWriter) commit(c *EvidenceCommit) {
	w.raw(`{"commit":"`)
	w.b = base64.StdEncoding.AppendEncode(w.b, c.Commit)
	w.places(`","proof":[`, c.Proof)
	w.number(`,"seq":`, uint64(c.Seq))
	w.text(`,"statement":`, c.Statement)
	w.raw(`,"values":[`)
	for i := range c.Values {
		v := &c.Values[i]
		if i > 0 {
			w.raw(`,`)
		}
		w.number(`{"index":`, uint64(v.Index))
		w.hex(`,"salt":"`, v.Salt[:])
		if v.Typed != "" {
			w.text(`,"typed":`, v.Typed)
		}
		w.text(`,"value":`, v.Value)
		w.raw(`}`)
	}
	w.raw(`]}`)
}

func (w *evidenceWriter) number(key string, n uint64) {
	w.raw(key)
	w.b = strconv.AppendUint(w.b, n, 10)
}

// hex ends the text that key has begun.
func (w *evidenceWriter) hex(key string, b []byte) {
	w.raw(key)
	w.b = hex.AppendEncode(w.b, b)
	w.raw(`"`)
}

// places ends the array that key has begun.
func (w *evidenceWriter) places(key string, places []int) {
	w.raw(key)
	for i, n := range places {
		if i > 0 {
			w.raw(`,`)
		}
		w.b = strconv.AppendUint(w.b, uint64(n), 10)
	}
	w.raw(`]`)
}

// text writes a string as RFC 8785 has it: escapes for quote, backslash and control
// characters only, the short ones where JSON has them.
func (w *evidenceWriter) text(key, s string) {
	w.raw(key)
	if !utf8.ValidString(s) {
		w.err = errText
	}
	w.raw(`"`)
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.raw(s[from:i])
		from = i + 1
		w.b = append(w.b, '\\')
		if short := shortEscape(c); short != 0 {
			w.b = append(w.b, short)
		} else {
			w.raw("u00")
			w.b = hex.AppendEncode(w.b, []byte{c})
		}
	}
	w.raw(s[from:])
	w.raw(`"`)
}

// shortEscape is the letter that stands behind a backslash for c, or 0.
func shortEscape(c byte) byte {
	switch c {
	case '"', '\\':
		return c
	case '\b':
		return 'b'
	case '\t':
		return 't'
	case '\n':
		return 'n'
	case '\f':
		return 'f'
	case '\r':
		return 'r'
	}
	return 0
}
