package commands

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"vitae/ledger"
)

// The generators draw JSON that the catalogue takes, for any field it has, from pools so
// small that equal values meet often.

func pick[T any](t *rapid.T, label string, from []T) T { return rapid.SampledFrom(from).Draw(t, label) }

func chance(t *rapid.T, percent int) bool { return rapid.IntRange(1, 100).Draw(t, "chance") <= percent }

func object(members ...ledger.NodeMember) ledger.Node {
	return ledger.Node{Kind: ledger.NodeObject, Members: members}
}

var null = ledger.Node{Kind: ledger.NodeNull}

// drawValue draws a value of a member's kind.
func drawValue(t *rapid.T, m ledger.Member) ledger.Node {
	if len(m.Enum) > 0 && m.Kind == ledger.KindText {
		return ledger.TextNode(pick(t, "word", m.Enum))
	}
	switch m.Kind {
	case ledger.KindAlnum:
		return ledger.TextNode(pick(t, "alnum", []string{"abc", "Jane1990"}))
	case ledger.KindEmail:
		return ledger.TextNode(pick(t, "email", []string{"jane@a.example", "joan+x@b.example"}))
	case ledger.KindDay:
		return ledger.TextNode(pick(t, "day", []string{"1990-01-15", "2000-02-29"}))
	case ledger.KindDate:
		return ledger.TextNode(pick(t, "date", []string{"1990", "1990-01", "1990-01-15", "2020-01-01T00:00:00.000Z"}))
	case ledger.KindURL:
		return ledger.TextNode(pick(t, "url", []string{"https://a.example", "a.example", "http://b.example/x?y=1#z"}))
	case ledger.KindLinkedIn:
		return ledger.TextNode(pick(t, "linkedin", []string{"jane-smith", "https://linkedin.com/in/jane-smith", "https://www.linkedin.com/in/joan/"}))
	case ledger.KindFile:
		return ledger.TextNode("sha256:" + strings.Repeat(pick(t, "file", []string{"a", "0"}), 64))
	case ledger.KindUUID:
		return ledger.TextNode(pick(t, "uuid", []string{"2788baea-1119-46d9-8e60-af9d6a1268e1", "713A8005-E54D-4EE3-B6A4-89B27167DDE6"}))
	case ledger.KindBool:
		return ledger.Node{Kind: ledger.NodeBool, Bool: rapid.Bool().Draw(t, "bool")}
	case ledger.KindNumber, ledger.KindInteger:
		return ledger.Node{Kind: ledger.NodeNumber, Text: pick(t, "number", []string{"1", "42"})}
	case ledger.KindTexts:
		return drawArray(t, m, func(int) ledger.Node { return drawValue(t, ledger.Member{Kind: ledger.KindText, Enum: m.Enum}) })
	case ledger.KindIDs:
		return drawArray(t, m, func(i int) ledger.Node { return ledger.TextNode(fmt.Sprint("id", i)) })
	case ledger.KindObject:
		return drawObject(t, m.Members)
	case ledger.KindObjects:
		return drawArray(t, m, func(int) ledger.Node { return drawObject(t, m.Members) })
	case ledger.KindMap:
		var members []ledger.NodeMember
		for _, id := range []string{"x", "y"}[:rapid.IntRange(0, 2).Draw(t, "entries")] {
			entry := drawObject(t, m.Members)
			for i := range entry.Members {
				if entry.Members[i].Name == "id" {
					entry.Members[i].Node = ledger.TextNode(id)
				}
			}
			members = append(members, ledger.NodeMember{Name: id, Node: entry})
		}
		return object(members...)
	case ledger.KindAny:
		return object(ledger.NodeMember{Name: "level", Node: drawValue(t, ledger.Member{Kind: ledger.KindNumber})})
	default:
		return ledger.TextNode(pick(t, "text", []string{"a", "Zoë", "日本", "<b>&\u2028\"\\\t"}))
	}
}

func drawArray(t *rapid.T, m ledger.Member, elem func(int) ledger.Node) ledger.Node {
	n := ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{}}
	for i := range rapid.IntRange(m.Min, m.Min+2).Draw(t, "elements") {
		n.Elems = append(n.Elems, elem(i))
	}
	return n
}

// drawObject draws an object with all that is required; the rest may be there, be null
// or be absent.
func drawObject(t *rapid.T, members []ledger.Member) ledger.Node {
	n := object()
	for _, m := range members {
		if m.With[0] != "" {
			if other, _ := n.Member(m.With[0]); other.Text != m.With[1] {
				continue
			}
		}
		switch {
		case m.Required || chance(t, 25):
			n.Members = append(n.Members, ledger.NodeMember{Name: m.Name, Node: drawValue(t, m)})
		case chance(t, 10):
			n.Members = append(n.Members, ledger.NodeMember{Name: m.Name, Node: null})
		}
		if m.Localized && chance(t, 10) {
			n.Members = append(n.Members, ledger.NodeMember{Name: m.Name + "@fr_FR", Node: drawValue(t, m)})
		}
	}
	return n
}

// drawList draws the items of a collection; some bring an id.
func drawList(t *rapid.T, f ledger.Field) ledger.Node {
	n := ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{}}
	ids := []string{"a", "b", "c", ledger.PrimaryPhone}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		item := drawObject(t, f.Item)
		if len(ids) > 0 && chance(t, 40) {
			i := rapid.IntRange(0, len(ids)-1).Draw(t, "id")
			item.Members = append(item.Members, ledger.NodeMember{Name: "id", Node: ledger.TextNode(ids[i])})
			ids = slices.Delete(ids, i, i+1)
		}
		n.Elems = append(n.Elems, item)
	}
	return n
}

// drawPatch draws the body of a patch: of the profile, or (resume) of a resume.
func drawPatch(t *rapid.T, resume bool) ledger.Node {
	var fields []ledger.Field
	for _, f := range ledger.Catalogue() {
		if !f.Hidden && (!resume || f.View == ledger.ResumeView) {
			fields = append(fields, f)
		}
	}
	body := object()
	for range rapid.IntRange(1, 5).Draw(t, "fields") {
		f := pick(t, "field", fields)
		switch rapid.IntRange(0, 3).Draw(t, "favour") { // meet often where rules meet
		case 0:
			if !resume {
				f, _, _ = ledger.Lookup(pick(t, "phones", []string{phone, phones}))
			}
		case 1:
			f, _, _ = ledger.Lookup(pick(t, "list", []string{"skills", "interests", "educations"}))
		}
		name := f.Name
		if strings.HasPrefix(name, "jarvi.custom.") {
			name = "jarvi.custom.2788baea-1119-46d9-8e60-af9d6a1268e" + pick(t, "custom", []string{"1", "2"})
		}
		if f.Localized && !f.IsList() && chance(t, 30) {
			name += pick(t, "locale", []string{"@fr_FR", "@ja"})
			f.Clearable = true
		}
		var v ledger.Node
		switch {
		case f.IsList():
			v = drawList(t, f)
		case f.Clearable && chance(t, 30):
			v = null
		default:
			v = drawValue(t, ledger.Member{Kind: f.Kind, Min: f.Min, Max: f.Max, Enum: f.Enum, Members: f.Item})
		}
		at, _, _ := strings.Cut(name, "@")
		path := strings.Split(at, ".")
		path[len(path)-1] += name[len(at):]
		put(&body, path, v)
	}
	// Both ways to give the phones at once must agree, which is for a test of its own.
	if _, both := body.Member(phones); both {
		body.Members = slices.DeleteFunc(body.Members, func(m ledger.NodeMember) bool { return m.Name == phone })
	}
	return body
}

// put sets a value under a path of a body, unless it has one.
func put(n *ledger.Node, path []string, v ledger.Node) {
	i := slices.IndexFunc(n.Members, func(m ledger.NodeMember) bool { return m.Name == path[0] })
	switch {
	case i < 0 && len(path) == 1:
		n.Members = append(n.Members, ledger.NodeMember{Name: path[0], Node: v})
	case i < 0:
		child := object()
		put(&child, path[1:], v)
		n.Members = append(n.Members, ledger.NodeMember{Name: path[0], Node: child})
	case len(path) > 1:
		put(&n.Members[i].Node, path[1:], v)
	}
}
