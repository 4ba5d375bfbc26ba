package ledger

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"
)

// FormatVersion is the version written into commits and blocks. Readers for every
// version ever written stay in this file.
const FormatVersion = 1

// timeLayout is RFC 3339 in UTC with milliseconds, always 24 bytes.
const timeLayout = "2006-01-02T15:04:05.000Z"

// ErrFormat is what every decoding error wraps: the bytes are not in the one form that
// this package writes.
var ErrFormat = errors.New("not in the stored format")

// Block is the commits that were waiting when the committer wrote: one message.
type Block struct {
	ID      CommitID // drawn like a commit id; tells whose block it is when an outcome is unknown
	First   Seq      // of Commits[0]
	Prev    Hash     // of the previous block as stored; zero in the first
	Commits []Record
}

// AppendCommit appends the stored form of c: compact JSON with the members in one fixed
// order and absent ones left out, so that equal commits have equal bytes. It fails when
// a text that is stored in clear (actor, via, request id, view, field, item) holds
// anything but printable ASCII without quote and backslash, or is over 256 bytes: such a
// text must not get into an event.
func AppendCommit(b []byte, c *Commit) ([]byte, error) {
	if len(c.Events) == 0 || len(c.Events) > MaxEvents {
		return nil, fmt.Errorf("a commit holds 1 to %d events, not %d", MaxEvents, len(c.Events))
	}
	for _, s := range []string{c.Meta.Actor, c.Meta.Via, c.Meta.RequestID} {
		if err := plain(s); err != nil {
			return nil, err
		}
	}
	b = append(b, `{"v":1,"id":"`...)
	b = append(b, c.ID.String()...)
	b = append(b, `","profile":"`...)
	b = append(b, c.Profile.String()...)
	b = append(b, `","time":"`...)
	b = c.Time.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","actor":"`...)
	b = append(b, c.Meta.Actor...)
	b = append(b, `","via":"`...)
	b = append(b, c.Meta.Via...)
	b = append(b, '"')
	if c.Meta.RequestID != "" {
		b = appendText(b, `,"request":"`, c.Meta.RequestID)
	}
	if c.SealedReason != nil {
		b = appendBase64(b, `,"reason":"`, c.SealedReason)
	}
	if c.Idem != nil {
		b = append(b, `,"idem":["`...)
		b = hex.AppendEncode(b, c.Idem.Key[:])
		b = append(b, `","`...)
		b = hex.AppendEncode(b, c.Idem.Body[:])
		b = append(b, `"]`...)
	}
	b = append(b, `,"prev":"`...)
	b = hex.AppendEncode(b, c.Prev[:])
	b = append(b, `","events":[`...)
	for i := range c.Events {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendEvent(b, &c.Events[i]); err != nil {
			return nil, err
		}
	}
	return append(b, `]}`...), nil
}

func appendEvent(b []byte, e *Event) ([]byte, error) {
	if err := errors.Join(plain(e.View), plain(e.Field), plain(e.Item), plain(string(e.Op))); err != nil {
		return nil, err
	}
	b = append(b, `{"view":"`...)
	b = append(b, e.View...)
	b = append(b, '"')
	if e.Field != "" {
		b = appendText(b, `,"field":"`, e.Field)
	}
	if e.Item != "" {
		b = appendText(b, `,"item":"`, e.Item)
	}
	b = appendText(b, `,"op":"`, string(e.Op))
	if e.Order != nil {
		b = append(b, `,"order":[`...)
		for i, id := range e.Order {
			if err := plain(id); err != nil {
				return nil, err
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, id...)
			b = append(b, '"')
		}
		b = append(b, ']')
	}
	if e.Sealed != nil {
		b = append(b, `,"hash":"`...)
		b = hex.AppendEncode(b, e.Commitment[:])
		b = append(b, '"')
		b = appendBase64(b, `,"value":"`, e.Sealed)
	}
	return append(b, '}'), nil
}

func appendText(b []byte, key, text string) []byte {
	b = append(b, key...)
	b = append(b, text...)
	return append(b, '"')
}

func appendBase64(b []byte, key string, data []byte) []byte {
	b = append(b, key...)
	b = base64.RawStdEncoding.AppendEncode(b, data)
	return append(b, '"')
}

// plain says whether a text may be stored in clear as it is.
func plain(s string) error {
	if len(s) > 256 {
		return fmt.Errorf("%w: a text of %d bytes where at most 256 may stand", ErrFormat, len(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return fmt.Errorf("%w: byte %d of a name is not printable ASCII", ErrFormat, i)
		}
	}
	return nil
}

// IsPlain says whether a text can be an item id, request id or actor: 1 to 256
// printable ASCII characters without space, quote and backslash.
func IsPlain(s string) bool { return s != "" && plain(s) == nil }

// ParseCommit reads the stored form, and only that: a commit that AppendCommit would
// write otherwise is refused, so equal commits have equal hashes. The result keeps
// parts of b, which must not change afterwards.
func ParseCommit(b []byte) (*Commit, error) {
	p := parser{b: b}
	c := p.commit()
	if p.err == nil && p.i != len(b) {
		p.fail("nothing more")
	}
	if p.err != nil {
		return nil, p.err
	}
	return c, nil
}

// AppendBlock appends the stored form of a block. Each record's Raw must be what
// AppendCommit made.
func AppendBlock(b []byte, id CommitID, first Seq, prev Hash, commits [][]byte) []byte {
	b = append(b, `{"v":1,"id":"`...)
	b = append(b, id.String()...)
	b = append(b, `","first":`...)
	b = strconv.AppendUint(b, uint64(first), 10)
	b = append(b, `,"prev":"`...)
	b = hex.AppendEncode(b, prev[:])
	b = append(b, `","commits":[`...)
	for i, c := range commits {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, c...)
	}
	return append(b, `]}`...)
}

// ParseBlock reads a block and every commit in it, with sequences and hashes filled
// in. The result keeps parts of b, which must not change afterwards. It does not check
// Prev: only who reads in order can.
func ParseBlock(b []byte) (*Block, error) {
	p := parser{b: b}
	blk := p.blockHead()
	p.lit(`"commits":[`)
	for p.err == nil {
		start := p.i
		c := p.commit()
		if p.err != nil {
			break
		}
		raw := b[start:p.i:p.i]
		blk.Commits = append(blk.Commits, Record{Seq: blk.First + Seq(len(blk.Commits)), Hash: HashOf(raw), Raw: raw, Commit: c})
		if !p.opt(`,`) {
			break
		}
	}
	p.lit(`]}`)
	if p.err == nil && p.i != len(b) {
		p.fail("nothing more")
	}
	if p.err != nil {
		return nil, p.err
	}
	return blk, nil
}

// ParseBlockHead reads a block's id, first sequence and link without its commits.
func ParseBlockHead(b []byte) (*Block, error) {
	p := parser{b: b}
	blk := p.blockHead()
	p.lit(`"commits":[`)
	if p.err != nil {
		return nil, p.err
	}
	return blk, nil
}

// parser walks the one form that is written. The first mismatch sticks in err.
type parser struct {
	b   []byte
	i   int
	err error
	// slab is where the next sealed values go: one allocation serves many.
	slab []byte
}

// slabSize is how many bytes of base64 one slab is for.
const slabSize = 4096

func (p *parser) fail(want string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: at byte %d: want %s", ErrFormat, p.i, want)
	}
}

func (p *parser) opt(s string) bool {
	if p.err != nil || len(p.b)-p.i < len(s) || string(p.b[p.i:p.i+len(s)]) != s {
		return false
	}
	p.i += len(s)
	return true
}

func (p *parser) lit(s string) {
	if !p.opt(s) {
		p.fail(s)
	}
}

// text reads up to the closing quote. Stored texts have no escapes.
func (p *parser) text() string {
	start := p.i
	for p.err == nil && p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == '"':
			if p.i-start > 256 {
				p.fail("a text of at most 256 bytes")
				return ""
			}
			s := p.b[start:p.i]
			p.i++
			if len(s) == 0 {
				return ""
			}
			// The parsed commit keeps b, which never changes: no copy is needed.
			return unsafe.String(&s[0], len(s))
		case c <= ' ' || c > '~' || c == '\\':
			p.fail("printable ASCII")
			return ""
		}
		p.i++
	}
	p.fail(`a closing "`)
	return ""
}

// member reads a text that is never stored empty.
func (p *parser) member() string {
	s := p.text()
	if s == "" {
		p.fail("a text that is not empty")
	}
	return s
}

// ulid reads the 26 characters of a canonical ULID and the closing quote.
func (p *parser) ulid() (id [16]byte) {
	if p.err != nil || len(p.b)-p.i < 27 || p.b[p.i] > '7' || p.b[p.i+26] != '"' {
		p.fail("a ULID")
		return id
	}
	// 26 digits of 5 bits are 130: the first has 3.
	var hi, lo uint64
	for _, c := range p.b[p.i : p.i+26] {
		d := crockford[c]
		if d == none {
			p.fail("a ULID")
			return [16]byte{}
		}
		hi, lo = hi<<5|lo>>59, lo<<5|uint64(d)
	}
	p.i += 27
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id
}

// none marks a byte that is not a digit in the tables of digits.
const none = 0xff

var (
	crockford = digits("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
	hexDigits = digits("0123456789abcdef")
)

// digits is the table of an alphabet: the value of every byte, or none.
func digits(alphabet string) (t [256]byte) {
	for i := range t {
		t[i] = none
	}
	for i, c := range []byte(alphabet) {
		t[c] = byte(i)
	}
	return t
}

func (p *parser) hex(dst []byte) {
	n := 2 * len(dst)
	if p.err != nil || len(p.b)-p.i < n {
		p.fail("hexadecimal digits")
		return
	}
	src := p.b[p.i : p.i+n]
	for i := range dst {
		hi, lo := hexDigits[src[2*i]], hexDigits[src[2*i+1]]
		if hi|lo == none {
			p.fail("lower-case hexadecimal digits")
			return
		}
		dst[i] = hi<<4 | lo
	}
	p.i += n
}

var strictBase64 = base64.RawStdEncoding.Strict()

func (p *parser) base64() []byte {
	start := p.i
	n := bytes.IndexByte(p.b[start:], '"')
	if p.err != nil || n < 0 {
		p.fail("base64")
		return nil
	}
	src := p.b[start : start+n]
	size := strictBase64.DecodedLen(len(src))
	if len(p.slab) < size {
		// What is left of b bounds what can still come.
		p.slab = make([]byte, strictBase64.DecodedLen(min(len(p.b)-start, max(slabSize, len(src)))))
	}
	out := p.slab[:size:size]
	// Decode skips line breaks; the length tells whether it did.
	if got, err := strictBase64.Decode(out, src); err != nil || got != size || size == 0 {
		p.fail("base64")
		return nil
	}
	p.slab = p.slab[size:]
	p.i += n + 1
	return out
}

func (p *parser) uint() (n uint64) {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	n, err := strconv.ParseUint(string(p.b[start:p.i]), 10, 64)
	if err != nil || (p.i-start > 1 && p.b[start] == '0') {
		p.fail("a number")
	}
	return n
}

// time reads timeLayout and the closing quote.
func (p *parser) time() time.Time {
	const form = "dddd-dd-ddTdd:dd:dd.dddZ\""
	if p.err != nil || len(p.b)-p.i < len(form) {
		p.fail("a time like " + timeLayout)
		return time.Time{}
	}
	src := p.b[p.i : p.i+len(form)]
	for i := range len(form) {
		if digit := src[i] >= '0' && src[i] <= '9'; form[i] == 'd' && !digit || form[i] != 'd' && form[i] != src[i] {
			p.fail("a time like " + timeLayout)
			return time.Time{}
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range src[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day, hour, minute, second := number(0, 4), number(5, 7), number(8, 10), number(11, 13), number(14, 16), number(17, 19)
	t := time.Date(year, time.Month(month), day, hour, minute, second, number(20, 23)*int(time.Millisecond), time.UTC)
	// Date takes 30 February for 2 March.
	if y, m, d := t.Date(); y != year || int(m) != month || d != day || hour > 23 || minute > 59 || second > 59 {
		p.fail("a time that exists")
		return time.Time{}
	}
	p.i += len(form)
	return t
}

func (p *parser) blockHead() *Block {
	blk := &Block{}
	p.lit(`{"v":1,"id":"`)
	blk.ID = p.ulid()
	p.lit(`,"first":`)
	blk.First = Seq(p.uint())
	p.lit(`,"prev":"`)
	p.hex(blk.Prev[:])
	p.lit(`",`)
	return blk
}

func (p *parser) commit() *Commit {
	c := &Commit{}
	p.lit(`{"v":1,"id":"`)
	c.ID = p.ulid()
	p.lit(`,"profile":"`)
	c.Profile = p.ulid()
	p.lit(`,"time":"`)
	c.Time = p.time()
	p.lit(`,"actor":"`)
	c.Meta.Actor = p.text()
	p.lit(`,"via":"`)
	c.Meta.Via = p.text()
	if p.opt(`,"request":"`) {
		c.Meta.RequestID = p.member()
	}
	if p.opt(`,"reason":"`) {
		c.SealedReason = p.base64()
	}
	if p.opt(`,"idem":["`) {
		c.Idem = &Idem{}
		p.hex(c.Idem.Key[:])
		p.lit(`","`)
		p.hex(c.Idem.Body[:])
		p.lit(`"]`)
	}
	p.lit(`,"prev":"`)
	p.hex(c.Prev[:])
	p.lit(`","events":[`)
	c.Events = make([]Event, 0, 6)
	for p.err == nil {
		c.Events = append(c.Events, p.event())
		if !p.opt(`,`) {
			break
		}
	}
	if len(c.Events) > MaxEvents {
		p.fail("fewer events")
	}
	p.lit(`]}`)
	return c
}

func (p *parser) event() (e Event) {
	p.lit(`{"view":"`)
	e.View = p.text()
	if p.opt(`,"field":"`) {
		e.Field = p.member()
	}
	if p.opt(`,"item":"`) {
		e.Item = p.member()
	}
	p.lit(`,"op":"`)
	e.Op = p.op()
	if p.opt(`,"order":[`) {
		e.Order = []string{}
		for p.err == nil && !p.opt(`]`) {
			if len(e.Order) > 0 {
				p.lit(`,`)
			}
			p.lit(`"`)
			e.Order = append(e.Order, p.text())
		}
	}
	if p.opt(`,"hash":"`) {
		p.hex(e.Commitment[:])
		p.lit(`","value":"`)
		e.Sealed = p.base64()
	}
	p.lit(`}`)
	return e
}

// op reads a word of the closed set; an unknown one stops every reader.
func (p *parser) op() Op {
	switch op := Op(p.text()); op {
	case OpSet, OpClear, OpPut, OpRemove, OpOrder, OpCreated, OpCopied, OpDeleted, OpBound, OpErased, OpDecided:
		return op
	}
	p.fail("a known op")
	return ""
}
