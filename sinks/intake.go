package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

const (
	flushEvery = time.Second
	// wishAge is how long a wish may stay in memory only. Most are claimed sooner, and a
	// claim records them.
	wishAge = 2 * time.Second
	// compactAt is how many records are written before the first compaction is considered.
	compactAt = 20_000
	// burst is how many unstored records the intake makes before it waits for the writer.
	burst = 4096
)

// follow takes in the ledger from the cursor on, for as long as the run lasts.
func (m *Manager) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := m.takeIn(ctx)
		var broken *stream.BlockError
		var chain *ledger.ChainError
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &broken), errors.As(err, &chain), errors.Is(err, ErrArrow), errors.Is(err, ledger.ErrFormat):
			m.fail(err)
			return
		}
		m.log.Warn("sinks: following the ledger", "error", err)
		pause(ctx, time.Second)
	}
}

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (m *Manager) takeIn(ctx context.Context) error {
	var last *stream.Ticket
	n := 0
	for b, err := range m.opt.Ledger.Follow(ctx, m.Position()+1) {
		if err != nil {
			return err
		}
		decisions, err := m.openDecisions(b.Commits)
		if err != nil {
			return err
		}
		m.mu.Lock()
		for i := range b.Commits {
			r := &b.Commits[i]
			t, err := m.take(r, decisions)
			if err != nil {
				m.mu.Unlock()
				return err
			}
			if t != nil {
				last = t
				n++
			}
			m.position, m.posHash = r.Seq, r.Hash
		}
		m.signal()
		m.mu.Unlock()
		if n >= burst {
			n = 0
			if err := m.stored(ctx, last); err != nil {
				return err
			}
		}
	}
	return errors.New("the ledger's follower ended")
}

// openDecisions reads what persons have decided in these commits. What cannot be read any
// more, because the profile is erased, is nothing.
func (m *Manager) openDecisions(commits []ledger.Record) (out map[*ledger.Event]decision, err error) {
	for i := range commits {
		c := commits[i].Commit
		for n := range c.Events {
			e := &c.Events[n]
			if e.Op != ledger.OpDecided || m.sinks[e.Item] == nil {
				continue
			}
			payload, err := m.opt.Vault.Open(c.Profile, c.ID, n, e.Sealed)
			if errors.Is(err, ledger.ErrErased) || errors.Is(err, ledger.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("opening a decision: %w", err)
			}
			opened := *e
			var d decision
			if err := opened.SetPayload(payload); err != nil {
				return nil, fmt.Errorf("a decision of commit %d: %w", commits[i].Seq, err)
			}
			if err := json.Unmarshal(opened.Value, &d); err != nil {
				return nil, fmt.Errorf("a decision of commit %d: %w", commits[i].Seq, ledger.ErrFormat)
			}
			if out == nil {
				out = map[*ledger.Event]decision{}
			}
			out[e] = d
		}
	}
	return out, nil
}

// take looks at one commit. The mutex is held.
func (m *Manager) take(r *ledger.Record, decisions map[*ledger.Event]decision) (t *stream.Ticket, err error) {
	if r.Seq != m.position+1 {
		return nil, fmt.Errorf("%w: commit %d came after %d", ledger.ErrFormat, r.Seq, m.position)
	}
	at := StampOf(r.Commit.Time)
	for i := range r.Commit.Events {
		e := &r.Commit.Events[i]
		var one *stream.Ticket
		switch {
		case e.Op == ledger.OpBound:
			one, err = m.bind(AccountKey{intern(e.Item), r.Commit.Profile}, r.Seq, at)
		case e.Op == ledger.OpDeleted && e.Field == ledger.Connections:
			one, err = m.unbind(AccountKey{e.Item, r.Commit.Profile}, r.Seq)
		case e.Op == ledger.OpDecided:
			if d, ok := decisions[e]; ok {
				one, err = m.decided(AccountKey{e.Item, r.Commit.Profile}, d, r.Commit.Meta.Actor, r.Seq)
			}
		case e.Op == ledger.OpErased:
			one, err = m.erase(r.Commit.Profile, r.Seq)
		default:
			m.concern(r.Commit.Profile, e, r.Seq, at)
		}
		if err != nil {
			return nil, err
		}
		if one != nil {
			t = one
		}
	}
	return t, nil
}

// bind takes in a connection that was set, or set again.
func (m *Manager) bind(k AccountKey, seq ledger.Seq, at Stamp) (t *stream.Ticket, err error) {
	a := m.table.account(k)
	s := m.sinks[k.Sink]
	switch {
	case a == nil:
		a = m.table.addAccount(AccountRecord{AccountKey: k})
		if t, err = m.putAccount(a, AccountRecord{AccountKey: k, State: Running, Since: at, BoundSeq: seq}); err != nil {
			return nil, err
		}
		if s != nil {
			m.ensureRoot(s, a)
		}
	case a.rec.BoundSeq < seq:
		// A new credential is what a paused account waits for.
		rec := a.rec
		rec.State, rec.Code, rec.Reason, rec.Since, rec.BoundSeq, rec.Off = Running, "", "", at, seq, nil
		a.resume, a.listed = "", nil
		if t, err = m.putAccount(a, rec); err != nil {
			return nil, err
		}
		for _, l := range a.lanes {
			in := Input{Event: Bind, At: StampOf(time.Now()), Seq: seq, WantAt: at}
			if t, err = m.step(l, l.rec.Rev, in); err != nil {
				return nil, err
			}
			l.fails = 0
			m.reschedule(l)
		}
	}
	if s != nil && a.rec.BoundSeq == seq {
		for _, l := range a.lanes {
			m.mark(l, seq, at)
		}
	}
	return t, nil
}

// unbind drops a connection and its lanes. Read again, an old one drops nothing.
func (m *Manager) unbind(k AccountKey, seq ledger.Seq) (*stream.Ticket, error) {
	a := m.table.account(k)
	if a == nil || a.rec.BoundSeq >= seq {
		return nil, nil
	}
	for _, l := range a.lanes {
		delete(m.dirty, l)
		if s := m.sinks[k.Sink]; s != nil {
			s.queue.remove(l)
		}
	}
	t, err := m.enqueue(change{Drop: &k})
	if err != nil {
		return nil, err
	}
	m.table.drop(k)
	for _, l := range a.lanes {
		m.tally(l)
	}
	m.signal()
	return t, nil
}

// concern marks the lanes that an event may change.
func (m *Manager) concern(p ledger.ProfileID, e *ledger.Event, seq ledger.Seq, at Stamp) {
	for _, a := range m.table.accounts[p] {
		s := m.sinks[a.rec.Sink]
		if s == nil {
			continue
		}
		entities, all := s.provider.Concerns(e)
		if all {
			for _, l := range a.lanes {
				m.mark(l, seq, at)
			}
			continue
		}
		if a.resume != "" && e.View != ledger.Shared && e.View != a.resume {
			continue // another resume is sent
		}
		for _, name := range entities {
			if l := m.ensureLane(s, a, name); l != nil {
				m.mark(l, seq, at)
			}
		}
	}
}

// mark notes that a commit is to be delivered. It is recorded by the lane's next claim,
// or by the next flush; until then the cursor stays before it.
func (m *Manager) mark(l *lane, seq ledger.Seq, at Stamp) {
	if seq <= l.want || seq <= l.rec.AckedSeq {
		return
	}
	l.want = seq
	l.wantAt = firstOf(l.wantAt, at)
	if l.first == 0 {
		l.first, l.marked = seq, StampOf(time.Now())
		m.dirty[l] = struct{}{}
	}
	m.reschedule(l)
}

// flushing records wishes that stay, moves the cursor, and compacts. When nothing
// changes it writes nothing.
func (m *Manager) flushing(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := m.flush(ctx); err != nil && ctx.Err() == nil {
			m.fail(err)
			return
		}
	}
}

func (m *Manager) flush(ctx context.Context) error {
	now := StampOf(time.Now())
	m.mu.Lock()
	m.forget(now.Time())
	if err := m.countDay(); err != nil {
		m.mu.Unlock()
		return err
	}
	for l := range m.dirty {
		if l.busy || now < l.marked.Add(wishAge) {
			continue
		}
		in := Input{Event: Wish, At: now, Seq: l.want, WantAt: firstOf(l.rec.WantAt, l.wantAt)}
		if _, err := m.step(l, l.rec.Rev, in); err != nil {
			m.mu.Unlock()
			return err
		}
	}
	move := m.target().Seq > m.table.cursor.Seq
	due := m.written > max(compactAt, 8*m.table.lanes)
	m.mu.Unlock()
	if move {
		m.opt.Probe(BeforeCursor, Key{})
		m.mu.Lock()
		err := m.advance()
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	m.compacting.Lock()
	err := m.compact(ctx)
	m.compacting.Unlock()
	if err != nil {
		// Nothing is lost by it: the stream is longer than it needs to be.
		m.log.Warn("sinks: compacting the lanes", "error", err)
	}
	return nil
}

// countDay records how many calls accounts have made today. The mutex is held.
func (m *Manager) countDay() error {
	for a, b := range m.counted {
		delete(m.counted, a)
		rec := a.rec
		if rec.Day, rec.Calls = StampOf(b.day), b.calls; a.gone || rec.Day == a.rec.Day && rec.Calls == a.rec.Calls {
			continue
		}
		if _, err := m.enqueue(change{Account: &rec}); err != nil {
			return err
		}
		a.rec = rec
	}
	return nil
}

// target is where the cursor may stand: at the last commit before the oldest unrecorded
// wish. The mutex is held.
func (m *Manager) target() cursorRecord {
	cur := cursorRecord{Lineage: m.opt.Ledger.Lineage(), Seq: m.position, Hash: m.posHash, Sinks: m.followed()}
	for l := range m.dirty {
		if l.first-1 < cur.Seq {
			cur.Seq, cur.Hash = l.first-1, ledger.Hash{}
		}
	}
	return cur
}

// advance moves the cursor there, if that is further on. The mutex is held.
func (m *Manager) advance() error {
	cur := m.target()
	if cur.Seq <= m.table.cursor.Seq {
		return nil
	}
	_, err := m.setCursor(cur)
	return err
}
