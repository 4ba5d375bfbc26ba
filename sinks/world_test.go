package sinks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is the largest block of the lanes in these tests.
const limit = 1 << 20

// gate is the lanes' stream as one process sees it: a process that was killed writes no more.
type gate struct {
	*stream.Memory
	mu   sync.Mutex
	dead bool
}

func (g *gate) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return 0, fmt.Errorf("killed: %w", ledger.ErrConflict)
	}
	return g.Memory.Append(ctx, payload, after)
}

func (g *gate) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
}

// bench is a world, a box, and one process after another that delivers between them.
type bench struct {
	*testing.T
	w     *sinktest.World
	box   *sinktest.Box
	shop  *sinktest.Shop // delivers there, and not to the box, when it is set
	lanes *stream.Memory
	cfg   sinks.Config
	fate  func(n int) sinktest.Fate         // of the n-th request that leaves, over all processes
	meets func(*http.Request) sinktest.Fate // the same by the request, before fate
	probe func(p *process, at sinks.Point)
	logs  lockedBuffer

	mu   sync.Mutex
	sent int
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBench(t *testing.T) *bench {
	return &bench{T: t, w: sinktest.NewWorld(), box: sinktest.NewBox(), lanes: stream.NewMemory(limit),
		cfg: sinks.Config{Timeout: 10 * time.Second, Settle: 30 * time.Second}}
}

// process is one run of a manager.
type process struct {
	b    *bench
	m    *sinks.Manager
	gate *gate
	net  *sinktest.Network
	stop context.CancelFunc
	end  chan error
}

func (b *bench) start() *process {
	b.Helper()
	p := &process{b: b, gate: &gate{Memory: b.lanes}, end: make(chan error, 1)}
	p.net = &sinktest.Network{Handler: b.box, Slow: 3 * time.Second, Late: 15 * time.Second}
	if b.fate != nil {
		p.net.Fate = func(*http.Request) sinktest.Fate {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent++
			return b.fate(b.sent - 1)
		}
	}
	provider := &through{Box: b.box, net: p.net}
	var one sinks.Provider = provider
	if !b.box.Blind {
		one = &readable{provider}
	}
	if b.shop != nil {
		p.net.Handler, one = b.shop, b.shop.Through(p.net)
	}
	if b.meets != nil {
		p.net.Fate = b.meets
	}
	m, err := sinks.New(sinks.Options{Ledger: b.w.Ledger, States: b.w, Vault: b.w, Blocks: p.gate, Providers: []sinks.Provider{one},
		Config: map[string]sinks.Config{one.Name(): b.cfg}, Log: slog.New(slog.NewTextHandler(&b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Exclusive: true, Grace: time.Second, Random: func() float64 { return 0.5 },
		Probe: func(at sinks.Point, _ sinks.Key) {
			if b.probe != nil {
				b.probe(p, at)
			}
		}})
	if err != nil {
		b.Fatal(err)
	}
	p.m = m
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.end <- m.Run(ctx) }()
	return p
}

// kill ends a process as a power cut would: nothing that it does from now on counts.
func (p *process) kill() {
	p.gate.kill()
	p.net.Kill()
	p.stop()
}

// gone waits until a killed process is no more.
func (p *process) gone() { <-p.end }

// halt stops a process properly.
func (p *process) halt() {
	p.b.Helper()
	p.stop()
	if err := <-p.end; err != nil {
		p.b.Fatal(err)
	}
}

// rest waits until everything is delivered or parked.
func (p *process) rest(patience time.Duration) sinks.Rest {
	p.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := p.m.Wait(ctx, nil)
	if err != nil {
		p.b.Fatalf("not at rest: %v\n%s\n%s", err, p.b.story(), p.b.logs.String())
	}
	return r
}

// journal is every transition that is stored.
func (b *bench) journal() []sinks.Entry {
	b.Helper()
	var out []sinks.Entry
	for e, err := range sinks.ReadJournal(context.Background(), b.lanes, 1) {
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func (b *bench) story() string {
	var s strings.Builder
	for _, e := range b.journal() {
		fmt.Fprintf(&s, "%s %s %s: %s -> %s (to %d, acked %d, want %d, attempt %d)\n", e.Row.At.Time().Format(time.StampMilli), e.Record.Entity, e.Row.Event, e.Row.From, e.Row.To,
			e.Record.ToSeq, e.Record.AckedSeq, e.Record.WantSeq, e.Record.Attempts)
	}
	return s.String()
}

// same requires the box to hold a profile's state.
func (b *bench) same(id ledger.ProfileID, credential string) {
	b.Helper()
	p, err := b.w.Profile(context.Background(), id, 0)
	if err != nil {
		b.Fatal(err)
	}
	if got, want := b.box.Document(credential), string(sinktest.Want(p)); got != want {
		b.Errorf("the box holds %s, want %s\n%s", got, want, b.story())
	}
}

// check holds a finished run to the invariants.
func (b *bench) check(secrets ...string) {
	b.Helper()
	type state struct {
		open    bool // an attempt may be under way
		rec     sinks.Record
		started bool
	}
	lanes := map[sinks.Key]*state{}
	claims := map[string]sinks.Entry{}
	for _, e := range b.journal() {
		l := lanes[e.Record.Key]
		if l == nil {
			l = &state{}
			lanes[e.Record.Key] = l
		}
		if e.Row.Event == sinks.Claim {
			if l.open {
				b.Errorf("I1: two attempts at once\n%s", b.story())
			}
			l.open = true
			claims[e.Record.Attempt.String()] = e
		} else if e.Record.Phase != sinks.InFlight && e.Record.Phase != sinks.Uncertain && e.Record.Phase != sinks.Taken {
			l.open = false
		}
		if l.started && (e.Record.AckedSeq < l.rec.AckedSeq || e.Record.Epoch < l.rec.Epoch || e.Record.Rev != l.rec.Rev+1) {
			b.Errorf("I6: %+v came after %+v", e.Record, l.rec)
		}
		l.rec, l.started = e.Record, true
	}
	last := map[sinks.Key]ledger.Seq{}
	used := map[string]bool{}
	for _, put := range b.writes() {
		claim, ok := claims[put.Attempt]
		if !ok {
			b.Errorf("I2: a call of attempt %s without a stored intent", put.Attempt)
			continue
		}
		if used[put.Attempt] || put.Step != claim.Record.Step {
			b.Errorf("I2: attempt %s made more than its one call, of the step %q not %q", put.Attempt, put.Step, claim.Record.Step)
		}
		used[put.Attempt] = true
		if !put.Applied {
			continue
		}
		if claim.Record.ToSeq < last[claim.Record.Key] {
			b.Errorf("I11: a body of commit %d landed after one of %d\n%s", claim.Record.ToSeq, last[claim.Record.Key], b.story())
		}
		last[claim.Record.Key] = claim.Record.ToSeq
	}
	b.cursors()
	b.sealed(secrets)
}

// writes are the requests to change something that arrived, in order.
func (b *bench) writes() []sinktest.Write {
	if b.shop != nil {
		return b.shop.Writes()
	}
	var out []sinktest.Write
	for _, put := range b.box.Puts() {
		out = append(out, sinktest.Write{Account: put.Credential, Attempt: put.Attempt, Body: put.Body, At: put.At, Applied: true})
	}
	return out
}

// cursors checks that the cursor never goes back.
func (b *bench) cursors() {
	b.Helper()
	last := 0
	b.eachRecord(func(r map[string]json.RawMessage) bool {
		var c struct{ Seq int }
		if raw, ok := r["cursor"]; ok {
			if err := json.Unmarshal(raw, &c); err != nil {
				b.Fatal(err)
			}
			if c.Seq < last {
				b.Errorf("I6: the cursor went from %d to %d", last, c.Seq)
			}
			last = c.Seq
		}
		return true
	})
}

// sealed checks that no secret is where it must not be.
func (b *bench) sealed(secrets []string) {
	b.Helper()
	var all strings.Builder
	for e, err := range b.lanes.Read(context.Background(), 1) {
		if err != nil {
			b.Fatal(err)
		}
		all.Write(e.Payload)
	}
	all.WriteString(b.logs.String())
	for _, s := range secrets {
		if strings.Contains(all.String(), s) {
			b.Errorf("I13: %q is in the stream or the log", s)
		}
	}
}

// eachRecord visits the records of the stream, and gives those that keep says to keep as
// a stream of their own.
func (b *bench) eachRecord(keep func(map[string]json.RawMessage) bool) *stream.Memory {
	b.Helper()
	out := stream.NewMemory(limit)
	var pos uint64
	for e, err := range b.lanes.Read(context.Background(), 1) {
		var blk struct {
			V       int                          `json:"v"`
			ID      string                       `json:"id"`
			Records []map[string]json.RawMessage `json:"records"`
		}
		if err == nil {
			err = json.Unmarshal(e.Payload, &blk)
		}
		if err != nil {
			b.Fatal(err)
		}
		kept := blk.Records[:0]
		for _, r := range blk.Records {
			if keep(r) {
				kept = append(kept, r)
			}
		}
		blk.Records = kept
		raw, err := json.Marshal(blk)
		if err != nil {
			b.Fatal(err)
		}
		if pos, err = out.Append(context.Background(), raw, pos); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// replay makes a new process read the whole ledger again, with the lanes as they are,
// and requires that nobody is called.
func (b *bench) replay() {
	b.Helper()
	b.lanes = b.eachRecord(func(r map[string]json.RawMessage) bool { _, cursor := r["cursor"]; return !cursor })
	count := func() int {
		if b.shop != nil {
			return len(b.shop.Calls())
		}
		return len(b.box.Calls())
	}
	before := count()
	p := b.start()
	p.rest(time.Hour)
	p.halt()
	if after := count(); after != before {
		b.Errorf("I10: a replay into a converged sink made %d calls\n%s", after-before, b.story())
	}
}

// through is the box as one process calls it.
type through struct {
	*sinktest.Box
	net sinks.Doer
}

func (t *through) at() *sinktest.Box {
	return &sinktest.Box{Net: t.net}
}

// Call implements sinks.Provider.
func (t *through) Call(ctx context.Context, c sinks.Call) sinks.Outcome { return t.at().Call(ctx, c) }

// Read hides the box's own: a blind box is no reader.
func (t *through) Read() {}

type readable struct{ *through }

// Read implements sinks.Reader.
func (r *readable) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	return r.at().Read(ctx, c)
}
