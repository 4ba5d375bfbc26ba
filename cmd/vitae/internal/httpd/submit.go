package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"vitae/commands"
	"vitae/ledger"
)

// submit runs a command for the request's profile and answers with what render makes of
// the reply.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, body []byte, cmd ledger.Command, render func(ledger.Reply) (int, any)) error {
	return s.submitFor(w, r, exchangeOf(r).profile, body, cmd, render)
}

func (s *Server) submitFor(w http.ResponseWriter, r *http.Request, profile ledger.ProfileID, body []byte, cmd ledger.Command, render func(ledger.Reply) (int, any)) error {
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	m, err := meta(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	if err := s.filesKnown(ctx, profile, cmd); err != nil {
		return err
	}
	idem, err := s.idemOf(r, body)
	if err != nil {
		return err
	}
	if idem != nil && r.Method != http.MethodPost && r.Method != http.MethodPatch {
		idem = nil
	}
	if idem != nil && !dryRun {
		k, _, ok, err := s.recall(ctx, idem)
		if err != nil {
			return err
		}
		if ok {
			s.replayKept(w, r, k)
			return nil
		}
	}
	reply, err := s.Core.Submit(ctx, ledger.Request{Profile: profile, Meta: m, IfSeq: ifMatch(r), Idem: idem, Command: cmd, DryRun: dryRun})
	if err != nil {
		return err
	}
	status, answer := render(reply)
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if dryRun {
		b = append([]byte(`{"dryRun":true,`), b[1:]...)
		s.raw(w, r, http.StatusOK, b)
		return nil
	}
	tag := etag(reply.Seq)
	if idem != nil && !reply.Changed {
		if err := s.remember(ctx, idem, status, tag, b); err != nil {
			return err
		}
	}
	w.Header().Set("ETag", tag)
	if reply.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	s.raw(w, r, status, b)
	return nil
}

// filesKnown refuses a command that names a file the profile does not have.
func (s *Server) filesKnown(ctx context.Context, profile ledger.ProfileID, cmd ledger.Command) error {
	with, ok := cmd.(commands.WithFiles)
	if !ok {
		return nil
	}
	var unknown []ledger.FieldError
	for _, f := range with.Files() {
		has, err := s.Vault.HasFile(ctx, profile, f.Hash)
		if err != nil && problemOf(err).status >= 500 {
			return err
		}
		if err != nil || !has {
			unknown = append(unknown, ledger.FieldError{Pointer: f.Pointer, Code: ledger.CodeUnknownFile, Message: "the profile has no such file; upload it with POST /v1/files first"})
		}
	}
	if unknown != nil {
		return &ledger.Refusal{Fields: unknown}
	}
	return nil
}

// changed is what a PATCH answers.
type changed struct {
	Success bool       `json:"success"`
	Updated bool       `json:"updated"`
	Seq     ledger.Seq `json:"seq"`
	Fields  []string   `json:"fields"`
}

func renderChanged(reply ledger.Reply) (int, any) {
	return http.StatusOK, changed{Success: true, Updated: reply.Changed, Seq: reply.Seq, Fields: shownFields(reply.Fields)}
}

// shownFields names what callers know: the hidden type of the first phone number is part
// of phones.
func shownFields(fields []string) []string {
	out := []string{}
	for _, f := range fields {
		if f == "phone.type" {
			f = "phones"
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// made is what a POST that creates answers on Mokaru's routes.
type made struct {
	Success bool   `json:"success"`
	ID      string `json:"id"`
}

type success struct {
	Success bool `json:"success"`
}

func renderSuccess(ledger.Reply) (int, any) { return http.StatusOK, success{Success: true} }
