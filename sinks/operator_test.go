package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

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

// TestPausedByConfiguration: such a pause lasts as long as the setting.
func TestPausedByConfiguration(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.Paused = true
		id := b.connect(1)[0]
		p := b.start()
		time.Sleep(time.Minute)
		if len(b.box.Calls()) > 0 || p.sink().State != sinks.Paused {
			t.Errorf("%+v", p.sink())
		}
		p.halt()
		b.cfg.Paused = false
		p = b.start()
		p.rest(time.Minute)
		b.same(id, "key-0")
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
		p.decide(list[0].ID, sinks.Recreate) // a full-value set has nothing to make anew
		if again := p.parked(); len(again) != 1 || again[0].ID != list[0].ID {
			t.Errorf("%+v", again)
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
		if _, err := p.m.ParkedEdit(context.Background(), sinktest.BoxName, list[0].ID); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("an edit that is not parked any more: %v", err)
		}
		p.halt()
		b.check(canary)
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
