package streamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Blocks runs the suite that every stream.Blocks passes. open gives an empty stream.
func Blocks(t *testing.T, open func(t *testing.T) stream.Blocks) {
	t.Run("empty", func(t *testing.T) {
		ctx, b := within(t), open(t)
		if e, err := b.Last(ctx); err != nil || e.Pos != 0 {
			t.Fatalf("Last of an empty stream: %v, %v", e, err)
		}
		if _, err := b.Get(ctx, 1); !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("Get of nothing: %v", err)
		}
		for e, err := range b.Read(ctx, 1) {
			t.Fatalf("Read of nothing yields %v, %v", e, err)
		}
	})

	t.Run("append in order and read from everywhere", func(t *testing.T) {
		ctx, b := within(t), open(t)
		const n = 20
		for i := range uint64(n) {
			pos, err := b.Append(ctx, fmt.Appendf(nil, "block %d", i+1), i)
			if err != nil || pos != i+1 {
				t.Fatalf("append %d: position %d, %v", i, pos, err)
			}
		}
		for from := uint64(1); from <= n+1; from++ {
			want := from
			for e, err := range b.Read(ctx, from) {
				if err != nil || e.Pos != want || string(e.Payload) != fmt.Sprintf("block %d", want) {
					t.Fatalf("from %d: %d %q %v, want block %d", from, e.Pos, e.Payload, err, want)
				}
				want++
			}
			if want != n+1 {
				t.Fatalf("from %d: ended before block %d", from, want)
			}
		}
		if e, err := b.Get(ctx, 7); err != nil || string(e.Payload) != "block 7" {
			t.Fatalf("Get: %q %v", e.Payload, err)
		}
		if e, err := b.Last(ctx); err != nil || e.Pos != n || string(e.Payload) != "block 20" {
			t.Fatalf("Last: %q %v", e.Payload, err)
		}
	})

	t.Run("a stale expectation is a conflict and stores nothing", func(t *testing.T) {
		ctx, b := within(t), open(t)
		for i := range uint64(3) {
			if _, err := b.Append(ctx, []byte("x"), i); err != nil {
				t.Fatal(err)
			}
		}
		for _, after := range []uint64{0, 2, 4, 99} {
			if _, err := b.Append(ctx, []byte("stale"), after); !errors.Is(err, ledger.ErrConflict) {
				t.Fatalf("append after %d of 3: %v", after, err)
			}
		}
		if e, err := b.Last(ctx); err != nil || e.Pos != 3 || string(e.Payload) != "x" {
			t.Fatalf("Last: %v %v", e, err)
		}
	})

	t.Run("too large is capacity and stores nothing", func(t *testing.T) {
		ctx, b := within(t), open(t)
		if _, err := b.Append(ctx, make([]byte, b.Limit()+1), 0); !errors.Is(err, ledger.ErrCapacity) {
			t.Fatalf("over the limit: %v", err)
		}
		big := bytes.Repeat([]byte("y"), b.Limit())
		if _, err := b.Append(ctx, big, 0); err != nil {
			t.Fatalf("at the limit: %v", err)
		}
		if e, err := b.Get(ctx, 1); err != nil || !bytes.Equal(e.Payload, big) {
			t.Fatalf("reading a block at the limit: %d bytes, %v", len(e.Payload), err)
		}
	})

	t.Run("an ended context leaves the outcome unknown", func(t *testing.T) {
		b := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Append(ctx, []byte("z"), 0); !errors.Is(err, ledger.ErrUnknown) {
			t.Fatalf("append under an ended context: %v", err)
		}
	})

	t.Run("follow goes on and stops with its context", func(t *testing.T) {
		writing, b := within(t), open(t)
		ctx, cancel := context.WithCancel(writing)
		defer cancel()
		const n = 50
		written := make(chan error, 1)
		go func() {
			for i := range uint64(n) {
				if _, err := b.Append(writing, []byte{byte(i)}, i); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		want := uint64(1)
		for e, err := range b.Follow(ctx, 1) {
			if want == n+1 {
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("after the end: %v, %v", e, err)
				}
				want++
				break
			}
			if err != nil || e.Pos != want {
				t.Fatalf("position %d, %v; want %d", e.Pos, err, want)
			}
			if want++; want == n+1 {
				cancel()
			}
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		if want != n+2 {
			t.Fatalf("follow ended at %d", want)
		}
	})

	t.Run("trim keeps positions", func(t *testing.T) {
		ctx, b := within(t), open(t)
		tr, ok := b.(stream.Trimmer)
		for i := range uint64(10) {
			if _, err := b.Append(ctx, []byte{byte(i)}, i); err != nil {
				t.Fatal(err)
			}
		}
		if !ok {
			return
		}
		if err := tr.Trim(ctx, 8); errors.Is(err, ledger.ErrNotAllowed) {
			return // a stream that nothing is ever taken out of
		} else if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for e, err := range b.Read(ctx, 1) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Pos)
		}
		if fmt.Sprint(got) != "[8 9 10]" {
			t.Fatalf("left after trimming before 8: %v", got)
		}
		if pos, err := b.Append(ctx, []byte("k"), 10); err != nil || pos != 11 {
			t.Fatalf("append after trimming: %d %v", pos, err)
		}
	})
}
