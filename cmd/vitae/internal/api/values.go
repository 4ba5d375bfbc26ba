package api

import (
	"context"
	"encoding/json"
	"errors"

	"vitae/ledger"
)

// WithValues adds to the data of an event the values of the fields that it names, as they
// were after its commit, under "values": a scalar as it is, null when it is not set, and a
// collection as the whole list. So values is what a PATCH of the view takes to bring an older
// copy of it there. For a resume that was created it is everything that the resume has. Of a
// profile that was erased since, values is null. Other events stay as they are.
//
// A connection is not a value of the profile, and is left out.
func (s *Server) WithValues(ctx context.Context, e ledger.CloudEvent) (ledger.CloudEvent, error) {
	created := e.Type == ledger.TypeResumeCreated
	if e.Type != ledger.TypeProfileChanged && !created {
		return e, nil
	}
	var d ledger.Changed
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return e, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := s.History.Wait(ctx, d.Seq); err != nil {
		return e, err
	}
	p, err := s.History.StateAt(ctx, d.Profile, d.Seq)
	if err == nil {
		err = p.OpenAll(s.Vault)
	}
	values := []byte("null")
	switch {
	case errors.Is(err, ledger.ErrErased):
	case err != nil:
		return e, err
	case created:
		values = appendResume(nil, p, d.View)
	default:
		values = appendValues(nil, p, d.View, d.Fields)
	}
	data := append([]byte(nil), e.Data[:len(e.Data)-1]...)
	data = append(data, `,"values":`...)
	data = append(data, values...)
	e.Data = append(data, '}')
	return e, nil
}

// appendValues appends what the fields of a view are, as one JSON object.
func appendValues(b []byte, p *ledger.Profile, view string, fields []string) []byte {
	b = append(b, '{')
	start := len(b)
	for _, name := range fields {
		if name == ledger.Connections || name == ledger.Deliveries {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...) // stored in clear: nothing to escape
		b = append(b, `":`...)
		b = appendField(b, p, view, name)
	}
	return append(b, '}')
}

func appendField(b []byte, p *ledger.Profile, view, name string) []byte {
	var v ledger.Value
	if f, _, ok := ledger.Lookup(name); ok && f.Kind == ledger.KindList {
		return ledger.AppendItems(b, p.Items(view, name))
	}
	if view == ledger.Shared {
		v = p.Scalar(name)
	} else if re := p.Resumes[view]; re != nil {
		v = re.Fields[name].Value
	}
	if v == nil {
		return append(b, "null"...)
	}
	return append(b, v...)
}

// appendResume appends everything that a resume has of its own.
func appendResume(b []byte, p *ledger.Profile, view string) []byte {
	re := p.Resumes[view]
	if re == nil {
		return append(b, "null"...)
	}
	var names []string
	if _, ok := re.Fields["name"]; ok {
		names = append(names, "name")
	}
	for _, f := range ledger.Catalogue() {
		if c := re.Collections[f.Name]; c != nil && len(c.Order) > 0 {
			names = append(names, f.Name)
		}
	}
	return appendValues(b, p, view, names)
}
