// Command vitae is the whole system in one binary: the server, and the command line that
// talks to it. `vitae --help` lists what it can do.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"vitae/cmd/vitae/internal/bench"
	"vitae/cmd/vitae/internal/cli"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/server"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.World{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Signals: signals,
		Parts: cli.Parts{Serve: serve, Sandbox: server.Sandbox, Bench: measure, Fsck: server.CheckData, ResetBeyondHead: server.ResetBeyondHead, Restore: server.Restore},
	}))
}

func serve(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	server.TuneMemory()
	return server.Run(ctx, cfg, log)
}

func measure(ctx context.Context, o cli.Bench, out io.Writer) error {
	server.TuneMemory()
	return bench.Run(ctx, bench.Options{Dir: o.Dir, Seconds: o.Seconds, JSON: o.JSON, Log: o.Log, Large: o.Large, Profiles: o.Profiles, Only: o.Only}, out)
}
