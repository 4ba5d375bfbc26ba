package sinks_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

func points() []sinks.Point {
	return []sinks.Point{sinks.BeforeIntent, sinks.AfterIntent, sinks.BeforeCall, sinks.AfterReply, sinks.AfterResult, sinks.InResolve, sinks.AfterRead, sinks.BeforeCursor}
}

const (
	secret = "mk_canary-credential"
	canary = "canary-value"
)

// TestKillPoints kills the process at every point of a delivery, under every fate of the
// request, with a box that can be read back and one that cannot; then another process
// goes on. Whatever happened, the box ends with the profile's state, and the invariants
// hold.
func TestKillPoints(t *testing.T) {
	for _, blind := range []bool{false, true} {
		for _, fate := range sinktest.Fates() {
			for _, at := range append(points(), "never") {
				t.Run(fmt.Sprintf("blind=%v/%s/%s", blind, fate, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { killAt(t, at, fate, blind) })
				})
			}
		}
	}
}

func killAt(t *testing.T, at sinks.Point, fate sinktest.Fate, blind bool) {
	b := newBench(t)
	b.box.Blind = blind
	id := b.w.Create("firstName", `"`+canary+`"`)
	b.w.Bind(id, sinktest.BoxName, secret, "")
	p := b.start()
	p.rest(time.Hour)
	b.same(id, secret)

	// From here on the next request meets its fate, and the process its end.
	b.mu.Lock()
	first := b.sent
	b.mu.Unlock()
	p.halt()
	b.fate = func(n int) sinktest.Fate {
		if n == first {
			return fate
		}
		return sinktest.OK
	}
	var once sync.Once
	killed := make(chan struct{})
	b.probe = func(p *process, point sinks.Point) {
		if point == at {
			once.Do(func() { p.kill(); close(killed) })
		}
	}
	p = b.start()
	b.w.Set(id, "lastName", `"one"`)
	select {
	case <-killed:
	case <-time.After(5 * time.Minute): // this delivery does not come by there
		b.same(id, secret)
	}
	b.w.Set(id, "lastName", `"two"`)
	select {
	case <-killed:
		p.gone()
		p = b.start()
	default:
	}
	p.rest(2 * time.Hour)
	b.same(id, secret)
	b.w.Set(id, "city", `"three"`)
	p.rest(2 * time.Hour)
	p.halt()
	b.same(id, secret)
	b.check(secret, canary)
	b.replay()
	b.same(id, secret)
}

// TestRandomWalk is the same with several profiles, random fates and kills at random
// points. The final state is that of a run in which nothing goes wrong.
func TestRandomWalk(t *testing.T) {
	for i := range 40 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) { walk(t, rand.New(rand.NewPCG(seed, 2))) })
		})
	}
}

func walk(t *testing.T, rng *rand.Rand) {
	b := newBench(t)
	b.box.Blind = rng.IntN(2) == 0
	b.box.Limit = sinks.Rate{PerMinute: 60, Burst: 5}
	var mu sync.Mutex // guards rng
	calm := false
	b.fate = func(int) sinktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if calm || rng.IntN(3) > 0 {
			return sinktest.OK
		}
		return sinktest.Fates()[rng.IntN(len(sinktest.Fates()))]
	}
	b.probe = func(p *process, _ sinks.Point) {
		mu.Lock()
		defer mu.Unlock()
		if !calm && rng.IntN(25) == 0 {
			p.kill()
		}
	}
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	var ids []ledger.ProfileID
	key := func(i int) string { return fmt.Sprintf("%s-%d", secret, i) }
	for i := range 4 {
		id := b.w.Create("firstName", fmt.Sprintf(`"%s%d"`, canary, i))
		b.w.Bind(id, sinktest.BoxName, key(i), "")
		ids = append(ids, id)
	}
	p := b.start()
	for i := range 30 {
		b.w.Set(ids[draw(4)], "city", fmt.Sprintf(`"%d"`, i))
		select {
		case <-p.end:
			p = b.start()
		case <-time.After(time.Duration(draw(20_000)) * time.Millisecond):
		}
	}
	mu.Lock()
	calm = true
	mu.Unlock()
	select {
	case <-p.end:
		p = b.start()
	case <-time.After(time.Minute):
	}
	p.rest(24 * time.Hour)
	p.halt()
	for i, id := range ids {
		b.same(id, key(i))
	}
	b.check(secret, canary)
	b.replay()
}
