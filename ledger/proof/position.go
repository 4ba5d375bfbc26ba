package proof

import (
	"bytes"
	"encoding/json"
	"fmt"

	"vitae/ledger"
)

// position is how much of the log is on stable storage: the tiles of a tree of this size,
// with this root. What the files hold beyond it may be torn, and is written again.
type position struct {
	Version int         `json:"v"`
	Lineage string      `json:"lineage"`
	Size    uint64      `json:"size"`
	Root    ledger.Hash `json:"root"`
	Block   ledger.Hash `json:"block"` // of the block that ends with commit Size
}

const positionVersion = 1

func (p position) encode() ([]byte, error) { return json.Marshal(p) }

// parsePosition reads what encode writes, and nothing else.
func parsePosition(b []byte) (position, error) {
	var p position
	if err := json.Unmarshal(b, &p); err != nil {
		return position{}, fmt.Errorf("position: %w: %w", ledger.ErrFormat, err)
	}
	again, err := p.encode()
	if err != nil || !bytes.Equal(again, b) || p.Version != positionVersion || p.Size > maxSize {
		return position{}, fmt.Errorf("position: %w", ledger.ErrFormat)
	}
	return p, nil
}
