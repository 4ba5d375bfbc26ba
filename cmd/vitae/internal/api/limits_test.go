package api

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

func TestRateLimit(t *testing.T) {
	w := newWorld(t, Config{WritePerMinute: 3, ReadPerMinute: 0})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	edit := func(n int) call {
		return call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"` + strconv.Itoa(n) + `"}`}
	}
	for i := range 3 {
		a := w.must(200, edit(i))
		reset := strconv.FormatInt(time.Date(2026, 5, 3, 10, 15, 0, 0, time.UTC).UnixMilli(), 10)
		for name, want := range map[string]string{
			"RateLimit-Policy": `"write";q=3;w=60`, "RateLimit": fmt.Sprintf(`"write";r=%d;t=%d`, 2-i, 60-10*i),
			"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": strconv.Itoa(2 - i), "X-RateLimit-Reset": reset,
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("request %d: %s is %s, want %s", i, name, got, want)
			}
		}
		w.clock.add(10 * time.Second)
	}
	a := w.must(429, edit(3))
	if a.header.Get("Retry-After") != "30" || a.header.Get("X-RateLimit-Remaining") != "0" || a.json(t)["code"] != "QUOTA_EXCEEDED" {
		t.Errorf("429: %v %s", a.header, a.body)
	}
	// Reads have no limit here, and say nothing of one; another key has its own.
	if a := w.must(200, call{method: "GET", path: "/v1/profile", key: key}); a.header.Get("RateLimit") != "" {
		t.Errorf("headers %v", a.header)
	}
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: w.key(id, keys.ProfileWrite), body: `{"summary":"b"}`})
	for i := range 10 {
		a := w.must(200, call{method: "PATCH", path: "/v1/profiles/" + id.String(), key: adminText, body: `{"summary":"` + strconv.Itoa(i) + `"}`})
		if a.header.Get("X-RateLimit-Limit") != "" {
			t.Error("the admin key is limited")
		}
	}
	// What was refused did not count, and Retry-After was enough.
	w.clock.add(30 * time.Second)
	w.must(200, edit(4))
	w.must(429, edit(5))
}

// TestLimitsSliding: of any minute, exactly the limit goes through.
func TestLimitsSliding(t *testing.T) {
	l := newLimits()
	start := time.Unix(1_000_000, 0)
	var passed []time.Time
	for i := range 5000 {
		now := start.Add(time.Duration(i) * 137 * time.Millisecond)
		v := l.take("k", true, 20, now)
		if v.ok {
			passed = append(passed, now)
		}
		in := 0
		for _, p := range passed {
			if now.Sub(p) < time.Minute {
				in++
			}
		}
		if in > 20 || !v.ok && in != 20 || v.remaining != 20-in {
			t.Fatalf("at %v: %d in the last minute, verdict %+v", now.Sub(start), in, v)
		}
		if !v.ok && now.Add(time.Duration(v.wait(now))*time.Second).Before(v.reset) {
			t.Fatalf("wait %d is too short", v.wait(now))
		}
	}
	if l.take("other", false, 1, start.Add(time.Hour)); len(l.byKey) != 1 {
		t.Errorf("%d keys are kept", len(l.byKey))
	}
}

func TestErrorsAreLimitedToo(t *testing.T) {
	w := newWorld(t, Config{WritePerMinute: 2, ReadPerMinute: 2})
	key := w.key(w.person(jane), keys.ProfileWrite)
	w.must(403, call{method: "GET", path: "/v1/profile", key: key})
	w.must(403, call{method: "GET", path: "/v1/profile", key: key})
	w.must(429, call{method: "GET", path: "/v1/profile", key: key})
	w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{}`})
	w.must(400, call{method: "POST", path: "/v1/resume", key: key, body: `{}`})
	w.must(429, call{method: "PATCH", path: "/v1/profile", key: key, body: `{}`})
	equal := w.key(ledger.ProfileID{}, keys.Admin)
	for range 5 {
		w.must(200, call{method: "GET", path: "/v1/keys", key: equal})
	}
}
