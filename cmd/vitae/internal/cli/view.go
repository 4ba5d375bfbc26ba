package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) viewCmd() *cobra.Command {
	return group("view", "List and rebuild the projections", "  vitae view list", a.viewListCmd(), a.viewRebuildCmd())
}

func (a *app) viewListCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "list",
		Short:   "List the projections and how far behind the ledger they are",
		Example: "  vitae view list",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, "/v1/views", nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"VIEW", "STATE", "POSITION", "HEAD", "LAG"}, func(raw json.RawMessage) (row, error) {
				var v struct {
					Name, State         string
					Position, Head, Lag uint64
				}
				if err := json.Unmarshal(raw, &v); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{v.Name, v.State, strconv.FormatUint(v.Position, 10), strconv.FormatUint(v.Head, 10), strconv.FormatUint(v.Lag, 10)}, nil
			})
		},
	})
}

// task is a long piece of work of the server.
type task struct {
	ID          string
	State       string // "running", "done", "failed"
	Done, Total uint64
	Error       string
	Result      json.RawMessage
}

func (a *app) viewRebuildCmd() *cobra.Command {
	return a.changes(a.remote(&cobra.Command{
		Use:   "rebuild [NAME]",
		Short: "Build a projection anew from the ledger, compare, and swap",
		Long: `Build a projection, or every projection, beside the live one, compare the two and put the
new one in its place. Reads go on meanwhile. A difference is a fault in the old copy: it
is reported, and the exit code is 8. Ctrl-C leaves the server at work.`,
		Example: "  vitae view rebuild\n  vitae view rebuild history --dry-run",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			names := args
			if len(names) == 0 {
				items, err := a.all(c.Context(), cl, "/v1/views", nil)
				if err != nil {
					return err
				}
				for _, raw := range items {
					var v struct{ Name string }
					if err := json.Unmarshal(raw, &v); err != nil {
						return fmt.Errorf("the server's answer: %w", err)
					}
					names = append(names, v.Name)
				}
			}
			return a.rebuild(c.Context(), cl, names)
		},
	}))
}

// rebuild does one after the other, and prints all reports at the end.
func (a *app) rebuild(ctx context.Context, cl *client.Client, names []string) error {
	var reports []json.RawMessage
	differences := 0
	for _, name := range names {
		var d data
		r, err := a.call(ctx, cl, client.Call{Method: http.MethodPost, Path: "/v1/views/" + url.PathEscape(name) + "/rebuild"}, &d)
		if err != nil {
			return err
		}
		raw := unwrap(r, d)
		if r.Status == http.StatusAccepted {
			if raw, err = a.await(ctx, cl, "rebuild "+name, raw); err != nil {
				return err
			}
		}
		var report struct {
			Differences json.RawMessage
		}
		if err := json.Unmarshal(raw, &report); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		if differ(report.Differences) {
			differences++
		}
		reports = append(reports, raw)
	}
	err := a.list(reports, nil, func(raw json.RawMessage) (row, error) {
		rows, err := leaves("", raw, nil)
		var cells []string
		for _, r := range rows {
			cells = append(cells, r[0]+"="+r[1])
		}
		return row{strings.Join(cells, "  ")}, err
	})
	if err == nil && differences > 0 {
		err = failWith(exitVerify, "%d of %d differed from the ledger and were replaced", differences, len(names))
	}
	return err
}

// differ reads a report's differences: a number, or a list of them.
func differ(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && string(raw) != "0" && string(raw) != "null" && string(raw) != "[]"
}

// await follows a task of the server to its end and gives its result.
func (a *app) await(ctx context.Context, cl *client.Client, what string, raw json.RawMessage) (json.RawMessage, error) {
	m := a.meter(what)
	defer m.end()
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, time.Second) {
		var t task
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		switch t.State {
		case "done":
			if len(t.Result) > 0 {
				return t.Result, nil
			}
			return raw, nil
		case "failed":
			return nil, failWith(exitFailed, "%s: %s", what, t.Error)
		}
		m.show(t.Done, t.Total)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		var err error
		if raw, err = a.get(ctx, cl, "/v1/tasks/"+url.PathEscape(t.ID), nil); err != nil {
			return nil, err
		}
	}
}
