package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/linkedin"
)

// people is the path of a person and everything of it. A pattern of the mux cannot have
// the person's id inside a part of a path, so peoplePath reads it.
const people = "/v2/people/{rest...}"

func (s *Server) linkedInRoutes() []route {
	d := &dialect{name: ledger.LinkedIn, problem: linkedInProblem}
	out := []route{
		{method: "POST", path: people, scope: write, id: "linkedInEdit", summary: "Edit a profile, or create or edit an entry of a section, as LinkedIn's Profile Edit API does",
			run: s.postPeople, request: "LinkedInEdit", reply: "LinkedInDone", query: []string{"dryRun"}, fails: []int{404, 405, 410, 412, 504, 507}},
		{method: "DELETE", path: people, scope: write, id: "linkedInDelete", summary: "Delete an entry of a section, as LinkedIn's Profile Edit API does",
			run: s.deletePeople, reply: "LinkedInDone", query: []string{"dryRun"}, fails: []int{400, 404, 405, 409, 410, 412, 504, 507}},
		{method: "GET", path: people, scope: read, id: "linkedInGet", summary: "Read a profile as LinkedIn shows it",
			run: s.getPeople, reply: "LinkedInPerson", query: []string{"fields"}, fails: []int{304, 400, 404, 405, 410}},
		{method: "GET", path: "/v2/me", profile: true, scope: read, id: "linkedInMe", summary: "Read the key's profile as LinkedIn shows it",
			run: s.getMe, reply: "LinkedInPerson", query: []string{"fields"}, fails: []int{304}},
		{method: "POST", path: "/v2/assets", scope: write, id: "linkedInRegister", summary: "Register the upload of a picture",
			run: s.postAssets, request: "LinkedInRegister", reply: "LinkedInRegistered", query: []string{"action"}, fails: []int{404, 410}},
		{method: "PUT", path: "/mediaUpload/{rest...}", scope: write, id: "linkedInUpload", summary: "Upload a picture that was registered, up to 20 MiB",
			run: s.putMedia, request: "bytes", query: []string{"m"}, status: http.StatusCreated, fails: []int{400, 404, 410, 413, 507}},
		{method: "POST", path: "/mediaUpload/{rest...}", scope: write, id: "linkedInUploadPost", summary: "Upload a picture that was registered, up to 20 MiB",
			run: s.putMedia, request: "bytes", query: []string{"m"}, status: http.StatusCreated, fails: []int{400, 404, 410, 413, 507}},
	}
	for i := range out {
		out[i].dialect = d
	}
	return tagged("dialects", false, out)
}

// maxTold is how many wrong fields an error names, and maxPointer how much of a name.
const (
	maxTold    = 20
	maxPointer = 200
)

// linkedInProblem gives an error as {"message","serviceErrorCode","status"}. Wrong values
// are 422, a malformed body is 400.
func linkedInProblem(p *problem) (status int, body []byte) {
	status = p.status
	if p.code == "invalid_request" {
		status = http.StatusUnprocessableEntity
		if slices.ContainsFunc(p.fields, func(f ledger.FieldError) bool { return f.Code == ledger.CodeSyntax }) {
			status = http.StatusBadRequest
		}
	}
	message := p.detail
	for i, f := range p.fields {
		if i == maxTold {
			message += " And " + strconv.Itoa(len(p.fields)-i) + " more."
			break
		}
		at := f.Pointer
		if len(at) > maxPointer {
			at = strings.ToValidUTF8(at[:maxPointer], "") + "…"
		}
		if at == "" {
			at = "the body"
		}
		message += " " + at + " " + f.Message + "."
	}
	return status, jsonBody(struct {
		Message string `json:"message"`
		Code    int    `json:"serviceErrorCode"`
		Status  int    `json:"status"`
	}{message, status, status})
}

// peoplePath is what a path says: the person's id as it was given, the section and the
// entry, "" where there is none.
type peoplePath struct{ person, section, entry string }

// peopleOf reads the path of a person. The id stands as (id:ID), which is the form of the
// protocol 2.0.0 and needs its header, or as id=ID.
func peopleOf(r *http.Request) (p peoplePath, err error) {
	parts := strings.Split(r.PathValue("rest"), "/")
	bare, older := strings.CutPrefix(parts[0], "id=")
	key, ok := strings.CutPrefix(parts[0], "(id:")
	key, closed := strings.CutSuffix(key, ")")
	const none = "The path must name the person as (id:ID) or id=ID."
	switch {
	case older:
		p.person = bare
	case !ok || !closed:
		return p, fail(http.StatusBadRequest, "invalid_path", none)
	case r.Header.Get("X-RestLi-Protocol-Version") != "2.0.0":
		return p, fail(http.StatusBadRequest, "protocol_missing", "A path with (id:ID) needs the header X-RestLi-Protocol-Version: 2.0.0.")
	default:
		p.person = key
	}
	if p.person == "" {
		return p, fail(http.StatusBadRequest, "invalid_path", none)
	}
	if len(parts) > 3 {
		return p, ledger.ErrNotFound
	}
	if len(parts) > 1 {
		if p.section = parts[1]; !linkedin.IsSection(p.section) {
			return p, ledger.ErrNotFound
		}
	}
	if len(parts) > 2 {
		if p.entry = parts[2]; p.entry == "" {
			return p, ledger.ErrNotFound
		}
	}
	return p, nil
}

// meansMethod refuses a request whose X-RestLi-Method is another than the one that its
// path and HTTP method mean.
func meansMethod(r *http.Request, method string) error {
	if given := r.Header.Get("X-RestLi-Method"); given != "" && !strings.EqualFold(given, method) {
		return fail(http.StatusBadRequest, "method_differs", "X-RestLi-Method is not what the request is: "+method+".")
	}
	return nil
}

// wrongMethod answers a method that only other paths of a person take.
func wrongMethod(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return fail(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take the method. Allow lists those that it takes.")
}

func (s *Server) postPeople(w http.ResponseWriter, r *http.Request) error {
	at, err := peopleOf(r)
	if err != nil {
		return err
	}
	method := "PARTIAL_UPDATE"
	if at.section != "" && at.entry == "" {
		method = "CREATE"
	}
	if err := meansMethod(r, method); err != nil {
		return err
	}
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	return s.editPeople(w, r, at, b, func(p *ledger.Profile) (sinks.Edits, error) {
		switch {
		case at.section == "":
			return linkedin.ParsePatch(b, p, func(urn string) (string, error) { return s.assetFile(r.Context(), p.ID, urn) })
		case at.entry == "":
			return linkedin.ParseCreate(at.section, b, p)
		}
		return linkedin.ParseItemPatch(at.section, at.entry, b, p)
	})
}

func (s *Server) deletePeople(w http.ResponseWriter, r *http.Request) error {
	at, err := peopleOf(r)
	switch {
	case err != nil:
		return err
	case at.section == "":
		return wrongMethod(w, "GET, HEAD, OPTIONS, POST")
	case at.entry == "":
		return wrongMethod(w, "OPTIONS, POST")
	}
	if err := meansMethod(r, http.MethodDelete); err != nil {
		return err
	}
	return s.editPeople(w, r, at, nil, func(p *ledger.Profile) (sinks.Edits, error) {
		return linkedin.RemoveEntry(at.section, at.entry, p)
	})
}

// editPeople makes the edits that parse finds for the profile's present state.
func (s *Server) editPeople(w http.ResponseWriter, r *http.Request, at peoplePath, b []byte, parse func(*ledger.Profile) (sinks.Edits, error)) error {
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	find := func() (*ledger.Profile, error) { return s.accountOf(r, ledger.LinkedIn, at.person) }
	return s.onState(w, r, find, func(asked *http.Request, p *ledger.Profile) error {
		e, err := parse(p)
		if err != nil {
			return err
		}
		create := at.section != "" && at.entry == "" && len(e.Items) == 1
		id := ""
		if create {
			id = ledger.NewID(s.now())
			e.Items[0].Item = id
		}
		err = s.edit(w, asked, p.ID, b, e, func(out []byte, reply ledger.Reply) ([]byte, int) {
			if dryRun {
				return append(out, `{"success":true}`...), http.StatusOK
			}
			if !create {
				return append(out, `{}`...), http.StatusOK
			}
			if reply.Created != "" {
				id = reply.Created
			}
			ref := strconv.FormatInt(linkedin.ItemID(at.section, id), 10)
			h := w.Header()
			h.Set("X-Linkedin-Id", ref)
			h.Set("X-Restli-Id", ref)
			h.Set("Location", r.URL.EscapedPath()+"/"+ref)
			return append(append(append(out, `{"id":`...), ref...), '}'), http.StatusCreated
		})
		return linkedin.Told(at.section, at.entry != "" || at.section == "", err)
	})
}

func (s *Server) getPeople(w http.ResponseWriter, r *http.Request) error {
	at, err := peopleOf(r)
	switch {
	case err != nil:
		return err
	case at.entry != "":
		return wrongMethod(w, "DELETE, OPTIONS, POST")
	case at.section != "":
		return wrongMethod(w, "OPTIONS, POST")
	}
	if err := meansMethod(r, http.MethodGet); err != nil {
		return err
	}
	return s.showPerson(w, r, at.person)
}

func (s *Server) getMe(w http.ResponseWriter, r *http.Request) error { return s.showPerson(w, r, "") }

// showPerson answers with the profile of an account; ?fields= names the members wanted.
func (s *Server) showPerson(w http.ResponseWriter, r *http.Request, account string) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	text, err := one(q, "fields")
	if err != nil {
		return err
	}
	var names []string
	if text != "" {
		names = strings.Split(text, ",")
	}
	p, err := s.accountOf(r, ledger.LinkedIn, account)
	if err != nil {
		return err
	}
	b, err := linkedin.Person(p, names)
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	s.raw(w, r, http.StatusOK, b)
	return nil
}

// linkedInSchemas adds the components of the dialect.
func linkedInSchemas(out object) {
	text, number := object{"type": "string"}, object{"type": "integer"}
	out["LinkedInEdit"] = object{"type": "object", "description": `A patch, {"patch":{"$set":{...},"$delete":[...]}}; to create an entry of a section, the entry alone.`}
	out["LinkedInDone"] = shape(object{"id": number})
	out["LinkedInPerson"] = shape(object{"id": text}, "id")
	out["LinkedInRegister"] = shape(object{"registerUploadRequest": shape(object{"recipes": arrayOf(text), "owner": text, "serviceRelationships": arrayOf(object{"type": "object"})},
		"recipes", "owner")}, "registerUploadRequest")
	out["LinkedInRegistered"] = shape(object{"value": shape(object{"uploadMechanism": object{"type": "object"}, "mediaArtifact": text, "asset": text},
		"uploadMechanism", "mediaArtifact", "asset")}, "value")
}
