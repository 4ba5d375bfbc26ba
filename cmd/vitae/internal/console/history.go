package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
)

// event is an event of the history as the API shows it.
type event struct {
	Seq      uint64       `json:"seq"`
	Index    int          `json:"index"`
	View     string       `json:"view"`
	Field    string       `json:"field"`
	Item     string       `json:"item"`
	Op       string       `json:"op"`
	Value    ledger.Value `json:"value"`
	Previous ledger.Value `json:"previous"`
	Actor    string       `json:"actor"`
	Via      string       `json:"via"`
	Reason   string       `json:"reason"`
	Time     time.Time    `json:"time"`
	Erased   bool         `json:"erased"`
}

// Now and Was are the values for people.
func (e event) Now() string { return words(e.Value) }

// Was is the value that the event replaced.
func (e event) Was() string { return words(e.Previous) }

func words(v ledger.Value) string {
	if v == nil {
		return ""
	}
	n, err := ledger.ParseJSON(v)
	if err != nil {
		return string(v)
	}
	return plain(n)
}

type historyBody struct {
	Events []event // newest first
	None   string  // why there are none to see
	Field  string  // only this one
	Older  string  // where the page behind begins; "" when this is the last
	Newest bool
}

// place is where an event is.
type place struct {
	seq   uint64
	index int
}

func (p place) after(e event) bool { return e.Seq < p.seq || e.Seq == p.seq && e.Index < p.index }

const (
	// newestPlace stands for the end of the ledger.
	newestPlace = 1 << 63
	eventsShown = 50
	mostEvents  = 1000 // of one answer of the API
	// firstWindow is how many commits of the ledger, of all profiles, are looked at first.
	firstWindow = 64
	// mostAsks bounds the requests for one page.
	mostAsks = 60
)

// history shows the newest events, or those before ?before=SEQ.INDEX.
func (v *visit) history() error {
	if v.session.profile == "" {
		return errNoProfile
	}
	q := v.r.URL.Query()
	b := historyBody{Field: q.Get("field"), Newest: true}
	end := place{seq: newestPlace}
	if text := q.Get("before"); text != "" {
		seq, index, _ := strings.Cut(text, ".")
		n, err := strconv.ParseUint(seq, 10, 62)
		i, err2 := strconv.ParseUint(index, 10, 31)
		if err != nil || err2 != nil {
			return &apiError{status: http.StatusBadRequest, detail: "The address of the page is not whole."}
		}
		end, b.Newest = place{n, int(i)}, false
	}
	events, more, err := v.newest(end, b.Field)
	if err != nil {
		if b.None, err = missing(err); err != nil {
			return err
		}
	}
	b.Events = events
	if more && len(events) > 0 {
		last := events[len(events)-1]
		b.Older = strconv.FormatUint(last.Seq, 10) + "." + strconv.Itoa(last.Index)
	}
	v.show(http.StatusOK, "history", &view{Title: "History", Page: "history", Body: b})
	return nil
}

// head is a sequence that no event of the profile lies behind: of the profile if the key
// may read it, else found by doubling, since behind the last event there is nothing.
func (v *visit) head(field string) (uint64, error) {
	if d, err := v.document(""); err == nil {
		return d.seq, nil
	} else if _, err := missing(err); err != nil {
		return 0, err
	}
	at, step := uint64(0), uint64(1)
	for {
		events, _, err := v.events(at, "", 1, field)
		if err != nil || len(events) == 0 {
			return at, err
		}
		at, step = max(events[0].Seq, at+step), step*2
	}
}

// events asks for a part of the history: behind a commit, or behind a cursor.
func (v *visit) events(after uint64, cursor string, limit int, field string) ([]event, string, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}, "after": {strconv.FormatUint(after, 10)}}
	if cursor != "" {
		q.Set("after", cursor)
	}
	if field != "" {
		q.Set("field", field)
	}
	var page struct {
		Data []event
		Next *string
	}
	err := v.get("/v1/profiles/"+url.PathEscape(v.session.profile)+"/history?"+q.Encode(), &page)
	if err != nil || page.Next == nil {
		return page.Data, "", err
	}
	return page.Data, *page.Next, nil
}

// newest finds the last events before a place, the newest first. The API lists the oldest
// first, so this looks at windows of commits from the end: wider ones while they hold
// little, narrower ones when they hold more than one answer.
func (v *visit) newest(end place, field string) (found []event, more bool, err error) {
	if end.seq == newestPlace {
		if end.seq, err = v.head(field); err != nil {
			return nil, false, err
		}
		end = place{seq: end.seq + 1}
	}
	known := end.seq // commits behind this one are looked at
	if end.index == 0 && known > 0 {
		known--
	}
	window := uint64(firstWindow)
	for asks := 0; known > 0 && len(found) <= eventsShown && asks < mostAsks; asks++ {
		from := known - min(window, known)
		events, next, err := v.events(from, "", mostEvents, field)
		if err != nil {
			return nil, false, err
		}
		whole := next == "" || len(events) == 0 || events[len(events)-1].Seq > known
		if !whole && window > 1 {
			window = max(1, window/8)
			continue
		}
		for !whole { // one commit with very many events
			var rest []event
			if rest, next, err = v.events(0, next, mostEvents, field); err != nil {
				return nil, false, err
			}
			events = append(events, rest...)
			whole = next == "" || len(rest) == 0 || rest[len(rest)-1].Seq > known
		}
		for _, e := range slices.Backward(events) {
			if e.Seq <= known && end.after(e) {
				found = append(found, e)
			}
		}
		known = from
		window *= 4
	}
	more = known > 0
	if len(found) > eventsShown {
		found, more = found[:eventsShown], true
	}
	return found, more, nil
}
