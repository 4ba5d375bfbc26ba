package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/projections/history"
)

// blameRow is one value of a profile and the event that put it there.
type blameRow struct {
	View  string       `json:"view"`
	Field string       `json:"field"`
	Item  *string      `json:"item"`
	Value ledger.Value `json:"value"`
	Seq   ledger.Seq   `json:"seq"`
	Time  time.Time    `json:"time"`
	Actor string       `json:"actor"`
	Via   string       `json:"via"`
	// PreviousSeq is where the value before this one was set: asked about at that
	// sequence, blame shows it. null for the first.
	PreviousSeq *ledger.Seq `json:"previousSeq"`
	// Origin is the view that the event edited: another than View where a resume was
	// copied since.
	Origin    string          `json:"origin"`
	Index     int             `json:"index"`
	ID        string          `json:"id"`
	Commit    ledger.CommitID `json:"commit"`
	RequestID *string         `json:"requestId"`
	Reason    *string         `json:"reason"`
	Hash      ledger.Hash     `json:"hash"`
}

// seesValues says whether the caller may see the profile's values: the profile's own key
// may, others need the scope.
func seesValues(x *exchange) bool { return !x.key.ForAll() || x.key.Has(keys.ValuesRead) }

// getBlame says of every value of a profile, now or as of ?at=, who put it there.
func (s *Server) getBlame(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	if err := only(q, "view", "field", "item", "at"); err != nil {
		return err
	}
	view, err := one(q, "view")
	if err != nil {
		return err
	}
	var f filter
	if f.field, err = one(q, "field"); err != nil {
		return err
	}
	if f.item, err = one(q, "item"); err != nil {
		return err
	}
	p, err := s.state(w, r)
	if err != nil {
		return err
	}
	if view != "" && !history.HasView(p, view) {
		return ledger.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	b := history.NewBlame(p, view)
	if err := s.commits(ctx, p.ID, p.Seq, b.Add); err != nil {
		return err
	}
	rows := []blameRow{}
	for _, l := range b.Lines() {
		if !f.place(l.Field, l.Item) {
			continue
		}
		row, err := s.blameRow(p.ID, &l, seesValues(x))
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return s.sendTagged(w, r, list{Data: rows})
}

func (s *Server) blameRow(id ledger.ProfileID, l *history.Line, values bool) (blameRow, error) {
	row := blameRow{View: l.View, Field: l.Field, Item: orNull(l.Item), Seq: l.Cell.Seq, Time: l.Time, Actor: l.Meta.Actor, Via: l.Meta.Via,
		Origin: l.Origin, Index: l.Cell.Index, ID: ledger.EventID(l.Cell.Commit, l.Cell.Index), Commit: l.Cell.Commit, RequestID: orNull(l.Meta.RequestID), Hash: l.Hash}
	if l.Before > 0 {
		row.PreviousSeq = &l.Before
	}
	if values {
		row.Value = l.Cell.Value
	}
	var err error
	row.Reason, err = s.reason(id, l.Cell.Commit, l.SealedReason)
	return row, err
}

// reason opens why a commit was made. Whoever may audit may read it: it is about the edit,
// not of the profile.
func (s *Server) reason(id ledger.ProfileID, commit ledger.CommitID, sealed []byte) (*string, error) {
	if sealed == nil {
		return nil, nil
	}
	b, err := s.Vault.Open(id, commit, ledger.ReasonIndex, sealed)
	if err != nil {
		return nil, err
	}
	text := string(b)
	return &text, nil
}

// commits hands a profile's commits up to a sequence to do, oldest first.
func (s *Server) commits(ctx context.Context, id ledger.ProfileID, upTo ledger.Seq, do func(*ledger.Record)) error {
	for after := ledger.Seq(0); after < upTo; {
		page, err := s.History.Commits(ctx, id, after, historyPage)
		if err != nil {
			return err
		}
		for i := range page {
			if page[i].Seq > upTo {
				return nil
			}
			do(&page[i])
			after = page[i].Seq
		}
		if len(page) < historyPage {
			return nil
		}
	}
	return nil
}

// place says whether a filter by field and item takes a place.
func (f filter) place(field, item string) bool {
	plain, _, _ := strings.Cut(field, "@")
	return (f.field == "" || f.field == field || f.field == plain) && (f.item == "" || f.item == item)
}
