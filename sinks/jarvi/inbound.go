package jarvi

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"vitae/ledger"
	"vitae/sinks"
)

// Inbound is what a POST of a profile asks for, made by somebody who takes us for Jarvi.
// Which profile it is about has to be found out before its edits can be made: see Edits.
type Inbound struct {
	ID         *ledger.ProfileID // nil when it names none by id
	ExternalID string            // "" when it names none
	Files      []File            // in the order of the body

	fields  []ledger.NodeMember // Jarvi's names
	customs []ledger.NodeMember // by uuid in lower case
	note    ledger.Node         // an item of the history; without members for none
}

// File is one file of a request.
type File struct {
	Field     string // of the catalogue
	Name      string
	MediaType string
	Content   []byte
}

// maxExternalID is how long an externalId may be, in code points: as long as an account.
const maxExternalID = 200

// UUID is a profile's id as Jarvi writes ids.
func UUID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// ParseUUID is the inverse of UUID. It takes capitals too.
func ParseUUID(s string) (id ledger.ProfileID, ok bool) {
	if !uuidForm.MatchString(s) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", "")))
	return id, err == nil && !id.IsZero()
}

// ParsePost reads the body of a POST of a profile. null is the same as absent. An empty
// text is refused: nothing can be cleared this way. The error is a *ledger.Refusal that
// names every wrong member as the page does.
//
// Of the addresses the first is the email, and the others are kept for Jarvi alone. A
// file is a data URI, data:@file/<subtype>;base64, and base64 after it without ends of
// lines, and has something in it.
func ParsePost(body []byte) (*Inbound, error) {
	root, err := ledger.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	if root.Kind != ledger.NodeObject {
		return nil, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object, not "+root.Kind.String())
	}
	r := &inbound{in: &Inbound{note: object()}}
	for _, m := range root.Members {
		if m.Node.Kind == ledger.NodeNull {
			r.known(m.Name)
			continue
		}
		r.member(m.Name, m.Node)
	}
	if len(r.wrong) > 0 {
		return nil, &ledger.Refusal{Fields: r.wrong}
	}
	return r.in, nil
}

// inbound gathers a request, and what is wrong with it.
type inbound struct {
	in    *Inbound
	wrong []ledger.FieldError
}

func (r *inbound) refuse(pointer, code, message string) {
	r.wrong = append(r.wrong, ledger.FieldError{Pointer: pointer, Code: code, Message: message})
}

// known refuses a name that is none of the page's.
func (r *inbound) known(name string) bool {
	ok := name == "id" || name == externalID || uuidForm.MatchString(name) ||
		slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) ||
		slices.ContainsFunc(notes, func(n [2]string) bool { return n[1] == name }) ||
		slices.ContainsFunc(sections, func(s section) bool { return s.list != "" && s.list == name })
	if !ok {
		r.refuse(ledger.PointerTo("", name), ledger.CodeUnknownField, "is not a field, nor the uuid of a custom field")
	}
	return ok
}

// member reads one member of the body.
func (r *inbound) member(name string, n ledger.Node) {
	if !r.known(name) {
		return
	}
	at := ledger.PointerTo("", name)
	if i := slices.IndexFunc(sections, func(s section) bool { return s.list != "" && s.list == name }); i >= 0 {
		r.files(sections[i], n, at)
		return
	}
	switch {
	case n.Kind != ledger.NodeString:
		r.refuse(at, ledger.CodeWrongType, "must be a text, not "+n.Kind.String())
	case n.Text == "":
		r.refuse(at, ledger.CodeEmpty, "must not be empty: leave it out")
	case name == "id":
		id, ok := ParseUUID(n.Text)
		if !ok {
			r.refuse(at, ledger.CodeFormat, "must be a uuid")
			return
		}
		r.in.ID = &id
	case name == externalID:
		if ledger.Length(n.Text) > maxExternalID {
			r.refuse(at, ledger.CodeTooLong, "must have at most "+strconv.Itoa(maxExternalID)+" characters")
		}
		r.in.ExternalID = norm.NFC.String(n.Text)
	case uuidForm.MatchString(name):
		uuid := strings.ToLower(name)
		if slices.ContainsFunc(r.in.customs, func(m ledger.NodeMember) bool { return m.Name == uuid }) {
			r.refuse(at, ledger.CodeDuplicate, "is given twice")
			return
		}
		r.check(custom+uuid, n, at)
		r.in.customs = append(r.in.customs, member(uuid, n))
	case slices.ContainsFunc(notes, func(pair [2]string) bool { return pair[1] == name }):
		r.line(name, n, at)
	default:
		r.field(name, n, at)
	}
}

// check refuses what the catalogue does not take for a field.
func (r *inbound) check(name string, n ledger.Node, at string) {
	f, _, _ := ledger.Lookup(name)
	_, _, errs := f.Check(n, at)
	r.wrong = append(r.wrong, errs...)
}

// field reads a field of the profile.
func (r *inbound) field(name string, n ledger.Node, at string) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	switch name {
	case emails, phoneNumbers:
		if len(listed(n.Text)) == 0 {
			r.refuse(at, ledger.CodeEmpty, "names nothing: leave it out")
			return
		}
		var errs []ledger.FieldError
		if name == emails {
			f, _, _ := ledger.Lookup("email")
			for _, address := range listed(n.Text) {
				_, _, wrong := f.Check(ledger.TextNode(address), at)
				errs = append(errs, wrong...)
			}
			if len(listed(n.Text)) > 1+ledger.MaxItems {
				errs = append(errs, ledger.FieldError{Code: ledger.CodeTooMany, Message: "must have at most " + strconv.Itoa(1+ledger.MaxItems) + " addresses"})
			}
		} else {
			f, _, _ := ledger.Lookup("phones")
			_, errs = f.CheckItems(numbered(listed(n.Text), nil), at)
		}
		// A part of the text has no place of its own.
		if len(errs) > 0 {
			r.refuse(at, errs[0].Code, errs[0].Message)
		}
	case location:
		city, country := placed(n.Text)
		if city == "" && country == "" {
			r.refuse(at, ledger.CodeEmpty, "names nothing: leave it out")
			return
		}
		for _, part := range [][2]string{{"city", city}, {"country", country}} {
			if part[1] != "" {
				r.check(part[0], ledger.TextNode(part[1]), at)
			}
		}
	default:
		r.check(fields[i].from[0], n, at)
	}
	r.in.fields = append(r.in.fields, member(name, n))
}

// line reads a member of a note for the history.
func (r *inbound) line(name string, n ledger.Node, at string) {
	i := slices.IndexFunc(notes, func(pair [2]string) bool { return pair[1] == name })
	f, _, _ := ledger.Lookup("jarvi.historyEntries")
	_, errs := f.CheckItem(object(member(notes[i][0], n)), "")
	for _, e := range errs {
		r.refuse(at, e.Code, e.Message)
	}
	r.in.note.Members = append(r.in.note.Members, member(notes[i][0], n))
}

// dataURI is how a file begins.
var dataURI = regexp.MustCompile(`^data:@file/([A-Za-z0-9][A-Za-z0-9.+_-]{0,99});base64,`)

// files reads a list of files.
func (r *inbound) files(s section, n ledger.Node, at string) {
	if n.Kind != ledger.NodeArray {
		r.refuse(at, ledger.CodeWrongType, "must be an array, not "+n.Kind.String())
		return
	}
	if len(n.Elems) > ledger.MaxItems {
		r.refuse(at, ledger.CodeTooMany, "must have at most "+strconv.Itoa(ledger.MaxItems)+" files")
		return
	}
	for i, e := range n.Elems {
		at := ledger.PointerTo(at, strconv.Itoa(i))
		if e.Kind != ledger.NodeObject {
			r.refuse(at, ledger.CodeWrongType, "must be an object, not "+e.Kind.String())
			continue
		}
		f := File{Field: s.from}
		for _, m := range e.Members {
			at := ledger.PointerTo(at, m.Name)
			switch {
			case m.Name != "fileName" && m.Name != "data":
				r.refuse(at, ledger.CodeUnknownField, "there is no such member here")
			case m.Node.Kind != ledger.NodeString:
				r.refuse(at, ledger.CodeWrongType, "must be a text, not "+m.Node.Kind.String())
			case m.Name == "fileName":
				f.Name = m.Node.Text
				known, _, _ := ledger.Lookup(s.from)
				_, errs := known.CheckItem(object(member("fileName", m.Node), member("file", ledger.TextNode("sha256:"+strings.Repeat("0", 64)))), "")
				for _, e := range errs {
					r.refuse(at, e.Code, e.Message)
				}
			default:
				f.MediaType, f.Content = opened(m.Node.Text)
				if f.Content == nil {
					r.refuse(at, ledger.CodeFormat, "must be data:@file/<subtype>;base64, with the file in base64 after it")
				}
			}
		}
		for _, name := range []string{"fileName", "data"} {
			if _, ok := e.Member(name); !ok {
				r.refuse(ledger.PointerTo(at, name), ledger.CodeRequired, "is required")
			}
		}
		r.in.Files = append(r.in.Files, f)
	}
}

// opened is the file in a data URI; nil when it is none.
func opened(data string) (mediaType string, content []byte) {
	match := dataURI.FindStringSubmatch(data)
	// The decoder passes over ends of lines.
	if match == nil || strings.ContainsAny(data, "\r\n") {
		return "", nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(data[len(match[0]):])
	if err != nil || len(b) == 0 {
		return "", nil
	}
	half := strings.ToLower(match[1])
	switch half {
	case "png", "jpeg", "gif", "webp", "tiff", "bmp":
		return "image/" + half, b
	case "jpg":
		return "image/jpeg", b
	case "plain", "html", "csv", "markdown":
		return "text/" + half, b
	}
	return "application/" + half, b
}

// listed are the parts of a text that stands for a list.
func listed(text string) (parts []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = norm.NFC.String(strings.TrimSpace(part)); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// placed takes a location apart: the country is what follows the last comma.
func placed(text string) (city, country string) {
	city, country = text, ""
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		city, country = text[:i], text[i+1:]
	}
	return strings.TrimSpace(city), strings.TrimSpace(country)
}

// numbered are phone numbers as items; one that the profile has keeps its type.
func numbered(numbers []string, have []ledger.Item) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeArray}
	for _, number := range numbers {
		item := object(member("number", ledger.TextNode(number)))
		for _, old := range have {
			n, err := ledger.ParseJSON(old.Value)
			if v, _ := n.Member("number"); err == nil && v.Text == number {
				item = n
			}
		}
		out.Elems = append(out.Elems, item)
	}
	return out
}

// Edits are the edits of a request on the profile that it is about, opened; nil for one
// that is to be created. hashes are those of Files, in their order; files that have none are
// left out.
//
// The addresses replace the profile's. So do the numbers, and those that stay keep their types. A location is a
// city and a country; with one part it is a city alone, and the country is cleared: it
// would be that of another place. A note and the files are added.
func (in *Inbound) Edits(p *ledger.Profile, hashes []ledger.Hash) sinks.Edits {
	patch, own := object(), object()
	for _, m := range in.fields {
		f := fields[slices.IndexFunc(fields, func(f field) bool { return f.name == m.Name })]
		switch m.Name {
		case emails:
			addresses := listed(m.Node.Text)
			patch.Members = append(patch.Members, member("email", ledger.TextNode(addresses[0])))
			rest := ledger.Node{Kind: ledger.NodeArray}
			for _, address := range addresses[1:] {
				rest.Elems = append(rest.Elems, ledger.TextNode(address))
			}
			switch {
			case len(rest.Elems) > 0:
				own.Members = append(own.Members, member(emails, rest))
			case p != nil && p.Scalar(otherEmails) != nil:
				own.Members = append(own.Members, member(emails, ledger.Node{}))
			}
		case phoneNumbers:
			var have []ledger.Item
			if p != nil {
				have = p.Items(ledger.Shared, "phones")
			}
			patch.Members = append(patch.Members, member("phones", numbered(listed(m.Node.Text), have)))
		case location:
			city, country := placed(m.Node.Text)
			parts := map[string]string{"city": city, "country": country}
			for _, name := range f.from {
				if parts[name] != "" {
					patch.Members = append(patch.Members, member(name, ledger.TextNode(parts[name])))
				} else if p != nil && p.Scalar(name) != nil {
					patch.Members = append(patch.Members, member(name, ledger.Node{}))
				}
			}
		default:
			if name, ok := strings.CutPrefix(f.from[0], ledger.Jarvi+"."); ok {
				own.Members = append(own.Members, member(name, m.Node))
			} else {
				patch.Members = append(patch.Members, member(f.from[0], m.Node))
			}
		}
	}
	if len(in.customs) > 0 {
		own.Members = append(own.Members, member("custom", object(in.customs...)))
	}
	if len(own.Members) > 0 {
		patch.Members = append(patch.Members, member(ledger.Jarvi, own))
	}
	var e sinks.Edits
	if len(patch.Members) > 0 {
		e.Patch = patch.Append(nil)
	}
	if len(in.note.Members) > 0 {
		e.Items = append(e.Items, sinks.ItemEdit{Op: sinks.AddItem, Field: "jarvi.historyEntries", Body: in.note.Append(nil)})
	}
	for i, h := range hashes {
		item := object(member("fileName", ledger.TextNode(in.Files[i].Name)), member("file", ledger.TextNode("sha256:"+h.String())))
		e.Items = append(e.Items, sinks.ItemEdit{Op: sinks.AddItem, Field: in.Files[i].Field, Body: item.Append(nil)})
	}
	return e
}

// MemberOf gives the page's name of what a pointer of a refusal is about, with dots in it;
// "" when it is about the request as a whole. A name of the page stays as it is.
func MemberOf(pointer string) string {
	if pointer == "" {
		return ""
	}
	parts := strings.Split(pointer[1:], "/")
	name, rest := parts[0], parts[1:]
	switch {
	case name == ledger.Jarvi && len(rest) > 1 && rest[0] == "custom":
		return rest[1]
	case name == ledger.Jarvi && len(rest) > 0:
		name, rest = name+"."+rest[0], rest[1:]
	}
	for _, f := range fields {
		if slices.Contains(f.from, name) {
			return f.name
		}
	}
	if name == "phones" {
		return phoneNumbers
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.Join(append([]string{name}, rest...), "."))
}
