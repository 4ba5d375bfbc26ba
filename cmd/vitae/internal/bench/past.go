package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"vitae/cmd/vitae/internal/server"
	"vitae/commands"
	"vitae/ledger"
	"vitae/projections/history"
)

// longEdits is how many edits the profile with a long past has.
const longEdits = 10_000

// age makes n edits of one profile: of a scalar, and of one of ten items.
func (r *run) age(ctx context.Context, c *server.Core, id ledger.ProfileID, turn, n int) error {
	for i := range n {
		body := fmt.Appendf(nil, `{"headline":"Edit %d of turn %d"}`, i, turn)
		if i%4 == 3 {
			skills := ""
			for s := range 10 {
				skills += fmt.Sprintf(`,{"id":"s%d","name":"Skill %[1]d take %d"}`, s, (turn*n+i)/(4*(s+1)))
			}
			body = fmt.Appendf(nil, `{"skills":[%s]}`, skills[1:])
		}
		cmd, err := commands.Patch(ledger.Base, body)
		if err != nil {
			return err
		}
		if _, err := c.Submit(ctx, ledger.Request{Profile: id, Meta: meta, Command: cmd}); err != nil {
			return err
		}
	}
	return nil
}

// past measures what questions about the past cost: of a profile with 150 edits and of one
// with 10,000.
func (r *run) past(ctx context.Context, c *server.Core, aged []ledger.ProfileID, head ledger.Seq) error {
	for i, goal := range []string{"p50 under 1 ms", "p50 under 20 ms"} {
		h, err := c.History.Head(ctx, aged[i])
		if err != nil {
			return err
		}
		state, err := timed(2000, func(rng *rand.Rand) error {
			p, err := c.History.StateAt(ctx, aged[i], h.First+ledger.Seq(rng.Uint64N(uint64(head-h.First)+1)))
			if err != nil {
				return err
			}
			return p.OpenAll(c.Vault)
		})
		if err != nil {
			return err
		}
		if err := r.add(Row{What: fmt.Sprintf("state of a profile of %d edits at any of %d sequences, p50 (p99 %s ms)", h.Commits-1, head, format(percentile(state, 0.99))),
			Value: percentile(state, 0.5), Unit: "ms", Goal: goal}); err != nil {
			return err
		}
		blame, err := timed(20, func(*rand.Rand) error { return blame(ctx, c, aged[i], head) })
		if err != nil {
			return err
		}
		if err := r.add(Row{What: fmt.Sprintf("blame of a profile of %d edits, p50", h.Commits-1), Value: percentile(blame, 0.5), Unit: "ms"}); err != nil {
			return err
		}
	}
	return nil
}

// timed runs do n times and gives how long each took.
func timed(n int, do func(*rand.Rand) error) (took []time.Duration, err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		start := time.Now()
		if err := do(rng); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// blame reads every commit of a profile, as the API does.
func blame(ctx context.Context, c *server.Core, id ledger.ProfileID, head ledger.Seq) error {
	p, err := c.ProfileAt(ctx, id, head)
	if err != nil {
		return err
	}
	b := history.NewBlame(p, "")
	for after := ledger.Seq(0); after < p.Seq; {
		page, err := c.History.Commits(ctx, id, after, 200)
		if err != nil {
			return err
		}
		for i := range page {
			b.Add(&page[i])
			after = page[i].Seq
		}
	}
	return nil
}
