package history

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/internal/fake"
)

// follow runs the history until it has applied seq.
func follow(tb testing.TB, h *History, seq ledger.Seq) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	if err := h.Wait(context.Background(), seq); err != nil {
		tb.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		tb.Error(err)
	}
}

func openHistory(tb testing.TB, dir string, src projections.Source) *History {
	tb.Helper()
	h, err := Open(context.Background(), Config{Dir: dir, Source: src})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// BenchmarkLedger writes b.N commits of five edits of profiles with 150 commits each, in
// random order, on one core. It reports the speed over the first and the last tenth, then
// how long the state of a profile takes. Run it with -benchtime=1000000x.
func BenchmarkLedger(b *testing.B) {
	profiles := max(1, b.N/150)
	l := fake.New()
	s := fake.NewScript(l, 1, profiles)
	s.Idem = true
	h := openHistory(b, b.TempDir(), l)
	procs := runtime.GOMAXPROCS(0)
	part := max(1, b.N/10)
	b.ResetTimer()
	b.StopTimer()
	for done := 0; done < b.N; done += part {
		n := min(part, b.N-done)
		s.Write(n, 64)
		runtime.GOMAXPROCS(1)
		start := time.Now()
		b.StartTimer()
		follow(b, h, ledger.Seq(done+n))
		b.StopTimer()
		speed := float64(n) / time.Since(start).Seconds()
		runtime.GOMAXPROCS(procs)
		switch {
		case done == 0:
			b.ReportMetric(speed, "first-commits/s")
		case done+part >= b.N:
			b.ReportMetric(speed, "last-commits/s")
		}
		l.Forget()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	readStates(b, h, s.IDs, ledger.Seq(b.N))
}

func readStates(b *testing.B, h *History, ids []ledger.ProfileID, to ledger.Seq) {
	times := map[string][]time.Duration{}
	for i := range min(len(ids), 500) {
		id := ids[(i*7919)%len(ids)]
		for name, at := range map[string]ledger.Seq{"now": to, "half": to / 2} {
			start := time.Now()
			switch _, err := h.StateAt(context.Background(), id, at); {
			case errors.Is(err, ledger.ErrNotFound):
				continue
			case err != nil:
				b.Fatal(err)
			}
			times[name] = append(times[name], time.Since(start))
		}
	}
	for name, t := range times {
		if len(t) == 0 {
			continue
		}
		slices.Sort(t)
		b.ReportMetric(float64(t[len(t)/2].Microseconds()), fmt.Sprintf("us-p50-%s", name))
		b.ReportMetric(float64(t[len(t)*99/100].Microseconds()), fmt.Sprintf("us-p99-%s", name))
	}
}
