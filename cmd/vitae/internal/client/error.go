package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is the server's refusal of a call.
type Error struct {
	Status int
	Title  string // a few words
	Detail string // a sentence, if the server gave one
	Code   string // a machine's word for it, if the server gave one
	Fields []FieldError
	// RequestID is what the server's log calls the request.
	RequestID string
	// RetryAfter is how long the server asks to wait; 0 when it did not say.
	RetryAfter time.Duration
}

// FieldError names one wrong field of the request.
type FieldError struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Title)
	if e.Detail != "" && e.Detail != e.Title {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n  %s: %s", f.Pointer, f.Message)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "\n  try again in %s", e.RetryAfter)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, "\n  (HTTP %d, request %s)", e.Status, e.RequestID)
	} else {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	return b.String()
}

// newError reads a problem document or Mokaru's {error, details, code}. Whatever else came,
// a proxy's page perhaps, leaves the status to speak.
func newError(res *http.Response, body []byte) *Error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id")}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var doc struct {
		Title   string          `json:"title"`
		Detail  string          `json:"detail"`
		Code    string          `json:"code"`
		Errors  []FieldError    `json:"errors"`
		Error   string          `json:"error"`
		Details json.RawMessage `json:"details"`
	}
	if err := json.Unmarshal(body, &doc); err == nil {
		e.Title, e.Detail, e.Code, e.Fields = doc.Title, doc.Detail, doc.Code, doc.Errors
		if e.Title == "" {
			e.Title = doc.Error
			e.Detail, e.Fields = details(doc.Details, e.Detail, e.Fields)
		}
	}
	if e.Title == "" {
		e.Title = http.StatusText(res.StatusCode)
	}
	if e.Title == "" {
		e.Title = "unexpected answer"
	}
	return e
}

// details reads what Mokaru puts beside its error: a sentence, or a list of fields.
func details(raw json.RawMessage, sentence string, fields []FieldError) (string, []FieldError) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, fields
	}
	var list []struct {
		FieldError
		Path  any    `json:"path"`
		Field string `json:"field"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return sentence, fields
	}
	for _, one := range list {
		f := one.FieldError
		switch {
		case f.Pointer != "":
		case one.Field != "":
			f.Pointer = one.Field
		case one.Path != nil:
			f.Pointer = fmt.Sprint(one.Path)
		}
		fields = append(fields, f)
	}
	return sentence, fields
}
