package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

func TestRestore(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","skills":[{"id":"a","name":"A"},{"id":"b","name":"B"}]}`)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite|keys.AuditRead)
	named := "/v1/profiles/" + id.String()
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"firstName":"Janet","email":"j@example.com","city":"Rome","skills":[{"id":"b","name":"B2"}]}`})
	restore := func(status int, body string, header ...string) answer {
		t.Helper()
		h := map[string]string{}
		for i := 0; i < len(header); i += 2 {
			h[header[i]] = header[i+1]
		}
		return w.must(status, call{method: "POST", path: named + "/restore", key: key, body: body, header: h})
	}
	commits := func() ledger.Seq { return w.com.Head() }

	// A dry run says what would be done, and does nothing.
	a := w.must(200, call{method: "POST", path: named + "/restore?dryRun=true", key: key, body: `{"to":1}`})
	if want := `"kept":[{"view":"shared","field":"email","why":"it had no value then, and it cannot be cleared"}],"changes":[` +
		`{"view":"shared","field":"city","item":null,"op":"clear"},{"view":"shared","field":"firstName","item":null,"op":"set"},` +
		`{"view":"base","field":"skills","item":"a","op":"put"},{"view":"base","field":"skills","item":"b","op":"put"},{"view":"base","field":"skills","item":null,"op":"order"}],"dryRun":true}`; !strings.HasSuffix(a.body, want) || commits() != 2 {
		t.Errorf("dry run, head %d: %s\nwant %s", commits(), a.body, want)
	}

	// One item, with the reason; the version; once under its key.
	restore(412, `{"to":1,"field":"skills","item":"b"}`, "If-Match", `"1"`)
	first := restore(200, `{"to":1,"field":"skills","item":"b"}`, "If-Match", `"2"`, "X-Vitae-Reason", "a slip", "Idempotency-Key", "k1")
	if first.body != `{"success":true,"updated":true,"seq":3,"fields":["skills"],"kept":[]}` {
		t.Errorf("one item: %s", first.body)
	}
	if again := restore(200, `{"to":1,"field":"skills","item":"b"}`, "Idempotency-Key", "k1"); again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %s", again.body)
	}
	restore(422, `{"to":1}`, "Idempotency-Key", "k1")
	if lines, _ := historyLines(t, w.must(200, call{method: "GET", path: named + "/history?from=3&reason=slip", key: key})); len(lines) != 1 || lines[0] != `3.0 put base/skills/b {"name":"B"}<-{"name":"B2"}` {
		t.Errorf("history %q", lines)
	}

	// Everything; then there is nothing left to do.
	if a := restore(200, `{"to":"2026-05-03T10:14:00Z"}`); !strings.Contains(a.body, `"updated":false`) {
		t.Errorf("the time of the present: %s", a.body)
	}
	if a := restore(200, `{"to":1}`); !strings.Contains(a.body, `"updated":true,"seq":4,"fields":["city","firstName","skills"],"kept":[{"view":"shared","field":"email"`) {
		t.Errorf("everything: %s", a.body)
	}
	if a := restore(200, `{"to":1}`); !strings.Contains(a.body, `"updated":false,"seq":4,"fields":[]`) || commits() != 4 {
		t.Errorf("again, head %d: %s", commits(), a.body)
	}

	// A resume that has gone comes back under its id.
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: key, body: `{"name":"Design"}`}).json(t)["id"].(string)
	was := w.must(200, call{method: "GET", path: "/v1/resume/" + resume, key: key}).json(t)["data"].(map[string]any)
	w.must(200, call{method: "DELETE", path: "/v1/resume/" + resume, key: key})
	restore(404, `{"to":5,"view":"`+resume+`","field":"skills"}`)
	restore(200, `{"to":5,"view":"`+resume+`"}`)
	is := w.must(200, call{method: "GET", path: "/v1/resume/" + resume, key: key}).json(t)["data"].(map[string]any)
	for _, name := range []string{"id", "name", "skills", "firstName"} {
		if fmt.Sprint(was[name]) != fmt.Sprint(is[name]) {
			t.Errorf("%s was %v, is %v", name, was[name], is[name])
		}
	}

	for body, status := range map[string]int{`{}`: 400, `[]`: 400, `{"to":99}`: 400, `{"to":"x"}`: 400, `{"to":null}`: 400, `{"to":-1}`: 400, `{"to":1.5}`: 400, `{"to":0}`: 404, `{"to":1,"view":""}`: 400,
		`{"to":1,"field":null}`: 400, `{"to":1,"fields":"city"}`: 400, `{"to":1,"to":2}`: 400, `{"to":1,"field":"nothing"}`: 400, `{"to":1,"item":"a"}`: 400, `{"to":1,"field":"email"}`: 400,
		`{"to":1,"view":"` + resume + `"}`: 404, `{"to":1,"field":"skills","item":"zz"}`: 404} {
		restore(status, body)
	}
	w.must(403, call{method: "POST", path: named + "/restore", key: w.key(id, keys.ProfileRead|keys.AuditRead), body: `{"to":1}`})
	w.must(200, call{method: "DELETE", path: named, key: adminText})
	restore(410, `{"to":1}`)
}

// TestRestoredFile: a picture that was replaced is still there to go back to.
func TestRestoredFile(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane"}`)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	png, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		t.Fatal(err)
	}
	upload := func(content string) string {
		t.Helper()
		body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" + content + "\r\n--b--\r\n"
		a := w.must(201, call{method: "POST", path: "/v1/files", key: key, body: body, typ: "multipart/form-data; boundary=b"})
		return a.json(t)["data"].(map[string]any)["file"].(string)
	}
	one, two := upload(string(png)), upload(string(png)+"x")
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"picture":"` + one + `"}`})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"picture":"` + two + `"}`})
	w.must(200, call{method: "POST", path: "/v1/profiles/" + id.String() + "/restore", key: key, body: `{"to":2,"field":"picture"}`})
	if got := w.must(200, call{method: "GET", path: "/v1/profile", key: key}).json(t)["data"].(map[string]any)["picture"]; got != one {
		t.Errorf("picture %v, want %s", got, one)
	}
	if a := w.must(200, call{method: "GET", path: "/v1/files/" + one, key: key}); a.body != string(png) {
		t.Errorf("the file has %d bytes, want %d", len(a.body), len(png))
	}
}

// FuzzReadRestore: whatever is sent, it is refused or it names a moment.
func FuzzReadRestore(f *testing.F) {
	for _, body := range []string{`{"to":1}`, `{"to":"2026-05-03T10:14:00Z","view":"base","field":"skills","item":"a"}`, `{"to":1e3}`, `[]`, `{"to":1,"to":2}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := readRestore(body)
		var refusal *ledger.Refusal
		switch {
		case err != nil && !errors.As(err, &refusal):
			t.Errorf("%q: an error that nobody can act on: %v", body, err)
		case err != nil && len(refusal.Fields) == 0:
			t.Errorf("%q is refused without a word", body)
		case err == nil && in.to == "" && !strings.Contains(string(body), `""`):
			t.Errorf("%q names no moment", body)
		}
	})
}
