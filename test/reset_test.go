package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// fsckOf is what vitae fsck on a folder says, by checkpoint, and its exit code.
func fsckOf(t *testing.T, data string, more ...string) (checkpoints []string, others []string, r harness.Result) {
	t.Helper()
	r = harness.Command(t, nil, "", append([]string{"fsck", "--data", data, "-o", "json"}, more...)...)
	var f struct {
		Findings []struct{ Checkpoint, Invariant, Why string }
	}
	if err := json.Unmarshal([]byte(r.Out), &f); err != nil {
		t.Fatalf("fsck: %v: %v", err, r)
	}
	for _, one := range f.Findings {
		if one.Checkpoint == "" {
			others = append(others, one.Invariant+": "+one.Why)
		} else if !slices.Contains(checkpoints, one.Checkpoint) {
			checkpoints = append(checkpoints, one.Checkpoint)
		}
	}
	slices.Sort(checkpoints)
	return checkpoints, others, r
}

// swap puts a copy of a folder in its place.
func swap(t *testing.T, folder, copied string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS(copied)); err != nil {
		t.Fatal(err)
	}
}

// told reads the feed of changes from its first event to the first one of a commit.
func told(t *testing.T, s *harness.Server, seq uint64, profile string) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/v1/events?from=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.AdminKey())
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var e struct {
			ID, Type, Subject string
			Data              struct{ Seq uint64 }
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if e.Data.Seq > 0 {
			all = append(all, fmt.Sprint(e.Data.Seq, " ", e.ID))
		}
		if e.Data.Seq == seq && e.Subject == profile {
			return all
		}
	}
	t.Fatalf("the feed never told of commit %d: %v", seq, all)
	return nil
}

// past is a server whose ledger, or all of whose engine, is put back to an older copy.
type past struct {
	t       *testing.T
	s       *harness.Server
	sandbox *harness.Sandbox
	ids     []string
	creds   map[string]map[string]string
	keep    []string // titles of experiences that are in the older ledger
	lost    []string // those that are not
	head    uint64   // of the older ledger
}

// newPast makes edits that are delivered, copies the folder below the engine, and makes more.
func newPast(t *testing.T, folder string) *past {
	p := &past{t: t, sandbox: harness.StartSandbox(t, "--requests-per-minute", "0"), creds: map[string]map[string]string{}}
	p.s = harness.Start(t, harness.Options{Config: five(p.sandbox)})
	admin := p.s.Admin()
	for i := range 2 {
		id := admin.Create(map[string]any{"firstName": "Jane", "lastName": fmt.Sprint("Number ", i), "email": "jane@example.org"})
		p.creds[id] = connectFive(t, admin, id)
		p.ids = append(p.ids, id)
	}
	for i := range 3 {
		p.keep = append(p.keep, p.edit(fmt.Sprint("kept ", i)))
	}
	settled(t, p.s)
	p.s.Stop()
	at := filepath.Join(p.s.Data, folder)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(at)); err != nil {
		t.Fatal(err)
	}
	p.s.Restart()
	p.head = p.seq()
	for i := range 6 {
		p.lost = append(p.lost, p.edit(fmt.Sprint("lost ", i)))
	}
	other := p.s.Admin().Create(map[string]any{"firstName": "Lost", "lastName": "Person", "email": "lost@example.org"})
	connectFive(t, p.s.Admin(), other)
	settled(t, p.s)
	p.s.Stop()
	swap(t, at, copied)
	return p
}

// edit makes one edit of each kind on every profile, and gives the word in it.
func (p *past) edit(word string) string {
	p.t.Helper()
	admin := p.s.Admin()
	for _, id := range p.ids {
		admin.Must(201, http.MethodPost, "/v1/experiences", map[string]any{"jobTitle": word, "company": "Acme", "startDate": "2019-05", "isCurrent": true}, "X-Vitae-Profile", id)
		admin.Must(200, patch, harness.Profile(id), map[string]any{"summary": word})
		if r := admin.Try(http.MethodPost, "/v1/public-api/rest/v2/profiles", map[string]any{"externalId": id, "historyEntrySubject": word}); r.Status/100 != 2 {
			p.t.Fatalf("a note: %d %s", r.Status, r.Body)
		}
	}
	return word
}

// seq is the last sequence of the profiles.
func (p *past) seq() (last uint64) {
	for _, id := range p.ids {
		for _, e := range p.s.Admin().MustHistory(id) {
			last = max(last, e.Seq)
		}
	}
	return last
}

// TestAnOlderLedger: under newer projections, lanes and feed the server refuses to start, fsck
// lists each of them, and a reset brings them back: then edits go on, nothing is skipped, and
// nothing is at a provider twice.
func TestAnOlderLedger(t *testing.T) {
	p := newPast(t, "engine/jetstream/$G/streams/LEDGER-0")
	if p.s.TryLaunch() {
		t.Fatal("the server starts on a ledger that is shorter than its projections")
	}
	if !strings.Contains(p.s.Tail(), "--reset-beyond-head") {
		t.Errorf("the server does not say what to do:\n%s", p.s.Tail())
	}
	all := []string{"feed", "journal", "lanes", "log", "projection directory", "projection history", "projection views"}
	was := countsOf(t, p.sandbox)
	for _, args := range [][]string{nil, {"--reset-beyond-head", "--dry-run"}, nil} {
		got, others, r := fsckOf(t, p.s.Data, args...)
		if r.Code != 8 || !slices.Equal(got, all) {
			t.Errorf("fsck %v: exit code %d, beyond the head: %q, want %q", args, r.Code, got, all)
		}
		if len(others) > 0 {
			t.Logf("fsck %v: %q", args, others)
		}
	}
	if r := harness.Command(t, nil, "", "fsck", "--data", p.s.Data, "--reset-beyond-head"); r.Code != 2 {
		t.Errorf("without --yes and a terminal: %v", r)
	}
	got, others, r := fsckOf(t, p.s.Data, "--reset-beyond-head", "--yes")
	if r.Code != 8 || !slices.Equal(got, []string{"log"}) || len(others) > 0 {
		t.Fatalf("after the reset: %q, %q: %v", got, others, r)
	}
	p.goOn(was)
}

// TestAnOlderEngine: the same under an engine that is older as a whole, which the journal of
// deliveries and the projections outlived.
func TestAnOlderEngine(t *testing.T) {
	p := newPast(t, "engine")
	if p.s.TryLaunch() {
		t.Fatal("the server starts on a ledger that is shorter than its projections")
	}
	was := countsOf(t, p.sandbox)
	all := []string{"journal", "log", "projection directory", "projection history", "projection views"}
	if got, _, r := fsckOf(t, p.s.Data); r.Code != 8 || !slices.Equal(got, all) {
		t.Errorf("fsck: exit code %d, beyond the head: %q, want %q", r.Code, got, all)
	}
	got, others, r := fsckOf(t, p.s.Data, "--reset-beyond-head", "--yes")
	if r.Code != 8 || !slices.Equal(got, []string{"log"}) || len(others) > 0 {
		t.Fatalf("after the reset: %q, %q: %v", got, others, r)
	}
	p.goOn(was)
}

// goOn starts the server after a reset, and edits until the ledger is longer than it was.
func (p *past) goOn(was counted) {
	t := p.t
	t.Helper()
	p.s.Launch() // it is not ready: the log is refused
	admin := p.s.Admin()
	for _, sink := range admin.Must(200, get, "/v1/sinks", nil).List(t) {
		if sink["state"] != "paused" {
			t.Errorf("%s is %s after a reset", sink["name"], sink["state"])
		}
	}
	if got := p.seq(); got > p.head {
		t.Fatalf("the older ledger ends at %d, not at %d", got, p.head)
	}
	held := map[string]holdings{}
	for _, id := range p.ids {
		held[id] = holdingsOf(t, p.sandbox, id, p.creds[id])
	}
	var fresh []string
	for i := range 10 {
		fresh = append(fresh, p.edit(fmt.Sprint("new ", i)))
	}
	for name, now := range countsOf(t, p.sandbox) {
		if now.Writes != was[name].Writes {
			t.Errorf("%s got %d writes before its sink was resumed", name, now.Writes-was[name].Writes)
		}
	}
	for _, sink := range []string{"mokaru", "postpress", "linkedin", "nexudus", "jarvi"} {
		if r := p.s.CLI("sink", "resume", sink); r.Code != 0 {
			t.Fatalf("resume: %v", r)
		}
	}
	if r := p.s.CLI("sink", "wait", "--timeout", "80s"); r.Code != 0 && r.Code != 3 {
		t.Fatalf("sink wait: %v\n%s", r, p.s.Tail())
	}
	for _, one := range admin.Must(200, get, "/v1/sinks/jarvi/parked", nil).List(t) {
		if one["code"] != "uncertain" {
			t.Errorf("parked: %v", one)
		}
	}
	want := slices.Concat(p.keep, fresh)
	last := uint64(0)
	for _, id := range p.ids {
		doc, now := admin.Read(id, ""), holdingsOf(t, p.sandbox, id, p.creds[id])
		if now.summary != doc["summary"] || doc["summary"] != fresh[len(fresh)-1] {
			t.Errorf("Mokaru's summary is %v, the profile's %v", now.summary, doc["summary"])
		}
		var have []string
		for _, e := range doc["workExperiences"].([]any) {
			have = append(have, e.(map[string]any)["jobTitle"].(string))
		}
		slices.Sort(have)
		if !slices.Equal(have, slices.Sorted(slices.Values(want))) {
			t.Errorf("the profile has %q, want %q", have, want)
		}
		// What the providers got of the commits that are gone is not ours any more, and stays.
		everyOnce(t, "Mokaru", now.experiences, want, held[id].experiences)
		everyOnce(t, "LinkedIn", now.positions, want, held[id].positions)
		everyOnce(t, "Jarvi", now.notes, want, held[id].notes)
		for _, e := range admin.MustHistory(id) {
			last = max(last, e.Seq)
		}
	}
	p.fed(last)
	if r := p.s.CLI("fsck"); r.Code != 8 || strings.Contains(r.Out, "I14") || strings.Contains(r.Out, "L4") {
		t.Errorf("fsck: %v", r)
	}
	p.s.Stop()
	p.s.Launch() // it stays so
	settled(t, p.s)
	p.s.Stop()
}

// fed checks that the feed has told of every commit of the profiles, once.
func (p *past) fed(last uint64) {
	p.t.Helper()
	ids := map[string]int{}
	times := map[uint64]int{}
	for _, one := range told(p.t, p.s, last, p.ids[len(p.ids)-1]) {
		var seq uint64
		var id string
		if _, err := fmt.Sscan(one, &seq, &id); err != nil {
			p.t.Fatal(err)
		}
		if ids[id]++; ids[id] > 1 {
			p.t.Errorf("event %s (commit %d) came %d times", id, seq, ids[id])
		}
		times[seq]++
	}
	for seq := p.head + 1; seq <= last; seq++ {
		if times[seq] == 0 {
			p.t.Errorf("the feed has not told of commit %d", seq)
		}
	}
}

// TestOlderLanes: lanes that were put back alone are noticed, because the journal of
// deliveries has seen more of them: all sinks are paused at the next start, and when they are
// resumed nothing is at a provider twice.
func TestOlderLanes(t *testing.T) {
	p := newPast(t, "engine/jetstream/$G/streams/LANES-0")
	if got, others, r := fsckOf(t, p.s.Data); r.Code != 8 || !slices.Equal(got, []string{"journal"}) || len(others) > 0 {
		t.Errorf("fsck: exit code %d, %q, %q", r.Code, got, others)
	}
	was := countsOf(t, p.sandbox)
	p.s.Restart()
	admin := p.s.Admin()
	for _, sink := range admin.Must(200, get, "/v1/sinks", nil).List(t) {
		if sink["state"] != "paused" {
			t.Errorf("%s is %s beside older lanes", sink["name"], sink["state"])
		}
	}
	fresh := p.edit("new")
	for name, now := range countsOf(t, p.sandbox) {
		if now.Writes != was[name].Writes {
			t.Errorf("%s got %d writes before its sink was resumed", name, now.Writes-was[name].Writes)
		}
	}
	for _, sink := range []string{"mokaru", "postpress", "linkedin", "nexudus", "jarvi"} {
		if r := p.s.CLI("sink", "resume", sink); r.Code != 0 {
			t.Fatalf("resume: %v", r)
		}
	}
	if r := p.s.CLI("sink", "wait", "--timeout", "80s"); r.Code != 0 && r.Code != 3 {
		t.Fatalf("sink wait: %v\n%s", r, p.s.Tail())
	}
	for _, id := range p.ids {
		now := holdingsOf(t, p.sandbox, id, p.creds[id])
		want := slices.Concat(p.keep, p.lost, []string{fresh})
		everyOnce(t, "Mokaru", now.experiences, want)
		everyOnce(t, "LinkedIn", now.positions, want)
		everyOnce(t, "Jarvi", now.notes, want)
	}
	p.s.Stop()
	if got, others, r := fsckOf(t, p.s.Data); r.Code != 0 {
		t.Errorf("fsck afterwards: exit code %d, %q, %q", r.Code, got, others)
	}
}
