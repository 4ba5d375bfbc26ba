package test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"vitae/test/harness"
)

// example is one request that a provider's documentation prints. Between two % signs stand
// the values that an example can only have from the answers before it.
type example struct {
	at      string // the page's section, and what it shows
	call    call
	answer  map[string]string // parts of the answer by their path, "" for all of it
	keep    map[string]string // names for parts of the answer, by their path
	profile map[string]string // parts of the profile then, as it is read natively
}

// member is the person of LinkedIn's examples, and ppAccount the account of PostPress's.
const (
	member    = "ABCDEF"
	ppAccount = "acc_linkedin_01HXYZ4QK3WJ8FN3M6QH7TZ8GR"
)

// TestDocumentedExamples: a client that sends what the five providers' pages print, with
// nothing changed but the base URL and the key, gets the documented answer, and the profile
// has the documented values. What is no JSON in print is mended, and what is a placeholder
// there has a value.
func TestDocumentedExamples(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "headline": "Boss", "maidenName": "Doe"})
	for provider, body := range map[string]map[string]any{"linkedin": {"account": member, "credential": harness.Token()}, "postpress": {"account": ppAccount, "credential": "pp_test_examples"}} {
		admin.Must(200, "PUT", harness.Profile(id, "/connections/"+provider), body)
	}
	own, _ := admin.NewKey(id, "client", "profile:read", "profile:write")
	all, _ := admin.NewKey("*", "client", "profile:read", "profile:write")
	kept := map[string]string{}
	for _, page := range []struct {
		name, header, prefix, key string
		examples                  []example
	}{
		{"Mokaru", "Authorization", "Bearer ", own, mokaruExamples()},
		{"PostPress", "X-API-KEY", "", own, postPressExamples(t)},
		{"LinkedIn", "Authorization", "Bearer ", own, linkedInExamples()},
		{"Nexudus", "Authorization", "Bearer ", own, nexudusExamples()},
		{"Jarvi", "X-API-KEY", "", all, jarviExamples()},
	} {
		for _, e := range page.examples {
			fill := func(text string) string {
				for name, v := range kept {
					text = strings.ReplaceAll(text, "%"+name+"%", v)
				}
				return text
			}
			t.Run(page.name+", "+e.at, func(t *testing.T) {
				body := e.call.body
				if text, is := body.(string); is {
					body = fill(text)
				}
				headers := append([]string{page.header, page.prefix + page.key, "Accept", "application/json"}, e.call.headers...)
				r := harness.NewClient(t, s.URL(), "").Must(e.call.status, e.call.method, fill(e.call.path), body, headers...)
				var got any
				if len(r.Body) > 0 {
					r.Into(t, &got)
				}
				same(t, "the answer", got, e.answer, fill)
				for name, path := range e.keep {
					v, err := json.Marshal(part(got, path))
					if err != nil || string(v) == "null" {
						t.Fatalf("there is no %s in %s", path, r.Body)
					}
					kept[name] = strings.Trim(string(v), `"`)
					if u, err := url.Parse(kept[name]); err == nil && u.Host != "" { // a path, under the client's base
						kept[name] = strings.ReplaceAll(u.RequestURI(), `\u0026`, "&")
					}
				}
				if e.profile == nil {
					return
				}
				whose := id
				if page.key == all {
					whose = kept["ulid"]
					if whose == "" {
						var list struct{ Data []struct{ ID string } }
						admin.Must(200, get, "/v1/profiles", nil).Into(t, &list)
						for _, p := range list.Data {
							if p.ID != id {
								whose, kept["ulid"] = p.ID, p.ID
							}
						}
					}
				}
				doc := map[string]any{}
				admin.Must(200, get, harness.Profile(whose), nil).Into(t, &doc)
				same(t, "the profile", doc["data"], e.profile, fill)
			})
		}
	}
	// A profile that Jarvi's dialect made has its account, and is delivered with a credential.
	admin.Must(200, "PUT", harness.Profile(kept["ulid"], "/connections/jarvi"), map[string]any{"credential": "jv-0123456789abcdef",
		"account": "Your id. Will merge with exisiting profile with same externalId"})
	// PostPress takes no entry without its start, which its own example leaves out: the
	// entry is kept, and parked there.
	if r := s.CLI("sink", "wait", "--timeout", "60s"); r.Code != 3 {
		t.Fatalf("sink wait: %v", r)
	}
	starts := 0
	for _, e := range admin.Must(200, get, "/v1/sinks/postpress/parked", nil).List(t) {
		if reason, _ := e["reason"].(string); strings.Contains(reason, "workExperiences[].startDate") {
			starts++
		}
	}
	if starts != 2 {
		t.Errorf("%d entries without a start are parked, want the two that were added", starts)
	}
}

// same compares the parts of a value that want names with the JSON that they shall be;
// "…" is anything but null.
func same(t *testing.T, what string, got any, want map[string]string, fill func(string) string) {
	t.Helper()
	for path, text := range want {
		is := part(got, path)
		if text == "…" {
			if is == nil {
				t.Errorf("%s has no %s: %v", what, path, got)
			}
			continue
		}
		var v any
		d := json.NewDecoder(strings.NewReader(fill(text)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if !reflect.DeepEqual(is, v) {
			t.Errorf("%s at %q is %v, want %s", what, path, is, text)
		}
	}
}

// part follows a path of names and places in lists.
func part(v any, path string) any {
	if path == "" {
		return v
	}
	for name := range strings.SplitSeq(path, "/") {
		switch c := v.(type) {
		case map[string]any:
			v = c[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(c) {
				return nil
			}
			v = c[i]
		default:
			return nil
		}
	}
	return v
}

// mokaruExamples are those of the Update Profile page and of the pages of its items.
func mokaruExamples() []example {
	edit := func(body string) call { return call{method: patch, path: "/v1/profile", body: body, status: 200} }
	done := map[string]string{"success": "true"}
	return []example{
		{"Body Parameters: every scalar", edit(`{"firstName":"Jane","lastName":"Smith","email":"jane@example.com","phone":"+1 555 0100","address":"1 Main St","country":"France",
			"province":"Bretagne","birthDate":"1990-01-15","driverLicense":"B","gender":"female","jobTitle":"Product Designer","summary":"Designs things.","sector":"Software","employer":"ACME",
			"linkedIn":"https://linkedin.com/in/jane","website":"https://jane.example","portfolio":"https://folio.example"}`), done, nil,
			map[string]string{"birthDate": `"1990-01-15"`, "employer": `"ACME"`, "driverLicense": `"B"`, "province": `"Bretagne"`}},
		{"Response: a LinkedIn user name becomes a full URL", edit(`{"linkedIn":"jane-smith"}`), done, nil, map[string]string{"linkedIn": `"https://linkedin.com/in/jane-smith"`}},
		{"Response: https:// is prepended", edit(`{"website":"janedoe.dev","portfolio":"folio.janedoe.dev"}`), done, nil,
			map[string]string{"website": `"https://janedoe.dev"`, "portfolio": `"https://folio.janedoe.dev"`}},
		{"Body Parameters: null clears", edit(`{"phone":null,"portfolio":null}`), done, nil, map[string]string{"phone": "null", "portfolio": "null", "website": `"https://janedoe.dev"`}},
		{"Collection fields: every one, with every member", edit(`{"summaries":[{"title":"Short","content":"Designs."}],
			"projects":[{"name":"P","description":"d","organisation":"o","startDate":"2020-01-01","endDate":"2021-02-02","isCurrent":false,"url":"https://p.example"}],
			"certificates":[{"name":"CKA","issuer":"CNCF","description":"d","issueDate":"2020-01-01","expiryDate":"2023-01-01","credentialId":"c1","verificationUrl":"https://v.example"}],
			"awards":[{"name":"A","organisation":"o","description":"d","date":"2020-01-01"}],"publications":[{"name":"Pub","publisher":"p","date":"2020-01-01","url":"https://u.example","description":"d"}],
			"interests":[{"name":"Chess","description":"d"}],"jobTitles":[{"title":"Designer"}]}`), done, nil,
			map[string]string{"summaries/0/title": `"Short"`, "projects/0/isCurrent": "false", "projects/0/url": `"https://p.example"`, "certificates/0/credentialId": `"c1"`, "awards/0/organisation": `"o"`,
				"publications/0/publisher": `"p"`, "interests/0/description": `"d"`, "jobTitles/0/title": `"Designer"`}},
		{"Collection fields: only what is required", edit(`{"summaries":[{"content":"Designs."}],"certificates":[{"name":"CKA","issuer":"CNCF"}],"awards":[{"name":"A"}],"publications":[{"name":"Pub"}],"interests":[{"name":"Chess"}]}`),
			done, nil, map[string]string{"summaries/0/content": `"Designs."`, "summaries/0/title": "null", "certificates/0/credentialId": "null", "projects/0/name": `"P"`}},
		{"Collection fields: call GET /v1/profile first", call{method: get, path: "/v1/profile", status: 200}, map[string]string{"data/projects/0/name": `"P"`}, map[string]string{"item": "data/projects/0"}, nil},
		{"Collection fields: then append, and send the full array back", edit(`{"projects":[%item%,{"name":"Q","description":"e"}]}`), done, nil,
			map[string]string{"projects/0/name": `"P"`, "projects/0/url": `"https://p.example"`, "projects/1/name": `"Q"`}},
		{"Collection fields: [] clears", edit(`{"interests":[]}`), done, nil, map[string]string{"interests": "[]", "awards/0/name": `"A"`}},
		{"Create experience: every member", call{method: post, path: "/v1/experiences", status: 201, body: `{"jobTitle":"Designer","company":"ACME","location":"Rennes","startDate":"2020-01-01","endDate":"2021-01-01",
			"isCurrent":false,"description":"d","responsibilities":["r"],"achievements":["a"]}`}, map[string]string{"success": "true", "id": "…"}, map[string]string{"experience": "id"},
			map[string]string{"workExperiences/0/responsibilities": `["r"]`}},
		{"Update experience: null clears", call{method: patch, path: "/v1/experiences/%experience%", status: 200, body: `{"location":null}`}, done, nil, map[string]string{"workExperiences/0/location": "null"}},
		{"List experiences", call{method: get, path: "/v1/experiences?limit=25&offset=0", status: 200}, map[string]string{"total": "1", "hasMore": "false", "limit": "25", "offset": "0", "data/0/company": `"ACME"`}, nil, nil},
		{"Create education", call{method: post, path: "/v1/education", status: 201, body: `{"school":"Rennes 2","degree":"MA","field":"Design","startDate":"2010-09-01","endDate":"2014-06-01","isCurrent":false,"description":"d"}`},
			map[string]string{"success": "true", "id": "…"}, map[string]string{"education": "id"}, map[string]string{"educations/0/field": `"Design"`}},
		{"Create skill", call{method: post, path: "/v1/skills", status: 201, body: `{"name":"Go","category":"Languages","level":"expert"}`}, map[string]string{"success": "true", "id": "…"}, nil,
			map[string]string{"skills/0/level": `"expert"`}},
		{"Create resume", call{method: post, path: "/v1/resume", status: 201, body: `{"name":"For ACME"}`}, map[string]string{"success": "true", "id": "…"}, nil, nil},
		{"List resumes", call{method: get, path: "/v1/resume", status: 200}, map[string]string{"total": "2", "hasMore": "false", "data/0/isDefault": "true", "data/0/name": "…"}, nil, nil},
		{"Delete experience", call{method: "DELETE", path: "/v1/experiences/%experience%", status: 200}, done, nil, map[string]string{"workExperiences": "[]"}},
		{"Delete education", call{method: "DELETE", path: "/v1/education/%education%", status: 200}, done, nil, map[string]string{"educations": "[]"}},
	}
}

// postPressExamples are those of the Edit own profile page, and of the pages that read.
func postPressExamples(t *testing.T) []example {
	t.Helper()
	curl, contentType := form(t, "type", "LINKEDIN", "account_id", ppAccount, "headline", "Building postpress", "summary", "Founder. Author. Builder.", "location[id]", "105015875",
		"picture", "@me", "picture_settings[filter]", "STUDIO", "picture_settings[layout][bottomLeft][x]", "1.25", "picture_settings[layout][bottomLeft][y]", "1.25",
		"experience[role]", "Founder", "experience[company]", "postpress", "experience[skills]", "development", "experience[skills]", "management")
	edited, effect := map[string]string{"": `{"object":"ProfileEdited"}`}, map[string]string{"headline": `"Building postpress"`, "summary": `"Founder. Author. Builder."`, "picture": "…",
		"postpress/location": `{"id":"105015875"}`, "postpress/pictureSettings": `{"filter":"STUDIO","layout":{"bottomLeft":{"x":1.25,"y":1.25}}}`,
		"workExperiences/0/jobTitle": `"Founder"`, "workExperiences/0/company": `"postpress"`, "workExperiences/0/postpress": `{"skills":["development","management"]}`}
	return []example{
		{"Example request: at /api/v1, as the command has it", call{patch, "/api/v1/users/me/edit", curl, []string{"Content-Type", contentType}, 200}, edited, nil, effect},
		{"Example request: at /v1, as the page's heading has it", call{patch, "/v1/users/me/edit", curl, []string{"Content-Type", contentType}, 200}, edited, nil, effect},
		{"Retrieve own profile", call{method: get, path: "/api/v1/users/me?account_id=" + ppAccount, status: 200},
			map[string]string{"object": `"AccountOwnerProfile"`, "headline": `"Building postpress"`, "first_name": `"Jane"`, "provider_id": "…"}, map[string]string{"user": "provider_id"}, nil},
		{"Retrieve a profile, with sections", call{method: get, path: "/api/v1/users/%user%?account_id=" + ppAccount + "&linkedin_sections=experience&linkedin_sections=skills", status: 200},
			map[string]string{"object": `"UserProfile"`, "summary": `"Founder. Author. Builder."`, "experience/0/role": `"Founder"`}, nil, nil},
	}
}

// linkedInExamples are those of the Profile Edit API page, and of its sub-resources.
func linkedInExamples() []example {
	main := func(body string) call { return restli(member, "", body, 200) }
	set := func(body string) call { return main(`{"patch":{"$set":` + body + `}}`) }
	done := map[string]string{"": "{}"}
	one := func(path, json string) map[string]string { return map[string]string{path: json} }
	text := func(s string) string { return local(strconv.Quote(s)) }
	register := func(recipe string) call {
		return call{method: post, path: "/v2/assets?action=registerUpload", status: 200,
			body: `{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:` + recipe + `"],"owner":"urn:li:person:` + member + `","serviceRelationships":[]}}`}
	}
	registered := map[string]string{"value/asset": "…", "value/mediaArtifact": "…", "value/uploadMechanism/com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest/headers": "{}"}
	places := func(name string) map[string]string {
		return map[string]string{name: "value/asset", name + " at": "value/uploadMechanism/com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest/uploadUrl"}
	}
	upload := func(method, name, content string) call {
		return call{method: method, path: "%" + name + " at%", body: []byte("\x89PNG\r\n\x1a\n" + content), headers: []string{"Content-Type", ""}, status: 201} // curl --upload-file says none
	}
	const contents = `["urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981719813)","urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981706752)"]`
	out := []example{
		{"How to perform a profile edit: FIELD and its values stand for one", set(`{"headline":` + text("Boss of all") + `}`), done, nil, one("headline", `"Boss of all"`)},
		{"How to perform a profile edit: the other languages are deleted that are not included", set(`{"firstName":{"localized":{"en_US":"Bob","fr_FR":"Robert"},` + enUS + `}}`), done, nil,
			map[string]string{"firstName": `"Bob"`, "firstName@fr_FR": `"Robert"`}},
		{"How to perform a profile edit: and are gone", set(`{"firstName":` + text("Bob") + `}`), done, nil, map[string]string{"firstName": `"Bob"`, "firstName@fr_FR": "null"}},
		{"How to perform a profile edit: delete fields", main(`{"patch":{"$delete":["headline","maidenName"]}}`), done, nil, map[string]string{"headline": "null", "maidenName": "null"}},
		{"Supported fields: those that are only there to be deleted", main(`{"patch":{"$delete":["associations","specialties","legacyHonors"]}}`), done, nil, one("firstName", `"Bob"`)},
		{"MultiLocaleString fields: address", set(`{"address":` + text("2029 Stierlin Ct, Mountain View, CA 94043") + `}`), done, nil, one("address", `"2029 Stierlin Ct, Mountain View, CA 94043"`)},
		{"How to perform a profile edit: an empty string deletes", set(`{"address":""}`), done, nil, one("address", "null")},
		{"MultiLocaleRichText fields: summary", set(`{"summary":{"localized":{"en_US":{"rawText":"Awesome summary of me."}},` + enUS + `}}`), done, nil, one("summary", `"Awesome summary of me."`)},
		{"Birth date", set(`{"birthDate":{"day":1,"month":1,"year":1974}}`), done, nil, one("birthDate", `"1974-01-01"`)},
		{"IMs", set(`{"ims":{"bobsmith-linkedin":{"id":"bobsmith-linkedin","provider":"GTalk"}}}`), done, nil, one("linkedin/ims", `{"bobsmith-linkedin":{"id":"bobsmith-linkedin","provider":"GTalk"}}`)},
		{"Industry ID", set(`{"industryId":"urn:li:industry:47"}`), done, nil, one("linkedin/industryId", `"urn:li:industry:47"`)},
		{"New location", set(`{"geoLocation":{"geo":"urn:li:geo:123456789"}}`), done, nil, one("linkedin/geoLocation", `{"geo":"urn:li:geo:123456789"}`)},
		{"Legacy location", set(`{"location":{"countryCode":"us","postalCode":"94101","standardizedLocationUrn":"urn:li:standardizedLocationKey:(us,94101)"}}`), done, nil,
			one("linkedin/location", `{"countryCode":"us","postalCode":"94101","standardizedLocationUrn":"urn:li:standardizedLocationKey:(us,94101)"}`)},
		{"Member rich contents, without the comma behind the last URN", set(`{"memberRichContents":` + contents + `}`), done, nil, one("linkedin/memberRichContents", contents)},
		{"Phone numbers", set(`{"phoneNumbers":[{"number":"123-444-5555","type":"WORK"},{"number":"(222) 333-4444","type":"HOME"}]}`), done, nil,
			map[string]string{"phone": `"123-444-5555"`, "phones/0/type": `"WORK"`, "phones/1/number": `"(222) 333-4444"`, "phones/1/type": `"HOME"`}},
		{"Selected contact interests", set(`{"selectedContactInterests":[{"predefinedInterest":"GRABBING_COFFEE"},{"predefinedInterest":"INVESTING"}]}`), done, nil,
			one("linkedin/selectedContactInterests", `[{"predefinedInterest":"GRABBING_COFFEE"},{"predefinedInterest":"INVESTING"}]`)},
		{"Supported locales", set(`{"supportedLocales":[{"country":"US","language":"en"}]}`), done, nil, one("linkedin/supportedLocales", `[{"country":"US","language":"en"}]`)},
		{"Vanity name", set(`{"vanityName":"bobsmith"}`), done, nil, one("linkedin/vanityName", `"bobsmith"`)},
		{"Volunteering interests", set(`{"volunteeringInterests":{"supportedPredefinedCauses":["humanitarianRelief","politics","socialServices"]}}`), done, nil,
			one("linkedin/volunteeringInterests/supportedPredefinedCauses", `["humanitarianRelief","politics","socialServices"]`)},
		{"Websites", set(`{"websites":[{"category":"OTHER","label":` + text("MY OTHER WEBSITE") + `,"url":` + text("http://www.linkedin-other.com") + `},{"category":"PERSONAL","url":` + text("http://www.linkedin-personal.com") + `}]}`),
			done, nil, map[string]string{"website": `"http://www.linkedin-personal.com"`, "websites/0/label": `"MY OTHER WEBSITE"`, "websites/0/url": `"http://www.linkedin-other.com"`, "websites/1": "null"}},
	}
	for _, p := range []struct{ section, field, native, original, display, method string }{
		{"Background picture", "backgroundPicture", "coverPicture", "profile-originalbackground-image", "profile-displaybackground-image", post},
		{"Profile picture", "profilePicture", "picture", "profile-originalphoto-image", "profile-displayphoto-image", "PUT"},
	} {
		out = append(out,
			example{p.section + ": register the original image", register(p.original), registered, places("original"), nil},
			example{p.section + ": register the display image", register(p.display), registered, places("display"), nil},
			example{p.section + ": upload the original image, with the method of the text", upload(p.method, "original", p.section), nil, nil, nil},
			example{p.section + ": upload the display image, with the command", upload("PUT", "display", p.section), nil, nil, nil},
			example{p.section + ": update the profile", main(`{"patch":{"` + p.field + `":{"$set":{"originalImage":"%original%","displayImage":"%display%"}}}}`), done, nil, one(p.native, "…")})
	}
	older := func(method, rest, body string, status int) call {
		return call{method: method, path: "/v2/people/id=" + member + rest, body: body, status: status}
	}
	entry := func(method string, body string, status int) call {
		return older(method, "/educations/%two%", body, status)
	}
	created := map[string]string{"id": "…"}
	out = append(out,
		example{"Educations: create", older(post, "/educations", `{"activities":`+text("Alpha Phi Omega")+`,"degreeName":`+text("Bachelor of Science (B.S.)")+`,"endMonthYear":{"year":2013},
			"fieldsOfStudy":[{"fieldOfStudyName":`+text("Computer Engineering")+`}],"grade":{"grade":`+text("3.9")+`},"notes":{"localized":{"en_US":{"rawText":"Graduated with Honors."}},`+enUS+`},
			"organization":"urn:li:organization:12345","schoolName":`+text("Santa Clara University")+`,"startMonthYear":{"year":2011}}`, 201), created, map[string]string{"one": "id"},
			map[string]string{"educations/0/school": `"Santa Clara University"`, "educations/0/grade": `"3.9"`, "educations/0/field": `"Computer Engineering"`, "educations/0/linkedin/organization": `"urn:li:organization:12345"`}},
		example{"Educations: create another", older(post, "/educations", `{"schoolName":`+text("MIT")+`}`, 201), created, map[string]string{"two": "id"}, one("educations/1/school", `"MIT"`)},
		example{"Complex objects order: the ids are those of the profile", set(`{"educationsOrder":[%two%,%one%]}`), done, nil,
			map[string]string{"educations/0/school": `"MIT"`, "educations/1/school": `"Santa Clara University"`}},
		example{"Profile API: the ids of educations", call{method: get, path: "/v2/me?fields=educations,educationsOrder", status: 200}, map[string]string{"educationsOrder": "[%two%,%one%]", "educations/0/id": "%two%"}, nil, nil},
		example{"Educations: partial update", entry(post, `{"patch":{"$set":{"degreeName":`+text("BSc")+`}}}`, 200), done, nil, one("educations/0/degree", `"BSc"`)},
		example{"Educations: delete fields", entry(post, `{"patch":{"$delete":["degreeName"]}}`, 200), done, nil, one("educations/0/degree", "null")},
		example{"Educations: delete", entry("DELETE", "", 200), done, nil, map[string]string{"educations/0/school": `"Santa Clara University"`, "educations/1": "null"}},
		example{"Positions: create", older(post, "/positions", `{"company":"urn:li:organization:0000","companyName":`+text("LinkedIn")+`,"description":{"localized":{"en_US":{"rawText":"Awesome developer manager!"}},`+enUS+`},
			"location":{"countryCode":"us","regionCode":84},"geoPositionLocation":{"displayLocationName":`+text("San Francisco Bay Area")+`},"locationName":`+text("San Francisco Bay Area")+`,
			"startMonthYear":{"month":1,"year":2014},"title":`+text("Engineering Manager")+`}`, 201), created, nil,
			map[string]string{"workExperiences/2/jobTitle": `"Engineering Manager"`, "workExperiences/2/company": `"LinkedIn"`, "workExperiences/2/startDate": `"2014-01"`, "workExperiences/2/isCurrent": "true",
				"workExperiences/2/location": `"San Francisco Bay Area"`, "workExperiences/2/linkedin": `{"company":"urn:li:organization:0000","location":{"countryCode":"us","regionCode":84},"locationName":"San Francisco Bay Area"}`}},
		example{"Projects: create, with the comma that is missing", older(post, "/projects", `{"singleDate":true,"description":{"localized":{"en_US":{"rawText":"Awesome platform!"}},`+enUS+`},"url":"http://www.developer.linkedin.com",
			"title":`+text("LinkedIn API Project")+`,"members":[{"memberId":"urn:li:person:`+member+`","name":`+text("test engineer")+`},{"memberId":"urn:li:person:456DEF","name":`+text("test engineer 2")+`}],
			"startMonthYear":{"year":2016,"month":1},"occupation":"urn:li:position:(urn:li:person:`+member+`,677616236)"}`, 201), created, nil,
			map[string]string{"projects/2/name": `"LinkedIn API Project"`, "projects/2/startDate": `"2016-01"`, "projects/2/linkedin/singleDate": "true", "projects/2/linkedin/members/1/memberId": `"urn:li:person:456DEF"`}},
		example{"Organizations: create", older(post, "/organizations", `{"description":{"localized":{"en_US":{"rawText":"Founder"}},`+enUS+`},"name":`+text("Super Organization")+`,
			"occupation":"urn:li:position:(urn:li:person:`+member+`,677616236)","position":`+text("Developer")+`,"startMonthYear":{"month":1,"year":2014}}`, 201), created, nil,
			map[string]string{"organizations/0/name": `"Super Organization"`, "organizations/0/position": `"Developer"`}},
	)
	return out
}

// nexudusExamples are those of the Update Profile page of the members' portal.
func nexudusExamples() []example {
	return []example{
		{"TypeScript integration", call{method: patch, path: "/api/public/coworker/profile", body: `{"FullName":"Jane Doe","Position":"Product Designer","ProfileIsPublic":true}`, status: 200},
			map[string]string{"": `{"WasSuccessful":true,"Value":null,"Status":200,"Message":null,"Errors":null}`}, nil,
			map[string]string{"displayName": `"Jane Doe"`, "firstName": `"Bob"`, "jobTitle": `"Product Designer"`, "nexudus/profileIsPublic": "true"}},
		{"Personal information: the example of a date of birth", call{method: patch, path: "/api/public/coworker/profile", body: `{"DateOfBirth":"1990-06-15"}`, status: 200},
			map[string]string{"WasSuccessful": "true"}, nil, map[string]string{"birthDate": `"1990-06-15"`, "displayName": `"Jane Doe"`}},
		{"Related: the full profile for editing", call{method: get, path: "/en/profile?_resource=Coworker", status: 200}, map[string]string{"FullName": `"Jane Doe"`, "Position": `"Product Designer"`, "ProfileIsPublic": "true"}, nil, nil},
		{"Countries", call{method: get, path: "/api/public/countries", status: 200}, map[string]string{"Countries/0/Id": "…", "Countries/0/Name": "…", "Countries/0/TwoDigitsCode": "…", "Countries/0/Culture": "…"},
			map[string]string{"country": "Countries/0/Id", "country's name": "Countries/0/Name"}, nil},
		{"Personal information: CountryId is one of those", call{method: patch, path: "/api/public/coworker/profile", body: `{"CountryId":%country%}`, status: 200}, map[string]string{"WasSuccessful": "true"}, nil,
			map[string]string{"country": `"%country's name%"`}},
	}
}

// jarviExamples are those of the Profiles page. Of the request, the two ids and the files are
// only hinted at there.
func jarviExamples() []example {
	request := func(id string) call {
		return call{method: post, path: "/v1/public-api/rest/v2/profiles", status: 201, body: `{
  "projectId": "713a8005-e54d-4ee3-b6a4-89b27167dde6",
  "firstName": "Quentin",
  "lastName": "Decré",
  "emailAddresses": "quentin@jarvi.tech, quentin@decre.tech",
  "phoneNumbers": "+33752626164,0240493773",
  "linkedinUrl": "https://www.linkedin.com/in/quentindecre/",
  "historyEntrySubject": "Interview notes",
  "historyEntryMessage": "The message of the historyentry you want to show in the profile’s Jarvi history",
  "resumesFiles": [
    {
      "fileName": "cv.pdf",
      "data": "data:@file/pdf;base64,JVBERi0AABTLAAAAAAA="
    }
  ],
  "files": [
    {
      "fileName": "motivation.docx",
      "data": "data:@file/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBBQAABTLAAAAAAA="
    }
  ],
  "externalId": "Your id. Will merge with exisiting profile with same externalId",` + id + `
  "location": "Rennes, France",
  "headline": "Co-Founder Jarvi",
  "currentCompanyName": "Jarvi",
  "currentCompanyId": "Jarvi",
  "currentPosition": "Co-founder",
  "0b538428-7652-4243-baaf-3867803d7007": "My custom field value for this profile",
  "historyEntryType": "2788baea-1119-46d9-8e60-af9d6a1268e1"
}`}
	}
	saved := map[string]string{"message": `"Profile saved successfully"`, "taskId": "…", "profileId": "…"}
	effect := map[string]string{"firstName": `"Quentin"`, "lastName": `"Decré"`, "email": `"quentin@jarvi.tech"`, "jarvi/emailAddresses": `["quentin@decre.tech"]`, "phone": `"+33752626164"`, "phones/1/number": `"0240493773"`,
		"linkedIn": `"https://www.linkedin.com/in/quentindecre/"`, "city": `"Rennes"`, "country": `"France"`, "headline": `"Co-Founder Jarvi"`, "employer": `"Jarvi"`, "jobTitle": `"Co-founder"`,
		"jarvi/projectId": `"713a8005-e54d-4ee3-b6a4-89b27167dde6"`, "jarvi/currentCompanyId": `"Jarvi"`, "jarvi/custom": `{"0b538428-7652-4243-baaf-3867803d7007":"My custom field value for this profile"}`}
	again := map[string]string{"message": saved["message"], "profileId": `"%person%"`, "taskId": "…"}
	return []example{
		{"Creates or updates a profile: without id, the first time", request(""), saved, map[string]string{"person": "profileId"}, effect},
		{"Creates or updates a profile: the same externalId merges", request(""), again, nil, effect},
		{"Creates or updates a profile: with id, it merges", request("\n  \"id\": \"%person%\","), again, nil, effect},
		{"Retrieve profiles, by externalId", call{method: get, path: "/v1/public-api/rest/v2/profiles?where=" + url.QueryEscape(`{"externalId":{"_eq":"Your id. Will merge with exisiting profile with same externalId"}}`), status: 200},
			map[string]string{"total": "1", "data/0/id": `"%person%"`, "data/0/firstName": `"Quentin"`, "data/0/headline": `"Co-Founder Jarvi"`}, nil, nil},
	}
}
