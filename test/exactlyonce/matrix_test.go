package exactlyonce

import (
	"flag"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitae/sinks"
)

// TestMatrix kills a server at every point of every edit with every fate, and holds what it finds against the page.
func TestMatrix(t *testing.T) {
	var mu sync.Mutex
	found := outcomes{}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 9) // they mostly wait
	all := rows()
	if testing.Short() {
		all = slices.DeleteFunc(all, func(r row) bool { return !slices.Contains([]string{"never", "before-call", "after-reply"}, r.name) })
	}
	for _, r := range all {
		for _, refused := range []bool{false, true} {
			name := r.name
			if refused {
				name += ", refused"
			}
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				t.Run(name, func(t *testing.T) {
					x := newRun(t, r, refused)
					if len(x.cells) == 0 {
						x.server.Stop()
						return
					}
					x.whole()
					mu.Lock()
					defer mu.Unlock()
					for _, c := range x.cells {
						found[place{r.name, c.op.provider, c.op.name, c.fate}] = c.outcome
					}
				})
			})
		}
	}
	wg.Wait()
	if parts := strings.Split(flag.Lookup("test.run").Value.String(), "/"); !testing.Short() && len(parts) == 1 {
		found.page(t) // of all there is
	}
}

// whole is a run from its beginning to its end.
func (x *run) whole() {
	x.prepare()
	each(x.all(), x.judge)
	if x.Failed() {
		x.FailNow()
	}
	x.arm()
	x.live()
	each(x.all(), x.judge)
	calls := x.front.seen()
	x.again(len(calls))
	x.server.Stop()
	j := readJournal(x, x.server.Data)
	j.check(x, x.front.seen(), nil)
	for _, c := range x.cells {
		if word := x.word(c, j, calls[x.from:]); c.outcome == "" {
			c.outcome = word
		}
	}
}

// word says how an edit came to be there once.
func (x *run) word(c *cell, j journal, calls []call) string {
	claims := j.claims(x)
	sent, made := 0, 0
	var key sinks.Key
	for k := range j {
		if k.Sink == c.op.provider && k.Profile.String() == c.profile && strings.HasPrefix(k.Entity, c.op.lane) && j.after(k, c.before) {
			if key.Entity != "" {
				x.Errorf("%s: both %s and %s were delivered", c.name, key.Entity, k.Entity)
			}
			key = k
		}
	}
	for _, one := range calls {
		if one.write() && claims[one.attempt].lane == key {
			sent++
			if one.good() {
				made++
			}
		}
	}
	if c.op.once() && made > 1 {
		x.Errorf("%s: it was added %d times", c.name, made)
		return "doubled"
	}
	if doubt := c.outcome == outcomeDoubt; doubt != c.op.doubts(x.row, c.fate) {
		x.Errorf("%s: it waits for a person: %t", c.name, doubt)
		return "parked"
	}
	if c.outcome == outcomeDoubt {
		return "" // whether it was ever sent is the doubt
	}
	if c.op.creates && made != 1 {
		x.Errorf("%s: the item was made %d times", c.name, made)
		return map[bool]string{true: "lost", false: "doubled"}[made == 0]
	}
	switch {
	case key.Entity == "" || sent < c.op.steps && !j.looked(key, c.before):
		x.Errorf("%s: it was never sent", c.name)
		return "lost"
	case sent > c.op.steps:
		return "once, sent again"
	case j.looked(key, c.before):
		return "once, after a look"
	}
	return "once"
}

// after says whether a lane has made an attempt for a later commit.
func (j journal) after(key sinks.Key, seq uint64) bool {
	return slices.ContainsFunc(j[key], func(e sinks.Entry) bool { return e.Row.Event == sinks.Claim && uint64(e.Row.ToSeq) > seq })
}

// again starts the server once more on what is there, saves everything once more, and changes everything and takes
// it back: nothing is written at a provider.
func (x *run) again(calls int) {
	x.server.Stop()
	x.server.Restart()
	x.rest()
	x.switchSinks("pause")
	profiles := map[string]bool{}
	one := slices.DeleteFunc(x.all(), func(c *cell) bool {
		again := profiles[c.profile]
		profiles[c.profile] = true
		return again
	})
	each(one, func(c *cell) {
		doc := c.admin.Read(c.profile, "")
		headline, summary := doc["headline"], doc["summary"]
		c.patch(map[string]any{"headline": headline, "summary": summary})
		c.patch(map[string]any{"headline": "elsewhere", "summary": "elsewhere"})
		c.patch(map[string]any{"headline": headline, "summary": summary})
		for i, one := range asList(doc["workExperiences"]) {
			path := "/v1/experiences/" + c.itemID(i)
			c.must(http.StatusOK, http.MethodPatch, path, map[string]any{"description": "elsewhere"})
			c.must(http.StatusOK, http.MethodPatch, path, map[string]any{"description": one["description"]})
		}
	})
	x.switchSinks("resume")
	x.rest()
	for _, c := range x.front.seen()[calls:] {
		if c.write() {
			x.Errorf("%s: %s %s was sent although nothing had changed", x.row.name, c.method, c.path)
		}
	}
}
