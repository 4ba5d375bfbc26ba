package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// open reads the lanes, checks that they belong to this ledger, and takes them over.
// When it returns nil every earlier owner is fenced, and calls that were found in flight
// are in doubt, durably.
func (m *Manager) open(ctx context.Context) error {
	last, err := m.fence(ctx)
	if err != nil {
		return err
	}
	m.writer = stream.NewWriter(m.opt.Blocks, composer{}, last, blockOverhead, m.log)
	m.mu.Lock()
	m.position, m.posHash = m.table.cursor.Seq, m.table.cursor.Hash
	m.storedPos = last
	t, err := m.takeOver(time.Now())
	if r := m.table.restored; err == nil && r != nil && !r.Done {
		t, err = m.afterRestore(*r, time.Now())
	}
	m.resumePlans()
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.stored(ctx, t)
}

// fenceWait is how long to wait before the lanes are read again.
const fenceWait = 50 * time.Millisecond

// fence reads the lanes and puts this run's name behind the last block, so that nobody
// who has read less can append any more. The owner before may be writing meanwhile: then
// it starts again.
func (m *Manager) fence(ctx context.Context) (last uint64, err error) {
	for ; ; pause(ctx, fenceWait) {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		m.table = newTable()
		if last, err = m.read(ctx); err != nil {
			return 0, err
		}
		if err := m.belongs(ctx); err != nil {
			return 0, err
		}
		if m.table.owner.ID == m.run {
			return last, nil // an earlier try was stored after all
		}
		m.table.owner = ownerRecord{ID: m.run, Epoch: m.table.owner.Epoch + 1}
		record, err := json.Marshal(change{Owner: &m.table.owner})
		if err != nil {
			return 0, err
		}
		last, err = m.opt.Blocks.Append(ctx, composer{}.Compose([][]byte{record}), last)
		switch {
		case err == nil:
			return last, nil
		case !errors.Is(err, ledger.ErrConflict) && !errors.Is(err, ledger.ErrUnknown):
			return 0, err
		}
		m.log.Info("sinks: the lanes are still being written", "error", err)
	}
}

// read folds the stream, and gives the position of its last block.
func (m *Manager) read(ctx context.Context) (last uint64, err error) {
	m.written = 0
	end, err := m.opt.Blocks.Last(ctx)
	if err != nil {
		return 0, err
	}
	for e, err := range m.opt.Blocks.Read(ctx, 1) {
		if err != nil {
			return 0, err
		}
		b, err := parseBlock(e.Pos, e.Payload)
		if err != nil {
			return 0, err
		}
		for _, c := range b.Records {
			if err := m.table.apply(c); err != nil {
				return 0, err
			}
			m.written++
		}
		last = e.Pos
	}
	// A stream that was trimmed to nothing still has positions.
	return max(last, end.Pos), nil
}

// belongs compares the cursor with the ledger.
func (m *Manager) belongs(ctx context.Context) error {
	return belongs(ctx, m.table.cursor, m.opt.Ledger)
}

func belongs(ctx context.Context, cur cursorRecord, l Ledger) error {
	if cur.Seq == 0 {
		return nil
	}
	if cur.Lineage == resetting {
		return errResetting
	}
	if cur.Lineage != l.Lineage() {
		return fmt.Errorf("%w: they followed the ledger %s, this one is %s", ErrAhead, cur.Lineage, l.Lineage())
	}
	head, err := l.Head(ctx)
	if err != nil {
		return err
	}
	if head.Seq < cur.Seq {
		return fmt.Errorf("%w: they have taken in commit %d, the ledger ends at %d", ErrAhead, cur.Seq, head.Seq)
	}
	if cur.Hash.IsZero() {
		return nil
	}
	for b, err := range l.Read(ctx, cur.Seq) {
		if err != nil {
			return err
		}
		if got := b.Commits[0]; got.Seq != cur.Seq || got.Hash != cur.Hash {
			return fmt.Errorf("%w: commit %d is not the one they have taken in", ErrAhead, cur.Seq)
		}
		break
	}
	return nil
}

// byConfig is the reason of a pause that lasts as long as the setting does.
const byConfig = "by the configuration"

// takeOver resolves what was found, and brings in sinks that did not run before. The
// ticket is nil when there was nothing of either. The mutex is held.
func (m *Manager) takeOver(now time.Time) (t *stream.Ticket, err error) {
	for _, name := range m.names {
		to, reason := m.sinkState(name), ""
		switch r := m.table.sinks[name]; {
		case m.sinks[name].cfg.Paused:
			to, reason = Paused, byConfig
		case r != nil && r.Reason == byConfig:
			to = Running // the setting is gone
		}
		one, err := m.setSink(name, to, reason)
		if err != nil {
			return nil, err
		}
		if one != nil {
			t = one
		}
	}
	for _, list := range m.table.accounts {
		for _, a := range list {
			s := m.sinks[a.rec.Sink]
			if s == nil {
				continue
			}
			m.ensureRoot(s, a)
			for _, l := range a.lanes {
				if t, err = m.revive(s, l, now, t); err != nil {
					return nil, err
				}
			}
		}
	}
	if cur := m.table.cursor; cur.Seq > 0 && !slices.Equal(cur.Sinks, m.followed()) {
		cur.Sinks = m.followed()
		t, err = m.setCursor(cur)
	}
	return t, err
}

// revive makes one lane of an earlier run this run's.
func (m *Manager) revive(s *sink, l *lane, now time.Time, t *stream.Ticket) (*stream.Ticket, error) {
	var err error
	if l.rec.Phase == InFlight {
		from := now
		if until := l.rec.LeaseUntil.Time(); !m.opt.Exclusive && until.After(from) {
			from = until
		}
		in := Input{Event: Find, At: StampOf(now), Until: StampOf(from.Add(s.settle)),
			Fault: &Fault{Type: "found_in_flight", Message: "the process ended while a call was under way", Sent: SentUnknown, At: StampOf(now)}}
		if t, err = m.step(l, l.rec.Rev, in); err != nil {
			return nil, err
		}
	}
	// A sink that did not run has not seen the commits up to the cursor.
	if cur := m.table.cursor; cur.Seq > l.rec.WantSeq && !slices.Contains(cur.Sinks, l.rec.Sink) {
		if t, err = m.step(l, l.rec.Rev, Input{Event: Wish, At: StampOf(now), Seq: cur.Seq, WantAt: StampOf(now)}); err != nil {
			return nil, err
		}
		l.want = cur.Seq
	}
	m.reschedule(l)
	return t, nil
}

// followed are the sinks that run, sorted.
func (m *Manager) followed() []string {
	out := slices.Clone(m.names)
	slices.Sort(out)
	return out
}

// ensureRoot gives an account its first lane; it is in memory only, until something
// happens to it. The root gives it the others.
func (m *Manager) ensureRoot(s *sink, a *account) { m.ensureLane(s, a, s.entities[0].Name) }

// ensureLane gives an account a lane, if the provider has such ones; else nil.
func (m *Manager) ensureLane(s *sink, a *account, entity string) *lane {
	if l := a.lane(entity); l != nil {
		return l
	}
	section, item := SplitEntity(entity)
	for _, e := range s.entities {
		if e.Name != section || (item != "") && e.Items == "" {
			continue
		}
		class := e.Class
		if item != "" {
			class = e.Items
		}
		return m.table.addLane(a, Record{Key: Key{a.rec.Sink, a.rec.Profile, entity}, Class: class, BoundSeq: a.rec.BoundSeq})
	}
	return nil
}

// enqueue hands one record to the writer. What is enqueued is stored in this order or
// not at all, and memory goes with it: whoever acts on it waits for the ticket. The
// mutex is held.
func (m *Manager) enqueue(c change) (*stream.Ticket, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if m.fatal != nil {
		return nil, m.fatal
	}
	t, err := m.writer.Enqueue(b)
	if err != nil {
		m.failLocked(err)
		return nil, m.fatal
	}
	m.written++
	return t, nil
}

// step moves a lane, if it still is at revision rev (else ErrStale). The result is
// durable when the ticket says so. The mutex is held.
func (m *Manager) step(l *lane, rev uint64, in Input) (*stream.Ticket, error) {
	if l.gone || l.rec.Rev != rev {
		return nil, ErrStale
	}
	next, row, err := Step(l.rec, in)
	if err != nil {
		return nil, err
	}
	if next.Ref != l.rec.Ref {
		// Before the item's own record: a section that looks once too often does no harm.
		if err := m.stir(l); err != nil {
			return nil, err
		}
	}
	t, err := m.enqueue(change{Lane: &next, Row: &row})
	if err != nil {
		return nil, err
	}
	if next.Phase == Parked && l.rec.Phase != Parked {
		if s := m.sinks[next.Sink]; s != nil {
			s.counts.parked++
		}
	}
	l.rec = next
	l.journal(row)
	l.want = max(l.want, next.WantSeq)
	m.recorded(l)
	m.signal()
	return t, nil
}

// stir makes an item's section look at its order again, if it would not by itself.
func (m *Manager) stir(item *lane) error {
	section, id := SplitEntity(item.rec.Entity)
	s, l := m.sinks[item.rec.Sink], item.acct.lane(section)
	if id == "" || s == nil || l == nil || !slices.ContainsFunc(s.entities, func(e Entity) bool { return e.Name == section && e.Ordered }) {
		return nil
	}
	if l.rec.Phase == RetryWait || l.stirred() || l.rec.Phase == Idle && !l.clean() {
		return nil
	}
	_, err := m.step(l, l.rec.Rev, Input{Event: Stir, At: StampOf(time.Now())})
	m.reschedule(l)
	return err
}

// recorded brings a lane's unrecorded wishes up to date after its record was written.
func (m *Manager) recorded(l *lane) {
	if l.rec.WantSeq >= l.want {
		l.first, l.marked, l.wantAt = 0, 0, 0
		delete(m.dirty, l)
	} else {
		l.first = max(l.first, l.rec.WantSeq+1)
	}
}

func (m *Manager) setAccount(a *account, to SinkState, code, reason string) (*stream.Ticket, error) {
	rec := a.rec
	rec.State, rec.Code, rec.Reason, rec.Since = to, code, reason, StampOf(time.Now())
	return m.putAccount(a, rec)
}

func (m *Manager) putAccount(a *account, rec AccountRecord) (*stream.Ticket, error) {
	t, err := m.enqueue(change{Account: &rec})
	if err != nil {
		return nil, err
	}
	a.rec = rec
	if rec.State == Running {
		a.breaker = nil
		for _, l := range a.lanes {
			l.early, l.hold = true, time.Time{}
		}
	}
	for _, l := range a.lanes {
		m.reschedule(l)
	}
	m.signal()
	return t, nil
}

func (m *Manager) sinkState(name string) SinkState {
	if r := m.table.sinks[name]; r != nil {
		return r.State
	}
	return Running
}

func (m *Manager) setSink(name string, to SinkState, reason string) (*stream.Ticket, error) {
	if m.sinkState(name) == to {
		return nil, nil
	}
	rec := &sinkRecord{Name: name, State: to, Reason: reason, Since: StampOf(time.Now())}
	t, err := m.enqueue(change{Sink: rec})
	if err != nil {
		return nil, err
	}
	m.table.sinks[name] = rec
	m.log.Info("sink", "sink", name, "state", to)
	return t, nil
}

func (m *Manager) setCursor(cur cursorRecord) (*stream.Ticket, error) {
	t, err := m.enqueue(change{Cursor: &cur})
	if err != nil {
		return nil, err
	}
	m.table.cursor = cur
	return t, nil
}

// compact rewrites everything that is alive and gives up the stream before it. Records
// are whole, so a lane's last one is all of it, wherever it stands. The caller holds
// compacting, and not the mutex.
func (m *Manager) compact(ctx context.Context) error {
	trimmer, ok := m.opt.Blocks.(stream.Trimmer)
	if !ok {
		return nil
	}
	m.mu.Lock()
	from := m.storedPos // everything up to here is in memory, and will be behind it again
	ids := make([]ledger.ProfileID, 0, len(m.table.accounts))
	for id := range m.table.accounts {
		ids = append(ids, id)
	}
	m.written = 0
	t, err := m.rewriteRest()
	m.mu.Unlock()
	for _, id := range ids {
		if err != nil {
			return err
		}
		m.mu.Lock()
		for _, a := range m.table.accounts[id] {
			if err == nil {
				t, err = m.rewrite(a)
			}
		}
		m.mu.Unlock()
	}
	if err == nil {
		m.mu.Lock()
		t, err = m.enqueue(change{Pad: wholePad})
		m.mu.Unlock()
	}
	if err != nil {
		return err
	}
	if err := m.stored(ctx, t); err != nil {
		return err
	}
	m.mu.Lock()
	m.written -= min(m.written, m.table.lanes+len(ids))
	m.mu.Unlock()
	if m.opt.BeforeTrim != nil {
		if err := m.opt.BeforeTrim(ctx, from); err != nil {
			return fmt.Errorf("before trimming: %w", err)
		}
	}
	return trimmer.Trim(ctx, from+1)
}

func (m *Manager) rewriteRest() (*stream.Ticket, error) {
	owner, cursor := m.table.owner, m.table.cursor
	t, err := m.enqueue(change{Owner: &owner})
	for _, r := range m.table.sinks {
		if err == nil {
			t, err = m.enqueue(change{Sink: r})
		}
	}
	if err == nil && cursor.Seq > 0 {
		t, err = m.enqueue(change{Cursor: &cursor})
	}
	if r := m.table.restored; err == nil && r != nil {
		t, err = m.enqueue(change{Restored: r})
	}
	for _, rest := range []func() (*stream.Ticket, error){m.rewritePlans, m.rewriteEnded} {
		if err != nil {
			break
		}
		var one *stream.Ticket
		if one, err = rest(); one != nil {
			t = one
		}
	}
	return t, err
}

func (m *Manager) rewrite(a *account) (*stream.Ticket, error) {
	rec := a.rec
	t, err := m.enqueue(change{Account: &rec})
	for _, l := range a.lanes {
		if err == nil && l.rec.Rev > 0 {
			r := l.rec
			t, err = m.enqueue(change{Lane: &r, Rows: slices.Clone(l.rows)})
		}
	}
	return t, err
}

// close stores the cursor and ends the writer.
func (m *Manager) close(ctx context.Context) error {
	m.mu.Lock()
	fatal := m.fatal
	if fatal == nil {
		fatal = m.advance()
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.opt.Grace)
	defer cancel()
	if err := m.writer.Close(ctx); err != nil && fatal == nil {
		return fmt.Errorf("sinks: storing the last results: %w", err)
	}
	return fatal
}

// Entry is one transition of a lane as it stands in the stream.
type Entry struct {
	Pos    uint64 // of its block
	Record Record // after the transition
	Row    Row
}

// ReadJournal yields every transition that is in the stream from position from on, in
// order, up to the last there is when it is called.
func ReadJournal(ctx context.Context, b stream.Blocks, from uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range b.Read(ctx, from) {
			var parsed block
			if err == nil {
				parsed, err = parseBlock(e.Pos, e.Payload)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, c := range parsed.Records {
				if c.Lane != nil && c.Row != nil && !yield(Entry{Pos: e.Pos, Record: *c.Lane, Row: *c.Row}, nil) {
					return
				}
			}
		}
	}
}
