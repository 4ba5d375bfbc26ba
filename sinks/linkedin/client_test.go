package linkedin

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

var (
	_ sinks.Provider  = (*Provider)(nil)
	_ sinks.Reader    = (*Provider)(nil)
	_ sinks.Lister    = (*Provider)(nil)
	_ sinks.Refresher = (*Provider)(nil)
)

func TestRequests(t *testing.T) {
	item := func(verb sinks.Verb, ref, step string) sinks.Call {
		c := call("skills/a", verb)
		c.Ref, c.Step, c.Body, c.Clears = ref, step, []byte(`{"name":1}`), []string{"gone"}
		return c
	}
	main := func(step string, body string, clears ...string) sinks.Call {
		c := call(Profile, sinks.VerbSet)
		c.Step, c.Body, c.Clears = step, []byte(body), clears
		return c
	}
	order := call("positions", sinks.VerbSet)
	order.Body = []byte(`[2,1]`)
	noPicture := call(ProfilePicture, sinks.VerbSet)
	noPicture.Step, noPicture.Clears = stepDelete, []string{ProfilePicture}
	const people = "/linkedin/v2/people/(id:ABCDEF)"
	for name, c := range map[string]struct {
		call                 sinks.Call
		method, path, restli string
		body                 string
	}{
		"set":                   {main("", `{"vanityName":"abc"}`), "POST", people, "PARTIAL_UPDATE", `{"patch":{"$set":{"vanityName":"abc"}}}`},
		"set, then delete":      {main(stepSet, `{"vanityName":"abc"}`, "headline", "websites"), "POST", people, "PARTIAL_UPDATE", `{"patch":{"$set":{"vanityName":"abc"}}}`},
		"delete":                {main(stepDelete, `{"vanityName":"abc"}`, "headline", "websites"), "POST", people, "PARTIAL_UPDATE", `{"patch":{"$delete":["headline","websites"]}}`},
		"order":                 {order, "POST", people, "PARTIAL_UPDATE", `{"patch":{"$set":{"positionsOrder":[2,1]}}}`},
		"no picture":            {noPicture, "POST", people, "PARTIAL_UPDATE", `{"patch":{"$delete":["profilePicture"]}}`},
		"create":                {item(sinks.VerbCreate, "", ""), "POST", people + "/skills", "CREATE", `{"name":1}`},
		"update":                {item(sinks.VerbUpdate, "17", stepSet), "POST", people + "/skills/17", "PARTIAL_UPDATE", `{"patch":{"$set":{"name":1}}}`},
		"update without a step": {item(sinks.VerbUpdate, "17", ""), "POST", people + "/skills/17", "PARTIAL_UPDATE", `{"patch":{"$set":{"name":1}}}`},
		"delete members":        {item(sinks.VerbUpdate, "17", stepDelete), "POST", people + "/skills/17", "PARTIAL_UPDATE", `{"patch":{"$delete":["gone"]}}`},
		"delete an item":        {item(sinks.VerbDelete, "17", ""), "DELETE", people + "/skills/17", "DELETE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := always(200, "", "x-linkedin-id", "9")
			out := client(t, w).Call(context.Background(), c.call)
			if out.Verdict != sinks.Applied {
				t.Errorf("%+v", out)
			}
			r, body := w.only(t)
			if r.Method != c.method || r.URL.Path != c.path || r.URL.RawQuery != "" || body != c.body {
				t.Errorf("%s %s %s", r.Method, r.URL, body)
			}
			want := map[string]string{"X-Restli-Protocol-Version": "2.0.0", "X-Restli-Method": c.restli, "Authorization": "Bearer AQX-token", "Linkedin-Version": "",
				"Content-Type": "application/json", "X-Vitae-Attempt": sinks.ID{1}.String(), "X-Vitae-Step": c.call.Step}
			if c.body == "" {
				want["Content-Type"] = ""
			}
			for name, v := range want {
				if got := r.Header.Get(name); got != v {
					t.Errorf("%s: %q, want %q", name, got, v)
				}
			}
		})
	}
}

func TestNothingToSayIsNoRequest(t *testing.T) {
	for _, entity := range []string{Profile, "skills", ProfilePicture} {
		w := always(200, "")
		if out := client(t, w).Call(context.Background(), call(entity, sinks.VerbSet)); out.Verdict != sinks.Unchanged || len(w.sent) > 0 {
			t.Errorf("%s: %+v, %d requests", entity, out, len(w.sent))
		}
	}
}

func TestAnswers(t *testing.T) {
	set, update, remove, create, register, upload := call(Profile, sinks.VerbSet), call("skills/a", sinks.VerbUpdate), call("skills/a", sinks.VerbDelete),
		call("skills/a", sinks.VerbCreate), call(ProfilePicture, sinks.VerbSet), call(ProfilePicture, sinks.VerbSet)
	set.Body, update.Body, create.Body = []byte(`{"vanityName":"abc"}`), []byte(`{"name":1}`), []byte(`{"name":1}`)
	update.Ref, remove.Ref, register.Step, upload.Step = "17", "17", stepRegisterOriginal, stepUploadDisplay
	upload.Body = []byte(`{"file":"sha256:00"}`)
	upload.Results = map[string][]byte{stepRegisterDisplay: []byte(`{"asset":"urn:li:a:1","uploadUrl":"` + testBase + `/up/1"}`)}
	envelope := func(code string) string { return `{"message":"m","serviceErrorCode":` + code + `,"status":1}` }
	for _, c := range []struct {
		call    sinks.Call
		status  int
		body    string
		headers []string
		want    sinks.Verdict
		wait    time.Duration
		most    int
	}{
		{set, 200, "", nil, sinks.Applied, 0, 0},
		{set, 204, "", nil, sinks.Applied, 0, 0},
		{set, 200, "{}", nil, sinks.Applied, 0, 0},
		{set, 200, "<html>Please sign in</html>", nil, sinks.Unknown, 0, 0},
		{set, 202, "", nil, sinks.Unknown, 0, 0},
		{set, 302, "", nil, sinks.SinkError, 0, 0},
		{set, 400, envelope("0"), nil, sinks.Refused, 0, 0},
		{set, 401, envelope("65600"), nil, sinks.AccountError, 10 * time.Second, 0},
		{set, 401, envelope("65601"), nil, sinks.AccountError, 10 * time.Second, 0},
		{set, 403, envelope("100"), nil, sinks.SinkError, 0, 0},
		{set, 403, `{"message":"Not enough permissions to access: partialUpdate","status":403}`, nil, sinks.SinkError, 0, 0},
		{set, 403, envelope("403"), nil, sinks.CapabilityOff, 0, 0},
		{register, 403, envelope("100"), nil, sinks.CapabilityOff, 0, 0},
		{register, 404, "", nil, sinks.SinkError, 0, 0},
		{set, 404, envelope("0"), nil, sinks.AccountError, 0, 0},
		{create, 404, envelope("0"), nil, sinks.AccountError, 0, 0},
		{update, 404, envelope("0"), nil, sinks.TargetGone, 0, 0},
		{update, 404, "<html>404", nil, sinks.Unknown, 0, 0},
		{remove, 404, envelope("0"), nil, sinks.TargetGone, 0, 0},
		{remove, 404, `{"message":"The entity is not found","status":404}`, nil, sinks.TargetGone, 0, 0},
		{remove, 404, "", nil, sinks.Unknown, 0, 0},
		{remove, 404, "<html>404", nil, sinks.Unknown, 0, 0},
		{remove, 404, `{"message":"no Route matched"}`, nil, sinks.Unknown, 0, 0},
		{remove, 204, "", nil, sinks.Applied, 0, 0},
		{set, 405, "", nil, sinks.SinkError, 0, 0},
		{set, 409, "", nil, sinks.Busy, 5 * time.Second, 3},
		{set, 412, "", []string{"Retry-After", "9"}, sinks.Busy, 9 * time.Second, 3},
		{set, 413, "", nil, sinks.Refused, 0, 0},
		{upload, 415, "", nil, sinks.Refused, 0, 0},
		{set, 422, envelope("0"), nil, sinks.Refused, 0, 0},
		{set, 418, "", nil, sinks.Refused, 0, 0},
		{set, 429, "", nil, sinks.Throttled, 0, 0},
		{set, 429, "", []string{"Retry-After", "3600"}, sinks.Throttled, time.Hour, 0},
		{set, 429, "", []string{"Retry-After", "99999999"}, sinks.Throttled, 24 * time.Hour, 0},
		{set, 429, "", []string{"Retry-After", "0"}, sinks.Throttled, time.Second, 0},
		{set, 429, "", []string{"Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"}, sinks.Throttled, time.Second, 0},
		{set, 429, "", []string{"Retry-After", "soon"}, sinks.Throttled, 0, 0},
		{set, 500, "", nil, sinks.Unknown, 0, 0},
		{set, 503, "", []string{"Retry-After", "9"}, sinks.Unknown, 0, 0},
		{set, 408, "", nil, sinks.Unknown, 0, 0},
		{upload, 201, "done", nil, sinks.Applied, 0, 0},
		{upload, 200, "", nil, sinks.Applied, 0, 0},
		{upload, 200, "<html>Please sign in</html>", []string{"Content-Type", "text/html; charset=utf-8"}, sinks.Unknown, 0, 0},
		{upload, 401, "", nil, sinks.StepGone, 0, 0},
		{upload, 403, "", nil, sinks.StepGone, 0, 0},
		{upload, 404, "", nil, sinks.StepGone, 0, 0},
		{upload, 410, "", nil, sinks.StepGone, 0, 0},
		{upload, 429, "", nil, sinks.Throttled, 0, 0},
		{register, 200, "{}", nil, sinks.Unknown, 0, 0},
	} {
		w := always(c.status, c.body, c.headers...)
		out := client(t, w).Call(context.Background(), c.call)
		w.only(t)
		if out.Verdict != c.want || out.RetryAfter != c.wait || out.Most != c.most {
			t.Errorf("%s %s %d %s: %s %v %d", c.call.Entity, c.call.Step, c.status, c.body, out.Verdict, out.RetryAfter, out.Most)
		}
		if c.want != sinks.Applied && (out.Fault.Type == "" || out.Fault.Message == "") {
			t.Errorf("%d %s says nothing: %+v", c.status, c.body, out.Fault)
		}
		if strings.Contains(out.Fault.Message, "/up/") || strings.Contains(out.Fault.Message, "token") && strings.Contains(out.Fault.Message, "AQX") {
			t.Errorf("the message has a secret: %s", out.Fault.Message)
		}
	}
	if out := client(t, &wire{}).Call(context.Background(), set); out.Verdict != sinks.NotSent || out.Fault.Type != sinks.TypeUnreachable {
		t.Errorf("nothing left: %+v", out)
	}
}

func TestCallsThatCannotBeMade(t *testing.T) {
	change := func(f func(*sinks.Call)) sinks.Call {
		c := call(Profile, sinks.VerbSet)
		c.Body = []byte(`{"vanityName":"abc"}`)
		f(&c)
		return c
	}
	for name, c := range map[string]struct {
		call sinks.Call
		want sinks.Verdict
	}{
		"no account":         {change(func(c *sinks.Call) { c.Account = "" }), sinks.AccountError},
		"an account's path":  {change(func(c *sinks.Call) { c.Account = "a)/x" }), sinks.AccountError},
		"no credential":      {change(func(c *sinks.Call) { c.Credential = nil }), sinks.AccountError},
		"a header's end":     {change(func(c *sinks.Call) { c.Credential = []byte("a\nb") }), sinks.AccountError},
		"no access token":    {change(func(c *sinks.Call) { c.Credential = []byte(`{"refresh_token":"r"}`) }), sinks.AccountError},
		"a body of no kind":  {change(func(c *sinks.Call) { c.Body = []byte(`[1]`) }), sinks.Refused},
		"an item's id":       {change(func(c *sinks.Call) { c.Entity, c.Verb, c.Ref = "skills/a", sinks.VerbUpdate, "1/2" }), sinks.Refused},
		"a picture's step":   {change(func(c *sinks.Call) { c.Entity, c.Step = ProfilePicture, "dance" }), sinks.Refused},
		"an upload too soon": {change(func(c *sinks.Call) { c.Entity, c.Step = ProfilePicture, stepUploadOriginal }), sinks.StepGone},
		"a patch too soon":   {change(func(c *sinks.Call) { c.Entity, c.Step = ProfilePicture, stepPatch }), sinks.StepGone},
	} {
		w := always(200, "")
		out := client(t, w).Call(context.Background(), c.call)
		if out.Verdict != c.want || out.Fault.Sent != sinks.SentNo || out.Fault.Message == "" || len(w.sent) > 0 {
			t.Errorf("%s: %+v, %d requests", name, out, len(w.sent))
		}
	}
}

func TestBaseURL(t *testing.T) {
	for _, bad := range []string{"", "http://api.linkedin.com", "https://u:p@api.linkedin.com", "https://api.linkedin.com/?a=b"} {
		if _, err := New(bad, always(200, "")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestProvider(t *testing.T) {
	var p sinks.Provider = client(t, always(200, ""))
	st := state()
	add(t, st, "skills", "a", `{"name":"Go"}`)
	ids, err := p.Items("skills", st)
	payload, err2 := p.Build("skills/a", st, sinks.Have{})
	lanes, all := p.Concerns(&ledger.Event{Field: "skills", Item: "a", Op: ledger.OpPut})
	if p.Name() != "linkedin" || p.Entities()[0].Name != Profile || len(ids) != 1 || err != nil || err2 != nil || payload.Mapping != Mapping || len(lanes) != 2 || all {
		t.Errorf("%s %v %v %+v %v %v %v", p.Name(), ids, err, payload, err2, lanes, all)
	}
	r := p.Rate()
	if r.PerMinute != 60 || r.Burst != 10 || r.PerDay != 1000 || len(r.Probes) != 4 || r.Probes[3] != 15*time.Minute {
		t.Errorf("%+v", r)
	}
}

func TestRefresh(t *testing.T) {
	old := []byte(`{"access_token":"a1","refresh_token":"r1","client_id":"id","client_secret":"s&t","note":7}`)
	w := always(200, `{"access_token":"a2","expires_in":5184000,"refresh_token":"r2"}`)
	fresh, out := client(t, w).Refresh(context.Background(), old)
	r, body := w.only(t)
	if out.Verdict != sinks.Applied || r.URL.String() != testBase+"/oauth/v2/accessToken" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%+v %s %v", out, r.URL, r.Header)
	}
	if body != "client_id=id&client_secret=s%26t&grant_type=refresh_token&refresh_token=r1" {
		t.Error(body)
	}
	same(t, "the fresh credential", fresh, `{"access_token":"a2","refresh_token":"r2","client_id":"id","client_secret":"s&t","note":7}`)
	if token, ok := sinks.TokenOf(fresh); !ok || token != "a2" {
		t.Errorf("%q %v", token, ok)
	}
	fresh, _ = client(t, always(200, `{"access_token":"a2"}`)).Refresh(context.Background(), old)
	same(t, "the old refresh token stays", fresh, `{"access_token":"a2","refresh_token":"r1","client_id":"id","client_secret":"s&t","note":7}`)

	for name, c := range map[string]struct {
		w    *wire
		want sinks.Verdict
	}{
		"invalid grant":  {always(400, `{"error":"invalid_grant","error_description":"revoked"}`), sinks.AccountError},
		"invalid client": {always(401, `{"error":"invalid_client"}`), sinks.AccountError},
		"throttled":      {always(429, ``, "Retry-After", "5"), sinks.Throttled},
		"broken":         {always(500, ``), sinks.Unknown},
		"garbage":        {always(200, `<html>`), sinks.Unknown},
		"no token":       {always(200, `{"expires_in":1}`), sinks.Unknown},
		"only a refresh": {always(200, `{"refresh_token":"r2"}`), sinks.Unknown},
		"a bad token":    {always(200, `{"access_token":"a b"}`), sinks.Unknown},
		"unreachable":    {&wire{}, sinks.NotSent},
		"elsewhere":      {always(404, ``), sinks.SinkError},
	} {
		if fresh, out := client(t, c.w).Refresh(context.Background(), old); out.Verdict != c.want || fresh != nil {
			t.Errorf("%s: %+v %s", name, out, fresh)
		}
	}
	for _, credential := range []string{"bare-token", `{"access_token":"a"}`, `{"access_token":"a","refresh_token":"r","client_id":"i"}`, `{"access_token":"a","refresh_token":"","client_id":"i","client_secret":"s"}`} {
		w := always(200, `{"access_token":"a2"}`)
		if _, out := client(t, w).Refresh(context.Background(), []byte(credential)); out.Verdict != sinks.AccountError || len(w.sent) > 0 {
			t.Errorf("%s: %+v", credential, out)
		}
	}

	w = always(200, `{"access_token":"a2"}`)
	p, err := New(apiBase+"/", w)
	if err != nil {
		t.Fatal(err)
	}
	p.Refresh(context.Background(), old)
	if r, _ := w.only(t); r.URL.String() != "https://www.linkedin.com/oauth/v2/accessToken" || r.Method != http.MethodPost {
		t.Error(r.URL)
	}
}
