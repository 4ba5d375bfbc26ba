package sandbox

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// nexudusDemo is the password that accounts begin with if no other is set for that.
const nexudusDemo = "nexudus-demo"

// nexudusHash is what is kept of a password.
type nexudusHash struct{ salt, hash []byte }

// nexudusRounds makes a guess cost some milliseconds.
const nexudusRounds = 10_000

func newNexudusHash(password string) *nexudusHash {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return &nexudusHash{salt, nexudusDerived(password, salt)}
}

func nexudusDerived(password string, salt []byte) []byte {
	b, err := pbkdf2.Key(sha256.New, password, salt, nexudusRounds, sha256.Size)
	if err != nil {
		panic(err) // the sizes are right
	}
	return b
}

func (h *nexudusHash) is(password string) bool {
	return subtle.ConstantTimeCompare(h.hash, nexudusDerived(password, h.salt)) == 1
}

// kept is the hash as a state has it.
func (h *nexudusHash) kept() map[string]any {
	return map[string]any{"salt": hex.EncodeToString(h.salt), "hash": hex.EncodeToString(h.hash)}
}

// isPassword says whether the account with the state has the password.
func (n *nexudus) isPassword(state map[string]any, password string) bool {
	kept, ok := state[nexudusPassword].(map[string]any)
	if !ok {
		n.mu.Lock()
		initial := n.initial
		n.mu.Unlock()
		if initial == nil {
			return password == nexudusDemo
		}
		return initial.is(password)
	}
	var h nexudusHash
	for name, into := range map[string]*[]byte{"salt": &h.salt, "hash": &h.hash} {
		text, _ := kept[name].(string)
		*into, _ = hex.DecodeString(text) // it was checked when it was kept
	}
	return h.is(password)
}

// nexudusIssued begins the access tokens that the token call gives, to tell those that
// are no more from a customer's own.
const nexudusIssued = "sandbox-access-"

// nexudusAccess is what an issued access token is for.
type nexudusAccess struct {
	account string // the digest
	expires time.Time
}

// nexudusAccessTime is how long an issued access token can be used.
const nexudusAccessTime = 604799 * time.Second

// token renews an access token. The body has to be a form.
func (n *nexudus) token(s *Server, r *http.Request, body []byte, readErr error) reply {
	if refused, ok := n.refuseBody(readErr); !ok {
		return refused
	}
	failed := func(code string) reply {
		return reply{status: http.StatusBadRequest, body: map[string]any{"error": code}}
	}
	form, err := url.ParseQuery(string(body))
	t, _, typeErr := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typeErr != nil || t != "application/x-www-form-urlencoded" || len(form["grant_type"]) != 1 {
		return failed("unsupported_grant_type")
	}
	switch form.Get("grant_type") {
	case "refresh_token":
	case "password":
		return failed("invalid_grant") // nobody has a login here
	default:
		return failed("unsupported_grant_type")
	}
	if len(form["refresh_token"]) != 1 {
		return failed("invalid_grant")
	}
	used := nexudusDigest(form.Get("refresh_token"))
	n.mu.Lock()
	account, ok := n.refresh[used]
	delete(n.refresh, used)
	n.mu.Unlock()
	s.world.RLock()
	revoked := ok && s.revoked[accountID{n.name, account}.name()]
	s.world.RUnlock()
	if !ok || revoked {
		return failed("invalid_grant")
	}
	access := nexudusIssued + rand.Text()
	n.mu.Lock()
	n.access[nexudusDigest(access)] = nexudusAccess{account, n.clock().Add(nexudusAccessTime)}
	n.mu.Unlock()
	return reply{status: http.StatusOK, body: map[string]any{"access_token": access, "token_type": "bearer",
		"expires_in": int(nexudusAccessTime / time.Second), "refresh_token": n.newRefresh(account)}}
}

// newRefresh makes a refresh token for an account.
func (n *nexudus) newRefresh(account string) string {
	token := "sandbox-refresh-" + rand.Text()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh[nexudusDigest(token)] = account
	return token
}

// handOut gives a refresh token for the account of the headers of a provider call.
func (n *nexudus) handOut(_ *Server, w http.ResponseWriter, r *http.Request) {
	account, ok := n.key(r.Header)
	if !ok {
		writeError(w, http.StatusUnauthorized, "the request needs the headers of a call to the provider, with its key")
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"refresh_token": n.newRefresh(account)})
}

// turnSoft makes the failures of a PATCH come with a 200, or no more.
func (n *nexudus) turnSoft(_ *Server, w http.ResponseWriter, r *http.Request) {
	var body struct {
		On *bool `json:"on"`
	}
	err := readJSON(w, r, &body)
	if err == nil && body.On == nil {
		err = errors.New("on must be true or false")
	}
	if err == nil {
		n.mu.Lock()
		n.soft = *body.On
		n.mu.Unlock()
	}
	done(w, http.StatusBadRequest, err)
}

// setInitial sets the password of the accounts that have not changed theirs.
func (n *nexudus) setInitial(_ *Server, w http.ResponseWriter, r *http.Request) {
	var body struct {
		Password string `json:"password"`
	}
	err := readJSON(w, r, &body)
	if err == nil && body.Password == "" {
		err = errors.New("password must not be empty")
	}
	if err == nil {
		h := newNexudusHash(body.Password)
		n.mu.Lock()
		n.initial = h
		n.mu.Unlock()
	}
	done(w, http.StatusBadRequest, err)
}
