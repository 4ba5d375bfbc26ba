package sandbox

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPostPressKeys(t *testing.T) {
	p := startPostPress(t, Options{})
	const path = "/postpress/v1/users/me?account_id=acc_1"
	for _, header := range [][]string{
		{}, {"X-API-KEY", "pp_live_"}, {"X-API-KEY", "live_x"}, {"X-API-KEY", "pp_other_x"}, {"X-API-KEY", "pp_live_a b"},
		{"Authorization", "pp_live_x"}, {"Authorization", "Basic pp_live_x"}, {"Authorization", "Bearer x"},
		{"X-API-KEY", "pp_live_x", "Authorization", "Bearer pp_live_x"},
	} {
		p.want(p.do("GET", path, "", header...), 401, "missing_credentials")
	}
	for _, header := range [][]string{{"X-API-KEY", p.key}, {"Authorization", "Bearer " + p.key}, {"X-API-KEY", "pp_live_9-_Z"}} {
		if a := p.do("GET", strings.Replace(path, "acc_1", "acc_"+header[1][:4], 1), "", header...); a.status != 200 {
			t.Errorf("%v: %d %s", header, a.status, a.body)
		}
	}
	if a := p.kept(); a.Requests != 2 || len(a.Profile) != 0 {
		t.Errorf("the two headers are not for one account: %+v", a)
	}
	p.control("POST", "/postpress/revoke", `{"account":"`+p.kept().Account+`"}`)
	p.want(p.edit("headline=x"), 401, "missing_credentials")
}

func TestPostPressPaths(t *testing.T) {
	p := startPostPress(t, Options{})
	body, contentType := postpressForm(t, "type=LINKEDIN", "account_id=acc_1", "headline=x")
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"PATCH", "/v1/users/me/edit", 200}, {"PATCH", "/api/v1/users/me/edit", 200}, {"PATCH", "/api/v1/users/me/edit?port=4433", 200},
		{"PATCH", "/api/api/v1/users/me/edit", 404}, {"PATCH", "/users/me/edit", 404}, {"PATCH", "/v2/users/me/edit", 404},
		{"POST", "/v1/users/me/edit", 405}, {"GET", "/v1/users/me/edit", 405}, {"PATCH", "/v1/users/me", 405}, {"GET", "/v1/users/", 404},
		{"PATCH", "/v1/users/me/edit?account_id=acc_1", 400}, {"PATCH", "/v1/users/me/edit?port=x", 400}, {"PATCH", "/v1/users/me/edit?%zz", 400},
		{"GET", "/v1/users/me?account_id=acc_1", 200}, {"GET", "/api/v1/users/me?account_id=acc_1&port=4433", 200},
		{"GET", "/v1/users/me", 400}, {"GET", "/v1/users/me?account_id=", 400}, {"GET", "/v1/users/me?account_id=a&account_id=b", 400},
		{"GET", "/v1/users/me?account_id=acc_1&linkedin_sections=*", 400}, {"GET", "/v1/users/me/other?account_id=acc_1", 404},
		{"GET", "/v1/users/nobody?account_id=acc_1", 404}, {"GET", "/v1/users/no%20body?account_id=acc_1", 404},
	} {
		a := p.do(c.method, "/postpress"+c.path, body, "X-API-KEY", p.key, "Content-Type", contentType)
		if a.status != c.want || (a.status >= 400) != strings.Contains(a.body, `"type":"errors/`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	p.want(p.get("/v1/users/no%20body", ""), 404, "invalid_resource_identifier")
	p.want(p.get("/v1/users/nobody", ""), 404, "resource_not_found")
}

func TestPostPressForms(t *testing.T) {
	p := startPostPress(t, Options{})
	body, contentType := postpressForm(t, "type=LINKEDIN", "account_id=acc_1", "headline=x")
	latin, latinType := postpressForm(t, "type=LINKEDIN", "account_id=acc_1", "headline=\xff")
	large, largeType := postpressForm(t, "type=LINKEDIN", "account_id=acc_1", "picture=@"+strings.Repeat("x", 32<<20))
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		kind              string
	}{
		"json":          {`{"type":"LINKEDIN"}`, "application/json", 415, "malformed_request"},
		"no type":       {body, "", 415, "malformed_request"},
		"urlencoded":    {"type=LINKEDIN", "application/x-www-form-urlencoded", 415, "malformed_request"},
		"mixed":         {body, strings.Replace(contentType, "form-data", "mixed", 1), 415, "malformed_request"},
		"no boundary":   {body, "multipart/form-data", 400, "malformed_request"},
		"other":         {body, "multipart/form-data; boundary=other", 400, "malformed_request"},
		"cut":           {body[:len(body)-4], contentType, 400, "malformed_request"},
		"cut in a part": {body[:len(body)-70], contentType, 400, "malformed_request"},
		"empty":         {"", contentType, 400, "malformed_request"},
		"no name":       {strings.Replace(body, `; name="type"`, "", 1), contentType, 400, "malformed_request"},
		"not a field":   {strings.Replace(body, "form-data", "attachment", 1), contentType, 400, "malformed_request"},
		"not UTF-8":     {latin, latinType, 400, "malformed_request"},
		"large":         {large, largeType, 400, "content_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			p := postpressClient{&rig{t, p.s, p.url}, p.key, p.account}
			p.want(p.do("PATCH", "/postpress/v1/users/me/edit", c.body, "X-API-KEY", p.key, "Content-Type", c.contentType), c.status, c.kind)
		})
	}
	if a := p.kept(); a.Patches != 0 || len(a.Profile) != 0 {
		t.Errorf("%+v", a)
	}
	p.want(p.send(nil), 422, "unprocessable_entity")
	p.want(p.send([]string{"Idempotency-Key", strings.Repeat("x", 256)}, "type=LINKEDIN", "account_id=acc_1"), 400, "invalid_parameters")
	p.want(p.send([]string{"Idempotency-Key", ""}, "type=LINKEDIN", "account_id=acc_1"), 400, "invalid_parameters")
}

func TestPostPressEveryTypeOfError(t *testing.T) {
	p := startPostPress(t, Options{})
	counts := map[int]int{}
	for _, known := range postpressTypes {
		counts[known.status]++
		p.fail(fmt.Sprintf(`"status":%d,"type":"errors/%s"`, known.status, known.name))
		if e := p.want(p.edit("headline=x"), known.status, known.name); e.Detail != known.detail {
			t.Errorf("%+v", e)
		}
	}
	if want := map[int]int{400: 6, 401: 13, 403: 9, 404: 2, 422: 5, 429: 1, 500: 3, 501: 1, 503: 5, 504: 1}; !reflect.DeepEqual(counts, want) {
		t.Errorf("%v", counts)
	}
	for status, kind := range map[int]string{400: "malformed_request", 403: "insufficient_permissions", 413: "content_too_large",
		418: "malformed_request", 429: "too_many_requests", 502: "unexpected_error", 504: "request_timeout"} {
		p.fail(fmt.Sprintf(`"status":%d`, status))
		p.want(p.edit("headline=x"), status, kind)
	}
	p.fail(`"status":422,"type":"errors/never_seen_before"`)
	p.want(p.edit("headline=x"), 422, "never_seen_before")
	if p.kept().Patches != 0 {
		t.Error("an error has an effect")
	}
	for _, rest := range []string{`"status":422,"type":"errors/expired_credentials"`, `"status":422,"type":"errors/"`, `"status":422,"type":"Errors/x"`,
		`"status":422,"type":"other/x"`, `"status":422,"type":"errors/x","kind":"garbage"`, `"type":"errors/x","kind":"drop_after"`} {
		if a := p.do("POST", "/_sandbox/faults", `{"provider":"postpress","kind":"status",`+rest+`}`); a.status != 400 {
			t.Errorf("%s: %d", rest, a.status)
		}
	}
	if a := p.do("POST", "/_sandbox/faults", `{"provider":"mokaru","kind":"status","status":500,"type":"errors/provider_error"}`); a.status != 400 {
		t.Errorf("a provider without types: %d", a.status)
	}
	p.control("POST", "/faults", `{"provider":"mokaru","kind":"status","status":502,"type":"text/html"}`)
	if a := p.rig.get(1); a.status != 502 || !strings.HasPrefix(a.body, "<!DOCTYPE html>") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPostPressAccountsBelongToAKey(t *testing.T) {
	m := &memory{}
	p := startPostPress(t, Options{Store: m})
	other := postpressClient{p.rig, "pp_live_two", "acc_1"}
	p.ok(p.edit("headline=x"))
	if a := other.do("GET", "/postpress/v1/users/me?account_id=acc_9", "", "X-API-KEY", other.key); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	for _, r := range []*rig{p.rig, start(t, Options{Store: m})} {
		p, other := postpressClient{r, p.key, p.account}, postpressClient{r, other.key, other.account}
		other.want(other.edit("headline=y"), 404, "resource_not_found")
		other.want(other.get("/v1/users/me", ""), 404, "resource_not_found")
		id, _ := postpressIDs("acc_1")
		other.want(other.get("/v1/users/"+id, ""), 404, "resource_not_found")
		if got := p.me()["headline"]; got != "x" {
			t.Errorf("%v", got)
		}
	}
	second := postpressClient{p.rig, p.key, "acc_2"}
	if second.me()["headline"] != nil || second.me()["provider_id"] == p.me()["provider_id"] {
		t.Error("the accounts of a key are mixed")
	}
	second.ok(second.edit("headline=z"))
	if got := p.kept(); !reflect.DeepEqual(got.Counts, map[string]int{"accounts": 2, "notifications": 0}) || len(got.Profile) != 2 || p.me()["headline"] != "x" {
		t.Errorf("%+v", got)
	}
	p.control("POST", "/postpress/revoke", `{"account":"`+p.kept().Account+`"}`)
	if other.me()["headline"] != nil {
		t.Error("another key sees the profile")
	}
	p.control("POST", "/reset", "")
	if third := (postpressClient{p.rig, "pp_live_three", "acc_1"}); third.me()["headline"] != nil {
		t.Error("a reset forgets nothing")
	}
}

func TestPostPressIdempotencyKey(t *testing.T) {
	m := &memory{}
	p := startPostPress(t, Options{Store: m})
	p.want(p.once("k", "headline="+"x", "unknown=1"), 422, "unprocessable_entity") // is not remembered
	p.ok(p.once("k", "headline=x", "picture=@bytes"))
	p.ok(p.edit("headline=y"))
	for _, r := range []*rig{p.rig, start(t, Options{Store: m})} {
		p := postpressClient{r, p.key, p.account}
		records := m.len()
		p.ok(p.once("k", "headline=x", "picture=@bytes"))
		for _, form := range [][]string{{"headline=z"}, {"headline=x"}, {"headline=x", "picture=@other"}, {"headline=x", "picture=bytes"},
			{"picture=@bytes", "headline=x"}, {"headline=x", "picture=@bytes", "unknown=1"}} {
			p.want(p.once("k", form...), 422, "unprocessable_entity")
		}
		if got := p.me()["headline"]; got != "y" || m.len() != records {
			t.Errorf("%v", got)
		}
	}
	p.ok(p.once("k2", "headline=y")) // the same state again
	if a := p.kept(); a.Patches != 3 || a.Writes != 2 {
		t.Errorf("what is remembered counts as a change: %+v", a)
	}
	other := postpressClient{p.rig, "pp_live_two", "acc_9"}
	other.ok(other.once("k", "headline=o"))

	// Trap: an answer that was lost had its effect, and the same key does not repeat it.
	p.fail(`"status":504,"after":true`)
	p.want(p.once("k3", postpressJob...), 504, "request_timeout")
	p.ok(p.once("k3", postpressJob...))
	p.fail(`"status":503`)
	p.want(p.once("k4", postpressJob...), 503, "service_unavailable")
	p.ok(p.once("k4", postpressJob...))
	if got := p.items("experience"); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestPostPressConcurrentRepeats(t *testing.T) {
	p := startPostPress(t, Options{})
	body, contentType := postpressForm(t, append([]string{"type=LINKEDIN", "account_id=acc_1"}, postpressJob...)...)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, err := p.try("PATCH", "/postpress/v1/users/me/edit", body, "X-API-KEY", p.key, "Content-Type", contentType, "Idempotency-Key", "k")
			if err != nil || a.status != 200 {
				t.Error(a, err)
			}
		})
	}
	all.Wait()
	if got := p.items("experience"); len(got) != 1 || p.kept().Creates != 1 {
		t.Errorf("%v", got)
	}
}

func TestPostPressReplay(t *testing.T) {
	m := &memory{}
	p := startPostPress(t, Options{Store: m})
	p.ok(p.edit(append(append([]string{"headline=é", "skills=a", "skills_follow=false", "picture=@PIXELS", "location[id]=1"}, postpressJob...), postpressSchool...)...))
	p.ok(p.once("k", "experience[id]=1001", "experience[notify_network]=true", "experience[start_date][month]=1", "experience[start_date][year]=2021"))
	again := postpressClient{start(t, Options{Store: m}), p.key, p.account}
	before, after := p.kept(), again.kept()
	if before.Requests, after.Requests = 0, 0; !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	again.ok(again.edit("picture=@PIXELS", "skills=a"))
	if a := again.kept(); a.Writes != 2 || a.Patches != 1 {
		t.Errorf("the same again is a change: %+v", a)
	}
	again.ok(again.edit(postpressSchool...))
	if got := again.items("education"); len(got) != 2 || got[1]["id"] != "1003" {
		t.Errorf("%v", got)
	}
	for _, b := range m.records {
		if bytes.Contains(b, []byte("PIXELS")) || bytes.Contains(b, []byte(p.key)) {
			t.Errorf("a record has a file or a key: %s", b)
		}
	}
	hash := strings.Repeat("0", 64)
	for _, set := range []string{`{"x":{}}`, `{"account:":{}}`, `{"account:a":"x"}`, `{"account:a":null}`, `{"account:a":{"x":"y"}}`, `{"account:a":{"headline":1}}`,
		`{"account:a":{"experience":[{}]}}`, `{"account:a":{"experience":["x"]}}`, `{"account:a":{"headline":["x"]}}`, `{"account:a":{"skills":{}}}`,
		`{"account:a":{"type":{}}}`, `{"account:a":{"headline":null}}`, `{"account:a":{"picture":true}}`, `{"edit:x":"` + hash + `"}`, `{"edit:` + hash + `":"x"}`} {
		record := `{"op":"patch","provider":"postpress","account":"` + hash + `","set":` + set + `}`
		if _, err := New(Options{Store: &memory{records: [][]byte{[]byte(record)}}}); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
}

func TestPostPressReadsLagBehind(t *testing.T) {
	c := newClock()
	p := startPostPress(t, Options{Clock: c.now})
	p.control("POST", "/postpress/lag", `{"delay":"1m"}`)
	p.ok(p.once("k", postpressJob...))
	if got := p.items("experience"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	p.ok(p.once("k", postpressJob...))
	c.move(time.Minute)
	if got := p.items("experience"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestPostPressWhatIsNotStoredIsNotMade(t *testing.T) {
	m := &memory{}
	p := startPostPress(t, Options{Store: m})
	m.fail = true
	p.want(p.once("k", postpressJob...), http.StatusInternalServerError, "unexpected_error")
	m.mu.Lock()
	m.fail = false
	m.mu.Unlock()
	p.ok(p.once("k", postpressJob...))
	if got := p.items("experience"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestPostPressNoKeyAndNoValueInTheLog(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	p := startPostPress(t, Options{Log: slog.New(slog.NewTextHandler(locked{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	p.ok(p.edit("headline=Confidential"))
	wrong := p.edit("skills_follow=Confidential", "custom_link[url]=Confidential", "location[id]=")
	shown := p.do("GET", "/_sandbox/accounts", "").body + p.do("GET", "/_sandbox/requests", "").body
	mu.Lock()
	defer mu.Unlock()
	for _, s := range []string{out.String(), shown, wrong.body} {
		if strings.Contains(s, p.key) || strings.Contains(s, "acc_1") || strings.Contains(s, "Confidential") {
			t.Errorf("a key or a value is shown: %s", s)
		}
	}
}
