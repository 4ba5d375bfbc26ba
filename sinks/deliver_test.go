package sinks_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newBench(t)) })
}

func key(i int) string { return fmt.Sprintf("key-%d", i) }

func (b *bench) connect(n int) (ids []ledger.ProfileID) {
	for i := range n {
		id := b.w.Create("firstName", fmt.Sprintf(`"p%d"`, i))
		b.w.Bind(id, sinktest.BoxName, key(i), "")
		ids = append(ids, id)
	}
	return ids
}

func (p *process) sink() sinks.Sink {
	p.b.Helper()
	s, err := p.m.Sink(context.Background(), sinktest.BoxName)
	if err != nil {
		p.b.Fatal(err)
	}
	return s
}

func (p *process) connection(id ledger.ProfileID) sinks.Connection {
	p.b.Helper()
	c, err := p.m.Connections(context.Background(), id)
	if err != nil || len(c) != 1 {
		p.b.Fatalf("%+v, %v", c, err)
	}
	return c[0]
}

func (p *process) parked() []sinks.ParkedEdit {
	p.b.Helper()
	list, err := p.m.Parked(context.Background(), sinktest.BoxName)
	if err != nil {
		p.b.Fatal(err)
	}
	return list
}

// decide is what an operator does: a commit, which the sinks take in.
func (p *process) decide(id sinks.ID, a sinks.Action) {
	p.b.Helper()
	edit, err := p.m.ParkedEdit(context.Background(), sinktest.BoxName, id)
	if err != nil {
		p.b.Fatal(err)
	}
	seq := p.b.w.Decide(edit.Profile, sinktest.BoxName, id.String(), string(a))
	if err := p.m.CaughtUp(context.Background(), seq); err != nil {
		p.b.Fatal(err)
	}
}

// busiest is the most calls in any minute, begun and ended anywhere.
func busiest(calls []time.Time) int {
	most, from := 0, 0
	for to := range calls {
		for calls[to].Sub(calls[from]) > time.Minute {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

func TestConvergedSinkIsNotCalled(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		before := len(b.box.Calls())
		b.w.Set(id, "headline", `"not carried"`)
		b.w.Set(id, "firstName", `"p0"`)
		p.rest(time.Minute)
		c := p.connection(id)
		if c.State != sinks.InSync || c.AcknowledgedSeq != c.HeadSeq || c.HeadSeq != 4 {
			t.Errorf("%+v", c)
		}
		p.halt()
		b.replay()
		if n := len(b.box.Calls()) - before; n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestRate has eight workers, fifty profiles and one credential: in no minute are there
// more than the provider's twenty calls, also over a restart.
func TestRate(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.box.Limit = sinks.Rate{PerMinute: 18, Burst: 3}
		b.cfg.Workers = 8
		var ids []ledger.ProfileID
		for i := range 50 {
			id := b.w.Create("firstName", fmt.Sprintf(`"p%d"`, i))
			b.w.Bind(id, sinktest.BoxName, "one-key-for-all", "")
			ids = append(ids, id)
		}
		start := time.Now()
		p := b.start()
		time.Sleep(40 * time.Second)
		p.kill()
		p.gone()
		p = b.start()
		p.rest(time.Hour)
		for range 3 {
			for _, id := range ids[:20] {
				b.w.Set(id, "city", fmt.Sprintf(`"%d"`, time.Now().UnixNano()))
			}
			p.rest(time.Hour)
		}
		p.halt()
		if most := busiest(b.box.Calls()); most > 20 {
			t.Errorf("%d calls in one minute", most)
		}
		if took := time.Since(start); len(b.box.Puts()) < 110 || took > 9*time.Minute {
			t.Errorf("%d calls took %s: the rate is not used", len(b.box.Puts()), took)
		}
		b.check("one-key-for-all")
	})
}

func TestNewestWins(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.box.Limit = sinks.Rate{PerMinute: 6, Burst: 1}
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		for i := range 100 {
			b.w.Set(id, "city", fmt.Sprintf(`"%d"`, i))
			time.Sleep(100 * time.Millisecond)
		}
		p.rest(time.Minute)
		p.halt()
		b.same(id, "key-0")
		if n := len(b.box.Puts()); n > 4 {
			t.Errorf("%d calls for a hundred edits in ten seconds", n)
		}
	})
}

func TestThrottlingCostsNoAttempts(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		b.fate = func(n int) sinktest.Fate {
			if n < 40 {
				return sinktest.Throttle
			}
			return sinktest.OK
		}
		p := b.start()
		if r := p.rest(time.Hour); r.Parked != 0 {
			t.Errorf("%+v", p.parked())
		}
		p.halt()
		b.same(id, "key-0")
		calls := b.journal()
		for i, e := range calls[1:] {
			if e.Row.Event == sinks.Claim && calls[i].Row.Event == sinks.Postpone && e.Row.At.Time().Sub(calls[i].Row.At.Time()) < 7*time.Second {
				t.Errorf("called again %s after a 429 that said 7 s", e.Row.At.Time().Sub(calls[i].Row.At.Time()))
			}
		}
	})
}

// TestPoisonedAccounts: one account hangs, one refuses, one has no credential; the others
// are as fast as ever.
func TestPoisonedAccounts(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(40)
		p := b.start()
		p.rest(time.Minute)
		b.box.Refuse = func(body []byte) bool { return strings.Contains(string(body), "poison") }
		b.box.OnPut = func(put sinktest.Put) {
			if put.Credential == "key-1" {
				time.Sleep(8 * time.Second)
			}
		}
		b.w.SetSecret(ids[2], "credential."+sinktest.BoxName, "")
		start := time.Now()
		b.w.Set(ids[0], "city", `"poison"`)
		for _, id := range ids[1:] {
			b.w.Set(id, "city", `"fine"`)
		}
		time.Sleep(time.Second)
		for i, id := range ids[3:] {
			b.same(id, fmt.Sprintf("key-%d", i+3))
		}
		if list := p.parked(); len(list) != 1 || list[0].Profile != ids[0] || list[0].Code != sinks.ParkRefused || list[0].Evidence.HTTP != 400 {
			t.Errorf("parked: %+v", list)
		}
		if time.Since(start) > 2*time.Second || p.connection(ids[0]).State != sinks.ConnectionParked || p.connection(ids[2]).State != sinks.ConnectionPaused {
			t.Errorf("%+v %+v", p.connection(ids[0]), p.connection(ids[2]))
		}
		time.Sleep(time.Minute)
		b.same(ids[1], "key-1")
		p.halt()
	})
}

// TestOutage: the provider is away for ten minutes. Nothing is parked, nobody does
// anything, and half a minute after it is back everything is there.
func TestOutage(t *testing.T) {
	for _, fate := range []sinktest.Fate{sinktest.RefusedDial, sinktest.ErrorAfter} {
		t.Run(string(fate), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				ids := b.connect(20)
				p := b.start()
				p.rest(time.Minute)
				p.halt()
				down := time.Now()
				b.fate = func(int) sinktest.Fate {
					if time.Since(down) < 10*time.Minute {
						return fate
					}
					return sinktest.OK
				}
				p = b.start()
				for i := range 100 {
					b.w.Set(ids[i%20], "city", fmt.Sprintf(`"%d"`, i))
					time.Sleep(5900 * time.Millisecond)
				}
				time.Sleep(time.Until(down.Add(10*time.Minute + 31*time.Second)))
				for i, id := range ids {
					if fate == sinktest.RefusedDial {
						b.same(id, fmt.Sprintf("key-%d", i))
					}
				}
				if r := p.rest(10 * time.Minute); r.Parked != 0 {
					t.Errorf("%d parked", r.Parked)
				}
				for i, id := range ids {
					b.same(id, fmt.Sprintf("key-%d", i))
				}
				p.halt()
				b.check("key-1")
			})
		})
	}
}

func TestExhausted(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.box.Blind = true
		b.cfg.MaxAttempts = 3
		b.connect(1)
		b.fate = func(int) sinktest.Fate { return sinktest.LostBefore }
		p := b.start()
		if r := p.rest(time.Hour); r.Parked != 1 {
			t.Fatal("not parked")
		}
		calls := b.sent
		if list := p.parked(); list[0].Code != sinks.ParkExhausted || calls != 3 {
			t.Errorf("%d calls, %+v", calls, list)
		}
		time.Sleep(48 * time.Hour)
		if b.sent != calls {
			t.Error("called after the budget was spent")
		}
		p.halt()
	})
}

// TestStopFinishesWhatIsUnderWay: a stop waits for the answer and stores it.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		called := make(chan struct{}, 1)
		b.box.OnPut = func(sinktest.Put) {
			called <- struct{}{}
			time.Sleep(500 * time.Millisecond)
		}
		p := b.start()
		<-called
		p.halt()
		if j := b.journal(); j[len(j)-1].Row.Event != sinks.Succeed {
			t.Errorf("the last row is %s", j[len(j)-1].Row.Event)
		}
		b.same(id, "key-0")
		b.replay()

		// What takes longer than the grace is in doubt, and settled by the next process.
		b.box.OnPut = func(sinktest.Put) {
			called <- struct{}{}
			time.Sleep(5 * time.Second)
		}
		b.fate = func(int) sinktest.Fate { return sinktest.LostAfter }
		p = b.start()
		b.w.Set(id, "city", `"x"`)
		<-called
		p.halt()
		b.box.OnPut, b.fate = nil, nil
		puts := len(b.box.Puts())
		p = b.start()
		p.rest(time.Hour)
		p.halt()
		b.same(id, "key-0")
		if n := len(b.box.Puts()) - puts; n != 0 {
			t.Errorf("%d more calls, although a read shows that it is there", n)
		}
		b.check()
	})
}

func TestDebounce(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.Debounce = 2 * time.Second
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		for i := range 10 {
			b.w.Set(id, "city", fmt.Sprintf(`"%d"`, i))
			time.Sleep(100 * time.Millisecond)
		}
		p.rest(time.Minute)
		p.halt()
		b.same(id, "key-0")
		if n := len(b.box.Puts()); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestCursorIsNotHeldByAWaitingLane: what a paused account wants is recorded, so that a
// restart does not read the ledger from there.
func TestCursorIsNotHeldByAWaitingLane(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(2)
		p := b.start()
		p.rest(time.Minute)
		b.box.Revoke("key-0", true)
		b.w.Set(ids[0], "city", `"a"`)
		time.Sleep(time.Second)
		for i := range 20 {
			b.w.Set(ids[0], "city", fmt.Sprintf(`"%d"`, i))
			b.w.Set(ids[1], "city", fmt.Sprintf(`"%d"`, i))
		}
		time.Sleep(10 * time.Second)
		p.kill()
		p.gone()
		p = b.start()
		<-p.m.Ready()
		if at := p.m.Position(); at < 44 {
			t.Errorf("the cursor is at %d of 45", at)
		}
		b.box.Revoke("key-0", false)
		if err := p.m.ResumeAccount(context.Background(), sinktest.BoxName, ids[0]); err != nil {
			t.Fatal(err)
		}
		p.rest(time.Minute)
		b.same(ids[0], "key-0")
		p.halt()
	})
}

// TestCursorWaitsForWishes: a commit whose wish is in memory only is read again after a crash.
func TestCursorWaitsForWishes(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.box.Limit = sinks.Rate{PerMinute: 1, Burst: 1}
		ids := b.connect(1)
		other := b.w.Create()
		p := b.start()
		p.rest(time.Minute)
		time.Sleep(10 * time.Second)
		b.w.Set(ids[0], "city", `"waits for a token"`)
		for range 3 { // the cursor moves while the lane waits
			b.w.Set(other, "city", `"x"`)
			time.Sleep(500 * time.Millisecond)
		}
		p.kill()
		p.gone()
		p = b.start()
		p.rest(time.Hour)
		b.same(ids[0], "key-0")
		p.halt()
		b.check()
	})
}

// TestIdleWritesNothing: when nothing happens, nothing is stored.
func TestIdleWritesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.connect(3)
		p := b.start()
		p.rest(time.Minute)
		time.Sleep(5 * time.Second)
		before, err := b.lanes.Last(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if after, err := b.lanes.Last(context.Background()); err != nil || after.Pos != before.Pos {
			t.Errorf("%d blocks, %v", after.Pos-before.Pos, err)
		}
		p.halt()
	})
}

// TestConnectionIsSetWhileACallIsUnderWay: what came of the call is kept, and says nothing
// of the connection as it is now.
func TestConnectionIsSetWhileACallIsUnderWay(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		var once sync.Once
		b.box.OnPut = func(sinktest.Put) {
			once.Do(func() {
				seq := b.w.Bind(id, sinktest.BoxName, "another key", "")
				if err := p.m.CaughtUp(context.Background(), seq); err != nil {
					t.Error(err)
				}
			})
		}
		b.w.Set(id, "city", `"Rennes"`)
		p.rest(time.Minute)
		b.same(id, "key-0")
		b.same(id, "another key")
		p.halt()
		b.check()
		b.replay()
	})
}
