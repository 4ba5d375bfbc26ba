package views

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vitae/ledger"
	"vitae/projections"
	"vitae/projections/internal/lru"
)

// cacheBytes bounds the decoded states that the writer keeps, by the size of their rows.
const cacheBytes = 64 << 20

// entryBytes is what a cached profile weighs besides its rows.
const entryBytes = 2 << 10

// state is one profile in the writer: as of the last commit applied, perhaps not written.
type state struct {
	*ledger.Profile
	placed
	dirty map[string]bool // views to be written; nil when nothing is
}

// writer folds commits into states, and writes each changed row once per transaction.
type writer struct {
	stmts map[string]*sql.Stmt

	cache *lru.Cache[ledger.ProfileID, *state]
	// changed are the profiles of this transaction, which the cache must not lose.
	changed map[ledger.ProfileID]*state
	order   []*state // changed, in the order of their first change

	gone           []int64 // row ids to be deleted
	profiles, rows int64   // what this transaction adds to the totals
	buf            []byte
}

// The writer's statements.
const (
	putHead = `INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (profile) DO UPDATE SET seq = excluded.seq, head = excluded.head, updated = excluded.updated, erased = excluded.erased`
	putRow    = `INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)`
	deleteRow = `DELETE FROM rows WHERE id = ?`
	addTotals = `UPDATE totals SET profiles = profiles + ?, rows = rows + ?`
)

func newWriter(ctx context.Context, conn *sql.Conn) (*writer, error) {
	w := &writer{stmts: map[string]*sql.Stmt{}, cache: lru.New[ledger.ProfileID, *state](cacheBytes), changed: map[ledger.ProfileID]*state{}}
	for _, q := range []string{profileQuery, putHead, putRow, deleteRow, addTotals} {
		s, err := conn.PrepareContext(ctx, q)
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.stmts[q] = s
	}
	return w, nil
}

// Apply implements projections.Writer.
func (w *writer) Apply(ctx context.Context, rec *ledger.Record) error {
	c := rec.Commit
	s, err := w.state(ctx, c.Profile)
	if err != nil {
		return err
	}
	if err := s.Check(rec.Seq, c); err != nil {
		return err
	}
	if err := known(c); err != nil {
		return err
	}
	if s.dirty == nil {
		s.dirty = map[string]bool{}
		w.changed[c.Profile] = s
		w.order = append(w.order, s)
	}
	if s.Seq == 0 {
		s.first = rec.Seq
		s.slots[ledger.Shared] = slotShared
		s.dirty[ledger.Shared] = true
		w.profiles++
		w.rows++
	}
	wasErased := s.Erased
	c = projections.Own(c)
	s.Apply(rec.Seq, rec.Hash, c)
	for i := range c.Events {
		if err := w.touch(s, &c.Events[i]); err != nil {
			return err
		}
	}
	if s.Erased {
		if !wasErased {
			w.profiles--
		}
		for view := range s.slots {
			w.drop(s, view)
		}
	}
	return nil
}

// touch notes which row an event changed, after the fold.
func (w *writer) touch(s *state, e *ledger.Event) error {
	view := e.View
	if e.Op == ledger.OpCreated {
		view = ledger.Base
		s.dirty[ledger.Shared] = true
	}
	if view != ledger.Shared && s.Resumes[view] == nil {
		w.drop(s, view)
		return nil
	}
	if _, ok := s.slots[view]; !ok {
		slot, err := freeSlot(s.slots, view)
		if err != nil {
			return err
		}
		s.slots[view] = slot
		w.rows++
	}
	s.dirty[view] = true
	return nil
}

// drop removes a view's row.
func (w *writer) drop(s *state, view string) {
	if slot, ok := s.slots[view]; ok {
		w.gone = append(w.gone, rowID(s.first, slot))
		delete(s.slots, view)
		w.rows--
	}
	delete(s.dirty, view)
}

// freeSlot is the lowest slot that no view has. It depends on the commits alone, so two
// files made from one ledger are equal.
func freeSlot(slots map[string]int64, view string) (int64, error) {
	if view == ledger.Base {
		return slotBase, nil
	}
	used := make(map[int64]bool, len(slots))
	for _, n := range slots {
		used[n] = true
	}
	for n := int64(slotBase + 1); n < 1<<slotBits; n++ {
		if !used[n] {
			return n, nil
		}
	}
	return 0, &projections.Fault{Err: errors.New("the profile has more resumes than the views can number")}
}

// known refuses an op that this version does not fold: applying nothing for it would be a
// state that never was.
func known(c *ledger.Commit) error {
	for i := range c.Events {
		switch op := c.Events[i].Op; op {
		case ledger.OpSet, ledger.OpClear, ledger.OpPut, ledger.OpRemove, ledger.OpOrder,
			ledger.OpCreated, ledger.OpCopied, ledger.OpDeleted, ledger.OpBound, ledger.OpErased, ledger.OpDecided:
		default:
			return &projections.Fault{Op: op, Err: fmt.Errorf("event %d has an op that this version does not know", i)}
		}
	}
	return nil
}

// state finds a profile: changed in this transaction, remembered, or in the file.
func (w *writer) state(ctx context.Context, id ledger.ProfileID) (*state, error) {
	if s, ok := w.changed[id]; ok {
		return s, nil
	}
	if s, ok := w.cache.Get(id); ok {
		return s, nil
	}
	rows, err := w.stmts[profileQuery].QueryContext(ctx, id[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	p, at, err := scanProfile(id, rows)
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = ledger.NewProfile(id)
	}
	return &state{Profile: p, placed: at}, nil
}

// Flush implements projections.Writer.
func (w *writer) Flush(ctx context.Context) error {
	for _, id := range w.gone {
		if _, err := w.stmts[deleteRow].ExecContext(ctx, id); err != nil {
			return err
		}
	}
	for _, s := range w.order {
		if err := w.write(ctx, s); err != nil {
			return err
		}
	}
	if w.profiles != 0 || w.rows != 0 {
		if _, err := w.stmts[addTotals].ExecContext(ctx, w.profiles, w.rows); err != nil {
			return err
		}
	}
	// What was written becomes what is remembered. If the transaction fails after all, Reset
	// forgets it.
	for _, s := range w.order {
		s.dirty = nil
		w.cache.Put(s.ID, s, s.size+entryBytes)
	}
	w.begin()
	return nil
}

// write puts a profile's head and changed rows into the file.
func (w *writer) write(ctx context.Context, s *state) error {
	erased := 0
	if s.Erased {
		erased = 1
	}
	if _, err := w.stmts[putHead].ExecContext(ctx, s.ID[:], int64(s.first), int64(s.Seq), s.Head[:],
		s.CreatedAt.UnixMilli(), s.UpdatedAt.UnixMilli(), erased); err != nil {
		return err
	}
	for view := range s.dirty {
		if view == ledger.Shared {
			w.buf = projections.AppendShared(w.buf[:0], s.Profile)
		} else {
			w.buf = projections.AppendResume(w.buf[:0], s.Resumes[view])
		}
		s.size = max(s.size, len(w.buf)) // close enough for a bound of memory
		if _, err := w.stmts[putRow].ExecContext(ctx, rowID(s.first, s.slots[view]), s.ID[:], view, w.buf); err != nil {
			return err
		}
	}
	return nil
}

// begin is ready for the next transaction.
func (w *writer) begin() {
	clear(w.changed)
	clear(w.order)
	w.order, w.gone = w.order[:0], w.gone[:0]
	w.profiles, w.rows = 0, 0
}

// Reset implements projections.Writer.
func (w *writer) Reset() {
	w.begin()
	w.cache.Clear()
}

// Close implements projections.Writer.
func (w *writer) Close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
