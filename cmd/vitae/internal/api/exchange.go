package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// exchange is what is known of one request on its way. It belongs to the request's
// goroutine.
type exchange struct {
	id      string // request id
	route   *route
	key     *keys.Key        // nil on open routes
	profile ledger.ProfileID // on routes about one profile
	began   time.Time

	status int // of the reply; 0 until it is sent
}

type exchangeKey struct{}

// exchangeOf gives the exchange of a request that passed through serve.
func exchangeOf(r *http.Request) *exchange {
	return r.Context().Value(exchangeKey{}).(*exchange)
}

// readTimeout bounds how long a read waits for the projections, and submitTimeout how
// long a write waits to know its outcome.
const (
	readTimeout   = 5 * time.Second
	submitTimeout = 30 * time.Second
)

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	x *exchange
}

func (w *statusWriter) WriteHeader(status int) {
	if w.x.status == 0 && status >= http.StatusOK {
		w.x.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.x.status == 0 {
		w.x.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// mux makes the handler of all routes. Every path is registered once, for all methods:
// so a method it does not take, and a path that is none, are answered in the form of
// every other error.
func (s *Server) mux(routes []route) http.Handler {
	mux := http.NewServeMux()
	paths := map[string]map[string]*route{}
	for i := range routes {
		rt := &routes[i]
		if paths[rt.path] == nil {
			paths[rt.path] = map[string]*route{}
		}
		paths[rt.path][rt.method] = rt
	}
	var page http.Handler
	for path, methods := range paths {
		h := s.methods(path, methods)
		if path == languagePage {
			page = h
			continue
		}
		mux.Handle(path, h)
	}
	nothing := s.serve(&route{path: "(none)", open: true, run: func(http.ResponseWriter, *http.Request) error {
		return fail(http.StatusNotFound, "not_found", "There is nothing at this path.")
	}})
	for path, h := range s.Mounts {
		mux.Handle(path, h)
	}
	if _, ok := s.Mounts["/"]; !ok {
		mux.Handle("/", nothing)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would answer these with a redirect: a PATCH must not be sent twice.
		if p := r.URL.Path; p == "" || p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, "/.") {
			nothing.ServeHTTP(w, r)
			return
		}
		if isLanguagePage(r.URL.Path) {
			page.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// methods serves one path.
func (s *Server) methods(path string, methods map[string]*route) http.Handler {
	var allowed []string
	handlers := map[string]http.Handler{}
	mokaru, patch := false, false
	var speaks *dialect
	for method, rt := range methods {
		h := s.serve(rt)
		handlers[method] = h
		allowed = append(allowed, method)
		if method == http.MethodGet {
			handlers[http.MethodHead] = h
			allowed = append(allowed, http.MethodHead)
		}
		mokaru = mokaru || rt.mokaru
		speaks = cmp.Or(speaks, rt.dialect)
		patch = patch || method == http.MethodPatch
	}
	allowed = append(allowed, http.MethodOptions)
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	other := s.serve(&route{path: path, open: true, mokaru: mokaru, dialect: speaks, run: func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allow)
		if r.Method != http.MethodOptions {
			return fail(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take the method. Allow lists those that it takes.")
		}
		if patch {
			w.Header().Set("Accept-Patch", acceptPatch)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.Method]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// serve takes one request through the steps that all have in common.
func (s *Server) serve(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: r.Header.Get("X-Request-Id"), route: rt, began: s.now()}
		if len(x.id) > 128 || !ledger.IsPlain(x.id) {
			x.id = ledger.NewID(x.began)
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		w = &statusWriter{ResponseWriter: w, x: x}
		if rt.profile {
			w = &accessWriter{ResponseWriter: w, s: s, r: r}
		}
		h := w.Header()
		h["X-Request-Id"] = []string{x.id}
		h["X-Content-Type-Options"] = nosniff
		defer s.done(w, r, x)
		err := s.admit(h, r, x)
		if err == nil {
			err = rt.run(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// Header values that never change. net/http only reads them.
var (
	nosniff      = []string{"nosniff"}
	revalidate   = []string{"private, no-cache"}
	variesBy     = []string{"Authorization, X-API-KEY, X-Vitae-Profile, Accept"}
	jsonType     = []string{"application/json"}
	methodLabels = map[string]string{"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE", "OPTIONS": "OPTIONS"}
)

// done answers for a handler that panicked, logs the request and counts it.
func (s *Server) done(w http.ResponseWriter, r *http.Request, x *exchange) {
	aborted := false
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			aborted = true
		} else {
			// What was panicked with may hold a value; a runtime error and the stack do not.
			what := fmt.Sprintf("%T", p)
			if err, ok := p.(runtime.Error); ok {
				what = err.Error()
			}
			s.Log.Error("a handler panicked", "request", x.id, "route", x.route.path, "panic", what, "stack", string(debug.Stack()))
			aborted = x.status != 0
			if !aborted {
				s.fail(w, r, errors.New("panic"))
			}
		}
	}
	method := methodLabels[r.Method]
	if method == "" {
		method = "other"
	}
	status := x.status
	switch {
	case aborted:
		status = statusCut
	case status == 0:
		status = http.StatusOK // net/http sends it for a handler that wrote nothing
	}
	took := s.now().Sub(x.began)
	s.metrics.request(x.route.path, method, status, took)
	key := ""
	if x.key != nil {
		key = x.key.ID
	}
	s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", method), slog.String("route", x.route.path),
		slog.Int("status", status), slog.Duration("took", took), slog.String("request", x.id), slog.String("key", key))
	if aborted {
		panic(http.ErrAbortHandler) // only a cut connection says that the reply is not whole
	}
}

// statusCut stands in logs and metrics for a reply that was cut off.
const statusCut = 499

// admit checks key, rate, scope and profile.
func (s *Server) admit(h http.Header, r *http.Request, x *exchange) error {
	rt := x.route
	if rt.open {
		return nil
	}
	h["Cache-Control"] = revalidate
	h["Vary"] = variesBy
	text := r.Header.Get("X-API-KEY")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(token)
	}
	if text == "" {
		h.Set("WWW-Authenticate", `Bearer realm="vitae"`)
		return fail(http.StatusUnauthorized, "key_missing", "Send an API key as Authorization: Bearer KEY or X-API-KEY: KEY.")
	}
	key := s.Keys.Lookup(text)
	if key == nil && s.Keys.WasErased(text) {
		return ledger.ErrErased
	}
	if key == nil {
		h.Set("WWW-Authenticate", `Bearer realm="vitae", error="invalid_token"`)
		return fail(http.StatusUnauthorized, "key_invalid", "Invalid or revoked API key.")
	}
	x.key = key
	if err := s.rate(h, r, key); err != nil {
		return err
	}
	// own is a scope that counts for the key of the profile itself only.
	if rt.scope != 0 && !key.Has(rt.scope) && (rt.own == 0 || key.ForAll() || !key.Has(rt.own)) {
		need := (rt.scope | rt.own).Names()
		return fail(http.StatusForbidden, "scope_missing", "The key lacks the scope for this: "+strings.Join(need, " or ")+".")
	}
	if rt.all && !key.ForAll() {
		return fail(http.StatusForbidden, "key_of_one_profile", "This needs a key for all profiles.")
	}
	if !rt.profile {
		return nil
	}
	if err := s.profileOf(r, x, &x.profile); err != nil {
		return err
	}
	h["X-Vitae-Profile"] = []string{x.profile.String()}
	return nil
}

func (s *Server) rate(h http.Header, r *http.Request, key *keys.Key) error {
	if key.IsAdmin() {
		return nil
	}
	write := r.Method != http.MethodGet && r.Method != http.MethodHead
	limit, policy := s.cfg.ReadPerMinute, "read"
	if write {
		limit, policy = s.cfg.WritePerMinute, "write"
	}
	if limit <= 0 {
		return nil
	}
	now := s.now()
	v := s.limits.take(key.ID, write, limit, now)
	v.tell(h, policy, now)
	if !v.ok {
		return &problem{status: http.StatusTooManyRequests, code: "quota_exceeded", retryAfter: v.wait(now),
			detail: "More than " + strconv.Itoa(limit) + " requests of this kind in a minute. Wait as long as Retry-After says."}
	}
	return nil
}

// profileOf finds out which profile a request is about. A key of one profile is told the
// same about a foreign profile and one that does not exist.
func (s *Server) profileOf(r *http.Request, x *exchange, into *ledger.ProfileID) error {
	named := r.Header.Get("X-Vitae-Profile")
	inPath := x.route.inPath
	if inPath {
		named = r.PathValue("profile")
	}
	if !x.key.ForAll() {
		if named != "" && named != x.key.Profile.String() {
			return fail(http.StatusForbidden, "foreign_profile", "The key is not for this profile.")
		}
		*into = x.key.Profile
		return nil
	}
	if named == "" {
		return fail(http.StatusBadRequest, "profile_missing", "A key for all profiles must name one: send the header X-Vitae-Profile.")
	}
	id, err := ledger.ParseProfileID(named)
	switch {
	case err == nil:
		*into = id
		return nil
	case inPath:
		return fail(http.StatusNotFound, "not_found", "There is no such profile.")
	}
	return fail(http.StatusBadRequest, "profile_invalid", "X-Vitae-Profile must be a profile's id, a ULID of 26 characters.")
}
