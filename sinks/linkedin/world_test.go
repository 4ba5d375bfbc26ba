package linkedin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

const person = "ABCDEF"

// state is an opened profile that is connected to LinkedIn.
func state() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	bind(p, person, ledger.Base)
	return p
}

func bind(p *ledger.Profile, account, resume string) {
	p.Connections[ledger.LinkedIn] = ledger.Cell{Seq: 1, Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{"resume":%q}}`, account, resume))}
}

// set gives a scalar a value as a request would: what the catalogue refuses is no test.
func set(t testing.TB, p *ledger.Profile, name, value string) {
	t.Helper()
	f, _, ok := ledger.Lookup(name)
	n, err := ledger.ParseJSON([]byte(value))
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	v, _, errs := f.Check(n, "/"+name)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	p.Shared[name] = ledger.Cell{Value: v}
}

// add puts an item behind the others of a collection.
func add(t testing.TB, p *ledger.Profile, name, id, value string) {
	t.Helper()
	f, _, ok := ledger.Lookup(name)
	n, err := ledger.ParseJSON([]byte(value))
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	item, errs := f.CheckItem(n, "/"+name)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	lists := p.Resumes[ledger.Base].Collections
	if f.View == ledger.Shared {
		lists = p.Lists
	}
	c := lists[name]
	if c == nil {
		c = &ledger.Collection{Items: map[string]ledger.Cell{}}
		lists[name] = c
	}
	if _, twice := c.Items[id]; !twice {
		c.Order = append(c.Order, id)
	}
	c.Items[id] = ledger.Cell{Value: item.Value}
}

func drop(p *ledger.Profile, name, id string) {
	c := p.Resumes[ledger.Base].Collections[name]
	delete(c.Items, id)
	c.Order = slices.DeleteFunc(c.Order, func(s string) bool { return s == id })
}

func make1(t testing.TB, entity string, p *ledger.Profile, have sinks.Have) sinks.Payload {
	t.Helper()
	out, err := build(entity, p, have)
	if err != nil {
		t.Fatalf("%s: %v", entity, err)
	}
	return out
}

// unsendable is why the state cannot be sent; "" when it can.
func unsendable(t testing.TB, entity string, p *ledger.Profile, have sinks.Have) string {
	t.Helper()
	_, err := build(entity, p, have)
	if err == nil {
		return ""
	}
	why := (*sinks.Unsendable)(nil)
	if !errors.As(err, &why) {
		t.Fatalf("%s: %v", entity, err)
	}
	return why.Why
}

// same compares JSON without the order of members.
func same(t testing.TB, what string, got []byte, want string) {
	t.Helper()
	if a, b := sorted(t, got), sorted(t, []byte(want)); a != b {
		t.Errorf("%s:\ngot  %s\nwant %s", what, a, b)
	}
}

func sorted(t testing.TB, b []byte) string {
	t.Helper()
	n, err := ledger.ParseJSON(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return string(inOrder(n).Append(nil))
}

func inOrder(n ledger.Node) ledger.Node {
	n.Elems, n.Members = slices.Clone(n.Elems), slices.Clone(n.Members)
	for i := range n.Elems {
		n.Elems[i] = inOrder(n.Elems[i])
	}
	for i := range n.Members {
		n.Members[i].Node = inOrder(n.Members[i].Node)
	}
	sortMembers(n.Members)
	return n
}

// full is a profile with something in every field that LinkedIn has.
func full(t testing.TB) *ledger.Profile {
	t.Helper()
	p := state()
	for _, f := range ledger.Catalogue() {
		switch {
		case !atLinkedIn(f.Homes):
		case f.IsList():
			item := "{" + strings.Join(sampleMembers(f.Item), ",") + "}"
			if f.Name == "patents" {
				item = strings.Replace(item, `"issuer":"some issuer"`, `"issuer":"us"`, 1)
				item = strings.Replace(item, `"issuer@fr_FR":"some issuer"`, `"issuer@fr_FR":"fr"`, 1)
			}
			add(t, p, f.Name, "one", item)
		default:
			set(t, p, f.Name, sampleOf(f.Name, f.Kind, f.Enum, f.Item))
			if f.Localized {
				set(t, p, f.Name+"@fr_FR", sampleOf(f.Name, f.Kind, f.Enum, f.Item))
			}
		}
	}
	return p
}

func atLinkedIn(homes []ledger.Home) bool {
	return slices.ContainsFunc(homes, func(h ledger.Home) bool { return h.Provider == ledger.LinkedIn && h.How != ledger.NotCarried })
}

func sampleMembers(members []ledger.Member) (out []string) {
	for _, m := range members {
		if m.Name != ledger.LinkedIn && !m.Required && !atLinkedIn(m.Homes) || m.Name == "isCurrent" {
			continue
		}
		words := m.Enum
		for _, h := range m.Homes {
			if h.Provider == ledger.LinkedIn && len(h.Enum) > 0 {
				words = h.Enum[len(h.Enum)-1:]
			}
		}
		v := sampleOf(m.Name, m.Kind, words, m.Members)
		out = append(out, fmt.Sprintf("%q:%s", m.Name, v))
		if m.Localized {
			out = append(out, fmt.Sprintf("%q:%s", m.Name+"@fr_FR", v))
		}
	}
	return out
}

func sampleOf(name string, kind ledger.Kind, words []string, members []ledger.Member) string {
	text := fmt.Sprintf("%q", "some "+name)
	if len(words) > 0 {
		text = fmt.Sprintf("%q", words[0])
	}
	if name == "type" || name == "phone.type" {
		text = `"HOME"`
	}
	switch kind {
	case ledger.KindAlnum:
		return `"jane1"`
	case ledger.KindURL:
		return `"https://example.com/` + name + `"`
	case ledger.KindDay, ledger.KindDate:
		return `"2019-05-17"`
	case ledger.KindFile:
		return `"sha256:` + strings.Repeat("0a", 32) + `"`
	case ledger.KindBool:
		return `false`
	case ledger.KindInteger:
		return `84`
	case ledger.KindIDs:
		return `["some id"]`
	case ledger.KindTexts:
		return `[` + text + `]`
	case ledger.KindObject:
		return `{` + strings.Join(sampleMembers(members), ",") + `}`
	case ledger.KindObjects:
		if name == supportedLocales {
			return `[{"country":"JP","language":"ja"}]`
		}
		return `[{` + strings.Join(sampleMembers(members), ",") + `}]`
	case ledger.KindMap:
		return `{"some id":{` + strings.Join(sampleMembers(members), ",") + `}}`
	}
	return text
}
