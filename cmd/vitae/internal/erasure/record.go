package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/vault"
	"vitae/sinks"
)

// record is an erasure that is not through, as it is stored under the profile's id.
type record struct {
	V       int              `json:"v"`
	Profile ledger.ProfileID `json:"profile"`
	Seq     ledger.Seq       `json:"seq"`
	Commit  ledger.CommitID  `json:"commit"`
	Time    time.Time        `json:"time"`
	Hash    ledger.Hash      `json:"hash"`
	Done    []string         `json:"done,omitempty"` // steps

	// What the steps found, for the receipt.
	Held      *vault.Holdings `json:"held,omitempty"` // before the key was destroyed
	APIKeys   int             `json:"apiKeys,omitempty"`
	Providers []sinks.Ended   `json:"providers,omitempty"`

	revision uint64
}

const recordVersion = 1

func (r *record) did(step string) bool { return slices.Contains(r.Done, step) }

// stored is a receipt as it is stored under the profile's id.
type stored struct {
	V    int    `json:"v"`
	Text string `json:"text"`
	Note string `json:"note"` // the text, signed
}

// place is how far the ledger was looked at for erased events.
type place struct {
	Lineage string     `json:"lineage"`
	Seq     ledger.Seq `json:"seq"`
}

// placeKey is where it is stored; it is no profile's id.
const placeKey = "position"

// pending reads the record of a profile; ledger.ErrNotFound when there is none.
func (e *Erasures) pending(ctx context.Context, p ledger.ProfileID) (*record, error) {
	entry, err := e.cfg.Pending.Get(ctx, p.String())
	if err != nil {
		return nil, err
	}
	return parse(entry)
}

func parse(entry keys.Entry) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(entry.Value, r); err != nil || r.V != recordVersion || r.Profile.String() != entry.Key {
		return nil, fmt.Errorf("the record of an erasure: %w", ledger.ErrFormat)
	}
	r.revision = entry.Revision
	return r, nil
}

// keep stores a record: a new one, or a changed one. ledger.ErrConflict when another
// instance changed it.
func (e *Erasures) keep(ctx context.Context, r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if r.revision == 0 {
		r.revision, err = e.cfg.Pending.Create(ctx, r.Profile.String(), b)
		if errors.Is(err, ledger.ErrExists) {
			err = fmt.Errorf("%w: %w", ledger.ErrConflict, err)
		}
		return err
	}
	r.revision, err = e.cfg.Pending.Update(ctx, r.Profile.String(), b, r.revision)
	return err
}

// seen is how far the ledger was looked at.
func (e *Erasures) seen(ctx context.Context) (at place, revision uint64, err error) {
	entry, err := e.cfg.Receipts.Get(ctx, placeKey)
	if errors.Is(err, ledger.ErrNotFound) {
		return place{Lineage: e.cfg.Ledger.Lineage()}, 0, nil
	}
	if err != nil {
		return at, 0, err
	}
	if err := json.Unmarshal(entry.Value, &at); err != nil {
		return at, 0, fmt.Errorf("the position of erasures: %w", ledger.ErrFormat)
	}
	head, err := e.cfg.Ledger.Head(ctx)
	if err != nil {
		return at, 0, err
	}
	if at.Lineage != e.cfg.Ledger.Lineage() || at.Seq > head.Seq {
		at = place{Lineage: e.cfg.Ledger.Lineage()} // another ledger, or an older copy: all of it is new
	}
	return at, entry.Revision, nil
}

// saw moves the position on, if nobody has moved it further.
func (e *Erasures) saw(ctx context.Context, seq ledger.Seq) error {
	at, revision, err := e.seen(ctx)
	if err != nil || at.Seq >= seq {
		return err
	}
	at.Seq = seq
	b, err := json.Marshal(at)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = e.cfg.Receipts.Create(ctx, placeKey, b)
	} else {
		_, err = e.cfg.Receipts.Update(ctx, placeKey, b, revision)
	}
	if errors.Is(err, ledger.ErrExists) || errors.Is(err, ledger.ErrConflict) {
		return nil // another instance; being behind means looking again, and no more
	}
	return err
}
