package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/server"
)

// World is what the command line has of its surroundings.
type World struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // as os.Environ gives it
	// Signals gets SIGINT and SIGTERM. The first ends the command's context, which lets a
	// server finish what it has in hand; the second ends Main.
	Signals <-chan os.Signal
	Parts   Parts
}

// Parts are the pieces behind the commands that are not clients of a server.
type Parts struct {
	// Serve runs the server until ctx ends and everything is saved and closed.
	Serve func(ctx context.Context, cfg config.Config, log *slog.Logger) error
	// Sandbox runs the stand-in providers until ctx ends. It calls ready once they take
	// requests, with the base URL of each by its name.
	Sandbox func(ctx context.Context, listen string, perMinute, perDay int, log *slog.Logger, ready func(urls map[string]string)) error
	// Bench measures for about o.Seconds for each measurement and writes what it found to
	// out: a table, or o.JSON lines.
	Bench func(ctx context.Context, o Bench, out io.Writer) error
	// Fsck checks the ledger in a data folder that no server uses, and reports on the way.
	Fsck func(ctx context.Context, cfg config.Config, repair bool, log *slog.Logger, progress func(done, total uint64)) (fsck.Report, error)
	// ResetBeyondHead is server.ResetBeyondHead.
	ResetBeyondHead func(ctx context.Context, cfg config.Config, may func(found fsck.Report) error, log *slog.Logger, progress func(done, total uint64)) (fsck.Report, error)
	// Restore is server.Restore.
	Restore func(ctx context.Context, cfg config.Config, in backup.Load, keepMaster, dryRun bool, log *slog.Logger, progress func(doing string, done, total uint64)) (server.Restored, error)
}

// Bench is what `vitae bench` was asked for.
type Bench struct {
	Dir     string // where the data of the measurements goes; "" is a folder that is removed at the end
	Seconds int    // for each measurement
	JSON    bool
	Log     *slog.Logger
	// Large is the number of commits of the large ledger, Profiles that of the profiles
	// for start-up and memory; 0 is what package bench takes.
	Large, Profiles int
	Only            []string // parts to measure; empty is all
}

// Main runs one command line, without the program's name, and gives its exit code. It
// returns early, with the command still running, after a second signal: the caller must
// then end the process.
func Main(ctx context.Context, args []string, w World) int {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	a := &app{World: w}
	root := a.root()
	root.SetArgs(args)

	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	for signals := 0; ; {
		select {
		case <-w.Signals:
			if signals++; signals > 1 {
				return exitInterrupted
			}
			end(errInterrupted)
		case err := <-done:
			return a.report(ctx, err)
		}
	}
}

// app is one run of the command.
type app struct {
	World
	output string // -o
	client clientFlags
}

// report tells the user what went wrong and gives the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && context.Cause(ctx) == errInterrupted {
		err = errInterrupted
	}
	var ran *ranError
	if !errors.As(err, &ran) && !errors.Is(err, errInterrupted) {
		err = usage("%w", err) // cobra found fault with the command line before anything ran
	}
	a.say("vitae: %s", plain(err.Error(), true))
	return exitCode(err)
}

// say writes a message for the user.
func (a *app) say(format string, v ...any) {
	// A message that cannot be written cannot be reported either.
	_, _ = fmt.Fprintf(a.Err, format+"\n", v...)
}

// ranError marks the error of a command that did run, as against one whose command line
// was refused.
type ranError struct{ error }

func (e *ranError) Unwrap() error { return e.error }

// finish prepares a complete tree: it marks the errors of commands that ran, and makes
// every group refuse what it does not have instead of printing help and succeeding.
func finish(c *cobra.Command) {
	c.SilenceErrors, c.SilenceUsage = true, true
	if c.HasSubCommands() && c.RunE == nil {
		c.Args = unknownCommand
		c.RunE = func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr())
			if err := c.Usage(); err != nil {
				return err
			}
			return usage("%s needs a sub-command", c.CommandPath())
		}
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			if err := run(c, args); err != nil {
				return &ranError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		finish(sub)
	}
}

// unknownCommand refuses the arguments of a group: they are mistyped sub-commands.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	c.SuggestionsMinimumDistance = 2
	for i, s := range c.SuggestionsFor(args[0]) {
		if i == 0 {
			hint = "; did you mean " + s
		} else {
			hint += " or " + s
		}
	}
	if hint != "" {
		hint += "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), hint)
}
