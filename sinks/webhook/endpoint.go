package webhook

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vitae/ledger"
)

// State is whether an endpoint is served.
type State string

// The states of an endpoint.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled" // its place and what is behind are kept
)

// Why an endpoint is disabled.
const (
	WhyGone    = "the endpoint answered 410 Gone"
	WhyRevoked = "the key that made it was revoked"
)

// Endpoint is one subscriber's address. It holds secrets: it is never logged or shown whole.
type Endpoint struct {
	ID          string           `json:"id"`
	URL         string           `json:"url"`
	Types       []string         `json:"types,omitempty"`   // of events; empty takes all
	Profile     ledger.ProfileID `json:"profile,omitempty"` // zero takes all
	Description string           `json:"description,omitempty"`
	Values      bool             `json:"values,omitempty"` // events carry values
	Key         string           `json:"key"`              // id of the key that made it
	Created     time.Time        `json:"created"`
	State       State            `json:"state"`
	Why         string           `json:"why,omitempty"` // it is disabled
	From        uint64           `json:"from"`          // the first event of the feed that concerns it
	Secrets     []Secret         `json:"secrets"`       // the newest first
	// Signing is the seed of the Ed25519 key of v1a signatures.
	Signing []byte  `json:"signing"`
	Redrive Redrive `json:"redrive,omitzero"` // the last one

	revision uint64
}

// Redrive is what a person asked to be offered again. It is carried out once for each N.
type Redrive struct {
	N     int    `json:"n"`
	Since uint64 `json:"since,omitempty"` // every event from there on, delivered or not
	Event string `json:"event,omitempty"` // this one alone, by its id; both empty: what failed or waits
}

// Secret signs in version v1. Until is when it stops to; zero for the one that counts.
type Secret struct {
	Value []byte    `json:"value"`
	Until time.Time `json:"until,omitzero"`
}

// overlap is how long an old secret signs beside a new one.
const overlap = 24 * time.Hour

// newSecret draws a secret of the size that the standard recommends.
func newSecret() Secret {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return Secret{Value: b}
}

// New makes an endpoint whose first event is the one at from. It checks what a person can
// get wrong; the error is a *ledger.Refusal that names every wrong member.
func New(id string, in Endpoint, private bool, from uint64, now time.Time) (*Endpoint, error) {
	var wrong []ledger.FieldError
	no := func(pointer, code, message string) {
		wrong = append(wrong, ledger.FieldError{Pointer: pointer, Code: code, Message: message})
	}
	if why := checkURL(in.URL, private); why != "" {
		no("/url", ledger.CodeFormat, why)
	}
	for i, t := range in.Types {
		if !slices.Contains(ledger.CloudEventTypes(), t) {
			no(fmt.Sprintf("/types/%d", i), ledger.CodeNotOneOf, "there is no such type; it is one of "+strings.Join(ledger.CloudEventTypes(), ", "))
		}
	}
	if utf8.RuneCountInString(in.Description) > 200 {
		no("/description", ledger.CodeTooLong, "it has at most 200 characters")
	}
	if wrong != nil {
		return nil, &ledger.Refusal{Fields: wrong}
	}
	_, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	e := in
	e.ID, e.Created, e.State, e.From = id, moment(now), Enabled, from
	e.Secrets, e.Signing = []Secret{newSecret()}, signing.Seed()
	return &e, nil
}

// Rotate gives the endpoint a new secret; the one before it signs as well for a day.
func (e *Endpoint) Rotate(now time.Time) {
	e.Secrets = slices.DeleteFunc(e.Secrets, func(s Secret) bool { return !s.Until.IsZero() && !now.Before(s.Until) })
	for i := range e.Secrets {
		if e.Secrets[i].Until.IsZero() {
			e.Secrets[i].Until = moment(now.Add(overlap))
		}
	}
	e.Secrets = append([]Secret{newSecret()}, e.Secrets...)
}

// wants says whether the endpoint is to hear of an event.
func (e *Endpoint) wants(event *ledger.CloudEvent) bool {
	return (e.Profile.IsZero() || event.Subject == e.Profile.String()) && (len(e.Types) == 0 || slices.Contains(e.Types, event.Type))
}

// checkURL says what is wrong with an address: "" when nothing is.
func checkURL(text string, private bool) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || len(text) > 2000:
		return "it must be an absolute URL of at most 2000 characters"
	case u.User != nil:
		return "it must not hold a user name or password"
	case u.Fragment != "":
		return "it must not have a fragment"
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		return "it must begin with https://"
	}
	host := u.Hostname()
	if address, err := netip.ParseAddr(host); err == nil && !private {
		if !public(address) {
			return "it must not be a loopback, private or reserved address"
		}
	} else if !private && (strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost")) {
		return "it must not be a loopback, private or reserved address"
	}
	return ""
}

// encode is the record's plain form.
func (e *Endpoint) encode() ([]byte, error) { return json.Marshal(e) }

func decodeEndpoint(b []byte) (*Endpoint, error) {
	e := &Endpoint{}
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("record of an endpoint: %w", ledger.ErrFormat)
	}
	return e, nil
}
