package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"vitae/ledger"
	"vitae/sinks/jarvi"
)

// jarviPage is how many rows a page has at most, and jarviOffset how many may be passed
// over: who wants more goes on by where, as with {"createdAt":{"_gt":...}}.
const (
	jarviPage   = 100
	jarviOffset = 10_000
)

// getJarvi finds profiles among those that the key may see.
func (s *Server) getJarvi(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	text := map[string]string{}
	for name := range q {
		switch name {
		case "where", "orderBy", "limit", "offset":
		default:
			return ledger.Refuse("", ledger.CodeUnknownField, "The query may only have where, orderBy, limit and offset")
		}
		if text[name], err = one(q, name); err != nil {
			return err
		}
	}
	var where jarvi.Where
	if q.Has("where") {
		if where, err = jarvi.ParseWhere(text["where"]); err != nil {
			return err
		}
	}
	order := jarvi.Order(func([]ledger.Node) {})
	if q.Has("orderBy") {
		if order, err = jarvi.ParseOrder(text["orderBy"]); err != nil {
			return err
		}
	}
	limit, err := number(q, "limit", jarviPage, 0, jarviPage)
	if err != nil {
		return err
	}
	offset, err := number(q, "offset", 0, 0, jarviOffset+1)
	if err != nil {
		return err
	}
	if offset > jarviOffset {
		return ledger.Refuse("/offset", ledger.CodeOutOfRange, "must be at most 10,000: go on by where, as with {\"createdAt\":{\"_gt\":...}}")
	}
	page := jarviRows{order: order, keep: offset + limit}
	err = s.jarviSeen(r, where, func(p *ledger.Profile) error {
		row, err := jarvi.Row(p)
		if err == nil && where.Matches(row) {
			page.add(row)
		}
		return err
	})
	if err != nil {
		return err
	}
	rows := page.first()
	b := append(make([]byte, 0, 4096), `{"data":`...)
	b = ledger.Node{Kind: ledger.NodeArray, Elems: rows[min(offset, len(rows)):]}.Append(b)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(page.total), 10)
	s.raw(w, r, http.StatusOK, append(b, '}'))
	return nil
}

// jarviRows keeps the first rows in an order, of any number, in little more memory than
// those need.
type jarviRows struct {
	order jarvi.Order
	keep  int
	rows  []ledger.Node
	total int
}

func (r *jarviRows) add(row ledger.Node) {
	r.total++
	if r.rows = append(r.rows, row); len(r.rows) >= 2*r.keep+jarviPage {
		r.rows = slices.Clip(r.first())
	}
}

// first are the rows to keep, in order. What was added first is first among equals.
func (r *jarviRows) first() []ledger.Node {
	r.order(r.rows)
	return r.rows[:min(r.keep, len(r.rows))]
}

// jarviSeen gives each profile that a read could be about, in the order of their ids: the
// key's own, those that the where names, or all there are.
func (s *Server) jarviSeen(r *http.Request, where jarvi.Where, see func(*ledger.Profile) error) error {
	x := exchangeOf(r)
	if !x.key.ForAll() || r.Header.Get("X-Vitae-Profile") != "" {
		p, err := s.accountOf(r, ledger.Jarvi, "")
		if err != nil {
			return err
		}
		return see(p)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return err
	}
	one := func(id ledger.ProfileID) error {
		p, err := s.Core.Profile(ctx, id, head)
		switch {
		case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased), err == nil && p.Erased:
			return nil
		case err != nil:
			return err
		}
		return see(p)
	}
	ids, few, err := s.jarviNamed(ctx, r, where, head)
	if err != nil {
		return err
	}
	if few {
		slices.SortFunc(ids, func(a, b ledger.ProfileID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range slices.Compact(ids) {
			if err := one(id); err != nil {
				return err
			}
		}
		return nil
	}
	if s.Profiles == nil {
		return ledger.ErrUnavailable
	}
	for after := (ledger.ProfileID{}); ; {
		ids, err := s.Profiles(ctx, after, 1000, head)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := one(id); err != nil {
				return err
			}
		}
		after = ids[len(ids)-1]
	}
}

// jarviNamed are the profiles that a where names by an id or an address; ok is false when it
// names none so.
func (s *Server) jarviNamed(ctx context.Context, r *http.Request, where jarvi.Where, head ledger.Seq) (ids []ledger.ProfileID, ok bool, err error) {
	if texts, ok := where.Only("id"); ok {
		for _, text := range texts {
			if id, ok := jarvi.ParseUUID(text); ok {
				ids = append(ids, id)
			}
		}
		return ids, true, nil
	}
	if accounts, ok := where.Only("externalId"); ok {
		for _, account := range accounts {
			id, err := s.named(r, exchangeOf(r), ledger.Jarvi, cmp.Or(account, " ")) // "" would be the key's own
			if errors.Is(err, ledger.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, false, err
			}
			ids = append(ids, id)
		}
		return ids, true, nil
	}
	emails, ok := where.Only("preferredEmailAddress")
	if !ok || s.Directory == nil {
		return nil, false, nil
	}
	for _, email := range emails {
		some, err := s.Directory.Emails(ctx, email, head)
		if err != nil {
			return nil, false, err
		}
		ids = append(ids, some...)
	}
	return ids, true, nil
}
