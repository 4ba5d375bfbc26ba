package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// jarviClient is one workspace with a key.
type jarviClient struct {
	*rig
	key string
}

func startJarvi(t *testing.T, o Options) jarviClient {
	t.Helper()
	return jarviClient{start(t, o), "a-private-key-of-tests"}
}

// call makes a request to the profiles; more is pairs of header names and values.
func (p jarviClient) call(method, query, body string, more ...string) answer {
	p.Helper()
	header := append([]string{"X-API-KEY", p.key, "Content-Type", "application/json"}, more...)
	return p.do(method, "/jarvi/v1/public-api/rest/v2/profiles"+query, body, header...)
}

// want requires a status, and the form of errors.
func (p jarviClient) want(a answer, status int) {
	p.Helper()
	if a.status != status {
		p.Fatalf("%d, not %d: %s", a.status, status, a.body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		p.Fatal(err)
	}
	if text, _ := v["message"].(string); status >= 400 && (len(v) != 1 || text == "") {
		p.Fatalf("%s", a.body)
	}
}

var jarviUUIDv4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// save posts a profile and gives its id.
func (p jarviClient) save(body string) string {
	p.Helper()
	a := p.call("POST", "", body)
	p.want(a, http.StatusCreated)
	var v map[string]string
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v) != 3 || v["message"] != "Profile saved successfully" ||
		!jarviUUIDv4.MatchString(v["taskId"]) || !jarviUUIDv4.MatchString(v["profileId"]) || v["taskId"] == v["profileId"] {
		p.Fatalf("%v: %s", err, a.body)
	}
	return v["profileId"]
}

// find gives the rows of a query of pairs of names and values, and the total.
func (p jarviClient) find(pairs ...string) (rows []map[string]any, total int) {
	p.Helper()
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	var v struct {
		Data  []map[string]any
		Total int
	}
	p.decode(p.call("GET", "?"+query.Encode(), ""), &v)
	return v.Data, v.Total
}

// names are the first names of the rows for a where.
func (p jarviClient) names(where string, more ...string) string {
	p.Helper()
	rows, _ := p.find(append([]string{"where", where}, more...)...)
	names := []string{}
	for _, row := range rows {
		name, _ := row["firstName"].(string)
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// kept is what the control surface says of the key.
func (p jarviClient) kept() (v Account) {
	p.Helper()
	p.decode(p.do("GET", "/_sandbox/jarvi/account", "", "X-API-KEY", p.key), &v)
	return v
}

// profile is a profile as it is kept.
func (p jarviClient) profile(id string) map[string]any {
	p.Helper()
	profile, _ := p.kept().Profile[id].(map[string]any)
	return profile
}

const (
	jarviCustom = "2788baea-1119-46d9-8e60-af9d6a1268e1"
	jarviType   = "713a8005-e54d-4ee3-b6a4-89b27167dde6"
)

// jarviFile is a list of one file.
func jarviFile(name, data string) string {
	return `[{"fileName":` + quote(name) + `,"data":` + quote("data:@file/pdf;base64,"+base64.StdEncoding.EncodeToString([]byte(data))) + `}]`
}

func TestJarviEveryFieldIsTaken(t *testing.T) {
	c := newClock()
	p := startJarvi(t, Options{Clock: c.now})
	id := p.save(`{"projectId":"713a8005-e54d-4ee3-b6a4-89b27167dde6","firstName":"Quentin","lastName":"Decré","emailAddresses":"quentin@jarvi.tech, q@decre.tech",
		"phoneNumbers":"+33 7 52,0240493773","linkedinUrl":"https://www.linkedin.com/in/quentindecre/","historyEntrySubject":"Interview notes",
		"historyEntryMessage":"The message","historyEntryType":"` + jarviType + `","resumesFiles":` + jarviFile("cv.pdf", "%PDF-") + `,
		"files":` + jarviFile("motivation.docx", "PK") + `,"externalId":"e-1","location":"Rennes, France","headline":"Co-Founder Jarvi",
		"currentCompanyName":"Jarvi","currentCompanyId":"Jarvi","currentPosition":"Co-founder","` + strings.ToUpper(jarviCustom) + `":"true"}`)
	rows, total := p.find()
	if len(rows) != 1 || total != 1 {
		t.Fatalf("%v", rows)
	}
	row := rows[0]
	for name, want := range map[string]any{"id": id, "firstName": "Quentin", "firstNameManual": "Quentin", "firstNameParsed": nil, "lastName": "Decré",
		"lastNameManual": "Decré", "lastNameParsed": nil, "headline": "Co-Founder Jarvi", "externalId": "e-1", "externalIdSource": "api",
		"parsedLocationId": nil, "linkedinId": nil, "publicIdentifier": "quentindecre", "profileUrl": "https://www.linkedin.com/in/quentindecre/",
		"preferredEmailAddress": "quentin@jarvi.tech", "isTalent": false, "isContact": false, "source": "api", "statusId": nil, "groupId": nil,
		"createdAt": "2026-03-01T12:00:00.000Z", "createdByUserId": nil, "deletedAt": nil, "locationId": row["manualLocationId"],
		"searchString": "quentin decré co-founder jarvi quentin@jarvi.tech q@decre.tech"} {
		if got, there := row[name]; got != want || !there {
			t.Errorf("%s is %v", name, got)
		}
	}
	phones, _ := json.Marshal(row["phoneNumbers"])
	if string(phones) != `[{"canonicalNumber":"+33752","number":"+33 7 52"},{"canonicalNumber":"0240493773","number":"0240493773"}]` ||
		!jarviUUIDv4.MatchString(row["locationId"].(string)) || len(row) != 27 {
		t.Errorf("%d %s %v", len(row), phones, row)
	}
	kept := p.profile(id)
	if kept[jarviCustom] != "true" || kept["currentPosition"] != "Co-founder" || kept["currentCompanyId"] != "Jarvi" || kept["projectId"] != jarviType {
		t.Errorf("%v", kept)
	}
	if got := p.kept().Counts; !maps.Equal(got, map[string]int{"profiles": 1, "history": 1, "files": 2}) {
		t.Errorf("%v", got)
	}
	p.save(`{}`)
	rows, _ = p.find()
	if row := rows[1]; len(row) != 27 || row["firstName"] != nil || row["locationId"] != nil || row["externalIdSource"] != nil || row["searchString"] != "" {
		t.Errorf("%v", rows[1])
	}
}

func TestJarviRefusesWhatIsAgainstTheRules(t *testing.T) {
	p := startJarvi(t, Options{})
	ok := base64.StdEncoding.EncodeToString([]byte("file"))
	file := func(member string) string { return `{"files":[{"fileName":"a",` + member + `}]}` }
	for _, body := range []string{
		``, `[]`, `{"firstName":null}`, `{"firstName":7}`, `{"firstName":true}`, `{"firstname":"x"}`, `{"first":"x"}`, `{"firstName":"a","firstName":"b"}`,
		`{"emailAddresses":["a@b.example"]}`, `{"emailAddresses":""}`, `{"emailAddresses":"a@b.example,"}`, `{"emailAddresses":"\"Doe, J\" <a@b.example>"}`,
		`{"phoneNumbers":["1"]}`, `{"phoneNumbers":"1,,2"}`, `{"phoneNumbers":"none"}`, `{"linkedinUrl":"janedoe"}`, `{"linkedinUrl":"ftp://x.example"}`,
		`{"projectId":"x"}`, `{"id":"x"}`, `{"id":7}`, `{"externalId":""}`, `{"externalId":null}`, `{"historyEntryType":"note"}`, `{"historyEntrySubject":["x"]}`,
		`{"` + jarviCustom + `":true}`, `{"` + jarviCustom + `":["a","b"]}`, `{"` + jarviCustom + `":"a","` + strings.ToUpper(jarviCustom) + `":"b"}`,
		`{"customFieldsValues":{"` + jarviCustom + `":"x"}}`, `{"files":{}}`, `{"files":["x"]}`, `{"files":[{"fileName":"a"}]}`, `{"files":[{"data":"data:@file/pdf;base64,` + ok + `"}]}`,
		file(`"data":"data:application/pdf;base64,` + ok + `"`), file(`"data":"` + ok + `"`), file(`"data":"data:@file/pdf;base64,"`), file(`"data":"data:@file/pdf;base64,Zg"`),
		file(`"data":"data:@file/pdf;base64,Zh=="`), file(`"data":"data:@file/pdf;base64,Zg==\n"`), file(`"data":"data:@file/;base64,` + ok + `"`),
		file(`"data":"data:@file/pdf,` + ok + `"`), file(`"data":"data:@file/pdf;base64,` + ok + `","size":1`), `{"resumesFiles":"x"}`,
	} {
		p.want(p.call("POST", "", body), http.StatusBadRequest)
	}
	p.want(p.call("POST", "?x=1", `{}`), http.StatusBadRequest)
	p.want(p.call("POST", "", `{}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	p.want(p.call("PATCH", "", `{}`), http.StatusMethodNotAllowed)
	p.want(p.call("POST", "/x", `{}`), http.StatusNotFound)
	if got := p.kept(); got.Counts["profiles"] != 0 || got.Creates != 0 {
		t.Errorf("%+v", got)
	}
	p.want(p.call("POST", "", file(`"data":"data:@file/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,`+ok+`"`)), http.StatusCreated)
	p.want(p.call("POST", "", `{"files":[],"headline":"","`+jarviCustom+`":""}`), http.StatusCreated)
}

func TestJarviFilesGrowByAThirdInBase64(t *testing.T) {
	p := startJarvi(t, Options{})
	p.want(p.call("POST", "", `{"files":`+jarviFile("a", strings.Repeat("x", 3_300_000))+`}`), http.StatusCreated)
	p.want(p.call("POST", "", `{"files":`+jarviFile("a", strings.Repeat("x", 3_400_000))+`}`), http.StatusRequestEntityTooLarge)
	for _, v := range p.kept().Profile {
		if b, _ := json.Marshal(v); len(b) > 1000 || !strings.Contains(string(b), `"bytes":3300000`) {
			t.Errorf("kept in %d bytes", len(b))
		}
	}
}

func TestJarviKeys(t *testing.T) {
	p := startJarvi(t, Options{})
	for _, key := range []string{"", "15-characters-x", "sixteen characters"} {
		p.want(jarviClient{p.rig, key}.call("POST", "", `{}`), http.StatusUnauthorized)
	}
	p.save(`{"externalId":"e"}`)
	other := jarviClient{p.rig, "16-characters-xx"}
	if _, n := other.find(); n != 0 {
		t.Errorf("%d profiles of another key", n)
	}
	p.control("POST", "/jarvi/revoke", `{"account":"`+p.kept().Account+`"}`)
	p.want(p.call("GET", "", ""), http.StatusUnauthorized)
	other.save(`{"externalId":"e"}`)
}

func TestJarviMerges(t *testing.T) {
	m := &memory{}
	p := startJarvi(t, Options{Store: m})
	one := p.save(`{"externalId":"e-1","firstName":"A","headline":"h","emailAddresses":"a@b.example"}`)
	two := p.save(`{"externalId":"e-2","firstName":"B"}`)
	bare := p.save(`{"firstName":"C"}`)
	same := func(body, id string) {
		t.Helper()
		if got := p.save(body); got != id {
			t.Errorf("%s is for %s", body, got)
		}
	}
	same(`{"externalId":"e-1","firstName":"A2","emailAddresses":"c@d.example"}`, one)
	same(`{"id":"`+strings.ToUpper(one)+`","lastName":"L"}`, one)
	same(`{"id":"`+one+`","externalId":"e-1"}`, one)
	same(`{"id":"`+bare+`","externalId":"e-3"}`, bare)
	same(`{"externalId":"e-3"}`, bare)
	kept := p.profile(one)
	if kept["firstName"] != "A2" || kept["lastName"] != "L" || kept["headline"] != "h" || kept["emailAddresses"] != "c@d.example" {
		t.Errorf("%v", kept)
	}
	p.want(p.call("POST", "", `{"id":"`+one+`","externalId":"e-2"}`), http.StatusBadRequest)
	p.want(p.call("POST", "", `{"id":"`+one+`","externalId":"e-9"}`), http.StatusBadRequest)
	p.want(p.call("POST", "", `{"id":"`+jarviType+`","externalId":"e-2"}`), http.StatusBadRequest)
	p.want(p.call("POST", "", `{"id":"`+jarviType+`"}`), http.StatusNotFound)
	p.want(p.call("POST", "", `{"id":"`+jarviType+`","externalId":"e-9"}`), http.StatusNotFound)
	if got := p.kept(); got.Creates != 3 || got.Updates != 5 || got.Writes != 6 || got.Counts["profiles"] != 3 {
		t.Errorf("%+v", got)
	}

	again := jarviClient{start(t, Options{Store: m}), p.key}
	if got := again.save(`{"externalId":"e-2","firstName":"B2"}`); got != two {
		t.Errorf("%s after a replay", got)
	}
	again.save(`{"firstName":"D"}`)
	if got := again.names(""); got != "A2 B2 C D" {
		t.Errorf("%s", got)
	}
}

func TestJarviOneProfileForAnExternalID(t *testing.T) {
	p := startJarvi(t, Options{Store: &memory{}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := p.try("POST", "/jarvi/v1/public-api/rest/v2/profiles", `{"externalId":"e","historyEntrySubject":"s"}`, "X-API-KEY", p.key, "Content-Type", "application/json")
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := p.kept(); got.Creates != 1 || got.Updates != 19 || !maps.Equal(got.Counts, map[string]int{"profiles": 1, "history": 20, "files": 0}) {
		t.Errorf("%+v", got)
	}
}

func TestJarviWhere(t *testing.T) {
	c := newClock()
	p := startJarvi(t, Options{Clock: c.now})
	p.save(`{"externalId":"e-1","firstName":"Ann","headline":"100% Go","emailAddresses":"ann@b.example"}`)
	c.move(time.Hour)
	p.save(`{"externalId":"e-2","firstName":"Bob","headline":"Rust"}`)
	p.save(`{"firstName":"Cid","linkedinUrl":"https://linkedin.com/in/cid"}`)
	for where, want := range map[string]string{
		`{}`: "Ann Bob Cid", ``: "Ann Bob Cid",
		`{"externalId":{"_eq":"e-2"}}`:                                             "Bob",
		`{"externalId":{"_eq":"e-9"}}`:                                             "",
		`{"externalId":{"_eq":null}}`:                                              "Cid",
		`{"externalId":{"_in":["e-1","e-2"]},"firstName":{"_eq":"Ann"}}`:           "Ann",
		`{"externalId":{"_in":[]}}`:                                                "",
		`{"firstName":{"_ilike":"%B"}}`:                                            "Bob",
		`{"firstName":{"_ilike":"_o_"}}`:                                           "Bob",
		`{"firstName":{"_ilike":"o"}}`:                                             "",
		`{"headline":{"_ilike":"%GO"}}`:                                            "Ann",
		`{"headline":{"_search":"rus"}}`:                                           "Bob",
		`{"_search":"ANN@b"}`:                                                      "Ann",
		`{"_or":[{"firstName":{"_eq":"Ann"}},{"publicIdentifier":{"_eq":"cid"}}]}`: "Ann Cid",
		`{"_or":[]}`: "",
		`{"createdAt":{"_gt":"2026-03-01T12:30:00.000Z"},"isTalent":{"_eq":false}}`:   "Bob Cid",
		`{"createdAt":{"_gt":"2026-03-01T12:30:00.000Z","_ilike":"%"},"_search":"c"}`: "Cid",
	} {
		if got := p.names(where); got != want {
			t.Errorf("%s finds %q, not %q", where, got, want)
		}
	}
	for orderBy, want := range map[string]string{
		`{"firstName":"desc"}`: "Cid Bob Ann", `{"headline":"asc"}`: "Ann Bob Cid", `{"headline":"desc"}`: "Bob Ann Cid",
		`[{"createdAt":"desc"},{"firstName":"desc"}]`: "Cid Bob Ann", `{}`: "Ann Bob Cid",
	} {
		if got := p.names("", "orderBy", orderBy); got != want {
			t.Errorf("%s gives %q", orderBy, got)
		}
	}
	for _, orderBy := range []string{``, `7`, `["firstName"]`, `{"name":"asc"}`, `{"firstName":"up"}`, `{"firstName":"asc","firstName":"asc"}`} {
		p.want(p.call("GET", "?orderBy="+url.QueryEscape(orderBy), ""), http.StatusBadRequest)
	}
	for _, query := range []string{"?limit=x", "?limit=-1", "?offset=-1", "?offset=1.5", "?page=1", "?limit=1&limit=1", "?%zz"} {
		p.want(p.call("GET", query, ""), http.StatusBadRequest)
	}
}

func TestJarviPages(t *testing.T) {
	p := startJarvi(t, Options{})
	for range 103 {
		p.save(`{}`)
	}
	for _, c := range []struct {
		query []string
		rows  int
	}{{nil, 100}, {[]string{"limit", "1"}, 100}, {[]string{"limit", "1000"}, 100}, {[]string{"offset", "100"}, 3}, {[]string{"offset", "200", "limit", "5"}, 0}} {
		if rows, total := p.find(c.query...); len(rows) != c.rows || total != 103 || rows == nil {
			t.Errorf("%q: %d of %d", c.query, len(rows), total)
		}
	}
	p.want(p.call("GET", "?limit=1000&orderBy="+url.QueryEscape(`{"createdAt":"asc"}`), ""), http.StatusInternalServerError)
}

func TestJarviReadsSeeAChangeLater(t *testing.T) {
	c := newClock()
	p := startJarvi(t, Options{Clock: c.now})
	p.control("POST", "/jarvi/lag", `{"delay":"7s"}`)
	id := p.save(`{"externalId":"e","firstName":"A"}`)
	if got := p.names(`{"externalId":{"_eq":"e"}}`); got != "" {
		t.Errorf("%s", got)
	}
	if got := p.save(`{"externalId":"e","firstName":"B"}`); got != id {
		t.Error("a POST does not see the one before")
	}
	c.move(7 * time.Second)
	if got := p.names(`{"externalId":{"_eq":"e"}}`); got != "B" {
		t.Errorf("%s", got)
	}
}

func TestJarviDeletedProfilesAreStillFound(t *testing.T) {
	p := startJarvi(t, Options{Clock: newClock().now})
	remove := func(id, key string) int {
		return p.do("POST", "/_sandbox/jarvi/delete", `{"profileId":`+quote(id)+`}`, "X-API-KEY", key).status
	}
	if got := remove(jarviType, p.key); got != http.StatusUnauthorized {
		t.Errorf("a key that was never used: %d", got)
	}
	id := p.save(`{"externalId":"e","firstName":"A"}`)
	if got := []int{remove(jarviType, p.key), remove(id, "short"), remove(id, p.key), remove(id, p.key)}; !slices.Equal(got, []int{404, 401, 200, 200}) {
		t.Errorf("%d", got)
	}
	if a := p.do("POST", "/_sandbox/jarvi/delete", `x`, "X-API-KEY", p.key); a.status != http.StatusBadRequest {
		t.Errorf("%d", a.status)
	}
	rows, _ := p.find("where", `{"externalId":{"_eq":"e"}}`)
	if len(rows) != 1 || rows[0]["deletedAt"] != "2026-03-01T12:00:00.000Z" {
		t.Errorf("%v", rows)
	}
	if p.save(`{"externalId":"e"}`) == id || p.save(`{"id":"`+id+`"}`) != id {
		t.Error("a deleted profile is found by its externalId, or not by its id")
	}
	if got := p.kept(); got.Deletes != 2 || got.Counts["profiles"] != 2 {
		t.Errorf("%+v", got)
	}
}

func TestJarviFaults(t *testing.T) {
	p := startJarvi(t, Options{})
	p.control("POST", "/faults", `{"provider":"jarvi","kind":"status","status":429,"retryAfter":7}`)
	a := p.call("POST", "", `{}`)
	if p.want(a, http.StatusTooManyRequests); a.header.Get("Retry-After") != "7" {
		t.Errorf("%v", a.header)
	}
	p.control("POST", "/faults", `{"provider":"jarvi","kind":"drop_after","method":"POST"}`)
	if _, err := p.try("POST", "/jarvi/v1/public-api/rest/v2/profiles", `{"externalId":"e"}`, "X-API-KEY", p.key, "Content-Type", "application/json"); err == nil {
		t.Error("answered")
	}
	if _, n := p.find(); n != 1 {
		t.Errorf("%d profiles", n)
	}
}

func TestJarviEffectThatCannotBeStoredIsNotMade(t *testing.T) {
	m := &memory{}
	p := startJarvi(t, Options{Store: m})
	p.save(`{"firstName":"A"}`)
	m.fail = true
	p.want(p.call("POST", "", `{"firstName":"B"}`), http.StatusInternalServerError)
	m.fail = false
	if got := p.names(""); got != "A" {
		t.Errorf("%s", got)
	}
}

func TestJarviStoredValuesAreChecked(t *testing.T) {
	record := func(name, profile string) *memory {
		return &memory{records: [][]byte{[]byte(`{"op":"patch","provider":"jarvi","account":"` + strings.Repeat("a", 64) + `","set":{"` + name + `":` + profile + `}}`)}}
	}
	for _, profile := range []string{`null`, `7`, `{}`, `{"number":1}`, `{"created":"x"}`, `{"number":"1","created":"x"}`, `{"number":0,"created":"x"}`,
		`{"number":1,"created":"x","nick":"x"}`, `{"number":1,"created":"x","firstName":7}`, `{"number":1,"created":"x","externalId":""}`,
		`{"number":1,"created":"x","history":{}}`, `{"number":1,"created":"x","history":[{"data":"x"}]}`, `{"number":1,"created":"x","files":["x"]}`} {
		if _, err := New(Options{Store: record(jarviType, profile)}); err == nil {
			t.Errorf("%s is taken", profile)
		}
	}
	profile := `{"number":1,"created":"x","deleted":"x","firstName":"A","` + jarviCustom + `":"c","history":[{"historyEntrySubject":"s"}],
		"files":[{"list":"files","fileName":"a","bytes":1,"sha256":"x"}]}`
	if _, err := New(Options{Store: record("name", profile)}); err == nil {
		t.Error("a profile without a uuid is taken")
	}
	if _, err := New(Options{Store: record(jarviType, profile)}); err != nil {
		t.Error(err)
	}
}
