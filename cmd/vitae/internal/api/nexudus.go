package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/nexudus"
)

// languagePage is the page of a profile in any language. As a pattern of the mux it would
// clash with everything else of two parts, so isLanguagePage stands in for it.
const languagePage = "/{lang}/profile"

// isLanguagePage says that a path is the page in a language of two letters.
func isLanguagePage(path string) bool {
	small := func(c byte) bool { return c >= 'a' && c <= 'z' }
	return len(path) == len("/en/profile") && path[0] == '/' && small(path[1]) && small(path[2]) && strings.HasSuffix(path, "/profile")
}

func (s *Server) nexudusRoutes() []route {
	d := &dialect{name: ledger.Nexudus, problem: nexudusProblem}
	out := []route{
		{method: "PATCH", path: "/api/public/coworker/profile", profile: true, scope: write, id: "nexudusPatchProfile", summary: "Update a profile, as a Nexudus members portal does",
			run: s.patchNexudus, request: "NexudusPatch", reply: "NexudusConfirmation", query: []string{"dryRun"}},
		{method: "GET", path: languagePage, profile: true, scope: read, id: "nexudusGetProfile", summary: "Read a profile for editing, as a Nexudus members portal does",
			run: s.getNexudus, reply: "NexudusProfile", query: []string{"_resource"}},
		{method: "GET", path: "/api/public/countries", open: true, id: "nexudusCountries", summary: "List the countries by the numbers that a profile names them by",
			run: s.nexudusCountries, reply: "NexudusCountries"},
	}
	for i := range out {
		out[i].dialect = d
	}
	return tagged("dialects", false, out)
}

// nexudusProblem gives an error as a confirmation of what was not done. What is wrong with
// a key is 401 there, whatever it is.
func nexudusProblem(p *problem) (status int, body []byte) {
	status = p.status
	if status == http.StatusForbidden {
		status = http.StatusUnauthorized
	}
	return status, jsonBody(nexudus.Failed(status, p.detail, p.fields))
}

// nexudusConfirmed is the answer to a PATCH that was done.
func nexudusConfirmed(b []byte, _ ledger.Reply) ([]byte, int) {
	return append(b, nexudus.Confirmed()...), http.StatusOK
}

func (s *Server) patchNexudus(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	find := func() (*ledger.Profile, error) { return s.accountOf(r, ledger.Nexudus, "") }
	return s.onState(w, r, find, func(asked *http.Request, p *ledger.Profile) error {
		in, err := nexudus.ParsePatch(b, p)
		if err != nil {
			return err
		}
		if in.Password == nil {
			return s.edit(w, asked, p.ID, b, in.Edits, nexudusConfirmed)
		}
		if err := s.takesPassword(r.Context(), p); err != nil {
			return err
		}
		if dryRun {
			return s.edit(w, asked, p.ID, b, in.Edits, nexudusConfirmed)
		}
		// Of the body only a keyed digest is kept, and of the password nothing. A request that
		// fails gives its idempotency key back; its edits are the same when they come again.
		return s.once(w, r, b, func() (int, any, error) {
			send, drop, err := s.Passwords.Take(r.Context(), p.ID)
			if err != nil {
				return 0, nil, err
			}
			defer drop()
			if err := s.editNow(asked, p.ID, in.Edits); err != nil {
				return 0, nil, err
			}
			send(in.Password.Open())
			return http.StatusOK, nexudus.Confirmed(), nil
		})
	})
}

// takesPassword refuses a change of the password where it cannot be passed on: we have
// none of our own.
func (s *Server) takesPassword(ctx context.Context, p *ledger.Profile) error {
	refuse := func(message string) error {
		refusal := &ledger.Refusal{}
		for _, name := range nexudus.PasswordFields() {
			refusal.Fields = append(refusal.Fields, ledger.FieldError{Pointer: "/" + name, Code: ledger.CodeUnknownField, Message: message})
		}
		return refusal
	}
	if s.Passwords == nil {
		return refuse("passwords are not passed on here: change it at the portal")
	}
	const none = "the profile has no running connection to a portal that the password could be passed to"
	if _, connected := p.Connections[ledger.Nexudus]; !connected {
		return refuse(none)
	}
	sink, err := s.Sinks.Sink(ctx, ledger.Nexudus)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && sink.State == sinks.Paused {
		return refuse(none)
	}
	if err != nil {
		return err
	}
	list, err := s.Sinks.Connections(ctx, p.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(c sinks.Connection) bool {
		return c.Provider == ledger.Nexudus && c.State != sinks.ConnectionPaused
	}) {
		return refuse(none)
	}
	return nil
}

// editNow makes edits as one commit, under no idempotency key: its caller holds one.
func (s *Server) editNow(r *http.Request, profile ledger.ProfileID, e sinks.Edits) error {
	cmd, err := s.commandOf(e)
	if err != nil {
		return err
	}
	req := ledger.Request{Profile: profile, Command: cmd}
	if req.Meta, err = meta(r); err != nil {
		return err
	}
	if req.IfSeq, err = ifMatch(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	_, err = s.Core.Submit(ctx, req)
	return err
}

func (s *Server) getNexudus(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	resource, err := one(q, "_resource")
	if err != nil {
		return err
	}
	if resource != "Coworker" {
		return ledger.Refuse("/_resource", ledger.CodeNotOneOf, "must be Coworker")
	}
	p, err := s.accountOf(r, ledger.Nexudus, "")
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	b, err := nexudus.AppendProfile(make([]byte, 0, 2048), p)
	if err != nil {
		return err
	}
	s.raw(w, r, http.StatusOK, b)
	return nil
}

func (s *Server) nexudusCountries(w http.ResponseWriter, r *http.Request) error {
	s.raw(w, r, http.StatusOK, nexudus.CountryList())
	return nil
}

// nexudusSchemas adds the components of the dialect.
func nexudusSchemas(out object) {
	text, flag := object{"type": "string"}, object{"type": "boolean"}
	out["NexudusPatch"] = object{"type": "object", "description": "The fields of the Update Profile page; what is absent stays."}
	out["NexudusProfile"] = object{"type": "object", "description": "Every field of the Update Profile page, and Id."}
	out["NexudusConfirmation"] = shape(object{"WasSuccessful": flag, "Value": object{}, "Status": object{"type": "integer"}, "Message": nullable(text),
		"Errors": nullable(arrayOf(shape(object{"AttemptedValue": object{}, "Message": text, "PropertyName": nullable(text)})))}, "WasSuccessful", "Value", "Status", "Message", "Errors")
	out["NexudusCountries"] = shape(object{"Countries": arrayOf(shape(object{"Id": object{"type": "integer"}, "Name": text, "TwoDigitsCode": text, "Culture": text},
		"Id", "Name", "TwoDigitsCode", "Culture"))}, "Countries")
}
