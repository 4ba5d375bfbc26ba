package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// oldList makes an opened collection of id=value pairs.
func oldList(pairs ...string) *Collection {
	c := &Collection{Items: map[string]Cell{}}
	for _, p := range pairs {
		id, value, _ := strings.Cut(p, "=")
		c.put(id, Cell{Value: Value(value)})
	}
	return c
}

func ids() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("new%d", n) }
}

func TestMatch(t *testing.T) {
	const a, b = `{"name":"A","description":"a"}`, `{"name":"B","description":"b"}`
	for _, c := range []struct {
		name, old, in, want string // items parted by blanks: old id=value, in [id=]value, want id[!]: ! = changed
	}{
		{"nothing to nothing", "", "", ""},
		{"all new", "", a + " " + b, "new1! new2!"},
		{"the same", "x=" + a + " y=" + b, a + " " + b, "x y"},
		{"moved", "x=" + a + " y=" + b, b + " " + a, "y x"},
		{"edited, known by its name", "x=" + a + " y=" + b, `{"name":"A","description":"z"} ` + b, "x! y"},
		{"renamed, known by the rest", "x=" + a + " y=" + b, `{"name":"Z","description":"a"} ` + b, "x! y"},
		{"names swapped: the name decides", "x=" + a + " y=" + b, `{"name":"B","description":"a"} {"name":"A","description":"b"}`, "y! x!"},
		{"another thing", "x=" + a, b, "new1!"},
		{"taken out", "x=" + a + " y=" + b, b, "y"},
		{"an id given", "x=" + a + " y=" + b, "y=" + a + " " + a, "y! x"},
		{"an id given that is new", "x=" + a, "q=" + a, "q!"},
		{"an id given comes before content", "x=" + a, a + " x=" + b, "new1! x!"},
		{"twins in order", "x=" + a + " y=" + a, a + " " + a, "x y"},
		{"one twin gone", "x=" + a + " y=" + a, a, "x"},
		{"a twin more", "x=" + a, a + " " + a, "x new1!"},
		{"a twin edited", "x=" + a + " y=" + a, `{"name":"A","description":"z"} ` + a, "y! x"},
		{"content before name", "x=" + a + ` y={"name":"A","description":"z"}`, `{"name":"A","description":"z"} {"name":"A","description":"q"}`, "y x!"},
		{"new ids are not those in use", "new1=" + a, "new2=" + a + " " + b, "new2! new3!"},
	} {
		var in []ItemIn
		for _, s := range strings.Fields(c.in) {
			id, value, ok := strings.Cut(s, "=")
			if !ok {
				id, value = "", s
			}
			in = append(in, ItemIn{ID: id, Value: Value(value)})
		}
		var got []string
		for i, o := range Match(field(t, "projects"), oldList(strings.Fields(c.old)...), in, ids()) {
			if !o.Value.Equal(in[i].Value) {
				t.Errorf("%s: item %d became %s", c.name, i, o.Value)
			}
			if o.Changed {
				o.ID += "!"
			}
			got = append(got, o.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if out := Match(field(t, "projects"), nil, []ItemIn{{Value: Value(a)}}, ids()); len(out) != 1 || out[0].ID != "new1" || out[0].Known {
		t.Errorf("no old list: %v", out)
	}
	// Without a natural key (a summary may have no title) the content speaks.
	old := oldList(`x={"content":"one"}`, `y={"title":"T","content":"two"}`)
	out := Match(field(t, "summaries"), old, []ItemIn{{Value: Value(`{"content":"2"}`)}, {Value: Value(`{"content":"one"}`)}, {Value: Value(`{"title":"T","content":"three"}`)}}, ids())
	if out[0].ID != "new1" || out[1].ID != "x" || out[2].ID != "y" {
		t.Errorf("summaries: %v", out)
	}
}

func skill(name, level int) Value {
	levels := []string{"beginner", "intermediate", "advanced", "expert"}
	return Value(fmt.Sprintf(`{"name":"S%d","level":%q}`, name, levels[level%4]))
}

// drawList draws an old list of up to 100 items with some twins.
func drawList(t *rapid.T) (*Collection, []ItemIn) {
	old := &Collection{Items: map[string]Cell{}}
	var in []ItemIn
	for i := range rapid.IntRange(0, MaxItems).Draw(t, "items") {
		v := skill(rapid.IntRange(0, 60).Draw(t, "name"), rapid.IntRange(0, 3).Draw(t, "level"))
		old.put(fmt.Sprintf("old%d", i), Cell{Value: v})
		in = append(in, ItemIn{Value: v})
	}
	return old, in
}

func unique(t *rapid.T, out []ItemOut) {
	seen := map[string]bool{}
	for _, o := range out {
		if o.ID == "" || seen[o.ID] {
			t.Fatalf("id %q twice or empty", o.ID)
		}
		seen[o.ID] = true
	}
}

func TestMatchProperties(t *testing.T) {
	f := field(t, "skills")
	rapid.Check(t, func(t *rapid.T) {
		old, in := drawList(t)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {},
			"identical": func(t *rapid.T) {
				out := Match(f, old, in, ids())
				for i, o := range out {
					if o.ID != old.Order[i] || o.Changed || !o.Known {
						t.Fatalf("item %d: %+v", i, o)
					}
				}
			},
			"reordered": func(t *rapid.T) {
				moved := rapid.Permutation(in).Draw(t, "moved")
				out := Match(f, old, moved, ids())
				unique(t, out)
				for i, o := range out {
					if o.Changed || !old.Items[o.ID].Value.Equal(moved[i].Value) {
						t.Fatalf("item %d: %+v", i, o)
					}
				}
			},
			"one edited": func(t *rapid.T) {
				if len(in) == 0 {
					return
				}
				i := rapid.IntRange(0, len(in)-1).Draw(t, "which")
				edited := slices.Clone(in)
				edited[i].Value = Value(strings.Replace(string(in[i].Value), `"level"`, `"category":"edited","level"`, 1))
				out := Match(f, old, edited, ids())
				unique(t, out)
				changed := 0
				for j, o := range out {
					if o.Changed {
						changed++
						// Its own id, or that of an exact twin of what it was.
						if j != i || !o.Known || !old.Items[o.ID].Value.Equal(in[i].Value) {
							t.Fatalf("item %d of %d: %+v", j, i, o)
						}
					}
				}
				if changed != 1 {
					t.Fatalf("%d changed", changed)
				}
			},
			"any other list": func(t *rapid.T) {
				_, other := drawList(t)
				given := map[string]bool{}
				for i := range other {
					if id := fmt.Sprintf("old%d", rapid.IntRange(0, 150).Draw(t, "id")); rapid.Bool().Draw(t, "given") && !given[id] {
						other[i].ID, given[id] = id, true
					}
				}
				if errs := DuplicateIDs(other, ""); len(errs) > 0 {
					t.Fatal(errs)
				}
				out := Match(f, old, other, ids())
				unique(t, out)
				after := old.Clone()
				for i, o := range out {
					was, known := old.Items[o.ID]
					if other[i].ID != "" && o.ID != other[i].ID || o.Known != known || o.Changed == (known && was.Value.Equal(o.Value)) || !o.Value.Equal(other[i].Value) {
						t.Fatalf("item %d: %+v", i, o)
					}
					after.put(o.ID, Cell{Value: o.Value})
				}
				// The same list once more, in the state after, is no change.
				now := &Collection{Items: after.Items}
				for _, o := range out {
					now.Order = append(now.Order, o.ID)
				}
				for i, o := range Match(f, now, stripped(other), ids()) {
					if o.Changed || !after.Items[o.ID].Value.Equal(out[i].Value) {
						t.Fatalf("again, item %d: %+v", i, o)
					}
				}
			},
		})
	})
}

func stripped(items []ItemIn) []ItemIn {
	out := slices.Clone(items)
	for i := range out {
		out[i].ID = ""
	}
	return out
}
