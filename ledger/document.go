package ledger

import (
	"slices"
	"strings"
)

// Item is one collection item: its id, and its value without the id.
type Item struct {
	ID    string
	Value Value
}

// PrimaryPhone is the id under which phones shows the number that is the scalar phone.
const PrimaryPhone = "primary"

// Scalar gives the opened value of a shared scalar, locale variant or provider's field
// by its full name; nil when it is not set.
func (p *Profile) Scalar(name string) Value { return p.Shared[name].Value }

// Items gives a collection's opened items in order. The phones of the shared view begin
// with the number that is the scalar phone, under the id PrimaryPhone.
func (p *Profile) Items(view, field string) []Item {
	items := []Item{}
	if view == Shared && field == "phones" {
		if number := p.Scalar("phone"); number != nil {
			b := append([]byte(`{"number":`), number...)
			if kind := p.Scalar("phone.type"); kind != nil {
				b = append(append(b, `,"type":`...), kind...)
			}
			items = append(items, Item{ID: PrimaryPhone, Value: append(b, '}')})
		}
	}
	if c := p.Collection(view, field); c != nil {
		for _, id := range c.Order {
			items = append(items, Item{ID: id, Value: c.Items[id].Value})
		}
	}
	return items
}

// AppendItem appends an item as the JSON object that readers see: its id, then its members.
func AppendItem(b []byte, item Item) []byte {
	b = appendQuoted(append(b, `{"id":`...), item.ID)
	if len(item.Value) > len(`{}`) {
		return append(append(b, ','), item.Value[1:]...)
	}
	return append(b, '}')
}

// AppendItems appends items as a JSON array.
func AppendItems(b []byte, items []Item) []byte {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendItem(b, item)
	}
	return append(b, ']')
}

// AppendDocument appends the profile as one JSON object, in the order of the catalogue:
// every native scalar (null when unset), its locale variants where set, the collections
// of the shared view and of the given resume (empty when they have no items), and one
// object for each provider with what is set of its fields. p must be open.
func (p *Profile) AppendDocument(b []byte, resume string) []byte {
	b = append(b, '{')
	b = p.AppendMembers(b, resume)
	return append(b, '}')
}

// AppendMembers appends what is between the braces of AppendDocument, for a reply that
// has members of its own beside it.
func (p *Profile) AppendMembers(b []byte, resume string) []byte {
	variants := p.variants()
	start := len(b)
	name := func(s string) {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, s), ':')
	}
	for _, f := range table.fields {
		switch {
		case f.Hidden || f.Provider != "":
		case f.Kind == KindList:
			view := resume
			if f.View == Shared {
				view = Shared
			}
			name(f.Name)
			b = AppendItems(b, p.Items(view, f.Name))
		default:
			name(f.Name)
			b = appendValue(b, p.Scalar(f.Name))
			for _, v := range variants[f.Name] {
				name(v)
				b = appendValue(b, p.Scalar(v))
			}
		}
	}
	for _, provider := range Providers() {
		if tree := p.providerTree(provider, variants); len(tree.Members) > 0 {
			name(provider)
			b = tree.Append(b)
		}
	}
	return b
}

func appendValue(b []byte, v Value) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return append(b, v...)
}

// variants gives the full names of the locale variants that are set, in order, by field.
func (p *Profile) variants() map[string][]string {
	out := map[string][]string{}
	for _, name := range sortedKeys(p.Shared) {
		if base, _, ok := strings.Cut(name, "@"); ok {
			out[base] = append(out[base], name)
		}
	}
	return out
}

// providerTree nests what is set of a provider's fields: "postpress.location.id" becomes
// {"location":{"id":...}}.
func (p *Profile) providerTree(provider string, variants map[string][]string) Node {
	root := Node{Kind: NodeObject}
	put := func(name string) {
		v := p.Scalar(name)
		if v == nil {
			return
		}
		n, err := ParseJSON(v)
		if err != nil {
			return // cannot be: opened values are JSON, and a commitment vouches for them
		}
		root.put(strings.Split(strings.TrimPrefix(name, provider+"."), "."), n)
	}
	for _, f := range table.fields {
		switch {
		case f.Provider != provider || f.Hidden:
		case f.Name == customPrefix:
			for _, name := range sortedKeys(p.Shared) {
				if strings.HasPrefix(name, customPrefix) {
					put(name)
				}
			}
		default:
			put(f.Name)
			for _, v := range variants[f.Name] {
				put(v)
			}
		}
	}
	return root
}

// put sets a value under a path, making the objects on the way.
func (n *Node) put(path []string, v Node) {
	i := slices.IndexFunc(n.Members, func(m NodeMember) bool { return m.Name == path[0] })
	if i < 0 {
		i = len(n.Members)
		n.Members = append(n.Members, NodeMember{Name: path[0], Node: Node{Kind: NodeObject}})
	}
	if len(path) == 1 {
		n.Members[i].Node = v
		return
	}
	n.Members[i].Node.put(path[1:], v)
}
