package linkedin

import (
	"bytes"
	"context"
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

// Provider calls LinkedIn. It has no state of its own.
type Provider struct {
	base   string
	origin string // scheme and host of base: where upload URLs may lead besides LinkedIn's own hosts
	http   sinks.Doer
}

// New makes a provider for the API at baseURL; the documented paths ("/v2/people") follow
// it. It is refused when credentials must not be sent there (see sinks.CheckBaseURL). d
// must neither follow redirects nor repeat requests: see sinks.NewClient.
func New(baseURL string, d sinks.Doer) (*Provider, error) {
	if err := sinks.CheckBaseURL(baseURL); err != nil {
		return nil, fmt.Errorf("linkedin: %w", err)
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, errors.New("linkedin: a base URL is a scheme, a host and maybe a path")
	}
	return &Provider{base: strings.TrimRight(baseURL, "/"), origin: originOf(u), http: d}, nil
}

// Name implements sinks.Provider.
func (*Provider) Name() string { return ledger.LinkedIn }

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

// Rate implements sinks.Provider. LinkedIn states no numbers: its limits are for each
// member and application and for a day of UTC. So the first throttled calls wait for
// minutes (they may be about something short), and then for midnight.
func (*Provider) Rate() sinks.Rate {
	return sinks.Rate{PerMinute: 60, Burst: 10, PerDay: 1000,
		Probes: []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}}
}

// Call implements sinks.Provider: one request, of the call's step. A body that says nothing
// needs none: it is Unchanged.
func (p *Provider) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	section, item := sinks.SplitEntity(c.Entity)
	switch {
	case pictureOf(c.Entity) != "" && c.Step != stepDelete && c.Step != "":
		return p.callPicture(ctx, c)
	case item != "":
		return p.callItem(ctx, c, section)
	}
	body, err := mainPatch(c)
	switch {
	case err != nil:
		return sinks.Mistake("the body is not one of this mapping's")
	case body == nil:
		return sinks.Outcome{Verdict: sinks.Unchanged}
	}
	return p.edit(ctx, c, request{method: "PARTIAL_UPDATE", body: body})
}

// mainPatch makes the patch of the main resource for a standing lane; nil when there is
// nothing to be said, as for the order of a section that has fewer than two items left.
// The error says that the body is none of build's.
func mainPatch(c sinks.Call) ([]byte, error) {
	if c.Step == stepDelete {
		if len(c.Clears) == 0 {
			return nil, nil
		}
		return deletePatch(c.Clears), nil
	}
	if len(c.Body) == 0 {
		return nil, nil
	}
	n, err := ledger.ParseJSON(c.Body)
	switch {
	case err != nil:
		return nil, err
	case sectionOf(c.Entity) != nil && n.Kind == ledger.NodeArray:
		return setPatch(object(member(c.Entity+"Order", n))), nil
	case c.Entity == Profile && n.Kind == ledger.NodeObject:
		return setPatch(n), nil
	}
	return nil, ledger.ErrFormat
}

func setPatch(set ledger.Node) []byte {
	return object(member("patch", object(member("$set", set)))).Append(nil)
}

func deletePatch(names []string) []byte {
	list := array()
	for _, name := range names {
		list.Elems = append(list.Elems, ledger.TextNode(name))
	}
	return object(member("patch", object(member("$delete", list)))).Append(nil)
}

// callItem makes the request of an item's lane. A create has no patch around its body,
// an update has: both are POST, and only the id at the end of the path differs.
func (p *Provider) callItem(ctx context.Context, c sinks.Call, section string) sinks.Outcome {
	path := "/" + section
	if c.Verb == sinks.VerbCreate {
		a, bad := p.exchange(ctx, c, request{method: "CREATE", path: path, body: c.Body})
		if bad != nil {
			return *bad
		}
		return created(a, c)
	}
	if !isRef(c.Ref) {
		return sinks.Mistake("the entry's id is not one of LinkedIn's")
	}
	path += "/" + c.Ref
	if c.Verb == sinks.VerbDelete {
		return p.edit(ctx, c, request{method: http.MethodDelete, path: path})
	}
	body := deletePatch(c.Clears)
	if c.Step != stepDelete {
		n, err := ledger.ParseJSON(c.Body)
		if err != nil {
			return sinks.Mistake("the body is not one of this mapping's")
		}
		body = setPatch(n)
	}
	return p.edit(ctx, c, request{method: "PARTIAL_UPDATE", path: path, body: body})
}

// created finds the new entry's id: in a header, never in the body. Without one the entry
// must be looked for. With one it is there, even if the rest of the answer broke off.
func created(a sinks.Answer, c sinks.Call) sinks.Outcome {
	good := a.Status == http.StatusOK || a.Status == http.StatusCreated
	for _, name := range []string{"X-Linkedin-Id", "X-Restli-Id"} {
		if id := strings.TrimSpace(a.Header.Get(name)); good && isRef(id) {
			return sinks.Outcome{Verdict: sinks.Applied, Ref: id}
		}
	}
	out := judge(rules, a, c)
	if out.Verdict == sinks.Applied {
		out = sinks.Garbage(a.Status, "LinkedIn's")
		out.Fault.Message = "the answer does not say the id of the new entry"
	}
	return out
}

// request is one request to LinkedIn.
type request struct {
	method string // of Rest.li; GET and DELETE are HTTP's own
	url    string // whole; "" is the person's resource with path after it
	path   string
	body   []byte
}

// exchange makes one request; the outcome is there when none could be made.
func (p *Provider) exchange(ctx context.Context, c sinks.Call, r request) (sinks.Answer, *sinks.Outcome) {
	if !isPerson(c.Account) {
		return sinks.Answer{}, new(sinks.Unsent(sinks.AccountError, "no_person", noPerson))
	}
	target := r.url
	if target == "" {
		target = p.base + "/v2/people/(id:" + c.Account + ")" + r.path
	}
	method := http.MethodPost
	if r.method == http.MethodGet || r.method == http.MethodDelete {
		method = r.method
	}
	var body io.Reader = http.NoBody
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, bad := prepare(ctx, c, method, target, body)
	if bad != nil {
		return sinks.Answer{}, bad
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-RestLi-Protocol-Version", "2.0.0")
	req.Header.Set("X-RestLi-Method", r.method)
	return sinks.Exchange(ctx, p.http, req), nil
}

// prepare makes a request with what every one of them carries.
func prepare(ctx context.Context, c sinks.Call, method, target string, body io.Reader) (*http.Request, *sinks.Outcome) {
	token, ok := sinks.TokenOf(c.Credential)
	if !ok {
		return nil, new(sinks.Unsent(sinks.AccountError, "bad_credential", "the credential is neither a token nor an object with access_token"))
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, new(sinks.Unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request"))
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", "vitae")
	if !c.Attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	}
	if c.Step != "" {
		req.Header.Set("X-Vitae-Step", c.Step)
	}
	return req, nil
}

// edit makes one request and judges its answer.
func (p *Provider) edit(ctx context.Context, c sinks.Call, r request) sinks.Outcome {
	a, bad := p.exchange(ctx, c, r)
	if bad != nil {
		return *bad
	}
	return judge(rules, a, c)
}
