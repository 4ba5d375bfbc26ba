package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"vitae/sinks/journal"
)

// Journal has every attempt of every delivery.
type Journal interface {
	// Query finds rows, oldest first; next is the cursor behind them when there are more.
	Query(ctx context.Context, f journal.Filter) (rows []journal.Row, next string, err error)
}

// getDeliveries lists what was done to deliver a profile, oldest first. What this instance
// does not know is in it as a gap.
func (s *Server) getDeliveries(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	f := journal.Filter{Profile: x.profile}
	for name, to := range map[string]*string{"sink": &f.Sink, "entity": &f.Entity, "attempt": &f.Attempt, "after": &f.After} {
		if *to, err = one(q, name); err != nil {
			return err
		}
	}
	if f.Limit, err = number(q, "limit", 100, 1, journal.MaxLimit); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	if _, err := s.present(ctx, x); err != nil {
		return err
	}
	rows, next, err := s.Journal.Query(ctx, f)
	if errors.Is(err, journal.ErrCursor) {
		return fail(http.StatusBadRequest, "invalid_query", "after must be a cursor from next.")
	}
	if err != nil {
		return err
	}
	if next != "" {
		if q == nil {
			q = url.Values{}
		}
		q.Set("after", next)
		w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
	}
	return s.send(w, r, http.StatusOK, list{Data: rows, Next: orNull(next)})
}
