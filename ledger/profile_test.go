package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// oracle is the fold written again, as plainly as it can be: ordered lists of pairs.
type oracle struct {
	shared, connections map[string]string
	lists               map[string]map[string][]pair // view, field
	names               map[string]string            // resume, its name; "" when unnamed
	born                map[string]int               // resume, the commit that made it
	commit              int
	erased              bool
}

type pair struct{ ID, Value string }

func newOracle() *oracle {
	return &oracle{shared: map[string]string{}, connections: map[string]string{}, lists: map[string]map[string][]pair{Shared: {}}, names: map[string]string{}, born: map[string]int{}}
}

func (o *oracle) add(view string) {
	o.born[view] = o.commit
	o.names[view] = ""
	o.lists[view] = map[string][]pair{}
}

func (o *oracle) apply(e Event) {
	lists, there := o.lists[e.View]
	items := lists[e.Field]
	at := slices.IndexFunc(items, func(p pair) bool { return p.ID == e.Item })
	switch e.Op {
	case OpCreated:
		o.add(Base)
	case OpCopied:
		from := o.lists[e.Item]
		if _, isResume := o.names[e.Item]; !isResume {
			from = nil
		}
		o.add(e.View)
		for f, l := range from {
			o.lists[e.View][f] = slices.Clone(l)
		}
	case OpDeleted:
		if e.Field == Connections {
			delete(o.connections, e.Item)
			return
		}
		if e.View != Shared {
			delete(o.lists, e.View)
			delete(o.names, e.View)
			delete(o.born, e.View)
		}
	case OpBound:
		o.connections[e.Item] = string(e.Value)
	case OpErased:
		at := o.commit
		*o = *newOracle()
		o.erased, o.commit = true, at
	case OpSet, OpClear:
		value := string(e.Value)
		if e.View != Shared {
			if _, ok := o.names[e.View]; ok {
				o.names[e.View] = value
			}
		} else if o.shared[e.Field] = value; value == "" {
			delete(o.shared, e.Field)
		}
	case OpPut:
		if !there {
			return
		}
		if at < 0 {
			lists[e.Field] = append(items, pair{e.Item, string(e.Value)})
		} else {
			items[at].Value = string(e.Value)
		}
	case OpRemove:
		if at >= 0 {
			lists[e.Field] = slices.Delete(items, at, at+1)
		}
	case OpOrder:
		rank := func(p pair) int {
			if i := slices.Index(e.Order, p.ID); i >= 0 {
				return i
			}
			return len(e.Order)
		}
		slices.SortStableFunc(items, func(a, b pair) int { return rank(a) - rank(b) })
	}
}

// view writes both states in one form.
type view struct {
	Erased              bool
	Shared, Connections map[string]string
	Resumes             []string
	Names               map[string]string
	Lists               map[string][]pair // "view/field"
}

func (o *oracle) view() view {
	v := view{Erased: o.erased, Shared: o.shared, Connections: o.connections, Names: map[string]string{}, Lists: map[string][]pair{}}
	for id, name := range o.names {
		v.Names[id] = name
		v.Resumes = append(v.Resumes, id)
	}
	slices.SortFunc(v.Resumes, func(a, b string) int { // by age, then by name; base is less than r
		return cmp.Or(o.born[a]-o.born[b], strings.Compare(a, b))
	})
	for name, lists := range o.lists {
		for f, l := range lists {
			if len(l) > 0 {
				v.Lists[name+"/"+f] = l
			}
		}
	}
	return v
}

func stateOf(p *Profile) view {
	v := view{Erased: p.Erased, Shared: map[string]string{}, Connections: map[string]string{}, Names: map[string]string{}, Lists: map[string][]pair{}}
	for k, c := range p.Shared {
		v.Shared[k] = string(c.Value)
	}
	for k, c := range p.Connections {
		v.Connections[k] = string(c.Value)
	}
	list := func(view, field string, c *Collection) {
		for _, id := range c.Order {
			v.Lists[view+"/"+field] = append(v.Lists[view+"/"+field], pair{id, string(c.Items[id].Value)})
		}
		if len(c.Order) != len(c.Items) {
			panic("order and items differ")
		}
	}
	for f, c := range p.Lists {
		list(Shared, f, c)
	}
	for _, id := range p.ResumeIDs() {
		v.Resumes = append(v.Resumes, id)
		v.Names[id] = string(p.Resumes[id].Fields["name"].Value)
		for f, c := range p.Resumes[id].Collections {
			list(id, f, c)
		}
	}
	return v
}

var events = rapid.Custom(func(t *rapid.T) Event {
	value := Value(fmt.Sprintf(`"v%d"`, rapid.IntRange(0, 5).Draw(t, "value")))
	e := Event{View: rapid.SampledFrom([]string{Shared, Base, Base, "r1", "r2"}).Draw(t, "view")}
	item := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
	switch e.Op = rapid.SampledFrom([]Op{OpSet, OpSet, OpClear, OpPut, OpPut, OpPut, OpPut, OpRemove, OpOrder, OpOrder, OpCopied, OpDeleted, OpBound, OpErased, OpDecided}).Draw(t, "op"); e.Op {
	case OpSet, OpClear:
		e.Field = "name"
		if e.View == Shared {
			e.Field = rapid.SampledFrom([]string{"firstName", "firstName@fr_FR", "nexudus.onNewWallPost"}).Draw(t, "scalar")
		}
		if e.Op == OpSet {
			e.Value = value
		}
	case OpPut, OpRemove:
		e.Field, e.Item = rapid.SampledFrom([]string{"projects", "skills"}).Draw(t, "list"), item.Draw(t, "item")
		if e.Op == OpPut {
			e.Value = value
		}
	case OpOrder:
		e.Field, e.Order = rapid.SampledFrom([]string{"projects", "skills"}).Draw(t, "list"), rapid.SliceOfDistinct(item, rapid.ID[string]).Draw(t, "order")
	case OpCopied:
		e.View = rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "new")
		e.Item = rapid.SampledFrom([]string{Base, "r1", "r3"}).Draw(t, "from")
	case OpDeleted:
		e.View = rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "gone")
		if rapid.Bool().Draw(t, "connection") {
			e.View, e.Field, e.Item = Shared, Connections, LinkedIn
		}
	case OpBound:
		e.View, e.Field, e.Item, e.Value = Shared, Connections, rapid.SampledFrom(Providers()).Draw(t, "provider"), value
	case OpDecided:
		e.View, e.Field, e.Item = Shared, Deliveries, rapid.SampledFrom(Providers()).Draw(t, "sink")
		e.Value, _ = DecisionValue(rapid.SampledFrom(Actions()).Draw(t, "action"), "01J8Z3K5V6Q7R8S9T0V1W2X3Y4")
	case OpErased:
		if rapid.IntRange(0, 9).Draw(t, "really") > 0 { // rarely, or little would ever be in the state
			e.Op, e.View, e.Field = OpClear, Shared, "firstName"
		} else {
			e.View = Shared
		}
	}
	return e
})

func TestFoldAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ProfileID{1}
		p, o := NewProfile(id), newOracle()
		start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		var early *Profile
		var then view
		for i, evs := range rapid.SliceOfN(rapid.SliceOfN(events, 1, 12), 1, 12).Draw(t, "commits") {
			if i == 0 {
				evs = append([]Event{{View: Shared, Op: OpCreated}}, evs...)
			}
			c := &Commit{ID: CommitID{byte(i)}, Profile: id, Prev: p.Head, Time: start.Add(time.Duration(i) * time.Hour), Events: evs}
			seq := p.Seq + Seq(rapid.IntRange(1, 9).Draw(t, "gap"))
			if err := p.Check(seq, c); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(t, "keep") == 0 {
				early, then = p.Clone(), stateOf(p)
			}
			hash := HashOf(fmt.Append(nil, i))
			p.Apply(seq, hash, c)
			o.commit = i
			for _, e := range evs {
				o.apply(e)
			}
			if d := gocmp.Diff(o.view(), stateOf(p)); d != "" {
				t.Fatalf("after commit %d (-oracle +fold):\n%s", i, d)
			}
			if p.Seq != seq || p.Head != hash || !p.UpdatedAt.Equal(c.Time) || !p.CreatedAt.Equal(start) {
				t.Fatalf("after commit %d: %d %s", i, p.Seq, p.Head)
			}
			if early != nil {
				if d := gocmp.Diff(then, stateOf(early)); d != "" {
					t.Fatalf("a clone changed:\n%s", d)
				}
			}
		}
	})
}

func TestChainIsChecked(t *testing.T) {
	id := ProfileID{1}
	p := NewProfile(id)
	first := &Commit{Profile: id, Events: []Event{{View: Shared, Op: OpCreated}}}
	if err := p.Check(3, first); err != nil {
		t.Fatal(err)
	}
	p.Apply(3, HashOf([]byte("first")), first)
	for name, c := range map[string]struct {
		seq Seq
		c   *Commit
	}{
		"another profile": {4, &Commit{Profile: ProfileID{2}, Prev: p.Head}},
		"same sequence":   {3, &Commit{Profile: id, Prev: p.Head}},
		"earlier":         {2, &Commit{Profile: id, Prev: p.Head}},
		"a gap":           {5, &Commit{Profile: id, Prev: HashOf([]byte("second"))}},
		"no link":         {5, &Commit{Profile: id}},
	} {
		var broken *ChainError
		if err := p.Check(c.seq, c.c); !errors.As(err, &broken) || broken.Seq != c.seq || broken.Error() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !p.Exists() {
		t.Error("does not exist")
	}
	p.Apply(4, Hash{}, &Commit{Profile: id, Events: []Event{{View: Shared, Op: OpErased}}})
	if p.Exists() || !p.Erased {
		t.Error("exists after erasure")
	}
}

// TestADecisionHasOneForm: the chain takes no other event of that op, and one of that form
// moves the head and nothing else.
func TestADecisionHasOneForm(t *testing.T) {
	const park = "01J8Z3K5V6Q7R8S9T0V1W2X3Y4"
	id := ProfileID{1}
	p := NewProfile(id)
	p.Apply(1, Hash{1}, &Commit{Profile: id, Events: []Event{{View: Shared, Op: OpCreated}, {View: Shared, Field: "firstName", Op: OpSet, Value: Value(`"Jane"`)}}})
	commit := func(change func(*Event)) *Commit {
		e := Event{View: Shared, Field: Deliveries, Item: Mokaru, Op: OpDecided, Value: Value(`{"action":"retry","park":"` + park + `"}`)}
		change(&e)
		return &Commit{Profile: id, Prev: p.Head, Time: time.Unix(9, 0), Events: []Event{e}}
	}
	value := func(text string) func(*Event) { return func(e *Event) { e.Value = Value(text) } }
	for name, change := range map[string]func(*Event){
		"view":           func(e *Event) { e.View = Base },
		"field":          func(e *Event) { e.Field = Connections },
		"no field":       func(e *Event) { e.Field = "" },
		"no provider":    func(e *Event) { e.Item = "" },
		"who is it":      func(e *Event) { e.Item = "myspace" },
		"order":          func(e *Event) { e.Order = []string{} },
		"no value":       func(e *Event) { e.Value = nil },
		"typed":          func(e *Event) { e.Typed = Value(`"x"`) },
		"not JSON":       value(`retry`),
		"a text":         value(`"retry"`),
		"null":           value(`null`),
		"no park":        value(`{"action":"retry"}`),
		"no action":      value(`{"park":"` + park + `"}`),
		"unknown action": value(`{"action":"later","park":"` + park + `"}`),
		"no ULID":        value(`{"action":"retry","park":"01j8z3k5v6q7r8s9t0v1w2x3y4"}`),
		"more":           value(`{"action":"retry","park":"` + park + `","why":"x"}`),
		"spaces":         value(`{"action":"retry", "park":"` + park + `"}`),
		"turned round":   value(`{"park":"` + park + `","action":"retry"}`),
		"twice":          value(`{"action":"skip","action":"retry","park":"` + park + `"}`),
	} {
		var broken *ChainError
		if err := p.Check(2, commit(change)); !errors.As(err, &broken) || broken.Seq != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, action := range Actions() {
		v, ok := DecisionValue(action, park)
		if !ok || string(v) != `{"action":"`+action+`","park":"`+park+`"}` {
			t.Errorf("%s: %s", action, v)
		}
		if err := p.Check(2, commit(func(e *Event) { e.Value = v })); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	c := commit(func(*Event) {})
	sealPlain(c)
	if err := p.Check(2, c); err != nil {
		t.Errorf("sealed: %v", err)
	}
	want := p.Clone()
	want.Seq, want.Head, want.UpdatedAt = 2, Hash{2}, c.Time
	p.Apply(2, Hash{2}, c)
	if d := gocmp.Diff(want, p); d != "" {
		t.Errorf("a decision changed the state (-want +got):\n%s", d)
	}
}

// plainVault is an Opener whose seal is a mark in front of the payload.
type plainVault struct{ err error }

func (v plainVault) Open(_ ProfileID, c CommitID, index int, sealed []byte) ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	return sealed[len(fmt.Sprintf("%s/%d:", c, index)):], nil
}

func sealPlain(c *Commit) {
	for i := range c.Events {
		if e := &c.Events[i]; e.Value != nil {
			e.Salt = NewSalt()
			e.Commitment = HashOf(e.Payload())
			e.Sealed = append(fmt.Appendf(nil, "%s/%d:", c.ID, i), e.Payload()...)
			e.Value, e.Typed = nil, nil
		}
	}
}

func TestOpenAll(t *testing.T) {
	id := ProfileID{1}
	c := &Commit{ID: CommitID{9}, Profile: id, SealedReason: fmt.Appendf(nil, "%s/%d:why", CommitID{9}, ReasonIndex), Events: []Event{
		{View: Shared, Op: OpCreated},
		{View: Shared, Field: "linkedIn", Op: OpSet, Value: Value(`"https://linkedin.com/in/x"`), Typed: Value(`"x"`)},
		{View: Base, Field: "skills", Item: "s", Op: OpPut, Value: Value(`{"name":"Go"}`)},
		{View: "r1", Item: Base, Op: OpCopied},
		{View: "r1", Field: "name", Op: OpSet, Value: Value(`"R"`)},
		{View: Shared, Field: "websites", Item: "w", Op: OpPut, Value: Value(`{"url":"u"}`)},
		{View: Shared, Field: Connections, Item: Jarvi, Op: OpBound, Value: Value(`{"account":"a","settings":{}}`)},
	}}
	sealPlain(c)
	p := NewProfile(id)
	p.Apply(1, Hash{}, c)
	if err := p.Clone().OpenAll(plainVault{err: ErrErased}); !errors.Is(err, ErrErased) {
		t.Errorf("an erased key: %v", err)
	}
	closed := p.Clone()
	if err := p.OpenAll(plainVault{}); err != nil {
		t.Fatal(err)
	}
	if closed.Scalar("linkedIn") != nil {
		t.Error("opening reached a clone")
	}
	want := view{Shared: map[string]string{"linkedIn": `"https://linkedin.com/in/x"`}, Connections: map[string]string{Jarvi: `{"account":"a","settings":{}}`},
		Resumes: []string{Base, "r1"}, Names: map[string]string{Base: "", "r1": `"R"`},
		Lists: map[string][]pair{"base/skills": {{"s", `{"name":"Go"}`}}, "r1/skills": {{"s", `{"name":"Go"}`}}, "shared/websites": {{"w", `{"url":"u"}`}}}}
	if d := gocmp.Diff(want, stateOf(p)); d != "" {
		t.Error(d)
	}
	if err := c.Open(plainVault{}); err != nil || c.Meta.Reason != "why" || string(c.Events[1].Typed) != `"x"` {
		t.Errorf("commit opened: %v, %q", err, c.Meta.Reason)
	}
	cell := closed.Shared["linkedIn"]
	cell.Commitment[0] ^= 1
	closed.Shared["linkedIn"] = cell
	var broken *ChainError
	if err := closed.OpenAll(plainVault{}); !errors.As(err, &broken) {
		t.Errorf("a value that does not fit its commitment: %v", err)
	}
}

func TestDocument(t *testing.T) {
	p := NewProfile(ProfileID{1})
	p.Apply(1, Hash{}, &Commit{Events: []Event{
		{View: Shared, Op: OpCreated},
		{View: Shared, Field: "lastName", Op: OpSet, Value: Value(`"Doe <&>"`)},
		{View: Shared, Field: "firstName", Op: OpSet, Value: Value(`"Jane"`)},
		{View: Shared, Field: "firstName@ja_JP", Op: OpSet, Value: Value(`"ジェーン"`)},
		{View: Shared, Field: "firstName@fr_FR", Op: OpSet, Value: Value(`"Jeanne"`)},
		{View: Shared, Field: "phone", Op: OpSet, Value: Value(`"+33 1"`)},
		{View: Shared, Field: "phone.type", Op: OpSet, Value: Value(`"WORK"`)},
		{View: Shared, Field: "phones", Item: "second", Op: OpPut, Value: Value(`{"number":"+33 2"}`)},
		{View: Base, Field: "projects", Item: "p2", Op: OpPut, Value: Value(`{"name":"Two","description":"2"}`)},
		{View: Base, Field: "projects", Item: "p1", Op: OpPut, Value: Value(`{"name":"One","description":"1"}`)},
		{View: Base, Field: "projects", Op: OpOrder, Order: []string{"p1", "p2"}},
		{View: Shared, Field: "nexudus.onNewWallPost", Op: OpSet, Value: Value(`false`)},
		{View: Shared, Field: "postpress.location.id", Op: OpSet, Value: Value(`"105015875"`)},
		{View: Shared, Field: "postpress.pictureSettings.layout.topLeft", Op: OpSet, Value: Value(`{"x":1.0,"y":2}`)},
		{View: Shared, Field: "linkedin.phoneticFirstName@ja_JP", Op: OpSet, Value: Value(`"ジェーン"`)},
		{View: Shared, Field: "jarvi.custom." + uuid, Op: OpSet, Value: Value(`"Oui"`)},
		{View: Shared, Field: "jarvi.historyEntries", Item: "h", Op: OpPut, Value: Value(`{"subject":"s"}`)},
		{View: "r1", Item: Base, Op: OpCopied},
		{View: "r1", Field: "projects", Item: "p1", Op: OpRemove},
	}})
	indent := func(b []byte) []byte { return append(node(t, string(b)).indent(nil, 0), '\n') }
	golden(t, "testdata/documents/base.json", indent(p.AppendDocument(nil, Base)))
	golden(t, "testdata/documents/resume.json", indent(p.AppendDocument(nil, "r1")))
	golden(t, "testdata/documents/empty.json", indent(NewProfile(ProfileID{1}).AppendDocument(nil, Base)))

	if got := string(AppendItem(nil, p.Items(Base, "projects")[1])); got != `{"id":"p2","name":"Two","description":"2"}` {
		t.Error(got)
	}
	if got := string(AppendItem([]byte("x"), Item{ID: "i", Value: Value(`{}`)})); got != `x{"id":"i"}` {
		t.Error(got)
	}
	if got := string(AppendItems(nil, p.Items(Shared, "phones"))); got != `[{"id":"primary","number":"+33 1","type":"WORK"},{"id":"second","number":"+33 2"}]` {
		t.Error(got)
	}
	if items := p.Items("nowhere", "projects"); items == nil || len(items) != 0 {
		t.Error(items)
	}
	if p.Scalar("summary") != nil {
		t.Error("unset is nil")
	}
}

// indent writes a value over several lines, for golden files that people read.
func (n Node) indent(b []byte, depth int) []byte {
	if n.Kind != NodeObject || len(n.Members) == 0 {
		return n.Append(b)
	}
	b = append(b, "{\n"...)
	for i, m := range n.Members {
		b = append(b, strings.Repeat("  ", depth+1)...)
		b = m.Node.indent(append(appendQuoted(b, m.Name), ": "...), depth+1)
		if i < len(n.Members)-1 {
			b = append(b, ',')
		}
		b = append(b, '\n')
	}
	return append(append(b, strings.Repeat("  ", depth)...), '}')
}
