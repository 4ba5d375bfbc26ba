package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Reset is what ResetBeyondHead has done.
type Reset struct {
	// Known is the newest commit that the lanes knew, Cursor how far they have taken the
	// ledger in now: from there they go on.
	Known, Cursor ledger.Seq
	// Lanes is how many there are now. Those that the lanes' stream does not remember as they
	// were at Cursor begin anew.
	Lanes int
}

// resetting is the ledger that the lanes belong to while they are being reset: none, so
// that a reset which was interrupted is not taken for its end.
const resetting = "being-reset"

// errResetting says what to do about an interrupted reset.
var errResetting = fmt.Errorf("%w: a reset of them was interrupted: do it again", ErrAhead)

// wholePad ends a compaction: all that is alive stands before it, from the stream's first
// block on.
const wholePad = "whole"

// ResetBeyondHead makes the lanes an older copy of themselves: as they were at the end of
// the last block after which they knew no commit that the ledger has not. What the stream
// does not reach back to begins anew. Then they are marked as restored: see MarkRestored,
// which says what becomes of them. An application of a plan that was under way is over.
//
// On nil it is durable. Before that nothing is sent by whoever opens the lanes (ErrAhead),
// and it can be done again. It does nothing to lanes that are not ahead. ErrAhead: they
// followed another ledger, or another history of this one; that cannot be mended here.
// Nobody may own the lanes meanwhile.
func ResetBeyondHead(ctx context.Context, b stream.Blocks, l Ledger) (out Reset, err error) {
	head, err := l.Head(ctx)
	if err != nil {
		return out, err
	}
	now, err := lookBack(ctx, b, l.Lineage(), head.Seq)
	if err != nil {
		return out, err
	}
	if out.Known = now.known(); !now.beyond() {
		out.Cursor, out.Lanes = now.cursor.Seq, now.lanes
		return out, belongs(ctx, now.cursor, l)
	}
	if now.cursor.Seq > 0 && now.cursor.Lineage != l.Lineage() && now.cursor.Lineage != resetting {
		return out, belongs(ctx, now.cursor, l)
	}
	old := newTable()
	if now.whole {
		if err := fold(ctx, b, now.good, old.apply); err != nil {
			return out, err
		}
		if err := belongs(ctx, old.cursor, l); err != nil {
			return out, err
		}
	}
	records, err := resetRecords(now.table, old, restoredRecord{Lineage: l.Lineage(), Seq: head.Seq, At: StampOf(time.Now())})
	if err != nil {
		return out, err
	}
	if err := appendAll(ctx, b, records); err != nil {
		return out, fmt.Errorf("resetting the lanes: %w", err)
	}
	out.Cursor, out.Lanes = old.cursor.Seq, old.lanes
	return out, nil
}

// fold gives every record up to the block at pos to do.
func fold(ctx context.Context, b stream.Blocks, pos uint64, do func(change) error) error {
	for e, err := range b.Read(ctx, 1) {
		if err != nil {
			return err
		}
		if e.Pos > pos {
			break
		}
		parsed, err := parseBlock(e.Pos, e.Payload)
		if err != nil {
			return err
		}
		for _, c := range parsed.Records {
			if err := do(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookedBack is the lanes' stream, looked through for what lies beyond a ledger's head.
type lookedBack struct {
	*table
	lineage string
	head    ledger.Seq
	// over are the accounts and lanes (an account has no entity) that know too much.
	over map[Key]ledger.Seq
	// good is the last block after which nothing lay beyond the head, and whole says that
	// everything which was alive then stands in the stream up to there.
	good  uint64
	whole bool
}

func lookBack(ctx context.Context, b stream.Blocks, lineage string, head ledger.Seq) (*lookedBack, error) {
	k := &lookedBack{table: newTable(), lineage: lineage, head: head, over: map[Key]ledger.Seq{}}
	first, complete := true, false
	for e, err := range b.Read(ctx, 1) {
		if err != nil {
			return nil, err
		}
		if first {
			first, complete = false, e.Pos == 1
		}
		parsed, err := parseBlock(e.Pos, e.Payload)
		if err != nil {
			return nil, err
		}
		for _, c := range parsed.Records {
			if err := k.apply(c); err != nil {
				return nil, err
			}
			complete = complete || c.Pad == wholePad
			k.note(c)
		}
		if !k.beyond() {
			k.good, k.whole = e.Pos, complete
		}
	}
	return k, nil
}

// note keeps over what it says.
func (k *lookedBack) note(c change) {
	set := func(key Key, seq ledger.Seq) {
		if seq > k.head {
			k.over[key] = seq
		} else {
			delete(k.over, key)
		}
	}
	switch {
	case c.Lane != nil:
		set(c.Lane.Key, c.Lane.knows())
	case c.Account != nil:
		set(Key{Sink: c.Account.Sink, Profile: c.Account.Profile}, c.Account.BoundSeq)
	case c.Drop != nil:
		maps.DeleteFunc(k.over, func(key Key, _ ledger.Seq) bool { return key.Account() == *c.Drop })
	}
}

// beyond says whether the lanes know a commit that the ledger has not, or are not the
// ledger's.
func (k *lookedBack) beyond() bool {
	return len(k.over) > 0 || k.cursor.Seq > 0 && (k.cursor.Seq > k.head || k.cursor.Lineage != k.lineage)
}

// known is the newest commit that the lanes know beyond the head; 0 when there is none.
func (k *lookedBack) known() (seq ledger.Seq) {
	for _, one := range k.over {
		seq = max(seq, one)
	}
	if k.cursor.Lineage == k.lineage && k.cursor.Seq > k.head {
		seq = max(seq, k.cursor.Seq)
	}
	return seq
}

// knows is the newest commit that the record speaks of.
func (r *Record) knows() ledger.Seq {
	d := r.More()
	return max(r.AckedSeq, r.WantSeq, r.ToSeq, r.BoundSeq, d.Pin, d.Pinned)
}

// resetRecords replaces everything in now by what was in old. The cursor is the last one:
// until it is stored the lanes are nobody's.
func resetRecords(now, old *table, restored restoredRecord) (out [][]byte, err error) {
	add := func(c change) {
		b, e := json.Marshal(c)
		out, err = append(out, b), errors.Join(err, e)
	}
	add(change{Cursor: &cursorRecord{Lineage: resetting, Seq: math.MaxInt64}})
	for _, p := range sortedProfiles(now) {
		for _, a := range now.accounts[p] {
			add(change{Drop: &a.rec.AccountKey})
		}
	}
	for _, p := range now.plans {
		if !p.State.Over() {
			add(change{Plan: &planRecord{ID: p.ID, Sink: p.Sink, To: p.To, State: PlanCancelled, Total: p.Total}})
		}
	}
	for _, p := range sortedProfiles(old) {
		for _, a := range old.accounts[p] {
			add(change{Account: &a.rec})
			for _, l := range a.lanes {
				add(change{Lane: &l.rec, Rows: slices.Clone(l.rows)})
			}
		}
	}
	add(change{Restored: &restored})
	add(change{Cursor: &old.cursor})
	return out, err
}

func sortedProfiles(t *table) []ledger.ProfileID {
	return slices.SortedFunc(maps.Keys(t.accounts), func(a, b ledger.ProfileID) int { return slices.Compare(a[:], b[:]) })
}

// appendAll stores records in order behind the last block, in as few blocks as it takes.
func appendAll(ctx context.Context, b stream.Blocks, records [][]byte) error {
	last, err := b.Last(ctx)
	if err != nil {
		return err
	}
	at := last.Pos
	for len(records) > 0 {
		n, size := 0, blockOverhead
		for n < len(records) && (n == 0 || size+len(records[n])+1 <= b.Limit()) {
			size += len(records[n]) + 1
			n++
		}
		if at, err = b.Append(ctx, composer{}.Compose(records[:n]), at); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}
