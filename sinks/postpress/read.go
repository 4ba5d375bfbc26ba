package postpress

import (
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// ownerOf reads the answer that says who an account is; ok is false when it does not.
func ownerOf(body []byte) (id string, ok bool) {
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeObject {
		return "", false
	}
	if kind, ok := n.Member("object"); ok && kind.Text != "AccountOwnerProfile" {
		return "", false
	}
	if provider, ok := n.Member("provider"); ok && provider.Text != "LINKEDIN" {
		return "", false
	}
	owner, _ := n.Member("provider_id")
	return owner.Text, owner.Kind == ledger.NodeString && isRef(owner.Text)
}

// found is how a section was read.
type found uint8

const (
	garbled  found = iota // the answer is not one of PostPress's: nothing is known
	withheld              // LinkedIn did not show the section, or not all of it
	nameless              // there are entries, and no ids
	whole
)

// parse reads a section out of the profile of the person. A section that is withheld is
// unknown, however empty it looks. One that is absent, and not said to be withheld, has no
// entries.
func (s *section) parse(body []byte, person string) (list []sinks.Listed, how found) {
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeObject {
		return nil, garbled
	}
	if kind, ok := n.Member("object"); !ok || kind.Text != "UserProfile" {
		return nil, garbled
	}
	if who, ok := n.Member("provider_id"); ok && who.Text != person {
		return nil, garbled // somebody else's
	}
	throttled, _ := n.Member("throttled_sections")
	if throttled.Kind != ledger.NodeArray && throttled.Kind != ledger.NodeNull {
		return nil, garbled
	}
	for _, t := range throttled.Elems {
		if t.Kind != ledger.NodeString || t.Text == "*" || strings.Contains(t.Text, s.name) {
			return nil, withheld
		}
	}
	list = []sinks.Listed{}
	total := -1
	seen := map[string]bool{}
	for _, name := range s.listed {
		if count, ok := n.Member(name + "_total_count"); ok && count.Kind == ledger.NodeNumber {
			if v, err := strconv.Atoi(count.Text); err == nil {
				total = v
			}
		}
		entries, _ := n.Member(name)
		if entries.Kind != ledger.NodeArray && entries.Kind != ledger.NodeNull {
			return nil, garbled
		}
		for _, e := range entries.Elems {
			if e.Kind != ledger.NodeObject {
				return nil, garbled
			}
			id, _ := e.Member("id")
			switch {
			case !isRef(id.Text) || id.Kind != ledger.NodeString && id.Kind != ledger.NodeNumber:
				return nil, nameless
			case seen[id.Text]:
				return nil, garbled
			}
			seen[id.Text] = true
			list = append(list, sinks.Listed{Ref: id.Text, Echo: s.echo(s.entry(e))})
		}
	}
	if total > len(list) {
		return nil, withheld
	}
	return list, whole
}

// entry is a listed entry in the form in which it is compared with an item.
func (s *section) entry(e ledger.Node) map[string]string {
	seen := map[string]string{}
	for _, m := range s.members {
		for _, name := range m.read {
			v, ok := e.Member(name)
			if !ok {
				continue
			}
			if m.to == startDate || m.to == endDate {
				if date, ok := dateOf(v); ok {
					seen[m.to] = date.String()
				} else if v.Text != "" {
					seen[m.to] = v.Text // a year alone is something else than nothing
				}
			} else {
				if inner, ok := v.Member("name"); ok {
					v = inner
				}
				if v.Kind == ledger.NodeString {
					seen[m.to] = tidy(v.Text)
				}
			}
			break
		}
	}
	return seen
}

// longestRef bounds the ids that are taken from answers.
const longestRef = 200

// isRef says whether an id of PostPress's can be kept among others and stand in a path
// and in a form.
func isRef(s string) bool {
	bad := func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '/' || r == '\\' }
	return s != "" && s != "." && s != ".." && len(s) <= longestRef && !strings.ContainsFunc(s, bad)
}

// edited says whether an answer is the one to an edit that was made.
func edited(body []byte) bool {
	n, err := ledger.ParseJSON(body)
	kind, _ := n.Member("object")
	return err == nil && kind.Text == "ProfileEdited"
}
