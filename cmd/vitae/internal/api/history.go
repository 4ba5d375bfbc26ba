package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
)

// event is one event as the audit routes show it.
type event struct {
	Seq       ledger.Seq       `json:"seq"`
	Index     int              `json:"index"`
	ID        string           `json:"id"`
	Commit    ledger.CommitID  `json:"commit"`
	Profile   ledger.ProfileID `json:"profile"`
	View      string           `json:"view"`
	Field     *string          `json:"field"`
	Item      *string          `json:"item"`
	Op        ledger.Op        `json:"op"`
	Value     ledger.Value     `json:"value"`
	Previous  ledger.Value     `json:"previous"`
	Actor     string           `json:"actor"`
	Via       string           `json:"via"`
	RequestID *string          `json:"requestId"`
	Reason    *string          `json:"reason"`
	Time      time.Time        `json:"time"`
	Prev      ledger.Hash      `json:"prev"`
	Hash      ledger.Hash      `json:"hash"`
	// Typed is what was typed, where the value is a normalised form of it.
	Typed  ledger.Value `json:"typed,omitempty"`
	Erased bool         `json:"erased,omitempty"`
}

// cursor is a place between two events: behind event index of commit seq.
type cursor struct {
	seq   ledger.Seq
	index int
}

func (c cursor) String() string {
	return strconv.FormatUint(uint64(c.seq), 10) + "." + strconv.Itoa(c.index)
}

// before says whether the cursor stands before event index of commit seq.
func (c cursor) before(seq ledger.Seq, index int) bool {
	return seq > c.seq || seq == c.seq && index > c.index
}

// parseCursor reads "seq.index", or "seq": behind the whole commit.
func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	seq, index, inside := strings.Cut(text, ".")
	n, err := strconv.ParseUint(seq, 10, 63)
	c := cursor{seq: ledger.Seq(n), index: ledger.MaxEvents}
	if err == nil && inside {
		var i uint64
		i, err = strconv.ParseUint(index, 10, 31)
		c.index = int(i)
	}
	if err != nil {
		return c, fail(http.StatusBadRequest, "invalid_query", "after must be a cursor from next, or a sequence.")
	}
	return c, nil
}

// filter is what a caller wants to see of a history; "" is anything.
type filter struct{ view, field, item, op, actor, via, requestID, reason string }

// wants says whether the filter takes an event. reason is why its commit was made.
func (f filter) wants(c *ledger.Commit, e *ledger.Event, reason *string) bool {
	return (f.view == "" || f.view == e.View) && f.place(e.Field, e.Item) && (f.op == "" || f.op == string(e.Op)) &&
		(f.actor == "" || f.actor == c.Meta.Actor) && (f.via == "" || f.via == c.Meta.Via) && (f.requestID == "" || f.requestID == c.Meta.RequestID) &&
		(f.reason == "" || reason != nil && strings.Contains(*reason, f.reason))
}

// The largest page of a history, and how many commits are read at once.
const (
	maxEvents   = 1000
	historyPage = 200
)

// historyQuery is what a history is asked for.
type historyQuery struct {
	filter filter
	after  cursor
	limit  int
	to     ledger.Seq // the last sequence to show
	fixed  bool       // the answer will never be another one
	at     moment     // what to came to, when it was given
}

// historyQuery reads a query. from and to are sequences or times, both inclusive; at is
// another word for to.
func (s *Server) historyQuery(ctx context.Context, q url.Values) (h historyQuery, err error) {
	h.to = ^ledger.Seq(0)
	f := &h.filter
	texts := map[string]*string{"view": &f.view, "field": &f.field, "item": &f.item, "op": &f.op, "actor": &f.actor, "via": &f.via,
		"requestId": &f.requestID, "reason": &f.reason}
	if err := only(q, append(slices.Collect(maps.Keys(texts)), "from", "to", "at", "after", "limit")...); err != nil {
		return h, err
	}
	for name, to := range texts {
		if *to, err = one(q, name); err != nil {
			return h, err
		}
	}
	if h.limit, err = number(q, "limit", 100, 1, maxEvents); err != nil {
		return h, err
	}
	text, err := one(q, "after")
	if err != nil {
		return h, err
	}
	if h.after, err = parseCursor(text); err != nil {
		return h, err
	}
	end := "to"
	if q["at"] != nil {
		if end = "at"; q["to"] != nil {
			return h, fail(http.StatusBadRequest, "invalid_query", "at and to are the same: give one of them.")
		}
	}
	if q[end] != nil {
		if h.at, _, err = s.momentOf(ctx, q, end); err != nil {
			return h, err
		}
		h.to, h.fixed = h.at.seq, h.at.fixed
	}
	if q["from"] == nil {
		return h, nil
	}
	from, err := one(q, "from")
	if err != nil {
		return h, err
	}
	if t, err := time.Parse(time.RFC3339, from); err == nil {
		// Commits have whole milliseconds: what is not after the one before is not from then on.
		from = t.Add(-time.Millisecond).Format(time.RFC3339Nano)
	}
	m, err := s.seqAt(ctx, "from", from)
	if err != nil {
		return h, err
	}
	if _, err := strconv.ParseUint(from, 10, 63); err == nil && m.seq > 0 {
		m.seq-- // a sequence is inclusive
	}
	h.fixed = h.fixed && m.fixed
	if first := (cursor{seq: m.seq, index: ledger.MaxEvents}); h.after.before(first.seq, first.index) {
		h.after = first
	}
	return h, nil
}

// getHistory lists a profile's events, oldest first. Of an erased profile they are shown
// without values, to who may audit all profiles.
func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	h, err := s.historyQuery(ctx, q)
	if err != nil {
		return err
	}
	p, err := s.present(ctx, x)
	erased := errors.Is(err, ledger.ErrErased)
	switch {
	case err != nil && !erased, erased && !x.key.ForAll():
		return err
	}
	t := timeline{s: s, id: x.profile, filter: h.filter, to: h.to, erased: erased, values: !erased && seesValues(x)}
	events, next, err := t.page(ctx, p, h.after, h.limit)
	if err != nil {
		return err
	}
	if next != nil {
		if q == nil {
			q = url.Values{}
		}
		q.Set("after", *next)
		w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
	}
	if h.to != ^ledger.Seq(0) {
		moment{h.at.seq, h.fixed}.tell(w.Header())
	}
	return s.sendTagged(w, r, list{Data: events, Next: next})
}

// timeline walks a profile's commits with the state before each event, for what it
// replaced.
type timeline struct {
	s      *Server
	id     ledger.ProfileID
	filter filter
	to     ledger.Seq // the last sequence to show
	values bool       // the caller may see values
	erased bool
	state  *ledger.Profile // sealed; before the event in hand
}

// page gives up to limit wanted events behind a cursor, and the cursor behind the last of
// them when there are more. now is the present state, or nil.
func (t *timeline) page(ctx context.Context, now *ledger.Profile, after cursor, limit int) (events []event, next *string, err error) {
	head, err := t.s.Core.Head(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := t.s.History.Wait(ctx, head); err != nil {
		return nil, nil, err
	}
	events = []event{}
	if now != nil && after.seq > now.Seq {
		return events, nil, nil
	}
	t.state, err = t.s.History.StateAt(ctx, t.id, max(after.seq, 1)-1)
	if errors.Is(err, ledger.ErrNotFound) {
		t.state, err = ledger.NewProfile(t.id), nil
	}
	if err != nil {
		return nil, nil, err
	}
	var last cursor
	for {
		commits, err := t.s.History.Commits(ctx, t.id, t.state.Seq, historyPage)
		if err != nil {
			return nil, nil, err
		}
		for i := range commits {
			r := &commits[i]
			if r.Seq > t.to {
				return events, nil, nil
			}
			var reason *string
			if !t.erased && r.Commit.SealedReason != nil {
				if reason, err = t.s.reason(t.id, r.Commit.ID, r.Commit.SealedReason); err != nil {
					return nil, nil, err
				}
			}
			for k := range r.Commit.Events {
				if e := &r.Commit.Events[k]; after.before(r.Seq, k) && t.filter.wants(r.Commit, e, reason) {
					if len(events) == limit {
						text := last.String()
						return events, &text, nil
					}
					shown, err := t.event(r, k, reason)
					if err != nil {
						return nil, nil, err
					}
					events, last = append(events, shown), cursor{r.Seq, k}
				}
				t.step(r, k)
			}
		}
		if len(commits) < historyPage {
			return events, nil, nil
		}
	}
}

// step applies one event of a commit to the state.
func (t *timeline) step(r *ledger.Record, k int) {
	c := *r.Commit
	c.Events = c.Events[k : k+1]
	t.state.Apply(r.Seq, r.Hash, &c)
	if k == 0 {
		return // its cell says index 0
	}
	// A cell says where its event is: what is sealed opens only there.
	e := &c.Events[0]
	move := func(cells map[string]ledger.Cell, name string) {
		if cell, ok := cells[name]; ok {
			cell.Index = k
			cells[name] = cell
		}
	}
	switch e.Op {
	case ledger.OpSet:
		if re := t.state.Resumes[e.View]; re != nil {
			move(re.Fields, e.Field)
		} else {
			move(t.state.Shared, e.Field)
		}
	case ledger.OpPut:
		if l := t.state.Collection(e.View, e.Field); l != nil {
			move(l.Items, e.Item)
		}
	case ledger.OpBound:
		move(t.state.Connections, e.Item)
	}
}

func (t *timeline) event(r *ledger.Record, k int, reason *string) (event, error) {
	c, e := r.Commit, r.Commit.Events[k]
	out := event{Seq: r.Seq, Index: k, ID: ledger.EventID(c.ID, k), Commit: c.ID, Profile: t.id, View: e.View, Field: orNull(e.Field), Item: orNull(e.Item),
		Op: e.Op, Actor: c.Meta.Actor, Via: c.Meta.Via, RequestID: orNull(c.Meta.RequestID), Time: c.Time, Prev: c.Prev, Hash: r.Hash, Reason: reason, Erased: t.erased}
	if t.erased {
		return out, nil
	}
	// The order of items is their ids, which are in clear in any case.
	if e.Op == ledger.OpOrder {
		var err error
		if out.Value, err = json.Marshal(e.Order); err != nil {
			return out, err
		}
		if l := t.state.Collection(e.View, e.Field); l != nil {
			out.Previous, err = json.Marshal(l.Order)
		}
		return out, err
	}
	if !t.values {
		return out, nil
	}
	if e.Sealed != nil {
		payload, err := t.s.Vault.Open(t.id, c.ID, k, e.Sealed)
		if err != nil {
			return out, err
		}
		if err := e.SetPayload(payload); err != nil {
			return out, &ledger.ChainError{Profile: t.id, Seq: r.Seq, Why: err.Error()}
		}
		out.Value, out.Typed = e.Value, e.Typed
	}
	var err error
	out.Previous, err = t.open(t.previous(&e))
	return out, err
}

// previous is the cell that an event replaces or takes away.
func (t *timeline) previous(e *ledger.Event) ledger.Cell {
	switch e.Op {
	case ledger.OpSet, ledger.OpClear:
		if e.View == ledger.Shared {
			return t.state.Shared[e.Field]
		}
		if re := t.state.Resumes[e.View]; re != nil {
			return re.Fields[e.Field]
		}
	case ledger.OpPut, ledger.OpRemove:
		if l := t.state.Collection(e.View, e.Field); l != nil {
			return l.Items[e.Item]
		}
	case ledger.OpBound, ledger.OpDeleted:
		if e.Field == ledger.Connections {
			return t.state.Connections[e.Item]
		}
	}
	return ledger.Cell{}
}

func (t *timeline) open(cell ledger.Cell) (ledger.Value, error) {
	if cell.Sealed == nil {
		return nil, nil
	}
	payload, err := t.s.Vault.Open(t.id, cell.Commit, cell.Index, cell.Sealed)
	if err != nil {
		return nil, err
	}
	old := ledger.Event{Commitment: cell.Commitment}
	if err := old.SetPayload(payload); err != nil {
		return nil, &ledger.ChainError{Profile: t.id, Seq: cell.Seq, Why: err.Error()}
	}
	return old.Value, nil
}

// orNull makes "" null.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
