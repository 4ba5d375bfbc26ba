package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// The buckets of a vault in JetStream.
const (
	KeysBucket  = "VAULT"
	FilesBucket = "FILES"
)

// scrubRoom is how many revisions of a key the bucket VAULT keeps. A replaced revision
// must stay in the engine's index until it is overwritten: one that the engine itself
// drops stays on the disk as it was. Every replacement scrubs at once, so more than two
// are there only after crashes.
const scrubRoom = 16

// apiTimeout bounds one request: an answer that has not come by then was lost.
const apiTimeout = 10 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, apiTimeout)
}

type jetStore struct{ keys, files *jetBucket }

func (s *jetStore) Keys() Bucket  { return s.keys }
func (s *jetStore) Files() Bucket { return s.files }

// OpenJetStream opens the buckets VAULT and FILES, and makes them when they are not
// there. It refuses to work with buckets whose settings would lose or keep what they
// must not.
func OpenJetStream(ctx context.Context, js jetstream.JetStream, replicas int) (Store, error) {
	keys, err := openBucket(ctx, js, KeysBucket, scrubRoom, replicas)
	if err != nil {
		return nil, err
	}
	files, err := openBucket(ctx, js, FilesBucket, 1, replicas)
	if err != nil {
		return nil, err
	}
	return &jetStore{keys, files}, nil
}

// jetBucket is a key-value bucket as NATS defines it, so that its own tools can look
// into it, with three settings changed: deletes are allowed, because only they
// overwrite; reads go to the leader; and the rest of a key's history is kept.
type jetBucket struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	name   string
	prefix string // of the subjects
}

func openBucket(ctx context.Context, js jetstream.JetStream, name string, history int64, replicas int) (*jetBucket, error) {
	b := &jetBucket{js: js, name: "KV_" + name, prefix: "$KV." + name + "."}
	want := jetstream.StreamConfig{
		Name: b.name, Subjects: []string{b.prefix + ">"},
		Storage: jetstream.FileStorage, Replicas: max(replicas, 1),
		MaxMsgsPerSubject: history, MaxMsgs: -1, MaxBytes: -1, MaxConsumers: -1, MaxMsgSize: -1,
		Discard: jetstream.DiscardNew, AllowRollup: true,
		// Two writers' doubts are settled by expectations; message ids are not used.
		Duplicates: 2 * time.Minute,
	}
	stream, err := js.Stream(ctx, b.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another instance was first
			stream, err = js.Stream(ctx, b.name)
		}
	}
	if err != nil {
		return nil, translate("opening bucket "+name, err)
	}
	have := stream.CachedInfo().Config
	wrong := ""
	switch {
	case have.Storage != want.Storage:
		wrong = "it is not stored in files"
	case have.MaxMsgsPerSubject != want.MaxMsgsPerSubject:
		wrong = fmt.Sprintf("it keeps %d revisions of a key, not %d", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	case have.MaxAge != 0 || have.MaxMsgs > 0 || have.MaxBytes > 0:
		wrong = "it has a limit that would drop keys"
	case have.DenyDelete || have.DenyPurge:
		wrong = "it does not allow to overwrite what was erased"
	case have.AllowDirect:
		wrong = "it answers reads from replicas that may be behind"
	case have.Mirror != nil || len(have.Sources) > 0 || have.RePublish != nil:
		wrong = "it copies its records elsewhere"
	}
	if wrong != "" {
		return nil, fmt.Errorf("vault: bucket %s: %s", name, wrong)
	}
	b.stream = stream
	return b, nil
}

// translate gives an engine's error the meaning that Bucket promises. It is the only
// place that knows the engine's codes.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := ledger.ErrUnavailable
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		kind = ledger.ErrNotFound
	case errors.Is(err, nats.ErrMaxPayload):
		kind = ledger.ErrCapacity
	case errors.As(err, &api):
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			kind = ledger.ErrConflict
		case jetstream.JSErrCodeStreamMessageExceedsMaximum,
			10023, // insufficient resources
			10028, // memory resources exceeded
			10047, // insufficient storage resources
			10077: // a limit of the stream
			kind = ledger.ErrCapacity
		}
	}
	return fmt.Errorf("vault: %s: %w: %w", doing, kind, err)
}

func (b *jetBucket) Get(ctx context.Context, key string) (Entry, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := b.stream.GetLastMsgForSubject(ctx, b.prefix+key)
	if err != nil {
		return Entry{}, translate("reading", err)
	}
	return Entry{Key: key, Value: m.Data, Revision: m.Sequence}, nil
}

func (b *jetBucket) Put(ctx context.Context, key string, value []byte, after uint64) (uint64, error) {
	return b.publish(ctx, key, value, jetstream.WithExpectLastSequencePerSubject(after))
}

func (b *jetBucket) Set(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.publish(ctx, key, value)
}

func (b *jetBucket) publish(ctx context.Context, key string, value []byte, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: b.prefix + key, Data: value}, opts...)
	if err != nil {
		return 0, translate("writing", err)
	}
	return ack.Sequence, nil
}

func (b *jetBucket) Scrub(ctx context.Context, key string, before uint64) error {
	for next := uint64(1); next < before; {
		seq, err := b.overwriteNext(ctx, key, next, before)
		if err != nil || seq == 0 {
			return err
		}
		next = seq + 1
	}
	return nil
}

// overwriteNext overwrites the first revision of key from next on, if it is older than
// before, and gives its number; 0 when there is none.
func (b *jetBucket) overwriteNext(ctx context.Context, key string, next, before uint64) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := b.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(b.prefix+key))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		return 0, translate("looking for old revisions", err)
	case m.Sequence >= before:
		return 0, nil
	}
	if err := b.stream.SecureDeleteMsg(ctx, m.Sequence); err != nil {
		// Unless another instance overwrote it in between.
		if _, getErr := b.stream.GetMsg(ctx, m.Sequence); !errors.Is(getErr, jetstream.ErrMsgNotFound) {
			return 0, translate("overwriting an old revision", err)
		}
	}
	return m.Sequence, nil
}

func (b *jetBucket) Remove(ctx context.Context, key string) error {
	last, err := b.Get(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.Scrub(ctx, key, last.Revision+1)
}

func (b *jetBucket) RemoveAll(ctx context.Context, prefix string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return translate("removing", b.stream.Purge(ctx, jetstream.WithPurgeSubject(b.prefix+prefix+".>")))
}

// fillerKey holds what Break writes; Walk passes over it. More bytes than the largest
// block of the engine (8 MiB) make sure that a block ends among them: a block is deleted
// whole when all of it was truncated, while the rest of one that is cut stays on disk.
const (
	fillerKey  = "filler"
	fillerSize = 3 << 20 // fits into the least message size that an engine may have
	fillers    = 3
)

func (b *jetBucket) Break(ctx context.Context) error {
	filler := make([]byte, fillerSize)
	for range fillers {
		if _, err := b.Set(ctx, fillerKey, filler); err != nil {
			return err
		}
	}
	return nil
}

func (b *jetBucket) Truncate(ctx context.Context, upTo uint64) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return translate("truncating", b.stream.Purge(ctx, jetstream.WithPurgeSequence(upTo+1)))
}

// walkBatch is how many messages a walk asks for at a time.
const walkBatch = 256

func (b *jetBucket) Walk(ctx context.Context, prefix string, values bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		subject := b.prefix + ">"
		if prefix != "" {
			subject = b.prefix + prefix + ".>"
		}
		c, err := b.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{FilterSubject: subject, HeadersOnly: !values,
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute})
		if err != nil {
			yield(Entry{}, translate("listing", err))
			return
		}
		defer func() {
			// Left behind, the consumer goes away by itself after InactiveThreshold.
			ctx, cancel := bounded(context.WithoutCancel(ctx))
			defer cancel()
			_ = b.stream.DeleteConsumer(ctx, c.CachedInfo().Name)
		}()
		patience := time.Now().Add(apiTimeout)
		for left := c.CachedInfo().NumPending; left > 0; {
			left, err = b.walkSome(ctx, c, left, values, yield)
			if errors.Is(err, nats.ErrNoResponders) && time.Now().Before(patience) && pause(ctx) {
				continue // the consumer was made, and its replicas have no leader yet
			}
			if err != nil {
				yield(Entry{}, translate("listing", err))
				return
			}
		}
	}
}

// pause waits a moment; false when ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// walkSome yields the next messages of a consumer that has left more of them, and says
// how many are left then: 0 also when the loop body broke off.
func (b *jetBucket) walkSome(ctx context.Context, c jetstream.Consumer, left uint64, values bool, yield func(Entry, error) bool) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel() // ends the request, should it still wait for messages removed meanwhile
	batch, err := c.Fetch(int(min(left, walkBatch)), jetstream.FetchContext(ctx))
	if err != nil {
		return 0, err
	}
	got := false
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return 0, err
		}
		got, left = true, meta.NumPending
		e := Entry{Key: strings.TrimPrefix(m.Subject(), b.prefix), Revision: meta.Sequence.Stream}
		if values {
			e.Value = m.Data()
		}
		if e.Key != fillerKey && !yield(e, nil) || left == 0 {
			return 0, nil
		}
	}
	if err := batch.Error(); err != nil || got {
		return left, err
	}
	// Nothing came. Either what was left has been removed, or the engine does not answer.
	info, err := c.Info(ctx)
	if err == nil && info.NumPending > 0 {
		err = errors.New("the engine stopped sending")
	}
	return 0, err
}
