package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/projections/history"
)

// problem is an error as it is told: RFC 9457.
type problem struct {
	status     int
	code       string // the end of the type URI, and Mokaru's code
	detail     string
	fields     []ledger.FieldError
	retryAfter int // seconds; 0 for none
	allow      string
	accept     string // Accept-Patch or Accept-Post, on 415
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
		return &problem{status: http.StatusBadRequest, code: "invalid_request", detail: "The request names values that cannot be taken; nothing was changed.", fields: refusal.Fields}
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
		return fail(http.StatusConflict, "not_allowed", reason(err, ledger.ErrNotAllowed, "This must not be done to it."))
	case errors.Is(err, ledger.ErrConflict):
		return &problem{status: http.StatusConflict, code: "conflict", detail: "Others kept changing it. Ask again.", retryAfter: 1}
	case errors.Is(err, ledger.ErrUnknown):
		return &problem{status: http.StatusGatewayTimeout, code: "outcome_unknown",
			detail: "It is not known whether the change was stored. Ask again with the same Idempotency-Key: it will have one effect.", retryAfter: 1}
	case errors.Is(err, ledger.ErrCapacity):
		return &problem{status: http.StatusInsufficientStorage, code: "no_capacity", detail: "The store cannot take it now. Nothing was written.", retryAfter: 30}
	case errors.Is(err, ledger.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &problem{status: http.StatusServiceUnavailable, code: "unavailable", detail: "This cannot be served now. Ask again.", retryAfter: 1}
	}
	return fail(http.StatusInternalServerError, "internal", "The server failed. The request id leads to its log.")
}

// reason takes our own words out of a wrapped sentinel.
func reason(err, sentinel error, otherwise string) string {
	text := strings.TrimPrefix(err.Error(), sentinel.Error())
	text = strings.TrimSuffix(strings.Trim(text, ": "), ": "+sentinel.Error())
	if text == "" {
		return otherwise
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
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
func (s *Server) fail(w http.ResponseWriter, r *http.Request, mokaru bool, err error) {
	p := problemOf(err)
	x := exchangeOf(r)
	if p.status >= 500 {
		s.Log.Error("request failed", "request", x.id, "route", x.route, "status", p.status, "error", err)
	}
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.accept != "" {
		h.Set("Accept-Patch", p.accept)
	}
	h.Set("Cache-Control", "no-store")
	var body any
	if mokaru && !strings.Contains(r.Header.Get("Accept"), "application/problem+json") {
		h.Set("Content-Type", "application/json")
		body = mokaruBody{Error: p.detail, Details: p.fields, Code: p.code}
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
	w.WriteHeader(p.status)
	s.write(w, r, b)
}

// write sends the last bytes of a reply. Who does not take them is gone.
func (s *Server) write(w http.ResponseWriter, r *http.Request, b []byte) {
	if _, err := w.Write(b); err != nil {
		s.Log.Debug("reply not taken", "request", exchangeOf(r).id, "error", err)
	}
}

var _ History = (*history.History)(nil)
