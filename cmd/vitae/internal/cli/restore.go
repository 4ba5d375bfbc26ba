package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/server"
	"vitae/ledger/vault"
)

func (a *app) restoreCmd() *cobra.Command {
	var dir, keysFile, identityFile, passphraseFile, masterFile string
	c := &cobra.Command{
		Use:   "restore FILE...",
		Short: "Make a data folder of a backup",
		Long: `Make a new data folder of a backup and check all of it: a whole data file first, then, in
order, those that build on it. The keys file is the newest one there is (by default the
last FILE's name with .keys). The folder appears when everything has been checked; what
does not fit, was changed or cut off is refused with its place, and leaves nothing behind.

The master key comes from --master-key-file or VITAE_MASTER_KEY, or else from the file
master.key of the folder to be made or of the data folder that a server here would use. A
file's key is put into the new folder too. The server makes a new admin key at its first start, unless it is given
one. All sinks are paused then: what was delivered after the backup was made is not known
to it. Look at "vitae sink plan PROVIDER", then "vitae sink resume PROVIDER".
Exit code 8: the backup is refused.`,
		Example: `  vitae restore monday.vitae tuesday.vitae --keys newest.keys --master-key-file master.key --data ./restored
  vitae restore offsite.vitae --identity key.txt --master-key-file master.key --data ./restored --dry-run`,
		Args: cobra.MinimumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&dir, "data", "", "the folder to make; it must not be there, or have nothing but master.key")
	f.StringVar(&keysFile, "keys", "", "the newest keys file (default: the last FILE with .keys)")
	f.StringVar(&identityFile, "identity", "", "a file of age identities, for a backup that was sealed for recipients")
	f.StringVar(&passphraseFile, "passphrase-file", "", `the passphrase that the backup was sealed with, "-" for stdin`)
	f.StringVar(&masterFile, "master-key-file", "", "the master key; it is copied into the folder")
	f.BoolVarP(&a.client.dryRun, "dry-run", "n", false, "check the backup, and make no folder")
	c.RunE = func(c *cobra.Command, args []string) error {
		if dir == "" {
			return usage("--data says which folder to make")
		}
		in := backup.Load{Files: args, Keys: keysFile}
		if in.Keys == "" {
			in.Keys = args[len(args)-1] + ".keys"
		}
		cfg, err := config.Load(config.Sources{Env: a.Env, Flags: map[string]string{"data": dir, "nats": "", "nats_listen": ""}})
		if err != nil {
			return usage("%w", err)
		}
		switch {
		case masterFile != "":
			if in.Master, err = vault.LoadMaster(masterFile, false); err != nil {
				return usage("--master-key-file: %w", err)
			}
		case cfg.MasterKey.Reveal() != "":
			if in.Master, err = vault.ParseMaster(cfg.MasterKey.Reveal()); err != nil {
				return usage("%w", err)
			}
		default:
			// The folder may have been given its key already, or the server that was backed
			// up has its own where servers have it.
			if masterFile = a.findMaster(dir); masterFile == "" {
				return usage("the master key is in no backup: give --master-key-file FILE, or VITAE_MASTER_KEY")
			}
			if in.Master, err = vault.LoadMaster(masterFile, false); err != nil {
				return usage("%s: %w", masterFile, err)
			}
			a.say("the master key is that of %s", plain(masterFile, false))
		}
		if err := a.unseal(&in.Unseal, identityFile, passphraseFile); err != nil {
			return err
		}
		return a.restore(c, cfg, in, masterFile != "")
	}
	return c
}

// findMaster looks for the master key in the folder that is to be made, and in the data
// folder of the server that runs here; "" when neither has one.
func (a *app) findMaster(dir string) string {
	folders := []string{dir}
	if here, err := config.Load(config.Sources{Env: a.Env}); err == nil {
		folders = append(folders, here.Data)
	}
	for _, f := range folders {
		file := filepath.Join(f, masterName)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// masterName is the master key's file in a data folder.
const masterName = "master.key"

func (a *app) unseal(u *backup.Unseal, identityFile, passphraseFile string) error {
	if identityFile != "" {
		f, err := os.Open(identityFile)
		if err != nil {
			return usage("--identity: %w", err)
		}
		defer f.Close()
		if u.Identities, err = backup.ParseIdentities(f); err != nil {
			return usage("--identity: %w", err)
		}
	}
	if passphraseFile != "" {
		b, err := a.readFile(passphraseFile)
		if err != nil {
			return usage("--passphrase-file: %w", err)
		}
		u.Passphrase = strings.TrimRight(string(b), "\r\n")
	}
	return nil
}

func (a *app) restore(c *cobra.Command, cfg config.Config, in backup.Load, keepMaster bool) error {
	log, err := a.logger(logFlags{format: "text", level: "error"})
	if err != nil {
		return err
	}
	m := a.meter("restore")
	out, err := a.Parts.Restore(c.Context(), cfg, in, keepMaster, a.client.dryRun, log, func(doing string, done, total uint64) {
		m.what = "restore: " + doing
		m.show(done, total)
	})
	m.end()
	if errors.Is(err, server.ErrNotIntact) {
		if err := fsckTable(a.Err, out.Check); err != nil {
			return err
		}
		return failWith(exitVerify, "the backup is not intact: %d findings; no folder was made", len(out.Check.Findings))
	}
	if err != nil {
		return backupError(err)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	err = a.print(raw, func(w io.Writer) error {
		return writeTable(w, row{"DATA", "HEAD", "COMMITS", "PROFILES", "FILES"},
			[]row{{out.Data, strconv.FormatUint(uint64(out.Head), 10), strconv.FormatUint(out.Check.Commits, 10), strconv.FormatUint(out.Check.Profiles, 10), strconv.Itoa(out.Files)}})
	})
	if err != nil {
		return err
	}
	for _, id := range out.Closed {
		a.say("profile %s was erased after the data was written: its values are closed; erase it again, so that the ledger says so", id)
	}
	if a.client.dryRun {
		a.say("dry run: the backup is whole and every invariant holds; no folder was made")
		return nil
	}
	a.say("every invariant holds; the sinks are paused until they are resumed")
	return nil
}
