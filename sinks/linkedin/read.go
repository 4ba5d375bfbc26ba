package linkedin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Read implements sinks.Reader: one GET of the main resource. Pictures are Unknown,
// without a request: LinkedIn makes them anew, so they cannot be compared.
func (p *Provider) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	if pictureOf(c.Entity) != "" {
		return sinks.Reading{}, sinks.Unsent(sinks.Unknown, "unreadable", "a picture cannot be compared with what was sent")
	}
	names := c.Fields
	if sectionOf(c.Entity) != nil {
		names = []string{c.Entity + "Order"}
	}
	n, out := p.get(ctx, c, names)
	if out.Verdict != sinks.Applied {
		return sinks.Reading{}, out
	}
	if sectionOf(c.Entity) != nil {
		return readOrder(n, c.Entity+"Order"), out
	}
	return sinks.Reading{Echo: echoProfile(n, c.Fields)}, out
}

func readOrder(n ledger.Node, name string) sinks.Reading {
	order, _ := n.Member(name)
	list := array()
	for _, e := range order.Elems {
		list.Elems = append(list.Elems, ledger.Node{Kind: ledger.NodeNumber, Text: refOf(e)})
	}
	if slices.ContainsFunc(list.Elems, func(e ledger.Node) bool { return e.Text == "" }) {
		return sinks.Reading{} // equal to nothing that was sent
	}
	return sinks.Reading{Echo: list.Append(nil)}
}

// List implements sinks.Lister: one GET of the person with the section. The id is asked for
// too: a person without the section has no items, and an answer that names no person says
// nothing of anybody's.
func (p *Provider) List(ctx context.Context, c sinks.Call) ([]sinks.Listed, sinks.Outcome) {
	section, _ := sinks.SplitEntity(c.Entity)
	s := sectionOf(section)
	if s == nil {
		return nil, sinks.Mistake("there is no such section")
	}
	n, out := p.get(ctx, c, []string{"id", s.name})
	if out.Verdict != sinks.Applied {
		return nil, out
	}
	_, named := n.Member("id")
	items, ok := listed(s, n)
	if !named || !ok {
		return nil, sinks.Garbage(http.StatusOK, "LinkedIn's")
	}
	return items, out
}

// get reads members of the main resource.
func (p *Provider) get(ctx context.Context, c sinks.Call, names []string) (n ledger.Node, out sinks.Outcome) {
	target := p.base + "/v2/people/(id:" + c.Account + ")"
	if len(names) > 0 {
		target += "?fields=" + strings.Join(names, ",")
	}
	a, bad := p.exchange(ctx, c, request{method: http.MethodGet, url: target})
	if bad != nil {
		return n, *bad
	}
	c.Step, c.Ref = stepRead, ""
	if out = judge(rules, a, c); out.Verdict != sinks.Applied {
		return n, out
	}
	n, err := ledger.ParseJSON(a.Body)
	if err != nil || n.Kind != ledger.NodeObject {
		return n, sinks.Garbage(a.Status, "LinkedIn's")
	}
	if id, ok := n.Member("id"); ok && id.Text != c.Account {
		return n, sinks.Garbage(a.Status, "LinkedIn's") // somebody else's
	}
	return n, out
}

// listed reads the items of a section out of a person: an array of entities with ids, or
// an object of entities by id. ok is false when it is neither, or an item has no id of its
// own: then it cannot be said what is there. A person without the section has no items.
func listed(s *section, person ledger.Node) (items []sinks.Listed, ok bool) {
	if person.Kind != ledger.NodeObject {
		return nil, false
	}
	n, _ := person.Member(s.name)
	items, seen := []sinks.Listed{}, map[string]bool{}
	add := func(ref string, entity ledger.Node) bool {
		if entity.Kind != ledger.NodeObject || !isRef(ref) || seen[ref] {
			return false
		}
		seen[ref] = true
		items = append(items, sinks.Listed{Ref: ref, Echo: echoItem(s, entity)})
		return true
	}
	switch n.Kind {
	case ledger.NodeNull:
		return items, true
	case ledger.NodeArray:
		for _, e := range n.Elems {
			id, _ := e.Member("id")
			if !add(refOf(id), e) {
				return nil, false
			}
		}
		return items, true
	case ledger.NodeObject:
		for _, m := range n.Members {
			if id, given := m.Node.Member("id"); given && refOf(id) != m.Name || !add(m.Name, m.Node) {
				return nil, false
			}
		}
		return items, true
	}
	return nil, false
}

// refOf reads an entry's id, a number or a text of its digits; "" when it is none.
func refOf(n ledger.Node) string {
	if (n.Kind == ledger.NodeNumber || n.Kind == ledger.NodeString) && isRef(n.Text) {
		return n.Text
	}
	return ""
}
