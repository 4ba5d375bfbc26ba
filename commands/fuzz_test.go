package commands

import (
	"bytes"
	"errors"
	"testing"

	"vitae/ledger"
)

// FuzzPatch: a body is refused, or it comes to events that can be stored and folded,
// that another instance decides as well, and that leave nothing to do (but for the phone
// that moves up).
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `{"firstName":"Jane","headline@fr_FR":null}`, `{"phone":null}`, `{"phones":[]}`,
		`{"phone":"+1","phones":[{"number":"+1"},{"id":"primary","number":"+2","type":"x"}]}`,
		`{"linkedIn":"jane","website":"x.example","birthDate":"1990-01-15"}`,
		`{"nexudus":{"onNewWallPost":true},"postpress":{"location":{"id":"1"},"openToWork":null},"jarvi":{"custom":{"2788baea-1119-46d9-8e60-af9d6a1268e1":"x"}}}`,
		`{"skills":[{"name":"Go"},{"id":"go","name":"SQL"}],"jobTitles":[{"title":"x"}]}`,
		`{"linkedin":{"ims":{"a":{"id":"a","provider":"SKYPE"}},"imsOrder":["a"]}}`,
		`{"name":"x","skills":[{"name":"a"}]}`, `{"picture":"sha256:aa"}`, `{"a.b":1}`, `{"nexudus.onNewWallPost":true}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, profile bool) {
		view := ledger.Base
		if !profile {
			view = resumeAlias("R1")
		}
		var refusal *ledger.Refusal
		c, err := Patch(view, body)
		if err != nil {
			if !errors.As(err, &refusal) || len(refusal.Fields) == 0 || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			return
		}
		w := someone(t)
		events, err := c.Decide(w.p, w.env())
		sameDecision(t, w, c, events, err)
		if err != nil {
			if !errors.As(err, &refusal) || len(refusal.Fields) == 0 {
				t.Fatalf("decide: %v", err)
			}
			return
		}
		w.apply(t, events)
		parse(t, w.p.AppendDocument(nil, view))
		again, err := c.Decide(w.p, w.env())
		if n := parse(t, body); err != nil || len(again) > 0 && !clearsPhone(n) {
			t.Fatalf("the same patch again gives %v\n%s", err, show(again))
		}
	})
}

func clearsPhone(body ledger.Node) bool {
	v, ok := body.Member(phone)
	return ok && v.Kind == ledger.NodeNull
}

// FuzzDecide: a decision is refused, or it is one event that the chain takes, that another
// instance decides as well, and that leaves the profile as it is.
func FuzzDecide(f *testing.F) {
	const park = "01J8Z3K5V6Q7R8S9T0V1W2X3Y4"
	for _, action := range ledger.Actions() {
		f.Add(ledger.LinkedIn, park, action)
	}
	f.Add(ledger.Mokaru, "01j8z3k5v6q7r8s9t0v1w2x3y4", "retry")
	f.Add(ledger.Jarvi, "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "Skip")
	f.Add("myspace", `"`, "retry\x00")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, provider, park, action string) {
		c, err := Decide(provider, park, action)
		if err != nil {
			var refusal *ledger.Refusal
			if c != nil || !errors.Is(err, ledger.ErrNotFound) && (!errors.As(err, &refusal) || len(refusal.Fields) == 0) {
				t.Fatalf("got %v, %v", c, err)
			}
			return
		}
		w := someone(t)
		before := w.p.AppendDocument(nil, ledger.Base)
		events, err := c.Decide(w.p, w.env())
		sameDecision(t, w, c, events, err)
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		if err := w.p.Check(w.p.Seq+1, &ledger.Commit{Profile: w.p.ID, Prev: w.p.Head, Events: events}); err != nil {
			t.Fatal(err)
		}
		w.apply(t, events)
		if after := w.p.AppendDocument(nil, ledger.Base); !bytes.Equal(before, after) {
			t.Fatalf("a decision changed the profile: %s, %s", before, after)
		}
		again, err := c.Decide(w.p, w.env())
		if err != nil || len(again) != 1 {
			t.Fatalf("decided again: %d events, %v", len(again), err)
		}
	})
}

// FuzzRestore: whatever moment is sent on by another instance, it is refused or decided,
// and what is decided can be stored.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"shared":{"city":"Rome","phones":[{"id":"primary","number":"+1"}]},"resumes":{"base":{"skills":[{"id":"a","name":"A"}]}}}`), "", "", "")
	f.Add([]byte(`{"shared":{},"resumes":{"base":{"name":"B"}}}`), "base", "skills", "a")
	f.Add([]byte(`{"shared":{"phone":"x"}}`), "", "phone", "")
	f.Add([]byte(`{"resumes":{"x":{}}}`), "x", "", "")
	f.Fuzz(func(t *testing.T, moment []byte, view, field, item string) {
		w := newProfile(t)
		w.must(t)(Patch(ledger.Base, []byte(`{"city":"Oslo","phones":[{"number":"+2"},{"number":"+3","id":"p"}],"skills":[{"id":"b","name":"B"}]}`)))
		c, err := Restore(moment, view, field, item)
		if err != nil {
			return
		}
		if _, err := w.run(t, c); err == nil {
			c.Kept(w.p)
		}
	})
}
