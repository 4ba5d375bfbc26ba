package commands

import (
	"vitae/ledger"
)

// patch changes the shared fields and the collections of base.
type patch struct {
	body  []byte
	edits edits
}

// Patch makes the command that merges a body into a profile or a resume. With
// ledger.Base as view the body is a patch of the profile: scalars, their locale
// variants, the providers' objects and the collections of base. With a resume's id it
// is a patch of that resume, see PatchResume.
//
// A locale variant is named like "firstName@fr_FR". A provider's object is merged
// member by member. An array replaces a whole collection; its items are matched with
// the stored ones, see ledger.Match. phone and phones may be given together if they
// say the same. A body without any member is refused.
//
// phone as null takes away the first number, and the next one moves up: it is the one
// member for which the same patch again can change something again.
func Patch(view string, body []byte) (ledger.Command, error) {
	if view != ledger.Base {
		return PatchResume(view, body)
	}
	e, err := parsePatch(profileBody, body)
	if err != nil {
		return nil, err
	}
	return &patch{body: body, edits: e}, nil
}

func (c *patch) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	c.edits.decide(d, ledger.Base, ledger.Base)
	return d.end()
}

// Files implements WithFiles.
func (c *patch) Files() []FileRef { return c.edits.files }

func (c *patch) wire() wire { return wire{Kind: kindPatch, View: ledger.Base, Body: c.body} }

// patchResume changes what belongs to one resume.
type patchResume struct {
	id    string
	body  []byte
	edits edits
}

// PatchResume makes the command that merges a body into one resume, base among them:
// its name and its collections. Scalars are refused, for they belong to the profile. A
// resume that is not there is ledger.ErrNotFound.
func PatchResume(id string, body []byte) (ledger.Command, error) {
	if err := resumeID(id); err != nil {
		return nil, err
	}
	e, err := parsePatch(resumeBody, body)
	if err != nil {
		return nil, err
	}
	return &patchResume{id: id, body: body, edits: e}, nil
}

func (c *patchResume) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if err := d.hasView(c.id); err != nil {
		return nil, err
	}
	c.edits.decide(d, c.id, c.id)
	return d.end()
}

// Files implements WithFiles.
func (c *patchResume) Files() []FileRef { return c.edits.files }

func (c *patchResume) wire() wire { return wire{Kind: kindPatchResume, View: c.id, Body: c.body} }

// edit is one member of a patch that passed the catalogue.
type edit struct {
	field ledger.Field
	name  string // with the locale
	at    string // its pointer
	// value and typed are those of a scalar; value nil clears it.
	value, typed ledger.Value
	items        []ledger.ItemIn // the whole of a collection
}

// edits is a patch that passed the catalogue.
type edits struct {
	list  []edit
	files []FileRef
}

// decide adds the events of every edit. view is the resume to write; source is the one
// that holds what its collections are at this point (another one for a fresh copy).
func (es edits) decide(d *draft, view, source string) {
	for _, e := range es.list {
		switch {
		case e.name == phones:
			d.replacePhones(e.field, e.items)
		case e.field.IsList() && e.field.View == ledger.Shared:
			d.replaceMatched(ledger.Shared, ledger.Shared, e)
		case e.field.IsList():
			d.replaceMatched(view, source, e)
		case e.name == phone && e.value == nil:
			d.dropFirstPhone()
		case e.field.View == ledger.Shared:
			d.setShared(e.name, e.value, e.typed)
		default:
			var old ledger.Cell
			if r := d.p.Resumes[view]; r != nil {
				old = r.Fields[e.name]
			}
			d.set(view, e.name, old, e.value, e.typed)
		}
	}
}

// replaceMatched finds out which of the new items are old ones and replaces the list.
func (d *draft) replaceMatched(view, source string, e edit) {
	old := d.p.Collection(source, e.name)
	d.replace(view, e.name, old, ledger.Match(e.field, old, e.items, d.env.NewID))
}
