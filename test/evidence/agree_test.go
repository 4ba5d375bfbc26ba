package evidence

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"vitae/ledger"
	"vitae/ledger/proof"
)

// faultsOf is the report of the product's verifier in the form of the others.
func faultsOf(b []byte, key string) []Fault {
	var out []Fault
	for _, f := range proof.VerifyEvidence(b, key).Faults {
		one := Fault{int64(f.Seq), -1, f.Code}
		if f.Seq == 0 && f.Code != "order" {
			one.Seq = -1
		}
		if f.Index != nil {
			one.Index = int64(*f.Index)
		}
		out = append(out, one)
	}
	return out
}

// agree checks that all three verifiers say the same, and gives it.
func agree(t *testing.T, js *engine, b []byte, key string) []Fault {
	t.Helper()
	a, other, page := faultsOf(b, key), Verify(b, key), js.faults(t, b, key)
	if !slices.Equal(a, other) {
		t.Errorf("ledger/proof says %v, the second verifier %v", a, other)
	}
	if !slices.Equal(a, page) {
		t.Errorf("ledger/proof says %v, the page %v", a, page)
	}
	return a
}

// example is a ledger of three profiles; the bundles are of its first.
func example(t testing.TB) *world {
	w := newWorld(t, 1, 3)
	w.grow(24)
	return w
}

func TestGoodBundles(t *testing.T) {
	js := newEngine(t)
	all := func(ledger.Seq, proof.EvidenceValue) bool { return true }
	for seed := range uint64(4) {
		w := newWorld(t, seed, 1+int(seed)%3)
		w.grow(1 + int(seed*seed)*2)
		for _, p := range w.profiles {
			if w.heads[p] == nil {
				continue
			}
			whole := w.whole(p)
			if f := agree(t, js, whole, w.key); len(f) > 0 {
				t.Fatalf("seed %d: a good bundle: %v", seed, f)
			}
			if !bytes.Equal(whole, w.whole(p)) {
				t.Error("the same request gives other bytes")
			}
			r := proof.VerifyEvidence(whole, w.key+"\n")
			if !r.OK() || !r.FromFirst() || !r.ToHead() || r.Head.Seq != w.heads[p].Seq || r.Log.Size != w.size() {
				t.Errorf("a whole bundle: %+v", r)
			}
			m := r.Bundle.Manifest
			bundles := map[string][]byte{
				"head":   w.bundle(p, 0, m.FirstSeq, all),
				"closed": w.bundle(p, 0, m.LastSeq, func(ledger.Seq, proof.EvidenceValue) bool { return false }),
				"some":   w.bundle(p, 0, m.LastSeq, func(_ ledger.Seq, v proof.EvidenceValue) bool { return v.Index%2 == 0 }),
			}
			if m.Commits > 1 {
				bundles["tail"] = w.bundle(p, m.FirstSeq+1, m.LastSeq, all)
			}
			for name, b := range bundles {
				if f := agree(t, js, b, w.key); len(f) > 0 {
					t.Errorf("seed %d, %s: %v", seed, name, f)
				}
				r := proof.VerifyEvidence(b, w.key)
				if r.FromFirst() != (name != "tail") || r.ToHead() != (name != "head" || m.Commits == 1) {
					t.Errorf("seed %d, %s: from first %v, to head %v", seed, name, r.FromFirst(), r.ToHead())
				}
			}
		}
	}
}

// TestErased: after an erasure there are no values, and a bundle from before still holds.
func TestErased(t *testing.T) {
	js := newEngine(t)
	w := example(t)
	p := w.profiles[0]
	before := w.whole(p)
	w.commit(p, 2, ledger.OpErased)
	w.clear = map[ledger.Seq][]proof.EvidenceValue{}
	after := w.whole(p)
	for _, b := range [][]byte{before, after} {
		if f := agree(t, js, b, w.key); len(f) > 0 {
			t.Errorf("%v", f)
		}
	}
	if r := proof.VerifyEvidence(after, w.key); !r.Bundle.Manifest.Erased || !r.ToHead() {
		t.Errorf("%+v", r.Bundle.Manifest)
	}
	e, err := proof.ParseEvidence(after)
	if err != nil {
		t.Fatal(err)
	}
	e.Manifest.Erased = false
	want(t, js, encode(t, e), w.key, Fault{-1, -1, "manifest"})
	if e, err = proof.ParseEvidence(before); err != nil {
		t.Fatal(err)
	}
	e.Manifest.Erased = true
	want(t, js, encode(t, e), w.key, Fault{-1, -1, "manifest"}, Fault{-1, -1, "manifest"})
}

func encode(t testing.TB, e *proof.Evidence) []byte {
	t.Helper()
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func want(t *testing.T, js *engine, b []byte, key string, faults ...Fault) {
	t.Helper()
	if got := agree(t, js, b, key); !slices.Equal(got, faults) {
		t.Errorf("found %v, want %v", got, faults)
	}
}

// TestForged alters a bundle in every way that keeps its form. Each is found, where it is,
// for its own reason, by all three verifiers.
func TestForged(t *testing.T) {
	js := newEngine(t)
	w := example(t)
	p := w.profiles[0]
	good := w.whole(p)
	sameName, otherKey := keyOf(t, origin, 8)
	otherSigner, otherNameKey := keyOf(t, "example.com/other", 7)
	parsed, err := proof.ParseEvidence(good)
	if err != nil {
		t.Fatal(err)
	}
	n := len(parsed.Commits)
	seqOf := func(i int) int64 { return int64(parsed.Commits[i].Seq) }
	// A commit in the middle with at least two values.
	mid := slices.IndexFunc(parsed.Commits[2:n-2], func(c proof.EvidenceCommit) bool { return len(c.Values) > 1 }) + 2
	if mid < 2 {
		t.Fatal("the example has no commit with two values in the middle")
	}
	at, index := seqOf(mid), int64(parsed.Commits[mid].Values[0].Index)
	// Commits of the profile that the log does not have; they are stored commits all the same.
	replaced := func(old, new string) []byte {
		b := bytes.Replace(parsed.Commits[mid].Commit, []byte(old), []byte(new), 1)
		if bytes.Equal(b, parsed.Commits[mid].Commit) {
			t.Fatalf("no %q to replace", old)
		}
		return b
	}
	statement := func(seq ledger.Seq, raw []byte) string {
		c, err := ledger.ParseCommit(raw)
		if err != nil {
			t.Fatal(err)
		}
		return string(proof.StatementOf(&ledger.Record{Seq: seq, Hash: ledger.HashOf(raw), Commit: c}).Encode())
	}
	bundle := func(code string) Fault { return Fault{-1, -1, code} }
	manifest := bundle("manifest")
	type bend struct {
		what  string
		alter func(e *proof.Evidence)
		want  []Fault
	}
	sized := fmt.Sprintf("\n%d\n", w.size())
	bends := []bend{
		{"another key", func(e *proof.Evidence) { e.Key = otherKey }, []Fault{bundle("key")}},
		{"a checkpoint of another key", func(e *proof.Evidence) { e.Checkpoint = resign(t, e.Checkpoint, otherSigner) }, []Fault{bundle("signature")}},
		{"a checkpoint of another key of the same name", func(e *proof.Evidence) { e.Checkpoint = resign(t, e.Checkpoint, sameName) }, []Fault{bundle("signature")}},
		{"a larger log", func(e *proof.Evidence) { e.Checkpoint = strings.Replace(e.Checkpoint, sized, "\n25\n", 1) }, []Fault{bundle("signature")}},
		{"a size with a zero", func(e *proof.Evidence) { e.Checkpoint = strings.Replace(e.Checkpoint, sized, "\n024\n", 1) }, []Fault{bundle("checkpoint")}},
		{"no signature", func(e *proof.Evidence) { e.Checkpoint, _, _ = strings.Cut(e.Checkpoint, "\u2014") }, []Fault{bundle("checkpoint")}},
		{"two signatures", func(e *proof.Evidence) {
			e.Checkpoint += e.Checkpoint[strings.Index(e.Checkpoint, "\u2014"):]
		}, []Fault{bundle("checkpoint")}},
		{"an origin that is not the key's name", func(e *proof.Evidence) {
			text, _, _ := strings.Cut(e.Checkpoint, "\n\n")
			e.Checkpoint = w.sign("x" + text + "\n")
		}, []Fault{bundle("signature")}},
		{"a commit altered", func(e *proof.Evidence) { e.Commits[mid].Commit = replaced(`"via":"native"`, `"via":"cli"`) },
			[]Fault{{at, -1, "commit"}}},
		{"a commit that is none", func(e *proof.Evidence) { e.Commits[mid].Commit = replaced(`{"v":1`, `{"v":2`) },
			[]Fault{{at, -1, "commit"}}},
		{"a commit and its statement altered", func(e *proof.Evidence) {
			e.Commits[mid].Commit = replaced(`"via":"native"`, `"via":"cli"`)
			e.Commits[mid].Statement = statement(e.Commits[mid].Seq, e.Commits[mid].Commit)
		}, []Fault{{at, -1, "proof"}}},
		{"a statement altered", func(e *proof.Evidence) {
			e.Commits[mid].Statement = strings.Replace(e.Commits[mid].Statement, `"time":"2`, `"time":"1`, 1)
		}, []Fault{{at, -1, "statement"}}},
		{"a statement of another commit", func(e *proof.Evidence) { e.Commits[mid].Statement = e.Commits[mid+1].Statement }, []Fault{{at, -1, "statement"}}},
		{"the sequence of another's", func(e *proof.Evidence) { e.Commits[n-1].Seq = ledger.Seq(w.size() + 1) },
			[]Fault{{int64(w.size()) + 1, -1, "order"}, manifest, bundle("head")}},
		{"sequence zero", func(e *proof.Evidence) { e.Commits[0].Seq = 0 }, []Fault{{0, -1, "order"}, manifest}},
		{"two commits that changed places", func(e *proof.Evidence) {
			a, b := &e.Commits[mid], &e.Commits[mid+1]
			a.Commit, b.Commit = b.Commit, a.Commit
		}, []Fault{{at, -1, "commit"}, {seqOf(mid + 1), -1, "commit"}}},
		{"the first commit left out", func(e *proof.Evidence) { e.Commits = e.Commits[1:] }, nil},
		{"a value altered", func(e *proof.Evidence) { e.Commits[mid].Values[0].Value += " " }, []Fault{{at, index, "value"}}},
		{"a salt altered", func(e *proof.Evidence) { e.Commits[mid].Values[0].Salt[3] ^= 4 }, []Fault{{at, index, "value"}}},
		{"what was typed altered", func(e *proof.Evidence) { e.Commits[mid].Values[0].Typed += "x" }, []Fault{{at, index, "value"}}},
		{"a value of an event that is not there", func(e *proof.Evidence) {
			v := e.Commits[mid].Values
			v[len(v)-1].Index = 8191
		}, []Fault{{at, 8191, "place"}}},
		{"a value of an event that has none", func(e *proof.Evidence) {
			e.Commits[0].Values = []proof.EvidenceValue{{Value: "1"}}
			e.Manifest.Values++
		}, []Fault{{seqOf(0), 0, "place"}}},
		{"a value less", func(e *proof.Evidence) { e.Commits[mid].Values = e.Commits[mid].Values[1:] }, []Fault{manifest}},
		{"counts", func(e *proof.Evidence) { e.Manifest.Commits++; e.Manifest.Events-- }, []Fault{manifest, manifest}},
		{"another beginning", func(e *proof.Evidence) { e.Manifest.FirstPrev[0]++; e.Manifest.FirstSeq++ }, []Fault{manifest, manifest}},
		{"another end", func(e *proof.Evidence) { e.Manifest.LastHash[0]++; e.Manifest.LastSeq++ }, []Fault{manifest, manifest}},
		{"a receipt of another key", func(e *proof.Evidence) { e.Manifest.HeadReceipt = resign(t, e.Manifest.HeadReceipt, sameName) }, []Fault{bundle("signature")}},
		{"a receipt about another size", func(e *proof.Evidence) {
			e.Manifest.HeadReceipt = w.sign(proof.HeadReceipt(proof.StatementOf(w.heads[p]), w.size()-1))
		}, []Fault{bundle("head")}},
		{"a receipt that is a checkpoint", func(e *proof.Evidence) { e.Manifest.HeadReceipt = e.Checkpoint }, []Fault{bundle("signature")}},
		{"a head that the log does not have", func(e *proof.Evidence) {
			e.Manifest.HeadStatement = strings.Replace(e.Manifest.HeadStatement, `"time":"2`, `"time":"1`, 1)
		}, []Fault{bundle("head")}},
		{"a head that is no statement", func(e *proof.Evidence) { e.Manifest.HeadStatement = "{}" }, []Fault{bundle("head")}},
		{"an earlier head, signed", func(e *proof.Evidence) {
			last := w.records[parsed.Commits[n-2].Seq-1]
			reHead(t, w, e, last)
		}, []Fault{bundle("head")}},
		{"the head of another profile, signed", func(e *proof.Evidence) { reHead(t, w, e, w.heads[w.profiles[1]]) }, []Fault{bundle("head")}},
	}
	// A node of the tree that the bundle holds: the commits whose proofs use it fail.
	bends = append(bends, bend{"a node altered", func(e *proof.Evidence) { e.Hashes[e.Commits[mid].Proof[0]][5] ^= 1 }, nil})
	bends = append(bends, bend{"a proof cut", func(e *proof.Evidence) {
		c := &e.Commits[n-1]
		c.Proof = c.Proof[:len(c.Proof)-1]
	}, nil})

	for _, b := range bends {
		t.Run(b.what, func(t *testing.T) {
			e, err := proof.ParseEvidence(good)
			if err != nil {
				t.Fatal(err)
			}
			b.alter(e)
			compact(e)
			got := agree(t, js, encode(t, e), w.key)
			if b.want != nil && !slices.Equal(got, b.want) {
				t.Errorf("found %v, want %v", got, b.want)
			}
			if len(got) == 0 {
				t.Error("not found")
			}
		})
	}
	// Those whose list of faults is longer: the first says where.
	first := func(what string, alter func(e *proof.Evidence), fault Fault) {
		t.Helper()
		e, err := proof.ParseEvidence(good)
		if err != nil {
			t.Fatal(err)
		}
		alter(e)
		compact(e)
		if got := agree(t, js, encode(t, e), w.key); len(got) == 0 || got[0] != fault {
			t.Errorf("%s: found %v, want %v first", what, got, fault)
		}
	}
	first("a commit left out", func(e *proof.Evidence) { e.Commits = slices.Delete(e.Commits, mid, mid+1) }, Fault{seqOf(mid + 1), -1, "chain"})
	first("a commit twice", func(e *proof.Evidence) { e.Commits = slices.Insert(e.Commits, mid, e.Commits[mid]) }, Fault{at, -1, "order"})
	first("another order", func(e *proof.Evidence) { e.Commits[mid], e.Commits[mid+1] = e.Commits[mid+1], e.Commits[mid] }, Fault{seqOf(mid + 1), -1, "chain"})
	first("the end left out", func(e *proof.Evidence) { e.Commits = e.Commits[:n-1] }, manifest)
	first("values exchanged", func(e *proof.Evidence) {
		v := e.Commits[mid].Values
		v[0].Index, v[1].Index = v[1].Index, v[0].Index
	}, Fault{at, int64(parsed.Commits[mid].Values[1].Index), "value"})
	first("another profile", func(e *proof.Evidence) { e.Manifest.Profile = w.profiles[1] }, Fault{seqOf(0), -1, "profile"})

	// The end cut off with everything else made to fit: only the operator's word is against it.
	e, err := proof.ParseEvidence(good)
	if err != nil {
		t.Fatal(err)
	}
	e.Commits = e.Commits[:n-1]
	e.Manifest.Commits, e.Manifest.LastSeq, e.Manifest.LastHash = n-1, e.Commits[n-2].Seq, ledger.HashOf(e.Commits[n-2].Commit)
	e.Manifest.Events, e.Manifest.Values = 0, 0
	for _, c := range e.Commits {
		parsed, err := ledger.ParseCommit(c.Commit)
		if err != nil {
			t.Fatal(err)
		}
		e.Manifest.Events += len(parsed.Events)
		e.Manifest.Values += len(c.Values)
	}
	compact(e)
	cut := encode(t, e)
	if r := proof.VerifyEvidence(cut, w.key); !r.OK() || r.ToHead() || r.Head.Seq != w.heads[p].Seq {
		t.Errorf("a bundle whose end was cut off: %v, to head %v", r.Faults, r.ToHead())
	}
	agree(t, js, cut, w.key)

	// Other keys, with which the bundle would be good or not.
	for _, key := range []string{"", "x", otherKey, otherNameKey, w.key + " "} {
		if f := Verify(good, key); !slices.Equal(f, []Fault{bundle("key")}) {
			t.Errorf("key %q: %v", key, f)
		}
		if f := js.faults(t, good, key); !slices.Equal(f, []Fault{bundle("key")}) {
			t.Errorf("key %q, in the page: %v", key, f)
		}
		if f := faultsOf(good, key); key != w.key+" " && !slices.Equal(f, []Fault{bundle("key")}) {
			t.Errorf("key %q: %v", key, f)
		}
	}
}

// resign gives a note with the signature of another key alone.
func resign(t *testing.T, signed string, by note.Signer) string {
	t.Helper()
	text, _, _ := strings.Cut(signed, "\n\n")
	out, err := note.Sign(&note.Note{Text: text + "\n"}, by)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// compact brings the table of nodes into the order of the proofs, as an encoder must.
func compact(e *proof.Evidence) {
	old, places := e.Hashes, map[int]int{}
	e.Hashes = nil
	renumber := func(proof []int) []int {
		out := make([]int, len(proof))
		for i, n := range proof {
			if _, ok := places[n]; !ok {
				places[n] = len(e.Hashes)
				e.Hashes = append(e.Hashes, old[n])
			}
			out[i] = places[n]
		}
		return out
	}
	for i := range e.Commits {
		e.Commits[i].Proof = renumber(e.Commits[i].Proof)
	}
	e.Manifest.HeadProof = renumber(e.Manifest.HeadProof)
}

// reHead makes a bundle say that another commit is the profile's last, signed by the log.
func reHead(t *testing.T, w *world, e *proof.Evidence, head *ledger.Record) {
	t.Helper()
	s := proof.StatementOf(head)
	e.Manifest.HeadStatement, e.Manifest.HeadReceipt = string(s.Encode()), w.sign(proof.HeadReceipt(s, w.size()))
	e.Manifest.HeadProof = nil
	for _, h := range w.path(head.Seq) {
		e.Manifest.HeadProof = append(e.Manifest.HeadProof, len(e.Hashes))
		e.Hashes = append(e.Hashes, h)
	}
}
