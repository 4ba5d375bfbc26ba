package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"vitae/commands"
	"vitae/ledger"
)

// render appends what a reply comes to as a JSON object, and gives its status.
type render func(b []byte, reply ledger.Reply) ([]byte, int)

// submit runs a command for a profile and answers with what render makes of the reply.
// A command that changed something is replayed from its commit when the same
// Idempotency-Key comes again; the reply of one that changed nothing is kept for that.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, profile ledger.ProfileID, body []byte, cmd ledger.Command, answer render) error {
	reply, kept, err := s.run(w, r, profile, body, cmd)
	if err != nil {
		if errors.Is(err, ledger.ErrPrecondition) {
			s.tellVersion(w, r, profile)
		}
		return err
	}
	if kept != nil {
		s.replay(w, r, kept)
		return nil
	}
	b := make([]byte, 0, 256)
	b, status := answer(b, reply.Reply)
	h := w.Header()
	if reply.dryRun {
		b = append(b[:len(b)-1], `,"dryRun":true}`...)
		s.raw(w, r, http.StatusOK, b)
		return nil
	}
	tag := etag(reply.Seq)
	h["Etag"] = []string{tag}
	if reply.idem != nil && !reply.Changed {
		if err := s.remember(r.Context(), exchangeOf(r).profile, reply.idem, status, tag, b); err != nil {
			return err
		}
	}
	if reply.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	s.raw(w, r, status, b)
	return nil
}

// outcome is a reply and how it was asked for.
type outcome struct {
	ledger.Reply
	dryRun bool
	idem   *ledger.Idem
}

// run submits a command. When its Idempotency-Key has a kept reply it gives that.
func (s *Server) run(w http.ResponseWriter, r *http.Request, profile ledger.ProfileID, body []byte, cmd ledger.Command) (o outcome, k *kept, err error) {
	if o.dryRun, err = dry(r); err != nil {
		return o, nil, err
	}
	req := ledger.Request{Profile: profile, Command: cmd, DryRun: o.dryRun}
	if req.Meta, err = meta(r); err != nil {
		return o, nil, err
	}
	if req.IfSeq, err = ifMatch(r); err != nil {
		return o, nil, err
	}
	if !o.dryRun && (r.Method == http.MethodPost || r.Method == http.MethodPatch) {
		if o.idem, err = s.idemOf(r, body); err != nil {
			return o, nil, err
		}
		req.Idem = o.idem
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	if o.idem != nil {
		if k, _, err = s.recall(ctx, exchangeOf(r).profile, o.idem); err != nil || k != nil {
			if err == nil && k.running() {
				err = ledger.ErrIdemBusy
			}
			return o, k, err
		}
	}
	if err := s.filesKnown(ctx, profile, cmd); err != nil {
		return o, nil, err
	}
	o.Reply, err = s.Core.Submit(ctx, req)
	return o, nil, err
}

// tellVersion says at which version the profile is, for who named another one. Without an
// answer in time the reply is just as right.
func (s *Server) tellVersion(w http.ResponseWriter, r *http.Request, profile ledger.ProfileID) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	p, err := s.present(ctx, &exchange{profile: profile})
	if err != nil {
		s.Log.Debug("no version to tell", "request", exchangeOf(r).id, "error", err)
		return
	}
	w.Header().Set("X-Vitae-Seq", strconv.FormatUint(uint64(p.Seq), 10))
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
		switch {
		case errors.Is(err, ledger.ErrErased):
			return err
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return err
		case err != nil || !has:
			unknown = append(unknown, ledger.FieldError{Pointer: f.Pointer, Code: ledger.CodeUnknownFile, Message: "the profile has no such file; upload it first (POST /v1/files)"})
		}
	}
	if unknown != nil {
		return &ledger.Refusal{Fields: unknown}
	}
	return nil
}

// edited is what a PATCH answers: {"success","updated","seq","fields"}.
func edited(b []byte, reply ledger.Reply) ([]byte, int) {
	b = append(b, `{"success":true,"updated":`...)
	b = strconv.AppendBool(b, reply.Changed)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, uint64(reply.Seq), 10)
	b = append(b, `,"fields":[`...)
	for i, f := range shownFields(reply.Fields) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f...), '"') // a field's name has nothing to escape
	}
	return append(b, `]}`...), http.StatusOK
}

// hiddenType is the scalar that holds the type of the first phone number; callers know it
// as part of phones.
const hiddenType = "phone.type"

// shownFields names what callers know.
func shownFields(fields []string) []string {
	if !slices.Contains(fields, hiddenType) {
		return fields
	}
	out := make([]string, 0, len(fields))
	for _, f := range fields {
		if f == hiddenType {
			f = "phones"
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// made is what a POST on Mokaru's routes answers: {"success","id"}.
func made(b []byte, reply ledger.Reply) ([]byte, int) {
	b = append(b, `{"success":true,"id":`...)
	b = appendJSON(b, reply.Created)
	return append(b, '}'), http.StatusCreated
}

func succeeded(b []byte, _ ledger.Reply) ([]byte, int) {
	return append(b, `{"success":true}`...), http.StatusOK
}

// appendJSON appends a text as JSON.
func appendJSON(b []byte, text string) []byte {
	return ledger.TextNode(text).Append(b)
}

type success struct {
	Success bool `json:"success"`
}

// wouldSucceed answers a dry run of what has no reply of its own.
func (s *Server) wouldSucceed(w http.ResponseWriter, r *http.Request) error {
	return s.send(w, r, http.StatusOK, json.RawMessage(`{"success":true,"dryRun":true}`))
}
