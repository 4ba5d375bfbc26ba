package engine

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Grant is what one subscriber may do at Options.Listen.
type Grant struct {
	// Name is the subscriber's own: its consumers must be called Name, or Name followed
	// by a dash and more. It is made of letters, digits, dashes and underscores. Equal
	// names are the same subscriber.
	Name string
	// Subjects are the subjects of the feed that it may read ("changed.<profile>.>").
	Subjects []string
}

func (g Grant) valid() bool {
	return g.Name != "" && len(g.Name) <= 64 && len(g.Subjects) > 0 &&
		strings.Trim(g.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// owns says whether a consumer of that name is the subscriber's.
func (g Grant) owns(consumer string) bool {
	return consumer == g.Name || strings.HasPrefix(consumer, g.Name+"-")
}

// mayRead says whether everything that filter matches is among the grant's subjects.
func (g Grant) mayRead(filter string) bool {
	for _, s := range g.Subjects {
		if filter != "" && within(filter, s) {
			return true
		}
	}
	return false
}

// within says whether every subject that filter matches is matched by pattern.
func within(filter, pattern string) bool {
	f, p := strings.Split(filter, "."), strings.Split(pattern, ".")
	for i, want := range p {
		switch {
		case want == ">":
			return len(f) > i
		case i >= len(f) || f[i] == ">":
			return false
		case want != "*" && want != f[i]:
			return false
		}
	}
	return len(f) == len(p)
}

// gate lets subscribers in and keeps them in.
//
// Each subscriber is in an account of its own, so nobody sees another's subjects, and
// nothing of the program's account or the server's system account is there. The account
// imports one thing: whatever is sent to JetStream's subjects goes to the gate. The gate
// looks at each request and passes on those that read the feed and nothing else, as
// they are; the answers find their way back through the import. It matters that a
// request is looked at and not merely allowed by its subject: the body of a request for
// a consumer can make JetStream send messages to any subject of the program's account,
// and so can the subject that an answer is asked to go to. The former is refused here;
// the latter is rewritten by the import.
type gate struct {
	authorize func(string) (Grant, bool)
	feed      string
	log       *slog.Logger
	host      string
	port      int
	secret    string // what the program's own connection shows

	srv  *server.Server
	conn *nats.Conn // the program's

	ready  atomic.Bool
	mu     sync.Mutex
	grants map[string]Grant // by name; of subscribers that have an account
}

// gateSubject begins the subjects, in the program's account, that the imports lead to:
// then come the subscriber's name, "api" or "ack", and the rest of the subject.
const gateSubject = "vitae.gate."

func newGate(opt Options) (*gate, error) {
	host, port, err := net.SplitHostPort(opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("engine: listen address: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("engine: listen address %q: bad port", opt.Listen)
	}
	g := &gate{authorize: opt.Authorize, feed: opt.Feed, log: opt.Log, host: host, port: int(n),
		secret: rand.Text() + rand.Text(), grants: map[string]Grant{}}
	if n == 0 {
		g.port = server.RANDOM_PORT
	}
	return g, nil
}

// configure makes the server listen and ask the gate about everybody. It gives what
// the program's own connection needs to be let in.
func (g *gate) configure(o *server.Options) []nats.Option {
	o.DontListen = false
	o.Host, o.Port = g.host, g.port
	o.CustomClientAuthentication = g
	return []nats.Option{nats.Token(g.secret)}
}

// attach tells the gate its server, before that starts.
func (g *gate) attach(srv *server.Server) { g.srv = srv }

// open begins to let subscribers in, once the program's own connection is there.
func (g *gate) open(conn *nats.Conn) error {
	program := g.srv.GlobalAccount()
	for _, subject := range []string{"*.api.>", "*.ack.>"} {
		// Streamed: one request for the next messages has many answers.
		if err := program.AddServiceExportWithResponse(gateSubject+subject, server.Streamed, nil); err != nil {
			return fmt.Errorf("engine: opening for subscribers: %w", err)
		}
	}
	g.conn = conn
	if _, err := conn.Subscribe(gateSubject+">", g.pass); err != nil {
		return fmt.Errorf("engine: opening for subscribers: %w", err)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("engine: opening for subscribers: %w", err)
	}
	g.ready.Store(true)
	return nil
}

// close lets nobody in any more.
func (g *gate) close() { g.ready.Store(false) }

// Check is asked by the server about every connection.
func (g *gate) Check(c server.ClientAuthentication) bool {
	token := c.GetOpts().Token
	if token == "" {
		return false
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(g.secret)) == 1 {
		// The program itself, in its own account. Over the listener nobody can do this:
		// the secret never leaves the process.
		c.RegisterUser(&server.User{Username: "vitae"})
		return true
	}
	if !g.ready.Load() || c.Kind() != server.CLIENT {
		return false
	}
	grant, ok := g.authorize(token)
	if !ok {
		return false
	}
	acc, err := g.admit(grant)
	if err != nil {
		g.log.Error("engine: admitting a subscriber", "subscriber", grant.Name, "err", err)
		return false
	}
	c.RegisterUser(&server.User{Username: grant.Name, Account: acc, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.>", "$JS.ACK." + g.feed + ".>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}})
	return true
}

// admit gives the subscriber's account, and makes it the first time. A grant that
// changed counts from now on, for the connections that are there too.
func (g *gate) admit(grant Grant) (*server.Account, error) {
	if !grant.valid() {
		return nil, fmt.Errorf("bad grant for %q", grant.Name)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	name := "subscriber-" + grant.Name
	acc, isNew := g.srv.LookupOrRegisterAccount(name)
	if isNew {
		to := gateSubject + grant.Name
		for from, to := range map[string]string{"$JS.API.>": to + ".api.>", "$JS.ACK." + g.feed + ".>": to + ".ack.>"} {
			if err := acc.AddServiceImport(g.srv.GlobalAccount(), from, to); err != nil {
				return nil, err
			}
		}
	}
	g.grants[grant.Name] = grant
	return acc, nil
}

// disconnect ends a subscriber's connections.
func (g *gate) disconnect(name string) error {
	g.mu.Lock()
	delete(g.grants, name)
	g.mu.Unlock()
	// The server gives at most Limit connections at a time; those told to go are gone
	// from the next answer.
	for {
		z, err := g.srv.Connz(&server.ConnzOptions{Username: true, User: name, Limit: 1024})
		if err != nil {
			return fmt.Errorf("engine: disconnecting a subscriber: %w", err)
		}
		if len(z.Conns) == 0 {
			return nil
		}
		for _, c := range z.Conns {
			// An error says that the connection is gone already.
			_ = g.srv.DisconnectClientByID(c.Cid)
		}
	}
}

// pass looks at one request of a subscriber and hands it to JetStream, or refuses it.
func (g *gate) pass(m *nats.Msg) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(m.Subject, gateSubject), ".")
	kind, rest, _ := strings.Cut(rest, ".")
	g.mu.Lock()
	grant, ok := g.grants[name]
	g.mu.Unlock()
	to := ""
	switch {
	case !ok:
	case kind == "ack" && g.ackAllowed(grant, rest):
		to = "$JS.ACK." + g.feed + "." + rest
	case kind == "api" && g.apiAllowed(grant, rest, m.Data):
		to = "$JS.API." + rest
	}
	var err error
	if to != "" {
		err = g.conn.PublishMsg(&nats.Msg{Subject: to, Reply: m.Reply, Header: m.Header, Data: m.Data})
	} else if m.Reply != "" {
		err = m.Respond([]byte(`{"error":{"code":403,"err_code":10000,"description":"not allowed for subscribers"}}`))
	}
	if err != nil {
		g.log.Warn("engine: passing on a subscriber's request", "subscriber", name, "err", err)
	}
}

// ackAllowed: an acknowledgement is <consumer>.<numbers>.
func (g *gate) ackAllowed(grant Grant, rest string) bool {
	consumer, _, _ := strings.Cut(rest, ".")
	return grant.owns(consumer)
}

// apiAllowed says whether the JetStream request $JS.API.<rest> reads the feed, within
// the grant.
func (g *gate) apiAllowed(grant Grant, rest string, body []byte) bool {
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
	switch {
	case is("STREAM", "INFO"):
		// A filter in the body would list subjects, and so profiles.
		return len(part) == 3 && len(bytes.TrimSpace(body)) == 0
	case is("CONSUMER", "INFO"), is("CONSUMER", "DELETE"):
		return len(part) == 4 && grant.owns(part[3])
	case is("CONSUMER", "MSG", "NEXT"):
		return len(part) == 5 && grant.owns(part[4])
	case is("CONSUMER", "CREATE"):
		return len(part) >= 4 && grant.owns(part[3]) && g.consumerAllowed(grant, part[3], body)
	case is("CONSUMER", "DURABLE", "CREATE"):
		return len(part) == 5 && grant.owns(part[4]) && g.consumerAllowed(grant, part[4], body)
	}
	return false
}

// consumerAllowed says whether the body asks for a pull consumer of that name, with
// filters within the grant. Members that it does not know are refused: the next
// version of the server may give them a meaning.
func (g *gate) consumerAllowed(grant Grant, name string, body []byte) bool {
	var req struct {
		Stream   string          `json:"stream_name"`
		Action   string          `json:"action"`
		Pedantic bool            `json:"pedantic"`
		Config   consumerRequest `json:"config"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if dec.Decode(&req) != nil || dec.More() || req.Stream != g.feed {
		return false
	}
	c := req.Config
	if c.Name != "" && c.Name != name || c.Durable != "" && c.Durable != name {
		return false
	}
	filters := c.Filters
	if c.Filter != "" {
		filters = append(filters, c.Filter)
	}
	for _, f := range filters {
		if !grant.mayRead(f) {
			return false
		}
	}
	return len(filters) > 0 || grant.mayRead(">")
}

// consumerRequest is what a subscriber may say of a consumer. There is no place for a
// deliver subject, so none can be asked for.
type consumerRequest struct {
	Name        string   `json:"name"`
	Durable     string   `json:"durable_name"`
	Filter      string   `json:"filter_subject"`
	Filters     []string `json:"filter_subjects"`
	Description any      `json:"description"`
	Deliver     any      `json:"deliver_policy"`
	StartSeq    any      `json:"opt_start_seq"`
	StartTime   any      `json:"opt_start_time"`
	Ack         any      `json:"ack_policy"`
	AckWait     any      `json:"ack_wait"`
	MaxDeliver  any      `json:"max_deliver"`
	BackOff     any      `json:"backoff"`
	Replay      any      `json:"replay_policy"`
	MaxAck      any      `json:"max_ack_pending"`
	MaxWaiting  any      `json:"max_waiting"`
	MaxBatch    any      `json:"max_batch"`
	MaxExpires  any      `json:"max_expires"`
	MaxBytes    any      `json:"max_bytes"`
	HeadersOnly any      `json:"headers_only"`
	Inactive    any      `json:"inactive_threshold"`
	Replicas    any      `json:"num_replicas"`
	Memory      any      `json:"mem_storage"`
	Metadata    any      `json:"metadata"`
}
