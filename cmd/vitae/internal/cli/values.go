package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
)

// node is a JSON object being put together from the command line, in the order given.
type node struct {
	name     string
	raw      json.RawMessage // a finished value, or
	children []*node         // an object
}

// parseValues turns the arguments of `profile set` and `profile create` into the body of a
// request:
//
//	firstName=Jane                 a text; a number, true or false where the catalogue has one
//	phone=null                     clear it
//	projects=@projects.json        the JSON of a file, "@-" for stdin
//	nexudus.onNewWallPost=true     a member of a provider's object
//	'firstName@fr_FR=Jeanne'       a locale variant
//	twitter:='"@jane"'             JSON as it stands, for a text that looks like one of these
//
// Whether the fields exist and take these values is for the server to say.
func (a *app) parseValues(args []string) ([]byte, error) {
	root := &node{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		asJSON := strings.HasSuffix(name, ":")
		name = strings.TrimSuffix(name, ":")
		if !ok || name == "" {
			return nil, usage("%q must be FIELD=VALUE", arg)
		}
		var raw json.RawMessage
		var err error
		if asJSON {
			raw, err = checkJSON([]byte(value))
		} else {
			raw, err = a.parseValue(name, value)
		}
		if err != nil {
			return nil, usage("%s: %w", name, err)
		}
		if !root.put(strings.Split(name, "."), raw) {
			return nil, usage("%s is given twice", name)
		}
	}
	return root.append(nil), nil
}

func (a *app) parseValue(name, value string) (json.RawMessage, error) {
	if value == "null" {
		return json.RawMessage("null"), nil
	}
	if file, ok := strings.CutPrefix(value, "@"); ok {
		b, err := a.readFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w (for a text that begins with @ write %s:='\"@...\"')", err, name)
		}
		return checkJSON(b)
	}
	switch kind := kindOf(name); kind {
	case ledger.KindBool:
		if value != "true" && value != "false" {
			return nil, fmt.Errorf("must be true, false or null")
		}
		return json.RawMessage(value), nil
	case ledger.KindNumber, ledger.KindInteger:
		raw, err := checkJSON([]byte(value))
		if err != nil || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
			return nil, fmt.Errorf("must be a number or null")
		}
		return raw, nil
	case ledger.KindTexts, ledger.KindIDs, ledger.KindObject, ledger.KindObjects, ledger.KindMap, ledger.KindAny, ledger.KindList:
		raw, err := checkJSON([]byte(value))
		if err != nil {
			return nil, fmt.Errorf("must be JSON, or @FILE with JSON: %w", err)
		}
		return raw, nil
	default:
		return json.Marshal(value)
	}
}

// checkJSON refuses what no server could read. It keeps duplicate members: the server names
// them with their place.
func checkJSON(b []byte) (json.RawMessage, error) {
	b = bytes.TrimSpace(b)
	if !json.Valid(b) {
		return nil, fmt.Errorf("this is not JSON")
	}
	return b, nil
}

// kindOf looks up what the catalogue says of a field, or of a member inside one. A name it
// does not have counts as text.
func kindOf(name string) ledger.Kind {
	if f, _, ok := ledger.Lookup(name); ok {
		return f.Kind
	}
	for at := strings.LastIndexByte(name, '.'); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		f, _, ok := ledger.Lookup(name[:at])
		if !ok {
			continue
		}
		kind, ms := f.Kind, f.Item
		for step := range strings.SplitSeq(name[at+1:], ".") {
			i := slices.IndexFunc(ms, func(m ledger.Member) bool { return m.Name == step })
			if i < 0 {
				return ledger.KindText
			}
			kind, ms = ms[i].Kind, ms[i].Members
		}
		return kind
	}
	return ledger.KindText
}

// put adds a value under a path; false when something is there already.
func (n *node) put(path []string, raw json.RawMessage) bool {
	for _, c := range n.children {
		if c.name != path[0] {
			continue
		}
		return len(path) > 1 && c.raw == nil && c.put(path[1:], raw)
	}
	c := &node{name: path[0]}
	n.children = append(n.children, c)
	if len(path) == 1 {
		c.raw = raw
		return true
	}
	return c.put(path[1:], raw)
}

// append writes the object.
func (n *node) append(b []byte) []byte {
	if n.raw != nil {
		return append(b, n.raw...)
	}
	b = append(b, '{')
	for i, c := range n.children {
		if i > 0 {
			b = append(b, ',')
		}
		// A string always has a JSON form.
		name, _ := json.Marshal(c.name)
		b = append(append(b, name...), ':')
		b = c.append(b)
	}
	return append(b, '}')
}
