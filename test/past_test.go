package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/test/harness"
)

// TestPast: random edits of every kind; then the state at every sequence is what was read
// there at the time, and history, blame and diff are what a plain replay of the events
// comes to, at every sequence.
func TestPast(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	edits := 60
	if testing.Short() {
		edits = 30
	}
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	e := &editor{t: t, c: admin, id: admin.Create(first()), rng: rand.New(rand.NewPCG(seed, 1))}
	read := []map[string]map[string]any{nil, e.read("")} // by sequence, then resume
	for len(read) <= edits {
		before := len(read)
		e.edit()
		for seq := e.seq(); len(read) <= seq; {
			if seq > before {
				t.Fatalf("one edit led from sequence %d to %d", before-1, seq)
			}
			read = append(read, e.read(""))
		}
	}
	events := admin.MustHistory(e.id)
	if err := harness.CheckChain(e.id, events); err != nil {
		t.Fatal(err)
	}
	head := len(read) - 1
	states := make([]*replay, len(read))
	for seq := range states {
		states[seq] = replayed(events, uint64(seq))
	}
	for seq := 1; seq <= head; seq++ {
		at := fmt.Sprintf("?at=%d", seq)
		if diff := cmp.Diff(read[seq], e.read(at)); diff != "" {
			t.Fatalf("as of %d (-then +now):\n%s", seq, diff)
		}
		fold := harness.Fold(events, uint64(seq))
		for resume, doc := range read[seq] {
			if diff := fold.Differs(doc, resume); diff != "" {
				t.Fatalf("resume %s as of %d (-history +read):\n%s", resume, seq, diff)
			}
		}
		if diff := cmp.Diff(states[seq].blame(), rowsOf(t, admin, e.id, "/blame"+at, "value", "seq", "index", "time", "actor", "via", "previousSeq")); diff != "" {
			t.Fatalf("blame at %d (-replay +answer):\n%s", seq, diff)
		}
		var upTo []harness.Event
		admin.Must(200, get, harness.Profile(e.id, "/history?limit=1000&to=", fmt.Sprint(seq)), nil).Into(t, &struct{ Data *[]harness.Event }{&upTo})
		if want := slices.DeleteFunc(slices.Clone(events), func(e harness.Event) bool { return e.Seq > uint64(seq) }); len(want) < 1000 {
			if diff := cmp.Diff(want, upTo); diff != "" {
				t.Fatalf("history up to %d:\n%s", seq, diff)
			}
		}
		for _, from := range []int{max(1, seq-1), 1 + e.rng.IntN(head)} {
			got := rowsOf(t, admin, e.id, fmt.Sprintf("/diff?from=%d&to=%d", from, seq), "op", "from", "to")
			if diff := cmp.Diff(states[from].diff(states[seq]), got); diff != "" {
				t.Fatalf("diff from %d to %d (-replay +answer):\n%s", from, seq, diff)
			}
		}
	}
	// Going back to a moment makes it the present.
	for range 5 {
		to := 1 + e.rng.IntN(head)
		admin.Must(200, post, harness.Profile(e.id, "/restore"), map[string]any{"to": to})
		if diff := cmp.Diff(bare(read[to]), bare(e.read(""))); diff != "" {
			t.Fatalf("restored to %d (-then +now):\n%s", to, diff)
		}
	}
}

// editor edits one profile at random.
type editor struct {
	t   *testing.T
	c   *harness.Client
	id  string
	rng *rand.Rand
}

func (e *editor) seq() int {
	var v struct{ Seq int }
	e.c.Must(200, get, harness.Profile(e.id), nil).Into(e.t, &v)
	return v.Seq
}

func (e *editor) resumes(query string) (ids []string) {
	for _, r := range e.c.Must(200, get, "/v1/resume"+query, nil, "X-Vitae-Profile", e.id).List(e.t) {
		ids = append(ids, fmt.Sprint(r["id"]))
	}
	return ids
}

// read reads every resume with the shared fields.
func (e *editor) read(query string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, id := range e.resumes(query) {
		out[id] = e.c.Must(200, get, "/v1/resume/"+id+query, nil, "X-Vitae-Profile", e.id).Data(e.t)
	}
	return out
}

// bare leaves out when resumes were made and changed: a resume that is made again is younger.
func bare(resumes map[string]map[string]any) map[string]map[string]any {
	for _, doc := range resumes {
		delete(doc, "createdAt")
		delete(doc, "updatedAt")
	}
	return resumes
}

func (e *editor) pick(from ...any) any { return from[e.rng.IntN(len(from))] }

// list draws a collection: some items bring the id they had.
func (e *editor) list(item func(n int) map[string]any) []any {
	items := []any{}
	for _, n := range e.rng.Perm(6)[:e.rng.IntN(5)] {
		i := item(n)
		if n%2 == 0 {
			i["id"] = fmt.Sprint("i", n)
		}
		items = append(items, i)
	}
	return items
}

func (e *editor) collections() map[string]any {
	text := func() any {
		return e.pick("a", "some words that make a longer text", "some other words that make a longer text")
	}
	all := map[string]any{
		"skills":    e.list(func(n int) map[string]any { return map[string]any{"name": fmt.Sprint("skill", n)} }),
		"projects":  e.list(func(n int) map[string]any { return map[string]any{"name": fmt.Sprint("p", n), "description": text()} }),
		"languages": e.list(func(n int) map[string]any { return map[string]any{"name": fmt.Sprint("l", n)} }),
		"workExperiences": e.list(func(n int) map[string]any {
			return map[string]any{"company": fmt.Sprint("c", n), "jobTitle": text(), "startDate": "2020-01"}
		}),
	}
	out := map[string]any{}
	for name, v := range all {
		if e.rng.IntN(3) == 0 {
			out[name] = v
		}
	}
	if len(out) == 0 {
		out["interests"] = e.list(func(n int) map[string]any { return map[string]any{"name": fmt.Sprint("x", n)} })
	}
	return out
}

// edit makes one edit, which may turn out to change nothing.
func (e *editor) edit() {
	ids := e.resumes("")
	other := ids[e.rng.IntN(len(ids))]
	about := []string{"X-Vitae-Profile", e.id}
	switch e.rng.IntN(10) {
	case 0:
		if len(ids) < 4 {
			e.c.Must(201, post, "/v1/resume", map[string]any{"name": fmt.Sprint("resume ", e.rng.IntN(9))}, about...)
		}
	case 1:
		if other != "base" {
			e.c.Must(200, http.MethodDelete, "/v1/resume/"+other, nil, about...)
		}
	case 2, 3:
		body := e.collections()
		if e.rng.IntN(3) == 0 {
			body["name"] = fmt.Sprint("name ", e.rng.IntN(4))
		}
		e.c.Must(200, patch, "/v1/resume/"+other, body, about...)
	case 4:
		e.c.Must(201, post, "/v1/skills", map[string]any{"name": fmt.Sprint("added ", e.rng.IntN(1000))}, about...)
	case 5:
		items := e.c.Must(200, get, "/v1/skills", nil, about...).List(e.t)
		if len(items) > 0 {
			e.c.Must(200, http.MethodDelete, fmt.Sprint("/v1/skills/", items[e.rng.IntN(len(items))]["id"]), nil, about...)
		}
	case 6:
		e.c.Must(200, patch, harness.Profile(e.id), e.collections())
	default:
		body := map[string]any{"city": e.pick(nil, "Rome", "Oslo", "Łódź")}
		for name, v := range map[string]any{
			"firstName": e.pick("Jane", "Joan"), "firstName@fr_FR": e.pick(nil, "Jeanne"), "summary": e.pick(nil, "one two three four five", "one two 3 four five six"),
			"birthDate": e.pick(nil, "1990-01-15"), "website": e.pick(nil, "jane.example"), "nexudus": map[string]any{"onNewWallPost": e.pick(nil, true, false), "billingName": e.pick(nil, "J")},
			"phones": []any{map[string]any{"number": e.pick("+1", "+2")}, map[string]any{"number": e.pick("+3", "+4"), "type": "HOME"}}[:e.rng.IntN(3)],
		} {
			if e.rng.IntN(3) == 0 {
				body[name] = v
			}
		}
		e.c.Must(200, patch, harness.Profile(e.id), body)
	}
}

// entry is one value of a replay, and the event that put it there.
type entry struct {
	value any
	by    harness.Event
	// before is the sequence of the event that had set the same place before; nil for the first.
	before any
}

// replay is a profile as its events make it, in the plainest way there is.
type replay struct {
	views   []string            // in the order they came: shared, base, resumes
	scalars map[[2]string]entry // by view and field
	order   map[[2]string][]string
	items   map[[3]string]entry
	last    map[[3]string]any // where a place got a value last
}

func replayed(events []harness.Event, to uint64) *replay {
	r := &replay{views: []string{"shared"}, scalars: map[[2]string]entry{}, order: map[[2]string][]string{}, items: map[[3]string]entry{}, last: map[[3]string]any{}}
	for _, e := range events {
		if e.Seq > to {
			break
		}
		list, place := [2]string{e.View, e.Field}, [3]string{e.View, e.Field, e.Item}
		now := entry{e.Value, e, r.last[place]}
		switch e.Op {
		case "created":
			r.views = append(r.views, "base")
		case "copied":
			r.views = append(r.views, e.View)
			for from, ids := range r.order {
				if from[0] != e.Item {
					continue
				}
				r.order[[2]string{e.View, from[1]}] = slices.Clone(ids)
				for _, id := range ids {
					r.items[[3]string{e.View, from[1], id}] = r.items[[3]string{e.Item, from[1], id}]
				}
			}
		case "deleted":
			r.views = slices.DeleteFunc(r.views, func(v string) bool { return v == e.View })
			for k := range r.scalars {
				if k[0] == e.View {
					delete(r.scalars, k)
				}
			}
			for k := range r.order {
				if k[0] == e.View {
					delete(r.order, k)
				}
			}
			for k := range r.items {
				if k[0] == e.View {
					delete(r.items, k)
				}
			}
		case "set":
			r.scalars[list], r.last[place] = now, e.Seq
		case "clear":
			delete(r.scalars, list)
		case "put":
			if _, is := r.items[place]; !is {
				r.order[list] = append(r.order[list], e.Item)
			}
			r.items[place], r.last[place] = now, e.Seq
		case "remove":
			delete(r.items, place)
			r.order[list] = slices.DeleteFunc(slices.Clone(r.order[list]), func(id string) bool { return id == e.Item })
		case "order":
			r.order[list] = nil
			for _, id := range e.Value.([]any) {
				r.order[list] = append(r.order[list], id.(string))
			}
		}
	}
	return r
}

// blame is a row for each value, by "view field item".
func (r *replay) blame() map[string][]any {
	out := map[string][]any{}
	row := func(e entry) []any {
		before := any("<nil>")
		if e.before != nil {
			before = fmt.Sprint(e.before)
		}
		return []any{e.value, fmt.Sprint(e.by.Seq), fmt.Sprint(e.by.Index), e.by.Time, e.by.Actor, e.by.Via, before}
	}
	for k, e := range r.scalars {
		out[k[0]+" "+k[1]+" <nil>"] = row(e)
	}
	for k, e := range r.items {
		out[k[0]+" "+k[1]+" "+k[2]] = row(e)
	}
	return out
}

// diff is a row for each difference, by "view field item".
func (r *replay) diff(to *replay) map[string][]any {
	out := map[string][]any{}
	for _, v := range to.views {
		if !slices.Contains(r.views, v) {
			out[v+" <nil> <nil>"] = []any{"created", nil, nil}
		}
	}
	for _, v := range r.views {
		if !slices.Contains(to.views, v) {
			out[v+" <nil> <nil>"] = []any{"deleted", nil, nil}
		}
	}
	for k, a := range r.scalars {
		if _, stays := to.scalars[k]; !stays {
			out[k[0]+" "+k[1]+" <nil>"] = []any{"clear", a.value, nil}
		}
	}
	for k, b := range to.scalars {
		if a := r.scalars[k]; !cmp.Equal(a.value, b.value) {
			out[k[0]+" "+k[1]+" <nil>"] = []any{"set", a.value, b.value}
		}
	}
	for k, a := range r.items {
		if _, stays := to.items[k]; !stays {
			out[k[0]+" "+k[1]+" "+k[2]] = []any{"remove", a.value, nil}
		}
	}
	for k, b := range to.items {
		if a := r.items[k]; !cmp.Equal(a.value, b.value) {
			out[k[0]+" "+k[1]+" "+k[2]] = []any{"put", a.value, b.value}
		}
	}
	for k, want := range to.order {
		got := slices.DeleteFunc(slices.Clone(r.order[k]), func(id string) bool { return !slices.Contains(want, id) })
		for _, id := range want {
			if !slices.Contains(got, id) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want) {
			out[k[0]+" "+k[1]+" <nil>"] = []any{"order", list(r.order[k]), list(want)}
		}
	}
	return out
}

func list(ids []string) (out []any) {
	for _, id := range ids {
		out = append(out, id)
	}
	return out
}

// rowsOf reads rows by "view field item", each as the named members: numbers as text.
func rowsOf(t *testing.T, c *harness.Client, id, path string, members ...string) map[string][]any {
	t.Helper()
	out := map[string][]any{}
	for _, row := range c.Must(200, get, harness.Profile(id, path), nil).List(t) {
		key := fmt.Sprint(row["view"], " ", row["field"], " ", row["item"])
		if out[key] != nil {
			t.Fatalf("%s: two rows of %s", path, key)
		}
		for _, m := range members {
			v := row[m]
			if m == "seq" || m == "index" || m == "previousSeq" {
				v = fmt.Sprint(v)
			}
			out[key] = append(out[key], v)
		}
	}
	return out
}
