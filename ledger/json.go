package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// NodeKind is the type of a JSON value.
type NodeKind byte

// The kinds of a Node.
const (
	NodeNull NodeKind = iota
	NodeBool
	NodeNumber
	NodeString
	NodeArray
	NodeObject
)

// String names the kind as messages do.
func (k NodeKind) String() string {
	switch k {
	case NodeNull:
		return "null"
	case NodeBool:
		return "a boolean"
	case NodeNumber:
		return "a number"
	case NodeString:
		return "a text"
	case NodeArray:
		return "an array"
	case NodeObject:
		return "an object"
	}
	return "nothing"
}

// Node is one JSON value with everything that a map of Go values would lose: the order
// of members, the literal of a number, and the difference between null and absent.
// A Node is a plain value and is not changed once parsed.
type Node struct {
	Kind    NodeKind
	Bool    bool         // NodeBool
	Text    string       // NodeString: the text, valid UTF-8; NodeNumber: the literal as written
	Elems   []Node       // NodeArray
	Members []NodeMember // NodeObject, in the order written; names are unique
}

// NodeMember is one member of an object.
type NodeMember struct {
	Name string
	Node Node
}

// TextNode is a string as a Node.
func TextNode(s string) Node { return Node{Kind: NodeString, Text: s} }

// Member finds a member of an object by its exact name.
func (n Node) Member(name string) (Node, bool) {
	for i := range n.Members {
		if n.Members[i].Name == name {
			return n.Members[i].Node, true
		}
	}
	return Node{}, false
}

// Append appends the value as compact JSON: members in their order, texts with the
// least escaping, numbers as they were written.
func (n Node) Append(b []byte) []byte {
	switch n.Kind {
	case NodeBool:
		if n.Bool {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case NodeNumber:
		return append(b, n.Text...)
	case NodeString:
		return appendQuoted(b, n.Text)
	case NodeArray:
		b = append(b, '[')
		for i := range n.Elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = n.Elems[i].Append(b)
		}
		return append(b, ']')
	case NodeObject:
		b = append(b, '{')
		for i := range n.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, n.Members[i].Name)
			b = append(b, ':')
			b = n.Members[i].Node.Append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendQuoted appends a JSON string with the least escaping: quote, backslash and
// control characters only.
func appendQuoted(b []byte, s string) []byte {
	// The only error is invalid UTF-8, for which the replacement character is written;
	// texts come from ParseJSON, which refuses it.
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// MaxDepth is how deep arrays and objects of a request may nest.
const MaxDepth = 64

var errTooDeep = errors.New("too deep")

// ParseJSON reads one JSON value and nothing else. It refuses what two readers could
// understand differently: duplicate member names, invalid UTF-8, lone surrogates, data
// after the value, and nesting beyond MaxDepth. The error is a *Refusal with the place
// as pointer; it repeats member names (in the pointer) but never a value.
func ParseJSON(body []byte) (Node, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body)) // a Buffer is read in place
	n, err := parseNode(d, 0)
	if err == nil {
		if d.PeekKind() == jsontext.KindInvalid && len(bytes.TrimLeft(body[d.InputOffset():], " \t\r\n")) == 0 {
			return n, nil
		}
		return Node{}, Refuse("", CodeSyntax, "something follows the JSON value")
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, errTooDeep):
		return Node{}, Refuse(cleanPointer(d.StackPointer()), CodeSyntax, fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return Node{}, Refuse(cleanPointer(syntax.JSONPointer), CodeDuplicate, "the name occurs twice in one object")
	case errors.As(err, &syntax):
		return Node{}, Refuse(cleanPointer(syntax.JSONPointer), CodeSyntax,
			fmt.Sprintf("not valid JSON in UTF-8, at byte %d", syntax.ByteOffset))
	default: // the end of the body came too early
		return Node{}, Refuse("", CodeSyntax, fmt.Sprintf("not valid JSON, at byte %d", len(body)))
	}
}

// cleanPointer makes a pointer fit for a reply even where the fault is a name that is
// not valid UTF-8.
func cleanPointer(p jsontext.Pointer) string { return strings.ToValidUTF8(string(p), "\uFFFD") }

func parseNode(d *jsontext.Decoder, depth int) (Node, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return Node{}, err
	}
	switch tok.Kind() {
	case jsontext.KindTrue, jsontext.KindFalse:
		return Node{Kind: NodeBool, Bool: tok.Bool()}, nil
	case jsontext.KindNumber:
		return Node{Kind: NodeNumber, Text: tok.String()}, nil
	case jsontext.KindString:
		return Node{Kind: NodeString, Text: tok.String()}, nil
	case jsontext.KindBeginArray:
		if depth >= MaxDepth {
			return Node{}, errTooDeep
		}
		n := Node{Kind: NodeArray, Elems: []Node{}}
		for d.PeekKind() != jsontext.KindEndArray {
			e, err := parseNode(d, depth+1)
			if err != nil {
				return Node{}, err
			}
			n.Elems = append(n.Elems, e)
		}
		_, err := d.ReadToken()
		return n, err
	case jsontext.KindBeginObject:
		if depth >= MaxDepth {
			return Node{}, errTooDeep
		}
		n := Node{Kind: NodeObject, Members: []NodeMember{}}
		for d.PeekKind() != jsontext.KindEndObject {
			name, err := d.ReadToken()
			if err != nil {
				return Node{}, err
			}
			m := NodeMember{Name: name.String()} // before the next read: the token is only valid until then
			if m.Node, err = parseNode(d, depth+1); err != nil {
				return Node{}, err
			}
			n.Members = append(n.Members, m)
		}
		_, err := d.ReadToken()
		return n, err
	}
	return Node{}, nil // null
}

// PointerTo extends an RFC 6901 pointer by one member name or index.
func PointerTo(pointer, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	return pointer + "/" + name
}
