package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
)

// Resume is one resume as readers see it: the shared scalars and its own collections.
type Resume struct {
	Profile ledger.ProfileID
	ID      string // of the resume
	Updated time.Time
	fields  map[string]any
}

// ReadResume takes a resume's document: see ledger.Profile.AppendDocument.
func ReadResume(profile ledger.ProfileID, id string, updated time.Time, document []byte) (*Resume, error) {
	r := &Resume{Profile: profile, ID: id, Updated: updated.UTC()}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&r.fields); err != nil {
		return nil, fmt.Errorf("the resume's document: %w", err)
	}
	return r, nil
}

// text is a scalar; "" when it is not set.
func (r *Resume) text(field string) string { return text(r.fields, field) }

// items are a collection's, each as its members.
func (r *Resume) items(field string) []map[string]any {
	list, _ := r.fields[field].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// name is how the person is called.
func (r *Resume) name() string {
	if n := r.text("displayName"); n != "" {
		return n
	}
	return strings.TrimSpace(r.text("firstName") + " " + r.text("lastName"))
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// day is a date without the time that a timestamp has.
func day(m map[string]any, name string) string {
	s := text(m, name)
	if len(s) > len("2006-01-02") {
		return s[:len("2006-01-02")]
	}
	return s
}

func texts(m map[string]any, name string) (out []string) {
	list, _ := m[name].([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// carried are the paths that a format has a place for: "email", "workExperiences.company".
type carried map[string]bool

func carries(paths string) carried {
	out := carried{}
	for _, p := range strings.Fields(paths) {
		out[p] = true
	}
	return out
}

// lost lists the paths with a value that a format does not carry, sorted: a scalar, a
// locale variant or a provider's object by its name, a member of a collection as
// "field.member".
func (r *Resume) lost(c carried) []string {
	out := map[string]bool{}
	for name, v := range r.fields {
		list, isList := v.([]any)
		switch {
		case v == nil, isList && len(list) == 0:
		case !isList:
			if !c[name] {
				out[name] = true
			}
		default:
			for _, item := range r.items(name) {
				for member, v := range item {
					if v != nil && member != "id" && !c[name+"."+member] {
						out[name+"."+member] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}
