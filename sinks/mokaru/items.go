package mokaru

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// section is one of the kinds of items that have routes of their own.
type section struct {
	name    string // the lane
	path    string
	from    string // the catalogue's collection
	members []member
}

// member is one member of a section's item.
type member struct {
	name  string
	kind  ledger.NodeKind
	max   int      // code points after NFC; 0: none is stated
	oneOf []string // the only words; nil: any
	// must: Mokaru refuses an item without it, and null for it.
	must bool
	// always: it is sent as false when the item has none, because null does not clear it.
	always bool
}

// sections are in the order of the catalogue, and members in the order of a body.
// Whether null clears an education's isCurrent is not written anywhere: false always does.
var sections = []section{
	{"experiences", "/v1/experiences", "workExperiences", []member{
		{name: "jobTitle", kind: ledger.NodeString, max: 200, must: true},
		{name: "company", kind: ledger.NodeString, max: 200, must: true},
		{name: "location", kind: ledger.NodeString, max: 200},
		{name: "startDate", kind: ledger.NodeString},
		{name: "endDate", kind: ledger.NodeString},
		{name: "isCurrent", kind: ledger.NodeBool, always: true},
		{name: "description", kind: ledger.NodeString, max: 5000},
		{name: "responsibilities", kind: ledger.NodeArray},
		{name: "achievements", kind: ledger.NodeArray},
	}},
	{"education", "/v1/education", "educations", []member{
		{name: "school", kind: ledger.NodeString, max: 200, must: true},
		{name: "degree", kind: ledger.NodeString, max: 200},
		{name: "field", kind: ledger.NodeString, max: 200},
		{name: "startDate", kind: ledger.NodeString},
		{name: "endDate", kind: ledger.NodeString},
		{name: "isCurrent", kind: ledger.NodeBool, always: true},
		{name: "description", kind: ledger.NodeString, max: 5000},
	}},
	{"skills", "/v1/skills", "skills", []member{
		{name: "name", kind: ledger.NodeString, max: 100, must: true},
		{name: "category", kind: ledger.NodeString, max: 100},
		{name: "level", kind: ledger.NodeString, oneOf: []string{"beginner", "intermediate", "advanced", "expert"}},
	}},
}

// sectionOf finds a section by its lane's name.
func sectionOf(name string) (section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
	if i < 0 {
		return section{}, false
	}
	return sections[i], true
}

// sectionFrom finds a section by the catalogue's collection.
func sectionFrom(field string) (section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.from == field })
	if i < 0 {
		return section{}, false
	}
	return sections[i], true
}

func (s section) names() []string {
	out := make([]string, len(s.members))
	for i, m := range s.members {
		out[i] = m.name
	}
	return out
}

// items gives the ids of the items that a section should have. It is none when the
// resume is not there: whether what was sent of it should go is not known then, and the
// lanes of what was sent say so.
func items(name string, p *ledger.Profile) ([]string, error) {
	s, ok := sectionOf(name)
	if !ok {
		return nil, fmt.Errorf("mokaru: no section %q: %w", name, ledger.ErrNotFound)
	}
	resume, ok, err := sinks.ResumeOf(p, ledger.Mokaru)
	if err != nil || !ok {
		return nil, err
	}
	var ids []string
	for _, item := range p.Items(resume, s.from) {
		ids = append(ids, item.ID)
	}
	return ids, nil
}

// build makes an item's body: what the state has of it, and nothing else.
func (s section) build(p *ledger.Profile, resume, id string, have sinks.Have) (sinks.Payload, error) {
	out := sinks.Payload{Mapping: Mapping}
	all := p.Items(resume, s.from)
	i := slices.IndexFunc(all, func(item ledger.Item) bool { return item.ID == id })
	if i < 0 {
		out.Absent = true
		return out, nil
	}
	n, err := ledger.ParseJSON(all[i].Value)
	if err != nil || n.Kind != ledger.NodeObject {
		return sinks.Payload{}, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
	}
	body := ledger.Node{Kind: ledger.NodeObject}
	var wrong []string
	for _, m := range s.members {
		v, ok := n.Member(m.name)
		switch {
		case ok && v.Kind == m.kind:
			if why := m.misfit(v); why != "" {
				wrong = append(wrong, s.from+"."+why)
			}
		case ok && v.Kind != ledger.NodeNull:
			return sinks.Payload{}, fmt.Errorf("%s.%s: %w", s.from, m.name, ledger.ErrFormat)
		case m.must:
			wrong = append(wrong, fmt.Sprintf("%s.%s is missing, and Mokaru needs it", s.from, m.name))
			continue
		case m.always:
			v = ledger.Node{Kind: ledger.NodeBool}
		default:
			if slices.Contains(have.Fields, m.name) {
				out.Clears = append(out.Clears, m.name)
			}
			continue
		}
		out.Fields = append(out.Fields, m.name)
		body.Members = append(body.Members, ledger.NodeMember{Name: m.name, Node: v})
	}
	if len(wrong) > 0 {
		return sinks.Payload{}, &sinks.Unsendable{Why: strings.Join(wrong, "; ")}
	}
	out.Body, out.Echo = body.Append(nil), s.echo(body)
	return out, nil
}

// misfit says what is wrong with a value, without repeating it; "" when nothing is.
func (m member) misfit(v ledger.Node) string {
	switch {
	case m.max > 0 && ledger.Length(v.Text) > m.max:
		return tooLong(m.name, m.max)
	case m.oneOf != nil && !slices.Contains(m.oneOf, v.Text):
		return m.name + " is none of " + strings.Join(m.oneOf, ", ")
	}
	return ""
}

// compose is the PATCH that brings an item to a body: its members, and null for those
// that are to be emptied.
func (s section) compose(body []byte, clears []string) ([]byte, error) {
	have, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, m := range s.members {
		v, ok := have.Member(m.name) // null when it is not there
		if ok || !m.must && !m.always && slices.Contains(clears, m.name) {
			out.Members = append(out.Members, ledger.NodeMember{Name: m.name, Node: v})
		}
	}
	return out.Append(nil), nil
}

// echo brings an item's body, or an item that was listed, into the form in which the two
// are compared. What Mokaru knows besides is left out.
func (s section) echo(n ledger.Node) []byte { return plain(n, s.names()).Append(nil) }

// pageSize is how many items are asked for at once: as many as Mokaru gives.
const pageSize = 100

// page is one answer of a list.
type page struct {
	items []sinks.Listed
	more  bool
	total int // of the whole list; -1 when the answer does not say
}

// parsePage reads an answer of a list. ok is false when it is not one: then nothing is
// known about what is there.
func (s section) parsePage(body []byte) (out page, ok bool) {
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return page{}, false
	}
	data, _ := n.Member("data")
	if data.Kind != ledger.NodeArray {
		return page{}, false
	}
	for _, item := range data.Elems {
		id, _ := item.Member("id")
		ref, ok := refOf(id)
		if !ok {
			return page{}, false
		}
		out.items = append(out.items, sinks.Listed{Ref: ref, Echo: s.echo(item)})
	}
	out.total = -1
	total, said := n.Member("total")
	if said {
		v, err := strconv.Atoi(total.Text)
		if total.Kind != ledger.NodeNumber || err != nil || v < 0 {
			return page{}, false
		}
		out.total = v
	}
	more, ok := n.Member("hasMore")
	switch {
	case ok && more.Kind != ledger.NodeBool, !ok && !said:
		return page{}, false // nobody says whether this is all
	case ok:
		out.more = more.Bool
	}
	return out, true
}

// longestRef bounds the ids that are taken from answers.
const longestRef = 200

// refOf reads an id of Mokaru's. One that could not be put into a path, or not be kept
// among others, is none.
func refOf(n ledger.Node) (string, bool) {
	if n.Kind != ledger.NodeString && n.Kind != ledger.NodeNumber {
		return "", false
	}
	s := n.Text
	bad := func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '/' || r == '\\' }
	if s == "" || s == "." || s == ".." || len(s) > longestRef || strings.ContainsFunc(s, bad) {
		return "", false
	}
	return s, true
}
