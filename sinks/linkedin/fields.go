package linkedin

import (
	"maps"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// field is one member of the main resource.
type field struct {
	name string   // LinkedIn's
	from []string // the catalogue's fields that it is made of
	as   kind
	// stays says that LinkedIn cannot empty it, only replace it.
	stays bool
}

// kind is how a field of the main resource is made, and how its echo is.
type kind uint8

// The kinds.
const (
	kindText      kind = iota // a text as it is
	kindLocal                 // a text in its locales
	kindPhonetic              // the same, of a name in Japanese
	kindRich                  // the same, with rawText inside
	kindBirth                 // {day, month, year}
	kindGroup                 // an object of texts, one for each of from, named by its last part
	kindVanity                // the last part of the profile's address
	kindPhones                // [{number, type}]
	kindWebsites              // [{category, label, url}]
	kindIMs                   // {id: {id, provider}}
	kindIMOrder               // the ids of the same
	kindLocales               // [{country, language}]
	kindInterests             // [{predefinedInterest}]
	kindTexts                 // [text]
)

const (
	vanityName = "linkedin.vanityName"
	ims        = "linkedin.ims"
	maxIMs     = 3
)

// fields is the main resource, in the order of its body. Pictures and the orders of
// sections have lanes of their own.
var fields = []field{
	{"firstName", []string{"firstName"}, kindLocal, true},
	{"lastName", []string{"lastName"}, kindLocal, true},
	{"maidenName", []string{"maidenName"}, kindLocal, false},
	{"phoneticFirstName", []string{"linkedin.phoneticFirstName"}, kindPhonetic, false},
	{"phoneticLastName", []string{"linkedin.phoneticLastName"}, kindPhonetic, false},
	{"headline", []string{"headline"}, kindLocal, false},
	{"summary", []string{"summary"}, kindRich, false},
	{"address", []string{"address"}, kindLocal, false},
	{"birthDate", []string{"birthDate"}, kindBirth, false},
	{"vanityName", []string{vanityName}, kindVanity, true},
	{"industryId", []string{"linkedin.industryId"}, kindText, false},
	{"geoLocation", []string{"linkedin.geoLocation.geo"}, kindGroup, false},
	{"location", []string{"linkedin.location.countryCode", "linkedin.location.postalCode", "linkedin.location.standardizedLocationUrn"}, kindGroup, false},
	{"phoneNumbers", []string{"phone", "phone.type", "phones"}, kindPhones, false},
	{"websites", []string{"website", "portfolio", "websites"}, kindWebsites, false},
	{"ims", []string{ims}, kindIMs, false},
	{"imsOrder", []string{"linkedin.imsOrder"}, kindIMOrder, false},
	{"contactInstructions", []string{"linkedin.contactInstructions"}, kindLocal, false},
	{"interests", []string{"linkedin.interests"}, kindLocal, false},
	{"selectedContactInterests", []string{"linkedin.selectedContactInterests"}, kindInterests, false},
	{"volunteeringInterests", []string{"linkedin.volunteeringInterests.supportedPredefinedCauses"}, kindGroup, false},
	{"supportedLocales", []string{supportedLocales}, kindLocales, false},
	{"memberRichContents", []string{"linkedin.memberRichContents"}, kindTexts, false},
}

func fieldOf(name string) *field {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// profile makes the main resource's lane. Its body is what $set says.
func (w *writer) profile(p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	body, out := object(), sinks.Payload{Mapping: Mapping}
	for _, f := range fields {
		n, ok := w.field(f, p)
		if !ok {
			continue
		}
		out.Fields = append(out.Fields, f.name)
		body.Members = append(body.Members, member(f.name, n))
	}
	for _, name := range minus(have.Fields, out.Fields) {
		switch f := fieldOf(name); {
		case f == nil: // of an older mapping: it stays as it is
			continue
		case f.stays:
			w.complain("%s cannot be cleared at LinkedIn, only replaced", f.from[0])
		}
		out.Clears = append(out.Clears, name)
	}
	if len(out.Fields) > 0 {
		out.Body, out.Echo = body.Append(nil), echoProfile(body, out.Fields)
	}
	switch {
	case len(out.Clears) > 0 && len(out.Fields) > 0:
		out.Steps = []string{stepSet, stepDelete} // a patch has one operation
	case len(out.Clears) > 0:
		out.Steps = []string{stepDelete}
	}
	return out, nil
}

// field makes one field's value; ok is false when there is nothing to send.
func (w *writer) field(f field, p *ledger.Profile) (n ledger.Node, ok bool) {
	from := f.from[0]
	switch f.as {
	case kindLocal:
		return w.value(w.all, from, local, from)
	case kindPhonetic:
		texts, preferred := w.locales(w.all, from)
		if len(texts) == 0 {
			return n, false
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(texts)), isJapanese) {
			w.complain("%s has no text in Japanese, and LinkedIn takes it for Japanese profiles only", from)
		}
		return localized(texts, preferred, false), true
	case kindRich:
		return w.value(w.all, from, rich, from)
	case kindBirth:
		n, ok = w.value(w.all, from, daily, from)
		if ok && len(n.Members) < 3 {
			w.complain("%s is not a date with year, month and day", from)
		}
		return n, ok
	case kindGroup:
		n = object()
		for _, name := range f.from {
			if v, given := w.all.values[name]; given {
				n.Members = append(n.Members, member(name[strings.LastIndexByte(name, '.')+1:], v))
			}
		}
		return n, len(n.Members) > 0
	case kindVanity:
		n, ok = w.all.values[from]
		if ok && !isVanity(n.Text) {
			w.complain("%s is not 3 to 100 letters or digits", from)
		}
		return n, ok
	case kindPhones:
		return w.phones(p)
	case kindWebsites:
		return w.websites(p)
	case kindIMs:
		n, ok = w.all.values[from]
		w.checkIMs(n)
		return n, ok
	case kindIMOrder:
		return w.imOrder(from)
	}
	n, ok = w.all.values[from]
	return n, ok
}

// isVanity knows what the address of a profile can be made of.
func isVanity(s string) bool {
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= 100
}

func isJapanese(locale string) bool { return locale == "ja" || strings.HasPrefix(locale, "ja_") }

// phoneTypes are LinkedIn's, and the one of a number that has none: LinkedIn wants one.
var phoneTypes, phoneType = []string{"WORK", "HOME", "MOBILE"}, "WORK"

// phones makes the numbers, the one that is phone first.
func (w *writer) phones(p *ledger.Profile) (ledger.Node, bool) {
	list := array()
	for _, item := range p.Items(ledger.Shared, "phones") {
		n, err := ledger.ParseJSON(item.Value)
		number, _ := n.Member("number")
		if err != nil || number.Kind != ledger.NodeString {
			w.complain("phones has an item without number")
			continue
		}
		as := phoneType
		if given, ok := n.Member("type"); ok {
			as = strings.ToUpper(given.Text) // a word of a list, not of the member's
		}
		if !slices.Contains(phoneTypes, as) {
			w.complain("phones[].type is none of %s", strings.Join(phoneTypes, ", "))
		}
		list.Elems = append(list.Elems, object(member("number", number), member("type", ledger.TextNode(as))))
	}
	return list, len(list.Elems) > 0
}

// websites makes the links: website, portfolio, then the others. A link that is there
// already, with the same category and (where LinkedIn has one) the same label, is left out;
// the one with more locales stays.
func (w *writer) websites(p *ledger.Profile) (ledger.Node, bool) {
	list, seen := array(), map[[3]string]int{}
	add := func(s source, category string) {
		url, _ := w.value(s, "url", local, "websites[].url")
		n := object()
		if category != "" {
			n.Members = append(n.Members, member("category", ledger.TextNode(category)))
		}
		named := ""
		if category == "OTHER" { // LinkedIn has labels for no other
			if label, ok := w.value(s, "label", local, "websites[].label"); ok {
				if named, ok = s.text("label"); !ok {
					named = string(label.Append(nil)) // it has variants only
				}
				n.Members = append(n.Members, member("label", label))
			}
		}
		n.Members = append(n.Members, member("url", url))
		text, _ := s.text("url")
		key := [3]string{category, text, named}
		if at, twice := seen[key]; twice {
			if locales(n) > locales(list.Elems[at]) {
				list.Elems[at] = n
			}
			return
		}
		seen[key] = len(list.Elems)
		list.Elems = append(list.Elems, n)
	}
	for _, one := range [][2]string{{"website", "PERSONAL"}, {"portfolio", "PORTFOLIO"}} {
		if url, ok := w.all.values[one[0]]; ok {
			s := newSource()
			s.values["url"] = url
			add(s, one[1])
		}
	}
	for _, item := range p.Items(ledger.Shared, "websites") {
		n, err := ledger.ParseJSON(item.Value)
		if err != nil {
			w.complain("websites has an item that is no object")
			continue
		}
		s := fromObject(n)
		category, given := s.text("category")
		if words := wordsFor("websites", "category"); given && !slices.Contains(words, category) {
			w.complain("websites[].category is none of %s", strings.Join(words, ", "))
		}
		if texts, _ := w.locales(s, "label"); !given && len(texts) > 0 {
			category = "OTHER" // the only one with a label
		}
		add(s, category)
	}
	return list, len(list.Elems) > 0
}

// locales counts the locales of a website's texts.
func locales(website ledger.Node) int {
	n := 0
	for _, m := range website.Members {
		texts, _ := m.Node.Member("localized")
		n += len(texts.Members)
	}
	return n
}

// checkIMs refuses what LinkedIn would: the whole map is replaced with each change.
func (w *writer) checkIMs(n ledger.Node) {
	if len(n.Members) > maxIMs {
		w.complain("%s has %d entries, and LinkedIn takes %d", ims, len(n.Members), maxIMs)
	}
	for _, m := range n.Members {
		if id, _ := m.Node.Member("id"); id.Kind != ledger.NodeString || id.Text != m.Name {
			w.complain("%s has an entry whose id is not the name it stands under", ims)
		}
		if provider, _ := m.Node.Member("provider"); provider.Text == "" {
			w.complain("%s has an entry without provider", ims)
		}
	}
}

// imOrder makes the order of the messengers. One that is not there has no place in it:
// LinkedIn would refuse all of it. When the profile has none, those at LinkedIn are not
// known, and the order is sent as it is.
func (w *writer) imOrder(from string) (ledger.Node, bool) {
	n, ok := w.all.values[from]
	there, known := w.all.values[ims]
	if !known || !ok {
		return n, ok
	}
	kept := array()
	for _, id := range n.Elems {
		if _, is := there.Member(id.Text); is {
			kept.Elems = append(kept.Elems, id)
		}
	}
	return kept, len(kept.Elems) > 0 || len(n.Elems) == 0
}

// wordsFor gives the words that LinkedIn takes for a member of a collection, as the
// catalogue says; nil when it takes any.
func wordsFor(collection, name string) []string {
	f, _, _ := ledger.Lookup(collection)
	for _, m := range f.Item {
		if m.Name != name {
			continue
		}
		for _, h := range m.Homes {
			if h.Provider == ledger.LinkedIn && len(h.Enum) > 0 {
				return h.Enum
			}
		}
	}
	return nil
}
