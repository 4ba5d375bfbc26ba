package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Trap: a read right after a write may not show it.
func TestReadsLagBehind(t *testing.T) {
	c := newClock()
	g := start(t, Options{Clock: c.now})
	names := func(want ...any) {
		t.Helper()
		for i, want := range want {
			if got := g.profile(i + 1)["firstName"]; got != want {
				t.Errorf("account %d is read as %v, want %v", i+1, got, want)
			}
		}
	}
	g.updated(1, `{"firstName":"A"}`)
	g.control("POST", "/mokaru/lag", `{"delay":"2s"}`)
	names("A", nil) // what was there before the lag is shown
	g.updated(1, `{"firstName":"B"}`)
	g.updated(2, `{"firstName":"Z"}`)
	names("A", nil)
	c.move(time.Second)
	g.updated(1, `{"firstName":"C","lastName":"D"}`)
	c.move(time.Second - time.Nanosecond)
	names("A", nil)
	c.move(time.Nanosecond)
	names("B", "Z")
	if got := g.profile(1)["lastName"]; got != nil {
		t.Errorf("a part of a change is shown: %v", got)
	}
	c.move(time.Second)
	names("C", "Z")
	if g.updated(1, `{"firstName":"D"}`); g.account(1).Profile["firstName"] != "D" {
		t.Error("the account itself lags")
	}
	if g.updated(1, `{"firstName":"D"}`) {
		t.Error("a write goes by what reads show")
	}
	g.control("POST", "/mokaru/lag", `{"delay":"0s"}`)
	names("D", "Z")
	g.control("POST", "/mokaru/lag", `{"delay":"2s"}`)
	names("D", "Z") // the end of a lag is for good
	g.updated(1, `{"firstName":"E"}`)
	g.control("POST", "/mokaru/lag", `{"delay":"1s"}`)
	c.move(time.Second)
	names("E", "Z") // the delay is the newest one
}

func TestItemsLagBehind(t *testing.T) {
	c := newClock()
	g := start(t, Options{Clock: c.now})
	g.control("POST", "/mokaru/lag", `{"delay":"1m"}`)
	id := g.created(1, "skills", `{"name":"n"}`)
	seen := func(want bool) {
		t.Helper()
		if status := g.call(1, "GET", "/skills/"+id, "").status; (status == 200) != want {
			t.Errorf("the item: %d", status)
		}
		if got := g.page(1, "skills", ""); (got.Total == 1) != want {
			t.Errorf("the list: %+v", got)
		}
		if got := g.profile(1)["skills"].([]any); (len(got) == 1) != want {
			t.Errorf("the profile: %v", got)
		}
	}
	seen(false)
	if a := g.call(1, "PATCH", "/skills/"+id, `{"category":"c"}`); a.status != 200 {
		t.Errorf("a write does not find what reads do not show yet: %d", a.status)
	}
	c.move(time.Minute)
	seen(true)
	if a := g.call(1, "DELETE", "/skills/"+id, ""); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	seen(true)
	if a := g.call(1, "DELETE", "/skills/"+id, ""); a.status != 404 {
		t.Errorf("deleted again while reads still show it: %d", a.status)
	}
	c.move(time.Minute)
	seen(false)
}

func TestLagKeepsOnlyWhatReadsMayShow(t *testing.T) {
	c := newClock()
	g := start(t, Options{Clock: c.now})
	g.control("POST", "/mokaru/lag", `{"delay":"10s"}`)
	for n := range 100 {
		g.updated(1, fmt.Sprintf(`{"firstName":"%d"}`, n))
		g.updated(1, fmt.Sprintf(`{"firstName":"%d"}`, n))
		c.move(time.Second)
	}
	for _, a := range g.s.accounts {
		if len(a.past) > 10 {
			t.Errorf("%d states of the past are kept", len(a.past))
		}
	}
	if got := g.profile(1)["firstName"]; got != "90" {
		t.Errorf("read as %v", got)
	}
	g.control("POST", "/reset", "")
	if g.updated(1, `{"firstName":"A"}`); g.profile(1)["firstName"] != "A" {
		t.Error("a reset does not end the lag")
	}
}

func TestLagRefuses(t *testing.T) {
	g := start(t, Options{})
	for _, body := range []string{``, `{}`, `{"delay":""}`, `{"delay":"2"}`, `{"delay":2}`, `{"delay":"-1s"}`, `{"delay":"11m"}`, `{"delay":"1s","x":1}`} {
		if a := g.do("POST", "/_sandbox/mokaru/lag", body); a.status != 400 || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := g.do("POST", "/_sandbox/other/lag", `{"delay":"1s"}`); a.status != 404 {
		t.Errorf("a provider that is not there: %d", a.status)
	}
}
