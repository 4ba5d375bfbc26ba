package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"vitae/commands"
	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/jarvi"
)

const jarviPath = "/v1/public-api/rest/v2/profiles"

// maxJarvi is the largest body of a POST there: files are in it. The documentation says
// 4.5 MB, which leaves open what is counted.
const maxJarvi = 5 << 20

func (s *Server) jarviRoutes() []route {
	d := &dialect{name: ledger.Jarvi, problem: jarviProblem}
	out := []route{
		{method: "POST", path: jarviPath, scope: write, id: "jarviSaveProfile", summary: "Create or update a profile, as Jarvi does",
			run: s.postJarvi, request: "JarviPost", reply: "JarviSaved", status: http.StatusCreated, query: []string{"dryRun"}, fails: []int{404, 410, 412, 504, 507}},
		{method: "GET", path: jarviPath, scope: read, id: "jarviFindProfiles", summary: "Find profiles, as Jarvi does",
			run: s.getJarvi, reply: "JarviRows", query: []string{"where", "orderBy", "limit", "offset"}, fails: []int{400, 404, 410}},
	}
	for i := range out {
		out[i].dialect = d
	}
	return tagged("dialects", false, out)
}

// jarviProblem gives an error as a message that names everything that is wrong.
func jarviProblem(p *problem) (status int, body []byte) {
	message := p.detail
	if len(p.fields) > 0 {
		var parts []string
		for _, f := range p.fields {
			part := f.Message
			if name := jarvi.MemberOf(f.Pointer); name != "" {
				part = name + " " + part
			}
			parts = append(parts, part)
		}
		message = strings.Join(parts, "; ")
	}
	return p.status, jsonBody(map[string]string{"message": message})
}

// postJarvi creates a profile or changes one.
func (s *Server) postJarvi(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	b, err := bodyUpTo(w, r, false, maxJarvi)
	if err != nil {
		return err
	}
	in, err := jarvi.ParsePost(b)
	if err != nil {
		return err
	}
	var release func() // gives back the name that the request holds
	defer func() {
		if release != nil {
			release()
		}
	}()
	find := func() (*ledger.Profile, error) {
		p, err := s.jarviProfile(r, in)
		if err != nil || release != nil || in.ExternalID == "" {
			return p, err
		}
		if p != nil {
			if _, bound := p.Connections[ledger.Jarvi]; bound {
				return p, nil
			}
		}
		// Two requests at once would give one name to two profiles.
		if release, err = s.holdAccount(r.Context(), ledger.Jarvi, in.ExternalID); err != nil {
			return nil, err
		}
		return s.jarviProfile(r, in)
	}
	return s.onState(w, r, find, func(asked *http.Request, p *ledger.Profile) error {
		if p == nil || in.ID != nil || in.ExternalID != "" {
			// A request that made a profile is the same one when it comes again and finds it.
			x.profile = ledger.ProfileID{}
		}
		return s.jarviSubmit(w, asked, b, in, p)
	})
}

// jarviSubmit makes a request's edits of a profile's state and submits them; it makes the
// profile if p is nil.
func (s *Server) jarviSubmit(w http.ResponseWriter, r *http.Request, b []byte, in *jarvi.Inbound, p *ledger.Profile) error {
	var parts []ledger.Command
	var id ledger.ProfileID
	hashes := make([]ledger.Hash, len(in.Files))
	for i, f := range in.Files {
		hashes[i] = ledger.HashOf(f.Content)
	}
	edits := in.Edits(p, hashes)
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun { // the files are not kept
		edits = in.Edits(p, hashes[:0])
	}
	bound := false
	if p == nil {
		id = ledger.NewProfileID(s.now())
		cmd, err := commands.Create(id, edits.Patch)
		if err != nil {
			return err
		}
		parts, edits.Patch = append(parts, cmd), nil
	} else {
		id = p.ID
		_, bound = p.Connections[ledger.Jarvi]
	}
	cmd, err := s.commandOf(edits)
	if err != nil {
		return err
	}
	parts = append(parts, cmd)
	if in.ExternalID != "" && !bound && in.ExternalID != id.String() {
		bind, err := commands.Bind(ledger.Jarvi, jsonBody(map[string]string{"account": in.ExternalID}))
		if err != nil {
			return err
		}
		parts = append(parts, bind)
	}
	made := false
	put := !dryRun && len(in.Files) > 0
	if put {
		err = s.putAll(r.Context(), id, in.Files, hashes)
	}
	never := true // it is certain that the profile, which the files were for, does not come to be
	if err == nil {
		err = s.submit(w, r, id, b, commands.All(parts...), func(b []byte, reply ledger.Reply) ([]byte, int) {
			if reply.Profile.IsZero() {
				reply.Profile = id
			}
			made = reply.Profile == id
			if reply.Commit == (ledger.CommitID{}) {
				reply.Commit = ledger.NewCommitID(s.now()) // there was nothing to be done
			}
			b = append(b, `{"message":"Profile saved successfully","taskId":"`...)
			b = append(b, jarvi.UUID(reply.Commit)...)
			b = append(b, `","profileId":"`...)
			b = append(b, jarvi.UUID(reply.Profile)...)
			return append(b, `"}`...), http.StatusCreated
		})
		never = !made && wroteNothing(err)
	}
	if p == nil && put && never {
		if err := s.Vault.Destroy(context.WithoutCancel(r.Context()), id); err != nil {
			s.Log.Error("files of a profile that was not made are left", "request", exchangeOf(r).id, "error", err)
		}
	}
	return err
}

// wroteNothing says that an error, or that there is none, is certain to mean that a
// command was not committed under the id it was submitted for, unless its reply says so.
// What it does not know is in doubt.
func wroteNothing(err error) bool {
	if err == nil || errors.Is(err, ledger.ErrUnknown) {
		return err == nil
	}
	var refusal *ledger.Refusal
	var before *problem // what was wrong with the request was told before it was submitted
	if errors.As(err, &refusal) || errors.As(err, &before) {
		return true
	}
	return slices.ContainsFunc([]error{ledger.ErrIdemMismatch, ledger.ErrIdemBusy, ledger.ErrPrecondition, ledger.ErrCapacity},
		func(known error) bool { return errors.Is(err, known) })
}

// jarviProfile is the profile that a POST is about, opened; nil for one that is to be
// created, which only a key for all profiles may.
func (s *Server) jarviProfile(r *http.Request, in *jarvi.Inbound) (*ledger.Profile, error) {
	x := exchangeOf(r)
	all := x.key.ForAll()
	switch {
	case in.ID != nil:
		p, err := s.accountOf(r, ledger.Jarvi, in.ID.String())
		if err != nil {
			return nil, err
		}
		return p, s.sameJarvi(r, p, in.ExternalID)
	case in.ExternalID != "":
		p, err := s.accountOf(r, ledger.Jarvi, in.ExternalID)
		if _, isID := ledger.ParseProfileID(in.ExternalID); errors.Is(err, ledger.ErrNotFound) && all && isID != nil {
			return nil, nil
		}
		return p, err
	case all && r.Header.Get("X-Vitae-Profile") == "":
		return nil, nil
	}
	return s.accountOf(r, ledger.Jarvi, "")
}

// sameJarvi refuses an externalId that is not the profile's. One that nobody has becomes
// the account of a profile that has none.
func (s *Server) sameJarvi(r *http.Request, p *ledger.Profile, external string) error {
	if external == "" || external == p.ID.String() {
		return nil
	}
	settings, bound, err := sinks.SettingsOf(p, ledger.Jarvi)
	if err != nil || bound && cmp.Or(settings.Account, p.ID.String()) == external {
		return err
	}
	x := exchangeOf(r)
	if !bound && x.key.ForAll() {
		_, err := s.named(r, x, ledger.Jarvi, external)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ledger.Refuse("/externalId", ledger.CodeNotOneOf, "is not that of the profile that id names")
}

// putAll keeps files of a profile, which may be one that is about to be created. They are
// there already when a request comes again.
func (s *Server) putAll(ctx context.Context, profile ledger.ProfileID, files []jarvi.File, hashes []ledger.Hash) error {
	if err := s.Vault.Create(ctx, profile); err != nil {
		return err
	}
	for i, f := range files {
		kept, err := s.Vault.PutFile(ctx, profile, f.MediaType, bytes.NewReader(f.Content), maxJarvi)
		if err != nil {
			return err
		}
		if kept.Hash != hashes[i] {
			return errors.New("a file was kept under another name than its own")
		}
	}
	return nil
}

// jarviSchemas adds the components of the dialect.
func jarviSchemas(out object) {
	text := object{"type": "string"}
	out["JarviPost"] = object{"type": "object", "description": "The members of the Profiles page; custom fields by their uuids. null means absent."}
	out["JarviSaved"] = shape(object{"message": text, "taskId": object{"type": "string", "format": "uuid"}, "profileId": object{"type": "string", "format": "uuid"}}, "message", "taskId", "profileId")
	out["JarviRows"] = shape(object{"data": arrayOf(object{"type": "object"}), "total": object{"type": "integer"}}, "data", "total")
}
