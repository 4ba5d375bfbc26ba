package commands

import (
	"bytes"
	"encoding/json"
	"strings"

	"vitae/ledger"
)

// oracle is a profile as a naive program would keep it: one document of plain maps and
// one more for each resume, no events, no ids.
type oracle struct {
	doc     map[string]any            // what is set of the profile, base's collections among it
	resumes map[string]map[string]any // the collections and the name of the others
}

func newOracle() *oracle {
	return &oracle{doc: map[string]any{}, resumes: map[string]map[string]any{}}
}

// patch merges a body into the profile (resume "") or a resume.
func (o *oracle) patch(resume string, body []byte) {
	doc := o.doc
	if resume != "" {
		doc = o.resumes[resume]
	}
	merge(doc, "", decoded(body).(map[string]any))
	prune(doc)
}

// copyBase makes a resume of what base has now.
func (o *oracle) copyBase(id string, body []byte) {
	doc := map[string]any{}
	for k, v := range o.doc {
		if f, _, ok := ledger.Lookup(k); ok && f.View == ledger.ResumeView {
			doc[k] = v
		}
	}
	o.resumes[id] = decoded(mustJSON(doc)).(map[string]any)
	o.patch(id, body)
}

// items is a collection of a resume (base: "").
func (o *oracle) items(resume, field string) []any {
	doc := o.doc
	if resume != "" {
		doc = o.resumes[resume]
	}
	list, _ := doc[field].([]any)
	return list
}

func (o *oracle) setItems(resume, field string, list []any) {
	doc := o.doc
	if resume != "" {
		doc = o.resumes[resume]
	}
	doc[field] = list
	prune(doc)
}

func merge(doc map[string]any, prefix string, body map[string]any) {
	for k, v := range body {
		switch name := prefix + k; {
		case name == "phones":
			doc["phones"] = anonymous(v)
		case name == "phone":
			list, _ := doc["phones"].([]any)
			switch {
			case v == nil && len(list) > 0:
				list = list[1:]
			case v != nil && len(list) > 0:
				list[0].(map[string]any)["number"] = v
			case v != nil:
				list = []any{map[string]any{"number": v}}
			}
			doc["phones"] = list
		case ledger.IsGroup(name):
			child, _ := doc[k].(map[string]any)
			if child == nil {
				child = map[string]any{}
				doc[k] = child
			}
			merge(child, name+".", v.(map[string]any))
		case v == nil:
			delete(doc, k)
		case name == "website" || name == "portfolio":
			if s := v.(string); !strings.HasPrefix(s, "http") {
				v = "https://" + s
			}
			doc[k] = v
		case name == "linkedIn":
			if s := v.(string); !strings.Contains(s, "/") {
				v = "https://linkedin.com/in/" + s
			}
			doc[k] = v
		default:
			if f, _, ok := ledger.Lookup(name); ok && f.IsList() {
				v = anonymous(v)
			}
			doc[k] = tidy(v)
		}
	}
}

// tidy takes out null members, as the items of a collection lose them.
func tidy(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				v[k] = tidy(e)
			}
		}
	}
	return v
}

// anonymous takes out the ids of a collection's items.
func anonymous(v any) any {
	list, _ := v.([]any)
	for _, item := range list {
		delete(item.(map[string]any), "id")
	}
	return tidy(v)
}

// prune takes out what is as good as unset: null scalars, empty collections of the top
// level, and objects of a provider without members.
func prune(doc map[string]any) {
	for k, v := range doc {
		switch v := v.(type) {
		case nil:
			delete(doc, k)
		case []any:
			if len(v) == 0 {
				delete(doc, k)
			}
		case map[string]any:
			pruneGroup(k, v)
			if len(v) == 0 {
				delete(doc, k)
			}
		}
	}
}

func pruneGroup(name string, v map[string]any) {
	for k, e := range v {
		if child, ok := e.(map[string]any); ok && ledger.IsGroup(name+"."+k) {
			pruneGroup(name+"."+k, child)
			if len(child) == 0 {
				delete(v, k)
			}
		}
	}
}

// read is the state as the oracle would have it, and the item ids on the side.
func read(t tester, p *ledger.Profile, resume string) map[string]any {
	t.Helper()
	doc := decoded(p.AppendDocument(nil, resume)).(map[string]any)
	delete(doc, "phone") // the oracle keeps it as the first of phones
	for k, v := range doc {
		f, _, ok := ledger.Lookup(k)
		if resume != ledger.Base && (!ok || f.View != ledger.ResumeView) {
			delete(doc, k)
			continue
		}
		list, ok := v.([]any)
		if !ok {
			continue
		}
		seen := map[any]bool{}
		for _, item := range list {
			id := item.(map[string]any)["id"]
			if id == nil || id == "" || seen[id] {
				t.Fatalf("%s: item id %v is missing or not the only one", k, id)
			}
			seen[id] = true
			delete(item.(map[string]any), "id")
		}
	}
	if r := p.Resumes[resume]; resume != ledger.Base && r != nil {
		if name := r.Fields["name"].Value; name != nil {
			doc["name"] = decoded(name)
		}
	}
	prune(doc)
	return doc
}

func decoded(b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
