package nexudus

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"vitae/ledger"
	"vitae/sinks"
)

// Inbound is what a PATCH of the page asks for, made by somebody who takes us for a portal.
type Inbound struct {
	Edits    sinks.Edits
	Password *Password // nil when it is not to be changed
}

// Password is the change of a password. It is passed on or dropped, and never kept. It
// shows itself to nobody who prints or encodes it.
type Password struct{ old, new string }

// Open gives the present password and the one to be.
func (p *Password) Open() (old, new string) { return p.old, p.new }

// String hides it.
func (*Password) String() string { return "(a password)" }

// GoString hides it.
func (p *Password) GoString() string { return p.String() }

// LogValue hides it.
func (p *Password) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalJSON hides it.
func (*Password) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// The members of a change of the password.
const (
	oldPassword    = "OldPassword"
	newPassword    = "NewPassword"
	repeatPassword = "RepeatNewPassword"
)

// PasswordFields names them.
func PasswordFields() []string { return []string{oldPassword, newPassword, repeatPassword} }

// natives are the native names of the fields that are made of several when they are sent.
var natives = map[string]string{fullName: "displayName", mobile: "phone", tags: "skills"}

// native is the catalogue's name of a field.
func (f field) native() string {
	if f.from != "" {
		return f.from
	}
	return natives[f.name]
}

// PropertyOf gives the page's name of what a pointer of a refusal is about; "" when it is
// about the request as a whole. A name of the page stays as it is.
func PropertyOf(pointer string) string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	name := parts[0]
	if name == ledger.Nexudus && len(parts) > 1 {
		name += "." + parts[1]
	}
	for _, f := range fields {
		if f.native() == name {
			return f.name
		}
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
}

// ParsePatch reads the body of a PATCH of the page. p is the profile as it is now, opened.
//
// What is absent stays. null clears what the page lets be null, and is refused for the
// rest. An empty text clears a text, whichever it is. FullName is the display name: first
// and last name stay. MobilePhone is the first number, so that clearing it moves the next
// one up. Tags replace the skills, by name: a skill that is there already keeps what else
// is known about it. A country is given by its number among Countries and becomes its
// name, unless the profile's is that country already, however it is written. The country of
// the bills is kept by that number. Tags and a country that are what they were change nothing.
//
// The error is a *ledger.Refusal that names every wrong field as the page does.
func ParsePatch(body []byte, p *ledger.Profile) (Inbound, error) {
	root, err := ledger.ParseJSON(body)
	if err != nil {
		return Inbound{}, err
	}
	if root.Kind != ledger.NodeObject {
		return Inbound{}, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object, not "+root.Kind.String())
	}
	r := inbound{p: p, patch: ledger.Node{Kind: ledger.NodeObject}, own: ledger.Node{Kind: ledger.NodeObject}}
	for _, m := range root.Members {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == m.Name })
		switch {
		case i >= 0:
			r.field(fields[i], m.Node)
		case !slices.Contains(PasswordFields(), m.Name):
			r.refuse(m.Name, ledger.CodeUnknownField, "there is no such field")
		}
	}
	in := Inbound{Password: r.password(root)}
	if len(r.wrong) > 0 {
		return Inbound{}, &ledger.Refusal{Fields: r.wrong}
	}
	if len(r.own.Members) > 0 {
		r.patch.Members = append(r.patch.Members, ledger.NodeMember{Name: ledger.Nexudus, Node: r.own})
	}
	if len(r.patch.Members) > 0 {
		in.Edits.Patch = r.patch.Append(nil)
	}
	return in, nil
}

// inbound gathers the edits of one request, and what is wrong with it.
type inbound struct {
	p          *ledger.Profile
	patch, own ledger.Node // of the profile, and of its nexudus object
	wrong      []ledger.FieldError
}

func (r *inbound) refuse(name, code, message string) {
	r.wrong = append(r.wrong, ledger.FieldError{Pointer: ledger.PointerTo("", name), Code: code, Message: message})
}

// field reads one field of the page.
func (r *inbound) field(f field, n ledger.Node) {
	country := f.name == countryID
	want := f.kind
	if country {
		want = ledger.NodeNumber
	}
	switch {
	case n.Kind == ledger.NodeNull && f.clear != null:
		r.refuse(f.name, ledger.CodeNotClearable, "must not be null")
		return
	case n.Kind != ledger.NodeNull && n.Kind != want:
		r.refuse(f.name, ledger.CodeWrongType, "must be "+want.String()+", not "+n.Kind.String())
		return
	case country:
		r.country(n)
		return
	case f.name == billingID && n.Kind == ledger.NodeNumber:
		now, err := scalar(r.p, f.from, ledger.NodeNumber)
		if _, ok := countryOf(n.Text); !ok && (err != nil || now.Text != n.Text) {
			r.refuse(f.name, ledger.CodeNotOneOf, noCountry)
			return
		}
	case f.name == tags:
		r.tags(n.Text)
		return
	case f.name == birthday:
		n = day(n)
	}
	if n.Kind == ledger.NodeString && n.Text == "" {
		n = ledger.Node{}
	}
	r.set(f, n)
}

// set makes a field what n is, if the catalogue takes that.
func (r *inbound) set(f field, n ledger.Node) {
	name := f.native()
	known, _, _ := ledger.Lookup(name)
	_, _, errs := known.Check(n, ledger.PointerTo("", f.name))
	r.wrong = append(r.wrong, errs...)
	if own, ok := strings.CutPrefix(name, ledger.Nexudus+"."); ok {
		r.own.Members = append(r.own.Members, ledger.NodeMember{Name: own, Node: n})
		return
	}
	r.patch.Members = append(r.patch.Members, ledger.NodeMember{Name: name, Node: n})
}

const noCountry = "is not the number of a country: see /api/public/countries"

// country reads the number of one.
func (r *inbound) country(n ledger.Node) {
	c, ok := countryOf(n.Text)
	if !ok {
		r.refuse(countryID, ledger.CodeNotOneOf, noCountry)
		return
	}
	now, err := scalar(r.p, "country", ledger.NodeString)
	if err == nil && now.Text != "" && ledger.CountryCode(now.Text) == c.TwoDigitsCode {
		return // as typed
	}
	r.patch.Members = append(r.patch.Members, ledger.NodeMember{Name: "country", Node: ledger.TextNode(c.Name)})
}

// tags reads the one text of all tags.
func (r *inbound) tags(text string) {
	items := r.p.Items(ledger.Base, "skills")
	var names []string
	for tag := range strings.SplitSeq(text, ",") {
		if tag = norm.NFC.String(strings.TrimSpace(tag)); tag != "" {
			names = append(names, tag)
		}
	}
	if slices.Equal(names, listed(strings.Join(namesOf(items), ","))) {
		return
	}
	known, _, _ := ledger.Lookup("skills")
	list := ledger.Node{Kind: ledger.NodeArray}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		item := ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "name", Node: ledger.TextNode(name)}}}
		if at := slices.Index(namesOf(items), name); at >= 0 {
			if have, err := ledger.ParseJSON(ledger.AppendItem(nil, items[at])); err == nil {
				item = have
			}
		}
		list.Elems = append(list.Elems, item)
	}
	_, errs := known.CheckItems(list, ledger.PointerTo("", tags))
	r.wrong = append(r.wrong, errs...)
	r.patch.Members = append(r.patch.Members, ledger.NodeMember{Name: "skills", Node: list})
}

// namesOf are the names of skills.
func namesOf(items []ledger.Item) []string {
	var names []string
	for _, item := range items {
		v, err := text(item, "name")
		if err != nil {
			v.Text = "" // it is none of the catalogue's, and no tag names it
		}
		names = append(names, norm.NFC.String(v.Text))
	}
	return names
}

// listed are the parts of a text of tags.
func listed(text string) []string {
	var names []string
	for _, e := range split(ledger.TextNode(text)).Elems {
		names = append(names, e.Text)
	}
	return names
}

// maxPassword is how long a password may be, in code points.
const maxPassword = 1000

// password reads the three members of a change; nil when there are none of them.
func (r *inbound) password(root ledger.Node) *Password {
	given := map[string]string{}
	before := len(r.wrong)
	some := false
	for _, name := range PasswordFields() {
		n, there := root.Member(name)
		some = some || there
		switch {
		case !there:
		case n.Kind != ledger.NodeString:
			r.refuse(name, ledger.CodeWrongType, "must be a text, not "+n.Kind.String())
		case n.Text == "":
			r.refuse(name, ledger.CodeEmpty, "must not be empty")
		case ledger.Length(n.Text) > maxPassword:
			r.refuse(name, ledger.CodeTooLong, "must have at most "+strconv.Itoa(maxPassword)+" characters")
		}
		given[name] = n.Text
	}
	if !some {
		return nil
	}
	for _, name := range PasswordFields() {
		if _, there := root.Member(name); !there {
			r.refuse(name, ledger.CodeRequired, "is required to change the password")
		}
	}
	if len(r.wrong) == before && given[newPassword] != given[repeatPassword] {
		r.refuse(repeatPassword, ledger.CodeNotOneOf, "must be the same as NewPassword")
	}
	return &Password{given[oldPassword], given[newPassword]}
}

// AppendProfile appends a profile as the page reads it, with the collections of base: every
// field; null where there is nothing, and "" or false where the page has no null.
func AppendProfile(b []byte, p *ledger.Profile) ([]byte, error) {
	out := ledger.Node{Kind: ledger.NodeObject}
	put := func(name string, n ledger.Node) {
		out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: n})
	}
	put("Id", ledger.Node{Kind: ledger.NodeNumber, Text: strconv.FormatUint(NumberOf(p.ID), 10)})
	for _, f := range fields {
		var n ledger.Node
		var err error
		switch f.name {
		case tags:
			n = ledger.TextNode(strings.Join(namesOf(p.Items(ledger.Base, "skills")), ", "))
		default:
			n, err = f.value(p, ledger.Base)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case f.name == countryID:
			n = numberOf(n.Text)
		case n.Kind != ledger.NodeNull || f.clear == null || f.kind == ledger.NodeNumber:
		case f.kind == ledger.NodeBool:
			n = ledger.Node{Kind: ledger.NodeBool}
		default:
			n = ledger.TextNode("")
		}
		put(f.name, n)
	}
	return out.Append(b), nil
}

// numberOf is the number of a country as it was typed; null when it is not known.
func numberOf(typed string) ledger.Node {
	code := ledger.CountryCode(typed)
	for _, c := range Countries() {
		if typed != "" && c.TwoDigitsCode == code {
			return ledger.Node{Kind: ledger.NodeNumber, Text: strconv.Itoa(c.ID)}
		}
	}
	return ledger.Node{}
}

// NumberOf is the number under which the page knows a profile: positive, and small enough
// for every reader of JSON.
func NumberOf(id ledger.ProfileID) uint64 {
	h := ledger.HashOf(id[:])
	return max(binary.BigEndian.Uint64(h[:8])>>12, 1)
}

// Confirmation is the portal's answer to an action.
type Confirmation struct {
	WasSuccessful bool
	Value         any
	Status        int
	Message       *string
	Errors        []PropertyError
}

// PropertyError is one thing that is wrong with an action. The value is never repeated.
type PropertyError struct {
	AttemptedValue any
	Message        string
	PropertyName   *string
}

// Confirmed is the answer to an action that was done.
func Confirmed() json.RawMessage {
	return json.RawMessage(`{"WasSuccessful":true,"Value":null,"Status":200,"Message":null,"Errors":null}`)
}

// Failed is the answer to an action that was not done: status stands in it too, and every
// error has a place, be it none.
func Failed(status int, message string, errs []ledger.FieldError) Confirmation {
	c := Confirmation{Status: status, Message: &message, Errors: []PropertyError{}}
	for _, e := range errs {
		pe := PropertyError{Message: e.Message}
		if name := PropertyOf(e.Pointer); name != "" {
			pe.PropertyName = &name
		}
		c.Errors = append(c.Errors, pe)
	}
	if len(errs) == 0 {
		c.Errors = append(c.Errors, PropertyError{Message: message})
	}
	return c
}
