package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// How long a change of a password is held at most, and how long a try of it may take.
const (
	passwordAge     = 15 * time.Minute
	passwordTimeout = 30 * time.Second
	passwordPause   = 5 * time.Second
)

// passwords are the changes that are held now, by profile: how to end each of them.
type passwords struct {
	mu   sync.Mutex
	last uint64
	held map[ledger.ProfileID]map[uint64]context.CancelFunc
}

// hold notes a change; release forgets it again.
func (p *passwords) hold(id ledger.ProfileID, end context.CancelFunc) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[ledger.ProfileID]map[uint64]context.CancelFunc{}
	}
	if p.held[id] == nil {
		p.held[id] = map[uint64]context.CancelFunc{}
	}
	p.last++
	n := p.last
	p.held[id][n] = end
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if delete(p.held[id], n); len(p.held[id]) == 0 {
			delete(p.held, id)
		}
	}
}

// drop ends every change that is held for a profile, because it was erased.
func (p *passwords) drop(id ledger.ProfileID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.held[id] {
		end()
	}
}

// password passes the change of a password on to the portal. It is in this process's
// memory only, until the portal has answered, at most passwordAge; a process that ends
// forgets it. It is sent once: what certainly did not arrive is tried again, and what
// nobody knows the outcome of is not. How it ended is in the log, without a word of it.
// It is nil when the sink does not run here.
func (s *Server) password(run context.Context) func(ctx context.Context, profile ledger.ProfileID, before, after string) error {
	if s.portal == nil {
		return nil
	}
	return func(_ context.Context, profile ledger.ProfileID, before, after string) error {
		s.running.Go(func() {
			ctx, cancel := context.WithTimeout(run, passwordAge)
			defer cancel()
			defer s.passwords.hold(profile, cancel)()
			end := "expired"
			for ctx.Err() == nil {
				wait, done := s.tryPassword(ctx, profile, before, after)
				if done != "" {
					end = done
					break
				}
				select {
				case <-time.After(wait):
				case <-ctx.Done():
				}
			}
			s.log.Info("a password was passed on", "sink", ledger.Nexudus, "profile", profile, "end", end)
		})
		return nil
	}
}

// tryPassword makes one try; done is how it ended, "" when it is to be tried again.
func (s *Server) tryPassword(ctx context.Context, profile ledger.ProfileID, before, after string) (wait time.Duration, done string) {
	credential, err := s.core.Vault.Secret(ctx, profile, "credential."+ledger.Nexudus)
	if errors.Is(err, ledger.ErrErased) {
		return 0, "dropped: the profile was erased"
	}
	if err != nil {
		return passwordPause, ""
	}
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	out := s.portal.ChangePassword(ctx, credential, before, after)
	switch out.Verdict {
	case sinks.NotSent, sinks.Throttled, sinks.Busy:
		return max(out.RetryAfter, passwordPause), ""
	case sinks.Applied, sinks.Unchanged:
		return 0, "changed"
	case sinks.Unknown:
		return 0, "unknown: whether the portal has changed it nobody can tell"
	}
	return 0, "refused: " + out.Fault.Type
}
