package test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitae/test/harness"
)

// TestMokaruRules holds the server to every sentence of Mokaru's Update Profile page.
func TestMokaruRules(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com"})
	key, _ := admin.NewKey(id, "agent", "profile:read", "profile:write", "audit:read")
	own := s.Client(key)
	edit := func(body any) harness.Reply { return own.Try(patch, "/v1/profile", body) }
	must := func(want int, body any) harness.Reply { return own.Must(want, patch, "/v1/profile", body) }
	read := func() map[string]any { return own.Must(200, get, "/v1/profile", nil).Data(t) }

	must(200, `{"linkedIn":"jane-smith","website":"janesmith.com"}`)
	if e := must(200, `{"linkedIn":"https://linkedin.com/in/jane-smith","website":"https://janesmith.com"}`).Edit(t); e.Updated {
		t.Error("the normalised form written back is an edit")
	}

	// null clears fourteen fields and is an error for three.
	for _, name := range harness.MokaruScalars() {
		r := edit(fmt.Sprintf(`{%q:null}`, name))
		switch name {
		case "firstName", "lastName", "email":
			if r.Status != 400 || r.Problem(t)["/"+name].Code != "not_clearable" {
				t.Errorf("%s: null: %d %s", name, r.Status, r.Body)
			}
		default:
			if r.Status != 200 || read()[name] != nil {
				t.Errorf("%s: null: %d %s", name, r.Status, r.Body)
			}
		}
		if r := edit(fmt.Sprintf(`{%q:""}`, name)); r.Status != 400 || len(r.Problem(t)) != 1 {
			t.Errorf("%s: empty: %d %s", name, r.Status, r.Body)
		}
	}

	// Limits count code points, a composed character as one.
	for name, n := range map[string]int{"firstName": 100, "lastName": 100, "phone": 50, "address": 200, "country": 100, "province": 100, "driverLicense": 50,
		"gender": 50, "jobTitle": 200, "summary": 2000, "sector": 100, "employer": 200} {
		must(200, map[string]any{name: strings.Repeat("\u00e9", n)})
		must(200, map[string]any{name: strings.Repeat("e\u0301", n)})
		if r := edit(map[string]any{name: strings.Repeat("\U0001d11e", n+1)}); r.Status != 400 || r.Problem(t)["/"+name].Code != "too_long" {
			t.Errorf("%s: %d code points: %d %s", name, n+1, r.Status, r.Body)
		}
	}
	must(200, map[string]any{"website": "https://" + strings.Repeat("a", 488) + ".com"})
	if r := edit(map[string]any{"website": strings.Repeat("a", 489) + ".com"}); r.Status != 400 {
		t.Errorf("a website of 501 characters after https:// is added: %d", r.Status)
	}

	// Collections are replaced whole, [] empties, absent leaves alone, null is an error, and each has its cap.
	for name, one := range map[string]string{
		"summaries": `{"content":"%d"}`, "projects": `{"name":"%d","description":"d"}`, "certificates": `{"name":"%d","issuer":"i"}`, "awards": `{"name":"%d"}`,
		"publications": `{"name":"%d"}`, "interests": `{"name":"%d"}`, "jobTitles": `{"title":"%d"}`,
	} {
		most := 100
		if name == "jobTitles" {
			most = 50
		}
		list := func(n int) string {
			items := make([]string, n)
			for i := range items {
				items[i] = fmt.Sprintf(one, i)
			}
			return fmt.Sprintf(`{%q:[%s]}`, name, strings.Join(items, ","))
		}
		length := func() int { l, _ := read()[name].([]any); return len(l) }
		must(200, list(most))
		must(200, `{"city":"`+name+`"}`)
		if n := length(); n != most {
			t.Errorf("%s: %d items of %d", name, n, most)
		}
		if r := edit(list(most + 1)); r.Status != 400 || r.Problem(t)["/"+name].Code != "too_many_items" {
			t.Errorf("%s: %d items: %d %.200s", name, most+1, r.Status, r.Body)
		}
		must(200, list(2))
		if n := length(); n != 2 {
			t.Errorf("%s: %d items after a list of 2", name, n)
		}
		must(400, fmt.Sprintf(`{%q:null}`, name))
		must(200, fmt.Sprintf(`{%q:[]}`, name))
		if n := length(); n != 0 {
			t.Errorf("%s: %d items after []", name, n)
		}
	}

	// Nothing to change is an error, and one wrong field stops all.
	must(400, `{}`)
	r := must(400, `{"sector":"kept out","email":"not an address","projects":[{"name":"p"}],"nope":1,"gender":7}`)
	errs := r.Problem(t)
	for _, pointer := range []string{"/email", "/projects/0/description", "/nope", "/gender"} {
		if errs[pointer].Message == "" {
			t.Errorf("the refusal does not name %s: %s", pointer, r.Body)
		}
	}
	if len(errs) != 4 || read()["sector"] == "kept out" {
		t.Errorf("a refused edit: %s", r.Body)
	}
	// Who does not ask for a problem document gets Mokaru's own envelope.
	r = own.Must(400, patch, "/v1/profile", `{"email":"x"}`, "Accept", "")
	var envelope struct {
		Error   string
		Details any
	}
	if r.Into(t, &envelope); envelope.Error == "" || envelope.Details == nil {
		t.Errorf("Mokaru's envelope: %s", r.Body)
	}
	whole(t, admin, id)

	scopes(t, s, admin, id)
}

// scopes checks who may do what.
func scopes(t *testing.T, s *harness.Server, admin *harness.Client, id string) {
	other := admin.Create(nil)
	reader, _ := admin.NewKey(id, "reader", "profile:read")
	writer, writerID := admin.NewKey(id, "writer", "profile:write")
	every, _ := admin.NewKey("*", "every", "profile:read", "profile:write")
	for _, c := range []struct {
		key, method, path, body string
		want                    int
	}{
		{"", get, "/v1/profile", "", 401},
		{"vk_unknown", get, "/v1/profile", "", 401},
		{reader, get, "/v1/profile", "", 200},
		{reader, patch, "/v1/profile", `{"city":"x"}`, 403},
		{writer, patch, "/v1/profile", `{"city":"x"}`, 200},
		{writer, get, "/v1/profile", "", 403}, // writing does not include reading
		{reader, get, harness.Profile(other), "", 403},
		{reader, get, harness.Profile("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "", 403}, // unknown and foreign look alike
		{every, get, harness.Profile("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "", 404},
		{every, get, harness.Profile(other), "", 200},
		{every, get, "/v1/profile", "", 400}, // which profile?
		{every, post, "/v1/profiles", "{}", 403},
		{reader, get, "/v1/sinks", "", 403},
		{reader, get, harness.Profile(id, "/history"), "", 403},
		{reader, get, "/v1/keys", "", 403},
		{"", get, "/livez", "", 200},
		{"", get, "/readyz", "", 200},
		{"", get, "/metrics", "", 200},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		if r := s.Client(c.key).Try(c.method, c.path, body); r.Status != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, r.Status, c.want, r.Body)
		}
	}
	// The other header carries a key as well.
	s.Client("").Must(200, get, "/v1/profile", nil, "X-API-KEY", reader)
	admin.Try(http.MethodDelete, "/v1/keys/"+writerID, nil)
	s.Client(writer).Must(401, patch, "/v1/profile", `{"city":"y"}`)
}

// TestRateLimit: 20 writes a minute by default, as the page says, and the answer tells when to come back.
func TestRateLimit(t *testing.T) {
	s := harness.Start(t, harness.Options{Config: "allow_private_webhooks = false\n"})
	admin := s.Admin()
	id := admin.Create(nil)
	key, _ := admin.NewKey(id, "agent", "profile:write", "profile:read")
	own := s.Client(key)
	taken := 0
	var last harness.Reply
	for i := range 25 {
		last = own.Try(patch, "/v1/profile", fmt.Sprintf(`{"city":"%d"}`, i))
		if last.Status != 200 {
			break
		}
		taken++
		left, err := strconv.Atoi(last.Header.Get("X-RateLimit-Remaining"))
		if err != nil || last.Header.Get("X-RateLimit-Limit") != "20" || last.Header.Get("RateLimit") == "" || last.Header.Get("RateLimit-Policy") == "" {
			t.Fatalf("rate headers: %v", last.Header)
		}
		if i == 0 && left != 19 {
			t.Errorf("%d left after the first", left)
		}
	}
	// A slow machine may have earned some back meanwhile.
	if taken < 20 || taken > 22 || last.Status != 429 {
		t.Fatalf("%d writes were taken, then %d", taken, last.Status)
	}
	if wait, err := strconv.Atoi(last.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q", last.Header.Get("Retry-After"))
	}
	if ms, err := strconv.ParseInt(last.Header.Get("X-RateLimit-Reset"), 10, 64); err != nil || time.UnixMilli(ms).Before(time.Now().Add(-time.Minute)) {
		t.Errorf("X-RateLimit-Reset %q", last.Header.Get("X-RateLimit-Reset"))
	}
	own.Must(200, get, "/v1/profile", nil) // reading has a limit of its own
	admin.Must(200, patch, harness.Profile(id), `{"city":"admin"}`)
}
