package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// plan is what it takes to bring a provider to a state, as the API shows it.
type plan struct {
	ID, Sink, Digest                   string
	Looked, Operations, Requests, Days int
	Minutes                            float64
	Profiles                           []struct {
		Profile              string
		Operations           []planned
		NotRepeated, Waiting []string
		AtRisk               map[string]int
	}
}

// planned is one operation of a plan. Before and After are nil where the key may not see
// values.
type planned struct {
	Entity, Verb, Why string
	Changes           []struct {
		Field         string
		Before, After json.RawMessage
	}
}

// progress is how far a plan is that is carried out.
type progress struct {
	State                      string
	Total, Done, Parked, Moved uint64
}

// planTimeout bounds the making of a plan: it reads the provider at its rate.
const planTimeout = time.Hour

// target are the flags that say what a plan is about.
type target struct {
	profile string
	to      uint64
}

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVar(&t.profile, "profile", "", "only this profile (default: all that are connected)")
	c.Flags().Uint64Var(&t.to, "to", 0, "the state after this commit (default: the newest)")
}

// makePlan asks for a plan.
func (a *app) makePlan(c *cobra.Command, provider string, t target) (cl *client.Client, raw json.RawMessage, p plan, err error) {
	if c.Flags().Changed("to") && t.to == 0 {
		return nil, nil, p, usage("--to must be a sequence: a whole number from 1")
	}
	a.client.timeout = planTimeout
	if cl, err = a.connect(""); err != nil {
		return nil, nil, p, err
	}
	about := map[string]any{}
	if t.profile != "" {
		about["profile"] = t.profile
	}
	if t.to != 0 {
		about["to"] = t.to
	}
	body, err := json.Marshal(about)
	if err != nil {
		return nil, nil, p, err
	}
	// To make a plan changes nothing: it is the same in a dry run.
	r, err := cl.Do(c.Context(), client.Call{Method: http.MethodPost, Path: sinkPath(provider, "plan"), Body: body}, &p)
	return cl, r.Body, p, err
}

func (a *app) sinkPlanCmd() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "plan PROVIDER",
		Short: "See what it takes to bring a provider to the ledger's state",
		Long: `Read the provider, compare it with the ledger, and print what would have to be written
there. Nothing is changed. It takes as long as the provider's rate makes it take. The
values that a field has and will have are shown to a key with the scope values:read.`,
		Example:           "  vitae sink plan mokaru\n  vitae sink plan mokaru --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --to 1200 -o json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			_, raw, p, err := a.makePlan(c, args[0], t)
			if err != nil {
				return err
			}
			return a.print(raw, p.table)
		},
	}
	t.flags(c)
	return a.remote(c)
}

// table prints a plan: its operations, then what they come to.
func (p *plan) table(w io.Writer) error {
	rows := []row{}
	var notes []row
	risks := map[string]int{}
	repeated := 0
	for _, one := range p.Profiles {
		for _, op := range one.Operations {
			rows = append(rows, row{one.Profile, op.Entity, op.Verb, op.Why, op.changes()})
		}
		for _, name := range one.NotRepeated {
			notes = append(notes, row{one.Profile, name, "was done once, and is not repeated"})
			repeated++
		}
		for _, why := range one.Waiting {
			notes = append(notes, row{one.Profile, "left out", why})
		}
		for field, n := range one.AtRisk {
			risks[field] += n
		}
	}
	if len(rows) > 0 {
		if err := writeTable(w, row{"PROFILE", "ENTITY", "VERB", "WHY", "CHANGES"}, rows); err != nil {
			return err
		}
	}
	if len(notes) > 0 {
		if err := writeTable(w, nil, notes); err != nil {
			return err
		}
	}
	return writeTable(w, nil, []row{
		{"profiles looked at", strconv.Itoa(p.Looked)},
		{"operations", strconv.Itoa(p.Operations)},
		{"requests", strconv.Itoa(p.Requests)},
		{"minutes", strconv.FormatFloat(p.Minutes, 'f', -1, 64)},
		{"days", strconv.Itoa(p.Days)},
		{"not repeated", strconv.Itoa(repeated)},
		{"foreign items at risk", riskText(risks)},
		{"plan", p.ID},
	})
}

func riskText(risks map[string]int) string {
	total := 0
	var parts []string
	for field, n := range risks {
		total += n
		parts = append(parts, fmt.Sprintf("%s %d", field, n))
	}
	if total == 0 {
		return "0"
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

// changes names the fields of an operation, with their values where they are shown.
func (o *planned) changes() string {
	var out []string
	for _, c := range o.Changes {
		if c.Before == nil && c.After == nil {
			out = append(out, c.Field)
			continue
		}
		out = append(out, c.Field+": "+short(c.Before)+" -> "+short(c.After))
	}
	return strings.Join(out, "; ")
}

// short is a value for a table.
func short(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return "nothing"
	}
	const most = 40
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "?"
	}
	text := []rune(b.String())
	if len(text) > most {
		text = append(text[:most-3], []rune("...")...)
	}
	return string(text)
}

func (a *app) sinkRecoverCmd() *cobra.Command {
	var t target
	var cancel string
	c := &cobra.Command{
		Use:   "recover PROVIDER",
		Short: "Bring a provider to the ledger's state, after looking at the plan",
		Long: `Make a plan, print it, and carry it out: after asking on a terminal, at once with --yes.
Without --yes and without a terminal the plan is printed and nothing is changed. The
server goes on by itself, also over a restart: Ctrl-C leaves it at work, and --cancel ends
it. Edits made meanwhile are delivered too, and go before the plan. Exit code 0: all of it
is done. 3: something was parked, or taken out by a newer edit. 6: the world has changed
since the plan was made.`,
		Example: `  vitae sink recover mokaru --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4
  vitae sink recover mokaru --to 1200 --yes
  vitae sink recover --cancel 01J8Z3K5V6Q7R8S9T0V1W2X3Y4`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("cancel") {
				if cancel == "" || len(args) > 0 || t.profile != "" || c.Flags().Changed("to") {
					return usage("--cancel takes the id of a plan, and nothing beside it")
				}
				return a.cancelPlan(c, cancel)
			}
			if len(args) == 0 {
				return usage("name the provider, or a plan with --cancel")
			}
			return a.recover(c, args[0], t)
		},
	}
	t.flags(c)
	c.Flags().StringVar(&cancel, "cancel", "", "end this plan: what is under way is finished, the rest stays as it is")
	return a.asks(a.changes(a.remote(c)))
}

func (a *app) cancelPlan(c *cobra.Command, id string) error {
	cl, err := a.connect("")
	if err != nil {
		return err
	}
	r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodDelete, Path: "/v1/plans/" + url.PathEscape(id)}, nil)
	if err != nil {
		return err
	}
	if !a.client.dryRun {
		a.say("cancelled: what was under way is finished, the rest stays as it is")
	}
	return a.print(unwrap(r, data{}), printNothing)
}

func (a *app) recover(c *cobra.Command, provider string, t target) error {
	cl, raw, p, err := a.makePlan(c, provider, t)
	if err != nil {
		return err
	}
	asked := isTerminal(a.In) && isTerminal(a.Err)
	apply := p.Operations > 0 && !a.client.dryRun && (a.client.yes || asked)
	switch {
	case !apply || a.output == "table":
		err = a.print(raw, p.table)
	case !a.client.yes: // who is asked must have seen it
		err = p.table(a.Err)
	}
	if err != nil {
		return err
	}
	switch {
	case p.Operations == 0:
		a.say("nothing to do: %s has what it should", plain(provider, false))
		return nil
	case a.client.dryRun:
		a.say("dry run: nothing was changed")
		return nil
	case !apply:
		a.say("nothing was changed: give --yes to carry it out")
		return nil
	}
	if err := a.confirm(fmt.Sprintf("Write %d to %s?", p.Operations, provider)); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"digest": p.Digest})
	if err != nil {
		return err
	}
	path := "/v1/plans/" + url.PathEscape(p.ID)
	if _, err := cl.Do(c.Context(), client.Call{Method: http.MethodPost, Path: path + "/apply", Body: body}, nil); err != nil {
		return err
	}
	end, now, err := a.followPlan(c.Context(), cl, "recover "+provider, path)
	if err != nil {
		a.say("the server goes on with it; to end it: vitae sink recover --cancel %s", plain(p.ID, false))
		return err
	}
	if a.output != "table" {
		if err := a.print(withProgress(raw, end), printNothing); err != nil {
			return err
		}
	}
	a.say("%s: %d of %d done, %d parked, %d moved", now.State, now.Done, now.Total, now.Parked, now.Moved)
	switch {
	case now.State == "cancelled":
		return failWith(exitPartial, "the plan was cancelled on the way")
	case now.Parked+now.Moved > 0:
		return failWith(exitPartial, "%d parked, %d taken out by newer edits: see vitae sink parked %s", now.Parked, now.Moved, provider)
	}
	return nil
}

// withProgress adds how a plan ended to the plan, an object.
func withProgress(plan, progress json.RawMessage) json.RawMessage {
	plan = bytes.TrimSuffix(bytes.TrimSpace(plan), []byte("}"))
	return slices.Concat(plan, []byte(`,"progress":`), progress, []byte("}"))
}

// lostFor is how long a server that cannot be reached is asked again: a plan goes on over
// its restart.
const lostFor = 30 * time.Second

// followPlan asks how far a plan is until it is over.
func (a *app) followPlan(ctx context.Context, cl *client.Client, what, path string) (raw json.RawMessage, now progress, err error) {
	m := a.meter(what)
	defer m.end()
	var lost time.Time
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, time.Second) {
		r, err := cl.Do(ctx, client.Call{Method: http.MethodGet, Path: path}, &now)
		var away *client.Unreachable
		var refused *client.Error
		switch {
		case err == nil:
			lost = time.Time{}
			if now.State == "done" || now.State == "cancelled" {
				return r.Body, now, nil
			}
			m.show(now.Done+now.Parked+now.Moved, now.Total)
		case ctx.Err() != nil:
			return nil, now, ctx.Err()
		case errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests:
			pause = max(pause, refused.RetryAfter)
		case errors.As(err, &away) || errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
			if lost.IsZero() {
				lost = time.Now()
			}
			if time.Since(lost) > lostFor {
				return nil, now, err
			}
		default:
			return nil, now, err
		}
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return nil, now, ctx.Err()
		}
	}
}
