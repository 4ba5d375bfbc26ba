package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// accessRows reads who read what of a profile, as the admin does.
func (w *world) accessRows(id ledger.ProfileID) []string {
	w.t.Helper()
	all := rows(w.t, w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String() + "/access?limit=1000", key: adminText}), "actor", "name", "method", "route", "parts", "via", "requestId", "status")
	return slices.DeleteFunc(all, func(row string) bool { return strings.HasPrefix(row, "admin ") && strings.Contains(row, "/access") })
}

// TestAccess: every audit read is recorded with who and what, and no other read is; what is
// recorded holds no value.
func TestAccess(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","city":"Rome"}`)
	other := w.person(`{"firstName":"Joan"}`)
	own := w.key(id, keys.All&^keys.Admin)
	auditor := w.key(ledger.ProfileID{}, keys.AuditRead|keys.ProfileRead)
	named := "/v1/profiles/" + id.String()
	png := w.must(201, call{method: "POST", path: "/v1/files", key: own, typ: "multipart/form-data; boundary=b",
		body: "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"}).json(t)["data"].(map[string]any)["file"].(string)

	read := func(key, path string, status int) {
		t.Helper()
		w.must(status, call{method: "GET", path: path, key: key, header: map[string]string{"X-Request-Id": "r1", "X-Vitae-Via": "console", "X-Vitae-Profile": id.String()}})
	}
	// Not recorded: the present, and the past with the profile's own key.
	read(auditor, named, 200)
	read(own, "/v1/profile?at=1", 200)
	read(own, "/v1/resume/base?at=1", 200)
	read(own, named+"/connections", 200)
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: `{"city":"Oslo"}`})
	w.must(403, call{method: "GET", path: named + "/history", key: w.key(id, keys.ProfileRead)})
	if got := w.accessRows(id); len(got) != 0 {
		t.Errorf("recorded:\n%s", strings.Join(got, "\n"))
	}

	read(auditor, named+"/history?field=city&reason=Zq7x+Rome", 200)
	read(auditor, named+"/blame?view=shared&field=San+Marino", 200)
	read(auditor, named+"/diff?from=1&to=3", 200)
	read(auditor, named+"/diff?from=99", 400)
	read(auditor, named+"/deliveries", 200)
	read(auditor, named+"?at=1", 200)
	read(auditor, "/v1/resume/base?at=1", 200)
	read(auditor, "/v1/skills?at=0", 404)
	read(own, named+"/history", 200)
	read(own, "/v1/files/"+png, 200)
	who := func(key string) string {
		k := w.keys.Lookup(key)
		return k.Actor() + " " + k.Name
	}
	line := func(key, route, parts string, status int) string {
		return fmt.Sprintf("%s GET %s %s console r1 %d", who(key), route, parts, status)
	}
	want := []string{
		line(auditor, "/v1/profiles/{profile}/history", `{"field":"city","reason":"…"}`, 200),
		line(auditor, "/v1/profiles/{profile}/blame", `{"field":"…","view":"shared"}`, 200),
		line(auditor, "/v1/profiles/{profile}/diff", `{"from":"1","to":"3"}`, 200),
		line(auditor, "/v1/profiles/{profile}/diff", `{"from":"99"}`, 400),
		line(auditor, "/v1/profiles/{profile}/deliveries", `{}`, 200),
		line(auditor, "/v1/profiles/{profile}", `{"at":"1"}`, 200),
		line(auditor, "/v1/resume/{id}", `{"at":"1","id":"base"}`, 200),
		line(auditor, "/v1/skills", `{"at":"0"}`, 404),
		line(own, "/v1/profiles/{profile}/history", `{}`, 200),
		line(own, "/v1/files/{file}", `{"file":"`+png+`"}`, 200),
	}
	same(t, "recorded", w.accessRows(id), want)
	if got := w.accessRows(other); len(got) != 0 {
		t.Errorf("of the other profile:\n%s", strings.Join(got, "\n"))
	}

	// Who may see it: the profile's own key, and who may audit all profiles. Looking is
	// recorded, too.
	w.must(200, call{method: "GET", path: named + "/access", key: w.key(id, keys.ProfileRead)})
	w.must(403, call{method: "GET", path: named + "/access", key: w.key(id, keys.ProfileWrite)})
	w.must(403, call{method: "GET", path: named + "/access", key: w.key(other, keys.ProfileRead)})
	w.must(403, call{method: "GET", path: named + "/access", key: w.key(ledger.ProfileID{}, keys.ProfileRead)})
	if got := w.accessRows(id); len(got) != len(want)+1 || !strings.Contains(got[len(want)], "/access {} native") {
		t.Errorf("after looking:\n%s", strings.Join(got, "\n"))
	}
	var pages []string
	for after := ""; ; {
		a := w.must(200, call{method: "GET", path: named + "/access?limit=3&after=" + after, key: own})
		page := rows(t, a, "pos")
		pages = append(pages, page...)
		next, _ := a.json(t)["next"].(string)
		if after = next; next == "" || len(pages) > 40 {
			break
		}
		if len(page) != 3 {
			t.Fatalf("a page of %d", len(page))
		}
	}
	if !slices.IsSortedFunc(pages, func(a, b string) int { return len(a) - len(b) }) || len(pages) < len(want) {
		t.Errorf("pages %v", pages)
	}
	for _, query := range []string{"?after=x", "?limit=0", "?actor=admin"} {
		w.must(400, call{method: "GET", path: named + "/access" + query, key: own})
	}

	// It outlives the profile, for who may audit all.
	w.must(200, call{method: "DELETE", path: named, key: adminText})
	read(auditor, named+"/blame", 410)
	read(own, named+"/access", 410)
	if got := w.accessRows(id); !slices.Contains(got, line(auditor, "/v1/profiles/{profile}/blame", `{}`, 410)) {
		t.Errorf("after the erasure:\n%s", strings.Join(got, "\n"))
	}
}

// TestUnrecordedReadIsRefused: a read whose record cannot be stored gives nothing away.
func TestUnrecordedReadIsRefused(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","summary":"Zq7xVtR3kW"}`)
	own := w.key(id, keys.All&^keys.Admin)
	named := "/v1/profiles/" + id.String()
	png := w.must(201, call{method: "POST", path: "/v1/files", key: own, typ: "multipart/form-data; boundary=b",
		body: "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nZq7xVtR3kW\r\n--b--\r\n"}).json(t)["data"].(map[string]any)["file"].(string)
	w.access.Fail(fmt.Errorf("the disk is full: %w", ledger.ErrUnavailable))
	for _, path := range []string{named + "/history", named + "/blame?at=1", named + "/diff?from=1", named + "/access", named + "/deliveries", named + "?at=1", "/v1/files/" + png} {
		key := own
		if path == named+"?at=1" {
			key = adminText
		}
		for _, method := range []string{"GET", "HEAD"} {
			a := w.must(503, call{method: method, path: path, key: key})
			if strings.Contains(a.body, "Zq7x") || strings.Contains(fmt.Sprint(a.header), "immutable") || a.header.Get("ETag") != "" || a.header.Get("Content-Disposition") != "" || method == "GET" && !strings.Contains(strings.ToLower(a.body), `"code":"not_recorded"`) {
				t.Errorf("%s %s: %v %s", method, path, a.header, a.body)
			}
		}
	}
	// Other reads and writes go on.
	w.must(200, call{method: "GET", path: "/v1/profile", key: own})
	w.must(200, call{method: "GET", path: "/v1/profile?at=1", key: own})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: `{"city":"Oslo"}`})
	w.access.Fail(nil)
	w.must(200, call{method: "GET", path: named + "/history", key: own})
	w.access.Fail(errors.New("not known"))
	w.must(503, call{method: "GET", path: named + "/history", key: own})
}
