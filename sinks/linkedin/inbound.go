package linkedin

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// This is the other direction: requests of LinkedIn's clients become edits of the profile.
// The tables of fields and sections are the same. What is wrong is told in LinkedIn's
// names, as a *ledger.Refusal; ledger.CodeSyntax in it says that the body is malformed.

// ItemID is the number by which clients know an item of a section. It is positive, has 63
// bits and is always the same for the same item.
func ItemID(section, item string) int64 {
	sum := sha256.Sum256([]byte(section + "/" + item))
	n := int64(binary.BigEndian.Uint64(sum[:8]) &^ (1 << 63))
	return max(n, 1)
}

// refFor is ItemID as it is written.
func refFor(section, item string) string { return strconv.FormatInt(ItemID(section, item), 10) }

// IsSection says whether there is a sub-resource of that name.
func IsSection(name string) bool { return sectionOf(name) != nil }

// Assets gives the reference of the file that was uploaded as an asset of the profile;
// ledger.ErrNotFound when there is none.
type Assets func(urn string) (file string, err error)

// ParsePatch reads a patch of the main resource. p is the profile's opened state: the edits
// are right for this state. What says only what is there already is no edit.
func ParsePatch(body []byte, p *ledger.Profile, assets Assets) (sinks.Edits, error) {
	in, err := newInbound(p)
	if err != nil {
		return sinks.Edits{}, err
	}
	patch, err := patchOf(body)
	if err != nil {
		return sinks.Edits{}, err
	}
	set, deleted := in.operations(patch, true)
	for _, m := range set {
		in.setMain(m, ledger.PointerTo(atSet, m.Name), set)
	}
	for i, name := range deleted {
		in.deleteMain(name, atDelete+"/"+strconv.Itoa(i))
	}
	for _, m := range patch.Members {
		if pictureOf(m.Name) == "" {
			continue
		}
		if err := in.setPicture(m, ledger.PointerTo(atPatch, m.Name), assets); err != nil {
			return sinks.Edits{}, err
		}
	}
	if err := in.refusal(); err != nil || len(in.out.Members) == 0 {
		return sinks.Edits{}, err
	}
	return sinks.Edits{Patch: in.out.Append(nil)}, nil
}

// Where a patch has its parts.
const (
	atPatch  = "/patch"
	atSet    = "/patch/$set"
	atDelete = "/patch/$delete"
)

// inbound reads one request.
type inbound struct {
	p     *ledger.Profile
	w     *writer  // of what the client sees now
	own   []string // the URNs by which the member is known, the one that is kept first
	out   ledger.Node
	wrong []ledger.FieldError
}

func newInbound(p *ledger.Profile) (*inbound, error) {
	w, err := viewer(p)
	if err != nil {
		return nil, err
	}
	in := &inbound{p: p, w: w, own: []string{personURN(w.account)}, out: object()}
	if id := personURN(p.ID.String()); id != in.own[0] {
		in.own = append(in.own, id)
	}
	return in, nil
}

// viewer is a writer whose complaints do not matter: for what a client sees.
func viewer(p *ledger.Profile) (*writer, error) {
	settings, _, err := sinks.SettingsOf(p, ledger.LinkedIn)
	if err != nil {
		return nil, err
	}
	w := &writer{account: settings.Account}
	if w.account == "" {
		w.account = p.ID.String()
	}
	if w.all, err = fromProfile(p); err != nil {
		return nil, err
	}
	w.chooseLocale()
	return w, nil
}

func (in *inbound) refuse(at, code, message string) {
	in.wrong = append(in.wrong, ledger.FieldError{Pointer: at, Code: code, Message: message})
}

func (in *inbound) refusal() error {
	if len(in.wrong) > 0 {
		return &ledger.Refusal{Fields: in.wrong}
	}
	return nil
}

// put says what a native field or member becomes; null clears it.
func (in *inbound) put(name string, n ledger.Node) {
	assign(&in.out, strings.Split(name, "."), n)
}

func (in *inbound) clear(name string) { in.put(name, ledger.Node{}) }

// assign puts a value under a path, making the objects on the way.
func assign(n *ledger.Node, path []string, v ledger.Node) {
	i := slices.IndexFunc(n.Members, func(m ledger.NodeMember) bool { return m.Name == path[0] })
	if i < 0 {
		i = len(n.Members)
		n.Members = append(n.Members, member(path[0], object()))
	}
	if len(path) == 1 {
		n.Members[i].Node = v
		return
	}
	assign(&n.Members[i].Node, path[1:], v)
}

// parse reads a body that is an object.
func parse(body []byte) (ledger.Node, error) {
	n, err := ledger.ParseJSON(body)
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) {
		for i := range refusal.Fields { // all that ParseJSON finds makes a body malformed
			refusal.Fields[i].Code = ledger.CodeSyntax
		}
		return n, refusal
	}
	if err == nil && n.Kind != ledger.NodeObject {
		err = malformed("", "must be an object, not "+n.Kind.String())
	}
	return n, err
}

func malformed(at, message string) error { return ledger.Refuse(at, ledger.CodeSyntax, message) }

// patchOf gives what is in the wrapping of a patch.
func patchOf(body []byte) (ledger.Node, error) {
	n, err := parse(body)
	if err != nil {
		return n, err
	}
	patch, ok := n.Member("patch")
	switch {
	case !ok || len(n.Members) > 1:
		return n, malformed("", "the body must have one member, patch")
	case patch.Kind != ledger.NodeObject:
		return n, malformed(atPatch, "must be an object, not "+patch.Kind.String())
	case len(patch.Members) == 0:
		return n, malformed(atPatch, "has no operation: $set or $delete")
	}
	return patch, nil
}

// operations gives what a patch sets and deletes. Of the main resource, pictures have their
// operators inside; they are not looked at here.
func (in *inbound) operations(patch ledger.Node, main bool) (set []ledger.NodeMember, deleted []string) {
	before := len(in.wrong)
	for _, m := range patch.Members {
		at := ledger.PointerTo(atPatch, m.Name)
		switch {
		case m.Name == "$set" && m.Node.Kind != ledger.NodeObject:
			in.refuse(at, ledger.CodeSyntax, "must be an object, not "+m.Node.Kind.String())
		case m.Name == "$set":
			if len(m.Node.Members) == 0 {
				in.refuse(at, ledger.CodeSyntax, "names no field")
			}
			set = m.Node.Members
		case m.Name == "$delete" && m.Node.Kind != ledger.NodeArray:
			in.refuse(at, ledger.CodeSyntax, "must be an array, not "+m.Node.Kind.String())
		case m.Name == "$delete":
			if len(m.Node.Elems) == 0 {
				in.refuse(at, ledger.CodeSyntax, "names no field")
			}
			for i, e := range m.Node.Elems {
				if e.Kind != ledger.NodeString {
					in.refuse(at+"/"+strconv.Itoa(i), ledger.CodeSyntax, "must be the name of a field, not "+e.Kind.String())
				}
				deleted = append(deleted, e.Text)
			}
		case !main || pictureOf(m.Name) == "":
			in.refuse(at, ledger.CodeSyntax, "is no operation: $set and $delete stand around the fields, and inside them for pictures only")
		}
	}
	if len(in.wrong) > before { // malformed: what it says cannot be known
		return nil, nil
	}
	for i, name := range deleted {
		at := atDelete + "/" + strconv.Itoa(i)
		if slices.Contains(deleted[:i], name) {
			in.refuse(at, ledger.CodeDuplicate, "occurs twice in the list")
		}
		if slices.ContainsFunc(set, func(m ledger.NodeMember) bool { return m.Name == name }) {
			in.refuse(at, ledger.CodeDuplicate, "cannot be set and deleted at once")
		}
		if _, ok := patch.Member(name); ok && pictureOf(name) != "" {
			in.refuse(at, ledger.CodeDuplicate, "cannot be set and deleted at once")
		}
	}
	return set, deleted
}

// gone are the fields that LinkedIn only takes the deletion of. They have no value, so
// that changes nothing.
func gone(name string) bool {
	return name == "associations" || name == "specialties" || name == "legacyHonors"
}

// orderOf gives the section whose order a field is.
func orderOf(name string) *section {
	base, ok := strings.CutSuffix(name, "Order")
	if !ok {
		return nil
	}
	return sectionOf(base)
}

// noField says why there is no such field of the main resource.
func noField(name string) string {
	if IsSection(name) {
		return "is a section: its entries have paths of their own"
	}
	return "there is no such field"
}

func (in *inbound) setMain(m ledger.NodeMember, at string, all []ledger.NodeMember) {
	f := fieldOf(m.Name)
	switch s := orderOf(m.Name); {
	case s != nil:
		in.order(s, m.Node, at)
	case gone(m.Name):
		in.refuse(at, ledger.CodeUnknownField, "is deprecated and can only be deleted")
	case pictureOf(m.Name) != "":
		in.refuse(at, ledger.CodeUnknownField, `pictures have the operation inside: {"patch":{"`+m.Name+`":{"$set":...}}}`)
	case f == nil:
		in.refuse(at, ledger.CodeUnknownField, noField(m.Name))
	case m.Node.Kind == ledger.NodeNull:
		in.refuse(at, ledger.CodeWrongType, mustNotBeNull)
	case isEmpty(m.Node):
		in.clearMain(f, at)
	default:
		in.field(f, m.Node, at, all)
	}
}

func (in *inbound) deleteMain(name, at string) {
	f := fieldOf(name)
	switch {
	case gone(name), orderOf(name) != nil: // an order there always is
	case pictureOf(name) != "":
		in.clear(pictureOf(name))
	case f == nil:
		in.refuse(at, ledger.CodeUnknownField, noField(name))
	default:
		in.clearMain(f, at)
	}
}

const mustNotBeNull = "must not be null: $delete it, or leave it out"

// isEmpty knows LinkedIn's ways to say that a field is to be deleted: an empty text, an
// empty array, and an object without members. null is none of them.
func isEmpty(n ledger.Node) bool {
	switch n.Kind {
	case ledger.NodeString:
		return n.Text == ""
	case ledger.NodeArray:
		return len(n.Elems) == 0
	case ledger.NodeObject:
		return len(n.Members) == 0
	}
	return false
}

func (in *inbound) clearMain(f *field, at string) {
	if f.stays {
		in.refuse(at, ledger.CodeNotClearable, "is mandatory: it can be replaced, and not deleted")
		return
	}
	for _, name := range f.from {
		switch {
		case name == "phone" || name == "phone.type": // the list says it
		case isList(name):
			in.put(name, array())
		default:
			in.clear(name)
			for _, locale := range in.w.all.variants(name) {
				in.clear(name + "@" + locale)
			}
		}
	}
}

func isList(name string) bool {
	f, _, ok := ledger.Lookup(name)
	return ok && f.IsList()
}

// order puts the named items of a section first, in the given order; those that are not
// named follow in their own.
func (in *inbound) order(s *section, n ledger.Node, at string) {
	if n.Kind != ledger.NodeArray && !isEmpty(n) {
		in.refuse(at, ledger.CodeWrongType, "must be an array of ids, not "+n.Kind.String())
		return
	}
	rest := itemsOf(in.p, s)
	list := array()
	seen := map[string]bool{}
	for i, e := range n.Elems {
		ref := refOf(e)
		k := slices.IndexFunc(rest, func(item ledger.Item) bool { return refFor(s.name, item.ID) == ref })
		where := at + "/" + strconv.Itoa(i)
		switch {
		case ref != "" && seen[ref]:
			in.refuse(where, ledger.CodeDuplicate, "occurs twice in the list")
		case k < 0:
			in.refuse(where, ledger.CodeUnknownItem, "is the id of no entry of "+s.name)
		default:
			seen[ref] = true
			list.Elems = append(list.Elems, itemNode(rest[k]))
			rest = slices.Delete(rest, k, k+1)
		}
	}
	if len(seen) == 0 {
		return
	}
	for _, item := range rest {
		list.Elems = append(list.Elems, itemNode(item))
	}
	in.put(s.from, list)
}

// itemsOf gives a section's items, in a slice of its own.
func itemsOf(p *ledger.Profile, s *section) []ledger.Item {
	return slices.Clone(p.Items(ledger.Base, s.from))
}

// itemNode is an item with its id, as a native list has it.
func itemNode(item ledger.Item) ledger.Node {
	n, err := ledger.ParseJSON(ledger.AppendItem(nil, item))
	if err != nil {
		return object() // cannot be: opened values are JSON; the list would be refused
	}
	return n
}

// PictureURN is the asset as which a picture of the profile is shown, by its file's
// reference; it is taken back.
func PictureURN(file string) string { return AssetPrefix + file }

// setPicture reads {"$set":{"originalImage","displayImage"}}.
func (in *inbound) setPicture(m ledger.NodeMember, at string, assets Assets) error {
	set, ok := m.Node.Member("$set")
	if !ok || len(m.Node.Members) > 1 || set.Kind != ledger.NodeObject {
		in.refuse(at, ledger.CodeSyntax, "must have one member, $set, an object")
		return nil
	}
	at = ledger.PointerTo(at, "$set")
	if len(set.Members) == 0 {
		in.clear(pictureOf(m.Name))
		return nil
	}
	files := map[string]string{}
	for _, image := range set.Members {
		where := ledger.PointerTo(at, image.Name)
		switch {
		case image.Name != "originalImage" && image.Name != "displayImage":
			in.refuse(where, ledger.CodeUnknownField, "there is no such member here")
			continue
		case image.Node.Kind != ledger.NodeString:
			in.refuse(where, ledger.CodeWrongType, "must be the URN of an asset, not "+image.Node.Kind.String())
			continue
		}
		file, err := in.asset(image.Node.Text, assets)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			in.refuse(where, ledger.CodeUnknownFile, "is no asset that was uploaded: register it, then upload the image")
		case err != nil:
			return err
		}
		files[image.Name] = file
	}
	file := files["displayImage"]
	if file == "" {
		file = files["originalImage"]
	}
	if file != "" {
		in.put(pictureOf(m.Name), ledger.TextNode(file))
	}
	return nil
}

// asset finds an asset's file. Those that the profile shows are their files' names.
func (in *inbound) asset(urn string, assets Assets) (string, error) {
	for _, lane := range []string{ProfilePicture, BackgroundPicture} {
		if file, ok := in.w.all.text(pictureOf(lane)); ok && PictureURN(file) == urn {
			return file, nil
		}
	}
	if !strings.HasPrefix(urn, AssetPrefix) || assets == nil {
		return "", ledger.ErrNotFound
	}
	return assets(urn)
}
