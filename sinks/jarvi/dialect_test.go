package jarvi

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

const (
	uuidA = "0b538428-7652-4243-baaf-3867803d7007"
	uuidB = "2788baea-1119-46d9-8e60-af9d6a1268e1"
	sha   = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
)

// state is an opened profile that is connected to Jarvi.
func state() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	p.Connections[ledger.Jarvi] = ledger.Cell{Seq: 1, Value: ledger.Value(`{"account":"ext-1","settings":{}}`)}
	return p
}

// set gives scalars values as a request would: what the catalogue refuses is no test.
func set(t testing.TB, p *ledger.Profile, values ...string) {
	t.Helper()
	for i := 0; i < len(values); i += 2 {
		f, _, ok := ledger.Lookup(values[i])
		n, err := ledger.ParseJSON([]byte(values[i+1]))
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", values[i], ok, err)
		}
		v, _, errs := f.Check(n, "/x")
		if len(errs) > 0 {
			t.Fatalf("%s: %v", values[i], errs)
		}
		p.Seq++
		p.Shared[values[i]] = ledger.Cell{Seq: p.Seq, Value: v}
	}
}

// add puts items behind the others of a collection: ids and values in turn.
func add(t testing.TB, p *ledger.Profile, name string, items ...string) {
	t.Helper()
	c := p.Lists[name]
	if c == nil {
		c = &ledger.Collection{Items: map[string]ledger.Cell{}}
		p.Lists[name] = c
	}
	for i := 0; i < len(items); i += 2 {
		f, _, _ := ledger.Lookup(name)
		n, err := ledger.ParseJSON([]byte(items[i+1]))
		if err != nil {
			t.Fatal(err)
		}
		item, errs := f.CheckItem(n, "/x")
		if len(errs) > 0 {
			t.Fatalf("%s: %v", name, errs)
		}
		p.Seq++
		c.Order = append(c.Order, items[i])
		c.Items[items[i]] = ledger.Cell{Seq: p.Seq, Value: item.Value}
	}
}

// made is what is asked of Jarvi for an entity.
func made(t testing.TB, entity string, p *ledger.Profile) string {
	t.Helper()
	out, err := build(entity, p)
	if err != nil {
		t.Fatalf("%s: %v", entity, err)
	}
	n, _, ok := parseBody(out.Body)
	if !ok {
		t.Fatalf("%s: no body", entity)
	}
	return string(n.Append(nil))
}

func full(t testing.TB) *ledger.Profile {
	p := state()
	set(t, p, "firstName", `"Quentin"`, "lastName", `"Decré"`, "email", `"quentin@jarvi.tech"`, "phone", `"+33752626164"`, "linkedIn", `"https://linkedin.com/in/quentindecre"`,
		"city", `"Rennes"`, "country", `"France"`, "headline", `"Co-Founder \"Jarvi\""`, "employer", `"Jarvi"`, "jobTitle", `"Co-founder"`,
		"jarvi.projectId", `"713a8005-e54d-4ee3-b6a4-89b27167dde6"`, "jarvi.currentCompanyId", `"Jarvi"`, "jarvi.custom."+uuidB, `"Angular, React"`, "jarvi.custom."+uuidA, `"true"`,
		"summary", `"not there"`, "firstName@fr_FR", `"not there"`)
	add(t, p, "phones", "x", `{"number":"0240493773","type":"WORK"}`)
	return p
}

const golden = `{"externalId":"ext-1","projectId":"713a8005-e54d-4ee3-b6a4-89b27167dde6","firstName":"Quentin","lastName":"Decré","emailAddresses":"quentin@jarvi.tech",` +
	`"phoneNumbers":"+33752626164, 0240493773","linkedinUrl":"https://linkedin.com/in/quentindecre","location":"Rennes, France","headline":"Co-Founder \"Jarvi\"",` +
	`"currentCompanyName":"Jarvi","currentCompanyId":"Jarvi","currentPosition":"Co-founder","0b538428-7652-4243-baaf-3867803d7007":"true","2788baea-1119-46d9-8e60-af9d6a1268e1":"Angular, React"}`

func TestGoldenBody(t *testing.T) {
	p := full(t)
	if got := made(t, Entity, p); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
	one, err1 := build(Entity, p)
	two, err2 := build(Entity, p.Clone())
	if err1 != nil || err2 != nil || !reflect.DeepEqual(one, two) || one.Clears != nil {
		t.Errorf("two builds differ: %v %v", err1, err2)
	}
	for _, value := range []string{"quentin@", "Rennes", "0752"} {
		if strings.Contains(strings.Join(one.Fields, " "), value) || strings.Contains(string(one.Echo), value) {
			t.Errorf("%s is in %v or %s", value, one.Fields, one.Echo)
		}
	}
	if out, err := build(Entity, state()); err != nil || out.Body != nil {
		t.Errorf("a profile without a field that Jarvi has: %s, %v", out.Body, err)
	}
	if _, err := build("other", p); err == nil {
		t.Error("another lane")
	}
}

// TestTrap27AlwaysTheExternalID: whatever is sent names the person: by the connection's
// account, or else by the profile's id.
func TestTrap27AlwaysTheExternalID(t *testing.T) {
	for _, account := range []string{`"ext-1"`, `""`, `null`} {
		p := full(t)
		p.Connections[ledger.Jarvi] = ledger.Cell{Seq: 1, Value: ledger.Value(`{"account":` + account + `,"settings":{}}`)}
		want := `{"externalId":"ext-1",`
		if account != `"ext-1"` {
			want = `{"externalId":"` + p.ID.String() + `",`
		}
		add(t, p, "jarvi.historyEntries", "h", `{"subject":"s"}`)
		add(t, p, "jarvi.files", "f", `{"fileName":"a.pdf","file":"`+sha+`"}`)
		add(t, p, "jarvi.resumesFiles", "r", `{"fileName":"a.pdf","file":"`+sha+`"}`)
		for _, entity := range []string{Entity, "history/h", "files/f", "resumes/r"} {
			if got := made(t, entity, p); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s", entity, got)
			}
		}
	}
	for _, body := range []string{``, `[]`, `{}`, `{"firstName":"x"}`, `{"externalId":""}`, `{"externalId":null}`} {
		if _, _, ok := parseBody([]byte(body)); ok {
			t.Errorf("%s would be sent", body)
		}
	}
}

// TestTrap28SideEffectsAreApart: the profile's body has no note and no file, whatever the
// profile has; each of those is a lane of class D, with nothing of the profile.
func TestTrap28SideEffectsAreApart(t *testing.T) {
	p := full(t)
	before := made(t, Entity, p)
	add(t, p, "jarvi.historyEntries", "h1", `{"subject":"s","message":"m","type":"`+uuidA+`"}`, "h2", `{"message":"n"}`)
	add(t, p, "jarvi.files", "f", `{"fileName":"a.docx","file":"`+sha+`"}`)
	add(t, p, "jarvi.resumesFiles", "r", `{"fileName":"cv.pdf","file":"`+sha+`"}`)
	if got := made(t, Entity, p); got != before {
		t.Errorf("%s", got)
	}
	for entity, want := range map[string]string{
		"history/h1": `{"externalId":"ext-1","historyEntrySubject":"s","historyEntryMessage":"m","historyEntryType":"` + uuidA + `"}`,
		"history/h2": `{"externalId":"ext-1","historyEntryMessage":"n"}`,
		"files/f":    `{"externalId":"ext-1","files":[{"fileName":"a.docx","file":"` + sha + `"}]}`,
		"resumes/r":  `{"externalId":"ext-1","resumesFiles":[{"fileName":"cv.pdf","file":"` + sha + `"}]}`,
	} {
		if got := made(t, entity, p); got != want {
			t.Errorf("%s: %s", entity, got)
		}
		if out, err := build(entity, p); err != nil || out.Fields != nil || out.Clears != nil {
			t.Errorf("%s: %+v, %v", entity, out, err)
		}
	}
	c, _ := New("https://functions.prod.jarvi.tech", nil)
	if got := fmt.Sprint(c.Entities()); got != "[{profile B  false} {history A D false} {resumes A D false} {files A D false}]" {
		t.Errorf("%s", got)
	}
	if ids, err := c.Items("history", p); err != nil || fmt.Sprint(ids) != "[h1 h2]" {
		t.Errorf("%v, %v", ids, err)
	}
	if _, err := c.Items("profile", p); err == nil {
		t.Error("the profile is no section")
	}
	if out, err := build("history/gone", p); err != nil || !out.Absent {
		t.Errorf("an item that is not there: %+v, %v", out, err)
	}
	if out, err := build("history", p); err != nil || out.Body != nil {
		t.Errorf("a section: %+v, %v", out, err)
	}
}

// TestTrap29CustomFieldsAreAtTheTop: a custom field is a member of the body itself.
func TestTrap29CustomFieldsAreAtTheTop(t *testing.T) {
	p := state()
	set(t, p, "jarvi.custom."+uuidA, `"Oui"`)
	if got := made(t, Entity, p); got != `{"externalId":"ext-1","`+uuidA+`":"Oui"}` {
		t.Errorf("%s", got)
	}
}

func TestLocationAndLists(t *testing.T) {
	p := state()
	set(t, p, "country", `"France"`)
	if got := made(t, Entity, p); got != `{"externalId":"ext-1","location":"France"}` {
		t.Errorf("%s", got)
	}
	add(t, p, "phones", "x", `{"number":"1, 2"}`)
	why := (*sinks.Unsendable)(nil)
	if _, err := build(Entity, p); !errors.As(err, &why) || strings.Contains(why.Why, "1") {
		t.Errorf("%v", err)
	}
}

// TestMarkChangesWithWhatNoReadShows: another address, number, place or custom field is
// another mark; a headline is not, nor is what Jarvi does not get.
func TestMarkChangesWithWhatNoReadShows(t *testing.T) {
	marked := func(p *ledger.Profile) string {
		out, err := build(Entity, p)
		if err != nil || len(out.Fields) == 0 || !strings.HasPrefix(out.Fields[0], markPrefix) {
			t.Fatalf("%+v, %v", out.Fields, err)
		}
		return out.Fields[0]
	}
	p := full(t)
	m := marked(p)
	set(t, p, "headline", `"another"`, "firstName", `"Q"`, "summary", `"other"`, "phone.type", `"HOME"`)
	if marked(p) != m {
		t.Error("the mark is about what a read shows")
	}
	for name, value := range map[string]string{"email": `"a@b.example"`, "phone": `"1"`, "city": `"Nantes"`, "country": `"FR"`, "linkedIn": `"https://linkedin.com/in/q"`,
		"employer": `"A"`, "jobTitle": `"B"`, "jarvi.projectId": `"` + uuidA + `"`, "jarvi.custom." + uuidA: `"false"`} {
		q := p.Clone()
		set(t, q, name, value)
		if marked(q) == m {
			t.Errorf("%s is not in the mark", name)
		}
		delete(q.Shared, name)
		if marked(q) == m {
			t.Errorf("%s can go without the mark's noticing", name)
		}
	}
	add(t, p, "phones", "y", `{"number":"3"}`)
	if marked(p) == m {
		t.Error("phones is not in the mark")
	}
}

// TestFieldsAreTheCatalogues: each home of the catalogue at Jarvi is a field of ours, and
// concerns its lane; none can be cleared.
func TestFieldsAreTheCatalogues(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.Jarvi) {
			if h.How == ledger.NotCarried {
				continue
			}
			want := Entity
			switch i := slices.IndexFunc(fields, func(g field) bool { return g.name == h.As && slices.Contains(g.from, f.Name) }); {
			case f.Append:
				s, ok := sectionFrom(f.Name)
				if !ok {
					t.Errorf("no section for %s", f.Name)
				}
				want = s.name + "/i"
			case f.Name == custom:
			case i < 0:
				t.Errorf("%s: no field %s", f.Name, h.As)
			default:
				seen[h.As] = true
			}
			if h.Clear != "" && h.Clear != ledger.ClearNever {
				t.Errorf("%s is cleared by %s", h.As, h.Clear)
			}
			e := ledger.Event{View: f.View, Field: f.Name, Item: "i", Op: ledger.OpPut}
			if lanes, all := concerns(&e); fmt.Sprint(lanes) != "["+want+"]" || all {
				t.Errorf("%s: %v %v", f.Name, lanes, all)
			}
		}
	}
	if len(seen) != len(fields) {
		t.Errorf("%d of %d fields", len(seen), len(fields))
	}
	for _, e := range []ledger.Event{{Field: "summary"}, {Field: "firstName@fr_FR"}, {Field: ledger.Connections, Item: ledger.Mokaru}} {
		if lanes, all := concerns(&e); len(lanes) > 0 || all {
			t.Errorf("%s: %v", e.Field, lanes)
		}
	}
	for _, e := range []ledger.Event{{}, {Field: ledger.Connections, Item: ledger.Jarvi}} {
		if _, all := concerns(&e); !all {
			t.Errorf("%q concerns not all", e.Field)
		}
	}
}
