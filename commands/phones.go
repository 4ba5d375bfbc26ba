package commands

import (
	"encoding/json"

	"vitae/ledger"
)

// The names under which the phone numbers are stored.
const (
	phone     = "phone"      // the first number: a shared scalar
	phoneType = "phone.type" // its type: a shared scalar that is never named in a request
	phones    = "phones"     // the numbers after the first: a collection of the shared view
)

// splitPhone takes an item of phones apart; kind is nil when it has none.
func splitPhone(item ledger.Value) (number, kind ledger.Value) {
	var m struct {
		Number json.RawMessage `json:"number"`
		Type   json.RawMessage `json:"type"`
	}
	// Items are the catalogue's own output: they are objects. If one were not, the
	// number would be nil, which reads as "no phone".
	if err := json.Unmarshal(item, &m); err != nil {
		return nil, nil
	}
	return ledger.Value(m.Number), ledger.Value(m.Type)
}

// setFirstPhone makes an item of phones the first one; nil makes there be none.
func (d *draft) setFirstPhone(item ledger.Value) {
	number, kind := splitPhone(item)
	d.setShared(phone, number, nil)
	d.setShared(phoneType, kind, nil)
}

// replacePhones makes the items all the numbers there are.
func (d *draft) replacePhones(f ledger.Field, items []ledger.ItemIn) {
	var first ledger.Value
	var rest []ledger.ItemIn
	for i, it := range items {
		if i == 0 {
			first = it.Value
			continue
		}
		if it.ID == ledger.PrimaryPhone { // it was the first: now it is known by its number
			it.ID = ""
		}
		rest = append(rest, it)
	}
	d.setFirstPhone(first)
	old := d.p.Lists[phones]
	d.replace(ledger.Shared, phones, old, ledger.Match(f, old, rest, d.env.NewID))
}

// dropFirstPhone takes the first number away; the next one, if there is one, moves up.
func (d *draft) dropFirstPhone() {
	rest := d.p.Lists[phones]
	if rest == nil || len(rest.Order) == 0 {
		d.setFirstPhone(nil)
		return
	}
	next := rest.Order[0]
	d.setFirstPhone(rest.Items[next].Value)
	d.add(ledger.Event{View: ledger.Shared, Field: phones, Item: next, Op: ledger.OpRemove})
}
