package server

import (
	"context"

	"vitae/cmd/vitae/internal/backup"
)

// backup begins a backup of the running ledger.
func (c *Core) backup(ctx context.Context, r backup.Request) (*backup.Backup, error) {
	return backup.Begin(ctx, backup.Source{JS: c.Engine.JetStream(), Ledger: c.Ledger, Vault: c.Vault, Master: c.master}, r)
}
