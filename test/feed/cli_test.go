package feed

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"vitae/test/harness"
)

// followCLI runs vitae subscribe from the first event on until ctx ends, then interrupts it.
func followCLI(ctx context.Context, t *testing.T, s *harness.Server, key string, to *seen) {
	cmd := exec.Command(harness.Binary(t), "subscribe", "--from", "1")
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VITAE_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "VITAE_SERVER="+s.URL(), "VITAE_KEY="+key)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	stop := context.AfterFunc(ctx, func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if err := lineEvents(lines.Text(), to); err != nil {
			t.Error(err)
		}
	}
	if stop() {
		t.Error("vitae subscribe ended by itself")
	}
	// The exit code says how it ended.
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("interrupted, vitae subscribe ends with %d, want 130", code)
	}
}

// TestSubscribe: what vitae subscribe shows, and whom it refuses.
func TestSubscribe(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "A", "lastName": "B", "email": "a@example.com"})
	other := admin.Create(map[string]any{"firstName": "C", "lastName": "D", "email": "c@example.com"})
	key, keyID := admin.NewKey(id, "own", "events:read", "values:read")
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Binary(t), "subscribe", "--from", "1", "--values", "--field", "jobTitle")
	cmd.Env = []string{"VITAE_SERVER=" + s.URL(), "VITAE_KEY=" + key, "HOME=" + t.TempDir()}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{other, id} {
		admin.Must(200, "PATCH", harness.Profile(p), map[string]any{"jobTitle": "x", "headline": "y"})
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"values":{"headline":"y","jobTitle":"x"}`) && !strings.Contains(lines.Text(), `"values":{"jobTitle":"x","headline":"y"}`) ||
		!strings.Contains(lines.Text(), fmt.Sprintf(`"subject":%q`, id)) {
		t.Errorf("it shows %s, %v", lines.Text(), lines.Err())
	}
	admin.Must(200, "DELETE", "/v1/keys/"+keyID, nil)
	if lines.Scan() {
		t.Errorf("it shows %s", lines.Text())
	}
	_ = cmd.Wait() // the exit code says how it ended
	if code := cmd.ProcessState.ExitCode(); code != 4 {
		t.Errorf("with a key that was revoked it ends with %d, want 4", code)
	}
	for _, tt := range []struct {
		args []string
		code int
	}{{[]string{"subscribe", "--type", "x"}, 2}, {[]string{"subscribe", "--from", "-1"}, 2}, {[]string{"subscribe", "extra"}, 2}} {
		if r := s.CLI(tt.args...); r.Code != tt.code && !(tt.args[1] == "--type" && r.Code == 1) {
			t.Errorf("%v: %s", tt.args, r)
		}
	}
}
