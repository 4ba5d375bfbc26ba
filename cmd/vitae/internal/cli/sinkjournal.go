package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func (a *app) sinkJournalCmd() *cobra.Command {
	filters := map[string]*string{}
	var limit int
	c := &cobra.Command{
		Use:   "journal PROVIDER",
		Short: "List every attempt to deliver a profile's edits, oldest first",
		Long: `List what was done to deliver a profile's edits to a provider: every wish, attempt, answer
and decision, oldest first. A line "gap" says that the server does not know what happened
there: its journal was away when those blocks were given up.`,
		Example: `  vitae sink journal mokaru --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4
  vitae sink journal mokaru --entity workExperiences -o jsonl`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit must be 0 (all) or more")
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			q := url.Values{"sink": {args[0]}}
			for name, v := range filters {
				if *v != "" {
					q.Set(name, *v)
				}
			}
			var rows []json.RawMessage
			err = a.pages(c.Context(), cl, path+"/deliveries", q, limit, func(page []json.RawMessage) error {
				if a.output != "jsonl" {
					rows = append(rows, page...)
					return nil
				}
				return a.list(page, nil, nil) // line by line, as they come
			})
			if err != nil || a.output == "jsonl" {
				return err
			}
			return a.list(rows, row{"AT", "ENTITY", "EVENT", "PHASE", "END", "COMMITS", "VERB", "ATTEMPT", "SENT", "HTTP", "MESSAGE"}, deliveryRow)
		},
	}
	for name, help := range map[string]string{
		"entity":  "only this entity, or the items of this section",
		"attempt": "only this attempt",
		"after":   "go on after this cursor",
	} {
		filters[name] = c.Flags().String(name, "", help)
	}
	c.Flags().IntVar(&limit, "limit", 0, "stop after this many rows; 0 lists all")
	return a.about(c)
}

// deliveryRow shows a row of the journal in a line.
func deliveryRow(raw json.RawMessage) (row, error) {
	var r struct {
		At, Entity, Event, To, End, Verb, Step, Attempt, Sent, Type, Message string
		FromSeq, ToSeq                                                       uint64
		HTTP                                                                 int
		Decision                                                             *struct{ Actor string }
		Gap                                                                  *struct {
			From, To uint64
			Why      string
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	if g := r.Gap; g != nil {
		return row{r.At, "-", r.Event, "-", "-", "-", "-", "-", "-", "-", fmt.Sprintf("blocks %d to %d are not known: %s", g.From, g.To, g.Why)}, nil
	}
	commits, verb, http, message := "", r.Verb, "", r.Message
	if r.ToSeq > 0 {
		commits = fmt.Sprintf("%d-%d", r.FromSeq, r.ToSeq)
	}
	if r.Step != "" {
		verb += "/" + r.Step
	}
	if r.HTTP > 0 {
		http = strconv.Itoa(r.HTTP)
	}
	if r.Type != "" && message != "" {
		message = r.Type + ": " + message
	} else if message == "" {
		message = r.Type
	}
	if r.Decision != nil {
		message = "by " + r.Decision.Actor
	}
	return row{r.At, r.Entity, r.Event, r.To, or(r.End), or(commits), or(verb), or(r.Attempt), or(r.Sent), or(http), or(message)}, nil
}
