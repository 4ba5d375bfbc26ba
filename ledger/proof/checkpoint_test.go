package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"vitae/ledger"
)

const exampleOrigin = "vitae/01ARZ3NDEKTSV4RRFFQ69G5FAV"

// exampleSigner has a key that is always the same.
func exampleSigner(t testing.TB, name string) *Signer {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{42}, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Split(vkey, "+")[1]
	s, err := parseSigner(fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, id, base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))), vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exampleCheckpoint(t testing.TB) Checkpoint {
	t.Helper()
	c, err := exampleSigner(t, exampleOrigin).checkpoint(70_000, ledger.HashOf([]byte("a root")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckpointGolden(t *testing.T) {
	s := exampleSigner(t, exampleOrigin)
	golden(t, "key.txt", []byte(s.Key()))
	c := exampleCheckpoint(t)
	golden(t, "checkpoint.txt", c.Note)
	got, err := ParseCheckpoint(c.Note, s.Key())
	if err != nil || got.text() != c.text() || got.Size != 70_000 || got.Root != c.Root || got.Origin != exampleOrigin || len(got.Unknown) > 0 {
		t.Errorf("read back: %+v, %v", got, err)
	}
}

// No byte of a signed checkpoint can be changed, taken out or doubled.
func TestCheckpointEveryByteCounts(t *testing.T) {
	key := exampleSigner(t, exampleOrigin).Key()
	signed := exampleCheckpoint(t).Note
	for i := range signed {
		for bit := range 8 {
			changed := bytes.Clone(signed)
			changed[i] ^= 1 << bit
			if _, err := ParseCheckpoint(changed, key); err == nil {
				t.Errorf("bit %d of byte %d changed (%q), and it verifies", bit, i, changed)
			}
		}
		if _, err := ParseCheckpoint(append(bytes.Clone(signed[:i]), signed[i+1:]...), key); err == nil {
			t.Errorf("byte %d taken out, and it verifies", i)
		}
		if _, err := ParseCheckpoint(append(bytes.Clone(signed[:i+1]), signed[i:]...), key); err == nil {
			t.Errorf("byte %d doubled, and it verifies", i)
		}
		if _, err := ParseCheckpoint(signed[:i], key); err == nil {
			t.Errorf("cut to %d bytes, and it verifies", i)
		}
	}
}

func TestCheckpointRefused(t *testing.T) {
	s := exampleSigner(t, exampleOrigin)
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, text := range map[string]string{
		"another origin":   "vitae/another\n1\n" + root + "\n",
		"no origin":        "\n1\n" + root + "\n",
		"extension":        exampleOrigin + "\n1\n" + root + "\nmore\n",
		"two lines":        exampleOrigin + "\n1\n",
		"leading zero":     exampleOrigin + "\n01\n" + root + "\n",
		"sign":             exampleOrigin + "\n+1\n" + root + "\n",
		"too large":        exampleOrigin + "\n9223372036854775807\n" + root + "\n",
		"short root":       exampleOrigin + "\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n",
		"unpadded root":    exampleOrigin + "\n1\n" + strings.TrimRight(root, "=") + "\n",
		"loose root":       exampleOrigin + "\n1\n" + root[:42] + "B=\n",
		"root in hex":      exampleOrigin + "\n1\n" + ledger.Hash{}.String() + "\n",
		"space after size": exampleOrigin + "\n1 \n" + root + "\n",
	} {
		signed, err := s.sign(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c, err := ParseCheckpoint(signed, s.Key()); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("%s: read as %+v, %v", name, c, err)
		}
	}
	other, err := NewSigner(exampleOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCheckpoint(exampleCheckpoint(t).Note, other.Key()); err == nil {
		t.Error("verified with the key of somebody else")
	}
	if _, err := ParseCheckpoint(exampleCheckpoint(t).Note, "not a key"); err == nil {
		t.Error("verified with something that is no key")
	}
}

// Signatures of other keys are named, never trusted.
func TestCheckpointUnknownSignatures(t *testing.T) {
	s := exampleSigner(t, exampleOrigin)
	c := exampleCheckpoint(t)
	line := "— witness.example/w1 " + base64.StdEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, make([]byte, 72)...)) + "\n"
	got, err := ParseCheckpoint(append(bytes.Clone(c.Note), line...), s.Key())
	if err != nil || len(got.Unknown) != 1 || got.Unknown[0] != "witness.example/w1" {
		t.Errorf("unknown signatures %q, %v", got.Unknown, err)
	}
	for name, more := range map[string]string{"twice": line + line, "loose base64": strings.Replace(line, "A==", "B==", 1), "no name": "—  AAAAAAAA\n"} {
		if _, err := ParseCheckpoint(append(bytes.Clone(c.Note), more...), s.Key()); err == nil {
			t.Errorf("%s: %q is accepted", name, more)
		}
	}
	if _, err := ParseCheckpoint(append(bytes.Clone(c.Note), bytes.Repeat([]byte(line), maxNote/len(line)+1)...), s.Key()); err == nil {
		t.Error("a note beyond the limit is read")
	}
}

// A receipt is signed with the log's key and can never pass for a checkpoint; nothing
// but a receipt is signed.
func TestReceipts(t *testing.T) {
	s := exampleSigner(t, exampleOrigin)
	const text = ReceiptHeader + "\nerased 01ARZ3NDEKTSV4RRFFQ69G5FAV\n"
	signed, err := s.SignText(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyText(signed, s.Key()); err != nil || got != text {
		t.Errorf("read back: %q, %v", got, err)
	}
	if _, err := ParseCheckpoint(signed, s.Key()); err == nil {
		t.Error("a receipt passes for a checkpoint")
	}
	for i := range signed {
		changed := bytes.Clone(signed)
		changed[i] ^= 1
		if _, err := VerifyText(changed, s.Key()); err == nil {
			t.Errorf("byte %d changed, and it verifies", i)
		}
	}
	for _, bad := range []string{"", "\n", exampleCheckpoint(t).text(), ReceiptHeader, ReceiptHeader + "\n", ReceiptHeader + "\nno end",
		ReceiptHeader + " \nx\n", " " + text, ReceiptHeader + "\n\nx\n", ReceiptHeader + "\nbell \a\n"} {
		if got, err := s.SignText(bad); err == nil {
			t.Errorf("%q was signed: %q", bad, got)
		}
	}
	if _, err := VerifyText(exampleCheckpoint(t).Note, s.Key()); !errors.Is(err, ErrNotReceipt) {
		t.Errorf("a checkpoint is read as a receipt: %v", err)
	}
	if _, err := NewSigner("a name"); err == nil {
		t.Error("a name with a space was accepted")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	s := exampleSigner(f, exampleOrigin)
	signed := exampleCheckpoint(f).Note
	f.Add(signed)
	f.Add([]byte("a\n\n— b AAAA\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ParseCheckpoint(in, s.Key())
		if err == nil && !bytes.HasPrefix(in, signed) {
			t.Errorf("%q verifies as %+v", in, c)
		}
	})
}

func FuzzParseCheckpointText(f *testing.F) {
	f.Add(exampleCheckpoint(f).text())
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseCheckpointText(text); err == nil && c.text() != text {
			t.Errorf("%q was read as %+v", text, c)
		}
	})
}
