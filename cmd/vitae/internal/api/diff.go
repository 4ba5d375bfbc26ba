package api

import (
	"context"
	"encoding/json"
	"net/http"

	"vitae/ledger"
	"vitae/projections/history"
)

// diffRow is one difference between two states.
type diffRow struct {
	View  string       `json:"view"`
	Field *string      `json:"field"`
	Item  *string      `json:"item"`
	Op    ledger.Op    `json:"op"`
	From  ledger.Value `json:"from"`
	To    ledger.Value `json:"to"`
	// Words are the texts in the values that changed by words, where both are longer than
	// a few.
	Words []changedText `json:"words,omitempty"`
}

// getDiff says what leads from one state of a profile to another: from ?from= to ?to=, or
// with ?against= from one view to another one.
func (s *Server) getDiff(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	if err := only(q, "from", "to", "at", "view", "against"); err != nil {
		return err
	}
	view, err := one(q, "view")
	if err != nil {
		return err
	}
	against, err := one(q, "against")
	if err != nil {
		return err
	}
	switch {
	case against != "" && view == "":
		return fail(http.StatusBadRequest, "invalid_query", "against compares with view: name that one too.")
	case q["at"] != nil && (q["from"] != nil || q["to"] != nil || against == ""):
		return fail(http.StatusBadRequest, "invalid_query", "at is the one moment at which view and against are compared; two moments are from and to.")
	case q["from"] == nil && against == "":
		return fail(http.StatusBadRequest, "invalid_query", "from is missing: a sequence, or a time.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	if _, err := s.present(ctx, x); err != nil {
		return err
	}
	toName := "to"
	if q["at"] != nil {
		toName = "at"
	}
	to, _, err := s.momentOf(ctx, q, toName)
	if err != nil {
		return err
	}
	from, given, err := s.momentOf(ctx, q, "from")
	if err != nil {
		return err
	}
	if !given {
		from = to
	}
	a, err := s.stateAt(ctx, x.profile, from.seq)
	if err != nil {
		return err
	}
	b, err := s.stateAt(ctx, x.profile, to.seq)
	if err != nil {
		return err
	}
	var changes []history.Change
	switch {
	case against != "":
		if !history.HasView(a, view) || !history.HasView(b, against) {
			return ledger.ErrNotFound
		}
		changes = history.DiffViews(a, view, b, against)
	default:
		if view != "" && !history.HasView(a, view) && !history.HasView(b, view) {
			return ledger.ErrNotFound
		}
		changes = history.Diff(a, b)
	}
	rows := []diffRow{}
	for i := range changes {
		if against != "" || view == "" || changes[i].View == view {
			row, err := showChange(&changes[i], seesValues(x))
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	moment{to.seq, from.fixed && to.fixed}.tell(w.Header())
	return s.sendTagged(w, r, list{Data: rows})
}

func showChange(c *history.Change, values bool) (diffRow, error) {
	row := diffRow{View: c.View, Field: orNull(c.Field), Item: orNull(c.Item), Op: c.Op}
	var err error
	switch {
	case c.Op == ledger.OpOrder: // the order of items is their ids, which are in clear in any case
		if row.From, err = json.Marshal(c.FromOrder); err == nil {
			row.To, err = json.Marshal(c.ToOrder)
		}
	case values:
		row.From, row.To = c.From.Value, c.To.Value
		row.Words = changedTexts(row.From, row.To)
	}
	return row, err
}
