package ledger

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"
)

// CountryName is the English name of a country by its two letters; "" when there is none.
func CountryName(code string) string {
	r, err := language.ParseRegion(code)
	if err != nil || !r.IsCountry() {
		return ""
	}
	return display.English.Regions().Name(r)
}

// FoldCountry brings the name of a country into the form in which names are compared.
func FoldCountry(s string) string {
	s = strings.ToLower(norm.NFC.String(s))
	s = strings.NewReplacer("’", "'", "&", " and ", ".", "").Replace(s)
	return strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "the ")
}

// CountryCode gives the two letters of a country (ISO 3166-1) that is named by an ISO code
// of two or three letters, or by a name in one of the usual languages; "" when it is not
// known. A profile keeps a country as it was typed; whoever needs a code asks here.
func CountryCode(typed string) string {
	key := FoldCountry(typed)
	if code, ok := countryNames()[key]; ok {
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

// otherCountries are names in use that the tables do not have.
var otherCountries = map[string]string{
	"czech republic": "CZ", "great britain": "GB", "holland": "NL", "ivory coast": "CI", "macau": "MO", "hong kong": "HK", "burma": "MM", "myanmar": "MM",
	"russian federation": "RU", "republic of korea": "KR", "viet nam": "VN", "united states of america": "US", "eswatini": "SZ", "north macedonia": "MK",
	"türkiye": "TR", "cabo verde": "CV", "uae": "AE", "republic of ireland": "IE",
}

// countryNames are the known names of countries, folded, with their codes. A name that stands for
// two of them is left out.
var countryNames = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, lang := range []display.Namer{display.English.Regions(), display.French.Regions(), display.German.Regions(), display.Spanish.Regions(),
		display.Italian.Regions(), display.Portuguese.Regions(), display.Dutch.Regions()} {
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				r, err := language.ParseRegion(string([]rune{a, b}))
				if err != nil || !r.IsCountry() || r.Canonicalize() != r {
					continue
				}
				key := FoldCountry(lang.Name(r))
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
	for name, code := range otherCountries {
		out[FoldCountry(name)] = code
	}
	return out
})
