package sinks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
)

// Target is what a recovery is about.
type Target struct {
	Sink    string
	Profile *ledger.ProfileID // nil: every profile that is connected
	To      ledger.Seq        // the state after this commit; 0: the newest
}

// Plan is what it takes to bring a provider to a state: made by reading, changing
// nothing. It is bound to what it was made from by its digest. It has personal values
// (Change) and is kept nowhere but in this process's memory, for PlanAge.
type Plan struct {
	ID     ID         `json:"id"`
	Sink   string     `json:"sink"`
	To     ledger.Seq `json:"to,omitempty"`
	MadeAt Stamp      `json:"madeAt"`
	// Digest is SHA-256, in hex, over everything that the plan stands on: two plans of an
	// unchanged world have the same.
	Digest   string        `json:"digest"`
	Profiles []ProfilePlan `json:"profiles"` // those with something to do or to say, by id
	Looked   int           `json:"looked"`   // profiles that were looked at
	// Requests is how many calls applying takes, and Minutes how long that lasts at the
	// provider's rate. Days is how many days of UTC a limit by the day spreads it over.
	Operations int     `json:"operations"`
	Requests   int     `json:"requests"`
	Minutes    float64 `json:"minutes"`
	Days       int     `json:"days"`
	State      string  `json:"state"`

	target Target
	lanes  []plannedLane
	seqs   map[ledger.ProfileID]ledger.Seq
}

// ProfilePlan is one profile's part of a plan.
type ProfilePlan struct {
	Profile    ledger.ProfileID `json:"profile"`
	Operations []Operation      `json:"operations"`
	Requests   int              `json:"requests"`
	// NotRepeated are what was done once and is not done again: entities of class D.
	NotRepeated []string `json:"notRepeated,omitempty"`
	// Foreign counts the items that the provider has and the ledger never wrote there, by
	// field or section; AtRisk counts those of them that applying would take away.
	Foreign map[string]int `json:"foreign,omitempty"`
	AtRisk  map[string]int `json:"atRisk,omitempty"`
	// Waiting says why the profile is left out: a paused account, a call under way, a
	// value that cannot be sent.
	Waiting []string `json:"waiting,omitempty"`
}

// Operation is one lane's part of a plan.
type Operation struct {
	Entity string `json:"entity"`
	Class  Class  `json:"class"`
	Verb   Verb   `json:"verb"`
	// Why: "differs" (it was read, and is something else), "missing", "extra", "order",
	// or "unread" (the provider cannot be read here: what was last sent is something else).
	Why     string   `json:"why"`
	Changes []Change `json:"changes,omitempty"`
	// Wanted is a salted digest of what will be there.
	Wanted Digest `json:"wanted"`
}

// Change is one field of an operation: what the provider has, and what it will have; nil
// is nothing. They are personal values.
type Change struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// plannedLane is what the plan stands on.
type plannedLane struct {
	Key
	Verb Verb   `json:"verb"`
	Rev  uint64 `json:"rev"`
}

// PlanAge is how long a plan can be applied. plansKept bounds how many there are.
const (
	PlanAge   = time.Hour
	plansKept = 32
)

// ErrStalePlan says that the world has moved on since the plan was made. Make it again.
var ErrStalePlan = fmt.Errorf("the plan is stale: %w", ledger.ErrConflict)

// Plan reads the provider where it can be read, and compares it with the wanted state:
// field by field, and by what it was seen to make of our own writes before, so that its
// way of writing things is no difference. Nothing is changed. Every call counts against
// the provider's rate and waits for it. Errors: ledger.ErrNotFound for a sink that does
// not run or a profile that is not connected, ledger.ErrUnavailable, and ctx's own.
func (m *Manager) Plan(ctx context.Context, t Target) (*Plan, error) {
	s, err := m.sinkOf(t.Sink)
	if err != nil {
		return nil, err
	}
	if err := m.await(ctx); err != nil {
		return nil, err
	}
	head, err := m.opt.Ledger.Head(ctx)
	if err != nil {
		return nil, err
	}
	if t.To > head.Seq {
		return nil, fmt.Errorf("commit %d is beyond the ledger's end: %w", t.To, ledger.ErrNotFound)
	}
	if err := m.until(ctx, func() bool { return m.position >= head.Seq }); err != nil {
		return nil, err
	}
	accounts := m.accountsOf(t)
	if t.Profile != nil && len(accounts) == 0 {
		return nil, fmt.Errorf("connection to %s: %w", t.Sink, ledger.ErrNotFound)
	}
	p := &Plan{ID: NewID(time.Now()), Sink: t.Sink, To: t.To, MadeAt: StampOf(time.Now()), Looked: len(accounts), State: "open", Profiles: []ProfilePlan{}, target: t,
		seqs: map[ledger.ProfileID]ledger.Seq{}}
	bills := map[[32]byte]int{}
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	work := make(chan *account)
	for range min(16, max(1, len(accounts))) {
		wg.Go(func() {
			for a := range work {
				one, err := m.planAccount(ctx, s, a, t)
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				if err == nil {
					p.add(one, bills)
				}
				mu.Unlock()
			}
		})
	}
	for _, a := range accounts {
		work <- a
	}
	close(work)
	wg.Wait()
	if first != nil {
		return nil, first
	}
	p.finish(s.rate, bills)
	m.mu.Lock()
	defer m.mu.Unlock()
	s.drifted = p.drifted()
	m.plans = slices.DeleteFunc(m.plans, func(old *Plan) bool { return time.Since(old.MadeAt.Time()) > PlanAge && old.State == "open" })
	if m.plans = append(m.plans, p); len(m.plans) > plansKept {
		m.plans = m.plans[1:]
	}
	return p, nil
}

// drifted counts what was read and is something else.
func (p *Plan) drifted() (n int) {
	for _, one := range p.Profiles {
		for _, op := range one.Operations {
			if op.Why != "unread" {
				n++
			}
		}
	}
	return n
}

// accountsOf are the connections that a target is about, by profile.
func (m *Manager) accountsOf(t Target) (out []*account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, list := range m.table.accounts {
		for _, a := range list {
			if a.rec.Sink == t.Sink && (t.Profile == nil || *t.Profile == id) {
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b *account) int { return slices.Compare(a.rec.Profile[:], b.rec.Profile[:]) })
	return out
}

// accountPlan is what planAccount has found.
type accountPlan struct {
	ProfilePlan
	seq    ledger.Seq
	lanes  []plannedLane
	bucket [32]byte
}

func (p *Plan) add(one *accountPlan, bills map[[32]byte]int) {
	if len(one.Operations)+len(one.NotRepeated)+len(one.Waiting)+len(one.Foreign) == 0 {
		return
	}
	p.Profiles = append(p.Profiles, one.ProfilePlan)
	p.seqs[one.Profile] = one.seq
	p.lanes = append(p.lanes, one.lanes...)
	p.Requests += one.Requests
	p.Operations += len(one.Operations)
	bills[one.bucket] += one.Requests
}

// finish puts everything in order, and makes bill and digest.
func (p *Plan) finish(r Rate, bills map[[32]byte]int) {
	slices.SortFunc(p.Profiles, func(a, b ProfilePlan) int { return slices.Compare(a.Profile[:], b.Profile[:]) })
	slices.SortFunc(p.lanes, func(a, b plannedLane) int {
		return cmp.Or(slices.Compare(a.Profile[:], b.Profile[:]), strings.Compare(a.Entity, b.Entity))
	})
	most := 0
	for _, n := range bills {
		most = max(most, n) // credentials have buckets of their own, and are served side by side
	}
	if r.PerMinute > 0 {
		p.Minutes = math.Ceil(10*float64(max(0, most-r.Burst))/float64(r.PerMinute)) / 10
	}
	if r.PerDay > 0 {
		p.Days = (most + r.PerDay - 1) / r.PerDay
	}
	type part struct {
		Profile    ledger.ProfileID
		Seq        ledger.Seq
		Operations []Operation
	}
	basis := struct {
		Sink  string
		To    ledger.Seq
		Parts []part
		Lanes []plannedLane
	}{Sink: p.Sink, To: p.To, Lanes: p.lanes}
	for _, one := range p.Profiles {
		bare := slices.Clone(one.Operations)
		for i := range bare {
			bare[i].Changes = nil // they are in Wanted, and no digest may be a way to guess them
		}
		basis.Parts = append(basis.Parts, part{one.Profile, p.seqs[one.Profile], bare})
	}
	b, err := json.Marshal(basis)
	if err != nil {
		panic(err) // nothing in it has no form in JSON
	}
	sum := sha256.Sum256(b)
	p.Digest = hex.EncodeToString(sum[:])
}

// planner is what is known while one account is looked at.
type planner struct {
	*visit
	out   *accountPlan
	state *ledger.Profile
}

func (m *Manager) planAccount(ctx context.Context, s *sink, a *account, t Target) (*accountPlan, error) {
	m.mu.Lock()
	root := a.lane(s.entities[0].Name)
	v := &visit{m: m, s: s, l: root, ctx: ctx, bound: a.rec.BoundSeq}
	id, paused, reason := a.rec.Profile, a.rec.State == Paused, a.rec.Reason
	if root != nil {
		v.rec = root.rec
	}
	m.mu.Unlock()
	w := &planner{visit: v, out: &accountPlan{ProfilePlan: ProfilePlan{Profile: id, Operations: []Operation{}}}}
	if root == nil {
		return w.out, nil
	}
	p, err := m.opt.States.Profile(ctx, id, 0)
	if errors.Is(err, ledger.ErrErased) || errors.Is(err, ledger.ErrNotFound) {
		return w.out, nil
	}
	if err != nil {
		return nil, err
	}
	settings, connected, err := SettingsOf(p, s.provider.Name())
	if err != nil || !connected {
		return w.out, err
	}
	w.state, w.out.seq, w.acct = p, p.Seq, settings.Account
	if t.To != 0 {
		old, err := m.opt.States.ProfileAt(ctx, id, t.To)
		if errors.Is(err, ledger.ErrNotFound) {
			w.wait("the profile was not there yet")
			return w.out, nil
		}
		if err != nil {
			return nil, err
		}
		old.Connections = p.Connections
		w.state = old
	}
	if paused {
		w.wait("the account is paused: " + reason)
		return w.out, nil
	}
	for i, e := range s.entities {
		var err error
		if e.Items != "" {
			err = w.section(e)
		} else {
			err = w.standing(e.Name)
		}
		if err != nil {
			return nil, err
		}
		if i == 0 && w.b != nil {
			w.out.bucket = sha256.Sum256(w.cred)
		}
	}
	if len(w.out.Foreign) == 0 {
		w.out.Foreign = nil
	}
	return w.out, nil
}

func (w *planner) wait(why string) { w.out.Waiting = append(w.out.Waiting, why) }

// look points the visit at an entity's lane, as it stands, without making one.
func (w *planner) look(entity string) (l *lane) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	l = w.l.acct.lane(entity)
	w.rec = Record{Key: Key{w.s.provider.Name(), w.out.Profile, entity}}
	if l != nil {
		w.rec = l.rec
	}
	return l
}

// operate adds an operation, if the lane can take it now.
func (w *planner) operate(verb Verb, why string, payload Payload, wanted Digest, changes []Change, requests int) {
	switch w.rec.Phase {
	case InFlight, Uncertain, Taken:
		w.wait(w.rec.Entity + ": a call is under way or in doubt")
		return
	}
	class := w.rec.Class
	if class == "" {
		class = w.class(w.rec.Entity)
	}
	w.out.Operations = append(w.out.Operations, Operation{Entity: w.rec.Entity, Class: class, Verb: verb, Why: why, Changes: changes, Wanted: wanted})
	w.out.lanes = append(w.out.lanes, plannedLane{Key: w.rec.Key, Verb: verb, Rev: w.rec.Rev})
	w.out.Requests += max(1, len(payload.Steps)) - 1 + requests
}

func (w *planner) class(entity string) Class {
	section, item := SplitEntity(entity)
	for _, e := range w.s.entities {
		if e.Name == section && item != "" {
			return e.Items
		}
		if e.Name == section {
			return e.Class
		}
	}
	return ""
}

// build makes an entity's payload; ok is false when there is nothing to compare.
func (w *planner) build(have Have) (p Payload, hash, echo Digest, ok bool, err error) {
	p, err = w.s.provider.Build(w.rec.Entity, w.state, have)
	if why := (*Unsendable)(nil); errors.As(err, &why) {
		w.wait(w.rec.Entity + ": " + why.Why)
		return p, 0, 0, false, nil
	}
	if err != nil {
		return p, 0, 0, false, err
	}
	hash, echo, err = w.hashes(p)
	return p, hash, echo, err == nil, err
}

// standing plans an entity that is no section.
func (w *planner) standing(entity string) error {
	w.look(entity)
	payload, hash, echo, ok, err := w.build(Have{Fields: w.rec.Fields.List(), Ref: w.rec.Ref, Anew: w.rec.More().Anew})
	if err != nil || !ok {
		return err
	}
	if payload.Body == nil && len(payload.Clears) == 0 && w.rec.AckedHash == 0 {
		return nil
	}
	r, can := w.s.provider.(Reader)
	if !can || w.rec.Class == ClassE || w.class(entity) == ClassE {
		if hash != w.rec.AckedHash {
			w.operate(VerbSet, "unread", payload, hash, nil, 1)
		}
		return nil
	}
	if err := w.token(); err != nil {
		return err
	}
	ctx, cancel := w.timeout()
	c := w.call(entity)
	c.Fields = NamesOf(append(w.rec.Fields.List(), payload.Fields...)...).List()
	now, out := r.Read(ctx, c)
	cancel()
	w.book(out)
	if out.Verdict != Applied {
		return w.unreadable(entity, out)
	}
	_, seen, err := w.hashes(Payload{Echo: now.Echo, Mapping: payload.Mapping})
	if err != nil {
		return err
	}
	// What it made of our own write last time is no difference.
	if seen == echo || hash == w.rec.AckedHash && w.rec.EchoHash != 0 && seen == w.rec.EchoHash {
		return nil
	}
	w.foreign(entity, now.Echo, payload.Echo)
	w.operate(VerbSet, "differs", payload, hash, changes(now.Echo, payload.Echo), 2) // it is read back after
	return nil
}

// unreadable leaves out what could not be read. An account or a sink that needs somebody
// is said so; other trouble fails the plan, which can be made again.
func (w *planner) unreadable(entity string, out Outcome) error {
	switch out.Verdict {
	case AccountError, SinkError, Refused, CapabilityOff, TargetGone:
		w.wait(entity + " cannot be read: " + out.Fault.Message)
		return nil
	}
	return fmt.Errorf("reading %s of profile %s: %s: %w", entity, w.out.Profile, out.Fault.Message, ledger.ErrUnavailable)
}

// token takes a place in the account's bucket, and waits for it.
func (w *planner) token() error {
	for {
		switch ok, wait, err := w.ask(); {
		case err != nil:
			return err
		case ok:
			return nil
		default:
			pause(w.ctx, wait)
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
}
