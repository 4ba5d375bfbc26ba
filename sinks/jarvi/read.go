package jarvi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"vitae/ledger"
	"vitae/sinks"
)

// Read implements sinks.Reader: one GET of the rows with the account's externalId. A person
// that is not there is read as nothing.
func (p *Provider) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	if c.Entity != Entity {
		return sinks.Reading{}, sinks.Unsent(sinks.Refused, "bad_call", "there is nothing to be read of that")
	}
	account := c.Account
	if account == "" { // as in a body
		account = c.Profile.String()
	}
	if c.Account == "" && c.Profile.IsZero() {
		return sinks.Reading{}, sinks.Unsent(sinks.Refused, "no_account", "there is no externalId to look for")
	}
	row, there, out := p.find(ctx, account, c)
	if out.Verdict != sinks.Applied {
		return sinks.Reading{}, out
	}
	if !there {
		return sinks.Reading{Echo: object().Append(nil)}, out
	}
	names, m := p.sure(c)
	return sinks.Reading{Echo: echo(row, names, m)}, out
}

// sure gives the fields that are compared, and the mark of what no read shows when it is
// certain which one Jarvi took; "" when it is not.
func (p *Provider) sure(c sinks.Call) (names []string, m string) {
	if names, m, ok := p.told.of(c.Attempt); ok {
		return names, m
	}
	if c.Accepted != nil { // by a process before this one
		for _, name := range c.Accepted {
			if strings.HasPrefix(name, markPrefix) {
				m = name
			}
		}
		return c.Accepted, m
	}
	marks := 0
	for _, name := range c.Fields {
		if strings.HasPrefix(name, markPrefix) {
			m = name
			marks++
		}
	}
	// Without a Ref nothing was ever accepted, and the one mark is of what is in doubt.
	if marks != 1 || c.Ref == "" {
		m = ""
	}
	return c.Fields, m
}

// typeFilter is the Fault.Type of an answer to another question than was asked.
const typeFilter = "filter_ignored"

// find reads the person with an externalId. Only a row with that very id counts, and only
// when it is not deleted. The outcome is Applied when it is certain whether there is one.
func (p *Provider) find(ctx context.Context, id string, c sinks.Call) (row ledger.Node, there bool, out sinks.Outcome) {
	where := object(member(externalID, object(member("_eq", ledger.TextNode(id)))))
	query := url.Values{"where": {string(where.Append(nil))}, "limit": {"10"}}
	a, early := p.exchange(ctx, http.MethodGet, p.base+profiles+"?"+query.Encode(), nil, c)
	if early != nil {
		return row, false, *early
	}
	if a.Err != nil || a.Status != http.StatusOK {
		return row, false, judge(a)
	}
	rows, strangers, ok := parseRows(a.Body, id)
	fault := func(kind, why string) (ledger.Node, bool, sinks.Outcome) {
		return ledger.Node{}, false, sinks.Outcome{Verdict: sinks.Unknown, Fault: sinks.Fault{HTTP: a.Status, Type: kind, Message: why, Sent: sinks.SentUnknown}}
	}
	switch {
	case !ok:
		return row, false, sinks.Garbage(a.Status, "Jarvi's")
	case len(rows) > 1:
		return fault("several_profiles", "Jarvi has several profiles with this externalId")
	case len(rows) == 1:
		return rows[0], true, sinks.Outcome{Verdict: sinks.Applied}
	case strangers:
		return fault(typeFilter, "Jarvi gave other profiles than the one that was asked for")
	}
	return row, false, sinks.Outcome{Verdict: sinks.Applied}
}

// parseRows reads the answer to a read: the rows with the externalId that are not deleted,
// in the form of a body, and whether there are rows of others. ok is false when it is not
// an answer of Jarvi's.
func parseRows(body []byte, id string) (rows []ledger.Node, strangers, ok bool) {
	n, err := ledger.ParseJSON(body)
	data, _ := n.Member("data")
	if err != nil || data.Kind != ledger.NodeArray {
		return nil, false, false
	}
	for _, row := range data.Elems {
		if row.Kind != ledger.NodeObject {
			return nil, false, false
		}
		have, _ := row.Member(externalID)
		if have.Kind != ledger.NodeString || have.Text != id {
			strangers = true
			continue
		}
		if deleted, _ := row.Member("deletedAt"); deleted.Kind != ledger.NodeNull {
			continue
		}
		out := object(member(externalID, have))
		for _, f := range fields {
			if f.readable {
				out.Members = append(out.Members, member(f.name, written(row, f.name)))
			}
		}
		rows = append(rows, out)
	}
	return rows, strangers, true
}

// written is a field of a row as it was written: enrichment may show something else under
// the name itself.
func written(row ledger.Node, name string) ledger.Node {
	if v, ok := row.Member(name + "Manual"); ok && v.Kind == ledger.NodeString && v.Text != "" {
		return v
	}
	v, _ := row.Member(name)
	return v
}

// told remembers what the last acknowledged requests carried. It is empty after a restart.
type told struct {
	mu         sync.Mutex
	young, old map[sinks.ID]carried
}

type carried struct {
	names []string
	mark  string
}

// mostTold bounds each half of the memory.
const mostTold = 8192

func (t *told) accepted(attempt sinks.ID, request ledger.Node, m string) {
	if attempt.IsZero() {
		return
	}
	var names []string
	for _, f := range fields {
		if _, ok := request.Member(f.name); ok && f.readable {
			names = append(names, f.name)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.young == nil || len(t.young) >= mostTold {
		t.young, t.old = map[sinks.ID]carried{}, t.young
	}
	t.young[attempt] = carried{names, m}
}

func (t *told) of(attempt sinks.ID) (names []string, m string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	is, ok := t.young[attempt]
	if !ok {
		is, ok = t.old[attempt]
	}
	return slices.Clone(is.names), is.mark, ok
}
