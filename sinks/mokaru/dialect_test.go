package mokaru

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// state is an opened profile that is connected to Mokaru.
func state(resume string) *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	for _, id := range []string{ledger.Base, "01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		p.Resumes[id] = &ledger.Resume{ID: id, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	}
	p.Connections[ledger.Mokaru] = ledger.Cell{Seq: 1, Value: ledger.Value(fmt.Sprintf(`{"account":null,"settings":{"resume":%q}}`, resume))}
	return p
}

func set(p *ledger.Profile, name, value string) {
	p.Shared[name] = ledger.Cell{Value: ledger.Value(value)}
}

func list(p *ledger.Profile, view, name string, items ...string) {
	c := &ledger.Collection{Items: map[string]ledger.Cell{}}
	for i, v := range items {
		id := fmt.Sprintf("i%d", i)
		c.Order = append(c.Order, id)
		c.Items[id] = ledger.Cell{Value: ledger.Value(v)}
	}
	p.Resumes[view].Collections[name] = c
}

func all() (names []string) {
	for _, s := range scalars() {
		names = append(names, s.name)
	}
	for _, c := range collections() {
		names = append(names, c.name)
	}
	return names
}

func body(t *testing.T, p *ledger.Profile, sent ...string) string {
	t.Helper()
	out, err := build(p, sent)
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Body)
}

func TestBody(t *testing.T) {
	p := state("")
	if out, err := build(p, nil); err != nil || out.Body != nil {
		t.Errorf("a profile without a field that Mokaru has: %s, %v", out.Body, err)
	}
	set(p, "lastName", `"Smith \"J\" é"`)
	set(p, "firstName", `"Jane"`)
	set(p, "firstName@fr_FR", `"Jeanne"`)
	set(p, "headline", `"not there"`)
	set(p, "birthDate", `"1990-01-15"`)
	list(p, ledger.Base, "projects", `{"description":"d","name":"Vitae","linkedin":{"members":[]},"name@fr_FR":"Vie","isCurrent":false}`, `{"name":"Two","description":"e","startDate":"2019-05"}`)
	list(p, ledger.Base, "skills", `{"name":"Go"}`)
	list(p, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "projects", `{"name":"Other","description":"f"}`)
	const want = `{"firstName":"Jane","lastName":"Smith \"J\" é","birthDate":"1990-01-15","projects":[{"name":"Vitae","description":"d","isCurrent":false},` +
		`{"name":"Two","description":"e","startDate":"2019-05"}]}`
	if got := body(t, p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.Connections[ledger.Mokaru] = state("01ARZ3NDEKTSV4RRFFQ69G5FAV").Connections[ledger.Mokaru]
	if got := body(t, p); !strings.Contains(got, "Other") || strings.Contains(got, "Vitae") {
		t.Errorf("another resume: %s", got)
	}
	delete(p.Resumes, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if _, err := build(p, nil); !errors.As(err, new(*sinks.Unsendable)) {
		t.Errorf("a resume that is gone: %v", err)
	}
}

// TestTrap01: null for a name or the email is never emitted; the fourteen others clear.
func TestTrap01(t *testing.T) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body(t, state(""), all()...)), &doc); err != nil {
		t.Fatal(err)
	}
	nulls, empties := 0, 0
	for name, v := range doc {
		switch string(v) {
		case "null":
			nulls++
		case "[]":
			empties++
		default:
			t.Errorf("%s is %s", name, v)
		}
	}
	for _, name := range []string{"firstName", "lastName", "email"} {
		if v, ok := doc[name]; ok {
			t.Errorf("%s is sent as %s", name, v)
		}
	}
	if nulls != 14 || empties != 7 {
		t.Errorf("%d nulls and %d empty lists", nulls, empties)
	}
}

// TestTrap03: an empty list that was sent before is sent as [], one that never was is absent.
func TestTrap03(t *testing.T) {
	p := state("")
	set(p, "firstName", `"Jane"`)
	list(p, ledger.Base, "projects") // it had items once
	if got := body(t, p); got != `{"firstName":"Jane"}` {
		t.Errorf("never sent: %s", got)
	}
	if got := body(t, p, "projects", "phone"); got != `{"firstName":"Jane","phone":null,"projects":[]}` {
		t.Errorf("sent before: %s", got)
	}
}

func TestLimitsAreCheckedBeforeSending(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(p *ledger.Profile)
		why  string
	}{
		"101 projects": {func(p *ledger.Profile) {
			list(p, ledger.Base, "projects", slices.Repeat([]string{`{"name":"secret","description":"d"}`}, 101)...)
		}, "projects has 101 items, and Mokaru takes 100"},
		"51 job titles": {func(p *ledger.Profile) {
			list(p, ledger.Base, "jobTitles", slices.Repeat([]string{`{"title":"secret"}`}, 51)...)
		}, "jobTitles has 51 items, and Mokaru takes 50"},
		"101 characters": {func(p *ledger.Profile) { set(p, "firstName", `"`+strings.Repeat("é", 101)+`"`) }, "firstName has more than 100 characters"},
		"100 characters": {func(p *ledger.Profile) { set(p, "firstName", `"`+strings.Repeat("e\u0301", 100)+`"`) }, ""},
		"all of 100": {func(p *ledger.Profile) {
			list(p, ledger.Base, "awards", slices.Repeat([]string{`{"name":"n"}`}, 100)...)
		}, ""},
	} {
		p := state("")
		c.fill(p)
		_, err := build(p, nil)
		why := (*sinks.Unsendable)(nil)
		if errors.As(err, &why) != (c.why != "") || why != nil && why.Why != c.why {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCatalogue holds the two tables against the catalogue, which people read.
func TestCatalogue(t *testing.T) {
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.Mokaru) {
			if h.How == ledger.NotCarried || strings.HasPrefix(h.As, "/v1/") || f.Name != h.As {
				continue
			}
			s := slices.IndexFunc(scalars(), func(s scalar) bool { return s.name == f.Name })
			c := slices.IndexFunc(collections(), func(c collection) bool { return c.name == f.Name })
			switch {
			case s >= 0 && (scalars()[s].max != h.Max || scalars()[s].clear != (h.Clear == ledger.ClearNull)):
				t.Errorf("%s: the catalogue says %+v", f.Name, h)
			case c >= 0 && (collections()[c].most != h.Max || h.Clear != ledger.ClearList):
				t.Errorf("%s: the catalogue says %+v", f.Name, h)
			case s < 0 && c < 0:
				t.Errorf("%s is in the catalogue only", f.Name)
			}
			if c < 0 {
				continue
			}
			for _, m := range f.Item {
				for _, mh := range m.Homes {
					if mh.Provider == ledger.Mokaru && !slices.Contains(collections()[c].members, m.Name) {
						t.Errorf("%s.%s is in the catalogue only", f.Name, m.Name)
					}
				}
			}
		}
	}
	if n := len(all()); n != 24 {
		t.Errorf("%d fields", n)
	}
}

func TestConcerns(t *testing.T) {
	for field, want := range map[string]bool{"firstName": true, "projects": true, "": true, "headline": false, "firstName@fr_FR": false, "skills": false, "phones": false, "phone": true,
		"nexudus.gender": false, "name": false} {
		if got := concerns(&ledger.Event{Field: field, Op: ledger.OpSet}); got != want {
			t.Errorf("%q: %v", field, got)
		}
	}
}

// TestTrap05: X-RateLimit-Reset is in milliseconds, Retry-After in seconds.
func TestTrap05(t *testing.T) {
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

func TestClassify(t *testing.T) {
	type want struct {
		verdict sinks.Verdict
		kind    string
	}
	for name, c := range map[string]struct {
		a    sinks.Answer
		want want
	}{
		"refused dial":   {sinks.Answer{Sent: sinks.SentNo, Err: os.ErrClosed}, want{sinks.NotSent, sinks.TypeUnreachable}},
		"no answer":      {sinks.Answer{Sent: sinks.SentUnknown, Err: os.ErrDeadlineExceeded}, want{sinks.Unknown, sinks.TypeNoAnswer}},
		"broken off":     {sinks.Answer{Status: 200, Sent: sinks.SentYes, Err: os.ErrDeadlineExceeded}, want{sinks.Unknown, sinks.TypeNoAnswer}},
		"good":           {sinks.Answer{Status: 200, Sent: sinks.SentYes}, want{sinks.Applied, ""}},
		"201":            {sinks.Answer{Status: 201, Sent: sinks.SentYes}, want{sinks.Unknown, sinks.UnknownType}},
		"redirect":       {sinks.Answer{Status: 308, Sent: sinks.SentYes}, want{sinks.SinkError, "redirect"}},
		"validation":     {sinks.Answer{Status: 400, Sent: sinks.SentYes}, want{sinks.Refused, "validation"}},
		"key":            {sinks.Answer{Status: 401, Sent: sinks.SentYes}, want{sinks.AccountError, "unauthorized"}},
		"plan":           {sinks.Answer{Status: 403, Sent: sinks.SentYes}, want{sinks.AccountError, "forbidden"}},
		"not found":      {sinks.Answer{Status: 404, Sent: sinks.SentYes}, want{sinks.Refused, "not_found"}},
		"busy":           {sinks.Answer{Status: 409, Sent: sinks.SentYes}, want{sinks.Busy, "busy"}},
		"too large":      {sinks.Answer{Status: 413, Sent: sinks.SentYes}, want{sinks.Refused, "too_large"}},
		"unknown 4xx":    {sinks.Answer{Status: 418, Sent: sinks.SentYes}, want{sinks.Refused, sinks.UnknownType}},
		"throttled":      {sinks.Answer{Status: 429, Sent: sinks.SentYes}, want{sinks.Throttled, sinks.TypeThrottled}},
		"server":         {sinks.Answer{Status: 500, Sent: sinks.SentYes}, want{sinks.Unknown, "server_error"}},
		"gateway":        {sinks.Answer{Status: 504, Sent: sinks.SentYes}, want{sinks.Unknown, "server_error"}},
		"unknown server": {sinks.Answer{Status: 599, Sent: sinks.SentYes}, want{sinks.Unknown, sinks.UnknownType}},
	} {
		out := classify(c.a, time.Now())
		if out.Verdict != c.want.verdict || out.Fault.Type != c.want.kind {
			t.Errorf("%s: %s %+v", name, out.Verdict, out.Fault)
		}
		if out.Verdict == sinks.Unknown && out.Fault.Sent == sinks.SentYes && c.a.Status != 200 {
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

// TestRefusalRepeatsNoValue: only names of the page are taken out of an error.
func TestRefusalRepeatsNoValue(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"Validation failed","details":["phone: jane@example.com is too long","projects[3].name: secret"]}`: "Mokaru refuses phone, projects",
		`{"error":"Validation failed","details":{"email":["jane@example.com is taken"]}}`:                            "Mokaru refuses email",
		`{"error":"Validation failed","details":[{"field":"website","message":"secret"}]}`:                           "Mokaru refuses website",
		`{"error":"jane@example.com"}`: "Mokaru refuses the body",
		`jane@example.com`:             "Mokaru refuses the body",
	} {
		if got := refusal([]byte(body)); got != want {
			t.Errorf("%s: %q", body, got)
		}
	}
}

// TestEchoIsAFixedPoint: what is read back, in Mokaru's form, is recognised as what was sent.
func TestEchoIsAFixedPoint(t *testing.T) {
	p := state("")
	set(p, "birthDate", `"1990-01-15"`)
	set(p, "linkedIn", `"https://linkedin.com/in/jane-smith"`)
	list(p, ledger.Base, "projects", `{"name":"n","description":"d","startDate":"2020-02-03","isCurrent":false}`)
	list(p, ledger.Base, "jobTitles", `{"title":"t"}`)
	sent, err := build(p, []string{"phone", "interests"})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ledger.ParseJSON([]byte(`{"seniority":"x","phone":null,"birthDate":"1990-01-15T00:00:00.000Z","linkedIn":"https://linkedin.com/in/jane-smith","country":"foreign",
		"projects":[{"description":"d","name":"n","startDate":"2020-02-03T00:00:00.000Z","endDate":null,"id":"7"}],"jobTitles":[{"title":"t","displayOrder":0}],"interests":[],"awards":[{"name":"foreign"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := echo(read, sent.Fields); string(got) != string(sent.Echo) {
		t.Errorf("read %s\nsent %s", got, sent.Echo)
	}
}
