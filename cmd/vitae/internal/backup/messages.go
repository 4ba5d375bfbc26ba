package backup

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is a message as the engine has it.
type stored struct {
	pos     uint64
	subject string
	header  []byte
	payload []byte
	gone    bool // in a bucket: the mark of a deleted key
}

// The bounds of what is asked for at a time.
const (
	batchMessages = 16 // of up to 4 MiB
	batchPatience = 10 * time.Second
)

// messages yields a stream's messages from a position on, to the last that there is.
func messages(ctx context.Context, js jetstream.JetStream, name string, from uint64) iter.Seq2[stored, error] {
	return walk(ctx, js, name, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from})
}

// latest yields the newest message of every subject, with or without what it holds.
func latest(ctx context.Context, js jetstream.JetStream, name string, values bool) iter.Seq2[stored, error] {
	return walk(ctx, js, name, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: ">", HeadersOnly: !values})
}

// walk yields messages until none is left. What is written meanwhile may come too. A
// message that is lost on its way is an error.
func walk(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.ConsumerConfig) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		cfg.AckPolicy, cfg.MemoryStorage, cfg.InactiveThreshold = jetstream.AckNonePolicy, true, time.Minute
		c, err := js.CreateConsumer(ctx, name, cfg)
		if err != nil {
			yield(stored{}, unavailable("reading "+name, err))
			return
		}
		defer func() {
			// Left behind, it goes away by itself.
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchPatience)
			defer cancel()
			_ = js.DeleteConsumer(end, name, c.CachedInfo().Name)
		}()
		seen := uint64(0)
		for left := c.CachedInfo().NumPending; left > 0; {
			got := 0
			batch, err := c.Fetch(int(min(left, batchMessages)), jetstream.FetchMaxWait(batchPatience))
			if err != nil {
				yield(stored{}, unavailable("reading "+name, err))
				return
			}
			for msg := range batch.Messages() {
				m, delivered, pending, err := read(msg)
				if err == nil && delivered != seen+1 {
					err = errors.New("a message was lost on its way")
				}
				if err != nil {
					yield(stored{}, unavailable("reading "+name, err))
					return
				}
				got++
				seen, left = delivered, pending
				if !yield(m, nil) {
					return
				}
			}
			if err := batch.Error(); err != nil || ctx.Err() != nil {
				yield(stored{}, unavailable("reading "+name, errors.Join(err, ctx.Err())))
				return
			}
			if got > 0 {
				continue
			}
			// What was left has been taken out, or the engine does not answer.
			info, err := c.Info(ctx)
			if err == nil && info.NumPending > 0 {
				err = errors.New("the engine stopped sending")
			}
			if err != nil {
				yield(stored{}, unavailable("reading "+name, err))
			}
			return
		}
	}
}

func read(msg jetstream.Msg) (m stored, delivered, pending uint64, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return m, 0, 0, err
	}
	h := msg.Headers()
	op := h.Get("KV-Operation")
	m = stored{pos: meta.Sequence.Stream, subject: msg.Subject(), payload: msg.Data(), gone: op == "DEL" || op == "PURGE"}
	if len(h) > 0 {
		h = without(h, "Nats-Msg-Size")
		if m.header, err = headerOf(h); err != nil {
			return m, 0, 0, err
		}
	}
	return m, meta.Sequence.Consumer, meta.NumPending, nil
}

func without(h nats.Header, name string) nats.Header {
	if _, ok := h[name]; !ok {
		return h
	}
	out := nats.Header{}
	for k, v := range h {
		if k != name {
			out[k] = v
		}
	}
	return out
}
