package tail

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/projections"
	"vitae/projections/history"
	"vitae/projections/views"
)

// compare checks that the ledger holds exactly what was acknowledged, and the projections
// exactly what a clean fold of the ledger gives.
func compare(t *testing.T, l *stream.Ledger, acked map[ledger.Seq]ledger.CommitID, v *views.Views, h *history.History) {
	ctx := t.Context()
	fold := map[ledger.ProfileID]*ledger.Profile{}
	commits := map[ledger.ProfileID][]ledger.Hash{}
	for b, err := range l.Read(ctx, 1) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Commits {
			if acked[r.Seq] != r.Commit.ID {
				t.Fatalf("sequence %d holds %s, acknowledged was %s", r.Seq, r.Commit.ID, acked[r.Seq])
			}
			p := fold[r.Commit.Profile]
			if p == nil {
				p = ledger.NewProfile(r.Commit.Profile)
				fold[p.ID] = p
			}
			if err := p.Check(r.Seq, r.Commit); err != nil {
				t.Fatal(err)
			}
			p.Apply(r.Seq, r.Hash, r.Commit)
			commits[p.ID] = append(commits[p.ID], r.Hash)
		}
	}
	for id, want := range fold {
		got, err := v.Profile(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("the view of %s is not the fold:\n%s", id, diff)
		}
		if got, err = h.StateAt(ctx, id, want.Seq); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("the history of %s does not lead to the fold:\n%s", id, diff)
		}
		records, err := h.Commits(ctx, id, 0, len(commits[id])+10)
		if err != nil {
			t.Fatal(err)
		}
		var hashes []ledger.Hash
		for _, r := range records {
			hashes = append(hashes, r.Hash)
		}
		if !slices.Equal(hashes, commits[id]) {
			t.Errorf("the history of %s has %d commits, the ledger %d, or they differ", id, len(hashes), len(commits[id]))
		}
	}
}

// plain is a state as sorted lines.
func plain(p *ledger.Profile) []string {
	out := []string{fmt.Sprintf("%s at %d %s, created %s, updated %s, erased %v", p.ID, p.Seq, p.Head, p.CreatedAt, p.UpdatedAt, p.Erased)}
	cell := func(place string, c ledger.Cell) {
		out = append(out, fmt.Sprintf("%s = %d %s/%d %s %x", place, c.Seq, c.Commit, c.Index, c.Commitment, ledger.HashOf(c.Sealed)))
	}
	lists := func(view string, m map[string]*ledger.Collection) {
		for name, c := range m {
			if len(c.Order) > 0 {
				out = append(out, view+"/"+name+": "+strings.Join(c.Order, " "))
			}
			for id, one := range c.Items {
				cell(view+"/"+name+"/"+id, one)
			}
		}
	}
	for name, c := range p.Shared {
		cell("shared/"+name, c)
	}
	for name, c := range p.Connections {
		cell("connections/"+name, c)
	}
	lists("shared", p.Lists)
	for id, r := range p.Resumes {
		out = append(out, fmt.Sprintf("resume %s from %q, created %d %s, updated %d %s", id, r.From, r.CreatedSeq, r.CreatedAt, r.UpdatedSeq, r.UpdatedAt))
		for name, c := range r.Fields {
			cell(id+"/"+name, c)
		}
		lists(id, r.Collections)
	}
	slices.SortFunc(out[1:], cmp.Compare)
	return out
}

// once checks that every commit was applied exactly once.
func once(t *testing.T, p *projections.Projection, head ledger.Seq) {
	var distinct, applied, most, first, last int64
	err := p.Read(func(r *projections.Reader) error {
		return r.QueryRow(t.Context(), 0).Scan(&distinct, &applied, &most, &first, &last)
	})
	if err != nil {
		t.Fatal(err)
	}
	if distinct != int64(head) || applied != int64(head) || most != 1 || first != 1 || last != int64(head) {
		t.Errorf("applied %d commits (%d to %d) %d times, one of them %d times; the ledger has %d", distinct, first, last, applied, most, head)
	}
}
