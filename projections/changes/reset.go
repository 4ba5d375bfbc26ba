package changes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// movedKey is the stream's metadata that has another position for its last message: the
// message's sequence and the position. It counts until a message comes behind that one.
const movedKey = "vitae.moved"

// moved is what the metadata says; zero when it says nothing.
func moved(metadata map[string]string) (at end, err error) {
	text, ok := metadata[movedKey]
	if !ok {
		return end{}, nil
	}
	seq, position, ok := strings.Cut(text, " ")
	if !ok {
		return end{}, fmt.Errorf("%w: metadata %s of stream %s", ledger.ErrFormat, movedKey, ledger.ChangesStream)
	}
	if at.seq, err = strconv.ParseUint(seq, 10, 64); err != nil || at.seq == 0 {
		return end{}, fmt.Errorf("%w: metadata %s of stream %s", ledger.ErrFormat, movedKey, ledger.ChangesStream)
	}
	at.position, err = parsePosition(position)
	return at, err
}

// At gives the position in the stream; the zero position when there is no stream, or no
// message in it. It opens nothing for good, and may be asked beside a Feed.
func At(ctx context.Context, cfg Config) (Position, error) {
	f, err := glance(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	at, err := f.last(ctx)
	if err != nil || at.seq == 0 {
		return Position{}, err
	}
	return at.position, nil
}

// glance is a Feed of a stream that is there, to ask it for its last message.
func glance(ctx context.Context, cfg Config) (*Feed, error) {
	st, err := cfg.JetStream.Stream(ctx, ledger.ChangesStream)
	if err != nil {
		return nil, err
	}
	f := &Feed{cfg: cfg, js: cfg.JetStream, nc: cfg.JetStream.Conn()}
	f.moved, err = moved(st.CachedInfo().Config.Metadata)
	return f, err
}

// ResetBeyondHead puts a position that lies beyond the ledger's head at the head: the next
// commit is told of behind the last message. What was told of commits that are not there any
// more stays; ids of events come from their commits, so no new one has the id of one of
// those. It does nothing to a position within the ledger. On nil it is durable. Nobody may
// write the stream meanwhile. Errors: ErrDiverged for a position in another ledger.
func ResetBeyondHead(ctx context.Context, cfg Config) error {
	f, err := glance(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := f.last(ctx)
	if err != nil {
		return err
	}
	head, err := cfg.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if at.position.Lineage != cfg.Ledger.Lineage() || at.position.Seq <= head.Seq {
		return f.belongs(ctx, at.position)
	}
	to := at.position
	to.Seq, to.Commit, to.Events = head.Seq, ledger.CommitID{}, 0
	if head.Seq > 0 {
		for b, err := range cfg.Ledger.Read(ctx, head.Seq) {
			if err != nil {
				return err
			}
			r := &b.Commits[0]
			to.Commit, to.Events = r.Commit.ID, len(r.Commit.Notices(r.Seq, ledger.CloudEventSource(cfg.Ledger.Lineage())))
			break
		}
	}
	st, err := f.js.Stream(ctx, ledger.ChangesStream)
	if err != nil {
		return err
	}
	c := st.CachedInfo().Config
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	c.Metadata[movedKey] = strconv.FormatUint(at.seq, 10) + " " + to.String()
	if _, err := f.js.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("resetting the position of stream %s: %w", ledger.ChangesStream, err)
	}
	return nil
}
