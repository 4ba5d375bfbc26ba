package sinks

import (
	"errors"
	"slices"
	"time"

	"vitae/ledger"
)

// resolveReads is how often a section is read before a create that is not in it is taken
// never to have happened.
const resolveReads = 3

// resolve ends a doubt whose settle window is over. It never repeats the stored request:
// it reads what is there, lets the newest body be sent, or hands the doubt to a person.
func (v *visit) resolve() {
	v.m.opt.Probe(InResolve, v.rec.Key)
	if DoubtOf(v.rec.Verb) == DoubtPark {
		v.giveUp(ParkUncertain, "whether the provider took it cannot be known; it is not sent twice", 0)
		return
	}
	_, item := SplitEntity(v.rec.Entity)
	lister, canList := v.s.provider.(Lister)
	reader, canRead := v.s.provider.(Reader)
	switch {
	case v.rec.SentEcho == 0 || len(v.rec.More().Steps) > 0:
		// It went to the account before this one, or it was one request of several.
		v.settle(0)
	case item != "" && canList:
		v.resolveItem(lister)
	case item != "":
		v.settle(v.backoff())
	case canRead:
		v.resolveRead(reader)
	default:
		v.settle(v.backoff())
	}
}

// settle lets the newest body be sent; a create that cannot be looked up is a person's.
func (v *visit) settle(wait time.Duration) {
	until := StampOf(time.Now().Add(wait))
	switch {
	case DoubtOf(v.rec.Verb) == DoubtResend:
		v.step(Input{Event: Settle, NotBefore: until})
	case v.rec.SentEcho == 0:
		v.step(Input{Event: Missing, NotBefore: until})
	default:
		v.giveUp(ParkUncertain, "whether the provider made the item cannot be known: its list cannot be read", 0)
	}
}

func (v *visit) giveUp(code, why string, seen int) {
	v.step(Input{Event: GiveUp, Park: v.park(code, why), Seen: seen})
}

// resolveRead compares a standing entity with what was sent.
func (v *visit) resolveRead(r Reader) {
	if !v.connected() || !v.admit() {
		return
	}
	echo, out := v.read(r)
	v.m.opt.Probe(AfterRead, v.rec.Key)
	switch {
	case out.Verdict == Applied && echo == v.rec.SentEcho:
		if v.step(Input{Event: Recognise, Verify: ReadBack, Echo: echo}) {
			v.m.count(v.s, func(c *counters) { c.resolved["read_back"]++ })
			v.failures(0)
		}
	case out.Verdict == Applied:
		v.m.count(v.s, func(c *counters) { c.resolved["resent"]++ })
		v.settle(0)
	case out.Verdict == AccountError || out.Verdict == Throttled:
		v.unread(out)
	default:
		v.settle(v.backoff()) // sending again is harmless, and may work where reading does not
	}
}

// resolveItem looks for an item in its section.
func (v *visit) resolveItem(r Lister) {
	if !v.connected() {
		return
	}
	section, _ := SplitEntity(v.rec.Entity)
	items, ok := v.list(r, true, 0)
	if !ok {
		return
	}
	v.m.opt.Probe(AfterRead, v.rec.Key)
	if v.rec.Verb != VerbCreate {
		v.resolveKnown(items)
		return
	}
	if v.rec.More().Baseline == nil {
		v.giveUp(ParkUncertain, "what was there before the item was made is not known", 0)
		return
	}
	before := v.rec.More().Baseline.List()
	found, err := v.candidates(items, v.rec.SentEcho, v.rec.Mapping, func(ref string) bool {
		_, was := slices.BinarySearch(before, ref)
		return was
	})
	switch {
	case err != nil:
		v.fault("hashing what was read", err)
	case len(found) == 1:
		if v.step(Input{Event: Recognise, Verify: ReadBack, Ref: found[0], Seen: 1}) {
			v.m.count(v.s, func(c *counters) { c.resolved["adopted"]++ })
			v.failures(0)
		}
	case len(found) > 1:
		v.giveUp(ParkAmbiguous, "several items of the provider could be the one that was made", len(found))
	case v.rec.More().Reads+1 < resolveReads:
		v.step(Input{Event: Again, Until: StampOf(time.Now().Add(v.s.settle / 2))})
	case v.rec.Last != nil && v.rec.Last.Type == typeNoID:
		v.giveUp(ParkUncertain, "the provider said that it made the item, and does not list it", 0)
	default:
		v.m.mu.Lock()
		delete(v.l.acct.listed, section) // it is looked at again right before the next attempt
		v.m.mu.Unlock()
		if v.step(Input{Event: Missing, NotBefore: StampOf(time.Now())}) {
			v.m.count(v.s, func(c *counters) { c.resolved["absent"]++ })
		}
	}
}

// resolveKnown compares the item that the lane stands for with what was sent.
func (v *visit) resolveKnown(items []Listed) {
	i := slices.IndexFunc(items, func(l Listed) bool { return l.Ref == v.rec.Ref })
	same := i < 0
	if v.rec.Verb == VerbUpdate {
		same = false
		if i >= 0 {
			found, err := v.candidates(items[i:i+1], v.rec.SentEcho, v.rec.Mapping, func(string) bool { return false })
			if err != nil {
				v.fault("hashing what was read", err)
				return
			}
			same = len(found) > 0
		}
	}
	if !same {
		v.settle(0)
		return
	}
	if v.step(Input{Event: Recognise, Verify: ReadBack}) {
		v.m.count(v.s, func(c *counters) { c.resolved["read_back"]++ })
		v.failures(0)
	}
}

// confirm looks after something that the provider has accepted.
func (v *visit) confirm() {
	r, can := v.s.provider.(Reader)
	since := v.rec.Since.Time()
	over := time.Since(since) >= acceptedLong
	if can && v.rec.SentEcho != 0 && v.rec.Class != ClassD {
		if !v.connected() || !v.admit() {
			return
		}
		echo, out := v.read(r)
		switch {
		case out.Verdict == Applied && echo == v.rec.SentEcho:
			v.step(Input{Event: Recognise, Verify: ReadBack, Echo: echo})
			return
		case out.Verdict == AccountError || out.Verdict == Throttled:
			v.unread(out)
			return
		case !over:
			wait := min(acceptedFirst<<min(v.rec.More().Reads, 8), acceptedLong)
			v.step(Input{Event: Again, Until: StampOf(time.Now().Add(wait))})
			return
		}
	}
	v.step(Input{Event: Elapse, Verify: AcceptedOnly})
}

// unread puts a lane off that needs a read which did not come about.
func (v *visit) unread(out Outcome) {
	switch out.Verdict {
	case AccountError:
		if out.RetryAfter > 0 && v.young() && v.failures(1) == 1 {
			v.hold(out.RetryAfter) // a fresh token may take a moment
			return
		}
		switch v.renew() {
		case notRenewable:
			v.pauseAccount(out.Fault.Type, out.Fault.Message)
		case renewLater:
			v.hold(v.backoff())
		}
	case SinkError:
		v.m.mu.Lock()
		t, err := v.m.setSink(v.rec.Sink, Paused, out.Fault.Message)
		v.m.rescheduleSink(v.rec.Sink)
		v.m.mu.Unlock()
		if err == nil {
			_ = v.m.stored(v.ctx, t) // an error has ended the run
		}
	case Throttled:
		v.hold(max(v.b.wait(time.Now()), time.Second))
	default:
		v.hold(v.backoff())
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

// renewal is what came of an attempt to renew a credential.
type renewal uint8

const (
	notRenewable renewal = iota // the account needs a person
	renewed                     // there is another credential now
	renewLater                  // it could not be tried, or its outcome is unknown
)

// renewalPause is how long a fresh credential must have been good before it is renewed again.
const renewalPause = time.Minute

// renew looks for a credential that is not the one that failed: it fetches a fresh one,
// unless another worker has done so before it. Renewals of an account are made one at a
// time.
func (v *visit) renew() renewal {
	r, can := v.s.provider.(Refresher)
	if !can {
		return notRenewable
	}
	a := v.l.acct
	a.renewal.Lock()
	defer a.renewal.Unlock()
	name := "credential." + v.rec.Sink
	now, err := v.m.opt.Vault.Secret(v.ctx, v.rec.Profile, name)
	switch {
	case err != nil:
		return renewLater
	case string(now) != string(v.cred):
		return renewed
	case time.Since(a.renewed.Time()) < renewalPause:
		return notRenewable // it is fresh, and refused all the same
	}
	ctx, cancel := v.timeout()
	fresh, out := r.Refresh(ctx, now)
	cancel()
	v.m.count(v.s, func(c *counters) { c.renewals[out.Verdict.String()]++ })
	switch out.Verdict {
	case Applied:
		err := v.m.opt.Vault.ReplaceSecret(v.ctx, v.rec.Profile, name, now, fresh)
		if err != nil && !errors.Is(err, ledger.ErrConflict) {
			v.m.log.Warn("sinks: keeping a renewed credential", "sink", v.rec.Sink, "profile", v.rec.Profile, "error", err)
			return renewLater
		}
		a.renewed = StampOf(time.Now())
		return renewed
	case AccountError, Refused, SinkError:
		// Another process may have renewed it meanwhile: then ours was used up.
		if kept, err := v.m.opt.Vault.Secret(v.ctx, v.rec.Profile, name); err == nil && string(kept) != string(now) {
			return renewed
		}
		return notRenewable
	}
	return renewLater
}
