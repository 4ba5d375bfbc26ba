package mokaru

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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
		"three":               {pages{skillsPage(0, 100, `,"total":230,"hasMore":true`), skillsPage(99, 199, `,"total":230,"hasMore":true`), skillsPage(198, 230, `,"total":230,"hasMore":false`)}, 230, sinks.Applied},
		"total only":          {pages{skillsPage(0, 100, `,"total":101`), skillsPage(99, 101, `,"total":101`)}, 101, sinks.Applied},
		"hasMore only":        {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(99, 101, `,"hasMore":false`)}, 101, sinks.Applied},
		"smaller pages":       {pages{skillsPage(0, 25, `,"total":30,"hasMore":true`), skillsPage(24, 30, `,"total":30,"hasMore":false`)}, 30, sinks.Applied},
		"more, and then none": {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(0, 0, `,"hasMore":true`)}, 0, sinks.Unknown},
		"fewer than said":     {pages{skillsPage(0, 100, `,"total":101`), skillsPage(0, 0, `,"total":101`)}, 0, sinks.Unknown},
		"more than said":      {pages{skillsPage(0, 3, `,"total":2,"hasMore":false`)}, 0, sinks.Unknown},
		"one added in front meanwhile, so that one is seen twice": {
			pages{skillsPage(0, 100, `,"total":101,"hasMore":true`), skillsPage(98, 101, `,"total":102,"hasMore":false`)}, 0, sinks.Unknown},
		"one taken out in front meanwhile, so that one is never seen": {
			pages{skillsPage(0, 100, `,"total":102,"hasMore":true`), skillsPage(100, 102, `,"total":101,"hasMore":false`)}, 0, sinks.Unknown},
		"the last one slips over the edge, and the length comes out right": {
			pages{skillsPage(0, 100, `,"total":101,"hasMore":true`), skillsPage(100, 101, `,"total":100,"hasMore":false`)}, 0, sinks.Unknown},
		"one taken out in front, and one added behind": {
			pages{skillsPage(0, 100, `,"total":102,"hasMore":true`), skillsPage(100, 103, `,"total":102,"hasMore":false`)}, 0, sinks.Unknown},
		"the same, and nobody says how many": {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(100, 103, `,"hasMore":false`)}, 0, sinks.Unknown},
		"one added behind":                   {pages{skillsPage(0, 100, `,"total":101,"hasMore":true`), skillsPage(99, 102, `,"total":102,"hasMore":false`)}, 0, sinks.Unknown},
		"the same page for ever":             {pages{skillsPage(0, 100, `,"hasMore":true`), skillsPage(99, 100, `,"hasMore":true`)}, 0, sinks.Unknown},
		"one twice on a page":                {pages{{200, `{"data":[{"id":"s0","name":"n0"},{"id":"s0","name":"n0"}],"hasMore":false}`}}, 0, sinks.Unknown},
		"throttled within":                   {pages{skillsPage(0, 100, `,"hasMore":true`), {429, ``}}, 0, sinks.Throttled},
		"gone":                               {pages{{404, `{"error":"x"}`}}, 0, sinks.Refused},
		"garbage":                            {pages{{200, `{"data":[{"name":"no id"}],"total":1}`}}, 0, sinks.Unknown},
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
			offset += strings.Count(c.pages[i].body, `"id"`) - 1 // the last one is asked for again
		}
		for i, it := range items {
			if it.Ref != fmt.Sprintf("s%d", i) || string(it.Echo) != fmt.Sprintf(`{"name":"n%d"}`, i) {
				t.Errorf("%s: %s %s", name, it.Ref, it.Echo)
			}
		}
	}
	endless := make([]answer, mostPages)
	for i := range endless {
		endless[i] = skillsPage(i, i+2, `,"hasMore":true`)
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

// shifting is a Mokaru whose list of skills changes after its first page was read.
type shifting struct {
	ids    []string
	change func(ids []string) []string
	total  bool
}

func (s *shifting) Do(r *http.Request) (*http.Response, error) {
	limit, err1 := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, err2 := strconv.Atoi(r.URL.Query().Get("offset"))
	if err1 != nil || err2 != nil {
		return nil, errors.Join(err1, err2)
	}
	var data []string
	for _, id := range s.ids[min(offset, len(s.ids)):min(offset+limit, len(s.ids))] {
		data = append(data, fmt.Sprintf(`{"id":%q,"name":"n"}`, id))
	}
	body := fmt.Sprintf(`{"data":[%s],"hasMore":%v`, strings.Join(data, ","), offset+limit < len(s.ids))
	if s.total {
		body += fmt.Sprintf(`,"total":%d`, len(s.ids))
	}
	if s.change != nil {
		s.ids, s.change = s.change(s.ids), nil
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body + "}"))}, nil
}

// TestAListThatShiftsIsNotTakenForWhole: what was there all the time is never left out of
// a list that is given as whole.
func TestAListThatShiftsIsNotTakenForWhole(t *testing.T) {
	for name, change := range map[string]func(ids []string) []string{
		"nothing":            nil,
		"one less in front":  func(ids []string) []string { return ids[1:] },
		"one more in front":  func(ids []string) []string { return append([]string{"new"}, ids...) },
		"one less, one more": func(ids []string) []string { return append(slices.Clone(ids[1:]), "new") },
		"all but a few":      func(ids []string) []string { return ids[max(len(ids)-3, 0):] },
		"all":                func([]string) []string { return nil },
		"the other way":      func(ids []string) []string { ids = slices.Clone(ids); slices.Reverse(ids); return ids },
	} {
		for _, count := range []int{1, 99, 100, 101, 150, 199, 200, 250} {
			for _, total := range []bool{false, true} {
				s := &shifting{change: change, total: total}
				for i := range count {
					s.ids = append(s.ids, fmt.Sprint("s", i))
				}
				before := s.ids
				p, err := New("https://api.mokaru.example", s)
				if err != nil {
					t.Fatal(err)
				}
				items, out := p.List(t.Context(), sinks.Call{Entity: "skills", Credential: []byte("mk_1")})
				if change == nil && (out.Verdict != sinks.Applied || len(items) != count) {
					t.Errorf("%d: %+v, %d items", count, out, len(items))
				}
				if out.Verdict != sinks.Applied {
					continue
				}
				for _, id := range before {
					if slices.Contains(s.ids, id) && !slices.ContainsFunc(items, func(it sinks.Listed) bool { return it.Ref == id }) {
						t.Errorf("%s of %d, total said: %v: %s is left out", name, count, total, id)
						break
					}
				}
			}
		}
	}
}
