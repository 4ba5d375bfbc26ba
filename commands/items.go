package commands

import (
	"fmt"

	"vitae/ledger"
)

// itemPlace is one item's collection: the field and the view it is stored in.
type itemPlace struct {
	view  string
	field ledger.Field
}

// findItems looks up the collection that a view and a field name. A shared collection
// is reached through the base resume, or as what it is.
func findItems(view, field string) (itemPlace, error) {
	f, locale, ok := ledger.Lookup(field)
	if !ok || locale != "" || !f.IsList() {
		return itemPlace{}, ledger.Refuse("", ledger.CodeUnknownField, "there is no such collection")
	}
	if f.View == ledger.Shared {
		if view != ledger.Base && view != ledger.Shared {
			return itemPlace{}, ledger.Refuse("", ledger.CodeUnknownField, sharedMessage(f.Name))
		}
		return itemPlace{view: ledger.Shared, field: f}, nil
	}
	if err := resumeID(view); err != nil {
		return itemPlace{}, err
	}
	return itemPlace{view: view, field: f}, nil
}

// noItem is the error for an id that the collection does not hold.
func (at itemPlace) noItem(id string) error {
	return fmt.Errorf("item %q of %s: %w", id, at.field.Name, ledger.ErrNotFound)
}

// changeable says whether items can be changed and removed once they are there.
func (at itemPlace) changeable() error {
	if at.field.Append {
		return fmt.Errorf("%w: items of %s are only ever added", ledger.ErrNotAllowed, at.field.Name)
	}
	return nil
}

// find gives the item as it is read.
func (at itemPlace) find(p *ledger.Profile, id string) (ledger.Value, bool) {
	if at.isFirstPhone(id) {
		if all := p.Items(ledger.Shared, phones); len(all) > 0 && all[0].ID == id {
			return all[0].Value, true
		}
		return nil, false
	}
	c := p.Collection(at.view, at.field.Name)
	if !has(c, id) {
		return nil, false
	}
	return c.Items[id].Value, true
}

// isFirstPhone says that the item is stored as scalars.
func (at itemPlace) isFirstPhone(id string) bool {
	return at.field.Name == phones && id == ledger.PrimaryPhone
}

// count is how many items the collection reads as.
func (at itemPlace) count(p *ledger.Profile) (n int) {
	if c := p.Collection(at.view, at.field.Name); c != nil {
		n = len(c.Items)
	}
	if _, first := p.Shared[phone]; first && at.field.Name == phones {
		n++
	}
	return n
}

type addItem struct {
	at   itemPlace
	view string // as it was asked for
	id   string // as it was asked for; may be ""
	body []byte
	item ledger.ItemIn
	refs []FileRef
}

// AddItem makes the command that appends one item to a collection. item is the id it
// gets unless the body has one of its own; with neither a new one is drawn. Adding an
// item that is stored like that under its id changes nothing; a different one under the
// id is ledger.ErrExists. The collection's limit is checked against the state.
//
// The first phone number is always known as "primary", whatever id was asked for.
func AddItem(view, field, item string, body []byte) (ledger.Command, error) {
	at, err := findItems(view, field)
	if err != nil {
		return nil, err
	}
	if item != "" && (!ledger.IsPlain(item) || len(item) > ledger.MaxID) {
		return nil, ledger.Refuse("", ledger.CodeFormat, fmt.Sprintf("an item's id is 1 to %d printable ASCII characters without space, quote and backslash", ledger.MaxID))
	}
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	in, errs := at.field.CheckItem(n, "")
	if len(errs) > 0 {
		return nil, &ledger.Refusal{Fields: errs}
	}
	if in.ID == "" {
		in.ID = item
	}
	return &addItem{at: at, view: view, id: item, body: body, item: in, refs: appendFiles(nil, fieldMember(at.field), n, "")}, nil
}

func (c *addItem) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if err := d.hasView(c.at.view); err != nil {
		return nil, err
	}
	field := c.at.field.Name
	id := c.item.ID
	if id == "" {
		id = env.NewID()
	} else if old, ok := c.at.find(p, id); ok {
		if c.item.Value.Equal(old) {
			return nil, nil
		}
		return nil, fmt.Errorf("item %q of %s: %w", id, field, ledger.ErrExists)
	}
	if first, ok := c.at.find(p, ledger.PrimaryPhone); ok && c.at.isFirstPhone(ledger.PrimaryPhone) && c.item.Value.Equal(first) {
		return nil, nil // it was added before, and is known under the first one's id
	}
	if c.at.count(p) >= c.at.field.Max {
		return nil, ledger.Refuse("", ledger.CodeTooMany, tooMany(c.at.field))
	}
	if _, first := p.Shared[phone]; field == phones && !first {
		d.setFirstPhone(c.item.Value)
	} else {
		d.put(c.at.view, field, id, p.Collection(c.at.view, field), c.item.Value)
	}
	return d.end()
}

// Created implements WithCreated.
func (c *addItem) Created() string { return c.item.ID }

// Files implements WithFiles.
func (c *addItem) Files() []FileRef { return c.refs }

func (c *addItem) wire() wire {
	return wire{Kind: kindAddItem, View: c.view, Field: c.at.field.Name, Item: c.id, Body: c.body}
}

type patchItem struct {
	at   itemPlace
	view string
	id   string
	body []byte
	new  ledger.Node
}

// PatchItem makes the command that changes members of one item: absent ones stay, null
// takes an optional one away, and a provider's object is merged in the same way. An item that is not there is ledger.ErrNotFound.
func PatchItem(view, field, id string, body []byte) (ledger.Command, error) {
	at, err := findItems(view, field)
	if err != nil {
		return nil, err
	}
	if !ledger.IsPlain(id) {
		return nil, at.noItem(id)
	}
	if err := at.changeable(); err != nil {
		return nil, err
	}
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	if errs := checkItemPatch(at.field, id, n); len(errs) > 0 {
		return nil, &ledger.Refusal{Fields: errs}
	}
	return &patchItem{at: at, view: view, id: id, body: body, new: n}, nil
}

func (c *patchItem) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if err := d.hasView(c.at.view); err != nil {
		return nil, err
	}
	old, ok := c.at.find(p, c.id)
	if !ok {
		return nil, c.at.noItem(c.id)
	}
	in, errs, err := mergeItem(c.at.field, old, c.new)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, &ledger.Refusal{Fields: errs}
	}
	if c.at.isFirstPhone(c.id) {
		d.setFirstPhone(in.Value)
	} else {
		d.put(c.at.view, c.at.field.Name, c.id, p.Collection(c.at.view, c.at.field.Name), in.Value)
	}
	return d.end()
}

// Files implements WithFiles.
func (c *patchItem) Files() []FileRef { return appendFiles(nil, fieldMember(c.at.field), c.new, "") }

func (c *patchItem) wire() wire {
	return wire{Kind: kindPatchItem, View: c.view, Field: c.at.field.Name, Item: c.id, Body: c.body}
}

type removeItem struct {
	at   itemPlace
	view string
	id   string
}

// RemoveItem makes the command that takes one item out of a collection. An item that is
// not there is ledger.ErrNotFound.
func RemoveItem(view, field, id string) (ledger.Command, error) {
	at, err := findItems(view, field)
	if err != nil {
		return nil, err
	}
	if !ledger.IsPlain(id) {
		return nil, at.noItem(id)
	}
	if err := at.changeable(); err != nil {
		return nil, err
	}
	return &removeItem{at: at, view: view, id: id}, nil
}

func (c *removeItem) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if err := d.hasView(c.at.view); err != nil {
		return nil, err
	}
	if _, ok := c.at.find(p, c.id); !ok {
		return nil, c.at.noItem(c.id)
	}
	if c.at.isFirstPhone(c.id) {
		d.dropFirstPhone()
	} else {
		d.add(ledger.Event{View: c.at.view, Field: c.at.field.Name, Item: c.id, Op: ledger.OpRemove})
	}
	return d.end()
}

func (c *removeItem) wire() wire {
	return wire{Kind: kindRemoveItem, View: c.view, Field: c.at.field.Name, Item: c.id}
}
