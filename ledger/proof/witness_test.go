package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vitae/ledger"
)

// exampleWitness gives a cosigner's verifier key, and how it signs a checkpoint.
func exampleWitness(name string, seed byte) (vkey string, sign func(text string, at uint64) string) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	raw := append([]byte{cosignatureType}, private.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	vkey = fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(raw))
	return vkey, func(text string, at uint64) string {
		sig := append(bytes.Clone(sum[:4]), binary.BigEndian.AppendUint64(nil, at)...)
		sig = append(sig, ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
		return "— " + name + " " + base64.StdEncoding.EncodeToString(sig) + "\n"
	}
}

// The example of C2SP tlog-cosignature's text, signed with a key of ours.
func TestCosignatureGolden(t *testing.T) {
	vkey, sign := exampleWitness("witness.example/w1", 7)
	golden(t, "witness.txt", []byte(vkey+"\n"+sign(exampleCheckpoint(t).text(), 1679315147)))
}

// Witnesses cosign the present checkpoint; what they did stays with it, on every instance
// and over restarts, until the next checkpoint.
func TestCosign(t *testing.T) {
	one, signOne := exampleWitness("witness.example/w1", 7)
	two, signTwo := exampleWitness("witness.example/w2", 8)
	_, signStranger := exampleWitness("witness.example/w3", 9)
	f, s, dir := newLedger(), newStore(), t.TempDir()
	f.grow(5, 0)
	l := open(t, dir, f, s, one, two)
	stop := run(t, l)
	c := signedUpTo(t, l, 5)
	ctx := context.Background()
	with := func(lines ...string) []byte { return []byte(string(c.Note) + strings.Join(lines, "")) }

	for name, bad := range map[string][]byte{
		"nothing":              nil,
		"no cosignature":       c.Note,
		"a stranger's":         with(signStranger(c.text(), 5)),
		"another text's":       with(signOne(strings.Replace(c.text(), "\n5\n", "\n6\n", 1), 5)),
		"time 0":               with(signOne(c.text(), 0)),
		"time too large":       with(signOne(c.text(), 1<<63)),
		"cut":                  with(strings.Replace(signOne(c.text(), 5), "==", "", 1)),
		"the log's is missing": []byte(c.text() + "\n" + signOne(c.text(), 5)),
		"one good, one wrong":  with(signOne(c.text(), 5), signTwo("x\n", 5)),
	} {
		if got, err := l.Cosign(ctx, bad); !errors.Is(err, ErrCosignature) {
			t.Errorf("%s: taken as %q, %v", name, got.Note, err)
		}
	}
	if !bytes.Equal(l.Served().Note, c.Note) {
		t.Fatal("something was taken")
	}

	first := signOne(c.text(), 1_700_000_000)
	got, err := l.Cosign(ctx, with(signStranger(c.text(), 5), first))
	if err != nil || string(got.Note) != string(c.Note)+first {
		t.Fatalf("the first witness: %q, %v", got.Note, err)
	}
	if got, err = l.Cosign(ctx, with(signOne(c.text(), 1_700_000_009))); err != nil || string(got.Note) != string(c.Note)+first {
		t.Errorf("the first witness again: %q, %v", got.Note, err)
	}
	second := signTwo(c.text(), 1_700_000_001)
	if got, err = l.Cosign(ctx, with(second)); err != nil || string(got.Note) != string(c.Note)+first+second {
		t.Errorf("the second witness: %q, %v", got.Note, err)
	}
	if parsed, err := ParseCheckpoint(l.Served().Note, l.Key()); err != nil || len(parsed.Unknown) != 2 {
		t.Errorf("served is %q, %v", parsed.Note, err)
	}
	must(t, stop())
	again := open(t, dir, f, s, one, two)
	run(t, again)
	if err := again.Wait(patient(t), 5); err != nil {
		t.Fatal(err)
	}
	f.grow(1, 0)
	next := signedUpTo(t, again, 6)
	if len(next.Unknown) != 0 {
		t.Errorf("the next checkpoint has the cosignatures %q", next.Unknown)
	}
	if now, err := again.Cosign(ctx, with(first)); !errors.Is(err, ErrNotCurrent) || now.Size != 6 {
		t.Errorf("an old checkpoint: %v, the present size %d", err, now.Size)
	}
}

// A cosignature that another instance took is served here with the next look.
func TestCosignatureOfAnotherInstance(t *testing.T) {
	one, sign := exampleWitness("witness.example/w1", 7)
	f, s := newLedger(), newStore()
	f.grow(5, 0)
	a := open(t, t.TempDir(), f, s, one)
	stop := run(t, a)
	c := signedUpTo(t, a, 5)
	must(t, stop())
	line := sign(c.text(), 1)
	if _, err := a.Cosign(context.Background(), append(bytes.Clone(c.Note), line...)); err != nil {
		t.Fatal(err)
	}
	b := open(t, t.TempDir(), f, s)
	run(t, b)
	if got := signedUpTo(t, b, 5); string(got.Note) != string(c.Note)+line {
		t.Errorf("served is %q", got.Note)
	}
}

func TestCheckWitness(t *testing.T) {
	good, _ := exampleWitness("witness.example/w1", 7)
	if err := CheckWitness(good); err != nil {
		t.Error(err)
	}
	logKey := exampleSigner(t, exampleOrigin).Key()
	for _, bad := range []string{"", "witness", "a+b+c", logKey, strings.ToUpper(good), strings.Replace(good, "w1", "w2", 1), good + "=", good[:len(good)-4], " " + good} {
		if err := CheckWitness(bad); err == nil {
			t.Errorf("%q is taken for a witness's key", bad)
		}
	}
}

func FuzzParseWitness(f *testing.F) {
	good, _ := exampleWitness("witness.example/w1", 7)
	f.Add(good)
	f.Add("a+00000000+BAAA")
	f.Fuzz(func(t *testing.T, vkey string) {
		w, err := parseWitness(vkey)
		if err != nil {
			return
		}
		raw := base64.StdEncoding.EncodeToString(append([]byte{cosignatureType}, w.key...))
		if again := fmt.Sprintf("%s+%08x+%s", w.name, w.id, raw); again != vkey {
			t.Errorf("%q was read as %q", vkey, again)
		}
	})
}

func FuzzParseSignatures(f *testing.F) {
	_, sign := exampleWitness("witness.example/w1", 7)
	f.Add(sign("a\n", 1) + sign("b\n", 2))
	f.Fuzz(func(t *testing.T, lines string) {
		all, err := parseSignatures(lines)
		if err != nil {
			if !errors.Is(err, ledger.ErrFormat) {
				t.Error(err)
			}
			return
		}
		again := ""
		for _, s := range all {
			again += s.line()
		}
		if again != lines {
			t.Errorf("%q was read as %q", lines, again)
		}
	})
}
