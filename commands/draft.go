package commands

import (
	"fmt"
	"slices"

	"vitae/ledger"
)

// draft gathers the events of one decision. It never changes the state it looks at.
type draft struct {
	p      *ledger.Profile
	env    ledger.Env
	events []ledger.Event
	errs   []ledger.FieldError
}

// begin opens a decision about a profile that must be there.
func begin(p *ledger.Profile, env ledger.Env) (*draft, error) {
	switch {
	case p.Erased:
		return nil, fmt.Errorf("profile %s: %w", p.ID, ledger.ErrErased)
	case p.Seq == 0:
		return nil, fmt.Errorf("profile %s: %w", p.ID, ledger.ErrNotFound)
	}
	return &draft{p: p, env: env}, nil
}

// hasView says whether a view can take edits; the error is ledger.ErrNotFound.
func (d *draft) hasView(view string) error {
	if view == ledger.Shared || d.p.Resumes[view] != nil {
		return nil
	}
	return fmt.Errorf("resume %s: %w", view, ledger.ErrNotFound)
}

// end closes the decision: the refusal if anything was wrong, else the events.
func (d *draft) end() ([]ledger.Event, error) {
	if len(d.errs) == 0 && len(d.events) > ledger.MaxEvents {
		d.refuse("", ledger.CodeTooMany, fmt.Sprintf("this comes to %d edits; one request may hold %d", len(d.events), ledger.MaxEvents))
	}
	if len(d.errs) > 0 {
		return nil, &ledger.Refusal{Fields: d.errs}
	}
	return d.events, nil
}

func (d *draft) refuse(pointer, code, message string) {
	d.errs = append(d.errs, ledger.FieldError{Pointer: pointer, Code: code, Message: message})
}

func (d *draft) add(e ledger.Event) { d.events = append(d.events, e) }

// set gives a scalar its value, unless it has it already.
func (d *draft) set(view, field string, old ledger.Cell, value, typed ledger.Value) {
	if !value.Equal(old.Value) {
		d.add(ledger.Event{View: view, Field: field, Op: ledger.OpSet, Value: value, Typed: typed})
	}
}

// setShared gives a scalar of the shared view its value; nil clears it.
func (d *draft) setShared(field string, value, typed ledger.Value) {
	old, was := d.p.Shared[field]
	switch {
	case value != nil:
		d.set(ledger.Shared, field, old, value, typed)
	case was:
		d.add(ledger.Event{View: ledger.Shared, Field: field, Op: ledger.OpClear})
	}
}

// put stores one item, unless it is stored like that already.
func (d *draft) put(view, field, id string, old *ledger.Collection, value ledger.Value) {
	if old != nil {
		if c, ok := old.Items[id]; ok && value.Equal(c.Value) {
			return
		}
	}
	d.add(ledger.Event{View: view, Field: field, Item: id, Op: ledger.OpPut, Value: value})
}

// replace turns a collection into the given items: only what really changes is an
// event. old is what the collection holds when the events before these have happened;
// nil when it has never had an item.
func (d *draft) replace(view, field string, old *ledger.Collection, items []ledger.ItemOut) {
	want := make([]string, len(items))
	kept := make(map[string]bool, len(items))
	for i, it := range items {
		want[i], kept[it.ID] = it.ID, true
	}
	// got is the order that puts and removes alone lead to.
	var got []string
	if old != nil {
		for _, id := range old.Order {
			if kept[id] {
				got = append(got, id)
			} else {
				d.add(ledger.Event{View: view, Field: field, Item: id, Op: ledger.OpRemove})
			}
		}
	}
	for _, it := range items {
		if !has(old, it.ID) {
			got = append(got, it.ID)
		}
		d.put(view, field, it.ID, old, it.Value)
	}
	if !slices.Equal(got, want) {
		d.add(ledger.Event{View: view, Field: field, Op: ledger.OpOrder, Order: want})
	}
}

func has(c *ledger.Collection, id string) bool {
	if c == nil {
		return false
	}
	_, ok := c.Items[id]
	return ok
}
