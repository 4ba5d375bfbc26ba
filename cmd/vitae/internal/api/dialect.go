package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"vitae/commands"
	"vitae/ledger"
	"vitae/sinks"
)

// dialect is how one provider speaks HTTP: its clients find the routes, success bodies
// and errors that its own documentation has. What it writes goes through the same
// commands as everything else.
type dialect struct {
	name string // of the provider; edits say that they came through it
	// problem gives an error in the provider's own form. It never repeats a value.
	problem func(p *problem) (status int, body []byte)
}

// failDialect answers with an error in the dialect's form.
func (s *Server) failDialect(w http.ResponseWriter, r *http.Request, d *dialect, p *problem) {
	status, body := d.problem(p)
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	s.write(w, r, body)
}

// accountOf finds the profile that a request names by its account at the provider, or by
// the profile's own id, and gives its opened state. A key of one profile finds no other:
// then, as for an account that nobody has, the error is ledger.ErrNotFound. "" names the
// key's profile, or the one of X-Vitae-Profile.
func (s *Server) accountOf(r *http.Request, provider, account string) (*ledger.Profile, error) {
	x := exchangeOf(r)
	id, err := s.named(r, x, provider, account)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	x.profile = id
	p, err := s.present(ctx, x)
	if err != nil {
		return nil, err
	}
	if account == "" || account == id.String() || x.key.ForAll() {
		return p, nil
	}
	settings, ok, err := sinks.SettingsOf(p, provider)
	if err != nil {
		return nil, err
	}
	if !ok || settings.Account != account {
		return nil, ledger.ErrNotFound
	}
	return p, nil
}

// named is the id of the profile that a request means.
func (s *Server) named(r *http.Request, x *exchange, provider, account string) (ledger.ProfileID, error) {
	if !x.key.ForAll() || account == "" {
		return x.profile, s.profileOf(r, x, &x.profile)
	}
	if id, err := ledger.ParseProfileID(account); err == nil {
		return id, nil
	}
	if s.Directory == nil {
		return ledger.ProfileID{}, ledger.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return ledger.ProfileID{}, err
	}
	return s.Directory.Account(ctx, provider, account, head)
}

// maxRaces is how often an edit is made anew because the profile changed meanwhile.
const maxRaces = 5

// onState does an edit that is made of a profile's state: it is right for that state only,
// and so is made of the next one if another writer was first, unless the caller's If-Match
// says which state it wants. find gives the state, nil for a profile that is to be made.
// edit submits under the If-Match of asked.
func (s *Server) onState(w http.ResponseWriter, r *http.Request, find func() (*ledger.Profile, error), edit func(asked *http.Request, p *ledger.Profile) error) error {
	version := r.Header.Get("If-Match")
	told := version != "" && version != "*"
	for try := 1; ; try++ {
		p, err := find()
		if err != nil {
			return err
		}
		asked := r
		if !told && p != nil {
			asked = r.Clone(r.Context())
			asked.Header.Set("If-Match", etag(p.Seq))
		}
		err = edit(asked, p)
		switch {
		case told || !errors.Is(err, ledger.ErrPrecondition):
			return err
		case try == maxRaces:
			return ledger.ErrConflict
		}
		w.Header().Del("X-Vitae-Seq") // the version that nobody asked for
	}
}

// edit makes the edits of a dialect's request, as one commit, and answers with what
// render makes of the reply. body is the request's, for its Idempotency-Key.
func (s *Server) edit(w http.ResponseWriter, r *http.Request, profile ledger.ProfileID, body []byte, e sinks.Edits, answer render) error {
	cmd, err := s.commandOf(e)
	if err != nil {
		return err
	}
	return s.submit(w, r, profile, body, cmd, answer)
}

// commandOf makes one command of a dialect's edits; what is wrong with them is told all at
// once.
func (s *Server) commandOf(e sinks.Edits) (ledger.Command, error) {
	var parts []ledger.Command
	var wrong []ledger.FieldError
	add := func(cmd ledger.Command, err error) error {
		var refusal *ledger.Refusal
		if errors.As(err, &refusal) {
			wrong = append(wrong, refusal.Fields...)
			return nil
		}
		parts = append(parts, cmd)
		return err
	}
	if e.Patch != nil {
		if err := add(commands.Patch(ledger.Base, e.Patch)); err != nil {
			return nil, err
		}
	}
	for _, it := range e.Items {
		var err error
		switch it.Op {
		case sinks.AddItem:
			id := it.Item
			if id == "" {
				id = ledger.NewID(s.now())
			}
			err = add(commands.AddItem(ledger.Base, it.Field, id, it.Body))
		case sinks.PatchItem:
			err = add(commands.PatchItem(ledger.Base, it.Field, it.Item, it.Body))
		default:
			err = add(commands.RemoveItem(ledger.Base, it.Field, it.Item))
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case wrong != nil:
		return nil, &ledger.Refusal{Fields: wrong}
	case len(parts) == 1:
		return parts[0], nil
	}
	return commands.All(parts...), nil
}

// jsonBody is a dialect's reply that cannot fail to have a form in JSON.
func jsonBody(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
