package api

import (
	"net/http"
	"strconv"
	"time"

	"vitae/ledger"
)

// form reads the members of a JSON object, and collects everything that is wrong with it.
// A null is wrong wherever it stands: it must not make a choice wider by saying nothing.
type form struct {
	at      string // JSON pointer of the object
	members []ledger.NodeMember
	wrong   *[]ledger.FieldError
}

// formOf reads a body that is an object; nil is an empty one.
func formOf(b []byte) (form, error) {
	f := form{wrong: new([]ledger.FieldError)}
	if b == nil {
		return f, nil
	}
	root, err := ledger.ParseJSON(b)
	if err != nil {
		return f, err
	}
	if root.Kind != ledger.NodeObject {
		return f, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object")
	}
	f.members = root.Members
	return f, nil
}

// err refuses everything that was wrong; nil when nothing was.
func (f form) err() error {
	if len(*f.wrong) == 0 {
		return nil
	}
	return &ledger.Refusal{Fields: *f.wrong}
}

func (f form) refuse(name, code, message string) {
	*f.wrong = append(*f.wrong, ledger.FieldError{Pointer: ledger.PointerTo(f.at, name), Code: code, Message: message})
}

// only refuses members of other names. What a caller called them is in the pointer, and
// nowhere else.
func (f form) only(names ...string) {
	for _, m := range f.members {
		known := false
		for _, name := range names {
			known = known || m.Name == name
		}
		if !known {
			f.refuse(m.Name, ledger.CodeUnknownField, "there is no such member here")
		}
	}
}

func (f form) member(name string) (ledger.Node, bool) {
	for _, m := range f.members {
		if m.Name == name {
			return m.Node, true
		}
	}
	return ledger.Node{}, false
}

// text reads a text of at most 1,000 characters; ok is false when there is none, or a
// wrong one.
func (f form) text(name string) (text string, ok bool) {
	n, there := f.member(name)
	switch {
	case !there:
		return "", false
	case n.Kind != ledger.NodeString || ledger.Length(n.Text) > maxReason:
		f.refuse(name, ledger.CodeWrongType, "must be a text of at most 1,000 characters")
		return "", false
	}
	return n.Text, true
}

// name reads a text that is not empty; "" when there is none.
func (f form) name(name string) string {
	text, ok := f.text(name)
	if ok && text == "" {
		f.refuse(name, ledger.CodeEmpty, "must not be empty: leave it out")
	}
	return text
}

// inner reads a member that is an object.
func (f form) inner(name string) form {
	in := form{at: ledger.PointerTo(f.at, name), wrong: f.wrong}
	n, there := f.member(name)
	if there && n.Kind != ledger.NodeObject {
		f.refuse(name, ledger.CodeWrongType, "must be an object")
		return in
	}
	in.members = n.Members
	return in
}

// profile reads a profile's id; nil when there is none.
func (f form) profile(name string) *ledger.ProfileID {
	text, ok := f.text(name)
	if !ok {
		return nil
	}
	id, err := ledger.ParseProfileID(text)
	if err != nil {
		f.refuse(name, ledger.CodeFormat, "must be a profile's id, a ULID of 26 characters")
		return nil
	}
	return &id
}

// time reads a time of RFC 3339; zero when there is none.
func (f form) time(name string) time.Time {
	text, ok := f.text(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		f.refuse(name, ledger.CodeFormat, "must be a time like 2026-05-03T10:14:00Z")
	}
	return t
}

// seq reads a sequence; 0 when there is none.
func (f form) seq(name string) ledger.Seq {
	n, there := f.member(name)
	if !there {
		return 0
	}
	if n.Kind != ledger.NodeNumber {
		f.refuse(name, ledger.CodeWrongType, "must be a whole number")
		return 0
	}
	seq, err := strconv.ParseUint(n.Text, 10, 63)
	if err != nil || seq == 0 {
		f.refuse(name, ledger.CodeOutOfRange, "must be a sequence: a whole number from 1")
	}
	return ledger.Seq(seq)
}

// flag reads true or false; false when there is none.
func (f form) flag(name string) bool {
	n, there := f.member(name)
	if there && n.Kind != ledger.NodeBool {
		f.refuse(name, ledger.CodeWrongType, "must be true or false")
	}
	return n.Bool
}

// texts reads a list of texts; nil when there is none.
func (f form) texts(name string) (out []string) {
	n, there := f.member(name)
	if there && n.Kind != ledger.NodeArray {
		f.refuse(name, ledger.CodeWrongType, "must be a list of texts")
	}
	for i, e := range n.Elems {
		if e.Kind != ledger.NodeString {
			at := form{at: ledger.PointerTo(f.at, name), wrong: f.wrong}
			at.refuse(strconv.Itoa(i), ledger.CodeWrongType, "must be a text")
		}
		out = append(out, e.Text)
	}
	return out
}

// queryForm gives the parameters of a query as the members of a form.
func queryForm(r *http.Request, names ...string) (form, error) {
	f := form{wrong: new([]ledger.FieldError)}
	q, err := query(r)
	if err != nil {
		return f, err
	}
	for _, name := range names {
		text, err := one(q, name)
		if err != nil {
			return f, err
		}
		if text != "" {
			f.members = append(f.members, ledger.NodeMember{Name: name, Node: ledger.TextNode(text)})
		}
	}
	return f, nil
}
