package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// root builds the whole tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vitae",
		Short: "An event-sourced ledger for career profiles",
		Long: `Vitae keeps career profiles as an append-only ledger: every edit of a field is one
immutable event. It serves them over HTTP, checks their history, and delivers the edits
to the providers that hold copies.

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 partial, 4 not authorised,
5 not found, 6 conflict, 7 unavailable or timed out, 8 verification failed,
130 interrupted.`,
		Example: `  vitae serve --sandbox
  vitae profile set jobTitle='Product Designer' --reason 'new job'
  vitae profile history -o jsonl`,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "how data is printed: table, json or jsonl")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkOutput() }

	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Server:"},
		&cobra.Group{ID: "people", Title: "Profiles:"},
		&cobra.Group{ID: "operate", Title: "Operation:"},
	)
	add := func(group string, cs ...*cobra.Command) {
		for _, c := range cs {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("server", a.serveCmd(), a.sandboxCmd(), a.configCmd(), a.benchCmd())
	add("people", a.profileCmd(), a.resumeCmd(), a.importCmd(), a.fieldsCmd())
	add("operate", a.contextCmd(), a.keyCmd(), a.connectionCmd(), a.sinkCmd(), a.webhookCmd(), a.viewCmd(), a.evidenceCmd(), a.fsckCmd(), a.backupCmd(), a.restoreCmd())
	add("operate", a.subscribeCmd())
	root.AddCommand(a.versionCmd(), a.completionCmd(), a.manCmd())
	root.SetHelpCommand(a.helpCmd())
	root.InitDefaultHelpCmd()
	// A group runs only to refuse: its usage is its sub-commands.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	finish(root)
	return root
}

// group makes a command that only holds others.
func group(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: example}
	c.AddCommand(subs...)
	return c
}

func (a *app) helpCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Show the help of a command",
		Example: "  vitae help profile set",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no command %q", "vitae "+strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func (a *app) completionCmd() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:                   "completion {bash|zsh|fish|powershell}",
		Short:                 "Print a script that lets a shell complete vitae's commands",
		Example:               "  source <(vitae completion bash)\n  vitae completion fish > ~/.config/fish/completions/vitae.fish",
		ValidArgs:             shells,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(a.Out, true)
			case "zsh":
				return c.Root().GenZshCompletion(a.Out)
			case "fish":
				return c.Root().GenFishCompletion(a.Out, true)
			default:
				return c.Root().GenPowerShellCompletionWithDesc(a.Out)
			}
		},
	}
}
