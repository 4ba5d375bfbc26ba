package proof

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitae/ledger"
)

// Signer holds the log's private key. Its methods may be called from many goroutines.
type Signer struct {
	skey, vkey string
	note       note.Signer
}

// NewSigner draws a key. name is the log's origin: not empty, without spaces and "+".
func NewSigner(name string) (*Signer, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("draw the log's key: %w", err)
	}
	return parseSigner(skey, vkey)
}

// parseSigner reads a private key as note.GenerateKey writes it, and the public one that
// belongs to it.
func parseSigner(skey, vkey string) (*Signer, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, fmt.Errorf("read the log's key: %w", err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil || v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return nil, fmt.Errorf("read the log's key: the public key %q does not belong to it", vkey)
	}
	return &Signer{skey: skey, vkey: vkey, note: s}, nil
}

// Key is the public key as a note verifier key (C2SP signed-note), for those who check.
func (s *Signer) Key() string { return s.vkey }

// Origin is the log's name: that of its key.
func (s *Signer) Origin() string { return s.note.Name() }

// ReceiptHeader is the first line of every text that SignText signs. It has spaces, so no
// log can have it as its origin: a receipt never passes for a checkpoint.
const ReceiptHeader = "vitae receipt v1"

// ErrNotReceipt says that a text must not be signed as a receipt.
var ErrNotReceipt = errors.New(`a receipt is lines of printable text, of which the first is "` + ReceiptHeader + `"`)

// SignText signs a receipt and gives it as a signed note. The text's first line is
// ReceiptHeader and its last character a newline; else ErrNotReceipt, and nothing is
// signed.
func (s *Signer) SignText(text string) ([]byte, error) {
	if err := checkReceipt(text); err != nil {
		return nil, err
	}
	return s.sign(text)
}

func checkReceipt(text string) error {
	rest, ok := strings.CutPrefix(text, ReceiptHeader+"\n")
	if !ok || rest == "" || !strings.HasSuffix(rest, "\n") || strings.Contains(text, "\n\n") {
		return ErrNotReceipt
	}
	return nil
}

// sign makes a note of a text, and reads it again: what could not be verified is not
// handed out.
func (s *Signer) sign(text string) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := openNote(signed, s.vkey); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}

// VerifyText gives the text of a receipt that was signed with the key vkey. An error says
// that it was not, or that the note is not a receipt.
func VerifyText(signed []byte, vkey string) (string, error) {
	n, err := openNote(signed, vkey)
	if err != nil {
		return "", err
	}
	if len(n.unknown) > 0 {
		return "", fmt.Errorf("note: %w: it has a signature of the unknown key %q", ledger.ErrFormat, n.unknown[0])
	}
	if err := checkReceipt(n.text); err != nil {
		return "", err
	}
	return n.text, nil
}
