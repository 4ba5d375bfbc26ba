package mokaru

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// state is an opened profile that is connected to Mokaru.
func state(resume string) *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	for _, id := range []string{ledger.Base, "01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		p.Resumes[id] = &ledger.Resume{ID: id, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	}
	p.Connections[ledger.Mokaru] = ledger.Cell{Seq: 1, Value: ledger.Value(fmt.Sprintf(`{"account":null,"settings":{"resume":%q}}`, resume))}
	return p
}

func set(p *ledger.Profile, name, value string) {
	p.Shared[name] = ledger.Cell{Value: ledger.Value(value)}
}

func list(p *ledger.Profile, view, name string, items ...string) {
	c := &ledger.Collection{Items: map[string]ledger.Cell{}}
	for i, v := range items {
		id := fmt.Sprintf("i%d", i)
		c.Order = append(c.Order, id)
		c.Items[id] = ledger.Cell{Value: ledger.Value(v)}
	}
	p.Resumes[view].Collections[name] = c
}

// canonical is what the ledger keeps of a text that was typed.
func canonical(t *testing.T, name, typed string) ledger.Value {
	t.Helper()
	f, _, ok := ledger.Lookup(name)
	v, _, errs := f.Check(ledger.TextNode(typed), "")
	if !ok || len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	return v
}

func all() (names []string) {
	for _, s := range scalars {
		names = append(names, s.name)
	}
	for _, c := range collections {
		names = append(names, c.name)
	}
	return names
}

// body is the request that is made for a profile; sent was there before.
func body(t *testing.T, p *ledger.Profile, sent ...string) string {
	t.Helper()
	out, err := build(Entity, p, sinks.Have{Fields: sent})
	if err != nil {
		t.Fatal(err)
	}
	request, err := compose(out.Body, out.Clears)
	if err != nil {
		t.Fatal(err)
	}
	return string(request)
}

func TestBody(t *testing.T) {
	p := state("")
	if out, err := build(Entity, p, sinks.Have{Fields: []string{"firstName"}}); err != nil || out.Body != nil || out.Clears != nil || body(t, p, "firstName") != "" {
		t.Errorf("a profile without a field that Mokaru has: %s, %v", out.Body, err)
	}
	set(p, "lastName", `"Smith \"J\" é"`)
	set(p, "firstName", `"Jane"`)
	set(p, "firstName@fr_FR", `"Jeanne"`)
	set(p, "headline", `"not there"`)
	set(p, "birthDate", `"1990-01-15"`)
	list(p, ledger.Base, "projects", `{"description":"d","name":"Vitae","linkedin":{"members":[]},"name@fr_FR":"Vie","isCurrent":false}`, `{"name":"Two","description":"e","startDate":"2019-05"}`)
	list(p, ledger.Base, "skills", `{"name":"Go"}`)
	list(p, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "projects", `{"name":"Other","description":"f"}`)
	const want = `{"firstName":"Jane","lastName":"Smith \"J\" é","birthDate":"1990-01-15","projects":[{"name":"Vitae","description":"d","isCurrent":false},` +
		`{"name":"Two","description":"e","startDate":"2019-05"}]}`
	if got := body(t, p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.Connections[ledger.Mokaru] = state("01ARZ3NDEKTSV4RRFFQ69G5FAV").Connections[ledger.Mokaru]
	if got := body(t, p); !strings.Contains(got, "Other") || strings.Contains(got, "Vitae") {
		t.Errorf("another resume: %s", got)
	}
	delete(p.Resumes, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if _, err := build(Entity, p, sinks.Have{}); !errors.As(err, new(*sinks.Unsendable)) {
		t.Errorf("a resume that is gone: %v", err)
	}
}

// TestTrap01NullNeverForNamesAndEmail: null for them is never emitted, whoever asks; the
// fourteen others clear.
func TestTrap01NullNeverForNamesAndEmail(t *testing.T) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body(t, state(""), all()...)), &doc); err != nil {
		t.Fatal(err)
	}
	nulls, empties := 0, 0
	for name, v := range doc {
		switch string(v) {
		case "null":
			nulls++
		case "[]":
			empties++
		default:
			t.Errorf("%s is %s", name, v)
		}
	}
	for _, name := range []string{"firstName", "lastName", "email"} {
		if v, ok := doc[name]; ok {
			t.Errorf("%s is sent as %s", name, v)
		}
	}
	if nulls != 14 || empties != 7 {
		t.Errorf("%d nulls and %d empty lists", nulls, empties)
	}
	if got, err := compose([]byte(`{"phone":"1"}`), []string{"firstName", "lastName", "email"}); err != nil || string(got) != `{"phone":"1"}` {
		t.Errorf("asked for: %s, %v", got, err)
	}
}

// TestTrap02OneEditSendsTheFullList: an edited item takes the others along.
func TestTrap02OneEditSendsTheFullList(t *testing.T) {
	p := state("")
	list(p, ledger.Base, "projects", `{"name":"A","description":"first"}`, `{"name":"B","description":"second"}`, `{"name":"C","description":"third"}`)
	p.Resumes[ledger.Base].Collections["projects"].Items["i1"] = ledger.Cell{Value: ledger.Value(`{"name":"B","description":"edited"}`)}
	const want = `{"projects":[{"name":"A","description":"first"},{"name":"B","description":"edited"},{"name":"C","description":"third"}]}`
	if got := body(t, p, "projects"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTrap03EmptyListIsNotAbsent: an empty list that was sent before is sent as [], one
// that never was is absent.
func TestTrap03EmptyListIsNotAbsent(t *testing.T) {
	p := state("")
	set(p, "firstName", `"Jane"`)
	list(p, ledger.Base, "projects") // it had items once
	if got := body(t, p); got != `{"firstName":"Jane"}` {
		t.Errorf("never sent: %s", got)
	}
	if got := body(t, p, "projects", "phone"); got != `{"firstName":"Jane","phone":null,"projects":[]}` {
		t.Errorf("sent before: %s", got)
	}
}

func TestLimitsAreCheckedBeforeSending(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(p *ledger.Profile)
		why  string
	}{
		"101 projects": {func(p *ledger.Profile) {
			list(p, ledger.Base, "projects", slices.Repeat([]string{`{"name":"secret","description":"d"}`}, 101)...)
		}, "projects has 101 items, and Mokaru takes 100"},
		"51 job titles": {func(p *ledger.Profile) {
			list(p, ledger.Base, "jobTitles", slices.Repeat([]string{`{"title":"secret"}`}, 51)...)
		}, "jobTitles has 51 items, and Mokaru takes 50"},
		"101 characters": {func(p *ledger.Profile) { set(p, "firstName", `"`+strings.Repeat("é", 101)+`"`) }, "firstName has more than 100 characters"},
		"100 characters": {func(p *ledger.Profile) { set(p, "firstName", `"`+strings.Repeat("e\u0301", 100)+`"`) }, ""},
		"all of 100": {func(p *ledger.Profile) {
			list(p, ledger.Base, "awards", slices.Repeat([]string{`{"name":"n"}`}, 100)...)
		}, ""},
	} {
		p := state("")
		c.fill(p)
		_, err := build(Entity, p, sinks.Have{})
		why := (*sinks.Unsendable)(nil)
		if errors.As(err, &why) != (c.why != "") || why != nil && why.Why != c.why {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCatalogue holds the two tables against the catalogue, which people read.
func TestCatalogue(t *testing.T) {
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.Mokaru) {
			if h.How == ledger.NotCarried || strings.HasPrefix(h.As, "/v1/") || f.Name != h.As {
				continue
			}
			s := slices.IndexFunc(scalars, func(s scalar) bool { return s.name == f.Name })
			c := slices.IndexFunc(collections, func(c collection) bool { return c.name == f.Name })
			switch {
			case s >= 0 && (scalars[s].max != h.Max || scalars[s].clear != (h.Clear == ledger.ClearNull)):
				t.Errorf("%s: the catalogue says %+v", f.Name, h)
			case c >= 0 && (collections[c].most != h.Max || h.Clear != ledger.ClearList):
				t.Errorf("%s: the catalogue says %+v", f.Name, h)
			case s < 0 && c < 0:
				t.Errorf("%s is in the catalogue only", f.Name)
			}
			if c < 0 {
				continue
			}
			for _, m := range f.Item {
				for _, mh := range m.Homes {
					if mh.Provider == ledger.Mokaru && !slices.Contains(collections[c].members, m.Name) {
						t.Errorf("%s.%s is in the catalogue only", f.Name, m.Name)
					}
				}
			}
		}
	}
	if n := len(all()); n != 24 {
		t.Errorf("%d fields", n)
	}
}

func TestConcerns(t *testing.T) {
	type want struct {
		lanes string
		all   bool
	}
	for _, c := range []struct {
		e    ledger.Event
		want want
	}{
		{ledger.Event{Field: "firstName", Op: ledger.OpSet}, want{"[profile]", false}},
		{ledger.Event{Field: "phone", Op: ledger.OpClear}, want{"[profile]", false}},
		{ledger.Event{Field: "projects", Item: "a", Op: ledger.OpPut}, want{"[profile]", false}},
		{ledger.Event{Field: "jobTitles", Op: ledger.OpOrder}, want{"[profile]", false}},
		{ledger.Event{Field: "workExperiences", Item: "a", Op: ledger.OpPut}, want{"[experiences/a]", false}},
		{ledger.Event{Field: "educations", Item: "a", Op: ledger.OpRemove}, want{"[education/a]", false}},
		{ledger.Event{Field: "skills", Item: "a", Op: ledger.OpPut}, want{"[skills/a]", false}},
		{ledger.Event{Field: "skills", Op: ledger.OpOrder}, want{"[]", false}},
		{ledger.Event{View: ledger.Shared, Op: ledger.OpCreated}, want{"[]", true}},
		{ledger.Event{View: "r", Item: ledger.Base, Op: ledger.OpCopied}, want{"[]", true}},
		{ledger.Event{View: "r", Op: ledger.OpDeleted}, want{"[]", true}},
		{ledger.Event{Field: ledger.Connections, Item: ledger.Mokaru, Op: ledger.OpBound}, want{"[]", true}},
		{ledger.Event{Field: ledger.Connections, Item: ledger.LinkedIn, Op: ledger.OpBound}, want{"[]", false}},
		{ledger.Event{Field: ledger.Deliveries, Item: ledger.Mokaru, Op: ledger.OpDecided}, want{"[]", false}},
		{ledger.Event{Field: "headline", Op: ledger.OpSet}, want{"[]", false}},
		{ledger.Event{Field: "firstName@fr_FR", Op: ledger.OpSet}, want{"[]", false}},
		{ledger.Event{Field: "phones", Item: "a", Op: ledger.OpPut}, want{"[]", false}},
		{ledger.Event{Field: "languages", Item: "a", Op: ledger.OpPut}, want{"[]", false}},
		{ledger.Event{Field: "nexudus.gender", Op: ledger.OpSet}, want{"[]", false}},
		{ledger.Event{Field: "name", Op: ledger.OpSet}, want{"[]", false}}, // of a resume, and of a skill
	} {
		lanes, all := concerns(&c.e)
		if got := (want{fmt.Sprint(lanes), all}); got != c.want {
			t.Errorf("%s %q: %v", c.e.Op, c.e.Field, got)
		}
	}
}

// TestEchoIsAFixedPoint: what is read back, in Mokaru's form, is recognised as what was sent.
func TestEchoIsAFixedPoint(t *testing.T) {
	p := state("")
	set(p, "birthDate", `"1990-01-15"`)
	set(p, "linkedIn", `"https://linkedin.com/in/jane-smith"`)
	list(p, ledger.Base, "projects", `{"name":"n","description":"d","startDate":"2020-02-03","isCurrent":false}`)
	list(p, ledger.Base, "jobTitles", `{"title":"t"}`)
	sent, err := build(Entity, p, sinks.Have{Fields: []string{"phone", "interests"}})
	if err != nil {
		t.Fatal(err)
	}
	read := `{"data":{"seniority":"x","phone":null,"birthDate":"1990-01-15T00:00:00.000Z","linkedIn":"https://linkedin.com/in/jane-smith","country":"foreign",
		"projects":[{"description":"d","name":"n","startDate":"2020-02-03T00:00:00.000Z","endDate":null,"id":"7"}],"jobTitles":[{"title":"t","displayOrder":0}],"interests":[],
		"awards":[{"name":"foreign"},{"name":"too"}]}}`
	// A read is cut to what was sent, and to what was cleared with it.
	got, ok := parseProfile([]byte(read), append(sent.Fields, "phone", "interests"))
	if !ok || string(got.Echo) != string(sent.Echo) {
		t.Errorf("read %s\nsent %s", got.Echo, sent.Echo)
	}
	// What should be gone and is not, is told apart.
	if got, ok := parseProfile([]byte(strings.Replace(read, `"phone":null`, `"phone":"1"`, 1)), append(sent.Fields, "phone", "interests")); !ok || string(got.Echo) == string(sent.Echo) {
		t.Errorf("a phone that is still there: %s", got.Echo)
	}
	for _, bad := range []string{``, `{}`, `{"data":null}`, `{"data":[]}`, `<html>`} {
		if _, ok := parseProfile([]byte(bad), sent.Fields); ok {
			t.Errorf("%q is taken for a profile", bad)
		}
	}
}

// TestTrap04ReadBackInAnotherForm: what Mokaru completes and what it turns into timestamps
// is kept in its final form already, so the echo of a read is that of what was sent.
func TestTrap04ReadBackInAnotherForm(t *testing.T) {
	p := state("")
	for name, typed := range map[string]string{"linkedIn": "jane-smith", "website": "janedoe.dev", "portfolio": "http://folio.example", "birthDate": "1990-01-15"} {
		set(p, name, string(canonical(t, name, typed)))
	}
	list(p, ledger.Base, "certificates", `{"name":"C","issuer":"I","issueDate":"2020-02-03","expiryDate":"2021-02"}`)
	sent, err := build(Entity, p, sinks.Have{})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parseProfile([]byte(`{"data":{"linkedIn":"https://linkedin.com/in/jane-smith","website":"https://janedoe.dev","portfolio":"http://folio.example",
		"birthDate":"1990-01-15T00:00:00.000Z","certificates":[{"name":"C","issuer":"I","issueDate":"2020-02-03T00:00:00.000Z","expiryDate":"2021-02"}]}}`), sent.Fields)
	if !ok || string(got.Echo) != string(sent.Echo) {
		t.Errorf("read %s\nsent %s", got.Echo, sent.Echo)
	}
}
