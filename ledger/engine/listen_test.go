package engine_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
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
	if e.ListenAddr() != "" {
		t.Error("it listens before it is told to")
	}
	if err := e.Listen(); err != nil {
		t.Fatal(err)
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
	// Somebody else's consumer of the same name is another one.
	all, allJS := subscribe(t, url, "all-token")
	if _, err := allJS.CreateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: "jane-laptop", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Consumer(t.Context(), "CHANGES", "jane-laptop"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("another's consumer: %v", err)
	}
	if err := allJS.DeleteConsumer(t.Context(), "CHANGES", "jane-laptop"); err != nil {
		t.Fatal(err)
	}
	all.Close()
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
		try, stop := context.WithTimeout(ctx, 2*time.Second)
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
		"a push consumer": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES.jane."+jane,
				`{"stream_name":"CHANGES","config":{"name":"jane","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0,"filter_subject":"changed.JANE.>","deliver_subject":"ledger.0"}}`)
		},
		"body and subject differ": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES.jane.changed.JOE.>",
				`{"stream_name":"CHANGES","config":{"name":"jane","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0,"filter_subject":"changed.JANE.>"}}`)
		},
		"another's messages":                 func() error { return raw("$JS.API.CONSUMER.MSG.NEXT.CHANGES.other", `{"batch":1}`) },
		"its own messages by the inner name": func() error { return raw("$JS.API.CONSUMER.MSG.NEXT.CHANGES.jane-other", `{"batch":1}`) },
		"list":                               func() error { return raw("$JS.API.CONSUMER.LIST.CHANGES", "") },
		"pause": func() error {
			return raw("$JS.API.CONSUMER.PAUSE.CHANGES.other", `{"pause_until":"2040-01-01T00:00:00Z"}`)
		},
		"reset":     func() error { return raw("$JS.API.CONSUMER.RESET.CHANGES.other", `{}`) },
		"unpin":     func() error { return raw("$JS.API.CONSUMER.UNPIN.CHANGES.other", `{}`) },
		"step down": func() error { return raw("$JS.API.STREAM.LEADER.STEPDOWN.CHANGES", "") },
		"update": func() error {
			return raw("$JS.API.STREAM.UPDATE.CHANGES", `{"name":"CHANGES","subjects":["changed.>"],"max_age":1000000000}`)
		},
		"snapshot":             func() error { return raw("$JS.API.STREAM.SNAPSHOT.CHANGES", `{"deliver_subject":"_INBOX.x"}`) },
		"restore":              func() error { return raw("$JS.API.STREAM.RESTORE.X", `{}`) },
		"delete a message":     func() error { return raw("$JS.API.STREAM.MSG.DELETE.CHANGES", `{"seq":1}`) },
		"streams' list":        func() error { return raw("$JS.API.STREAM.LIST", "") },
		"direct by number":     func() error { return raw("$JS.API.DIRECT.GET.CHANGES", `{"seq":1}`) },
		"the ledger direct":    func() error { return raw("$JS.API.DIRECT.GET.LEDGER-0", `{"seq":1}`) },
		"the ledger's message": func() error { return raw("$JS.API.STREAM.MSG.GET.LEDGER-0", `{"seq":1}`) },
		"the ledger's consumer by the feed's name": func() error {
			return raw("$JS.API.CONSUMER.CREATE.LEDGER-0.x", `{"stream_name":"CHANGES","config":{"filter_subject":"changed.JANE.>"}}`)
		},
		"the feed's consumer on the ledger": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES.x", `{"stream_name":"LEDGER-0","config":{"filter_subject":"changed.JANE.>"}}`)
		},
		"a consumer of the old form": func() error {
			return raw("$JS.API.CONSUMER.CREATE.CHANGES", `{"stream_name":"CHANGES","config":{"filter_subject":"changed.JANE.>"}}`)
		},
		"a name with a wildcard": func() error { return raw("$JS.API.CONSUMER.INFO.CHANGES.*", "") },
		"domain":                 func() error { return raw("$JS.hub.API.STREAM.INFO.CHANGES", "") },
		"the system":             func() error { return raw("$SYS.REQ.SERVER.PING", "") },
		"who am I":               func() error { return raw("$SYS.REQ.USER.INFO", "") },
		"a bucket":               func() error { return raw("$JS.API.STREAM.INFO.KV_KEYS", "") },
		"another's consumer":     func() error { _, err := js.Consumer(ctx, "CHANGES", "other"); return err },
		"delete another's":       func() error { return js.DeleteConsumer(ctx, "CHANGES", "other") },
		"names":                  func() error { return raw("$JS.API.CONSUMER.NAMES.CHANGES", "") },
		"streams":                func() error { return raw("$JS.API.STREAM.NAMES", "") },
		"account":                func() error { return raw("$JS.API.INFO", "") },
		"subjects":               func() error { return raw("$JS.API.STREAM.INFO.CHANGES", `{"subjects_filter":">"}`) },
		"one message":            func() error { return raw("$JS.API.STREAM.MSG.GET.CHANGES", `{"seq":2}`) },
		"direct":                 func() error { return raw("$JS.API.DIRECT.GET.CHANGES.changed.JOE.shared", "") },
		"purge":                  func() error { return raw("$JS.API.STREAM.PURGE.CHANGES", "") },
		"delete":                 func() error { return js.DeleteStream(ctx, "CHANGES") },
		"create":                 func() error { _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "X"}); return err },
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

// TestSubscriberConsumers: how many there may be, and how long they are kept.
func TestSubscriberConsumers(t *testing.T) {
	e := enginetest.OpenWith(t, engine.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Feed: "CHANGES", Authorize: grants, MostConsumers: 3, Idle: time.Hour})
	if _, err := e.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "CHANGES", Subjects: []string{"changed.>"}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	url := "nats://" + e.ListenAddr()
	_, js := subscribe(t, url, "all-token")
	for i := range 3 {
		c, err := js.CreateOrUpdateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: fmt.Sprint("c", i), InactiveThreshold: time.Duration(i) * 40 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.CachedInfo().Config.InactiveThreshold, []time.Duration{time.Hour, 40 * time.Minute, time.Hour}[i]; got != want {
			t.Errorf("consumer %d is kept %s, want %s", i, got, want)
		}
		if c.CachedInfo().Name != fmt.Sprint("c", i) || c.CachedInfo().Config.Durable != fmt.Sprint("c", i) {
			t.Errorf("it is called %+v", c.CachedInfo())
		}
	}
	if _, err := js.CreateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: "c3"}); err == nil {
		t.Error("a fourth consumer is made")
	}
	if _, err := js.CreateOrUpdateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: "c1", Description: "again"}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	_, jane := subscribe(t, url, "jane-token")
	if _, err := jane.CreateConsumer(t.Context(), "CHANGES", jetstream.ConsumerConfig{Durable: "c1", FilterSubject: "changed.JANE.>"}); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

// TestSubscribersInboxes: nobody hears what is answered to somebody else.
func TestSubscribersInboxes(t *testing.T) {
	_, url := listening(t)
	spy, _ := subscribe(t, url, "jane-token")
	heard, err := spy.SubscribeSync("_INBOX.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	_, js := subscribe(t, url, "all-token")
	c, err := js.OrderedConsumer(t.Context(), "CHANGES", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	if m, err := heard.NextMsg(10 * time.Millisecond); err == nil {
		t.Errorf("somebody else's answer came: %s %s", m.Subject, m.Data)
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

// TestListenTaken: an address that somebody else has is an error.
func TestListenTaken(t *testing.T) {
	_, url := listening(t)
	e := enginetest.OpenWith(t, engine.Options{Dir: t.TempDir(), Listen: strings.TrimPrefix(url, "nats://"), Feed: "CHANGES", Authorize: grants})
	if err := e.Listen(); err == nil {
		t.Error("it listens where another does")
	}
}

// TestListenTLS: with a certificate nobody speaks in clear.
func TestListenTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	e := enginetest.OpenWith(t, engine.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Feed: "CHANGES", Authorize: grants,
		TLS: &tls.Config{Certificates: certified.TLS.Certificates}})
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	nc, err := nats.Connect("tls://"+e.ListenAddr(), nats.Token("jane-token"), nats.Secure(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect("nats://"+e.ListenAddr(), nats.Token("jane-token"), nats.Secure(&tls.Config{})); err == nil {
		nc.Close()
		t.Error("a certificate that nobody vouches for is taken")
	}
	conn, err := net.Dial("tcp", e.ListenAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("CONNECT {\"auth_token\":\"jane-token\"}\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(conn); strings.Contains(string(text), "PONG") {
		t.Errorf("in clear: %s", text)
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
