package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bundle is a bundle as it was read.
type bundle struct {
	checkpoint, key              string
	commits                      []entry
	hashes                       [][]byte
	count                        struct{ commits, events, values int64 }
	erased                       bool
	profile, firstPrev, lastHash string
	firstSeq, lastSeq            int64
	headStatement, headReceipt   string
	headProof                    []int64
}

type entry struct {
	bytes     []byte
	proof     []int64
	seq       int64
	statement string
	values    []value
}

type value struct {
	index    int64
	salt     []byte
	value    string
	typed    string
	hasTyped bool
}

func (v value) commitment() string {
	payload := string(v.salt) + v.value
	if v.hasTyped {
		payload += "\x00" + v.typed
	}
	sum := sha256.Sum256([]byte(payload))
	return hex.EncodeToString(sum[:])
}

var errForm = errors.New("not the form of a bundle")

// maxBundle is the largest bundle.
const maxBundle = 64 << 20

// parseBundle reads any JSON, writes it again in canonical form, and takes it only if the
// two are equal. Then it looks at the members.
func parseBundle(file []byte) (b *bundle, err error) {
	if len(file) > maxBundle {
		return nil, errForm
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errForm
	}
	if again := canonical(nil, tree); !bytes.Equal(again, file) {
		return nil, errForm
	}
	defer func() { // the accessors below panic with errForm where a member has not its form
		if r := recover(); r == errForm {
			b, err = nil, errForm
		} else if r != nil {
			panic(r)
		}
	}()
	return readBundle(tree), nil
}

// canonical is RFC 8785 for what a bundle has: no numbers but small whole ones.
func canonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		n, err := strconv.ParseUint(string(v), 10, 53)
		if err != nil {
			return append(b, "?"...)
		}
		return strconv.AppendUint(b, n, 10)
	case string:
		b = append(b, '"')
		for _, r := range v {
			switch {
			case r == '"' || r == '\\':
				b = append(b, '\\', byte(r))
			case strings.ContainsRune("\b\t\n\f\r", r):
				b = append(b, '\\', "btn?fr"[r-'\b'])
			case r < ' ':
				b = fmt.Appendf(b, `\u%04x`, r)
			default:
				b = append(b, string(r)...)
			}
		}
		return append(b, '"')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = canonical(b, e)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) { // all names that count are ASCII
			if i > 0 {
				b = append(b, ',')
			}
			b = append(canonical(b, name), ':')
			b = canonical(b, v[name])
		}
		return append(b, '}')
	}
	panic("not a JSON value")
}

// object is a JSON object that must have exactly the members that are asked for.
type object map[string]any

func as[T any](v any) T {
	t, ok := v.(T)
	need(ok)
	return t
}

func need(ok bool) {
	if !ok {
		panic(errForm)
	}
}

func objectOf(v any, members ...string) object {
	o := as[map[string]any](v)
	need(len(o) == len(members))
	for _, name := range members {
		_, ok := o[name]
		need(ok)
	}
	return o
}

func (o object) text(name string) string { return as[string](o[name]) }

func (o object) number(name string) int64 {
	n, err := strconv.ParseInt(string(as[json.Number](o[name])), 10, 64)
	need(err == nil)
	return n
}

func (o object) hex(name string, size int) []byte {
	raw, err := hex.DecodeString(o.text(name))
	need(err == nil && len(raw) == size && hex.EncodeToString(raw) == o.text(name))
	return raw
}

func readBundle(tree any) *bundle {
	b := &bundle{}
	o := objectOf(tree, "checkpoint", "commits", "format", "hashes", "key", "manifest")
	need(o.text("format") == "vitae-evidence-v1")
	b.checkpoint, b.key = o.text("checkpoint"), o.text("key")
	for i := range as[[]any](o["hashes"]) {
		one := object{"hash": as[[]any](o["hashes"])[i]}
		b.hashes = append(b.hashes, one.hex("hash", 32))
	}
	named := int64(0)
	places := func(v any) (out []int64) {
		for _, p := range as[[]any](v) {
			n := object{"at": p}.number("at")
			need(n <= named)
			named = max(named, n+1)
			out = append(out, n)
		}
		need(len(out) <= 53)
		return out
	}
	for _, c := range as[[]any](o["commits"]) {
		o := objectOf(c, "commit", "proof", "seq", "statement", "values")
		raw, err := base64.StdEncoding.Strict().DecodeString(o.text("commit"))
		need(err == nil && len(raw) > 0 && !strings.ContainsAny(o.text("commit"), "\r\n"))
		e := entry{bytes: raw, proof: places(o["proof"]), seq: o.number("seq"), statement: o.text("statement")}
		for _, v := range as[[]any](o["values"]) {
			e.values = append(e.values, readValue(v))
		}
		b.commits = append(b.commits, e)
	}
	need(len(b.commits) > 0)

	m := objectOf(o["manifest"], "commits", "erased", "events", "first", "head", "last", "profile", "values")
	b.count.commits, b.count.events, b.count.values = m.number("commits"), m.number("events"), m.number("values")
	need(b.count.commits < 1<<31 && b.count.events < 1<<31 && b.count.values < 1<<31)
	b.erased, b.profile = as[bool](m["erased"]), m.text("profile")
	need(ulidForm.MatchString(b.profile))
	first, head, last := objectOf(m["first"], "prev", "seq"), objectOf(m["head"], "proof", "receipt", "statement"), objectOf(m["last"], "hash", "seq")
	b.firstPrev, b.firstSeq = hex.EncodeToString(first.hex("prev", 32)), first.number("seq")
	b.lastHash, b.lastSeq = hex.EncodeToString(last.hex("hash", 32)), last.number("seq")
	b.headProof, b.headReceipt, b.headStatement = places(head["proof"]), head.text("receipt"), head.text("statement")
	need(named == int64(len(b.hashes)))
	return b
}

func readValue(v any) value {
	_, typed := as[map[string]any](v)["typed"]
	members := []string{"index", "salt", "value"}
	if typed {
		members = append(members, "typed")
	}
	o := objectOf(v, members...)
	out := value{index: o.number("index"), salt: o.hex("salt", 16), value: o.text("value"), hasTyped: typed}
	need(out.index <= 8191 && out.value != "" && !strings.Contains(out.value, "\x00"))
	if typed {
		out.typed = o.text("typed")
		need(out.typed != "" && !strings.Contains(out.typed, "\x00"))
	}
	return out
}

// The parts of a commit as stored.
const (
	ulid   = `[0-7][0-9A-HJKMNP-TV-Z]{25}`
	moment = `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z`
	text   = `[!#-\[\]-~]`
	sealed = `[A-Za-z0-9+/]+`
)

var (
	ulidForm = regexp.MustCompile(`^` + ulid + `$`)
	headForm = regexp.MustCompile(`^\{"v":1,"id":"(` + ulid + `)","profile":"(` + ulid + `)","time":"(` + moment + `)","actor":"(` + text + `{0,256})","via":"(` + text + `{0,256})"` +
		`(?:,"request":"(` + text + `{1,256})")?(?:,"reason":"(` + sealed + `)")?(?:,"idem":\["[0-9a-f]{32}","[0-9a-f]{32}"\])?,"prev":"([0-9a-f]{64})","events":\[`)
	eventForm = regexp.MustCompile(`^\{"view":"` + text + `{0,256}"(?:,"field":"` + text + `{1,256}")?(?:,"item":"` + text + `{1,256}")?,"op":"([a-z]+)"` +
		`(?:,"order":\[((?:"` + text + `*",)*(?:"` + text + `*")?)\])?(?:,"hash":"([0-9a-f]{64})","value":"(` + sealed + `)")?\}`)
	ops = []string{"set", "clear", "put", "remove", "order", "created", "copied", "deleted", "bound", "erased", "decided"}
)

// stored is a commit as it was read.
type stored struct {
	id, profile, time, prev string
	events                  []storedEvent
}

type storedEvent struct{ op, hash string }

func (s *stored) erases() bool {
	return slices.ContainsFunc(s.events, func(e storedEvent) bool { return e.op == "erased" })
}

func (s *stored) statement(seq int64, hash []byte) string {
	return fmt.Sprintf(`{"commit":"%s","hash":"%x","prev":"%s","profile":"%s","seq":%d,"time":"%s"}`, s.id, hash, s.prev, s.profile, seq, s.time)
}

// parseStored reads a commit; nil when the bytes are none.
func parseStored(b []byte) *stored {
	m := headForm.FindSubmatch(b)
	if m == nil || !isTime(string(m[3])) || !isSealed(string(m[7]), true) {
		return nil
	}
	s := &stored{id: string(m[1]), profile: string(m[2]), time: string(m[3]), prev: string(m[8])}
	for rest := b[len(m[0]):]; ; {
		e := eventForm.FindSubmatch(rest)
		if e == nil || !slices.Contains(ops, string(e[1])) || !isOrder(string(e[2])) || !isSealed(string(e[4]), true) {
			return nil
		}
		s.events = append(s.events, storedEvent{string(e[1]), string(e[3])})
		rest = rest[len(e[0]):]
		if string(rest) == "]}" && len(s.events) <= 8192 {
			return s
		}
		if len(rest) == 0 || rest[0] != ',' {
			return nil
		}
		rest = rest[1:]
	}
}

func isTime(s string) bool {
	_, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	return err == nil
}

func isSealed(s string, absent bool) bool {
	_, err := base64.RawStdEncoding.Strict().DecodeString(s)
	return err == nil && (absent || s != "")
}

func isOrder(s string) bool {
	if strings.HasSuffix(s, ",") {
		return false
	}
	for one := range strings.SplitSeq(s, `","`) {
		if len(strings.Trim(one, `"`)) > 256 {
			return false
		}
	}
	return true
}
