package api

import (
	"net/http"

	"vitae/commands"
	"vitae/ledger"
)

// postProfile creates a profile; the body may hold its first values.
func (s *Server) postProfile(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, true)
	if err != nil {
		return err
	}
	id := ledger.NewProfileID(s.now())
	cmd, err := commands.Create(id, b)
	if err != nil {
		return err
	}
	return s.submit(w, r, id, b, cmd, func(b []byte, reply ledger.Reply) ([]byte, int) {
		if reply.Profile.IsZero() {
			reply.Profile = id
		}
		text := reply.Profile.String()
		w.Header().Set("Location", "/v1/profiles/"+text)
		b = append(b, `{"data":{"id":"`...)
		b = append(b, text...)
		return append(b, `"}}`...), http.StatusCreated
	})
}

func (s *Server) patchProfile(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.Patch(ledger.Base, b)
	if err != nil {
		return err
	}
	return s.submit(w, r, exchangeOf(r).profile, b, cmd, edited)
}

func (s *Server) postResume(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.CreateResume(ledger.NewID(s.now()), b)
	if err != nil {
		return err
	}
	return s.submit(w, r, exchangeOf(r).profile, b, cmd, made)
}

func (s *Server) patchResume(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.PatchResume(r.PathValue("id"), b)
	if err != nil {
		return err
	}
	return s.submit(w, r, exchangeOf(r).profile, b, cmd, edited)
}

func (s *Server) deleteResume(w http.ResponseWriter, r *http.Request) error {
	cmd, err := commands.DeleteResume(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.submit(w, r, exchangeOf(r).profile, nil, cmd, succeeded)
}

func (s *Server) postItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := body(w, r, false)
		if err != nil {
			return err
		}
		id := ledger.NewID(s.now())
		cmd, err := commands.AddItem(ledger.Base, field, id, b)
		if err != nil {
			return err
		}
		if with, ok := cmd.(commands.WithCreated); ok && with.Created() != "" {
			id = with.Created()
		}
		return s.submit(w, r, exchangeOf(r).profile, b, cmd, func(b []byte, reply ledger.Reply) ([]byte, int) {
			if reply.Created == "" { // it was there already, just like that
				reply.Created = id
			}
			return made(b, reply)
		})
	}
}

func (s *Server) patchItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := body(w, r, false)
		if err != nil {
			return err
		}
		cmd, err := commands.PatchItem(ledger.Base, field, r.PathValue("id"), b)
		if err != nil {
			return err
		}
		return s.submit(w, r, exchangeOf(r).profile, b, cmd, succeeded)
	}
}

func (s *Server) deleteItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		cmd, err := commands.RemoveItem(ledger.Base, field, r.PathValue("id"))
		if err != nil {
			return err
		}
		return s.submit(w, r, exchangeOf(r).profile, nil, cmd, succeeded)
	}
}
