package server

import (
	"context"
	"errors"
	"iter"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/proof"
	"vitae/ledger/stream"
)

// openLog opens the transparency log over the ledger.
func (c *Core) openLog(ctx context.Context, cfg config.Config) error {
	kv, err := c.Engine.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "LOG", History: 1, Replicas: c.Engine.Replicas()})
	if err != nil {
		return err
	}
	c.Log, err = proof.Open(ctx, proof.Config{Dir: filepath.Join(cfg.Data, "log"), Source: logSource{c.Ledger}, Store: logStore{keys.JetStream(kv)},
		Sealer: c.Vault, Witnesses: cfg.Witnesses, Still: c.checking, Log: c.log.With("part", "log")})
	return err
}

// followLog runs the log until ctx ends. One that stops for good says so in its health
// and serves what it has.
func (c *Core) followLog(ctx context.Context) {
	run, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	c.running.Go(func() {
		defer close(ended)
		defer stop()
		if err := c.Log.Run(run); err != nil {
			c.log.Error("the transparency log has stopped", "error", err)
		}
	})
	c.pauseLog = func() func() {
		stop()
		<-ended
		return func() { c.followLog(ctx) }
	}
}

// makeLog makes the log's files anew from the ledger, and waits for them.
func (c *Core) makeLog(ctx context.Context) error {
	c.making.Lock()
	defer c.making.Unlock()
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	resume := func() { c.followLog(c.life) }
	if c.pauseLog != nil {
		resume = c.pauseLog()
	}
	err = c.Log.Forget()
	resume()
	if err != nil {
		return err
	}
	return c.Log.Wait(ctx, head.Seq)
}

// PauseLog makes the log stand still until resume is called: to measure what it costs.
func (c *Core) PauseLog() (resume func()) { return c.pauseLog() }

// logSource is the ledger as the log follows it.
type logSource struct{ *stream.Ledger }

// Head implements proof.Source.
func (s logSource) Head(ctx context.Context) (ledger.Seq, ledger.Hash, error) {
	h, err := s.Ledger.Head(ctx)
	return h.Seq, h.Hash, broken(err)
}

// Follow implements proof.Source.
func (s logSource) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[proof.Block, error] {
	return func(yield func(proof.Block, error) bool) {
		for b, err := range s.Ledger.Follow(ctx, from) {
			if err != nil {
				yield(proof.Block{}, broken(err))
				return
			}
			if !yield(proof.Block{Prev: b.Prev, Hash: b.Hash, Commits: b.Commits}, nil) {
				return
			}
		}
	}
}

// broken marks an error that reading again will not heal.
func broken(err error) error {
	var block *stream.BlockError
	if errors.As(err, &block) {
		return errors.Join(proof.ErrBroken, err)
	}
	return err
}

// logStore is a bucket as the log keeps its state in it.
type logStore struct{ kv keys.KV }

// Get implements proof.Store.
func (s logStore) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	e, err := s.kv.Get(ctx, key)
	return e.Value, e.Revision, err
}

// Create implements proof.Store.
func (s logStore) Create(ctx context.Context, key string, value []byte) error {
	_, err := s.kv.Create(ctx, key, value)
	return err
}

// Update implements proof.Store.
func (s logStore) Update(ctx context.Context, key string, value []byte, revision uint64) error {
	_, err := s.kv.Update(ctx, key, value, revision)
	return err
}
