package linkedin

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
)

// field reads one field of the main resource that is not empty.
func (in *inbound) field(f *field, n ledger.Node, at string, all []ledger.NodeMember) {
	before, kept := len(in.wrong), in.out
	in.out = object()
	in.read(f, n, at, all)
	made := in.out
	in.out = kept
	if len(in.wrong) > before {
		return
	}
	if now, ok := in.w.field(*f, in.p); ok && bytes.Equal(f.echo(now).Append(nil), f.echo(n).Append(nil)) {
		return // it is so already; what LinkedIn does not see of it stays
	}
	for _, m := range made.Members {
		merge(&in.out, m)
	}
}

// merge adds a member, inside the objects that are there already.
func merge(n *ledger.Node, m ledger.NodeMember) {
	i := slices.IndexFunc(n.Members, func(o ledger.NodeMember) bool { return o.Name == m.Name })
	if i < 0 {
		n.Members = append(n.Members, m)
		return
	}
	for _, inner := range m.Node.Members {
		merge(&n.Members[i].Node, inner)
	}
}

func (in *inbound) read(f *field, n ledger.Node, at string, all []ledger.NodeMember) {
	from := f.from[0]
	switch f.as {
	case kindLocal, kindPhonetic, kindRich:
		texts, ok := in.texts(n, f.as == kindRich, at)
		switch {
		case !ok:
		case len(texts) == 0:
			in.clearMain(f, at)
		case f.as == kindPhonetic && texts[0].locale != in.w.locale:
			// Sent from here a plain text would be in the profile's locale, which is not
			// Japanese: LinkedIn would not take it.
			in.putTexts(from, plainFirst(texts, in.w.locale), in.w.all)
		default:
			in.putTexts(from, texts, in.w.all)
		}
	case kindBirth:
		if s, ok := in.date(n, at); ok {
			if len(s) < len("2006-01-02") {
				in.refuse(at, ledger.CodeRequired, "needs day, month and year")
			}
			in.put(from, ledger.TextNode(s))
		}
	case kindGroup:
		in.group(f, n, at)
	case kindPhones:
		in.phones(n, at)
	case kindWebsites:
		in.websites(n, at)
	case kindIMOrder:
		in.imOrder(from, n, at, all)
	case kindLocales:
		for i, e := range n.Elems {
			if localeKey(e) == "" {
				in.refuse(at+"/"+strconv.Itoa(i), ledger.CodeFormat, "is no locale: a lower-case language with an upper-case country of two letters")
			}
		}
		in.put(from, n)
	default:
		in.put(from, n) // native as it is here
	}
}

// text is a text in one locale; the preferred one stands first.
type text struct{ locale, text string }

// texts reads a text in its locales; one that is empty is not there. ok is false when it
// was refused.
func (in *inbound) texts(n ledger.Node, asRich bool, at string) (out []text, ok bool) {
	if isEmpty(n) {
		return nil, true
	}
	before := len(in.wrong)
	if n.Kind != ledger.NodeObject {
		in.refuse(at, ledger.CodeWrongType, "must be an object with localized and preferredLocale, not "+n.Kind.String())
		return nil, false
	}
	in.only(n, at, "localized", "preferredLocale")
	all, given := n.Member("localized")
	switch {
	case !given:
		in.refuse(at+"/localized", ledger.CodeRequired, "is required")
	case all.Kind != ledger.NodeObject:
		in.refuse(at+"/localized", ledger.CodeWrongType, "must be an object, not "+all.Kind.String())
	}
	for _, m := range all.Members {
		where, v := ledger.PointerTo(at+"/localized", m.Name), m.Node
		if _, _, is := ledger.Lookup("headline@" + m.Name); !is {
			in.refuse(where, ledger.CodeFormat, "does not stand under a locale such as en_US")
			continue
		}
		if asRich {
			if v.Kind != ledger.NodeObject {
				in.refuse(where, ledger.CodeWrongType, "must be an object with rawText, not "+v.Kind.String())
				continue
			}
			in.only(v, where, "rawText")
			where += "/rawText"
			if v, given = v.Member("rawText"); !given {
				in.refuse(where, ledger.CodeRequired, "is required")
				continue
			}
		}
		if v.Kind != ledger.NodeString {
			in.refuse(where, ledger.CodeWrongType, "must be a text, not "+v.Kind.String())
			continue
		}
		if v.Text != "" {
			out = append(out, text{m.Name, v.Text})
		}
	}
	if len(in.wrong) > before {
		return nil, false
	}
	preferred := in.w.locale
	if given, there := n.Member("preferredLocale"); there {
		preferred = localeKey(given)
		if preferred == "" || len(out) > 0 && !slices.ContainsFunc(out, func(t text) bool { return t.locale == preferred }) {
			in.refuse(at+"/preferredLocale", ledger.CodeNotOneOf, "must be one of the locales under localized")
			return nil, false
		}
	}
	if i := slices.IndexFunc(out, func(t text) bool { return t.locale == preferred }); i > 0 {
		first := out[i]
		out = slices.Insert(slices.Delete(out, i, i+1), 0, first)
	}
	return out, true
}

// plainFirst puts the text in a locale first; an empty one when there is none.
func plainFirst(texts []text, locale string) []text {
	out := []text{{locale: locale}}
	for _, t := range texts {
		if t.locale == locale {
			out[0] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

// putTexts makes the first text the plain one, none if it is empty, and the others
// variants. Variants that are there now and are not among them go.
func (in *inbound) putTexts(name string, texts []text, now source) {
	in.clear(name)
	if texts[0].text != "" {
		in.put(name, ledger.TextNode(texts[0].text))
	}
	for _, t := range texts[1:] {
		in.put(name+"@"+t.locale, ledger.TextNode(t.text))
	}
	for _, locale := range now.variants(name) {
		if !slices.ContainsFunc(texts[1:], func(t text) bool { return t.locale == locale }) {
			in.clear(name + "@" + locale)
		}
	}
}

// only refuses members that are not named.
func (in *inbound) only(n ledger.Node, at string, names ...string) {
	for _, m := range n.Members {
		if !slices.Contains(names, m.Name) {
			in.refuse(ledger.PointerTo(at, m.Name), ledger.CodeUnknownField, "there is no such member here")
		}
	}
}

// date reads {day, month, year} as a date of the ledger with as much as it says.
func (in *inbound) date(n ledger.Node, at string) (s string, ok bool) {
	if n.Kind != ledger.NodeObject {
		in.refuse(at, ledger.CodeWrongType, "must be an object with year, month and day, not "+n.Kind.String())
		return "", false
	}
	before := len(in.wrong)
	in.only(n, at, "day", "month", "year")
	part := func(name string, digits, most int) string {
		v, given := n.Member(name)
		if !given {
			return ""
		}
		i, err := strconv.Atoi(v.Text)
		switch {
		case v.Kind != ledger.NodeNumber:
			in.refuse(at+"/"+name, ledger.CodeWrongType, "must be a number, not "+v.Kind.String())
		case err != nil || i < 1 || i > most:
			in.refuse(at+"/"+name, ledger.CodeOutOfRange, "must be a whole number from 1 to "+strconv.Itoa(most))
		}
		text := strconv.Itoa(i)
		return strings.Repeat("0", max(0, digits-len(text))) + text
	}
	y, m, d := part("year", 4, 9999), part("month", 2, 12), part("day", 2, 31)
	if len(in.wrong) > before {
		return "", false
	}
	switch {
	case y == "":
		in.refuse(at+"/year", ledger.CodeRequired, "is required")
	case m == "" && d != "":
		in.refuse(at+"/month", ledger.CodeRequired, "is required where there is a day")
	case d != "":
		s = y + "-" + m + "-" + d
	case m != "":
		s = y + "-" + m
	default:
		s = y
	}
	if _, _, _, is := parts(s); s != "" && !is {
		in.refuse(at+"/day", ledger.CodeOutOfRange, "is no day of that month")
	}
	return s, len(in.wrong) == before
}

// group reads an object whose members are fields of their own. It is replaced whole.
func (in *inbound) group(f *field, n ledger.Node, at string) {
	if n.Kind != ledger.NodeObject {
		in.refuse(at, ledger.CodeWrongType, "must be an object, not "+n.Kind.String())
		return
	}
	var names []string
	for _, from := range f.from {
		name := from[strings.LastIndexByte(from, '.')+1:]
		names = append(names, name)
		v, given := n.Member(name)
		if !given || isEmpty(v) {
			in.clear(from)
			continue
		}
		if v.Kind == ledger.NodeNull {
			in.refuse(at+"/"+name, ledger.CodeWrongType, "must not be null: leave it out")
		}
		in.put(from, v)
	}
	in.only(n, at, names...)
}

// phones reads the numbers. Their types are words of a list, so their case does not count.
func (in *inbound) phones(n ledger.Node, at string) {
	list := array()
	in.each(n, at, func(n ledger.Node, at string) {
		in.only(n, at, "number", "type")
		out := object()
		if number, ok := n.Member("number"); ok {
			out.Members = append(out.Members, member("number", number))
		}
		if as, ok := n.Member("type"); ok {
			if !slices.Contains(phoneTypes, strings.ToUpper(as.Text)) {
				in.refuse(at+"/type", ledger.CodeNotOneOf, "must be one of "+strings.Join(phoneTypes, ", "))
			}
			out.Members = append(out.Members, member("type", as))
		}
		list.Elems = append(list.Elems, out)
	})
	in.put("phones", list)
}

// each goes through an array of objects.
func (in *inbound) each(n ledger.Node, at string, do func(n ledger.Node, at string)) {
	if n.Kind != ledger.NodeArray {
		in.refuse(at, ledger.CodeWrongType, "must be an array, not "+n.Kind.String())
		return
	}
	for i, e := range n.Elems {
		where := at + "/" + strconv.Itoa(i)
		if e.Kind != ledger.NodeObject {
			in.refuse(where, ledger.CodeWrongType, "must be an object, not "+e.Kind.String())
			continue
		}
		do(e, where)
	}
}

// websites reads the links. The first personal one is website, the first portfolio is
// portfolio. These have one locale: a link with more is kept among the others besides.
func (in *inbound) websites(n ledger.Node, at string) {
	list, one := array(), map[string]string{"PERSONAL": "website", "PORTFOLIO": "portfolio"}
	before := len(in.wrong)
	words := wordsFor("websites", "category")
	in.each(n, at, func(n ledger.Node, at string) {
		in.only(n, at, "category", "label", "url")
		item := &inbound{w: in.w, out: object()}
		category, given := n.Member("category")
		if given {
			if !slices.Contains(words, category.Text) {
				in.refuse(at+"/category", ledger.CodeNotOneOf, "must be one of "+strings.Join(words, ", "))
			}
			item.put("category", category)
		}
		var urls []text
		for _, name := range []string{"url", "label"} {
			v, given := n.Member(name)
			if !given {
				continue
			}
			texts, ok := item.texts(v, false, at+"/"+name)
			if name == "url" {
				urls = texts
			}
			switch {
			case !ok || len(texts) == 0:
			case name == "label" && category.Text != "OTHER":
				in.refuse(at+"/label", ledger.CodeUnknownField, "only a link of the category OTHER has a label")
			default:
				item.putTexts(name, texts, newSource())
			}
		}
		in.wrong = append(in.wrong, item.wrong...)
		if len(urls) == 0 {
			if len(item.wrong) == 0 {
				in.refuse(at+"/url", ledger.CodeRequired, "is required")
			}
			return
		}
		if name := one[category.Text]; name != "" {
			delete(one, category.Text)
			in.put(name, ledger.TextNode(urls[0].text))
			if len(urls) == 1 {
				return
			}
		}
		list.Elems = append(list.Elems, item.out)
	})
	if len(in.wrong) > before {
		return
	}
	for _, name := range one {
		in.clear(name)
	}
	in.put("websites", list)
}

// imOrder reads the order of the messengers, all of which must be there.
func (in *inbound) imOrder(from string, n ledger.Node, at string, all []ledger.NodeMember) {
	there := in.w.all.values[ims]
	if i := slices.IndexFunc(all, func(m ledger.NodeMember) bool { return m.Name == "ims" }); i >= 0 {
		there = all[i].Node
	}
	for i, id := range n.Elems {
		if _, ok := there.Member(id.Text); !ok {
			in.refuse(at+"/"+strconv.Itoa(i), ledger.CodeUnknownItem, "is the id of none of the ims")
		}
	}
	in.put(from, n)
}
