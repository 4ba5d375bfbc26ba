package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections/changes"
	"vitae/sinks"
	"vitae/sinks/journal"
)

// ResetBeyondHead puts the checkpoints in a data folder that lie beyond its ledger's head
// back to it, and gives what a check finds then. The folder is that of an older ledger which
// was put back on purpose; no server may use it. Projections are made anew, lanes become an
// older copy of themselves and are marked as restored, the feed of changes goes on behind its
// last message. What cannot be reset stays a finding.
//
// may is asked before anything is changed, with what the first check has found; its error
// ends it, and comes back with that report. On a ledger that is damaged besides nothing is
// reset. Interrupted, it can be done again.
func ResetBeyondHead(ctx context.Context, cfg config.Config, may func(found fsck.Report) error, log *slog.Logger, progress func(done, total uint64)) (fsck.Report, error) {
	before, err := CheckData(ctx, cfg, false, log, progress)
	if err != nil {
		return before, err
	}
	if f := before.Damaged(); f != nil {
		return before, fmt.Errorf("nothing was reset: the ledger itself is not intact (%s at sequence %d: %s): %w", f.Invariant, f.Seq, f.Why, ErrNotIntact)
	}
	beyond := slices.DeleteFunc(before.Beyond(), func(c fsck.Checkpoint) bool { return !c.Resettable() })
	if len(beyond) == 0 {
		return before, nil
	}
	if err := may(before); err != nil {
		return before, err
	}
	if err := resetAll(ctx, cfg, beyond, log); err != nil {
		return before, fmt.Errorf("resetting: %w; do it again", err)
	}
	after, err := CheckData(ctx, cfg, false, log, progress)
	after.Reset = beyond
	return after, err
}

func resetAll(ctx context.Context, cfg config.Config, beyond []fsck.Checkpoint, log *slog.Logger) (err error) {
	core, err := openCore(ctx, cfg, log, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, core.Close(context.WithoutCancel(ctx))) }()
	// The lanes first: as long as they are not done nothing is sent. The journal before them,
	// because it looks at where they end.
	if slices.Contains(beyond, fsck.JournalCheckpoint) {
		if err := core.resetJournal(ctx); err != nil {
			return fmt.Errorf("the journal of deliveries: %w", err)
		}
	}
	if slices.Contains(beyond, fsck.LanesCheckpoint) {
		lanes, err := core.lanes(ctx)
		if err != nil {
			return err
		}
		if _, err := sinks.ResetBeyondHead(ctx, lanes, core.Ledger); err != nil {
			return err
		}
	}
	if slices.Contains(beyond, fsck.FeedCheckpoint) {
		if err := changes.ResetBeyondHead(ctx, core.feedConfig()); err != nil {
			return err
		}
	}
	for _, c := range beyond {
		if name, ok := c.Projection(); ok {
			if err := core.rebuild(ctx, name); err != nil {
				return fmt.Errorf("projection %s: %w", name, err)
			}
		}
	}
	return nil
}

// feedConfig is what it takes to ask the feed of changes for its position.
func (c *Core) feedConfig() changes.Config {
	return changes.Config{JetStream: c.Engine.JetStream(), Ledger: c.Ledger}
}

// journalStands says why the lanes are not those that the journal of deliveries in the data
// folder was made from, and how far it has looked for erasures in the ledger; nothing when
// there is no journal.
func (c *Core) journalStands(ctx context.Context) (why string, erasures ledger.Seq, err error) {
	err = c.withJournal(ctx, func(j *journal.Journal, _ stream.Blocks) (err error) {
		if why, err = j.WentBack(ctx); err != nil {
			return err
		}
		erasures, err = j.Erasures(ctx, c.Ledger.Lineage())
		return err
	})
	return why, erasures, err
}

// resetJournal marks the lanes as older than the journal of deliveries, if they are, and puts
// it behind their end; it looks for erasures anew.
func (c *Core) resetJournal(ctx context.Context) error {
	return c.withJournal(ctx, func(j *journal.Journal, lanes stream.Blocks) error {
		if err := c.noticeOlderLanes(ctx, j, lanes); err != nil {
			return err
		}
		return errors.Join(j.GoOn(ctx), j.LookAgain(ctx))
	})
}

// withJournal opens the journal of deliveries, if there is one, and the lanes it is about.
func (c *Core) withJournal(ctx context.Context, do func(*journal.Journal, stream.Blocks) error) (err error) {
	path := filepath.Join(c.data, journalFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil // opening it would make it
	}
	lanes, err := c.lanes(ctx)
	if err != nil || lanes == nil {
		return err
	}
	j, err := journal.Open(ctx, path, lanes, c.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	return do(j, lanes)
}
