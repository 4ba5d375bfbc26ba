package stream_test

import (
	"testing"

	"go.uber.org/goleak"

	"vitae/ledger/stream"
	"vitae/ledger/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memory(*testing.T) stream.Blocks { return stream.NewMemory(1 << 20) }

func TestMemoryBlocks(t *testing.T)    { streamtest.Blocks(t, memory) }
func TestMemoryCommitter(t *testing.T) { streamtest.Committer(t, memory) }
