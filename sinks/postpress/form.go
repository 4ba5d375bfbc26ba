package postpress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// pair is one part of a form: a text, or the reference of a file.
type pair struct {
	name  string
	value string
	file  bool
}

// encode makes a body of pairs: an array of [name, text] and [name, {"file": reference}].
// Equal pairs have equal bytes.
func encode(pairs []pair) []byte {
	out := ledger.Node{Kind: ledger.NodeArray}
	for _, p := range pairs {
		v := ledger.TextNode(p.value)
		if p.file {
			v = ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "file", Node: v}}}
		}
		out.Elems = append(out.Elems, ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{ledger.TextNode(p.name), v}})
	}
	return out.Append(nil)
}

// decode reads a body of encode's; the error says that it is none.
func decode(body []byte) ([]pair, error) {
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeArray {
		return nil, fmt.Errorf("postpress: a body of our own: %w", ledger.ErrFormat)
	}
	var out []pair
	for _, e := range n.Elems {
		if len(e.Elems) != 2 || e.Elems[0].Kind != ledger.NodeString || !isName(e.Elems[0].Text) {
			return nil, fmt.Errorf("postpress: a part of a body: %w", ledger.ErrFormat)
		}
		p, v := pair{name: e.Elems[0].Text}, e.Elems[1]
		if v.Kind == ledger.NodeObject {
			v, _ = v.Member("file")
			p.file = true
		}
		if v.Kind != ledger.NodeString {
			return nil, fmt.Errorf("postpress: a part of a body: %w", ledger.ErrFormat)
		}
		p.value = v.Text
		out = append(out, p)
	}
	return out, nil
}

// isName says whether a name can stand in the head of a part as it is.
func isName(s string) bool {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '[' && r != ']'
	}
	return s != "" && !strings.ContainsFunc(s, bad)
}

// form is a request's body with its files opened.
type form struct {
	io.Reader
	size  int64
	files []sinks.File
	parts []*sinks.Whole // of the files
}

// broke says that a file was not what it was said to be: the form was never sent whole.
func (f *form) broke() bool { return slices.ContainsFunc(f.parts, (*sinks.Whole).Broke) }

// Close closes the files.
func (f *form) Close() error {
	for _, file := range f.files {
		_ = file.Close() // it was only read
	}
	return nil
}

// newForm puts pairs into multipart/form-data. open gives the file of a reference; its
// error is returned as it is, and nothing stays open. Files are not read yet.
func newForm(boundary string, pairs []pair, open func(reference string) (sinks.File, error)) (*form, error) {
	f, text := &form{}, &bytes.Buffer{}
	var readers []io.Reader
	flush := func() {
		f.size += int64(text.Len())
		readers = append(readers, bytes.NewReader(bytes.Clone(text.Bytes())))
		text.Reset()
	}
	for _, p := range pairs {
		text.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + p.name + "\"")
		if p.file {
			file, err := open(p.value)
			if err != nil {
				_ = f.Close()
				return nil, err
			}
			f.files = append(f.files, file)
			kind, extension := mediaType(file.MediaType)
			text.WriteString("; filename=\"file" + extension + "\"\r\nContent-Type: " + kind + "\r\n\r\n")
			flush()
			f.size += file.Size
			part := sinks.NewWhole(file)
			f.parts, readers = append(f.parts, part), append(readers, part)
		} else {
			text.WriteString("\r\n\r\n" + p.value)
		}
		text.WriteString("\r\n")
	}
	text.WriteString("--" + boundary + "--\r\n")
	flush()
	f.Reader = io.MultiReader(readers...)
	return f, nil
}

// mediaType gives the kinds of files that are sent by their own name; others are bytes.
func mediaType(kind string) (name, extension string) {
	switch kind {
	case "image/jpeg":
		return kind, ".jpg"
	case "image/png":
		return kind, ".png"
	case "image/gif":
		return kind, ".gif"
	case "image/webp":
		return kind, ".webp"
	case "application/pdf":
		return kind, ".pdf"
	}
	return "application/octet-stream", ".bin"
}

// keyOf makes the Idempotency-Key of a write. An add's depends on what is added, and on how
// often a person has asked for it, alone: a second delivery cannot add it again, and one
// that a person asks for anew is no second delivery. The key of any other write is its
// attempt's.
func keyOf(c sinks.Call) string {
	parts := []string{c.Account, c.Entity, c.Verb.String()}
	switch {
	case c.Verb != sinks.VerbCreate:
		parts = append(parts, c.Attempt.String())
	case c.Anew > 0:
		parts = append(parts, strconv.Itoa(c.Anew))
	}
	sum := sha256.New()
	for _, s := range append(parts, string(c.Body)) {
		// Lengths keep the parts apart. Writing to a hash does not fail.
		_, _ = io.WriteString(sum, strconv.Itoa(len(s))+":"+s)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
