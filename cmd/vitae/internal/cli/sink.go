package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) sinkCmd() *cobra.Command {
	return group("sink", "Watch and steer the deliveries to the providers", "  vitae sink list",
		a.sinkListCmd(), a.sinkShowCmd(), a.sinkWaitCmd(),
		a.sinkSwitchCmd("pause", "Stop sending to a provider; edits wait"),
		a.sinkSwitchCmd("resume", "Send to a provider again"),
		a.sinkParkedCmd(), a.sinkRedriveCmd())
}

// sink is a sink as the API shows it.
type sink struct {
	Name, State       string
	LagEvents         uint64
	FreshnessSeconds  float64
	Lanes             map[string]uint64
	Parked, Uncertain uint64
	LastError         any
}

func sinkPath(provider string, rest ...string) string {
	return "/v1/sinks/" + strings.Join(append([]string{url.PathEscape(provider)}, rest...), "/")
}

func (a *app) sinkListCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "list",
		Short:   "List the sinks and how far behind they are",
		Example: "  vitae sink list\n  vitae sink list -o jsonl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, "/v1/sinks", nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"SINK", "STATE", "LAG", "FRESHNESS", "LANES", "PARKED", "UNCERTAIN", "LAST ERROR"}, func(raw json.RawMessage) (row, error) {
				var s sink
				if err := json.Unmarshal(raw, &s); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{
					s.Name, s.State, strconv.FormatUint(s.LagEvents, 10), fmt.Sprintf("%.0fs", s.FreshnessSeconds), phases(s.Lanes),
					strconv.FormatUint(s.Parked, 10), strconv.FormatUint(s.Uncertain, 10), textOf(s.LastError),
				}, nil
			})
		},
	})
}

// phases writes how many lanes are in each phase.
func phases(lanes map[string]uint64) string {
	var out []string
	for phase, n := range lanes {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s=%d", phase, n))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (a *app) sinkShowCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:               "show PROVIDER",
		Short:             "Show one sink",
		Example:           "  vitae sink show mokaru -o json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			raw, err := a.get(c.Context(), cl, sinkPath(args[0]), nil)
			if err != nil {
				return err
			}
			return a.printLeaves(raw, nil)
		},
	})
}

func (a *app) sinkSwitchCmd(verb, short string) *cobra.Command {
	return a.changes(a.remote(&cobra.Command{
		Use:               verb + " PROVIDER",
		Short:             short,
		Example:           "  vitae sink " + verb + " mokaru",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: sinkPath(args[0], verb)}, &d)
			if err != nil {
				return err
			}
			if !a.client.dryRun {
				a.say("%s: %sd", plain(args[0], false), verb)
			}
			return a.print(unwrap(r, d), printNothing)
		},
	}))
}

// parked is a parked edit as the API shows it.
type parked struct {
	ID, Profile, Entity, Class, Reason, Since string
	Seq                                       uint64
	Choices                                   []string
}

func (a *app) sinkParkedCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:               "parked PROVIDER",
		Short:             "List the edits that wait for a person",
		Example:           "  vitae sink parked mokaru",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, sinkPath(args[0], "parked"), nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"ID", "PROFILE", "ENTITY", "SINCE", "CHOICES", "REASON"}, func(raw json.RawMessage) (row, error) {
				var p parked
				if err := json.Unmarshal(raw, &p); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{p.ID, p.Profile, p.Entity, p.Since, strings.Join(p.Choices, ","), p.Reason}, nil
			})
		},
	})
}

func (a *app) sinkRedriveCmd() *cobra.Command {
	var id, action, reason string
	c := &cobra.Command{
		Use:   "redrive PROVIDER",
		Short: "Try parked edits again, all of them or one",
		Long: `Try parked edits again. With --action one can also be closed by hand: mark_done (the
provider has it), skip (it need not), recreate (make it anew there).`,
		Example: `  vitae sink redrive mokaru --dry-run
  vitae sink redrive mokaru --id 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --action mark_done --reason 'seen on the site'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains([]string{"retry", "mark_done", "skip", "recreate"}, action) {
				return usage("--action must be retry, mark_done, skip or recreate")
			}
			if action != "retry" && id == "" {
				return usage("--action %s is for one edit: name it with --id", action)
			}
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			ids := []string{id}
			if id == "" {
				if ids, err = a.parkedIDs(c, cl, args[0]); err != nil {
					return err
				}
			}
			return a.redrive(c, cl, args[0], ids, map[string]string{"action": action, "reason": reason})
		},
	}
	c.Flags().StringVar(&id, "id", "", "only this one")
	c.Flags().StringVar(&action, "action", "retry", "retry, mark_done, skip or recreate")
	c.Flags().StringVar(&reason, "reason", "redriven by hand", "why, kept in the journal")
	return a.changes(a.remote(c))
}

func (a *app) parkedIDs(c *cobra.Command, cl *client.Client, provider string) ([]string, error) {
	items, err := a.all(c.Context(), cl, sinkPath(provider, "parked"), nil)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, raw := range items {
		var p parked
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// redrive goes through all of them: one that fails does not stop the others.
func (a *app) redrive(c *cobra.Command, cl *client.Client, provider string, ids []string, action map[string]string) error {
	body, err := json.Marshal(action)
	if err != nil {
		return err
	}
	failed := 0
	var results []json.RawMessage
	for _, id := range ids {
		var out struct {
			ID     string `json:"id"`
			Action string `json:"action"`
			Error  string `json:"error,omitempty"`
		}
		out.ID, out.Action = id, action["action"]
		_, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: sinkPath(provider, "parked", url.PathEscape(id)), Body: body}, nil)
		switch {
		case err != nil && (len(ids) == 1 || c.Context().Err() != nil):
			return err
		case err != nil:
			failed++
			out.Error = err.Error()
		}
		raw, err := json.Marshal(out)
		if err != nil {
			return err
		}
		results = append(results, raw)
	}
	if len(ids) == 0 {
		a.say("nothing is parked at %s", plain(provider, false))
	}
	err = a.list(results, row{"ID", "ACTION", "ERROR"}, func(raw json.RawMessage) (row, error) {
		var r struct{ ID, Action, Error string }
		err := json.Unmarshal(raw, &r)
		return row{r.ID, r.Action, r.Error}, err
	})
	if err == nil && failed > 0 {
		err = failWith(exitPartial, "%d of %d could not be redriven", failed, len(ids))
	}
	return err
}
