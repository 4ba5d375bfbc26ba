package views

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/internal/fake"
)

// follow runs the views until they have applied seq.
func follow(tb testing.TB, v *Views, seq ledger.Seq) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	if err := v.Wait(context.Background(), seq); err != nil {
		tb.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		tb.Error(err)
	}
}

func openViews(tb testing.TB, dir string, src projections.Source) *Views {
	tb.Helper()
	v, err := Open(context.Background(), Config{Dir: dir, Source: src})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Error(err)
		}
	})
	return v
}

// BenchmarkApply follows a ledger of commits of five edits, parsing included, on one core.
func BenchmarkApply(b *testing.B) {
	for _, profiles := range []int{100, 1_000, 5_000, 50_000} {
		b.Run(fmt.Sprint(profiles), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			l := fake.New()
			s := fake.NewScript(l, 1, profiles)
			for _, id := range s.IDs {
				s.Commit(id)
				if id[3]%64 == 0 {
					s.Block()
				}
			}
			s.Block()
			s.Write(b.N, 64)
			v := openViews(b, b.TempDir(), l)
			follow(b, v, ledger.Seq(profiles))
			b.ResetTimer()
			follow(b, v, ledger.Seq(profiles+b.N))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkProfile reads one profile of 5,000, in several goroutines.
func BenchmarkProfile(b *testing.B) {
	l := fake.New()
	s := fake.NewScript(l, 1, 5_000)
	s.Write(40_000, 64)
	v := openViews(b, b.TempDir(), l)
	follow(b, v, 40_000)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := v.Profile(context.Background(), s.IDs[i*7919%len(s.IDs)]); err != nil {
				b.Error(err)
			}
		}
	})
}
