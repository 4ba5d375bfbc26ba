package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var mokaruBearer = regexp.MustCompile(`^Bearer (mk_[0-9a-f]{64})$`)

// mokaru is the stand-in for Mokaru.
type mokaru struct {
	*provider
	perMinute int
}

func newMokaru(o Options) *provider {
	m := mokaru{&provider{name: "mokaru"}, o.PerMinute}
	m.identify, m.admit, m.methods, m.serve = mokaruKey, m.admitted, mokaruMethods, m.served
	m.refusal, m.kept = mokaruRefusal, mokaruKept
	return m.provider
}

// mokaruKey is the digest of the key in a request.
func mokaruKey(h http.Header) (string, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	match := mokaruBearer.FindStringSubmatch(values[0])
	if match == nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(match[1]))
	return hex.EncodeToString(sum[:]), true
}

func mokaruRefusal(status int, message string) reply {
	return reply{status: status, body: struct {
		Error string `json:"error"`
	}{message}}
}

// mokaruInvalid refuses a request for what is wrong in it.
func mokaruInvalid(wrong []detail) reply {
	return reply{status: http.StatusBadRequest, body: struct {
		Error   string   `json:"error"`
		Details []detail `json:"details"`
	}{"Validation failed", wrong}}
}

func mokaruMethods(path string) []string {
	if path == "/v1/profile" {
		return []string{http.MethodGet, http.MethodPatch}
	}
	_, id, ok := mokaruItemPath(path)
	switch {
	case !ok:
		return nil
	case id == "":
		return []string{http.MethodGet, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodPatch, http.MethodDelete}
}

func (m mokaru) served(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	if kind, id, ok := mokaruItemPath(strings.TrimPrefix(r.URL.Path, "/"+m.name)); ok {
		return m.items(s, a, r, body, readErr, kind, id)
	}
	return m.profile(s, a, r, body, readErr)
}

// profile reads and updates the profile.
func (m mokaru) profile(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	if r.Method == http.MethodGet {
		return reply{status: http.StatusOK, body: map[string]any{"data": mokaruRead(s.view(a))}}
	}
	if refused, ok := m.refuseJSON(r.Header, readErr); !ok {
		return refused
	}
	set, wrong := mokaruPatch(body)
	if len(wrong) > 0 {
		return mokaruInvalid(wrong)
	}
	changed, err := s.patch(a, set)
	if err != nil {
		return s.unmade(a, err)
	}
	return reply{status: http.StatusOK, changed: changed, body: struct {
		Success bool `json:"success"`
		Updated bool `json:"updated"`
	}{true, changed}}
}

// admitted counts a request under the account's limit, and sets the headers that tell
// of it. Reset is when the next request leaves the window.
func (m mokaru) admitted(a *account, h http.Header, now time.Time) (reply, bool) {
	if a == nil {
		m.limit(h, m.perMinute, now)
		return mokaruRefusal(http.StatusUnauthorized, "Invalid or expired API key"), false
	}
	if m.perMinute == 0 {
		return reply{}, true
	}
	w, _ := a.limit.(*window)
	if w == nil {
		w = &window{}
		a.limit = w
	}
	ok, remaining, free := w.admit(now, m.perMinute)
	m.limit(h, remaining, free)
	if !ok {
		h.Set("Retry-After", strconv.FormatInt(roundUp(free.Sub(w.now), time.Second), 10))
		return mokaruRefusal(http.StatusTooManyRequests, "Rate limit exceeded"), false
	}
	return reply{}, true
}

// limit sets the headers of every answer: Reset is in milliseconds of the epoch,
// rounded up. Without a limit there are none.
func (m mokaru) limit(h http.Header, remaining int, reset time.Time) {
	if m.perMinute == 0 {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(m.perMinute))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Add(time.Millisecond-1).UnixMilli(), 10))
}

// roundUp is how many whole units cover d.
func roundUp(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
