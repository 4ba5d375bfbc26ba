package api

import (
	"net/http"
	"slices"
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
	b, err := body(r, false)
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
		return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "data": keyView{Name: n.Name, Profile: profileText(n.Profile), Scopes: n.Scopes.Names()}})
	}
	return s.once(w, r, b, func() (int, any, error) {
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
					refuse(ledger.PointerTo("/scopes", itoa(i)), ledger.CodeNotOneOf, "must be one of "+strings.Join(keys.All.Names(), ", "))
				}
				n.Scopes |= scope
			}
		default:
			refuse(ledger.PointerTo("", m.Name), ledger.CodeUnknownField, "there is no such member here")
		}
	}
	switch {
	case profile == "" && !slices.ContainsFunc(wrong, func(f ledger.FieldError) bool { return f.Pointer == "/profile" }):
		refuse("/profile", ledger.CodeRequired, "is required: a profile's id, or * for all")
	case profile != "" && profile != "*":
		if n.Profile, err = ledger.ParseProfileID(profile); err != nil {
			refuse("/profile", ledger.CodeFormat, "must be a profile's id or *")
		} else if p, err := s.current(r.Context(), n.Profile); err != nil || p.Erased {
			refuse("/profile", ledger.CodeFormat, "there is no such profile")
		}
	}
	if n.Scopes == 0 && wrong == nil {
		refuse("/scopes", ledger.CodeRequired, "a key needs at least one scope")
	}
	if n.Scopes&keys.Admin != 0 && !n.Profile.IsZero() {
		refuse("/scopes", ledger.CodeNotOneOf, "admin goes with profile * only")
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
		return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "success": true})
	}
	if err := s.Keys.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, success{Success: true})
}
