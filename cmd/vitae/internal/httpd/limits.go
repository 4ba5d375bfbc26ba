package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limits counts what each key did in the last minute: of any sliding minute, exactly the
// limit is let through.
type limits struct {
	mu    sync.Mutex
	byKey map[limitKey]*window
	swept time.Time
}

type limitKey struct {
	key   string
	write bool
}

// window is a ring of the times of the last requests that were let through.
type window struct {
	times []time.Time
	next  int
}

func newLimits() *limits { return &limits{byKey: map[limitKey]*window{}} }

// verdict is what a request is told about its limit.
type verdict struct {
	ok        bool
	limit     int
	remaining int
	// reset is when the window has a place again that it has not now: the whole limit
	// is there again when the oldest counted request is a minute old.
	reset time.Time
}

func (l *limits) take(key string, write bool, limit int, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > time.Minute {
		l.sweep(now)
	}
	k := limitKey{key, write}
	w := l.byKey[k]
	if w == nil {
		w = &window{times: make([]time.Time, limit)}
		l.byKey[k] = w
	}
	v := verdict{limit: limit}
	oldest := w.times[w.next]
	if now.Sub(oldest) >= time.Minute {
		w.times[w.next] = now
		w.next = (w.next + 1) % limit
		v.ok = true
	}
	v.reset = now
	for i := range limit {
		t := w.times[(w.next+i)%limit]
		if now.Sub(t) >= time.Minute {
			v.remaining++
			continue
		}
		v.reset = t.Add(time.Minute)
		break
	}
	return v
}

// sweep forgets keys that did nothing for a minute.
func (l *limits) sweep(now time.Time) {
	l.swept = now
	for k, w := range l.byKey {
		newest := w.times[(w.next+len(w.times)-1)%len(w.times)]
		if now.Sub(newest) >= time.Minute {
			delete(l.byKey, k)
		}
	}
}

// tell writes the headers of the rate limit drafts and Mokaru's.
func (v verdict) tell(h http.Header, policy string, now time.Time) {
	seconds := int((v.reset.Sub(now) + time.Second - 1) / time.Second)
	h.Set("RateLimit-Policy", `"`+policy+`";q=`+strconv.Itoa(v.limit)+`;w=60`)
	h.Set("RateLimit", `"`+policy+`";r=`+strconv.Itoa(v.remaining)+`;t=`+strconv.Itoa(max(seconds, 0)))
	h.Set("X-RateLimit-Limit", strconv.Itoa(v.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(v.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(v.reset.UnixMilli(), 10))
}

// wait is how long until one more request is let through, in whole seconds.
func (v verdict) wait(now time.Time) int {
	return max(1, int((v.reset.Sub(now)+time.Second-1)/time.Second))
}
