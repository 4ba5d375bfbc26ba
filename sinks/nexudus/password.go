package nexudus

import (
	"context"
	"net/http"

	"vitae/ledger"
	"vitae/sinks"
)

// ChangePassword makes the one request that changes the customer's password at the portal.
// It is no edit: it is never repeated by this package, and nothing of it is kept. The
// outcome is Applied when the portal says so, Refused when it does not take the old or the
// new password, and Unknown when nobody can tell.
func (p *Provider) ChangePassword(ctx context.Context, credential []byte, before, after string) sinks.Outcome {
	token, ok := sinks.TokenOf(credential)
	if !ok {
		return badCredential()
	}
	body := ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{
		{Name: "OldPassword", Node: ledger.TextNode(before)},
		{Name: "NewPassword", Node: ledger.TextNode(after)},
		{Name: "RepeatNewPassword", Node: ledger.TextNode(after)},
	}}
	a, early := p.exchange(ctx, request{http.MethodPatch, "/api/public/coworker/profile", "application/json", body.Append(nil)}, token, sinks.ID{})
	if early != nil {
		return *early
	}
	out, _ := judge(a)
	return out
}
