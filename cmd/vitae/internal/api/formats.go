package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vitae/cmd/vitae/internal/formats"
	"vitae/commands"
	"vitae/ledger"
)

// importPath is where files in other formats come in.
const importPath = "/v1/import"

func (s *Server) formatRoutes() []route {
	return tagged("formats", false, []route{
		{method: "GET", path: "/v1/resume/{id}/export", profile: true, audited: true, scope: read, id: "exportResume", summary: "Write a resume as JSON Resume, vCard 4 or a page to print",
			run: s.getExport, reply: "application/octet-stream", query: []string{"format", "at"}, fails: []int{404}},
		{method: "POST", path: importPath, profile: true, scope: write, id: "importFile", summary: "Bring in a JSON Resume, or the archive that LinkedIn gives; dryRun shows what would change",
			run: s.postImport, request: "bytes", reply: "Imported", query: []string{"dryRun", "view", "mode", "fields"}, fails: []int{404}},
	})
}

func formatSchemas(out object) {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	note := arrayOf(shape(object{"at": text, "why": text}, "at", "why"))
	out["Imported"] = shape(object{"success": flag, "updated": flag, "seq": number, "fields": arrayOf(text), "dryRun": flag,
		"changes": arrayOf(shape(object{"view": text, "field": nullable(text), "item": nullable(text), "op": text, "from": object{}, "to": object{}}, "view", "op")),
		"notKept": note, "refused": note}, "success", "updated", "seq", "fields", "changes", "notKept", "refused")
}

// resumeOf is a resume as package formats takes it.
func resumeOf(p *ledger.Profile, id string) (*formats.Resume, error) {
	re := p.Resumes[id]
	if re == nil {
		return nil, ledger.ErrNotFound
	}
	return formats.ReadResume(p.ID, id, p.UpdatedAt, p.AppendDocument(nil, id))
}

// getExport writes a resume in another format. The fields with a value that the format has
// no place for are named in X-Vitae-Not-Carried.
func (s *Server) getExport(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	format, err := one(q, "format")
	if err != nil {
		return err
	}
	p, err := s.state(w, r)
	if err != nil {
		return err
	}
	re, err := resumeOf(p, r.PathValue("id"))
	if err != nil {
		return err
	}
	var out []byte
	var lost []string
	var media, name string
	switch format {
	case "jsonresume":
		media, name = "application/json", "resume.json"
		out, lost, err = formats.JSONResume(re)
	case "vcard":
		media, name = "text/vcard; charset=utf-8", "contact.vcf"
		var picture *formats.Picture
		if picture, err = s.picture(r, p); err == nil {
			out, lost = formats.VCard(re, picture)
		}
	case "html":
		media, name = "text/html; charset=utf-8", "resume.html"
		out, lost, err = formats.HTML(re)
	default:
		err = fail(http.StatusBadRequest, "invalid_query", "format must be jsonresume, vcard or html.")
	}
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	if len(lost) > 0 {
		h.Set("X-Vitae-Not-Carried", strings.Join(lost, ", "))
	}
	w.WriteHeader(http.StatusOK)
	s.write(w, r, out)
	return nil
}

// maxCardPicture is how large a picture may be, in bytes, to go into a card: address books
// refuse larger ones.
const maxCardPicture = 1 << 20

// picture reads the profile's picture for a card; nil when there is none, or it is no image
// or too large for one.
func (s *Server) picture(r *http.Request, p *ledger.Profile) (_ *formats.Picture, err error) {
	var reference string
	if v := p.Scalar("picture"); v == nil || json.Unmarshal(v, &reference) != nil {
		return nil, nil
	}
	hash, err := ledger.ParseHash(strings.TrimPrefix(reference, "sha256:"))
	if err != nil {
		return nil, err
	}
	f, content, err := s.Vault.OpenFile(r.Context(), p.ID, hash)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if f.Size > maxCardPicture || !strings.HasPrefix(f.MediaType, "image/") {
		return nil, nil
	}
	b, err := io.ReadAll(content)
	return &formats.Picture{MediaType: f.MediaType, Content: b}, err
}

// importQuery is what a caller wants of a file.
type importQuery struct {
	view   string
	mode   formats.Mode
	fields []string
}

func importQueryOf(q url.Values) (out importQuery, err error) {
	text := map[string]string{}
	for _, name := range []string{"view", "mode", "fields"} {
		if text[name], err = one(q, name); err != nil {
			return out, err
		}
	}
	out.view, out.mode = ledger.Base, formats.Merge
	if text["view"] != "" {
		out.view = text["view"]
	}
	if text["mode"] != "" {
		out.mode = formats.Mode(text["mode"])
	}
	if out.mode != formats.Merge && out.mode != formats.Replace {
		return out, fail(http.StatusBadRequest, "invalid_query", "mode must be merge or replace.")
	}
	for name := range strings.SplitSeq(text["fields"], ",") {
		if name == "" {
			continue
		}
		if f, _, ok := ledger.Lookup(name); !ok || f.Hidden {
			return out, fail(http.StatusBadRequest, "invalid_query", "fields must be names of the catalogue with commas between them.")
		}
		out.fields = append(out.fields, name)
	}
	return out, nil
}

// postImport takes a file in another format as one ordinary commit. It is made of the state
// that the profile has; If-Match holds it to the state that a dry run showed.
func (s *Server) postImport(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	want, err := importQueryOf(q)
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	isJSON := media == "application/json"
	if !isJSON && media != "application/zip" && media != "application/octet-stream" && media != "application/x-zip-compressed" {
		return fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send a JSON Resume as application/json, or LinkedIn's archive as application/zip.")
	}
	limit := int64(maxUpload)
	if isJSON {
		limit = maxBody
	}
	file, err := readBody(w, r, limit)
	if err != nil {
		return err
	}
	isJSON = isJSON || media == "application/octet-stream" && bytes.HasPrefix(bytes.TrimLeft(file, " \t\r\n"), []byte("{"))
	find := func() (*ledger.Profile, error) { return s.present(r.Context(), exchangeOf(r)) }
	return s.onState(w, r, find, func(asked *http.Request, p *ledger.Profile) error {
		now, err := resumeOf(p, want.view)
		if err != nil {
			return err
		}
		var im *formats.Import
		if isJSON {
			im, err = formats.ReadJSONResume(file, now)
		} else {
			im, err = formats.ReadLinkedIn(file)
		}
		if err != nil {
			return err
		}
		shared, own, refused, err := im.Bodies(now, want.mode, want.fields)
		if err != nil {
			return err
		}
		cmd, err := importCommand(want.view, shared, own)
		if err != nil {
			return err
		}
		return s.submit(w, asked, exchangeOf(r).profile, file, cmd, func(b []byte, reply ledger.Reply) ([]byte, int) {
			b, status := edited(b, reply)
			more, err := json.Marshal(struct {
				Changes []change       `json:"changes"`
				NotKept []formats.Note `json:"notKept"`
				Refused []formats.Note `json:"refused"`
			}{changesOf(p, reply.Events), slices.Concat([]formats.Note{}, im.NotKept), slices.Concat([]formats.Note{}, refused)})
			if err != nil { // texts and JSON that was checked
				return b, status
			}
			return append(append(b[:len(b)-1], ','), more[1:]...), status
		})
	})
}

// importCommand makes one command of the two patches.
func importCommand(view string, shared, own []byte) (ledger.Command, error) {
	var parts []ledger.Command
	for _, p := range []struct {
		view string
		body []byte
	}{{ledger.Base, shared}, {view, own}} {
		if p.body == nil {
			continue
		}
		cmd, err := commands.Patch(p.view, p.body)
		if err != nil {
			return nil, err
		}
		parts = append(parts, cmd)
	}
	return commands.All(parts...), nil
}

// change is what one event changes, in values.
type change struct {
	View  string       `json:"view"`
	Field *string      `json:"field"`
	Item  *string      `json:"item"`
	Op    ledger.Op    `json:"op"`
	From  ledger.Value `json:"from"`
	To    ledger.Value `json:"to"`
}

// changesOf shows decided events beside the state that they were decided on. It is empty
// for a reply that was given before.
func changesOf(p *ledger.Profile, events []ledger.Event) []change {
	out := []change{}
	for i := range events {
		e := &events[i]
		c := change{View: e.View, Field: orNull(e.Field), Item: orNull(e.Item), Op: e.Op, To: e.Value}
		if e.Op == ledger.OpOrder {
			c.To, _ = json.Marshal(e.Order) // ids
			if l := p.Collection(e.View, e.Field); l != nil {
				c.From, _ = json.Marshal(l.Order)
			}
		} else {
			c.From = (&timeline{state: p}).previous(e).Value
		}
		out = append(out, c)
	}
	return out
}
