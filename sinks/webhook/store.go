package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
)

// Records is where endpoints and their places are kept: a durable map. What a write stored
// is on stable storage when it returns nil. Keys are letters, digits and dashes in parts
// joined by dots. It is used from many goroutines.
type Records interface {
	// Get gives the present value and its revision; ledger.ErrNotFound.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Put stores a value whose key is at revision after (0: it has none);
	// ledger.ErrConflict.
	Put(ctx context.Context, key string, value []byte, after uint64) (revision uint64, err error)
	// Set stores a value whatever was there.
	Set(ctx context.Context, key string, value []byte) error
	// Delete removes a key; no key is no error.
	Delete(ctx context.Context, key string) error
	// Keys lists the keys that begin with prefix and a dot, in no order.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Changes sends the name of each key with the prefix whose value changes from now on,
	// until ctx ends; then, or when it cannot go on, it closes the channel.
	Changes(ctx context.Context, prefix string) (<-chan string, error)
}

// Sealer seals the endpoints' records: those that are about one profile with that profile's
// key, so that they are gone with it, and others with the system's. The vault is one.
type Sealer interface {
	SealSystem(purpose, id string, plain []byte) ([]byte, error)
	OpenSystem(purpose, id string, sealed []byte) ([]byte, error)
	SealOwn(p ledger.ProfileID, purpose, id string, plain []byte) ([]byte, error)
	OpenOwn(p ledger.ProfileID, purpose, id string, sealed []byte) ([]byte, error)
}

// purpose is what endpoints are sealed for.
const purpose = "webhook"

// The keys: endpoint.<id> is an endpoint's sealed record, cursor.<id> its place,
// lane.<id>.<profile> a profile that is behind, failed.<id>.<event> an event that was given
// up. None but the first holds more than ids, places and our own words.
const (
	endpointPrefix = "endpoint"
	cursorPrefix   = "cursor"
	lanePrefix     = "lane"
	failedPrefix   = "failed"
)

func key(parts ...string) string { return strings.Join(parts, ".") }

// laneRecord is a profile that is behind.
type laneRecord struct {
	Next     uint64    `json:"next"` // the event that is tried; those before it are done
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due"`
	Why      string    `json:"why,omitempty"`
}

// Failed is an event that was tried for the last time.
type Failed struct {
	Seq      uint64           `json:"seq"` // in the feed
	Event    string           `json:"event"`
	Type     string           `json:"type"`
	Profile  ledger.ProfileID `json:"profile"`
	Attempts int              `json:"attempts"`
	At       time.Time        `json:"at"`
	Why      string           `json:"why"`
}

// store is Records with types.
type store struct {
	Records
	sealer Sealer
}

// endpoint reads one; ledger.ErrNotFound. One about a profile that was erased is gone with
// it, and what was kept for it is removed here.
func (s *store) endpoint(ctx context.Context, id string) (*Endpoint, error) {
	b, revision, err := s.Get(ctx, key(endpointPrefix, id))
	if err != nil {
		return nil, err
	}
	plain, err := s.open(id, b)
	if errors.Is(err, ledger.ErrErased) {
		return nil, errors.Join(ledger.ErrNotFound, s.purge(ctx, id))
	}
	if err != nil {
		return nil, err
	}
	e, err := decodeEndpoint(plain)
	if err != nil {
		return nil, err
	}
	e.revision = revision
	return e, nil
}

func (s *store) open(id string, b []byte) ([]byte, error) {
	var p ledger.ProfileID
	if len(b) < len(p) {
		return nil, fmt.Errorf("record of an endpoint: %w", ledger.ErrFormat)
	}
	copy(p[:], b)
	if p.IsZero() {
		return s.sealer.OpenSystem(purpose, id, b[len(p):])
	}
	return s.sealer.OpenOwn(p, purpose, id, b[len(p):])
}

// save stores an endpoint over the revision that it was read at; ledger.ErrConflict.
func (s *store) save(ctx context.Context, e *Endpoint) error {
	plain, err := e.encode()
	if err != nil {
		return err
	}
	// A stored record begins with the profile whose key seals it; zero for the system's.
	record := slices.Clone(e.Profile[:])
	var sealed []byte
	if e.Profile.IsZero() {
		sealed, err = s.sealer.SealSystem(purpose, e.ID, plain)
	} else {
		sealed, err = s.sealer.SealOwn(e.Profile, purpose, e.ID, plain)
	}
	if err != nil {
		return err
	}
	sealed = append(record, sealed...)
	e.revision, err = s.Put(ctx, key(endpointPrefix, e.ID), sealed, e.revision)
	return err
}

// change applies a change to the newest record of an endpoint.
func (s *store) change(ctx context.Context, id string, change func(e *Endpoint)) (*Endpoint, error) {
	const tries = 10
	for try := 1; ; try++ {
		e, err := s.endpoint(ctx, id)
		if err != nil {
			return nil, err
		}
		change(e)
		if err = s.save(ctx, e); err == nil || try == tries || !errors.Is(err, ledger.ErrConflict) {
			return e, err
		}
	}
}

// endpoints lists all, the oldest first.
func (s *store) endpoints(ctx context.Context) ([]*Endpoint, error) {
	names, err := s.Keys(ctx, endpointPrefix)
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // ids are ordered by time
	var out []*Endpoint
	for _, name := range names {
		e, err := s.endpoint(ctx, strings.TrimPrefix(name, endpointPrefix+"."))
		if errors.Is(err, ledger.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// purge removes everything of an endpoint, its record first.
func (s *store) purge(ctx context.Context, id string) error {
	if err := s.Delete(ctx, key(endpointPrefix, id)); err != nil {
		return err
	}
	errs := []error{s.Delete(ctx, key(cursorPrefix, id))}
	for _, prefix := range []string{lanePrefix, failedPrefix} {
		names, err := s.Keys(ctx, key(prefix, id))
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, s.Delete(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// cursor reads an endpoint's place; otherwise when it has none yet.
func (s *store) cursor(ctx context.Context, id string, otherwise uint64) (uint64, error) {
	b, _, err := s.Get(ctx, key(cursorPrefix, id))
	if errors.Is(err, ledger.ErrNotFound) {
		return otherwise, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("place of endpoint %s: %w", id, ledger.ErrFormat)
	}
	return n, nil
}

func (s *store) setCursor(ctx context.Context, id string, at uint64) error {
	return s.Set(ctx, key(cursorPrefix, id), strconv.AppendUint(nil, at, 10))
}

// lanes reads the profiles that are behind.
func (s *store) lanes(ctx context.Context, id string) (map[string]laneRecord, error) {
	return records[laneRecord](ctx, s, key(lanePrefix, id))
}

// failed reads the events that were given up, by their place.
func (s *store) failed(ctx context.Context, id string) ([]Failed, error) {
	all, err := records[Failed](ctx, s, key(failedPrefix, id))
	if err != nil {
		return nil, err
	}
	out := make([]Failed, 0, len(all))
	for _, f := range all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Failed) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return out, nil
}

// records reads the records with a prefix, by what follows it.
func records[T any](ctx context.Context, s *store, prefix string) (map[string]T, error) {
	names, err := s.Keys(ctx, prefix)
	if err != nil {
		return nil, err
	}
	out := make(map[string]T, len(names))
	for _, name := range names {
		b, _, err := s.Get(ctx, name)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, fmt.Errorf("record %s: %w", name, ledger.ErrFormat)
		}
		out[strings.TrimPrefix(name, prefix+".")] = v
	}
	return out, nil
}

func (s *store) set(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.Set(ctx, name, b)
}
