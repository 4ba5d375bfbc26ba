package sinks

import (
	"net/http"
	"time"
)

// Rule is one row of a provider's error table: an answer, and what it makes us do. The
// reactions are the verdicts; a provider has one table for all of its calls.
type Rule struct {
	// Status is the answer's; 0 is any that is no success.
	Status int
	// Type is the provider's own word for the error; "" is any. Words decide before
	// statuses do: a table lists them first.
	Type string
	// Item: only for calls that name an item (Call.Ref), or that do not.
	Item Which
	// Step: only for calls of this step; "" is any.
	Step string

	Then Verdict
	Name string // becomes Fault.Type; of a closed set
	Say  string // becomes Fault.Message: in our own words, without a value
	// Wait is how long to wait when the answer does not say; for Busy, Throttled and (see
	// there) AccountError.
	Wait time.Duration
	// Most is how many attempts may end like this before the edit is parked; for Busy.
	Most int
}

// Which says what calls a Rule is for.
type Which uint8

// The kinds of calls.
const (
	AnyCall Which = iota
	WithItem
	WithoutItem
)

// Table is a provider's error table. The first row that fits decides.
type Table []Rule

// Outcome says what an answer means that is no success. kind is the provider's word for
// the error, "" when there is none. An answer that never came, or broke off, is judged by
// whether the request left. An error that the table does not have is counted
// (UnknownType): one of the 4xx is a refusal, all else is unknown.
func (t Table) Outcome(a Answer, kind string, c Call) Outcome {
	fault := func(v Verdict, name, say string) Outcome {
		sent := a.Sent
		if v == Unknown {
			sent = SentUnknown
		}
		return Outcome{Verdict: v, Fault: Fault{HTTP: a.Status, Type: name, Message: say, Sent: sent}}
	}
	switch {
	case a.Status == 0 && a.Sent == SentNo:
		return fault(NotSent, TypeUnreachable, "the provider cannot be reached")
	case a.Status == 0:
		return fault(Unknown, TypeNoAnswer, "the request left, and no answer came")
	case a.Status < 300 && a.Err != nil:
		return fault(Unknown, TypeNoAnswer, "the answer broke off")
	}
	for _, r := range t {
		if r.fits(a.Status, kind, c) {
			out := fault(r.Then, r.Name, r.Say)
			out.RetryAfter, out.Most = r.Wait, r.Most
			return out
		}
	}
	switch s := a.Status; {
	case s >= 300 && s < 400:
		return fault(SinkError, "redirect", "the provider redirects elsewhere: the base URL is wrong")
	case s >= 400 && s < 500 && s != http.StatusRequestTimeout:
		return fault(Refused, UnknownType, "a refusal that the provider's pages do not name")
	}
	return fault(Unknown, UnknownType, "an answer that the provider's pages do not name")
}

func (r *Rule) fits(status int, kind string, c Call) bool {
	switch {
	case r.Status != 0 && r.Status != status, r.Status == 0 && status < 300:
		return false
	case r.Type != "" && r.Type != kind:
		return false
	case r.Step != "" && r.Step != c.Step:
		return false
	case r.Item == WithItem && c.Ref == "", r.Item == WithoutItem && c.Ref != "":
		return false
	}
	return true
}
