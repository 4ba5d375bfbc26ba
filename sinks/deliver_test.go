package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newBench(t)) })
}

func (b *bench) connect(n int) (ids []ledger.ProfileID) {
	for i := range n {
		id := b.w.Create("firstName", fmt.Sprintf(`"p%d"`, i))
		b.w.Bind(id, sinktest.BoxName, fmt.Sprintf("key-%d", i), "")
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

func (p *process) decide(id sinks.ID, a sinks.Action) {
	p.b.Helper()
	if err := p.m.Decide(context.Background(), sinktest.BoxName, id, a, "because of "+canary, "admin"); err != nil {
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

func TestUnauthorizedPausesUntilNewCredential(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(2)
		p := b.start()
		p.rest(time.Minute)
		b.box.Revoke("key-0", true)
		b.w.Set(ids[0], "city", `"first"`)
		b.w.Set(ids[1], "city", `"other"`)
		time.Sleep(time.Second)
		c := p.connection(ids[0])
		if c.State != sinks.ConnectionPaused || p.sink().PausedAccounts != 1 || p.connection(ids[1]).State != sinks.InSync {
			t.Fatalf("%+v", c)
		}
		calls := len(b.box.Calls())
		for i := range 60 {
			b.w.Set(ids[0], "city", fmt.Sprintf(`"%d"`, i))
			time.Sleep(time.Minute)
		}
		if n := len(b.box.Calls()) - calls; n != 0 {
			t.Errorf("%d calls with a revoked credential", n)
		}
		p.halt() // the pause is durable
		p = b.start()
		time.Sleep(time.Minute)
		if n := len(b.box.Calls()) - calls; n != 0 || p.connection(ids[0]).State != sinks.ConnectionPaused {
			t.Errorf("after a restart: %d calls", n)
		}
		b.w.Bind(ids[0], sinktest.BoxName, "key-new", "")
		p.rest(time.Minute)
		p.halt()
		b.same(ids[0], "key-new")
		b.check("key-new", "key-0")
	})
}

func TestOperatorResumesAccounts(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		b.box.Revoke("key-0", true)
		b.w.Set(id, "city", `"x"`)
		time.Sleep(time.Minute)
		b.box.Revoke("key-0", false)
		if err := p.m.Resume(context.Background(), sinktest.BoxName); err != nil {
			t.Fatal(err)
		}
		p.rest(time.Minute)
		b.same(id, "key-0")
		p.halt()
	})
}

func TestPauseIsDurable(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		if err := p.m.Pause(context.Background(), sinktest.BoxName); err != nil {
			t.Fatal(err)
		}
		b.w.Set(id, "city", `"x"`)
		time.Sleep(time.Minute)
		p.kill()
		p.gone()
		p = b.start()
		time.Sleep(time.Minute)
		s := p.sink()
		if n := len(b.box.Puts()); n != 1 || s.State != sinks.Paused || s.LagEvents != 1 || s.FreshnessSeconds < 100 {
			t.Errorf("%d calls, %+v", n, s)
		}
		if err := p.m.Resume(context.Background(), sinktest.BoxName); err != nil {
			t.Fatal(err)
		}
		p.rest(time.Minute)
		b.same(id, "key-0")
		p.halt()
		if err := p.m.Pause(context.Background(), "nobody"); !errors.Is(err, ledger.ErrNotFound) {
			t.Error(err)
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

func TestParkedEdits(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		refused := true
		b.box.Refuse = func(body []byte) bool { return refused && strings.Contains(string(body), "poison") }
		b.w.Set(id, "city", `"poison"`)
		if r := p.rest(time.Minute); r.Parked != 1 {
			t.Fatal("not parked")
		}
		calls := len(b.box.Calls())
		time.Sleep(24 * time.Hour)
		b.w.Clear(id, "headline") // nothing of it changes for the box
		p.rest(time.Minute)
		if n := len(b.box.Calls()) - calls; n != 0 {
			t.Errorf("%d calls while parked", n)
		}
		p.halt()
		p = b.start() // it stays over a restart
		list := p.parked()
		if len(list) != 1 || strings.Join(words(list[0].Choices), " ") != "retry mark_done skip" {
			t.Fatalf("%+v", list)
		}
		if err := p.m.Decide(context.Background(), sinktest.BoxName, list[0].ID, sinks.Recreate, "", "admin"); !errors.Is(err, ledger.ErrNotAllowed) {
			t.Errorf("recreate for a full-value set: %v", err)
		}
		p.decide(list[0].ID, sinks.Retry) // refused again
		p.rest(time.Minute)
		list = p.parked()
		if len(list) != 1 || len(b.box.Calls())-calls != 1 {
			t.Fatalf("%d calls, %+v", len(b.box.Calls())-calls, list)
		}
		b.w.Set(id, "city", `"fine"`) // a newer edit stands for the parked one
		if r := p.rest(time.Minute); r.Parked != 0 {
			t.Error("still parked")
		}
		b.same(id, "key-0")

		b.w.Set(id, "city", `"poison"`)
		p.rest(time.Minute)
		p.decide(p.parked()[0].ID, sinks.MarkDone)
		p.rest(time.Minute)
		if c := p.connection(id); c.State != sinks.InSync {
			t.Errorf("%+v", c)
		}
		b.w.Set(id, "city", `"poison too"`)
		p.rest(time.Minute)
		p.decide(p.parked()[0].ID, sinks.Skip)
		p.rest(time.Minute)
		refused = false
		b.w.Set(id, "sector", `"x"`)
		p.rest(time.Minute)
		b.same(id, "key-0")
		if err := p.m.Decide(context.Background(), sinktest.BoxName, list[0].ID, sinks.Retry, "", "admin"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a decision about nothing: %v", err)
		}
		p.halt()
		b.check(canary) // also the person's reason is sealed
	})
}

func words(a []sinks.Action) (out []string) {
	for _, w := range a {
		out = append(out, string(w))
	}
	return out
}

func TestUnsendableIsParkedWithoutACall(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		b.w.Set(id, "unsendable", `"x"`)
		p.rest(time.Minute)
		list := p.parked()
		if len(list) != 1 || list[0].Code != sinks.ParkUnsendable || list[0].Reason != "the box takes no unsendable" || len(b.box.Calls()) != 1 {
			t.Fatalf("%+v, %d calls", list, len(b.box.Calls()))
		}
		b.w.Set(id, "city", `"y"`)
		p.rest(time.Minute)
		if again := p.parked(); len(again) != 1 || again[0].ID != list[0].ID {
			t.Errorf("the same reason is another parked edit: %+v", again)
		}
		b.w.Clear(id, "unsendable")
		if r := p.rest(time.Minute); r.Parked != 0 {
			t.Error("still parked")
		}
		b.same(id, "key-0")
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

func TestConnectionsComeAndGo(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(3)
		p := b.start()
		p.rest(time.Minute)
		b.w.Unbind(ids[0], sinktest.BoxName)
		b.w.Erase(ids[1])
		b.w.Set(ids[0], "city", `"x"`)
		b.w.Set(ids[2], "city", `"x"`)
		p.rest(time.Minute)
		if n := len(b.box.Puts()); n != 4 {
			t.Errorf("%d calls", n)
		}
		if s := p.sink(); s.Accounts != 1 || s.Lanes[sinks.Idle] != 1 {
			t.Errorf("%+v", s)
		}
		p.halt()
		b.replay() // neither comes back
		p = b.start()
		p.rest(time.Minute)
		b.w.Bind(ids[0], sinktest.BoxName, "key-again", "")
		p.rest(time.Minute)
		b.same(ids[0], "key-again")
		p.halt()
	})
}

func TestSinkThatDidNotRunCatchesUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(2)
		p := b.start()
		p.rest(time.Minute)
		p.halt()
		// A manager without the sink takes in what happens meanwhile.
		m, err := sinks.New(sinks.Options{Ledger: b.w.Ledger, States: b.w, Vault: b.w, Blocks: b.lanes, Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		end := make(chan error, 1)
		go func() { end <- m.Run(ctx) }()
		b.w.Set(ids[0], "city", `"meanwhile"`)
		late := b.w.Create("firstName", `"late"`)
		b.w.Bind(late, sinktest.BoxName, "key-late", "")
		time.Sleep(10 * time.Second)
		if c, err := m.Connections(ctx, ids[0]); err != nil || c[0].State != sinks.ConnectionPaused {
			t.Errorf("%+v, %v", c, err)
		}
		cancel()
		if err := <-end; err != nil {
			t.Fatal(err)
		}
		p = b.start()
		p.rest(time.Minute)
		b.same(ids[0], "key-0")
		b.same(late, "key-late")
		p.halt()
		b.check()
	})
}

func TestSecondOwnerTakesOver(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		first := b.start()
		first.rest(time.Minute)
		second := b.start()
		<-second.m.Ready()
		b.w.Set(id, "city", `"x"`)
		if err := <-first.end; !errors.Is(err, sinks.ErrTakenOver) {
			t.Errorf("the first owner ended with %v", err)
		}
		second.rest(time.Hour)
		b.same(id, "key-0")
		second.halt()
		b.check()
		if err := first.m.Err(); !errors.Is(err, sinks.ErrTakenOver) {
			t.Error(err)
		}
	})
}

func TestOlderLedgerIsRefused(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		b.w.Set(id, "city", `"x"`)
		p.rest(time.Minute)
		p.halt()
		calls := len(b.box.Calls())
		refuses := func(why string, l sinks.Ledger) {
			t.Helper()
			m, err := sinks.New(sinks.Options{Ledger: l, States: b.w, Vault: b.w, Blocks: b.lanes})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Run(context.Background()); !errors.Is(err, sinks.ErrAhead) {
				t.Errorf("%s: %v", why, err)
			}
			if _, err := m.Sinks(context.Background()); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%s: sinks that do not run say %v", why, err)
			}
		}
		older := stream.NewMemory(8 << 20)
		for pos := uint64(1); pos <= 2; pos++ {
			e, err := b.w.Blocks.Get(context.Background(), pos)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := older.Append(context.Background(), e.Payload, pos-1); err != nil {
				t.Fatal(err)
			}
		}
		refuses("an older copy", stream.OpenLedger(older, b.w.Ledger.Lineage()))
		refuses("another ledger", stream.OpenLedger(b.w.Blocks, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
		other := sinktest.NewWorld()
		for range 3 {
			other.Create()
		}
		refuses("another history", stream.OpenLedger(other.Blocks, b.w.Ledger.Lineage()))
		if len(b.box.Calls()) != calls {
			t.Error("somebody was called")
		}
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

func TestMetrics(t *testing.T) {
	inBubble(t, func(b *bench) {
		ids := b.connect(2)
		b.box.Refuse = func(body []byte) bool { return strings.Contains(string(body), "poison") }
		p := b.start()
		p.rest(time.Minute)
		b.w.Set(ids[0], "city", `"poison"`)
		b.w.Set(ids[1], "firstName", `"p1"`)
		p.rest(time.Minute)
		time.Sleep(time.Minute)
		all, err := p.m.Metrics(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		m := all[0]
		if m.Calls["applied"] != 2 || m.Calls["refused"] != 1 || m.ParkedTotal != 1 || m.SkippedUnchanged != 1 || m.NoOpRatio != 0.25 || m.LagEvents != 0 ||
			m.Lanes[sinks.Parked] != 1 || m.OldestSeconds[sinks.Parked] < 60 {
			t.Errorf("%+v", m)
		}
		s := p.sink()
		if s.Calls != 3 || s.SkippedUnchanged != 1 || s.LastError == nil || s.LastError.HTTP != 400 {
			t.Errorf("%+v", s)
		}
		rows, err := p.m.Journal(context.Background(), sinktest.BoxName, ids[0])
		if err != nil || len(rows["profile"]) != 3 {
			t.Errorf("%+v, %v", rows, err)
		}
		p.halt()
	})
}
