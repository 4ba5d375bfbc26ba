package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
)

// effect is a record of the store. Its form is the storage format.
type effect struct {
	Op       string         `json:"op"` // patch, revoke, reset
	Provider string         `json:"provider,omitempty"`
	Account  string         `json:"account,omitempty"` // patch: the digest of the key; revoke: the account's name
	Changed  bool           `json:"changed,omitempty"`
	Set      map[string]any `json:"set,omitempty"` // patch: what changed, null for what was cleared
}

// errForgotten is for an effect on an account that a reset ended meanwhile.
var errForgotten = errors.New("the account is no more")

// patch makes the fields in set what they are there, nil for unset, and says whether
// that changed anything. It is in the store when patch returns nil.
func (s *Server) patch(a *account, set map[string]any) (changed bool, err error) {
	s.world.RLock()
	defer s.world.RUnlock()
	if s.accounts[a.id] != a {
		return false, errForgotten
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := effect{Op: "patch", Provider: a.id.provider, Account: a.id.digest, Set: map[string]any{}}
	for name, v := range set {
		if !reflect.DeepEqual(a.state[name], v) {
			e.Set[name], e.Changed = v, true
		}
	}
	if err := s.append(e); err != nil {
		return false, err
	}
	a.apply(e)
	return e.Changed, nil
}

// apply makes the account what it is after the patch. The caller has mu.
func (a *account) apply(e effect) {
	a.patches++
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
	if err := json.Unmarshal(record, &e); err != nil {
		return err
	}
	switch {
	case e.Op == "reset":
		clear(s.accounts)
		clear(s.revoked)
	case e.Op == "revoke" && e.Provider == "mokaru" && named.MatchString(e.Account):
		s.revoked[accountName{e.Provider, e.Account}] = true
	case e.Op == "patch" && e.Provider == "mokaru" && digest.MatchString(e.Account):
		for name, v := range e.Set {
			if !mokaruKept(name, v) {
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

// mokaruKept says whether a field can be kept with the value.
func mokaruKept(name string, v any) bool {
	_, isScalar := mokaruScalars[name]
	_, isCollection := mokaruCollections[name]
	switch v := v.(type) {
	case nil:
		return isScalar || isCollection
	case string:
		return isScalar
	case []any:
		for _, item := range v {
			if _, ok := item.(map[string]any); !ok {
				return false
			}
		}
		return isCollection && len(v) > 0
	}
	return false
}
