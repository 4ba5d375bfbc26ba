package mokaru

import (
	"net/http"
	"os"
	"testing"
	"time"

	"vitae/sinks"
)

// TestTrap05ResetIsMillisecondsRetryAfterSeconds is about the two units.
func TestTrap05ResetIsMillisecondsRetryAfterSeconds(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	h := http.Header{}
	h.Set("X-RateLimit-Limit", "20")
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", "1800000042000")
	h.Set("Retry-After", "17")
	l := limitOf(h)
	if l == nil || l.Limit != 20 || l.Remaining != 0 || l.Reset.Sub(now) != 42*time.Second {
		t.Fatalf("%+v", l)
	}
	if d := retryAfter(h, l, now); d != 17*time.Second {
		t.Errorf("Retry-After: 17 is %s", d)
	}
	h.Set("Retry-After", now.Add(17*time.Second).UTC().Format(http.TimeFormat))
	if d := retryAfter(h, l, now); d != 17*time.Second {
		t.Errorf("Retry-After as a date is %s", d)
	}
	h.Del("Retry-After")
	if d := retryAfter(h, l, now); d != 42*time.Second {
		t.Errorf("without it: %s", d)
	}
	h.Set("Retry-After", "99999999")
	if d := retryAfter(h, l, now); d != time.Hour {
		t.Errorf("an endless one: %s", d)
	}
	if limitOf(http.Header{}) != nil || retryAfter(http.Header{}, nil, now) != 0 {
		t.Error("no headers, no limit")
	}
}

func TestTable(t *testing.T) {
	type want struct {
		verdict sinks.Verdict
		kind    string
	}
	item := sinks.Call{Entity: "skills/a", Verb: sinks.VerbUpdate, Ref: "7"}
	for name, c := range map[string]struct {
		a    sinks.Answer
		c    sinks.Call
		want want
	}{
		"refused dial":     {sinks.Answer{Sent: sinks.SentNo, Err: os.ErrClosed}, sinks.Call{}, want{sinks.NotSent, sinks.TypeUnreachable}},
		"no answer":        {sinks.Answer{Sent: sinks.SentUnknown, Err: os.ErrDeadlineExceeded}, sinks.Call{}, want{sinks.Unknown, sinks.TypeNoAnswer}},
		"broken off":       {sinks.Answer{Status: 200, Sent: sinks.SentYes, Err: os.ErrDeadlineExceeded}, sinks.Call{}, want{sinks.Unknown, sinks.TypeNoAnswer}},
		"201 for a change": {sinks.Answer{Status: 201, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Unknown, sinks.UnknownType}},
		"redirect":         {sinks.Answer{Status: 308, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.SinkError, "redirect"}},
		"validation":       {sinks.Answer{Status: 400, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Refused, "validation"}},
		"entity":           {sinks.Answer{Status: 422, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Refused, "validation"}},
		"no resume":        {sinks.Answer{Status: 400, Sent: sinks.SentYes, Body: []byte(`{"error":"x","code":"NO_DEFAULT_RESUME"}`)}, sinks.Call{}, want{sinks.Refused, "no_default_resume"}},
		"key":              {sinks.Answer{Status: 401, Sent: sinks.SentYes}, item, want{sinks.AccountError, "unauthorized"}},
		"scope":            {sinks.Answer{Status: 403, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.AccountError, "forbidden"}},
		"plan":             {sinks.Answer{Status: 403, Sent: sinks.SentYes, Body: []byte(`{"error":{"code":"PLAN_REQUIRED"}}`)}, sinks.Call{}, want{sinks.AccountError, "plan_required"}},
		"no profile":       {sinks.Answer{Status: 404, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Refused, "not_found"}},
		"no item":          {sinks.Answer{Status: 404, Sent: sinks.SentYes, Body: []byte(`{"error":"Skill not found"}`)}, item, want{sinks.TargetGone, "not_found"}},
		"no item, in full": {sinks.Answer{Status: 404, Sent: sinks.SentYes, Body: []byte(`{"error":{"message":"x"}}`)}, item, want{sinks.TargetGone, "not_found"}},
		"nobody's 404":     {sinks.Answer{Status: 404, Sent: sinks.SentYes}, item, want{sinks.Unknown, "not_mokarus"}},
		"a proxy's 404":    {sinks.Answer{Status: 404, Sent: sinks.SentYes, Body: []byte(`<html>404`)}, item, want{sinks.Unknown, "not_mokarus"}},
		"a gateway's 404":  {sinks.Answer{Status: 404, Sent: sinks.SentYes, Body: []byte(`{"message":"no Route matched"}`)}, item, want{sinks.Unknown, "not_mokarus"}},
		"busy":             {sinks.Answer{Status: 409, Sent: sinks.SentYes, Body: []byte(`{"code":"RESUME_PROCESSING"}`)}, item, want{sinks.Busy, "busy"}},
		"busy without why": {sinks.Answer{Status: 409, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Busy, "busy"}},
		"too large":        {sinks.Answer{Status: 413, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Refused, "too_large"}},
		"unknown 4xx":      {sinks.Answer{Status: 418, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Refused, sinks.UnknownType}},
		"unknown code":     {sinks.Answer{Status: 418, Sent: sinks.SentYes, Body: []byte(`{"code":"TEAPOT"}`)}, sinks.Call{}, want{sinks.Refused, sinks.UnknownType}},
		"throttled":        {sinks.Answer{Status: 429, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Throttled, sinks.TypeThrottled}},
		"request timeout":  {sinks.Answer{Status: 408, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Unknown, sinks.UnknownType}},
		"server":           {sinks.Answer{Status: 500, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Unknown, "server_error"}},
		"gateway":          {sinks.Answer{Status: 504, Sent: sinks.SentYes, Body: []byte(`<html>`)}, sinks.Call{}, want{sinks.Unknown, "server_error"}},
		"unknown server":   {sinks.Answer{Status: 599, Sent: sinks.SentYes}, sinks.Call{}, want{sinks.Unknown, sinks.UnknownType}},
	} {
		out := judge(c.a, c.c, time.Now())
		if out.Verdict != c.want.verdict || out.Fault.Type != c.want.kind || out.Fault.Message == "" {
			t.Errorf("%s: %s %+v", name, out.Verdict, out.Fault)
		}
		if out.Verdict == sinks.Unknown && out.Fault.Sent == sinks.SentYes {
			t.Errorf("%s: in doubt, and yet sent is yes", name)
		}
	}
	for body, want := range map[string]sinks.Verdict{`{"success":true}`: sinks.Applied, `{"success":true,"updated":true}`: sinks.Applied,
		`{"success":true,"updated":false}`: sinks.Unchanged, `{"success":false}`: sinks.Unknown, `<html>`: sinks.Unknown, ``: sinks.Unknown, `{}`: sinks.Unknown} {
		if got, _ := acknowledged([]byte(body)); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestRefusalRepeatsNoValue: only names of the entity are taken out of an error.
func TestRefusalRepeatsNoValue(t *testing.T) {
	for _, c := range []struct{ entity, body, want string }{
		{Entity, `{"error":"Validation failed","details":["phone: jane@example.com is too long","projects[3].name: secret"]}`, "Mokaru refuses phone, projects"},
		{Entity, `{"error":"Validation failed","details":{"email":["jane@example.com is taken"]}}`, "Mokaru refuses email"},
		{Entity, `{"error":"Validation failed","details":[{"field":"website","message":"secret"}]}`, "Mokaru refuses website"},
		{Entity, `{"error":"jane@example.com"}`, "Mokaru refuses the body"},
		{Entity, `jane@example.com`, "Mokaru refuses the body"},
		{"skills/a", `{"details":[{"field":"level","message":"secret"},"phone"]}`, "Mokaru refuses level"},
		{"education/a", `{"details":[{"field":"degree"}]}`, "Mokaru refuses degree"},
		{"education/a", `{"details":{"field":["secret"]}}`, "Mokaru refuses field"},
		{"experiences/a", `{"details":{"fieldErrors":{"company":["secret"]}}}`, "Mokaru refuses company"},
	} {
		if got := refusal([]byte(c.body), c.entity); got != c.want {
			t.Errorf("%s: %q", c.body, got)
		}
	}
}
