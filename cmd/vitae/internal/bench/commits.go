package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vitae/cmd/vitae/internal/server"
	"vitae/commands"
	"vitae/ledger"
	"vitae/ledger/stream"
)

// profiles is how many profiles the writers edit.
const profiles = 2000

// edits are commands of five scalars each; every one differs from the one before it in
// all five, so each makes a commit of five events.
func edits() ([]ledger.Command, error) {
	var out []ledger.Command
	for i := range 4 {
		body := fmt.Appendf(nil, `{"phone":"+33 7 52 62 61 %02d","jobTitle":"Product Designer %d","headline":"Building something, take %d",`+
			`"summary":"Founder. Author. Builder. And since this spring also number %d of a team of seven.","employer":"ACME %d"}`, i, i, i, i, i)
		c, err := commands.Patch(ledger.Base, body)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

var meta = ledger.Meta{Actor: "key:01JBENCH000000000000000000", Via: "native"}

// create makes n profiles, each with the given first values.
func create(ctx context.Context, c committer, n int, body []byte) ([]ledger.ProfileID, error) {
	ids := make([]ledger.ProfileID, n)
	var next atomic.Int64
	return ids, parallel(64, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			ids[i] = ledger.NewProfileID(time.Now())
			cmd, err := commands.Create(ids[i], body)
			if err != nil {
				return err
			}
			if _, err := c.Submit(ctx, ledger.Request{Profile: ids[i], Meta: meta, Command: cmd}); err != nil {
				return err
			}
		}
	})
}

// parallel runs n workers and gives the first error.
func parallel(n int, work func(worker int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for w := range n {
		wg.Go(func() {
			if err := work(w); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// commits measures the committer: a lone commit, then 1 to 256 writers, each beside a
// bare loop that publishes blocks of the same size with the same durability.
func (r *run) commits(ctx context.Context) error {
	c, err := r.core(ctx, "commits")
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
	for _, writers := range []int{1, 16, 64, 256} {
		if err := r.writers(ctx, c, c, ids, cmds, writers, ""); err != nil {
			return err
		}
	}
	return r.alone(ctx, c, cmds)
}

// committer is what the writers commit to.
type committer interface {
	Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error)
	Stats() stream.CommitterStats
}

// alone measures a committer that no projection follows, on a stream of its own beside
// the ledger: what following costs.
func (r *run) alone(ctx context.Context, c *server.Core, cmds []ledger.Command) error {
	blocks, err := stream.OpenJetStream(ctx, c.Engine.JetStream(), stream.StreamConfig{Name: "ALONE", Subject: "bench.alone", Replicas: 1})
	if err != nil {
		return err
	}
	lone, err := stream.NewCommitter(ctx, stream.OpenLedger(blocks, blocks.Lineage()), stream.CommitterConfig{Sealer: c.Vault, States: unknown{}, Log: r.quiet()})
	if err != nil {
		return err
	}
	defer lone.Close(context.WithoutCancel(ctx))
	ids, err := create(ctx, lone, profiles, nil)
	if err != nil {
		return err
	}
	return r.writers(ctx, c, lone, ids, cmds, 64, ", nobody following")
}

// unknown is the states of a committer that has every profile in memory.
type unknown struct{}

// Load implements stream.States.
func (unknown) Load(_ context.Context, id ledger.ProfileID, _ ledger.Seq) (*ledger.Profile, error) {
	return ledger.NewProfile(id), nil
}

// load has writers commit for a while and gives what it came to.
func (r *run) load(ctx context.Context, c committer, ids []ledger.ProfileID, cmds []ledger.Command, writers int) (perSecond, perBlock float64, took []time.Duration, err error) {
	before, start := c.Stats(), time.Now()
	all := make([][]time.Duration, writers)
	err = parallel(writers, func(w int) error {
		// Each writer has profiles of its own; each profile sees the commands in turn.
		for i := 0; time.Since(start) < r.each(); i++ {
			own := len(ids) / writers
			if own == 0 {
				own = 1
			}
			began := time.Now()
			_, err := c.Submit(ctx, ledger.Request{Profile: ids[(w*own+i%own)%len(ids)], Meta: meta, Command: cmds[i/own%len(cmds)]})
			if err != nil {
				return err
			}
			all[w] = append(all[w], time.Since(began))
		}
		return nil
	})
	elapsed, after := time.Since(start), c.Stats()
	for _, d := range all {
		took = append(took, d...)
	}
	commits := float64(after.Commits - before.Commits)
	return commits / elapsed.Seconds(), commits / float64(max(after.Blocks-before.Blocks, 1)), took, err
}

func (r *run) writers(ctx context.Context, c *server.Core, to committer, ids []ledger.ProfileID, cmds []ledger.Command, writers int, how string) error {
	perSecond, perBlock, took, err := r.load(ctx, to, ids, cmds, writers)
	if err != nil {
		return err
	}
	last, err := c.Ledger.Blocks().Last(ctx)
	if err != nil {
		return err
	}
	b, err := ledger.ParseBlock(last.Payload)
	if err != nil {
		return err
	}
	size := int(float64(len(b.Commits[0].Raw)+1)*perBlock) + 200
	bare, bareTook, err := r.bare(ctx, c, "BARE", size)
	if err != nil {
		return err
	}
	if writers == 1 {
		lone, raw := percentile(took, 0.5), percentile(bareTook, 0.5)
		if err := r.add(Row{What: "lone commit of 5 edits, p50", Value: lone, Unit: "ms", Ratio: lone / raw,
			Beside: fmt.Sprintf("raw durable publish of %d bytes: %s ms", size, format(raw)), Goal: "ratio at most 1.3"}); err != nil {
			return err
		}
	}
	goal := "ratio at least 0.7"
	switch writers {
	case 16:
		goal += ", 10,000/s"
	case 64:
		goal += ", 20,000/s"
	}
	return r.add(Row{What: fmt.Sprintf("commits of 5 edits, %d writers%s (%.1f a block, p99 %s ms)", writers, how, perBlock, format(percentile(took, 0.99))),
		Value: perSecond, Unit: "commits/s", Ratio: perSecond / (bare * perBlock), Goal: goal,
		Beside: fmt.Sprintf("bare loop: %s blocks/s of %d bytes = %s commits/s", format(bare), size, format(bare*perBlock))})
}

// bare publishes blocks of one size, one after the other, to a stream like the ledger's.
func (r *run) bare(ctx context.Context, c *server.Core, name string, size int) (perSecond float64, took []time.Duration, err error) {
	b, err := stream.OpenJetStream(ctx, c.Engine.JetStream(), stream.StreamConfig{Name: name, Subject: "bench." + name, Replicas: 1})
	if err != nil {
		return 0, nil, err
	}
	payload, start := make([]byte, size), time.Now()
	for pos := uint64(0); time.Since(start) < r.each(); pos++ {
		began := time.Now()
		if _, err := b.Append(ctx, payload, pos); err != nil {
			return 0, nil, err
		}
		took = append(took, time.Since(began))
	}
	return float64(len(took)) / time.Since(start).Seconds(), took, c.Engine.JetStream().DeleteStream(ctx, name)
}
