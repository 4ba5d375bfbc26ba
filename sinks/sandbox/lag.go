package sandbox

import (
	"maps"
	"time"
)

// maxLag is the longest time that reads may lag behind.
const maxLag = 10 * time.Minute

// past is a state that an effect ended.
type past struct {
	until time.Time
	state map[string]any
}

// lag lets reads of the provider show each change only when it is as old as the delay,
// from the changes that come now on; 0 shows all changes at once.
func (s *Server) lag(p *provider, delay time.Duration) {
	s.world.Lock() // no effect is under way
	defer s.world.Unlock()
	p.lag.Store(int64(delay))
	if delay > 0 {
		return
	}
	for _, a := range s.accounts {
		a.mu.Lock()
		if a.id.provider == p.name {
			a.past = nil
		}
		a.mu.Unlock()
	}
}

// view is the state as reads show it: without the changes younger than the provider's
// lag, and without what came after them. The map is the caller's, its values are not.
func (s *Server) view(a *account) map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.forget(a); len(a.past) > 0 {
		return maps.Clone(a.past[0].state)
	}
	return maps.Clone(a.state)
}

// remember keeps the state that an effect is about to end, as long as reads may be shown
// it. The caller has mu.
func (s *Server) remember(a *account, e effect) {
	s.forget(a)
	if e.Changed && s.providers[a.id.provider].lag.Load() > 0 {
		a.past = append(a.past, past{s.clock(), maps.Clone(a.state)})
	}
}

// forget drops the states that ended before the lag. The caller has mu.
func (s *Server) forget(a *account) {
	delay, now := time.Duration(s.providers[a.id.provider].lag.Load()), s.clock()
	for len(a.past) > 0 && now.Sub(a.past[0].until) >= delay {
		a.past = a.past[1:]
	}
}
