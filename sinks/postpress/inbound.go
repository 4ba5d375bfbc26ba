package postpress

import (
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// The parts of a form that say for whom and to what, and those that the catalogue gives
// more than one home.
const (
	typeKey    = "type"
	accountKey = "account_id"
	linkURL    = "custom_link[url]"
	linkType   = "custom_link[type]"
	skillsKey  = "skills"
)

// maxName is how long the name of a part may be, and maxDepth how many brackets it has.
const (
	maxName  = 200
	maxDepth = 12
)

// Inbound reads a form as edits of a profile. The edits use p, the profile's opened state,
// to tell what is there already; nothing of p is changed. p is nil as long as the form's
// account is not known: then edits that depend on it are made as for an empty profile.
//
// A text stands for itself; an empty one is no way to clear, and the commands refuse it. A
// part that may be there once and is there twice is refused, a list repeats one name. What
// is absent stays as it is, but a new picture has only the settings that come with it.
// Skills replace the list: an item whose name is among them stays as it is.
//
// The error is a *ledger.Refusal that names everything wrong in the form's own names. The
// edits are then those of the top-level keys without a fault, so that a caller can ask the
// commands about them too.
func Inbound(f *Form, p *ledger.Profile) (sinks.Edits, error) {
	r := &inbound{form: f, p: p, spoilt: map[string]bool{}, sections: map[string]*ledger.Node{}, ids: map[string]string{}}
	if p == nil {
		r.p = ledger.NewProfile(ledger.ProfileID{})
	}
	r.read()
	r.address()
	r.patch = object()
	for _, g := range r.groups {
		r.group(g)
	}
	r.dates()
	r.jobTitles()
	r.finish()
	var err error
	if len(r.wrong) > 0 {
		err = &ledger.Refusal{Fields: r.wrong}
	}
	return r.edits(), err
}

// group is the parts of one name.
type group struct {
	name  string
	parts []*Part
}

// inbound is a form on its way to edits.
type inbound struct {
	form   *Form
	p      *ledger.Profile
	groups []*group
	byName map[string]*group

	wrong  []ledger.FieldError
	spoilt map[string]bool // top-level keys with a fault

	patch    *ledger.Node
	sections map[string]*ledger.Node // the items of experience and education
	ids      map[string]string       // their ids; absent for an add
	items    []sinks.ItemEdit        // of websites
}

func object() *ledger.Node { return &ledger.Node{Kind: ledger.NodeObject} }

// refuse notes a fault. A name that cannot be shown is left out.
func (r *inbound) refuse(name, code, message string) {
	r.spoilt[topOf(name)] = true
	if !isName(name) || len(name) > maxName {
		name = ""
	}
	r.wrong = append(r.wrong, ledger.FieldError{Pointer: name, Code: code, Message: message})
}

func topOf(name string) string {
	top, _, _ := strings.Cut(name, "[")
	return top
}

// read puts the parts of one name together.
func (r *inbound) read() {
	r.byName = map[string]*group{}
	bad := map[string]bool{}
	for i := range r.form.Parts {
		p := &r.form.Parts[i]
		if !isPath(p.Name) {
			if !bad[p.Name] {
				r.refuse(p.Name, ledger.CodeUnknownField, "there is no such field: names are like experience[start_date][year], and a list repeats one name without an index")
			}
			bad[p.Name] = true
			continue
		}
		g := r.byName[p.Name]
		if g == nil {
			g = &group{name: p.Name}
			r.groups, r.byName[p.Name] = append(r.groups, g), g
		}
		g.parts = append(g.parts, p)
	}
}

// isPath says whether a name is a key with members in brackets.
func isPath(name string) bool {
	top, rest, inner := strings.Cut(name, "[")
	if len(name) > maxName || !isName(name) || top == "" || strings.Contains(top, "]") || strings.Count(name, "[") > maxDepth {
		return false
	}
	if !inner {
		return true
	}
	rest, closed := strings.CutSuffix(rest, "]")
	if !closed {
		return false
	}
	for part := range strings.SplitSeq(rest, "][") {
		if part == "" || strings.ContainsAny(part, "[]") {
			return false
		}
	}
	return true
}

// address checks for whom the form is.
func (r *inbound) address() {
	for _, name := range []string{typeKey, accountKey} {
		if r.byName[name] == nil {
			r.refuse(name, ledger.CodeRequired, "is required")
		}
	}
	if text, ok := r.text(r.byName[typeKey]); ok && text != "LINKEDIN" {
		r.refuse(typeKey, ledger.CodeNotOneOf, "must be LINKEDIN")
	}
	if text, ok := r.text(r.byName[accountKey]); ok && text == "" {
		r.refuse(accountKey, ledger.CodeEmpty, "must not be empty")
	}
}

// single is the only part of a group, of the kind that is wanted.
func (r *inbound) single(g *group, file bool) *Part {
	switch {
	case g == nil:
		return nil
	case len(g.parts) > 1:
		r.refuse(g.name, ledger.CodeDuplicate, "must be given once")
		return nil
	case g.parts[0].File && !file:
		r.refuse(g.name, ledger.CodeWrongType, "must be a text, not a file")
		return nil
	case !g.parts[0].File && file:
		r.refuse(g.name, ledger.CodeWrongType, "must be a file: a part with a filename")
		return nil
	}
	return g.parts[0]
}

func (r *inbound) text(g *group) (string, bool) {
	p := r.single(g, false)
	if p == nil {
		return "", false
	}
	return p.Text, true
}

// group reads the parts of one name into what they are an edit of.
func (r *inbound) group(g *group) {
	if g.name == typeKey || g.name == accountKey || g.name == linkURL {
		return // they are read by their names
	}
	if s, ok := sectionOf(strings.TrimSuffix(g.name, "[id]")); ok && strings.HasSuffix(g.name, "[id]") {
		if id, ok := r.text(g); ok && id == "" {
			r.refuse(g.name, ledger.CodeEmpty, "must not be empty: leave it out to add an entry")
		} else if ok {
			r.item(s.from)
			r.ids[s.from] = id
		}
		return
	}
	t, ok := formNames.to[g.name]
	if !ok {
		r.inside(g)
		return
	}
	switch t.kind {
	case ledger.KindList:
		if g.name == skillsKey {
			r.skills(g)
			return
		}
		r.refuse(g.name, ledger.CodeWrongType, "has members: name them in brackets")
	case ledger.KindObject, ledger.KindObjects, ledger.KindAny, ledger.KindDate:
		r.refuse(g.name, ledger.CodeWrongType, "has members: name them in brackets")
	case ledger.KindFile:
		p := r.single(g, true)
		if p != nil && len(p.Content) == 0 {
			r.refuse(g.name, ledger.CodeEmpty, "the file is empty")
		} else if p != nil {
			r.put(t, ledger.TextNode(p.Reference()))
		}
	case ledger.KindBool:
		text, ok := r.text(g)
		if ok && text != "true" && text != "false" {
			r.refuse(g.name, ledger.CodeWrongType, "must be true or false")
		} else if ok {
			r.put(t, ledger.Node{Kind: ledger.NodeBool, Bool: text == "true"})
		}
	case ledger.KindNumber, ledger.KindInteger:
		if text, ok := r.text(g); ok {
			n, err := ledger.ParseJSON([]byte(text))
			if err != nil || n.Kind != ledger.NodeNumber || n.Text != text {
				r.refuse(g.name, ledger.CodeWrongType, "must be a number")
				return
			}
			r.put(t, n)
		}
	case ledger.KindTexts:
		if list, ok := r.texts(g); ok {
			r.put(t, list)
		}
	default:
		if strings.HasPrefix(g.name, "open_to_work[job_title]") {
			return // read in pairs
		}
		if text, ok := r.text(g); ok {
			r.put(t, ledger.TextNode(text))
		}
	}
}

// texts are the parts of a list.
func (r *inbound) texts(g *group) (ledger.Node, bool) {
	list := ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{}}
	for _, p := range g.parts {
		if p.File {
			r.refuse(g.name, ledger.CodeWrongType, "must be texts, not a file")
			return list, false
		}
		list.Elems = append(list.Elems, ledger.TextNode(p.Text))
	}
	return list, true
}

// inside reads a part that is inside something that has no row for each member: a date, or
// an object whose members nobody names.
func (r *inbound) inside(g *group) {
	for outer := g.name; ; {
		i := strings.LastIndexByte(outer, '[')
		if i < 0 {
			break
		}
		outer = outer[:i]
		t, ok := formNames.to[outer]
		if !ok {
			continue
		}
		inner := strings.Split(strings.Trim(g.name[i:], "[]"), "][")
		switch {
		case t.kind == ledger.KindDate && len(inner) == 1 && (inner[0] == "month" || inner[0] == "year"):
			return // read in pairs
		case t.kind == ledger.KindAny:
			list, ok := r.texts(g)
			if len(list.Elems) == 1 {
				list = list.Elems[0]
			}
			t.path = append(slices.Clone(t.path), inner...)
			if ok && !r.put(t, list) {
				r.refuse(g.name, ledger.CodeWrongType, "is a value and has members too")
			}
			return
		}
		break
	}
	for name := range formNames.to {
		if strings.HasPrefix(name, g.name+"[") {
			r.refuse(g.name, ledger.CodeWrongType, "has members: name them in brackets")
			return
		}
	}
	r.refuse(g.name, ledger.CodeUnknownField, "there is no such field")
}

// item is the item that a section's part is about.
func (r *inbound) item(from string) *ledger.Node {
	if r.sections[from] == nil {
		r.sections[from] = object()
	}
	return r.sections[from]
}

// put sets a value at its place; false when there is one already on the way there.
func (r *inbound) put(t target, v ledger.Node) bool {
	if _, ok := sectionFrom(t.field); ok {
		return setAt(r.item(t.field), t.path, v)
	}
	return setAt(r.patch, append(strings.Split(t.field, "."), t.path...), v)
}

func setAt(n *ledger.Node, path []string, v ledger.Node) bool {
	for _, name := range path[:len(path)-1] {
		i := indexOf(n, name)
		if i < 0 {
			i = len(n.Members)
			n.Members = append(n.Members, ledger.NodeMember{Name: name, Node: *object()})
		}
		if n = &n.Members[i].Node; n.Kind != ledger.NodeObject {
			return false
		}
	}
	last := path[len(path)-1]
	if indexOf(n, last) >= 0 {
		return false
	}
	n.Members = append(n.Members, ledger.NodeMember{Name: last, Node: v})
	return true
}

func indexOf(n *ledger.Node, name string) int {
	return slices.IndexFunc(n.Members, func(m ledger.NodeMember) bool { return m.Name == name })
}

// dates reads month and year of the entries' dates.
func (r *inbound) dates() {
	for _, s := range sections {
		for _, m := range s.members {
			if m.to != startDate && m.to != endDate {
				continue
			}
			as := s.name + "[" + m.to + "]"
			month, year := r.byName[as+"[month]"], r.byName[as+"[year]"]
			if month == nil && year == nil {
				continue
			}
			mm, ok1 := r.count(month, as+"[month]", 1, 12)
			yy, ok2 := r.count(year, as+"[year]", 1, 9999)
			if ok1 && ok2 {
				setAt(r.item(s.from), []string{m.from}, ledger.TextNode(monthYear{yy, mm}.String()))
			}
		}
	}
}

// count reads a whole number that is required.
func (r *inbound) count(g *group, name string, least, most int) (int, bool) {
	if g == nil {
		r.refuse(name, ledger.CodeRequired, "is required: a date has month and year")
		return 0, false
	}
	text, ok := r.text(g)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || len(text) > 4 || text[0] == '+' || text[0] == '-' {
		r.refuse(name, ledger.CodeWrongType, "must be a whole number")
		return 0, false
	}
	if n < least || n > most {
		r.refuse(name, ledger.CodeOutOfRange, "must be from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		return 0, false
	}
	return n, true
}

// jobTitles reads names and ids in pairs: the first name is of the first id.
func (r *inbound) jobTitles() {
	const as = "open_to_work[job_title]"
	all := map[string][]ledger.Node{}
	most := 0
	for _, name := range []string{"name", "id"} {
		if g := r.byName[as+"["+name+"]"]; g != nil {
			list, _ := r.texts(g)
			all[name], most = list.Elems, max(most, len(list.Elems))
		}
	}
	if most == 0 {
		return
	}
	titles := ledger.Node{Kind: ledger.NodeArray, Elems: make([]ledger.Node, most)}
	for i := range titles.Elems {
		titles.Elems[i] = *object()
	}
	for _, name := range []string{"name", "id"} {
		if len(all[name]) < most {
			r.refuse(as+"["+name+"]", ledger.CodeRequired, "every job title has a name and an id")
			continue
		}
		for i := range titles.Elems {
			setAt(&titles.Elems[i], []string{name}, all[name][i])
		}
	}
	r.put(formNames.to[as], titles)
}
