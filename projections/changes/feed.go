package changes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/projections"
)

// DefaultKeep is how long events are kept unless something else is asked for.
const DefaultKeep = 30 * 24 * time.Hour

// Config is what a Feed is made from.
type Config struct {
	JetStream jetstream.JetStream
	Replicas  int // 1 embedded, 3 in a cluster
	Ledger    projections.Source
	Receipts  Receipts      // nil when there are none
	Keep      time.Duration // DefaultKeep when zero
	// Lead waits until this instance may write; lost is closed when it may not any more.
	// nil where it always may. It spares work: the stream refuses a second writer anyway.
	Lead func(ctx context.Context) (lost <-chan struct{}, release func(), err error)
	Log  *slog.Logger     // nil discards
	Now  func() time.Time // time.Now when nil; only says what is too old to be kept
}

// Receipts is where delivery receipts come from: the lanes' stream.
type Receipts interface {
	// Lineage names that stream among all others.
	Lineage() string
	// Follow yields the blocks from a position on, or from the first one that is left, those
	// without a receipt too, until ctx ends or the caller breaks off.
	Follow(ctx context.Context, from uint64) iter.Seq2[Block, error]
}

// Block is the receipts that one block of the lanes makes. The same block makes the same
// receipts for ever.
type Block struct {
	Pos      uint64
	Receipts []ledger.Notice
}

// Feed is the stream of what has changed: who writes it and who reads it. All methods may be
// called from many goroutines.
type Feed struct {
	cfg    Config
	js     jetstream.JetStream
	nc     *nats.Conn
	log    *slog.Logger
	source string // of the ledger's events
	moved  end    // see ResetBeyondHead

	applied atomic.Uint64 // ledger sequence that was taken in, as far as this instance knows
	stopped atomic.Pointer[error]
	tail    tail
	pages   chan struct{} // bounds the pages that are read at the same time
}

// Open opens the stream, and creates it when it is not there. It writes nothing: Run does.
func Open(ctx context.Context, cfg Config) (*Feed, error) {
	if cfg.Keep == 0 {
		cfg.Keep = DefaultKeep
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Feed{cfg: cfg, js: cfg.JetStream, nc: cfg.JetStream.Conn(), log: cfg.Log, source: ledger.CloudEventSource(cfg.Ledger.Lineage()),
		pages: make(chan struct{}, pagesAtOnce)}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	for {
		// While it has no leader, or is being made by another instance, nobody answers.
		try, cancel := context.WithTimeout(ctx, openTimeout)
		err := f.openStream(try)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("stream %s: %w", ledger.ChangesStream, err)
		}
	}
	at, err := f.last(ctx)
	if err != nil {
		return nil, err
	}
	f.applied.Store(uint64(at.position.whole()))
	f.tail.open(at.seq)
	return f, nil
}

func (f *Feed) openStream(ctx context.Context) error {
	want := jetstream.StreamConfig{
		Name: ledger.ChangesStream, Subjects: []string{ledger.ChangedSubjects, ledger.DeliverySubjects}, Storage: jetstream.FileStorage,
		Replicas: max(f.cfg.Replicas, 1), Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxBytes: -1,
		MaxMsgsPerSubject: -1, MaxConsumers: -1, MaxMsgSize: -1, DenyDelete: true, AllowDirect: true, AllowAtomicPublish: true,
		Metadata: map[string]string{"vitae.format": "1"},
	}
	st, err := f.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if st, err = f.js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			st, err = f.js.Stream(ctx, want.Name) // another instance was first
		}
	}
	if err != nil {
		return err
	}
	info, err := st.Info(ctx)
	if err != nil {
		return err
	}
	if f.moved, err = moved(info.Config.Metadata); err != nil {
		return err
	}
	got := info.Config
	switch {
	case fmt.Sprint(got.Subjects) != fmt.Sprint(want.Subjects), got.Metadata["vitae.format"] != "1":
		return errors.New("it has other subjects or another format than this version writes")
	case got.Storage != want.Storage, got.Retention != want.Retention, got.MaxAge != 0, got.MaxMsgs > 0, got.MaxBytes > 0, got.MaxMsgsPerSubject > 0,
		!got.DenyDelete, !got.AllowAtomicPublish, got.AllowRollup:
		return errors.New("its limits were changed: events, or the position of the writer, could be lost. It must have file storage, no limits, " +
			"deny_delete and allow_atomic, and no rollups; how long events are kept is a setting of this program")
	}
	return nil
}

// PositionHeader is the header that has a Position.
const PositionHeader = "Vitae-Position"

// Position is how far the sources were taken in when a message was written, that one
// included.
type Position struct {
	Lineage string          // of the ledger
	Seq     ledger.Seq      // the last commit
	Commit  ledger.CommitID // its id; zero at Seq 0
	Events  int             // how many of its events are written
	Lanes   string          // lineage of the lanes' stream; "-" when there is none
	Pos     uint64          // the last block
	Done    int             // how many of its receipts are written
}

func (p Position) String() string {
	return fmt.Sprintf("%s %d %s %d %s %d %d", p.Lineage, p.Seq, p.Commit, p.Events, p.Lanes, p.Pos, p.Done)
}

// whole is the last commit of which all events are written for certain.
func (p Position) whole() ledger.Seq { return max(p.Seq, 1) - 1 }

func parsePosition(text string) (p Position, err error) {
	var commit string
	n, err := fmt.Sscanf(text, "%s %d %s %d %s %d %d", &p.Lineage, &p.Seq, &commit, &p.Events, &p.Lanes, &p.Pos, &p.Done)
	if err == nil && n == 7 {
		p.Commit, err = ledger.ParseCommitID(commit)
	}
	if err != nil || p.String() != text {
		return p, fmt.Errorf("%w: a position in stream %s", ledger.ErrFormat, ledger.ChangesStream)
	}
	return p, nil
}

// end is the last message of the stream.
type end struct {
	seq      uint64 // 0 in a stream that never had one
	position Position
}

// noMessage is the API's code for a message that is not there.
const noMessage jetstream.ErrorCode = 10037

// errAbsent says that the stream has no such message.
var errAbsent = errors.New("no such message")

// stored is a message as the stream's leader gives it.
type stored struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Hdrs    []byte    `json:"hdrs"`
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"`
}

// get asks the stream's leader, whose answer is never stale.
func (f *Feed) get(ctx context.Context, request any) (stored, nats.Header, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return stored{}, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	msg, err := f.ask(ctx, "$JS.API.STREAM.MSG.GET."+ledger.ChangesStream, body)
	if err != nil {
		return stored{}, nil, fmt.Errorf("%w: reading stream %s: %w", ledger.ErrUnavailable, ledger.ChangesStream, err)
	}
	var r struct {
		Message *stored             `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	err = json.Unmarshal(msg.Data, &r)
	switch {
	case err != nil:
	case r.Error != nil && r.Error.ErrorCode == noMessage:
		return stored{}, nil, errAbsent
	case r.Error != nil:
		err = fmt.Errorf("%w: %w", ledger.ErrUnavailable, r.Error)
	case r.Message == nil:
		err = errors.New("an answer without a message")
	default:
		var h nats.Header
		if len(r.Message.Hdrs) > 0 {
			h, err = nats.DecodeHeadersMsg(r.Message.Hdrs)
		}
		if err == nil {
			return *r.Message, h, nil
		}
	}
	return stored{}, nil, fmt.Errorf("reading stream %s: %w", ledger.ChangesStream, err)
}

// apiTimeout bounds one request, and tryTimeout one try at a question: while a stream on a
// cluster has no leader, nobody answers.
const (
	openTimeout = 5 * time.Second
	apiTimeout  = 10 * time.Second
	tryTimeout  = time.Second
)

// ask asks again until there is an answer or ctx ends.
func (f *Feed) ask(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	for {
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		msg, err := f.nc.RequestWithContext(try, subject, body)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return msg, err
		}
	}
}

// last reads the last message. In a stream without one the position is the beginning.
func (f *Feed) last(ctx context.Context) (end, error) {
	m, h, err := f.get(ctx, map[string]string{"last_by_subj": ">"})
	if errors.Is(err, errAbsent) {
		return end{position: Position{Lineage: f.cfg.Ledger.Lineage(), Lanes: f.lanes()}}, nil
	}
	if err != nil {
		return end{}, err
	}
	p, err := parsePosition(h.Get(PositionHeader))
	if err != nil {
		return end{}, fmt.Errorf("message %d, the last one: %w; somebody else has written to the stream", m.Seq, err)
	}
	if m.Seq == f.moved.seq {
		p = f.moved.position
	}
	return end{seq: m.Seq, position: p}, nil
}

// lanes is the lineage of the lanes' stream.
func (f *Feed) lanes() string {
	if f.cfg.Receipts == nil {
		return "-"
	}
	return f.cfg.Receipts.Lineage()
}

// Source names the ledger whose events these are, as they do.
func (f *Feed) Source() string { return f.source }

// Applied is the last commit whose events are in the stream, as far as this instance knows:
// the one that writes knows it at once.
func (f *Feed) Applied() ledger.Seq { return ledger.Seq(f.applied.Load()) }

// Err says why nothing is written any more; nil when all is well.
func (f *Feed) Err() error {
	if err := f.stopped.Load(); err != nil {
		return *err
	}
	return nil
}
