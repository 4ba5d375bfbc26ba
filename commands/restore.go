package commands

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitae/ledger"
)

// BaseName is what the base resume is called until it is given a name.
const BaseName = "Base"

// Restoration makes a profile, a view of it, a field or an item what it was at a moment in
// the past. What differs becomes ordinary edits; nothing of the history is undone.
type Restoration struct {
	moment            []byte
	view, field, item string
	shared            edits
	resumes           []pastResume // in the order of the moment
	want              ledger.ItemIn
	had               bool           // the moment had the item
	order             []string       // the ids it stood among
	added             map[string]int // how long the collections were that are only ever added to
}

// pastResume is one resume as it was.
type pastResume struct {
	id    string
	own   edits // its name and all its collections
	named bool
}

// Moment is what Restore needs to know of a past state: its shared fields and its resumes,
// as JSON with the values in clear. Connections and decisions are no part of it. p must be
// open.
func Moment(p *ledger.Profile) []byte {
	b := appendView(append([]byte(nil), `{"shared":`...), p, ledger.Shared, p.Shared, p.Lists)
	b = append(b, `,"resumes":{`...)
	for i, id := range p.ResumeIDs() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), id...), `":`...)
		b = appendView(b, p, id, p.Resumes[id].Fields, p.Resumes[id].Collections)
	}
	return append(b, `}}`...)
}

// appendView appends a view as one flat object. The names of fields have nothing to escape.
func appendView(b []byte, p *ledger.Profile, view string, scalars map[string]ledger.Cell, lists map[string]*ledger.Collection) []byte {
	b = append(b, '{')
	name := func(field string) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), field...), `":`...)
	}
	for _, field := range slices.Sorted(maps.Keys(scalars)) {
		if field != phone && field != phoneType {
			name(field)
			b = append(b, scalars[field].Value...)
		}
	}
	fields := slices.Collect(maps.Keys(lists))
	if view == ledger.Shared && !slices.Contains(fields, phones) {
		fields = append(fields, phones)
	}
	slices.Sort(fields)
	for _, field := range fields {
		if items := p.Items(view, field); len(items) > 0 {
			name(field)
			b = ledger.AppendItems(b, items)
		}
	}
	return append(b, '}')
}

// Restore makes the command that brings back what a moment holds (see Moment). view, field
// and item narrow it down; "" is all of them.
//
// Without any, everything is as it was then: resumes that have come since are deleted, and
// those that have gone are made again under their ids. A view alone is that view; a resume
// that has gone is made again, one that was not there then is ledger.ErrNotFound. A field
// is that field to the letter, without its locale variants, or everything in one of the
// providers' objects; a collection is base's unless a view is named. An item is put back
// where it stood, or taken out if it was not there.
//
// Three things stay as they are, and Kept names them: a field that cannot be cleared and had
// no value then, a collection that is only ever added to, and a resume that a connection
// sends. Asked for by its name such a field is refused.
func Restore(moment []byte, view, field, item string) (*Restoration, error) {
	c := &Restoration{moment: moment, view: view, field: field, item: item, added: map[string]int{}}
	if err := c.narrow(); err != nil {
		return nil, err
	}
	n, err := ledger.ParseJSON(moment)
	if err != nil {
		return nil, fmt.Errorf("a moment to restore: %w", err)
	}
	r := reader{}
	if c.view == "" || c.view == ledger.Shared {
		then, _ := n.Member("shared")
		c.shared = r.view(c, ledger.Shared, "/shared", then)
	}
	all, _ := n.Member("resumes")
	for _, m := range all.Members {
		if c.view == "" || c.view == m.Name {
			_, named := m.Node.Member(resumeName)
			c.resumes = append(c.resumes, pastResume{id: m.Name, named: named, own: r.view(c, ledger.ResumeView, ledger.PointerTo("/resumes", m.Name), m.Node)})
		}
	}
	if len(r.errs) > 0 {
		return nil, &ledger.Refusal{Fields: r.errs}
	}
	if c.view != "" && c.view != ledger.Shared && len(c.resumes) == 0 {
		return nil, fmt.Errorf("%w: the resume %s was not there then", ledger.ErrNotFound, c.view)
	}
	c.findItem()
	return c, nil
}

// narrow checks what is asked for and finds the view of a field.
func (c *Restoration) narrow() error {
	r := reader{}
	f, _, known := ledger.Lookup(c.field)
	switch {
	case c.field == "":
	case ledger.IsGroup(c.field):
		f, known = ledger.Field{Name: c.field, View: ledger.Shared}, true
	case !known:
		r.refuse("/field", ledger.CodeUnknownField, "there is no such field")
	case f.Name == phoneType:
		r.refuse("/field", ledger.CodeUnknownField, "it is the type of phone: restore phone or phones")
	case f.Append:
		r.refuse("/field", ledger.CodeNotClearable, f.Name+" is only ever added to")
	}
	switch {
	case c.item != "" && c.field == "":
		r.refuse("/item", ledger.CodeRequired, "an item is of a field: name that too")
	case c.item != "" && known && !f.IsList():
		r.refuse("/item", ledger.CodeUnknownField, c.field+" has no items")
	}
	if c.field != "" && known {
		switch {
		case f.View == ledger.Shared && c.view != "" && c.view != ledger.Shared:
			r.refuse("/view", ledger.CodeUnknownField, sharedMessage(c.field))
		case f.View != ledger.Shared && c.view == ledger.Shared:
			r.refuse("/view", ledger.CodeUnknownField, c.field+" belongs to a resume")
		case f.View == ledger.Shared:
			c.view = ledger.Shared
		case c.view == "":
			c.view = ledger.Base
		}
	}
	if len(r.errs) > 0 {
		return &ledger.Refusal{Fields: r.errs}
	}
	if c.view != "" && c.view != ledger.Shared {
		return resumeID(c.view)
	}
	return nil
}

// takes says whether a field is asked for.
func (c *Restoration) takes(name string) bool {
	return c.field == "" || c.field == name || c.field == phone && name == phones || ledger.IsGroup(c.field) && strings.HasPrefix(name, c.field+".")
}

// view reads one view of a moment: an edit for each field that it has, and an empty one for
// each collection that it has not.
func (r *reader) view(c *Restoration, view, at string, n ledger.Node) edits {
	r.edits = edits{}
	for _, m := range n.Members {
		f, _, ok := ledger.Lookup(m.Name)
		switch {
		case !c.takes(m.Name):
		case ok && f.Append:
			c.added[m.Name] = len(m.Node.Elems)
		case !ok || f.View != view:
			r.refuse(ledger.PointerTo(at, m.Name), ledger.CodeUnknownField, "there is no such field any more")
		default:
			r.field(f, m.Name, m.Node, ledger.PointerTo(at, m.Name))
		}
	}
	for _, f := range ledger.Catalogue() {
		if _, has := n.Member(f.Name); !has && f.IsList() && !f.Append && f.View == view && c.takes(f.Name) {
			r.edits.list = append(r.edits.list, edit{field: f, name: f.Name})
		}
	}
	return r.edits
}

// findItem looks up the item that is asked for, and the order it stood in.
func (c *Restoration) findItem() {
	if c.item == "" {
		return
	}
	for _, e := range c.edits() {
		for _, in := range e.items {
			c.order = append(c.order, in.ID)
			if in.ID == c.item {
				c.want, c.had = in, true
			}
		}
	}
}

// edits are those of the only view that is asked for.
func (c *Restoration) edits() []edit {
	if c.view == ledger.Shared {
		return c.shared.list
	}
	return c.resumes[0].own.list
}

// Decide implements ledger.Command.
func (c *Restoration) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if c.field != "" {
		if err := d.hasView(c.view); err != nil {
			return nil, err
		}
	}
	switch {
	case c.item != "":
		err = c.decideItem(d)
	case c.field == phone:
		c.decidePhone(d)
	default:
		c.decideViews(d)
	}
	if err != nil {
		return nil, err
	}
	return d.end()
}

func (c *Restoration) decideViews(d *draft) {
	// What comes and goes is decided first: a resume that is made again begins as a copy of
	// base as it is before this command touches it.
	if c.view == "" {
		for _, id := range d.p.ResumeIDs() {
			if !c.hadResume(id) && sentBy(d.p, id) == "" {
				d.add(ledger.Event{View: id, Op: ledger.OpDeleted})
			}
		}
	}
	for _, re := range c.resumes {
		if d.p.Resumes[re.id] == nil {
			d.add(ledger.Event{View: re.id, Item: ledger.Base, Op: ledger.OpCopied})
			re.own.decide(d, re.id, ledger.Base)
		}
	}
	if c.view == "" || c.view == ledger.Shared {
		c.clearShared(d)
		c.shared.decide(d, ledger.Base, ledger.Base)
	}
	for _, re := range c.resumes {
		was := d.p.Resumes[re.id]
		if was == nil {
			continue
		}
		if old, named := was.Fields[resumeName]; named && !re.named && c.takes(resumeName) {
			// Only base can be without a name. It reads as BaseName then.
			d.set(re.id, resumeName, old, ledger.Value(`"`+BaseName+`"`), nil)
		}
		re.own.decide(d, re.id, re.id)
	}
}

// clearShared clears the shared scalars that had no value then.
func (c *Restoration) clearShared(d *draft) {
	for _, name := range slices.Sorted(maps.Keys(d.p.Shared)) {
		switch f, stays := c.unset(name); {
		case !stays || name == phone || name == phoneType: // the numbers are restored as phones
		case f.Clearable:
			d.setShared(name, nil, nil)
		case c.field == name:
			d.refuse("/field", ledger.CodeNotClearable, name+" had no value then, and it cannot be cleared")
		}
	}
}

// unset says that a shared scalar is asked for and had no value then.
func (c *Restoration) unset(name string) (ledger.Field, bool) {
	f, _, _ := ledger.Lookup(name)
	return f, c.takes(name) && !slices.ContainsFunc(c.shared.list, func(e edit) bool { return e.name == name })
}

func (c *Restoration) hadResume(id string) bool {
	return slices.ContainsFunc(c.resumes, func(re pastResume) bool { return re.id == id })
}

// decidePhone restores the first number alone.
func (c *Restoration) decidePhone(d *draft) {
	items := c.shared.list[0].items
	rest := d.p.Lists[phones]
	switch {
	case len(items) > 0:
		d.setFirstPhone(items[0].Value)
	case rest != nil && len(rest.Order) > 0:
		d.refuse("/field", ledger.CodeNotClearable, "there was no number then, and there are further ones now: restore phones")
	default:
		d.setFirstPhone(nil)
	}
}

// decideItem puts one item back, or takes it out.
func (c *Restoration) decideItem(d *draft) error {
	f, _, _ := ledger.Lookup(c.field)
	at := itemPlace{view: c.view, field: f}
	_, is := at.find(d.p, c.item)
	_, first := d.p.Shared[phone]
	switch {
	case !c.had && !is:
		return at.noItem(c.item)
	case !c.had && at.isFirstPhone(c.item):
		d.dropFirstPhone()
	case !c.had:
		d.add(ledger.Event{View: c.view, Field: c.field, Item: c.item, Op: ledger.OpRemove})
	case !is && at.count(d.p) >= f.Max:
		d.refuse("/item", ledger.CodeTooMany, tooMany(f))
	case at.isFirstPhone(c.item) || c.field == phones && !first:
		d.setFirstPhone(c.want.Value)
	default:
		old := d.p.Collection(c.view, c.field)
		d.put(c.view, c.field, c.item, old, c.want.Value)
		if !is && old != nil {
			c.place(d, old.Order)
		}
	}
	return nil
}

// place puts the item, which is new at the end, behind the nearest item that stood before
// it then and is still there.
func (c *Restoration) place(d *draft, now []string) {
	to := 0
	for _, id := range c.order {
		if id == c.item {
			break
		}
		if i := slices.Index(now, id); i >= 0 {
			to = i + 1
		}
	}
	if to < len(now) {
		d.add(ledger.Event{View: c.view, Field: c.field, Op: ledger.OpOrder, Order: slices.Insert(slices.Clone(now), to, c.item)})
	}
}

// Kept is what a restoration leaves as it is although it was otherwise.
type Kept struct {
	View  string `json:"view"`
	Field string `json:"field,omitempty"` // "" is the resume itself
	Why   string `json:"why"`
}

// Kept names what Decide leaves out on a state; it is the same before and after its events.
func (c *Restoration) Kept(p *ledger.Profile) (out []Kept) {
	if c.field != "" {
		return nil
	}
	if c.view == "" || c.view == ledger.Shared {
		for _, name := range slices.Sorted(maps.Keys(p.Shared)) {
			if f, unset := c.unset(name); unset && !f.Clearable {
				out = append(out, Kept{ledger.Shared, name, "it had no value then, and it cannot be cleared"})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.Lists)) {
			if f, _, _ := ledger.Lookup(name); f.Append && len(p.Lists[name].Order) != c.added[name] {
				out = append(out, Kept{ledger.Shared, name, "it is only ever added to"})
			}
		}
	}
	if c.view == "" {
		for _, id := range p.ResumeIDs() {
			if provider := sentBy(p, id); provider != "" && !c.hadResume(id) {
				out = append(out, Kept{View: id, Why: "the connection to " + provider + " sends it"})
			}
		}
	}
	return out
}

// Files implements WithFiles.
func (c *Restoration) Files() (refs []FileRef) {
	refs = c.shared.files
	for _, re := range c.resumes {
		refs = append(refs, re.own.files...)
	}
	return refs
}

func (c *Restoration) wire() wire {
	return wire{Kind: kindRestore, View: c.view, Field: c.field, Item: c.item, Body: c.moment}
}
