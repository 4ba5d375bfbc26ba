package linkedin

import (
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// section is one of the sub-resources.
type section struct {
	name    string // LinkedIn's, in paths
	from    string // the catalogue's collection
	members []part
}

// part is one member of a section's entity.
type part struct {
	to   string // LinkedIn's
	from string // the item's; "linkedin.company" is in its object of that name
	as   shape
	must bool // LinkedIn refuses an entity without it
}

// sections are the sub-resources by name. Members are in the order of a body.
var sections = []section{
	{"certifications", "certificates", []part{
		{to: "name", from: "name", as: local},
		{to: "authority", from: "issuer", as: local},
		{to: "licenseNumber", from: "credentialId", as: local},
		{to: "startMonthYear", from: "issueDate", as: month},
		{to: "endMonthYear", from: "expiryDate", as: month},
		{to: "url", from: "verificationUrl"},
		{to: "company", from: "linkedin.company"},
	}},
	{"courses", "courses", []part{
		{to: "name", from: "name", as: local},
		{to: "number", from: "number"},
		{to: "occupation", from: "linkedin.occupation"},
	}},
	{"educations", "educations", []part{
		{to: "schoolName", from: "school", as: local},
		{to: "degreeName", from: "degree", as: local},
		{to: "fieldsOfStudy", from: "field", as: study},
		{to: "grade", from: "grade", as: grade},
		{to: "activities", from: "activities", as: local},
		{to: "startMonthYear", from: "startDate", as: year},
		{to: "endMonthYear", from: "endDate", as: year},
		{to: "notes", from: "description", as: rich},
		{to: "organization", from: "linkedin.organization"},
		{to: "program", from: "linkedin.program"},
		{to: "memberRichContents", from: "linkedin.memberRichContents"},
	}},
	{"honors", "awards", []part{
		{to: "title", from: "name", as: local, must: true},
		{to: "issuer", from: "organisation", as: local},
		{to: "issueDate", from: "date", as: month},
		{to: "description", from: "description", as: rich},
		{to: "occupation", from: "linkedin.occupation"},
	}},
	{"languages", "languages", []part{
		{to: "name", from: "name", as: local, must: true},
		{to: "proficiency", from: "proficiency"},
	}},
	{"organizations", "organizations", []part{
		{to: "name", from: "name", as: local},
		{to: "position", from: "position", as: local},
		{to: "startMonthYear", from: "startDate", as: month},
		{to: "endMonthYear", from: "endDate", as: month},
		{to: "description", from: "description", as: rich},
		{to: "occupation", from: "linkedin.occupation"},
	}},
	{"patents", "patents", []part{
		{to: "title", from: "title", as: local, must: true},
		{to: "issuer", from: "issuer", as: local, must: true},
		{to: "pending", from: "pending", must: true},
		{to: "number", from: "number", as: local},
		{to: "issueDate", from: "issueDate", as: daily},
		{to: "applicationNumber", from: "linkedin.applicationNumber", as: local},
		{to: "filingDate", from: "filingDate", as: daily},
		{to: "inventors", from: "linkedin.inventors", as: people, must: true},
		{to: "description", from: "description", as: rich},
		{to: "url", from: "url"},
	}},
	{"positions", "workExperiences", []part{
		{to: "title", from: "jobTitle", as: local},
		{to: "companyName", from: "company", as: local},
		{to: "company", from: "linkedin.company"},
		{to: "geoPositionLocation", from: "location", as: place},
		{to: "location", from: "linkedin.location", as: region},
		{to: "locationName", from: "linkedin.locationName", as: local},
		{to: "startMonthYear", from: "startDate", as: month},
		{to: "endMonthYear", from: "endDate", as: month},
		{to: "description", from: "description", as: rich},
		{to: "memberRichContents", from: "linkedin.memberRichContents"},
	}},
	{"projects", "projects", []part{
		{to: "title", from: "name", as: local, must: true},
		{to: "description", from: "description", as: rich},
		{to: "startMonthYear", from: "startDate", as: month},
		{to: "endMonthYear", from: "endDate", as: month},
		{to: "singleDate", from: "linkedin.singleDate"},
		{to: "members", from: "linkedin.members", as: people, must: true},
		{to: "occupation", from: "linkedin.occupation"},
		{to: "url", from: "url"},
	}},
	{"publications", "publications", []part{
		{to: "name", from: "name", as: local, must: true},
		{to: "publisher", from: "publisher", as: local},
		{to: "date", from: "date", as: daily},
		{to: "authors", from: "linkedin.authors", as: people, must: true},
		{to: "description", from: "description", as: rich},
		{to: "url", from: "url"},
	}},
	{"skills", "skills", []part{
		{to: "name", from: "name", as: local, must: true},
	}},
	{"testScores", "testScores", []part{
		{to: "name", from: "name", as: local},
		{to: "score", from: "score"},
		{to: "date", from: "date", as: month},
		{to: "description", from: "description", as: rich},
		{to: "occupation", from: "linkedin.occupation"},
	}},
	{"volunteeringExperiences", "volunteering", []part{
		{to: "companyName", from: "organisation", as: local, must: true},
		{to: "role", from: "role", as: local, must: true},
		{to: "company", from: "linkedin.company"},
		{to: "cause", from: "cause"},
		{to: "startMonthYear", from: "startDate", as: month},
		{to: "endMonthYear", from: "endDate", as: month},
		{to: "singleDate", from: "linkedin.singleDate"},
		{to: "description", from: "description", as: rich},
	}},
}

func sectionOf(name string) *section {
	i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return &sections[i]
}

// item makes one item's lane. Its body is the bare entity.
func (w *writer) item(s *section, p *ledger.Profile, resume, id string, have sinks.Have) (sinks.Payload, error) {
	out := sinks.Payload{Mapping: Mapping}
	all := p.Items(resume, s.from)
	i := slices.IndexFunc(all, func(item ledger.Item) bool { return item.ID == id })
	if i < 0 {
		out.Absent = true
		w.wrong = nil // nothing is sent that could not fit
		return out, nil
	}
	n, err := ledger.ParseJSON(all[i].Value)
	if err != nil || n.Kind != ledger.NodeObject {
		return out, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
	}
	entity := w.entity(s, fromObject(n))
	for _, m := range entity.Members {
		out.Fields = append(out.Fields, m.Name)
	}
	out.Body, out.Echo = entity.Append(nil), echoItem(s, entity)
	if have.Ref != "" {
		for _, name := range minus(have.Fields, out.Fields) {
			if s.part(name) != nil {
				out.Clears = append(out.Clears, name)
			}
		}
	}
	if len(out.Clears) > 0 {
		out.Steps = []string{stepSet, stepDelete}
	}
	return out, nil
}

func (s *section) part(to string) *part {
	i := slices.IndexFunc(s.members, func(m part) bool { return m.to == to })
	if i < 0 {
		return nil
	}
	return &s.members[i]
}

// entity makes LinkedIn's object of an item.
func (w *writer) entity(s *section, item source) ledger.Node {
	w.prepare(s, item)
	out := object()
	for _, m := range s.members {
		path := s.from + "[]." + m.from
		var n ledger.Node
		var ok bool
		if m.as == people {
			n, ok = w.people(item, m.from)
		} else {
			n, ok = w.value(item, m.from, m.as, path)
		}
		switch {
		case !ok && m.must:
			w.complain("%s is missing, and LinkedIn needs it", path)
		case !ok:
			continue
		case m.as == plain && n.Kind == ledger.NodeString:
			if words := wordsFor(s.from, m.from); words != nil && !slices.Contains(words, n.Text) {
				w.complain("%s is none of %s", path, strings.Join(words, ", "))
			}
		}
		out.Members = append(out.Members, member(m.to, n))
	}
	return out
}

// prepare applies the rules by which one member of an item depends on another.
func (w *writer) prepare(s *section, item source) {
	if current := item.values["isCurrent"]; current.Bool {
		delete(item.values, "endDate") // what is current has no end there
	}
	if s.from != "patents" {
		return
	}
	pending := item.values["pending"]
	pending.Kind = ledger.NodeBool
	item.values["pending"] = pending // LinkedIn always wants to know
	if pending.Bool {
		if _, given := item.values["linkedin.applicationNumber"]; !given {
			if n, ok := item.values["number"]; ok {
				item.values["linkedin.applicationNumber"] = n
			}
		}
		delete(item.values, "number")
		delete(item.values, "issueDate")
	} else {
		delete(item.values, "linkedin.applicationNumber")
		delete(item.values, "filingDate")
	}
	texts, _ := w.locales(item, "issuer")
	for _, text := range texts {
		if len(text) != 2 || !isLetters(text) || strings.ToLower(text) != text {
			w.complain("patents[].issuer is not a lower-case country code of two letters")
			return
		}
	}
}

// people makes an item's contributors: those with LinkedIn's own members, then names
// alone (a patent's inventors). LinkedIn wants the member among them: whoever has the
// profile's name and no URN is the member; where there is none, the member is put first.
func (w *writer) people(item source, from string) (ledger.Node, bool) {
	urn := ledger.TextNode(personURN(w.account))
	list, named, own := array(), map[string]bool{}, false
	myName, preferred := w.myName()
	add := func(s source) {
		texts, first := w.locales(s, "name")
		id, has := s.values["memberId"]
		if !has && len(texts) == 0 {
			return
		}
		if !has && !own && texts[first] == myName[preferred] {
			id, has = urn, true
		}
		own = own || id.Text == urn.Text
		n := object()
		if has {
			n.Members = append(n.Members, member("memberId", id))
		}
		if len(texts) > 0 {
			n.Members = append(n.Members, member("name", localized(texts, first, false)))
			named[texts[first]] = true
		}
		list.Elems = append(list.Elems, n)
	}
	listed := item.values[from].Elems
	for _, n := range listed { // who is listed with the URN needs no namesake
		id, _ := n.Member("memberId")
		own = own || id.Text == urn.Text
	}
	for _, n := range listed {
		add(fromObject(n))
	}
	for _, name := range item.values[strings.TrimPrefix(from, ledger.LinkedIn+".")].Elems {
		if name.Kind == ledger.NodeString && !named[name.Text] {
			s := newSource()
			s.values["name"] = name
			add(s)
		}
	}
	if !own {
		n := object(member("memberId", urn))
		if len(myName) > 0 {
			n.Members = append(n.Members, member("name", localized(myName, preferred, false)))
		}
		list.Elems = slices.Insert(list.Elems, 0, n)
	}
	return list, true
}

// myName is the profile's name in every locale that has a part of it; the other part is
// then that of the preferred locale.
func (w *writer) myName() (texts map[string]string, preferred string) {
	first, p1 := w.locales(w.all, "firstName")
	last, p2 := w.locales(w.all, "lastName")
	texts = map[string]string{}
	for _, some := range []map[string]string{first, last} {
		for locale := range some {
			a, ok := first[locale]
			if !ok {
				a = first[p1]
			}
			b, ok := last[locale]
			if !ok {
				b = last[p2]
			}
			texts[locale] = strings.TrimSpace(a + " " + b)
		}
	}
	if preferred = p1; preferred == "" {
		preferred = p2
	}
	return texts, preferred
}
