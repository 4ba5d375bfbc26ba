package sinks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// TestRandomWalkOfEveryClass edits several profiles in every class at random, with random
// fates and kills at random points. The shop ends with their state, and with what a run
// in which nothing goes wrong makes of the same ledger.
func TestRandomWalkOfEveryClass(t *testing.T) {
	for i := range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) { shopWalk(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

func shopWalk(t *testing.T, rng *rand.Rand) {
	b := newShopBench(t)
	b.shop.Blind = rng.IntN(4) == 0
	b.shop.Limit = sinks.Rate{PerMinute: 120, Burst: 10}
	if rng.IntN(2) == 0 {
		b.shop.Lag = 8 * time.Second
	}
	b.cfg.MaxAttempts = 60 // that a budget is spent is not what is looked for
	var mu sync.Mutex      // guards rng and calm
	calm := false
	b.meets = func(*http.Request) sinktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if calm || rng.IntN(6) > 0 {
			return sinktest.OK
		}
		return sinktest.Fates()[rng.IntN(len(sinktest.Fates()))]
	}
	b.probe = func(p *process, _ sinks.Point) {
		mu.Lock()
		defer mu.Unlock()
		if !calm && rng.IntN(60) == 0 {
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
	for i := range 3 {
		ids = append(ids, b.bound(key(i)))
	}
	p := b.start()
	for i := range 36 {
		n := draw(len(ids))
		b.wander(ids[n], key(n), i, draw)
		select {
		case <-p.end:
			p = b.start()
		case <-time.After(time.Duration(draw(25_000)) * time.Millisecond):
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
	p.rest(48 * time.Hour)
	plain := &bench{T: t, w: b.w, box: b.box, shop: sinktest.NewShop(), lanes: newBench(t).lanes, cfg: b.cfg}
	plain.shop.Limit = b.shop.Limit
	plain.shop.Blind = b.shop.Blind
	q := plain.start()
	q.rest(48 * time.Hour)
	for i, id := range ids {
		b.converged(p, id, key(i))
		plain.converged(q, id, key(i))
		b.alike(plain, p, id, key(i))
	}
	q.halt()
	p.halt()
	b.check(secret, canary, sinktest.UploadSecret)
	b.replay()
}

// wander makes one random edit.
func (b *bench) wander(id ledger.ProfileID, credential string, i int, draw func(int) int) {
	state, err := b.w.Profile(context.Background(), id, 0)
	if err != nil {
		b.Fatal(err)
	}
	var items []string
	for _, it := range state.Items(ledger.Base, "workExperiences") {
		items = append(items, it.ID)
	}
	value := fmt.Sprintf(`"v%d"`, i)
	name := fmt.Sprintf("i%d", i)
	switch draw(12) {
	case 0:
		b.w.Set(id, "city", value, "phone", value)
	case 1:
		b.w.Clear(id, "phone")
	case 2:
		b.w.Set(id, "picture", value)
	case 3:
		b.w.Set(id, "headline", value)
	case 4, 5:
		b.w.Put(id, "workExperiences", name, note(name))
	case 6, 7:
		if len(items) > 0 {
			b.w.Put(id, "workExperiences", items[draw(len(items))], note(name))
		}
	case 8:
		if len(items) > 0 {
			b.w.Remove(id, "workExperiences", items[draw(len(items))])
		}
	case 9:
		if len(items) > 1 {
			b.w.Order(id, "workExperiences", append(slices.Clone(items[1:]), items[0])...)
		}
	case 10:
		b.w.Put(id, "awards", name, note(name))
	case 11:
		// Where nothing can be listed, or late, a new connection to the same account
		// cannot be told from one to another.
		if !b.shop.Blind && b.shop.Lag == 0 {
			b.w.Bind(id, sinktest.ShopName, credential, "")
		} else {
			b.w.Set(id, "email", value)
		}
	}
}

// alike compares an account with that of another run, in all that is not in doubt.
func (b *bench) alike(other *bench, p *process, id ledger.ProfileID, account string) {
	b.Helper()
	for _, entity := range []string{"profile", "card", "picture", "task"} {
		got, want := b.shop.Document(account, entity), other.shop.Document(account, entity)
		if got == "{}" || got == "" {
			got = "{}"
		}
		if want == "" {
			want = "{}"
		}
		if got != want {
			b.Errorf("I12: %s is %s, and %s without faults", entity, got, want)
		}
	}
	list, err := p.m.Parked(context.Background(), sinktest.ShopName)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range list {
		if section, _ := sinks.SplitEntity(e.Entity); e.Profile == id && section == "notes" {
			return // a person will say
		}
	}
	titles := func(s *sinktest.Shop) (out []string) {
		for _, n := range s.Notes(account) {
			out = append(out, string(n.Note))
		}
		return out
	}
	if got, want := titles(b.shop), titles(other.shop); !slices.Equal(got, want) {
		b.Errorf("I12: the notes are %s, and %s without faults\n%s", got, want, b.story())
	}
}
