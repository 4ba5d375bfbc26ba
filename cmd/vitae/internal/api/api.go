package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/fsck"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/projections"
	"vitae/projections/changes"
	"vitae/sinks"
	"vitae/sinks/webhook"
)

// Core is what keeps the profiles.
type Core interface {
	Submit(ctx context.Context, req ledger.Request) (ledger.Reply, error)
	// Head is the last sequence known to be on stable storage.
	Head(ctx context.Context) (ledger.Seq, error)
	// Profile gives the opened state with everything up to atLeast applied.
	Profile(ctx context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error)
	Stats() stream.CommitterStats
}

// History is the history projection.
type History interface {
	Commits(ctx context.Context, id ledger.ProfileID, after ledger.Seq, limit int) ([]ledger.Record, error)
	StateAt(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error)
	SeqAt(ctx context.Context, t time.Time) (ledger.Seq, error)
	Wait(ctx context.Context, seq ledger.Seq) error
}

// Vault is what the API needs of the vault.
type Vault interface {
	ledger.Opener
	SystemDigest(purpose string, data ...[]byte) [32]byte
	SealSystem(purpose, id string, plain []byte) ([]byte, error)
	OpenSystem(purpose, id string, sealed []byte) ([]byte, error)
	// SealOwn and OpenOwn are the same under a profile's key.
	SealOwn(p ledger.ProfileID, purpose, id string, plain []byte) ([]byte, error)
	OpenOwn(p ledger.ProfileID, purpose, id string, sealed []byte) ([]byte, error)
	// Create makes the profile's key; one that is there is kept.
	Create(ctx context.Context, p ledger.ProfileID) error
	PutSecret(ctx context.Context, p ledger.ProfileID, name string, secret []byte) error
	DeleteSecret(ctx context.Context, p ledger.ProfileID, name string) error
	PutFile(ctx context.Context, p ledger.ProfileID, mediaType string, r io.Reader, limit int64) (vault.File, error)
	OpenFile(ctx context.Context, p ledger.ProfileID, h ledger.Hash) (vault.File, io.ReadCloser, error)
	HasFile(ctx context.Context, p ledger.ProfileID, h ledger.Hash) (bool, error)
	// Destroy takes back the key of a profile that did not come to be.
	Destroy(ctx context.Context, p ledger.ProfileID) error
}

// Sinks is the deliveries.
type Sinks interface {
	Sinks(ctx context.Context) ([]sinks.Sink, error)
	Sink(ctx context.Context, name string) (sinks.Sink, error)
	Connections(ctx context.Context, profile ledger.ProfileID) ([]sinks.Connection, error)
	Pause(ctx context.Context, name string) error
	Resume(ctx context.Context, name string) error
	Parked(ctx context.Context, name string) ([]sinks.ParkedEdit, error)
	ParkedEdit(ctx context.Context, name string, id sinks.ID) (sinks.ParkedEdit, error)
	// CaughtUp waits until the sinks have taken in a commit.
	CaughtUp(ctx context.Context, seq ledger.Seq) error
	Metrics(ctx context.Context) ([]sinks.Metrics, error)
	// Clearing says what emptying a profile would take away at the providers.
	Clearing(ctx context.Context, emptied *ledger.Profile) ([]sinks.Clearing, error)
	Plan(ctx context.Context, t sinks.Target) (*sinks.Plan, error)
	Apply(ctx context.Context, id sinks.ID, digest string) (sinks.Progress, error)
	Cancel(ctx context.Context, id sinks.ID) error
	// WaitPlan waits until a plan has come further than it was; further than the zero
	// Progress it is already.
	WaitPlan(ctx context.Context, id sinks.ID, was sinks.Progress) (sinks.Progress, error)
}

// Directory finds profiles by what others know them by.
type Directory interface {
	// Account gives the profile that is connected to the account at the provider, with
	// everything up to atLeast applied; ledger.ErrNotFound when there is none.
	Account(ctx context.Context, provider, account string, atLeast ledger.Seq) (ledger.ProfileID, error)
	// Emails gives the profiles with the address, whatever the case of its letters, with
	// everything up to atLeast applied.
	Emails(ctx context.Context, email string, atLeast ledger.Seq) ([]ledger.ProfileID, error)
}

// Deps are the parts behind the API.
type Deps struct {
	Core    Core
	History History
	Vault   Vault
	Keys    *keys.Store
	Sinks   Sinks
	Journal Journal
	Access  Access
	// Directory is nil where accounts cannot be looked up: then a key for all profiles has
	// to name the profile.
	Directory Directory
	// Passwords is nil where none can be passed on.
	Passwords Passwords
	// Idems keeps the replies of requests that write no commit; its bucket forgets them
	// after 24 hours.
	Idems keys.KV
	// Uploads keeps the uploads that clients of LinkedIn's API register; its bucket forgets
	// them after 24 hours. nil where none can be registered.
	Uploads keys.KV
	// Profiles lists the ids of profiles that exist, behind after, with everything up to
	// atLeast applied.
	Profiles func(ctx context.Context, after ledger.ProfileID, limit int, atLeast ledger.Seq) ([]ledger.ProfileID, error)
	// Erasures carries erasures out.
	Erasures Erasures
	// Webhooks are the endpoints that events are delivered to; nil where there are none.
	Webhooks *webhook.Manager
	// Backup begins a backup; nil where none can be made.
	Backup func(ctx context.Context, r backup.Request) (*backup.Backup, error)
	// Projections can be listed and rebuilt.
	Projections []*projections.Projection
	// Restart runs a projection again that had stopped, after a rebuild.
	Restart func(p *projections.Projection)
	// Fsck checks the ledger.
	Fsck func(ctx context.Context, repair bool, progress func(done, total uint64)) (fsck.Report, error)
	// Feed is what subscribers follow. nil where nobody can.
	Feed *changes.Feed
	// Transparency is the transparency log; nil where there is none.
	Transparency TransparencyLog
	// Mounts are other handlers by their patterns: the console at "/", the feeds. They do their own access control.
	Mounts map[string]http.Handler
	Log    *slog.Logger
	Now    func() time.Time // time.Now when nil
}

// Config is what an operator sets.
type Config struct {
	WritePerMinute int // per key; 0 is no limit
	ReadPerMinute  int
	Version        string
}

// Server is the HTTP surface.
type Server struct {
	Deps
	cfg      Config
	now      func() time.Time
	limits   *limits
	forms    largeForms
	tasks    *tasks
	metrics  *metrics
	evidence chan struct{} // a place for each bundle that is put together
	openapi  []byte
	docs     []byte // the same as a page
	docsTag  string
	// eventSchemas are the JSON Schemas of the events, by type.
	eventSchemas map[string][]byte
	handler      http.Handler

	stopping chan struct{} // closed when streams of events must end
	stop     func()
}

// New puts the surface together. ctx bounds the tasks it starts (rebuilds, checks): they
// end with it.
func New(ctx context.Context, d Deps, cfg Config) (*Server, error) {
	if d.Core == nil || d.History == nil || d.Vault == nil || d.Keys == nil || d.Sinks == nil || d.Journal == nil || d.Access == nil || d.Idems == nil || d.Erasures == nil || d.Log == nil {
		return nil, errors.New("api: a part is missing")
	}
	s := &Server{Deps: d, cfg: cfg, now: d.Now, limits: newLimits(), forms: make(largeForms, mostLargeForms), evidence: make(chan struct{}, evidenceSlots)}
	if s.now == nil {
		s.now = time.Now
	}
	s.stopping = make(chan struct{})
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.tasks = newTasks(ctx, s.now)
	s.metrics = newMetrics(s)
	routes := s.routes()
	var err error
	if s.openapi, err = document(routes); err != nil {
		return nil, err
	}
	if s.docs, err = docs(routes, s.openapi); err != nil {
		return nil, err
	}
	if s.eventSchemas, err = eventSchemas(asyncAPI); err != nil {
		return nil, err
	}
	s.docsTag = `"` + ledger.HashOf(s.docs).String()[:16] + `"`
	s.handler = s.mux(routes)
	return s, nil
}

// Handler serves every route.
func (s *Server) Handler() http.Handler { return s.handler }

// Registry has the server's metrics.
func (s *Server) Registry() *prometheus.Registry { return s.metrics.registry }

// EndStreams ends the streams of events, those that still come too: a server that stops would
// wait for them for ever.
func (s *Server) EndStreams() { s.stop() }

// Wait returns when every task that was started has ended; end New's ctx before.
func (s *Server) Wait() { s.tasks.wait() }
