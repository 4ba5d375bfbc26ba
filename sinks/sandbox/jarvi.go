package sandbox

import (
	"crypto/rand"
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
	"time"
)

// jarvi is the stand-in for Jarvi.
type jarvi struct{ *provider }

// jarviMaxBody is the most bytes of a request, 4.5 MB.
const jarviMaxBody = 4_500_000

// newJarvi makes the stand-in for Jarvi. What it does where the documentation is silent is
// said for the package.
func newJarvi(Options) *provider {
	j := jarvi{&provider{name: "jarvi", bodyLimit: jarviMaxBody}}
	j.identify, j.admit, j.methods, j.serve = jarviKey, jarviAdmitted, jarviMethods, j.served
	j.refusal, j.kept, j.counts = jarviRefusal, jarviKept, jarviCounts
	j.switches = map[string]func(*Server, http.ResponseWriter, *http.Request){"delete": j.remove}
	return j.provider
}

var jarviKeyForm = regexp.MustCompile(`^[!-~]{16,}$`)

// jarviKey is the digest of the key in a request.
func jarviKey(h http.Header) (string, bool) {
	values := h.Values("X-Api-Key")
	if len(values) != 1 || !jarviKeyForm.MatchString(values[0]) {
		return "", false
	}
	sum := sha256.Sum256([]byte(values[0]))
	return hex.EncodeToString(sum[:]), true
}

func jarviRefusal(status int, message string) reply {
	return reply{status: status, body: struct {
		Message string `json:"message"`
	}{message}}
}

func jarviAdmitted(a *account, _ http.Header, _ time.Time) (reply, bool) {
	return jarviRefusal(http.StatusUnauthorized, "Invalid API key"), a != nil
}

const jarviPath = "/v1/public-api/rest/v2/profiles"

func jarviMethods(path string) []string {
	if path == jarviPath {
		return []string{http.MethodGet, http.MethodPost}
	}
	return nil
}

func (j jarvi) served(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	if r.Method == http.MethodGet {
		return jarviFind(s.view(a), r.URL.RawQuery)
	}
	if r.URL.RawQuery != "" {
		return jarviRefusal(http.StatusBadRequest, "There must be no query")
	}
	if refused, ok := j.refuseJSON(r.Header, readErr); !ok {
		return refused
	}
	v, wrong, err := parseStrict(body)
	if err != nil {
		return jarviRefusal(http.StatusBadRequest, "The body "+err.Error())
	}
	o, ok := v.(*object)
	if !ok {
		return jarviRefusal(http.StatusBadRequest, "The body must be an object")
	}
	sent, bad := jarviRead(o)
	if wrong = append(wrong, bad...); len(wrong) > 0 {
		texts := make([]string, len(wrong))
		for i, d := range wrong {
			texts[i] = d.Field + " " + d.Message
		}
		return jarviRefusal(http.StatusBadRequest, strings.Join(texts, "; "))
	}
	return j.save(s, a, sent)
}

var (
	// errNone is for an update without a profile that it is for.
	errNone = errors.New("there is no such profile")
	// errSome is for a create with a profile that has the externalId.
	errSome = errors.New("there is a profile with the externalId")
)

// save makes or updates a profile.
func (j jarvi) save(s *Server, a *account, sent jarviSent) reply {
	created := s.clock().UTC().Format(jarviTime)
	id := jarviNewUUID()
	// A profile is never taken away, so the one that was missing at first, and is there
	// for the create, is there for the last update.
	for _, verb := range []string{verbUpdate, verbCreate, verbUpdate} {
		changed, err := s.update(a, verb, func(state map[string]any) (map[string]any, error) {
			found, err := jarviMatch(state, sent)
			switch {
			case err != nil:
				return nil, err
			case verb == verbCreate && found != "":
				return nil, errSome
			case verb == verbCreate:
				number := json.Number(strconv.Itoa(len(state) + 1))
				return map[string]any{id: jarviMerged(map[string]any{jarviNumber: number, jarviCreated: created}, sent)}, nil
			case found == "":
				return nil, errNone
			}
			id = found
			before, _ := state[id].(map[string]any)
			return map[string]any{id: jarviMerged(before, sent)}, nil
		})
		switch {
		case errors.Is(err, errNone) && sent.id != "":
			return jarviRefusal(http.StatusNotFound, "No profile has this id")
		case errors.Is(err, errNone), errors.Is(err, errSome):
			continue
		case errors.Is(err, errWrong):
			return jarviRefusal(http.StatusBadRequest, "id and externalId are of different profiles")
		case err != nil:
			return s.unmade(a, err)
		}
		return reply{status: http.StatusCreated, changed: changed, body: map[string]any{
			"message": "Profile saved successfully", "taskId": jarviNewUUID(), "profileId": id}}
	}
	return s.unmade(a, errSome)
}

// jarviMatch is the id of the profile that a POST is for, empty for none. It is errWrong
// when id and externalId do not agree.
func jarviMatch(state map[string]any, sent jarviSent) (id string, err error) {
	external, given := sent.fields["externalId"]
	if given {
		id = jarviWith(state, external)
	}
	if sent.id == "" {
		return id, nil
	}
	profile, there := state[sent.id].(map[string]any)
	own, _ := profile["externalId"].(string)
	if given && (id != "" && id != sent.id || own != "" && own != external) {
		return "", errWrong
	}
	if !there {
		return "", nil
	}
	return sent.id, nil
}

// jarviWith is the id of the profile that has the externalId and is not deleted.
func jarviWith(state map[string]any, external string) string {
	for _, id := range slices.Sorted(maps.Keys(state)) {
		profile, _ := state[id].(map[string]any)
		if profile["externalId"] == external && profile[jarviDeleted] == nil {
			return id
		}
	}
	return ""
}

// jarviTime is the form of times.
const jarviTime = "2006-01-02T15:04:05.000Z07:00"

func jarviNewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return jarviUUIDOf(b)
}

// jarviUUIDOf makes a random uuid of random bits.
func jarviUUIDOf(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// remove deletes a profile, as a person does who works with Jarvi. The account is found
// by the headers of a provider call.
func (j jarvi) remove(s *Server, w http.ResponseWriter, r *http.Request) {
	var body struct {
		ProfileID string `json:"profileId"`
	}
	digest, ok := jarviKey(r.Header)
	s.world.RLock()
	a := s.accounts[accountID{j.name, digest}]
	s.world.RUnlock()
	if err := readJSON(w, r, &body); err != nil {
		done(w, http.StatusBadRequest, err)
		return
	}
	if !ok || a == nil {
		writeError(w, http.StatusUnauthorized, "the request needs the headers of a call to the provider, with a key that was used")
		return
	}
	id := strings.ToLower(body.ProfileID)
	deleted := s.clock().UTC().Format(jarviTime)
	_, err := s.update(a, verbDelete, func(state map[string]any) (map[string]any, error) {
		profile, ok := state[id].(map[string]any)
		if !ok {
			return nil, errNone
		}
		if profile = maps.Clone(profile); profile[jarviDeleted] == nil {
			profile[jarviDeleted] = deleted
		}
		return map[string]any{id: profile}, nil
	})
	if errors.Is(err, errNone) {
		done(w, http.StatusNotFound, err)
		return
	}
	done(w, http.StatusInternalServerError, err)
}
