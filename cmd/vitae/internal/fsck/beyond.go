package fsck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Checkpoint names something that follows the ledger and remembers how far it came.
type Checkpoint string

// The checkpoints. That of a projection is ProjectionCheckpoint and its name.
const (
	ProjectionCheckpoint Checkpoint = "projection "
	LanesCheckpoint      Checkpoint = "lanes"
	FeedCheckpoint       Checkpoint = "feed"
	LogCheckpoint        Checkpoint = "log"
	JournalCheckpoint    Checkpoint = "journal"
)

// Projection gives the name of the projection whose checkpoint it is.
func (c Checkpoint) Projection() (name string, ok bool) {
	return strings.CutPrefix(string(c), string(ProjectionCheckpoint))
}

// Resettable says whether a checkpoint can be put back to the ledger's head. That of the
// transparency log cannot: what was signed was signed, and signing another history at the
// same size would be a fork.
func (c Checkpoint) Resettable() bool { return c != LogCheckpoint }

// resetInstead ends what is to be done about a checkpoint that can be reset.
const resetInstead = "; if an older ledger was put back on purpose: stop the server and run vitae fsck --data DIR --reset-beyond-head"

// beyond finds the checkpoints that lie beyond the end of the ledger; those of lanes,
// journal and log are found where they are read.
func (c *check) beyond() error {
	for _, name := range slices.Sorted(maps.Keys(c.known)) {
		if p := c.known[name]; p.Seq > c.report.Head {
			if err := c.found(Finding{Invariant: "L4", Seq: c.report.Head + 1, Checkpoint: ProjectionCheckpoint + Checkpoint(name),
				Why: fmt.Sprintf("the ledger ends at sequence %d, but commits up to %d were applied from it to %s: it is shorter than it was", c.report.Head, p.Seq, name),
				Do:  "restore the data folder from a backup" + resetInstead}); err != nil {
				return err
			}
		}
	}
	if c.feed > c.report.Head {
		return c.found(Finding{Invariant: "L4", Seq: c.report.Head + 1, Checkpoint: FeedCheckpoint,
			Why: fmt.Sprintf("the ledger ends at sequence %d, but the feed of changes has told of commits up to %d: it is shorter than it was", c.report.Head, c.feed),
			Do:  "restore the data folder from a backup" + resetInstead})
	}
	return nil
}

// journal says whether the lanes went back behind what the journal of deliveries has seen.
func (c *check) journal(ctx context.Context, _ func(done, total uint64)) error {
	if c.Journal == nil {
		return nil
	}
	why, erasures, err := c.Journal(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		if err := c.found(Finding{Invariant: "I16", Checkpoint: JournalCheckpoint,
			Why: fmt.Sprintf("the journal of deliveries has seen other lanes than there are (%s): calls may have been made that they do not know of", why),
			Do:  "start the server, which pauses all sinks until they are resumed" + resetInstead}); err != nil {
			return err
		}
	}
	if erasures <= c.report.Head {
		return nil
	}
	return c.found(Finding{Invariant: "L4", Seq: c.report.Head + 1, Checkpoint: JournalCheckpoint,
		Why: fmt.Sprintf("the ledger ends at sequence %d, but the journal of deliveries has looked for erasures up to %d: it is shorter than it was", c.report.Head, erasures),
		Do:  "restore the data folder from a backup" + resetInstead})
}

// Beyond gives the checkpoints that lie beyond the ledger's head, each once, in the order in
// which they are to be reset.
func (r *Report) Beyond() (out []Checkpoint) {
	for _, f := range r.Findings {
		if f.Checkpoint != "" && !slices.Contains(out, f.Checkpoint) {
			out = append(out, f.Checkpoint)
		}
	}
	return out
}

// Damaged gives the first finding that says that the ledger itself is not intact, apart from
// being shorter than it was; nil when there is none. On a damaged ledger nothing is reset:
// what was made from it may be what is left.
func (r *Report) Damaged() *Finding {
	for i, f := range r.Findings {
		if f.Checkpoint == "" && (strings.HasPrefix(f.Invariant, "L") || f.Invariant == "P1") {
			return &r.Findings[i]
		}
	}
	return nil
}
