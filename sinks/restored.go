package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// LanesStream is the name of the lanes' stream.
const LanesStream = "LANES-0"

// Lanes is the configuration of the lanes' stream.
func Lanes(replicas int) stream.StreamConfig {
	return stream.StreamConfig{Name: LanesStream, Subject: "lanes.0", Replicas: replicas, Trimmable: true}
}

// restoredReason is why a sink is paused after a restore.
const restoredReason = "restored from a copy: what was delivered after the copy was made is not known here; look at a plan, then resume"

// MarkRestored says that the lanes in b were put back from a copy, beside a ledger that
// ends at seq. On nil it is durable. The next run then begins with all sinks paused: a
// person looks at what the providers have, and resumes. What was delivered after the copy
// was made is not known to the lanes, so
//
//   - what was acknowledged is not relied on: every entity is brought to the ledger's
//     state once more, items after their section was read, so that none is made twice;
//   - what is appended, and was in the ledger then without being acknowledged, is parked
//     as uncertain and never sent unless a person says so.
//
// Nobody may own the lanes meanwhile.
func MarkRestored(ctx context.Context, b stream.Blocks, lineage string, seq ledger.Seq) error {
	last, err := b.Last(ctx)
	if err != nil {
		return err
	}
	record, err := json.Marshal(change{Restored: &restoredRecord{Lineage: lineage, Seq: seq, At: StampOf(time.Now())}})
	if err != nil {
		return err
	}
	if _, err := b.Append(ctx, composer{}.Compose([][]byte{record}), last.Pos); err != nil {
		return fmt.Errorf("marking the lanes as restored: %w", err)
	}
	return nil
}

// afterRestore deals with lanes that were put back from a copy. Doing it twice, because
// the process ended in the middle, does no harm. The mutex is held.
func (m *Manager) afterRestore(r restoredRecord, now time.Time) (*stream.Ticket, error) {
	paused := m.followed()
	for _, list := range m.table.accounts {
		for _, a := range list {
			if !slices.Contains(paused, a.rec.Sink) {
				paused = append(paused, a.rec.Sink)
			}
			for _, l := range a.lanes {
				if err := m.distrust(l, now); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, name := range paused {
		if _, err := m.setSink(name, Paused, restoredReason); err != nil {
			return nil, err
		}
	}
	r.Done = true
	m.table.restored = &r
	m.log.Warn("sinks: the lanes were put back from a copy: all sinks are paused until they are resumed", "seq", r.Seq)
	return m.enqueue(change{Restored: &r})
}

// distrust makes a lane rely on nothing that it has not seen itself. The mutex is held.
func (m *Manager) distrust(l *lane, now time.Time) (err error) {
	policy, _ := PolicyOf(l.rec.Class)
	at := StampOf(now)
	switch {
	case policy.Once && l.rec.Phase == RetryWait:
		seq := max(l.rec.WantSeq, l.rec.ToSeq, l.rec.AckedSeq)
		_, err = m.step(l, l.rec.Rev, Input{Event: Hold, At: at, Seq: seq, Park: uncertainPark(now)})
	case !policy.Once && (l.rec.Phase == RetryWait || l.rec.Phase == Idle && (l.rec.AckedHash != 0 || l.rec.Ref != "")):
		d := l.rec.More()
		_, err = m.step(l, l.rec.Rev, Input{Event: Reproject, At: at, Plan: d.Plan, Pin: d.Pin})
	}
	m.reschedule(l)
	return err
}

func uncertainPark(now time.Time) *Park {
	return &Park{ID: NewID(now), Code: ParkUncertain, Since: StampOf(now),
		Reason: intern("restored from a copy: it may have been sent after the copy was made")}
}

// maybeDone parks an append that may have been made before the lanes, or the ledger, were
// put back from a copy: what it appends was in the ledger then. It says whether the lane is
// not to go on.
func (v *visit) maybeDone(seq ledger.Seq) bool {
	v.m.mu.Lock()
	r := v.m.table.restored
	v.m.mu.Unlock()
	if r == nil || v.rec.Phase != Idle {
		return false // a person has decided, or it is ours since
	}
	old, err := v.m.opt.States.ProfileAt(v.ctx, v.rec.Profile, min(r.Seq, seq))
	if errors.Is(err, ledger.ErrNotFound) {
		return false // the profile is newer
	}
	if err != nil {
		v.fault("reading the restored state", err)
		return true
	}
	there := true
	if section, item := SplitEntity(v.rec.Entity); item != "" {
		items, err := v.s.provider.Items(section, old)
		if err != nil {
			v.fault("reading the items", err)
			return true
		}
		there = slices.Contains(items, item)
	}
	if there {
		v.step(Input{Event: Hold, Seq: seq, Pin: v.pin, Park: uncertainPark(time.Now()),
			Fault: &Fault{Type: ParkUncertain, Message: "it may have been sent before the restore", Sent: SentUnknown}})
	}
	return there
}
