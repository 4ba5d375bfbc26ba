package server

import (
	"context"
	"errors"
	"iter"

	"vitae/cmd/vitae/internal/config"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections/changes"
	"vitae/sinks"
)

// openFeed opens the feed of changes, and keeps it up to date until run ends.
func (s *Server) openFeed(ctx, run context.Context, cfg config.Config) (*changes.Feed, error) {
	c := changes.Config{JetStream: s.core.Engine.JetStream(), Replicas: s.core.Engine.Replicas(), Ledger: s.core.Ledger,
		Receipts: receipts{s.lanes, ledger.CloudEventSource(s.core.Ledger.Lineage())}, Keep: cfg.ChangesKeep, Log: s.log}
	if !s.core.Engine.Embedded() {
		c.Lead = func(ctx context.Context) (<-chan struct{}, func(), error) {
			_, lost, release, err := s.core.lead(ctx, "changes.0")
			return lost, release, err
		}
	}
	f, err := changes.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	s.running.Go(func() {
		if err := f.Run(run); err != nil {
			s.log.Error("subscribers hear of no change any more", "error", err)
		}
	})
	s.running.Go(func() {
		if err := f.Follow(run); err != nil {
			s.log.Error("following the feed of changes", "error", err)
		}
	})
	return f, nil
}

// receipts is the lanes' stream as the feed of changes sees it.
type receipts struct {
	lanes  *stream.JetStream
	source string
}

// Lineage implements changes.Receipts.
func (r receipts) Lineage() string { return r.lanes.Lineage() }

// Follow implements changes.Receipts. It reads before it follows: reading begins at the
// first block that is left when the one asked for was trimmed away.
func (r receipts) Follow(ctx context.Context, from uint64) iter.Seq2[changes.Block, error] {
	return func(yield func(changes.Block, error) bool) {
		pass := func(entries iter.Seq2[stream.Entry, error]) bool {
			for e, err := range entries {
				b := changes.Block{Pos: e.Pos}
				if err == nil {
					b.Receipts, err = sinks.Receipts(e.Pos, e.Payload, r.source)
				}
				if !yield(b, err) || err != nil {
					return false
				}
				from = e.Pos + 1
			}
			return true
		}
		if pass(r.lanes.Read(ctx, from)) && pass(r.lanes.Follow(ctx, from)) {
			yield(changes.Block{}, errors.New("the lanes ended following"))
		}
	}
}
