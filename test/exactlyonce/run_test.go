package exactlyonce

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitae/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// row is a moment at which the server is killed.
type row struct {
	name  string
	point string // of package sinks; "" for never
	nth   int
	// early says that the kill comes before the first write: its fate is met after the restart.
	early bool
}

func rows() []row {
	out := []row{{name: "never"}}
	for _, p := range []string{"before-intent", "after-intent", "before-call", "after-list", "after-reply", "after-result", "in-resolve", "after-read", "before-cursor"} {
		out = append(out, row{name: p, point: p, nth: 1, early: slices.Contains([]string{"before-intent", "after-intent", "before-call"}, p)})
	}
	for k := 1; k < 5; k++ {
		out = append(out, row{name: fmt.Sprintf("between step %d and %d", k, k+1), point: "after-result", nth: k, early: true})
	}
	return out
}

// between is the step after which the kill comes; 0 when it is no matter of steps.
func (r row) between() int {
	if strings.HasPrefix(r.name, "between") {
		return r.nth
	}
	return 0
}

// onPath says whether an edit with a fate comes by the row's point.
func (r row) onPath(o *op, f fate) bool {
	switch r.point {
	case "after-list": // before a create, and to settle a doubt about an item
		return o.creates || o.item && f.doubtful()
	case "in-resolve":
		return f.doubtful() || o.nameless
	case "after-read":
		return (f.doubtful() || o.nameless) && !o.unread
	}
	return r.between() < o.steps
}

// run is one server that is killed at one moment, with many cells at once.
type run struct {
	*testing.T
	row     row
	cells   []*cell
	others  []*cell // whose edits do not come by the point
	refused bool    // the group of those whose provider does not listen
	front   *front
	server  *harness.Server
	admin   *harness.Client
	folder  string
	from    int // the calls before the edits
}

const (
	callTimeout = 2 * time.Second
	settleTime  = 3 * time.Second
)

// config is a server's configuration for the providers at a front.
func config(f *front) string {
	c := "[rate_limit]\nwrite_per_minute = 0\nread_per_minute = 0\n"
	for _, p := range providers {
		c += fmt.Sprintf("[sinks.%s]\nbase_url = %q\nrequests_per_minute = 0\nrequests_per_day = 0\ntimeout = %q\nsettle = %q\nmax_attempts = 100\n",
			p, f.url(p), callTimeout, settleTime)
	}
	return c
}

func newRun(t *testing.T, r row, refused bool) *run {
	x := &run{T: t, row: r, refused: refused, front: newFront(t), folder: t.TempDir()}
	x.server = harness.New(t, harness.Options{Config: config(x.front)})
	if r.point != "" {
		x.server.Probe = fmt.Sprintf("point=%s;arm=%s;log=%s;idle=%v", r.point, x.armFile(), x.noteFile(), harness.Patience)
	}
	x.server.Restart()
	x.admin = x.server.Admin()
	all := ops()
	for i := range all {
		for _, f := range fates() {
			if (f == fateRefused) != refused {
				continue
			}
			c := &cell{t: t, admin: x.admin, back: x.front.client(t), op: &all[i], fate: f, name: fmt.Sprintf("%s, %s, %s, %s", all[i].provider, all[i].name, r.name, f)}
			switch {
			case r.onPath(c.op, f):
				x.cells = append(x.cells, c)
			case r.between() == 0:
				x.others = append(x.others, c)
			}
		}
	}
	return x
}

func (x *run) armFile() string  { return filepath.Join(x.folder, "arm") }
func (x *run) noteFile() string { return filepath.Join(x.folder, "noted") }
func (x *run) all() []*cell     { return slices.Concat(x.cells, x.others) }

// each does something to many cells at a time.
func each(cells []*cell, do func(c *cell)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(cells); i = int(next.Add(1)) - 1 {
				do(cells[i])
			}
		})
	}
	wg.Wait()
}

// until waits for another process.
func (x *run) until(what string, ok func() bool) {
	x.Helper()
	for deadline := time.Now().Add(2 * harness.Patience); !ok(); {
		if time.Now().After(deadline) {
			x.Fatalf("%s: waited for nothing: %s\n%s", x.row.name, what, x.server.Tail())
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// rest waits until nothing is left to deliver.
func (x *run) rest() {
	x.Helper()
	x.restOf(x.server, x.server.AdminKey())
}

func (x *run) restOf(s *harness.Server, key string) {
	x.Helper()
	var r harness.Result
	// A lane that has met many faults in a row waits for minutes: up to ten.
	for range 9 {
		if r = s.CLIWith(key, "", "sink", "wait", "--timeout", "80s"); r.Code != 7 {
			break
		}
	}
	// The code of what waits for a person is no failure here: judge knows which edits may.
	if r.Code != 0 && r.Code != 3 {
		for _, c := range x.all() {
			if v := c.connection(); v.State != "in_sync" {
				x.Errorf("%s: %s", c.name, text(v))
			}
		}
		x.Fatalf("%s: no rest: %v\n%s", x.row.name, r, x.server.Tail())
	}
}

// prepare makes the profiles and brings them to the providers.
func (x *run) prepare() {
	each(x.all(), (*cell).begin)
	if x.Failed() {
		x.FailNow()
	}
	x.rest()
	if x.row.point == "after-list" { // a list that was read a moment ago would not be read again
		x.server.Stop()
		x.server.Restart()
		x.rest()
	}
}

// arm makes the next writes meet their fates, and the server die.
func (x *run) arm() {
	x.from = len(x.front.seen())
	aims := map[string]*aim{}
	for _, c := range x.all() {
		if !x.refused && !c.op.unmet(x.row) {
			aims[c.credential] = &aim{fate: c.fate, skip: x.row.between()}
		}
	}
	x.front.arm(aims)
	if x.refused && !x.late() {
		x.front.silence()
	}
	if x.row.point != "" {
		x.armProbe()
	}
}

// cursor says that the process dies with everything stored but how far the ledger was followed.
func (x *run) cursor() bool { return x.row.point == "before-cursor" }

// returns says that a provider listens again before the kill: it is read, or has taken what it was sent.
func (x *run) returns() bool {
	return x.cursor() || x.row.point == "in-resolve" || x.row.point == "after-read"
}

// late says that a provider stops listening after the kill: something is read or written before it.
func (x *run) late() bool { return x.row.point == "after-list" || x.row.between() > 0 }

func (x *run) armProbe() {
	var b strings.Builder
	if x.cursor() {
		// The cursor stands still, and nobody else comes.
		b.WriteString("hold - - 1\nhold nobody - 1\n")
	} else {
		for _, c := range x.cells {
			fmt.Fprintf(&b, "hold %s %s %d\n", c.profile, c.op.lane, x.row.nth)
		}
		for _, c := range x.others {
			fmt.Fprintf(&b, "watch %s %s\n", c.profile, c.op.lane)
		}
	}
	part := x.armFile() + ".part"
	err := os.WriteFile(part, []byte(b.String()), 0o600)
	if err == nil {
		err = os.Rename(part, x.armFile())
	}
	if err != nil {
		x.Fatal(err)
	}
}

// struck says whether every fate has met its write.
func (x *run) struck() bool {
	x.front.mu.Lock()
	defer x.front.mu.Unlock()
	for _, a := range x.front.aims {
		if !a.used {
			return false
		}
	}
	return true
}

// unreachable says whether all sinks have noticed that nobody listens.
func (x *run) unreachable() bool {
	providers := map[string]bool{}
	for _, c := range x.all() {
		providers[c.op.provider] = true
	}
	for p := range providers {
		r := x.admin.Try(http.MethodGet, "/v1/sinks/"+p, nil)
		var v struct{ LastError *struct{ Type string } }
		if r.Status != http.StatusOK {
			return false
		}
		if r.Into(x, &v); v.LastError == nil || v.LastError.Type != "unreachable" {
			return false
		}
	}
	return true
}

// switchSinks pauses all sinks, or lets them go on.
func (x *run) switchSinks(verb string) {
	x.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for _, p := range providers {
		r, err := x.admin.Do(ctx, harness.Call{Method: http.MethodPost, Path: "/v1/sinks/" + p + "/" + verb})
		if err != nil && x.server.Probe != "" && verb == "resume" {
			continue // it died of what it was told
		}
		if err != nil || r.Status != http.StatusOK {
			x.Fatalf("%s %s: %d %s %v", verb, p, r.Status, r.Body, err)
		}
	}
}

// live makes the edits, has the server die, and starts it again; at the end nothing is to do.
func (x *run) live() {
	x.switchSinks("pause") // all of them are to be delivered at once
	each(x.all(), func(c *cell) {
		c.before = c.connection().HeadSeq
		c.op.edit(c)
	})
	if x.Failed() {
		x.FailNow()
	}
	x.switchSinks("resume")
	if x.refused && x.returns() {
		x.until("nobody listens", x.unreachable)
		x.front.listen(x)
	}
	if x.cursor() {
		x.until("every fate", x.struck)
		x.rest()
		x.server.Kill9()
	}
	if x.row.point != "" {
		select {
		case <-x.server.Done():
		case <-time.After(2 * harness.Patience):
			x.Fatalf("%s: the server does not die\n%s", x.row.name, x.server.Tail())
		}
		x.arrived()
		if x.refused && x.late() {
			x.front.silence()
		}
		x.server.Probe = ""
		x.server.Restart()
		x.switchSinks("resume") // they may not have been told
	}
	if x.refused && !x.returns() {
		x.until("nobody listens", x.unreachable)
		x.front.listen(x)
	}
	x.until("every fate", x.struck)
	x.rest()
	x.front.disarm()
}

// arrived checks that those that come by the point were there, and nobody else.
func (x *run) arrived() {
	x.Helper()
	b, err := os.ReadFile(x.noteFile())
	if err != nil {
		x.Fatalf("%s: nobody came by: %v\n%s", x.row.name, err, x.server.Tail())
	}
	if x.cursor() {
		return
	}
	there := map[string]bool{}
	for profile := range strings.Lines(string(b)) {
		there[strings.TrimSpace(profile)] = true
	}
	for _, c := range x.cells {
		if !there[c.profile] {
			x.Errorf("%s: it did not come by", c.name)
		}
	}
	for _, c := range x.others {
		if there[c.profile] {
			x.Errorf("%s: it came by, and should not", c.name)
		}
	}
}

// judge compares what the provider has with what the profile says.
func (x *run) judge(c *cell) {
	holds := c.holds()
	v, diff := c.connection(), cmp.Diff(c.wants(holds), holds)
	doubts, others := x.left(c)
	switch {
	case others > 0:
		c.outcome = "parked"
		x.Errorf("%s: parked: %s", c.name, text(v))
	case v.State != "in_sync" && doubts == 0:
		c.outcome = "not at rest"
		x.Errorf("%s: %s", c.name, text(v))
	case diff != "":
		c.outcome = "differs"
		if have, want := asAny(holds["positions"]), asAny(c.wants(holds)["positions"]); len(have) > len(want) {
			c.outcome = "doubled"
		} else if len(have) < len(want) {
			c.outcome = "lost"
		}
		x.Errorf("%s: %s: the provider differs (-profile +provider):\n%s", c.name, c.outcome, diff)
	case c.op.provider == "jarvi":
		x.judgeNotes(c, doubts)
	}
}

// judgeNotes holds the history at the provider against the notes: each is there once, or waits for a person.
func (x *run) judgeNotes(c *cell, doubts int) {
	history := c.history()
	gone, doubled := missing(c.notes, history)
	switch {
	case doubled:
		c.outcome = "doubled"
		x.Errorf("%s: %v was noted, and the history has %v", c.name, c.notes, history)
	case len(gone) > doubts:
		c.outcome = "lost"
		x.Errorf("%s: %v is not in the history, and %d wait for a person", c.name, gone, doubts)
	case c.op.once() && doubts > 0:
		c.outcome = outcomeDoubt
	}
}
