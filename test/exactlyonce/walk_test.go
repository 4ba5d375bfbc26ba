package exactlyonce

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitae/test/harness"
)

var walkSeed = flag.Uint64("seed", 20261121, "seed of the random walk; 0 draws one")

// walker is a client that edits one profile at random.
type walker struct {
	*testing.T
	rng   *rand.Rand
	api   *harness.Client
	id    string
	n     int
	items []string
	keeps bool  // it takes nothing away: a provider that follows cannot
	noted *cell // its history
	gone  bool  // it has given up
}

// send repeats an edit under one key until it is answered, over kills and restarts.
func (w *walker) send(method, path string, body any) (made string) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.n++
	call := harness.Call{Method: method, Path: path, Header: map[string]string{"X-Vitae-Profile": w.id, "Idempotency-Key": fmt.Sprint(w.id, w.n)}}
	if body != nil {
		call.Body = raw
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for try := 1; ; try++ {
		r, err := w.api.Do(ctx, call)
		switch {
		case err == nil && r.Status == http.StatusNotFound && method == http.MethodDelete && try > 1:
			return "" // a key does not answer a repeated DELETE: it was done by the one before
		case err == nil && (r.Status == http.StatusOK || r.Status == http.StatusCreated):
			var e struct{ ID string }
			if err := json.Unmarshal(r.Body, &e); err != nil {
				w.Errorf("%s %s: %v in %s", method, path, err, r.Body)
			}
			return e.ID
		case err == nil && r.Status < 500 && r.Status != http.StatusConflict, ctx.Err() != nil:
			w.Errorf("%s %s: %d %s %v", method, path, r.Status, r.Body, err)
			w.gone = true
			return ""
		}
		select { // the server is being killed or started
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// step makes one edit.
func (w *walker) step() {
	value := fmt.Sprint("value ", w.n)
	one := func() (i int, path string) {
		i = w.rng.IntN(len(w.items))
		return i, "/v1/experiences/" + w.items[i]
	}
	switch k := w.rng.IntN(100); {
	case k < 3 && w.noted != nil && len(w.noted.notes) < 12:
		w.send(http.MethodPost, notesPath, map[string]any{"externalId": w.noted.account(), "historyEntrySubject": value})
		w.noted.notes = append(w.noted.notes, value)
	case k < 12 && len(w.items) < 6:
		w.items = append(w.items, w.send(http.MethodPost, "/v1/experiences", position(value)))
	case k < 22 && len(w.items) > 0 && !w.keeps:
		i, path := one()
		w.send(http.MethodDelete, path, nil)
		w.items = slices.Delete(w.items, i, i+1)
	case k < 55 && len(w.items) > 0:
		_, path := one()
		w.send(http.MethodPatch, path, map[string]any{"description": value})
	case k < 65 && !w.keeps:
		w.send(http.MethodPatch, harness.Profile(w.id), map[string]any{"summary": nil})
	default:
		values := map[string]any{"summary": value, "headline": value}
		if w.noted == nil {
			values["jobTitle"] = value // Jarvi shows none, and is looked at for a quarter of an hour when a restart has forgotten which it took
		}
		w.send(http.MethodPatch, harness.Profile(w.id), values)
	}
}

// TestWalk makes ten thousand edits of twenty profiles that three providers follow, every second of them Jarvi and
// every fourth PostPress too. One request in five meets a fate, and the server is killed twenty times. At rest the providers have what every
// profile says, and what is added once to a history is there once or waits for a person.
func TestWalk(t *testing.T) {
	edits, profiles, kills := 10_000, 20, 20
	if testing.Short() {
		edits, kills = 1_000, 4
	}
	seed := *walkSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	began := time.Now()
	x := &run{T: t, row: row{name: "walk"}, front: newFront(t), folder: t.TempDir()}
	x.server = harness.Start(t, harness.Options{Config: config(x.front)})
	x.admin = x.server.Admin()

	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1<<40))
	drawn := []fate{fateLostBefore, fateLostAfter, fateSlow, fateLate, fateGarbage, fateError, fateThrottled, fateReset}
	x.front.draw = func() fate {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(5) > 0 {
			return fateOK
		}
		return drawn[rng.IntN(len(drawn))]
	}
	var walkers []*walker
	target := map[string]*op{}
	for _, p := range providers {
		target[p] = &op{provider: p, name: "walk"}
	}
	for i := range profiles {
		w := &walker{T: t, rng: rand.New(rand.NewPCG(seed, uint64(i))), api: x.admin, keeps: i%4 == 3}
		for _, p := range providers {
			if p == "postpress" && !w.keeps || p == "jarvi" && i%2 == 0 {
				continue
			}
			o := target[p]
			c := &cell{t: t, admin: x.admin, back: x.front.client(t), op: o, name: fmt.Sprintf("%s, profile %d", o.provider, i), profile: w.id}
			if w.id == "" {
				c.begin()
				w.id = c.profile
			} else {
				c.connect()
			}
			x.cells = append(x.cells, c)
			if p == "jarvi" {
				w.noted = c
			}
		}
		walkers = append(walkers, w)
	}

	var done atomic.Int64
	var clients sync.WaitGroup
	for _, w := range walkers {
		clients.Go(func() {
			for done.Add(1) <= int64(edits) && !w.gone {
				w.step()
			}
		})
	}
	moment := rand.New(rand.NewPCG(seed, 1<<41))
	for k := range kills {
		due := int64(edits / kills * k)
		x.until("edits", func() bool { return done.Load() >= due+moment.Int64N(int64(edits/kills)) || t.Failed() })
		// The kill is to fall anywhere.
		time.Sleep(time.Duration(moment.IntN(50)) * time.Millisecond)
		x.server.Kill9()
		if k%5 == 4 { // for a while after the restart nobody listens
			x.front.silence()
		}
		x.server.Restart()
		if k%5 == 4 {
			time.Sleep(time.Duration(moment.IntN(300)) * time.Millisecond)
			x.front.listen(t)
		}
	}
	clients.Wait()
	t.Logf("edited after %v", time.Since(began))
	x.rest()
	x.front.disarm()
	t.Logf("at rest after %v", time.Since(began))
	each(x.cells, x.judge)
	calls := x.front.seen()
	x.again(len(calls))
	noted, doubts := 0, 0
	for _, c := range x.cells {
		n, _ := x.left(c)
		noted, doubts = noted+len(c.notes), doubts+n
	}
	t.Logf("%d notes, %d of them wait for a person", noted, doubts)
	if doubts == 0 || doubts == noted {
		t.Error("that shows nothing")
	}
	older := kept(t, x.admin, x.cells)
	x.server.Stop()
	writes, met := 0, 0
	for _, c := range calls {
		if c.write() {
			writes++
			if c.fate != fateOK {
				met++
			}
		}
	}
	t.Logf("%d calls, %d writes, %d of them with a fate, over after %v", len(calls), writes, met, time.Since(began))
	if met < writes/10 {
		t.Errorf("only %d of %d writes met a fate: the test shows nothing", met, writes)
	}
	readJournal(t, x.server.Data).check(t, x.front.seen(), older)
}
