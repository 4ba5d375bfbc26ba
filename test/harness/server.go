package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options say how a server is started.
type Options struct {
	Data   string   // data folder; "" is a new one
	Config string   // TOML, written to a file; "" is Fast without a sink
	Args   []string // more flags
	Env    []string // more variables
}

// Fast is a configuration for tests: no rate limits, and sinks that do not linger. mokaru is the base URL of the
// stand-in; "" for no sink.
func Fast(mokaru string) string {
	c := "[rate_limit]\nwrite_per_minute = 0\nread_per_minute = 0\n"
	if mokaru != "" {
		c += fmt.Sprintf("[sinks.mokaru]\nbase_url = %q\nrequests_per_minute = 1000000\ntimeout = \"10s\"\nsettle = \"300ms\"\n", mokaru)
	}
	return c
}

// Server is a server that can be killed and started again on the same data and port.
type Server struct {
	*Process
	t    testing.TB
	opt  Options
	file string
	// Logs is what all runs wrote to stderr, Out to stdout.
	Logs, Out *Buffer
	// Addr is host:port; it stays the same over restarts.
	Addr string
	// Data is the data folder.
	Data string
	// Probe, when set, says where the next launches kill themselves: see ProbingBinary.
	Probe string
}

// Start starts a server and waits until it is ready.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s := New(t, opt)
	s.Launch()
	s.AwaitReady()
	return s
}

// New prepares a server without starting it.
func New(t testing.TB, opt Options) *Server {
	t.Helper()
	if opt.Data == "" {
		opt.Data = filepath.Join(t.TempDir(), "data")
	}
	if opt.Config == "" {
		opt.Config = Fast("")
	}
	file := filepath.Join(t.TempDir(), "vitae.toml")
	if err := os.WriteFile(file, []byte(opt.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Server{t: t, opt: opt, file: file, Logs: NewBuffer(), Out: NewBuffer(), Data: opt.Data}
}

// Args are the arguments of the server's command line; listen is host:port.
func (s *Server) Args(listen string) []string {
	return append([]string{"serve", "--config", s.file, "--data", s.Data, "--listen", listen, "--log-format", "json", "--log-level", "debug"}, s.opt.Args...)
}

// Launch starts the process and waits until it listens; see AwaitReady. A second Launch,
// after the first process has ended, takes the same port.
func (s *Server) Launch() {
	s.t.Helper()
	if !s.TryLaunch() {
		s.t.Fatalf("the server does not listen\n%s", s.Tail())
	}
}

// TryLaunch is Launch that gives false when the process ended instead of listening.
func (s *Server) TryLaunch() bool {
	s.t.Helper()
	listen := s.Addr
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	skip := s.Logs.Len()
	program, env := Binary, s.opt.Env
	if s.Probe != "" {
		program, env = ProbingBinary, append(slices.Clone(env), "VITAE_PROBE="+s.Probe)
	}
	s.Process = start(s.t, program(s.t), s.Args(listen), env, s.Out, s.Logs)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return s.Logs.Line(ctx, s.Done(), skip, func(line string) bool {
		var l struct{ Msg, Addr string }
		if json.Unmarshal([]byte(line), &l) != nil || l.Msg != "listening" || l.Addr == "" {
			return false
		}
		s.Addr = l.Addr
		return true
	})
}

// AwaitReady waits until /readyz says yes.
func (s *Server) AwaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c := s.Client("")
	last := ""
	for {
		r, err := c.Do(ctx, Call{Method: http.MethodGet, Path: "/readyz"})
		if err == nil && r.Status == http.StatusOK {
			return
		}
		last = fmt.Sprintf("%v %s %v", r.Status, r.Body, err)
		select {
		case <-time.After(20 * time.Millisecond): // another process: there is nothing else to wait for
		case <-s.Done():
			s.t.Fatalf("the server ended before it was ready\n%s", s.Tail())
		case <-ctx.Done():
			s.t.Fatalf("the server is not ready: %s\n%s", last, s.Tail())
		}
	}
}

// Restart starts the server again, on the same data and port, and waits until it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.Launch()
	s.AwaitReady()
}

// Stop ends the server in order and fails the test unless its exit code is 0.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	if code := s.Wait(); code != 0 {
		s.t.Fatalf("exit code %d after SIGTERM\n%s", code, s.Tail())
	}
}

// Tail is the end of the log.
func (s *Server) Tail() string {
	logs := s.Logs.String()
	if len(logs) > 6000 {
		logs = "..." + logs[len(logs)-6000:]
	}
	return logs
}

// URL is the server's address.
func (s *Server) URL() string { return "http://" + s.Addr }

// AdminKey is the key that the server made at its first start.
func (s *Server) AdminKey() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Data, "admin.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// Client is a client with a key.
func (s *Server) Client(key string) *Client { return NewClient(s.t, s.URL(), key) }

// Admin is a client with the admin key.
func (s *Server) Admin() *Client {
	s.t.Helper()
	return s.Client(s.AdminKey())
}

// CLI runs a client command against the server with the admin key.
func (s *Server) CLI(args ...string) Result {
	s.t.Helper()
	return s.CLIWith(s.AdminKey(), "", args...)
}

// CLIWith runs a client command with another key, and with something on stdin.
func (s *Server) CLIWith(key, stdin string, args ...string) Result {
	s.t.Helper()
	return Command(s.t, []string{"VITAE_SERVER=" + s.URL(), "VITAE_KEY=" + key}, stdin, args...)
}
