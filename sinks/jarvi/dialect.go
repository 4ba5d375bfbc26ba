package jarvi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules that make bodies. It is part of every hash: when
// the rules change, every account is brought up to date once.
const Mapping = 1

// Entity is the name of the root lane.
const Entity = "profile"

// The members of a body that every request has, and that none has.
const (
	externalID = "externalId"
	markMember = "mark" // of our own: see mark
)

// field is one field of the page.
type field struct {
	name     string   // Jarvi's
	from     []string // the catalogue's
	readable bool     // a read shows it, in a form that can be compared
}

// The fields that are made of several.
const (
	phoneNumbers = "phoneNumbers"
	emails       = "emailAddresses"
	location     = "location"
)

// otherEmails are the addresses after the first.
const otherEmails = ledger.Jarvi + "." + emails

// fields are in the order of the page, which is the order in a body. The custom fields
// come after them, by uuid.
var fields = []field{
	{"projectId", []string{"jarvi.projectId"}, false},
	{"firstName", []string{"firstName"}, true},
	{"lastName", []string{"lastName"}, true},
	{emails, []string{"email", otherEmails}, false},
	{phoneNumbers, []string{"phone", "phones"}, false},
	{"linkedinUrl", []string{"linkedIn"}, false},
	{location, []string{"city", "country"}, false},
	{"headline", []string{"headline"}, true},
	{"currentCompanyName", []string{"employer"}, false},
	{"currentCompanyId", []string{"jarvi.currentCompanyId"}, false},
	{"currentPosition", []string{"jobTitle"}, false},
}

// custom begins the catalogue's names of the custom fields; a uuid follows, which is the
// name at Jarvi.
const custom = "jarvi.custom."

// profileLane is what most events concern.
var profileLane = []string{Entity}

// concerns names the lanes whose body an event can change. Locale variants are not
// carried. What is about the connection itself concerns all.
func concerns(e *ledger.Event) (lanes []string, all bool) {
	switch s, ok := sectionFrom(e.Field); {
	case e.Field == "":
		return nil, true
	case e.Field == ledger.Connections:
		return nil, e.Item == ledger.Jarvi
	case ok && e.Item != "":
		return []string{sinks.ItemEntity(s.name, e.Item)}, false
	case strings.HasPrefix(e.Field, custom), slices.ContainsFunc(fields, func(f field) bool { return slices.Contains(f.from, e.Field) }):
		return profileLane, false
	}
	return nil, false
}

// build makes what an entity should be, from an opened state.
func build(entity string, p *ledger.Profile) (sinks.Payload, error) {
	settings, connected, err := sinks.SettingsOf(p, ledger.Jarvi)
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case !connected:
		return sinks.Payload{}, fmt.Errorf("connection: %w", ledger.ErrNotFound)
	}
	account := settings.Account
	if account == "" {
		account = p.ID.String()
	}
	name, item := sinks.SplitEntity(entity)
	s, isSection := sectionOf(name)
	switch {
	case entity == Entity:
		return buildProfile(p, account)
	case isSection && item != "":
		return s.build(p, account, item)
	case isSection:
		return sinks.Payload{Mapping: Mapping}, nil // there is no order to be told
	}
	return sinks.Payload{}, fmt.Errorf("jarvi: no lane %q: %w", entity, ledger.ErrNotFound)
}

// buildProfile makes the profile's body: what the state has of the page, and nothing else.
// What was there before makes no difference: nothing can be cleared.
func buildProfile(p *ledger.Profile, account string) (sinks.Payload, error) {
	var sent []ledger.NodeMember
	var unread, shown []string
	for _, f := range fields {
		v, err := f.value(p)
		if err != nil {
			return sinks.Payload{}, err
		}
		if v.Kind == ledger.NodeNull {
			continue
		}
		sent = append(sent, member(f.name, v))
		if f.readable {
			shown = append(shown, f.name)
			continue
		}
		for _, name := range f.from {
			unread = append(unread, origins(p, name)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Shared)) {
		uuid, ok := strings.CutPrefix(name, custom)
		if !ok {
			continue
		}
		v, err := scalar(p, name)
		if err != nil {
			return sinks.Payload{}, err
		}
		if v.Kind != ledger.NodeNull {
			sent = append(sent, member(uuid, v))
			unread = append(unread, origins(p, name)...)
		}
	}
	out := sinks.Payload{Mapping: Mapping}
	if len(sent) == 0 {
		return out, nil
	}
	m := mark(unread)
	body := object(append([]ledger.NodeMember{member(markMember, ledger.TextNode(m)), member(externalID, ledger.TextNode(account))}, sent...)...)
	out.Body = body.Append(nil)
	out.Fields = append([]string{m}, shown...)
	out.Echo = echo(body, shown, m)
	return out, nil
}

// markPrefix begins a mark; no field's name does.
const markPrefix = "mark-"

// mark stands for the fields that no read shows: by where their values come from, and
// without the values. Other values have another mark.
func mark(origins []string) string {
	sum := sha256.Sum256([]byte(strings.Join(origins, " ")))
	return markPrefix + hex.EncodeToString(sum[:6])
}

// origins are the commits that set a field, or a collection's items.
func origins(p *ledger.Profile, name string) (out []string) {
	if cell, ok := p.Shared[name]; ok && cell.Value != nil {
		out = append(out, fmt.Sprintf("%s=%d.%d", name, cell.Seq, cell.Index))
	}
	if c := p.Lists[name]; c != nil {
		for _, id := range c.Order {
			out = append(out, fmt.Sprintf("%s/%s=%d.%d", name, id, c.Items[id].Seq, c.Items[id].Index))
		}
	}
	return out
}

// value is what a field should be; null when the state has nothing for it.
func (f field) value(p *ledger.Profile) (ledger.Node, error) {
	switch f.name {
	case phoneNumbers:
		var numbers []string
		for _, item := range p.Items(ledger.Shared, "phones") {
			n, err := ledger.ParseJSON(item.Value)
			number, _ := n.Member("number")
			if err != nil || number.Kind != ledger.NodeString {
				return ledger.Node{}, fmt.Errorf("phones: %w", ledger.ErrFormat)
			}
			numbers = append(numbers, number.Text)
		}
		return list(f.name, numbers)
	case emails:
		addresses, err := addressesOf(p)
		if err != nil {
			return ledger.Node{}, err
		}
		return list(f.name, addresses)
	case location:
		var places []string
		for _, name := range f.from {
			n, err := scalar(p, name)
			if err != nil {
				return n, err
			}
			if n.Text != "" {
				places = append(places, n.Text)
			}
		}
		if len(places) == 0 {
			return ledger.Node{}, nil
		}
		return ledger.TextNode(strings.Join(places, ", ")), nil
	}
	return scalar(p, f.from[0])
}

// addressesOf are the e-mail addresses of a profile, each once: the one that it has
// everywhere, and those that Jarvi alone has.
func addressesOf(p *ledger.Profile) (addresses []string, err error) {
	first, err := scalar(p, "email")
	if err != nil {
		return nil, err
	}
	if first.Kind == ledger.NodeString {
		addresses = append(addresses, first.Text)
	}
	v := p.Scalar(otherEmails)
	if v == nil {
		return addresses, nil
	}
	rest, err := ledger.ParseJSON(v)
	if err != nil || rest.Kind != ledger.NodeArray {
		return nil, fmt.Errorf("%s: %w", otherEmails, ledger.ErrFormat)
	}
	for _, e := range rest.Elems {
		if !slices.Contains(addresses, e.Text) {
			addresses = append(addresses, e.Text)
		}
	}
	return addresses, nil
}

// scalar is a text of the state; null when it is not set.
func scalar(p *ledger.Profile, name string) (ledger.Node, error) {
	v := p.Scalar(name)
	if v == nil {
		return ledger.Node{}, nil
	}
	n, err := ledger.ParseJSON(v)
	if err != nil || n.Kind != ledger.NodeString {
		return ledger.Node{}, fmt.Errorf("%s: %w", name, ledger.ErrFormat)
	}
	return n, nil
}

// list is a list as Jarvi takes it: one text, parted by commas.
func list(name string, parts []string) (ledger.Node, error) {
	if slices.ContainsFunc(parts, func(s string) bool { return strings.Contains(s, ",") }) {
		return ledger.Node{}, &sinks.Unsendable{Why: name + " has an entry with a comma, and Jarvi would make two of it"}
	}
	if len(parts) == 0 {
		return ledger.Node{}, nil
	}
	return ledger.TextNode(strings.Join(parts, ", ")), nil
}

// echo is what can be compared of a body: the externalId, the named fields in order, and
// the mark.
func echo(n ledger.Node, names []string, m string) []byte {
	id, _ := n.Member(externalID)
	out := object(member(externalID, id))
	for _, f := range fields {
		if v, ok := n.Member(f.name); ok && f.readable && slices.Contains(names, f.name) && v.Kind == ledger.NodeString && v.Text != "" {
			out.Members = append(out.Members, member(f.name, v))
		}
	}
	out.Members = append(out.Members, member(markMember, ledger.TextNode(m)))
	return out.Append(nil)
}

// parseBody reads a body of our own: the request, and its mark. ok is false when it is
// none, or names nobody.
func parseBody(body []byte) (request ledger.Node, m string, ok bool) {
	n, err := ledger.ParseJSON(body)
	id, _ := n.Member(externalID)
	if err != nil || id.Kind != ledger.NodeString || id.Text == "" {
		return ledger.Node{}, "", false
	}
	v, _ := n.Member(markMember)
	n.Members = slices.DeleteFunc(n.Members, func(m ledger.NodeMember) bool { return m.Name == markMember })
	return n, v.Text, true
}

func object(members ...ledger.NodeMember) ledger.Node {
	return ledger.Node{Kind: ledger.NodeObject, Members: members}
}

func member(name string, v ledger.Node) ledger.NodeMember {
	return ledger.NodeMember{Name: name, Node: v}
}
