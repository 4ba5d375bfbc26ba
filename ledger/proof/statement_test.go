package proof

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitae/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file under testdata. What these files hold is what others have
// stored and signed: a change breaks them.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}

// example is the statement about a made-up commit.
func example(seq ledger.Seq) Statement {
	s := Statement{Seq: seq, Time: time.Date(2026, 3, 1, 12, 30, 0, 250e6, time.UTC).Add(time.Duration(seq) * time.Second),
		Hash: ledger.HashOf([]byte{byte(seq), byte(seq >> 8), byte(seq >> 16), 1})}
	commit, profile := ledger.HashOf([]byte{byte(seq), 2}), ledger.HashOf([]byte{byte(seq % 5), 3})
	s.Commit, s.Profile = ledger.CommitID(commit[:16]), ledger.ProfileID(profile[:16])
	if seq > 5 {
		s.Prev = ledger.HashOf([]byte{byte(seq - 5), byte((seq - 5) >> 8), byte((seq - 5) >> 16), 1})
	}
	return s
}

func TestStatementGolden(t *testing.T) {
	golden(t, "statement.json", example(7).Encode())
	golden(t, "statement_first.json", example(1).Encode())
}

func TestStatementOf(t *testing.T) {
	s := example(9)
	r := ledger.Record{Seq: s.Seq, Hash: s.Hash, Commit: &ledger.Commit{ID: s.Commit, Profile: s.Profile, Time: s.Time, Prev: s.Prev,
		Meta: ledger.Meta{Actor: "key:someone", Reason: "a reason"}}}
	if got := StatementOf(&r); got != s {
		t.Errorf("got %+v, want %+v", got, s)
	}
}

// A statement reads back as it was, stays under a kilobyte, and no byte of it can be
// changed without another meaning or a refusal.
func TestStatementRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Statement{
			Seq:  ledger.Seq(rapid.Uint64Range(1, maxExact).Draw(t, "seq")),
			Time: time.UnixMilli(rapid.Int64Range(0, 253402300799999).Draw(t, "time")).UTC(),
			Prev: ledger.HashOf([]byte(rapid.String().Draw(t, "prev"))), Hash: ledger.HashOf([]byte(rapid.String().Draw(t, "hash"))),
		}
		copy(s.Commit[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "commit"))
		copy(s.Profile[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "profile"))
		entry := s.Encode()
		if got, err := ParseStatement(entry); err != nil || got != s {
			t.Fatalf("read back: %+v, %v; want %+v", got, err, s)
		}
		if len(entry) >= 1024 {
			t.Fatalf("an entry of %d bytes", len(entry))
		}
		changed := bytes.Clone(entry)
		changed[rapid.IntRange(0, len(entry)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := ParseStatement(changed); err == nil && (got == s || !bytes.Equal(got.Encode(), changed)) {
			t.Fatalf("read %q as %+v", changed, got)
		}
	})
}

func TestStatementRefused(t *testing.T) {
	good := string(example(7).Encode())
	for name, entry := range map[string]string{
		"empty":           "",
		"not JSON":        "x",
		"a list":          "[]",
		"space":           strings.Replace(good, ",", ", ", 1),
		"trailing":        good + "\n",
		"twice":           good + good,
		"unknown member":  strings.Replace(good, "{", `{"a":1,`, 1),
		"duplicate":       strings.Replace(good, `"seq":7`, `"seq":7,"seq":7`, 1),
		"member's case":   strings.Replace(good, `"seq"`, `"Seq"`, 1),
		"sequence 0":      strings.Replace(good, `"seq":7`, `"seq":0`, 1),
		"leading zero":    strings.Replace(good, `"seq":7`, `"seq":07`, 1),
		"not exact":       strings.Replace(good, `"seq":7`, `"seq":9007199254740993`, 1),
		"negative":        strings.Replace(good, `"seq":7`, `"seq":-7`, 1),
		"upper-case hash": strings.Replace(good, `"hash":"`, `"hash":"A`, 1),
		"no milliseconds": strings.Replace(good, ".250Z", "Z", 1),
		"another zone":    strings.Replace(good, ".250Z", ".250+00:00", 1),
	} {
		if _, err := ParseStatement([]byte(entry)); !errors.Is(err, ledger.ErrFormat) {
			t.Errorf("%s: %v, want %v", name, err, ledger.ErrFormat)
		}
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add(example(1).Encode())
	f.Add(example(1234567).Encode())
	f.Fuzz(func(t *testing.T, entry []byte) {
		s, err := ParseStatement(entry)
		if err == nil && !bytes.Equal(s.Encode(), entry) {
			t.Errorf("%q was read as %+v", entry, s)
		}
	})
}
