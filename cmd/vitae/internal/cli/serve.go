package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/demo"
)

// settings are the flags that are keys of the configuration too.
type settings struct {
	file          string
	values        map[string]*string // by key
	sandbox       bool
	sandboxListen string
}

func settingFlags(c *cobra.Command) *settings {
	s := &settings{values: map[string]*string{}}
	f := c.Flags()
	f.StringVar(&s.file, "config", "", "configuration file, TOML (or VITAE_CONFIG)")
	for _, one := range []struct{ key, help string }{
		{"data", "data folder (default ./data)"},
		{"listen", "address of the HTTP API and the console (default 127.0.0.1:8080)"},
		{"nats", "URLs of an external NATS cluster instead of the embedded engine"},
		{"nats_listen", "address where the embedded engine takes subscribers"},
	} {
		s.values[one.key] = f.String(strings.ReplaceAll(one.key, "_", "-"), "", one.help)
	}
	f.BoolVar(&s.sandbox, "sandbox", false, "start the stand-in providers and point every sink at them")
	f.StringVar(&s.sandboxListen, "sandbox-listen", "127.0.0.1:0", "address of the stand-in providers; port 0 takes a free one")
	return s
}

// load puts the configuration together.
func (a *app) load(c *cobra.Command, s *settings) (config.Config, error) {
	src := config.Sources{File: s.file, Env: a.Env, Flags: map[string]string{}, Sandbox: s.sandbox, SandboxListen: s.sandboxListen}
	for key, v := range s.values {
		if c.Flags().Changed(strings.ReplaceAll(key, "_", "-")) {
			src.Flags[key] = *v
		}
	}
	cfg, err := config.Load(src)
	if err != nil {
		return cfg, usage("%w", err)
	}
	return cfg, nil
}

// logFlags are those of a command that logs.
type logFlags struct{ format, level string }

func (l *logFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&l.format, "log-format", "text", "text or json")
	c.Flags().StringVar(&l.level, "log-level", "info", "debug, info, warn or error")
}

// logger writes to stderr.
func (a *app) logger(l logFlags) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, usage("--log-level must be debug, info, warn or error")
	}
	o := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, o)), nil
	}
	return nil, usage("--log-format must be text or json")
}

func (a *app) serveCmd() *cobra.Command {
	var withDemo bool
	var logs logFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is told to stop. The first Ctrl-C (or SIGTERM) lets it finish
what it has in hand; the second stops it at once, which loses nothing that was answered.

Every key of the configuration can be set in a file, in the environment, and some by a
flag; "vitae config view" shows what is in force and why.

--demo creates a profile with example values once, with a key and, with --sandbox, a
connection to each stand-in provider, and prints how to use them.`,
		Example: `  vitae serve --sandbox
  vitae serve --config /etc/vitae.toml --data /var/lib/vitae
  vitae serve --nats nats://a:4222,nats://b:4222,nats://c:4222 --listen 0.0.0.0:8080`,
		Args: cobra.NoArgs,
	}
	s := settingFlags(c)
	logs.register(c)
	c.Flags().BoolVar(&withDemo, "demo", false, "create a demo profile once, and print how to use it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := a.load(c, s)
		if err != nil {
			return err
		}
		log, err := a.logger(logs)
		if err != nil {
			return err
		}
		if withDemo {
			err = a.serveDemo(c.Context(), cfg, log)
		} else {
			err = a.Parts.Serve(c.Context(), cfg, log)
		}
		if c.Context().Err() != nil && errors.Is(err, context.Canceled) {
			return nil // told to stop, and stopped
		}
		return err
	}
	return c
}

// serveDemo runs the server, and the demo against it as any other client.
func (a *app) serveDemo(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	admin, err := demoServer(cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- a.Parts.Serve(ctx, cfg, log) }()
	shown := make(chan error, 1)
	go func() { shown <- a.showDemo(ctx, cfg, admin) }()
	for {
		select {
		case err := <-served:
			stop()
			return err
		case err := <-shown:
			shown = nil
			if err != nil && ctx.Err() == nil {
				stop()
				return errors.Join(fmt.Errorf("demo: %w", err), <-served)
			}
		}
	}
}

// demoServer is the server's address as its neighbour sees it.
func demoServer(cfg config.Config) (string, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", usage("--demo needs a port in --listen, not 0")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

func (a *app) showDemo(ctx context.Context, cfg config.Config, server string) error {
	anyone, err := client.New(client.Options{Server: server})
	if err != nil {
		return err
	}
	if err := anyone.WaitReady(ctx); err != nil {
		return err
	}
	key := cfg.AdminKey.Reveal()
	if key == "" {
		b, err := os.ReadFile(filepath.Join(cfg.Data, "admin.key"))
		if err != nil {
			return err
		}
		key = strings.TrimSpace(string(b))
	}
	o := demo.Options{Data: cfg.Data, Sandbox: cfg.Sandbox}
	if _, port, err := net.SplitHostPort(cfg.SandboxListen); err == nil && port != "0" {
		o.SandboxURL = "http://" + cfg.SandboxListen
	}
	return demo.Ensure(ctx, anyone.WithKey(key), o, a.Out)
}

func (a *app) sandboxCmd() *cobra.Command {
	var listen string
	var perMinute, perDay int
	var logs logFlags
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the stand-in providers alone",
		Long: `Run the stand-in providers until Ctrl-C. They keep what they are sent in memory, and print
the base URL to use for each.`,
		Example: "  vitae sandbox --listen 127.0.0.1:8090\n  vitae sandbox -o json",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen at; port 0 takes a free one")
	c.Flags().IntVar(&perMinute, "requests-per-minute", 20, "requests of one account of Mokaru in a minute; 0 is no limit")
	c.Flags().IntVar(&perDay, "requests-per-day", 0, "requests of one account of LinkedIn in a day of UTC; 0 is no limit")
	logs.register(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if _, _, err := net.SplitHostPort(listen); err != nil {
			return usage("--listen must be host:port")
		}
		if perMinute < 0 || perDay < 0 {
			return usage("--requests-per-minute and --requests-per-day must not be negative")
		}
		log, err := a.logger(logs)
		if err != nil {
			return err
		}
		err = a.Parts.Sandbox(c.Context(), listen, perMinute, perDay, log, func(urls map[string]string) {
			if err := a.printURLs(urls); err != nil {
				log.Error("the addresses could not be printed", "error", err)
			}
		})
		if c.Context().Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	return c
}

func (a *app) printURLs(urls map[string]string) error {
	var items []json.RawMessage
	for _, p := range config.Providers() {
		if urls[p] == "" {
			continue
		}
		raw, err := json.Marshal(map[string]string{"provider": p, "baseUrl": urls[p]})
		if err != nil {
			return err
		}
		items = append(items, raw)
	}
	return a.list(items, row{"PROVIDER", "BASE URL"}, func(raw json.RawMessage) (row, error) {
		var one struct{ Provider, BaseURL string }
		err := json.Unmarshal(raw, &one)
		return row{one.Provider, one.BaseURL}, err
	})
}

// benchParts are the parts of the benchmark, as package bench names them.
var benchParts = []string{"disk", "commits", "log", "http", "feed", "large", "fsck", "many", "sinks"}

func (a *app) benchCmd() *cobra.Command {
	var b Bench
	var logs logFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what this machine can do, with the engine's own limits beside it",
		Long: `Measure. It uses an engine of its own in a temporary folder, and touches no data of yours.
Speed depends on the disk: name a folder on the one that counts.`,
		Example: "  vitae bench\n  vitae bench --seconds 2 --commits 100000 --dir /var/lib/vitae-bench -o jsonl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if b.Seconds < 1 || b.Large < 0 || b.Profiles < 0 {
				return usage("--seconds must be 1 or more, --commits and --profiles not negative")
			}
			for _, name := range b.Only {
				if !slices.Contains(benchParts, name) {
					return usage("--only takes %s", strings.Join(benchParts, ", "))
				}
			}
			var err error
			if b.Log, err = a.logger(logs); err != nil {
				return err
			}
			b.JSON = a.output != "table"
			return a.Parts.Bench(c.Context(), b, a.Out)
		},
	}
	c.Flags().StringVar(&b.Dir, "dir", "", "folder for the measurement's data (default a temporary one)")
	c.Flags().StringSliceVar(&b.Only, "only", nil, "measure only these: "+strings.Join(benchParts, ", "))
	c.Flags().IntVar(&b.Seconds, "seconds", 5, "how long each measurement takes")
	c.Flags().IntVar(&b.Large, "commits", 0, "size of the large ledger (default a million)")
	c.Flags().IntVar(&b.Profiles, "profiles", 0, "number of profiles for start-up and memory (default 100000)")
	logs.register(c)
	return c
}
