package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// effect is a record of the store. Its form is the storage format.
type effect struct {
	Op       string         `json:"op"`             // patch, revoke, reset
	Verb     string         `json:"verb,omitempty"` // patch: create, update or delete of an item; none for the profile
	Provider string         `json:"provider,omitempty"`
	Account  string         `json:"account,omitempty"` // patch: the digest of the key; revoke: the account's name
	Changed  bool           `json:"changed,omitempty"`
	Set      map[string]any `json:"set,omitempty"` // patch: what changed, null for what was cleared
}

// errForgotten is for an effect on an account that a reset ended meanwhile.
var errForgotten = errors.New("the account is no more")

// The verbs of effects; what has none is a patch of the profile.
const (
	verbCreate = "create"
	verbUpdate = "update"
	verbDelete = "delete"
)

// patch makes the fields in set what they are there, nil for unset, and says whether
// that changed anything. It is in the store when patch returns nil.
func (s *Server) patch(a *account, set map[string]any) (changed bool, err error) {
	return s.update(a, "", func(map[string]any) (map[string]any, error) { return set, nil })
}

// update makes an effect of what f finds in the state: f gives the fields that are to
// change and what they are then, as for patch. It must not change the state or anything
// in it, and no other effect on the account comes between. An error of f is given back,
// and there is no effect. verb is how the effect is counted.
func (s *Server) update(a *account, verb string, f func(state map[string]any) (set map[string]any, err error)) (changed bool, err error) {
	s.world.RLock()
	defer s.world.RUnlock()
	if s.accounts[a.id] != a {
		return false, errForgotten
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	set, err := f(a.state)
	if err != nil {
		return false, err
	}
	aside := s.providers[a.id.provider].aside
	e := effect{Op: "patch", Verb: verb, Provider: a.id.provider, Account: a.id.digest, Set: map[string]any{}}
	for name, v := range set {
		if !reflect.DeepEqual(a.state[name], v) {
			e.Set[name] = v
			e.Changed = e.Changed || aside == nil || !aside(name)
		}
	}
	if err := s.append(e); err != nil {
		return false, err
	}
	s.remember(a, e)
	a.apply(e)
	return e.Changed, nil
}

// apply makes the account what it is after the effect. The caller has mu.
func (a *account) apply(e effect) {
	switch e.Verb {
	case verbCreate:
		a.creates++
	case verbUpdate:
		a.updates++
	case verbDelete:
		a.deletes++
	default:
		a.patches++
	}
	if e.Changed {
		a.writes++
	}
	for name, v := range e.Set {
		if v == nil {
			delete(a.state, name)
		} else {
			a.state[name] = v
		}
	}
}

// revoke refuses the account's key from now on, and from the first call on if it was
// never called.
func (s *Server) revoke(n accountName) error {
	s.world.Lock()
	defer s.world.Unlock()
	if err := s.append(effect{Op: "revoke", Provider: n.provider, Account: n.name}); err != nil {
		return err
	}
	s.revoked[n] = true
	return nil
}

// reset forgets everything; the store keeps its records, and one more. An effect that is
// still to come of a request from before is never made.
func (s *Server) reset() error {
	s.world.Lock()
	defer s.world.Unlock()
	if err := s.append(effect{Op: "reset"}); err != nil {
		return err
	}
	clear(s.accounts)
	clear(s.revoked)
	for _, p := range s.providers {
		p.lag.Store(0)
		if p.forget != nil {
			p.forget()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.faults, s.seq = nil, nil, 0
	return nil
}

func (s *Server) append(e effect) error {
	if s.store == nil {
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.store.Append(b)
}

var (
	digest = regexp.MustCompile(`^[0-9a-f]{64}$`)
	named  = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

// replay makes a stored effect again.
func (s *Server) replay(record []byte) error {
	var e effect
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber() // as the numbers of a request are kept
	if err := d.Decode(&e); err != nil {
		return err
	}
	p := s.providers[e.Provider]
	switch {
	case e.Op == "reset":
		clear(s.accounts)
		clear(s.revoked)
	case e.Op == "revoke" && p != nil && named.MatchString(e.Account):
		s.revoked[accountName{e.Provider, e.Account}] = true
	case e.Op == "patch" && p != nil && digest.MatchString(e.Account) && slices.Contains([]string{"", verbCreate, verbUpdate, verbDelete}, e.Verb):
		for name, v := range e.Set {
			if !p.kept(name, v) {
				return fmt.Errorf("%q is not a field of %s, or has another type", name, e.Provider)
			}
		}
		a := s.open(accountID{e.Provider, e.Account})
		a.requests++
		a.apply(e)
	default:
		return fmt.Errorf("%q for %q is not an effect that this program knows", e.Op, e.Provider)
	}
	return nil
}
