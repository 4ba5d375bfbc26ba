package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nexudus is the stand-in for the coworker portal of Nexudus.
type nexudus struct {
	*provider
	clock func() time.Time

	// mu guards what is in memory only.
	mu      sync.Mutex
	soft    bool
	initial *nexudusHash             // of the password that accounts begin with; nil for nexudusDemo
	access  map[string]nexudusAccess // by the digest of an access token that was issued
	refresh map[string]string        // accounts by the digest of their refresh tokens
}

// newNexudus makes the stand-in for Nexudus. What it does where the documentation is
// silent is said for the package.
func newNexudus(o Options) *provider {
	n := &nexudus{provider: &provider{name: "nexudus"}, clock: o.Clock}
	if n.clock == nil {
		n.clock = time.Now
	}
	n.reset()
	n.identify, n.admit, n.methods, n.serve = n.key, n.admitted, nexudusMethods, n.served
	n.refusal, n.kept, n.keyless, n.forget = nexudusRefusal, nexudusKept, nexudusKeyless, n.reset
	n.switches = map[string]func(*Server, http.ResponseWriter, *http.Request){
		"soft": n.turnSoft, "password": n.setInitial, "refresh": n.handOut,
	}
	return n.provider
}

// reset makes what is in memory only as it was at the start.
func (n *nexudus) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.soft, n.initial, n.access, n.refresh = false, nil, map[string]nexudusAccess{}, map[string]string{}
}

var nexudusBearer = regexp.MustCompile(`^Bearer ([!-~]+)$`)

// nexudusBearerOf is the token in a request.
func nexudusBearerOf(h http.Header) (token string, ok bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	match := nexudusBearer.FindStringSubmatch(values[0])
	if match == nil {
		return "", false
	}
	return match[1], true
}

// key is the digest of the token in a request. A token that was issued has the account of
// its refresh token, until it expires.
func (n *nexudus) key(h http.Header) (string, bool) {
	token, ok := nexudusBearerOf(h)
	if !ok {
		return "", false
	}
	digest := nexudusDigest(token)
	if !strings.HasPrefix(token, nexudusIssued) {
		return digest, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.access[digest]
	return a.account, ok && n.clock().Before(a.expires)
}

func nexudusDigest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// nexudusConfirmation is an ActionConfirmation.
type nexudusConfirmation struct {
	WasSuccessful bool
	Value         *string
	Status        int
	Message       *string
	Errors        []nexudusFinding
}

// nexudusFinding is what is wrong with one field. The value is never told.
type nexudusFinding struct {
	AttemptedValue *string
	Message        string
	PropertyName   string
}

func nexudusRefusal(status int, message string) reply {
	return reply{status: status, body: nexudusConfirmation{Status: status, Message: &message}}
}

func nexudusConfirmed(changed bool) reply {
	return reply{status: http.StatusOK, changed: changed, body: nexudusConfirmation{WasSuccessful: true, Status: http.StatusOK}}
}

// invalid refuses a PATCH for what is wrong in it, with a 200 when failures are soft.
func (n *nexudus) invalid(wrong []detail) reply {
	refused := nexudusRefusal(http.StatusBadRequest, "One or more fields failed validation")
	body, _ := refused.body.(nexudusConfirmation)
	for _, d := range wrong {
		body.Errors = append(body.Errors, nexudusFinding{Message: d.Message, PropertyName: d.Field})
	}
	refused.body = body
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.soft {
		refused.status = http.StatusOK
	}
	return refused
}

// admitted refuses requests without a token; there is no limit.
func (n *nexudus) admitted(a *account, _ http.Header, _ time.Time) (reply, bool) {
	return nexudusRefusal(http.StatusUnauthorized, "The bearer token is missing, expired, or invalid"), a != nil
}

const (
	nexudusProfilePath   = "/api/public/coworker/profile"
	nexudusListPath      = "/api/public/coworkers/profiles"
	nexudusCurrentPath   = "/api/public/coworkers/profiles/current"
	nexudusCountriesPath = "/api/public/countries"
	nexudusTokenPath     = "/api/token"
)

var nexudusPage = regexp.MustCompile(`^/[a-z]{2}/profile$`)

func nexudusMethods(path string) []string {
	switch {
	case path == nexudusProfilePath:
		return []string{http.MethodPatch}
	case path == nexudusCurrentPath:
		return []string{http.MethodPut}
	case path == nexudusTokenPath:
		return []string{http.MethodPost}
	case path == nexudusListPath, path == nexudusCountriesPath, nexudusPage.MatchString(path):
		return []string{http.MethodGet}
	}
	return nil
}

func nexudusKeyless(path string) bool {
	return path == nexudusCountriesPath || path == nexudusTokenPath
}

func (n *nexudus) served(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	path := strings.TrimPrefix(r.URL.Path, "/"+n.name)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nexudusRefusal(http.StatusBadRequest, "The query is malformed")
	}
	want := map[string]string{nexudusCurrentPath: "coworkerId"}[path]
	if nexudusPage.MatchString(path) {
		want = "_resource"
	}
	if want == "" && len(query) > 0 || want != "" && (len(query) != 1 || len(query[want]) != 1) {
		return nexudusRefusal(http.StatusBadRequest, "The query must be "+cmp.Or(want, "empty"))
	}
	switch path {
	case nexudusCountriesPath:
		return reply{status: http.StatusOK, body: map[string]any{"Countries": nexudusCountries}}
	case nexudusTokenPath:
		return n.token(s, r, body, readErr)
	case nexudusProfilePath:
		return n.patch(s, a, r, body, readErr)
	case nexudusCurrentPath:
		return n.turn(s, a, query.Get(want))
	case nexudusListPath:
		return n.list(s, a, r)
	}
	if query.Get(want) != "Coworker" {
		return nexudusRefusal(http.StatusBadRequest, "_resource must be Coworker")
	}
	state := s.view(a)
	active := nexudusActiveOf(state)
	set, _ := state[active].(map[string]any)
	data := nexudusRead(set)
	data["Id"] = nexudusID(a, active)
	return reply{status: http.StatusOK, body: data}
}

// The names in a state: the two profiles, the name of the active one, which is not set
// for the first, and the password.
const (
	nexudusActive   = "active"
	nexudusPassword = "password"
	nexudusFirst    = "first"
)

var nexudusProfiles = []any{nexudusFirst, "second"}

// nexudusActiveOf is the name of the profile that requests are about.
func nexudusActiveOf(state map[string]any) string {
	active, _ := state[nexudusActive].(string)
	return cmp.Or(active, nexudusFirst)
}

// nexudusID is the number of a profile.
func nexudusID(a *account, name string) int64 {
	n, _ := strconv.ParseInt(a.id.digest[:8], 16, 64) // it is 64 hex digits
	return 1_000_000 + 2*n + int64(slices.Index(nexudusProfiles, any(name)))
}

// errWrong is for a request that the state does not allow.
var errWrong = errors.New("the request is not by the rules")

// patch updates the active profile, and the password.
func (n *nexudus) patch(s *Server, a *account, r *http.Request, body []byte, readErr error) reply {
	if refused, ok := n.refuseJSON(r.Header, readErr); !ok {
		return refused
	}
	v, repeated, err := parseStrict(body)
	if err != nil {
		return nexudusRefusal(http.StatusBadRequest, "The body "+err.Error())
	}
	o, ok := v.(*object)
	if !ok {
		return nexudusRefusal(http.StatusBadRequest, "The body must be an object")
	}
	set, trio, wrong := nexudusPatch(o)
	if wrong = append(repeated, wrong...); len(wrong) > 0 {
		return n.invalid(wrong)
	}
	var next *nexudusHash
	if trio != nil {
		next = newNexudusHash(trio.new)
	}
	changed, err := s.update(a, "", func(state map[string]any) (map[string]any, error) {
		effect := map[string]any{}
		if trio != nil {
			if !n.isPassword(state, trio.old) {
				return nil, errWrong
			}
			effect[nexudusPassword] = next.kept()
		}
		active := nexudusActiveOf(state)
		before, _ := state[active].(map[string]any)
		if effect[active] = nil; len(before) > 0 || len(set) > 0 {
			if after := nexudusMerged(before, set); len(after) > 0 {
				effect[active] = after
			}
		}
		return effect, nil
	})
	switch {
	case errors.Is(err, errWrong):
		return n.invalid([]detail{{nexudusOld, "is not the current password"}})
	case err != nil:
		return s.unmade(a, err)
	}
	return nexudusConfirmed(changed)
}

// turn makes the profile with the number the active one.
func (n *nexudus) turn(s *Server, a *account, id string) reply {
	for _, name := range nexudusProfiles {
		name, _ := name.(string)
		if strconv.FormatInt(nexudusID(a, name), 10) != id {
			continue
		}
		set := map[string]any{nexudusActive: name}
		if name == nexudusFirst {
			set[nexudusActive] = nil
		}
		changed, err := s.update(a, verbUpdate, func(map[string]any) (map[string]any, error) { return set, nil })
		if err != nil {
			return s.unmade(a, err)
		}
		return nexudusConfirmed(changed)
	}
	return nexudusRefusal(http.StatusNotFound, "There is no such profile")
}

// list answers with the user and the two profiles. The token in it is the caller's own.
func (n *nexudus) list(s *Server, a *account, r *http.Request) reply {
	state := s.view(a)
	token, _ := nexudusBearerOf(r.Header)
	profiles := []any{}
	user := map[string]any{"Id": nexudusID(a, nexudusFirst) + 1_000_000, "Email": a.id.name().name + "@coworker.example", "Active": true,
		"IsAdmin": false, "AccessToken": token}
	for _, name := range nexudusProfiles {
		name, _ := name.(string)
		set, _ := state[name].(map[string]any)
		data := nexudusRead(set)
		if name == nexudusFirst {
			user["FullName"] = data["FullName"]
		}
		profiles = append(profiles, map[string]any{"Id": nexudusID(a, name), "FullName": data["FullName"], "CompanyName": data["CompanyName"],
			"Active": true, "IsDefaultProfile": name == nexudusFirst, "CoworkerType": 1})
	}
	return reply{status: http.StatusOK, body: map[string]any{"User": user, "Profiles": profiles,
		"DefaultBusiness": map[string]any{"Id": 1, "Name": "Sandbox", "WebAddress": "sandbox"}}}
}
