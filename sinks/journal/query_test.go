package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

// busy is a journal of several profiles at two sinks.
func busy(t *testing.T) (*lanes, *opened, sinks.ID) {
	t.Helper()
	l := newLanes(t)
	var id sinks.ID
	for seq := ledger.Seq(2); seq < 5; seq++ {
		for p := range byte(3) {
			for _, sink := range []string{"mokaru", "linkedin"} {
				got := l.deliver(sinks.Key{Sink: sink, Profile: somebody(p), Entity: "profile"}, seq)
				if p == 1 && seq == 3 && sink == "mokaru" {
					id = got
				}
			}
		}
	}
	l.deliver(sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "skills/a"}, 9)
	return l, open(t, path(t), l).run().wait(l.last), id
}

func TestFilters(t *testing.T) {
	_, j, id := busy(t)
	one := somebody(1)
	for name, c := range map[string]struct {
		f    Filter
		want int
	}{
		"all":               {Filter{}, 57},
		"profile":           {Filter{Profile: one}, 21},
		"nobody":            {Filter{Profile: somebody(7)}, 0},
		"sink":              {Filter{Profile: one, Sink: "mokaru"}, 12},
		"sink of all":       {Filter{Sink: "linkedin"}, 27},
		"entity":            {Filter{Profile: one, Entity: "skills/a"}, 3},
		"section":           {Filter{Profile: one, Entity: "skills"}, 3},
		"not a section":     {Filter{Profile: one, Entity: "skill"}, 0},
		"attempt":           {Filter{Attempt: id.String()}, 3}, // the wish after it too is about it
		"attempt elsewhere": {Filter{Profile: somebody(2), Attempt: id.String()}, 0},
		"applied":           {Filter{Profile: one, Outcome: "applied"}, 7},
		"open":              {Filter{Profile: one, Outcome: "open"}, 14},
		"parked":            {Filter{Profile: one, Outcome: "parked"}, 0},
		"from":              {Filter{Profile: one, Sink: "linkedin", From: 4}, 2},
		"to":                {Filter{Profile: one, Sink: "linkedin", To: 2}, 3}, // and the wish behind it
		"one commit":        {Filter{Profile: one, Sink: "linkedin", From: 3, To: 3}, 3},
		"a word of SQL":     {Filter{Entity: "' OR 1=1 --"}, 0},
	} {
		if got := j.all(c.f); len(got) != c.want {
			t.Errorf("%s: %d rows, want %d: %q", name, len(got), c.want, got)
		}
		c.f.Limit = 2
		if got := j.all(c.f); len(got) != c.want {
			t.Errorf("%s, in pages: %d rows, want %d", name, len(got), c.want)
		}
	}
}

func TestCursorsStayWhileRowsArrive(t *testing.T) {
	l, j, _ := busy(t)
	f := Filter{Profile: somebody(1), Limit: 4}
	before := j.all(f)
	var got []string
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	for seq := ledger.Seq(20); ; seq++ {
		rows, next, err := j.Query(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, line(r))
		}
		if next == "" {
			break
		}
		if next != rows[len(rows)-1].Cursor() {
			t.Fatalf("next is %s, the last row's %s", next, rows[len(rows)-1].Cursor())
		}
		f.After = next
		if seq < 23 {
			l.deliver(k, seq)
			j.wait(l.last)
		}
	}
	if len(got) != len(before)+9 || !slices.Equal(got[:len(before)], before) {
		t.Errorf("got %q, want %q and 9 more", got, before)
	}
	f.After = ""
	j.want(f, got...)
}

func TestBackwards(t *testing.T) {
	_, j, _ := busy(t)
	f := Filter{Profile: somebody(1)}
	rows, _, err := j.Query(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	f.Before, f.Limit = rows[10].Cursor(), 4
	var pages []string
	for {
		page, next, err := j.Query(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		var one []string
		for _, r := range page {
			one = append(one, line(r))
		}
		pages = append(one, pages...)
		if next == "" {
			break
		}
		if next != page[0].Cursor() {
			t.Fatalf("next is %s, the first row's %s", next, page[0].Cursor())
		}
		f.Before = next
	}
	f = Filter{Profile: somebody(1), Before: rows[10].Cursor(), After: rows[0].Cursor(), Limit: 3}
	if got := j.all(f); len(got) != 9 || !slices.Equal(pages, append([]string{line(rows[0])}, got...)) {
		t.Errorf("got %q, between %q", pages, got)
	}
}

func TestNotACursor(t *testing.T) {
	j := open(t, path(t), newLanes(t))
	for _, text := range []string{"x", "1", "1.2", "1.2.3.4", "1..2", "-1.2.3", "1.2.99999999999999999999", "01.2.3", "+1.2.3", " 1.2.3"} {
		for _, f := range []Filter{{After: text}, {Before: text}} {
			if _, _, err := j.Query(t.Context(), f); !errors.Is(err, ErrCursor) || !errors.Is(err, ledger.ErrFormat) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	_, j, _ := busy(t)
	for limit, want := range map[int]int{-1: 57, 0: 57, 1: 1, 57: 57, 5000: 57} {
		rows, next, err := j.Query(t.Context(), Filter{Limit: limit})
		if err != nil || len(rows) != want || (next != "") != (want < 57) {
			t.Errorf("limit %d: %d rows, next %q, %v", limit, len(rows), next, err)
		}
	}
}

// TestManyRows asks a journal of 100,000 rows (5,000 under the race detector): a page is found by an index and takes no
// more rows than it shows.
func TestManyRows(t *testing.T) {
	j := open(t, path(t), newLanes(t))
	const profiles, blocks, each = 100, manyBlocks, 200
	for b := range uint64(blocks) {
		rows := make([]Row, each)
		for i := range rows {
			rows[i] = Row{Pos: b + 1, Profile: somebody(byte(i % profiles)), Sink: "mokaru", Entity: "profile", Event: "claim", Attempt: fmt.Sprintf("A%d.%d", b, i),
				FromSeq: ledger.Seq(b), ToSeq: ledger.Seq(b)}
		}
		if err := j.take([]taken{{pos: b + 1, rows: rows}}); err != nil {
			t.Fatal(err)
		}
	}
	last := fmt.Sprintf("A%d.%d", blocks-1, each-1)
	if got := j.all(Filter{Limit: MaxLimit}); len(got) != blocks*each {
		t.Fatalf("%d rows", len(got))
	}
	if got := j.all(Filter{Profile: somebody(42), Limit: 7}); len(got) != blocks*each/profiles {
		t.Fatalf("%d rows of a profile", len(got))
	}
	if got := j.all(Filter{Attempt: last}); len(got) != 1 {
		t.Fatalf("%q", got)
	}
	for name, c := range map[string]struct {
		f     Filter
		index string
	}{
		"profile":        {Filter{Profile: somebody(42)}, "rows_profile"},
		"profile, after": {Filter{Profile: somebody(42), After: "0.20.0", Sink: "mokaru"}, "rows_profile"},
		"attempt":        {Filter{Attempt: last}, "rows_attempt"},
	} {
		query, args, err := c.f.statement(false, 101)
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(j.plan(query, args), "\n")
		if !strings.Contains(plan, c.index) || strings.Contains(plan, "SCAN rows") || c.index == "rows_profile" && strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}

// plan is how SQLite would run a query.
func (o *opened) plan(query string, args []any) (out []string) {
	o.t.Helper()
	rows, err := o.reads.QueryContext(o.t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			o.t.Error(err)
		}
	}()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			o.t.Fatal(err)
		}
		out = append(out, detail)
	}
	return out
}
