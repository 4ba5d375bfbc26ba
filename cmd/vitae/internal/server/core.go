// Package server puts the parts of a running Vitae together, and takes them apart in
// order: engine, vault, ledger, projections and committer (Core), and around them the
// API keys, the sinks and the HTTP server (Server). It decides nothing itself.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/config"
	"vitae/commands"
	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/proof"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/projections"
	"vitae/projections/directory"
	"vitae/projections/history"
	"vitae/projections/views"
	"vitae/sinks"
)

// Core is what keeps profiles: everything but the outside. Close it.
type Core struct {
	Engine    *engine.Engine
	Vault     *vault.Vault
	Ledger    *stream.Ledger
	Views     *views.Views
	History   *history.History
	Directory *directory.Directory
	Log       *proof.Log // the transparency log

	log       *slog.Logger
	door      door
	master    []byte
	committer *stream.Committer // on the embedded engine
	router    *stream.Router    // on an external cluster

	leases jetstream.KeyValue // on an external cluster
	owner  string             // this instance, in leases

	making   sync.Mutex // the log's files anew
	pauseLog func() (resume func())

	data     string // the folder
	checking bool   // only a check is made of it

	life    context.Context // until run is called
	run     context.CancelFunc
	running sync.WaitGroup
	closers []func(context.Context) error
}

// OpenCore opens the data folder (or the cluster), and makes what is not there. On nil
// commands can be submitted and projections follow the ledger; they may not have caught
// up yet. It refuses to start on a folder that another process holds, with a master key
// that is not the vault's, and on a ledger that is shorter than the projections know it.
func OpenCore(ctx context.Context, cfg config.Config, log *slog.Logger) (*Core, error) {
	return openCore(ctx, cfg, log, false)
}

// openCore is OpenCore; for a check it opens what is damaged too, as far as that goes, and
// takes no commands. A store that cannot be opened is a *damagedError then.
func openCore(ctx context.Context, cfg config.Config, log *slog.Logger, checking bool) (_ *Core, err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Core{log: log, run: stop, life: run, data: cfg.Data, checking: checking}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := c.openStores(ctx, cfg); err != nil {
		if checking && c.master != nil && ctx.Err() == nil { // neither the lock nor the master key
			err = &damagedError{err}
		}
		return nil, err
	}
	if err := c.openProjections(ctx, cfg); err != nil {
		return nil, err
	}
	if err := c.openLog(ctx, cfg); err != nil {
		if checking && ctx.Err() == nil {
			err = &damagedError{err}
		}
		return nil, err
	}
	if !checking {
		if err := c.openCommitter(ctx, run, cfg); err != nil {
			return nil, err
		}
	}
	if !checking {
		c.followLog(run)
	}
	for _, p := range c.Projections() {
		c.follow(run, p)
	}
	return c, nil
}

func (c *Core) onClose(f func(context.Context) error) { c.closers = append(c.closers, f) }

func (c *Core) openStores(ctx context.Context, cfg config.Config) (err error) {
	opt := engine.Options{URL: cfg.NATS, Log: c.log, Name: "vitae"}
	if cfg.NATS == "" {
		opt.Dir = filepath.Join(cfg.Data, "engine")
		if err := c.listenFor(&opt, cfg); err != nil {
			return err
		}
	} else {
		opt.Replicas = cfg.Replicas
	}
	if c.Engine, err = engine.Open(ctx, opt); err != nil {
		return err
	}
	c.onClose(c.Engine.Close)
	if c.master, err = masterKey(cfg); err != nil {
		return err
	}
	store, err := vault.OpenJetStream(ctx, c.Engine.JetStream(), c.Engine.Replicas())
	if err != nil {
		return err
	}
	if c.Vault, err = vault.Open(ctx, store, c.master); err != nil {
		return err
	}
	blocks, err := stream.OpenJetStream(ctx, c.Engine.JetStream(), stream.LedgerStream(0, c.Engine.Replicas()))
	if err != nil {
		return err
	}
	c.Ledger = stream.OpenLedger(blocks, blocks.Lineage())
	return nil
}

func masterKey(cfg config.Config) ([]byte, error) {
	if text := cfg.MasterKey.Reveal(); text != "" {
		return vault.ParseMaster(text)
	}
	return vault.LoadMaster(filepath.Join(cfg.Data, masterFile), true)
}

// masterFile is the master key's file in a data folder.
const masterFile = "master.key"

func (c *Core) openProjections(ctx context.Context, cfg config.Config) (err error) {
	pc := projections.Config{Dir: filepath.Join(cfg.Data, "projections"), Source: c.Ledger, Log: c.log}
	if c.Views, err = views.Open(ctx, pc); err != nil {
		return err
	}
	c.onClose(func(context.Context) error { return c.Views.Close() })
	if c.History, err = history.Open(ctx, pc); err != nil {
		return err
	}
	c.onClose(func(context.Context) error { return c.History.Close() })
	if c.Directory, err = directory.Open(ctx, directory.Config{Config: pc, Opener: c.Vault, Digester: c.Vault}); err != nil {
		return err
	}
	c.onClose(func(context.Context) error { return c.Directory.Close() })
	if c.checking {
		return nil
	}
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if known := max(c.Views.Position(), c.History.Position(), c.Directory.Position()); known > head.Seq {
		return fmt.Errorf("the ledger ends at sequence %d, but commits up to %d were applied from it: it is shorter than it was. "+
			"Put the longer one back or restore a backup; if an older copy was put back on purpose, vitae fsck --data %s lists what lies beyond its end, and with --reset-beyond-head resets it", head.Seq, known, cfg.Data)
	}
	return nil
}

// Projections lists everything that follows the ledger into a file.
func (c *Core) Projections() []*projections.Projection {
	return []*projections.Projection{c.Views.Projection, c.History.Projection, c.Directory.Projection}
}

func (c *Core) openCommitter(ctx, run context.Context, cfg config.Config) (err error) {
	open := func(ctx context.Context) (*stream.Committer, error) {
		return stream.NewCommitter(ctx, c.Ledger, stream.CommitterConfig{Sealer: c.Vault, States: c.Views, Idems: c.History, Log: c.log})
	}
	if c.Engine.Embedded() {
		if c.committer, err = open(ctx); err != nil {
			return err
		}
		c.onClose(c.committer.Close)
		return nil
	}
	if c.leases, err = c.Engine.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "LEASES", History: 1, Replicas: c.Engine.Replicas()}); err != nil {
		return err
	}
	c.owner = ledger.NewID(time.Now())
	c.router = stream.NewRouter(stream.RouterConfig{
		Conn: c.Engine.Conn(), Subject: "vitae.commit.0", Open: open, Encode: commands.Encode, Decode: commands.Decode, Log: c.log,
		Wrap:   func(b []byte) ([]byte, error) { return c.Vault.SealSystem("commit", "wire", b) },
		Unwrap: func(b []byte) ([]byte, error) { return c.Vault.OpenSystem("commit", "wire", b) },
		Lead: func(ctx context.Context) (<-chan struct{}, func(), error) {
			_, lost, release, err := c.lead(ctx, "committer.0")
			return lost, release, err
		},
	})
	leading, stop := context.WithCancel(run)
	ended := make(chan error, 1)
	go func() { ended <- c.router.Run(leading) }()
	c.onClose(func(context.Context) error {
		stop()
		return <-ended
	})
	return nil
}

// lead waits for a lease.
func (c *Core) lead(ctx context.Context, name string) (valid func() bool, lost <-chan struct{}, release func(), err error) {
	l, err := c.Engine.Lease(ctx, c.leases, name, c.owner, leaseTTL)
	if err != nil {
		return nil, nil, nil, err
	}
	return l.Valid, l.Lost(), func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTTL)
		defer cancel()
		if err := l.Release(end); err != nil {
			c.log.Warn("lease not released: others wait until it ends", "lease", name, "error", err)
		}
	}, nil
}

// leadSinks waits until this instance may run the sinks.
func (c *Core) leadSinks(ctx context.Context) (valid func() bool, lost <-chan struct{}, release func(), err error) {
	return c.lead(ctx, "sinks.0")
}

// leaseTTL is how long after a crash another instance takes over.
const leaseTTL = 5 * time.Second

// follow runs a projection until the core is closed. One that stops for good says so in
// its health and in the log; reads of it go on, and a rebuild heals it.
func (c *Core) follow(ctx context.Context, p *projections.Projection) {
	c.running.Go(func() { c.Follow(ctx, p) })
}

// Follow runs a projection until ctx ends or it stops for good.
func (c *Core) Follow(ctx context.Context, p *projections.Projection) {
	if err := p.Run(ctx); err != nil && ctx.Err() == nil {
		c.log.Error("a projection has stopped; reads of it stay where they are until it is rebuilt", "projection", p.Name(), "error", err)
	}
}

// Submit is stream.Committer.Submit, wherever the committer is.
func (c *Core) Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
	if c.committer != nil {
		return c.committer.Submit(ctx, req)
	}
	return c.router.Submit(ctx, req)
}

// Head is the last sequence that this instance knows to be on stable storage. An
// instance that does not commit asks the ledger.
func (c *Core) Head(ctx context.Context) (ledger.Seq, error) {
	local := c.committer
	if local == nil {
		local = c.router.Committer()
	}
	if local != nil {
		return local.Head(), nil
	}
	h, err := c.Ledger.Head(ctx)
	return h.Seq, err
}

// Stats are the committer's counts; zero on an instance that does not commit.
func (c *Core) Stats() stream.CommitterStats {
	local := c.committer
	if local == nil {
		local = c.router.Committer()
	}
	if local == nil {
		return stream.CommitterStats{}
	}
	return local.Stats()
}

// Profile gives the opened state of a profile, with everything up to atLeast applied.
func (c *Core) Profile(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error) {
	if err := c.Views.Wait(ctx, atLeast); err != nil {
		return nil, err
	}
	p, err := c.Views.Profile(ctx, id)
	if err != nil || p.Erased {
		return p, err
	}
	return p, p.OpenAll(c.Vault)
}

// ProfileAt gives the opened state of a profile after the commit seq.
func (c *Core) ProfileAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	p, err := c.History.StateAt(ctx, id, seq)
	if err != nil || p.Erased {
		return p, err
	}
	return p, p.OpenAll(c.Vault)
}

// file opens a file of a profile by its reference, "sha256:" and the hash of its content.
func (c *Core) file(ctx context.Context, p ledger.ProfileID, reference string) (sinks.File, error) {
	hash, ok := strings.CutPrefix(reference, "sha256:")
	h, err := ledger.ParseHash(hash)
	if !ok || err != nil {
		return sinks.File{}, ledger.ErrNotFound
	}
	f, r, err := c.Vault.OpenFile(ctx, p, h)
	if err != nil {
		return sinks.File{}, err
	}
	return sinks.File{ReadCloser: r, Size: f.Size, MediaType: f.MediaType}, nil
}

// Close ends everything in the order opposite to that of OpenCore: what was taken is
// stored, projections stop after the block in hand, the engine is shut down. ctx bounds
// the whole.
func (c *Core) Close(ctx context.Context) error {
	// The committer first: nothing new comes, and what waits gets its answer.
	var errs []error
	if n := len(c.closers); n > 0 && (c.committer != nil || c.router != nil) {
		errs = append(errs, c.closers[n-1](ctx))
		c.closers = c.closers[:n-1]
	}
	c.run()
	c.running.Wait()
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i](ctx))
	}
	c.closers = nil
	return errors.Join(errs...)
}
