package nexudus

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"

	"vitae/ledger"
)

// country is one of the portal's.
type country struct {
	id   string // the portal's number, as a JSON literal
	name string
	code string // two letters of ISO 3166
}

// parseCountries reads the portal's list. ok is false when it is none, or names nothing
// that can be used.
func parseCountries(body []byte) (list []country, ok bool) {
	n, err := ledger.ParseJSON(body)
	all, _ := n.Member("Countries")
	if n.Kind == ledger.NodeArray {
		all = n
	}
	if err != nil || all.Kind != ledger.NodeArray {
		return nil, false
	}
	for _, e := range all.Elems {
		id, _ := e.Member("Id")
		name, _ := e.Member("Name")
		code, _ := e.Member("TwoDigitsCode")
		if id.Kind != ledger.NodeNumber || !digits(id.Text) || name.Text == "" && code.Text == "" {
			continue
		}
		c := country{id: id.Text}
		if name.Kind == ledger.NodeString {
			c.name = name.Text
		}
		if code.Kind == ledger.NodeString {
			c.code = strings.ToUpper(strings.TrimSpace(code.Text))
		}
		list = append(list, c)
	}
	return list, len(list) > 0
}

// digits says that a literal is a whole number, and not an endless one.
func digits(s string) bool {
	return s != "" && len(s) <= 18 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// resolve finds the portal's number of a country as it was typed: by its code, by the
// portal's own name for it, or by a name that is known for its code.
func resolve(list []country, typed string) (id string, ok bool) {
	key, code := fold(typed), codeOf(typed)
	for _, c := range list {
		if code != "" && c.code == code {
			return c.id, true
		}
	}
	for _, c := range list {
		if key != "" && (fold(c.name) == key || code != "" && codeOf(c.name) == code) {
			return c.id, true
		}
	}
	return "", false
}

// common is the form in which a country is compared: its ISO code, or else its name.
func common(typed string) string {
	if code := codeOf(typed); code != "" {
		return code
	}
	return fold(typed)
}

// shown is the common form of one of the portal's countries.
func (c country) shown() string {
	if code := codeOf(c.code); code != "" {
		return code
	}
	return common(c.name)
}

// fold brings a name into the form in which names are looked up.
func fold(s string) string {
	s = strings.ToLower(norm.NFC.String(s))
	s = strings.NewReplacer("’", "'", "&", " and ", ".", "").Replace(s)
	return strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "the ")
}

// codeOf gives the two letters of a country that is named by an ISO code of two or three
// letters, or by a name in one of the usual languages; "" when it is not known.
func codeOf(typed string) string {
	key := fold(typed)
	if code, ok := names()[key]; ok {
		return code
	}
	if len(key) != 2 && len(key) != 3 || strings.ContainsFunc(key, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return ""
	}
	r, err := language.ParseRegion(strings.ToUpper(key))
	if err != nil || !r.IsCountry() {
		return ""
	}
	return r.Canonicalize().String()
}

// others are names in use that the tables do not have.
var others = map[string]string{
	"czech republic": "CZ", "great britain": "GB", "holland": "NL", "ivory coast": "CI", "macau": "MO", "hong kong": "HK", "burma": "MM", "myanmar": "MM",
	"russian federation": "RU", "republic of korea": "KR", "viet nam": "VN", "united states of america": "US", "eswatini": "SZ", "north macedonia": "MK",
	"türkiye": "TR", "cabo verde": "CV", "uae": "AE", "republic of ireland": "IE",
}

// names are the known names of countries, folded, with their codes. A name that stands for
// two of them is left out.
var names = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, lang := range []display.Namer{display.English.Regions(), display.French.Regions(), display.German.Regions(), display.Spanish.Regions(),
		display.Italian.Regions(), display.Portuguese.Regions(), display.Dutch.Regions()} {
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				r, err := language.ParseRegion(string([]rune{a, b}))
				if err != nil || !r.IsCountry() || r.Canonicalize() != r {
					continue
				}
				key := fold(lang.Name(r))
				switch old, known := out[key]; {
				case key == "":
				case known && old != r.String():
					out[key] = ""
				default:
					out[key] = r.String()
				}
			}
		}
	}
	for name, code := range others {
		out[fold(name)] = code
	}
	return out
})
