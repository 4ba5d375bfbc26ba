package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"vitae/ledger"
)

// RouterConfig is what a Router works with.
type RouterConfig struct {
	Conn    *nats.Conn
	Subject string // where the instance that commits listens: "vitae.commit.<k>"
	// Lead waits until this instance may commit. lost is closed when it may no longer;
	// release gives the right back.
	Lead func(ctx context.Context) (lost <-chan struct{}, release func(), err error)
	// Open starts a committer behind the ledger's present head.
	Open func(ctx context.Context) (*Committer, error)
	// Encode and Decode carry a command to another instance.
	Encode func(ledger.Command) ([]byte, error)
	Decode func([]byte) (ledger.Command, error)
	// Wrap and Unwrap encrypt what travels: requests and replies hold values in clear.
	Wrap, Unwrap func([]byte) ([]byte, error)
	Log          *slog.Logger
}

// Router gives commands to the one instance of a cluster that commits to a partition:
// to its own committer while it holds the lease, else to whoever does, over NATS. The
// lease only saves work: what keeps two committers from harm is the expectation on
// every append.
type Router struct {
	cfg RouterConfig

	mu    sync.Mutex
	local *Committer // nil while another instance commits
}

// NewRouter makes a router; Run makes it take part.
func NewRouter(cfg RouterConfig) *Router {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Router{cfg: cfg}
}

// Run takes the lease whenever it is free, and commits while it holds it. It returns
// when ctx ends, with what was taken stored.
func (r *Router) Run(ctx context.Context) error {
	for {
		lost, release, err := r.cfg.Lead(ctx)
		if ctx.Err() != nil {
			if err == nil {
				release()
			}
			return nil
		}
		if err == nil {
			err = r.lead(ctx, lost)
			release()
		}
		if err != nil {
			r.cfg.Log.Warn("committer: cannot lead, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// closeTimeout bounds how long a committer that must stop stores what it took.
const closeTimeout = 5 * time.Second

func (r *Router) lead(ctx context.Context, lost <-chan struct{}) error {
	c, err := r.cfg.Open(ctx)
	if err != nil {
		return err
	}
	r.set(c)
	sub, err := r.cfg.Conn.Subscribe(r.cfg.Subject, func(m *nats.Msg) {
		// A committer wants many commands at once: they share its blocks.
		go r.serve(ctx, c, m)
	})
	if err == nil {
		r.cfg.Log.Info("committer: this instance commits", "seq", c.Head())
		select {
		case <-ctx.Done():
		case <-lost:
		}
		err = sub.Unsubscribe()
	}
	r.set(nil)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(err, c.Close(end))
}

func (r *Router) set(c *Committer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.local = c
}

// Committer is this instance's own; nil while another instance commits.
func (r *Router) Committer() *Committer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.local
}

// Submit is Committer.Submit wherever the committer is. When no instance commits it
// waits for one until ctx ends, and then says ledger.ErrUnavailable: nothing was sent.
// When an instance was asked and did not answer: ledger.ErrUnknown.
func (r *Router) Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
	for {
		if c := r.Committer(); c != nil {
			reply, err := c.Submit(ctx, req)
			if !errors.Is(err, ErrClosed) {
				return reply, err
			}
		} else if reply, err := r.forward(ctx, req); !errors.Is(err, ledger.ErrUnavailable) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return ledger.Reply{}, fmt.Errorf("%w: no instance commits now", ledger.ErrUnavailable)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// wireRequest and wireReply are what travels between instances of one version, wrapped.
type wireRequest struct {
	Profile ledger.ProfileID `json:"profile"`
	Meta    ledger.Meta      `json:"meta"`
	IfSeq   *ledger.Seq      `json:"ifSeq,omitempty"`
	Idem    *ledger.Idem     `json:"idem,omitempty"`
	DryRun  bool             `json:"dryRun,omitempty"`
	Command json.RawMessage  `json:"command"`
}

type wireReply struct {
	Reply   ledger.Reply        `json:"reply"`
	Error   string              `json:"error,omitempty"` // a key of wireErrors
	Text    string              `json:"text,omitempty"`
	Refused []ledger.FieldError `json:"refused,omitempty"`
}

// wireErrors are the errors that keep their meaning on the way; any other arrives as a
// fault.
var wireErrors = map[string]error{
	"conflict": ledger.ErrConflict, "precondition": ledger.ErrPrecondition, "unknown": ledger.ErrUnknown, "capacity": ledger.ErrCapacity,
	"not_found": ledger.ErrNotFound, "exists": ledger.ErrExists, "erased": ledger.ErrErased, "idem_mismatch": ledger.ErrIdemMismatch,
	"idem_busy": ledger.ErrIdemBusy, "unavailable": ledger.ErrUnavailable, "not_allowed": ledger.ErrNotAllowed,
}

func (r *Router) forward(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
	command, err := r.cfg.Encode(req.Command)
	if err != nil {
		return ledger.Reply{}, err
	}
	body, err := json.Marshal(wireRequest{Profile: req.Profile, Meta: req.Meta, IfSeq: req.IfSeq, Idem: req.Idem, DryRun: req.DryRun, Command: command})
	if err != nil {
		return ledger.Reply{}, err
	}
	if body, err = r.cfg.Wrap(body); err != nil {
		return ledger.Reply{}, err
	}
	msg, err := r.cfg.Conn.RequestWithContext(ctx, r.cfg.Subject, body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return ledger.Reply{}, fmt.Errorf("%w: no instance commits now", ledger.ErrUnavailable)
	case err != nil:
		return ledger.Reply{}, fmt.Errorf("%w: the instance that commits did not answer: %w", ledger.ErrUnknown, err)
	}
	var w wireReply
	if body, err = r.cfg.Unwrap(msg.Data); err == nil {
		err = json.Unmarshal(body, &w)
	}
	if err != nil {
		return ledger.Reply{}, fmt.Errorf("%w: the answer of the instance that commits cannot be read: %w", ledger.ErrUnknown, err)
	}
	return w.Reply, w.err()
}

func (w *wireReply) err() error {
	switch known := wireErrors[w.Error]; {
	case w.Refused != nil:
		return &ledger.Refusal{Fields: w.Refused}
	case known != nil:
		return fmt.Errorf("%w (from the instance that commits)", known)
	case w.Error != "":
		return fmt.Errorf("the instance that commits: %s", w.Text)
	}
	return nil
}

// forwardTimeout bounds a forwarded command where it is decided; whoever asked may give
// up earlier.
const forwardTimeout = 30 * time.Second

func (r *Router) serve(ctx context.Context, c *Committer, m *nats.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forwardTimeout)
	defer cancel()
	var w wireReply
	var err error
	if w.Reply, err = r.run(ctx, c, m.Data); err != nil {
		w.setError(err)
	}
	body, err := json.Marshal(w)
	if err == nil {
		body, err = r.cfg.Wrap(body)
	}
	if err == nil {
		err = m.Respond(body)
	}
	if err != nil {
		// Whoever asked will find the outcome unknown, which it is to them.
		r.cfg.Log.Warn("committer: a forwarded command could not be answered", "error", err)
	}
}

func (r *Router) run(ctx context.Context, c *Committer, data []byte) (ledger.Reply, error) {
	body, err := r.cfg.Unwrap(data)
	if err != nil {
		return ledger.Reply{}, err
	}
	var w wireRequest
	if err := json.Unmarshal(body, &w); err != nil {
		return ledger.Reply{}, err
	}
	command, err := r.cfg.Decode(w.Command)
	if err != nil {
		return ledger.Reply{}, err
	}
	return c.Submit(ctx, ledger.Request{Profile: w.Profile, Meta: w.Meta, IfSeq: w.IfSeq, Idem: w.Idem, DryRun: w.DryRun, Command: command})
}

func (w *wireReply) setError(err error) {
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) {
		w.Error, w.Refused = "refused", refusal.Fields
		return
	}
	w.Error, w.Text = "fault", err.Error()
	for code, known := range wireErrors {
		if errors.Is(err, known) {
			w.Error = code
		}
	}
}
