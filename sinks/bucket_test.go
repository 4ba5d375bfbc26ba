package sinks

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestBucketSlidingMinute takes all it gets for an hour. However late within the margin
// each call arrives, no minute has more than the rate.
func TestBucketSlidingMinute(t *testing.T) {
	for _, rate := range []Rate{{PerMinute: 18, Burst: 3}, {PerMinute: 20, Burst: 20}, {PerMinute: 1, Burst: 1}, {PerMinute: 600, Burst: 10}} {
		rng := rand.New(rand.NewPCG(1, uint64(rate.PerMinute)))
		start := time.Unix(1_800_000_000, 0)
		b := newBucket(rate, start)
		var arrived []time.Time
		for now := start; now.Before(start.Add(time.Hour)); {
			if wait := b.take(now); wait > 0 {
				now = now.Add(wait)
				continue
			}
			at := now.Add(time.Duration(rng.Int64N(int64(margin))))
			if n := len(arrived); n > 0 && at.Before(arrived[n-1]) {
				at = arrived[n-1]
			}
			arrived = append(arrived, at)
			now = now.Add(time.Duration(rng.Int64N(int64(10*time.Second))) / time.Duration(rate.PerMinute))
		}
		from := 0
		for to := range arrived {
			for arrived[to].Sub(arrived[from]) > time.Minute {
				from++
			}
			if n := to - from + 1; n > rate.PerMinute {
				t.Fatalf("%+v: %d calls in a minute", rate, n)
			}
		}
		if least := rate.PerMinute * 50; len(arrived) < least {
			t.Errorf("%+v: %d calls in an hour, less than %d", rate, len(arrived), least)
		}
	}
}

func TestBucketFreezeAndRefund(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := newBucket(Rate{PerMinute: 2, Burst: 2}, now)
	for i := range 3 {
		if wait := b.take(now); (wait == 0) != (i < 2) {
			t.Errorf("call %d waits for %s", i, wait)
		}
	}
	b.refund()
	if first, second := b.take(now), b.take(now); first != 0 || second == 0 {
		t.Error("a call that was not made is given back, once")
	}
	b.freeze(now.Add(7 * time.Second))
	if wait := b.take(now); wait != 7*time.Second {
		t.Errorf("frozen for %s", wait)
	}
	if v := b.view(now); v.Limit != 2 || v.Remaining != 0 || v.ResetSeconds != 7 {
		t.Errorf("%+v", v)
	}
	free := newBucket(Rate{}, now)
	free.freeze(now.Add(time.Second))
	for _, after := range []time.Duration{0, time.Second, time.Second} {
		if wait := free.take(now.Add(after)); wait != time.Second-after {
			t.Errorf("without a rate, frozen for a second: after %s it waits for %s", after, wait)
		}
	}
}

func TestBreaker(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := &breaker{}
	for i := range breakerRow {
		if b.open(now) > 0 {
			t.Fatalf("open after %d failures", i)
		}
		b.enter()
		b.leave(now, false)
	}
	if b.open(now) != breakerFirst {
		t.Error("not open after five failures in a row")
	}
	now = now.Add(breakerFirst)
	if b.open(now) > 0 {
		t.Error("no probe")
	}
	b.enter()
	if b.open(now) == 0 {
		t.Error("a second probe at the same time")
	}
	b.cancel()
	b.enter()
	if _, tripped := b.leave(now, false); tripped || b.open(now) != 2*breakerFirst {
		t.Errorf("after a failed probe it is open for %s", b.open(now))
	}
	now = now.Add(2 * breakerFirst)
	b.enter()
	if closed, _ := b.leave(now, true); !closed || b.open(now) > 0 {
		t.Error("a good probe closes it")
	}
	for i := range breakerCalls {
		b.leave(now, i%2 == 0)
	}
	if b.open(now) == 0 {
		t.Error("half of twenty calls fail, and it is closed")
	}
}

// TestBucketSlowsDownAfterA429: half the rate after each, down to a sixteenth, and all of it
// again in ten minutes without one.
func TestBucketSlowsDownAfterA429(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := newBucket(Rate{PerMinute: 60, Burst: 1}, now)
	granted := func(d time.Duration) (n int) {
		for end := now.Add(d); now.Before(end); {
			if wait := b.take(now); wait > 0 {
				now = now.Add(wait)
				continue
			}
			b.served()
			n++
		}
		return n
	}
	full := granted(5 * time.Minute)
	b.throttled(now, time.Second, 0)
	b.throttled(now, time.Second, 0)
	if slow := granted(time.Minute); slow > full/5/3 || slow < 10 {
		t.Errorf("%d calls in the minute after two 429, %d in five minutes before", slow, full)
	}
	granted(10 * time.Minute)
	if again := granted(5 * time.Minute); again < full-3 {
		t.Errorf("%d calls in five minutes later, %d before", again, full)
	}
	for range 20 {
		b.throttled(now, time.Millisecond, 0)
	}
	if b.pace() < 60.0/16-0.01 {
		t.Errorf("%.2f calls a minute are left of 60", b.pace())
	}
}
