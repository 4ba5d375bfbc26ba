package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vitae/test/harness"
)

// backups makes backups of one server, each in a file of its own beside the newest keys.
type backups struct {
	t    *testing.T
	s    *harness.Server
	dir  string
	keys string
}

func newBackups(t *testing.T, s *harness.Server) *backups {
	dir := t.TempDir()
	return &backups{t, s, dir, filepath.Join(dir, "newest.keys")}
}

// file is the path of a backup.
func (b *backups) file(name string) string { return filepath.Join(b.dir, name) }

// take makes a backup, on top of another one unless since is "", and gives its head.
func (b *backups) take(name, since string, more ...string) uint64 {
	b.t.Helper()
	args := append([]string{"backup", b.file(name), "--keys", b.keys, "-o", "json"}, more...)
	if since != "" {
		args = append(args, "--since", b.file(since))
	}
	r := b.s.CLI(args...)
	var w struct{ Head uint64 }
	if err := json.Unmarshal([]byte(r.Out), &w); r.Code != 0 || err != nil {
		b.t.Fatalf("backup: %v\n%s", r, b.s.Tail())
	}
	return w.Head
}

// restore makes a data folder of the backups with those names, in that order.
func (b *backups) restore(data string, args []string, names ...string) harness.Result {
	b.t.Helper()
	all := []string{"restore", "--data", data, "--master-key-file", filepath.Join(b.s.Data, "master.key"), "-o", "json"}
	if !slices.Contains(args, "--keys") {
		all = append(all, "--keys", b.keys)
	}
	for _, n := range names {
		all = append(all, b.file(n))
	}
	return harness.Command(b.t, nil, "", append(all, args...)...)
}

// mustRestore is restore that has to work, and gives the folder.
func (b *backups) mustRestore(names ...string) string {
	b.t.Helper()
	data := filepath.Join(b.t.TempDir(), "restored")
	if r := b.restore(data, nil, names...); r.Code != 0 {
		b.t.Fatalf("restore: %v", r)
	}
	return data
}

// refused fails the test unless the restore is refused with words, and leaves nothing.
func (b *backups) refused(words string, args []string, names ...string) {
	b.t.Helper()
	parent := b.t.TempDir()
	r := b.restore(filepath.Join(parent, "restored"), args, names...)
	if r.Code != 8 || !strings.Contains(r.Err, words) {
		b.t.Errorf("restore of %v: want exit code 8 and %q: %v", names, words, r)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		b.t.Errorf("a refused restore of %v left %v (%v)", names, left, err)
	}
}

// made is an edit that the server has acknowledged.
type made struct {
	profile, field, value string
}

// TestBackupUnderLoad: five backups, each on top of the one before, are taken while profiles
// are edited and delivered; then the server is killed and restored. Everything that was
// acknowledged before the last backup is there, and when the sinks are resumed nothing is
// at a provider twice.
func TestBackupUnderLoad(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	b, admin := newBackups(t, s), s.Admin()
	var ids []string
	credentials := map[string]map[string]string{}
	for i := range 3 {
		id := admin.Create(map[string]any{"firstName": "Jane", "lastName": fmt.Sprint("Number ", i), "email": "jane@example.org"})
		admin.Must(200, patch, harness.Profile(id), map[string]any{"picture": upload(t, admin, fmt.Sprint("pixels", i), "me", id)})
		credentials[id] = connectFive(t, admin, id)
		ids = append(ids, id)
	}
	var mu sync.Mutex
	var acked []made
	var lost atomic.Bool // the server is about to be
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var writers sync.WaitGroup
	for w, id := range ids {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			experiences := 0
			for n := 0; ctx.Err() == nil; n++ {
				one := made{profile: id, value: fmt.Sprintf("%s %d", id, n)}
				call := harness.Call{Method: patch, Path: harness.Profile(id)}
				var body any
				kind := random.IntN(4)
				if kind == 0 && experiences == 80 { // a profile has 100 at most
					kind = 2
				}
				switch kind {
				case 0:
					experiences++
					one.field, body = "workExperiences", map[string]any{"jobTitle": one.value, "company": "Acme", "startDate": "2019-05", "isCurrent": true}
					call.Method, call.Path, call.Header = http.MethodPost, "/v1/experiences", map[string]string{"X-Vitae-Profile": id}
				case 1:
					one.field, body = "jarvi.historyEntries", map[string]any{"externalId": id, "historyEntrySubject": one.value}
					call.Method, call.Path = http.MethodPost, "/v1/public-api/rest/v2/profiles"
				default:
					one.field, body = "summary", map[string]any{"summary": one.value}
				}
				call.Body, _ = json.Marshal(body)
				r, err := admin.Do(ctx, call)
				if ctx.Err() != nil || lost.Load() {
					return
				}
				if err != nil || r.Status/100 != 2 {
					t.Errorf("%s: %v %d %s", one.field, err, r.Status, r.Body)
					return
				}
				mu.Lock()
				acked = append(acked, one)
				mu.Unlock()
			}
		})
	}
	names, since, before := []string{}, "", 0
	for i := range 5 {
		// A backup has something new: wait for edits.
		for enough := false; !enough; {
			admin.Must(200, get, harness.Profile(ids[0]), nil)
			mu.Lock()
			enough = len(acked) >= (i+1)*30
			mu.Unlock()
			if t.Failed() {
				t.FailNow()
			}
		}
		mu.Lock()
		before = len(acked)
		mu.Unlock()
		name := fmt.Sprint("backup-", i)
		b.take(name, since)
		names, since = append(names, name), name
	}
	// The providers get ahead of what can be restored.
	for enough := false; !enough; {
		admin.Must(200, get, harness.Profile(ids[0]), nil)
		mu.Lock()
		enough = len(acked) >= before+60
		mu.Unlock()
	}
	lost.Store(true)
	s.Kill9()
	stop()
	writers.Wait()

	restored := harness.Start(t, harness.Options{Data: b.mustRestore(names...), Config: five(sandbox)})
	admin = restored.Admin()
	have := map[string]int{}
	for _, id := range ids {
		for _, e := range admin.MustHistory(id) {
			text := fmt.Sprint(e.Value)
			if m, ok := e.Value.(map[string]any); ok {
				text = fmt.Sprint(m["jobTitle"], m["subject"])
				text = strings.ReplaceAll(text, "<nil>", "")
			}
			have[text]++
		}
		if doc := admin.Read(id, ""); doc["picture"] == nil {
			t.Errorf("profile %s has no picture", id)
		} else {
			admin.Must(200, get, "/v1/files/"+doc["picture"].(string), nil, "X-Vitae-Profile", id)
		}
	}
	for _, one := range acked[:before] {
		if have[one.value] != 1 {
			t.Errorf("%s %q was acknowledged before the last backup and is in the restored history %d times", one.field, one.value, have[one.value])
		}
	}
	if r := restored.CLI("fsck"); r.Code != 0 {
		t.Errorf("fsck: %v", r)
	}

	// Nothing is sent before somebody says so.
	was := countsOf(t, sandbox)
	for _, sink := range admin.Must(200, get, "/v1/sinks", nil).List(t) {
		if sink["state"] != "paused" {
			t.Errorf("%s is %s after a restore", sink["name"], sink["state"])
		}
	}
	if r := restored.CLI("sink", "plan", "mokaru"); r.Code != 0 {
		t.Errorf("sink plan: %v", r)
	}
	for name, now := range countsOf(t, sandbox) {
		if now.Writes != was[name].Writes {
			t.Errorf("%s got %d writes before its sink was resumed", name, now.Writes-was[name].Writes)
		}
	}
	held := map[string]holdings{}
	for _, id := range ids {
		held[id] = holdingsOf(t, sandbox, id, credentials[id])
	}
	for _, p := range []string{"mokaru", "postpress", "linkedin", "nexudus", "jarvi"} {
		if r := restored.CLI("sink", "resume", p); r.Code != 0 {
			t.Fatalf("resume: %v", r)
		}
	}
	if r := restored.CLI("sink", "wait", "--timeout", "80s"); r.Code != 0 && r.Code != 3 {
		t.Fatalf("sink wait: %v\n%s", r, restored.Tail())
	}
	parked := 0
	for _, one := range admin.Must(200, get, "/v1/sinks/jarvi/parked", nil).List(t) {
		if one["code"] != "uncertain" {
			t.Errorf("parked: %v", one)
		}
		parked++
	}
	t.Logf("%d edits, %d before the last backup; %d notes wait for a person", len(acked), before, parked)
	for _, id := range ids {
		doc, now := admin.Read(id, ""), holdingsOf(t, sandbox, id, credentials[id])
		if now.summary != doc["summary"] {
			t.Errorf("Mokaru's summary is %v, the profile's %v", now.summary, doc["summary"])
		}
		var want []string
		for _, e := range doc["workExperiences"].([]any) {
			want = append(want, e.(map[string]any)["jobTitle"].(string))
		}
		// What the providers got after the last backup is not ours any more, and stays.
		everyOnce(t, "Mokaru", now.experiences, want, held[id].experiences)
		everyOnce(t, "LinkedIn", now.positions, want, held[id].positions)
		everyOnce(t, "Jarvi", now.notes, held[id].notes)
	}
	restored.Stop()
}

// holdings is what providers have of a profile.
type holdings struct {
	summary                       any
	experiences, positions, notes []string
}

func holdingsOf(t *testing.T, sandbox *harness.Sandbox, id string, credentials map[string]string) (h holdings) {
	t.Helper()
	mokaru := harness.NewClient(t, sandbox.URL("mokaru"), credentials["mokaru"])
	h.summary = mokaru.Must(200, get, "/v1/profile", nil).Data(t)["summary"]
	for _, e := range mokaru.Must(200, get, "/v1/experiences?limit=100", nil).List(t) {
		h.experiences = append(h.experiences, e["jobTitle"].(string))
	}
	member := harness.LinkedIn(t, sandbox.URL("linkedin"), credentials["linkedin"], "acc"+strings.ToLower(id))
	h.positions = harness.Texts(t, member, "positions", "title")
	var account struct{ Profile map[string]any }
	control := harness.NewClient(t, strings.TrimSuffix(sandbox.URL("mokaru"), "/mokaru"), "")
	control.Must(200, get, "/_sandbox/jarvi/account", nil, "X-Api-Key", credentials["jarvi"]).Into(t, &account)
	for _, of := range account.Profile {
		person, _ := of.(map[string]any)
		lines, _ := person["history"].([]any)
		for _, l := range lines {
			h.notes = append(h.notes, fmt.Sprint(l.(map[string]any)["historyEntrySubject"]))
		}
	}
	return h
}

// everyOnce checks that a provider has nothing twice, and all of each list.
func everyOnce(t *testing.T, provider string, got []string, lists ...[]string) {
	t.Helper()
	seen := map[string]int{}
	for _, text := range got {
		if seen[text]++; seen[text] > 1 {
			t.Errorf("%s has %q %d times", provider, text, seen[text])
		}
	}
	for _, list := range lists {
		if len(list) == 0 {
			t.Errorf("%s: there is nothing to compare with", provider)
		}
		for _, text := range list {
			if seen[text] == 0 {
				t.Errorf("%s has not %q", provider, text)
			}
		}
	}
}

// TestBackupRefused: a backup that was changed, cut off, put in another order or does not
// fit its keys is refused, and no folder is made.
func TestBackupRefused(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	b, admin := newBackups(t, s), s.Admin()
	oldKeys := b.file("old.keys")
	if r := s.CLI("backup", b.file("empty"), "--keys", oldKeys); r.Code != 0 {
		t.Fatal(r)
	}
	id := admin.Create(map[string]any{"firstName": "Jane"})
	b.take("first", "")
	for i := range 20 {
		admin.Must(200, patch, harness.Profile(id), map[string]any{"jobTitle": fmt.Sprint("Title ", i)})
	}
	b.take("second", "first")
	b.take("third", "second")

	b.refused("builds on", nil, "second")
	b.refused("builds on", nil, "first", "third")
	b.refused("builds on", nil, "second", "first")
	b.refused("is a whole backup", nil, "first", "first")
	b.refused("older than the data", []string{"--keys", oldKeys}, "first", "second")
	b.refused("it is a keys file", nil, "newest.keys")
	other := harness.Start(t, harness.Options{})
	if r := other.CLI("backup", b.file("other"), "--keys", b.file("other.keys")); r.Code != 0 {
		t.Fatal(r)
	}
	b.refused("another ledger", []string{"--keys", b.file("other.keys")}, "first")
	b.refused("another master key", []string{"--master-key-file", filepath.Join(other.Data, "master.key")}, "first")
	if r := other.CLI("backup", b.file("grafted"), "--since", b.file("first")); r.Code != 6 {
		t.Errorf("a backup on top of another ledger's: %v", r)
	}

	whole, err := os.ReadFile(b.file("first"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile(b.keys)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 24 {
		content, args, name := whole, []string(nil), fmt.Sprint("flipped-", i)
		if i%4 == 3 {
			content, args, name = keys, []string{"--keys", b.file("flipped.keys")}, "first"
		}
		changed := slices.Clone(content)
		at := random.IntN(len(changed) * 8)
		changed[at/8] ^= 1 << (at % 8)
		to := b.file(name)
		if args != nil {
			to = b.file("flipped.keys")
		}
		if err := os.WriteFile(to, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		b.refused("refused", args, name)
		if t.Failed() {
			t.Fatalf("bit %d of %d", at, len(changed)*8)
		}
	}
	for _, size := range []int{0, 10, 200, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(b.file("cut"), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		b.refused("refused", nil, "cut")
	}
	if err := os.WriteFile(b.file("longer"), append(slices.Clone(whole), 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refused("refused", nil, "longer")

	// What is there is never written over.
	if r := s.CLI("backup", b.file("first")); r.Code != 6 {
		t.Errorf("a second backup of the same name: %v", r)
	}
	if r := b.restore(s.Data, nil, "first"); r.Code == 0 || !strings.Contains(r.Err, "not empty") {
		t.Errorf("restore into a folder that is used: %v", r)
	}
}

// TestBackupErasure: the newest keys close a profile that was erased after the data was
// written, and everybody else's stay open. A ledger without a commit, and one with one, go
// there and back. Backups are sealed for whom they are meant.
func TestBackupErasure(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	b, admin := newBackups(t, s), s.Admin()
	b.take("nothing", "")
	if data := b.mustRestore("nothing"); len(harness.Start(t, harness.Options{Data: data}).Admin().Must(200, get, "/v1/profiles", nil).List(t)) != 0 {
		t.Error("an empty ledger has a profile after a restore")
	}
	gone := admin.Create(map[string]any{"firstName": "Ghost", "workExperiences": []any{map[string]any{"jobTitle": "Designer", "company": "Acme"}}})
	b.take("one", "")
	b.take("one-more", "nothing")
	for _, names := range [][]string{{"one"}, {"nothing", "one-more"}} {
		again := harness.Start(t, harness.Options{Data: b.mustRestore(names...)})
		if got := again.Admin().Read(gone, "")["firstName"]; got != "Ghost" {
			t.Errorf("%v: first name %v", names, got)
		}
		again.Stop()
	}
	// The key may wait in the folder; nothing else may, and no other key.
	ready := filepath.Join(t.TempDir(), "ready")
	if err := os.MkdirAll(ready, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(s.Data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  []byte
		code int
	}{{append([]byte("A"), key[1:]...), 8}, {key, 0}, {key, 1}} {
		if c.code != 1 {
			if err := os.WriteFile(filepath.Join(ready, "master.key"), c.key, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if r := harness.Command(t, nil, "", "restore", b.file("one"), "--keys", b.keys, "--data", ready); r.Code != c.code {
			t.Errorf("into a folder with a key: %v, want %d", r, c.code)
		}
	}
	stays := admin.Create(map[string]any{"firstName": "Stay"})
	text, _ := admin.NewKey(stays, "reader", "profile:read")
	b.take("two", "")
	admin.Must(200, http.MethodDelete, harness.Profile(gone), nil)
	b.take("three", "two") // the newest keys; the data of "two" still has the profile
	closed := harness.Start(t, harness.Options{Data: b.mustRestore("two")})
	if r := closed.Admin().Try(get, harness.Profile(gone), nil); r.Status != http.StatusGone || strings.Contains(string(r.Body), "Ghost") {
		t.Errorf("an erased profile from an older backup: %d %s", r.Status, r.Body)
	}
	if got := closed.Client(text).Must(200, get, "/v1/profile", nil).Data(t)["firstName"]; got != "Stay" {
		t.Errorf("the other profile, with its own key: %v", got)
	}
	closed.Admin().Must(200, http.MethodDelete, harness.Profile(gone), nil)
	if r := closed.CLI("fsck"); r.Code != 0 {
		t.Errorf("fsck: %v", r)
	}

	pass := b.file("passphrase")
	if err := os.WriteFile(pass, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.CLI("backup", b.file("phrase"), "--passphrase-file", pass); r.Code != 0 {
		t.Fatal(r)
	}
	if err := os.WriteFile(b.file("wrong"), []byte("correct horse batter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := []string{"--keys", b.file("phrase.keys"), "--passphrase-file"}
	b.refused("does not open it", append(slices.Clone(own), b.file("wrong")), "phrase")
	if r := b.restore(filepath.Join(t.TempDir(), "restored"), append(own, pass, "--dry-run"), "phrase"); r.Code != 0 {
		t.Errorf("restore with a passphrase: %v", r)
	}
	for _, name := range []string{"one", "two", "phrase"} {
		content, err := os.ReadFile(b.file(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, planted := range []string{"Ghost", "Stay", "Designer", `"commits"`, `"firstName"`} {
			if strings.Contains(string(content), planted) {
				t.Errorf("%s has %q in clear", name, planted)
			}
		}
	}
}
