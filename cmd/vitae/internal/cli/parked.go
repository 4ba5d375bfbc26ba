package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

// parked is a parked edit as the API shows it; without an id it is one in doubt.
type parked struct {
	ID, Profile, Entity, Class, Verb, Code, Reason, Since string
	SentAt, NextAt                                        string
	Attempts                                              int
	Choices                                               []string
}

var parkedHeading = row{"ID", "CODE", "PROFILE", "ENTITY", "CLASS", "VERB", "SINCE", "SENT", "ATTEMPTS", "NEXT", "CHOICES", "REASON"}

func parkedRow(raw json.RawMessage) (row, error) {
	var p parked
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return row{or(p.ID), p.Code, p.Profile, p.Entity, p.Class, or(p.Verb), p.Since, or(p.SentAt), strconv.Itoa(p.Attempts), or(p.NextAt),
		or(strings.Join(p.Choices, ",")), p.Reason}, nil
}

// parkedFilter says which parked edits a command is about.
type parkedFilter struct {
	code, entity, class, profile string
	older                        time.Duration
}

func (f *parkedFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.code, "code", "", "only those parked with this code")
	c.Flags().StringVar(&f.entity, "entity", "", "only this entity, or the items of this section")
	c.Flags().StringVar(&f.class, "class", "", "only this class: A to F")
	c.Flags().StringVar(&f.profile, "profile", "", "only this profile's")
	c.Flags().DurationVar(&f.older, "older-than", 0, "only those parked for longer than this, such as 24h")
}

// given are the members of the filter that were set.
func (f *parkedFilter) given() (map[string]string, error) {
	if f.older < 0 {
		return nil, usage("--older-than must not be negative")
	}
	out := map[string]string{}
	for name, v := range map[string]string{"code": f.code, "entity": f.entity, "class": f.class, "profile": f.profile} {
		if v != "" {
			out[name] = v
		}
	}
	if f.older > 0 {
		out["before"] = time.Now().Add(-f.older).UTC().Format(time.RFC3339)
	}
	return out, nil
}

func (a *app) sinkParkedCmd() *cobra.Command {
	var filter parkedFilter
	c := &cobra.Command{
		Use:   "parked PROVIDER",
		Short: "List the edits that wait for a person, and those in doubt",
		Long: `List the edits that wait for a person. Those without an id are in doubt: whether the
provider has them is not known yet, and is looked at again at the time under NEXT.`,
		Example:           "  vitae sink parked mokaru\n  vitae sink parked mokaru --entity workExperiences --older-than 24h",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			given, err := filter.given()
			if err != nil {
				return err
			}
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, v := range given {
				query.Set(name, v)
			}
			items, err := a.all(c.Context(), cl, sinkPath(args[0], "parked"), query)
			if err != nil {
				return err
			}
			return a.list(items, parkedHeading, parkedRow)
		},
	}
	filter.flags(c)
	return a.remote(c)
}

func (a *app) sinkRedriveCmd() *cobra.Command {
	var id, action, reason string
	var filter parkedFilter
	c := &cobra.Command{
		Use:   "redrive PROVIDER",
		Short: "Decide about parked edits: try them again, all of them or some",
		Long: `Try parked edits again: all of them, one (--id), or those that the other flags describe.
With --action they can also be closed by hand: mark_done (the provider has it), skip (it
need not), recreate (make it anew there); that needs --id or a flag that says which. Every
decision is kept in the history of its profile. Exit code 3: some could not be decided.`,
		Example: `  vitae sink redrive mokaru --dry-run
  vitae sink redrive mokaru --code refused --older-than 24h
  vitae sink redrive mokaru --id 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --action mark_done --reason 'seen on the site'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains([]string{"retry", "mark_done", "skip", "recreate"}, action) {
				return usage("--action must be retry, mark_done, skip or recreate")
			}
			given, err := filter.given()
			switch {
			case err != nil:
				return err
			case id != "" && len(given) > 0:
				return usage("--id names one edit: the other filters have no use")
			case action != "retry" && id == "" && len(given) == 0:
				return usage("--action %s needs to be told which: --id, --code, --entity, --class, --profile or --older-than", action)
			}
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			if id != "" {
				return a.redriveOne(c, cl, args[0], id, map[string]any{"action": action, "reason": reason})
			}
			body := map[string]any{"action": action, "reason": reason}
			if len(given) > 0 {
				body["filter"] = given
			}
			return a.redrive(c, cl, args[0], body)
		},
	}
	c.Flags().StringVar(&id, "id", "", "only this one")
	c.Flags().StringVar(&action, "action", "retry", "retry, mark_done, skip or recreate")
	c.Flags().StringVar(&reason, "reason", "redriven by hand", "why, kept in the history")
	filter.flags(c)
	return a.changes(a.remote(c))
}

func (a *app) redriveOne(c *cobra.Command, cl *client.Client, provider, id string, choice map[string]any) error {
	body, err := json.Marshal(choice)
	if err != nil {
		return err
	}
	r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: sinkPath(provider, "parked", url.PathEscape(id)), Body: body}, nil)
	if err != nil {
		return err
	}
	if !a.client.dryRun {
		a.say("decided: %v", choice["action"])
	}
	return a.print(r.Body, printNothing)
}

// redriven is what came of decisions about many edits.
type redriven struct {
	Matched int               `json:"matched"`
	Decided int               `json:"decided"`
	Failed  []undecided       `json:"failed"`
	Data    []json.RawMessage `json:"data,omitempty"`
	More    bool              `json:"more,omitempty"`
}

type undecided struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

// redrive decides about all that the filter takes, in as many requests as that needs: an
// edit that is parked anew meanwhile is not decided about again without end.
func (a *app) redrive(c *cobra.Command, cl *client.Client, provider string, choice map[string]any) error {
	body, err := json.Marshal(choice)
	if err != nil {
		return err
	}
	total := redriven{Failed: []undecided{}}
	for round, rounds := 1, 1; round <= rounds; round++ {
		var one redriven
		r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: sinkPath(provider, "parked"), Body: body}, &one)
		if err != nil {
			return err
		}
		if a.client.dryRun {
			return a.print(r.Body, func(w io.Writer) error {
				rows := []row{}
				for _, raw := range one.Data {
					cells, err := parkedRow(raw)
					if err != nil {
						return err
					}
					rows = append(rows, cells)
				}
				a.say("%d would be decided about", one.Matched)
				return writeTable(w, parkedHeading, rows)
			})
		}
		if round == 1 {
			total.Matched = one.Matched
		}
		total.Decided += one.Decided
		for _, f := range one.Failed {
			if !slices.ContainsFunc(total.Failed, func(old undecided) bool { return old.ID == f.ID }) {
				total.Failed = append(total.Failed, f)
			}
		}
		if one.More && one.Decided > 0 && total.Decided < total.Matched {
			rounds++
		}
	}
	if total.Matched == 0 {
		a.say("nothing such is parked at %s", plain(provider, false))
	}
	raw, err := json.Marshal(total)
	if err != nil {
		return err
	}
	err = a.print(raw, func(w io.Writer) error {
		if err := writeTable(w, row{"MATCHED", "DECIDED", "FAILED"}, []row{{strconv.Itoa(total.Matched), strconv.Itoa(total.Decided), strconv.Itoa(len(total.Failed))}}); err != nil || len(total.Failed) == 0 {
			return err
		}
		rows := []row{}
		for _, f := range total.Failed {
			rows = append(rows, row{f.ID, f.Error})
		}
		return writeTable(w, row{"ID", "ERROR"}, rows)
	})
	if err == nil && len(total.Failed) > 0 {
		err = failWith(exitPartial, "%d of %d could not be decided", len(total.Failed), total.Matched)
	}
	return err
}
