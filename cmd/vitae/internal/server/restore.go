package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/ledger/vault"
)

// Restored is what came of a restore.
type Restored struct {
	backup.Loaded
	Data  string      `json:"data"`
	Check fsck.Report `json:"check"`
}

// Restore makes a data folder of backup files at cfg.Data, which must not be there, or be
// empty. It is made beside it, checked from its first commit to its last, and then put in
// its place: a server never finds a folder that is half made. keepMaster leaves the master
// key in the folder. With dryRun everything is done but the last step. Errors:
// backup.ErrRefused. A report with findings comes with ErrNotIntact.
func Restore(ctx context.Context, cfg config.Config, in backup.Load, keepMaster, dryRun bool, log *slog.Logger, progress func(doing string, done, total uint64)) (out Restored, err error) {
	target, err := filepath.Abs(cfg.Data)
	if err != nil {
		return out, err
	}
	if err := vacant(target, in.Master, keepMaster); err != nil {
		return out, err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return out, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+"-restoring-")
	if err != nil {
		return out, err
	}
	defer func() {
		if err != nil || dryRun {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	in.Dir, in.Log = dir, log
	in.Progress = func(done, total uint64) { progress("reading", done>>20, total>>20) }
	if out.Loaded, err = backup.Run(ctx, in); err != nil {
		return out, err
	}
	cfg.Data, cfg.NATS, cfg.MasterKey = dir, "", config.Secret(vault.FormatMaster(in.Master))
	if out.Check, err = checkData(ctx, cfg, false, log, func(done, total uint64) { progress("checking", done, total) }); err != nil {
		return out, err
	}
	out.Data = target
	if len(out.Check.Findings) > 0 {
		return out, ErrNotIntact
	}
	if keepMaster {
		if err := os.WriteFile(filepath.Join(dir, masterFile), []byte(vault.FormatMaster(in.Master)+"\n"), 0o600); err != nil {
			return out, err
		}
	}
	if dryRun {
		return out, nil
	}
	if err := backup.SyncTree(dir); err != nil {
		return out, err
	}
	// A folder that is there cannot be replaced. Its master key is in the new one.
	old := []string{target}
	if keepMaster {
		old = []string{filepath.Join(target, masterFile), target}
	}
	for _, old := range old {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
	}
	if err := os.Rename(dir, target); err != nil {
		return out, err
	}
	return out, backup.SyncFolder(filepath.Dir(target))
}

// ErrNotIntact says that a check has findings.
var ErrNotIntact = errors.New("what was checked is not intact")

// vacant says whether a data folder can be made there. The master key may be there already,
// if it is the one that the new folder gets.
func vacant(dir string, master []byte, keepMaster bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if keepMaster && len(entries) == 1 && entries[0].Name() == masterFile {
		if there, err := vault.LoadMaster(filepath.Join(dir, masterFile), false); err == nil && bytes.Equal(there, master) {
			return nil
		}
	}
	return fmt.Errorf("%s is not empty: a backup is restored into a new folder only", dir)
}
