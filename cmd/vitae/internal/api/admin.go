package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// keyView is a key as it is shown; Key only when it is made.
type keyView struct {
	ID       string     `json:"id"`
	Key      string     `json:"key,omitempty"`
	Name     string     `json:"name"`
	Profile  string     `json:"profile"`
	Scopes   []string   `json:"scopes"`
	Created  time.Time  `json:"createdAt"`
	LastUsed *time.Time `json:"lastUsedAt"`
	Revoked  *time.Time `json:"revokedAt"`
}

func viewOfKey(k *keys.Key, text string) keyView {
	v := keyView{ID: k.ID, Key: text, Name: k.Name, Profile: "*", Scopes: k.Scopes.Names(), Created: k.Created}
	if !k.Profile.IsZero() {
		v.Profile = k.Profile.String()
	}
	if t := k.LastUsed(); !t.IsZero() {
		v.LastUsed = &t
	}
	if t := k.Revoked(); !t.IsZero() {
		v.Revoked = &t
	}
	return v
}

// postKey makes a key. The reply is the only time that it is shown.
func (s *Server) postKey(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	n, err := s.readKey(r, b)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		return s.send(w, r, http.StatusOK, map[string]any{"data": keyView{Name: n.Name, Profile: profileText(n.Profile), Scopes: n.Scopes.Names(), Created: s.now().UTC()}, "dryRun": true})
	}
	return s.onceAbout(w, r, n.Profile, b, func() (int, any, error) {
		k, text, err := s.Keys.Create(r.Context(), n)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, map[string]any{"data": viewOfKey(k, text)}, nil
	})
}

func profileText(id ledger.ProfileID) string {
	if id.IsZero() {
		return "*"
	}
	return id.String()
}

// readKey reads {"name", "profile": ID or "*", "scopes": [...]}, every mistake at once.
func (s *Server) readKey(r *http.Request, b []byte) (n keys.New, err error) {
	root, err := ledger.ParseJSON(b)
	if err != nil {
		return n, err
	}
	if root.Kind != ledger.NodeObject {
		return n, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object")
	}
	var wrong []ledger.FieldError
	refuse := func(pointer, code, message string) {
		wrong = append(wrong, ledger.FieldError{Pointer: pointer, Code: code, Message: message})
	}
	profile := ""
	for _, m := range root.Members {
		switch m.Name {
		case "name":
			if m.Node.Kind != ledger.NodeString {
				refuse("/name", ledger.CodeWrongType, "must be a text")
			} else if n.Name = m.Node.Text; ledger.Length(n.Name) > keys.MaxName {
				refuse("/name", ledger.CodeTooLong, "may have 200 characters at most")
			}
		case "profile":
			profile = m.Node.Text
			if m.Node.Kind != ledger.NodeString {
				refuse("/profile", ledger.CodeWrongType, "must be a profile's id or *")
			}
		case "scopes":
			if m.Node.Kind != ledger.NodeArray {
				refuse("/scopes", ledger.CodeWrongType, "must be a list of scopes")
			}
			for i, item := range m.Node.Elems {
				scope, ok := keys.ParseScope(item.Text)
				if item.Kind != ledger.NodeString || !ok {
					refuse(ledger.PointerTo("/scopes", strconv.Itoa(i)), ledger.CodeNotOneOf, "must be one of "+strings.Join(keys.All.Names(), ", "))
				}
				n.Scopes |= scope
			}
		default:
			// A member's name is the caller's and may be a secret in the wrong place: the
			// pointer says where it is, the message does not repeat it.
			refuse(ledger.PointerTo("", m.Name), ledger.CodeUnknownField, "there is no such member here")
		}
	}
	switch {
	case profile == "" && !slices.ContainsFunc(wrong, func(f ledger.FieldError) bool { return f.Pointer == "/profile" }):
		refuse("/profile", ledger.CodeRequired, "is required: a profile's id, or * for all")
	case profile != "" && profile != "*":
		if n.Profile, err = ledger.ParseProfileID(profile); err != nil {
			refuse("/profile", ledger.CodeFormat, "must be a profile's id or *")
		} else if _, err := s.present(r.Context(), &exchange{profile: n.Profile}); errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrErased) {
			refuse("/profile", ledger.CodeNotOneOf, "there is no such profile")
		} else if err != nil {
			return n, err
		}
	}
	if !slices.ContainsFunc(wrong, func(f ledger.FieldError) bool { return strings.HasPrefix(f.Pointer, "/scopes") }) {
		switch {
		case n.Scopes == 0:
			refuse("/scopes", ledger.CodeRequired, "a key needs at least one scope")
		case n.Scopes&keys.Admin != 0 && profile != "*" && profile != "":
			refuse("/scopes", ledger.CodeNotOneOf, "admin goes with profile * only")
		}
	}
	if wrong != nil {
		return n, &ledger.Refusal{Fields: wrong}
	}
	return n, nil
}

func (s *Server) getKeys(w http.ResponseWriter, r *http.Request) error {
	views := []keyView{}
	for _, k := range s.Keys.List() {
		views = append(views, viewOfKey(k, ""))
	}
	return s.send(w, r, http.StatusOK, list{Data: views})
}

func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request) error {
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		if !slices.ContainsFunc(s.Keys.List(), func(k *keys.Key) bool { return k.ID == r.PathValue("id") }) {
			return ledger.ErrNotFound
		}
		return s.wouldSucceed(w, r)
	}
	if err := s.Keys.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, success{Success: true})
}
