package engine

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Grant is what one subscriber may do at Options.Listen.
type Grant struct {
	// Name is the subscriber's own: its consumers must be called Name, or Name followed
	// by a dash and more. It is made of letters and digits. Equal names are the same
	// subscriber.
	Name string
	// Subjects are the subjects of the feed that it may read ("changed.<profile>.>").
	// They must not become fewer under one name: a consumer that was made stays readable.
	Subjects []string
}

func (g Grant) valid() bool {
	return g.Name != "" && len(g.Name) <= 64 && len(g.Subjects) > 0 &&
		strings.Trim(g.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
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
// imports two things. What asks JetStream about the feed or a consumer goes to the gate,
// which looks at each request, makes those that are allowed itself, and hands the answer
// back. What asks for a consumer's messages, or acknowledges them, goes straight to
// JetStream, but is imported for one consumer at a time, when the gate has seen that
// it is the subscriber's.
//
// It matters that requests are looked at and not merely allowed by their subjects: the
// body of a request for a consumer can make JetStream send messages to any subject of
// the program's account. So can the subject that an answer is asked to go to; that one
// is replaced by the import.
type gate struct {
	authorize func(string) (Grant, bool)
	feed      string
	log       *slog.Logger
	host      string
	port      int
	secret    string // what the program's own connection shows

	srv  *server.Server
	conn *nats.Conn // the program's

	slots chan struct{}  // bounds the requests under way
	busy  sync.WaitGroup // and these are they

	mu       sync.Mutex
	ready    bool
	grants   map[string]Grant // by name; of subscribers that have an account
	imported map[string]bool  // consumers whose messages their subscriber's account imports
}

// gateRequests is how many requests of subscribers are under way at a time; more wait.
const gateRequests = 32

// gateSubject begins the subjects, in the program's account, that the imports lead to:
// then come the subscriber's name and the rest of the subject behind $JS.API.
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
		secret: rand.Text() + rand.Text(), slots: make(chan struct{}, gateRequests),
		grants: map[string]Grant{}, imported: map[string]bool{}}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		opt.Log.Warn("engine: subscribers' tokens travel in clear to the listen address; put TLS in front of it", "listen", opt.Listen)
	}
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
	exports := map[string]server.ServiceRespType{
		gateSubject + "*.>":      server.Singleton,
		g.nextSubject("*"):       server.Streamed, // one request, many messages
		g.ackSubject("*") + ".>": server.Streamed,
	}
	for subject, answers := range exports {
		if err := program.AddServiceExportWithResponse(subject, answers, nil); err != nil {
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
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ready = true
	return nil
}

// shut lets nobody in any more, and takes no more requests.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ready = false
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ready
}

func (g *gate) nextSubject(consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + g.feed + "." + consumer
}

func (g *gate) ackSubject(consumer string) string { return "$JS.ACK." + g.feed + "." + consumer }

// asked are the requests, behind $JS.API, that go to the gate.
func asked() []string {
	return []string{"STREAM.>", "CONSUMER.CREATE.>", "CONSUMER.DURABLE.>", "CONSUMER.INFO.>", "CONSUMER.DELETE.>"}
}

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
	if !g.isOpen() || c.Kind() != server.CLIENT {
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
	acc, isNew := g.srv.LookupOrRegisterAccount(accountOf(grant.Name))
	if isNew {
		for _, subject := range asked() {
			if err := acc.AddServiceImport(g.srv.GlobalAccount(), "$JS.API."+subject, gateSubject+grant.Name+"."+subject); err != nil {
				return nil, err
			}
		}
	}
	g.grants[grant.Name] = grant
	return acc, nil
}

func accountOf(name string) string { return "subscriber-" + name }

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
	if !ok || !g.apiAllowed(grant, rest, m.Data) {
		g.answered(name, m.Respond([]byte(`{"error":{"code":403,"err_code":10000,"description":"not allowed for subscribers"}}`)))
		g.busy.Done()
		return
	}
	g.slots <- struct{}{}
	go func() {
		defer g.busy.Done()
		defer func() { <-g.slots }()
		answer, err := g.conn.RequestMsg(&nats.Msg{Subject: "$JS.API." + rest, Header: m.Header, Data: m.Data}, apiTimeout)
		if err == nil {
			if strings.HasPrefix(rest, "CONSUMER.") {
				err = g.imports(grant, rest)
			}
			err = errors.Join(err, m.Respond(answer.Data))
		}
		g.answered(name, err)
	}()
}

func (g *gate) answered(subscriber string, err error) {
	if err != nil {
		g.log.Warn("engine: answering a subscriber", "subscriber", subscriber, "err", err)
	}
}

// imports lets the subscriber's account have the messages of the consumer that an
// allowed request named.
func (g *gate) imports(grant Grant, rest string) error {
	consumer := consumerOf(rest)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.imported[consumer] {
		return nil
	}
	acc, err := g.srv.LookupAccount(accountOf(grant.Name))
	if err != nil {
		return err
	}
	for _, subject := range []string{g.nextSubject(consumer), g.ackSubject(consumer) + ".>"} {
		if err := acc.AddServiceImport(g.srv.GlobalAccount(), subject, subject); err != nil {
			return err
		}
	}
	g.imported[consumer] = true
	return nil
}

// consumerOf names the consumer in an allowed request.
func consumerOf(rest string) string {
	part := strings.Split(rest, ".")
	if part[1] == "DURABLE" {
		return part[4]
	}
	return part[3]
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
