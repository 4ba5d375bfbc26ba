package nexudus

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// A credential is a bare token, or an object with access_token; with refresh_token beside
// it, it can be renewed.

// notRenewable is what the portal's refusals to renew mean.
const notRenewable = "the portal does not renew the token: the customer has to sign in again"

var tokenTable = sinks.Table{
	{Status: http.StatusBadRequest, Then: sinks.AccountError, Name: "not_renewed", Say: notRenewable},
	{Status: http.StatusUnauthorized, Then: sinks.AccountError, Name: "not_renewed", Say: notRenewable},
	{Status: http.StatusForbidden, Then: sinks.AccountError, Name: "not_renewed", Say: notRenewable},
	{Status: http.StatusTooManyRequests, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the portal asks for fewer calls"},
}

// renewalPause is how long a renewed token is not renewed again: a token that is refused
// for another reason than its age would be renewed for ever.
const renewalPause = time.Minute

// Refresh implements sinks.Refresher. The request is a form: the portal takes no JSON
// there. The fresh credential is the old object with the new access token in it, and the
// new refresh token if there is one.
func (p *Provider) Refresh(ctx context.Context, credential []byte) (fresh []byte, out sinks.Outcome) {
	n, err := ledger.ParseJSON(credential)
	refresh, _ := n.Member("refresh_token")
	if err != nil || refresh.Kind != ledger.NodeString || refresh.Text == "" {
		return nil, sinks.Unsent(sinks.AccountError, "not_renewable", "the credential cannot be renewed: it has no refresh_token")
	}
	if p.seen.stillNew(credential) {
		return nil, sinks.Unsent(sinks.AccountError, "not_renewable", "the portal does not take the token that it has just renewed")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Text}}
	a, early := p.exchange(ctx, request{http.MethodPost, "/api/token", "application/x-www-form-urlencoded", []byte(form.Encode())}, "", sinks.ID{})
	if early != nil {
		return nil, *early
	}
	if a.Err != nil || a.Status != http.StatusOK {
		out = tokenTable.Outcome(a, "", sinks.Call{})
		if out.Verdict == sinks.Throttled {
			out.RetryAfter, _ = sinks.RetryAfter(a.Header, time.Now(), longest)
		}
		return nil, out
	}
	fresh, ok := sinks.RenewToken(n, a.Body)
	if !ok {
		return nil, garbage(a)
	}
	p.seen.carry(credential, fresh)
	return fresh, sinks.Outcome{Verdict: sinks.Applied}
}

// seen remembers what was seen with a token: which profile was active when it was first
// used, and when it was given to us in place of another. It holds digests only, and is
// empty after a restart.
type seen struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]sight
}

type sight struct {
	profile [sha256.Size]byte // zero: none yet
	renewed time.Time         // zero: it was not
}

// mostSeen bounds the memory; beyond it everything is forgotten, and seen anew.
const mostSeen = 100_000

// change changes what is known of a token. The mutex is held.
func (s *seen) change(token string, f func(*sight)) {
	key := sha256.Sum256([]byte(token))
	of := s.tokens[key]
	f(&of)
	if s.tokens == nil || len(s.tokens) >= mostSeen {
		s.tokens = map[[sha256.Size]byte]sight{}
	}
	s.tokens[key] = of
}

// same says whether the profile is the first one that was seen with the token; it is when
// there was none before, or when the profile does not say who it is.
func (s *seen) same(token, profile string) (yes bool) {
	if profile == "" {
		return true
	}
	id := sha256.Sum256([]byte(profile))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(token, func(of *sight) {
		if of.profile == [sha256.Size]byte{} {
			of.profile = id
		}
		yes = of.profile == id
	})
	return yes
}

// stillNew says that the token of a credential is itself the fruit of a renewal a moment
// ago: if it does not work, another one will not.
func (s *seen) stillNew(credential []byte) bool {
	token, ok := sinks.TokenOf(credential)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.tokens[sha256.Sum256([]byte(token))].renewed
	return ok && !at.IsZero() && time.Since(at) < renewalPause
}

// carry makes what was seen with one credential's token count for that of the next one,
// which was just given in its place.
func (s *seen) carry(old, fresh []byte) {
	before, known := sinks.TokenOf(old)
	after, _ := sinks.TokenOf(fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	was := sight{}
	if known {
		was = s.tokens[sha256.Sum256([]byte(before))]
	}
	s.change(after, func(of *sight) {
		if was.profile != [sha256.Size]byte{} {
			of.profile = was.profile
		}
		of.renewed = time.Now()
	})
}

// who names the coworker of a profile that was read; "" when nothing in it does.
func who(n ledger.Node) string {
	for _, name := range []string{"Id", "Email"} {
		v, _ := n.Member(name)
		if (v.Kind == ledger.NodeNumber || v.Kind == ledger.NodeString) && v.Text != "" {
			return name + " " + v.Text
		}
	}
	return ""
}
