package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"vitae/cmd/vitae/internal/keys"
	"vitae/commands"
	"vitae/ledger"
	"vitae/sinks"
)

func itoa(n int) string { return strconv.Itoa(n) }

// credentialName is where the vault keeps the credential of a connection.
func credentialName(provider string) string { return "credential." + provider }

// maxCredential bounds a credential, in bytes.
const maxCredential = 16 << 10

// mayConnect lets a key with operate through, and the profile's own key that may write.
func mayConnect(x *exchange) error {
	if x.key.IsAdmin() || x.key.Has(keys.Operate) || !x.key.ForAll() {
		return nil
	}
	return fail(http.StatusForbidden, "scope_missing", "The key does not have the scope for this: operate.")
}

// putConnection binds a profile to its account at a provider. The credential is sealed
// and durable before the event says that the connection is there.
func (s *Server) putConnection(w http.ResponseWriter, r *http.Request) error {
	x, provider := exchangeOf(r), r.PathValue("provider")
	if err := mayConnect(x); err != nil {
		return err
	}
	b, err := body(r, false)
	if err != nil {
		return err
	}
	rest, credential, err := splitCredential(b)
	if err != nil {
		return err
	}
	cmd, err := commands.Bind(provider, rest)
	if err != nil {
		return err
	}
	p, err := s.present(r)
	if err != nil {
		return err
	}
	if _, bound := p.Connections[provider]; !bound && credential == nil {
		return ledger.Refuse("/credential", ledger.CodeRequired, "a new connection needs its credential")
	}
	cmd.Rotate = credential != nil
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if credential != nil && !dryRun {
		if err := s.Vault.PutSecret(r.Context(), x.profile, credentialName(provider), credential); err != nil {
			return err
		}
	}
	return s.submit(w, r, nil, cmd, func(reply ledger.Reply) (int, any) {
		return http.StatusOK, changed{Success: true, Updated: reply.Changed, Seq: reply.Seq, Fields: shownFields(reply.Fields)}
	})
}

// splitCredential takes the credential out of a connection's body: it goes to the vault,
// and never near an event.
func splitCredential(b []byte) (rest, credential []byte, err error) {
	root, err := ledger.ParseJSON(b)
	if err != nil {
		return nil, nil, err
	}
	kept := ledger.Node{Kind: root.Kind}
	for _, m := range root.Members {
		if m.Name != "credential" {
			kept.Members = append(kept.Members, m)
			continue
		}
		switch {
		case m.Node.Kind != ledger.NodeString:
			return nil, nil, ledger.Refuse("/credential", ledger.CodeWrongType, "must be a text")
		case m.Node.Text == "":
			return nil, nil, ledger.Refuse("/credential", ledger.CodeEmpty, "must not be empty")
		case len(m.Node.Text) > maxCredential:
			return nil, nil, ledger.Refuse("/credential", ledger.CodeTooLong, "may have 16 KiB at most")
		}
		credential = []byte(m.Node.Text)
	}
	if root.Kind != ledger.NodeObject {
		return nil, nil, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object")
	}
	return kept.Append(nil), credential, nil
}

func (s *Server) deleteConnection(w http.ResponseWriter, r *http.Request) error {
	x, provider := exchangeOf(r), r.PathValue("provider")
	if err := mayConnect(x); err != nil {
		return err
	}
	cmd, err := commands.Unbind(provider)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	return s.submit(w, r, nil, cmd, func(reply ledger.Reply) (int, any) {
		if !dryRun {
			// The connection is gone; its credential must not outlive it.
			if err := s.Vault.DeleteSecret(context.WithoutCancel(r.Context()), x.profile, credentialName(provider)); err != nil {
				s.Log.Error("the credential of a removed connection is still in the vault", "provider", provider, "request", x.id, "error", err)
			}
		}
		return renderSuccess(reply)
	})
}

func (s *Server) getConnections(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.present(r); err != nil {
		return err
	}
	all, err := s.Sinks.Connections(r.Context(), exchangeOf(r).profile)
	if err != nil {
		return err
	}
	if all == nil {
		all = []sinks.Connection{}
	}
	return s.send(w, r, http.StatusOK, list{Data: all})
}

func (s *Server) getConnection(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.present(r); err != nil {
		return err
	}
	all, err := s.Sinks.Connections(r.Context(), exchangeOf(r).profile)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c sinks.Connection) bool { return c.Provider == r.PathValue("provider") })
	if i < 0 {
		return ledger.ErrNotFound
	}
	return s.send(w, r, http.StatusOK, map[string]any{"data": all[i]})
}

func (s *Server) getSinks(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Sinks.Sinks(r.Context())
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, list{Data: all})
}

func (s *Server) getSink(w http.ResponseWriter, r *http.Request) error {
	one, err := s.Sinks.Sink(r.Context(), r.PathValue("provider"))
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, one)
}

func (s *Server) switchSink(to func(Sinks) func(context.Context, string) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("provider")
		dryRun, err := dry(r)
		if err != nil {
			return err
		}
		if dryRun {
			if _, err := s.Sinks.Sink(r.Context(), name); err != nil {
				return err
			}
			return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "success": true})
		}
		return s.once(w, r, nil, func() (int, any, error) {
			return http.StatusOK, success{Success: true}, to(s.Sinks)(r.Context(), name)
		})
	}
}

func (s *Server) getParked(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Sinks.Parked(r.Context(), r.PathValue("provider"))
	if err != nil {
		return err
	}
	if all == nil {
		all = []sinks.ParkedEdit{}
	}
	return s.send(w, r, http.StatusOK, list{Data: all})
}

// postParked decides about a parked edit: {"action", "reason"}.
func (s *Server) postParked(w http.ResponseWriter, r *http.Request) error {
	x, name := exchangeOf(r), r.PathValue("provider")
	b, err := body(r, false)
	if err != nil {
		return err
	}
	root, err := ledger.ParseJSON(b)
	if err != nil {
		return err
	}
	values := map[string]string{}
	var wrong []ledger.FieldError
	for _, m := range root.Members {
		switch {
		case m.Name != "action" && m.Name != "reason":
			wrong = append(wrong, ledger.FieldError{Pointer: ledger.PointerTo("", m.Name), Code: ledger.CodeUnknownField, Message: "there is no such member here"})
		case m.Node.Kind != ledger.NodeString || ledger.Length(m.Node.Text) > 1000:
			wrong = append(wrong, ledger.FieldError{Pointer: ledger.PointerTo("", m.Name), Code: ledger.CodeWrongType, Message: "must be a text of at most 1,000 characters"})
		}
		values[m.Name] = m.Node.Text
	}
	action := sinks.Action(values["action"])
	if !slices.Contains(parkedActions, action) && wrong == nil {
		wrong = append(wrong, ledger.FieldError{Pointer: "/action", Code: ledger.CodeNotOneOf, Message: "must be one of retry, mark_done, skip, recreate"})
	}
	if wrong != nil {
		return &ledger.Refusal{Fields: wrong}
	}
	all, err := s.Sinks.Parked(r.Context(), name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(p sinks.ParkedEdit) bool { return p.ID.String() == r.PathValue("id") })
	if i < 0 {
		return ledger.ErrNotFound
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "success": slices.Contains(all[i].Choices, action)})
	}
	return s.once(w, r, b, func() (int, any, error) {
		return http.StatusOK, success{Success: true}, s.Sinks.Decide(r.Context(), name, all[i].ID, action, values["reason"], x.key.Actor())
	})
}

var parkedActions = []sinks.Action{"retry", "mark_done", "skip", "recreate"}
