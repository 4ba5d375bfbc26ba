package changes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"vitae/ledger"
)

// small makes a feed's window so short that readers fall out of it all the time.
func small(f *Feed, events int) {
	f.tail.mu.Lock()
	defer f.tail.mu.Unlock()
	f.tail.limit = events
}

// TestSeam: readers of every kind, fast and slow, see every event once and in order, while
// events come and the window moves on under them.
func TestSeam(t *testing.T) {
	w := newWorld(t)
	w.script.Write(300, 20)
	f := w.open()
	small(f, 8)
	stop := w.run(f)
	defer stop()
	ctx := within(t)
	var readers sync.WaitGroup
	got := make([][]string, 12)
	end := make(chan struct{})
	for i := range got {
		filter := Filter{}
		if i%3 == 1 {
			filter.Profile = w.script.IDs[i%len(w.script.IDs)]
		} else if i%3 == 2 {
			filter.Fields = []string{"firstName"}
		}
		random := rand.New(rand.NewPCG(3, uint64(i)))
		readers.Go(func() {
			r := f.Reader(1, filter)
			r.Done = end
			for {
				events, err := r.Next(ctx, 1+random.IntN(1+4*i)) // the first ones are slow
				if errors.Is(err, ErrDone) {
					// The rest, as somebody who resumes reads it.
					rest := f.Reader(r.Position(), filter)
					head, err := f.HeadNow(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					rest.StopAt(head)
					for {
						events, err := rest.Next(ctx, 100)
						if errors.Is(err, io.EOF) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						got[i] = appendIDs(got[i], events)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = appendIDs(got[i], events)
			}
		})
	}
	for range 150 {
		w.script.Write(5, 3)
	}
	want := w.wantChanges()
	for head := uint64(0); head < uint64(len(want)); {
		var err error
		if head, err = f.HeadNow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(end)
	readers.Wait()
	for i := range got {
		want := want
		if i%3 != 0 {
			want = nil
			filter := Filter{Fields: []string{"firstName"}}
			if i%3 == 1 {
				filter = Filter{Profile: w.script.IDs[i%len(w.script.IDs)]}
			}
			seq := uint64(0)
			for _, r := range w.ledger.All() {
				for _, n := range r.Commit.Notices(r.Seq, "urn:test") {
					seq++
					if filter.takes(newEvent(seq, n.Address, n.Event.Headers(), n.Event.Data)) {
						want = append(want, n.Event.ID)
					}
				}
			}
		}
		if !slices.Equal(got[i], want) {
			t.Errorf("reader %d: %d events, want %d", i, len(got[i]), len(want))
		}
	}
}

func appendIDs(ids []string, events []*Event) []string {
	for _, e := range events {
		one, err := e.Event()
		if err != nil {
			ids = append(ids, err.Error())
			continue
		}
		ids = append(ids, one.ID)
	}
	return ids
}

// TestManyIdle: readers of single profiles are not woken by others' events.
func TestManyIdle(t *testing.T) {
	w := newWorld(t)
	w.script.Cycle = false
	f := w.open()
	stop := w.run(f)
	defer stop()
	ctx, cancel := context.WithCancel(within(t))
	var readers sync.WaitGroup
	idle := 2000
	for range idle {
		r := f.Reader(1, Filter{Profile: ledger.NewProfileID(time.Now())})
		readers.Go(func() {
			if _, err := r.Next(ctx, 1); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < idle; {
		f.tail.mu.Lock()
		waiting = len(f.tail.profiles)
		f.tail.mu.Unlock()
		if ctx.Err() != nil {
			t.Fatal("the readers do not wait")
		}
	}
	w.script.Write(100, 10)
	w.read(f, 1, len(w.wantChanges()))
	f.tail.mu.Lock()
	for _, set := range f.tail.profiles {
		for one := range set {
			if one.at != 0 {
				t.Errorf("a reader of another profile was woken for event %d", one.at)
			}
		}
	}
	f.tail.mu.Unlock()
	cancel()
	readers.Wait()
	if n := len(f.tail.profiles) + len(f.tail.everybody); n != 0 {
		t.Errorf("%d readers are still known", n)
	}
}

// TestTakenReceipts: blocks may be given up when their receipts are written, and not before.
func TestTakenReceipts(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	for i := range 5 {
		w.receipts.add(ledger.ProfileID{1}, i%2) // blocks 2 and 4 have one
	}
	ctx := within(t)
	if err := f.TakenReceipts(ctx, 1); err != nil {
		t.Errorf("a block without receipts: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := f.TakenReceipts(short, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a receipt that is not written: %v", err)
	}
	stop := w.run(f)
	defer stop()
	for pos := range uint64(6) {
		if err := f.TakenReceipts(ctx, pos); err != nil {
			t.Errorf("up to block %d: %v", pos, err)
		}
	}
	if _, receipts := w.read(f, 1, 2); fmt.Sprint(receipts) != fmt.Sprint(w.receipts.ids()) {
		t.Errorf("receipts %v", receipts)
	}
}
