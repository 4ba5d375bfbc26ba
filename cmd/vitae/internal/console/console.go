package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed console.css
var styles []byte

// policy lets a page load the console's style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// cookieName names the session cookie.
const cookieName = "vitae_session"

// The largest forms: a key, and a profile of long texts in which every byte is escaped.
const (
	maxSignIn = 16 << 10
	maxForm   = 4 << 20
)

type console struct {
	api      http.Handler
	log      *slog.Logger
	now      func() time.Time
	pages    map[string]*template.Template
	sessions sessions
	tries    tries
}

// New gives the handler of "/" and of everything under "/console/"; other paths are
// answered with 404. api is the handler of the API's routes: each page asks it in
// process, with the key of the person who signed in. Sessions live in the memory of the
// handler.
func New(api http.Handler, log *slog.Logger) http.Handler {
	return newConsole(api, log, time.Now).handler()
}

func newConsole(api http.Handler, log *slog.Logger, now func() time.Time) *console {
	c := &console{api: api, log: log, now: now, pages: pages()}
	c.sessions.byID = map[[32]byte]*session{}
	return c
}

func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.door)
	mux.HandleFunc("GET /console/console.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		c.write(w, styles)
	})
	mux.HandleFunc("POST /console/sign-in", c.signIn)
	mux.HandleFunc("POST /console/sign-out", c.signOut)
	for pattern, page := range map[string]func(*visit) error{
		"GET /console/{$}":                                 (*visit).overview,
		"GET /console/profile":                             (*visit).profile,
		"POST /console/profile":                            (*visit).saveProfile,
		"GET /console/resumes":                             (*visit).resumes,
		"POST /console/resumes":                            (*visit).createResume,
		"GET /console/resumes/{id}/delete":                 (*visit).confirmDelete,
		"POST /console/resumes/{id}/delete":                (*visit).deleteResume,
		"GET /console/history":                             (*visit).history,
		"GET /console/history/blame":                       (*visit).blame,
		"GET /console/history/diff":                        (*visit).diff,
		"GET /console/choose":                              (*visit).choose,
		"POST /console/choose":                             (*visit).chosen,
		"GET /console/operate":                             (*visit).operate,
		"POST /console/operate/sinks/{name}/{switch}":      (*visit).switchSink,
		"POST /console/operate/sinks/{name}/parked/{edit}": (*visit).decide,
		"/console/":                                        (*visit).nothing,
	} {
		mux.HandleFunc(pattern, c.inside(page))
	}
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.render(w, http.StatusForbidden, "stopped", &view{Title: "Refused", Words: "This request came from another site. Nothing was done."})
	}))
	inner := cross.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		inner.ServeHTTP(w, r)
	})
}

// visit is one request of somebody who is signed in.
type visit struct {
	c       *console
	w       http.ResponseWriter
	r       *http.Request
	id      string // of the session
	session session
}

// errNoProfile says that a page is about a profile and none was chosen.
var errNoProfile = errors.New("no profile is chosen")

// inside lets a page be seen only by who is signed in.
func (c *console) inside(page func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := cookieOf(r)
		s, ok := c.sessions.take(id, c.now())
		if !ok {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v := &visit{c: c, w: w, r: r, id: id, session: s}
		err := page(v)
		var told *apiError
		var long *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, errKeyGone): // revoked meanwhile
			c.sessions.end(id)
			c.setCookie(w, r, "", -1)
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case errors.Is(err, errNoProfile):
			v.goTo("/console/choose", "")
		case errors.As(err, &told):
			v.show(told.status, "message", &view{Title: "Not possible", Words: told.Words()})
		case errors.As(err, &long):
			v.show(http.StatusRequestEntityTooLarge, "message", &view{Title: "Too long", Words: "The form is too long. Nothing was changed."})
		case r.Context().Err() != nil: // who asked has gone
		default:
			c.log.Error("a console page failed", "path", r.Pattern, "error", err)
			v.show(http.StatusInternalServerError, "message", &view{Title: "Failed", Words: "The page could not be made. The log says why."})
		}
	}
}

func cookieOf(r *http.Request) string {
	if k, err := r.Cookie(cookieName); err == nil {
		return k.Value
	}
	return ""
}

// setCookie sets the session's cookie; maxAge is in seconds, and below zero takes it away.
func (c *console) setCookie(w http.ResponseWriter, r *http.Request, id string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
}

// goTo sends the browser to another page of the console, after a form; notice is shown there.
func (v *visit) goTo(path, notice string) {
	if notice != "" {
		v.c.sessions.change(v.id, func(s *session) { s.notice = notice })
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
}

// form reads a form that was sent.
func (v *visit) form() (url.Values, error) {
	if err := v.r.ParseForm(); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return nil, err
		}
		return nil, &apiError{status: http.StatusBadRequest, detail: "The form could not be read. Nothing was changed."}
	}
	return v.r.PostForm, nil
}

func (v *visit) nothing() error {
	return &apiError{status: http.StatusNotFound, detail: "There is no such page."}
}

// door is "/": the sign-in page to a stranger, and nothing else.
func (c *console) door(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.sessions.take(cookieOf(r), c.now()); ok {
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return
	}
	c.render(w, http.StatusOK, "signin", &view{Title: "Sign in"})
}

// signIn checks a key and begins a session.
func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, words string) {
		c.log.Info("console sign-in refused", "status", status)
		c.render(w, status, "signin", &view{Title: "Sign in", Words: words})
	}
	if !c.tries.ok(c.now()) {
		w.Header().Set("Retry-After", "1")
		refuse(http.StatusTooManyRequests, "Too many tries at once. Wait a moment and try again.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSignIn)
	const unknown = "This key is not taken. Check that you pasted all of it."
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, unknown)
		return
	}
	key := strings.TrimSpace(r.PostForm.Get("key"))
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		refuse(http.StatusUnauthorized, unknown)
		return
	}
	s, err := c.recognise(r, key)
	switch {
	case errors.Is(err, errKeyGone):
		refuse(http.StatusUnauthorized, unknown)
		return
	case err != nil:
		c.log.Warn("a key could not be checked", "error", err)
		refuse(http.StatusServiceUnavailable, "The key cannot be checked now. Try again.")
		return
	}
	c.sessions.end(cookieOf(r))
	c.setCookie(w, r, c.sessions.begin(s, c.now()), int(sessionLife/time.Second))
	c.log.Info("console sign-in")
	http.Redirect(w, r, "/console/", http.StatusSeeOther)
}

// recognise finds out what a key is for. A key that may neither read nor operate does not
// tell; whoever has it names the profile, and the API decides as always.
func (c *console) recognise(r *http.Request, key string) (session, error) {
	s := session{key: key}
	if _, err := c.ask(r.Context(), key, call{method: http.MethodGet, path: "/v1/fields"}); err != nil {
		return s, err
	}
	a, err := c.ask(r.Context(), key, call{method: http.MethodGet, path: "/v1/profile"})
	var told *apiError
	if err != nil && !errors.As(err, &told) {
		return s, err
	}
	if err == nil {
		d, err := documentOf(a)
		if err != nil {
			return s, err
		}
		s.profile = d.id
	} else {
		// An erased profile, or one that cannot be read now, is named all the same.
		s.profile = a.header.Get("X-Vitae-Profile")
	}
	s.own = s.profile != ""
	return s, nil
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	c.sessions.end(cookieOf(r))
	c.setCookie(w, r, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// view is what a template is given: the frame of every page, and the page's own part.
type view struct {
	Title   string
	Page    string // of the navigation
	Signed  bool
	Own     bool   // the key belongs to one profile
	Profile string // the profile that the pages are about
	Still   bool   // the page must not have a form
	Notice  string
	Words   string // what is to be said instead of, or before, the page's part
	Body    any
}

// show renders a page for somebody who is signed in.
func (v *visit) show(status int, page string, what *view) {
	what.Signed, what.Own, what.Profile = true, v.session.own, v.session.profile
	what.Notice = v.session.notice
	if what.Notice != "" {
		v.c.sessions.change(v.id, func(s *session) { s.notice = "" })
	}
	v.c.render(v.w, status, page, what)
}

func (c *console) render(w http.ResponseWriter, status int, page string, what *view) {
	var b bytes.Buffer
	if err := c.pages[page].ExecuteTemplate(&b, "frame", what); err != nil {
		// The error can quote a value: it says which page, and no more.
		c.log.Error("a template failed", "page", page)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	c.write(w, b.Bytes())
}

// write sends the last bytes of a reply. Who does not take them is gone.
func (c *console) write(w http.ResponseWriter, b []byte) {
	if _, err := w.Write(b); err != nil {
		c.log.Debug("a page was not taken", "error", err)
	}
}
