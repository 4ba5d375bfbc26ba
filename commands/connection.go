package commands

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"vitae/ledger"
)

// maxAccount is how long an account's name may be, in code points.
const maxAccount = 200

// Binding is the command that sets a profile's connection to a provider. Bind makes it.
type Binding struct {
	// Rotate says that the connection's credential changed, which the ledger never
	// sees: the connection is then bound anew even when nothing else is different.
	// Set it before the command is submitted.
	Rotate bool

	provider string
	body     []byte
	account  ledger.Value // nil: none was given
	resume   string       // settings.resume; "" when absent
}

// Bind makes the command that sets the connection to a provider:
// {"account":"...","settings":{"resume":"..."}}, replacing what was set before. nil is
// taken for {}. The account is required for LinkedIn and PostPress, is the profile's id
// for Jarvi unless another is given, and is ignored for Mokaru and Nexudus, whose
// credential says whose it is. settings.resume names the resume to send; without it,
// base is sent. Binding what is bound changes nothing, except with Rotate.
func Bind(provider string, body []byte) (*Binding, error) {
	c := &Binding{provider: provider, body: body}
	if err := knownProvider(provider); err != nil {
		return nil, err
	}
	n := ledger.Node{Kind: ledger.NodeObject}
	if len(body) > 0 {
		var err error
		if n, err = ledger.ParseJSON(body); err != nil {
			return nil, err
		}
	}
	if n.Kind != ledger.NodeObject {
		return nil, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object, not "+n.Kind.String())
	}
	r := reader{}
	for _, m := range n.Members {
		at := ledger.PointerTo("", m.Name)
		switch m.Name {
		case "account":
			c.account = r.text(m.Node, at)
		case "settings":
			c.resume = r.settings(m.Node, at)
		default:
			r.refuse(at, ledger.CodeUnknownField, "there is no such member here")
		}
	}
	if account, _ := n.Member("account"); account.Kind == ledger.NodeNull && needsAccount(provider) {
		r.refuse("/account", ledger.CodeRequired, "the account at "+provider+" is required")
	}
	if len(r.errs) > 0 {
		return nil, &ledger.Refusal{Fields: r.errs}
	}
	return c, nil
}

// text reads an optional text.
func (r *reader) text(n ledger.Node, at string) ledger.Value {
	v, _, errs := ledger.Field{Kind: ledger.KindText, Max: maxAccount, Clearable: true}.Check(n, at)
	r.errs = append(r.errs, errs...)
	return v
}

// settings reads a connection's settings: the resume it names, or "".
func (r *reader) settings(n ledger.Node, at string) (resume string) {
	switch n.Kind {
	case ledger.NodeObject, ledger.NodeNull:
	default:
		r.refuse(at, ledger.CodeWrongType, "must be an object, not "+n.Kind.String())
	}
	for _, m := range n.Members {
		at := ledger.PointerTo(at, m.Name)
		switch {
		case m.Name != "resume":
			r.refuse(at, ledger.CodeUnknownField, "there is no such setting")
		case m.Node.Kind == ledger.NodeString && resumeID(m.Node.Text) != nil:
			r.refuse(at, ledger.CodeFormat, "must be base or the id of a resume")
		case m.Node.Kind == ledger.NodeString:
			resume = m.Node.Text
		case m.Node.Kind != ledger.NodeNull:
			r.refuse(at, ledger.CodeWrongType, "must be a text, not "+m.Node.Kind.String())
		}
	}
	return resume
}

// Decide implements ledger.Command.
func (c *Binding) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if c.resume != "" && p.Resumes[c.resume] == nil {
		d.refuse("/settings/resume", ledger.CodeUnknownItem, "the profile has no such resume")
	}
	value := c.value(p.ID)
	if old, bound := p.Connections[c.provider]; !bound || c.Rotate || !value.Equal(old.Value) {
		d.add(ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: c.provider, Op: ledger.OpBound, Value: value})
	}
	return d.end()
}

// Account is the account that the profile is connected to then; "" where the provider's
// credential says whose it is.
func (c *Binding) Account(p ledger.ProfileID) string {
	var v struct {
		Account string `json:"account"`
	}
	if err := json.Unmarshal(c.value(p), &v); err != nil {
		return "" // never: it is a text
	}
	return v.Account
}

// value is the connection as it is stored: {"account":...,"settings":{...}}.
func (c *Binding) value(p ledger.ProfileID) ledger.Value {
	account := c.account
	switch c.provider {
	case ledger.Mokaru, ledger.Nexudus:
		account = nil
	case ledger.Jarvi:
		if account == nil {
			account = ledger.Value(`"` + p.String() + `"`)
		}
	}
	b := []byte(`{`)
	if account != nil {
		b = append(b, `"account":`...)
		b = append(append(b, account...), ',')
	}
	b = append(b, `"settings":{`...)
	if c.resume != "" {
		b = append(b, `"resume":"`+c.resume+`"`...)
	}
	return append(b, `}}`...)
}

func (c *Binding) wire() wire {
	return wire{Kind: kindBind, Provider: c.provider, Rotate: c.Rotate, Body: c.body}
}

type unbind struct{ provider string }

// Unbind makes the command that removes the connection to a provider. One that is not
// there is ledger.ErrNotFound. The credential is the caller's to destroy.
func Unbind(provider string) (ledger.Command, error) {
	if err := knownProvider(provider); err != nil {
		return nil, err
	}
	return &unbind{provider: provider}, nil
}

func (c *unbind) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if _, bound := p.Connections[c.provider]; !bound {
		return nil, fmt.Errorf("connection to %s: %w", c.provider, ledger.ErrNotFound)
	}
	d.add(ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: c.provider, Op: ledger.OpDeleted})
	return d.end()
}

func (c *unbind) wire() wire { return wire{Kind: kindUnbind, Provider: c.provider} }

// knownProvider refuses a provider that there is not; the error is ledger.ErrNotFound.
func knownProvider(provider string) error {
	if slices.Contains(ledger.Providers(), provider) {
		return nil
	}
	return fmt.Errorf("provider: %w", ledger.ErrNotFound)
}

// needsAccount says whether a connection does not work without an account.
func needsAccount(provider string) bool {
	return provider == ledger.LinkedIn || provider == ledger.PostPress
}

// sentBy names the first provider whose connection sends the resume; "" for none.
func sentBy(p *ledger.Profile, resume string) string {
	for _, provider := range slices.Sorted(maps.Keys(p.Connections)) {
		var v struct {
			Settings struct {
				Resume string `json:"resume"`
			} `json:"settings"`
		}
		// A connection's value is what Binding wrote. One that cannot be read names no resume.
		if err := json.Unmarshal(p.Connections[provider].Value, &v); err == nil && v.Settings.Resume == resume {
			return provider
		}
	}
	return ""
}
