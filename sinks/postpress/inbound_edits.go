package postpress

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"vitae/ledger"
	"vitae/sinks"
)

// finish makes what depends on more than one part, or on the state.
func (r *inbound) finish() {
	r.location()
	for _, name := range []string{Picture, CoverPicture} {
		r.settings(name)
	}
	r.current()
	r.link()
}

// location checks what belongs together.
func (r *inbound) location() {
	const id, code = "location[id]", "location[postal_code]"
	if g := r.byName[code]; g != nil {
		if r.byName[id] == nil {
			r.refuse(id, ledger.CodeRequired, "is required in location")
		}
		if len(g.parts) == 1 && !g.parts[0].File && ledger.Length(g.parts[0].Text) != 5 {
			r.refuse(code, ledger.CodeTooLong, "must have exactly 5 characters")
		}
	}
}

// settings takes away the settings of the picture before: how that was cut is not how a
// new one is.
func (r *inbound) settings(name string) {
	if r.byName[name] == nil || r.spoilt[name] {
		return
	}
	for _, f := range ledger.Catalogue() {
		if strings.HasPrefix(f.Name, pictures[name].settings) && r.p.Scalar(f.Name) != nil {
			setAt(r.patch, strings.Split(f.Name, "."), ledger.Node{}) // only where nothing new is
		}
	}
}

// current ends an entry that has been the current one, when it is given an end.
func (r *inbound) current() {
	for _, s := range sections {
		item, id := r.sections[s.from], r.ids[s.from]
		if item == nil || id == "" || indexOf(item, "endDate") < 0 {
			continue
		}
		for _, old := range r.p.Items(ledger.Base, s.from) {
			n, err := ledger.ParseJSON(old.Value)
			if is, _ := n.Member("isCurrent"); old.ID == id && err == nil && is.Bool {
				setAt(item, []string{"isCurrent"}, ledger.Node{Kind: ledger.NodeBool})
			}
		}
	}
}

// skills makes the whole list of the names. An item keeps what else is known of it. A name
// that comes more often than there are items of it is there once.
func (r *inbound) skills(g *group) {
	given, ok := r.texts(g)
	if !ok {
		return
	}
	var old []ledger.NodeMember // by name
	for _, item := range r.p.Items(ledger.Base, skillsKey) {
		n, err := ledger.ParseJSON(item.Value)
		if err != nil {
			continue // what cannot be read is not kept by its name
		}
		name, _ := n.Member("name")
		n.Members = append([]ledger.NodeMember{{Name: "id", Node: ledger.TextNode(item.ID)}}, n.Members...)
		old = append(old, ledger.NodeMember{Name: name.Text, Node: n})
	}
	list := ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{}}
	seen := map[string]bool{}
	for _, e := range given.Elems {
		name := norm.NFC.String(e.Text)
		i := slices.IndexFunc(old, func(m ledger.NodeMember) bool { return norm.NFC.String(m.Name) == name })
		switch {
		case i >= 0:
			list.Elems = append(list.Elems, old[i].Node)
			old = slices.Delete(old, i, i+1)
		case !seen[name]:
			list.Elems = append(list.Elems, ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "name", Node: e}}})
		}
		seen[name] = true
	}
	setAt(r.patch, []string{skillsKey}, list)
}

// link puts the one link where its type says.
func (r *inbound) link() {
	const top = "custom_link"
	given := slices.ContainsFunc(r.groups, func(g *group) bool { return topOf(g.name) == top })
	if !given {
		return
	}
	for _, name := range []string{linkType, linkURL} {
		if r.byName[name] == nil {
			r.refuse(name, ledger.CodeRequired, "is required in custom_link")
		}
	}
	address, ok := r.text(r.byName[linkURL])
	if !ok || r.spoilt[top] {
		return
	}
	kind := r.byName[linkType].parts[0].Text
	switch kind {
	case "WEBSITE", "PORTFOLIO":
		setAt(r.patch, []string{strings.ToLower(kind)}, ledger.TextNode(address))
		return
	}
	url := ledger.NodeMember{Name: "url", Node: ledger.TextNode(address)}
	for _, item := range r.p.Items(ledger.Shared, "websites") {
		n, err := ledger.ParseJSON(item.Value)
		if category, _ := n.Member("category"); err == nil && strings.EqualFold(category.Text, kind) {
			r.items = append(r.items, sinks.ItemEdit{Op: sinks.PatchItem, Field: "websites", Item: item.ID,
				Body: ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{url}}.Append(nil)})
			return
		}
	}
	r.items = append(r.items, sinks.ItemEdit{Op: sinks.AddItem, Field: "websites", Body: ledger.Node{Kind: ledger.NodeObject,
		Members: []ledger.NodeMember{url, {Name: "category", Node: ledger.TextNode(kind)}}}.Append(nil)})
}

// edits are what was read, without the top-level keys that have a fault.
func (r *inbound) edits() (e sinks.Edits) {
	patch := object()
	for _, m := range r.patch.Members {
		if m.Name == ledger.PostPress {
			var kept []ledger.NodeMember
			for _, inner := range m.Node.Members {
				if !r.spoilt[snake(inner.Name)] {
					kept = append(kept, inner)
				}
			}
			if m.Node.Members = kept; len(kept) == 0 {
				continue
			}
		} else if r.spoilt[topOf(NameOf("", "/"+m.Name))] {
			continue
		}
		patch.Members = append(patch.Members, m)
	}
	if len(patch.Members) > 0 {
		e.Patch = patch.Append(nil)
	}
	for _, s := range sections {
		item, id := r.sections[s.from], r.ids[s.from]
		switch {
		case item == nil || r.spoilt[s.name]:
		case id == "":
			e.Items = append(e.Items, sinks.ItemEdit{Op: sinks.AddItem, Field: s.from, Body: item.Append(nil)})
		default:
			// With its id the body says something even if it says nothing else.
			item.Members = append(item.Members, ledger.NodeMember{Name: "id", Node: ledger.TextNode(id)})
			e.Items = append(e.Items, sinks.ItemEdit{Op: sinks.PatchItem, Field: s.from, Item: id, Body: item.Append(nil)})
		}
	}
	e.Items = append(e.Items, r.items...)
	return e
}

// snake is a catalogue's name as a form has it: pictureSettings is picture_settings.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
