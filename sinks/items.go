package sinks

import (
	"maps"
	"slices"
	"time"

	"vitae/ledger"
)

// listing is what a section had when it was last read, brought up to date with what was
// created and deleted since. It is in memory only, and only for a while.
type listing struct {
	at    time.Time
	items []Listed
}

// listingAge is how long a listing may stand for the section: what somebody else makes
// there meanwhile is not seen. A doubt is never settled by it.
const listingAge = time.Minute

// listingWait is how long to wait before asking again whether another lane has read the
// section.
const listingWait = 20 * time.Millisecond

// rootFirst is the head start of the root over the lanes that it has found: a connection's
// first calls are about the profile as a whole.
const rootFirst = 100 * time.Millisecond

// survey gives the account the lanes that the state has something for. The mutex is held.
func (v *visit) survey(p *ledger.Profile, seq ledger.Seq, at Stamp) error {
	if v.pin != 0 {
		return nil
	}
	for _, e := range v.s.entities[1:] {
		if v.l.acct.lane(e.Name) != nil {
			continue
		}
		there := false
		if e.Items != "" {
			items, err := v.s.provider.Items(e.Name, p)
			if err != nil {
				return err
			}
			there = len(items) > 0
		} else {
			payload, err := v.s.provider.Build(e.Name, p, Have{})
			there = err != nil || payload.Body != nil // an error is the lane's own
		}
		if there {
			l := v.m.ensureLane(v.s, v.l.acct, e.Name)
			l.hold = time.Now().Add(rootFirst)
			v.m.mark(l, seq, at)
		}
	}
	return nil
}

// gather brings a section's items to their lanes. It says whether all of them are at
// rest, and gives the provider's ids of those that are there. The mutex is held.
func (v *visit) gather(section string, items []string, seq ledger.Seq, at Stamp) (refs map[string]string, rest bool) {
	a, wanted := v.l.acct, make(map[string]bool, len(items))
	for _, id := range items {
		wanted[id] = true
		l := v.m.ensureLane(v.s, a, ItemEntity(section, id))
		if v.pin == 0 && l.rec.More().Pin == 0 && l.rec.Ref == "" && l.rec.Verify == VerifyNone {
			v.m.mark(l, seq, at)
		}
	}
	refs, rest = map[string]string{}, true
	for _, l := range a.lanes {
		in, item := SplitEntity(l.rec.Entity)
		if in != section || item == "" {
			continue
		}
		// What was brought to an earlier state stays there until it is edited.
		if free := v.pin == 0 && l.rec.More().Pin == 0; free && l.rec.Ref != "" && (!wanted[item] || l.rec.AckedHash == 0 && l.clean()) {
			v.m.mark(l, seq, at)
		}
		rest = rest && l.resting()
		if wanted[item] && l.rec.Ref != "" {
			refs[item] = l.rec.Ref
		}
	}
	return refs, rest
}

// awaken sets a section in motion that waits for this item. The mutex is held.
func (m *Manager) awaken(item *lane) {
	section, id := SplitEntity(item.rec.Entity)
	if id == "" || !item.resting() {
		return
	}
	if l := item.acct.lane(section); l != nil && l.await {
		l.await, l.hold = false, time.Time{}
		m.reschedule(l)
	}
}

// owned are the provider's ids that other lanes of the section stand for. The mutex is held.
func (v *visit) owned() map[string]bool {
	section, _ := SplitEntity(v.rec.Entity)
	out := map[string]bool{}
	for _, l := range v.l.acct.lanes {
		if in, item := SplitEntity(l.rec.Entity); in == section && item != "" && l != v.l && l.rec.Ref != "" {
			out[l.rec.Ref] = true
		}
	}
	return out
}

// taken says that another lane is sure to stand for the item.
func (v *visit) taken(ref string) bool {
	section, _ := SplitEntity(v.rec.Entity)
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	return slices.ContainsFunc(v.l.acct.lanes, func(l *lane) bool {
		in, item := SplitEntity(l.rec.Entity)
		return in == section && item != "" && l != v.l && l.rec.Ref == ref && !l.rec.More().Unsure
	})
}

// list gives what the section holds: from memory if it was read a moment ago and fresh is
// not asked for. ok is false when it could not be read; the lane is put off then, or parked
// when the account may not read it: what cannot be looked up is not made. seq is what the
// lane is about to deliver.
func (v *visit) list(r Lister, fresh bool, seq ledger.Seq) (items []Listed, ok bool) {
	section, _ := SplitEntity(v.rec.Entity)
	v.m.mu.Lock()
	known, others := v.l.acct.listed[section], v.l.acct.listing[section]
	if !fresh && known != nil && time.Since(known.at) < listingAge {
		items = known.items // what it shows is never changed, but another lane may replace it
		v.m.mu.Unlock()
		return items, true
	}
	if others && !fresh { // another lane is reading it
		v.l.hold = time.Now().Add(listingWait)
		v.m.mu.Unlock()
		return nil, false
	}
	if v.l.acct.listing == nil {
		v.l.acct.listing = map[string]bool{}
	}
	v.l.acct.listing[section] = true
	v.m.mu.Unlock()
	defer func() {
		v.m.mu.Lock()
		delete(v.l.acct.listing, section)
		v.m.mu.Unlock()
	}()
	if !v.admit() {
		return nil, false
	}
	at := time.Now()
	ctx, cancel := v.timeout()
	c := v.call(section)
	if v.rec.Phase != Uncertain {
		c.Attempt = ID{} // none was made yet
	}
	items, out := r.List(ctx, c)
	cancel()
	v.book(out)
	v.m.opt.Probe(AfterList, v.rec.Key)
	switch out.Verdict {
	case Applied:
	case CapabilityOff, Refused, TargetGone:
		why := section + " cannot be read, so it is not known what is there: " + out.Fault.Message
		if v.rec.Phase == Uncertain {
			v.giveUp(ParkUncertain, why, 0)
		} else {
			v.parkUnsent(seq, ParkUnreadable, why)
		}
		return nil, false
	default:
		v.unread(out)
		return nil, false
	}
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	if v.l.acct.listed == nil {
		v.l.acct.listed = map[string]*listing{}
	}
	v.l.acct.listed[section] = &listing{at: at, items: items}
	v.m.reading[v.l.acct] = struct{}{}
	return items, true
}

// listedNow keeps the listing true after one of our own calls; a call in doubt ends it.
func (v *visit) listedNow(out Outcome) {
	section, item := SplitEntity(v.rec.Entity)
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	known := v.l.acct.listed[section]
	if item == "" || known == nil {
		return
	}
	switch {
	case out.Verdict != Applied && out.Verdict != Unchanged:
		delete(v.l.acct.listed, section)
	case v.rec.Verb == VerbCreate:
		known.items = append(slices.Clip(known.items), Listed{Ref: out.Ref})
	case v.rec.Verb == VerbDelete:
		known.items = slices.DeleteFunc(slices.Clone(known.items), func(l Listed) bool { return l.Ref == v.rec.Ref })
	}
}

// forget drops listings that are too old, and buckets that nobody has asked for long. The
// mutex is held.
func (m *Manager) forget(now time.Time) {
	if now.Sub(m.swept) > bucketAge {
		m.swept = now
		for _, s := range m.sinks {
			maps.DeleteFunc(s.buckets, func(_ [32]byte, b *bucket) bool { return b.idle(now) })
		}
	}
	for a := range m.reading {
		for section, known := range a.listed {
			if now.Sub(known.at) >= listingAge {
				delete(a.listed, section)
			}
		}
		if len(a.listed) == 0 {
			delete(m.reading, a)
		}
	}
}

// candidates are the items that look like what the lane sent (or would send), and that no
// other lane stands for.
func (v *visit) candidates(items []Listed, echo Digest, mapping int, not func(ref string) bool) ([]string, error) {
	v.m.mu.Lock()
	owned := v.owned()
	v.m.mu.Unlock()
	var out []string
	for _, it := range items {
		if it.Ref == "" || owned[it.Ref] || not(it.Ref) || it.Echo == nil {
			continue
		}
		_, got, err := v.hashes(Payload{Echo: it.Echo, Mapping: mapping})
		if err != nil {
			return nil, err
		}
		if got == echo {
			out = append(out, it.Ref)
		}
	}
	return out, nil
}

// recheck looks whether the item that the lane stands for is there, in an account that
// was connected (again) since. done says that nothing more is to be done now: the section
// cannot be read, or the item is what it should be.
func (v *visit) recheck(seq ledger.Seq, payload Payload, hash, echo Digest) (done bool) {
	ref := v.rec.Ref
	if r, can := v.s.provider.(Lister); can && ref != "" {
		items, ok := v.list(r, false, seq)
		if !ok {
			return true
		}
		i := slices.IndexFunc(items, func(l Listed) bool { return l.Ref == ref })
		switch {
		case i < 0, v.taken(ref):
			ref = ""
		case !payload.Absent:
			same, err := v.candidates(items[i:i+1], echo, payload.Mapping, func(string) bool { return false })
			if err != nil {
				v.fault("hashing the body", err)
				return true
			}
			if len(same) > 0 {
				return v.adopt(seq, payload, hash, echo, ref)
			}
		}
	}
	return !v.step(Input{Event: Recheck, Ref: ref})
}

// adopt makes an item that is there already the lane's own. It is always done with it.
func (v *visit) adopt(seq ledger.Seq, payload Payload, hash, echo Digest, ref string) (done bool) {
	if v.step(Input{Event: Adopt, Seq: seq, Pin: v.pin, Hash: hash, Echo: echo, Fields: payload.Fields, Mapping: payload.Mapping, Ref: ref}) {
		v.failures(0)
		v.skipped()
	}
	return true
}

// baseline looks at the section before an item is created. An item like it that nobody
// stands for is adopted; then done is true, as it is when the section cannot be read now.
// ids is what was there; nil when the provider has no way to tell.
func (v *visit) baseline(seq ledger.Seq, payload Payload, hash, echo Digest) (ids *Names, done bool) {
	r, can := v.s.provider.(Lister)
	if !can {
		return nil, false
	}
	items, ok := v.list(r, false, seq)
	if !ok {
		return nil, true
	}
	found, err := v.candidates(items, echo, payload.Mapping, func(string) bool { return false })
	if err != nil {
		v.fault("hashing the body", err)
		return nil, true
	}
	if len(found) > 0 {
		return nil, v.adopt(seq, payload, hash, echo, found[0])
	}
	refs := make([]string, len(items))
	for i, it := range items {
		refs[i] = it.Ref
	}
	names := NamesOf(refs...)
	return &names, false
}
