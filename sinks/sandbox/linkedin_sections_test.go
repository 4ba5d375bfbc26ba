package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// linkedinEntities are an entity of each section with all of its fields, for the person
// ABCDEF.
var linkedinEntities = map[string]string{
	"certifications": `{"name":` + english("CKA") + `,"authority":` + english("CNCF") + `,"licenseNumber":` + english("7") + `,"company":"urn:li:organization:7",
		"startMonthYear":{"month":1,"year":2014},"endMonthYear":{"year":2016},"url":"https://cncf.io"}`,
	"courses": `{"name":` + english("Logic") + `,"number":"L 101","occupation":"urn:li:position:(urn:li:person:ABCDEF,660879450)"}`,
	"educations": `{"schoolName":` + english("Santa Clara University") + `,"organization":"urn:li:organization:12345","school":"urn:li:school:1",
		"degreeName":` + english("B.S.") + `,"fieldsOfStudy":[{"fieldOfStudyName":` + english("Computer Engineering") + `}],"grade":{"grade":` + english("3.9") + `},
		"notes":` + englishRich("Honors.") + `,"activities":` + english("Alpha") + `,"program":"urn:li:program:1","startMonthYear":{"year":2011},"endMonthYear":{"year":2013},
		"memberRichContents":["urn:li:memberRichContent:(urn:li:person:ABCDEF,1)"]}`,
	"honors": `{"title":` + english("Prize") + `,"issuer":` + english("City") + `,"issueDate":{"month":2,"year":2016},"description":` + englishRich("x") + `,
		"occupation":"urn:li:company:1"}`,
	"languages": `{"name":` + english("French") + `,"proficiency":"NATIVE_OR_BILINGUAL"}`,
	"organizations": `{"name":` + english("ACM") + `,"position":` + english("Chair") + `,"description":` + englishRich("x") + `,
		"startMonthYear":{"month":1,"year":2014},"endMonthYear":{"month":1,"year":2015},"occupation":"urn:li:school:4"}`,
	"patents": `{"title":` + english("Engine") + `,"issuer":` + english("us") + `,"pending":false,
		"inventors":[{"memberId":"urn:li:person:456ABC"},{"memberId":"urn:li:person:ABCDEF","name":` + english("Bob") + `},{"name":` + english("Eve") + `}],
		"number":` + english("12345") + `,"issueDate":{"day":2,"month":2,"year":2016},"description":` + englishRich("x") + `,"url":"http://a"}`,
	"positions": `{"company":"urn:li:organization:1","companyName":` + english("LinkedIn") + `,"title":` + english("Manager") + `,"description":` + englishRich("x") + `,
		"startMonthYear":{"month":1,"year":2014},"endMonthYear":{"month":1,"year":2016},"geoPositionLocation":{"displayLocationName":` + english("Bay Area") + `},
		"location":{"countryCode":"us","regionCode":84},"locationName":` + english("Bay Area") + `,"memberRichContents":["urn:li:memberRichContent:(urn:li:person:ABCDEF,1)"]}`,
	"projects": `{"title":` + english("Bridge") + `,"members":[{"memberId":"urn:li:person:ABCDEF"}],"description":` + englishRich("x") + `,
		"startMonthYear":{"month":1,"year":2014},"endMonthYear":{"month":1,"year":2015},"singleDate":false,"occupation":"urn:li:company:1","url":"http://a"}`,
	"publications": `{"name":` + english("Paper") + `,"authors":[{"memberId":"urn:li:person:ABCDEF"}],"publisher":` + english("P") + `,
		"date":{"day":29,"month":2,"year":2016},"description":` + englishRich("API!") + `,"url":"http://a"}`,
	"skills": `{"name":` + english("Go") + `}`,
	"testScores": `{"name":` + english("SAT") + `,"score":"2400","date":{"month":3,"year":2013},"description":` + englishRich("Perfect Score!") + `,
		"occupation":"urn:li:position:(urn:li:person:ABCDEF,660879450)"}`,
	"volunteeringExperiences": `{"companyName":` + english("Red Cross") + `,"role":` + english("Driver") + `,"company":"urn:li:company:1","cause":"health",
		"description":` + englishRich("x") + `,"startMonthYear":{"month":1,"year":2014},"endMonthYear":{"month":1,"year":2015},"singleDate":true}`,
}

// linkedinField is an entity with another value of one field; without, if the value is empty.
func linkedinField(t *testing.T, entity, field, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(entity), &m); err != nil {
		t.Fatal(err)
	}
	if m[field] = json.RawMessage(value); value == "" {
		delete(m, field)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLinkedInSectionsCreateUpdateDelete(t *testing.T) {
	p := startLinkedIn(t, Options{})
	if len(linkedinEntities) != 13 || len(linkedinSections) != 13 {
		t.Fatal("not thirteen sections")
	}
	for section, entity := range linkedinEntities {
		id := p.create(section, entity)
		p.reads(section, `[`+linkedinField(t, entity, "id", id)+`]`)
		one := p.path("/" + section + "/" + id)
		// Every field that the table has is in the entity, and can be set again.
		for field, m := range linkedinSections[section] {
			var members map[string]json.RawMessage
			_ = json.Unmarshal([]byte(entity), &members)
			if members[field] == nil {
				if section != "patents" {
					t.Errorf("%s has no %s", section, field)
				}
				continue
			}
			p.want(p.call("POST", one, `{"patch":{"$set":{`+quote(field)+`:`+string(members[field])+`}}}`), http.StatusOK)
			a := p.call("POST", one, `{"patch":{"$delete":[`+quote(field)+`]}}`)
			if m.required {
				p.want(a, http.StatusUnprocessableEntity)
				p.want(p.call("POST", p.path("/"+section), linkedinField(t, entity, field, "")), http.StatusUnprocessableEntity)
				p.want(p.call("POST", one, `{"patch":{"$set":{`+quote(field)+`:""}}}`), http.StatusUnprocessableEntity)
			} else {
				p.want(a, http.StatusOK)
			}
		}
		p.want(p.call("DELETE", one, ""), http.StatusNoContent)
		p.want(p.call("DELETE", one, ""), http.StatusNotFound)
		p.want(p.call("POST", one, `{"patch":{"$delete":["name"]}}`), http.StatusNotFound)
		p.reads(section, "")
	}
	if got := p.kept(); got.Creates != 13 || got.Deletes != 13 || got.Updates == 0 || got.Patches != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLinkedInRequiredMembersOfSections(t *testing.T) {
	for section, want := range map[string]string{
		"skills": "name", "honors": "title", "languages": "name", "patents": "inventors issuer pending title",
		"projects": "members title", "publications": "authors name", "volunteeringExperiences": "companyName role",
		"positions": "", "educations": "", "certifications": "", "courses": "", "organizations": "", "testScores": "",
	} {
		for field, m := range linkedinSections[section] {
			if in := strings.Contains(" "+want+" ", " "+field+" "); in != m.required {
				t.Errorf("%s.%s: %v", section, field, m.required)
			}
		}
	}
}

func TestLinkedInWrongEntities(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for _, c := range []struct{ section, field, value string }{
		{"positions", "startMonthYear", `{"day":1,"month":1,"year":2014}`}, {"positions", "endMonthYear", `{}`},
		{"positions", "endMonthYear", `null`}, {"positions", "endMonthYear", `{"month":0,"year":0}`}, {"positions", "endMonthYear", `{"month":1}`},
		{"positions", "endMonthYear", `""`}, {"positions", "endMonthYear", `"2016-01"`}, {"positions", "title", `"Manager"`},
		{"positions", "geoPositionLocation", `{}`}, {"positions", "location", `{"regionCode":84}`}, {"positions", "company", `"LinkedIn"`},
		{"positions", "description", english("x")}, {"positions", "location", `{"countryCode":"us","regionCode":"84"}`},
		{"educations", "startMonthYear", `{"month":1,"year":2011}`}, {"educations", "endMonthYear", `{"day":1,"month":1,"year":2011}`},
		{"educations", "grade", `"3.9"`}, {"educations", "fieldsOfStudy", `["x"]`},
		{"educations", "fieldsOfStudy", `[{}]`}, {"certifications", "startMonthYear", `{"day":1,"month":1,"year":2014}`},
		{"certifications", "url", english("http://a")}, {"honors", "issueDate", `{"day":1,"month":1,"year":2014}`},
		{"organizations", "endMonthYear", `{"day":1,"month":1,"year":2014}`}, {"projects", "startMonthYear", `{"day":1,"month":1,"year":2014}`},
		{"volunteeringExperiences", "startMonthYear", `{"day":1,"month":1,"year":2014}`}, {"volunteeringExperiences", "cause", `"peace"`},
		{"volunteeringExperiences", "singleDate", `"true"`}, {"languages", "proficiency", `"FLUENT"`}, {"testScores", "score", `2400`},
		{"testScores", "date", `{"day":1,"month":3,"year":2013}`}, {"publications", "date", `{"day":30,"month":2,"year":2016}`},
		{"publications", "date", `{"day":1,"year":2016}`}, {"publications", "authors", `[]`}, {"publications", "authors", `["urn:li:person:ABCDEF"]`},
		{"patents", "issuer", english("US")}, {"patents", "pending", `"false"`}, {"patents", "filingDate", `{"year":2016}`},
		{"patents", "number", `"12345"`}, {"patents", "applicationNumber", english("1")}, {"courses", "number", `101`}, {"courses", "occupation", `"x"`},
		{"skills", "name", `""`}, {"skills", "name", `{"localized":{}}`}, {"positions", "title", `""`},
	} {
		a := p.call("POST", p.path("/"+c.section), linkedinField(t, linkedinEntities[c.section], c.field, c.value))
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s.%s %s: %d %s", c.section, c.field, c.value, a.status, a.body)
		}
	}
	p.want(p.call("POST", p.path("/positions"), `{}`), http.StatusUnprocessableEntity)
	for _, body := range []string{``, `[]`, `{"name":{"en_US":"x"}}`, `{"name":` + english("x") + `,"id":1}`, `{"name":` + english("x") + `,"level":1}`,
		`{"name":` + english("x") + `,"name":` + english("x") + `}`} {
		p.want(p.call("POST", p.path("/skills"), body), http.StatusBadRequest)
	}
	if got := p.kept(); len(got.Profile) != 0 || got.Creates != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLinkedInOwnURNAmongTheContributors(t *testing.T) {
	p := startLinkedIn(t, Options{})
	others := `[{"memberId":"urn:li:person:456ABC"},{"name":` + english("Eve") + `}]`
	for section, field := range map[string]string{"patents": "inventors", "projects": "members", "publications": "authors"} {
		p.want(p.call("POST", p.path("/"+section), linkedinField(t, linkedinEntities[section], field, others)), http.StatusUnprocessableEntity)
		one := p.path("/" + section + "/" + p.create(section, linkedinEntities[section]))
		p.want(p.call("POST", one, `{"patch":{"$set":{`+quote(field)+`:`+others+`}}}`), http.StatusUnprocessableEntity)
		p.want(p.call("POST", one, `{"patch":{"$set":{`+quote(field)+`:[]}}}`), http.StatusUnprocessableEntity)
	}
}

func TestLinkedInPatentBecomesPending(t *testing.T) {
	p := startLinkedIn(t, Options{})
	id := p.create("patents", linkedinEntities["patents"])
	one := p.path("/patents/" + id)
	p.want(p.call("POST", one, `{"patch":{"$set":{"filingDate":{"day":2,"month":2,"year":2016}}}}`), http.StatusUnprocessableEntity)
	p.want(p.call("POST", one, `{"patch":{"$set":{"issueDate":{"year":2016},"pending":true}}}`), http.StatusUnprocessableEntity)
	p.want(p.call("POST", one, `{"patch":{"$set":{"filingDate":{"day":2,"month":2,"year":2016},"issueDate":{},"pending":true}}}`), http.StatusOK)
	shown := p.read("")["patents"].([]any)[0].(map[string]any)
	if shown["filingDate"] == nil || shown["issueDate"] != nil || shown["number"] != nil || shown["pending"] != true {
		t.Errorf("%v", shown)
	}
	p.want(p.call("POST", one, `{"patch":{"$set":{"pending":false}}}`), http.StatusOK)
	shown = p.read("")["patents"].([]any)[0].(map[string]any)
	if shown["filingDate"] != nil || shown["issueDate"] != nil || shown["number"] == nil {
		t.Errorf("%v", shown)
	}
}

func TestLinkedInPlaceOfAPositionIsInTheSupportedLocales(t *testing.T) {
	p := startLinkedIn(t, Options{})
	french := `{"geoPositionLocation":{"displayLocationName":{"localized":{"fr_FR":"Paris"}}}}`
	id := p.create("positions", french) // nothing is said of locales yet
	p.set(`{"supportedLocales":[{"country":"US","language":"en"}]}`)
	p.want(p.call("POST", p.path("/positions"), french), http.StatusUnprocessableEntity)
	p.want(p.call("POST", p.path("/positions/"+id), `{"patch":{"$set":`+french+`}}`), http.StatusUnprocessableEntity)
	p.want(p.call("POST", p.path("/positions/"+id), `{"patch":{"$set":{"title":`+english("x")+`}}}`), http.StatusOK)
	p.set(`{"supportedLocales":[{"country":"US","language":"en"},{"country":"FR","language":"fr"}]}`)
	p.create("positions", french)
}

func TestLinkedInSameEntityTwiceIsTwoEntities(t *testing.T) {
	p := startLinkedIn(t, Options{})
	first, second := p.create("skills", linkedinEntities["skills"]), p.create("skills", linkedinEntities["skills"])
	if got := p.ids("skills"); len(got) != 2 || first == second || got[0] != first || got[1] != second {
		t.Errorf("%q of %q and %q", got, first, second)
	}
}

func TestLinkedInUpdatesOfUnknownFields(t *testing.T) {
	p := startLinkedIn(t, Options{})
	one := p.path("/skills/" + p.create("skills", linkedinEntities["skills"]))
	for _, body := range []string{`{"patch":{"$set":{"level":1}}}`, `{"patch":{"$set":{"id":1}}}`, `{"patch":{"$delete":["level"]}}`,
		`{"patch":{"$delete":["id"]}}`, `{"patch":{}}`, `[]`, `{"patch":{"profilePicture":{"$set":{}}}}`} {
		p.want(p.call("POST", one, body), http.StatusBadRequest)
	}
	p.want(p.call("POST", p.path("/courses"), linkedinEntities["courses"]), http.StatusCreated)
	id := p.ids("courses")[0]
	p.want(p.call("POST", p.path("/courses/"+id), `{"patch":{"$set":{"number":""}}}`), http.StatusOK)
	p.reads("courses", `[`+linkedinField(t, linkedinField(t, linkedinEntities["courses"], "number", ""), "id", id)+`]`)
	bare := linkedinField(t, linkedinEntities["educations"], "memberRichContents", `[]`)
	p.want(p.call("POST", p.path("/educations"), bare), http.StatusCreated)
	education := p.read("")["educations"].([]any)[0].(map[string]any)
	if _, there := education["memberRichContents"]; there {
		t.Errorf("%v", education)
	}
}
