package journal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

func TestFollow(t *testing.T) {
	l := newLanes(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	id := l.deliver(k, 2)
	j := open(t, path(t), l).run().wait(2)
	j.want(Filter{}, "1 profile wish", "1 profile claim", "2 profile succeed")

	// What comes while it follows, blocks without a transition among it.
	l.compact()
	second := sinks.NewID(l.now)
	l.append(l.step(k, sinks.Input{Event: sinks.Wish, Seq: 5}), l.step(k, sinks.Input{Event: sinks.Claim, Seq: 5, Attempt: second, Hash: 5, Step: "send"}))
	l.append(l.step(k, sinks.Input{Event: sinks.Refuse, Fault: &sinks.Fault{HTTP: 422, Type: "invalid", Message: "it was refused", Sent: sinks.SentYes},
		Park: &sinks.Park{ID: sinks.NewID(l.now), Reason: "refused", Code: sinks.ParkRefused}}))
	l.append(l.step(k, sinks.Input{Event: sinks.DecideSkip, Decision: &sinks.Decision{Actor: "admin", Seq: 6}}))
	j.wait(l.last)
	rows, next, err := j.Query(t.Context(), Filter{Profile: k.Profile})
	if err != nil || next != "" || len(rows) != 7 {
		t.Fatalf("%d rows, next %q, %v", len(rows), next, err)
	}
	for i, want := range map[int]string{
		0: `{"pos":1,"at":"2026-05-03T10:14:01.000Z","sink":"mokaru","profile":"` + k.Profile.String() + `","entity":"profile","class":"A","event":"wish","from":"IDLE","to":"IDLE","fromSeq":0,"toSeq":0,"epoch":0,"verb":""}`,
		1: `{"pos":1,"at":"2026-05-03T10:14:02.000Z","sink":"mokaru","profile":"` + k.Profile.String() + `","entity":"profile","class":"A","event":"claim","from":"IDLE","to":"INFLIGHT","fromSeq":1,"toSeq":2,"attempt":"` + id.String() + `","epoch":1,"verb":"set","sent":"unknown"}`,
		2: `{"pos":2,"at":"2026-05-03T10:14:03.000Z","sink":"mokaru","profile":"` + k.Profile.String() + `","entity":"profile","class":"A","event":"succeed","from":"INFLIGHT","to":"IDLE","end":"applied","fromSeq":1,"toSeq":2,"attempt":"` + id.String() + `","epoch":1,"verb":"set","sent":"yes","verify":"provider_said"}`,
		5: `{"pos":5,"at":"2026-05-03T10:14:06.000Z","sink":"mokaru","profile":"` + k.Profile.String() + `","entity":"profile","class":"A","event":"refuse","from":"INFLIGHT","to":"PARKED","end":"parked","fromSeq":3,"toSeq":5,"attempt":"` + second.String() + `","epoch":2,"verb":"set","step":"send","sent":"yes","http":422,"type":"invalid","message":"it was refused","verify":"provider_said"}`,
		6: `{"pos":6,"at":"2026-05-03T10:14:07.000Z","sink":"mokaru","profile":"` + k.Profile.String() + `","entity":"profile","class":"A","event":"decide_skip","from":"PARKED","to":"IDLE","end":"skipped","fromSeq":3,"toSeq":5,"attempt":"` + second.String() + `","epoch":2,"verb":"set","step":"send","decision":{"actor":"admin","seq":6}}`,
	} {
		if got, err := json.Marshal(rows[i]); err != nil || string(got) != want {
			t.Errorf("row %d: %v\ngot  %s\nwant %s", i, err, got, want)
		}
	}
}

func TestRestart(t *testing.T) {
	l, file := newLanes(t), path(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	l.deliver(k, 2)
	first := open(t, file, l).run().wait(2)
	if err := first.Run(t.Context()); err == nil {
		t.Error("a second Run at the same time")
	}
	first.close()
	l.deliver(k, 3)
	j := open(t, file, l)
	if j.Position() != 2 {
		t.Fatalf("position %d", j.Position())
	}
	j.run().wait(4).want(Filter{}, "1 profile wish", "1 profile claim", "2 profile succeed", "3 profile wish", "3 profile claim", "4 profile succeed")
	j.close()
	if _, _, err := j.Query(t.Context(), Filter{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed journal: %v", err)
	}
	if err := j.WaitFor(t.Context(), 5); !errors.Is(err, ErrClosed) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a closed journal: %v", err)
	}
	if err := j.Forget(t.Context(), k.Profile); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed journal: %v", err)
	}
}

// TestKilledBetweenRowsAndPosition ends a transaction where a process may die: the rows
// are not there without the position, nor the position without the rows.
func TestKilledBetweenRowsAndPosition(t *testing.T) {
	l, file := newLanes(t), path(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	l.deliver(k, 2)
	j := open(t, file, l)
	next := j.file.pos
	next.pos = 1
	err := j.file.moveTo(&next, func(ctx context.Context) error {
		if err := j.file.row(ctx, place{0, 1, 1}, &Row{Profile: k.Profile, Entity: "half"}); err != nil {
			t.Fatal(err)
		}
		return errDisk
	})
	if !errors.Is(err, errDisk) || j.file.pos.pos != 0 {
		t.Fatalf("position %d, %v", j.file.pos.pos, err)
	}
	// The process ends inside the transaction: its connection goes without a word.
	if _, err := j.file.conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := j.file.row(t.Context(), place{0, 1, 1}, &Row{Profile: k.Profile, Entity: "half"}); err != nil {
		t.Fatal(err)
	}
	j.close()
	open(t, file, l).run().wait(2).want(Filter{}, "1 profile wish", "1 profile claim", "2 profile succeed")
}

func TestAnotherWriterIsFenced(t *testing.T) {
	l, file := newLanes(t), path(t)
	l.deliver(sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}, 2)
	a, b := open(t, file, l), open(t, file, l)
	one := []taken{{pos: 1, rows: []Row{{Profile: somebody(1), Entity: "x"}}}}
	if err := a.take(one); err != nil {
		t.Fatal(err)
	}
	// The second one finds the row there, and takes the position from the file.
	if err := b.take(one); err == nil || b.Position() != 1 {
		t.Fatalf("position %d, %v", b.Position(), err)
	}
	if err := b.take([]taken{{pos: 1}, {pos: 2}}); err != nil {
		t.Fatal(err)
	}
	if err := a.take([]taken{{pos: 2}}); !errors.Is(err, errFenced) {
		t.Fatalf("%v", err)
	}
}

func TestTrimmedAfterTheJournalHasIt(t *testing.T) {
	l, file := newLanes(t), path(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	l.deliver(k, 2)
	j := open(t, file, l).run()
	before := l.compact()
	j.wait(before) // as the owner of the lanes does
	l.trim(before + 1)
	l.deliver(k, 3)
	want := []string{"1 profile wish", "1 profile claim", "2 profile succeed", "4 profile wish", "4 profile claim", "5 profile succeed"}
	j.wait(5).want(Filter{}, want...)
	j.close()
	open(t, file, l).run().wait(5).want(Filter{}, want...)
}

func TestGapWhenTrimmedWhileAway(t *testing.T) {
	l, file := newLanes(t), path(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	l.deliver(k, 2)
	open(t, file, l).run().wait(2).close()
	l.deliver(k, 3) // 3, 4
	l.trim(l.compact() + 1)
	l.deliver(k, 4) // 6, 7
	j := open(t, file, l).run().wait(7)
	want := []string{"1 profile wish", "1 profile claim", "2 profile succeed", "gap 3-4 trimmed", "6 profile wish", "6 profile claim", "7 profile succeed"}
	j.want(Filter{}, want...)
	j.want(Filter{Limit: 1}, want...)
	j.want(Filter{Profile: k.Profile, Entity: "profile"}, want...)
	// Nobody can say that what is asked for did not happen in there.
	j.want(Filter{Profile: somebody(2)}, "gap 3-4 trimmed")
	rows, _, err := j.Query(t.Context(), Filter{Profile: somebody(2)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !strings.HasPrefix(s, `{"pos":3,"at":"`) || !strings.HasSuffix(s, `Z","event":"gap","gap":{"from":3,"to":4,"why":"trimmed"}}`) {
		t.Errorf("a gap is %s", s)
	}
}

func TestLostFileBeginsWithAGap(t *testing.T) {
	l := newLanes(t)
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	l.deliver(k, 2)
	l.trim(l.compact() + 1)
	l.deliver(k, 3)
	a, b := open(t, path(t), l).run().wait(l.last), open(t, path(t), l).run().wait(l.last)
	want := []string{"gap 1-2 trimmed", "4 profile wish", "4 profile claim", "5 profile succeed"}
	a.want(Filter{}, want...)
	// Cursors mean the same in the file of another instance.
	_, next, err := a.Query(t.Context(), Filter{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	b.want(Filter{After: next}, want[2:]...)
}

func TestStreamIsNotTheOneBefore(t *testing.T) {
	k := sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}
	had := []string{"1 profile wish", "1 profile claim", "2 profile succeed"}
	for name, c := range map[string]struct {
		change func(t *testing.T, l *lanes) *lanes
		want   []string
	}{
		"replaced": {func(t *testing.T, _ *lanes) *lanes {
			n := newLanes(t)
			n.lineage = "lanes-b"
			n.deliver(k, 2)
			return n
		}, []string{"gap 0-0 replaced", "1 profile wish", "1 profile claim", "2 profile succeed"}},
		"restored": {func(t *testing.T, l *lanes) *lanes {
			n := newLanes(t)
			e, err := l.Get(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if n.last, err = n.Append(t.Context(), e.Payload, 0); err != nil {
				t.Fatal(err)
			}
			return n
		}, []string{"gap 2-2 restored"}},
		// The copy is from before the first block: what comes next begins at 1 again.
		"emptied": {func(t *testing.T, _ *lanes) *lanes { return newLanes(t) }, []string{"gap 1-2 restored"}},
		"diverged": {func(t *testing.T, _ *lanes) *lanes {
			n := newLanes(t)
			n.deliver(k, 2)
			n.deliver(k, 3)
			return n
		}, []string{"gap 1-2 diverged", "3 profile wish", "3 profile claim", "4 profile succeed"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, file := newLanes(t), path(t)
			l.deliver(k, 2)
			open(t, file, l).run().wait(2).close()
			n := c.change(t, l)
			j := open(t, file, n).run()
			for moved := j.changes(); len(j.all(Filter{})) < 4; moved = j.changes() { // the position goes back: there is none to wait for
				<-moved
			}
			j.wait(n.last).want(Filter{}, append(had, c.want...)...)
			// What comes next is behind it.
			n.append(record{Owner: map[string]string{}})
			n.deliver(sinks.Key{Sink: "mokaru", Profile: somebody(2), Entity: "profile"}, 9)
			j.wait(n.last)
			if got := j.all(Filter{Profile: somebody(2)}); len(got) != 4 {
				t.Errorf("got %q", got)
			}
		})
	}
}

// changes is closed at the next change of the position.
func (o *opened) changes() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moved
}

func TestUnreadableBlock(t *testing.T) {
	l := newLanes(t)
	l.deliver(sinks.Key{Sink: "mokaru", Profile: somebody(1), Entity: "profile"}, 2)
	var err error
	if l.last, err = l.Append(t.Context(), []byte(`{"v":7}`), l.last); err != nil {
		t.Fatal(err)
	}
	j := open(t, path(t), l)
	if err := j.Run(t.Context()); !errors.Is(err, ledger.ErrFormat) {
		t.Fatalf("%v", err)
	}
	// What is before it may be trimmed; it must not.
	j.wait(2)
	if err := j.WaitFor(t.Context(), 3); !errors.Is(err, ledger.ErrFormat) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := j.Forget(t.Context(), somebody(9)); err != nil {
		t.Error(err)
	}
	if err := j.WaitFor(t.Context(), 3); !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("after something else was stored: %v", err)
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	open(t, "journal.sqlite", newLanes(t)).close()
	if _, err := os.Stat("journal.sqlite"); err != nil {
		t.Error(err)
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	j := open(t, path(t), newLanes(t)).run()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.WaitFor(ctx, 1); !errors.Is(err, context.Canceled) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// TestFilesThatAreRefused: what the file holds is nowhere else, so it is never thrown away.
func TestFilesThatAreRefused(t *testing.T) {
	l := newLanes(t)
	file := path(t)
	j := open(t, file, l)
	if _, err := j.file.conn.ExecContext(t.Context(), `UPDATE position SET version = 2`); err != nil {
		t.Fatal(err)
	}
	j.close()
	if _, err := Open(t.Context(), file, l, nil); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("another version: %v", err)
	}
	broken := path(t)
	if err := os.WriteFile(broken, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), broken, l, nil); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("no database: %v", err)
	}
}
