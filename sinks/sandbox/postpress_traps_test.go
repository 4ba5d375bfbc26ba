package sandbox

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestTrap07PostPressListsRepeatTheKey(t *testing.T) {
	p := startPostPress(t, Options{})
	for _, suffix := range []string{"[]", "[0]", "[12]"} {
		p.want(p.edit(plus(postpressJob, "experience[skills]"+suffix+"=a")...), 400, "invalid_parameters")
		p.want(p.edit("skills"+suffix+"=a"), 400, "invalid_parameters")
	}
	p.ok(p.edit(plus(postpressJob, "experience[skills]=a", "experience[skills]=b")...))
	if got := p.items("experience")[0]["skills"]; !reflect.DeepEqual(got, []any{"a", "b"}) {
		t.Errorf("%v", got)
	}
}

func TestTrap08PostPressRepeatedAddMakesASecondItem(t *testing.T) {
	p := startPostPress(t, Options{})
	for range 2 {
		p.ok(p.edit(postpressJob...))
	}
	for range 2 { // each time with another boundary
		p.ok(p.once("event-1", postpressJob...))
	}
	p.ok(p.once("event-2", postpressJob...))
	if got := p.items("experience"); len(got) != 4 {
		t.Errorf("%v", got)
	}
	p.want(p.once("event-2", plus(postpressJob, "experience[location]=Bern")...), 422, "unprocessable_entity")
	if a := p.kept(); a.Creates != 4 || a.Writes != 4 {
		t.Errorf("%+v", a)
	}
}

func TestTrap09PostPressIdChoosesEdit(t *testing.T) {
	p := startPostPress(t, Options{})
	p.want(p.edit(plus(postpressJob, "experience[id]=")...), 422, "unprocessable_entity")
	p.want(p.edit(plus(postpressSchool, "education[id]=", "education[start_date][month]=1", "education[start_date][year]=2001")...), 422, "unprocessable_entity")
	p.want(p.edit(plus(postpressJob, "experience[id]=1001")...), 404, "resource_not_found")
	p.ok(p.edit(postpressJob...))
	id := p.items("experience")[0]["id"].(string)
	p.ok(p.edit(plus(postpressJob, "-experience[role]", "-experience[company]", "experience[id]="+id, "experience[role]=CEO")...))
	p.want(p.edit(plus(postpressJob, "-experience[role]")...), 422, "unprocessable_entity") // an add
	if got := p.items("experience"); len(got) != 1 || got[0]["role"] != "CEO" || got[0]["company"] != "postpress" || got[0]["id"] != id {
		t.Errorf("%v", got)
	}
	if a := p.kept(); a.Creates != 1 || a.Updates != 1 {
		t.Errorf("%+v", a)
	}
}

func TestTrap10PostPressEditNeedsTheStart(t *testing.T) {
	p := startPostPress(t, Options{})
	p.ok(p.edit(postpressJob...))
	p.ok(p.edit(postpressSchool...))
	title := []string{"experience[id]=1001", "experience[role]=CEO"}
	p.want(p.edit(title...), 422, "unprocessable_entity")
	for _, part := range []string{"experience[start_date][month]=3", "experience[start_date][year]=2020"} {
		p.want(p.edit(plus(title, part)...), 422, "unprocessable_entity")
	}
	p.ok(p.edit(plus(title, postpressJob[2:]...)...))
	p.want(p.edit("education[id]=1002", "education[degree]=MSc"), 422, "unprocessable_entity")
	p.ok(p.edit("education[id]=1002", "education[degree]=MSc", "education[start_date][month]=9", "education[start_date][year]=2001"))
	if got := p.items("education")[0]; got["degree"] != "MSc" || got["school"] != "ETH" {
		t.Errorf("%v", got)
	}
}

// fail queues a fault with a type for the next request.
func (p postpressClient) fail(rest string) {
	p.Helper()
	p.control("POST", "/faults", `{"provider":"postpress","kind":"status",`+rest+`}`)
}

func TestTrap11PostPressTwoKindsOf401(t *testing.T) {
	p := startPostPress(t, Options{})
	p.want(p.do("GET", "/postpress/v1/users/me?account_id=acc_1", ""), 401, "missing_credentials")
	p.fail(`"status":401,"type":"errors/expired_credentials"`)
	p.want(p.edit("headline=x"), 401, "expired_credentials")
	p.ok(p.edit("headline=x"))
}

func TestTrap12PostPressThreeKindsOf422(t *testing.T) {
	p := startPostPress(t, Options{})
	for _, kind := range []string{"action_already_performed", "limit_exceeded"} {
		p.fail(`"status":422,"type":"errors/` + kind + `"`)
		p.want(p.edit("headline=x"), 422, kind)
	}
	// An effect can be behind the first of them.
	p.fail(`"status":422,"after":true,"type":"errors/action_already_performed"`)
	p.want(p.edit("headline=y"), 422, "action_already_performed")
	p.want(p.edit("headlines=x"), 422, "unprocessable_entity")
	if got := p.me()["headline"]; got != "y" {
		t.Errorf("%v", got)
	}
}

func TestTrap13PostPressTwoEnvelopesAndAPage(t *testing.T) {
	p := startPostPress(t, Options{})
	p.fail(`"status":401,"type":"key_missing"`)
	if a := p.edit("headline=x"); a.status != 401 || !strings.HasPrefix(a.body, `{"error":{"code":"key_missing","message":"Unauthorized","request_id":"req_`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	p.fail(`"status":504,"after":true,"type":"text/html","retryAfter":7`)
	a := p.edit(postpressJob...)
	if a.status != 504 || !strings.HasPrefix(a.body, "<!DOCTYPE html>") || a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Retry-After") != "7" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if got := p.items("experience"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestTrap14PostPressThrottledSectionIsNotEmpty(t *testing.T) {
	p := startPostPress(t, Options{})
	p.ok(p.edit(append(append([]string{"skills=Go"}, postpressJob...), postpressSchool...)...))
	p.control("POST", "/postpress/throttle", `{"sections":["experience"]}`)
	v := p.user("experience,education,skills")
	if !reflect.DeepEqual(v["throttled_sections"], []any{"experience"}) || len(v["experience"].([]any)) != 0 ||
		len(v["education"].([]any)) != 1 || len(v["skills"].([]any)) != 1 {
		t.Errorf("%v", v)
	}
	if v := p.user("education"); v["throttled_sections"] != nil || v["experience"] != nil {
		t.Errorf("a section that was not asked for is listed: %v", v)
	}
	p.ok(p.edit("experience[id]=1001", "experience[start_date][month]=4", "experience[start_date][year]=2020")) // it is there
	p.control("POST", "/postpress/throttle", `{"sections":[]}`)
	if v := p.user("*"); len(v["experience"].([]any)) != 1 || v["throttled_sections"] != nil {
		t.Errorf("%v", v)
	}
	for _, body := range []string{``, `{}`, `{"sections":["other"]}`, `{"sections":"experience"}`, `{"sections":[],"x":1}`} {
		if a := p.do("POST", "/_sandbox/postpress/throttle", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, a.status)
		}
	}
	if a := p.do("POST", "/_sandbox/mokaru/throttle", `{"sections":[]}`); a.status != http.StatusNotFound {
		t.Errorf("another provider: %d", a.status)
	}
}
