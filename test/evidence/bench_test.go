package evidence

import (
	"testing"

	"vitae/ledger/proof"
)

// BenchmarkVerify checks a bundle of 1,000 commits of three events each.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, 5, 3)
	w.grow(3000)
	bundle := w.whole(w.profiles[0])
	b.SetBytes(int64(len(bundle)))
	for b.Loop() {
		if r := proof.VerifyEvidence(bundle, w.key); !r.OK() {
			b.Fatal(r.Faults)
		}
	}
}
