package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/engine"
)

// door lets subscribers in to the embedded engine, by their keys. Until it knows the keys
// it lets nobody in.
type door struct {
	mu    sync.Mutex
	store *keys.Store
	in    map[string]bool // keys that are waited for to be revoked
	gone  func(*keys.Key) // waits until a key is revoked, then puts its subscriber out

	waiting sync.WaitGroup
}

// listenFor makes the engine listen for subscribers, if the configuration says so.
func (c *Core) listenFor(opt *engine.Options, cfg config.Config) error {
	if cfg.NATSListen == "" {
		return nil
	}
	opt.Listen, opt.Feed, opt.Authorize, opt.Idle = cfg.NATSListen, ledger.ChangesStream, c.door.authorize, cfg.ChangesKeep
	if cfg.NATSTLSCert == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.NATSTLSCert, cfg.NATSTLSKey)
	if err != nil {
		return fmt.Errorf("nats_tls_cert_file, nats_tls_key_file: %w", err)
	}
	opt.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	return nil
}

// authorize says what a key may see. Only one for all profiles may come in: subjects alone
// cannot keep the others apart.
func (d *door) authorize(token string) (engine.Grant, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store == nil {
		return engine.Grant{}, false
	}
	k := d.store.Lookup(token)
	if k == nil || !k.ForAll() || !k.Has(keys.EventsRead) {
		return engine.Grant{}, false
	}
	if !d.in[k.ID] {
		d.in[k.ID] = true
		d.gone(k)
	}
	return engine.Grant{Name: k.ID, Subjects: []string{">"}}, true
}

// letIn opens the door: from now on subscribers come in, and go when their key is revoked.
func (s *Server) letIn(run context.Context, store *keys.Store) error {
	d := &s.core.door
	d.mu.Lock()
	d.store, d.in = store, map[string]bool{}
	d.gone = func(k *keys.Key) {
		d.waiting.Go(func() {
			select {
			case <-run.Done():
				return
			case <-k.Done():
			}
			if err := s.core.Engine.DisconnectForGood(k.ID); err != nil {
				s.log.Error("a subscriber whose key was revoked may still be connected", "key", k.ID, "error", err)
			}
		})
	}
	d.mu.Unlock()
	if err := s.core.Engine.Listen(); err != nil {
		return err
	}
	if at := s.core.Engine.ListenAddr(); at != "" {
		s.log.Info("subscribers may connect", "nats", at)
	}
	return nil
}

// shut ends the waiting once nobody can come in any more: when the engine is closed.
func (d *door) shut() { d.waiting.Wait() }
