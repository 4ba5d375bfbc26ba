package history

import (
	"cmp"
	"slices"
	"sync"

	"vitae/ledger"
)

// place is where one value lives: a scalar, an item of a collection, or a connection.
type place struct{ view, field, item string }

// ranks is the order of the catalogue, by name.
var ranks = sync.OnceValue(func() map[string]int {
	out := map[string]int{}
	for i, f := range ledger.Catalogue() {
		out[f.Name] = i
	}
	return out
})

// rank puts a field at its place in the catalogue: custom fields and what the catalogue
// does not have come last.
func rank(name string) int {
	f, _, ok := ledger.Lookup(name)
	if !ok {
		return len(ranks()) + 1
	}
	if r, ok := ranks()[f.Name]; ok {
		return r
	}
	return len(ranks())
}

// sorted gives names in the order of the catalogue, variants of a field by their names.
func sorted[V any](maps ...map[string]V) []string {
	var names []string
	for _, m := range maps {
		for name := range m {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	return slices.Compact(names)
}

// part is one view of a state: its scalars and collections.
type part struct {
	scalars map[string]ledger.Cell
	lists   map[string]*ledger.Collection
}

// partOf gives a view of a state; what is not there is empty.
func partOf(p *ledger.Profile, view string) part {
	switch re := p.Resumes[view]; {
	case view == ledger.Shared:
		return part{p.Shared, p.Lists}
	case re != nil:
		return part{re.Fields, re.Collections}
	}
	return part{}
}

// list gives a collection of the part; one that is not there is empty.
func (p part) list(field string) *ledger.Collection {
	if c := p.lists[field]; c != nil {
		return c
	}
	return &ledger.Collection{}
}

// views lists the views of states, each once: the shared one, base, then resumes by age.
func views(states ...*ledger.Profile) []string {
	out := []string{ledger.Shared}
	born := map[string]ledger.Seq{}
	for _, p := range states {
		for id, re := range p.Resumes {
			if _, ok := born[id]; !ok {
				born[id] = re.CreatedSeq
			}
		}
	}
	ids := make([]string, 0, len(born))
	for id := range born {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == ledger.Base:
			return -1
		case b == ledger.Base:
			return 1
		}
		return cmp.Or(cmp.Compare(born[a], born[b]), cmp.Compare(a, b))
	})
	return append(out, ids...)
}

// HasView says whether a state has a view.
func HasView(p *ledger.Profile, view string) bool {
	return view == ledger.Shared || p.Resumes[view] != nil
}
