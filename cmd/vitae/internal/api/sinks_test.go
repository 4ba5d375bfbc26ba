package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks"
)

func TestSinks(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(ledger.ProfileID{}, keys.Operate)
	if a := w.must(200, call{method: "GET", path: "/v1/sinks/mokaru", key: key}); a.json(t)["name"] != "mokaru" || a.json(t)["health"] != "active" {
		t.Error(a.body)
	}
	w.must(404, call{method: "GET", path: "/v1/sinks/nobody", key: key})
	w.must(200, call{method: "POST", path: "/v1/sinks/mokaru/pause?dryRun=true", key: key})
	if w.sinks.paused["mokaru"] {
		t.Error("a dry run paused the sink")
	}
	w.must(200, call{method: "POST", path: "/v1/sinks/mokaru/pause", key: key})
	if !w.sinks.paused["mokaru"] {
		t.Error("not paused")
	}
	w.must(200, call{method: "POST", path: "/v1/sinks/mokaru/resume", key: key})
	if w.sinks.paused["mokaru"] {
		t.Error("still paused")
	}
}

// TestSinkScope: what steers the deliveries needs operate on all profiles.
func TestSinkScope(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	for _, key := range []string{w.key(ledger.ProfileID{}, keys.All&^keys.Admin&^keys.Operate), w.key(id, keys.Operate)} {
		for _, c := range []call{
			{method: "GET", path: "/v1/sinks/mokaru/parked"},
			{method: "POST", path: "/v1/sinks/mokaru/parked", body: `{"action":"skip"}`},
			{method: "POST", path: "/v1/sinks/mokaru/parked/x", body: `{"action":"skip"}`},
			{method: "POST", path: "/v1/sinks/mokaru/plan"},
			{method: "POST", path: "/v1/plans/x/apply", body: `{"digest":"x"}`},
			{method: "GET", path: "/v1/plans/x"},
			{method: "DELETE", path: "/v1/plans/x"},
		} {
			c.key = key
			w.must(403, c)
		}
	}
}

// wrongFields are the pointers of a refusal, with their codes.
func wrongFields(t *testing.T, a answer) (out []string) {
	t.Helper()
	var p problemBody
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Errors {
		out = append(out, f.Pointer+" "+f.Code)
	}
	slices.Sort(out)
	return out
}

func (w *world) wrong(c call, want ...string) {
	w.t.Helper()
	before := w.submits()
	if got := wrongFields(w.t, w.must(400, c)); !slices.Equal(got, want) {
		w.t.Errorf("%s: wrong %q, want %q", c.body, got, want)
	}
	if w.submits() != before {
		w.t.Errorf("%s: something was decided", c.body)
	}
}

// park lays parked edits ready, for as many profiles; the last edit of each is in doubt.
func (w *world) park(profiles int) (ids []ledger.ProfileID) {
	for i := range profiles {
		id := w.person(jane)
		ids = append(ids, id)
		edit := func(n byte, entity, code string, class sinks.Class, choices ...sinks.Action) {
			w.sinks.edits = append(w.sinks.edits, sinks.ParkedEdit{ID: sinks.ID{1, byte(i), n}, Phase: sinks.Parked, Profile: id, Entity: entity, Class: class, Code: code,
				Since: sinks.StampOf(w.clock.Now().Add(time.Duration(n) * time.Hour)), Choices: choices})
		}
		edit(1, "profile", "refused", sinks.ClassA, sinks.Retry, sinks.MarkDone, sinks.Skip)
		edit(2, "workExperiences/a", "value", sinks.ClassC, sinks.Retry, sinks.Recreate)
		w.sinks.edits = append(w.sinks.edits, sinks.ParkedEdit{Phase: sinks.Uncertain, Profile: id, Entity: "workExperiences/b", Class: sinks.ClassC,
			NextAt: sinks.StampOf(w.clock.Now()), Since: sinks.StampOf(w.clock.Now()), Choices: []sinks.Action{}})
	}
	return ids
}

// TestDecideParked: a decision is a commit of the profile, with who and why, and the reply
// comes when the sinks have it.
func TestDecideParked(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.park(1)[0]
	key := w.key(ledger.ProfileID{}, keys.Operate)
	one := "/v1/sinks/mokaru/parked/" + w.sinks.edits[0].ID.String()
	before := w.submits()
	if a := w.must(200, call{method: "POST", path: one + "?dryRun=true", key: key, body: `{"action":"skip"}`}); a.json(t)["dryRun"] != true {
		t.Error(a.body)
	}
	w.must(409, call{method: "POST", path: one, key: key, body: `{"action":"recreate"}`})
	w.must(409, call{method: "POST", path: one + "?dryRun=true", key: key, body: `{"action":"recreate"}`})
	w.must(400, call{method: "POST", path: one + "?dryRun=perhaps", key: key, body: `{"action":"skip"}`})
	for _, gone := range []string{"x", "00000000000000000000000000", sinks.ID{9}.String()} {
		w.must(404, call{method: "POST", path: "/v1/sinks/mokaru/parked/" + gone, key: key, body: `{"action":"skip"}`})
	}
	w.must(404, call{method: "POST", path: strings.Replace(one, "mokaru", "nobody", 1), key: key, body: `{"action":"skip"}`})
	w.must(415, call{method: "POST", path: one, key: key, body: `{"action":"skip"}`, typ: "text/plain"})
	w.wrong(call{method: "POST", path: one, key: key, body: `{}`}, "/action not_one_of")
	w.wrong(call{method: "POST", path: one, key: key, body: `[]`}, " wrong_type")
	w.wrong(call{method: "POST", path: one, key: key, body: `{"action":"explode","why":"x","reason":null}`}, "/action not_one_of", "/reason wrong_type", "/why unknown_field")
	w.wrong(call{method: "POST", path: one, key: key, body: `{"action":1,"filter":{}}`}, "/action wrong_type", "/filter unknown_field")
	if w.submits() != before {
		t.Fatal("something was decided")
	}

	c := call{method: "POST", path: one, key: key, body: `{"action":"skip","reason":"seen"}`, header: idemHeader("a")}
	a := w.must(200, c)
	if a.body != `{"success":true,"seq":2}` || !slices.Equal(w.sinks.caught, []ledger.Seq{2}) {
		t.Errorf("%s, waited for %v", a.body, w.sinks.caught)
	}
	last := w.submitted[len(w.submitted)-1]
	if m := last.Meta; last.Profile != id || m.Reason != "seen" || !strings.HasPrefix(m.Actor, "key:") || last.Idem == nil {
		t.Errorf("submitted %+v", last)
	}
	// It is gone now; the same request under its key has its reply all the same.
	w.sinks.edits = w.sinks.edits[1:]
	if again := w.must(200, c); again.body != a.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again %s", again.body)
	}
	c.body = `{"action":"retry"}`
	w.must(422, c)
	w.must(404, call{method: "POST", path: one, key: key, body: `{"action":"skip"}`})

	// Who erased the profile has decided.
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + id.String(), key: adminText})
	w.must(410, call{method: "POST", path: "/v1/sinks/mokaru/parked/" + w.sinks.edits[0].ID.String(), key: key, body: `{"action":"retry"}`})
}

// TestDecisionNotTakenInYet: the decision is stored and the sinks do not come: it is not
// said that nothing happened, and asking again has no second effect.
func TestDecisionNotTakenInYet(t *testing.T) {
	w := newWorld(t, Config{})
	w.park(1)
	w.sinks.catch = func(context.Context) error { return context.DeadlineExceeded }
	key := w.key(ledger.ProfileID{}, keys.Operate)
	one := "/v1/sinks/mokaru/parked/" + w.sinks.edits[0].ID.String()
	c := call{method: "POST", path: one, key: key, body: `{"action":"skip"}`, header: idemHeader("a")}
	if a := w.must(504, c); a.json(t)["code"] != "outcome_unknown" || !strings.Contains(a.body, "commit 2") {
		t.Error(a.body)
	}
	before := w.submits()
	if a := w.must(200, c); a.body != `{"success":true,"seq":2}` || w.submits() != before {
		t.Error(a.body)
	}
	// Without a key nothing can be kept.
	c.header = nil
	w.must(504, c)
	// All at once is no other.
	c = call{method: "POST", path: "/v1/sinks/mokaru/parked", key: key, body: `{"action":"retry"}`, header: idemHeader("b")}
	w.must(504, c)
	before = w.submits()
	if a := w.must(200, c); a.json(t)["decided"] != 2.0 || w.submits() != before {
		t.Error(a.body)
	}
}

func TestListParked(t *testing.T) {
	w := newWorld(t, Config{})
	ids := w.park(2)
	key := w.key(ledger.ProfileID{}, keys.Operate)
	for query, want := range map[string]int{
		"":                                    6,
		"?code=refused":                       2,
		"?entity=profile":                     2,
		"?entity=workExperiences":             4,
		"?entity=workExperiences/a":           2,
		"?class=C":                            4,
		"?profile=" + ids[0].String():         3,
		"?before=2026-05-03T11:30:00Z":        4,
		"?before=2026-05-03T13:30:00%2B02:00": 4,
		"?class=C&code=value&profile=" + ids[1].String(): 1,
		"?entity=work": 0,
	} {
		a := w.must(200, call{method: "GET", path: "/v1/sinks/mokaru/parked" + query, key: key})
		if got := a.json(t)["data"].([]any); len(got) != want {
			t.Errorf("%s: %d, want %d", query, len(got), want)
		}
	}
	// What is in doubt has no id and no choices yet, and says when it moves.
	a := w.must(200, call{method: "GET", path: "/v1/sinks/mokaru/parked?entity=workExperiences/b", key: key})
	one := a.json(t)["data"].([]any)[0].(map[string]any)
	if _, has := one["id"]; has || one["nextAt"] == nil || one["phase"] != "UNCERTAIN" || len(one["choices"].([]any)) != 0 {
		t.Errorf("%v", one)
	}
	for _, query := range []string{"?class=Z", "?profile=x", "?before=monday", "?code=a&code=b", "?code=%zz"} {
		if a := w.must(400, call{method: "GET", path: "/v1/sinks/mokaru/parked" + query, key: key}); a.json(t)["code"] != "invalid_query" {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	w.must(404, call{method: "GET", path: "/v1/sinks/nobody/parked", key: key})
}

func TestDecideAllParked(t *testing.T) {
	w := newWorld(t, Config{})
	ids := w.park(3)
	key := w.key(ledger.ProfileID{}, keys.Operate)
	const path = "/v1/sinks/mokaru/parked"
	w.wrong(call{method: "POST", path: path, key: key, body: `{"action":"no","reason":1,"all":true,"filter":{"code":"","class":"Z","profile":"x","before":"y","entity":null,"size":1}}`},
		"/action not_one_of", "/all unknown_field", "/filter/before invalid_format", "/filter/class not_one_of", "/filter/code empty", "/filter/entity wrong_type",
		"/filter/profile invalid_format", "/filter/size unknown_field", "/reason wrong_type")
	w.wrong(call{method: "POST", path: path, key: key, body: `{"action":"skip","filter":[]}`}, "/filter wrong_type")
	w.must(404, call{method: "POST", path: "/v1/sinks/nobody/parked", key: key, body: `{"action":"retry"}`})

	before := w.submits()
	a := w.must(200, call{method: "POST", path: path + "?dryRun=true", key: key, body: `{"action":"retry","filter":{"class":"C"}}`})
	if v := a.json(t); v["matched"] != 3.0 || len(v["data"].([]any)) != 3 || v["dryRun"] != true || v["decided"] != nil || w.submits() != before {
		t.Error(a.body)
	}
	// One commit a profile, whatever the number of its edits.
	a = w.must(200, call{method: "POST", path: path, key: key, body: `{"action":"retry","reason":"they are up again"}`})
	if v := a.json(t); v["matched"] != 6.0 || v["decided"] != 6.0 || len(v["failed"].([]any)) != 0 || v["more"] != nil || w.submits() != before+3 {
		t.Errorf("%s, %d commits", a.body, w.submits()-before)
	}
	for _, r := range w.submitted[before:] {
		if r.Meta.Reason != "they are up again" || !slices.Contains(ids, r.Profile) {
			t.Errorf("submitted %+v", r)
		}
	}
	if !slices.Equal(w.sinks.caught, []ledger.Seq{w.com.Head()}) {
		t.Errorf("waited for %v", w.sinks.caught)
	}
	// What cannot be decided so, and a profile that is gone, do not stop the others.
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + ids[1].String(), key: adminText})
	a = w.must(200, call{method: "POST", path: path, key: key, body: `{"action":"skip"}`})
	var v bulk
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Matched != 6 || *v.Decided != 2 || len(v.Failed) != 4 {
		t.Fatalf("%v: %s", err, a.body)
	}
	if !strings.Contains(v.Failed[1].Error, "erased") || !strings.Contains(v.Failed[0].Error, "choices") {
		t.Errorf("failed %+v", v.Failed)
	}
	// Nothing to decide is no commit to wait for.
	waited := len(w.sinks.caught)
	a = w.must(200, call{method: "POST", path: path, key: key, body: `{"action":"skip","filter":{"code":"nothing"}}`})
	if a.body != `{"matched":0,"decided":0,"failed":[]}` || len(w.sinks.caught) != waited {
		t.Error(a.body)
	}
}

// TestDecideAThousandAtMost: what is over is for the next request, and what cannot be
// decided takes no place of what can.
func TestDecideAThousandAtMost(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	for i := range 1003 {
		e := sinks.ParkedEdit{ID: sinks.ID{1, byte(i >> 8), byte(i)}, Phase: sinks.Parked, Profile: id, Entity: "profile", Choices: []sinks.Action{sinks.Retry}}
		if i < 2 {
			e.Choices = nil
		}
		w.sinks.edits = append(w.sinks.edits, e)
	}
	c := call{method: "POST", path: "/v1/sinks/mokaru/parked", key: w.key(ledger.ProfileID{}, keys.Operate), body: `{"action":"retry"}`}
	if v := w.must(200, c).json(t); v["matched"] != 1003.0 || v["decided"] != 1000.0 || v["more"] != true || len(v["failed"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
	c.path += "?dryRun=true"
	if v := w.must(200, c).json(t); v["matched"] != 1003.0 || len(v["data"].([]any)) != 1000 || v["more"] != true {
		t.Errorf("matched %v, more %v", v["matched"], v["more"])
	}
}

// planned lays a plan ready.
func (w *world) planned() *sinks.Plan {
	w.sinks.plan = &sinks.Plan{ID: sinks.ID{7}, Sink: "mokaru", Digest: "d1", State: "open", Looked: 1, Operations: 1, Requests: 2, Profiles: []sinks.ProfilePlan{
		{Profile: ledger.ProfileID{1}, Requests: 2, AtRisk: map[string]int{"skills": 1}, Operations: []sinks.Operation{
			{Entity: "profile", Class: sinks.ClassA, Verb: sinks.VerbSet, Why: "differs", Changes: []sinks.Change{{Field: "summary", After: json.RawMessage(`"secret words"`)}}}}}}}
	return w.sinks.plan
}

func TestPlan(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.planned()
	id := w.person(jane)
	key := w.key(ledger.ProfileID{}, keys.Operate)
	const path = "/v1/sinks/mokaru/plan"
	bare := w.must(200, call{method: "POST", path: path, key: key})
	if strings.Contains(bare.body, "secret") || strings.Contains(bare.body, `"before"`) || strings.Contains(bare.body, `"after"`) ||
		!strings.Contains(bare.body, `"changes":[{"field":"summary"}]`) || bare.json(t)["id"] != p.ID.String() || bare.json(t)["digest"] != "d1" {
		t.Error(bare.body)
	}
	seeing := w.key(ledger.ProfileID{}, keys.Operate|keys.ValuesRead)
	for _, k := range []string{seeing, adminText} {
		if a := w.must(200, call{method: "POST", path: path, key: k, body: `{}`}); !strings.Contains(a.body, `"changes":[{"field":"summary","before":null,"after":"secret words"}]`) {
			t.Error(a.body)
		}
	}
	// But for the values both say the same.
	full, part := w.must(200, call{method: "POST", path: path, key: seeing}).json(t), bare.json(t)
	for _, v := range []map[string]any{full, part} {
		delete(v["profiles"].([]any)[0].(map[string]any)["operations"].([]any)[0].(map[string]any), "changes")
	}
	if a, b := mustJSON(t, full), mustJSON(t, part); a != b {
		t.Errorf("with values\n%s\nwithout\n%s", a, b)
	}
	w.must(200, call{method: "POST", path: path, key: key, body: `{"profile":"` + id.String() + `","to":1}`})
	if last := w.sinks.targets[len(w.sinks.targets)-1]; last.Sink != "mokaru" || *last.Profile != id || last.To != 1 {
		t.Errorf("target %+v", last)
	}
	w.wrong(call{method: "POST", path: path, key: key, body: `{"profile":"x","to":"1","all":true}`}, "/all unknown_field", "/profile invalid_format", "/to wrong_type")
	w.wrong(call{method: "POST", path: path, key: key, body: `{"profile":null,"to":0}`}, "/profile wrong_type", "/to out_of_range")
	w.wrong(call{method: "POST", path: path, key: key, body: `{"to":2}`}, "/to out_of_range") // beyond the head
	w.wrong(call{method: "POST", path: path, key: key, body: `{"to":1.5}`}, "/to out_of_range")
	w.wrong(call{method: "POST", path: path, key: key, body: `[]`}, " wrong_type")
	w.must(404, call{method: "POST", path: "/v1/sinks/nobody/plan", key: key})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestApplyPlan(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.planned()
	key := w.key(ledger.ProfileID{}, keys.Operate)
	path := "/v1/plans/" + p.ID.String()
	apply := call{method: "POST", path: path + "/apply", key: key, body: `{"digest":"d1"}`}
	w.must(404, call{method: "GET", path: path, key: key})
	w.must(404, call{method: "DELETE", path: path, key: key})
	for _, id := range []string{"x", sinks.ID{8}.String()} {
		w.must(404, call{method: "POST", path: "/v1/plans/" + id + "/apply", key: key, body: `{"digest":"d1"}`})
	}
	w.must(404, call{method: "GET", path: "/v1/plans/x", key: key})
	w.must(404, call{method: "DELETE", path: "/v1/plans/x", key: key})
	w.wrong(call{method: "POST", path: path + "/apply", key: key, body: `{}`}, "/digest required")
	w.wrong(call{method: "POST", path: path + "/apply", key: key, body: `{"digest":1,"to":1}`}, "/digest wrong_type", "/to unknown_field")
	w.must(400, call{method: "POST", path: path + "/apply?dryRun=true", key: key, body: `{"digest":"d1"}`})
	if a := w.must(409, call{method: "POST", path: path + "/apply", key: key, body: `{"digest":"d2"}`}); a.json(t)["code"] != "stale_plan" || !strings.Contains(a.body, "again") {
		t.Error(a.body)
	}
	w.must(200, call{method: "GET", path: "/problems/stale_plan"})
	if w.sinks.applied != 0 {
		t.Fatal("it was applied")
	}

	a := w.must(202, apply)
	one := a.json(t)["data"].(map[string]any)
	if one["state"] != "running" || a.header.Get("Location") != "/v1/tasks/"+one["id"].(string) {
		t.Errorf("%s, %v", a.body, a.header)
	}
	if again := w.must(202, apply).json(t)["data"].(map[string]any); again["id"] != one["id"] {
		t.Errorf("another task: %v", again)
	}
	if v := w.must(200, call{method: "GET", path: path, key: key}).json(t); v["state"] != "applying" || v["total"] != 3.0 {
		t.Errorf("progress %v", v)
	}
	lines := w.stream(apply)
	for range lines { // how it is now
		break
	}
	w.sinks.advance(func(p *sinks.Progress) { p.Done, p.Parked, p.Moved, p.State = 1, 1, 1, sinks.PlanDone })
	last := ""
	for line := range lines {
		last = line
	}
	var end task
	if err := json.Unmarshal([]byte(last), &end); err != nil || end.State != "done" || end.Done != 1 || end.Total != 3 || end.Parked != 1 || end.Moved != 1 || end.ID != one["id"] {
		t.Errorf("%v: %s", err, last)
	}
	if v := w.must(200, call{method: "GET", path: "/v1/tasks/" + end.ID, key: key}).json(t)["data"].(map[string]any); v["state"] != "done" || v["result"].(map[string]any)["moved"] != 1.0 {
		t.Errorf("task %v", v)
	}
	if v := w.must(202, apply).json(t)["data"].(map[string]any); v["id"] != one["id"] || v["state"] != "done" {
		t.Errorf("after its end: %v", v)
	}
}

func TestCancelPlan(t *testing.T) {
	w := newWorld(t, Config{})
	p := w.planned()
	key := w.key(ledger.ProfileID{}, keys.Operate)
	path := "/v1/plans/" + p.ID.String()
	apply := call{method: "POST", path: path + "/apply", key: key, body: `{"digest":"d1"}`}
	w.must(404, call{method: "DELETE", path: path + "?dryRun=true", key: key})
	w.must(202, apply)
	w.must(200, call{method: "DELETE", path: path + "?dryRun=true", key: key})
	if w.sinks.progress.State != sinks.PlanApplying {
		t.Fatal("a dry run ended it")
	}
	lines := w.stream(apply)
	w.must(200, call{method: "DELETE", path: path, key: key})
	last := ""
	for line := range lines {
		last = line
	}
	if !strings.Contains(last, `"state":"cancelled"`) {
		t.Error(last)
	}
	w.must(200, call{method: "DELETE", path: path, key: key})
}

// TestPlanOutlivesItsTask: a process that ends does not say that the plan failed.
func TestPlanOutlivesItsTask(t *testing.T) {
	w := newWorld(t, Config{})
	w.planned()
	ctx, stop := context.WithCancel(t.Context())
	w.srv.tasks = newTasks(ctx, w.clock.Now)
	apply := call{method: "POST", path: "/v1/plans/" + w.sinks.plan.ID.String() + "/apply", key: adminText, body: `{"digest":"d1"}`}
	w.must(202, apply)
	lines := w.stream(apply)
	stop()
	last := ""
	for line := range lines {
		last = line
	}
	if !strings.Contains(last, `"state":"interrupted"`) || !strings.Contains(last, "GET /v1/plans/") {
		t.Error(last)
	}
	w.srv.tasks.wait()
}

// stream makes a call that answers with lines, and gives them as they come.
func (w *world) stream(c call) <-chan string {
	w.t.Helper()
	server := httptest.NewServer(w.srv.Handler())
	w.t.Cleanup(server.Close)
	r := c.request()
	r.RequestURI = ""
	u := r.URL
	u.Scheme, u.Host = "http", strings.TrimPrefix(server.URL, "http://")
	r.Header.Set("Accept", "application/jsonl")
	res, err := server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(res.Body)
		for in.Scan() {
			lines <- in.Text()
		}
		if err := res.Body.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	return lines
}

func TestSinkMetrics(t *testing.T) {
	w := newWorld(t, Config{})
	a := w.must(200, call{method: "GET", path: "/metrics"})
	for _, want := range []string{
		`vitae_sink_lanes{phase="PARKED",sink="mokaru"} 1`, `vitae_sink_lane_oldest_age_seconds{phase="PARKED",sink="mokaru"} 7`,
		`vitae_sink_calls_total{sink="mokaru",verdict="ok"} 3`, `vitae_sink_resolved_total{by="read",sink="mokaru"} 2`,
		`vitae_sink_renewals_total{sink="mokaru",verdict="APPLIED"} 1`, `vitae_sink_health{health="failing",sink="mokaru"} 1`, `vitae_sink_health{health="idle",sink="mokaru"} 0`,
		`vitae_sink_orphans_total{sink="mokaru"} 0`, `vitae_sink_drifted{sink="mokaru"} 0`,
	} {
		if !strings.Contains(a.body, want+"\n") {
			t.Errorf("metrics have no %s", want)
		}
	}
}
