package linkedin

import (
	"slices"
	"strings"

	"vitae/ledger"
)

// Person is the profile as LinkedIn's clients read it: the main resource, its pictures,
// and every section with the ids that entries and orders are named by. It holds what is
// there, whether LinkedIn would take it or not. names are the members that are asked for;
// none is all. A name that there is no member of gives nothing. The id is always there.
func Person(p *ledger.Profile, names []string) ([]byte, error) {
	w, err := viewer(p)
	if err != nil {
		return nil, err
	}
	out := object(member("id", ledger.TextNode(w.account)))
	wants := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for _, f := range fields {
		if !wants(f.name) && !wants(flatName(f.name)) {
			continue
		}
		n, ok := w.field(f, p)
		if ok && wants(f.name) {
			out.Members = append(out.Members, member(f.name, n))
		}
		if text, is := w.flat(f); is && wants(flatName(f.name)) {
			out.Members = append(out.Members, member(flatName(f.name), ledger.TextNode(text)))
		}
	}
	for _, lane := range []string{ProfilePicture, BackgroundPicture} {
		if file, ok := w.all.text(pictureOf(lane)); ok && wants(lane) {
			out.Members = append(out.Members, member(lane, object(member("displayImage", ledger.TextNode(PictureURN(file))))))
		}
	}
	for i := range sections {
		s := &sections[i]
		if !wants(s.name) && !wants(s.name+"Order") {
			continue
		}
		list, order := array(), array()
		for _, item := range p.Items(ledger.Base, s.from) {
			n, err := ledger.ParseJSON(item.Value)
			if err != nil {
				return nil, ledger.ErrFormat
			}
			id := ledger.Node{Kind: ledger.NodeNumber, Text: refFor(s.name, item.ID)}
			entity := w.entity(s, fromObject(n))
			entity.Members = slices.Insert(entity.Members, 0, member("id", id))
			list.Elems = append(list.Elems, entity)
			order.Elems = append(order.Elems, id)
		}
		if wants(s.name) {
			out.Members = append(out.Members, member(s.name, list))
		}
		if wants(s.name + "Order") {
			out.Members = append(out.Members, member(s.name+"Order", order))
		}
	}
	return out.Append(nil), nil
}

// flatName is the member that has a text in the preferred locale alone; "" when there is
// none.
func flatName(name string) string {
	switch name {
	case "firstName", "lastName", "maidenName", "headline":
		return "localized" + strings.ToUpper(name[:1]) + name[1:]
	}
	return ""
}

// flat is what stands there.
func (w *writer) flat(f field) (string, bool) {
	if flatName(f.name) == "" {
		return "", false
	}
	texts, preferred := w.locales(w.all, f.from[0])
	return texts[preferred], len(texts) > 0
}
