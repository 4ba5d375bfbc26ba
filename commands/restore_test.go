package commands

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vitae/ledger"
)

// restoration gives Restore the shape of the other constructors.
func restoration(c *Restoration, err error) (ledger.Command, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// whole reads every view of a state: what a restoration is about.
func whole(t tester, p *ledger.Profile) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, id := range p.ResumeIDs() {
		out[id] = read(t, p, id)
		name := string(p.Resumes[id].Fields[resumeName].Value)
		if name == "" {
			name = `"` + BaseName + `"`
		}
		out[id][resumeName] = name
	}
	return out
}

// TestRestoreMoments: whatever has happened since, the whole moment is there again, but for
// what is kept; and again it is nothing.
func TestRestoreMoments(t *testing.T) {
	ids := []string{resumeAlias("R1"), resumeAlias("R2"), resumeAlias("R3")}
	rapid.Check(t, func(t *rapid.T) {
		w := newProfile(t)
		states := []*ledger.Profile{w.p.Clone()}
		for range rapid.IntRange(2, 12).Draw(t, "steps") {
			drawStep(t, w, ids)
			states = append(states, w.p.Clone())
		}
		for range 3 {
			then := states[rapid.IntRange(0, len(states)-1).Draw(t, "moment")]
			before := w.p.Clone()
			c, err := restoration(Restore(Moment(then), "", "", ""))
			w.step(t, c, err)
			kept := c.(*Restoration).Kept(w.p)
			if diff := cmp.Diff(kept, c.(*Restoration).Kept(before)); diff != "" {
				t.Fatalf("what is kept differs after and before:\n%s", diff)
			}
			want := whole(t, then)
			for _, k := range kept {
				want[ledger.Base][k.Field] = read(t, before, ledger.Base)[k.Field]
			}
			if diff := cmp.Diff(want, whole(t, w.p)); diff != "" {
				t.Fatalf("(-then +restored):\n%s", diff)
			}
			if events := w.step(t, c, nil); len(events) > 0 {
				t.Fatalf("again:\n%s", show(events))
			}
		}
	})
}

// drawStep edits the profile in one of the ways there are.
func drawStep(t *rapid.T, w *world, ids []string) {
	id := pick(t, "resume", ids)
	switch there := w.p.Resumes[id] != nil; {
	case !there && chance(t, 40):
		c, err := CreateResume(id, []byte(`{"name":"`+id[24:]+`"}`))
		w.step(t, c, err)
	case there && chance(t, 20):
		c, err := DeleteResume(id)
		w.step(t, c, err)
	case there && chance(t, 60):
		c, err := PatchResume(id, drawPatch(t, true).Append(nil))
		w.step(t, c, err)
	default:
		c, err := Patch(ledger.Base, drawPatch(t, false).Append(nil))
		w.step(t, c, err)
	}
}

// TestRestoreParts: a view, a field or an item is as it was then, and nothing else moves.
func TestRestoreParts(t *testing.T) {
	ids := []string{resumeAlias("R1"), resumeAlias("R2")}
	rapid.Check(t, func(t *rapid.T) {
		w := newProfile(t)
		states := []*ledger.Profile{}
		for range rapid.IntRange(2, 10).Draw(t, "steps") {
			drawStep(t, w, ids)
			states = append(states, w.p.Clone())
		}
		then := states[rapid.IntRange(0, len(states)-1).Draw(t, "moment")]
		before := w.p.Clone()
		view := pick(t, "view", then.ResumeIDs())

		c, err := restoration(Restore(Moment(then), view, "", ""))
		w.step(t, c, err)
		want := whole(t, before)
		if want[view] == nil {
			want[view] = map[string]any{}
		}
		for _, f := range ledger.Catalogue() {
			if f.View == ledger.ResumeView {
				replace(want[view], whole(t, then)[view], f.Name)
			}
		}
		if diff := cmp.Diff(want, whole(t, w.p)); diff != "" {
			t.Fatalf("of view %s (-want +restored):\n%s", view, diff)
		}

		// A collection of base, then one item of it.
		before = w.p.Clone()
		field := pick(t, "collection", []string{"skills", "interests", "educations"})
		c, err = restoration(Restore(Moment(then), "", field, ""))
		w.step(t, c, err)
		want = whole(t, before)
		replace(want[ledger.Base], whole(t, then)[ledger.Base], field)
		if diff := cmp.Diff(want, whole(t, w.p)); diff != "" {
			t.Fatalf("of %s (-want +restored):\n%s", field, diff)
		}
		w.p = before
		var items []string
		for _, p := range []*ledger.Profile{then, before} {
			for _, item := range p.Items(ledger.Base, field) {
				items = append(items, item.ID)
			}
		}
		if len(items) == 0 {
			return
		}
		item := pick(t, "item", items)
		c, err = restoration(Restore(Moment(then), ledger.Base, field, item))
		w.step(t, c, err)
		find := func(p *ledger.Profile) ledger.Value {
			value, _ := itemPlace{view: ledger.Base, field: lookup(field)}.find(p, item)
			return value
		}
		if got, was := find(w.p), find(then); !got.Equal(was) {
			t.Fatalf("item %s is %s, it was %s", item, got, was)
		}
		others := func(p *ledger.Profile) (out []ledger.Item) {
			return slices.DeleteFunc(p.Items(ledger.Base, field), func(i ledger.Item) bool { return i.ID == item })
		}
		if diff := cmp.Diff(others(before), others(w.p)); diff != "" {
			t.Fatalf("the other items:\n%s", diff)
		}
	})
}

func lookup(name string) ledger.Field { f, _, _ := ledger.Lookup(name); return f }

// replace makes a member of a document that of another one.
func replace(doc, by map[string]any, name string) {
	delete(doc, name)
	if v, ok := by[name]; ok {
		doc[name] = v
	}
}

func TestRestore(t *testing.T) {
	w := newProfile(t)
	r1, r2 := resumeAlias("R1"), resumeAlias("R2")
	moment := func() []byte { return Moment(w.p) }
	empty := moment()
	w.must(t)(Patch(ledger.Base, []byte(`{"firstName":"Jane","email":"jane@example.com","city":"Rome","firstName@fr_FR":"Jeanne","phones":[{"number":"+1","type":"HOME"},{"number":"+2","id":"p2"}],
		"nexudus":{"billingName":"J","onNewWallPost":true},"skills":[{"id":"a","name":"A"},{"id":"b","name":"B"},{"id":"c","name":"C"}]}`)))
	w.must(t)(CreateResume(r1, []byte(`{"name":"One"}`)))
	full := moment()
	w.must(t)(Patch(ledger.Base, []byte(`{"city":null,"firstName":"Joan","firstName@fr_FR":"Jean","phones":[],"nexudus":{"billingName":"K","onNewWallPost":null},"skills":[{"id":"c","name":"C"},{"id":"a","name":"A2"}]}`)))
	w.must(t)(DeleteResume(r1))
	w.must(t)(CreateResume(r2, []byte(`{"name":"Two"}`)))

	for _, c := range []struct{ moment, view, field, item, want string }{
		{"full", "", "city", "", "set shared city \"Rome\"\n"},
		{"full", "", "firstName", "", "set shared firstName \"Jane\"\n"},
		{"full", "shared", "firstName@fr_FR", "", "set shared firstName@fr_FR \"Jeanne\"\n"},
		{"full", "", "nexudus", "", "set shared nexudus.billingName \"J\"\nset shared nexudus.onNewWallPost true\n"},
		{"full", "", "phone", "", "set shared phone \"+1\"\nset shared phone.type \"HOME\"\n"},
		{"full", "", "phones", "p2", "set shared phone \"+2\"\n"},
		{"full", "", "skills", "b", "put base skills b {\"name\":\"B\"}\n"},
		{"full", "", "skills", "a", "put base skills a {\"name\":\"A\"}\n"},
		{"full", "base", "skills", "", "put base skills a {\"name\":\"A\"}\nput base skills b {\"name\":\"B\"}\norder base skills [a b c]\n"},
		{"empty", "", "skills", "a", "remove base skills a\n"},
		{"empty", "", "skills", "", "remove base skills c\nremove base skills a\n"},
		{"empty", "", "firstName@fr_FR", "", "clear shared firstName@fr_FR\n"},
		{"empty", "", "city", "", ""},
		{"full", r1, "", "", "copied " + r1 + " base\nset " + r1 + " name \"One\"\nput " + r1 + " skills a {\"name\":\"A\"}\nput " + r1 + " skills b {\"name\":\"B\"}\norder " + r1 + " skills [a b c]\n"},
		{"empty", "", "", "", "deleted " + r2 + "\nclear shared firstName@fr_FR\nclear shared nexudus.billingName\nremove base skills c\nremove base skills a\n"},
	} {
		m := map[string][]byte{"full": full, "empty": empty}[c.moment]
		cmd, err := Restore(m, c.view, c.field, c.item)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		events, err := cmd.Decide(w.p, w.env())
		if got := show(events); err != nil || got != c.want {
			t.Errorf("%s/%s/%s/%s: %v\n%swant\n%s", c.moment, c.view, c.field, c.item, err, got, c.want)
		}
		sameDecision(t, w, cmd, events, err)
	}

	for _, c := range []struct{ view, field, item, want string }{
		{"", "nothing", "", "/field unknown_field"}, {"", "phone.type", "", "/field unknown_field"}, {"", "jarvi.historyEntries", "", "/field not_clearable"},
		{"", "", "a", "/item required"}, {"", "city", "a", "/item unknown_field"}, {"base", "city", "", "/view unknown_field"}, {"shared", "skills", "", "/view unknown_field"},
		{"", "firstName", "", "/field not_clearable"}, {"", "email", "", "/field not_clearable"},
	} {
		if got := w.refused(t)(restoration(Restore(empty, c.view, c.field, c.item))); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for _, c := range []struct{ view, field, item string }{
		{r1, "", ""}, {r2, "skills", ""}, {"x", "", ""}, {"", "skills", "nobody"},
	} {
		w.fails(t, ledger.ErrNotFound)(restoration(Restore(empty, c.view, c.field, c.item)))
	}
	w.fails(t, ledger.ErrNotFound)(restoration(Restore(full, r1, "skills", ""))) // it has gone: restore the view

	// What cannot go is kept, and named.
	w.must(t)(binding(Bind("mokaru", []byte(`{"settings":{"resume":"`+r2+`"}}`))))
	cmd, err := Restore(empty, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, k := range cmd.Kept(w.p) {
		kept = append(kept, k.View+" "+k.Field)
	}
	if want := []string{"shared email", "shared firstName", r2 + " "}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	w.must(t)(restoration(cmd, nil))
	if w.p.Resumes[r2] == nil || w.p.Connections["mokaru"].Value == nil {
		t.Error("the connection or its resume has gone")
	}
	w.must(t)(Erase(), nil)
	w.fails(t, ledger.ErrErased)(restoration(Restore(empty, "", "", "")))
}
