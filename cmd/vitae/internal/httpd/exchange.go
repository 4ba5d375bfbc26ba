package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// exchange is what is known of one request on its way.
type exchange struct {
	id      string // request id
	route   string // the route's pattern, for logs and metrics
	key     *keys.Key
	profile ledger.ProfileID // on routes about one profile
	status  int
	began   time.Time
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// The largest bodies.
const (
	maxBody   = 1 << 20
	maxUpload = 20 << 20
)

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
	if w.x.status == 0 {
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

// mux makes the handler of all routes.
func (s *Server) mux(routes []route) http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	mokaru := map[string]bool{}
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, s.serve(rt))
		methods[rt.path] = append(methods[rt.path], rt.method)
		mokaru[rt.path] = rt.mokaru
	}
	for path, allowed := range methods {
		allow := strings.Join(allowed, ", ")
		if strings.Contains(allow, "GET") {
			allow += ", HEAD"
		}
		mux.Handle(path, s.serve(route{path: path, open: true, mokaru: mokaru[path], run: func(w http.ResponseWriter, r *http.Request) error {
			if r.Method == http.MethodOptions {
				w.Header().Set("Allow", allow)
				w.WriteHeader(http.StatusNoContent)
				return nil
			}
			return &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed", detail: "This path does not take " + clip(r.Method) + ".", allow: allow}
		}}))
	}
	if _, ok := methods["/"]; !ok {
		mux.Handle("/", s.serve(route{path: "/", open: true, run: func(http.ResponseWriter, *http.Request) error {
			return fail(http.StatusNotFound, "not_found", "There is nothing at this path.")
		}}))
	}
	return mux
}

// clip keeps a method that somebody made up from filling a reply.
func clip(s string) string {
	if len(s) > 16 || !ledger.IsPlain(s) {
		return "this method"
	}
	return s
}

// serve takes one request through the steps that all have in common.
func (s *Server) serve(rt route) http.Handler {
	name := strings.TrimSpace(rt.method + " " + rt.path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: r.Header.Get("X-Request-Id"), route: name, began: time.Now()}
		if len(x.id) > 128 || !ledger.IsPlain(x.id) {
			x.id = ledger.NewID(x.began)
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		w = &statusWriter{ResponseWriter: w, x: x}
		h := w.Header()
		h.Set("X-Request-Id", x.id)
		h.Set("X-Content-Type-Options", "nosniff")
		defer s.done(w, r, rt, x)
		if err := s.admit(h, r, rt, x); err != nil {
			s.fail(w, r, rt.mokaru, err)
			return
		}
		if err := rt.run(w, r); err != nil {
			s.fail(w, r, rt.mokaru, err)
		}
	})
}

// done logs and counts a request, and answers for a handler that panicked.
func (s *Server) done(w http.ResponseWriter, r *http.Request, rt route, x *exchange) {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		// What was panicked with may hold a value; the stack does not.
		s.Log.Error("a handler panicked", "request", x.id, "route", x.route, "stack", string(debug.Stack()))
		if x.status == 0 {
			s.fail(w, r, rt.mokaru, errors.New("panic"))
		}
	}
	took := time.Since(x.began)
	s.metrics.request(x.route, x.status, took)
	key := ""
	if x.key != nil {
		key = x.key.ID
	}
	s.Log.Info("request", "route", x.route, "status", x.status, "ms", float64(took.Microseconds())/1000, "request", x.id, "key", key)
}

// admit checks key, rate, scope and profile.
func (s *Server) admit(h http.Header, r *http.Request, rt route, x *exchange) error {
	if rt.open {
		return nil
	}
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Authorization, X-API-KEY, X-Vitae-Profile, Accept")
	text := r.Header.Get("X-API-KEY")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(token)
	}
	if text == "" {
		h.Set("WWW-Authenticate", `Bearer realm="vitae"`)
		return fail(http.StatusUnauthorized, "key_missing", "Send an API key as Authorization: Bearer KEY or X-API-KEY: KEY.")
	}
	key := s.Keys.Lookup(text)
	if key == nil {
		h.Set("WWW-Authenticate", `Bearer realm="vitae", error="invalid_token"`)
		return fail(http.StatusUnauthorized, "key_invalid", "Invalid, expired or revoked API key.")
	}
	x.key = key
	if err := s.rate(h, r, key); err != nil {
		return err
	}
	if rt.scope != 0 && !key.Has(rt.scope) && !key.IsAdmin() {
		return fail(http.StatusForbidden, "scope_missing", "The key does not have the scope for this: "+rt.scope.String()+".")
	}
	if rt.all && !key.ForAll() {
		return fail(http.StatusForbidden, "key_of_one_profile", "This needs a key for all profiles.")
	}
	if !rt.profile {
		return nil
	}
	return s.profileOf(r, x)
}

func (s *Server) rate(h http.Header, r *http.Request, key *keys.Key) error {
	if key.ID == "admin" {
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
		return &problem{status: http.StatusTooManyRequests, code: "rate_limited", detail: "More than " + strconv.Itoa(limit) + " requests a minute.", retryAfter: v.wait(now)}
	}
	return nil
}

// profileOf finds out which profile a request is about. A key of one profile is told the
// same about a foreign profile and one that does not exist.
func (s *Server) profileOf(r *http.Request, x *exchange) error {
	foreign := fail(http.StatusForbidden, "foreign_profile", "The key is not for this profile.")
	named := r.PathValue("profile")
	if named == "" {
		named = r.Header.Get("X-Vitae-Profile")
		if named == "" && x.key.ForAll() {
			return fail(http.StatusBadRequest, "profile_missing", "A key for all profiles must name one: send the header X-Vitae-Profile.")
		}
	}
	if !x.key.ForAll() {
		if named != "" && named != x.key.Profile.String() {
			return foreign
		}
		x.profile = x.key.Profile
		return nil
	}
	id, err := ledger.ParseProfileID(named)
	if err != nil {
		return fail(http.StatusNotFound, "not_found", "There is no such profile.")
	}
	x.profile = id
	return nil
}

// jsonTypes are the media types of a JSON body.
var jsonTypes = map[string]bool{"application/json": true, "application/merge-patch+json": true}

// body reads a JSON body; nil when optional and there is none.
func body(r *http.Request, optional bool) ([]byte, error) {
	if optional && r.ContentLength == 0 {
		return nil, nil
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || r.Header.Get("Content-Encoding") != "" || !jsonTypes[media] || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &problem{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", accept: "application/merge-patch+json, application/json",
			detail: "The body must be JSON in UTF-8, not compressed: send Content-Type: application/json."}
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "body_unreadable", "The body ended before its length.")
	}
	if len(b) > maxBody {
		return nil, fail(http.StatusRequestEntityTooLarge, "content_too_large", "The body is over 1 MiB.")
	}
	return b, nil
}

// dry says whether the caller only wants to know what would happen.
func dry(r *http.Request) (bool, error) {
	switch v := r.URL.Query().Get("dryRun"); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fail(http.StatusBadRequest, "invalid_query", "dryRun must be true or false.")
}

// via names the road a request came on; the command line and the console say so.
func via(r *http.Request) string {
	switch v := r.Header.Get("X-Vitae-Via"); v {
	case "cli", "import", "console":
		return v
	}
	return "native"
}

func meta(r *http.Request) (ledger.Meta, error) {
	x := exchangeOf(r)
	why := r.Header.Get("X-Vitae-Reason")
	if n := ledger.Length(why); n > 1000 {
		return ledger.Meta{}, fail(http.StatusBadRequest, "reason_too_long", "X-Vitae-Reason is over 1,000 characters.")
	}
	return ledger.Meta{Actor: x.key.Actor(), Via: via(r), RequestID: x.id, Reason: why}, nil
}
