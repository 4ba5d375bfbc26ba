package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"vitae/cmd/vitae/internal/server"
)

// http measures a PATCH of five fields as a client sees it, over loopback, with the
// server and the clients in one process on the same cores.
func (r *run) http(ctx context.Context) (err error) {
	s, err := server.Start(ctx, r.config("http"), r.quiet())
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	call := func(method, path, profile string, body []byte) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, method, s.URL()+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+s.AdminKey())
		req.Header.Set("Content-Type", "application/json")
		if profile != "" {
			req.Header.Set("X-Vitae-Profile", profile)
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode >= 300 {
			err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
		}
		return answer, err
	}
	create := func() (string, error) {
		answer, err := call(http.MethodPost, "/v1/profiles", "", []byte(`{"firstName":"Jane"}`))
		if err != nil {
			return "", err
		}
		var made struct{ Data struct{ ID string } }
		err = json.Unmarshal(answer, &made)
		return made.Data.ID, err
	}
	var ids []string
	for range 64 {
		id, err := create()
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, clients := range []int{1, 64} {
		all, start := make([][]time.Duration, clients), time.Now()
		err := parallel(clients, func(w int) error {
			for i := 0; time.Since(start) < r.each(); i++ {
				body := fmt.Appendf(nil, `{"phone":"+33 %d","jobTitle":"Designer %[1]d","headline":"Take %[1]d","summary":"Founder. Author. Builder. %[1]d","employer":"ACME %[1]d"}`, i)
				began := time.Now()
				if _, err := call(http.MethodPatch, "/v1/profile", ids[w], body); err != nil {
					return err
				}
				all[w] = append(all[w], time.Since(began))
			}
			return nil
		})
		elapsed := time.Since(start)
		if err != nil {
			return err
		}
		var took []time.Duration
		for _, d := range all {
			took = append(took, d...)
		}
		goal := "p50 under 2 ms"
		if clients == 64 {
			goal = "5,000/s"
		}
		if err := r.add(Row{What: fmt.Sprintf("PATCH of 5 fields over HTTP, %d clients (p50 %s ms, p99 %s ms)", clients, format(percentile(took, 0.5)), format(percentile(took, 0.99))),
			Value: float64(len(took)) / elapsed.Seconds(), Unit: "requests/s", Goal: goal}); err != nil {
			return err
		}
	}
	return r.evidence(call, create)
}
