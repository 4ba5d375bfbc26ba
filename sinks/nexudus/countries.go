package nexudus

import (
	"strings"

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
	key, code := ledger.FoldCountry(typed), ledger.CountryCode(typed)
	for _, c := range list {
		if code != "" && c.code == code {
			return c.id, true
		}
	}
	for _, c := range list {
		if key != "" && (ledger.FoldCountry(c.name) == key || code != "" && ledger.CountryCode(c.name) == code) {
			return c.id, true
		}
	}
	return "", false
}

// common is the form in which a country is compared: its ISO code, or else its name.
func common(typed string) string {
	if code := ledger.CountryCode(typed); code != "" {
		return code
	}
	return ledger.FoldCountry(typed)
}

// shown is the common form of one of the portal's countries.
func (c country) shown() string {
	if code := ledger.CountryCode(c.code); code != "" {
		return code
	}
	return common(c.name)
}
