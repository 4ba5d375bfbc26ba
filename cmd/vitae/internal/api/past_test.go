package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// rows shows the rows of a reply by the members that are named, "-" where null.
func rows(t *testing.T, a answer, members ...string) (out []string) {
	t.Helper()
	var v struct{ Data []map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	for _, row := range v.Data {
		var shown []string
		for _, m := range members {
			text := strings.Trim(string(row[m]), `"`)
			if text == "null" || row[m] == nil {
				text = "-"
			}
			shown = append(shown, text)
		}
		out = append(out, strings.Join(shown, " "))
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBlame(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","projects":[{"id":"p1","name":"A","description":"a"},{"id":"p2","name":"B","description":"b"}]}`)
	own := w.key(id, keys.All&^keys.Admin&^keys.ValuesRead)
	edit := func(body, why string) {
		w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: body, header: map[string]string{"X-Vitae-Reason": why, "X-Request-Id": "r" + why}})
	}
	edit(`{"firstName":"Janet","city":"Rome"}`, "2")
	edit(`{"city":null,"projects":[{"id":"p2","name":"B","description":"b"},{"id":"p1","name":"A2","description":"a"}]}`, "3")
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: own, body: `{"name":"Design"}`}).json(t)["id"].(string)
	edit(`{"city":"Oslo","projects":[{"id":"p1","name":"A3","description":"a"}]}`, "5")
	path := "/v1/profiles/" + id.String() + "/blame"
	members := []string{"view", "field", "item", "value", "seq", "previousSeq", "origin", "reason"}

	a := w.must(200, call{method: "GET", path: path, key: own})
	same(t, "blame", rows(t, a, members...), []string{
		`shared firstName - Janet 2 1 shared 2`,
		`shared city - Oslo 5 2 shared 5`,
		`base projects p1 {"name":"A3","description":"a"} 5 3 base 5`,
		resume + ` name - Design 4 - ` + resume + ` -`,
		resume + ` projects p2 {"name":"B","description":"b"} 1 - base -`,
		resume + ` projects p1 {"name":"A2","description":"a"} 3 1 base 3`,
	})
	// Walking back from a value leads to the ones before it.
	same(t, "blame before", rows(t, w.must(200, call{method: "GET", path: path + "?field=city&at=2", key: own}), members...),
		[]string{`shared city - Rome 2 - shared 2`})
	same(t, "blame while it was cleared", rows(t, w.must(200, call{method: "GET", path: path + "?field=city&at=3", key: own}), members...), nil)
	same(t, "one item", rows(t, w.must(200, call{method: "GET", path: path + "?item=p1&view=base&at=4", key: own}), members...),
		[]string{`base projects p1 {"name":"A2","description":"a"} 3 1 base 3`})

	// A row says who, through what, when, and which commit vouches for it.
	row := w.must(200, call{method: "GET", path: path + "?field=city", key: own}).json(t)["data"].([]any)[0].(map[string]any)
	var event map[string]any
	for _, e := range w.must(200, call{method: "GET", path: strings.Replace(path, "blame", "history?field=city&from=5", 1), key: own}).json(t)["data"].([]any) {
		event = e.(map[string]any)
	}
	for _, name := range []string{"seq", "index", "id", "commit", "time", "actor", "via", "requestId", "reason", "hash", "value"} {
		if row[name] == nil || fmt.Sprint(row[name]) != fmt.Sprint(event[name]) {
			t.Errorf("%s: blame %v, history %v", name, row[name], event[name])
		}
	}
	blind := w.key(ledger.ProfileID{}, keys.AuditRead)
	if a := w.must(200, call{method: "GET", path: path, key: blind}); strings.Contains(a.body, "Oslo") || strings.Contains(a.body, `"A3"`) || !strings.Contains(a.body, `"value":null`) {
		t.Errorf("without values:read: %s", a.body)
	}
	if a := w.must(200, call{method: "GET", path: path, key: w.key(ledger.ProfileID{}, keys.AuditRead|keys.ValuesRead)}); !strings.Contains(a.body, "Oslo") {
		t.Errorf("with values:read: %s", a.body)
	}
	for query, status := range map[string]int{"?view=nobody": 404, "?view=" + resume + "&at=3": 404, "?at=0": 404, "?at=99": 400, "?at=x": 400, "?filed=city": 400, "?view=a&view=b": 400} {
		w.must(status, call{method: "GET", path: path + query, key: own})
	}
	w.must(403, call{method: "GET", path: path, key: w.key(id, keys.ProfileRead)})
}

func TestDiff(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","summary":"I am  a designer who\nlikes type","projects":[{"id":"p1","name":"A","description":"a"},{"id":"p2","name":"B","description":"b"},{"id":"p3","name":"C","description":"c"}]}`)
	own := w.key(id, keys.All&^keys.Admin&^keys.ValuesRead)
	edit := func(body string) { w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: body}) }
	edit(`{"firstName":"Janet","city":"Rome"}`)
	edit(`{"firstName":"Jane","summary":"I am  a developer who\nlikes type, too","projects":[{"id":"p3","name":"C","description":"c"},{"id":"p1","name":"A2","description":"a"}]}`)
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: own, body: `{"name":"Design","projects":[{"id":"p1","name":"A2","description":"a"}]}`}).json(t)["id"].(string)
	w.must(200, call{method: "DELETE", path: "/v1/resume/" + resume, key: own})
	path := "/v1/profiles/" + id.String() + "/diff"
	get := func(query string) []string {
		return rows(t, w.must(200, call{method: "GET", path: path + query, key: own}), "view", "field", "item", "op", "from", "to")
	}
	shared := []string{
		`shared city - set - Rome`,
		`shared summary - set I am  a designer who\nlikes type I am  a developer who\nlikes type, too`,
	}
	base := []string{
		`base projects p2 remove {"name":"B","description":"b"} -`,
		`base projects p1 put {"name":"A","description":"a"} {"name":"A2","description":"a"}`,
		`base projects - order ["p1","p2","p3"] ["p3","p1"]`,
	}
	own3 := []string{
		resume + ` - - created - -`,
		resume + ` name - set - Design`,
		resume + ` projects p1 put - {"name":"A2","description":"a"}`,
	}
	same(t, "1 to 4", get("?from=1&to=4"), slices.Concat(shared, base, own3))
	same(t, "1 to now", get("?from=1"), slices.Concat(shared, base))
	same(t, "of base", get("?from=1&to=4&view=base"), base)
	same(t, "of the resume, the other way", get("?from=4&to=3&view="+resume), []string{
		resume + ` - - deleted - -`,
		resume + ` name - clear Design -`,
		resume + ` projects p1 remove {"name":"A2","description":"a"} -`,
	})
	same(t, "nothing", get("?from=4&to=4"), nil)
	same(t, "base against the resume", get("?view=base&against="+resume+"&at=4"), []string{
		resume + ` name - set - Design`,
		resume + ` projects p3 remove {"name":"C","description":"c"} -`,
	})
	same(t, "base then against base now", get("?view=base&against=base&from=1"), base)

	words := w.must(200, call{method: "GET", path: path + "?from=1&to=3&view=shared", key: own}).json(t)["data"].([]any)[1].(map[string]any)["words"]
	got, err := json.Marshal(words)
	want := `[{"parts":[{"op":"equal","text":"I am  a "},{"op":"delete","text":"designer"},{"op":"insert","text":"developer"},{"op":"equal","text":" who\nlikes "},{"op":"delete","text":"type"},{"op":"insert","text":"type, too"}],"pointer":""}]`
	if err != nil || string(got) != want {
		t.Errorf("words %s, %v", got, err)
	}
	a := w.must(200, call{method: "GET", path: path + "?from=1&to=3", key: w.key(ledger.ProfileID{}, keys.AuditRead)})
	if strings.Contains(a.body, "Rome") || strings.Contains(a.body, "words") || !strings.Contains(a.body, `"to":["p3","p1"]`) {
		t.Errorf("without values:read: %s", a.body)
	}
	for query, status := range map[string]int{"": 400, "?from=x": 400, "?from=9": 400, "?from=0": 404, "?from=1&to=0": 404, "?from=1&view=nobody": 404, "?from=1&at=2": 400, "?at=1": 400,
		"?against=base": 400, "?view=base&against=nobody": 404, "?from=1&vieuw=base": 400} {
		w.must(status, call{method: "GET", path: path + query, key: own})
	}
}

// TestFixedMoments: a reply about a fixed moment is the same bytes whatever happens after,
// and says so; erasure ends it.
func TestFixedMoments(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","skills":[{"id":"s1","name":"Go"}]}`)
	key := w.key(id, keys.All&^keys.Admin)
	edit := func(n int) {
		w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: fmt.Sprintf(`{"city":"c%d","skills":[{"id":"s%d","name":"Go"}]}`, n, n)})
	}
	edit(2)
	edit(3)
	w.clock.add(3600e9)
	named := "/v1/profiles/" + id.String()
	paths := []string{"/v1/profile?at=2", "/v1/profile?at=2026-05-03T10:14:00Z", named + "?at=2", "/v1/resume?at=2", "/v1/resume/base?at=2", "/v1/skills?at=2", "/v1/skills/s2?at=2", "/v1/experiences?at=2", "/v1/education?at=2",
		named + "/blame?at=2", named + "/diff?from=1&to=2", named + "/diff?view=shared&against=shared&from=1&to=2", named + "/history?at=2", named + "/history?to=2&limit=2", named + "/history?from=2&to=2026-05-03T10:14:00Z"}
	first := map[string]answer{}
	for _, path := range paths {
		a := w.must(200, call{method: "GET", path: path, key: key})
		want := "2"
		if strings.Contains(path, "at=2026") || strings.Contains(path, "to=2026") {
			want = "3"
		}
		if a.header.Get("Cache-Control") != keepFixed || a.header.Get("ETag") == "" || strings.HasPrefix(a.header.Get("ETag"), "W/") || a.header.Get(atHeader) != want {
			t.Errorf("%s: headers %v", path, a.header)
		}
		first[path] = a
	}
	for n := 4; n < 80; n++ {
		edit(n)
	}
	for _, path := range paths {
		if a := w.must(200, call{method: "GET", path: path, key: key}); a.body != first[path].body || a.header.Get("ETag") != first[path].header.Get("ETag") {
			t.Errorf("%s: was\n%s\nis\n%s", path, first[path].body, a.body)
		}
		if a := w.must(304, call{method: "GET", path: path, key: key, header: map[string]string{"If-None-Match": first[path].header.Get("ETag")}}); a.body != "" {
			t.Errorf("%s: a body with 304: %s", path, a.body)
		}
	}
	// What has no past says so, and does not show the present for it.
	w.must(200, call{method: "GET", path: named + "/connections", key: key})
	w.must(400, call{method: "GET", path: named + "/connections?at=2", key: key})
	w.must(400, call{method: "GET", path: named + "/connections/mokaru?at=2", key: key})
	w.must(200, call{method: "DELETE", path: named, key: adminText})
	for _, path := range paths {
		w.must(410, call{method: "GET", path: path, key: key, header: map[string]string{"If-None-Match": first[path].header.Get("ETag")}})
	}
}

// TestHistoryFilters: each filter takes exactly what it names, alone and together.
func TestHistoryFilters(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane","projects":[{"id":"p1","name":"A","description":"a"}]}`) // 3 events at 10:14:00
	key := w.key(id, keys.All&^keys.Admin)
	w.clock.add(1e9)
	edit := func(body, why string) {
		w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: body, header: map[string]string{"X-Vitae-Reason": why, "X-Request-Id": "r-" + why[:1]}})
	}
	edit(`{"firstName":"Janet","city":"Rome"}`, "ticket 12")
	w.clock.add(1e9)
	edit(`{"city":null,"projects":[]}`, "moved, ticket 13")
	w.clock.add(1e9)
	path := "/v1/profiles/" + id.String() + "/history"
	for query, want := range map[string]string{
		"?item=p1": "1.2 3.1", "?op=clear": "3.0", "?op=set&field=firstName": "1.1 2.0", "?reason=ticket": "2.0 2.1 3.0 3.1", "?reason=12": "2.0 2.1", "?requestId=r-m": "3.0 3.1",
		"?from=2": "2.0 2.1 3.0 3.1", "?to=2": "1.0 1.1 1.2 2.0 2.1", "?at=1": "1.0 1.1 1.2", "?from=2&to=2": "2.0 2.1", "?from=3&to=2": "", "?from=1": "1.0 1.1 1.2 2.0 2.1 3.0 3.1", "?from=0&to=1": "1.0 1.1 1.2",
		"?from=2026-05-03T10:14:01Z": "2.0 2.1 3.0 3.1", "?from=2026-05-03T10:14:01.001Z": "3.0 3.1", "?to=2026-05-03T10:14:01Z": "1.0 1.1 1.2 2.0 2.1", "?from=2026-05-03T10:14:01Z&to=2026-05-03T10:14:01Z": "2.0 2.1",
		"?from=2&after=2.0": "2.1 3.0 3.1", "?from=2&after=1.1": "2.0 2.1 3.0 3.1", "?to=2&after=2.0": "2.1",
	} {
		if got := strings.Join(rows(t, w.must(200, call{method: "GET", path: path + query, key: key}), "seq", "index"), ","); strings.ReplaceAll(got, " ", ".") != strings.ReplaceAll(want, " ", ",") {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"?to=4", "?from=4", "?from=x", "?to=", "?at=1&to=2", "?fields=city", "?from=1&from=2", "?to=2030-01-01T00:00:00Z"} {
		w.must(400, call{method: "GET", path: path + query, key: key})
	}
}

// TestWords: the parts of a comparison are both texts, whatever they are.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "Zoë", "日本", " ", "\n", "\u2028", "\U0001f600", "--"}), 0, 60).Draw(t, "words"), rapid.SampledFrom([]string{" ", "  ", "\t"}).Draw(t, "space"))
		})
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		parts := wordDiff(a, b)
		if parts == nil {
			return
		}
		was, is := "", ""
		for _, p := range parts {
			if p.Op != "insert" {
				was += p.Text
			}
			if p.Op != "delete" {
				is += p.Text
			}
		}
		if was != a || is != b {
			t.Fatalf("%q and %q became %q and %q", a, b, was, is)
		}
		if strings.Join(splitWords(a), "") != a {
			t.Fatalf("%q was cut into %q", a, splitWords(a))
		}
	})
	if wordDiff("one two three", "one two three four five") != nil {
		t.Error("a short text was compared by words")
	}
	for i := range 1 << 16 {
		if r := tokenOf(i); indexOf(r) != i || r >= 0xd800 && r < 0xe000 {
			t.Fatalf("token %d is %x", i, r)
		}
	}
}
