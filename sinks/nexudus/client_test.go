package nexudus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// portal answers by path, and keeps what it was asked.
type portal struct {
	t                        *testing.T
	profile, countries, edit func() (int, string)
	token                    func() (int, string)
	header                   http.Header
	seen                     []string
}

var attempt = sinks.NewID(time.UnixMilli(1_800_000_000_000))

func (s *portal) Do(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // of our own making
	}
	line := strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
	s.seen = append(s.seen, line)
	var answer func() (int, string)
	media, auth := "", "Bearer tok"
	switch r.Method + " " + r.URL.RequestURI() {
	case "PATCH /api/public/coworker/profile":
		answer, media = s.edit, "application/json"
	case "GET /en/profile?_resource=Coworker":
		answer = s.profile
	case "GET /api/public/countries":
		answer, auth = s.countries, ""
	case "POST /api/token":
		answer, media, auth = s.token, "application/x-www-form-urlencoded", ""
	}
	if answer == nil {
		return nil, errors.New("connection refused")
	}
	if r.Header.Get("Content-Type") != media || r.Header.Get("Authorization") != auth || (r.Header.Get("X-Vitae-Attempt") != attempt.String()) != (s.token != nil) {
		s.t.Errorf("%s: %v", line, r.Header)
	}
	status, text := answer()
	h := s.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func always(status int, body string) func() (int, string) {
	return func() (int, string) { return status, body }
}

const done = `{"WasSuccessful":true,"Value":null,"Status":200,"Message":null,"Errors":null}`

// against makes a provider in front of a portal where all is well.
func against(t *testing.T) (*Provider, *portal) {
	t.Helper()
	s := &portal{t: t, profile: always(200, `{"Id":5,"FullName":"x","CountryId":1}`), countries: always(200, portalCountries), edit: always(200, done)}
	p, err := New("https://space.spaces.nexudus.com/", s)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func call(body string, clears ...string) sinks.Call {
	c := sinks.Call{Entity: Entity, Credential: []byte("tok\n"), Clears: clears, Attempt: attempt}
	if body != "" {
		c.Body = []byte(body)
	}
	return c
}

func TestCall(t *testing.T) {
	p, s := against(t)
	if out := p.Call(t.Context(), call(`{"FullName":"Jane","CountryId":"united kingdom"}`, "Position", "State")); out.Verdict != sinks.Applied {
		t.Errorf("%+v", out)
	}
	if out := p.Call(t.Context(), call(`{"CountryId":"FR"}`)); out.Verdict != sinks.Applied {
		t.Errorf("%+v", out)
	}
	want := []string{"GET /api/public/countries", "GET /en/profile?_resource=Coworker", `PATCH /api/public/coworker/profile {"FullName":"Jane","State":"","CountryId":1,"Position":null}`,
		"GET /en/profile?_resource=Coworker", `PATCH /api/public/coworker/profile {"CountryId":1220}`}
	if fmt.Sprint(s.seen) != fmt.Sprint(want) {
		t.Errorf("%s", strings.Join(s.seen, "\n"))
	}
	s.seen = nil
	for name, c := range map[string]struct {
		call sinks.Call
		want sinks.Verdict
		kind string
	}{
		"no such country": {call(`{"CountryId":"Atlantis"}`), sinks.Refused, "unknown_country"},
		"nothing to say":  {call(""), sinks.Unchanged, ""},
		"nor to clear":    {call("", countryID, "ProfileIsPublic", fullName), sinks.Unchanged, ""},
		"no body of ours": {call("[]"), sinks.Refused, "bad_call"},
		"no such lane":    {sinks.Call{Entity: "other", Credential: []byte("tok")}, sinks.Refused, "bad_call"},
		"a create":        {sinks.Call{Entity: Entity, Verb: sinks.VerbCreate, Credential: []byte("tok")}, sinks.Refused, "bad_call"},
		"no token":        {sinks.Call{Entity: Entity, Body: []byte(`{"Gender":"x"}`), Credential: []byte("a\nb")}, sinks.AccountError, "bad_credential"},
	} {
		out := p.Call(t.Context(), c.call)
		if out.Verdict != c.want || out.Fault.Type != c.kind || len(s.seen) > 0 || c.kind != "" && out.Fault.Sent != sinks.SentNo {
			t.Errorf("%s: %+v %v", name, out, s.seen)
		}
		if strings.Contains(out.Fault.Message, "Atlantis") {
			t.Errorf("a value in %q", out.Fault.Message)
		}
	}
}

// TestTrap23SuccessIsTheFlag: a status of 200 with WasSuccessful false is a failure, by what
// the body says; without the flag it says nothing.
func TestTrap23SuccessIsTheFlag(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
		kind   string
		about  string
	}{
		{200, done, sinks.Applied, "", ""},
		{200, `{"WasSuccessful":true,"RedirectURL":"x"}`, sinks.Applied, "", ""},
		{200, `{"WasSuccessful":false,"Status":400,"Errors":[{"AttemptedValue":"secret BillingName","Message":"CompanyName secret","PropertyName":"Position"}]}`, sinks.Refused, typeValidation, "Position"},
		{200, `{"WasSuccessful":false,"Status":422,"Errors":{"TaxIDNumber":["secret Gender"]}}`, sinks.Refused, typeValidation, "TaxIDNumber"},
		{200, `{"WasSuccessful":false,"Status":200,"Errors":"the BillingCountryId is secret"}`, sinks.Refused, typeValidation, "BillingCountryId"},
		{200, `{"WasSuccessful":false}`, sinks.Refused, typeValidation, "the body"},
		{200, `{"WasSuccessful":false,"Status":401}`, sinks.AccountError, "unauthorized", ""},
		{200, `{"WasSuccessful":false,"Status":403,"Errors":[]}`, sinks.AccountError, "forbidden", ""},
		{200, `{"WasSuccessful":false,"Status":429}`, sinks.Throttled, sinks.TypeThrottled, ""},
		{200, `{"WasSuccessful":false,"Status":500,"Errors":"secret"}`, sinks.Unknown, "server_error", ""},
		{200, `{"WasSuccessful":false,"Status":599}`, sinks.Unknown, sinks.UnknownType, ""},
		{200, `{"WasSuccessful":"true"}`, sinks.Unknown, sinks.UnknownType, "contract"},
		{200, `{"Status":200}`, sinks.Unknown, sinks.UnknownType, "contract"},
		{200, `<html>sign in</html>`, sinks.Unknown, sinks.UnknownType, "signing in"},
		{200, ``, sinks.Unknown, sinks.UnknownType, "contract"},
		{201, done, sinks.Unknown, sinks.UnknownType, ""},
		{204, ``, sinks.Unknown, sinks.UnknownType, ""},
		{302, `secret`, sinks.SinkError, "redirect", ""},
		{400, `{"WasSuccessful":false,"Status":400,"Errors":[{"PropertyName":"CountryId"}]}`, sinks.Refused, typeValidation, "CountryId"},
		{400, `{"WasSuccessful":false,"Status":401}`, sinks.AccountError, "unauthorized", ""},
		{400, `{"WasSuccessful":true}`, sinks.Refused, typeValidation, ""},
		{400, `secret`, sinks.Refused, typeValidation, "the body"},
		{401, `<html>`, sinks.AccountError, "unauthorized", ""},
		{404, ``, sinks.Refused, sinks.UnknownType, ""},
		{408, ``, sinks.Unknown, sinks.UnknownType, ""},
		{429, ``, sinks.Throttled, sinks.TypeThrottled, ""},
		{503, `{"WasSuccessful":true}`, sinks.Unknown, "server_error", ""},
	} {
		p, s := against(t)
		s.edit = always(c.status, c.body)
		out := p.Call(t.Context(), call(`{"Gender":"x"}`))
		if out.Verdict != c.want || out.Fault.Type != c.kind || !strings.Contains(out.Fault.Message, c.about) || strings.Contains(out.Fault.Message, "secret") ||
			c.kind != "" && (out.Fault.HTTP != c.status || out.Fault.Message == "") {
			t.Errorf("%d %s: %s %+v", c.status, c.body, out.Verdict, out.Fault)
		}
		if about := out.Fault.Message; c.about == "Position" && (strings.Contains(about, "CompanyName") || strings.Contains(about, "BillingName")) {
			t.Errorf("another field in %q", about)
		}
	}
	p, s := against(t)
	s.edit, s.header = always(429, ``), http.Header{"Retry-After": {"17"}}
	if out := p.Call(t.Context(), call(`{"Gender":"x"}`)); out.RetryAfter != 17*time.Second {
		t.Errorf("%+v", out)
	}
	s.header = http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:00:00 GMT"}}
	if out := p.Call(t.Context(), call(`{"Gender":"x"}`)); out.RetryAfter != time.Second {
		t.Errorf("%+v", out)
	}
	s.edit = nil
	if out := p.Call(t.Context(), call(`{"Gender":"x"}`)); out.Verdict != sinks.NotSent {
		t.Errorf("a refused dial: %+v", out)
	}
}

// TestTrap26AnotherActiveProfile: when somebody switches the active profile, nothing is
// sent to the other coworker, and nothing is compared with it; switched back, it goes on. A
// renewed token is the same account; another token is another.
func TestTrap26AnotherActiveProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := against(t)
		edit := call(`{"Gender":"x"}`)
		if out := p.Call(t.Context(), edit); out.Verdict != sinks.Applied {
			t.Fatalf("%+v", out)
		}
		s.profile, s.seen = always(200, `{"Id":6,"FullName":"somebody else"}`), nil
		if out := p.Call(t.Context(), edit); out.Verdict != sinks.AccountError || out.Fault.Type != "another_profile" || out.Fault.Sent != sinks.SentNo || len(s.seen) != 1 {
			t.Errorf("%+v %v", out, s.seen)
		}
		edit.Fields = []string{fullName}
		if got, out := p.Read(t.Context(), edit); out.Verdict != sinks.AccountError || got.Echo != nil {
			t.Errorf("%+v", out)
		}
		// The engine tries a renewal first. The fresh token is known to be the same account's,
		// and is not renewed again.
		s.token = always(200, `{"access_token":"two","refresh_token":"r2"}`)
		fresh, out := p.Refresh(t.Context(), []byte(`{"access_token":"tok","refresh_token":"r1"}`))
		if out.Verdict != sinks.Applied || string(fresh) != `{"access_token":"two","refresh_token":"r2"}` {
			t.Fatalf("%s %+v", fresh, out)
		}
		if p.seen.same("two", "Id 6") || !p.seen.same("two", "Id 5") || !p.seen.same("three", "Id 6") {
			t.Error("the renewed token is another account's")
		}
		n := len(s.seen)
		if _, out := p.Refresh(t.Context(), fresh); out.Verdict != sinks.AccountError || len(s.seen) != n {
			t.Errorf("renewed again at once: %+v", out)
		}
		time.Sleep(2 * renewalPause)
		if _, out := p.Refresh(t.Context(), fresh); out.Verdict != sinks.Applied {
			t.Errorf("not renewed later: %+v", out)
		}
		s.token, s.profile = nil, always(200, `{"Id":5,"FullName":"x"}`)
		if out := p.Call(t.Context(), edit); out.Verdict != sinks.Applied {
			t.Errorf("switched back: %+v", out)
		}
	})
}

// TestGuardHoldsNothingUp: a profile that cannot be read does not keep the edit from being
// sent; an account that may not be read does.
func TestGuardHoldsNothingUp(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
		n      int
	}{
		{500, ``, sinks.Applied, 2}, {404, ``, sinks.Applied, 2}, {302, ``, sinks.Applied, 2}, {200, `<html>`, sinks.Applied, 2}, {200, `{"FullName":"no id"}`, sinks.Applied, 2},
		{401, ``, sinks.AccountError, 1}, {429, ``, sinks.Throttled, 1}, {200, `{"WasSuccessful":false,"Status":401}`, sinks.AccountError, 1},
	} {
		p, s := against(t)
		s.profile = always(c.status, c.body)
		if out := p.Call(t.Context(), call(`{"Gender":"x"}`)); out.Verdict != c.want || len(s.seen) != c.n {
			t.Errorf("%d %s: %+v %v", c.status, c.body, out, s.seen)
		}
	}
	p, s := against(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.profile = func() (int, string) { cancel(); return 500, "" }
	if out := p.Call(ctx, call(`{"Gender":"x"}`)); out.Verdict != sinks.NotSent || len(s.seen) != 1 {
		t.Errorf("out of time: %+v %v", out, s.seen)
	}
}

func TestCountriesCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
	}{{500, ``, sinks.NotSent}, {401, ``, sinks.SinkError}, {403, ``, sinks.SinkError}, {404, ``, sinks.SinkError}, {400, ``, sinks.SinkError}, {408, ``, sinks.NotSent}, {200, `<html>`, sinks.NotSent}, {200, `{"Countries":[]}`, sinks.NotSent}, {429, ``, sinks.Throttled}, {308, ``, sinks.SinkError}} {
		p, s := against(t)
		s.countries = always(c.status, c.body)
		out := p.Call(t.Context(), call(`{"CountryId":"GB"}`))
		if out.Verdict != c.want || len(s.seen) != 1 || out.Fault.Sent != sinks.SentNo || out.Fault.Message == "" {
			t.Errorf("%d %s: %+v %v", c.status, c.body, out, s.seen)
		}
	}
}

// TestCountriesAreReadAgain: a refused number makes the list be read again, once; the list
// is kept for a day otherwise.
func TestCountriesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := against(t)
		reads := 0
		s.countries = func() (int, string) { reads++; return 200, portalCountries }
		ask := func(want sinks.Verdict, n int) {
			t.Helper()
			if out := p.Call(t.Context(), call(`{"CountryId":"GB","Gender":"x"}`)); out.Verdict != want || reads != n || want == sinks.Busy && out.Most != 2 {
				t.Errorf("%+v after %d reads", out, reads)
			}
		}
		ask(sinks.Applied, 1)
		time.Sleep(time.Hour)
		ask(sinks.Applied, 1)
		s.edit = always(400, `{"WasSuccessful":false,"Status":400,"Errors":[{"PropertyName":"CountryId"}]}`)
		ask(sinks.Busy, 1)
		ask(sinks.Refused, 2)
		s.edit = always(400, `{"WasSuccessful":false,"Status":400,"Errors":[{"PropertyName":"BillingCountryId"}]}`)
		time.Sleep(time.Hour)
		ask(sinks.Refused, 2)
		s.edit = always(200, done)
		time.Sleep(24 * time.Hour)
		ask(sinks.Applied, 3)
	})
}

func TestRead(t *testing.T) {
	p, s := against(t)
	c := call("")
	c.Fields = []string{fullName, countryID, tags, "Position"}
	for _, answer := range []struct{ body, want string }{
		{`{"Id":5,"FullName":"Jane","CountryId":1220,"ProfileTags":["Go","C"],"Position":null,"Email":"x","Avatar":{}}`, `{"FullName":"Jane","CountryId":"FR","ProfileTags":["Go","C"]}`},
		{`{"Coworker":{"Id":5,"FullName":"Jane","CountryId":8,"ProfileTags":"Go, C"}}`, `{"FullName":"Jane","CountryId":"narnia","ProfileTags":["Go","C"]}`},
		{`{"Id":5,"FullName":"","CountryId":77}`, `{"CountryId":77}`},
	} {
		s.profile = always(200, answer.body)
		if got, out := p.Read(t.Context(), c); out.Verdict != sinks.Applied || string(got.Echo) != answer.want {
			t.Errorf("%s: %s %+v", answer.body, got.Echo, out)
		}
	}
	for _, answer := range []struct {
		status int
		body   string
		want   sinks.Verdict
	}{{200, `<html>`, sinks.Unknown}, {200, `{}`, sinks.Unknown}, {200, `{"WasSuccessful":false,"Status":401}`, sinks.AccountError}, {401, ``, sinks.AccountError}, {500, ``, sinks.Unknown}} {
		s.profile = always(answer.status, answer.body)
		if got, out := p.Read(t.Context(), c); out.Verdict != answer.want || got.Echo != nil {
			t.Errorf("%s: %s %+v", answer.body, got.Echo, out)
		}
	}
	if _, out := p.Read(t.Context(), sinks.Call{Entity: "x"}); out.Verdict != sinks.Refused {
		t.Errorf("%+v", out)
	}
	if _, out := p.Read(t.Context(), sinks.Call{Entity: Entity}); out.Verdict != sinks.AccountError {
		t.Errorf("%+v", out)
	}
}

func TestRefresh(t *testing.T) {
	p, s := against(t)
	s.token = always(200, `{"access_token":"new","token_type":"bearer","expires_in":604799}`)
	fresh, out := p.Refresh(t.Context(), []byte(`{"access_token":"old","refresh_token":"r&1","note":1}`))
	if out.Verdict != sinks.Applied || string(fresh) != `{"access_token":"new","refresh_token":"r&1","note":1}` || s.seen[0] != "POST /api/token grant_type=refresh_token&refresh_token=r%261" {
		t.Errorf("%s %+v %v", fresh, out, s.seen)
	}
	s.seen = nil
	for _, credential := range []string{"bare", `{"access_token":"a"}`, `{"refresh_token":""}`, `{`} {
		if fresh, out := p.Refresh(t.Context(), []byte(credential)); fresh != nil || out.Verdict != sinks.AccountError || len(s.seen) > 0 {
			t.Errorf("%s: %+v", credential, out)
		}
	}
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
	}{{400, `{"error":"invalid_grant"}`, sinks.AccountError}, {401, ``, sinks.AccountError}, {429, ``, sinks.Throttled}, {500, ``, sinks.Unknown}, {200, `<html>`, sinks.Unknown},
		{200, `{"access_token":"a b"}`, sinks.Unknown}, {200, `{"access_token":7}`, sinks.Unknown}} {
		s.token = always(c.status, c.body)
		if fresh, out := p.Refresh(t.Context(), []byte(`{"refresh_token":"r"}`)); fresh != nil || out.Verdict != c.want {
			t.Errorf("%s: %s %+v", c.body, fresh, out)
		}
	}
}

func TestProvider(t *testing.T) {
	p, _ := against(t)
	var _ sinks.Reader = p
	var _ sinks.Refresher = p
	if p.Name() != ledger.Nexudus || fmt.Sprint(p.Entities()) != "[{profile A  false}]" || p.Rate().PerMinute <= 0 {
		t.Errorf("%s %v %+v", p.Name(), p.Entities(), p.Rate())
	}
	if _, err := p.Items("skills", state()); err == nil {
		t.Error("a section")
	}
	if _, err := New("http://space.spaces.nexudus.com", p.http); err == nil {
		t.Error("credentials would be sent in the clear")
	}
}

// FuzzAnswers: no answer's body breaks the reading of it, and only the flag is a success.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(done), 200)
	f.Add([]byte(`{"WasSuccessful":false,"Status":422,"Errors":{"Position":["x"],"y":[{"PropertyName":"State"}]}}`), 200)
	f.Add([]byte(`{"Coworker":{"Id":1,"FullName":"x","CountryId":1,"ProfileTags":[1]}}`), 400)
	f.Add([]byte(`{"access_token":"a","refresh_token":"r"}`), 401)
	f.Add([]byte(`<html>`), 200)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		a := sinks.Answer{Status: 100 + int(uint(status)%500), Body: body, Sent: sinks.SentYes}
		out, refused := judge(a)
		if e := parseEnvelope(body); out.Verdict == sinks.Applied != (a.Status == 200 && e.said && e.success) {
			t.Fatalf("%d is %s", a.Status, out.Verdict)
		}
		if out.Verdict != sinks.Applied && out.Fault.Message == "" {
			t.Fatalf("%d says nothing", a.Status)
		}
		for _, name := range refused {
			if !strings.Contains(golden, `"`+name+`"`) {
				t.Fatalf("%q is no field", name)
			}
		}
		if n, ok := parseProfile(body); ok {
			once := echo(named(n, []country{{id: "1", name: "France"}}), everyName())
			if m, err := ledger.ParseJSON(once); err != nil || string(echo(m, everyName())) != string(once) {
				t.Fatalf("%s: %v", once, err)
			}
		}
		if fresh, ok := sinks.RenewToken(ledger.Node{Kind: ledger.NodeObject}, body); ok {
			if _, usable := sinks.TokenOf(fresh); !usable {
				t.Fatalf("%s", fresh)
			}
		}
	})
}

// TestTheCountryOfTheBills: a number of our own list is sent as the portal's own, and read
// back as ours; a number that our list does not have is sent as it is, and not compared.
func TestTheCountryOfTheBills(t *testing.T) {
	p, s := against(t)
	portal, _ := parseCountries([]byte(portalCountries))
	there, _ := resolve(portal, "FR")
	for typed, want := range map[string]string{"250": there, "1220": "1220"} {
		if out := p.Call(t.Context(), call(`{"BillingCountryId":`+typed+`}`)); out.Verdict != sinks.Applied {
			t.Fatalf("%+v", out)
		}
		if got := s.seen[len(s.seen)-1]; !strings.Contains(got, `"BillingCountryId":`+want+`}`) {
			t.Errorf("%s was sent as %s", typed, got)
		}
	}
	state := state()
	set(t, state, "nexudus.billingCountryId", `1220`)
	if out, err := build(Entity, state, sinks.Have{}); err != nil || len(out.Fields) > 0 || string(out.Body) != `{"BillingCountryId":1220}` {
		t.Errorf("%+v %v", out, err)
	}
	// The portal does not know every country.
	if out := p.Call(t.Context(), call(`{"BillingCountryId":10}`)); out.Verdict != sinks.Refused || !strings.Contains(out.Fault.Message, "nexudus.billingCountryId") {
		t.Errorf("Antarctica: %+v", out)
	}
}
