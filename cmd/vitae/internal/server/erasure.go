package server

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/erasure"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/projections"
	"vitae/sinks"
	"vitae/sinks/journal"
)

// erasures puts together who carries erasures out. Run it once the rest is there.
func (s *Server) erasures(ctx context.Context, store *keys.Store, deliveries *delivery, rows *journal.Journal) (*erasure.Erasures, error) {
	pending, err := s.bucket(ctx, jetstream.KeyValueConfig{Bucket: "ERASING"})
	if err != nil {
		return nil, err
	}
	receipts, err := s.bucket(ctx, jetstream.KeyValueConfig{Bucket: "ERASED"})
	if err != nil {
		return nil, err
	}
	cfg := erasure.Config{Ledger: s.core.Ledger, Vault: s.core.Vault, Keys: store, Lanes: deliveries, Signer: s.core.Log.Signer(), Pending: pending, Receipts: receipts,
		Forget: func(p ledger.ProfileID) { s.passwords.drop(p) }, Log: s.log}
	for _, p := range s.core.Projections() {
		cfg.Local = append(cfg.Local, erasure.Local{Name: p.Name(), Purge: purgeProjection(p)})
	}
	cfg.Local = append(cfg.Local, erasure.Local{Name: "journal", Purge: func(ctx context.Context, p ledger.ProfileID, _ ledger.Seq) error {
		return rows.Forget(ctx, p)
	}})
	if at := probe(); at != nil {
		cfg.Probe = func(step string, p ledger.ProfileID) {
			at(sinks.Point("erasure-"+step), sinks.Key{Profile: p, Entity: "erasure"})
		}
	}
	return erasure.New(cfg), nil
}

// purgeProjection waits until a projection has applied the erasure, and its log has nothing
// of before. One that has stopped for good is purged by the rebuild that it needs.
func purgeProjection(p *projections.Projection) func(context.Context, ledger.ProfileID, ledger.Seq) error {
	return func(ctx context.Context, _ ledger.ProfileID, seq ledger.Seq) error {
		if err := p.Wait(ctx, seq); err != nil {
			return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
		}
		return p.Scrub(ctx)
	}
}

// Erased implements erasure.Lanes.
func (d *delivery) Erased(ctx context.Context, p ledger.ProfileID, seq ledger.Seq) ([]sinks.Ended, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Erased(ctx, p, seq)
}

// Purge implements erasure.Lanes.
func (d *delivery) Purge(ctx context.Context, profiles ...ledger.ProfileID) error {
	m, err := d.manager()
	if err != nil {
		return err
	}
	return m.Purge(ctx, profiles...)
}

// Clearing implements api.Sinks.
func (d *delivery) Clearing(ctx context.Context, emptied *ledger.Profile) ([]sinks.Clearing, error) {
	m, err := d.manager()
	if err != nil {
		return nil, err
	}
	return m.Clearing(ctx, emptied)
}
