package engine

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Grant is what one subscriber may do at Options.Listen.
type Grant struct {
	// Name is the subscriber's own. It is made of letters and digits. Equal names are the
	// same subscriber: they share their consumers, and nobody else sees those.
	Name string
	// Subjects are the subjects of the feed that it may read ("changed.<profile>.>").
	// They must not become fewer under one name: a consumer that was made stays readable.
	Subjects []string
}

func (g Grant) valid() bool {
	return g.Name != "" && len(g.Name) <= 64 && len(g.Subjects) > 0 &&
		strings.Trim(g.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
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
// JetStream, but is imported for one consumer at a time.
//
// A subscriber calls its consumers what it likes. In JetStream their names begin with the
// subscriber's; the gate puts that in front of names in requests, and takes it off in
// answers. So whatever a subscriber names is its own.
//
// It matters that requests are looked at and not merely allowed by their subjects: the
// body of a request for a consumer can make JetStream send messages to any subject of
// the program's account. So can the subject that an answer is asked to go to; that one
// is replaced by the import.
type gate struct {
	authorize func(string) (Grant, bool)
	feed      string
	keep      time.Duration
	most      int
	tls       *tls.Config
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

	creating  sync.Mutex // held while a consumer is counted and made
	admitting sync.Mutex // held while an account is made
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
	g := &gate{authorize: opt.Authorize, feed: opt.Feed, keep: opt.Idle, most: opt.MostConsumers, tls: opt.TLS, log: opt.Log, host: host, port: int(n),
		secret: rand.Text() + rand.Text(), slots: make(chan struct{}, gateRequests),
		grants: map[string]Grant{}, imported: map[string]bool{}}
	if ip := net.ParseIP(host); g.tls == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		opt.Log.Warn("engine: subscribers' tokens travel in clear to the listen address; put TLS in front of it", "listen", opt.Listen)
	}
	if n == 0 {
		g.port = server.RANDOM_PORT
	}
	return g, nil
}

// tlsTimeout bounds the handshake of a subscriber.
const tlsTimeout = 5 * time.Second

// configure makes the server ask the gate about everybody. It gives what the program's own
// connection needs to be let in. The server does not listen yet: see Engine.Listen.
func (g *gate) configure(o *server.Options) []nats.Option {
	o.Host, o.Port = g.host, g.port
	o.CustomClientAuthentication = g
	if g.tls != nil {
		o.TLS, o.TLSConfig, o.TLSTimeout = true, g.tls, tlsTimeout.Seconds()
	}
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

// shut takes no more requests. It refuses nobody who connects: a client that is refused twice
// gives up for good, and this one is to come back when the program has started again.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ready = false
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
	if c.Kind() != server.CLIENT {
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

// admit gives the subscriber's account, and makes it the first time, with the consumers that
// it has from before the server was started. A grant that changed counts from now on, for
// the connections that are there too.
func (g *gate) admit(grant Grant) (*server.Account, error) {
	if !grant.valid() {
		return nil, fmt.Errorf("bad grant for %q", grant.Name)
	}
	g.admitting.Lock()
	defer g.admitting.Unlock()
	acc, isNew := g.srv.LookupOrRegisterAccount(accountOf(grant.Name))
	if isNew {
		for _, subject := range asked() {
			if err := acc.AddServiceImport(g.srv.GlobalAccount(), "$JS.API."+subject, gateSubject+grant.Name+"."+subject); err != nil {
				return nil, err
			}
		}
		names, err := g.consumers(grant)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := g.imports(grant, name); err != nil {
				return nil, err
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
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
