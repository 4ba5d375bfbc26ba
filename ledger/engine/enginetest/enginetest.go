// Package enginetest starts real engines for tests: embedded ones, lone nats-servers
// and clusters, all on loopback addresses and in temporary folders, all gone when the
// test is over.
package enginetest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger/engine"
)

// patience bounds every wait; it is long because test machines are busy.
const patience = 60 * time.Second

// Open opens an embedded engine in a folder of its own.
func Open(t testing.TB) *engine.Engine {
	t.Helper()
	return OpenWith(t, engine.Options{Dir: t.TempDir()})
}

// OpenWith opens the engine that opt names, and closes it at the end of the test.
func OpenWith(t testing.TB, opt engine.Options) *engine.Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := engine.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Config is the configuration of a lone server as an operator should have it: file
// storage in dir, every write synced, 8 MiB messages, a free port of 127.0.0.1.
func Config(dir string) *server.Options {
	return &server.Options{ServerName: "lone", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		MaxPayload: engine.MaxPayload, JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 16 << 30, DisableJetStreamBanner: true}
}

// StartServer starts a lone server and gives its client URL.
func StartServer(t testing.TB) string {
	t.Helper()
	return StartServerWith(t, Config(t.TempDir())).ClientURL()
}

// StartServerWith starts a server with the given options and stops it at the end of
// the test.
func StartServerWith(t testing.TB, opt *server.Options) *server.Server {
	t.Helper()
	srv := start(t, opt)
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the server did not start")
	}
	return srv
}

func start(t testing.TB, opt *server.Options) *server.Server {
	t.Helper()
	srv, err := server.NewServer(opt)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return srv
}

// Cluster is a running cluster of servers.
type Cluster struct {
	// Servers may be stopped and started anew by a test.
	Servers []*server.Server
	Options []*server.Options
}

// URLs are the client URLs of all servers.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		urls[i] = s.ClientURL()
	}
	return urls
}

// Stop stops server i and waits until it is gone.
func (c *Cluster) Stop(i int) {
	c.Servers[i].Shutdown()
	c.Servers[i].WaitForShutdown()
}

// Restart starts server i again on its data and ports.
func (c *Cluster) Restart(t testing.TB, i int) {
	t.Helper()
	c.Servers[i] = start(t, c.Options[i].Clone())
	if !c.Servers[i].ReadyForConnections(patience) {
		t.Fatalf("server %d did not start again", i)
	}
}

// AwaitReplicas waits until a stream has a leader and every replica of it is up to date.
// A stream is acknowledged into being by its leader, before the others have it.
func AwaitReplicas(t testing.TB, js jetstream.JetStream, stream string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, time.Second)
		s, err := js.Stream(try, stream)
		stop()
		if err == nil && complete(s.CachedInfo()) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("stream %s is not on all its replicas: %v", stream, err)
		case <-time.After(20 * time.Millisecond): // the server has no event to wait for
		}
	}
}

func complete(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil {
		return true // a lone server
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current || r.Offline {
			return false
		}
	}
	return info.Cluster.Leader != "" && len(info.Cluster.Replicas) == info.Config.Replicas-1
}

// StartCluster starts n servers that form one JetStream cluster, waits until it has a
// leader and every server takes part, and gives their client URLs.
func StartCluster(t testing.TB, n int) []string {
	t.Helper()
	return NewCluster(t, n).URLs()
}

// NewCluster is StartCluster for tests that stop and restart single servers.
func NewCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	clients, routes := make([]int, n), make([]int, n)
	var held []net.Listener
	for i := range n { // free ports, held until all are known so that they differ
		for _, p := range []*int{&clients[i], &routes[i]} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, l)
			*p = l.Addr().(*net.TCPAddr).Port
		}
	}
	for _, l := range held {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := &Cluster{}
	for i := range n {
		opt := Config(t.TempDir())
		opt.ServerName = fmt.Sprintf("node-%d", i+1)
		opt.Port = clients[i]
		opt.Cluster = server.ClusterOpts{Name: "enginetest", Host: "127.0.0.1", Port: routes[i]}
		// A server counts its routes to know the size of the cluster, so not to itself.
		for j, port := range routes {
			if j != i {
				opt.Routes = append(opt.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
			}
		}
		c.Options = append(c.Options, opt.Clone())
		c.Servers = append(c.Servers, start(t, opt))
	}
	for i, s := range c.Servers {
		if !s.ReadyForConnections(patience) {
			t.Fatalf("server %d did not start", i)
		}
	}
	c.awaitLeader(t)
	return c
}

// awaitLeader waits until a replicated stream can be made: then there is a leader and
// it knows enough peers.
func (c *Cluster) awaitLeader(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := nats.Connect(c.Servers[0].ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	const probe = "ENGINETEST"
	for {
		// Without a leader nobody answers, so each try has a time of its own.
		try, stop := context.WithTimeout(ctx, time.Second)
		_, err := js.CreateOrUpdateStream(try, jetstream.StreamConfig{Name: probe, Subjects: []string{"enginetest"},
			Replicas: len(c.Servers), Storage: jetstream.MemoryStorage})
		stop()
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the cluster has no leader: %v", err)
		case <-time.After(50 * time.Millisecond): // the server has no event to wait for
		}
	}
	if err := js.DeleteStream(ctx, probe); err != nil {
		t.Fatal(err)
	}
}
