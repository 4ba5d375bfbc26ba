package jarvi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// typeValidation is the Fault.Type of a body that Jarvi refuses.
const typeValidation = "validation"

const failed = "Jarvi failed: whether it took the edit is unknown"

// table says what Jarvi's errors mean. The key is a workspace's, and every connection has
// one of its own: a key that is not taken pauses that connection.
var table = sinks.Table{
	{Status: http.StatusBadRequest, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnprocessableEntity, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnauthorized, Then: sinks.AccountError, Name: "unauthorized", Say: "Jarvi does not take the workspace's key: it has to be the private one"},
	{Status: http.StatusForbidden, Then: sinks.AccountError, Name: "forbidden", Say: "the workspace's key does not allow it: it has to be the private one"},
	{Status: http.StatusRequestEntityTooLarge, Then: sinks.Refused, Name: "too_large", Say: "the body is larger than Jarvi takes"},
	{Status: http.StatusTooManyRequests, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the workspace's time for calls is used up"},
	{Status: http.StatusInternalServerError, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusBadGateway, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusServiceUnavailable, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusGatewayTimeout, Then: sinks.Unknown, Name: "server_error", Say: failed},
}

// judge says what an answer means that is no success.
func judge(a sinks.Answer) sinks.Outcome {
	out := table.Outcome(a, "", sinks.Call{})
	if out.Verdict == sinks.Throttled {
		out.RetryAfter, _ = sinks.RetryAfter(a.Header, time.Now(), longest)
	}
	if out.Fault.Type == typeValidation {
		out.Fault.Message = refusal(a.Body)
	}
	return out
}

// refusal names the fields that an error's message is about. Nothing else of it is kept:
// it may repeat values.
func refusal(body []byte) string {
	n, _ := ledger.ParseJSON(body) // what is not JSON has no message
	message, _ := n.Member("message")
	var names []string
	for word := range strings.FieldsFuncSeq(message.Text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if isMember(word) {
			names = append(names, word)
		}
	}
	if len(names) == 0 {
		return "Jarvi refuses the body"
	}
	slices.Sort(names)
	return "Jarvi refuses " + strings.Join(slices.Compact(names), ", ")
}

// isMember says whether a body can have a member of this name, the custom fields aside.
func isMember(name string) bool {
	return name == externalID || slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) ||
		slices.ContainsFunc(sections, func(s section) bool { return s.list == name && name != "" }) ||
		slices.ContainsFunc(notes, func(n [2]string) bool { return n[1] == name })
}

// taken reads the answer of 201. ok is false when it does not name task and profile.
func taken(body []byte) (task, profile string, ok bool) {
	n, err := ledger.ParseJSON(body)
	t, _ := n.Member("taskId")
	p, _ := n.Member("profileId")
	return t.Text, p.Text, err == nil && isID(t) && isID(p)
}

// isID says that a value can be an id: a short text without anything odd in it.
func isID(n ledger.Node) bool {
	return n.Kind == ledger.NodeString && n.Text != "" && len(n.Text) <= 100 && !strings.ContainsFunc(n.Text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// longest is the longest wait that is taken from a header.
const longest = time.Hour
