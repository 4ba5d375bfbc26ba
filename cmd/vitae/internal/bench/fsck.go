package bench

import (
	"context"
	"fmt"
	"time"
)

// fsck measures a check of everything, with the projections current, on a ledger of a
// tenth of the large one: commits of five edits on 2,000 profiles.
func (r *run) fsck(ctx context.Context) error {
	c, err := r.core(ctx, "fsck")
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	ids, err := create(ctx, c, profiles, nil)
	if err != nil {
		return err
	}
	if _, err := r.fill(ctx, c, ids, r.Large/10); err != nil {
		return err
	}
	if err := r.caughtUp(ctx, c, true); err != nil {
		return err
	}
	start, before := time.Now(), processor()
	report, err := c.Check(ctx)
	if err != nil {
		return err
	}
	if n := len(report.Findings); n > 0 {
		return fmt.Errorf("the ledger that was measured is not intact: %d findings, the first: %+v", n, report.Findings[0])
	}
	spent := processor() - before
	if err := r.add(Row{What: fmt.Sprintf("fsck of %d commits of 5 edits, everything compared", report.Commits), Value: float64(report.Commits) / time.Since(start).Seconds(), Unit: "commits/s"}); err != nil {
		return err
	}
	return r.add(Row{What: "processor time of a commit in it", Value: float64(spent.Microseconds()) / float64(report.Commits), Unit: "us"})
}
