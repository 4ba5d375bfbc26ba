package proof

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// aRecord is a commit of one event whose sealed value has a size.
func aRecord(t testing.TB, seq ledger.Seq, prev ledger.Hash, size int) *ledger.Record {
	t.Helper()
	e := ledger.Event{View: ledger.Shared, Field: "summary", Op: ledger.OpSet, Value: ledger.Value(`"x"`), Sealed: bytes.Repeat([]byte{byte(seq)}, size)}
	e.Commitment = ledger.HashOf(e.Payload())
	c := &ledger.Commit{ID: ledger.CommitID{1, byte(seq)}, Profile: ledger.ProfileID{2}, Time: time.UnixMilli(int64(seq)).UTC(),
		Meta: ledger.Meta{Actor: "admin", Via: "native"}, Prev: prev, Events: []ledger.Event{e}}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return &ledger.Record{Seq: seq, Hash: ledger.HashOf(raw), Raw: raw, Commit: c}
}

// bundleOfOne is the bundle of a ledger with a single commit.
func bundleOfOne(t testing.TB, r *ledger.Record, cosigners ...note.Signer) ([]byte, string) {
	t.Helper()
	s := exampleSigner(t, exampleOrigin)
	c, err := s.checkpoint(1, ledger.Hash(tlog.RecordHash(StatementOf(r).Encode())))
	if err != nil {
		t.Fatal(err)
	}
	if len(cosigners) > 0 {
		if c.Note, err = note.Sign(&note.Note{Text: c.text()}, append(cosigners, s.note)...); err != nil {
			t.Fatal(err)
		}
	}
	receipt, err := s.SignText(HeadReceipt(StatementOf(r), 1))
	if err != nil {
		t.Fatal(err)
	}
	b := NewEvidence(r.Commit.Profile)
	if err := b.Add(r, nil, []EvidenceValue{{Value: `"x"`}}); err != nil {
		t.Fatal(err)
	}
	out, err := b.Finish(c, s.Key(), r, nil, receipt)
	if err != nil {
		t.Fatal(err)
	}
	return out, s.Key()
}

// A bundle carries the log's own signature alone, whoever else has signed the checkpoint.
func TestEvidenceWithoutCosignatures(t *testing.T) {
	r := aRecord(t, 1, ledger.Hash{}, 100)
	alone, key := bundleOfOne(t, r)
	cosigned, _ := bundleOfOne(t, r, exampleSigner(t, "witness.example").note)
	if !bytes.Equal(alone, cosigned) {
		t.Error("a cosignature is in the bundle")
	}
	if v := VerifyEvidence(alone, key); !v.OK() || !v.FromFirst() || !v.ToHead() {
		t.Errorf("%v", v.Faults)
	}
}

func TestEvidenceTooLarge(t *testing.T) {
	b := NewEvidence(ledger.ProfileID{2})
	r := aRecord(t, 1, ledger.Hash{}, 1<<20)
	n := 0
	for ; n < 100; n++ {
		if err := b.Add(r, nil, nil); err != nil {
			if !errors.Is(err, ErrEvidenceTooLarge) {
				t.Fatal(err)
			}
			break
		}
	}
	if n < 20 || n > 40 {
		t.Errorf("%d commits of 1.4 MB were taken", n)
	}
	empty := NewEvidence(ledger.ProfileID{2})
	if _, err := empty.Finish(Checkpoint{}, "", nil, nil, nil); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("without a commit: %v", err)
	}
	if v := VerifyEvidence(make([]byte, MaxEvidence+1), ""); len(v.Faults) != 1 || v.Faults[0].Code != FaultUnreadable {
		t.Errorf("%v", v.Faults)
	}
}

// A bundle that is nothing but the beginnings of things takes no more memory than a small
// multiple of its own.
func TestEvidenceMemory(t *testing.T) {
	one := `{"commit":"AA==","proof":[],"seq":0,"statement":"","values":[]},`
	value := `{"index":0,"salt":"00000000000000000000000000000000","value":"1"},`
	for name, b := range map[string]string{
		"commits": `{"checkpoint":"","commits":[` + strings.Repeat(one, 1<<16),
		"values":  `{"checkpoint":"","commits":[` + one[:len(one)-3] + strings.Repeat(value, 1<<16),
		"hashes":  `{"checkpoint":"","commits":[` + one[:len(one)-1] + `],"format":"vitae-evidence-v1","hashes":[` + strings.Repeat(`"`+strings.Repeat("0", 64)+`",`, 1<<16),
		"escapes": `{"checkpoint":"` + strings.Repeat(`\\`, 1<<20),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseEvidence([]byte(b))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatalf("%s: taken", name)
		}
		var syntax *evidenceSyntaxError
		if !errors.As(err, &syntax) || syntax.at < len(b)-40 {
			t.Errorf("%s: %v, of %d bytes", name, err, len(b))
		}
		// Slices that grow are copied: what is allocated in all is a multiple of what is held.
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(16*len(b)) {
			t.Errorf("%s: %d bytes are allocated for a bundle of %d", name, used, len(b))
		}
	}
}

// Each kind of syntax has a place in the message.
func TestEvidenceSyntax(t *testing.T) {
	good, _ := bundleOfOne(t, aRecord(t, 1, ledger.Hash{}, 100))
	for _, c := range []struct{ old, new, want string }{
		{`{"checkpoint"`, ` {"checkpoint"`, `at byte 0: want`},
		{`"format":"vitae-evidence-v1"`, `"format":"vitae-evidence-v2"`, `want`},
		{`"values":1}`, `"values":01}`, `want a whole number below 2^53`},
		{`"values":1}`, `"values":9007199254740992}`, `want a whole number below 2^53`},
		{`"values":1}`, `"values":1} `, `want`},
		{`"index":0`, `"index":8192`, `want a number of at most 8191`},
		{`"value":"\"x\""`, `"value":""`, `want a text that is not empty and has no zero byte`},
		{`"value":"\"x\""`, `"value":"\u0000"`, `want a text that is not empty and has no zero byte`},
		{`"value":"\"x\""`, `"value":"\/"`, `want an escape as RFC 8785 writes it`},
		{`"value":"\"x\""`, `"value":"\u000a"`, `want an escape as RFC 8785 writes it`},
		{`"value":"\"x\""`, `"value":"\u0041"`, `want an escape as RFC 8785 writes it`},
		{`"value":"\"x\""`, "\"value\":\"\n\"", `want an escape for a control character`},
		{`"value":"\"x\""`, "\"value\":\"\xff\"", `want UTF-8`},
		{`"proof":[]`, `"proof":[0]`, `want as many hashes as the proofs name`},
		{`"proof":[]`, `"proof":[1]`, `want a number of at most 0`},
		{`"hashes":[]`, `"hashes":["` + strings.Repeat("0", 64) + `"]`, `want as many hashes as the proofs name`},
		{`"salt":"0`, `"salt":"A`, `want a lower-case hexadecimal digit`},
	} {
		b := strings.Replace(string(good), c.old, c.new, 1)
		if b == string(good) {
			t.Fatalf("nothing to replace: %s", c.old)
		}
		if _, err := ParseEvidence([]byte(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s: %v", c.old, c.new, err)
		}
	}
}

// The page's policy names exactly the scripts and the style that are in it.
func TestEvidencePagePolicy(t *testing.T) {
	bundle, _ := bundleOfOne(t, aRecord(t, 1, ledger.Hash{}, 100))
	page := EvidencePage(bundle)
	var want []string
	for _, part := range regexp.MustCompile(`(?s)<(?:script|style)>(.*?)</(?:script|style)>`).FindAllSubmatch(page, -1) {
		want = append(want, sourceHash(string(part[1])))
	}
	if len(want) != 3 {
		t.Fatalf("%d parts", len(want))
	}
	policy := fmt.Sprintf(`content="default-src 'none'; script-src %s %s; style-src %s; base-uri 'none'; form-action 'none'"`, want[1], want[2], want[0])
	if !strings.Contains(string(page), policy) {
		t.Errorf("the policy is not %s", policy)
	}
}
