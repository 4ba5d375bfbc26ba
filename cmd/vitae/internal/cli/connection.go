package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
	"vitae/cmd/vitae/internal/config"
)

func (a *app) connectionCmd() *cobra.Command {
	return group("connection", "Set, list and remove a profile's accounts at the providers", "  vitae connection list",
		a.connectionSetCmd(), a.connectionListCmd(), a.connectionRemoveCmd())
}

// completeProvider completes the name of a provider.
func completeProvider(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return config.Providers(), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) connectionSetCmd() *cobra.Command {
	var account, credentialFile string
	var settings []string
	c := &cobra.Command{
		Use:   "set PROVIDER",
		Short: "Connect a profile to its account at a provider",
		Long: `Connect a profile. The provider is then brought fully up to date. The credential is read
from a file or stdin, sealed by the server, and never shown again; without
--credential-file the one it has stays.`,
		Example: `  vitae connection set mokaru --credential-file mokaru.key
  pass show linkedin | vitae connection set linkedin --account yrZCpj2Z12 --credential-file -
  vitae connection set jarvi --credential-file jarvi.key --setting resume=base`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			body := map[string]any{}
			if account != "" {
				body["account"] = account
			}
			if credentialFile != "" {
				b, err := a.readFile(credentialFile)
				if err != nil {
					return usage("--credential-file: %w", err)
				}
				body["credential"] = strings.TrimRight(string(b), "\r\n")
			}
			if len(settings) > 0 {
				if body["settings"], err = parseSettings(settings); err != nil {
					return err
				}
			}
			b, err := json.Marshal(body)
			if err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			var d data
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodPut, Path: path + "/connections/" + url.PathEscape(args[0]), Body: b}, &d)
			if err != nil {
				return err
			}
			if !a.client.dryRun {
				a.say("connected to %s", plain(args[0], false))
			}
			return a.print(unwrap(r, d), printNothing)
		},
	}
	c.Flags().StringVar(&account, "account", "", "the account's id at the provider")
	c.Flags().StringVar(&credentialFile, "credential-file", "", `a file that holds the credential, "-" for stdin`)
	c.Flags().StringArrayVar(&settings, "setting", nil, "NAME=VALUE, more than once if needed; JSON where it is JSON")
	return a.changes(a.about(c))
}

// parseSettings reads NAME=VALUE; what is JSON stays JSON, the rest is text.
func parseSettings(args []string) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usage("--setting %q must be NAME=VALUE", arg)
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) {
			var err error
			if raw, err = json.Marshal(value); err != nil {
				return nil, err
			}
		}
		out[name] = raw
	}
	return out, nil
}

// connection is a profile's connection as the API shows it.
type connection struct {
	Provider, Account, State string
	AcknowledgedSeq, HeadSeq uint64
	Lanes                    []struct {
		Entity, Class, Phase string
		LastError            any
	}
}

func (a *app) connectionListCmd() *cobra.Command {
	return a.about(&cobra.Command{
		Use:     "list",
		Short:   "List a profile's connections and how far each provider is",
		Example: "  vitae connection list -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			items, err := a.all(c.Context(), cl, path+"/connections", nil)
			if err != nil {
				return err
			}
			return a.list(items, row{"PROVIDER", "ACCOUNT", "STATE", "ACKNOWLEDGED", "HEAD", "LANES", "LAST ERROR"}, func(raw json.RawMessage) (row, error) {
				var one connection
				if err := json.Unmarshal(raw, &one); err != nil {
					return nil, fmt.Errorf("the server's answer: %w", err)
				}
				last := ""
				for _, l := range one.Lanes {
					if s := textOf(l.LastError); s != "" {
						last = l.Entity + ": " + s
					}
				}
				return row{
					one.Provider, one.Account, one.State, strconv.FormatUint(one.AcknowledgedSeq, 10), strconv.FormatUint(one.HeadSeq, 10),
					strconv.Itoa(len(one.Lanes)), last,
				}, nil
			})
		},
	})
}

// textOf shows a member that may be absent, a text or an object.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func (a *app) connectionRemoveCmd() *cobra.Command {
	return a.asks(a.changes(a.about(&cobra.Command{
		Use:               "remove PROVIDER",
		Short:             "Remove a connection and its credential; the provider keeps what it has",
		Example:           "  vitae connection remove mokaru --yes",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			if err := a.confirm(fmt.Sprintf("Remove the connection to %s and its credential?", args[0])); err != nil {
				return err
			}
			path, err := a.namedPath(c.Context(), cl)
			if err != nil {
				return err
			}
			return a.remove(c.Context(), cl, client.Call{Path: path + "/connections/" + url.PathEscape(args[0])}, "the connection to "+args[0]+" is removed")
		},
	})))
}
