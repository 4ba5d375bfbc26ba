package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// UnknownType is the Fault.Type of an answer that the provider's documents do not name.
const UnknownType = "unknown_answer"

// Fault types that every provider shares.
const (
	TypeUnreachable = "unreachable" // the request never left
	TypeNoAnswer    = "no_answer"   // it left, and nothing usable came back
	TypeThrottled   = "too_many_requests"
)

func (v Verdict) String() string {
	names := [...]string{"unknown", "applied", "unchanged", "not_sent", "throttled", "busy", "refused", "account_error", "sink_error", "accepted", "capability_off",
		"target_gone", "step_gone"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// NewClient makes the HTTP client that providers share: it follows no redirect and
// repeats no request. Deadlines are the callers'.
func NewClient() *http.Client {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     60 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// CheckBaseURL says whether calls with credentials may go there: https, or http to a
// loopback address.
func CheckBaseURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("a base URL is a scheme, a host and maybe a path")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("a base URL begins with https://")
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return errors.New("plain http is for loopback addresses only")
}

// Answer is what came back of a request, or how far it got.
type Answer struct {
	Status int // 0 when there was no answer
	Header http.Header
	Body   []byte
	Sent   Sent
	Err    error // why there is no whole answer; names no value
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// Exchange makes one request and reads its answer. It never makes a second one: the body
// cannot be rewound, so that the transport has nothing to try again with, also for a
// request with an Idempotency-Key. When it failed, Answer.Sent is SentNo only if the
// request certainly never left this machine.
func Exchange(ctx context.Context, d Doer, req *http.Request) Answer {
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	req = req.WithContext(httptrace.WithClientTrace(ctx, trace))
	req.GetBody = nil
	if req.Body == nil || req.Body == http.NoBody {
		req.Header.Del("Idempotency-Key") // without a body it could be made again
	}
	res, err := d.Do(req)
	if err != nil {
		sent := SentNo
		if wrote.Load() {
			sent = SentUnknown
		}
		return Answer{Sent: sent, Err: cause(err)}
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it is wanted
	a := Answer{Status: res.StatusCode, Header: res.Header, Sent: SentYes}
	a.Body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		a.Err = cause(err)
	case len(a.Body) > maxAnswer:
		a.Body, a.Err = nil, errors.New("the answer is too long")
	}
	return a
}

// cause takes the URL out of an error: it may carry an account.
func cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
