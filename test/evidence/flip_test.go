package evidence

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vitae/ledger/proof"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden: a bundle once exported verifies for ever, in every byte as it is.
func TestGolden(t *testing.T) {
	w := example(t)
	b := w.whole(w.profiles[0])
	path := filepath.Join("testdata", "bundle.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if f := agree(t, newEngine(t), golden, w.key); len(f) > 0 {
		t.Errorf("the golden bundle: %v", f)
	}
	if !bytes.Equal(b, golden) {
		t.Error("the same commits, values and checkpoint give another bundle than the golden one")
	}
}

// TestEveryBit: in a bundle of dozens of commits no bit can be turned unseen. 10,000 are
// tried; of every twentieth the second verifier, which is slower, must say the same.
func TestEveryBit(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.grow(70)
	good := w.whole(w.profiles[0])
	codes := map[string]int{}
	for i := range 10_000 {
		at, bit := w.rng.IntN(len(good)), byte(1)<<w.rng.IntN(8)
		good[at] ^= bit
		faults := faultsOf(good, w.key)
		if len(faults) == 0 {
			t.Fatalf("bit %#x of byte %d of %d was turned: not found", bit, at, len(good))
		}
		if i%20 == 0 {
			if second := Verify(good, w.key); !slices.Equal(faults, second) {
				t.Fatalf("bit %#x of byte %d was turned: ledger/proof says %v, the second verifier %v", bit, at, faults, second)
			}
		}
		good[at] ^= bit
		codes[faults[0].Code]++
	}
	t.Logf("%d bytes, first faults: %v", len(good), codes)
	for _, code := range []string{"unreadable", "commit", "statement", "proof", "value"} {
		if codes[code] == 0 {
			t.Errorf("no bit led to %q", code)
		}
	}
	if f := faultsOf(good, w.key); len(f) > 0 {
		t.Fatal(f)
	}
}

// TestAnyBundle: whatever is in a bundle, it is good as it was made, and bad with any bit
// turned, any byte gone, or any byte twice.
func TestAnyBundle(t *testing.T) {
	js := newEngine(t)
	first := true
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(r, "seed"), rapid.IntRange(1, 3).Draw(r, "profiles"))
		w.grow(rapid.IntRange(1, 30).Draw(r, "commits"))
		p := w.records[rapid.IntRange(0, len(w.records)-1).Draw(r, "whose")].Commit.Profile
		good := w.whole(p)
		if f := faultsOf(good, w.key); len(f) > 0 {
			r.Fatalf("a good bundle: %v", f)
		}
		at := rapid.IntRange(0, len(good)-1).Draw(r, "at")
		bad := slices.Clone(good)
		switch rapid.IntRange(0, 3).Draw(r, "how") {
		case 0:
			bad = slices.Delete(bad, at, at+1)
		case 1:
			bad = slices.Insert(bad, at, good[at])
		default:
			bad[at] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		}
		faults := faultsOf(bad, w.key)
		if len(faults) == 0 {
			r.Fatal("not found")
		}
		if second := Verify(bad, w.key); !slices.Equal(faults, second) {
			r.Fatalf("ledger/proof says %v, the second verifier %v", faults, second)
		}
		// The page's verifier is slow in this engine: a part of them.
		if first || len(good) < 6000 {
			first = false
			if page := js.faults(t, bad, w.key); !slices.Equal(faults, page) {
				r.Fatalf("ledger/proof says %v, the page %v", faults, page)
			}
		}
	})
}

// TestPage: nothing in a bundle becomes part of the page that shows it.
func TestPage(t *testing.T) {
	w := example(t)
	bundle := w.whole(w.profiles[0])
	page := proof.EvidencePage(bundle)
	if n := bytes.Count(page, []byte("<script")); n != 2 {
		t.Errorf("%d scripts", n)
	}
	if n := bytes.Count(page, []byte("</script")); n != 2 {
		t.Errorf("%d ends of scripts", n)
	}
	for _, trace := range []string{"onclick", "innerHTML", "http:", "https:", "src=", "eval(", "import(", "fetch("} {
		if bytes.Contains(page, []byte(trace)) {
			t.Errorf("the page has %q", trace)
		}
	}
	if bytes.Contains(page, []byte("{policy}")) || bytes.Contains(page, []byte("{bundle}")) {
		t.Error("a part of the page is missing")
	}
}
