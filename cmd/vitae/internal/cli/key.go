package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) keyCmd() *cobra.Command {
	return group("key", "Create, list and revoke API keys (with the admin key)", "  vitae key list --key-file data/admin.key",
		a.keyCreateCmd(), a.keyListCmd(), a.keyRevokeCmd())
}

func (a *app) keyCreateCmd() *cobra.Command {
	var body struct {
		Profile string   `json:"profile"`
		Scopes  []string `json:"scopes"`
		Name    string   `json:"name,omitempty"`
	}
	c := &cobra.Command{
		Use:   "create --profile ID|'*' --scope SCOPE,...",
		Short: "Create a key and print it, once",
		Long: `Create a key for one profile, or for all of them ('*'). The server keeps only its hash:
this is the only time it is shown.

Scopes: profile:read, profile:write, audit:read, events:read, values:read, operate, admin.
Writing does not include reading.`,
		Example: `  vitae key create --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --scope profile:read,profile:write --name laptop
  vitae key create --profile '*' --scope operate -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if body.Profile == "" || len(body.Scopes) == 0 {
				return usage("--profile and --scope are both needed")
			}
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			b, err := json.Marshal(body)
			if err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPost, Path: "/v1/keys", Body: b}, &d)
			if err != nil {
				return err
			}
			raw := unwrap(r, d)
			if !a.client.dryRun {
				a.say("the key is shown this once: keep it")
			}
			return a.print(raw, func(w io.Writer) error {
				var k apiKey
				if err := json.Unmarshal(raw, &k); err != nil {
					return fmt.Errorf("the server's answer: %w", err)
				}
				return writeTable(w, nil, []row{
					{"KEY", k.Key}, {"ID", k.ID}, {"NAME", k.Name}, {"PROFILE", k.Profile}, {"SCOPES", strings.Join(k.Scopes, ",")},
				})
			})
		},
	}
	c.Flags().StringVar(&body.Profile, "profile", "", "the profile the key is for, or '*' for all")
	c.Flags().StringSliceVar(&body.Scopes, "scope", nil, "what it may do, separated by commas")
	c.Flags().StringVar(&body.Name, "name", "", "a name to know it by")
	return a.changes(a.remote(c))
}

// apiKey is a key as the API shows it.
type apiKey struct {
	ID, Key, Name, Profile string
	Scopes                 []string
	CreatedAt, Created     string
	Revoked                any
}

func (a *app) keyListCmd() *cobra.Command {
	return a.remote(&cobra.Command{
		Use:     "list",
		Short:   "List the keys, without the keys themselves",
		Example: "  vitae key list -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, "/v1/keys", nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"ID", "NAME", "PROFILE", "SCOPES", "CREATED"}, func(raw json.RawMessage) (row, error) {
				var k apiKey
				if err := json.Unmarshal(raw, &k); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				return row{k.ID, k.Name, k.Profile, strings.Join(k.Scopes, ","), k.CreatedAt + k.Created}, nil
			})
		},
	})
}

func (a *app) keyRevokeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a key, at once and for good",
		Long:    "Revoke a key by its id. It does not ask: a key that got into wrong hands must go quickly.",
		Example: "  vitae key revoke 01J8Z3K5V6Q7R8S9T0V1W2X3Y4",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect("")
			if err != nil {
				return err
			}
			return a.remove(c.Context(), cl, client.Call{Path: "/v1/keys/" + url.PathEscape(args[0])}, "the key "+args[0]+" is revoked")
		},
	}
	c.Flags().BoolVarP(&a.client.yes, "yes", "y", false, "accepted, but there is no question to answer")
	return a.changes(a.remote(c))
}

// remove deletes what the call's path names, says so, and with -o json or jsonl prints the
// answer.
func (a *app) remove(ctx context.Context, c *client.Client, call client.Call, said string) error {
	call.Method = http.MethodDelete
	var d data
	r, err := a.call(ctx, c, call, &d)
	if err != nil {
		return err
	}
	if !a.client.dryRun {
		a.say("%s", plain(said, false))
	}
	return a.print(unwrap(r, d), printNothing)
}
