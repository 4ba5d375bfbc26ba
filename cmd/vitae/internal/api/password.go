package api

import (
	"context"
	"net/http"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Passwords passes changes of passwords on to the portal that a profile is connected to. It
// holds them in memory only.
type Passwords interface {
	// Take keeps the profile's place for one change: ErrPasswordPending while another one is
	// under way, ledger.ErrNotFound without a connection. send hands the change over and
	// returns at once; drop, if nothing was sent, gives the place back.
	Take(ctx context.Context, profile ledger.ProfileID) (send func(before, after string), drop func(), err error)
	// State is how the last change of the profile stands; ok is false when none is known here.
	State(profile ledger.ProfileID) (c PasswordChange, ok bool)
}

// ErrPasswordPending refuses a change of a password while another one is under way: which
// of the two would be the last nobody could tell.
var ErrPasswordPending = fail(http.StatusConflict, "password_pending", "A change of the password is under way. Ask again when the connection says how it ended.")

// PasswordChange is how the change of a password stands. It has no word of either.
type PasswordChange struct {
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// How a change of a password stands.
const (
	PasswordPending = "pending" // it is held, or being sent
	PasswordChanged = "changed"
	PasswordRefused = "refused" // by the portal
	PasswordUnknown = "unknown" // whether the portal has changed it
	PasswordExpired = "expired" // it could not be sent in time
	PasswordStopped = "stopped" // the connection is another one by now, or gone
)

// connection is a connection as the API shows it.
type connection struct {
	sinks.Connection
	// Password is the last change of the password, where one was passed on.
	Password *PasswordChange `json:"password,omitempty"`
}

// connections are the profile's, as the API shows them.
func (s *Server) connections(r *http.Request) ([]connection, error) {
	profile := exchangeOf(r).profile
	all, err := s.Sinks.Connections(r.Context(), profile)
	if err != nil {
		return nil, err
	}
	out := make([]connection, len(all))
	for i, c := range all {
		out[i].Connection = c
		if s.Passwords == nil || c.Provider != ledger.Nexudus {
			continue
		}
		if change, ok := s.Passwords.State(profile); ok {
			out[i].Password = &change
		}
	}
	return out, nil
}
