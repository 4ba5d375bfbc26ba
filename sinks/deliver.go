package sinks

import (
	"context"
	"errors"
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
		if v.rec.Phase == Uncertain {
			v.resolve()
		} else {
			v.deliver()
		}
	}
	m.mu.Lock()
	s.busy--
	l.busy = false
	m.reschedule(l)
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
	t, err := v.m.step(v.l, v.rec.Rev, in)
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

// deliver brings the provider to the newest state, if it is not there.
func (v *visit) deliver() {
	m := v.m
	p, err := m.opt.States.Profile(v.ctx, v.rec.Profile, v.want)
	if err != nil {
		v.fault("reading the state", err)
		return
	}
	settings, connected, err := SettingsOf(p, v.rec.Sink)
	switch {
	case err != nil:
		v.fault("reading the connection", err)
		return
	case !connected || p.Connections[v.rec.Sink].Seq != v.bound:
		v.hold(behindWait) // the connection has changed: the intake will come to it
		return
	}
	v.acct = settings.Account
	// The state covers every commit up to want, also those of others.
	seq := max(p.Seq, v.want)
	m.mu.Lock()
	v.s.counts.looks++
	if v.l.early {
		v.l.early = false
	}
	m.mu.Unlock()
	payload, err := v.s.provider.Build(v.rec.Entity, p, v.rec.Fields.List())
	if why := (*Unsendable)(nil); errors.As(err, &why) {
		v.parkUnsent(seq, why.Why)
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
	if payload.Body == nil || hash == v.rec.AckedHash {
		if v.step(Input{Event: NoChange, Seq: seq}) {
			m.mu.Lock()
			v.s.counts.skipped++
			v.l.fails = 0
			m.mu.Unlock()
		}
		return
	}
	switch {
	case v.rec.Phase == Parked && hash == v.rec.SentHash:
		v.step(Input{Event: Stay, Seq: seq})
		return
	case v.rec.Phase == Parked:
		if !v.step(Input{Event: Supersede}) {
			return
		}
	case v.rec.Phase == RetryWait && hash == v.rec.SentHash && v.rec.Spent(time.Now(), v.s.cfg.MaxAttempts):
		v.step(Input{Event: Exhaust, Park: v.park(ParkExhausted, "the budget of attempts is spent")})
		return
	}
	if !v.admit() {
		return
	}
	v.send(seq, payload, hash, echo)
}

// parkUnsent parks a state that the provider cannot hold. The same reason again is the
// same parked edit.
func (v *visit) parkUnsent(seq ledger.Seq, why string) {
	park := v.park(ParkUnsendable, why)
	if old := v.rec.Park; old != nil && old.Code == park.Code && old.Reason == park.Reason {
		park = old
	}
	v.step(Input{Event: Hold, Seq: seq, Park: park, Fault: &Fault{Type: ParkUnsendable, Message: why, Sent: SentNo}})
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
func (v *visit) send(seq ledger.Seq, payload Payload, hash, echo Digest) {
	m, now := v.m, time.Now()
	m.opt.Probe(BeforeIntent)
	lease := now.Add(v.s.cfg.Timeout + time.Second)
	attempt := NewID(now)
	if !v.step(Input{Event: Claim, Seq: seq, WantAt: v.oldest(seq), Attempt: attempt, Owner: m.run, LeaseUntil: StampOf(lease), Hash: hash, Echo: echo,
		Fields: payload.Fields, Mapping: payload.Mapping}) {
		v.release()
		return
	}
	m.opt.Probe(AfterIntent)
	// The process may have been stopped for a long while at any point up to here.
	if why := v.mayNotCall(lease); why != "" {
		v.release()
		v.step(Input{Event: Postpone, NotBefore: StampOf(time.Now()), Free: true, Fault: &Fault{Type: "not_sent", Message: why, Sent: SentNo}})
		return
	}
	m.opt.Probe(BeforeCall)
	ctx, cancel := context.WithTimeout(v.ctx, v.s.cfg.Timeout)
	out := v.s.provider.Call(ctx, Call{Entity: v.rec.Entity, Account: v.acct, Credential: v.cred, Body: payload.Body, Attempt: attempt})
	cancel()
	m.opt.Probe(AfterReply)
	v.book(out)
	v.finish(out)
	m.opt.Probe(AfterResult)
}

// oldest is the time of the oldest commit that is not delivered, for a claim up to seq.
func (v *visit) oldest(ledger.Seq) Stamp {
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

// finish stores what a call came to. It is stored even when the process is stopping.
func (v *visit) finish(out Outcome) {
	fault := &out.Fault
	now := time.Now()
	switch out.Verdict {
	case Applied, Unchanged:
		in := Input{Event: Succeed, Verify: ProviderSaid, Ref: out.Ref}
		if v.s.cfg.Verify {
			v.verify(&in)
		}
		if v.step(in) {
			v.failures(0)
		}
	case NotSent:
		v.step(Input{Event: Postpone, NotBefore: StampOf(now.Add(v.backoff())), Free: true, Fault: fault})
	case Throttled:
		wait := out.RetryAfter
		if wait <= 0 {
			wait = throttledWait
		}
		v.step(Input{Event: Postpone, NotBefore: StampOf(now.Add(wait)), Free: true, Fault: fault})
	case Busy:
		wait := out.RetryAfter
		if wait <= 0 {
			wait = 5*time.Second + time.Duration(v.m.opt.Random()*float64(5*time.Second))
		}
		v.step(Input{Event: Postpone, NotBefore: StampOf(now.Add(wait)), Fault: fault})
	case Refused:
		v.step(Input{Event: Refuse, Fault: fault, Park: v.park(ParkRefused, out.Fault.Message)})
	case AccountError:
		v.stepAnd(Input{Event: Postpone, NotBefore: StampOf(now), Free: true, Fault: fault}, func() (*stream.Ticket, error) {
			return v.pauseLocked(out.Fault.Type, out.Fault.Message)
		})
	case SinkError:
		v.stepAnd(Input{Event: Postpone, NotBefore: StampOf(now), Free: true, Fault: fault}, func() (*stream.Ticket, error) {
			t, err := v.m.setSink(v.rec.Sink, Paused, out.Fault.Message)
			v.m.rescheduleSink(v.rec.Sink)
			return t, err
		})
	default:
		v.failures(1)
		v.step(Input{Event: LoseSight, Until: StampOf(now.Add(v.s.settle)), Fault: fault})
	}
}

// verify reads back what was just written, if a token is at hand.
func (v *visit) verify(in *Input) {
	r, ok := v.s.provider.(Reader)
	if !ok {
		return
	}
	v.m.mu.Lock()
	wait := v.b.take(time.Now())
	v.m.mu.Unlock()
	if wait > 0 {
		return
	}
	echo, out := v.read(r)
	if out.Verdict != Applied {
		return
	}
	in.Echo = echo
	if echo == v.rec.SentEcho {
		in.Verify = ReadBack
	}
}

// read makes one reading call and books it.
func (v *visit) read(r Reader) (Digest, Outcome) {
	ctx, cancel := context.WithTimeout(v.ctx, v.s.cfg.Timeout)
	body, out := r.Read(ctx, Call{Entity: v.rec.Entity, Account: v.acct, Credential: v.cred, Fields: v.rec.Fields.List(), Attempt: v.rec.Attempt})
	cancel()
	v.book(out)
	if out.Verdict != Applied {
		return 0, out
	}
	_, echo, err := v.hashes(Payload{Echo: body, Mapping: v.rec.Mapping})
	if err != nil {
		return 0, Outcome{Verdict: Unknown, Fault: Fault{Type: "no_key", Message: "the profile's key cannot be read"}}
	}
	return echo, out
}

// resolve ends a doubt whose settle window is over. It never repeats the stored request:
// it reads what is there, or lets the newest body be sent.
func (v *visit) resolve() {
	v.m.opt.Probe(InResolve)
	policy, _ := PolicyOf(v.rec.Class)
	r, readable := v.s.provider.(Reader)
	again := time.Now()
	if policy.ReadBack && readable && v.rec.SentEcho != 0 {
		if !v.connected() || !v.admit() {
			return
		}
		echo, out := v.read(r)
		v.m.opt.Probe(AfterRead)
		switch {
		case out.Verdict == Applied && echo == v.rec.SentEcho:
			if v.step(Input{Event: Recognise, Verify: ReadBack, Echo: echo}) {
				v.failures(0)
			}
			return
		case out.Verdict == AccountError:
			v.pauseAccount(out.Fault.Type, out.Fault.Message)
			return
		case out.Verdict == Throttled:
			v.hold(max(out.RetryAfter, time.Second))
			return
		case out.Verdict != Applied && policy.Doubt != DoubtResend:
			v.hold(v.backoff())
			return
		case out.Verdict != Applied:
			again = again.Add(v.backoff())
		}
	} else {
		again = again.Add(v.backoff())
	}
	if policy.Doubt == DoubtResend {
		v.step(Input{Event: Settle, NotBefore: StampOf(again)})
	}
}

// connected reads the account's name for a call that needs no new state.
func (v *visit) connected() bool {
	p, err := v.m.opt.States.Profile(v.ctx, v.rec.Profile, v.bound)
	if err != nil {
		v.fault("reading the state", err)
		return false
	}
	settings, ok, err := SettingsOf(p, v.rec.Sink)
	if err != nil {
		v.fault("reading the connection", err)
		return false
	}
	if !ok || p.Connections[v.rec.Sink].Seq != v.bound {
		v.hold(behindWait)
		return false
	}
	v.acct = settings.Account
	return true
}

// pauseAccount stops every lane of the account until somebody acts. Nothing is lost.
func (v *visit) pauseAccount(code, why string) {
	v.m.mu.Lock()
	t, err := v.pauseLocked(code, why)
	v.m.mu.Unlock()
	if err == nil {
		// An error has ended the run.
		_ = v.m.stored(v.ctx, t)
	}
}

func (v *visit) pauseLocked(code, why string) (*stream.Ticket, error) {
	a := v.l.acct
	// A connection that was set meanwhile has another credential: it is not the one that failed.
	if a.gone || a.rec.BoundSeq != v.bound || a.rec.State == Paused {
		return nil, nil
	}
	v.m.log.Warn("sinks: account paused", "sink", v.rec.Sink, "profile", v.rec.Profile, "error", code)
	return v.m.setAccount(a, Paused, intern(code), intern(why))
}
