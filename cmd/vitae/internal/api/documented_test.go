package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks/sandbox"
)

// failing is one error that a provider's pages describe.
type failing struct {
	at     string // what the page says
	status int
	code   string                              // the form's own, "" where it says none
	here   func(t *testing.T, f *asked) answer // provokes it at our front
	never  string                              // or why our front never has it; then the stand-in does
	there  func(g *standIn) answer
}

// asked is a world with one profile that is connected, and its key.
type asked struct {
	*world
	id  ledger.ProfileID
	key string

	head ledger.Seq // before the request that is refused
}

func newAsked(t *testing.T, cfg Config) *asked {
	t.Helper()
	w := newWorld(t, cfg)
	w.srv.Directory = everybody{w}
	id := w.person(jane)
	w.must(200, connecting(id, ledger.LinkedIn, member, adminText))
	return &asked{world: w, id: id, key: w.key(id, keys.ProfileRead|keys.ProfileWrite)}
}

// standIn is the stand-in providers on a port of this machine.
type standIn struct {
	*testing.T
	url string
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return &standIn{t, srv.URL}
}

// do makes a request; header is pairs of name and value.
func (g *standIn) do(method, path, body string, header ...string) answer {
	g.Helper()
	req, err := http.NewRequestWithContext(g.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		g.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// control sets something up, and fails the test if that is refused.
func (g *standIn) control(path, body string) {
	g.Helper()
	if a := g.do("POST", "/_sandbox/"+path, body, "Content-Type", "application/json"); a.status/100 != 2 {
		g.Fatalf("%s: %d %s", path, a.status, a.body)
	}
}

// fails queues an answer of a provider with the status.
func (g *standIn) fails(provider string, status int) {
	g.Helper()
	g.control("faults", fmt.Sprintf(`{"provider":%q,"kind":"status","status":%d}`, provider, status))
}

// provoke goes through a table: every error is there at our front, or has a reason why it
// cannot be and is there at the stand-in; form checks its body.
func provoke(t *testing.T, all []failing, form func(a answer, code string) error) {
	t.Helper()
	for _, e := range all {
		t.Run(fmt.Sprint(e.status, " ", e.at), func(t *testing.T) {
			var a answer
			switch {
			case (e.here == nil) == (e.never == "") || (e.there == nil) != (e.never == ""):
				t.Fatal("it is provoked here, or has a reason and is provoked at the stand-in")
			case e.here != nil:
				f := newAsked(t, Config{})
				f.head = f.com.Head()
				a = e.here(t, f)
				if f.com.Head() != f.head {
					t.Error("something was committed")
				}
			default:
				a = e.there(newStandIn(t))
			}
			if err := form(a, e.code); a.status != e.status || err != nil || a.header.Get("Content-Type") != "application/json" && !strings.HasPrefix(a.header.Get("Content-Type"), "application/json;") {
				t.Errorf("%d %s %q: %v", a.status, a.body, a.header.Get("Content-Type"), err)
			}
		})
	}
}

// sends is a request at our front as it is.
func sends(make func(f *asked) call) func(t *testing.T, f *asked) answer {
	return func(_ *testing.T, f *asked) answer { return f.do(make(f)) }
}

// breaks is a request whose command ends with the error.
func breaks(err error, make func(f *asked) call) func(t *testing.T, f *asked) answer {
	return func(_ *testing.T, f *asked) answer {
		f.submit = func(context.Context, ledger.Request) (ledger.Reply, error) { return ledger.Reply{}, err }
		defer func() { f.submit = nil }()
		return f.do(make(f))
	}
}

// limited is a request after the one that the limit of a minute allows.
func limited(make func(f *asked) call) func(t *testing.T, f *asked) answer {
	return func(t *testing.T, _ *asked) answer {
		f := newAsked(t, Config{WritePerMinute: 1})
		if a := f.do(make(f)); a.status >= 300 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a := f.do(make(f))
		if n := a.header.Get("Retry-After"); n == "" || len(n) > 2 {
			t.Errorf("Retry-After %q, want seconds", n)
		}
		return a
	}
}

// membersOf decodes a body and fails unless it has these names and no others.
func membersOf(a answer, names ...string) (map[string]any, error) {
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		return nil, err
	}
	for name := range v {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s is no member of the form", name)
		}
	}
	return v, nil
}

func TestMokaruDocumentedErrors(t *testing.T) {
	edit := func(body string) func(f *asked) call {
		return func(f *asked) call { return call{method: "PATCH", path: "/v1/profile", key: f.key, body: body} }
	}
	as := func(key func(f *asked) string) func(f *asked) call {
		return func(f *asked) call {
			return call{method: "PATCH", path: "/v1/profile", key: key(f), body: `{"sector":"x"}`}
		}
	}
	item := func(method, path, body string) func(f *asked) call {
		return func(f *asked) call { return call{method: method, path: path, key: f.key, body: body} }
	}
	// The stand-in has the status of such an error; which code a feature has that neither
	// has would be its own invention.
	there := func(status int) func(g *standIn) answer {
		return func(g *standIn) answer {
			g.fails("mokaru", status)
			return g.do("PATCH", "/mokaru/v1/profile", `{"sector":"x"}`, "Authorization", "Bearer mk_"+strings.Repeat("0", 64), "Content-Type", "application/json")
		}
	}
	good := edit(`{"sector":"x"}`)
	provoke(t, []failing{
		{at: "a bad field", status: 400, code: "INVALID_REQUEST", here: sends(edit(`{"email":"x","projects":[{"name":"p"}]}`))},
		{at: "no field", status: 400, code: "INVALID_REQUEST", here: sends(edit(`{}`))},
		{at: "null for a name", status: 400, code: "INVALID_REQUEST", here: sends(edit(`{"firstName":null}`))},
		{at: "more than 50 job titles", status: 400, code: "INVALID_REQUEST", here: sends(edit(`{"jobTitles":[` + strings.Repeat(`{"title":"t"},`, 50) + `{"title":"t"}]}`))},
		{at: "a missing field: an experience without jobTitle", status: 400, code: "INVALID_REQUEST", here: sends(item("POST", "/v1/experiences", `{"company":"ACME"}`))},
		{at: "a missing field: an experience without company", status: 400, code: "INVALID_REQUEST", here: sends(item("POST", "/v1/experiences", `{"jobTitle":"Cook"}`))},
		{at: "a missing field: an education without school", status: 400, code: "INVALID_REQUEST", here: sends(item("POST", "/v1/education", `{"degree":"MA"}`))},
		{at: "a missing field: a skill without name", status: 400, code: "INVALID_REQUEST", here: sends(item("POST", "/v1/skills", `{"level":"expert"}`))},
		{at: "a missing field: a resume without name", status: 400, code: "INVALID_REQUEST", here: sends(item("POST", "/v1/resume", `{}`))},
		{at: "the key is missing", status: 401, code: "KEY_MISSING", here: sends(as(func(*asked) string { return "" }))},
		{at: "the key is invalid", status: 401, code: "KEY_INVALID", here: sends(as(func(*asked) string { return "mk_" + strings.Repeat("0", 64) }))},
		{at: "the scope is missing", status: 403, code: "SCOPE_MISSING", here: sends(as(func(f *asked) string { return f.world.key(f.id, keys.ProfileRead) }))},
		{at: "PLAN_REQUIRED", status: 403, never: "there are no plans: a key's scopes say what it may do", there: there(403)},
		{at: "NO_DEFAULT_RESUME", status: 400, never: "every profile has its base resume, which cannot be deleted", there: there(400)},
		{at: "JOB_DESCRIPTION_TOO_SHORT", status: 400, never: "no resume is tailored to a job", there: there(400)},
		{at: "RESUME_PROCESSING", status: 409, never: "no resume is worked on in the background", there: there(409)},
		{at: "no such object", status: 404, code: "NOT_FOUND", here: sends(item("PATCH", "/v1/skills/none", `{"name":"Go"}`))},
		{at: "no such resume", status: 404, code: "NOT_FOUND", here: sends(item("DELETE", "/v1/resume/01ARZ3NDEKTSV4RRFFQ69G5FAV", ""))},
		{at: "the limit", status: 429, code: "QUOTA_EXCEEDED", here: limited(good)},
		{at: "the server", status: 500, code: "INTERNAL", here: breaks(errFault, good)},
	}, func(a answer, code string) error {
		v, err := membersOf(a, "error", "details", "code")
		if text, _ := v["error"].(string); err == nil && (text == "" || code != "" && v["code"] != code || strings.HasPrefix(code, "INVALID") && v["details"] == nil) {
			err = fmt.Errorf("want the code %s", code)
		}
		return err
	})
}

func TestLinkedInDocumentedErrors(t *testing.T) {
	send := func(path, body string) func(f *asked) call {
		return func(f *asked) call { return f.linkedIn(f.key, path, body) }
	}
	const good = `{"patch":{"$set":{"industryId":"urn:li:industry:47"}}}`
	all := []failing{
		{at: "the body is no JSON: a comma behind the last URN", status: 400, here: sends(send("", `{"patch":{"$set":{"memberRichContents":["urn:li:x",]}}}`))},
		{at: "the header X-RestLi-Protocol-Version: 2.0.0 is missing", status: 400, here: sends(func(f *asked) call {
			c := f.linkedIn(f.key, "", good)
			c.header = nil
			return c
		})},
		{at: "the token is missing", status: 401, here: sends(func(f *asked) call { return f.linkedIn("", "", good) })},
		{at: "the token is not, or not any more, one", status: 401, here: sends(func(f *asked) call { return f.linkedIn("AQ1", "", good) })},
		{at: "the permission w_compliance is missing", status: 403, here: sends(func(f *asked) call { return f.linkedIn(f.world.key(f.id, keys.ProfileRead), "", good) })},
		{at: "the id of another application's person", status: 404, here: sends(func(f *asked) call { return call{method: "POST", path: "/v2/people/id=OTHER", key: f.key, body: good} })},
		{at: "no such entity", status: 404, here: sends(send("/skills/12", `{"patch":{"$delete":["name"]}}`))},
		{at: "a mandatory field is deleted: firstName", status: 422, here: sends(send("", `{"patch":{"$delete":["firstName"]}}`))},
		{at: "a mandatory field is deleted: lastName, with an empty text", status: 422, here: sends(send("", `{"patch":{"$set":{"lastName":""}}}`))},
		{at: "an id in an order that maps to no complex object", status: 422, here: sends(send("", `{"patch":{"$set":{"educationsOrder":[2601123,2663456]}}}`))},
		{at: "a vanity name with a space", status: 422, here: sends(send("", `{"patch":{"$set":{"vanityName":"bob smith"}}}`))},
		{at: "four ims", status: 422, here: sends(send("", `{"patch":{"$set":{"ims":{"a":{"id":"a","provider":"QQ"},"b":{"id":"b","provider":"QQ"},"c":{"id":"c","provider":"QQ"},"d":{"id":"d","provider":"QQ"}}}}}`))},
		{at: "the top value of an im is not its id", status: 422, here: sends(send("", `{"patch":{"$set":{"ims":{"a":{"id":"b","provider":"QQ"}}}}}`))},
		{at: "a field that takes its deletion only", status: 422, here: sends(send("", `{"patch":{"$set":{"specialties":{"localized":{"en_US":"x"}}}}}`))},
		{at: "contributors without the member", status: 422, here: sends(send("/publications", `{"name":{"localized":{"en_US":"Book"}},"authors":[{"memberId":"urn:li:person:OTHER"}]}`))},
		{at: "the limit of requests", status: 429, here: limited(send("", good))},
		{at: "the limit of a day, until midnight UTC", status: 429, never: "the limit here is one of a minute", there: func(g *standIn) answer {
			g.fails("linkedin", 429)
			return g.do("POST", "/linkedin/v2/people/(id:"+member+")", good, "Authorization", "Bearer AQtoken0123456789", "Content-Type", "application/json", "X-RestLi-Protocol-Version", "2.0.0")
		}},
		{at: "the server", status: 500, here: breaks(errFault, send("", good))},
		{at: "the outcome is not known", status: 504, here: breaks(ledger.ErrUnknown, send("", good))},
	}
	// A mandatory member of an entity is mandatory when it is created, and cannot be deleted.
	// Beside LinkedIn's there are those that a profile keeps no item without: Mokaru's page
	// requires them, whose clients read a list, append to it and send the whole back.
	for section, c := range map[string]struct {
		entity string // with all that is mandatory
		must   []string
	}{
		"certifications":          {`{"name":N,"authority":N}`, []string{"name", "authority"}},
		"courses":                 {`{"name":N}`, []string{"name"}},
		"educations":              {`{"schoolName":N}`, []string{"schoolName"}},
		"honors":                  {`{"title":N}`, []string{"title"}},
		"languages":               {`{"name":N}`, []string{"name"}},
		"organizations":           {`{"name":N}`, []string{"name"}},
		"patents":                 {`{"title":N,"issuer":I,"pending":false,"inventors":P}`, []string{"title", "issuer", "pending", "inventors"}},
		"positions":               {`{"title":N,"companyName":N}`, []string{"title", "companyName"}},
		"projects":                {`{"title":N,"description":R,"members":P}`, []string{"title", "description", "members"}},
		"publications":            {`{"name":N,"authors":P}`, []string{"name", "authors"}},
		"skills":                  {`{"name":N}`, []string{"name"}},
		"testScores":              {`{"name":N}`, []string{"name"}},
		"volunteeringExperiences": {`{"companyName":N,"role":N}`, []string{"companyName", "role"}},
	} {
		entity := strings.NewReplacer(`:N`, `:{"localized":{"en_US":"x"}}`, `:I`, `:{"localized":{"en_US":"us"}}`, `:R`, `:{"localized":{"en_US":{"rawText":"x"}}}`,
			`:P`, `:[{"memberId":"urn:li:person:`+member+`"}]`).Replace(c.entity)
		for _, name := range c.must {
			told := func(t *testing.T, a answer, at string) answer {
				t.Helper()
				if m := linkedInError(t, a); !strings.Contains(m, " "+at+" ") {
					t.Errorf("it does not name %s: %s", at, m)
				}
				return a
			}
			all = append(all, failing{at: section + ": created without " + name, status: 422, here: func(t *testing.T, f *asked) answer {
				var v map[string]any
				if err := json.Unmarshal([]byte(entity), &v); err != nil {
					t.Fatal(err)
				}
				delete(v, name)
				return told(t, f.do(f.linkedIn(f.key, "/"+section, string(jsonBody(v)))), "/"+name)
			}}, failing{at: section + ": a mandatory field is deleted: " + name, status: 422, here: func(t *testing.T, f *asked) answer {
				ref := f.must(201, f.linkedIn(f.key, "/"+section, entity)).header.Get("X-Linkedin-Id")
				f.head = f.com.Head()
				return told(t, f.do(f.linkedIn(f.key, "/"+section+"/"+ref, `{"patch":{"$delete":["`+name+`"]}}`)), "/patch/$delete/0")
			}})
		}
	}
	provoke(t, all, func(a answer, _ string) error {
		v, err := membersOf(a, "message", "serviceErrorCode", "status")
		if text, _ := v["message"].(string); err == nil && (text == "" || v["status"] != float64(a.status) || v["serviceErrorCode"] == nil) {
			err = fmt.Errorf("not the form")
		}
		return err
	})
}

func TestNexudusDocumentedErrors(t *testing.T) {
	send := func(body string) func(f *asked) call {
		return func(f *asked) call { return f.nexudus(f.key, body) }
	}
	portal := func(g *standIn, body string) answer {
		return g.do("PATCH", "/nexudus/api/public/coworker/profile", body, "Authorization", "Bearer token-0123456789abcdef", "Content-Type", "application/json")
	}
	provoke(t, []failing{
		{at: "the bearer token is missing", status: 401, here: sends(func(f *asked) call { return f.nexudus("", `{"FullName":"x"}`) })},
		{at: "the bearer token is expired or invalid", status: 401, here: sends(func(f *asked) call { return f.nexudus("x", `{"FullName":"x"}`) })},
		{at: "validation: the passwords do not match", status: 400, code: "RepeatNewPassword", here: sends(send(`{"OldPassword":"aaaaaaaa","NewPassword":"bbbbbbbb","RepeatNewPassword":"cccccccc"}`))},
		{at: "validation: CountryId is none of the portal's", status: 400, code: "CountryId", here: sends(send(`{"CountryId":7777}`))},
		{at: "validation: BillingCountryId is none of the portal's", status: 400, code: "BillingCountryId", here: sends(send(`{"BillingCountryId":7777}`))},
		{at: "validation: null for what cannot be null", status: 400, code: "CompanyName", here: sends(send(`{"CompanyName":null}`))},
		{at: "validation: a date of birth that is none", status: 400, code: "DateOfBirth", here: sends(send(`{"DateOfBirth":"15/06/1990"}`))},
		{at: "validation: a text for true or false", status: 400, code: "ProfileIsPublic", here: sends(send(`{"ProfileIsPublic":"yes"}`))},
		{at: "WasSuccessful is false in an answer with 200", status: 200, code: "CountryId", never: "what fails has the status of a failure", there: func(g *standIn) answer {
			g.control("nexudus/soft", `{"on":true}`)
			return portal(g, `{"CountryId":7777}`)
		}},
		{at: "the profile to switch to is unknown", status: 404, never: "a key is one profile's, and none is switched to", there: func(g *standIn) answer {
			portal(g, `{"FullName":"x"}`)
			return g.do("PUT", "/nexudus/api/public/coworkers/profiles/current?coworkerId=7", "", "Authorization", "Bearer token-0123456789abcdef")
		}},
		{at: "the server", status: 500, here: breaks(errFault, send(`{"FullName":"x"}`))},
	}, func(a answer, code string) error {
		v, err := membersOf(a, "WasSuccessful", "Value", "Status", "Message", "Errors")
		if err != nil {
			return err
		}
		if text, _ := v["Message"].(string); v["WasSuccessful"] != false || text == "" || a.status != 200 && v["Status"] != float64(a.status) {
			return fmt.Errorf("not the form")
		}
		if code != "" {
			list, _ := v["Errors"].([]any)
			if len(list) != 1 || list[0].(map[string]any)["PropertyName"] != code {
				return fmt.Errorf("want the one property %s", code)
			}
		}
		return nil
	})
	// The errors of logging in have a form of their own, and no place here: a key does not end.
	const form = "application/x-www-form-urlencoded"
	for body, c := range map[string][2]string{"{}": {"application/json", "unsupported_grant_type"}, "grant_type=password&username=a&password=b": {form, "invalid_grant"}} {
		a := newStandIn(t).do("POST", "/nexudus/api/token", body, "Content-Type", c[0])
		if a.status != 400 || !strings.Contains(a.body, `"error":"`+c[1]+`"`) {
			t.Errorf("%s: %d %s", c[1], a.status, a.body)
		}
	}
}

func TestJarviDocumentedErrors(t *testing.T) {
	send := func(body string) func(f *asked) call { return func(f *asked) call { return jarviPost(f.key, body) } }
	find := func(query string) func(f *asked) call {
		return func(f *asked) call {
			return call{method: "GET", path: jarviPath + query, header: map[string]string{"X-API-KEY": f.key}}
		}
	}
	good := send(`{"headline":"x"}`)
	provoke(t, []failing{
		{at: "the body is no JSON", status: 400, here: sends(send(`{"headline":`))},
		{at: "the example's placeholders: an id that is no uuid", status: 400, code: "id", here: sends(send(`{"id":"Jarvi uuid. Will merge with exisiting profile with same id"}`))},
		{at: "the example's placeholders: a custom field that is no uuid", status: 400, code: "<any custom field uuid>", here: sends(send(`{"<any custom field uuid>":"My custom field value for this profile"}`))},
		{at: "the example's placeholders: a file with dots in it", status: 400, code: "resumesFiles", here: sends(send(`{"resumesFiles":[{"fileName":"cv.pdf","data":"data:@file/pdf;base64,JVBERi0......AABTLAAAAAAA="}]}`))},
		{at: "e-mail addresses as an array", status: 400, code: "emailAddresses", here: sends(send(`{"emailAddresses":["a@example.com"]}`))},
		{at: "a wrong projectId", status: 400, code: "projectId", here: sends(send(`{"projectId":"7"}`))},
		{at: "the key is missing", status: 401, here: sends(func(*asked) call { return jarviPost("", `{"headline":"x"}`) })},
		{at: "the key is not one", status: 401, here: sends(func(*asked) call { return jarviPost("x", `{"headline":"x"}`) })},
		{at: "a public key, where the private one is needed", status: 403, here: sends(func(f *asked) call { return jarviPost(f.world.key(f.id, keys.ProfileRead), `{"headline":"x"}`) })},
		{at: "an id that no profile has", status: 404, here: sends(send(`{"id":"d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f"}`))},
		{at: "a request that is too large", status: 413, here: sends(send(`{"headline":"` + strings.Repeat("x", maxJarvi) + `"}`))},
		{at: "the limit, with Retry-After in seconds", status: 429, here: limited(good)},
		{at: "a limit of 1000 with an order", status: 500, never: "it is answered here", there: func(g *standIn) answer {
			return g.do("GET", "/jarvi/v1/public-api/rest/v2/profiles?limit=1000&orderBy=%7B%22createdAt%22%3A%22asc%22%7D", "", "X-API-KEY", "key-0123456789abcdef")
		}},
		{at: "the server", status: 500, here: breaks(errFault, good)},
	}, func(a answer, code string) error {
		v, err := membersOf(a, "message")
		if text, _ := v["message"].(string); err == nil && (text == "" || !strings.HasPrefix(text, code)) {
			err = fmt.Errorf("want a message about %s", code)
		}
		return err
	})
	f := newAsked(t, Config{})
	f.must(200, find("?limit=1000&orderBy=%7B%22createdAt%22%3A%22asc%22%7D")(f))
}
