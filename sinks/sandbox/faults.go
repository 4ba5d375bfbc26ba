package sandbox

import (
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

// The kinds of faults.
const (
	faultStatus     = "status"      // answers Status, without the effect unless After is set
	faultDropBefore = "drop_before" // closes the connection without the effect
	faultDropAfter  = "drop_after"  // makes the effect, then closes the connection
	faultDelay      = "delay"       // waits for Delay, then makes the effect and answers, also if the client has left
	faultSlow       = "slow"        // makes the effect at once and answers after Delay
	faultGarbage    = "garbage"     // answers 200 with a page of HTML, without the effect
	faultResetMid   = "reset_mid"   // makes the effect, sends the headers and half of the body, then closes the connection
)

// Fault is what happens to the next requests that have a usable key, a place under the
// limit, and a path and method that the provider has. Faults are used in the order in
// which they were queued; one request meets one fault at most.
type Fault struct {
	Provider   string `json:"provider"`
	Account    string `json:"account"` // the account's name; empty for any account
	Method     string `json:"method"`  // like "POST"; empty for any method
	Path       string `json:"path"`    // how the path after the base path begins, like "/v1/skills"; empty for any path
	Kind       string `json:"kind"`
	Status     int    `json:"status"`     // of kind status: 300 to 599
	Type       string `json:"type"`       // of kind status: the provider's type of error, or "text/html" for a page of HTML; empty for what goes with Status
	RetryAfter int    `json:"retryAfter"` // of kind status: the header Retry-After, in seconds; 0 for none
	After      bool   `json:"after"`      // of kind status: makes the effect first
	Delay      string `json:"delay"`      // of kinds delay and slow: like "200ms", at most ten minutes
	Times      int    `json:"times"`      // how many requests it meets; 0 is 1
}

var methodName = regexp.MustCompile(`^[A-Z]+$`)

// queue adds a fault behind the others.
func (s *Server) queue(f Fault) error {
	_, err := f.wait()
	waits, answers := f.Kind == faultDelay || f.Kind == faultSlow, f.Kind == faultStatus
	switch {
	case s.providers[f.Provider] == nil:
		return fmt.Errorf("provider %q is not one of: %s", f.Provider, strings.Join(slices.Sorted(maps.Keys(s.providers)), ", "))
	case f.Account != "" && !named.MatchString(f.Account):
		return errors.New("account must be a name of eight hex digits")
	case f.Method != "" && !methodName.MatchString(f.Method):
		return errors.New(`method must be like "POST"`)
	case f.Path != "" && f.Path[0] != '/':
		return errors.New("path must begin with a slash, after the base path of the provider")
	case !waits && !answers && !slices.Contains([]string{faultDropBefore, faultDropAfter, faultGarbage, faultResetMid}, f.Kind):
		return fmt.Errorf("kind %q is not one of: status, drop_before, drop_after, delay, garbage, slow, reset_mid", f.Kind)
	case waits && err != nil:
		return err
	case !waits && f.Delay != "":
		return errors.New("delay is only for the kinds delay and slow")
	case answers && (f.Status < 300 || f.Status > 599):
		return errors.New("status must be from 300 to 599")
	case !answers && (f.Status != 0 || f.RetryAfter != 0 || f.After || f.Type != ""):
		return errors.New("status, type, retryAfter and after are only for the kind status")
	case f.RetryAfter < 0 || f.Times < 0:
		return errors.New("retryAfter and times must not be negative")
	}
	if _, ok := s.providers[f.Provider].fault(f); !ok {
		return fmt.Errorf("%s has no error of this type with status %d", f.Provider, f.Status)
	}
	f.Times = max(f.Times, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// pageType is the type of a fault that answers with a page, as what stands before a
// provider may do.
const pageType = "text/html"

// htmlPage is a body that is HTML.
type htmlPage string

// fault is the answer of a fault of kind status; ok is false when the provider has no
// such error.
func (p *provider) fault(f Fault) (refused reply, ok bool) {
	switch {
	case f.Type == "":
		return p.refusal(f.Status, http.StatusText(f.Status)), true
	case f.Type == pageType:
		text := fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status))
		return reply{status: f.Status, body: htmlPage("<!DOCTYPE html><title>" + text + "</title><h1>" + text + "</h1>\n")}, true
	case p.typed == nil:
		return reply{}, false
	}
	return p.typed(f.Status, f.Type)
}

func (f Fault) wait() (time.Duration, error) {
	d, err := time.ParseDuration(f.Delay)
	if err != nil || d <= 0 || d > 10*time.Minute {
		return 0, errors.New(`delay must be like "200ms", more than nothing and at most ten minutes`)
	}
	return d, nil
}

// meet takes the fault for a request, if there is one, and notes it in the log. path is
// what comes after the base path.
func (s *Server) meet(r *Request, path string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Provider == r.Provider && (f.Account == "" || f.Account == r.Account) &&
			(f.Method == "" || f.Method == r.Method) && strings.HasPrefix(path, f.Path) {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			r.Fault = f.Kind
			return *f
		}
	}
	return Fault{}
}

// withdraw removes all faults that are queued.
func (s *Server) withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// drop closes the connection without an answer.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes what cannot be taken over, such as a stream of HTTP/2
	}
	_ = conn.Close() // nobody is told either way
}

// sendHalf sends the headers and half of the body, and closes the connection. An answer
// without a body ends within its headers.
func sendHalf(w http.ResponseWriter, p reply) {
	maps.Copy(w.Header(), p.header)
	if p.body == nil {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-", p.status, http.StatusText(p.status))
		_ = conn.Close()
		return
	}
	b := encode(p.body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(p.status)
	_, _ = w.Write(b[:len(b)/2])
	_ = http.NewResponseController(w).Flush() // a client that has left is told nothing
	drop(w)
}
