package engine

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

const (
	// MaxPayload is the largest message, in bytes, that the embedded server takes.
	MaxPayload = 8 << 20
	// MinPayload is the least that an external server must take.
	MinPayload = 4 << 20

	// startTimeout bounds the start of the embedded server. A start after a power loss
	// reads every block, so it is generous.
	startTimeout = 5 * time.Minute
	// connectTimeout bounds the first connection to an external server.
	connectTimeout = 10 * time.Second
	// apiTimeout bounds a request to JetStream whose caller gave no deadline.
	apiTimeout = 10 * time.Second
)

// ErrLocked says that another process holds the data folder. The error that wraps it
// names the folder and the holder's process id.
var ErrLocked = fmt.Errorf("%w: data folder is in use", ledger.ErrUnavailable)

// Options say which engine to open. Exactly one of Dir and URL is set.
type Options struct {
	// Dir is the data folder of the embedded server; it is made when absent.
	Dir string
	// URL names an external cluster: one or more nats:// or tls:// URLs, parted by
	// commas. Credentials may stand in them; they are never logged.
	URL string
	// Listen is the address (host:port) at which subscribers may connect to the embedded
	// server, once Engine.Listen was called; "" for none. It needs Authorize and Feed.
	Listen string
	// TLS is for Listen; nil for none.
	TLS *tls.Config
	// Authorize decides who may connect at Listen. It is called from many goroutines for
	// each connection, and once only: what is revoked later stays connected until
	// Engine.Disconnect.
	Authorize func(token string) (Grant, bool)
	// Feed is the stream that subscribers may read, and only read.
	Feed string
	// Idle is how long a subscriber's consumer is kept that nobody asks for messages, and the
	// most that a subscriber can ask for. 0 means 30 days.
	Idle time.Duration
	// MostConsumers is how many consumers one subscriber may have. 0 means 32.
	MostConsumers int
	// Name is what this instance is called in the server's view; "" means "vitae".
	Name string
	// Loading makes the embedded server sync nothing: for filling a new folder that nobody
	// relies on before its caller has synced it.
	Loading bool
	// Log gets the server's warnings and errors; nil for none.
	Log *slog.Logger
	// Replicas is how many servers keep each stream. 0 means 1 for the embedded server
	// and a lone external one, and 3 for an external cluster.
	Replicas int
}

// Engine is an open engine. All methods may be called from many goroutines.
type Engine struct {
	opt      Options
	srv      *server.Server // nil when external
	lock     *dirLock       // nil when external
	conn     *nats.Conn
	closed   chan struct{} // the connection is closed for good
	js       jetstream.JetStream
	replicas int
	gate     *gate // nil without Listen

	life   context.Context // ends when Close begins
	end    context.CancelFunc
	leases sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Open starts the embedded server or connects to the external one. On nil JetStream
// answers. ctx bounds the start only. Errors: ErrLocked when another process holds
// Dir; ledger.ErrUnavailable when an external server does not answer.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Name == "" {
		opt.Name = "vitae"
	}
	switch {
	case (opt.Dir == "") == (opt.URL == ""):
		return nil, errors.New("engine: give either a data folder or the URL of an external cluster")
	case opt.Replicas < 0 || opt.Replicas > 5:
		return nil, fmt.Errorf("engine: %d replicas: want 1 to 5", opt.Replicas)
	case opt.URL != "" && opt.Listen != "":
		return nil, errors.New("engine: a listen address is for the embedded server only")
	case opt.URL == "" && opt.Replicas > 1:
		return nil, errors.New("engine: the embedded server keeps one replica only")
	case opt.Listen != "" && (opt.Authorize == nil || opt.Feed == ""):
		return nil, errors.New("engine: a listen address needs a way to authorize subscribers and a feed for them")
	}
	if opt.Idle == 0 {
		opt.Idle = 30 * 24 * time.Hour
	}
	if opt.MostConsumers == 0 {
		opt.MostConsumers = 32
	}
	e := &Engine{opt: opt, replicas: opt.Replicas, closed: make(chan struct{})}
	e.life, e.end = context.WithCancel(context.Background())
	start := e.openExternal
	if opt.Dir != "" {
		start = e.openEmbedded
	}
	if err := start(ctx); err != nil {
		// What was half open is closed at once; the first error is the one that counts.
		e.abandon()
		return nil, err
	}
	return e, nil
}

// JetStream is the JetStream of the program's own account.
func (e *Engine) JetStream() jetstream.JetStream { return e.js }

// Conn is the program's connection. It belongs to the engine: do not close it.
func (e *Engine) Conn() *nats.Conn { return e.conn }

// Replicas is how many servers are to keep each stream.
func (e *Engine) Replicas() int { return e.replicas }

// ListenAddr is the address at which subscribers may connect; "" when they may not, or not yet.
func (e *Engine) ListenAddr() string {
	if e.gate == nil || e.srv.Addr() == nil {
		return ""
	}
	return e.srv.Addr().String()
}

// Listen begins to let subscribers in, if Options.Listen says where. Call it when Authorize
// knows everybody: clients give up when they are refused twice, but not when nobody is there.
func (e *Engine) Listen() error {
	if e.gate == nil {
		return nil
	}
	e.srv.AcceptLoop(make(chan struct{}))
	if e.srv.Addr() == nil {
		return fmt.Errorf("engine: cannot listen at %s", e.opt.Listen)
	}
	return nil
}

// Disconnect ends the connections of the subscriber whose Grant has that name, and takes
// the grant away. If Authorize still knows its token, it may come back.
func (e *Engine) Disconnect(name string) error {
	if e.gate == nil {
		return nil
	}
	return e.gate.disconnect(name)
}

// Embedded says whether the server runs in this process.
func (e *Engine) Embedded() bool { return e.srv != nil }

// Close ends the leases, drains the connection, stops the embedded server, waits for
// it and gives the data folder free. When ctx ends earlier, the connection is cut
// instead of drained; the server is stopped in order all the same. It may be called
// more than once; every call gives the first one's result.
func (e *Engine) Close(ctx context.Context) error {
	e.closeOnce.Do(func() { e.closeErr = e.close(ctx) })
	return e.closeErr
}

func (e *Engine) close(ctx context.Context) error {
	var errs []error
	// Leases are released while the connection still answers.
	e.end()
	e.leases.Wait()
	if e.gate != nil {
		e.gate.shut()
	}
	if !e.conn.IsClosed() {
		if err := e.conn.Drain(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			errs = append(errs, fmt.Errorf("engine: draining: %w", err))
			e.conn.Close()
		}
		select {
		case <-e.closed:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("engine: connection cut before it was drained: %w", ctx.Err()))
			e.conn.Close()
			<-e.closed
		}
	}
	return errors.Join(append(errs, e.stopServer())...)
}

// abandon closes what Open had opened when it failed.
func (e *Engine) abandon() {
	e.end()
	if e.conn != nil {
		e.conn.Close()
		<-e.closed
	}
	if err := e.stopServer(); err != nil {
		e.opt.Log.Error("engine: giving up a start", "err", err)
	}
}

// connect opens the program's connection and checks that JetStream answers on it.
func (e *Engine) connect(ctx context.Context, url string, more ...nats.Option) error {
	opts := append([]nats.Option{
		nats.Name(e.opt.Name),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		// A publish while there is no connection fails at once: stored in a buffer it
		// might be sent long after its caller gave up.
		nats.ReconnectBufSize(-1),
		// Answers come to a subject that no one else can guess.
		nats.CustomInboxPrefix("_INBOX_" + rand.Text()),
		nats.ClosedHandler(func(*nats.Conn) { close(e.closed) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				e.opt.Log.Warn("engine: connection lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { e.opt.Log.Info("engine: connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			e.opt.Log.Warn("engine: connection error", "subject", subject, "err", err)
		}),
	}, more...)
	conn, err := nats.Connect(url, opts...)
	if err != nil {
		return fmt.Errorf("engine: connecting: %w: %w", ledger.ErrUnavailable, err)
	}
	e.conn = conn
	if e.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(apiTimeout)); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	_, err = e.js.AccountInfo(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("engine: the server at %s has no JetStream for this account: %w", place(conn), err)
	default:
		return fmt.Errorf("engine: JetStream does not answer: %w: %w", ledger.ErrUnavailable, err)
	}
}

func (e *Engine) openExternal(ctx context.Context) error {
	if err := e.connect(ctx, e.opt.URL); err != nil {
		return err
	}
	if got := e.conn.MaxPayload(); got < MinPayload {
		return fmt.Errorf("engine: the server at %s takes messages of %d bytes only; set its max_payload to %d or more",
			place(e.conn), got, MinPayload)
	}
	if e.replicas == 0 {
		e.replicas = 1
		if e.conn.ConnectedClusterName() != "" {
			e.replicas = 3
		}
	}
	return nil
}

// place names the server for a message; unlike the URL it has no credentials.
func place(c *nats.Conn) string { return strings.TrimSpace(c.ConnectedAddr()) }
