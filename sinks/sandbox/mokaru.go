package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxBody is the most bytes that a body of a provider call may have.
const maxBody = 1 << 20

var mokaruBearer = regexp.MustCompile(`^Bearer (mk_[0-9a-f]{64})$`)

// mokaruID is the account of the key in a request.
func mokaruID(h http.Header) (accountID, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return accountID{}, false
	}
	m := mokaruBearer.FindStringSubmatch(values[0])
	if m == nil {
		return accountID{}, false
	}
	sum := sha256.Sum256([]byte(m[1]))
	return accountID{"mokaru", hex.EncodeToString(sum[:])}, true
}

// reply is an answer that was not sent yet.
type reply struct {
	status  int
	body    any // written as JSON
	changed bool
}

func refusal(status int, message string) reply {
	return reply{status: status, body: struct {
		Error string `json:"error"`
	}{message}}
}

// mokaru serves everything under /mokaru/.
func (s *Server) mokaru(w http.ResponseWriter, r *http.Request) {
	req := Request{Provider: "mokaru", Method: r.Method, Path: r.URL.Path, Attempt: r.Header.Get("X-Vitae-Attempt")}
	req.Attempt = req.Attempt[:min(len(req.Attempt), 200)]
	id, ok := mokaruID(r.Header)
	if ok {
		req.Account = id.name().name
	}
	e := s.arrived(req)
	defer s.trace(r.Context(), e)
	answer := func(p reply) {
		s.note(e, p.status, p.changed)
		writeJSON(w, p.status, p.body)
	}

	var a *account
	if ok {
		a = s.called(id)
	}
	if a == nil {
		s.mokaruLimit(w.Header(), s.perMinute, s.clock())
		answer(refusal(http.StatusUnauthorized, "Invalid or expired API key"))
		return
	}
	if !s.mokaruAdmit(a, w.Header()) {
		answer(refusal(http.StatusTooManyRequests, "Rate limit exceeded"))
		return
	}
	if r.URL.Path != "/mokaru/v1/profile" {
		answer(refusal(http.StatusNotFound, "Not found"))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPatch {
		w.Header().Set("Allow", "GET, PATCH")
		answer(refusal(http.StatusMethodNotAllowed, "Method not allowed"))
		return
	}

	// The body is taken first: a connection that is closed with a part of it unread looks
	// different to the client than one that is closed after the request.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	f := s.meet(e)
	wait, _ := f.wait() // it was checked when it was queued
	switch f.Kind {
	case faultStatus:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		answer(refusal(f.Status, http.StatusText(f.Status)))
		return
	case faultGarbage:
		s.note(e, http.StatusOK, false)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Please sign in</title><p>This network needs you to sign in.\n")
		return
	case faultDropBefore:
		drop(w)
		return
	case faultDelay:
		<-s.after(wait)
	}
	p := s.mokaruProfile(a, r, body, err)
	switch f.Kind {
	case faultDropAfter:
		s.note(e, 0, p.changed)
		drop(w)
		return
	case faultSlow:
		s.note(e, 0, p.changed)
		select {
		case <-s.after(wait):
		case <-r.Context().Done():
		}
	}
	answer(p)
}

// mokaruProfile does what the request asks for. err is what kept the body from being
// read whole.
func (s *Server) mokaruProfile(a *account, r *http.Request, body []byte, err error) reply {
	if r.Method == http.MethodGet {
		a.mu.Lock()
		defer a.mu.Unlock()
		return reply{status: http.StatusOK, body: map[string]any{"data": mokaruRead(a.state)}}
	}
	if !isJSON(r.Header) {
		return refusal(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refusal(http.StatusRequestEntityTooLarge, "Request body is larger than 1 MiB")
	}
	if err != nil {
		return refusal(http.StatusBadRequest, "Request body ended early")
	}
	set, wrong := mokaruPatch(body)
	if len(wrong) > 0 {
		return reply{status: http.StatusBadRequest, body: struct {
			Error   string   `json:"error"`
			Details []detail `json:"details"`
		}{"Validation failed", wrong}}
	}
	changed, err := s.patch(a, set)
	if err != nil {
		s.log.Error("an effect was not made", "provider", "mokaru", "account", a.id.name().name, "error", err)
		return refusal(http.StatusInternalServerError, "Internal server error")
	}
	return reply{status: http.StatusOK, changed: changed, body: struct {
		Success bool `json:"success"`
		Updated bool `json:"updated"`
	}{true, changed}}
}

// isJSON says whether the body is said to be JSON, in UTF-8 if the encoding is said.
func isJSON(h http.Header) bool {
	if len(h.Values("Content-Type")) != 1 {
		return false
	}
	t, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, said := params["charset"]
	return err == nil && t == "application/json" && (!said || strings.EqualFold(charset, "utf-8"))
}

// mokaruAdmit counts a request under the account's limit, and sets the headers that tell
// of it. Reset is when the next request leaves the window.
func (s *Server) mokaruAdmit(a *account, h http.Header) bool {
	if s.perMinute == 0 {
		return true
	}
	a.mu.Lock()
	ok, remaining, free := a.window.admit(s.clock(), s.perMinute)
	now := a.window.now
	a.mu.Unlock()
	s.mokaruLimit(h, remaining, free)
	if !ok {
		h.Set("Retry-After", strconv.FormatInt(roundUp(free.Sub(now), time.Second), 10))
	}
	return ok
}

// mokaruLimit sets the headers of every answer: Reset is in milliseconds of the epoch,
// rounded up. Without a limit there are none.
func (s *Server) mokaruLimit(h http.Header, remaining int, reset time.Time) {
	if s.perMinute == 0 {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.perMinute))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Add(time.Millisecond-1).UnixMilli(), 10))
}

// roundUp is how many whole units cover d.
func roundUp(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }

// note puts in the log what became of a request, before the client can know.
func (s *Server) note(e *Request, status int, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Status, e.Changed = status, changed
}

// trace writes a request that is over to the log of the program.
func (s *Server) trace(ctx context.Context, e *Request) {
	s.mu.Lock()
	r := *e
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelDebug, "request", slog.Uint64("seq", r.Seq), slog.String("provider", r.Provider),
		slog.String("account", r.Account), slog.String("method", r.Method), slog.String("path", r.Path), slog.Int("status", r.Status),
		slog.Bool("changed", r.Changed), slog.String("attempt", r.Attempt), slog.String("fault", r.Fault))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		// Nothing here holds a value that JSON has no form for.
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has left is told nothing
}

func writeError(w http.ResponseWriter, status int, message string) {
	p := refusal(status, message)
	writeJSON(w, p.status, p.body)
}
