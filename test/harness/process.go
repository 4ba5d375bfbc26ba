package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait of the harness. It is long: test machines are busy.
const Patience = 90 * time.Second

// Buffer gathers what a process writes, and lets others wait for a line of it.
type Buffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{}
}

// NewBuffer makes an empty buffer.
func NewBuffer() *Buffer { return &Buffer{grown: make(chan struct{})} }

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.grown)
	b.grown = make(chan struct{})
	return b.b.Write(p)
}

// String is everything so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Len is how many bytes there are.
func (b *Buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Len()
}

// Line waits for a whole line after the first skip bytes that match takes, and gives
// true; false when done closed or ctx ended and there is none.
func (b *Buffer) Line(ctx context.Context, done <-chan struct{}, skip int, match func(line string) bool) bool {
	for last := false; ; {
		b.mu.Lock()
		text, grown := b.b.String(), b.grown
		b.mu.Unlock()
		text = text[skip:]
		for {
			line, rest, whole := strings.Cut(text, "\n")
			if !whole {
				break
			}
			if match(line) {
				return true
			}
			skip += len(line) + 1
			text = rest
		}
		if last {
			return false
		}
		select {
		case <-grown:
		case <-done:
			last = true
		case <-ctx.Done():
			last = true
		}
	}
}

// Process is one run of the binary.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // it has ended
}

// environ is the test's environment without what would configure the program.
func environ(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VITAE_") {
			env = append(env, kv)
		}
	}
	return append(env, more...)
}

// start runs a program. The process is killed at the end of the test if it still runs.
func start(t testing.TB, program string, args, env []string, out, err io.Writer) *Process {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = environ(env...)
	cmd.Stdout, cmd.Stderr = out, err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: cmd, done: make(chan struct{})}
	go func() {
		// The exit code is asked for where it matters; that it is not 0 is no fault here.
		_ = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.Kill9)
	return p
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill9 ends the process as a power loss would, and waits until it is gone.
func (p *Process) Kill9() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill: %v", err)
	}
	<-p.done
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// Wait waits for the end of the process and gives its exit code, -1 when a signal ended it.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.Kill9()
		p.t.Fatalf("the process did not end within %v", Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Result is what came of one command.
type Result struct {
	Code     int
	Out, Err string
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d\nstdout: %s\nstderr: %s", r.Code, r.Out, r.Err)
}

// Command runs the binary to its end with an environment of its own.
func Command(t testing.TB, env []string, stdin string, args ...string) Result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = environ(env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("vitae %s: %v", strings.Join(args, " "), err)
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Out: out.String(), Err: errs.String()}
}
