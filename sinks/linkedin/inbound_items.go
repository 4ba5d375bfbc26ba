package linkedin

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// ParseCreate reads a new entry of a section: the bare entity. The edit adds an item whose
// id is still to be given.
func ParseCreate(section string, body []byte, p *ledger.Profile) (sinks.Edits, error) {
	s := sectionOf(section)
	if s == nil {
		return sinks.Edits{}, ledger.ErrNotFound
	}
	in, err := newInbound(p)
	if err != nil {
		return sinks.Edits{}, err
	}
	n, err := parse(body)
	if err != nil {
		return sinks.Edits{}, err
	}
	for _, name := range []string{"patch", "id"} {
		if _, given := n.Member(name); given {
			in.refuse("/"+name, ledger.CodeUnknownField, "a new entry stands alone: without patch around it, and without an id")
		}
	}
	e := entry{inbound: in, s: s, now: newSource()}
	for _, m := range n.Members {
		if m.Name != "patch" && m.Name != "id" {
			e.set(m, ledger.PointerTo("", m.Name))
		}
	}
	for _, m := range s.members {
		if _, given := n.Member(m.to); s.mandatory(m) && !given {
			in.refuse("/"+m.to, ledger.CodeRequired, "is mandatory")
		}
	}
	if _, ends := n.Member(theEnd); !ends && s.from == "workExperiences" {
		in.put("isCurrent", ledger.Node{Kind: ledger.NodeBool, Bool: true}) // that is how LinkedIn says it
	}
	if err := in.refusal(); err != nil {
		return sinks.Edits{}, err
	}
	return sinks.Edits{Items: []sinks.ItemEdit{{Op: sinks.AddItem, Field: s.from, Body: withoutNulls(in.out).Append(nil)}}}, nil
}

// ParseItemPatch reads a patch of the entry with the id ref. The error is
// ledger.ErrNotFound when the section has none. What changes nothing has no edit.
func ParseItemPatch(section, ref string, body []byte, p *ledger.Profile) (sinks.Edits, error) {
	s, item, err := find(section, ref, p)
	if err != nil {
		return sinks.Edits{}, err
	}
	in, err := newInbound(p)
	if err != nil {
		return sinks.Edits{}, err
	}
	patch, err := patchOf(body)
	if err != nil {
		return sinks.Edits{}, err
	}
	n, err := ledger.ParseJSON(item.Value)
	if err != nil {
		return sinks.Edits{}, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
	}
	e := entry{inbound: in, s: s, now: fromObject(n), seen: in.w.entity(s, fromObject(n))}
	set, deleted := in.operations(patch, false)
	for _, m := range set {
		at := ledger.PointerTo(atSet, m.Name)
		if m.Name != "id" {
			e.set(m, at)
		} else if refOf(m.Node) != ref {
			in.refuse(at, ledger.CodeFormat, "an entry keeps its id")
		}
	}
	for i, name := range deleted {
		at := atDelete + "/" + strconv.Itoa(i)
		if part := s.part(name); part == nil {
			in.refuse(at, ledger.CodeUnknownField, "there is no such member of "+s.name)
		} else {
			e.clear(part, at)
		}
	}
	if err := in.refusal(); err != nil || len(in.out.Members) == 0 {
		return sinks.Edits{}, err
	}
	return sinks.Edits{Items: []sinks.ItemEdit{{Op: sinks.PatchItem, Field: s.from, Item: item.ID, Body: in.out.Append(nil)}}}, nil
}

// RemoveEntry is the edit that takes out the entry with the id ref; ledger.ErrNotFound when
// the section has none.
func RemoveEntry(section, ref string, p *ledger.Profile) (sinks.Edits, error) {
	s, item, err := find(section, ref, p)
	if err != nil {
		return sinks.Edits{}, err
	}
	return sinks.Edits{Items: []sinks.ItemEdit{{Op: sinks.RemoveItem, Field: s.from, Item: item.ID}}}, nil
}

// find looks for an entry by its id.
func find(name, ref string, p *ledger.Profile) (*section, ledger.Item, error) {
	s := sectionOf(name)
	if s == nil || !isRef(ref) {
		return nil, ledger.Item{}, ledger.ErrNotFound
	}
	for _, item := range p.Items(ledger.Base, s.from) {
		if refFor(s.name, item.ID) == ref {
			return s, item, nil
		}
	}
	return nil, ledger.Item{}, ledger.ErrNotFound
}

// theEnd is the member whose absence says that a position is held now.
const theEnd = "endMonthYear"

// entry reads the members of one entry.
type entry struct {
	*inbound
	s    *section
	now  source      // the item as it is; nothing of a new one
	seen ledger.Node // the entry as clients see it
}

func (e *entry) set(m ledger.NodeMember, at string) {
	part := e.s.part(m.Name)
	switch {
	case part == nil:
		e.refuse(at, ledger.CodeUnknownField, "there is no such member of "+e.s.name)
	case m.Node.Kind == ledger.NodeNull:
		e.refuse(at, ledger.CodeWrongType, mustNotBeNull)
	case isEmpty(m.Node):
		e.clear(part, at)
	default:
		e.member(part, m.Node, at)
	}
}

// member reads a member that is not empty. If it says no more than what is there, what
// LinkedIn does not see of it stays: the day of a date, a person's other names.
func (e *entry) member(m *part, n ledger.Node, at string) {
	before, kept := len(e.wrong), e.out
	e.out = object()
	e.read(m, n, at)
	made := e.out
	e.out = kept
	now, is := e.seen.Member(m.to)
	if len(e.wrong) > before || is && bytes.Equal(echoOf(now, m.as).Append(nil), echoOf(n, m.as).Append(nil)) {
		return
	}
	for _, o := range made.Members {
		merge(&e.out, o)
	}
	if _, current := e.now.values["isCurrent"]; m.to == theEnd && current {
		e.inbound.clear("isCurrent")
	}
}

// clear takes a member away, with its variants.
func (e *entry) clear(m *part, at string) {
	if e.s.mandatory(*m) {
		e.refuse(at, ledger.CodeNotClearable, "is mandatory: it can be replaced, and not deleted")
		return
	}
	e.inbound.clear(m.from)
	for _, locale := range e.now.variants(m.from) {
		e.inbound.clear(m.from + "@" + locale)
	}
	if m.to == theEnd && e.s.from == "workExperiences" {
		e.put("isCurrent", ledger.Node{Kind: ledger.NodeBool, Bool: true})
	}
}

func (e *entry) read(m *part, n ledger.Node, at string) {
	switch m.as {
	case local, rich:
		e.localized(m, n, m.as == rich, at)
	case grade:
		e.inner(m, n, "grade", at)
	case place:
		e.inner(m, n, "displayLocationName", at)
	case study:
		if n.Kind != ledger.NodeArray || len(n.Elems) > 1 {
			e.refuse(at, ledger.CodeTooMany, "must be an array of one field of study")
			return
		}
		e.inner(m, n.Elems[0], "fieldOfStudyName", at+"/0")
	case daily, month, year:
		if s, ok := e.date(n, at); ok {
			e.put(m.from, ledger.TextNode(s))
		}
	case people:
		e.people(m, n, at)
	default:
		if words := wordsFor(e.s.from, m.from); words != nil && n.Kind == ledger.NodeString && !slices.Contains(words, n.Text) {
			e.refuse(at, ledger.CodeNotOneOf, "must be one of "+strings.Join(words, ", "))
		}
		e.put(m.from, n)
	}
}

// inner reads a localized text inside an object that has nothing else.
func (e *entry) inner(m *part, n ledger.Node, name, at string) {
	if n.Kind != ledger.NodeObject {
		e.refuse(at, ledger.CodeWrongType, "must be an object with "+name+", not "+n.Kind.String())
		return
	}
	e.only(n, at, name)
	at += "/" + name
	v, given := n.Member(name)
	if !given {
		e.refuse(at, ledger.CodeRequired, "is required")
		return
	}
	e.localized(m, v, false, at)
}

func (e *entry) localized(m *part, n ledger.Node, asRich bool, at string) {
	texts, ok := e.texts(n, asRich, at)
	switch {
	case !ok:
	case len(texts) == 0:
		e.clear(m, at)
	case len(texts) > 1 && !isLocalized(e.s.from, m.from):
		e.refuse(at+"/localized", ledger.CodeTooMany, "takes one locale only")
	default:
		if e.s.from == "patents" && m.to == "issuer" && slices.ContainsFunc(texts, func(t text) bool { return !isCountry(t.text) }) {
			e.refuse(at, ledger.CodeFormat, "must be a lower-case country code of two letters")
		}
		e.putTexts(m.from, texts, e.now)
	}
}

func isCountry(s string) bool { return len(s) == 2 && isLetters(s) && strings.ToLower(s) == s }

// mandatory says whether an entity is refused without a member: LinkedIn does, or no item
// of the profile is without it.
func (s *section) mandatory(m part) bool { return m.must || memberOf(s.from, m.from).Required }

// isLocalized says whether a member of a collection's items takes locale variants.
func isLocalized(collection, name string) bool { return memberOf(collection, name).Localized }

// memberOf is the catalogue's member of a collection's items; "linkedin.company" is in the
// object of that name.
func memberOf(collection, name string) ledger.Member {
	f, _, _ := ledger.Lookup(collection)
	at, members := ledger.Member{}, f.Item
	for name := range strings.SplitSeq(name, ".") {
		i := slices.IndexFunc(members, func(m ledger.Member) bool { return m.Name == name })
		if i < 0 {
			return ledger.Member{}
		}
		at, members = members[i], members[i].Members
	}
	return at
}

// people reads contributors. The member must be among them; alone he need not be kept,
// for he is there anyway. The list is replaced whole, with names that have no URN.
func (e *entry) people(m *part, n ledger.Node, at string) {
	list, mine := array(), 0
	e.each(n, at, func(n ledger.Node, at string) {
		e.only(n, at, "memberId", "name")
		one := &inbound{w: e.w, out: object()}
		if id, given := n.Member("memberId"); given {
			if id.Kind != ledger.NodeString {
				e.refuse(at+"/memberId", ledger.CodeWrongType, "must be a URN, not "+id.Kind.String())
			}
			if slices.Contains(e.own, id.Text) {
				mine++
				id = ledger.TextNode(e.own[0])
			}
			one.put("memberId", id)
		}
		if name, given := n.Member("name"); given {
			if texts, ok := one.texts(name, false, at+"/name"); ok && len(texts) > 0 {
				one.putTexts("name", texts, newSource())
			}
		}
		e.wrong = append(e.wrong, one.wrong...)
		if len(one.out.Members) == 0 && len(one.wrong) == 0 {
			e.refuse(at, ledger.CodeRequired, "needs memberId or name")
		}
		list.Elems = append(list.Elems, one.out)
	})
	switch {
	case n.Kind != ledger.NodeArray:
		return
	case mine == 0:
		e.refuse(at, ledger.CodeRequired, "must have the member among them, by the URN of the person")
	case mine > 1:
		e.refuse(at, ledger.CodeDuplicate, "has the member twice")
	}
	if e.s.from == "patents" {
		e.inbound.clear("inventors") // the names without URNs
	}
	if len(n.Elems) == 1 {
		e.inbound.clear(m.from)
		return
	}
	e.put(m.from, list)
}

// withoutNulls takes out what is cleared: a new item has nothing to clear.
func withoutNulls(n ledger.Node) ledger.Node {
	out := object()
	for _, m := range n.Members {
		if m.Node.Kind == ledger.NodeObject {
			if m.Node = withoutNulls(m.Node); len(m.Node.Members) == 0 {
				continue
			}
		}
		if m.Node.Kind != ledger.NodeNull {
			out.Members = append(out.Members, m)
		}
	}
	return out
}
