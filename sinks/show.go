package sinks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
)

// Settings are what a bound event says about a connection.
type Settings struct {
	Account string // the account at the provider; "" when it has none
	Resume  string // the resume that is sent
}

// SettingsOf reads the connection to a provider from an opened state. ok is false when
// there is none.
func SettingsOf(p *ledger.Profile, provider string) (s Settings, ok bool, err error) {
	cell, ok := p.Connections[provider]
	if !ok {
		return s, false, nil
	}
	var v struct {
		Account  string `json:"account"`
		Settings struct {
			Resume string `json:"resume"`
		} `json:"settings"`
	}
	if err := json.Unmarshal(cell.Value, &v); err != nil {
		return s, true, fmt.Errorf("connection to %s: %w", provider, ledger.ErrFormat)
	}
	s = Settings{Account: v.Account, Resume: v.Settings.Resume}
	if s.Resume == "" {
		s.Resume = ledger.Base
	}
	return s, true, nil
}

// ResumeOf gives the resume that the connection to a provider names; ok is false when it
// is not there. The error wraps ledger.ErrNotFound when there is no connection.
func ResumeOf(p *ledger.Profile, provider string) (resume string, ok bool, err error) {
	settings, connected, err := SettingsOf(p, provider)
	switch {
	case err != nil:
		return "", false, err
	case !connected:
		return "", false, fmt.Errorf("connection: %w", ledger.ErrNotFound)
	}
	return settings.Resume, p.Resumes[settings.Resume] != nil, nil
}

// Sinks shows every sink that runs.
func (m *Manager) Sinks(ctx context.Context) ([]Sink, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	out := []Sink{}
	for _, name := range m.names {
		s, err := m.Sink(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Sink shows one. ledger.ErrNotFound when it does not run.
func (m *Manager) Sink(ctx context.Context, name string) (Sink, error) {
	s, err := m.sinkOf(name)
	if err != nil {
		return Sink{}, err
	}
	if err := m.await(ctx); err != nil {
		return Sink{}, err
	}
	head, err := m.opt.Ledger.Head(ctx)
	if err != nil {
		return Sink{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.gauge(name, head.Seq, head.Time, time.Now())
	v := Sink{Name: name, State: m.sinkState(name), Health: m.health(s, g, time.Now()), OldestSeconds: g.oldest, UnknownTypes: s.counts.unknown,
		NoOpRatio: s.counts.ratio(), Drifted: s.drifted, LagEvents: g.lag, FreshnessSeconds: g.fresh, Lanes: g.lanes, Accounts: g.accounts,
		PausedAccounts: g.paused, SkippedUnchanged: s.counts.skipped, Parked: g.lanes[Parked], Uncertain: g.lanes[Uncertain],
		Rate: s.rateView(time.Now()), LastError: s.last}
	for _, n := range s.counts.calls {
		v.Calls += n
	}
	return v, nil
}

// gauges are the numbers that are counted at the moment of the question.
type gauges struct {
	lag              uint64
	fresh            float64
	lanes            map[Phase]int
	oldest           map[Phase]float64
	accounts, paused int
}

func (m *Manager) gauge(name string, head ledger.Seq, headAt, now time.Time) gauges {
	g := gauges{lanes: map[Phase]int{}, oldest: map[Phase]float64{}}
	for _, p := range Phases() {
		g.lanes[p] = 0
	}
	if head > m.position {
		g.lag = uint64(head - m.position)
		g.fresh = max(0, now.Sub(headAt).Seconds())
	}
	for _, list := range m.table.accounts {
		for _, a := range list {
			if a.rec.Sink != name {
				continue
			}
			g.accounts++
			if a.rec.State == Paused {
				g.paused++
			}
			for _, l := range a.lanes {
				g.lanes[l.rec.Phase]++
				if at := l.rec.Since; at != 0 && l.rec.Phase != Idle {
					g.oldest[l.rec.Phase] = max(g.oldest[l.rec.Phase], now.Sub(at.Time()).Seconds())
				}
				if l.resting() {
					continue
				}
				g.lag++
				if at := l.oldest(); at != 0 {
					g.fresh = max(g.fresh, now.Sub(at.Time()).Seconds())
				}
			}
		}
	}
	return g
}

// ratio is the part of all looks that needed no call.
func (c *counters) ratio() float64 {
	if c.looks == 0 {
		return 0
	}
	return float64(c.skipped) / float64(c.looks)
}

// stalledAfter is how long something may wait without a call that succeeds before the sink
// is said to stand still.
const stalledAfter = 5 * time.Minute

// health says how a sink is. The mutex is held.
func (m *Manager) health(s *sink, g gauges, now time.Time) Health {
	switch {
	case m.sinkState(s.provider.Name()) == Paused:
		return HealthPaused
	case g.lag == 0:
		return HealthIdle
	case s.breaker.row > 0 || s.breaker.open(now) > 0:
		return HealthFailing
	case g.fresh > stalledAfter.Seconds() && now.Sub(s.good) > stalledAfter:
		return HealthStalled
	}
	return HealthActive
}

// rateView is the bucket that has the least left.
func (s *sink) rateView(now time.Time) RateView {
	v := RateView{Limit: s.rate.PerMinute, Remaining: s.rate.PerMinute}
	for _, b := range s.buckets {
		if one := b.view(now); one.Remaining < v.Remaining || one.ResetSeconds > v.ResetSeconds && one.Remaining == v.Remaining {
			v = one
		}
	}
	return v
}

// Metrics gives the numbers of every sink that runs.
func (m *Manager) Metrics(ctx context.Context) ([]Metrics, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	head, err := m.opt.Ledger.Head(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Metrics
	for _, name := range m.names {
		s := m.sinks[name]
		g := m.gauge(name, head.Seq, head.Time, now)
		v := Metrics{Sink: name, Paused: m.sinkState(name) == Paused, LagEvents: g.lag, FreshnessSeconds: g.fresh, Lanes: g.lanes, OldestSeconds: g.oldest,
			PausedAccounts: g.paused, Calls: maps.Clone(s.counts.calls), SkippedUnchanged: s.counts.skipped, Uncertain: s.counts.uncertain,
			ParkedTotal: s.counts.parked, UnknownTypes: s.counts.unknown, BucketTokens: float64(s.rateView(now).Remaining)}
		v.NoOpRatio, v.Health, v.Drifted, v.Orphans = s.counts.ratio(), m.health(s, g, now), s.drifted, s.counts.orphans
		v.Resolved, v.Renewals = maps.Clone(s.counts.resolved), maps.Clone(s.counts.renewals)
		out = append(out, v)
	}
	return out, nil
}

// Position is the last commit that was taken in.
func (m *Manager) Position() ledger.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position
}

// Connections shows a profile's connections, by provider. It reads its own writes: a
// commit that the sinks have not taken in yet makes the connection pending. Errors are
// those of States.
func (m *Manager) Connections(ctx context.Context, profile ledger.ProfileID) ([]Connection, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	p, err := m.opt.States.Profile(ctx, profile, 0)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []Connection{}
	for _, provider := range slices.Sorted(maps.Keys(p.Connections)) {
		settings, _, err := SettingsOf(p, provider)
		if err != nil {
			return nil, err
		}
		out = append(out, m.connection(p, provider, settings.Account))
	}
	return out, nil
}

func (m *Manager) connection(p *ledger.Profile, provider, account string) Connection {
	c := Connection{Provider: provider, Account: account, HeadSeq: p.Seq, State: InSync, Lanes: []Lane{}}
	a := m.table.account(AccountKey{provider, p.ID})
	switch {
	case m.sinks[provider] == nil:
		c.State, c.Reason = ConnectionPaused, "this sink does not run"
		return c
	case a == nil || a.rec.BoundSeq < p.Connections[provider].Seq:
		c.State = Pending
		return c
	}
	worst := func(s ConnectionState) {
		order := []ConnectionState{InSync, Pending, ConnectionPaused, ConnectionDoubtful, ConnectionParked}
		if slices.Index(order, s) > slices.Index(order, c.State) {
			c.State = s
		}
	}
	c.AcknowledgedSeq = p.Seq
	if m.position < p.Seq {
		worst(Pending)
		c.AcknowledgedSeq = 0
		for _, l := range a.lanes {
			c.AcknowledgedSeq = max(c.AcknowledgedSeq, l.rec.AckedSeq)
		}
	}
	for _, l := range a.lanes {
		c.Lanes = append(c.Lanes, laneView(l))
		if l.clean() {
			continue
		}
		c.AcknowledgedSeq = min(c.AcknowledgedSeq, l.rec.AckedSeq)
		switch {
		case l.rec.Phase == Parked && l.resting():
			worst(ConnectionParked)
		case l.rec.Phase == Uncertain, l.rec.Phase == Taken:
			worst(ConnectionDoubtful)
		default:
			worst(Pending)
		}
	}
	if a.rec.State == Paused {
		worst(ConnectionPaused)
		c.Reason = a.rec.Reason
	} else if m.sinkState(provider) == Paused {
		worst(ConnectionPaused)
		c.Reason = "the sink is paused"
	}
	slices.SortFunc(c.Lanes, func(x, y Lane) int { return strings.Compare(x.Entity, y.Entity) })
	return c
}

func laneView(l *lane) Lane {
	r := &l.rec
	v := Lane{Entity: r.Entity, Class: r.Class, Phase: r.Phase, WantSeq: max(l.want, r.WantSeq), AckedSeq: r.AckedSeq, Attempts: r.Attempts,
		LastError: r.Last, ProviderRef: r.Ref, Since: r.Since.Time()}
	v.Verify, v.PinnedTo = r.Verify, r.More().Pin
	switch {
	case r.Phase == RetryWait:
		at := r.NotBefore.Time()
		v.NextAt = &at
	case r.Phase == Uncertain, r.Phase == Taken:
		at := r.SettleUntil.Time()
		v.NextAt = &at
	}
	return v
}

// Journal gives the last rows of a profile's lanes at a sink, by entity, the oldest
// first. Older rows are in the stream, as far back as it goes: see ReadJournal.
func (m *Manager) Journal(ctx context.Context, name string, profile ledger.ProfileID) (map[string][]Row, error) {
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string][]Row{}
	if a := m.table.account(AccountKey{name, profile}); a != nil {
		for _, l := range a.lanes {
			out[l.rec.Entity] = slices.Clone(l.rows)
		}
	}
	return out, nil
}
