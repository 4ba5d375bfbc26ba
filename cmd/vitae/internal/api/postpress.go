package api

import (
	"bytes"
	"errors"
	"maps"
	"mime"
	"net/http"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/postpress"
)

// postPress is PostPress's dialect: its Edit own profile, and the two reads.
var postPress = &dialect{name: ledger.PostPress, problem: postPressProblem}

func (s *Server) postPressRoutes() []route {
	var out []route
	for _, at := range []struct{ path, id string }{{"/api/v1/users", "Api"}, {"/v1/users", ""}} {
		out = append(out,
			route{method: "PATCH", path: at.path + "/me/edit", scope: write, id: "postPress" + at.id + "Edit", summary: "Edit the account owner's profile, as at PostPress",
				run: s.postPressEdit, request: "form:PostPressEdit", reply: "PostPressEdited", fails: []int{404, 504}},
			route{method: "GET", path: at.path + "/me", scope: read, id: "postPress" + at.id + "Me", summary: "Read the account owner's profile, as at PostPress",
				run: s.postPressMe, reply: "PostPressOwner", query: []string{"account_id"}, fails: []int{400, 404}},
			route{method: "GET", path: at.path + "/{identifier}", scope: read, id: "postPress" + at.id + "User", summary: "Read a profile with its sections, as at PostPress",
				run: s.postPressUser, reply: "PostPressUser", query: []string{"account_id", "linkedin_sections"}, fails: []int{400, 404}})
	}
	for i := range out {
		out[i].dialect = postPress
	}
	return tagged("dialects", false, out)
}

// postPressEdit takes a form. Files are stored before the edit is committed: a refusal can
// leave a file behind that nothing names, and nothing else.
func (s *Server) postPressEdit(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	form, done, err := s.readForm(w, r)
	if err != nil {
		return err
	}
	defer done()
	account := form.Account()
	if account == "" {
		_, err := postpress.Inbound(form, nil) // it says so, and all else that is wrong
		return err
	}
	find := func() (*ledger.Profile, error) { return s.accountOf(r, ledger.PostPress, account) }
	return s.onState(w, r, find, func(asked *http.Request, p *ledger.Profile) error {
		x.profile = p.ID
		return s.postPressSubmit(w, asked, form, p)
	})
}

// postPressSubmit makes a form's edits of a profile's state and submits them.
func (s *Server) postPressSubmit(w http.ResponseWriter, r *http.Request, form *postpress.Form, p *ledger.Profile) error {
	e, err := postpress.Inbound(form, p)
	if err := s.refusedForm(e, err); err != nil {
		return noEntry(err, e, p)
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun && hasFiles(form) {
		// The command cannot be decided without the files, and they are not stored now.
		if refused := s.whichRefuses(e, p); refused != nil {
			return refused
		}
		s.raw(w, r, http.StatusOK, []byte(`{"object":"ProfileEdited","dryRun":true}`))
		return nil
	}
	for i := range form.Parts {
		if part := &form.Parts[i]; part.File && !dryRun {
			if _, err := s.Vault.PutFile(r.Context(), p.ID, part.MediaType, bytes.NewReader(part.Content), maxUpload); err != nil {
				return err
			}
		}
	}
	err = s.edit(w, r, p.ID, form.Canonical(), e, func(b []byte, _ ledger.Reply) ([]byte, int) {
		return append(b, `{"object":"ProfileEdited"}`...), http.StatusOK
	})
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) {
		if refused := s.whichRefuses(e, p); refused != nil {
			return refused
		}
		return &ledger.Refusal{Fields: inForm("", refusal.Fields)} // the state has changed again
	}
	return noEntry(err, e, p)
}

// noEntry says which entry is not there, where an error means that one is not.
func noEntry(err error, e sinks.Edits, p *ledger.Profile) error {
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	for _, it := range e.Items {
		if it.Op != sinks.PatchItem {
			continue
		}
		name := postpress.NameOf(it.Field, "/id")
		if !ledger.IsPlain(it.Item) || len(it.Item) > ledger.MaxID {
			return fail(http.StatusNotFound, "invalid_identifier", name+" is not the id of an entry.")
		}
		if c := p.Collection(ledger.Base, it.Field); name != "" && (c == nil || c.Items[it.Item].Seq == 0) {
			return fail(http.StatusNotFound, "not_found", name+" names no entry of the profile.")
		}
	}
	return err
}

func hasFiles(f *postpress.Form) bool {
	for i := range f.Parts {
		if f.Parts[i].File {
			return true
		}
	}
	return false
}

// refusedForm gives everything that is wrong with a form, whatever the state is: what the
// dialect says in err, and what the commands say of the rest.
func (s *Server) refusedForm(e sinks.Edits, err error) error {
	var refusal *ledger.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	var wrong []ledger.FieldError
	if refusal != nil {
		wrong = refusal.Fields
	}
	more, err := s.eachEdit(e, func(ledger.Command) error { return nil })
	if err != nil {
		return err
	}
	if wrong = append(wrong, more...); len(wrong) > 0 {
		return &ledger.Refusal{Fields: wrong}
	}
	return nil
}

// whichRefuses finds the fields, in the form's names, for which the state refuses the
// edits; nil when it does not.
func (s *Server) whichRefuses(e sinks.Edits, p *ledger.Profile) error {
	env := ledger.Env{Now: s.now(), NewID: func() string { return ledger.NewID(s.now()) }}
	wrong, err := s.eachEdit(e, func(cmd ledger.Command) error {
		_, err := cmd.Decide(p, env)
		return err
	})
	if err == nil && len(wrong) > 0 {
		err = &ledger.Refusal{Fields: wrong}
	}
	return err
}

// eachEdit makes a command of every edit alone and does something with it, and gathers the
// refusals in the form's names.
func (s *Server) eachEdit(e sinks.Edits, do func(ledger.Command) error) (wrong []ledger.FieldError, err error) {
	one := func(collection string, e sinks.Edits) error {
		cmd, err := s.commandOf(e)
		if err == nil {
			err = do(cmd)
		}
		var refusal *ledger.Refusal
		if errors.As(err, &refusal) {
			wrong = append(wrong, inForm(collection, refusal.Fields)...)
			return nil
		}
		return err
	}
	if e.Patch != nil {
		if err := one("", sinks.Edits{Patch: e.Patch}); err != nil {
			return nil, err
		}
	}
	for _, it := range e.Items {
		if err := one(it.Field, sinks.Edits{Items: []sinks.ItemEdit{it}}); err != nil {
			return nil, err
		}
	}
	return wrong, nil
}

// inForm gives faults the names that their fields have in a form.
func inForm(collection string, fields []ledger.FieldError) []ledger.FieldError {
	out := make([]ledger.FieldError, len(fields))
	for i, f := range fields {
		out[i] = ledger.FieldError{Pointer: postpress.NameOf(collection, f.Pointer), Code: f.Code, Message: f.Message}
	}
	return out
}

// readForm reads the body of a request as a form; done is called when it is not used any
// more.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (form *postpress.Form, done func(), err error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the form as multipart/form-data with a boundary.")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, nil, fail(http.StatusUnsupportedMediaType, "unsupported_encoding", "The body must not be compressed.")
	}
	if r.ContentLength > postpress.MaxForm {
		w.Header().Set("Connection", "close") // the rest is not read
		return nil, nil, errFormTooLarge
	}
	body, done, err := s.forms.read(w, r)
	if err != nil {
		return nil, nil, err
	}
	form, err = postpress.ParseForm(body, params["boundary"])
	switch {
	case err == nil:
		return form, done, nil
	case errors.Is(err, postpress.ErrTooLarge):
		err = fail(http.StatusRequestEntityTooLarge, "content_too_large", sentence(err))
	default:
		err = fail(http.StatusBadRequest, "invalid_multipart", sentence(err))
	}
	done()
	return nil, nil, err
}

// sentence makes an error's words, which begin with a small letter, a sentence.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// postPressRead is the profile that a read is about.
func (s *Server) postPressRead(r *http.Request) (*ledger.Profile, error) {
	q, err := query(r)
	if err != nil {
		return nil, err
	}
	account, err := one(q, "account_id")
	if err != nil {
		return nil, err
	}
	if account == "" {
		return nil, fail(http.StatusBadRequest, "invalid_query", "account_id is required in the query.")
	}
	return s.accountOf(r, ledger.PostPress, account)
}

func (s *Server) postPressMe(w http.ResponseWriter, r *http.Request) error {
	p, err := s.postPressRead(r)
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	s.raw(w, r, http.StatusOK, postpress.Owner(p))
	return nil
}

func (s *Server) postPressUser(w http.ResponseWriter, r *http.Request) error {
	identifier := r.PathValue("identifier")
	if len(identifier) > 200 || !ledger.IsPlain(identifier) {
		return fail(http.StatusNotFound, "invalid_identifier", "The provided identifier is not valid.")
	}
	q, err := query(r)
	if err != nil {
		return err
	}
	sections, ok := postpress.SectionsOf(q["linkedin_sections"])
	if !ok {
		return fail(http.StatusBadRequest, "invalid_query", "linkedin_sections has a name that is not a section.")
	}
	p, err := s.postPressRead(r)
	if err != nil {
		return err
	}
	if !postpress.Is(p, identifier) {
		return ledger.ErrNotFound
	}
	if fresh(w, r, etag(p.Seq)) {
		return nil
	}
	s.raw(w, r, http.StatusOK, postpress.User(p, sections))
	return nil
}

// postPressError is an error in PostPress's form.
type postPressError struct {
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Type   string `json:"type"`
	Status int    `json:"status"`
}

// postPressTypes are PostPress's words for our errors, and its status where it has another
// one.
var postPressTypes = map[string]struct {
	name   string
	status int // 0 is ours
}{
	"key_missing":               {"missing_credentials", 0},
	"key_invalid":               {"missing_credentials", 0},
	"scope_missing":             {"insufficient_privileges", http.StatusUnauthorized},
	"key_of_one_profile":        {"insufficient_privileges", http.StatusUnauthorized},
	"foreign_profile":           {"resource_access_restricted", 0},
	"quota_exceeded":            {"too_many_requests", 0},
	"not_found":                 {"resource_not_found", 0},
	"erased":                    {"resource_not_found", http.StatusNotFound},
	"invalid_identifier":        {"invalid_resource_identifier", 0},
	"invalid_request":           {"unprocessable_entity", http.StatusUnprocessableEntity},
	"idempotency_key_reused":    {"unprocessable_entity", 0},
	"exists":                    {"unprocessable_entity", http.StatusUnprocessableEntity},
	"not_allowed":               {"unprocessable_entity", http.StatusUnprocessableEntity},
	"content_too_large":         {"content_too_large", 0},
	"invalid_multipart":         {"malformed_request", 0},
	"body_unreadable":           {"malformed_request", 0},
	"unsupported_media_type":    {"malformed_request", 0},
	"unsupported_encoding":      {"malformed_request", 0},
	"idempotency_key_in_flight": {"service_unavailable", 0},
	"conflict":                  {"service_unavailable", http.StatusServiceUnavailable},
	"no_capacity":               {"service_unavailable", http.StatusServiceUnavailable},
	"unavailable":               {"service_unavailable", 0},
	"outcome_unknown":           {"request_timeout", 0},
}

// postPressProblem gives an error in PostPress's form. Wrong fields are named in the
// detail, each with what is wrong.
func postPressProblem(p *problem) (int, []byte) {
	e := postPressError{Detail: p.detail, Status: p.status}
	known, ok := postPressTypes[p.code]
	switch {
	case ok && known.status != 0:
		e.Status = known.status
	case !ok && p.status >= http.StatusInternalServerError:
		known.name = "unexpected_error"
	case !ok:
		known.name = "invalid_parameters"
	}
	if len(p.fields) > 0 {
		var list []string
		for _, f := range p.fields {
			list = append(list, strings.TrimPrefix(f.Pointer+" "+f.Message, " "))
		}
		e.Detail = strings.Join(list, "; ")
	}
	e.Type = "errors/" + known.name
	title := strings.ReplaceAll(known.name, "_", " ")
	e.Title = strings.ToUpper(title[:1]) + title[1:]
	return e.Status, jsonBody(e)
}

// postPressSchemas adds the components of the dialect.
func postPressSchemas(out object) {
	text, flag := object{"type": "string"}, object{"type": "boolean"}
	properties := object{"type": object{"const": "LINKEDIN"}, "account_id": object{"type": "string", "minLength": 1}}
	for name, kind := range postpress.FormFields() {
		switch kind {
		case ledger.KindFile:
			properties[name] = object{"type": "string", "contentMediaType": "application/octet-stream"}
		case ledger.KindTexts:
			properties[name] = arrayOf(text)
		case ledger.KindAny:
			properties[name] = object{"type": "object"}
		default:
			properties[name] = kindSchema(kind, 0, 0, nil, nil)
		}
	}
	edit := shape(properties, "type", "account_id")
	edit["description"] = "Members are named in brackets; a list repeats one name."
	out["PostPressEdit"] = edit
	out["PostPressEdited"] = shape(object{"object": object{"const": "ProfileEdited"}}, "object")
	person := object{"object": text, "provider": text, "provider_id": text, "public_identifier": text, "public_profile_url": text, "profile_picture_url": text,
		"first_name": text, "last_name": text, "headline": text, "location": text}
	owner := maps.Clone(person)
	maps.Copy(owner, object{"entity_urn": text, "object_urn": text, "email": text, "premium": flag, "open_profile": flag, "occupation": text,
		"organizations": arrayOf(object{"type": "object"}), "recruiter": object{}, "sales_navigator": object{}})
	out["PostPressOwner"] = shape(owner, "object", "provider", "provider_id")
	maps.Copy(person, object{"summary": text, "websites": arrayOf(text), "contact_info": object{"type": "object"}, "birthdate": object{"type": "object"},
		"experience": arrayOf(object{"type": "object"}), "education": arrayOf(object{"type": "object"}), "skills": arrayOf(object{"type": "object"})})
	out["PostPressUser"] = shape(person, "object", "provider", "provider_id")
}
