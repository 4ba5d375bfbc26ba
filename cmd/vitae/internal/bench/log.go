package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"vitae/cmd/vitae/internal/server"
	"vitae/ledger"
)

// logRounds is how often writing with the transparency log and without it take turns.
const logRounds = 3

// logCost measures what the transparency log takes from the writers: the same load with
// the log following and with it standing still, in turns on one ledger.
func (r *run) logCost(ctx context.Context) error {
	c, err := r.core(ctx, "log")
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	ids, err := create(ctx, c, profiles, nil)
	if err != nil {
		return err
	}
	cmds, err := edits()
	if err != nil {
		return err
	}
	const writers = 64
	var rate, cost [2][]float64 // without the log, with it
	for range logRounds {
		for with := range 2 {
			resume := func() {}
			if with == 0 {
				resume = c.PauseLog()
			}
			before, start := c.Stats().Commits, processor()
			perSecond, _, _, err := r.load(ctx, c, ids, cmds, writers)
			if err == nil {
				err = r.caughtUp(ctx, c, with == 1)
			}
			spent := processor() - start
			resume()
			if err == nil { // nobody pays for the round before
				err = r.caughtUp(ctx, c, true)
			}
			if err != nil {
				return err
			}
			rate[with] = append(rate[with], perSecond)
			cost[with] = append(cost[with], float64(spent.Microseconds())/float64(c.Stats().Commits-before))
		}
	}
	for with := range 2 {
		slices.Sort(rate[with])
		slices.Sort(cost[with])
	}
	const middle = logRounds / 2
	if err := r.add(Row{What: fmt.Sprintf("commits of 5 edits, %d writers, the log following", writers), Value: rate[1][middle], Unit: "commits/s",
		Ratio: rate[1][middle] / rate[0][middle], Beside: fmt.Sprintf("the log standing still: %s commits/s", format(rate[0][middle])), Goal: "ratio at least 0.9"}); err != nil {
		return err
	}
	return r.add(Row{What: "processor time of a commit with the log, until all have caught up", Value: cost[1][middle], Unit: "us",
		Ratio: cost[1][middle] / cost[0][middle], Beside: fmt.Sprintf("without the log: %s us", format(cost[0][middle])), Goal: "ratio at most 1.1"})
}

// processor is the processor time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// caughtUp waits until the projections, and the log if asked, have everything that was
// committed.
func (r *run) caughtUp(ctx context.Context, c *server.Core, log bool) error {
	head, err := c.Head(ctx)
	if err != nil {
		return err
	}
	for _, p := range c.Projections() {
		if err := p.Wait(ctx, head); err != nil {
			return err
		}
	}
	if !log {
		return nil
	}
	return c.Log.Wait(ctx, head)
}

// proofs proves random commits of a large ledger.
func (r *run) proofs(ctx context.Context, c *server.Core, head ledger.Seq) error {
	if err := c.Log.Wait(ctx, head); err != nil {
		return err
	}
	var took []time.Duration
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		seq := 1 + ledger.Seq(rng.Uint64N(uint64(head)))
		start := time.Now()
		if _, err := c.Log.Inclusion(ctx, seq); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	return r.add(Row{What: fmt.Sprintf("proof for any of %d commits, p50 (p99 %s ms)", head, format(percentile(took, 0.99))),
		Value: percentile(took, 0.5), Unit: "ms", Goal: "under 2 ms"})
}
