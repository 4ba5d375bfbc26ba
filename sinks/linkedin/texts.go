package linkedin

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
)

// supportedLocales is the catalogue's field whose first locale is that of plain fields.
const supportedLocales = "linkedin.supportedLocales"

// fallback is the locale of plain fields when the profile names none.
const fallback = "en_US"

// source is an object of the state: a profile's scalars, or an item's members. Members
// of the object "linkedin" are named "linkedin.company".
type source struct {
	values map[string]ledger.Node            // by name
	others map[string]map[string]ledger.Node // locale variants, by name and locale
}

func newSource() source {
	return source{values: map[string]ledger.Node{}, others: map[string]map[string]ledger.Node{}}
}

func (s source) add(name string, n ledger.Node) {
	base, locale, variant := strings.Cut(name, "@")
	if !variant {
		s.values[base] = n
		return
	}
	if s.others[base] == nil {
		s.others[base] = map[string]ledger.Node{}
	}
	s.others[base][locale] = n
}

func fromProfile(p *ledger.Profile) (source, error) {
	s := newSource()
	for _, name := range slices.Sorted(maps.Keys(p.Shared)) {
		v := p.Scalar(name)
		if v == nil {
			continue
		}
		n, err := ledger.ParseJSON(v)
		if err != nil {
			return source{}, fmt.Errorf("%s: %w", name, ledger.ErrFormat)
		}
		s.add(name, n)
	}
	return s, nil
}

func fromObject(n ledger.Node) source {
	s := newSource()
	for _, m := range n.Members {
		switch {
		case m.Node.Kind == ledger.NodeNull:
		case m.Name == ledger.LinkedIn && m.Node.Kind == ledger.NodeObject:
			for _, own := range m.Node.Members {
				if own.Node.Kind != ledger.NodeNull {
					s.add(ledger.LinkedIn+"."+own.Name, own.Node)
				}
			}
		default:
			s.add(m.Name, m.Node)
		}
	}
	return s
}

// variants are the locales, in order, that a text has besides its plain one.
func (s source) variants(name string) []string { return slices.Sorted(maps.Keys(s.others[name])) }

// text gives a plain text; ok is false when there is none.
func (s source) text(name string) (string, bool) {
	n, ok := s.values[name]
	return n.Text, ok && n.Kind == ledger.NodeString
}

// writer turns one state into LinkedIn's objects and gathers what does not fit.
type writer struct {
	account string
	locale  string // of plain fields
	all     source // the profile's scalars
	wrong   []string
}

func (w *writer) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// chooseLocale takes the first of the supported locales.
func (w *writer) chooseLocale() {
	w.locale = fallback
	n := w.all.values[supportedLocales]
	if len(n.Elems) == 0 {
		return
	}
	locale := localeKey(n.Elems[0])
	if locale == "" {
		w.complain("%s[0] is not a lower-case language with an upper-case country of two letters", supportedLocales)
		return
	}
	w.locale = locale
}

// localeKey makes the key of a localized map from a locale object: language, country and
// variant with underscores between; "" when it is none.
func localeKey(n ledger.Node) string {
	language, _ := n.Member("language")
	country, _ := n.Member("country")
	key := strings.ToLower(language.Text)
	if len(key) < 2 || len(key) > 3 || !isLetters(key) {
		return ""
	}
	if country.Text == "" {
		return key
	}
	if len(country.Text) != 2 || !isLetters(country.Text) {
		return ""
	}
	key += "_" + strings.ToUpper(country.Text)
	if variant, _ := n.Member("variant"); variant.Text != "" {
		key += "_" + variant.Text
	}
	return key
}

func isLetters(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) < 0
}

// localeObject is the object of a localized map's key.
func localeObject(key string) ledger.Node {
	parts := strings.SplitN(key, "_", 3)
	n := object()
	if len(parts) > 1 {
		n.Members = append(n.Members, member("country", ledger.TextNode(parts[1])))
	}
	n.Members = append(n.Members, member("language", ledger.TextNode(parts[0])))
	if len(parts) > 2 {
		n.Members = append(n.Members, member("variant", ledger.TextNode(parts[2])))
	}
	return n
}

// locales gives a text by locale, and the preferred one of them. texts is empty when
// there is none.
func (w *writer) locales(s source, name string) (texts map[string]string, preferred string) {
	texts = map[string]string{}
	for locale, n := range s.others[name] {
		if n.Kind == ledger.NodeString {
			texts[locale] = n.Text
		}
	}
	if plain, ok := s.text(name); ok {
		preferred = w.locale
		if other, taken := texts[preferred]; taken && other != plain {
			// The plain text may be in another locale than the profile's first: none of the two
			// is lost, unless the profile says that they are both of that one.
			switch locale := w.free(texts); {
			case locale != "":
				preferred = locale
			case len(w.all.values[supportedLocales].Elems) == 0:
				w.complain("%s and %s@%s are different texts of one locale: put the locale of the plain one into %s", name, name, w.locale, supportedLocales)
			}
		}
		texts[preferred] = plain
		return texts, preferred
	}
	if len(texts) > 0 {
		preferred = slices.Min(slices.Collect(maps.Keys(texts)))
	}
	return texts, preferred
}

// free is the first of the supported locales that has no text yet; "" when there is none.
func (w *writer) free(texts map[string]string) string {
	for _, n := range w.all.values[supportedLocales].Elems {
		if locale := localeKey(n); locale != "" && texts[locale] == "" {
			return locale
		}
	}
	return ""
}

// localized makes LinkedIn's object of a text in its locales.
func localized(texts map[string]string, preferred string, asRich bool) ledger.Node {
	byLocale := object()
	for _, locale := range slices.Sorted(maps.Keys(texts)) {
		n := ledger.TextNode(texts[locale])
		if asRich {
			n = object(member("rawText", n))
		}
		byLocale.Members = append(byLocale.Members, member(locale, n))
	}
	return object(member("localized", byLocale), member("preferredLocale", localeObject(preferred)))
}

// shape is how a value looks at LinkedIn.
type shape uint8

// The shapes.
const (
	plain  shape = iota // as it is: a text, a boolean, an array of texts
	local               // a text in its locales
	rich                // the same, with rawText inside
	daily               // a date of day, month and year
	month               // a date of month and year
	year                // a date of the year only
	grade               // a localized text inside an object of the same name
	study               // a localized text as the name of the one field of study
	place               // a localized text as the name of a position's place
	region              // a country and the number of a part of it
	people              // contributors
)

// value makes a member of the given shape; ok is false when there is nothing to send.
// name is what the value is called in a complaint.
func (w *writer) value(s source, from string, as shape, name string) (n ledger.Node, ok bool) {
	switch as {
	case local, rich, grade, study, place:
		texts, preferred := w.locales(s, from)
		if len(texts) == 0 {
			return n, false
		}
		n = localized(texts, preferred, as == rich)
		switch as {
		case grade:
			n = object(member("grade", n))
		case study:
			n = array(object(member("fieldOfStudyName", n)))
		case place:
			n = object(member("displayLocationName", n))
		}
		return n, true
	case daily, month, year:
		v, given := s.values[from]
		if !given {
			return n, false
		}
		if n, ok = date(v.Text, as); !ok {
			w.complain("%s is not a date that LinkedIn takes: year, year and month, or year, month and day", name)
		}
		return n, ok
	}
	n, ok = s.values[from]
	return n, ok
}

// date cuts a date of the ledger to what LinkedIn keeps.
func date(s string, as shape) (ledger.Node, bool) {
	y, m, d, ok := parts(s)
	if !ok {
		return ledger.Node{}, false
	}
	n := object()
	if d > 0 && as == daily {
		n.Members = append(n.Members, member("day", number(d)))
	}
	if m > 0 && as != year {
		n.Members = append(n.Members, member("month", number(m)))
	}
	n.Members = append(n.Members, member("year", number(y)))
	return n, true
}

func number(i int) ledger.Node {
	return ledger.Node{Kind: ledger.NodeNumber, Text: strconv.Itoa(i)}
}

// parts takes a date apart; m and d are 0 where it has none. Of a timestamp it is the day
// as written, in the timestamp's own zone.
func parts(s string) (y, m, d int, ok bool) {
	var t time.Time
	for i, layout := range []string{"2006", "2006-01", time.DateOnly} {
		var err error
		if t, err = time.Parse(layout, s); err != nil {
			continue
		}
		y = t.Year()
		if i > 0 {
			m = int(t.Month())
		}
		if i > 1 {
			d = t.Day()
		}
		return y, m, d, y > 0
	}
	if t.UnmarshalText([]byte(s)) != nil {
		return 0, 0, 0, false
	}
	return t.Year(), int(t.Month()), t.Day(), t.Year() > 0
}
