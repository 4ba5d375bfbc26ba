package ledger

import (
	"maps"
	"slices"
)

// ItemOut is an item of a replaced list with the id it has from now on.
type ItemOut struct {
	ID    string
	Value Value
	Known bool // the id was in the old list
	// Changed: the item is new, or its value differs from the old one byte for byte.
	Changed bool
}

// Match gives every item of a replaced list its id, so that a list written again whole
// becomes edits of the items that it was meant to change. The passes, each over the
// items in order that are still without an id, and only among old items not yet taken:
//
//  1. An item with an id keeps it, whether the old list had it or not.
//  2. An item takes the first old item with the same content.
//  3. An item takes the first old item with the same natural key (Field.NaturalKey:
//     the named members, not all absent, equal in each).
//  4. An item takes the first old item that is the same in all other members, if it
//     has any: the name was edited.
//  5. What is left is new and gets newID().
//
// So writing a list back as it was changes nothing, moving items keeps their ids, and
// twins are taken in order. old is the opened collection, or nil for none. No id is
// given twice as long as the given ids differ (see DuplicateIDs).
func Match(f Field, old *Collection, items []ItemIn, newID func() string) []ItemOut {
	out := make([]ItemOut, len(items))
	m := matcher{old: old, used: map[string]bool{}}
	for i, item := range items {
		out[i].Value = item.Value
		if item.ID != "" {
			out[i].ID = item.ID
			m.used[item.ID] = true
		}
	}
	if old != nil {
		m.pass(out, func(v Value) string { return string(v) })
		m.pass(out, func(v Value) string { return part(v, f.NaturalKey, true) })
		m.pass(out, func(v Value) string { return part(v, f.NaturalKey, false) })
	}
	for i := range out {
		o := &out[i]
		for o.ID == "" {
			if id := newID(); id != "" && !m.used[id] && !m.has(id) {
				o.ID = id
			}
		}
		m.used[o.ID] = true
		if o.Known = m.has(o.ID); !o.Known || !old.Items[o.ID].Value.Equal(o.Value) {
			o.Changed = true
		}
	}
	return out
}

type matcher struct {
	old  *Collection
	used map[string]bool // ids that a new item has
}

func (m *matcher) has(id string) bool {
	if m.old == nil {
		return false
	}
	_, ok := m.old.Items[id]
	return ok
}

// pass pairs items without an id with free old items of the same key, in order. The
// empty key pairs with nothing.
func (m *matcher) pass(out []ItemOut, key func(Value) string) {
	free := map[string][]string{}
	for _, id := range m.old.Order {
		if !m.used[id] {
			if k := key(m.old.Items[id].Value); k != "" {
				free[k] = append(free[k], id)
			}
		}
	}
	for i := range out {
		if out[i].ID != "" {
			continue
		}
		k := key(out[i].Value)
		if ids := free[k]; len(ids) > 0 {
			out[i].ID, free[k] = ids[0], ids[1:]
			m.used[ids[0]] = true
		}
	}
}

// part gives the members of an item that are (or are not) named, as text to compare by;
// "" when there are none.
func part(v Value, names []string, named bool) string {
	n, err := ParseJSON(v)
	if err != nil {
		return "" // not opened, or not an item: it matches nothing
	}
	rest := Node{Kind: NodeObject}
	for _, m := range n.Members {
		if slices.Contains(names, m.Name) == named {
			rest.Members = append(rest.Members, m)
		}
	}
	if len(rest.Members) == 0 {
		return ""
	}
	return string(rest.Append(nil))
}

// sortedKeys gives a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
