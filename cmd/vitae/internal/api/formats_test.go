package api

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
)

// TestImport: a dry run shows the changes and changes nothing; the import is one commit,
// via import; the same again is none; what is refused is named, and the rest is taken.
func TestImport(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","skills":[{"id":"s1","name":"Go"}]}`)
	own := w.key(id, keys.ProfileRead|keys.ProfileWrite|keys.AuditRead)
	const file = `{"basics":{"name":"Janet Doe","email":"j@example.com"},"skills":[{"name":"SQL"}],"certificates":[{"name":"C"}],"references":[{"name":"R"}]}`
	in := func(query string) call {
		return call{method: "POST", path: "/v1/import" + query, key: own, body: file}
	}
	const notes = `"notKept":[{"at":"/references","why":"there is no field for it"}],"refused":[{"at":"/certificates/0","why":"certificates: issuer is required"}]`
	a := w.must(200, in("?dryRun=true"))
	for _, want := range []string{`"updated":true,"seq":1,`, `"dryRun":true}`, notes,
		`{"view":"shared","field":"firstName","item":null,"op":"set","from":"Jane","to":"Janet"}`,
		`{"view":"shared","field":"email","item":null,"op":"set","from":null,"to":"j@example.com"}`,
		`"op":"put","from":null,"to":{"name":"SQL"}}`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if n := len(a.json(t)["changes"].([]any)); n != 4 {
		t.Errorf("%d changes: %s", n, a.body)
	}
	// It is made only to the state that was shown.
	stale := in("")
	stale.header = map[string]string{"If-Match": `"9"`}
	w.must(412, stale)
	if a := w.must(200, in("")); !strings.Contains(a.body, `"seq":2`) || !strings.Contains(a.body, notes) {
		t.Errorf("%s", a.body)
	}
	if a := w.must(200, in("")); !strings.Contains(a.body, `"updated":false,"seq":2,"fields":[],"changes":[]`) {
		t.Errorf("again: %s", a.body)
	}
	doc := w.must(200, call{method: "GET", path: "/v1/profile", key: own}).json(t)["data"].(map[string]any)
	if n := len(doc["skills"].([]any)); doc["firstName"] != "Janet" || n != 2 {
		t.Errorf("%v, %d skills", doc["firstName"], n)
	}
	w.must(200, in("?mode=replace&fields=skills"))
	doc = w.must(200, call{method: "GET", path: "/v1/profile", key: own}).json(t)["data"].(map[string]any)
	if n := len(doc["skills"].([]any)); n != 1 {
		t.Errorf("replaced: %d skills", n)
	}
	if lines, _ := historyLines(t, w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String() + "/history?via=import", key: own})); len(lines) != 5 {
		t.Errorf("%d events came via import: %q", len(lines), lines)
	}

	// A resume of one's own takes the collections; the scalars are shared.
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: own, body: `{"name":"Design"}`}).json(t)["id"].(string)
	c := in("?view=" + resume)
	c.body = `{"basics":{"label":"Designer"},"skills":[{"name":"Ink"}]}`
	if a := w.must(200, c); !strings.Contains(a.body, `"view":"`+resume+`","field":"skills"`) || !strings.Contains(a.body, `"view":"shared","field":"jobTitle"`) {
		t.Errorf("%s", a.body)
	}

	for _, bad := range []struct {
		status int
		query  string
		body   string
		media  string
	}{
		{404, "?view=01J8Z3K5V6Q7R8S9T0V1W2X3Y4", file, ""}, {400, "?mode=x", file, ""}, {400, "?fields=nothing", file, ""}, {400, "", `[]`, ""}, {400, "", `{"a":`, ""},
		{400, "", "PK", "application/zip"}, {415, "", file, "text/plain"},
	} {
		c := in(bad.query)
		c.body = bad.body
		if bad.media != "" {
			c.header = map[string]string{"Content-Type": bad.media}
		}
		w.must(bad.status, c)
	}
	w.must(403, call{method: "POST", path: "/v1/import", key: w.key(id, keys.ProfileRead), body: file})
}

// TestImportArchive: LinkedIn's archive comes in as it is.
func TestImportArchive(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane"}`)
	own := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("Positions.csv")
	if err == nil {
		_, err = f.Write([]byte("Company Name,Title,Description,Location,Started On,Finished On\nAcme,Engineer,,,Aug 2022,\n"))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.must(200, call{method: "POST", path: "/v1/import", key: own, body: b.String(), header: map[string]string{"Content-Type": "application/zip"}})
	doc := w.must(200, call{method: "GET", path: "/v1/profile", key: own}).json(t)["data"].(map[string]any)
	if work := doc["workExperiences"].([]any)[0].(map[string]any); work["company"] != "Acme" || work["startDate"] != "2022-08" || work["isCurrent"] != true {
		t.Errorf("%v", work)
	}
}

// TestExport: each format, as of any sequence, with what it does not carry.
func TestExport(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","birthDate":"1990-04-17"}`)
	own := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: `{"firstName":"Janet"}`})
	get := func(status int, query string) answer {
		return w.must(status, call{method: "GET", path: "/v1/resume/base/export" + query, key: own})
	}
	for format, want := range map[string][2]string{"jsonresume": {"application/json", `"name": "Janet"`}, "vcard": {"text/vcard; charset=utf-8", "FN:Janet\r\n"},
		"html": {"text/html; charset=utf-8", "<h1>Janet</h1>"}} {
		a := get(200, "?format="+format)
		if a.header.Get("Content-Type") != want[0] || !strings.Contains(a.body, want[1]) || a.header.Get("Etag") != `"2"` {
			t.Errorf("%s: %v %s", format, a.header, a.body)
		}
		if lost := a.header.Get("X-Vitae-Not-Carried"); (lost == "birthDate") == (format == "vcard") {
			t.Errorf("%s does not carry %q", format, lost)
		}
		if a := get(200, "?format="+format+"&at=1"); strings.Contains(a.body, "Janet") {
			t.Errorf("%s at 1: %s", format, a.body)
		}
	}
	get(400, "")
	get(400, "?format=pdf")
	w.must(404, call{method: "GET", path: "/v1/resume/none/export?format=html", key: own})
}
