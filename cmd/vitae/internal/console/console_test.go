package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
)

const (
	ownKey   = "vk_own_5f0c0ffee5f0c0ffee"
	allKey   = "vk_all_5f0c0ffee5f0c0ffee"
	profile  = "01J8Z3K5V6Q7R8S9T0V1W2X3Y4"
	planted  = `<script>alert(1)</script>`
	boundary = "2026-05-03T10:14:00Z"
)

// fake is an API with one profile; it keeps what it was asked.
type fake struct {
	t      *testing.T
	seq    uint64
	values map[string]string
	past   map[string]string // the values at sequence 6, if they were others
	events int               // of the history, one in each commit
	dense  bool              // all in one commit
	noRead bool
	gone   bool // the keys are not taken any more
	asked  []*http.Request
	bodies []string
	// refuse answers the next write.
	refuse func(w http.ResponseWriter)
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, seq: 7, events: 7, values: map[string]string{"firstName": "Ann", "lastName": "Lee", "email": "ann@example.org", "headline": "Builds " + planted, "summary": "one\ntwo"}}
}

func problem(w http.ResponseWriter, status int, code, detail string, fields ...ledger.FieldError) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	b, err := json.Marshal(map[string]any{"code": code, "detail": detail, "errors": fields})
	if err == nil {
		_, err = w.Write(b)
	}
	if err != nil {
		panic(err)
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.asked, f.bodies = append(f.asked, r), append(f.bodies, string(b))
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if key != ownKey && key != allKey || f.gone {
		problem(w, 401, "key_invalid", "Invalid or revoked API key.")
		return
	}
	if r.Header.Get("X-Vitae-Via") != "console" {
		f.t.Errorf("%s %s does not say that it comes from the console", r.Method, r.URL)
	}
	if r.Method != "GET" && f.refuse != nil {
		f.refuse(w)
		return
	}
	all := key == allKey
	switch path := r.URL.Path; {
	case path == "/v1/fields":
		fmt.Fprint(w, `{"data":[],"next":null}`)
	case path == "/v1/profile" && f.noRead:
		problem(w, 403, "scope_missing", "The key lacks the scope.")
	case path == "/v1/profile" && all && r.Header.Get("X-Vitae-Profile") == "":
		problem(w, 400, "profile_missing", "A key for all profiles must name one.")
	case path == "/v1/profile" && r.Method == "GET":
		f.document(w, r)
	case path == "/v1/profile":
		if r.Header.Get("If-Match") != `"`+strconv.FormatUint(f.seq, 10)+`"` {
			problem(w, 412, "precondition_failed", "The profile has changed.")
			return
		}
		fmt.Fprint(w, `{"success":true,"updated":true,"seq":8,"fields":[]}`)
	case path == "/v1/profiles":
		fmt.Fprintf(w, `{"data":[{"id":%q}],"next":null}`, profile)
	case strings.HasSuffix(path, "/connections"):
		fmt.Fprint(w, `{"data":[{"provider":"mokaru","account":"","state":"pending","acknowledgedSeq":5,"headSeq":7,"lanes":[{"entity":"profile","class":"set","phase":"retry_wait","wantSeq":7,"ackedSeq":5,"attempts":2,"lastError":{"http":503,"type":"unavailable","message":"it was not there","sent":"yes"},"since":"`+boundary+`","nextAt":"2026-05-03T10:15:00Z"}]}],"next":null}`)
	case strings.HasSuffix(path, "/history"):
		f.history(w, r)
	case strings.HasSuffix(path, "/blame"):
		fmt.Fprintf(w, `{"data":[{"view":"shared","field":"headline","item":null,"value":%q,"seq":7,"previousSeq":3,"time":%q,"actor":"key:abc","via":"cli","reason":"because"},{"view":"base","field":"skills","item":"s1","value":{"name":"Go"},"seq":2,"previousSeq":null,"time":%q,"actor":"admin","via":"native","reason":null}],"next":null}`, planted, boundary, boundary)
	case strings.HasSuffix(path, "/diff"):
		fmt.Fprintf(w, `{"data":[{"view":"shared","field":"headline","item":null,"op":"set","from":"was","to":%q},{"view":"base","field":null,"item":null,"op":"created","from":null,"to":null}],"next":null}`, planted)
	case path == "/v1/resume" && r.Method == "GET":
		fmt.Fprintf(w, `{"data":[{"id":"base","name":"Base","isDefault":true,"createdAt":%q,"updatedAt":%q},{"id":"01J8Z3K5V6Q7R8S9T0V1W2X3Y5","name":%q,"isDefault":false,"createdAt":%q,"updatedAt":%q}],"next":null}`,
			boundary, boundary, planted, boundary, boundary)
	case path == "/v1/sinks" && !all:
		problem(w, 403, "key_of_one_profile", "This needs a key for all profiles.")
	case path == "/v1/sinks":
		fmt.Fprint(w, `{"data":[{"name":"mokaru","state":"running","health":"failing","lagEvents":3,"freshnessSeconds":62.5,"lanes":{},"accounts":4,"pausedAccounts":1,"parked":1,"uncertain":1,"lastError":{"http":422,"type":"refused","message":"it refused","sent":"yes"}}],"next":null}`)
	case strings.HasSuffix(path, "/parked"):
		fmt.Fprintf(w, `{"data":[{"id":"00000000000000aa","profile":%q,"entity":"profile","class":"set","code":"refused","reason":"the provider refused it","since":"2026-05-03T10:14:00.000Z","seq":6,"attempts":1,"evidence":{"http":422,"type":"refused","sent":"yes"},"choices":["retry","mark_done","skip"]},{"phase":"UNCERTAIN","profile":%q,"entity":"workExperiences/w1","class":"C","verb":"create","code":"uncertain","reason":"the outcome is not known yet","since":"2026-05-03T10:14:00.000Z","seq":6,"attempts":1,"nextAt":"2026-05-03T10:15:30.000Z","choices":[]}],"next":null}`, profile, profile)
	case path == "/v1/views":
		fmt.Fprint(w, `{"data":[{"name":"views","state":"current","position":7,"head":7,"lag":0,"rows":2,"sizeBytes":10}],"next":null}`)
	case r.Method == "POST" || r.Method == "DELETE":
		fmt.Fprint(w, `{"success":true}`)
	default:
		problem(w, 404, "not_found", "There is no such thing.")
	}
}

func (f *fake) document(w http.ResponseWriter, r *http.Request) {
	data := map[string]any{"skills": []any{map[string]any{"id": "s1", "name": planted, "name@fr_FR": "Menuiserie"}}, "projects": []any{},
		"firstName@fr_FR": "Anne", "postpress": map[string]any{"location": map[string]any{"id": "12"}}}
	for _, g := range groups() {
		for _, name := range g.Fields {
			data[name] = nil
		}
	}
	values := f.values
	if r.URL.Query().Get("at") == "6" && f.past != nil {
		values = f.past
	}
	for name, value := range values {
		data[name] = value
	}
	b, err := json.Marshal(map[string]any{"data": data, "id": profile, "seq": f.seq})
	if err != nil {
		f.t.Error(err)
	}
	w.Header().Set("ETag", `"`+strconv.FormatUint(f.seq, 10)+`"`)
	if _, err := w.Write(b); err != nil {
		f.t.Error(err)
	}
}

// history has events at the sequences 1, 1001, 2001 ..., or all in commit 1.
func (f *fake) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	seqText, indexText, inside := strings.Cut(q.Get("after"), ".")
	after, _ := strconv.Atoi(seqText)
	index, _ := strconv.Atoi(indexText)
	if !inside {
		index = 1 << 30
	}
	list, next := []any{}, any(nil)
	for i := range f.events {
		seq, at := 1+i*1000, 0
		if f.dense {
			seq, at = 1, i
		}
		if seq < after || seq == after && at <= index {
			continue
		}
		if len(list) == limit {
			last := list[limit-1].(map[string]any)
			next = fmt.Sprintf("%d.%d", last["seq"], last["index"])
			break
		}
		list = append(list, map[string]any{"seq": seq, "index": at, "view": "shared", "field": "headline", "item": nil, "op": "set", "value": fmt.Sprint("value ", i, " ", planted, strings.Repeat(" more", 12)),
			"previous": nil, "actor": "key:abc", "via": "cli", "reason": "because", "time": boundary})
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"data": list, "next": next}); err != nil {
		f.t.Error(err)
	}
}

// person is a browser: it keeps the cookie and follows nothing.
type person struct {
	t      *testing.T
	h      http.Handler
	api    *fake
	log    *bytes.Buffer
	now    time.Time
	cookie *http.Cookie
	seen   bytes.Buffer // all replies
}

func newPerson(t *testing.T) *person {
	p := &person{t: t, api: newFake(t), log: &bytes.Buffer{}, now: time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC)}
	p.h = newConsole(p.api, slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})), func() time.Time { return p.now }).handler()
	return p
}

func (p *person) send(r *http.Request) *httptest.ResponseRecorder {
	p.t.Helper()
	if p.cookie != nil {
		r.AddCookie(p.cookie)
	}
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, r)
	for _, k := range w.Result().Cookies() {
		p.cookie = k
	}
	fmt.Fprintln(&p.seen, w.Header(), w.Body.String())
	if got := w.Header().Get("Content-Security-Policy"); got != policy {
		p.t.Errorf("%s %s: policy %q", r.Method, r.URL, got)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" {
		p.t.Errorf("%s %s: headers %v", r.Method, r.URL, w.Header())
	}
	if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "style=") || strings.Contains(body, "http://") {
		p.t.Errorf("%s %s: a script, a style or an outside address in\n%s", r.Method, r.URL, body)
	}
	return w
}

func (p *person) get(path string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.send(httptest.NewRequest("GET", path, nil))
}

func (p *person) post(path string, form url.Values) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.send(r)
}

func (p *person) signIn(key string) {
	p.t.Helper()
	if w := p.post("/console/sign-in", url.Values{"key": {" " + key + "\n"}}); w.Code != 303 || w.Header().Get("Location") != "/console/" {
		p.t.Fatalf("sign-in: %d %s", w.Code, w.Body)
	}
}

// want checks a reply's status and that it has each of the texts.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("no %q in\n%s", text, w.Body)
		}
	}
}

func TestStrangerSeesSignInOnly(t *testing.T) {
	p := newPerson(t)
	w := p.get("/")
	want(t, w, 200, "<form", `name="key"`, `lang="en"`, "Skip to the content")
	if strings.Contains(w.Body.String(), "<nav") {
		t.Error("a stranger sees the navigation")
	}
	for _, path := range []string{"/console/", "/console/profile", "/console/history", "/console/operate", "/console/nothing"} {
		if w := p.get(path); w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	if w := p.post("/console/profile", url.Values{"version": {"7"}}); w.Code != 303 {
		t.Errorf("a stranger's form: %d", w.Code)
	}
	want(t, p.get("/console/console.css"), 200, ":focus-visible", "prefers-color-scheme")
	if w := p.get("/elsewhere"); w.Code != 404 {
		t.Errorf("a path that is not ours: %d", w.Code)
	}
	if len(p.api.asked) != 0 {
		t.Errorf("the API was asked for a stranger: %v", p.api.asked[0].URL)
	}
}

func TestSignIn(t *testing.T) {
	p := newPerson(t)
	const message = "This key is not taken."
	want(t, p.post("/console/sign-in", url.Values{"key": {"wrong"}}), 401, message)
	want(t, p.post("/console/sign-in", url.Values{"key": {"\x00 nonsense é"}}), 401, message)
	want(t, p.post("/console/sign-in", nil), 401, message)
	p.signIn(ownKey)
	k := p.cookie
	if !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Secure || len(k.Value) != 43 {
		t.Errorf("cookie %v", k)
	}
	if w := p.get("/"); w.Code != 303 || w.Header().Get("Location") != "/console/" {
		t.Errorf("/ when signed in: %d", w.Code)
	}
	for _, path := range []string{"/console/", "/console/profile", "/console/resumes", "/console/history", "/console/nothing"} {
		p.get(path)
	}
	if strings.Contains(p.seen.String(), ownKey) || strings.Contains(p.log.String(), ownKey) {
		t.Error("the key is in a page, a cookie or the log")
	}
	old := *p.cookie
	if w := p.post("/console/sign-out", nil); w.Code != 303 || p.cookie.MaxAge >= 0 {
		t.Errorf("sign-out: %d %v", w.Code, p.cookie)
	}
	p.cookie = &old
	if w := p.get("/console/"); w.Code != 303 || w.Header().Get("Location") != "/" {
		t.Error("the session outlives the sign-out")
	}
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	p := newPerson(t)
	r := httptest.NewRequest("POST", "https://vitae.example/console/sign-in", strings.NewReader("key="+ownKey))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p.send(r)
	if p.cookie == nil || !p.cookie.Secure {
		t.Errorf("cookie %v", p.cookie)
	}
}

func TestSignInIsLimited(t *testing.T) {
	p := newPerson(t)
	for range triesBurst {
		want(t, p.post("/console/sign-in", url.Values{"key": {"wrong"}}), 401)
	}
	if w := p.post("/console/sign-in", url.Values{"key": {ownKey}}); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d", w.Code)
	}
	p.now = p.now.Add(time.Second)
	p.signIn(ownKey)
}

func TestOtherOriginsAreRefused(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	asked := len(p.api.asked)
	for _, set := range []func(http.Header){
		func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") },
		func(h http.Header) { h.Set("Sec-Fetch-Site", "same-site") },
		func(h http.Header) { h.Set("Origin", "https://evil.example") },
	} {
		for _, path := range []string{"/console/profile", "/console/sign-out", "/console/sign-in", "/console/resumes"} {
			r := httptest.NewRequest("POST", path, strings.NewReader("version=7&jobTitle=x"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			set(r.Header)
			want(t, p.send(r), 403, "another site")
		}
	}
	if len(p.api.asked) != asked {
		t.Error("the API was asked")
	}
	want(t, p.get("/console/"), 200)
}

func TestSessionsEnd(t *testing.T) {
	p := newPerson(t)
	p.signIn(ownKey)
	for range 13 { // 11 h 55 min of work
		p.now = p.now.Add(55 * time.Minute)
		want(t, p.get("/console/"), 200)
	}
	p.now = p.now.Add(5 * time.Minute)
	if w := p.get("/console/"); w.Code != 303 {
		t.Errorf("after 12 hours: %d", w.Code)
	}
	p.signIn(ownKey)
	p.now = p.now.Add(time.Hour)
	if w := p.get("/console/"); w.Code != 303 {
		t.Errorf("after an idle hour: %d", w.Code)
	}
	p.signIn(ownKey)
	p.api.gone = true
	if w := p.get("/console/"); w.Code != 303 || p.cookie.MaxAge >= 0 {
		t.Errorf("with a revoked key: %d", w.Code)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	s := sessions{byID: map[[32]byte]*session{}}
	now := time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC)
	first := s.begin(session{}, now)
	for i := range maxSessions {
		s.begin(session{}, now.Add(time.Duration(i+1)*time.Millisecond))
	}
	if len(s.byID) != maxSessions {
		t.Errorf("%d sessions", len(s.byID))
	}
	if _, ok := s.take(first, now); ok {
		t.Error("the oldest session was kept")
	}
}
