package postpress

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Provider calls PostPress. It has no state of its own.
type Provider struct {
	base     string
	http     sinks.Doer
	boundary func() string // parts the forms
}

// New makes a provider for the API at baseURL; the documented paths ("/api/v1/users")
// follow it. It is refused when credentials must not be sent there (see
// sinks.CheckBaseURL). d must neither follow redirects nor repeat requests: see
// sinks.NewClient.
func New(baseURL string, d sinks.Doer) (*Provider, error) {
	if err := sinks.CheckBaseURL(baseURL); err != nil {
		return nil, fmt.Errorf("postpress: %w", err)
	}
	return &Provider{base: strings.TrimRight(baseURL, "/") + "/api/v1", http: d, boundary: randomBoundary}, nil
}

// randomBoundary is in no text or file.
func randomBoundary() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return "vitae" + hex.EncodeToString(b[:])
}

// Name implements sinks.Provider.
func (*Provider) Name() string { return ledger.PostPress }

// Entities implements sinks.Provider.
func (*Provider) Entities() []sinks.Entity { return entities() }

// Concerns implements sinks.Provider.
func (*Provider) Concerns(e *ledger.Event) ([]string, bool) { return concerns(e) }

// Items implements sinks.Provider.
func (*Provider) Items(section string, p *ledger.Profile) ([]string, error) { return items(section, p) }

// Build implements sinks.Provider.
func (*Provider) Build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	return build(entity, p, have)
}

// Rate implements sinks.Provider. PostPress states no numbers: this is a careful pace,
// and a call that is throttled without a word about how long makes all wait, twice as
// long every time up to a quarter of an hour.
func (*Provider) Rate() sinks.Rate {
	probes := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute}
	for range 24 {
		probes = append(probes, 15*time.Minute)
	}
	return sinks.Rate{PerMinute: 20, Burst: 3, Probes: probes}
}

// Call implements sinks.Provider: one PATCH. A body that says nothing needs none: it is
// Unchanged. An add that was made is Applied without a Ref: the answer does not say it.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	name, item := sinks.SplitEntity(c.Entity)
	_, isSection := sectionOf(name)
	var head []pair
	switch {
	case item == "" && c.Verb == sinks.VerbSet && (c.Entity == Profile || pictures[c.Entity].field != ""):
		if len(c.Body) == 0 { // PostPress cannot be told to empty what is there
			return sinks.Outcome{Verdict: sinks.Unchanged}
		}
	case item == "" || !isSection || len(c.Body) == 0:
		return sinks.Mistake("there is no such call at PostPress")
	case c.Verb == sinks.VerbCreate:
		c.Ref = ""
		head = []pair{announcement(name, c.Step == stepAnnounce)}
	case c.Verb == sinks.VerbUpdate && isRef(c.Ref): // an id alone makes it an edit
		head = []pair{{name: name + "[id]", value: c.Ref}, announcement(name, false)}
	default:
		return sinks.Mistake("there is no such call at PostPress")
	}
	pairs, err := decode(c.Body)
	if err != nil {
		return sinks.Mistake("the body is not one of this mapping's")
	}
	return p.edit(ctx, c, append(head, pairs...))
}

func announcement(section string, yes bool) pair {
	return pair{name: section + "[" + notify + "]", value: map[bool]string{true: "true", false: "false"}[yes]}
}

// edit makes the one request that PostPress has for writing.
func (p *Provider) edit(ctx context.Context, c sinks.Call, pairs []pair) sinks.Outcome {
	if !isRef(c.Account) {
		return noAccount()
	}
	pairs = append([]pair{{name: "type", value: "LINKEDIN"}, {name: "account_id", value: c.Account}}, pairs...)
	boundary := p.boundary()
	f, err := newForm(boundary, pairs, func(reference string) (sinks.File, error) {
		if c.File == nil {
			return sinks.File{}, ledger.ErrNotFound
		}
		return c.File(ctx, reference)
	})
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased):
		return sinks.Unsent(sinks.Refused, "no_file", "a file is not there")
	case err != nil:
		return sinks.Unsent(sinks.NotSent, "no_file", "a file could not be opened")
	}
	defer func() { _ = f.Close() }() // it was only read
	req, out := p.prepare(ctx, c, http.MethodPatch, "/users/me/edit", f)
	if req == nil {
		return out
	}
	req.ContentLength = f.size
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	req.Header.Set("Idempotency-Key", keyOf(c))
	a := sinks.Exchange(ctx, p.http, req)
	switch {
	case a.Status == 0 && f.broke():
		return sinks.FileBroke()
	case a.Err != nil || a.Status != http.StatusOK:
		return judge(a, c, time.Now())
	case !edited(a.Body):
		return sinks.Garbage(a.Status, "PostPress's")
	}
	return sinks.Outcome{Verdict: sinks.Applied}
}

// List implements sinks.Lister with two requests: who the account is, and the person's
// section.
func (p *Provider) List(ctx context.Context, c sinks.Call) ([]sinks.Listed, sinks.Outcome) {
	name, _ := sinks.SplitEntity(c.Entity)
	s, ok := sectionOf(name)
	switch {
	case !ok:
		return nil, sinks.Mistake("there is no such list at PostPress")
	case !isRef(c.Account):
		return nil, noAccount()
	}
	account := url.Values{"account_id": {c.Account}}
	a, out := p.get(ctx, c, "/users/me?"+account.Encode())
	if out.Verdict != sinks.Applied {
		return nil, out
	}
	person, ok := ownerOf(a.Body)
	if !ok {
		return nil, sinks.Garbage(a.Status, "PostPress's")
	}
	// One section by its name: a list of several has no agreed form in a query.
	account.Set("linkedin_sections", s.name)
	a, out = p.get(ctx, c, "/users/"+url.PathEscape(person)+"?"+account.Encode())
	if out.Verdict != sinks.Applied {
		return nil, out
	}
	list, how := s.parse(a.Body, person)
	fault := sinks.Fault{HTTP: a.Status, Sent: sinks.SentYes}
	switch how {
	case whole:
		return list, out
	case withheld:
		fault.Type, fault.Message = "throttled_section", "LinkedIn withholds the section "+s.name+": what is there is not known"
		return nil, sinks.Outcome{Verdict: sinks.Unknown, Fault: fault}
	case nameless:
		fault.Type, fault.Message = "no_ids", "PostPress lists entries of "+s.name+" without ids: none can be told from another or edited"
		return nil, sinks.Outcome{Verdict: sinks.Refused, Fault: fault}
	}
	return nil, sinks.Garbage(a.Status, "PostPress's")
}

// get makes one request that reads. The outcome is Applied when the answer is good and
// whole; who called looks into it.
func (p *Provider) get(ctx context.Context, c sinks.Call, path string) (sinks.Answer, sinks.Outcome) {
	req, out := p.prepare(ctx, c, http.MethodGet, path, nil)
	if req == nil {
		return sinks.Answer{}, out
	}
	a := sinks.Exchange(ctx, p.http, req)
	if a.Err == nil && a.Status == http.StatusOK {
		return a, sinks.Outcome{Verdict: sinks.Applied}
	}
	c.Step, c.Ref = stepRead, "" // a 404 is not about the entry that the lane stands for
	return a, judge(a, c, time.Now())
}

// prepare makes a request with what every one of them carries; nil, and what that means,
// when it cannot be made.
func (p *Provider) prepare(ctx context.Context, c sinks.Call, method, path string, body io.Reader) (*http.Request, sinks.Outcome) {
	key := string(bytes.TrimSpace(c.Credential))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, sinks.Unsent(sinks.AccountError, "bad_credential", "the credential is not an API key of PostPress's")
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, body)
	if err != nil {
		return nil, sinks.Unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request")
	}
	req.Header.Set("X-API-KEY", key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	if !c.Attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	}
	if c.Step != "" {
		req.Header.Set("X-Vitae-Step", c.Step)
	}
	return req, sinks.Outcome{}
}

func noAccount() sinks.Outcome {
	return sinks.Unsent(sinks.AccountError, "no_account", "the connection names no account of PostPress's")
}
