package thirdparty

import (
	"testing"

	"vitae/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
