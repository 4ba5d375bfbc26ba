package sinks_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// erase appends the erased event.
func (b *bench) erase(id ledger.ProfileID) ledger.Seq {
	return b.w.Commit(id, ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
}

func (p *process) erased(id ledger.ProfileID, seq ledger.Seq) []sinks.Ended {
	p.b.Helper()
	out, err := p.m.Erased(context.Background(), id, seq)
	if err != nil {
		p.b.Fatal(err)
	}
	return out
}

// mentions counts the blocks of the stream that name a profile.
func (b *bench) mentions(id ledger.ProfileID) (n int) {
	b.Helper()
	for e, err := range b.lanes.Read(context.Background(), 1) {
		if err != nil {
			b.Fatal(err)
		}
		if bytes.Contains(e.Payload, []byte(id.String())) {
			n++
		}
	}
	return n
}

// TestErased: how an erased profile's deliveries stood is told once nothing is under way
// any more, over restarts, until its lanes are purged; then the stream does not name it,
// and everybody else's lanes are what they were.
func TestErased(t *testing.T) {
	for name, c := range map[string]struct {
		fate sinktest.Fate
		wait time.Duration // between the edit and the erasure
		want sinks.Ended
	}{
		"delivered":         {sinktest.OK, time.Minute, sinks.Ended{Delivered: 1}},
		"under way":         {sinktest.SlowThenOK, time.Second, sinks.Ended{Unknown: 1}},
		"in doubt":          {sinktest.LostAfter, 11 * time.Second, sinks.Ended{Unknown: 1}},
		"waits for a retry": {sinktest.RefusedDial, 500 * time.Millisecond, sinks.Ended{Pending: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				ids := b.connect(2)
				p := b.start()
				p.rest(time.Minute)
				p.halt()
				calls := 0
				b.meets = func(r *http.Request) sinktest.Fate {
					calls++
					return c.fate
				}
				p = b.start()
				p.rest(time.Minute)
				b.w.Set(ids[0], "firstName", `"newer"`)
				time.Sleep(c.wait)
				seq := b.erase(ids[0])
				got := p.erased(ids[0], seq)
				made := calls
				c.want.Provider, c.want.Lanes = sinktest.BoxName, 1
				check := func(when string, got []sinks.Ended) {
					t.Helper()
					if len(got) != 1 || len(got[0].Holds) != 1 || len(got[0].Holds[0].Fields) == 0 {
						t.Fatalf("%s: %+v\n%s", when, got, b.story())
					}
					got[0].Holds = nil
					if got[0].Provider != c.want.Provider || got[0].Lanes != 1 || got[0].Delivered != c.want.Delivered || got[0].Pending != c.want.Pending ||
						got[0].Unknown != c.want.Unknown || got[0].Parked != 0 {
						t.Errorf("%s: %+v, want %+v\n%s", when, got[0], c.want, b.story())
					}
				}
				check("at once", got)
				p.halt()
				p = b.start()
				check("after a restart", p.erased(ids[0], seq))
				if b.mentions(ids[0]) == 0 {
					t.Error("the stream does not name it before: the test shows nothing")
				}
				before := p.connection(ids[1])
				for range 2 {
					if err := p.m.Purge(context.Background(), ids[0]); err != nil {
						t.Fatal(err)
					}
				}
				if n := b.mentions(ids[0]); n != 0 {
					t.Errorf("%d blocks name it", n)
				}
				if got := p.erased(ids[0], seq); len(got) != 0 {
					t.Errorf("after the purge: %+v", got)
				}
				time.Sleep(time.Hour)
				if calls != made {
					t.Errorf("%d calls after the erasure", calls-made)
				}
				after := p.connection(ids[1])
				if after.State != sinks.InSync || after.AcknowledgedSeq != before.AcknowledgedSeq || len(after.Lanes) != len(before.Lanes) {
					t.Errorf("another profile: %+v, was %+v", after, before)
				}
				p.halt()
				p = b.start()
				if got := p.connection(ids[1]); got.State != sinks.InSync {
					t.Errorf("another profile after a restart: %+v", got)
				}
				if n := b.mentions(ids[0]); n != 0 {
					t.Errorf("after a restart %d blocks name it", n)
				}
				p.halt()
			})
		})
	}
}

// TestErasedWhileParked: an edit that waited for a person is told as such.
func TestErasedWhileParked(t *testing.T) {
	inBubble(t, func(b *bench) {
		id := b.connect(1)[0]
		p := b.start()
		p.rest(time.Minute)
		b.box.Refuse = func([]byte) bool { return true }
		b.w.Set(id, "firstName", `"refused"`)
		p.rest(time.Minute)
		if len(p.parked()) != 1 {
			t.Fatal("nothing is parked: the test shows nothing")
		}
		got := p.erased(id, b.erase(id))
		if len(got) != 1 || got[0].Parked != 1 || got[0].Lanes != 1 {
			t.Errorf("%+v", got)
		}
		if len(p.parked()) != 0 {
			t.Error("it is parked still")
		}
		p.halt()
	})
}
