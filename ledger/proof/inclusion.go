package proof

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// Inclusion proves that a commit's statement is in the tree of a checkpoint.
type Inclusion struct {
	Seq       ledger.Seq    `json:"seq"`
	LeafIndex uint64        `json:"leafIndex"` // Seq-1
	LeafHash  ledger.Hash   `json:"leafHash"`
	TreeSize  uint64        `json:"treeSize"` // the checkpoint's
	Hashes    []ledger.Hash `json:"hashes"`   // from the leaf up (RFC 6962, 2.1.1)
	// Checkpoint is the signed note, cosignatures included.
	Checkpoint string `json:"checkpoint"`
}

// Consistency proves that the tree of size To begins with the leaves of that of size From.
type Consistency struct {
	From   uint64        `json:"from"`
	To     uint64        `json:"to"`
	Hashes []ledger.Hash `json:"hashes"` // RFC 6962, 2.1.2; none when From is 0 or To
}

// ErrProof says that a proof does not prove what it should.
var ErrProof = errors.New("the proof does not verify")

// VerifyInclusion returns nil when entry is a statement, p proves that it is in the tree
// of p.Checkpoint at the place its sequence says, and vkey signed that checkpoint. Every
// member of p is checked.
func VerifyInclusion(entry []byte, p Inclusion, vkey string) error {
	s, err := ParseStatement(entry)
	if err != nil {
		return err
	}
	c, err := ParseCheckpoint([]byte(p.Checkpoint), vkey)
	if err != nil {
		return err
	}
	switch {
	case p.Seq != s.Seq:
		return fmt.Errorf("%w: it is for sequence %d, the entry is %d", ErrProof, p.Seq, s.Seq)
	case p.LeafIndex != uint64(p.Seq)-1:
		return fmt.Errorf("%w: sequence %d is not leaf %d", ErrProof, p.Seq, p.LeafIndex)
	case p.TreeSize != c.Size:
		return fmt.Errorf("%w: it is for a tree of size %d, the checkpoint's is %d", ErrProof, p.TreeSize, c.Size)
	case p.LeafIndex >= p.TreeSize:
		return fmt.Errorf("%w: sequence %d is not in a tree of size %d", ErrProof, p.Seq, p.TreeSize)
	case p.LeafHash != LeafHash(entry):
		return fmt.Errorf("%w: its leaf hash is not that of the entry", ErrProof)
	}
	if err := tlog.CheckRecord(treeHashes(p.Hashes), int64(c.Size), tlog.Hash(c.Root), int64(p.LeafIndex), tlog.Hash(p.LeafHash)); err != nil {
		return fmt.Errorf("%w: sequence %d in the tree of size %d: %w", ErrProof, p.Seq, c.Size, err)
	}
	return nil
}

// VerifyConsistency returns nil when p proves that the newer checkpoint's tree begins with
// the older one's. Both checkpoints must have been verified already: see ParseCheckpoint.
func VerifyConsistency(p Consistency, older, newer Checkpoint) error {
	if older.Origin != newer.Origin {
		return fmt.Errorf("%w: the checkpoints are of the logs %q and %q", ErrProof, older.Origin, newer.Origin)
	}
	if p.From != older.Size || p.To != newer.Size || p.From > p.To || p.To > maxSize {
		return fmt.Errorf("%w: it is for the sizes %d and %d, the checkpoints' are %d and %d", ErrProof, p.From, p.To, older.Size, newer.Size)
	}
	if p.From == 0 || p.From == p.To {
		if len(p.Hashes) > 0 || p.From == p.To && older.Root != newer.Root || p.From == 0 && older.Root != emptyRoot() {
			return fmt.Errorf("%w: size %d to size %d", ErrProof, p.From, p.To)
		}
		return nil
	}
	if err := tlog.CheckTree(treeHashes(p.Hashes), int64(newer.Size), tlog.Hash(newer.Root), int64(older.Size), tlog.Hash(older.Root)); err != nil {
		return fmt.Errorf("%w: size %d to size %d: %w", ErrProof, p.From, p.To, err)
	}
	return nil
}

// emptyRoot is the root of the tree without leaves.
func emptyRoot() ledger.Hash { return ledger.HashOf(nil) }

func treeHashes(in []ledger.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = tlog.Hash(h)
	}
	return out
}
