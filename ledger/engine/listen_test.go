package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
)

func grants(token string) (engine.Grant, bool) {
	switch token {
	case "jane-token":
		return engine.Grant{Name: "jane", Subjects: []string{"changed.JANE.>"}}, true
	case "all-token":
		return engine.Grant{Name: "all", Subjects: []string{">"}}, true
	case "bad-token":
		return engine.Grant{Name: "a.*", Subjects: []string{">"}}, true
	}
	return engine.Grant{}, false
}

// listening opens an engine that listens, with a feed, and a stream that is none of
// the subscribers' business.
func listening(t *testing.T) (*engine.Engine, string) {
	t.Helper()
	e := enginetest.OpenWith(t, engine.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Feed: "CHANGES", Authorize: grants})
	for name, subject := range map[string]string{"CHANGES": "changed.>", "LEDGER-0": "ledger.0"} {
		_, err := e.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, AllowDirect: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"changed.JANE.shared", "changed.JOE.shared", "changed.JANE.base", "ledger.0"} {
		if _, err := e.JetStream().Publish(t.Context(), subject, []byte("at "+subject)); err != nil {
			t.Fatal(err)
		}
	}
	return e, "nats://" + e.ListenAddr()
}

func subscribe(t *testing.T, url, token string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token(token), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func TestSubscribersNeedAToken(t *testing.T) {
	_, url := listening(t)
	for what, opts := range map[string][]nats.Option{
		"nothing":     nil,
		"wrong token": {nats.Token("guess")},
		"no token":    {nats.Token("")},
		"the system":  {nats.UserInfo("sys", "")},
		"the program": {nats.UserInfo("vitae", "")},
		"bad grant":   {nats.Token("bad-token")},
	} {
		nc, err := nats.Connect(url, opts...)
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestSubscriberReadsItsPartOfTheFeed(t *testing.T) {
	e, url := listening(t)
	_, js := subscribe(t, url, "jane-token")
	stream, err := js.Stream(t.Context(), "CHANGES")
	if err != nil {
		t.Fatal(err)
	}
	c, err := stream.CreateOrUpdateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "jane-laptop", FilterSubject: "changed.JANE.>",
		AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) (out []string) {
		t.Helper()
		batch, err := c.Fetch(n, jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			if string(m.Data()) != "at "+m.Subject() {
				t.Errorf("%q says %q", m.Subject(), m.Data())
			}
			out = append(out, m.Subject())
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := batch.Error(); err != nil {
			t.Error(err)
		}
		return out
	}
	if got := read(2); fmt.Sprint(got) != "[changed.JANE.shared changed.JANE.base]" {
		t.Fatalf("got %v", got)
	}
	if info, err := c.Info(t.Context()); err != nil || info.AckFloor.Consumer != 2 {
		t.Fatalf("%+v, %v", info, err)
	}
	// What comes later reaches a subscriber that waits.
	done := make(chan []string)
	go func() { done <- read(1) }()
	if _, err := e.JetStream().Publish(t.Context(), "changed.JANE.x", []byte("at changed.JANE.x")); err != nil {
		t.Fatal(err)
	}
	if got := <-done; fmt.Sprint(got) != "[changed.JANE.x]" {
		t.Fatalf("got %v", got)
	}
	// A second connection of the same subscriber goes on with the same consumer.
	_, js = subscribe(t, url, "jane-token")
	if c, err = js.Consumer(t.Context(), "CHANGES", "jane-laptop"); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(t.Context(), "CHANGES", "jane-laptop"); err != nil {
		t.Fatal(err)
	}
	// And one that may read everything does.
	_, js = subscribe(t, url, "all-token")
	c, err = js.CreateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Name: "all", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(4); len(got) != 4 {
		t.Fatalf("got %v", got)
	}
}

func TestSubscriberCannotDoMore(t *testing.T) {
	e, url := listening(t)
	other, err := e.JetStream().CreateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: "other", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	nc, js := subscribe(t, url, "jane-token")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	consumer := func(stream string, cfg jetstream.ConsumerConfig) error {
		_, err := js.CreateConsumer(ctx, stream, cfg)
		return err
	}
	raw := func(subject, body string) error {
		try, stop := context.WithTimeout(ctx, 5*time.Second)
		defer stop()
		m, err := nc.RequestWithContext(try, subject, []byte(body))
		if err == nil && strings.Contains(string(m.Data), `"error"`) {
			err = errors.New(string(m.Data))
		}
		return err
	}
	const jane = "changed.JANE.>"
	for what, try := range map[string]func() error{
		"another stream": func() error { _, err := js.Stream(ctx, "LEDGER-0"); return err },
		"ledger": func() error {
			return consumer("LEDGER-0", jetstream.ConsumerConfig{Name: "jane", FilterSubject: jane})
		},
		"no filter": func() error { return consumer("CHANGES", jetstream.ConsumerConfig{Name: "jane"}) },
		"another profile": func() error {
			return consumer("CHANGES", jetstream.ConsumerConfig{Name: "jane", FilterSubject: "changed.JOE.>"})
		},
		"all profiles": func() error {
			return consumer("CHANGES", jetstream.ConsumerConfig{Name: "jane", FilterSubject: "changed.>"})
		},
		"a wildcard": func() error {
			return consumer("CHANGES", jetstream.ConsumerConfig{Name: "jane", FilterSubject: "changed.*.shared"})
		},
		"two filters": func() error {
			return consumer("CHANGES", jetstream.ConsumerConfig{Name: "jane", FilterSubjects: []string{"changed.JANE.a", "changed.JOE.a"}})
		},
		"another's name": func() error { return consumer("CHANGES", jetstream.ConsumerConfig{Name: "other", FilterSubject: jane}) },
		"a longer name":  func() error { return consumer("CHANGES", jetstream.ConsumerConfig{Name: "janet", FilterSubject: jane}) },
		"a push consumer": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES.jane."+jane,
				`{"stream_name":"CHANGES","config":{"name":"jane","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0,"filter_subject":"changed.JANE.>","deliver_subject":"ledger.0"}}`)
		},
		"body and subject differ": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES.jane.changed.JOE.>",
				`{"stream_name":"CHANGES","config":{"name":"jane","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0,"filter_subject":"changed.JANE.>"}}`)
		},
		"another's messages": func() error { return raw("$JS.API.CONSUMER.MSG.NEXT.CHANGES.other", `{"batch":1}`) },
		"another's consumer": func() error { _, err := js.Consumer(ctx, "CHANGES", "other"); return err },
		"delete another's":   func() error { return js.DeleteConsumer(ctx, "CHANGES", "other") },
		"names":              func() error { return raw("$JS.API.CONSUMER.NAMES.CHANGES", "") },
		"streams":            func() error { return raw("$JS.API.STREAM.NAMES", "") },
		"account":            func() error { return raw("$JS.API.INFO", "") },
		"subjects":           func() error { return raw("$JS.API.STREAM.INFO.CHANGES", `{"subjects_filter":">"}`) },
		"one message":        func() error { return raw("$JS.API.STREAM.MSG.GET.CHANGES", `{"seq":2}`) },
		"direct":             func() error { return raw("$JS.API.DIRECT.GET.CHANGES.changed.JOE.shared", "") },
		"purge":              func() error { return raw("$JS.API.STREAM.PURGE.CHANGES", "") },
		"delete":             func() error { return js.DeleteStream(ctx, "CHANGES") },
		"create":             func() error { _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "X"}); return err },
	} {
		if try() == nil {
			t.Errorf("%s: allowed", what)
		}
	}

	// Subjects outside are not to be used at all, and what is sent comes to nobody.
	seen := make(chan string, 10)
	sub, err := e.Conn().Subscribe(">", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Subject, "vitae.gate.jane.") {
			seen <- m.Subject
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"ledger.0", "changed.JANE.x", "$KV.VAULT.x", "$SYS.REQ.SERVER.PING", "vitae.gate.all.STREAM.INFO.CHANGES"} {
		if err := nc.Publish(subject, []byte("forged")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.PublishRequest("$JS.API.STREAM.INFO.CHANGES", "ledger.0", nil); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{">", "changed.>", "$SYS.>", "_R_.>"} {
		s, err := nc.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if m, err := s.NextMsg(10 * time.Millisecond); err == nil {
				t.Errorf("subscription to %s got %s", subject, m.Subject)
			}
		}()
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(ctx, "CHANGES"); err != nil { // what was sent before was seen by now
		t.Fatal(err)
	}
	if err := sub.Drain(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{"CHANGES": 3, "LEDGER-0": 1} {
		s, err := e.JetStream().Stream(ctx, name)
		if err != nil || s.CachedInfo().State.LastSeq != want {
			t.Errorf("stream %s: %+v, %v", name, s.CachedInfo().State, err)
		}
	}
	close(seen)
	for subject := range seen {
		if strings.HasPrefix(subject, "ledger.") || strings.HasPrefix(subject, "changed.") || strings.HasPrefix(subject, "$KV.") || strings.HasPrefix(subject, "vitae.") {
			t.Errorf("a message came to %s", subject)
		}
	}
	if _, err := other.Info(ctx); err != nil {
		t.Error(err)
	}
}

func TestDisconnect(t *testing.T) {
	e, url := listening(t)
	closed := make(chan struct{})
	nc, err := nats.Connect(url, nats.Token("jane-token"), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	all, _ := subscribe(t, url, "all-token")
	if err := e.Disconnect("jane"); err != nil {
		t.Fatal(err)
	}
	<-closed
	if err := all.Flush(); err != nil {
		t.Errorf("somebody else was disconnected: %v", err)
	}
}

// TestListenKeepsTheData: the program's data is the same with and without a listener.
func TestListenKeepsTheData(t *testing.T) {
	dir := t.TempDir()
	for i, opt := range []engine.Options{{Dir: dir}, {Dir: dir, Listen: "127.0.0.1:0", Feed: "CHANGES", Authorize: grants}, {Dir: dir}} {
		e := open(t, opt)
		if seq, err := publish(t.Context(), e, "x"); err != nil || seq != uint64(i)+1 {
			t.Errorf("start %d: %d, %v", i, seq, err)
		}
		closeEngine(t, e)
	}
}
