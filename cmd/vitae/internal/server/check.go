package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/changes"
	"vitae/sinks"
)

// CheckData checks the ledger in a data folder that no server uses. The engine starts on
// it and the projections catch up; no commit is written. repair makes projections anew that
// differ. What cannot even be opened is a finding.
func CheckData(ctx context.Context, cfg config.Config, repair bool, log *slog.Logger, progress func(done, total uint64)) (fsck.Report, error) {
	if _, err := os.Stat(cfg.Data); err != nil {
		return fsck.Report{}, fmt.Errorf("data folder: %w", err) // opening it would make it
	}
	return checkData(ctx, cfg, repair, log, progress)
}

func checkData(ctx context.Context, cfg config.Config, repair bool, log *slog.Logger, progress func(done, total uint64)) (_ fsck.Report, err error) {
	core, err := openCore(ctx, cfg, log, true)
	var damaged *damagedError
	if errors.As(err, &damaged) {
		return fsck.Report{Findings: []fsck.Finding{{Invariant: "L4", Why: damaged.Error(), Do: "restore the data folder from a backup"}}}, nil
	}
	if err != nil {
		return fsck.Report{}, err
	}
	defer func() { err = errors.Join(err, core.Close(context.WithoutCancel(ctx))) }()
	lanes, err := core.lanes(ctx)
	if err != nil {
		return fsck.Report{}, err
	}
	parts := core.parts(lanes, repair)
	parts.Journal = core.journalStands // a server has looked when it started
	return fsck.Run(ctx, parts, progress)
}

// damagedError says that a store of the data folder cannot be opened.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// lanes opens the lanes' stream, if there is one.
func (c *Core) lanes(ctx context.Context) (stream.Blocks, error) {
	_, err := c.Engine.JetStream().Stream(ctx, sinks.LanesStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return stream.OpenJetStream(ctx, c.Engine.JetStream(), sinks.Lanes(c.Engine.Replicas()))
}

// Check checks everything that this instance has, and repairs nothing.
func (c *Core) Check(ctx context.Context) (fsck.Report, error) {
	lanes, err := c.lanes(ctx)
	if err != nil {
		return fsck.Report{}, err
	}
	return c.check(ctx, lanes, false, nil)
}

// check checks everything that this instance has.
func (c *Core) check(ctx context.Context, lanes stream.Blocks, repair bool, progress func(done, total uint64)) (fsck.Report, error) {
	return fsck.Run(ctx, c.parts(lanes, repair), progress)
}

// parts are what is checked.
func (c *Core) parts(lanes stream.Blocks, repair bool) fsck.Parts {
	parts := fsck.Parts{Ledger: c.Ledger, Opener: c.Vault, Views: c.Views, History: c.History, Directory: c.Directory, File: c.readFile, Lanes: lanes, Log: c.Log,
		Known: func() map[string]projections.Position {
			out := map[string]projections.Position{}
			for _, p := range c.Projections() {
				out[p.Name()] = p.At()
			}
			return out
		},
		Feed: func(ctx context.Context) (ledger.Seq, error) {
			at, err := changes.At(ctx, c.feedConfig())
			return at.Seq, err
		}}
	if repair {
		parts.Rebuild = c.rebuild
	}
	return parts
}

// readFile reads a file to its end.
func (c *Core) readFile(ctx context.Context, p ledger.ProfileID, hash ledger.Hash) error {
	_, r, err := c.Vault.OpenFile(ctx, p, hash)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// rebuild makes a projection anew, and follows it again if it had stopped; or the log's
// files.
func (c *Core) rebuild(ctx context.Context, name string) error {
	if name == "log" {
		return c.makeLog(ctx)
	}
	for _, p := range c.Projections() {
		if p.Name() != name {
			continue
		}
		d, err := p.Describe(ctx)
		if err != nil {
			return err
		}
		if _, err := p.Rebuild(ctx, func(projections.Progress) {}); err != nil {
			return err
		}
		if !d.Running {
			c.follow(c.life, p)
		}
		return nil
	}
	return fmt.Errorf("projection %s: %w", name, ledger.ErrNotFound)
}
