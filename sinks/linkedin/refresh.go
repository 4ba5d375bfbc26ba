package linkedin

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// A credential is a bare token, or an object with access_token; with refresh_token,
// client_id and client_secret beside it, it can be renewed.

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
			return nil, sinks.Unsent(sinks.AccountError, "not_renewable", "the credential cannot be renewed: it needs refresh_token, client_id and client_secret")
		}
		form.Set(name, v.Text)
	}
	base := p.base
	if base == apiBase {
		base = tokenBase
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/oauth/v2/accessToken", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, sinks.Unsent(sinks.SinkError, "bad_base_url", "the base URL makes no request")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vitae")
	a := sinks.Exchange(ctx, p.http, req)
	if out = judge(tokenRules, a, sinks.Call{}); out.Verdict != sinks.Applied {
		return nil, out
	}
	fresh, ok := sinks.RenewToken(n, a.Body)
	if !ok {
		return nil, sinks.Garbage(a.Status, "LinkedIn's")
	}
	return fresh, out
}
