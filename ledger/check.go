package ledger

import (
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ItemIn is one collection item as a request gives it.
type ItemIn struct {
	ID    string // as given by the client; "" when none was
	Value Value  // canonical, without the id
}

// Check reads a value for a scalar, a provider's field or a locale variant of either.
// value is its canonical form; typed is what was written where normalisation made
// value differ from it, else nil. null gives a nil value and no error where the field
// can be cleared. errs holds everything that is wrong with n, each with its place under
// pointer and without any part of the value. For a collection use CheckItems.
func (f Field) Check(n Node, pointer string) (value, typed Value, errs []FieldError) {
	c := checker{}
	switch {
	case f.Kind == KindList:
		c.add(pointer, CodeWrongType, "is a collection: give its items")
	case n.Kind == NodeNull && f.Clearable:
		return nil, nil, nil
	case n.Kind == NodeNull:
		c.add(pointer, CodeNotClearable, "cannot be cleared")
	default:
		m := f.member()
		b := c.value(nil, &m, n, pointer)
		if len(c.errs) == 0 {
			c.size(pointer, len(b))
		}
		value = b
		if n.Kind == NodeString {
			if raw := n.Append(nil); string(raw) != string(b) {
				typed = raw
			}
		}
	}
	if len(c.errs) > 0 {
		return nil, nil, c.errs
	}
	return value, typed, nil
}

// CheckItem reads one item of a collection. Its optional "id" must be plain (IsPlain)
// and at most MaxID characters.
func (f Field) CheckItem(n Node, pointer string) (item ItemIn, errs []FieldError) {
	c := checker{}
	if n.Kind != NodeObject {
		c.add(pointer, CodeWrongType, "must be an object, not "+n.Kind.String())
		return ItemIn{}, c.errs
	}
	if id, ok := n.Member("id"); ok && id.Kind != NodeNull {
		switch {
		case id.Kind != NodeString:
			c.add(PointerTo(pointer, "id"), CodeWrongType, "must be a text, not "+id.Kind.String())
		case id.Text == "":
			c.add(PointerTo(pointer, "id"), CodeEmpty, "must not be empty")
		case len(id.Text) > MaxID:
			c.add(PointerTo(pointer, "id"), CodeTooLong, fmt.Sprintf("must have at most %d characters", MaxID))
		case !IsPlain(id.Text):
			c.add(PointerTo(pointer, "id"), CodeFormat, "must be printable ASCII without space, quote and backslash")
		default:
			item.ID = id.Text
		}
	}
	b := c.object(nil, f.Item, n, pointer, true)
	if len(c.errs) == 0 {
		c.size(pointer, len(b))
	}
	if len(c.errs) > 0 {
		return ItemIn{}, c.errs
	}
	item.Value = b
	return item, nil
}

// CheckItems reads a whole collection: an array of at most as many items as the field
// takes, every one right, no id twice. null is an error; an empty array is no items.
func (f Field) CheckItems(n Node, pointer string) (items []ItemIn, errs []FieldError) {
	c := checker{}
	switch {
	case f.Kind != KindList:
		c.add(pointer, CodeWrongType, "is not a collection")
	case n.Kind == NodeNull:
		c.add(pointer, CodeNotClearable, "null does not clear a collection: give an empty array")
	case n.Kind != NodeArray:
		c.add(pointer, CodeWrongType, "must be an array, not "+n.Kind.String())
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	if len(n.Elems) > f.Max {
		c.add(pointer, CodeTooMany, fmt.Sprintf("must have at most %d items", f.Max))
	}
	items = make([]ItemIn, 0, len(n.Elems))
	for i, e := range n.Elems {
		item, errs := f.CheckItem(e, pointer+"/"+strconv.Itoa(i))
		c.errs = append(c.errs, errs...)
		items = append(items, item)
	}
	c.errs = append(c.errs, DuplicateIDs(items, pointer)...)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return items, nil
}

// DuplicateIDs names every item whose given id an earlier item of the same list has.
func DuplicateIDs(items []ItemIn, pointer string) (errs []FieldError) {
	seen := make(map[string]bool, len(items))
	for i, item := range items {
		if item.ID != "" && seen[item.ID] {
			errs = append(errs, FieldError{Pointer: pointer + "/" + strconv.Itoa(i) + "/id", Code: CodeDuplicate,
				Message: "another item of the list has the same id"})
		}
		seen[item.ID] = true
	}
	return errs
}

// Length is how long a text is for a limit: its code points after NFC.
func Length(s string) int { return utf8.RuneCountInString(norm.NFC.String(s)) }

// member sees a scalar field as the checker sees members.
func (f Field) member() Member {
	return Member{Name: f.Name, Kind: f.Kind, Min: f.Min, Max: f.Max, Enum: f.Enum, Members: f.Item}
}

// checker gathers everything that is wrong.
type checker struct{ errs []FieldError }

func (c *checker) add(pointer, code, message string) {
	c.errs = append(c.errs, FieldError{Pointer: pointer, Code: code, Message: message})
}

func (c *checker) size(pointer string, n int) {
	if n > MaxValue {
		c.add(pointer, CodeTooLong, fmt.Sprintf("must have at most %d bytes in all", MaxValue))
	}
}

// want says whether n has the kind that m takes, and complains if not.
func (c *checker) want(kind NodeKind, n Node, pointer string) bool {
	if n.Kind == kind {
		return true
	}
	c.add(pointer, CodeWrongType, "must be "+kind.String()+", not "+n.Kind.String())
	return false
}

// value appends the canonical form of n, which is not null. After an error what it
// appends means nothing.
func (c *checker) value(b []byte, m *Member, n Node, pointer string) []byte {
	switch m.Kind {
	case KindBool:
		c.want(NodeBool, n, pointer)
		return n.Append(b)
	case KindNumber, KindInteger:
		if c.want(NodeNumber, n, pointer) {
			c.number(m, n.Text, pointer)
		}
		return append(b, n.Text...)
	case KindTexts:
		return c.array(b, m, n, pointer, func(b []byte, e Node, p string) []byte {
			return c.text(b, &Member{Kind: KindText, Enum: m.Enum}, e, p)
		})
	case KindIDs:
		return c.ids(b, m, n, pointer)
	case KindObject:
		if !c.want(NodeObject, n, pointer) {
			return b
		}
		return c.object(b, m.Members, n, pointer, false)
	case KindObjects:
		return c.array(b, m, n, pointer, func(b []byte, e Node, p string) []byte {
			if !c.want(NodeObject, e, p) {
				return b
			}
			return c.object(b, m.Members, e, p, false)
		})
	case KindMap:
		return c.byID(b, m, n, pointer)
	case KindAny:
		c.want(NodeObject, n, pointer)
		return n.Append(b)
	default:
		return c.text(b, m, n, pointer)
	}
}

// object appends an object's members in the order of the catalogue; locale variants
// follow their member, by locale. null is absent. item lets "id" pass, which CheckItem reads.
func (c *checker) object(b []byte, members []Member, n Node, pointer string, item bool) []byte {
	b = append(b, '{')
	start := len(b)
	put := func(name string, m *Member, v Node) {
		if len(b) > start {
			b = append(b, ',')
		}
		b = appendQuoted(b, name)
		b = append(b, ':')
		b = c.value(b, m, v, PointerTo(pointer, name))
	}
	known := make(map[string]bool, len(members))
	for i := range members {
		m := &members[i]
		if m.With[0] != "" {
			if other, _ := n.Member(m.With[0]); other.Text != m.With[1] {
				continue // unknown here, unless another row of the union takes it
			}
		}
		known[m.Name] = true
		v, given := n.Member(m.Name)
		switch {
		case given && v.Kind != NodeNull:
			put(m.Name, m, v)
		case m.Required:
			c.add(PointerTo(pointer, m.Name), CodeRequired, "is required")
		}
		if m.Localized {
			for _, variant := range variants(n, m.Name) {
				known[variant.Name] = true
				if variant.Node.Kind != NodeNull {
					put(variant.Name, m, variant.Node)
				}
			}
		}
	}
	for _, m := range n.Members {
		if !known[m.Name] && !(item && m.Name == "id") {
			c.add(PointerTo(pointer, m.Name), CodeUnknownField, "there is no such member here")
		}
	}
	return append(b, '}')
}

// variants finds the members that are name with a locale, in the order of the locales.
func variants(n Node, name string) []NodeMember {
	var out []NodeMember
	for _, m := range n.Members {
		if base, locale, ok := strings.Cut(m.Name, "@"); ok && base == name && isLocale(locale) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b NodeMember) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (c *checker) array(b []byte, m *Member, n Node, pointer string, elem func([]byte, Node, string) []byte) []byte {
	if !c.want(NodeArray, n, pointer) {
		return b
	}
	limit := m.Max
	if limit == 0 {
		limit = MaxItems
	}
	if len(n.Elems) > limit {
		c.add(pointer, CodeTooMany, fmt.Sprintf("must have at most %d elements", limit))
	}
	if len(n.Elems) < m.Min {
		c.add(pointer, CodeEmpty, fmt.Sprintf("must have at least %d elements", m.Min))
	}
	b = append(b, '[')
	for i, e := range n.Elems {
		if i > 0 {
			b = append(b, ',')
		}
		b = elem(b, e, pointer+"/"+strconv.Itoa(i))
	}
	return append(b, ']')
}

// ids reads an order: texts or positive integers, none twice.
func (c *checker) ids(b []byte, m *Member, n Node, pointer string) []byte {
	seen := map[string]bool{}
	return c.array(b, m, n, pointer, func(b []byte, e Node, p string) []byte {
		if seen[e.Text] {
			c.add(p, CodeDuplicate, "occurs twice in the list")
		}
		seen[e.Text] = true
		if e.Kind == NodeNumber {
			return c.value(b, &Member{Kind: KindInteger}, e, p)
		}
		return c.text(b, &Member{Kind: KindText}, e, p)
	})
}

// byID reads a map whose keys repeat the id inside. Its canonical order is the one given.
func (c *checker) byID(b []byte, m *Member, n Node, pointer string) []byte {
	if !c.want(NodeObject, n, pointer) {
		return b
	}
	if m.Max > 0 && len(n.Members) > m.Max {
		c.add(pointer, CodeTooMany, fmt.Sprintf("must have at most %d entries", m.Max))
	}
	b = append(b, '{')
	for i, e := range n.Members {
		if i > 0 {
			b = append(b, ',')
		}
		p := PointerTo(pointer, e.Name)
		if id, ok := e.Node.Member("id"); ok && id.Kind == NodeString && id.Text != e.Name {
			c.add(PointerTo(p, "id"), CodeFormat, "must be equal to the name it stands under")
		}
		b = appendQuoted(b, e.Name)
		b = append(b, ':')
		if c.want(NodeObject, e.Node, p) {
			b = c.object(b, m.Members, e.Node, p, false)
		}
	}
	return append(b, '}')
}

func (c *checker) number(m *Member, literal, pointer string) {
	if len(literal) > 64 {
		c.add(pointer, CodeTooLong, "must have at most 64 digits")
		return
	}
	if m.Kind == KindInteger {
		if i, err := strconv.ParseInt(literal, 10, 64); err != nil || i < 1 || i >= 1<<53 {
			c.add(pointer, CodeOutOfRange, "must be a whole number from 1 to 2^53-1")
		}
		return
	}
	if _, err := strconv.ParseFloat(literal, 64); err != nil {
		c.add(pointer, CodeOutOfRange, "must be a number that a double can hold")
	}
	if (m.Min != 0 || m.Max != 0) && !within(literal, m.Min, m.Max) {
		c.add(pointer, CodeOutOfRange, fmt.Sprintf("must be a whole number from %d to %d", m.Min, m.Max))
	}
}

func within(literal string, low, high int) bool {
	i, err := strconv.Atoi(literal)
	return err == nil && i >= low && i <= high
}

// text reads every kind of text, normalises it and holds it to its limits.
func (c *checker) text(b []byte, m *Member, n Node, pointer string) []byte {
	if !c.want(NodeString, n, pointer) {
		return b
	}
	s := n.Text
	if s == "" {
		c.add(pointer, CodeEmpty, "must not be empty")
		return b
	}
	if len(m.Enum) > 0 {
		if !slices.Contains(m.Enum, s) {
			c.add(pointer, CodeNotOneOf, "must be one of "+strings.Join(m.Enum, ", "))
		}
		return appendQuoted(b, s)
	}
	s, problem := normalise(m.Kind, s)
	if problem != "" {
		c.add(pointer, CodeFormat, problem)
	}
	limit := m.Max
	if limit == 0 {
		limit = MaxText
	}
	length := Length(s)
	switch {
	case length > limit && m.Min == limit:
		c.add(pointer, CodeTooLong, fmt.Sprintf("must have exactly %d characters", limit))
	case length > limit:
		c.add(pointer, CodeTooLong, fmt.Sprintf("must have at most %d characters", limit))
	case length < m.Min:
		c.add(pointer, CodeOutOfRange, fmt.Sprintf("must have at least %d characters", m.Min))
	}
	return appendQuoted(b, s)
}

// normalise gives the form in which a text is kept and what is wrong with it. It
// leaves its own results as they are.
func normalise(kind Kind, s string) (out, problem string) {
	switch kind {
	case KindAlnum:
		for i := 0; i < len(s); i++ {
			if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
				return s, "must have letters and digits only"
			}
		}
	case KindEmail:
		if a, err := mail.ParseAddress(s); err != nil || a.Name != "" || a.Address != s {
			return s, "must be one e-mail address without a name"
		}
	case KindDay:
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return s, "must be a date as YYYY-MM-DD"
		}
	case KindDate:
		if !isPartialDate(s) {
			return s, "must be a date as YYYY, YYYY-MM, YYYY-MM-DD or an RFC 3339 timestamp"
		}
	case KindURL:
		return normaliseURL(s)
	case KindLinkedIn:
		return normaliseLinkedIn(s)
	case KindFile:
		if digest, ok := strings.CutPrefix(s, "sha256:"); !ok || !isHash(digest) {
			return s, `must be "sha256:" and 64 lower-case hexadecimal digits, as an upload returns it`
		}
	case KindUUID:
		if !isUUID(s) {
			return s, "must be a UUID"
		}
	}
	return s, ""
}

func isHash(s string) bool {
	_, err := ParseHash(s)
	return err == nil
}

func isPartialDate(s string) bool {
	for _, layout := range []string{"2006", "2006-01", time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	var t time.Time
	return t.UnmarshalText([]byte(s)) == nil // strict, unlike Parse
}

const notURL = "must be an http or https URL with a host"

func normaliseURL(s string) (out, problem string) {
	switch {
	case hasScheme(s):
		out = s
	case strings.HasPrefix(s, "//"):
		out = "https:" + s
	default:
		out = "https://" + s
	}
	u, err := url.Parse(out)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"),
		out != s && u.User != nil: // an e-mail address would become a link to its host
		return s, notURL
	}
	return out, ""
}

// hasScheme looks for "name://" at the start.
func hasScheme(s string) bool {
	name, _, ok := strings.Cut(s, "://")
	if !ok || name == "" {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(name[i]))) {
			return false
		}
	}
	return true
}

// normaliseLinkedIn takes a text without a slash for a user name.
func normaliseLinkedIn(s string) (out, problem string) {
	name := strings.TrimPrefix(strings.TrimPrefix(s, "/"), "in/")
	if strings.Contains(name, "/") {
		return normaliseURL(s)
	}
	if name == "" || strings.ContainsAny(name, " \t\r\n?#%\\:@<>\"") {
		return s, "must be a LinkedIn user name or an http or https URL"
	}
	return normaliseURL("https://linkedin.com/in/" + name)
}
