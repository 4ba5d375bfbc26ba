package jarvi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Provider calls Jarvi. Besides what was accepted of late it has no state of its own.
type Provider struct {
	base string
	http sinks.Doer
	told told
}

// profiles is the one path of writes and reads.
const profiles = "/v1/public-api/rest/v2/profiles"

// New makes a provider for the API at baseURL; the documented path follows it. It is
// refused when credentials must not be sent there (see sinks.CheckBaseURL). d must
// neither follow redirects nor repeat requests: see sinks.NewClient.
func New(baseURL string, d sinks.Doer) (*Provider, error) {
	if err := sinks.CheckBaseURL(baseURL); err != nil {
		return nil, fmt.Errorf("jarvi: %w", err)
	}
	return &Provider{base: strings.TrimRight(baseURL, "/"), http: d}, nil
}

// Name implements sinks.Provider.
func (*Provider) Name() string { return ledger.Jarvi }

// Entities implements sinks.Provider.
func (*Provider) Entities() []sinks.Entity {
	out := []sinks.Entity{{Name: Entity, Class: sinks.ClassB}}
	for _, s := range sections {
		out = append(out, sinks.Entity{Name: s.name, Class: sinks.ClassA, Items: sinks.ClassD})
	}
	return out
}

// Concerns implements sinks.Provider.
func (*Provider) Concerns(e *ledger.Event) ([]string, bool) { return concerns(e) }

// Items implements sinks.Provider.
func (*Provider) Items(section string, p *ledger.Profile) ([]string, error) {
	return items(section, p)
}

// Build implements sinks.Provider.
func (*Provider) Build(entity string, p *ledger.Profile, _ sinks.Have) (sinks.Payload, error) {
	return build(entity, p)
}

// Rate implements sinks.Provider. Jarvi has no limit by the minute: a workspace has five
// minutes of its machines' time in an hour, on workdays, and a 429 says how long to wait.
func (*Provider) Rate() sinks.Rate { return sinks.Rate{PerMinute: 20, Burst: 3} }

// notThereYet is how long to wait for a person that Jarvi does not show yet.
const notThereYet = 10 * time.Second

// Call implements sinks.Provider: one POST. Before what is added once, one GET: whether the
// person is there, as far as Jarvi can tell.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	name, item := sinks.SplitEntity(c.Entity)
	s, isSection := sectionOf(name)
	request, m, ok := parseBody(c.Body)
	switch {
	case !ok:
		return sinks.Unsent(sinks.Refused, "bad_call", "the body is not a profile with an externalId")
	case c.Entity == Entity && c.Verb == sinks.VerbSet:
		a, early := p.post(ctx, request.Append(nil), c)
		if early != nil {
			return *early
		}
		task, profile, ok := taken(a.Body)
		if !ok {
			return sinks.Garbage(a.Status, "Jarvi's")
		}
		p.told.accepted(c.Attempt, request, m)
		return sinks.Outcome{Verdict: sinks.Accepted, Task: task, Ref: profile}
	case isSection && item != "" && c.Verb == sinks.VerbAppend:
		return p.add(ctx, s, c, request)
	}
	return sinks.Unsent(sinks.Refused, "bad_call", "there is no such call at Jarvi")
}

// add makes the one POST of what is added once. There is no second try after it: what is
// not certain before it leaves is certain to cost nothing.
func (p *Provider) add(ctx context.Context, s section, c sinks.Call, request ledger.Node) sinks.Outcome {
	if s.list != "" {
		var early *sinks.Outcome
		if request, early = s.attach(ctx, c, request); early != nil {
			return *early
		}
	}
	id, _ := request.Member(externalID)
	_, there, out := p.find(ctx, id.Text, c)
	switch {
	case out.Verdict == sinks.Applied && !there:
		return wait("not_there", "Jarvi does not show the person yet, and a note or a file must not make one")
	case out.Verdict == sinks.Throttled, out.Verdict == sinks.SinkError, out.Verdict == sinks.AccountError, out.Verdict == sinks.NotSent:
		out.Fault.Sent = sinks.SentNo
		return out
	case out.Verdict != sinks.Applied && out.Fault.Type != typeFilter: // a filter that is ignored never tells, however long one waits
		return wait("unread", "whether Jarvi has the person cannot be read, and nothing was added")
	case ctx.Err() != nil:
		return sinks.Unsent(sinks.NotSent, sinks.TypeNoAnswer, "the time was up before anything was added")
	}
	a, early := p.post(ctx, request.Append(nil), c)
	if early != nil {
		return *early
	}
	if _, _, ok := taken(a.Body); !ok {
		return sinks.Garbage(a.Status, "Jarvi's")
	}
	return sinks.Outcome{Verdict: sinks.Applied}
}

func wait(kind, why string) sinks.Outcome {
	out := sinks.Unsent(sinks.Busy, kind, why)
	out.RetryAfter = notThereYet
	return out
}

// post makes one POST; early is set when it is not answered by 201.
func (p *Provider) post(ctx context.Context, body []byte, c sinks.Call) (a sinks.Answer, early *sinks.Outcome) {
	a, early = p.exchange(ctx, http.MethodPost, p.base+profiles, body, c)
	if early != nil || a.Err == nil && a.Status == http.StatusCreated {
		return a, early
	}
	out := judge(a)
	return a, &out
}

// exchange makes one request; early is set when it cannot be made.
func (p *Provider) exchange(ctx context.Context, method, url string, body []byte, c sinks.Call) (a sinks.Answer, early *sinks.Outcome) {
	key := string(bytes.TrimSpace(c.Credential))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		out := sinks.Unsent(sinks.AccountError, "bad_credential", "the credential is not a Jarvi key")
		return a, &out
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		out := sinks.Unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request")
		return a, &out
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-API-KEY", key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	if !c.Attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	}
	return sinks.Exchange(ctx, p.http, req), nil
}
