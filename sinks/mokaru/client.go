package mokaru

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Entity is the name of Mokaru's one lane.
const Entity = "profile"

// Provider calls Mokaru. It has no state of its own.
type Provider struct {
	base string
	http sinks.Doer
}

// New makes a provider for the API at baseURL; the documented paths follow it. It is
// refused when credentials must not be sent there (see sinks.CheckBaseURL). d must
// neither follow redirects nor repeat requests: see sinks.NewClient.
func New(baseURL string, d sinks.Doer) (*Provider, error) {
	if err := sinks.CheckBaseURL(baseURL); err != nil {
		return nil, fmt.Errorf("mokaru: %w", err)
	}
	return &Provider{base: strings.TrimRight(baseURL, "/"), http: d}, nil
}

// Name implements sinks.Provider.
func (*Provider) Name() string { return ledger.Mokaru }

// Entities implements sinks.Provider.
func (*Provider) Entities() []sinks.Entity {
	return []sinks.Entity{{Name: Entity, Class: sinks.ClassA}}
}

// Concerns implements sinks.Provider.
func (*Provider) Concerns(e *ledger.Event) bool { return concerns(e) }

// Build implements sinks.Provider.
func (*Provider) Build(_ string, p *ledger.Profile, sent []string) (sinks.Payload, error) {
	return build(p, sent)
}

// Rate implements sinks.Provider. Mokaru allows 20 calls a minute for an account; two are
// left for whoever uses the account besides us.
func (*Provider) Rate() sinks.Rate { return sinks.Rate{PerMinute: 18, Burst: 3} }

// Call implements sinks.Provider: one PATCH of the profile.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	a, bad := p.exchange(ctx, http.MethodPatch, c)
	if bad != nil {
		return *bad
	}
	out := classify(a, time.Now())
	if out.Verdict == sinks.Applied {
		out.Verdict, out.Fault = acknowledged(a.Body)
	}
	return out
}

// Read implements sinks.Reader: one GET of the profile.
func (p *Provider) Read(ctx context.Context, c sinks.Call) ([]byte, sinks.Outcome) {
	a, bad := p.exchange(ctx, http.MethodGet, c)
	if bad != nil {
		return nil, *bad
	}
	out := classify(a, time.Now())
	if out.Verdict != sinks.Applied {
		return nil, out
	}
	n, err := ledger.ParseJSON(a.Body)
	data, ok := n.Member("data")
	if err != nil || !ok || data.Kind != ledger.NodeObject {
		out.Verdict, out.Fault = sinks.Unknown, garbage(a.Status)
		return nil, out
	}
	return echo(data, c.Fields), out
}

// exchange makes one request; the outcome is there when none could be made.
func (p *Provider) exchange(ctx context.Context, method string, c sinks.Call) (sinks.Answer, *sinks.Outcome) {
	key := string(bytes.TrimSpace(c.Credential))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return sinks.Answer{}, &sinks.Outcome{Verdict: sinks.AccountError,
			Fault: sinks.Fault{Type: "bad_credential", Message: "the credential is not a Mokaru key", Sent: sinks.SentNo}}
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+"/v1/profile", bytes.NewReader(c.Body))
	if err != nil {
		return sinks.Answer{}, &sinks.Outcome{Verdict: sinks.SinkError,
			Fault: sinks.Fault{Type: "bad_base_url", Message: "the base URL makes no request", Sent: sinks.SentNo}}
	}
	if method == http.MethodGet {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	return sinks.Exchange(ctx, p.http, req), nil
}

// acknowledged reads the answer to a PATCH that came with a good status.
func acknowledged(body []byte) (sinks.Verdict, sinks.Fault) {
	n, err := ledger.ParseJSON(body)
	success, _ := n.Member("success")
	if err != nil || success.Kind != ledger.NodeBool || !success.Bool {
		return sinks.Unknown, garbage(http.StatusOK)
	}
	if updated, ok := n.Member("updated"); ok && updated.Kind == ledger.NodeBool && !updated.Bool {
		return sinks.Unchanged, sinks.Fault{}
	}
	return sinks.Applied, sinks.Fault{}
}

func garbage(status int) sinks.Fault {
	return sinks.Fault{HTTP: status, Type: sinks.UnknownType, Message: "the answer is not one of Mokaru's", Sent: sinks.SentUnknown}
}

// classify says what an answer means by its status. A good status is Applied; who called
// looks into the body.
func classify(a sinks.Answer, now time.Time) sinks.Outcome {
	out := sinks.Outcome{Limit: limitOf(a.Header)}
	is := func(v sinks.Verdict, kind, message string) sinks.Outcome {
		out.Verdict = v
		out.Fault = sinks.Fault{HTTP: a.Status, Type: kind, Message: message, Sent: a.Sent}
		return out
	}
	switch s := a.Status; {
	case s == 0 && a.Sent == sinks.SentNo:
		return is(sinks.NotSent, sinks.TypeUnreachable, "Mokaru cannot be reached")
	case s == 0:
		return is(sinks.Unknown, sinks.TypeNoAnswer, "the request left, and no answer came")
	case s == http.StatusOK && a.Err == nil:
		return is(sinks.Applied, "", "")
	case s == http.StatusOK:
		return is(sinks.Unknown, sinks.TypeNoAnswer, "the answer broke off")
	case s >= 300 && s < 400:
		return is(sinks.SinkError, "redirect", "Mokaru redirects elsewhere: the base URL is wrong")
	case s == http.StatusBadRequest, s == http.StatusUnprocessableEntity:
		return is(sinks.Refused, "validation", refusal(a.Body))
	case s == http.StatusUnauthorized:
		return is(sinks.AccountError, "unauthorized", "Mokaru does not take the key: it is wrong, expired or revoked")
	case s == http.StatusForbidden:
		return is(sinks.AccountError, "forbidden", "the key's scope or the account's plan does not allow it")
	case s == http.StatusNotFound:
		return is(sinks.Refused, "not_found", "Mokaru has no such object")
	case s == http.StatusConflict:
		return is(sinks.Busy, "busy", "Mokaru is working on the resume itself")
	case s == http.StatusRequestEntityTooLarge:
		return is(sinks.Refused, "too_large", "the body is larger than Mokaru takes")
	case s == http.StatusTooManyRequests:
		out.RetryAfter = retryAfter(a.Header, out.Limit, now)
		return is(sinks.Throttled, sinks.TypeThrottled, "the rate limit is used up")
	case s == 500, s == 502, s == 503, s == 504:
		a.Sent = sinks.SentUnknown
		return is(sinks.Unknown, "server_error", "Mokaru failed: whether it took the edit is unknown")
	case s == http.StatusRequestTimeout, s >= 500, s < 300:
		a.Sent = sinks.SentUnknown
		return is(sinks.Unknown, sinks.UnknownType, "an answer that Mokaru's pages do not name")
	}
	return is(sinks.Refused, sinks.UnknownType, "a refusal that Mokaru's pages do not name")
}

// refusal names the fields that a validation error is about, as far as they are names of
// the page. Nothing else of the answer is kept: it may repeat values.
func refusal(body []byte) string {
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return "Mokaru refuses the body"
	}
	details, _ := n.Member("details")
	var names []string
	var walk func(ledger.Node)
	note := func(s string) {
		if i := strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }); i > 0 {
			s = s[:i]
		}
		if isField(s) {
			names = append(names, s)
		}
	}
	walk = func(n ledger.Node) {
		if n.Kind == ledger.NodeString {
			note(n.Text)
		}
		for _, e := range n.Elems {
			walk(e)
		}
		for _, m := range n.Members {
			note(m.Name)
			walk(m.Node)
		}
	}
	walk(details)
	if len(names) == 0 {
		return "Mokaru refuses the body"
	}
	slices.Sort(names)
	return "Mokaru refuses " + strings.Join(slices.Compact(names), ", ")
}

// limitOf reads X-RateLimit-*. Reset is in milliseconds since 1970.
func limitOf(h http.Header) *sinks.Limit {
	limit, err1 := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil
	}
	return &sinks.Limit{Limit: limit, Remaining: remaining, Reset: time.UnixMilli(reset)}
}

// longest is the longest wait that is taken from a header.
const longest = time.Hour

// retryAfter reads Retry-After, in seconds; without one, what X-RateLimit-Reset says.
func retryAfter(h http.Header, l *sinks.Limit, now time.Time) time.Duration {
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s >= 0 {
		return min(max(time.Duration(s)*time.Second, time.Second), longest)
	}
	if l != nil && l.Reset.After(now) {
		return min(l.Reset.Sub(now), longest)
	}
	return 0
}
