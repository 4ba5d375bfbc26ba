package mokaru

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

func mustSection(t *testing.T, name string) section {
	t.Helper()
	s, ok := sectionOf(name)
	if !ok {
		t.Fatal(name)
	}
	return s
}

// item builds the lane of the collection's first item.
func item(t *testing.T, entity, collection, value string, sent ...string) (sinks.Payload, error) {
	t.Helper()
	p := state("")
	list(p, ledger.Base, collection, value)
	return build(sinks.ItemEntity(entity, "i0"), p, sinks.Have{Fields: sent})
}

// TestItemBodies has the exact bodies of the three sections.
func TestItemBodies(t *testing.T) {
	for _, c := range []struct{ entity, collection, value, body, echo string }{
		{"experiences", "workExperiences", `{"company":"Acme","jobTitle":"Engineer \"X\" é","jobTitle@fr_FR":"Ingénieur","postpress":{"presence":"REMOTE"},"location":"Bern",` +
			`"startDate":"2019-05-01","endDate":"2020-06","isCurrent":false,"description":"d","achievements":["a"],"responsibilities":["r","s"],"linkedin":{"company":"urn:li:organization:1"}}`,
			`{"jobTitle":"Engineer \"X\" é","company":"Acme","location":"Bern","startDate":"2019-05-01","endDate":"2020-06","isCurrent":false,"description":"d",` +
				`"responsibilities":["r","s"],"achievements":["a"]}`,
			`{"jobTitle":"Engineer \"X\" é","company":"Acme","location":"Bern","startDate":"2019-05-01","endDate":"2020-06","description":"d",` +
				`"responsibilities":["r","s"],"achievements":["a"]}`},
		{"experiences", "workExperiences", `{"jobTitle":"J","company":"C","isCurrent":true,"responsibilities":[]}`,
			`{"jobTitle":"J","company":"C","isCurrent":true,"responsibilities":[]}`, `{"jobTitle":"J","company":"C","isCurrent":true}`},
		{"experiences", "workExperiences", `{"jobTitle":"J","company":"C"}`, `{"jobTitle":"J","company":"C","isCurrent":false}`, `{"jobTitle":"J","company":"C"}`},
		{"education", "educations", `{"school":"S","degree":"D","field":"F","grade":"6","activities":"x","startDate":"2010","endDate":"2014","isCurrent":false,"description":"d"}`,
			`{"school":"S","degree":"D","field":"F","startDate":"2010","endDate":"2014","isCurrent":false,"description":"d"}`,
			`{"school":"S","degree":"D","field":"F","startDate":"2010","endDate":"2014","description":"d"}`},
		{"education", "educations", `{"school":"S"}`, `{"school":"S","isCurrent":false}`, `{"school":"S"}`},
		{"skills", "skills", `{"level":"expert","name":"Go","category":"Languages","category@fr_FR":"Langages"}`,
			`{"name":"Go","category":"Languages","level":"expert"}`, `{"name":"Go","category":"Languages","level":"expert"}`},
		{"skills", "skills", `{"name":"Go"}`, `{"name":"Go"}`, `{"name":"Go"}`},
	} {
		got, err := item(t, c.entity, c.collection, c.value)
		if err != nil || string(got.Body) != c.body || string(got.Echo) != c.echo || got.Clears != nil || got.Absent || got.Steps != nil || got.Mapping != Mapping {
			t.Errorf("%s:\ngot  %s\nwant %s\ngot  %s\nwant %s\n%v", c.value, got.Body, c.body, got.Echo, c.echo, err)
		}
	}
}

// TestClearedMembersAreNull: in the one PATCH, and for those only that null clears.
func TestClearedMembersAreNull(t *testing.T) {
	for _, c := range []struct{ entity, collection, value, clears, patch string }{
		{"experiences", "workExperiences", `{"jobTitle":"J","company":"C","location":"L"}`,
			"[startDate endDate description responsibilities achievements]",
			`{"jobTitle":"J","company":"C","location":"L","startDate":null,"endDate":null,"isCurrent":false,"description":null,"responsibilities":null,"achievements":null}`},
		{"education", "educations", `{"school":"S","field":"F"}`, "[degree startDate endDate description]",
			`{"school":"S","degree":null,"field":"F","startDate":null,"endDate":null,"isCurrent":false,"description":null}`},
		{"skills", "skills", `{"name":"Go"}`, "[category level]", `{"name":"Go","category":null,"level":null}`},
	} {
		s := mustSection(t, c.entity)
		got, err := item(t, c.entity, c.collection, c.value, s.names()...)
		if err != nil || fmt.Sprint(got.Clears) != c.clears {
			t.Errorf("%s: %v, %v", c.value, got.Clears, err)
		}
		if patch, err := s.compose(got.Body, got.Clears); err != nil || string(patch) != c.patch {
			t.Errorf("%s: %s, %v", c.value, patch, err)
		}
		// Whoever asks: what null does not clear is never null.
		patch, err := s.compose([]byte(`{}`), s.names())
		if err != nil {
			t.Fatal(err)
		}
		n, err := ledger.ParseJSON(patch)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"jobTitle", "company", "isCurrent", "school", "name"} {
			if _, ok := n.Member(name); ok {
				t.Errorf("%s: %s", c.entity, patch)
			}
		}
	}
}

// TestItemLimits: what does not fit is parked with its field and limit, and never cut.
func TestItemLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct{ entity, collection, value, why string }{
		{"experiences", "workExperiences", `{"jobTitle":"` + long(201) + `","company":"C"}`, "workExperiences.jobTitle has more than 200 characters"},
		{"experiences", "workExperiences", `{"jobTitle":"J","company":"` + long(201) + `","location":"` + long(201) + `"}`,
			"workExperiences.company has more than 200 characters; workExperiences.location has more than 200 characters"},
		{"experiences", "workExperiences", `{"jobTitle":"J","company":"C","description":"` + long(5001) + `"}`, "workExperiences.description has more than 5000 characters"},
		{"experiences", "workExperiences", `{"jobTitle":"` + strings.Repeat("e\u0301", 200) + `","company":"C","description":"` + long(5000) + `"}`, ""},
		{"experiences", "workExperiences", `{"jobTitle":"J"}`, "workExperiences.company is missing, and Mokaru needs it"},
		{"education", "educations", `{"school":"` + long(201) + `"}`, "educations.school has more than 200 characters"},
		{"education", "educations", `{"school":"S","degree":"` + long(201) + `"}`, "educations.degree has more than 200 characters"},
		{"education", "educations", `{"school":"S","field":"` + long(201) + `"}`, "educations.field has more than 200 characters"},
		{"education", "educations", `{"school":"S","description":"` + long(5001) + `"}`, "educations.description has more than 5000 characters"},
		{"skills", "skills", `{"name":"` + long(101) + `"}`, "skills.name has more than 100 characters"},
		{"skills", "skills", `{"name":"Go","category":"` + long(101) + `"}`, "skills.category has more than 100 characters"},
		{"skills", "skills", `{"name":"Go","level":"Expert"}`, "skills.level is none of beginner, intermediate, advanced, expert"},
	} {
		out, err := item(t, c.entity, c.collection, c.value)
		why := (*sinks.Unsendable)(nil)
		if errors.As(err, &why) != (c.why != "") || why != nil && why.Why != c.why || why != nil && out.Body != nil {
			t.Errorf("%.60s: %v, want %q", c.value, err, c.why)
		}
	}
	if _, err := item(t, "skills", "skills", `{"name":7}`); !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("a name that is no text: %v", err)
	}
}

// TestItemsAreThoseOfTheConnectedResume: in order; an item that is gone is absent, and
// when the whole resume is gone nothing is taken away.
func TestItemsAreThoseOfTheConnectedResume(t *testing.T) {
	const other = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	p := state(other)
	list(p, ledger.Base, "skills", `{"name":"Base"}`)
	list(p, other, "skills", `{"name":"A"}`, `{"name":"B"}`)
	slices.Reverse(p.Resumes[other].Collections["skills"].Order)
	if ids, err := items("skills", p); err != nil || fmt.Sprint(ids) != "[i1 i0]" {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := items("education", p); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	if out, err := build("skills/i0", p, sinks.Have{}); err != nil || string(out.Body) != `{"name":"A"}` {
		t.Errorf("%s, %v", out.Body, err)
	}
	if out, err := build("skills/gone", p, sinks.Have{Ref: "7", Fields: []string{"name", "level"}}); err != nil || !out.Absent || out.Body != nil || out.Clears != nil {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := build("skills", p, sinks.Have{Refs: map[string]string{"i0": "1", "i1": "2"}}); err != nil || out.Body != nil || out.Clears != nil || out.Absent {
		t.Errorf("a section has no body: %+v, %v", out, err)
	}
	delete(p.Resumes, other)
	if ids, err := items("skills", p); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	if out, err := build("skills/i0", p, sinks.Have{Ref: "7"}); !errors.As(err, new(*sinks.Unsendable)) || out.Absent {
		t.Errorf("%+v, %v", out, err)
	}
	delete(p.Connections, ledger.Mokaru)
	if _, err := build("skills/i0", p, sinks.Have{}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := items("skills", p); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := items("hobbies", p); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestSectionsAreTheCatalogues holds the table of sections against the catalogue.
func TestSectionsAreTheCatalogues(t *testing.T) {
	found := 0
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.Mokaru) {
			if !strings.HasPrefix(h.As, "/v1/") {
				continue
			}
			found++
			s, ok := sectionFrom(f.Name)
			if !ok || s.path != h.As || h.Clear != ledger.ClearItems {
				t.Errorf("%s: the catalogue says %+v", f.Name, h)
			}
			var names []string
			for _, m := range f.Item {
				for _, mh := range m.Homes {
					if mh.Provider != ledger.Mokaru {
						continue
					}
					names = append(names, m.Name)
					i := slices.Index(s.names(), m.Name)
					if i < 0 || mh.As != s.name+"[]."+m.Name {
						t.Errorf("%s.%s: the catalogue says %+v", f.Name, m.Name, mh)
						continue
					}
					got, kind := s.members[i], ledger.NodeString
					switch m.Kind {
					case ledger.KindBool:
						kind = ledger.NodeBool
					case ledger.KindTexts:
						kind = ledger.NodeArray
					}
					if got.kind != kind || got.must != m.Required || got.max != max(m.Max, mh.Max) || !slices.Equal(got.oneOf, m.Enum) || (m.Kind == ledger.KindDate) != isDate(m.Name) {
						t.Errorf("%s.%s: %+v", f.Name, m.Name, got)
					}
				}
			}
			if len(names) != len(s.members) {
				t.Errorf("%s: the catalogue has %v", f.Name, names)
			}
		}
	}
	if found != len(sections) {
		t.Errorf("%d sections in the catalogue", found)
	}
}

func TestParsePage(t *testing.T) {
	s := mustSection(t, "experiences")
	got, ok := s.parsePage([]byte(`{"data":[{"id":"a","jobTitle":"J","company":"C","startDate":"2019-05-01T00:00:00.000Z","endDate":null,"isCurrent":false,"responsibilities":[],` +
		`"createdAt":"2020-01-01T00:00:00.000Z","userId":"u"},{"id":12,"company":"D","jobTitle":"K","isCurrent":true}],"total":7,"hasMore":true,"limit":2,"offset":0}`))
	if !ok || len(got.items) != 2 || !got.more || got.total != 7 {
		t.Fatalf("%+v, %v", got, ok)
	}
	for i, want := range []sinks.Listed{{Ref: "a", Echo: []byte(`{"jobTitle":"J","company":"C","startDate":"2019-05-01"}`)},
		{Ref: "12", Echo: []byte(`{"jobTitle":"K","company":"D","isCurrent":true}`)}} {
		if it := got.items[i]; it.Ref != want.Ref || string(it.Echo) != string(want.Echo) {
			t.Errorf("%s %s", it.Ref, it.Echo)
		}
	}
	if got, ok := s.parsePage([]byte(`{"data":[],"hasMore":false}`)); !ok || got.more || got.total != -1 || len(got.items) != 0 {
		t.Errorf("an empty list: %+v, %v", got, ok)
	}
	for _, bad := range []string{``, `<html>`, `[]`, `{}`, `{"data":null,"total":0}`, `{"data":{},"total":0}`, `{"data":[]}`, `{"data":[],"total":-1}`, `{"data":[],"total":"0"}`,
		`{"data":[],"total":1.5}`, `{"data":[],"hasMore":0}`, `{"data":[7],"total":1}`, `{"data":[{"name":"no id"}],"total":1}`, `{"data":[{"id":""}],"total":1}`,
		`{"data":[{"id":null}],"total":1}`, `{"data":[{"id":".."}],"total":1}`, `{"data":[{"id":"a/b"}],"total":1}`, `{"data":[{"id":"a,b"}],"total":1}`,
		`{"data":[{"id":"` + strings.Repeat("x", longestRef+1) + `"}],"total":1}`} {
		if got, ok := s.parsePage([]byte(bad)); ok {
			t.Errorf("%.80s is taken for a list: %+v", bad, got)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"a","name":"Go","level":"expert","isCurrent":false,"startDate":"2019-05-01T00:00:00.000Z","responsibilities":[]}],"total":1,"hasMore":false}`))
	f.Add([]byte(`{"data":[{"id":7,"school":null}],"hasMore":true}`))
	f.Add([]byte(`{"data":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range sections {
			got, ok := s.parsePage(body)
			if !ok {
				if got.items != nil {
					t.Fatal("items of what is no list")
				}
				continue
			}
			if got.total < -1 {
				t.Fatalf("total %d", got.total)
			}
			for _, it := range got.items {
				if ref, ok := refOf(ledger.TextNode(it.Ref)); !ok || ref != it.Ref {
					t.Fatalf("ref %q", it.Ref)
				}
				n, err := ledger.ParseJSON(it.Echo)
				if err != nil || n.Kind != ledger.NodeObject {
					t.Fatalf("echo %q: %v", it.Echo, err)
				}
				if again := s.echo(n); string(again) != string(it.Echo) {
					t.Fatalf("echo of %s is %s", it.Echo, again)
				}
			}
		}
	})
}
