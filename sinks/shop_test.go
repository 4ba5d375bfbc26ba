package sinks_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

// inShop runs a test with a shop on a clock of its own.
func inShop(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newShopBench(t)) })
}

func newShopBench(t *testing.T) *bench {
	b := newBench(t)
	b.shop = sinktest.NewShop()
	return b
}

// bound makes a profile with values of every class, connected with a credential.
func (b *bench) bound(credential string) ledger.ProfileID {
	id := b.w.Create("firstName", `"`+canary+`"`, "email", `"a@example.org"`, "headline", `"h0"`, "picture", `"p0"`)
	for _, n := range []string{"a", "b", "c"} {
		b.w.Put(id, "workExperiences", n, note(n))
	}
	b.w.Put(id, "awards", "first", note("first"))
	b.w.Bind(id, sinktest.ShopName, credential, "")
	return id
}

func note(title string) string { return fmt.Sprintf(`{"title":%q}`, title) }

// parkedCodes are the codes of what is parked, by entity.
func (p *process) parkedCodes() map[string]string {
	p.b.Helper()
	list, err := p.m.Parked(context.Background(), sinktest.ShopName)
	if err != nil {
		p.b.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range list {
		out[e.Entity] = e.Code
	}
	return out
}

// lane is the newest record of a lane that is stored.
func (b *bench) lane(entity string) (rec sinks.Record) {
	b.Helper()
	for _, e := range b.journal() {
		if e.Record.Entity == entity {
			rec = e.Record
		}
	}
	return rec
}

// converged requires the shop to hold a profile's state, except what is parked: that may
// be in doubt only, and only where nobody but a person can tell.
func (b *bench) converged(p *process, id ledger.ProfileID, account string) {
	b.Helper()
	state, err := b.w.Profile(context.Background(), id, 0)
	if err != nil {
		b.Fatal(err)
	}
	for _, entity := range []string{"profile", "card", "picture", "task"} {
		want, names := sinktest.Scalars(entity, state)
		got := b.shop.Document(account, entity)
		if got != string(want) && (got != "" || len(names) > 0) {
			b.Errorf("%s: the shop holds %s, want %s\n%s", entity, got, want, b.story())
		}
	}
	list, err := p.m.Parked(context.Background(), sinktest.ShopName)
	if err != nil {
		b.Fatal(err)
	}
	parked := map[string]string{}
	for _, e := range list {
		if e.Profile == id {
			parked[e.Entity] = e.Code
		}
	}
	doubtful := false
	for entity, code := range parked {
		section, _ := sinks.SplitEntity(entity)
		blind := section == "notes" && b.shop.Blind && (code == sinks.ParkUncertain || code == sinks.ParkAmbiguous)
		doubtful = doubtful || blind
		if !blind && (section != "log" || code != sinks.ParkUncertain) {
			b.Errorf("%s is parked as %s\n%s", entity, code, b.story())
		}
	}
	// Each note is there once, in order.
	var want, got []string
	for _, it := range state.Items(ledger.Base, "workExperiences") {
		n := 0
		for _, there := range b.shop.Notes(account) {
			if string(there.Note) == string(it.Value) {
				n++
			}
		}
		code := parked[sinks.ItemEntity("notes", it.ID)]
		if n > 1 || n == 0 && code == "" {
			b.Errorf("I4: the note %s is there %d times\n%s", it.Value, n, b.story())
		}
		if code == "" {
			want = append(want, string(it.Value))
		}
	}
	for _, there := range b.shop.Notes(account) {
		if slices.Contains(want, string(there.Note)) {
			got = append(got, string(there.Note))
		} else if !doubtful {
			b.Errorf("the note %s should not be there\n%s", there.Note, b.story())
		}
	}
	if !slices.Equal(got, want) {
		b.Errorf("the notes are %s, want %s\n%s", got, want, b.story())
	}
	for _, it := range state.Items(ledger.Base, "awards") {
		n := 0
		for _, there := range b.shop.Log(account) {
			if there == string(it.Value) {
				n++
			}
		}
		if n > 1 || n == 0 && parked[sinks.ItemEntity("log", it.ID)] != sinks.ParkUncertain {
			b.Errorf("I3: the entry %s is there %d times, parked %v\n%s", it.Value, n, parked, b.story())
		}
	}
}

// edits are one edit of each class, and the requests that carry it.
func edits() map[string]struct {
	edit   func(b *bench, id ledger.ProfileID)
	method string
	path   string
} {
	type edit = struct {
		edit   func(b *bench, id ledger.ProfileID)
		method string
		path   string
	}
	return map[string]edit{
		"A":        {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "city", `"one"`) }, http.MethodPut, "/profile"},
		"A-order":  {func(b *bench, id ledger.ProfileID) { b.w.Order(id, "workExperiences", "c", "a", "b") }, http.MethodPut, "/notes/order"},
		"B":        {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "phone", `"one"`) }, http.MethodPut, "/card"},
		"C-create": {func(b *bench, id ledger.ProfileID) { b.w.Put(id, "workExperiences", "d", note("d")) }, http.MethodPost, "/notes"},
		"C-update": {func(b *bench, id ledger.ProfileID) { b.w.Put(id, "workExperiences", "b", note("b2")) }, http.MethodPut, "/notes/"},
		"C-delete": {func(b *bench, id ledger.ProfileID) { b.w.Remove(id, "workExperiences", "b") }, http.MethodDelete, "/notes/"},
		"D":        {func(b *bench, id ledger.ProfileID) { b.w.Put(id, "awards", "second", note("second")) }, http.MethodPost, "/log"},
		"E-first":  {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "picture", `"one"`) }, http.MethodPost, "/picture/register"},
		"E-middle": {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "picture", `"one"`) }, http.MethodPut, "/picture/upload"},
		"E-last":   {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "picture", `"one"`) }, http.MethodPut, "/picture"},
		"F":        {func(b *bench, id ledger.ProfileID) { b.w.Set(id, "headline", `"one"`) }, http.MethodPut, "/task"},
	}
}

// TestEveryClassAtEveryPoint makes one edit of each class meet every fate, kills the
// process at every point of it (between the steps, for what has steps), and lets another
// process go on. Class G is the shop's way to refuse, and has a test of its own.
func TestEveryClassAtEveryPoint(t *testing.T) {
	all := append(points(), sinks.AfterList, "never")
	for _, blind := range []bool{false, true} {
		for name, e := range edits() {
			t.Run(fmt.Sprintf("blind=%v/%s", blind, name), func(t *testing.T) {
				t.Parallel()
				for i, fate := range sinktest.Fates() {
					for j, at := range all {
						if raced && (i+j+len(name))%7 != 0 {
							continue // the race detector is slow: a part, in which each point and fate occurs
						}
						if blind && (at == sinks.AfterList || at == sinks.AfterRead) {
							continue // nothing is read there
						}
						if (at == sinks.InResolve || at == sinks.AfterRead) && certain(fate) {
							continue // there is no doubt
						}
						t.Run(fmt.Sprintf("%s/%s", fate, at), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { shopKillAt(t, at, fate, blind, e.method, e.path, e.edit) })
						})
					}
				}
			})
		}
	}
}

// certain says that the outcome is known as soon as the call is over.
func certain(f sinktest.Fate) bool {
	return f == sinktest.OK || f == sinktest.RefusedDial || f == sinktest.SlowThenOK || f == sinktest.Throttle
}

func shopKillAt(t *testing.T, at sinks.Point, fate sinktest.Fate, blind bool, method, path string, edit func(*bench, ledger.ProfileID)) {
	b := newShopBench(t)
	b.shop.Blind = blind
	id := b.bound(secret)
	p := b.start()
	p.rest(time.Hour)
	b.converged(p, id, secret)
	p.halt()

	// The first request that carries the edit meets its fate, and the process its end at
	// the point that comes next (points before the request: of any lane).
	var mu sync.Mutex
	met, armed := false, false
	// Where steps come before, they are made first: the process ends between two of them.
	prior, reached := map[string]string{"/picture/upload": "/picture/register", "/picture": "/picture/upload"}[path], false
	b.meets = func(r *http.Request) sinktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		reached = reached || prior != "" && strings.HasPrefix(r.URL.Path, prior)
		whole := !strings.HasSuffix(path, "/") && path != "/picture/upload"
		if met || r.Method != method || whole && r.URL.Path != path || !strings.HasPrefix(r.URL.Path, path) || path == "/notes/" && r.URL.Path == "/notes/order" {
			return sinktest.OK
		}
		met, armed = true, true
		return fate
	}
	before := at == sinks.BeforeIntent || at == sinks.AfterIntent || at == sinks.BeforeCall || at == sinks.AfterList
	killed := make(chan struct{})
	done := false
	b.probe = func(p *process, point sinks.Point) {
		mu.Lock()
		defer mu.Unlock()
		if point == at && !done && (armed || before && (prior == "" || reached)) {
			done = true
			p.kill()
			close(killed)
		}
	}
	p = b.start()
	edit(b, id)
	select {
	case <-killed:
		p.gone()
		p = b.start()
	case <-time.After(10 * time.Minute): // this delivery does not come by there
	}
	b.w.Set(id, "lastName", `"two"`)
	p.rest(3 * time.Hour)
	b.converged(p, id, secret)
	p.halt()
	b.check(secret, canary, sinktest.UploadSecret)
	b.replay()
}

// TestRefusalInsideASuccessParks: status 200 with a refusal in it (class G) is no success;
// the next edit goes out.
func TestRefusalInsideASuccessParks(t *testing.T) {
	inShop(t, func(b *bench) {
		b.shop.RefuseIf = func(_ string, body []byte) bool { return strings.Contains(string(body), "poison") }
		id := b.bound(secret)
		b.w.Set(id, "city", `"poison"`, "phone", `"poison"`, "headline", `"poison"`)
		b.w.Put(id, "workExperiences", "d", note("poison"))
		b.w.Put(id, "awards", "second", note("poison"))
		p := b.start()
		p.rest(time.Hour)
		codes := p.parkedCodes()
		for _, entity := range []string{"profile", "card", "task", "notes/d", "log/second"} {
			if codes[entity] != sinks.ParkRefused {
				t.Errorf("%s is parked as %q", entity, codes[entity])
			}
		}
		b.w.Set(id, "city", `"good"`, "phone", `"good"`, "headline", `"good"`)
		b.w.Put(id, "workExperiences", "d", note("good"))
		p.rest(time.Hour)
		if codes := p.parkedCodes(); len(codes) != 1 || codes["log/second"] != sinks.ParkRefused {
			t.Errorf("parked: %v", codes)
		}
		b.w.Remove(id, "awards", "second")
		p.rest(time.Hour)
		p.halt()
		b.check(secret, canary)
	})
}
