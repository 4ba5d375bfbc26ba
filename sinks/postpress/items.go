package postpress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"vitae/ledger"
	"vitae/sinks"
)

// section is one of the kinds of entries.
type section struct {
	name    string // the lane, and the object in the form
	from    string // the catalogue's collection
	listed  []string
	members []member
}

// member is one member of an entry.
type member struct {
	to   string
	from string // "postpress.presence" is inside the item's own object of PostPress
	must bool   // PostPress takes no entry without it
	// read are the names that it has when it is listed; without any it is not compared.
	read []string
}

// The members with forms of their own.
const (
	startDate  = "start_date"
	endDate    = "end_date"
	attachment = "attachment"
	notify     = "notify_network"
	more       = "unlisted" // in what is compared: the members that no list shows
)

// The steps of an add. The network is told about the one that has stepAnnounce. One that
// may have been announced before, and is repeated in doubt, has stepAgain: it is told to
// nobody, so that its form is another under the same key.
const (
	stepAnnounce = "announce"
	stepAgain    = "again"
)

// sections and members are in the order of PostPress's page. Its page names an
// experience's members for an edit of an education; the education's own are sent, as in
// an add. LinkedIn's lists have their own names for some members.
var sections = []section{
	{"experience", "workExperiences", []string{"experience", "work_experience"}, []member{
		{to: "role", from: "jobTitle", must: true, read: []string{"role", "position", "title"}},
		{to: "company", from: "company", must: true, read: []string{"company", "company_name"}},
		{to: "employment_type", from: "postpress.employmentType"},
		{to: "company_id", from: "postpress.companyId"},
		{to: "location", from: "location", read: []string{"location"}},
		{to: "presence", from: "postpress.presence"},
		{to: "seniority", from: "postpress.seniority"},
		{to: startDate, from: "startDate", must: true, read: []string{startDate, "start"}},
		{to: endDate, from: "endDate", read: []string{endDate, "end"}},
		{to: "description", from: "description", read: []string{"description"}},
		{to: "source_of_hire", from: "postpress.sourceOfHire"},
		{to: "skills", from: "postpress.skills"},
		{to: attachment, from: "postpress.attachment"},
	}},
	{"education", "educations", []string{"education"}, []member{
		{to: "school", from: "school", must: true, read: []string{"school", "school_name"}},
		{to: "degree", from: "degree", read: []string{"degree", "degree_name"}},
		{to: "grade", from: "grade"},
		{to: "field_of_study", from: "field", read: []string{"field_of_study"}},
		{to: "activities", from: "activities"},
		{to: "description", from: "description"},
		{to: startDate, from: "startDate", must: true, read: []string{startDate, "start"}},
		{to: endDate, from: "endDate", read: []string{endDate, "end"}},
		{to: "skills", from: "postpress.skills"},
		{to: attachment, from: "postpress.attachment"},
	}},
}

// sectionOf finds a section by its lane's name.
func sectionOf(name string) (*section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
	if i < 0 {
		return nil, false
	}
	return &sections[i], true
}

// sectionFrom finds a section by the catalogue's collection.
func sectionFrom(field string) (*section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.from == field })
	if i < 0 {
		return nil, false
	}
	return &sections[i], true
}

// items gives the ids of the items that a section should have; none when the resume is
// not there.
func items(name string, p *ledger.Profile) ([]string, error) {
	s, ok := sectionOf(name)
	if !ok {
		return nil, fmt.Errorf("postpress: no section %q: %w", name, ledger.ErrNotFound)
	}
	resume, ok, err := sinks.ResumeOf(p, ledger.PostPress)
	if err != nil || !ok {
		return nil, err
	}
	var ids []string
	for _, item := range p.Items(resume, s.from) {
		ids = append(ids, item.ID)
	}
	return ids, nil
}

// build makes an item's body: all of it, for an add and for an edit alike.
func (s *section) build(w *writer, id string, have sinks.Have) (sinks.Payload, error) {
	all := w.p.Items(w.resume, s.from)
	i := slices.IndexFunc(all, func(item ledger.Item) bool { return item.ID == id })
	if i < 0 && have.Ref != "" {
		return sinks.Payload{}, &sinks.Unsendable{Why: "PostPress has no way to delete an entry of " + s.name + ": it must be taken out at LinkedIn"}
	}
	if i < 0 {
		return sinks.Payload{Absent: true, Mapping: Mapping}, nil
	}
	n, err := ledger.ParseJSON(all[i].Value)
	if err != nil || n.Kind != ledger.NodeObject {
		return sinks.Payload{}, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
	}
	seen := map[string]string{}
	var unlisted []string
	for _, m := range s.members {
		before := len(w.wrong)
		v := s.member(w, m, n)
		switch {
		case v == "" && m.must && len(w.wrong) == before:
			w.complain("%s[].%s is missing, and PostPress needs it", s.from, m.from)
		case v == "":
		case m.read == nil:
			unlisted = append(unlisted, m.to)
		default:
			seen[m.to] = v
		}
	}
	out, err := w.payload()
	if err != nil {
		return out, err
	}
	out.Fields = nil
	for _, m := range s.members {
		if slices.ContainsFunc(w.pairs, func(p pair) bool { return strings.HasPrefix(p.name, s.name+"["+m.to+"]") }) {
			out.Fields = append(out.Fields, m.to)
		}
	}
	if have.Ref != "" && len(unlisted) > 0 {
		// A list does not show all that an edit changes. No entry is ever like it: an edit
		// in doubt is made again, and not taken for done because the rest is alike.
		seen[more] = strings.Join(unlisted, ",")
	}
	out.Echo = s.echo(seen)
	switch announce, _ := path(n, "postpress.notifyNetwork"); {
	case have.Ref != "":
	case announce.Bool && len(have.Fields) == 0 && have.Anew == 0:
		out.Steps, out.Fields = []string{stepAnnounce}, append(out.Fields, notify)
	case slices.Contains(have.Fields, notify):
		out.Steps = []string{stepAgain}
	}
	return out, nil
}

// member puts one member of an item, and gives it in the form in which it is compared; ""
// when there is none.
func (s *section) member(w *writer, m member, item ledger.Node) string {
	as := s.name + "[" + m.to + "]"
	v, _ := path(item, m.from)
	switch m.to {
	case startDate, endDate:
		current, _ := item.Member("isCurrent")
		if v.Text == "" || m.to == endDate && current.Bool { // what is current has no end there
			return ""
		}
		date, ok := dateOf(v)
		if !ok {
			w.complain("%s[].%s has no month: PostPress needs month and year", s.from, m.from)
			return ""
		}
		w.put(as+"[month]", strconv.Itoa(date.month))
		w.put(as+"[year]", strconv.Itoa(date.year))
		return date.String()
	case attachment:
		for _, name := range []string{"type", "title", "description", "url", "thumbnail", "file"} {
			if part, ok := v.Member(name); ok && part.Kind == ledger.NodeString && part.Text != "" {
				w.pairs = append(w.pairs, pair{name: as + "[" + name + "]", value: part.Text, file: name == "thumbnail" || name == "file"})
			}
		}
		return map[bool]string{true: attachment}[len(v.Members) > 0]
	}
	if v.Kind == ledger.NodeString && v.Text == "" {
		return ""
	}
	before := len(w.pairs)
	w.value(as, v)
	if len(w.pairs) == before {
		return ""
	}
	return tidy(v.Text) + map[bool]string{true: m.to}[v.Kind != ledger.NodeString]
}

// path finds a member, or a member of the item's object of PostPress.
func path(n ledger.Node, from string) (ledger.Node, bool) {
	if inner, ok := strings.CutPrefix(from, ledger.PostPress+"."); ok {
		object, _ := n.Member(ledger.PostPress)
		return object.Member(inner)
	}
	return n.Member(from)
}

// monthYear is a date as PostPress has it.
type monthYear struct{ year, month int }

func (d monthYear) String() string { return fmt.Sprintf("%04d-%02d", d.year, d.month) }

// dateOf reads a date with a month in any of the forms that occur: the catalogue's
// 2019-05 and 2019-05-17, an object of month and year, and LinkedIn's 5/1/2019.
func dateOf(n ledger.Node) (d monthYear, ok bool) {
	var y, m string
	switch {
	case n.Kind == ledger.NodeObject:
		year, _ := n.Member("year")
		month, _ := n.Member("month")
		y, m = year.Text, month.Text
	case n.Kind != ledger.NodeString:
		return d, false
	case strings.Contains(n.Text, "/"):
		parts := strings.Split(n.Text, "/")
		y, m = parts[len(parts)-1], parts[0]
	default:
		if parts := strings.SplitN(n.Text, "-", 3); len(parts) > 1 {
			y, m = parts[0], parts[1]
		}
	}
	year, err1 := strconv.Atoi(y)
	month, err2 := strconv.Atoi(m)
	return monthYear{year, month}, err1 == nil && err2 == nil && month >= 1 && month <= 12 && year >= 1 && year <= 9999
}

// tidy is a text as it is compared: composed, and with single spaces.
func tidy(s string) string { return strings.Join(strings.Fields(norm.NFC.String(s)), " ") }

// echo is the form in which an item and a listed entry are compared: what a list shows.
func (s *section) echo(seen map[string]string) []byte {
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, m := range s.members {
		if v := seen[m.to]; v != "" && m.read != nil {
			out.Members = append(out.Members, ledger.NodeMember{Name: m.to, Node: ledger.TextNode(v)})
		}
	}
	if v := seen[more]; v != "" {
		out.Members = append(out.Members, ledger.NodeMember{Name: more, Node: ledger.TextNode(v)})
	}
	return out.Append(nil)
}
