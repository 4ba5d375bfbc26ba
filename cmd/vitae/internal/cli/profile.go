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

func (a *app) profileCmd() *cobra.Command {
	return group("profile", "Create, read, edit a profile, see its history, and go back",
		"  vitae profile show --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4",
		a.profileCreateCmd(), a.profileShowCmd(), a.profileSetCmd(), a.profileHistoryCmd(), a.profileArchiveCmd(),
		a.profileBlameCmd(), a.profileDiffCmd(), a.profileRestoreCmd(), a.profileAccessCmd(), a.profileEraseCmd(), a.profileReceiptCmd())
}

func (a *app) profileCreateCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "create [FIELD=VALUE]...",
		Short: "Create a profile, with first values or empty",
		Long: `Create a profile and print its id. The admin key, or a key for all profiles with the
scope admin, is needed. Values are written as for "vitae profile set".`,
		Example: `  vitae profile create --key-file data/admin.key
  vitae profile create firstName=Jane lastName=Smith email=jane@example.com`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			call := client.Call{Method: http.MethodPost, Path: "/v1/profiles"}
			if len(args) > 0 {
				if call.Body, err = a.parseValues(args); err != nil {
					return err
				}
			}
			if call.Header, err = reasonHeader(reason); err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, call, &d)
			if err != nil {
				return err
			}
			return a.printCreated(unwrap(r, d))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	return a.changes(a.remote(c))
}

// printCreated prints what was made: for people its id alone, so that $(...) can take it.
func (a *app) printCreated(raw json.RawMessage) error {
	return a.print(raw, func(w io.Writer) error {
		var made struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &made); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		if made.ID == "" && a.client.dryRun {
			return nil
		}
		_, err := fmt.Fprintln(w, plain(made.ID, false))
		return err
	})
}

// reasonHeader carries --reason.
func reasonHeader(reason string) (http.Header, error) {
	if reason == "" {
		return nil, nil
	}
	if strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, usage("--reason must be one line")
	}
	return http.Header{"X-Vitae-Reason": {reason}}, nil
}

func (a *app) profileShowCmd() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:   "show",
		Short: "Show a profile with the collections of its base resume",
		Example: `  vitae profile show
  vitae profile show --at 42
  vitae profile show --at 2026-05-03T10:14:00Z -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			raw, err := a.get(c.Context(), cl, profilePath(cl), asOf(at))
			if err != nil {
				return err
			}
			return a.printLeaves(raw, row{"FIELD", "VALUE"})
		},
	}
	c.Flags().StringVar(&at, "at", "", "the state after this sequence, or at this time (RFC 3339)")
	return a.about(c)
}

// asOf is the query of --at.
func asOf(at string) url.Values {
	if at == "" {
		return nil
	}
	return url.Values{"at": {at}}
}

func (a *app) profileSetCmd() *cobra.Command {
	var reason, ifMatch string
	c := &cobra.Command{
		Use:   "set FIELD=VALUE...",
		Short: "Edit fields of a profile, all of them or none",
		Long: `Edit fields. What is not named stays as it is.

A value is a text; a number, true or false where "vitae fields" says so; null, which
clears the field; or @FILE with the JSON of a whole collection or object (@- for stdin).
FIELD:=JSON takes the JSON as it stands, for a text that looks like one of these.`,
		Example: `  vitae profile set firstName=Jane projects=@projects.json phone=null
  vitae profile set nexudus.onNewWallPost=true 'firstName@fr_FR=Jeanne'
  vitae profile set jobTitle='Product Designer' --reason 'new job' --if-match 41
  vitae profile set twitter:='"@jane"' --dry-run`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			call := client.Call{Method: http.MethodPatch, Path: profilePath(cl)}
			if call.Body, err = a.parseValues(args); err != nil {
				return err
			}
			if call.Header, err = editHeader(reason, ifMatch); err != nil {
				return err
			}
			r, err := a.call(c.Context(), cl, call, nil)
			if err != nil {
				return err
			}
			return a.printEdit(r.Body)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	c.Flags().StringVar(&ifMatch, "if-match", "", "edit only if the profile is still at this sequence (or has this ETag)")
	return a.changes(a.about(c))
}

// entityTag is the ETag of a sequence; what is not a number is taken for an ETag.
func entityTag(s string) string {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return `"` + s + `"`
	}
	return s
}

// printEdit prints the answer to an edit.
func (a *app) printEdit(raw json.RawMessage) error {
	return a.print(raw, func(w io.Writer) error {
		var reply struct {
			Updated bool     `json:"updated"`
			Seq     uint64   `json:"seq"`
			Fields  []string `json:"fields"`
		}
		if err := json.Unmarshal(raw, &reply); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		return writeTable(w, row{"SEQ", "UPDATED", "FIELDS"},
			[]row{{strconv.FormatUint(reply.Seq, 10), strconv.FormatBool(reply.Updated), strings.Join(reply.Fields, ", ")}})
	})
}

func (a *app) profileHistoryCmd() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "history",
		Short: "List the events of a profile, oldest first",
		Example: `  vitae profile history
  vitae profile history --field jobTitle --view shared
  vitae profile history --from 2026-05-01T00:00:00Z --to 2026-05-31T23:59:59Z --actor admin
  vitae profile history --limit 20 -o jsonl`,
		Args: cobra.NoArgs,
	}
	query := texts(c, map[string]string{
		"field": "only this field", "view": viewHelp, "item": "only this item of a collection, or this provider's connection",
		"op": "only events that did this: set, clear, put, remove, order and more", "actor": "only edits by this actor",
		"via": "only edits that came this way: native, cli, a provider's dialect", "requestId": "only edits of this request",
		"reason": "only edits whose reason holds this text", "from": "from this sequence, or this time (RFC 3339), on",
		"to": "up to this sequence, or this time", "after": "go on after this cursor",
	})
	c.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := a.connectAbout()
		if err != nil {
			return err
		}
		if limit < 0 {
			return usage("--limit must be 0 (all) or more")
		}
		path, err := a.namedPath(c.Context(), cl)
		if err != nil {
			return err
		}
		var events []json.RawMessage
		err = a.pages(c.Context(), cl, path+"/history", query(), limit, func(page []json.RawMessage) error {
			if a.output != "jsonl" {
				events = append(events, page...)
				return nil
			}
			return a.list(page, nil, nil) // line by line, as they come
		})
		if err != nil || a.output == "jsonl" {
			return err
		}
		return a.list(events, row{"SEQ", "TIME", "ACTOR", "VIA", "VIEW", "FIELD", "ITEM", "OP", "VALUE"}, eventRow)
	}
	c.Flags().IntVar(&limit, "limit", 0, "stop after this many events; 0 lists all")
	return a.about(c)
}

// eventRow shows an event in a line. A long value is cut there, visibly.
func eventRow(raw json.RawMessage) (row, error) {
	var e struct {
		Seq                                     uint64
		Time, Actor, Via, View, Field, Item, Op string
		Value                                   json.RawMessage
		Erased                                  bool
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	value := inCell(e.Value)
	if e.Erased {
		value = "(erased)"
	}
	return row{strconv.FormatUint(e.Seq, 10), e.Time, e.Actor, e.Via, e.View, e.Field, e.Item, e.Op, value}, nil
}
