package sinks

import (
	"time"
)

// bucket bounds the calls made with one credential: a token bucket, and over it a
// sliding minute, so that the provider never counts more than the rate in any minute,
// also when a full bucket is emptied at once. It is guarded by the manager's mutex.
type bucket struct {
	rate   Rate
	tokens float64
	last   time.Time   // when tokens was computed
	used   time.Time   // when a call was last asked for
	recent []time.Time // ring of the last rate.PerMinute grants; nil when the rate has no limit worth a ring
	next   int         // place of the oldest grant in recent
	frozen time.Time   // 429: nothing before
	hits   int         // throttled answers in a row that did not say how long
	slow   float64     // part of the rate that is used: less after a 429, all of it again later
	day    time.Time   // the day of UTC that calls counts
	calls  int

	waiting []*lane
	timer   *time.Timer
}

// margin is added to the sliding minute: a call arrives later than it was let go.
const margin = 2 * time.Second

// ringLimit is the highest rate for which every grant is remembered; above it the token
// bucket alone decides.
const ringLimit = 6000

func newBucket(r Rate, now time.Time) *bucket {
	if r.PerMinute > 0 && r.Burst < 1 {
		r.Burst = max(1, r.PerMinute/60)
	}
	b := &bucket{rate: r, tokens: float64(r.Burst), last: now, slow: 1}
	if r.PerMinute > 0 && r.PerMinute <= ringLimit {
		b.recent = make([]time.Time, r.PerMinute)
	}
	return b
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.last); d > 0 {
		b.tokens = min(float64(b.rate.Burst), b.tokens+d.Minutes()*b.pace())
		b.slow = min(1, b.slow+d.Minutes()*recovery)
		b.last = now
	}
}

// recovery is how much of the rate comes back in a minute after a 429, and slowest what is
// left of it at the least.
const (
	recovery = 0.1
	slowest  = 1.0 / 16
)

// pace is the calls a minute that are made at present.
func (b *bucket) pace() float64 { return max(1.0/60, float64(b.rate.PerMinute)*b.slow) }

// today counts from zero when a day of UTC begins.
func (b *bucket) today(now time.Time) {
	if day := now.UTC().Truncate(24 * time.Hour); day.After(b.day) {
		b.day, b.calls = day, 0
	}
}

// midnight is when the next day of UTC begins.
func midnight(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// wait is how long the bucket is frozen.
func (b *bucket) wait(now time.Time) time.Duration { return max(0, b.frozen.Sub(now)) }

// throttled freezes the bucket after a 429, and slows it down. Without a word about how
// long, the rate's probes say; after the last one it is over for the day. jitter is in
// [0, 1).
func (b *bucket) throttled(now time.Time, said time.Duration, jitter float64) {
	wait := said
	switch {
	case said > 0:
		b.hits = 0
	case b.rate.Probes == nil:
		wait = throttledWait
	case b.hits < len(b.rate.Probes):
		wait = b.rate.Probes[b.hits]
		b.hits++
	default:
		wait = midnight(now).Sub(now) + time.Duration(jitter*float64(10*time.Minute))
	}
	b.slow = max(slowest, b.slow/2)
	b.freeze(now.Add(wait))
}

// served says that a call was not throttled.
func (b *bucket) served() { b.hits = 0 }

// take grants a call now, or says how long to wait before asking again.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	b.used = now
	if wait := b.frozen.Sub(now); wait > 0 {
		return wait
	}
	if b.today(now); b.rate.PerDay > 0 && b.calls >= b.rate.PerDay {
		return midnight(now).Sub(now)
	}
	if b.rate.PerMinute <= 0 {
		b.grant(now)
		return 0
	}
	b.refill(now)
	if b.tokens < 1 {
		return max(time.Millisecond, time.Duration((1-b.tokens)/b.pace()*float64(time.Minute)))
	}
	if len(b.recent) > 0 {
		oldest := b.recent[b.next]
		if wait := oldest.Add(time.Minute + margin).Sub(now); !oldest.IsZero() && wait > 0 {
			return wait
		}
	}
	b.grant(now)
	return 0
}

// grant books a call; also one that was made before the process started.
func (b *bucket) grant(at time.Time) {
	b.today(at)
	b.calls++
	b.tokens = max(0, b.tokens-1)
	if len(b.recent) > 0 {
		b.recent[b.next] = at
		b.next = (b.next + 1) % len(b.recent)
	}
}

// refund gives back the last grant: the call was not made.
func (b *bucket) refund() {
	b.calls = max(0, b.calls-1)
	b.tokens = min(float64(b.rate.Burst), b.tokens+1)
	if len(b.recent) > 0 {
		b.next = (b.next + len(b.recent) - 1) % len(b.recent)
		b.recent[b.next] = time.Time{}
	}
}

// bucketAge is how long a bucket is kept that nobody asks.
const bucketAge = 15 * time.Minute

// idle says that the bucket is as good as a new one.
func (b *bucket) idle(now time.Time) bool {
	return now.Sub(b.used) > bucketAge && now.After(b.frozen) && b.timer == nil && len(b.waiting) == 0 && b.hits == 0 && b.slow+now.Sub(b.last).Minutes()*recovery >= 1
}

// freeze stops all calls for a while.
func (b *bucket) freeze(until time.Time) {
	if until.After(b.frozen) {
		b.frozen = until
	}
	b.tokens = 0
	b.last = b.frozen
}

// view is what the API shows.
func (b *bucket) view(now time.Time) RateView {
	v := RateView{Limit: b.rate.PerMinute}
	if b.rate.PerMinute > 0 {
		used := 0
		for _, at := range b.recent {
			if !at.IsZero() && now.Sub(at) < time.Minute {
				used++
				v.ResetSeconds = max(v.ResetSeconds, int((time.Minute-now.Sub(at)+time.Second-1)/time.Second))
			}
		}
		v.Remaining = b.rate.PerMinute - used
	}
	if b.rate.PerDay > 0 {
		v.DayLimit, v.DayRemaining = b.rate.PerDay, b.rate.PerDay
		if b.day.Equal(now.UTC().Truncate(24 * time.Hour)) {
			v.DayRemaining = max(0, b.rate.PerDay-b.calls)
		}
	}
	if wait := b.frozen.Sub(now); wait > 0 {
		v.Remaining, v.ResetSeconds = 0, int((wait+time.Second-1)/time.Second)
	}
	return v
}

// breaker stops calls to something that fails all the time: after some failures in a
// row, or when most of a minute's calls fail, it opens; then one call at a time may try.
// It is guarded by the manager's mutex.
type breaker struct {
	row      int // failures in a row
	calls    int // in the present minute
	failures int
	minute   time.Time
	trips    int // in a row
	until    time.Time
	probing  bool
}

const (
	breakerRow   = 5
	breakerCalls = 20
	breakerFirst = 5 * time.Second
	breakerLong  = 30 * time.Second // so that recovery is noticed within it
)

// open says how long no call may be made; 0 when one may.
func (b *breaker) open(now time.Time) time.Duration {
	switch {
	case b == nil || b.until.IsZero():
		return 0
	case now.Before(b.until):
		return b.until.Sub(now)
	case b.probing:
		return time.Second
	}
	return 0
}

// enter books a call that is about to be made.
func (b *breaker) enter() {
	if b != nil && !b.until.IsZero() {
		b.probing = true
	}
}

// leave books how a call ended; closed says that this one ended an outage. A call that
// says nothing about the provider's health (a refusal, a throttling) is a good one.
func (b *breaker) leave(now time.Time, ok bool) (closed, tripped bool) {
	b.probing = false
	if now.Sub(b.minute) > time.Minute {
		b.minute, b.calls, b.failures = now, 0, 0
	}
	b.calls++
	if ok {
		closed = !b.until.IsZero()
		b.row = 0
		if closed {
			*b = breaker{}
		}
		return closed, false
	}
	b.row++
	b.failures++
	wasOpen := !b.until.IsZero()
	if wasOpen || b.row >= breakerRow || b.calls >= breakerCalls && 2*b.failures >= b.calls {
		b.trips++
		b.until = now.Add(min(breakerFirst<<min(b.trips-1, 10), breakerLong))
		return false, !wasOpen
	}
	return false, false
}

// cancel takes back an enter whose call was not made.
func (b *breaker) cancel() {
	if b != nil {
		b.probing = false
	}
}
