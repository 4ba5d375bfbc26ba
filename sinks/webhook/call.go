package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Outcome is what one attempt came to.
type Outcome string

// The outcomes. What is not Delivered is tried again, but for Gone.
const (
	Delivered Outcome = "delivered"
	Refused   Outcome = "refused" // another status than 2xx
	Unknown   Outcome = "unknown" // no answer: it may have arrived
	Unsent    Outcome = "unsent"  // no connection was made
	Gone      Outcome = "gone"    // 410: the endpoint wants no more
)

// answer is what an endpoint said.
type answer struct {
	outcome Outcome
	status  int           // 0 when there was no answer
	why     string        // in our own words
	wait    time.Duration // what Retry-After asked for
	took    time.Duration
	cut     bool // our own end came first: it counts as not made
}

// The bounds of one attempt.
const (
	callTimeout = 15 * time.Second
	maxAnswer   = 64 << 10 // bytes of an answer that are read so that the connection can be used again
	maxWait     = 24 * time.Hour
)

// caller sends requests to where they may go.
type caller struct {
	client *http.Client
	agent  string
	now    func() time.Time
}

// errPrivate says that an address must not be dialled.
var errPrivate = errors.New("the name leads to a loopback, private or reserved address")

// newCaller makes a caller; private allows every address.
func newCaller(private bool, agent string, now func() time.Time) *caller {
	d := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	if !private {
		// After names are resolved: this is the address that is really connected to.
		d.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !public(to.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &caller{agent: agent, now: now, client: &http.Client{
		Timeout: callTimeout,
		Transport: &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: callTimeout, DisableCompression: true,
			MaxIdleConnsPerHost: senders, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *caller) close() { c.client.CloseIdleConnections() }

// call offers an event to an endpoint once. Its words never hold the URL, which may be a
// secret of its owner.
func (c *caller) call(ctx context.Context, e *Endpoint, id string, body []byte) (a answer) {
	began := c.now()
	defer func() { a.took = c.now().Sub(began) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return answer{outcome: Unsent, why: "the address cannot be called"}
	}
	h := req.Header
	h.Set("Content-Type", ledger.CloudEventsMediaType)
	h.Set("User-Agent", c.agent)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(began.Unix(), 10))
	h.Set("Webhook-Signature", e.signatures(id, began, body))
	res, err := c.client.Do(req)
	if err != nil {
		return unanswered(err)
	}
	// What it says is of no use; read, the connection serves again. An error here says
	// nothing about the event: it was answered.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	a = answer{outcome: Refused, status: res.StatusCode, why: fmt.Sprintf("it answered %d", res.StatusCode)}
	if wait, ok := sinks.RetryAfter(res.Header, c.now(), maxWait); ok {
		a.wait = wait
	}
	switch {
	case res.StatusCode >= 200 && res.StatusCode <= 299:
		return answer{outcome: Delivered, status: res.StatusCode}
	case res.StatusCode == http.StatusGone:
		a.outcome = Gone
	case res.StatusCode >= 300 && res.StatusCode <= 399:
		a.why += ", a redirect, which is not followed"
	}
	return a
}

// unanswered sorts the errors of a call, without their texts: these hold the URL.
func unanswered(err error) answer {
	var dial *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, errPrivate):
		return answer{outcome: Unsent, why: errPrivate.Error()}
	case errors.As(err, &dns):
		return answer{outcome: Unsent, why: "the name cannot be resolved"}
	case errors.As(err, &cert):
		return answer{outcome: Unsent, why: "its certificate is not valid"}
	case errors.As(err, &dial) && dial.Op == "dial":
		return answer{outcome: Unsent, why: "no connection could be made"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return answer{outcome: Unknown, why: "no answer came in time"}
	}
	return answer{outcome: Unknown, why: "the connection broke before an answer came"}
}
