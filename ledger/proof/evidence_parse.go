package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitae/ledger"
)

// evidenceSyntaxError says where bytes stop being a bundle.
type evidenceSyntaxError struct {
	at   int
	want string
}

func (e *evidenceSyntaxError) Error() string {
	return fmt.Sprintf("not a bundle in its one form: at byte %d: want %s", e.at, e.want)
}

// ParseEvidence reads a bundle, and only what Encode writes: every byte counts. It does not
// say that anything in it is true; VerifyEvidence does. What it allocates is bounded by a
// small multiple of b.
func ParseEvidence(b []byte) (*Evidence, error) {
	if len(b) > MaxEvidence {
		return nil, fmt.Errorf("larger than a bundle can be, %d bytes", MaxEvidence)
	}
	p := evidenceParser{b: b}
	e := p.evidence()
	if p.err == nil && p.i != len(b) {
		p.fail("nothing more")
	}
	if p.err != nil {
		return nil, p.err
	}
	// The parser takes one form only. Should it ever take another one, this finds it.
	again, err := e.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		at := 0
		for at < len(again) && at < len(b) && again[at] == b[at] {
			at++
		}
		return nil, &evidenceSyntaxError{at, "what the bundle is encoded to again"}
	}
	return e, nil
}

// evidenceParser walks the one form. The first mismatch sticks in err.
type evidenceParser struct {
	b   []byte
	i   int
	err error
	// known is how many nodes the proofs so far have named: the next new one has this place.
	known int
}

func (p *evidenceParser) fail(want string) {
	if p.err == nil {
		p.err = &evidenceSyntaxError{p.i, want}
	}
}

func (p *evidenceParser) opt(s string) bool {
	if p.err != nil || len(p.b)-p.i < len(s) || string(p.b[p.i:p.i+len(s)]) != s {
		return false
	}
	p.i += len(s)
	return true
}

func (p *evidenceParser) lit(s string) {
	if p.opt(s) {
		return
	}
	for p.err == nil { // the place is where they part
		if p.i == len(p.b) || p.b[p.i] != s[0] {
			p.fail(strconv.Quote(s))
			return
		}
		p.i++
		s = s[1:]
	}
}

// more says whether a list that was opened goes on, and goes past the comma.
func (p *evidenceParser) more(first bool) bool {
	switch {
	case p.err != nil, p.opt(`]`):
		return false
	case !first:
		p.lit(`,`)
	}
	return p.err == nil
}

func (p *evidenceParser) evidence() *Evidence {
	e := &Evidence{}
	e.Checkpoint = p.text(`{"checkpoint":`)
	p.lit(`,"commits":[`)
	for first := true; p.more(first); first = false {
		e.Commits = append(e.Commits, p.commit())
	}
	if p.err == nil && len(e.Commits) == 0 {
		p.fail("at least one commit")
	}
	p.lit(`,"format":"` + EvidenceFormat + `"`)
	p.lit(`,"hashes":[`)
	for first := true; p.more(first); first = false {
		p.lit(`"`)
		var h ledger.Hash
		p.hex(h[:])
		e.Hashes = append(e.Hashes, h)
	}
	e.Key = p.text(`,"key":`)
	m := &e.Manifest
	m.Commits = p.count(`,"manifest":{"commits":`, math.MaxInt32)
	p.lit(`,"erased":`)
	if m.Erased = p.opt(`true`); !m.Erased {
		p.lit(`false`)
	}
	m.Events = p.count(`,"events":`, math.MaxInt32)
	p.lit(`,"first":{"prev":"`)
	p.hex(m.FirstPrev[:])
	m.FirstSeq = ledger.Seq(p.number(`,"seq":`))
	p.lit(`},"head":{"proof":[`)
	m.HeadProof = p.places()
	if p.err == nil && p.known != len(e.Hashes) {
		p.fail("as many hashes as the proofs name")
	}
	m.HeadReceipt = p.text(`,"receipt":`)
	m.HeadStatement = p.text(`,"statement":`)
	p.lit(`},"last":{"hash":"`)
	p.hex(m.LastHash[:])
	m.LastSeq = ledger.Seq(p.number(`,"seq":`))
	p.lit(`},"profile":"`)
	if len(p.b)-p.i >= 26 && p.err == nil {
		id, err := ledger.ParseProfileID(string(p.b[p.i : p.i+26]))
		if err != nil {
			p.fail("a ULID")
		}
		m.Profile = id
		p.i += 26
	}
	p.lit(`"`)
	m.Values = p.count(`,"values":`, math.MaxInt32)
	p.lit(`}}`)
	return e
}

func (p *evidenceParser) commit() (c EvidenceCommit) {
	p.lit(`{"commit":"`)
	c.Commit = p.base64()
	p.lit(`,"proof":[`)
	c.Proof = p.places()
	c.Seq = ledger.Seq(p.number(`,"seq":`))
	c.Statement = p.text(`,"statement":`)
	p.lit(`,"values":[`)
	for first := true; p.more(first); first = false {
		var v EvidenceValue
		v.Index = p.count(`{"index":`, ledger.MaxEvents-1)
		p.lit(`,"salt":"`)
		p.hex(v.Salt[:])
		if p.opt(`,"typed":`) {
			v.Typed = p.member()
		}
		p.lit(`,"value":`)
		v.Value = p.member()
		p.lit(`}`)
		c.Values = append(c.Values, v)
	}
	p.lit(`}`)
	return c
}

// maxProof is how long a proof can be: a tree has fewer than 2^53 leaves.
const maxProof = 53

// places reads a proof up to its closing bracket. A place that no proof has named before
// must be the next one: so the table has one order, and nothing that is not used.
func (p *evidenceParser) places() []int {
	var all [maxProof]int
	n := 0
	for first := true; p.more(first); first = false {
		if n == maxProof {
			p.fail("a shorter proof")
			break
		}
		all[n] = p.count("", p.known)
		p.known = max(p.known, all[n]+1)
		n++
	}
	return append([]int(nil), all[:n]...)
}

// count reads a whole number of at most most.
func (p *evidenceParser) count(key string, most int) int {
	p.lit(key)
	at := p.i
	n := p.number("")
	if p.err == nil && n > uint64(most) {
		p.i = at
		p.fail("a number of at most " + strconv.Itoa(most))
	}
	if p.err != nil {
		return 0
	}
	return int(n)
}

// number reads a whole number that a double holds, without superfluous digits.
func (p *evidenceParser) number(key string) uint64 {
	p.lit(key)
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	n, err := strconv.ParseUint(string(p.b[start:min(p.i, start+17)]), 10, 64)
	if p.err == nil && (err != nil || n >= 1<<53 || p.i-start > 1 && p.b[start] == '0') {
		p.i = start
		p.fail("a whole number below 2^53")
	}
	return n
}

// hex reads as many lower-case digits as dst takes, and the closing quote.
func (p *evidenceParser) hex(dst []byte) {
	for i := range dst {
		for range 2 {
			if p.err != nil {
				return
			}
			if p.i == len(p.b) {
				p.fail("a hexadecimal digit")
				return
			}
			switch c := p.b[p.i]; {
			case c >= '0' && c <= '9':
				dst[i] = dst[i]<<4 | (c - '0')
			case c >= 'a' && c <= 'f':
				dst[i] = dst[i]<<4 | (c - 'a' + 10)
			default:
				p.fail("a lower-case hexadecimal digit")
				return
			}
			p.i++
		}
	}
	p.lit(`"`)
}

// base64 reads up to the closing quote, and past it. Empty is nothing that is ever written.
func (p *evidenceParser) base64() []byte {
	if p.err != nil {
		return nil
	}
	n := bytes.IndexByte(p.b[p.i:], '"')
	if n < 1 {
		p.fail("base64")
		return nil
	}
	src := p.b[p.i : p.i+n]
	out := make([]byte, base64.StdEncoding.DecodedLen(n))
	got, err := base64.StdEncoding.Strict().Decode(out, src)
	at := bytes.IndexAny(src, "\r\n") // Decode skips them
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		at = min(int(corrupt), n-1)
	}
	if err != nil || at >= 0 {
		p.i += at
		p.fail("base64, padded, without superfluous bits")
		return nil
	}
	p.i += n + 1
	return out[:got:got]
}

// member reads a text of JSON: not empty, and without the zero byte that parts what is
// committed to.
func (p *evidenceParser) member() string {
	at := p.i
	s := p.text("")
	if p.err == nil && (s == "" || strings.IndexByte(s, 0) >= 0) {
		p.i = at
		p.fail("a text that is not empty and has no zero byte")
	}
	return s
}

// text reads a string in the one form that RFC 8785 has for it.
func (p *evidenceParser) text(key string) string {
	p.lit(key)
	p.lit(`"`)
	if p.err != nil {
		return ""
	}
	start := p.i
	var out []byte // nil until there is an escape
	for p.i < len(p.b) {
		c := p.b[p.i]
		switch {
		case c == '"':
			part := p.b[start:p.i]
			p.i++
			if out == nil {
				return string(part)
			}
			return string(append(out, part...))
		case c < ' ':
			p.fail("an escape for a control character")
			return ""
		case c == '\\':
			out = append(out, p.b[start:p.i]...)
			r, n := unescape(p.b[p.i:])
			if n == 0 {
				p.fail("an escape as RFC 8785 writes it")
				return ""
			}
			out = append(out, r)
			p.i += n
			start = p.i
		case c < utf8.RuneSelf:
			p.i++
		default:
			r, n := utf8.DecodeRune(p.b[p.i:])
			if r == utf8.RuneError && n == 1 {
				p.fail("UTF-8")
				return ""
			}
			p.i += n
		}
	}
	p.fail(`a closing "`)
	return ""
}

// unescape reads one escape: the character, and the bytes that stand for it; 0 if b does
// not begin with an escape that Encode writes.
func unescape(b []byte) (c byte, n int) {
	const digits = "0123456789abcdef"
	if len(b) < 2 {
		return 0, 0
	}
	for _, c := range []byte("\"\\\b\t\n\f\r") {
		if b[1] == shortEscape(c) {
			return c, 2
		}
	}
	if len(b) < 6 || b[1] != 'u' || b[2] != '0' || b[3] != '0' || b[4] > '1' || b[4] < '0' {
		return 0, 0
	}
	low := strings.IndexByte(digits, b[5])
	if low < 0 {
		return 0, 0
	}
	c = (b[4]-'0')<<4 | byte(low)
	if shortEscape(c) != 0 {
		return 0, 0
	}
	return c, 6
}
