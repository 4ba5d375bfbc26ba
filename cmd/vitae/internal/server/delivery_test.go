package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

// slowBlocks never answer.
type slowBlocks struct{ stream.Blocks }

func (slowBlocks) Last(ctx context.Context) (stream.Entry, error) {
	<-ctx.Done()
	return stream.Entry{}, ctx.Err()
}

// TestWhyTheSinksDoNotRun: after a lease was lost another instance runs them; after an
// error of their own they do not run.
func TestWhyTheSinksDoNotRun(t *testing.T) {
	for name, c := range map[string]struct {
		opens       error // nil: the lease is lost before the sinks can be read
		want, level string
	}{
		"lease lost": {want: "another instance runs the sinks", level: "INFO"},
		"an error":   {opens: errors.New("the lanes cannot be read"), want: "the lanes cannot be read", level: "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logged := &strings.Builder{}
				gone := make(chan struct{})
				tenures := 0
				d := &delivery{log: slog.New(slog.NewTextHandler(logged, nil)),
					lead: func(ctx context.Context) (func() bool, <-chan struct{}, func(), error) {
						if tenures++; tenures > 1 {
							<-ctx.Done()
							return nil, nil, nil, ctx.Err()
						}
						return func() bool { return true }, gone, func() {}, nil
					},
					open: func(func() bool) (*sinks.Manager, error) {
						if c.opens != nil {
							return nil, c.opens
						}
						close(gone)
						return sinks.New(sinks.Options{Ledger: struct{ sinks.Ledger }{}, States: struct{ sinks.States }{}, Vault: struct{ sinks.Vault }{}, Blocks: slowBlocks{}})
					}}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); d.run(ctx) }()
				time.Sleep(time.Minute)
				synctest.Wait()
				if _, err := d.Sinks(t.Context()); !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
				if !strings.Contains(logged.String(), "level="+c.level) || strings.Count(logged.String(), "\n") != 1 || tenures != 2 {
					t.Errorf("%d tenures: %s", tenures, logged)
				}
				stop()
				<-ended
			})
		})
	}
}
