package mokaru

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vitae/ledger"
	"vitae/sinks"
)

var texts = rapid.SampledFrom([]string{"a", "Zoë", `"quoted"`, "line\nbreak", "2019-05-01", "2019-05-01T00:00:00.000Z", "\u2028", "日本"})

var dates = rapid.SampledFrom([]string{"2019", "2019-05", "2019-05-01", "2020-02-29", "2019-05-01T10:00:00Z", "2019-05-01T00:00:00.000Z"})

// drawItem draws an item as the ledger has it.
func drawItem(t *rapid.T, s section, label string) ledger.Node {
	n := ledger.Node{Kind: ledger.NodeObject}
	for _, m := range s.members {
		if !m.must && !rapid.Bool().Draw(t, label+" has "+m.name) {
			continue
		}
		v := ledger.Node{Kind: m.kind}
		switch {
		case m.kind == ledger.NodeBool:
			v.Bool = rapid.Bool().Draw(t, label+m.name)
		case m.kind == ledger.NodeArray:
			for _, text := range rapid.SliceOfN(texts, 0, 3).Draw(t, label+m.name) {
				v.Elems = append(v.Elems, ledger.TextNode(text))
			}
		case isDate(m.name):
			v = ledger.TextNode(dates.Draw(t, label+m.name))
		case m.oneOf != nil:
			v = ledger.TextNode(rapid.SampledFrom(m.oneOf).Draw(t, label+m.name))
		default:
			v = ledger.TextNode(texts.Draw(t, label+m.name))
		}
		n.Members = append(n.Members, ledger.NodeMember{Name: m.name, Node: v})
	}
	return n
}

// held is Mokaru's side of one item: a request's members replace those that are there.
func held(t *rapid.T, n ledger.Node, request []byte) ledger.Node {
	req, err := ledger.ParseJSON(request)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, m := range n.Members {
		if _, ok := req.Member(m.Name); !ok {
			out.Members = append(out.Members, m)
		}
	}
	out.Members = append(out.Members, req.Members...)
	return out
}

// shown is how Mokaru gives an item in a list: with what it adds, nothing as null, as an
// empty list or not at all, days as timestamps, in any order.
func shown(t *rapid.T, s section, n ledger.Node) ledger.Node {
	out := ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{
		{Name: "id", Node: ledger.TextNode("ref")}, {Name: "createdAt", Node: ledger.TextNode("2020-01-01T00:00:00.000Z")}, {Name: "userId", Node: ledger.TextNode("u")}}}
	for _, m := range s.members {
		v, _ := n.Member(m.name)
		switch {
		case v.Kind == ledger.NodeNull:
			switch rapid.IntRange(0, 2).Draw(t, "nothing as") {
			case 0:
				continue
			case 1:
				if m.kind == ledger.NodeArray || m.kind == ledger.NodeBool {
					v.Kind = m.kind
				}
			}
		case isDate(m.name) && len(v.Text) == len("2006-01-02"):
			v.Text += midnight
		}
		out.Members = append(out.Members, ledger.NodeMember{Name: m.name, Node: v})
	}
	out.Members = rapid.Permutation(out.Members).Draw(t, "order")
	return out
}

// TestListedEchoesAsBuilt: whatever an item was and is, once Mokaru has taken the requests
// a list gives the echo of what was built.
func TestListedEchoesAsBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(sections).Draw(t, "section")
		have, there := sinks.Have{}, ledger.Node{}
		for i := range rapid.IntRange(1, 3).Draw(t, "edits") {
			p := state("")
			list(p, ledger.Base, s.from, string(drawItem(t, s, fmt.Sprint(i)).Append(nil)))
			built, err := build(sinks.ItemEntity(s.name, "i0"), p, have)
			if err != nil {
				t.Fatal(err)
			}
			request := built.Body
			if i > 0 {
				if request, err = s.compose(built.Body, built.Clears); err != nil {
					t.Fatal(err)
				}
			}
			there = held(t, there, request)
			answer := append(append([]byte(`{"data":[`), shown(t, s, there).Append(nil)...), `],"total":1,"hasMore":false}`...)
			got, ok := s.parsePage(answer)
			if !ok || len(got.items) != 1 || got.items[0].Ref != "ref" || string(got.items[0].Echo) != string(built.Echo) {
				t.Fatalf("%v\nbuilt  %s\nlisted %+v\nof     %s", ok, built.Echo, got.items, answer)
			}
			have = sinks.Have{Ref: "ref", Fields: built.Fields}
		}
	})
}

// stamped is a profile as Mokaru gives it: its days are timestamps.
func stamped(n ledger.Node) ledger.Node {
	out := ledger.Node{Kind: n.Kind}
	for _, m := range n.Members {
		list := ledger.Node{Kind: ledger.NodeArray}
		for _, item := range m.Node.Elems {
			list.Elems = append(list.Elems, stamped(item))
		}
		switch {
		case m.Node.Kind == ledger.NodeArray:
			m.Node = list
		case (m.Name == "birthDate" || isDate(m.Name)) && len(m.Node.Text) == len("2006-01-02"):
			m.Node.Text += midnight
		}
		out.Members = append(out.Members, m)
	}
	return out
}

// TestProfileReadsAsBuilt: the same for the profile, with the fields of the edit before.
func TestProfileReadsAsBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, there := sinks.Have{}, ledger.Node{}
		for i := range rapid.IntRange(1, 3).Draw(t, "edits") {
			p := state("")
			for _, s := range scalars {
				switch {
				case s.clear && rapid.Bool().Draw(t, "no "+s.name):
				case s.day:
					set(p, s.name, `"1990-01-15"`)
				default:
					set(p, s.name, string(ledger.TextNode(texts.Draw(t, s.name)).Append(nil)))
				}
			}
			for _, c := range collections {
				var items []string
				for range rapid.IntRange(0, 2).Draw(t, c.name) {
					item := ledger.Node{Kind: ledger.NodeObject}
					for _, m := range c.members {
						v := ledger.TextNode(texts.Draw(t, m))
						switch {
						case !rapid.Bool().Draw(t, "has "+m):
							continue
						case m == "isCurrent":
							v = ledger.Node{Kind: ledger.NodeBool, Bool: rapid.Bool().Draw(t, m)}
						case isDate(m):
							v = ledger.TextNode(dates.Draw(t, m))
						}
						item.Members = append(item.Members, ledger.NodeMember{Name: m, Node: v})
					}
					items = append(items, string(item.Append(nil)))
				}
				list(p, ledger.Base, c.name, items...)
			}
			built, err := build(Entity, p, have)
			if err != nil {
				t.Fatal(err)
			}
			request, err := compose(built.Body, built.Clears)
			if err != nil || request == nil {
				t.Fatalf("%d: %s, %v", i, request, err)
			}
			there = held(t, there, request)
			answer := append(append([]byte(`{"data":`), stamped(there).Append(nil)...), '}')
			got, ok := parseProfile(answer, slices.Concat(built.Fields, built.Clears))
			if !ok || string(got.Echo) != string(built.Echo) {
				t.Fatalf("%v\nbuilt %s\nread  %s", ok, built.Echo, got.Echo)
			}
			have.Fields = built.Fields
		}
	})
}
