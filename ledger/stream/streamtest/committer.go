package streamtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// fixture is one ledger with a committer on it.
type fixture struct {
	ledger *stream.Ledger
	sealer *Sealer
	c      *stream.Committer
}

func start(t *testing.T, b stream.Blocks, sealer *Sealer) *fixture {
	t.Helper()
	f := &fixture{ledger: stream.OpenLedger(b, "test"), sealer: sealer}
	var err error
	f.c, err = stream.NewCommitter(within(t), f.ledger, stream.CommitterConfig{Sealer: sealer, States: f.ledger, Idems: Idems{f.ledger}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.c.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) submit(ctx context.Context, id ledger.ProfileID, cmd ledger.Command) (ledger.Reply, error) {
	return f.c.Submit(ctx, ledger.Request{Profile: id, Meta: ledger.Meta{Actor: "admin", Via: "native"}, Command: cmd})
}

// check reads the whole ledger: no gap, every chain whole; it returns the commits by id
// and the folded, opened states.
func (f *fixture) check(t *testing.T) (map[ledger.CommitID]ledger.Seq, map[ledger.ProfileID]*ledger.Profile) {
	t.Helper()
	commits, states := map[ledger.CommitID]ledger.Seq{}, map[ledger.ProfileID]*ledger.Profile{}
	next := ledger.Seq(1)
	var last time.Time
	for b, err := range f.ledger.Read(within(t), 1) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Commits {
			if r.Seq != next {
				t.Fatalf("sequence %d, want %d", r.Seq, next)
			}
			next++
			if r.Commit.Time.Before(last) {
				t.Fatalf("sequence %d: time goes back", r.Seq)
			}
			last = r.Commit.Time
			if _, twice := commits[r.Commit.ID]; twice {
				t.Fatalf("commit %s is there twice", r.Commit.ID)
			}
			commits[r.Commit.ID] = r.Seq
			p := states[r.Commit.Profile]
			if p == nil {
				p = ledger.NewProfile(r.Commit.Profile)
				states[p.ID] = p
			}
			if err := p.Check(r.Seq, r.Commit); err != nil {
				t.Fatal(err)
			}
			p.Apply(r.Seq, r.Hash, r.Commit)
		}
	}
	for _, p := range states {
		if err := p.OpenAll(f.sealer); err != nil {
			t.Fatal(err)
		}
	}
	return commits, states
}

func newProfile() ledger.ProfileID { return ledger.NewProfileID(time.Now()) }

// Committer runs the suite that a committer passes on every stream.Blocks. open gives an
// empty stream; what it gives may be wrapped and opened by several committers.
func Committer(t *testing.T, open func(t *testing.T) stream.Blocks) {
	t.Run("one commit", func(t *testing.T) {
		ctx, f := within(t), start(t, open(t), NewSealer())
		id := newProfile()
		r, err := f.submit(ctx, id, Set{"firstName", "Jane"})
		if err != nil || r.Seq != 1 || !r.Changed || fmt.Sprint(r.Fields) != "[firstName]" {
			t.Fatalf("%+v, %v", r, err)
		}
		if r, err = f.submit(ctx, id, Set{"firstName", "Jane"}); err != nil || r.Changed || r.Seq != 1 {
			t.Fatalf("the same again: %+v, %v", r, err)
		}
		var refusal *ledger.Refusal
		if _, err = f.submit(ctx, id, Refuse{}); !errors.As(err, &refusal) {
			t.Fatalf("a refused command: %v", err)
		}
		seq := ledger.Seq(0)
		_, err = f.c.Submit(ctx, ledger.Request{Profile: id, IfSeq: &seq, Command: Set{"firstName", "Joan"}})
		if !errors.Is(err, ledger.ErrPrecondition) {
			t.Fatalf("a stale If-Match: %v", err)
		}
		r, err = f.c.Submit(ctx, ledger.Request{Profile: id, DryRun: true, Command: Set{"firstName", "Joan"}})
		if err != nil || !r.Changed || r.Seq != 1 {
			t.Fatalf("a dry run: %+v, %v", r, err)
		}
		commits, states := f.check(t)
		if len(commits) != 1 || string(states[id].Shared["firstName"].Value) != `"Jane"` {
			t.Fatalf("%d commits, %s", len(commits), states[id].Shared["firstName"].Value)
		}
	})

	t.Run("many writers: every acknowledged commit is there once", func(t *testing.T) {
		f := start(t, open(t), NewSealer())
		acked := storm(t, f, 16, 40, 10)
		commits, _ := f.check(t)
		if len(commits) != len(acked) {
			t.Fatalf("%d acknowledged, %d in the ledger", len(acked), len(commits))
		}
		for id, seq := range acked {
			if commits[id] != seq {
				t.Fatalf("commit %s: acknowledged at %d, stands at %d", id, seq, commits[id])
			}
		}
		if s := f.c.Stats(); s.Blocks == 0 || s.Commits != uint64(len(acked)) {
			t.Fatalf("stats: %+v", s)
		}
	})

	t.Run("two committers never both decide from one state", func(t *testing.T) {
		b, sealer := open(t), NewSealer()
		f, g := start(t, b, sealer), start(t, b, sealer)
		id := newProfile()
		var wg sync.WaitGroup
		for i, c := range []*fixture{f, g} {
			wg.Go(func() {
				for n := range 20 {
					if _, err := c.submit(within(t), id, Set{"headline", fmt.Sprintf("%d-%d", i, n)}); err != nil && !errors.Is(err, ledger.ErrConflict) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		f.check(t)
		if f.c.Stats().Conflicts+g.c.Stats().Conflicts == 0 {
			t.Fatal("two writers and no conflict: the test shows nothing")
		}
	})

	t.Run("lost acknowledgements, both ways", func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		faulty := &Faulty{Blocks: open(t), OnAppend: func(int) Fate {
			switch rng.IntN(4) {
			case 0:
				return Fate{Store: true, Err: ledger.ErrUnknown} // stored but reported failed
			case 1:
				return Fate{Err: ledger.ErrUnknown} // neither
			}
			return Fate{Store: true}
		}}
		f := start(t, faulty, NewSealer())
		acked := storm(t, f, 8, 10, 4)
		commits, _ := f.check(t)
		if len(commits) != len(acked) {
			t.Fatalf("%d acknowledged, %d in the ledger", len(acked), len(commits))
		}
	})

	t.Run("an append refused for capacity answers and goes on", func(t *testing.T) {
		faulty := &Faulty{Blocks: open(t), OnAppend: func(n int) Fate {
			if n == 1 {
				return Fate{Err: ledger.ErrCapacity}
			}
			return Fate{Store: true}
		}}
		ctx, f := within(t), start(t, faulty, NewSealer())
		id := newProfile()
		if _, err := f.submit(ctx, id, Set{"firstName", "a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.submit(ctx, id, Set{"firstName", "b"}); !errors.Is(err, ledger.ErrCapacity) {
			t.Fatalf("a full store: %v", err)
		}
		if r, err := f.submit(ctx, id, Set{"firstName", "a"}); err != nil || r.Changed {
			t.Fatalf("what was refused must not be seen: %+v, %v", r, err)
		}
		if r, err := f.submit(ctx, id, Set{"firstName", "c"}); err != nil || r.Seq != 2 {
			t.Fatalf("after it: %+v, %v", r, err)
		}
		f.check(t)
	})

	t.Run("an idempotency key has one effect", func(t *testing.T) { idempotency(t, open(t)) })

	t.Run("a new committer goes on behind the old one", func(t *testing.T) {
		b, sealer, id := open(t), NewSealer(), newProfile()
		for i := range 5 {
			f := start(t, b, sealer)
			r, err := f.submit(within(t), id, Set{"headline", fmt.Sprint(i)})
			if err != nil || r.Seq != ledger.Seq(i+1) {
				t.Fatalf("generation %d: %+v, %v", i, r, err)
			}
		}
		start(t, b, sealer).check(t)
	})

	t.Run("as of every sequence and time", func(t *testing.T) { asOf(t, open(t)) })
}

// storm has writers edit random profiles at once and returns what was acknowledged.
func storm(t *testing.T, f *fixture, writers, each, profiles int) map[ledger.CommitID]ledger.Seq {
	t.Helper()
	ids := make([]ledger.ProfileID, profiles)
	for i := range ids {
		ids[i] = newProfile()
	}
	ctx := within(t)
	var mu sync.Mutex
	acked := map[ledger.CommitID]ledger.Seq{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				r, err := f.submit(ctx, ids[(w+n)%profiles], Set{fmt.Sprintf("field%d", n%3), fmt.Sprintf("%d.%d", w, n)})
				if err != nil || !r.Changed {
					t.Errorf("writer %d: %+v, %v", w, r, err)
					return
				}
				mu.Lock()
				acked[r.Commit] = r.Seq
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked
}

func idempotency(t *testing.T, b stream.Blocks) {
	hold, arrived := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	faulty := &Faulty{Blocks: b, OnAppend: func(n int) Fate {
		if n == 1 {
			close(arrived)
			<-hold
		}
		return Fate{Store: true}
	}}
	ctx, f := within(t), start(t, faulty, NewSealer())
	id := newProfile()
	request := func(key, body byte, text string) ledger.Request {
		return ledger.Request{Profile: id, Idem: &ledger.Idem{Key: [16]byte{key}, Body: [16]byte{body}}, Command: Set{"firstName", text}}
	}
	first, err := f.c.Submit(ctx, request(1, 1, "a"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.c.Submit(ctx, request(1, 1, "a"))
	if err != nil || !again.Replayed || again.Commit != first.Commit || again.Seq != first.Seq {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if _, err := f.c.Submit(ctx, request(1, 2, "b")); !errors.Is(err, ledger.ErrIdemMismatch) {
		t.Fatalf("another body: %v", err)
	}
	// The caller gives up while the append hangs: its key stays taken, and then replays.
	short, cancel := context.WithCancel(ctx)
	gone := make(chan error, 1)
	go func() {
		_, err := f.c.Submit(short, request(2, 1, "c"))
		gone <- err
	}()
	<-arrived
	if _, err := f.c.Submit(ctx, request(2, 1, "c")); !errors.Is(err, ledger.ErrIdemBusy) {
		t.Fatalf("while the first is in flight: %v", err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, ledger.ErrUnknown) {
		t.Fatalf("who gives up is told: %v", err)
	}
	if _, err := f.c.Submit(ctx, request(2, 1, "c")); !errors.Is(err, ledger.ErrIdemBusy) {
		t.Fatalf("after the caller went: %v", err)
	}
	release()
	for {
		r, err := f.c.Submit(ctx, request(2, 1, "c"))
		if errors.Is(err, ledger.ErrIdemBusy) {
			continue
		}
		if err != nil || !r.Replayed || r.Seq != 2 {
			t.Fatalf("when it is stored: %+v, %v", r, err)
		}
		break
	}
	if commits, _ := f.check(t); len(commits) != 2 {
		t.Fatalf("%d commits for two keys", len(commits))
	}
}

func asOf(t *testing.T, b stream.Blocks) {
	ctx, f := within(t), start(t, b, NewSealer())
	id, other := newProfile(), newProfile()
	var replies []ledger.Reply
	for i := range 12 {
		if i%3 == 2 {
			if _, err := f.submit(ctx, other, Set{"headline", fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := f.submit(ctx, id, Set{"headline", fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, r)
	}
	for i, r := range replies {
		p, err := f.ledger.StateAt(ctx, id, r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.OpenAll(f.sealer); err != nil {
			t.Fatal(err)
		}
		if got := string(p.Shared["headline"].Value); p.Seq != r.Seq || got != fmt.Sprintf("%q", fmt.Sprint(i)) {
			t.Fatalf("as of %d: sequence %d, %s", r.Seq, p.Seq, got)
		}
		if p, err = f.ledger.StateAtTime(ctx, id, r.Time); err != nil || p.Seq < r.Seq || p.UpdatedAt.After(r.Time) {
			t.Fatalf("as of the time of %d: %+v, %v", r.Seq, p, err)
		}
	}
	if _, err := f.ledger.StateAt(ctx, id, 0); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("before creation: %v", err)
	}
	for from := ledger.Seq(1); from <= f.c.Head()+1; from++ {
		want := from
		for b, err := range f.ledger.Read(ctx, from) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range b.Commits {
				if r.Seq != want {
					t.Fatalf("from %d: sequence %d, want %d", from, r.Seq, want)
				}
				want++
			}
		}
		if want != f.c.Head()+1 {
			t.Fatalf("from %d: ended before %d", from, want)
		}
	}
	for _, err := range f.ledger.Read(ctx, f.c.Head()+2) {
		if !errors.Is(err, stream.ErrBeyondHead) {
			t.Fatalf("beyond the head: %v", err)
		}
	}
}
