package nexudus

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// typeValidation is the Fault.Type of a body that the portal refuses.
const typeValidation = "validation"

const failed = "the portal failed: whether it took the edit is unknown"

// table says what the portal's errors mean, whether their number is the answer's status or
// stands in the body of an answer of 200.
var table = sinks.Table{
	{Status: http.StatusBadRequest, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnprocessableEntity, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnauthorized, Then: sinks.AccountError, Name: "unauthorized", Say: "the portal does not take the token: it is missing, expired or invalid"},
	{Status: http.StatusForbidden, Then: sinks.AccountError, Name: "forbidden", Say: "the portal does not allow this customer to edit the profile"},
	{Status: http.StatusRequestEntityTooLarge, Then: sinks.Refused, Name: "too_large", Say: "the body is larger than the portal takes"},
	{Status: http.StatusTooManyRequests, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the portal asks for fewer calls"},
	{Status: http.StatusInternalServerError, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusBadGateway, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusServiceUnavailable, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusGatewayTimeout, Then: sinks.Unknown, Name: "server_error", Say: failed},
}

// envelope is the portal's confirmation of an action.
type envelope struct {
	said    bool // there is a flag at all
	success bool
	status  int // 0: none that is one
	errors  ledger.Node
}

// parseEnvelope reads one; what is not JSON says nothing.
func parseEnvelope(body []byte) (e envelope) {
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return e
	}
	flag, _ := n.Member("WasSuccessful")
	e.said, e.success = flag.Kind == ledger.NodeBool, flag.Bool
	if v, _ := n.Member("Status"); v.Kind == ledger.NodeNumber {
		if s, err := strconv.Atoi(v.Text); err == nil && s >= 100 && s <= 599 {
			e.status = s
		}
	}
	e.errors, _ = n.Member("Errors")
	return e
}

// judge says what the answer to a PATCH means, and which fields it finds fault with. A
// status of 200 is no success by itself: only the flag is.
func judge(a sinks.Answer) (out sinks.Outcome, refused []string) {
	e := parseEnvelope(a.Body)
	refused = fieldsIn(e.errors)
	as := a // the answer as its body would have it
	switch {
	case a.Err == nil && a.Status == http.StatusOK && !e.said:
		return garbage(a), nil
	case a.Err == nil && a.Status == http.StatusOK && e.success:
		return sinks.Outcome{Verdict: sinks.Applied}, nil
	case a.Err == nil && a.Status == http.StatusOK && e.status < 300:
		as.Status = http.StatusBadRequest // it is refused, and the body does not say how
	case a.Err == nil && (a.Status == http.StatusOK || a.Status == http.StatusBadRequest) && e.said && !e.success && e.status >= 300:
		as.Status = e.status
	}
	return fault(a, as, refused), refused
}

// fault is the outcome of an answer that is no success; as is what it is judged by.
func fault(a, as sinks.Answer, refused []string) sinks.Outcome {
	out := table.Outcome(as, "", sinks.Call{})
	out.Fault.HTTP = a.Status
	if out.Verdict == sinks.Throttled {
		out.RetryAfter, _ = sinks.RetryAfter(a.Header, time.Now(), longest)
	}
	if out.Fault.Type == typeValidation {
		out.Fault.Message = "the portal refuses the body"
		if len(refused) > 0 {
			out.Fault.Message = "the portal refuses " + strings.Join(refused, ", ")
		}
	}
	return out
}

// garbage is an answer of 200 that is not the portal's, often the page for signing in.
func garbage(a sinks.Answer) sinks.Outcome {
	return sinks.Outcome{Verdict: sinks.Unknown, Fault: sinks.Fault{HTTP: a.Status, Type: sinks.UnknownType,
		Message: "the contract is broken: the answer does not say whether it was successful; is it a page for signing in?", Sent: sinks.SentUnknown}}
}

// fieldsIn names the fields that errors are about, of whatever shape they are. Nothing else
// of them is kept: they may repeat values.
func fieldsIn(errors ledger.Node) []string {
	var names []string
	note := func(s string) {
		for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
			if slices.ContainsFunc(fields, func(f field) bool { return f.name == word }) {
				names = append(names, word)
			}
		}
	}
	var walk func(ledger.Node)
	walk = func(n ledger.Node) {
		if n.Kind == ledger.NodeString {
			note(n.Text)
		}
		for _, e := range n.Elems {
			walk(e)
		}
		property, named := n.Member("PropertyName")
		if named && property.Kind == ledger.NodeString {
			note(property.Text) // what stands beside it may name other fields, or repeat a value
			return
		}
		for _, m := range n.Members {
			before := len(names)
			if note(m.Name); len(names) == before {
				walk(m.Node)
			}
		}
	}
	walk(errors)
	slices.Sort(names)
	return slices.Compact(names)
}

// longest is the longest wait that is taken from a header.
const longest = time.Hour
