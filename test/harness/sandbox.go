package harness

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// Sandbox is the stand-in providers in a process of their own, so that they outlive the
// servers that a test kills.
type Sandbox struct {
	*Process
	// URLs are the base URLs by provider.
	URLs map[string]string
	Logs *Buffer
	Out  *Buffer
}

// URL is the base URL of a provider.
func (s *Sandbox) URL(provider string) string {
	return strings.TrimSuffix(s.URLs["mokaru"], "mokaru") + provider
}

// StartSandbox starts the stand-in providers and waits until they have printed the base
// URL of Mokaru, the first. args are more flags.
func StartSandbox(t testing.TB, args ...string) *Sandbox {
	t.Helper()
	s := &Sandbox{URLs: map[string]string{}, Logs: NewBuffer(), Out: NewBuffer()}
	s.Process = start(t, Binary(t), append([]string{"sandbox", "--listen", "127.0.0.1:0", "-o", "jsonl", "--log-format", "json", "--log-level", "debug"}, args...), nil, s.Out, s.Logs)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	ok := s.Out.Line(ctx, s.Done(), 0, func(line string) bool {
		var l struct{ Provider, BaseURL string }
		if json.Unmarshal([]byte(line), &l) != nil || l.BaseURL == "" {
			return false
		}
		s.URLs[l.Provider] = l.BaseURL
		return l.Provider == "mokaru"
	})
	if !ok {
		t.Fatalf("the sandbox does not say where it is\n%s\n%s", s.Out, s.Logs)
	}
	return s
}
