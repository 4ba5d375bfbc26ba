package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Client makes calls with one key. It is safe for concurrent use.
type Client struct {
	t    testing.TB
	Base string
	Key  string
	HTTP *http.Client
}

// NewClient makes a client whose connections are closed at the end of the test.
func NewClient(t testing.TB, base, key string) *Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 128, MaxConnsPerHost: 128, IdleConnTimeout: time.Minute}
	t.Cleanup(tr.CloseIdleConnections)
	return &Client{t: t, Base: base, Key: key, HTTP: &http.Client{Transport: tr}}
}

// WithKey is the same client with another key.
func (c *Client) WithKey(key string) *Client {
	d := *c
	d.Key = key
	return &d
}

// Call is one request. Headers given as "" are not sent.
type Call struct {
	Method, Path string
	Body         []byte // nil sends none
	Header       map[string]string
}

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes a call. An error means that no whole answer came.
func (c *Client) Do(ctx context.Context, call Call) (Reply, error) {
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, c.Base+call.Path, body)
	if err != nil {
		return Reply{}, err
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/problem+json, application/json")
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	for k, v := range call.Header {
		req.Header.Del(k)
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Reply{}, err
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	return Reply{Status: res.StatusCode, Header: res.Header, Body: b}, err
}

// Try makes a call that must be answered, whatever the answer. body is nil, []byte, or
// something that has a JSON form; headers come in pairs of name and value.
func (c *Client) Try(method, path string, body any, headers ...string) Reply {
	c.t.Helper()
	call := Call{Method: method, Path: path, Header: map[string]string{}}
	switch b := body.(type) {
	case nil:
	case []byte:
		call.Body = b
	case string:
		call.Body = []byte(b)
	default:
		var err error
		if call.Body, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		call.Header[headers[i]] = headers[i+1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	r, err := c.Do(ctx, call)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// Must is Try that fails the test unless the status is want.
func (c *Client) Must(want int, method, path string, body any, headers ...string) Reply {
	c.t.Helper()
	r := c.Try(method, path, body, headers...)
	if r.Status != want {
		c.t.Fatalf("%s %s: %d, want %d\n%s", method, path, r.Status, want, r.Body)
	}
	return r
}

// Into decodes the body, numbers as json.Number.
func (r Reply) Into(t testing.TB, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, r.Body)
	}
}

// Data is the object in the member "data".
func (r Reply) Data(t testing.TB) map[string]any {
	t.Helper()
	var d struct{ Data map[string]any }
	r.Into(t, &d)
	return d.Data
}

// List is the array of objects in the member "data".
func (r Reply) List(t testing.TB) []map[string]any {
	t.Helper()
	var d struct{ Data []map[string]any }
	r.Into(t, &d)
	return d.Data
}

// Edit is the answer to an edit.
type Edit struct {
	Success, Updated bool
	Seq              uint64
	Fields           []string
	ID               string
}

// Edit decodes the answer to an edit.
func (r Reply) Edit(t testing.TB) Edit {
	t.Helper()
	var e Edit
	r.Into(t, &e)
	return e
}

// FieldError is one wrong field of a problem document.
type FieldError struct{ Pointer, Code, Message string }

// Problem decodes a problem document and gives its field errors by pointer.
func (r Reply) Problem(t testing.TB) map[string]FieldError {
	t.Helper()
	if ct := r.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("content type %q, want a problem document: %s", ct, r.Body)
	}
	var p struct {
		Status int
		Title  string
		Errors []FieldError
	}
	r.Into(t, &p)
	if p.Status != r.Status || p.Title == "" {
		t.Fatalf("status %d with the problem %s", r.Status, r.Body)
	}
	out := map[string]FieldError{}
	for _, e := range p.Errors {
		out[e.Pointer] = e
	}
	return out
}

// Create creates a profile and gives its id; values may be nil.
func (c *Client) Create(values any) string {
	c.t.Helper()
	id, _ := c.Must(http.StatusCreated, http.MethodPost, "/v1/profiles", values).Data(c.t)["id"].(string)
	if len(id) != 26 {
		c.t.Fatalf("profile id %q", id)
	}
	return id
}

// NewKey makes a key and gives its text and id. profile may be "*".
func (c *Client) NewKey(profile, name string, scopes ...string) (text, id string) {
	c.t.Helper()
	return c.NewKeyWith(nil, profile, name, scopes...)
}

// NewKeyWith is NewKey with headers, in pairs of name and value.
func (c *Client) NewKeyWith(headers []string, profile, name string, scopes ...string) (text, id string) {
	c.t.Helper()
	r := c.Must(http.StatusCreated, http.MethodPost, "/v1/keys", map[string]any{"profile": profile, "name": name, "scopes": scopes}, headers...)
	var flat struct {
		Key, ID string
		Data    struct{ Key, ID string }
	}
	r.Into(c.t, &flat)
	text, id = flat.Key+flat.Data.Key, flat.ID+flat.Data.ID
	if text == "" || id == "" {
		c.t.Fatalf("no key in the answer (%d bytes)", len(r.Body))
	}
	return text, id
}

// Profile is the path of a profile's routes.
func Profile(id string, rest ...string) string {
	p := "/v1/profiles/" + url.PathEscape(id)
	for _, r := range rest {
		p += r
	}
	return p
}

// Read gives a profile as it is now, or as query says ("?at=3").
func (c *Client) Read(id, query string) map[string]any {
	c.t.Helper()
	return c.Must(http.StatusOK, http.MethodGet, Profile(id, query), nil).Data(c.t)
}

// History reads all events of a profile, page by page.
func (c *Client) History(ctx context.Context, id string) ([]Event, error) {
	var all []Event
	for after := ""; ; {
		r, err := c.Do(ctx, Call{Method: http.MethodGet, Path: Profile(id, "/history?limit=1000&after=", url.QueryEscape(after))})
		if err != nil {
			return nil, err
		}
		if r.Status != http.StatusOK {
			return nil, fmt.Errorf("history of %s: %d %s", id, r.Status, r.Body)
		}
		var page struct {
			Data []Event
			Next *string
		}
		d := json.NewDecoder(bytes.NewReader(r.Body))
		d.UseNumber()
		if err := d.Decode(&page); err != nil {
			return nil, fmt.Errorf("history of %s: %w", id, err)
		}
		all = append(all, page.Data...)
		if page.Next == nil || *page.Next == "" {
			return all, nil
		}
		if *page.Next == after {
			return nil, fmt.Errorf("history of %s: the cursor stands still", id)
		}
		after = *page.Next
	}
}

// MustHistory is History that fails the test on an error.
func (c *Client) MustHistory(id string) []Event {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	events, err := c.History(ctx, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return events
}
