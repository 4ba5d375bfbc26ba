// Command vitae is the whole system in one binary: the server, and the command line that
// talks to it. `vitae --help` lists what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"vitae/cmd/vitae/internal/bench"
	"vitae/cmd/vitae/internal/cli"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/server"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.World{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Signals: signals,
		Parts: cli.Parts{Serve: serve, Sandbox: server.Sandbox, Bench: measure, Fsck: checkFolder},
	}))
}

func serve(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	server.TuneMemory()
	return server.Run(ctx, cfg, log)
}

func measure(ctx context.Context, o cli.Bench, out io.Writer) error {
	server.TuneMemory()
	return bench.Run(ctx, bench.Options{Dir: o.Dir, Seconds: o.Seconds, JSON: o.JSON, Log: o.Log, Large: o.Large, Profiles: o.Profiles}, out)
}

// checkFolder checks the ledger in a data folder that no server uses.
func checkFolder(ctx context.Context, cfg config.Config, log *slog.Logger, progress func(done, total uint64)) (_ fsck.Report, err error) {
	if _, err := os.Stat(cfg.Data); err != nil {
		return fsck.Report{}, fmt.Errorf("data folder: %w", err) // opening it would make it
	}
	core, err := server.OpenCore(ctx, cfg, log)
	if err != nil {
		return fsck.Report{}, err
	}
	defer func() { err = errors.Join(err, core.Close(context.WithoutCancel(ctx))) }()
	return fsck.Run(ctx, fsck.Parts{Ledger: core.Ledger, Opener: core.Vault, Views: core.Views, History: core.History}, progress)
}
