package proof

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"vitae/ledger"
)

// Checkpoint is a tree head that the log has signed.
type Checkpoint struct {
	Origin string      // the log's name, which is its key's
	Size   uint64      // number of leaves
	Root   ledger.Hash // of the tree over them
	// Note is the checkpoint as signed, cosignatures included.
	Note []byte
	// Unknown names the other keys that signed Note; nobody has checked their signatures.
	Unknown []string
}

// maxSize bounds the size of a tree: with more, the arithmetic of trees would overflow.
const maxSize = maxExact

// text is what is signed: origin, size and root, a line each.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a signed checkpoint and verifies that the key vkey (a note
// verifier key) signed it, and that the origin is that key's name. Signatures of other
// keys are allowed and not verified. It keeps the note.
func ParseCheckpoint(signed []byte, vkey string) (Checkpoint, error) {
	n, err := openNote(signed, vkey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpointText(n.text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != n.name {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w: it is of the log %q, but the key is that of %q", ledger.ErrFormat, c.Origin, n.name)
	}
	c.Note, c.Unknown = signed, n.unknown
	return c, nil
}

// parseCheckpointText reads the one form that text writes. Extension lines, which the
// format allows, are refused: this log signs none.
func parseCheckpointText(text string) (Checkpoint, error) {
	malformed := func(why string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w: %s", ledger.ErrFormat, why)
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return malformed("want three lines: origin, size and root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > maxSize {
		return malformed("its second line is not a size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(ledger.Hash{}) {
		return malformed("its third line is not a hash in base64")
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: ledger.Hash(root)}
	if c.text() != text {
		return malformed("it is not in the one form a checkpoint has")
	}
	return c, nil
}

// checkpoint signs a tree head. Whether it may be signed is the caller's to know.
func (s *Signer) checkpoint(size uint64, root ledger.Hash) (Checkpoint, error) {
	c := Checkpoint{Origin: s.Origin(), Size: size, Root: root}
	var err error
	if c.Note, err = s.sign(c.text()); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}
