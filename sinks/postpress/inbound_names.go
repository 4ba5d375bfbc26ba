package postpress

import (
	"strings"

	"vitae/ledger"
)

// target is what a name in a form stands for in a profile.
type target struct {
	field string   // of the catalogue
	path  []string // members, inside the field or its item
	kind  ledger.Kind
}

// names are the two directions between a form and the catalogue.
type names struct {
	to   map[string]target // by the name in the form
	from map[string]string // the name in the form, by field and members with slashes between
}

var formNames = newNames()

// newNames reads the catalogue's homes at PostPress. Where two things have one home the
// first has it.
func newNames() names {
	n := names{to: map[string]target{}, from: map[string]string{}}
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.PostPress) {
			n.add(h, target{field: f.Name, kind: f.Kind})
		}
		n.members(f.Item, target{field: f.Name})
	}
	for _, s := range sections {
		n.from[s.from+"/id"] = s.name + "[id]"
	}
	return n
}

func (n names) add(h ledger.Home, t target) {
	if h.As == "" {
		return
	}
	if _, taken := n.to[h.As]; !taken {
		n.to[h.As] = t
	}
	key := strings.ReplaceAll(strings.Join(append([]string{t.field}, t.path...), "/"), ".", "/")
	if n.from[key] == "" {
		n.from[key] = h.As
	}
}

func (n names) members(all []ledger.Member, in target) {
	for _, m := range all {
		t := target{field: in.field, path: append(in.path[:len(in.path):len(in.path)], m.Name), kind: m.Kind}
		for _, h := range m.Homes {
			if h.Provider == ledger.PostPress {
				n.add(h, t)
			}
		}
		n.members(m.Members, t)
	}
}

// NameOf gives the name in a form for a place in a native request: a pointer into a patch
// of the profile, or, with a collection's name, into one of its items. What has no name in
// a form is named by what it is in; "" when that has none either.
func NameOf(collection, pointer string) string {
	parts := []string{}
	if collection != "" {
		parts = append(parts, collection)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part != "" && strings.Trim(part, "0123456789") != "" { // places in a list have no name
			parts = append(parts, part)
		}
	}
	for ; len(parts) > 0; parts = parts[:len(parts)-1] {
		if name := formNames.from[strings.Join(parts, "/")]; name != "" {
			return name
		}
	}
	return ""
}

// FormFields gives the names that a form can have besides type and account_id, with what
// each takes. Members of KindAny have names of the caller's own.
func FormFields() map[string]ledger.Kind {
	out := map[string]ledger.Kind{skillsKey: ledger.KindTexts}
	for name, t := range formNames.to {
		switch t.kind {
		case ledger.KindList, ledger.KindObject, ledger.KindObjects:
		case ledger.KindDate:
			out[name+"[month]"], out[name+"[year]"] = ledger.KindInteger, ledger.KindInteger
		default:
			out[name] = t.kind
		}
	}
	for _, s := range sections {
		out[s.name+"[id]"] = ledger.KindText
	}
	return out
}
