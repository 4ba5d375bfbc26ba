package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"vitae/cmd/vitae/internal/api"
	"vitae/ledger"
	"vitae/sinks"
)

// How long a change of a password is held at most, how long a try of it may take, and how
// long it is told how it ended.
const (
	passwordAge     = 15 * time.Minute
	passwordTimeout = 30 * time.Second
	passwordPause   = 5 * time.Second
	passwordTold    = 24 * time.Hour
)

// passwords passes changes of passwords on to the portal, one of a profile at a time. A
// change is in this process's memory only, until the portal has answered, at most
// passwordAge; a process that ends forgets it. It is sent once: what certainly did not
// arrive is tried again, and what nobody knows the outcome of is not. While the sink or the
// connection is paused nothing is sent. It ends when the connection is removed or set anew:
// it was meant for the one that was there. How it ended is told, without a word of it.
// All methods may be called from many goroutines.
type passwords struct {
	log     *slog.Logger
	run     context.Context // ends them all
	running *sync.WaitGroup
	// connection is the commit of the profile's connection, and whether it may be called
	// now; ledger.ErrNotFound or ledger.ErrErased when there is none.
	connection func(ctx context.Context, profile ledger.ProfileID) (since ledger.Seq, may bool, err error)
	// change makes one request of the portal; the errors of the vault when it has no credential.
	change func(ctx context.Context, profile ledger.ProfileID, before, after string) (sinks.Outcome, error)

	mu    sync.Mutex
	known map[ledger.ProfileID]api.PasswordChange
	ends  map[ledger.ProfileID]context.CancelFunc // of those that are held
}

// drop ends the change that is held for a profile, because it was erased; nothing is told of
// it any more. A nil receiver holds none.
func (p *passwords) drop(profile ledger.ProfileID) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if end, held := p.ends[profile]; held {
		end()
	}
	delete(p.known, profile)
}

// Take implements api.Passwords.
func (p *passwords) Take(ctx context.Context, profile ledger.ProfileID) (send func(before, after string), drop func(), err error) {
	since, _, err := p.connection(ctx, profile)
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.known, func(_ ledger.ProfileID, c api.PasswordChange) bool {
		return c.State != api.PasswordPending && time.Since(c.Since) > passwordTold
	})
	was, told := p.known[profile]
	if was.State == api.PasswordPending {
		return nil, nil, api.ErrPasswordPending
	}
	p.set(profile, api.PasswordPending, "")
	sent := false
	send = func(before, after string) {
		sent = true
		p.running.Go(func() { p.pass(profile, since, before, after) })
	}
	drop = func() {
		if sent {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if delete(p.known, profile); told {
			p.known[profile] = was
		}
	}
	return send, drop, nil
}

// State implements api.Passwords.
func (p *passwords) State(profile ledger.ProfileID) (api.PasswordChange, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.known[profile]
	return c, ok
}

// set tells how the change of a profile stands; the mutex is held.
func (p *passwords) set(profile ledger.ProfileID, state, why string) {
	p.known[profile] = api.PasswordChange{State: state, Since: time.Now().UTC(), Reason: why}
}

// pass tries until the change has ended.
func (p *passwords) pass(profile ledger.ProfileID, since ledger.Seq, before, after string) {
	ctx, cancel := context.WithTimeout(p.run, passwordAge)
	defer cancel()
	p.mu.Lock()
	p.ends[profile] = cancel
	p.mu.Unlock()
	state, why := "", ""
	for {
		var wait time.Duration
		if wait, state, why = p.try(ctx, profile, since, before, after); state != "" {
			break
		}
		select {
		case <-time.After(wait):
			continue
		case <-ctx.Done():
		}
		state, why = api.PasswordExpired, "the portal could not be told in time: ask for the change again"
		break
	}
	p.log.Info("a change of a password has ended", "sink", ledger.Nexudus, "profile", profile, "end", state, "why", why)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ends, profile)
	if _, told := p.known[profile]; told { // else it was dropped
		p.set(profile, state, why)
	}
}

// try makes one try; state is how it ended, "" when it is to be tried again after wait.
func (p *passwords) try(ctx context.Context, profile ledger.ProfileID, since ledger.Seq, before, after string) (wait time.Duration, state, why string) {
	const gone = "the connection was removed or set anew: ask for the change again"
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	now, may, err := p.connection(ctx, profile)
	switch {
	case absent(err), err == nil && now != since:
		return 0, api.PasswordStopped, gone
	case err != nil, !may:
		return passwordPause, "", ""
	}
	out, err := p.change(ctx, profile, before, after)
	switch {
	case absent(err):
		return 0, api.PasswordStopped, gone
	case err != nil:
		return passwordPause, "", ""
	}
	switch out.Verdict {
	case sinks.NotSent, sinks.Throttled, sinks.Busy:
		return max(out.RetryAfter, passwordPause), "", ""
	case sinks.Applied, sinks.Unchanged:
		return 0, api.PasswordChanged, ""
	case sinks.Unknown:
		return 0, api.PasswordUnknown, "whether the portal has changed it nobody can tell: try to sign in there"
	}
	return 0, api.PasswordRefused, out.Fault.Type
}

// absent says that an error will not pass: there is nothing to pass a password to.
func absent(err error) bool {
	return errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrErased)
}

// passer puts them together; nil when the sink does not run here.
func (s *Server) passer(run context.Context, d *delivery) api.Passwords {
	if s.portal == nil {
		return nil
	}
	s.passwords = &passwords{log: s.log, run: run, running: &s.running, known: map[ledger.ProfileID]api.PasswordChange{}, ends: map[ledger.ProfileID]context.CancelFunc{},
		connection: func(ctx context.Context, profile ledger.ProfileID) (ledger.Seq, bool, error) {
			head, err := s.core.Head(ctx)
			if err != nil {
				return 0, false, err
			}
			p, err := s.core.Profile(ctx, profile, head)
			if err != nil {
				return 0, false, err
			}
			cell, connected := p.Connections[ledger.Nexudus]
			if !connected {
				return 0, false, ledger.ErrNotFound
			}
			return cell.Seq, d.calls(ctx, ledger.Nexudus, profile), nil
		},
		change: func(ctx context.Context, profile ledger.ProfileID, before, after string) (sinks.Outcome, error) {
			credential, err := s.core.Vault.Secret(ctx, profile, "credential."+ledger.Nexudus)
			if err != nil {
				return sinks.Outcome{}, err
			}
			return s.portal.ChangePassword(ctx, credential, before, after), nil
		}}
	return s.passwords
}

// calls says whether the profile's account at a provider may be called now: neither the
// sink nor the account is paused.
func (d *delivery) calls(ctx context.Context, provider string, profile ledger.ProfileID) bool {
	sink, err := d.Sink(ctx, provider)
	if err != nil || sink.State == sinks.Paused {
		return false
	}
	list, err := d.Connections(ctx, profile)
	if err != nil {
		return false
	}
	for _, c := range list {
		if c.Provider == provider {
			return c.State != sinks.ConnectionPaused
		}
	}
	return false
}
