package projections

import (
	"context"
	"iter"
	"log/slog"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Source is the ledger as a projection needs it; *stream.Ledger is one. Blocks come in
// order and with their chain checked; only the first may be cut to begin with the commit
// asked for. Nobody changes a block.
type Source interface {
	// Head says where the ledger ends now; the zero Head when it is empty.
	Head(ctx context.Context) (stream.Head, error)
	// Read yields the blocks from commit from on, up to the head there is at the call.
	Read(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
	// Follow is Read that goes on until ctx ends or the caller breaks off.
	Follow(ctx context.Context, from ledger.Seq) iter.Seq2[stream.Located, error]
	// Lineage names this ledger: it is drawn when the ledger is created.
	Lineage() string
}

// Config is where a projection lives and what it follows.
type Config struct {
	Dir    string // folder of the file <name>.db; made when missing
	Source Source
	Log    *slog.Logger // nil discards
}
