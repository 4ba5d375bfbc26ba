package mokaru

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

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
	out := []sinks.Entity{{Name: Entity, Class: sinks.ClassA}}
	for _, s := range sections {
		out = append(out, sinks.Entity{Name: s.name, Class: sinks.ClassA, Items: sinks.ClassC})
	}
	return out
}

// Concerns implements sinks.Provider.
func (*Provider) Concerns(e *ledger.Event) ([]string, bool) { return concerns(e) }

// Items implements sinks.Provider.
func (*Provider) Items(section string, p *ledger.Profile) ([]string, error) { return items(section, p) }

// Build implements sinks.Provider.
func (*Provider) Build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	return build(entity, p, have)
}

// Rate implements sinks.Provider. Mokaru allows 20 calls a minute for an account; two are
// left for whoever uses the account besides us. Deletes have a narrower limit there, of
// 10: it shows as a throttled call, which costs nothing.
func (*Provider) Rate() sinks.Rate { return sinks.Rate{PerMinute: 18, Burst: 3} }

// Call implements sinks.Provider: one PATCH of the profile, or one request about an item.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	name, item := sinks.SplitEntity(c.Entity)
	s, isSection := sectionOf(name)
	switch {
	case c.Entity == Entity && c.Verb == sinks.VerbSet:
		return p.callProfile(ctx, c)
	case isSection && item != "" && c.Verb == sinks.VerbCreate:
		if c.Body == nil {
			return sinks.Mistake("there is no item in the body")
		}
		return p.create(ctx, s, c)
	case isSection && item != "" && c.Ref != "" && c.Verb == sinks.VerbUpdate:
		body, err := s.compose(c.Body, c.Clears)
		if err != nil || c.Body == nil {
			return sinks.Mistake("there is no item in the body")
		}
		return p.change(ctx, request{http.MethodPatch, s.path + "/" + url.PathEscape(c.Ref), body}, c)
	case isSection && item != "" && c.Ref != "" && c.Verb == sinks.VerbDelete:
		return p.change(ctx, request{http.MethodDelete, s.path + "/" + url.PathEscape(c.Ref), nil}, c)
	}
	return sinks.Mistake("there is no such call at Mokaru")
}

func (p *Provider) callProfile(ctx context.Context, c sinks.Call) sinks.Outcome {
	body, err := compose(c.Body, c.Clears)
	switch {
	case err != nil:
		return sinks.Mistake("the body is not a profile")
	case body == nil:
		// Nothing is left that Mokaru could be told: it cannot clear what is gone.
		return sinks.Outcome{Verdict: sinks.Unchanged}
	}
	return p.change(ctx, request{http.MethodPatch, "/v1/profile", body}, c)
}

// change makes a request that Mokaru acknowledges with {"success":true}.
func (p *Provider) change(ctx context.Context, r request, c sinks.Call) sinks.Outcome {
	a, out := p.exchange(ctx, r, c)
	if out.Verdict == sinks.Applied {
		out.Verdict, out.Fault = acknowledged(a.Body)
	}
	return out
}

// create makes an item; its id is in the answer.
func (p *Provider) create(ctx context.Context, s section, c sinks.Call) sinks.Outcome {
	c.Ref = ""
	a, out := p.exchange(ctx, request{http.MethodPost, s.path, c.Body}, c)
	if out.Verdict != sinks.Applied {
		return out
	}
	ref, ok := created(a.Body)
	if !ok {
		out.Verdict, out.Fault = sinks.Unknown, sinks.Garbage(a.Status, "Mokaru's").Fault
		return out
	}
	out.Ref = ref
	return out
}

// Read implements sinks.Reader: one GET of the profile. Sections hold nothing of their
// own to be read.
func (p *Provider) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	if c.Entity != Entity {
		return sinks.Reading{}, sinks.Mistake("there is nothing to be read of that")
	}
	c.Ref = ""
	a, out := p.exchange(ctx, request{http.MethodGet, "/v1/profile", nil}, c)
	if out.Verdict != sinks.Applied {
		return sinks.Reading{}, out
	}
	reading, ok := parseProfile(a.Body, c.Fields)
	if !ok {
		out.Verdict, out.Fault = sinks.Unknown, sinks.Garbage(a.Status, "Mokaru's").Fault
	}
	return reading, out
}

// mostPages bounds how long a list is read; no real one is near it.
const mostPages = 50

// List implements sinks.Lister: one GET for each hundred items. Each page begins with the
// last item of the one before it: a list that is shifted between two of them would
// otherwise hide an item, or show one twice, and its length could come out right all the
// same. A list that changes while it is read is as good as not read.
func (p *Provider) List(ctx context.Context, c sinks.Call) ([]sinks.Listed, sinks.Outcome) {
	s, ok := sectionOf(c.Entity)
	if !ok {
		return nil, sinks.Mistake("there is no such list at Mokaru")
	}
	c.Ref = "" // a 404 is not about the item that the lane stands for
	list, seen, total := []sinks.Listed{}, map[string]bool{}, -1
	for n := range mostPages {
		offset := max(len(list)-1, 0)
		path := s.path + "?limit=" + strconv.Itoa(pageSize) + "&offset=" + strconv.Itoa(offset)
		a, out := p.exchange(ctx, request{http.MethodGet, path, nil}, c)
		if out.Verdict != sinks.Applied {
			return nil, out
		}
		got, ok := s.parsePage(a.Body)
		if !ok {
			out.Verdict, out.Fault = sinks.Unknown, sinks.Garbage(a.Status, "Mokaru's").Fault
			return nil, out
		}
		fresh := got.items
		if n > 0 {
			if len(fresh) < 2 || fresh[0].Ref != list[offset].Ref || got.total != total {
				return nil, incomplete(out, a.Status)
			}
			fresh = fresh[1:]
		}
		for _, it := range fresh {
			if seen[it.Ref] {
				return nil, incomplete(out, a.Status)
			}
			seen[it.Ref] = true
		}
		list, total = append(list, fresh...), got.total
		switch {
		case (got.more || total > len(list)) && len(list) > 0:
			continue
		case got.more || total >= 0 && total != len(list):
			return nil, incomplete(out, a.Status)
		}
		return list, out
	}
	return nil, incomplete(sinks.Outcome{}, 0)
}

func incomplete(out sinks.Outcome, status int) sinks.Outcome {
	out.Verdict = sinks.Unknown
	out.Fault = sinks.Fault{HTTP: status, Type: "incomplete_list", Message: "Mokaru's list is not whole, or changed while it was read", Sent: sinks.SentUnknown}
	return out
}

// request is what is asked of Mokaru.
type request struct {
	method, path string
	body         []byte
}

// exchange makes one request. The outcome is Applied when the answer has a good status
// and is whole; who called looks into the body.
func (p *Provider) exchange(ctx context.Context, r request, c sinks.Call) (sinks.Answer, sinks.Outcome) {
	key := string(bytes.TrimSpace(c.Credential))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return sinks.Answer{}, sinks.Outcome{Verdict: sinks.AccountError,
			Fault: sinks.Fault{Type: "bad_credential", Message: "the credential is not a Mokaru key", Sent: sinks.SentNo}}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, p.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return sinks.Answer{}, sinks.Outcome{Verdict: sinks.SinkError,
			Fault: sinks.Fault{Type: "bad_base_url", Message: "the base URL makes no request", Sent: sinks.SentNo}}
	}
	if r.body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	if !c.Attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	}
	a := sinks.Exchange(ctx, p.http, req)
	if good(a, r.method) {
		return a, sinks.Outcome{Verdict: sinks.Applied, Limit: limitOf(a.Header)}
	}
	return a, judge(a, c, time.Now())
}

// good says that an answer is whole and has a status of success: 200, or 201 for a create.
func good(a sinks.Answer, method string) bool {
	return a.Err == nil && (a.Status == http.StatusOK || a.Status == http.StatusCreated && method == http.MethodPost)
}

// succeeded reads an answer that says {"success":true} and more.
func succeeded(body []byte) (ledger.Node, bool) {
	n, err := ledger.ParseJSON(body)
	success, _ := n.Member("success")
	return n, err == nil && success.Kind == ledger.NodeBool && success.Bool
}

// acknowledged reads the answer to a change that came with a good status.
func acknowledged(body []byte) (sinks.Verdict, sinks.Fault) {
	n, ok := succeeded(body)
	if !ok {
		return sinks.Unknown, sinks.Garbage(http.StatusOK, "Mokaru's").Fault
	}
	if updated, ok := n.Member("updated"); ok && updated.Kind == ledger.NodeBool && !updated.Bool {
		return sinks.Unchanged, sinks.Fault{}
	}
	return sinks.Applied, sinks.Fault{}
}

// created reads the answer to a create; ok is false when it does not say which item was made.
func created(body []byte) (ref string, ok bool) {
	n, ok := succeeded(body)
	if !ok {
		return "", false
	}
	id, _ := n.Member("id")
	return refOf(id)
}

// parseProfile reads the answer to a read of the profile.
func parseProfile(body []byte, fields []string) (out sinks.Reading, ok bool) {
	n, err := ledger.ParseJSON(body)
	data, _ := n.Member("data")
	if err != nil || data.Kind != ledger.NodeObject {
		return sinks.Reading{}, false
	}
	return sinks.Reading{Echo: echo(data, fields)}, true
}
