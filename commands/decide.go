package commands

import (
	"errors"
	"slices"
	"strings"

	"vitae/ledger"
)

type decide struct{ provider, park, action string }

// Decide makes the command that records what a person decided about a parked delivery:
// retry, mark_done, skip or recreate. park is the ULID of the parked edit. It writes one
// event whenever it is asked: who asks twice uses an idempotency key. What is parked is
// not known here; the deliveries do what they can with it. Errors: ledger.ErrNotFound for
// an unknown provider, else a *ledger.Refusal that names the id and the action if they
// are wrong.
func Decide(provider, park, action string) (ledger.Command, error) {
	if err := knownProvider(provider); err != nil {
		return nil, err
	}
	r := reader{}
	if _, err := ledger.ParseCommitID(park); err != nil {
		r.refuse("/id", ledger.CodeFormat, "must be the id of a parked edit")
	}
	if !slices.Contains(ledger.Actions(), action) {
		r.refuse("/action", ledger.CodeNotOneOf, "must be one of "+strings.Join(ledger.Actions(), ", "))
	}
	if len(r.errs) > 0 {
		return nil, &ledger.Refusal{Fields: r.errs}
	}
	return &decide{provider: provider, park: park, action: action}, nil
}

// Decide implements ledger.Command.
func (c *decide) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	value, ok := ledger.DecisionValue(c.action, c.park)
	if !ok {
		return nil, errors.New("a decision that its constructor did not check")
	}
	d.add(ledger.Event{View: ledger.Shared, Field: ledger.Deliveries, Item: c.provider, Op: ledger.OpDecided, Value: value})
	return d.end()
}

func (c *decide) wire() wire {
	return wire{Kind: kindDecide, Provider: c.provider, Item: c.park, Action: c.action}
}
