package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/api"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/console"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/changes"
	"vitae/sinks"
	"vitae/sinks/jarvi"
	"vitae/sinks/journal"
	"vitae/sinks/linkedin"
	"vitae/sinks/mokaru"
	"vitae/sinks/nexudus"
	"vitae/sinks/postpress"
)

// Server is a running Vitae. Close it.
type Server struct {
	core    *Core
	api     *api.Server
	http    *http.Server
	sandbox *sandboxServer
	log     *slog.Logger
	url     string
	admin   string
	idle    silent
	lanes   *stream.JetStream // what becomes of deliveries
	feed    *changes.Feed

	run     context.CancelFunc
	running sync.WaitGroup
	failed  chan error        // why the HTTP server stopped by itself
	portal  *nexudus.Provider // nil when that sink does not run

	passwords *passwords // nil when that sink does not run
}

// drainTimeout is how long a stop waits for requests and deliveries under way.
const drainTimeout = 30 * time.Second

// Run serves until ctx ends, then finishes what is in hand and closes. It returns nil
// after a proper stop.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	s, err := Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
		log.Info("stopping: finishing what is in hand; a second signal cuts")
	case failed = <-s.failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err = errors.Join(failed, s.Close(end))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// Start opens everything and serves. On nil requests are taken at URL; /readyz says when
// reads are current.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *Server, err error) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{log: log, run: stop, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			err = errors.Join(err, s.Close(end))
		}
	}()
	if s.core, err = OpenCore(ctx, cfg, log); err != nil {
		return nil, err
	}
	if s.admin, err = adminKey(cfg); err != nil {
		return nil, err
	}
	if cfg.Sandbox {
		if s.sandbox, err = s.startSandbox(cfg); err != nil {
			return nil, err
		}
	}
	deliveries, rows, err := s.deliveries(ctx, run, cfg)
	if err != nil {
		return nil, err
	}
	if s.feed, err = s.openFeed(ctx, run, cfg); err != nil {
		return nil, err
	}
	store, err := s.keyStore(ctx, run)
	if err != nil {
		return nil, err
	}
	hooks, err := s.openWebhooks(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	pass := s.passer(run, deliveries) // before the erasures, which end what is held
	erasures, err := s.erasures(ctx, store, deliveries, rows)
	if err != nil {
		return nil, err
	}
	if err := s.letIn(run, store); err != nil {
		return nil, err
	}
	idems, err := s.bucket(ctx, jetstream.KeyValueConfig{Bucket: "IDEMPOTENCY", TTL: 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	reads, err := s.accessLog(ctx, cfg)
	if err != nil {
		return nil, err
	}
	uploads, err := s.bucket(ctx, jetstream.KeyValueConfig{Bucket: "UPLOADS", TTL: 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	pages := console.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.Handler().ServeHTTP(w, r) }), log)
	s.api, err = api.New(run, api.Deps{Mounts: map[string]http.Handler{"/{$}": pages, "/console/": pages},
		Core: s.core, History: s.core.History, Vault: s.core.Vault, Keys: store, Sinks: deliveries, Journal: rows, Access: reads, Idems: idems, Erasures: erasures, Uploads: uploads, Log: log,
		Feed: s.feed, Webhooks: hooks,
		Projections: s.core.Projections(), Transparency: s.core.Log, Directory: s.core.Directory, Passwords: pass,
		Profiles: func(ctx context.Context, after ledger.ProfileID, limit int, atLeast ledger.Seq) ([]ledger.ProfileID, error) {
			if err := s.core.Views.Wait(ctx, atLeast); err != nil {
				return nil, err
			}
			return s.core.Views.Profiles(ctx, after, limit)
		},
		Backup:  s.core.backup,
		Restart: func(p *projections.Projection) { s.running.Go(func() { s.core.Follow(run, p) }) },
		Fsck: func(ctx context.Context, repair bool, progress func(done, total uint64)) (fsck.Report, error) {
			return s.core.check(ctx, s.lanes, repair, progress)
		},
	}, api.Config{WritePerMinute: cfg.RateLimit.Write, ReadPerMinute: cfg.RateLimit.Read, Version: Version()})
	if err != nil {
		return nil, err
	}
	s.running.Go(func() { deliveries.run(run) })
	s.running.Go(func() { erasures.Run(run) })
	s.running.Go(func() { s.serveWebhooks(run, hooks) })
	return s, s.listen(cfg.Listen)
}

// listen begins to take requests.
func (s *Server) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.url = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s.api.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), ConnState: s.idle.track}
	s.http.RegisterOnShutdown(s.api.EndStreams)
	s.running.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	s.log.Info("listening", "addr", l.Addr().String())
	return nil
}

// URL is where the server takes requests.
func (s *Server) URL() string { return s.url }

// NATSURL is where subscribers connect; "" when they cannot.
func (s *Server) NATSURL() string {
	if at := s.core.Engine.ListenAddr(); at != "" {
		return "nats://" + at
	}
	return ""
}

// AdminKey is the key with every scope.
func (s *Server) AdminKey() string { return s.admin }

// bucket opens a key-value bucket of the server's own.
func (s *Server) bucket(ctx context.Context, cfg jetstream.KeyValueConfig) (keys.KV, error) {
	cfg.History, cfg.Replicas = 1, s.core.Engine.Replicas()
	kv, err := s.core.Engine.JetStream().CreateOrUpdateKeyValue(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", cfg.Bucket, err)
	}
	return keys.JetStream(kv), nil
}

func (s *Server) keyStore(ctx, run context.Context) (*keys.Store, error) {
	kv, err := s.bucket(ctx, jetstream.KeyValueConfig{Bucket: "KEYS"})
	if err != nil {
		return nil, err
	}
	store, err := keys.Open(ctx, kv, s.core.Vault, keys.Options{Admin: s.admin, Log: s.log})
	if err != nil {
		return nil, err
	}
	s.running.Go(func() {
		if err := store.Run(run); err != nil && run.Err() == nil {
			s.log.Error("API keys of other instances are not followed any more", "error", err)
		}
	})
	return store, nil
}

// deliveries puts the sinks together, and the journal of what they do.
func (s *Server) deliveries(ctx, run context.Context, cfg config.Config) (*delivery, *journal.Journal, error) {
	providers, configs, err := s.providers(cfg)
	if err != nil {
		return nil, nil, err
	}
	if s.lanes, err = stream.OpenJetStream(ctx, s.core.Engine.JetStream(), sinks.Lanes(s.core.Engine.Replicas())); err != nil {
		return nil, nil, err
	}
	rows, err := s.openJournal(ctx, run, cfg, s.lanes)
	if err != nil {
		return nil, nil, err
	}
	d := &delivery{log: s.log, open: func(valid func() bool) (*sinks.Manager, error) {
		return sinks.New(sinks.Options{Ledger: s.core.Ledger, States: s.core, Vault: s.core.Vault, Blocks: s.lanes, Files: s.core.file,
			Providers: providers, Config: configs, Log: s.log, Exclusive: s.core.Engine.Embedded(), Valid: valid, BeforeTrim: s.beforeTrim(rows), Probe: probe()})
	}}
	if !s.core.Engine.Embedded() {
		d.lead = s.core.leadSinks
	}
	return d, rows, nil
}

// makers make the providers, by name: those that the configuration knows.
var makers = map[string]func(baseURL string, d sinks.Doer) (sinks.Provider, error){
	ledger.Mokaru:    func(u string, d sinks.Doer) (sinks.Provider, error) { return mokaru.New(u, d) },
	ledger.LinkedIn:  func(u string, d sinks.Doer) (sinks.Provider, error) { return linkedin.New(u, d) },
	ledger.Nexudus:   func(u string, d sinks.Doer) (sinks.Provider, error) { return nexudus.New(u, d) },
	ledger.Jarvi:     func(u string, d sinks.Doer) (sinks.Provider, error) { return jarvi.New(u, d) },
	ledger.PostPress: func(u string, d sinks.Doer) (sinks.Provider, error) { return postpress.New(u, d) },
}

// providers makes the sinks that the configuration names.
func (s *Server) providers(cfg config.Config) (out []sinks.Provider, configs map[string]sinks.Config, err error) {
	configs = map[string]sinks.Config{}
	client := sinks.NewClient()
	for _, name := range config.Providers() {
		c, ok := cfg.Sinks[name]
		if !ok {
			continue
		}
		base := c.BaseURL
		if s.sandbox != nil {
			base = s.sandbox.urls[name]
		}
		p, err := makers[name](base, client)
		if err != nil {
			return nil, nil, err
		}
		if portal, ok := p.(*nexudus.Provider); ok {
			s.portal = portal
		}
		// Here 0 is no limit; there it is the provider's own.
		configs[name] = sinks.Config{RequestsPerMinute: cmp.Or(c.RequestsPerMinute, -1), RequestsPerDay: cmp.Or(c.RequestsPerDay, -1), Timeout: c.Timeout, Settle: c.Settle, MaxAttempts: c.MaxAttempts, Paused: c.Paused, Workers: probeWorkers}
		out = append(out, p)
	}
	return out, configs, nil
}

// Close takes no more requests, finishes those under way and the deliveries, and closes
// everything. ctx bounds it.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	if s.http != nil {
		s.idle.close()
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, err, s.http.Close())
		}
	}
	s.run()
	s.running.Wait()
	if s.api != nil {
		s.api.Wait()
	}
	if s.sandbox != nil {
		errs = append(errs, s.sandbox.close(ctx))
	}
	if s.core != nil {
		errs = append(errs, s.core.Close(ctx))
		s.core.door.shut()
	}
	return errors.Join(errs...)
}

// Version is the module's version and revision, as the binary was built.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if i := slices.IndexFunc(info.Settings, func(b debug.BuildSetting) bool { return b.Key == "vcs.revision" }); i >= 0 && (version == "" || version == "(devel)") {
		version = info.Settings[i].Value[:min(12, len(info.Settings[i].Value))]
	}
	return strings.TrimPrefix(version, "v")
}
