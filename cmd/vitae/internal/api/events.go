package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/projections/changes"
)

// The times of a stream of events.
const (
	// pulse is how often something is sent on a stream on which nothing happens.
	pulse = 15 * time.Second
	// sendTimeout is how long a reader may leave what it was sent lying.
	sendTimeout = 20 * time.Second
	// settleTimeout bounds how long a reader who does not want to follow waits for events that
	// are on their way.
	settleTimeout = 2 * time.Second
)

// sendEvents is how many events are written at once.
const sendEvents = 256

func (s *Server) eventRoutes() []route {
	return tagged("subscribers", false, []route{
		{method: "GET", path: "/v1/events", scope: keys.EventsRead, id: "followEvents", summary: "Follow what changes, as server-sent events or as JSON lines",
			run: s.getEvents, reply: "text/event-stream", query: []string{"from", "follow", "format", "profile", "type", "field", "values", "Last-Event-ID"}, fails: []int{400}},
		{method: "GET", path: "/asyncapi.json", open: true, id: "asyncapi", summary: "What is published, in AsyncAPI 3.0", run: s.getAsyncAPI, reply: "application/json"},
	})
}

// eventsQuery is what a reader asks for.
type eventsQuery struct {
	filter changes.Filter
	after  bool   // begin behind from: it is the last event that the reader has
	from   uint64 // 0: behind the head
	lines  bool   // JSON lines
	follow bool
	values bool
}

// startOf reads where to begin: behind the last event that a client has, or with an event.
func startOf(lastEventID, from string) (seq uint64, after bool, err error) {
	read := func(name, text string) (uint64, error) {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, fail(http.StatusBadRequest, "invalid_query", name+" must be an event's sequence, a whole number.")
		}
		return n, nil
	}
	switch {
	case lastEventID != "":
		seq, err = read("Last-Event-ID", lastEventID)
		return seq, true, err
	case from != "":
		seq, err = read("from", from)
		return max(seq, 1), false, err
	}
	return 0, false, nil
}

func wordOf(q url.Values, name, otherwise string, words ...string) (string, error) {
	text, err := one(q, name)
	if err != nil || text == "" {
		return otherwise, err
	}
	for _, w := range words {
		if text == w {
			return text, nil
		}
	}
	message := name + " must be " + words[0]
	for _, w := range words[1:] {
		message += " or " + w
	}
	return "", fail(http.StatusBadRequest, "invalid_query", message+".")
}

// eventsQueryOf reads the query, and keeps a key to what it may see.
func eventsQueryOf(r *http.Request, key *keys.Key) (out eventsQuery, err error) {
	q, err := query(r)
	if err != nil {
		return out, err
	}
	from, err := one(q, "from")
	if err != nil {
		return out, err
	}
	if out.from, out.after, err = startOf(r.Header.Get("Last-Event-ID"), from); err != nil {
		return out, err
	}
	var words [3]string
	for i, c := range []struct{ name, otherwise, other string }{{"format", "sse", "jsonl"}, {"follow", "true", "false"}, {"values", "false", "true"}} {
		if words[i], err = wordOf(q, c.name, c.otherwise, c.otherwise, c.other); err != nil {
			return out, err
		}
	}
	out.lines, out.follow, out.values = words[0] == "jsonl", words[1] == "true", words[2] == "true"
	if out.values && !key.Has(keys.ValuesRead) {
		return out, fail(http.StatusForbidden, "scope_missing", "Values need the scope values:read. Leave out values=true to follow without them.")
	}
	out.filter.Types, out.filter.Fields = q["type"], q["field"]
	for _, name := range out.filter.Types {
		if !isEventType(name) {
			return out, fail(http.StatusBadRequest, "invalid_query", "type must be one of those that /asyncapi.json lists, such as "+ledger.TypeProfileChanged+".")
		}
	}
	for _, name := range out.filter.Fields {
		if _, _, ok := ledger.Lookup(name); !ok && name != ledger.Connections && name != "name" {
			return out, fail(http.StatusBadRequest, "invalid_query", "field must be a field's name, such as firstName or projects; GET /v1/fields lists them.")
		}
	}
	out.filter.Profile, err = eventsProfile(r, q, key)
	return out, err
}

func isEventType(name string) bool {
	for _, t := range ledger.CloudEventTypes() {
		if name == t {
			return true
		}
	}
	return false
}

// eventsProfile is the one profile whose events are wanted; zero for all of them.
func eventsProfile(r *http.Request, q url.Values, key *keys.Key) (id ledger.ProfileID, err error) {
	named, err := one(q, "profile")
	if err != nil {
		return id, err
	}
	if header := r.Header.Get("X-Vitae-Profile"); named == "" {
		named = header
	} else if header != "" && header != named {
		return id, fail(http.StatusBadRequest, "profile_invalid", "profile and X-Vitae-Profile name two profiles. Send one of them.")
	}
	if !key.ForAll() {
		if named != "" && named != key.Profile.String() {
			return id, fail(http.StatusForbidden, "foreign_profile", "The key is not for this profile.")
		}
		return key.Profile, nil
	}
	if named == "" {
		return id, nil
	}
	if id, err = ledger.ParseProfileID(named); err != nil {
		return id, fail(http.StatusBadRequest, "profile_invalid", "profile must be a profile's id, a ULID of 26 characters.")
	}
	return id, nil
}

// getEvents sends events until the client goes, its key is revoked or the server stops.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := eventsQueryOf(r, x.key)
	if err != nil {
		return err
	}
	if s.Feed == nil {
		return ledger.ErrUnavailable
	}
	st := &eventStream{s: s, w: w, control: http.NewResponseController(w), query: q}
	if err := st.begin(r.Context(), x.key); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Vitae-Events-After", strconv.FormatUint(st.reader.Position()-1, 10))
	h.Set("Content-Type", "text/event-stream")
	if q.lines {
		h.Set("Content-Type", "application/jsonl")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	st.run(r.Context())
	return nil
}

// eventStream is one reader of the feed. It holds no events: only its place.
type eventStream struct {
	s       *Server
	w       http.ResponseWriter
	control *http.ResponseController
	query   eventsQuery
	reader  *changes.Reader
	out     []byte // what is to be sent
}

// begin finds the place to begin at. A position that is not there any more is where the first
// event is, and the reader is told.
func (st *eventStream) begin(ctx context.Context, key *keys.Key) error {
	q, feed := &st.query, st.s.Feed
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	from := q.from
	if q.after {
		from++
	}
	var gone *changes.GoneError
	if from == 0 || !q.follow {
		// What was answered to a write is there for who asks then.
		if err := st.settle(ctx); err != nil {
			return err
		}
	}
	if from != 0 {
		if err := feed.Check(ctx, from); err != nil && !errors.As(err, &gone) {
			return err
		}
		if gone != nil && !q.after && from > gone.Head {
			return fail(http.StatusBadRequest, "beyond_head", "The feed ends at event "+strconv.FormatUint(gone.Head, 10)+".")
		}
	}
	head, err := feed.HeadNow(ctx)
	if err != nil {
		return err
	}
	if from == 0 {
		from = head + 1
	}
	st.reader = feed.Reader(from, q.filter)
	st.reader.Done, st.reader.Stop = key.Done(), st.s.stopping
	if !q.follow {
		st.reader.StopAt(head)
	}
	if gone != nil {
		st.reset(gone)
	}
	return nil
}

// settle waits a little for events of commits that are there already.
func (st *eventStream) settle(ctx context.Context) error {
	head, err := st.s.Core.Head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := st.s.Feed.Settle(ctx, head); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// reset tells the reader that it has missed events, and where the state is.
func (st *eventStream) reset(gone *changes.GoneError) {
	first := gone.First
	if gone.From > gone.Head {
		first = gone.Head + 1 // it has seen another feed than this one
	}
	e := ledger.ResetEvent(st.s.Feed.Source(), gone.From, first, st.query.filter.Profile, st.s.now())
	st.reader.SkipTo(first)
	st.put(first-1, ledger.TypeReset, ledger.AppendCloudEvent(nil, &e))
}

// put appends one event to what is to be sent.
func (st *eventStream) put(seq uint64, kind string, event []byte) {
	if st.query.lines {
		st.out = append(st.out, `{"seq":`...)
		st.out = strconv.AppendUint(st.out, seq, 10)
		st.out = append(st.out, `,"event":`...)
		st.out = append(st.out, event...)
		st.out = append(st.out, "}\n"...)
		return
	}
	st.out = append(st.out, "id: "...)
	st.out = strconv.AppendUint(st.out, seq, 10)
	st.out = append(st.out, "\nevent: "...)
	st.out = append(st.out, kind...)
	st.out = append(st.out, "\ndata: "...)
	st.out = append(st.out, event...)
	st.out = append(st.out, "\n\n"...)
}

// comment keeps a stream of events alive. JSON lines have no comments.
func (st *eventStream) comment() {
	if !st.query.lines {
		st.out = append(st.out, ":\n\n"...)
	}
}

// send passes on what was put together. An error says that the client does not take it.
func (st *eventStream) send() error {
	if err := st.control.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if len(st.out) > 0 {
		if _, err := st.w.Write(st.out); err != nil {
			return err
		}
	}
	// A reader on which nothing happens holds nothing.
	if st.out = st.out[:0]; cap(st.out) > 4096 {
		st.out = nil
	}
	return st.control.Flush()
}

// run sends events until something ends it.
func (st *eventStream) run(ctx context.Context) {
	if len(st.out) == 0 && st.query.follow {
		st.comment() // some clients wait for the first byte
	}
	for {
		if st.send() != nil {
			return
		}
		waiting, cancel := context.WithTimeout(ctx, pulse)
		events, err := st.reader.Next(waiting, sendEvents)
		cancel()
		var gone *changes.GoneError
		switch {
		case errors.As(err, &gone): // it was too slow, for days
			st.reset(gone)
			continue
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			st.comment()
			continue
		case err != nil:
			if !errors.Is(err, io.EOF) && !errors.Is(err, changes.ErrDone) && ctx.Err() == nil {
				st.s.Log.Warn("a reader of the feed of changes is cut off; it can resume", "event", st.reader.Position(), "error", err)
			}
			return
		}
		for _, e := range events {
			if err := st.event(ctx, e); err != nil {
				st.s.Log.Error("a reader of the feed of changes is cut off", "event", e.Seq, "error", err)
				return
			}
		}
	}
}

// event puts one event in what is to be sent, with values if they are wanted.
func (st *eventStream) event(ctx context.Context, e *changes.Event) error {
	one, err := e.Event()
	if err != nil {
		return err
	}
	if !st.query.values {
		text, err := e.JSON()
		if err != nil {
			return err
		}
		st.put(e.Seq, one.Type, text)
		return nil
	}
	if one, err = st.s.WithValues(ctx, one); err != nil {
		return err
	}
	st.put(e.Seq, one.Type, ledger.AppendCloudEvent(nil, &one))
	return nil
}
