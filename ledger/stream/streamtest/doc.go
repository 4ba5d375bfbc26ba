// Package streamtest is what every block stream and every committer on one must do,
// written once and run against all of them: memory, one server, three servers. Faulty
// makes any of them fail in the two independent ways: stored or not, reported or not.
package streamtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// Fate is what happens to one append.
type Fate struct {
	Store bool  // the append reaches the stream
	Err   error // what the caller is told instead of the truth; nil for the truth
}

// Faulty passes everything on to the Blocks in it but appends, whose fate OnAppend
// decides; n counts the appends from 0.
type Faulty struct {
	stream.Blocks
	OnAppend func(n int) Fate

	mu sync.Mutex
	n  int
}

// Append implements stream.Blocks.
func (f *Faulty) Append(ctx context.Context, payload []byte, after uint64) (uint64, error) {
	f.mu.Lock()
	fate := f.OnAppend(f.n)
	f.n++
	f.mu.Unlock()
	if !fate.Store {
		return 0, fate.Err
	}
	pos, err := f.Blocks.Append(ctx, payload, after)
	if err == nil && fate.Err != nil {
		return 0, fate.Err
	}
	return pos, err
}

// Sealer is a stand-in for the vault that binds a payload to its place and hides nothing.
type Sealer struct {
	mu      sync.Mutex
	created map[ledger.ProfileID]bool
}

// NewSealer makes a sealer without any profile.
func NewSealer() *Sealer { return &Sealer{created: map[ledger.ProfileID]bool{}} }

// Create implements stream.Sealer.
func (s *Sealer) Create(_ context.Context, id ledger.ProfileID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created[id] = true
	return nil
}

func place(p ledger.ProfileID, c ledger.CommitID, index int) []byte {
	return fmt.Appendf(nil, "%s/%s/%d:", p, c, index)
}

// Seal implements stream.Sealer.
func (s *Sealer) Seal(p ledger.ProfileID, c ledger.CommitID, index int, payload []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.created[p] {
		return nil, ledger.ErrNotFound
	}
	return append(place(p, c, index), payload...), nil
}

// Digest implements stream.Sealer.
func (s *Sealer) Digest(p ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error) {
	return sha256.Sum256(fmt.Appendf(nil, "%s %q %q", p, purpose, data)), nil
}

// Open implements ledger.Opener.
func (s *Sealer) Open(p ledger.ProfileID, c ledger.CommitID, index int, sealed []byte) ([]byte, error) {
	payload, ok := bytes.CutPrefix(sealed, place(p, c, index))
	if !ok {
		return nil, errors.New("sealed for another place")
	}
	return payload, nil
}

// Set is a command that sets a scalar, creating the profile when it is not there.
type Set struct{ Field, Text string }

// Decide implements ledger.Command.
func (s Set) Decide(p *ledger.Profile, _ ledger.Env) ([]ledger.Event, error) {
	value := ledger.Value(fmt.Appendf(nil, "%q", s.Text))
	var events []ledger.Event
	if p.Seq == 0 {
		events = append(events, ledger.Event{View: ledger.Shared, Op: ledger.OpCreated})
	}
	if !p.Shared[s.Field].Value.Equal(value) {
		events = append(events, ledger.Event{View: ledger.Shared, Field: s.Field, Op: ledger.OpSet, Value: value})
	}
	return events, nil
}

// Refuse is a command that is always wrong.
type Refuse struct{}

// Decide implements ledger.Command.
func (Refuse) Decide(*ledger.Profile, ledger.Env) ([]ledger.Event, error) {
	return nil, ledger.Refuse("/x", ledger.CodeUnknownField, "there is no such field")
}

// Idems finds idempotency keys by reading the whole ledger.
type Idems struct{ Ledger *stream.Ledger }

// Idem implements stream.Idems.
func (i Idems) Idem(ctx context.Context, key [16]byte, _ ledger.Seq) (found ledger.Record, ok bool, err error) {
	for b, err := range i.Ledger.Read(ctx, 1) {
		if err != nil {
			return found, false, err
		}
		for _, r := range b.Commits {
			if r.Commit.Idem != nil && r.Commit.Idem.Key == key {
				found, ok = r, true
			}
		}
	}
	return found, ok, nil
}
