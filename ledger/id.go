package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// Seq is a commit's number in the ledger: 1, 2, 3, without gaps, over all
// profiles. It is the only position there is; 0 means "before the first commit".
type Seq uint64

// ProfileID names one person. It is a ULID; its text form is the 26 upper-case
// characters of Crockford's base 32 and nothing else, so one profile has one name.
type ProfileID [16]byte

// CommitID names one commit. Its 80 random bits are drawn anew for each commit
// (never counted up), because event ids are derived from it: see EventID.
type CommitID [16]byte

// Hash is a SHA-256 digest. In JSON it is 64 lower-case hexadecimal digits.
type Hash [sha256.Size]byte

// ErrBadID is what every ULID parser of this package wraps: the text is not the
// canonical form of a ULID.
var ErrBadID = errors.New("not a canonical ULID")

// NewProfileID draws a profile id for the given time.
func NewProfileID(now time.Time) ProfileID { return ProfileID(newULID(now)) }

// NewCommitID draws a commit id for the given time.
func NewCommitID(now time.Time) CommitID { return CommitID(newULID(now)) }

// NewID draws a ULID for anything else that needs a name (a resume, an item, an
// API key), as text.
func NewID(now time.Time) string { return newULID(now).String() }

func newULID(now time.Time) ulid.ULID {
	var u ulid.ULID
	// crypto/rand never fails on the systems Go supports; it stops the program instead.
	_, _ = rand.Read(u[6:])
	// SetTime fails only for times after the year 10889.
	_ = u.SetTime(ulid.Timestamp(now))
	return u
}

// ParseProfileID reads the canonical text form.
func ParseProfileID(s string) (ProfileID, error) {
	u, err := parseULID(s)
	return ProfileID(u), err
}

// ParseCommitID reads the canonical text form.
func ParseCommitID(s string) (CommitID, error) {
	u, err := parseULID(s)
	return CommitID(u), err
}

func parseULID(s string) (ulid.ULID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil || u.String() != s {
		return ulid.ULID{}, fmt.Errorf("%q: %w", clip(s), ErrBadID)
	}
	return u, nil
}

// clip keeps foreign text in an error short.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func (id ProfileID) String() string { return ulid.ULID(id).String() }

// IsZero says that no profile is named.
func (id ProfileID) IsZero() bool { return id == ProfileID{} }

// MarshalText makes the id its canonical text in JSON.
func (id ProfileID) MarshalText() ([]byte, error) { return ulid.ULID(id).MarshalText() }

// UnmarshalText accepts the canonical text only.
func (id *ProfileID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseProfileID(string(b))
	return err
}

func (id CommitID) String() string { return ulid.ULID(id).String() }

// Time is the moment at which the id was drawn, to the millisecond.
func (id CommitID) Time() time.Time { return ulid.ULID(id).Timestamp().UTC() }

// MarshalText makes the id its canonical text in JSON.
func (id CommitID) MarshalText() ([]byte, error) { return ulid.ULID(id).MarshalText() }

// UnmarshalText accepts the canonical text only.
func (id *CommitID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseCommitID(string(b))
	return err
}

// EventID is the ULID of the event at the given place in a commit. It is not
// stored: it is the commit's id with index+1 added to its random part, so an event
// can be named, found and de-duplicated at no cost per event.
func EventID(c CommitID, index int) string {
	lo := binary.BigEndian.Uint64(c[8:])
	sum := lo + uint64(index) + 1
	if sum < lo {
		hi := binary.BigEndian.Uint16(c[6:8]) + 1
		binary.BigEndian.PutUint16(c[6:8], hi)
	}
	binary.BigEndian.PutUint64(c[8:], sum)
	return c.String()
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says that there is no digest: the first commit's prev, an event without a value.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText makes the hash its lower-case hexadecimal form in JSON.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText accepts 64 lower-case hexadecimal digits only.
func (h *Hash) UnmarshalText(b []byte) error {
	d, err := ParseHash(string(b))
	*h = d
	return err
}

// ParseHash reads 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("hash %q: want %d hexadecimal digits", clip(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil || h.String() != s {
		return Hash{}, fmt.Errorf("hash %q: want lower-case hexadecimal digits", clip(s))
	}
	return h, nil
}

// HashOf is SHA-256.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }
