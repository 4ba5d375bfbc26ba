package sinks

import (
	"slices"
	"time"

	"vitae/ledger"
)

// section plans the items of a section, and their order.
func (w *planner) section(e Entity) error {
	items, err := w.s.provider.Items(e.Name, w.state)
	if err != nil {
		return err
	}
	known := w.known(e.Name)
	if len(items) == 0 && len(known) == 0 {
		return nil
	}
	if e.Items == ClassD {
		for _, l := range known {
			if l.rec.done() {
				w.out.NotRepeated = append(w.out.NotRepeated, l.rec.Entity)
			}
		}
		slices.Sort(w.out.NotRepeated)
		return nil
	}
	r, can := w.s.provider.(Lister)
	if !can {
		return w.unlisted(e, items, known)
	}
	if err := w.token(); err != nil {
		return err
	}
	ctx, cancel := w.timeout()
	held, out := r.List(ctx, w.call(e.Name))
	cancel()
	w.book(out)
	if out.Verdict != Applied {
		return w.unreadable(e.Name, out)
	}
	before := len(w.out.Operations)
	refs, taken, err := w.items(e.Name, items, known, held)
	if err != nil {
		return err
	}
	for _, l := range known {
		_, id := SplitEntity(l.rec.Entity)
		if l.rec.Ref == "" || slices.Contains(items, id) {
			continue
		}
		taken[l.rec.Ref] = true
		if i := find(held, l.rec.Ref); i >= 0 {
			w.look(l.rec.Entity)
			w.operate(VerbDelete, "extra", Payload{}, 0, changes(held[i].Echo, nil), 1)
		}
	}
	for _, it := range held {
		if !taken[it.Ref] {
			w.count(&w.out.Foreign, e.Name, 1)
		}
	}
	if len(w.out.Operations) > before {
		w.out.Requests++ // the section is read before anything is made in it
	}
	return w.order(e.Name, items, refs, held, len(w.out.Operations) > before)
}

// known are the section's item lanes as they stand.
func (w *planner) known(section string) (out []lane) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	for _, l := range w.l.acct.lanes {
		if in, item := SplitEntity(l.rec.Entity); in == section && item != "" {
			out = append(out, lane{rec: l.rec, want: l.want})
		}
	}
	return out
}

func find(held []Listed, ref string) int {
	return slices.IndexFunc(held, func(l Listed) bool { return l.Ref == ref })
}

// items compares what should be there with what is: refs are the provider's ids of those
// that are there, taken all ids that an item stands for.
func (w *planner) items(section string, items []string, known []lane, held []Listed) (refs map[string]string, taken map[string]bool, err error) {
	refs, taken = map[string]string{}, map[string]bool{}
	for _, l := range known {
		if l.rec.Ref != "" && find(held, l.rec.Ref) >= 0 {
			taken[l.rec.Ref] = true
		}
	}
	for _, id := range items {
		w.look(ItemEntity(section, id))
		ref := w.rec.Ref
		at := -1
		if ref != "" {
			at = find(held, ref)
		}
		payload, hash, echo, ok, err := w.build(Have{Fields: w.rec.Fields.List(), Ref: ref, Anew: w.rec.More().Anew})
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		equal := func(it Listed) (bool, error) {
			_, seen, err := w.hashes(Payload{Echo: it.Echo, Mapping: payload.Mapping})
			return err == nil && seen == echo, err
		}
		if at >= 0 {
			same, err := equal(held[at])
			if err != nil {
				return nil, nil, err
			}
			refs[id] = ref
			if !same {
				w.operate(VerbUpdate, "differs", payload, hash, changes(held[at].Echo, payload.Echo), 1)
			}
			continue
		}
		adopted := ""
		for _, it := range held {
			same, err := equal(it)
			if err != nil {
				return nil, nil, err
			}
			if same && !taken[it.Ref] {
				adopted = it.Ref
				break
			}
		}
		if adopted != "" {
			refs[id], taken[adopted] = adopted, true
			continue // the lane's next look adopts it
		}
		w.operate(VerbCreate, "missing", payload, hash, changes(nil, payload.Echo), 1)
	}
	return refs, taken, nil
}

// order plans the section's own body. After creates and deletes it is sent by itself.
func (w *planner) order(section string, items []string, refs map[string]string, held []Listed, moved bool) error {
	w.look(section)
	payload, hash, _, ok, err := w.build(Have{Fields: w.rec.Fields.List(), Refs: refs})
	if err != nil || !ok || payload.Body == nil {
		return err
	}
	var want, got []string
	for _, id := range items {
		if ref := refs[id]; ref != "" {
			want = append(want, ref)
		}
	}
	for _, it := range held {
		if slices.Contains(want, it.Ref) {
			got = append(got, it.Ref)
		}
	}
	if moved {
		w.out.Requests++
	}
	if !slices.Equal(want, got) {
		w.operate(VerbSet, "order", payload, hash, nil, 1)
	}
	return nil
}

// unlisted plans a section that cannot be read: by what was last acknowledged.
func (w *planner) unlisted(e Entity, items []string, known []lane) error {
	for _, id := range items {
		w.look(ItemEntity(e.Name, id))
		payload, hash, _, ok, err := w.build(Have{Fields: w.rec.Fields.List(), Ref: w.rec.Ref, Anew: w.rec.More().Anew})
		if err != nil {
			return err
		}
		if ok && hash != w.rec.AckedHash {
			verb := VerbUpdate
			if w.rec.Ref == "" {
				verb = VerbCreate
			}
			w.operate(verb, "unread", payload, hash, nil, 1)
		}
	}
	for _, l := range known {
		if _, id := SplitEntity(l.rec.Entity); l.rec.Ref != "" && !slices.Contains(items, id) {
			w.look(l.rec.Entity)
			w.operate(VerbDelete, "unread", Payload{}, 0, nil, 1)
		}
	}
	return nil
}

// ask takes a token for a reading call, or says how long to wait.
func (w *planner) ask() (ok bool, wait time.Duration, err error) {
	secret, err := w.m.opt.Vault.Secret(w.ctx, w.out.Profile, "credential."+w.s.provider.Name())
	if err != nil {
		return false, 0, err
	}
	w.cred = secret
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if w.m.stopping {
		return false, 0, ledger.ErrUnavailable
	}
	ok, wait, _ = w.enter(time.Now())
	return ok, wait, nil
}
