package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Progress is how far a rebuild has come.
type Progress struct {
	Done, Total uint64        // commits
	PerSecond   float64       // over this run
	ETA         time.Duration // until Done is Total, at that speed; 0 when unknown or done
}

// Report is what came of a rebuild.
type Report struct {
	Projection string
	Seq        ledger.Seq // where the new file stands
	// Resumed is the position of the partial file it went on from; 0 for none.
	Resumed ledger.Seq
	Elapsed time.Duration
	// NotCompared says why the two files were not compared; "" when they were.
	NotCompared string
	// ComparedAt is the position at which they were.
	ComparedAt  ledger.Seq
	Rows        int64
	Digest      ledger.Hash // over the new file's rows at ComparedAt
	Differing   int64       // rows that differ, are missing, or too many in the live file
	Differences []Difference
}

// Equal says that the files were compared and no row differed.
func (r Report) Equal() bool { return r.NotCompared == "" && r.Differing == 0 }

// rebuild is a rebuild under way.
type rebuild struct {
	since    time.Time
	progress Progress // guarded by Projection.state
	report   func(Progress)
	began    ledger.Seq
	file     *file
}

// Rebuild makes the projection anew from the ledger, in a file beside the live one,
// compares the two, and puts the new one in the live one's place. It takes whatever time
// the ledger needs; reads and Run go on meanwhile and read the old file until the swap,
// which makes them wait some milliseconds. progress, if not nil, is called now and then from
// this goroutine.
//
// On nil the new file is live; Report says what differed before. On an error, or when ctx
// ends, the live file is as it was, and the new one stays as it is for the next Rebuild
// to go on from (unless the model is Overwriting). *BusyError: somebody else rebuilds it now. *Fault: a commit cannot be
// applied; nothing is swapped.
//
// It also heals a projection that refuses to run, or stopped at a fault of its own rows:
// the new file then goes to the ledger's head, and Run may be called again.
func (p *Projection) Rebuild(ctx context.Context, progress func(Progress)) (Report, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	r := &rebuild{since: time.Now(), report: progress}
	if err := p.claim(r); err != nil {
		return Report{Projection: p.model.Name()}, err
	}
	defer p.release()
	rep, err := p.rebuild(ctx, r)
	rep.Projection, rep.Elapsed = p.model.Name(), time.Since(r.since)
	if r.file != nil {
		err = errors.Join(err, r.file.close())
		if overwrites(p.model) {
			err = errors.Join(err, remove(p.path+".rebuild"))
		}
	}
	if err != nil {
		return rep, fmt.Errorf("rebuild projection %s: %w", p.model.Name(), err)
	}
	return rep, nil
}

func (p *Projection) claim(r *rebuild) error {
	p.state.Lock()
	defer p.state.Unlock()
	if other := p.state.rebuild; other != nil {
		return &BusyError{Projection: p.model.Name(), Since: other.since, Progress: other.progress}
	}
	p.state.rebuild = r
	return nil
}

func (p *Projection) release() {
	p.state.Lock()
	defer p.state.Unlock()
	p.state.rebuild = nil
}

func (p *Projection) rebuild(ctx context.Context, r *rebuild) (rep Report, err error) {
	if rep.Resumed, err = p.openRebuild(ctx, r); err != nil {
		return rep, err
	}
	pos, err := p.position()
	if err != nil {
		return rep, err
	}
	head, err := p.check(ctx, pos)
	var refused *RefusedError
	if err != nil && !errors.As(err, &refused) {
		return rep, err
	}
	if refused != nil {
		rep.NotCompared = string(refused.Reason)
	} else if err := p.compareAt(ctx, r, &rep); err != nil {
		return rep, err
	}
	// On to where reads are by now, or further if nobody moves them.
	if err := p.advance(ctx, r, head.Seq); err != nil {
		return rep, err
	}
	if err := p.swap(ctx, r, refused != nil); err != nil {
		return rep, err
	}
	rep.Seq = p.Position()
	return rep, nil
}

// openRebuild opens the new file, or the partial one of a rebuild that was cut off, if it
// belongs to this ledger.
func (p *Projection) openRebuild(ctx context.Context, r *rebuild) (resumed ledger.Seq, err error) {
	path := p.path + ".rebuild"
	for attempt := 0; ; attempt++ {
		r.file, err = openFile(ctx, p.model, path, true)
		if locked(err) {
			return 0, errors.Join(&BusyError{Projection: p.model.Name()}, err)
		}
		if err == nil {
			if _, err = p.check(ctx, r.file.pos); err == nil {
				r.began = r.file.pos.Seq
				return r.began, nil
			}
			var refused *RefusedError
			if !errors.As(err, &refused) {
				return 0, err
			}
			closing := r.file.close()
			r.file = nil
			if closing != nil {
				return 0, errors.Join(err, closing)
			}
		}
		if attempt > 0 || ctx.Err() != nil {
			return 0, err
		}
		// Another version, another ledger, or damaged: it is only a draft.
		p.log.Info("the partial rebuild cannot be used; it begins anew", "reason", err.Error())
		if err := remove(path); err != nil {
			return 0, err
		}
	}
}

// compareAt brings the new file to the live one's position and compares them there.
func (p *Projection) compareAt(ctx context.Context, r *rebuild, rep *Report) error {
	// Most of the way without holding anything; what is written meanwhile, in a few more rounds.
	for range 4 {
		target := p.Position()
		if target <= r.file.pos.Seq {
			break
		}
		if err := p.advance(ctx, r, target); err != nil {
			return err
		}
	}
	// From here a snapshot of the live file stands still while Run goes on.
	snapshot, err := p.snapshot(ctx)
	if err != nil {
		rep.NotCompared = "the live file cannot be read: " + err.Error()
		return nil
	}
	defer snapshot.close()
	at := snapshot.pos.Seq
	if err := p.advance(ctx, r, at); err != nil {
		return err
	}
	if r.file.pos.Seq != at || r.file.pos.Block != snapshot.pos.Block {
		rep.NotCompared = fmt.Sprintf("the live file is at sequence %d, the new one at %d", at, r.file.pos.Seq)
		if r.file.pos.Seq == at {
			rep.NotCompared = string(Diverged)
		}
		return nil
	}
	return compare(ctx, p.model, snapshot, r.file, at, rep)
}

// advance applies the ledger's blocks to the new file up to and including the one that
// ends at or after commit to.
func (p *Projection) advance(ctx context.Context, r *rebuild, to ledger.Seq) error {
	if r.file.pos.Seq >= to {
		p.note(r, to)
		return ctx.Err()
	}
	var batch []stream.Located
	next, commits := r.file.pos.Seq+1, 0
	put := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := r.file.apply(p.source.Lineage(), batch); err != nil {
			return err
		}
		batch, commits = batch[:0], 0
		p.note(r, to)
		return nil
	}
	for b, err := range p.source.Read(ctx, next) {
		if err != nil {
			return errors.Join(unreadable(p.model, next, err), put())
		}
		batch, next, commits = append(batch, b), next+ledger.Seq(len(b.Commits)), commits+len(b.Commits)
		if commits >= maxCommits || next > to {
			if err := put(); err != nil {
				return err
			}
		}
		if next > to {
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(err, put())
		}
	}
	return put()
}

func (p *Projection) note(r *rebuild, total ledger.Seq) {
	at := r.file.pos.Seq
	now := Progress{Done: uint64(at), Total: uint64(max(total, at))}
	if s := time.Since(r.since).Seconds(); s > 0 {
		now.PerSecond = float64(at-r.began) / s
	}
	if now.PerSecond > 0 {
		now.ETA = time.Duration(float64(now.Total-now.Done) / now.PerSecond * float64(time.Second))
	}
	p.state.Lock()
	r.progress = now
	p.state.Unlock()
	r.report(now)
}

// swap puts the new file in the live one's place. Nothing is applied meanwhile, and reads
// wait for it. Until the rename succeeds an error leaves the live file in use.
func (p *Projection) swap(ctx context.Context, r *rebuild, stepBack bool) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.closed {
		return ErrClosed
	}
	if !stepBack {
		if err := p.advance(ctx, r, p.live.pos.Seq); err != nil {
			return err
		}
		if r.file.pos.Seq < p.live.pos.Seq {
			return fmt.Errorf("the ledger gave commits up to %d, but the live file is at %d", r.file.pos.Seq, p.live.pos.Seq)
		}
	}
	made := r.file
	r.file = nil
	if err := made.close(); err != nil {
		return err
	}
	if exists(made.path + "-wal") {
		return fmt.Errorf("SQLite could not move its log into %s", made.path)
	}
	ctx = context.WithoutCancel(ctx) // what follows is short, and half of it is nothing
	p.reads.Lock()
	defer p.reads.Unlock()
	if err := errors.Join(p.closeReads(), p.live.close()); err != nil {
		return errors.Join(err, p.reopen(ctx))
	}
	// A log that outlived its file would be taken for the new file's.
	if exists(p.path + "-wal") {
		return errors.Join(errors.New("another process has the live file open: SQLite keeps its log beside it"), p.reopen(ctx))
	}
	if err := os.Rename(made.path, p.path); err != nil {
		return errors.Join(err, p.reopen(ctx))
	}
	if err := errors.Join(syncDir(filepath.Dir(p.path)), p.reopen(ctx)); err != nil {
		return err
	}
	p.swappedAt = p.live.pos.Seq
	p.failed(nil)
	return nil
}

// reopen opens the file at the live path again. When even that fails the projection is
// closed: there is nothing to read. The caller holds both locks.
func (p *Projection) reopen(ctx context.Context) (err error) {
	if p.live, err = openFile(ctx, p.model, p.path, false); err == nil {
		if err = p.openReads(ctx); err != nil {
			err = errors.Join(err, p.live.close())
		}
	}
	if err != nil {
		p.closed = true
		p.waiters.stopped(ErrClosed)
		return fmt.Errorf("open the live file again: %w", err)
	}
	p.waiters.advance(p.live.pos.Seq)
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
