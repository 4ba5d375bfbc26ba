package harness

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Event is an event as the API shows it; values are decoded JSON, numbers as json.Number.
type Event struct {
	Seq             uint64
	Index           int
	ID, Commit      string
	Profile         string
	View, Field     string
	Item, Op        string
	Value, Previous any
	Order           []string
	Actor, Via      string
	RequestID       string
	Reason, Time    string
	Prev, Hash      string
}

// zeroHash is the prev of a profile's first commit.
var zeroHash = strings.Repeat("0", 64)

// CheckChain says what is wrong with a profile's whole history: commits complete and in
// order, each linked to the one before.
func CheckChain(profile string, events []Event) error {
	prev, seq, ids := zeroHash, uint64(0), map[string]bool{}
	for i := 0; i < len(events); {
		first := events[i]
		if first.Seq <= seq {
			return fmt.Errorf("profile %s: sequence %d after %d", profile, first.Seq, seq)
		}
		if first.Prev != prev {
			return fmt.Errorf("profile %s: commit %d follows %s, the commit before it is %s", profile, first.Seq, first.Prev, prev)
		}
		if len(first.Hash) != 64 || first.Hash == prev {
			return fmt.Errorf("profile %s: commit %d has the hash %q", profile, first.Seq, first.Hash)
		}
		for n := 0; i < len(events) && events[i].Seq == first.Seq; i++ {
			e := events[i]
			switch {
			case e.Index != n || e.Profile != profile || e.Commit != first.Commit || e.Prev != first.Prev || e.Hash != first.Hash:
				return fmt.Errorf("profile %s: event %d of commit %d does not fit it: %+v", profile, n, first.Seq, e)
			case ids[e.ID] || e.ID == "":
				return fmt.Errorf("profile %s: event id %q of commit %d is not its own", profile, e.ID, first.Seq)
			}
			ids[e.ID] = true
			n++
		}
		if ids[first.Commit] {
			return fmt.Errorf("profile %s: commit id %s is there twice", profile, first.Commit)
		}
		ids[first.Commit] = true
		prev, seq = first.Hash, first.Seq
	}
	return nil
}

// item is one entry of a collection.
type item struct {
	id    string
	value map[string]any
}

// State is a profile as its history makes it.
type State struct {
	shared      map[string]any
	lists       map[string]map[string][]item // by view, then field; the shared view among them
	names       map[string]any               // of resumes
	Connections map[string]any
}

// Fold makes the state after the events up to and including sequence at.
func Fold(events []Event, at uint64) *State {
	s := &State{shared: map[string]any{}, lists: map[string]map[string][]item{"shared": {}}, names: map[string]any{}, Connections: map[string]any{}}
	for _, e := range events {
		if e.Seq <= at {
			s.apply(e)
		}
	}
	return s
}

func (s *State) apply(e Event) {
	switch e.Op {
	case "created":
		s.lists["base"] = map[string][]item{}
	case "copied":
		c := map[string][]item{}
		for f, items := range s.lists[e.Item] {
			c[f] = slices.Clone(items)
		}
		s.lists[e.View] = c
	case "deleted":
		if e.Field == "connections" {
			delete(s.Connections, e.Item)
		} else {
			delete(s.lists, e.View)
			delete(s.names, e.View)
		}
	case "bound":
		s.Connections[e.Item] = e.Value
	case "decided":
		// It is about a delivery, and not about the profile.
	case "erased":
		*s = *Fold(nil, 0)
	case "set", "clear":
		switch {
		case e.View != "shared" && e.Op == "set":
			s.names[e.View] = e.Value
		case e.View != "shared":
			delete(s.names, e.View)
		case e.Op == "set":
			s.shared[e.Field] = e.Value
		default:
			delete(s.shared, e.Field)
		}
	default:
		if l := s.lists[e.View]; l != nil {
			l[e.Field] = edit(l[e.Field], e)
		}
	}
}

func edit(items []item, e Event) []item {
	at := func(id string) int { return slices.IndexFunc(items, func(i item) bool { return i.id == id }) }
	i := at(e.Item)
	switch e.Op {
	case "put":
		value, _ := e.Value.(map[string]any) // anything else is no item, and will not compare
		if i < 0 {
			return append(slices.Clip(items), item{e.Item, value})
		}
		items = slices.Clone(items)
		items[i].value = value
	case "remove":
		if i >= 0 {
			return slices.Concat(items[:i], items[i+1:])
		}
	case "order":
		var out []item
		for _, id := range order(e) {
			if i := at(id); i >= 0 {
				out = append(out, items[i])
			}
		}
		for _, one := range items {
			if !slices.Contains(order(e), one.id) {
				out = append(out, one)
			}
		}
		return out
	}
	return items
}

// order is the list of ids of an event, wherever the API puts it.
func order(e Event) []string {
	ids := e.Order
	if list, ok := e.Value.([]any); ok && ids == nil {
		for _, id := range list {
			ids = append(ids, fmt.Sprint(id))
		}
	}
	return ids
}

// Resumes are the ids of the resumes, Base among them.
func (s *State) Resumes() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.lists)), func(v string) bool { return v == "shared" })
}

// Scalar is a shared scalar's value, nil when unset.
func (s *State) Scalar(name string) any { return s.shared[name] }

// Document is the profile with one resume's collections, without what is empty.
func (s *State) Document(resume string) map[string]any {
	doc := map[string]any{}
	for name, v := range s.shared {
		if name == "phone.type" {
			continue
		}
		path := strings.Split(name, ".")
		in := doc
		for _, p := range path[:len(path)-1] {
			next, ok := in[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				in[p] = next
			}
			in = next
		}
		in[path[len(path)-1]] = v
	}
	put := func(view string) {
		for field, items := range s.lists[view] {
			list := []any{}
			if field == "phones" {
				continue
			}
			for _, i := range items {
				list = append(list, i.document())
			}
			if len(list) > 0 {
				doc[field] = list
			}
		}
	}
	put("shared")
	put(resume)
	var phones []any
	if number := s.shared["phone"]; number != nil {
		first := map[string]any{"id": "primary", "number": number}
		if kind := s.shared["phone.type"]; kind != nil {
			first["type"] = kind
		}
		phones = append(phones, first)
	}
	for _, i := range s.lists["shared"]["phones"] {
		phones = append(phones, i.document())
	}
	if phones != nil {
		doc["phones"] = phones
	}
	return doc
}

func (i item) document() map[string]any {
	d := maps.Clone(i.value)
	if d == nil {
		d = map[string]any{}
	}
	d["id"] = i.id
	return d
}

// Differs compares a document that the API gave with the state; "" when they are the same.
// The members that describe a resume, and not a person, are left out.
func (s *State) Differs(got map[string]any, resume string) string {
	doc := map[string]any{}
	for name, v := range got {
		switch name {
		case "id", "name", "isDefault", "createdAt", "updatedAt", "seq":
			continue
		}
		if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
			continue
		}
		doc[name] = v
	}
	return cmp.Diff(s.Document(resume), doc)
}
