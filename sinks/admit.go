package sinks

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"vitae/ledger"
)

// hashes are of the body and of its echo, salted with the profile's key, the lane and
// the mapping.
func (v *visit) hashes(p Payload) (body, echo Digest, err error) {
	salt, err := v.m.opt.Vault.Digest(v.rec.Profile, "lane", []byte(v.rec.Sink), []byte(v.rec.Entity))
	if err != nil {
		return 0, 0, err
	}
	mapping := "|" + strconv.Itoa(p.Mapping) + "|"
	return digest(salt, mapping, p.Body), digest(salt, mapping, p.Echo), nil
}

func digest(salt [32]byte, mapping string, data []byte) Digest {
	h := xxhash.New()
	// A hash never fails to take bytes.
	_, _ = h.Write(salt[:])
	_, _ = h.WriteString(mapping)
	_, _ = h.Write(data)
	return Digest(max(h.Sum64(), 1)) // 0 is "none"
}

// admit asks for everything that a call needs besides its body: a credential, health,
// and a token. When it returns true a token is taken and the breaker knows of a call.
func (v *visit) admit() bool {
	m := v.m
	secret, err := m.opt.Vault.Secret(v.ctx, v.rec.Profile, "credential."+v.rec.Sink)
	switch {
	case errors.Is(err, ledger.ErrNotFound) && !errors.Is(err, ledger.ErrErased):
		v.pauseAccount("no_credential", "the connection has no credential")
		return false
	case err != nil:
		v.fault("opening the credential", err)
		return false
	}
	v.cred = secret
	m.mu.Lock()
	defer m.mu.Unlock()
	ok, wait, full := v.enter(time.Now())
	switch {
	case ok:
		return true
	case full:
		m.waitFor(v.b, v.l, wait)
	default:
		v.l.hold = time.Now().Add(wait)
	}
	return false
}

// enter takes a token with the visit's credential, if health allows it. If not, it says
// how long to wait, and whether that is because the bucket is empty. The mutex is held.
func (v *visit) enter(now time.Time) (ok bool, wait time.Duration, full bool) {
	if v.m.stopping {
		return false, time.Second, false
	}
	if wait := max(v.s.breaker.open(now), v.l.acct.breaker.open(now)); wait > 0 {
		return false, wait, false
	}
	v.b = v.s.bucket(sha256.Sum256(v.cred), now)
	v.b.resume(&v.l.acct.rec, now)
	if wait := v.b.take(now); wait > 0 {
		return false, wait, true
	}
	v.s.breaker.enter()
	v.l.acct.breaker.enter()
	return true, 0, false
}

// precharge books the calls that an earlier run made within the last minute: a restart is
// no way around a limit. A call of an account whose credential has changed since counts
// for the new one.
func (m *Manager) precharge(ctx context.Context) {
	now := time.Now()
	type debt struct {
		account AccountKey
		calls   int
	}
	var debts []debt
	m.mu.Lock()
	for _, name := range m.names {
		if m.sinks[name].rate.PerMinute <= 0 {
			continue
		}
		m.eachLane(name, func(l *lane) {
			d := debt{account: l.rec.Account()}
			for _, r := range l.rows {
				if r.Event == Claim && now.Sub(r.At.Time()) < time.Minute {
					d.calls++
				}
			}
			if d.calls > 0 {
				debts = append(debts, d)
			}
		})
	}
	m.mu.Unlock()
	for _, d := range debts {
		secret, err := m.opt.Vault.Secret(ctx, d.account.Profile, "credential."+d.account.Sink)
		if err != nil {
			continue // without it nothing will be called either
		}
		m.mu.Lock()
		b := m.sinks[d.account.Sink].bucket(sha256.Sum256(secret), now)
		for range d.calls {
			b.grant(now)
		}
		m.mu.Unlock()
	}
}

// bucket finds or makes the bucket of a credential.
func (s *sink) bucket(key [32]byte, now time.Time) *bucket {
	b := s.buckets[key]
	if b == nil {
		b = newBucket(s.rate, now)
		s.buckets[key] = b
	}
	return b
}

// release gives back what admit took: no call is made.
func (v *visit) release() {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	v.b.refund()
	v.s.breaker.cancel()
	v.l.acct.breaker.cancel()
}

// book tells bucket, breakers and counters how a call ended.
func (v *visit) book(out Outcome) {
	m, now := v.m, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &v.s.counts
	c.calls[out.Verdict.String()]++
	if v.b.rate.PerDay > 0 {
		m.counted[v.l.acct] = v.b
	}
	healthy := true
	switch out.Verdict {
	case Unknown:
		c.uncertain++
		healthy = false
	case NotSent:
		healthy = false
	case Throttled:
		v.b.throttled(now, out.RetryAfter, m.opt.Random())
	}
	if out.Verdict != Throttled && (healthy || out.Fault.HTTP != 0) {
		v.b.served()
	}
	if out.Verdict == Applied || out.Verdict == Unchanged || out.Verdict == Accepted {
		v.s.good = now
	}
	if out.Fault.Type == UnknownType {
		c.unknown++
	}
	if l := out.Limit; l != nil && l.Remaining <= 0 && l.Reset.After(now) && out.Verdict != Throttled {
		// Somebody else uses the key too: the next call would be refused.
		v.b.freeze(earlier(l.Reset, now.Add(throttledWait)))
	}
	if out.Verdict != Applied && out.Verdict != Unchanged && out.Verdict != Accepted {
		f := out.Fault
		f.At = StampOf(now)
		v.s.last = &f
	}
	if out.Verdict == SinkError || out.Verdict == AccountError {
		// Neither good nor bad health: nobody is called until somebody acts.
		v.s.breaker.cancel()
		v.l.acct.breaker.cancel()
		return
	}
	closed, tripped := v.s.breaker.leave(now, healthy)
	if tripped {
		m.log.Warn("sinks: the provider fails: calls wait", "sink", v.rec.Sink, "error", out.Fault.Type)
	}
	if v.l.acct.breaker == nil && !healthy {
		v.l.acct.breaker = &breaker{}
	}
	if v.l.acct.breaker != nil {
		v.l.acct.breaker.leave(now, healthy)
	}
	if closed {
		m.log.Info("sinks: the provider is back", "sink", v.rec.Sink)
		m.eachLane(v.rec.Sink, func(l *lane) {
			l.hold, l.early = time.Time{}, true
			m.reschedule(l)
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// resume takes over what an earlier run has counted today for an account.
func (b *bucket) resume(r *AccountRecord, now time.Time) {
	if b.today(now); b.rate.PerDay > 0 && r.Day == StampOf(b.day) {
		b.calls = max(b.calls, r.Calls)
	}
}

// failures counts failures in a row; 0 forgets them.
func (v *visit) failures(n int) int {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	if n == 0 {
		v.l.fails = 0
	}
	v.l.fails += n
	return v.l.fails
}

// backoff is a wait with full jitter, longer with every failure in a row.
func (v *visit) backoff() time.Duration {
	n := v.failures(1)
	return time.Duration(v.m.opt.Random() * float64(min(backoffBase<<min(n-1, 20), backoffLong)))
}
