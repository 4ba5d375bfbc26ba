package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 5, 3, 10, 14, 0, 0, time.UTC)

// lanes is a stream as the owner of the lanes writes it.
type lanes struct {
	*testing.T
	*named
	last uint64
	now  time.Time
	recs map[sinks.Key]sinks.Record
}

// named is a stream with a name.
type named struct {
	*stream.Memory
	lineage string
}

func (n *named) Lineage() string { return n.lineage }

func newLanes(t *testing.T) *lanes {
	return &lanes{T: t, named: &named{stream.NewMemory(8 << 20), "lanes-a"}, now: start, recs: map[sinks.Key]sinks.Record{}}
}

// record is one record of a block.
type record struct {
	Lane  *sinks.Record     `json:"lane,omitempty"`
	Owner map[string]string `json:"owner,omitempty"`
	Row   *sinks.Row        `json:"row,omitempty"`
	Rows  []sinks.Row       `json:"rows,omitempty"`
}

// append stores one block.
func (l *lanes) append(records ...record) {
	l.Helper()
	b, err := json.Marshal(map[string]any{"v": 1, "id": sinks.NewID(l.now), "records": records})
	if err != nil {
		l.Fatal(err)
	}
	if l.last, err = l.Append(context.Background(), b, l.last); err != nil {
		l.Fatal(err)
	}
}

// step moves a lane and gives the record of it.
func (l *lanes) step(k sinks.Key, in sinks.Input) record {
	l.Helper()
	rec, ok := l.recs[k]
	if !ok {
		rec = sinks.Record{Key: k, Class: sinks.ClassA, BoundSeq: 1}
	}
	l.now = l.now.Add(time.Second)
	in.At = sinks.StampOf(l.now)
	if in.Fault != nil {
		in.Fault.At = in.At
	}
	next, row, err := sinks.Step(rec, in)
	if err != nil {
		l.Fatal(err)
	}
	l.recs[k] = next
	return record{Lane: &next, Row: &row}
}

// deliver makes one attempt at a commit that succeeds: three rows in two blocks.
func (l *lanes) deliver(k sinks.Key, seq ledger.Seq) sinks.ID {
	l.Helper()
	id := sinks.NewID(l.now)
	l.append(l.step(k, sinks.Input{Event: sinks.Wish, Seq: seq}),
		l.step(k, sinks.Input{Event: sinks.Claim, Seq: seq, Attempt: id, Hash: sinks.Digest(seq)}))
	l.append(l.step(k, sinks.Input{Event: sinks.Succeed, Verify: sinks.ProviderSaid}))
	return id
}

// compact writes every lane anew, as the owner does before it trims.
func (l *lanes) compact() (before uint64) {
	l.Helper()
	before = l.last
	var all []record
	for _, r := range l.recs {
		all = append(all, record{Lane: &r, Rows: []sinks.Row{{At: sinks.StampOf(l.now), Event: sinks.Succeed}}})
	}
	l.append(append(all, record{Owner: map[string]string{"id": sinks.NewID(l.now).String()}})...)
	return before
}

func (l *lanes) trim(pos uint64) {
	l.Helper()
	if err := l.Trim(context.Background(), pos); err != nil {
		l.Fatal(err)
	}
}

// opened is a journal with its Run, if it has one.
type opened struct {
	*Journal
	t    *testing.T
	stop context.CancelFunc
	end  chan error
}

func open(t *testing.T, path string, b stream.Blocks) *opened {
	t.Helper()
	j, err := Open(t.Context(), path, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{Journal: j, t: t}
	t.Cleanup(o.close)
	return o
}

func (o *opened) run() *opened {
	ctx, cancel := context.WithCancel(context.Background())
	o.stop, o.end = cancel, make(chan error, 1)
	go func() { o.end <- o.Run(ctx) }()
	return o
}

func (o *opened) close() {
	o.t.Helper()
	if o.stop != nil {
		o.stop()
		if err := <-o.end; err != nil {
			o.t.Error(err)
		}
		o.stop = nil
	}
	if err := o.Close(); err != nil {
		o.t.Error(err)
	}
}

func (o *opened) wait(pos uint64) *opened {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 30*time.Second)
	defer cancel()
	if err := o.WaitFor(ctx, pos); err != nil {
		o.t.Fatal(err)
	}
	return o
}

// all reads every page, of the given size, and says where the rows are and what they say.
func (o *opened) all(f Filter) (lines []string) {
	o.t.Helper()
	for {
		rows, next, err := o.Query(o.t.Context(), f)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, r := range rows {
			lines = append(lines, line(r))
		}
		if next == "" {
			return lines
		}
		f.After = next
	}
}

func line(r Row) string {
	if r.Gap != nil {
		return fmt.Sprintf("gap %d-%d %s", r.Gap.From, r.Gap.To, r.Gap.Why)
	}
	return fmt.Sprintf("%d %s %s", r.Pos, r.Entity, r.Event)
}

func (o *opened) want(f Filter, want ...string) {
	o.t.Helper()
	if got := o.all(f); !slices.Equal(got, want) {
		o.t.Errorf("got %q, want %q", got, want)
	}
}

func somebody(n byte) ledger.ProfileID { return ledger.ProfileID{1, 15: n} }

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "journal of é?.sqlite") }

var errDisk = errors.New("the disk is full")
