package nexudus

import (
	"strconv"
	"testing"
	"vitae/ledger"
)

const portalCountries = `{"Countries":[{"Id":1,"Name":"United Kingdom","TwoDigitsCode":"GB","Culture":"en-GB"},{"Id":1220,"Name":"France","TwoDigitsCode":"fr"},` +
	`{"Id":7,"Name":"Ivory Coast"},{"Id":8,"Name":"Narnia","TwoDigitsCode":null},{"Id":"9","Name":"Text"},{"Id":1.5,"Name":"Part"},{"Name":"Nothing"},{"Id":10},` +
	`{"Id":11,"Name":"Bosnia & Herzegovina","TwoDigitsCode":"BA"}]}`

func TestResolve(t *testing.T) {
	list, ok := parseCountries([]byte(portalCountries))
	if !ok || len(list) != 5 {
		t.Fatalf("%v %+v", ok, list)
	}
	for typed, want := range map[string]string{
		"GB": "1", "gb": "1", "UK": "1", "GBR": "1", "United Kingdom": "1", " united  kingdom ": "1", "The United Kingdom": "1", "U.K.": "1", "Royaume-Uni": "1", "Great Britain": "1",
		"France": "1220", "FRANCE": "1220", "Frankreich": "1220", "Francia": "1220", "CI": "7", "Côte d'Ivoire": "7", "ivory coast": "7", "Narnia": "8",
		"Bosnia and Herzegovina": "11", "": "", "1": "", "1220": "", "Atlantis": "", "Germany": "", "XX": "", "ZZ": "", "Text": "", "Part": "",
	} {
		if id, ok := resolve(list, typed); id != want || ok != (want != "") {
			t.Errorf("%q is %q", typed, id)
		}
		// What a read shows is compared with what was typed.
		for _, c := range list {
			if c.id == want && c.shown() != common(typed) {
				t.Errorf("%q is compared as %q, and read as %q", typed, common(typed), c.shown())
			}
		}
	}
	for _, body := range []string{``, `<html>`, `{}`, `[]`, `{"Countries":[]}`, `{"Countries":{}}`, `{"Countries":[{"Id":"GB","Name":"x"}]}`} {
		if list, ok := parseCountries([]byte(body)); ok {
			t.Errorf("%s: %+v", body, list)
		}
	}
}

// FuzzCountries: whatever the list holds, what is found in it is a whole number.
func FuzzCountries(f *testing.F) {
	f.Add([]byte(portalCountries), "France")
	f.Add([]byte(`[{"Id":-1,"Name":"x"},{"Id":1e3,"Name":"y"}]`), "x")
	f.Add([]byte(`{"Countries":[null,[],{"Id":1,"Name":{"a":"b"}}]}`), "é")
	f.Fuzz(func(t *testing.T, body []byte, typed string) {
		list, ok := parseCountries(body)
		if ok != (len(list) > 0) {
			t.Fatal("a list of nothing")
		}
		if id, ok := resolve(list, typed); ok {
			if _, err := strconv.ParseUint(id, 10, 64); err != nil {
				t.Fatalf("%q", id)
			}
		}
		if code := ledger.CountryCode(typed); code != "" && len(code) != 2 {
			t.Fatalf("%q is %q", typed, code)
		}
	})
}
