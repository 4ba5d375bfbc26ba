// Package sinktest has what tests of the sinks stand on: a ledger with its states and its
// vault in memory (World), a network that can do anything to a request (Network), a
// provider of the plainest kind (Box) and one with every class (Shop), and the sink between
// a world and a provider (Rig). Nothing in it needs sockets, so whole days pass in
// a synctest bubble at once.
package sinktest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// World is a ledger, the opened states and a vault. It implements sinks.States and
// sinks.Vault; Ledger is its ledger.
type World struct {
	Blocks *stream.Memory
	Ledger *stream.Ledger

	mu       sync.Mutex
	profiles map[ledger.ProfileID]*ledger.Profile
	past     map[ledger.ProfileID][]*ledger.Profile // after each of its commits
	secrets  map[string]string
	head     stream.Head
}

// NewWorld makes an empty one.
func NewWorld() *World {
	b := stream.NewMemory(8 << 20)
	return &World{Blocks: b, Ledger: stream.OpenLedger(b, ledger.NewID(time.Now())), profiles: map[ledger.ProfileID]*ledger.Profile{},
		past:    map[ledger.ProfileID][]*ledger.Profile{},
		secrets: map[string]string{}}
}

// Create makes a profile with first values: names and JSON values in turn.
func (w *World) Create(values ...string) ledger.ProfileID {
	id := ledger.NewProfileID(time.Now())
	w.Commit(id, append([]ledger.Event{{View: ledger.Shared, Op: ledger.OpCreated}}, sets(values)...)...)
	return id
}

func sets(values []string) []ledger.Event {
	var out []ledger.Event
	for i := 0; i < len(values); i += 2 {
		out = append(out, ledger.Event{View: ledger.Shared, Field: values[i], Op: ledger.OpSet, Value: ledger.Value(values[i+1])})
	}
	return out
}

// Set sets shared scalars: names and JSON values in turn.
func (w *World) Set(id ledger.ProfileID, values ...string) ledger.Seq {
	return w.Commit(id, sets(values)...)
}

// Clear clears a shared scalar.
func (w *World) Clear(id ledger.ProfileID, field string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Shared, Field: field, Op: ledger.OpClear})
}

// Bind connects a profile to a provider, or again, with another credential.
func (w *World) Bind(id ledger.ProfileID, provider, credential, resume string) ledger.Seq {
	w.SetSecret(id, "credential."+provider, credential)
	value := `{"settings":{}}`
	if resume != "" {
		value = fmt.Sprintf(`{"settings":{"resume":%q}}`, resume)
	}
	return w.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpBound, Value: ledger.Value(value)})
}

// Unbind takes the connection away.
func (w *World) Unbind(id ledger.ProfileID, provider string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpDeleted})
}

// Erase erases a profile.
func (w *World) Erase(id ledger.ProfileID) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Shared, Op: ledger.OpErased})
}

// Commit appends one commit, as a block of its own.
func (w *World) Commit(id ledger.ProfileID, events ...ledger.Event) ledger.Seq {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.profiles[id]
	if p == nil {
		p = ledger.NewProfile(id)
	}
	p = p.Clone()
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := &ledger.Commit{ID: ledger.NewCommitID(now), Profile: id, Time: now, Meta: ledger.Meta{Actor: "admin", Via: "native"}, Prev: p.Head, Events: events}
	for i := range events {
		if e := &events[i]; e.Value != nil {
			e.Salt = ledger.NewSalt()
			e.Commitment = ledger.HashOf(e.Payload())
			e.Sealed = hide(id[:], e.Payload())
		}
	}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		panic(err)
	}
	seq := w.head.Seq + 1
	b := ledger.AppendBlock(nil, ledger.NewCommitID(now), seq, w.head.Hash, [][]byte{raw})
	pos, err := w.Blocks.Append(context.Background(), b, w.head.Pos)
	if err != nil {
		panic(err)
	}
	w.head = stream.Head{Seq: seq, Hash: ledger.HashOf(b), Pos: pos, Time: now}
	p.Apply(seq, ledger.HashOf(raw), c)
	w.profiles[id] = p
	w.past[id] = append(w.past[id], p)
	return seq
}

// Profile implements sinks.States. States are as new as the ledger.
func (w *World) Profile(_ context.Context, id ledger.ProfileID, atLeast ledger.Seq) (*ledger.Profile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.profiles[id]
	switch {
	case p == nil:
		return nil, ledger.ErrNotFound
	case p.Erased:
		return nil, ledger.ErrErased
	case w.head.Seq < atLeast:
		return nil, fmt.Errorf("ledger at %d, not %d: %w", w.head.Seq, atLeast, ledger.ErrUnavailable)
	}
	return p.Clone(), nil
}

// ProfileAt implements sinks.States.
func (w *World) ProfileAt(_ context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found *ledger.Profile
	for _, at := range w.past[id] {
		if at.Seq <= seq {
			found = at
		}
	}
	if found == nil {
		return nil, ledger.ErrNotFound
	}
	return found.Clone(), nil
}

// Decide commits what a person decided about a parked edit.
func (w *World) Decide(id ledger.ProfileID, provider, park, action string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Deliveries, Item: provider, Op: ledger.OpDecided,
		Value: ledger.Value(fmt.Sprintf(`{"action":%q,"park":%q}`, action, park))})
}

// Put puts a collection's item: its id and its JSON value.
func (w *World) Put(id ledger.ProfileID, field, item, value string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Base, Field: field, Item: item, Op: ledger.OpPut, Value: ledger.Value(value)})
}

// Remove takes an item out of a collection.
func (w *World) Remove(id ledger.ProfileID, field, item string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Base, Field: field, Item: item, Op: ledger.OpRemove})
}

// Order puts a collection's items in an order.
func (w *World) Order(id ledger.ProfileID, field string, items ...string) ledger.Seq {
	return w.Commit(id, ledger.Event{View: ledger.Base, Field: field, Op: ledger.OpOrder, Order: items})
}

// Digest implements sinks.Vault.
func (w *World) Digest(p ledger.ProfileID, purpose string, data ...[]byte) ([32]byte, error) {
	h := sha256.New()
	h.Write(p[:])
	for _, d := range append([][]byte{[]byte(purpose)}, data...) {
		fmt.Fprintf(h, "%d:%s", len(d), d)
	}
	return [32]byte(h.Sum(nil)), nil
}

// SetSecret keeps a secret; "" takes it away.
func (w *World) SetSecret(p ledger.ProfileID, name, secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[p.String()+name] = secret
}

// Secret implements sinks.Vault.
func (w *World) Secret(_ context.Context, p ledger.ProfileID, name string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.secrets[p.String()+name]; s != "" {
		return []byte(s), nil
	}
	return nil, ledger.ErrNotFound
}

// Seal implements sinks.Vault: it hides the payload and is no protection at all.
func (w *World) Seal(p ledger.ProfileID, _ ledger.CommitID, _ int, payload []byte) ([]byte, error) {
	return hide(p[:], payload), nil
}

// Open implements sinks.Vault.
func (w *World) Open(p ledger.ProfileID, _ ledger.CommitID, _ int, sealed []byte) ([]byte, error) {
	return hide(p[:], sealed), nil
}

// ReplaceSecret implements sinks.Vault.
func (w *World) ReplaceSecret(_ context.Context, p ledger.ProfileID, name string, old, fresh []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secrets[p.String()+name] != string(old) {
		return ledger.ErrConflict
	}
	w.secrets[p.String()+name] = string(fresh)
	return nil
}

func hide(key, b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		if i%32 == 0 {
			k := sha256.Sum256(append([]byte{byte(i / 32)}, key...))
			key = k[:]
		}
		out[i] = b[i] ^ key[i%32]
	}
	return out
}
