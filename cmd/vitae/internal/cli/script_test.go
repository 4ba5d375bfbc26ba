package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/fsck"
)

// TestMain lets the scripts run this very test program as "vitae".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vitae": func() {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt)
		os.Exit(Main(context.Background(), os.Args[1:], World{
			In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Signals: signals, Parts: standIns(),
		}))
	}})
}

// standIns are parts that say what they were asked to do.
func standIns() Parts {
	return Parts{
		Serve: func(_ context.Context, cfg config.Config, log *slog.Logger) error {
			log.Info("serve", "listen", cfg.Listen, "data", cfg.Data, "sandbox", cfg.Sandbox)
			return nil
		},
		Sandbox: func(_ context.Context, listen string, _, _ int, _ *slog.Logger, ready func(map[string]string)) error {
			ready(map[string]string{"mokaru": "http://" + listen + "/mokaru", "jarvi": "http://" + listen + "/jarvi"})
			return nil
		},
		Bench: func(_ context.Context, b Bench, out io.Writer) error {
			_, err := fmt.Fprintln(out, b.Seconds, b.JSON)
			return err
		},
		Fsck: func(_ context.Context, cfg config.Config, _ bool, _ *slog.Logger, progress func(done, total uint64)) (fsck.Report, error) {
			progress(1, 1)
			f := fsck.Report{Head: 3, Commits: 3, Events: 5, Profiles: 1, Findings: []fsck.Finding{}}
			if strings.HasSuffix(cfg.Data, "broken") {
				f.Findings = append(f.Findings, fsck.Finding{Invariant: "L5", Seq: 2, Profile: "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", Why: "prev does not match", Do: "restore"})
			}
			return f, nil
		},
	}
}

// fake is a server that gives the answers a script has laid ready, and keeps what it got.
type fake struct {
	mu      sync.Mutex
	answers map[string][]answer // by "METHOD /path"; the last one stays until there is another
	got     []string
}

type answer struct {
	status int
	body   string
	given  bool
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Method + " " + r.URL.String()
	for _, h := range []string{"Authorization", "X-Vitae-Profile", "X-Vitae-Reason", "If-Match"} {
		if v := r.Header.Get(h); v != "" {
			line += " [" + h + ": " + v + "]"
		}
	}
	if needsKey := r.Method == "POST" || r.Method == "PATCH"; needsKey != (r.Header.Get("Idempotency-Key") != "") {
		line += " [Idempotency-Key is wrong]"
	}
	f.got = append(f.got, strings.TrimSpace(line+" "+string(body)))
	route := r.Method + " " + r.URL.Path
	list := f.answers[route]
	if len(list) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(list) > 1 && list[0].given {
		list = list[1:]
		f.answers[route] = list
	}
	list[0].given = true
	w.Header().Set("X-Request-Id", "R1")
	w.WriteHeader(list[0].status)
	// The client sees a short answer if this fails.
	_, _ = io.WriteString(w, list[0].body)
}

func TestScripts(t *testing.T) {
	type fakeKey struct{}
	server := func(ts *testscript.TestScript) *fake { return ts.Value(fakeKey{}).(*fake) }
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			f := &fake{answers: map[string][]answer{}}
			s := httptest.NewServer(f)
			e.Defer(s.Close)
			e.Values[fakeKey{}] = f
			e.Setenv("VITAE_SERVER", s.URL)
			e.Setenv("VITAE_KEY", "secret-key")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// answer METHOD PATH STATUS [BODY|@FILE]: what the server will say
			"answer": func(ts *testscript.TestScript, _ bool, args []string) {
				status, err := strconv.Atoi(args[2])
				ts.Check(err)
				body := ""
				if len(args) > 3 {
					body = args[3]
				}
				if file, ok := strings.CutPrefix(body, "@"); ok {
					body = ts.ReadFile(file)
				}
				f := server(ts)
				f.mu.Lock()
				defer f.mu.Unlock()
				f.answers[args[0]+" "+args[1]] = append(f.answers[args[0]+" "+args[1]], answer{status: status, body: body})
			},
			// got FILE: writes the requests since the last time
			"got": func(ts *testscript.TestScript, _ bool, args []string) {
				f := server(ts)
				f.mu.Lock()
				defer f.mu.Unlock()
				text := ""
				for _, line := range f.got {
					text += line + "\n"
				}
				f.got = nil
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			// exits CODE COMMAND...
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				err = ts.Exec(args[1], args[2:]...)
				code := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					code = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if code != want {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
		},
	})
}
