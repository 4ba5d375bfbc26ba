package fault

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitae/ledger/engine/enginetest"
	"vitae/test/harness"
)

// TestTwoInstances: two servers share an external NATS server. One commits, the other
// forwards; the one that commits is killed, and the other takes over. Every acknowledged
// edit is there once, in a whole chain.
func TestTwoInstances(t *testing.T) {
	url := enginetest.StartServer(t)
	first := harness.Start(t, harness.Options{Config: "replicas = 1\n" + harness.Fast(""), Args: []string{"--nats", url}})
	admin, master := read(t, first, "admin.key"), read(t, first, "master.key")
	second := harness.Start(t, harness.Options{Config: "replicas = 1\n" + harness.Fast(""), Args: []string{"--nats", url},
		Env: []string{"VITAE_ADMIN_KEY=" + admin, "VITAE_MASTER_KEY=" + master}})
	a, b := first.Client(admin), second.Client(admin)
	id := a.Create(map[string]any{"firstName": "Jane"})
	const rounds = 20
	for n := range rounds {
		a.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"headline": fmt.Sprint("a", n)})
		b.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"headline": fmt.Sprint("b", n)})
		if got := a.Read(id, "")["headline"]; got != fmt.Sprint("b", n) {
			t.Fatalf("round %d: the first instance reads %v", n, got)
		}
	}
	if commits := strings.Count(first.Logs.String(), "this instance commits"); commits != 1 || strings.Contains(second.Logs.String(), "this instance commits") {
		t.Fatalf("the first instance says %d times that it commits\n%s", commits, second.Tail())
	}
	first.Kill9()
	b.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"headline": "alone"}, "Idempotency-Key", "alone")
	if got := b.Read(id, "")["headline"]; got != "alone" {
		t.Fatalf("after the take-over: %v", got)
	}
	seen, prev := map[string]int{}, strings.Repeat("0", 64)
	for _, e := range b.MustHistory(id) {
		if e.Index == 0 {
			if e.Prev != prev {
				t.Fatalf("sequence %d follows %s, the commit before it is %s", e.Seq, e.Prev, prev)
			}
			prev = e.Hash
		}
		if e.Field == "headline" {
			seen[fmt.Sprint(e.Value)]++
		}
	}
	if len(seen) != 2*rounds+1 {
		t.Errorf("%d different headlines in the history, want %d", len(seen), 2*rounds+1)
	}
	for value, n := range seen {
		if n != 1 {
			t.Errorf("%s was set %d times", value, n)
		}
	}
}

func read(t *testing.T, s *harness.Server, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Data, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
