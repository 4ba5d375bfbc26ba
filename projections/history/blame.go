package history

import (
	"time"

	"vitae/ledger"
)

// Line is one value of a state with the event that put it there.
type Line struct {
	View, Field, Item string
	Cell              ledger.Cell
	// Origin is the view that the event edited: another one than View where a resume was
	// copied since.
	Origin string
	// Before is the sequence of the event that had given Origin's place its value before,
	// 0 for the first: what stood in between (a clear, a remove) does not count.
	Before       ledger.Seq
	Time         time.Time
	Meta         ledger.Meta // the reason stays sealed
	SealedReason []byte
	Hash         ledger.Hash // of the commit
}

// Blame finds out which event gave a state each of its values. Make it with NewBlame, Add
// every commit of the profile from the first one up to the state's, oldest first, and read
// the Lines. It looks at no value, so the state may be sealed.
type Blame struct {
	lines []Line
	// wanted are the lines that an event at a place accounts for: several where resumes
	// were copied.
	wanted map[at][]int
	last   map[place]ledger.Seq
}

// at is the place of an event.
type at struct {
	seq   ledger.Seq
	index int
}

// NewBlame takes the state whose values are asked about, or one view of it ("" is all).
func NewBlame(p *ledger.Profile, view string) *Blame {
	b := &Blame{wanted: map[at][]int{}, last: map[place]ledger.Seq{}}
	for _, v := range views(p) {
		if view != "" && view != v {
			continue
		}
		in := partOf(p, v)
		names := map[string]bool{}
		for name := range in.scalars {
			names[name] = true
		}
		for name := range in.lists {
			names[name] = true
		}
		for _, name := range sorted(names) {
			if c, ok := in.scalars[name]; ok {
				b.want(place{v, name, ""}, c)
			}
			list := in.list(name)
			for _, id := range list.Order {
				b.want(place{v, name, id}, list.Items[id])
			}
		}
		if v == ledger.Shared {
			for _, provider := range sorted(p.Connections) {
				b.want(place{v, ledger.Connections, provider}, p.Connections[provider])
			}
		}
	}
	return b
}

func (b *Blame) want(p place, c ledger.Cell) {
	k := at{c.Seq, c.Index}
	b.wanted[k] = append(b.wanted[k], len(b.lines))
	b.lines = append(b.lines, Line{View: p.view, Field: p.field, Item: p.item, Cell: c})
}

// Add takes the profile's next commit.
func (b *Blame) Add(rec *ledger.Record) {
	c := rec.Commit
	for i := range c.Events {
		e := &c.Events[i]
		switch e.Op {
		case ledger.OpSet, ledger.OpPut, ledger.OpBound:
		default:
			continue
		}
		where := place{e.View, e.Field, e.Item}
		for _, n := range b.wanted[at{rec.Seq, i}] {
			l := &b.lines[n]
			l.Origin, l.Before, l.Time, l.Meta, l.SealedReason, l.Hash = e.View, b.last[where], c.Time, c.Meta, c.SealedReason, rec.Hash
		}
		b.last[where] = rec.Seq
	}
}

// Lines are the values in order: views as in Diff, fields in the order of the catalogue,
// items in the order of their collection, connections behind the shared fields.
func (b *Blame) Lines() []Line { return b.lines }
