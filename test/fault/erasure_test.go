package fault

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitae/test/harness"
)

// TestErasureSurvivesKills kills the server before every step of an erasure. The next
// server finishes it by itself, and nothing of the profile can be read in between.
func TestErasureSurvivesKills(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: harness.Fast(sandbox.URL("mokaru"))})
	admin := s.Admin()
	for _, step := range []string{"count", "key", "api-keys", "lanes", "purge", "local", "receipt", "end"} {
		t.Run(step, func(t *testing.T) {
			id := admin.Create(map[string]any{"firstName": "Jane", "city": "Oslo"})
			key, _ := admin.NewKey(id, "Jane's", "profile:read")
			admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": harness.Credential()})
			if r := s.CLI("sink", "wait", "--timeout", "60s", "--profile", id); r.Code != 0 {
				t.Fatal(r)
			}
			s.Stop()
			arm := filepath.Join(t.TempDir(), "arm")
			if err := os.WriteFile(arm, fmt.Appendf(nil, "hold %s erasure 1\n", id), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Probe = fmt.Sprintf("point=erasure-%s;arm=%s;log=%s;idle=%v", step, arm, arm+".log", harness.Patience)
			s.Restart()
			if r, err := admin.Do(t.Context(), harness.Call{Method: http.MethodDelete, Path: harness.Profile(id)}); err == nil {
				t.Fatalf("the server did not die: %d %s", r.Status, r.Body)
			}
			s.Wait()
			s.Probe = ""
			s.Restart()
			// Nobody asks for the erasure again.
			admin.Must(410, http.MethodGet, harness.Profile(id), nil)
			s.Client(key).Must(410, http.MethodGet, "/v1/profile", nil)
			for {
				r := admin.Try(http.MethodGet, harness.Profile(id, "/receipt"), nil)
				if r.Status == 200 {
					break
				}
				if r.Status != 202 {
					t.Fatalf("receipt: %d %s", r.Status, r.Body)
				}
				select {
				case <-time.After(20 * time.Millisecond): // another process: there is nothing else to wait for
				case <-s.Done():
					t.Fatalf("the server ended\n%s", s.Tail())
				}
			}
			var got struct {
				Receipt struct {
					Destroyed struct{ Secrets, APIKeys int }
					Providers []struct {
						Provider         string
						Lanes, Delivered int
					}
				}
			}
			admin.Must(200, http.MethodGet, harness.Profile(id, "/receipt"), nil).Into(t, &got)
			if d := got.Receipt.Destroyed; d.Secrets != 1 || d.APIKeys != 1 {
				t.Errorf("destroyed %+v", d)
			}
			if p := got.Receipt.Providers; len(p) != 1 || p[0].Provider != "mokaru" || p[0].Lanes == 0 || p[0].Delivered != p[0].Lanes {
				t.Errorf("providers %+v", p)
			}
			s.Client(key).Must(410, http.MethodGet, "/v1/profile", nil)
		})
	}
	if r := s.CLI("fsck"); r.Code != 0 {
		t.Errorf("fsck: %v", r)
	}
}
