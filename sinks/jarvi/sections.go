package jarvi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"path"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// section is one of the lists of what is added once.
type section struct {
	name string // of the lane
	from string // the catalogue's
	list string // Jarvi's member for a file; "" for notes
}

var sections = []section{
	{"history", "jarvi.historyEntries", ""},
	{"resumes", "jarvi.resumesFiles", "resumesFiles"},
	{"files", "jarvi.files", "files"},
}

// notes are the members of a note: the item's, and Jarvi's.
var notes = [][2]string{{"subject", "historyEntrySubject"}, {"message", "historyEntryMessage"}, {"type", "historyEntryType"}}

func sectionOf(name string) (section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
	if i < 0 {
		return section{}, false
	}
	return sections[i], true
}

func sectionFrom(field string) (section, bool) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.from == field })
	if i < 0 {
		return section{}, false
	}
	return sections[i], true
}

// items gives the ids of a section's items in order.
func items(name string, p *ledger.Profile) ([]string, error) {
	s, ok := sectionOf(name)
	if !ok {
		return nil, fmt.Errorf("jarvi: no section %q: %w", name, ledger.ErrNotFound)
	}
	ids := []string{}
	for _, item := range p.Items(ledger.Shared, s.from) {
		ids = append(ids, item.ID)
	}
	return ids, nil
}

// build makes the body of one item: the person's externalId and the item, nothing else.
func (s section) build(p *ledger.Profile, account, id string) (sinks.Payload, error) {
	all := p.Items(ledger.Shared, s.from)
	i := slices.IndexFunc(all, func(item ledger.Item) bool { return item.ID == id })
	if i < 0 {
		return sinks.Payload{Mapping: Mapping, Absent: true}, nil
	}
	item, err := ledger.ParseJSON(all[i].Value)
	if err != nil || item.Kind != ledger.NodeObject {
		return sinks.Payload{}, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
	}
	out := object(member(externalID, ledger.TextNode(account)))
	if s.list == "" {
		for _, name := range notes {
			if v, ok := item.Member(name[0]); ok && v.Kind == ledger.NodeString {
				out.Members = append(out.Members, member(name[1], v))
			}
		}
		if len(out.Members) == 1 {
			return sinks.Payload{}, &sinks.Unsendable{Why: "an entry of jarvi.historyEntries has nothing in it"}
		}
	} else {
		name, _ := item.Member("fileName")
		file, _ := item.Member("file")
		if name.Kind != ledger.NodeString || file.Kind != ledger.NodeString {
			return sinks.Payload{}, fmt.Errorf("%s: %w", s.from, ledger.ErrFormat)
		}
		one := object(member("fileName", name), member("file", file))
		out.Members = append(out.Members, member(s.list, ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{one}}))
	}
	body := out.Append(nil)
	return sinks.Payload{Body: body, Echo: body, Mapping: Mapping}, nil
}

// mostBytes is how long a request to Jarvi may be, in bytes: 4.5 MB.
const mostBytes = 4_500_000

// attach puts the bytes of the file in the place of its reference. early is set when that
// cannot be done; nothing was sent then.
func (s section) attach(ctx context.Context, c sinks.Call, n ledger.Node) (request ledger.Node, early *sinks.Outcome) {
	refuse := func(v sinks.Verdict, kind, why string) (ledger.Node, *sinks.Outcome) {
		out := sinks.Unsent(v, kind, why)
		return ledger.Node{}, &out
	}
	all, _ := n.Member(s.list)
	if len(all.Elems) != 1 || c.File == nil {
		return refuse(sinks.Refused, "bad_call", "the body does not name one file")
	}
	name, _ := all.Elems[0].Member("fileName")
	reference, _ := all.Elems[0].Member("file")
	file, err := c.File(ctx, reference.Text)
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased):
		return refuse(sinks.Refused, "no_file", "the file is not there")
	case err != nil:
		return refuse(sinks.NotSent, "no_file", "the file could not be opened")
	}
	defer func() { _ = file.Close() }() // it was only read
	const tooLarge = "the file is too large for Jarvi: a request has 4.5 MB at most, and a file becomes a third longer in it"
	if base64.StdEncoding.EncodedLen(int(min(file.Size, mostBytes))) > mostBytes {
		return refuse(sinks.Refused, "too_large", tooLarge)
	}
	b, err := io.ReadAll(io.LimitReader(file, mostBytes))
	if err != nil {
		return refuse(sinks.NotSent, "no_file", "the file could not be read")
	}
	data := "data:@file/" + subtype(file.MediaType, name.Text) + ";base64," + base64.StdEncoding.EncodeToString(b)
	id, _ := n.Member(externalID)
	one := object(member("fileName", name), member("data", ledger.TextNode(data)))
	request = object(member(externalID, id), member(s.list, ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{one}}))
	if len(data)+len(name.Text)+len(id.Text) > mostBytes || len(request.Append(nil)) > mostBytes {
		return refuse(sinks.Refused, "too_large", tooLarge)
	}
	if int64(len(b)) != file.Size {
		out := sinks.FileBroke()
		return ledger.Node{}, &out
	}
	return request, nil
}

// subtypes are the second halves of media types by the ending of a name, for a file whose
// type is not known.
var subtypes = map[string]string{".pdf": "pdf", ".doc": "msword", ".docx": "vnd.openxmlformats-officedocument.wordprocessingml.document", ".rtf": "rtf", ".txt": "plain",
	".odt": "vnd.oasis.opendocument.text", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".html": "html"}

// subtype is the second half of a file's media type, or what the name says.
func subtype(media, name string) string {
	const unknown = "octet-stream"
	kind, _, err := mime.ParseMediaType(media)
	_, half, ok := strings.Cut(kind, "/")
	if err == nil && ok && half != "" && half != unknown {
		return half
	}
	if half, ok := subtypes[strings.ToLower(path.Ext(name))]; ok {
		return half
	}
	return unknown
}
