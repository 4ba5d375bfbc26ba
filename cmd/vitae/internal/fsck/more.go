package fsck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/sinks"
)

// lookForLate looks in the whole ledger for second commits under the ids of those that are
// much older than their time: what the window does not show.
func (c *check) lookForLate(ctx context.Context, _ func(done, total uint64)) error {
	if len(c.late) == 0 {
		return nil
	}
	for b, err := range c.Ledger.Read(ctx, 1) {
		var damaged *stream.BlockError
		if errors.As(err, &damaged) {
			return nil // it was reported
		}
		if err != nil {
			return err
		}
		for i := range b.Commits {
			r := &b.Commits[i]
			if seq, ok := c.late[r.Commit.ID]; ok && seq > r.Seq {
				if err := c.found(Finding{Invariant: "L1", Seq: seq, Profile: r.Commit.Profile.String(),
					Why: fmt.Sprintf("commit %s is in the ledger twice: it is sequence %d too", r.Commit.ID, r.Seq)}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var filePrefix = []byte(`"sha256:`)

// named notes the files that an opened commit names.
func (c *check) named(r *ledger.Record) {
	for i := range r.Commit.Events {
		rest := []byte(r.Commit.Events[i].Value)
		for {
			_, after, ok := bytes.Cut(rest, filePrefix)
			if !ok {
				break
			}
			rest = after
			text, _, ok := bytes.Cut(after, []byte(`"`))
			if !ok {
				break
			}
			if hash, err := ledger.ParseHash(string(text)); err == nil {
				c.files[fileRef{r.Commit.Profile, hash}] = struct{}{}
			}
		}
	}
}

// allFiles reads every file that a commit names.
func (c *check) allFiles(ctx context.Context, progress func(done, total uint64)) error {
	c.report.Files = uint64(len(c.files))
	if c.File == nil {
		return nil
	}
	done := uint64(0)
	for ref := range c.files {
		err := c.File(ctx, ref.profile, ref.hash)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, ledger.ErrErased) {
			if err := c.found(Finding{Invariant: "L6", Profile: ref.profile.String(), Why: fmt.Sprintf("the file sha256:%s: %v", ref.hash, err),
				Do: "restore the data folder from a backup, or upload the file again"}); err != nil {
				return err
			}
		}
		done++
		progress(done, c.report.Files)
	}
	return nil
}

// lanes checks what the lanes know, and notes whose they are.
func (c *check) lanes(ctx context.Context, _ func(done, total uint64)) error {
	if c.Lanes == nil {
		return nil
	}
	got, err := sinks.Check(ctx, c.Lanes, c.Ledger)
	var damaged *stream.BlockError
	if errors.As(err, &damaged) {
		return nil // the ledger's own, and reported
	}
	if err != nil {
		return err
	}
	c.report.Lanes, c.cursor = uint64(got.Lanes), got.Cursor
	for _, t := range got.Troubles {
		f := Finding{Invariant: "I14", Seq: t.Seq, Sink: t.Sink, Entity: t.Entity, Why: t.Why,
			Do: "as long as the lanes are ahead of the ledger nothing is sent: put back the copy of the ledger that belongs to them, or restore a backup, which has both"}
		if t.Seq > c.report.Head {
			f.Checkpoint, f.Do = LanesCheckpoint, f.Do+resetInstead
		}
		if !t.Profile.IsZero() {
			f.Profile = t.Profile.String()
		}
		if err := c.found(f); err != nil {
			return err
		}
	}
	for _, b := range got.Bound {
		if _, there := c.heads[b.Profile]; !there && b.Seq <= c.report.Head {
			if err := c.found(Finding{Invariant: "I14", Seq: b.Seq, Sink: b.Sink, Profile: b.Profile.String(), Why: "there are lanes of a profile that is not in the ledger"}); err != nil {
				return err
			}
			continue
		}
		c.bound[b.Profile] = append(c.bound[b.Profile], b)
	}
	return nil
}

// bindings compares a profile's connections with those that have lanes. What the lanes have
// not taken in yet is not looked at.
func (c *check) bindings(fold *ledger.Profile) error {
	if c.Lanes == nil || fold.Seq > c.cursor {
		return nil
	}
	have := map[string]ledger.Seq{}
	for _, b := range c.bound[fold.ID] {
		have[b.Sink] = b.Seq
		cell, bound := fold.Connections[b.Sink]
		why := ""
		switch {
		case fold.Erased:
			why = "there are lanes of an erased profile"
		case !bound:
			why = "there are lanes of a connection that was removed"
		case cell.Seq != b.Seq && b.Seq <= c.cursor:
			why = fmt.Sprintf("the connection was set by commit %d, its lanes say %d", cell.Seq, b.Seq)
		default:
			continue
		}
		if err := c.found(Finding{Invariant: "I14", Seq: b.Seq, Sink: b.Sink, Profile: fold.ID.String(), Why: why}); err != nil {
			return err
		}
	}
	if fold.Erased {
		return nil
	}
	for sink, cell := range fold.Connections {
		if _, ok := have[sink]; !ok {
			if err := c.found(Finding{Invariant: "I14", Seq: cell.Seq, Sink: sink, Profile: fold.ID.String(), Why: "the connection has no lanes"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// keys looks for the commit of every idempotency key of the last day, as the committer does
// when a request comes again: one that it does not find would have a second effect.
func (c *check) keys(ctx context.Context) error {
	for _, some := range []map[[16]byte]time.Time{c.idems.young, c.idems.old} {
		for key, at := range some {
			if c.last.Sub(at) >= window {
				continue
			}
			r, there, err := c.History.Idem(ctx, key, 0)
			if err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
			switch {
			case err != nil:
				err = c.rebuild("V2", "history", "", 0, err.Error())
			case !there || r.Commit.Time.Before(at):
				err = c.rebuild("V2", "history", "", 0, "the history does not find the commit of an idempotency key: sent again, the request would have a second effect")
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// claims compares a profile's state with the directory.
func (c *check) claims(ctx context.Context, fold *ledger.Profile) error {
	if c.Directory == nil || c.Directory.Position() > c.report.Head {
		return nil // it has applied what came since
	}
	if !fold.Erased {
		if err := fold.OpenAll(c.Opener); errors.Is(err, ledger.ErrErased) {
			return nil
		} else if err != nil {
			return nil // it was reported with its commit
		}
	}
	err := c.Directory.Check(ctx, fold)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && c.Directory.Position() <= c.report.Head {
		return c.rebuild("V3", "directory", fold.ID.String(), fold.Seq, err.Error())
	}
	return nil
}
