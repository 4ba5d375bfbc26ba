package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitae/test/harness"
)

// decode reads what a command printed with -o json.
func decode[T any](t *testing.T, r harness.Result) T {
	t.Helper()
	var v T
	if r.Code != 0 {
		t.Fatal(r)
	}
	if err := json.Unmarshal([]byte(r.Out), &v); err != nil {
		t.Fatalf("%v\n%v", err, r)
	}
	return v
}

// TestCommandLine walks through what an operator types.
func TestCommandLine(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: harness.Fast(sandbox.URLs["mokaru"])})
	ok := func(args ...string) harness.Result {
		t.Helper()
		r := s.CLI(args...)
		if r.Code != 0 {
			t.Fatalf("vitae %s: %v", strings.Join(args, " "), r)
		}
		return r
	}
	fails := func(code int, args ...string) {
		t.Helper()
		if r := s.CLI(args...); r.Code != code || r.Err == "" {
			t.Errorf("vitae %s: %v; want exit code %d and a message", strings.Join(args, " "), r, code)
		}
	}

	id := strings.TrimSpace(ok("profile", "create", "firstName=Jane", "lastName=Smith", "email=jane@example.com").Out)
	if len(id) != 26 {
		t.Fatalf("profile create printed %q", id)
	}
	file := filepath.Join(t.TempDir(), "projects.json")
	if err := os.WriteFile(file, []byte(`[{"name":"Alpha","description":"one"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	type edit struct {
		Updated bool
		Seq     int
		Fields  []string
	}
	dry := ok("profile", "set", "--profile", id, "jobTitle=Designer", "--dry-run")
	if show := ok("profile", "show", "--profile", id, "-o", "json"); strings.Contains(show.Out, "Designer") {
		t.Errorf("a dry run changed the profile: %v", dry)
	}
	set := decode[edit](t, ok("profile", "set", "--profile", id, "jobTitle=Designer", "projects=@"+file, "phone=+1 555", "nexudus.onNewWallPost=true",
		"firstName@fr_FR=Jeanne", "--reason", "new job", "-o", "json"))
	if !set.Updated || set.Seq != 2 || len(set.Fields) != 5 {
		t.Errorf("profile set: %+v", set)
	}
	ok("profile", "set", "--profile", id, "phone=null", "--if-match", "2")
	fails(6, "profile", "set", "--profile", id, "phone=1", "--if-match", "2")
	show := decode[map[string]any](t, ok("profile", "show", "--profile", id, "-o", "json"))
	if show["jobTitle"] != "Designer" || show["phone"] != nil || show["firstName@fr_FR"] != "Jeanne" {
		t.Errorf("profile show: %v", show)
	}
	if old := ok("profile", "show", "--profile", id, "--at", "1"); strings.Contains(old.Out, "Designer") {
		t.Errorf("profile show --at 1: %v", old)
	}
	lines := strings.Split(strings.TrimSpace(ok("profile", "history", "--profile", id, "--field", "phone", "-o", "jsonl").Out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], `"clear"`) {
		t.Errorf("history of phone: %q", lines)
	}
	if h := ok("profile", "history", "--profile", id); !strings.Contains(h.Out, "jobTitle") || !strings.Contains(h.Out, "Designer") {
		t.Errorf("profile history: %v", h)
	}

	resume := strings.TrimSpace(ok("resume", "create", "--profile", id, "--name", "Second").Out)
	if list := ok("resume", "list", "--profile", id); !strings.Contains(list.Out, "Second") || !strings.Contains(list.Out, "base") {
		t.Errorf("resume list: %v", list)
	}
	ok("resume", "show", resume, "--profile", id)
	fails(2, "resume", "delete", resume, "--profile", id) // nobody can be asked
	ok("resume", "delete", resume, "--profile", id, "--yes")
	fails(5, "resume", "show", resume, "--profile", id)

	key := decode[struct {
		ID, Key, Name, Profile string
		Scopes                 []string
	}](t, ok("key", "create", "--profile", id, "--scope", "profile:read,profile:write", "--name", "laptop", "-o", "json"))
	if key.Key == "" || key.Profile != id || len(key.Scopes) != 2 {
		t.Errorf("key create gave the profile %q and the scopes %v", key.Profile, key.Scopes)
	}
	if r := s.CLIWith(key.Key, "", "profile", "show"); r.Code != 0 || !strings.Contains(r.Out, "Designer") {
		t.Errorf("profile show with the profile's own key: %v", r)
	}
	if list := ok("key", "list"); !strings.Contains(list.Out, "laptop") || strings.Contains(list.Out, key.Key) {
		t.Errorf("key list (%d bytes) has no laptop, or the key itself", len(list.Out))
	}
	ok("key", "revoke", key.ID)
	if r := s.CLIWith(key.Key, "", "profile", "show"); r.Code != 4 {
		t.Errorf("with a revoked key: exit code %d", r.Code)
	}

	credential := harness.Credential()
	if r := s.CLIWith(s.AdminKey(), credential+"\n", "connection", "set", "mokaru", "--profile", id, "--credential-file", "-"); r.Code != 0 || strings.Contains(r.Out+r.Err, credential) {
		t.Fatalf("connection set: exit code %d", r.Code)
	}
	ok("sink", "wait", "--timeout", "60s")
	ok("sink", "wait", "mokaru", "--timeout", "60s")
	if diff := harness.MokaruDiffers(t, sandbox.URLs["mokaru"], credential, s.Admin().Read(id, "")); diff != "" {
		t.Error(diff)
	}
	if list := ok("connection", "list", "--profile", id); !strings.Contains(list.Out, "in_sync") {
		t.Errorf("connection list: %v", list)
	}
	ok("sink", "list")
	ok("sink", "show", "mokaru")
	ok("sink", "parked", "mokaru")
	ok("sink", "pause", "mokaru")
	ok("profile", "set", "--profile", id, "jobTitle=Director")
	fails(7, "sink", "wait", "mokaru", "--timeout", "1s") // it is paused: not within the time
	ok("sink", "resume", "mokaru")
	ok("sink", "wait", "--timeout", "60s")
	ok("connection", "remove", "mokaru", "--profile", id, "--yes")

	ok("view", "list")
	ok("view", "rebuild")
	ok("fsck")
	for _, args := range [][]string{{"version"}, {"fields"}, {"fields", "-o", "json"}, {"config", "view"}, {"config", "check"}, {"completion", "bash"}, {"--help"},
		{"help", "profile", "set"}} {
		if r := harness.Command(t, nil, "", args...); r.Code != 0 || r.Out == "" {
			t.Errorf("vitae %s: %v", strings.Join(args, " "), r)
		}
	}

	fails(2, "profil")
	fails(2, "profile", "shwo")
	fails(2, "profile", "set", "--profile", id)
	fails(2, "profile", "show", "-o", "xml")
	fails(1, "profile", "set", "--profile", id, "email=nonsense")
	fails(5, "profile", "show", "--profile", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if r := s.CLIWith("nonsense-key", "", "profile", "show"); r.Code != 4 {
		t.Errorf("with a wrong key: %v", r)
	}
	if r := s.CLIWith("", "", "profile", "show"); r.Code != 4 {
		t.Errorf("without a key: %v", r)
	}
	for _, c := range []struct {
		env  string
		args []string
	}{
		{"VITAE_LISTEN=nonsense", []string{"config", "check"}},
		{"VITAE_LISTNE=127.0.0.1:0", []string{"serve", "--data", t.TempDir()}},
	} {
		if r := harness.Command(t, []string{c.env}, "", c.args...); r.Code != 2 || !strings.Contains(r.Err, "VITAE_LIST") {
			t.Errorf("%s vitae %s: %v", c.env, strings.Join(c.args, " "), r)
		}
	}
	s.Stop()
	fails(7, "profile", "show", "--profile", id)
	if r := harness.Command(t, nil, "", "fsck", "--data", s.Data, "-o", "json"); r.Code != 0 {
		t.Errorf("fsck of the stopped folder: %v", r)
	}
}
