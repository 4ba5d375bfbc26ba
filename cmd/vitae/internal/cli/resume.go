package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) resumeCmd() *cobra.Command {
	return group("resume", "List, create, show, export and delete the resumes of a profile", "  vitae resume list",
		a.resumeListCmd(), a.resumeCreateCmd(), a.resumeShowCmd(), a.resumeExportCmd(), a.resumeDeleteCmd())
}

func (a *app) resumeListCmd() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the resumes",
		Example: "  vitae resume list -o json\n  vitae resume list --at 42",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, "/v1/resume", asOf(at))
			if err != nil {
				return err
			}
			return a.list(items, row{"ID", "NAME", "DEFAULT", "CREATED", "UPDATED"}, func(raw json.RawMessage) (row, error) {
				var r struct {
					ID, Name             string
					IsDefault            bool
					CreatedAt, UpdatedAt string
				}
				if err := json.Unmarshal(raw, &r); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{r.ID, r.Name, strconv.FormatBool(r.IsDefault), r.CreatedAt, r.UpdatedAt}, nil
			})
		},
	}
	c.Flags().StringVar(&at, "at", "", "the resumes after this sequence, or at this time (RFC 3339)")
	return a.about(c)
}

func (a *app) resumeCreateCmd() *cobra.Command {
	var name, reason string
	c := &cobra.Command{
		Use:     "create --name NAME",
		Short:   "Create a resume as a copy of the base resume, and print its id",
		Example: "  vitae resume create --name 'For design jobs'",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if name == "" {
				return usage("--name is missing")
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"name": name})
			if err != nil {
				return err
			}
			header, err := reasonHeader(reason)
			if err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: "/v1/resume", Body: body, Header: header}, &d)
			if err != nil {
				return err
			}
			return a.printCreated(unwrap(r, d))
		},
	}
	c.Flags().StringVar(&name, "name", "", "what the resume is called")
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	return a.changes(a.about(c))
}

func (a *app) resumeShowCmd() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:     "show ID",
		Short:   `Show a resume ("base" is one too): the shared scalars and its own collections`,
		Example: "  vitae resume show base\n  vitae resume show 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --at 42",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			raw, err := a.get(c.Context(), cl, "/v1/resume/"+url.PathEscape(args[0]), asOf(at))
			if err != nil {
				return err
			}
			return a.printLeaves(raw, row{"FIELD", "VALUE"})
		},
	}
	c.Flags().StringVar(&at, "at", "", "the state after this sequence, or at this time (RFC 3339)")
	return a.about(c)
}

func (a *app) resumeDeleteCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a resume; its history stays",
		Example: "  vitae resume delete 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			if err := a.confirm(fmt.Sprintf("Delete the resume %s?", args[0])); err != nil {
				return err
			}
			header, err := reasonHeader(reason)
			if err != nil {
				return err
			}
			return a.remove(c.Context(), cl, client.Call{Path: "/v1/resume/" + url.PathEscape(args[0]), Header: header}, "the resume "+args[0]+" is deleted")
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, kept with the edit")
	return a.asks(a.changes(a.about(c)))
}
