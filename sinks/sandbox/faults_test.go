package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func (g *rig) fault(rest string) {
	g.Helper()
	g.control("POST", "/faults", `{"provider":"mokaru",`+rest+`}`)
}

// waits takes the place of time: a fault that waits says so, and waits until it is told.
type waits struct {
	begun chan time.Duration
	over  chan time.Time
}

func (g *rig) waits() waits {
	w := waits{make(chan time.Duration, 1), make(chan time.Time)}
	g.s.after = func(d time.Duration) <-chan time.Time {
		w.begun <- d
		return w.over
	}
	return w
}

func TestStatusFault(t *testing.T) {
	g := start(t, Options{PerMinute: 20})
	g.fault(`"kind":"status","status":503,"retryAfter":2,"times":3`)
	g.fault(`"kind":"status","status":500`)
	for i, want := range []int{503, 503, 503, 500, 200} {
		a := g.patch(1, `{"firstName":"A"}`)
		retry := ""
		if want == 503 {
			retry = "2"
		}
		if a.status != want || a.header.Get("Retry-After") != retry || a.header.Get("X-RateLimit-Remaining") != fmt.Sprint(19-i) {
			t.Errorf("call %d: %d %v", i, a.status, a.header)
		}
	}
	if a := g.account(1); a.Patches != 1 || a.Requests != 5 {
		t.Errorf("%+v", a)
	}
	if got := g.requests(); got[0].Fault != "status" || got[0].Status != 503 || got[0].Changed || got[4].Fault != "" || !got[4].Changed {
		t.Errorf("%+v", got)
	}
}

func TestFaultsOfOneAccount(t *testing.T) {
	g := start(t, Options{})
	g.fault(`"kind":"garbage","account":"` + g.account(1).Account + `"`)
	g.fault(`"kind":"status","status":500`)
	for i, c := range []struct{ key, want int }{{2, 500}, {2, 200}, {1, 200}, {1, 200}} {
		a := g.get(c.key)
		if a.status != c.want || strings.HasPrefix(a.body, "<!DOCTYPE html>") != (i == 2) {
			t.Errorf("call %d: %d %s", i, a.status, a.body)
		}
	}
}

func TestGarbageFault(t *testing.T) {
	g := start(t, Options{})
	g.fault(`"kind":"garbage"`)
	if a := g.patch(1, `{"firstName":"A"}`); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := g.account(1); a.Patches != 0 {
		t.Errorf("it had an effect: %+v", a)
	}
}

func TestDropFaults(t *testing.T) {
	g := start(t, Options{})
	for kind, effect := range map[string]bool{"drop_before": false, "drop_after": true} {
		g.control("POST", "/reset", "")
		g.fault(fmt.Sprintf(`"kind":%q`, kind))
		if a, err := g.try("PATCH", "/mokaru/v1/profile", `{"firstName":"A"}`, "Authorization", "Bearer "+key(1), "Content-Type", "application/json"); err == nil {
			t.Errorf("%s: answered %d", kind, a.status)
		}
		if a := g.account(1); a.Requests != 1 || (a.Writes == 1) != effect || (a.Profile["firstName"] == "A") != effect {
			t.Errorf("%s: %+v", kind, a)
		}
		if r := g.requests(); len(r) != 1 || r[0].Status != 0 || r[0].Changed != effect || r[0].Fault != kind {
			t.Errorf("%s: %+v", kind, r)
		}
		if got := g.updated(1, `{"firstName":"A"}`); got == effect {
			t.Errorf("%s: the same again says updated: %v", kind, got)
		}
	}
}

// abandoned makes a PATCH that is under way at a fault that waits, and lets the client
// leave.
func (g *rig) abandoned(w waits, want time.Duration) {
	g.Helper()
	ctx, cancel := context.WithCancel(g.Context())
	left := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "PATCH", g.url+"/mokaru/v1/profile", strings.NewReader(`{"firstName":"A"}`))
		req.Header = http.Header{"Authorization": {"Bearer " + key(1)}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		left <- err
	}()
	if d := <-w.begun; d != want {
		g.Errorf("waits for %s", d)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		g.Fatal(err)
	}
}

// settled waits for the answer of the n-th request.
func (g *rig) settled(n int) Request {
	g.Helper()
	for {
		g.s.mu.Lock()
		r := *g.s.requests[n-1]
		g.s.mu.Unlock()
		if r.Status != 0 {
			return r
		}
		g.account(1)
	}
}

func TestLateLanding(t *testing.T) {
	g := start(t, Options{})
	w := g.waits()
	g.fault(`"kind":"delay","delay":"200ms"`)
	g.abandoned(w, 200*time.Millisecond)
	if a := g.account(1); a.Writes != 0 {
		t.Errorf("landed early: %+v", a)
	}
	g.updated(1, `{"firstName":"B"}`)
	w.over <- time.Time{}
	if r := g.settled(1); !r.Changed || r.Fault != "delay" {
		t.Errorf("%+v", r)
	}
	if a := g.account(1); a.Writes != 2 || a.Profile["firstName"] != "A" {
		t.Errorf("not landed after the later one: %+v", a)
	}
}

func TestNothingLandsAfterAReset(t *testing.T) {
	m := &memory{}
	g := start(t, Options{Store: m})
	w := g.waits()
	g.fault(`"kind":"delay","delay":"1s"`)
	g.abandoned(w, time.Second)
	before := g.s.requests[0]
	g.control("POST", "/reset", "")
	w.over <- time.Time{}
	for {
		g.s.mu.Lock()
		status := before.Status
		g.s.mu.Unlock()
		if status != 0 {
			break
		}
		g.account(1)
	}
	if a := g.account(1); a.State != "unopened" || m.len() != 1 {
		t.Errorf("%+v, %d records", a, m.len())
	}
}

func TestSlowFault(t *testing.T) {
	g := start(t, Options{})
	w := g.waits()
	g.fault(`"kind":"slow","delay":"3s"`)
	g.abandoned(w, 3*time.Second)
	if a := g.account(1); a.Writes != 1 || a.Profile["firstName"] != "A" {
		t.Errorf("the effect waits too: %+v", a)
	}
	g.settled(1) // without the wait being over: nobody is there to wait for
	g.fault(`"kind":"slow","delay":"3s"`)
	answered := make(chan answer)
	go func() {
		a, err := g.try("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1))
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	<-w.begun
	w.over <- time.Time{}
	if a := <-answered; a.status != 200 {
		t.Errorf("%d", a.status)
	}
}

func TestWhatMeetsNoFault(t *testing.T) {
	g := start(t, Options{Clock: newClock().now, PerMinute: 2})
	g.fault(`"kind":"garbage"`)
	got := []int{
		g.do("GET", "/mokaru/v1/profile", "").status,
		g.do("GET", "/mokaru/v1/nothing", "", "Authorization", "Bearer "+key(1)).status,
		g.do("PUT", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1)).status,
		g.get(1).status,
	}
	if !slices.Equal(got, []int{401, 404, 405, 429}) {
		t.Errorf("%v", got)
	}
	if a := g.get(2); !strings.HasPrefix(a.body, "<!DOCTYPE") {
		t.Errorf("the fault is gone: %s", a.body)
	}
	g.fault(`"kind":"garbage","times":5`)
	g.control("DELETE", "/faults", "")
	if a := g.get(2); a.status != 200 || strings.HasPrefix(a.body, "<!DOCTYPE") {
		t.Errorf("a withdrawn fault: %s", a.body)
	}
}
