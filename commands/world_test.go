package commands

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is one profile that commands are run on, without seals: events keep their
// values in clear and the fold takes them as they are.
type world struct {
	p   *ledger.Profile
	ids int
}

var testProfile = func() ledger.ProfileID {
	id, err := ledger.ParseProfileID("01JCXR0000000000000000000A")
	if err != nil {
		panic(err)
	}
	return id
}()

// resumeAlias is a resume id made of two characters, so that tests stay readable.
func resumeAlias(short string) string { return strings.Repeat("0", 24) + short }

// newWorld has no profile yet; newProfile has an empty one.
func newWorld() *world { return &world{p: ledger.NewProfile(testProfile)} }

func newProfile(t tester) *world {
	t.Helper()
	w := newWorld()
	w.must(t)(Create(testProfile, nil))
	return w
}

// env counts ids from where the world stands: the same decision draws the same ids.
func (w *world) env() ledger.Env {
	n := w.ids
	return ledger.Env{Now: time.Unix(0, 0), NewID: func() string { n++; return fmt.Sprintf("i%d", n) }}
}

// run decides and applies.
func (w *world) run(t tester, c ledger.Command) ([]ledger.Event, error) {
	t.Helper()
	events, err := c.Decide(w.p, w.env())
	var refusal *ledger.Refusal
	switch {
	case err == nil:
	case errors.As(err, &refusal), errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased),
		errors.Is(err, ledger.ErrExists), errors.Is(err, ledger.ErrNotAllowed):
		if events != nil {
			t.Fatalf("%d events beside the error %v", len(events), err)
		}
		return nil, err
	default:
		t.Fatalf("decide: an error that nobody can act on: %v", err)
	}
	w.apply(t, events)
	return events, nil
}

// apply folds the events as the next commit.
func (w *world) apply(t tester, events []ledger.Event) {
	t.Helper()
	if len(events) == 0 {
		return
	}
	w.ids += 1000
	seq := w.p.Seq + 1
	c := &ledger.Commit{ID: ledger.CommitID{15: byte(seq)}, Profile: w.p.ID, Time: time.Unix(int64(seq), 0), Prev: w.p.Head, Events: events}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		t.Fatalf("the decided events cannot be stored: %v", err)
	}
	if err := w.p.Check(seq, c); err != nil {
		t.Fatalf("the commit does not follow: %v", err)
	}
	w.p.Apply(seq, ledger.HashOf(raw), c)
}

// must runs a command that has to be taken: w.must(t)(Patch(...)).
func (w *world) must(t tester) func(ledger.Command, error) []ledger.Event {
	t.Helper()
	return func(c ledger.Command, err error) []ledger.Event {
		t.Helper()
		if err != nil {
			t.Fatalf("the command is refused: %v", err)
		}
		events, err := w.run(t, c)
		if err != nil {
			t.Fatalf("the decision is refused: %v", err)
		}
		return events
	}
}

// refused runs a command that must be refused, now or at the decision, and gives every
// wrong field as "pointer code".
func (w *world) refused(t tester) func(ledger.Command, error) []string {
	t.Helper()
	return func(c ledger.Command, err error) []string {
		t.Helper()
		if err == nil {
			_, err = w.run(t, c)
		}
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("want a refusal, got %v", err)
		}
		out := []string{}
		for _, f := range refusal.Fields {
			if f.Message == "" {
				t.Fatalf("%s %s has no message", f.Pointer, f.Code)
			}
			out = append(out, strings.TrimSpace(f.Pointer+" "+f.Code))
		}
		return out
	}
}

// fails runs a command that must end in the given error.
func (w *world) fails(t *testing.T, want error) func(ledger.Command, error) {
	t.Helper()
	return func(c ledger.Command, err error) {
		t.Helper()
		if err == nil {
			_, err = w.run(t, c)
		}
		if !errors.Is(err, want) {
			t.Errorf("got error %v, want %v", err, want)
		}
	}
}

// binding gives Bind the shape of the other constructors.
func binding(c *Binding, err error) (ledger.Command, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// show writes events as one line each.
func show(events []ledger.Event) string {
	var b strings.Builder
	for _, e := range events {
		words := []string{string(e.Op), e.View}
		for _, s := range []string{e.Field, e.Item, string(e.Value)} {
			if s != "" {
				words = append(words, s)
			}
		}
		if e.Order != nil {
			words = append(words, "["+strings.Join(e.Order, " ")+"]")
		}
		if e.Typed != nil {
			words = append(words, "(typed "+string(e.Typed)+")")
		}
		b.WriteString(strings.Join(words, " ") + "\n")
	}
	return b.String()
}
