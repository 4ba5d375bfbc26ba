package postpress

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// What answers are looked up by besides PostPress's own words.
const (
	stepRead = "read" // a GET: it has no step of its own
	bare     = "-"    // an error that has no word
)

// The words that need more than a row.
const (
	alreadyPerformed = "action_already_performed"
	limitExceeded    = "limit_exceeded"
)

// otherForm: PostPress does not say what it answers to another form under a key that it
// has seen; this is the usual answer. It says that the announced add came to something.
const otherForm = "PostPress refuses the add, or has taken the one that was announced before: whether the entry is there is unknown"

const failed = "PostPress failed: whether it took the edit is unknown"

// table says what PostPress's errors mean. Its own words decide, whatever the status is;
// the last rows are for answers without a word that is known.
var table = sinks.Table{
	{Type: "missing_credentials", Then: sinks.SinkError, Name: "missing_credentials", Say: "PostPress was sent no API key, or does not know it"},
	{Type: "key_missing", Then: sinks.SinkError, Name: "missing_credentials", Say: "PostPress was sent no API key, or does not know it"},
	{Type: "multiple_sessions", Then: sinks.AccountError, Name: "multiple_sessions", Say: "LinkedIn limits the sessions of the account: it must be connected again by its cookie"},
	{Type: "invalid_checkpoint_solution", Then: sinks.AccountError, Name: "invalid_checkpoint_solution", Say: "the account's sign-in challenge was not passed"},
	{Type: "invalid_proxy_credentials", Then: sinks.AccountError, Name: "invalid_proxy_credentials", Say: "the proxy that is set for the account refuses its credentials"},
	{Type: "checkpoint_error", Then: sinks.AccountError, Name: "checkpoint_error", Say: "the account's sign-in challenge cannot be passed"},
	{Type: "invalid_credentials", Then: sinks.AccountError, Name: "invalid_credentials", Say: "the account's sign-in is not valid: it must be connected again"},
	{Type: "expired_credentials", Then: sinks.AccountError, Name: "expired_credentials", Say: "the account's sign-in has expired: it must be connected again"},
	{Type: "insufficient_privileges", Then: sinks.SinkError, Name: "insufficient_privileges", Say: "the API key's scopes do not allow it"},
	{Type: "disconnected_account", Then: sinks.AccountError, Name: "disconnected_account", Say: "the account is disconnected: it must be connected again"},
	{Type: "disconnected_feature", Then: sinks.CapabilityOff, Name: "disconnected_feature", Say: "this service is disconnected for the account"},
	{Type: "invalid_credentials_but_valid_account_imap", Then: sinks.AccountError, Name: "invalid_imap_credentials", Say: "PostPress takes the account for one of e-mail"},
	{Type: "expired_link", Then: sinks.AccountError, Name: "expired_link", Say: "the link that connects the account has expired: a new one is needed"},
	{Type: "wrong_account", Then: sinks.AccountError, Name: "wrong_account", Say: "the sign-in is another person's: the account must be connected again"},

	{Type: "account_restricted", Then: sinks.AccountError, Name: "account_restricted", Say: "LinkedIn has restricted the account: nothing is tried until somebody has looked"},
	{Type: "account_mismatch", Then: sinks.CapabilityOff, Name: "account_mismatch", Say: "this cannot be done with the account"},
	{Type: "insufficient_permissions", Then: sinks.CapabilityOff, Name: "insufficient_permissions", Say: "the account has no permission for it"},
	{Type: "session_mismatch", Then: sinks.AccountError, Wait: 10 * time.Second, Name: "session_mismatch", Say: "the session is not that of the account"},
	{Type: "feature_not_subscribed", Then: sinks.CapabilityOff, Name: "feature_not_subscribed", Say: "the feature is not subscribed to at PostPress"},
	{Type: "subscription_required", Then: sinks.CapabilityOff, Name: "subscription_required", Say: "the account needs a subscription for it"},
	{Type: "unknown_authentication_context", Then: sinks.AccountError, Name: "unknown_authentication_context", Say: "the account's sign-in is not complete"},
	{Type: "action_required", Then: sinks.AccountError, Name: "action_required", Say: "the account needs a person's action at LinkedIn"},
	{Type: "resource_access_restricted", Then: sinks.Refused, Name: "resource_access_restricted", Say: "the account may not touch that"},

	{Type: "resource_not_found", Item: sinks.WithItem, Then: sinks.TargetGone, Name: "resource_not_found", Say: "the entry is not at LinkedIn any more"},
	{Type: "resource_not_found", Then: sinks.AccountError, Name: "resource_not_found", Say: "PostPress does not know the account"},
	{Type: "invalid_resource_identifier", Then: sinks.Refused, Name: "invalid_resource_identifier", Say: "PostPress does not take an id, such as postpress.location.id"},

	{Type: "invalid_account", Then: sinks.AccountError, Name: "invalid_account", Say: "the account is not one of LinkedIn's"},
	{Type: "unprocessable_entity", Step: stepAgain, Then: sinks.Unknown, Name: "other_form", Say: otherForm},
	{Type: "unprocessable_entity", Then: sinks.Refused, Name: "unprocessable_entity", Say: "PostPress refuses a value"},
	{Type: alreadyPerformed, Step: stepRead, Then: sinks.Unknown, Name: alreadyPerformed, Say: "a read cannot have been done already"},
	{Type: alreadyPerformed, Then: sinks.Applied},
	{Type: limitExceeded, Then: sinks.Throttled, Name: limitExceeded, Say: "a limit of LinkedIn's is reached: it is tried on the next day of UTC"},
	{Type: "account_configuration_error", Then: sinks.AccountError, Name: "account_configuration_error", Say: "the account's configuration does not allow it"},

	{Type: "too_many_requests", Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "too many requests at once"},

	{Type: "unexpected_error", Then: sinks.Unknown, Name: "unexpected_error", Say: failed},
	{Type: "provider_error", Then: sinks.Unknown, Name: "provider_error", Say: "LinkedIn failed: whether it took the edit is unknown"},
	{Type: "authentication_intent_error", Then: sinks.AccountError, Wait: 10 * time.Second, Name: "authentication_intent_error", Say: "the account's sign-in was broken off"},
	{Type: "feature_not_implemented", Then: sinks.CapabilityOff, Name: "feature_not_implemented", Say: "PostPress has not made this yet"},

	// By their wording these three end before anything is asked of LinkedIn.
	{Type: "no_client_session", Then: sinks.Busy, Wait: 30 * time.Second, Name: "no_client_session", Say: "PostPress has no session of the account running"},
	{Type: "no_channel", Then: sinks.Busy, Wait: 30 * time.Second, Name: "no_channel", Say: "PostPress has no way to the account's session"},
	{Type: "no_handler", Then: sinks.Busy, Wait: 30 * time.Second, Most: 3, Name: "no_handler", Say: "PostPress has nobody for this request"},
	{Type: "network_down", Then: sinks.Unknown, Name: "network_down", Say: failed},
	{Type: "service_unavailable", Then: sinks.Unknown, Name: "service_unavailable", Say: failed},
	{Type: "request_timeout", Then: sinks.Unknown, Name: "request_timeout", Say: "LinkedIn did not answer in time: whether it took the edit is unknown"},

	{Type: "invalid_parameters", Then: sinks.Refused, Name: "invalid_parameters", Say: "PostPress refuses a value"},
	{Type: "malformed_request", Then: sinks.Refused, Name: "malformed_request", Say: "PostPress cannot read the form"},
	{Type: "content_too_large", Then: sinks.Refused, Name: "content_too_large", Say: "a file or a text is larger than PostPress takes"},
	{Type: "invalid_url", Then: sinks.Refused, Name: "invalid_url", Say: "PostPress does not take a link"},
	{Type: "too_many_characters", Then: sinks.Refused, Name: "too_many_characters", Say: "a text is longer than PostPress takes"},
	{Type: "unescaped_characters", Then: sinks.Refused, Name: "unescaped_characters", Say: "PostPress does not take a character of a text"},

	{Status: http.StatusBadRequest, Then: sinks.Refused, Name: "bad_request", Say: "PostPress refuses the request"},
	{Status: http.StatusUnauthorized, Then: sinks.AccountError, Name: "unauthorized", Say: "PostPress does not take the API key or the account"},
	{Status: http.StatusForbidden, Then: sinks.AccountError, Name: "forbidden", Say: "PostPress does not allow it for the account"},
	{Status: http.StatusNotFound, Type: bare, Then: sinks.SinkError, Name: "no_route", Say: "there is no such route there: the base URL is wrong"},
	{Status: http.StatusMethodNotAllowed, Then: sinks.SinkError, Name: "no_route", Say: "there is no such route there: the base URL is wrong"},
	{Status: http.StatusConflict, Then: sinks.Busy, Wait: 5 * time.Second, Most: 3, Name: "conflict", Say: "another edit is being made"},
	{Status: http.StatusRequestEntityTooLarge, Then: sinks.Refused, Name: "content_too_large", Say: "a file or a text is larger than PostPress takes"},
	{Status: http.StatusUnsupportedMediaType, Then: sinks.Refused, Name: "media_type", Say: "PostPress does not take this kind of file or request"},
	{Status: http.StatusUnprocessableEntity, Step: stepAgain, Then: sinks.Unknown, Name: "other_form", Say: otherForm},
	{Status: http.StatusUnprocessableEntity, Then: sinks.Refused, Name: "unprocessable_entity", Say: "PostPress refuses a value"},
	{Status: http.StatusTooManyRequests, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "too many requests at once"},
	{Status: http.StatusInternalServerError, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusNotImplemented, Then: sinks.CapabilityOff, Name: "feature_not_implemented", Say: "PostPress has not made this yet"},
	{Status: http.StatusBadGateway, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusServiceUnavailable, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusGatewayTimeout, Then: sinks.Unknown, Name: "server_error", Say: failed},
}

// judge says what an answer means that is no success.
func judge(a sinks.Answer, c sinks.Call, now time.Time) sinks.Outcome {
	kind := wordOf(a.Body)
	out := table.Outcome(a, kind, c)
	if kind != bare && a.Status != 0 && a.Err == nil && !isKnown(kind) && out.Verdict != sinks.Throttled {
		out.Fault.Type = sinks.UnknownType // it is counted, and the status has decided
	}
	switch out.Verdict {
	case sinks.Applied:
		return sinks.Outcome{Verdict: sinks.Applied}
	case sinks.Throttled, sinks.Busy:
		if wait, ok := sinks.RetryAfter(a.Header, now, longest); ok {
			out.RetryAfter = wait
		}
	}
	if out.Fault.Type == limitExceeded {
		out.RetryAfter = nextDay(c.Account, now)
	}
	return out
}

func isKnown(kind string) bool {
	return slices.ContainsFunc(table, func(r sinks.Rule) bool { return r.Type == kind })
}

// wordOf is the word of an error in either of the two envelopes: "type" beside "title"
// and "status", or "code" in "error". bare when it has none, or is no JSON.
func wordOf(body []byte) string {
	n, err := ledger.ParseJSON(body)
	if err != nil || n.Kind != ledger.NodeObject {
		return bare
	}
	inner, _ := n.Member("error")
	for _, at := range []struct {
		n    ledger.Node
		name string
	}{{n, "type"}, {inner, "code"}, {inner, "type"}} {
		if v, ok := at.n.Member(at.name); ok && v.Kind == ledger.NodeString && v.Text != "" {
			return strings.TrimPrefix(v.Text, "errors/")
		}
	}
	return bare
}

// longest is the longest wait that is taken from a header.
const longest = time.Hour

// nextDay is how long it is to the next day of UTC, and up to ten minutes more, so that
// not all accounts begin at once.
func nextDay(account string, now time.Time) time.Duration {
	sum := sha256.Sum256([]byte(account))
	spread := time.Duration(binary.BigEndian.Uint16(sum[:])) * (10 * time.Minute) / (1 << 16)
	return now.UTC().Truncate(24*time.Hour).Add(24*time.Hour).Sub(now) + spread
}
