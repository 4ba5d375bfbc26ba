package changes

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/engine/enginetest"
	"vitae/projections/internal/fake"
)

// everything compares the stream with what ledger and receipts make.
func (w *world) everything(f *Feed) {
	w.t.Helper()
	wantChanges, wantReceipts := w.wantChanges(), w.receipts.ids()
	changed, receipts := w.read(f, 1, len(wantChanges)+len(wantReceipts))
	if d := cmp.Diff(wantChanges, changed); d != "" {
		w.t.Errorf("changes (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantReceipts, receipts); d != "" {
		w.t.Errorf("receipts (-want +got):\n%s", d)
	}
	at, err := f.last(within(w.t))
	if err != nil || at.seq != uint64(len(changed)+len(receipts)) {
		w.t.Errorf("the stream ends at %d, %v; want %d", at.seq, err, len(changed)+len(receipts))
	}
}

// TestExactlyOnce: writers that are stopped anywhere, and others beside them, while commits
// and receipts come.
func TestExactlyOnce(t *testing.T) { exactlyOnce(t, newWorld(t), 60) }

// TestExactlyOnceInACluster: the same on three servers, where a lost race has other codes and
// batches are gathered elsewhere.
func TestExactlyOnceInACluster(t *testing.T) {
	w := newWorld(t)
	w.js = enginetest.OpenWith(t, engine.Options{URL: strings.Join(enginetest.StartCluster(t, 3), ",")}).JetStream()
	w.replicas = 3
	exactlyOnce(t, w, 20)
}

func exactlyOnce(t *testing.T, w *world, rounds int) {
	ctx, done := context.WithCancel(context.Background())
	defer done()
	var writers sync.WaitGroup
	for i := range 3 {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		writers.Go(func() {
			// Longer and longer, so that also a slow machine comes to an end.
			for most := 60; ctx.Err() == nil; most += 10 {
				f, err := Open(ctx, Config{JetStream: w.js, Replicas: w.replicas, Ledger: w.ledger, Receipts: w.receipts})
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				one, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(most))*time.Millisecond)
				if err := f.Run(one); err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	for i := range rounds {
		w.script.Write(20, 1+i%40)
		w.receipts.add(w.script.IDs[i%len(w.script.IDs)], i%4)
	}
	f := w.open()
	want := len(w.wantChanges()) + len(w.receipts.ids())
	for deadline := time.Now().Add(patience); ; {
		head, err := f.HeadNow(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if int(head) >= want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stream has %d events, want %d", head, want)
		}
	}
	done()
	writers.Wait()
	f = w.open()
	stop := w.run(f)
	defer stop()
	w.everything(f)
}

// TestEveryCut: a writer that begins behind any message writes what follows, and nothing
// twice.
func TestEveryCut(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.script.Write(6, 3)
		w.receipts.add(w.script.IDs[0], i%3)
	}
	total := len(w.wantChanges()) + len(w.receipts.ids())
	for cut := 0; cut <= total; cut += 1 + cut/16 {
		// An engine of its own: a stream that was deleted cannot be made anew at once.
		w.js = enginetest.Open(t).JetStream()
		f := w.open()
		ctx := within(t)
		one := &writer{f: f, at: Position{Lineage: w.ledger.Name, Lanes: w.receipts.name}}
		for l, err := range w.ledger.Read(ctx, 1) {
			if err != nil {
				t.Fatal(err)
			}
			one.take(l)
		}
		for _, b := range w.receipts.blocks {
			one.receive(b)
		}
		if len(one.batch) != total {
			t.Fatalf("%d messages, want %d", len(one.batch), total)
		}
		// First the receipts' and the ledger's messages in turns, as they come when both flow.
		batch := slices.Clone(one.batch)
		for from := 0; from < cut; from += 5 {
			if err := one.publish(ctx, batch[from:min(from+5, cut)]); err != nil {
				t.Fatal(err)
			}
		}
		f = w.open()
		stop := w.run(f)
		w.everything(f)
		stop()
	}
}

// TestFencedOff: a writer that has missed something writes nothing.
func TestFencedOff(t *testing.T) {
	w := newWorld(t)
	w.script.Write(40, 5)
	f := w.open()
	ctx := within(t)
	one := &writer{f: f, at: Position{Lineage: w.ledger.Name, Lanes: w.receipts.name}}
	for l := range w.ledger.Read(ctx, 1) {
		one.take(l)
	}
	late := &writer{f: f, at: one.at}
	if err := one.publish(ctx, one.batch[:3]); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, fewEnough, fewEnough + 1, len(one.batch)} {
		if err := late.publish(ctx, one.batch[:n]); err == nil {
			t.Errorf("%d messages of somebody who was late were taken", n)
		}
	}
	if head, err := f.HeadNow(ctx); err != nil || head != 3 {
		t.Errorf("the stream ends at %d, %v; want 3", head, err)
	}
}

func TestDiverged(t *testing.T) {
	w := newWorld(t)
	w.script.Write(10, 3)
	f := w.open()
	stop := w.run(f)
	w.everything(f)
	stop()
	whole := w.ledger
	for name, l := range map[string]*fake.Ledger{"shorter": whole.Copy(1), "another": fake.New()} {
		if name == "another" {
			l.Name = "01JANOTHER000000000000000A"
		}
		w.ledger = l
		if err := w.open().Run(within(t)); !errors.Is(err, ErrDiverged) {
			t.Errorf("%s ledger: %v", name, err)
		}
	}
	other := fake.New()
	w.ledger = other
	fake.NewScript(other, 99, 5).Write(30, 3)
	f = w.open()
	if err := f.Run(within(t)); !errors.Is(err, ErrDiverged) || !errors.Is(f.Err(), ErrDiverged) {
		t.Errorf("a ledger with other commits: %v", err)
	}
}

// TestTrim: old events go, the position stays, and nothing is written again.
func TestTrim(t *testing.T) {
	w := newWorld(t)
	w.script.Write(30, 5)
	f := w.open()
	stop := w.run(f)
	w.everything(f)
	stop()
	ctx := within(t)
	before, err := f.last(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.keep, w.now = time.Hour, func() time.Time { return time.Now().Add(2 * time.Hour) }
	f = w.open()
	if err := f.trim(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := f.last(ctx)
	if err != nil || after != before {
		t.Fatalf("the stream ends at %+v, %v; want %+v", after, err, before)
	}
	var gone *GoneError
	if err := f.Check(ctx, before.seq-1); !errors.As(err, &gone) || gone.First != before.seq || gone.Head != before.seq {
		t.Errorf("all but the last are gone: %v", err)
	}
	if _, err := f.Reader(1, Filter{}).Next(ctx, 10); !errors.As(err, &gone) {
		t.Errorf("reading from the first: %v", err)
	}
	if _, err := f.Reader(1, Filter{Profile: w.script.IDs[0]}).Next(ctx, 10); !errors.As(err, &gone) {
		t.Errorf("reading one profile from the first: %v", err)
	}
	known := len(w.wantChanges())
	w.script.Write(5, 2)
	stop = w.run(f)
	defer stop()
	want := w.wantChanges()[known:]
	got, _ := w.read(f, before.seq+1, len(want))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTrimKeepsTheYoung(t *testing.T) {
	w := newWorld(t)
	w.script.Write(30, 5)
	w.keep = time.Hour
	f := w.open()
	stop := w.run(f)
	w.everything(f)
	stop()
	ctx := within(t)
	m, _, err := f.get(ctx, map[string]uint64{"seq": 11})
	if err != nil {
		t.Fatal(err)
	}
	f.cfg.Now = func() time.Time { return m.Time.Add(time.Hour) }
	if err := f.trim(ctx); err != nil {
		t.Fatal(err)
	}
	first, _, err := f.get(ctx, map[string]any{"seq": 1, "next_by_subj": ">"})
	if err != nil || first.Seq > 11 || first.Time.Before(m.Time) {
		t.Errorf("the first that is left is %d of %s, %v; want the first of %s", first.Seq, first.Time, err, m.Time)
	}
}

// TestPosition pins the header, and what is no position.
func TestPosition(t *testing.T) {
	p := Position{Lineage: "01JLEDGER0000000000000000A", Seq: 7, Commit: ledger.CommitID{1, 2}, Events: 2, Lanes: "-", Pos: 3, Done: 1}
	const text = "01JLEDGER0000000000000000A 7 010410000000000000000000 2 - 3 1"
	if got := p.String(); got != "01JLEDGER0000000000000000A 7 "+p.Commit.String()+" 2 - 3 1" {
		t.Errorf("%q; want such as %q", got, text)
	}
	got, err := parsePosition(p.String())
	if err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "a", p.String() + " 1", " " + p.String(), "a 07 " + p.Commit.String() + " 2 - 3 1", "a 7 x 2 - 3 1"} {
		if _, err := parsePosition(bad); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("01JLEDGER0000000000000000A 7 01JZ0000000000000000000000 2 - 3 1")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePosition(text); err == nil && p.String() != text {
			t.Fatalf("%q is read as %+v", text, p)
		}
	})
}
