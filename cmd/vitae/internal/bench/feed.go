package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/cmd/vitae/internal/server"
	"vitae/ledger"
)

// The feed's measurements.
const (
	feedRate    = 1000  // commits a second for the latency
	feedReaders = 100   // that follow everything
	feedIdle    = 10000 // that wait for another profile
)

// feedBench is a server and what is known of its commits.
type feedBench struct {
	*run
	s      *server.Server
	client *http.Client
	ids    []string

	mu    sync.Mutex
	acked map[uint64]time.Time // when a commit's answer was there
}

// feed measures how soon subscribers hear of a commit, and what they cost who writes.
func (r *run) feed(ctx context.Context) error {
	cfg := r.config("feed")
	cfg.NATSListen, cfg.AllowPrivateWebhooks = "127.0.0.1:0", true
	s, err := server.Start(ctx, cfg, r.quiet())
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	b := &feedBench{run: r, s: s, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}, acked: map[uint64]time.Time{}}
	defer b.client.CloseIdleConnections()
	for range 64 {
		answer, err := b.call(ctx, http.MethodPost, "/v1/profiles", "", []byte(`{"firstName":"Jane"}`))
		if err != nil {
			return err
		}
		var made struct{ Data struct{ ID string } }
		if err := json.Unmarshal(answer, &made); err != nil {
			return err
		}
		b.ids = append(b.ids, made.Data.ID)
	}
	for _, step := range []func(context.Context) error{b.latency, b.cost, b.idle} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *feedBench) call(ctx context.Context, method, path, profile string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.s.URL()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.s.AdminKey())
	req.Header.Set("Content-Type", "application/json")
	if profile != "" {
		req.Header.Set("X-Vitae-Profile", profile)
	}
	res, err := b.client.Do(req)
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

// write edits with some clients for a while, at a rate or as fast as it goes, and gives the
// number of commits.
func (b *feedBench) write(ctx context.Context, clients, rate int) (int, time.Duration, error) {
	start, counts := time.Now(), make([]int, clients)
	err := parallel(clients, func(w int) error {
		for i := 0; time.Since(start) < b.each(); i++ {
			if rate > 0 {
				time.Sleep(time.Until(start.Add(time.Duration(i*clients+w) * time.Second / time.Duration(rate))))
			}
			answer, err := b.call(ctx, http.MethodPatch, "/v1/profile", b.ids[w], fmt.Appendf(nil, `{"headline":"Take %d of %d"}`, i, start.UnixNano()))
			if err != nil {
				return err
			}
			now := time.Now()
			var edit struct{ Seq uint64 }
			if err := json.Unmarshal(answer, &edit); err != nil {
				return err
			}
			b.mu.Lock()
			b.acked[edit.Seq] = now
			b.mu.Unlock()
			counts[w]++
		}
		return nil
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, time.Since(start), err
}

// stream opens a stream of events.
func (b *feedBench) stream(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.s.URL()+"/v1/events", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.s.AdminKey())
	return b.client.Do(req)
}

// latency measures the time from a commit's answer to its event.
func (b *feedBench) latency(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type arrival struct {
		seq uint64
		at  time.Time
	}
	var mu sync.Mutex
	arrived := map[string][]arrival{}
	take := func(kind string, data []byte) {
		now := time.Now()
		var d ledger.Changed
		if json.Unmarshal(data, &d) == nil {
			mu.Lock()
			arrived[kind] = append(arrived[kind], arrival{uint64(d.Seq), now})
			mu.Unlock()
		}
	}
	res, err := b.stream(ctx)
	if err != nil {
		return err
	}
	var followers sync.WaitGroup
	defer followers.Wait()
	defer stop()
	followers.Go(func() {
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e ledger.CloudEvent
				if json.Unmarshal([]byte(data), &e) == nil {
					take("SSE", e.Data)
				}
			}
		}
	})
	nc, err := nats.Connect(b.s.NATSURL(), nats.Token(b.s.AdminKey()))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	cons, err := js.CreateConsumer(ctx, ledger.ChangesStream, jetstream.ConsumerConfig{Durable: "bench", AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return err
	}
	consuming, err := cons.Consume(func(m jetstream.Msg) { take("NATS", m.Data()) })
	if err != nil {
		return err
	}
	defer consuming.Stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	endpoint := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e ledger.CloudEvent
		if body, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(body, &e) == nil {
			take("webhook", e.Data)
		}
	})}
	followers.Go(func() { _ = endpoint.Serve(listener) }) // it ends with Close
	defer endpoint.Close()
	hook, err := b.call(ctx, http.MethodPost, "/v1/webhooks", "", fmt.Appendf(nil, `{"url":"http://%s/"}`, listener.Addr()))
	if err != nil {
		return err
	}
	var made struct{ Data struct{ ID string } }
	if err := json.Unmarshal(hook, &made); err != nil {
		return err
	}
	total, elapsed, err := b.write(ctx, 16, feedRate)
	if err != nil {
		return err
	}
	for waited := time.Now(); time.Since(waited) < 10*time.Second; {
		mu.Lock()
		all := len(arrived["SSE"]) >= total && len(arrived["NATS"]) >= total && len(arrived["webhook"]) >= total
		mu.Unlock()
		if all {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := b.call(ctx, http.MethodDelete, "/v1/webhooks/"+made.Data.ID, "", nil); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	for _, kind := range []struct{ name, goal string }{{"NATS", "under 5 ms"}, {"SSE", "under 10 ms"}, {"webhook", "under 25 ms"}} {
		var took []time.Duration
		for _, a := range arrived[kind.name] {
			if at, ok := b.acked[a.seq]; ok {
				took = append(took, max(a.at.Sub(at), 0))
			}
		}
		if len(took) == 0 {
			return fmt.Errorf("no event came over %s", kind.name)
		}
		if err := b.add(Row{What: fmt.Sprintf("a commit's answer to its event over %s, p50 (p99 %s ms, %d of %d events, %.0f commits/s)", kind.name, format(percentile(took, 0.99)), len(took), total,
			float64(total)/elapsed.Seconds()), Value: percentile(took, 0.5), Unit: "ms", Goal: kind.goal}); err != nil {
			return err
		}
	}
	return nil
}

// cost measures how fast commits are made while many follow everything, and while nobody
// does.
func (b *feedBench) cost(ctx context.Context) error {
	alone, elapsed, err := b.write(ctx, 16, 0)
	if err != nil {
		return err
	}
	before := float64(alone) / elapsed.Seconds()
	following, stop := context.WithCancel(ctx)
	defer stop()
	var followers sync.WaitGroup
	defer followers.Wait()
	defer stop()
	for range feedReaders {
		res, err := b.stream(following)
		if err != nil {
			return err
		}
		followers.Go(func() {
			defer res.Body.Close()
			_, _ = io.Copy(io.Discard, res.Body) // it ends when the reader is told to
		})
	}
	with, elapsed, err := b.write(ctx, 16, 0)
	if err != nil {
		return err
	}
	after := float64(with) / elapsed.Seconds()
	return b.add(Row{What: fmt.Sprintf("PATCH over HTTP, 16 clients, %d readers of every event in the same process", feedReaders), Value: after, Unit: "requests/s",
		Beside: fmt.Sprintf("%.0f with no reader", before), Ratio: after / before, Goal: "0.9"})
}

// idle measures the memory of readers to whom nothing happens.
func (b *feedBench) idle(ctx context.Context) error {
	memory := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse + m.StackInuse)
	}
	before := memory()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	host := strings.TrimPrefix(b.s.URL(), "http://")
	request := fmt.Sprintf("GET /v1/events?profile=%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", b.ids[63], host, b.s.AdminKey())
	reply := make([]byte, 4096)
	for range feedIdle {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
		if err != nil {
			break // as many as the system lets us have
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		if n, err := c.Read(reply); err != nil || !strings.HasPrefix(string(reply[:n]), "HTTP/1.1 200") {
			return fmt.Errorf("a reader was answered %q: %w", reply[:n], err)
		}
	}
	if err := b.add(Row{What: fmt.Sprintf("memory of each of %d readers to whom nothing happens, with the client's end", len(conns)), Value: (memory() - before) / float64(len(conns)) / 1024, Unit: "KiB"}); err != nil {
		return err
	}
	with, elapsed, err := b.write(ctx, 16, 0)
	if err != nil {
		return err
	}
	return b.add(Row{What: fmt.Sprintf("PATCH over HTTP, 16 clients, %d such readers", len(conns)), Value: float64(with) / elapsed.Seconds(), Unit: "requests/s"})
}
