package exactlyonce

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
	"vitae/test/harness"
)

// TestStaleOwner: two servers share an external NATS server. The one that runs the sinks is stopped in the middle of
// its deliveries until its lease is over and the other one has finished them; then it goes on where it was.
func TestStaleOwner(t *testing.T) {
	url := enginetest.StartServer(t)
	f := newFront(t)
	cfg := "replicas = 1\n" + config(f)
	first := harness.Start(t, harness.Options{Config: cfg, Args: []string{"--nats", url}})
	key := func(name string) string {
		b, err := os.ReadFile(filepath.Join(first.Data, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	x := &run{T: t, row: row{name: "stale owner"}, front: f, folder: t.TempDir(), server: first, admin: first.Admin()}
	x.until("the first runs the sinks", func() bool { return x.admin.Try(http.MethodGet, "/v1/sinks", nil).Status == http.StatusOK })
	second := harness.Start(t, harness.Options{Config: cfg, Args: []string{"--nats", url},
		Env: []string{"VITAE_ADMIN_KEY=" + first.AdminKey(), "VITAE_MASTER_KEY=" + key("master.key")}})
	all := ops()
	for i := range all {
		for n := range 4 {
			x.cells = append(x.cells, &cell{t: t, admin: x.admin, back: f.client(t), op: &all[i], name: fmt.Sprintf("%s, %s, %d", all[i].provider, all[i].name, n)})
		}
	}
	each(x.cells, (*cell).begin)
	x.rest()

	// Everything is slow, so that the stop falls into calls, and every fourth is in doubt.
	n := 0
	f.draw = func() fate {
		if n++; n%4 == 0 {
			return fateError
		}
		return fateSlow
	}
	x.from = len(f.seen())
	each(x.cells, func(c *cell) { c.op.edit(c) })
	x.until("deliveries", func() bool { return len(f.seen()) >= x.from+len(x.cells)/2 })
	first.Signal(syscall.SIGSTOP)
	x.server, x.admin = second, second.Client(first.AdminKey())
	for _, c := range x.cells {
		c.admin = x.admin
	}
	x.until("the second runs the sinks", func() bool { return x.admin.Try(http.MethodGet, "/v1/sinks", nil).Status == http.StatusOK })
	x.restOf(second, first.AdminKey())
	first.Signal(syscall.SIGCONT)
	x.until("the first gives up", func() bool { return strings.Contains(first.Logs.String(), "the lease of the sinks was lost") })
	each(x.cells, func(c *cell) { c.patch(map[string]any{"headline": "later", "summary": "later"}) })
	x.restOf(second, first.AdminKey())
	each(x.cells, x.judge)
	first.Stop()
	x.restOf(second, first.AdminKey())
	each(x.cells, x.judge)
	second.Stop()
	readJournalOf(t, engine.Options{URL: url, Replicas: 1}).check(t, f.seen(), nil)
}
