package sinktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// ShopName is the name of the Shop as a provider.
const ShopName = ledger.LinkedIn

// Shop is a provider with every class of operation. It is the far side, an http.Handler;
// Through gives the near side. It keeps one account for each credential, without what
// follows a "#" in it: that is the credential's generation (see Expire).
//
//	profile   A  PUT, GET                        the other shared scalars
//	card      B  PUT by key, GET                 email and phone
//	notes     A  PUT the order of known ids      workExperiences of the resume
//	  items   C  GET all, POST, PUT, DELETE
//	log          POST only                       awards of the resume
//	  items   D
//	picture   E  register, upload, set; GET      the scalar picture
//	task      F  PUT answers 202; GET            the scalar headline
//
// Refusals are answered with 200 and {"ok":false,"status":422} (class G). Set the options
// before the first request.
type Shop struct {
	Limit sinks.Rate
	// Blind shops can be neither read nor listed; Renewing ones have a token endpoint.
	Blind, Renewing bool
	// Nameless shops do not say what id a new note has.
	Nameless bool
	// Lag is how old what reads show is.
	Lag time.Duration
	// TaskTakes is how long a task is accepted and not done; default 7 s.
	TaskTakes time.Duration
	// RefuseIf says which bodies are refused.
	RefuseIf func(entity string, body []byte) bool
	// Answer gives the status of an answer without an effect; 0 is none of that. It is
	// called without a lock held and may take its time.
	Answer func(account string, r *http.Request) int

	mu       sync.Mutex
	accounts map[string]*shelf
	writes   []Write
	calls    []time.Time
	renewals int
}

// Write is a request to change something that arrived, in order of arrival.
type Write struct {
	Account, Entity string // Entity has the provider's id, not the ledger's
	Method          string
	Attempt, Step   string // of the headers
	Body            []byte
	At              time.Time
	Applied         bool // it had its effect, or was taken as a task
}

// shelf is one account.
type shelf struct {
	docs     map[string][]version // what reads give, by path, the newest last
	notes    []Note
	log      []string
	assets   map[string]*asset // by id
	tasks    []task
	next     int
	needed   int // the generation of credentials that is served
	granted  int // the newest one that was given out
	revoked  bool
	expiring bool // upload tokens are of no use
}

// Note is an item of the section notes.
type Note struct {
	ID   string          `json:"id"`
	Note json.RawMessage `json:"note"`
}

type version struct {
	at   time.Time
	body string
}

type asset struct {
	token string
	body  []byte
	set   bool
}

type task struct {
	at   time.Time
	body []byte
}

// NewShop makes an empty one.
func NewShop() *Shop { return &Shop{accounts: map[string]*shelf{}, TaskTakes: 7 * time.Second} }

// split takes a credential apart.
func split(credential string) (account string, generation int) {
	account, g, _ := strings.Cut(credential, "#")
	generation, err := strconv.Atoi(g)
	if err != nil {
		return account, 0
	}
	return account, generation
}

// shelf finds or makes an account, and does the tasks that are due. The mutex is held.
func (s *Shop) shelf(account string) *shelf {
	a := s.accounts[account]
	if a == nil {
		a = &shelf{docs: map[string][]version{}, assets: map[string]*asset{}}
		s.accounts[account] = a
	}
	for len(a.tasks) > 0 && !a.tasks[0].at.After(time.Now()) {
		a.put("task", string(a.tasks[0].body), a.tasks[0].at)
		a.tasks = a.tasks[1:]
	}
	return a
}

func (a *shelf) put(path, body string, at time.Time) {
	a.docs[path] = append(a.docs[path], version{at, body})
}

// get is what a path held at a time.
func (a *shelf) get(path string, at time.Time) string {
	out := ""
	for _, v := range a.docs[path] {
		if !v.at.After(at) {
			out = v.body
		}
	}
	return out
}

// noted records what the list is now.
func (a *shelf) noted() {
	b, err := json.Marshal(a.notes)
	if err != nil {
		panic(err)
	}
	a.put("notes", string(b), time.Now())
}

func (a *shelf) id(prefix string) string {
	a.next++
	return prefix + strconv.Itoa(a.next)
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	account, generation := split(r.Header.Get("Authorization"))
	status := 0
	if s.Answer != nil {
		status = s.Answer(account, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.shelf(account)
	path := strings.TrimPrefix(r.URL.Path, "/")
	s.calls = append(s.calls, time.Now())
	answer := map[string]any{"ok": true}
	switch {
	case path == "token":
		status, answer = s.token(a, account, generation)
	case status != 0:
	case a.revoked || generation < a.needed:
		status = http.StatusUnauthorized
	case r.Method == http.MethodGet && (s.Blind || path == "log"):
		status = http.StatusNotFound
	case r.Method == http.MethodGet:
		answer["value"] = json.RawMessage(orNull(a.get(path, time.Now().Add(-s.Lag))))
		status = http.StatusOK
	case s.RefuseIf != nil && s.RefuseIf(path, body):
		status, answer = http.StatusOK, map[string]any{"ok": false, "status": 422}
	default:
		status, answer = s.write(a, r.Method, path, body)
	}
	if r.Method != http.MethodGet && path != "token" {
		s.writes = append(s.writes, Write{Account: account, Entity: path, Method: r.Method, Attempt: r.Header.Get("X-Vitae-Attempt"), Step: r.Header.Get("X-Vitae-Step"),
			Body: body, At: time.Now(), Applied: status < 300 && answer["ok"] == true})
	}
	out, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(out) // a recorder takes everything
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// token renews a credential: each can be used for that once.
func (s *Shop) token(a *shelf, account string, generation int) (int, map[string]any) {
	s.renewals++
	if a.revoked || generation != a.granted {
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
	}
	a.granted++
	return http.StatusOK, map[string]any{"ok": true, "token": fmt.Sprintf("%s#%d", account, a.granted)}
}

// write does what a request asks for. The mutex is held.
func (s *Shop) write(a *shelf, method, path string, body []byte) (int, map[string]any) {
	ok := map[string]any{"ok": true}
	bad := map[string]any{"ok": false, "status": 422}
	kind, rest, _ := strings.Cut(path, "/")
	switch kind {
	case "profile", "card":
		a.put(kind, string(body), time.Now())
		return http.StatusOK, ok
	case "task":
		a.tasks = append(a.tasks, task{time.Now().Add(s.TaskTakes), body})
		ok["task"] = a.id("t")
		return http.StatusAccepted, ok
	case "log":
		a.log = append(a.log, string(body))
		return http.StatusCreated, ok
	case "picture":
		return a.picture(rest, body)
	}
	i := slices.IndexFunc(a.notes, func(n Note) bool { return n.ID == rest })
	switch {
	case method == http.MethodPost:
		n := Note{ID: a.id("n"), Note: body}
		a.notes = append(a.notes, n)
		if !s.Nameless {
			ok["id"] = n.ID
		}
	case rest == "order":
		var ids []string
		if err := json.Unmarshal(body, &ids); err != nil || !a.order(ids) {
			return http.StatusOK, bad
		}
	case i < 0:
		return http.StatusNotFound, bad
	case method == http.MethodDelete:
		a.notes = slices.Delete(slices.Clone(a.notes), i, i+1)
	default:
		a.notes[i].Note = body
	}
	a.noted()
	return http.StatusOK, ok
}

// order puts the named notes first; each must be there.
func (a *shelf) order(ids []string) bool {
	place := map[string]int{}
	for i, id := range ids {
		if !slices.ContainsFunc(a.notes, func(n Note) bool { return n.ID == id }) {
			return false
		}
		place[id] = i
	}
	at := func(n Note) int {
		if i, ok := place[n.ID]; ok {
			return i
		}
		return len(ids)
	}
	slices.SortStableFunc(a.notes, func(x, y Note) int { return at(x) - at(y) })
	return true
}

// picture is one of the steps.
func (a *shelf) picture(step string, body []byte) (int, map[string]any) {
	ok := map[string]any{"ok": true}
	switch name, token, _ := strings.Cut(step, "/"); name {
	case "register":
		id := a.id("asset")
		a.assets[id] = &asset{token: UploadSecret + id}
		ok["asset"], ok["upload"] = id, UploadSecret+id
		return http.StatusCreated, ok
	case "upload":
		for _, as := range a.assets {
			if as.token == token && !a.expiring {
				as.body = body
				return http.StatusOK, ok
			}
		}
		return http.StatusGone, ok
	}
	var id *string
	if err := json.Unmarshal(body, &id); err != nil {
		return http.StatusBadRequest, ok
	}
	if id == nil {
		a.put("picture", "", time.Now())
		return http.StatusOK, ok
	}
	as := a.assets[*id]
	if as == nil || as.body == nil {
		return http.StatusOK, map[string]any{"ok": false, "status": 422}
	}
	as.set = true
	a.put("picture", string(as.body), time.Now())
	return http.StatusOK, ok
}

// UploadSecret begins every upload token: none may be found in a stream or a log.
const UploadSecret = "canary-upload-"

// look gives an account to a function.
func (s *Shop) look(account string, f func(*shelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.shelf(account))
}

// Document is what an account holds at a path: "profile", "card", "picture" or "task".
func (s *Shop) Document(account, path string) (doc string) {
	s.look(account, func(a *shelf) { doc = a.get(path, time.Now()) })
	return doc
}

// Notes are an account's notes in their order.
func (s *Shop) Notes(account string) (out []Note) {
	s.look(account, func(a *shelf) { out = slices.Clone(a.notes) })
	return out
}

// Log is what was appended to an account's log.
func (s *Shop) Log(account string) (out []string) {
	s.look(account, func(a *shelf) { out = slices.Clone(a.log) })
	return out
}

// Orphans counts the assets of an account that were registered and never set.
func (s *Shop) Orphans(account string) (n int) {
	s.look(account, func(a *shelf) {
		for _, as := range a.assets {
			if !as.set {
				n++
			}
		}
	})
	return n
}

// AddNote is somebody else who makes a note.
func (s *Shop) AddNote(account, note string) (id string) {
	s.look(account, func(a *shelf) {
		id = a.id("n")
		a.notes = append(a.notes, Note{ID: id, Note: json.RawMessage(note)})
		a.noted()
	})
	return id
}

// Revoke ends an account's credentials for good, or not any more.
func (s *Shop) Revoke(account string, yes bool) {
	s.look(account, func(a *shelf) { a.revoked = yes })
}

// Expire ends all credentials of an account that were given out up to now; the newest of
// them can be renewed.
func (s *Shop) Expire(account string) {
	s.look(account, func(a *shelf) { a.needed = a.granted + 1 })
}

// Renew is another process that renews the credential.
func (s *Shop) Renew(account string) (credential string) {
	s.look(account, func(a *shelf) {
		a.granted++
		credential = fmt.Sprintf("%s#%d", account, a.granted)
	})
	return credential
}

// ExpireUploads makes upload tokens useless, or useful again.
func (s *Shop) ExpireUploads(account string, yes bool) {
	s.look(account, func(a *shelf) { a.expiring = yes })
}

// Writes are all requests to change something that arrived.
func (s *Shop) Writes() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// Effects counts the writes to an entity of an account that were applied.
func (s *Shop) Effects(account, entity string) (n int) {
	for _, w := range s.Writes() {
		if w.Account == account && w.Entity == entity && w.Applied {
			n++
		}
	}
	return n
}

// Calls are the times of all requests that arrived.
func (s *Shop) Calls() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Renewals counts the requests to the token endpoint.
func (s *Shop) Renewals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewals
}
