package sandbox

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWindowIsNeverExceeded(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		limit := 1 + r.IntN(20)
		var w window
		var admitted []time.Time
		now := newClock().t
		for range 2000 {
			now = now.Add(time.Duration(r.Int64N(int64(2 * minute / time.Duration(limit)))))
			before := len(admitted)
			inWindow := 0
			for i := before - 1; i >= 0 && now.Sub(admitted[i]) < minute; i-- {
				inWindow++
			}
			ok, remaining, free := w.admit(now, limit)
			if ok != (inWindow < limit) {
				t.Fatalf("seed %d: %d of %d in the last minute, admitted: %v", seed, inWindow, limit, ok)
			}
			if ok {
				admitted = append(admitted, now)
				inWindow++
			}
			oldest := admitted[len(admitted)-inWindow]
			if remaining != limit-inWindow || !free.Equal(oldest.Add(minute)) {
				t.Fatalf("seed %d: remaining %d, free %s", seed, remaining, free)
			}
		}
	}
}

func TestWindowWhenTheClockGoesBack(t *testing.T) {
	var w window
	now := newClock().t
	w.admit(now, 1)
	if ok, _, free := w.admit(now.Add(-time.Hour), 1); ok || !free.Equal(now.Add(minute)) {
		t.Error("a clock that goes back gives room")
	}
}

// Trap: Reset is in milliseconds of the epoch, Retry-After in seconds.
func TestLimitHeaders(t *testing.T) {
	c := newClock()
	c.move(250 * time.Millisecond)
	g := start(t, Options{Clock: c.now, PerMinute: 3})
	began := c.now()
	header := func(a answer, name string) int64 {
		n, err := strconv.ParseInt(a.header.Get(name), 10, 64)
		if err != nil {
			t.Fatalf("%s: %q", name, a.header.Get(name))
		}
		return n
	}
	calls := []func() answer{
		func() answer { return g.get(1) },
		func() answer { return g.patch(1, `{"firstName":"A"}`) },
		func() answer { return g.patch(1, `{}`) }, // a wrong one counts too
	}
	for i, call := range calls {
		a := call()
		if header(a, "X-RateLimit-Limit") != 3 || header(a, "X-RateLimit-Remaining") != int64(2-i) || header(a, "X-RateLimit-Reset") != began.Add(minute).UnixMilli() {
			t.Errorf("call %d: %d %v", i, a.status, a.header)
		}
		if a.header.Get("Retry-After") != "" {
			t.Errorf("call %d has Retry-After", i)
		}
		c.move(10 * time.Second)
	}
	a := g.get(1)
	if a.status != http.StatusTooManyRequests || header(a, "Retry-After") != 30 || header(a, "X-RateLimit-Remaining") != 0 ||
		header(a, "X-RateLimit-Reset") != began.Add(minute).UnixMilli() || !strings.Contains(a.body, `"error"`) {
		t.Errorf("over the limit: %d %v %s", a.status, a.header, a.body)
	}
	if a := g.get(2); a.status != http.StatusOK {
		t.Errorf("another account: %d", a.status)
	}
	c.move(30*time.Second - time.Nanosecond)
	if a := g.get(1); a.status != http.StatusTooManyRequests || header(a, "Retry-After") != 1 {
		t.Errorf("just before there is room: %d %v", a.status, a.header)
	}
	c.move(time.Nanosecond)
	if a := g.get(1); a.status != http.StatusOK || header(a, "X-RateLimit-Remaining") != 0 || header(a, "X-RateLimit-Reset") != began.Add(10*time.Second+minute).UnixMilli() {
		t.Errorf("when there is room: %d %v", a.status, a.header)
	}
	for _, a := range []answer{g.do("GET", "/mokaru/v1/nothing", "", "Authorization", "Bearer "+key(3)), g.do("GET", "/mokaru/v1/profile", "")} {
		if header(a, "X-RateLimit-Limit") != 3 || header(a, "X-RateLimit-Reset") < 1e12 {
			t.Errorf("%d without the headers: %v", a.status, a.header)
		}
	}
}

func TestNoLimit(t *testing.T) {
	g := start(t, Options{})
	for range 2 * DefaultPerMinute {
		if a := g.get(1); a.status != http.StatusOK || a.header.Get("X-RateLimit-Limit") != "" {
			t.Fatalf("%d %v", a.status, a.header)
		}
	}
	for _, o := range []Options{{PerMinute: -1}, {PerDay: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("a negative limit is taken: %+v", o)
		}
	}
}

func TestConcurrentCallsShareOneWindow(t *testing.T) {
	g := start(t, Options{Clock: newClock().now, PerMinute: DefaultPerMinute})
	var admitted, refused atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				a, err := g.try("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1))
				switch {
				case err != nil:
					t.Error(err)
				case a.status == http.StatusOK:
					admitted.Add(1)
				case a.status == http.StatusTooManyRequests:
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	if admitted.Load() != DefaultPerMinute || refused.Load() != 80-DefaultPerMinute {
		t.Errorf("%d admitted, %d refused", admitted.Load(), refused.Load())
	}
}
