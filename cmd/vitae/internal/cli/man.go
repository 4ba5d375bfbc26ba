package cli

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) manCmd() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man",
		Short: "Write the manual pages, one for each command",
		Long: `Write the manual pages of all commands into a folder, which is made when it is missing.
"man -M" or "man -l" shows them; a package puts them into share/man/man1.`,
		Example: "  vitae man --dir /usr/local/share/man/man1\n  vitae man --dir . && man -l vitae-profile-set.1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return usage("--dir: %w", err)
			}
			root := c.Root()
			root.DisableAutoGenTag = true // the same commands are the same pages
			if err := doc.GenManTree(root, &doc.GenManHeader{Title: "VITAE", Section: "1", Source: "vitae", Manual: "Vitae"}, dir); err != nil {
				return err
			}
			a.say("the pages are in %s", plain(dir, false))
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the folder")
	return c
}
