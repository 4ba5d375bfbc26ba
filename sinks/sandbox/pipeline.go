package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxBody is the most bytes that a body of a provider call may have, if the provider
// does not say otherwise.
const maxBody = 1 << 20

// provide serves everything under a provider's base path.
func (s *Server) provide(p *provider) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/"+p.name)
		req := Request{Provider: p.name, Method: r.Method, Path: r.URL.Path, Attempt: r.Header.Get("X-Vitae-Attempt")}
		req.Attempt = req.Attempt[:min(len(req.Attempt), 200)]
		if p.logPath != nil {
			req.Path = "/" + p.name + p.logPath(path)
		}
		keyless := p.keyless != nil && p.keyless(path)
		digest, ok := "", false
		if !keyless {
			digest, ok = p.identify(r.Header)
		}
		id := accountID{p.name, digest}
		if ok {
			req.Account = id.name().name
		}
		e := s.arrived(req)
		defer s.trace(r.Context(), e)

		var a *account
		if ok {
			a = s.called(id)
		}
		if !keyless {
			if refused, ok := s.admit(p, a, w.Header()); !ok {
				s.answer(w, e, refused)
				return
			}
		}
		methods := p.methods(path)
		if len(methods) == 0 {
			s.answer(w, e, p.refusal(http.StatusNotFound, "Not found"))
			return
		}
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			s.answer(w, e, p.refusal(http.StatusMethodNotAllowed, "Method not allowed"))
			return
		}
		// The body is taken first: a connection that is closed with a part of it unread looks
		// different to the client than one that is closed after the request.
		limit := p.bodyLimit
		if limit == 0 {
			limit = maxBody
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		s.faulty(w, r, e, p, s.meet(e, path), func() reply { return p.serve(s, a, r, body, err) })
	}
}

// admit asks the provider whether an account has room for a request.
func (s *Server) admit(p *provider, a *account, h http.Header) (reply, bool) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
	}
	return p.admit(a, h, s.clock())
}

// faulty answers a request as the fault says; serve makes the effect.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request, e *Request, p *provider, f Fault, serve func() reply) {
	wait, _ := f.wait() // it was checked when it was queued
	switch f.Kind {
	case faultStatus:
		answer, _ := p.fault(f) // it was checked when it was queued
		if f.After {
			answer.changed = serve().changed
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		s.answer(w, e, answer)
		return
	case faultGarbage:
		s.note(e, http.StatusOK, false)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Please sign in</title><p>This network needs you to sign in.\n")
		return
	case faultDropBefore:
		drop(w)
		return
	case faultDelay:
		<-s.after(wait)
	}
	answer := serve()
	switch f.Kind {
	case faultDropAfter:
		s.note(e, 0, answer.changed)
		drop(w)
		return
	case faultResetMid:
		s.note(e, answer.status, answer.changed)
		sendHalf(w, answer)
		return
	case faultSlow:
		s.note(e, 0, answer.changed)
		select {
		case <-s.after(wait):
		case <-r.Context().Done():
		}
	}
	s.answer(w, e, answer)
}

// answer notes the reply in the log and sends it.
func (s *Server) answer(w http.ResponseWriter, e *Request, p reply) {
	s.note(e, p.status, p.changed)
	maps.Copy(w.Header(), p.header)
	switch body := p.body.(type) {
	case nil:
		w.WriteHeader(p.status)
		return
	case htmlPage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(p.status)
		_, _ = io.WriteString(w, string(body))
		return
	}
	writeJSON(w, p.status, p.body)
}

// refuseBody refuses a body that was not read whole.
func (p *provider) refuseBody(readErr error) (refused reply, ok bool) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](readErr); tooLarge {
		return p.refusal(http.StatusRequestEntityTooLarge, "Request body is too large"), false
	}
	if readErr != nil {
		return p.refusal(http.StatusBadRequest, "Request body ended early"), false
	}
	return reply{}, true
}

// refuseJSON refuses a body that is not said to be JSON, or was not read whole.
func (p *provider) refuseJSON(h http.Header, readErr error) (refused reply, ok bool) {
	if !isJSON(h) {
		return p.refusal(http.StatusUnsupportedMediaType, "Content-Type must be application/json"), false
	}
	return p.refuseBody(readErr)
}

// isJSON says whether the body is said to be JSON, in UTF-8 if the encoding is said.
func isJSON(h http.Header) bool {
	if len(h.Values("Content-Type")) != 1 {
		return false
	}
	t, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, said := params["charset"]
	return err == nil && t == "application/json" && (!said || strings.EqualFold(charset, "utf-8"))
}

// unmade is the answer for an effect that the server could not make.
func (s *Server) unmade(a *account, err error) reply {
	s.log.Error("an effect was not made", "provider", a.id.provider, "account", a.id.name().name, "error", err)
	return s.providers[a.id.provider].refusal(http.StatusInternalServerError, "Internal server error")
}

// note puts in the log what became of a request, before the client can know.
func (s *Server) note(e *Request, status int, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Status, e.Changed = status, changed
}

// trace writes a request that is over to the log of the program.
func (s *Server) trace(ctx context.Context, e *Request) {
	s.mu.Lock()
	r := *e
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelDebug, "request", slog.Uint64("seq", r.Seq), slog.String("provider", r.Provider),
		slog.String("account", r.Account), slog.String("method", r.Method), slog.String("path", r.Path), slog.Int("status", r.Status),
		slog.Bool("changed", r.Changed), slog.String("attempt", r.Attempt), slog.String("fault", r.Fault))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b := encode(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has left is told nothing
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		// Nothing here holds a value that JSON has no form for.
		panic(err)
	}
	return append(b, '\n')
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{message})
}
