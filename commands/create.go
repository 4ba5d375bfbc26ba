package commands

import (
	"fmt"

	"vitae/ledger"
)

// create brings a profile into being, with first values if there are any.
type create struct {
	id    ledger.ProfileID
	body  []byte
	first edits
}

// Create makes the command that brings a profile into being. body holds its first
// values in the form of a patch of the profile; nil and {} mean none. They are decided
// as part of the same commit. A profile that is there already is ledger.ErrExists.
func Create(id ledger.ProfileID, body []byte) (ledger.Command, error) {
	c := &create{id: id, body: body}
	if len(body) > 0 {
		var err error
		if c.first, err = parsePatch(profileBody, body); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *create) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	switch {
	case p.ID != c.id:
		return nil, fmt.Errorf("a command to create profile %s was sent to %s: %w", c.id, p.ID, ledger.ErrNotAllowed)
	case p.Erased:
		return nil, fmt.Errorf("profile %s: %w", p.ID, ledger.ErrErased)
	case p.Seq > 0:
		return nil, fmt.Errorf("profile %s: %w", p.ID, ledger.ErrExists)
	}
	d := &draft{p: p, env: env}
	d.add(ledger.Event{View: ledger.Shared, Op: ledger.OpCreated})
	c.first.decide(d, ledger.Base, ledger.Base)
	return d.end()
}

// Files implements WithFiles.
func (c *create) Files() []FileRef { return c.first.files }

func (c *create) wire() wire {
	return wire{Kind: kindCreate, Profile: &c.id, Body: c.body}
}

type erase struct{}

// Erase makes the command that ends a profile: one event, after which no other command
// is decided for it. The key behind its values is destroyed by whoever carries the
// erasure out, once the event is in the ledger.
func Erase() ledger.Command { return erase{} }

func (erase) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	d.add(ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
	return d.end()
}

// Blind implements stream.Blind: an erasure needs no value.
func (erase) Blind() {}

func (erase) wire() wire { return wire{Kind: kindErase} }
