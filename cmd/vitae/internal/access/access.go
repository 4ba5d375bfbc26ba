package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitae/ledger"
)

// Record is one audit read of a profile. Its JSON is the stored form.
type Record struct {
	Time    time.Time        `json:"time"`
	Actor   string           `json:"actor"` // "admin" or "key:<id>"
	Name    string           `json:"name"`  // of the key
	Profile ledger.ProfileID `json:"profile"`
	Method  string           `json:"method"`
	Route   string           `json:"route"` // the pattern, without values
	// Parts are the parameters that say what was asked for.
	Parts     map[string]string `json:"parts"`
	Via       string            `json:"via"`
	RequestID string            `json:"requestId"`
	Status    int               `json:"status"`
}

// Entry is a record at its position in the stream.
type Entry struct {
	Pos uint64 `json:"pos"`
	Record
}

// Store keeps sealed records by profile. JetStream and Memory implement it.
type Store interface {
	// Put stores a record at the end. On nil it is on stable storage; ledger.ErrUnavailable
	// when that is not so, or not known.
	Put(ctx context.Context, profile ledger.ProfileID, sealed []byte) error
	// Next gives the profile's first record at or after a position; ledger.ErrNotFound when
	// there is none.
	Next(ctx context.Context, profile ledger.ProfileID, from uint64) (pos uint64, sealed []byte, err error)
}

// Sealer is what a log needs of the vault.
type Sealer interface {
	SealSystem(purpose, id string, plain []byte) ([]byte, error)
	OpenSystem(purpose, id string, sealed []byte) ([]byte, error)
}

// Log is the record of reads. Its methods may be called from many goroutines.
type Log struct {
	store Store
	seal  Sealer
}

// New makes a log of a store.
func New(store Store, seal Sealer) *Log { return &Log{store, seal} }

// purpose parts these seals from all others of the system's key.
const purpose = "access"

// version of the stored form. Readers of every version ever written stay.
const version = 1

type stored struct {
	V int `json:"v"`
	Record
}

func encode(r Record) ([]byte, error) {
	r.Time = r.Time.UTC().Truncate(time.Millisecond)
	if r.Parts == nil {
		r.Parts = map[string]string{}
	}
	return json.Marshal(stored{version, r})
}

func decode(b []byte) (Record, error) {
	var s stored
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Record{}, fmt.Errorf("a record of a read: %w", err)
	}
	if s.V != version {
		return Record{}, fmt.Errorf("a record of a read has version %d; this program knows %d", s.V, version)
	}
	return s.Record, nil
}

// Append stores a record; see the package for what is true then. The time is kept in whole
// milliseconds. The error is ledger.ErrUnavailable.
func (l *Log) Append(ctx context.Context, r Record) error {
	b, err := encode(r)
	if err != nil {
		return err
	}
	sealed, err := l.seal.SealSystem(purpose, r.Profile.String(), b)
	if err != nil {
		return err
	}
	return l.store.Put(ctx, r.Profile, sealed)
}

// Page gives up to limit records of a profile behind a position (0: from the first), oldest
// first. A page that is not full is the last.
func (l *Log) Page(ctx context.Context, profile ledger.ProfileID, after uint64, limit int) ([]Entry, error) {
	out := []Entry{}
	for len(out) < limit {
		pos, sealed, err := l.store.Next(ctx, profile, after+1)
		if errors.Is(err, ledger.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		b, err := l.seal.OpenSystem(purpose, profile.String(), sealed)
		if err != nil {
			return nil, fmt.Errorf("the record of a read at position %d: %w", pos, err)
		}
		r, err := decode(b)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w", pos, err)
		}
		out = append(out, Entry{pos, r})
		after = pos
	}
	return out, nil
}
