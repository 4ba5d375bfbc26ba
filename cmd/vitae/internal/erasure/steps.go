package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// step is one part of an erasure. It may be done twice. What it finds goes into the
// record, which is stored behind it.
type step struct {
	name string
	do   func(ctx context.Context, r *record) error
}

func (e *Erasures) steps() []step {
	return []step{
		{"count", e.count},
		{"key", e.destroy},
		{"api-keys", e.endKeys},
		{"lanes", e.lanes},
		{"purge", e.purgeLanes},
		{"local", e.local},
	}
}

// carry takes the steps that are not done. nil when the erasure is through, whoever did it.
func (e *Erasures) carry(ctx context.Context, p ledger.ProfileID) error {
	r, err := e.pending(ctx, p)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if r == nil || r.did("key") {
		// Each instance for itself: what was sealed here with a key from memory, after another
		// one had destroyed it, is taken out.
		if err := e.cfg.Vault.Destroy(ctx, p); err != nil {
			return err
		}
	}
	if r == nil {
		return e.own(ctx, p)
	}
	for _, s := range e.steps() {
		if r.did(s.name) {
			continue
		}
		e.cfg.Probe(s.name, p)
		if err := s.do(ctx, r); err != nil {
			return fmt.Errorf("step %s: %w", s.name, err)
		}
		r.Done = append(r.Done, s.name)
		if err := e.keep(ctx, r); err != nil {
			return err
		}
	}
	e.cfg.Probe("receipt", p)
	return e.finish(ctx, r)
}

// own purges this instance's files of a profile whose erasure another one has finished.
func (e *Erasures) own(ctx context.Context, p ledger.ProfileID) error {
	s, err := e.Status(ctx, p)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.Receipt == nil {
		return fmt.Errorf("%w: the record came back", ledger.ErrConflict)
	}
	return e.local(ctx, &record{Profile: p, Seq: s.Receipt.Seq})
}

// count notes what there is before it is destroyed.
func (e *Erasures) count(ctx context.Context, r *record) error {
	h, err := e.cfg.Vault.Holdings(ctx, r.Profile)
	r.Held = &h
	return err
}

func (e *Erasures) destroy(ctx context.Context, r *record) error {
	if err := e.cfg.Vault.Destroy(ctx, r.Profile); err != nil {
		return err
	}
	if _, err := e.cfg.Vault.Digest(r.Profile, "erasure"); !errors.Is(err, ledger.ErrErased) {
		return fmt.Errorf("the key was destroyed and still works: %v", err)
	}
	return nil
}

func (e *Erasures) endKeys(ctx context.Context, r *record) (err error) {
	r.APIKeys, err = e.cfg.Keys.Erase(ctx, r.Profile)
	return err
}

// lanesPatience is how long one try waits for the sinks.
const lanesPatience = time.Minute

func (e *Erasures) lanes(ctx context.Context, r *record) (err error) {
	ctx, cancel := context.WithTimeout(ctx, lanesPatience)
	defer cancel()
	r.Providers, err = e.cfg.Lanes.Erased(ctx, r.Profile, r.Seq)
	return err
}

// purgeLanes has the lanes rewritten. That costs as much as all lanes take up, so the
// erasures that wait share it, and it takes a tenth of the time at most.
func (e *Erasures) purgeLanes(ctx context.Context, r *record) error {
	return e.purge.join(ctx, r.Profile, e.cfg.Lanes.Purge)
}

// purge is the rewriting of the lanes that erasures share.
type purge struct {
	mu      sync.Mutex // held by who rewrites
	next    time.Time
	waiting struct {
		sync.Mutex
		profiles map[ledger.ProfileID]bool
	}
}

// pausePerPurge is how much longer than a rewriting the pause behind it is.
const pausePerPurge = 9

func (g *purge) join(ctx context.Context, p ledger.ProfileID, do func(context.Context, ...ledger.ProfileID) error) error {
	g.waiting.Lock()
	if g.waiting.profiles == nil {
		g.waiting.profiles = map[ledger.ProfileID]bool{}
	}
	g.waiting.profiles[p] = true
	g.waiting.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting.Lock()
	mine := g.waiting.profiles[p]
	g.waiting.Unlock()
	if !mine {
		return nil // who rewrote while this one waited has taken it along
	}
	if d := time.Until(g.next); d > 0 {
		wait(ctx, d)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	g.waiting.Lock()
	var all []ledger.ProfileID
	for one := range g.waiting.profiles {
		all = append(all, one)
	}
	g.waiting.Unlock()
	began := time.Now()
	if err := do(ctx, all...); err != nil {
		return err
	}
	g.next = time.Now().Add(pausePerPurge * time.Since(began))
	g.waiting.Lock()
	for _, one := range all {
		delete(g.waiting.profiles, one)
	}
	g.waiting.Unlock()
	return nil
}

func (e *Erasures) local(ctx context.Context, r *record) error {
	for _, l := range e.cfg.Local {
		if err := l.Purge(ctx, r.Profile, r.Seq); err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	return nil
}

// finish stores the receipt, then takes the record out.
func (e *Erasures) finish(ctx context.Context, r *record) error {
	receipt := &Receipt{Profile: r.Profile, Seq: r.Seq, Commit: r.Commit, Time: r.Time, Hash: r.Hash, Erased: true, Proof: fmt.Sprintf("/v1/log/proof?seq=%d", r.Seq),
		Completed: e.cfg.Now().UTC().Truncate(time.Millisecond), Providers: r.Providers, Remains: remains(),
		Destroyed: Destroyed{Key: true, Secrets: r.Held.Secrets, Files: r.Held.Files, APIKeys: r.APIKeys, Purged: []string{"keys", "files", "lanes"}}}
	for _, l := range e.cfg.Local {
		receipt.Destroyed.Purged = append(receipt.Destroyed.Purged, l.Name)
	}
	if receipt.Providers == nil {
		receipt.Providers = []sinks.Ended{}
	}
	text, err := receipt.Text()
	if err != nil {
		return err
	}
	note, err := e.cfg.Signer.SignText(text)
	if err != nil {
		return err
	}
	b, err := json.Marshal(stored{V: recordVersion, Text: text, Note: string(note)})
	if err != nil {
		return err
	}
	if err := e.putReceipt(ctx, r, b); err != nil {
		return err
	}
	e.cfg.Probe("end", r.Profile)
	if err := e.cfg.Pending.Delete(ctx, r.Profile.String()); err != nil {
		return err
	}
	e.cfg.Log.Info("a profile was erased", "profile", r.Profile, "seq", r.Seq)
	return nil
}

// putReceipt stores a receipt, unless that of the same event is there.
func (e *Erasures) putReceipt(ctx context.Context, r *record, b []byte) error {
	_, err := e.cfg.Receipts.Create(ctx, r.Profile.String(), b)
	if !errors.Is(err, ledger.ErrExists) {
		return err
	}
	entry, err := e.cfg.Receipts.Get(ctx, r.Profile.String())
	if err != nil {
		return err
	}
	var old stored
	if err := json.Unmarshal(entry.Value, &old); err != nil {
		return fmt.Errorf("a stored receipt: %w", ledger.ErrFormat)
	}
	if receipt, err := Parse(old.Text); err != nil || receipt.Hash == r.Hash {
		return err
	}
	_, err = e.cfg.Receipts.Update(ctx, r.Profile.String(), b, entry.Revision)
	return err
}
