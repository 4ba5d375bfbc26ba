package linkedin

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// A credential is a bare token, or an object with access_token; with refresh_token,
// client_id and client_secret beside it, it can be renewed.

// tokenOf gives the token of a credential. ok is false when it cannot stand in a header.
func tokenOf(credential []byte) (token string, ok bool) {
	token = string(bytes.TrimSpace(credential))
	if strings.HasPrefix(token, "{") {
		n, err := ledger.ParseJSON(credential)
		access, _ := n.Member("access_token")
		if token = access.Text; err != nil || access.Kind != ledger.NodeString {
			return "", false
		}
	}
	return token, token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// LinkedIn's tokens come from another host than its API.
const (
	apiBase   = "https://api.linkedin.com"
	tokenBase = "https://www.linkedin.com"
)

// Refresh implements sinks.Refresher. The fresh credential is the old object with the new
// access token in it, and the new refresh token if there is one.
func (p *Provider) Refresh(ctx context.Context, credential []byte) (fresh []byte, out sinks.Outcome) {
	n, err := ledger.ParseJSON(credential)
	form := url.Values{"grant_type": {"refresh_token"}}
	for _, name := range []string{"refresh_token", "client_id", "client_secret"} {
		v, _ := n.Member(name)
		if err != nil || v.Kind != ledger.NodeString || v.Text == "" {
			return nil, *unsent(sinks.AccountError, "not_renewable", "the credential cannot be renewed: it needs refresh_token, client_id and client_secret")
		}
		form.Set(name, v.Text)
	}
	base := p.base
	if base == apiBase {
		base = tokenBase
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/oauth/v2/accessToken", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, *unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	a := sinks.Exchange(ctx, p.http, req)
	if out = judge(tokenRules, a, sinks.Call{}); out.Verdict != sinks.Applied {
		return nil, out
	}
	fresh, ok := renewed(n, a.Body)
	if !ok {
		return nil, garbage(a.Status)
	}
	return fresh, out
}

// renewed puts the tokens of an answer into a credential.
func renewed(old ledger.Node, body []byte) (fresh []byte, ok bool) {
	answer, err := ledger.ParseJSON(body)
	if err != nil {
		return nil, false
	}
	out := object()
	put := func(name string) {
		if v, given := answer.Member(name); given && v.Kind == ledger.NodeString && v.Text != "" {
			out.Members = append(out.Members, member(name, v))
		}
	}
	put("access_token")
	ok = len(out.Members) == 1
	put("refresh_token")
	for _, m := range old.Members {
		if _, replaced := out.Member(m.Name); !replaced {
			out.Members = append(out.Members, m)
		}
	}
	fresh = out.Append(nil)
	if _, usable := tokenOf(fresh); !usable {
		return nil, false
	}
	return fresh, ok
}
