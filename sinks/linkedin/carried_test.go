package linkedin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vitae/ledger"
	"vitae/sinks"
)

// TestEveryHomeIsCarried: what the catalogue says LinkedIn has is in a body, at the path
// that it says, and an event about it concerns the lane.
func TestEveryHomeIsCarried(t *testing.T) {
	p := full(t)
	profile, err := ledger.ParseJSON(make1(t, Profile, p, sinks.Have{}).Body)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.LinkedIn) {
			if h.How == ledger.NotCarried {
				if lanes, all := concerns(&ledger.Event{View: f.View, Field: f.Name, Op: ledger.OpSet}); len(lanes) > 0 || all {
					t.Errorf("%s is not carried, and concerns %v", f.Name, lanes)
				}
				continue
			}
			count++
			lanes, all := concerns(&ledger.Event{View: f.View, Field: f.Name, Op: ledger.OpSet})
			s := sectionOf(strings.TrimSuffix(h.As, "Order"))
			want := Profile
			if s != nil || pictureOf(h.As) != "" {
				want = strings.TrimSuffix(h.As, "Order")
			}
			if !all && !slices.Contains(lanes, want) {
				t.Errorf("%s concerns %v, not %s", f.Name, lanes, want)
			}
			if want == Profile && !has(profile, h.As) {
				t.Errorf("%s is not at %s in %s", f.Name, h.As, profile.Append(nil))
			}
		}
		if len(f.Item) == 0 || !atLinkedIn(f.Homes) {
			continue
		}
		body := profile
		if f.IsList() && f.View == ledger.ResumeView {
			name, _ := sectionFrom(f.Name)
			n, err := ledger.ParseJSON(make1(t, name+"/one", p, sinks.Have{}).Body)
			if err != nil {
				t.Fatal(err)
			}
			body = object(member(name, array(n)))
		}
		var walk func(path string, members []ledger.Member)
		walk = func(path string, members []ledger.Member) {
			for _, m := range members {
				walk(path+"."+m.Name, m.Members)
				for _, h := range m.Homes {
					// While a patent is pending it has the other two of these.
					pending := strings.HasSuffix(h.As, ".applicationNumber") || strings.HasSuffix(h.As, ".filingDate")
					if h.Provider == ledger.LinkedIn && !pending && m.Name != "isCurrent" {
						count++
						if !has(body, h.As) {
							t.Errorf("%s.%s is not at %s in %s", path, m.Name, h.As, body.Append(nil))
						}
					}
				}
			}
		}
		walk(f.Name, f.Item)
	}
	if count < 100 {
		t.Errorf("only %d homes were looked at", count)
	}
}

// has follows a catalogue's path: "a.b", "a[].b", "a.*.b", "a[CATEGORY].b".
func has(n ledger.Node, path string) bool {
	if path == "" {
		return true
	}
	step, rest, _ := strings.Cut(path, ".")
	if step == "*" {
		return slices.ContainsFunc(n.Members, func(m ledger.NodeMember) bool { return has(m.Node, rest) })
	}
	name, _, list := strings.Cut(step, "[")
	v, ok := n.Member(name)
	if !ok || !list {
		return ok && has(v, rest)
	}
	return slices.ContainsFunc(v.Elems, func(e ledger.Node) bool { return has(e, rest) })
}

func sectionFrom(collection string) (name string, ok bool) {
	for _, s := range sections {
		if s.from == collection {
			return s.name, true
		}
	}
	return "", false
}

func TestEntities(t *testing.T) {
	all := entities()
	if all[0].Name != Profile || len(all) != 16 {
		t.Errorf("%v", all)
	}
	for _, e := range all[1:] {
		if picture := pictureOf(e.Name) != ""; picture != (e.Class == sinks.ClassE) || picture == (e.Items == sinks.ClassC) {
			t.Errorf("%+v", e)
		}
	}
}

func TestConcerns(t *testing.T) {
	for _, c := range []struct {
		event ledger.Event
		want  string
	}{
		{ledger.Event{View: ledger.Shared, Field: "headline", Op: ledger.OpSet}, "profile"},
		{ledger.Event{View: ledger.Shared, Field: "headline@fr_FR", Op: ledger.OpClear}, "profile"},
		{ledger.Event{View: ledger.Shared, Field: "phone.type", Op: ledger.OpSet}, "profile"},
		{ledger.Event{View: ledger.Shared, Field: "phones", Item: "a", Op: ledger.OpPut}, "profile"},
		{ledger.Event{View: ledger.Shared, Field: "websites", Op: ledger.OpOrder}, "profile"},
		{ledger.Event{View: ledger.Base, Field: "workExperiences", Item: "a", Op: ledger.OpPut}, "positions positions/a"},
		{ledger.Event{View: ledger.Base, Field: "volunteering", Item: "a", Op: ledger.OpRemove}, "volunteeringExperiences volunteeringExperiences/a"},
		{ledger.Event{View: ledger.Base, Field: "skills", Order: []string{"b", "a"}, Op: ledger.OpOrder}, "skills"},
		{ledger.Event{View: ledger.Shared, Field: "picture", Op: ledger.OpSet}, "profilePicture"},
		{ledger.Event{View: ledger.Shared, Field: "coverPicture", Op: ledger.OpClear}, "backgroundPicture"},
		{ledger.Event{View: ledger.Shared, Field: "firstName", Op: ledger.OpSet}, "all"},
		{ledger.Event{View: ledger.Shared, Field: "lastName@fr_FR", Op: ledger.OpSet}, "all"},
		{ledger.Event{View: ledger.Shared, Field: supportedLocales, Op: ledger.OpSet}, "all"},
		{ledger.Event{View: ledger.Base, Op: ledger.OpDeleted}, "all"},
		{ledger.Event{Field: ledger.Connections, Item: ledger.LinkedIn, Op: ledger.OpBound}, "all"},
		{ledger.Event{Field: ledger.Connections, Item: ledger.Mokaru, Op: ledger.OpBound}, ""},
		{ledger.Event{View: ledger.Shared, Field: "email", Op: ledger.OpSet}, ""},
		{ledger.Event{View: ledger.Base, Field: "interests", Item: "a", Op: ledger.OpPut}, ""},
		{ledger.Event{View: ledger.Base, Field: "name", Op: ledger.OpSet}, ""},
		{ledger.Event{View: ledger.Shared, Field: "jarvi.projectId", Op: ledger.OpSet}, ""},
	} {
		lanes, all := concerns(&c.event)
		got := strings.Join(lanes, " ")
		if all {
			got += "all"
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.event.Op, c.event.Field, got, c.want)
		}
	}
}

func TestResumes(t *testing.T) {
	const other = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	p := state()
	add(t, p, "skills", "a", `{"name":"Go"}`)
	bind(p, person, other)
	if ids, err := items("skills", p); err != nil || len(ids) != 0 {
		t.Errorf("a resume that is gone: %v %v", ids, err)
	}
	for _, entity := range []string{Profile, ProfilePicture, "skills", "skills/a"} {
		if why := unsendable(t, entity, p, sinks.Have{Ref: "17"}); !strings.Contains(why, "resume") {
			t.Errorf("%s: %q", entity, why)
		}
	}
	p.Resumes[other] = &ledger.Resume{ID: other, Collections: map[string]*ledger.Collection{}}
	if got := make1(t, "skills/a", p, sinks.Have{Ref: "17"}); !got.Absent || got.Body != nil {
		t.Errorf("an item of another resume: %+v", got)
	}
	bind(p, person, "")
	if ids, err := items("skills", p); err != nil || strings.Join(ids, " ") != "a" {
		t.Errorf("%v %v", ids, err)
	}
	delete(p.Connections, ledger.LinkedIn)
	if _, err := build(Profile, p, sinks.Have{}); err == nil {
		t.Error("no connection")
	}
	if _, err := items("skills", p); err == nil {
		t.Error("no connection")
	}
	if _, err := items("hobbies", p); err == nil {
		t.Error("no section")
	}
	if _, err := build("hobbies", state(), sinks.Have{}); err == nil {
		t.Error("no lane")
	}
}

// TestWhatDoesNotFit: the reason names the field and the limit, and never the value. The
// catalogue lets none of these in; a ledger may be older than the catalogue.
func TestWhatDoesNotFit(t *testing.T) {
	scalar := func(name, value string) func(*ledger.Profile) {
		return func(p *ledger.Profile) { p.Shared[name] = ledger.Cell{Value: ledger.Value(value)} }
	}
	item := func(name, value string) func(*ledger.Profile) {
		return func(p *ledger.Profile) {
			p.Resumes[ledger.Base].Collections[name] = &ledger.Collection{Order: []string{"a"}, Items: map[string]ledger.Cell{"a": {Value: ledger.Value(value)}}}
		}
	}
	for _, c := range []struct {
		fill   func(*ledger.Profile)
		entity string
		why    []string
	}{
		{scalar(vanityName, `"SECRET!"`), Profile, []string{vanityName, "3 to 100 letters or digits"}},
		{scalar(vanityName, `"ab"`), Profile, []string{vanityName, "3 to 100"}},
		{scalar(vanityName, `"`+strings.Repeat("a", 101)+`"`), Profile, []string{vanityName, "3 to 100"}},
		{scalar("birthDate", `"SECRET"`), Profile, []string{"birthDate"}},
		{scalar("birthDate", `"1974-01"`), Profile, []string{"birthDate", "day"}},
		{scalar("birthDate", `"0000-01-01"`), Profile, []string{"birthDate"}},
		{item("awards", `{"organisation":"SECRET"}`), "honors/a", []string{"awards[].name", "missing"}},
		{item("patents", `{"title":"SECRET"}`), "patents/a", []string{"patents[].issuer", "missing"}},
		{item("patents", `{"title":"t","issuer":"US"}`), "patents/a", []string{"patents[].issuer", "lower-case"}},
		{item("volunteering", `{"organisation":"SECRET"}`), "volunteeringExperiences/a", []string{"volunteering[].role"}},
		{item("workExperiences", `{"jobTitle":"t","company":"c","startDate":"SECRET","endDate":"2019-13"}`), "positions/a",
			[]string{"workExperiences[].startDate", "workExperiences[].endDate"}},
	} {
		p := state()
		c.fill(p)
		why := unsendable(t, c.entity, p, sinks.Have{})
		for _, part := range c.why {
			if !strings.Contains(why, part) || strings.Contains(why, "SECRET") {
				t.Errorf("%s: %q has no %q", c.entity, why, part)
			}
		}
	}
	p := state()
	item("skills", `[]`)(p)
	if _, err := build("skills/a", p, sinks.Have{}); !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("an item that is no object: %v", err)
	}
	scalar("picture", `7`)(p)
	if _, err := build(ProfilePicture, p, sinks.Have{}); !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("a picture that is no text: %v", err)
	}
}

// TestEchoOfWhatAProviderLists: the echo of a body is that of what a provider lists which
// stored the body and gives it back in its own way.
func TestEchoOfWhatAProviderLists(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := &sections[rapid.IntRange(0, len(sections)-1).Draw(r, "section")]
		p := full(t)
		f, _, _ := ledger.Lookup(s.from)
		cell := p.Resumes[ledger.Base].Collections[s.from].Items["one"]
		n, err := ledger.ParseJSON(cell.Value)
		if err != nil {
			r.Fatal(err)
		}
		kept := object() // some of what an item can have
		for _, m := range n.Members {
			required := slices.ContainsFunc(f.Item, func(i ledger.Member) bool { return i.Name == m.Name && i.Required })
			if required || rapid.Bool().Draw(r, m.Name) {
				kept.Members = append(kept.Members, m)
			}
		}
		if s.from == "patents" {
			kept.Members = slices.DeleteFunc(kept.Members, func(m ledger.NodeMember) bool { return m.Name == "pending" })
			kept.Members = append(kept.Members, member("pending", ledger.Node{Kind: ledger.NodeBool, Bool: rapid.Bool().Draw(r, "is pending")}))
		}
		add(t, p, s.from, "one", string(kept.Append(nil)))
		payload := make1(t, s.name+"/one", p, sinks.Have{})
		body, err := ledger.ParseJSON(payload.Body)
		if err != nil {
			r.Fatal(err)
		}
		held := theirs(r, body)
		held.Members = append(held.Members, member("id", number(7)), member("lastModified", number(1700000000)))
		person := object(member(s.name, array(held)))
		if rapid.Bool().Draw(r, "by id") {
			person = object(member(s.name, object(member("7", held))))
		}
		items, ok := listed(s, person)
		if !ok || len(items) != 1 || items[0].Ref != "7" || string(items[0].Echo) != string(payload.Echo) {
			r.Fatalf("body %s\nheld %s\ngot  %v %s\nwant %s", payload.Body, held.Append(nil), ok, fmt.Sprint(items), payload.Echo)
		}
		// Something else is something else.
		held.Members = slices.DeleteFunc(held.Members, func(m ledger.NodeMember) bool { return m.Name == payload.Fields[0] })
		if items, _ := listed(s, object(member(s.name, array(held)))); len(items) == 1 && string(items[0].Echo) == string(payload.Echo) && !isFalse(body, payload.Fields[0]) {
			r.Fatalf("without %s: %s", payload.Fields[0], items[0].Echo)
		}
	})
}

func isFalse(n ledger.Node, name string) bool {
	v, _ := n.Member(name)
	return isNothing(v)
}

// theirs is a value as a provider gives it back: members in another order, null for what
// is not there, no false, no preferred locale of a single text, and members of its own.
func theirs(r *rapid.T, n ledger.Node) ledger.Node {
	n.Elems, n.Members = slices.Clone(n.Elems), slices.Clone(n.Members)
	for i := range n.Elems {
		n.Elems[i] = theirs(r, n.Elems[i])
	}
	for i := range n.Members {
		n.Members[i].Node = theirs(r, n.Members[i].Node)
	}
	if n.Kind != ledger.NodeObject {
		return n
	}
	texts, isText := n.Member("localized")
	_, isRich := n.Member("rawText")
	drop := rapid.Bool().Draw(r, "drop")
	n.Members = slices.DeleteFunc(n.Members, func(m ledger.NodeMember) bool {
		return drop && (m.Node.Kind == ledger.NodeBool && !m.Node.Bool || isText && m.Name == "preferredLocale" && len(texts.Members) == 1)
	})
	switch {
	case isRich:
		n.Members = append(n.Members, member("attributes", array()))
	case isText:
	case slices.ContainsFunc(n.Members, func(m ledger.NodeMember) bool { return strings.Contains(m.Name, "_") || len(m.Name) == 2 }):
		// A map by locale has no members of the provider's own.
	default:
		n.Members = append(n.Members, member("day", ledger.Node{}), member("$URN", ledger.TextNode("urn:li:x:1")))
		seen := map[string]bool{}
		n.Members = slices.DeleteFunc(n.Members, func(m ledger.NodeMember) bool {
			twice := seen[m.Name]
			seen[m.Name] = true
			return twice
		})
	}
	n.Members = rapid.Permutation(n.Members).Draw(r, "order")
	return n
}
