package directory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"vitae/ledger"
	"vitae/projections"
)

// opener is a vault whose Open can be made to fail.
type opener struct {
	ledger.Opener
	fail func(ledger.CommitID) error
}

func (o *opener) Open(p ledger.ProfileID, c ledger.CommitID, index int, sealed []byte) ([]byte, error) {
	if err := o.fail(c); err != nil {
		return nil, err
	}
	return o.Opener.Open(p, c, index, sealed)
}

// TestFaults: a value that cannot be opened or read, of a profile that is not erased,
// stops the directory at its commit; nothing after it is applied, and no look-up takes
// that for "nobody has it".
func TestFaults(t *testing.T) {
	for name, event := range map[string]ledger.Event{
		"changed":       {View: ledger.Shared, Field: "email", Op: ledger.OpSet, Sealed: []byte("changed"), Commitment: ledger.Hash{1}},
		"not a text":    {View: ledger.Shared, Field: "email", Op: ledger.OpSet, Value: ledger.Value(`["secret"]`)},
		"no connection": connected(ledger.LinkedIn, `"secret"`),
		"no key":        set("email", "secret"),
		"another value": set("email", "secret"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.config(t.TempDir())
			c.Opener = &opener{w.vault, func(id ledger.CommitID) error {
				if name == "no key" && id == commitID(3) {
					return fmt.Errorf("vault: %w", ledger.ErrNotFound)
				}
				return nil
			}}
			d, err := Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			jane := w.person()
			w.commit(jane, set("email", "jane@example.com"))
			if name == "another value" {
				w.commitAs(jane, ledger.Hash{9}, event)
			} else {
				w.commit(jane, event)
			}
			w.commit(jane, set("email", "later@example.com"))
			var fault *projections.Fault
			if err := d.Run(t.Context()); !errors.As(err, &fault) || fault.Seq != 3 || fault.Profile != jane || fault.Op != event.Op || fault.Projection != "directory" {
				t.Errorf("Run: %v", err)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("the fault says the value: %v", err)
			}
			if _, err := d.Emails(t.Context(), "later@example.com", 4); !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("a look-up of a stopped directory: %v", err)
			}
			if ids, err := d.Emails(t.Context(), "jane@example.com", 2); err != nil || !slices.Equal(ids, []ledger.ProfileID{jane}) {
				t.Errorf("a look-up of what was applied: %v, %v", ids, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVaultDoesNotAnswer: the directory tries again until the vault does.
func TestVaultDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.config(t.TempDir())
		fails := 0
		c.Opener = &opener{w.vault, func(ledger.CommitID) error {
			if fails++; fails <= 3 {
				return fmt.Errorf("vault: %w", ledger.ErrUnavailable)
			}
			return nil
		}}
		d, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		jane := w.person()
		w.commit(jane, bound(ledger.LinkedIn, "jane"))
		w.catchUp(d)
		w.account(d, ledger.LinkedIn, "jane", jane)
		if fails != 4 {
			t.Errorf("opened %d times", fails)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// claims is what the directory must have, made in the plainest way: by the claim's words,
// who claims it since when.
type claims map[string]map[ledger.ProfileID]ledger.Seq

func (c claims) end(p ledger.ProfileID, kind string) {
	for words := range c {
		if strings.HasPrefix(words, kind+" ") {
			delete(c[words], p)
		}
	}
}

func (c claims) put(p ledger.ProfileID, kind, value string, seq ledger.Seq) {
	words := kind + " " + value
	if _, ok := c[words][p]; ok {
		return
	}
	c.end(p, kind)
	if c[words] == nil {
		c[words] = map[ledger.ProfileID]ledger.Seq{}
	}
	c[words][p] = seq
}

func (c claims) first(words string) (id ledger.ProfileID) {
	at := ledger.Seq(0)
	for p, seq := range c[words] {
		if at == 0 || seq < at {
			id, at = p, seq
		}
	}
	return id
}

// TestRandomHistory follows a long random history with a restart now and then, and compares
// every look-up with the plain fold; then it is rebuilt without the keys of the erased.
func TestRandomHistory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	dir := t.TempDir()
	want := claims{}
	var people []ledger.ProfileID
	providers := []string{ledger.LinkedIn, ledger.PostPress, ledger.Jarvi}
	d := w.open(dir)
	for round := range 12 {
		for range 3 {
			people = append(people, w.person())
		}
		for range 40 {
			i := random.IntN(len(people))
			p, provider, value := people[i], providers[random.IntN(len(providers))], fmt.Sprintf("v%d", random.IntN(6))
			switch n := random.IntN(30); {
			case n == 0 && len(people) > 1:
				w.commit(p, erased())
				if random.IntN(2) == 0 {
					w.destroy(p) // perhaps before the directory has seen what it claimed
				}
				for _, kind := range append(providers, "email") {
					want.end(p, kind)
				}
				people = append(people[:i], people[i+1:]...)
			case n < 4:
				w.commit(p, unbound(provider))
				want.end(p, provider)
			case n < 7:
				w.commit(p, cleared("email"))
				want.end(p, "email")
			case n < 14:
				w.commit(p, set("email", strings.ToUpper(value)))
				want.put(p, "email", value, w.seq)
			default:
				w.commit(p, bound(provider, value))
				want.put(p, provider, value, w.seq)
			}
		}
		w.catchUp(d)
		total := int64(0)
		for words, by := range want {
			kind, value, _ := strings.Cut(words, " ")
			if kind == "email" {
				w.email(d, value, want.first(words))
			} else {
				w.account(d, kind, value, want.first(words))
			}
			total += int64(len(by))
		}
		if n := w.rows(d); n != total {
			t.Errorf("round %d: %d claims, want %d", round, n, total)
		}
		if random.IntN(2) == 0 {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = w.open(dir)
		}
	}
	w.rebuild(d)
	report, err := d.Rebuild(context.Background(), nil)
	if err != nil || !report.Equal() || report.Rows != w.rows(d)+1 { // and the total
		t.Errorf("rebuilt again: %+v, %v", report, err)
	}
}
