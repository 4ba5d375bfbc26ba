package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks/postpress"
)

const ppAccount = "acc_linkedin_01HXYZ4QK3WJ8FN3M6QH7TZ8GR"

// ppEdits are the two paths of an edit.
var ppEdits = []string{"/api/v1/users/me/edit", "/v1/users/me/edit"}

// ppForm makes a PATCH of "name=text" and "name=@content", as curl does.
func ppForm(t *testing.T, key string, parts ...string) call {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		content, isFile := strings.CutPrefix(value, "@")
		var err error
		if isFile {
			out, cerr := w.CreateFormFile(name, "me.jpg")
			if err = cerr; err == nil {
				_, err = out.Write([]byte(content))
			}
		} else {
			err = w.WriteField(name, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return call{method: "PATCH", path: ppEdits[0], key: key, body: b.String(), typ: w.FormDataContentType()}
}

// ppTo begins a form with the account.
func ppTo(parts ...string) []string {
	return append([]string{"type=LINKEDIN", "account_id=" + ppAccount}, parts...)
}

// ppWorld is a connected profile and its key.
func ppWorld(t *testing.T, cfg Config) (w *world, id ledger.ProfileID, key string) {
	t.Helper()
	w = newWorld(t, cfg)
	id = w.person(jane)
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/postpress", key: adminText, body: `{"credential":"pp_live_x","account":"` + ppAccount + `"}`})
	return w, id, w.key(id, keys.ProfileRead|keys.ProfileWrite)
}

// document is the profile as it is read natively.
func (w *world) document(id ledger.ProfileID) map[string]any {
	w.t.Helper()
	return w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String(), key: adminText}).json(w.t)["data"].(map[string]any)
}

// directory knows one account.
type directory struct {
	account string
	profile ledger.ProfileID
}

func (d directory) Account(_ context.Context, provider, account string, _ ledger.Seq) (ledger.ProfileID, error) {
	if provider != ledger.PostPress || account != d.account {
		return ledger.ProfileID{}, ledger.ErrNotFound
	}
	return d.profile, nil
}

func (directory) Emails(context.Context, string, ledger.Seq) ([]ledger.ProfileID, error) {
	return nil, nil
}

// TestPostPressAccounts: an account is that of the connection, or the profile's id; one that
// is unknown and one that is another's are the same.
func TestPostPressAccounts(t *testing.T) {
	w, id, own := ppWorld(t, Config{})
	other := w.person(`{"firstName":"J","lastName":"D","email":"j@example.com"}`)
	all := w.key(ledger.ProfileID{}, keys.ProfileRead|keys.ProfileWrite)
	w.srv.Directory = directory{ppAccount, id}
	for _, key := range []string{own, all} {
		for account, status := range map[string]int{ppAccount: 200, id.String(): 200, "acc_other": 404, other.String(): map[string]int{own: 404, all: 200}[key], ledger.NewProfileID(w.clock.Now()).String(): 404} {
			a := w.must(status, ppForm(t, key, "type=LINKEDIN", "account_id="+account, "headline=x"))
			b := w.must(status, call{method: "GET", path: "/api/v1/users/me?account_id=" + account, key: key})
			if status == 404 {
				wantPostPress(t, a, 404, "resource_not_found")
				wantPostPress(t, b, 404, "resource_not_found")
			}
		}
	}
}

// wantPostPress checks an error's envelope, and gives its detail.
func wantPostPress(t *testing.T, a answer, status int, kind string) string {
	t.Helper()
	var e struct {
		Title, Detail, Type string
		Status              int
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || e.Status != status || e.Type != "errors/"+kind || e.Title == "" || e.Detail == "" ||
		a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s, want %d errors/%s", a.status, a.body, status, kind)
	}
	return e.Detail
}

// TestPostPressErrors: every documented error that Vitae can have, in the documented form.
func TestPostPressErrors(t *testing.T) {
	w, id, key := ppWorld(t, Config{WritePerMinute: 1000})
	head := ppForm(t, key, ppTo("headline=x")...)
	with := func(change func(*call)) call {
		c := head
		c.header = map[string]string{}
		change(&c)
		return c
	}
	get := func(path string) call { return call{method: "GET", path: path, key: key} }
	before := w.com.Head()
	seen := map[string]bool{"too_many_requests": true} // below
	for name, c := range map[string]struct {
		call   call
		status int
		kind   string
	}{
		"no key":             {with(func(c *call) { c.key = "" }), 401, "missing_credentials"},
		"unknown key":        {with(func(c *call) { c.key = "vt_live_none" }), 401, "missing_credentials"},
		"read key":           {with(func(c *call) { c.key = w.key(id, keys.ProfileRead) }), 401, "insufficient_privileges"},
		"write key reads":    {call{method: "GET", path: "/v1/users/me?account_id=x", key: w.key(id, keys.ProfileWrite)}, 401, "insufficient_privileges"},
		"foreign profile":    {with(func(c *call) { c.header["X-Vitae-Profile"] = ledger.NewProfileID(w.clock.Now()).String() }), 403, "resource_access_restricted"},
		"JSON":               {with(func(c *call) { c.typ, c.body = "application/json", "{}" }), 415, "malformed_request"},
		"no content type":    {with(func(c *call) { c.typ = "-" }), 415, "malformed_request"},
		"no boundary":        {with(func(c *call) { c.typ = "multipart/form-data" }), 415, "malformed_request"},
		"compressed":         {with(func(c *call) { c.header["Content-Encoding"] = "gzip" }), 415, "malformed_request"},
		"cut":                {with(func(c *call) { c.body = c.body[:len(c.body)/2] }), 400, "malformed_request"},
		"not UTF-8":          {ppForm(t, key, ppTo("headline=\xff")...), 400, "malformed_request"},
		"too large":          {ppForm(t, key, ppTo("picture=@"+strings.Repeat("x", postpress.MaxForm))...), 413, "content_too_large"},
		"file too large":     {ppForm(t, key, ppTo("picture=@"+strings.Repeat("x", postpress.MaxFiles+1))...), 413, "content_too_large"},
		"text too large":     {ppForm(t, key, ppTo("summary="+strings.Repeat("x", postpress.MaxTexts))...), 413, "content_too_large"},
		"bad idempotency":    {with(func(c *call) { c.header["Idempotency-Key"] = "\x01" }), 400, "invalid_parameters"},
		"unknown entry":      {ppForm(t, key, ppTo("experience[id]=x1", "experience[role]=r")...), 404, "resource_not_found"},
		"no entry's id":      {ppForm(t, key, ppTo("education[id]=a b", "education[school]=r")...), 404, "invalid_resource_identifier"},
		"wrong value":        {ppForm(t, key, ppTo("picture_settings[filter]=studio")...), 422, "unprocessable_entity"},
		"method":             {call{method: "POST", path: ppEdits[1], key: key}, 405, "invalid_parameters"},
		"no account":         {get("/v1/users/me"), 400, "invalid_parameters"},
		"two accounts":       {get("/v1/users/me?account_id=a&account_id=b"), 400, "invalid_parameters"},
		"bad query":          {get("/v1/users/me?account_id=%zz"), 400, "invalid_parameters"},
		"no such user":       {get("/v1/users/nobody?account_id=" + ppAccount), 404, "resource_not_found"},
		"no identifier":      {get("/v1/users/a%20b?account_id=" + ppAccount), 404, "invalid_resource_identifier"},
		"no such section":    {get("/v1/users/x?linkedin_sections=pets&account_id=" + ppAccount), 400, "invalid_parameters"},
		"user of no account": {get("/v1/users/x"), 400, "invalid_parameters"},
	} {
		seen[c.kind] = true
		t.Run(name, func(t *testing.T) { wantPostPress(t, w.do(c.call), c.status, c.kind) })
	}
	if w.com.Head() != before {
		t.Error("something was committed")
	}
	for name, c := range map[string]struct {
		err    error
		status int
		kind   string
	}{
		"unknown":  {ledger.ErrUnknown, 504, "request_timeout"},
		"away":     {ledger.ErrUnavailable, 503, "service_unavailable"},
		"full":     {ledger.ErrCapacity, 503, "service_unavailable"},
		"conflict": {ledger.ErrConflict, 503, "service_unavailable"},
		"fault":    {errFault, 500, "unexpected_error"},
		"erased":   {ledger.ErrErased, 404, "resource_not_found"},
	} {
		seen[c.kind] = true
		w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) { return ledger.Reply{}, c.err }
		if detail := wantPostPress(t, w.do(head), c.status, c.kind); strings.Contains(detail, "Jane") {
			t.Errorf("%s tells %q", name, detail)
		}
	}
	w.submit = nil
	for kind, why := range ppDocumented {
		if seen[kind] != (why == "") {
			t.Errorf("errors/%s: provoked: %v; why it cannot be: %q", kind, seen[kind], why)
		}
	}

	limited, _, key := ppWorld(t, Config{WritePerMinute: 1})
	limited.must(200, ppForm(t, key, ppTo("headline=x")...))
	a := limited.do(ppForm(t, key, ppTo("headline=y")...))
	if wantPostPress(t, a, 429, "too_many_requests"); a.header.Get("Retry-After") == "" {
		t.Error("it does not say how long to wait")
	}

	gone, id, key := ppWorld(t, Config{})
	gone.must(200, call{method: "DELETE", path: "/v1/profiles/" + id.String(), key: adminText})
	wantPostPress(t, gone.do(ppForm(t, key, ppTo("headline=x", "picture=@p")...)), 404, "resource_not_found")
	wantPostPress(t, gone.do(call{method: "GET", path: "/v1/users/me?account_id=" + id.String(), key: key}), 404, "resource_not_found")
}

// TestPostPressNamesEveryField: shape, limits and missing members in one answer, each in
// the form's names, and nothing of it done.
func TestPostPressNamesEveryField(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	before := fmt.Sprint(w.document(id))
	detail := wantPostPress(t, w.do(ppForm(t, key, ppTo("canary=1", "headline=", "skills="+strings.Repeat("canary", 20), "skills=", "location[postal_code]=1", "skills_follow=canary",
		"picture=@canary", "picture_settings[layout][topLeft][x]=1", "experience[role]="+strings.Repeat("canary", 40), "experience[description]=d",
		"experience[attachment][type]=media", "experience[attachment][url]=canary", "education[degree]=canary", "custom_link[type]=BLOG", "custom_link[url]=",
		"open_to_work[presence]=canary")...)), 422, "unprocessable_entity")
	for _, name := range []string{"canary there", "headline must not be empty", "skills must have at most 100", "skills must not be empty", "location[id] is required", "location[postal_code] must",
		"skills_follow must be true or false", "picture_settings[layout][topLeft][y] is required", "experience[role] must have at most 200", "experience[company] is required",
		"experience[attachment][title] is required", "experience[attachment][url] there", "education[school] is required", "custom_link[url] must not be empty",
		"open_to_work[job_title] is required", "open_to_work[presence] must be one of", "open_to_work[location] is required"} {
		if !strings.Contains(detail, name) {
			t.Errorf("no %q in %q", name, detail)
		}
	}
	if strings.Contains(strings.Replace(detail, "canary there", "", 1), "canary") {
		t.Errorf("a value is told: %s", detail)
	}
	if after := fmt.Sprint(w.document(id)); after != before {
		t.Errorf("%s", after)
	}
	detail = wantPostPress(t, w.do(ppForm(t, key, "headline=x")), 422, "unprocessable_entity")
	if detail != "type is required; account_id is required" {
		t.Error(detail)
	}
	if strings.Contains(w.logged.String(), "canary") {
		t.Error("a value is logged")
	}
}

// TestPostPressStateRefuses: what only the state refuses is named too.
func TestPostPressStateRefuses(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	var skills []string
	for i := range ledger.MaxItems + 1 {
		skills = append(skills, fmt.Sprintf("skills=s%d", i))
	}
	if detail := wantPostPress(t, w.do(ppForm(t, key, ppTo(skills...)...)), 422, "unprocessable_entity"); !strings.HasPrefix(detail, "skills must have at most") {
		t.Error(detail)
	}
	var jobs []string
	for i := range ledger.MaxItems {
		jobs = append(jobs, fmt.Sprintf(`{"id":"j%d","jobTitle":"t","company":"c"}`, i))
	}
	w.must(200, call{method: "PATCH", path: "/v1/profiles/" + id.String(), key: adminText, body: `{"workExperiences":[` + strings.Join(jobs, ",") + `]}`})
	c := ppForm(t, key, ppTo("headline=new", "picture=@p", "experience[role]=a", "experience[company]=b", "education[school]=s")...)
	if detail := wantPostPress(t, w.do(c), 422, "unprocessable_entity"); !strings.HasPrefix(detail, "experience ") {
		t.Error(detail)
	}
	if doc := w.document(id); doc["headline"] != nil || doc["picture"] != nil || len(doc["educations"].([]any)) != 0 {
		t.Errorf("half of it is done: %v", doc["headline"])
	}
}

// TestPostPressEditsAnEntry: the id is Vitae's, as the read shows it.
func TestPostPressEditsAnEntry(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	w.must(200, ppForm(t, key, ppTo("experience[role]=Dev", "experience[company]=ACME", "experience[start_date][month]=5", "experience[start_date][year]=2019",
		"experience[notify_network]=true", "education[school]=ENS", "skills=Go", "skills=SQL")...))
	read := w.must(200, call{method: "GET", path: "/v1/users/" + id.String() + "?linkedin_sections=*&account_id=" + ppAccount, key: key}).json(t)
	job := read["experience"].([]any)[0].(map[string]any)
	if read["object"] != "UserProfile" || read["provider_id"] != id.String() || job["role"] != "Dev" || fmt.Sprint(job["start_date"]) != "map[month:5 year:2019]" ||
		fmt.Sprint(read["skills"]) != "[map[name:Go] map[name:SQL]]" || read["education_total_count"] != 1.0 || read["throttled_sections"] != nil {
		t.Fatalf("%v", read)
	}
	w.must(200, ppForm(t, key, ppTo("experience[id]="+job["id"].(string), "experience[role]=CTO", "experience[start_date][month]=6", "experience[start_date][year]=2019")...))
	jobs := w.document(id)["workExperiences"].([]any)
	if got := jobs[0].(map[string]any); len(jobs) != 1 || got["jobTitle"] != "CTO" || got["company"] != "ACME" || got["startDate"] != "2019-06" || fmt.Sprint(got["postpress"]) != "map[notifyNetwork:true]" {
		t.Errorf("%v", jobs)
	}
}

// TestPostPressReads: both reads on both paths, and what each leaves out.
func TestPostPressReads(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	w.must(200, call{method: "PATCH", path: "/v1/profiles/" + id.String(), key: adminText, body: `{"headline":"H","summary":"S","linkedIn":"https://www.linkedin.com/in/jane-s/","city":"Paris",
		"country":"France","birthDate":"1990-02-28","website":"https://me.example","jobTitle":"Dev","workExperiences":[{"jobTitle":"a","company":"c","startDate":"2001"},{"jobTitle":"b","company":"c"},
		{"jobTitle":"d","company":"c"}]}`})
	for _, base := range []string{"/api/v1/users/", "/v1/users/"} {
		me := w.must(200, call{method: "GET", path: base + "me?account_id=" + ppAccount, key: key}).json(t)
		if me["object"] != "AccountOwnerProfile" || me["provider"] != "LINKEDIN" || me["provider_id"] != id.String() || me["first_name"] != "Jane" || me["email"] != "jane@example.com" ||
			me["public_identifier"] != "jane-s" || me["location"] != "Paris, France" || me["occupation"] != "Dev" || me["summary"] != nil || me["experience"] != nil || me["premium"] != false {
			t.Errorf("%v", me)
		}
		for _, identifier := range []string{id.String(), "jane-s"} {
			user := w.must(200, call{method: "GET", path: base + identifier + "?account_id=" + id.String() + "&linkedin_sections=experience_preview&linkedin_sections=skills", key: key}).json(t)
			jobs := user["experience"].([]any)
			if user["summary"] != "S" || len(jobs) != 2 || user["experience_total_count"] != 3.0 || user["education"] != nil || len(user["skills"].([]any)) != 0 ||
				fmt.Sprint(user["birthdate"]) != "map[day:28 month:2]" || fmt.Sprint(jobs[0].(map[string]any)["start_date"]) != "map[year:2001]" || fmt.Sprint(user["websites"]) != "[https://me.example]" {
				t.Errorf("%v", user)
			}
		}
	}
	plain := w.must(200, call{method: "GET", path: "/v1/users/jane-s?account_id=" + ppAccount, key: key})
	if plain.json(t)["experience"] != nil {
		t.Errorf("%s", plain.body)
	}
	w.must(304, call{method: "GET", path: "/v1/users/jane-s?account_id=" + ppAccount, key: key, header: map[string]string{"If-None-Match": plain.header.Get("ETag")}})
}

// TestPostPressIdempotency: the same form under the same key has one effect, whatever its
// boundary is; another form under it is refused.
func TestPostPressIdempotency(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	add := func(role string) call {
		c := ppForm(t, key, ppTo("experience[role]="+role, "experience[company]=c", "picture=@p")...)
		c.header = map[string]string{"Idempotency-Key": "k1"}
		return c
	}
	w.must(200, add("r"))
	a := w.must(200, add("r"))
	if a.header.Get("Idempotency-Replayed") != "true" || a.body != `{"object":"ProfileEdited"}` || len(w.document(id)["workExperiences"].([]any)) != 1 {
		t.Errorf("%s %v", a.body, a.header)
	}
	wantPostPress(t, w.do(add("other")), 422, "unprocessable_entity")
	busy := errors.New("busy")
	w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) {
		return ledger.Reply{}, fmt.Errorf("%w: %w", ledger.ErrIdemBusy, busy)
	}
	wantPostPress(t, w.do(add("r")), 409, "service_unavailable")
}

// TestPostPressDryRun decides and leaves nothing, not even a file.
func TestPostPressDryRun(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	for _, parts := range [][]string{{"headline=x"}, {"headline=x", "picture=@p"}} {
		c := ppForm(t, key, ppTo(parts...)...)
		c.path += "?dryRun=true"
		if a := w.must(200, c); a.body != `{"object":"ProfileEdited","dryRun":true}` {
			t.Error(a.body)
		}
	}
	if has, err := w.vault.HasFile(t.Context(), id, ledger.HashOf([]byte("p"))); has || err != nil && !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the file is there: %v", err)
	}
	if w.document(id)["headline"] != nil {
		t.Error("it is done")
	}
}

// TestPostPressLongBodies: a body that is announced as too long is not read, and one that
// turns out so is not read further.
func TestPostPressLongBodies(t *testing.T) {
	w, _, key := ppWorld(t, Config{})
	for _, announced := range []int64{postpress.MaxForm + 1, -1} {
		read := &counted{left: 100 << 20}
		r := httptest.NewRequest("PATCH", ppEdits[0], read)
		r.ContentLength = announced
		r.Header.Set("X-API-KEY", key)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=B")
		rec := httptest.NewRecorder()
		w.srv.Handler().ServeHTTP(rec, r)
		wantPostPress(t, answer{rec.Code, rec.Result().Header, rec.Body.String()}, http.StatusRequestEntityTooLarge, "content_too_large")
		if most := int64(postpress.MaxForm + 1<<20); read.n > most || announced > 0 && read.n > 0 {
			t.Errorf("%d bytes read", read.n)
		}
	}
}

// counted is a body without end, nearly.
type counted struct{ n, left int64 }

func (c *counted) Read(b []byte) (int, error) {
	n := min(int64(len(b)), c.left-c.n)
	c.n += n
	return int(n), nil
}

// ppDocumented are the types of errors that PostPress's page lists, with the reason why our
// front never has one; "" for those that it has. The stand-in has them all.
var ppDocumented = func() map[string]string {
	const (
		session  = "no session at LinkedIn is opened here: what an account says is told by its connection, when an edit is delivered"
		later    = "an edit is taken before any provider is asked: a delivery that is refused parks, and the connection tells"
		whole    = "everything that the page lists is here"
		channels = "there is no client session that a request has to reach"
	)
	return map[string]string{
		"missing_credentials": "", "multiple_sessions": session, "invalid_checkpoint_solution": session, "invalid_proxy_credentials": session, "checkpoint_error": session,
		"invalid_credentials": session, "expired_credentials": session, "insufficient_privileges": "", "disconnected_account": session, "disconnected_feature": session,
		"invalid_credentials_but_valid_account_imap": session, "expired_link": session, "wrong_account": session,
		"account_restricted": session, "account_mismatch": session, "insufficient_permissions": "a key without the scope is insufficient_privileges", "session_mismatch": session,
		"feature_not_subscribed": whole, "subscription_required": whole, "unknown_authentication_context": session, "action_required": session, "resource_access_restricted": "",
		"resource_not_found": "", "invalid_resource_identifier": "",
		"invalid_account": "every profile can be edited", "unprocessable_entity": "", "action_already_performed": "an edit that changes nothing is a success", "limit_exceeded": later, "account_configuration_error": later,
		"too_many_requests": "", "unexpected_error": "", "provider_error": later, "authentication_intent_error": session, "feature_not_implemented": whole,
		"no_client_session": channels, "no_channel": channels, "no_handler": channels, "network_down": later, "service_unavailable": "", "request_timeout": "",
	}
}()
