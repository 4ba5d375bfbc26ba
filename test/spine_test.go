package test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

const (
	get   = http.MethodGet
	post  = http.MethodPost
	patch = http.MethodPatch
)

// whole reads a profile's history, checks its chain, folds it, and compares the fold with
// what the API gives for the profile and for each of its resumes.
func whole(t *testing.T, c *harness.Client, id string) (*harness.State, []harness.Event) {
	t.Helper()
	events := c.MustHistory(id)
	if err := harness.CheckChain(id, events); err != nil {
		t.Fatal(err)
	}
	state := harness.Fold(events, 1<<62)
	if diff := state.Differs(c.Read(id, ""), "base"); diff != "" {
		t.Fatalf("the profile is not what its history says (-history +profile):\n%s", diff)
	}
	for _, resume := range state.Resumes() {
		doc := c.Must(200, get, "/v1/resume/"+resume, nil, "X-Vitae-Profile", id).Data(t)
		if diff := state.Differs(doc, resume); diff != "" {
			t.Fatalf("resume %s is not what the history says (-history +resume):\n%s", resume, diff)
		}
	}
	return state, events
}

func first() map[string]any {
	return map[string]any{
		"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "phone": "+1 555 0100", "linkedIn": "jane-smith",
		"jobTitle": "Designer", "projects": []any{map[string]any{"name": "Alpha", "description": "the first"}},
		"skills": []any{map[string]any{"name": "Go", "level": "expert"}, map[string]any{"name": "SQL"}},
	}
}

// TestSpine walks the whole way of an edit: HTTP, ledger, views, history, resumes, provider.
func TestSpine(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	provider := harness.NewRecorder(t, sandbox.URLs["mokaru"])
	s := harness.Start(t, harness.Options{Config: harness.Fast(provider.URL)})
	admin := s.Admin()

	id := admin.Create(first())
	_, events := whole(t, admin, id)
	if events[0].Op != "created" || events[0].Seq != 1 || events[len(events)-1].Seq != 1 {
		t.Fatalf("the first commit is %+v", events)
	}
	created := events[0]

	// An edit answers with its sequence and the fields that really changed.
	r := admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": "Product Designer", "phone": nil, "firstName": "Jane",
		"projects": []any{map[string]any{"name": "Alpha", "description": "changed"}, map[string]any{"name": "Beta", "description": "new"}}})
	e := r.Edit(t)
	slices.Sort(e.Fields)
	if !e.Success || !e.Updated || e.Seq != 2 || fmt.Sprint(e.Fields) != "[jobTitle phone projects]" {
		t.Fatalf("the edit answered %s", r.Body)
	}
	if r.Header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	state, events := whole(t, admin, id)
	if n := len(events); events[n-1].RequestID != r.Header.Get("X-Request-Id") || events[n-1].Actor != "admin" {
		t.Errorf("the last event is %+v", events[n-1])
	}
	projects, _ := state.Document("base")["projects"].([]any)
	if len(projects) != 2 || projects[0].(map[string]any)["id"] != itemID(t, events, 1, "projects") {
		t.Errorf("an edited item does not keep its id: %v", projects)
	}

	// The past is still there, by sequence and by time.
	old := harness.Fold(events, 1)
	for _, at := range []string{"1", url.QueryEscape(created.Time)} {
		if diff := old.Differs(admin.Read(id, "?at="+at), "base"); diff != "" {
			t.Errorf("as of %s:\n%s", at, diff)
		}
	}
	second := admin.Create(nil)
	admin.Must(404, get, harness.Profile(second, "?at=2"), nil)
	for _, at := range []string{"99", "x", "-1", "2026-13-01T00:00:00Z", "1.5"} {
		admin.Must(400, get, harness.Profile(id, "?at="+at), nil)
	}

	// An edit on an old state is refused, on the present one taken.
	tag := admin.Must(200, get, harness.Profile(id), nil).Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	admin.Must(200, patch, harness.Profile(id), `{"sector":"Design"}`, "If-Match", tag)
	admin.Must(412, patch, harness.Profile(id), `{"sector":"Art"}`, "If-Match", tag)

	resumes(t, admin, id)
	deliveries(t, s, admin, id, provider, sandbox.URLs["mokaru"])
	s.Stop()
	if r := harness.Command(t, nil, "", "fsck", "--data", s.Data); r.Code != 0 {
		t.Fatalf("fsck: %v", r)
	}
}

// itemID is the id of the first item of a collection that a commit put.
func itemID(t *testing.T, events []harness.Event, seq uint64, field string) string {
	t.Helper()
	for _, e := range events {
		if e.Seq == seq && e.Field == field && e.Op == "put" {
			return e.Item
		}
	}
	t.Fatalf("commit %d puts nothing into %s", seq, field)
	return ""
}

func resumes(t *testing.T, admin *harness.Client, id string) {
	as := []string{"X-Vitae-Profile", id}
	resume := admin.Must(201, post, "/v1/resume", `{"name":"For design jobs"}`, as...).Edit(t).ID
	read := func(view string) map[string]any {
		t.Helper()
		return admin.Must(200, get, "/v1/resume/"+view, nil, as...).Data(t)
	}
	copied := read(resume)
	if copied["name"] != "For design jobs" || fmt.Sprint(copied["projects"]) != fmt.Sprint(read("base")["projects"]) {
		t.Fatalf("a new resume is not a copy of base: %v", copied)
	}
	// A shared scalar reaches every resume; a collection stays with its own.
	admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": "Head of Design", "projects": []any{}})
	if now := read(resume); now["jobTitle"] != "Head of Design" || fmt.Sprint(now["projects"]) != fmt.Sprint(copied["projects"]) {
		t.Fatalf("after an edit of the profile the resume is %v", now)
	}
	admin.Must(200, patch, "/v1/resume/"+resume, `{"name":"Renamed","skills":[{"name":"Figma"}]}`, as...)
	if base := read("base"); strings.Contains(fmt.Sprint(base["skills"]), "Figma") {
		t.Fatalf("an edit of a resume reached base: %v", base["skills"])
	}
	admin.Must(400, patch, "/v1/resume/"+resume, `{"firstName":"No"}`, as...)
	whole(t, admin, id)
	admin.Must(409, http.MethodDelete, "/v1/resume/base", nil, as...)
	other := admin.Must(201, post, "/v1/resume", `{"name":"Short-lived"}`, as...).Edit(t).ID
	admin.Must(200, http.MethodDelete, "/v1/resume/"+other, nil, as...)
	admin.Must(404, get, "/v1/resume/"+other, nil, as...)
	whole(t, admin, id)
}

// settled waits until nothing is left to deliver for a profile, or for any.
func settled(t *testing.T, s *harness.Server, args ...string) {
	t.Helper()
	if r := s.CLI(append([]string{"sink", "wait", "--timeout", "60s"}, args...)...); r.Code != 0 {
		t.Fatalf("sink wait: %v\n%s", r, s.Tail())
	}
}

func deliveries(t *testing.T, s *harness.Server, admin *harness.Client, id string, provider *harness.Recorder, mokaru string) {
	credential := harness.Credential()
	admin.Must(200, patch, harness.Profile(id), map[string]any{"projects": first()["projects"], "interests": []any{map[string]any{"name": "Chess"}},
		"workExperiences": []any{map[string]any{"jobTitle": "Designer", "company": "Acme", "startDate": "2019-05", "isCurrent": true}}})
	if n := len(provider.Calls()); n > 0 {
		t.Fatalf("%d calls without a connection", n)
	}
	r := admin.Try(http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": credential})
	if r.Status != 200 && r.Status != 201 || strings.Contains(string(r.Body), credential) {
		t.Fatalf("connecting: %d %s", r.Status, r.Body)
	}
	same := func(when string) {
		t.Helper()
		settled(t, s, "--profile", id)
		settled(t, s)
		if diff := harness.MokaruDiffers(t, mokaru, credential, admin.Read(id, "")); diff != "" {
			t.Fatalf("%s the provider differs (-profile +provider):\n%s", when, diff)
		}
	}
	same("when connected")
	edit := map[string]any{"jobTitle": "Director", "website": "example.org", "phone": "+44 20 7946 0000",
		"skills": []any{map[string]any{"name": "SQL"}, map[string]any{"name": "Rust", "level": "beginner"}}}
	admin.Must(200, patch, harness.Profile(id), edit)
	same("after an edit")
	admin.Must(200, patch, harness.Profile(id), `{"website":null,"interests":[]}`)
	same("after clearing")

	// The same edit again writes nothing and calls nobody.
	edit["website"] = nil
	before, head := len(provider.Writes()), len(admin.MustHistory(id))
	if e := admin.Must(200, patch, harness.Profile(id), edit).Edit(t); e.Updated || len(e.Fields) != 0 {
		t.Fatalf("the same edit again: %+v", e)
	}
	same("after the same edit again")
	if n := len(admin.MustHistory(id)); n != head {
		t.Errorf("the same edit again made %d events", n-head)
	}
	if after := provider.Writes(); len(after) != before {
		t.Errorf("the same edit again made calls: %v", after[before:])
	}
	// An edit of what Mokaru does not carry calls nobody either.
	admin.Must(200, patch, harness.Profile(id), `{"headline":"Not for Mokaru"}`)
	same("after an edit of something else")
	if after := provider.Writes(); len(after) != before {
		t.Errorf("an edit of what the provider does not carry made calls: %v", after[before:])
	}
	// Neither do edits that come to nothing before they are sent, nor a server that starts anew.
	s.CLI("sink", "pause", "mokaru")
	for _, title := range []string{"Janitor", "Director"} {
		admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": title})
	}
	s.CLI("sink", "resume", "mokaru")
	same("after an edit and its opposite")
	s.Kill9()
	s.Restart()
	same("after a restart")
	if after := provider.Writes(); len(after) != before {
		t.Errorf("what the provider has already was sent again: %v", after[before:])
	}
	for _, call := range provider.Calls() {
		if call.Authorization != "Bearer "+credential {
			t.Errorf("%s %s went out with another credential", call.Method, call.Path)
		}
	}
	state(t, admin, id)
}

// state checks what the API says of a connection at rest.
func state(t *testing.T, admin *harness.Client, id string) {
	t.Helper()
	var list struct {
		Data []struct {
			Provider, State          string
			AcknowledgedSeq, HeadSeq uint64
			Lanes                    []struct{ Entity, Class, Phase string }
		}
	}
	admin.Must(200, get, harness.Profile(id, "/connections"), nil).Into(t, &list)
	if len(list.Data) != 1 || list.Data[0].Provider != "mokaru" || list.Data[0].State != "in_sync" || list.Data[0].AcknowledgedSeq != list.Data[0].HeadSeq {
		t.Errorf("connections: %+v", list.Data)
	}
}

// TestIdempotency: one key, one effect, one answer.
func TestIdempotency(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	create := func(key, body string) harness.Reply {
		return admin.Try(post, "/v1/profiles", body, "Idempotency-Key", key)
	}
	one, again := create("create-1", `{"firstName":"A"}`), create("create-1", `{"firstName":"A"}`)
	id, _ := one.Data(t)["id"].(string)
	if one.Status != 201 || again.Status != 201 || again.Data(t)["id"] != id || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("creating twice under one key: %d %s, then %d %s", one.Status, one.Body, again.Status, again.Body)
	}
	if r := create("create-1", `{"firstName":"B"}`); r.Status != 422 {
		t.Errorf("another body under the same key: %d %s", r.Status, r.Body)
	}
	if one.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the first answer says that it is a replay")
	}
	key, _ := admin.NewKey(id, "laptop", "profile:read", "profile:write", "audit:read")
	own := s.Client(key)
	for _, call := range []struct {
		method, path, body string
		want               int
	}{
		{patch, "/v1/profile", `{"firstName":"C"}`, 200},
		{post, "/v1/skills", `{"name":"Go"}`, 201},
		{post, "/v1/resume", `{"name":"R"}`, 201},
	} {
		a := own.Must(call.want, call.method, call.path, call.body, "Idempotency-Key", "same-key-"+call.path)
		// Between the two something else happens, and the server starts anew.
		own.Must(200, patch, "/v1/profile", fmt.Sprintf(`{"lastName":"after %s"}`, strings.Trim(call.path, "/")))
		s.Kill9()
		s.Restart()
		b := own.Must(call.want, call.method, call.path, call.body, "Idempotency-Key", "same-key-"+call.path)
		if string(a.Body) != string(b.Body) || b.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s %s: %s, again %s (replayed: %q)", call.method, call.path, a.Body, b.Body, b.Header.Get("Idempotency-Replayed"))
		}
		own.Must(422, call.method, call.path, strings.Replace(call.body, `":"`, `":"other`, 1), "Idempotency-Key", "same-key-"+call.path)
		// The admin's keys are other keys.
		if r := admin.Try(call.method, call.path, call.body, "Idempotency-Key", "same-key-"+call.path, "X-Vitae-Profile", id); r.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s %s: another API key was given the first one's answer", call.method, call.path)
		}
	}
	whole(t, admin, id)
}
