package sinks_test

import (
	"context"
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

// edited makes one edit of each class, one after the other, delivered or not.
func (b *bench) edited() ledger.ProfileID {
	id := b.bound("key")
	p := b.start()
	p.rest(time.Hour)
	for _, name := range []string{"A", "B", "C-create", "C-update", "D", "C-delete", "E-first", "F", "A-order"} {
		if name == "A-order" {
			b.w.Order(id, "workExperiences", "d", "c", "a")
		} else {
			edits()[name].edit(b, id)
		}
		p.rest(time.Hour)
	}
	p.halt()
	return id
}

// putBack makes the lanes an older copy of themselves: the blocks up to pos.
func (b *bench) putBack(pos uint64) {
	b.Helper()
	older := stream.NewMemory(limit)
	for p := uint64(1); p <= pos; p++ {
		e, err := b.lanes.Get(context.Background(), p)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := older.Append(context.Background(), e.Payload, p-1); err != nil {
			b.Fatal(err)
		}
	}
	head, err := b.w.Ledger.Head(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if err := sinks.MarkRestored(context.Background(), older, b.w.Ledger.Lineage(), head.Seq); err != nil {
		b.Fatal(err)
	}
	b.lanes = older
}

// TestLanesOfAnyAge: whatever of the lanes was put back, nothing is sent before somebody
// resumes; then the provider comes to the ledger's state, and nothing is there twice. What
// cannot be looked up waits for a person.
func TestLanesOfAnyAge(t *testing.T) {
	blocks := uint64(0)
	synctest.Test(t, func(t *testing.T) {
		b := newShopBench(t)
		b.edited()
		last, err := b.lanes.Last(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		blocks = last.Pos
	})
	step := uint64(1)
	if raced {
		step = 7
	}
	for pos := uint64(0); pos <= blocks; pos += step {
		t.Run(fmt.Sprint(pos), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newShopBench(t)
				id := b.edited()
				if last, err := b.lanes.Last(context.Background()); err != nil || pos > last.Pos {
					return // this run shared blocks in another way
				}
				b.putBack(pos)
				calls := len(b.shop.Calls())
				p := b.start()
				time.Sleep(time.Hour)
				if n := len(b.shop.Calls()) - calls; n != 0 {
					t.Errorf("%d calls before the sink was resumed", n)
				}
				p.halt()
				p = b.start() // it stays so
				time.Sleep(time.Minute)
				if n := len(b.shop.Calls()) - calls; n != 0 {
					t.Errorf("%d calls after a restart", n)
				}
				if err := p.m.Resume(context.Background(), sinktest.ShopName); err != nil {
					t.Fatal(err)
				}
				p.rest(24 * time.Hour)
				b.converged(p, id, "key")
				p.halt()
			})
		})
	}
}

// TestAppendsAfterARestore: an entry that was in the ledger then is sent only when a person
// says so, and a newer one at once.
func TestAppendsAfterARestore(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.plain("key")
		b.putBack(0)
		p := b.start()
		if err := p.m.Resume(context.Background(), sinktest.ShopName); err != nil {
			t.Fatal(err)
		}
		p.rest(time.Hour)
		if codes := p.parkedCodes(); codes["log/first"] != sinks.ParkUncertain || len(codes) != 1 || len(b.shop.Log("key")) != 0 {
			t.Fatalf("parked %v, sent %v", codes, b.shop.Log("key"))
		}
		b.w.Put(id, "awards", "second", note("second"))
		p.rest(time.Hour)
		if got := strings.Join(b.shop.Log("key"), ""); got != note("second") {
			t.Errorf("sent: %s", got)
		}
		list, err := p.m.Parked(context.Background(), sinktest.ShopName)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		b.w.Decide(id, sinktest.ShopName, list[0].ID.String(), string(sinks.Retry))
		p.rest(time.Hour)
		if got := b.shop.Log("key"); len(got) != 2 || len(p.parkedCodes()) != 0 {
			t.Errorf("after the decision: sent %v, parked %v", got, p.parkedCodes())
		}
		p.halt()
		b.check()
	})
}
