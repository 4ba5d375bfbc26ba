package mokaru

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// The words that some of Mokaru's errors carry in "code".
const (
	planRequired     = "PLAN_REQUIRED"
	noDefaultResume  = "NO_DEFAULT_RESUME"
	resumeProcessing = "RESUME_PROCESSING"
)

// foreign stands for the word of an error that is not in Mokaru's form: something between
// may have answered.
const foreign = "-"

// typeValidation is the Fault.Type of a body that Mokaru refuses.
const typeValidation = "validation"

const failed = "Mokaru failed: whether it took the edit is unknown"

// table says what Mokaru's errors mean.
var table = sinks.Table{
	{Type: planRequired, Then: sinks.AccountError, Name: "plan_required", Say: "the account's plan does not allow it"},
	{Type: noDefaultResume, Then: sinks.Refused, Name: "no_default_resume", Say: "the account has no default resume to write to"},
	{Type: resumeProcessing, Then: sinks.Busy, Name: "busy", Say: "Mokaru is working on the resume itself"},
	{Status: http.StatusBadRequest, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnprocessableEntity, Then: sinks.Refused, Name: typeValidation},
	{Status: http.StatusUnauthorized, Then: sinks.AccountError, Name: "unauthorized", Say: "Mokaru does not take the key: it is wrong, expired or revoked"},
	{Status: http.StatusForbidden, Then: sinks.AccountError, Name: "forbidden", Say: "the key's scope or the account's plan does not allow it"},
	{Status: http.StatusNotFound, Type: foreign, Item: sinks.WithItem, Then: sinks.Unknown, Name: "not_mokarus", Say: "the answer is not Mokaru's: whether the item is there is unknown"},
	{Status: http.StatusNotFound, Item: sinks.WithItem, Then: sinks.TargetGone, Name: "not_found", Say: "the item is not at Mokaru any more"},
	{Status: http.StatusNotFound, Then: sinks.Refused, Name: "not_found", Say: "Mokaru has no such object"},
	// No time is said: the engine waits 5 to 10 seconds, which is what Mokaru advises.
	{Status: http.StatusConflict, Then: sinks.Busy, Name: "busy", Say: "Mokaru is working on the resume itself"},
	{Status: http.StatusRequestEntityTooLarge, Then: sinks.Refused, Name: "too_large", Say: "the body is larger than Mokaru takes"},
	{Status: http.StatusTooManyRequests, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "the rate limit is used up"},
	{Status: http.StatusInternalServerError, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusBadGateway, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusServiceUnavailable, Then: sinks.Unknown, Name: "server_error", Say: failed},
	{Status: http.StatusGatewayTimeout, Then: sinks.Unknown, Name: "server_error", Say: failed},
}

// judge says what an answer means that is no success.
func judge(a sinks.Answer, c sinks.Call, now time.Time) sinks.Outcome {
	out := table.Outcome(a, word(a.Body), c)
	out.Limit = limitOf(a.Header)
	if out.Verdict == sinks.Throttled {
		out.RetryAfter = retryAfter(a.Header, out.Limit, now)
	}
	if out.Fault.Type == typeValidation {
		out.Fault.Message = refusal(a.Body, c.Entity)
	}
	return out
}

// word is the "code" of an error; "" when it has none, and foreign when it is no object
// with "error". The code may stand beside "error" or within it.
func word(body []byte) string {
	n, err := ledger.ParseJSON(body)
	inner, own := n.Member("error")
	code, ok := n.Member("code")
	if !ok {
		code, _ = inner.Member("code")
	}
	switch {
	case err == nil && code.Kind == ledger.NodeString && code.Text != "":
		return code.Text
	case err != nil || !own || inner.Kind == ledger.NodeNull:
		return foreign
	}
	return ""
}

// refusal names the fields that a validation error is about, as far as they are names
// that the entity has. Nothing else of the answer is kept: it may repeat values.
func refusal(body []byte, entity string) string {
	const nothing = "Mokaru refuses the body"
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return nothing
	}
	details, _ := n.Member("details")
	var names []string
	known := func(s string) string {
		if i := strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }); i > 0 {
			s = s[:i]
		}
		if slices.Contains(namesOf(entity), s) {
			return s
		}
		return ""
	}
	note := func(s string) {
		if s = known(s); s != "" {
			names = append(names, s)
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
		for _, m := range n.Members {
			// {"field":"degree"} is about the degree, although "field" is a name as well.
			if m.Node.Kind != ledger.NodeString || known(m.Node.Text) == "" {
				note(m.Name)
			}
			walk(m.Node)
		}
	}
	walk(details)
	if len(names) == 0 {
		return nothing
	}
	slices.Sort(names)
	return "Mokaru refuses " + strings.Join(slices.Compact(names), ", ")
}

// namesOf gives the names that an entity's body can have.
func namesOf(entity string) (names []string) {
	name, _ := sinks.SplitEntity(entity)
	if s, ok := sectionOf(name); ok {
		for _, m := range s.members {
			names = append(names, m.name)
		}
		return names
	}
	for _, s := range scalars {
		names = append(names, s.name)
	}
	for _, c := range collections {
		names = append(names, c.name)
	}
	return names
}

// limitOf reads X-RateLimit-*. Reset is in milliseconds since 1970.
func limitOf(h http.Header) *sinks.Limit {
	limit, err1 := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil
	}
	return &sinks.Limit{Limit: limit, Remaining: remaining, Reset: time.UnixMilli(reset)}
}

// longest is the longest wait that is taken from a header.
const longest = time.Hour

// retryAfter reads Retry-After; without one, what X-RateLimit-Reset says.
func retryAfter(h http.Header, l *sinks.Limit, now time.Time) time.Duration {
	if wait, ok := sinks.RetryAfter(h, now, longest); ok {
		return wait
	}
	if l != nil && l.Reset.After(now) {
		return min(l.Reset.Sub(now), longest)
	}
	return 0
}
