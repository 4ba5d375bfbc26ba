package commands

import (
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
)

// bodyKind is what a request body is about; it says which fields it may name.
type bodyKind int

const (
	profileBody bodyKind = iota
	resumeBody
	newResumeBody // a resumeBody that must have a name
)

// resumeName is the field that holds what a resume is called.
const resumeName = "name"

// parsePatch reads a body and checks all of it: the refusal names every wrong field.
func parsePatch(kind bodyKind, body []byte) (edits, error) {
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return edits{}, err
	}
	if n.Kind != ledger.NodeObject {
		return edits{}, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object, not "+n.Kind.String())
	}
	r := reader{kind: kind}
	switch _, named := n.Member(resumeName); {
	case kind == newResumeBody && !named:
		r.refuse("/"+resumeName, ledger.CodeRequired, "is required")
	case kind != newResumeBody && len(n.Members) == 0:
		r.refuse("", ledger.CodeEmpty, "the body names no field")
	}
	r.object("", n, "")
	r.settlePhones()
	if len(r.errs) > 0 {
		return edits{}, &ledger.Refusal{Fields: r.errs}
	}
	return r.edits, nil
}

// reader walks a patch and gathers its edits and everything that is wrong with it.
type reader struct {
	kind  bodyKind
	edits edits
	errs  []ledger.FieldError
}

func (r *reader) refuse(pointer, code, message string) {
	r.errs = append(r.errs, ledger.FieldError{Pointer: pointer, Code: code, Message: message})
}

// object walks the members of the body or, under a prefix such as "nexudus.", of one of
// the objects that only group a provider's fields.
func (r *reader) object(prefix string, n ledger.Node, pointer string) {
	for _, m := range n.Members {
		at := ledger.PointerTo(pointer, m.Name)
		name := prefix + m.Name
		if i := strings.LastIndexByte(m.Name, '.'); i >= 0 {
			r.dotted(name, at)
			continue
		}
		if f, _, ok := ledger.Lookup(name); ok && r.takes(f, at) {
			r.field(f, name, m.Node, at)
		} else if ok {
			continue // takes said why not
		} else if !ledger.IsGroup(name) {
			r.refuse(at, ledger.CodeUnknownField, "there is no such field")
		} else if r.kind != profileBody {
			r.refuse(at, ledger.CodeUnknownField, sharedMessage(name))
		} else if m.Node.Kind == ledger.NodeNull {
			r.refuse(at, ledger.CodeNotClearable, "null does not clear a whole object: clear its members")
		} else if m.Node.Kind != ledger.NodeObject {
			r.refuse(at, ledger.CodeWrongType, "must be an object, not "+m.Node.Kind.String())
		} else {
			r.object(name+".", m.Node, at)
		}
	}
}

// dotted refuses a member with a dot in its name: a field has one way to be named.
func (r *reader) dotted(name, at string) {
	message := "there is no such field"
	if f, _, ok := ledger.Lookup(name); ok && !f.Hidden {
		message = "must be given as member of an object: write " + nested(name)
	}
	r.refuse(at, ledger.CodeUnknownField, message)
}

// nested shows a dotted name as the objects that it stands for.
func nested(name string) string {
	parts := strings.Split(name, ".")
	return `{"` + strings.Join(parts, `":{"`) + `":...` + strings.Repeat("}", len(parts))
}

// takes says whether this kind of body has the field, and refuses it if not.
func (r *reader) takes(f ledger.Field, at string) bool {
	inResume := f.View == ledger.ResumeView
	switch {
	case r.kind == profileBody && !f.Hidden:
		return true
	case r.kind != profileBody && inResume && (!f.Hidden || f.Name == resumeName):
		return true
	case r.kind != profileBody && !inResume && !f.Hidden:
		r.refuse(at, ledger.CodeUnknownField, sharedMessage(f.Name))
	default:
		r.refuse(at, ledger.CodeUnknownField, "there is no such field")
	}
	return false
}

// sharedMessage says where a shared field belongs that was sent to a resume.
func sharedMessage(name string) string {
	return name + " belongs to the profile and appears on every resume: change it with a patch of the profile"
}

// field reads one field's value.
func (r *reader) field(f ledger.Field, name string, n ledger.Node, at string) {
	e := edit{field: f, name: name, at: at}
	var errs []ledger.FieldError
	if f.IsList() {
		e.items, errs = f.CheckItems(n, at)
	} else {
		e.value, e.typed, errs = f.Check(n, at)
	}
	if len(errs) > 0 {
		r.errs = append(r.errs, errs...)
		return
	}
	r.edits.list = append(r.edits.list, e)
	r.edits.files = appendFiles(r.edits.files, fieldMember(f), n, at)
}

// settlePhones makes one edit of phone and phones when both are given: the list holds
// the number too, so they must agree.
func (r *reader) settlePhones() {
	one := slices.IndexFunc(r.edits.list, func(e edit) bool { return e.name == phone })
	all := slices.IndexFunc(r.edits.list, func(e edit) bool { return e.name == phones })
	if one < 0 || all < 0 {
		return
	}
	var first ledger.Value
	if items := r.edits.list[all].items; len(items) > 0 {
		first, _ = splitPhone(items[0].Value)
	}
	if !first.Equal(r.edits.list[one].value) {
		r.refuse(r.edits.list[one].at, ledger.CodeDuplicate, "phone is the first of phones, and the two differ: give one of them")
		return
	}
	r.edits.list = slices.Delete(r.edits.list, one, one+1)
}

func tooMany(f ledger.Field) string {
	return fmt.Sprintf("%s holds %d items, and no more can be added", f.Name, f.Max)
}

// overlay lays the members of a patch over those of an object; null stands for "take it
// away". With merge, what a provider knows about an item is laid over in the same way,
// and is gone when nothing is left of it.
func overlay(old, patch []ledger.NodeMember, merge bool) []ledger.NodeMember {
	out := slices.Clone(old)
	for _, m := range patch {
		i := slices.IndexFunc(out, func(o ledger.NodeMember) bool { return o.Name == m.Name })
		if i < 0 {
			i = len(out)
			out = append(out, ledger.NodeMember{Name: m.Name})
		}
		if merge && m.Node.Kind == ledger.NodeObject && slices.Contains(ledger.Providers(), m.Name) {
			m.Node.Members = overlay(out[i].Node.Members, m.Node.Members, false)
			if !slices.ContainsFunc(m.Node.Members, func(o ledger.NodeMember) bool { return o.Node.Kind != ledger.NodeNull }) {
				m.Node = ledger.Node{Kind: ledger.NodeNull}
			}
		}
		out[i].Node = m.Node
	}
	return out
}

// mergeItem is what an item becomes when members of a patch are laid over it. The
// patch's null takes a member away; a provider's object is merged member by member.
func mergeItem(f ledger.Field, old ledger.Value, patch ledger.Node) (ledger.ItemIn, []ledger.FieldError, error) {
	merged, err := ledger.ParseJSON(old)
	if err != nil {
		return ledger.ItemIn{}, nil, fmt.Errorf("a stored item of %s cannot be read: %w", f.Name, err)
	}
	merged.Members = overlay(merged.Members, patch.Members, true)
	in, errs := f.CheckItem(merged, "")
	return in, errs, nil
}

// checkItemPatch finds what is wrong with a patch of an item, whatever the item is.
func checkItemPatch(f ledger.Field, id string, n ledger.Node) []ledger.FieldError {
	if n.Kind == ledger.NodeObject && len(n.Members) == 0 {
		return []ledger.FieldError{{Code: ledger.CodeEmpty, Message: "the body names no member"}}
	}
	loose := f
	loose.Item = slices.Clone(f.Item)
	var errs []ledger.FieldError
	for i := range loose.Item {
		m := &loose.Item[i]
		if v, given := n.Member(m.Name); m.Required && given && v.Kind == ledger.NodeNull {
			errs = append(errs, ledger.FieldError{Pointer: ledger.PointerTo("", m.Name), Code: ledger.CodeNotClearable, Message: "is required and cannot be cleared"})
		}
		m.Required = false // what is absent stays as it is
	}
	_, more := loose.CheckItem(n, "")
	errs = append(errs, more...)
	if own, ok := n.Member("id"); ok && own.Kind == ledger.NodeString && own.Text != id {
		errs = append(errs, ledger.FieldError{Pointer: "/id", Code: ledger.CodeFormat, Message: "an item keeps its id"})
	}
	return errs
}
