package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"vitae/ledger"
)

// A reply about a fixed moment is the same bytes for ever, until the profile is erased. So
// a cache of the caller's own may show it for a while without asking; then it asks, with
// the entity tag, and is told 304, or 410 after an erasure. Shared caches keep nothing.
const keepFixed = "private, max-age=300, immutable"

// atHeader names the sequence that a moment came to.
const atHeader = "X-Vitae-At"

// moment is a place in the ledger that a caller named: the state after sequence seq.
type moment struct {
	seq ledger.Seq
	// fixed says that the answer will never be another one.
	fixed bool
}

// tell says in a reply which moment it is about, and how it may be kept.
func (m moment) tell(h http.Header) {
	h.Set(atHeader, strconv.FormatUint(uint64(m.seq), 10))
	if m.fixed {
		h.Set("Cache-Control", keepFixed)
	}
}

// state is the profile that a read is about, as it is now or as ?at= asks, opened. It
// says how the reply may be cached.
func (s *Server) state(w http.ResponseWriter, r *http.Request) (*ledger.Profile, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	q, err := query(r)
	if err != nil {
		return nil, err
	}
	text, err := one(q, "at")
	if err != nil {
		return nil, err
	}
	// The present state is asked for in any case: it knows whether the profile is erased.
	p, err := s.present(ctx, exchangeOf(r))
	if err != nil || text == "" && q["at"] == nil {
		return p, err
	}
	m, err := s.seqAt(ctx, "at", text)
	if err != nil {
		return nil, err
	}
	if p, err = s.stateAt(ctx, p.ID, m.seq); err != nil {
		return nil, err
	}
	m.tell(w.Header())
	return p, nil
}

// stateAt is a profile after a sequence, opened: ledger.ErrNotFound before its creation.
func (s *Server) stateAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	p, err := s.History.StateAt(ctx, id, seq)
	if err != nil {
		return nil, err
	}
	if p.Erased {
		return nil, ledger.ErrErased
	}
	return p, p.OpenAll(s.Vault)
}

// settled is how long after a moment no commit with an earlier time can come any more: a
// commit gets its time before it is on stable storage.
const settled = 2 * submitTimeout

// seqAt reads a sequence or a time, which parameter name holds; it is answered once the
// history has everything that was committed.
func (s *Server) seqAt(ctx context.Context, name, text string) (moment, error) {
	head, err := s.Core.Head(ctx)
	if err != nil {
		return moment{}, err
	}
	if err := s.History.Wait(ctx, head); err != nil {
		return moment{}, err
	}
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		if ledger.Seq(n) > head {
			return moment{}, fail(http.StatusBadRequest, "beyond_head", name+" is beyond the ledger's end, sequence "+strconv.FormatUint(uint64(head), 10)+".")
		}
		return moment{ledger.Seq(n), true}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	now := s.now()
	switch {
	case err != nil:
		return moment{}, fail(http.StatusBadRequest, "invalid_at", name+" must be a sequence, or a time such as 2026-01-31T12:00:00Z.")
	case t.After(now):
		return moment{}, fail(http.StatusBadRequest, "beyond_head", "The time that "+name+" gives has not come yet.")
	}
	seq, err := s.History.SeqAt(ctx, t)
	if errors.Is(err, ledger.ErrNotFound) {
		return moment{0, true}, nil // before the first commit
	}
	return moment{seq, now.Sub(t) > settled}, err
}

// latest is the end of the ledger, with the history up to it.
func (s *Server) latest(ctx context.Context) (moment, error) {
	head, err := s.Core.Head(ctx)
	if err != nil {
		return moment{}, err
	}
	return moment{seq: head}, s.History.Wait(ctx, head)
}

// momentOf reads a parameter that may name a moment; otherwise it is the end of the ledger.
// given says that it was there.
func (s *Server) momentOf(ctx context.Context, q url.Values, name string) (m moment, given bool, err error) {
	text, err := one(q, name)
	if err != nil {
		return m, false, err
	}
	if q[name] == nil {
		m, err = s.latest(ctx)
		return m, false, err
	}
	m, err = s.seqAt(ctx, name, text)
	return m, true, err
}

// only refuses parameters that a route does not have: a filter with a slip in its name
// would show an auditor something else than what was asked for.
func only(q url.Values, names ...string) error {
	var wrong []ledger.FieldError
	for name := range q {
		if !slices.Contains(names, name) {
			wrong = append(wrong, ledger.FieldError{Pointer: ledger.PointerTo("", name), Code: ledger.CodeUnknownField, Message: "there is no such parameter"})
		}
	}
	if wrong == nil {
		return nil
	}
	slices.SortFunc(wrong, func(a, b ledger.FieldError) int {
		if a.Pointer < b.Pointer {
			return -1
		}
		return 1
	})
	return &ledger.Refusal{Fields: wrong}
}

// presentOnly refuses ?at= where there is no past to show: how far a provider is, is known
// of the present only.
func presentOnly(r *http.Request) error {
	q, err := query(r)
	if err == nil && q["at"] != nil {
		err = fail(http.StatusBadRequest, "invalid_query", "Deliveries are shown as they are now. Their past is in .../deliveries, and that of connections in .../history?field=connections.")
	}
	return err
}

// sendTagged writes a JSON reply with a strong entity tag of its own bytes: 304 to who has
// them already.
func (s *Server) sendTagged(w http.ResponseWriter, r *http.Request, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if fresh(w, r, `"sha256:`+ledger.HashOf(b).String()[:32]+`"`) {
		return nil
	}
	s.raw(w, r, http.StatusOK, b)
	return nil
}
