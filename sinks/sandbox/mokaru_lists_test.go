package sandbox

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Trap: the profile shows experiences, education and skills, and does not take them.
func TestProfileShowsItemsReadOnly(t *testing.T) {
	g := start(t, Options{})
	for profile, list := range map[string]string{"workExperiences": "experiences", "educations": "education", "skills": "skills"} {
		g.created(1, list, entries[list][1])
		g.created(1, list, entries[list][0])
		shown := g.page(1, list, "").Data
		want := []any{}
		for _, item := range shown {
			delete(item, "id")
			if list == "education" {
				delete(item, "description")
			}
			want = append(want, item)
		}
		if got := g.profile(1)[profile]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", profile, got, want)
		}
		for _, name := range []string{profile, list} {
			if got := g.wrong(g.patch(1, fmt.Sprintf(`{%q:[]}`, name))); !slices.Equal(got, []string{name}) {
				t.Errorf("PATCH of %s: %q", name, got)
			}
		}
	}
	if g.updated(1, `{"firstName":"A"}`); g.page(1, "skills", "").Total != 2 {
		t.Error("a PATCH of the profile changed the skills")
	}
}

func TestItemsShareTheWindowOfTheProfile(t *testing.T) {
	g := start(t, Options{Clock: newClock().now, PerMinute: 6})
	id := g.created(1, "skills", `{"name":"n"}`)
	g.page(1, "experiences", "")
	g.item(1, "skills", id)
	g.call(1, "PATCH", "/skills/"+id, `{"name":null}`)
	g.get(1)
	g.call(1, "GET", "/education/x", "")
	for _, a := range []answer{g.call(1, "DELETE", "/skills/"+id, ""), g.get(1), g.call(1, "POST", "/education", `{"school":"s"}`)} {
		if a.status != 429 || a.header.Get("Retry-After") != "60" {
			t.Errorf("%d %v", a.status, a.header)
		}
	}
	if a := g.account(1); a.Deletes != 0 || a.Creates != 1 || a.Requests != 9 {
		t.Errorf("%+v", a)
	}
}

func TestItemsAreReplayed(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	for list, both := range entries {
		id := g.created(1, list, both[1])
		g.created(1, list, both[0])
		gone := g.created(1, list, both[0])
		g.call(1, "PATCH", "/"+list+"/"+id, both[0])
		g.call(1, "DELETE", "/"+list+"/"+gone, "")
		g.call(1, "DELETE", "/"+list+"/"+gone, "")
		g.call(2, "DELETE", "/"+list+"/"+g.created(2, list, both[0]), "")
	}
	g.updated(1, `{"firstName":"A"}`)
	again := start(t, Options{Store: m})
	for n := 1; n <= 2; n++ {
		before, after := g.account(n), again.account(n)
		if before.Requests = after.Requests; !reflect.DeepEqual(before, after) {
			t.Errorf("before %+v, after %+v", before, after)
		}
		for list := range entries {
			if b, a := g.page(n, list, ""), again.page(n, list, ""); !reflect.DeepEqual(b, a) {
				t.Errorf("%s: before %+v, after %+v", list, b, a)
			}
		}
	}
	if a := again.account(1); a.Creates != 9 || a.Updates != 3 || a.Deletes != 3 || a.Patches != 1 {
		t.Errorf("%+v", a)
	}
}

func TestReplayRefusesItems(t *testing.T) {
	try := func(verb, set string) error {
		b := fmt.Sprintf(`{"op":"patch","verb":%q,"provider":"mokaru","account":"%064d","set":%s}`, verb, 1, set)
		_, err := New(Options{Store: &memory{records: [][]byte{[]byte(b)}}})
		return err
	}
	for _, set := range []string{`{"skills":null}`, `{"skills":[{"id":"a","name":"n"},{"id":"b","name":"n","level":"expert"}]}`, `{"education":[{"id":"a","school":"s","isCurrent":false}]}`} {
		if err := try("update", set); err != nil {
			t.Errorf("%s: %v", set, err)
		}
	}
	for _, set := range []string{`{"skills":[]}`, `{"skills":"x"}`, `{"skills":["x"]}`, `{"skills":[{"name":"n"}]}`, `{"skills":[{"id":"a"}]}`, `{"skills":[{"id":"a","name":1}]}`,
		`{"skills":[{"id":"a","name":"n","x":1}]}`, `{"skills":[{"id":"a","name":"n"},{"id":"a","name":"n"}]}`, `{"workExperiences":[{"id":"a"}]}`, `{"education":[{"id":"a","school":"s"}]}`} {
		if try("update", set) == nil {
			t.Errorf("%s is taken", set)
		}
	}
	if try("other", `{"skills":null}`) == nil {
		t.Error("a verb that is not known is taken")
	}
}

func TestItemThatIsNotStoredIsNotMade(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	id := g.created(1, "skills", `{"name":"n"}`)
	m.mu.Lock()
	m.fail = true
	m.mu.Unlock()
	for _, a := range []answer{g.call(1, "POST", "/skills", `{"name":"m"}`), g.call(1, "PATCH", "/skills/"+id, `{"name":"m"}`), g.call(1, "DELETE", "/skills/"+id, "")} {
		if a.status != 500 || strings.Contains(a.body, "disk") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if got := g.page(1, "skills", ""); got.Total != 1 || got.Data[0]["name"] != "n" {
		t.Errorf("%+v", got)
	}
	if a := g.account(1); a.Creates != 1 || a.Updates != 0 || a.Deletes != 0 {
		t.Errorf("%+v", a)
	}
}

func TestConcurrentPostsLoseNoItem(t *testing.T) {
	g := start(t, Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				header := []string{"Authorization", "Bearer " + key(1), "Content-Type", "application/json"}
				if a, err := g.try("POST", "/mokaru/v1/skills", `{"name":"n"}`, header...); err != nil || a.status != 201 {
					t.Error(a.status, err)
				}
				if a, err := g.try("GET", "/mokaru/v1/skills?limit=100", "", header...); err != nil || a.status != 200 {
					t.Error(a.status, err)
				}
			}
		})
	}
	all.Wait()
	ids := map[any]bool{}
	for _, item := range g.page(1, "skills", "?limit=100").Data {
		ids[item["id"]] = true
	}
	if len(ids) != 80 {
		t.Errorf("%d items", len(ids))
	}
}
