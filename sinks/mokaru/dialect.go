package mokaru

import (
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules in this file. It is part of every hash: when the
// rules change, every account is brought up to date once.
const Mapping = 1

// scalar is one text of the Update Profile page.
type scalar struct {
	name  string
	max   int // code points after NFC; 0: none is stated
	clear bool
	day   bool // is read back as a timestamp
}

// scalars are in the order of the page, which is the order in a body.
func scalars() []scalar {
	return []scalar{
		{"firstName", 100, false, false}, {"lastName", 100, false, false}, {"email", 254, false, false}, {"phone", 50, true, false},
		{"address", 200, true, false}, {"country", 100, true, false}, {"province", 100, true, false}, {"birthDate", 0, true, true},
		{"driverLicense", 50, true, false}, {"gender", 50, true, false}, {"jobTitle", 200, true, false}, {"summary", 2000, true, false},
		{"sector", 100, true, false}, {"employer", 200, true, false}, {"linkedIn", 0, true, false}, {"website", 500, true, false},
		{"portfolio", 500, true, false},
	}
}

// collection is one list of the page, with the members of its items in the order of a body.
type collection struct {
	name    string
	most    int
	members []string
}

func collections() []collection {
	return []collection{
		{"summaries", 100, []string{"title", "content"}},
		{"projects", 100, []string{"name", "description", "organisation", "startDate", "endDate", "isCurrent", "url"}},
		{"certificates", 100, []string{"name", "issuer", "description", "issueDate", "expiryDate", "credentialId", "verificationUrl"}},
		{"awards", 100, []string{"name", "organisation", "description", "date"}},
		{"publications", 100, []string{"name", "publisher", "date", "url", "description"}},
		{"interests", 100, []string{"name", "description"}},
		{"jobTitles", 50, []string{"title"}},
	}
}

// isField says whether the page has a field of this name.
func isField(name string) bool {
	return slices.ContainsFunc(scalars(), func(s scalar) bool { return s.name == name }) ||
		slices.ContainsFunc(collections(), func(c collection) bool { return c.name == name })
}

// concerns says whether an event can change a body: it is about a field of the page (in
// whatever resume; locale variants are not carried), or about a resume as a whole.
func concerns(e *ledger.Event) bool { return e.Field == "" || isField(e.Field) }

// build makes the body from an opened state; sent names the fields that were sent before.
func build(p *ledger.Profile, sent []string) (sinks.Payload, error) {
	settings, ok, err := sinks.SettingsOf(p, ledger.Mokaru)
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case !ok:
		return sinks.Payload{}, fmt.Errorf("connection: %w", ledger.ErrNotFound)
	case p.Resumes[settings.Resume] == nil:
		return sinks.Payload{}, &sinks.Unsendable{Why: "the resume that the connection names is not there"}
	}
	body := ledger.Node{Kind: ledger.NodeObject}
	var fields, wrong []string
	put := func(name string, v ledger.Node) {
		fields = append(fields, name)
		body.Members = append(body.Members, ledger.NodeMember{Name: name, Node: v})
	}
	for _, s := range scalars() {
		v := p.Scalar(s.name)
		if v == nil {
			if s.clear && slices.Contains(sent, s.name) {
				put(s.name, ledger.Node{Kind: ledger.NodeNull})
			}
			continue
		}
		n, err := ledger.ParseJSON(v)
		if err != nil || n.Kind != ledger.NodeString {
			return sinks.Payload{}, fmt.Errorf("%s: %w", s.name, ledger.ErrFormat)
		}
		if s.max > 0 && ledger.Length(n.Text) > s.max {
			wrong = append(wrong, fmt.Sprintf("%s has more than %d characters", s.name, s.max))
		}
		put(s.name, n)
	}
	for _, c := range collections() {
		items := p.Items(settings.Resume, c.name)
		if len(items) == 0 && !slices.Contains(sent, c.name) {
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
	out := sinks.Payload{Fields: fields, Mapping: Mapping}
	if len(fields) > 0 { // Mokaru refuses a body without a field
		out.Body, out.Echo = body.Append(nil), echo(body, fields)
	}
	return out, nil
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
// compared: the named fields in order, nothing for null as null, a day without the time
// that reads add, and no isCurrent that is false.
func echo(n ledger.Node, fields []string) []byte {
	out := ledger.Node{Kind: ledger.NodeObject}
	put := func(name string, v ledger.Node) {
		out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
	}
	for _, s := range scalars() {
		if !slices.Contains(fields, s.name) {
			continue
		}
		v, _ := n.Member(s.name) // absent is null
		if s.day {
			v = day(v)
		}
		put(s.name, v)
	}
	for _, c := range collections() {
		if !slices.Contains(fields, c.name) {
			continue
		}
		v, _ := n.Member(c.name)
		list := ledger.Node{Kind: ledger.NodeArray}
		for _, item := range v.Elems {
			item = pick(item, c.members)
			item.Members = slices.DeleteFunc(item.Members, func(m ledger.NodeMember) bool { return m.Node.Kind == ledger.NodeBool && !m.Node.Bool })
			for i := range item.Members {
				item.Members[i].Node = day(item.Members[i].Node)
			}
			list.Elems = append(list.Elems, item)
		}
		put(c.name, list)
	}
	return out.Append(nil)
}

func day(n ledger.Node) ledger.Node {
	n.Text = strings.TrimSuffix(n.Text, midnight)
	return n
}
