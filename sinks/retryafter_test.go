package sinks_test

import (
	"net/http"
	"testing"
	"time"

	"vitae/sinks"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	in := func(d time.Duration, layout string) string { return now.Add(d).Format(layout) }
	for _, c := range []struct {
		header, date string
		want         time.Duration // 0: it does not say
	}{
		{"7", "", 7 * time.Second}, {" 7 ", "", 7 * time.Second}, {"0", "", time.Second}, {"007", "", 7 * time.Second}, {"3600", "", time.Hour}, {"3601", "", time.Hour},
		{"9223372036854775807", "", time.Hour}, {"", "", 0}, {"soon", "", 0}, {"-1", "", 0}, {"+7", "", 0}, {"1.5", "", 0}, {"1e3", "", 0}, {"7s", "", 0}, {"7, 8", "", 0},
		{in(90*time.Second, http.TimeFormat), "", 90 * time.Second}, {in(-time.Hour, http.TimeFormat), "", time.Second}, {in(48*time.Hour, http.TimeFormat), "", time.Hour},
		{in(90*time.Second, time.ANSIC), "", 90 * time.Second}, {in(90*time.Second, "Monday, 02-Jan-06 15:04:05 GMT"), "", 90 * time.Second},
		{in(90*time.Second, time.RFC3339), "", 0}, {"Thu, 32 Jan 2026 00:00:00 GMT", "", 0},
		// Their clock is an hour ahead.
		{in(time.Hour+90*time.Second, http.TimeFormat), in(time.Hour, http.TimeFormat), 90 * time.Second}, {"7", in(time.Hour, http.TimeFormat), 7 * time.Second},
		{in(90*time.Second, http.TimeFormat), "soon", 90 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.header)
		if c.date != "" {
			h.Set("Date", c.date)
		}
		if got, ok := sinks.RetryAfter(h, now, time.Hour); got != c.want || ok != (c.want > 0) {
			t.Errorf("%q at %q: %s, %v, want %s", c.header, c.date, got, ok, c.want)
		}
	}
	if _, ok := sinks.RetryAfter(nil, now, time.Hour); ok {
		t.Error("no header says something")
	}
}

// FuzzRetryAfter: whatever an answer says, the wait is in its bounds.
func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Add("99999999999999999999", "x")
	f.Fuzz(func(t *testing.T, header, date string) {
		h := http.Header{"Retry-After": {header}, "Date": {date}}
		if wait, ok := sinks.RetryAfter(h, time.Now(), time.Hour); ok && (wait < time.Second || wait > time.Hour) || !ok && wait != 0 {
			t.Fatalf("%q: %s, %v", header, wait, ok)
		}
	})
}
