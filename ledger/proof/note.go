package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitae/ledger"
)

// maxNote bounds a signed note, in bytes. A checkpoint with a dozen cosignatures has two
// thousand.
const maxNote = 64 << 10

// opened is a note whose signature was verified.
type opened struct {
	text    string
	name    string   // of the key that signed
	unknown []string // names of other keys, whose signatures were not looked at
}

// openNote verifies a signed note against one key. Every byte of it counts: base64 is
// decoded strictly, and a key signs once.
func openNote(signed []byte, vkey string) (opened, error) {
	v, err := note.NewVerifier(strings.TrimSuffix(vkey, "\n"))
	if err != nil {
		return opened{}, fmt.Errorf("verifier key: %w", err)
	}
	if len(signed) > maxNote {
		return opened{}, fmt.Errorf("note: %w: %d bytes, at most %d are read", ledger.ErrFormat, len(signed), maxNote)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return opened{}, fmt.Errorf("note: %w", err)
	}
	_, lines, _ := bytes.Cut(signed[len(n.Text):], []byte("\n"))
	if err := strictSignatures(string(lines)); err != nil {
		return opened{}, err
	}
	o := opened{text: n.Text, name: v.Name()}
	for _, s := range n.UnverifiedSigs {
		o.unknown = append(o.unknown, s.Name)
	}
	return o, nil
}

// signature is one line under a note.
type signature struct {
	name string
	id   uint32
	sig  []byte // without the id
}

// signatureMark begins every signature's line.
const signatureMark = "— "

// parseSignatures reads lines of signatures; each must be in the one form there is.
func parseSignatures(lines string) ([]signature, error) {
	var all []signature
	for line := range strings.Lines(lines) {
		rest, marked := strings.CutPrefix(line, signatureMark)
		rest, ended := strings.CutSuffix(rest, "\n")
		name, b64, found := strings.Cut(rest, " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(b64)
		if !marked || !ended || !found || name == "" || err != nil || len(raw) < 5 || strings.ContainsAny(b64, "\r\n") {
			return nil, fmt.Errorf("note: %w: signature %d is malformed", ledger.ErrFormat, len(all)+1)
		}
		all = append(all, signature{name: name, id: binary.BigEndian.Uint32(raw), sig: raw[4:]})
	}
	return all, nil
}

// strictSignatures refuses what note.Open overlooks.
func strictSignatures(lines string) error {
	all, err := parseSignatures(lines)
	if err != nil {
		return err
	}
	for i, s := range all {
		if slices.ContainsFunc(all[:i], func(o signature) bool { return o.name == s.name && o.id == s.id }) {
			return fmt.Errorf("note: %w: key %q signed twice", ledger.ErrFormat, s.name)
		}
	}
	return nil
}
