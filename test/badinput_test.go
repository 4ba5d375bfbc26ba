package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vitae/test/harness"
)

// TestBadInput sends what no client should. Each is answered with a clear error that names
// what is wrong, and never with its value; nothing of it reaches the ledger.
func TestBadInput(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(first())
	me := harness.Profile(id)
	as := []string{"X-Vitae-Profile", id}
	head := func(n int) uint64 {
		t.Helper()
		return admin.Must(200, patch, me, fmt.Sprintf(`{"headline":"mark %d"}`, n)).Edit(t).Seq
	}
	at := head(0)
	skill, _ := admin.Must(200, get, "/v1/skills", nil, as...).List(t)[0]["id"].(string)

	const secret = "Zq9-value-not-to-be-repeated"
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	cases := []struct {
		name, method, path, body string
		status                   int
		pointer                  string // that the problem names; "-" for none, "" for the body as a whole
		header                   []string
	}{
		{"not JSON", patch, me, `firstName=` + secret, 400, "", nil},
		{"nothing", patch, me, ``, 400, "", nil},
		{"cut off", patch, me, `{"firstName":"` + secret, 400, "*", nil},
		{"two values", patch, me, `{"city":"a"}{"city":"b"}`, 400, "*", nil},
		{"an array", patch, me, `["` + secret + `"]`, 400, "", nil},
		{"a text", patch, me, `"` + secret + `"`, 400, "", nil},
		{"null", patch, me, `null`, 400, "", nil},
		{"empty object", patch, me, `{}`, 400, "", nil},
		{"a number for a text", patch, me, `{"firstName":12345678901}`, 400, "/firstName", nil},
		{"a list for a text", patch, me, `{"firstName":["` + secret + `"]}`, 400, "/firstName", nil},
		{"an object for a text", patch, me, `{"firstName":{"x":"` + secret + `"}}`, 400, "/firstName", nil},
		{"a text for a list", patch, me, `{"projects":"` + secret + `"}`, 400, "/projects", nil},
		{"an object for a list", patch, me, `{"projects":{"name":"` + secret + `"}}`, 400, "/projects", nil},
		{"texts for items", patch, me, `{"projects":["` + secret + `"]}`, 400, "/projects/0", nil},
		{"a text for a boolean", patch, me, `{"nexudus":{"onNewWallPost":"` + secret + `"}}`, 400, "/nexudus/onNewWallPost", nil},
		{"a text for a provider's object", patch, me, `{"nexudus":"` + secret + `"}`, 400, "/nexudus", nil},
		{"unknown field", patch, me, `{"frstName":"` + secret + `"}`, 400, "/frstName", nil},
		{"unknown member of an item", patch, me, `{"projects":[{"name":"a","description":"b","colour":"` + secret + `"}]}`, 400, "/projects/0/colour", nil},
		{"unknown provider field", patch, me, `{"nexudus":{"nope":"` + secret + `"}}`, 400, "/nexudus/nope", nil},
		{"a name in other letters", patch, me, `{"FirstName":"` + secret + `"}`, 400, "/FirstName", nil},
		{"a pointer that needs escaping", patch, me, `{"a/b~c":"` + secret + `"}`, 400, "/a~1b~0c", nil},
		{"duplicate key", patch, me, `{"city":"a","city":"` + secret + `"}`, 400, "/city", nil},
		{"duplicate key in escapes", patch, me, `{"city":"a","\u0063ity":"b"}`, 400, "/city", nil},
		{"duplicate key inside", patch, me, `{"projects":[{"name":"a","name":"b","description":"c"}]}`, 400, "/projects/0/name", nil},
		{"duplicate item ids", patch, me, `{"skills":[{"id":"x","name":"a"},{"id":"x","name":"b"}]}`, 400, "/skills/1/id", nil},
		{"an id with a space", patch, me, `{"skills":[{"id":"x y","name":"a"}]}`, 400, "/skills/0/id", nil},
		{"a long id", patch, me, `{"skills":[{"id":"` + strings.Repeat("x", 65) + `","name":"a"}]}`, 400, "/skills/0/id", nil},
		{"broken UTF-8", patch, me, "{\"city\":\"a\xff\xfe\"}", 400, "*", nil},
		{"cut UTF-8", patch, me, "{\"city\":\"\xe2\x82\"}", 400, "*", nil},
		{"overlong UTF-8", patch, me, "{\"city\":\"\xc0\xaf\"}", 400, "*", nil},
		{"a surrogate in UTF-8", patch, me, "{\"city\":\"\xed\xa0\x80\"}", 400, "*", nil},
		{"a lone surrogate", patch, me, `{"city":"\ud800"}`, 400, "*", nil},
		{"surrogates the wrong way round", patch, me, `{"city":"\udc00\ud800"}`, 400, "*", nil},
		{"a control character", patch, me, "{\"city\":\"a\nb\"}", 400, "*", nil},
		{"a byte order mark", patch, me, "\ufeff{\"city\":\"a\"}", 400, "*", nil},
		{"a comment", patch, me, `{"city":"a"/*b*/}`, 400, "*", nil},
		{"a comma too many", patch, me, `{"city":"a",}`, 400, "*", nil},
		{"NaN", patch, me, `{"city":NaN}`, 400, "*", nil},
		{"absurd nesting of objects", patch, me, deep, 400, "*", nil},
		{"absurd nesting of arrays", patch, me, `{"projects":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, 400, "*", nil},
		{"a day that is none", patch, me, `{"birthDate":"1990-02-30"}`, 400, "/birthDate", nil},
		{"a file that is none", patch, me, `{"picture":"` + secret + `"}`, 400, "/picture", nil},
		{"an unknown file", patch, me, `{"picture":"sha256:` + strings.Repeat("0", 64) + `"}`, 400, "/picture", nil},
		{"a foreign scheme", patch, me, `{"website":"javascript:alert(1)"}`, 400, "/website", nil},
		{"ten megabytes of text", patch, me, `{"summary":"` + strings.Repeat("a", 10<<20) + `"}`, 413, "-", nil},
		{"ten megabytes of space", patch, me, strings.Repeat(" ", 10<<20) + `{"city":"a"}`, 413, "-", nil},
		{"no content type", patch, me, `{"city":"a"}`, 415, "-", []string{"Content-Type", ""}},
		{"a form", patch, me, `city=a`, 415, "-", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"text", patch, me, `{"city":"a"}`, 415, "-", []string{"Content-Type", "text/plain"}},
		{"another alphabet", patch, me, `{"city":"a"}`, 415, "-", []string{"Content-Type", "application/json; charset=iso-8859-1"}},
		{"a malformed content type", patch, me, `{"city":"a"}`, 415, "-", []string{"Content-Type", "application/json; charset"}},
		{"a compressed body", patch, me, "\x1f\x8b\x08", 415, "-", []string{"Content-Encoding", "gzip"}},
		{"a malformed If-Match", patch, me, `{"city":"a"}`, 412, "-", []string{"If-Match", `"` + secret + `"`}},
		{"an endless Idempotency-Key", patch, me, `{"city":"a"}`, 400, "-", []string{"Idempotency-Key", strings.Repeat("k", 5000)}},
		{"an unknown profile", patch, harness.Profile("01ARZ3NDEKTSV4RRFFQ69G5FAV"), `{"city":"a"}`, 404, "-", nil},
		{"a profile that is none", patch, harness.Profile("../../etc/passwd"), `{"city":"a"}`, 404, "-", nil},
		{"an id in small letters", patch, harness.Profile(strings.ToLower(id)), `{"city":"a"}`, 404, "-", nil},
		{"an unknown resume", patch, "/v1/resume/01ARZ3NDEKTSV4RRFFQ69G5FAV", `{"name":"a"}`, 404, "-", as},
		{"a scalar to a resume", patch, "/v1/resume/base", `{"city":"` + secret + `"}`, 400, "/city", as},
		{"a resume without a name", post, "/v1/resume", `{}`, 400, "/name", as},
		{"an item without its name", post, "/v1/skills", `{"level":"expert"}`, 400, "/name", as},
		{"an item with a wrong word", post, "/v1/skills", `{"name":"x","level":"` + secret + `"}`, 400, "/level", as},
		{"an item's name taken away", patch, "/v1/skills/" + skill, `{"name":null}`, 400, "/name", as},
		{"an item of nothing", patch, "/v1/skills/" + skill, `{}`, 400, "", as},
		{"an unknown item", patch, "/v1/skills/nope", `{"name":"x"}`, 404, "-", as},
		{"a wrong value in a new profile", post, "/v1/profiles", `{"email":"` + secret + `"}`, 400, "/email", nil},
		{"a key without scopes", post, "/v1/keys", `{"profile":"*","name":"x","scopes":[]}`, 400, "*", nil},
		{"a key with an unknown scope", post, "/v1/keys", `{"profile":"*","name":"x","scopes":["` + secret + `"]}`, 400, "*", nil},
		{"a connection to nobody", http.MethodPut, me + "/connections/monster", `{"credential":"` + secret + `"}`, 404, "-", nil},
		{"a connection with an unknown member", http.MethodPut, me + "/connections/mokaru", `{"credential":"` + secret + `","pasword":"x"}`, 400, "/pasword", nil},
		{"a method that is none", "BREW", me, `{}`, 405, "-", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := admin.Try(c.method, c.path, []byte(c.body), c.header...)
			if r.Status != c.status {
				t.Fatalf("%d, want %d: %.300s", r.Status, c.status, r.Body)
			}
			errs := r.Problem(t)
			switch e, named := errs[c.pointer]; {
			case c.pointer == "-":
			case c.pointer == "*" && len(errs) == 0, c.pointer != "*" && !named:
				t.Errorf("it does not name %q: %.300s", c.pointer, r.Body)
			case c.pointer != "*" && (e.Code == "" || len(e.Message) < 8):
				t.Errorf("it says too little: %.300s", r.Body)
			}
			if strings.Contains(string(r.Body), secret) {
				t.Errorf("it repeats the value: %.300s", r.Body)
			}
			if r.Header.Get("X-Request-Id") == "" {
				t.Error("no X-Request-Id")
			}
		})
	}
	for _, c := range []struct {
		path   string
		status int
	}{
		{harness.Profile(id, "/history?limit=x"), 400},
		{harness.Profile(id, "/history?limit=-1"), 400},
		{harness.Profile(id, "/history?after=nonsense"), 400},
		{harness.Profile(id, "?at="+secret), 400},
		{"/v1/nope", 404},
		{"/v1/profiles/" + id + "/nope", 404},
	} {
		if r := admin.Try(get, c.path, nil); r.Status != c.status || strings.Contains(string(r.Body), secret) {
			t.Errorf("GET %s: %d, want %d: %s", c.path, r.Status, c.status, r.Body)
		}
	}
	if now := head(1); now != at+1 {
		t.Errorf("the head moved from %d to %d: something of this is in the ledger", at, now-1)
	}
	whole(t, admin, id)
	if strings.Contains(s.Logs.String(), secret) {
		t.Error("a refused value is in the log")
	}
	// The largest body that is taken, and one byte more.
	body := func(n int) []byte {
		b := []byte(`{"city":"edge"}`)
		return append(b, strings.Repeat(" ", n-len(b))...)
	}
	admin.Must(413, patch, me, body(1<<20+1))
	admin.Must(200, patch, me, body(1<<20))
}
