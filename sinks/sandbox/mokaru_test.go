package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// limits are the texts of the Update Profile page with a stated length.
var limits = map[string]int{
	"firstName": 100, "lastName": 100, "email": 254, "phone": 50, "address": 200, "country": 100, "province": 100,
	"driverLicense": 50, "gender": 50, "jobTitle": 200, "summary": 2000, "sector": 100, "employer": 200,
	"website": 500, "portfolio": 500,
}

// clearable are the scalars that the page says "null to clear" of.
var clearable = []string{"phone", "address", "country", "province", "birthDate", "driverLicense", "gender", "jobTitle", "summary",
	"sector", "employer", "linkedIn", "website", "portfolio"}

func TestScalarLimitsAreCodePointsOfTheNFC(t *testing.T) {
	g := start(t, Options{})
	for name, limit := range limits {
		prefix := ""
		if name == "website" || name == "portfolio" {
			prefix, limit = "https://", limit-len("https://")
		}
		for form, unit := range map[string]string{
			"ASCII": "x", "two bytes": "é", "astral": "😀", "decomposed": "e\u0301", "two marks": "o\u0302\u0323",
		} {
			text := prefix + strings.Repeat(unit, limit)
			if !g.updated(1, fmt.Sprintf(`{%q:%s}`, name, quote(text))) {
				t.Errorf("%s, %s: not updated", name, form)
			}
			if got := g.profile(1)[name]; got != text {
				t.Errorf("%s, %s: kept as %.20q", name, form, got)
			}
			if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:%s}`, name, quote(text+unit)))); !slices.Equal(got, []string{name}) {
				t.Errorf("%s, %s, one more: %q", name, form, got)
			}
		}
		// A mark that composes with nothing is a code point of its own.
		if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:%s}`, name, quote(prefix+strings.Repeat("x\u0301", limit/2+1))))); !slices.Equal(got, []string{name}) {
			t.Errorf("%s with marks that do not compose: %q", name, got)
		}
	}
}

func TestLongRunsOfMarksCountAsTheyAre(t *testing.T) {
	for _, n := range []int{1, 29, 30, 31, 32, 61, 100} {
		if got := codePoints("x" + strings.Repeat("\u0301", n)); got != n+1 {
			t.Errorf("a letter with %d marks counts as %d", n, got)
		}
	}
	if got := codePoints("a\u034f\u0301"); got != 3 {
		t.Errorf("a joiner of the text's own: %d", got)
	}
}

// Trap: null clears fourteen scalars and nothing else.
func TestNull(t *testing.T) {
	g := start(t, Options{})
	for name := range mokaruScalars {
		value := "x"
		if name == "birthDate" {
			value = "1990-01-15"
		}
		g.updated(1, fmt.Sprintf(`{%q:%q}`, name, value))
		body := fmt.Sprintf(`{%q:null}`, name)
		if !slices.Contains(clearable, name) {
			if got := g.wrong(g.patch(1, body)); !slices.Equal(got, []string{name}) {
				t.Errorf("%s: null: %q", name, got)
			}
			continue
		}
		if !g.updated(1, body) || g.profile(1)[name] != nil {
			t.Errorf("%s is not cleared: %v", name, g.profile(1)[name])
		}
		if g.updated(1, body) {
			t.Errorf("%s: clearing again says updated", name)
		}
	}
	if len(clearable) != 14 || len(mokaruScalars) != 17 {
		t.Errorf("%d clearable of %d", len(clearable), len(mokaruScalars))
	}
	for name := range mokaruCollections {
		if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:null}`, name))); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: null: %q", name, got)
		}
	}
}

func TestEmptyTexts(t *testing.T) {
	g := start(t, Options{})
	refused := []string{"firstName", "lastName", "email", "birthDate"}
	for name := range mokaruScalars {
		body := fmt.Sprintf(`{%q:""}`, name)
		if slices.Contains(refused, name) {
			if got := g.wrong(g.patch(1, body)); !slices.Equal(got, []string{name}) {
				t.Errorf("%s: %q", name, got)
			}
		} else if g.updated(1, body); g.profile(1)[name] != "" {
			t.Errorf("%s: an empty text is kept as %v", name, g.profile(1)[name])
		}
	}
}

func TestBirthDate(t *testing.T) {
	g := start(t, Options{})
	for _, ok := range []string{"1990-01-15", "2000-02-29", "2024-02-29"} {
		if g.updated(1, `{"birthDate":"`+ok+`"}`); g.profile(1)["birthDate"] != ok+"T00:00:00.000Z" {
			t.Errorf("%s is read as %v", ok, g.profile(1)["birthDate"])
		}
	}
	for _, bad := range []string{`"1990-02-30"`, `"1900-02-29"`, `"1990-1-15"`, `"1990-13-01"`, `"1990-01"`, `"15-01-1990"`, `"1990-01-15T00:00:00.000Z"`,
		`" 1990-01-15"`, `"١٩٩٠-٠١-١٥"`, `""`, `19900115`, `true`, `[]`, `{}`} {
		if got := g.wrong(g.patch(1, `{"birthDate":`+bad+`}`)); !slices.Equal(got, []string{"birthDate"}) {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

// Trap: what is read back is not what was sent.
func TestCompletion(t *testing.T) {
	g := start(t, Options{})
	for _, c := range []struct{ field, sent, read string }{
		{"linkedIn", "jane-smith", "https://linkedin.com/in/jane-smith"},
		{"linkedIn", "jane.smith", "https://linkedin.com/in/jane.smith"},
		{"linkedIn", "linkedin.com/in/jane", "https://linkedin.com/in/jane"},
		{"linkedIn", "https://www.linkedin.com/in/jane/", "https://www.linkedin.com/in/jane/"},
		{"linkedIn", "http://linkedin.com/in/jane", "http://linkedin.com/in/jane"},
		{"website", "example.org", "https://example.org"},
		{"website", "example.org:8080/a?b=c", "https://example.org:8080/a?b=c"},
		{"website", "http://example.org", "http://example.org"},
		{"website", "HTTPS://example.org", "HTTPS://example.org"},
		{"portfolio", "example.org/work", "https://example.org/work"},
	} {
		body := fmt.Sprintf(`{%q:%q}`, c.field, c.sent)
		if g.updated(1, body); g.profile(1)[c.field] != c.read {
			t.Errorf("%s %q is read as %v", c.field, c.sent, g.profile(1)[c.field])
		}
		if g.updated(1, body) || g.updated(1, fmt.Sprintf(`{%q:%q}`, c.field, c.read)) {
			t.Errorf("%s %q: sending it again, or what was read, says updated", c.field, c.sent)
		}
	}
	// The limit is about what is sent.
	if long := strings.Repeat("x", 500); !g.updated(1, `{"website":"`+long+`"}`) || g.profile(1)["website"] != "https://"+long {
		t.Error("a website of 500 characters without a scheme is not taken")
	}
}

// items are, for each collection, the smallest item and one with everything.
var items = map[string][2]string{
	"summaries":    {`{"content":"c"}`, `{"title":"t","content":"c"}`},
	"projects":     {`{"name":"n","description":"d"}`, `{"name":"n","description":"d","organisation":"o","startDate":"2020-01-01","endDate":"2021-06","isCurrent":false,"url":"u"}`},
	"certificates": {`{"name":"n","issuer":"i"}`, `{"name":"n","issuer":"i","description":"d","issueDate":"2020-02-29","expiryDate":"2024","credentialId":"c","verificationUrl":"v"}`},
	"awards":       {`{"name":"n"}`, `{"name":"n","organisation":"o","description":"d","date":"2020-01-01"}`},
	"publications": {`{"name":"n"}`, `{"name":"n","publisher":"p","date":"2020-01-01","url":"u","description":"d"}`},
	"interests":    {`{"name":"n"}`, `{"name":"n","description":"d"}`},
	"jobTitles":    {`{"title":"t"}`, `{"title":"t"}`},
}

func TestItems(t *testing.T) {
	g := start(t, Options{})
	if len(items) != len(mokaruCollections) {
		t.Fatal("not every collection is tested")
	}
	for name, both := range items {
		for _, item := range both {
			g.updated(1, fmt.Sprintf(`{%q:[%s]}`, name, item))
			var want map[string]any
			if err := json.Unmarshal([]byte(item), &want); err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"startDate", "endDate", "issueDate", "expiryDate", "date"} {
				if s, ok := want[n].(string); ok && len(s) == len("2020-01-01") {
					want[n] = s + "T00:00:00.000Z"
				}
			}
			if got := g.profile(1)[name]; !reflect.DeepEqual(got, []any{want}) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
			// Append to what was read, and send it back.
			read, _ := json.Marshal(g.profile(1)[name])
			again := strings.TrimSuffix(string(read), "]") + "," + both[0] + "]"
			if g.updated(1, fmt.Sprintf(`{%q:%s}`, name, again)); len(g.profile(1)[name].([]any)) != 2 {
				t.Errorf("%s: appending to what was read: %v", name, g.profile(1)[name])
			}
		}
		var full, least map[string]any
		if json.Unmarshal([]byte(both[1]), &full) != nil || json.Unmarshal([]byte(both[0]), &least) != nil {
			t.Fatal(name)
		}
		refuse := func(item map[string]any, member string) {
			t.Helper()
			b, _ := json.Marshal(item)
			body := fmt.Sprintf(`{%q:[%s,%s]}`, name, both[0], b)
			if got := g.wrong(g.patch(1, body)); !slices.Equal(got, []string{name + "[1]." + member}) {
				t.Errorf("%s: %q", body, got)
			}
		}
		for member := range full {
			for _, v := range []any{nil, 1, []any{}, map[string]any{}} {
				bad := maps.Clone(full)
				bad[member] = v
				refuse(bad, member)
			}
			bad := maps.Clone(full)
			if bad[member] = true; member == "isCurrent" {
				bad[member] = "true"
			}
			refuse(bad, member)
		}
		for member := range least {
			bad := maps.Clone(full)
			delete(bad, member)
			refuse(bad, member)
		}
		for _, other := range []string{"id", "displayOrder", "Name", "content ", "organization"} {
			bad := maps.Clone(full)
			bad[other] = "x"
			refuse(bad, other)
		}
		for _, bad := range []string{`"x"`, `1`, `null`, `[]`, `true`} {
			if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:[%s]}`, name, bad))); !slices.Equal(got, []string{name + "[0]"}) {
				t.Errorf("%s with an item %s: %q", name, bad, got)
			}
			if bad == `[]` {
				continue
			}
			if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:%s}`, name, bad))); !slices.Equal(got, []string{name}) {
				t.Errorf("%s as %s: %q", name, bad, got)
			}
		}
	}
}

func TestCaps(t *testing.T) {
	g := start(t, Options{})
	for name, both := range items {
		most := 100
		if name == "jobTitles" {
			most = 50
		}
		list := func(n int) string {
			return fmt.Sprintf(`{%q:[%s]}`, name, strings.TrimSuffix(strings.Repeat(both[0]+",", n), ","))
		}
		if g.updated(1, list(most)); len(g.profile(1)[name].([]any)) != most {
			t.Errorf("%s: %d are not kept", name, most)
		}
		if got := g.wrong(g.patch(1, list(most+1))); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: %d: %q", name, most+1, got)
		}
	}
}

// Trap: a collection is replaced whole, [] clears it, and what is absent stays.
func TestCollectionsReplaceWhole(t *testing.T) {
	g := start(t, Options{})
	names := func(field string) (out []string) {
		for _, v := range g.profile(1)[field].([]any) {
			out = append(out, v.(map[string]any)["name"].(string))
		}
		return out
	}
	g.updated(1, `{"firstName":"Ada","projects":[{"name":"a","description":""},{"name":"b","description":""}],"interests":[{"name":"Chess"}]}`)
	if !g.updated(1, `{"projects":[{"name":"b","description":"edited"}]}`) {
		t.Error("not updated")
	}
	if got := names("projects"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("one sent project leaves %q", got)
	}
	if got := names("interests"); !slices.Equal(got, []string{"Chess"}) || g.profile(1)["firstName"] != "Ada" {
		t.Errorf("what was absent changed: %q", got)
	}
	if !g.updated(1, `{"projects":[]}`) || len(names("projects")) != 0 {
		t.Error("[] does not clear")
	}
	if g.updated(1, `{"projects":[]}`) || g.updated(1, `{"awards":[]}`) {
		t.Error("clearing what is empty says updated")
	}
	if g.updated(1, `{"projects":[{"name":"1","description":""},{"name":"2","description":""}]}`); !g.updated(1, `{"projects":[{"name":"2","description":""},{"name":"1","description":""}]}`) {
		t.Error("another order is not an update")
	}
}

func TestFreshProfileHasEveryField(t *testing.T) {
	g := start(t, Options{})
	p := g.profile(1)
	for name := range mokaruScalars {
		if v, ok := p[name]; !ok || v != nil {
			t.Errorf("%s: %v, %v", name, v, ok)
		}
	}
	for name := range mokaruCollections {
		if list, ok := p[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s: %v", name, p[name])
		}
	}
	for _, name := range []string{"workExperiences", "educations", "skills"} {
		if list, ok := p[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s: %v", name, p[name])
		}
	}
	if len(p) != 27 {
		t.Errorf("%d fields", len(p))
	}
}

func TestStrictJSON(t *testing.T) {
	g := start(t, Options{})
	deep := strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)
	for _, c := range []struct {
		body string
		want []string
	}{
		{``, []string{"body"}},
		{`{}`, []string{"body"}},
		{`null`, []string{"body"}},
		{`[]`, []string{"body"}},
		{`"x"`, []string{"body"}},
		{`{"firstName":"A"`, []string{"body"}},
		{`{"firstName":"A"} {}`, []string{"body"}},
		{`{"firstName":"A"}x`, []string{"body"}},
		{`{"firstName":"A",}`, []string{"body"}},
		{`{firstName:"A"}`, []string{"body"}},
		{"\ufeff" + `{"firstName":"A"}`, []string{"body"}},
		{"{\"firstName\":\"A\xff\"}", []string{"body"}},
		{"{\"first\xc0Name\":\"A\"}", []string{"body"}},
		{"{\"firstName\":\"a\nb\"}", []string{"body"}},
		{`{"firstName":"\ud83d"}`, []string{"body"}},
		{`{"firstName":"\ude00\ud83d"}`, []string{"body"}},
		{`{"firstName":"\ud83dx"}`, []string{"body"}},
		{`{"firstName":` + deep + `}`, []string{"body"}},
		{`{"firstName":"A","firstName":"A"}`, []string{"firstName"}},
		{`{"firstName":"A","first\u004eame":"B"}`, []string{"firstName"}},
		{`{"projects":[{"name":"a","name":"b","description":""}]}`, []string{"projects[0].name"}},
		{`{"FirstName":"A"}`, []string{"FirstName"}},
		{`{"first_name":"A"}`, []string{"first_name"}},
		{`{"seniority":"x"}`, []string{"seniority"}},
		{`{"skills":[]}`, []string{"skills"}},
		{`{"workExperiences":[]}`, []string{"workExperiences"}},
		{`{"":1}`, []string{""}},
		{`{"firstName":1}`, []string{"firstName"}},
		{`{"phone":{}}`, []string{"phone"}},
		{`{"linkedIn":["x"]}`, []string{"linkedIn"}},
		{`{"nope":1,"firstName":null,"email":"","phone":7,"birthDate":"1990-02-30","summary":"fine","awards":null,"projects":[{"name":"n"},{"name":null,"description":"d","x":1}],"phone":"1"}`,
			[]string{"phone", "nope", "firstName", "email", "phone", "birthDate", "awards", "projects[0].description", "projects[1].name", "projects[1].x"}},
	} {
		if got := g.wrong(g.patch(1, c.body)); !slices.Equal(got, c.want) {
			t.Errorf("%.80s: %q, want %q", c.body, got, c.want)
		}
	}
	for _, body := range []string{` { "firstName" : "\ud83d\ude00" } `, `{"firstName":"\\ud83d"}`, `{"firstName":"a\u0000b"}`} {
		g.updated(1, body)
	}
	if got := g.profile(1)["summary"]; got != nil {
		t.Errorf("a refused body had an effect: %v", got)
	}
}

func TestTransport(t *testing.T) {
	g := start(t, Options{})
	bearer := "Bearer " + key(1)
	for _, c := range []struct {
		contentType string
		want        int
	}{
		{"application/json", 200}, {"application/json; charset=utf-8", 200}, {"Application/JSON", 200},
		{"application/json; charset=latin1", 415}, {"text/plain", 415}, {"", 415}, {"application/merge-patch+json", 415},
		{"application/x-www-form-urlencoded", 415}, {"application/json;;", 415},
	} {
		a := g.do("PATCH", "/mokaru/v1/profile", `{"firstName":"A"}`, "Authorization", bearer, "Content-Type", c.contentType)
		if a.status != c.want {
			t.Errorf("Content-Type %q: %d", c.contentType, a.status)
		}
	}
	pad := func(n int) string {
		body := `{"linkedIn":"https://"}`
		return body + strings.Repeat(" ", n-len(body))
	}
	if a := g.patch(1, pad(1<<20)); a.status != http.StatusOK {
		t.Errorf("a body of 1 MiB: %d", a.status)
	}
	if a := g.patch(1, pad(1<<20+1)); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, `"error"`) {
		t.Errorf("a larger body: %d %s", a.status, a.body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if a := g.do(method, "/mokaru/v1/profile", "", "Authorization", bearer); a.status != 405 || a.header.Get("Allow") != "GET, PATCH" {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	for _, path := range []string{"/mokaru/v1/profile/", "/mokaru/v1", "/mokaru/v1/resume", "/other"} {
		if a := g.do("GET", path, "", "Authorization", bearer); a.status != 404 || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestKeys(t *testing.T) {
	g := start(t, Options{PerMinute: 20})
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, bad := range []string{"", "Bearer", "Bearer ", "Bearer mk_", "Bearer mk_" + hex[1:], "Bearer mk_" + hex + "0", "Bearer mk_" + strings.ToUpper(hex),
		"Bearer " + hex, "mk_" + hex, "Basic mk_" + hex, "Bearer  mk_" + hex, "Bearer mk_" + hex + " x", "Bearer MK_" + hex} {
		a := g.do("GET", "/mokaru/v1/profile", "", "Authorization", bad)
		if a.status != 401 || a.body != `{"error":"Invalid or expired API key"}`+"\n" || a.header.Get("X-RateLimit-Limit") != "20" {
			t.Errorf("%q: %d %s", bad, a.status, a.body)
		}
	}
	g.updated(1, `{"firstName":"One"}`)
	g.updated(2, `{"firstName":"Two"}`)
	if g.profile(1)["firstName"] != "One" || g.profile(2)["firstName"] != "Two" {
		t.Error("two keys share an account")
	}
}
