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

// plain makes a connected profile with two notes and an entry.
func (b *bench) plain(credential string) ledger.ProfileID {
	id := b.w.Create("firstName", `"p"`)
	b.w.Put(id, "workExperiences", "a", note("a"))
	b.w.Put(id, "workExperiences", "b", note("b"))
	b.w.Put(id, "awards", "first", note("first"))
	b.w.Bind(id, sinktest.ShopName, credential, "")
	return id
}

// lose makes the first request of this kind meet a fate, and the others none.
func (b *bench) lose(fate sinktest.Fate, method, path string) {
	var met atomic.Bool
	b.meets = func(r *http.Request) sinktest.Fate {
		if r.Method == method && r.URL.Path == path && met.CompareAndSwap(false, true) {
			return fate
		}
		return sinktest.OK
	}
}

func (b *bench) notes(account string) (titles []string) {
	for _, n := range b.shop.Notes(account) {
		titles = append(titles, string(n.Note))
	}
	return titles
}

func (b *bench) wantNotes(account string, n int, title string) {
	b.Helper()
	got := 0
	for _, have := range b.notes(account) {
		if have == note(title) {
			got++
		}
	}
	if got != n {
		b.Errorf("%s is there %d times, want %d\n%s", title, got, n, b.story())
	}
}

// TestItemWithoutAnIDIsLookedUpAndNeverMadeAgain: the answer says that it is there, and the
// section says under which id; a section that does not show it is no reason to make it anew.
func TestItemWithoutAnIDIsLookedUpAndNeverMadeAgain(t *testing.T) {
	for _, lag := range []time.Duration{0, 10 * time.Minute} {
		t.Run(lag.String(), func(t *testing.T) {
			inShop(t, func(b *bench) {
				b.shop.Nameless, b.shop.Lag = true, lag
				b.plain("key")
				p := b.start()
				began := time.Now()
				p.rest(time.Hour)
				b.wantNotes("key", 1, "a")
				b.wantNotes("key", 1, "b")
				codes := p.parkedCodes()
				if lag == 0 && (len(codes) != 0 || time.Since(began) > 5*time.Second) {
					t.Errorf("parked %v after %v", codes, time.Since(began))
				}
				if lag > 0 && codes["notes/a"] != sinks.ParkUncertain {
					t.Errorf("parked %v", codes)
				}
				p.halt()
				b.check()
			})
		})
	}
}

// TestCreateThatLandsAfterAReadBackIsNotDoubled: the first look at the list comes before
// the item does.
func TestCreateThatLandsAfterAReadBackIsNotDoubled(t *testing.T) {
	inShop(t, func(b *bench) {
		b.lose(sinktest.LateLanding, http.MethodPost, "/notes")
		b.cfg.Settle = 10 * time.Second // shorter than the 15 s after which it lands
		id := b.plain("key")
		p := b.start()
		p.rest(time.Hour)
		b.converged(p, id, "key")
		again := 0
		for _, e := range b.journal() {
			if e.Row.Event == sinks.Again {
				again++
			}
		}
		if again == 0 {
			t.Error("no read came before the landing")
		}
		p.halt()
		b.check()
	})
}

func TestTwinThatIsThereAlreadyIsAdopted(t *testing.T) {
	inShop(t, func(b *bench) {
		ref := b.shop.AddNote("key", note("a"))
		id := b.plain("key")
		p := b.start()
		p.rest(time.Hour)
		b.converged(p, id, "key")
		if rec := b.lane("notes/a"); rec.Ref != ref || b.shop.Effects("key", "notes") != 1 {
			t.Errorf("%q was not adopted: %+v", ref, rec)
		}
		p.halt()
		b.check()
		b.replay()
	})
}

func TestTwoTwinsAfterADoubtWaitForAPerson(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.plain("key")
		p := b.start()
		p.rest(time.Hour)
		p.halt()
		b.lose(sinktest.LostAfter, http.MethodPost, "/notes")
		p = b.start()
		b.w.Put(id, "workExperiences", "c", note("c"))
		time.Sleep(15 * time.Second)
		b.shop.AddNote("key", note("c")) // somebody else makes one like it
		p.rest(time.Hour)
		if codes := p.parkedCodes(); codes["notes/c"] != sinks.ParkAmbiguous {
			t.Fatalf("parked: %v\n%s", codes, b.story())
		}
		before := len(b.shop.Writes())
		b.w.Put(id, "workExperiences", "c", note("c2"))
		time.Sleep(48 * time.Hour)
		if n := len(b.shop.Writes()) - before; n != 0 || p.parkedCodes()["notes/c"] != sinks.ParkAmbiguous {
			t.Errorf("%d writes, parked %v", n, p.parkedCodes())
		}
		p.halt()
		b.check()
	})
}

// TestAppendIsNeverRepeated: neither what is done nor what is in doubt is sent again by a
// connection that is set again, or by a second reading of the ledger.
func TestAppendIsNeverRepeated(t *testing.T) {
	for _, fate := range []sinktest.Fate{sinktest.OK, sinktest.LostAfter, sinktest.LostBefore, sinktest.ErrorAfter} {
		t.Run(string(fate), func(t *testing.T) {
			inShop(t, func(b *bench) {
				b.lose(fate, http.MethodPost, "/log")
				id := b.plain("key")
				p := b.start()
				p.rest(time.Hour)
				for range 2 {
					b.w.Bind(id, sinktest.ShopName, "key", "")
					p.rest(time.Hour)
				}
				if codes := p.parkedCodes(); fate != sinktest.OK && codes["log/first"] != sinks.ParkUncertain {
					t.Errorf("parked: %v", codes)
				}
				p.halt()
				b.replay()
				n := len(b.shop.Log("key"))
				if want := 1; fate != sinktest.LostBefore && n != want || fate == sinktest.LostBefore && n != 0 {
					t.Errorf("%d entries\n%s", n, b.story())
				}
				b.check()
			})
		})
	}
}

func TestAnotherAccountGetsItemsOfItsOwn(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.plain("old")
		p := b.start()
		p.rest(time.Hour)
		b.w.Bind(id, sinktest.ShopName, "new", "")
		p.rest(time.Hour)
		p.halt()
		for _, account := range []string{"old", "new"} {
			if got := fmt.Sprint(b.notes(account)); got != fmt.Sprint([]string{note("a"), note("b")}) {
				t.Errorf("%s holds %s\n%s", account, got, b.story())
			}
		}
		b.check()
		b.replay()
	})
}

func TestSameAccountAgainIsNotWritten(t *testing.T) {
	inShop(t, func(b *bench) {
		id := b.plain("key")
		p := b.start()
		p.rest(time.Hour)
		before := b.shop.Effects("key", "notes")
		creates := len(b.shop.Writes())
		b.w.Bind(id, sinktest.ShopName, "key", "")
		p.rest(time.Hour)
		b.converged(p, id, "key")
		p.halt()
		for _, w := range b.shop.Writes()[creates:] {
			if w.Entity == "notes" || strings.HasPrefix(w.Entity, "notes/n") {
				t.Errorf("an item was written: %s %s", w.Method, w.Entity)
			}
		}
		if b.shop.Effects("key", "notes") != before {
			t.Error("an item was made")
		}
	})
}

func TestMissingCapabilityParksItsKindOnly(t *testing.T) {
	for _, how := range []string{"bind", "retry"} {
		t.Run(how, func(t *testing.T) {
			inShop(t, func(b *bench) {
				var may atomic.Bool
				b.shop.Answer = func(_ string, r *http.Request) int {
					if !may.Load() && r.Method == http.MethodPost && r.URL.Path == "/notes" {
						return http.StatusForbidden
					}
					return 0
				}
				id := b.plain("key")
				p := b.start()
				p.rest(time.Hour)
				codes := p.parkedCodes()
				if len(codes) != 2 || codes["notes/a"] != sinks.ParkCapability || codes["notes/b"] != sinks.ParkCapability || len(b.shop.Log("key")) != 1 ||
					b.shop.Document("key", "profile") == "" {
					t.Fatalf("parked: %v", codes)
				}
				calls := len(b.shop.Calls())
				b.w.Put(id, "workExperiences", "a", note("a2"))
				p.rest(time.Hour)
				if n := len(b.shop.Calls()) - calls; n != 0 {
					t.Errorf("%d calls of a kind that is switched off", n)
				}
				may.Store(true)
				if how == "bind" {
					b.w.Bind(id, sinktest.ShopName, "key", "")
				} else {
					list, err := p.m.Parked(t.Context(), sinktest.ShopName)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range list {
						b.w.Decide(id, sinktest.ShopName, e.ID.String(), "retry")
					}
				}
				p.rest(time.Hour)
				b.converged(p, id, "key")
				p.halt()
				b.check()
			})
		})
	}
}

func TestBusyForTooLongParks(t *testing.T) {
	inShop(t, func(b *bench) {
		var busy atomic.Int32
		b.shop.Answer = func(_ string, r *http.Request) int {
			if r.Method == http.MethodPut && r.URL.Path == "/card" && busy.Add(1) > 0 {
				return http.StatusConflict
			}
			return 0
		}
		id := b.plain("key")
		b.w.Set(id, "email", `"a@example.org"`)
		p := b.start()
		p.rest(time.Hour)
		if codes := p.parkedCodes(); codes["card"] != sinks.ParkExhausted || len(codes) != 1 || busy.Load() != 3 {
			t.Errorf("%d calls, parked %v", busy.Load(), codes)
		}
		p.halt()
		b.check()
	})
}

func TestExpiredUploadBeginsAgain(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.ExpireUploads("key", true)
		id := b.plain("key")
		b.w.Set(id, "picture", `"one"`)
		p := b.start()
		time.Sleep(time.Second)
		b.shop.ExpireUploads("key", false)
		p.rest(time.Hour)
		b.converged(p, id, "key")
		if n := b.shop.Orphans("key"); n == 0 || b.shop.Effects("key", "picture/register") != n+1 || b.shop.Effects("key", "picture") != 1 {
			t.Errorf("%d orphans, %d registered", n, b.shop.Effects("key", "picture/register"))
		}
		p.halt()
		b.check(sinktest.UploadSecret)
		b.replay()
	})
}

// TestEditThatIsTakenBackDuringADoubtIsSent: the newest body is the acknowledged one, but
// what was sent between the two may have landed.
func TestEditThatIsTakenBackDuringADoubtIsSent(t *testing.T) {
	for _, path := range []string{"/profile", "/card"} {
		t.Run(path, func(t *testing.T) {
			inShop(t, func(b *bench) {
				b.shop.Blind = true
				id := b.plain("key")
				b.w.Set(id, "city", `"old"`, "email", `"old"`)
				p := b.start()
				p.rest(time.Hour)
				p.halt()
				b.lose(sinktest.LostAfter, http.MethodPut, path)
				p = b.start()
				b.w.Set(id, "city", `"new"`, "email", `"new"`)
				time.Sleep(5 * time.Second)
				b.w.Set(id, "city", `"old"`, "email", `"old"`)
				p.rest(time.Hour)
				b.converged(p, id, "key")
				p.halt()
				b.check()
				b.replay()
			})
		})
	}
}
