package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// call makes a request for the n-th key under /mokaru/v1; a body is JSON.
func (g *rig) call(n int, method, path, body string) answer {
	g.Helper()
	return g.do(method, "/mokaru/v1"+path, body, "Authorization", "Bearer "+key(n), "Content-Type", "application/json")
}

// created requires a POST to be accepted, and gives the id.
func (g *rig) created(n int, list, body string) string {
	g.Helper()
	a := g.call(n, "POST", "/"+list, body)
	var v struct {
		Success bool
		ID      string
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusCreated || !v.Success {
		g.Fatalf("%d %s", a.status, a.body)
	}
	return v.ID
}

// item gives one item.
func (g *rig) item(n int, list, id string) map[string]any {
	g.Helper()
	var v struct{ Data map[string]any }
	g.decode(g.call(n, "GET", "/"+list+"/"+id, ""), &v)
	return v.Data
}

// page is what a list answers.
type page struct {
	Data          []map[string]any
	Total         int
	HasMore       bool
	Limit, Offset int
}

func (g *rig) page(n int, list, query string) page {
	g.Helper()
	var v page
	g.decode(g.call(n, "GET", "/"+list+query, ""), &v)
	return v
}

// entries are, for each list, the smallest item and one with everything.
var entries = map[string][2]string{
	"experiences": {`{"jobTitle":"j","company":"c"}`, `{"jobTitle":"j","company":"c","location":"l","startDate":"2020-01-01","endDate":"2024-02-29","isCurrent":true,"description":"d","responsibilities":["r","s"],"achievements":["a"]}`},
	"education":   {`{"school":"s"}`, `{"school":"s","degree":"d","field":"f","startDate":"2020-01-01","endDate":"2024-02-29","isCurrent":true,"description":"x"}`},
	"skills":      {`{"name":"n"}`, `{"name":"n","category":"c","level":"expert"}`},
}

// entryLimits are the stated lengths.
var entryLimits = map[string]map[string]int{
	"experiences": {"jobTitle": 200, "company": 200, "location": 200, "description": 5000},
	"education":   {"school": 200, "degree": 200, "field": 200, "description": 5000},
	"skills":      {"name": 100, "category": 100},
}

// lasting are the members that null does not clear.
var lasting = map[string][]string{
	"experiences": {"jobTitle", "company", "isCurrent"}, "education": {"school", "isCurrent"}, "skills": {"name"},
}

func parsed(t *testing.T, s string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// readBack is how an item with everything is given out.
func readBack(t *testing.T, s string) map[string]any {
	v := parsed(t, s)
	for _, n := range []string{"startDate", "endDate"} {
		if text, ok := v[n].(string); ok {
			v[n] = text + "T00:00:00.000Z"
		}
	}
	return v
}

func TestItemRoundTrip(t *testing.T) {
	g := start(t, Options{})
	cuid := regexp.MustCompile(`^c[0-9a-z]{24}$`)
	for list, both := range entries {
		full := readBack(t, both[1])
		id := g.created(1, list, both[1])
		if full["id"] = id; !cuid.MatchString(id) {
			t.Errorf("%s: id %q", list, id)
		}
		if got := g.item(1, list, id); !reflect.DeepEqual(got, full) {
			t.Errorf("%s: %v, want %v", list, got, full)
		}
		// The smallest item shows every member.
		least := map[string]any{}
		for name := range full {
			least[name] = nil
		}
		maps.Copy(least, parsed(t, both[0]))
		for _, name := range []string{"responsibilities", "achievements"} {
			if _, has := full[name]; has {
				least[name] = []any{}
			}
		}
		if _, has := full["isCurrent"]; has {
			least["isCurrent"] = false
		}
		least["id"] = g.created(1, list, both[0])
		want := page{Data: []map[string]any{full, least}, Total: 2, Limit: 25}
		if got := g.page(1, list, ""); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", list, got, want)
		}
		if got := g.page(2, list, ""); got.Total != 0 || got.Data == nil {
			t.Errorf("%s of another account: %+v", list, got)
		}
		if a := g.call(2, "GET", "/"+list+"/"+id, ""); a.status != http.StatusNotFound {
			t.Errorf("%s: another account reads the item: %d", list, a.status)
		}
	}
}

// Trap: a POST that is sent twice makes two items.
func TestPostIsNotIdempotent(t *testing.T) {
	g := start(t, Options{})
	for list, both := range entries {
		first, second := g.created(1, list, both[1]), g.created(1, list, both[1])
		if got := g.page(1, list, ""); first == second || got.Total != 2 || got.Data[0]["id"] != first || got.Data[1]["id"] != second {
			t.Errorf("%s: %+v", list, got)
		}
	}
	if a := g.account(1); a.Creates != 6 || a.Writes != 6 || a.Patches != 0 || a.Updates != 0 || a.Deletes != 0 {
		t.Errorf("%+v", a)
	}
}

func TestItemPatch(t *testing.T) {
	g := start(t, Options{})
	for list, both := range entries {
		before := g.created(1, list, both[1])
		id := g.created(1, list, both[1])
		after := g.created(1, list, both[1])
		want := g.item(1, list, id)
		for name := range want {
			if name == "id" {
				continue
			}
			a := g.call(1, "PATCH", "/"+list+"/"+id, fmt.Sprintf(`{%q:null}`, name))
			if slices.Contains(lasting[list], name) {
				if got := g.wrong(a); !slices.Equal(got, []string{name}) {
					t.Errorf("%s.%s: null: %q", list, name, got)
				}
				continue
			}
			want[name] = nil
			if name == "responsibilities" || name == "achievements" {
				want[name] = []any{}
			}
			if got := g.item(1, list, id); a.status != 200 || a.body != `{"success":true}`+"\n" || !reflect.DeepEqual(got, want) {
				t.Errorf("%s.%s: null: %d %s, %v", list, name, a.status, a.body, got)
			}
		}
		g.call(1, "PATCH", "/"+list+"/"+id, both[1])
		full := readBack(t, both[1])
		if full["id"] = id; !reflect.DeepEqual(g.item(1, list, id), full) {
			t.Errorf("%s: set again: %v", list, g.item(1, list, id))
		}
		writes := g.account(1).Writes
		if a := g.call(1, "PATCH", "/"+list+"/"+id, both[1]); a.status != 200 || g.account(1).Writes != writes {
			t.Errorf("%s: the same again is a change: %d", list, a.status)
		}
		got := g.page(1, list, "").Data
		if full["id"] = before; !reflect.DeepEqual(got[0], full) {
			t.Errorf("%s: the item before changed: %v", list, got[0])
		}
		if full["id"] = after; !reflect.DeepEqual(got[2], full) {
			t.Errorf("%s: the item after changed: %v", list, got[2])
		}
		if a := g.call(1, "PATCH", "/"+list+"/c000000000000000000000000", both[0]); a.status != 404 || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s: an item that is not there: %d %s", list, a.status, a.body)
		}
	}
}

func TestItemDelete(t *testing.T) {
	g := start(t, Options{})
	for list, both := range entries {
		first, second := g.created(1, list, both[0]), g.created(1, list, both[0])
		for i, id := range []string{first, second} {
			if a := g.call(1, "DELETE", "/"+list+"/"+id, ""); a.status != 200 || a.body != `{"success":true}`+"\n" {
				t.Errorf("%s: %d %s", list, a.status, a.body)
			}
			for _, method := range []string{"DELETE", "GET"} {
				if a := g.call(1, method, "/"+list+"/"+id, ""); a.status != 404 || !strings.Contains(a.body, `"error"`) {
					t.Errorf("%s: %s of what is gone: %d %s", list, method, a.status, a.body)
				}
			}
			if got := g.page(1, list, ""); got.Total != 1-i {
				t.Errorf("%s: %+v", list, got)
			}
		}
	}
	if a := g.account(1); a.Deletes != 6 || a.Creates != 6 || a.Writes != 12 || len(a.Profile) != 0 {
		t.Errorf("%+v", a)
	}
}

func TestItemLimitsAreCodePointsOfTheNFC(t *testing.T) {
	g := start(t, Options{})
	for list, limits := range entryLimits {
		id := g.created(1, list, entries[list][0])
		for name, limit := range limits {
			for form, unit := range map[string]string{"ASCII": "x", "astral": "😀", "decomposed": "e\u0301"} {
				text := strings.Repeat(unit, limit)
				if a := g.call(1, "PATCH", "/"+list+"/"+id, fmt.Sprintf(`{%q:%s}`, name, quote(text))); a.status != 200 || g.item(1, list, id)[name] != text {
					t.Errorf("%s.%s, %s: %d", list, name, form, a.status)
				}
				body := maps.Clone(parsed(t, entries[list][0]))
				body[name] = text + unit
				b, _ := json.Marshal(body)
				for _, a := range []answer{g.call(1, "POST", "/"+list, string(b)), g.call(1, "PATCH", "/"+list+"/"+id, string(b))} {
					if got := g.wrong(a); !slices.Equal(got, []string{name}) {
						t.Errorf("%s.%s, %s, one more: %q", list, name, form, got)
					}
				}
			}
		}
	}
}

func TestItemRefuses(t *testing.T) {
	g := start(t, Options{})
	for list, both := range entries {
		id := g.created(1, list, both[1])
		refuse := func(body string, post, patch []string) {
			t.Helper()
			if got := g.wrong(g.call(1, "POST", "/"+list, body)); !slices.Equal(got, post) {
				t.Errorf("POST %s %s: %q, want %q", list, body, got, post)
			}
			if got := g.wrong(g.call(1, "PATCH", "/"+list+"/"+id, body)); !slices.Equal(got, patch) {
				t.Errorf("PATCH %s %s: %q, want %q", list, body, got, patch)
			}
		}
		whole := []string{"body"}
		for _, body := range []string{``, `{}`, `null`, `[]`, `[` + both[0] + `]`, both[0] + "x", both[0][1:]} {
			refuse(body, whole, whole)
		}
		with := func(name, value string) string {
			m := map[string]json.RawMessage{}
			if err := json.Unmarshal([]byte(both[0]), &m); err != nil {
				t.Fatal(err)
			}
			m[name] = json.RawMessage(value)
			b, _ := json.Marshal(m)
			return string(b)
		}
		for _, name := range []string{"id", "createdAt", "Name", "userId", "data"} {
			refuse(with(name, `"x"`), []string{name}, []string{name})
		}
		for name := range parsed(t, both[1]) {
			bad := []string{`1`, `{}`}
			switch v := parsed(t, both[1])[name].(type) {
			case bool:
				bad = append(bad, `"true"`, `[]`)
			case []any:
				bad = append(bad, `"x"`, `[1]`, `[null]`, `[["x"]]`, `true`)
			case string:
				bad = append(bad, `true`, `["x"]`)
				if strings.HasSuffix(name, "Date") {
					bad = append(bad, `"20"`, `"2020-13"`, `"2021-02-29"`, `""`, `"2020-01-01T00:00:00.000Z"`)
				}
				if name == "level" {
					bad = append(bad, `"Expert"`, `""`, `"master"`)
				}
				if _, required := parsed(t, both[0])[name]; required {
					bad = append(bad, `""`)
				} else if len(v) == 1 {
					g.created(1, list, with(name, `""`))
				}
			}
			for _, v := range bad {
				refuse(with(name, v), []string{name}, []string{name})
			}
			if got := g.wrong(g.call(1, "POST", "/"+list, with(name, `null`))); !slices.Equal(got, []string{name}) {
				t.Errorf("POST %s with %s null: %q", list, name, got)
			}
		}
	}
	if got := g.wrong(g.call(1, "POST", "/experiences", `{"location":"l","location":"m","nope":1}`)); !slices.Equal(got, []string{"location", "nope", "company", "jobTitle"}) {
		t.Errorf("%q", got)
	}
	for _, level := range []string{"beginner", "intermediate", "advanced", "expert"} {
		g.created(1, "skills", `{"name":"n","level":"`+level+`"}`)
	}
}

func TestItemTransport(t *testing.T) {
	g := start(t, Options{})
	bearer := "Bearer " + key(1)
	for _, c := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"PUT", "/experiences", 405, "GET, POST"}, {"PATCH", "/education", 405, "GET, POST"}, {"DELETE", "/skills", 405, "GET, POST"},
		{"POST", "/skills/x", 405, "GET, PATCH, DELETE"}, {"PUT", "/skills/x", 405, "GET, PATCH, DELETE"},
		{"GET", "/experience", 404, ""}, {"GET", "/educations", 404, ""}, {"GET", "/skills/", 404, ""}, {"GET", "/skills/x/y", 404, ""},
		{"GET", "/skills/x", 404, ""}, {"DELETE", "/skills/x", 404, ""}, {"POST", "/summaries", 404, ""},
		{"POST", "/skills", 415, ""}, {"PATCH", "/skills/x", 415, ""},
	} {
		a := g.do(c.method, "/mokaru/v1"+c.path, `{"name":"n"}`, "Authorization", bearer, "Content-Type", "text/plain")
		if a.status != c.want || a.header.Get("Allow") != c.allow || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s %s: %d %q %s", c.method, c.path, a.status, a.header.Get("Allow"), a.body)
		}
	}
	if a := g.call(1, "POST", "/skills", `{"name":"n"}`+strings.Repeat(" ", 1<<20)); a.status != 413 {
		t.Errorf("a large body: %d", a.status)
	}
	if a := g.do("POST", "/mokaru/v1/skills", `{"name":"n"}`); a.status != 401 {
		t.Errorf("without a key: %d", a.status)
	}
	if a := g.account(1); a.Writes != 0 {
		t.Errorf("%+v", a)
	}
}

func TestItemPages(t *testing.T) {
	g := start(t, Options{})
	ids := []string{}
	for n := range 103 {
		ids = append(ids, g.created(1, "skills", fmt.Sprintf(`{"name":"%d"}`, n)))
	}
	for _, c := range []struct {
		query         string
		limit, offset int
		more          bool
	}{
		{"", 25, 0, true}, {"?limit=1", 1, 0, true}, {"?limit=100", 100, 0, true}, {"?limit=100&offset=3", 100, 3, false},
		{"?limit=100&offset=2", 100, 2, true}, {"?offset=78", 25, 78, false}, {"?offset=77", 25, 77, true}, {"?offset=103", 25, 103, false}, {"?offset=500", 25, 500, false},
	} {
		got := g.page(1, "skills", c.query)
		if got.Limit != c.limit || got.Offset != c.offset || got.HasMore != c.more || got.Total != 103 || got.Data == nil {
			t.Errorf("%q: %d items, %d %d %v of %d", c.query, len(got.Data), got.Limit, got.Offset, got.HasMore, got.Total)
		}
		shown := []string{}
		for _, item := range got.Data {
			shown = append(shown, item["id"].(string))
		}
		if want := ids[min(c.offset, 103):min(c.offset+c.limit, 103)]; !slices.Equal(shown, want) {
			t.Errorf("%q: not in the order in which they were made", c.query)
		}
	}
	for query, want := range map[string][]string{
		"?limit=0": {"limit"}, "?limit=101": {"limit"}, "?limit=x": {"limit"}, "?limit=": {"limit"}, "?limit=-1": {"limit"}, "?limit=1&limit=2": {"limit"},
		"?offset=-1": {"offset"}, "?offset=1.5": {"offset"}, "?offset=99999999999999999999": {"offset"}, "?page=2&limit=0": {"limit", "page"}, "?limit=%zz": {"query"},
	} {
		if got := g.wrong(g.call(1, "GET", "/skills"+query, "")); !slices.Equal(got, want) {
			t.Errorf("%s: %q", query, got)
		}
	}
}
