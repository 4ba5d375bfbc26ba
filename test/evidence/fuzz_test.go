package evidence

import (
	"bytes"
	"testing"

	"vitae/ledger"
	"vitae/ledger/proof"
)

// FuzzBundle: both readers take the same bytes for a bundle, and what is taken is encoded
// to the same bytes again. No bytes make a verifier panic.
func FuzzBundle(f *testing.F) {
	w := newWorld(f, 2, 1)
	w.grow(3)
	golden := w.whole(w.profiles[0])
	f.Add(golden)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"checkpoint":"","commits":[{"commit":"AA==","proof":[],"seq":0,"statement":"","values":[{"index":0,"salt":"00000000000000000000000000000000","value":"\u001f\ud800"}]}],` +
		`"format":"vitae-evidence-v1","hashes":[],"key":"","manifest":{"commits":0,"erased":false,"events":0,"first":{"prev":"0000000000000000000000000000000000000000000000000000000000000000","seq":0},` +
		`"head":{"proof":[],"receipt":"","statement":""},"last":{"hash":"0000000000000000000000000000000000000000000000000000000000000000","seq":0},"profile":"01ARZ3NDEKTSV4RRFFQ69G5FAV","values":0}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := proof.ParseEvidence(b)
		other, otherErr := parseBundle(b)
		if (err == nil) != (otherErr == nil) {
			t.Fatalf("ledger/proof: %v; the second verifier: %v", err, otherErr)
		}
		if err == nil {
			if again, err := e.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%v, %q", err, again)
			}
			if len(e.Commits) != len(other.commits) {
				t.Fatal("they read different bundles")
			}
		}
		if r := proof.VerifyEvidence(b, w.key); r.OK() && !bytes.Equal(b, golden) {
			t.Fatal("a good bundle that nobody made")
		}
		Verify(b, w.key)
	})
}

// FuzzCommit: both take the same bytes for a commit as stored.
func FuzzCommit(f *testing.F) {
	w := newWorld(f, 2, 2)
	w.grow(12)
	for _, r := range w.records {
		f.Add(r.Raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.ParseCommit(b)
		s := parseStored(b)
		if (err == nil) != (s != nil) {
			t.Fatalf("ledger: %v; the second verifier: %v", err, s)
		}
		if s == nil {
			return
		}
		hash := ledger.HashOf(b)
		if own := proof.StatementOf(&ledger.Record{Seq: 9, Hash: hash, Commit: c}).Encode(); string(own) != s.statement(9, hash[:]) {
			t.Fatalf("ledger: %s; the second verifier: %s", own, s.statement(9, hash[:]))
		}
		for i, e := range c.Events {
			want := ""
			if e.Sealed != nil {
				want = e.Commitment.String()
			}
			if string(e.Op) != s.events[i].op || want != s.events[i].hash {
				t.Fatalf("event %d: %v and %v", i, e, s.events[i])
			}
		}
	})
}
