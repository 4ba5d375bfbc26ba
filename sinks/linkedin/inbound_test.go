package linkedin

import (
	"errors"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

const us = `"preferredLocale":{"country":"US","language":"en"}`

// jane is a profile with a name, some variants, phones, websites and items.
func jane(t testing.TB) *ledger.Profile {
	t.Helper()
	p := state()
	set(t, p, "firstName", `"Jane"`)
	set(t, p, "firstName@fr_FR", `"Jeanne"`)
	set(t, p, "lastName", `"Smith"`)
	set(t, p, "headline@de_DE", `"Chefin"`)
	set(t, p, "picture", `"sha256:`+strings.Repeat("0a", 32)+`"`)
	set(t, p, ims, `{"bob":{"id":"bob","provider":"ICQ"}}`)
	add(t, p, "workExperiences", "w1", `{"jobTitle":"Cook","company":"Inn","company@fr_FR":"Auberge","startDate":"2019-05-17","isCurrent":true,"linkedin":{"company":"urn:li:organization:1"}}`)
	add(t, p, "workExperiences", "w2", `{"jobTitle":"Clerk","company":"Bank","startDate":"2001","endDate":"2002-03-04"}`)
	add(t, p, "projects", "p1", `{"name":"Vitae","description":"Ledger"}`)
	add(t, p, "patents", "t1", `{"title":"Wheel","issuer":"us","inventors":["Ann"]}`)
	return p
}

func uploaded(urn string) (string, error) {
	switch urn {
	case AssetPrefix + "one":
		return "sha256:01", nil
	case AssetPrefix + "two":
		return "sha256:02", nil
	case AssetPrefix + "broken":
		return "", errBroken
	}
	return "", ledger.ErrNotFound
}

var errBroken = errors.New("broken")

// TestTheSameRequestHasTheSameEdits: byte by byte, however the maps of a profile come out.
func TestTheSameRequestHasTheSameEdits(t *testing.T) {
	p := jane(t)
	for _, locale := range []string{"de_DE", "es_ES", "fr_FR", "it_IT", "nl_NL", "pt_PT"} {
		set(t, p, "headline@"+locale, `"x"`)
	}
	add(t, p, "workExperiences", "w3", `{"jobTitle":"Cook","company":"Inn","description@de_DE":"x","description@es_ES":"x","description@fr_FR":"x","description@it_IT":"x","description@nl_NL":"x","description":"x"}`)
	for name, make := range map[string]func() (sinks.Edits, error){
		"delete": func() (sinks.Edits, error) {
			return ParsePatch([]byte(`{"patch":{"$delete":["headline"]}}`), p, uploaded)
		},
		"replace": func() (sinks.Edits, error) {
			return ParsePatch([]byte(`{"patch":{"$set":{"headline":{"localized":{"en_US":"x"},`+us+`}}}}`), p, uploaded)
		},
		"member": func() (sinks.Edits, error) {
			return ParseItemPatch("positions", refFor("positions", "w3"), []byte(`{"patch":{"$delete":["description"]}}`), p)
		},
	} {
		first := ""
		for range 20 {
			edits, err := make()
			got := string(edits.Patch)
			for _, e := range edits.Items {
				got += string(e.Body)
			}
			if err != nil || first != "" && got != first || strings.Count(got, "@") < 5 {
				t.Fatalf("%s: %v\n%s\n%s", name, err, first, got)
			}
			first = got
		}
	}
	p.Shared["address"], p.Shared["city"], p.Shared["zzz"] = ledger.Cell{Value: ledger.Value("{")}, ledger.Cell{Value: ledger.Value("{")}, ledger.Cell{Value: ledger.Value("{")}
	for range 20 {
		if _, err := fromProfile(p); err == nil || !strings.HasPrefix(err.Error(), "address:") {
			t.Fatalf("%v", err)
		}
	}
}

// TestItemID: ids are stable, positive, and apart for items and sections.
func TestItemID(t *testing.T) {
	if got := ItemID("positions", "w1"); got != ItemID("positions", "w1") || got == ItemID("positions", "w2") || got == ItemID("skills", "w1") {
		t.Errorf("%d", got)
	}
	// The first 8 bytes of a SHA-256, without the top bit.
	if got := ItemID("skills", "abc"); got != 7960497002014168271 {
		t.Errorf("%d", got)
	}
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		if !isRef(refFor("skills", id)) {
			t.Errorf("%s is %s", id, refFor("skills", id))
		}
	}
}

// TestParsePatch says what patches of the main resource come to.
func TestParsePatch(t *testing.T) {
	item := func(id, rest string) string { return `{"id":"` + id + `",` + rest + `}` }
	w1 := item("w1", `"jobTitle":"Cook","company":"Inn","company@fr_FR":"Auberge","startDate":"2019-05-17","isCurrent":true,"linkedin":{"company":"urn:li:organization:1"}`)
	w2 := item("w2", `"jobTitle":"Clerk","company":"Bank","startDate":"2001","endDate":"2002-03-04"`)
	for name, c := range map[string][2]string{
		"all locales are replaced": {`{"$set":{"firstName":{"localized":{"en_US":"Joan","de_DE":"Johanna"},` + us + `}}}`,
			`{"firstName":"Joan","firstName@de_DE":"Johanna","firstName@fr_FR":null}`},
		"the preferred locale is the plain field": {`{"$set":{"firstName":{"localized":{"en_US":"Joan","fr_FR":"Jeannette"},"preferredLocale":{"country":"FR","language":"fr"}}}}`,
			`{"firstName":"Jeannette","firstName@en_US":"Joan","firstName@fr_FR":null}`},
		"without a preferred locale":     {`{"$set":{"firstName":{"localized":{"de_DE":"Johanna","en_US":"Joan"}}}}`, `{"firstName":"Joan","firstName@de_DE":"Johanna","firstName@fr_FR":null}`},
		"what is so already":             {`{"$set":{"firstName":{"localized":{"fr_FR":"Jeanne","en_US":"Jane"},` + us + `}}}`, ``},
		"an empty locale goes":           {`{"$set":{"firstName":{"localized":{"en_US":"Jane","fr_FR":""},` + us + `}}}`, `{"firstName":"Jane","firstName@fr_FR":null}`},
		"an empty text clears":           {`{"$set":{"headline":""}}`, `{"headline":null,"headline@de_DE":null}`},
		"no locale clears":               {`{"$set":{"headline":{"localized":{}}}}`, `{"headline":null,"headline@de_DE":null}`},
		"delete":                         {`{"$delete":["headline","birthDate","phoneNumbers","location"]}`, `{"headline":null,"headline@de_DE":null,"birthDate":null,"phones":[],"linkedin":{"location":{"countryCode":null,"postalCode":null,"standardizedLocationUrn":null}}}`},
		"deprecated fields are gone":     {`{"$delete":["associations","specialties","legacyHonors"]}`, ``},
		"an empty array clears":          {`{"$set":{"websites":[],"supportedLocales":[]}}`, `{"website":null,"portfolio":null,"websites":[],"linkedin":{"supportedLocales":null}}`},
		"Japanese is not the plain text": {`{"$set":{"phoneticFirstName":{"localized":{"ja_JP":"ジェーン"},"preferredLocale":{"country":"JP","language":"ja"}}}}`, `{"linkedin":{"phoneticFirstName":null,"phoneticFirstName@ja_JP":"ジェーン"}}`},
		"a rich text":                    {`{"$set":{"summary":{"localized":{"en_US":{"rawText":"Long"}},` + us + `}}}`, `{"summary":"Long"}`},
		"a date":                         {`{"$set":{"birthDate":{"day":1,"month":1,"year":1974}}}`, `{"birthDate":"1974-01-01"}`},
		"a group is replaced":            {`{"$set":{"location":{"countryCode":"us"}}}`, `{"linkedin":{"location":{"countryCode":"us","postalCode":null,"standardizedLocationUrn":null}}}`},
		"phones":                         {`{"$set":{"phoneNumbers":[{"number":"1","type":"HOME"},{"number":"2"}]}}`, `{"phones":[{"number":"1","type":"HOME"},{"number":"2"}]}`},
		"a personal link is website":     {`{"$set":{"websites":[{"category":"PERSONAL","url":{"localized":{"en_US":"http://a.example"}}}]}}`, `{"website":"http://a.example","portfolio":null,"websites":[]}`},
		"the second stays a link":        {`{"$set":{"websites":[{"category":"PERSONAL","url":{"localized":{"en_US":"http://a.example"}}},{"category":"PERSONAL","url":{"localized":{"en_US":"http://b.example"}}}]}}`, `{"website":"http://a.example","portfolio":null,"websites":[{"category":"PERSONAL","url":"http://b.example"}]}`},
		"a link in two locales":          {`{"$set":{"websites":[{"category":"PORTFOLIO","url":{"localized":{"en_US":"http://a.example","fr_FR":"http://b.example"}}}]}}`, `{"website":null,"portfolio":"http://a.example","websites":[{"category":"PORTFOLIO","url":"http://a.example","url@fr_FR":"http://b.example"}]}`},
		"the whole map of ims":           {`{"$set":{"ims":{"ann":{"id":"ann","provider":"QQ"}},"imsOrder":["ann"]}}`, `{"linkedin":{"ims":{"ann":{"id":"ann","provider":"QQ"}},"imsOrder":["ann"]}}`},
		"an order":                       {`{"$set":{"positionsOrder":[` + refFor("positions", "w2") + `,` + refFor("positions", "w1") + `]}}`, `{"workExperiences":[` + w2 + `,` + w1 + `]}`},
		"an order of some":               {`{"$set":{"positionsOrder":[` + refFor("positions", "w2") + `]}}`, `{"workExperiences":[` + w2 + `,` + w1 + `]}`},
		"an order is not deleted":        {`{"$delete":["positionsOrder"]}`, ``},
		"an empty order":                 {`{"$set":{"positionsOrder":[]}}`, ``},
		"the display image":              {`{"profilePicture":{"$set":{"originalImage":"` + AssetPrefix + `one","displayImage":"` + AssetPrefix + `two"}}}`, `{"picture":"sha256:02"}`},
		"the original image alone":       {`{"backgroundPicture":{"$set":{"originalImage":"` + AssetPrefix + `one"}}}`, `{"coverPicture":"sha256:01"}`},
		"a picture as it was shown":      {`{"backgroundPicture":{"$set":{"displayImage":"` + PictureURN("sha256:"+strings.Repeat("0a", 32)) + `"}}}`, `{"coverPicture":"sha256:` + strings.Repeat("0a", 32) + `"}`},
		"a picture is deleted":           {`{"$delete":["profilePicture"]}`, `{"picture":null}`},
		"set and delete of two fields":   {`{"$set":{"industryId":"urn:li:industry:47"},"$delete":["maidenName"]}`, `{"linkedin":{"industryId":"urn:li:industry:47"},"maidenName":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParsePatch([]byte(`{"patch":`+c[0]+`}`), jane(t), uploaded)
			if err != nil || len(e.Items) > 0 {
				t.Fatalf("%v, %v", e, err)
			}
			if c[1] == "" {
				if e.Patch != nil {
					t.Errorf("got %s", e.Patch)
				}
				return
			}
			same(t, "the native patch", e.Patch, c[1])
		})
	}
}

// TestParsePatchRefuses names every wrong field in LinkedIn's words.
func TestParsePatchRefuses(t *testing.T) {
	order := refFor("positions", "w1")
	for body, want := range map[string]string{
		`{"patch"`:                                `/patch invalid_json`,
		`{"patch":{"$set":{"a":1,"a":1}}}`:        `/patch/$set/a invalid_json`,
		"{\"patch\":{\"$set\":{\"a\":\"\xff\"}}}": `/patch/$set/a invalid_json`,
		`[]`:                                                                      ` invalid_json`,
		`{}`:                                                                      ` invalid_json`,
		`{"patch":{},"more":1}`:                                                   ` invalid_json`,
		`{"patch":{}}`:                                                            `/patch invalid_json`,
		`{"patch":{"$set":[]}}`:                                                   `/patch/$set invalid_json`,
		`{"patch":{"$set":{}}}`:                                                   `/patch/$set invalid_json`,
		`{"patch":{"$delete":{}}}`:                                                `/patch/$delete invalid_json`,
		`{"patch":{"$delete":[]}}`:                                                `/patch/$delete invalid_json`,
		`{"patch":{"$delete":[1]}}`:                                               `/patch/$delete/0 invalid_json`,
		`{"patch":{"firstName":{"$set":"x"}}}`:                                    `/patch/firstName invalid_json`,
		`{"patch":{"profilePicture":{}}}`:                                         `/patch/profilePicture invalid_json`,
		`{"patch":{"$set":{"profilePicture":{}}}}`:                                `/patch/$set/profilePicture unknown_field`,
		`{"patch":{"$set":{"shoeSize":1}}}`:                                       `/patch/$set/shoeSize unknown_field`,
		`{"patch":{"$set":{"positions":[]}}}`:                                     `/patch/$set/positions unknown_field`,
		`{"patch":{"$set":{"associations":"x"}}}`:                                 `/patch/$set/associations unknown_field`,
		`{"patch":{"$set":{"specialties":""}}}`:                                   `/patch/$set/specialties unknown_field`,
		`{"patch":{"$set":{"legacyHonors":{}}}}`:                                  `/patch/$set/legacyHonors unknown_field`,
		`{"patch":{"$delete":["shoeSize"]}}`:                                      `/patch/$delete/0 unknown_field`,
		`{"patch":{"$delete":["firstName"]}}`:                                     `/patch/$delete/0 not_clearable`,
		`{"patch":{"$delete":["vanityName"]}}`:                                    `/patch/$delete/0 not_clearable`,
		`{"patch":{"$set":{"lastName":""}}}`:                                      `/patch/$set/lastName not_clearable`,
		`{"patch":{"$set":{"headline":null}}}`:                                    `/patch/$set/headline wrong_type`,
		`{"patch":{"$set":{"headline":"Boss"}}}`:                                  `/patch/$set/headline wrong_type`,
		`{"patch":{"$set":{"headline":{"text":1}}}}`:                              `/patch/$set/headline/text unknown_field;/patch/$set/headline/localized required`,
		`{"patch":{"$delete":["headline","headline"]}}`:                           `/patch/$delete/1 duplicate`,
		`{"patch":{"$set":{"headline":""},"$delete":["headline"]}}`:               `/patch/$delete/0 duplicate`,
		`{"patch":{"$set":{"headline":{"localized":{"English":"x"}}}}}`:           `/patch/$set/headline/localized/English invalid_format`,
		`{"patch":{"$set":{"headline":{"localized":{"en_US":{"rawText":"x"}}}}}}`: `/patch/$set/headline/localized/en_US wrong_type`,
		`{"patch":{"$set":{"headline":{"localized":{"en_US":"x"},"preferredLocale":{"language":"fr"}}}}}`:                       `/patch/$set/headline/preferredLocale not_one_of`,
		`{"patch":{"$set":{"summary":{"localized":{"en_US":"x"}}}}}`:                                                            `/patch/$set/summary/localized/en_US wrong_type`,
		`{"patch":{"$set":{"summary":{"localized":{"en_US":{"text":"x"}}}}}}`:                                                   `/patch/$set/summary/localized/en_US/text unknown_field;/patch/$set/summary/localized/en_US/rawText required`,
		`{"patch":{"$set":{"birthDate":{"day":31,"month":2,"year":1974}}}}`:                                                     `/patch/$set/birthDate/day out_of_range`,
		`{"patch":{"$set":{"birthDate":{"month":13,"year":"1974"}}}}`:                                                           `/patch/$set/birthDate/year wrong_type;/patch/$set/birthDate/month out_of_range`,
		`{"patch":{"$set":{"birthDate":{"year":1974}}}}`:                                                                        `/patch/$set/birthDate required`,
		`{"patch":{"$set":{"birthDate":"1974-01-01"}}}`:                                                                         `/patch/$set/birthDate wrong_type`,
		`{"patch":{"$set":{"geoLocation":{"geo":null,"city":"x"}}}}`:                                                            `/patch/$set/geoLocation/geo wrong_type;/patch/$set/geoLocation/city unknown_field`,
		`{"patch":{"$set":{"phoneNumbers":[{"number":"1","type":"FAX"},2]}}}`:                                                   `/patch/$set/phoneNumbers/0/type not_one_of;/patch/$set/phoneNumbers/1 wrong_type`,
		`{"patch":{"$set":{"websites":[{"category":"HOME"}]}}}`:                                                                 `/patch/$set/websites/0/category not_one_of;/patch/$set/websites/0/url required`,
		`{"patch":{"$set":{"websites":[{"category":"BLOG","url":{"localized":{"en":"x"}},"label":{"localized":{"en":"x"}}}]}}}`: `/patch/$set/websites/0/label unknown_field`,
		`{"patch":{"$set":{"imsOrder":["ann"]}}}`:                                                                               `/patch/$set/imsOrder/0 unknown_item`,
		`{"patch":{"$set":{"supportedLocales":[{"country":"USA","language":"en"}]}}}`:                                           `/patch/$set/supportedLocales/0 invalid_format`,
		`{"patch":{"$set":{"positionsOrder":[1,` + order + `,` + order + `,"x"]}}}`:                                             `/patch/$set/positionsOrder/0 unknown_item;/patch/$set/positionsOrder/2 duplicate;/patch/$set/positionsOrder/3 unknown_item`,
		`{"patch":{"$set":{"skillsOrder":{"a":1}}}}`:                                                                            `/patch/$set/skillsOrder wrong_type`,
		`{"patch":{"profilePicture":{"$set":{"originalImage":"urn:li:x","displayImage":1,"third":""}}}}`:                        `/patch/profilePicture/$set/originalImage unknown_file;/patch/profilePicture/$set/displayImage wrong_type;/patch/profilePicture/$set/third unknown_field`,
		`{"patch":{"profilePicture":{"$set":{"displayImage":"` + AssetPrefix + `one"}},"$delete":["profilePicture"]}}`:          `/patch/$delete/0 duplicate`,
	} {
		e, err := ParsePatch([]byte(body), jane(t), uploaded)
		if got := wrongOf(t, err); got != want || e.Patch != nil {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
	if _, err := ParsePatch([]byte(`{"patch":{"profilePicture":{"$set":{"displayImage":"`+AssetPrefix+`broken"}}}}`), jane(t), uploaded); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
}

// wrongOf lists what a refusal names, as "pointer code".
func wrongOf(t testing.TB, err error) string {
	t.Helper()
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	var out []string
	for _, f := range refusal.Fields {
		out = append(out, f.Pointer+" "+f.Code)
	}
	return strings.Join(out, ";")
}

// TestParseCreate says what new entries come to.
func TestParseCreate(t *testing.T) {
	local := func(s string) string { return `{"localized":{"en_US":"` + s + `"},` + us + `}` }
	me := `{"memberId":"urn:li:person:ABCDEF"}`
	for name, c := range map[string][3]string{
		"a current position": {"positions", `{"title":` + local("Cook") + `,"companyName":` + local("Inn") + `,"company":"urn:li:organization:1","startMonthYear":{"month":3,"year":2015}}`,
			`{"jobTitle":"Cook","company":"Inn","linkedin":{"company":"urn:li:organization:1"},"startDate":"2015-03","isCurrent":true}`},
		"a position that ended": {"positions", `{"title":` + local("Cook") + `,"companyName":{"localized":{"en_US":"Inn","fr_FR":"Auberge"},` + us + `},"geoPositionLocation":{"displayLocationName":` + local("Oslo") + `},"endMonthYear":{"year":2016}}`,
			`{"jobTitle":"Cook","company":"Inn","company@fr_FR":"Auberge","location":"Oslo","endDate":"2016"}`},
		"an education": {"educations", `{"schoolName":` + local("MIT") + `,"fieldsOfStudy":[{"fieldOfStudyName":` + local("Law") + `}],"grade":{"grade":` + local("A") + `},"notes":{"localized":{"en_US":{"rawText":"Good"}}},"startMonthYear":{"year":1999}}`,
			`{"school":"MIT","field":"Law","grade":"A","description":"Good","startDate":"1999"}`},
		"a patent of the member alone": {"patents", `{"title":` + local("Wheel") + `,"issuer":` + local("us") + `,"pending":false,"number":` + local("12") + `,"issueDate":{"day":3,"month":2,"year":2001},"inventors":[` + me + `]}`,
			`{"title":"Wheel","issuer":"us","pending":false,"number":"12","issueDate":"2001-02-03"}`},
		"a publication of two": {"publications", `{"name":` + local("Book") + `,"authors":[` + me + `,{"name":{"localized":{"en_US":"Ann","de_DE":"Anna"},` + us + `}}]}`,
			`{"name":"Book","linkedin":{"authors":[{"memberId":"urn:li:person:ABCDEF"},{"name":"Ann","name@de_DE":"Anna"}]}}`},
		"a volunteering": {"volunteeringExperiences", `{"companyName":` + local("Ark") + `,"role":` + local("Noah") + `,"cause":"animalRights","singleDate":true}`,
			`{"organisation":"Ark","role":"Noah","cause":"animalRights","linkedin":{"singleDate":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParseCreate(c[0], []byte(c[1]), jane(t))
			if err != nil || e.Patch != nil || len(e.Items) != 1 || e.Items[0].Op != sinks.AddItem {
				t.Fatalf("%+v, %v", e, err)
			}
			same(t, "the item", e.Items[0].Body, c[2])
		})
	}
	for _, c := range [][3]string{
		{"skills", `{`, ` invalid_json`},
		{"skills", `[]`, ` invalid_json`},
		{"skills", `{}`, `/name required`},
		{"skills", `{"patch":{"$set":{}},"name":` + local("Go") + `}`, `/patch unknown_field`},
		{"skills", `{"name":null,"level":1}`, `/name wrong_type;/level unknown_field`},
		{"skills", `{"name":""}`, `/name not_clearable`},
		{"patents", `{"title":` + local("x") + `,"issuer":` + local("USA") + `,"number":{"localized":{"en_US":"1","fr_FR":"2"}}}`,
			`/issuer invalid_format;/number/localized too_many_items;/pending required;/inventors required`},
		{"projects", `{"title":` + local("x") + `,"members":[{"name":` + local("Ann") + `}]}`, `/members required;/description required`},
		{"projects", `{"title":` + local("x") + `,"members":[` + me + `,` + me + `,{},{"memberId":1}]}`, `/members/2 required;/members/3/memberId wrong_type;/members duplicate;/description required`},
		{"languages", `{"name":` + local("x") + `,"proficiency":"GOOD"}`, `/proficiency not_one_of`},
		{"educations", `{"fieldsOfStudy":[{},{}],"grade":"A","startMonthYear":{"month":2}}`, `/fieldsOfStudy too_many_items;/grade wrong_type;/startMonthYear/year required;/schoolName required`},
		{"educations", `{"fieldsOfStudy":[{"fieldOfStudy":1}],"startMonthYear":{"year":2000,"day":1}}`, `/fieldsOfStudy/0/fieldOfStudy unknown_field;/fieldsOfStudy/0/fieldOfStudyName required;/startMonthYear/month required;/schoolName required`},
	} {
		_, err := ParseCreate(c[0], []byte(c[1]), jane(t))
		if got := wrongOf(t, err); got != c[2] {
			t.Errorf("%s\ngot  %s\nwant %s", c[1], got, c[2])
		}
	}
	if _, err := ParseCreate("shoes", []byte(`{}`), jane(t)); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestParseItemPatch says what patches of entries come to.
func TestParseItemPatch(t *testing.T) {
	for name, c := range map[string][4]string{
		"a title":                         {"positions", "w1", `{"$set":{"title":{"localized":{"en_US":"Chef"}}}}`, `{"jobTitle":"Chef"}`},
		"all locales are replaced":        {"positions", "w1", `{"$set":{"companyName":{"localized":{"en_US":"Pub"}}}}`, `{"company":"Pub","company@fr_FR":null}`},
		"a day that is not shown stays":   {"positions", "w1", `{"$set":{"startMonthYear":{"month":5,"year":2019}}}`, ``},
		"another month":                   {"positions", "w1", `{"$set":{"startMonthYear":{"month":6,"year":2019}}}`, `{"startDate":"2019-06"}`},
		"an end makes it past":            {"positions", "w1", `{"$set":{"endMonthYear":{"year":2020}}}`, `{"endDate":"2020","isCurrent":null}`},
		"without an end it is current":    {"positions", "w2", `{"$delete":["endMonthYear"]}`, `{"endDate":null,"isCurrent":true}`},
		"an empty date clears":            {"positions", "w2", `{"$set":{"startMonthYear":{}}}`, `{"startDate":null}`},
		"LinkedIn's own":                  {"positions", "w1", `{"$delete":["company"]}`, `{"linkedin":{"company":null}}`},
		"its own id":                      {"positions", "w1", `{"$set":{"id":` + refFor("positions", "w1") + `}}`, ``},
		"the member alone":                {"projects", "p1", `{"$set":{"members":[{"memberId":"urn:li:person:ABCDEF"}]}}`, `{"linkedin":{"members":null}}`},
		"inventors as they are shown":     {"patents", "t1", `{"$set":{"inventors":[{"memberId":"urn:li:person:ABCDEF","name":{"localized":{"en_US":"Jane Smith","fr_FR":"Jeanne Smith"},` + us + `}},{"name":{"localized":{"en_US":"Ann"}}}]}}`, ``},
		"inventors replace all the names": {"patents", "t1", `{"$set":{"inventors":[{"memberId":"urn:li:person:ABCDEF"},{"memberId":"urn:li:person:X"}]}}`, `{"inventors":null,"linkedin":{"inventors":[{"memberId":"urn:li:person:ABCDEF"},{"memberId":"urn:li:person:X"}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParseItemPatch(c[0], refFor(c[0], c[1]), []byte(`{"patch":`+c[2]+`}`), jane(t))
			if err != nil {
				t.Fatal(err)
			}
			if c[3] == "" {
				if len(e.Items) > 0 {
					t.Errorf("got %s", e.Items[0].Body)
				}
				return
			}
			if len(e.Items) != 1 || e.Items[0].Op != sinks.PatchItem || e.Items[0].Item != c[1] || e.Items[0].Field != sectionOf(c[0]).from {
				t.Fatalf("%+v", e)
			}
			same(t, "the patch", e.Items[0].Body, c[3])
		})
	}
	for body, want := range map[string]string{
		`{"title":{}}`:                            ` invalid_json`,
		`{"patch":{"$set":{"id":1}}}`:             `/patch/$set/id invalid_format`,
		`{"patch":{"$delete":["title","shoes"]}}`: `/patch/$delete/0 not_clearable;/patch/$delete/1 unknown_field`,
		`{"patch":{"members":{"$set":{}}}}`:       `/patch/members invalid_json`,
		`{"patch":{"$set":{"title":null}}}`:       `/patch/$set/title wrong_type`,
	} {
		_, err := ParseItemPatch("projects", refFor("projects", "p1"), []byte(body), jane(t))
		if got := wrongOf(t, err); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
	for _, at := range [][2]string{{"shoes", "1"}, {"projects", "1"}, {"projects", "p1"}, {"positions", refFor("projects", "p1")}} {
		if _, err := ParseItemPatch(at[0], at[1], []byte(`{}`), jane(t)); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%v: %v", at, err)
		}
		if _, err := RemoveEntry(at[0], at[1], jane(t)); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%v: %v", at, err)
		}
	}
	if e, err := RemoveEntry("projects", refFor("projects", "p1"), jane(t)); err != nil || len(e.Items) != 1 || e.Items[0].Item != "p1" || e.Items[0].Op != sinks.RemoveItem {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestTold: what the native checks refuse is told in LinkedIn's names.
func TestTold(t *testing.T) {
	for _, c := range [][3]string{
		{"", "/firstName", "/patch/$set/firstName"},
		{"", "/firstName@fr_FR", "/patch/$set/firstName/localized/fr_FR"},
		{"", "/phones/1/number", "/patch/$set/phoneNumbers/1/number"},
		{"", "/website", "/patch/$set/websites"},
		{"", "/websites/0/url", "/patch/$set/websites"},
		{"", "/picture", "/patch/profilePicture/$set"},
		{"", "/educations/3", "/patch/$set/educationsOrder"},
		{"", "/linkedin/location/postalCode", "/patch/$set/location/postalCode"},
		{"", "/linkedin/ims/bob/provider", "/patch/$set/ims/bob/provider"},
		{"", "/linkedin/vanityName", "/patch/$set/vanityName"},
		{"", "", "/patch"},
		{"positions", "/jobTitle", "/title"},
		{"positions", "/company@fr_FR", "/companyName/localized/fr_FR"},
		{"positions", "/linkedin/company", "/company"},
		{"positions", "/location@fr_FR", "/geoPositionLocation"},
		{"positions", "/responsibilities/1", ""},
	} {
		err := Told(c[0], false, ledger.Refuse(c[1], ledger.CodeTooLong, "is too long"))
		if got := wrongOf(t, err); got != c[2]+" too_long" {
			t.Errorf("%s: %s", c[1], got)
		}
	}
	if got := wrongOf(t, Told("positions", true, ledger.Refuse("/jobTitle", ledger.CodeRequired, ""))); got != "/patch/$set/title required" {
		t.Error(got)
	}
	if err := Told("", true, errBroken); err != errBroken {
		t.Error(err)
	}
}

// TestPerson: a client reads what it can write.
func TestPerson(t *testing.T) {
	p := jane(t)
	b, err := Person(p, []string{"firstName", "profilePicture", "positions", "positionsOrder", "localizedHeadline", "shoes"})
	if err != nil {
		t.Fatal(err)
	}
	first, second := refFor("positions", "w1"), refFor("positions", "w2")
	same(t, "the person", b, `{"id":"ABCDEF","firstName":{"localized":{"en_US":"Jane","fr_FR":"Jeanne"},`+us+`},"localizedHeadline":"Chefin",
		"profilePicture":{"displayImage":"urn:li:digitalmediaAsset:sha256:`+strings.Repeat("0a", 32)+`"},"positionsOrder":[`+first+`,`+second+`],
		"positions":[{"id":`+first+`,"title":{"localized":{"en_US":"Cook"},`+us+`},"companyName":{"localized":{"en_US":"Inn","fr_FR":"Auberge"},`+us+`},
			"company":"urn:li:organization:1","startMonthYear":{"month":5,"year":2019}},
		{"id":`+second+`,"title":{"localized":{"en_US":"Clerk"},`+us+`},"companyName":{"localized":{"en_US":"Bank"},`+us+`},"startMonthYear":{"year":2001},"endMonthYear":{"month":3,"year":2002}}]}`)
	all, err := Person(full(t), nil)
	n, perr := ledger.ParseJSON(all)
	if err != nil || perr != nil {
		t.Fatal(err, perr)
	}
	for _, f := range fields {
		if _, ok := n.Member(f.name); !ok {
			t.Errorf("%s is not there", f.name)
		}
	}
	for i := range sections {
		if items, ok := listed(&sections[i], n); !ok || len(items) != 1 {
			t.Errorf("%s: %v, %v", sections[i].name, items, ok)
		}
	}
	delete(p.Connections, ledger.LinkedIn)
	if b, err = Person(p, []string{"id"}); err != nil || string(b) != `{"id":"`+p.ID.String()+`"}` {
		t.Errorf("%s, %v", b, err)
	}
}

// TestReadAndWrittenBack: to write back what was read changes nothing.
func TestReadAndWrittenBack(t *testing.T) {
	for _, p := range []*ledger.Profile{jane(t), full(t)} {
		b, err := Person(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ledger.ParseJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		patch := object()
		for _, m := range n.Members {
			if s := sectionOf(m.Name); s != nil {
				for _, entity := range m.Node.Elems {
					id, _ := entity.Member("id")
					e, err := ParseItemPatch(s.name, id.Text, setPatch(entity), p)
					if err != nil || len(e.Items) > 0 {
						t.Errorf("%s: %+v, %v", s.name, e, err)
					}
				}
			} else if fieldOf(m.Name) != nil {
				patch.Members = append(patch.Members, m)
			}
		}
		if e, err := ParsePatch(setPatch(patch), p, nil); err != nil || e.Patch != nil {
			t.Errorf("%s, %v", e.Patch, err)
		}
	}
}

// FuzzInbound: no request makes the readers fail otherwise than with a refusal, and what
// they make is JSON.
func FuzzInbound(f *testing.F) {
	f.Add([]byte(`{"patch":{"$set":{"firstName":{"localized":{"en_US":"J"},"preferredLocale":{"country":"US","language":"en"}}},"$delete":["headline"]}}`), uint8(0))
	f.Add([]byte(`{"patch":{"profilePicture":{"$set":{"originalImage":"urn:li:digitalmediaAsset:one"}}}}`), uint8(1))
	f.Add([]byte(`{"name":{"localized":{"en_US":"Book"}},"authors":[{"memberId":"urn:li:person:ABCDEF"}]}`), uint8(9))
	f.Add([]byte(`{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:profile-displayphoto-image"],"owner":"urn:li:person:ABCDEF","serviceRelationships":[]}}`), uint8(2))
	p := jane(f)
	f.Fuzz(func(t *testing.T, body []byte, pick uint8) {
		s := &sections[int(pick)%len(sections)]
		check := func(e sinks.Edits, err error) {
			var refusal *ledger.Refusal
			if err != nil && !errors.As(err, &refusal) && !errors.Is(err, ledger.ErrNotFound) && err != errBroken {
				t.Fatalf("%T", err)
			}
			for _, b := range append([][]byte{e.Patch}, bodies(e)...) {
				if _, err := ledger.ParseJSON(b); b != nil && err != nil {
					t.Fatalf("%v in %s", err, b)
				}
			}
			_ = Told("", true, err)
			_ = Told(s.name, true, err)
		}
		check(ParsePatch(body, p, uploaded))
		check(ParseCreate(s.name, body, p))
		for _, item := range p.Items(ledger.Base, s.from) {
			check(ParseItemPatch(s.name, refFor(s.name, item.ID), body, p))
		}
		_, err := ParseRegistration(body)
		check(sinks.Edits{}, err)
	})
}

func bodies(e sinks.Edits) (out [][]byte) {
	for _, it := range e.Items {
		out = append(out, it.Body)
	}
	return out
}
