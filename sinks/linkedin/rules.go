package linkedin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// What LinkedIn's answers are looked up by, besides the steps of a lane.
const (
	stepRead = "read" // a GET: it has no step of its own
	// noPermission is LinkedIn's code for an application without a permission.
	noPermission = "100"
	// foreign stands for the code of an error that is not in LinkedIn's form: something
	// between may have answered.
	foreign = "-"
)

// fresh is how long a token that was just given may still be said to be revoked.
const fresh = 10 * time.Second

// rules say what an answer means that is no success. LinkedIn tells errors apart by the
// status, and a few by its own code.
var rules = slices.Concat(uploadRules(), sinks.Table{
	{Status: 401, Type: "65601", Then: sinks.AccountError, Wait: fresh, Name: "revoked", Say: "the token was revoked"},
	{Status: 401, Type: "65602", Then: sinks.AccountError, Name: "expired", Say: "the token has expired"},
	{Status: 401, Then: sinks.AccountError, Wait: fresh, Name: "unauthorized", Say: "LinkedIn does not take the token: it is wrong, expired or revoked"},

	{Status: 403, Step: stepRead, Then: sinks.CapabilityOff, Name: "unreadable", Say: "the application may not read the profile: w_compliance gives no right to read"},
	{Status: 403, Step: stepRegisterOriginal, Then: sinks.CapabilityOff, Name: "no_pictures", Say: "the application may not change pictures: w_compliance is missing"},
	{Status: 403, Step: stepRegisterDisplay, Then: sinks.CapabilityOff, Name: "no_pictures", Say: "the application may not change pictures: w_compliance is missing"},
	{Status: 403, Step: stepPatch, Then: sinks.CapabilityOff, Name: "no_pictures", Say: "the application may not change pictures: w_compliance is missing"},
	{Status: 403, Type: noPermission, Then: sinks.SinkError, Name: "no_permission", Say: "the application has no w_compliance permission"},
	{Status: 403, Then: sinks.CapabilityOff, Name: "forbidden", Say: "this account may not edit this part of the profile"},

	{Status: 404, Step: stepRegisterOriginal, Then: sinks.SinkError, Name: "no_assets", Say: "there is no assets service there: the base URL is wrong"},
	{Status: 404, Step: stepRegisterDisplay, Then: sinks.SinkError, Name: "no_assets", Say: "there is no assets service there: the base URL is wrong"},
	{Status: 404, Type: foreign, Item: sinks.WithItem, Then: sinks.Unknown, Name: "not_linkedins", Say: "the answer is not LinkedIn's: whether the entry is there is unknown"},
	{Status: 404, Item: sinks.WithItem, Then: sinks.TargetGone, Name: "item_gone", Say: "the entry is not at LinkedIn any more"},
	{Status: 404, Then: sinks.AccountError, Name: "no_person", Say: "LinkedIn does not know the person id; ids are different for each application"},

	{Status: 400, Then: sinks.Refused, Name: "bad_request", Say: "LinkedIn cannot read the request"},
	{Status: 405, Then: sinks.SinkError, Name: "no_method", Say: "the service there does not take edits: the base URL is wrong"},
	{Status: 409, Then: sinks.Busy, Name: "conflict", Say: "another edit is being made", Most: 3, Wait: 5 * time.Second},
	{Status: 412, Then: sinks.Busy, Name: "precondition", Say: "the profile has changed meanwhile", Most: 3, Wait: 5 * time.Second},
	{Status: 413, Then: sinks.Refused, Name: "too_large", Say: "the request is larger than LinkedIn takes"},
	{Status: 415, Then: sinks.Refused, Name: "media_type", Say: "LinkedIn does not take this kind of file or request"},
	{Status: 422, Then: sinks.Refused, Name: "unprocessable", Say: "LinkedIn refuses a value, an id in an order, or that a mandatory field goes"},
	{Status: 429, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the limit of calls is used up; a day's limit begins anew at midnight UTC"},
	{Status: 500, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it took the edit is unknown"},
	{Status: 502, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it took the edit is unknown"},
	{Status: 503, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it took the edit is unknown"},
	{Status: 504, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it took the edit is unknown"},
})

// uploadRules: an upload URL that is not taken any more says nothing about the account.
func uploadRules() (t sinks.Table) {
	for _, step := range []string{stepUploadOriginal, stepUploadDisplay} {
		for _, status := range []int{401, 403, 404, 410} {
			t = append(t, sinks.Rule{Status: status, Step: step, Then: sinks.StepGone, Name: "upload_expired", Say: "the place for the upload is gone: it is registered again"})
		}
	}
	return t
}

// tokenRules are for the request that renews a token; the words are those of OAuth 2.0.
var tokenRules = sinks.Table{
	{Status: 400, Type: "invalid_grant", Then: sinks.AccountError, Name: "invalid_grant", Say: "the refresh token is wrong, expired or revoked: the member must sign in again"},
	{Status: 400, Type: "invalid_request", Then: sinks.AccountError, Name: "invalid_request", Say: "LinkedIn does not take the refresh token"},
	{Status: 400, Type: "unauthorized_client", Then: sinks.AccountError, Name: "unauthorized_client", Say: "the application may not renew tokens"},
	{Type: "invalid_client", Then: sinks.AccountError, Name: "invalid_client", Say: "the credential's client id or secret is wrong"},
	{Status: 401, Then: sinks.AccountError, Name: "unauthorized", Say: "the credential's client id or secret is wrong"},
	{Status: 403, Then: sinks.AccountError, Name: "forbidden", Say: "the application may not renew tokens"},
	{Status: 404, Then: sinks.SinkError, Name: "no_tokens", Say: "there is no token service there: the base URL is wrong"},
	{Status: 429, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the limit of calls is used up; a day's limit begins anew at midnight UTC"},
	{Status: 500, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it renewed the token is unknown"},
	{Status: 502, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it renewed the token is unknown"},
	{Status: 503, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it renewed the token is unknown"},
	{Status: 504, Then: sinks.Unknown, Name: "server_error", Say: "LinkedIn failed: whether it renewed the token is unknown"},
}

// judge says what an answer means. A good one is Applied; who called looks for what it
// must hold. LinkedIn answers edits with a status, and with an object or nothing.
func judge(t sinks.Table, a sinks.Answer, c sinks.Call) sinks.Outcome {
	good := a.Status == http.StatusOK || a.Status == http.StatusCreated || a.Status == http.StatusNoContent
	if good && a.Err == nil {
		if len(strings.TrimSpace(string(a.Body))) > 0 {
			if n, err := ledger.ParseJSON(a.Body); err != nil || n.Kind != ledger.NodeObject {
				return sinks.Garbage(a.Status, "LinkedIn's")
			}
		}
		return sinks.Outcome{Verdict: sinks.Applied}
	}
	out := t.Outcome(a, kindOf(a), c)
	if out.Verdict == sinks.Throttled || out.Verdict == sinks.Busy {
		if wait, ok := sinks.RetryAfter(a.Header, time.Now(), longest); ok {
			out.RetryAfter = wait
		}
	}
	return out
}

// kindOf reads LinkedIn's own code out of an error, or the word of an OAuth error. An
// error that names a permission has the code of a missing one: not all of them have it.
// foreign is for what has neither a code nor the status, as every error of LinkedIn's does.
func kindOf(a sinks.Answer) string {
	n, err := ledger.ParseJSON(a.Body)
	if err != nil {
		return foreign
	}
	if word, ok := n.Member("error"); ok && word.Kind == ledger.NodeString {
		return word.Text
	}
	message, _ := n.Member("message")
	if text := strings.ToLower(message.Text); a.Status == http.StatusForbidden && (strings.Contains(text, "permission") || strings.Contains(text, "w_compliance")) {
		return noPermission
	}
	code, coded := n.Member("serviceErrorCode")
	if _, ok := n.Member("status"); !ok && !coded {
		return foreign
	}
	return code.Text
}

// longest is the longest wait that is taken from an answer: limits are for a day.
const longest = 24 * time.Hour
