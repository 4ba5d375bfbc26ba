package sinks_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// TestCreateInDoubtIsFoundAfterANewConnection: the connection is set again and the item is
// edited while nobody knows whether it was made. It is not left behind.
func TestCreateInDoubtIsFoundAfterANewConnection(t *testing.T) {
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("blind=%v", blind), func(t *testing.T) {
			inShop(t, func(b *bench) {
				b.shop.Blind = blind
				id := b.plain("key")
				p := b.start()
				p.rest(time.Hour)
				p.halt()
				b.lose(sinktest.LostAfter, http.MethodPost, "/notes")
				p = b.start()
				b.w.Put(id, "workExperiences", "c", note("c"))
				time.Sleep(15 * time.Second)
				b.w.Bind(id, sinktest.ShopName, "key", "")
				b.w.Put(id, "workExperiences", "c", note("c2"))
				p.rest(time.Hour)
				if blind {
					b.wantNotes("key", 1, "c")
					b.wantNotes("key", 0, "c2")
				}
				b.converged(p, id, "key")
				p.halt()
				b.check()
			})
		})
	}
}

// TestAnHourWithoutAuthorization: the account pauses and nothing is spent; a new credential
// lets everything through in order.
func TestAnHourWithoutAuthorization(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.plain("key")
		p := b.start()
		p.rest(time.Hour)
		b.shop.Revoke("key", true)
		for i := range 60 {
			b.w.Set(id, "city", fmt.Sprintf(`"%d"`, i), "email", fmt.Sprintf(`"%d"`, i), "headline", fmt.Sprintf(`"%d"`, i), "picture", fmt.Sprintf(`"%d"`, i))
			b.w.Put(id, "workExperiences", "a", note(fmt.Sprint("a", i)))
			if i%20 == 0 {
				b.w.Put(id, "workExperiences", fmt.Sprint("n", i), note(fmt.Sprint("n", i)))
				b.w.Put(id, "awards", fmt.Sprint("e", i), note(fmt.Sprint("e", i)))
			}
			time.Sleep(time.Minute)
		}
		calls := len(b.shop.Calls())
		time.Sleep(time.Hour)
		if n := len(b.shop.Calls()) - calls; n != 0 {
			t.Errorf("%d calls of a paused account", n)
		}
		b.shop.Revoke("key", false)
		b.w.Bind(id, sinktest.ShopName, "key#0", "")
		p.rest(time.Hour)
		if codes := p.parkedCodes(); len(codes) != 0 {
			t.Errorf("parked: %v", codes)
		}
		b.converged(p, id, "key")
		p.halt()
		b.check()
		b.replay()
	})
}

// credential is what the vault has for the shop.
func (b *bench) credential(id ledger.ProfileID) string {
	b.Helper()
	s, err := b.w.Secret(b.Context(), id, "credential."+sinktest.ShopName)
	if err != nil {
		b.Fatal(err)
	}
	return string(s)
}

// TestEightLanesRenewOnce: all of them find the credential expired at the same time.
func TestEightLanesRenewOnce(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.Renewing = true
		id := b.bound("key#0")
		p := b.start()
		p.rest(time.Hour)
		b.shop.Expire("key")
		b.shop.Answer = func(_ string, r *http.Request) int {
			if r.URL.Path != "/token" {
				time.Sleep(100 * time.Millisecond) // so that all are under way together
			}
			return 0
		}
		b.w.Set(id, "city", `"x"`, "email", `"x"`, "headline", `"x"`, "picture", `"x"`)
		b.w.Put(id, "awards", "second", note("second"))
		for _, n := range []string{"a", "b", "c"} {
			b.w.Put(id, "workExperiences", n, note(n+"2"))
		}
		p.rest(time.Hour)
		b.converged(p, id, "key")
		if n := b.shop.Renewals(); n != 1 || b.credential(id) != "key#1" {
			t.Errorf("%d renewals, %s", n, b.credential(id))
		}
		p.halt()
		b.check()
	})
}

// TestCredentialThatAnotherProcessRenewedIsUsed: the renewal fails, because another
// process was there first and keeps its own while ours is under way. Nothing pauses.
func TestCredentialThatAnotherProcessRenewedIsUsed(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.Renewing = true
		id := b.bound("key#0")
		p := b.start()
		p.rest(time.Hour)
		b.shop.Expire("key")
		var once atomic.Bool
		b.shop.Answer = func(_ string, r *http.Request) int {
			if r.URL.Path == "/token" && once.CompareAndSwap(false, true) {
				b.w.SetSecret(id, "credential."+sinktest.ShopName, b.shop.Renew("key"))
			}
			return 0
		}
		b.w.Set(id, "city", `"x"`)
		p.rest(time.Hour)
		b.converged(p, id, "key")
		if b.credential(id) != "key#1" || b.shop.Renewals() != 1 {
			t.Errorf("%d renewals, %s", b.shop.Renewals(), b.credential(id))
		}
		p.halt()
		b.check()
	})
}

// TestThrottlingWithoutAWord walks the probes, then waits for midnight. It spends nothing.
func TestThrottlingWithoutAWord(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.Limit = sinks.Rate{Probes: []time.Duration{time.Minute, 10 * time.Minute, time.Hour}}
		id := b.w.Create("firstName", `"p"`)
		b.w.Bind(id, sinktest.ShopName, "key", "")
		next := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		b.shop.Answer = func(string, *http.Request) int {
			if time.Now().Before(next) {
				return http.StatusTooManyRequests
			}
			return 0
		}
		start := time.Now()
		p := b.start()
		p.rest(48 * time.Hour)
		var waits []time.Duration
		for i, at := range b.shop.Calls() {
			if i == 0 {
				waits = append(waits, at.Sub(start))
			} else {
				waits = append(waits, at.Sub(b.shop.Calls()[i-1]))
			}
		}
		last := b.shop.Calls()[len(waits)-1]
		if len(waits) != 5 || waits[1] < time.Minute || waits[2] < 10*time.Minute || waits[3] < time.Hour || last.Before(next) || last.After(next.Add(11*time.Minute)) {
			t.Errorf("the calls came after %v, the last at %s", waits, last)
		}
		for _, e := range b.journal() {
			if e.Row.Event == sinks.Postpone && e.Record.Attempts != 0 {
				t.Errorf("an attempt was spent: %d", e.Record.Attempts)
			}
		}
		b.converged(p, id, "key")
		p.halt()
		b.check()
	})
}

func TestDailyCapHoldsOverARestart(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.Limit = sinks.Rate{PerDay: 10}
		id := b.w.Create("firstName", `"p"`)
		b.w.Bind(id, sinktest.ShopName, "key", "")
		start := time.Now().UTC().Truncate(24 * time.Hour)
		p := b.start()
		for i := range 30 {
			b.w.Set(id, "city", fmt.Sprintf(`"%d"`, i))
			time.Sleep(5 * time.Second)
			if i%4 == 3 {
				p.kill()
				p.gone()
				p = b.start()
			}
		}
		first := 0
		for _, at := range b.shop.Calls() {
			if at.Before(start.Add(24 * time.Hour)) {
				first++
			}
		}
		if first != 10 {
			t.Errorf("%d calls in a day of ten", first)
		}
		p.rest(48 * time.Hour)
		b.converged(p, id, "key")
		p.halt()
		b.check()
	})
}

// TestParkedAndHangingLanesDelayNobody: two thousand lanes wait for a person, one call
// hangs, and another lane is delivered within two seconds.
func TestParkedAndHangingLanesDelayNobody(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.RefuseIf = func(_ string, body []byte) bool { return strings.Contains(string(body), "poison") }
		var ids []ledger.ProfileID
		for i := range 2000 {
			id := b.w.Create("city", `"poison"`)
			b.w.Bind(id, sinktest.ShopName, fmt.Sprintf("key-%d", i), "")
			ids = append(ids, id)
		}
		p := b.start()
		if r := p.rest(time.Hour); r.Parked != 2000 {
			t.Fatalf("%d parked", r.Parked)
		}
		b.shop.Answer = func(account string, _ *http.Request) int {
			if account == "hanging" {
				time.Sleep(9 * time.Second)
			}
			return 0
		}
		hanging, fine := b.plain("hanging"), b.plain("fine")
		b.w.Set(ids[0], "country", `"still poison"`)
		time.Sleep(2 * time.Second)
		b.converged(p, fine, "fine")
		p.rest(time.Hour)
		b.converged(p, hanging, "hanging")
		p.halt()
	})
}
