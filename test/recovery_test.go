package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// both is a configuration that delivers to the stand-in Mokaru and LinkedIn.
func both(s *harness.Sandbox) string {
	return harness.Fast(s.URL("mokaru")) + fmt.Sprintf("[sinks.linkedin]\nbase_url = %q\nrequests_per_minute = 0\nrequests_per_day = 0\ntimeout = \"10s\"\nsettle = \"300ms\"\n", s.URL("linkedin"))
}

// TestDeliveryToLinkedIn: an edit made once is at LinkedIn once, in its own shape, items
// and their order included.
func TestDeliveryToLinkedIn(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: both(sandbox)})
	admin, token := s.Admin(), harness.Token()
	id := admin.Create(map[string]any{"firstName": "Jane", "firstName@fr_FR": "Jeanne", "lastName": "Smith", "headline": "Building", "summary": "Founder. Author.",
		"workExperiences": []any{
			map[string]any{"id": "one", "jobTitle": "Designer", "company": "Acme", "startDate": "2019-05", "isCurrent": true},
			map[string]any{"id": "two", "jobTitle": "Intern", "company": "Initech", "startDate": "2017-01", "endDate": "2018-02"}},
		"skills": []any{map[string]any{"name": "Go"}}})
	admin.Must(200, patch, harness.Profile(id), map[string]any{"picture": upload(t, admin, "pixels", "me", id)})
	admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/linkedin"), map[string]any{"account": "yrZCpj2ZYQ", "credential": token})
	settled(t, s, "--profile", id)
	read := func() map[string]any { return harness.LinkedIn(t, sandbox.URL("linkedin"), token, "yrZCpj2ZYQ") }
	titles := func() []string { return harness.Texts(t, read(), "positions", "title") }
	name, _ := json.Marshal(read()["firstName"])
	if want := `{"localized":{"en_US":"Jane","fr_FR":"Jeanne"},"preferredLocale":{"country":"US","language":"en"}}`; string(name) != want {
		t.Errorf("firstName is %s", name)
	}
	if got := titles(); !slices.Equal(got, []string{"Designer", "Intern"}) {
		t.Errorf("positions: %v", got)
	}
	if read()["profilePicture"] == nil {
		t.Error("there is no picture")
	}
	// An item more, one less, one changed, and the other order.
	admin.Must(200, patch, harness.Profile(id), map[string]any{"workExperiences": []any{
		map[string]any{"id": "three", "jobTitle": "Director", "company": "Acme", "startDate": "2024-01", "isCurrent": true},
		map[string]any{"id": "one", "jobTitle": "Senior designer", "company": "Acme", "startDate": "2019-05", "endDate": "2023-12"}}})
	settled(t, s, "--profile", id)
	if got := titles(); !slices.Equal(got, []string{"Director", "Senior designer"}) {
		t.Errorf("positions: %v", got)
	}
	// Every attempt can be followed from the profile to the provider's answer.
	var rows struct {
		Data []struct{ Entity, Event, Attempt, Sent, End string }
	}
	admin.Must(200, get, harness.Profile(id, "/deliveries?sink=linkedin&entity=positions&limit=500"), nil).Into(t, &rows)
	made := 0
	for _, r := range rows.Data {
		if r.Event == "succeed" && strings.HasPrefix(r.Entity, "positions/") && r.Attempt != "" && r.End == "applied" {
			made++
		}
	}
	if made != 5 { // two created, one created, one changed, one deleted
		t.Errorf("%d successes in the journal: %+v", made, rows.Data)
	}
}

// TestRecovery: what a provider has lost or changed is found by a plan and mended by
// applying it, on the command line; and brought back to how it once was.
func TestRecovery(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: both(sandbox)})
	admin, credential := s.Admin(), harness.Credential()
	id := admin.Create(map[string]any{"firstName": "Jane", "jobTitle": "Designer", "workExperiences": []any{map[string]any{"jobTitle": "Designer", "company": "Acme"}},
		"projects": []any{map[string]any{"name": "Ours", "description": "d"}}})
	admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": credential})
	settled(t, s, "--profile", id)
	old := admin.MustHistory(id)[len(admin.MustHistory(id))-1].Seq
	there := harness.NewClient(t, sandbox.URL("mokaru"), credential)
	type plan struct {
		ID, Digest           string
		Operations, Requests int
		Progress             struct{ State string }
	}
	planned := func(args ...string) (p plan) {
		t.Helper()
		r := s.CLI(append([]string{"sink", "plan", "mokaru", "-o", "json"}, args...)...)
		if err := json.Unmarshal([]byte(r.Out), &p); r.Code != 0 || err != nil {
			t.Fatalf("sink plan: %v", r)
		}
		return p
	}
	recovered := func(args ...string) {
		t.Helper()
		if r := s.CLI(append([]string{"sink", "recover", "mokaru", "--yes"}, args...)...); r.Code != 0 {
			t.Fatalf("sink recover: %v\n%s", r, s.Tail())
		}
		if p := planned(args...); p.Operations != 0 {
			t.Errorf("a second plan has %d operations", p.Operations)
		}
	}
	if p := planned(); p.Operations != 0 {
		t.Errorf("a plan of what is there: %+v", p)
	}
	there.Must(200, patch, "/v1/profile", map[string]any{"jobTitle": "Somebody else", "projects": []any{map[string]any{"name": "Ours", "description": "d"}, map[string]any{"name": "Foreign", "description": "not ours"}}})
	items := there.Must(200, get, "/v1/experiences", nil).List(t)
	there.Must(200, http.MethodDelete, "/v1/experiences/"+items[0]["id"].(string), nil)
	if p := planned(); p.Operations != 2 {
		t.Errorf("after somebody else's changes: %+v", p)
	}
	// Without --yes, and not on a terminal, nothing happens.
	if r := s.CLI("sink", "recover", "mokaru"); r.Code != 0 || !strings.Contains(r.Out, "foreign items at risk  1") || len(there.Must(200, get, "/v1/experiences", nil).List(t)) != 0 {
		t.Errorf("recover without --yes: %v", r)
	}
	recovered()
	same := func(query string) {
		t.Helper()
		if diff := harness.MokaruDiffers(t, sandbox.URL("mokaru"), credential, admin.Read(id, query)); diff != "" {
			t.Errorf("(-profile +provider):\n%s", diff)
		}
	}
	same("")
	admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": "Director", "city": "Rennes", "workExperiences": []any{}})
	settled(t, s, "--profile", id)
	same("")
	recovered("--to", fmt.Sprint(old), "--profile", id)
	same(fmt.Sprintf("?at=%d", old))
	if n := len(there.Must(200, get, "/v1/experiences", nil).List(t)); n != 1 {
		t.Errorf("%d experiences", n)
	}
	// A server that starts anew leaves it so; and goes back to the newest state when told.
	s.Kill9()
	s.Restart()
	settled(t, s)
	same(fmt.Sprintf("?at=%d", old))
	recovered()
	same("")
}

// TestDecisionsAreHistory: what a person decides about parked edits is in the history of
// the profile, with who and why.
func TestDecisionsAreHistory(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: both(sandbox)})
	admin := s.Admin()
	var ids []string
	for i := range 3 {
		id := admin.Create(map[string]any{"firstName": fmt.Sprint("Jane ", i), "workExperiences": []any{map[string]any{"jobTitle": strings.Repeat("x", 150), "company": "Acme"}}})
		admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": harness.Credential()})
		ids = append(ids, id)
	}
	settled(t, s)
	for range 3 { // every one of them is refused, once
		harness.NewClient(t, strings.TrimSuffix(sandbox.URL("mokaru"), "/mokaru"), "").Must(200, post, "/_sandbox/faults",
			map[string]any{"provider": "mokaru", "kind": "status", "status": 400, "method": "PATCH", "path": "/v1/profile"})
	}
	for _, id := range ids {
		admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": "Refused"})
	}
	if r := s.CLI("sink", "wait", "--timeout", "60s"); r.Code != 3 {
		t.Fatalf("sink wait: %v", r)
	}
	if r := s.CLI("sink", "redrive", "mokaru", "--code", "refused", "--dry-run"); r.Code != 0 || !strings.Contains(r.Out, ids[2]) {
		t.Errorf("what would be redriven: %v", r)
	}
	if r := s.CLI("sink", "redrive", "mokaru", "--code", "refused", "--reason", "they have mended it"); r.Code != 0 {
		t.Fatalf("redrive: %v", r)
	}
	settled(t, s)
	for _, id := range ids {
		h := admin.MustHistory(id)
		last := h[len(h)-1]
		if last.Op != "decided" || last.Actor != "admin" {
			t.Errorf("the last event is %+v", last)
		}
	}
}
