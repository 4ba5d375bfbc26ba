package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Answers of the gate's own, in the form of JetStream's.
const (
	notAllowed = `{"error":{"code":403,"err_code":10000,"description":"not allowed for subscribers"}}`
	tooMany    = `{"error":{"code":429,"err_code":10026,"description":"too many consumers: delete one that is not used"}}`
)

// pass looks at one request of a subscriber and makes it, or refuses it.
func (g *gate) pass(m *nats.Msg) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(m.Subject, gateSubject), ".")
	if m.Reply == "" {
		return
	}
	g.mu.Lock()
	grant, ok := g.grants[name]
	if !g.ready {
		g.mu.Unlock()
		return
	}
	g.busy.Add(1)
	g.mu.Unlock()
	var req request
	if ok {
		req, ok = g.allowed(grant, rest, m.Data)
	}
	if !ok {
		g.answered(name, m.Respond([]byte(notAllowed)))
		g.busy.Done()
		return
	}
	g.slots <- struct{}{}
	go func() {
		defer g.busy.Done()
		defer func() { <-g.slots }()
		answer, err := g.make(grant, req)
		if err == nil {
			err = m.Respond(answer)
		}
		g.answered(name, err)
	}()
}

func (g *gate) answered(subscriber string, err error) {
	if err != nil {
		g.log.Warn("engine: answering a subscriber", "subscriber", subscriber, "err", err)
	}
}

// request is what is asked of JetStream for a subscriber.
type request struct {
	subject  string // behind $JS.API.
	body     []byte
	consumer string // as the subscriber calls it; "" when it is about the stream
	creates  bool
}

// make asks JetStream, and gives the answer as the subscriber is to see it.
func (g *gate) make(grant Grant, req request) ([]byte, error) {
	if req.creates {
		g.creating.Lock()
		defer g.creating.Unlock()
		if full, err := g.full(grant, req.consumer); err != nil || full {
			return []byte(tooMany), err
		}
	}
	answer, err := g.conn.RequestMsg(&nats.Msg{Subject: "$JS.API." + req.subject, Data: req.body}, apiTimeout)
	if err != nil {
		return nil, err
	}
	if req.consumer == "" {
		return answer.Data, nil
	}
	// Before the subscriber knows that the consumer is there.
	if err := g.imports(grant, req.consumer); err != nil {
		return nil, err
	}
	return unprefixed(answer.Data, grant), nil
}

// full says whether the subscriber has as many consumers as it may, without this one.
func (g *gate) full(grant Grant, consumer string) (bool, error) {
	names, err := g.consumers(grant)
	return len(names) >= g.most && !slices.Contains(names, consumer), err
}

// consumers are the subscriber's consumers, as it calls them.
func (g *gate) consumers(grant Grant) (names []string, err error) {
	for offset := 0; ; {
		answer, err := g.conn.Request("$JS.API.CONSUMER.NAMES."+g.feed, fmt.Appendf(nil, `{"offset":%d}`, offset), apiTimeout)
		if err != nil {
			return nil, err
		}
		var page struct {
			Total     int      `json:"total"`
			Consumers []string `json:"consumers"`
		}
		if err := json.Unmarshal(answer.Data, &page); err != nil {
			return nil, err
		}
		for _, name := range page.Consumers {
			if name, ok := strings.CutPrefix(name, grant.prefix()); ok {
				names = append(names, name)
			}
		}
		offset += len(page.Consumers)
		if offset >= page.Total || len(page.Consumers) == 0 {
			return names, nil
		}
	}
}

// prefix begins the names of the subscriber's consumers in JetStream. No other subscriber's
// begins with it: there is no dash in a Name.
func (g Grant) prefix() string { return g.Name + "-" }

// imports lets the subscriber's account have the messages of a consumer of its own.
func (g *gate) imports(grant Grant, consumer string) error {
	real := grant.prefix() + consumer
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.imported[real] {
		return nil
	}
	acc, err := g.srv.LookupAccount(accountOf(grant.Name))
	if err != nil {
		return err
	}
	// What is asked for goes by the subscriber's name for it, what is acknowledged by the
	// subject that came with the message.
	for from, to := range map[string]string{g.nextSubject(consumer): g.nextSubject(real), g.ackSubject(real) + ".>": g.ackSubject(real) + ".>"} {
		if err := acc.AddServiceImport(g.srv.GlobalAccount(), from, to); err != nil {
			return err
		}
	}
	g.imported[real] = true
	return nil
}

// unprefixed takes the subscriber's name off the consumer's in an answer. An answer without
// one stays as it is.
func unprefixed(answer []byte, grant Grant) []byte {
	var top, config map[string]json.RawMessage
	if json.Unmarshal(answer, &top) != nil || top["name"] == nil {
		return answer
	}
	strip := func(m map[string]json.RawMessage, names ...string) {
		for _, name := range names {
			var text string
			if m[name] != nil && json.Unmarshal(m[name], &text) == nil {
				m[name], _ = json.Marshal(strings.TrimPrefix(text, grant.prefix())) // a text can be written
			}
		}
	}
	strip(top, "name")
	if json.Unmarshal(top["config"], &config) == nil && config != nil {
		strip(config, "name", "durable_name")
		if b, err := json.Marshal(config); err == nil {
			top["config"] = b
		}
	}
	b, err := json.Marshal(top)
	if err != nil {
		return answer
	}
	return b
}

// allowed says whether the JetStream request $JS.API.<rest> reads the feed, within the
// grant, and gives the request to make instead.
func (g *gate) allowed(grant Grant, rest string, body []byte) (req request, ok bool) {
	part := strings.SplitN(rest, ".", 5)
	is := func(words ...string) bool {
		if len(part) < len(words)+1 || part[len(words)] != g.feed {
			return false
		}
		for i, w := range words {
			if part[i] != w {
				return false
			}
		}
		return true
	}
	at := 3 // where the consumer's name stands
	switch {
	case is("STREAM", "INFO"):
		// A filter in the body would list subjects, and so profiles.
		return request{subject: rest}, len(part) == 3 && len(bytes.TrimSpace(body)) == 0
	case is("CONSUMER", "INFO"), is("CONSUMER", "DELETE"):
		if len(part) != 4 {
			return req, false
		}
		req.consumer = part[3]
	case is("CONSUMER", "CREATE"):
		// An old form names no consumer.
		if len(part) < 4 {
			return req, false
		}
		req.consumer, req.creates = part[3], true
	case is("CONSUMER", "DURABLE", "CREATE"):
		if len(part) != 5 {
			return req, false
		}
		at, req.consumer, req.creates = 4, part[4], true
	default:
		return req, false
	}
	if !consumerName(req.consumer) {
		return req, false
	}
	if req.creates {
		if req.body, ok = g.consumerAllowed(grant, req.consumer, body); !ok {
			return req, false
		}
	}
	part[at] = grant.prefix() + req.consumer
	req.subject = strings.Join(part, ".")
	return req, true
}

// consumerName says whether a consumer may be called so: as JetStream has it, and not so long
// that there is no room for the subscriber's own name.
func consumerName(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsAny(name, ".*>/\\ \t\r\n") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// consumerAllowed says whether the body asks for a pull consumer of that name, with
// filters within the grant, and gives the body to send. Members that it does not know are
// refused: the next version of the server may give them a meaning.
func (g *gate) consumerAllowed(grant Grant, name string, body []byte) ([]byte, bool) {
	var req consumerBody
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if dec.Decode(&req) != nil || dec.More() || req.Stream != g.feed {
		return nil, false
	}
	c := &req.Config
	if c.Name != "" && c.Name != name || c.Durable != "" && c.Durable != name {
		return nil, false
	}
	filters := c.Filters
	if c.Filter != "" {
		filters = append(filters, c.Filter)
	}
	for _, f := range filters {
		if !grant.mayRead(f) {
			return nil, false
		}
	}
	if len(filters) == 0 && !grant.mayRead(">") {
		return nil, false
	}
	c.Name = grant.prefix() + name
	if c.Durable != "" {
		c.Durable = c.Name
	}
	// A consumer that nobody asks for anything is given up.
	if c.Durable != "" && c.Inactive <= 0 || c.Inactive > int64(g.keep) {
		c.Inactive = int64(g.keep)
	}
	out, err := json.Marshal(req)
	return out, err == nil
}

// consumerBody is the body of a request for a consumer.
type consumerBody struct {
	Stream   string          `json:"stream_name"`
	Action   string          `json:"action,omitempty"`
	Pedantic bool            `json:"pedantic,omitempty"`
	Config   consumerRequest `json:"config"`
}

// consumerRequest is what a subscriber may say of a consumer. There is no place for a
// deliver subject, so none can be asked for.
type consumerRequest struct {
	Name        string          `json:"name,omitempty"`
	Durable     string          `json:"durable_name,omitempty"`
	Filter      string          `json:"filter_subject,omitempty"`
	Filters     []string        `json:"filter_subjects,omitempty"`
	Inactive    int64           `json:"inactive_threshold,omitempty"` // nanoseconds
	Description json.RawMessage `json:"description,omitempty"`
	Deliver     json.RawMessage `json:"deliver_policy,omitempty"`
	StartSeq    json.RawMessage `json:"opt_start_seq,omitempty"`
	StartTime   json.RawMessage `json:"opt_start_time,omitempty"`
	Ack         json.RawMessage `json:"ack_policy,omitempty"`
	AckWait     json.RawMessage `json:"ack_wait,omitempty"`
	MaxDeliver  json.RawMessage `json:"max_deliver,omitempty"`
	BackOff     json.RawMessage `json:"backoff,omitempty"`
	Replay      json.RawMessage `json:"replay_policy,omitempty"`
	MaxAck      json.RawMessage `json:"max_ack_pending,omitempty"`
	MaxWaiting  json.RawMessage `json:"max_waiting,omitempty"`
	MaxBatch    json.RawMessage `json:"max_batch,omitempty"`
	MaxExpires  json.RawMessage `json:"max_expires,omitempty"`
	MaxBytes    json.RawMessage `json:"max_bytes,omitempty"`
	HeadersOnly json.RawMessage `json:"headers_only,omitempty"`
	Replicas    json.RawMessage `json:"num_replicas,omitempty"`
	Memory      json.RawMessage `json:"mem_storage,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// DisconnectForGood ends a subscriber's connections as Disconnect does, and once more when those
// that were being let in at that moment are in.
func (e *Engine) DisconnectForGood(name string) error {
	if e.gate == nil {
		return nil
	}
	err := e.gate.disconnect(name)
	select {
	case <-time.After(admitTime):
	case <-e.life.Done():
		return err
	}
	return errors.Join(err, e.gate.disconnect(name))
}

// admitTime is longer than the server gives a client to say who it is.
const admitTime = 3 * time.Second
