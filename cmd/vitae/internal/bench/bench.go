// Package bench measures what this machine can do, always beside the engine's own limit
// for the same bytes and durability, taken in the same run on the same disk. It reports
// figures and their ratio to the goal; it never fails for being slow.
package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/server"
)

// Options say what is measured and where.
type Options struct {
	Dir     string // folder for the data; "" is a temporary one that is removed
	Seconds int    // for each measurement
	JSON    bool   // lines instead of a table
	Log     *slog.Logger
	// Large is the number of commits of the large ledger; 0 is a million.
	Large int
	// Only names the parts to measure; empty measures all of Parts.
	Only []string
	// Profiles is the number of profiles of 30 fields for start-up and memory; 0 is 100,000.
	Profiles int
}

// Row is one figure.
type Row struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Beside string  `json:"beside,omitempty"` // the engine's own limit, or what it is compared with
	Ratio  float64 `json:"ratio,omitempty"`
	Goal   string  `json:"goal,omitempty"`
}

// run is one run of the benchmark.
type run struct {
	Options
	out  io.Writer
	rows []Row
}

// Run measures everything and writes the table (or the lines, as they come) to out.
func Run(ctx context.Context, o Options, out io.Writer) error {
	o.Large, o.Profiles, o.Seconds = cmp.Or(o.Large, 1_000_000), cmp.Or(o.Profiles, 100_000), cmp.Or(o.Seconds, 5)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "vitae-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	r := &run{Options: o, out: out}
	for i, part := range []func(context.Context) error{r.disk, r.commits, r.logCost, r.http, r.feed, r.large, r.fsck, r.many, r.sinks} {
		if len(o.Only) > 0 && !slices.Contains(o.Only, Parts()[i]) {
			continue
		}
		if err := part(ctx); err != nil {
			return err
		}
		runtime.GC()
	}
	return r.end()
}

// Parts names what can be measured, in order.
func Parts() []string {
	return []string{"disk", "commits", "log", "http", "feed", "large", "fsck", "many", "sinks"}
}

func (r *run) add(row Row) error {
	r.rows = append(r.rows, row)
	if !r.JSON {
		r.Log.Info("measured", "what", row.What, "value", format(row.Value), "unit", row.Unit)
		return nil
	}
	return json.NewEncoder(r.out).Encode(row)
}

func (r *run) end() error {
	if r.JSON {
		return nil
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEASURED\tVALUE\tUNIT\tBESIDE\tRATIO\tGOAL")
	for _, row := range r.rows {
		ratio := ""
		if row.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f", row.Ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.What, format(row.Value), row.Unit, row.Beside, ratio, row.Goal)
	}
	fmt.Fprintf(w, "\n%s, %d cores, %s\n", runtime.Version(), runtime.NumCPU(), strings.TrimSpace(runtime.GOOS+"/"+runtime.GOARCH))
	return w.Flush()
}

func format(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// config is that of a server that measures: no limits, no sinks.
func (r *run) config(name string) config.Config {
	return config.Config{Listen: "127.0.0.1:0", Data: filepath.Join(r.Dir, name), Replicas: 1}
}

// core opens a fresh data folder.
func (r *run) core(ctx context.Context, name string) (*server.Core, error) {
	return server.OpenCore(ctx, r.config(name), r.quiet())
}

// quiet is the log of what is measured: a line for each request would be measured too.
func (r *run) quiet() *slog.Logger { return slog.New(warnings{r.Log.Handler()}) }

// warnings lets a handler see warnings and errors only.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// disk says how often this disk syncs a block of 1 kB, the ground under everything.
func (r *run) disk(ctx context.Context) error {
	f, err := os.Create(filepath.Join(r.Dir, "sync"))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1024)
	n, start := 0, time.Now()
	for ; time.Since(start) < r.each() && ctx.Err() == nil; n++ {
		if _, err := f.Write(block); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return r.add(Row{What: "disk: write 1 kB and fsync", Value: float64(n) / time.Since(start).Seconds(), Unit: "1/s"})
}

func (r *run) each() time.Duration { return time.Duration(r.Seconds) * time.Second }

// percentile of sorted durations, in milliseconds.
func percentile(d []time.Duration, p float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[min(int(float64(len(d))*p), len(d)-1)].Nanoseconds()) / 1e6
}
