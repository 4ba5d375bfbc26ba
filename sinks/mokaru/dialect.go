package mokaru

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules that make bodies. It is part of every hash: when
// the rules change, every account is brought up to date once.
const Mapping = 2

// Entity is the name of the root lane.
const Entity = "profile"

// scalar is one text of the Update Profile page.
type scalar struct {
	name  string
	max   int // code points after NFC; 0: none is stated
	clear bool
	day   bool // is read back as a timestamp
}

// scalars are in the order of the page, which is the order in a body.
var scalars = []scalar{
	{"firstName", 100, false, false}, {"lastName", 100, false, false}, {"email", 254, false, false}, {"phone", 50, true, false},
	{"address", 200, true, false}, {"country", 100, true, false}, {"province", 100, true, false}, {"birthDate", 0, true, true},
	{"driverLicense", 50, true, false}, {"gender", 50, true, false}, {"jobTitle", 200, true, false}, {"summary", 2000, true, false},
	{"sector", 100, true, false}, {"employer", 200, true, false}, {"linkedIn", 0, true, false}, {"website", 500, true, false},
	{"portfolio", 500, true, false},
}

// collection is one list of the page, with the members of its items in the order of a body.
type collection struct {
	name    string
	most    int
	members []string
}

var collections = []collection{
	{"summaries", 100, []string{"title", "content"}},
	{"projects", 100, []string{"name", "description", "organisation", "startDate", "endDate", "isCurrent", "url"}},
	{"certificates", 100, []string{"name", "issuer", "description", "issueDate", "expiryDate", "credentialId", "verificationUrl"}},
	{"awards", 100, []string{"name", "organisation", "description", "date"}},
	{"publications", 100, []string{"name", "publisher", "date", "url", "description"}},
	{"interests", 100, []string{"name", "description"}},
	{"jobTitles", 50, []string{"title"}},
}

// isField says whether the page has a field of this name.
func isField(name string) bool {
	return slices.ContainsFunc(scalars, func(s scalar) bool { return s.name == name }) ||
		slices.ContainsFunc(collections, func(c collection) bool { return c.name == name })
}

// profileLane is what most events concern.
var profileLane = []string{Entity}

// concerns names the lanes whose body an event can change: that of an item, or the
// profile's for a field of the page, in whatever resume. Locale variants are not carried,
// nor is the order of a section. What is about a resume as a whole, or about the
// connection itself, concerns all.
func concerns(e *ledger.Event) (lanes []string, all bool) {
	switch s, ok := sectionFrom(e.Field); {
	case e.Field == "":
		return nil, true
	case e.Field == ledger.Connections:
		return nil, e.Item == ledger.Mokaru
	case ok && e.Item != "" && (e.Op == ledger.OpPut || e.Op == ledger.OpRemove):
		return []string{sinks.ItemEntity(s.name, e.Item)}, false
	case !ok && isField(e.Field):
		return profileLane, false
	}
	return nil, false
}

// build makes what an entity should be, from an opened state.
func build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	resume, ok, err := sinks.ResumeOf(p, ledger.Mokaru)
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case !ok:
		return sinks.Payload{}, &sinks.Unsendable{Why: "the resume that the connection names is not there"}
	}
	name, item := sinks.SplitEntity(entity)
	if s, ok := sectionOf(name); ok && item != "" {
		return s.build(p, resume, item, have)
	} else if ok {
		return sinks.Payload{Mapping: Mapping}, nil // there is no order to be told
	}
	if entity != Entity {
		return sinks.Payload{}, fmt.Errorf("mokaru: no lane %q: %w", entity, ledger.ErrNotFound)
	}
	return buildProfile(p, resume, have)
}

// buildProfile makes the profile's body: what the state has of the page, and nothing else.
func buildProfile(p *ledger.Profile, resume string, have sinks.Have) (sinks.Payload, error) {
	body := ledger.Node{Kind: ledger.NodeObject}
	out := sinks.Payload{Mapping: Mapping}
	var wrong []string
	put := func(name string, v ledger.Node) {
		out.Fields = append(out.Fields, name)
		body.Members = append(body.Members, ledger.NodeMember{Name: name, Node: v})
	}
	for _, s := range scalars {
		v := p.Scalar(s.name)
		if v == nil {
			if s.clear && slices.Contains(have.Fields, s.name) {
				out.Clears = append(out.Clears, s.name)
			}
			continue
		}
		n, err := ledger.ParseJSON(v)
		if err != nil || n.Kind != ledger.NodeString {
			return sinks.Payload{}, fmt.Errorf("%s: %w", s.name, ledger.ErrFormat)
		}
		if s.max > 0 && ledger.Length(n.Text) > s.max {
			wrong = append(wrong, tooLong(s.name, s.max))
		}
		put(s.name, n)
	}
	for _, c := range collections {
		items := p.Items(resume, c.name)
		if len(items) == 0 {
			if slices.Contains(have.Fields, c.name) {
				out.Clears = append(out.Clears, c.name)
			}
			continue
		}
		if len(items) > c.most {
			wrong = append(wrong, fmt.Sprintf("%s has %d items, and Mokaru takes %d", c.name, len(items), c.most))
		}
		list := ledger.Node{Kind: ledger.NodeArray}
		for _, item := range items {
			n, err := ledger.ParseJSON(item.Value)
			if err != nil || n.Kind != ledger.NodeObject {
				return sinks.Payload{}, fmt.Errorf("%s: %w", c.name, ledger.ErrFormat)
			}
			list.Elems = append(list.Elems, pick(n, c.members))
		}
		put(c.name, list)
	}
	if len(wrong) > 0 {
		return sinks.Payload{}, &sinks.Unsendable{Why: strings.Join(wrong, "; ")}
	}
	out.Echo = echo(body, out.Fields)
	if len(out.Fields) > 0 {
		out.Body = body.Append(nil)
	}
	return out, nil
}

func tooLong(name string, max int) string {
	return fmt.Sprintf("%s has more than %d characters", name, max)
}

// compose is the request that brings the profile to a body: its fields, and null or an
// empty list for those that are to be emptied, in the order of the page. nil when there is
// nothing to be said, which Mokaru would refuse.
func compose(body []byte, clears []string) ([]byte, error) {
	have, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	out := ledger.Node{Kind: ledger.NodeObject}
	put := func(name string, clear bool, empty ledger.NodeKind) {
		if v, ok := have.Member(name); ok {
			out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
		} else if clear && slices.Contains(clears, name) {
			out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: ledger.Node{Kind: empty}})
		}
	}
	for _, s := range scalars {
		put(s.name, s.clear, ledger.NodeNull)
	}
	for _, c := range collections {
		put(c.name, true, ledger.NodeArray)
	}
	if len(out.Members) == 0 {
		return nil, nil
	}
	return out.Append(nil), nil
}

// parseBody reads a body of our own; none is an empty object.
func parseBody(body []byte) (ledger.Node, error) {
	if body == nil {
		return ledger.Node{Kind: ledger.NodeObject}, nil
	}
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeObject {
		return n, fmt.Errorf("mokaru: a body of our own: %w", ledger.ErrFormat)
	}
	return n, nil
}

// pick keeps the named members of an object, in the order of the names. What only
// another provider knows about an item, and its locale variants, stay behind.
func pick(n ledger.Node, names []string) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, name := range names {
		if v, ok := n.Member(name); ok && v.Kind != ledger.NodeNull {
			out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
		}
	}
	return out
}

// midnight is what Mokaru puts behind a day when it is read.
const midnight = "T00:00:00.000Z"

// echo brings a body, or what a read gives, into the one form in which the two are
// compared: the named fields in order, without those that hold nothing.
func echo(n ledger.Node, fields []string) []byte {
	out := ledger.Node{Kind: ledger.NodeObject}
	put := func(name string, v ledger.Node) {
		if !hollow(v) {
			out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
		}
	}
	for _, s := range scalars {
		if !slices.Contains(fields, s.name) {
			continue
		}
		v, _ := n.Member(s.name) // absent is null
		if s.day {
			v = day(v)
		}
		put(s.name, v)
	}
	for _, c := range collections {
		if !slices.Contains(fields, c.name) {
			continue
		}
		v, _ := n.Member(c.name)
		list := ledger.Node{Kind: ledger.NodeArray}
		for _, item := range v.Elems {
			list.Elems = append(list.Elems, plain(item, c.members))
		}
		put(c.name, list)
	}
	return out.Append(nil)
}

// plain is an item in the form in which items are compared: the named members in order,
// a day without the time that reads add, and without what holds nothing: a member that is
// null, an empty text or list, and an isCurrent that is false.
func plain(item ledger.Node, names []string) ledger.Node {
	item = pick(item, names)
	for i := range item.Members {
		if m := &item.Members[i]; isDate(m.Name) {
			m.Node = day(m.Node)
		}
	}
	item.Members = slices.DeleteFunc(item.Members, func(m ledger.NodeMember) bool { return hollow(m.Node) })
	return item
}

// hollow says that a value is as good as none.
func hollow(n ledger.Node) bool {
	switch n.Kind {
	case ledger.NodeNull:
		return true
	case ledger.NodeBool:
		return !n.Bool
	case ledger.NodeString:
		return n.Text == ""
	case ledger.NodeArray:
		return len(n.Elems) == 0
	}
	return false
}

// isDate says whether a member of an item is a date, by its name.
func isDate(name string) bool { return name == "date" || strings.HasSuffix(name, "Date") }

// day cuts a timestamp that is a day at midnight to the day.
func day(n ledger.Node) ledger.Node {
	if n.Kind == ledger.NodeString && len(n.Text) == len(time.DateOnly+midnight) {
		n.Text = strings.TrimSuffix(n.Text, midnight)
	}
	return n
}
