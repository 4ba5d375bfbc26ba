package sinks

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter reads how long an answer asks to wait, in either form of RFC 9110, 10.2.3: so
// many seconds, or a date, which is read against the answer's own Date where it has one:
// the provider's clock need not be ours. It is a second at least and longest at most; ok is
// false when the answer does not say.
func RetryAfter(h http.Header, now time.Time, longest time.Duration) (wait time.Duration, ok bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(text); err == nil {
		if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
			now = theirs
		}
		return max(min(at.Sub(now), longest), time.Second), true
	}
	s, err := strconv.ParseUint(text, 10, 63) // digits alone
	if err != nil {
		return 0, false
	}
	return max(time.Duration(min(s, uint64(longest/time.Second)))*time.Second, time.Second), true
}
