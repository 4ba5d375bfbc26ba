package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// Bucket is Records over a JetStream bucket, which is made when it is not there.
type Bucket struct{ kv jetstream.KeyValue }

// OpenBucket opens the bucket WEBHOOKS.
func OpenBucket(ctx context.Context, js jetstream.JetStream, replicas int) (*Bucket, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "WEBHOOKS", History: 1, Replicas: replicas})
	if err != nil {
		return nil, fmt.Errorf("bucket WEBHOOKS: %w", err)
	}
	return &Bucket{kv}, nil
}

// Get implements Records.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	e, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, fmt.Errorf("record %s: %w", key, ledger.ErrNotFound)
	}
	if err != nil {
		return nil, 0, unavailable(err)
	}
	return e.Value(), e.Revision(), nil
}

// Put implements Records.
func (b *Bucket) Put(ctx context.Context, key string, value []byte, after uint64) (revision uint64, err error) {
	if after == 0 {
		revision, err = b.kv.Create(ctx, key, value)
	} else {
		revision, err = b.kv.Update(ctx, key, value, after)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fmt.Errorf("record %s: %w", key, ledger.ErrConflict)
	case err != nil:
		return 0, unavailable(err)
	}
	return revision, nil
}

// Set implements Records.
func (b *Bucket) Set(ctx context.Context, key string, value []byte) error {
	_, err := b.kv.Put(ctx, key, value)
	return unavailable(err)
}

// Delete implements Records.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return unavailable(b.kv.Purge(ctx, key))
}

// Keys implements Records.
func (b *Bucket) Keys(ctx context.Context, prefix string) (out []string, err error) {
	l, err := b.kv.ListKeysFiltered(ctx, prefix+".>")
	if err != nil {
		return nil, unavailable(err)
	}
	for name := range l.Keys() {
		out = append(out, name)
	}
	return out, ctx.Err() // without one the list is whole, and has stopped by itself
}

// Changes implements Records.
func (b *Bucket) Changes(ctx context.Context, prefix string) (<-chan string, error) {
	w, err := b.kv.Watch(ctx, prefix+".>", jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(chan string)
	go func() {
		defer close(out)
		defer func() { _ = w.Stop() }() // it ends with ctx in any case
		for {
			select {
			case e, ok := <-w.Updates():
				if !ok {
					return
				}
				if e == nil {
					continue
				}
				select {
				case out <- e.Key():
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: webhooks: %w", ledger.ErrUnavailable, err)
}

// Log is Attempts over a JetStream stream.
type Log struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// The stream of attempts: for how long they are kept, and how many of one endpoint.
const (
	attemptsStream = "ATTEMPTS"
	attemptsKept   = 30 * 24 * time.Hour
	attemptsEach   = 10_000
)

// OpenLog opens the stream ATTEMPTS, which is made when it is not there.
func OpenLog(ctx context.Context, js jetstream.JetStream, replicas int) (*Log, error) {
	s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: attemptsStream, Subjects: []string{"attempt.*"}, Storage: jetstream.FileStorage,
		Replicas: replicas, MaxAge: attemptsKept, MaxMsgsPerSubject: attemptsEach, AllowDirect: true})
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", attemptsStream, err)
	}
	return &Log{js, s}, nil
}

func attemptSubject(endpoint string) string { return "attempt." + endpoint }

// Append implements Attempts.
func (l *Log) Append(ctx context.Context, a Attempt) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = l.js.Publish(ctx, attemptSubject(a.Endpoint), b)
	return unavailable(err)
}

// List implements Attempts.
func (l *Log) List(ctx context.Context, endpoint string, after uint64, limit int) (out []Attempt, more bool, err error) {
	if strings.ContainsAny(endpoint, " .*>") {
		return nil, false, ledger.ErrNotFound
	}
	for next := after + 1; ; {
		m, err := l.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(attemptSubject(endpoint)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return out, false, nil
		}
		if err != nil {
			return nil, false, unavailable(err)
		}
		if len(out) == limit {
			return out, true, nil
		}
		var a Attempt
		if err := json.Unmarshal(m.Data, &a); err != nil {
			return nil, false, fmt.Errorf("attempt %d: %w", m.Sequence, ledger.ErrFormat)
		}
		a.Place = m.Sequence
		out = append(out, a)
		next = m.Sequence + 1
	}
}
