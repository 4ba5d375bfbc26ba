package history

import (
	"slices"

	"vitae/ledger"
)

// Change is one difference between two states.
type Change struct {
	View, Field, Item string
	// Op is what leads from the one to the other: set, clear, put, remove, order; created
	// and deleted for a resume, bound and deleted for a connection.
	Op ledger.Op
	// From and To are the values; one without a value is not there.
	From, To ledger.Cell
	// FromOrder and ToOrder are the items' ids, of op order.
	FromOrder, ToOrder []string
}

// Diff lists what leads from one state of a profile to another, by the least edits: values
// that are equal are no difference, whoever wrote them and when. Both states are open.
//
// Views come in the order shared, base, other resumes by age; in a view its coming or going
// first, then fields in the order of the catalogue, and connections behind the shared ones.
// In a collection the removes come first, then puts in the order of the newer state, then
// one order where removes and puts alone would leave another one. Equal states give equal
// lists.
func Diff(from, to *ledger.Profile) []Change {
	var d differ
	for _, view := range views(from, to) {
		d.view(view, partOf(from, view), partOf(to, view), HasView(from, view), HasView(to, view))
		if view == ledger.Shared {
			d.connections(from, to)
		}
	}
	return d.out
}

// DiffViews lists what leads from one view of a state to a view of another state, as
// changes of the latter view: two resumes beside each other.
func DiffViews(from *ledger.Profile, fromView string, to *ledger.Profile, toView string) []Change {
	var d differ
	d.view(toView, partOf(from, fromView), partOf(to, toView), true, true)
	if fromView == ledger.Shared && toView == ledger.Shared {
		d.connections(from, to)
	}
	return d.out
}

type differ struct{ out []Change }

func (d *differ) view(view string, from, to part, was, is bool) {
	switch {
	case !was && is:
		d.out = append(d.out, Change{View: view, Op: ledger.OpCreated})
	case was && !is:
		d.out = append(d.out, Change{View: view, Op: ledger.OpDeleted})
	}
	marks := map[string]bool{}
	for _, m := range []map[string]*ledger.Collection{from.lists, to.lists} {
		for name := range m {
			marks[name] = true
		}
	}
	for _, m := range []map[string]ledger.Cell{from.scalars, to.scalars} {
		for name := range m {
			marks[name] = true
		}
	}
	for _, name := range sorted(marks) {
		a, before := from.scalars[name]
		b, after := to.scalars[name]
		switch {
		case after && !(before && a.Value.Equal(b.Value)):
			d.out = append(d.out, Change{View: view, Field: name, Op: ledger.OpSet, From: a, To: b})
		case before && !after:
			d.out = append(d.out, Change{View: view, Field: name, Op: ledger.OpClear, From: a})
		}
		d.list(view, name, from.list(name), to.list(name))
	}
}

func (d *differ) list(view, field string, from, to *ledger.Collection) {
	var got []string // the order that removes and puts alone lead to
	for _, id := range from.Order {
		if _, stays := to.Items[id]; stays {
			got = append(got, id)
			continue
		}
		d.out = append(d.out, Change{View: view, Field: field, Item: id, Op: ledger.OpRemove, From: from.Items[id]})
	}
	for _, id := range to.Order {
		a, before := from.Items[id]
		b := to.Items[id]
		if !before {
			got = append(got, id)
		}
		if !before || !a.Value.Equal(b.Value) {
			d.out = append(d.out, Change{View: view, Field: field, Item: id, Op: ledger.OpPut, From: a, To: b})
		}
	}
	if !slices.Equal(got, to.Order) {
		d.out = append(d.out, Change{View: view, Field: field, Op: ledger.OpOrder, FromOrder: from.Order, ToOrder: to.Order})
	}
}

func (d *differ) connections(from, to *ledger.Profile) {
	for _, provider := range sorted(from.Connections, to.Connections) {
		a, before := from.Connections[provider]
		b, after := to.Connections[provider]
		switch {
		case after && !(before && a.Value.Equal(b.Value)):
			d.out = append(d.out, Change{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpBound, From: a, To: b})
		case before && !after:
			d.out = append(d.out, Change{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpDeleted, From: a})
		}
	}
}
