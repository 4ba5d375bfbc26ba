package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limitWindow is the time that a limit counts over.
const limitWindow = time.Minute

// limits counts what each key did in the last minute, of any sliding minute, on this
// instance: exactly the limit is let through. What is refused does not count.
type limits struct {
	mu    sync.Mutex
	byKey map[limitKey]*window
	swept time.Time
}

type limitKey struct {
	key   string
	write bool
}

// window is a ring of the times of the requests that were let through and are not a
// minute old. It grows to the limit, and only as far as it is used.
type window struct {
	times []time.Time
	first int // of the oldest
	n     int
}

func newLimits() *limits { return &limits{byKey: map[limitKey]*window{}} }

// verdict is what a request is told about its limit.
type verdict struct {
	ok        bool
	limit     int
	remaining int
	// reset is when one more request is let through than now: when the oldest counted
	// one is a minute old.
	reset time.Time
}

func (l *limits) take(key string, write bool, limit int, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > limitWindow {
		l.sweep(now)
	}
	k := limitKey{key, write}
	w := l.byKey[k]
	if w == nil {
		w = &window{}
		l.byKey[k] = w
	}
	w.expire(now)
	v := verdict{limit: limit, ok: w.n < limit}
	if v.ok {
		w.push(now, limit)
	}
	v.remaining = limit - w.n
	v.reset = w.times[w.first].Add(limitWindow)
	return v
}

// expire drops what is a minute old.
func (w *window) expire(now time.Time) {
	for w.n > 0 && now.Sub(w.times[w.first]) >= limitWindow {
		w.first = (w.first + 1) % len(w.times)
		w.n--
	}
}

func (w *window) push(now time.Time, limit int) {
	if w.n == len(w.times) {
		more := make([]time.Time, min(limit, max(8, 2*w.n)))
		for i := range w.n {
			more[i] = w.times[(w.first+i)%len(w.times)]
		}
		w.times, w.first = more, 0
	}
	w.times[(w.first+w.n)%len(w.times)] = now
	w.n++
}

// sweep forgets keys that did nothing for a minute.
func (l *limits) sweep(now time.Time) {
	l.swept = now
	for k, w := range l.byKey {
		if w.expire(now); w.n == 0 {
			delete(l.byKey, k)
		}
	}
}

// tell writes the headers of the rate limit draft and Mokaru's. The names are in the
// form that net/http would make of them.
func (v verdict) tell(h http.Header, policy string, now time.Time) {
	limit, remaining := strconv.Itoa(v.limit), strconv.Itoa(v.remaining)
	h["Ratelimit-Policy"] = []string{`"` + policy + `";q=` + limit + `;w=60`}
	h["Ratelimit"] = []string{`"` + policy + `";r=` + remaining + `;t=` + strconv.Itoa(v.wait(now))}
	h["X-Ratelimit-Limit"] = []string{limit}
	h["X-Ratelimit-Remaining"] = []string{remaining}
	h["X-Ratelimit-Reset"] = []string{strconv.FormatInt(v.reset.UnixMilli(), 10)}
}

// wait is how long until reset, in whole seconds, never too short.
func (v verdict) wait(now time.Time) int {
	return max(1, int((v.reset.Sub(now)+time.Second-1)/time.Second))
}
