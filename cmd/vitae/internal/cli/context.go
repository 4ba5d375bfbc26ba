package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// contexts are the servers that a person works with, each under a name. The file holds
// where the keys are and never a key.
type contexts struct {
	Current  string            `toml:"current,omitempty"`
	Contexts map[string]*place `toml:"contexts,omitempty"`
}

// place is what a client command needs to know of a server, unless a flag or the environment says it.
type place struct {
	Server  string `toml:"server,omitempty" json:"server,omitempty"`
	KeyFile string `toml:"key_file,omitempty" json:"keyFile,omitempty"`
	Profile string `toml:"profile,omitempty" json:"profile,omitempty"`
}

// contextsFile is where contexts are kept: vitae/contexts.toml in the user's folder for
// configuration.
func (a *app) contextsFile() (string, error) {
	if dir := a.getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "vitae", "contexts.toml"), nil
	}
	if home := a.getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "vitae", "contexts.toml"), nil
	}
	return "", errors.New("there is no place for contexts: set HOME or XDG_CONFIG_HOME")
}

// contexts reads the file; none is an empty one.
func (a *app) contexts() (contexts, error) {
	var c contexts
	file, err := a.contextsFile()
	if err != nil {
		return c, nil // whoever wants to write one is told
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	meta, err := toml.Decode(string(b), &c)
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return c, fmt.Errorf("%s: there is no key %q here", file, unknown[0].String())
	}
	return c, nil
}

func (a *app) saveContexts(c contexts) error {
	file, err := a.contextsFile()
	if err != nil {
		return usage("%w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(c); err != nil {
		return err
	}
	return a.writeFile(file, b.Bytes())
}

// place is the one that a command works in: the one of --context or VITAE_CONTEXT, or the
// one in use; an empty one when there is none.
func (a *app) place() (*place, error) {
	name := a.client.context
	if name == "" {
		name = a.getenv("VITAE_CONTEXT")
	}
	all, err := a.contexts()
	if err != nil {
		return nil, usage("%w", err)
	}
	asked := name != ""
	if !asked {
		name = all.Current
	}
	c := all.Contexts[name]
	switch {
	case c != nil:
		return c, nil
	case asked:
		return nil, usage("there is no context %q; see vitae context list", name)
	}
	return &place{}, nil
}

func (a *app) contextCmd() *cobra.Command {
	return group("context", "Keep the servers you work with under names", "  vitae context list",
		a.contextSetCmd(), a.contextUseCmd(), a.contextListCmd(), a.contextRemoveCmd())
}

func (a *app) contextSetCmd() *cobra.Command {
	var c place
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a server, where its key is and a profile under a name",
		Long: `Keep a server under a name. Only where the key file is gets kept, never the key. A flag or a
variable of the environment wins over the context. The first context is in use at once.`,
		Example: `  vitae context set prod --server https://vitae.example.com --key-file ~/.vitae/prod.key
  vitae context set local --server http://127.0.0.1:8080 --key-file data/admin.key --profile 01J8Z3K5V6Q7R8S9T0V1W2X3Y4`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.ContainsFunc(args[0], func(r rune) bool { return r <= ' ' || r == 0x7f }) || args[0] == "" {
				return usage("a context's name is one word")
			}
			if c == (place{}) {
				return usage("give --server, --key-file or --profile")
			}
			if c.KeyFile != "" {
				path, err := filepath.Abs(c.KeyFile)
				if err != nil {
					return usage("--key-file: %w", err)
				}
				c.KeyFile = path
			}
			all, err := a.contexts()
			if err != nil {
				return err
			}
			if all.Contexts == nil {
				all.Contexts = map[string]*place{}
			}
			all.Contexts[args[0]] = &c
			if all.Current == "" {
				all.Current = args[0]
			}
			return a.saveContexts(all)
		},
	}
	cmd.Flags().StringVar(&c.Server, "server", "", "the server's address")
	cmd.Flags().StringVar(&c.KeyFile, "key-file", "", "the file that holds the API key")
	cmd.Flags().StringVar(&c.Profile, "profile", "", "the profile that commands are about")
	return cmd
}

func (a *app) contextUseCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Work in a context from now on",
		Example:           "  vitae context use prod",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeContext,
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := a.contexts()
			if err != nil {
				return err
			}
			if all.Contexts[args[0]] == nil {
				return failWith(exitNotFound, "there is no context %q", args[0])
			}
			all.Current = args[0]
			return a.saveContexts(all)
		},
	}
}

func (a *app) contextListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the contexts",
		Example: "  vitae context list -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := a.contexts()
			if err != nil {
				return err
			}
			type named struct {
				Name    string `json:"name"`
				Current bool   `json:"current"`
				place
			}
			var items []json.RawMessage
			for _, name := range slices.Sorted(maps.Keys(all.Contexts)) {
				b, err := json.Marshal(named{name, name == all.Current, *all.Contexts[name]})
				if err != nil {
					return err
				}
				items = append(items, b)
			}
			return a.list(items, row{"", "NAME", "SERVER", "KEY FILE", "PROFILE"}, func(raw json.RawMessage) (row, error) {
				var n named
				if err := json.Unmarshal(raw, &n); err != nil {
					return nil, err
				}
				mark := ""
				if n.Current {
					mark = "*"
				}
				return row{mark, n.Name, n.Server, n.KeyFile, n.Profile}, nil
			})
		},
	}
}

func (a *app) contextRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a context; its key file stays",
		Example:           "  vitae context remove prod",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeContext,
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := a.contexts()
			if err != nil {
				return err
			}
			if all.Contexts[args[0]] == nil {
				return failWith(exitNotFound, "there is no context %q", args[0])
			}
			delete(all.Contexts, args[0])
			if all.Current == args[0] {
				all.Current = ""
			}
			return a.saveContexts(all)
		},
	}
}

// completeContext lets a shell complete names of contexts.
func (a *app) completeContext(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := a.contexts()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(all.Contexts)), cobra.ShellCompDirectiveNoFileComp
}
