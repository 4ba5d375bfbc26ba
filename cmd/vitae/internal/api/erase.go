package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"vitae/cmd/vitae/internal/erasure"
	"vitae/cmd/vitae/internal/keys"
	"vitae/commands"
	"vitae/ledger"
)

// Erasures carries erasures out; *erasure.Erasures is one.
type Erasures interface {
	// Status says how the erasure of a profile stands; ledger.ErrNotFound when there is none.
	Status(ctx context.Context, p ledger.ProfileID) (erasure.Status, error)
	// Wait gives the status once the erasure is through, or how far it is when ctx ends.
	Wait(ctx context.Context, p ledger.ProfileID) (erasure.Status, error)
}

func (s *Server) eraseRoutes() []route {
	return tagged("profiles", false, []route{
		{method: "POST", path: "/v1/profiles/{profile}/clear", profile: true, inPath: true, scope: keys.Admin, id: "clearProfile",
			summary: "Empty a profile by ordinary edits, so that the providers are emptied too before it is erased", run: s.clearProfile, reply: "Cleared", query: []string{"dryRun"}},
		{method: "GET", path: "/v1/profiles/{profile}/receipt", profile: true, inPath: true, all: true, scope: keys.AuditRead, id: "getReceipt",
			summary: "Read the signed receipt of a profile's erasure; 202 while it is being carried out", run: s.getReceipt, reply: "Erased", fails: []int{http.StatusNotFound}},
	})
}

// clearProfile empties a profile. It is an edit like any other: the providers get it at
// their rates, and the profile's connections show how far it is. What it takes away there,
// and what it cannot, is told before it happens, as by a dry run.
func (s *Server) clearProfile(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	p, err := s.present(r.Context(), x)
	if err != nil {
		return err
	}
	reply, err := s.Core.Submit(r.Context(), ledger.Request{Profile: x.profile, Command: commands.Empty(), DryRun: true})
	if err != nil {
		return err
	}
	emptied := p.Clone()
	emptied.Apply(p.Seq+1, ledger.Hash{}, &ledger.Commit{Profile: p.ID, Events: reply.Events})
	providers, err := s.Sinks.Clearing(r.Context(), emptied)
	if err != nil {
		return err
	}
	told, err := json.Marshal(providers)
	if err != nil {
		return err
	}
	return s.submit(w, r, x.profile, nil, commands.Empty(), func(b []byte, reply ledger.Reply) ([]byte, int) {
		b, status := edited(b, reply)
		b = append(b[:len(b)-1], `,"providers":`...)
		return append(append(b, told...), '}'), status
	})
}

// erasePatience is how long a DELETE waits for its erasure to be through.
const erasePatience = 30 * time.Second

// deleteProfile erases: once the erased event is on stable storage nothing can stop it. The
// reply has the receipt; one that takes longer is told to be under way.
func (s *Server) deleteProfile(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	o, _, err := s.run(w, r, x.profile, nil, commands.Erase())
	if err != nil {
		return err
	}
	if o.dryRun {
		return s.wouldSucceed(w, r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), erasePatience)
	defer cancel()
	st, err := s.Erasures.Wait(ctx, x.profile)
	if err != nil {
		// The profile is erased all the same: the receipt comes later.
		s.Log.Warn("how far an erasure is could not be read", "request", x.id, "error", err)
		st = erasure.Status{Done: []string{}}
	}
	return s.sendErasure(w, r, st)
}

// getReceipt gives the receipt of an erasure.
func (s *Server) getReceipt(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	if _, err := s.present(r.Context(), x); err == nil {
		return ledger.ErrNotFound // it is not erased
	} else if !errors.Is(err, ledger.ErrErased) {
		return err
	}
	st, err := s.Erasures.Status(r.Context(), x.profile)
	if errors.Is(err, ledger.ErrNotFound) {
		st, err = erasure.Status{Done: []string{}}, nil // its event was not come to yet
	}
	if err != nil {
		return err
	}
	return s.sendErasure(w, r, st)
}

// sendErasure answers with the receipt, or with how far the erasure is.
func (s *Server) sendErasure(w http.ResponseWriter, r *http.Request, st erasure.Status) error {
	w.Header().Set("Cache-Control", "no-store")
	if st.Receipt == nil {
		h := w.Header()
		h.Set("Location", "/v1/profiles/"+exchangeOf(r).profile.String()+"/receipt")
		h.Set("Retry-After", "1")
		return s.send(w, r, http.StatusAccepted, map[string]any{"success": true, "receipt": nil, "done": st.Done})
	}
	receipt, err := json.Marshal(st.Receipt)
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, map[string]any{"success": true, "receipt": json.RawMessage(receipt), "note": st.Note})
}

// erasedSchema is the reply of an erasure.
func erasedSchema() object {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	texts := arrayOf(text)
	ended := shape(object{"provider": text, "lanes": number, "delivered": number, "pending": number, "parked": number, "unknown": number, "holds": arrayOf(heldSchema())})
	destroyed := shape(object{"key": flag, "secrets": number, "files": number, "apiKeys": number, "purged": texts})
	receipt := shape(object{"profile": text, "seq": number, "commit": text, "time": text, "hash": text, "proof": text, "erased": flag, "completed": text,
		"destroyed": destroyed, "providers": arrayOf(ended), "remains": texts})
	return shape(object{"success": flag, "receipt": nullable(receipt), "note": text, "done": texts}, "success", "receipt")
}

// clearedSchema is the reply of an emptying.
func clearedSchema() object {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	one := shape(object{"provider": text, "waits": text, "clears": arrayOf(heldSchema()), "stays": arrayOf(heldSchema()), "why": object{"type": "object", "additionalProperties": text}})
	return shape(object{"success": flag, "updated": flag, "seq": number, "fields": arrayOf(text), "providers": arrayOf(one), "dryRun": flag}, "success", "updated", "seq", "fields", "providers")
}

func heldSchema() object {
	text := object{"type": "string"}
	return shape(object{"entity": text, "fields": arrayOf(text), "items": object{"type": "integer"}}, "entity")
}
