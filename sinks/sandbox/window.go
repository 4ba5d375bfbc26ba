package sandbox

import "time"

// minute is the length of the windows of the limits.
const minute = time.Minute

// window is a sliding window: when the requests of the last minute were admitted.
type window struct {
	admitted []time.Time // in order
	now      time.Time   // the latest time seen
}

// admit counts a request at now if there is room for it under the limit: in no half-open
// minute are there more than limit. free is when the oldest request leaves the window.
// A now before an earlier one is taken for the earlier one.
func (w *window) admit(now time.Time, limit int) (ok bool, remaining int, free time.Time) {
	if now.Before(w.now) {
		now = w.now
	}
	w.now = now
	gone := 0
	for gone < len(w.admitted) && !w.admitted[gone].Add(minute).After(now) {
		gone++
	}
	w.admitted = append(w.admitted[:0], w.admitted[gone:]...)
	if ok = len(w.admitted) < limit; ok {
		w.admitted = append(w.admitted, now)
	}
	return ok, limit - len(w.admitted), w.admitted[0].Add(minute)
}
