// Package fsck checks what the ledger promises, by reading all of it: every block
// follows the one before it, every sequence is there once, every profile's commits form
// one chain from its first, times never go back, every value opens where it was sealed
// and is the one that was committed to, an idempotency key has one commit at a time, and
// both projections hold what the ledger says. It changes nothing.
//
// The check names invariants as docs/invariants.md does: L1 a commit is there whole,
// L4 nothing changes or disappears, L5 a profile's chain, L6 sealed values, L8 one effect
// for an idempotency key, V1 views equal the fold, V2 history equals the ledger, P1 the
// transparency log has signed what the ledger says.
package fsck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
)

// Finding is one place where an invariant does not hold.
type Finding struct {
	Invariant string     `json:"invariant"`
	Seq       ledger.Seq `json:"seq,omitempty"`
	Profile   string     `json:"profile,omitempty"`
	Why       string     `json:"why"` // never a value
	Do        string     `json:"do,omitempty"`
}

// Report is what a check has found.
type Report struct {
	Commits  uint64     `json:"commits"`
	Events   uint64     `json:"events"`
	Profiles uint64     `json:"profiles"`
	Head     ledger.Seq `json:"head"`
	Findings []Finding  `json:"findings"` // empty: every invariant holds
	// Cut says that there were more findings than MaxFindings.
	Cut bool `json:"cut,omitempty"`
}

// MaxFindings bounds a report: a ledger that is broken everywhere is known to be broken
// after so many.
const MaxFindings = 1000

// Views is what the check needs of the views projection.
type Views interface {
	Profile(ctx context.Context, id ledger.ProfileID) (*ledger.Profile, error)
	Wait(ctx context.Context, seq ledger.Seq) error
}

// History is what the check needs of the history projection.
type History interface {
	Commits(ctx context.Context, id ledger.ProfileID, after ledger.Seq, limit int) ([]ledger.Record, error)
	Wait(ctx context.Context, seq ledger.Seq) error
}

// Parts are what is checked.
type Parts struct {
	Ledger  *stream.Ledger
	Opener  ledger.Opener
	Views   Views
	History History
	Log     Log // nil: what was signed is not looked at
}

type check struct {
	Parts
	signed signed
	report Report
	heads  map[ledger.ProfileID]head
	idems  map[[16]byte]time.Time
	ids    map[ledger.CommitID]struct{}
	last   time.Time
}

// head is where a profile's chain stands.
type head struct {
	seq    ledger.Seq
	hash   ledger.Hash
	erased bool
}

// errEnough stops a check that has found enough.
var errEnough = errors.New("enough findings")

// Run checks everything up to the head there is when it is called. progress may be nil;
// it is called now and then with commits and then profiles, done and in total. The error
// is about the check itself (a context that ended, a store that does not answer): what is
// wrong with the ledger is in the report.
func Run(ctx context.Context, p Parts, progress func(done, total uint64)) (Report, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	c := &check{Parts: p, heads: map[ledger.ProfileID]head{}, idems: map[[16]byte]time.Time{}, ids: map[ledger.CommitID]struct{}{}}
	c.report.Findings = []Finding{}
	if err := c.signed.open(ctx, p.Log); err != nil {
		return c.report, err
	}
	at, err := p.Ledger.Head(ctx)
	var damaged *stream.BlockError
	if errors.As(err, &damaged) {
		err = nil // reading says it again, with its place
	}
	if err != nil {
		return c.report, err
	}
	if err := c.commits(ctx, uint64(at.Seq), progress); err != nil {
		return c.end(err)
	}
	return c.end(c.projections(ctx, progress))
}

func (c *check) end(err error) (Report, error) {
	if errors.Is(err, errEnough) {
		c.report.Cut, err = true, nil
	}
	return c.report, err
}

func (c *check) found(f Finding) error {
	c.report.Findings = append(c.report.Findings, f)
	if len(c.report.Findings) >= MaxFindings {
		return errEnough
	}
	return nil
}

// commits reads the ledger from its first block.
func (c *check) commits(ctx context.Context, total uint64, progress func(done, total uint64)) error {
	for b, err := range c.Ledger.Read(ctx, 1) {
		var damaged *stream.BlockError
		if errors.As(err, &damaged) {
			return c.found(Finding{Invariant: "L4", Seq: c.report.Head + 1, Why: damaged.Error(),
				Do: "restore the data folder from a backup; nothing behind this place can be trusted"})
		}
		if err != nil {
			return err
		}
		for i := range b.Commits {
			if err := c.commit(&b.Commits[i]); err != nil {
				return err
			}
			wrong, err := c.signed.add(&b.Commits[i])
			if err := errors.Join(err, c.foundAll(wrong)); err != nil {
				return err
			}
		}
		progress(c.report.Commits, max(total, c.report.Commits))
	}
	c.report.Profiles = uint64(len(c.heads))
	return c.foundAll(c.signed.end(c.report.Head))
}

func (c *check) foundAll(all []Finding) error {
	for _, f := range all {
		if err := c.found(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) commit(r *ledger.Record) error {
	c.report.Commits++
	c.report.Head = r.Seq
	c.report.Events += uint64(len(r.Commit.Events))
	id := r.Commit.Profile
	h := c.heads[id]
	var errs []error
	bad := func(invariant, why string, args ...any) {
		errs = append(errs, c.found(Finding{Invariant: invariant, Seq: r.Seq, Profile: id.String(), Why: fmt.Sprintf(why, args...)}))
	}
	if r.Commit.Prev != h.hash {
		bad("L5", "it follows commit %s, but the profile's commit before it (sequence %d) is %s", r.Commit.Prev, h.seq, h.hash)
	}
	if h.seq == 0 && r.Commit.Events[0].Op != ledger.OpCreated {
		bad("L5", "the profile's first commit does not create it")
	}
	if h.erased {
		bad("L5", "it comes after the profile was erased")
	}
	if _, twice := c.ids[r.Commit.ID]; twice {
		bad("L1", "commit %s is in the ledger twice", r.Commit.ID)
	}
	c.ids[r.Commit.ID] = struct{}{}
	if r.Commit.Time.Before(c.last) {
		bad("L4", "its time is before that of the commit before it")
	}
	c.last = r.Commit.Time
	if k := r.Commit.Idem; k != nil {
		if before, ok := c.idems[k.Key]; ok && r.Commit.Time.Sub(before) < 24*time.Hour {
			bad("L8", "an idempotency key has two commits within a day")
		}
		c.idems[k.Key] = r.Commit.Time
	}
	h.seq, h.hash = r.Seq, r.Hash
	for i := range r.Commit.Events {
		h.erased = h.erased || r.Commit.Events[i].Op == ledger.OpErased
	}
	c.heads[id] = h
	if err := r.Commit.Open(c.Opener); err != nil && !errors.Is(err, ledger.ErrErased) {
		bad("L6", "a value does not open: %v", err)
	}
	return errors.Join(errs...)
}

// pageSize is how many commits of a profile are looked at together.
const pageSize = 500

// projections compares what the projections hold with the ledger. The history's chain
// ends in the hash that the ledger's does, so it is the ledger's; its fold is what the
// view must be.
func (c *check) projections(ctx context.Context, progress func(done, total uint64)) error {
	if err := errors.Join(c.Views.Wait(ctx, c.report.Head), c.History.Wait(ctx, c.report.Head)); err != nil {
		return c.found(Finding{Invariant: "V1", Why: err.Error(), Do: "vitae view rebuild"})
	}
	done := uint64(0)
	for id, h := range c.heads {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.profile(ctx, id, h); err != nil {
			return err
		}
		if done++; done%256 == 0 {
			progress(done, c.report.Profiles)
		}
	}
	progress(done, c.report.Profiles)
	return nil
}

func (c *check) profile(ctx context.Context, id ledger.ProfileID, h head) error {
	fold := ledger.NewProfile(id)
	for fold.Seq < h.seq {
		page, err := c.History.Commits(ctx, id, fold.Seq, pageSize)
		if err != nil && ctx.Err() == nil {
			return c.found(Finding{Invariant: "V2", Profile: id.String(), Why: err.Error(), Do: "vitae view rebuild history"})
		}
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Seq > h.seq {
				break // written since the check began
			}
			if err := fold.Check(r.Seq, r.Commit); err != nil {
				return c.found(Finding{Invariant: "V2", Seq: r.Seq, Profile: id.String(), Why: err.Error(), Do: "vitae view rebuild history"})
			}
			fold.Apply(r.Seq, r.Hash, r.Commit)
		}
		if page[len(page)-1].Seq > h.seq {
			break
		}
	}
	if fold.Seq != h.seq || fold.Head != h.hash {
		return c.found(Finding{Invariant: "V2", Seq: fold.Seq, Profile: id.String(),
			Why: fmt.Sprintf("the history ends at sequence %d, the ledger has the profile at %d", fold.Seq, h.seq), Do: "vitae view rebuild history"})
	}
	view, err := c.Views.Profile(ctx, id)
	if err != nil {
		return c.found(Finding{Invariant: "V1", Seq: h.seq, Profile: id.String(), Why: err.Error(), Do: "vitae view rebuild views"})
	}
	if view.Seq > h.seq {
		return nil // edited since the check began; the next check sees it
	}
	if !bytes.Equal(projections.AppendProfile(nil, view), projections.AppendProfile(nil, fold)) {
		return c.found(Finding{Invariant: "V1", Seq: h.seq, Profile: id.String(),
			Why: "the view is not the fold of the profile's commits", Do: "vitae view rebuild views"})
	}
	return nil
}
