package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"vitae/ledger"
)

// recorder is a ResponseWriter that keeps a reply in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// call is one request to the API.
type call struct {
	method, path string
	body         any    // sent as JSON; nil for none
	profile      string // for keys of all profiles: which one
	ifMatch      string
	once         string // Idempotency-Key
	reason       string
}

// reply is the API's answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// errKeyGone says that the API no longer takes the session's key.
var errKeyGone = errors.New("the key is not taken any more")

// apiError is an answer of the API that is no success.
type apiError struct {
	status int
	code   string
	detail string
	fields []ledger.FieldError
}

func (e *apiError) Error() string { return fmt.Sprintf("the API answered %d %s", e.status, e.code) }

// codeWrite marks a refusal to do something, which is not one to show something.
const codeWrite = "write"

// Words is what a person is told. The API's details hold no values.
func (e *apiError) Words() string {
	switch {
	case e.status == http.StatusForbidden && e.code != codeWrite:
		return "Your key may not see this."
	case e.detail == "":
		return "The server could not answer (" + http.StatusText(e.status) + ")."
	}
	return e.detail
}

// ask sends one request to the API, with a key. The error is errKeyGone for a key that
// is unknown, an *apiError for any other refusal.
func (c *console) ask(ctx context.Context, key string, q call) (reply, error) {
	body := []byte(nil)
	if q.body != nil {
		var err error
		if body, err = json.Marshal(q.body); err != nil {
			return reply{}, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, q.method, q.path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + key, "X-Vitae-Profile": q.profile, "If-Match": q.ifMatch,
		"Idempotency-Key": q.once, "X-Vitae-Reason": q.reason, "X-Vitae-Via": "console", "Accept": "application/problem+json, application/json"} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := &recorder{header: http.Header{}}
	c.api.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // of a handler that wrote nothing
	a := reply{status: w.status, header: w.header, body: w.body.Bytes()}
	if a.status < 300 {
		return a, nil
	}
	if a.status == http.StatusUnauthorized {
		return a, errKeyGone
	}
	var told struct {
		Code   string              `json:"code"`
		Detail string              `json:"detail"`
		Errors []ledger.FieldError `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &told); err != nil {
		c.log.Debug("an error of the API is no problem document", "status", a.status)
	}
	return a, &apiError{status: a.status, code: told.Code, detail: told.Detail, fields: told.Errors}
}

// get reads JSON from the API into a value.
func (v *visit) get(path string, into any) error {
	a, err := v.ask(call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return json.Unmarshal(a.body, into)
}

// ask sends a request with the session's key, about the session's profile.
func (v *visit) ask(q call) (reply, error) {
	q.profile = v.session.profile
	return v.c.ask(v.r.Context(), v.session.key, q)
}

// missing turns an API error into what a page says in place of the part that it is
// about. Other errors are of the whole page.
func missing(err error) (words string, rest error) {
	var e *apiError
	if errors.As(err, &e) {
		return e.Words(), nil
	}
	return "", err
}
