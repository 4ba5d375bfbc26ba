package changes

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain: when all is closed, nobody is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
