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
}

// signed compares the ledger, as it is read, with what the transparency log has signed.
type signed struct {
	roots       proof.Roots
	checkpoints []proof.Checkpoint
}

// open asks for what was signed. It comes before the ledger is read, which then goes at
// least as far.
func (s *signed) open(ctx context.Context, l Log) (err error) {
	if l != nil {
		s.checkpoints, err = l.Signed(ctx)
	}
	return err
}

// add takes the next commit, and says what the log has signed otherwise.
func (s *signed) add(r *ledger.Record) (wrong []Finding, err error) {
	if len(s.checkpoints) == 0 {
		return nil, nil
	}
	if err := s.roots.Add(r); err != nil {
		return nil, err
	}
	for _, c := range s.checkpoints {
		if c.Size != uint64(r.Seq) {
			continue
		}
		root, err := s.roots.Root()
		if err != nil {
			return nil, err
		}
		if root != c.Root {
			wrong = append(wrong, Finding{Invariant: "P1", Seq: r.Seq, Why: fmt.Sprintf("the log has signed the root %s at this size, but the ledger's is %s", c.Root, root),
				Do: "the ledger was rewritten: restore it"})
		}
	}
	return wrong, nil
}

// end says what the ledger lacks of what was signed.
func (s *signed) end(head ledger.Seq) (wrong []Finding) {
	for _, c := range s.checkpoints {
		if c.Size > uint64(head) {
			wrong = append(wrong, Finding{Invariant: "P1", Seq: head, Why: fmt.Sprintf("the log has signed a tree of %d commits, but the ledger ends here", c.Size),
				Do: "an older copy of the ledger was put back: put the newer one back"})
		}
	}
	return wrong
}
