package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// postpressPart is one part of a form.
type postpressPart struct {
	key  string
	file bool
	text string // of a part that is no file
	sum  string // SHA-256 of the content, in hex
	size int    // of the content, in bytes
}

// errNotAForm is for a body that is not said to be multipart/form-data.
var errNotAForm = errors.New("Content-Type must be multipart/form-data")

// postpressParts reads a form whole, in its order.
func postpressParts(h http.Header, body []byte) ([]postpressPart, error) {
	if len(h.Values("Content-Type")) != 1 {
		return nil, errNotAForm
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return nil, errNotAForm
	}
	if err != nil || params["boundary"] == "" {
		return nil, errors.New("Content-Type must have the boundary")
	}
	parts := []postpressPart{}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextRawPart()
		if err == io.EOF { // wrapped, it is for a form that ends without its last boundary
			return parts, nil
		}
		if err != nil {
			return nil, errors.New("the form is broken, or ends early")
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, errors.New("a part of the form is broken, or ends early")
		}
		disposition, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil || disposition != "form-data" || params["name"] == "" || !utf8.ValidString(params["name"]) {
			return nil, errors.New("a part has no name")
		}
		_, file := params["filename"]
		sum := sha256.Sum256(content)
		p := postpressPart{key: params["name"], file: file, sum: hex.EncodeToString(sum[:]), size: len(content)}
		if !file {
			if p.text = string(content); !utf8.Valid(content) {
				return nil, errors.New("a text must be UTF-8")
			}
		}
		parts = append(parts, p)
	}
}

// postpressDigest is the SHA-256 of what a form says, in hex: the boundary, which is
// another one in every request, is not part of it.
func postpressDigest(parts []postpressPart) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s %t %s\n", len(p.key), p.key, p.file, p.sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// postpressNode is what a form has under one key: values, or members in brackets.
type postpressNode struct {
	values  []postpressPart
	names   []string // of the members, in the order of the form
	members map[string]*postpressNode
}

func (n *postpressNode) member(name string) *postpressNode {
	if n.members[name] == nil {
		if n.members == nil {
			n.members = map[string]*postpressNode{}
		}
		n.names, n.members[name] = append(n.names, name), &postpressNode{}
	}
	return n.members[name]
}

var (
	postpressKey   = regexp.MustCompile(`^[A-Za-z_]+(\[[A-Za-z_]+\]){0,8}$`)
	postpressIndex = regexp.MustCompile(`\[[0-9]*\]`)
)

// postpressTree puts the parts under their keys.
func postpressTree(c *postpressFindings, parts []postpressPart) *postpressNode {
	root := &postpressNode{}
	for _, p := range parts {
		switch {
		case postpressIndex.MatchString(p.key):
			c.malform("invalid_parameters", p.key, "has an index: a list repeats the same key")
			continue
		case !postpressKey.MatchString(p.key):
			c.say(p.key, "is not a key")
			continue
		}
		n := root
		for name := range strings.SplitSeq(strings.ReplaceAll(p.key, "]", ""), "[") {
			n = n.member(name)
		}
		n.values = append(n.values, p)
	}
	return root
}

// postpressType reads what a form has under a key, and gives it as it is to be kept: as
// bool, json.Number, string, []any and map[string]any. What is wrong goes to the
// findings, and then the value means nothing.
type postpressType func(c *postpressFindings, path string, n *postpressNode) any

// postpressMember is one member of an object.
type postpressMember struct {
	read     postpressType
	required bool
}

type postpressMembers map[string]postpressMember

// postpressInner is the key of a member.
func postpressInner(path, name string) string {
	if path == "" {
		return name
	}
	return path + "[" + name + "]"
}

// object is an object with the members.
func (m postpressMembers) object(c *postpressFindings, path string, n *postpressNode) any {
	if len(n.values) > 0 {
		c.say(path, "must be an object")
	}
	kept := map[string]any{}
	for _, name := range n.names {
		member, known := m[name]
		if !known {
			c.say(postpressInner(path, name), "is not a key")
			continue
		}
		kept[name] = member.read(c, postpressInner(path, name), n.members[name])
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name].required && n.members[name] == nil {
			c.say(postpressInner(path, name), "is required")
		}
	}
	return kept
}

// leaf is the values of a key that has no members.
func (n *postpressNode) leaf(c *postpressFindings, path string) ([]postpressPart, bool) {
	if len(n.members) > 0 {
		c.say(path, "has no members")
		return nil, false
	}
	return n.values, true
}

// one is the only value of a key.
func (n *postpressNode) one(c *postpressFindings, path string) (postpressPart, bool) {
	values, ok := n.leaf(c, path)
	if ok && len(values) > 1 {
		c.say(path, "is given more than once")
	}
	if !ok || len(values) != 1 {
		return postpressPart{}, false
	}
	return values[0], true
}

// postpressOf is a key with one text, which read makes what is kept; message is for what
// is not.
func postpressOf(message string, read func(text string) (any, bool)) postpressType {
	return func(c *postpressFindings, path string, n *postpressNode) any {
		p, ok := n.one(c, path)
		if !ok {
			return nil
		}
		v, fits := read(p.text)
		if p.file {
			c.say(path, "must not be a file")
		} else if !fits {
			c.say(path, message)
		}
		return v
	}
}

var (
	postpressText  = postpressOf("", func(text string) (any, bool) { return text, true })
	postpressWords = postpressOf("must not be empty", func(text string) (any, bool) { return text, text != "" })
	postpressBool  = postpressOf("must be true or false", func(text string) (any, bool) { return text == "true", text == "true" || text == "false" })
	postpressReal  = postpressOf("must be a number", func(text string) (any, bool) {
		return json.Number(text), postpressNumber.MatchString(text)
	})
	postpressPostal = postpressOf("must be 5 characters", func(text string) (any, bool) { return text, codePoints(text) == 5 })

	postpressNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$`)
)

// postpressCount is a whole number from min to max.
func postpressCount(least, most int) postpressType {
	return postpressOf(fmt.Sprintf("must be a whole number from %d to %d", least, most), func(text string) (any, bool) {
		i, err := strconv.Atoi(text)
		return json.Number(strconv.Itoa(i)), err == nil && least <= i && i <= most
	})
}

// postpressOneOf is one of the texts.
func postpressOneOf(known ...string) postpressType {
	return postpressOf("must be one of "+strings.Join(known, ", "), func(text string) (any, bool) {
		for _, k := range known {
			if k == text {
				return text, true
			}
		}
		return nil, false
	})
}

// postpressList is a key that is repeated for each item.
func postpressList(item postpressType) postpressType {
	return func(c *postpressFindings, path string, n *postpressNode) any {
		values, ok := n.leaf(c, path)
		if !ok {
			return nil
		}
		list := []any{}
		for _, p := range values {
			list = append(list, item(c, path, &postpressNode{values: []postpressPart{p}}))
		}
		return list
	}
}

// postpressFile is a file, of which the digest and the size are kept.
func postpressFile(c *postpressFindings, path string, n *postpressNode) any {
	p, ok := n.one(c, path)
	switch {
	case !ok:
		return nil
	case !p.file:
		c.say(path, "must be a file")
	case p.size == 0:
		c.say(path, "is an empty file")
	}
	return map[string]any{"sha256": p.sum, "size": json.Number(strconv.Itoa(p.size))}
}

// postpressURL is the URL of a page.
func postpressURL(c *postpressFindings, path string, n *postpressNode) any {
	text, ok := postpressWords(c, path, n).(string)
	if u, err := url.Parse(text); ok && text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		c.malform("invalid_url", path, "must be the URL of a page, with http or https")
	}
	return text
}
