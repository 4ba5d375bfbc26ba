package postpress

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/sinks"
)

func TestTrap07ArraysRepeatTheIdenticalKey(t *testing.T) {
	p := state()
	add(t, p, "workExperiences", "one", `{"jobTitle":"Founder","company":"postpress","startDate":"2019-05","postpress":{"skills":["development","management"]}}`)
	add(t, p, "skills", "a", `{"name":"Go"}`)
	add(t, p, "skills", "b", `{"name":"Writing"}`)
	_, parts := writing(t, "experience/one", p, sinks.Have{})
	if !slices.Contains(parts, "experience[skills]=development") || !slices.Contains(parts, "experience[skills]=management") {
		t.Errorf("%q", parts)
	}
	_, root := writing(t, Profile, p, sinks.Have{})
	if !slices.Contains(root, "skills=Go") || !slices.Contains(root, "skills=Writing") {
		t.Errorf("%q", root)
	}
	for _, s := range append(parts, root...) {
		if name, _, _ := strings.Cut(s, "="); strings.Contains(name, "[]") || strings.ContainsAny(name, "0123456789") {
			t.Errorf("%s has an index", name)
		}
	}
}

func TestTrap08AnAddHasOneKeyAcrossRedeliveriesAndAnotherForOtherContent(t *testing.T) {
	p := state()
	add(t, p, "workExperiences", "one", founder)
	add(t, p, "workExperiences", "two", founder)
	body := made(t, "experience/one", p, sinks.Have{}).Body
	key := func(change func(*sinks.Call)) string {
		w := always(200, profileEdited)
		c := call("experience/one", sinks.VerbCreate, body)
		change(&c)
		client(t, w).Call(context.Background(), c)
		if len(w.sent) != 1 || w.sent[0].Header.Get("Idempotency-Key") == "" {
			t.Fatalf("%d requests", len(w.sent))
		}
		return w.sent[0].Header.Get("Idempotency-Key")
	}
	first := key(func(*sinks.Call) {})
	if again := key(func(c *sinks.Call) { c.Attempt = sinks.ID{9} }); again != first {
		t.Error("a redelivery has another key")
	}
	if again := key(func(c *sinks.Call) { c.Anew, c.Attempt = 1, sinks.ID{9} }); again != key(func(c *sinks.Call) { c.Anew = 1 }) {
		t.Error("a redelivery of what a person asked for has another key")
	}
	if told := key(func(c *sinks.Call) { c.Step = stepAnnounce }); told != first {
		t.Error("a redelivery that tells nobody has another key")
	}
	add(t, p, "workExperiences", "one", strings.Replace(founder, "Founder", "Owner", 1))
	others := []string{first,
		key(func(c *sinks.Call) { c.Entity = "experience/two" }),
		key(func(c *sinks.Call) { c.Account = "another" }),
		key(func(c *sinks.Call) { c.Anew = 1 }), // a person asked for it
		key(func(c *sinks.Call) { c.Anew, c.Attempt = 2, sinks.ID{9} }),
		key(func(c *sinks.Call) { c.Body = made(t, "experience/one", p, sinks.Have{}).Body }),
		key(func(c *sinks.Call) { c.Verb, c.Ref = sinks.VerbUpdate, "77" }),
		// A value that comes back must be written again: B stands there now.
		key(func(c *sinks.Call) { c.Verb, c.Ref, c.Attempt = sinks.VerbUpdate, "77", sinks.ID{9} }),
	}
	slices.Sort(others)
	if len(slices.Compact(others)) != 8 {
		t.Error("different writes have the same key")
	}
}

func TestTrap09OnlyAnEditHasAnID(t *testing.T) {
	p := state()
	add(t, p, "workExperiences", "one", founder)
	if _, parts := writing(t, "experience/one", p, sinks.Have{}); has(parts, "experience[id]") {
		t.Errorf("an add has an id: %q", parts)
	}
	if _, parts := writing(t, "experience/one", p, sinks.Have{Ref: "77"}); !slices.Contains(parts, "experience[id]=77") {
		t.Errorf("an edit has none: %q", parts)
	}
	// An edit without an id would be an add; an add has none, whatever the call says.
	w := always(200, profileEdited)
	body := made(t, "experience/one", p, sinks.Have{}).Body
	if out := client(t, w).Call(context.Background(), call("experience/one", sinks.VerbUpdate, body)); out.Verdict != sinks.Refused || len(w.sent) != 0 {
		t.Errorf("an edit without an id: %+v, %d requests", out, len(w.sent))
	}
	c := call("experience/one", sinks.VerbCreate, body)
	c.Ref = "77"
	client(t, w).Call(context.Background(), c)
	if parts := partsOf(t, w.sent[0], w.bodies[0]); has(parts, "experience[id]") {
		t.Errorf("an add with an id: %q", parts)
	}
}

func TestTrap10AnEditOfTheTitleSendsTheStart(t *testing.T) {
	p := state()
	add(t, p, "workExperiences", "one", founder)
	add(t, p, "educations", "one", studied)
	for _, section := range []string{"experience", "education"} {
		for _, ref := range []string{"", "77"} {
			_, parts := writing(t, section+"/one", p, sinks.Have{Ref: ref})
			if !has(parts, section+"[start_date][month]=") || !has(parts, section+"[start_date][year]=") {
				t.Errorf("%s %q: %q", section, ref, parts)
			}
		}
	}
	for date, want := range map[string]string{`"startDate":"2020",`: "startDate has no month", `"startDate":"2020-01","endDate":"2021",`: "endDate has no month", "": "startDate is missing"} {
		add(t, p, "workExperiences", "one", `{`+date+`"jobTitle":"Founder","company":"secret"}`)
		if why := unsendable(t, "experience/one", p, sinks.Have{}); !strings.Contains(why, want) || strings.Contains(why, "secret") {
			t.Errorf("%s: %q", date, why)
		}
	}
}

func TestTrap11OurKeyAndTheirAccountAreDifferent(t *testing.T) {
	for kind, want := range map[string]sinks.Verdict{"missing_credentials": sinks.SinkError, "expired_credentials": sinks.AccountError} {
		w := always(401, fmt.Sprintf(`{"title":"x","type":"errors/%s","status":401}`, kind))
		out := client(t, w).Call(context.Background(), call(Profile, sinks.VerbSet, encode([]pair{{name: "headline", value: "x"}})))
		if out.Verdict != want || out.Fault.Type != kind {
			t.Errorf("%s: %+v", kind, out)
		}
	}
}

func TestTrap12AlreadyPerformedIsDoneAndALimitIsForTheDay(t *testing.T) {
	for _, verb := range []sinks.Verb{sinks.VerbSet, sinks.VerbUpdate, sinks.VerbCreate} {
		c := call("experience/one", verb, encode([]pair{{name: "experience[role]", value: "x"}}))
		if verb == sinks.VerbSet {
			c.Entity = Profile
		} else if verb == sinks.VerbUpdate {
			c.Ref = "77"
		}
		for kind, want := range map[string]sinks.Verdict{alreadyPerformed: sinks.Applied, limitExceeded: sinks.Throttled, "unprocessable_entity": sinks.Refused} {
			w := always(422, fmt.Sprintf(`{"type":"errors/%s","status":422}`, kind), "Retry-After", "1")
			out := client(t, w).Call(context.Background(), c)
			if out.Verdict != want {
				t.Errorf("%s, %s: %+v", verb, kind, out)
			}
			if kind == alreadyPerformed && out.Fault != (sinks.Fault{}) {
				t.Errorf("%+v", out.Fault)
			}
		}
	}
	now := time.Date(2026, 3, 1, 22, 0, 0, 0, time.FixedZone("", 3600)) // 21:00 UTC
	out := judge(sinks.Answer{Status: 422, Body: []byte(`{"type":"errors/limit_exceeded"}`), Sent: sinks.SentYes}, call(Profile, sinks.VerbSet, nil), now)
	if out.RetryAfter < 3*time.Hour || out.RetryAfter > 3*time.Hour+10*time.Minute {
		t.Errorf("waits %s", out.RetryAfter)
	}
}

func TestTrap13BothEnvelopesDecodeAndA504MayBeNoJSON(t *testing.T) {
	c := call(Profile, sinks.VerbSet, encode([]pair{{name: "headline", value: "x"}}))
	for _, test := range []struct {
		status int
		body   string
		want   sinks.Verdict
		kind   string
	}{
		{401, `{"title":"Expired","detail":"d","instance":"i","type":"errors/expired_credentials","status":401}`, sinks.AccountError, "expired_credentials"},
		{401, `{"error":{"code":"key_missing","message":"m","request_id":"r"}}`, sinks.SinkError, "missing_credentials"},
		{400, `{"error":{"code":"invalid_parameters","message":"m","request_id":"r"}}`, sinks.Refused, "invalid_parameters"},
		{504, `<html>504 Gateway Time-out</html>`, sinks.Unknown, "server_error"},
		{504, ``, sinks.Unknown, "server_error"},
		{504, `{"type":"errors/request_timeout","status":504}`, sinks.Unknown, "request_timeout"},
		{504, "\xff\x00", sinks.Unknown, "server_error"},
		{422, `{"type":"errors/of_tomorrow"}`, sinks.Refused, sinks.UnknownType},
		{418, `{"type":"errors/of_tomorrow"}`, sinks.Refused, sinks.UnknownType},
		{599, `{"type":"errors/of_tomorrow"}`, sinks.Unknown, sinks.UnknownType},
		{404, `{"error":"Not Found"}`, sinks.SinkError, "no_route"},
		{302, ``, sinks.SinkError, "redirect"},
		{200, `<html>`, sinks.Unknown, sinks.UnknownType},
		{200, `{"object":"Other"}`, sinks.Unknown, sinks.UnknownType},
		{204, ``, sinks.Unknown, sinks.UnknownType},
	} {
		out := client(t, always(test.status, test.body)).Call(context.Background(), c)
		if out.Verdict != test.want || out.Fault.Type != test.kind {
			t.Errorf("%d %s: %+v", test.status, test.body, out)
		}
	}
	if out := client(t, &wire{}).Call(context.Background(), c); out.Verdict != sinks.NotSent {
		t.Errorf("nothing left: %+v", out)
	}
}

func TestTrap14AThrottledSectionIsUnknownAndNotEmpty(t *testing.T) {
	const me = `{"object":"AccountOwnerProfile","provider":"LINKEDIN","provider_id":"ACoAAA"}`
	for body, want := range map[string]sinks.Verdict{
		`{"object":"UserProfile","provider_id":"ACoAAA","work_experience":[],"throttled_sections":["experience"]}`: sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","throttled_sections":["skills","linkedin_experience"]}`:    sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","work_experience":[],"work_experience_total_count":2}`:     sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","experience":[],"throttled_sections":"experience"}`:        sinks.Unknown,
		`{"object":"UserProfile","provider_id":"somebody","experience":[]}`:                                        sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","experience":{}}`:                                          sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","experience":[{"role":"x"}]}`:                              sinks.Refused,
		`[]`: sinks.Unknown,
		`{"object":"UserProfile","provider_id":"ACoAAA","experience":[],"throttled_sections":[]}`:            sinks.Applied,
		`{"object":"UserProfile","provider_id":"ACoAAA","experience":[],"throttled_sections":["education"]}`: sinks.Applied,
		`{"object":"UserProfile","provider_id":"ACoAAA"}`:                                                    sinks.Applied,
	} {
		w := &wire{answer: func(r *http.Request) *http.Response {
			if strings.HasSuffix(r.URL.Path, "/users/me") {
				return reply(200, me)
			}
			return reply(200, body)
		}}
		list, out := client(t, w).List(context.Background(), call("experience", sinks.VerbCreate, nil))
		if out.Verdict != want || want != sinks.Applied && list != nil || want == sinks.Applied && (list == nil || len(list) != 0) {
			t.Errorf("%s: %+v, %v", body, out, list)
		}
	}
}
