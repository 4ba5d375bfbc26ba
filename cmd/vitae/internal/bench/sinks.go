package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitae/cmd/vitae/internal/server"
	"vitae/commands"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/mokaru"
)

// loopback is a provider on this machine that takes everything at once: what is measured
// is everything but the provider.
type loopback struct {
	url    string
	server *http.Server
	calls  atomic.Int64
	made   atomic.Int64
	mu     sync.Mutex
	onCall func(credential string) // before the answer
}

func listenLoopback() (*loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &loopback{url: "http://" + l.Addr().String()}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }() // it ends when it is closed
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // what cannot be read is the sender's trouble
	w.Header().Set("Content-Type", "application/json")
	p.mu.Lock()
	see := p.onCall
	p.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		_, _ = io.WriteString(w, `{"data":[],"total":0,"hasMore":false,"limit":100,"offset":0}`)
		return
	case http.MethodPost:
		p.calls.Add(1)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"success":true,"id":"i%d"}`, p.made.Add(1))
		return
	}
	p.calls.Add(1)
	if see != nil {
		see(r.Header.Get("Authorization"))
	}
	_, _ = io.WriteString(w, `{"success":true,"updated":true}`)
}

func (p *loopback) see(f func(credential string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onCall = f
}

// hashOnly is a provider that cannot be read: a plan compares hashes and asks nobody.
type hashOnly struct{ sinks.Provider }

// unread is a stream of lanes whose cursor is lost: the ledger is taken in from its first
// commit.
type unread struct{ stream.Blocks }

func (u unread) Read(ctx context.Context, from uint64) iter.Seq2[stream.Entry, error] {
	return func(yield func(stream.Entry, error) bool) {
		for e, err := range u.Blocks.Read(ctx, from) {
			var b struct {
				V       int                          `json:"v"`
				ID      string                       `json:"id"`
				Records []map[string]json.RawMessage `json:"records"`
			}
			if err == nil && strings.Contains(string(e.Payload), `"cursor"`) {
				if err = json.Unmarshal(e.Payload, &b); err == nil {
					kept := b.Records[:0]
					for _, r := range b.Records {
						if r["cursor"] == nil {
							kept = append(kept, r)
						}
					}
					b.Records = kept
					e.Payload, err = json.Marshal(b)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// delivering is a manager at work on a data folder.
type delivering struct {
	*sinks.Manager
	stop  context.CancelFunc
	ended chan error
}

func deliver(ctx context.Context, c *server.Core, blocks stream.Blocks, p sinks.Provider) (*delivering, error) {
	m, err := sinks.New(sinks.Options{Ledger: c.Ledger, States: c, Vault: c.Vault, Blocks: blocks, Providers: []sinks.Provider{p}, Exclusive: true,
		Config: map[string]sinks.Config{p.Name(): {RequestsPerMinute: -1}}})
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(ctx)
	d := &delivering{Manager: m, stop: stop, ended: make(chan error, 1)}
	go func() { d.ended <- m.Run(run) }()
	select {
	case <-m.Ready():
		return d, nil
	case err := <-d.ended:
		stop()
		return nil, errors.Join(errors.New("the sinks have stopped"), err)
	}
}

func (d *delivering) end() error {
	d.stop()
	return <-d.ended
}

// sinks measures deliveries: to a provider on loopback, with as many connections as there
// are profiles.
func (r *run) sinks(ctx context.Context) (err error) {
	c, err := r.core(ctx, "sinks")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	box, err := listenLoopback()
	if err != nil {
		return err
	}
	defer box.server.Close()
	client := sinks.NewClient()
	defer client.CloseIdleConnections()
	provider, err := mokaru.New(box.url, client)
	if err != nil {
		return err
	}
	blocks, err := stream.OpenJetStream(ctx, c.Engine.JetStream(), stream.StreamConfig{Name: "LANES-0", Subject: "lanes.0", Replicas: 1, Trimmable: true})
	if err != nil {
		return err
	}
	ids, err := create(ctx, c, r.Profiles, []byte(`{"firstName":"Jane","lastName":"Smith","email":"jane.smith@example.com","jobTitle":"Product Designer","summary":"Founder. Author. Builder."}`))
	if err != nil {
		return err
	}
	if err := connect(ctx, c, ids); err != nil {
		return err
	}
	d, err := deliver(ctx, c, blocks, provider)
	if err != nil {
		return err
	}
	for _, part := range []func() error{
		func() error { return r.classA(ctx, d, box) },
		func() error { return r.latency(ctx, c, box, ids) },
		func() error { return r.classC(ctx, c, d, box, ids) },
		d.end,
		func() error { return r.replayed(ctx, c, blocks, provider, box) },
		func() error { return r.hashes(ctx, c, blocks, provider, box) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// connect gives every profile a credential and a connection.
func connect(ctx context.Context, c *server.Core, ids []ledger.ProfileID) error {
	cmd, err := commands.Bind(ledger.Mokaru, nil)
	if err != nil {
		return err
	}
	var next atomic.Int64
	return parallel(64, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(ids) {
				return nil
			}
			if err := c.Vault.PutSecret(ctx, ids[i], "credential."+ledger.Mokaru, []byte(credential(i))); err != nil {
				return err
			}
			if _, err := c.Submit(ctx, ledger.Request{Profile: ids[i], Meta: meta, Command: cmd}); err != nil {
				return err
			}
		}
	})
}

func credential(i int) string { return fmt.Sprintf("mk_%064x", i) }

func heapBytes() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// classA is how fast new connections are brought up to date.
func (r *run) classA(ctx context.Context, d *delivering, box *loopback) error {
	start, before := time.Now(), box.calls.Load()
	if _, err := d.Wait(ctx, nil); err != nil {
		return err
	}
	n := box.calls.Load() - before
	if n < int64(r.Profiles) {
		return fmt.Errorf("%d calls for %d connections", n, r.Profiles)
	}
	return r.add(Row{What: fmt.Sprintf("deliveries of class A (full-value set), %d connections", r.Profiles), Value: float64(n) / time.Since(start).Seconds(), Unit: "1/s", Goal: ">= 3000"})
}

// latency is the time from the reply to an edit until the provider is called, and from
// the edit itself, one edit at a time.
func (r *run) latency(ctx context.Context, c *server.Core, box *loopback, ids []ledger.ProfileID) error {
	arrived := make(chan time.Time, 1)
	box.see(func(string) { arrived <- time.Now() })
	defer box.see(nil)
	var all []time.Duration
	for i, begin := 0, time.Now(); time.Since(begin) < r.each() && ctx.Err() == nil; i++ {
		cmd, err := commands.Patch(ledger.Base, fmt.Appendf(nil, `{"jobTitle":"Product Designer %d"}`, i))
		if err != nil {
			return err
		}
		start := time.Now()
		if _, err := c.Submit(ctx, ledger.Request{Profile: ids[i%len(ids)], Meta: meta, Command: cmd}); err != nil {
			return err
		}
		select {
		case at := <-arrived:
			all = append(all, at.Sub(start))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := r.add(Row{What: "from an edit to the provider's call, p50", Value: percentile(all, 0.5), Unit: "ms", Goal: "< 20"}); err != nil {
		return err
	}
	return r.add(Row{What: "from an edit to the provider's call, p99", Value: percentile(all, 0.99), Unit: "ms"})
}

// classC is how fast items are created: a look at the list first, for every section once
// a minute, then a POST for each.
func (r *run) classC(ctx context.Context, c *server.Core, d *delivering, box *loopback, ids []ledger.ProfileID) error {
	const items = 10
	n := min(len(ids), 2000)
	var list []string
	for i := range items {
		list = append(list, fmt.Sprintf(`{"jobTitle":"Role %d","company":"ACME"}`, i))
	}
	body := []byte(`{"workExperiences":[` + strings.Join(list, ",") + `]}`)
	start, before := time.Now(), box.made.Load()
	var next atomic.Int64
	err := parallel(64, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			cmd, err := commands.Patch(ledger.Base, body)
			if err != nil {
				return err
			}
			if _, err := c.Submit(ctx, ledger.Request{Profile: ids[i], Meta: meta, Command: cmd}); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	if _, err := d.Wait(ctx, nil); err != nil {
		return err
	}
	made := box.made.Load() - before
	if made != int64(n*items) {
		return fmt.Errorf("%d items were made of %d", made, n*items)
	}
	return r.add(Row{What: fmt.Sprintf("deliveries of class C (create, %d items each)", items), Value: float64(made) / time.Since(start).Seconds(), Unit: "1/s", Goal: ">= 1000"})
}

// replayed takes in the whole ledger again, with everything converged.
func (r *run) replayed(ctx context.Context, c *server.Core, blocks stream.Blocks, p sinks.Provider, box *loopback) error {
	before, heap := box.calls.Load(), heapBytes()
	d, err := deliver(ctx, c, unread{blocks}, p)
	if err != nil {
		return err
	}
	start := time.Now()
	_, err = d.Wait(ctx, nil)
	took := time.Since(start)
	idle := float64(heapBytes()) - float64(heap)
	sink, shown := d.Sink(ctx, p.Name())
	if err := errors.Join(err, shown, d.end()); err != nil {
		return err
	}
	lanes := 0
	for _, n := range sink.Lanes {
		lanes += n
	}
	if err := r.add(Row{What: fmt.Sprintf("memory for an idle lane, of %d", lanes), Value: idle / float64(lanes), Unit: "B", Goal: "< 1024"}); err != nil {
		return err
	}
	if n := box.calls.Load() - before; n != 0 {
		return fmt.Errorf("a replay into a converged sink made %d calls", n)
	}
	return r.add(Row{What: fmt.Sprintf("full replay of %d converged connections: 0 calls", r.Profiles), Value: float64(r.Profiles) / took.Seconds(), Unit: "connections/s", Goal: ">= 50000"})
}

// hashes builds what every connection should have, from its sealed state, and compares
// it by hash with what was acknowledged.
func (r *run) hashes(ctx context.Context, c *server.Core, blocks stream.Blocks, p sinks.Provider, box *loopback) error {
	before := box.calls.Load()
	d, err := deliver(ctx, c, blocks, hashOnly{p})
	if err != nil {
		return err
	}
	start := time.Now()
	plan, err := d.Plan(ctx, sinks.Target{Sink: p.Name()})
	took := time.Since(start)
	if err := errors.Join(err, d.end()); err != nil {
		return err
	}
	if n := box.calls.Load() - before; n != 0 || plan.Operations != 0 {
		return fmt.Errorf("a converged sink has a plan of %d operations, made with %d calls", plan.Operations, n)
	}
	return r.add(Row{What: "hash check: state opened, body built, hashes compared", Value: float64(plan.Looked) / took.Seconds(), Unit: "connections/s", Goal: ">= 50000"})
}
