package commands

import (
	"errors"

	"vitae/ledger"
)

// all is several commands decided as one.
type all struct{ parts []ledger.Command }

// All makes one command of several: each part is decided on the state that the parts
// before it lead to, and their events are one commit. It is for requests that do more
// than one thing at once, such as a scalar and a new item in one form. If parts are
// refused, the refusal names the wrong fields of all of them; any other error of a part
// is the error of the whole. Create can be the first part, Erase the last.
func All(parts ...ledger.Command) ledger.Command { return &all{parts: parts} }

func (c *all) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d := &draft{p: p, env: env}
	state := p
	for _, part := range c.parts {
		events, err := part.Decide(state, env)
		var refusal *ledger.Refusal
		switch {
		case errors.As(err, &refusal):
			d.errs = append(d.errs, refusal.Fields...)
		case err != nil:
			return nil, err
		case len(events) > 0:
			if state == p {
				state = p.Clone()
			}
			// The sequence is not known yet; it only has to say that the profile is there.
			state.Apply(max(state.Seq, 1), state.Head, &ledger.Commit{Profile: p.ID, Time: env.Now, Events: events})
			d.events = append(d.events, events...)
		}
	}
	return d.end()
}

// Created implements WithCreated: the last resume or item that a part makes.
func (c *all) Created() (id string) {
	for _, part := range c.parts {
		if w, ok := part.(WithCreated); ok && w.Created() != "" {
			id = w.Created()
		}
	}
	return id
}

// Files implements WithFiles.
func (c *all) Files() (refs []FileRef) {
	for _, part := range c.parts {
		if w, ok := part.(WithFiles); ok {
			refs = append(refs, w.Files()...)
		}
	}
	return refs
}
