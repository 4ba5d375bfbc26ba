package nexudus

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Provider calls one portal. It keeps the portal's countries, and which profile was seen
// to be active with which token; it has no other state.
type Provider struct {
	base string
	http sinks.Doer
	seen seen

	mu        sync.Mutex
	countries []country
	readAt    time.Time
}

// How old the list of countries may be: at all, and when the portal refuses one of it.
const (
	countriesAge   = 24 * time.Hour
	countriesFresh = time.Minute
)

// New makes a provider for the portal at baseURL; the documented paths follow it. It is
// refused when credentials must not be sent there (see sinks.CheckBaseURL). d must
// neither follow redirects nor repeat requests: see sinks.NewClient.
func New(baseURL string, d sinks.Doer) (*Provider, error) {
	if err := sinks.CheckBaseURL(baseURL); err != nil {
		return nil, fmt.Errorf("nexudus: %w", err)
	}
	return &Provider{base: strings.TrimRight(baseURL, "/"), http: d}, nil
}

// Name implements sinks.Provider.
func (*Provider) Name() string { return ledger.Nexudus }

// Entities implements sinks.Provider.
func (*Provider) Entities() []sinks.Entity {
	return []sinks.Entity{{Name: Entity, Class: sinks.ClassA}}
}

// Concerns implements sinks.Provider.
func (*Provider) Concerns(e *ledger.Event) ([]string, bool) { return concerns(e) }

// Items implements sinks.Provider: there are no sections.
func (*Provider) Items(section string, _ *ledger.Profile) ([]string, error) {
	return nil, fmt.Errorf("nexudus: no section %q: %w", section, ledger.ErrNotFound)
}

// Build implements sinks.Provider.
func (*Provider) Build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	return build(entity, p, have)
}

// Rate implements sinks.Provider. No limit of the portal's is known: this one is modest,
// and a call is up to three requests. A 429 freezes the bucket.
func (*Provider) Rate() sinks.Rate { return sinks.Rate{PerMinute: 30, Burst: 5} }

// Call implements sinks.Provider: one PATCH of the profile. Before it, at most two
// requests that change nothing: the profile that is active, and the countries if they are
// not known.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	if c.Entity != Entity || c.Verb != sinks.VerbSet {
		return sinks.Unsent(sinks.Refused, "bad_call", "there is no such call at the portal")
	}
	body, err := parseBody(c.Body)
	if err != nil {
		return sinks.Unsent(sinks.Refused, "bad_call", "the body is not a profile")
	}
	if compose(body, c.Clears, nil) == nil {
		// Nothing is left that the portal could be told: it cannot clear what is gone.
		return sinks.Outcome{Verdict: sinks.Unchanged}
	}
	token, ok := sinks.TokenOf(c.Credential)
	if !ok {
		return badCredential()
	}
	numbers := map[string]string{}
	for name := range countryFields {
		typed, ok := body.Member(name)
		if name == billingID && ok {
			var of Country
			if of, ok = countryOf(typed.Text); ok { // another number is the portal's own
				typed = ledger.TextNode(of.TwoDigitsCode)
			}
		}
		if !ok {
			continue
		}
		var out sinks.Outcome
		if numbers[name], out = p.numberOf(ctx, name, typed.Text, c.Attempt); out.Verdict != sinks.Applied {
			return out
		}
	}
	if out := p.guard(ctx, token, c.Attempt); out.Verdict != sinks.Applied {
		return out
	}
	a, early := p.exchange(ctx, request{http.MethodPatch, "/api/public/coworker/profile", "application/json", compose(body, c.Clears, numbers)}, token, c.Attempt)
	if early != nil {
		return *early
	}
	out, refused := judge(a)
	mapped := func(name string) bool { return numbers[name] != "" }
	if out.Verdict == sinks.Refused && slices.ContainsFunc(refused, mapped) && p.forget() {
		// The portal's numbers have changed since they were read.
		out.Verdict, out.RetryAfter, out.Most = sinks.Busy, time.Second, 2
	}
	return out
}

// countryFields are the fields that hold a number of the portal's list, with their native names.
var countryFields = map[string]string{countryID: "country", billingID: "nexudus.billingCountryId"}

// numberOf finds the portal's number of the country of a field. The outcome is Applied when
// there is one.
func (p *Provider) numberOf(ctx context.Context, name, typed string, attempt sinks.ID) (string, sinks.Outcome) {
	list, out := p.list(ctx, attempt)
	if out.Verdict != sinks.Applied {
		return "", out
	}
	id, ok := resolve(list, typed)
	if !ok {
		return "", sinks.Unsent(sinks.Refused, "unknown_country", "the portal's list has no country of this name or ISO code: change "+countryFields[name]+", or clear it")
	}
	return id, out
}

// list gives the portal's countries, from memory if they are known. A list that cannot be
// read leaves the edit unsent: it is tried again. One that is refused says nothing of the
// customer: nobody's edits with a country can be sent then.
func (p *Provider) list(ctx context.Context, attempt sinks.ID) ([]country, sinks.Outcome) {
	p.mu.Lock()
	list, at := p.countries, p.readAt
	p.mu.Unlock()
	if list != nil && time.Since(at) < countriesAge {
		return list, sinks.Outcome{Verdict: sinks.Applied}
	}
	// The list is public: no token goes with it.
	a, early := p.exchange(ctx, request{http.MethodGet, "/api/public/countries", "", nil}, "", attempt)
	if early != nil {
		return nil, *early
	}
	got, ok := parseCountries(a.Body)
	if a.Err != nil || a.Status != http.StatusOK || !ok {
		return nil, unlisted(fault(a, a, nil))
	}
	p.mu.Lock()
	p.countries, p.readAt = got, time.Now()
	p.mu.Unlock()
	return got, sinks.Outcome{Verdict: sinks.Applied}
}

// unlisted makes of the outcome of reading the countries one of the PATCH that needs them,
// which was not sent.
func unlisted(out sinks.Outcome) sinks.Outcome {
	const kind = "countries_unread"
	out.Fault.Sent = sinks.SentNo
	switch out.Verdict {
	case sinks.Throttled, sinks.SinkError:
	case sinks.AccountError, sinks.Refused: // no token went with it, and no edit
		out.Verdict, out.Fault.Type, out.Fault.Message = sinks.SinkError, kind, "the portal refuses to list its countries, which needs no token: the base URL is wrong"
	default:
		out.Verdict, out.Fault.Type, out.Fault.Message = sinks.NotSent, kind, "the portal's list of countries cannot be read, and no edit was sent"
	}
	return out
}

// forget drops the countries, so that they are read again. false when they were read only
// a moment ago: they would be the same.
func (p *Provider) forget() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.countries != nil && time.Since(p.readAt) < countriesFresh {
		return false
	}
	p.countries = nil
	return true
}

// guard reads which profile is active, and refuses another than the first that was seen
// with the token. A profile that cannot be read does not stand in the way, unless the
// account is the reason.
func (p *Provider) guard(ctx context.Context, token string, attempt sinks.ID) sinks.Outcome {
	n, out := p.active(ctx, token, attempt)
	switch out.Verdict {
	case sinks.Applied:
		if !p.seen.same(token, who(n)) {
			return another(sinks.SentNo)
		}
	case sinks.AccountError, sinks.Throttled, sinks.NotSent:
		out.Fault.Sent = sinks.SentNo
		return out
	}
	if ctx.Err() != nil {
		return sinks.Unsent(sinks.NotSent, sinks.TypeNoAnswer, "the active profile was not shown in time, and no edit was sent")
	}
	return sinks.Outcome{Verdict: sinks.Applied}
}

func another(sent sinks.Sent) sinks.Outcome {
	out := sinks.Unsent(sinks.AccountError, "another_profile",
		"another coworker's profile is active in the portal: make the right one active again and resume, or set the connection with a new token")
	out.Fault.Sent = sent
	return out
}

// active reads the profile that is active. The outcome is Applied when it is one.
func (p *Provider) active(ctx context.Context, token string, attempt sinks.ID) (ledger.Node, sinks.Outcome) {
	a, early := p.exchange(ctx, request{http.MethodGet, "/en/profile?_resource=Coworker", "", nil}, token, attempt)
	if early != nil {
		return ledger.Node{}, *early
	}
	if a.Err != nil || a.Status != http.StatusOK {
		return ledger.Node{}, fault(a, a, nil)
	}
	n, ok := parseProfile(a.Body)
	if !ok {
		if e := parseEnvelope(a.Body); e.said && !e.success {
			out, _ := judge(a)
			return ledger.Node{}, out
		}
		return ledger.Node{}, garbage(a)
	}
	return n, sinks.Outcome{Verdict: sinks.Applied}
}

// parseProfile reads the answer to a read of the profile, bare or under the name of its
// resource. ok is false when it has no field of a profile.
func parseProfile(body []byte) (n ledger.Node, ok bool) {
	n, err := ledger.ParseJSON(body)
	if inner, wrapped := n.Member("Coworker"); wrapped && inner.Kind == ledger.NodeObject {
		n = inner
	}
	if err != nil || !slices.ContainsFunc(n.Members, func(m ledger.NodeMember) bool {
		return slices.ContainsFunc(fields, func(f field) bool { return f.name == m.Name })
	}) {
		return ledger.Node{}, false
	}
	return n, true
}

// Read implements sinks.Reader: one GET of the profile that is active, and one of the
// countries if one of the profile's is asked for and they are not known. Another coworker's
// profile is an account error: nothing is compared with it.
func (p *Provider) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	if c.Entity != Entity {
		return sinks.Reading{}, sinks.Unsent(sinks.Refused, "bad_call", "there is nothing to be read of that")
	}
	token, ok := sinks.TokenOf(c.Credential)
	if !ok {
		return sinks.Reading{}, badCredential()
	}
	n, out := p.active(ctx, token, c.Attempt)
	if out.Verdict != sinks.Applied {
		return sinks.Reading{}, out
	}
	if !p.seen.same(token, who(n)) {
		return sinks.Reading{}, another(sinks.SentYes)
	}
	if slices.Contains(c.Fields, countryID) || slices.Contains(c.Fields, billingID) {
		list, out := p.list(ctx, c.Attempt)
		if out.Verdict != sinks.Applied {
			return sinks.Reading{}, out
		}
		n = named(n, list)
	}
	return sinks.Reading{Echo: echo(n, c.Fields)}, out
}

// named is a profile that was read, with its countries in the form that both sides have. A
// number that the list does not have stays, and equals nothing.
func named(n ledger.Node, list []country) ledger.Node {
	n.Members = slices.Clone(n.Members)
	for i := range n.Members {
		m := &n.Members[i]
		if m.Name != countryID && m.Name != billingID || m.Node.Kind != ledger.NodeNumber {
			continue
		}
		if j := slices.IndexFunc(list, func(c country) bool { return c.id == m.Node.Text }); j >= 0 {
			m.Node = ledger.TextNode(list[j].shown())
		}
	}
	return n
}

// request is what is asked of the portal.
type request struct {
	method, path string
	media        string // of the body
	body         []byte
}

// exchange makes one request; early is set when it cannot be made.
func (p *Provider) exchange(ctx context.Context, r request, token string, attempt sinks.ID) (a sinks.Answer, early *sinks.Outcome) {
	req, err := http.NewRequestWithContext(ctx, r.method, p.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		out := sinks.Unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request")
		return a, &out
	}
	if r.body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", r.media)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	if !attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", attempt.String())
	}
	return sinks.Exchange(ctx, p.http, req), nil
}

func badCredential() sinks.Outcome {
	return sinks.Unsent(sinks.AccountError, "bad_credential", "the credential is not a customer's token")
}
