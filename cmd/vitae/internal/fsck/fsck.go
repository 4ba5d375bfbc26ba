// Package fsck checks what the ledger promises, by reading all of it: every block
// follows the one before it, every sequence is there once, every profile's commits form
// one chain from its first, times never go back, every value opens where it was sealed
// and is the one that was committed to, every file that a commit names opens and has its
// hash, an idempotency key has one commit at a time, every projection holds what the ledger
// says, and the lanes know nothing that the ledger does not. It changes nothing, unless it
// is told to make projections anew that differ.
//
// The check names invariants as docs/invariants.md does: L1 a commit is there whole,
// L4 nothing changes or disappears, L5 a profile's chain, L6 sealed values, L8 one effect
// for an idempotency key, V1 views equal the fold, V2 history equals the ledger, V3 the
// directory equals what the states claim, I14 the lanes belong to the ledger, P1 the
// transparency log has signed what the ledger says, P2 its files are what the ledger makes
// of them.
//
// Its memory grows with the number of profiles (some 100 bytes each) and with the commits
// of two days, not with the ledger.
package fsck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/sinks"
)

// Finding is one place where an invariant does not hold.
type Finding struct {
	Invariant string     `json:"invariant"`
	Seq       ledger.Seq `json:"seq,omitempty"`
	Profile   string     `json:"profile,omitempty"`
	Why       string     `json:"why"` // never a value
	Do        string     `json:"do,omitempty"`
	// Sink and Entity name a lane, where the finding is about one.
	Sink   string `json:"sink,omitempty"`
	Entity string `json:"entity,omitempty"`
	// View is the projection that is to be made anew, where that mends it; "log" is the
	// transparency log's files.
	View string `json:"view,omitempty"`
	// Checkpoint names what lies beyond the ledger's head: see Beyond.
	Checkpoint Checkpoint `json:"checkpoint,omitempty"`
}

// Report is what a check has found.
type Report struct {
	Commits  uint64     `json:"commits"`
	Events   uint64     `json:"events"`
	Profiles uint64     `json:"profiles"`
	Files    uint64     `json:"files"` // that commits name
	Lanes    uint64     `json:"lanes"`
	Head     ledger.Seq `json:"head"`
	Findings []Finding  `json:"findings"` // empty: every invariant holds
	// Cut says that there were more findings than MaxFindings.
	Cut bool `json:"cut,omitempty"`
	// Rebuilt are the projections that differed and were made anew; Findings is what was
	// found after that.
	Rebuilt []string `json:"rebuilt,omitempty"`
	// Reset are the checkpoints that lay beyond the ledger's head and were put back to it;
	// Findings is what was found after that.
	Reset []Checkpoint `json:"reset,omitempty"`
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
	// Idem gives the newest commit under an idempotency key.
	Idem(ctx context.Context, key [16]byte, atLeast ledger.Seq) (ledger.Record, bool, error)
	Wait(ctx context.Context, seq ledger.Seq) error
}

// Directory is what the check needs of the directory.
type Directory interface {
	Check(ctx context.Context, p *ledger.Profile) error
	Wait(ctx context.Context, seq ledger.Seq) error
	Position() ledger.Seq
}

// Parts are what is checked. Ledger, Opener, Views and History must be there.
type Parts struct {
	Ledger    *stream.Ledger
	Opener    ledger.Opener
	Views     Views
	History   History
	Directory Directory
	// File reads a file of a profile to its end; nil when files cannot be read.
	File func(ctx context.Context, p ledger.ProfileID, hash ledger.Hash) error
	// Lanes are the lanes' stream; nil when there is none.
	Lanes stream.Blocks
	// Known gives where the projections stand, by name: a ledger that ends earlier is shorter
	// than it was, and the block that one stands at is as it was then. nil: nobody knows.
	Known func() map[string]projections.Position
	// Feed gives how far the feed of changes has taken the ledger in; nil when there is none.
	Feed func(ctx context.Context) (ledger.Seq, error)
	// Journal says why the lanes are not those that the journal of deliveries was made from
	// ("" when they are), and how far it has looked for erasures in the ledger. nil: nobody knows.
	Journal func(ctx context.Context) (why string, erasures ledger.Seq, err error)
	// Rebuild makes a projection, or the "log", anew from the ledger; nil when that is not to be done. It is
	// not called when the ledger itself is not intact.
	Rebuild func(ctx context.Context, name string) error
	Log     Log // nil: what was signed is not looked at
}

type check struct {
	Parts
	signed signed
	report Report
	heads  map[ledger.ProfileID]head
	idems  seen[[16]byte]
	ids    seen[ledger.CommitID]
	late   late
	files  map[fileRef]struct{}
	bound  map[ledger.ProfileID][]sinks.Bound
	cursor ledger.Seq
	known  map[string]projections.Position
	feed   ledger.Seq
	last   time.Time
}

// fileRef is a file of a profile.
type fileRef struct {
	profile ledger.ProfileID
	hash    ledger.Hash
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
	report, err := run(ctx, p, progress)
	if err != nil || p.Rebuild == nil || slices.ContainsFunc(report.Findings, func(f Finding) bool {
		return strings.HasPrefix(f.Invariant, "L") || f.Invariant == "P1"
	}) {
		return report, err // from a damaged ledger nothing is made: the projections may be what is left
	}
	for _, name := range []string{"history", "views", "directory", "log"} {
		if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.View == name }) {
			continue
		}
		if err := p.Rebuild(ctx, name); err != nil {
			return report, err
		}
		report.Rebuilt = append(report.Rebuilt, name)
	}
	if len(report.Rebuilt) == 0 {
		return report, nil
	}
	again, err := run(ctx, p, progress)
	again.Rebuilt = report.Rebuilt
	return again, err
}

func run(ctx context.Context, p Parts, progress func(done, total uint64)) (Report, error) {
	c := &check{Parts: p, heads: map[ledger.ProfileID]head{}, late: late{}, files: map[fileRef]struct{}{}, bound: map[ledger.ProfileID][]sinks.Bound{}}
	c.report.Findings = []Finding{}
	if err := c.signed.open(ctx, p.Log); err != nil {
		return c.report, err
	}
	if p.Known != nil {
		c.known = p.Known()
	}
	if p.Feed != nil {
		var err error
		if c.feed, err = p.Feed(ctx); err != nil {
			return c.report, err
		}
	}
	at, err := p.Ledger.Head(ctx)
	var damaged *stream.BlockError
	if errors.As(err, &damaged) {
		err = nil // reading says it again, with its place
	}
	if err != nil {
		return c.report, err
	}
	for _, step := range []func(context.Context, func(done, total uint64)) error{
		func(ctx context.Context, progress func(done, total uint64)) error {
			return c.commits(ctx, uint64(at.Seq), progress)
		}, c.lookForLate, c.allFiles, c.journal, c.lanes, c.projections,
	} {
		if err := step(ctx, progress); err != nil {
			return c.end(err)
		}
	}
	return c.end(nil)
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
		if err := c.asKnown(b); err != nil {
			return err
		}
		progress(c.report.Commits, max(total, c.report.Commits))
	}
	c.report.Profiles = uint64(len(c.heads))
	if err := c.beyond(); err != nil {
		return err
	}
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

// asKnown compares a block with what the projections saw when they applied it.
func (c *check) asKnown(b stream.Located) error {
	end := b.Commits[len(b.Commits)-1].Seq
	for _, p := range c.known {
		if p.Seq != end || p.Lineage != c.Ledger.Lineage() || p.Block == b.Hash {
			continue
		}
		return c.found(Finding{Invariant: "L4", Seq: b.First, Why: fmt.Sprintf("block %d (sequences %d to %d) is %s, but %s was applied from it: it was changed since", b.Pos, b.First, end, b.Hash, p.Block),
			Do: "restore the data folder from a backup"})
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
	now := max(c.last.UnixMilli(), r.Commit.Time.UnixMilli())
	if _, twice := c.ids.at(r.Commit.ID, time.UnixMilli(now)); twice {
		bad("L1", "commit %s is in the ledger twice", r.Commit.ID)
	}
	if now-r.Commit.ID.Time().UnixMilli() >= window.Milliseconds() {
		c.late[r.Commit.ID] = r.Seq
	}
	if r.Commit.Time.Before(c.last) {
		bad("L4", "its time is before that of the commit before it")
	}
	c.last = r.Commit.Time
	if k := r.Commit.Idem; k != nil {
		if _, twice := c.idems.at(k.Key, time.UnixMilli(now)); twice {
			bad("L8", "an idempotency key has two commits within a day")
		}
	}
	h.seq, h.hash = r.Seq, r.Hash
	for i := range r.Commit.Events {
		h.erased = h.erased || r.Commit.Events[i].Op == ledger.OpErased
	}
	c.heads[id] = h
	err := r.Commit.Open(c.Opener)
	if err != nil && !errors.Is(err, ledger.ErrErased) {
		bad("L6", "a value does not open: %v", err)
	}
	if err == nil {
		c.named(r)
	}
	return errors.Join(errs...)
}

// pageSize is how many commits of a profile are looked at together.
const pageSize = 500

// projections compares what the projections hold with the ledger. The history's chain
// ends in the hash that the ledger's does, so it is the ledger's; its fold is what the
// view must be.
func (c *check) projections(ctx context.Context, progress func(done, total uint64)) error {
	behind := false
	for _, one := range []struct {
		invariant, name string
		wait            func(context.Context, ledger.Seq) error
	}{{"V1", "views", c.Views.Wait}, {"V2", "history", c.History.Wait}, {"V3", "directory", c.directoryWait}} {
		err := one.wait(ctx, c.report.Head)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			behind = true
			if err := c.rebuild(one.invariant, one.name, "", 0, err.Error()); err != nil {
				return err
			}
		}
	}
	if behind {
		return nil // nothing to compare with
	}
	if err := c.keys(ctx); err != nil {
		return err
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

// rebuild is a finding that making a projection anew mends.
func (c *check) rebuild(invariant, name, profile string, seq ledger.Seq, why string) error {
	return c.found(Finding{Invariant: invariant, Seq: seq, Profile: profile, Why: why, View: name, Do: "vitae view rebuild " + name})
}

func (c *check) directoryWait(ctx context.Context, seq ledger.Seq) error {
	if c.Directory == nil {
		return nil
	}
	return c.Directory.Wait(ctx, seq)
}

func (c *check) profile(ctx context.Context, id ledger.ProfileID, h head) error {
	fold := ledger.NewProfile(id)
	for fold.Seq < h.seq {
		page, err := c.History.Commits(ctx, id, fold.Seq, pageSize)
		if err != nil && ctx.Err() == nil {
			return c.rebuild("V2", "history", id.String(), 0, err.Error())
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
				return c.rebuild("V2", "history", id.String(), r.Seq, err.Error())
			}
			fold.Apply(r.Seq, r.Hash, r.Commit)
		}
		if page[len(page)-1].Seq > h.seq {
			break
		}
	}
	if fold.Seq != h.seq || fold.Head != h.hash {
		return c.rebuild("V2", "history", id.String(), fold.Seq, fmt.Sprintf("the history ends at sequence %d, the ledger has the profile at %d", fold.Seq, h.seq))
	}
	view, err := c.Views.Profile(ctx, id)
	if err != nil {
		return c.rebuild("V1", "views", id.String(), h.seq, err.Error())
	}
	if view.Seq > h.seq {
		return nil // edited since the check began; the next check sees it
	}
	if !bytes.Equal(projections.AppendProfile(nil, view), projections.AppendProfile(nil, fold)) {
		return c.rebuild("V1", "views", id.String(), h.seq, "the view is not the fold of the profile's commits")
	}
	if err := c.bindings(fold); err != nil {
		return err
	}
	return c.claims(ctx, fold)
}
