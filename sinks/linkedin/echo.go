package linkedin

import (
	"cmp"
	"slices"
	"strings"

	"vitae/ledger"
)

// An echo is a body, or what a read gives, in the one form in which the two are compared:
// known members only, by name; nothing for what is absent, null, false or empty; a
// localized text as its texts by locale and its preferred locale; a date with no more
// than LinkedIn keeps.

// echoProfile makes the echo of the main resource, cut to the named fields.
func echoProfile(n ledger.Node, names []string) []byte {
	out := object()
	for _, f := range fields {
		if v, ok := n.Member(f.name); ok && slices.Contains(names, f.name) {
			put(&out, f.name, f.echo(v))
		}
	}
	sortMembers(out.Members)
	return out.Append(nil)
}

func (f field) echo(n ledger.Node) ledger.Node {
	switch f.as {
	case kindLocal, kindPhonetic:
		return echoOf(n, local)
	case kindRich:
		return echoOf(n, rich)
	case kindBirth:
		return echoOf(n, daily)
	case kindGroup:
		names := make([]string, len(f.from))
		for i, name := range f.from {
			names[i] = name[strings.LastIndexByte(name, '.')+1:]
		}
		return echoMembers(n, names...)
	case kindPhones:
		return echoEach(n, func(n ledger.Node) ledger.Node { return echoMembers(n, "number", "type") })
	case kindWebsites:
		return echoEach(n, func(n ledger.Node) ledger.Node {
			out := echoMembers(n, "category")
			for _, name := range []string{"label", "url"} {
				v, _ := n.Member(name)
				put(&out, name, echoOf(v, local))
			}
			return out
		})
	case kindIMs:
		out := object()
		for _, m := range n.Members {
			put(&out, m.Name, echoMembers(m.Node, "id", "provider"))
		}
		sortMembers(out.Members)
		return out
	case kindLocales:
		return echoEach(n, func(n ledger.Node) ledger.Node { return echoMembers(n, "country", "language") })
	case kindInterests:
		return echoEach(n, func(n ledger.Node) ledger.Node { return echoMembers(n, "predefinedInterest") })
	}
	return n
}

// echoItem makes the echo of a section's entity.
func echoItem(s *section, n ledger.Node) []byte {
	out := object()
	for _, m := range s.members {
		v, _ := n.Member(m.to)
		put(&out, m.to, echoOf(v, m.as))
	}
	sortMembers(out.Members)
	return out.Append(nil)
}

func echoOf(n ledger.Node, as shape) ledger.Node {
	inner := func(n ledger.Node, name string) ledger.Node {
		v, _ := n.Member(name)
		out := object()
		put(&out, name, echoOf(v, local))
		return out
	}
	switch as {
	case local, rich:
		return echoLocalized(n)
	case daily:
		return echoMembers(n, "day", "month", "year")
	case month:
		return echoMembers(n, "month", "year")
	case year:
		return echoMembers(n, "year")
	case region:
		return echoMembers(n, "countryCode", "regionCode")
	case grade:
		return inner(n, "grade")
	case place:
		return inner(n, "displayLocationName")
	case study:
		return echoEach(n, func(n ledger.Node) ledger.Node { return inner(n, "fieldOfStudyName") })
	case people:
		return echoEach(n, func(n ledger.Node) ledger.Node {
			name, _ := n.Member("name")
			out := echoMembers(n, "memberId")
			put(&out, "name", echoOf(name, local))
			return out
		})
	}
	return n
}

// echoLocalized keeps the texts and the preferred locale. Of one text alone the
// preferred locale is its own: LinkedIn need not say it.
func echoLocalized(n ledger.Node) ledger.Node {
	texts, _ := n.Member("localized")
	byLocale, out := object(), object()
	for _, m := range texts.Members {
		text := m.Node
		if raw, ok := text.Member("rawText"); ok {
			text = raw
		}
		if text.Kind == ledger.NodeString {
			put(&byLocale, m.Name, text)
		}
	}
	sortMembers(byLocale.Members)
	put(&out, "localized", byLocale)
	if len(byLocale.Members) > 1 {
		preferred, _ := n.Member("preferredLocale")
		if key := localeKey(preferred); key != "" {
			put(&out, "preferredLocale", ledger.TextNode(key))
		}
	}
	return out
}

// echoMembers keeps the named members, in the order of the names.
func echoMembers(n ledger.Node, names ...string) ledger.Node {
	out := object()
	for _, name := range names {
		v, _ := n.Member(name)
		put(&out, name, v)
	}
	return out
}

func echoEach(n ledger.Node, each func(ledger.Node) ledger.Node) ledger.Node {
	out := array()
	for _, e := range n.Elems {
		if e = each(e); !isNothing(e) {
			out.Elems = append(out.Elems, e)
		}
	}
	return out
}

// put adds a member unless it says nothing.
func put(n *ledger.Node, name string, v ledger.Node) {
	if !isNothing(v) {
		n.Members = append(n.Members, member(name, v))
	}
}

func isNothing(n ledger.Node) bool {
	switch n.Kind {
	case ledger.NodeNull:
		return true
	case ledger.NodeBool:
		return !n.Bool
	case ledger.NodeString:
		return n.Text == ""
	case ledger.NodeArray:
		return len(n.Elems) == 0
	case ledger.NodeObject:
		return len(n.Members) == 0
	}
	return false
}

func sortMembers(members []ledger.NodeMember) {
	slices.SortFunc(members, func(a, b ledger.NodeMember) int { return cmp.Compare(a.Name, b.Name) })
}
