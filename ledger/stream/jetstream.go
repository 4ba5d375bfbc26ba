package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// StreamConfig says which stream holds the blocks.
type StreamConfig struct {
	Name     string // LEDGER-0, LANES-0
	Subject  string // ledger.0, lanes.0
	Replicas int    // 1 embedded, 3 in a cluster
	// Trimmable streams may lose old entries behind a snapshot. The ledger is not.
	Trimmable bool
}

// LedgerStream is the configuration of partition k of the ledger.
func LedgerStream(k, replicas int) StreamConfig {
	return StreamConfig{Name: fmt.Sprintf("LEDGER-%d", k), Subject: fmt.Sprintf("ledger.%d", k), Replicas: replicas}
}

// JetStream is a Blocks in a JetStream stream: one subject, file storage, no limits, and
// unless it is trimmable neither deletion nor purge.
type JetStream struct {
	js      jetstream.JetStream
	nc      *nats.Conn
	cfg     StreamConfig
	limit   int
	lineage string
}

// lineageKey is the stream metadata under which a stream keeps its lineage.
const lineageKey = "vitae.lineage"

// OpenJetStream opens the stream, and creates it when it is not there. A stream whose
// settings are not those that cfg asks for is refused, with every difference named:
// somebody has loosened what keeps the ledger whole. The stream's file store must sync
// before it acknowledges; the engine sees to that.
func OpenJetStream(ctx context.Context, js jetstream.JetStream, cfg StreamConfig) (*JetStream, error) {
	s := &JetStream{js: js, nc: js.Conn(), cfg: cfg, limit: min(int(js.Conn().MaxPayload())/2, 4<<20)}
	st, err := js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		want := s.want()
		want.Metadata[lineageKey] = ledger.NewID(time.Now())
		if st, err = js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			st, err = js.Stream(ctx, cfg.Name) // another instance was first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", cfg.Name, err)
	}
	info, err := st.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", cfg.Name, err)
	}
	if diff := differences(s.want(), info.Config); len(diff) > 0 {
		return nil, fmt.Errorf("stream %s has other settings than it must have: %s", cfg.Name, strings.Join(diff, "; "))
	}
	s.lineage = info.Config.Metadata[lineageKey]
	return s, nil
}

func (s *JetStream) want() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.cfg.Name, Subjects: []string{s.cfg.Subject}, Storage: jetstream.FileStorage, Replicas: max(s.cfg.Replicas, 1),
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		MaxMsgSize: -1, DenyDelete: true, DenyPurge: !s.cfg.Trimmable, AllowDirect: true, Metadata: map[string]string{"vitae.format": "1"},
	}
}

// differences names every setting that guards the stream and is not as it must be.
func differences(want, got jetstream.StreamConfig) (out []string) {
	check := func(name string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			out = append(out, fmt.Sprintf("%s is %v, must be %v", name, got, want))
		}
	}
	check("subjects", want.Subjects, got.Subjects)
	check("storage", want.Storage, got.Storage)
	check("replicas", want.Replicas, got.Replicas)
	check("retention", want.Retention, got.Retention)
	check("discard", want.Discard, got.Discard)
	check("max_age", want.MaxAge, got.MaxAge)
	check("max_msgs", want.MaxMsgs, got.MaxMsgs)
	check("max_bytes", want.MaxBytes, got.MaxBytes)
	check("max_msgs_per_subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject)
	check("max_msg_size", want.MaxMsgSize, got.MaxMsgSize)
	check("deny_delete", want.DenyDelete, got.DenyDelete)
	check("deny_purge", want.DenyPurge, got.DenyPurge)
	check("allow_rollup_hdrs", want.AllowRollup, got.AllowRollup)
	check("sealed", want.Sealed, got.Sealed)
	check("no_ack", want.NoAck, got.NoAck)
	check("mirror", want.Mirror == nil, got.Mirror == nil)
	check("sources", len(want.Sources), len(got.Sources))
	check("subject_transform", want.SubjectTransform == nil, got.SubjectTransform == nil)
	check("republish", want.RePublish == nil, got.RePublish == nil)
	check("metadata vitae.format", want.Metadata["vitae.format"], got.Metadata["vitae.format"])
	return out
}

// Lineage names this stream among all others; it was drawn when the stream was made.
func (s *JetStream) Lineage() string { return s.lineage }

// Limit implements Blocks: half of what the server takes, so that a block read back in
// base64 still fits into one answer; 4 MiB at most.
func (s *JetStream) Limit() int { return s.limit }

// Append implements Blocks.
func (s *JetStream) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	if len(payload) > s.limit {
		return 0, fmt.Errorf("%w: a block of %d bytes, the limit is %d", ledger.ErrCapacity, len(payload), s.limit)
	}
	ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: s.cfg.Subject, Data: payload},
		jetstream.WithExpectLastSequence(after), jetstream.WithRetryAttempts(absentTries), jetstream.WithRetryWait(absentWait), jetstream.WithExpectStream(s.cfg.Name))
	if err != nil {
		return 0, appendError(err)
	}
	if ack.Sequence != after+1 {
		// The server must not do this; if it does, nothing may be built on it.
		return 0, fmt.Errorf("%w: appended after %d, answered %d", ledger.ErrConflict, after, ack.Sequence)
	}
	return ack.Sequence, nil
}

// A publish that nobody listens to was taken by nobody: it is made again, for a second. A
// stream that was just created, or whose leader has just changed, is like that.
const (
	absentTries = 10
	absentWait  = 100 * time.Millisecond
)

// The two codes of a lost race: on one replica, and on several.
const (
	codeWrongLastSequence         jetstream.ErrorCode = 10071
	codeWrongLastSequenceConstant jetstream.ErrorCode = 10164
)

// appendError sorts what the server or the client said about an append.
func appendError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == codeWrongLastSequence || api.ErrorCode == codeWrongLastSequenceConstant):
		return fmt.Errorf("%w: %s", ledger.ErrConflict, api.Description)
	case errors.As(err, &api) && api.Code >= 400 && api.Code < 600 && !unclear[api.ErrorCode]:
		// The server looked at it and said no.
		return fmt.Errorf("%w: %s (%d)", ledger.ErrCapacity, api.Description, api.ErrorCode)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ledger.ErrCapacity, err)
	}
	return fmt.Errorf("%w: %w", ledger.ErrUnknown, err)
}

// unclear are the codes with which a server answers although the message may yet be
// stored, or was not looked at: cluster without a leader or catching up, stream offline.
var unclear = map[jetstream.ErrorCode]bool{
	10008: true, // JetStream system temporarily unavailable
	10009: true, // cluster not leader
	10118: true, // stream offline
	10077: true, // stream store failed
}

// stored is what the API answers to a request for a message.
type stored struct {
	Message *struct {
		Seq  uint64 `json:"seq"`
		Data []byte `json:"data"`
	} `json:"message"`
	Error *jetstream.APIError `json:"error"`
}

// noMessage is the API's code for a message that is not there.
const noMessage jetstream.ErrorCode = 10037

// get asks the stream's leader, whose answer is never stale; direct reads may be.
func (s *JetStream) get(ctx context.Context, request any) (Entry, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return Entry{}, err
	}
	msg, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.cfg.Name, body)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: reading stream %s: %w", ledger.ErrUnavailable, s.cfg.Name, err)
	}
	var r stored
	if err := json.Unmarshal(msg.Data, &r); err != nil {
		return Entry{}, fmt.Errorf("reading stream %s: %w", s.cfg.Name, err)
	}
	switch {
	case r.Error != nil && r.Error.ErrorCode == noMessage:
		return Entry{}, ledger.ErrNotFound
	case r.Error != nil:
		return Entry{}, fmt.Errorf("%w: reading stream %s: %w", ledger.ErrUnavailable, s.cfg.Name, r.Error)
	case r.Message == nil:
		return Entry{}, fmt.Errorf("reading stream %s: an answer without a message", s.cfg.Name)
	}
	return Entry{Pos: r.Message.Seq, Payload: r.Message.Data}, nil
}

// Last implements Blocks.
func (s *JetStream) Last(ctx context.Context) (Entry, error) {
	last := map[string]string{"last_by_subj": s.cfg.Subject}
	e, err := s.get(ctx, last)
	if !errors.Is(err, ledger.ErrNotFound) {
		return e, err
	}
	if s.cfg.Trimmable {
		return Entry{}, nil
	}
	// None yet, or the engine cannot read it: then it still counts it.
	st, err := s.js.Stream(ctx, s.cfg.Name)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: stream %s: %w", ledger.ErrUnavailable, s.cfg.Name, err)
	}
	end := st.CachedInfo().State.LastSeq
	if end == 0 {
		return Entry{}, nil
	}
	if e, err = s.get(ctx, last); errors.Is(err, ledger.ErrNotFound) { // not one that came meanwhile
		return Entry{}, blockError(end, 0, errors.New("the last block is there no more, or cannot be read"))
	}
	return e, err
}

// Get implements Blocks.
func (s *JetStream) Get(ctx context.Context, pos uint64) (Entry, error) {
	if pos == 0 {
		return Entry{}, fmt.Errorf("position 0: %w", ledger.ErrNotFound)
	}
	e, err := s.get(ctx, map[string]uint64{"seq": pos})
	if err != nil {
		return Entry{}, fmt.Errorf("position %d: %w", pos, err)
	}
	return e, nil
}

// Read implements Blocks.
func (s *JetStream) Read(ctx context.Context, from uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		last, err := s.Last(ctx)
		var damaged *BlockError
		if errors.As(err, &damaged) { // what comes before it can be read
			for pos := max(from, 1); pos < damaged.Pos; pos++ {
				e, err := s.Get(ctx, pos)
				if err != nil {
					yield(Entry{}, lost(pos, err))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		if last.Pos < max(from, 1) {
			return
		}
		for e, err := range s.consume(ctx, from, last.Pos) {
			if !yield(e, err) || err != nil || e.Pos >= last.Pos {
				return
			}
		}
	}
}

// Follow implements Blocks.
func (s *JetStream) Follow(ctx context.Context, from uint64) iter.Seq2[Entry, error] {
	return s.consume(ctx, from, 0)
}

// fetchBytes bounds what one consumer holds in memory ahead of its reader.
const fetchBytes = 8 << 20

// stalled is how long an entry that is known to be there may take to come.
const stalled = 15 * time.Second

// next waits for the next message. Up to position upTo (0: none) messages are known to be
// there: one that does not come is a *BlockError.
func (s *JetStream) next(ctx context.Context, msgs jetstream.MessagesContext, want, upTo uint64) (jetstream.Msg, error) {
	if upTo == 0 {
		return msgs.Next(jetstream.NextContext(ctx))
	}
	patience, cancel := context.WithTimeout(ctx, stalled)
	defer cancel()
	msg, err := msgs.Next(jetstream.NextContext(patience))
	if patience.Err() == nil || ctx.Err() != nil || err == nil {
		return msg, err
	}
	if _, err := s.Get(ctx, want); errors.Is(err, ledger.ErrNotFound) {
		return nil, blockError(want, 0, errors.New("the block is missing"))
	}
	return nil, fmt.Errorf("%w: the engine does not send block %d", ledger.ErrUnavailable, want)
}

// consume yields entries through an ordered consumer, which starts itself anew after a
// lost connection, and checks that nothing is missing between them. upTo is the last that is
// known to be there; 0 when more may come.
func (s *JetStream) consume(ctx context.Context, from, upTo uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		cons, err := s.js.OrderedConsumer(ctx, s.cfg.Name, jetstream.OrderedConsumerConfig{
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), InactiveThreshold: 30 * time.Second})
		if err != nil {
			yield(Entry{}, fmt.Errorf("following stream %s: %w", s.cfg.Name, err))
			return
		}
		msgs, err := cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(4096, fetchBytes))
		if err != nil {
			yield(Entry{}, fmt.Errorf("following stream %s: %w", s.cfg.Name, err))
			return
		}
		defer msgs.Stop()
		pos := uint64(0)
		for {
			msg, err := s.next(ctx, msgs, max(pos+1, from), upTo)
			if ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return
			}
			if errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoHeartbeat) {
				continue // the consumer starts itself anew
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("following stream %s: %w", s.cfg.Name, err))
				return
			}
			meta, err := msg.Metadata()
			if err != nil {
				yield(Entry{}, fmt.Errorf("following stream %s: %w", s.cfg.Name, err))
				return
			}
			at := meta.Sequence.Stream
			if pos != 0 && at != pos+1 {
				yield(Entry{}, blockError(pos+1, 0, fmt.Errorf("the block is missing: in stream %s position %d came after %d", s.cfg.Name, at, pos)))
				return
			}
			pos = at
			if !yield(Entry{Pos: at, Payload: msg.Data()}, nil) {
				return
			}
		}
	}
}

// Trim implements Trimmer for a trimmable stream.
func (s *JetStream) Trim(ctx context.Context, pos uint64) error {
	if !s.cfg.Trimmable {
		return fmt.Errorf("stream %s: %w: nothing is ever taken out of it", s.cfg.Name, ledger.ErrNotAllowed)
	}
	st, err := s.js.Stream(ctx, s.cfg.Name)
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.cfg.Name, err)
	}
	if err := st.Purge(ctx, jetstream.WithPurgeSequence(pos)); err != nil {
		return fmt.Errorf("trimming stream %s: %w", s.cfg.Name, err)
	}
	return nil
}
