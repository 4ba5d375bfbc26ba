package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitae/cmd/vitae/internal/api"
	"vitae/ledger"
	"vitae/sinks"
)

// portal stands for the connection and the portal behind it.
type portal struct {
	mu     sync.Mutex
	since  ledger.Seq
	may    bool
	gone   error
	secret error
	out    sinks.Outcome
	calls  int
}

// now changes it.
func (s *portal) now(f func(s *portal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// passing is passwords in front of a portal, in a bubble.
func passing(t *testing.T) (*passwords, *portal, *strings.Builder, func()) {
	s, logged := &portal{since: 7, may: true, out: sinks.Outcome{Verdict: sinks.Applied}}, &strings.Builder{}
	run, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	p := &passwords{log: slog.New(slog.NewTextHandler(logged, nil)), run: run, running: &running, known: map[ledger.ProfileID]api.PasswordChange{}, ends: map[ledger.ProfileID]context.CancelFunc{},
		connection: func(context.Context, ledger.ProfileID) (ledger.Seq, bool, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.since, s.may, s.gone
		},
		change: func(context.Context, ledger.ProfileID, string, string) (sinks.Outcome, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.secret != nil {
				return sinks.Outcome{}, s.secret
			}
			s.calls++
			return s.out, nil
		}}
	return p, s, logged, func() { stop(); running.Wait() }
}

// TestHowAPasswordEnds: each end is told, once it is there, and never with a word of it.
func TestHowAPasswordEnds(t *testing.T) {
	paused := func(s *portal) { s.may = false }
	for name, c := range map[string]struct {
		before, meanwhile func(s *portal)
		state             string
		calls             int
		took              time.Duration
	}{
		"changed":                  {state: api.PasswordChanged, calls: 1},
		"refused":                  {before: func(s *portal) { s.out = sinks.Outcome{Verdict: sinks.Refused} }, state: api.PasswordRefused, calls: 1},
		"not known":                {before: func(s *portal) { s.out = sinks.Outcome{Verdict: sinks.Unknown} }, state: api.PasswordUnknown, calls: 1},
		"paused to the end":        {before: paused, state: api.PasswordExpired, took: passwordAge},
		"paused for a while":       {before: paused, meanwhile: func(s *portal) { s.may = true }, state: api.PasswordChanged, calls: 1, took: time.Minute},
		"disconnected":             {before: paused, meanwhile: func(s *portal) { s.gone = ledger.ErrNotFound }, state: api.PasswordStopped, took: time.Minute},
		"erased":                   {before: paused, meanwhile: func(s *portal) { s.gone = ledger.ErrErased }, state: api.PasswordStopped, took: time.Minute},
		"connected anew":           {before: paused, meanwhile: func(s *portal) { s.may, s.since = true, 8 }, state: api.PasswordStopped, took: time.Minute},
		"no credential any more":   {before: func(s *portal) { s.secret = ledger.ErrNotFound }, state: api.PasswordStopped},
		"the vault does not serve": {before: func(s *portal) { s.secret = ledger.ErrUnavailable }, meanwhile: func(s *portal) { s.secret = nil }, state: api.PasswordChanged, calls: 1, took: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, logged, stop := passing(t)
				defer stop()
				id := ledger.NewProfileID(time.Now())
				if c.before != nil {
					c.before(s)
				}
				send, drop, err := p.Take(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				send("S3CRET-old", "S3CRET-new")
				drop()
				synctest.Wait()
				if c.meanwhile != nil {
					time.Sleep(time.Minute)
					if now, _ := p.State(id); now.State != api.PasswordPending {
						t.Errorf("%+v", now)
					}
					s.now(c.meanwhile)
				}
				time.Sleep(passwordAge)
				synctest.Wait()
				now, ok := p.State(id)
				if took := now.Since.Sub(time.Unix(946684800, 0)); !ok || now.State != c.state || s.calls != c.calls || took < c.took || took > c.took+passwordPause {
					t.Errorf("%+v after %v and %d calls", now, took, s.calls)
				}
				if strings.Contains(logged.String()+now.Reason, "S3CRET") || !strings.Contains(logged.String(), "end="+c.state) {
					t.Errorf("%s", logged)
				}
			})
		})
	}
}

// TestOnePasswordAtATime: a second change of the profile is refused until the first has
// ended; one that was dropped leaves no trace.
func TestOnePasswordAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, _, stop := passing(t)
		defer stop()
		id, other := ledger.NewProfileID(time.Now()), ledger.NewProfileID(time.Now())
		take := func(id ledger.ProfileID, want error) (send func(before, after string), drop func()) {
			t.Helper()
			send, drop, err := p.Take(t.Context(), id)
			if !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
			return send, drop
		}
		_, drop := take(id, nil)
		take(id, api.ErrPasswordPending)
		drop()
		if now, ok := p.State(id); ok {
			t.Errorf("%+v", now)
		}
		s.may = false
		send, _ := take(id, nil)
		send("a", "b")
		synctest.Wait()
		take(id, api.ErrPasswordPending)
		send, _ = take(other, nil)
		send("a", "b")
		s.now(func(s *portal) { s.may = true })
		time.Sleep(passwordPause)
		synctest.Wait()
		_, drop = take(id, nil)
		drop()
		if now, _ := p.State(id); now.State != api.PasswordChanged || s.calls != 2 {
			t.Errorf("%+v after %d calls", now, s.calls)
		}
		time.Sleep(passwordTold + time.Second)
		take(other, nil)
		if now, ok := p.State(id); ok {
			t.Errorf("%+v is still told", now)
		}
		s.now(func(s *portal) { s.gone = ledger.ErrNotFound })
		take(id, ledger.ErrNotFound)
	})
}

// TestAPasswordOfAnErasedProfile is forgotten at once, and so is that there was one.
func TestAPasswordOfAnErasedProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, _, stop := passing(t)
		defer stop()
		s.now(func(s *portal) { s.may = false })
		id := ledger.NewProfileID(time.Now())
		send, _, err := p.Take(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		send("a", "b")
		synctest.Wait()
		p.drop(id)
		synctest.Wait()
		s.now(func(s *portal) { s.may = true })
		time.Sleep(passwordAge)
		synctest.Wait()
		if now, ok := p.State(id); ok || s.calls > 0 || len(p.ends) > 0 {
			t.Errorf("%+v after %d calls, %d held", now, s.calls, len(p.ends))
		}
		(*passwords)(nil).drop(id)
	})
}
