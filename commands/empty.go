package commands

import (
	"maps"
	"slices"

	"vitae/ledger"
)

type empty struct{}

// Empty makes the command that clears everything a request may clear: every scalar but
// those that a profile cannot be without, with its locale variants and the providers' own
// fields, and every item of every collection of every resume but what providers can only
// append. Resumes, connections and the profile stay. It is ordinary edits, so it reaches the providers like any others: it is
// what comes before an erasure that is to be noticed there.
func Empty() ledger.Command { return empty{} }

func (empty) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Shared)) {
		if f, _, ok := ledger.Lookup(name); ok && !f.Clearable && name != phoneType {
			continue
		}
		d.add(ledger.Event{View: ledger.Shared, Field: name, Op: ledger.OpClear})
	}
	drop := func(view string, lists map[string]*ledger.Collection) {
		for _, field := range slices.Sorted(maps.Keys(lists)) {
			if f, _, ok := ledger.Lookup(field); ok && f.Append {
				continue // what was appended at a provider cannot be taken back
			}
			for _, id := range lists[field].Order {
				d.add(ledger.Event{View: view, Field: field, Item: id, Op: ledger.OpRemove})
			}
		}
	}
	drop(ledger.Shared, p.Lists)
	for _, id := range p.ResumeIDs() {
		drop(id, p.Resumes[id].Collections)
	}
	return d.end()
}

func (empty) wire() wire { return wire{Kind: kindEmpty} }
