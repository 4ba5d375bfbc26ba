package proof

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"vitae/ledger"
)

// witness is somebody else who follows the log and says so by a cosignature
// (C2SP tlog-cosignature, the Ed25519 form).
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// cosignatureType is the type byte of an Ed25519 cosigner's key.
const cosignatureType = 4

// parseWitness reads a cosigner's verifier key: name, id and key, parted by "+".
func parseWitness(vkey string) (*witness, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, b64, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	number, err2 := strconv.ParseUint(id, 16, 32)
	switch {
	case err != nil || err2 != nil || len(id) != 8 || len(raw) != 1+ed25519.PublicKeySize || name == "" || strings.ContainsAny(name, " \t\r\n"):
		return nil, fmt.Errorf("witness key %.80q: want NAME+ID+KEY as a witness publishes it", vkey)
	case raw[0] != cosignatureType:
		return nil, fmt.Errorf("witness key %.80q: it is of type %d; only Ed25519 cosigners, type 4, are known", vkey, raw[0])
	}
	w := &witness{name: name, id: uint32(number), key: raw[1:]}
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	if binary.BigEndian.Uint32(sum[:]) != w.id || fmt.Sprintf("%08x", w.id) != id {
		return nil, fmt.Errorf("witness key %.80q: its id does not belong to its name and key", vkey)
	}
	return w, nil
}

// CheckWitness says what is wrong with a witness's verifier key; nil for nothing.
func CheckWitness(vkey string) error {
	_, err := parseWitness(vkey)
	return err
}

// verify says whether sig is the witness's cosignature of a checkpoint's text.
func (w *witness) verify(text string, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at > 0 && at <= math.MaxInt64 && ed25519.Verify(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text), sig[8:])
}

// ErrCosignature says that a note is not a checkpoint of this log with a cosignature of a
// witness that the log knows. The reason stands behind it.
var ErrCosignature = errors.New("no cosignature to take")

// Cosign takes a checkpoint of this log with cosignatures under it, and adds those of the
// witnesses it knows to the checkpoint that is served. Signatures of others are left out;
// without any of a known one, or with one that is wrong, the error is ErrCosignature.
// ErrNotCurrent when a newer checkpoint was signed since. A witness counts once for a
// checkpoint: the first of its cosignatures stays.
func (l *Log) Cosign(ctx context.Context, note []byte) (Checkpoint, error) {
	c, err := ParseCheckpoint(note, l.Key())
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCosignature, err)
	}
	given, err := parseSignatures(signaturesOf(c))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCosignature, err)
	}
	var valid []signature
	for _, s := range given {
		w := l.known(s)
		switch {
		case w == nil:
			continue
		case !w.verify(c.text(), s.sig):
			return Checkpoint{}, fmt.Errorf("%w: that of %q does not verify", ErrCosignature, s.name)
		}
		valid = append(valid, s)
	}
	if valid == nil {
		return Checkpoint{}, fmt.Errorf("%w: none is of a witness that this log knows", ErrCosignature)
	}
	for range attempts {
		stored, revision, err := l.stored(ctx)
		if err != nil {
			return Checkpoint{}, err
		}
		if stored.text() != c.text() {
			return stored, ErrNotCurrent
		}
		next, err := withSignatures(stored, valid)
		if err != nil {
			return Checkpoint{}, err
		}
		if string(next.Note) != string(stored.Note) {
			err = l.put(ctx, next, revision)
		}
		switch {
		case errors.Is(err, ledger.ErrConflict):
			continue
		case err != nil:
			return Checkpoint{}, err
		}
		l.cosigned(next)
		return next, nil
	}
	return Checkpoint{}, fmt.Errorf("%w: others kept changing the checkpoint", ledger.ErrConflict)
}

// cosigned serves a checkpoint with its cosignatures, unless a newer one is served.
func (l *Log) cosigned(c Checkpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.served.text() == c.text() {
		l.served = c
		l.changed()
	}
}

// signaturesOf are the lines under a checkpoint.
func signaturesOf(c Checkpoint) string {
	return strings.TrimPrefix(string(c.Note), c.text()+"\n")
}

// withSignatures adds signatures to a checkpoint that it does not have yet.
func withSignatures(c Checkpoint, more []signature) (Checkpoint, error) {
	have, err := parseSignatures(signaturesOf(c))
	if err != nil {
		return c, err
	}
	c.Note = append([]byte(nil), c.Note...)
	seen := map[string]bool{}
	for _, s := range have {
		seen[s.key()] = true
	}
	for _, s := range more {
		if seen[s.key()] {
			continue
		}
		seen[s.key()] = true
		c.Note = append(c.Note, s.line()...)
		c.Unknown = append(c.Unknown[:len(c.Unknown):len(c.Unknown)], s.name)
	}
	return c, nil
}

// key tells signatures of different keys apart.
func (s signature) key() string { return fmt.Sprintf("%s+%08x", s.name, s.id) }

func (s signature) line() string {
	raw := append(binary.BigEndian.AppendUint32(nil, s.id), s.sig...)
	return signatureMark + s.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}
