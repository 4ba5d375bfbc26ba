package sandbox

import (
	"net/http"
	"sync/atomic"
	"time"
)

// provider is what one stand-in knows. The pipeline does the rest for all of them: the
// log of arrivals, accounts by key, revocation, faults, bodies, effects and their replay.
// Requests are served under the provider's name, /mokaru/; a path is what comes after it
// and begins with a slash.
type provider struct {
	name string

	// identify gives the SHA-256 of the key in a request, 64 lower-case hex digits. ok is
	// false when there is no key that could be one.
	identify func(h http.Header) (digest string, ok bool)

	// admit counts a request against the account's limit, which it remembers in a.limit;
	// the caller has a.mu. It sets the headers that tell of the limit in h, which is of the
	// answer. ok is false when the request is refused, with the answer. a is nil for a
	// request without a usable key: then ok is false, and the answer is the refusal of the key.
	admit func(a *account, h http.Header, now time.Time) (refused reply, ok bool)

	// methods are what the path takes; none for a path that the provider has not.
	methods func(path string) []string

	// serve does what an admitted request with a known path and method asks for. readErr is
	// what kept the body from being read whole. Many run at once, also for one account.
	serve func(s *Server, a *account, r *http.Request, body []byte, readErr error) reply

	// refusal is an error as the provider words it: 400, 404, 405, 413, 415, 500 and
	// the status of a fault.
	refusal func(status int, text string) reply

	// typed is an error of the type that a fault asks for. ok is false when the provider has
	// no such type for the status. nil when its errors have no types.
	typed func(status int, kind string) (refused reply, ok bool)

	// kept says whether a state can have the value under the name; nil is for unset.
	// Values are of the kinds that plain gives.
	kept func(name string, v any) bool

	// aside says whether a name in a state is for the provider only: what becomes of it does
	// not count as a change of the account. nil when there is none.
	aside func(name string) bool

	// bodyLimit is the most bytes of a body; 0 is maxBody.
	bodyLimit int64

	// logPath is the path as the log of requests may have it; nil when it may have all.
	logPath func(path string) string

	// keyless says whether a path needs no key: it is served without an account, a of serve
	// is nil, and there is no limit. nil when all paths need one.
	keyless func(path string) bool

	// switches are served under the control surface, at POST /_sandbox/{provider}/{name}.
	switches map[string]func(s *Server, w http.ResponseWriter, r *http.Request)

	// counts are what the control surface tells of a state in numbers; nil when nothing.
	counts func(state map[string]any) map[string]int

	// forget ends what the provider remembers besides the accounts, at a reset; nil when
	// there is nothing.
	forget func()

	// lag is how long a change is not seen by reads, in nanoseconds; see Server.view.
	lag atomic.Int64
}

// makers make the providers, each once for a Server. The Options were checked.
var makers = []func(Options) *provider{newMokaru, newLinkedIn, newNexudus, newJarvi, newPostPress}

// reply is an answer that was not sent yet.
type reply struct {
	status  int
	header  http.Header // besides Content-Type; may be nil
	body    any         // written as JSON; nil for no body
	changed bool        // the request changed the account
}
