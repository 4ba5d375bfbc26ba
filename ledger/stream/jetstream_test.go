package stream_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
	"vitae/ledger/stream"
	"vitae/ledger/stream/streamtest"
)

// opener makes streams with names of their own on one engine.
func opener(js jetstream.JetStream, replicas int, trimmable bool) func(*testing.T) stream.Blocks {
	var n atomic.Int32
	return func(t *testing.T) stream.Blocks {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		i := n.Add(1)
		b, err := stream.OpenJetStream(ctx, js, stream.StreamConfig{Name: fmt.Sprintf("T-%d", i), Subject: fmt.Sprintf("t.%d", i), Replicas: replicas, Trimmable: trimmable})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestEmbedded(t *testing.T) {
	js := enginetest.Open(t).JetStream()
	open := opener(js, 1, true)
	streamtest.Blocks(t, open)
	streamtest.Committer(t, open)
}

func TestExternalServer(t *testing.T) {
	url := enginetest.StartServer(t)
	js := enginetest.OpenWith(t, engine.Options{URL: url, Replicas: 1}).JetStream()
	streamtest.Blocks(t, opener(js, 1, false))
}

func TestCluster(t *testing.T) {
	urls := strings.Join(enginetest.StartCluster(t, 3), ",")
	js := enginetest.OpenWith(t, engine.Options{URL: urls, Replicas: 3}).JetStream()
	open := opener(js, 3, true)
	streamtest.Blocks(t, open)
	streamtest.Committer(t, open)
}

// A stream that somebody loosened is refused, and every difference is named.
func TestLoosenedStreamIsRefused(t *testing.T) {
	js := enginetest.Open(t).JetStream()
	ctx := t.Context()
	cfg := stream.LedgerStream(0, 1)
	first, err := stream.OpenJetStream(ctx, js, cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, err := stream.OpenJetStream(ctx, js, cfg)
	if err != nil || again.Lineage() != first.Lineage() || first.Lineage() == "" {
		t.Fatalf("opened again: lineage %q, then %q, %v", first.Lineage(), again.Lineage(), err)
	}
	st, err := js.Stream(ctx, cfg.Name)
	if err != nil {
		t.Fatal(err)
	}
	loose := st.CachedInfo().Config
	loose.MaxMsgs, loose.MaxAge = 1000, time.Hour
	if _, err := js.UpdateStream(ctx, loose); err != nil {
		t.Fatal(err)
	}
	_, err = stream.OpenJetStream(ctx, js, cfg)
	if err == nil || !strings.Contains(err.Error(), "max_msgs is 1000, must be -1") || !strings.Contains(err.Error(), "max_age is 1h") {
		t.Fatalf("a loosened stream: %v", err)
	}
	if err := js.DeleteStream(ctx, cfg.Name); err != nil {
		t.Fatal(err)
	}
}

// Both codes of a lost race are one error, and the server's words for the others are sorted.
func TestAppendErrorKinds(t *testing.T) {
	ctx := t.Context()
	for _, replicas := range []int{1, 3} {
		var js jetstream.JetStream
		if replicas == 1 {
			js = enginetest.Open(t).JetStream()
		} else {
			js = enginetest.OpenWith(t, engine.Options{URL: strings.Join(enginetest.StartCluster(t, 3), ","), Replicas: 3}).JetStream()
		}
		b := opener(js, replicas, false)(t)
		if _, err := b.Append(ctx, []byte("a"), 0); err != nil {
			t.Fatal(err)
		}
		var conflicts atomic.Int32
		done := make(chan error, 8)
		for i := range 8 {
			go func() {
				_, err := b.Append(ctx, fmt.Appendf(nil, "%d", i), 1)
				if err != nil {
					conflicts.Add(1)
				}
				done <- err
			}()
		}
		for range 8 {
			<-done
		}
		if conflicts.Load() != 7 {
			t.Fatalf("%d replicas: %d of 8 racing appends lost, want 7", replicas, conflicts.Load())
		}
	}
}
