package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/cmd/vitae/internal/client"
	"vitae/cmd/vitae/internal/config"
	"vitae/ledger"
)

// start runs a command line in the background. The channel gets its exit code.
func start(t *testing.T, parts Parts, args ...string) (signals chan<- os.Signal, code <-chan int) {
	t.Helper()
	in := make(chan os.Signal)
	done := make(chan int, 1)
	go func() {
		done <- Main(t.Context(), args, World{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Signals: in, Parts: parts})
	}()
	return in, done
}

func TestFirstSignalDrains(t *testing.T) {
	up := make(chan struct{})
	for _, answer := range []error{nil, context.Canceled} {
		signals, code := start(t, Parts{Serve: func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
			up <- struct{}{}
			<-ctx.Done()
			return answer
		}}, "serve")
		<-up
		signals <- os.Interrupt
		if got := <-code; got != exitOK {
			t.Errorf("drained (%v): exit %d, want 0", answer, got)
		}
	}
}

func TestSecondSignalCuts(t *testing.T) {
	up, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	signals, code := start(t, Parts{Serve: func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
		close(up)
		<-never
		return nil
	}}, "serve")
	<-up
	signals <- os.Interrupt
	signals <- os.Interrupt
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit %d, want 130", got)
	}
}

func TestFaultWhileDraining(t *testing.T) {
	up := make(chan struct{})
	signals, code := start(t, Parts{Serve: func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
		close(up)
		<-ctx.Done()
		return errors.New("the last block could not be written")
	}}, "serve")
	<-up
	signals <- os.Interrupt
	if got := <-code; got != exitFailed {
		t.Errorf("exit %d, want 1", got)
	}
}

func TestSignalEndsClient(t *testing.T) {
	up := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(up)
		<-r.Context().Done()
	}))
	defer s.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	signals, code := start(t, Parts{}, "profile", "show", "--server", s.URL, "--key-file", key)
	<-up
	signals <- os.Interrupt
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit %d, want 130", got)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usage("x"), 2},
		{fmt.Errorf("y: %w", failWith(exitPartial, "x")), 3},
		{&client.Error{Status: 401}, 4},
		{&client.Error{Status: 410}, 5},
		{&client.Error{Status: 412}, 6},
		{&client.Error{Status: 504}, 7},
		{&client.Error{Status: 422}, 1},
		{&client.Unreachable{}, 7},
		{context.DeadlineExceeded, 7},
		{ledger.ErrUnknown, 7},
		{ledger.ErrErased, 5},
		{ledger.ErrConflict, 6},
		{&ledger.ChainError{Why: "x"}, 8},
		{context.Canceled, 130},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%v: exit %d, want %d", tt.err, got, tt.want)
		}
	}
}

// TestServeDemo: the demo is made by a client of the server that runs beside it, and a
// demo that cannot be made ends the server.
func TestServeDemo(t *testing.T) {
	for _, works := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "admin.key"), []byte("admin\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		made := make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := ""
			switch r.URL.Path {
			case "/v1/profiles":
				answer = `{"data":{"id":"P1"}}`
				if !works {
					w.WriteHeader(http.StatusForbidden)
				}
			case "/v1/keys":
				answer = `{"data":{"key":"vt_live_x"}}`
				close(made)
			}
			if _, err := w.Write([]byte(answer)); err != nil {
				t.Error(err)
			}
		})
		signals, code := start(t, Parts{Serve: func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
			s := &http.Server{Handler: h}
			go func() {
				<-ctx.Done()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}}, "serve", "--demo", "--data", dir, "--listen", l.Addr().String())
		want := exitAuth
		if works {
			<-made
			signals <- os.Interrupt
			want = exitOK
		}
		if got := <-code; got != want {
			t.Errorf("demo works %v: exit %d, want %d", works, got, want)
		}
	}
}

func TestMeter(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	m := &meter{w: &b, what: "fsck", now: func() time.Time { return now }, width: 60, started: now, last: now}
	m.show(1, 100) // too early
	now = now.Add(10 * time.Second)
	m.show(25, 100)
	m.show(26, 100) // too early again
	now = now.Add(10 * time.Second)
	m.show(7, 0)
	m.end()
	if want := "fsck: 25 of 100 (25 %), 30s left\nfsck: 7, 20s\n"; b.String() != want {
		t.Errorf("not a terminal:\n%q, want\n%q", b.String(), want)
	}

	b.Reset()
	m.terminal, m.started, m.last = true, now, now
	now = now.Add(time.Second)
	m.show(50, 100)
	m.end()
	line := "fsck: 50 of 100 (50 %), 1s left [============             ]"
	if want := "\r" + fmt.Sprintf("%-59s", line) + "\r" + strings.Repeat(" ", 59) + "\r"; b.String() != want {
		t.Errorf("terminal:\n%q, want\n%q", b.String(), want)
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"Zoë 👩\u200d🎤":  "Zoë 👩\u200d🎤",
		"a\tb\nc":       `a\tb\nc`,
		"\x1b[31m":      `\x1b[31m`,
		"\u202egnp.exe": `\u202egnp.exe`,
		"\u0085":        `\u0085`,
	} {
		if got := plain(in, false); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
	if got := plain("a\nb\x07", true); got != "a\nb\\a" {
		t.Errorf("message: %q", got)
	}
}

func TestWaitIdle(t *testing.T) {
	busy, idle := []lull{{Name: "mokaru", Busy: true}}, []lull{{Name: "mokaru"}}
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		looks   []any // what look gives, one after the other; the last stays
		late    bool
		after   time.Duration
		err     error
	}{
		{"at once", time.Minute, []any{idle}, false, 0, nil},
		{"soon", time.Minute, []any{busy, busy, idle}, false, 125 * time.Millisecond, nil},
		{"too late", time.Second, []any{busy}, true, time.Second, nil},
		{"throttled", time.Minute, []any{busy, &client.Error{Status: 429, RetryAfter: 7 * time.Second}, idle}, false, 7050 * time.Millisecond, nil},
		{"lost", time.Minute, []any{busy, &client.Unreachable{}}, false, 50 * time.Millisecond, &client.Unreachable{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			_, late, err := waitIdle(t.Context(), tt.timeout, func(context.Context) ([]lull, error) {
				now := tt.looks[0]
				if len(tt.looks) > 1 {
					tt.looks = tt.looks[1:]
				}
				if err, ok := now.(error); ok {
					return nil, err
				}
				return now.([]lull), nil
			})
			if late != tt.late || time.Since(begin) != tt.after || exitCode(err) != exitCode(tt.err) {
				t.Errorf("%s: late %v after %s, %v; want %v, %s, %v", tt.name, late, time.Since(begin), err, tt.late, tt.after, tt.err)
			}
		})
	}
}
