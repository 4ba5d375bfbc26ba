package engine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
)

// holdVar makes the test binary a process that opens the folder named by it, says so,
// and waits to be killed.
const holdVar = "ENGINE_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVar); dir != "" {
		hold(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func hold(dir string) {
	e, err := engine.Open(context.Background(), engine.Options{Dir: dir})
	if err == nil {
		_, err = publish(context.Background(), e, "from the other process")
	}
	fmt.Println("open:", err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

func publish(ctx context.Context, e *engine.Engine, text string) (uint64, error) {
	_, err := e.JetStream().CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "T", Subjects: []string{"t"}, Replicas: e.Replicas()})
	if err != nil {
		return 0, err
	}
	ack, err := e.JetStream().Publish(ctx, "t", []byte(text))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

func open(t *testing.T, opt engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeEngine(t *testing.T, e *engine.Engine) {
	t.Helper()
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestEmbeddedKeepsData(t *testing.T) {
	dir := t.TempDir()
	for n := range uint64(3) {
		e := open(t, engine.Options{Dir: dir})
		if !e.Embedded() || e.Replicas() != 1 {
			t.Fatalf("embedded %v, replicas %d", e.Embedded(), e.Replicas())
		}
		seq, err := publish(t.Context(), e, "x")
		if err != nil || seq != n+1 {
			t.Fatalf("start %d: sequence %d, %v", n, seq, err)
		}
		closeEngine(t, e)
		closeEngine(t, e) // again is no fault
		goleak.VerifyNone(t)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 != 0 && info.Mode().Perm() != 0o755 { // t.TempDir made it
		t.Fatal(info.Mode(), err)
	}
	if e := open(t, engine.Options{Dir: filepath.Join(dir, "made", "anew")}); e != nil {
		closeEngine(t, e)
	}
	info, err = os.Stat(filepath.Join(dir, "made", "anew"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatal(info.Mode(), err)
	}
}

func TestEmbeddedLimits(t *testing.T) {
	e := enginetest.Open(t)
	if got := e.Conn().MaxPayload(); got != engine.MaxPayload {
		t.Errorf("max payload %d", got)
	}
	if addr := e.Conn().ConnectedAddr(); addr != "pipe" {
		t.Errorf("connected over %q", addr)
	}
	big := strings.Repeat("x", engine.MaxPayload-1024)
	if _, err := publish(t.Context(), e, big); err != nil {
		t.Error(err)
	}
	info, err := e.JetStream().AccountInfo(t.Context())
	if err != nil || info.Store == 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir})
	_, err := engine.Open(t.Context(), engine.Options{Dir: dir})
	if !errors.Is(err, engine.ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v", err)
	}
	closeEngine(t, e)
	closeEngine(t, open(t, engine.Options{Dir: dir}))
}

// TestKilledHolder: another process holds the folder, is killed, and leaves what was
// acknowledged and no lock.
func TestKilledHolder(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdVar+"="+dir)
	in, err := cmd.StdinPipe() // closed with us, so that the process never outlives a test
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "open: <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	_, err = engine.Open(t.Context(), engine.Options{Dir: dir})
	if !errors.Is(err, engine.ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("got %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	e := open(t, engine.Options{Dir: dir})
	defer closeEngine(t, e)
	stream, err := e.JetStream().Stream(t.Context(), "T")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "from the other process" {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	small, without := enginetest.Config(t.TempDir()), enginetest.Config(t.TempDir())
	small.MaxPayload, without.JetStream = 1<<20, false
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "nats://user:secret-word@" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		opt  engine.Options
		want string
	}{
		"nothing":           {engine.Options{}, "either"},
		"both":              {engine.Options{Dir: "x", URL: "y"}, "either"},
		"small payload":     {engine.Options{URL: enginetest.StartServerWith(t, small).ClientURL()}, "max_payload"},
		"no jetstream":      {engine.Options{URL: enginetest.StartServerWith(t, without).ClientURL()}, "no JetStream"},
		"nobody there":      {engine.Options{URL: nobody}, "connecting"},
		"listen outside":    {engine.Options{URL: nobody, Listen: ":0"}, "embedded"},
		"listen to all":     {engine.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"}, "authorize"},
		"too many replicas": {engine.Options{URL: nobody, Replicas: 6}, "replicas"},
		"replicas of one":   {engine.Options{Dir: t.TempDir(), Replicas: 3}, "replica"},
		"a file":            {engine.Options{Dir: file}, "file"},
	} {
		e, err := engine.Open(t.Context(), c.opt)
		if err == nil {
			closeEngine(t, e)
			t.Errorf("%s: no error", what)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", what, err)
		}
		if what == "nobody there" && !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: %v is not ErrUnavailable", what, err)
		}
	}
	// The folder of a refused start is free again.
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Open(ctx, engine.Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	closeEngine(t, open(t, engine.Options{Dir: dir}))
}

func TestExternal(t *testing.T) {
	e := enginetest.OpenWith(t, engine.Options{URL: "nats://127.0.0.1:1, " + enginetest.StartServer(t)})
	if e.Embedded() || e.Replicas() != 1 {
		t.Fatalf("embedded %v, replicas %d", e.Embedded(), e.Replicas())
	}
	if seq, err := publish(t.Context(), e, "x"); err != nil || seq != 1 {
		t.Fatal(seq, err)
	}
}

func TestClusterLosesAServer(t *testing.T) {
	c := enginetest.NewCluster(t, 3)
	e := enginetest.OpenWith(t, engine.Options{URL: strings.Join(c.URLs(), ",")})
	if e.Replicas() != 3 {
		t.Fatalf("replicas %d", e.Replicas())
	}
	if seq, err := publish(t.Context(), e, "x"); err != nil || seq != 1 {
		t.Fatal(seq, err)
	}
	enginetest.AwaitReplicas(t, e.JetStream(), "T")
	for i, s := range c.Servers {
		if s.Name() == e.Conn().ConnectedServerName() {
			c.Stop(i)
			break // the connection moves on to another server
		}
	}
	// The next write that is acknowledged follows the first, or one whose
	// acknowledgement was lost on the way.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, time.Second)
		ack, err := e.JetStream().Publish(try, "t", []byte("y"))
		stop()
		if err == nil {
			if ack.Sequence < 2 {
				t.Fatalf("sequence %d again", ack.Sequence)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseWithoutTime(t *testing.T) {
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Draining may or may not be quick enough; the rest is done in any case.
	if err := e.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	closeEngine(t, open(t, engine.Options{Dir: dir}))
}
