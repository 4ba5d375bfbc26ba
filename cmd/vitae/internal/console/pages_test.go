package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitae/ledger"
)

func TestGroupsHaveEveryNativeScalar(t *testing.T) {
	var have, need []string
	for _, g := range groups() {
		have = append(have, g.Fields...)
	}
	for _, f := range ledger.Catalogue() {
		if f.Provider == "" && !f.Hidden && !f.IsList() {
			need = append(need, f.Name)
		}
	}
	slices.Sort(have)
	slices.Sort(need)
	if !slices.Equal(have, need) {
		t.Errorf("the form has %v, the catalogue %v", have, need)
	}
}

// whole is the form as a browser sends it back when nothing was typed: line breaks are CRLF.
func (p *person) whole(changes map[string]string) url.Values {
	form := url.Values{"version": {strconv.FormatUint(p.api.seq, 10)}, "reason": {""}}
	for _, g := range groups() {
		for _, name := range g.Fields {
			form.Set(name, strings.ReplaceAll(p.api.values[name], "\n", "\r\n"))
		}
	}
	for name, value := range changes {
		form.Set(name, value)
	}
	return form
}

func (p *person) last() (*http.Request, string) {
	return p.api.asked[len(p.api.asked)-1], p.api.bodies[len(p.api.bodies)-1]
}

func TestSaveSendsOnlyWhatChanged(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	want(t, p.get("/console/profile"), 200, `name="version" value="7"`, `maxlength="2000"`, `for="jobTitle"`, "&lt;script&gt;", "Menuiserie", "PATCH /v1/profile", "Anne", "PostPress: location", "Without items: Projects.")
	if w := p.post("/console/profile", p.whole(map[string]string{"jobTitle": "Founder", "headline": "", "reason": "new job"})); w.Code != 303 {
		t.Fatalf("save: %d %s", w.Code, w.Body)
	}
	r, body := p.last()
	if r.Method != "PATCH" || body != `{"headline":null,"jobTitle":"Founder"}` || r.Header.Get("If-Match") != `"7"` || r.Header.Get("X-Vitae-Reason") != "new job" {
		t.Errorf("%s %s %v", r.Method, body, r.Header)
	}
	want(t, p.get("/console/profile"), 200, "Saved.")
	if w := p.get("/console/profile"); strings.Contains(w.Body.String(), "Saved.") {
		t.Error("a notice is shown twice")
	}
	if w := p.post("/console/profile", p.whole(nil)); w.Code != 303 {
		t.Errorf("unchanged: %d", w.Code)
	}
	if r, _ := p.last(); r.Method != "GET" {
		t.Error("an unchanged form was sent")
	}
	if w := p.post("/console/profile", url.Values{"version": {"7"}, "summary": {"one\r\ntwo\r\nthree"}}); w.Code != 303 {
		t.Errorf("part of a form: %d", w.Code)
	}
	if _, body := p.last(); body != `{"summary":"one\ntwo\nthree"}` {
		t.Errorf("sent %s", body)
	}
}

func TestRefusedValuesStandBesideTheirFields(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	p.api.refuse = func(w http.ResponseWriter) {
		problem(w, 400, "invalid_request", "wrong as listed", ledger.FieldError{Pointer: "/jobTitle", Code: "too_long", Message: "may have 200 characters " + planted},
			ledger.FieldError{Pointer: "/other", Message: "of no field"})
	}
	w := p.post("/console/profile", p.whole(map[string]string{"jobTitle": planted, "email": ""}))
	want(t, w, 400, "Nothing was saved", `id="jobTitle-error"`, "Job title: may have 200 characters &lt;script&gt;", `value="&lt;script&gt;alert(1)&lt;/script&gt;"`, "Other: of no field", `aria-invalid="true"`, `name="email" value=""`)
	p.api.refuse = func(w http.ResponseWriter) { problem(w, 403, "scope_missing", "lacks") }
	want(t, p.post("/console/profile", p.whole(map[string]string{"jobTitle": "typed"})), 403, "Your key may not change this", `value="typed"`)
	p.api.refuse = func(w http.ResponseWriter) { problem(w, 503, "unavailable", "This cannot be served now.") }
	want(t, p.post("/console/profile", p.whole(map[string]string{"jobTitle": "typed"})), 503, "This cannot be served now.", `value="typed"`)
	want(t, p.post("/console/profile", url.Values{"version": {"x"}}), 400, "The form is not whole")
	want(t, p.post("/console/profile", p.whole(map[string]string{"jobTitle": "\xff"})), 400, "must be UTF-8")
	want(t, p.post("/console/profile", p.whole(map[string]string{"jobTitle": strings.Repeat("x", maxForm)})), 413, "Nothing was changed")
}

func TestConflictKeepsWhatWasTyped(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	form := p.whole(map[string]string{"firstName": "Anna"})
	p.api.refuse = func(w http.ResponseWriter) { // somebody is faster
		p.api.seq = 9
		p.api.values["firstName"], p.api.values["lastName"] = "Annie", "Leigh"
		problem(w, 412, "precondition_failed", "The profile has changed.")
	}
	w := p.post("/console/profile", form)
	want(t, w, 412, "Someone else changed it", `name="version" value="9"`, `name="firstName" value="Anna"`, "Someone else made it: Annie", `name="lastName" value="Leigh"`)
	if strings.Contains(w.Body.String(), "Someone else made it: Leigh") {
		t.Error("a field that was not typed in is a conflict")
	}
}

func TestConflictIsSaidWithOtherErrors(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	p.api.past = map[string]string{"firstName": "An", "lastName": "Lee", "email": "ann@example.org"}
	p.api.refuse = func(w http.ResponseWriter) {
		problem(w, 400, "invalid_request", "wrong", ledger.FieldError{Pointer: "/email", Message: "bad"})
	}
	w := p.post("/console/profile", url.Values{"version": {"6"}, "firstName": {"Anna"}, "lastName": {"Lee"}, "email": {"x"}})
	want(t, w, 400, `name="version" value="7"`, "Someone else made it: Ann<", `name="firstName" value="Anna"`, "Email: bad")
	if _, body := p.last(); body != `{"email":"x","firstName":"Anna"}` {
		t.Errorf("sent %s", body)
	}
}

func TestPastHasNoForm(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	w := p.get("/console/profile?at=6")
	want(t, w, 200, "You are viewing the past", "&lt;script&gt;", "Ann")
	if body := w.Body.String(); strings.Contains(body, "<form") || strings.Contains(body, "<input") || strings.Contains(body, "<button") {
		t.Errorf("the past can be edited:\n%s", body)
	}
	if r, _ := p.last(); r.URL.RawQuery != "at=6" {
		t.Errorf("asked %s", r.URL)
	}
}

func TestOverview(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	want(t, p.get("/console/"), 200, "Ann Lee", "Waiting: edits are on their way", "it was not there", "2026-05-03 10:15:00 UTC")
	p.api.noRead = true
	want(t, p.get("/console/"), 200, "Your key may not see this.", "Waiting: edits are on their way")
	want(t, p.get("/console/profile"), 403, "Your key may not see this.")
	p.api.gone, p.cookie = false, nil
	p.signIn(ownKey) // a key that may not read does not tell its profile
	if w := p.get("/console/"); w.Header().Get("Location") != "/console/choose" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestResumes(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	want(t, p.get("/console/resumes"), 200, "&lt;script&gt;", "stays", `href="/console/resumes/01J8Z3K5V6Q7R8S9T0V1W2X3Y5/delete"`)
	if w := p.post("/console/resumes", url.Values{"name": {"For banks"}, "once": {"abc"}}); w.Code != 303 {
		t.Errorf("create: %d", w.Code)
	}
	if r, body := p.last(); r.URL.Path != "/v1/resume" || body != `{"name":"For banks"}` || r.Header.Get("Idempotency-Key") != "abc" {
		t.Errorf("%s %s", r.URL, body)
	}
	want(t, p.get("/console/resumes/01J8Z3K5V6Q7R8S9T0V1W2X3Y5/delete"), 200, "Delete it", "&lt;script&gt;")
	want(t, p.get("/console/resumes/base/delete"), 404, "no such resume")
	if w := p.post("/console/resumes/01J8Z3K5V6Q7R8S9T0V1W2X3Y5/delete", nil); w.Code != 303 {
		t.Errorf("delete: %d", w.Code)
	}
	if r, _ := p.last(); r.Method != "DELETE" || r.URL.Path != "/v1/resume/01J8Z3K5V6Q7R8S9T0V1W2X3Y5" {
		t.Errorf("%s %s", r.Method, r.URL)
	}
	p.api.refuse = func(w http.ResponseWriter) {
		problem(w, 400, "invalid_request", "wrong", ledger.FieldError{Pointer: "/name", Message: "must not be empty"})
	}
	want(t, p.post("/console/resumes", url.Values{"name": {planted}}), 400, "must not be empty", `value="&lt;script`)
	p.api.refuse = func(w http.ResponseWriter) { problem(w, 403, "scope_missing", "lacks") }
	want(t, p.post("/console/resumes", url.Values{"name": {"x"}}), 403, "Your key may not create resumes.")
	want(t, p.post("/console/resumes/01J8Z3K5V6Q7R8S9T0V1W2X3Y5/delete", nil), 403, "Your key may not do this.")
}

func TestHistory(t *testing.T) {
	for _, dense := range []bool{false, true} {
		p := newPerson(t)
		p.api.events, p.api.dense = 120, dense
		p.api.seq = 119001
		if dense {
			p.api.events, p.api.seq = 1060, 1
		}
		p.signIn(ownKey)
		seen, path := 0, "/console/history"
		for page := 0; path != "" && page < 60; page++ {
			before := len(p.api.asked)
			w := p.get(path)
			want(t, w, 200)
			if n := len(p.api.asked) - before; n > 20 {
				t.Errorf("%d requests for %s", n, path)
			}
			body := w.Body.String()
			for i := p.api.events - 1 - seen; i >= 0 && strings.Contains(body, "value "+strconv.Itoa(i)+" "); i-- {
				seen++
			}
			_, rest, more := strings.Cut(body, `<a href="/console/history?before=`)
			if path = ""; more {
				query, _, _ := strings.Cut(rest, `"`)
				path = "/console/history?before=" + query
			}
		}
		if seen != p.api.events {
			t.Errorf("dense %v: %d of %d events were shown", dense, seen, p.api.events)
		}
	}
}

func TestHistoryRow(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	p.api.events, p.api.seq = 1, 1
	want(t, p.get("/console/history?field=headline"), 200, "<details>", "&lt;script&gt;", `href="/console/profile?at=1"`, "key:abc", "why: because", "2026-05-03 10:14:00 UTC", "All fields")
	if r, _ := p.last(); r.URL.Query().Get("field") != "headline" {
		t.Errorf("asked %s", r.URL)
	}
	want(t, p.get("/console/history?before=x"), 400, "not whole")
	p.api.noRead = true // the end is found without reading the profile
	want(t, p.get("/console/history"), 200, "value 0")
}

func TestBlameAndDiff(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	want(t, p.get("/console/history"), 200, `href="/console/history/blame"`, `href="/console/history/diff"`)
	want(t, p.get("/console/history/blame?field=headline&at=7"), 200, "&lt;script&gt;", "key:abc", "why: because", "2026-05-03 10:14:00 UTC", `href="/console/history/blame?field=headline&amp;at=3"`, "as they were at 7", `<span class="id">s1</span>`)
	if r, _ := p.last(); r.URL.Query().Encode() != "at=7&field=headline" || !strings.HasSuffix(r.URL.Path, "/blame") {
		t.Errorf("asked %s", r.URL)
	}
	before := len(p.api.asked)
	want(t, p.get("/console/history/diff"), 200, `name="from"`)
	if len(p.api.asked) != before {
		t.Error("the empty form asked the API")
	}
	want(t, p.get("/console/history/diff?from=3&to="), 200, "&lt;script&gt;", `value="3"`, "was")
	if r, _ := p.last(); r.URL.Query().Encode() != "from=3" || !strings.HasSuffix(r.URL.Path, "/diff") {
		t.Errorf("asked %s", r.URL)
	}
}

func TestOperator(t *testing.T) {
	p := newPerson(t)
	p.signIn(allKey)
	if w := p.get("/console/"); w.Header().Get("Location") != "/console/choose" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	want(t, p.get("/console/choose"), 200, "The id of the profile", profile)
	want(t, p.post("/console/choose", url.Values{"profile": {planted}}), 400, "26 letters", "&lt;script")
	want(t, p.get("/console/operate"), 200, "Pause Mokaru", "1m2s", "it refused", "the provider refused it", "Skip: do not send this edit", "current", `name="reason"`,
		"its calls fail", "In doubt: workExperiences/w1", "2026-05-03 10:15:30 UTC")
	if page := p.get("/console/operate").Body.String(); strings.Count(page, "<fieldset>") != 1 {
		t.Error("what is in doubt can be decided about")
	}
	if w := p.post("/console/operate/sinks/mokaru/pause", nil); w.Code != 303 {
		t.Errorf("pause: %d", w.Code)
	}
	if r, _ := p.last(); r.Method != "POST" || r.URL.Path != "/v1/sinks/mokaru/pause" {
		t.Errorf("%s %s", r.Method, r.URL)
	}
	want(t, p.post("/console/operate/sinks/mokaru/explode", nil), 404)
	if w := p.post("/console/operate/sinks/mokaru/parked/00aa", url.Values{"action": {"skip"}, "reason": {"obsolete"}}); w.Code != 303 {
		t.Errorf("decide: %d", w.Code)
	}
	if r, body := p.last(); r.URL.Path != "/v1/sinks/mokaru/parked/00aa" || body != `{"action":"skip","reason":"obsolete"}` {
		t.Errorf("%s %s", r.URL, body)
	}
	want(t, p.post("/console/operate/sinks/mokaru/parked/00aa", nil), 400, "Choose what")
	if w := p.post("/console/choose", url.Values{"profile": {profile}}); w.Code != 303 {
		t.Errorf("choose: %d", w.Code)
	}
	want(t, p.get("/console/"), 200, "Ann Lee", profile)
	if r := p.api.asked[len(p.api.asked)-1]; r.Header.Get("X-Vitae-Profile") != profile {
		t.Error("the API was not told the profile")
	}
	q := newPerson(t)
	q.signIn(ownKey)
	want(t, q.get("/console/operate"), 200, "Your key may not see this.")
	want(t, q.get("/console/choose"), 404, "Your key is for one profile.")
}

// Every template is a page, and every page was rendered by the tests above or here.
func TestTemplates(t *testing.T) {
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	names := append(pageNames(), "frame")
	for _, f := range files {
		if !slices.Contains(names, strings.TrimSuffix(f.Name(), ".html")) {
			t.Errorf("%s is no page", f.Name())
		}
	}
	if len(files) != len(names) {
		t.Errorf("%d files for %d templates", len(files), len(names))
	}
	d := document{seq: 3, data: ledger.Node{Kind: ledger.NodeObject}}
	fixtures := map[string][]any{
		"signin": {nil}, "stopped": {nil}, "message": {nil},
		"overview": {overviewBody{}, overviewBody{NoProfile: "no", NoConnections: "no"}, overviewBody{Connections: []connection{{State: "in_sync"}, {State: "parked", Reason: "why"}}}},
		"profile":  {bodyOf(d, nil, nil), bodyOf(d, map[string]string{"jobTitle": "x\ny"}, []ledger.FieldError{{Pointer: "", Message: "whole"}, {Pointer: "/jobTitle", Message: "bad"}})},
		"past":     {bodyOf(d, nil, nil)},
		"resumes":  {resumesBody{}, resumesBody{None: "no"}, resumesBody{Error: "bad", Resumes: []resume{{}}}},
		"delete":   {resume{}},
		"history":  {historyBody{}, historyBody{None: "no"}, historyBody{Events: []event{{Erased: true}, {View: "base", Item: "i", Value: ledger.Value(`{"a":1}`)}}, Older: "1.0", Field: "skills"}},
		"blame":    {blameBody{}, blameBody{None: "no"}, blameBody{At: "3", Rows: []blamed{{View: "base", Item: "i", PreviousSeq: 2, Reason: "r"}, {View: "shared"}}}},
		"diff":     {diffBody{}, diffBody{None: "no"}, diffBody{Asked: true}, diffBody{From: "1", To: "2", Rows: []changed{{View: "base", Item: "i", Field: "skills", Op: "put"}, {View: "x", Op: "created"}}}},
		"choose":   {chooseBody{}, chooseBody{Error: "bad", IDs: []string{profile}}},
		"operate":  {operateBody{}, operateBody{NoSinks: "no", NoViews: "no"}, operateBody{Sinks: []sink{{State: "paused", NoEdits: "no", Edits: []parked{{ID: "00aa", Choices: []string{"retry"}}, {}}}, {Health: "idle"}}, Views: []projection{{Error: "bad"}}}},
	}
	all := pages()
	for _, name := range pageNames() {
		if len(fixtures[name]) == 0 {
			t.Errorf("%s has no fixture", name)
		}
		for i, body := range fixtures[name] {
			for _, signed := range []bool{false, true} {
				var b strings.Builder
				if err := all[name].ExecuteTemplate(&b, "frame", &view{Title: name, Signed: signed, Profile: profile, Words: "said", Notice: "told", Body: body}); err != nil {
					t.Errorf("%s %d: %v", name, i, err)
				}
				for _, open := range []string{"main", "form", "table", "section", "fieldset", "details", "dl", "ul", "div", "p", "label", "body", "html"} {
					text := b.String()
					if n, m := strings.Count(text, "<"+open+">")+strings.Count(text, "<"+open+" "), strings.Count(text, "</"+open+">"); n != m {
						t.Errorf("%s %d: %d of <%s>, %d closed", name, i, n, open, m)
					}
				}
			}
		}
	}
}
