package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// linkedIn is the stand-in for LinkedIn.
type linkedIn struct {
	*provider
	perDay     int           // requests of an account in a day of UTC; 0 is no limit
	uploadTime time.Duration // how long an upload URL can be used
}

// newLinkedIn makes the stand-in for LinkedIn.
//
// LinkedIn is at /linkedin, with the Profile Edit of POST /linkedin/v2/people/(id:{id}) and
// its sections, the pictures of POST /linkedin/v2/assets, and what GET reads. Any bearer
// token opens an account; the first person id that it is used with is its own from then
// on. That is an effect with the first write, and in memory only before. Where the
// documentation is silent:
//
//   - a body of another shape than any that is documented, and a name that no table has,
//     are refused with 400; a value that is against a rule, with 422;
//   - the empty text clears a field that holds a text, the empty list one that holds a
//     list; other fields are cleared by $delete only, but for the dates of a patent;
//   - a text inside a value must not be empty, nor a map of locales;
//   - an order may name some of the entities: these come first, then the others by age;
//     an entity that is deleted leaves the order;
//   - a patent takes the fields of its kind; those of the other kind, from before it
//     changed, are kept and not shown;
//   - a type of phone is WORK, HOME or MOBILE; an IM is GTALK or GTalk;
//   - the phonetic names need a Japanese locale in the profile or in the value;
//   - parentheses of a key must not be percent-encoded;
//   - upload URLs are in memory only, and can be used more than once while they are valid.
func newLinkedIn(o Options) *provider {
	return linkedIn{perDay: o.PerDay, uploadTime: linkedinUploadTime}.make()
}

func (l linkedIn) make() *provider {
	l.provider = &provider{name: "linkedin", bodyLimit: linkedinMaxUpload}
	l.provider.identify, l.provider.admit, l.provider.methods, l.provider.serve = linkedinKey, l.admitted, linkedinMethods, l.served
	l.provider.refusal, l.provider.kept, l.provider.logPath = linkedinRefusal, linkedinKept, linkedinLogPath
	return l.provider
}

// linkedinMemory is what is remembered of an account in memory only.
type linkedinMemory struct {
	day     int64 // since 1970, of the last request
	used    int   // requests on that day
	person  string
	uploads map[string]linkedinUpload // by the secret in the URL
}

// linkedinMemoryOf gives the memory of an account. The caller has a.mu.
func linkedinMemoryOf(a *account) *linkedinMemory {
	m, _ := a.limit.(*linkedinMemory)
	if m == nil {
		m = &linkedinMemory{uploads: map[string]linkedinUpload{}}
		a.limit = m
	}
	return m
}

var linkedinBearer = regexp.MustCompile(`^Bearer ([!-~]+)$`)

// linkedinKey is the digest of the token in a request.
func linkedinKey(h http.Header) (string, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	match := linkedinBearer.FindStringSubmatch(values[0])
	if match == nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(match[1]))
	return hex.EncodeToString(sum[:]), true
}

// linkedinError is the body of every refusal.
type linkedinError struct {
	Message          string `json:"message"`
	ServiceErrorCode int    `json:"serviceErrorCode"`
	Status           int    `json:"status"`
}

func linkedinRefusal(status int, message string) reply {
	code := map[int]int{http.StatusUnauthorized: 65601, http.StatusForbidden: 100, http.StatusTooManyRequests: 101}[status]
	return reply{status: status, body: linkedinError{message, code, status}}
}

// linkedinFound refuses a body for what is wrong in it.
func linkedinFound(c *linkedinFindings) reply {
	status, list := http.StatusUnprocessableEntity, c.wrong
	if len(c.malformed) > 0 {
		status, list = http.StatusBadRequest, c.malformed
	}
	texts := []string{}
	for _, d := range list {
		texts = append(texts, d.Field+" "+d.Message)
	}
	return linkedinRefusal(status, strings.Join(texts, "; "))
}

// admitted counts a request under the account's limit, which begins anew at midnight UTC.
// Nothing tells the client when that is.
func (l linkedIn) admitted(a *account, _ http.Header, now time.Time) (reply, bool) {
	if a == nil {
		return linkedinRefusal(http.StatusUnauthorized, "The token used in the request is missing or has been revoked"), false
	}
	m := linkedinMemoryOf(a)
	if day := now.Unix() / 86400; day > m.day {
		m.day, m.used = day, 0
	}
	if l.perDay > 0 && m.used >= l.perDay {
		return linkedinRefusal(http.StatusTooManyRequests, "Resource level throttle MEMBER DAY limit for calls to this resource is reached."), false
	}
	m.used++
	return reply{}, true
}

// linkedinMethods are the methods of a path.
func linkedinMethods(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	known := func(i int) bool { _, ok := linkedinSections[parts[i]]; return ok }
	switch people := len(parts) > 2 && parts[0] == "v2" && parts[1] == "people"; {
	case path == "/v2/me":
		return []string{http.MethodGet}
	case path == "/v2/assets":
		return []string{http.MethodPost}
	case people && len(parts) == 3:
		return []string{http.MethodGet, http.MethodPost}
	case people && len(parts) == 4 && known(3):
		return []string{http.MethodPost}
	case people && len(parts) == 5 && known(3):
		return []string{http.MethodPost, http.MethodDelete}
	case len(parts) == 4 && parts[0] == "mediaUpload" && parts[3] == "0":
		return []string{http.MethodPut, http.MethodPost}
	}
	return nil
}

// linkedinLogPath is the path without what belongs to an upload URL.
func linkedinLogPath(path string) string {
	if strings.HasPrefix(path, "/mediaUpload/") {
		return "/mediaUpload"
	}
	return linkedinWhose.ReplaceAllString(path, "${1}…$2")
}

// linkedinWhose finds the person's id in a path: the log does not say whose profile it was.
var linkedinWhose = regexp.MustCompile(`^(/v2/people/(?:\(id:|id=))[^/)]*(\)?)`)

// served does what a request asks for.
func (l linkedIn) served(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	escaped := r.URL.EscapedPath()
	if strings.Count(escaped, "/") != strings.Count(r.URL.Path, "/") {
		return linkedinRefusal(http.StatusBadRequest, "A slash of the path must not be percent-encoded")
	}
	parts := strings.Split(strings.TrimPrefix(escaped, "/linkedin/"), "/")
	if parts[0] == "mediaUpload" {
		return l.upload(s, a, r, parts[1], parts[2], body, readErr)
	}
	if v := r.Header.Get("X-Restli-Protocol-Version"); v != "" && v != "1.0.0" && v != "2.0.0" {
		return linkedinRefusal(http.StatusBadRequest, "X-RestLi-Protocol-Version is not a version of the protocol")
	}
	if r.Method == http.MethodPost {
		if refused, ok := l.refuseJSON(r.Header, readErr); !ok {
			return refused
		}
		if len(body) > maxBody {
			return linkedinRefusal(http.StatusRequestEntityTooLarge, "Request body is too large")
		}
	}
	switch parts[1] {
	case "me":
		return l.read(s, a, r, "", true)
	case "assets":
		if r.URL.RawQuery != "action=registerUpload" {
			return linkedinRefusal(http.StatusBadRequest, "The query must be action=registerUpload")
		}
		if refused, ok := linkedinMethod(r, "ACTION"); !ok {
			return refused
		}
		return l.register(s, a, r, body)
	}
	return l.people(s, a, r, parts[2:], body)
}

// linkedinMethod refuses a request that says it is for another method of Rest.li.
func linkedinMethod(r *http.Request, method string) (refused reply, ok bool) {
	if said := r.Header.Get("X-Restli-Method"); said != "" && !strings.EqualFold(said, method) {
		return linkedinRefusal(http.StatusBadRequest, "X-RestLi-Method must be "+method+" here"), false
	}
	return reply{}, true
}

var (
	linkedinNewKey = regexp.MustCompile(`^\(id:([A-Za-z0-9_-]+)\)$`)
	linkedinOldKey = regexp.MustCompile(`^id=([A-Za-z0-9_-]+)$`)
	linkedinLong   = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
)

// people serves a person and the sections. parts are the key, the section and the id.
func (l linkedIn) people(s *Server, a *account, r *http.Request, parts []string, body []byte) reply {
	key := linkedinNewKey.FindStringSubmatch(parts[0])
	if key != nil && r.Header.Get("X-Restli-Protocol-Version") != "2.0.0" {
		return linkedinRefusal(http.StatusBadRequest, "A key like (id:X) needs the header X-RestLi-Protocol-Version: 2.0.0")
	}
	if key == nil {
		key = linkedinOldKey.FindStringSubmatch(parts[0])
	}
	if key == nil {
		return linkedinRefusal(http.StatusBadRequest, "The key of a person must be like (id:X)")
	}
	person := key[1]
	method := "PARTIAL_UPDATE"
	switch {
	case r.Method != http.MethodPost:
		method = r.Method
	case len(parts) == 2:
		method = "CREATE"
	}
	if refused, ok := linkedinMethod(r, method); !ok {
		return refused
	}
	if r.Method != http.MethodGet && r.URL.RawQuery != "" {
		return linkedinRefusal(http.StatusBadRequest, "There must be no query")
	}
	if len(parts) == 3 && !linkedinLong.MatchString(parts[2]) {
		return linkedinRefusal(http.StatusBadRequest, "The id of an entity must be a number")
	}
	if !l.claim(a, person) {
		return linkedinRefusal(http.StatusNotFound, "Invalid member id")
	}
	switch {
	case method == "GET":
		return l.read(s, a, r, person, false)
	case len(parts) == 1:
		return l.change(s, a, person, "", reply{status: http.StatusOK}, func(c *linkedinFindings, state map[string]any) (map[string]any, error) {
			return linkedinPatch(c, state, body), nil
		})
	case method == "CREATE":
		created := reply{status: http.StatusCreated, header: http.Header{}}
		return l.change(s, a, person, verbCreate, created, func(c *linkedinFindings, state map[string]any) (map[string]any, error) {
			set, id := linkedinCreate(c, state, person, parts[1], body)
			created.header.Set("x-linkedin-id", id)
			created.header.Set("x-restli-id", id)
			return set, nil
		})
	case method == "DELETE":
		return l.change(s, a, person, verbDelete, reply{status: http.StatusNoContent}, func(_ *linkedinFindings, state map[string]any) (map[string]any, error) {
			return linkedinDelete(state, parts[1], parts[2])
		})
	}
	return l.change(s, a, person, verbUpdate, reply{status: http.StatusOK}, func(c *linkedinFindings, state map[string]any) (map[string]any, error) {
		return linkedinUpdate(c, state, person, parts[1], parts[2], body)
	})
}

// claim makes the person the token's own if it has none, and says whether it is.
func (l linkedIn) claim(a *account, person string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return linkedinPerson(a, person) == person
}

// linkedinPerson is the token's person, which is the one given if it has none. The caller
// has a.mu.
func linkedinPerson(a *account, otherwise string) string {
	if own, ok := a.state["id"].(string); ok {
		return own
	}
	m := linkedinMemoryOf(a)
	if m.person == "" {
		m.person = otherwise
	}
	return m.person
}

// errFound is for a body with findings.
var errFound = errors.New("the body is not by the rules")

// change makes the effect that f finds, and answers made when it is in the store.
func (l linkedIn) change(s *Server, a *account, person, verb string, made reply,
	f func(c *linkedinFindings, state map[string]any) (map[string]any, error)) reply {
	var c linkedinFindings
	changed, err := s.update(a, verb, func(state map[string]any) (map[string]any, error) {
		set, err := f(&c, state)
		if err == nil && !c.none() {
			err = errFound
		}
		if err != nil {
			return nil, err
		}
		set["id"] = person
		return set, nil
	})
	switch {
	case errors.Is(err, errFound):
		return linkedinFound(&c)
	case errors.Is(err, errGone):
		return linkedinRefusal(http.StatusNotFound, "The entity is not found")
	case err != nil:
		return s.unmade(a, err)
	}
	made.changed = changed
	return made
}

// linkedinKept says whether the state can have the value under the name.
func linkedinKept(name string, v any) bool {
	_, isPicture := linkedinPictures[name]
	_, isSection := linkedinSections[name]
	field, isField := linkedinBasic(name)
	isField = isField || slices.Contains(linkedinDeletable, name)
	switch v := v.(type) {
	case nil:
		return isPicture || isSection || isField
	case string:
		return name == "id" || name == "vanityName" || name == "industryId"
	case []any:
		for _, item := range v {
			entity, _ := item.(map[string]any)
			if _, ok := entity["id"].(json.Number); isSection && !ok {
				return false
			}
		}
		return len(v) > 0 && (isSection || isField && field.empty == linkedinByList)
	case map[string]any:
		return len(v) > 0 && (name == "assets" || isPicture ||
			isField && field.empty != linkedinByList && name != "vanityName" && name != "industryId")
	}
	return false
}
