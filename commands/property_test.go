package commands

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vitae/ledger"
)

// step runs a command that must be taken, and checks what holds for every decision: the
// state it looked at is as before, a decoded copy decides the same, and every single
// event has an effect.
func (w *world) step(t *rapid.T, c ledger.Command, err error) []ledger.Event {
	t.Helper()
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	before := w.p.Clone()
	events, err := c.Decide(w.p, w.env())
	if !reflect.DeepEqual(before, w.p) {
		t.Fatalf("the decision changed the state")
	}
	sameDecision(t, w, c, events, err)
	if err != nil {
		t.Fatalf("the decision is refused: %v", err)
	}
	noIdleEvent(t, before, events)
	w.apply(t, events)
	return events
}

// sameDecision sends a command over the wire and decides it there.
func sameDecision(t tester, w *world, c ledger.Command, events []ledger.Event, err error) {
	t.Helper()
	b, encodeErr := Encode(c)
	if encodeErr != nil {
		t.Fatalf("encode: %v", encodeErr)
	}
	again, decodeErr := Decode(b)
	if decodeErr != nil {
		t.Fatalf("decode: %v\n%s", decodeErr, b)
	}
	there, thereErr := again.Decide(w.p, w.env())
	if fmt.Sprint(thereErr) != fmt.Sprint(err) {
		t.Fatalf("decoded, the error is %v; it was %v", thereErr, err)
	}
	if diff := cmp.Diff(events, there); diff != "" {
		t.Fatalf("decoded, the command decides otherwise:\n%s", diff)
	}
}

// noIdleEvent applies the events one by one and looks for one that changes nothing.
func noIdleEvent(t *rapid.T, p *ledger.Profile, events []ledger.Event) {
	t.Helper()
	bare := func() *ledger.Profile {
		q := p.Clone()
		q.Seq, q.UpdatedAt = 0, q.CreatedAt
		for _, r := range q.Resumes {
			r.UpdatedSeq, r.UpdatedAt = 0, r.CreatedAt
		}
		q.Cells(func(c ledger.Cell, set func(ledger.Cell)) bool { set(ledger.Cell{Value: c.Value}); return true })
		return q
	}
	for i := range events {
		before := bare()
		p.Apply(p.Seq, p.Head, &ledger.Commit{Profile: p.ID, Events: events[i : i+1]})
		if events[i].Op != ledger.OpBound && events[i].Op != ledger.OpDecided && reflect.DeepEqual(before, bare()) {
			t.Fatalf("this event changes nothing: %s", show(events[i:i+1]))
		}
	}
}

// TestPatchesAgainstOracle: whatever is patched, the fold of the decided events is what
// a naive program would have kept, and the same patch again is nothing.
func TestPatchesAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := newProfile(t), newOracle()
		for range rapid.IntRange(1, 8).Draw(t, "patches") {
			body := drawPatch(t, false)
			text := body.Append(nil)
			c, err := Patch(ledger.Base, text)
			w.step(t, c, err)
			o.patch("", text)
			if diff := cmp.Diff(o.doc, read(t, w.p, ledger.Base)); diff != "" {
				t.Fatalf("after %s (-oracle +fold):\n%s", text, diff)
			}
			if v, ok := body.Member(phone); ok && v.Kind == ledger.NodeNull {
				continue // takes away one number at a time
			}
			if events := w.step(t, c, nil); len(events) > 0 {
				t.Fatalf("the same patch again gives\n%s", show(events))
			}
		}
		// Writing the whole document back is nothing either.
		doc := parse(t, w.p.AppendDocument(nil, ledger.Base))
		back := object()
		for _, m := range doc.Members {
			if m.Node.Kind != ledger.NodeNull {
				back.Members = append(back.Members, m)
			}
		}
		c, err := Patch(ledger.Base, back.Append(nil))
		if events := w.step(t, c, err); len(events) > 0 {
			t.Fatalf("the document written back gives\n%s", show(events))
		}
	})
}

// TestFirstValuesAreAPatch: creating with values is creating, then patching.
func TestFirstValuesAreAPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := drawPatch(t, false).Append(nil)
		one, two, o := newWorld(), newProfile(t), newOracle()
		c, err := Create(testProfile, body)
		one.step(t, c, err)
		c, err = Patch(ledger.Base, body)
		two.step(t, c, err)
		o.patch("", body)
		for _, w := range []*world{one, two} {
			if diff := cmp.Diff(o.doc, read(t, w.p, ledger.Base)); diff != "" {
				t.Fatalf("after %s (-oracle +fold):\n%s", body, diff)
			}
		}
	})
}

// TestResumesAgainstOracle runs resumes and items through their lives.
func TestResumesAgainstOracle(t *testing.T) {
	ids := []string{resumeAlias("R1"), resumeAlias("R2"), resumeAlias("R3")}
	names := []string{"skills", "interests", "certificates"}
	rapid.Check(t, func(t *rapid.T) {
		w, o := newProfile(t), newOracle()
		// where draws a resume that is there: its id here, and its key in the oracle.
		where := func() (string, string) {
			id := pick(t, "resume", append([]string{ledger.Base}, ids...))
			if _, ok := o.resumes[id]; !ok {
				return ledger.Base, ""
			}
			return id, id
		}
		// place draws an item that is there; -1 when the collection has none.
		place := func(view, field string) (int, string) {
			items := w.p.Items(view, field)
			if len(items) == 0 {
				return -1, ""
			}
			i := rapid.IntRange(0, len(items)-1).Draw(t, "item")
			return i, items[i].ID
		}
		t.Repeat(map[string]func(*rapid.T){
			"patch profile": func(t *rapid.T) {
				body := drawPatch(t, false).Append(nil)
				c, err := Patch(ledger.Base, body)
				w.step(t, c, err)
				o.patch("", body)
			},
			"patch resume": func(t *rapid.T) {
				view, key := where()
				body := drawPatch(t, true).Append(nil)
				c, err := PatchResume(view, body)
				w.step(t, c, err)
				o.patch(key, body)
			},
			"copy": func(t *rapid.T) {
				id := pick(t, "new", ids)
				body := drawPatch(t, true)
				body.Members = append(body.Members, ledger.NodeMember{Name: "name", Node: ledger.TextNode(pick(t, "name", []string{"One", "Two"}))})
				c, err := CreateResume(id, body.Append(nil))
				if _, ok := o.resumes[id]; ok {
					if err == nil {
						_, err = w.run(t, c)
					}
					if !errors.Is(err, ledger.ErrExists) {
						t.Fatalf("a second resume %s: %v", id, err)
					}
					return
				}
				w.step(t, c, err)
				o.copyBase(id, body.Append(nil))
			},
			"delete": func(t *rapid.T) {
				view, key := where()
				if key == "" {
					return
				}
				c, err := DeleteResume(view)
				w.step(t, c, err)
				delete(o.resumes, key)
			},
			"add": func(t *rapid.T) {
				view, key := where()
				f, _, _ := ledger.Lookup(pick(t, "field", names))
				item := drawObject(t, f.Item).Append(nil)
				c, err := AddItem(view, f.Name, "", item)
				w.step(t, c, err)
				o.setItems(key, f.Name, append(o.items(key, f.Name), tidy(decoded(item))))
			},
			"edit": func(t *rapid.T) {
				view, key := where()
				field := pick(t, "field", names)
				i, id := place(view, field)
				if i < 0 {
					return
				}
				member := map[string]string{"skills": "category", "interests": "description", "certificates": "credentialId"}[field]
				v := pick(t, "value", []any{nil, "x", "y"})
				c, err := PatchItem(view, field, id, mustJSON(map[string]any{member: v}))
				w.step(t, c, err)
				item := o.items(key, field)[i].(map[string]any)
				item[member] = v
				tidy(item)
			},
			"remove": func(t *rapid.T) {
				view, key := where()
				field := pick(t, "field", names)
				i, id := place(view, field)
				if i < 0 {
					return
				}
				c, err := RemoveItem(view, field, id)
				w.step(t, c, err)
				list := o.items(key, field)
				o.setItems(key, field, append(append([]any{}, list[:i]...), list[i+1:]...))
			},
			"": func(t *rapid.T) {
				if diff := cmp.Diff(o.doc, read(t, w.p, ledger.Base)); diff != "" {
					t.Fatalf("profile (-oracle +fold):\n%s", diff)
				}
				if len(w.p.Resumes) != len(o.resumes)+1 {
					t.Fatalf("%d resumes, want %d and base", len(w.p.Resumes), len(o.resumes))
				}
				for id, doc := range o.resumes {
					if diff := cmp.Diff(doc, read(t, w.p, id)); diff != "" {
						t.Fatalf("resume %s (-oracle +fold):\n%s", id, diff)
					}
				}
			},
		})
	})
}
