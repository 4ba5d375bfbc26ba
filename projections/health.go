package projections

import (
	"context"
	"fmt"
	"time"

	"vitae/ledger"
)

// Health is how far behind a projection is. It is computed from positions and times, never
// from whether a loop is alive.
type Health struct {
	Name     string
	Position ledger.Seq
	Head     ledger.Seq
	Lag      uint64 // Head - Position, in commits
	// Oldest is the age of the oldest commit not applied yet; 0 when there is none.
	Oldest time.Duration
	// Applying is the first commit of the transaction under way; 0 when there is none.
	// A projection that hangs hangs there.
	Applying ledger.Seq
	Profile  ledger.ProfileID // of Applying
	// Running says that Run was called and has not returned.
	Running bool
	// Err is what last went wrong; nil once something was applied after it.
	Err error
}

// Health asks the ledger for its head and compares. now is the caller's clock.
func (p *Projection) Health(ctx context.Context, now time.Time) (Health, error) {
	h := Health{Name: p.model.Name(), Running: p.running.Load()}
	p.state.Lock()
	hand := p.state.hand
	h.Err = p.state.err
	p.state.Unlock()
	// The position first: it only grows, so the lag is never made too small.
	h.Position = p.Position()
	head, err := p.source.Head(ctx)
	if err != nil {
		return h, fmt.Errorf("ask for the ledger's head: %w", err)
	}
	h.Head = head.Seq
	if h.Head <= h.Position {
		return h, nil
	}
	h.Lag = uint64(h.Head - h.Position)
	if hand != nil && hand.seq > h.Position {
		h.Applying, h.Profile, h.Oldest = hand.seq, hand.profile, max(0, now.Sub(hand.time))
		return h, nil
	}
	for b, err := range p.source.Read(ctx, h.Position+1) {
		if err != nil {
			return h, fmt.Errorf("read the oldest commit not applied: %w", err)
		}
		h.Oldest = max(0, now.Sub(b.Commits[0].Commit.Time))
		break
	}
	return h, nil
}

// Description is one line of the list of projections.
type Description struct {
	Name      string
	Version   int
	Lineage   string
	Position  ledger.Seq
	Head      ledger.Seq
	Lag       uint64
	Rows      int64
	SizeBytes int64 // on disk, with SQLite's log
	Running   bool
	// Rebuilding is how far a rebuild in this process has come; nil when there is none.
	Rebuilding *Progress
	// Err is what stands in the way; nil when nothing does.
	Err error
}

// Describe says what the projection is and how it stands.
func (p *Projection) Describe(ctx context.Context) (Description, error) {
	d := Description{Name: p.model.Name(), Version: p.model.Version(), SizeBytes: sizeOf(p.path), Running: p.running.Load()}
	p.state.Lock()
	d.Err = p.state.err
	if r := p.state.rebuild; r != nil {
		progress := r.progress
		d.Rebuilding = &progress
	}
	p.state.Unlock()
	err := func() error {
		p.reads.RLock()
		defer p.reads.RUnlock()
		if p.reads.pool == nil {
			return ErrClosed
		}
		pos, err := readPosition(ctx, p.reads.pool)
		if err != nil {
			return err
		}
		d.Position, d.Lineage = pos.Seq, pos.Lineage
		return p.reads.pool.QueryRowContext(ctx, p.model.Rows()).Scan(&d.Rows)
	}()
	if err != nil {
		return d, fmt.Errorf("describe projection %s: %w", d.Name, err)
	}
	head, err := p.source.Head(ctx)
	if err != nil {
		return d, fmt.Errorf("ask for the ledger's head: %w", err)
	}
	d.Head = head.Seq
	if d.Head > d.Position {
		d.Lag = uint64(d.Head - d.Position)
	}
	return d, nil
}
