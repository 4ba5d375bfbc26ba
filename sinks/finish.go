package sinks

import (
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// finish stores what a call came to. It is stored even when the process is stopping.
func (v *visit) finish(a attempt, out Outcome) {
	v.listedNow(out)
	fault := &out.Fault
	now := time.Now()
	later := func(wait time.Duration, free bool) {
		v.step(Input{Event: Postpone, NotBefore: StampOf(now.Add(wait)), Free: free, Fault: fault})
	}
	refuse := func(code string) {
		v.step(Input{Event: Refuse, Fault: fault, Park: v.park(code, out.Fault.Message)})
	}
	switch out.Verdict {
	case Applied, Unchanged:
		v.succeed(a, out)
	case Accepted:
		v.accept(out)
	case NotSent:
		later(v.backoff(), true)
	case Throttled:
		later(v.b.wait(now), true)
	case Busy:
		if out.Most > 0 && v.rec.Attempts >= out.Most {
			refuse(ParkExhausted)
			return
		}
		wait := out.RetryAfter
		if wait <= 0 {
			wait = 5*time.Second + time.Duration(v.m.opt.Random()*float64(5*time.Second))
		}
		later(wait, a.verb == VerbAppend) // an append has one attempt, and this was none
	case Refused:
		refuse(ParkRefused)
	case TargetGone:
		refuse(ParkTargetGone)
	case CapabilityOff:
		v.stepAnd(Input{Event: Refuse, Fault: fault, Park: v.park(ParkCapability, out.Fault.Message)}, v.switchOff)
	case StepGone:
		v.m.count(v.s, func(c *counters) { c.orphans++ })
		v.step(Input{Event: Postpone, NotBefore: StampOf(now.Add(v.backoff())), Restart: true, Fault: fault})
	case AccountError:
		if out.RetryAfter > 0 && v.young() && v.rec.Attempts <= 1 {
			later(out.RetryAfter, false) // a fresh token may take a moment
			return
		}
		switch v.renew() {
		case renewed:
			later(0, true)
			return
		case renewLater:
			later(v.backoff(), true)
			return
		}
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

// typeNoID is the fault of a create that was done, by an answer that does not name the item.
const typeNoID = "no_id"

// young says that the connection was set less than a minute ago.
func (v *visit) young() bool {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	return time.Since(v.l.acct.rec.Since.Time()) < time.Minute
}

// succeed stores that a call did what it should: the next step is due, or all is done.
func (v *visit) succeed(a attempt, out Outcome) {
	if i := slices.Index(a.payload.Steps, a.step); i >= 0 && i < len(a.payload.Steps)-1 {
		in := Input{Event: Advance}
		if out.Result != nil {
			sealed, err := v.m.opt.Vault.Seal(v.rec.Profile, ledger.CommitID(v.rec.Attempt), ledger.ReasonIndex, out.Result)
			if err != nil {
				// Without it the next step cannot be made; the call is made again.
				v.m.log.Warn("sinks: sealing the result of a step", "sink", v.rec.Sink, "profile", v.rec.Profile, "error", err)
				v.step(Input{Event: Postpone, NotBefore: StampOf(time.Now().Add(v.backoff())), Fault: &Fault{Type: "no_key", Message: "the profile's key cannot be used", Sent: SentYes}})
				return
			}
			in.Result = sealed
		}
		v.step(in)
		return
	}
	if a.verb == VerbCreate && out.Ref == "" {
		// It is there, and only the section says under which id: nothing can land late.
		v.step(Input{Event: LoseSight, Until: StampOf(time.Now()),
			Fault: &Fault{HTTP: out.Fault.HTTP, Type: typeNoID, Message: "the answer does not say which item was made", Sent: SentYes}})
		return
	}
	in := Input{Event: Succeed, Verify: ProviderSaid, Ref: out.Ref}
	if v.s.cfg.Verify || v.rec.More().Learn {
		v.verify(&in)
	}
	if v.step(in) {
		v.failures(0)
	}
}

// The waits for what a provider has accepted.
const (
	acceptedFirst = 5 * time.Second
	acceptedLong  = 15 * time.Minute
)

func (v *visit) accept(out Outcome) {
	wait := acceptedLong
	if _, can := v.s.provider.(Reader); can && v.rec.Class != ClassD {
		wait = acceptedFirst
	}
	v.step(Input{Event: Accept, Ref: out.Ref, Task: out.Task, Until: StampOf(time.Now().Add(wait))})
}

// switchOff notes that the account may not do edits of the lane's kind. The mutex is held.
func (v *visit) switchOff() (*stream.Ticket, error) {
	a := v.l.acct
	capability, _ := SplitEntity(v.rec.Entity)
	if a.gone || a.rec.BoundSeq != v.bound || slices.Contains(a.rec.Off, capability) {
		return nil, nil
	}
	rec := a.rec
	rec.Off = append(slices.Clone(rec.Off), capability)
	v.m.log.Warn("sinks: an account may not do this kind of edit", "sink", v.rec.Sink, "profile", v.rec.Profile, "kind", capability)
	return v.m.putAccount(a, rec)
}

// verify reads back what was just written, if a token is at hand.
func (v *visit) verify(in *Input) {
	r, ok := v.s.provider.(Reader)
	if _, item := SplitEntity(v.rec.Entity); !ok || item != "" {
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
	ctx, cancel := v.timeout()
	reading, out := r.Read(ctx, v.call(v.rec.Entity))
	cancel()
	v.book(out)
	if out.Verdict != Applied {
		return 0, out
	}
	_, echo, err := v.hashes(Payload{Echo: reading.Echo, Mapping: v.rec.Mapping})
	if err != nil {
		return 0, Outcome{Verdict: Unknown, Fault: Fault{Type: "no_key", Message: "the profile's key cannot be read"}}
	}
	return echo, out
}

// skipped counts a look that needed no call.
func (v *visit) skipped() { v.m.count(v.s, func(c *counters) { c.skipped++ }) }

func (m *Manager) count(s *sink, f func(*counters)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&s.counts)
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
