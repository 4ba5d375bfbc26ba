package server

import (
	"context"
	"errors"
	"io"
	"time"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/projections/changes"
	"vitae/sinks/webhook"
)

// openWebhooks opens the webhooks. serveWebhooks delivers to them.
func (s *Server) openWebhooks(ctx context.Context, cfg config.Config, store *keys.Store) (*webhook.Manager, error) {
	js, replicas := s.core.Engine.JetStream(), s.core.Engine.Replicas()
	records, err := webhook.OpenBucket(ctx, js, replicas)
	if err != nil {
		return nil, err
	}
	attempts, err := webhook.OpenLog(ctx, js, replicas)
	if err != nil {
		return nil, err
	}
	return webhook.NewManager(webhook.Config{Records: records, Attempts: attempts, Sealer: s.core.Vault, Feed: feedOf{s.feed}, Private: cfg.AllowPrivateWebhooks,
		Agent: "vitae/" + Version(), Log: s.log,
		Values: func(ctx context.Context, e ledger.CloudEvent) (ledger.CloudEvent, error) {
			return s.api.WithValues(ctx, e)
		},
		Allowed: func(id string) (events, values bool) {
			k := store.ByID(id)
			return k != nil && k.Has(keys.EventsRead), k != nil && k.Has(keys.ValuesRead)
		}}), nil
}

// serveWebhooks delivers until run ends: on this instance, or on the one with the lease.
func (s *Server) serveWebhooks(run context.Context, m *webhook.Manager) {
	tenure := func() error {
		ctx := run
		if !s.core.Engine.Embedded() {
			_, lost, release, err := s.core.lead(run, "webhooks.0")
			if err != nil {
				return err
			}
			defer release()
			leading, cancel := context.WithCancel(run)
			defer cancel()
			go func() {
				select {
				case <-lost:
					cancel()
				case <-leading.Done():
				}
			}()
			ctx = leading
		}
		return m.Run(ctx)
	}
	for run.Err() == nil {
		if err := tenure(); err != nil && run.Err() == nil {
			s.log.Error("webhooks wait", "error", err)
		}
		select {
		case <-run.Done():
		case <-time.After(time.Second):
		}
	}
	m.Close()
}

// feedOf is the feed of changes as webhooks read it.
type feedOf struct{ feed *changes.Feed }

// Source implements webhook.Feed.
func (f feedOf) Source() string { return f.feed.Source() }

// Head implements webhook.Feed.
func (f feedOf) Head(ctx context.Context) (uint64, error) { return f.feed.HeadNow(ctx) }

// Next implements webhook.Feed.
func (f feedOf) Next(ctx context.Context, from uint64, profile ledger.ProfileID, limit int) ([]webhook.Event, uint64, error) {
	r := f.feed.Reader(from, changes.Filter{Profile: profile})
	events, err := r.Next(ctx, limit)
	return convert(events, r.Position(), err)
}

// Page implements webhook.Feed.
func (f feedOf) Page(ctx context.Context, from, to uint64, profile ledger.ProfileID) ([]webhook.Event, uint64, error) {
	if from >= to {
		return nil, to, nil
	}
	r := f.feed.Reader(from, changes.Filter{Profile: profile})
	r.StopAt(to - 1)
	events, err := r.Next(ctx, pageEvents)
	return convert(events, min(r.Position(), to), err)
}

// pageEvents is how many events of a profile that is behind are read at once.
const pageEvents = 16

func convert(events []*changes.Event, after uint64, err error) ([]webhook.Event, uint64, error) {
	var gone *changes.GoneError
	switch {
	case errors.As(err, &gone):
		first := gone.First
		if gone.From > gone.Head {
			first = gone.Head + 1 // another feed than the one that this place was in
		}
		return nil, 0, &webhook.GoneError{From: gone.From, First: first}
	case errors.Is(err, io.EOF):
		return nil, after, nil
	case err != nil:
		return nil, 0, err
	}
	out := make([]webhook.Event, 0, len(events))
	for _, e := range events {
		event, err := e.Event()
		if err != nil {
			return nil, 0, err
		}
		out = append(out, webhook.Event{Seq: e.Seq, Event: event})
	}
	return out, after, nil
}
