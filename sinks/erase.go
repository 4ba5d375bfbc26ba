package sinks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Ended is how a connection stood when its profile was erased. It names the provider and
// counts; it says nothing that the profile's history does not say.
type Ended struct {
	Provider  string `json:"provider"`
	Lanes     int    `json:"lanes"`
	Delivered int    `json:"delivered"` // the provider had everything
	Pending   int    `json:"pending"`   // something was to be delivered, and never will be
	Parked    int    `json:"parked"`    // it waited for a person
	// Unknown counts the lanes with a call under way or in doubt: what became of it nobody
	// will know.
	Unknown int `json:"unknown"`
	// Holds is what the provider has because of us, as far as is known: by entity, the
	// names of fields, or how many items.
	Holds []Held `json:"holds,omitempty"`
}

// Held is what a provider has of one entity, or of the items of one section.
type Held struct {
	Entity string   `json:"entity"`
	Fields []string `json:"fields,omitempty"`
	Items  int      `json:"items,omitempty"`
}

// endedRecord is Ended as it is stored, until Purge.
type endedRecord struct {
	Profile ledger.ProfileID `json:"profile"`
	Ended
}

// stood counts a connection's lanes.
func (a *account) stood() Ended {
	e := Ended{Provider: a.rec.Sink, Lanes: len(a.lanes)}
	for _, l := range a.lanes {
		switch r := &l.rec; {
		case r.Phase == InFlight, r.Phase == Uncertain, r.Phase == Taken, r.Phase == Parked && r.Park.Doubtful():
			e.Unknown++
		case r.Phase == Parked:
			e.Parked++
		case l.clean():
			e.Delivered++
		default:
			e.Pending++
		}
		e.hold(l)
	}
	return e
}

// hold adds what the provider has of a lane.
func (e *Ended) hold(l *lane) {
	section, item := SplitEntity(l.rec.Entity)
	policy, _ := PolicyOf(l.rec.Class)
	there := Held{Entity: section}
	switch {
	case policy.Once && l.rec.done(), item != "" && l.rec.Ref != "":
		there.Items = 1
	case item == "":
		there.Fields = l.rec.Fields.List()
	}
	if there.Items == 0 && len(there.Fields) == 0 {
		return
	}
	if i := slices.IndexFunc(e.Holds, func(h Held) bool { return h.Entity == section }); i >= 0 {
		e.Holds[i].Items += there.Items
		e.Holds[i].Fields = append(e.Holds[i].Fields, there.Fields...)
		return
	}
	e.Holds = append(e.Holds, there)
	slices.SortFunc(e.Holds, func(a, b Held) int { return strings.Compare(a.Entity, b.Entity) })
}

// erase drops every connection of a profile, notes how they stood, and forgets what plans
// have of it. Read again, an old erasure drops nothing. The mutex is held.
func (m *Manager) erase(p ledger.ProfileID, seq ledger.Seq) (t *stream.Ticket, err error) {
	for _, a := range slices.Clone(m.table.accounts[p]) {
		if a.rec.BoundSeq >= seq {
			continue
		}
		rec := endedRecord{Profile: p, Ended: a.stood()}
		if _, err := m.enqueue(change{Ended: &rec}); err != nil {
			return nil, err
		}
		m.table.end(rec)
		for _, l := range a.lanes {
			if l.busy {
				m.leaving[p] = append(m.leaving[p], l)
			}
		}
		if t, err = m.unbind(a.rec.AccountKey, seq); err != nil {
			return nil, err
		}
	}
	for i, plan := range m.plans {
		if _, ok := plan.seqs[p]; !ok {
			continue
		}
		// Who was shown the plan may still be reading it.
		rest := *plan
		rest.Profiles = slices.DeleteFunc(slices.Clone(plan.Profiles), func(one ProfilePlan) bool { return one.Profile == p })
		m.plans[i] = &rest
	}
	for _, a := range m.applying {
		next := 0
		rest := make([]plannedLane, 0, len(a.rec.Lanes))
		for i, l := range a.rec.Lanes {
			if l.Profile == p {
				if i >= a.next {
					a.done.Moved++
				}
				continue
			}
			if i < a.next {
				next++
			}
			rest = append(rest, l)
		}
		a.next, a.rec.Lanes = next, rest
	}
	return t, nil
}

// end notes how a connection stood, and takes its lanes out of the plans.
func (t *table) end(r endedRecord) {
	for _, plan := range t.plans {
		plan.Lanes = slices.DeleteFunc(plan.Lanes, func(l plannedLane) bool { return l.Profile == r.Profile })
	}
	list := t.ended[r.Profile]
	if i := slices.IndexFunc(list, func(e Ended) bool { return e.Provider == r.Provider }); i >= 0 {
		list[i] = r.Ended
		return
	}
	t.ended[r.Profile] = append(list, r.Ended)
}

// Erased says how an erased profile's connections stood, by provider, once the sinks have
// taken in the erasure at seq, durably, and no call for the profile is under way any more.
// After Purge it says nothing. Errors: ledger.ErrUnavailable, and ctx's own.
func (m *Manager) Erased(ctx context.Context, p ledger.ProfileID, seq ledger.Seq) ([]Ended, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	var out []Ended
	err := m.until(ctx, func() bool {
		if m.position < seq {
			return false
		}
		m.leaving[p] = slices.DeleteFunc(m.leaving[p], func(l *lane) bool { return !l.busy })
		if len(m.leaving[p]) > 0 {
			return false
		}
		delete(m.leaving, p)
		out = slices.Clone(m.table.ended[p])
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Ended) int { return strings.Compare(a.Provider, b.Provider) })
	m.mu.Lock()
	t, err := m.setCursor(m.table.cursor) // behind everything that was noted
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return out, m.stored(ctx, t)
}

// The padding that parts what is given up from what stays: more bytes than the largest
// block file of the engine (8 MiB), so that one ends among them. A file is deleted whole
// when all of it was trimmed, while the rest of one that is cut stays on the disk.
const (
	padSize = 3 << 20
	padding = 9 << 20
)

// Purge rewrites the lanes without what the profiles had there, and gives up the stream
// before that: what it held (names of items at the provider above all) is on no disk of
// the engine then. What Erased says of the profiles goes too. It costs as much as all
// lanes take up, however few the profiles are. Errors: those of a compaction; nothing is
// lost by them, and it can be asked for again.
func (m *Manager) Purge(ctx context.Context, profiles ...ledger.ProfileID) error {
	if err := m.await(ctx); err != nil {
		return err
	}
	m.compacting.Lock()
	defer m.compacting.Unlock()
	m.mu.Lock()
	for _, p := range profiles {
		delete(m.table.ended, p)
	}
	t, err := m.pad()
	m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := m.stored(ctx, t); err != nil {
		return err
	}
	return m.compact(ctx)
}

// pad writes the padding. The mutex is held.
func (m *Manager) pad() (t *stream.Ticket, err error) {
	size := min(padSize, m.opt.Blocks.Limit()-2*blockOverhead)
	pad := strings.Repeat("0", size)
	for left := padding; left > 0 && err == nil; left -= size {
		t, err = m.enqueue(change{Pad: pad})
	}
	return t, err
}

// rewriteEnded keeps what Erased says over a compaction. The mutex is held.
func (m *Manager) rewriteEnded() (t *stream.Ticket, err error) {
	for p, list := range m.table.ended {
		for _, e := range list {
			if t, err = m.enqueue(change{Ended: &endedRecord{Profile: p, Ended: e}}); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// Clearing is what becomes of one connection when its profile is emptied.
type Clearing struct {
	Provider string `json:"provider"`
	// Waits says why nothing can be sent now; "" when it can.
	Waits  string `json:"waits,omitempty"`
	Clears []Held `json:"clears"` // what is taken away there
	Stays  []Held `json:"stays"`  // what cannot be
	// Why says, by entity, why a provider does not take it.
	Why map[string]string `json:"why,omitempty"`
}

// Clearing says what emptying a profile would take away at the providers, and what would
// stay: emptied is the profile's state after it, opened. Nothing is sent or changed.
func (m *Manager) Clearing(ctx context.Context, emptied *ledger.Profile) ([]Clearing, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []Clearing{}
	for _, provider := range slices.Sorted(maps.Keys(emptied.Connections)) {
		c := Clearing{Provider: provider, Clears: []Held{}, Stays: []Held{}}
		a, s := m.table.account(AccountKey{provider, emptied.ID}), m.sinks[provider]
		switch {
		case s == nil:
			c.Waits = "this sink does not run"
		case m.sinkState(provider) == Paused:
			c.Waits = "the sink is paused"
		case a != nil && a.rec.State == Paused:
			c.Waits = "the account is paused"
		}
		if a != nil && s != nil {
			c.of(s.provider, a, emptied)
		}
		out = append(out, c)
	}
	return out, nil
}

// of looks at every lane of the account.
func (c *Clearing) of(p Provider, a *account, emptied *ledger.Profile) {
	var clears, stays Ended
	for _, l := range a.lanes {
		section, item := SplitEntity(l.rec.Entity)
		if policy, _ := PolicyOf(l.rec.Class); policy.Once {
			stays.hold(l)
			continue
		}
		payload, err := p.Build(l.rec.Entity, emptied, Have{Fields: l.rec.Fields.List(), Ref: l.rec.Ref})
		if err != nil {
			stays.hold(l)
			if why := (*Unsendable)(nil); errors.As(err, &why) {
				if c.Why == nil {
					c.Why = map[string]string{}
				}
				c.Why[section] = why.Why
			}
			continue
		}
		if item != "" {
			clears.hold(l)
			continue
		}
		left := payload.Fields
		parts := func(keep bool) *lane {
			names := slices.DeleteFunc(l.rec.Fields.List(), func(f string) bool { return slices.Contains(left, f) != keep })
			return &lane{rec: Record{Key: l.rec.Key, Class: l.rec.Class, Fields: NamesOf(names...)}}
		}
		clears.hold(parts(false))
		stays.hold(parts(true))
	}
	c.Clears, c.Stays = append(c.Clears, clears.Holds...), append(c.Stays, stays.Holds...)
}
