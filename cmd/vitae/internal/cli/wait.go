package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

// lull is how a sink stands, for someone who waits until nothing is left to do.
type lull struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Busy   bool   `json:"busy"`   // something is still to be sent, or in doubt
	Parked uint64 `json:"parked"` // what will not move without a person
}

func (a *app) sinkWaitCmd() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait [PROVIDER]...",
		Short: "Wait until every lane is idle",
		Long: `Wait until nothing is left to deliver: at the named providers or at all of them, or with
--profile for one profile's connections. Exit code 0: all lanes are idle. 3: all but
those where something is parked. 7: not within --timeout.`,
		Example: `  vitae sink wait --timeout 30s
  vitae sink wait mokaru jarvi && vitae sink list`,
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			if timeout < 0 {
				return usage("--timeout must not be negative")
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			look := a.sinkLulls
			if cl.Profile() != "" {
				look = a.connectionLulls
			}
			last, late, err := waitIdle(c.Context(), timeout, func(ctx context.Context) ([]lull, error) {
				all, err := look(ctx, cl)
				if err != nil {
					return nil, err
				}
				return selectLulls(all, args)
			})
			if err != nil {
				return err
			}
			return a.printLulls(last, late, timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait")
	return a.about(c)
}

// waitIdle looks again and again, less often as time goes by, until nothing is busy or the
// time is up; it gives what it saw last. However short the time, it looks once.
func waitIdle(ctx context.Context, timeout time.Duration, look func(context.Context) ([]lull, error)) (last []lull, late bool, err error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	looking, cancel := context.WithTimeout(ctx, max(timeout, 5*time.Second))
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, 2*time.Second) {
		now, err := look(looking)
		var e *client.Error
		switch {
		case err == nil:
			last = now
			if !slices.ContainsFunc(now, func(l lull) bool { return l.Busy }) {
				return last, false, nil
			}
		case ctx.Err() == nil && looking.Err() != nil && last != nil:
			return last, true, nil
		case errors.As(err, &e) && e.Status == http.StatusTooManyRequests && last != nil:
			pause = max(pause, e.RetryAfter)
		default:
			return nil, false, err
		}
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-limit.C:
			next.Stop()
			return last, true, nil
		case <-ctx.Done():
			next.Stop()
			return nil, false, ctx.Err()
		}
	}
}

func selectLulls(all []lull, names []string) ([]lull, error) {
	out := all
	if len(names) > 0 {
		out = nil
	}
	for _, name := range names {
		i := slices.IndexFunc(all, func(l lull) bool { return l.Name == name })
		if i < 0 {
			return nil, failWith(exitNotFound, "there is no sink %s", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// sinkLulls reads how the sinks stand.
func (a *app) sinkLulls(ctx context.Context, c *client.Client) ([]lull, error) {
	items, err := a.all(ctx, c, "/v1/sinks", nil)
	if err != nil {
		return nil, err
	}
	out := make([]lull, 0, len(items))
	for _, raw := range items {
		var s sink
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		l := lull{Name: s.Name, State: s.State, Parked: s.Parked, Busy: s.LagEvents > 0 || s.Uncertain > 0}
		for phase, n := range s.Lanes {
			switch p := strings.ToLower(phase); {
			case n == 0 || p == "idle":
			case p == "parked":
				l.Parked = max(l.Parked, n)
			default:
				l.Busy = true
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// connectionLulls reads how one profile's connections stand.
func (a *app) connectionLulls(ctx context.Context, c *client.Client) ([]lull, error) {
	items, err := a.all(ctx, c, profilePath(c)+"/connections", nil)
	if err != nil {
		return nil, err
	}
	out := make([]lull, 0, len(items))
	for _, raw := range items {
		var one connection
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		l := lull{Name: one.Provider, State: one.State}
		for _, lane := range one.Lanes {
			switch strings.ToLower(lane.Phase) {
			case "idle":
			case "parked":
				l.Parked++
			default:
				l.Busy = true
			}
		}
		switch one.State {
		case "in_sync":
		case "parked":
			l.Parked = max(l.Parked, 1)
		default:
			l.Busy = true
		}
		out = append(out, l)
	}
	return out, nil
}

func (a *app) printLulls(last []lull, late bool, timeout time.Duration) error {
	var busy []string
	var stuck uint64
	for _, l := range last {
		if l.Busy {
			busy = append(busy, l.Name+" ("+l.State+")")
		}
		stuck += l.Parked
	}
	items, err := rawList(last)
	if err != nil {
		return err
	}
	err = a.list(items, row{"SINK", "STATE", "LANES", "PARKED"}, func(raw json.RawMessage) (row, error) {
		var l lull
		err := json.Unmarshal(raw, &l)
		word := "idle"
		if l.Busy {
			word = "busy"
		}
		return row{l.Name, l.State, word, fmt.Sprint(l.Parked)}, err
	})
	switch {
	case err != nil:
		return err
	case late && len(busy) > 0:
		return failWith(exitUnavailable, "still busy after %s: %s", timeout, strings.Join(busy, ", "))
	case stuck > 0:
		return failWith(exitPartial, "%d parked: see vitae sink parked PROVIDER", stuck)
	}
	return nil
}

// printNothing is the table of a command that only has a message.
func printNothing(io.Writer) error { return nil }
