package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
	"vitae/ledger/stream"
	"vitae/ledger/stream/streamtest"
)

// instance is one of several processes on a cluster, as far as committing goes.
type instance struct {
	router *stream.Router
	ledger *stream.Ledger
	stop   func()
}

func join(t *testing.T, url, name string, sealer *streamtest.Sealer) *instance {
	t.Helper()
	ctx := t.Context()
	e := enginetest.OpenWith(t, engine.Options{URL: url, Replicas: 1, Name: name})
	blocks, err := stream.OpenJetStream(ctx, e.JetStream(), stream.LedgerStream(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	leases, err := e.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "LEASES", History: 1})
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{ledger: stream.OpenLedger(blocks, blocks.Lineage())}
	plain := func(b []byte) ([]byte, error) { return b, nil }
	i.router = stream.NewRouter(stream.RouterConfig{
		Conn: e.Conn(), Subject: "vitae.commit.0", Wrap: plain, Unwrap: plain,
		Open: func(ctx context.Context) (*stream.Committer, error) {
			return stream.NewCommitter(ctx, i.ledger, stream.CommitterConfig{Sealer: sealer, States: i.ledger, Idems: streamtest.Idems{Ledger: i.ledger}})
		},
		Lead: func(ctx context.Context) (<-chan struct{}, func(), error) {
			l, err := e.Lease(ctx, leases, "committer.0", name, engine.MinTTL)
			if err != nil {
				return nil, nil, err
			}
			return l.Lost(), func() {
				if err := l.Release(context.WithoutCancel(ctx)); err != nil {
					t.Log(err)
				}
			}, nil
		},
		Encode: func(c ledger.Command) ([]byte, error) {
			if _, ok := c.(streamtest.Refuse); ok {
				return []byte(`{}`), nil
			}
			return json.Marshal(c)
		},
		Decode: func(b []byte) (ledger.Command, error) {
			var s streamtest.Set
			if err := json.Unmarshal(b, &s); err != nil || s.Field == "" {
				return streamtest.Refuse{}, err
			}
			return s, nil
		},
	})
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- i.router.Run(run) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(i.stop)
	return i
}

// Two instances, one commits, the other forwards; the first goes, the second takes over;
// nothing acknowledged is lost, doubled or out of its chain.
func TestOneInstanceCommitsTheOthersForward(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	sealer := streamtest.NewSealer()
	url := enginetest.StartServer(t)
	a, b := join(t, url, "a", sealer), join(t, url, "b", sealer)
	id := ledger.NewProfileID(time.Now())
	submit := func(i *instance, n int, cmd ledger.Command) (ledger.Reply, error) {
		return i.router.Submit(ctx, ledger.Request{Profile: id, Meta: ledger.Meta{Actor: "admin", Via: "native"}, Command: cmd,
			Idem: &ledger.Idem{Key: [16]byte{byte(n), byte(n >> 8)}, Body: [16]byte{1}}})
	}
	const n = 60
	acked := map[ledger.CommitID]ledger.Seq{}
	for k := range n {
		i := []*instance{a, b}[k%2]
		if k == n/2 {
			leader := a
			if a.router.Committer() == nil {
				leader = b
			}
			leader.stop()
		}
		for {
			r, err := submit(i, k, streamtest.Set{Field: "headline", Text: fmt.Sprint(k)})
			if errors.Is(err, ledger.ErrUnknown) || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrIdemBusy) {
				continue // ask again under the same key
			}
			if err != nil {
				t.Fatal(err)
			}
			acked[r.Commit] = r.Seq
			break
		}
	}
	survivor := a
	if a.router.Committer() == nil {
		survivor = b
	}
	var refusal *ledger.Refusal
	for _, i := range []*instance{a, b} {
		if _, err := submit(i, 1000, streamtest.Refuse{}); !errors.As(err, &refusal) {
			t.Fatalf("a refusal keeps its meaning on the way: %v", err)
		}
	}
	last, commits := ledger.NewProfile(id), 0
	for r, err := range survivor.ledger.Commits(ctx, id) {
		if err != nil {
			t.Fatal(err)
		}
		if acked[r.Commit.ID] != r.Seq {
			t.Fatalf("sequence %d: commit %s was acknowledged at %d", r.Seq, r.Commit.ID, acked[r.Commit.ID])
		}
		last.Apply(r.Seq, r.Hash, r.Commit)
		commits++
	}
	if commits != n || len(acked) != n {
		t.Fatalf("%d commits, %d acknowledged, want %d", commits, len(acked), n)
	}
}
