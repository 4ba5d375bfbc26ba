package sinks

import (
	"encoding/json"
	"maps"
	"slices"

	"vitae/ledger"
)

// foreign counts the items of replaced lists that the ledger never wrote.
func (w *planner) foreign(entity string, now, wanted []byte) {
	ours := map[string]bool{}
	note := func(echo []byte) {
		for _, items := range lists(echo) {
			for _, it := range items {
				ours[it] = true
			}
		}
	}
	note(wanted)
	if w.rec.AckedSeq > 0 {
		if old, err := w.m.opt.States.ProfileAt(w.ctx, w.out.Profile, w.rec.AckedSeq); err == nil {
			old.Connections = w.state.Connections
			if p, err := w.s.provider.Build(entity, old, Have{Fields: w.rec.Fields.List()}); err == nil {
				note(p.Echo)
			}
		}
	}
	for field, items := range lists(now) {
		n := 0
		for _, it := range items {
			if !ours[it] {
				n++
			}
		}
		if n > 0 {
			w.count(&w.out.Foreign, field, n)
			w.count(&w.out.AtRisk, field, n)
		}
	}
}

func (w *planner) count(in *map[string]int, name string, n int) {
	if *in == nil {
		*in = map[string]int{}
	}
	(*in)[name] += n
}

// lists are the members of a JSON object that are lists, as the texts of their items.
func lists(echo []byte) map[string][]string {
	out := map[string][]string{}
	n, err := ledger.ParseJSON(echo)
	if err != nil {
		return out
	}
	for _, m := range n.Members {
		for _, e := range m.Node.Elems {
			out[m.Name] = append(out[m.Name], string(e.Append(nil)))
		}
	}
	return out
}

// changes compares two echoes member by member; what is no JSON object is one field.
func changes(before, after []byte) []Change {
	was, now := members(before), members(after)
	names := slices.Sorted(maps.Keys(was))
	for name := range now {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []Change
	for _, name := range names {
		if string(was[name]) != string(now[name]) {
			out = append(out, Change{Field: name, Before: was[name], After: now[name]})
		}
	}
	return out
}

func members(echo []byte) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	n, err := ledger.ParseJSON(echo)
	if err != nil || n.Kind != ledger.NodeObject {
		if len(echo) > 0 {
			quoted, _ := json.Marshal(string(echo)) // a string always has a form
			out["value"] = quoted
		}
		return out
	}
	for _, m := range n.Members {
		out[m.Name] = m.Node.Append(nil)
	}
	return out
}
