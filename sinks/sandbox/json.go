package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// detail says what is wrong with one field of a request.
type detail struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// object is a JSON object in the order in which it was written.
type object struct {
	names  []string // unique
	values map[string]any
}

// parseStrict reads one JSON text. Values are nil, bool, json.Number, string, []any and
// *object. Of members with the same name the first one counts; the others are named in
// repeated. The error is for what is no JSON text, or no Unicode.
func parseStrict(body []byte) (v any, repeated []detail, err error) {
	if !utf8.Valid(body) {
		return nil, nil, errors.New("must be UTF-8")
	}
	if !json.Valid(body) {
		return nil, nil, errors.New("must be one JSON text")
	}
	if loneSurrogate(body) {
		return nil, nil, errors.New("must not have half a surrogate pair")
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(body))}
	p.dec.UseNumber()
	if v, err = p.value("", maxDepth); err != nil {
		return nil, nil, err
	}
	return v, p.repeated, nil
}

// parser walks over a text that is known to be valid.
type parser struct {
	dec      *json.Decoder
	repeated []detail
}

// maxDepth is more lists and objects inside each other than any body needs.
const maxDepth = 32

func (p *parser) value(path string, depth int) (any, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if _, nests := t.(json.Delim); nests && depth == 0 {
		return nil, fmt.Errorf("must not be nested deeper than %d", maxDepth)
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for p.dec.More() {
			v, err := p.value(at(path, len(list)), depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = p.dec.Token()
		return list, err
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for p.dec.More() {
			t, err := p.dec.Token()
			if err != nil {
				return nil, err
			}
			name, ok := t.(string)
			if !ok {
				return nil, errors.New("a member without a name")
			}
			v, err := p.value(under(path, name), depth-1)
			if err != nil {
				return nil, err
			}
			if _, again := o.values[name]; again {
				p.repeated = append(p.repeated, detail{under(path, name), "is given more than once"})
				continue
			}
			o.names, o.values[name] = append(o.names, name), v
		}
		_, err = p.dec.Token()
		return o, err
	}
	return t, nil
}

// under and at name a member of an object and an element of a list.
func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// loneSurrogate says whether a \u escape of a valid JSON text is half a character.
func loneSurrogate(b []byte) bool {
	unit := func(i int) (rune, bool) { // of the escape that begins at i
		if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if r, ok := unit(i); !ok {
			i++ // an escape of one character
		} else if !utf16.IsSurrogate(r) {
			i += 5
		} else if low, ok := unit(i + 6); !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return true
		} else {
			i += 11
		}
	}
	return false
}

// plain is a value of parseStrict as it is kept in a state: nil, bool, json.Number,
// string, []any and map[string]any.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case *object:
		m := make(map[string]any, len(v.names))
		for name, member := range v.values {
			m[name] = plain(member)
		}
		return m
	}
	return v
}
