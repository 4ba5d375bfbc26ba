package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong, in the words of the document. Seq and Index are -1
// where there is none.
type Fault struct {
	Seq   int64
	Index int64
	Code  string
}

func (f Fault) String() string { return fmt.Sprintf("%d/%d %s", f.Seq, f.Index, f.Code) }

// Verify follows "Verification" of docs/evidence.md, step by step.
func Verify(file []byte, key string) []Fault {
	v := &verifier{}
	b, err := parseBundle(file) // 1
	if err != nil {
		return v.bundle("unreadable")
	}
	if b.key != key { // 2
		return v.bundle("key")
	}
	public, ok := parseKey(key)
	if !ok {
		return v.bundle("key")
	}
	head, code := parseCheckpoint(b.checkpoint, public) // 3
	if code != "" {
		return v.bundle(code)
	}
	v.b, v.tree = b, head
	for i := range b.commits { // 4
		v.commit(i)
	}
	v.manifest()   // 5
	v.head(public) // 6
	return v.faults
}

type verifier struct {
	b      *bundle
	tree   tree
	faults []Fault
	stored []*stored // of each commit; nil where its bytes are not one
	link   []byte    // what the next commit must follow; nil when that is not known
}

func (v *verifier) bundle(code string) []Fault {
	v.faults = append(v.faults, Fault{-1, -1, code})
	return v.faults
}

func (v *verifier) at(seq int64, code string) {
	v.faults = append(v.faults, Fault{seq, -1, code})
}

func (v *verifier) commit(i int) {
	c := &v.b.commits[i]
	link := v.link
	v.link = nil
	s := parseStored(c.bytes)
	v.stored = append(v.stored, s)
	if i > 0 && c.seq <= v.b.commits[i-1].seq { // 4.1
		v.at(c.seq, "order")
	}
	if c.seq < 1 || c.seq > v.tree.size { // 4.2
		v.at(c.seq, "order")
		return
	}
	hash := sha256.Sum256(c.bytes)
	logged := func(statement string) bool { return v.logged(statement, c.seq, c.proof) } // 4.3
	own := ""
	if s != nil {
		own = s.statement(c.seq, hash[:])
	}
	switch {
	case s != nil && own == c.statement:
		if !logged(own) {
			v.at(c.seq, "proof")
			return
		}
	case logged(c.statement):
		v.at(c.seq, "commit")
		return
	default:
		v.at(c.seq, "statement")
		return
	}
	if s.profile != v.b.profile { // 4.4
		v.at(c.seq, "profile")
	}
	if link != nil && s.prev != hex.EncodeToString(link) { // 4.5
		v.at(c.seq, "chain")
	}
	v.link = hash[:]
	for k, value := range c.values { // 4.6
		switch {
		case k > 0 && value.index <= c.values[k-1].index, value.index >= int64(len(s.events)), s.events[value.index].hash == "":
			v.faults = append(v.faults, Fault{c.seq, value.index, "place"})
		case value.commitment() != s.events[value.index].hash:
			v.faults = append(v.faults, Fault{c.seq, value.index, "value"})
		}
	}
}

func (v *verifier) manifest() {
	b, last := v.b, len(v.b.commits)-1
	events, values, whole := int64(0), int64(0), true
	for i, s := range v.stored {
		values += int64(len(b.commits[i].values))
		if s == nil {
			whole = false
		} else {
			events += int64(len(s.events))
		}
	}
	h := sha256.Sum256(b.commits[last].bytes)
	for _, good := range []bool{
		b.count.commits == int64(len(b.commits)),
		!whole || b.count.events == events,
		b.count.values == values,
		b.firstSeq == b.commits[0].seq,
		v.stored[0] == nil || b.firstPrev == v.stored[0].prev,
		b.lastSeq == b.commits[last].seq,
		b.lastHash == hex.EncodeToString(h[:]),
		!b.erased || values == 0,
	} {
		if !good {
			v.bundle("manifest")
		}
	}
}

var statementForm = regexp.MustCompile(`^\{"commit":"(` + ulid + `)","hash":"([0-9a-f]{64})","prev":"[0-9a-f]{64}","profile":"(` + ulid + `)","seq":([1-9][0-9]{0,15}),"time":"(` + moment + `)"\}$`)

func (v *verifier) head(public key) {
	b := v.b
	m := statementForm.FindStringSubmatch(b.headStatement)
	if m == nil || !isTime(m[5]) {
		v.bundle("head")
		return
	}
	seq, _ := strconv.ParseInt(m[4], 10, 64)
	if seq > v.tree.size || !v.logged(b.headStatement, seq, b.headProof) {
		v.bundle("head")
		return
	}
	text, ok := openNote(b.headReceipt, public)
	if !ok || !strings.HasPrefix(text, "vitae receipt v1\n") {
		v.bundle("signature")
		return
	}
	last := len(b.commits) - 1
	switch {
	case m[3] != b.profile,
		text != fmt.Sprintf("vitae receipt v1\nhead\nprofile %s\nseq %d\nhash %s\ntree %d\n", b.profile, seq, m[2], v.tree.size),
		seq < b.commits[last].seq,
		seq == b.commits[last].seq && b.headStatement != b.commits[last].statement:
		v.bundle("head")
	case seq == b.commits[last].seq && v.stored[last] != nil && v.stored[last].erases() != b.erased:
		v.bundle("manifest")
	}
}

// logged is RFC 9162, 2.1.3.2.
func (v *verifier) logged(statement string, seq int64, proof []int64) bool {
	fn, sn := seq-1, v.tree.size-1
	r := sha256.Sum256(append([]byte{0}, statement...))
	for _, at := range proof {
		p := v.b.hashes[at]
		if sn == 0 {
			return false
		}
		if fn%2 == 1 || fn == sn {
			r = node(p, r[:])
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn/2, sn/2
			}
		} else {
			r = node(r[:], p)
		}
		fn, sn = fn/2, sn/2
	}
	return sn == 0 && string(r[:]) == v.tree.root
}

func node(left, right []byte) [32]byte {
	return sha256.Sum256(append(append([]byte{1}, left...), right...))
}

// key is a parsed verifier key.
type key struct {
	name   string
	hash   []byte
	public ed25519.PublicKey
}

func parseKey(text string) (key, bool) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return key{}, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 1 {
		return key{}, false
	}
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(raw)))
	return key{parts[0], sum[:4], raw[1:]}, hex.EncodeToString(sum[:4]) == parts[1]
}

// tree is what a checkpoint is about.
type tree struct {
	size int64
	root string
}

var signatureLine = regexp.MustCompile(`^\x{2014} ([^ \n]+) ([A-Za-z0-9+/]+={0,2})\n$`)

// splitNote parts a note into text, and name, hash and signature of its one line.
func splitNote(note string) (text, name string, raw []byte, ok bool) {
	text, lines, found := strings.Cut(note, "\n\n")
	m := signatureLine.FindStringSubmatch(lines)
	if !found || m == nil {
		return "", "", nil, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(m[2])
	return text + "\n", m[1], raw, err == nil && len(raw) >= 5
}

func (k key) signed(text, name string, raw []byte) bool {
	return name == k.name && string(raw[:4]) == string(k.hash) && ed25519.Verify(k.public, []byte(text), raw[4:])
}

func openNote(note string, k key) (string, bool) {
	text, name, raw, ok := splitNote(note)
	return text, ok && k.signed(text, name, raw)
}

func parseCheckpoint(note string, k key) (tree, string) {
	text, name, raw, ok := splitNote(note)
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 4 || lines[0] == "" {
		return tree{}, "checkpoint"
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size >= 1<<53 || strconv.FormatInt(size, 10) != lines[1] {
		return tree{}, "checkpoint"
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return tree{}, "checkpoint"
	}
	if lines[0] != k.name || !k.signed(text, name, raw) {
		return tree{}, "signature"
	}
	return tree{size, string(root)}, ""
}
