package nexudus

import (
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules that make bodies. It is part of every hash: when
// the rules change, every account is brought up to date once.
const Mapping = 2

// Entity is the name of the root lane, the only one.
const Entity = "profile"

// clearing is how a field is emptied.
type clearing uint8

const (
	never clearing = iota // it cannot be: it is left out
	null                  // by null
	empty                 // by an empty text: null is refused
)

// field is one field of the page.
type field struct {
	name  string // the page's
	from  string // the catalogue's; "" for one that is made of several
	kind  ledger.NodeKind
	clear clearing
}

// The fields that are made of others, or brought into another form.
const (
	fullName  = "FullName"
	mobile    = "MobilePhone"
	countryID = "CountryId"
	billingID = "BillingCountryId"
	tags      = "ProfileTags"
	birthday  = "DateOfBirth"
	gender    = "Gender"
)

// fields are in the order of the page, which is the order in a body.
var fields = []field{
	{fullName, "", ledger.NodeString, never},
	{"NickName", "nickName", ledger.NodeString, null},
	{gender, "gender", ledger.NodeString, empty},
	{birthday, "birthDate", ledger.NodeString, null},
	{mobile, "", ledger.NodeString, null},
	{"LandLine", "landline", ledger.NodeString, null},
	{"Address", "address", ledger.NodeString, empty},
	{"PostCode", "postalCode", ledger.NodeString, empty},
	{"CityName", "city", ledger.NodeString, empty},
	{"State", "province", ledger.NodeString, empty},
	{countryID, "country", ledger.NodeString, never}, // as typed, in a body
	{"BillingName", "nexudus.billingName", ledger.NodeString, empty},
	{"BillingEmail", "nexudus.billingEmail", ledger.NodeString, empty},
	{"BillingAddress", "nexudus.billingAddress", ledger.NodeString, null},
	{"BillingPostCode", "nexudus.billingPostCode", ledger.NodeString, null},
	{"BillingCityName", "nexudus.billingCityName", ledger.NodeString, null},
	{"BillingState", "nexudus.billingState", ledger.NodeString, null},
	{billingID, "nexudus.billingCountryId", ledger.NodeNumber, never},
	{"TaxIDNumber", "nexudus.taxIDNumber", ledger.NodeString, empty},
	{"Position", "jobTitle", ledger.NodeString, null},
	{"CompanyName", "employer", ledger.NodeString, empty},
	{"BusinessArea", "sector", ledger.NodeString, null},
	{"ProfileSummary", "summary", ledger.NodeString, null},
	{"ProfileWebsite", "website", ledger.NodeString, null},
	{"ProfileIsPublic", "nexudus.profileIsPublic", ledger.NodeBool, never},
	{tags, "", ledger.NodeString, empty},
	{"Twitter", "twitter", ledger.NodeString, null},
	{"Linkedin", "linkedIn", ledger.NodeString, null},
	{"Github", "github", ledger.NodeString, null},
	{"Instagram", "instagram", ledger.NodeString, null},
	{"Facebook", "facebook", ledger.NodeString, null},
	{"Skype", "skype", ledger.NodeString, null},
	{"Telegram", "telegram", ledger.NodeString, null},
	{"OnHelpDeskMsg", "nexudus.onHelpDeskMsg", ledger.NodeBool, never},
	{"OnNewWallPost", "nexudus.onNewWallPost", ledger.NodeBool, never},
	{"OnNewBlogComment", "nexudus.onNewBlogComment", ledger.NodeBool, never},
	{"OnNewEventComment", "nexudus.onNewEventComment", ledger.NodeBool, never},
	{"ReceiveCommunityDigest", "nexudus.receiveCommunityDigest", ledger.NodeBool, never},
	{"SignUpToNewsletter", "nexudus.signUpToNewsletter", ledger.NodeBool, never},
}

// parts are the catalogue's fields that others are made of.
var parts = []string{"firstName", "lastName", "displayName", "phone", "phones", "skills"}

// profileLane is what every event of interest concerns.
var profileLane = []string{Entity}

// concerns names the lanes whose body an event can change. Locale variants are not
// carried. What is about a resume as a whole, or about the connection itself, concerns all.
func concerns(e *ledger.Event) (lanes []string, all bool) {
	switch {
	case e.Field == "":
		return nil, true
	case e.Field == ledger.Connections:
		return nil, e.Item == ledger.Nexudus
	case slices.Contains(parts, e.Field), slices.ContainsFunc(fields, func(f field) bool { return f.from == e.Field }):
		return profileLane, false
	}
	return nil, false
}

// build makes what the entity should be, from an opened state.
func build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	if entity != Entity {
		return sinks.Payload{}, fmt.Errorf("nexudus: no lane %q: %w", entity, ledger.ErrNotFound)
	}
	settings, connected, err := sinks.SettingsOf(p, ledger.Nexudus)
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case !connected:
		return sinks.Payload{}, fmt.Errorf("connection: %w", ledger.ErrNotFound)
	case p.Resumes[settings.Resume] == nil:
		return sinks.Payload{}, &sinks.Unsendable{Why: "the resume that the connection names is not there"}
	}
	body := ledger.Node{Kind: ledger.NodeObject}
	out := sinks.Payload{Mapping: Mapping}
	for _, f := range fields {
		v, err := f.value(p, settings.Resume)
		if err != nil {
			return sinks.Payload{}, err
		}
		switch {
		case v.Kind != ledger.NodeNull:
			if _, ours := countryOf(v.Text); f.name != billingID || ours {
				out.Fields = append(out.Fields, f.name)
			} // a number of the portal's own is sent, and not compared: which country it is only the portal knows
			body.Members = append(body.Members, ledger.NodeMember{Name: f.name, Node: v})
		case f.clear != never && slices.Contains(have.Fields, f.name):
			out.Clears = append(out.Clears, f.name)
		}
	}
	out.Echo = echo(wanted(body), out.Fields)
	if len(body.Members) > 0 {
		out.Body = body.Append(nil)
	}
	return out, nil
}

// value is what a field should be; null when the state has nothing for it.
func (f field) value(p *ledger.Profile, resume string) (ledger.Node, error) {
	switch f.name {
	case fullName:
		return nameOf(p)
	case mobile:
		return firstOf(p.Items(ledger.Shared, "phones"), "number")
	case tags:
		return tagsOf(p.Items(resume, "skills"))
	}
	return scalar(p, f.from, f.kind)
}

// scalar is a scalar of the state; null when it is not set.
func scalar(p *ledger.Profile, name string, kind ledger.NodeKind) (ledger.Node, error) {
	v := p.Scalar(name)
	if v == nil {
		return ledger.Node{}, nil
	}
	n, err := ledger.ParseJSON(v)
	if err != nil || n.Kind != kind {
		return ledger.Node{}, fmt.Errorf("%s: %w", name, ledger.ErrFormat)
	}
	return n, nil
}

// nameOf is the one name that the portal keeps: the display name, or else first and last.
func nameOf(p *ledger.Profile) (ledger.Node, error) {
	n, err := scalar(p, "displayName", ledger.NodeString)
	if err != nil || n.Kind == ledger.NodeString {
		return n, err
	}
	var words []string
	for _, name := range []string{"firstName", "lastName"} {
		n, err := scalar(p, name, ledger.NodeString)
		if err != nil {
			return n, err
		}
		if n.Text != "" {
			words = append(words, n.Text)
		}
	}
	if len(words) == 0 {
		return ledger.Node{}, nil
	}
	return ledger.TextNode(strings.Join(words, " ")), nil
}

// text is a member of an item that has to be a text.
func text(item ledger.Item, name string) (ledger.Node, error) {
	n, err := ledger.ParseJSON(item.Value)
	v, _ := n.Member(name)
	if err != nil || v.Kind != ledger.NodeString {
		return ledger.Node{}, fmt.Errorf("%s of an item: %w", name, ledger.ErrFormat)
	}
	return v, nil
}

func firstOf(items []ledger.Item, name string) (ledger.Node, error) {
	if len(items) == 0 {
		return ledger.Node{}, nil
	}
	return text(items[0], name)
}

// tagsOf is the one text of the skills' names.
func tagsOf(items []ledger.Item) (ledger.Node, error) {
	var names []string
	for _, item := range items {
		v, err := text(item, "name")
		if err != nil {
			return v, err
		}
		if strings.Contains(v.Text, ",") {
			return v, &sinks.Unsendable{Why: "a skill has a comma in its name, and Nexudus would make two tags of it"}
		}
		names = append(names, v.Text)
	}
	if len(names) == 0 {
		return ledger.Node{}, nil
	}
	return ledger.TextNode(strings.Join(names, ", ")), nil
}

// compose is the request that brings the profile to a body: its fields, and null or an
// empty text for those that are to be emptied, in the order of the page. countries are the
// portal's numbers of the body's countries, by field. nil when there is nothing to be said.
func compose(body ledger.Node, clears []string, countries map[string]string) []byte {
	out := ledger.Node{Kind: ledger.NodeObject}
	put := func(name string, v ledger.Node) {
		out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
	}
	for _, f := range fields {
		v, ok := body.Member(f.name)
		switch {
		case ok && countries[f.name] != "":
			put(f.name, ledger.Node{Kind: ledger.NodeNumber, Text: countries[f.name]})
		case ok:
			put(f.name, v)
		case !slices.Contains(clears, f.name):
		case f.clear == null:
			put(f.name, ledger.Node{})
		case f.clear == empty:
			put(f.name, ledger.TextNode(""))
		}
	}
	if len(out.Members) == 0 {
		return nil
	}
	return out.Append(nil)
}

// parseBody reads a body of our own; none is an empty object.
func parseBody(body []byte) (ledger.Node, error) {
	if body == nil {
		return ledger.Node{Kind: ledger.NodeObject}, nil
	}
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeObject {
		return n, fmt.Errorf("nexudus: a body of our own: %w", ledger.ErrFormat)
	}
	return n, nil
}

// wanted is a body as it is compared: its countries in the form that both sides have.
func wanted(body ledger.Node) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeObject, Members: slices.Clone(body.Members)}
	for i := range out.Members {
		switch m := &out.Members[i]; m.Name {
		case countryID:
			m.Node = ledger.TextNode(common(m.Node.Text))
		case billingID:
			if c, ours := countryOf(m.Node.Text); ours {
				m.Node = ledger.TextNode(c.TwoDigitsCode)
			}
		}
	}
	return out
}

// echo brings a body, or what a read gives, into the one form in which the two are
// compared: the named fields in order, without those that hold nothing. The country is in
// its common form already. Tags are a list, whichever form they came in.
func echo(n ledger.Node, names []string) []byte {
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, f := range fields {
		v, ok := n.Member(f.name)
		if !ok || !slices.Contains(names, f.name) {
			continue
		}
		switch f.name {
		case birthday:
			v = day(v)
		case gender:
			v = word(v)
		case tags:
			v = split(v)
		}
		if v.Kind == ledger.NodeNull || v.Kind == ledger.NodeString && v.Text == "" || v.Kind == ledger.NodeArray && len(v.Elems) == 0 {
			continue
		}
		out.Members = append(out.Members, ledger.NodeMember{Name: f.name, Node: v})
	}
	return out.Append(nil)
}

// split makes a list of tags, of one text or of a list of texts.
func split(v ledger.Node) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeArray}
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			out.Elems = append(out.Elems, ledger.TextNode(s))
		}
	}
	switch v.Kind {
	case ledger.NodeString:
		for s := range strings.SplitSeq(v.Text, ",") {
			add(s)
		}
	case ledger.NodeArray:
		for _, e := range v.Elems {
			if e.Kind != ledger.NodeString {
				return v // it is none of ours
			}
			add(e.Text)
		}
	default:
		return v
	}
	return out
}

// day cuts the time from a timestamp that is a day at midnight.
func day(v ledger.Node) ledger.Node {
	const length = len("2006-01-02")
	if v.Kind != ledger.NodeString || len(v.Text) <= length {
		return v
	}
	rest := strings.TrimSuffix(v.Text[length:], "Z")
	if rest, ok := strings.CutPrefix(rest, "T00:00:00"); ok && strings.Trim(rest, ".0") == "" {
		v.Text = v.Text[:length]
	}
	return v
}

// genders are the numbers that the portal's administration has for them.
var genders = map[string]string{"0": "", "1": "", "2": "Male", "3": "Female", "4": "Other", "5": "RatherNotSay"}

// word is a gender as a text, also where it is given as a number.
func word(v ledger.Node) ledger.Node {
	if name, ok := genders[v.Text]; ok && v.Kind == ledger.NodeNumber {
		return ledger.TextNode(name)
	}
	return v
}
