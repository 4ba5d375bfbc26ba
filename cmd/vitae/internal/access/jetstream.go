package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// The stream, and the subjects of its records: a profile's id follows.
const (
	streamName = "ACCESS"
	prefix     = "access."
)

// JetStream keeps records in the stream ACCESS.
type JetStream struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// OpenJetStream opens the stream, or makes it. Records go when they are keep old, and never
// when keep is 0; nobody can delete one before. A keep that differs from the one before
// counts for the records that are there, too.
func OpenJetStream(ctx context.Context, js jetstream.JetStream, replicas int, keep time.Duration) (*JetStream, error) {
	s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Description: "who read what of which profile", Subjects: []string{prefix + "*"},
		Storage: jetstream.FileStorage, Replicas: replicas, MaxAge: keep, DenyDelete: true, DenyPurge: true, AllowDirect: true,
	})
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", streamName, err)
	}
	return &JetStream{js, s}, nil
}

// Put implements Store.
func (j *JetStream) Put(ctx context.Context, profile ledger.ProfileID, sealed []byte) error {
	if _, err := j.js.Publish(ctx, prefix+profile.String(), sealed, jetstream.WithExpectStream(streamName)); err != nil {
		return fmt.Errorf("stream %s: %w: %w", streamName, ledger.ErrUnavailable, err)
	}
	return nil
}

// Next implements Store.
func (j *JetStream) Next(ctx context.Context, profile ledger.ProfileID, from uint64) (uint64, []byte, error) {
	m, err := j.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(prefix+profile.String()))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil, ledger.ErrNotFound
	case err != nil:
		return 0, nil, fmt.Errorf("stream %s: %w: %w", streamName, ledger.ErrUnavailable, err)
	}
	return m.Sequence, m.Data, nil
}
