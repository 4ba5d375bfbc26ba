package fsck

import (
	"context"
	"fmt"

	"vitae/ledger"
	"vitae/ledger/proof"
)

// Log is what the check needs of the transparency log.
type Log interface {
	// Signed gives the checkpoints that must be borne out by the ledger.
	Signed(ctx context.Context) ([]proof.Checkpoint, error)
	// Audit begins to compare the log's files with the ledger.
	Audit() (*proof.Audit, error)
}

// signed compares the ledger, as it is read, with what the transparency log has signed and
// with what it has in its files.
type signed struct {
	audit       *proof.Audit // nil: there is no log
	checkpoints []proof.Checkpoint
}

// open asks for what was signed. It comes before the ledger is read, which then goes at
// least as far.
func (s *signed) open(ctx context.Context, l Log) (err error) {
	if l == nil {
		return nil
	}
	if s.checkpoints, err = l.Signed(ctx); err != nil {
		return err
	}
	s.audit, err = l.Audit()
	return err
}

// add takes the next commit, and says what the log has signed or written otherwise.
func (s *signed) add(r *ledger.Record) (wrong []Finding, err error) {
	if s.audit == nil {
		return nil, nil
	}
	if err := s.audit.Add(r); err != nil {
		return nil, err
	}
	for _, c := range s.checkpoints {
		if c.Size != uint64(r.Seq) {
			continue
		}
		root, err := s.audit.Root()
		if err != nil {
			return nil, err
		}
		if root != c.Root {
			wrong = append(wrong, Finding{Invariant: "P1", Seq: r.Seq, Why: fmt.Sprintf("the log has signed the root %s at this size, but the ledger's is %s", c.Root, root),
				Do: "the ledger was rewritten: restore it"})
		}
	}
	return append(wrong, s.files()...), nil
}

// files says what is wrong in the log's files as far as the ledger was read.
func (s *signed) files() (wrong []Finding) {
	for _, d := range s.audit.Wrong() {
		wrong = append(wrong, Finding{Invariant: "P2", Seq: d.Seq, View: "log", Why: fmt.Sprintf("the log's file %s: %s", d.File, d.Why),
			Do: "vitae fsck --repair makes the log's files anew; what was signed stays"})
	}
	return wrong
}

// end says what the ledger lacks of what was signed.
func (s *signed) end(head ledger.Seq) (wrong []Finding) {
	if s.audit == nil {
		return nil
	}
	for _, c := range s.checkpoints {
		if c.Size > uint64(head) {
			wrong = []Finding{{Invariant: "P1", Seq: head, Checkpoint: LogCheckpoint, Why: fmt.Sprintf("the log has signed a tree of %d commits, but the ledger ends here", c.Size),
				Do: "an older copy of the ledger was put back: put the newer one back. This cannot be reset: whoever has the signed checkpoint can show that the log had more"}}
		}
	}
	return append(wrong, s.files()...) // of an empty ledger too
}
