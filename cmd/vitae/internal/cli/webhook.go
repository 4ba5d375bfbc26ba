package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) webhookCmd() *cobra.Command {
	return group("webhook", "Have events delivered to an address, signed and retried", "  vitae webhook list",
		a.webhookAddCmd(), a.webhookListCmd(), a.webhookShowCmd(), a.webhookTestCmd(), a.webhookAttemptsCmd(),
		a.webhookRedriveCmd(), a.webhookRotateCmd(), a.webhookRemoveCmd())
}

// hook is a webhook as the API shows it.
type hook struct {
	ID, URL, Profile, Description, State, Why, Secret, PublicKey string
	Types                                                        []string
	Values                                                       bool
	CreatedAt                                                    string
	Cursor                                                       uint64
	Behind                                                       int
	Failed                                                       []struct {
		Seq             uint64
		Event, Type, At string
		Attempts        int
		Why             string
	}
}

func (h *hook) table(w io.Writer) error {
	types := "all"
	if len(h.Types) > 0 {
		types = strings.Join(h.Types, ",")
	}
	rows := []row{{"ID", h.ID}, {"URL", h.URL}, {"PROFILE", h.Profile}, {"TYPES", types}, {"VALUES", strconv.FormatBool(h.Values)}, {"STATE", h.State}}
	for _, more := range []row{{"WHY", h.Why}, {"DESCRIPTION", h.Description}, {"SECRET", h.Secret}, {"PUBLIC KEY", h.PublicKey}} {
		if more[1] != "" {
			rows = append(rows, more)
		}
	}
	if h.Cursor > 0 {
		rows = append(rows, row{"NEXT EVENT", strconv.FormatUint(h.Cursor, 10)}, row{"PROFILES BEHIND", strconv.Itoa(h.Behind)}, row{"FAILED", strconv.Itoa(len(h.Failed))})
	}
	if err := writeTable(w, nil, rows); err != nil || len(h.Failed) == 0 {
		return err
	}
	rows = nil
	for _, f := range h.Failed {
		rows = append(rows, row{strconv.FormatUint(f.Seq, 10), f.Event, f.Type, strconv.Itoa(f.Attempts), f.At, f.Why})
	}
	return writeTable(w, row{"SEQ", "EVENT", "TYPE", "ATTEMPTS", "AT", "WHY"}, rows)
}

// printHook prints the answer to a call about one webhook.
func (a *app) printHook(c *cobra.Command, call client.Call) error {
	cl, err := a.connect("")
	if err != nil {
		return err
	}
	var d data
	r, err := a.call(c.Context(), cl, call, &d)
	if err != nil {
		return err
	}
	raw := unwrap(r, d)
	return a.print(raw, func(w io.Writer) error {
		var h hook
		if err := json.Unmarshal(raw, &h); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		return h.table(w)
	})
}

func hookPath(id string, more ...string) string {
	return strings.Join(append([]string{"/v1/webhooks", url.PathEscape(id)}, more...), "/")
}

func (a *app) webhookAddCmd() *cobra.Command {
	var body struct {
		URL         string   `json:"url"`
		Types       []string `json:"types,omitempty"`
		Profile     string   `json:"profile,omitempty"`
		Description string   `json:"description,omitempty"`
		Values      bool     `json:"values,omitempty"`
	}
	c := &cobra.Command{
		Use:   "add URL",
		Short: "Have events delivered to an address, and print its secret, once",
		Long: `Have events delivered to an address from now on: each as a CloudEvent in JSON, signed as
Standard Webhooks says, in order for each profile, at least once under the same id. What is
not taken is tried again for three days.`,
		Example: `  vitae webhook add https://example.com/vitae
  vitae webhook add https://example.com/vitae --type vitae.profile.changed.v1 --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --values`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body.URL = args[0]
			b, err := json.Marshal(body)
			if err != nil {
				return err
			}
			if err := a.printHook(c, client.Call{Method: http.MethodPost, Path: "/v1/webhooks", Body: b}); err != nil {
				return err
			}
			if !a.client.dryRun {
				a.say("the secret is shown this once: keep it")
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&body.Types, "type", nil, "only events of these types")
	c.Flags().StringVar(&body.Profile, "profile", "", "only events of this profile")
	c.Flags().StringVar(&body.Description, "description", "", "what it is for")
	c.Flags().BoolVar(&body.Values, "values", false, "with the values that changed (the key needs values:read)")
	return a.changes(a.remote(c))
}

func (a *app) webhookListCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "list",
		Short:   "List the webhooks",
		Example: "  vitae webhook list -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, "/v1/webhooks", nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"ID", "STATE", "PROFILE", "URL", "WHY"}, func(raw json.RawMessage) (row, error) {
				var h hook
				if err := json.Unmarshal(raw, &h); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{h.ID, h.State, h.Profile, h.URL, h.Why}, nil
			})
		},
	})
}

func (a *app) webhookShowCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "show ID",
		Short:   "Show how far a webhook is, and what failed",
		Example: "  vitae webhook show 01J8Z3K5V6Q7R8S9T0V1W2X3Y4",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.printHook(c, client.Call{Method: http.MethodGet, Path: hookPath(args[0])})
		},
	})
}

// tried is one attempt as the API shows it.
type tried struct {
	Event, Type, At, Outcome, Why, Next string
	N, Status                           int
	Millis                              int64
}

func (t *tried) row() row {
	status := ""
	if t.Status > 0 {
		status = strconv.Itoa(t.Status)
	}
	return row{t.At, t.Event, t.Type, strconv.Itoa(t.N), t.Outcome, status, strconv.FormatInt(t.Millis, 10) + " ms", t.Why, t.Next}
}

var triedHeading = row{"AT", "EVENT", "TYPE", "N", "OUTCOME", "STATUS", "TOOK", "WHY", "NEXT"}

func (a *app) webhookTestCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "test ID",
		Short:   "Send a test event once, and say what came of it",
		Long:    "Send a test event, also to a webhook that is disabled. Exit code 1: it was not taken.",
		Example: "  vitae webhook test 01J8Z3K5V6Q7R8S9T0V1W2X3Y4",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: hookPath(args[0], "test")}, &d)
			if err != nil {
				return err
			}
			raw := unwrap(r, d)
			if a.client.dryRun {
				return a.print(raw, printNothing)
			}
			var t tried
			if err := json.Unmarshal(raw, &t); err != nil {
				return fmt.Errorf("the server's answer: %w", err)
			}
			if err := a.print(raw, func(w io.Writer) error { return writeTable(w, triedHeading, []row{t.row()}) }); err != nil {
				return err
			}
			if t.Outcome != "delivered" {
				return failWith(exitFailed, "it was not taken: %s", t.Why)
			}
			return nil
		},
	}
	return a.changes(a.remote(c))
}

func (a *app) webhookAttemptsCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "attempts ID",
		Short:   "List what was tried, the oldest first",
		Example: "  vitae webhook attempts 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 -o jsonl",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, hookPath(args[0], "attempts"), nil)
			if err != nil {
				return err
			}
			return a.list(items, triedHeading, func(raw json.RawMessage) (row, error) {
				var t tried
				if err := json.Unmarshal(raw, &t); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return t.row(), nil
			})
		},
	})
}

func (a *app) webhookRedriveCmd() *cobra.Command {
	var body struct {
		Since uint64 `json:"since,omitempty"`
		ID    string `json:"id,omitempty"`
	}
	c := &cobra.Command{
		Use:   "redrive ID",
		Short: "Enable a webhook, and send again",
		Long: `Enable a webhook and send what failed or waits, at once. --event sends one failed event
alone; --since sends every event of the feed from there on, also those that were delivered.`,
		Example: `  vitae webhook redrive 01J8Z3K5V6Q7R8S9T0V1W2X3Y4
  vitae webhook redrive 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --since 1200`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := json.Marshal(body)
			if err != nil {
				return err
			}
			return a.printHook(c, client.Call{Method: http.MethodPost, Path: hookPath(args[0], "redrive"), Body: b})
		},
	}
	c.Flags().Uint64Var(&body.Since, "since", 0, "every event from this place in the feed on")
	c.Flags().StringVar(&body.ID, "event", "", "this failed event alone, by its id")
	return a.changes(a.remote(c))
}

func (a *app) webhookRotateCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "rotate ID",
		Short:   "Give a webhook a new secret, and print it, once",
		Long:    "Give a webhook a new secret. The old one signs beside it for 24 hours, so that both sides can change without losing an event.",
		Example: "  vitae webhook rotate 01J8Z3K5V6Q7R8S9T0V1W2X3Y4",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.printHook(c, client.Call{Method: http.MethodPost, Path: hookPath(args[0], "rotate")})
		},
	}
	return a.changes(a.remote(c))
}

func (a *app) webhookRemoveCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "remove ID",
		Short:   "Take a webhook away, with what waits for it",
		Example: "  vitae webhook remove 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			if err := a.confirm(fmt.Sprintf("Remove the webhook %s and what waits for it?", args[0])); err != nil {
				return err
			}
			return a.remove(c.Context(), cl, client.Call{Path: hookPath(args[0])}, "the webhook "+args[0]+" is removed")
		},
	}
	return a.asks(a.changes(a.remote(c)))
}
