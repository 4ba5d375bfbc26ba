package postpress

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

// agrees compares the sections of the stand-in with the state, by what a list shows.
func (r *rig) agrees(id ledger.ProfileID) {
	r.Helper()
	p, err := New("https://postpress.example/postpress", r.Net)
	if err != nil {
		r.Fatal(err)
	}
	state, err := r.World.Profile(context.Background(), id, 0)
	if err != nil {
		r.Fatal(err)
	}
	for _, s := range sections {
		list, out := p.List(context.Background(), call(s.name, sinks.VerbCreate, nil))
		if out.Verdict != sinks.Applied {
			r.Fatalf("%s: %+v", s.name, out)
		}
		ids, err := items(s.name, state)
		if err != nil {
			r.Fatal(err)
		}
		var want, got []string
		for _, item := range ids {
			want = append(want, string(made(r, s.name+"/"+item, state, sinks.Have{}).Echo))
		}
		for _, l := range list {
			got = append(got, string(l.Echo))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.Errorf("%s:\ngot  %s\nwant %s", s.name, got, want)
		}
	}
}

// TestTheStandInTakesEverything: a strict PostPress, written by somebody else from the
// same pages, takes all that there is to send, whatever the network does to the first
// requests; no entry is there twice, and the newest edit is what stays.
func TestTheStandInTakesEverything(t *testing.T) {
	for _, fate := range sinktest.Fates() {
		t.Run(string(fate), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				box, err := sandbox.New(sandbox.Options{})
				if err != nil {
					t.Fatal(err)
				}
				r.Net.Handler, r.base = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					rec := httptest.NewRecorder()
					box.Handler().ServeHTTP(rec, q)
					if rec.Code >= 400 {
						t.Errorf("%s %s was answered %d %s", q.Method, q.URL.Path, rec.Code, rec.Body)
					}
					maps.Copy(w.Header(), rec.Header())
					w.WriteHeader(rec.Code)
					_, _ = w.Write(rec.Body.Bytes()) // a recorder takes everything
				}), "https://postpress.example/postpress"
				all := full(t)
				var values []string
				for name, cell := range all.Shared {
					values = append(values, name, string(cell.Value))
				}
				id := r.World.Create(values...)
				for field, c := range all.Resumes[ledger.Base].Collections {
					for _, item := range c.Order {
						r.World.Put(id, field, item, string(c.Items[item].Value))
					}
				}
				r.bind(id)
				var mu sync.Mutex
				met := map[string]int{}
				r.Meet(func(q *http.Request) sinktest.Fate {
					mu.Lock()
					defer mu.Unlock()
					key := q.Header.Get("Idempotency-Key")
					if met[key]++; q.Method != http.MethodPatch || met[key] > 1 || len(met) > 8 {
						return sinktest.OK
					}
					return fate
				})
				r.start()
				r.well()
				r.agrees(id)
				mu.Lock()
				clear(met)
				mu.Unlock()
				for _, role := range []string{"A", "B", "A"} {
					r.World.Set(id, "headline", `"`+role+`"`)
					r.World.Put(id, "workExperiences", "now", strings.Replace(founder, "Founder", role, 1))
					r.well()
					r.agrees(id)
				}
				r.Stop()
			})
		})
	}
}

// TestAnAnnouncedAddWhoseAnswerIsLostIsFound: the add is made, nobody hears of it, and no
// list shows it yet when it is sent again, without a word to the network. The stand-in
// refuses that other form under the same key; the entry is there once, and not parked.
func TestAnAnnouncedAddWhoseAnswerIsLostIsFound(t *testing.T) {
	inBubble(t, func(r *rig) {
		box, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var told []string // of every add, in order
		refused := 0
		r.Net.Handler, r.base = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			rec := httptest.NewRecorder()
			box.Handler().ServeHTTP(rec, q)
			mu.Lock()
			if q.Method == http.MethodPatch {
				told = append(told, q.Header.Get("X-Vitae-Step"))
			}
			if rec.Code == http.StatusUnprocessableEntity {
				refused++
			}
			mu.Unlock()
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()) // a recorder takes everything
		}), "https://postpress.example/postpress"
		id := r.World.Create()
		r.bind(id)
		r.start()
		r.well()
		if code := r.Ask(http.MethodPost, "/_sandbox/postpress/lag", `{"delay":"3m"}`, nil); code >= 300 {
			t.Fatal(code)
		}
		r.Meet(func(q *http.Request) sinktest.Fate {
			mu.Lock()
			defer mu.Unlock()
			if q.Method == http.MethodPatch && len(told) == 0 {
				return sinktest.LostAfter
			}
			return sinktest.OK
		})
		r.World.Put(id, "workExperiences", "one", strings.Replace(founder, `}`, `,"postpress":{"notifyNetwork":true}}`, 1))
		r.well()
		r.agrees(id)
		r.Agrees(id)
		r.Stop()
		mu.Lock()
		defer mu.Unlock()
		if len(told) < 2 || told[0] != stepAnnounce || slices.Contains(told[1:], stepAnnounce) || refused != len(told)-1 {
			t.Errorf("the adds were %q, and %d were refused", told, refused)
		}
	})
}
