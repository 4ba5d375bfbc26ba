package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/commands"
	"vitae/ledger"
	"vitae/ledger/vault"
)

// historyLines reads a page of history as a list of "seq.index op view/field/item value<-previous".
func historyLines(t *testing.T, a answer) (lines []string, next string) {
	t.Helper()
	var v struct {
		Data []event
		Next *string
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	show := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	for _, e := range v.Data {
		value, _ := e.Value.MarshalJSON()
		previous, _ := e.Previous.MarshalJSON()
		lines = append(lines, fmt.Sprintf("%d.%d %s %s/%s/%s %s<-%s", e.Seq, e.Index, e.Op, e.View, show(e.Field), show(e.Item), value, previous))
	}
	if v.Next != nil {
		next = *v.Next
	}
	return lines, next
}

func TestHistory(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","projects":[{"id":"p1","name":"A","description":"a"},{"id":"p2","name":"B","description":"b"}]}`)
	own := w.key(id, keys.All&^keys.Admin&^keys.ValuesRead)
	edit := func(body string) {
		w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: body, header: map[string]string{"X-Vitae-Reason": "because", "X-Request-Id": "r1", "X-Vitae-Via": "console"}})
	}
	edit(`{"firstName":"Janet","website":"jane.example"}`)
	edit(`{"firstName":"Jo","website":null,"projects":[{"id":"p2","name":"B2","description":"b"},{"id":"p1","name":"A","description":"a"}]}`)
	edit(`{"projects":[]}`)
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: own, body: `{"name":"Design"}`}).json(t)["id"].(string)
	w.must(200, call{method: "DELETE", path: "/v1/resume/" + resume, key: own})
	path := "/v1/profiles/" + id.String() + "/history"

	got, next := historyLines(t, w.must(200, call{method: "GET", path: path, key: own}))
	want := []string{
		`1.0 created shared/-/- null<-null`,
		`1.1 set shared/firstName/- "Jane"<-null`,
		`1.2 put base/projects/p1 {"name":"A","description":"a"}<-null`,
		`1.3 put base/projects/p2 {"name":"B","description":"b"}<-null`,
		`2.0 set shared/firstName/- "Janet"<-"Jane"`,
		`2.1 set shared/website/- "https://jane.example"<-null`,
		`3.0 set shared/firstName/- "Jo"<-"Janet"`,
		`3.1 clear shared/website/- null<-"https://jane.example"`,
		`3.2 put base/projects/p2 {"name":"B2","description":"b"}<-{"name":"B","description":"b"}`,
		`3.3 order base/projects/- ["p2","p1"]<-["p1","p2"]`,
		`4.0 remove base/projects/p2 null<-{"name":"B2","description":"b"}`,
		`4.1 remove base/projects/p1 null<-{"name":"A","description":"a"}`,
		`5.0 copied ` + resume + `/-/base null<-null`,
		`5.1 set ` + resume + `/name/- "Design"<-null`,
		`6.0 deleted ` + resume + `/-/- null<-null`,
	}
	if !slices.Equal(got, want) || next != "" {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// Pages of every size join to the same list, also inside commits.
	for limit := 1; limit <= len(want)+1; limit++ {
		var all []string
		after := ""
		for {
			a := w.must(200, call{method: "GET", path: fmt.Sprintf("%s?limit=%d&after=%s", path, limit, after), key: own})
			lines, next := historyLines(t, a)
			all = append(all, lines...)
			if (next != "") != strings.Contains(a.header.Get("Link"), `rel="next"`) {
				t.Fatalf("Link %q", a.header.Get("Link"))
			}
			if next == "" {
				break
			}
			if len(lines) != limit {
				t.Fatalf("limit %d: a page of %d", limit, len(lines))
			}
			after = next
		}
		if !slices.Equal(all, want) {
			t.Errorf("limit %d: got\n%s", limit, strings.Join(all, "\n"))
		}
	}

	for query, n := range map[string]int{
		"?view=shared": 6, "?view=base": 6, "?field=firstName": 3, "?field=projects&view=base": 6, "?via=console": 8, "?via=nobody": 0, "?actor=admin": 4,
		"?after=2": 9, "?after=2.0": 10, "?after=6": 0, "?after=99": 0, "?limit=5000": 15,
	} {
		if got, _ := historyLines(t, w.must(200, call{method: "GET", path: path + query, key: own})); len(got) != n {
			t.Errorf("%s: %d events, want %d", query, len(got), n)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?after=x", "?after=1.x", "?after=-1", "?after=1.-1", "?view=a&view=b"} {
		w.must(400, call{method: "GET", path: path + query, key: own})
	}

	// The members of an event, to the letter.
	a := w.must(200, call{method: "GET", path: path + "?after=2.0&limit=1", key: own})
	e := a.json(t)["data"].([]any)[0].(map[string]any)
	for _, name := range []string{"seq", "index", "id", "commit", "profile", "view", "field", "item", "op", "value", "previous", "actor", "via", "requestId", "reason", "time", "prev", "hash"} {
		if _, ok := e[name]; !ok {
			t.Errorf("the event has no %s: %v", name, e)
		}
	}
	if e["reason"] != "because" || e["requestId"] != "r1" || e["typed"] != "jane.example" || e["profile"] != id.String() || len(e["hash"].(string)) != 64 {
		t.Errorf("event %v", e)
	}

	// Values need values:read, except for the profile's own key. Ids are in clear.
	blind := w.key(ledger.ProfileID{}, keys.AuditRead)
	hidden, _ := historyLines(t, w.must(200, call{method: "GET", path: path, key: blind}))
	for i, line := range hidden {
		if strings.Contains(line, `"Ja`) || strings.Contains(line, "name") && strings.Contains(line, `"A"`) {
			t.Errorf("a value: %s", line)
		}
		if strings.Contains(line, " order ") && line != want[i] {
			t.Errorf("order: %s", line)
		}
	}
	seeing, _ := historyLines(t, w.must(200, call{method: "GET", path: path, key: w.key(ledger.ProfileID{}, keys.AuditRead|keys.ValuesRead)}))
	if !slices.Equal(seeing, want) {
		t.Errorf("with values:read\n%s", strings.Join(seeing, "\n"))
	}
}

// TestHistoryOfADecision: what a person decided about a delivery is in the history with who
// and why; what it was needs the scope for values; and the profile stays as it was.
func TestHistoryOfADecision(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	own := w.key(id, keys.All&^keys.Admin)
	before := w.must(200, call{method: "GET", path: "/v1/resume/base", key: own}).body
	decide, err := commands.Decide(ledger.Mokaru, "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", "skip")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []ledger.Seq{2, 3} {
		r, err := w.Submit(t.Context(), ledger.Request{Profile: id, Command: decide, Meta: ledger.Meta{Actor: "admin", Via: "console", Reason: "it is there by hand"}})
		if err != nil || r.Seq != n || !r.Changed || !slices.Equal(r.Fields, []string{"deliveries"}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	path := "/v1/profiles/" + id.String() + "/history"
	value := `{"action":"skip","park":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4"}`
	for _, c := range []struct{ key, value string }{
		{own, value},
		{w.key(ledger.ProfileID{}, keys.AuditRead|keys.ValuesRead), value},
		{w.key(ledger.ProfileID{}, keys.AuditRead), "null"},
	} {
		a := w.must(200, call{method: "GET", path: path + "?field=deliveries", key: c.key})
		got, _ := historyLines(t, a)
		if want := []string{"2.0 decided shared/deliveries/mokaru " + c.value + "<-null", "3.0 decided shared/deliveries/mokaru " + c.value + "<-null"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if e := a.json(t)["data"].([]any)[0].(map[string]any); e["reason"] != "it is there by hand" || e["actor"] != "admin" || e["via"] != "console" {
			t.Errorf("event %v", e)
		}
	}
	if after := w.must(200, call{method: "GET", path: "/v1/resume/base", key: own}).body; after != before {
		t.Errorf("the resume was %s, it is %s", before, after)
	}
}

func multipartFile(name, mediaType, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"" + name +
		"\"\r\nContent-Type: " + mediaType + "\r\n\r\n" + content + "\r\n--b--\r\n"
}

func TestFiles(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	post := func(body string) call {
		return call{method: "POST", path: "/v1/files", key: key, typ: "multipart/form-data; boundary=b", body: body}
	}
	a := w.must(201, post(multipartFile("a.png", "image/png", "pixels")))
	data := a.json(t)["data"].(map[string]any)
	file := data["file"].(string)
	if file != "sha256:"+ledger.HashOf([]byte("pixels")).String() || data["mediaType"] != "image/png" || data["size"] != 6.0 {
		t.Errorf("file %s", a.body)
	}
	a = w.must(200, call{method: "GET", path: "/v1/files/" + file, key: key})
	if a.body != "pixels" || a.header.Get("Content-Type") != "image/png" || a.header.Get("Content-Disposition") != "attachment" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("read %q %v", a.body, a.header)
	}
	w.must(304, call{method: "GET", path: "/v1/files/" + file, key: key, header: map[string]string{"If-None-Match": a.header.Get("ETag")}})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"picture":"` + file + `"}`})

	// A foreign or unknown file is no picture.
	stranger := w.key(w.person(jane), keys.ProfileRead|keys.ProfileWrite)
	before := w.submits()
	a = w.must(400, call{method: "PATCH", path: "/v1/profile", key: stranger, body: `{"picture":"` + file + `"}`})
	if d := a.json(t)["details"].([]any)[0].(map[string]any); d["pointer"] != "/picture" || d["code"] != "unknown_file" || w.submits() != before {
		t.Errorf("refusal %s", a.body)
	}
	w.must(404, call{method: "GET", path: "/v1/files/" + file, key: stranger})
	w.must(404, call{method: "GET", path: "/v1/files/sha256:xyz", key: key})
	w.must(404, call{method: "GET", path: "/v1/files/" + file[7:], key: key})

	if a := w.must(200, call{method: "POST", path: "/v1/files?dryRun=true", key: key, typ: "multipart/form-data; boundary=b", body: multipartFile("b", "text/plain", "other")}); a.json(t)["dryRun"] != true {
		t.Error(a.body)
	}
	if has, err := w.vault.HasFile(t.Context(), id, ledger.HashOf([]byte("other"))); has || err != nil {
		t.Errorf("a dry run stored a file: %v %v", has, err)
	}
	for _, c := range []struct {
		body, typ string
		status    int
	}{
		{multipartFile("a", "image/png", "x"), "application/json", 415},
		{multipartFile("a", "image/png", "x"), "multipart/form-data", 415},
		{"--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nx\r\n--b--\r\n", "", 400},
		{strings.TrimSuffix(multipartFile("a", "image/png", "one"), "--b--\r\n") + strings.TrimPrefix(multipartFile("b", "image/png", "two"), ""), "", 400},
		{"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\ncut", "", 400},
		{"nonsense", "", 400},
		{multipartFile("a", "image/png", strings.Repeat("x", maxUpload+1)), "", 413},
		{multipartFile("a", "image/png", strings.Repeat("x", maxUpload+1<<20)), "", 413},
	} {
		p := post(c.body)
		if c.typ != "" {
			p.typ = c.typ
		}
		if a := w.do(p); a.status != c.status {
			t.Errorf("%.40q: %d, want %d: %s", c.body, a.status, c.status, a.body)
		}
	}
	if has, err := w.vault.HasFile(t.Context(), id, ledger.HashOf([]byte("one"))); has || err != nil {
		t.Errorf("one file of two was stored: %v %v", has, err)
	}
	w.must(201, post(multipartFile("a", "image/png", strings.Repeat("x", maxUpload))))

	// The same upload again, with another boundary, is the same request.
	p := post(multipartFile("a", "image/png", "once"))
	p.header = idemHeader("u")
	first := w.must(201, p)
	p.body, p.typ = strings.ReplaceAll(p.body, "--b", "--c"), "multipart/form-data; boundary=c"
	if second := w.must(201, p); second.body != first.body || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("second %s %v", second.body, second.header)
	}
	p.body = strings.ReplaceAll(p.body, "once", "twice")
	w.must(422, p)
}

func TestConnections(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	base := "/v1/profiles/" + id.String() + "/connections"
	secret := func() string {
		b, err := w.vault.Secret(t.Context(), id, credentialName("linkedin"))
		if err != nil {
			return ""
		}
		return string(b)
	}
	put := func(body string) call { return call{method: "PUT", path: base + "/linkedin", key: key, body: body} }

	a := w.must(200, call{method: "PUT", path: base + "/linkedin?dryRun=true", key: key, body: `{"account":"A1","credential":"c0"}`})
	if a.json(t)["dryRun"] != true || secret() != "" || w.com.Head() != 1 {
		t.Errorf("dry run: %s, secret %q", a.body, secret())
	}
	// The credential is durable before the event is asked for.
	w.submit = func(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
		if !req.DryRun && secret() != "c1" {
			t.Errorf("the event before the credential %q", secret())
		}
		return w.com.Submit(ctx, req)
	}
	a = w.must(200, put(`{"account":"A1","credential":"c1","settings":{"resume":"base"}}`))
	if v := a.json(t); v["updated"] != true || v["provider"] != "linkedin" || v["seq"] != 2.0 || strings.Contains(a.body, "c1") {
		t.Errorf("put: %s", a.body)
	}
	w.submit = nil
	if a := w.must(200, put(`{"account":"A1","settings":{"resume":"base"}}`)); a.json(t)["updated"] != false || secret() != "c1" {
		t.Errorf("the same again: %s, secret %q", a.body, secret())
	}
	if a := w.must(200, put(`{"account":"A1","credential":"c2","settings":{"resume":"base"}}`)); a.json(t)["updated"] != true || secret() != "c2" {
		t.Errorf("rotated: %s, secret %q", a.body, secret())
	}
	// Refused: the credential stays. Every mistake is told.
	for body, n := range map[string]int{
		`{"account":1,"credential":[]}`: 2, `{"account":"A1","credential":"","x":1}`: 2, `[]`: 1, `{"credential":"c3","credential":"c4"}`: 1, `{`: 1,
		`{"account":"A1","credential":"c3","settings":{"resume":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4"}}`: 1,
		`{"account":"A1","credential":"` + strings.Repeat("x", maxCredential+1) + `"}`:          1,
	} {
		a := w.must(400, put(body))
		if errs, _ := a.json(t)["errors"].([]any); len(errs) != n {
			t.Errorf("%.40s: %d mistakes, want %d: %s", body, len(errs), n, a.body)
		}
		if secret() != "c2" {
			t.Fatalf("%.40s changed the credential to %q", body, secret())
		}
	}
	w.must(412, call{method: "PUT", path: base + "/linkedin", key: key, body: `{"account":"A1","credential":"c5"}`, header: map[string]string{"If-Match": `"1"`}})
	if secret() != "c2" {
		t.Error("a failed precondition changed the credential")
	}
	w.must(404, call{method: "PUT", path: base + "/nobody", key: key, body: `{}`})
	w.must(415, call{method: "PUT", path: base + "/linkedin", key: key, body: `{}`, typ: "text/plain"})
	w.must(404, call{method: "GET", path: base + "/jarvi", key: key})
	if a := w.must(200, call{method: "GET", path: base, key: key}); a.json(t)["data"].([]any)[0].(map[string]any)["state"] != "in_sync" {
		t.Errorf("list %s", a.body)
	}
	w.must(200, call{method: "GET", path: base + "/mokaru", key: key})

	w.must(200, call{method: "DELETE", path: base + "/linkedin?dryRun=true", key: key})
	if secret() != "c2" {
		t.Error("a dry run removed the credential")
	}
	w.must(200, call{method: "DELETE", path: base + "/linkedin", key: key})
	if secret() != "" {
		t.Errorf("the credential outlives its connection: %q", secret())
	}
	w.must(404, call{method: "DELETE", path: base + "/linkedin", key: key})
	w.must(404, call{method: "DELETE", path: base + "/nobody", key: key})
}

func TestKeyRoutes(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	a := w.must(201, call{method: "POST", path: "/v1/keys", key: adminText, body: `{"name":"laptop","profile":"` + id.String() + `","scopes":["profile:read","profile:read"]}`})
	made := a.json(t)["data"].(map[string]any)
	text := made["key"].(string)
	if !strings.HasPrefix(text, "vt_live_") || len(text) != 8+43 || made["name"] != "laptop" || made["profile"] != id.String() || fmt.Sprint(made["scopes"]) != "[profile:read]" {
		t.Errorf("made %s", a.body)
	}
	w.must(200, call{method: "GET", path: "/v1/profile", key: text})
	a = w.must(200, call{method: "GET", path: "/v1/keys", key: adminText})
	listed := a.json(t)["data"].([]any)[0].(map[string]any)
	if strings.Contains(a.body, text) || listed["lastUsedAt"] == nil || listed["revokedAt"] != nil || listed["name"] != "laptop" {
		t.Errorf("listed %s", a.body)
	}
	one := "/v1/keys/" + made["id"].(string)
	w.must(200, call{method: "DELETE", path: one + "?dryRun=true", key: adminText})
	w.must(200, call{method: "GET", path: "/v1/profile", key: text})
	w.must(200, call{method: "DELETE", path: one, key: adminText})
	w.must(401, call{method: "GET", path: "/v1/profile", key: text})
	w.must(200, call{method: "DELETE", path: one, key: adminText})
	w.must(404, call{method: "DELETE", path: "/v1/keys/admin", key: adminText})
	if a := w.must(200, call{method: "POST", path: "/v1/keys?dryRun=true", key: adminText, body: `{"profile":"*","scopes":["operate"]}`}); strings.Contains(a.body, "vt_live") || len(w.keys.List()) != 1 {
		t.Errorf("dry run: %s", a.body)
	}
	for body, pointers := range map[string][]string{
		`{}`: {"/profile", "/scopes"}, `[]`: {""}, `{"profile":"*","scopes":[]}`: {"/scopes"},
		`{"profile":"x","scopes":["nope",1],"name":7,"extra":1}`:                         {"/scopes/0", "/scopes/1", "/name", "/extra", "/profile"},
		`{"profile":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4","scopes":["operate"]}`:                  {"/profile"},
		`{"profile":"` + id.String() + `","scopes":["admin"]}`:                           {"/scopes"},
		`{"profile":"*","scopes":"operate"}`:                                             {"/scopes"},
		`{"profile":"*","scopes":["operate"],"name":"` + strings.Repeat("é", 201) + `"}`: {"/name"},
	} {
		a := w.must(400, call{method: "POST", path: "/v1/keys", key: adminText, body: body})
		var v struct{ Errors []ledger.FieldError }
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range v.Errors {
			got = append(got, e.Pointer)
		}
		if !slices.Equal(got, pointers) {
			t.Errorf("%s: %q, want %q", body, got, pointers)
		}
	}
}

func TestOperations(t *testing.T) {
	w := newWorld(t, Config{})
	if a := w.must(200, call{method: "GET", path: "/livez"}); a.body != "ok\n" {
		t.Error(a.body)
	}
	if a := w.must(200, call{method: "GET", path: "/readyz?verbose"}); !strings.Contains(a.body, "[+]ledger ok") {
		t.Error(a.body)
	}
	if a := w.must(200, call{method: "GET", path: "/v1/fields", key: adminText}); !strings.Contains(a.body, `"path":"firstName"`) {
		t.Errorf("%.200s", a.body)
	}
	w.must(200, call{method: "GET", path: "/v1/views", key: adminText})
	w.must(404, call{method: "POST", path: "/v1/views/nothing/rebuild", key: adminText})
	a := w.must(202, call{method: "POST", path: "/v1/fsck", key: adminText})
	task := a.json(t)["data"].(map[string]any)
	w.srv.tasks.running.Wait()
	a = w.must(200, call{method: "GET", path: a.header.Get("Location"), key: adminText})
	if v := a.json(t)["data"].(map[string]any); v["id"] != task["id"] || v["state"] != "done" || v["total"] != 2.0 || v["result"].(map[string]any)["commits"] != 2.0 {
		t.Errorf("task %s", a.body)
	}
	w.must(404, call{method: "GET", path: "/v1/tasks/x", key: adminText})
	for accept, last := range map[string]string{"application/jsonl": `"state":"done"`, "text/event-stream": "event: done\n"} {
		a := w.must(200, call{method: "POST", path: "/v1/fsck", key: adminText, header: map[string]string{"Accept": accept}})
		if a.header.Get("Content-Type") != accept || !strings.Contains(a.body, last) {
			t.Errorf("%s: %v %s", accept, a.header, a.body)
		}
	}
	// One check at a time.
	hold := make(chan struct{})
	first := w.srv.tasks.start("fsck", func(context.Context, func(done, total uint64)) (any, error) { <-hold; return nil, errFault })
	w.must(409, call{method: "POST", path: "/v1/fsck", key: adminText})
	close(hold)
	w.srv.tasks.running.Wait()
	if failed, _ := w.srv.tasks.get(first.ID); failed.State != "failed" || failed.Error == "" {
		t.Errorf("task %+v", failed)
	}

	id := w.person(jane)
	w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String(), key: adminText})
	a = w.must(200, call{method: "GET", path: "/metrics"})
	for _, want := range []string{
		`vitae_http_requests_total{method="GET",route="/v1/profiles/{profile}",status="200"} 1`, `vitae_http_request_duration_seconds_count{method="POST",route="/v1/profiles"} 1`,
		`vitae_commits_total 1`, `vitae_ledger_head_sequence 1`, `vitae_sink_lanes{phase="PARKED",sink="mokaru"} 1`, `vitae_build_info{`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	if strings.Contains(a.body, id.String()) {
		t.Error("a profile's id is in the metrics")
	}
	w.must(404, call{method: "GET", path: "/nothing"})
	if a := w.must(200, call{method: "GET", path: "/metrics"}); strings.Contains(a.body, "/nothing") {
		t.Error("a path that a caller made up is a label")
	}
}

// TestReadsWait: a read answers 503 with Retry-After when the views do not catch up.
func TestReadsWait(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.ProfileRead)
	w.profile = func(ctx context.Context, _ ledger.ProfileID) (*ledger.Profile, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the wait of a read has no bound")
		}
		return nil, fmt.Errorf("views: %w", context.DeadlineExceeded)
	}
	if a := w.must(http.StatusServiceUnavailable, call{method: "GET", path: "/v1/profile", key: key}); a.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", a.header)
	}
	if !strings.Contains(w.logged.String(), `"level":"WARN","msg":"request failed"`) {
		t.Error("the cause of a 503 is not in the log")
	}
}

var _ Vault = (*vault.Vault)(nil)
