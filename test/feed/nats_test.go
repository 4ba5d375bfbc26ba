package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/test/harness"
)

// connect is a stock client.
func connect(t *testing.T, addr, key string, more ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect("nats://"+addr, append(more, nats.Token(key), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// TestNATSKeys: which keys are let in, and what becomes of one that is revoked.
func TestNATSKeys(t *testing.T) {
	addr := freePort(t)
	s := harness.Start(t, harness.Options{Args: []string{"--nats-listen", addr}})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "A", "lastName": "B", "email": "a@example.com"})
	own, _ := admin.NewKey(id, "own", "events:read")
	blind, _ := admin.NewKey("*", "blind", "profile:read", "operate")
	for what, key := range map[string]string{"one profile's": own, "no events:read": blind, "nonsense": "nonsense", "empty": ""} {
		if nc, err := nats.Connect("nats://"+addr, nats.Token(key)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				nc.Close()
			}
		}
	}
	key, keyID := admin.NewKey("*", "reader", "events:read")
	closed := make(chan struct{})
	nc, _ := connect(t, addr, key, nats.ClosedHandler(func(*nats.Conn) { close(closed) }), nats.ReconnectWait(10*time.Millisecond))
	_, others := connect(t, addr, s.AdminKey())
	admin.Must(200, "DELETE", "/v1/keys/"+keyID, nil)
	select {
	case <-closed:
	case <-time.After(harness.Patience):
		t.Error("a key that was revoked is still connected")
	}
	if err := nc.LastError(); !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthRevoked) {
		t.Logf("the connection ended with %v", err)
	}
	if _, err := others.Stream(t.Context(), "CHANGES"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	s.Stop()
}

// TestNATSDurable: a stock durable consumer, over a restart, and nothing but the feed.
func TestNATSDurable(t *testing.T) {
	addr := freePort(t)
	s := harness.Start(t, harness.Options{Args: []string{"--nats-listen", addr}})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "A", "lastName": "B", "email": "a@example.com"})
	key, _ := admin.NewKey("*", "reader", "events:read")
	nc, js := connect(t, addr, key, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	next := func(c jetstream.Consumer) *event.Event {
		t.Helper()
		msg, err := c.Next(jetstream.FetchMaxWait(30 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.DoubleAck(ctx); err != nil {
			t.Fatal(err)
		}
		// Binary mode, read by hand: the attributes are the headers.
		e := event.New()
		for name, values := range msg.Headers() {
			switch name {
			case "ce-specversion":
				e.SetSpecVersion(values[0])
			case "ce-id":
				e.SetID(values[0])
			case "ce-source":
				e.SetSource(values[0])
			case "ce-type":
				e.SetType(values[0])
			case "ce-subject":
				e.SetSubject(values[0])
			}
		}
		if err := e.SetData("application/json", msg.Data()); err != nil {
			t.Fatal(err)
		}
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		return &e
	}
	c, err := js.CreateOrUpdateConsumer(ctx, "CHANGES", jetstream.ConsumerConfig{Durable: "orders", FilterSubject: "changed." + id + ".>", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	first := next(c)
	if first.Subject() != id || first.Type() != "vitae.profile.changed.v1" || !strings.HasSuffix(first.ID(), ".shared") {
		t.Errorf("first %s", first)
	}
	for _, title := range []string{"x", "y"} {
		admin.Must(200, "PATCH", harness.Profile(id), map[string]any{"jobTitle": title})
	}
	second := next(c)
	s.Stop()
	s.Restart()
	for !nc.IsConnected() {
		if pause(ctx); ctx.Err() != nil {
			t.Fatal("the client does not come back")
		}
	}
	third := next(c) // it goes on as if nothing had been
	if first.ID() == second.ID() || second.ID() == third.ID() {
		t.Errorf("ids %s, %s, %s", first.ID(), second.ID(), third.ID())
	}
	var seqs []uint64
	for _, e := range []*event.Event{first, second, third} {
		var d struct{ Seq uint64 }
		if err := e.DataAs(&d); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, d.Seq)
	}
	if fmt.Sprint(seqs) != "[1 2 3]" {
		t.Errorf("commits %v", seqs)
	}

	// Everything else there is.
	answered := func(subject, body string) bool {
		m, err := nc.Request(subject, []byte(body), 2*time.Second)
		return err == nil && !strings.Contains(string(m.Data), `{"error":{"code":403,`)
	}
	for _, stream := range []string{"LEDGER-0", "LANES-0", "KV_KEYS", "KV_VAULT", "KV_IDEMPOTENCY", "KV_UPLOADS", "OBJ_FILES", "NOPE"} {
		if _, err := js.Stream(ctx, stream); err == nil {
			t.Errorf("stream %s can be seen", stream)
		}
		if _, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: "x"}); err == nil {
			t.Errorf("stream %s can be read", stream)
		}
		if answered("$JS.API.STREAM.MSG.GET."+stream, `{"seq":1}`) {
			t.Errorf("a message of %s can be read", stream)
		}
		if answered("$JS.API.DIRECT.GET."+stream, `{"seq":1}`) {
			t.Errorf("a message of %s can be read at once", stream)
		}
	}
	for _, what := range []string{"$JS.API.STREAM.PURGE.CHANGES", "$JS.API.STREAM.DELETE.CHANGES", "$JS.API.STREAM.UPDATE.CHANGES", "$JS.API.STREAM.NAMES", "$JS.API.INFO"} {
		if answered(what, `{}`) {
			t.Errorf("%s is answered", what)
		}
	}
	st, err := js.Stream(ctx, "CHANGES")
	if err != nil {
		t.Fatal(err)
	}
	if state := st.CachedInfo().State; state.Msgs != 3 {
		t.Errorf("the feed has %d events, want 3", state.Msgs)
	}
}
