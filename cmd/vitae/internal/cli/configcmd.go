package cli

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/config"
)

func (a *app) configCmd() *cobra.Command {
	return group("config", "Check the server's configuration, and show where each value comes from", "  vitae config view --config vitae.toml",
		a.configCheckCmd(), a.configViewCmd())
}

func (a *app) configCheckCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and name everything that is wrong",
		Long: `Check the configuration that "vitae serve" would start with, given the same flags and
environment, and show every value and where it came from. Exit code 2: something is wrong;
with -o json the list is of what is wrong.`,
		Example: "  vitae config check --config /etc/vitae.toml",
		Args:    cobra.NoArgs,
	}
	s := settingFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := a.load(c, s)
		var problems config.Problems
		if errors.As(err, &problems) && a.output != "table" {
			items, merr := rawList(problems)
			if merr == nil {
				merr = a.list(items, nil, nil)
			}
			return errors.Join(err, merr)
		}
		if err != nil {
			return err
		}
		if err := a.printConfig(cfg); err != nil {
			return err
		}
		a.say("the configuration is right")
		return nil
	}
	return c
}

// printConfig lists every value and where it came from.
func (a *app) printConfig(cfg config.Config) error {
	items, err := rawList(cfg.Entries())
	if err != nil {
		return err
	}
	return a.list(items, row{"KEY", "VALUE", "FROM"}, func(raw json.RawMessage) (row, error) {
		var e config.Entry
		err := json.Unmarshal(raw, &e)
		return row{e.Key, e.Value, e.Origin}, err
	})
}

func (a *app) configViewCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "view",
		Short:   "Show every value and where it came from",
		Long:    "Show the configuration that `vitae serve` would start with. Secrets are shown as fingerprints.",
		Example: "  vitae config view --config /etc/vitae.toml --listen :8080\n  vitae config view -o json",
		Args:    cobra.NoArgs,
	}
	s := settingFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := a.load(c, s)
		if err != nil {
			return err
		}
		return a.printConfig(cfg)
	}
	return c
}

// rawList makes each of them JSON.
func rawList[T any](list []T) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(list))
	for i, one := range list {
		var err error
		if out[i], err = json.Marshal(one); err != nil {
			return nil, err
		}
	}
	return out, nil
}
