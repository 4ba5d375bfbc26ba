package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"vitae/commands"
	"vitae/ledger"
)

// credentialName is where the vault keeps the credential of a connection.
func credentialName(provider string) string { return "credential." + provider }

// maxCredential bounds a credential, in bytes.
const maxCredential = 16 << 10

// putConnection binds a profile to its account at a provider. The request is decided once
// without writing; then the credential is sealed and durable; only then the event says
// that the connection is there.
func (s *Server) putConnection(w http.ResponseWriter, r *http.Request) error {
	x, provider := exchangeOf(r), r.PathValue("provider")
	if !known(provider) {
		return ledger.ErrNotFound
	}
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	rest, credential, err := splitCredential(b)
	if rest == nil {
		return err // no object
	}
	cmd, bindErr := commands.Bind(provider, rest)
	if err := bothRefusals(err, bindErr); err != nil {
		return err
	}
	cmd.Rotate = credential != nil
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	release, err := s.claimAccount(r.Context(), x.profile, provider, cmd.Account(x.profile))
	if err != nil {
		return err
	}
	defer func() { release(err) }()
	if credential != nil && !dryRun {
		m, err := meta(r)
		if err != nil {
			return err
		}
		seq, err := ifMatch(r)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
		defer cancel()
		if _, err := s.Core.Submit(ctx, ledger.Request{Profile: x.profile, Meta: m, IfSeq: seq, Command: cmd, DryRun: true}); err != nil {
			return err
		}
		if err := s.Vault.PutSecret(ctx, x.profile, credentialName(provider), credential); err != nil {
			return err
		}
	}
	err = s.submit(w, r, x.profile, nil, cmd, func(b []byte, reply ledger.Reply) ([]byte, int) {
		b, status := edited(b, reply)
		b = append(b[:len(b)-1], `,"provider":"`...)
		b = append(b, provider...)
		return append(b, `"}`...), status
	})
	return err
}

// known says whether there is such a provider.
func known(provider string) bool { return slices.Contains(ledger.Providers(), provider) }

// bothRefusals joins what two looks at one body have refused, so that all of it is told.
func bothRefusals(a, b error) error {
	var ra, rb *ledger.Refusal
	if errors.As(a, &ra) && errors.As(b, &rb) && !slices.Equal(ra.Fields, rb.Fields) {
		return &ledger.Refusal{Fields: append(slices.Clone(ra.Fields), rb.Fields...)}
	}
	if a != nil {
		return a
	}
	return b
}

// splitCredential takes the credential out of a connection's body: it goes to the vault,
// and never near an event. rest is the body without it, also when the credential is wrong; nil when the body is no
// object.
func splitCredential(b []byte) (rest, credential []byte, err error) {
	root, err := ledger.ParseJSON(b)
	if err != nil {
		return nil, nil, err
	}
	if root.Kind != ledger.NodeObject {
		return nil, nil, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object")
	}
	kept := ledger.Node{Kind: root.Kind}
	for _, m := range root.Members {
		if m.Name != "credential" {
			kept.Members = append(kept.Members, m)
			continue
		}
		switch {
		case m.Node.Kind == ledger.NodeNull: // as if it were absent
			continue
		case m.Node.Kind != ledger.NodeString:
			err = ledger.Refuse("/credential", ledger.CodeWrongType, "must be a text")
		case m.Node.Text == "":
			err = ledger.Refuse("/credential", ledger.CodeEmpty, "must not be empty")
		case len(m.Node.Text) > maxCredential:
			err = ledger.Refuse("/credential", ledger.CodeTooLong, "may have 16 KiB at most")
		}
		credential = []byte(m.Node.Text)
	}
	return kept.Append(nil), credential, err
}

// deleteConnection removes a connection, then its credential. Asked again after a crash in
// between it finds no connection, and removes the credential all the same.
func (s *Server) deleteConnection(w http.ResponseWriter, r *http.Request) error {
	x, provider := exchangeOf(r), r.PathValue("provider")
	if !known(provider) {
		return ledger.ErrNotFound
	}
	cmd, err := commands.Unbind(provider)
	if err != nil {
		return err
	}
	o, _, err := s.run(w, r, x.profile, nil, cmd)
	if err != nil && !(errors.Is(err, ledger.ErrNotFound) && !o.dryRun) {
		return err
	}
	if o.dryRun {
		return s.wouldSucceed(w, r)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), submitTimeout)
	defer cancel()
	if derr := s.Vault.DeleteSecret(ctx, x.profile, credentialName(provider)); derr != nil && err == nil {
		return derr
	}
	if err != nil {
		return err
	}
	w.Header()["Etag"] = []string{etag(o.Seq)}
	return s.send(w, r, http.StatusOK, success{Success: true})
}

func (s *Server) getConnections(w http.ResponseWriter, r *http.Request) error {
	if err := presentOnly(r); err != nil {
		return err
	}
	if _, err := s.present(r.Context(), exchangeOf(r)); err != nil {
		return err
	}
	all, err := s.connections(r)
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, list{Data: all})
}

func (s *Server) getConnection(w http.ResponseWriter, r *http.Request) error {
	if err := presentOnly(r); err != nil {
		return err
	}
	if _, err := s.present(r.Context(), exchangeOf(r)); err != nil {
		return err
	}
	all, err := s.connections(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c connection) bool { return c.Provider == r.PathValue("provider") })
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
	sink, err := s.Sinks.Sink(r.Context(), r.PathValue("provider"))
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, sink)
}

// switchSink pauses a sink, or lets it go on.
func (s *Server) switchSink(on bool) func(http.ResponseWriter, *http.Request) error {
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
			return s.wouldSucceed(w, r)
		}
		return s.once(w, r, nil, func() (int, any, error) {
			to := s.Sinks.Pause
			if on {
				to = s.Sinks.Resume
			}
			return http.StatusOK, success{Success: true}, to(r.Context(), name)
		})
	}
}
