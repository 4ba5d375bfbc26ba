package mokaru

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vitae/sinks"
)

// script answers requests one after the other, and keeps them.
type script struct {
	t       *testing.T
	answers []answer
	seen    []string
}

type answer struct {
	status int
	body   string
}

func (s *script) Do(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	line := req.Method + " " + req.URL.RequestURI()
	if len(body) > 0 {
		line += " " + string(body)
	}
	s.seen = append(s.seen, line)
	if req.Header.Get("X-Vitae-Attempt") != attempt.String() || req.Header.Get("Authorization") != "Bearer mk_1" ||
		(req.Header.Get("Content-Type") == "application/json") != (len(body) > 0) {
		s.t.Errorf("%s: %v", line, req.Header)
	}
	if len(s.seen) > len(s.answers) {
		s.t.Fatalf("one request too many: %s", line)
	}
	a := s.answers[len(s.seen)-1]
	w := httptest.NewRecorder()
	w.Header().Set("X-RateLimit-Limit", "20")
	w.Header().Set("X-RateLimit-Remaining", "11")
	w.Header().Set("X-RateLimit-Reset", "1800000042000")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // a recorder takes everything
	return w.Result(), nil
}

var attempt = sinks.NewID(time.UnixMilli(1_800_000_000_000))

// against makes a provider that is answered so.
func against(t *testing.T, answers ...answer) (*Provider, *script) {
	t.Helper()
	s := &script{t: t, answers: answers}
	p, err := New("https://api.mokaru.ai/", s)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func TestCalls(t *testing.T) {
	for name, c := range map[string]struct {
		call    sinks.Call
		answer  answer
		request string
		verdict sinks.Verdict
		ref     string
	}{
		"profile": {sinks.Call{Entity: Entity, Body: []byte(`{"firstName":"Jane","projects":[]}`), Clears: []string{"awards", "phone"}}, answer{200, `{"success":true}`},
			`PATCH /v1/profile {"firstName":"Jane","phone":null,"projects":[],"awards":[]}`, sinks.Applied, ""},
		"profile, unchanged": {sinks.Call{Entity: Entity, Body: []byte(`{"firstName":"Jane"}`)}, answer{200, `{"success":true,"updated":false}`},
			`PATCH /v1/profile {"firstName":"Jane"}`, sinks.Unchanged, ""},
		"profile, only clears": {sinks.Call{Entity: Entity, Clears: []string{"phone"}}, answer{200, `{"success":true}`}, `PATCH /v1/profile {"phone":null}`, sinks.Applied, ""},
		"profile, nothing":     {sinks.Call{Entity: Entity}, answer{}, "", sinks.Unchanged, ""},
		"profile, not found":   {sinks.Call{Entity: Entity, Clears: []string{"phone"}}, answer{404, `{"error":"x"}`}, `PATCH /v1/profile {"phone":null}`, sinks.Refused, ""},
		"profile, garbage":     {sinks.Call{Entity: Entity, Clears: []string{"phone"}}, answer{200, `<html>`}, `PATCH /v1/profile {"phone":null}`, sinks.Unknown, ""},
		"create": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate, Body: []byte(`{"name":"Go"}`), Clears: []string{"level"}}, answer{201, `{"success":true,"id":"7"}`},
			`POST /v1/skills {"name":"Go"}`, sinks.Applied, "7"},
		"create, 200": {sinks.Call{Entity: "education/a/b", Verb: sinks.VerbCreate, Body: []byte(`{"school":"S"}`)}, answer{200, `{"success":true,"id":7}`},
			`POST /v1/education {"school":"S"}`, sinks.Applied, "7"},
		"create, no id": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate, Body: []byte(`{"name":"Go"}`)}, answer{201, `{"success":true}`},
			`POST /v1/skills {"name":"Go"}`, sinks.Unknown, ""},
		"create, no usable id": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate, Body: []byte(`{"name":"Go"}`)}, answer{201, `{"success":true,"id":"../profile"}`},
			`POST /v1/skills {"name":"Go"}`, sinks.Unknown, ""},
		"create, no success": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate, Body: []byte(`{"name":"Go"}`)}, answer{201, `{"success":false,"id":"7"}`},
			`POST /v1/skills {"name":"Go"}`, sinks.Unknown, ""},
		"create, 404": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate, Body: []byte(`{"name":"Go"}`)}, answer{404, `{"error":"x"}`},
			`POST /v1/skills {"name":"Go"}`, sinks.Refused, ""},
		"update": {sinks.Call{Entity: "experiences/a", Verb: sinks.VerbUpdate, Ref: "x y?#%", Body: []byte(`{"jobTitle":"J","company":"C","isCurrent":false}`), Clears: []string{"location", "endDate", "company"}},
			answer{200, `{"success":true}`}, `PATCH /v1/experiences/x%20y%3F%23%25 {"jobTitle":"J","company":"C","location":null,"endDate":null,"isCurrent":false}`, sinks.Applied, ""},
		"update, gone": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbUpdate, Ref: "7", Body: []byte(`{"name":"Go"}`)}, answer{404, `{"error":"x"}`},
			`PATCH /v1/skills/7 {"name":"Go"}`, sinks.TargetGone, ""},
		"update, 201": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbUpdate, Ref: "7", Body: []byte(`{"name":"Go"}`)}, answer{201, `{"success":true}`},
			`PATCH /v1/skills/7 {"name":"Go"}`, sinks.Unknown, ""},
		"delete":               {sinks.Call{Entity: "skills/a", Verb: sinks.VerbDelete, Ref: "7"}, answer{200, `{"success":true}`}, `DELETE /v1/skills/7`, sinks.Applied, ""},
		"delete, gone":         {sinks.Call{Entity: "skills/a", Verb: sinks.VerbDelete, Ref: "7"}, answer{404, `{"error":"x"}`}, `DELETE /v1/skills/7`, sinks.TargetGone, ""},
		"delete, nobody's 404": {sinks.Call{Entity: "skills/a", Verb: sinks.VerbDelete, Ref: "7"}, answer{404, `<html>404`}, `DELETE /v1/skills/7`, sinks.Unknown, ""},
		"delete, throttled":    {sinks.Call{Entity: "skills/a", Verb: sinks.VerbDelete, Ref: "7"}, answer{429, ``}, `DELETE /v1/skills/7`, sinks.Throttled, ""},

		"update without an id":  {sinks.Call{Entity: "skills/a", Verb: sinks.VerbUpdate, Body: []byte(`{"name":"Go"}`)}, answer{}, "", sinks.Refused, ""},
		"delete without an id":  {sinks.Call{Entity: "skills/a", Verb: sinks.VerbDelete}, answer{}, "", sinks.Refused, ""},
		"update to nothing":     {sinks.Call{Entity: "skills/a", Verb: sinks.VerbUpdate, Ref: "7"}, answer{}, "", sinks.Refused, ""},
		"create of nothing":     {sinks.Call{Entity: "skills/a", Verb: sinks.VerbCreate}, answer{}, "", sinks.Refused, ""},
		"an order":              {sinks.Call{Entity: "skills", Verb: sinks.VerbSet, Body: []byte(`["7"]`)}, answer{}, "", sinks.Refused, ""},
		"an unknown section":    {sinks.Call{Entity: "hobbies/a", Verb: sinks.VerbCreate, Body: []byte(`{}`)}, answer{}, "", sinks.Refused, ""},
		"a profile of its kind": {sinks.Call{Entity: "profile/a", Verb: sinks.VerbCreate, Body: []byte(`{}`)}, answer{}, "", sinks.Refused, ""},
	} {
		p, s := against(t, c.answer)
		c.call.Credential, c.call.Attempt = []byte(" mk_1\n"), attempt
		out := p.Call(context.Background(), c.call)
		if got := strings.Join(s.seen, "\n"); got != c.request || out.Verdict != c.verdict || out.Ref != c.ref {
			t.Errorf("%s:\ngot  %s\nwant %s\n%s %q %+v", name, got, c.request, out.Verdict, out.Ref, out.Fault)
		}
		if (out.Limit != nil) != (c.request != "") || out.Limit != nil && out.Limit.Remaining != 11 {
			t.Errorf("%s: limit %+v", name, out.Limit)
		}
		if (out.Verdict == sinks.Applied) != (out.Fault == sinks.Fault{}) && out.Verdict != sinks.Unchanged {
			t.Errorf("%s: %s with %+v", name, out.Verdict, out.Fault)
		}
	}
	p, _ := against(t)
	for _, credential := range []string{"", " ", "mk_1\r\nX: y", "mk_é"} {
		if out := p.Call(context.Background(), sinks.Call{Entity: Entity, Body: []byte(`{"firstName":"Jane"}`), Credential: []byte(credential)}); out.Verdict != sinks.AccountError ||
			out.Fault.Sent != sinks.SentNo {
			t.Errorf("%q: %s", credential, out.Verdict)
		}
	}
}

func TestRead(t *testing.T) {
	call := sinks.Call{Entity: Entity, Fields: []string{"firstName", "phone"}, Credential: []byte("mk_1"), Attempt: attempt}
	p, s := against(t, answer{200, `{"data":{"firstName":"Jane","phone":null,"lastName":"foreign","awards":[{},{}]}}`}, answer{200, `{"success":true}`}, answer{404, ``})
	got, out := p.Read(context.Background(), call)
	if out.Verdict != sinks.Applied || string(got.Echo) != `{"firstName":"Jane"}` || s.seen[0] != "GET /v1/profile" {
		t.Errorf("%s %s %+v", got.Echo, s.seen, out)
	}
	for _, want := range []sinks.Verdict{sinks.Unknown, sinks.Refused} {
		if got, out := p.Read(context.Background(), call); out.Verdict != want || got.Echo != nil {
			t.Errorf("%s %+v", got.Echo, out)
		}
	}
	call.Entity = "skills"
	if _, out := p.Read(context.Background(), call); out.Verdict != sinks.Refused || out.Fault.Sent != sinks.SentNo {
		t.Errorf("a section: %+v", out)
	}
}

// skillsPage is an answer with items first to last (not included).
func skillsPage(first, last int, rest string) answer {
	var data []string
	for i := first; i < last; i++ {
		data = append(data, fmt.Sprintf(`{"id":"s%d","name":"n%d","category":null,"level":null}`, i, i))
	}
	return answer{200, `{"data":[` + strings.Join(data, ",") + `]` + rest + `}`}
}

func TestList(t *testing.T) {
	type pages []answer
	for name, c := range map[string]struct {
		pages   pages
		items   int
		verdict sinks.Verdict
	}{
		"none":                {pages{skillsPage(0, 0, `,"total":0,"hasMore":false`)}, 0, sinks.Applied},
		"one page":            {pages{skillsPage(0, 3, `,"total":3,"hasMore":false`)}, 3, sinks.Applied},
		"three":               {pages{skillsPage(0, 100, `,"total":230,"hasMore":true`), skillsPage(100, 200, `,"total":230,"hasMore":true`), skillsPage(200, 230, `,"total":230,"hasMore":false`)}, 230, sinks.Applied},
		"total only":          {pages{skillsPage(0, 100, `,"total":101`), skillsPage(100, 101, `,"total":101`)}, 101, sinks.Applied},
		"hasMore only":        {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(100, 101, `,"hasMore":false`)}, 101, sinks.Applied},
		"smaller pages":       {pages{skillsPage(0, 25, `,"total":30,"hasMore":true`), skillsPage(25, 30, `,"total":30,"hasMore":false`)}, 30, sinks.Applied},
		"more, and then none": {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(0, 0, `,"hasMore":true`)}, 0, sinks.Unknown},
		"fewer than said":     {pages{skillsPage(0, 100, `,"total":101`), skillsPage(0, 0, `,"total":101`)}, 0, sinks.Unknown},
		"more than said":      {pages{skillsPage(0, 3, `,"total":2,"hasMore":false`)}, 0, sinks.Unknown},
		"one added in front meanwhile, so that one is seen twice": {
			pages{skillsPage(0, 100, `,"total":101,"hasMore":true`), skillsPage(99, 101, `,"total":102,"hasMore":false`)}, 0, sinks.Unknown},
		"throttled within": {pages{skillsPage(0, 100, `,"hasMore":true`), {429, ``}}, 0, sinks.Throttled},
		"gone":             {pages{{404, `{"error":"x"}`}}, 0, sinks.Refused},
		"garbage":          {pages{{200, `{"data":[{"name":"no id"}],"total":1}`}}, 0, sinks.Unknown},
	} {
		p, s := against(t, c.pages...)
		// The lane that lists has an item of its own.
		items, out := p.List(context.Background(), sinks.Call{Entity: "skills", Ref: "s1", Credential: []byte("mk_1"), Attempt: attempt})
		if out.Verdict != c.verdict || len(items) != c.items || len(s.seen) != len(c.pages) {
			t.Errorf("%s: %s, %d items, %d requests, %+v", name, out.Verdict, len(items), len(s.seen), out.Fault)
		}
		if out.Limit == nil || out.Limit.Remaining != 11 {
			t.Errorf("%s: limit %+v", name, out.Limit)
		}
		offset := 0
		for i, line := range s.seen {
			if want := fmt.Sprintf("GET /v1/skills?limit=100&offset=%d", offset); line != want {
				t.Errorf("%s: %s, want %s", name, line, want)
			}
			offset += strings.Count(c.pages[i].body, `"id"`)
		}
		for i, it := range items {
			if it.Ref != fmt.Sprintf("s%d", i) || string(it.Echo) != fmt.Sprintf(`{"name":"n%d"}`, i) {
				t.Errorf("%s: %s %s", name, it.Ref, it.Echo)
			}
		}
	}
	endless := make([]answer, mostPages)
	for i := range endless {
		endless[i] = skillsPage(i, i+1, `,"hasMore":true`)
	}
	p, _ := against(t, endless...)
	if items, out := p.List(context.Background(), sinks.Call{Entity: "skills", Credential: []byte("mk_1"), Attempt: attempt}); items != nil || out.Verdict != sinks.Unknown {
		t.Errorf("a list without an end: %d items, %s", len(items), out.Verdict)
	}
	if _, out := p.List(context.Background(), sinks.Call{Entity: Entity}); out.Verdict != sinks.Refused || out.Fault.Sent != sinks.SentNo {
		t.Errorf("the profile is no list: %+v", out)
	}
}

// TestTrap06OneBudgetForTheAccount: the rate is below Mokaru's, which is of the account
// and shared by all calls, and a key is no part of what is asked for by an entity.
func TestTrap06OneBudgetForTheAccount(t *testing.T) {
	p, _ := against(t)
	if r := p.Rate(); r.PerMinute <= 0 || r.PerMinute >= 20 || r.Burst > r.PerMinute || r.PerDay != 0 {
		t.Errorf("%+v", r)
	}
	var got []string
	for _, e := range p.Entities() {
		got = append(got, fmt.Sprint(e.Name, " ", e.Class, " ", e.Items))
	}
	if want := "[profile A  experiences A C education A C skills A C]"; fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
}
