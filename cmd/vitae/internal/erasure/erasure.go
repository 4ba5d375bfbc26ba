package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/sinks"
)

// Ledger is the ledger as it is followed; *stream.Ledger is one.
type Ledger interface {
	Lineage() string
	Head(ctx context.Context) (stream.Head, error)
	Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
}

// Vault is what an erasure needs of the vault.
type Vault interface {
	Forget(p ledger.ProfileID)
	Holdings(ctx context.Context, p ledger.ProfileID) (vault.Holdings, error)
	Destroy(ctx context.Context, p ledger.ProfileID) error
	Digest(p ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error)
}

// Keys ends the API keys of a profile.
type Keys interface {
	Erase(ctx context.Context, p ledger.ProfileID) (int, error)
}

// Lanes is the deliveries; *sinks.Manager is one.
type Lanes interface {
	Erased(ctx context.Context, p ledger.ProfileID, seq ledger.Seq) ([]sinks.Ended, error)
	Purge(ctx context.Context, profiles ...ledger.ProfileID) error
}

// Signer signs receipts; *proof.Signer is one.
type Signer interface {
	SignText(text string) ([]byte, error)
}

// Local is something that this instance keeps beside the engine.
type Local struct {
	Name string
	// Purge returns nil once nothing of the profile, which was erased at seq, can be found
	// there. It is called again after an error.
	Purge func(ctx context.Context, p ledger.ProfileID, seq ledger.Seq) error
}

// Config is what Erasures works with.
type Config struct {
	Ledger Ledger
	Vault  Vault
	Keys   Keys
	Lanes  Lanes
	Local  []Local
	// Forget drops what is in this process's memory of a profile, the vault's cache aside.
	Forget func(p ledger.ProfileID)
	Signer Signer
	// Pending keeps erasures that are not through, Receipts those that are.
	Pending, Receipts keys.KV
	Log               *slog.Logger
	Now               func() time.Time
	// Probe is called before every step, for fault tests; nil in production.
	Probe func(step string, p ledger.ProfileID)
}

// Erasures carries erasures out. Its methods may be called from many goroutines.
type Erasures struct {
	cfg Config

	mu      sync.Mutex
	working map[ledger.ProfileID]bool
	changed chan struct{} // closed and replaced when a receipt was stored
	purge   purge
}

// New makes Erasures; call Run.
func New(cfg Config) *Erasures {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Forget == nil {
		cfg.Forget = func(ledger.ProfileID) {}
	}
	if cfg.Probe == nil {
		cfg.Probe = func(string, ledger.ProfileID) {}
	}
	return &Erasures{cfg: cfg, working: map[ledger.ProfileID]bool{}, changed: make(chan struct{})}
}

// The pauses before something that failed is tried again.
const (
	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// Run carries erasures out until ctx ends: those that were begun, and those that the
// ledger shows.
func (e *Erasures) Run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	e.retry(ctx, "looking for erasures that were begun", func() error { return e.resume(ctx, &work) })
	e.retry(ctx, "following the ledger", func() error {
		err := e.follow(ctx, &work)
		if err == nil {
			err = errors.New("the ledger ended following")
		}
		return err
	})
}

// retry calls do until it succeeds or ctx ends.
func (e *Erasures) retry(ctx context.Context, what string, do func() error) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		err := do()
		if err == nil || ctx.Err() != nil {
			return
		}
		if pause >= time.Second || !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrConflict) {
			e.cfg.Log.Warn("erasure: "+what, "error", err)
		}
		wait(ctx, pause)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// resume takes up what was begun before this process.
func (e *Erasures) resume(ctx context.Context, work *sync.WaitGroup) error {
	for entry, err := range e.cfg.Pending.Watch(ctx) {
		if err != nil {
			return err
		}
		if entry.Key == "" {
			return nil
		}
		if entry.Value == nil {
			continue
		}
		r, err := parse(entry)
		if err != nil {
			return err
		}
		e.begin(ctx, work, r.Profile)
	}
	return nil
}

// everyCommits is how often it is stored how far the ledger was looked at when nothing is
// erased.
const everyCommits = 10_000

// follow begins an erasure for every erased event.
func (e *Erasures) follow(ctx context.Context, work *sync.WaitGroup) error {
	at, _, err := e.seen(ctx)
	if err != nil {
		return err
	}
	kept := at.Seq
	for b, err := range e.cfg.Ledger.Follow(ctx, at.Seq+1) {
		if err != nil {
			return err
		}
		erased := false
		for i := range b.Commits {
			rec := &b.Commits[i]
			at.Seq = rec.Seq
			for k := range rec.Commit.Events {
				if rec.Commit.Events[k].Op != ledger.OpErased {
					continue
				}
				erased = true
				if err := e.note(ctx, rec); err != nil {
					return err
				}
				e.begin(ctx, work, rec.Commit.Profile)
			}
		}
		if erased || at.Seq >= kept+everyCommits {
			if err := e.saw(ctx, at.Seq); err != nil {
				return err
			}
			kept = at.Seq
		}
	}
	return nil
}

// note stores the record of an erasure, if there is none and it is not through.
func (e *Erasures) note(ctx context.Context, rec *ledger.Record) error {
	c := rec.Commit
	// A receipt of another event is of a ledger that was replaced by an older copy of it:
	// this one is erased anew.
	switch s, err := e.Status(ctx, c.Profile); {
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return err
	case s.Receipt != nil && s.Receipt.Hash == rec.Hash:
		return nil
	}
	err := e.keep(ctx, &record{V: recordVersion, Profile: c.Profile, Seq: rec.Seq, Commit: c.ID, Time: c.Time, Hash: rec.Hash})
	if errors.Is(err, ledger.ErrConflict) {
		return nil // it is there
	}
	return err
}

// begin drops what is in memory, and has the erasure carried out.
func (e *Erasures) begin(ctx context.Context, work *sync.WaitGroup, p ledger.ProfileID) {
	e.cfg.Vault.Forget(p)
	e.cfg.Forget(p)
	e.mu.Lock()
	busy := e.working[p]
	e.working[p] = true
	e.mu.Unlock()
	if busy {
		return
	}
	work.Go(func() {
		e.retry(ctx, "profile "+p.String(), func() error { return e.carry(ctx, p) })
		e.mu.Lock()
		delete(e.working, p)
		close(e.changed)
		e.changed = make(chan struct{})
		e.mu.Unlock()
	})
}

// Status is how far an erasure is.
type Status struct {
	// Receipt and Note are there when the erasure is through. Note is Receipt.Text signed.
	Receipt *Receipt
	Note    string
	// Done are the steps that are done, of an erasure that is not.
	Done []string
}

// Status says how the erasure of a profile stands. ledger.ErrNotFound when there is none,
// or this instance has not seen it yet.
func (e *Erasures) Status(ctx context.Context, p ledger.ProfileID) (Status, error) {
	entry, err := e.cfg.Receipts.Get(ctx, p.String())
	if errors.Is(err, ledger.ErrNotFound) {
		r, err := e.pending(ctx, p)
		if err != nil {
			return Status{}, err
		}
		return Status{Done: append([]string{}, r.Done...)}, nil
	}
	if err != nil {
		return Status{}, err
	}
	var s stored
	if err := json.Unmarshal(entry.Value, &s); err != nil || s.V != recordVersion {
		return Status{}, fmt.Errorf("a stored receipt: %w", ledger.ErrFormat)
	}
	r, err := Parse(s.Text)
	return Status{Receipt: r, Note: s.Note}, err
}

// lookAgain is how often another instance's receipt is looked for.
const lookAgain = 200 * time.Millisecond

// Wait gives the status once the erasure is through, or how far it is when ctx ends.
func (e *Erasures) Wait(ctx context.Context, p ledger.ProfileID) (Status, error) {
	look := context.WithoutCancel(ctx)
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		s, err := e.Status(look, p)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) || s.Receipt != nil || ctx.Err() != nil {
			if errors.Is(err, ledger.ErrNotFound) {
				return Status{Done: []string{}}, nil
			}
			return s, err
		}
		t := time.NewTimer(lookAgain)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}
