package projections

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/projections/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStateRoundTrip: every state of a long random history, and each part of it, comes
// back as it was; no shorter form of it is taken for a state.
func TestStateRoundTrip(t *testing.T) {
	l := fake.New()
	s := fake.NewScript(l, 1, 4)
	s.Cycle = true
	s.Write(400, 10)
	all := l.All()
	for seq := ledger.Seq(1); seq <= 400; seq += 7 {
		for id, p := range fake.Fold(all, seq) {
			b := AppendProfile(nil, p)
			if !bytes.Equal(b, AppendProfile(nil, p.Clone())) {
				t.Fatal("equal states have other bytes")
			}
			got, err := ReadProfile(b, id)
			if err != nil {
				t.Fatal(err)
			}
			if d := fake.Diff(p, got); d != "" {
				t.Fatalf("(-want +got)\n%s", d)
			}
		}
	}
	for id, p := range fake.Fold(all, 400) {
		b := AppendProfile(nil, p)
		for n := range b {
			if _, err := ReadProfile(b[:n:n], id); !errors.Is(err, ErrState) {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if _, err := ReadProfile(append(bytes.Clone(b), 0), id); !errors.Is(err, ErrState) {
			t.Fatalf("a byte too many: %v", err)
		}
	}
}

func FuzzReadProfile(f *testing.F) {
	f.Add(AppendProfile(nil, golden()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ReadProfile(b, ledger.ProfileID{1}); err != nil && !errors.Is(err, ErrState) {
			t.Fatal(err)
		}
	})
}

// golden is a state with everything in it.
func golden() *ledger.Profile {
	cell := func(n byte) ledger.Cell {
		return ledger.Cell{Seq: ledger.Seq(n) * 100, Commit: ledger.CommitID{n}, Index: int(n), Commitment: ledger.Hash{n}, Sealed: []byte{n, n, n}}
	}
	p := ledger.NewProfile(ledger.ProfileID{1})
	p.Seq, p.Head, p.CreatedAt, p.UpdatedAt = 700, ledger.Hash{7}, fake.Start, fake.Start.AddDate(0, 1, 0)
	p.Shared["firstName"], p.Shared["firstName@fr_FR"] = cell(1), cell(2)
	p.Shared["nexudus.onNewWallPost"] = ledger.Cell{Seq: 3, Commit: ledger.CommitID{3}}
	p.Lists["phones"] = &ledger.Collection{Order: []string{"b", "a"}, Items: map[string]ledger.Cell{"a": cell(3), "b": cell(4)}}
	p.Connections["mokaru"] = cell(5)
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, CreatedSeq: 1, CreatedAt: fake.Start, UpdatedSeq: 600, UpdatedAt: fake.Start.AddDate(0, 0, 1),
		Fields:      map[string]ledger.Cell{},
		Collections: map[string]*ledger.Collection{"skills": {Order: []string{"x"}, Items: map[string]ledger.Cell{"x": cell(6)}}}}
	p.Resumes["01JRESUME0000000000000001A"] = &ledger.Resume{ID: "01JRESUME0000000000000001A", From: ledger.Base, CreatedSeq: 700, CreatedAt: fake.Start,
		UpdatedSeq: 700, UpdatedAt: fake.Start, Fields: map[string]ledger.Cell{"name": cell(7)},
		Collections: map[string]*ledger.Collection{"skills": {Order: []string{}, Items: map[string]ledger.Cell{}}}}
	return p
}

var update = flag.Bool("update", false, "rewrite golden files")

// TestStateGolden pins the stored form. When it must change, the versions of the models
// that store it change too.
func TestStateGolden(t *testing.T) {
	name := filepath.Join("testdata", "state.hex")
	got := []byte(hex.Dump(AppendProfile(nil, golden())))
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the stored form has changed:\n%s", got)
	}
}
