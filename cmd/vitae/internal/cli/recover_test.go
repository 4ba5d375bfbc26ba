package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// TestRecoverInterrupted: Ctrl-C leaves the server at work, and says how to end that.
func TestRecoverInterrupted(t *testing.T) {
	asked := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{
			"POST /v1/sinks/mokaru/plan": `{"id":"L1","digest":"d1","operations":1}`,
			"POST /v1/plans/L1/apply":    `{"data":{"id":"T1"}}`,
			"GET /v1/plans/L1":           `{"state":"applying","total":9,"done":1}`,
		}[r.Method+" "+r.URL.Path]
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodGet {
			asked <- struct{}{}
		}
		if r.Method == http.MethodDelete {
			t.Error("it was cancelled")
		}
	}))
	defer s.Close()
	signals, done := make(chan os.Signal), make(chan int, 1)
	var out, errs bytes.Buffer
	go func() {
		done <- Main(t.Context(), []string{"sink", "recover", "mokaru", "--yes", "--server", s.URL},
			World{In: strings.NewReader(""), Out: &out, Err: &errs, Env: []string{"VITAE_KEY=k"}, Signals: signals})
	}()
	<-asked
	signals <- os.Interrupt
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit %d, want 130", code)
	}
	if !strings.Contains(errs.String(), "vitae sink recover --cancel L1") {
		t.Errorf("stderr %q", errs.String())
	}
}
