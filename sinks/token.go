package sinks

import (
	"bytes"
	"strings"

	"vitae/ledger"
)

// A credential for a bearer token is the token alone, or an object with access_token; what
// stands beside it there is for renewing it.

// TokenOf gives the token of such a credential. ok is false when it cannot stand in a header.
func TokenOf(credential []byte) (token string, ok bool) {
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

// RenewToken puts the tokens of an answer of OAuth 2.0 into a credential: the new access
// token, and the new refresh token if there is one. The rest stays. ok is false when the
// answer has no token that can be used.
func RenewToken(old ledger.Node, answer []byte) (fresh []byte, ok bool) {
	n, err := ledger.ParseJSON(answer)
	if err != nil {
		return nil, false
	}
	out := ledger.Node{Kind: ledger.NodeObject}
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, given := n.Member(name); given && v.Kind == ledger.NodeString && v.Text != "" {
			out.Members = append(out.Members, ledger.NodeMember{Name: name, Node: v})
		}
	}
	if _, given := out.Member("access_token"); !given {
		return nil, false
	}
	for _, m := range old.Members {
		if _, replaced := out.Member(m.Name); !replaced {
			out.Members = append(out.Members, m)
		}
	}
	fresh = out.Append(nil)
	if _, ok = TokenOf(fresh); !ok {
		return nil, false
	}
	return fresh, true
}
