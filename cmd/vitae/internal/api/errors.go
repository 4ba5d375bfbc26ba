package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
)

// problem is an error as it is told: RFC 9457.
type problem struct {
	status     int
	code       string // the end of the type URI; in capitals, Mokaru's code
	detail     string // a sentence for the caller; never a value
	fields     []ledger.FieldError
	retryAfter int // seconds; 0 for none
}

func (p *problem) Error() string { return p.detail }

func fail(status int, code, detail string) *problem {
	return &problem{status: status, code: code, detail: detail}
}

// problemOf sorts an error from anywhere; whatever it does not know is our fault, and
// its words stay in the log.
func problemOf(err error) *problem {
	var p *problem
	var refusal *ledger.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return &problem{status: http.StatusBadRequest, code: "invalid_request", detail: "The request is wrong as listed; nothing was changed.", fields: refusal.Fields}
	case errors.Is(err, ledger.ErrErased):
		return fail(http.StatusGone, "erased", "The profile was erased; its values are gone for good.")
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrBadID):
		return fail(http.StatusNotFound, "not_found", "There is no such thing.")
	case errors.Is(err, ledger.ErrPrecondition):
		return fail(http.StatusPreconditionFailed, "precondition_failed", "The profile has changed since the version that If-Match names. Read it again and decide again.")
	case errors.Is(err, ledger.ErrIdemMismatch):
		return fail(http.StatusUnprocessableEntity, "idempotency_key_reused", "The Idempotency-Key was used before with another request.")
	case errors.Is(err, ledger.ErrIdemBusy):
		return &problem{status: http.StatusConflict, code: "idempotency_key_in_flight", detail: "The first request under this Idempotency-Key is still running. Ask again.", retryAfter: 1}
	case errors.Is(err, ledger.ErrExists):
		return fail(http.StatusConflict, "exists", "It exists already.")
	case errors.Is(err, ledger.ErrNotAllowed):
		return fail(http.StatusConflict, "not_allowed", "It is there, but this must not be done to it: the base resume stays, and so does what a connection sends.")
	case errors.Is(err, ledger.ErrConflict):
		return &problem{status: http.StatusConflict, code: "conflict", detail: "Others kept changing it. Ask again.", retryAfter: 1}
	case errors.Is(err, ledger.ErrUnknown):
		return &problem{status: http.StatusGatewayTimeout, code: "outcome_unknown", retryAfter: 1,
			detail: "It is not known yet whether the change was stored. Send the same request with the same Idempotency-Key: it will have one effect."}
	case errors.Is(err, ledger.ErrCapacity):
		return &problem{status: http.StatusInsufficientStorage, code: "no_capacity", detail: "The store cannot take it now. Nothing was written.", retryAfter: 30}
	case broken(err) != nil:
		return fail(http.StatusInternalServerError, "ledger_broken", "What is stored is not intact. "+broken(err).Error()+". Run vitae fsck; asking again will not help.")
	case errors.Is(err, ledger.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &problem{status: http.StatusServiceUnavailable, code: "unavailable", detail: "This cannot be served now. Ask again.", retryAfter: 1}
	}
	return fail(http.StatusInternalServerError, "internal", "The server failed. The request id leads to its log.")
}

// broken finds what says that the stored history is damaged, and where: sequences, ids
// and hashes, never a value.
func broken(err error) error {
	var chain *ledger.ChainError
	var block *stream.BlockError
	var refused *projections.RefusedError
	var fault *projections.Fault
	switch {
	case errors.As(err, &chain):
		return chain
	case errors.As(err, &block):
		return block
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &refused):
		return refused
	}
	return nil
}

// The bodies of the two forms.
type problemBody struct {
	Type     string              `json:"type"`
	Title    string              `json:"title"`
	Status   int                 `json:"status"`
	Detail   string              `json:"detail"`
	Instance string              `json:"instance"`
	Code     string              `json:"code"`
	Errors   []ledger.FieldError `json:"errors,omitempty"`
}

type mokaruBody struct {
	Error   string              `json:"error"`
	Details []ledger.FieldError `json:"details,omitempty"`
	Code    string              `json:"code"`
}

// fail writes an error in the form that the route and the caller ask for.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r)
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError {
		level := slog.LevelError
		switch {
		case r.Context().Err() != nil: // the caller has gone
			level = slog.LevelDebug
		case p.status == http.StatusServiceUnavailable || p.status == http.StatusGatewayTimeout:
			level = slog.LevelWarn
		}
		s.Log.LogAttrs(r.Context(), level, "request failed", slog.String("request", x.id), slog.String("route", x.route.path), slog.Any("error", err))
	}
	if x.status != 0 { // it came too late: the reply has begun
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	if d := x.route.dialect; d != nil {
		s.failDialect(w, r, d, p)
		return
	}
	var body any
	if x.route.mokaru && !wantsProblem(r) {
		h["Content-Type"] = jsonType
		body = mokaruBody{Error: p.detail, Details: p.fields, Code: strings.ToUpper(p.code)}
	} else {
		h.Set("Content-Type", "application/problem+json")
		body = problemBody{Type: "/problems/" + p.code, Title: http.StatusText(p.status), Status: p.status, Detail: p.detail,
			Instance: "urn:request:" + x.id, Code: p.code, Errors: p.fields}
	}
	b, err := json.Marshal(body)
	if err != nil {
		s.Log.Error("an error could not be written", "request", x.id, "error", err)
		b = []byte(`{}`)
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(p.status)
	s.write(w, r, b)
}

// wantsProblem says whether the caller asks for problem documents.
func wantsProblem(r *http.Request) bool {
	for _, v := range r.Header["Accept"] {
		for part := range strings.SplitSeq(v, ",") {
			media, params, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(media), "application/problem+json") {
				q := strings.ReplaceAll(params, " ", "")
				return q != "q=0" && q != "q=0.0"
			}
		}
	}
	return false
}

// write sends the last bytes of a reply. Who does not take them is gone.
func (s *Server) write(w http.ResponseWriter, r *http.Request, b []byte) {
	if _, err := w.Write(b); err != nil {
		s.Log.Debug("reply not taken", "request", exchangeOf(r).id, "error", err)
	}
}

// meanings says what the codes of errors mean, for those who follow a type URI.
func meanings() map[string]string {
	return map[string]string{
		"invalid_request":           "The request names values that cannot be taken. Every wrong one is listed with a JSON pointer into the body. Nothing was changed; sending it again unchanged will not help.",
		"invalid_query":             "A parameter of the query is wrong.",
		"invalid_at":                "at must be a sequence or an RFC 3339 time.",
		"beyond_head":               "at lies behind the last commit of the ledger.",
		"key_missing":               "The route needs an API key: Authorization: Bearer KEY, or X-API-KEY: KEY.",
		"key_invalid":               "The API key is unknown or was revoked.",
		"scope_missing":             "The API key lacks the scope that the route needs. Writing does not include reading.",
		"key_of_one_profile":        "The route needs a key for all profiles.",
		"foreign_profile":           "The API key belongs to another profile.",
		"profile_missing":           "A key for all profiles must name the profile in X-Vitae-Profile.",
		"profile_invalid":           "X-Vitae-Profile is not a profile's id.",
		"quota_exceeded":            "The key made as many requests as it may in a minute. Retry-After says how long to wait.",
		"not_found":                 "There is no such profile, resume, item, file or path.",
		"erased":                    "The profile was erased. Its values are gone; its history stays provable.",
		"method_not_allowed":        "The path does not take the method; Allow lists those it takes.",
		"unsupported_media_type":    "The body must be JSON in UTF-8 (or multipart/form-data for files).",
		"unsupported_encoding":      "The body must not be compressed.",
		"content_too_large":         "JSON bodies may have 1 MiB, files 20 MiB.",
		"body_unreadable":           "The body ended early.",
		"invalid_multipart":         "The multipart body is malformed.",
		"reason_invalid":            "X-Vitae-Reason must be UTF-8 of at most 1,000 characters.",
		"if_match_invalid":          "If-Match takes one entity tag.",
		"precondition_failed":       "The profile changed since the version that If-Match names.",
		"idempotency_key_invalid":   "Idempotency-Key must be 1 to 255 printable ASCII characters, plain or as a quoted string.",
		"idempotency_key_reused":    "The Idempotency-Key was used in the last 24 hours with another request.",
		"idempotency_key_in_flight": "The first request under the Idempotency-Key is still running.",
		"exists":                    "What was to be created is there already.",
		"not_allowed":               "The thing exists but must not be changed so.",
		"account_taken":             "Another profile is connected to the account at the provider.",
		"busy":                      "The work is being done already.",
		"other_ledger":              "The backup that the new one was to build on is of another ledger, or of a history that this one no longer has.",
		"stale_plan":                "The plan cannot be carried out any more: what it was made from has changed, it is too old, or the digest is not its own. Make it again.",
		"conflict":                  "The race against other writers was lost too often.",
		"outcome_unknown":           "It is not known whether the change was stored. The same request with the same Idempotency-Key has one effect.",
		"no_capacity":               "The store is full or the request too large for it.",
		"log_stopped":               "The transparency log signs nothing more, because it would contradict what it has signed. The last good checkpoint is served.",
		"cosignature_invalid":       "The body must be a checkpoint of this log with the valid cosignature of a witness that is configured.",
		"ledger_broken":             "What is stored is not intact; vitae fsck says where.",
		"unavailable":               "This instance cannot serve it now.",
		"internal":                  "A fault of the server; the request id leads to its log.",
	}
}

// getProblem explains a type URI.
func (s *Server) getProblem(w http.ResponseWriter, r *http.Request) error {
	meaning, ok := meanings()[r.PathValue("code")]
	if !ok {
		return ledger.ErrNotFound
	}
	s.text(w, r, http.StatusOK, meaning+"\n")
	return nil
}

// text writes a reply for people.
func (s *Server) text(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	s.write(w, r, []byte(text))
}
