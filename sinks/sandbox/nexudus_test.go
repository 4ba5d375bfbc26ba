package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nexudusClient is one customer with a token.
type nexudusClient struct {
	*rig
	token string
}

func startNexudus(t *testing.T, o Options) nexudusClient {
	t.Helper()
	return nexudusClient{start(t, o), "token-1"}
}

// call makes a request under the base path; more is pairs of header names and values.
func (p nexudusClient) call(method, path, body string, more ...string) answer {
	p.Helper()
	header := append([]string{"Authorization", "Bearer " + p.token, "Content-Type", "application/json"}, more...)
	return p.do(method, "/nexudus"+path, body, header...)
}

func (p nexudusClient) patch(body string) answer {
	p.Helper()
	return p.call("PATCH", "/api/public/coworker/profile", body)
}

// want requires a status, and a confirmation with the same one in its body. It gives the
// names of the fields that are found wrong.
func (p nexudusClient) want(a answer, status int) []string {
	p.Helper()
	if a.status != status {
		p.Fatalf("%d, not %d: %s", a.status, status, a.body)
	}
	return p.confirmation(a, status)
}

func (p nexudusClient) confirmation(a answer, status int) (fields []string) {
	p.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		p.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(v))
	if !slices.Equal(names, []string{"Errors", "Message", "Status", "Value", "WasSuccessful"}) || v["Value"] != nil ||
		v["Status"] != float64(status) || v["WasSuccessful"] != (status == 200) || (v["Message"] == nil) != (status == 200) {
		p.Fatalf("no confirmation of %d: %s", status, a.body)
	}
	list, _ := v["Errors"].([]any)
	for _, e := range list {
		e := e.(map[string]any)
		if attempted, there := e["AttemptedValue"]; !there || attempted != nil || e["Message"] == "" || len(e) != 3 {
			p.Fatalf("%s", a.body)
		}
		fields = append(fields, e["PropertyName"].(string))
	}
	return fields
}

// set patches the profile and requires that it is accepted.
func (p nexudusClient) set(body string) {
	p.Helper()
	p.want(p.patch(body), http.StatusOK)
}

// refused requires that a PATCH is refused for the fields, and changes nothing.
func (p nexudusClient) refused(body string, fields ...string) {
	p.Helper()
	before := p.kept()
	if got := p.want(p.patch(body), http.StatusBadRequest); !slices.Equal(got, fields) {
		p.Errorf("%s is refused for %q", body, got)
	}
	if after := p.kept(); after.Patches != before.Patches {
		p.Errorf("%s was refused and counted", body)
	}
}

// read is the profile for editing.
func (p nexudusClient) read() (v map[string]any) {
	p.Helper()
	p.decode(p.call("GET", "/en/profile?_resource=Coworker", ""), &v)
	return v
}

// kept is what the control surface says of the token.
func (p nexudusClient) kept() (v Account) {
	p.Helper()
	p.decode(p.do("GET", "/_sandbox/nexudus/account", "", "Authorization", "Bearer "+p.token), &v)
	return v
}

// country is the number of a country by its code.
func (p nexudusClient) country(code string) string {
	p.Helper()
	var v struct {
		Countries []struct {
			ID            json.Number `json:"Id"`
			Name          string
			TwoDigitsCode string
			Culture       string
		}
	}
	p.decode(p.do("GET", "/nexudus/api/public/countries", ""), &v)
	if len(v.Countries) < 40 {
		p.Fatalf("%d countries", len(v.Countries))
	}
	seen := map[string]bool{}
	id := ""
	for _, c := range v.Countries {
		if len(c.TwoDigitsCode) != 2 || c.Name == "" || !strings.HasSuffix(c.Culture, "-"+c.TwoDigitsCode) || seen[c.TwoDigitsCode] || seen[c.ID.String()] {
			p.Errorf("%+v", c)
		}
		seen[c.TwoDigitsCode], seen[c.ID.String()] = true, true
		if c.TwoDigitsCode == code {
			id = c.ID.String()
		}
	}
	return id
}

func TestNexudusEveryFieldIsReadBack(t *testing.T) {
	p := startNexudus(t, Options{})
	gb := p.country("GB")
	number, _ := strconv.ParseFloat(gb, 64)
	fresh := p.read()
	if len(fresh) != 40 || fresh["Id"] == nil || fresh["Position"] != nil || fresh["CompanyName"] != "" || fresh["ProfileIsPublic"] != false || fresh["CountryId"] != nil {
		t.Errorf("%d fields: %v", len(fresh), fresh)
	}
	texts := strings.Fields(`FullName NickName Gender MobilePhone LandLine Address PostCode CityName State BillingName BillingAddress BillingPostCode
		BillingCityName BillingState TaxIDNumber Position CompanyName BusinessArea ProfileSummary ProfileWebsite ProfileTags
		Twitter Linkedin Github Instagram Facebook Skype Telegram`)
	switches := strings.Fields("ProfileIsPublic OnHelpDeskMsg OnNewWallPost OnNewBlogComment OnNewEventComment ReceiveCommunityDigest SignUpToNewsletter")
	want := map[string]any{"DateOfBirth": "1990-06-15", "CountryId": number, "BillingCountryId": number, "BillingEmail": "a@b.example"}
	for _, name := range texts {
		want[name] = "Zoë, " + name
	}
	for _, name := range switches {
		want[name] = true
	}
	b, _ := json.Marshal(want)
	p.set(string(b))
	want["Id"] = fresh["Id"]
	if got := p.read(); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	p.set(`{}`)
	p.set(string(b))
	if got := p.kept(); got.Patches != 3 || got.Writes != 1 {
		t.Errorf("%+v", got)
	}
	var other map[string]any
	p.decode(p.call("GET", "/de/profile?_resource=Coworker", ""), &other)
	if !maps.Equal(other, want) {
		t.Errorf("%v", other)
	}
}

func TestNexudusRefusesWhatIsAgainstTheRules(t *testing.T) {
	p := startNexudus(t, Options{})
	for body, field := range map[string]string{
		`{"fullName":"x"}`: "fullName", `{"LinkedIn":"x"}`: "LinkedIn", `{"Email":"a@b.example"}`: "Email", `{"FullName":""}`: "FullName",
		`{"FullName":7}`: "FullName", `{"Position":["x"]}`: "Position", `{"DateOfBirth":"15.06.1990"}`: "DateOfBirth",
		`{"DateOfBirth":"1990-06-15T00:00:00Z"}`: "DateOfBirth", `{"DateOfBirth":""}`: "DateOfBirth", `{"BillingEmail":"x"}`: "BillingEmail",
		`{"ProfileIsPublic":"true"}`: "ProfileIsPublic", `{"ProfileIsPublic":0}`: "ProfileIsPublic", `{"CountryId":"` + p.country("GB") + `"}`: "CountryId",
		`{"CountryId":"GB"}`: "CountryId", `{"CountryId":1}`: "CountryId", `{"BillingCountryId":` + p.country("GB") + `.0}`: "BillingCountryId",
		`{"ProfileTags":["a","b"]}`: "ProfileTags", `{"Position":"a","Position":"b"}`: "Position",
	} {
		p.refused(body, field)
	}
	for _, body := range []string{``, `[]`, `"x"`, `{"Position":"\ud800"}`, `{"Position":"x"`} {
		if got := p.want(p.patch(body), http.StatusBadRequest); len(got) > 0 {
			t.Errorf("%q: %q", body, got)
		}
	}
	p.want(p.call("PATCH", "/api/public/coworker/profile", `{}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	p.want(p.call("PATCH", "/api/public/coworker/profile", strings.Repeat(" ", maxBody)+`{}`), http.StatusRequestEntityTooLarge)
	p.want(p.call("PATCH", "/api/public/coworker/profile?x=1", `{}`), http.StatusBadRequest)
	p.want(p.call("PUT", "/api/public/coworker/profile", `{}`), http.StatusMethodNotAllowed)
	p.want(p.call("PATCH", "/api/public/coworkers/profile", `{}`), http.StatusNotFound)
	for _, path := range []string{"/en/profile", "/en/profile?_resource=User", "/en/profile?_resource=Coworker&x=1", "/en/profile?_resource=Coworker&_resource=Coworker", "/en/profile?%zz"} {
		p.want(p.call("GET", path, ""), http.StatusBadRequest)
	}
	p.want(p.call("GET", "/eng/profile?_resource=Coworker", ""), http.StatusNotFound)
	if got := p.read(); got["Position"] != nil || got["FullName"] != "" {
		t.Errorf("%v", got)
	}
}

func TestNexudusTokens(t *testing.T) {
	p := startNexudus(t, Options{})
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "token-1"} {
		p.want(p.do("PATCH", "/nexudus/api/public/coworker/profile", `{}`, "Authorization", header, "Content-Type", "application/json"), http.StatusUnauthorized)
	}
	p.set(`{"Position":"x"}`)
	other := nexudusClient{p.rig, "token-2"}
	if got := other.read()["Position"]; got != nil {
		t.Errorf("%v of another account", got)
	}
	p.control("POST", "/nexudus/revoke", `{"account":"`+p.kept().Account+`"}`)
	p.want(p.patch(`{}`), http.StatusUnauthorized)
	other.set(`{}`)
	// The countries need none, and open no account.
	before := p.requests()
	p.country("GB")
	if r := p.requests()[len(before)]; r.Account != "" || r.Status != http.StatusOK {
		t.Errorf("%+v", r)
	}
	p.want(p.do("GET", "/nexudus/api/public/countries?_shape=Id", ""), http.StatusBadRequest)
	p.want(p.do("POST", "/nexudus/api/public/countries", ""), http.StatusMethodNotAllowed)
}

const nexudusChange = `{"OldPassword":%1,"NewPassword":%2,"RepeatNewPassword":%3}`

func nexudusPasswords(old, next, again string) string {
	return strings.NewReplacer("%1", quote(old), "%2", quote(next), "%3", quote(again)).Replace(nexudusChange)
}

func TestNexudusPasswords(t *testing.T) {
	m := &memory{}
	p := startNexudus(t, Options{Store: m})
	const next = "correct horse"
	for _, c := range []struct{ body, field string }{
		{`{"NewPassword":"correct horse","RepeatNewPassword":"correct horse"}`, nexudusOld},
		{`{"OldPassword":"nexudus-demo","NewPassword":"correct horse"}`, nexudusRepeat},
		{`{"OldPassword":"nexudus-demo","NewPassword":null,"RepeatNewPassword":"x"}`, nexudusNew},
		{nexudusPasswords(nexudusDemo, next, next+"."), nexudusRepeat},
		{nexudusPasswords("nexudus-dem", next, next), nexudusOld},
		{nexudusPasswords(nexudusDemo, "short", "short"), nexudusNew},
		{nexudusPasswords(nexudusDemo, nexudusDemo, nexudusDemo), nexudusNew},
	} {
		p.refused(c.body, c.field)
	}
	// A wrong password keeps the rest from being made.
	p.refused(`{"Position":"x",`+nexudusPasswords("wrong password", next, next)[1:], nexudusOld)
	if p.read()["Position"] != nil {
		t.Error("a part of a refused PATCH was made")
	}
	p.set(`{"Position":"x",` + nexudusPasswords(nexudusDemo, next, next)[1:])
	p.refused(nexudusPasswords(nexudusDemo, next, next), nexudusOld) // the same again
	another := nexudusClient{p.rig, "token-2"}
	another.set(nexudusPasswords(nexudusDemo, next, next))
	if first, second := p.kept().Profile, another.kept().Profile; first[nexudusPassword].(map[string]any)["hash"] == second[nexudusPassword].(map[string]any)["hash"] {
		t.Error("one hash for two accounts")
	}
	for _, record := range m.records {
		if strings.Contains(string(record), next) || strings.Contains(string(record), nexudusDemo) {
			t.Error("a password is in the store")
		}
	}

	again := nexudusClient{start(t, Options{Store: m}), "token-1"}
	again.refused(nexudusPasswords(nexudusDemo, next+"!", next+"!"), nexudusOld)
	again.set(nexudusPasswords(next, next+"!", next+"!"))
	again.control("POST", "/nexudus/password", `{"password":"first one"}`)
	third := nexudusClient{again.rig, "token-3"}
	third.refused(nexudusPasswords(nexudusDemo, next, next), nexudusOld)
	third.set(nexudusPasswords("first one", next, next))
	for _, body := range []string{`{}`, `{"password":""}`, `{"Password":7}`, `x`} {
		if a := again.do("POST", "/_sandbox/nexudus/password", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, a.status)
		}
	}
	again.control("POST", "/reset", "")
	third.set(nexudusPasswords(nexudusDemo, next, next))
}

func TestNexudusRenewsTokens(t *testing.T) {
	c := newClock()
	p := startNexudus(t, Options{Clock: c.now})
	p.set(`{"Position":"x"}`)
	var handed struct {
		Refresh string `json:"refresh_token"`
	}
	hand := func() {
		t.Helper()
		p.decode(p.do("POST", "/_sandbox/nexudus/refresh", "", "Authorization", "Bearer "+p.token), &handed)
	}
	const form = "application/x-www-form-urlencoded"
	token := func(body, contentType string) answer {
		return p.do("POST", "/nexudus/api/token", body, "Content-Type", contentType)
	}
	failed := func(a answer, code string) {
		t.Helper()
		if a.status != http.StatusBadRequest || a.body != `{"error":"`+code+`"}`+"\n" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	hand()
	failed(token(`{"grant_type":"refresh_token","refresh_token":"`+handed.Refresh+`"}`, "application/json"), "unsupported_grant_type")
	failed(token("grant_type=refresh_token&refresh_token="+handed.Refresh, "application/json"), "unsupported_grant_type")
	failed(token("grant_type=magic", form), "unsupported_grant_type")
	failed(token("grant_type=password&username=a&password=b", form), "invalid_grant")
	failed(token("grant_type=refresh_token", form), "invalid_grant")
	failed(token("grant_type=refresh_token&refresh_token=x", form), "invalid_grant")
	a := token("grant_type=refresh_token&refresh_token="+handed.Refresh, form)
	var issued struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Refresh string `json:"refresh_token"`
	}
	p.decode(a, &issued)
	if issued.Type != "bearer" || issued.Expires != 604799 || issued.Refresh == handed.Refresh {
		t.Errorf("%s", a.body)
	}
	failed(token("grant_type=refresh_token&refresh_token="+handed.Refresh, form), "invalid_grant") // once

	renewed := nexudusClient{p.rig, issued.Access}
	if got := renewed.read()["Position"]; got != "x" || renewed.kept().Account != p.kept().Account {
		t.Errorf("%v of another account", got)
	}
	c.move(604799 * time.Second)
	renewed.want(renewed.patch(`{}`), http.StatusUnauthorized)
	p.decode(token("grant_type=refresh_token&refresh_token="+issued.Refresh, form), &issued)
	renewed.token = issued.Access
	renewed.set(`{"Position":"y"}`)
	if got := p.read()["Position"]; got != "y" {
		t.Errorf("%v", got)
	}
	hand()
	p.control("POST", "/nexudus/revoke", `{"account":"`+p.kept().Account+`"}`)
	failed(token("grant_type=refresh_token&refresh_token="+handed.Refresh, form), "invalid_grant")
	renewed.want(renewed.patch(`{}`), http.StatusUnauthorized)
	if a := p.do("POST", "/_sandbox/nexudus/refresh", ""); a.status != http.StatusUnauthorized {
		t.Errorf("%d", a.status)
	}
	p.want(p.do("POST", "/nexudus/api/token?x=1", ""), http.StatusBadRequest)
	p.want(p.do("POST", "/nexudus/api/token", strings.Repeat("x", maxBody+1), "Content-Type", form), http.StatusRequestEntityTooLarge)
	p.control("POST", "/reset", "")
	renewed.want(renewed.patch(`{}`), http.StatusUnauthorized)
}

func TestNexudusReadsLagBehind(t *testing.T) {
	c := newClock()
	p := startNexudus(t, Options{Clock: c.now})
	p.set(`{"Position":"old"}`)
	p.control("POST", "/nexudus/lag", `{"delay":"2s"}`)
	p.set(`{"Position":"new"}`)
	if got := p.read()["Position"]; got != "old" {
		t.Errorf("%v", got)
	}
	c.move(2 * time.Second)
	if got := p.read()["Position"]; got != "new" {
		t.Errorf("%v", got)
	}
}

func TestNexudusFaults(t *testing.T) {
	p := startNexudus(t, Options{})
	p.control("POST", "/faults", `{"provider":"nexudus","kind":"status","status":503,"path":"/api/public/coworker/profile"}`)
	p.control("POST", "/faults", `{"provider":"nexudus","kind":"status","status":500,"path":"/api/public/countries"}`)
	p.control("POST", "/faults", `{"provider":"nexudus","kind":"drop_after","method":"PATCH"}`)
	p.want(p.patch(`{"Position":"a"}`), http.StatusServiceUnavailable)
	p.want(p.call("GET", "/api/public/countries", ""), http.StatusInternalServerError)
	if _, err := p.try("PATCH", "/nexudus/api/public/coworker/profile", `{"Position":"b"}`, "Authorization", "Bearer token-1", "Content-Type", "application/json"); err == nil {
		t.Error("answered")
	}
	if got := p.read()["Position"]; got != "b" {
		t.Errorf("%v", got)
	}
}

func TestNexudusEffectThatCannotBeStoredIsNotMade(t *testing.T) {
	m := &memory{}
	p := startNexudus(t, Options{Store: m})
	p.set(`{"Position":"a"}`)
	second := p.profiles()[1]
	m.fail = true
	p.want(p.patch(`{"Position":"b"}`), http.StatusInternalServerError)
	p.want(p.turn(second), http.StatusInternalServerError)
	m.fail = false
	if got := p.read()["Position"]; got != "a" {
		t.Errorf("%v", got)
	}
}

func TestNexudusStoredValuesAreChecked(t *testing.T) {
	record := func(set string) *memory {
		return &memory{records: [][]byte{[]byte(`{"op":"patch","provider":"nexudus","account":"` + strings.Repeat("a", 64) + `","set":` + set + `}`)}}
	}
	for _, set := range []string{`{"first":7}`, `{"third":{}}`, `{"first":{"Nick":"x"}}`, `{"first":{"NickName":null}}`, `{"first":{"CountryId":1}}`,
		`{"active":"third"}`, `{"active":7}`, `{"active":{}}`, `{"password":null}`, `{"password":"x"}`, `{"password":{"salt":"00","hash":"00"}}`} {
		if _, err := New(Options{Store: record(set)}); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
	if _, err := New(Options{Store: record(`{"first":{"NickName":"x","ProfileIsPublic":false},"second":null,"active":"second"}`)}); err != nil {
		t.Error(err)
	}
}
