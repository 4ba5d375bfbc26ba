package postpress

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
)

// Sections says how many entries of which sections are asked for; a preview has the first
// two of each.
type Sections map[string]int

const (
	everything = 1 << 30
	preview    = 2
)

// skillsSection is a section that can be read, besides those with entries to edit.
const skillsSection = "skills"

// SectionsOf reads the values of linkedin_sections: names parted by commas, "*" for all,
// with "_preview" behind for the first entries. ok is false for a name that is none.
func SectionsOf(values []string) (asked Sections, ok bool) {
	known := []string{skillsSection}
	for _, s := range sections {
		known = append(known, s.name)
	}
	asked = Sections{}
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		most := everything
		if whole, short := strings.CutSuffix(name, "_preview"); short {
			name, most = whole, preview
		}
		switch {
		case name == "*":
			for _, k := range known {
				asked[k] = max(asked[k], most)
			}
		case slices.Contains(known, name):
			asked[name] = max(asked[name], most)
		case name != "" || len(values) > 1:
			return nil, false
		}
	}
	return asked, true
}

// view is a JSON object in the order in which it is written.
type view struct{ ledger.Node }

func (r *view) put(name string, v ledger.Node) {
	r.Members = append(r.Members, ledger.NodeMember{Name: name, Node: v})
}

func (r *view) text(name, v string) { r.put(name, ledger.TextNode(v)) }

// optional puts a text that is not empty.
func (r *view) optional(name, v string) {
	if v != "" {
		r.text(name, v)
	}
}

// textOf is a scalar that is a text; "" when it is not set.
func textOf(p *ledger.Profile, field string) string {
	var s string
	if v := p.Scalar(field); v == nil || json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// shown begins what both reads have in common. The person's id is the profile's; the
// public identifier is what their LinkedIn address ends with.
func shown(object string, p *ledger.Profile) *view {
	r := &view{ledger.Node{Kind: ledger.NodeObject}}
	r.text("object", object)
	r.text("provider", "LINKEDIN")
	r.text("provider_id", p.ID.String())
	if object == "AccountOwnerProfile" {
		r.text("entity_urn", "urn:vitae:profile:"+p.ID.String())
		r.text("object_urn", "urn:vitae:member:"+p.ID.String())
	}
	r.text("first_name", textOf(p, "firstName"))
	r.text("last_name", textOf(p, "lastName"))
	picture := textOf(p, "picture")
	if picture != "" {
		picture = "/v1/files/" + picture
	}
	r.text("profile_picture_url", picture)
	r.optional("public_profile_url", textOf(p, "linkedIn"))
	r.optional("public_identifier", publicOf(p))
	r.optional("headline", textOf(p, "headline"))
	var place []string
	for _, field := range []string{"city", "province", "country"} {
		if v := textOf(p, field); v != "" {
			place = append(place, v)
		}
	}
	r.optional("location", strings.Join(place, ", "))
	return r
}

// publicOf is the name in a LinkedIn address: jane of https://www.linkedin.com/in/jane.
func publicOf(p *ledger.Profile) string {
	u, err := url.Parse(textOf(p, "linkedIn"))
	if err != nil {
		return ""
	}
	name, ok := strings.CutPrefix(u.Path, "/in/")
	name = strings.TrimSuffix(name, "/")
	if !ok || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// Is says whether an identifier names the person: the profile's id, or the public
// identifier.
func Is(p *ledger.Profile, identifier string) bool {
	return identifier != "" && (identifier == p.ID.String() || identifier == publicOf(p))
}

// Owner is the profile of an account's owner, as JSON. It has no summary and no sections.
func Owner(p *ledger.Profile) []byte {
	r := shown("AccountOwnerProfile", p)
	r.text("email", textOf(p, "email"))
	r.put("premium", ledger.Node{Kind: ledger.NodeBool})
	r.put("open_profile", ledger.Node{Kind: ledger.NodeBool})
	r.optional("occupation", textOf(p, "jobTitle"))
	r.put("organizations", ledger.Node{Kind: ledger.NodeArray})
	r.put("recruiter", ledger.Node{})
	r.put("sales_navigator", ledger.Node{})
	return r.Append(nil)
}

// User is the profile with the sections that are asked for, as JSON. The entries are those
// of base, with their ids; a date without a month has the year alone.
func User(p *ledger.Profile, asked Sections) []byte {
	r := shown("UserProfile", p)
	r.optional("summary", textOf(p, "summary"))
	sites := ledger.Node{Kind: ledger.NodeArray}
	for _, name := range []string{"website", "portfolio"} {
		if v := textOf(p, name); v != "" {
			sites.Elems = append(sites.Elems, ledger.TextNode(v))
		}
	}
	for _, n := range values(p, ledger.Shared, "websites") {
		v, _ := n.Member("url")
		sites.Elems = append(sites.Elems, v)
	}
	r.put("websites", sites)
	r.put("contact_info", ledger.Node{Kind: ledger.NodeObject})
	if parts := strings.Split(textOf(p, "birthDate"), "-"); len(parts) == 3 {
		r.put("birthdate", numbers("month", parts[1], "day", parts[2]))
	}
	for i := range sections {
		s := &sections[i]
		r.section(s.name, values(p, ledger.Base, s.from), asked, s.show)
	}
	r.section(skillsSection, values(p, ledger.Base, "skills"), asked, func(n ledger.Node) ledger.Node {
		name, _ := n.Member("name")
		return ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "name", Node: name}}}
	})
	return r.Append(nil)
}

// values are a collection's items, each with its id.
func values(p *ledger.Profile, view, field string) (out []ledger.Node) {
	for _, item := range p.Items(view, field) {
		n, err := ledger.ParseJSON(item.Value)
		if err != nil {
			continue // it was checked when it was stored
		}
		n.Members = append([]ledger.NodeMember{{Name: "id", Node: ledger.TextNode(item.ID)}}, n.Members...)
		out = append(out, n)
	}
	return out
}

// section puts a section, if it is asked for, and how many entries there are in all.
func (r *view) section(name string, all []ledger.Node, asked Sections, show func(ledger.Node) ledger.Node) {
	most, ok := asked[name]
	if !ok {
		return
	}
	list := ledger.Node{Kind: ledger.NodeArray}
	for _, n := range all[:min(len(all), most)] {
		list.Elems = append(list.Elems, show(n))
	}
	r.put(name, list)
	r.put(name+"_total_count", number(len(all)))
}

// show is an entry with the names that it has in a form.
func (s *section) show(n ledger.Node) ledger.Node {
	out := &view{ledger.Node{Kind: ledger.NodeObject}}
	id, _ := n.Member("id")
	out.put("id", id)
	for _, m := range s.members {
		v, ok := path(n, m.from)
		if !ok {
			continue
		}
		if m.to == startDate || m.to == endDate {
			if date, ok := dateOf(v); ok {
				v = ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "month", Node: number(date.month)}, {Name: "year", Node: number(date.year)}}}
			} else {
				v = numbers("year", v.Text[:min(len(v.Text), 4)])
			}
		}
		out.put(m.to, v)
	}
	return out.Node
}

func number(v int) ledger.Node {
	return ledger.Node{Kind: ledger.NodeNumber, Text: strconv.Itoa(v)}
}

// numbers is an object of pairs of a name and digits; what is no number is left out.
func numbers(pairs ...string) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeObject}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v, err := strconv.Atoi(pairs[i+1]); err == nil {
			out.Members = append(out.Members, ledger.NodeMember{Name: pairs[i], Node: number(v)})
		}
	}
	return out
}
