// Package feed follows the built program's feed of changes from the outside, by NATS, by
// server-sent events and by the command line, while it is killed in the middle of work.
package feed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// long selects 64 writers for a minute instead of 16 for twenty seconds.
var long = flag.Bool("long", false, "64 writers for 60 seconds")

// seen is what one subscriber was told, in the order in which it was.
type seen struct {
	mu     sync.Mutex
	ids    map[string]int
	latest map[string]uint64 // by profile: the last commit
	head   uint64            // the last commit of all
	faults []string
}

func newSeen() *seen { return &seen{ids: map[string]int{}, latest: map[string]uint64{}} }

// take notes one event.
func (s *seen) take(id string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d struct {
		Profile string
		Seq     uint64
	}
	if err := json.Unmarshal(data, &d); err != nil {
		s.faults = append(s.faults, err.Error())
	}
	if s.ids[id]++; s.ids[id] > 1 {
		s.faults = append(s.faults, fmt.Sprintf("event %s came %d times", id, s.ids[id]))
	}
	if d.Seq < s.latest[d.Profile] {
		s.faults = append(s.faults, fmt.Sprintf("commit %d of profile %s came after %d", d.Seq, d.Profile, s.latest[d.Profile]))
	}
	s.latest[d.Profile] = d.Seq
	s.head = max(s.head, d.Seq)
}

func (s *seen) upTo() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// freePort gives an address that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// followSSE follows over HTTP until ctx ends, and resumes as a browser does.
func followSSE(ctx context.Context, url, key string, to *seen) {
	last := "0"
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/events", nil)
		if err != nil {
			return
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			pause(ctx)
			continue
		}
		id, data := "", ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "id: "):
				id = line[4:]
			case strings.HasPrefix(line, "data: "):
				data = line[6:]
			case line == "" && data != "":
				var e struct {
					ID   string
					Data json.RawMessage
				}
				if err := json.Unmarshal([]byte(data), &e); err == nil {
					to.take(e.ID, e.Data)
				}
				last, data = id, ""
			}
		}
		_ = res.Body.Close() // the server was killed
		pause(ctx)
	}
}

// pause waits a little for another process, about which nothing else is to be known.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(25 * time.Millisecond):
	}
}

// followNATS follows with a durable consumer and a stock client until ctx ends. What is
// acknowledged and killed before it is stored comes again: then it is the same message.
func followNATS(ctx context.Context, t *testing.T, addr, key string, to *seen) {
	nc, err := nats.Connect("nats://"+addr, nats.Token(key), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Error(err)
		return
	}
	done := uint64(0) // sequence of the last message that was taken
	for ctx.Err() == nil {
		c, err := js.CreateOrUpdateConsumer(ctx, "CHANGES", jetstream.ConsumerConfig{Durable: "follower", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxAckPending: 1})
		if err != nil {
			pause(ctx)
			continue
		}
		for ctx.Err() == nil {
			msg, err := c.Next(jetstream.FetchMaxWait(time.Second))
			if errors.Is(err, nats.ErrTimeout) {
				continue
			}
			if err != nil {
				pause(ctx)
				break
			}
			meta, err := msg.Metadata()
			if err != nil {
				t.Error(err)
				return
			}
			// A consumer's own memory is no more than a hint: what counts is the sequence.
			if meta.Sequence.Stream > done {
				if meta.Sequence.Stream != done+1 {
					t.Errorf("message %d came after %d", meta.Sequence.Stream, done)
				}
				done = meta.Sequence.Stream
				to.take(msg.Headers().Get("ce-id"), msg.Data())
			}
			if err := msg.Ack(); err != nil {
				pause(ctx)
				break
			}
		}
	}
}

// TestKill: writers, and subscribers of each kind, while the server is killed again and
// again: each subscriber sees every commit that was acknowledged once, in order.
func TestKill(t *testing.T) {
	writers, kills, length := 16, 5, 20*time.Second
	if *long {
		writers, kills, length = 64, 10, time.Minute
	}
	addr := freePort(t)
	s := harness.Start(t, harness.Options{Args: []string{"--nats-listen", addr}})
	admin := s.Admin()
	key, _ := admin.NewKey("*", "follower", "events:read")
	var profiles []string
	for range 2 * writers {
		profiles = append(profiles, admin.Create(map[string]any{"firstName": "A", "lastName": "B", "email": "a@example.com"}))
	}

	following, stopFollowing := context.WithCancel(context.Background())
	defer stopFollowing()
	kinds := map[string]*seen{"SSE": newSeen(), "NATS": newSeen(), "CLI": newSeen()}
	var followers sync.WaitGroup
	followers.Go(func() { followSSE(following, s.URL(), key, kinds["SSE"]) })
	followers.Go(func() { followNATS(following, t, addr, key, kinds["NATS"]) })
	followers.Go(func() { followCLI(following, t, s, key, kinds["CLI"]) })

	var mu sync.Mutex
	acked := map[uint64]string{} // the profile of each commit
	var count atomic.Int64
	writing, stopWriting := context.WithTimeout(context.Background(), length)
	defer stopWriting()
	var writes sync.WaitGroup
	for w := range writers {
		writes.Go(func() {
			for n := 0; writing.Err() == nil; n++ {
				p := profiles[(w+n*7)%len(profiles)]
				seq, err := write(admin, p, fmt.Sprintf("w%d-%d", w, n))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[seq] = p
				mu.Unlock()
				count.Add(1)
			}
		})
	}
	for k := range kills {
		select {
		case <-writing.Done():
		case <-time.After(length / time.Duration(kills+1)):
		}
		s.Kill9()
		s.Restart()
		t.Logf("kill %d after %d commits", k+1, count.Load())
	}
	writes.Wait()
	head := admin.Must(200, "GET", "/v1/profiles/"+profiles[0], nil)
	if head.Status != 200 {
		t.Fatal(head.Status)
	}
	last := uint64(0)
	for seq := range acked {
		last = max(last, seq)
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for name, one := range kinds {
		for one.upTo() < last {
			if pause(ctx); ctx.Err() != nil {
				t.Fatalf("%s: told of commit %d, want %d\n%s", name, one.upTo(), last, s.Tail())
			}
		}
	}
	stopFollowing()
	followers.Wait()
	for name, one := range kinds {
		for i, fault := range one.faults {
			if i < 5 {
				t.Errorf("%s: %s", name, fault)
			}
		}
	}
	// What was acknowledged was told, and all were told the same.
	for name, one := range kinds {
		for id := range kinds["NATS"].ids {
			if one.ids[id] != 1 {
				t.Errorf("%s: event %s came %d times", name, id, one.ids[id])
			}
		}
		if len(one.ids) != len(kinds["NATS"].ids) {
			t.Errorf("%s was told of %d events, NATS of %d", name, len(one.ids), len(kinds["NATS"].ids))
		}
	}
	if told := len(kinds["NATS"].ids); told < len(acked)+len(profiles) {
		t.Errorf("%d commits were acknowledged, and %d events told", len(acked)+len(profiles), told)
	}
	t.Logf("%d commits, %d events", len(acked)+len(profiles), len(kinds["NATS"].ids))
}

// write makes one commit and repeats it until it is known to be there.
func write(c *harness.Client, profile, text string) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for {
		r, err := c.Do(ctx, harness.Call{Method: "PATCH", Path: "/v1/profiles/" + profile, Body: fmt.Appendf(nil, `{"headline":%q}`, text),
			Header: map[string]string{"Idempotency-Key": text}})
		var e harness.Edit
		switch {
		case err == nil && r.Status == 200:
			if err := json.Unmarshal(r.Body, &e); err != nil || e.Seq == 0 {
				return 0, fmt.Errorf("%s: %s", text, r.Body)
			}
			return e.Seq, nil
		case err == nil && r.Status != 409 && r.Status < 500:
			return 0, fmt.Errorf("%s: %d %s", text, r.Status, r.Body)
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
		pause(ctx)
	}
}

// lineEvents hands the lines of vitae subscribe on.
func lineEvents(line string, to *seen) error {
	var l struct {
		Seq   uint64
		Event struct {
			ID   string
			Data json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		return err
	}
	if l.Seq == 0 || l.Event.ID == "" {
		return errors.New("no event: " + strconv.Quote(line))
	}
	to.take(l.Event.ID, l.Event.Data)
	return nil
}
