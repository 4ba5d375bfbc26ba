package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"vitae/cmd/vitae/internal/access"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// Access keeps who read what.
type Access interface {
	// Append stores a record; on nil it is on stable storage.
	Append(ctx context.Context, r access.Record) error
	Page(ctx context.Context, profile ledger.ProfileID, after uint64, limit int) ([]access.Entry, error)
}

// accessRoutes show who read what of a profile.
func (s *Server) accessRoutes() []route {
	return tagged("audit", false, []route{
		{method: "GET", path: "/v1/profiles/{profile}/access", profile: true, inPath: true, audited: true, scope: keys.AuditRead, own: read, id: "listAccess",
			summary: "List who read what of a profile, oldest first", run: s.getAccess, reply: "AccessList", query: []string{"after", "limit"}},
	})
}

func accessSchemas(out object) {
	text, number := object{"type": "string"}, object{"type": "integer"}
	out["AccessList"] = pageOf(shape(object{"pos": number, "time": text, "actor": text, "name": text, "profile": text, "method": text, "route": text,
		"parts": object{"type": "object", "additionalProperties": text}, "via": text, "requestId": text, "status": number},
		"pos", "time", "actor", "name", "profile", "method", "route", "parts", "via", "requestId", "status"))
}

// isAudited says whether a request is an audit read: of a route that is always one, or of
// the past of a profile with a key that is not the profile's own.
func isAudited(x *exchange, r *http.Request) bool {
	switch {
	case x.key == nil || x.profile.IsZero() || r.Method != http.MethodGet && r.Method != http.MethodHead:
		return false
	case x.route.audited:
		return true
	}
	q, err := query(r)
	return err == nil && x.key.ForAll() && q["at"] != nil && slices.Contains(x.route.query, "at")
}

// recordTimeout bounds how long a reply waits for its record.
const recordTimeout = 5 * time.Second

// accessWriter holds a reply back until the record of it is stored. When it cannot be, the
// caller gets 503 in its place and nothing of it.
type accessWriter struct {
	http.ResponseWriter
	s       *Server
	r       *http.Request
	begun   bool
	refused bool
}

// Unwrap lets http.ResponseController through.
func (w *accessWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *accessWriter) WriteHeader(status int) {
	if w.refused || w.begun || status < http.StatusOK {
		if !w.refused {
			w.ResponseWriter.WriteHeader(status)
		}
		return
	}
	w.begun = true
	if x := exchangeOf(w.r); isAudited(x, w.r) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.r.Context()), recordTimeout)
		defer cancel()
		if err := w.s.Access.Append(ctx, w.s.accessRecord(w.r, x, status)); err != nil {
			w.refused = true
			h := w.Header()
			for _, name := range []string{"Content-Disposition", "Content-Security-Policy", "Content-Type", "Link", "Location", atHeader} {
				h.Del(name)
			}
			w.s.Log.Error("a read could not be recorded", "request", x.id, "error", err)
			w.s.fail(w.ResponseWriter, w.r, &problem{status: http.StatusServiceUnavailable, code: "not_recorded", retryAfter: 1,
				detail: "This read is recorded for the person it is about, and the record cannot be stored now. Ask again."})
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *accessWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.refused {
		return len(b), nil // the caller has been told
	}
	return w.ResponseWriter.Write(b)
}

func (s *Server) accessRecord(r *http.Request, x *exchange, status int) access.Record {
	return access.Record{Time: s.now(), Actor: x.key.Actor(), Name: x.key.Name, Profile: x.profile, Method: r.Method, Route: x.route.path,
		Parts: askedFor(r, x.route), Via: via(r), RequestID: x.id, Status: status}
}

// hiddenPart stands for a text that could be anything.
const hiddenPart = "…"

// askedFor is what a read is about: the parameters that its route has, without values of the
// profile. What is no name, id or position is hidden.
func askedFor(r *http.Request, rt *route) map[string]string {
	out := map[string]string{}
	q, err := query(r)
	if err != nil {
		q = url.Values{}
	}
	for _, name := range rt.query {
		if v := q.Get(name); q[name] != nil {
			out[name] = hiddenPart
			if name != "reason" && len(v) <= 128 && ledger.IsPlain(v) {
				out[name] = v
			}
		}
	}
	for _, name := range []string{"id", "file"} {
		if v := r.PathValue(name); v != "" && len(v) <= 128 && ledger.IsPlain(v) {
			out[name] = v
		}
	}
	return out
}

// getAccess lists who read what of a profile. It goes on after an erasure, for who may
// audit all profiles.
func (s *Server) getAccess(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	if err := only(q, "after", "limit"); err != nil {
		return err
	}
	limit, err := number(q, "limit", 100, 1, maxEvents)
	if err != nil {
		return err
	}
	text, err := one(q, "after")
	if err != nil {
		return err
	}
	after := uint64(0)
	if text != "" {
		if after, err = strconv.ParseUint(text, 10, 63); err != nil {
			return fail(http.StatusBadRequest, "invalid_query", "after must be a cursor from next.")
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	if _, err := s.present(ctx, x); err != nil && (!errors.Is(err, ledger.ErrErased) || !x.key.ForAll()) {
		return err
	}
	entries, err := s.Access.Page(ctx, x.profile, after, limit+1)
	if err != nil {
		return err
	}
	out := list{Data: entries}
	if len(entries) > limit {
		entries = entries[:limit]
		next := strconv.FormatUint(entries[limit-1].Pos, 10)
		out = list{Data: entries, Next: &next}
	}
	return s.send(w, r, http.StatusOK, out)
}
