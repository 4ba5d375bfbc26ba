// Package client speaks to a running server over its HTTP API, for the command line and
// the demo.
//
// Every call that changes something carries an Idempotency-Key of its own, so a call whose
// answer was lost is sent again without doing its work twice: the server gives the first
// answer again. What a server says about a mistake comes back as *Error, in the same form
// whether it was a problem document (RFC 9457) or Mokaru's error object. When no usable
// answer came, the error is *Unreachable and says whether the call may have been done.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vitae/ledger"
)

const (
	// maxReply bounds what is read of one reply.
	maxReply = 64 << 20
	// attempts bounds how often one call is sent.
	attempts = 4
)

// Options say where the server is and who asks.
type Options struct {
	Server string // http://127.0.0.1:8080
	Key    string // an API key; "" sends none
	// Profile names the profile for a key that is for all profiles; "" is the key's own.
	Profile string
	// Timeout bounds one attempt; 0 is 30 seconds.
	Timeout time.Duration
	// Pause is the wait before the first repeated attempt, doubled each time; 0 is 200 ms.
	Pause time.Duration
}

// Client makes calls. It is safe for concurrent use.
type Client struct {
	base    string
	options Options
	http    *http.Client
}

// New checks the server's address and makes a client; it does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the server's address must look like http://127.0.0.1:8080")
	}
	if strings.ContainsFunc(o.Key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("the key must be one word of printable ASCII")
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = 200 * time.Millisecond
	}
	return &Client{
		base:    strings.TrimRight(o.Server, "/"),
		options: o,
		http: &http.Client{
			// A redirect would carry the key to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// WithKey is a client of the same server that asks with another key, about the key's own
// profile. An empty key sends none.
func (c *Client) WithKey(key string) *Client {
	other := *c
	other.options.Key, other.options.Profile = key, ""
	return &other
}

// Server is the address that calls go to.
func (c *Client) Server() string { return c.base }

// Profile is the profile that calls are about, "" for the key's own.
func (c *Client) Profile() string { return c.options.Profile }

// Call is one request.
type Call struct {
	Method string
	Path   string // "/v1/profile", escaped
	Query  url.Values
	Body   []byte // JSON unless Header says otherwise; nil sends no body
	Header http.Header
	// DryRun asks the server to decide and answer, and to change nothing.
	DryRun bool
}

// Reply is an answer of the 2xx family.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes the call and, if into is not nil, decodes the answer's JSON into it. Errors:
// *Error, *Unreachable, or the context's.
func (c *Client) Do(ctx context.Context, call Call, into any) (Reply, error) {
	key := ""
	if call.Method == http.MethodPost || call.Method == http.MethodPatch {
		key = ledger.NewID(time.Now())
	}
	pause := c.options.Pause
	for attempt := 1; ; attempt++ {
		reply, err := c.once(ctx, call, key)
		if attempt > 1 && gone(call, err) {
			return Reply{Status: http.StatusOK}, nil // an earlier attempt did it, and its answer was lost
		}
		if err == nil {
			if into == nil || len(reply.Body) == 0 {
				return reply, nil
			}
			if err := json.Unmarshal(reply.Body, into); err != nil {
				return reply, fmt.Errorf("the server's answer to %s %s: %w", call.Method, call.Path, err)
			}
			return reply, nil
		}
		if attempt == attempts || !again(err, attempt) {
			return reply, err
		}
		if err := sleep(ctx, pause/2+rand.N(pause/2+1)); err != nil {
			return reply, err
		}
		pause *= 2
	}
}

// gone says that what a DELETE names is not there.
func gone(call Call, err error) bool {
	var e *Error
	return call.Method == http.MethodDelete && !call.DryRun && errors.As(err, &e) && e.Status == http.StatusNotFound
}

// again says that sending the call once more can help and cannot harm.
func again(err error, attempt int) bool {
	var lost *Unreachable
	if errors.As(err, &lost) {
		return lost.Sent // a server that cannot be connected to is reported at once
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusConflict:
		return attempt > 1 // our own first attempt may still be running
	default:
		return false
	}
}

func (c *Client) once(ctx context.Context, call Call, idempotencyKey string) (Reply, error) {
	attempt, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := c.request(attempt, call, idempotencyKey)
	if err != nil {
		return Reply{}, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Reply{}, unreachable(ctx, c.base, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return Reply{}, unreachable(ctx, c.base, err)
	case len(body) > maxReply:
		return Reply{}, fmt.Errorf("the server's answer to %s %s is larger than %d MiB", call.Method, call.Path, maxReply>>20)
	}
	reply := Reply{Status: res.StatusCode, Header: res.Header, Body: body}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return reply, newError(res, body)
	}
	return reply, nil
}

func (c *Client) request(ctx context.Context, call Call, idempotencyKey string) (*http.Request, error) {
	target := c.base + call.Path
	query := url.Values{}
	for k, v := range call.Query {
		query[k] = v
	}
	if call.DryRun {
		query.Set("dryRun", "true")
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, body)
	if err != nil {
		return nil, err
	}
	for k, v := range call.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/problem+json, application/json")
	req.Header.Set("User-Agent", "vitae-cli")
	if call.Body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.options.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	if c.options.Profile != "" {
		req.Header.Set("X-Vitae-Profile", c.options.Profile)
	}
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	return req, nil
}

// WaitReady returns when the server says that it is ready. Errors: the context's, with the
// last answer.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		_, err := c.once(ctx, Call{Method: http.MethodGet, Path: "/readyz"}, "")
		if err == nil {
			return nil
		}
		if cause := sleep(ctx, c.options.Pause); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
	}
}

// sleep waits, or gives the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Unreachable: no usable answer came.
type Unreachable struct {
	Server string
	// Sent says that the request may have reached the server, so it may have been done.
	Sent bool
	Err  error
}

func (e *Unreachable) Error() string {
	if e.Sent {
		return fmt.Sprintf("no answer from %s: %v", e.Server, e.Err)
	}
	return fmt.Sprintf("cannot connect to %s: %v", e.Server, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// unreachable sorts a transport's error: the caller's own context, a connection that was
// never made, or an answer that was lost.
func unreachable(ctx context.Context, server string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL: it may hold a person's values in its query
	}
	var op *net.OpError
	return &Unreachable{Server: server, Sent: !(errors.As(err, &op) && op.Op == "dial"), Err: err}
}
