package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"vitae/cmd/vitae/internal/server"
	"vitae/commands"
	"vitae/ledger"
	"vitae/projections"
)

// large measures what a ledger of a million commits costs: each further commit, replay,
// rebuilding the projections, and the state of one profile at any sequence.
func (r *run) large(ctx context.Context) error {
	c, err := r.core(ctx, "large")
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	ids, err := create(ctx, c, profiles, nil)
	if err != nil {
		return err
	}
	one, err := create(ctx, c, 1, nil)
	if err != nil {
		return err
	}
	if _, err := r.fill(ctx, c, ids, 10_000); err != nil { // a ledger of 10,000, and warm
		return err
	}
	small, err := r.fill(ctx, c, ids, 20_000)
	if err != nil {
		return err
	}
	// The 150 edits of one profile lie scattered over the whole ledger.
	for i := range 149 {
		cmd, err := commands.Patch(ledger.Base, fmt.Appendf(nil, `{"headline":"Edit %d"}`, i))
		if err != nil {
			return err
		}
		if _, err := c.Submit(ctx, ledger.Request{Profile: one[0], Meta: meta, Command: cmd}); err != nil {
			return err
		}
		if _, err := r.fill(ctx, c, ids, r.Large/150); err != nil {
			return err
		}
	}
	big, err := r.fill(ctx, c, ids, 20_000)
	if err != nil {
		return err
	}
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if err := r.add(Row{What: fmt.Sprintf("cost of a commit behind %d others, 64 writers", head.Seq), Value: big * 1e6, Unit: "us", Ratio: big / small,
		Beside: fmt.Sprintf("behind 10,000: %s us", format(small*1e6)), Goal: "ratio at most 1.15"}); err != nil {
		return err
	}
	if err := c.Views.Wait(ctx, head.Seq); err != nil {
		return err
	}
	if err := c.History.Wait(ctx, head.Seq); err != nil {
		return err
	}
	if err := r.replay(ctx, c); err != nil {
		return err
	}
	if err := r.stateAt(ctx, c, one[0], head.Seq); err != nil {
		return err
	}
	for _, p := range []*projections.Projection{c.Views.Projection, c.History.Projection} {
		start := time.Now()
		if _, err := p.Rebuild(ctx, nil); err != nil {
			return err
		}
		if err := r.add(Row{What: "rebuild of " + p.Name() + ", compared and swapped", Value: float64(head.Seq) / time.Since(start).Seconds(), Unit: "commits/s"}); err != nil {
			return err
		}
	}
	return nil
}

// fill makes n commits with 64 writers and gives the seconds each took off the clock.
func (r *run) fill(ctx context.Context, c *server.Core, ids []ledger.ProfileID, n int) (float64, error) {
	const writers = 64
	start := time.Now()
	var next atomic.Int64
	err := parallel(writers, func(w int) error {
		own := len(ids) / writers
		for i := 0; int(next.Add(1)) <= n; i++ {
			cmd, err := commands.Patch(ledger.Base, fmt.Appendf(nil, `{"phone":"+33 %d","jobTitle":"Product Designer %[1]d","headline":"Building take %[1]d",`+
				`"summary":"Founder. Author. Builder. And since this spring also number %[1]d of a team.","employer":"ACME %[1]d"}`, next.Load()+int64(w)))
			if err != nil {
				return err
			}
			if _, err := c.Submit(ctx, ledger.Request{Profile: ids[w*own+i%own], Meta: meta, Command: cmd}); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(start).Seconds() / float64(n), err
}

// replay reads the whole ledger with every link checked, beside a consumer that looks at
// nothing.
func (r *run) replay(ctx context.Context, c *server.Core) error {
	start, bytes := time.Now(), 0
	for e, err := range c.Ledger.Blocks().Read(ctx, 1) {
		if err != nil {
			return err
		}
		bytes += len(e.Payload)
	}
	bare := time.Since(start)
	start = time.Now()
	events := 0
	for b, err := range c.Ledger.Read(ctx, 1) {
		if err != nil {
			return err
		}
		for i := range b.Commits {
			events += len(b.Commits[i].Commit.Events)
		}
	}
	took := time.Since(start)
	return r.add(Row{What: "replay, every link checked", Value: float64(events) / took.Seconds(), Unit: "events/s", Ratio: bare.Seconds() / took.Seconds(),
		Beside: fmt.Sprintf("bare consumer of the same %d MB: %s events/s", bytes>>20, format(float64(events)/bare.Seconds())), Goal: "ratio at least 0.7"})
}

// stateAt reads a profile as of random sequences, opened.
func (r *run) stateAt(ctx context.Context, c *server.Core, id ledger.ProfileID, head ledger.Seq) error {
	first, err := c.History.Head(ctx, id)
	if err != nil {
		return err
	}
	var took []time.Duration
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := first.First + ledger.Seq(rng.Uint64N(uint64(head-first.First)+1))
		start := time.Now()
		p, err := c.History.StateAt(ctx, id, at)
		if err != nil {
			return err
		}
		if err := p.OpenAll(c.Vault); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	return r.add(Row{What: fmt.Sprintf("state of a 150-edit profile at any of %d sequences, p50 (p99 %s ms)", head, format(percentile(took, 0.99))),
		Value: percentile(took, 0.5), Unit: "ms", Goal: "under 1 ms"})
}
