package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// linkedinSamples are the bodies that the Profile Edit page shows.
var linkedinSamples = map[string]string{
	"address":                  `{"localized":{"en_US":"2029 Stierlin Ct, Mountain View, CA 94043"},"preferredLocale":{"country":"US","language":"en"}}`,
	"summary":                  `{"localized":{"en_US":{"rawText":"Awesome summary of me."}},"preferredLocale":{"country":"US","language":"en"}}`,
	"birthDate":                `{"day":1,"month":1,"year":1974}`,
	"ims":                      `{"bobsmith-linkedin":{"id":"bobsmith-linkedin","provider":"GTalk"}}`,
	"industryId":               `"urn:li:industry:47"`,
	"geoLocation":              `{"geo":"urn:li:geo:123456789"}`,
	"location":                 `{"countryCode":"us","postalCode":"94101","standardizedLocationUrn":"urn:li:standardizedLocationKey:(us,94101)"}`,
	"memberRichContents":       `["urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981719813)","urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981706752)"]`,
	"phoneNumbers":             `[{"number":"123-444-5555","type":"WORK"},{"number":"(222) 333-4444","type":"HOME"}]`,
	"selectedContactInterests": `[{"predefinedInterest":"GRABBING_COFFEE"},{"predefinedInterest":"INVESTING"}]`,
	"supportedLocales":         `[{"country":"US","language":"en"}]`,
	"vanityName":               `"bobsmith"`,
	"volunteeringInterests":    `{"supportedPredefinedCauses":["humanitarianRelief","politics","socialServices"]}`,
	"websites": `[{"category":"OTHER","label":{"localized":{"en_US":"MY OTHER WEBSITE"},"preferredLocale":{"country":"US","language":"en"}},
		"url":{"localized":{"en_US":"http://www.linkedin-other.com"},"preferredLocale":{"country":"US","language":"en"}}},
		{"category":"PERSONAL","url":{"localized":{"en_US":"http://www.linkedin-personal.com"},"preferredLocale":{"country":"US","language":"en"}}}]`,
}

func TestLinkedInSamplesOfThePageReadBack(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for name, value := range linkedinSamples {
		a := p.edit(fmt.Sprintf(`{"patch":{"$set":{%q:%s}}}`, name, value))
		if p.want(a, http.StatusOK); a.body != "" {
			t.Errorf("%s: answered with %s", name, a.body)
		}
	}
	for name, value := range linkedinSamples {
		p.reads(name, value)
	}
	if got := p.kept(); got.Patches != len(linkedinSamples) || got.Writes != len(linkedinSamples) {
		t.Errorf("%d patches, %d writes", got.Patches, got.Writes)
	}
}

func TestLinkedInProfileOutlivesTheServer(t *testing.T) {
	m := &memory{}
	p := startLinkedIn(t, Options{Store: m})
	for name, value := range linkedinSamples {
		p.set(fmt.Sprintf(`{%q:%s}`, name, value))
	}
	id := p.create("skills", `{"name":`+english("Go")+`}`)
	p.set(`{"skillsOrder":[` + id + `]}`)
	before := p.call("GET", p.path(""), "").body
	again := startLinkedIn(t, Options{Store: m})
	if after := again.call("GET", again.path(""), "").body; after != before {
		t.Errorf("before %s after %s", before, after)
	}
	// The same values again change nothing: numbers are the same after a replay.
	for name, value := range linkedinSamples {
		again.set(fmt.Sprintf(`{%q:%s}`, name, value))
	}
	if got := again.kept(); got.Writes != len(linkedinSamples)+2 || got.Patches != 2*len(linkedinSamples)+1 || got.Creates != 1 {
		t.Errorf("%+v", got)
	}
	again.id = "SOMEBODY"
	again.want(again.call("GET", again.path(""), ""), http.StatusNotFound)
}

func TestLinkedInWrongValues(t *testing.T) {
	p := startLinkedIn(t, Options{})
	locale := `,"preferredLocale":{"country":"US","language":"en"}}`
	for _, fields := range []string{
		`"headline":null`, `"headline":"text"`, `"headline":{}`, `"headline":[]`, `"headline":{"localized":{}}`,
		`"headline":{"localized":{"en_US":""}}`, `"headline":{"localized":{"en_US":null}}`, `"headline":{"localized":{"EN":"x"}}`,
		`"headline":{"localized":{"en-US":"x"}}`, `"headline":{"localized":{"en_us":"x"}}`, `"headline":{"localized":{"en_US_":"x"}}`,
		`"headline":{"preferredLocale":{"language":"en"}}`, `"headline":{"localized":{"fr_FR":"x"}` + locale,
		`"headline":{"localized":{"en":"x"}` + locale, `"headline":{"localized":{"en_US":"x"},"preferredLocale":{"language":"en"}}`,
		`"headline":{"localized":{"en_US":"x"},"preferredLocale":{"country":"us","language":"en"}}`,
		`"headline":{"localized":{"en_US":"x"},"preferredLocale":{"country":"US"}}`,
		`"headline":{"localized":{"en_US":"x"},"preferredLocale":"en_US"}`, `"headline":{"localized":{"en_US":{"rawText":"x"}}}`,
		`"summary":{"localized":{"en_US":"x"}}`, `"summary":{"localized":{"en_US":{}}}`, `"summary":{"localized":{"en_US":{"rawText":""}}}`,
		`"firstName":""`, `"lastName":""`, `"vanityName":""`, `"firstName":null`,
		`"vanityName":"ab"`, `"vanityName":"bob-smith"`, `"vanityName":"bob smith"`, `"vanityName":"bobsmíth"`, `"vanityName":7`,
		`"birthDate":{"day":30,"month":2,"year":1974}`, `"birthDate":{"day":29,"month":2,"year":1975}`, `"birthDate":{"month":1,"year":1974}`,
		`"birthDate":{"day":1,"month":1}`, `"birthDate":{"day":1,"month":13,"year":1974}`, `"birthDate":{"day":1.0,"month":1,"year":1974}`,
		`"birthDate":{"day":"1","month":1,"year":1974}`, `"birthDate":{}`, `"birthDate":""`, `"birthDate":"1974-01-01"`,
		`"ims":{"a":{"id":"b","provider":"SKYPE"}}`, `"ims":{"a":{"id":"a","provider":"IRC"}}`, `"ims":{"a":{"id":"a"}}`, `"ims":{}`, `"ims":[]`,
		`"industryId":47`, `"industryId":"urn:li:geo:47"`, `"geoLocation":{}`, `"geoLocation":{"geo":"123"}`, `"geoLocation":""`,
		`"location":{"countryCode":"US"}`, `"location":{"postalCode":"94101"}`, `"location":{"countryCode":"us","standardizedLocationUrn":"x"}`,
		`"phoneNumbers":{}`, `"phoneNumbers":""`, `"phoneNumbers":[{"number":"1"}]`, `"phoneNumbers":[{"number":"1","type":"work"}]`,
		`"phoneNumbers":[{"number":"","type":"WORK"}]`, `"phoneNumbers":["1"]`,
		`"websites":[{"category":"HOMEPAGE","url":` + english("http://a") + `}]`, `"websites":[{"category":"BLOG"}]`,
		`"websites":[{"category":"BLOG","url":"http://a"}]`, `"websites":[{"url":` + english("http://a") + `}]`,
		`"websites":[{"category":"BLOG","label":` + english("x") + `,"url":` + english("http://a") + `}]`,
		`"websites":[{"category":"OTHER","label":"x","url":` + english("http://a") + `}]`,
		`"supportedLocales":[{"country":"US"}]`, `"supportedLocales":["en_US"]`, `"selectedContactInterests":["INVESTING"]`,
		`"selectedContactInterests":[{"predefinedInterest":"investing"}]`, `"volunteeringInterests":{"supportedPredefinedCauses":["peace"]}`,
		`"volunteeringInterests":{}`, `"memberRichContents":["urn:li:person:a"]`, `"skillsOrder":["1"]`, `"skillsOrder":[1.5]`, `"skillsOrder":[0]`,
		`"skillsOrder":[1]`, `"imsOrder":["nobody"]`, `"associations":` + english("x"), `"associations":""`, `"specialties":` + english("x"),
		`"legacyHonors":` + englishRich("x"), `"phoneticFirstName":` + english("bob"),
	} {
		if a := p.edit(`{"patch":{"$set":{` + fields + `}}}`); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", fields, a.status, a.body)
		}
	}
	if got := p.kept(); len(got.Profile) != 0 || got.Writes != 0 || got.Patches != 0 {
		t.Errorf("refused and kept: %+v", got)
	}
}

func TestLinkedInMalformedBodies(t *testing.T) {
	p := startLinkedIn(t, Options{})
	headline := `"headline":` + english("x")
	for _, body := range []string{
		``, `{`, `[]`, `null`, `{}`, `{"patch":null}`, `{"patch":{}}`, `{"patch":[]}`, `{` + headline + `}`, `{"$set":{` + headline + `}}`,
		`{"patch":{` + headline + `}}`, `{"patch":{"$set":{}}}`, `{"patch":{"$set":[]}}`, `{"patch":{"$delete":[]}}`, `{"patch":{"$delete":"summary"}}`,
		`{"patch":{"$delete":[1]}}`, `{"patch":{"$delete":["summary","summary"]}}`, `{"patch":{"$delete":["nickname"]}}`,
		`{"patch":{"$delete":["positions"]}}`, `{"patch":{"$set":{` + headline + `},"$delete":["summary"]}}`,
		`{"patch":{"$set":{` + headline + `}},"x":1}`, `{"patch":{"$set":{"nickname":"x"}}}`, `{"patch":{"$set":{"id":"x"}}}`,
		`{"patch":{"$set":{"positions":[]}}}`, `{"patch":{"$set":{"localizedHeadline":"x"}}}`, `{"patch":{"headline":{"$set":` + english("x") + `}}}`,
		`{"patch":{"$set":{"headline":{"localized":{"en_US":"x"},"locale":"en"}}}}`, `{"patch":{"$set":{"birthDate":{"day":1,"month":1,"year":1,"era":1}}}}`,
		`{"patch":{"$set":{` + headline + `,` + headline + `}}}`, `{"patch":{"$put":{` + headline + `}}}`,
		`{"patch":{"profilePicture":{"$set":[]}}}`, `{"patch":{"profilePicture":{"$delete":["displayImage"]}}}`, `{"patch":{"profilePicture":{"displayImage":"x"}}}`,
		// A name that nobody has counts more than a wrong value.
		`{"patch":{"$set":{"nickname":"x","headline":7}}}`,
	} {
		if a := p.edit(body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestLinkedInClearing(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for name, value := range linkedinSamples {
		p.set(fmt.Sprintf(`{%q:%s}`, name, value))
	}
	for name := range linkedinSamples {
		empty := map[linkedinEmpty]string{linkedinByText: `""`, linkedinByList: `[]`}[linkedinBasics[name].empty]
		body := fmt.Sprintf(`{"patch":{"$set":{%q:%s}}}`, name, empty)
		if empty == "" {
			body = fmt.Sprintf(`{"patch":{"$delete":[%q]}}`, name)
		}
		if name == "vanityName" {
			p.want(p.edit(body), http.StatusUnprocessableEntity)
			continue
		}
		p.want(p.edit(body), http.StatusOK)
		p.reads(name, "")
	}
	p.set(`{"volunteeringInterests":{"supportedPredefinedCauses":["politics"]}}`)
	p.set(`{"volunteeringInterests":{"supportedPredefinedCauses":[]}}`)
	p.reads("volunteeringInterests", "")
	p.want(p.edit(`{"patch":{"$delete":["associations","specialties","legacyHonors","profilePicture","skillsOrder"]}}`), http.StatusOK)
}

func TestLinkedInDeletingAMandatoryFieldIs422(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.set(`{"firstName":` + english("Bob") + `,"headline":` + english("Smith") + `}`)
	for _, name := range []string{"firstName", "lastName", "vanityName"} {
		p.want(p.edit(`{"patch":{"$delete":["headline",`+quote(name)+`]}}`), http.StatusUnprocessableEntity)
	}
	p.reads("headline", english("Smith"))
}

func TestLinkedInLocales(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for _, value := range []string{
		`{"localized":{"en":"x"}}`, `{"localized":{"en":"x"},"preferredLocale":{"language":"en"}}`,
		`{"localized":{"de_DE":"x","en_US_WIN":"y"},"preferredLocale":{"country":"US","language":"en"}}`,
	} {
		p.set(`{"headline":` + value + `}`)
		p.reads("headline", value)
	}
	p.set(`{"phoneticFirstName":{"localized":{"ja_JP":"タロウ"}}}`)
	p.set(`{"supportedLocales":[{"country":"JP","language":"ja"}],"phoneticLastName":` + english("x") + `}`)
}

func TestLinkedInOrderPutsTheNamedFirst(t *testing.T) {
	p := startLinkedIn(t, Options{})
	var ids []string
	for i := range 4 {
		ids = append(ids, p.create("educations", `{"schoolName":`+english(fmt.Sprint("school ", i))+`}`))
	}
	if got := p.ids("educations"); !slices.Equal(got, ids) {
		t.Errorf("without an order: %q", got)
	}
	p.set(`{"educationsOrder":[` + ids[3] + `,` + ids[1] + `]}`)
	if got, want := p.ids("educations"), []string{ids[3], ids[1], ids[0], ids[2]}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	p.want(p.edit(`{"patch":{"$set":{"educationsOrder":[`+ids[0]+`,`+ids[0]+`]}}}`), http.StatusUnprocessableEntity)
	p.want(p.call("DELETE", p.path("/educations/"+ids[3]), ""), http.StatusNoContent)
	p.reads("educationsOrder", `[`+ids[1]+`]`)
	p.set(`{"educationsOrder":[]}`)
	if got, want := p.ids("educations"), ids[:3]; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestLinkedInOrderOfIMs(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.set(`{"ims":{"bob":{"id":"bob","provider":"SKYPE"},"7":{"id":"7","provider":"ICQ"}}}`)
	p.set(`{"imsOrder":[7,"bob"]}`)
	p.set(`{"ims":{"bob":{"id":"bob","provider":"SKYPE"}}}`)
	p.reads("imsOrder", `["bob"]`)
	p.want(p.edit(`{"patch":{"$set":{"imsOrder":[7]}}}`), http.StatusUnprocessableEntity)
	p.want(p.edit(`{"patch":{"$delete":["ims"]}}`), http.StatusOK)
	p.reads("imsOrder", "")
}
