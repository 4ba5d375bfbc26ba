package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

func TestProfile(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)

	a := w.must(200, call{method: "GET", path: "/v1/profile", key: key})
	if a.header.Get("ETag") != `"1"` || a.header.Get("X-Vitae-Profile") != id.String() || a.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("headers %v", a.header)
	}
	data := a.json(t)["data"].(map[string]any)
	if data["firstName"] != "Jane" || data["summary"] != nil || len(data["skills"].([]any)) != 0 || data["id"] != nil {
		t.Errorf("data %v", data)
	}
	w.must(304, call{method: "GET", path: "/v1/profile", key: key, header: map[string]string{"If-None-Match": `"7", W/"1"`}})
	if a := w.must(200, call{method: "HEAD", path: "/v1/profile", key: key}); a.header.Get("ETag") != `"1"` {
		t.Errorf("HEAD: %v", a.header)
	}

	a = w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"Builder.","linkedIn":"jane-smith"}`,
		typ: "application/merge-patch+json; charset=UTF-8", header: map[string]string{"If-Match": `"1"`, "X-Vitae-Reason": "new job"}})
	if a.body != `{"success":true,"updated":true,"seq":2,"fields":["summary","linkedIn"]}` || a.header.Get("ETag") != `"2"` {
		t.Errorf("PATCH: %s %v", a.body, a.header)
	}
	a = w.must(200, call{method: "PATCH", path: "/v1/profiles/" + id.String(), key: key, body: `{"summary":"Builder."}`})
	if a.body != `{"success":true,"updated":false,"seq":2,"fields":[]}` {
		t.Errorf("no-op: %s", a.body)
	}
	a = w.must(412, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"If-Match": `"1"`}})
	if a.header.Get("X-Vitae-Seq") != "2" {
		t.Errorf("412: %v", a.header)
	}
	w.must(412, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"If-Match": `W/"2"`}})
	w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"If-Match": `"1", "2"`}})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":null}`, header: map[string]string{"If-Match": `*`}})

	a = w.must(200, call{method: "PATCH", path: "/v1/profile?dryRun=true", key: key, body: `{"summary":"y"}`})
	if a.body != `{"success":true,"updated":true,"seq":3,"fields":["summary"],"dryRun":true}` || w.com.Head() != 3 {
		t.Errorf("dry run: %s, head %d", a.body, w.com.Head())
	}
	w.must(400, call{method: "PATCH", path: "/v1/profile?dryRun=maybe", key: key, body: `{"summary":"y"}`})
	w.must(400, call{method: "PATCH", path: "/v1/profile?dryRun=true&dryRun=false", key: key, body: `{"summary":"y"}`})

	// The first phone number's type is hidden; callers know it as phones.
	a = w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"phones":[{"number":"+33 1","type":"work"}]}`})
	if f := fmt.Sprint(a.json(t)["fields"]); f != "[phones]" {
		t.Errorf("fields %s", f)
	}
}

func TestAt(t *testing.T) {
	w := newWorld(t, Config{})
	w.person(`{"firstName":"Other"}`) // sequence 1: the profile below is not there yet
	w.clock.add(1e9)
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	w.clock.add(1e9)
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"firstName":"Janet"}`})
	w.must(201, call{method: "POST", path: "/v1/resume", key: key, body: `{"name":"Design"}`})
	for _, c := range []struct {
		at     string
		status int
		name   string
		cache  string
	}{
		{"2", 200, "Jane", "immutable"},
		{"3", 200, "Janet", "immutable"},
		{"2026-05-03T10:14:01Z", 200, "Jane", "no-cache"},
		{"2026-05-03T10:14:02Z", 200, "Janet", "no-cache"},
		{"2026-05-03T12:14:01.5%2B02:00", 200, "Jane", "no-cache"},
		{"1", 404, "", ""}, {"0", 404, "", ""}, {"2026-05-03T10:14:00Z", 404, "", ""}, {"1999-01-01T00:00:00Z", 404, "", ""},
		{"5", 400, "", ""}, {"99999999999999999999", 400, "", ""}, {"-1", 400, "", ""}, {"x", 400, "", ""}, {"", 400, "", ""},
		{"2026-05-03", 400, "", ""}, {"2027-01-01T00:00:00Z", 400, "", ""}, {"2&at=3", 400, "", ""}, {"%zz", 400, "", ""},
	} {
		a := w.do(call{method: "GET", path: "/v1/profile?at=" + c.at, key: key})
		if a.status != c.status {
			t.Errorf("at=%s: %d, want %d: %s", c.at, a.status, c.status, a.body)
			continue
		}
		if c.status == 200 {
			if got := a.json(t)["data"].(map[string]any)["firstName"]; got != c.name || !strings.Contains(a.header.Get("Cache-Control"), c.cache) {
				t.Errorf("at=%s: %v, %s", c.at, got, a.header.Get("Cache-Control"))
			}
		}
	}
	// An hour later no commit can get a time that is past.
	w.clock.add(3600e9)
	a := w.must(200, call{method: "GET", path: "/v1/profile?at=2026-05-03T10:14:01Z", key: key})
	if !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.header.Get("ETag") != `"2"` {
		t.Errorf("headers %v", a.header)
	}
	// Every other read of section "profiles and resumes" takes it too.
	if a := w.must(200, call{method: "GET", path: "/v1/resume?at=3", key: key}); len(a.json(t)["data"].([]any)) != 1 {
		t.Errorf("resumes at 3: %s", a.body)
	}
	w.must(200, call{method: "GET", path: "/v1/resume/base?at=2", key: key})
	w.must(200, call{method: "GET", path: "/v1/skills?at=2", key: key})
}

func TestResumesAndItems(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	a := w.must(201, call{method: "POST", path: "/v1/resume", key: key, body: `{"name":"Design"}`})
	made := a.json(t)
	resume := made["id"].(string)
	if made["success"] != true || len(resume) != 26 {
		t.Errorf("made %v", made)
	}
	a = w.must(200, call{method: "GET", path: "/v1/resume/" + resume, key: key})
	data := a.json(t)["data"].(map[string]any)
	if data["id"] != resume || data["name"] != "Design" || data["isDefault"] != false || data["firstName"] != "Jane" || len(data["projects"].([]any)) != 1 || data["createdAt"] == nil || data["updatedAt"] == nil {
		t.Errorf("resume %v", data)
	}
	a = w.must(200, call{method: "GET", path: "/v1/resume?limit=1", key: key})
	page := a.json(t)
	if page["total"] != 2.0 || page["hasMore"] != true || page["next"] != "1" || page["data"].([]any)[0].(map[string]any)["isDefault"] != true {
		t.Errorf("page %v", page)
	}
	a = w.must(200, call{method: "GET", path: "/v1/resume?after=1", key: key})
	if page := a.json(t); page["next"] != nil || page["data"].([]any)[0].(map[string]any)["id"] != resume {
		t.Errorf("page %v", page)
	}
	w.must(400, call{method: "GET", path: "/v1/resume?limit=0", key: key})
	w.must(400, call{method: "GET", path: "/v1/resume?offset=-1", key: key})
	w.must(200, call{method: "PATCH", path: "/v1/resume/" + resume, key: key, body: `{"name":"Art","projects":[]}`})
	w.must(400, call{method: "PATCH", path: "/v1/resume/" + resume, key: key, body: `{"firstName":"No"}`})
	w.must(400, call{method: "POST", path: "/v1/resume", key: key, body: `{}`})
	w.must(404, call{method: "GET", path: "/v1/resume/01J8Z3K5V6Q7R8S9T0V1W2X3Y4", key: key})
	w.must(404, call{method: "PATCH", path: "/v1/resume/01J8Z3K5V6Q7R8S9T0V1W2X3Y4", key: key, body: `{"name":"x"}`})
	w.must(409, call{method: "DELETE", path: "/v1/resume/base", key: key})
	if a := w.must(200, call{method: "DELETE", path: "/v1/resume/" + resume, key: key}); a.body != `{"success":true}` {
		t.Errorf("deleted: %s", a.body)
	}
	w.must(404, call{method: "DELETE", path: "/v1/resume/" + resume, key: key})

	for path, item := range map[string]string{
		"/v1/experiences": `{"jobTitle":"Dev","company":"ACME"}`, "/v1/education": `{"school":"MIT"}`, "/v1/skills": `{"name":"Go","level":"expert"}`,
	} {
		a := w.must(201, call{method: "POST", path: path, key: key, body: item})
		made := a.json(t)
		one := path + "/" + made["id"].(string)
		if made["success"] != true || len(made) != 2 {
			t.Errorf("%s: %s", path, a.body)
		}
		a = w.must(200, call{method: "GET", path: path, key: key})
		if page := a.json(t); page["total"] != 1.0 || page["hasMore"] != false || page["limit"] != 100.0 || page["offset"] != 0.0 {
			t.Errorf("%s: %s", path, a.body)
		}
		if a := w.must(200, call{method: "GET", path: one, key: key}); a.json(t)["data"].(map[string]any)["id"] != made["id"] {
			t.Errorf("%s: %s", one, a.body)
		}
		name := map[string]string{"/v1/experiences": "company", "/v1/education": "school", "/v1/skills": "name"}[path]
		if a := w.must(200, call{method: "PATCH", path: one, key: key, body: `{"` + name + `":"Other"}`}); a.body != `{"success":true}` {
			t.Errorf("%s: %s", one, a.body)
		}
		w.must(400, call{method: "PATCH", path: one, key: key, body: `{"` + name + `":null}`})
		w.must(400, call{method: "POST", path: path, key: key, body: `{"nope":1}`})
		w.must(200, call{method: "DELETE", path: one, key: key})
		w.must(404, call{method: "DELETE", path: one, key: key})
		w.must(404, call{method: "GET", path: one, key: key})
		w.must(404, call{method: "PATCH", path: one, key: key, body: `{"` + name + `":"Other"}`})
	}
}

// TestKeysAndScopes goes through who may do what.
func TestKeysAndScopes(t *testing.T) {
	w := newWorld(t, Config{})
	id, other := w.person(jane), w.person(jane)
	all := w.key(ledger.ProfileID{}, keys.All&^keys.Admin)
	equal := w.key(ledger.ProfileID{}, keys.Admin)
	own := func(s keys.Scope) string { return w.key(id, s) }
	mine, foreign, unknown := id.String(), other.String(), "01J8Z3K5V6Q7R8S9T0V1W2X3Y4"
	as := func(p string) map[string]string { return map[string]string{"X-Vitae-Profile": p} }
	for _, c := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"no key", call{method: "GET", path: "/v1/profile"}, 401, "KEY_MISSING"},
		{"unknown key", call{method: "GET", path: "/v1/profile", key: "vt_live_nobody"}, 401, "KEY_INVALID"},
		{"basic", call{method: "GET", path: "/v1/profile", header: map[string]string{"Authorization": "Basic eA=="}}, 401, "KEY_MISSING"},
		{"X-API-KEY", call{method: "GET", path: "/v1/profile", header: map[string]string{"X-API-KEY": own(keys.ProfileRead)}}, 200, ""},
		{"write does not read", call{method: "GET", path: "/v1/profile", key: own(keys.ProfileWrite)}, 403, "SCOPE_MISSING"},
		{"read does not write", call{method: "PATCH", path: "/v1/profile", key: own(keys.ProfileRead), body: `{"summary":"x"}`}, 403, "SCOPE_MISSING"},
		{"own by name", call{method: "GET", path: "/v1/profiles/" + mine, key: own(keys.ProfileRead)}, 200, ""},
		{"own by header", call{method: "GET", path: "/v1/profile", key: own(keys.ProfileRead), header: as(mine)}, 200, ""},
		{"foreign", call{method: "GET", path: "/v1/profiles/" + foreign, key: own(keys.ProfileRead)}, 403, "FOREIGN_PROFILE"},
		{"unknown", call{method: "GET", path: "/v1/profiles/" + unknown, key: own(keys.ProfileRead)}, 403, "FOREIGN_PROFILE"},
		{"malformed", call{method: "GET", path: "/v1/profiles/x", key: own(keys.ProfileRead)}, 403, "FOREIGN_PROFILE"},
		{"foreign by header", call{method: "GET", path: "/v1/profile", key: own(keys.ProfileRead), header: as(foreign)}, 403, "FOREIGN_PROFILE"},
		{"all, none named", call{method: "GET", path: "/v1/profile", key: all}, 400, "PROFILE_MISSING"},
		{"all, named", call{method: "GET", path: "/v1/profile", key: all, header: as(mine)}, 200, ""},
		{"all, unknown", call{method: "GET", path: "/v1/profiles/" + unknown, key: all}, 404, "NOT_FOUND"},
		{"all, unknown by header", call{method: "GET", path: "/v1/profile", key: all, header: as(unknown)}, 404, "NOT_FOUND"},
		{"all, malformed", call{method: "GET", path: "/v1/profiles/x", key: all}, 404, "NOT_FOUND"},
		{"all, malformed header", call{method: "GET", path: "/v1/profile", key: all, header: as("x")}, 400, "PROFILE_INVALID"},
		{"write unknown", call{method: "PATCH", path: "/v1/profiles/" + unknown, key: all, body: `{"summary":"x"}`}, 404, "NOT_FOUND"},
		{"admin, none named", call{method: "GET", path: "/v1/profile", key: adminText}, 400, "PROFILE_MISSING"},
		{"admin, named", call{method: "GET", path: "/v1/profile", key: adminText, header: as(mine)}, 200, ""},
		{"scope admin equals it", call{method: "GET", path: "/v1/keys", key: equal}, 200, ""},
		{"creating needs admin", call{method: "POST", path: "/v1/profiles", key: all}, 403, "SCOPE_MISSING"},
		{"erasing needs admin", call{method: "DELETE", path: "/v1/profiles/" + mine, key: own(keys.All &^ keys.Admin)}, 403, "SCOPE_MISSING"},
		{"sinks need all profiles", call{method: "GET", path: "/v1/sinks", key: own(keys.Operate)}, 403, ""},
		{"sinks", call{method: "GET", path: "/v1/sinks", key: all}, 200, ""},
		{"history needs audit", call{method: "GET", path: "/v1/profiles/" + mine + "/history", key: own(keys.ProfileRead)}, 403, ""},
		{"history", call{method: "GET", path: "/v1/profiles/" + mine + "/history", key: own(keys.AuditRead)}, 200, ""},
		{"fields are open to any key", call{method: "GET", path: "/v1/fields", key: own(keys.EventsRead)}, 200, ""},
		{"connections by read", call{method: "GET", path: "/v1/profiles/" + mine + "/connections", key: own(keys.ProfileRead)}, 200, ""},
		{"connections by operate", call{method: "GET", path: "/v1/profiles/" + mine + "/connections", key: own(keys.Operate)}, 200, ""},
		{"connections by write", call{method: "GET", path: "/v1/profiles/" + mine + "/connections", key: own(keys.ProfileWrite)}, 403, ""},
		{"connect by own write", call{method: "PUT", path: "/v1/profiles/" + mine + "/connections/mokaru", key: own(keys.ProfileWrite), body: `{"credential":"c"}`}, 200, ""},
		{"connect by write on all", call{method: "PUT", path: "/v1/profiles/" + mine + "/connections/mokaru", key: w.key(ledger.ProfileID{}, keys.ProfileWrite), body: `{"credential":"c"}`}, 403, ""},
		{"connect by operate on all", call{method: "PUT", path: "/v1/profiles/" + mine + "/connections/mokaru", key: w.key(ledger.ProfileID{}, keys.Operate), body: `{"credential":"d"}`}, 200, ""},
		{"connect foreign", call{method: "PUT", path: "/v1/profiles/" + foreign + "/connections/mokaru", key: own(keys.ProfileWrite), body: `{}`}, 403, ""},
		{"views", call{method: "GET", path: "/v1/views", key: own(keys.Operate)}, 403, ""},
	} {
		a := w.do(c.call)
		if a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.status, a.body)
			continue
		}
		if c.code != "" && a.json(t)["code"] != c.code {
			t.Errorf("%s: %s, want the code %s", c.name, a.body, c.code)
		}
		if (a.status == 401) != (a.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate %q", c.name, a.header.Get("WWW-Authenticate"))
		}
	}
	// To a key of one profile, a foreign and an unknown profile are the same.
	k := own(keys.ProfileRead)
	id1 := map[string]string{"X-Request-Id": "same"}
	a := w.do(call{method: "GET", path: "/v1/profiles/" + foreign, key: k, header: id1})
	b := w.do(call{method: "GET", path: "/v1/profiles/" + unknown, key: k, header: id1})
	if a.body != b.body || a.status != b.status {
		t.Errorf("foreign %s, unknown %s", a.body, b.body)
	}
}

func TestErased(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.All&^keys.Admin)
	if a := w.must(200, call{method: "DELETE", path: "/v1/profiles/" + id.String() + "?dryRun=true", key: adminText}); !strings.Contains(a.body, `"dryRun":true`) {
		t.Error(a.body)
	}
	w.must(200, call{method: "GET", path: "/v1/profile", key: key})
	a := w.must(200, call{method: "DELETE", path: "/v1/profiles/" + id.String(), key: adminText})
	if r := a.json(t)["receipt"].(map[string]any); r["profile"] != id.String() || r["seq"] != 2.0 {
		t.Errorf("receipt %s", a.body)
	}
	named := map[string]string{"X-Vitae-Profile": id.String()}
	for _, c := range []call{
		{method: "GET", path: "/v1/profile", key: key},
		{method: "GET", path: "/v1/profile?at=1", key: key},
		{method: "GET", path: "/v1/profile", key: adminText, header: named},
		{method: "GET", path: "/v1/resume", key: key},
		{method: "GET", path: "/v1/skills", key: key},
		{method: "GET", path: "/v1/files/sha256:" + strings.Repeat("0", 64), key: key},
		{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`},
		{method: "POST", path: "/v1/resume", key: key, body: `{"name":"x"}`},
		{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/mokaru", key: key, body: `{"credential":"c"}`},
		{method: "GET", path: "/v1/profiles/" + id.String() + "/connections", key: key},
		{method: "GET", path: "/v1/profiles/" + id.String() + "/history", key: key},
		{method: "DELETE", path: "/v1/profiles/" + id.String(), key: adminText},
	} {
		w.must(410, c)
	}
	auditor := w.key(ledger.ProfileID{}, keys.AuditRead|keys.ValuesRead)
	a = w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String() + "/history", key: auditor})
	events := a.json(t)["data"].([]any)
	for _, e := range events {
		e := e.(map[string]any)
		if v, there := e["value"]; v != nil || !there || e["previous"] != nil || e["erased"] != true {
			t.Errorf("event %v", e)
		}
	}
	if last := events[len(events)-1].(map[string]any); last["op"] != "erased" {
		t.Errorf("last %v", last)
	}
}

func TestForms(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	bad := `{"firstName":null,"nope":1}`
	a := w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: bad})
	if v := a.json(t); a.header.Get("Content-Type") != "application/json" || v["code"] != "INVALID_REQUEST" || len(v["details"].([]any)) != 2 || v["error"] == "" {
		t.Errorf("Mokaru's form: %s", a.body)
	}
	a = w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: bad, header: map[string]string{"Accept": "application/json, application/problem+json;q=0.9", "X-Request-Id": "r-1"}})
	v := a.json(t)
	if a.header.Get("Content-Type") != "application/problem+json" || v["type"] != "/problems/invalid_request" || v["instance"] != "urn:request:r-1" || v["status"] != 400.0 || v["title"] != "Bad Request" {
		t.Errorf("problem: %s", a.body)
	}
	for _, e := range v["errors"].([]any) {
		if e := e.(map[string]any); e["pointer"] == "" || e["code"] == "" || e["message"] == "" {
			t.Errorf("error %v", e)
		}
	}
	if a := w.must(404, call{method: "GET", path: "/v1/nothing", key: key}); a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("unknown path: %v", a.header)
	}
	for _, path := range []string{"/v1//profile", "/v1/./profile", "/v1/profile/", "/v1/x/../profile"} {
		w.must(404, call{method: "GET", path: path, key: key})
	}
	a = w.must(405, call{method: "PUT", path: "/v1/profile", key: key})
	if a.header.Get("Allow") != "GET, HEAD, OPTIONS, PATCH" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("405: %v", a.header)
	}
	if a := w.must(405, call{method: "BREW", path: "/v1/sinks", key: key}); a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("405: %v", a.header)
	}
	a = w.must(204, call{method: "OPTIONS", path: "/v1/profile"})
	if a.header.Get("Allow") != "GET, HEAD, OPTIONS, PATCH" || a.header.Get("Accept-Patch") == "" {
		t.Errorf("OPTIONS: %v", a.header)
	}
	// Every code of an error is explained.
	for code := range meanings() {
		w.must(200, call{method: "GET", path: "/problems/" + code})
	}
	w.must(404, call{method: "GET", path: "/problems/nothing"})
}

func TestRequestID(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	for given, kept := range map[string]bool{"abc-1": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "é": false, `"`: false, "": false} {
		a := w.do(call{method: "GET", path: "/v1/profile", key: key, header: map[string]string{"X-Request-Id": given}})
		got := a.header.Get("X-Request-Id")
		if (got == given) != kept || got == "" {
			t.Errorf("given %q, got %q", given, got)
		}
	}
	if a := w.do(call{method: "GET", path: "/livez"}); a.header.Get("X-Request-Id") == "" {
		t.Error("no request id on an open route")
	}
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"X-Request-Id": "mine", "X-Vitae-Via": "import", "X-Vitae-Reason": "why é"}})
	m := w.submitted[len(w.submitted)-1].Meta
	if m.RequestID != "mine" || m.Via != "import" || m.Reason != "why é" || !strings.HasPrefix(m.Actor, "key:") {
		t.Errorf("meta %+v", m)
	}
	w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"X-Vitae-Reason": "\xff"}})
	w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"X-Vitae-Reason": strings.Repeat("é", 1001)}})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"X-Vitae-Reason": strings.Repeat("é", 1000)}})
}

// TestBadBodies: whatever is wrong with a body is said, and no command is submitted.
func TestBadBodies(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	before := w.submits()
	big := `{"summary":"` + strings.Repeat("x", 10<<20) + `"}`
	for _, c := range []struct {
		name, body, typ string
		status          int
		pointer, code   string
	}{
		{"not JSON", `{`, "", 400, "", "invalid_json"},
		{"empty", ``, "application/json", 400, "", "invalid_json"},
		{"trailing", `{"summary":"x"} 1`, "", 400, "", "invalid_json"},
		{"duplicate key", `{"summary":"x","summary":"y"}`, "", 400, "/summary", "duplicate"},
		{"broken UTF-8", "{\"summary\":\"\xff\"}", "", 400, "", "invalid_json"},
		{"lone surrogate", `{"summary":"\ud800"}`, "", 400, "", "invalid_json"},
		{"absurd nesting", strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "", 400, "", ""},
		{"array", `[]`, "", 400, "", "wrong_type"},
		{"null", `null`, "", 400, "", "wrong_type"},
		{"nothing to do", `{}`, "", 400, "", ""},
		{"wrong type", `{"firstName":1}`, "", 400, "/firstName", "wrong_type"},
		{"unknown field", `{"firstname":"x"}`, "", 400, "/firstname", "unknown_field"},
		{"not clearable", `{"email":null}`, "", 400, "/email", "not_clearable"},
		{"empty text", `{"summary":""}`, "", 400, "/summary", "empty"},
		{"too long", `{"firstName":"` + strings.Repeat("é", 101) + `"}`, "", 400, "/firstName", "too_long"},
		{"null list", `{"projects":null}`, "", 400, "/projects", ""},
		{"item", `{"projects":[{"name":"x"}]}`, "", 400, "/projects/0/description", "required"},
		{"10 MB", big, "", 413, "", ""},
		{"no content type", `{"summary":"x"}`, "-", 415, "", ""},
		{"text", `{"summary":"x"}`, "text/plain", 415, "", ""},
		{"latin1", `{"summary":"x"}`, "application/json; charset=iso-8859-1", 415, "", ""},
		{"malformed type", `{"summary":"x"}`, "application/json; charset", 415, "", ""},
	} {
		a := w.do(call{method: "PATCH", path: "/v1/profile", key: key, body: c.body, typ: c.typ})
		if a.status != c.status {
			t.Errorf("%s: %d, want %d: %.200s", c.name, a.status, c.status, a.body)
			continue
		}
		if c.status == 415 && a.header.Get("Accept-Patch") != acceptPatch {
			t.Errorf("%s: Accept-Patch %q", c.name, a.header.Get("Accept-Patch"))
		}
		if c.status != 400 {
			continue
		}
		var v struct{ Details []ledger.FieldError }
		if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Details) != 1 {
			t.Errorf("%s: %s", c.name, a.body)
			continue
		}
		if d := v.Details[0]; c.pointer != "" && d.Pointer != c.pointer || c.code != "" && d.Code != c.code {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
	a := w.do(call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"Content-Encoding": "gzip"}})
	if a.status != 415 {
		t.Errorf("compressed: %d", a.status)
	}
	if n := w.submits() - before; n != 0 {
		t.Errorf("%d commands were submitted", n)
	}
	// All mistakes at once.
	a = w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"firstName":1,"lastName":null,"x":2,"birthDate":"1990-13-01","projects":[{}]}`})
	if n := len(a.json(t)["details"].([]any)); n < 6 {
		t.Errorf("%d mistakes are told: %s", n, a.body)
	}
}

// TestChunkedTooLarge: a body that does not say how long it is is bounded all the same.
func TestChunkedTooLarge(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	r, err := http.NewRequest("PATCH", "/v1/profile", struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", 2<<20))})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	w.srv.Handler().ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("status %d", rec.Code)
	}
}

// TestOutcomes: each error of the committer has its status.
func TestOutcomes(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	for _, c := range []struct {
		err    error
		status int
		retry  bool
	}{
		{ledger.Refuse("/x", ledger.CodeFormat, "is wrong"), 400, false},
		{ledger.ErrNotFound, 404, false}, {ledger.ErrExists, 409, false}, {ledger.ErrNotAllowed, 409, false}, {ledger.ErrErased, 410, false},
		{ledger.ErrPrecondition, 412, false}, {ledger.ErrIdemMismatch, 422, false}, {ledger.ErrIdemBusy, 409, true}, {ledger.ErrConflict, 409, true},
		{ledger.ErrUnknown, 504, true}, {ledger.ErrCapacity, 507, true}, {ledger.ErrUnavailable, 503, true}, {context.DeadlineExceeded, 503, true},
		{&ledger.ChainError{Seq: 7, Why: "it was changed"}, 500, false}, {errFault, 500, false},
	} {
		w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) {
			return ledger.Reply{}, fmt.Errorf("submit: %w", c.err)
		}
		a := w.do(call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`})
		if a.status != c.status || (a.header.Get("Retry-After") != "") != c.retry {
			t.Errorf("%v: %d %v, want %d", c.err, a.status, a.header, c.status)
		}
		if strings.Contains(a.body, "disk") {
			t.Errorf("%v: the reply tells too much: %s", c.err, a.body)
		}
		// Who reads a damaged ledger is told where the damage is.
		if told, chain := strings.Contains(a.body, "LEDGER_BROKEN") && strings.Contains(a.body, "sequence 7"), errors.As(c.err, new(*ledger.ChainError)); told != chain {
			t.Errorf("%v: %s", c.err, a.body)
		}
	}
}

func TestPanic(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.All&^keys.Admin)
	for _, what := range []any{"secret-value", fmt.Errorf("secret-value")} {
		w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) { panic(what) }
		a := w.must(500, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: map[string]string{"Accept": "application/problem+json"}})
		if v := a.json(t); v["instance"] != "urn:request:"+a.header.Get("X-Request-Id") {
			t.Errorf("reply %s", a.body)
		}
		if strings.Contains(a.body+w.logged.String(), "secret-value") {
			t.Errorf("a panic's value got out: %s", w.logged)
		}
	}
	if !strings.Contains(w.logged.String(), "a handler panicked") {
		t.Error("the panic is not in the log")
	}
}

// TestSecretsStay plants values and looks for them in everything that gets out.
func TestSecretsStay(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"S3CRET-a","lastName":"S3CRET-b"}`)
	key := w.key(id, keys.All&^keys.Admin)
	base := "/v1/profiles/" + id.String() + "/connections/"
	var out strings.Builder
	for _, c := range []call{
		{method: "PATCH", path: "/v1/profile", key: key, body: `{"firstName":"S3CRET-c","summary":17,"email":"S3CRET-d"}`},
		{method: "PATCH", path: "/v1/profile", key: key, body: `{"gender":"S3CRET-e"}`, header: map[string]string{"X-Vitae-Reason": "S3CRET-f", "Idempotency-Key": "S3CRET-g"}},
		{method: "PATCH", path: "/v1/profile?x=S3CRET-h", key: key, body: `{"summary":"S3CRET-i`},
		{method: "PUT", path: base + "linkedin", key: key, body: `{"account":"a","credential":"S3CRET-j"}`},
		{method: "PUT", path: base + "linkedin", key: key, body: `{"account":1,"credential":["S3CRET-k"]}`},
		{method: "PUT", path: base + "linkedin", key: key, body: `{"credential":"S3CRET-l"}`},
		{method: "GET", path: base + "linkedin", key: key},
		{method: "DELETE", path: base + "linkedin", key: key},
		{method: "GET", path: "/v1/profile", key: "S3CRET-m"},
		{method: "POST", path: "/v1/keys", key: adminText, body: `{"profile":"S3CRET-n","scopes":["S3CRET-o"]}`},
		{method: "GET", path: "/v1/files/sha256:S3CRET-p", key: key},
		{method: "POST", path: "/v1/files", key: key, typ: "multipart/form-data; boundary=b", body: "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"S3CRET-q\"\r\n\r\nS3CRET-r\r\n--b--\r\n"},
	} {
		a := w.do(c)
		out.WriteString(a.body)
	}
	out.WriteString(w.logged.String())
	out.WriteString(w.must(200, call{method: "GET", path: "/metrics"}).body)
	if i := strings.Index(out.String(), "S3CRET"); i >= 0 {
		t.Errorf("a secret got out: %s", out.String()[max(0, i-200):i+20])
	}
	if strings.Contains(w.logged.String(), key) || strings.Contains(w.logged.String(), adminText) {
		t.Error("a key is in the log")
	}
	if !strings.Contains(w.logged.String(), `"route":"/v1/files/{file}"`) {
		t.Error("the access log does not name routes by pattern")
	}
}
