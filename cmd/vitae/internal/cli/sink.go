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
		a.sinkParkedCmd(), a.sinkRedriveCmd(), a.sinkPlanCmd(), a.sinkRecoverCmd(), a.sinkJournalCmd())
}

// sink is a sink as the API shows it.
type sink struct {
	Name, State       string
	Health            string
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
			return a.list(items, row{"SINK", "STATE", "HEALTH", "LAG", "FRESHNESS", "LANES", "PARKED", "UNCERTAIN", "LAST ERROR"}, func(raw json.RawMessage) (row, error) {
				var s sink
				if err := json.Unmarshal(raw, &s); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{
					s.Name, s.State, s.Health, strconv.FormatUint(s.LagEvents, 10), fmt.Sprintf("%.0fs", s.FreshnessSeconds), phases(s.Lanes),
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
