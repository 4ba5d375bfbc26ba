package sinks

import (
	"context"
	"errors"
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// The waits of this package's own making.
const (
	backoffBase   = 2 * time.Second
	backoffLong   = 10 * time.Minute
	faultWait     = time.Second            // after a fault on our side
	behindWait    = 100 * time.Millisecond // for a connection that is on its way to the intake
	throttledWait = time.Minute            // when a 429 does not say how long
)

// attend is one look of a worker at a lane that is due. Only the dispatcher makes lanes
// busy, and only this ends it: within a lane everything is serial.
func (m *Manager) attend(ctx context.Context, s *sink, l *lane) {
	m.mu.Lock()
	s.busy++
	v := &visit{m: m, s: s, l: l, rec: l.rec, want: l.want, bound: l.acct.rec.BoundSeq, ctx: ctx}
	live := !l.gone && !m.stopping && m.fatal == nil && l.acct.rec.State == Running && m.sinkState(l.rec.Sink) == Running
	m.mu.Unlock()
	if live {
		switch v.rec.Phase {
		case Uncertain:
			v.resolve()
		case Taken:
			v.confirm()
		default:
			v.deliver()
		}
	}
	m.mu.Lock()
	s.busy--
	l.busy = false
	m.reschedule(l)
	m.awaken(l)
	m.signal()
	m.mu.Unlock()
}

// visit is what a worker knows while it works on a lane.
type visit struct {
	m     *Manager
	s     *sink
	l     *lane
	ctx   context.Context // ends when a stop runs out of patience
	rec   Record          // as this worker last saw or made it
	want  ledger.Seq
	bound ledger.Seq
	b     *bucket
	pin   ledger.Seq // the state is this commit's
	cred  []byte
	acct  string
}

// hold puts the lane off without a transition: nothing has happened to it.
func (v *visit) hold(d time.Duration) {
	v.m.mu.Lock()
	v.l.hold = time.Now().Add(d)
	v.m.mu.Unlock()
}

// step moves the lane and waits until that is stored; ok is false when it did not come
// to pass: the lane is gone, somebody else moved it, or the run is over.
func (v *visit) step(in Input) (ok bool) { return v.stepAnd(in, nil) }

// stepAnd is step with something more to store together with it, under the same lock.
func (v *visit) stepAnd(in Input, more func() (*stream.Ticket, error)) (ok bool) {
	in.At = StampOf(time.Now())
	if in.Fault != nil {
		f := *in.Fault
		f.At = in.At
		f.intern()
		in.Fault = &f
	}
	v.m.mu.Lock()
	if in.WantAt == 0 && in.Event != Claim {
		in.WantAt = v.l.wantAt
	}
	if (in.Event == Adopt || in.Event == Recognise) && in.Ref != "" && v.owned()[in.Ref] {
		// Another lane was faster: it stands for that item, and this one looks again.
		v.l.hold = time.Now().Add(listingWait)
		v.m.mu.Unlock()
		return false
	}
	rev := v.rec.Rev
	switch in.Event {
	case Succeed, Postpone, Refuse, LoseSight, Advance, Accept:
		// What came of the call counts, also when the connection was set or a newer edit was
		// noted while it was under way.
		if now := &v.l.rec; now.Phase == InFlight && now.Attempt == v.rec.Attempt {
			rev = now.Rev
		}
	}
	t, err := v.m.step(v.l, rev, in)
	if err == nil {
		v.rec = v.l.rec
		if more != nil {
			var t2 *stream.Ticket
			if t2, err = more(); t2 != nil {
				t = t2
			}
		}
	}
	v.m.mu.Unlock()
	if err == nil {
		err = v.m.stored(v.ctx, t)
	}
	if errors.Is(err, ErrArrow) {
		v.m.fail(err)
	}
	return err == nil
}

// deliver brings the provider to the wanted state, if it is not there.
func (v *visit) deliver() {
	m := v.m
	p, seq, ok := v.state()
	if !ok {
		return
	}
	m.mu.Lock()
	v.s.counts.looks++
	v.l.early = false
	m.mu.Unlock()
	have, ok := v.have(p, seq)
	if !ok {
		return
	}
	payload, err := v.s.provider.Build(v.rec.Entity, p, have)
	if why := (*Unsendable)(nil); errors.As(err, &why) {
		v.parkUnsent(seq, ParkUnsendable, why.Why)
		return
	}
	if err != nil {
		v.fault("building the body", err)
		return
	}
	hash, echo, err := v.hashes(payload)
	if err != nil {
		v.fault("hashing the body", err)
		return
	}
	if v.same(payload, hash) {
		if v.step(Input{Event: NoChange, Seq: seq, Pin: v.pin}) {
			v.failures(0)
			v.skipped()
		}
		return
	}
	if !v.unpark(seq, hash) {
		return
	}
	if v.rec.More().Unsure && v.recheck(seq, payload, hash, echo) {
		return
	}
	if v.same(payload, hash) { // the item to be deleted is not there
		if v.step(Input{Event: NoChange, Seq: seq, Pin: v.pin}) {
			v.skipped()
		}
		return
	}
	a := attempt{seq: seq, payload: payload, hash: hash, echo: echo, verb: v.verb(payload)}
	a.step = v.nextStep(a)
	if a.verb == VerbAppend && v.maybeDone(seq) {
		return
	}
	if a.verb == VerbCreate {
		var done bool
		if a.baseline, done = v.baseline(seq, payload, hash, echo); done {
			return
		}
	}
	if !v.admit() {
		return
	}
	v.send(a)
}

// state gives the state that the lane wants, and the commits that it stands for.
func (v *visit) state() (p *ledger.Profile, seq ledger.Seq, ok bool) {
	m := v.m
	p, err := m.opt.States.Profile(v.ctx, v.rec.Profile, v.want)
	if err != nil {
		v.fault("reading the state", err)
		return nil, 0, false
	}
	settings, connected, err := SettingsOf(p, v.rec.Sink)
	switch {
	case err != nil:
		v.fault("reading the connection", err)
		return nil, 0, false
	case !connected || p.Connections[v.rec.Sink].Seq != v.bound:
		v.hold(behindWait) // the connection has changed: the intake will come to it
		return nil, 0, false
	}
	v.acct = settings.Account
	m.mu.Lock()
	if a := v.l.acct; a.rec.BoundSeq == v.bound {
		a.resume = settings.Resume
	}
	m.mu.Unlock()
	// The state covers every commit up to want, also those of others.
	seq = max(p.Seq, v.want)
	if v.rec.More().Pin == 0 || v.want > v.rec.More().Pinned {
		return p, seq, true
	}
	v.pin = v.rec.More().Pin
	old, err := m.opt.States.ProfileAt(v.ctx, v.rec.Profile, v.pin)
	if err != nil {
		v.fault("reading an earlier state", err)
		return nil, 0, false
	}
	// The account is today's, whatever the connection was then. What comes after the
	// wish is newer, and ends the pin.
	old.Connections = p.Connections
	return old, v.want, true
}

// have is what the provider holds as far as we know. A root gives its account the lanes
// that it needs; a section waits for its items first.
func (v *visit) have(p *ledger.Profile, seq ledger.Seq) (have Have, ok bool) {
	m := v.m
	have = Have{Fields: v.rec.Fields.List(), Ref: v.rec.Ref, Anew: v.rec.More().Anew}
	section, item := SplitEntity(v.rec.Entity)
	i := slices.IndexFunc(v.s.entities, func(e Entity) bool { return e.Name == section })
	if i > 0 && (item != "" || v.s.entities[i].Items == "") {
		return have, true
	}
	var items []string
	if i > 0 {
		var err error
		if items, err = v.s.provider.Items(section, p); err != nil {
			v.fault("reading the items", err)
			return have, false
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v.l.gone {
		return have, false
	}
	at := v.l.oldest()
	if i <= 0 {
		if err := v.survey(p, seq, at); err != nil {
			m.log.Warn("sinks: reading the items", "sink", v.rec.Sink, "profile", v.rec.Profile, "error", err)
			v.l.hold = time.Now().Add(faultWait)
			return have, false
		}
		return have, true
	}
	var rest bool
	if have.Refs, rest = v.gather(section, items, seq, at); !rest {
		v.l.await, v.l.hold = true, time.Now().Add(time.Hour) // an item that comes to rest ends it
	}
	return have, rest
}

// same says that the provider has the payload, as far as we know.
func (v *visit) same(p Payload, hash Digest) bool {
	if policy, _ := PolicyOf(v.rec.Class); policy.Once && v.rec.done() {
		return true
	}
	switch {
	case p.Absent:
		return v.rec.Ref == ""
	case v.rec.More().Unsure:
		return false
	}
	// The order of fewer than two items is nothing to send, whatever the order was before.
	section, item := SplitEntity(v.rec.Entity)
	order := item == "" && slices.ContainsFunc(v.s.entities, func(e Entity) bool { return e.Name == section && e.Items != "" })
	return hash == v.rec.AckedHash || (order || v.rec.AckedHash == 0) && p.Body == nil && len(p.Clears) == 0
}

// unpark says whether the lane may go on with this body: not if it is the parked one,
// may not be done in this account, or has used up its budget.
func (v *visit) unpark(seq ledger.Seq, hash Digest) bool {
	v.m.mu.Lock()
	capability, _ := SplitEntity(v.rec.Entity)
	off := slices.Contains(v.l.acct.rec.Off, capability)
	v.m.mu.Unlock()
	switch {
	case off:
		v.parkUnsent(seq, ParkCapability, "this account may not do edits of this kind: set the connection again, or retry, when that has changed")
		return false
	case v.rec.Phase == Parked && hash == v.rec.SentHash:
		v.step(Input{Event: Stay, Seq: seq})
		return false
	case v.rec.Phase == Parked:
		return v.step(Input{Event: Supersede})
	case v.rec.Phase == RetryWait && hash == v.rec.SentHash && v.rec.Spent(time.Now(), v.s.cfg.MaxAttempts):
		v.step(Input{Event: Exhaust, Park: v.park(ParkExhausted, "the budget of attempts is spent")})
		return false
	}
	return true
}

func (v *visit) verb(p Payload) Verb {
	switch {
	case v.rec.Class == ClassD:
		return VerbAppend
	case v.rec.Class != ClassC:
		return VerbSet
	case p.Absent:
		return VerbDelete
	case v.rec.Ref == "":
		return VerbCreate
	}
	return VerbUpdate
}

// attempt is one call that is to be made.
type attempt struct {
	seq        ledger.Seq
	payload    Payload
	hash, echo Digest
	verb       Verb
	step       string // "" when there is only one
	baseline   *Names
}

// nextStep is the first step that is not done; what was done for another body counts for
// nothing.
func (v *visit) nextStep(a attempt) string {
	done := v.rec.More().Steps
	if a.hash != v.rec.SentHash || a.verb != v.rec.Verb {
		done = nil
	}
	for _, name := range a.payload.Steps {
		if !slices.ContainsFunc(done, func(s StepDone) bool { return s.Name == name }) {
			return name
		}
	}
	return ""
}

// parkUnsent parks a state that is not sent. The same reason again is the same parked
// edit.
func (v *visit) parkUnsent(seq ledger.Seq, code, why string) {
	park := v.park(code, why)
	if old := v.rec.Park; old != nil && old.Code == park.Code && old.Reason == park.Reason {
		park = old
	}
	v.step(Input{Event: Hold, Seq: seq, Pin: v.pin, Park: park, Fault: &Fault{Type: code, Message: why, Sent: SentNo}})
}

func (v *visit) park(code, why string) *Park {
	now := time.Now()
	return &Park{ID: NewID(now), Code: code, Reason: intern(why), Since: StampOf(now)}
}

// fault is trouble on our own side: nothing is said about the lane.
func (v *visit) fault(doing string, err error) {
	if v.ctx.Err() == nil && !errors.Is(err, ledger.ErrErased) && !errors.Is(err, ledger.ErrNotFound) {
		v.m.log.Warn("sinks: "+doing, "sink", v.rec.Sink, "profile", v.rec.Profile, "error", err)
	}
	v.hold(faultWait)
}

// send makes the one call of an attempt: intent before it, result after it.
func (v *visit) send(a attempt) {
	m, now := v.m, time.Now()
	m.opt.Probe(BeforeIntent, v.rec.Key)
	results, err := v.results(a)
	if err != nil {
		v.release()
		v.fault("opening what was done", err)
		return
	}
	lease := now.Add(v.s.cfg.Timeout + time.Second)
	id := NewID(now)
	if !v.step(Input{Event: Claim, Seq: a.seq, Pin: v.pin, WantAt: v.oldest(), Attempt: id, Owner: m.run, LeaseUntil: StampOf(lease), Hash: a.hash, Echo: a.echo,
		Fields: a.payload.Fields, Mapping: a.payload.Mapping, Verb: a.verb, Step: a.step, Baseline: a.baseline}) {
		v.release()
		return
	}
	m.opt.Probe(AfterIntent, v.rec.Key)
	// The process may have been stopped for a long while at any point up to here.
	if why := v.mayNotCall(lease); why != "" {
		v.release()
		v.step(Input{Event: Postpone, NotBefore: StampOf(time.Now()), Free: true, Fault: &Fault{Type: "not_sent", Message: why, Sent: SentNo}})
		return
	}
	m.opt.Probe(BeforeCall, v.rec.Key)
	c := v.call(v.rec.Entity)
	c.Body, c.Clears, c.Step, c.Results = a.payload.Body, a.payload.Clears, a.step, results
	ctx, cancel := v.timeout()
	out := v.s.provider.Call(ctx, c)
	cancel()
	if out.Verdict == TargetGone && a.verb == VerbDelete { // what should be gone is gone
		out.Verdict, out.Fault = Unchanged, Fault{}
	}
	m.opt.Probe(AfterReply, v.rec.Key)
	v.book(out)
	v.finish(a, out)
	m.opt.Probe(AfterResult, v.rec.Key)
}

func (v *visit) timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.ctx, v.s.cfg.Timeout)
}

// call is a call about the entity, as the lane stands.
func (v *visit) call(entity string) Call {
	c := Call{Entity: entity, Verb: v.rec.Verb, Account: v.acct, Profile: v.rec.Profile, Credential: v.cred, Fields: v.rec.Fields.List(), Ref: v.rec.Ref, Anew: v.rec.More().Anew, Attempt: v.rec.Attempt,
		File: func(ctx context.Context, reference string) (File, error) {
			return v.m.opt.Files(ctx, v.rec.Profile, reference)
		}}
	if v.rec.Phase == Taken {
		c.Accepted = v.rec.Sending.List()
	}
	return c
}

// results opens what the steps before this one came to.
func (v *visit) results(a attempt) (map[string][]byte, error) {
	if a.step == "" || a.hash != v.rec.SentHash || a.verb != v.rec.Verb {
		return nil, nil
	}
	out := map[string][]byte{}
	for _, s := range v.rec.More().Steps {
		if s.Result == nil {
			continue
		}
		b, err := v.m.opt.Vault.Open(v.rec.Profile, ledger.CommitID(s.Attempt), ledger.ReasonIndex, s.Result)
		if err != nil {
			return nil, err
		}
		out[s.Name] = b
	}
	return out, nil
}

// oldest is the time of the oldest commit that is not delivered.
func (v *visit) oldest() Stamp {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	return v.l.oldest()
}

func (v *visit) mayNotCall(lease time.Time) string {
	v.m.mu.Lock()
	stopping := v.m.stopping
	v.m.mu.Unlock()
	switch {
	case stopping:
		return "the process is stopping"
	case time.Until(lease) < v.s.cfg.Timeout:
		return "the lease is too short for a call"
	case !v.m.opt.Valid():
		return "this process is not the owner any more"
	}
	return ""
}
