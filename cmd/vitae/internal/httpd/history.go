package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
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
	Typed     ledger.Value     `json:"typed,omitempty"`
	Actor     string           `json:"actor"`
	Via       string           `json:"via"`
	RequestID *string          `json:"requestId"`
	Reason    *string          `json:"reason"`
	Time      time.Time        `json:"time"`
	Prev      ledger.Hash      `json:"prev"`
	Hash      ledger.Hash      `json:"hash"`
	Erased    bool             `json:"erased,omitempty"`
}

// cursor is a place between two events: behind event index of commit seq.
type cursor struct {
	seq   ledger.Seq
	index int
}

func (c cursor) String() string {
	return strconv.FormatUint(uint64(c.seq), 10) + "." + strconv.Itoa(c.index)
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
		c.index, err = strconv.Atoi(index)
	}
	if err != nil || c.index < 0 {
		return c, fail(http.StatusBadRequest, "invalid_query", "after must be a cursor from next, or a sequence.")
	}
	return c, nil
}

// filter is what a caller wants to see of a history.
type filter struct{ view, field, actor, via string }

func (f filter) wants(c *ledger.Commit, e *ledger.Event) bool {
	field, _, _ := strings.Cut(e.Field, "@")
	return (f.view == "" || f.view == e.View) && (f.field == "" || f.field == e.Field || f.field == field) &&
		(f.actor == "" || f.actor == c.Meta.Actor) && (f.via == "" || f.via == c.Meta.Via)
}

// historyPage is how many commits are read at once.
const historyPage = 200

// getHistory lists a profile's events, oldest first.
func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	x, q := exchangeOf(r), r.URL.Query()
	limit, err := intQuery(r, "limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	after, err := parseCursor(q.Get("after"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return err
	}
	now, err := s.Core.Profile(ctx, x.profile, head)
	if err != nil {
		return err
	}
	if now.Erased && !x.key.ForAll() {
		return ledger.ErrErased
	}
	if err := s.History.Wait(ctx, head); err != nil {
		return err
	}
	t := timeline{s: s, id: x.profile, erased: now.Erased, filter: filter{q.Get("view"), q.Get("field"), q.Get("actor"), q.Get("via")},
		values: !now.Erased && (!x.key.ForAll() || x.key.Has(keys.ValuesRead) || x.key.IsAdmin())}
	events, next, err := t.page(ctx, after, limit)
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, list{Data: events, Next: next})
}

// timeline walks a profile's commits with the state before each, for what was replaced.
type timeline struct {
	s      *Server
	id     ledger.ProfileID
	filter filter
	values bool // the caller may see values
	erased bool
	state  *ledger.Profile
}

// page gives up to limit wanted events behind a cursor, and the cursor behind them when
// there are more.
func (t *timeline) page(ctx context.Context, after cursor, limit int) (events []event, next *string, err error) {
	before := after.seq
	if before > 0 {
		before--
	}
	t.state, err = t.s.History.StateAt(ctx, t.id, before)
	if errors.Is(err, ledger.ErrNotFound) {
		t.state, err = ledger.NewProfile(t.id), nil
	}
	if err != nil {
		return nil, nil, err
	}
	events = []event{}
	var last cursor
	for {
		page, err := t.s.History.Commits(ctx, t.id, t.state.Seq, historyPage)
		if err != nil {
			return nil, nil, err
		}
		for i := range page {
			r := &page[i]
			if t.values {
				if err := r.Commit.Open(t.s.Vault); err != nil {
					return nil, nil, err
				}
			}
			for k := range r.Commit.Events {
				if r.Seq < after.seq || r.Seq == after.seq && k <= after.index || !t.filter.wants(r.Commit, &r.Commit.Events[k]) {
					continue
				}
				if len(events) == limit {
					text := last.String()
					return events, &text, nil
				}
				e, err := t.event(r, k)
				if err != nil {
					return nil, nil, err
				}
				events, last = append(events, e), cursor{r.Seq, k}
			}
			t.state.Apply(r.Seq, r.Hash, r.Commit)
		}
		if len(page) < historyPage {
			return events, nil, nil
		}
	}
}

func (t *timeline) event(r *ledger.Record, k int) (event, error) {
	c, e := r.Commit, &r.Commit.Events[k]
	out := event{Seq: r.Seq, Index: k, ID: ledger.EventID(c.ID, k), Commit: c.ID, Profile: t.id, View: e.View, Field: text(e.Field), Item: text(e.Item),
		Op: e.Op, Actor: c.Meta.Actor, Via: c.Meta.Via, RequestID: text(c.Meta.RequestID), Reason: text(c.Meta.Reason), Time: c.Time, Prev: c.Prev, Hash: r.Hash, Erased: t.erased}
	if !t.values {
		return out, nil
	}
	out.Value, out.Typed = e.Value, e.Typed
	var err error
	if out.Previous, err = t.previous(e); err != nil {
		return out, err
	}
	if e.Op == ledger.OpOrder {
		if out.Value, err = json.Marshal(e.Order); err != nil {
			return out, err
		}
	}
	return out, nil
}

// previous is the value that an event replaced or took away.
func (t *timeline) previous(e *ledger.Event) (ledger.Value, error) {
	var cell ledger.Cell
	switch e.Op {
	case ledger.OpSet, ledger.OpClear:
		if e.View == ledger.Shared {
			cell = t.state.Shared[e.Field]
		} else if re := t.state.Resumes[e.View]; re != nil {
			cell = re.Fields[e.Field]
		}
	case ledger.OpPut, ledger.OpRemove:
		if l := t.state.Collection(e.View, e.Field); l != nil {
			cell = l.Items[e.Item]
		}
	case ledger.OpBound, ledger.OpDeleted:
		if e.Field == ledger.Connections {
			cell = t.state.Connections[e.Item]
		}
	case ledger.OpOrder:
		if l := t.state.Collection(e.View, e.Field); l != nil {
			return json.Marshal(l.Order)
		}
	}
	if cell.Value != nil || cell.Sealed == nil {
		return cell.Value, nil
	}
	payload, err := t.s.Vault.Open(t.id, cell.Commit, cell.Index, cell.Sealed)
	if err != nil {
		return nil, err
	}
	old := ledger.Event{Commitment: cell.Commitment}
	if err := old.SetPayload(payload); err != nil {
		return nil, err
	}
	return old.Value, nil
}

// text makes "" null.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
