package server

import (
	"context"

	"vitae/cmd/vitae/internal/access"
	"vitae/cmd/vitae/internal/config"
)

// accessLog opens the record of who read what.
func (s *Server) accessLog(ctx context.Context, cfg config.Config) (*access.Log, error) {
	store, err := access.OpenJetStream(ctx, s.core.Engine.JetStream(), s.core.Engine.Replicas(), cfg.AccessKeep)
	if err != nil {
		return nil, err
	}
	return access.New(store, s.core.Vault), nil
}
