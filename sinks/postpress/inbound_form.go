package postpress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"vitae/ledger"
)

// The limits of a form. Texts are held as long as all of a JSON body may be, files as long
// as an upload may be.
const (
	MaxTexts = 1 << 20  // bytes of all texts together, with the heads of all parts
	MaxFiles = 20 << 20 // bytes of all files together
	MaxForm  = MaxFiles + MaxTexts

	maxParts = 2000
	maxHead  = 4 << 10 // bytes of the head of one part
)

// The errors of ParseForm. What wraps them says where the fault is, and never a value.
var (
	ErrMalformed = errors.New("the form is malformed")
	ErrTooLarge  = errors.New("the form is too large")
)

// Part is one part of a form: a text or a file.
type Part struct {
	Name      string // in brackets, as it was sent
	File      bool
	Text      string // valid UTF-8, with line ends as LF; of a text
	MediaType string // as it was said, application/octet-stream when it was not; of a file
	Content   []byte // inside the body that was parsed; of a file
	Hash      ledger.Hash
}

// Reference is how a profile names the file.
func (p *Part) Reference() string { return "sha256:" + p.Hash.String() }

// Form is the body of an edit: its parts in the order in which they were sent.
type Form struct{ Parts []Part }

// ParseForm reads a body in multipart/form-data to its end. It is strict where two readers
// could see different forms: lines end in CRLF, every part has one Content-Disposition with
// one name, texts are UTF-8 and come as they are, and nothing stands before the first
// boundary or behind the last one. Contents are not copied: beyond the body, memory is
// bounded by the number of parts. The error wraps ErrMalformed or ErrTooLarge.
func ParseForm(body []byte, boundary string) (*Form, error) {
	if !isBoundary(boundary) {
		return nil, fmt.Errorf("%w: the boundary is not one", ErrMalformed)
	}
	open := []byte("--" + boundary)
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(body, []byte("\r\n")), open)
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with the boundary", ErrMalformed)
	}
	between := append([]byte("\r\n"), open...)
	f := &Form{}
	texts, files := 0, 0
	for {
		if end, ok := bytes.CutPrefix(rest, []byte("--")); ok {
			if len(end) > 0 && !bytes.Equal(end, []byte("\r\n")) {
				return nil, fmt.Errorf("%w: something follows the last boundary", ErrMalformed)
			}
			return f, nil
		}
		var line []byte
		if line, rest, ok = bytes.Cut(rest, []byte("\r\n")); !ok || len(bytes.Trim(line, " \t")) > 0 {
			return nil, fmt.Errorf("%w: a boundary does not end its line", ErrMalformed)
		}
		if len(f.Parts) >= maxParts {
			return nil, fmt.Errorf("%w: it has more than %d parts", ErrTooLarge, maxParts)
		}
		at := bytes.Index(rest, between)
		if at < 0 {
			return nil, fmt.Errorf("%w: it ends inside part %d", ErrMalformed, len(f.Parts)+1)
		}
		p, head, err := parsePart(rest[:at])
		if err != nil {
			return nil, fmt.Errorf("%w: part %d %s", err, len(f.Parts)+1, head)
		}
		rest = rest[at+len(between):]
		texts += at - len(p.Content)
		files += len(p.Content)
		if texts > MaxTexts {
			return nil, fmt.Errorf("%w: its texts have more than %d bytes", ErrTooLarge, MaxTexts)
		}
		if files > MaxFiles {
			return nil, fmt.Errorf("%w: its files have more than %d bytes", ErrTooLarge, MaxFiles)
		}
		f.Parts = append(f.Parts, p)
	}
}

// parsePart reads what is between two boundaries; with an error, why says what is wrong.
func parsePart(b []byte) (p Part, why string, err error) {
	head, content, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	switch {
	case !ok:
		return p, "has no end of its head", ErrMalformed
	case len(head) > maxHead:
		return p, "has too long a head", ErrTooLarge
	case !utf8.Valid(head):
		return p, "has a head that is not UTF-8", ErrMalformed
	}
	seen := map[string]string{}
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsFunc(line, isControl) {
			return p, "has a broken line in its head", ErrMalformed
		}
		if _, twice := seen[name]; twice {
			return p, "has a header twice", ErrMalformed
		}
		seen[name] = strings.TrimSpace(value)
	}
	name, file, ok := disposition(seen["content-disposition"])
	if !ok || name == "" {
		return p, "has no name, or more than one", ErrMalformed
	}
	p.Name, p.File = name, file
	switch strings.ToLower(seen["content-transfer-encoding"]) {
	case "", "7bit", "8bit", "binary":
	default:
		return p, "has a transfer encoding", ErrMalformed
	}
	if p.File {
		p.MediaType = "application/octet-stream"
		if t, _, err := mime.ParseMediaType(seen["content-type"]); err == nil && len(t) <= 127 && strings.Contains(t, "/") {
			p.MediaType = t
		}
		p.Content, p.Hash = content, ledger.HashOf(content)
		return p, "", nil
	}
	if t := seen["content-type"]; t != "" {
		kind, params, err := mime.ParseMediaType(t)
		if charset := params["charset"]; err != nil || kind != "text/plain" || charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
			return p, "is no text in UTF-8", ErrMalformed
		}
	}
	if len(content) > MaxTexts {
		return p, "has too long a text", ErrTooLarge
	}
	if !utf8.Valid(content) {
		return p, "is no text in UTF-8", ErrMalformed
	}
	p.Text = strings.ReplaceAll(string(content), "\r\n", "\n") // browsers send every line end as CRLF
	return p, "", nil
}

// disposition reads a Content-Disposition: the name, and whether there is a file name. Only
// these two parameters may be there, each once and as a quoted text or a token.
func disposition(value string) (name string, file, ok bool) {
	kind, rest, _ := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return "", false, false
	}
	named := false
	for more := true; more; {
		key, v, ok := strings.Cut(strings.TrimLeft(rest, " \t"), "=")
		if !ok {
			return "", false, false
		}
		var text string
		if text, rest, ok = parameter(v); !ok {
			return "", false, false
		}
		switch key = strings.ToLower(key); {
		case key == "name" && !named:
			name, named = text, true
		case key == "filename" && !file:
			file = true
		default:
			return "", false, false
		}
		rest = strings.TrimLeft(rest, " \t")
		rest, more = strings.CutPrefix(rest, ";")
	}
	return name, file, named && rest == ""
}

// parameter reads the value of a parameter, and gives what follows it. A backslash quotes
// what MIME calls special (RFC 2045, section 5.1); before anything else it stands for
// itself, because browsers send it so.
func parameter(s string) (text, rest string, ok bool) {
	quoted, isQuoted := strings.CutPrefix(s, `"`)
	if !isQuoted {
		end := strings.IndexAny(s, "; \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0 && !strings.ContainsAny(s[:end], `"\`)
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return b.String(), quoted[i+1:], true
		case c == '\\' && i+1 < len(quoted) && strings.IndexByte(`()<>@,;:\"/[]?=`, quoted[i+1]) >= 0:
			i++
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isBoundary says whether a text can be a boundary: 1 to 70 characters of RFC 2046.
func isBoundary(s string) bool {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("'()+_,-./:=? ", r)
	}
	return s != "" && len(s) <= 70 && s[len(s)-1] != ' ' && !strings.ContainsFunc(s, bad)
}

// Account is the account_id; "" when there is none, or not just one.
func (f *Form) Account() string {
	account := ""
	for _, p := range f.Parts {
		if p.Name == accountKey {
			if account != "" || p.File {
				return ""
			}
			account = p.Text
		}
	}
	return account
}

// Canonical is what the form says, in bytes that are the same whatever the boundary was.
// Files stand there by their hash.
func (f *Form) Canonical() []byte {
	var b []byte
	put := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for i := range f.Parts {
		p := &f.Parts[i]
		put(p.Name)
		if p.File {
			put("file")
			put(p.MediaType)
			put(p.Reference())
			continue
		}
		put("text")
		put(p.Text)
	}
	return b
}
