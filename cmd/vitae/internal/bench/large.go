package bench

import (
	"context"
	"fmt"
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
	aged, err := create(ctx, c, 2, nil) // one with 150 edits, one with 10,000
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
	// The edits of these profiles lie scattered over the whole ledger.
	for i := range 149 {
		if err := r.age(ctx, c, aged[0], i, 1); err != nil {
			return err
		}
		if err := r.age(ctx, c, aged[1], i, longEdits/149); err != nil {
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
	if err := r.past(ctx, c, aged, head.Seq); err != nil {
		return err
	}
	if err := r.proofs(ctx, c, head.Seq); err != nil {
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
