package journal

import (
	"bytes"
	"context"
	"iter"
	"os"
	"testing"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

func TestForget(t *testing.T) {
	l, file := newLanes(t), path(t)
	gone := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "experiences/item-of-the-erased"}
	stays := sinks.Key{Sink: "mokaru", Profile: somebody(2), Entity: "profile"}
	l.deliver(gone, 2)
	l.deliver(stays, 3)
	l.deliver(gone, 4)
	j := open(t, file, l).run().wait(l.last)
	for range 2 {
		if err := j.Forget(t.Context(), gone.Profile); err != nil {
			t.Fatal(err)
		}
		j.want(Filter{}, "3 profile wish", "3 profile claim", "4 profile succeed")
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("item-of-the-erased")) {
			t.Errorf("the file%s still holds a row", suffix)
		}
	}
	// A call that was under way ends after the erasure.
	l.deliver(gone, 5)
	j.wait(l.last).want(Filter{}, "3 profile wish", "3 profile claim", "4 profile succeed")
	j.close()
	open(t, file, l).run().wait(l.last).want(Filter{Profile: gone.Profile})
}

// erasures is a ledger of which the journal needs no more than this.
type erasures struct {
	lineage string
	commits []*ledger.Commit
	asked   ledger.Seq
	done    context.CancelFunc
}

func (e *erasures) Lineage() string { return e.lineage }

// Follow gives every commit in a block of its own, and ends the test's context behind them.
func (e *erasures) Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error] {
	e.asked = from
	return func(yield func(stream.Located, error) bool) {
		for i := int(from) - 1; i < len(e.commits); i++ {
			b := &ledger.Block{Commits: []ledger.Record{{Seq: ledger.Seq(i + 1), Commit: e.commits[i]}}}
			if !yield(stream.Located{Block: b}, nil) {
				return
			}
		}
		e.done()
		yield(stream.Located{}, ctx.Err())
	}
}

func (e *erasures) add(op ledger.Op, p ledger.ProfileID) {
	e.commits = append(e.commits, &ledger.Commit{Profile: p, Events: []ledger.Event{{Op: op}}})
}

func TestFollowErasures(t *testing.T) {
	l, file := newLanes(t), path(t)
	for p := byte(1); p <= 3; p++ {
		l.deliver(sinks.Key{Sink: "mokaru", Profile: somebody(p), Entity: "profile"}, 2)
	}
	j := open(t, file, l).run().wait(l.last)
	led := &erasures{lineage: "ledger-a"}
	follow := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		led.done = cancel
		if err := j.FollowErasures(ctx, led); err != nil {
			t.Fatal(err)
		}
	}
	led.add(ledger.OpSet, somebody(1))
	led.add(ledger.OpErased, somebody(1))
	led.add(ledger.OpSet, somebody(2))
	follow()
	if got := j.all(Filter{}); len(got) != 6 {
		t.Errorf("got %q", got)
	}
	// It goes on where it was, also after a restart.
	j.close()
	j = open(t, file, l).run()
	led.add(ledger.OpErased, somebody(2))
	follow()
	if led.asked != 4 {
		t.Errorf("asked from %d", led.asked)
	}
	if got := j.all(Filter{}); len(got) != 3 {
		t.Errorf("got %q", got)
	}
	// The ledger is another one: everything is looked at.
	led.lineage = "ledger-b"
	follow()
	if led.asked != 1 {
		t.Errorf("asked from %d", led.asked)
	}
	// A journal that was lost takes in what the stream has, and forgets it all the same.
	j = open(t, path(t), l).run().wait(l.last)
	follow()
	if got := j.all(Filter{}); len(got) != 3 {
		t.Errorf("got %q", got)
	}
}
