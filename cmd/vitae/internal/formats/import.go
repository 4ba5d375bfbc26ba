package formats

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"vitae/commands"
	"vitae/ledger"
)

// Import is what a file brings along, in values of the catalogue. Nothing of it is checked
// against the catalogue yet: Body does that.
type Import struct {
	values  []value
	lists   map[string][]item
	NotKept []Note // places of the file that have no field here
}

// Note says of a place what became of it; never with its value.
type Note struct {
	At  string `json:"at"` // in the file, or the field
	Why string `json:"why"`
}

// value is a scalar.
type value struct {
	field string
	value any
	from  string // its place in the file
}

// item is one of a collection's.
type item struct {
	members map[string]any
	from    string
	ongoing bool // it has a beginning and no end
}

// set takes a scalar. The first one of a field counts.
func (im *Import) set(field, from string, v any) {
	if v == nil || v == "" {
		return
	}
	if slices.ContainsFunc(im.values, func(o value) bool { return o.field == field }) {
		im.skip(from, "a profile has one; the first is taken")
		return
	}
	im.values = append(im.values, value{field, v, from})
}

func (im *Import) add(field string, it item) {
	for name, v := range it.members {
		if list, ok := v.([]string); v == nil || v == "" || ok && len(list) == 0 {
			delete(it.members, name)
		}
	}
	if len(it.members) == 0 {
		return
	}
	if im.lists == nil {
		im.lists = map[string][]item{}
	}
	im.lists[field] = append(im.lists[field], it)
}

func (im *Import) skip(at, why string) { im.NotKept = append(im.NotKept, Note{at, why}) }

// Mode is what becomes of the items of a collection that the file does not have.
type Mode string

// The modes.
const (
	Merge   Mode = "merge"   // they stay; what the file does not say of an item stays too
	Replace Mode = "replace" // the collections that the file has become those of the file
)

// Fields lists the fields that the file has a value for, sorted.
func (im *Import) Fields() []string {
	out := slices.Collect(maps.Keys(im.lists))
	for _, v := range im.values {
		out = append(out, v.field)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Bodies makes of the file the patches that bring it into a profile: one for what all
// resumes share and one for the collections of the resume, nil where there is nothing to
// say. now is the present state of that resume. only, unless it is empty, names the fields
// to take. Each value that the catalogue refuses is left out and noted in refused, with the
// catalogue's reason: the rest can be taken.
func (im *Import) Bodies(now *Resume, mode Mode, only []string) (shared, resume []byte, refused []Note, err error) {
	wanted := func(field string) bool { return len(only) == 0 || slices.Contains(only, field) }
	bodies := [2]map[string]any{{}, {}}
	for _, v := range im.values {
		if !wanted(v.field) {
			continue
		}
		if why, err := check(map[string]any{v.field: v.value}); why != "" || err != nil {
			if err != nil {
				return nil, nil, nil, err
			}
			refused = append(refused, Note{v.from, v.field + ": " + why})
			continue
		}
		bodies[0][v.field] = v.value
	}
	for _, f := range ledger.Catalogue() {
		items := im.lists[f.Name]
		if len(items) == 0 || !wanted(f.Name) {
			continue
		}
		list := newList(f, now.items(f.Name), mode)
		for _, it := range items {
			at, was := list.place(it)
			if it.ongoing && was == nil && hasMember(f, "isCurrent") {
				it.members["isCurrent"] = true
			}
			merged := merge(was, it.members, mode)
			if why, err := check(map[string]any{f.Name: []any{merged}}); why != "" || err != nil {
				if err != nil {
					return nil, nil, nil, err
				}
				refused = append(refused, Note{it.from, f.Name + ": " + why})
				if was == nil {
					continue
				}
				merged = was // it stays as it is
			}
			list.put(at, merged)
		}
		if len(list.items) == 0 {
			continue // nothing of it could be taken
		}
		which := 1
		if f.View == ledger.Shared {
			which = 0
		}
		bodies[which][f.Name] = list.items
	}
	var out [2][]byte
	for i, b := range bodies {
		if len(b) == 0 {
			continue
		}
		if out[i], err = json.Marshal(b); err != nil {
			return nil, nil, nil, err
		}
	}
	return out[0], out[1], refused, nil
}

// check asks the catalogue about a patch: "" when it can be taken.
func check(patch map[string]any) (why string, err error) {
	b, err := json.Marshal(patch)
	if err != nil {
		return "", err
	}
	_, err = commands.Patch(ledger.Base, b)
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		return "", err
	}
	var all []string
	for _, f := range refusal.Fields {
		// The pointer into the patch says which member it is, behind the field and the item.
		member := f.Pointer
		if parts := strings.SplitN(member, "/", 4); len(parts) == 4 {
			member = parts[3] + " "
		} else {
			member = ""
		}
		all = append(all, member+f.Message)
	}
	return strings.Join(all, "; "), nil
}

func hasMember(f ledger.Field, name string) bool {
	return slices.ContainsFunc(f.Item, func(m ledger.Member) bool { return m.Name == name })
}

// list is a collection that takes in items.
type list struct {
	field ledger.Field
	old   []map[string]any
	used  []bool
	items []any
	mode  Mode
}

func newList(f ledger.Field, old []map[string]any, mode Mode) *list {
	l := &list{field: f, old: old, used: make([]bool, len(old)), mode: mode}
	if mode == Merge {
		for _, o := range old {
			l.items = append(l.items, o)
		}
	}
	return l
}

// place finds the old item that a new one is about: one of the same natural key that began
// at the same time, or else one of the same natural key. at is -1 when there is none.
func (l *list) place(it item) (at int, was map[string]any) {
	same := func(o map[string]any, name string) bool {
		return strings.EqualFold(strings.TrimSpace(text(o, name)), strings.TrimSpace(text(it.members, name)))
	}
	for _, exactly := range []bool{true, false} {
		for i, o := range l.old {
			if l.used[i] || !slices.ContainsFunc(l.field.NaturalKey, func(k string) bool { return text(it.members, k) != "" }) {
				continue
			}
			matches := true
			for _, k := range l.field.NaturalKey {
				matches = matches && same(o, k)
			}
			if matches && (!exactly || !dated(o, it.members) || sameDay(text(o, "startDate"), text(it.members, "startDate"))) {
				l.used[i] = true
				return i, o
			}
		}
	}
	return -1, nil
}

func dated(a, b map[string]any) bool { return text(a, "startDate") != "" || text(b, "startDate") != "" }

// sameDay says that two dates are one, said more or less exactly.
func sameDay(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

func (l *list) put(at int, members map[string]any) {
	if l.mode == Merge && at >= 0 {
		l.items[at] = members
		return
	}
	l.items = append(l.items, members)
}

// merge puts what the file says of an item over what is known of it. A date that is known
// more exactly than the file says it stays as it is.
func merge(was, members map[string]any, mode Mode) map[string]any {
	out := map[string]any{}
	if mode == Merge {
		maps.Copy(out, was)
	} else if was != nil {
		out["id"] = was["id"]
	}
	for name, v := range members {
		if said, ok := v.(string); ok && strings.HasSuffix(strings.ToLower(name), "date") {
			if known := text(was, name); known != "" && strings.HasPrefix(known, said) {
				v = known
			}
		}
		out[name] = v
	}
	if out["id"] == ledger.PrimaryPhone {
		delete(out, "id") // it is the first of the list whatever it is called
	}
	return out
}
