package postpress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// TestEveryErrorOfThePage: all forty, by their words alone.
func TestEveryErrorOfThePage(t *testing.T) {
	page := map[sinks.Verdict]string{
		sinks.SinkError: "401 missing_credentials, 401 insufficient_privileges",
		sinks.AccountError: `401 multiple_sessions, 401 invalid_checkpoint_solution, 401 invalid_proxy_credentials, 401 checkpoint_error, 401 invalid_credentials, 401 expired_credentials,
			401 disconnected_account, 401 invalid_credentials_but_valid_account_imap, 401 expired_link, 401 wrong_account, 403 account_restricted, 403 session_mismatch,
			403 unknown_authentication_context, 403 action_required, 404 resource_not_found, 422 invalid_account, 422 account_configuration_error, 500 authentication_intent_error`,
		sinks.CapabilityOff: `401 disconnected_feature, 403 account_mismatch, 403 insufficient_permissions, 403 feature_not_subscribed, 403 subscription_required, 501 feature_not_implemented`,
		sinks.Refused:       `403 resource_access_restricted, 404 invalid_resource_identifier, 422 unprocessable_entity`,
		sinks.Applied:       `422 action_already_performed`,
		sinks.Throttled:     `422 limit_exceeded, 429 too_many_requests`,
		sinks.Unknown:       `500 unexpected_error, 500 provider_error, 503 network_down, 503 service_unavailable, 504 request_timeout`,
		sinks.Busy:          `503 no_client_session, 503 no_channel, 503 no_handler`,
	}
	c := call(Profile, sinks.VerbSet, nil)
	count := 0
	for want, list := range page {
		for _, row := range strings.Split(list, ",") {
			count++
			status, kind := 0, ""
			if _, err := fmt.Sscan(row, &status, &kind); err != nil {
				t.Fatal(row, err)
			}
			for _, body := range []string{`{"title":"canary","detail":"canary","type":"errors/` + kind + `"}`, `{"error":{"code":"` + kind + `","message":"canary"}}`} {
				for _, other := range []int{status, 400, 500} { // the word decides, not the status
					out := judge(sinks.Answer{Status: other, Body: []byte(body), Sent: sinks.SentYes}, c, time.Now())
					if out.Verdict != want || want != sinks.Applied && (out.Fault.Type == "" || out.Fault.Type == sinks.UnknownType || out.Fault.Message == "") ||
						strings.Contains(fmt.Sprint(out), "canary") {
						t.Errorf("%d %s: %+v, want %s", other, kind, out, want)
					}
				}
			}
		}
	}
	if count != 40 {
		t.Errorf("%d errors, the page has 40", count)
	}
	c.Ref = "77"
	if out := judge(sinks.Answer{Status: 404, Body: []byte(`{"type":"errors/resource_not_found"}`)}, c, time.Now()); out.Verdict != sinks.TargetGone {
		t.Errorf("an entry that is not there: %+v", out)
	}
	c.Step = stepRead
	if out := judge(sinks.Answer{Status: 422, Body: []byte(`{"type":"errors/action_already_performed"}`)}, c, time.Now()); out.Verdict != sinks.Unknown {
		t.Errorf("a read that was done already: %+v", out)
	}
}

var testNow = time.Date(2026, 3, 1, 21, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "0": time.Second, "": 0, "soon": 0, "-1": 0, "99999999": time.Hour, "99999999999999999999": 0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): time.Second} {
		a := sinks.Answer{Status: 429, Header: http.Header{"Retry-After": {header}}, Body: []byte(`{"type":"errors/too_many_requests"}`), Sent: sinks.SentYes}
		if out := judge(a, call(Profile, sinks.VerbSet, nil), now); out.Verdict != sinks.Throttled || out.RetryAfter != want {
			t.Errorf("%q: %+v, want %s", header, out, want)
		}
	}
}

// TestCallsThatCannotBeMade: no request leaves.
func TestCallsThatCannotBeMade(t *testing.T) {
	body := encode([]pair{{name: "headline", value: "x"}})
	entry := encode([]pair{{name: "experience[role]", value: "x"}})
	for name, test := range map[string]struct {
		c    sinks.Call
		want sinks.Verdict
	}{
		"no key":            {sinks.Call{Entity: Profile, Account: account, Body: body}, sinks.AccountError},
		"a key of two":      {sinks.Call{Entity: Profile, Account: account, Body: body, Credential: []byte("a b")}, sinks.AccountError},
		"no account":        {sinks.Call{Entity: Profile, Body: body, Credential: []byte("k")}, sinks.AccountError},
		"nothing":           {sinks.Call{Entity: Profile, Account: account, Credential: []byte("k")}, sinks.Unchanged},
		"garbage":           {sinks.Call{Entity: Profile, Account: account, Credential: []byte("k"), Body: []byte(`{}`)}, sinks.Refused},
		"a name with ends":  {sinks.Call{Entity: Profile, Account: account, Credential: []byte("k"), Body: []byte(`[["a\"\r\nb","x"]]`)}, sinks.Refused},
		"another lane":      {sinks.Call{Entity: "other", Account: account, Credential: []byte("k"), Body: body}, sinks.Refused},
		"a section":         {sinks.Call{Entity: "experience", Account: account, Credential: []byte("k"), Body: body}, sinks.Refused},
		"a delete":          {sinks.Call{Entity: "experience/one", Verb: sinks.VerbDelete, Ref: "7", Account: account, Credential: []byte("k")}, sinks.Refused},
		"an append":         {sinks.Call{Entity: "experience/one", Verb: sinks.VerbAppend, Account: account, Credential: []byte("k"), Body: entry}, sinks.Refused},
		"no file":           {sinks.Call{Entity: Picture, Account: account, Credential: []byte("k"), Body: encode([]pair{{"picture", "sha256:x", true}})}, sinks.Refused},
		"a broken cupboard": {sinks.Call{Entity: Picture, Account: account, Credential: []byte("k"), Body: encode([]pair{{"picture", "sha256:x", true}}), File: brokenFile}, sinks.NotSent},
	} {
		w := always(200, profileEdited)
		if out := client(t, w).Call(context.Background(), test.c); out.Verdict != test.want || len(w.sent) != 0 {
			t.Errorf("%s: %+v, %d requests", name, out, len(w.sent))
		}
	}
	for _, base := range []string{"http://api.postpress.ai", "ftp://x", "https://u@x", ""} {
		if _, err := New(base, always(200, "")); err == nil {
			t.Errorf("%q is taken", base)
		}
	}
}

func brokenFile(context.Context, string) (sinks.File, error) {
	return sinks.File{}, errors.New("a disk")
}

// TestWhatPostPressCannotHold: the reason names the field, and never the value.
func TestWhatPostPressCannotHold(t *testing.T) {
	for name, test := range map[string]struct {
		entity string
		make   func(p *ledger.Profile)
		have   sinks.Have
		want   string
	}{
		"a postal code of another length": {Profile, func(p *ledger.Profile) {
			set(t, p, "postpress.location.id", `"1"`)
			set(t, p, "postalCode", `"SW1A 1AA"`)
		}, sinks.Have{}, "postalCode has not exactly 5"},
		"nowhere to work": {Profile, func(p *ledger.Profile) {
			set(t, p, "postpress.openToWork", `{"jobTitle":[{"name":"Dev","id":"9"}],"presence":["REMOTE"],"location":{"remote":[]}}`)
		}, sinks.Have{}, "openToWork.location is empty"},
		"a seniority that breaks out": {"experience/one", func(p *ledger.Profile) {
			add(t, p, "workExperiences", "one", strings.Replace(founder, `}`, `,"postpress":{"seniority":{"a\"\r\n":"x"}}}`, 1))
		}, sinks.Have{}, "experience[seniority] has a member"},
		"a removed entry": {"education/one", func(*ledger.Profile) {}, sinks.Have{Ref: "7"}, "no way to delete"},
		"another resume": {Profile, func(p *ledger.Profile) {
			p.Connections[ledger.PostPress] = ledger.Cell{Value: ledger.Value(`{"account":"a","settings":{"resume":"gone"}}`)}
		}, sinks.Have{}, "resume"},
	} {
		p := state()
		test.make(p)
		if why := unsendable(t, test.entity, p, test.have); !strings.Contains(why, test.want) || strings.Contains(why, "SW1A") {
			t.Errorf("%s: %q", name, why)
		}
	}
	p := state()
	if out := made(t, "experience/one", p, sinks.Have{}); !out.Absent {
		t.Errorf("an item that never was: %+v", out)
	}
	set(t, p, "postalCode", `"SW1A 1AA"`) // nothing to PostPress without a place
	for _, entity := range []string{Profile, Picture, CoverPicture, "experience", "education"} {
		if out := made(t, entity, p, sinks.Have{Fields: []string{"headline"}}); out.Body != nil || len(out.Clears) != 0 || out.Absent {
			t.Errorf("%s: %+v", entity, out)
		}
	}
}

// TestTheLinkIsThatOfItsType: a website by default.
func TestTheLinkIsThatOfItsType(t *testing.T) {
	for kind, want := range map[string]string{"": "WEBSITE https://w.example", "WEBSITE": "WEBSITE https://w.example", "PORTFOLIO": "PORTFOLIO https://p.example",
		"BLOG": "BLOG https://b.example", "STORE": ""} {
		p := state()
		set(t, p, "headline", `"x"`)
		set(t, p, "website", `"https://w.example"`)
		set(t, p, "portfolio", `"https://p.example"`)
		add(t, p, "websites", "a", `{"url":"https://a.example","category":"OTHER"}`)
		add(t, p, "websites", "b", `{"url":"https://b.example","category":"BLOG"}`)
		add(t, p, "websites", "c", `{"url":"https://c.example","category":"BLOG"}`)
		if kind != "" {
			set(t, p, "postpress.customLink.type", `"`+kind+`"`)
		}
		got := ""
		_, parts := writing(t, Profile, p, sinks.Have{})
		for _, part := range parts {
			if name, value, _ := strings.Cut(part, "="); strings.HasPrefix(name, "custom_link") {
				got = strings.TrimSpace(got + " " + value)
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", kind, got, want)
		}
	}
}
