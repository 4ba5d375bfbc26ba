package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// postPress is the stand-in for PostPress.
type postPress struct {
	*provider

	mu        sync.Mutex
	scanned   bool                 // owners has what was there when the server began
	owners    map[string]accountID // the key that an account_id belongs to
	throttled []string             // sections that reads withhold, in order
}

// newPostPress makes the stand-in for PostPress, of which the package comment tells.
func newPostPress(Options) *provider {
	p := &postPress{provider: &provider{name: "postpress", bodyLimit: 32 << 20}, owners: map[string]accountID{}}
	p.identify, p.admit, p.methods, p.serve = postpressIdentify, postpressAdmit, postpressMethods, p.served
	p.refusal, p.typed, p.kept, p.aside = postpressRefusal, postpressTyped, postpressKept, postpressAside
	p.counts, p.forget = postpressCounts, p.reset
	p.switches = map[string]func(*Server, http.ResponseWriter, *http.Request){"throttle": p.throttle}
	return p.provider
}

var postpressAPIKey = regexp.MustCompile(`^pp_(live|test)_[A-Za-z0-9_-]+$`)

// postpressIdentify is the digest of the key in a request, which is in one of two headers.
func postpressIdentify(h http.Header) (string, bool) {
	keys := slices.Clone(h.Values("X-Api-Key"))
	for _, v := range h.Values("Authorization") {
		key, ok := strings.CutPrefix(v, "Bearer ")
		if !ok {
			return "", false
		}
		keys = append(keys, key)
	}
	if len(keys) != 1 || !postpressAPIKey.MatchString(keys[0]) {
		return "", false
	}
	return postpressHash(keys[0]), true
}

func postpressHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// postpressPath is a path without what versions it, "" for another.
func postpressPath(path string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "/api"), "/v1/users/")
	if !ok || rest == "" || rest != "me/edit" && strings.Contains(rest, "/") {
		return ""
	}
	return rest
}

func postpressMethods(path string) []string {
	switch postpressPath(path) {
	case "":
		return nil
	case "me/edit":
		return []string{http.MethodPatch}
	}
	return []string{http.MethodGet}
}

// served does what a request asks for.
func (p *postPress) served(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	switch rest := postpressPath(strings.TrimPrefix(r.URL.Path, "/"+p.name)); rest {
	case "me/edit":
		return p.edit(s, a, r, body, readErr)
	case "me":
		return p.me(s, a, r)
	default:
		return p.user(s, a, r, rest)
	}
}

// The names in a state.
const (
	postpressAccount = "account:" // and the account_id: its profile
	postpressDone    = "edit:"    // and the hash of an Idempotency-Key: the digest of the form
)

// postpressAside: what an Idempotency-Key was used for is not part of a profile.
func postpressAside(name string) bool { return strings.HasPrefix(name, postpressDone) }

// postpressCounts tells how many accounts a key has, and how often they announced something.
func postpressCounts(state map[string]any) map[string]int {
	counts := map[string]int{"accounts": 0, "notifications": 0}
	for name, v := range state {
		if strings.HasPrefix(name, postpressAccount) {
			profile, _ := v.(map[string]any)
			counts["accounts"]++
			counts["notifications"] += postpressInt(profile["notifications"])
		}
	}
	return counts
}

// postpressInt is a number of a state; 0 for what is none.
func postpressInt(v any) int {
	number, _ := v.(json.Number)
	n, _ := strconv.Atoi(string(number))
	return n
}

// claim says whether the account_id belongs to the key, to which it does from now on if it
// has no other.
func (p *postPress) claim(s *Server, a *account, id string) bool {
	s.world.RLock()
	defer s.world.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.scanned {
		p.scanned = true
		for _, a := range s.accounts {
			if a.id.provider == p.name {
				p.scan(a)
			}
		}
	}
	owner, owned := p.owners[id]
	if owned && owner != a.id && !s.revoked[owner.name()] {
		return false
	}
	if s.accounts[a.id] == a { // it is of no effect after a reset
		p.owners[id] = a.id
	}
	return true
}

// scan finds what an account that was replayed owns. The caller has mu.
func (p *postPress) scan(a *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name := range a.state {
		if id, ok := strings.CutPrefix(name, postpressAccount); ok {
			p.owners[id] = a.id
		}
	}
}

// reset forgets whose accounts there are, and shows all sections.
func (p *postPress) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.owners)
	p.throttled = nil
}

// throttle sets the sections that reads withhold.
func (p *postPress) throttle(_ *Server, w http.ResponseWriter, r *http.Request) {
	var body struct {
		Sections *[]string `json:"sections"`
	}
	err := readJSON(w, r, &body)
	if err == nil && body.Sections == nil {
		err = errors.New("sections is required; an empty list ends the throttling")
	}
	if err == nil {
		for _, name := range *body.Sections {
			if !slices.Contains(postpressSections, name) {
				err = fmt.Errorf("sections must be of: %s", strings.Join(postpressSections, ", "))
			}
		}
	}
	if err == nil {
		p.mu.Lock()
		p.throttled = slices.Compact(slices.Sorted(slices.Values(*body.Sections)))
		p.mu.Unlock()
	}
	done(w, http.StatusBadRequest, err)
}

// The ways in which an Idempotency-Key keeps an edit from being made.
var (
	errReplayed  = errors.New("the same edit was made before")
	errOtherForm = errors.New("the Idempotency-Key came with another form before")
)

// edit changes a profile by a form.
func (p *postPress) edit(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	if _, message := postpressQuery(r, false); message != "" {
		return postpressRefuse(http.StatusBadRequest, "invalid_parameters", message)
	}
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 || len(keys) == 1 && (keys[0] == "" || len(keys[0]) > 255) {
		return postpressRefuse(http.StatusBadRequest, "invalid_parameters", "Idempotency-Key must be one text of at most 255 bytes")
	}
	if refused, ok := p.refuseBody(readErr); !ok {
		if refused.status == http.StatusRequestEntityTooLarge {
			return postpressRefuse(http.StatusBadRequest, "content_too_large", "Request body is too large")
		}
		return refused
	}
	parts, err := postpressParts(r.Header, body)
	switch {
	case errors.Is(err, errNotAForm):
		return p.refusal(http.StatusUnsupportedMediaType, err.Error())
	case err != nil:
		return postpressRefuse(http.StatusBadRequest, "malformed_request", err.Error())
	}

	var c postpressFindings
	form, _ := postpressProfile.object(&c, "", postpressTree(&c, parts)).(map[string]any)
	id, _ := form["account_id"].(string)
	mine := id != "" && p.claim(s, a, id)
	changed, err := s.update(a, postpressVerb(form), func(state map[string]any) (map[string]any, error) {
		set := map[string]any{}
		if len(keys) == 1 {
			name, digest := postpressDone+postpressHash(keys[0]), postpressDigest(parts)
			if before, used := state[name]; used && before == any(digest) {
				return nil, errReplayed
			} else if used {
				return nil, errOtherForm
			}
			set[name] = digest
		}
		if !c.none() {
			return nil, errFound
		}
		if !mine {
			return nil, errGone
		}
		profile, err := postpressEdited(state[postpressAccount+id], form)
		set[postpressAccount+id] = profile
		return set, err
	})
	switch {
	case errors.Is(err, errOtherForm):
		return postpressRefuse(http.StatusUnprocessableEntity, "unprocessable_entity", err.Error())
	case errors.Is(err, errFound):
		return c.refusal()
	case errors.Is(err, errGone):
		return p.refusal(http.StatusNotFound, "The account, or what it has under the id, is not found")
	case err != nil && !errors.Is(err, errReplayed):
		return s.unmade(a, err)
	}
	return reply{status: http.StatusOK, changed: changed, body: map[string]any{"object": "ProfileEdited"}}
}

// postpressKept says whether the state can have the value under the name.
func postpressKept(name string, v any) bool {
	if key, ok := strings.CutPrefix(name, postpressDone); ok {
		of, isText := v.(string)
		return digest.MatchString(key) && isText && digest.MatchString(of)
	}
	id, ok := strings.CutPrefix(name, postpressAccount)
	profile, isObject := v.(map[string]any)
	if !ok || id == "" || !isObject {
		return false
	}
	for field, v := range profile {
		if !postpressKeeps(field, v) {
			return false
		}
	}
	return true
}

// postpressKeeps says whether a profile can have the value under the name.
func postpressKeeps(field string, v any) bool {
	_, known := postpressProfile[field]
	switch v := v.(type) {
	case json.Number:
		return field == "notifications"
	case bool:
		return field == "skills_follow"
	case string:
		return field == "headline" || field == "summary"
	case []any:
		for _, item := range v {
			entity, _ := item.(map[string]any)
			if id, _ := entity["id"].(string); id == "" && field != "skills" {
				return false
			}
		}
		return slices.Contains(postpressSections, field)
	case map[string]any:
		return known && !slices.Contains(append([]string{"type", "account_id", "headline", "summary", "skills_follow"}, postpressSections...), field)
	}
	return false
}

// postpressVerb is how the effect of a form is counted.
func postpressVerb(form map[string]any) string {
	verb := ""
	for _, section := range postpressItems {
		item, _ := form[section].(map[string]any)
		switch {
		case item == nil:
		case item["id"] == nil:
			return verbCreate
		default:
			verb = verbUpdate
		}
	}
	return verb
}

// postpressItems are the sections whose items have ids.
var postpressItems = []string{"experience", "education"}

// postpressEdited is a profile after a form that is by the rules. errGone is for the id of
// an item that is not there. What v has is not changed.
func postpressEdited(v any, form map[string]any) (map[string]any, error) {
	old, _ := v.(map[string]any)
	profile := map[string]any{}
	maps.Copy(profile, old)
	announced := 0
	made := 0 // items have ids in the order in which they were made
	for _, section := range postpressItems {
		list, _ := old[section].([]any)
		made += len(list)
	}
	for name, value := range form {
		if name != "type" && name != "account_id" && !slices.Contains(postpressItems, name) {
			profile[name] = value
		}
	}
	for _, section := range postpressItems {
		item, there := form[section].(map[string]any)
		if !there {
			continue
		}
		if item["notify_network"] == true {
			announced++
		}
		delete(item, "notify_network")
		list, _ := old[section].([]any)
		list = slices.Clone(list)
		if item["id"] == nil {
			made++
			item["id"] = strconv.Itoa(1000 + made)
			profile[section] = append(list, item)
			continue
		}
		i := slices.IndexFunc(list, func(v any) bool { return v.(map[string]any)["id"] == item["id"] })
		if i < 0 {
			return nil, errGone
		}
		edited := maps.Clone(list[i].(map[string]any))
		maps.Copy(edited, item)
		list[i], profile[section] = edited, list
	}
	if announced > 0 {
		profile["notifications"] = json.Number(strconv.Itoa(postpressInt(old["notifications"]) + announced))
	}
	return profile, nil
}
